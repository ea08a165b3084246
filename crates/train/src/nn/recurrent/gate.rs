//! One gate of a recurrent layer, and what it contributes to a gradient.

use crate::gradient::Contribution;
use crate::nn::linear::WeightUse;
use crate::nn::{Linear, LinearConfig};
use crate::tape;
use burn::module::{Module, ParamId};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

/// A gate `x · W_x + b_x + h · W_h + b_h`, as [`burn::nn::GateController`].
#[derive(Module, Debug)]
pub struct GateController {
    /// Of the input, `[d_input, d_hidden]`.
    pub input_transform: Linear,
    /// Of the hidden state, `[d_hidden, d_hidden]`.
    pub hidden_transform: Linear,
}

impl From<burn::nn::GateController> for GateController {
    fn from(gate: burn::nn::GateController) -> Self {
        Self { input_transform: gate.input_transform.into(), hidden_transform: gate.hidden_transform.into() }
    }
}

impl GateController {
    /// A fresh gate.
    #[must_use]
    pub fn new(d_input: usize, d_output: usize, bias: bool, initializer: Initializer, device: &Device) -> Self {
        let linear = |inputs| LinearConfig::new(inputs, d_output).with_bias(bias).with_initializer(initializer.clone()).init(device);
        Self { input_transform: linear(d_input), hidden_transform: linear(d_output) }
    }

    /// The gate before its activation, `[batch, d_hidden]`, at one step: `input` is `[batch, d_input]`, `hidden` `[batch, d_hidden]`.
    #[must_use]
    pub fn gate_product(&self, input: Tensor<2>, hidden: Tensor<2>) -> Tensor<2> {
        self.input_transform.forward(input) + self.hidden_transform.forward(hidden)
    }
}

/// Which parameters stand behind a gate.
pub(super) struct GateUse {
    input: LinearUse,
    hidden: LinearUse,
}

struct LinearUse {
    weight: WeightUse,
    bias: Option<ParamId>,
}

impl GateUse {
    pub(super) fn of(gate: &GateController) -> Self {
        Self { input: LinearUse::of(&gate.input_transform), hidden: LinearUse::of(&gate.hidden_transform) }
    }

    /// From what each part saw, `[batch, time, ..]`, and the gradient of what it gave, `[batch, time, d_hidden]`.
    pub(super) fn contributions(&self, input: (&Tensor<3>, Tensor<3>), hidden: (&Tensor<3>, Tensor<3>)) -> Vec<Contribution> {
        let mut all = self.input.contributions(input.0, input.1);
        all.extend(self.hidden.contributions(hidden.0, hidden.1));
        all
    }
}

impl LinearUse {
    fn of(linear: &Linear) -> Self {
        let bias = linear.bias.as_ref().filter(|b| tape::is_trainable(b)).map(|b| b.id);
        Self { weight: WeightUse::of(&linear.weight, false), bias }
    }

    fn contributions(&self, seen: &Tensor<3>, gradient: Tensor<3>) -> Vec<Contribution> {
        let mut all = self.weight.contributions(seen, &gradient);
        all.extend(self.bias.map(|id| Contribution::sum(id, gradient)));
        all
    }
}
