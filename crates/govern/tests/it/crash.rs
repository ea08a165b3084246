//! kill -9 while writing: nothing that was acknowledged is lost, nothing is invented.

use crate::{actor, basis};
use reticent_govern::{BasisKind, Ledger};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

const CHILD: &str = "RETICENT_TEST_CRASH_LEDGER";
const KILLS: u64 = 50;

/// In the child: writes for ever, and says each number after its transaction is durable.
#[test]
fn child_writes_until_killed() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let mut ledger = Ledger::open(path.as_ref()).unwrap();
    let start = ledger.events("basis").unwrap().len() as i64;
    for n in start.. {
        ledger.import_basis(&actor(), "visits", "c.csv", &[basis("u", BasisKind::Given, n)]).unwrap();
        // Straight to the pipe: the test harness holds back what goes through `println!`.
        let _ = std::io::Write::write_all(
            &mut std::fs::OpenOptions::new().write(true).open("/dev/stderr").unwrap(),
            format!("{n}\n").as_bytes(),
        );
    }
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_writes_until_killed", "--nocapture", "--test-threads=1"])
            .env(CHILD, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Spread over the first writes: somewhere inside a transaction as often as between two.
        std::thread::sleep(Duration::from_micros(5_000 + kill * 1_700 % 60_000));
        child.kill().unwrap();
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            acknowledged = acknowledged.max(line.unwrap().trim().parse::<usize>().map_or(0, |n| n + 1));
        }
        child.wait().unwrap();
        let mut ledger = Ledger::open(&path).unwrap();
        let kept = ledger.events("basis").unwrap().len();
        // The last transaction may have been durable without having been acknowledged yet.
        assert!(kept == acknowledged || kept == acknowledged + 1, "kill {kill}: {acknowledged} acknowledged, {kept} kept");
        acknowledged = kept;
        assert_eq!(ledger.damaged().unwrap(), [0; 0], "kill {kill}");
        assert_eq!(ledger.events("basis-file-imported").unwrap().len(), kept, "kill {kill}: one file event a transaction");
    }
    assert!(acknowledged > KILLS as usize / 2, "the child hardly wrote: {acknowledged}");
}
