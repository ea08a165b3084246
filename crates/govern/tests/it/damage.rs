//! A ledger changed behind its back: every change is found and named.

use crate::{actor, basis, ledger};
use reticent_govern::{BasisKind, Error, Event, Ledger};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use std::path::Path;

/// Changes the file behind the ledger's back.
fn tamper(path: &Path, sql: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection: SqliteConnection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    });
}

#[track_caller]
fn check(sql: &str, expected: &[i64]) {
    let (dir, mut ledger) = ledger();
    for n in 0..3 {
        ledger.append(&actor(), &Event::ReportWritten { file: format!("{n}.html"), sha256: "00".into() }).unwrap();
    }
    ledger.import_basis(&actor(), "visits", "c.csv", &[basis("u", BasisKind::Given, 10)]).unwrap();
    assert_eq!(ledger.damaged().unwrap(), [0; 0]);
    tamper(&dir.path().join("ledger.db"), sql);
    assert_eq!(ledger.damaged().unwrap(), expected, "{sql}");
}

#[test]
fn every_changed_column_is_found_and_named() {
    check("UPDATE events SET body = replace(body, '1.html', '9.html') WHERE seq = 2", &[2]);
    check("UPDATE events SET at = '2020-01-01T00:00:00Z' WHERE seq = 3", &[3]);
    check("UPDATE events SET actor = 'somebody else' WHERE seq = 1", &[1]);
    check("UPDATE events SET kind = 'model-released' WHERE seq = 1", &[1]);
    check("UPDATE events SET nonce = zeroblob(32) WHERE seq = 2", &[2]);
    check("UPDATE events SET commitment = zeroblob(32) WHERE seq = 2", &[2]);
    check("UPDATE subject_keys SET key = zeroblob(32)", &[5]);
    check("UPDATE events SET subject = NULL WHERE seq = 5", &[5]);
    // A deleted row shifts the sequence: everything behind it is named.
    check("DELETE FROM events WHERE seq = 2", &[3, 4, 5]);
}

#[test]
fn a_destroyed_key_closes_its_commitments_without_a_finding() {
    check("DELETE FROM subject_keys", &[]);
}

#[test]
fn commitments_say_nothing_without_the_nonce() {
    let (_dir, mut ledger) = ledger();
    let event = Event::ReportWritten { file: "a.html".into(), sha256: "00".into() };
    ledger.append(&actor(), &event).unwrap();
    ledger.append(&actor(), &event).unwrap();
    let entries = ledger.log_entries(0).unwrap();
    assert_ne!(entries[0].split(|b| *b == b',').next_back(), entries[1].split(|b| *b == b',').next_back());
    let text = String::from_utf8(entries.concat()).unwrap();
    assert!(text.contains("report-written") && !text.contains("a.html") && !text.contains("tester"));
}

#[test]
fn a_newer_format_is_refused() {
    let (dir, ledger) = ledger();
    drop(ledger);
    let path = dir.path().join("ledger.db");
    tamper(&path, "PRAGMA user_version = 99");
    assert!(matches!(Ledger::open(&path), Err(Error::Newer { found: 99, known: 1 })));
}

#[test]
fn a_file_that_is_no_database_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    std::fs::write(&path, vec![b'x'; 4096]).unwrap();
    assert!(matches!(Ledger::open(&path), Err(Error::Database(_))));
}
