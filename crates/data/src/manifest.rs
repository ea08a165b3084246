//! What is on record about one version of a data set, without a value from it.

use crate::{Schema, Table};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Beside every stored version: where it came from, what it holds, and a salted digest of its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this record's format.
    pub schema_version: u32,
    /// Data set and version, `visits/v1`.
    pub version: String,
    /// When it was imported, RFC 3339.
    pub imported_at: String,
    /// What the controller says about the data, printed on every artefact.
    pub statement: Option<String>,
    /// The file it came from.
    pub source: Source,
    /// Its declared shape.
    pub schema: Schema,
    /// How much there is.
    pub counts: Counts,
    /// SHA-256 over the salted commitments of all rows, in hexadecimal; see [`rows_digest`].
    pub rows_digest: String,
}

/// The file a version came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// File name, without its folder.
    pub file: String,
    /// Size.
    pub bytes: u64,
    /// HMAC-SHA-256 of the file under the workspace's key: tells two files apart, to nobody else.
    pub keyed_digest: String,
}

/// How much a version holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows.
    pub records: u64,
    /// Units of privacy.
    pub units: u64,
    /// Numbers moved to their nearest bound.
    pub clamped: u64,
}

/// SHA-256 over `HMAC-SHA-256(key of the row's subject, row)` for all rows in order.
///
/// Without a subject's key nobody can test a guess about that subject's rows; once the key is destroyed, nobody can at all.
///
/// # Panics
/// Where `key_of` gives no 32-byte key the caller has broken its contract: keys are made for every subject of the table first.
#[must_use]
pub fn rows_digest<'a>(table: &Table, key_of: impl Fn(&crate::SubjectId) -> &'a [u8; 32]) -> [u8; 32] {
    let mut all = Sha256::new();
    for row in 0..table.rows() {
        let mut mac = Hmac::<Sha256>::new_from_slice(key_of(&table.subjects()[row])).expect("HMAC takes keys of any length");
        mac.update(b"row");
        mac.update(&table.row_bytes(row));
        all.update(mac.finalize().into_bytes());
    }
    all.finalize().into()
}
