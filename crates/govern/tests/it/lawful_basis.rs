//! What a data-protection officer would try against the basis and the purpose, from recorded events to the gate's answer, by their numbers.

use super::*;
use reticent_govern::{
    Circumstances, CompatibilityTest, Entry, Error, Event, Factor, InterestAssessment, RegisterEvent, age_of_consent, read_basis_csv,
};
use reticent_proof::{Count, Decision, Policy, Reason, Refusal, Request, Use, decide};
use std::collections::BTreeSet;

const DAY: i64 = 86_400;

fn policy(art6: char) -> Policy {
    Policy { purpose: "risk".into(), art6: Some(art6), notices: ["v1".to_owned()].into(), ..Policy::default() }
}

/// A ledger with an open assessment and these events.
fn ledger_of(events: &[BasisEvent]) -> (store::Fresh, Ledger) {
    let (folder, _path, mut ledger) = fresh();
    for purpose in ["risk", "ads"] {
        let event =
            Event::AssessmentOpened { dataset: "visits".into(), purpose: purpose.into(), criteria: vec![], to_be_completed: vec![] };
        ledger.append(&actor(), &event).unwrap();
    }
    ledger.import_basis(&actor(), "visits", "consent.csv", events).unwrap();
    (folder, ledger)
}

fn rows(units: &[&str]) -> BTreeMap<String, u64> {
    units.iter().map(|u| ((*u).to_owned(), 1)).collect()
}

/// Asks the gate about these units at `at`, and records its answer.
fn ask(ledger: &mut Ledger, policy: &Policy, units: &[&str], at: i64) -> Decision {
    let known = ledger.last_seq().unwrap();
    let facts = facts(ledger, &policy.purpose, &rows(units), at);
    let request = Request { purpose: policy.purpose.clone(), use_: Use::Training, data_version: "visits/v1".into(), at, columns: vec![] };
    let decision = decide(policy, &facts, &request).0;
    ledger.record_decision(&actor(), policy, &decision, &BTreeSet::new(), &Circumstances { known, ..Circumstances::default() }).unwrap();
    decision
}

/// Why `bb` cannot take part at `at`, beside `aa` whose basis stands.
fn why(policy: &Policy, events: &[BasisEvent], at: i64) -> Option<Reason> {
    let standing = BasisEvent { art6: policy.art6, ..happened("aa", BasisKind::Given, 0) };
    let (_folder, mut ledger) = ledger_of(&[&[standing], events].concat());
    let decision = ask(&mut ledger, policy, &["aa", "bb"], at);
    let refused = decision.refusals.iter().find_map(|r| if let Refusal::Units { reason, .. } = r { Some(*reason) } else { None });
    assert_eq!(refused, decision.excluded.keys().next().copied(), "refused by default");
    refused
}

fn given(since: i64) -> BasisEvent {
    happened("bb", BasisKind::Given, since)
}

#[test]
fn officer_1_consent_withdrawn_yesterday_is_refused_or_excluded_on_record() {
    let events = [happened("aa", BasisKind::Given, 0), given(0), happened("bb", BasisKind::Withdrawn, 9 * DAY)];
    let (_folder, mut ledger) = ledger_of(&events);
    let refused = ask(&mut ledger, &policy('a'), &["aa", "bb"], 10 * DAY);
    let one = Count { units: 1, records: 1 };
    assert_eq!(refused.refusals, [Refusal::Units { reason: Reason::Withdrawn, count: one }]);
    // Under an explicit policy it is left out; the entry names decision, digest and count.
    let excluding = Policy { exclude: [Reason::Withdrawn].into(), ..policy('a') };
    let allowed = ask(&mut ledger, &excluding, &["aa", "bb"], 10 * DAY);
    assert!(allowed.allowed && allowed.excluded == [(Reason::Withdrawn, one)].into());
    let stored = ledger.events("gate-decided").unwrap();
    let Event::GateDecided { decision, then, .. } = &stored[1].event else { panic!() };
    assert_eq!((decision, then.as_ref().map(|t| t.known)), (&allowed, Some(stored[1].seq - 2)));
    assert_eq!(ledger.policy(&allowed.policy_digest).unwrap(), Some(excluding));
    // And its inclusion in the signed log is proved to whoever holds the entry, without the ledger.
    let folder = tempfile::tempdir().unwrap();
    let key = reticent_proof::log::SigningKey::from_bytes("example/officer", &[7; 32]).unwrap();
    let entries = ledger.log_entries(0).unwrap();
    let mut log = reticent_proof::log::Log::open(folder.path()).unwrap();
    let checkpoint = log.publish(&entries, &key, None).unwrap();
    let index = stored[1].seq as u64 - 1;
    let proof = log.prove(index).unwrap();
    assert_eq!(proof.check(&entries[index as usize], &key.verifying_key()).unwrap(), checkpoint.unverified());
    assert!(proof.check(&entries[index as usize - 1], &key.verifying_key()).is_err());
}

#[test]
fn officer_3_expired_superseded_or_added_later_is_no_basis_and_a_second_grant_is() {
    assert_eq!(why(&policy('a'), &[BasisEvent { expires: Some(5 * DAY), ..given(0) }], 5 * DAY), Some(Reason::Expired));
    assert_eq!(why(&policy('a'), &[BasisEvent { expires: Some(5 * DAY), ..given(0) }], 5 * DAY - 1), None);
    assert_eq!(why(&policy('a'), &[BasisEvent { notice: Some("v0".into()), ..given(0) }], DAY), Some(Reason::ExpiredNotice));
    let later = Policy { since: Some(2 * DAY), exclude: BTreeSet::new(), ..policy('a') };
    let (_folder, mut ledger) = ledger_of(&[happened("aa", BasisKind::Given, 3 * DAY), given(DAY)]);
    assert_eq!(ask(&mut ledger, &later, &["aa", "bb"], 4 * DAY).excluded.keys().next(), Some(&Reason::PurposeAddedLater));
    // Given, withdrawn, given: nothing between, all of it from the second grant on.
    let again = [given(DAY), happened("bb", BasisKind::Withdrawn, 2 * DAY), given(3 * DAY)];
    for (at, expected) in [(DAY, None), (2 * DAY, Some(Reason::Withdrawn)), (3 * DAY - 1, Some(Reason::Withdrawn)), (3 * DAY, None)] {
        assert_eq!(why(&policy('a'), &again, at), expected, "at {at}");
    }
}

#[test]
fn officer_4_special_and_criminal_columns_need_their_own_ground() {
    let special = Policy { special_columns: vec!["disease".into()], ..policy('a') };
    let (_folder, mut ledger) = ledger_of(&[given(0)]);
    let refusals = ask(&mut ledger, &special, &["bb"], DAY).refusals;
    assert!(refusals.contains(&Refusal::NoConditionDeclared { columns: vec!["disease".into()] }), "{refusals:?}");
    // Declared for the purpose, and not given by the unit.
    assert_eq!(why(&Policy { art9: Some('a'), ..special }, &[given(0)], DAY), Some(Reason::NoArt9Condition));
    let criminal = Policy { criminal_columns: vec!["convictions".into()], ..policy('a') };
    assert_eq!(ask(&mut ledger, &criminal, &["bb"], DAY).refusals, [Refusal::NoLawReference { columns: vec!["convictions".into()] }]);
}

fn interest(expires: i64) -> InterestAssessment {
    InterestAssessment {
        dataset: "visits".into(),
        purpose: "risk".into(),
        interest_holds: true,
        necessary: true,
        balanced: true,
        text: "fewer falls on the ward".into(),
        assessed_by: "ward".into(),
        advised_by: Some("officer".into()),
        approved_by: "head".into(),
        expires,
    }
}

#[test]
fn officer_5_legitimate_interest_needs_its_assessment_and_ends_with_an_objection() {
    let informed = |unit: &str| BasisEvent { art6: Some('f'), notice: Some("v1".into()), ..happened(unit, BasisKind::Informed, 0) };
    let (_folder, mut ledger) = ledger_of(&[informed("aa"), informed("bb"), happened("bb", BasisKind::Objected, 5 * DAY)]);
    let refusals = |ledger: &mut Ledger| ask(ledger, &policy('f'), &["aa"], 10 * DAY).refusals;
    assert_eq!(refusals(&mut ledger), [Refusal::LegitimateInterestUnassessed]);
    // Whoever assesses, whoever advises and whoever approves are three.
    for same in [
        InterestAssessment { approved_by: " Ward ".into(), ..interest(11 * DAY) },
        InterestAssessment { approved_by: "officer".into(), ..interest(11 * DAY) },
        InterestAssessment { assessed_by: "OFFICER".into(), ..interest(11 * DAY) },
    ] {
        assert!(matches!(ledger.assess_interest(&actor(), &same), Err(Error::TwoParts { .. })));
    }
    ledger.assess_interest(&actor(), &interest(10 * DAY)).unwrap();
    assert_eq!(refusals(&mut ledger), [Refusal::LegitimateInterestExpired]);
    ledger.assess_interest(&actor(), &InterestAssessment { balanced: false, ..interest(20 * DAY) }).unwrap();
    assert_eq!(refusals(&mut ledger), [Refusal::LegitimateInterestUnassessed], "all three steps must hold");
    ledger.assess_interest(&actor(), &interest(20 * DAY)).unwrap();
    assert_eq!(refusals(&mut ledger), []);
    // An objection counts from its moment on, at once.
    let excluding = Policy { exclude: [Reason::Objected].into(), ..policy('f') };
    assert_eq!(ask(&mut ledger, &excluding, &["aa", "bb"], 5 * DAY - 1).admitted.units, 2);
    assert_eq!(ask(&mut ledger, &excluding, &["aa", "bb"], 5 * DAY).excluded[&Reason::Objected].units, 1);
    // Compelling grounds override it, but never for direct marketing; a new objection starts again.
    ledger.import_basis(&actor(), "visits", "grounds.csv", &[happened("bb", BasisKind::Overridden, 6 * DAY)]).unwrap();
    assert_eq!(ask(&mut ledger, &excluding, &["aa", "bb"], 7 * DAY).admitted.units, 2);
    let marketing = Policy { direct_marketing: true, ..excluding.clone() };
    assert_eq!(ask(&mut ledger, &marketing, &["aa", "bb"], 7 * DAY).admitted.units, 1);
    ledger.import_basis(&actor(), "visits", "again.csv", &[happened("bb", BasisKind::Objected, 8 * DAY)]).unwrap();
    assert_eq!(ask(&mut ledger, &excluding, &["aa", "bb"], 9 * DAY).admitted.units, 1);
    let purposes = [PurposeName { direct_marketing: true, ..named("risk") }];
    let refused = reading(&purposes, |r| read_basis_csv("subject,purpose,state,at\nbb,risk,overridden,2026-05-01\n", r)).unwrap_err();
    assert_eq!(refused.to_string(), "line 2: no ground overrides an objection to direct marketing (Art 21(3))");
}

#[test]
fn officer_6_a_child_without_a_guardian_is_refused_by_the_age_of_the_state() {
    let aged = |age: u8, guardian: Option<&str>| BasisEvent {
        detail: BasisDetail { age: Some(age), guardian: guardian.map(str::to_owned), ..BasisDetail::default() },
        ..given(0)
    };
    let in_state = |state: &str| Policy { child_age: Some(age_of_consent(state, NOW)), ..policy('a') };
    assert_eq!(why(&in_state("DE"), &[aged(15, None)], DAY), Some(Reason::ChildWithoutGuardian));
    assert_eq!(why(&in_state("DE"), &[aged(15, Some("register of births"))], DAY), None);
    assert_eq!(why(&in_state("DE"), &[aged(16, None)], DAY), None);
    assert_eq!(why(&in_state("AT"), &[aged(14, None)], DAY), None);
    assert_eq!(why(&in_state("AT"), &[aged(13, None)], DAY), Some(Reason::ChildWithoutGuardian));
    // Unknown is no age: it stops only what is offered to children.
    assert_eq!(why(&in_state("DE"), &[given(0)], DAY), None);
    let offered = Policy { for_children: true, ..in_state("DE") };
    let (_folder, mut ledger) = ledger_of(&[given(0)]);
    assert_eq!(ask(&mut ledger, &offered, &["bb"], DAY).excluded.keys().next(), Some(&Reason::AgeUnknown));
    // The rows may say it where the consent does not; the lesser counts.
    let ages = [("bb".to_owned(), 12)].into();
    let rows = rows(&["bb"]);
    let facts = ledger.facts(&Question { ages: &ages, ..Question::new("visits", "visits/v1", "risk", &rows, DAY) }).unwrap();
    assert_eq!(facts.units[0].age, Some(12));
}

#[test]
fn officer_7_another_basis_after_a_withdrawal_is_none() {
    let contract = BasisEvent { art6: Some('b'), ..given(3 * DAY) };
    let swapped = [given(0), happened("bb", BasisKind::Withdrawn, 2 * DAY), contract.clone()];
    assert_eq!(why(&policy('b'), &swapped, 4 * DAY), Some(Reason::BasisSwapped));
    assert_eq!(why(&policy('b'), std::slice::from_ref(&contract), 4 * DAY), None, "a contract from the start is a basis");
    // The controller's word for the purpose alone changes nothing for whoever withdrew.
    assert_eq!(why(&policy('b'), &swapped[..2], 4 * DAY), Some(Reason::Withdrawn));
    // Withdrawn of everything is withdrawn of this.
    let all = BasisEvent { purpose: "*".into(), ..happened("bb", BasisKind::Withdrawn, 2 * DAY) };
    assert_eq!(why(&policy('b'), &[given(0), all, contract], 4 * DAY), Some(Reason::BasisSwapped));
}

#[test]
fn officer_8_a_future_date_is_rejected_and_at_a_tie_the_withdrawal_wins() {
    let error = reading(&[named("risk")], |r| {
        read_basis_csv("subject,purpose,state,at,notice,art6\nann,risk,given,2026-11-02,v1,a\nbob,risk,withdrawn,2027-01-01,,\n", r)
    });
    assert_eq!(error.unwrap_err().to_string(), "line 2: `at` lies in the future\nline 3: `at` lies in the future");
    for order in [[BasisKind::Given, BasisKind::Withdrawn], [BasisKind::Withdrawn, BasisKind::Given]] {
        assert_eq!(why(&policy('a'), &order.map(|kind| happened("bb", kind, DAY)), 2 * DAY), Some(Reason::Withdrawn));
    }
}

#[test]
fn every_state_of_the_vocabulary_is_recorded_and_read_back() {
    use BasisKind::*;
    for (kind, expected) in [
        (Given, None),
        (Renewed, None),
        (Refused, Some(Reason::Refused)),
        (Withdrawn, Some(Reason::Withdrawn)),
        (Expired, Some(Reason::Expired)),
        (Invalidated, Some(Reason::Invalidated)),
        (Revoked, Some(Reason::Revoked)),
        (Requested, Some(Reason::NotAnswered)),
        (RequestDeferred, Some(Reason::NotAnswered)),
        (Unknown, Some(Reason::UnknownState)),
        (Uninformed, Some(Reason::Uninformed)),
    ] {
        let gives = matches!(kind, Given | Renewed);
        let event = BasisEvent { art6: gives.then_some('a'), notice: gives.then(|| "v1".into()), ..happened("bb", kind, DAY) };
        assert_eq!(why(&policy('a'), &[event], 2 * DAY), expected, "{kind:?}");
    }
    // Asking somebody again who has said yes takes nothing away; asking after a no leaves the question open.
    assert_eq!(why(&policy('a'), &[given(0), happened("bb", Requested, DAY)], 2 * DAY), None);
    assert_eq!(
        why(&policy('a'), &[given(0), happened("bb", Withdrawn, DAY), happened("bb", Requested, 2 * DAY)], 3 * DAY),
        Some(Reason::NotAnswered)
    );
}

#[test]
fn reuse_for_another_purpose_needs_five_factors_and_is_recorded() {
    let contract = |purpose: &str| BasisEvent { purpose: purpose.into(), art6: Some('b'), ..given(0) };
    let (_folder, mut ledger) = ledger_of(&[contract("ads")]);
    let asked = |ledger: &mut Ledger| ask(ledger, &policy('b'), &["bb"], 5 * DAY).excluded.into_keys().next();
    assert_eq!(asked(&mut ledger), Some(Reason::NoRecord));
    let speaks = |speaks_for| Factor { speaks_for, why: "as written in the file".into() };
    let test = |for_consequences: bool| CompatibilityTest {
        dataset: "visits".into(),
        from: "ads".into(),
        to: "risk".into(),
        link: speaks(true),
        context: speaks(true),
        nature: speaks(true),
        consequences: speaks(for_consequences),
        safeguards: speaks(true),
        tested_by: "ward".into(),
        advised_by: Some("officer".into()),
        decided_by: "head".into(),
    };
    let entry = |test, until| RegisterEvent { id: "ads to risk".into(), from: DAY, until: Some(until), entry: Entry::Compatibility(test) };
    ledger.enter(&actor(), &[entry(test(false), 9 * DAY)]).unwrap();
    assert_eq!(asked(&mut ledger), Some(Reason::NoRecord), "one factor against it is enough");
    let alone = CompatibilityTest { decided_by: "officer".into(), ..test(true) };
    assert!(matches!(ledger.enter(&actor(), &[entry(alone, 9 * DAY)]), Err(Error::TwoParts { .. })));
    ledger.enter(&actor(), &[entry(test(true), 9 * DAY)]).unwrap();
    assert_eq!(asked(&mut ledger), None);
    ledger.enter(&actor(), &[entry(test(true), 5 * DAY)]).unwrap();
    assert_eq!(asked(&mut ledger), Some(Reason::NotCompatible), "run out");
    // Consent is for what was consented to.
    let (_folder, mut ledger) = ledger_of(&[BasisEvent { purpose: "ads".into(), ..given(0) }]);
    ledger.enter(&actor(), &[entry(test(true), 9 * DAY)]).unwrap();
    assert_eq!(ask(&mut ledger, &policy('a'), &["bb"], 5 * DAY).excluded.into_keys().next(), Some(Reason::NotCompatible));
}

/// `RETICENT_TEST_REPLAYS` sets how many: 200 by default.
#[test]
fn past_decisions_replay_to_the_same_bytes() {
    let days: i64 = std::env::var("RETICENT_TEST_REPLAYS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let (_folder, mut ledger) = ledger_of(&[happened("aa", BasisKind::Given, 0), given(0)]);
    let excluding = Policy { exclude: Reason::ALL.into(), ..policy('a') };
    let units = rows(&["aa", "bb", "cc"]);
    for day in 1..=days {
        ask(&mut ledger, &excluding, &["aa", "bb", "cc"], day * DAY);
        // Said later about an earlier day: it did not count then, and must not when the decision is made again.
        let kind = if day % 2 == 0 { BasisKind::Given } else { BasisKind::Withdrawn };
        ledger.import_basis(&actor(), "visits", "c.csv", &[happened(["aa", "bb", "cc"][day as usize % 3], kind, day * DAY - 7)]).unwrap();
    }
    let decided = ledger.events("gate-decided").unwrap();
    let differing = ledger.asking_often(|ledger| {
        let mut differing = 0;
        for stored in &decided {
            let Event::GateDecided { decision, then, .. } = &stored.event else { panic!() };
            let asked = Question { known: then.as_ref().map(|t| t.known), ..Question::new("visits", "visits/v1", "risk", &units, 0) };
            let again = ledger.replay(decision, &asked)?.0;
            assert_eq!(serde_json::to_vec(&again).unwrap(), serde_json::to_vec(decision).unwrap());
            // With what is known today it would be another.
            differing += usize::from(ledger.replay(decision, &Question { known: None, ..asked })?.0 != *decision);
        }
        Ok::<_, Error>(differing)
    });
    let differing = differing.unwrap();
    assert!(decided.len() as i64 == days && differing as i64 > days / 4, "{differing}");
}

/// The slow way is to read everything for each question.
#[test]
fn asking_often_answers_as_asking_anew() {
    let (_folder, place, mut ledger) = fresh();
    let units = rows(&["aa", "bb", "cc"]);
    let asked = |known| Question { known, ..Question::new("visits", "visits/v1", "risk", &units, 9 * DAY) };
    let mut other = place.open().unwrap();
    let write = |other: &mut Ledger, day: i64| {
        let kind = if day % 2 == 0 { BasisKind::Given } else { BasisKind::Withdrawn };
        other.import_basis(&actor(), "visits", "c.csv", &[happened(["aa", "bb", "cc"][day as usize % 3], kind, day * DAY)]).unwrap();
    };
    write(&mut other, 0);
    let done: Result<(), Error> = ledger.asking_often(|ledger| {
        for day in 1..8 {
            // Somebody else writes in between, and takes somebody out: both are seen.
            write(&mut other, day);
            for known in [None, Some(2), Some(3), Some(3 * day), Some(i64::MAX)] {
                assert_eq!(ledger.facts(&asked(known))?, other.facts(&asked(known))?, "{day} {known:?}");
            }
        }
        other.erase_subject(&actor(), "visits", "aa", 1, 0)?;
        assert_eq!(ledger.facts(&asked(None))?, other.facts(&asked(None))?);
        // Whoever only asks writes nothing.
        assert!(ledger.import_basis(&actor(), "visits", "c.csv", &[given(0)]).is_err());
        Ok(())
    });
    done.unwrap();
    ledger.import_basis(&actor(), "visits", "c.csv", &[given(8 * DAY)]).unwrap();
}
