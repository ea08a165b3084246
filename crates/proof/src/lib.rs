//! What an outsider can re-check: the permit and the decision behind it, the transparency log, signed checkpoints and erasure records.

pub mod bundle;
mod decide;
pub mod log;
mod permit;
pub mod record;
mod removal;

pub use decide::{
    BasisFacts, BasisState, Compatibility, Count, Decision, Facts, LegitimateInterest, Policy, Reason, Refusal, Request, UnitFacts, decide,
    inherited, rules, unit_reason,
};
pub use permit::{Ground, Permit, Use};
pub use removal::*;
