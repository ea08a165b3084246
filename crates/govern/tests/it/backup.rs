//! A backup holds one state of the ledger, whole; what is brought back is that state, or nothing has changed.

use super::*;
use reticent_govern::{BackupFile, Error, Event, LedgerKey};
use sqlx::Row as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Every row of every table of a backup, by SQLite's own words: the slow way to compare two.
fn dump(path: &Path) -> BTreeMap<String, Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use sqlx::ConnectOptions;
        let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(path).read_only(true).connect().await.unwrap();
        let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('backup')";
        let mut all = BTreeMap::new();
        for name in sqlx::query(names).fetch_all(&mut connection).await.unwrap() {
            let name: String = name.get(0);
            let columns =
                sqlx::query("SELECT group_concat('quote(' || name || ')', ' || '','' || ') FROM pragma_table_info(?)").bind(&name);
            let columns: String = columns.fetch_one(&mut connection).await.unwrap().get(0);
            let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {columns} FROM {name} ORDER BY 1")));
            let rows = rows.fetch_all(&mut connection).await.unwrap();
            all.insert(name, rows.iter().map(|row| row.get(0)).collect());
        }
        all
    })
}

/// Something in every table.
fn filled(ledger: &mut Ledger) {
    budget::open(ledger, "visits");
    ledger.reserve(&actor(), &budget::run("r1", "visits")).unwrap();
    let detail =
        BasisDetail { language: Some("fr".into()), age: Some(12), guardian: Some("Zoë, mère 🌱".into()), receipt: Some("r".into()) };
    let events: Vec<BasisEvent> = (0..2500).map(|i| happened(&format!("unit {i:04}"), BasisKind::Given, i)).collect();
    let child = BasisEvent { detail, ..happened("unit ü", BasisKind::Given, 7) };
    ledger.import_basis(&actor(), "visits", "consent.csv", &[&events[..], &[child]].concat()).unwrap();
    ledger.seal(&actor(), &key()).unwrap();
    ledger.spend_queries("risk/1", "caller", 3, 10).unwrap();
    let members = [(reticent_govern::GroundThen::asserted("test"), vec!["unit 0001".to_owned(), "unit ü".to_owned()])].into();
    ledger.record_members("risk/1", &members).unwrap();
    ledger.erase_subject(&actor(), "visits", "unit 0002", 1, 0).unwrap();
}

fn key() -> LedgerKey {
    LedgerKey::from_bytes(&[7; 32])
}

fn back_up(ledger: &mut Ledger, folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    ledger.back_up(&path).unwrap();
    path
}

fn restore(ledger: &mut Ledger, from: &Path) -> Result<(), Error> {
    let mut backup = BackupFile::open(from, &from.with_extension("scratch"), &[key()])?;
    ledger.restore(&actor(), &mut backup)
}

#[test]
fn a_backup_goes_back_into_either_store() {
    let folder = tempfile::tempdir().unwrap();
    let (_fresh, _place, mut ledger) = fresh();
    filled(&mut ledger);
    let first = back_up(&mut ledger, folder.path(), "first");
    let expected = dump(&first);
    assert!(expected.len() == 10 && expected.values().all(|rows| !rows.is_empty()), "a table stayed empty: nothing is shown of it");

    let (_fresh, _place, same_kind) = fresh();
    // A backup of a server goes into a file as well.
    let in_a_file = Ledger::open(&folder.path().join("ledger.db")).unwrap();
    for (number, mut other) in [same_kind, in_a_file].into_iter().enumerate() {
        // What was there before is gone.
        other.append(&actor(), &Event::NoiseKeyCreated { run: "of another time".into() }).unwrap();
        restore(&mut other, &first).unwrap();
        let again = back_up(&mut other, folder.path(), &format!("again {number}"));
        let mut found = dump(&again);
        let events = found.get_mut("events").unwrap();
        assert_eq!(events.len(), expected["events"].len() + 1);
        let restored = events.iter().position(|row| row.contains("ledger-restored")).unwrap();
        events.remove(restored);
        assert!(found == expected, "the rows differ");
        assert_eq!((other.damaged().unwrap(), other.budgets().unwrap()), (vec![], ledger.budgets().unwrap()));
        // Numbers that the store gives go on.
        other.abandon(&actor(), "r1", "of another time").unwrap();
        other.reserve(&actor(), &budget::run("r2", "visits")).unwrap();
        let members = [(reticent_govern::GroundThen::asserted("test"), vec!["unit 0003".to_owned()])].into();
        other.record_members("risk/2", &members).unwrap();
        assert!(other.damaged().unwrap().is_empty());
    }
    // Nothing is left of either copy, and what is there is not written over.
    let names = || fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
    assert!(!names().any(|name| name.contains("tmp") || name.contains("scratch")), "{:?}", names().collect::<Vec<_>>());
    assert!(matches!(ledger.back_up(&first), Err(Error::Io { .. })) && dump(&first) == expected);
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&first).unwrap().permissions()) & 0o777, 0o600);
}

#[test]
fn a_backup_beside_a_writer_holds_whole_transactions() {
    let folder = tempfile::tempdir().unwrap();
    let (_fresh, place, mut ledger) = fresh();
    let done = std::sync::atomic::AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (mut ledger, mut written) = (place.open().unwrap(), 0);
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let events = [1, 2, 3].map(|i| happened(&format!("unit {i}"), BasisKind::Given, written));
                ledger.import_basis(&actor(), "visits", "consent.csv", &events).unwrap();
                written += 4;
            }
            written as u64
        });
        // Some while it writes: the first may well be empty.
        let mut before = 0;
        for number in 0..1000 {
            let path = back_up(&mut ledger, folder.path(), &number.to_string());
            let mut backup = BackupFile::open(&path, &folder.path().join("scratch"), &[key()]).unwrap();
            let events = backup.told().events;
            assert!(events.is_multiple_of(4) && events >= before, "half a transaction, or an older one: {before}, {events}");
            assert_eq!(backup.log_entries().unwrap().len() as u64, events);
            before = events;
            if number >= 10 && events > 40 {
                break;
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(before > 40, "nothing was written meanwhile");
        writer.join().unwrap()
    });
    assert_eq!(ledger.event_count().unwrap(), written);
}

#[test]
fn a_damaged_backup_is_refused_and_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (_fresh, _place, mut ledger) = fresh();
    filled(&mut ledger);
    let good = back_up(&mut ledger, folder.path(), "good");
    let (bytes, expected) = (fs::read(&good).unwrap(), dump(&good));
    let (_fresh, other_place, mut other) = fresh();
    other.append(&actor(), &Event::NoiseKeyCreated { run: "here".into() }).unwrap();
    other.subject_keys(&[]).unwrap();
    let before = store::state(&other_place);
    let bad = folder.path().join("bad");
    let mut check = |what: &str| {
        let refused = restore(&mut other, &bad);
        assert!(matches!(refused, Err(Error::Backup { .. } | Error::Newer { .. })), "{what}: {refused:?}");
        assert!(store::state(&other_place) == before, "{what}: refused, and something is changed");
    };
    for (what, content) in [
        ("empty", vec![]),
        ("cut", bytes[..bytes.len() / 2].to_vec()),
        ("cut at a page", bytes[..4096 * (bytes.len() / 8192)].to_vec()),
        ("no database", b"subject,purpose,state\n".repeat(1000)),
        ("other pages", [&bytes[..8192], &vec![0; 8192], &bytes[16384..]].concat()),
    ] {
        fs::write(&bad, content).unwrap();
        check(what);
    }
    // A ledger is no backup; and a row that was edited is found whatever the table, committed to or not.
    for sql in [
        "DROP TABLE backup",
        "UPDATE backup SET sha256 = 'x'",
        "DELETE FROM backup",
        "UPDATE budgets SET epsilon = 100",
        "UPDATE reservations SET cost = 0",
        "UPDATE queries SET spent = 0",
        "UPDATE events SET actor = 'other' WHERE seq = 3",
        "DELETE FROM members",
        "UPDATE people SET subject = 'unit 0009' WHERE subject = 'unit 0001'",
        "DELETE FROM basis WHERE seq = 9",
        "UPDATE subject_keys SET key = zeroblob(32) WHERE subject = 'unit 0005'",
        "CREATE TABLE more (id INTEGER PRIMARY KEY)",
        "PRAGMA user_version = 1000",
        "PRAGMA user_version = 0",
    ] {
        fs::write(&bad, &bytes).unwrap();
        edit(&Place::File(bad.clone()), sql);
        check(sql);
    }
    // One byte anywhere: refused, or it belongs to nothing that is read.
    let mut refused = 0;
    for at in (0..60).map(|i| i * (bytes.len() / 60) + 17 * i) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x20;
        fs::write(&bad, flipped).unwrap();
        match BackupFile::open(&bad, &folder.path().join("scratch"), &[key()]) {
            Ok(_) => assert!(dump(&bad) == expected, "byte {at}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 20, "{refused} of 60 were noticed");
}

const RESTORER: &str = "RETICENT_TEST_RESTORER";

/// Not a test of its own: as a child it brings back one backup and the other in turn, and writes new ones, until it is killed.
#[test]
fn restorer() {
    let Ok(said) = std::env::var(RESTORER) else { return };
    let (place, folder) = said.split_once('\n').unwrap();
    let (folder, mut ledger) = (Path::new(folder), Place::from(place.to_owned()).open().unwrap());
    for number in 0.. {
        restore(&mut ledger, &folder.join(["first", "second"][number % 2])).unwrap();
        let written = folder.join(format!("written-{}-{number}", std::process::id()));
        ledger.back_up(&written).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nturned").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn killed_while_restoring_it_is_the_one_or_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (_fresh, place, mut ledger) = fresh();
    let of = |range: std::ops::Range<i64>| range.map(|i| happened(&format!("unit {i:05}"), BasisKind::Given, i)).collect::<Vec<_>>();
    ledger.import_basis(&actor(), "visits", "consent.csv", &of(0..400)).unwrap();
    back_up(&mut ledger, folder.path(), "first");
    ledger.import_basis(&actor(), "visits", "consent.csv", &of(400..1000)).unwrap();
    back_up(&mut ledger, folder.path(), "second");
    drop(ledger);
    let mut seen = BTreeMap::new();
    for round in 0..store::rounds(30) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "backup::restorer", "--nocapture", "--test-threads=1"])
            .env(RESTORER, format!("{place}\n{}", folder.path().display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Killed at even steps of one of its turns, as long as the turn before took: within the restoring, or within the backup after it.
        let mut turns = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).filter(|line| line == "turned");
        turns.next().unwrap();
        let since = Instant::now();
        turns.next().unwrap();
        std::thread::sleep(since.elapsed().mul_f64((round as f64 + 0.5) / store::rounds(30) as f64));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut ledger = place.open_after_kill();
        let events = ledger.event_count().unwrap();
        assert!([402, 1003].contains(&events), "round {round}: {events} events");
        assert!(ledger.damaged().unwrap().is_empty());
        let bases = ledger.basis_events("visits", None).unwrap().len();
        assert_eq!(bases, if events == 402 { 400 } else { 1000 });
        *seen.entry(events).or_insert(0) += 1;
    }
    // Whatever has its name is whole.
    for file in fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().path()) {
        if file.file_name().unwrap().to_str().unwrap().starts_with("written-") {
            BackupFile::open(&file, &folder.path().join("scratch"), &[key()]).unwrap();
        }
    }
    assert!(!seen.is_empty());
}

#[test]
fn a_backup_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_fresh, _place, mut ledger) = fresh();
    let path = back_up(&mut ledger, folder.path(), "newer");
    edit(&Place::File(path.clone()), &format!("PRAGMA user_version = {}", reticent_govern::FORMAT + 1));
    let refused = restore(&mut ledger, &path).unwrap_err();
    assert!(matches!(refused, Error::Newer { .. }), "{refused}");
}
