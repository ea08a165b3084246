//! What shadow models answered, kept so that an audit that was interrupted goes on, and a second one of the same recipe trains nothing.
//!
//! No weights are kept: a file holds φ of every unit under one shadow model. That is personal data all the same, for whoever knows the units'
//! order: who erases a unit deletes the folder.

use crate::Error;
use crate::membership::KnownRows;
use crate::shadow::Membership;
use reticent_data::{PermittedTable, encode};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A folder of answers. Files are named by a keyed digest of all that decides what is in them: recipe, rows, members, number of the model.
pub struct Kept {
    folder: PathBuf,
    key: [u8; 32],
    used: Mutex<BTreeSet<String>>,
}

const ENDING: &str = ".phi";

impl Kept {
    /// A folder that is there, and the key of its names: without it nobody can test a guess at rows against them.
    #[must_use]
    pub fn new(folder: &Path, key: [u8; 32]) -> Self {
        Self { folder: folder.to_path_buf(), key, used: Mutex::default() }
    }

    /// Deletes every file of answers that was neither written nor read through this value: those of other rows or recipes.
    ///
    /// # Errors
    /// [`Error::Kept`].
    pub fn drop_unused(&self) -> Result<(), Error> {
        let failed = |e: std::io::Error| Error::Kept { why: e.to_string() };
        let used = self.used.lock().expect("no thread panics while it holds this");
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.contains(ENDING) && !used.contains(&name) {
                std::fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// What all shadow models of a recipe on these rows have in common. The recipe must say all else that decides a model: plan, seeds, program.
    pub(crate) fn rows(&self, recipe: &str, pool: &PermittedTable, known: &KnownRows) -> Rows<'_> {
        let mut hash = Sha256::new();
        hash.update(self.key);
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(recipe.as_bytes());
        let encoded = encode(pool.table());
        part(&encoded.inputs.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
        part(&encoded.labels.iter().flat_map(|y| y.to_le_bytes()).collect::<Vec<u8>>());
        for id in pool.table().subjects().iter().chain(known.ids()) {
            part(id.to_string().as_bytes());
        }
        Rows { kept: self, common: hash.finalize().into(), units: known.ids().len() }
    }
}

/// The answers of one recipe on some rows.
pub(crate) struct Rows<'a> {
    kept: &'a Kept,
    common: [u8; 32],
    units: usize,
}

impl Rows<'_> {
    fn name(&self, members: &Membership, shadow: usize) -> String {
        let mut hash = Sha256::new();
        hash.update(self.common);
        hash.update((shadow as u64).to_le_bytes());
        hash.update((0..self.units).map(|unit| u8::from(members.is_in(shadow, unit))).collect::<Vec<u8>>());
        hex::encode(&hash.finalize()[..16]) + ENDING
    }

    fn note(&self, name: &str) {
        self.kept.used.lock().expect("no thread panics while it holds this").insert(name.to_owned());
    }

    /// What the shadow model answered, where that is kept whole.
    pub(crate) fn read(&self, members: &Membership, shadow: usize) -> Option<Vec<f64>> {
        let name = self.name(members, shadow);
        let bytes = std::fs::read(self.kept.folder.join(&name)).ok()?;
        let (values, sum) = bytes.split_at_checked(self.units * 8)?;
        if sum != &Sha256::digest(values)[..] {
            return None;
        }
        self.note(&name);
        Some(values.chunks_exact(8).map(|v| f64::from_le_bytes(v.try_into().expect("eight bytes"))).collect())
    }

    /// Keeps the answers: under another name first, so that a file is whole or not there.
    pub(crate) fn write(&self, members: &Membership, shadow: usize, values: &[f64]) -> Result<(), Error> {
        let name = self.name(members, shadow);
        let mut bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        bytes.extend_from_slice(&Sha256::digest(&bytes));
        let (path, unfinished) = (self.kept.folder.join(&name), self.kept.folder.join(format!("{name}.part")));
        std::fs::write(&unfinished, bytes)
            .and_then(|()| std::fs::rename(&unfinished, path))
            .map_err(|e| Error::Kept { why: e.to_string() })?;
        self.note(&name);
        Ok(())
    }
}
