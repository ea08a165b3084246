//! Seeded draws for the tests of this crate.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A standard normal, by Box and Muller.
pub(crate) fn normal(rng: &mut ChaCha20Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// The area under the curve of scores, higher meaning "more likely a member".
pub(crate) fn auc(scores: &[f64], member: &[bool]) -> f64 {
    let side = |which| scores.iter().zip(member).filter(|(_, m)| **m == which).map(|(s, _)| *s).collect();
    crate::MemberScores::new(side(true), side(false)).unwrap().auc()
}
