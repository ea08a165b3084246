//! What a private run does to its data, frozen before it starts: who is sampled, what is clipped, how much noise, how often.

use crate::Error;
use crate::clipping::{Clip, ClipRule};
use crate::noise::{Binding, RunKey};
use crate::sampling::Sampling;
use reticent_accounting::{Event, Neighbours, NoiseMultiplier};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::num::NonZeroUsize;

/// Everything that decides what a private run does to its data, and so what it costs ([`PrivacyPlan::event`]): sampler, clip, noise and
/// accountant come from this one value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrivacyPlan {
    /// What the unit of privacy is called.
    pub unit: String,
    /// Public cap on the rows of a unit, applied before training.
    pub max_rows_per_unit: NonZeroUsize,
    /// Who takes part in a step.
    pub sampling: Sampling,
    /// Bound on the L2 norm of a unit's gradient; positive, finite.
    pub max_grad_norm: f64,
    /// How the bound is kept.
    #[serde(default)]
    pub clip: ClipRule,
    /// Standard deviation of the noise over `max_grad_norm`.
    pub noise_multiplier: NoiseMultiplier,
    /// Number of steps, at least 1; an empty batch counts.
    pub steps: u64,
}

impl PrivacyPlan {
    /// The neighbouring relation of every statement about a run.
    #[must_use]
    pub fn neighbours(&self) -> Neighbours {
        Neighbours::AddOrRemoveOne
    }

    /// Refuses values no run could have.
    ///
    /// # Errors
    /// [`Error::Plan`] names the field.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |field, why| Err(Error::Plan { field, why });
        if !(self.max_grad_norm.is_finite() && self.max_grad_norm > 0.0) {
            return wrong("max_grad_norm", "must be positive and finite");
        }
        if self.steps == 0 {
            return wrong("steps", "must be at least 1");
        }
        self.sampling.check()
    }

    /// What the run does, as the accountants understand it.
    #[must_use]
    pub fn event(&self) -> Event {
        self.sampling.event(self.noise_multiplier, self.steps)
    }

    /// The units of a step, by index, in order, among `units`.
    #[must_use]
    pub fn sample(&self, step: u64, units: usize, key: &RunKey, binding: &Binding) -> Vec<usize> {
        self.sampling.draw(units, &mut key.stream(binding, "sample", step, ""))
    }

    /// What the step clips to.
    #[must_use]
    pub fn clip(&self) -> Clip {
        Clip { max_grad_norm: self.max_grad_norm, rule: self.clip }
    }

    /// Divisor of the noised sum: the public expected number of units in a batch.
    #[must_use]
    pub fn expected_batch(&self) -> f64 {
        self.sampling.expected_batch()
    }

    /// SHA-256 of the plan's JSON.
    #[must_use]
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(serde_json::to_vec(self).expect("plain data has JSON")))
    }
}
