//! Normalisation over the last dimension.

use super::{Affine, layer_norm_kernel};
use crate::tape;
use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::module::layer_norm;
use burn::tensor::{DType, Device, Tensor};

/// Configuration of a [`LayerNorm`], as [`burn::nn::LayerNormConfig`].
#[derive(Config, Debug)]
pub struct LayerNormConfig {
    /// Size of the last dimension.
    pub d_model: usize,
    /// Added to the variance; positive.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Whether a shift is added.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerNormConfig {
    /// A fresh layer.
    #[must_use]
    pub fn init(&self, device: &Device) -> LayerNorm {
        let burn = burn::nn::LayerNormConfig { d_model: self.d_model, epsilon: self.epsilon, bias: self.bias }.init(device);
        LayerNorm { gamma: burn.gamma, beta: burn.beta, epsilon: self.epsilon }
    }
}

/// `y = (x - mean) / √(variance + ε) · γ + β` over the last dimension (Ba et al. 2016, arXiv:1607.06450), as [`burn::nn::LayerNorm`].
///
/// Shapes: `[batch, .., d_model]` in and out. A layer of Burn's is taken over by its public parts:
/// `LayerNorm { gamma: burn.gamma, beta: burn.beta, epsilon: 1e-5 }` (Burn keeps its ε to itself).
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// The scale, `[d_model]`.
    pub gamma: Param<Tensor<1>>,
    /// The shift, `[d_model]`.
    pub beta: Option<Param<Tensor<1>>>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl LayerNorm {
    /// The layer's output.
    ///
    /// # Panics
    /// Where the last dimension is not `d_model`.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let shape = check_last(&input, &self.gamma);
        let epsilon = self.epsilon;
        let normalise = move |input: Tensor<D>, gamma: Tensor<1>, beta: Option<Tensor<1>>| {
            let dtype = input.dtype();
            match dtype {
                // The sum of squares of f16 overflows: Burn widens, and so do we.
                DType::F16 => {
                    let wide = |t: Tensor<1>| t.cast(DType::F32);
                    layer_norm(input.cast(DType::F32), wide(gamma), beta.map(wide), epsilon).cast(dtype)
                }
                _ => layer_norm(input, gamma, beta, epsilon),
            }
        };
        if !tape::is_recording() {
            let (gamma, beta) = (self.gamma.val(), self.beta.as_ref().map(|b| b.val()));
            let output = beta.as_ref().and_then(|beta| layer_norm_kernel::run(&input, &gamma, beta, epsilon, None));
            return output.unwrap_or_else(|| normalise(input, gamma, beta));
        }
        let input = tape::tracked(input);
        let seen = tape::plain(input.clone());
        let (gamma, beta) = (tape::constant(self.gamma.val()), self.beta.as_ref().map(|b| tape::constant(b.val())));
        let affine = Affine::of(Some(&self.gamma), self.beta.as_ref());
        let ones = tape::plain(gamma.clone()).ones_like();
        let normalised = move || by_position(normalise(seen, ones, None), shape);
        let [batch, positions, width] = shape;
        let tap = tape::leaf(None, [batch * positions, width], &input.device());
        let output = beta.as_ref().and_then(|beta| layer_norm_kernel::run(&input, &gamma, beta, epsilon, Some(&tap)));
        if let Some(output) = output {
            tape::attach(tap, move |gradient| affine.contributions(gradient.reshape(shape), normalised));
            return output;
        }
        tape::watch(normalise(input, gamma, beta), move |gradient| affine.contributions(by_position(gradient, shape), normalised))
    }
}

/// Configuration of an [`RmsNorm`], as [`burn::nn::RmsNormConfig`].
#[derive(Config, Debug)]
pub struct RmsNormConfig {
    /// Size of the last dimension.
    pub d_model: usize,
    /// Added to the mean square; positive.
    #[config(default = 1e-5)]
    pub epsilon: f64,
}

impl RmsNormConfig {
    /// A fresh layer.
    ///
    /// # Panics
    /// Where `epsilon` is not positive.
    #[must_use]
    pub fn init(&self, device: &Device) -> RmsNorm {
        burn::nn::RmsNormConfig { d_model: self.d_model, epsilon: self.epsilon }.init(device).into()
    }
}

/// `y = x / √(mean(x²) + ε) · γ` over the last dimension (Zhang and Sennrich 2019, arXiv:1910.07467), as [`burn::nn::RmsNorm`].
///
/// Shapes: `[batch, .., d_model]` in and out.
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// The scale, `[d_model]`.
    pub gamma: Param<Tensor<1>>,
    /// Added to the mean square.
    pub epsilon: f64,
}

impl From<burn::nn::RmsNorm> for RmsNorm {
    fn from(layer: burn::nn::RmsNorm) -> Self {
        Self { gamma: layer.gamma, epsilon: layer.epsilon }
    }
}

impl RmsNorm {
    /// The layer's output.
    ///
    /// # Panics
    /// Where the last dimension is not `d_model`.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let shape = check_last(&input, &self.gamma);
        let normalise = |input: Tensor<D>| {
            let dtype = input.dtype();
            let rms = (input.clone().cast(DType::F32).square().mean_dim(D - 1) + self.epsilon).sqrt();
            input / rms.cast(dtype)
        };
        if !tape::is_recording() {
            return normalise(input) * self.gamma.val().unsqueeze();
        }
        let normalised = normalise(tape::tracked(input));
        let seen = tape::plain(normalised.clone());
        let affine = Affine::of(Some(&self.gamma), None);
        tape::watch(normalised * tape::constant(self.gamma.val()).unsqueeze(), move |gradient| {
            affine.contributions(by_position(gradient, shape), || by_position(seen, shape))
        })
    }
}

/// `[batch, positions, width]`.
fn check_last<const D: usize>(input: &Tensor<D>, gamma: &Param<Tensor<1>>) -> [usize; 3] {
    let (dims, [d_model]) = (input.dims(), gamma.dims());
    assert_eq!(dims[D - 1], d_model, "the last dimension is d_model");
    match D {
        1 => [1, 1, d_model],
        _ => [dims[0], dims[1..D - 1].iter().product(), d_model],
    }
}

fn by_position<const D: usize>(t: Tensor<D>, shape: [usize; 3]) -> Tensor<3> {
    t.reshape(shape)
}
