//! The facts: the ledger of events, budgets, reservations and the gate's facts. Knows no tensor.
//!
//! Everything that happened is an [`Event`] in one SQLite file; nothing in it is ever changed, but that [`Ledger::erase_subject`] empties the
//! events of one unit. Each event carries a commitment, the leaf
//! of the transparency log, written in the same transaction. [`Ledger::facts`] gathers what [`reticent_proof::decide`] needs;
//! [`Ledger::reserve`] charges a budget before a noise key exists; [`Ledger::release`] asks the gate again inside the transaction that
//! releases a model.

mod assessment;
mod basis;
mod budget;
mod erase;
mod error;
mod event;
mod gate;
mod ledger;
mod queries;
mod release;

pub use assessment::{AssessmentDecision, Section};
pub use basis::{BasisEvent, BasisKind, Imported, read_basis_csv};
pub use budget::{Budget, Reservation, ReservationState, RunRequest};
pub use erase::Erased;
pub use error::Error;
pub use event::{Actor, Event, Release, StoredEvent};
pub use ledger::{FORMAT, Ledger};
pub use release::Outcome;
