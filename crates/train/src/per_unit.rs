//! The gradient of each unit, clipped, summed and noised, without ever storing one unit's gradient.
//!
//! For a linear layer, unit u's gradient is `G_u = Σ_r a_r g_rᵀ` over its rows r (input a, output gradient g), so
//! `‖G_u‖² = Σ_{r,s} (a_r·a_s)(g_r·g_s)`: the norm of the *sum* over the unit's rows follows from two Gram matrices of its few rows
//! (Goodfellow 2015, arXiv:1510.01799; Li et al. 2022, arXiv:2110.05679, for the sequence form used here). The clipped sum is then one product `Aᵀ (c ∘ G)` over all rows (book-keeping: Bu et al. 2023, arXiv:2210.00038).
//! Where a unit has so many rows that its own gradient is the smaller thing to store, that is what is stored, one layer at a time.
//! A parameter used twice would need the cross terms between its uses; such a model is refused by [`clipped_sum`].

use crate::model::Classifier;
use crate::noise::{Binding, RunKey};
use crate::{Batch, Plan, tape};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData, activation};
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

    let mut squared = vec![0.0; units];
    let mut layers: Vec<Layer> =
        layers.into_iter().map(|(weight, bias, input, gradient)| Layer::new((weight, bias), input, gradient, cap)).collect();
    for layer in &layers {
        for (total, of_layer) in squared.iter_mut().zip(layer.squared_norms(units, cap)) {
            *total += of_layer;
        }
    }
    let factors: Vec<f64> = squared.into_iter().map(|s| factor(s, max_grad_norm)).collect();
    for layer in layers.drain(..) {
        let (weight, bias) = layer.parameters;
        let (of_weight, of_bias) = layer.sum(&factors, cap);
        for (id, sum) in [(weight, of_weight), (bias, of_bias)] {
            let slot = sums.iter_mut().find(|(p, ..)| *p == id).expect("recorded layers belong to the model");
            slot.2 = sum;
        }
    }
    ClippedSum { values: sums, max_grad_norm }
}

/// What a layer contributes to each unit's gradient.
struct Layer {
    parameters: (ParamId, ParamId),
    form: Form,
}

/// The two ways to a norm and a sum; the one that stores less is taken.
enum Form {
    /// From inputs and output gradients alone.
    Ghost { input: Tensor<2>, gradient: Tensor<2> },
    /// Each unit's own gradient, in f64: `[units, inputs · outputs]` and `[units, outputs]`.
    Instantiated { weight: Tensor<2>, bias: Tensor<2> },
}

impl Layer {
    fn new(parameters: (ParamId, ParamId), input: Tensor<2>, gradient: Tensor<2>, cap: usize) -> Self {
        let ([rows, inputs], [_, outputs]) = (input.dims(), gradient.dims());
        if cap * (inputs + outputs) <= inputs * outputs {
            return Self { parameters, form: Form::Ghost { input, gradient } };
        }
        let units = rows / cap;
        let by_unit = |t: Tensor<2>, width: usize| -> Tensor<3> { t.cast(DType::F64).reshape([units, cap, width]) };
        let (input, gradient) = (by_unit(input, inputs), by_unit(gradient, outputs));
        let bias = gradient.clone().sum_dim(1).reshape([units, outputs]);
        let weight = input.swap_dims(1, 2).matmul(gradient).reshape([units, inputs * outputs]);
        Self { parameters, form: Form::Instantiated { weight, bias } }
    }

    /// The squared norm of each unit's part, never below the true one by more than [`factor`] allows for.
    fn squared_norms(&self, units: usize, cap: usize) -> Vec<f64> {
        match &self.form {
            Form::Ghost { input, gradient } => {
                let gram = |t: &Tensor<2>| -> Tensor<3> {
                    let t = t.clone().reshape([units, cap, t.dims()[1]]);
                    t.clone().matmul(t.swap_dims(1, 2))
                };
                // `+ 1` adds the bias: its input is the constant 1.
                let both = (gram(input) + 1.0) * gram(gradient);
                let squared = both.reshape([units, cap * cap]).sum_dim(1).reshape([units]);
                // Rows can cancel in the sum while their rounding errors do not: the bound on those errors is added, so that the norm is never too small.
                let row = (input.clone().square().sum_dim(1) + 1.0) * gradient.clone().square().sum_dim(1);
                let gamma = (input.dims()[1] + gradient.dims()[1] + cap * cap) as f32 * f32::EPSILON;
                let squared: Tensor<1> = squared + row.sqrt().reshape([units, cap]).sum_dim(1).square().reshape([units]) * gamma;
                values(squared).into_iter().map(f64::from).collect()
            }
            // In f64 the rounding of a few thousand terms is far below the slack of `factor`.
            Form::Instantiated { weight, bias } => {
                let squared = |t: &Tensor<2>| -> Tensor<1> { t.clone().square().sum_dim(1).reshape([units]) };
                (squared(weight) + squared(bias)).into_data().try_to_vec().expect("cast to f64 above")
            }
        }
    }

    /// Sum over units of factor × gradient, for weight and bias. A unit of factor 0 is masked out: 0 · NaN would still be NaN.
    ///
    /// Summed in f64: over thousands of units an f32 sum rounds by more than the slack of `factor`, and taking one unit away would move it by
    /// more than the bound.
    fn sum(self, factors: &[f64], cap: usize) -> (Vec<f64>, Vec<f64>) {
        let vector = |t: Tensor<2>| -> Vec<f64> { t.into_data().try_to_vec().expect("f64") };
        let dropped = |factors: &[f64], device: &Device| -> Tensor<2, Bool> {
            Tensor::from_data(TensorData::new(factors.iter().map(|&f| f <= 0.0).collect::<Vec<bool>>(), [factors.len(), 1]), device)
        };
        let masked = |t: Tensor<2>, dropped: &Tensor<2, Bool>| {
            let shape = t.dims();
            t.mask_fill(dropped.clone().expand(shape), 0.0)
        };
        match self.form {
            Form::Ghost { input, gradient } => {
                // A factor below the normal numbers of f32 could round upwards, over the bound: such a unit contributes nothing.
                let kept = |&f: &f64| if f < f64::from(f32::MIN_POSITIVE) { 0.0 } else { f };
                let each_row: Vec<f64> = factors.iter().map(kept).flat_map(|f| std::iter::repeat_n(f, cap)).collect();
                let (rows, device) = (each_row.len(), input.device());
                let dropped = dropped(&each_row, &device);
                let each_row: Vec<f32> = each_row.into_iter().map(|f| f as f32).collect();
                let factor: Tensor<2> = Tensor::from_data(TensorData::new(each_row, [rows, 1]), &device);
                let gradient = masked(gradient * factor, &dropped).cast(DType::F64);
                let input = masked(input, &dropped).cast(DType::F64);
                (vector(input.transpose().matmul(gradient.clone())), vector(gradient.sum_dim(0)))
            }
            Form::Instantiated { weight, bias } => {
                let device = weight.device();
                let dropped = dropped(factors, &device);
                let factor: Tensor<2> = Tensor::from_data(TensorData::new(factors.to_vec(), [1, factors.len()]), (&device, DType::F64));
                let total = |t: Tensor<2>| vector(factor.clone().matmul(masked(t, &dropped)));
                (total(weight), total(bias))
            }
        }
    }
}

/// Scales a gradient of this squared norm to at most `max_grad_norm`; a norm that is not finite gives 0.
///
/// The factor is a little below the exact one so that f32 rounding in the sum cannot push a contribution over the bound.
fn factor(squared: f64, max_grad_norm: f64) -> f64 {
    const ROUNDING: f64 = 1.0 - 1e-5;
    if !squared.is_finite() {
        return 0.0;
    }
    let norm = squared.max(0.0).sqrt();
    // Never above 1, also where the Gram form lost digits of a tiny norm.
    ROUNDING * (max_grad_norm / norm.max(f64::MIN_POSITIVE)).min(1.0)
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
