//! Train and test by unit, so that nobody is in both.

use crate::{PermittedTable, SubjectId};
use sha2::{Digest, Sha256};

/// A permitted table in two parts without a common unit.
pub struct Split {
    /// What the model learns from.
    pub train: PermittedTable,
    /// What it is measured on.
    pub test: PermittedTable,
}

/// Puts each unit into `test` with probability `test_fraction`, by a hash of its own id and a public `seed`.
///
/// A unit's side depends on no other unit, so that adding or removing one changes the sides of nobody else.
#[must_use]
pub fn split_by_unit(table: &PermittedTable, test_fraction: f64, seed: u64) -> Split {
    Split { train: table.filter(|id| !is_in_test(id, test_fraction, seed)), test: table.filter(|id| is_in_test(id, test_fraction, seed)) }
}

/// Whether the unit is held out by [`split_by_unit`].
#[must_use]
pub fn is_in_test(id: SubjectId, fraction: f64, seed: u64) -> bool {
    let mut hash = Sha256::new();
    hash.update(b"reticent split 1");
    hash.update(seed.to_le_bytes());
    hash.update(id.as_bytes());
    let digest = hash.finalize();
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    (u64::from_le_bytes(head) >> 11) as f64 / ((1_u64 << 53) as f64) < fraction
}
