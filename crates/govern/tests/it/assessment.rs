//! Who advises does not decide; a legitimate interest counts where all of its steps held.

use super::*;
use reticent_govern::{AssessmentDecision, Error, Event};

#[test]
fn whoever_advises_does_not_decide_and_the_other_way_round() {
    let (_folder, _path, mut ledger) = fresh();
    let decide = |ledger: &mut Ledger, purpose: &str, by: &str| {
        ledger.decide_assessment(&actor(), "visits", purpose, by, AssessmentDecision::Approved, "the risks are answered")
    };
    ledger.advise_assessment(&actor(), "visits", "risk", "Ann Officer", "reduce the columns").unwrap();
    for same in ["Ann Officer", " ann officer "] {
        assert!(matches!(decide(&mut ledger, "risk", same), Err(Error::SameActor { .. })));
    }
    assert!(ledger.events("assessment-decided").unwrap().is_empty());
    // Another purpose is another assessment.
    decide(&mut ledger, "care", "Ann Officer").unwrap();
    decide(&mut ledger, "risk", "Head of care").unwrap();
    let late = ledger.advise_assessment(&actor(), "visits", "risk", "Head of care", "all is well");
    assert!(matches!(late, Err(Error::SameActor { by }) if by == "Head of care"));
    assert_eq!(ledger.events("assessment-advised").unwrap().len(), 1);
}

#[test]
fn the_newest_assessment_of_an_interest_counts() {
    let (_folder, _path, mut ledger) = fresh();
    let assessed = |purpose: &str, balanced: bool, expires: i64| Event::LegitimateInterestAssessed {
        dataset: "visits".into(),
        purpose: purpose.into(),
        interest_holds: true,
        necessary: true,
        balanced,
        text: "…".into(),
        approved_by: "head".into(),
        expires,
        assessed_by: None,
        advised_by: None,
    };
    let found = |ledger: &mut Ledger| {
        let facts = facts(ledger, "risk", &[].into(), 100);
        facts.legitimate_interest.map(|l| (l.event, l.expires))
    };
    assert_eq!(found(&mut ledger), None);
    ledger.append(&actor(), &assessed("ads", true, 900)).unwrap();
    assert_eq!(found(&mut ledger), None);
    ledger.append(&actor(), &assessed("risk", true, 900)).unwrap();
    assert_eq!(found(&mut ledger), Some((2, 900)));
    ledger.append(&actor(), &assessed("risk", true, 800)).unwrap();
    assert_eq!(found(&mut ledger), Some((3, 800)));
    // A later one in which a step fails ends the interest.
    ledger.append(&actor(), &assessed("risk", false, 900)).unwrap();
    assert_eq!(found(&mut ledger), None);
}
