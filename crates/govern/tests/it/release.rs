//! The last look: nobody whose basis ended while a model was trained is in a released one.

use super::*;
use reticent_accounting::{NoiseMultiplier, SamplingRate};
use reticent_govern::{Event, Look, Outcome, Release, ReservationState, RunRequest};
use reticent_proof::{Policy, Reason, Refusal, Request, Use};
use std::collections::BTreeMap;

fn policy() -> Policy {
    Policy {
        purpose: "risk".into(),
        art6: Some('a'),
        art9: None,
        notices: ["v1".to_owned()].into(),
        special_columns: vec![],
        exclude: Reason::ALL.into(),
        ..Policy::default()
    }
}

fn request() -> Request {
    Request { purpose: "risk".into(), use_: Use::Release, data_version: "visits/v1".into(), at: 100, columns: vec![] }
}

fn model(run: &str) -> Release {
    let text = String::from;
    Release {
        model: text("risk/1"),
        run: run.into(),
        data_version: text("visits/v1"),
        purpose: text("risk"),
        plan_digest: text("1"),
        permit_digest: text("2"),
        weights_sha256: text("3"),
        manifest_sha256: text("4"),
    }
}

/// A ledger in which `aa` and `bb` consented, an assessment is open and the run `r` draws noise.
fn drawing() -> (store::Fresh, Place, Ledger, f64) {
    let (folder, path, mut ledger) = fresh();
    ledger
        .append(
            &actor(),
            &Event::AssessmentOpened { dataset: "visits".into(), purpose: "risk".into(), criteria: vec![], to_be_completed: vec![] },
        )
        .unwrap();
    ledger.import_basis(&actor(), "visits", "c.csv", &["aa", "bb"].map(|u| happened(u, BasisKind::Given, 10))).unwrap();
    crate::budget::open(&mut ledger, "visits");
    let event = reticent_accounting::Event::dp_sgd(NoiseMultiplier::new(4.0).unwrap(), SamplingRate::new(0.01).unwrap(), 100);
    let cost = ledger.reserve(&actor(), &RunRequest { event, ..crate::budget::run("r", "visits") }).unwrap().cost;
    ledger.noise_key_created(&actor(), "r").unwrap();
    (folder, path, ledger, cost)
}

fn trained() -> BTreeMap<String, u64> {
    [("aa".to_owned(), 3), ("bb".to_owned(), 2)].into()
}

fn look<'a>(policy: &'a Policy, request: &'a Request) -> Look<'a> {
    static NO_AGES: BTreeMap<String, u8> = BTreeMap::new();
    Look { policy, request, ages: &NO_AGES, keep_until: None, cap: None, age: None }
}

fn release(ledger: &mut Ledger, gate: bool) -> Result<Outcome, reticent_govern::Error> {
    let (policy, request) = (policy(), request());
    ledger.release(&actor(), &model("r"), "visits", gate.then_some(look(&policy, &request)), &trained())
}

#[track_caller]
fn check_blocked(kind: BasisKind, since: i64, reason: Reason) {
    let (_folder, path, mut ledger, cost) = drawing();
    // The word comes in through another process while this one trains.
    path.open().unwrap().import_basis(&actor(), "visits", "late.csv", &[happened("bb", kind, since)]).unwrap();
    let Outcome::Blocked(decision) = release(&mut ledger, true).unwrap() else { panic!("{kind:?} was released") };
    assert_eq!(decision.refusals, [Refusal::Units { reason, count: reticent_proof::Count { units: 1, records: 2 } }]);
    // Leaving the unit out is no way: the model has learned from it. The run stays charged and over.
    assert!(ledger.events("model-released").unwrap().is_empty());
    assert_eq!((ledger.events("gate-decided").unwrap().len(), ledger.events("release-blocked").unwrap().len()), (1, 1));
    let reservation = ledger.reservation("r").unwrap();
    assert_eq!((reservation.state, reservation.cost), (ReservationState::Abandoned, cost));
    assert_eq!(ledger.budget("visits", "person").unwrap().unwrap().spent, cost);
    assert_eq!(release(&mut ledger, false).unwrap_err().to_string(), "run r is abandoned: its release is not possible");
    assert!(ledger.damaged().unwrap().is_empty());
}

#[test]
fn a_basis_that_ended_while_training_blocks_the_release() {
    check_blocked(BasisKind::Withdrawn, 99, Reason::Withdrawn);
    check_blocked(BasisKind::Withdrawn, 100, Reason::Withdrawn);
    check_blocked(BasisKind::Withdrawn, 10, Reason::Withdrawn);
    check_blocked(BasisKind::Restricted, 50, Reason::Restricted);
    check_blocked(BasisKind::Objected, 50, Reason::Objected);
    check_blocked(BasisKind::Refused, 50, Reason::Refused);
}

#[test]
fn withdrawn_consent_during_training_blocks_release() {
    // Before the training began nobody knew; at the very moment of the release it counts.
    for since in [11, 99, 100] {
        check_blocked(BasisKind::Withdrawn, since, Reason::Withdrawn);
    }
}

#[test]
fn a_unit_without_a_record_blocks_the_release() {
    let (_folder, _path, mut ledger, _) = drawing();
    let trained = [("aa".to_owned(), 3), ("zz".to_owned(), 1)].into();
    let outcome = ledger.release(&actor(), &model("r"), "visits", Some(look(&policy(), &request())), &trained).unwrap();
    let Outcome::Blocked(decision) = outcome else { panic!("released") };
    assert!(matches!(decision.refusals[..], [Refusal::Units { reason: Reason::NoRecord, .. }]));
}

#[test]
fn while_every_basis_stands_the_model_is_released_once() {
    let (_folder, _path, mut ledger, cost) = drawing();
    // A withdrawal by somebody who did not take part, or for another purpose, is no obstacle.
    ledger
        .import_basis(
            &actor(),
            "visits",
            "d.csv",
            &[happened("cc", BasisKind::Withdrawn, 50), BasisEvent { purpose: "care".into(), ..happened("bb", BasisKind::Withdrawn, 50) }],
        )
        .unwrap();
    let Outcome::Released(seq) = release(&mut ledger, true).unwrap() else { panic!("blocked") };
    let stored = ledger.events("model-released").unwrap();
    assert_eq!((stored.len(), stored[0].seq, &stored[0].event), (1, seq, &Event::ModelReleased(model("r"))));
    assert_eq!(ledger.reservation("r").unwrap().state, ReservationState::Released);
    assert_eq!(ledger.budget("visits", "person").unwrap().unwrap().spent, cost);
    assert_eq!(release(&mut ledger, true).unwrap_err().to_string(), "run r is released: its release is not possible");
    assert_eq!(ledger.abandon(&actor(), "r", "x").unwrap_err().to_string(), "run r is released: giving it up is not possible");
    // A refused second release leaves no trace of a decision either: one transaction.
    assert_eq!(ledger.events("gate-decided").unwrap().len(), 1);
}

#[test]
fn a_run_that_is_not_reserved_or_drew_no_noise_is_not_released() {
    let (_folder, _path, mut ledger) = fresh();
    assert_eq!(release(&mut ledger, false).unwrap_err().to_string(), "run r is not reserved");
    crate::budget::open(&mut ledger, "visits");
    ledger.reserve(&actor(), &crate::budget::run("r", "visits")).unwrap();
    assert_eq!(release(&mut ledger, false).unwrap_err().to_string(), "run r is reserved: its release is not possible");
    assert!(ledger.events("model-released").unwrap().is_empty());
}

#[test]
fn a_recalled_release_stays_recalled() {
    let (_folder, path, mut ledger, _) = drawing();
    let recall = |ledger: &mut Ledger| ledger.recall(&actor(), "risk/1", "an erasure", "officer");
    assert_eq!(recall(&mut ledger).unwrap_err().to_string(), "no release is called risk/1");
    release(&mut ledger, true).unwrap();
    assert!(ledger.recalled().unwrap().is_empty());
    assert!(recall(&mut ledger).unwrap());
    assert!(!recall(&mut ledger).unwrap(), "once");
    drop(ledger);
    let mut ledger = path.open().unwrap();
    assert_eq!(ledger.recalled().unwrap(), ["risk/1".to_owned()].into());
    assert_eq!(ledger.events("release-recalled").unwrap().len(), 1);
}
