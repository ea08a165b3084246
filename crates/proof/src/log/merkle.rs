//! The RFC 6962 tree over the entries, at tile heights, and the slow oracle the tests compare it with.
//!
//! Leaf `SHA-256(0x00 ‖ entry)`, node `SHA-256(0x01 ‖ left ‖ right)`. The index arithmetic and the proofs are
//! `tlog_tiles`' (a port of Go's sumdb/tlog); only the storage is ours.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest as _, Sha256};
use tlog_tiles::{HashReader, Tile, record_hash, split_stored_hash_index, tree_hash};

use super::layout::{TILE, TileId, Tiles};

/// A SHA-256 hash of an entry, a node or a whole log; shown in hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The leaf hash of an entry.
    pub fn of_entry(entry: &[u8]) -> Self {
        Self(record_hash(entry).0)
    }

    /// Reads the base64 of notes and proofs.
    pub(crate) fn from_base64(text: &str) -> Option<Self> {
        BASE64_STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl serde::Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The root of `entries`, straight from RFC 6962's definition: slow, exact, independent of the tiles.
///
/// ```
/// use reticent_proof::log::root_of;
/// let inputs: [&[u8]; 3] = [b"", b"\x00", b"\x10"];
/// // RFC 6962 reference root of the first three inputs
/// assert_eq!(
///     root_of(&inputs).to_string(),
///     "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"
/// );
/// ```
pub fn root_of<E: AsRef<[u8]>>(entries: &[E]) -> Hash {
    let mut hash = Sha256::new();
    match entries {
        [] => {}
        [only] => {
            hash.update([0x00]);
            hash.update(only.as_ref());
        }
        more => {
            // the largest power of two smaller than the length
            let half = more.len().next_power_of_two() / 2;
            hash.update([0x01]);
            hash.update(root_of(&more[..half]).0);
            hash.update(root_of(&more[half..]).0);
        }
    }
    Hash(hash.finalize().into())
}

/// The hashes that hash tiles hold: leaves, roots of 256 leaves, roots of 65,536, …
#[derive(Default, Clone)]
pub(crate) struct Tree {
    levels: Vec<Vec<u8>>,
}

const HASH: usize = 32;

impl Tree {
    pub(crate) fn of_entries<E: AsRef<[u8]>>(entries: &[E]) -> Self {
        let mut tree = Self::default();
        entries.iter().for_each(|entry| tree.push(Hash::of_entry(entry.as_ref())));
        tree
    }

    pub(crate) fn push(&mut self, leaf: Hash) {
        self.push_at(0, leaf);
    }

    fn push_at(&mut self, level: usize, hash: Hash) {
        if level == self.levels.len() {
            self.levels.push(Vec::new());
        }
        let hashes = &mut self.levels[level];
        hashes.extend_from_slice(&hash.0);
        if hashes.len().is_multiple_of(TILE as usize * HASH) {
            let full = Tile::subtree_hash(&hashes[hashes.len() - TILE as usize * HASH..]);
            self.push_at(level + 1, Hash(full.0));
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| (leaves.len() / HASH) as u64)
    }

    pub(crate) fn leaf(&self, index: u64) -> Hash {
        Hash(self.levels[0][index as usize * HASH..][..HASH].try_into().expect("32 bytes"))
    }

    /// Root of the first `size` entries, `size` at most [`Self::size`].
    pub(crate) fn root_at(&self, size: u64) -> Hash {
        Hash(tree_hash(size, self).expect("every hash of a tree up to its size is in memory").0)
    }

    pub(crate) fn root(&self) -> Hash {
        self.root_at(self.size())
    }

    /// The bytes of a hash tile inside the tree.
    pub(crate) fn tile(&self, id: TileId) -> &[u8] {
        let Tiles::Hashes(level) = id.tiles else { unreachable!("entry bundles are not hashes") };
        &self.levels[usize::from(level)][id.first() as usize * HASH..][..usize::from(id.width) * HASH]
    }
}

impl HashReader for Tree {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        let read = |&index: &u64| {
            let (height, n) = split_stored_hash_index(index);
            // node n at `height` spans 2^within hashes of the tile level below it
            let (level, within) = (usize::from(height / 8), height % 8);
            let span = ((n as usize) << within) * HASH..((n as usize + 1) << within) * HASH;
            let hashes = self.levels.get(level).and_then(|hashes| hashes.get(span));
            hashes.map(Tile::subtree_hash).ok_or(tlog_tiles::Error::IndexesNotInTree)
        };
        indexes.iter().map(read).collect()
    }
}
