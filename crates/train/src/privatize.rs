//! Noise on a clipped sum: the only way to something that moves the weights of a model under a bound.

use crate::gradient::{ClippedSum, Parameter};
use crate::mechanism::{Noise, NoiseMemory, Source, grid};
use crate::noise::{Binding, RunKey};
use crate::sabotage::{self, Bug};
use crate::{PrivacyPlan, tape};
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use std::collections::BTreeMap;

/// A [`ClippedSum`] with its noise, divided by the public batch size: the only thing that moves the weights of a model under a bound.
///
/// With it come numbers that were noised in the same draw and cost nothing more.
pub struct Privatized {
    values: Vec<(Parameter, Vec<f64>)>,
    not_finite: f64,
    bound: f64,
}

/// The name of the counts' stream; no path in a model has a space.
const COUNTS: &str = "the counts";

impl ClippedSum {
    /// Adds the plan's noise to every coordinate, from the run's streams for this step, and divides by the public batch size. Independent
    /// Gaussian noise is `N(0, (noise_multiplier · max_grad_norm)²)`, of the plan's multiplier at this step and the bound of this sum.
    ///
    /// Two counts are noised with the gradient, as further coordinates. A unit whose gradient is not finite adds `max_grad_norm` to one of
    /// them and nothing to any other, so that no unit adds more than before. Where the bound adapts, the others add ±½ to the number
    /// within it, and all noise is as much larger as the event asks (Andrew et al. 2021, arXiv:1905.03871, Theorem 1).
    ///
    /// # Panics
    /// Where the sum was not clipped as the plan says (correlated noise needs one bound), or the model is larger than the plan's grid.
    #[must_use]
    pub fn privatize(self, plan: &PrivacyPlan, key: &RunKey, binding: &Binding, step: u64) -> Privatized {
        self.privatize_with(plan, key, binding, step, &mut NoiseMemory::default())
    }

    /// The same, with what is remembered of the noise of earlier steps: correlated noise then takes no longer than independent noise.
    ///
    /// # Panics
    /// As [`ClippedSum::privatize`].
    #[must_use]
    pub fn privatize_with(self, plan: &PrivacyPlan, key: &RunKey, binding: &Binding, step: u64, memory: &mut NoiseMemory) -> Privatized {
        let noise = Scale::new(plan, step, self.max_grad_norm);
        let finite = self.norms.len() as f64 - self.not_finite as f64;
        let mut counts = vec![noise.norm * self.not_finite as f64];
        if let Some(half) = noise.half {
            counts.push(2.0 * half * (self.within as f64 - finite / 2.0));
        }
        let mut values = self.values;
        let parts = values.iter_mut().map(|(parameter, sum)| (parameter.name.as_str(), sum));
        add(plan, &Source { key, binding }, step, &noise, parts.chain([(COUNTS, &mut counts)]).collect(), memory);

        let divisor = plan.expected_batch();
        values.iter_mut().flat_map(|(_, sum)| sum).for_each(|value| *value /= divisor);
        let bound = match (&plan.adaptive, noise.half) {
            (Some(adaptive), Some(half)) => {
                let share = counts[1] / (2.0 * half) / divisor + 0.5;
                adaptive.next(self.max_grad_norm, share, plan.max_grad_norm)
            }
            _ => plan.max_grad_norm,
        };
        Privatized { values, not_finite: counts[0] / noise.norm, bound }
    }
}

/// How large the noise of a step is.
struct Scale {
    /// The most that one unit adds to gradient and counts together, in L2.
    norm: f64,
    /// Standard deviation over that.
    multiplier: f64,
    /// What a unit adds to, or takes from, the count of those within the bound; `None` where nobody asks.
    half: Option<f64>,
}

impl Scale {
    fn new(plan: &PrivacyPlan, step: u64, bound: f64) -> Self {
        let multiplier = plan.noise_multiplier_at(step);
        // In units of the gradient, so that one standard deviation is right for both.
        let half = plan.adaptive.map(|adaptive| adaptive.gradient_multiplier(multiplier) * bound / (2.0 * adaptive.count_noise));
        let norm = half.map_or(bound, |half| bound.hypot(half));
        Self { norm, multiplier, half }
    }

    fn std(&self) -> f64 {
        match () {
            () if sabotage::is(Bug::NoNoise) => 0.0,
            () if sabotage::is(Bug::WrongScale) => self.multiplier,
            () => self.multiplier * self.norm,
        }
    }
}

/// Adds the step's noise to all parts, which are named and together what one unit changes by at most the scale's norm.
fn add(plan: &PrivacyPlan, source: &Source<'_>, step: u64, scale: &Scale, mut parts: Vec<(&str, &mut Vec<f64>)>, memory: &mut NoiseMemory) {
    let std = scale.std();
    if plan.noise.is_correlated() {
        assert_eq!(scale.norm.to_bits(), plan.max_grad_norm.to_bits(), "correlated noise needs one bound");
    }
    match plan.noise {
        Noise::Gaussian => {
            for (name, part) in parts {
                source.independent(step, name).add(std, part);
            }
        }
        Noise::Tree => {
            for (name, part) in parts {
                let z = source.tree(plan.sampling.block(), step, name, part.len());
                part.iter_mut().zip(z).for_each(|(value, z)| *value += std * z);
            }
        }
        Noise::BandedMatrix { bands } => {
            let names: Vec<(&str, usize)> = parts.iter().map(|(name, part)| (*name, part.len())).collect();
            let noise = source.banded(bands.get(), step, &names, memory);
            for ((_, part), y) in parts.iter_mut().zip(noise) {
                part.iter_mut().zip(y).for_each(|(value, y)| *value += std * y);
            }
        }
        Noise::Grid { coordinates } => {
            let model: usize = parts.iter().map(|(_, part)| part.len()).sum();
            assert!(model as u64 <= grid::with_counts(coordinates), "the model has more numbers than the plan's grid");
            let integers = grid::Integers::new(scale.multiplier, scale.norm, coordinates).expect("the plan was checked");
            for (name, part) in parts {
                integers.add(part, &mut source.stream(step, name));
            }
        }
    }
}

impl Privatized {
    /// How many units of the step had a gradient that is not finite, with noise of standard deviation `noise_multiplier` units: often
    /// negative, and to be looked at over many steps. With integers or correlated noise the deviation is that of their noise.
    #[must_use]
    pub fn not_finite(&self) -> f64 {
        self.not_finite
    }

    /// What [`PrivacyPlan::clip_at`] takes for the next step.
    #[must_use]
    pub fn bound(&self) -> f64 {
        self.bound
    }

    /// The noised, averaged gradient of each parameter: what moves the weights, and all that an audit of a step may look at.
    #[must_use]
    pub fn into_values(self) -> BTreeMap<ParamId, Vec<f64>> {
        self.values.into_iter().map(|(parameter, values)| (parameter.id, values)).collect()
    }

    /// The same as Burn's optimisers take it, on the devices of `model`.
    pub(crate) fn into_gradients<M: Module>(self, model: &M) -> GradientsParams {
        struct Fill {
            values: BTreeMap<ParamId, Vec<f64>>,
            gradients: GradientsParams,
        }
        impl ModuleVisitor for Fill {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let Some(values) = self.values.remove(&param.id) else { return };
                let base = tape::plain(param.base());
                let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
                self.gradients.register(param.id, Tensor::<D>::from_data(TensorData::new(values, base.dims()), &base.device()));
            }
        }
        let mut fill = Fill { values: self.into_values(), gradients: GradientsParams::new() };
        model.visit(&mut fill);
        fill.gradients
    }
}
