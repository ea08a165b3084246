//! Ten processes' worth of writers on one ledger: each waits its turn, and nothing that was acknowledged is missing.

#![expect(clippy::print_stdout, reason = "what was measured is said, where somebody looks")]

use super::*;
use reticent_govern::Event;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const WRITERS: usize = 10;

/// `RETICENT_TEST_WRITERS_SECONDS` sets how long: briefly by default.
#[test]
fn ten_writers_at_once_lose_nothing() {
    let seconds: f64 = std::env::var("RETICENT_TEST_WRITERS_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1.5);
    let (_fresh, place, mut ledger) = fresh();
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let acknowledged: Vec<Vec<(i64, String)>> = std::thread::scope(|scope| {
        let write = |writer: usize| {
            let mut ledger = place.open().unwrap();
            let mut done = vec![];
            for round in 0.. {
                if Instant::now() >= until {
                    break;
                }
                let run = format!("{writer}/{round}");
                if round % 3 == 2 {
                    // A file of its own units, beside one that all writers write about.
                    let events = ["all".to_owned(), format!("unit {writer}")]
                        .map(|unit| happened(&unit, BasisKind::Given, round * 10 + writer as i64));
                    ledger.import_basis(&actor(), "visits", &run, &events).unwrap();
                } else {
                    done.push((ledger.append(&actor(), &Event::NoiseKeyCreated { run: run.clone() }).unwrap(), run));
                }
            }
            done
        };
        let threads: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let found: BTreeSet<(i64, String)> = ledger
        .events("noise-key-created")
        .unwrap()
        .into_iter()
        .map(|s| if let Event::NoiseKeyCreated { run } = s.event { (s.seq, run) } else { panic!() })
        .collect();
    let told: BTreeSet<(i64, String)> = acknowledged.iter().flatten().cloned().collect();
    assert_eq!(told.len(), acknowledged.iter().map(Vec::len).sum::<usize>(), "each has a number of its own");
    assert!(told == found, "{} acknowledged, {} found", told.len(), found.len());
    let count = ledger.event_count().unwrap();
    assert_eq!(ledger.last_seq().unwrap() as u64, count, "no number is missing");
    assert_eq!(ledger.damaged().unwrap(), [0; 0]);
    let files = ledger.events("basis-file-imported").unwrap().len() as u64;
    assert_eq!(count, found.len() as u64 + 3 * files);
    println!(
        "{WRITERS} writers for {seconds} s: {count} events, fewest of one writer {}",
        acknowledged.iter().map(Vec::len).min().unwrap()
    );
}
