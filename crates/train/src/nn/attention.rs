//! Multi-head attention.

use super::attention_kernel::{self, Masks};
use super::{Linear, LinearConfig, RotaryEncoding};
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Gelu, Initializer};
use burn::tensor::{Bool, Device, Tensor, activation};

pub use burn::nn::attention::{GeneratePaddingMask, MhaOutput, SeqLengthOption, generate_autoregressive_mask, generate_padding_mask};

/// Configuration of [`MultiHeadAttention`], as [`burn::nn::attention::MultiHeadAttentionConfig`].
#[derive(Config, Debug)]
pub struct MultiHeadAttentionConfig {
    /// Size of an input and an output, a multiple of `n_heads`.
    pub d_model: usize,
    /// Number of heads.
    pub n_heads: usize,
    /// Chance that an attention weight is dropped in training, in [0, 1).
    #[config(default = 0.1)]
    pub dropout: f64,
    /// What a masked score becomes.
    #[config(default = -1.0e4)]
    pub min_float: f64,
    /// Whether a head may attend to nothing (softmax with one more 1 in the denominator).
    #[config(default = false)]
    pub quiet_softmax: bool,
    /// How the parameters start.
    #[config(default = "Initializer::KaimingUniform{gain:1.0/3.0f64.sqrt(), fan_out_only:false}")]
    pub initializer: Initializer,
    /// Whether keys have a bias.
    #[config(default = true)]
    pub key_bias: bool,
    /// Whether values have a bias.
    #[config(default = true)]
    pub value_bias: bool,
    /// Whether queries have a bias.
    #[config(default = true)]
    pub query_bias: bool,
    /// Whether the output has a bias.
    #[config(default = true)]
    pub output_bias: bool,
}

impl MultiHeadAttentionConfig {
    /// A fresh layer.
    ///
    /// # Panics
    /// Where `dropout` is out of range.
    #[must_use]
    pub fn init(&self, device: &Device) -> MultiHeadAttention {
        let linear =
            |bias| LinearConfig::new(self.d_model, self.d_model).with_bias(bias).with_initializer(self.initializer.clone()).init(device);
        MultiHeadAttention {
            query: linear(self.query_bias),
            key: linear(self.key_bias),
            value: linear(self.value_bias),
            output: linear(self.output_bias),
            dropout: DropoutConfig::new(self.dropout).init(),
            activation: Gelu::new(),
            d_model: self.d_model,
            n_heads: self.n_heads,
            d_k: self.d_model / self.n_heads,
            min_float: self.min_float,
            quiet_softmax: self.quiet_softmax,
        }
    }
}

/// `softmax(Q Kᵀ / √d_k) V` in each head (Vaswani et al. 2017, arXiv:1706.03762, section 3.2), as
/// [`burn::nn::attention::MultiHeadAttention`].
///
/// A row attends to itself alone, never to another row of the batch.
#[derive(Module, Debug)]
pub struct MultiHeadAttention {
    /// Q.
    pub query: Linear,
    /// K.
    pub key: Linear,
    /// V.
    pub value: Linear,
    /// From the heads side by side to the output.
    pub output: Linear,
    /// On the attention weights.
    pub dropout: Dropout,
    /// Of no effect, as in Burn, whose records hold it.
    pub activation: Gelu,
    /// Size of an input and an output.
    pub d_model: usize,
    /// Number of heads.
    pub n_heads: usize,
    /// Size of a query and a key in a head.
    pub d_k: usize,
    /// What a masked score becomes.
    pub min_float: f64,
    /// Whether a head may attend to nothing.
    pub quiet_softmax: bool,
}

/// What [`MultiHeadAttention`] takes, as [`burn::nn::attention::MhaInput`].
#[derive(Clone, Debug)]
pub struct MhaInput {
    pub(super) query: Tensor<3>,
    pub(super) key: Tensor<3>,
    pub(super) value: Tensor<3>,
    pub(super) mask_pad: Option<Tensor<2, Bool>>,
    pub(super) mask_attn: Option<Tensor<3, Bool>>,
}

impl MhaInput {
    /// A sequence that attends to itself, `[batch, length, d_model]`.
    #[must_use]
    pub fn self_attn(tensor: Tensor<3>) -> Self {
        Self::new(tensor.clone(), tensor.clone(), tensor)
    }

    /// Queries `[batch, length, d_model]` that attend to keys and values `[batch, other, d_model]`.
    #[must_use]
    pub fn new(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>) -> Self {
        Self { query, key, value, mask_pad: None, mask_attn: None }
    }

    /// Which keys are padding, `[batch, other]`.
    #[must_use]
    pub fn mask_pad(mut self, mask_pad: Tensor<2, Bool>) -> Self {
        self.mask_pad = Some(mask_pad);
        self
    }

    /// Which keys a query may not see, `[batch, length, other]`; see [`generate_autoregressive_mask`].
    #[must_use]
    pub fn mask_attn(mut self, mask_attn: Tensor<3, Bool>) -> Self {
        self.mask_attn = Some(mask_attn);
        self
    }
}

impl From<burn::nn::attention::MultiHeadAttention> for MultiHeadAttention {
    fn from(layer: burn::nn::attention::MultiHeadAttention) -> Self {
        Self {
            query: layer.query.into(),
            key: layer.key.into(),
            value: layer.value.into(),
            output: layer.output.into(),
            dropout: layer.dropout,
            activation: layer.activation,
            d_model: layer.d_model,
            n_heads: layer.n_heads,
            d_k: layer.d_k,
            min_float: layer.min_float,
            quiet_softmax: layer.quiet_softmax,
        }
    }
}

impl MultiHeadAttention {
    /// The layer's output, `[batch, length, d_model]`, and its attention weights, `[batch, n_heads, length, other]`.
    #[must_use]
    pub fn forward(&self, input: MhaInput) -> MhaOutput {
        if self.quiet_softmax {
            return self.attend(input, |t| t);
        }
        let MhaInput { query, key, value, mask_pad, mask_attn } = input;
        let (query, key, value) = (self.query.forward(query), self.key.forward(key), self.value.forward(value));
        let masks = Masks { min_float: self.min_float as f32, pad: mask_pad, hidden: mask_attn };
        if let Some(weights) = attention_kernel::weights(&query, &key, self.n_heads, &masks) {
            let weights = self.dropout.forward(weights);
            if let Some(context) = attention_kernel::mix(&weights, &value) {
                return MhaOutput { weights, context: self.output.forward(context) };
            }
        }
        self.attend_to([query, key, value].map(|t| self.by_heads(t)), masks.pad, masks.hidden)
    }

    /// As [`forward`](Self::forward), with queries and keys turned by their positions (Su et al. 2021, arXiv:2104.09864).
    ///
    /// ```
    /// use burn::tensor::{Device, Distribution, Tensor};
    /// use reticent_train::nn::RotaryEncodingConfig;
    /// use reticent_train::nn::attention::{MhaInput, MultiHeadAttentionConfig, generate_autoregressive_mask};
    /// let device = Device::flex();
    /// let layer = MultiHeadAttentionConfig::new(8, 2).init(&device);
    /// // Longest sequence, and the size of a head.
    /// let rotary = RotaryEncodingConfig::new(16, layer.d_k).init(&device);
    /// let x = Tensor::random([3, 5, 8], Distribution::Default, &device);
    /// let input = MhaInput::self_attn(x).mask_attn(generate_autoregressive_mask(3, 5, &device));
    /// assert_eq!(layer.forward_with_rotary(input, &rotary).context.dims(), [3, 5, 8]);
    /// ```
    ///
    /// # Panics
    /// Where the encoding's `d_model` is not this layer's `d_k`, or a sequence is longer than it knows.
    #[must_use]
    pub fn forward_with_rotary(&self, input: MhaInput, rotary: &RotaryEncoding) -> MhaOutput {
        // The encoding's tables stay f32 where a model does not.
        self.attend(input, |t| {
            let dtype = t.dtype();
            rotary.forward(t.cast(rotary.freq_complex.dtype())).cast(dtype)
        })
    }

    fn attend(&self, input: MhaInput, turned: impl Fn(Tensor<4>) -> Tensor<4>) -> MhaOutput {
        let query = turned(self.by_heads(self.query.forward(input.query)));
        let key = turned(self.by_heads(self.key.forward(input.key)));
        let value = self.by_heads(self.value.forward(input.value));
        self.attend_to([query, key, value], input.mask_pad, input.mask_attn)
    }

    fn attend_to(&self, [query, key, value]: [Tensor<4>; 3], pad: Option<Tensor<2, Bool>>, hidden: Option<Tensor<3, Bool>>) -> MhaOutput {
        let [batch, _, length, _] = query.dims();
        let scores = query.matmul(key.transpose()).div_scalar((self.d_k as f32).sqrt());
        let weights = self.weights(scores, pad, hidden);
        let context = weights.clone().matmul(value).swap_dims(1, 2).reshape([batch, length, self.d_model]);
        MhaOutput { weights, context: self.output.forward(context) }
    }

    /// `[batch, n_heads, length, d_k]`.
    fn by_heads(&self, x: Tensor<3>) -> Tensor<4> {
        let [batch, length, _] = x.dims();
        x.reshape([batch, length, self.n_heads, self.d_k]).swap_dims(1, 2)
    }

    fn weights(&self, mut scores: Tensor<4>, pad: Option<Tensor<2, Bool>>, hidden: Option<Tensor<3, Bool>>) -> Tensor<4> {
        if let Some(pad) = pad {
            let [batch, other] = pad.dims();
            scores = scores.mask_fill(pad.reshape([batch, 1, 1, other]), self.min_float);
        }
        if let Some(hidden) = hidden {
            let [batch, length, other] = hidden.dims();
            scores = scores.mask_fill(hidden.reshape([batch, 1, length, other]), self.min_float);
        }
        let weights = if self.quiet_softmax { activation::quiet_softmax(scores, 3) } else { activation::softmax(scores, 3) };
        self.dropout.forward(weights)
    }
}
