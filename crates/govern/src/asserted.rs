//! Models that were trained elsewhere: what their run says of itself, and the ε that follows from it. Asserted, never measured or proved here.

use crate::Error;
use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, pld, rdp};
use serde::{Deserialize, Serialize};

/// A run as its library reports it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignRun {
    /// What trained it: `opacus`, `jax-privacy`, `diffprivlib` and the like.
    pub library: String,
    /// σ: standard deviation of the noise over the clipping norm.
    pub noise_multiplier: f64,
    /// q: chance of each unit to be in a step.
    pub sample_rate: f64,
    /// Steps.
    pub steps: u64,
    /// How units were drawn.
    pub sampler: ForeignSampler,
    /// δ.
    pub delta: f64,
    /// ε as the library reported it, for comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// The unit of privacy: `row`, `person`.
    pub unit: String,
    /// Norm to which a gradient was clipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_grad_norm: Option<f64>,
}

/// How units were drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForeignSampler {
    /// Each unit on its own with the same chance.
    Poisson,
    /// Shuffled batches: nothing is gained by sampling, each pass over the data meets every unit once.
    Shuffled,
    /// Every unit in every step.
    FullBatch,
}

/// A model that was brought in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AssertedModel {
    /// `risk-elsewhere/1`.
    pub model: String,
    /// Purpose it is registered for.
    pub purpose: String,
    /// SHA-256 of its file.
    pub weights_sha256: String,
    /// The run as it was said to be.
    pub run: ForeignRun,
    /// Upper bound recomputed from the run, at its δ.
    pub epsilon: f64,
    /// By which accountant.
    pub accountant: String,
    /// Data set it was said to be trained on, where that is one of this workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// A model that it was made from; it inherits the purposes of that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
}

impl ForeignRun {
    /// ε at the run's δ, neighbours by adding or removing one unit, and the accountant that gave it.
    ///
    /// # Errors
    /// [`Error::Accounting`] for parameters without a bound.
    pub fn epsilon_recomputed(&self) -> Result<(f64, &'static str), Error> {
        let (noise, delta) = (NoiseMultiplier::new(self.noise_multiplier)?, Delta::new(self.delta)?);
        let event = match self.sampler {
            ForeignSampler::Poisson => Event::dp_sgd(noise, SamplingRate::new(self.sample_rate)?, self.steps),
            // A unit is in one step of each pass: as many releases of a Gaussian as there are passes begun.
            ForeignSampler::Shuffled => {
                SamplingRate::new(self.sample_rate)?;
                let passes = (self.steps as f64 * self.sample_rate).ceil().max(1.0) as u64;
                Event::dp_sgd(noise, SamplingRate::new(1.0)?, passes)
            }
            ForeignSampler::FullBatch => Event::dp_sgd(noise, SamplingRate::new(1.0)?, self.steps),
        };
        match pld::epsilon(&event, delta) {
            Ok(interval) => Ok((interval.upper.get(), "pld")),
            Err(_) => Ok((rdp::epsilon(&event, delta)?.epsilon.get(), "rdp")),
        }
    }
}
