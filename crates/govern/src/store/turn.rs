//! Whose turn it is to write to the file. SQLite lets whoever waits look again ten times a second, and whoever has just written begin again at
//! once: of many writers some would never get in. Here the next one stands at the head of a queue, and nobody overtakes it.

use super::PATIENCE;
use crate::Error;
use std::cell::OnceCell;
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often whoever waits looks.
const LOOK: Duration = Duration::from_millis(1);

/// Two empty files beside the ledger, locked in this order: the head of the queue, and the turn itself.
pub(super) struct Turns {
    ledger: PathBuf,
    /// Head and turn, opened by the first who writes: a ledger that is only read needs no folder that can be written to.
    files: OnceCell<[File; 2]>,
}

impl Turns {
    pub(super) fn of(ledger: &Path) -> Self {
        Self { ledger: ledger.to_owned(), files: OnceCell::new() }
    }

    /// Waits until it is this one's turn.
    pub(super) fn take(&self) -> Result<(), Error> {
        if self.files.get().is_none() {
            let _ = self.files.set([open(&self.ledger, "-head")?, open(&self.ledger, "-turn")?]);
        }
        let Some([head, turn]) = self.files.get() else { return Ok(()) };
        let since = Instant::now();
        wait(head, since)?;
        let taken = wait(turn, since);
        // The next one comes to the head only now: it cannot be overtaken by whoever had the last turn.
        let _ = head.unlock();
        taken
    }

    pub(super) fn give_back(&self) {
        // A lock that cannot be given back goes when the file is closed.
        if let Some([_, turn]) = self.files.get() {
            let _ = turn.unlock();
        }
    }
}

fn open(ledger: &Path, ending: &str) -> Result<File, Error> {
    let mut name = OsString::from(ledger);
    name.push(ending);
    let options = OpenOptions::new().create(true).truncate(false).write(true).open(&name);
    options.map_err(|source| Error::Io { what: format!("cannot open {}", name.display()), source })
}

fn wait(file: &File, since: Instant) -> Result<(), Error> {
    let failed = |source| Error::Io { what: "another process writes to the ledger and does not come to an end".into(), source };
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) if since.elapsed() > PATIENCE => return Err(failed(std::io::ErrorKind::TimedOut.into())),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
        }
    }
}
