//! Tests of the ledger: what is recorded stays, what was charged stays charged, what is damaged is named.

mod basis;
mod budget;
mod crash;
mod damage;
mod release;

use reticent_govern::{Actor, BasisEvent, BasisKind, Ledger};
use tempfile::TempDir;

fn actor() -> Actor {
    Actor("tester".into())
}

fn ledger() -> (TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&dir.path().join("ledger.db")).unwrap();
    (dir, ledger)
}

fn basis(subject: &str, state: BasisKind, since: i64) -> BasisEvent {
    BasisEvent {
        dataset: "visits".into(),
        subject: subject.into(),
        purpose: "risk".into(),
        state,
        since,
        art6: Some('a'),
        art9: None,
        notice: Some("2026-1".into()),
        expires: None,
    }
}
