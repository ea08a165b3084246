//! The gates of a layer over all steps of a batch: one product for all inputs, one for the hidden state a step, and one tap for both.
//!
//! A gate is affine in the input and in the hidden state, so that ∂L/∂gate, step by step, is all that the gradients of its four parameters
//! need: with the inputs it gives the input weight's, with the hidden states *before* each step the hidden weight's, summed both biases'.

use super::gate::{GateController, GateUse};
use crate::tape;
use burn::module::Param;
use burn::tensor::Tensor;

/// How the last gate reads the hidden state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reset {
    /// As the others.
    Never,
    /// Scaled by a reset gate r: `(r ∘ h) · W_h + b_h`.
    Before,
    /// Its hidden part is what is scaled: `r ∘ (h · W_h + b_h)`.
    After,
}

/// The gates at each step.
pub(super) struct Steps {
    reset: Reset,
    /// `[batch, time, gates · d_hidden]`: everything that does not depend on the hidden state.
    pub(super) given: Tensor<3>,
    /// The same by steps, where one at a time is asked for.
    by_step: Option<Vec<Tensor<2>>>,
    pub(super) hidden_weight: Tensor<2>,
    recorded: Option<Recorded>,
}

/// What the tap's contributions need.
struct Recorded {
    tap: Tensor<2>,
    gates: Vec<GateUse>,
    /// `[batch, time, d_input]`.
    input: Tensor<3>,
    /// `[batch, d_hidden]` before each step.
    before: Vec<Option<Tensor<2>>>,
    /// The same of all steps, `[batch, time, d_hidden]`, where they were taken at once.
    all_before: Option<Tensor<3>>,
    /// The reset gate at each step.
    resets: Vec<Option<Tensor<2>>>,
}

impl Steps {
    /// The gates of an input `[batch, time, d_input]`, at least one step.
    pub(super) fn new(gates: &[&GateController], input: Tensor<3>, reset: Reset) -> Self {
        let [batch, time, d_input] = input.dims();
        let weight = Tensor::cat(gates.iter().map(|g| value(&g.input_transform.weight)).collect(), 1);
        let width = weight.dims()[1];
        let bias = bias(gates, reset);
        let flat: Tensor<2> = input.clone().reshape([batch * time, d_input]);
        let (given, recorded) = if tape::is_recording() {
            let tap = tape::leaf(bias, [batch * time, width], &flat.device());
            let recorded = Recorded {
                tap: tap.clone(),
                gates: gates.iter().map(|g| GateUse::of(g)).collect(),
                input: tape::plain(input),
                before: vec![None; time],
                all_before: None,
                resets: vec![None; time],
            };
            (tape::tracked(flat).matmul(weight) + tap, Some(recorded))
        } else {
            let product = flat.matmul(weight);
            let given = match bias {
                Some(bias) => product + bias.unsqueeze(),
                None => product,
            };
            (given, None)
        };
        let read = if reset == Reset::Before { &gates[..gates.len() - 1] } else { gates };
        Self { reset, given: given.reshape([batch, time, width]), by_step: None, hidden_weight: hidden_weight(read), recorded }
    }

    /// What the input alone gives at step `t`, and the product of the hidden state before it with the weights of all gates, or where the
    /// last one resets before, of all others.
    pub(super) fn at(&mut self, t: usize, hidden: &Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        if let Some(recorded) = &mut self.recorded {
            recorded.before[t] = Some(tape::plain(hidden.clone()));
        }
        let by_step = self.by_step.get_or_insert_with(|| split(self.given.clone()));
        (by_step[t].clone(), hidden.clone().matmul(self.hidden_weight.clone()))
    }

    /// Takes note of the hidden state before each step, `[batch, time, d_hidden]`, where all were taken at once.
    pub(super) fn took_all(&mut self, before: impl FnOnce() -> Tensor<3>) {
        if let Some(recorded) = &mut self.recorded {
            recorded.all_before = Some(before());
        }
    }

    /// Takes note of the reset gate at step `t`.
    pub(super) fn resets(&mut self, t: usize, reset: &Tensor<2>) {
        if let Some(recorded) = &mut self.recorded {
            recorded.resets[t] = Some(tape::plain(reset.clone()));
        }
    }

    /// After the last step.
    pub(super) fn finish(self) {
        let (reset, Some(Recorded { tap, gates, input, before, all_before, resets })) = (self.reset, self.recorded) else { return };
        tape::attach(tap, move |gradient| {
            let [batch, time, _] = input.dims();
            let before: Tensor<3> = all_before.unwrap_or_else(|| stack(before));
            let d_hidden = before.dims()[2];
            let gradient: Tensor<3> = gradient.reshape([batch, time, gates.len() * d_hidden]);
            let of = |gate: usize| gradient.clone().narrow(2, gate * d_hidden, d_hidden);
            let Some((last, others)) = gates.split_last() else { return vec![] };
            let mut all: Vec<_> =
                others.iter().enumerate().flat_map(|(i, gate)| gate.contributions((&input, of(i)), (&before, of(i)))).collect();
            let given = of(others.len());
            all.extend(match reset {
                Reset::Never => last.contributions((&input, given.clone()), (&before, given)),
                Reset::Before => last.contributions((&input, given.clone()), (&(before * stack(resets)), given)),
                Reset::After => last.contributions((&input, given.clone()), (&before, given * stack(resets))),
            });
            all
        });
    }
}

/// Steps through time, forward or in reverse: `[batch, time, d_hidden]` of what each step gave out, and the last state.
///
/// `step` takes the time and the state before it, and gives what it puts out with the state after it.
pub(super) fn run<S>(time: usize, reverse: bool, mut state: S, mut step: impl FnMut(usize, S) -> (Tensor<2>, S)) -> (Tensor<3>, S) {
    let mut outputs = vec![None; time];
    for i in 0..time {
        let t = if reverse { time - 1 - i } else { i };
        let (output, after) = step(t, state);
        outputs[t] = Some(output);
        state = after;
    }
    (stack(outputs), state)
}

/// A parameter as it takes part in a forward pass: a constant where its gradient comes from a tap.
pub(super) fn value<const D: usize>(param: &Param<Tensor<D>>) -> Tensor<D> {
    if tape::is_recording() { tape::constant(param.val()) } else { param.val() }
}

/// The hidden weights side by side, `[d_hidden, gates · d_hidden]`.
pub(super) fn hidden_weight(gates: &[&GateController]) -> Tensor<2> {
    Tensor::cat(gates.iter().map(|g| value(&g.hidden_transform.weight)).collect(), 1)
}

/// The biases that are added whatever the hidden state, side by side; `None` where there is none.
fn bias(gates: &[&GateController], reset: Reset) -> Option<Tensor<1>> {
    let own = |(i, gate): (usize, &&GateController)| {
        let scaled = reset == Reset::After && i + 1 == gates.len();
        let hidden = gate.hidden_transform.bias.as_ref().filter(|_| !scaled);
        gate.input_transform.bias.iter().chain(hidden).map(value).reduce(|a, b| a + b)
    };
    let biases: Vec<Option<Tensor<1>>> = gates.iter().enumerate().map(own).collect();
    if biases.iter().all(Option::is_none) {
        return None;
    }
    let none = |gate: &&GateController| {
        let weight = tape::plain(gate.input_transform.weight.val());
        Tensor::zeros([weight.dims()[1]], (&weight.device(), weight.dtype()))
    };
    Some(Tensor::cat(biases.into_iter().zip(gates).map(|(bias, gate)| bias.unwrap_or_else(|| none(gate))).collect(), 0))
}

/// The steps of `[batch, time, width]`, by halves: the gradient of a slice is as large as what it is cut from, which for one slice a step
/// would be `time` gradients of the whole.
fn split(t: Tensor<3>) -> Vec<Tensor<2>> {
    let [batch, time, width] = t.dims();
    if time == 1 {
        return vec![t.reshape([batch, width])];
    }
    let half = time / 2;
    let mut steps = split(t.clone().narrow(1, 0, half));
    steps.extend(split(t.narrow(1, half, time - half)));
    steps
}

fn stack(steps: Vec<Option<Tensor<2>>>) -> Tensor<3> {
    let steps: Vec<Tensor<3>> = steps.into_iter().map(|s| s.expect("every step was taken").unsqueeze_dim(1)).collect();
    Tensor::cat(steps, 1)
}
