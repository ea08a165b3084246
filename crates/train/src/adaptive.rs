//! A clipping bound that follows the gradients: the noised share of units below it tells where it lies.
//!
//! Each unit adds b − ½ to a count, b = 1 where its gradient is within the bound C and 0 otherwise. Centred so, a unit moves the count by ½
//! and not by 1. With noise N(0, σ_b²) and the public batch size B,
//!
//! b̃ = (Σ(bᵢ − ½) + N(0, σ_b²))/B + ½,  C ← C·exp(−η(b̃ − γ))  (Andrew, Thakkar, McMahan & Ramaswamy 2021, arXiv:1905.03871).
//!
//! Gradient and count are one vector with one draw of noise. Its gradient part has the multiplier z_Δ = (z⁻² − (2σ_b)⁻²)^(−½) (Theorem 1),
//! so that the whole step is a Gaussian of multiplier z, `noise_multiplier`: adapting is paid for by larger noise on the gradient, and the
//! event stays as it is. C depends on earlier outputs, but z and the sampler do not: whatever C is, each step is dominated by the same pair
//! of distributions, and such pairs compose also where a mechanism is chosen after seeing what came before (Zhu, Dong & Wang 2022,
//! arXiv:2106.08567, Theorem 10). Where z itself is to depend on outputs no event fixed in advance is right, and a filter has to admit each
//! step ([`PrivacyPlan::step_event`](crate::PrivacyPlan::step_event)).

use crate::Error;
use reticent_accounting::NoiseMultiplier;
use serde::{Deserialize, Serialize};

/// Moves the clipping bound towards a quantile of the gradients' norms. `max_grad_norm` of the plan is where it starts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaptiveClip {
    /// γ: the share of units that should be within the bound; from 0 to 1.
    pub quantile: f64,
    /// η: how fast the bound moves, .2 in the paper; positive, finite.
    pub learning_rate: f64,
    /// σ_b: standard deviation of the noise on the count of units, a twentieth of the batch in the paper; above half the noise multiplier.
    pub count_noise: f64,
}

/// How far the bound can move from where it started, either way: noise cannot drive it out of the range of numbers.
const FARTHEST: f64 = 1e12;

impl AdaptiveClip {
    pub(crate) fn check(&self, noise_multiplier: NoiseMultiplier) -> Result<(), Error> {
        let wrong = |field, why| Err(Error::Plan { field, why });
        if !(0.0..=1.0).contains(&self.quantile) {
            return wrong("quantile", "must be from 0 to 1");
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return wrong("learning_rate", "must be positive and finite");
        }
        if !(self.count_noise.is_finite() && 2.0 * self.count_noise > noise_multiplier.get()) {
            return wrong("count_noise", "must be above half the noise multiplier, and finite");
        }
        Ok(())
    }

    /// z_Δ: the multiplier of the gradient's noise with which gradient and count together have `z`, which is below 2σ_b.
    pub(crate) fn gradient_multiplier(&self, z: f64) -> f64 {
        // The same as (z⁻² − (2σ_b)⁻²)^(−½), without a difference of near numbers.
        let part = z / (2.0 * self.count_noise);
        z / ((1.0 - part) * (1.0 + part)).sqrt()
    }

    /// The bound after a step at `bound`, from the noised share within it.
    pub(crate) fn next(&self, bound: f64, share: f64, start: f64) -> f64 {
        (bound * (-self.learning_rate * (share - self.quantile)).exp()).clamp(start / FARTHEST, start * FARTHEST)
    }
}
