//! Fully connected layers.

use super::linear_kernel::{self, Added};
use crate::gradient::Contribution;
use crate::tape;
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Initializer, LinearLayout};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;

/// Configuration of a [`Linear`] layer, as [`burn::nn::LinearConfig`].
#[derive(Config, Debug)]
pub struct LinearConfig {
    /// Size of an input.
    pub d_input: usize,
    /// Size of an output.
    pub d_output: usize,
    /// Whether a bias is added.
    #[config(default = true)]
    pub bias: bool,
    /// How the parameters start.
    #[config(default = "Initializer::KaimingUniform{gain:1.0/3.0f64.sqrt(), fan_out_only:false}")]
    pub initializer: Initializer,
    /// How the weight is stored.
    #[config(default = "LinearLayout::Row")]
    pub layout: LinearLayout,
}

impl LinearConfig {
    /// A fresh layer.
    #[must_use]
    pub fn init(&self, device: &Device) -> Linear {
        let burn = burn::nn::LinearConfig {
            d_input: self.d_input,
            d_output: self.d_output,
            bias: self.bias,
            initializer: self.initializer.clone(),
            layout: self.layout,
        };
        burn.init(device).into()
    }
}

/// `y = x · weight + bias`, as [`burn::nn::Linear`].
///
/// Shapes: `x` is `[batch, .., d_input]`, the result `[batch, .., d_output]`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[d_input, d_output]`.
    pub weight: Param<Tensor<2>>,
    /// `[d_output]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl From<burn::nn::Linear> for Linear {
    fn from(layer: burn::nn::Linear) -> Self {
        Self { weight: layer.weight, bias: layer.bias }
    }
}

impl Linear {
    /// All weights zero: where the loss is convex there is nothing to break the symmetry of.
    #[must_use]
    pub fn zeros(inputs: usize, outputs: usize, device: &Device) -> Self {
        LinearConfig::new(inputs, outputs).with_initializer(Initializer::Zeros).init(device)
    }

    /// Weights uniform in `±1/√inputs` as Burn's default, biases zero, from public randomness.
    #[must_use]
    pub fn uniform(inputs: usize, outputs: usize, device: &Device, rng: &mut impl rand::Rng) -> Self {
        let bound = 1.0 / (inputs as f32).sqrt();
        let values: Vec<f32> = (0..inputs * outputs).map(|_| rng.random_range(-bound..bound)).collect();
        Self {
            weight: Param::from_data(TensorData::new(values, [inputs, outputs]), device),
            bias: Some(Param::from_tensor(Tensor::zeros([outputs], device))),
        }
    }

    /// The layer's output.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        linear(input, &self.weight, self.bias.as_ref())
    }
}

/// `x · weight + bias` for a weight `[d_input, d_output]` held elsewhere, as [`burn::tensor::module::linear`].
#[must_use]
pub fn linear<const D: usize>(input: Tensor<D>, weight: &Param<Tensor<2>>, bias: Option<&Param<Tensor<1>>>) -> Tensor<D> {
    if !tape::is_recording() {
        let bias = bias.map(|b| b.val());
        return plain(input, weight.val(), bias);
    }
    record(input, weight, bias, false)
}

/// `x · weightᵀ` for a weight `[d_output, d_input]` held elsewhere: an output layer tied to an embedding.
#[must_use]
pub fn linear_transposed<const D: usize>(input: Tensor<D>, weight: &Param<Tensor<2>>) -> Tensor<D> {
    if !tape::is_recording() {
        return plain(input, weight.val().transpose(), None);
    }
    record(input, weight, None, true)
}

fn plain<const D: usize>(input: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    let mut shape = input.dims();
    let flat: Tensor<2> = input.clone().reshape([shape[..D - 1].iter().product(), shape[D - 1]]);
    shape[D - 1] = weight.dims()[1];
    let output = linear_kernel::run(&flat, &weight, &Added::Bias(bias.as_ref()));
    output.map_or_else(|| burn::tensor::module::linear(input, weight, bias), |output| output.reshape(shape))
}

fn record<const D: usize>(input: Tensor<D>, weight: &Param<Tensor<2>>, bias: Option<&Param<Tensor<1>>>, transposed: bool) -> Tensor<D> {
    assert!(D >= 2, "the first dimension is the batch");
    let mut shape = input.dims();
    let (batch, d_input) = (shape[0], shape[D - 1]);
    let positions = shape[1..D - 1].iter().product::<usize>();
    let effective = tape::constant(weight.val());
    let effective = if transposed { effective.transpose() } else { effective };
    let d_output = effective.dims()[1];
    let flat: Tensor<2> = input.reshape([batch * positions, d_input]);
    let seen: Tensor<3> = tape::plain(flat.clone()).reshape([batch, positions, d_input]);
    let bias_id = bias.filter(|b| tape::is_trainable(b)).map(|b| b.id);
    let weight_use = WeightUse::of(weight, transposed);
    let device = flat.device();
    let bias = bias.map(|b| tape::plain(b.val()));
    let tap = tape::tap(bias.clone(), [batch * positions, d_output], &device, move |gradient| {
        let gradient: Tensor<3> = gradient.reshape([batch, positions, d_output]);
        let mut contributions = weight_use.contributions(&seen, &gradient);
        contributions.extend(bias_id.map(|id| Contribution::sum(id, gradient)));
        contributions
    });
    shape[D - 1] = d_output;
    let flat = tape::tracked(flat);
    let output = linear_kernel::run(&flat, &effective, &Added::Tap(&tap, bias.as_ref()));
    output.unwrap_or_else(|| flat.matmul(effective) + tap).reshape(shape)
}

/// Which parameters stand behind a weight: itself, or the factors of an adapter on it (Hu et al. 2022, arXiv:2106.09685).
#[expect(clippy::large_enum_variant, reason = "a few are alive at a time, each holding tensors far larger")]
pub(crate) enum WeightUse {
    Frozen,
    Dense {
        weight: burn::module::ParamId,
        transposed: bool,
    },
    Adapter {
        /// The weight itself, which an adapter freezes but a user may thaw.
        base: Option<burn::module::ParamId>,
        a: Option<burn::module::ParamId>,
        b: Option<burn::module::ParamId>,
        a_value: Tensor<2>,
        b_value: Tensor<2>,
        scale: f64,
        transposed: bool,
    },
}

impl WeightUse {
    pub(crate) fn of(weight: &Param<Tensor<2>>, transposed: bool) -> Self {
        if let Some(adapter) = weight.adapter() {
            let id = |p: &Param<Tensor<2>>| tape::is_trainable(p).then_some(p.id);
            let (a_value, b_value) = (tape::plain(adapter.a.val()), tape::plain(adapter.b.val()));
            return Self::Adapter {
                base: id(weight),
                a: id(&adapter.a),
                b: id(&adapter.b),
                a_value,
                b_value,
                scale: adapter.scale,
                transposed,
            };
        }
        match tape::is_trainable(weight) {
            true => Self::Dense { weight: weight.id, transposed },
            false => Self::Frozen,
        }
    }

    pub(crate) fn contributions(&self, input: &Tensor<3>, gradient: &Tensor<3>) -> Vec<Contribution> {
        match self {
            Self::Frozen => vec![],
            Self::Dense { weight, transposed: false } => vec![Contribution::outer(*weight, input.clone(), gradient.clone())],
            Self::Dense { weight, transposed: true } => vec![Contribution::outer(*weight, gradient.clone(), input.clone())],
            // y = x W + scale (x A) B: ∂L/∂A = xᵀ (g Bᵀ), ∂L/∂B = (x A)ᵀ g, both times the scale. Under a transpose x and g change places.
            Self::Adapter { base, a, b, a_value, b_value, scale, transposed } => {
                let (input, gradient) = if *transposed { (gradient, input) } else { (input, gradient) };
                let product = |left: &Tensor<3>, right: Tensor<2>| left.clone().matmul(right.unsqueeze_dim(0)) * *scale;
                let of_a = a.map(|id| Contribution::outer(id, input.clone(), product(gradient, b_value.clone().transpose())));
                let of_b = b.map(|id| Contribution::outer(id, product(input, a_value.clone()), gradient.clone()));
                let of_base = base.map(|id| Contribution::outer(id, input.clone(), gradient.clone()));
                of_base.into_iter().chain(of_a).chain(of_b).collect()
            }
        }
    }
}
