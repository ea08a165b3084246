//! Recurrent layers.

mod gate;
mod gru;
mod lstm;
mod lstm_kernel;
mod rnn;
mod steps;

pub use burn::nn::{LstmState, RnnState};
pub use gate::GateController;
pub use gru::{BiGru, BiGruConfig, Gru, GruConfig};
pub use lstm::{BiLstm, BiLstmConfig, Lstm, LstmConfig};
pub use rnn::{BiRnn, BiRnnConfig, Rnn, RnnConfig};

use burn::tensor::Tensor;

/// `[batch, time, width]` from what a user holds, and back.
fn batch_first(t: Tensor<3>, is: bool) -> Tensor<3> {
    if is { t } else { t.swap_dims(0, 1) }
}

/// Keeps what is carried from step to step within `±clip`.
fn clipped(t: Tensor<2>, clip: Option<f64>) -> Tensor<2> {
    match clip {
        Some(clip) => t.clamp(-clip, clip),
        None => t,
    }
}
