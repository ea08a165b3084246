//! Gated recurrent units, in one direction and in both.

use super::steps::{Reset, Steps, hidden_weight, run, value};
use super::{GateController, batch_first, clipped};
use burn::config::Config;
use burn::module::Module;
use burn::nn::Initializer;
use burn::nn::activation::{Activation, ActivationConfig};
use burn::tensor::{Device, Tensor};

/// Configuration of a [`Gru`], as [`burn::nn::GruConfig`].
#[derive(Config, Debug)]
pub struct GruConfig {
    /// Size of an input.
    pub d_input: usize,
    /// Size of the hidden state.
    pub d_hidden: usize,
    /// Whether the gates have biases.
    pub bias: bool,
    /// Whether the reset gate scales the new gate's hidden part (Cho et al. 2014, arXiv:1406.1078v1, and PyTorch), not the hidden state
    /// that it reads (v3 of the paper).
    #[config(default = "true")]
    pub reset_after: bool,
    /// How the parameters start.
    #[config(default = "Initializer::XavierNormal{gain:1.0}")]
    pub initializer: Initializer,
    /// Activation of the update and reset gates.
    #[config(default = "ActivationConfig::Sigmoid")]
    pub gate_activation: ActivationConfig,
    /// Activation of the new gate.
    #[config(default = "ActivationConfig::Tanh")]
    pub hidden_activation: ActivationConfig,
    /// Bound on the absolute hidden state.
    pub clip: Option<f64>,
}

impl GruConfig {
    /// A fresh layer.
    #[must_use]
    pub fn init(&self, device: &Device) -> Gru {
        let gate = || GateController::new(self.d_input, self.d_hidden, self.bias, self.initializer.clone(), device);
        Gru {
            update_gate: gate(),
            reset_gate: gate(),
            new_gate: gate(),
            d_hidden: self.d_hidden,
            reset_after: self.reset_after,
            gate_activation: self.gate_activation.init(device),
            hidden_activation: self.hidden_activation.init(device),
            clip: self.clip,
        }
    }
}

/// `h_t = (1 - z) ∘ n + z ∘ h_{t-1}` with the update gate z, the reset gate r and the new gate n, as [`burn::nn::Gru`].
///
/// Inside a private step an activation with parameters of its own is refused.
#[derive(Module, Debug)]
pub struct Gru {
    /// z.
    pub update_gate: GateController,
    /// r.
    pub reset_gate: GateController,
    /// n.
    pub new_gate: GateController,
    /// Size of the hidden state.
    pub d_hidden: usize,
    /// Whether the reset gate scales the new gate's hidden part, not the hidden state that it reads.
    pub reset_after: bool,
    /// Activation of the update and reset gates.
    pub gate_activation: Activation,
    /// Activation of the new gate.
    pub hidden_activation: Activation,
    /// Bound on the absolute hidden state.
    pub clip: Option<f64>,
}

impl From<burn::nn::Gru> for Gru {
    fn from(layer: burn::nn::Gru) -> Self {
        Self {
            update_gate: layer.update_gate.into(),
            reset_gate: layer.reset_gate.into(),
            new_gate: layer.new_gate.into(),
            d_hidden: layer.d_hidden,
            reset_after: layer.reset_after,
            gate_activation: layer.gate_activation,
            hidden_activation: layer.hidden_activation,
            clip: layer.clip,
        }
    }
}

impl Gru {
    /// The hidden state after each step, `[batch, time, d_hidden]`, from inputs `[batch, time, d_input]` and a first state
    /// `[batch, d_hidden]`, zero where none is given.
    #[must_use]
    pub fn forward(&self, input: Tensor<3>, state: Option<Tensor<2>>) -> Tensor<3> {
        self.run(input, state, false).0
    }

    fn run(&self, input: Tensor<3>, hidden: Option<Tensor<2>>, reverse: bool) -> (Tensor<3>, Tensor<2>) {
        let ([batch, time, _], width) = (input.dims(), self.d_hidden);
        let like = (&input.device(), input.dtype());
        let hidden = hidden.unwrap_or_else(|| Tensor::zeros([batch, width], like));
        if time == 0 {
            return (Tensor::zeros([batch, 0, width], like), hidden);
        }
        let reset = if self.reset_after { Reset::After } else { Reset::Before };
        let mut steps = Steps::new(&[&self.update_gate, &self.reset_gate, &self.new_gate], input, reset);
        let new_weight = hidden_weight(&[&self.new_gate]);
        let new_bias: Option<Tensor<2>> = self.new_gate.hidden_transform.bias.as_ref().map(|b| value(b).unsqueeze());
        let result = run(time, reverse, hidden, |t, hidden| {
            let (given, product) = steps.at(t, &hidden);
            let of = |all: &Tensor<2>, gate: usize| all.clone().narrow(1, gate * width, width);
            let update = self.gate_activation.forward(of(&given, 0) + of(&product, 0));
            let reset = self.gate_activation.forward(of(&given, 1) + of(&product, 1));
            steps.resets(t, &reset);
            let read = if self.reset_after {
                let product = of(&product, 2);
                reset
                    * match &new_bias {
                        Some(bias) => product + bias.clone(),
                        None => product,
                    }
            } else {
                (reset * hidden.clone()).matmul(new_weight.clone())
            };
            let new = self.hidden_activation.forward(of(&given, 2) + read);
            let hidden = clipped((update.clone().neg() + 1.0) * new + update * hidden, self.clip);
            (hidden.clone(), hidden)
        });
        steps.finish();
        result
    }
}

/// Configuration of a [`BiGru`], as [`burn::nn::BiGruConfig`].
#[derive(Config, Debug)]
pub struct BiGruConfig {
    /// Size of an input.
    pub d_input: usize,
    /// Size of the hidden state of each direction.
    pub d_hidden: usize,
    /// Whether the gates have biases.
    pub bias: bool,
    /// As [`GruConfig::reset_after`].
    #[config(default = "true")]
    pub reset_after: bool,
    /// How the parameters start.
    #[config(default = "Initializer::XavierNormal{gain:1.0}")]
    pub initializer: Initializer,
    /// Whether inputs and outputs are `[batch, time, ..]`, not `[time, batch, ..]`.
    #[config(default = true)]
    pub batch_first: bool,
    /// Activation of the update and reset gates.
    #[config(default = "ActivationConfig::Sigmoid")]
    pub gate_activation: ActivationConfig,
    /// Activation of the new gate.
    #[config(default = "ActivationConfig::Tanh")]
    pub hidden_activation: ActivationConfig,
    /// Bound on the absolute hidden state.
    pub clip: Option<f64>,
}

impl BiGruConfig {
    /// A fresh layer.
    #[must_use]
    pub fn init(&self, device: &Device) -> BiGru {
        let one = GruConfig::new(self.d_input, self.d_hidden, self.bias)
            .with_reset_after(self.reset_after)
            .with_initializer(self.initializer.clone())
            .with_gate_activation(self.gate_activation.clone())
            .with_hidden_activation(self.hidden_activation.clone())
            .with_clip(self.clip);
        BiGru { forward: one.init(device), reverse: one.init(device), d_hidden: self.d_hidden, batch_first: self.batch_first }
    }
}

/// A [`Gru`] in each direction of time, their outputs side by side, as [`burn::nn::BiGru`].
#[derive(Module, Debug)]
pub struct BiGru {
    /// Forward in time.
    pub forward: Gru,
    /// Backward in time.
    pub reverse: Gru,
    /// Size of the hidden state of each direction.
    pub d_hidden: usize,
    /// Whether inputs and outputs are `[batch, time, ..]`, not `[time, batch, ..]`.
    pub batch_first: bool,
}

impl From<burn::nn::BiGru> for BiGru {
    fn from(layer: burn::nn::BiGru) -> Self {
        Self { forward: layer.forward.into(), reverse: layer.reverse.into(), d_hidden: layer.d_hidden, batch_first: layer.batch_first }
    }
}

impl BiGru {
    /// The hidden states after each step, `[batch, time, 2 · d_hidden]`, and after the last of each direction, `[2, batch, d_hidden]`.
    #[must_use]
    pub fn forward(&self, input: Tensor<3>, state: Option<Tensor<3>>) -> (Tensor<3>, Tensor<3>) {
        let input = batch_first(input, self.batch_first);
        let of = |direction| state.as_ref().map(|s| s.clone().narrow(0, direction, 1).squeeze_dim(0));
        let (forward, last) = self.forward.run(input.clone(), of(0), false);
        let (reverse, first) = self.reverse.run(input, of(1), true);
        let output = batch_first(Tensor::cat(vec![forward, reverse], 2), self.batch_first);
        (output, Tensor::stack(vec![last, first], 0))
    }
}
