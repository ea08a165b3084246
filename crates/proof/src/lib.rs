//! What an outsider can re-check: the permit and the decision behind it, the transparency log, signed checkpoints.

mod decide;
pub mod log;
mod permit;
mod removal;

pub use decide::{BasisFacts, BasisState, Count, Decision, Facts, Policy, Reason, Refusal, Request, UnitFacts, decide};
pub use permit::{Ground, Permit, Use};
pub use removal::*;
