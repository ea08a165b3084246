//! Append, read back, and find what was changed behind the ledger's back.

use super::*;
use reticent_govern::{AssessmentDecision, Error, Event, Release, Section};
use std::collections::BTreeSet;

fn one_of_each() -> Vec<Event> {
    use reticent_proof::{Facts, Policy, Request, Use, decide};
    let policy = Policy {
        purpose: "risk".into(),
        art6: None,
        art9: None,
        notices: BTreeSet::new(),
        special_columns: vec![],
        exclude: BTreeSet::new(),
        ..Policy::default()
    };
    let request = Request { purpose: "risk".into(), use_: Use::Training, data_version: "visits/v1".into(), at: 5, columns: vec![] };
    let decision = decide(&policy, &Facts { data_version: "visits/v1".into(), ..Facts::default() }, &request).0;
    vec![
        Event::WorkspaceCreated { workspace: "w\u{1f512}\"'".into() },
        Event::DataImported { version: "visits/v1".into(), records: u64::MAX, units: 2, rows_digest: "00".into() },
        Event::BasisFileImported { dataset: "visits".into(), file: "consent.csv".into(), events: 1 },
        Event::Basis(happened("aa", BasisKind::Given, 10)),
        Event::AssessmentOpened {
            dataset: "visits".into(),
            purpose: "risk".into(),
            criteria: vec!["scale".into()],
            to_be_completed: vec![],
        },
        Event::GateDecided { decision: decision.clone(), chosen: vec![reticent_proof::Reason::Withdrawn], then: None },
        Event::BudgetOpened { dataset: "visits".into(), unit: "person".into(), epsilon: 0.1 + 0.2, delta: 1e-5, order: 7.3 },
        Event::BudgetReserved { run: "r".into(), dataset: "visits".into(), plan_digest: "11".into(), cost: 1.0 / 3.0, held: 5e-324 },
        Event::NoiseKeyCreated { run: "r".into() },
        Event::RunAbandoned { run: "r".into(), reason: "the machine changed".into(), charged: 0.25 },
        Event::ModelReleased(Release {
            model: "risk/1".into(),
            run: "r".into(),
            data_version: "visits/v1".into(),
            purpose: "risk".into(),
            plan_digest: "1".into(),
            permit_digest: "2".into(),
            weights_sha256: "3".into(),
            manifest_sha256: "4".into(),
        }),
        Event::ReleaseBlocked { run: "r".into(), decision },
        Event::InternalEvaluation { version: "visits/v1".into(), models: 3, purpose: "report".into() },
        Event::ReportWritten { file: "report.html".into(), sha256: "5".into() },
        Event::EvidenceRecorded {
            topic: "audit".into(),
            about: "risk/1".into(),
            file: "audit-1.json".into(),
            sha256: "6".into(),
            numbers: [("auc".to_owned(), 0.5)].into(),
        },
        Event::SubjectErased { erasure: 1, dataset: "visits".into(), rows: 3, events: 0 },
        Event::DataReduced { version: "visits/v2".into(), from: "visits/v1".into(), records: 5, units: 2, rows_digest: "00".into() },
        Event::ReleaseRecalled { model: "risk/1".into(), reason: "an erasure".into(), by: "officer".into() },
        Event::RetrainingReserved { run: "s".into(), from_run: "r".into(), cost: 0.25 },
        Event::LegitimateInterestAssessed {
            dataset: "visits".into(),
            purpose: "risk".into(),
            interest_holds: true,
            necessary: true,
            balanced: false,
            text: "…".into(),
            approved_by: "head".into(),
            expires: 900,
            assessed_by: None,
            advised_by: None,
        },
        Event::AssessmentUpdated {
            dataset: "visits".into(),
            purpose: "risk".into(),
            sections: [("risks".to_owned(), Section { text: "few".into(), author: "ann".into() })].into(),
        },
        Event::AssessmentAdvised { dataset: "visits".into(), purpose: "risk".into(), by: "dpo".into(), advice: "go on".into() },
        Event::AssessmentDecided {
            dataset: "visits".into(),
            purpose: "risk".into(),
            by: "head".into(),
            decision: AssessmentDecision::ConsultAuthority,
            reason: "high risk".into(),
        },
    ]
}

#[test]
fn every_kind_is_read_back_as_it_was_written() {
    let (_folder, path, mut ledger) = fresh();
    let events = one_of_each();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(ledger.append(&actor(), event).unwrap(), index as i64 + 1);
    }
    drop(ledger);
    let mut ledger = path.open().unwrap();
    assert_eq!(ledger.event_count().unwrap(), events.len() as u64);
    let kinds: BTreeSet<&str> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds.len(), events.len(), "one event of each kind");
    for (index, event) in events.iter().enumerate() {
        let stored = ledger.events(event.kind()).unwrap();
        assert_eq!((stored.len(), stored[0].seq, &stored[0].event, stored[0].actor.as_str()), (1, index as i64 + 1, event, "test"));
        assert!(stored[0].at.ends_with('Z') && stored[0].commitment.len() == 64);
    }
    assert!(ledger.damaged().unwrap().is_empty());
}

/// The log gets a number, a kind and a commitment of each event: equal events look different, and no name is in it.
#[test]
fn the_log_learns_nothing_but_that_something_happened() {
    let (_folder, _path, mut ledger) = fresh();
    for _ in 0..3 {
        ledger.append(&actor(), &Event::Basis(happened("subject-0815", BasisKind::Given, 10))).unwrap();
    }
    let entries: Vec<String> = ledger.log_entries(0).unwrap().into_iter().map(|e| String::from_utf8(e).unwrap()).collect();
    let commitments: BTreeSet<String> = entries
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            assert!(!entry.contains("subject-0815") && !entry.contains("risk"));
            let json: serde_json::Value = serde_json::from_str(entry).unwrap();
            assert_eq!((json["v"].as_i64(), json["seq"].as_u64(), json["kind"].as_str()), (Some(1), Some(index as u64 + 1), Some("basis")));
            assert_eq!(json.as_object().unwrap().len(), 4);
            json["commitment"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(commitments.len(), 3);
    assert_eq!(ledger.log_entries(2).unwrap().len(), 1);
    assert!(ledger.log_entries(3).unwrap().is_empty());
}

/// Twenty-three events, one change behind the ledger's back, and the numbers that must be named.
#[track_caller]
fn check_damage(sql: &str, expected: &[i64]) {
    let (_folder, path, mut ledger) = fresh();
    for event in one_of_each() {
        ledger.append(&actor(), &event).unwrap();
    }
    assert!(ledger.damaged().unwrap().is_empty());
    edit(&path, sql);
    assert_eq!(ledger.damaged().unwrap(), expected, "{sql}");
}

#[test]
fn whatever_is_changed_is_found() {
    // An event about nobody, and one about a unit (number 4).
    for seq in [2, 4] {
        for change in [
            "body = replace(body, 'visits', 'visitz')",
            "body = body || ' '",
            "body = 'no JSON'",
            "body = ''",
            "at = '2026-01-01T00:00:00Z'",
            "actor = 'somebody else'",
            "kind = 'report-written'",
            "nonce = zeroblob(32)",
            "commitment = zeroblob(32)",
            "commitment = x''",
        ] {
            check_damage(&format!("UPDATE events SET {change} WHERE seq = {seq}"), &[seq]);
        }
    }
    check_damage("UPDATE events SET subject = 'aa' WHERE seq = 2", &[2]);
    check_damage("UPDATE events SET subject = 'nobody' WHERE seq = 2", &[2]);
    check_damage("UPDATE events SET subject = 'nobody' WHERE seq = 4", &[4]);
    check_damage("UPDATE events SET subject = NULL WHERE seq = 4", &[4]);
    check_damage("UPDATE subject_keys SET key = zeroblob(32)", &[4]);
    check_damage("UPDATE subject_keys SET key = x'00'", &[4]);
    // Two events changed places; each is wrong where it stands.
    check_damage(
        "UPDATE events SET seq = -2 WHERE seq = 2; UPDATE events SET seq = 2 WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = -2",
        &[2, 3],
    );
    // Taken out, renumbered, put in.
    check_damage("DELETE FROM events WHERE seq = 2", &[2]);
    check_damage("DELETE FROM events WHERE seq IN (1, 7, 8)", &[1, 7, 8]);
    check_damage(
        "DELETE FROM events WHERE seq = 2; UPDATE events SET seq = 1 - seq WHERE seq > 2; UPDATE events SET seq = -seq WHERE seq < 0",
        &(2..=22).collect::<Vec<_>>(),
    );
    check_damage("INSERT INTO events SELECT 24, kind, at, actor, subject, body, nonce, commitment FROM events WHERE seq = 9", &[24]);
    check_damage("UPDATE events SET seq = 25 WHERE seq = 23", &[23, 24, 25]);
}

#[test]
fn a_forged_number_at_the_end_of_the_range_is_survived() {
    let (_folder, path, mut ledger) = fresh();
    ledger.append(&actor(), &Event::NoiseKeyCreated { run: "r".into() }).unwrap();
    edit(&path, &format!("UPDATE events SET seq = {}", i64::MAX));
    assert_eq!(ledger.damaged().unwrap(), [1, i64::MAX]);
}

/// The table that the gate reads is derived: it must say what the events say.
#[test]
fn a_changed_basis_is_found() {
    for (sql, expected) in [
        ("UPDATE basis SET state = 'withdrawn' WHERE seq = 1", &[1][..]),
        ("UPDATE basis SET expires = 99 WHERE seq = 2", &[2]),
        ("UPDATE basis SET art6 = 'f' WHERE seq = 2", &[2]),
        ("DELETE FROM basis WHERE seq = 2", &[2]),
        ("UPDATE basis SET seq = 7 WHERE seq = 2", &[7]),
        (
            "INSERT INTO basis SELECT 9, dataset, subject, 'ads', state, since, art6, art9, notice, expires, NULL, NULL, NULL, NULL FROM basis WHERE seq = 1",
            &[9],
        ),
    ] {
        let (_folder, path, mut ledger) = fresh();
        for unit in ["aa", "bb"] {
            ledger.append(&actor(), &Event::Basis(happened(unit, BasisKind::Given, 10))).unwrap();
        }
        assert!(ledger.damaged().unwrap().is_empty());
        edit(&path, sql);
        assert_eq!(ledger.damaged().unwrap(), expected, "{sql}");
    }
}

#[test]
fn a_subject_key_is_made_once() {
    let (_folder, _path, mut ledger) = fresh();
    let units = ["aa".to_owned(), "bb".to_owned()];
    let first = ledger.subject_keys(&units).unwrap();
    assert_eq!(first.len(), 2);
    assert_ne!(first["aa"], first["bb"]);
    ledger.append(&actor(), &Event::Basis(happened("aa", BasisKind::Given, 10))).unwrap();
    assert_eq!(ledger.subject_keys(&units).unwrap(), first);
    assert!(ledger.damaged().unwrap().is_empty());
}

#[test]
fn a_newer_ledger_is_refused_and_left_alone() {
    let (_folder, path, ledger) = fresh();
    drop(ledger);
    edit(&path, "PRAGMA user_version = 5");
    let before = store::state(&path);
    let error = path.open().err().unwrap();
    assert!(matches!(error, Error::Newer { found: 5, known: 4 }));
    assert_eq!(error.to_string(), "the ledger has format 5, this program knows up to 4");
    assert!(store::state(&path) == before);
}

#[test]
fn a_file_that_is_no_ledger_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    std::fs::write(&path, [0x5a; 8192]).unwrap();
    assert!(matches!(Ledger::open(&path).err().unwrap(), Error::Database(_)));
    assert!(Ledger::open(&folder.path().join("absent/ledger.db")).is_err());
}

/// Pages of a real ledger overwritten: an error or wrong numbers, no panic.
#[test]
fn a_damaged_file_never_panics() {
    let (_folder, path, mut ledger) = fresh();
    for event in one_of_each() {
        ledger.append(&actor(), &event).unwrap();
    }
    drop(ledger);
    let Some(path) = path.file() else { return };
    let whole = std::fs::read(path).unwrap();
    for place in (0..whole.len()).step_by(1009) {
        let mut bytes = whole.clone();
        let end = (place + 64).min(bytes.len());
        bytes[place..end].fill(0xa5);
        std::fs::write(path, &bytes).unwrap();
        if let Ok(mut ledger) = Ledger::open(path) {
            let _ = ledger.damaged();
            let _ = ledger.budgets();
            let _ = ledger.events("basis");
        }
    }
}

/// Two processes that open a ledger that is not there yet both get it.
#[test]
fn opening_at_the_same_time_makes_one_ledger() {
    for _ in 0..10 {
        let (_folder, path) = store::place();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| path.open().unwrap().append(&actor(), &Event::NoiseKeyCreated { run: "r".into() }).unwrap());
            }
        });
        let mut ledger = path.open().unwrap();
        assert_eq!(ledger.event_count().unwrap(), 4);
        assert!(ledger.damaged().unwrap().is_empty());
    }
}
