//! How a model of `reticent.toml` is trained, frozen before it starts.

use crate::{Architecture, Error, PrivacyPlan, Sampling};
use reticent_accounting::{Event, NoiseMultiplier, SamplingRate};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::num::NonZeroUsize;

/// A [`PrivacyPlan`] with the model and how its weights move.
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
    /// What the run does to its data.
    #[must_use]
    pub fn privacy(&self) -> PrivacyPlan {
        let sampling = Sampling::Poisson { sample_rate: self.sample_rate, public_units: self.public_units };
        PrivacyPlan::new(&self.unit, self.max_rows_per_unit, sampling, self.max_grad_norm, self.noise_multiplier, self.steps)
    }

    /// Refuses values no run could have.
    ///
    /// # Errors
    /// [`Error::Plan`] names the field.
    pub fn check(&self) -> Result<(), Error> {
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return Err(Error::Plan { field: "learning_rate", why: "must be positive and finite" });
        }
        self.privacy().check()
    }

    /// What the run does, as the accountants understand it.
    #[must_use]
    pub fn event(&self) -> Event {
        self.privacy().event()
    }

    /// SHA-256 of the plan's JSON.
    #[must_use]
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(serde_json::to_vec(self).expect("plain data has JSON")))
    }
}
