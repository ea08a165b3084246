//! Models ready to use, each a Burn module from a configuration, made of the layers of [`crate::nn`].
//!
//! `losses` of each is what [`clipped_sum`](crate::clipped_sum) takes: one loss a row, zero for padding.
//!
//! ```
//! use burn::tensor::Device;
//! use reticent_train::models::{ClassBatch, Mlp, MlpConfig};
//! use reticent_train::{Clip, clipped_sum};
//! let device = Device::flex().autodiff();
//! let model = MlpConfig::new(2, 3).with_hidden(vec![8]).init(&device);
//! // Two units of at most two rows: inputs and one of three classes.
//! let units = [vec![(vec![0.5, -1.0], 2), (vec![0.1, 0.2], 0)], vec![(vec![1.0, 1.0], 1)]];
//! let batch = ClassBatch::from_units(&units, 3, 2, &Device::flex())?;
//! let sum = clipped_sum(&model, Some(&batch), Mlp::losses, &Clip::flat(1.0))?;
//! # let _ = sum;
//! # Ok::<(), reticent_train::Error>(())
//! ```

mod batch;
mod cnn;
mod decoder;
mod mlp;
mod sequence;
mod text;
mod units;

pub use batch::{ClassBatch, RowInputs, Tokens};
pub use cnn::{Cnn, CnnConfig};
pub use decoder::{Decoder, DecoderConfig, Positions, bytes_of, symbols_of};
pub use mlp::{Mlp, MlpConfig};
pub use sequence::{LstmClassifier, LstmClassifierConfig, TransformerClassifier, TransformerClassifierConfig};
pub use text::TextBatch;
pub use units::InMemory;

use burn::tensor::{Int, Tensor, activation};

/// Cross-entropy of each row of logits `[rows, classes]` with its class `[rows]`, times its weight.
fn cross_entropy(logits: Tensor<2>, classes: Tensor<1, Int>, weight: Tensor<1>) -> Tensor<1> {
    let of_class: Tensor<1> = activation::log_softmax(logits, 1).gather(1, classes.unsqueeze_dim(1)).squeeze_dim(1);
    of_class.neg() * weight
}
