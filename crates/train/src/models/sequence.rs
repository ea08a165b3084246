//! Classifiers of sequences of symbols.

use super::{ClassBatch, Tokens, cross_entropy};
use crate::nn::transformer::{TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput};
use crate::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, Lstm, LstmConfig};
use burn::config::Config;
use burn::module::Module;
use burn::nn::Initializer;
use burn::tensor::{Device, Int, Tensor};

/// Configuration of a [`LstmClassifier`].
#[derive(Config, Debug)]
pub struct LstmClassifierConfig {
    /// Number of symbols.
    pub vocabulary: usize,
    /// Number of classes.
    pub classes: usize,
    /// Size of a symbol's vector.
    #[config(default = "64")]
    pub d_embedding: usize,
    /// Size of the hidden state.
    #[config(default = "64")]
    pub d_hidden: usize,
    /// Recurrent layers one after another, at least 1.
    #[config(default = "1")]
    pub layers: usize,
}

impl LstmClassifierConfig {
    /// A fresh model.
    #[must_use]
    pub fn init(&self, device: &Device) -> LstmClassifier {
        let layer = |index| LstmConfig::new(if index == 0 { self.d_embedding } else { self.d_hidden }, self.d_hidden, true).init(device);
        LstmClassifier {
            embedding: EmbeddingConfig::new(self.vocabulary, self.d_embedding).init(device),
            layers: (0..self.layers.max(1)).map(layer).collect(),
            head: LinearConfig::new(self.d_hidden, self.classes).init(device),
        }
    }
}

/// Recurrent layers over the symbols, a linear layer over the mean of their states.
///
/// Padding stands after a sequence and is left out of the mean, so that it changes nothing.
#[derive(Module, Debug)]
pub struct LstmClassifier {
    /// A vector for each symbol.
    pub embedding: Embedding,
    /// One after another.
    pub layers: Vec<Lstm>,
    /// To the logits.
    pub head: Linear,
}

impl LstmClassifier {
    /// Logits `[rows, classes]`.
    #[must_use]
    pub fn forward(&self, tokens: Tokens) -> Tensor<2> {
        let embedded = self.embedding.forward(tokens.ids);
        let states = self.layers.iter().fold(embedded, |x, layer| layer.forward(x, None).0);
        self.head.forward(mean(states, tokens.mask))
    }

    /// Cross-entropy of each row.
    #[must_use]
    pub fn losses(&self, batch: &ClassBatch<Tokens>) -> Tensor<1> {
        cross_entropy(self.forward(batch.inputs.clone()), batch.labels.clone(), batch.mask.clone())
    }
}

/// Configuration of a [`TransformerClassifier`].
#[derive(Config, Debug)]
pub struct TransformerClassifierConfig {
    /// Number of symbols.
    pub vocabulary: usize,
    /// Number of classes.
    pub classes: usize,
    /// Longest sequence.
    pub max_length: usize,
    /// Size of a position's vector, a multiple of `n_heads`.
    #[config(default = "64")]
    pub d_model: usize,
    /// Size inside the feed-forward layers.
    #[config(default = "128")]
    pub d_ff: usize,
    /// Number of attention heads.
    #[config(default = "4")]
    pub n_heads: usize,
    /// Number of layers.
    #[config(default = "2")]
    pub n_layers: usize,
    /// Chance that a value is dropped in training, in [0, 1).
    #[config(default = 0.0)]
    pub dropout: f64,
}

impl TransformerClassifierConfig {
    /// A fresh model.
    ///
    /// # Panics
    /// Where `dropout` is out of range.
    #[must_use]
    pub fn init(&self, device: &Device) -> TransformerClassifier {
        let table = |of| EmbeddingConfig::new(of, self.d_model).with_initializer(Initializer::Normal { mean: 0.0, std: 0.02 }).init(device);
        TransformerClassifier {
            embedding: table(self.vocabulary),
            positions: table(self.max_length),
            body: TransformerEncoderConfig::new(self.d_model, self.d_ff, self.n_heads, self.n_layers)
                .with_dropout(self.dropout)
                .with_norm_first(true)
                .init(device),
            norm: LayerNormConfig::new(self.d_model).init(device),
            head: LinearConfig::new(self.d_model, self.classes).init(device),
        }
    }
}

/// Transformer layers that see the whole sequence, a linear layer over the mean of their outputs.
///
/// Padding is attended to by nobody and left out of the mean, so that it changes nothing.
#[derive(Module, Debug)]
pub struct TransformerClassifier {
    /// A vector for each symbol.
    pub embedding: Embedding,
    /// A vector for each position.
    pub positions: Embedding,
    /// The layers.
    pub body: TransformerEncoder,
    /// After the last.
    pub norm: LayerNorm,
    /// To the logits.
    pub head: Linear,
}

impl TransformerClassifier {
    /// Logits `[rows, classes]`.
    ///
    /// # Panics
    /// Where sequences are longer than `max_length`.
    #[must_use]
    pub fn forward(&self, tokens: Tokens) -> Tensor<2> {
        let padding = tokens.mask.clone().equal_scalar(0.0);
        let x = self.embedding.forward(tokens.ids.clone()) + self.positions.forward(places(&tokens.ids));
        let x = self.body.forward(TransformerEncoderInput::new(x).mask_pad(padding));
        self.head.forward(mean(self.norm.forward(x), tokens.mask))
    }

    /// Cross-entropy of each row.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    #[must_use]
    pub fn losses(&self, batch: &ClassBatch<Tokens>) -> Tensor<1> {
        cross_entropy(self.forward(batch.inputs.clone()), batch.labels.clone(), batch.mask.clone())
    }
}

/// 0, 1, 2, .. in every row.
pub(super) fn places(ids: &Tensor<2, Int>) -> Tensor<2, Int> {
    let [rows, length] = ids.dims();
    let one: Tensor<2, Int> = Tensor::arange(0..length as i64, &ids.device()).unsqueeze();
    one.expand([rows, length])
}

/// The mean over what is no padding: `[rows, length, width]` and `[rows, length]` to `[rows, width]`.
fn mean(x: Tensor<3>, mask: Tensor<2>) -> Tensor<2> {
    let weight = mask.clone() / mask.sum_dim(1).clamp_min(1.0);
    (x * weight.unsqueeze_dim(2)).sum_dim(1).squeeze_dim(1)
}
