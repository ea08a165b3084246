//! Long short-term memory, in one direction and in both.

use super::steps::{Reset, Steps, run};
use super::{GateController, batch_first, clipped, lstm_kernel};
use crate::tape;
use burn::config::Config;
use burn::module::Module;
use burn::nn::activation::{Activation, ActivationConfig};
use burn::nn::{Initializer, LstmState};
use burn::tensor::{Device, Tensor};

/// Configuration of a [`Lstm`], as [`burn::nn::LstmConfig`].
#[derive(Config, Debug)]
pub struct LstmConfig {
    /// Size of an input.
    pub d_input: usize,
    /// Size of the hidden state and of the cell state.
    pub d_hidden: usize,
    /// Whether the gates have biases.
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
    /// Bound on the absolute cell state.
    pub clip: Option<f64>,
    /// Whether the forget gate is 1 - i, with no parameters of its own.
    #[config(default = false)]
    pub input_forget: bool,
    /// Activation of the input, forget and output gates.
    #[config(default = "ActivationConfig::Sigmoid")]
    pub gate_activation: ActivationConfig,
    /// Activation of the cell gate.
    #[config(default = "ActivationConfig::Tanh")]
    pub cell_activation: ActivationConfig,
    /// Activation of the cell state on its way to the hidden state.
    #[config(default = "ActivationConfig::Tanh")]
    pub hidden_activation: ActivationConfig,
}

impl LstmConfig {
    /// A fresh layer.
    #[must_use]
    pub fn init(&self, device: &Device) -> Lstm {
        let gate = || GateController::new(self.d_input, self.d_hidden, self.bias, self.initializer.clone(), device);
        Lstm {
            input_gate: gate(),
            forget_gate: (!self.input_forget).then(gate),
            output_gate: gate(),
            cell_gate: gate(),
            d_hidden: self.d_hidden,
            batch_first: self.batch_first,
            reverse: self.reverse,
            clip: self.clip,
            input_forget: self.input_forget,
            gate_activation: self.gate_activation.init(device),
            cell_activation: self.cell_activation.init(device),
            hidden_activation: self.hidden_activation.init(device),
        }
    }
}

/// `c_t = f ∘ c_{t-1} + i ∘ g`, `h_t = o ∘ tanh(c_t)` with the input gate i, the forget gate f, the output gate o and the cell gate g
/// (Hochreiter and Schmidhuber 1997; Gers et al. 2000), as [`burn::nn::Lstm`].
///
/// Inside a private step an activation with parameters of its own is refused.
#[derive(Module, Debug)]
pub struct Lstm {
    /// i.
    pub input_gate: GateController,
    /// f; `None` with `input_forget`.
    pub forget_gate: Option<GateController>,
    /// o.
    pub output_gate: GateController,
    /// g.
    pub cell_gate: GateController,
    /// Size of the hidden state and of the cell state.
    pub d_hidden: usize,
    /// Whether inputs and outputs are `[batch, time, ..]`, not `[time, batch, ..]`.
    pub batch_first: bool,
    /// Whether time runs backwards.
    pub reverse: bool,
    /// Bound on the absolute cell state.
    pub clip: Option<f64>,
    /// Whether the forget gate is 1 - i.
    pub input_forget: bool,
    /// Activation of the input, forget and output gates.
    pub gate_activation: Activation,
    /// Activation of the cell gate.
    pub cell_activation: Activation,
    /// Activation of the cell state on its way to the hidden state.
    pub hidden_activation: Activation,
}

impl From<burn::nn::Lstm> for Lstm {
    fn from(layer: burn::nn::Lstm) -> Self {
        Self {
            input_gate: layer.input_gate.into(),
            forget_gate: layer.forget_gate.map(Into::into),
            output_gate: layer.output_gate.into(),
            cell_gate: layer.cell_gate.into(),
            d_hidden: layer.d_hidden,
            batch_first: layer.batch_first,
            reverse: layer.reverse,
            clip: layer.clip,
            input_forget: layer.input_forget,
            gate_activation: layer.gate_activation,
            cell_activation: layer.cell_activation,
            hidden_activation: layer.hidden_activation,
        }
    }
}

impl Lstm {
    /// The hidden state after each step, `[batch, time, d_hidden]`, and both states after the last, `[batch, d_hidden]`, from inputs
    /// `[batch, time, d_input]` and first states, zero where none are given.
    ///
    /// # Panics
    /// Where the forget gate is missing and `input_forget` does not replace it.
    #[must_use]
    pub fn forward(&self, input: Tensor<3>, state: Option<LstmState<2>>) -> (Tensor<3>, LstmState<2>) {
        let (output, state) = self.run(batch_first(input, self.batch_first), state, self.reverse);
        (batch_first(output, self.batch_first), state)
    }

    fn run(&self, input: Tensor<3>, state: Option<LstmState<2>>, reverse: bool) -> (Tensor<3>, LstmState<2>) {
        let ([batch, time, _], width) = (input.dims(), self.d_hidden);
        let like = (&input.device(), input.dtype());
        let state = state.unwrap_or_else(|| LstmState::new(Tensor::zeros([batch, width], like), Tensor::zeros([batch, width], like)));
        if time == 0 {
            return (Tensor::zeros([batch, 0, width], like), state);
        }
        let mut gates = vec![&self.input_gate, &self.output_gate, &self.cell_gate];
        if !self.input_forget {
            gates.push(self.forget_gate.as_ref().expect("there is a forget gate where input_forget is false"));
        }
        let mut steps = Steps::new(&gates, input, Reset::Never);
        if let Some(all) = self.all_at_once(&mut steps, &state, reverse) {
            steps.finish();
            return all;
        }
        let (output, state) = run(time, reverse, state, |t, LstmState { cell, hidden }| {
            let (given, product) = steps.at(t, &hidden);
            let all = given + product;
            let of = |gate: usize| all.clone().narrow(1, gate * width, width);
            let take = self.gate_activation.forward(of(0));
            let keep = if self.input_forget { take.clone().neg() + 1.0 } else { self.gate_activation.forward(of(3)) };
            let show = self.gate_activation.forward(of(1));
            let cell = clipped(keep * cell + take * self.cell_activation.forward(of(2)), self.clip);
            let hidden = show * self.hidden_activation.forward(cell.clone());
            (hidden.clone(), LstmState::new(cell, hidden))
        });
        steps.finish();
        (output, state)
    }
}

impl Lstm {
    /// All steps by one kernel, with the usual gates on the processor.
    fn all_at_once(&self, steps: &mut Steps, state: &LstmState<2>, reverse: bool) -> Option<(Tensor<3>, LstmState<2>)> {
        let usual = matches!(
            (&self.gate_activation, &self.cell_activation, &self.hidden_activation),
            (Activation::Sigmoid(_), Activation::Tanh(_), Activation::Tanh(_))
        );
        if !usual || self.input_forget || self.clip.is_some() {
            return None;
        }
        let all = lstm_kernel::run(&steps.given, &steps.hidden_weight, [&state.hidden, &state.cell], reverse)?;
        let [batch, slots, width] = all.dims();
        let time = slots - 1;
        let (output, cell) = (all.clone().narrow(1, 0, time), all.narrow(1, time, 1).reshape([batch, width]));
        steps.took_all(|| {
            let (seen, first) = (tape::plain(output.clone()), tape::plain(state.hidden.clone()).unsqueeze_dim(1));
            match reverse {
                _ if time == 1 => first,
                false => Tensor::cat(vec![first, seen.narrow(1, 0, time - 1)], 1),
                true => Tensor::cat(vec![seen.narrow(1, 1, time - 1), first], 1),
            }
        });
        let last = if reverse { 0 } else { time - 1 };
        let hidden = output.clone().narrow(1, last, 1).reshape([batch, width]);
        Some((output, LstmState::new(cell, hidden)))
    }
}

/// Configuration of a [`BiLstm`], as [`burn::nn::BiLstmConfig`].
#[derive(Config, Debug)]
pub struct BiLstmConfig {
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
    /// Bound on the absolute cell state.
    pub clip: Option<f64>,
    /// Whether the forget gates are 1 - i, with no parameters of their own.
    #[config(default = false)]
    pub input_forget: bool,
    /// Activation of the input, forget and output gates.
    #[config(default = "ActivationConfig::Sigmoid")]
    pub gate_activation: ActivationConfig,
    /// Activation of the cell gates.
    #[config(default = "ActivationConfig::Tanh")]
    pub cell_activation: ActivationConfig,
    /// Activation of the cell states on their way to the hidden states.
    #[config(default = "ActivationConfig::Tanh")]
    pub hidden_activation: ActivationConfig,
}

impl BiLstmConfig {
    /// A fresh layer.
    #[must_use]
    pub fn init(&self, device: &Device) -> BiLstm {
        let one = LstmConfig::new(self.d_input, self.d_hidden, self.bias)
            .with_initializer(self.initializer.clone())
            .with_clip(self.clip)
            .with_input_forget(self.input_forget)
            .with_gate_activation(self.gate_activation.clone())
            .with_cell_activation(self.cell_activation.clone())
            .with_hidden_activation(self.hidden_activation.clone());
        BiLstm { forward: one.init(device), reverse: one.init(device), d_hidden: self.d_hidden, batch_first: self.batch_first }
    }
}

/// A [`Lstm`] in each direction of time, their outputs side by side, as [`burn::nn::BiLstm`].
#[derive(Module, Debug)]
pub struct BiLstm {
    /// Forward in time.
    pub forward: Lstm,
    /// Backward in time.
    pub reverse: Lstm,
    /// Size of the hidden state of each direction.
    pub d_hidden: usize,
    /// Whether inputs and outputs are `[batch, time, ..]`, not `[time, batch, ..]`.
    pub batch_first: bool,
}

impl From<burn::nn::BiLstm> for BiLstm {
    fn from(layer: burn::nn::BiLstm) -> Self {
        Self { forward: layer.forward.into(), reverse: layer.reverse.into(), d_hidden: layer.d_hidden, batch_first: layer.batch_first }
    }
}

impl BiLstm {
    /// The hidden states after each step, `[batch, time, 2 · d_hidden]`, and both states after the last of each direction,
    /// `[2, batch, d_hidden]`.
    ///
    /// # Panics
    /// As [`Lstm::forward`].
    #[must_use]
    pub fn forward(&self, input: Tensor<3>, state: Option<LstmState<3>>) -> (Tensor<3>, LstmState<3>) {
        let input = batch_first(input, self.batch_first);
        let of = |direction| state.clone().map(|s| s.map_state(|t| t.narrow(0, direction, 1).squeeze_dim(0)));
        let (forward, last) = self.forward.run(input.clone(), of(0), self.forward.reverse);
        let (reverse, first) = self.reverse.run(input, of(1), true);
        let output = batch_first(Tensor::cat(vec![forward, reverse], 2), self.batch_first);
        (output, LstmState::stack(vec![last, first], 0))
    }
}
