//! Recipes that reach good accuracy under a bound, found without the data they are meant for.

use crate::features::Features;
use crate::{Architecture, Error, Optimiser, Plan, dp_sgd};
use reticent_accounting::calibrate::{self, Accountant};
use reticent_accounting::{Delta, Epsilon, SamplingRate};
use reticent_data::Schema;
use std::num::NonZeroUsize;

/// Features, sampling, clipping and steps that go together: softmax regression on features that follow from public bounds, in few steps with large
/// batches, at a large learning rate.
///
/// What was tried, what it gave and on which rows is in `docs/experiments.md`. A recipe is fixed: using it looks at nothing.
///
/// ```
/// use reticent_train::Preset;
/// assert_eq!(Preset::named("tabular"), Some(Preset::Tabular));
/// assert_eq!(Preset::ALL.map(Preset::name), ["tabular", "mnist-like"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Tables of numbers and levels: [`Features::Bins`].
    Tabular,
    /// Small grey images of one centred thing, one column a pixel: [`Features::Scattering`].
    MnistLike,
}

/// The least noise is found to within this much.
const TOLERANCE: f64 = 1e-4;

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 2] = [Self::Tabular, Self::MnistLike];

    /// What it is called on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tabular => "tabular",
            Self::MnistLike => "mnist-like",
        }
    }

    /// The preset of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// What it computes of a row.
    ///
    /// # Errors
    /// As [`Features::scattering`].
    pub fn features(self, schema: &Schema) -> Result<Features, Error> {
        match self {
            Self::Tabular => Ok(Features::bins(schema)),
            Self::MnistLike => Features::scattering(schema),
        }
    }

    /// Chance of each unit to be in a step.
    #[must_use]
    pub fn sample_rate(self) -> f64 {
        match self {
            Self::Tabular => 0.5,
            Self::MnistLike => 0.2,
        }
    }

    /// Steps of a run.
    #[must_use]
    pub fn steps(self) -> u64 {
        match self {
            Self::Tabular => 100,
            Self::MnistLike => 200,
        }
    }

    /// Norm to which the gradient of one unit is clipped.
    #[must_use]
    pub fn max_grad_norm(self) -> f64 {
        match self {
            Self::Tabular => 1.0,
            Self::MnistLike => 1.0,
        }
    }

    /// Length of a step along the averaged gradient, whose norm is at most `max_grad_norm`, for a run of this ε: with less noise, a longer way.
    #[must_use]
    pub fn learning_rate(self, epsilon: f64) -> f64 {
        match self {
            Self::Tabular => 40.0,
            Self::MnistLike => (10.0 * epsilon).clamp(1.0, 50.0),
        }
    }

    /// The plan for a data set: the least noise with which one release of it costs at most ε at δ, by privacy-loss distributions.
    ///
    /// # Errors
    /// [`Error::Features`] where the columns do not fit the preset; [`Error::Accounting`] where no noise meets ε.
    pub fn plan(
        self,
        schema: &Schema,
        max_rows_per_unit: NonZeroUsize,
        public_units: u64,
        epsilon: Epsilon,
        delta: Delta,
    ) -> Result<Plan, Error> {
        let sample_rate = SamplingRate::new(self.sample_rate())?;
        let run = |noise| dp_sgd(noise, sample_rate, self.steps());
        Ok(Plan {
            unit: schema.unit.clone(),
            max_rows_per_unit,
            sample_rate,
            noise_multiplier: calibrate::noise_multiplier(epsilon, delta, TOLERANCE, Accountant::Pld, run)?,
            max_grad_norm: self.max_grad_norm(),
            steps: self.steps(),
            learning_rate: self.learning_rate(epsilon.get()),
            public_units,
            architecture: Architecture::OnFeatures { features: self.features(schema)?, hidden: vec![] },
            optimiser: Optimiser::default(),
        })
    }
}
