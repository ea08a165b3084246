//! The facts: the ledger of events, budgets, reservations and the gate's facts. Knows no tensor.
//!
//! Everything that happened is an [`Event`] in one SQLite file, or on a PostgreSQL server; nothing in it is ever changed, but that [`Ledger::erase_subject`] empties the
//! events of one unit. Each event carries a commitment, the leaf
//! of the transparency log, written in the same transaction. [`Ledger::facts`] gathers what [`reticent_proof::decide`] needs;
//! [`Ledger::reserve`] charges a budget before a noise key exists; [`Ledger::release`] asks the gate again inside the transaction that
//! releases a model.

mod asserted;
mod assessment;
mod backup;
mod basis;
mod breach;
mod budget;
mod clock;
mod erase;
mod error;
mod event;
mod gate;
mod interest;
mod law;
mod ledger;
mod provenance;
mod queries;
mod register;
mod release;
mod request;
mod seal;
mod store;
mod tasks;

pub use asserted::{AssertedModel, ForeignRun, ForeignSampler};
pub use assessment::{AssessmentDecision, Section};
pub use backup::{Backup, BackupFile};
pub use basis::{
    ALL_PURPOSES, BasisDetail, BasisEvent, BasisKind, Imported, PurposeName, Reading, Received, decode, read_basis_csv, read_basis_json,
    read_dpv_records, read_kantara_receipts, same_iri, strict, write_basis_csv, write_dpv_record, write_kantara_receipt,
};
pub use breach::{Breach, BreachEvent, BreachStep};
pub use budget::{Budget, Reservation, ReservationState, RunRequest};
pub use erase::{Erased, OwnOpenings};
pub use error::Error;
pub use event::{Actor, Circumstances, Event, Release, StoredEvent};
pub use gate::Question;
pub use interest::InterestAssessment;
pub use law::{FRIA_FROM, OPT_IN_AGE, Regime, Term, age_of_consent, is_working_day, knows_holidays, term};
pub use ledger::Ledger;
pub use provenance::GroundThen;
pub use register::{
    CompatibilityTest, DueThing, Entered, Entry, Factor, Host, HostDecision, LegalHold, Notice, Party, PartyRole, PurposeEntry, Recipient,
    RegisterEvent, Retention, read_register, until,
};
pub use release::{Look, Outcome};
pub use request::{Case, Deadline, RecipientNotice, Refused, RequestEvent, RequestStep, Review, Right, State as RequestState, telling};
pub use seal::LedgerKey;
pub use store::FORMAT;
pub use tasks::Task;
