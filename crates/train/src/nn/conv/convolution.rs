//! Convolutions.

use super::patches::{Direction, Window, apply, apply_kernel};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Initializer, PaddingConfig1d, PaddingConfig2d, PaddingConfig3d};
use burn::tensor::module::{conv1d, conv2d, conv3d};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

/// Configuration of a [`Conv1d`], as [`burn::nn::conv::Conv1dConfig`].
#[derive(Config, Debug)]
pub struct Conv1dConfig {
    /// Number of input channels.
    pub channels_in: usize,
    /// Number of output channels.
    pub channels_out: usize,
    /// Size of the kernel.
    pub kernel_size: usize,
    /// Steps of the kernel over the input.
    #[config(default = "1")]
    pub stride: usize,
    /// Distance of neighbouring places in the kernel.
    #[config(default = "1")]
    pub dilation: usize,
    /// Groups of channels that do not see each other; divides the input and the output channels.
    #[config(default = "1")]
    pub groups: usize,
    /// Zeros around the input. `Same` keeps ⌈length / stride⌉ positions.
    #[config(default = "PaddingConfig1d::Valid")]
    pub padding: PaddingConfig1d,
    /// Whether a bias is added.
    #[config(default = true)]
    pub bias: bool,
    /// How the parameters start.
    #[config(default = "Initializer::KaimingUniform{gain:1.0/3.0f64.sqrt(), fan_out_only:false}")]
    pub initializer: Initializer,
}

impl Conv1dConfig {
    /// A fresh layer.
    ///
    /// # Panics
    /// Where the groups do not divide the channels.
    #[must_use]
    pub fn init(&self, device: &Device) -> Conv1d {
        let burn = burn::nn::conv::Conv1dConfig {
            channels_in: self.channels_in,
            channels_out: self.channels_out,
            kernel_size: self.kernel_size,
            stride: self.stride,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding.clone(),
            bias: self.bias,
            initializer: self.initializer.clone(),
        };
        burn.init(device).into()
    }
}

/// A convolution over 1 dimension, as [`burn::nn::conv::Conv1d`].
///
/// Shapes: `[batch, channels_in, length]` becomes `[batch, channels_out, ..]`.
#[derive(Module, Debug)]
pub struct Conv1d {
    /// `[channels_out, channels_in / groups, kernel..]`.
    pub weight: Param<Tensor<3>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Steps of the kernel over the input.
    pub stride: usize,
    /// Size of the kernel.
    pub kernel_size: usize,
    /// Distance of neighbouring places in the kernel.
    pub dilation: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Zeros around the input.
    #[module(skip)]
    pub padding: PaddingConfig1d,
}

impl From<burn::nn::conv::Conv1d> for Conv1d {
    fn from(layer: burn::nn::conv::Conv1d) -> Self {
        let burn::nn::conv::Conv1d { weight, bias, stride, kernel_size, dilation, groups, padding, .. } = layer;
        Self { weight, bias, stride, kernel_size, dilation, groups, padding }
    }
}

impl Conv1d {
    /// The layer's output.
    #[must_use]
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let padding = match &self.padding {
            PaddingConfig1d::Valid => (0, 0),
            PaddingConfig1d::Same => same(self.kernel_size, self.stride, input.dims()[2]),
            PaddingConfig1d::Explicit(left, right) => (*left, *right),
        };
        self.padded(input, [padding])
    }

    fn padded(&self, input: Tensor<3>, padding: [(usize, usize); 1]) -> Tensor<3> {
        let (stride, dilation) = ([self.stride], [self.dilation]);
        let window = Window { kernel: [self.kernel_size], stride, dilation, padding, groups: self.groups };
        let options = ConvOptions::new_with_padding(stride, padding, dilation, self.groups);
        let run = |x: Tensor<3>, w: Tensor<3>, b| match self.groups {
            1 => conv1d(x, w, b, options),
            // Burn 0.22's gradient of a grouped kernel in one dimension is wrong where the last stride leaves some input unseen
            // (`conv1d_weight_grad_groups` does not cut what reaches beyond the kernel; in two dimensions it does, tracel-ai/burn#1891).
            groups => {
                let options = ConvOptions::new_with_padding([1, stride[0]], [(0, 0), padding[0]], [1, dilation[0]], groups);
                conv2d(x.unsqueeze_dim(2), w.unsqueeze_dim(2), b, options).squeeze_dim(2)
            }
        };
        apply(input, (&self.weight, self.bias.as_ref()), (Direction::Forwards, window), run)
    }
}

/// Configuration of a [`Conv2d`], as [`burn::nn::conv::Conv2dConfig`].
#[derive(Config, Debug)]
pub struct Conv2dConfig {
    /// Numbers of input and output channels.
    pub channels: [usize; 2],
    /// Size of the kernel.
    pub kernel_size: [usize; 2],
    /// Steps of the kernel over the input.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// Distance of neighbouring places in the kernel.
    #[config(default = "[1, 1]")]
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other; divides the input and the output channels.
    #[config(default = "1")]
    pub groups: usize,
    /// Zeros around the input. `Same` keeps ⌈size / stride⌉ positions in each dimension.
    #[config(default = "PaddingConfig2d::Valid")]
    pub padding: PaddingConfig2d,
    /// Whether a bias is added.
    #[config(default = true)]
    pub bias: bool,
    /// How the parameters start.
    #[config(default = "Initializer::KaimingUniform{gain:1.0/3.0f64.sqrt(), fan_out_only:false}")]
    pub initializer: Initializer,
}

impl Conv2dConfig {
    /// A fresh layer.
    ///
    /// # Panics
    /// Where the groups do not divide the channels.
    #[must_use]
    pub fn init(&self, device: &Device) -> Conv2d {
        let burn = burn::nn::conv::Conv2dConfig {
            channels: self.channels,
            kernel_size: self.kernel_size,
            stride: self.stride,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding.clone(),
            bias: self.bias,
            initializer: self.initializer.clone(),
        };
        burn.init(device).into()
    }
}

/// A convolution over 2 dimensions, as [`burn::nn::conv::Conv2d`].
///
/// Shapes: `[batch, channels_in, height, width]` becomes `[batch, channels_out, ..]`.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[channels_out, channels_in / groups, kernel..]`.
    pub weight: Param<Tensor<4>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Steps of the kernel over the input.
    pub stride: [usize; 2],
    /// Size of the kernel.
    pub kernel_size: [usize; 2],
    /// Distance of neighbouring places in the kernel.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Zeros around the input.
    #[module(skip)]
    pub padding: PaddingConfig2d,
}

impl From<burn::nn::conv::Conv2d> for Conv2d {
    fn from(layer: burn::nn::conv::Conv2d) -> Self {
        let burn::nn::conv::Conv2d { weight, bias, stride, kernel_size, dilation, groups, padding, .. } = layer;
        Self { weight, bias, stride, kernel_size, dilation, groups, padding }
    }
}

impl Conv2d {
    /// The layer's output.
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let padding = match &self.padding {
            PaddingConfig2d::Valid => [(0, 0); 2],
            PaddingConfig2d::Same => [0, 1].map(|i| same(self.kernel_size[i], self.stride[i], input.dims()[2 + i])),
            PaddingConfig2d::Explicit(top, left, bottom, right) => [(*top, *bottom), (*left, *right)],
        };
        self.padded(input, padding)
    }

    fn padded(&self, input: Tensor<4>, padding: [(usize, usize); 2]) -> Tensor<4> {
        let (stride, dilation) = (self.stride, self.dilation);
        let window = Window { kernel: self.kernel_size, stride, dilation, padding, groups: self.groups };
        let options = ConvOptions::new_with_padding(stride, padding, dilation, self.groups);
        let parameters = (&self.weight, self.bias.as_ref());
        apply_kernel(&input, parameters, window)
            .unwrap_or_else(|| apply(input, parameters, (Direction::Forwards, window), |x, w, b| conv2d(x, w, b, options)))
    }
}

/// Configuration of a [`Conv3d`], as [`burn::nn::conv::Conv3dConfig`].
#[derive(Config, Debug)]
pub struct Conv3dConfig {
    /// Numbers of input and output channels.
    pub channels: [usize; 2],
    /// Size of the kernel.
    pub kernel_size: [usize; 3],
    /// Steps of the kernel over the input.
    #[config(default = "[1, 1, 1]")]
    pub stride: [usize; 3],
    /// Distance of neighbouring places in the kernel.
    #[config(default = "[1, 1, 1]")]
    pub dilation: [usize; 3],
    /// Groups of channels that do not see each other; divides the input and the output channels.
    #[config(default = "1")]
    pub groups: usize,
    /// Zeros around the input. `Same` keeps ⌈size / stride⌉ positions in each dimension; it needs odd kernels.
    #[config(default = "PaddingConfig3d::Valid")]
    pub padding: PaddingConfig3d,
    /// Whether a bias is added.
    #[config(default = true)]
    pub bias: bool,
    /// How the parameters start.
    #[config(default = "Initializer::KaimingUniform{gain:1.0/3.0f64.sqrt(), fan_out_only:false}")]
    pub initializer: Initializer,
}

impl Conv3dConfig {
    /// A fresh layer.
    ///
    /// # Panics
    /// Where the groups do not divide the channels, or for `Same` with an even kernel.
    #[must_use]
    pub fn init(&self, device: &Device) -> Conv3d {
        let burn = burn::nn::conv::Conv3dConfig {
            channels: self.channels,
            kernel_size: self.kernel_size,
            stride: self.stride,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding.clone(),
            bias: self.bias,
            initializer: self.initializer.clone(),
        };
        burn.init(device).into()
    }
}

/// A convolution over 3 dimensions, as [`burn::nn::conv::Conv3d`].
///
/// Shapes: `[batch, channels_in, depth, height, width]` becomes `[batch, channels_out, ..]`.
#[derive(Module, Debug)]
pub struct Conv3d {
    /// `[channels_out, channels_in / groups, kernel..]`.
    pub weight: Param<Tensor<5>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Steps of the kernel over the input.
    pub stride: [usize; 3],
    /// Size of the kernel.
    pub kernel_size: [usize; 3],
    /// Distance of neighbouring places in the kernel.
    pub dilation: [usize; 3],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Zeros around the input.
    #[module(skip)]
    pub padding: PaddingConfig3d,
}

impl From<burn::nn::conv::Conv3d> for Conv3d {
    fn from(layer: burn::nn::conv::Conv3d) -> Self {
        let burn::nn::conv::Conv3d { weight, bias, stride, kernel_size, dilation, groups, padding, .. } = layer;
        Self { weight, bias, stride, kernel_size, dilation, groups, padding }
    }
}

impl Conv3d {
    /// The layer's output.
    ///
    /// # Panics
    /// Where `Same` needs more padding on one side than on the other: Burn has no such convolution in three dimensions.
    #[must_use]
    pub fn forward(&self, input: Tensor<5>) -> Tensor<5> {
        let padding = match &self.padding {
            PaddingConfig3d::Valid => [(0, 0); 3],
            PaddingConfig3d::Same => [0, 1, 2].map(|i| same(self.kernel_size[i], self.stride[i], input.dims()[2 + i])),
            PaddingConfig3d::Explicit(depth, height, width) => [*depth, *height, *width].map(|p| (p, p)),
        };
        self.padded(input, padding)
    }

    fn padded(&self, input: Tensor<5>, padding: [(usize, usize); 3]) -> Tensor<5> {
        let (stride, dilation) = (self.stride, self.dilation);
        let window = Window { kernel: self.kernel_size, stride, dilation, padding, groups: self.groups };
        let options = ConvOptions::new_with_padding(stride, padding, dilation, self.groups);
        apply(input, (&self.weight, self.bias.as_ref()), (Direction::Forwards, window), |x, w, b| conv3d(x, w, b, options))
    }
}

/// Zeros before and after that keep ⌈size / stride⌉ positions; the odd one goes last. Like Burn's, it does not look at the dilation.
fn same(kernel: usize, stride: usize, size: usize) -> (usize, usize) {
    let total = (size.div_ceil(stride).saturating_sub(1) * stride + kernel).saturating_sub(size);
    (total / 2, total - total / 2)
}
