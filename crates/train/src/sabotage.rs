//! Bugs that can be planted to see which test catches them.
//!
//! They can be planted in this crate's own unit tests and nowhere else: in every other build [`is`] is the constant `false`, and there is no
//! `plant`.

use crate::{PrivacyPlan, Privatized, Sampling};

/// A bug, where it is planted and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// `privatize`: the noise is left out.
    NoNoise,
    /// `privatize`: the noise has the multiplier alone for its standard deviation, without the bound.
    WrongScale,
    /// `clipped_sum`: the sum is clipped instead of each unit.
    ClipAfterSum,
    /// The Poisson sampler gives batches of a fixed size.
    ShuffledSampler,
    /// Every step draws the noise of the first.
    ReusedNoise,
    /// `run_private`: a step on nobody is passed over.
    SkippedEmptyBatch,
    /// `run_private`: the divisor follows from the number of units in the table.
    LeakedN,
    /// `clipped_sum`: a unit is clipped by another one's norm.
    NormOfWrongBatchDimension,
    /// `run_private`: the gradient of the step before moves the weights.
    StaleGradient,
    /// `PrivacyPlan::event`: the accountant hears of twice the noise.
    AccountantFedOtherSigma,
    /// Streams do not depend on what a run is bound to.
    ResumedStreamReused,
    /// Clipping: a gradient that is not finite is let through.
    NanLetThrough,
}

#[cfg(not(test))]
#[inline]
pub(crate) const fn is(_: Bug) -> bool {
    false
}

/// Squared norms by parameter (outer) and unit; planted, a unit has its neighbour's.
pub(crate) fn norms(mut squared: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    if is(Bug::NormOfWrongBatchDimension) {
        squared.iter_mut().filter(|units| !units.is_empty()).for_each(|units| units.rotate_left(1));
    }
    squared
}

/// What gradients are scaled by; planted, nothing.
pub(crate) fn factors(mut factors: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    if is(Bug::ClipAfterSum) {
        factors.iter_mut().flatten().for_each(|factor| *factor = 1.0);
    }
    factors
}

/// Planted, clips the sum.
pub(crate) fn clip_whole<K>(sum: &mut [(K, Vec<f64>)], bound: f64) {
    if is(Bug::ClipAfterSum) {
        let norm = sum.iter().flat_map(|(_, part)| part).map(|v| v * v).sum::<f64>().sqrt();
        sum.iter_mut().flat_map(|(_, part)| part).for_each(|v| *v *= (bound / norm).min(1.0));
    }
}

/// Planted, makes the divisor follow from the data.
pub(crate) fn leak(plan: &mut PrivacyPlan, units: usize) {
    if is(Bug::LeakedN)
        && let Sampling::Poisson { public_units, .. } = &mut plan.sampling
    {
        *public_units = units as u64;
    }
}

/// What moves the weights in a step; planted, what came of the step before.
pub(crate) fn hold_back(noised: Privatized, held: &mut Option<Privatized>) -> Option<Privatized> {
    if is(Bug::StaleGradient) { held.replace(noised) } else { Some(noised) }
}

#[cfg(test)]
pub(crate) use planted::{is, plant};

#[cfg(test)]
mod planted {
    use super::Bug;
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    pub(crate) fn is(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// Plants a bug on this thread while `run` runs.
    pub(crate) fn plant<T>(bug: Bug, run: impl FnOnce() -> T) -> T {
        struct Pull;
        impl Drop for Pull {
            fn drop(&mut self) {
                PLANTED.set(None);
            }
        }
        let pull = Pull;
        PLANTED.set(Some(bug));
        let result = run();
        drop(pull);
        result
    }
}
