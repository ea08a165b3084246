//! Transposed convolutions.

use super::patches::{Direction, Window, apply};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::module::{conv_transpose1d, conv_transpose2d, conv_transpose3d};
use burn::tensor::ops::ConvTransposeOptions;
use burn::tensor::{Device, Tensor};

/// Configuration of a [`ConvTranspose1d`], as [`burn::nn::conv::ConvTranspose1dConfig`].
#[derive(Config, Debug)]
pub struct ConvTranspose1dConfig {
    /// Numbers of input and output channels.
    pub channels: [usize; 2],
    /// Size of the kernel.
    pub kernel_size: usize,
    /// Steps of the kernel over the output.
    #[config(default = "1")]
    pub stride: usize,
    /// Distance of neighbouring places in the kernel.
    #[config(default = "1")]
    pub dilation: usize,
    /// Groups of channels that do not see each other; divides the input and the output channels.
    #[config(default = "1")]
    pub groups: usize,
    /// What is cut off the output at both ends.
    #[config(default = "0")]
    pub padding: usize,
    /// What is added to the output at its end.
    #[config(default = "0")]
    pub padding_out: usize,
    /// Whether a bias is added.
    #[config(default = true)]
    pub bias: bool,
    /// How the parameters start.
    #[config(default = "Initializer::KaimingUniform{gain:1.0/3.0f64.sqrt(), fan_out_only:false}")]
    pub initializer: Initializer,
}

impl ConvTranspose1dConfig {
    /// A fresh layer.
    ///
    /// # Panics
    /// Where the groups do not divide the channels.
    #[must_use]
    pub fn init(&self, device: &Device) -> ConvTranspose1d {
        let burn = burn::nn::conv::ConvTranspose1dConfig {
            channels: self.channels,
            kernel_size: self.kernel_size,
            stride: self.stride,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding,
            padding_out: self.padding_out,
            bias: self.bias,
            initializer: self.initializer.clone(),
        };
        burn.init(device).into()
    }
}

/// A transposed convolution over 1 dimension, as [`burn::nn::conv::ConvTranspose1d`].
///
/// Shapes: `[batch, channels_in, length]` becomes `[batch, channels_out, ..]`, each size to
/// `(size - 1) · stride + dilation · (kernel - 1) + 1 - 2 · padding + padding_out`.
#[derive(Module, Debug)]
pub struct ConvTranspose1d {
    /// `[channels_in, channels_out / groups, kernel..]`.
    pub weight: Param<Tensor<3>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Steps of the kernel over the output.
    pub stride: usize,
    /// Size of the kernel.
    pub kernel_size: usize,
    /// Distance of neighbouring places in the kernel.
    pub dilation: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// What is cut off the output at both ends.
    pub padding: usize,
    /// What is added to the output at its end.
    pub padding_out: usize,
    /// Numbers of input and output channels.
    pub channels: [usize; 2],
}

impl From<burn::nn::conv::ConvTranspose1d> for ConvTranspose1d {
    fn from(layer: burn::nn::conv::ConvTranspose1d) -> Self {
        let burn::nn::conv::ConvTranspose1d { weight, bias, stride, kernel_size, dilation, groups, padding, padding_out, channels, .. } =
            layer;
        Self { weight, bias, stride, kernel_size, dilation, groups, padding, padding_out, channels }
    }
}

impl ConvTranspose1d {
    /// The layer's output.
    #[must_use]
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let (stride, dilation, cut) = ([self.stride], [self.dilation], [self.padding]);
        let window = Window { kernel: [self.kernel_size], stride, dilation, padding: cut.map(|p| (p, p)), groups: self.groups };
        let options = ConvTransposeOptions::new(stride, cut, [self.padding_out], dilation, self.groups);
        apply(input, (&self.weight, self.bias.as_ref()), (Direction::Transposed, window), |x, w, b| conv_transpose1d(x, w, b, options))
    }
}

/// Configuration of a [`ConvTranspose2d`], as [`burn::nn::conv::ConvTranspose2dConfig`].
#[derive(Config, Debug)]
pub struct ConvTranspose2dConfig {
    /// Numbers of input and output channels.
    pub channels: [usize; 2],
    /// Size of the kernel.
    pub kernel_size: [usize; 2],
    /// Steps of the kernel over the output.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// Distance of neighbouring places in the kernel.
    #[config(default = "[1, 1]")]
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other; divides the input and the output channels.
    #[config(default = "1")]
    pub groups: usize,
    /// What is cut off the output at both ends.
    #[config(default = "[0, 0]")]
    pub padding: [usize; 2],
    /// What is added to the output at its end.
    #[config(default = "[0, 0]")]
    pub padding_out: [usize; 2],
    /// Whether a bias is added.
    #[config(default = true)]
    pub bias: bool,
    /// How the parameters start.
    #[config(default = "Initializer::KaimingUniform{gain:1.0/3.0f64.sqrt(), fan_out_only:false}")]
    pub initializer: Initializer,
}

impl ConvTranspose2dConfig {
    /// A fresh layer.
    ///
    /// # Panics
    /// Where the groups do not divide the channels.
    #[must_use]
    pub fn init(&self, device: &Device) -> ConvTranspose2d {
        let burn = burn::nn::conv::ConvTranspose2dConfig {
            channels: self.channels,
            kernel_size: self.kernel_size,
            stride: self.stride,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding,
            padding_out: self.padding_out,
            bias: self.bias,
            initializer: self.initializer.clone(),
        };
        burn.init(device).into()
    }
}

/// A transposed convolution over 2 dimensions, as [`burn::nn::conv::ConvTranspose2d`].
///
/// Shapes: `[batch, channels_in, height, width]` becomes `[batch, channels_out, ..]`, each size to
/// `(size - 1) · stride + dilation · (kernel - 1) + 1 - 2 · padding + padding_out`.
#[derive(Module, Debug)]
pub struct ConvTranspose2d {
    /// `[channels_in, channels_out / groups, kernel..]`.
    pub weight: Param<Tensor<4>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Steps of the kernel over the output.
    pub stride: [usize; 2],
    /// Size of the kernel.
    pub kernel_size: [usize; 2],
    /// Distance of neighbouring places in the kernel.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// What is cut off the output at both ends.
    pub padding: [usize; 2],
    /// What is added to the output at its end.
    pub padding_out: [usize; 2],
    /// Numbers of input and output channels.
    pub channels: [usize; 2],
}

impl From<burn::nn::conv::ConvTranspose2d> for ConvTranspose2d {
    fn from(layer: burn::nn::conv::ConvTranspose2d) -> Self {
        let burn::nn::conv::ConvTranspose2d { weight, bias, stride, kernel_size, dilation, groups, padding, padding_out, channels, .. } =
            layer;
        Self { weight, bias, stride, kernel_size, dilation, groups, padding, padding_out, channels }
    }
}

impl ConvTranspose2d {
    /// The layer's output.
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let (stride, dilation, cut) = (self.stride, self.dilation, self.padding);
        let window = Window { kernel: self.kernel_size, stride, dilation, padding: cut.map(|p| (p, p)), groups: self.groups };
        let options = ConvTransposeOptions::new(stride, cut, self.padding_out, dilation, self.groups);
        apply(input, (&self.weight, self.bias.as_ref()), (Direction::Transposed, window), |x, w, b| conv_transpose2d(x, w, b, options))
    }
}

/// Configuration of a [`ConvTranspose3d`], as [`burn::nn::conv::ConvTranspose3dConfig`].
#[derive(Config, Debug)]
pub struct ConvTranspose3dConfig {
    /// Numbers of input and output channels.
    pub channels: [usize; 2],
    /// Size of the kernel.
    pub kernel_size: [usize; 3],
    /// Steps of the kernel over the output.
    #[config(default = "[1, 1, 1]")]
    pub stride: [usize; 3],
    /// Distance of neighbouring places in the kernel.
    #[config(default = "[1, 1, 1]")]
    pub dilation: [usize; 3],
    /// Groups of channels that do not see each other; divides the input and the output channels.
    #[config(default = "1")]
    pub groups: usize,
    /// What is cut off the output at both ends.
    #[config(default = "[0, 0, 0]")]
    pub padding: [usize; 3],
    /// What is added to the output at its end.
    #[config(default = "[0, 0, 0]")]
    pub padding_out: [usize; 3],
    /// Whether a bias is added.
    #[config(default = true)]
    pub bias: bool,
    /// How the parameters start.
    #[config(default = "Initializer::KaimingUniform{gain:1.0/3.0f64.sqrt(), fan_out_only:false}")]
    pub initializer: Initializer,
}

impl ConvTranspose3dConfig {
    /// A fresh layer.
    ///
    /// # Panics
    /// Where the groups do not divide the channels.
    #[must_use]
    pub fn init(&self, device: &Device) -> ConvTranspose3d {
        let burn = burn::nn::conv::ConvTranspose3dConfig {
            channels: self.channels,
            kernel_size: self.kernel_size,
            stride: self.stride,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding,
            padding_out: self.padding_out,
            bias: self.bias,
            initializer: self.initializer.clone(),
        };
        burn.init(device).into()
    }
}

/// A transposed convolution over 3 dimensions, as [`burn::nn::conv::ConvTranspose3d`].
///
/// Shapes: `[batch, channels_in, depth, height, width]` becomes `[batch, channels_out, ..]`, each size to
/// `(size - 1) · stride + dilation · (kernel - 1) + 1 - 2 · padding + padding_out`.
#[derive(Module, Debug)]
pub struct ConvTranspose3d {
    /// `[channels_in, channels_out / groups, kernel..]`.
    pub weight: Param<Tensor<5>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Steps of the kernel over the output.
    pub stride: [usize; 3],
    /// Size of the kernel.
    pub kernel_size: [usize; 3],
    /// Distance of neighbouring places in the kernel.
    pub dilation: [usize; 3],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// What is cut off the output at both ends.
    pub padding: [usize; 3],
    /// What is added to the output at its end.
    pub padding_out: [usize; 3],
    /// Numbers of input and output channels.
    pub channels: [usize; 2],
}

impl From<burn::nn::conv::ConvTranspose3d> for ConvTranspose3d {
    fn from(layer: burn::nn::conv::ConvTranspose3d) -> Self {
        let burn::nn::conv::ConvTranspose3d { weight, bias, stride, kernel_size, dilation, groups, padding, padding_out, channels, .. } =
            layer;
        Self { weight, bias, stride, kernel_size, dilation, groups, padding, padding_out, channels }
    }
}

impl ConvTranspose3d {
    /// The layer's output.
    #[must_use]
    pub fn forward(&self, input: Tensor<5>) -> Tensor<5> {
        let (stride, dilation, cut) = (self.stride, self.dilation, self.padding);
        let window = Window { kernel: self.kernel_size, stride, dilation, padding: cut.map(|p| (p, p)), groups: self.groups };
        let options = ConvTransposeOptions::new(stride, cut, self.padding_out, dilation, self.groups);
        apply(input, (&self.weight, self.bias.as_ref()), (Direction::Transposed, window), |x, w, b| conv_transpose3d(x, w, b, options))
    }
}
