//! Layers that train like Burn's and, inside a private step, also record what per-unit gradients need.

use crate::tape;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;

/// `y = x · weight + bias`, as `burn::nn::Linear`.
///
/// Shapes: `x` is `[rows, inputs]`, the result `[rows, outputs]`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[inputs, outputs]`.
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Param<Tensor<1>>,
}

impl Linear {
    /// All weights zero: where the loss is convex there is nothing to break the symmetry of.
    #[must_use]
    pub fn zeros(inputs: usize, outputs: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::zeros([inputs, outputs], device)),
            bias: Param::from_tensor(Tensor::zeros([outputs], device)),
        }
    }

    /// Weights uniform in `±1/√inputs` as Burn's default, biases zero, from public randomness.
    #[must_use]
    pub fn uniform(inputs: usize, outputs: usize, device: &Device, rng: &mut impl rand::Rng) -> Self {
        let bound = 1.0 / (inputs as f32).sqrt();
        let values: Vec<f32> = (0..inputs * outputs).map(|_| rng.random_range(-bound..bound)).collect();
        Self {
            weight: Param::from_data(TensorData::new(values, [inputs, outputs]), device),
            bias: Param::from_tensor(Tensor::zeros([outputs], device)),
        }
    }

    /// The layer's output; while a private step records, through a tap.
    #[must_use]
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        if !tape::is_recording() {
            return input.matmul(self.weight.val()) + self.bias.val().unsqueeze();
        }
        let [rows, _] = input.dims();
        let [outputs] = self.bias.dims();
        let tap: Tensor<2> = self.bias.val().inner().reshape([1, outputs]).expand([rows, outputs]).autodiff().require_grad();
        let inner = if input.is_autodiff() { input.clone().inner() } else { input.clone() };
        tape::push(tape::Use { weight: self.weight.id, bias: self.bias.id, input: inner, tap: tap.clone() });
        let input = if input.is_autodiff() { input } else { input.autodiff() };
        input.matmul(self.weight.val().inner().autodiff()) + tap
    }
}
