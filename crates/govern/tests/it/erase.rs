//! One unit out of the ledger: no byte of it stays, the log still verifies, and nothing else can be emptied under that name.

use super::*;
use reticent_govern::Erased;
use reticent_proof::record::{Opening, commitment, log_entry};
use std::process::{Command, Stdio};
use std::time::Duration;

const MARKER: &str = "6d61726b6572206d61726b6572206d61";
const NOTICE: &str = "a-notice-that-only-the-erased-unit-saw";

/// Twenty units with two events each, one of them the marked one.
fn peopled() -> (store::Fresh, Place, Ledger) {
    let (folder, path, mut ledger) = fresh();
    let mut events = vec![];
    for unit in (0..19).map(|i| format!("unit {i}")).chain([MARKER.to_owned()]) {
        let notice = if unit == MARKER { NOTICE } else { "v1" };
        events.push(BasisEvent { notice: Some(notice.into()), ..happened(&unit, BasisKind::Given, 10) });
        events.push(happened(&unit, BasisKind::Withdrawn, 20));
    }
    ledger.import_basis(&actor(), "visits", "consent.csv", &events).unwrap();
    (folder, path, ledger)
}

/// Files beside the ledger, its journal among them, that hold any of these bytes; on a server the files of its tables and indexes.
fn holders(place: &Place) -> Vec<String> {
    let needles = [MARKER.as_bytes(), b"marker marker ma", NOTICE.as_bytes()];
    store::files(place)
        .into_iter()
        .filter(|(_, bytes)| needles.iter().any(|n| bytes.windows(n.len()).any(|w| w == *n)))
        .map(|f| f.0)
        .collect()
}

#[test]
fn what_opens_a_units_entries_is_theirs_and_asking_for_it_makes_nothing() {
    let (_folder, _path, mut ledger) = peopled();
    let own = ledger.own_openings(MARKER).unwrap().unwrap();
    assert_eq!(own.openings.iter().map(|(kind, opening)| (*kind, opening.seq)).collect::<Vec<_>>(), [("basis", 40), ("basis", 41)]);
    for (kind, Opening { seq, at, actor, body, nonce }) in &own.openings {
        let committed = commitment(&own.key, &hex::decode(nonce).unwrap(), *seq, at, actor, body);
        assert_eq!(log_entry(*seq, kind, &committed), ledger.log_entries(*seq as u64 - 1).unwrap()[0]);
    }
    let before = ledger.subjects().unwrap();
    assert!(ledger.own_openings("a stranger").unwrap().is_none());
    assert_eq!(ledger.subjects().unwrap(), before, "no key is made for somebody who is not known");
    ledger.erase_subject(&actor(), "visits", MARKER, 1, 3).unwrap();
    assert!(ledger.own_openings(MARKER).unwrap().is_none());
}

#[test]
fn nothing_of_the_unit_stays_and_the_log_is_what_it_was() {
    let (_folder, path, mut ledger) = peopled();
    assert!(!holders(&path).is_empty(), "there is something to erase");
    let (entries, subjects) = (ledger.log_entries(0).unwrap(), ledger.subjects().unwrap());
    assert!(subjects.contains(MARKER) && ledger.events_of(MARKER).unwrap() == 2);
    let erased = ledger.erase_subject(&actor(), "visits", MARKER, 1, 3).unwrap();
    assert_eq!(erased, Erased { seq: 42, events: 2, rows: 3 });
    assert_eq!(holders(&path), [] as [String; 0], "not in the file, not in a journal");
    assert_eq!(ledger.log_entries(0).unwrap()[..entries.len()], entries[..], "commitments stand");
    assert_eq!(ledger.damaged().unwrap(), [0; 0]);
    assert_eq!((ledger.subjects().unwrap().len(), ledger.events_of(MARKER).unwrap()), (19, 0));
    assert_eq!((ledger.events("basis").unwrap().len(), ledger.event_count().unwrap()), (38, 42));
    let body = serde_json::to_string(&ledger.events("subject-erased").unwrap()[0].event).unwrap();
    assert_eq!(body, r#"{"kind":"subject-erased","erasure":1,"dataset":"visits","rows":3,"events":2}"#);
    let opening = ledger.opening(42).unwrap();
    assert_eq!(opening.entry().unwrap(), ledger.log_entries(41).unwrap()[0], "the entry opens for an outsider");
    assert!(ledger.opening(2).is_err() && ledger.opening(40).is_err(), "nobody's own event is opened, nor an emptied one");
    // Again: the work is done.
    assert_eq!(ledger.erase_subject(&actor(), "visits", MARKER, 1, 3).unwrap(), erased);
    assert_eq!(ledger.event_count().unwrap(), 42);
    // A unit about which nothing is known has nothing to lose, and its erasure is on record.
    assert_eq!(ledger.erase_subject(&actor(), "visits", "nobody", 2, 0).unwrap().events, 0);
    drop(ledger);
    assert_eq!(path.open().unwrap().damaged().unwrap(), [0; 0]);
}

#[test]
fn a_ledger_that_is_refused_afterwards_is_emptied_too() {
    let (_folder, path, mut ledger) = peopled();
    assert_eq!(ledger.empty_subject(MARKER).unwrap(), 2);
    assert_eq!(holders(&path), [] as [String; 0]);
    assert_eq!(ledger.event_count().unwrap(), 41, "no further event makes it look newer than it is");
    assert_eq!(ledger.damaged().unwrap(), [40, 41], "and it is seen that nothing accounts for it");
}

/// Emptying behind the ledger's back is damage, whatever else was erased.
#[test]
fn what_no_erasure_accounts_for_is_damage() {
    let emptied = |seq: i64| format!("UPDATE events SET subject = NULL, body = '', nonce = x'' WHERE seq = {seq}");
    let gone = |seq: i64| format!("DELETE FROM basis WHERE seq = {seq}; {}", emptied(seq));
    for (sql, expected) in [
        (gone(2), &[2][..]),
        (gone(2) + ";" + &gone(3), &[2, 3]),
        (emptied(1), &[1]),
        (emptied(42), &[40, 41, 42]),
        ("UPDATE events SET commitment = x'' WHERE seq = 40".into(), &[40, 42]),
        ("UPDATE events SET body = 'x' WHERE seq = 40".into(), &[40, 42]),
        ("UPDATE events SET kind = 'noise-key-created' WHERE seq = 40".into(), &[40, 42]),
        ("DELETE FROM events WHERE seq = 41".into(), &[41, 42]),
        ("DELETE FROM subject_keys WHERE subject = 'unit 0'".into(), &[2, 3]),
    ] {
        let (_folder, path, mut ledger) = peopled();
        ledger.erase_subject(&actor(), "visits", MARKER, 1, 0).unwrap();
        edit(&path, &sql);
        assert_eq!(ledger.damaged().unwrap(), expected, "{sql}");
    }
}

const LEDGER: &str = "RETICENT_TEST_ERASING_LEDGER";

/// Not a test of its own: the process that `killed_while_erasing` kills.
#[test]
fn eraser() {
    let Ok(path) = std::env::var(LEDGER) else { return };
    let mut ledger = Place::from(path).open().unwrap();
    let mut out = std::io::stdout().lock();
    std::io::Write::write_all(&mut out, b"\nopen\n").and_then(|()| std::io::Write::flush(&mut out)).unwrap();
    for number in 1.. {
        let unit = ["unit 1", "unit 2", MARKER].get(number as usize - 1).map_or_else(|| format!("unit {number}"), |u| (*u).to_owned());
        ledger.erase_subject(&actor(), "visits", &unit, number, 1).unwrap();
        std::io::Write::write_all(&mut out, b"\nerased\n").and_then(|()| std::io::Write::flush(&mut out)).unwrap();
    }
}

/// All of an erasure or nothing, whenever the process dies; the same request finishes it.
#[test]
fn killed_while_erasing() {
    use std::io::{BufRead, BufReader};
    let mut half_way = 0;
    for round in 0..store::rounds(40) {
        let (_folder, path, ledger) = peopled();
        drop(ledger);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "erase::eraser", "--nocapture", "--test-threads=1"])
            .env(LEDGER, path.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while lines.next().is_some_and(|l| l.unwrap() != "open") {}
        // After none to three of them, and somewhere in the next.
        for _ in 0..round % 4 {
            while lines.next().is_some_and(|l| l.unwrap() != "erased") {}
        }
        std::thread::sleep(Duration::from_micros(round / 4 * if store::on_server() { 2_000 } else { 300 }));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut ledger = path.open_after_kill();
        assert_eq!(ledger.damaged().unwrap(), [0; 0], "round {round}");
        let done = ledger.events("subject-erased").unwrap().len();
        half_way += usize::from((1..20).contains(&done));
        let marked = ledger.events_of(MARKER).unwrap();
        assert_eq!(marked, if done >= 3 { 0 } else { 2 }, "round {round}: {done} done");
        assert_eq!(ledger.subjects().unwrap().contains(MARKER), done < 3);
        for (number, unit) in [(1, "unit 1"), (2, "unit 2"), (3, MARKER)] {
            ledger.erase_subject(&actor(), "visits", unit, number, 1).unwrap();
        }
        assert_eq!(holders(&path), [] as [String; 0], "round {round}");
        assert_eq!(ledger.damaged().unwrap(), [0; 0]);
    }
    assert!(half_way > 5, "the kills hardly met an erasure: {half_way}");
}
