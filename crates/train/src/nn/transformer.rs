//! Transformer layers.

use super::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use super::{LayerNorm, LayerNormConfig, Linear, LinearConfig, gelu};
use burn::config::Config;
use burn::module::Module;
use burn::nn::activation::{Activation, ActivationConfig};
use burn::nn::{Dropout, DropoutConfig, Initializer, RotaryEncoding};
use burn::tensor::{Bool, Device, Tensor};

/// Configuration of a [`PositionWiseFeedForward`], as [`burn::nn::transformer::PositionWiseFeedForwardConfig`].
#[derive(Config, Debug)]
pub struct PositionWiseFeedForwardConfig {
    /// Size of an input and an output.
    pub d_model: usize,
    /// Size between the two layers.
    pub d_ff: usize,
    /// Chance that a value between them is dropped in training, in [0, 1).
    #[config(default = 0.1)]
    pub dropout: f64,
    /// How the parameters start.
    #[config(default = "Initializer::KaimingUniform{gain:1.0/3.0f64.sqrt(), fan_out_only:false}")]
    pub initializer: Initializer,
    /// Activation between the two layers.
    #[config(default = "ActivationConfig::Gelu")]
    pub activation: ActivationConfig,
}

impl PositionWiseFeedForwardConfig {
    /// A fresh layer.
    ///
    /// # Panics
    /// Where `dropout` is out of range.
    #[must_use]
    pub fn init(&self, device: &Device) -> PositionWiseFeedForward {
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).with_initializer(self.initializer.clone()).init(device);
        PositionWiseFeedForward {
            linear_inner: linear(self.d_model, self.d_ff),
            linear_outer: linear(self.d_ff, self.d_model),
            dropout: DropoutConfig::new(self.dropout).init(),
            activation: self.activation.init(device),
        }
    }
}

/// Two linear layers with an activation between them, as [`burn::nn::transformer::PositionWiseFeedForward`].
///
/// As in Burn, an activation's own parameters are not part of records.
#[derive(Module, Debug)]
pub struct PositionWiseFeedForward {
    /// `[d_model, d_ff]`.
    pub linear_inner: Linear,
    /// `[d_ff, d_model]`.
    pub linear_outer: Linear,
    /// Between the two.
    pub dropout: Dropout,
    /// Between the two.
    #[module(skip)]
    pub activation: Activation,
}

impl From<burn::nn::transformer::PositionWiseFeedForward> for PositionWiseFeedForward {
    fn from(layer: burn::nn::transformer::PositionWiseFeedForward) -> Self {
        Self {
            linear_inner: layer.linear_inner.into(),
            linear_outer: layer.linear_outer.into(),
            dropout: layer.dropout,
            activation: layer.activation,
        }
    }
}

impl PositionWiseFeedForward {
    /// The layer's output at each position, `[batch, .., d_model]` from the same.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let x = self.linear_inner.forward(input);
        let x = match &self.activation {
            Activation::Gelu(of) if !of.approximate => gelu(x),
            other => other.forward(x),
        };
        self.linear_outer.forward(self.dropout.forward(x))
    }
}

/// Configuration of a [`TransformerEncoder`], as [`burn::nn::transformer::TransformerEncoderConfig`].
#[derive(Config, Debug)]
pub struct TransformerEncoderConfig {
    /// Size of an input and an output, a multiple of `n_heads`.
    pub d_model: usize,
    /// Size inside the feed-forward layers.
    pub d_ff: usize,
    /// Number of attention heads.
    pub n_heads: usize,
    /// Number of layers.
    pub n_layers: usize,
    /// Chance that a value is dropped in training, in [0, 1).
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Whether a path is normalised before its layer, not after the sum.
    #[config(default = false)]
    pub norm_first: bool,
    /// As [`MultiHeadAttentionConfig::quiet_softmax`].
    #[config(default = false)]
    pub quiet_softmax: bool,
    /// How the parameters start.
    #[config(default = "Initializer::KaimingUniform{gain:1.0/3.0f64.sqrt(), fan_out_only:false}")]
    pub initializer: Initializer,
    /// Activation of the feed-forward layers.
    #[config(default = "ActivationConfig::Gelu")]
    pub activation: ActivationConfig,
    /// What is added to a variance before its root.
    #[config(default = 1e-5)]
    pub layer_norm_eps: f64,
}

impl TransformerEncoderConfig {
    /// A fresh stack of layers.
    ///
    /// # Panics
    /// Where `dropout` is out of range.
    #[must_use]
    pub fn init(&self, device: &Device) -> TransformerEncoder {
        TransformerEncoder {
            layers: (0..self.n_layers).map(|_| TransformerEncoderLayer::new(self, device)).collect(),
            d_model: self.d_model,
            d_ff: self.d_ff,
            n_heads: self.n_heads,
            n_layers: self.n_layers,
            dropout: self.dropout,
            norm_first: self.norm_first,
            quiet_softmax: self.quiet_softmax,
        }
    }
}

/// Layers of self-attention and feed-forward one after another (Vaswani et al. 2017, arXiv:1706.03762), as
/// [`burn::nn::transformer::TransformerEncoder`]. With a causal mask it is a decoder-only language model's body.
#[derive(Module, Debug)]
pub struct TransformerEncoder {
    /// The layers.
    pub layers: Vec<TransformerEncoderLayer>,
    /// Size of an input and an output.
    pub d_model: usize,
    /// Size inside the feed-forward layers.
    pub d_ff: usize,
    /// Number of attention heads.
    pub n_heads: usize,
    /// Number of layers.
    pub n_layers: usize,
    /// Chance that a value is dropped in training.
    pub dropout: f64,
    /// Whether a path is normalised before its layer, not after the sum.
    pub norm_first: bool,
    /// Whether a head may attend to nothing.
    pub quiet_softmax: bool,
}

/// What a [`TransformerEncoder`] takes, as [`burn::nn::transformer::TransformerEncoderInput`].
#[derive(Clone, Debug)]
pub struct TransformerEncoderInput {
    tensor: Tensor<3>,
    mask_pad: Option<Tensor<2, Bool>>,
    mask_attn: Option<Tensor<3, Bool>>,
}

impl TransformerEncoderInput {
    /// A sequence `[batch, length, d_model]`.
    #[must_use]
    pub fn new(tensor: Tensor<3>) -> Self {
        Self { tensor, mask_pad: None, mask_attn: None }
    }

    /// Which positions are padding, `[batch, length]`.
    #[must_use]
    pub fn mask_pad(mut self, mask_pad: Tensor<2, Bool>) -> Self {
        self.mask_pad = Some(mask_pad);
        self
    }

    /// Which positions a position may not see, `[batch, length, length]`.
    #[must_use]
    pub fn mask_attn(mut self, mask_attn: Tensor<3, Bool>) -> Self {
        self.mask_attn = Some(mask_attn);
        self
    }
}

impl TransformerEncoder {
    /// The layers' output, `[batch, length, d_model]`.
    #[must_use]
    pub fn forward(&self, input: TransformerEncoderInput) -> Tensor<3> {
        self.through(input, None)
    }

    /// As [`forward`](Self::forward), with rotary positions in every attention layer.
    ///
    /// # Panics
    /// As [`MultiHeadAttention::forward_with_rotary`].
    #[must_use]
    pub fn forward_with_rotary(&self, input: TransformerEncoderInput, rotary: &RotaryEncoding) -> Tensor<3> {
        self.through(input, Some(rotary))
    }

    fn through(
        &self,
        TransformerEncoderInput { tensor, mask_pad, mask_attn }: TransformerEncoderInput,
        rotary: Option<&RotaryEncoding>,
    ) -> Tensor<3> {
        self.layers.iter().fold(tensor, |x, layer| layer.through(x, mask_pad.clone(), mask_attn.clone(), rotary))
    }
}

/// Self-attention and feed-forward, each with a residual path, as [`burn::nn::transformer::TransformerEncoderLayer`].
#[derive(Module, Debug)]
pub struct TransformerEncoderLayer {
    /// Self-attention.
    pub mha: MultiHeadAttention,
    /// Feed-forward.
    pub pwff: PositionWiseFeedForward,
    /// Of the feed-forward path; with `norm_first` false, of the attention's sum.
    pub norm_1: LayerNorm,
    /// Of the attention path; with `norm_first` false, of the feed-forward's sum.
    pub norm_2: LayerNorm,
    /// On both paths.
    pub dropout: Dropout,
    /// Whether a path is normalised before its layer, not after the sum.
    pub norm_first: bool,
}

impl TransformerEncoderLayer {
    /// A fresh layer of such an encoder.
    ///
    /// # Panics
    /// Where `dropout` is out of range.
    #[must_use]
    pub fn new(config: &TransformerEncoderConfig, device: &Device) -> Self {
        let norm = || LayerNormConfig::new(config.d_model).with_epsilon(config.layer_norm_eps).init(device);
        Self {
            mha: MultiHeadAttentionConfig::new(config.d_model, config.n_heads)
                .with_initializer(config.initializer.clone())
                .with_dropout(config.dropout)
                .with_quiet_softmax(config.quiet_softmax)
                .init(device),
            pwff: PositionWiseFeedForwardConfig::new(config.d_model, config.d_ff)
                .with_initializer(config.initializer.clone())
                .with_dropout(config.dropout)
                .with_activation(config.activation.clone())
                .init(device),
            norm_1: norm(),
            norm_2: norm(),
            dropout: DropoutConfig::new(config.dropout).init(),
            norm_first: config.norm_first,
        }
    }

    /// The layer's output, `[batch, length, d_model]`; masks as of [`TransformerEncoderInput`].
    #[must_use]
    pub fn forward(&self, input: Tensor<3>, mask_pad: Option<Tensor<2, Bool>>, mask_attn: Option<Tensor<3, Bool>>) -> Tensor<3> {
        self.through(input, mask_pad, mask_attn, None)
    }

    fn through(
        &self,
        x: Tensor<3>,
        mask_pad: Option<Tensor<2, Bool>>,
        mask_attn: Option<Tensor<3, Bool>>,
        rotary: Option<&RotaryEncoding>,
    ) -> Tensor<3> {
        let input = MhaInput {
            mask_pad,
            mask_attn,
            ..MhaInput::self_attn(if self.norm_first { self.norm_2.forward(x.clone()) } else { x.clone() })
        };
        let attended = match rotary {
            Some(rotary) => self.mha.forward_with_rotary(input, rotary),
            None => self.mha.forward(input),
        };
        let x = x + self.dropout.forward(attended.context);
        if self.norm_first {
            let fed = self.pwff.forward(self.norm_1.forward(x.clone()));
            return x + self.dropout.forward(fed);
        }
        let x = self.norm_1.forward(x);
        let fed = self.pwff.forward(x.clone());
        self.norm_2.forward(x + self.dropout.forward(fed))
    }
}
