//! Killed at any moment, a writer loses nothing that it had acknowledged, and leaves nothing half done.

use super::*;
use reticent_govern::{Circumstances, Event};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

const LEDGER: &str = "RETICENT_TEST_LEDGER";

/// Not a test of its own: run as a child with the ledger's path in the environment, it writes until it is killed.
#[test]
fn writer() {
    let Some(path) = std::env::var(LEDGER).ok() else { return };
    let mut ledger = Place::from(path).open().unwrap();
    loop {
        let next = ledger.event_count().unwrap();
        // Alternately one event alone, and four in one transaction.
        if next.is_multiple_of(5) {
            ledger
                .append(
                    &actor(),
                    &Event::DataImported { version: "visits/v1".into(), records: next, units: 1, rows_digest: "x".repeat(200) },
                )
                .unwrap();
        } else {
            let events = [1, 2, 3].map(|i| happened(&format!("unit {i}"), BasisKind::Given, next as i64));
            ledger.import_basis(&actor(), "visits", "consent.csv", &events).unwrap();
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nacknowledged {}", ledger.event_count().unwrap()).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn killed_at_any_moment_nothing_acknowledged_is_lost() {
    let (_folder, path, ledger) = fresh();
    drop(ledger);
    let mut acknowledged = 0_u64;
    let mut progress = 0;
    for round in 0..store::rounds(60) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::writer", "--nocapture", "--test-threads=1"])
            .env(LEDGER, path.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed up to 12 ms after its first word, at steps of 0.2 ms: before, within and after a transaction.
        let mut said = |lines: &mut dyn Iterator<Item = std::io::Result<String>>, all: bool| {
            for line in lines.map_while(Result::ok) {
                if let Some(count) = line.strip_prefix("acknowledged ").and_then(|n| n.parse::<u64>().ok()) {
                    acknowledged = acknowledged.max(count);
                    if !all {
                        return;
                    }
                }
            }
        };
        said(&mut lines, false);
        std::thread::sleep(Duration::from_micros(round * 200));
        child.kill().unwrap();
        child.wait().unwrap();
        said(&mut lines, true);

        let mut ledger = path.open_after_kill();
        let found = ledger.event_count().unwrap();
        assert!(found >= acknowledged, "round {round}: {acknowledged} acknowledged, {found} found");
        // At most the one transaction that was under way is there beyond, and whole.
        assert!(found <= acknowledged + 4, "round {round}: {acknowledged} acknowledged, {found} found");
        assert!(matches!(found % 5, 0 | 1), "round {round}: half a transaction, {found} events");
        assert!(ledger.damaged().unwrap().is_empty());
        let imported = ledger.events("data-imported").unwrap();
        assert!(
            imported.iter().enumerate().all(
                |(i, e)| matches!(e.event, Event::DataImported { records, .. } if records == 5 * i as u64 && e.seq == 5 * i as i64 + 1)
            )
        );
        let basis = ledger.events("basis").unwrap().len() as u64;
        assert_eq!((imported.len() as u64, basis), (found.div_ceil(5), found / 5 * 3));
        // The table that the gate reads agrees with the events.
        let units = [1, 2, 3].map(|i| (format!("unit {i}"), 1)).into();
        let facts = facts(&mut ledger, "risk", &units, i64::MAX);
        let last = (found / 5).checked_sub(1).map(|k| 5 * k as i64 + 1);
        assert!(facts.units.iter().all(|u| u.basis.as_ref().map(|b| b.since) == last));
        progress = found;
    }
    assert!(progress > store::rounds(100), "the writer hardly wrote: {progress}");
}

const IMPORTER: &str = "RETICENT_TEST_IMPORTER";
/// Events of one import: several statements, one transaction.
const FILE: u64 = 4000;

fn units() -> BTreeMap<String, u64> {
    (0..FILE).map(|n| (format!("unit {n:05}"), 1)).collect()
}

/// Not a test of its own: as a child it imports a whole file and decides on it, again and again, until it is killed.
#[test]
fn importer() {
    use reticent_proof::{Policy, Reason, Request, Use, decide};
    let Some(path) = std::env::var(IMPORTER).ok() else { return };
    let mut ledger = Place::from(path).open().unwrap();
    let policy = Policy {
        purpose: "risk".into(),
        art6: Some('a'),
        notices: ["v1".to_owned()].into(),
        exclude: Reason::ALL.into(),
        ..Policy::default()
    };
    let say = |what: &str, n: u64| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{what} {n}").unwrap();
        out.flush().unwrap();
    };
    loop {
        let round = ledger.events("basis-file-imported").unwrap().len() as u64;
        let kind = if round.is_multiple_of(2) { BasisKind::Given } else { BasisKind::Withdrawn };
        let events: Vec<BasisEvent> = units().keys().map(|unit| happened(unit, kind, round as i64 + 1)).collect();
        ledger.import_basis(&actor(), "visits", "consent.csv", &events).unwrap();
        say("imported", round + 1);
        let known = ledger.last_seq().unwrap();
        let at = round as i64 + 1;
        let request = Request { purpose: "risk".into(), use_: Use::Training, data_version: "visits/v1".into(), at, columns: vec![] };
        let decision = decide(&policy, &facts(&mut ledger, "risk", &units(), at), &request).0;
        ledger.record_decision(&actor(), &policy, &decision, &[].into(), &Circumstances { known, ..Circumstances::default() }).unwrap();
        say("decided", ledger.events("gate-decided").unwrap().len() as u64);
    }
}

/// `RETICENT_TEST_KILLS` sets how many: few by default.
#[test]
fn killed_in_an_import_or_a_decision_all_of_it_is_there_or_none() {
    let kills: u64 = std::env::var("RETICENT_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    let (mut rounds, mut decisions) = (0, 0);
    let mut left = 0;
    while left < kills {
        // A ledger of its own for every few kills, so that it stays small.
        let (_folder, path, ledger) = fresh();
        drop(ledger);
        let (mut imported, mut decided) = (0_u64, 0_u64);
        for kill in 0..4.min(kills - left) {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "crash::importer", "--nocapture", "--test-threads=1"])
                .env(IMPORTER, path.to_string())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let mut hear = |lines: &mut dyn Iterator<Item = std::io::Result<String>>, until: &str| {
                for line in lines.map_while(Result::ok) {
                    let said = |what: &str| line.strip_prefix(what).and_then(|n| n.trim().parse::<u64>().ok());
                    if let Some(n) = said("imported ") {
                        imported = imported.max(n);
                    }
                    decided = decided.max(said("decided ").unwrap_or(0));
                    if line.starts_with(until) {
                        return;
                    }
                }
            };
            hear(&mut lines, if kill % 2 == 0 { "imported " } else { "decided " });
            // Anywhere in the decision after the first import or in the import after that, by a step that divides neither.
            std::thread::sleep(Duration::from_micros((left + kill) * 37_003 % 400_000));
            child.kill().unwrap();
            child.wait().unwrap();
            hear(&mut lines, "its end");
            let mut ledger = path.open_after_kill();
            let files = ledger.events("basis-file-imported").unwrap().len() as u64;
            let found = ledger.events("gate-decided").unwrap();
            assert!(files == imported || files == imported + 1, "{files} files of {imported} acknowledged");
            let count = found.len() as u64;
            assert!(count == decided || count == decided + 1, "{count} decisions of {decided} acknowledged");
            assert_eq!(ledger.events("basis").unwrap().len() as u64, files * FILE, "a whole file or nothing of it");
            assert!(ledger.damaged().unwrap().is_empty());
            for stored in found {
                let Event::GateDecided { decision, then, .. } = stored.event else { panic!() };
                let (rows, at) = (units(), decision.request.at);
                let asked = Question { known: then.map(|t| t.known), ..Question::new("visits", "visits/v1", "risk", &rows, at) };
                assert_eq!(ledger.replay(&decision, &asked).unwrap().0, decision, "made again to the same bytes");
            }
            // What comes next starts from what is there.
            (imported, decided) = (files, count);
            (rounds, decisions) = (rounds + files, decisions + count);
        }
        left += 4;
    }
    assert!(rounds >= kills && decisions > 0, "{rounds} imports, {decisions} decisions");
}
