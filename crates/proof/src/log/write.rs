//! The one writer: tiles first, then the checkpoint, then the tiles that are no longer needed are removed.
//!
//! Killed at any point, the folder holds a complete log under its last checkpoint, and possibly files of the next
//! one; the next run finishes it to the same bytes.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use super::checkpoint::{Checkpoint, MAX_BYTES, SignedCheckpoint};
use super::layout::{TILE, TileId, Tiles, entries_in, put_entry, tiles_of};
use super::merkle::{Hash, Tree};
use super::store::{Store, UNFINISHED};
use super::{Error, MAX_ENTRY, SigningKey, VerifyingKey};

/// Most bytes in one bundle.
pub(crate) const MAX_BUNDLE: usize = TILE as usize * (2 + MAX_ENTRY);
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// How long a writer waits for another writer or a verification.
const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(10) };

/// A log's folder.
pub struct Log {
    pub(crate) store: Store,
    /// The tree under the last checkpoint this process wrote or read; re-read when the file says otherwise.
    tree: Option<Tree>,
}

impl Log {
    /// Opens the folder, or makes it. Nothing is signed until entries are published.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let dir = dir.as_ref();
        fs::create_dir_all(dir).map_err(Error::io(dir))?;
        Ok(Self { store: Store::new(dir), tree: None })
    }

    /// The checkpoint in the folder, not yet verified; `None` before the first one.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for a damaged file, [`Error::Io`].
    pub fn checkpoint(&self) -> Result<Option<SignedCheckpoint>, Error> {
        let Some(bytes) = self.store.read(CHECKPOINT, MAX_BYTES)? else { return Ok(None) };
        let text = str::from_utf8(&bytes).map_err(|_| Error::Checkpoint { why: "it is not text" })?;
        text.parse().map(Some)
    }

    /// Brings the folder to exactly `entries`, the whole ledger in order, and signs them under the key's name.
    ///
    /// Files that already say so are left alone; missing, damaged and outdated ones are rebuilt. `held` is the last
    /// checkpoint kept elsewhere; without it, a folder whose checkpoint is gone counts as never signed.
    ///
    /// # Errors
    /// [`Error::Forked`] or [`Error::Behind`] when the entries do not start with what the folder's checkpoint or
    /// `held` signed: then nothing was written. [`Error::Checkpoint`], [`Error::NotSigned`] or
    /// [`Error::BadSignature`] when the folder's checkpoint cannot be believed. [`Error::Locked`],
    /// [`Error::EntryTooLong`], [`Error::Io`].
    pub fn publish<E: AsRef<[u8]>>(
        &mut self,
        entries: &[E],
        key: &SigningKey,
        held: Option<&SignedCheckpoint>,
    ) -> Result<SignedCheckpoint, Error> {
        let _lock = self.lock()?;
        check_lengths(entries, 0)?;
        let tree = Tree::of_entries(entries);
        for earlier in self.checkpoint()?.iter().chain(held) {
            extends(&tree, earlier, &key.verifying_key())?;
        }
        for id in tiles_of(tree.size()) {
            let bytes = content(id, &tree, |index| entries[index as usize].as_ref());
            let path = id.path();
            if self.store.read(&path, bytes.len())?.as_ref() != Some(&bytes) {
                self.store.write(&path, &bytes)?;
            }
            self.store.touch(&path);
        }
        let signed = self.sign(&tree, key)?;
        self.remove_leftovers(tree.size())?;
        self.tree = Some(tree);
        Ok(signed)
    }

    /// Adds `entries` after the `first` ones already under the folder's checkpoint, reading only what it needs.
    ///
    /// # Errors
    /// As [`Self::publish`]; [`Error::NotNext`] when the checkpoint does not end at `first`, [`Error::Damaged`] when
    /// the hashes in the folder do not lead to it.
    pub fn append<E: AsRef<[u8]>>(
        &mut self,
        first: u64,
        entries: &[E],
        key: &SigningKey,
        held: Option<&SignedCheckpoint>,
    ) -> Result<SignedCheckpoint, Error> {
        let _lock = self.lock()?;
        check_lengths(entries, first)?;
        let before = self.checkpoint()?;
        let (size, root) = match &before {
            Some(signed) => signed.verify(&key.verifying_key()).map(|c| (c.size, c.root))?,
            None => (0, Tree::default().root()),
        };
        if size != first {
            return Err(Error::NotNext { first, size });
        }
        let (cached, reopened) = match self.tree.take().filter(|tree| tree.size() == size && tree.root() == root) {
            Some(tree) => (tree, false),
            None => (self.read_tree(size, root)?, true),
        };
        let tail = self.read_tail(&cached)?;
        let mut tree = cached;
        entries.iter().for_each(|entry| tree.push(Hash::of_entry(entry.as_ref())));
        if let Some(earlier) = held {
            extends(&tree, earlier, &key.verifying_key())?;
        }
        let entry = |index: u64| match index.checked_sub(first) {
            Some(new) => entries[new as usize].as_ref(),
            None => tail[(index % TILE) as usize].as_slice(),
        };
        for id in tiles_of(tree.size()).filter(|id| id.end() > id.tiles.count(first)) {
            self.store.write(&id.path(), &content(id, &tree, entry))?;
        }
        let signed = self.sign(&tree, key)?;
        if reopened {
            self.remove_leftovers(tree.size())?;
        } else {
            for id in tiles_of(first).filter(|id| !id.belongs_to(tree.size())) {
                self.store.remove(&id.path())?;
            }
        }
        self.tree = Some(tree);
        Ok(signed)
    }

    /// One writer at a time, on this machine; a verification in progress is waited for.
    fn lock(&self) -> Result<File, Error> {
        let dir = self.store.root();
        let lock = File::open(dir).map_err(Error::io(dir))?;
        let begun = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => std::thread::sleep(PATIENCE / 500),
                Err(TryLockError::WouldBlock) => return Err(Error::Locked { dir: dir.to_owned() }),
                Err(TryLockError::Error(e)) => return Err(Error::io(dir)(e)),
            }
        }
    }

    /// Everything the checkpoint speaks for is durable before the checkpoint is.
    fn sign(&mut self, tree: &Tree, key: &SigningKey) -> Result<SignedCheckpoint, Error> {
        self.store.sync_folders()?;
        let signed = Checkpoint::sign(tree.size(), tree.root(), key);
        let text = signed.to_string();
        if self.store.read(CHECKPOINT, MAX_BYTES)?.as_deref() != Some(text.as_bytes()) {
            self.store.write(CHECKPOINT, text.as_bytes())?;
        }
        self.store.touch(CHECKPOINT);
        self.store.sync_folders()?;
        Ok(signed)
    }

    /// Removes what a smaller log needed and what a killed run left; files of others stay, for verification to name.
    fn remove_leftovers(&mut self, size: u64) -> Result<(), Error> {
        for (file, _) in self.store.list()? {
            let unfinished = file.strip_suffix(UNFINISHED);
            let ours = match TileId::parse(unfinished.unwrap_or(&file)) {
                Some(id) => unfinished.is_some() || !id.belongs_to(size),
                None => unfinished == Some(CHECKPOINT),
            };
            if ours {
                self.store.remove(&file)?;
            }
        }
        self.store.sync_folders()
    }

    /// The tree from the leaf tiles, believed only if it leads to the signed root.
    fn read_tree(&self, size: u64, root: Hash) -> Result<Tree, Error> {
        let mut tree = Tree::default();
        for id in Tiles::Hashes(0).of(size) {
            let file = id.path();
            let bytes = self.store.read(&file, usize::from(id.width) * 32)?.unwrap_or_default();
            let (hashes, []) = bytes.as_chunks() else { return Err(Error::Damaged { file }) };
            if hashes.len() != usize::from(id.width) {
                return Err(Error::Damaged { file });
            }
            hashes.iter().for_each(|&hash| tree.push(Hash(hash)));
        }
        if tree.root() == root { Ok(tree) } else { Err(Error::Damaged { file: "tile/0".to_owned() }) }
    }

    /// The entries of the last bundle, if it is not full.
    fn read_tail(&self, tree: &Tree) -> Result<Vec<Vec<u8>>, Error> {
        let Some(id) = Tiles::Entries.of(tree.size() % TILE).next() else { return Ok(Vec::new()) };
        let id = TileId { n: tree.size() / TILE, ..id };
        let file = id.path();
        let bundle = self.store.read(&file, MAX_BUNDLE)?.unwrap_or_default();
        let tail: Result<Vec<_>, _> = entries_in(&bundle).map(|entry| entry.map(<[u8]>::to_vec)).collect();
        let fits = |tail: &Vec<Vec<u8>>| {
            tail.len() == usize::from(id.width) && (id.first()..).zip(tail).all(|(index, entry)| Hash::of_entry(entry) == tree.leaf(index))
        };
        tail.ok().filter(fits).ok_or(Error::Damaged { file })
    }
}

/// The tree starts with what `earlier` signed, and `earlier` is ours.
fn extends(tree: &Tree, earlier: &SignedCheckpoint, key: &VerifyingKey) -> Result<(), Error> {
    let &Checkpoint { size: signed_size, root: signed_root, .. } = earlier.verify(key)?;
    let size = tree.size();
    if signed_size > size {
        return Err(Error::Behind { signed_size, signed_root, size, root: tree.root() });
    }
    let root = tree.root_at(signed_size);
    if root == signed_root { Ok(()) } else { Err(Error::Forked { signed_size, signed_root, size, root }) }
}

fn content<'e>(id: TileId, tree: &Tree, entry: impl Fn(u64) -> &'e [u8]) -> Vec<u8> {
    if id.tiles != Tiles::Entries {
        return tree.tile(id).to_vec();
    }
    let mut bundle = Vec::new();
    (id.first()..id.end()).for_each(|index| put_entry(&mut bundle, entry(index)));
    bundle
}

fn check_lengths<E: AsRef<[u8]>>(entries: &[E], first: u64) -> Result<(), Error> {
    let long = (first..).zip(entries).find(|(_, entry)| entry.as_ref().len() > MAX_ENTRY);
    long.map_or(Ok(()), |(index, entry)| Err(Error::EntryTooLong { index, bytes: entry.as_ref().len() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::verify_dir;

    fn entries(n: usize) -> Vec<String> {
        (0..n).map(|i| format!(r#"{{"v":1,"kind":"consent.given","seq":{i}}}"#)).collect()
    }

    fn files(log: &Log) -> Vec<(String, Vec<u8>)> {
        let list = log.store.list().unwrap().into_iter();
        list.map(|(file, _)| (file.clone(), log.store.read(&file, 1 << 25).unwrap().unwrap())).collect()
    }

    /// Stops after every single file operation (a write stops half-way too), then runs again: same bytes as never
    /// stopped, and in between the checkpoint, if there is one, is never ahead of its tiles.
    fn stopped_anywhere(after: impl Fn(&mut Log, &[String], &SigningKey) -> Result<SignedCheckpoint, Error>) {
        let key = SigningKey::from_bytes("reticent/test", &[7; 32]).unwrap();
        let (before, all) = (entries(255), entries(770));
        let whole = tempfile::tempdir().unwrap();
        let mut log = Log::open(&whole).unwrap();
        log.publish(&all, &key, None).unwrap();
        let expected = files(&log);

        for steps in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let mut log = Log::open(&dir).unwrap();
            log.publish(&before, &key, None).unwrap();
            log.store.steps_left = Some(steps);
            let stopped = after(&mut log, &all, &key);

            let mut again = Log::open(&dir).unwrap();
            let size = again.checkpoint().unwrap().unwrap().unverified().size;
            assert!(size == 255 || size == 770);
            // whatever was left over, nothing the checkpoint speaks for is missing or different
            let found = verify_dir(dir.path(), &key.verifying_key(), None);
            let extra = |f: &crate::log::Finding| matches!(f.problem, crate::log::Problem::Unexpected { .. });
            assert!(found.findings.iter().all(extra), "{steps}: {found}");

            if size == 255 {
                after(&mut again, &all, &key).unwrap();
            } else {
                again.append(770, &[] as &[&str], &key, None).unwrap();
            }
            assert_eq!(files(&again), expected, "stopped after {steps} steps");
            if stopped.is_ok() {
                assert!(steps > 20, "the hook must have stopped something");
                return;
            }
        }
    }

    #[test]
    fn a_stopped_publish_is_finished_by_the_next() {
        stopped_anywhere(|log, all, key| log.publish(all, key, None));
    }

    #[test]
    fn a_stopped_append_is_finished_by_the_next() {
        stopped_anywhere(|log, all, key| log.append(255, &all[255..], key, None));
    }

    #[test]
    fn a_second_writer_is_refused() {
        let key = SigningKey::from_bytes("reticent/test", &[7; 32]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::open(&dir).unwrap();
        let other = Log::open(&dir).unwrap();
        let lock = other.lock().unwrap();
        assert!(matches!(log.publish(&entries(3), &key, None), Err(Error::Locked { .. })));
        drop(lock);
        log.publish(&entries(3), &key, None).unwrap();
    }
}
