//! Inclusion proofs: one entry is in the log under a signed checkpoint, in the C2SP tlog-proof form.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tlog_tiles::{Tile, TileHashReader, TileReader, check_record, prove_record};

use super::layout::{TILE, TileId, Tiles, entries_in};
use super::store::Store;
use super::write::MAX_BUNDLE;
use super::{Checkpoint, Error, Hash, Log, SignedCheckpoint, VerifyingKey};

const HEADER: &str = "c2sp.org/tlog-proof@v1\n";

/// Shows, with no access to the log, that an entry stands at `index` under `checkpoint`.
///
/// Kept as a `.tlog-proof` file through [`Display`](fmt::Display) and [`FromStr`]:
///
/// ```
/// # use reticent_proof::log::{InclusionProof, Log, SigningKey};
/// # let dir = std::env::temp_dir().join(format!("reticent-proof-example-{}", std::process::id()));
/// # let key = SigningKey::generate("reticent/clinic-3f9a")?;
/// # let mut log = Log::open(&dir)?;
/// log.publish(&["given", "withdrawn", "erased"], &key, None)?;
/// let file = log.prove(1)?.to_string();
///
/// let proof: InclusionProof = file.parse()?;
/// let checkpoint = proof.check(b"withdrawn", &key.verifying_key())?;
/// assert_eq!((proof.index, checkpoint.size), (1, 3));
/// assert!(proof.check(b"something else", &key.verifying_key()).is_err());
/// # std::fs::remove_dir_all(&dir).unwrap();
/// # Ok::<(), reticent_proof::log::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// The entry's position, from 0.
    pub index: u64,
    /// Siblings from the leaf up to the root's child.
    pub hashes: Vec<Hash>,
    /// The checkpoint it leads to.
    pub checkpoint: SignedCheckpoint,
}

impl Log {
    /// Proves that the entry at `index` is under the folder's checkpoint, reading a few tiles.
    ///
    /// # Errors
    /// [`Error::Unpublished`], [`Error::NoEntry`], [`Error::Damaged`] when the tiles do not lead to the checkpoint,
    /// [`Error::Checkpoint`], [`Error::Io`].
    pub fn prove(&self, index: u64) -> Result<InclusionProof, Error> {
        let unpublished = || Error::Unpublished { dir: self.store.root().to_owned() };
        let checkpoint = self.checkpoint()?.ok_or_else(unpublished)?;
        let &Checkpoint { size, root, .. } = checkpoint.unverified();
        if index >= size {
            return Err(Error::NoEntry { index, size });
        }
        let tiles = TileFiles { store: &self.store, refused: RefCell::new(None) };
        let reader = TileHashReader::new(size, tlog_tiles::Hash(root.0), &tiles);
        // a log of one entry has an empty proof, and tile 0 unread
        let proof = prove_record(size, index, &reader);
        let damaged = || Error::Damaged { file: "tile".to_owned() };
        let hashes = proof.map_err(|_| tiles.refused.take().unwrap_or_else(damaged))?;
        Ok(InclusionProof { index, hashes: hashes.iter().map(|h| Hash(h.0)).collect(), checkpoint })
    }
}

impl Log {
    /// All entries under the folder's checkpoint, in order. What they are is for [`verify_dir`](super::verify_dir) to check first.
    ///
    /// # Errors
    /// [`Error::Unpublished`]; [`Error::Damaged`] for a bundle that is missing or does not hold its entries; [`Error::Io`].
    pub fn entries(&self) -> Result<Vec<Vec<u8>>, Error> {
        let unpublished = || Error::Unpublished { dir: self.store.root().to_owned() };
        let size = self.checkpoint()?.ok_or_else(unpublished)?.unverified().size;
        let mut all = vec![];
        for id in Tiles::Entries.of(size) {
            let file = id.path();
            let bundle = self.store.read(&file, MAX_BUNDLE)?.unwrap_or_default();
            let before = all.len();
            for entry in entries_in(&bundle) {
                all.push(entry.map_err(|_| Error::Damaged { file: file.clone() })?.to_vec());
            }
            if all.len() - before != usize::from(id.width) {
                return Err(Error::Damaged { file });
            }
        }
        Ok(all)
    }
}

impl InclusionProof {
    /// Checks the signature, and that `entry` at `index` leads to the signed root.
    ///
    /// # Errors
    /// [`Error::NotSigned`], [`Error::BadSignature`], [`Error::NotIncluded`].
    pub fn check(&self, entry: &[u8], key: &VerifyingKey) -> Result<&Checkpoint, Error> {
        let checkpoint = self.checkpoint.verify(key)?;
        let hashes: Vec<_> = self.hashes.iter().map(|h| tlog_tiles::Hash(h.0)).collect();
        let (leaf, root) = (tlog_tiles::record_hash(entry), tlog_tiles::Hash(checkpoint.root.0));
        let checked = check_record(&hashes, checkpoint.size, root, self.index, leaf);
        checked.map_err(|_| Error::NotIncluded { index: self.index, root: checkpoint.root })?;
        Ok(checkpoint)
    }
}

impl fmt::Display for InclusionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{}", BASE64_STANDARD.encode(hash.0)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for InclusionProof {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why| Error::Proof { why };
        let text = text.strip_prefix(HEADER).ok_or_else(|| wrong("it does not begin with c2sp.org/tlog-proof@v1"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| wrong("no empty line parts hashes from checkpoint"))?;
        // the unauthenticated extra line means nothing to us
        let mut lines = head.split('\n').skip_while(|line| line.starts_with("extra ")).peekable();
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(|digits| digits.parse().ok().filter(|index: &u64| index.to_string() == digits))
            .ok_or_else(|| wrong("it gives no index"))?;
        let hashes = lines
            .map(|line| Hash::from_base64(line).ok_or_else(|| wrong("a hash is not 32 bytes in base64")))
            .take(65)
            .collect::<Result<Vec<_>, _>>()?;
        if hashes.len() > 64 {
            return Err(wrong("it holds more hashes than a tree is high"));
        }
        Ok(Self { index, hashes, checkpoint: checkpoint.parse()? })
    }
}

/// Hands tiles to `tlog_tiles`, which authenticates each against the root.
pub(super) struct TileFiles<'s> {
    pub(super) store: &'s Store,
    pub(super) refused: RefCell<Option<Error>>,
}

impl TileReader for TileFiles<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &Tile| {
            let width = tile.width().min(TILE as u32) as u16;
            let file = TileId { tiles: Tiles::Hashes(tile.level()), n: tile.level_index(), width }.path();
            let refused = match self.store.read(&file, usize::from(width) * 32) {
                Ok(Some(bytes)) if bytes.len() == usize::from(width) * 32 => return Ok(bytes),
                Ok(_) => Error::Damaged { file },
                Err(e) => e,
            };
            self.refused.replace(Some(refused));
            Err(tlog_tiles::Error::InvalidTile)
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}
