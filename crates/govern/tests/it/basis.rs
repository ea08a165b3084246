//! Basis events: what state they add up to, and wrong lines told without a value.

use crate::{actor, basis, ledger};
use reticent_govern::{BasisKind, Error, read_basis_csv};
use reticent_proof::{BasisState, UnitFacts};
use std::collections::BTreeMap;

const NOW: i64 = 1_000;

/// The facts about one unit after these events.
#[track_caller]
fn after(events: &[(BasisKind, i64)]) -> UnitFacts {
    let (_dir, mut ledger) = ledger();
    let events: Vec<_> = events.iter().map(|&(state, since)| basis("u", state, since)).collect();
    ledger.import_basis(&actor(), "visits", "consent.csv", &events).unwrap();
    let mut facts = ledger.facts("visits", "visits/v1", "risk", &BTreeMap::from([("u".to_owned(), 3)]), NOW).unwrap();
    facts.units.remove(0)
}

#[test]
fn the_last_state_in_force_counts() {
    use BasisKind::{Given, Objected, Refused, Restricted, Unrestricted, Withdrawn};
    type Case = (&'static [(BasisKind, i64)], Option<(BasisState, i64)>);
    let cases: [Case; 9] = [
        (&[], None),
        (&[(Given, 10)], Some((BasisState::Given, 10))),
        (&[(Given, 10), (Withdrawn, 20)], Some((BasisState::Withdrawn, 20))),
        // The order of the file does not matter, the times do.
        (&[(Withdrawn, 20), (Given, 10)], Some((BasisState::Withdrawn, 20))),
        // Valid again from the second grant only.
        (&[(Given, 10), (Withdrawn, 20), (Given, 30)], Some((BasisState::Given, 30))),
        // At equal times a withdrawal wins, in either order.
        (&[(Given, 10), (Withdrawn, 10)], Some((BasisState::Withdrawn, 10))),
        (&[(Withdrawn, 10), (Given, 10)], Some((BasisState::Withdrawn, 10))),
        // What takes effect later does not count yet; where there is nothing earlier it is shown, and the gate calls it future-dated.
        (&[(Given, 10), (Withdrawn, NOW + 1)], Some((BasisState::Given, 10))),
        (&[(Refused, 10), (Given, NOW + 1)], Some((BasisState::Refused, 10))),
    ];
    for (events, expected) in cases {
        let found = after(events).basis.map(|b| (b.state, b.since));
        assert_eq!(found, expected, "{events:?}");
    }
    assert_eq!(after(&[(Given, NOW + 1)]).basis.unwrap().since, NOW + 1);
    let restricted = |events: &[(BasisKind, i64)]| after(events).restricted;
    assert!(restricted(&[(Given, 10), (Restricted, 20)]));
    assert!(!restricted(&[(Given, 10), (Restricted, 20), (Unrestricted, 30)]));
    assert!(!restricted(&[(Given, 10), (Restricted, NOW + 1)]));
    assert!(after(&[(Given, 10), (Objected, 20)]).objected);
}

#[test]
fn another_purpose_gives_no_basis() {
    let (_dir, mut ledger) = ledger();
    ledger.import_basis(&actor(), "visits", "consent.csv", &[basis("u", BasisKind::Given, 10)]).unwrap();
    let units = BTreeMap::from([("u".to_owned(), 1)]);
    assert!(ledger.facts("visits", "visits/v1", "marketing", &units, NOW).unwrap().units[0].basis.is_none());
    assert!(!ledger.facts("claims", "claims/v1", "risk", &units, NOW).unwrap().events_known);
}

#[test]
fn an_event_is_recorded_once() {
    let (_dir, mut ledger) = ledger();
    let event = basis("u", BasisKind::Given, 10);
    let first = ledger.import_basis(&actor(), "visits", "a.csv", &[event.clone(), event.clone()]).unwrap();
    assert_eq!((first.written, first.known), (1, 1));
    let second = ledger.import_basis(&actor(), "visits", "b.csv", &[event, basis("u", BasisKind::Withdrawn, 20)]).unwrap();
    assert_eq!((second.written, second.known), (1, 1));
    assert_eq!(ledger.events("basis").unwrap().len(), 2);
}

#[track_caller]
fn check_wrong(csv: &str, expected: &str) {
    let error = read_basis_csv(csv, "visits", &["risk"], |s| format!("pseudonym of {}", s.len())).unwrap_err();
    assert!(matches!(error, Error::BasisRows(_)));
    assert_eq!(error.to_string(), expected);
}

#[test]
fn wrong_lines_are_told_by_number_and_never_by_value() {
    const HEAD: &str = "subject,purpose,state,at,notice,art6,art9,expires\n";
    check_wrong("", "line 1: the file is empty");
    check_wrong("subject,state\n", "line 1: the column `purpose` is missing\nline 1: the column `at` is missing");
    check_wrong("subject,purpose,state,at,colour\n", "line 1: the column `colour` is not known");
    check_wrong(&format!("{HEAD}MARKER,risk,given\n"), "line 2: has 3 columns where the header has 8");
    let row = |row: &str| format!("{HEAD}\nok,risk,withdrawn,2026-01-01,,,,\n{row}\n");
    let cases = [
        ("MARKER,risk,MARKER,2026-01-01,,,,", "line 4: `state` is none of given, refused, withdrawn, restricted, unrestricted, objected"),
        ("MARKER,MARKER,withdrawn,2026-01-01,,,,", "line 4: `purpose` is none of the purposes in reticent.toml"),
        ("MARKER,risk,withdrawn,MARKER,,,,", "line 4: `at` is no date and no RFC 3339 time"),
        ("MARKER,risk,withdrawn,2026-02-30,,,,", "line 4: `at` is no date and no RFC 3339 time"),
        ("MARKER,risk,given,2026-01-01,2026-1,z,,", "line 4: `art6` is no letter from a to f"),
        ("MARKER,risk,given,2026-01-01,2026-1,a,MARKER,", "line 4: `art9` is no letter from a to j"),
        ("MARKER,risk,given,2026-01-01,,a,,", "line 4: a `given` basis needs `notice` and `art6`"),
        ("MARKER,risk,given,2026-01-01,2026-1,a,,MARKER", "line 4: `expires` is no date and no RFC 3339 time"),
        (",risk,withdrawn,2026-01-01,,,,", "line 4: `subject` is empty"),
    ];
    for (line, expected) in cases {
        check_wrong(&row(line), expected);
        assert!(!expected.contains("MARKER"));
    }
}

#[test]
fn the_subject_itself_is_not_kept() {
    let text = "\u{feff}subject,purpose,state,at\r\nann@example.org,risk,withdrawn,2026-05-01T08:00:00Z\r\n";
    let events = read_basis_csv(text, "visits", &["risk"], |s| format!("pseudonym of {}", s.len())).unwrap();
    assert_eq!((events[0].subject.as_str(), events[0].since), ("pseudonym of 15", 1_777_622_400));
}
