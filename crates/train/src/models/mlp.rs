//! A classifier of fully connected layers.

use super::{ClassBatch, cross_entropy};
use crate::nn::activation::Tanh;
use crate::nn::{Linear, LinearConfig};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Configuration of a [`Mlp`].
#[derive(Config, Debug)]
pub struct MlpConfig {
    /// Values a row.
    pub inputs: usize,
    /// Number of classes.
    pub classes: usize,
    /// Widths of the hidden layers; none is softmax regression.
    #[config(default = "vec![64]")]
    pub hidden: Vec<usize>,
}

impl MlpConfig {
    /// A fresh model.
    #[must_use]
    pub fn init(&self, device: &Device) -> Mlp {
        let widths: Vec<usize> = [self.inputs].into_iter().chain(self.hidden.iter().copied()).chain([self.classes]).collect();
        Mlp { layers: widths.windows(2).map(|w| LinearConfig::new(w[0], w[1]).init(device)).collect(), activation: Tanh::new() }
    }
}

/// Fully connected layers with tanh between them: bounded activations keep gradients small, and clipping from biting
/// (Papernot et al. 2021, arXiv:2007.14191).
#[derive(Module, Debug)]
pub struct Mlp {
    /// The layers.
    pub layers: Vec<Linear>,
    activation: Tanh,
}

impl Mlp {
    /// Logits `[rows, classes]` of rows `[rows, inputs]`.
    #[must_use]
    pub fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                x = self.activation.forward(x);
            }
            x = layer.forward(x);
        }
        x
    }

    /// Cross-entropy of each row.
    #[must_use]
    pub fn losses(&self, batch: &ClassBatch<Tensor<2>>) -> Tensor<1> {
        cross_entropy(self.forward(batch.inputs.clone()), batch.labels.clone(), batch.mask.clone())
    }
}
