//! Elman's recurrent layer, in one direction and in both.

use super::steps::{Reset, Steps, run};
use super::{GateController, batch_first, clipped};
use burn::config::Config;
use burn::module::Module;
use burn::nn::activation::{Activation, ActivationConfig};
use burn::nn::{Initializer, RnnState};
use burn::tensor::{Device, Tensor};

/// Configuration of a [`Rnn`], as [`burn::nn::RnnConfig`].
#[derive(Config, Debug)]
pub struct RnnConfig {
    /// Size of an input.
    pub d_input: usize,
    /// Size of the hidden state.
    pub d_hidden: usize,
    /// Whether the gate has biases.
    pub bias: bool,
    /// How the parameters start.
    #[config(default = "Initializer::XavierNormal{gain:1.0}")]
    pub initializer: Initializer,
    /// Whether inputs and outputs are `[batch, time, ..]`, not `[time, batch, ..]`.
    #[config(default = true)]
    pub batch_first: bool,
    /// Whether time runs backwards.
    #[config(default = false)]
    pub reverse: bool,
    /// Bound on the absolute hidden state.
    pub clip: Option<f64>,
    /// Activation of the gate.
    #[config(default = "ActivationConfig::Tanh")]
    pub hidden_activation: ActivationConfig,
}

impl RnnConfig {
    /// A fresh layer.
    #[must_use]
    pub fn init(&self, device: &Device) -> Rnn {
        Rnn {
            gate: GateController::new(self.d_input, self.d_hidden, self.bias, self.initializer.clone(), device),
            d_hidden: self.d_hidden,
            batch_first: self.batch_first,
            reverse: self.reverse,
            clip: self.clip,
            hidden_activation: self.hidden_activation.init(device),
        }
    }
}

/// `h_t = tanh(x_t · W_x + b_x + h_{t-1} · W_h + b_h)`, as [`burn::nn::Rnn`].
///
/// Inside a private step an activation with parameters of its own is refused.
#[derive(Module, Debug)]
pub struct Rnn {
    /// The gate.
    pub gate: GateController,
    /// Size of the hidden state.
    pub d_hidden: usize,
    /// Whether inputs and outputs are `[batch, time, ..]`, not `[time, batch, ..]`.
    pub batch_first: bool,
    /// Whether time runs backwards.
    pub reverse: bool,
    /// Bound on the absolute hidden state.
    pub clip: Option<f64>,
    /// Activation of the gate.
    pub hidden_activation: Activation,
}

impl From<burn::nn::Rnn> for Rnn {
    fn from(layer: burn::nn::Rnn) -> Self {
        Self {
            gate: layer.gate.into(),
            d_hidden: layer.d_hidden,
            batch_first: layer.batch_first,
            reverse: layer.reverse,
            clip: layer.clip,
            hidden_activation: layer.hidden_activation,
        }
    }
}

impl Rnn {
    /// The hidden state after each step, `[batch, time, d_hidden]`, and after the last, `[batch, d_hidden]`, from inputs `[batch, time, d_input]`
    /// and a first state, zero where none is given.
    #[must_use]
    pub fn forward(&self, input: Tensor<3>, state: Option<RnnState<2>>) -> (Tensor<3>, RnnState<2>) {
        let (output, hidden) = self.run(batch_first(input, self.batch_first), state.map(|s| s.hidden), self.reverse);
        (batch_first(output, self.batch_first), RnnState::new(hidden))
    }

    fn run(&self, input: Tensor<3>, hidden: Option<Tensor<2>>, reverse: bool) -> (Tensor<3>, Tensor<2>) {
        let [batch, time, _] = input.dims();
        let like = (&input.device(), input.dtype());
        let hidden = hidden.unwrap_or_else(|| Tensor::zeros([batch, self.d_hidden], like));
        if time == 0 {
            return (Tensor::zeros([batch, 0, self.d_hidden], like), hidden);
        }
        let mut steps = Steps::new(&[&self.gate], input, Reset::Never);
        let result = run(time, reverse, hidden, |t, hidden| {
            let (given, product) = steps.at(t, &hidden);
            let hidden = clipped(self.hidden_activation.forward(given + product), self.clip);
            (hidden.clone(), hidden)
        });
        steps.finish();
        result
    }
}

/// Configuration of a [`BiRnn`], as [`burn::nn::BiRnnConfig`].
#[derive(Config, Debug)]
pub struct BiRnnConfig {
    /// Size of an input.
    pub d_input: usize,
    /// Size of the hidden state of each direction.
    pub d_hidden: usize,
    /// Whether the gates have biases.
    pub bias: bool,
    /// How the parameters start.
    #[config(default = "Initializer::XavierNormal{gain:1.0}")]
    pub initializer: Initializer,
    /// Whether inputs and outputs are `[batch, time, ..]`, not `[time, batch, ..]`.
    #[config(default = true)]
    pub batch_first: bool,
    /// Bound on the absolute hidden state.
    pub clip: Option<f64>,
    /// Activation of the gates.
    #[config(default = "ActivationConfig::Tanh")]
    pub hidden_activation: ActivationConfig,
}

impl BiRnnConfig {
    /// A fresh layer.
    #[must_use]
    pub fn init(&self, device: &Device) -> BiRnn {
        let one = RnnConfig::new(self.d_input, self.d_hidden, self.bias)
            .with_initializer(self.initializer.clone())
            .with_clip(self.clip)
            .with_hidden_activation(self.hidden_activation.clone());
        BiRnn { forward: one.init(device), reverse: one.init(device), d_hidden: self.d_hidden, batch_first: self.batch_first }
    }
}

/// A [`Rnn`] in each direction of time, their outputs side by side, as [`burn::nn::BiRnn`].
#[derive(Module, Debug)]
pub struct BiRnn {
    /// Forward in time.
    pub forward: Rnn,
    /// Backward in time.
    pub reverse: Rnn,
    /// Size of the hidden state of each direction.
    pub d_hidden: usize,
    /// Whether inputs and outputs are `[batch, time, ..]`, not `[time, batch, ..]`.
    pub batch_first: bool,
}

impl From<burn::nn::BiRnn> for BiRnn {
    fn from(layer: burn::nn::BiRnn) -> Self {
        Self { forward: layer.forward.into(), reverse: layer.reverse.into(), d_hidden: layer.d_hidden, batch_first: layer.batch_first }
    }
}

impl BiRnn {
    /// The hidden states after each step, `[batch, time, 2 · d_hidden]`, and after the last of each direction, `[2, batch, d_hidden]`.
    #[must_use]
    pub fn forward(&self, input: Tensor<3>, state: Option<RnnState<3>>) -> (Tensor<3>, RnnState<3>) {
        let input = batch_first(input, self.batch_first);
        let of = |direction| state.as_ref().map(|s| s.hidden.clone().narrow(0, direction, 1).squeeze_dim(0));
        let (forward, last) = self.forward.run(input.clone(), of(0), self.forward.reverse);
        let (reverse, first) = self.reverse.run(input, of(1), true);
        let output = batch_first(Tensor::cat(vec![forward, reverse], 2), self.batch_first);
        (output, RnnState::new(Tensor::stack(vec![last, first], 0)))
    }
}
