//! How the clipping bound and the noise change from step to step, fixed before the first.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// A factor for each step, public and fixed in advance.
///
/// On the noise multiplier it changes what each step costs, and the event says so. On the bound it costs nothing: the noise is as large
/// relative to the bound as before.
///
/// ```
/// use reticent_train::Schedule;
/// let decay = Schedule::Exponential { factor: 0.5, every: 10.try_into()? };
/// assert_eq!([0, 9, 10, 25].map(|step| decay.factor(step, 100)), [1.0, 1.0, 0.5, 0.25]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Schedule {
    /// 1 at every step.
    #[default]
    Constant,
    /// From 1 in the first to `end` in the last of equally long stretches of `every` steps, by equal differences.
    Linear {
        /// The last factor; positive, finite.
        end: f64,
        /// Steps with the same factor.
        every: NonZeroU64,
    },
    /// 1, then multiplied by `factor` after every `every` steps.
    Exponential {
        /// The ratio of one stretch to the one before; positive, finite.
        factor: f64,
        /// Steps with the same factor.
        every: NonZeroU64,
    },
    /// 1, then each factor from its step on.
    Steps {
        /// (step, factor), steps rising, factors positive and finite.
        from: Vec<(u64, f64)>,
    },
}

/// Most different factors in a run: each is a mechanism of its own to the accountants.
const MOST_LEVELS: u64 = 256;

impl Schedule {
    /// The factor of a step, counted from 0, of `steps`.
    #[must_use]
    pub fn factor(&self, step: u64, steps: u64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Linear { end, every } => {
                let last = (steps.saturating_sub(1) / every.get()).max(1) as f64;
                let part = ((step / every.get()) as f64 / last).min(1.0);
                (1.0 - part) + part * end
            }
            Self::Exponential { factor, every } => factor.powf((step / every.get()) as f64),
            Self::Steps { from } => from.iter().rev().find(|(first, _)| *first <= step).map_or(1.0, |(_, factor)| *factor),
        }
    }

    /// The factors in order, each with the number of consecutive steps that have it.
    pub(crate) fn levels(&self, steps: u64) -> Vec<(f64, u64)> {
        let mut changes: Vec<u64> = match self {
            Self::Constant => vec![],
            Self::Linear { every, .. } | Self::Exponential { every, .. } => {
                (1..=steps.saturating_sub(1) / every.get()).map(|stretch| stretch * every.get()).collect()
            }
            Self::Steps { from } => from.iter().map(|(step, _)| *step).filter(|step| (1..steps).contains(step)).collect(),
        };
        changes.push(steps);
        let starts = std::iter::once(0).chain(changes.iter().copied());
        starts.zip(&changes).map(|(from, to)| (self.factor(from, steps), to - from)).collect()
    }

    /// Whether every step has the factor 1.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        *self == Self::Constant
    }

    pub(crate) fn check(&self, field: &'static str, steps: u64) -> Result<(), Error> {
        let wrong = |why| Err(Error::Plan { field, why });
        let levels = match self {
            Self::Constant => 1,
            Self::Linear { every, .. } | Self::Exponential { every, .. } => steps.div_ceil(every.get()),
            Self::Steps { from } if from.windows(2).any(|two| two[0].0 >= two[1].0) => return wrong("must name its steps in rising order"),
            Self::Steps { from } => from.len() as u64 + 1,
        };
        if levels > MOST_LEVELS {
            return wrong("must change at most 255 times in a run");
        }
        if self.levels(steps).iter().any(|(factor, _)| !(factor.is_normal() && *factor > 0.0)) {
            return wrong("must be positive and finite at every step");
        }
        Ok(())
    }
}
