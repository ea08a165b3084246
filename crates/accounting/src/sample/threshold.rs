//! The sparse vector technique: which values of a stream lie above a threshold, paid for by how many do.

use super::discrete::signed;
use super::{DiscreteLaplace, Ratio};
use crate::Error;
use num_bigint::BigInt;
use rand_core::CryptoRng;

/// Answers "is this value above the threshold?" for any number of values, and stops after `most` that are. Pure ε in all.
///
/// Lyu, Su, Li 2017 (*Understanding the sparse vector technique*, VLDB), Algorithm 1: half of ε for the threshold, whose noise is drawn once and
/// kept; half for the values, each with noise of scale 2·c·Δ/ε₂ where c is `most`. Of the six published variants in that paper four are wrong:
/// they scale the noise of the values without c, draw none, give noisy values away, or go on without an end.
///
/// Each value has sensitivity Δ; a value may depend on earlier answers.
#[derive(Debug)]
pub struct AboveThreshold {
    /// With its noise; without bounds, so that none of them shows.
    threshold: BigInt,
    noise: DiscreteLaplace,
    left: u32,
}

impl AboveThreshold {
    /// Draws the threshold's noise.
    ///
    /// ```
    /// use rand_core::SeedableRng;
    /// use reticent_accounting::sample::{AboveThreshold, Ratio};
    /// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(11);
    /// let mut above = AboveThreshold::new(1000, 1, &Ratio::new(1, 1)?, 1, &mut rng)?;
    /// let answers: Vec<bool> = [10, 30, 2000, 20].iter().map_while(|v| above.ask(*v, &mut rng)).collect();
    /// assert_eq!(answers, [false, false, true]);
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a sensitivity, an ε or a `most` of 0.
    pub fn new(threshold: i64, sensitivity: u64, epsilon: &Ratio, most: u32, rng: &mut impl CryptoRng) -> Result<Self, Error> {
        if most == 0 {
            return Err(Error::OutOfRange { quantity: "number of values above", value: 0.0, range: "at least 1" });
        }
        let half = epsilon.over(2_u32);
        let of_threshold = DiscreteLaplace::private(sensitivity, &half)?;
        let noise = DiscreteLaplace::private(sensitivity, &half.over(2 * u64::from(most)))?;
        Ok(Self { threshold: signed(of_threshold.draw(rng)) + threshold, noise, left: most })
    }

    /// Whether the value lies above; `None` once as many as were paid for did.
    pub fn ask(&mut self, value: i64, rng: &mut impl CryptoRng) -> Option<bool> {
        self.left.checked_sub(1).map(|after| {
            let above = signed(self.noise.draw(rng)) + value >= self.threshold;
            if above {
                self.left = after;
            }
            above
        })
    }
}
