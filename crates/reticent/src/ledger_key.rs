//! The key that seals what names people in the ledger: in a file beside the workspace's other keys, and while it is being changed in two.

use crate::disk;
use crate::failure::Failure;
use crate::workspace::actor;
use reticent_govern::{Ledger, LedgerKey};
use std::path::{Path, PathBuf};

fn path(dir: &Path) -> PathBuf {
    dir.join(".reticent/keys/ledger.key")
}

/// The key that is to take its place; a file of this name is what an interrupted change left.
fn next_path(dir: &Path) -> PathBuf {
    dir.join(".reticent/keys/ledger.key.next")
}

/// Reads the key of a file, where there is one.
pub(crate) fn read(path: &Path) -> Result<Option<LedgerKey>, Failure> {
    Ok(disk::read_secret(path)?.map(|bytes| LedgerKey::from_bytes(&bytes)))
}

/// The keys at hand.
pub(crate) fn at_hand(dir: &Path) -> Result<Vec<LedgerKey>, Failure> {
    Ok([read(&path(dir))?, read(&next_path(dir))?].into_iter().flatten().collect())
}

/// Unlocks a ledger. Whoever writes also seals one that is in clear, and finishes a change of keys that was interrupted.
pub(crate) fn unlock(ledger: &mut Ledger, dir: &Path, writes: bool) -> Result<(), Failure> {
    let Some(by) = ledger.sealed_by()? else {
        if writes {
            ledger.seal(&actor(), &LedgerKey::from_bytes(&*disk::secret(&path(dir))?))?;
        }
        return Ok(());
    };
    let Some(key) = at_hand(dir)?.into_iter().find(|key| key.id() == by) else {
        let path = path(dir);
        let why = if path.exists() { "is another" } else { "is gone" };
        return Err(Failure::failed(format!("the ledger is sealed with the key {by}, and {} {why}", path.display()))
            .hint("bring the key file back from your backup: without it nobody reads who did what; where the ledger is another workspace's, name a schema of your own; nothing was changed"));
    };
    ledger.unlock(&key)?;
    if writes { settle(dir, &by) } else { Ok(()) }
}

/// Leaves one key, the one that the ledger is sealed with.
fn settle(dir: &Path, by: &str) -> Result<(), Failure> {
    let (path, next) = (path(dir), next_path(dir));
    match read(&next)? {
        None => Ok(()),
        Some(key) if key.id() == by => {
            disk::shred(&path)?;
            std::fs::rename(&next, &path).and_then(|()| disk::sync_folder(&path)).map_err(|e| disk::io("move", &next, &e))
        }
        // The ledger never came to it.
        Some(_) => disk::shred(&next),
    }
}

/// Seals the ledger with a fresh key, and destroys the one before once that is durable; `keep` gets a copy of it first.
pub(crate) fn rotate(ledger: &mut Ledger, dir: &Path, keep: Option<&Path>) -> Result<String, Failure> {
    if let Some(keep) = keep {
        if keep.exists() {
            return Err(Failure::usage(format!("{} is there already", keep.display())).hint("name a new file"));
        }
        disk::write_private(keep, disk::read_text(&path(dir))?.as_bytes())?;
    }
    let key = LedgerKey::from_bytes(&*disk::new_secret(&next_path(dir))?);
    ledger.seal(&actor(), &key)?;
    settle(dir, key.id())?;
    Ok(key.id().to_owned())
}
