//! A decoder-only language model.

use super::sequence::places;
use super::{TextBatch, cross_entropy};
use crate::gradient::read;
use crate::nn::attention::generate_autoregressive_mask;
use crate::nn::transformer::{TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput};
use crate::nn::{
    Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, RotaryEncoding, RotaryEncodingConfig, linear_transposed,
};
use crate::tape;
use burn::config::Config;
use burn::module::Module;
use burn::nn::Initializer;
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use rand::{Rng, RngExt};

/// How a [`Decoder`] knows where a symbol stands.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Positions {
    /// Queries and keys are turned by their positions (Su et al. 2021, arXiv:2104.09864): no parameters; `d_model / n_heads` must be even.
    Rotary,
    /// A learned vector for each position.
    Learned,
}

/// Configuration of a [`Decoder`]; as it starts, over bytes.
#[derive(Config, Debug)]
pub struct DecoderConfig {
    /// Number of symbols, the end of a text, which is the last of them, included.
    #[config(default = "257")]
    pub vocabulary: usize,
    /// Positions a row; what lies further back is not seen.
    #[config(default = "128")]
    pub max_length: usize,
    /// Size of a position's vector, a multiple of `n_heads`.
    #[config(default = "64")]
    pub d_model: usize,
    /// Size inside the feed-forward layers.
    #[config(default = "256")]
    pub d_ff: usize,
    /// Number of attention heads.
    #[config(default = "4")]
    pub n_heads: usize,
    /// Number of layers.
    #[config(default = "2")]
    pub n_layers: usize,
    /// Whether the embedding is the output layer too (Press and Wolf 2017, arXiv:1608.05859).
    #[config(default = true)]
    pub tied: bool,
    /// How positions are known.
    #[config(default = "Positions::Rotary")]
    pub positions: Positions,
    /// Chance that a value is dropped in training, in [0, 1).
    #[config(default = 0.0)]
    pub dropout: f64,
}

impl DecoderConfig {
    /// A fresh model.
    ///
    /// # Panics
    /// Where `dropout` is out of range, or heads of odd size are to be turned.
    #[must_use]
    pub fn init(&self, device: &Device) -> Decoder {
        // As GPT-2 (Radford et al. 2019).
        let start = || Initializer::Normal { mean: 0.0, std: 0.02 };
        let table = |of| EmbeddingConfig::new(of, self.d_model).with_initializer(start()).init(device);
        let learned = self.positions == Positions::Learned;
        Decoder {
            embedding: table(self.vocabulary),
            positions: learned.then(|| table(self.max_length)),
            rotary: (!learned).then(|| RotaryEncodingConfig::new(self.max_length, self.d_model / self.n_heads).init(device)),
            body: TransformerEncoderConfig::new(self.d_model, self.d_ff, self.n_heads, self.n_layers)
                .with_dropout(self.dropout)
                .with_norm_first(true)
                .init(device),
            norm: LayerNormConfig::new(self.d_model).init(device),
            head: (!self.tied)
                .then(|| LinearConfig::new(self.d_model, self.vocabulary).with_bias(false).with_initializer(start()).init(device)),
            vocabulary: self.vocabulary,
            max_length: self.max_length,
        }
    }
}

/// Transformer layers with a causal mask, between an embedding and logits of the next symbol.
///
/// ```
/// use burn::tensor::Device;
/// use reticent_train::models::{Decoder, DecoderConfig, TextBatch, bytes_of, symbols_of};
/// use reticent_train::{Clip, NotPrivateSeed, clipped_sum};
/// let device = Device::flex();
/// let model = DecoderConfig::new().with_max_length(16).with_d_model(8).with_d_ff(16).with_n_heads(2).init(&device.clone().autodiff());
/// // Two units, the first with two texts.
/// let units = [vec![symbols_of(b"one"), symbols_of(b"two")], vec![symbols_of(b"three")]];
/// let batch = TextBatch::new(&units, model.vocabulary, 2, 16, &device)?;
/// let sum = clipped_sum(&model, Some(&batch), Decoder::losses, &Clip::flat(1.0))?;
/// // Not trained yet: any byte may come.
/// let said = bytes_of(&model.generate(&symbols_of(b"on"), 5, 1.0, &mut NotPrivateSeed(1).rng()));
/// assert!(said.len() <= 5);
/// # let _ = sum;
/// # Ok::<(), reticent_train::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Decoder {
    /// A vector for each symbol; with no `head`, the output layer too.
    pub embedding: Embedding,
    /// A vector for each position.
    pub positions: Option<Embedding>,
    rotary: Option<RotaryEncoding>,
    /// The layers.
    pub body: TransformerEncoder,
    /// After the last.
    pub norm: LayerNorm,
    /// The output layer, where it is not the embedding.
    pub head: Option<Linear>,
    /// Number of symbols.
    pub vocabulary: usize,
    /// Positions a row.
    pub max_length: usize,
}

impl Decoder {
    /// Logits of the symbol after each, `[rows, length, vocabulary]`, from symbols `[rows, length]`.
    ///
    /// # Panics
    /// Where rows are longer than `max_length`.
    #[must_use]
    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let [rows, length] = ids.dims();
        assert!(length <= self.max_length, "{length} positions, at most {}", self.max_length);
        let mut x = self.embedding.forward(ids.clone());
        if let Some(positions) = &self.positions {
            x = x + positions.forward(places(&ids));
        }
        let input = TransformerEncoderInput::new(x).mask_attn(generate_autoregressive_mask(rows, length, &ids.device()));
        let x = match &self.rotary {
            Some(rotary) => self.body.forward_with_rotary(input, rotary),
            None => self.body.forward(input),
        };
        let x = self.norm.forward(x);
        match &self.head {
            Some(head) => head.forward(x),
            None => linear_transposed(x, &self.embedding.weight),
        }
    }

    /// Cross-entropy of each row: the sum over its positions.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    #[must_use]
    pub fn losses(&self, batch: &TextBatch) -> Tensor<1> {
        let [rows, length] = batch.inputs.dims();
        let logits: Tensor<2> = self.forward(batch.inputs.clone()).reshape([rows * length, self.vocabulary]);
        let flat = |t: Tensor<2>| -> Tensor<1> { t.reshape([rows * length]) };
        let each = cross_entropy(logits, batch.targets.clone().reshape([rows * length]), flat(batch.mask.clone()));
        each.reshape([rows, length]).sum_dim(1).squeeze_dim(1)
    }

    /// The symbol that ends a text, and stands before its first.
    #[must_use]
    pub fn end(&self) -> u32 {
        (self.vocabulary - 1) as u32
    }

    /// Natural logarithm of the probability that `continuation` follows `prefix` at the beginning of a text, the end of the text counted
    /// only where `continuation` names it. A symbol outside the vocabulary has probability 0.
    #[must_use]
    pub fn log_likelihood(&self, prefix: &[u32], continuation: &[u32]) -> f64 {
        let text: Vec<u32> = [self.end()].into_iter().chain(prefix.iter().copied()).chain(continuation.iter().copied()).collect();
        if text.iter().any(|&symbol| symbol as usize >= self.vocabulary) {
            return f64::NEG_INFINITY;
        }
        let model = self.valid();
        (prefix.len()..text.len() - 1).map(|before| model.next(&text[..=before])[text[before + 1] as usize]).sum()
    }

    /// Up to `most` symbols that follow `prompt`, drawn one after another; stops before the end of the text.
    ///
    /// `temperature` divides the logits: 0 takes the likeliest symbol each time. What a model says of its own accord may be what it was
    /// trained on. A symbol of the prompt outside the vocabulary is taken for the end of a text.
    #[must_use]
    pub fn generate(&self, prompt: &[u32], most: usize, temperature: f64, rng: &mut impl Rng) -> Vec<u32> {
        let model = self.valid();
        let known = prompt.iter().map(|&symbol| symbol.min(self.end()));
        let mut text: Vec<u32> = [self.end()].into_iter().chain(known).collect();
        for _ in 0..most {
            let log_p = model.next(&text);
            let symbol = if temperature > 0.0 { drawn(&log_p, temperature, rng) } else { likeliest(&log_p) };
            if symbol == self.end() {
                break;
            }
            text.push(symbol);
        }
        text.split_off(1 + prompt.len())
    }

    /// Logarithms of the probabilities of each symbol after these, of which the last `max_length` are seen.
    fn next(&self, text: &[u32]) -> Vec<f64> {
        let seen: Vec<i32> = text[text.len().saturating_sub(self.max_length)..].iter().map(|&symbol| symbol as i32).collect();
        let length = seen.len();
        let ids = Tensor::from_data(TensorData::new(seen, [1, length]), &tape::plain(self.embedding.weight.val()).device());
        read(activation::log_softmax(tape::plain(self.forward(ids)).narrow(1, length - 1, 1), 2))
    }
}

/// A text as symbols of a byte-level model.
#[must_use]
pub fn symbols_of(text: &[u8]) -> Vec<u32> {
    text.iter().copied().map(u32::from).collect()
}

/// The bytes that symbols of a byte-level model stand for; others are left out.
#[must_use]
pub fn bytes_of(symbols: &[u32]) -> Vec<u8> {
    symbols.iter().filter_map(|&symbol| u8::try_from(symbol).ok()).collect()
}

fn likeliest(log_p: &[f64]) -> u32 {
    let (best, _) = log_p.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).expect("there is at least one symbol");
    best as u32
}

/// By its share of `p^(1 / temperature)`.
fn drawn(log_p: &[f64], temperature: f64, rng: &mut impl Rng) -> u32 {
    let most = log_p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log_p.iter().map(|l| ((l - most) / temperature).exp()).collect();
    let mut left = rng.random::<f64>() * weights.iter().sum::<f64>();
    let place = weights.iter().position(|w| {
        left -= w;
        left < 0.0
    });
    place.map_or_else(|| likeliest(log_p), |place| place as u32)
}
