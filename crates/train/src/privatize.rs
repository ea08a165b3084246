//! Noise on a clipped sum: the only way to something that moves the weights of a model under a bound.

use crate::gradient::{ClippedSum, Parameter};
use crate::noise::{Binding, RunKey};
use crate::{PrivacyPlan, tape};
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use std::collections::BTreeMap;

/// A [`ClippedSum`] with its noise, divided by the public batch size: the only thing that moves the weights of a model under a bound.
pub struct Privatized {
    values: Vec<(Parameter, Vec<f64>)>,
}

impl ClippedSum {
    /// Adds `N(0, (noise_multiplier · max_grad_norm)²)` to every coordinate, from the run's stream for this step and parameter, and divides by the public batch size.
    #[must_use]
    pub fn privatize(self, plan: &PrivacyPlan, key: &RunKey, binding: &Binding, step: u64) -> Privatized {
        self.noised(plan, |name| key.stream(binding, "noise", step, name))
    }

    fn noised<R: Rng>(self, plan: &PrivacyPlan, mut stream: impl FnMut(&str) -> R) -> Privatized {
        let std = plan.noise_multiplier.get() * self.max_grad_norm;
        let divisor = plan.expected_batch();
        let values = self.values.into_iter().map(|(parameter, mut sum)| {
            let mut rng = stream(&parameter.name);
            for value in &mut sum {
                let z: f64 = StandardNormal.sample(&mut rng);
                *value = (*value + std * z) / divisor;
            }
            (parameter, sum)
        });
        Privatized { values: values.collect() }
    }
}

impl Privatized {
    /// The noised, averaged gradient of each parameter.
    pub(crate) fn into_values(self) -> BTreeMap<ParamId, Vec<f64>> {
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
