//! A small convolutional classifier of images.

use super::{ClassBatch, cross_entropy};
use crate::nn::activation::Tanh;
use crate::nn::conv::{Conv2d, Conv2dConfig};
use crate::nn::pool::{MaxPool2d, MaxPool2dConfig};
use crate::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Configuration of a [`Cnn`]; as it starts, the network for MNIST of Papernot et al. (2021, arXiv:2007.14191) and Tramèr and Boneh (2021,
/// arXiv:2011.11660): 26,010 parameters for one channel of 28 × 28 and 10 classes.
#[derive(Config, Debug)]
pub struct CnnConfig {
    /// Channels, height and width of an image.
    pub size: [usize; 3],
    /// Number of classes.
    pub classes: usize,
    /// Filters of the two convolutions.
    #[config(default = "[16, 32]")]
    pub filters: [usize; 2],
    /// Sizes of their square kernels.
    #[config(default = "[8, 4]")]
    pub kernels: [usize; 2],
    /// Their strides.
    #[config(default = "[2, 2]")]
    pub strides: [usize; 2],
    /// Zeros around the first one's input.
    #[config(default = "2")]
    pub padding: usize,
    /// Width of the fully connected layer before the last.
    #[config(default = "32")]
    pub hidden: usize,
}

impl CnnConfig {
    /// A fresh model.
    ///
    /// # Panics
    /// Where an image is too small for the kernels.
    #[must_use]
    pub fn init(&self, device: &Device) -> Cnn {
        let [channels, height, width] = self.size;
        let conv = |from, layer: usize, padding| {
            Conv2dConfig::new([from, self.filters[layer]], [self.kernels[layer]; 2])
                .with_stride([self.strides[layer]; 2])
                .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
                .init(device)
        };
        let left = self.left(height) * self.left(width) * self.filters[1];
        Cnn {
            first: conv(channels, 0, self.padding),
            second: conv(self.filters[0], 1, 0),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([1, 1]).init(),
            hidden: LinearConfig::new(left, self.hidden).init(device),
            head: LinearConfig::new(self.hidden, self.classes).init(device),
            activation: Tanh::new(),
        }
    }

    /// What two convolutions, each with a pool of 2 at stride 1, leave of a side.
    fn left(&self, side: usize) -> usize {
        let after = |side: usize, layer: usize, padding: usize| {
            let kernel = self.kernels[layer];
            let side = side + 2 * padding;
            assert!(side > kernel + self.strides[layer] - 1, "a side of {side} is too small for a kernel of {kernel} and a pool of 2");
            (side - kernel) / self.strides[layer]
        };
        after(after(side, 0, self.padding), 1, 0)
    }
}

/// Two convolutions with tanh and pooling, two fully connected layers.
#[derive(Module, Debug)]
pub struct Cnn {
    /// Over the image.
    pub first: Conv2d,
    /// Over what the first gives.
    pub second: Conv2d,
    pool: MaxPool2d,
    /// Fully connected.
    pub hidden: Linear,
    /// To the logits.
    pub head: Linear,
    activation: Tanh,
}

impl Cnn {
    /// Logits `[rows, classes]` of images `[rows, channels, height, width]`.
    #[must_use]
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(self.activation.forward(self.first.forward(images)));
        let x = self.pool.forward(self.activation.forward(self.second.forward(x)));
        self.head.forward(self.activation.forward(self.hidden.forward(x.flatten(1, 3))))
    }

    /// Cross-entropy of each row.
    #[must_use]
    pub fn losses(&self, batch: &ClassBatch<Tensor<4>>) -> Tensor<1> {
        cross_entropy(self.forward(batch.inputs.clone()), batch.labels.clone(), batch.mask.clone())
    }
}
