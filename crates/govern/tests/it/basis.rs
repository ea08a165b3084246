//! Basis events: what a file may say, what is told of a wrong one, and what all events of a unit add up to.

use super::*;
use proptest::prelude::*;
use reticent_govern::{Error, Imported, read_basis_csv};
use reticent_proof::BasisState;
use std::collections::BTreeMap;

const PURPOSES: [&str; 2] = ["risk", "care"];

fn read(text: &str) -> Result<Vec<BasisEvent>, Error> {
    reading(&PURPOSES.map(named), |reading| read_basis_csv(text, reading))
}

#[track_caller]
fn check_silent(error: &Error) {
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains("MARKER") && !text.contains("4711"), "{text}");
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let error = read(text).unwrap_err();
    assert_eq!(error.to_string(), expected);
    check_silent(&error);
}

#[track_caller]
fn check_row(row: &str, expected: &str) {
    check(&format!("subject,purpose,state,at,notice,art6,art9,expires\n{row}\n"), expected);
}

#[test]
fn wrong_rows() {
    check_row("MARKER,risk,given,2026-05-01,v1", "line 2: has 5 columns where the header has 8");
    check_row("MARKER,risk,given,2026-05-01,v1,a,,,", "line 2: has 9 columns where the header has 8");
    check_row(",risk,given,2026-05-01,v1,a,,", "line 2: `subject` is empty");
    check_row("MARKER,MARKER,given,2026-05-01,v1,a,,", "line 2: `purpose` is none of the purposes in reticent.toml");
    check_row(
        "MARKER,risk,MARKER,2026-05-01,v1,a,,",
        "line 2: `state` is none of given, refused, withdrawn, restricted, unrestricted, objected, renewed, expired, invalidated, revoked, requested, request-deferred, unknown, informed, uninformed, overridden, opted-out, opted-in, limited, unlimited",
    );
    check_row(
        "MARKER,risk,Given,2026-05-01,v1,a,,",
        "line 2: `state` is none of given, refused, withdrawn, restricted, unrestricted, objected, renewed, expired, invalidated, revoked, requested, request-deferred, unknown, informed, uninformed, overridden, opted-out, opted-in, limited, unlimited",
    );
    check_row("MARKER,risk,given,2026-05-01,,a,,", "line 2: a `given` basis needs `notice` and `art6`");
    check_row("MARKER,risk,given,2026-05-01,v1,,,", "line 2: a `given` basis needs `notice` and `art6`");
    check_row("MARKER,risk,given,2026-05-01,v1,g,,", "line 2: `art6` is no letter from a to f");
    check_row("MARKER,risk,given,2026-05-01,v1,A,,", "line 2: `art6` is no letter from a to f");
    check_row("MARKER,risk,given,2026-05-01,v1,aa,,", "line 2: `art6` is no letter from a to f");
    check_row("MARKER,risk,given,2026-05-01,v1,a,k,", "line 2: `art9` is no letter from a to j");
    for at in [
        "4711",
        "",
        "yesterday",
        "2026-13-01",
        "2026-02-30",
        "01.05.2026",
        "05/01/2026",
        "2026-05-01T08:00:00",
        "2026-05-01T08:00",
        "2026-05-01 08:00:00",
        "1777622400",
    ] {
        check_row(&format!("MARKER,risk,given,{at},v1,a,,"), "line 2: `at` is no date and no RFC 3339 time");
    }
    check_row("MARKER,risk,given,2026-05-01,v1,a,,never", "line 2: `expires` is no date and no RFC 3339 time");
    // Taken literally, or as opening a value over several lines, a stray quotation mark would lose a withdrawal.
    let stray = "holds a quotation mark or a line break that belongs to no value";
    check_row("MARKER,risk,withdrawn,2026-05-01,\"v1,,,\nann,risk,withdrawn,2026-05-01,v1,,,\n", &format!("line 2: {stray}"));
    check_row("\"\"\"MARKER\"\"\",risk,withdrawn,2026-05-01,,,,", &format!("line 2: {stray}"));
    check_row(
        "\"MAR\nKER\",risk,withdrawn,2026-05-01,,,,\n,risk,withdrawn,2026-05-01,,,,",
        &format!("line 2: {stray}\nline 4: `subject` is empty"),
    );
    check_row("\nann,risk,withdrawn,2026-05-01,,,,\n\n,risk,withdrawn,2026-05-01,,,,", "line 5: `subject` is empty");
    check_row(
        "MARKER,x,y,z,v1,q,q,z\n,risk,given,2026-05-01,v1,a,,",
        "line 2: `state` is none of given, refused, withdrawn, restricted, unrestricted, objected, renewed, expired, invalidated, revoked, requested, request-deferred, unknown, informed, uninformed, overridden, opted-out, opted-in, limited, unlimited\n\
         line 2: `purpose` is none of the purposes in reticent.toml\n\
         line 2: `at` is no date and no RFC 3339 time\n\
         line 2: `expires` is no date and no RFC 3339 time\n\
         line 2: `art6` is no letter from a to f\n\
         line 2: `art9` is no letter from a to j\n\
         line 3: `subject` is empty",
    );
}

#[test]
fn wrong_headers() {
    let missing = |columns: &[&str]| columns.iter().map(|c| format!("line 1: the column `{c}` is missing")).collect::<Vec<_>>().join("\n");
    check("", "line 1: the file is empty");
    check("\u{feff}\r\n\n", "line 1: the file is empty");
    check("subject,purpose,state\n", &missing(&["at"]));
    check("subject,purpose,state,at,colour\n", "line 1: the column `colour` is not known");
    check("subject,purpose,state,at,state\n", "line 1: the column `state` occurs twice");
    // A row where the header should be, another delimiter, line ends of another age: nothing of it is repeated.
    check("MARKER,risk,given,2026-05-01\n", &missing(&["subject", "purpose", "state", "at"]));
    check("subject;purpose;state;at\nMARKER;risk;given;2026-05-01\n", &missing(&["subject", "purpose", "state", "at"]));
    check("subject,purpose,state,at\rMARKER,risk,given,2026-05-01\r", "line 1: a carriage return stands without a line feed");
    check("subject,purpose,state,at,\"a\nb\"\n", "line 1: a column's name holds a control character");
}

#[test]
fn right_rows() {
    let text = "\u{feff}subject, state ,purpose,at,notice,art6,art9,expires\r\n\r\nann,given,risk,2026-05-01,v1,a,j,2027-05-01\r\n  bob ,withdrawn,care,2026-05-01T10:00:00+02:00,,,,\r\n";
    let given = BasisEvent {
        subject: "<ann>".into(),
        art9: Some('j'),
        expires: Some(1_809_129_600),
        ..happened("", BasisKind::Given, 1_777_593_600)
    };
    let withdrawn = BasisEvent { subject: "<bob>".into(), purpose: "care".into(), ..happened("", BasisKind::Withdrawn, 1_777_622_400) };
    // `date -u -d 2026-05-01 +%s`, `date -u -d 2027-05-01 +%s`, `date -d 2026-05-01T10:00:00+02:00 +%s`.
    assert_eq!(read(text).unwrap(), [given, withdrawn]);
    // A comma, a blank and a doubled mark within quotation marks belong to the value.
    let quoted =
        read("\"subject\",purpose,state,at\n\"O'Hara, \"\"Ann\"\"\",\"risk\",\"withdrawn\",2026-05-01\nbo\"b,risk,withdrawn,2026-05-01\n")
            .unwrap();
    assert_eq!(quoted.iter().map(|e| e.subject.as_str()).collect::<Vec<_>>(), ["<O'Hara, \"Ann\">", "<bo\"b>"]);
    // Columns that only a given basis needs may be absent.
    assert_eq!(read("subject,purpose,state,at\nann,risk,objected,1960-01-01").unwrap()[0].since, -315_619_200);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = read(&text);
        let _ = read(&format!("subject,purpose,state,at,notice,art6,art9,expires\n{text}"));
    }

    #[test]
    fn pieces_never_panic_and_never_leak(pieces in prop::collection::vec(prop::sample::select(vec![
        "MARKER", "4711", ",", "\n", "\"", "risk", "given", "withdrawn", "2026-05-01", "-9999-01-01", "9999-12-31T23:59:59Z", "v1", "a", " ", "\u{0}",
    ]), 0..60)) {
        if let Err(error) = read(&format!("subject,purpose,state,at,notice,art6,art9,expires\n{}", pieces.concat())) {
            check_silent(&error);
        }
    }
}

use BasisKind::{Given, Objected, Refused, Restricted, Unrestricted, Withdrawn};

/// What events, written in this order, add up to at time 100: state and since of the basis, restricted, objected.
#[track_caller]
fn check_state(events: &[(BasisKind, i64)], expected: (Option<(BasisState, i64)>, bool, bool)) {
    let (_folder, _path, mut ledger) = fresh();
    let events: Vec<BasisEvent> = events.iter().map(|&(kind, since)| happened("aa", kind, since)).collect();
    // Somebody else, another purpose and another data set change nothing.
    let beside = [
        happened("bb", Withdrawn, 99),
        BasisEvent { purpose: "care".into(), ..happened("aa", Withdrawn, 99) },
        BasisEvent { dataset: "claims".into(), ..happened("aa", Objected, 99) },
    ];
    ledger.import_basis(&actor(), "visits", "a.csv", &beside).unwrap();
    ledger.import_basis(&actor(), "visits", "b.csv", &events).unwrap();
    let facts = facts(&mut ledger, "risk", &BTreeMap::from([("aa".to_owned(), 3)]), 100);
    let unit = &facts.units[0];
    assert_eq!((facts.units.len(), unit.unit.as_str(), unit.records), (1, "aa", 3));
    assert_eq!((unit.basis.as_ref().map(|b| (b.state, b.since)), unit.restricted, unit.objected), expected, "{events:?}");
}

#[test]
fn events_add_up_to_a_state() {
    let basis = |state, since| (Some((state, since)), false, false);
    check_state(&[], (None, false, false));
    check_state(&[(Given, 10)], basis(BasisState::Given, 10));
    check_state(&[(Refused, 10)], basis(BasisState::Refused, 10));
    check_state(&[(Given, 10), (Withdrawn, 20)], basis(BasisState::Withdrawn, 20));
    check_state(&[(Withdrawn, 20), (Given, 10)], basis(BasisState::Withdrawn, 20));
    check_state(&[(Given, 10), (Withdrawn, 20), (Given, 30)], basis(BasisState::Given, 30));
    check_state(&[(Given, 30), (Withdrawn, 20), (Given, 10)], basis(BasisState::Given, 30));
    // Now counts, later does not.
    check_state(&[(Given, 10), (Withdrawn, 100)], basis(BasisState::Withdrawn, 100));
    check_state(&[(Given, 10), (Withdrawn, 101)], basis(BasisState::Given, 10));
    check_state(&[(Withdrawn, 10), (Given, 101)], basis(BasisState::Withdrawn, 10));
    check_state(&[(Refused, 10), (Given, 101)], basis(BasisState::Refused, 10));
    // With nothing earlier, a basis dated in the future is reported as what it is; `decide` refuses it.
    check_state(&[(Given, 101)], basis(BasisState::Given, 101));
    check_state(&[(Given, 300), (Given, 200)], basis(BasisState::Given, 200));
    check_state(&[(Withdrawn, 101)], (None, false, false));
    check_state(&[(Restricted, 101), (Objected, 101)], (None, false, false));
    // Restriction comes and goes; an objection stays.
    check_state(&[(Restricted, 10)], (None, true, false));
    check_state(&[(Restricted, 10), (Unrestricted, 20)], (None, false, false));
    check_state(&[(Restricted, 10), (Unrestricted, 20), (Restricted, 30)], (None, true, false));
    check_state(&[(Restricted, 10), (Unrestricted, 101)], (None, true, false));
    check_state(&[(Given, 10), (Restricted, 20), (Objected, 30)], (Some((BasisState::Given, 10)), true, true));
    check_state(&[(Objected, 10), (Given, 20)], (Some((BasisState::Given, 20)), false, true));
}

/// At one and the same time the strictest word holds, in whatever order the three were written.
#[test]
fn at_equal_times_a_withdrawal_wins() {
    let all = [Given, Refused, Withdrawn];
    for first in 0..3 {
        for second in (0..3).filter(|&s| s != first) {
            let third = 3 - first - second;
            check_state(&[first, second, third].map(|i| (all[i], 20)), (Some((BasisState::Withdrawn, 20)), false, false));
        }
    }
    for pair in [[Given, Withdrawn], [Withdrawn, Given]] {
        check_state(&pair.map(|kind| (kind, 20)), (Some((BasisState::Withdrawn, 20)), false, false));
    }
    for pair in [[Given, Refused], [Refused, Given]] {
        check_state(&pair.map(|kind| (kind, 20)), (Some((BasisState::Refused, 20)), false, false));
    }
}

#[test]
fn an_import_writes_each_event_once() {
    let (_folder, _path, mut ledger) = fresh();
    assert!(!ledger.basis_events_known("visits").unwrap());
    let (one, two) = (happened("aa", Given, 10), happened("aa", Withdrawn, 20));
    let first = ledger.import_basis(&actor(), "visits", "consent.csv", &[one.clone(), two.clone(), one.clone()]).unwrap();
    assert_eq!(first, Imported { written: 2, known: 1 });
    let again = ledger.import_basis(&actor(), "visits", "consent.csv", &[two, one, happened("bb", Given, 10)]).unwrap();
    assert_eq!(again, Imported { written: 1, known: 2 });
    assert_eq!(ledger.events("basis").unwrap().len(), 3);
    assert!(ledger.basis_events_known("visits").unwrap() && !ledger.basis_events_known("claims").unwrap());
    assert!(ledger.damaged().unwrap().is_empty());
}
