//! What can go wrong while a log is written, read or checked.

use std::path::PathBuf;

use super::Hash;

/// Why a log was not written, or a proof not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused. Typical cause: a full disk or a read-only folder.
    #[error("cannot use `{}`: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// No randomness for a new key.
    #[error("the operating system gave no randomness for a key: {why}")]
    Randomness {
        /// What it said instead.
        why: String,
    },
    /// A log's name is one non-empty word without `+`, without a scheme.
    #[error("`{name}` cannot name a log: use one word such as `reticent/<workspace>`, without spaces or `+`")]
    Name {
        /// The refused name.
        name: String,
    },
    /// The text is not a C2SP verifier key (`name+hash+base64`).
    #[error("not a log's public key: {why}")]
    Key {
        /// What is wrong with it.
        why: &'static str,
    },
    /// An entry does not fit the two length bytes of a bundle.
    #[error("entry {index} has {bytes} bytes, a log entry holds at most 65535")]
    EntryTooLong {
        /// Its position in the log.
        index: u64,
        /// Its length.
        bytes: usize,
    },
    /// Another process kept the log locked for ten seconds, writing or verifying it.
    #[error("`{}` is in use by another process", dir.display())]
    Locked {
        /// The log's folder.
        dir: PathBuf,
    },
    /// The text is not a signed checkpoint. Typical cause: a damaged or truncated `checkpoint` file.
    #[error("not a signed checkpoint: {why}")]
    Checkpoint {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The checkpoint belongs to another log, or its log changed its key.
    #[error("the checkpoint is not signed by the key of `{name}`")]
    NotSigned {
        /// Name in the key that was asked for.
        name: String,
    },
    /// The key's signature line is there, over other text. Typical cause: an edited checkpoint.
    #[error("the signature by `{name}` does not match the checkpoint's text")]
    BadSignature {
        /// Name in the key that was asked for.
        name: String,
    },
    /// The offered entries do not start with what was signed before. Nothing was written or signed.
    /// Typical cause: a ledger restored from a backup, or edited.
    #[error(
        "the entries fork from a signed checkpoint: root {signed_root} was signed for {signed_size} entries, \
         the first {signed_size} of these {size} give {root}"
    )]
    Forked {
        /// Entries under the signed checkpoint.
        signed_size: u64,
        /// Its root.
        signed_root: Hash,
        /// Entries offered now.
        size: u64,
        /// Root of the first `signed_size` of them.
        root: Hash,
    },
    /// Fewer entries are offered than were signed before. Nothing was written or signed.
    /// Typical cause: a ledger restored from a backup.
    #[error("the ledger is behind its checkpoint: {size} entries offered (root {root}), {signed_size} signed (root {signed_root})")]
    Behind {
        /// Entries under the signed checkpoint.
        signed_size: u64,
        /// Its root.
        signed_root: Hash,
        /// Entries offered now.
        size: u64,
        /// Their root.
        root: Hash,
    },
    /// [`append`](super::Log::append) continues exactly where the checkpoint ends.
    #[error("the log has {size} entries, so the next one is entry {size}, not entry {first}")]
    NotNext {
        /// Index offered for the first new entry.
        first: u64,
        /// Entries under the checkpoint.
        size: u64,
    },
    /// A derived file is damaged: [`publish`](super::Log::publish) rebuilds it from the ledger.
    #[error("`{file}` does not belong to the checkpoint: publish the whole ledger again to rebuild it")]
    Damaged {
        /// Path inside the log.
        file: String,
    },
    /// Nothing was published here yet.
    #[error("`{}` holds no checkpoint", dir.display())]
    Unpublished {
        /// The log's folder.
        dir: PathBuf,
    },
    /// The log is shorter than that.
    #[error("entry {index} is not in the log, which has {size} entries")]
    NoEntry {
        /// The entry asked for.
        index: u64,
        /// Entries under the checkpoint.
        size: u64,
    },
    /// The text is not a C2SP tlog-proof.
    #[error("not an inclusion proof: {why}")]
    Proof {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The proof is well formed and proves something else.
    #[error("the proof does not lead from this entry at index {index} to root {root}")]
    NotIncluded {
        /// The index under proof.
        index: u64,
        /// The checkpoint's root.
        root: Hash,
    },
}

impl Error {
    /// Wraps what the file system said about `path`.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
