//! Mechanisms to draw from, exactly: no floating point stands between a stated distribution and what is drawn.
//!
//! A Gaussian drawn as a floating-point number does not have the distribution that a proof assumes: its low bits can tell neighbouring data sets
//! apart (Mironov, *On significance of the least significant bits for differential privacy*, CCS 2012). Here every decision is made with integers
//! from uniform random bits, so that each result has exactly the stated probability, and with it exactly the stated ε.
//!
//! | | draws | charged as |
//! |---|---|---|
//! | [`DiscreteLaplace`] | integers, P(x) ∝ exp(−\|x\|/b) | pure ε = Δ/b |
//! | [`DiscreteGaussian`] | integers, P(x) ∝ exp(−x²/2σ²) | zCDP ρ = Δ²/2σ² |
//! | [`VectorNoise`] | the same two for long vectors, still exactly, at tens of millions a second | as these |
//! | [`randomised_response`] | one of k answers | pure ε |
//! | [`exponential`], [`permute_and_flip`], [`report_noisy_max`] | one of several candidates | pure ε |
//! | [`AboveThreshold`] | which of a stream of values lie above a threshold | pure ε, whatever the number of values below |
//!
//! Values are integers, with their sensitivity Δ an integer as well: a real value is put on a grid before, by whoever knows its bounds; for
//! vectors that is [`Grid`].
//! Neighbours: those of the sensitivity that is given.
//!
//! Randomness is passed in, and its type says that it is fit for it: [`CryptoRng`](rand_core::CryptoRng). Running times depend on what is drawn;
//! whoever can measure them closely learns a little of the noise (Jin, McMurtry, Rubinstein and Ohrimenko, S&P 2022). That is not covered.
//!
//! The library `opendp` has exact samplers, too. It draws from a generator of its own through OpenSSL; here randomness is passed in, so that a run
//! can be tested, and bound to its key. The arithmetic is that of `num-bigint`.
//!
//! ```
//! use rand_core::SeedableRng;
//! use reticent_accounting::sample::{DiscreteGaussian, Ratio};
//! // For this example only: a generator from the system in real use.
//! let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(7);
//! let gaussian = DiscreteGaussian::new(Ratio::new(100, 1)?)?; // σ² = 100
//! let noise: Vec<i64> = (0..1000).map(|_| gaussian.sample(&mut rng)).collect();
//! let variance = noise.iter().map(|x| (x * x) as f64).sum::<f64>() / 1000.0;
//! assert!((variance - 100.0).abs() < 20.0); // 4 standard errors
//! # Ok::<(), reticent_accounting::Error>(())
//! ```

mod choice;
mod coin;
mod discrete;
mod grid;
mod ratio;
mod threshold;
mod vector;

pub use choice::{exponential, permute_and_flip, randomised_response, report_noisy_max};
pub use discrete::{DiscreteGaussian, DiscreteLaplace};
pub use grid::Grid;
pub use ratio::Ratio;
pub use threshold::AboveThreshold;
pub use vector::VectorNoise;

#[cfg(test)]
pub(crate) mod tests;
