//! The gradient of each unit, clipped, summed and noised, without ever storing one unit's gradient.
//!
//! For a linear layer, unit u's gradient is `G_u = Σ_r a_r g_rᵀ` over its rows r (input a, output gradient g), so
//! `‖G_u‖² = Σ_{r,s} (a_r·a_s)(g_r·g_s)`: the norm of the *sum* over the unit's rows follows from two Gram matrices of its few rows
//! (Goodfellow 2015, arXiv:1510.01799; Li et al. 2022, arXiv:2110.05679, for the sequence form used here). The clipped sum is then one product `Aᵀ (c ∘ G)` over all rows (book-keeping: Bu et al. 2023, arXiv:2210.00038).
//! A parameter used twice would need the cross terms between its uses; such a model is refused by [`clipped_sum`].

use crate::model::Classifier;
use crate::noise::{Binding, RunKey};
use crate::{Batch, Plan, tape};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, DType, Int, Tensor, TensorData, activation};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use std::collections::BTreeMap;

/// Sum over units of their clipped gradients: any one unit changes it by at most `max_grad_norm` in L2. Private: no `Debug`, no way to read it.
pub struct ClippedSum {
    values: Vec<(ParamId, String, Vec<f64>)>,
    max_grad_norm: f64,
}

/// A [`ClippedSum`] with its noise, divided by the public batch size: the only thing that moves a private model's weights.
pub struct Privatized {
    values: BTreeMap<ParamId, Vec<f64>>,
}

/// Sum of the losses of each row: cross-entropy, zero for padding.
pub(crate) fn loss(model: &Classifier, batch: &Batch) -> Tensor<1> {
    let logits = model.forward(batch.inputs.clone());
    let labels: Tensor<2, Int> = batch.labels.clone().unsqueeze_dim(1);
    let log_p = activation::log_softmax(logits, 1);
    let (labels, mask) =
        if log_p.is_autodiff() { (labels.autodiff(), batch.mask.clone().autodiff()) } else { (labels, batch.mask.clone()) };
    let row: Tensor<1> = log_p.gather(1, labels).squeeze_dim(1);
    (row * mask).sum().neg()
}

/// The clipped sum over the units of `batch`; with no batch (nobody was sampled) it is zero, and is noised like any other.
///
/// # Panics
/// Where the model uses one parameter twice: its norm would be wrong.
#[must_use]
pub fn clipped_sum(model: &Classifier, batch: Option<&Batch>, max_grad_norm: f64) -> ClippedSum {
    let mut sums = Names::of(model).zeros();
    let Some(batch) = batch else { return ClippedSum { values: sums, max_grad_norm } };
    let (loss, uses) = tape::record(|| loss(model, batch));
    let mut gradients = loss.backward();
    let (units, cap) = (batch.units, batch.cap);
    let layers: Vec<_> = uses
        .into_iter()
        .map(|u| (u.weight, u.bias, u.input, u.tap.grad_remove(&mut gradients).expect("every tap reaches the loss")))
        .collect();
    let distinct: std::collections::BTreeSet<ParamId> = layers.iter().map(|l| l.0).collect();
    assert_eq!(distinct.len(), layers.len(), "a parameter is used twice");

    let mut squared: Tensor<1> = Tensor::zeros([units], &batch.inputs.device());
    for (_, _, input, gradient) in &layers {
        let gram = |t: &Tensor<2>| -> Tensor<3> {
            let t = t.clone().reshape([units, cap, t.dims()[1]]);
            t.clone().matmul(t.swap_dims(1, 2))
        };
        // `+ 1` adds the bias: its input is the constant 1.
        let both = (gram(input) + 1.0) * gram(gradient);
        squared = squared + both.reshape([units, cap * cap]).sum_dim(1).reshape([units]);
        // Rows can cancel in the sum while their rounding errors do not: the bound on those errors is added, so that the norm is never too small.
        let row = (input.clone().square().sum_dim(1) + 1.0) * gradient.clone().square().sum_dim(1);
        let gamma = (input.dims()[1] + gradient.dims()[1] + cap * cap) as f32 * f32::EPSILON;
        squared = squared + row.sqrt().reshape([units, cap]).sum_dim(1).square().reshape([units]) * gamma;
    }
    let factors: Vec<f32> = values(squared).into_iter().map(|s| factor(f64::from(s), max_grad_norm)).collect();
    let row_factors: Vec<f32> = factors.iter().flat_map(|&f| std::iter::repeat_n(f, cap)).collect();
    let kept: Tensor<2, Bool> = Tensor::from_data(
        TensorData::new(row_factors.iter().map(|&f| f > 0.0).collect::<Vec<bool>>(), [units * cap, 1]),
        &batch.inputs.device(),
    );
    let row_factors: Tensor<2> = Tensor::from_data(TensorData::new(row_factors, [units * cap, 1]), &batch.inputs.device());
    for (weight, bias, input, gradient) in layers {
        // A unit whose gradient is not finite contributes nothing: 0 · NaN would still be NaN, so its rows are masked out.
        let [rows, outputs] = gradient.dims();
        let dropped = kept.clone().bool_not();
        let gradient = (gradient * row_factors.clone()).mask_fill(dropped.clone().expand([rows, outputs]), 0.0);
        let inputs = input.dims()[1];
        let input = input.mask_fill(dropped.expand([rows, inputs]), 0.0);
        // Summed in f64: over thousands of units an f32 sum rounds by more than the slack of `factor`, and taking one unit away would move it
        // by more than the bound.
        let (input, gradient) = (input.cast(DType::F64), gradient.cast(DType::F64));
        let bias_sum: Tensor<1> = gradient.clone().sum_dim(0).reshape([outputs]);
        for (id, sum) in [(weight, input.transpose().matmul(gradient).into_data()), (bias, bias_sum.into_data())] {
            let slot = sums.iter_mut().find(|(p, ..)| *p == id).expect("recorded layers belong to the model");
            slot.2 = sum.try_to_vec().expect("cast to f64 above");
        }
    }
    ClippedSum { values: sums, max_grad_norm }
}

/// Scales a gradient of this squared norm to at most `max_grad_norm`; a norm that is not finite gives 0.
///
/// The factor is a little below the exact one so that f32 rounding in the sum cannot push a contribution over the bound.
fn factor(squared: f64, max_grad_norm: f64) -> f32 {
    const ROUNDING: f64 = 1.0 - 1e-5;
    if !squared.is_finite() {
        return 0.0;
    }
    let norm = squared.max(0.0).sqrt();
    // Never above 1, also where the Gram form lost digits of a tiny norm.
    (ROUNDING * (max_grad_norm / norm.max(f64::MIN_POSITIVE)).min(1.0)) as f32
}

impl ClippedSum {
    /// Adds `N(0, (noise_multiplier · max_grad_norm)²)` to every coordinate, from the run's stream for this step and parameter, and divides by the public batch size.
    #[must_use]
    pub fn privatize(self, plan: &Plan, key: &RunKey, binding: &Binding, step: u64) -> Privatized {
        self.noised(plan, |name| key.stream(binding, "noise", step, name))
    }

    fn noised<R: Rng>(self, plan: &Plan, mut stream: impl FnMut(&str) -> R) -> Privatized {
        let std = plan.noise_multiplier.get() * self.max_grad_norm;
        let divisor = plan.expected_batch();
        let values = self.values.into_iter().map(|(id, name, mut sum)| {
            let mut rng = stream(&name);
            for value in &mut sum {
                let z: f64 = StandardNormal.sample(&mut rng);
                *value = (*value + std * z) / divisor;
            }
            (id, sum)
        });
        Privatized { values: values.collect() }
    }
}

impl Privatized {
    /// The noised, averaged gradient of each parameter, for the optimiser.
    pub(crate) fn into_values(self) -> BTreeMap<ParamId, Vec<f64>> {
        self.values
    }
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("f32 tensors hold f32")
}

/// The parameters of a model in a fixed order, by path: names, unlike ids, are the same in every process.
#[derive(Default)]
pub(crate) struct Names {
    path: Vec<String>,
    found: Vec<(ParamId, String, usize)>,
}

impl Names {
    pub(crate) fn of(model: &Classifier) -> Self {
        let mut names = Self::default();
        model.visit(&mut names);
        names
    }

    fn zeros(self) -> Vec<(ParamId, String, Vec<f64>)> {
        self.found.into_iter().map(|(id, name, len)| (id, name, vec![0.0; len])).collect()
    }
}

impl ModuleVisitor for Names {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.push((param.id, self.path.join("."), param.val().shape().num_elements()));
    }
}

/// Subtracts a step from each parameter.
pub(crate) struct Subtract<'a>(pub(crate) &'a BTreeMap<ParamId, Vec<f64>>);

impl ModuleMapper for Subtract<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(step) = self.0.get(&param.id) else { return param };
        param.map(|tensor| {
            let tensor = if tensor.is_autodiff() { tensor.inner() } else { tensor };
            let device = tensor.device();
            let shape = tensor.dims();
            let moved: Vec<f32> = values(tensor).into_iter().zip(step).map(|(w, s)| (f64::from(w) - s) as f32).collect();
            Tensor::<D>::from_data(TensorData::new(moved, shape), &device).autodiff().require_grad()
        })
    }
}

#[cfg(test)]
impl ClippedSum {
    /// What no user can read: tests compare it with the oracle.
    pub(crate) fn reveal(&self) -> &[(ParamId, String, Vec<f64>)] {
        &self.values
    }
}
