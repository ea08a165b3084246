//! Recomputes everything from the entry bundles and names each file that does not follow from them.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::path::Path;

use serde::ser::SerializeStruct as _;

use super::checkpoint::{Checkpoint, MAX_BYTES, SignedCheckpoint};
use super::layout::{TILE, TileId, Tiles, entries_in, hash_rows};
use super::merkle::{Hash, Tree};
use super::store::Store;
use super::write::{CHECKPOINT, MAX_BUNDLE};
use super::{Error, VerifyingKey};

/// What was recomputed, what did not fit, and what no check of this kind can show.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// The log's name in the key.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Their root, recomputed; `None` where too many files are missing to compute one.
    pub root: Option<Hash>,
    /// Everything that does not fit: empty for a log that verifies.
    pub findings: Vec<Finding>,
    /// What this verification does not prove, to be printed with every result.
    pub not_proved: Vec<&'static str>,
}

impl Verification {
    /// Nothing was found.
    pub fn verified(&self) -> bool {
        self.findings.is_empty()
    }
}

/// One file that does not fit, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its path inside the log; `ledger` and `held checkpoint` for the two that are not files of the log.
    pub file: String,
    /// What does not fit.
    pub problem: Problem,
}

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Problem {
    /// A file the checkpoint speaks for is not there.
    #[error("is missing")]
    Missing,
    /// A log of this size has no such file. Typical cause: a writer was killed; publishing again removes it.
    #[error("does not belong to a log of {size} entries")]
    Unexpected {
        /// Entries in the log.
        size: u64,
    },
    /// A link, a device, a socket.
    #[error("is not an ordinary file")]
    NotAFile,
    /// The operating system refused.
    #[error("cannot be read: {why}")]
    Unreadable {
        /// What it said.
        why: String,
    },
    /// Truncated or extended.
    #[error("is not {expected} bytes long")]
    Length {
        /// Bytes a tile of this name holds.
        expected: u64,
    },
    /// A bundle ends inside an entry.
    #[error("ends inside entry {entry}")]
    CutOff {
        /// Index of that entry in the log.
        entry: u64,
    },
    /// A bundle holds too few or too many entries.
    #[error("holds {found} entries, {expected} expected")]
    Count {
        /// Entries a bundle of this name holds.
        expected: u64,
        /// Entries found.
        found: u64,
    },
    /// An entry was changed.
    #[error("entry {entry} is not the one the log committed to{}", more(*.others))]
    Entry {
        /// Index of the first such entry in the log.
        entry: u64,
        /// How many more in this file.
        others: u64,
    },
    /// A hash was changed.
    #[error("hash {index} of level {level} does not follow from the entries{}", more(*.others))]
    Hash {
        /// Row of tiles, 0 for leaves.
        level: u8,
        /// Position in the row; at level 0 the index of the entry.
        index: u64,
        /// How many more in this file.
        others: u64,
    },
    /// A bundle and its hash tile disagree, and nothing left tells which is right.
    #[error("disagrees with {with} from entry {entry} on")]
    Disagrees {
        /// The other file.
        with: String,
        /// Index of the first entry they disagree about.
        entry: u64,
    },
    /// The checkpoint, or the one held elsewhere, does not read or is not signed by the key.
    #[error("{why}")]
    Checkpoint {
        /// What is wrong with it.
        why: String,
    },
    /// The checkpoint carries signatures nobody asked for; they are not covered by its own signature.
    #[error("carries {lines} signature lines by other keys")]
    ForeignSignatures {
        /// How many.
        lines: usize,
    },
    /// Properly signed, for another log than the one in the folder.
    #[error("signs root {signed} for {size} entries, the entries give {root}")]
    Root {
        /// Entries under the checkpoint.
        size: u64,
        /// Its root.
        signed: Hash,
        /// The root recomputed.
        root: Hash,
    },
    /// The log was rolled back.
    #[error("the log is behind the checkpoint held elsewhere: {size} entries, {held} held")]
    Behind {
        /// Entries in the log.
        size: u64,
        /// Entries under the held checkpoint.
        held: u64,
    },
    /// The log was rewritten.
    #[error("the log is forked from the checkpoint held elsewhere: its first {held} entries give {root}, {held_root} is held")]
    Forked {
        /// Entries under the held checkpoint.
        held: u64,
        /// Its root.
        held_root: Hash,
        /// Root of as many entries of this log.
        root: Hash,
    },
    /// The ledger has another event at this place.
    #[error("event {entry} is not the one the log committed to{}", more(*.others))]
    LedgerDiffers {
        /// Index of the first such event.
        entry: u64,
        /// How many more.
        others: u64,
    },
    /// Events that are not in the log yet. Publishing adds them.
    #[error("has {ledger} events, the log commits to {size} of them: publish the rest")]
    LedgerAhead {
        /// Events in the ledger.
        ledger: u64,
        /// Entries in the log.
        size: u64,
    },
    /// Events are gone. Typical cause: a ledger restored from a backup.
    #[error("has {ledger} events, the log committed to {size}")]
    LedgerBehind {
        /// Events in the ledger.
        ledger: u64,
        /// Entries in the log.
        size: u64,
    },
}

fn more(others: u64) -> String {
    if others == 0 { String::new() } else { format!(", nor are {others} more in it") }
}

/// Recomputes every tile, bundle and the checkpoint in `dir`. Needs no database and no network.
///
/// `held` is a checkpoint of this log kept elsewhere: only with one can a rollback or a rewrite by the key's holder
/// be seen. Waits for a writer on the same machine to finish.
pub fn verify_dir(dir: &Path, key: &VerifyingKey, held: Option<&SignedCheckpoint>) -> Verification {
    verify(dir, key, held, None::<&[&[u8]]>)
}

/// As [`verify_dir`], and compares the log with `entries`, built from the ledger in order: an event that differs is
/// named by its index.
pub fn verify_against<E: AsRef<[u8]>>(dir: &Path, key: &VerifyingKey, held: Option<&SignedCheckpoint>, entries: &[E]) -> Verification {
    verify(dir, key, held, Some(entries))
}

fn verify<E: AsRef<[u8]>>(dir: &Path, key: &VerifyingKey, held: Option<&SignedCheckpoint>, ledger: Option<&[E]>) -> Verification {
    // a reader's lock, where the file system has locks
    let lock = File::open(dir).ok();
    let _ = lock.as_ref().map(File::lock_shared);

    let mut folder = Folder { store: Store::new(dir), files: BTreeSet::new(), findings: Vec::new(), missing: 0 };
    let irregular = folder.list();
    let (stated, signed) = folder.checkpoint(key);
    // an unsigned size is only a hint: trust what lies in the folder
    let size = signed.as_ref().map_or_else(|| folder.size_on_disk(), |c| c.size);
    let stated = stated.filter(|c| c.size == size).map(|c| c.root);

    let bundles: Vec<_> = folder.each(Tiles::Entries, size, Folder::bundle);
    let leaves: Vec<_> = folder.each(Tiles::Hashes(0), size, Folder::hashes);
    let tree = settle(&bundles, &leaves, size, stated);
    folder.compare_bundles(&bundles, &leaves, &tree, size);
    folder.compare_hashes(leaves, &tree, size);
    folder.unexpected(irregular, size);

    let tree = tree.tree();
    if let (Some(tree), Some(signed)) = (tree, &signed)
        && tree.root() != signed.root
    {
        folder.found(CHECKPOINT, Problem::Root { size, signed: signed.root, root: tree.root() });
    }
    if let Some(held) = held {
        folder.compare_held(held, key, tree, size);
    }
    if let (Some(ledger), Some(tree)) = (ledger, tree) {
        folder.compare_ledger(ledger, tree);
    }
    Verification {
        origin: key.name().to_owned(),
        size,
        root: tree.map(Tree::root),
        findings: folder.findings,
        not_proved: not_proved(held.is_some(), ledger.is_some()),
    }
}

/// What stays open however well a log verifies.
fn not_proved(held: bool, ledger: bool) -> Vec<&'static str> {
    let mut lines = vec![
        "that every event was recorded: what never reached the ledger leaves no trace here",
        "that an entry is true: the log fixes what was recorded and in which order, not what happened or when",
        "who used the signing key: whoever has it can sign another log under the same name",
    ];
    if held {
        lines.push("that entries after the checkpoint held elsewhere were not replaced by the key's holder");
        lines.push("that others were shown this same log: compare its checkpoint with theirs");
    } else {
        lines.push(
            "that log and ledger were not rolled back or rewritten together: \
             without a checkpoint held elsewhere this cannot be seen",
        );
    }
    if !ledger {
        lines.push("that the ledger holds these same events: it was not read");
    }
    lines
}

/// A bundle as far as it reads.
struct Bundle {
    leaves: Vec<Hash>,
    cut_off: bool,
    whole: bool,
}

/// What the files of the log are compared with.
enum Settled {
    /// Leaves that lead to the stated root: a file that differs from them is wrong.
    Root(Tree),
    /// Leaves that lead elsewhere, bundles first: nothing says whether a bundle or its tile is wrong.
    Unsure(Tree),
    /// Not even that: both the bundle and the tile of some place are unusable.
    Nothing,
}

impl Settled {
    fn tree(&self) -> Option<&Tree> {
        match self {
            Self::Root(tree) | Self::Unsure(tree) => Some(tree),
            Self::Nothing => None,
        }
    }
}

/// Bundles and leaf tiles say the same twice: take whichever leads to the root the checkpoint states.
fn settle(bundles: &[Option<Bundle>], tiles: &[Option<Vec<Hash>>], size: u64, stated: Option<Hash>) -> Settled {
    let all = size.div_ceil(TILE);
    if bundles.len() as u64 != all || tiles.len() as u64 != all {
        return Settled::Nothing;
    }
    let bundle = |n: usize| bundles[n].as_ref().filter(|b| b.whole).map(|b| b.leaves.as_slice());
    let tile = |n: usize| tiles[n].as_deref();
    let agrees = |tree: &Tree| stated.is_some_and(|root| tree.root() == root);

    let Some(by_bundle) = grown((0..tiles.len()).map(|n| bundle(n).or_else(|| tile(n)))) else {
        return Settled::Nothing;
    };
    if agrees(&by_bundle) {
        return Settled::Root(by_bundle);
    }
    match grown((0..tiles.len()).map(|n| tile(n).or_else(|| bundle(n)))) {
        Some(by_tile) if agrees(&by_tile) => Settled::Root(by_tile),
        _ => Settled::Unsure(by_bundle),
    }
}

/// The tree over the chunks' leaves, if every chunk is there.
fn grown<'h>(chunks: impl Iterator<Item = Option<&'h [Hash]>>) -> Option<Tree> {
    let mut tree = Tree::default();
    for chunk in chunks {
        chunk?.iter().for_each(|&leaf| tree.push(leaf));
    }
    Some(tree)
}

/// Missing files named one by one; a size read from outside may promise more than anyone wants listed.
const MOST_MISSING: usize = 1000;

struct Folder {
    store: Store,
    files: BTreeSet<String>,
    findings: Vec<Finding>,
    missing: usize,
}

impl Folder {
    fn found(&mut self, file: impl Into<String>, problem: Problem) {
        self.findings.push(Finding { file: file.into(), problem });
    }

    /// Lists the ordinary files; returns the others.
    fn list(&mut self) -> Vec<String> {
        match self.store.list() {
            Ok(list) => {
                let (regular, irregular): (Vec<_>, Vec<_>) = list.into_iter().partition(|(_, regular)| *regular);
                self.files = regular.into_iter().map(|(file, _)| file).collect();
                irregular.into_iter().map(|(file, _)| file).collect()
            }
            Err(e) => {
                self.found(".", Problem::Unreadable { why: e.to_string() });
                Vec::new()
            }
        }
    }

    /// What the checkpoint says, and again if it is signed.
    fn checkpoint(&mut self, key: &VerifyingKey) -> (Option<Checkpoint>, Option<Checkpoint>) {
        let Some(bytes) = self.read(CHECKPOINT, MAX_BYTES) else { return (None, None) };
        let read = String::from_utf8(bytes)
            .map_err(|_| Error::Checkpoint { why: "it is not text" })
            .and_then(|text| text.parse::<SignedCheckpoint>());
        let note = match read {
            Ok(note) => note,
            Err(e) => {
                self.found(CHECKPOINT, Problem::Checkpoint { why: e.to_string() });
                return (None, None);
            }
        };
        let signed = note.verify(key).cloned();
        let lines = note.lines_by_others(key);
        match &signed {
            Err(e) => self.found(CHECKPOINT, Problem::Checkpoint { why: e.to_string() }),
            Ok(_) if lines > 0 => self.found(CHECKPOINT, Problem::ForeignSignatures { lines }),
            Ok(_) => {}
        }
        (Some(note.unverified().clone()), signed.ok())
    }

    fn size_on_disk(&self) -> u64 {
        let tiles = self.files.iter().filter_map(|file| TileId::parse(file));
        tiles.filter(|id| id.tiles == Tiles::Entries).map(TileId::end).max().unwrap_or(0)
    }

    fn read(&mut self, file: &str, most: usize) -> Option<Vec<u8>> {
        let read = if self.files.contains(file) { self.store.read(file, most) } else { Ok(None) };
        match read {
            Ok(Some(bytes)) => return Some(bytes),
            Ok(None) => {
                self.missing += 1;
                self.found(file, Problem::Missing);
            }
            Err(e) => self.found(file, Problem::Unreadable { why: e.to_string() }),
        }
        None
    }

    /// Reads a row of files, or as much of it as makes sense.
    fn each<T>(&mut self, row: Tiles, size: u64, read: impl Fn(&mut Self, TileId) -> Option<T>) -> Vec<Option<T>> {
        let mut all = Vec::new();
        for id in row.of(size) {
            if self.missing >= MOST_MISSING {
                break;
            }
            all.push(read(self, id));
        }
        all
    }

    fn bundle(&mut self, id: TileId) -> Option<Bundle> {
        let bytes = self.read(&id.path(), MAX_BUNDLE)?;
        let mut bundle = Bundle { leaves: Vec::new(), cut_off: false, whole: false };
        for entry in entries_in(&bytes) {
            match entry {
                Ok(entry) => bundle.leaves.push(Hash::of_entry(entry)),
                Err(_) => bundle.cut_off = true,
            }
        }
        bundle.whole = !bundle.cut_off && bundle.leaves.len() == usize::from(id.width);
        Some(bundle)
    }

    fn hashes(&mut self, id: TileId) -> Option<Vec<Hash>> {
        let width = usize::from(id.width);
        let bytes = self.read(&id.path(), width * 32)?;
        if bytes.len() != width * 32 {
            self.found(id.path(), Problem::Length { expected: width as u64 * 32 });
            return None;
        }
        Some(bytes.as_chunks().0.iter().map(|&hash| Hash(hash)).collect())
    }

    fn compare_bundles(&mut self, bundles: &[Option<Bundle>], tiles: &[Option<Vec<Hash>>], settled: &Settled, size: u64) {
        for (id, bundle) in Tiles::Entries.of(size).zip(bundles) {
            let Some(bundle) = bundle else { continue };
            let tile = tiles.get(id.n as usize).and_then(Option::as_ref);
            let places = (id.first()..id.end()).zip(&bundle.leaves);
            let problem = match (settled, tile) {
                (Settled::Root(tree), _) => {
                    differing(places, |index| tree.leaf(index)).map(|(entry, others)| Problem::Entry { entry, others })
                }
                (_, Some(tile)) => {
                    let with = TileId { tiles: Tiles::Hashes(0), ..id }.path();
                    differing(places, |index| tile[(index - id.first()) as usize]).map(|(entry, _)| Problem::Disagrees { with, entry })
                }
                _ => None,
            };
            let (expected, found) = (u64::from(id.width), bundle.leaves.len() as u64);
            let problem = problem.or_else(|| match bundle {
                Bundle { whole: true, .. } => None,
                Bundle { cut_off: true, .. } => Some(Problem::CutOff { entry: id.first() + found }),
                _ => Some(Problem::Count { expected, found }),
            });
            if let Some(problem) = problem {
                self.found(id.path(), problem);
            }
        }
    }

    fn compare_hashes(&mut self, mut leaves: Vec<Option<Vec<Hash>>>, settled: &Settled, size: u64) {
        for row in hash_rows(size) {
            let Tiles::Hashes(level) = row else { continue };
            let read = if level == 0 { std::mem::take(&mut leaves) } else { self.each(row, size, Self::hashes) };
            let Some(tree) = settled.tree() else { continue };
            for (id, tile) in row.of(size).zip(read) {
                let (Some(tile), (right, _)) = (tile, tree.tile(id).as_chunks()) else { continue };
                let places = (id.first()..id.end()).zip(&tile);
                if let Some((index, others)) = differing(places, |index| Hash(right[(index - id.first()) as usize])) {
                    self.found(id.path(), Problem::Hash { level, index, others });
                }
            }
        }
    }

    fn unexpected(&mut self, irregular: Vec<String>, size: u64) {
        let belongs = |file: &str| file == CHECKPOINT || TileId::parse(file).is_some_and(|id| id.belongs_to(size));
        for file in std::mem::take(&mut self.files).into_iter().filter(|file| !belongs(file)) {
            self.found(file, Problem::Unexpected { size });
        }
        for file in irregular {
            self.found(file, Problem::NotAFile);
        }
    }

    fn compare_held(&mut self, held: &SignedCheckpoint, key: &VerifyingKey, tree: Option<&Tree>, size: u64) {
        match (held.verify(key), tree) {
            (Err(e), _) => self.found("held checkpoint", Problem::Checkpoint { why: e.to_string() }),
            (Ok(held), _) if held.size > size => {
                self.found(CHECKPOINT, Problem::Behind { size, held: held.size });
            }
            (Ok(held), Some(tree)) => {
                let root = tree.root_at(held.size);
                if root != held.root {
                    self.found(CHECKPOINT, Problem::Forked { held: held.size, held_root: held.root, root });
                }
            }
            // no root to compare: the files it would take are named already
            (Ok(_), None) => {}
        }
    }

    fn compare_ledger<E: AsRef<[u8]>>(&mut self, ledger: &[E], tree: &Tree) {
        let hashes: Vec<_> = ledger.iter().map(|entry| Hash::of_entry(entry.as_ref())).collect();
        if let Some((entry, others)) = differing((0..tree.size()).zip(&hashes), |index| tree.leaf(index)) {
            self.found("ledger", Problem::LedgerDiffers { entry, others });
        }
        let (ledger, size) = (hashes.len() as u64, tree.size());
        if ledger > size {
            self.found("ledger", Problem::LedgerAhead { ledger, size });
        } else if ledger < size {
            self.found("ledger", Problem::LedgerBehind { ledger, size });
        }
    }
}

/// The first place where the hashes differ, and how many more there are.
fn differing<'h>(places: impl Iterator<Item = (u64, &'h Hash)>, right: impl Fn(u64) -> Hash) -> Option<(u64, u64)> {
    let mut differ = places.filter(|(index, hash)| right(*index) != **hash);
    let (first, _) = differ.next()?;
    Some((first, differ.count() as u64))
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.problem)
    }
}

impl serde::Serialize for Finding {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut finding = serializer.serialize_struct("Finding", 3)?;
        finding.serialize_field("file", &self.file)?;
        finding.serialize_field("message", &self.problem.to_string())?;
        finding.serialize_field("problem", &self.problem)?;
        finding.end()
    }
}

/// The whole result for a person to read.
impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "log {}", self.origin)?;
        writeln!(f, "size {}", self.size)?;
        match self.root {
            Some(root) => writeln!(f, "root {root}")?,
            None => writeln!(f, "root unknown: files are missing")?,
        }
        match self.findings.len() {
            0 => writeln!(f, "verified: every file follows from the entries, and the checkpoint is signed by the key")?,
            1 => writeln!(f, "not verified, 1 finding:")?,
            n => writeln!(f, "not verified, {n} findings:")?,
        }
        self.findings.iter().try_for_each(|finding| writeln!(f, "  {finding}"))?;
        writeln!(f, "what this does not prove:")?;
        self.not_proved.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}
