//! The ledger as its promises say: nothing changed unseen, nothing lost that was acknowledged, nothing overspent, nobody used without a basis.

mod assessment;
mod backup;
mod basis;
mod basis_forms;
mod budget;
mod crash;
mod erase;
mod lawful_basis;
mod ledger;
mod provenance;
mod queries;
mod register;
mod release;
mod seal;
mod store;
mod writers;

use reticent_govern::{Actor, BasisDetail, BasisEvent, BasisKind, Ledger, PurposeName, Question, Reading};
use reticent_proof::Facts;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use store::{Place, edit, fresh};

fn actor() -> Actor {
    Actor("test".into())
}

/// What happened to `unit` at `since`, for the purpose `risk` of `visits`.
fn happened(unit: &str, state: BasisKind, since: i64) -> BasisEvent {
    let given = state == BasisKind::Given;
    BasisEvent {
        dataset: "visits".into(),
        subject: unit.into(),
        purpose: "risk".into(),
        state,
        since,
        art6: given.then_some('a'),
        art9: None,
        notice: given.then(|| "v1".into()),
        expires: None,
        detail: BasisDetail::default(),
    }
}

/// Facts about these units of `visits/v1` for a purpose.
fn facts(ledger: &mut Ledger, purpose: &str, rows: &BTreeMap<String, u64>, now: i64) -> Facts {
    ledger.facts(&Question::new("visits", "visits/v1", purpose, rows, now)).unwrap()
}

/// 1 November 2026: what the files of these tests say was said before.
const NOW: i64 = 1_793_491_200;

/// Reads with `read` against purposes of these names.
fn reading<T>(purposes: &[PurposeName], read: impl FnOnce(&Reading<'_>) -> T) -> T {
    let (pseudonym, receipt) = (|s: &str| format!("<{s}>"), |r: &str| format!("#{r}"));
    read(&Reading { dataset: "visits", purposes, now: NOW, pseudonym: &pseudonym, receipt: &receipt })
}

fn named(name: &str) -> PurposeName {
    PurposeName { name: name.into(), ..PurposeName::default() }
}
