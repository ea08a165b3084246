//! The secret linear term of the loss.

use rand::{CryptoRng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use rand_distr::{Distribution, StandardNormal};
use zeroize::Zeroizing;

/// The key of one model's noise, from the system's generator. No `Debug`, no `Clone`, not stored: a fresh one for every training.
pub struct NoiseKey(Zeroizing<[u8; 32]>);

impl NoiseKey {
    /// Takes 32 bytes from the system's generator.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The ChaCha20 stream of this key.
    #[must_use]
    pub fn stream(&self) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(*self.0)
    }
}

/// b ~ N(0, σ²I). Overwritten when dropped; registers, intermediate gradients and swapped pages are not. No `Debug`.
///
/// It is needed for training alone: a removal uses ∇²L and the gradients of the rows that go, and bᵀw adds nothing to either. It is secret
/// only as long as some rows are: b = −∇L(w; D) for whoever holds the model and all its rows.
pub(crate) struct Perturbation(pub(crate) Zeroizing<Vec<f64>>);

impl Perturbation {
    pub(crate) fn draw(width: usize, sigma: f64, noise: &mut impl CryptoRng) -> Self {
        Self(Zeroizing::new(
            (0..width)
                .map(|_| {
                    let z: f64 = StandardNormal.sample(noise);
                    sigma * z
                })
                .collect(),
        ))
    }
}
