//! Normalisation over groups of channels.

use super::Affine;
use crate::tape;
use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

/// Configuration of a [`GroupNorm`], as [`burn::nn::GroupNormConfig`].
#[derive(Config, Debug)]
pub struct GroupNormConfig {
    /// Number of groups; divides `num_channels`.
    pub num_groups: usize,
    /// Number of channels.
    pub num_channels: usize,
    /// Added to the variance; positive.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Whether each channel has a scale and a shift.
    #[config(default = true)]
    pub affine: bool,
}

impl GroupNormConfig {
    /// A fresh layer.
    ///
    /// # Panics
    /// Where the groups do not divide the channels.
    #[must_use]
    pub fn init(&self, device: &Device) -> GroupNorm {
        let burn = burn::nn::GroupNormConfig {
            num_groups: self.num_groups,
            num_channels: self.num_channels,
            epsilon: self.epsilon,
            affine: self.affine,
        };
        burn.init(device).into()
    }
}

/// Each group of channels of a row to mean 0 and variance 1, then scaled and shifted by channel (Wu and He 2018, arXiv:1803.08494), as
/// [`burn::nn::GroupNorm`].
///
/// Shapes: `[batch, channels, ..]` in and out.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// The scale, `[channels]`.
    pub gamma: Option<Param<Tensor<1>>>,
    /// The shift, `[channels]`.
    pub beta: Option<Param<Tensor<1>>>,
    /// Number of groups.
    pub num_groups: usize,
    /// Number of channels.
    pub num_channels: usize,
    /// Added to the variance.
    pub epsilon: f64,
    /// Whether each channel has a scale and a shift.
    pub affine: bool,
}

impl From<burn::nn::GroupNorm> for GroupNorm {
    fn from(layer: burn::nn::GroupNorm) -> Self {
        let burn::nn::GroupNorm { gamma, beta, num_groups, num_channels, epsilon, affine, .. } = layer;
        Self { gamma, beta, num_groups, num_channels, epsilon, affine }
    }
}

impl GroupNorm {
    /// The layer's output.
    ///
    /// # Panics
    /// Where the second dimension is not the channels, or a scale or shift that `affine` promises is missing.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        normalise(input, self.num_groups, self.num_channels, self.epsilon, affine(&self.gamma, &self.beta, self.affine))
    }
}

/// Configuration of an [`InstanceNorm`], as [`burn::nn::InstanceNormConfig`].
#[derive(Config, Debug)]
pub struct InstanceNormConfig {
    /// Number of channels.
    pub num_channels: usize,
    /// Added to the variance; positive.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Whether each channel has a scale and a shift.
    #[config(default = true)]
    pub affine: bool,
}

impl InstanceNormConfig {
    /// A fresh layer.
    #[must_use]
    pub fn init(&self, device: &Device) -> InstanceNorm {
        let burn = burn::nn::InstanceNormConfig { num_channels: self.num_channels, epsilon: self.epsilon, affine: self.affine };
        burn.init(device).into()
    }
}

/// Each channel of a row to mean 0 and variance 1, then scaled and shifted (Ulyanov et al. 2016, arXiv:1607.08022), as
/// [`burn::nn::InstanceNorm`].
///
/// Shapes: `[batch, channels, ..]` in and out.
#[derive(Module, Debug)]
pub struct InstanceNorm {
    /// The scale, `[channels]`.
    pub gamma: Option<Param<Tensor<1>>>,
    /// The shift, `[channels]`.
    pub beta: Option<Param<Tensor<1>>>,
    /// Number of channels.
    pub num_channels: usize,
    /// Added to the variance.
    pub epsilon: f64,
    /// Whether each channel has a scale and a shift.
    pub affine: bool,
}

impl From<burn::nn::InstanceNorm> for InstanceNorm {
    fn from(layer: burn::nn::InstanceNorm) -> Self {
        let burn::nn::InstanceNorm { gamma, beta, num_channels, epsilon, affine, .. } = layer;
        Self { gamma, beta, num_channels, epsilon, affine }
    }
}

impl InstanceNorm {
    /// The layer's output.
    ///
    /// # Panics
    /// Where the second dimension is not the channels, or a scale or shift that `affine` promises is missing.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        normalise(input, self.num_channels, self.num_channels, self.epsilon, affine(&self.gamma, &self.beta, self.affine))
    }
}

/// A scale and a shift.
type ScaleAndShift<'a> = (&'a Param<Tensor<1>>, &'a Param<Tensor<1>>);

fn affine<'a>(gamma: &'a Option<Param<Tensor<1>>>, beta: &'a Option<Param<Tensor<1>>>, affine: bool) -> Option<ScaleAndShift<'a>> {
    affine.then(|| gamma.as_ref().zip(beta.as_ref()).expect("`affine` layers have a scale and a shift"))
}

fn normalise<const D: usize>(
    input: Tensor<D>,
    num_groups: usize,
    num_channels: usize,
    epsilon: f64,
    affine: Option<ScaleAndShift<'_>>,
) -> Tensor<D> {
    let burn = burn::nn::GroupNorm { gamma: None, beta: None, num_groups, num_channels, epsilon, affine: false };
    let normalised = burn.forward(input);
    let Some((gamma, beta)) = affine else { return normalised };
    let mut by_channel = [1; D];
    by_channel[1] = num_channels;
    if !tape::is_recording() {
        return normalised * gamma.val().reshape(by_channel) + beta.val().reshape(by_channel);
    }
    let (gamma_value, beta_value) = (tape::constant(gamma.val()), tape::constant(beta.val()));
    let normalised = tape::tracked(normalised);
    let seen = tape::plain(normalised.clone());
    let affine = Affine::of(Some(gamma), Some(beta));
    let dims = normalised.dims();
    let channels_last = move |t: Tensor<D>| -> Tensor<3> {
        let t: Tensor<3> = t.reshape([dims[0], num_channels, dims[2..].iter().product()]);
        t.swap_dims(1, 2)
    };
    tape::watch(normalised * gamma_value.reshape(by_channel) + beta_value.reshape(by_channel), move |gradient| {
        affine.contributions(channels_last(gradient), || channels_last(seen))
    })
}
