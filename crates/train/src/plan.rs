//! How a private run is carried out, frozen before it starts.

use crate::{Architecture, Error};
use reticent_accounting::{Event, Neighbours, NoiseMultiplier, SamplingRate};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::num::NonZeroUsize;

/// Everything that decides what a private run does and what it costs.
///
/// Neighbours: add or remove one unit with at most `max_rows_per_unit` rows. Each step includes each unit with probability
/// `sample_rate` on its own (Poisson), clips the gradient of the *sum of the unit's losses* to L2 norm `max_grad_norm`, sums, and
/// adds `N(0, (noise_multiplier · max_grad_norm)²)` to every coordinate. The sum is then divided by the public constant
/// `sample_rate · public_units`, never by the number drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What the unit of privacy is called.
    pub unit: String,
    /// Public cap on the rows of a unit, applied before training.
    pub max_rows_per_unit: NonZeroUsize,
    /// Probability with which a unit takes part in a step.
    pub sample_rate: SamplingRate,
    /// Standard deviation of the noise over `max_grad_norm`.
    pub noise_multiplier: NoiseMultiplier,
    /// Bound on the L2 norm of a unit's gradient; positive, finite.
    pub max_grad_norm: f64,
    /// Number of steps, at least 1; an empty batch counts.
    pub steps: u64,
    /// Length of a step along the averaged gradient; positive, finite.
    pub learning_rate: f64,
    /// Public, rounded number of units; scales the step, at least 1.
    pub public_units: u64,
    /// The model.
    pub architecture: Architecture,
    /// How a noised gradient moves the weights.
    #[serde(default, skip_serializing_if = "Optimiser::is_momentum")]
    pub optimiser: Optimiser,
}

/// How a gradient moves the weights. It sees noised sums only, so that it costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimiser {
    /// SGD with momentum 0.9.
    #[default]
    Momentum,
    /// Adam (Kingma & Ba 2015, algorithm 1) with its default constants.
    Adam,
}

impl Optimiser {
    /// Plans from before there was a choice keep their digest.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_momentum(&self) -> bool {
        *self == Self::Momentum
    }
}

impl Plan {
    /// The neighbouring relation of every statement about this run.
    pub const NEIGHBOURS: Neighbours = Neighbours::AddOrRemoveOne;

    /// Refuses values no run could have.
    ///
    /// # Errors
    /// [`Error::Plan`] names the field.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |field, why| Err(Error::Plan { field, why });
        if !(self.max_grad_norm.is_finite() && self.max_grad_norm > 0.0) {
            return wrong("max_grad_norm", "must be positive and finite");
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return wrong("learning_rate", "must be positive and finite");
        }
        if self.steps == 0 {
            return wrong("steps", "must be at least 1");
        }
        if self.public_units == 0 {
            return wrong("units", "must be at least 1");
        }
        Ok(())
    }

    /// What the run does, as the accountants understand it.
    #[must_use]
    pub fn event(&self) -> Event {
        Event::dp_sgd(self.noise_multiplier, self.sample_rate, self.steps)
    }

    /// Divisor of the noised sum: the public expected number of units in a batch.
    #[must_use]
    pub fn expected_batch(&self) -> f64 {
        self.sample_rate.get() * self.public_units as f64
    }

    /// SHA-256 of the plan's JSON.
    #[must_use]
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(serde_json::to_vec(self).expect("plain data has JSON")))
    }
}
