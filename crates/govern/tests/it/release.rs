//! The last look: a withdrawal during training blocks the release.

use crate::{actor, basis, ledger};
use reticent_accounting::{Delta, Epsilon, Event as Mechanism, NoiseMultiplier, Order, SamplingRate};
use reticent_govern::{BasisKind, Event, Ledger, Outcome, Release, ReservationState, RunRequest};
use reticent_proof::{Policy, Reason, Refusal, Request, Use};
use std::collections::BTreeMap;

fn prepared() -> (tempfile::TempDir, Ledger) {
    let (dir, mut ledger) = ledger();
    let (epsilon, delta, order) = (Epsilon::new(2.0).unwrap(), Delta::new(1e-5).unwrap(), Order::new(10.0).unwrap());
    ledger.open_budget(&actor(), "visits", "person", epsilon, delta, order).unwrap();
    let event = Mechanism::dp_sgd(NoiseMultiplier::new(20.0).unwrap(), SamplingRate::new(0.1).unwrap(), 10);
    let text = String::new;
    let request = RunRequest {
        run: "r".into(),
        model: "risk/1".into(),
        dataset: "visits".into(),
        unit: "person".into(),
        binding: text(),
        plan: text(),
        plan_digest: text(),
        event,
        held_runs: 0,
    };
    ledger.reserve(&actor(), &request).unwrap();
    ledger.noise_key_created(&actor(), "r").unwrap();
    ledger
        .append(
            &actor(),
            &Event::AssessmentOpened { dataset: "visits".into(), purpose: "risk".into(), criteria: vec![], to_be_completed: vec![] },
        )
        .unwrap();
    ledger.import_basis(&actor(), "visits", "c.csv", &[basis("a", BasisKind::Given, 10), basis("b", BasisKind::Given, 10)]).unwrap();
    (dir, ledger)
}

fn release(ledger: &mut Ledger) -> Outcome {
    let policy = Policy {
        purpose: "risk".into(),
        art6: Some('a'),
        art9: None,
        notices: ["2026-1".to_owned()].into(),
        special_columns: vec![],
        // Excluding is for the start of training; at release everybody the model learned from must still be there.
        exclude: Reason::ALL.into(),
    };
    let request = Request { purpose: "risk".into(), use_: Use::Release, data_version: "visits/v1".into(), at: 100 };
    let text = String::new;
    let release = Release {
        model: "risk/1".into(),
        run: "r".into(),
        data_version: "visits/v1".into(),
        purpose: "risk".into(),
        plan_digest: text(),
        permit_digest: text(),
        weights_sha256: text(),
        manifest_sha256: text(),
    };
    let trained = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 1)]);
    ledger.release(&actor(), &release, "visits", Some((&policy, &request)), &trained).unwrap()
}

#[test]
fn a_model_is_released_while_every_basis_stands() {
    let (_dir, mut ledger) = prepared();
    assert!(matches!(release(&mut ledger), Outcome::Released(_)));
    assert_eq!(ledger.reservation("r").unwrap().state, ReservationState::Released);
}

#[test]
fn withdrawn_consent_during_training_blocks_release() {
    let (_dir, mut ledger) = prepared();
    let before = ledger.budgets().unwrap()[0].spent;
    ledger.import_basis(&actor(), "visits", "c2.csv", &[basis("b", BasisKind::Withdrawn, 50)]).unwrap();
    let Outcome::Blocked(decision) = release(&mut ledger) else { panic!("the release went through") };
    assert!(matches!(decision.refusals[..], [Refusal::Units { reason: Reason::Withdrawn, .. }]));
    assert!(ledger.events("model-released").unwrap().is_empty());
    assert_eq!(ledger.events("release-blocked").unwrap().len(), 1);
    // Noise was drawn: the run stays charged.
    assert_eq!(ledger.reservation("r").unwrap().state, ReservationState::Abandoned);
    assert_eq!(ledger.budgets().unwrap()[0].spent, before);
}
