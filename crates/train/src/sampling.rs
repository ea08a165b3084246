//! Who takes part in a step: the sampler is the one that the accountant is told of.

use crate::Error;
use rand::Rng;
use rand_chacha::ChaCha20Rng;
use reticent_accounting::{Event, NoiseMultiplier, SamplingRate};
use serde::{Deserialize, Serialize};

/// How the units of a step are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Sampling {
    /// Each unit on its own with probability `sample_rate` (Abadi et al. 2016).
    Poisson {
        /// The probability.
        sample_rate: SamplingRate,
        /// Public, rounded number of units; scales the step, at least 1.
        public_units: u64,
    },
}

impl Sampling {
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Poisson { public_units: 0, .. } => Err(Error::Plan { field: "units", why: "must be at least 1" }),
            Self::Poisson { .. } => Ok(()),
        }
    }

    pub(crate) fn event(&self, noise_multiplier: NoiseMultiplier, steps: u64) -> Event {
        match self {
            Self::Poisson { sample_rate, .. } => Event::dp_sgd(noise_multiplier, *sample_rate, steps),
        }
    }

    pub(crate) fn expected_batch(&self) -> f64 {
        match self {
            Self::Poisson { sample_rate, public_units } => sample_rate.get() * *public_units as f64,
        }
    }

    pub(crate) fn draw(&self, units: usize, rng: &mut ChaCha20Rng) -> Vec<usize> {
        match self {
            Self::Poisson { sample_rate, .. } => poisson(*sample_rate, units, rng),
        }
    }
}

/// Each unit on its own with probability `rate`, rounded down to a multiple of 2⁻⁵³: never more than accounted for.
fn poisson(rate: SamplingRate, units: usize, rng: &mut ChaCha20Rng) -> Vec<usize> {
    let threshold = (rate.get() * (1_u64 << 53) as f64) as u64;
    (0..units).filter(|_| rng.next_u64() >> 11 < threshold).collect()
}
