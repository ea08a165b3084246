//! Layers that train like `burn::nn`'s and, inside a private step, also record what per-unit gradients need.
//!
//! Each has the configuration, the parameters and the `forward` of its namesake in [`burn::nn`], so that a model is made private by
//! changing where its layers come from; records load both ways. The first dimension of every input is the batch: one entry a row, the rows
//! of a unit together.

mod activations;
pub mod attention;
mod attention_kernel;
pub mod conv;
mod embedding;
mod gelu;
mod linear;
mod linear_kernel;
mod norm;
pub mod pool;
mod recurrent;
mod tanh;
pub mod transformer;
mod without_parameters;

pub use activations::{PRelu, PReluConfig, SwiGlu, SwiGluConfig};
pub use embedding::{Embedding, EmbeddingConfig};
pub use gelu::gelu;
pub use linear::{Linear, LinearConfig, linear, linear_transposed};
pub use norm::{GroupNorm, GroupNormConfig, InstanceNorm, InstanceNormConfig, LayerNorm, LayerNormConfig, RmsNorm, RmsNormConfig};
pub use recurrent::{
    BiGru, BiGruConfig, BiLstm, BiLstmConfig, BiRnn, BiRnnConfig, GateController, Gru, GruConfig, Lstm, LstmConfig, LstmState, Rnn,
    RnnConfig, RnnState,
};
pub use tanh::{Tanh, tanh};
pub use without_parameters::*;
