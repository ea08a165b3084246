//! Every reason, every rule, and bytes that stay as they were.

use super::*;
use std::collections::BTreeSet;
fn policy() -> Policy {
    Policy {
        purpose: "risk".into(),
        art6: Some('a'),
        art9: Some('a'),
        notices: ["2026-1".to_owned()].into(),
        special_columns: vec!["disease".into()],
        exclude: Reason::ALL.into(),
        ..Policy::default()
    }
}

fn unit(name: &str) -> UnitFacts {
    UnitFacts {
        unit: name.into(),
        records: 3,
        basis: Some(BasisFacts {
            state: BasisState::Given,
            art6: 'a',
            art9: Some('a'),
            notice: "2026-1".into(),
            since: 100,
            expires: Some(900),
            purpose: None,
            after_withdrawal: false,
            guardian: false,
        }),
        ..UnitFacts::default()
    }
}

fn facts(units: Vec<UnitFacts>) -> Facts {
    Facts { data_version: "visits/v1".into(), assessment: Some(1), events_known: true, units, ..Facts::default() }
}

fn request() -> Request {
    Request { purpose: "risk".into(), use_: Use::Training, data_version: "visits/v1".into(), at: 500, columns: vec![] }
}

#[track_caller]
fn check_reason(change: impl Fn(&mut UnitFacts), expected: Reason) {
    let mut changed = unit("b");
    change(&mut changed);
    let (decision, permit) = decide(&policy(), &facts(vec![unit("a"), changed.clone()]), &request());
    assert_eq!(decision.excluded, [(expected, Count { units: 1, records: 3 })].into());
    assert_eq!(permit.unwrap().allowed_units().unwrap(), ["a"]);
    // Not listed under `exclude`: the same unit refuses the whole request.
    let strict = Policy { exclude: BTreeSet::new(), ..policy() };
    let (decision, permit) = decide(&strict, &facts(vec![unit("a"), changed]), &request());
    assert_eq!(decision.refusals, [Refusal::Units { reason: expected, count: Count { units: 1, records: 3 } }]);
    assert!(permit.is_none());
}

#[test]
fn every_reason_excludes_or_refuses() {
    let basis = |f: fn(&mut BasisFacts)| move |u: &mut UnitFacts| f(u.basis.as_mut().unwrap());
    check_reason(|u| u.basis = None, Reason::NoRecord);
    check_reason(basis(|b| b.state = BasisState::Withdrawn), Reason::Withdrawn);
    check_reason(basis(|b| b.state = BasisState::Refused), Reason::Refused);
    check_reason(basis(|b| b.since = 501), Reason::FutureDated);
    check_reason(basis(|b| b.expires = Some(500)), Reason::Expired);
    check_reason(basis(|b| b.notice = "2025-1".into()), Reason::ExpiredNotice);
    check_reason(basis(|b| b.art6 = 'b'), Reason::OtherBasis);
    check_reason(|u| u.restricted = true, Reason::Restricted);
    check_reason(|u| u.objected = true, Reason::Objected);
    check_reason(basis(|b| b.art9 = None), Reason::NoArt9Condition);
    check_reason(basis(|b| b.art9 = Some('j')), Reason::NoArt9Condition);
}

#[track_caller]
fn check_refusal(policy: &Policy, facts: &Facts, request: &Request, expected: &Refusal) {
    let (decision, permit) = decide(policy, facts, request);
    assert!(decision.refusals.contains(expected), "{:?}", decision.refusals);
    assert!(permit.is_none());
}

#[test]
fn gaps_refuse() {
    let one = || facts(vec![unit("a")]);
    check_refusal(&policy(), &one(), &Request { purpose: "ads".into(), ..request() }, &Refusal::OtherPurpose);
    check_refusal(&Policy { art6: None, ..policy() }, &one(), &request(), &Refusal::NoBasisDeclared);
    check_refusal(&Policy { art6: Some('f'), ..policy() }, &one(), &request(), &Refusal::LegitimateInterestUnassessed);
    check_refusal(
        &Policy { art9: None, ..policy() },
        &one(),
        &request(),
        &Refusal::NoConditionDeclared { columns: vec!["disease".into()] },
    );
    check_refusal(&policy(), &Facts { assessment: None, ..one() }, &request(), &Refusal::NoAssessment);
    check_refusal(&policy(), &Facts { events_known: false, ..one() }, &request(), &Refusal::Quarantined);
    check_refusal(&policy(), &facts(vec![]), &request(), &Refusal::NobodyLeft);
}

/// A purpose of legitimate interest, its assessment, and units to go with it.
fn interested() -> (Policy, Facts) {
    let policy = Policy { art6: Some('f'), art9: None, special_columns: vec![], ..policy() };
    let mut unit = unit("a");
    unit.basis.as_mut().unwrap().art6 = 'f';
    (policy, Facts { legitimate_interest: Some(LegitimateInterest { event: 4, expires: 501 }), ..facts(vec![unit]) })
}

#[test]
fn legitimate_interest_needs_an_approved_unexpired_assessment() {
    let (policy, good) = interested();
    assert!(decide(&policy, &good, &request()).0.allowed);
    let refusals = |facts: &Facts| decide(&policy, facts, &request()).0.refusals;
    assert_eq!(refusals(&Facts { legitimate_interest: None, ..good.clone() }), [Refusal::LegitimateInterestUnassessed]);
    let expired = Some(LegitimateInterest { event: 4, expires: 500 });
    assert_eq!(refusals(&Facts { legitimate_interest: expired, ..good.clone() }), [Refusal::LegitimateInterestExpired]);
    // An Art 9 condition on record does not mend it.
    let special = Policy { special_columns: vec!["disease".into()], art9: Some('a'), ..policy };
    let refused = Refusal::LegitimateInterestOverSpecial { columns: vec!["disease".into()] };
    assert_eq!(decide(&special, &good, &request()).0.refusals, [refused]);
    // An objection ends it for the unit at once.
    let mut objecting = good;
    objecting.units.push(UnitFacts { unit: "b".into(), objected: true, ..objecting.units[0].clone() });
    let (decision, permit) = decide(&interested().0, &objecting, &request());
    assert_eq!((decision.excluded[&Reason::Objected].units, permit.unwrap().allowed_units().unwrap().len()), (1, 1));
}

#[test]
fn legitimate_interest_over_private_messages_is_denied_by_default() {
    let (policy, facts) = interested();
    for train_on_messages in [false, true] {
        let policy = Policy { private_messages: true, train_on_messages, ..policy.clone() };
        for use_ in [Use::Training, Use::Release, Use::Audit, Use::Explanation, Use::Selection, Use::Removal] {
            check_refusal(&policy, &facts, &Request { use_, ..request() }, &Refusal::PrivateMessages);
        }
    }
}

#[test]
fn messages_are_not_trained_on_by_default() {
    let messages = Policy { private_messages: true, ..policy() };
    let one = facts(vec![unit("a")]);
    for use_ in [Use::Training, Use::Release, Use::Selection, Use::Removal] {
        let request = Request { use_, ..request() };
        assert_eq!(decide(&messages, &one, &request).0.refusals, [Refusal::NoTrainDefault]);
        assert!(decide(&Policy { train_on_messages: true, ..messages.clone() }, &one, &request).0.allowed);
        // Without messages the flag says nothing.
        assert!(decide(&policy(), &one, &request).0.allowed);
    }
}

/// A policy or facts without the newer fields keep the digests that old decisions and permits hold.
#[test]
fn unset_flags_leave_digests_as_they_were() {
    let policy = Policy { exclude: Reason::ALL[..10].iter().copied().collect(), ..policy() };
    let json = serde_json::to_string(&policy).unwrap();
    let before = r#"{"purpose":"risk","art6":"a","art9":"a","notices":["2026-1"],"special_columns":["disease"],"exclude":["#;
    assert!(json.starts_with(before) && json.ends_with(r#""no-art9-condition"]}"#), "{json}");
    let json = serde_json::to_string(&facts(vec![])).unwrap();
    assert_eq!(json, r#"{"data_version":"visits/v1","assessment":1,"events_known":true,"units":[]}"#);
    assert_eq!(serde_json::from_str::<Facts>(&json).unwrap(), facts(vec![]));
    assert_ne!(digest(&policy), digest(&Policy { private_messages: true, ..policy.clone() }));
    let json = serde_json::to_string(&unit("a")).unwrap();
    assert!(json.ends_with(r#""since":100,"expires":900},"restricted":false,"objected":false}"#), "{json}");
    assert!(serde_json::to_string(&request()).unwrap().ends_with(r#""at":500}"#));
}

#[test]
fn replay_gives_the_same_bytes() {
    let facts = facts(vec![unit("a"), UnitFacts { restricted: true, ..unit("b") }]);
    let bytes = |f: &Facts| serde_json::to_vec(&decide(&policy(), f, &request()).0).unwrap();
    let reread: Facts = serde_json::from_slice(&serde_json::to_vec(&facts).unwrap()).unwrap();
    assert_eq!(bytes(&facts), bytes(&reread));
}

fn changed(f: impl Fn(&mut BasisFacts)) -> impl Fn(&mut UnitFacts) {
    move |u| f(u.basis.as_mut().unwrap())
}

/// All states of the vocabulary: two are a basis, and no other.
#[test]
fn of_all_states_given_and_renewed_alone_are_a_basis() {
    for (state, reason) in [
        (BasisState::Refused, Reason::Refused),
        (BasisState::Withdrawn, Reason::Withdrawn),
        (BasisState::Expired, Reason::Expired),
        (BasisState::Invalidated, Reason::Invalidated),
        (BasisState::Revoked, Reason::Revoked),
        (BasisState::Requested, Reason::NotAnswered),
        (BasisState::RequestDeferred, Reason::NotAnswered),
        (BasisState::Unknown, Reason::UnknownState),
        (BasisState::Uninformed, Reason::Uninformed),
    ] {
        check_reason(changed(|b| b.state = state), reason);
    }
    let mut renewed = unit("a");
    renewed.basis.as_mut().unwrap().state = BasisState::RenewedConsentGiven;
    assert!(decide(&policy(), &facts(vec![renewed]), &request()).0.allowed);
    assert!(Reason::ALL.into_iter().all(|r| Reason::from_name(r.name()) == Some(r) && serde_json::json!(r) == r.name()));
}

#[test]
fn a_purpose_declared_later_is_not_covered() {
    let later = |since| Policy { since: Some(since), ..policy() };
    assert!(decide(&later(100), &facts(vec![unit("a")]), &request()).0.allowed);
    let decision = decide(&later(101), &facts(vec![unit("a")]), &request()).0;
    assert_eq!(decision.excluded.keys().copied().collect::<Vec<_>>(), [Reason::PurposeAddedLater]);
}

#[test]
fn a_basis_in_place_of_a_withdrawn_consent_is_none() {
    let contract = Policy { art6: Some('b'), ..policy() };
    let swapped = |after_withdrawal, art6| {
        let mut swapped = unit("a");
        let basis = swapped.basis.as_mut().unwrap();
        (basis.after_withdrawal, basis.art6) = (after_withdrawal, art6);
        facts(vec![swapped])
    };
    assert!(decide(&contract, &swapped(false, 'b'), &request()).0.allowed);
    assert_eq!(decide(&contract, &swapped(true, 'b'), &request()).0.excluded.keys().next(), Some(&Reason::BasisSwapped));
    assert!(decide(&policy(), &swapped(true, 'a'), &request()).0.allowed, "asked again, and given again");
}

#[test]
fn a_child_needs_a_guardian_for_consent_alone() {
    let aged = |age: Option<u8>, guardian: bool, art6: char| {
        let mut aged = unit("a");
        aged.age = age;
        let basis = aged.basis.as_mut().unwrap();
        (basis.guardian, basis.art6) = (guardian, art6);
        facts(vec![aged])
    };
    let asks = |below| Policy { child_age: Some(below), ..policy() };
    let excluded = |policy: &Policy, facts: &Facts| decide(policy, facts, &request()).0.excluded.into_keys().next();
    assert_eq!(excluded(&asks(16), &aged(Some(15), false, 'a')), Some(Reason::ChildWithoutGuardian));
    assert_eq!(excluded(&asks(16), &aged(Some(16), false, 'a')), None);
    assert_eq!(excluded(&asks(13), &aged(Some(15), false, 'a')), None, "by state");
    assert_eq!(excluded(&asks(16), &aged(Some(15), true, 'a')), None);
    assert_eq!(excluded(&asks(16), &aged(None, false, 'a')), None, "unknown, which is said elsewhere");
    assert_eq!(excluded(&Policy { for_children: true, ..asks(16) }, &aged(None, false, 'a')), Some(Reason::AgeUnknown));
    assert_eq!(excluded(&Policy { art6: Some('c'), ..asks(16) }, &aged(Some(9), false, 'c')), None, "Art 8 is about consent");
}

#[test]
fn an_override_counts_except_against_direct_marketing() {
    let (policy, mut facts) = interested();
    (facts.units[0].objected, facts.units[0].overridden) = (true, true);
    assert!(decide(&policy, &facts, &request()).0.allowed);
    let marketing = Policy { direct_marketing: true, ..policy.clone() };
    assert_eq!(decide(&marketing, &facts, &request()).0.excluded.keys().next(), Some(&Reason::Objected));
    facts.units[0].overridden = false;
    assert_eq!(decide(&policy, &facts, &request()).0.excluded.keys().next(), Some(&Reason::Objected));
}

#[test]
fn criminal_columns_need_a_law() {
    let criminal = Policy { criminal_columns: vec!["convictions".into()], ..policy() };
    let refused = Refusal::NoLawReference { columns: vec!["convictions".into()] };
    for law in [None, Some(" ".to_owned())] {
        check_refusal(&Policy { art10_law: law, ..criminal.clone() }, &facts(vec![unit("a")]), &request(), &refused);
    }
    let named = Policy { art10_law: Some("Example Act, section 11".into()), ..criminal };
    assert!(decide(&named, &facts(vec![unit("a")]), &request()).0.allowed);
}

fn purposes(names: &[&str]) -> std::collections::BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

#[test]
fn columns_serve_the_purposes_they_were_collected_for() {
    let declared = |of_income: &[&str]| Policy {
        columns: [("age".to_owned(), purposes(&["risk"])), ("income".to_owned(), purposes(of_income))].into(),
        ..policy()
    };
    let reads = |columns: &[&str]| Request { columns: columns.iter().map(|c| (*c).to_owned()).collect(), ..request() };
    let refusals = |policy: &Policy, facts: &Facts, columns: &[&str]| decide(policy, facts, &reads(columns)).0.refusals;
    let one = facts(vec![unit("a")]);
    let other = |column: &str| vec![Refusal::ColumnForOtherPurpose { columns: vec![column.into()] }];
    assert_eq!(refusals(&declared(&["risk", "ads"]), &one, &["age", "income"]), []);
    assert_eq!(refusals(&declared(&["ads"]), &one, &["age", "income"]), other("income"));
    assert_eq!(refusals(&declared(&["ads"]), &one, &["age"]), [], "what is not read does no harm");
    for unknown in [declared(&[]), Policy { columns: [("age".to_owned(), purposes(&["risk"]))].into(), ..policy() }] {
        assert_eq!(refusals(&unknown, &one, &["age", "income"]), [Refusal::ColumnWithoutPurpose { columns: vec!["income".into()] }]);
    }
    // What was collected for the whole serves its part; what was collected for the part does not serve the whole.
    let part = Policy { broader: vec!["care".into(), "health".into()], ..declared(&["health"]) };
    assert_eq!(refusals(&part, &one, &["income"]), []);
    assert_eq!(refusals(&declared(&["risk-of-falls"]), &one, &["income"]), other("income"));
    // Reuse needs a test that stands.
    let tested = |expires| Facts { compatible: vec![Compatibility { event: 9, from: "ads".into(), expires }], ..one.clone() };
    assert_eq!(refusals(&declared(&["ads"]), &tested(501), &["income"]), []);
    assert_eq!(refusals(&declared(&["ads"]), &tested(500), &["income"]), other("income"));
}

#[test]
fn a_basis_for_another_purpose_needs_a_compatibility_test_and_is_no_consent() {
    let (policy, mut facts) = interested();
    facts.units[0].basis.as_mut().unwrap().purpose = Some("billing".into());
    facts.units[0].basis.as_mut().unwrap().art6 = 'b';
    let excluded = |facts: &Facts| decide(&policy, facts, &request()).0.excluded.into_keys().next();
    assert_eq!(excluded(&facts), Some(Reason::NotCompatible));
    facts.compatible = vec![Compatibility { event: 9, from: "billing".into(), expires: 501 }];
    assert_eq!(excluded(&facts), None);
    facts.compatible[0].expires = 500;
    assert_eq!(excluded(&facts), Some(Reason::NotCompatible));
    facts.compatible[0].expires = 501;
    for art6 in ['a', 'c'] {
        facts.units[0].basis.as_mut().unwrap().art6 = art6;
        assert_eq!(excluded(&facts), Some(Reason::NotCompatible), "Art 6(4) does not reach consent and law");
    }
}

#[test]
fn opting_out_blocks_sale_and_sharing_and_not_the_own_training() {
    let said = |opted_out, opted_in, age| facts(vec![UnitFacts { opted_out, opted_in, age, ..unit("a") }]);
    let asks = Policy { opt_in_age: Some(16), ..policy() };
    let excluded = |use_, facts: &Facts| decide(&asks, facts, &Request { use_, ..request() }).0.excluded.into_keys().next();
    for (use_, expected) in [(Use::Sale, Some(Reason::OptedOut)), (Use::Sharing, Some(Reason::OptedOut)), (Use::Training, None)] {
        assert_eq!(excluded(use_, &said(true, false, None)), expected);
        assert_eq!(excluded(use_, &said(false, false, Some(15))), expected, "a child opts in");
        assert_eq!(excluded(use_, &said(false, true, Some(15))), None);
        assert_eq!(excluded(use_, &said(false, false, Some(16))), None);
    }
    let limited = facts(vec![UnitFacts { limited: true, ..unit("a") }]);
    assert_eq!(excluded(Use::Training, &limited), Some(Reason::Limited));
}

#[test]
fn gaps_in_the_question_refuse() {
    let one = || facts(vec![unit("a")]);
    let nameless = Policy { purpose: String::new(), ..policy() };
    check_refusal(&nameless, &one(), &Request { purpose: String::new(), ..request() }, &Refusal::EmptyPurpose);
    check_refusal(&policy(), &one(), &Request { purpose: " ".into(), ..request() }, &Refusal::EmptyPurpose);
    check_refusal(&policy(), &Facts { keep_until: Some(500), ..one() }, &request(), &Refusal::RetentionOver { until: 500 });
    assert!(decide(&policy(), &Facts { keep_until: Some(501), ..one() }, &request()).0.allowed);
}
