//! Consistency proofs: a later checkpoint grew out of an earlier one (RFC 6962, section 2.1.2).

use std::cell::RefCell;

use tlog_tiles::{TileHashReader, check_tree, prove_tree};

use super::inclusion::TileFiles;
use super::{Checkpoint, Error, Hash, Log};

/// Shows, with no access to the log, that the entries under an earlier checkpoint are the first of those under a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// Hashes of subtrees, as RFC 6962 lists them.
    pub hashes: Vec<Hash>,
}

impl Log {
    /// Proves that the folder's checkpoint grew out of the first `size` entries.
    ///
    /// # Errors
    /// [`Error::Unpublished`]; [`Error::NoEntry`] where the log is shorter; [`Error::Damaged`], [`Error::Checkpoint`], [`Error::Io`].
    pub fn prove_growth(&self, size: u64) -> Result<ConsistencyProof, Error> {
        let unpublished = || Error::Unpublished { dir: self.store.root().to_owned() };
        let checkpoint = self.checkpoint()?.ok_or_else(unpublished)?;
        let &Checkpoint { size: later, root, .. } = checkpoint.unverified();
        if size > later {
            return Err(Error::NoEntry { index: size, size: later });
        }
        if size == 0 || size == later {
            return Ok(ConsistencyProof { hashes: vec![] });
        }
        let tiles = TileFiles { store: &self.store, refused: RefCell::new(None) };
        let reader = TileHashReader::new(later, tlog_tiles::Hash(root.0), &tiles);
        let proof = prove_tree(later, size, &reader);
        let damaged = || Error::Damaged { file: "tile".to_owned() };
        let hashes = proof.map_err(|_| tiles.refused.take().unwrap_or_else(damaged))?;
        Ok(ConsistencyProof { hashes: hashes.iter().map(|h| Hash(h.0)).collect() })
    }
}

impl ConsistencyProof {
    /// Checks that `later` grew out of `earlier`.
    ///
    /// # Errors
    /// [`Error::Behind`] where it is shorter, [`Error::Forked`] where its first entries are others, or the proof does not show that they are
    /// the same.
    pub fn check(&self, earlier: &Checkpoint, later: &Checkpoint) -> Result<(), Error> {
        let (signed_size, signed_root, size, root) = (earlier.size, earlier.root, later.size, later.root);
        let forked = || Error::Forked { signed_size, signed_root, size, root };
        if earlier.origin != later.origin {
            return Err(Error::NotSigned { name: earlier.origin.clone() });
        }
        if signed_size > size {
            return Err(Error::Behind { signed_size, signed_root, size, root });
        }
        if signed_size == size || signed_size == 0 {
            let empty = signed_size == 0 && signed_root == super::root_of::<&[u8]>(&[]);
            return if self.hashes.is_empty() && (empty || signed_root == root) { Ok(()) } else { Err(forked()) };
        }
        let hashes: Vec<_> = self.hashes.iter().map(|h| tlog_tiles::Hash(h.0)).collect();
        check_tree(&hashes, size, tlog_tiles::Hash(root.0), signed_size, tlog_tiles::Hash(signed_root.0)).map_err(|_| forked())
    }
}
