//! Units that were taken out, recognised when they come again: keyed digests under a key of their own, in a file beside reticent.checkpoint.

use crate::disk;
use crate::failure::Failure;
use crate::workspace::Workspace;
use reticent_data::{PseudonymKey, SubjectId};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Kept apart from `.reticent`, so that a restored backup of that folder meets it.
const FILE: &str = "reticent.suppressed";
const TITLE: &str = "reticent suppressed units 1";

/// The list as it stands. Whoever holds it without its key can test no guess.
pub(crate) struct Suppression {
    path: PathBuf,
    key: Option<PseudonymKey>,
    /// Each with the ground on which it was taken out.
    entries: BTreeMap<String, char>,
}

impl Suppression {
    /// Reads the list; a missing one is empty.
    pub(crate) fn load(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(FILE);
        let key_path = key_path(dir);
        let key = disk::read_secret(&key_path)?.map(|key| PseudonymKey::from_bytes(*key));
        if !path.exists() {
            return Ok(Self { path, key, entries: BTreeMap::new() });
        }
        let text = disk::read_text(&path)?;
        let damaged = || {
            Failure::failed(format!("{} is damaged: units that were taken out could not be recognised", path.display()))
                .hint("bring the file back from where you keep a copy")
        };
        let mut lines = text.lines();
        let check = lines.next().and_then(|l| l.strip_prefix(TITLE)).ok_or_else(damaged)?.trim().to_owned();
        let read = |line: &str| {
            let (entry, ground) = line.split_once(' ')?;
            let well_formed = entry.len() == 64 && hex::decode(entry).is_ok() && ground.len() == 1;
            well_formed.then(|| (entry.to_owned(), char::from(ground.as_bytes()[0])))
        };
        let entries = lines.map(read).collect::<Option<BTreeMap<String, char>>>().ok_or_else(damaged)?;
        match &key {
            Some(found) if check_of(found) == check => Ok(Self { path, key, entries }),
            _ => Err(Failure::failed(format!(
                "{} is not the key of {}: units that were taken out could not be recognised",
                key_path.display(),
                path.display()
            ))
            .hint("bring the key file back from your backup")),
        }
    }

    /// Makes the key where there is none yet: every backup from now on holds it.
    pub(crate) fn prepare(dir: &Path) -> Result<(), Failure> {
        if dir.join(FILE).exists() { Ok(()) } else { disk::secret(&key_path(dir)).map(drop) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a unit was taken out.
    pub(crate) fn holds(&self, dataset: &str, pseudonym: &str) -> bool {
        self.ground(dataset, pseudonym).is_some()
    }

    /// The ground on which a unit was taken out: the letter of Art 17(1).
    pub(crate) fn ground(&self, dataset: &str, pseudonym: &str) -> Option<char> {
        let key = self.key.as_ref().filter(|_| !self.is_empty())?;
        self.entries.get(&entry(key, dataset, pseudonym)).copied()
    }

    /// Whether a unit of a table was taken out.
    pub(crate) fn holds_id(&self, dataset: &str, id: SubjectId) -> bool {
        !self.is_empty() && self.holds(dataset, &id.to_string())
    }

    /// Puts a unit on the list, durably.
    pub(crate) fn add(&mut self, dataset: &str, pseudonym: &str, ground: char) -> Result<(), Failure> {
        let key = self.key.as_ref().ok_or_else(|| Failure::failed("the key of the list of suppressed units is missing"))?;
        if self.entries.insert(entry(key, dataset, pseudonym), ground).is_none() {
            let lines: String = self.entries.iter().map(|(entry, ground)| format!("{entry} {ground}\n")).collect();
            disk::write(&self.path, format!("{TITLE} {}\n{lines}", check_of(key)).as_bytes())?;
        }
        Ok(())
    }
}

impl Workspace {
    /// The list, refused where it is gone although units were taken out.
    pub(crate) fn suppression(&mut self) -> Result<Suppression, Failure> {
        let list = Suppression::load(&self.dir)?;
        if list.is_empty() && !self.ledger.events("subject-erased")?.is_empty() {
            return Err(Failure::refused(format!("{FILE} is gone, and units were taken out: they would come back unseen"))
                .hint("bring the file back from where you keep a copy"));
        }
        Ok(list)
    }
}

fn key_path(dir: &Path) -> PathBuf {
    dir.join(".reticent/keys/suppression.key")
}

fn entry(key: &PseudonymKey, dataset: &str, pseudonym: &str) -> String {
    hex::encode(key.keyed_digest(&[b"suppressed", dataset.as_bytes(), pseudonym.as_bytes()]))
}

/// Tells whether a key belongs to a list, and nothing about the list.
fn check_of(key: &PseudonymKey) -> String {
    hex::encode(key.keyed_digest(&[b"suppression key"]))
}
