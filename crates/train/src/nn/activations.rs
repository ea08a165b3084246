//! Activations with parameters.

use super::{Linear, LinearConfig};
use crate::gradient::{Contribution, Form};
use crate::tape;
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Initializer, LinearLayout};
use burn::tensor::{Device, Tensor, activation};

/// Configuration of a [`PRelu`], as [`burn::nn::PReluConfig`].
#[derive(Config, Debug)]
pub struct PReluConfig {
    /// One slope for all, or one for each channel.
    #[config(default = "1")]
    pub num_parameters: usize,
    /// The slopes at the start.
    #[config(default = "0.25")]
    pub alpha: f64,
}

impl PReluConfig {
    /// A fresh layer.
    #[must_use]
    pub fn init(&self, device: &Device) -> PRelu {
        burn::nn::PReluConfig { num_parameters: self.num_parameters, alpha: self.alpha }.init(device).into()
    }
}

/// `y = max(x, 0) + α · min(x, 0)` (He et al. 2015, arXiv:1502.01852), as [`burn::nn::PRelu`].
///
/// Shapes: `[batch, ..]` in and out; with a slope for each channel `[batch, channels, ..]`.
#[derive(Module, Debug)]
pub struct PRelu {
    /// The slope below zero, `[1]` or `[channels]`.
    pub alpha: Param<Tensor<1>>,
    /// What it started as.
    pub alpha_value: f64,
}

impl From<burn::nn::PRelu> for PRelu {
    fn from(layer: burn::nn::PRelu) -> Self {
        Self { alpha: layer.alpha, alpha_value: layer.alpha_value }
    }
}

impl PRelu {
    /// The layer's output.
    ///
    /// # Panics
    /// Where there are several slopes, and not as many as channels.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        if !tape::is_recording() {
            return activation::prelu(input, self.alpha.val());
        }
        let (shape, [slopes]) = (input.dims(), self.alpha.dims());
        let input = tape::tracked(input);
        let seen = tape::plain(input.clone());
        let id = tape::is_trainable(&self.alpha).then_some(self.alpha.id);
        tape::watch(activation::prelu(input, tape::constant(self.alpha.val())), move |gradient| {
            let own = |id| {
                // ∂y/∂α is min(x, 0), at every position of the channel.
                let positions = shape[1..].iter().product::<usize>() / slopes;
                let of_row: Tensor<3> = (gradient * seen.clamp_max(0.0)).reshape([shape[0], slopes, positions]);
                Contribution { parameter: id, form: Form::Whole(of_row.sum_dim(2).reshape([shape[0], slopes])) }
            };
            id.map(own).into_iter().collect()
        })
    }
}

/// Configuration of a [`SwiGlu`], as [`burn::nn::SwiGluConfig`].
#[derive(Config, Debug)]
pub struct SwiGluConfig {
    /// Size of an input.
    pub d_input: usize,
    /// Size of an output.
    pub d_output: usize,
    /// Whether biases are added.
    #[config(default = false)]
    pub bias: bool,
    /// How the parameters start.
    #[config(default = "Initializer::KaimingUniform{gain:1.0/3.0f64.sqrt(), fan_out_only:false}")]
    pub initializer: Initializer,
    /// How the weights are stored.
    #[config(default = "LinearLayout::Row")]
    pub layout: LinearLayout,
}

impl SwiGluConfig {
    /// A fresh layer.
    #[must_use]
    pub fn init(&self, device: &Device) -> SwiGlu {
        let linear = || {
            let config = LinearConfig::new(self.d_input, self.d_output).with_bias(self.bias);
            config.with_initializer(self.initializer.clone()).with_layout(self.layout).init(device)
        };
        SwiGlu { linear_inner: linear(), linear_outer: linear() }
    }
}

/// `silu(inner(x)) · outer(x)` (Shazeer 2020, arXiv:2002.05202), as [`burn::nn::SwiGlu`].
///
/// Shapes: `[batch, .., d_input]` becomes `[batch, .., d_output]`.
#[derive(Module, Debug)]
pub struct SwiGlu {
    /// What goes through the activation.
    pub linear_inner: Linear,
    /// What it gates.
    pub linear_outer: Linear,
}

impl From<burn::nn::SwiGlu> for SwiGlu {
    fn from(layer: burn::nn::SwiGlu) -> Self {
        Self { linear_inner: layer.linear_inner.into(), linear_outer: layer.linear_outer.into() }
    }
}

impl SwiGlu {
    /// The layer's output.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        activation::silu(self.linear_inner.forward(input.clone())) * self.linear_outer.forward(input)
    }
}
