//! What an outsider can re-check: the permit and the decision behind it, the transparency log, signed checkpoints and erasure records.

mod decide;
pub mod log;
mod permit;
pub mod record;
mod removal;

pub use decide::{BasisFacts, BasisState, Count, Decision, Facts, LegitimateInterest, Policy, Reason, Refusal, Request, UnitFacts, decide};
pub use permit::{Ground, Permit, Use};
pub use removal::*;
