//! The ledger as one file to keep elsewhere, and back from it. The file is the same whether the ledger is a file or lies on a server: SQLite
//! with the ledger's tables, and one more that says when it was made and what the digest of all rows is.

use crate::store::{Statement, Store};
use crate::{Actor, Error, Event, FORMAT, Ledger, LedgerKey, StoredEvent};
use jiff::Timestamp;
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// When it was made, RFC 3339.
    pub made: String,
    /// Events.
    pub events: u64,
    /// SHA-256 of all rows of all tables, in hexadecimal digits.
    pub sha256: String,
}

/// A backup that was checked, in a copy of its own that only the owner may read and that goes when this is dropped.
pub struct BackupFile {
    ledger: Ledger,
    told: Backup,
    _copy: Scratch,
}

impl Ledger {
    /// Writes one state of the ledger to a new file that only its owner may read, while others may write to the ledger: under a temporary
    /// name first, read back and compared, then durable, then visible.
    ///
    /// # Errors
    /// [`Error::Io`], also where the file exists already; [`Error::Backup`] where what is read back differs; [`Error::Database`].
    pub fn back_up(&mut self, to: &Path) -> Result<Backup, Error> {
        let cannot = |what: &str, source| Error::Io { what: format!("cannot {what} {}", to.display()), source };
        if to.exists() {
            return Err(cannot("write", std::io::ErrorKind::AlreadyExists.into()));
        }
        let name = to.file_name().ok_or_else(|| cannot("write", std::io::ErrorKind::InvalidInput.into()))?;
        let temporary = Scratch::new(to.with_file_name(format!(".{}.tmp", name.to_string_lossy()))).map_err(|e| cannot("write", e))?;
        let made = Timestamp::now().to_string();
        let read = self.copy_into(&temporary.0)?;
        let told = {
            let mut written = Store::alone(&temporary.0)?;
            let tables = written.tables()?;
            let digest = written.each_piece(&tables, |_, _| Ok(()))?;
            if read.is_some_and(|read| read != digest) {
                return Err(Error::Backup { why: "what was written is not what was read: is the disk damaged?".into() });
            }
            let events: i64 = written.rows(Statement::new("SELECT count(*) FROM events"))?[0].try_get(0)?;
            written.execute(Statement::new("CREATE TABLE backup (made TEXT NOT NULL, sha256 TEXT NOT NULL)"))?;
            let sha256 = hex::encode(digest);
            written.execute(Statement::new("INSERT INTO backup VALUES (?, ?)").bind(made.as_str()).bind(sha256.as_str()))?;
            Backup { made, events: events as u64, sha256 }
        };
        // Through another connection, so that it comes from the file.
        if check(&mut Store::alone(&temporary.0)?)? != told {
            return Err(Error::Backup { why: "what was written cannot be read back: is the disk damaged?".into() });
        }
        let visible = File::open(&temporary.0).and_then(|file| file.sync_all());
        visible.and_then(|()| fs::rename(&temporary.0, to)).and_then(|()| sync_folder_of(to)).map_err(|e| cannot("write", e))?;
        Ok(told)
    }

    /// Copies everything into an empty file; gives the digest of what was read where the rows went through this program.
    fn copy_into(&mut self, to: &Path) -> Result<Option<[u8; 32]>, Error> {
        if !self.store.is_server() {
            return self.store.vacuum_into(to).map(|()| None);
        }
        let mut file = Store::alone(to)?;
        file.migrate()?;
        let tables = file.tables()?;
        self.store.begin_reading()?;
        let done = file.begin().and_then(|()| {
            let taken = file.take_over(&mut self.store, &tables);
            file.end(taken)
        });
        self.store.end(done).map(Some)
    }

    /// Puts what a backup holds in the place of everything here, and an event that says so after it, in one durable transaction: all of it or
    /// nothing. Afterwards nothing of what was here before is left in free pages.
    ///
    /// Whoever calls has compared the backup with the newest signed checkpoint, and takes out again whoever was taken out since.
    ///
    /// # Errors
    /// [`Error::Backup`] where the copy changed since it was checked; [`Error::Database`].
    pub fn restore(&mut self, actor: &Actor, backup: &mut BackupFile) -> Result<(), Error> {
        let tables = backup.ledger.store.tables()?;
        let expected = backup.ledger.store.each_piece(&tables, |_, _| Ok(()))?;
        let own = self.key.clone();
        let done = self.write(|ledger| {
            let taken = ledger.store.take_over(&mut backup.ledger.store, &tables)?;
            if taken != expected {
                return Err(Error::Backup { why: "it changed while it was read".into() });
            }
            // What it brought is sealed as it was then; from here on as it is here.
            ledger.key.clone_from(&backup.ledger.key);
            if let Some(own) = own.as_ref().filter(|own| ledger.key.as_ref().is_none_or(|key| key.id() != own.id())) {
                ledger.seal_within(own)?;
            }
            let Backup { made, events, sha256 } = backup.told.clone();
            ledger.append_within(actor, &Event::LedgerRestored { made, events, sha256 }).map(drop)
        });
        if done.is_err() {
            self.key = own;
        }
        done?;
        self.store.rewrite()
    }
}

impl BackupFile {
    /// Copies a backup to `scratch`, a file that does not exist yet, and checks it: its format, that its pages hold together, the digest of
    /// its rows, and the commitment of every event. One of an older format is brought forward in the copy. One that is sealed needs the key
    /// that it was sealed with then.
    ///
    /// # Errors
    /// [`Error::Backup`] with what is wrong; [`Error::Newer`]; [`Error::Sealed`] where none of the keys is its own; [`Error::Io`].
    pub fn open(path: &Path, scratch: &Path, keys: &[LedgerKey]) -> Result<Self, Error> {
        let cannot = |source| Error::Io { what: format!("cannot read {}", path.display()), source };
        let copy = Scratch::new(scratch.to_owned()).map_err(cannot)?;
        let read = File::open(path).and_then(|mut from| std::io::copy(&mut from, &mut OpenOptions::new().write(true).open(&copy.0)?));
        read.map_err(cannot)?;
        // Whatever SQLite says of a file that is none of its own is said in one word.
        let damaged = |error: Error| match error {
            Error::Database(why) => Error::Backup { why: format!("it cannot be read: {why}") },
            other => other,
        };
        let mut store = Store::alone(&copy.0).map_err(damaged)?;
        let format = store.format().map_err(damaged)?;
        if format > FORMAT {
            return Err(Error::Newer { found: format, known: FORMAT });
        }
        let told = check(&mut store).map_err(damaged)?;
        store.migrate().map_err(damaged)?;
        let mut ledger = Ledger { store, kept: None, key: None };
        if let Some(by) = ledger.sealed_by()? {
            let key = keys.iter().find(|key| key.id() == by).ok_or(Error::Sealed { by })?;
            ledger.unlock(key)?;
        }
        let wrong = ledger.damaged().map_err(damaged)?;
        if !wrong.is_empty() {
            return Err(Error::Backup { why: format!("{} of its events are not the ones committed to", wrong.len()) });
        }
        Ok(Self { ledger, told, _copy: copy })
    }

    /// What it says of itself.
    #[must_use]
    pub fn told(&self) -> &Backup {
        &self.told
    }

    /// The log's entries of its events, as [`Ledger::log_entries`].
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn log_entries(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        self.ledger.log_entries(0)
    }

    /// Events of one kind, as [`Ledger::events`].
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn events(&mut self, kind: &str) -> Result<Vec<StoredEvent>, Error> {
        self.ledger.events(kind)
    }
}

/// Checks a file against what it says of itself.
fn check(store: &mut Store) -> Result<Backup, Error> {
    let is_there = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('backup', 'events')";
    if store.rows(Statement::new(is_there))?[0].try_get::<i64, _>(0)? != 2 {
        return Err(Error::Backup { why: "it is no backup that `ledger backup` wrote".into() });
    }
    if !store.is_whole()? {
        return Err(Error::Backup { why: "its pages do not hold together".into() });
    }
    let said = store.rows(Statement::new("SELECT made, sha256 FROM backup"))?;
    let [said] = &said[..] else { return Err(Error::Backup { why: "it does not say when it was made".into() }) };
    let (made, sha256): (String, String) = (said.try_get(0)?, said.try_get(1)?);
    let tables = store.tables()?;
    if hex::encode(store.each_piece(&tables, |_, _| Ok(()))?) != sha256 {
        return Err(Error::Backup { why: "its rows are not those that were written".into() });
    }
    let events: i64 = store.rows(Statement::new("SELECT count(*) FROM events"))?[0].try_get(0)?;
    Ok(Backup { made, events: events as u64, sha256 })
}

/// A file for a while, readable by its owner alone: what an interrupted process left under its name goes first.
struct Scratch(PathBuf);

impl Scratch {
    fn new(path: PathBuf) -> std::io::Result<Self> {
        remove(&path)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now goes before the next one is made.
        let _ = remove(&self.0);
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    let mut journal = path.as_os_str().to_owned();
    journal.push("-journal");
    for file in [path, Path::new(&journal)] {
        match fs::remove_file(file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What takes each format back to the one before it.
    const BACK: [&str; FORMAT as usize - 1] = [
        "ALTER TABLE reservations DROP COLUMN from_run; DROP TABLE queries",
        "DROP TABLE people; DROP TABLE members; DROP INDEX basis_by_receipt; ALTER TABLE basis DROP COLUMN language;
         ALTER TABLE basis DROP COLUMN age; ALTER TABLE basis DROP COLUMN guardian; ALTER TABLE basis DROP COLUMN receipt",
        "DROP TABLE sealed; DROP TABLE actors",
    ];

    #[test]
    fn a_backup_of_every_earlier_format_is_brought_forward() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(&folder.path().join("ledger.db")).unwrap();
        let actor = Actor("test".into());
        ledger.append(&actor, &Event::NoiseKeyCreated { run: "r".into() }).unwrap();
        for format in 1..FORMAT {
            let path = folder.path().join(format!("of format {format}"));
            ledger.back_up(&path).unwrap();
            let mut store = Store::alone(&path).unwrap();
            for statement in BACK[format as usize - 1..].iter().rev().flat_map(|step| step.split(';')) {
                store.execute(Statement::new(statement)).unwrap();
            }
            store.execute(Statement::new(format!("PRAGMA user_version = {format}"))).unwrap();
            let scratch = folder.path().join("scratch");
            let stale = BackupFile::open(&path, &scratch, &[]).err().unwrap();
            assert!(matches!(stale, Error::Backup { .. }), "{stale}");
            // As the program of that time digested it.
            let tables = store.tables().unwrap();
            let sha256 = hex::encode(store.each_piece(&tables, |_, _| Ok(())).unwrap());
            store.execute(Statement::new("UPDATE backup SET sha256 = ?").bind(sha256)).unwrap();
            drop(store);
            let mut backup = BackupFile::open(&path, &scratch, &[]).unwrap();
            let mut other = Ledger::open(&folder.path().join(format!("from {format}"))).unwrap();
            other.restore(&actor, &mut backup).unwrap();
            assert_eq!(other.log_entries(0).unwrap()[..1], ledger.log_entries(0).unwrap());
            assert!(other.damaged().unwrap().is_empty());
        }
    }
}
