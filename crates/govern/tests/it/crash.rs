//! Killed at any moment, a writer loses nothing that it had acknowledged, and leaves nothing half done.

use super::*;
use reticent_govern::Event;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

const LEDGER: &str = "RETICENT_TEST_LEDGER";

/// Not a test of its own: run as a child with the ledger's path in the environment, it writes until it is killed.
#[test]
fn writer() {
    let Some(path) = std::env::var_os(LEDGER) else { return };
    let mut ledger = Ledger::open(Path::new(&path)).unwrap();
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
    for round in 0..60_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::writer", "--nocapture", "--test-threads=1"])
            .env(LEDGER, &path)
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

        let mut ledger = Ledger::open(&path).unwrap();
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
    assert!(progress > 100, "the writer hardly wrote: {progress}");
}
