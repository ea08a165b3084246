//! What names people is in no file of the store, and reads as it did; nothing is lost with the wrong key, nor half way to another.

use super::*;
use reticent_govern::{BackupFile, Entry, Error, Event, LedgerKey, Party, PartyRole, RegisterEvent};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

fn key(byte: u8) -> LedgerKey {
    LedgerKey::from_bytes(&[byte; 32])
}

const NAMES: [&str; 5] =
    ["Ada-Actor-Marker", "Paul-Party-Marker", "mail-marker@clinic.example", "Gerda-Guardian-Marker", "Olga-Owner-Marker"];

/// Events that name people in every way there is.
fn name_people(ledger: &mut Ledger, since: i64) {
    let ada = Actor(NAMES[0].into());
    let party =
        Party { role: PartyRole::Controller, name: NAMES[1].into(), contact: NAMES[2].into(), country: "FR".into(), contract: None };
    let entry = RegisterEvent { id: format!("clinic {since}"), from: since, until: None, entry: Entry::Party(party) };
    ledger.enter(&ada, &[entry]).unwrap();
    let detail = BasisDetail { age: Some(9), guardian: Some(NAMES[3].into()), ..BasisDetail::default() };
    let child = BasisEvent { detail, ..happened("unit 1", BasisKind::Given, since) };
    ledger.import_basis(&ada, "visits", "c.csv", &[child.clone(), happened("unit 2", BasisKind::Given, since)]).unwrap();
    // One at a time takes another way.
    ledger.append(&ada, &Event::Basis(BasisEvent { since: since + 1, ..child })).unwrap();
    ledger.append(&ada, &Event::ReleaseRecalled { model: "risk/1".into(), reason: "asked".into(), by: NAMES[4].into() }).unwrap();
}

/// Everything that is read of it.
fn told(ledger: &mut Ledger) -> String {
    let kinds = ["registered", "basis", "basis-file-imported", "release-recalled"];
    let events: Vec<_> = kinds.iter().map(|kind| ledger.events(kind).unwrap()).collect();
    let openings: Vec<_> = (1..=ledger.last_seq().unwrap()).filter_map(|seq| ledger.opening(seq).ok()).collect();
    let bases = ledger.basis_events("visits", None).unwrap();
    let rows = [("unit 1".to_owned(), 1), ("unit 2".to_owned(), 1)].into();
    let text =
        format!("{events:?}\n{openings:?}\n{bases:?}\n{:?}\n{:?}", facts(ledger, "risk", &rows, NOW), ledger.log_entries(0).unwrap());
    assert!(NAMES.iter().all(|name| text.contains(name)) && ledger.damaged().unwrap().is_empty());
    text
}

/// Names found in the files of the store, and in the server's write-ahead log where `log` says so.
fn found(place: &Place, log: bool) -> Vec<&'static str> {
    let mut files: Vec<Vec<u8>> = store::files(place).into_iter().map(|(_, bytes)| bytes).collect();
    if log {
        files.extend(store::write_ahead_log(place));
    }
    NAMES.into_iter().filter(|name| files.iter().any(|bytes| bytes.windows(name.len()).any(|w| w == name.as_bytes()))).collect()
}

#[test]
fn no_name_is_in_the_files_of_a_sealed_ledger_and_all_is_read_as_before() {
    // From the beginning: nothing ever reached the disk, not even a log of the server.
    let (_fresh, place, mut ledger) = fresh();
    ledger.seal(&actor(), &key(1)).unwrap();
    let marks = ["Nina-Never-Written", "never@clinic.example"];
    let party =
        Party { role: PartyRole::Controller, name: marks[0].into(), contact: marks[1].into(), country: "FR".into(), contract: None };
    ledger.enter(&Actor(marks[0].into()), &[RegisterEvent { id: "x".into(), from: 0, until: None, entry: Entry::Party(party) }]).unwrap();
    let all: Vec<Vec<u8>> = store::files(&place).into_iter().map(|(_, bytes)| bytes).chain(store::write_ahead_log(&place)).collect();
    for mark in marks {
        assert!(!all.iter().any(|bytes| bytes.windows(mark.len()).any(|w| w == mark.as_bytes())), "{mark}");
    }

    // In clear first: there they are, so that the search is known to find them.
    let (_fresh, place, mut ledger) = fresh();
    name_people(&mut ledger, 1);
    assert_eq!(found(&place, true), NAMES);
    let before = told(&mut ledger);
    let events = ledger.event_count().unwrap();
    for byte in [1, 2, 3] {
        ledger.seal(&actor(), &key(byte)).unwrap();
        assert_eq!(found(&place, false), [] as [&str; 0], "key {byte}");
        assert_eq!(ledger.sealed_by().unwrap().unwrap(), key(byte).id());
    }
    // Each change of keys is on record, the first sealing is none; nothing else reads otherwise.
    assert_eq!(ledger.event_count().unwrap(), events + 2);
    let resealed = ledger.events("ledger-resealed").unwrap();
    assert_eq!((resealed.len(), resealed[0].actor.as_str()), (2, "test"));
    let after = told(&mut ledger);
    let shorter = |text: &str| text.lines().take(1).chain(text.lines().skip(2).take(2)).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(shorter(&before), shorter(&after));
    // What comes after is sealed as well, and the same when it is opened anew.
    name_people(&mut ledger, 50);
    assert_eq!(found(&place, false), [] as [&str; 0]);
    let mut again = place.open().unwrap();
    again.unlock(&key(3)).unwrap();
    assert_eq!(told(&mut again), told(&mut ledger));
    // A backup holds no name either.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup");
    ledger.back_up(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(NAMES.iter().all(|name| !bytes.windows(name.len()).any(|w| w == name.as_bytes())));
    assert!(matches!(BackupFile::open(&path, &folder.path().join("scratch"), &[key(1)]), Err(Error::Sealed { .. })));
    // Brought back under another key, it is sealed with that one.
    let (_fresh, place, mut other) = fresh();
    other.seal(&actor(), &key(9)).unwrap();
    other.restore(&actor(), &mut BackupFile::open(&path, &folder.path().join("scratch"), &[key(1), key(3)]).unwrap()).unwrap();
    assert_eq!((other.sealed_by().unwrap().unwrap().as_str(), found(&place, false)), (key(9).id(), vec![]));
    let mut other = place.open().unwrap();
    other.unlock(&key(9)).unwrap();
    assert!(told(&mut other).starts_with(told(&mut ledger).lines().next().unwrap()));
}

#[test]
fn without_the_key_nothing_is_read_and_nothing_changed() {
    let (_fresh, place, mut ledger) = fresh();
    name_people(&mut ledger, 1);
    let mut open_before = place.open().unwrap();
    ledger.seal(&actor(), &key(1)).unwrap();
    let expected = told(&mut ledger);
    let before = store::state(&place);
    let event = Event::NoiseKeyCreated { run: "r".into() };
    let mut locked = place.open().unwrap();
    assert!(matches!(locked.unlock(&key(2)), Err(Error::Sealed { by }) if by == key(1).id()));
    // Nor by a process that had opened it while it was in clear.
    for ledger in [&mut locked, &mut open_before] {
        assert!(matches!(ledger.append(&Actor(NAMES[0].into()), &event), Err(Error::Sealed { .. })));
        assert!(matches!(ledger.events("registered"), Err(Error::Sealed { .. })));
        assert!(matches!(ledger.basis_events("visits", None), Err(Error::Sealed { .. })));
        assert!(matches!(ledger.damaged(), Err(Error::Sealed { .. })));
        assert!(matches!(ledger.seal(&actor(), &key(2)), Err(Error::Sealed { .. })));
        // Facts name nobody: the gate decides all the same.
        assert!(ledger.basis_events_known("visits").unwrap());
    }
    drop((locked, open_before));
    assert!(store::state(&place) == before, "refused, and something is changed");
    let mut again = place.open().unwrap();
    again.unlock(&key(1)).unwrap();
    assert_eq!(told(&mut again), expected);
}

#[test]
fn what_is_sealed_opens_in_its_place_alone() {
    for (sql, wrong) in [
        // The text of one event in the place of another, of the same kind and of another.
        ("UPDATE events SET body = (SELECT body FROM events WHERE seq = 6) WHERE seq = 1", &[1][..]),
        ("UPDATE events SET body = (SELECT body FROM events WHERE seq = 5) WHERE seq = 10", &[10]),
        // In clear where it was sealed, and half of it.
        ("UPDATE events SET body = '{}' WHERE seq = 1", &[1]),
        ("UPDATE events SET body = substr(body, 1, 60) WHERE seq = 1", &[1]),
        // Somebody else's name.
        ("UPDATE events SET actor = '#7' WHERE seq = 2", &[2]),
        ("UPDATE events SET actor = 'Ada-Actor-Marker' WHERE seq = 2", &[2]),
    ] {
        let (_fresh, place, mut ledger) = fresh();
        ledger.seal(&actor(), &key(1)).unwrap();
        name_people(&mut ledger, 1);
        name_people(&mut ledger, 50);
        told(&mut ledger);
        edit(&place, sql);
        assert_eq!(ledger.damaged().unwrap(), wrong, "{sql}");
    }
    for sql in [
        "UPDATE basis SET guardian = (SELECT guardian FROM basis WHERE seq = 5) WHERE seq = 3",
        "UPDATE basis SET guardian = 'Gerda-Guardian-Marker' WHERE seq = 3",
    ] {
        let (_fresh, place, mut ledger) = fresh();
        ledger.seal(&actor(), &key(1)).unwrap();
        name_people(&mut ledger, 1);
        edit(&place, sql);
        assert!(matches!(ledger.basis_events("visits", None), Err(Error::Damaged { .. })), "{sql}");
        assert_eq!(ledger.damaged().unwrap(), [3], "{sql}");
    }
    // The name of one actor in the place of another's: their events are found.
    let (_fresh, place, mut ledger) = fresh();
    ledger.seal(&actor(), &key(1)).unwrap();
    ledger.append(&Actor("one".into()), &Event::NoiseKeyCreated { run: "r".into() }).unwrap();
    ledger.append(&Actor("two".into()), &Event::NoiseKeyCreated { run: "r".into() }).unwrap();
    edit(&place, "UPDATE actors SET name = (SELECT name FROM actors WHERE id = 2) WHERE id = 1");
    assert_eq!(ledger.damaged().unwrap(), [1]);
}

const ROTATOR: &str = "RETICENT_TEST_ROTATOR";

/// Not a test of its own: as a child it changes the key again and again, until it is killed.
#[test]
fn rotator() {
    let Ok(place) = std::env::var(ROTATOR) else { return };
    let mut ledger = Place::from(place).open().unwrap();
    let by = ledger.sealed_by().unwrap().unwrap();
    let mut byte = (1..=2).find(|b| key(*b).id() == by).unwrap();
    ledger.unlock(&key(byte)).unwrap();
    loop {
        byte = 3 - byte;
        ledger.seal(&actor(), &key(byte)).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nrotated").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn killed_while_the_key_changes_one_of_the_two_opens_everything() {
    let (_fresh, place, mut ledger) = fresh();
    for since in 0..20 {
        name_people(&mut ledger, since * 10);
    }
    ledger.seal(&actor(), &key(1)).unwrap();
    let count = ledger.events("registered").unwrap().len();
    drop(ledger);
    for round in 0..store::rounds(24) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "seal::rotator", "--nocapture", "--test-threads=1"])
            .env(ROTATOR, place.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).find(|line| line == "rotated").unwrap();
        std::thread::sleep(Duration::from_millis(2 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut ledger = place.open_after_kill();
        let by = ledger.sealed_by().unwrap().unwrap();
        let held = (1..=2).map(key).find(|key| key.id() == by).unwrap();
        ledger.unlock(&held).unwrap();
        assert!(ledger.damaged().unwrap().is_empty(), "round {round}");
        assert_eq!(ledger.events("registered").unwrap().len(), count);
    }
    assert_eq!(found(&place, false), [] as [&str; 0]);
}

/// Tables as each program before made them, with what they can hold, are brought up to now.
#[test]
fn every_earlier_format_is_brought_up_to_now_and_sealed() {
    let without_third = "DROP TABLE people; DROP TABLE members; DROP INDEX basis_by_receipt; ALTER TABLE basis DROP COLUMN language;
        ALTER TABLE basis DROP COLUMN age; ALTER TABLE basis DROP COLUMN guardian; ALTER TABLE basis DROP COLUMN receipt;";
    let without_second = "ALTER TABLE reservations DROP COLUMN from_run; DROP TABLE queries;";
    for (format, without) in [(3, vec![]), (2, vec![without_third]), (1, vec![without_third, without_second])] {
        let (_fresh, place, mut ledger) = fresh();
        ledger.import_basis(&Actor(NAMES[0].into()), "visits", "c.csv", &[happened("unit 1", BasisKind::Given, 1)]).unwrap();
        let expected = (ledger.log_entries(0).unwrap(), ledger.events("basis").unwrap());
        drop(ledger);
        edit(&place, &format!("DROP TABLE sealed; DROP TABLE actors; {} PRAGMA user_version = {format}", without.join(" ")));
        let mut ledger = place.open().unwrap();
        assert_eq!((ledger.log_entries(0).unwrap(), ledger.events("basis").unwrap()), expected, "{format}");
        ledger.seal(&actor(), &key(1)).unwrap();
        assert!(!found(&place, false).contains(&NAMES[0]), "{format}");
        name_people(&mut ledger, 50);
        told(&mut ledger);
    }
}
