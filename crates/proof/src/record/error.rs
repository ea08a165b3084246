//! Why a record is not made, or not accepted.

use crate::{Wrong, log};

/// What is wrong with a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A record must say what is left: no erasure reaches everything.
    #[error("a record that says nothing of what is left is refused")]
    NothingLeft,
    /// The bytes are not an envelope in its one canonical form. Typical cause: an edited or truncated file.
    #[error("not a signed erasure record: {why}")]
    Envelope {
        /// What is wrong with them.
        why: &'static str,
    },
    /// The signature is not this key's, or stands under other bytes.
    #[error("the signature does not match the key of `{name}`")]
    BadSignature {
        /// Name in the key that was asked for.
        name: String,
    },
    /// The signed content is no erasure statement, or contradicts itself.
    #[error("the signed statement is not accepted: {why}")]
    Statement {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The record of a removal from a model does not hold.
    #[error("the removal from `{model}` does not hold: {why}")]
    Removal {
        /// Which model.
        model: String,
        /// What is wrong with it.
        why: Wrong,
    },
    /// The log entry, its proof or the embedded checkpoint does not hold.
    #[error("the record's log entry: {0}")]
    Log(#[from] log::Error),
}
