//! Recurrent layers against the oracle and against `burn::nn`, in all their options.

use super::harness::{Rows, check_equal, check_fast, check_same_as_burn, drawn, normal};
use super::*;
use crate::gradient::{ordinary, trainable};
use crate::{nn, tape};
use burn::module::{Lora, Module, Param, ParamGroup};
use burn::nn::activation::ActivationConfig;
use burn::nn::{HardSigmoidConfig, LstmState, RnnState};
use burn::tensor::Tensor;

fn training() -> Device {
    Device::flex().autodiff()
}

/// Sizes of a trial: units, rows a unit, time, inputs, hidden.
struct Sizes {
    units: usize,
    cap: usize,
    time: usize,
    d_input: usize,
    d_hidden: usize,
}

impl Sizes {
    fn draw(trial: usize, rng: &mut ChaCha20Rng) -> Self {
        let time = if trial.is_multiple_of(6) { 1 } else { rng.random_range(2..7) };
        let units = if trial.is_multiple_of(5) { 1 } else { rng.random_range(2..5) };
        Self { units, cap: trial % 3 + 1, time, d_input: rng.random_range(1..6), d_hidden: rng.random_range(1..6) }
    }

    fn rows(&self, rng: &mut ChaCha20Rng) -> Rows<Tensor<3>> {
        Rows::new(normal([self.units * self.cap, self.time, self.d_input], rng), self.units, self.cap, rng)
    }
}

/// Outputs and last states side by side, `[batch, everything]`.
fn all<const D: usize>(output: Tensor<3>, states: impl IntoIterator<Item = Tensor<D>>) -> Tensor<2> {
    let batch = output.dims()[0];
    let flat = |t: Tensor<3>| -> Tensor<2> {
        let width = t.shape().num_elements() / batch;
        t.reshape([batch, width])
    };
    let state = |t: Tensor<D>| match D {
        2 => t.unsqueeze_dim(1),
        // `[2, batch, d_hidden]`.
        _ => t.reshape([0, 0, -1]).swap_dims(0, 1),
    };
    Tensor::cat([flat(output)].into_iter().chain(states.into_iter().map(|s| flat(state(s)))).collect(), 1)
}

fn turned(t: Tensor<3>, batch_first: bool) -> Tensor<3> {
    if batch_first { t } else { t.swap_dims(0, 1) }
}

#[test]
fn rnn_equals_the_oracle_and_burn() {
    let mut rng = seeded(200);
    for trial in 0..24 {
        let sizes = Sizes::draw(trial, &mut rng);
        let (bias, batch_first, reverse, clip) = (trial % 4 != 3, rng.random(), rng.random(), rng.random_bool(0.3).then_some(0.7));
        let activation = if trial % 8 == 7 { ActivationConfig::Softsign } else { ActivationConfig::Tanh };
        let what = format!("trial {trial}: bias {bias}, batch first {batch_first}, reverse {reverse}, clip {clip:?}");
        let config = nn::RnnConfig::new(sizes.d_input, sizes.d_hidden, bias)
            .with_batch_first(batch_first)
            .with_reverse(reverse)
            .with_clip(clip)
            .with_hidden_activation(activation.clone());
        let burns = burn::nn::RnnConfig::new(sizes.d_input, sizes.d_hidden, bias)
            .with_batch_first(batch_first)
            .with_reverse(reverse)
            .with_clip(clip)
            .with_hidden_activation(activation);
        let (rows, model) = (sizes.rows(&mut rng), drawn(config.init(&training()), &mut rng));
        let ours = |m: &nn::Rnn, x: Tensor<3>| {
            let (output, state) = m.forward(turned(x, batch_first), None);
            all(turned(output, batch_first), [state.hidden])
        };
        check_fast(&what, &model, &rows, ours);
        check_same_as_burn(&what, (model, drawn(burns.init(&training()), &mut rng)), &rows.inputs, ours, |m, x| {
            let (output, state) = m.forward(turned(x, batch_first), None);
            all(turned(output, batch_first), [state.hidden])
        });
    }
}

#[test]
fn gru_equals_the_oracle_and_burn() {
    let mut rng = seeded(201);
    for trial in 0..32 {
        let sizes = Sizes::draw(trial, &mut rng);
        let (bias, reset_after, clip) = (trial % 4 != 3, trial % 2 == 0, rng.random_bool(0.3).then_some(0.5));
        let what = format!("trial {trial}: bias {bias}, reset after {reset_after}, clip {clip:?}");
        let config = nn::GruConfig::new(sizes.d_input, sizes.d_hidden, bias).with_reset_after(reset_after).with_clip(clip);
        let burns = burn::nn::GruConfig::new(sizes.d_input, sizes.d_hidden, bias).with_reset_after(reset_after).with_clip(clip);
        let (rows, model) = (sizes.rows(&mut rng), drawn(config.init(&training()), &mut rng));
        check_fast(&what, &model, &rows, |m, x| m.forward(x, None));
        check_same_as_burn(
            &what,
            (model, drawn(burns.init(&training()), &mut rng)),
            &rows.inputs,
            |m, x| m.forward(x, None),
            |m, x| m.forward(x, None),
        );
    }
}

#[test]
fn lstm_equals_the_oracle_and_burn() {
    let mut rng = seeded(202);
    for trial in 0..32 {
        let sizes = Sizes::draw(trial, &mut rng);
        let (bias, batch_first, reverse, input_forget) = (trial % 4 != 3, rng.random(), rng.random(), trial % 2 == 1);
        let clip = rng.random_bool(0.3).then_some(0.7);
        let gate = if trial % 8 == 6 { ActivationConfig::HardSigmoid(HardSigmoidConfig::new()) } else { ActivationConfig::Sigmoid };
        let what =
            format!("trial {trial}: bias {bias}, batch first {batch_first}, reverse {reverse}, clip {clip:?}, coupled {input_forget}");
        let config = nn::LstmConfig::new(sizes.d_input, sizes.d_hidden, bias)
            .with_batch_first(batch_first)
            .with_reverse(reverse)
            .with_input_forget(input_forget)
            .with_clip(clip)
            .with_gate_activation(gate.clone())
            .with_hidden_activation(if trial % 8 == 5 { ActivationConfig::Softsign } else { ActivationConfig::Tanh });
        let burns = burn::nn::LstmConfig::new(sizes.d_input, sizes.d_hidden, bias)
            .with_batch_first(batch_first)
            .with_reverse(reverse)
            .with_input_forget(input_forget)
            .with_clip(clip)
            .with_gate_activation(gate)
            .with_hidden_activation(if trial % 8 == 5 { ActivationConfig::Softsign } else { ActivationConfig::Tanh });
        let (rows, model) = (sizes.rows(&mut rng), drawn(config.init(&training()), &mut rng));
        let ours = |m: &nn::Lstm, x: Tensor<3>| {
            let (output, state) = m.forward(turned(x, batch_first), None);
            all(turned(output, batch_first), [state.cell, state.hidden])
        };
        check_fast(&what, &model, &rows, ours);
        check_same_as_burn(&what, (model, drawn(burns.init(&training()), &mut rng)), &rows.inputs, ours, |m, x| {
            let (output, state) = m.forward(turned(x, batch_first), None);
            all(turned(output, batch_first), [state.cell, state.hidden])
        });
    }
}

#[test]
fn both_directions_equal_the_oracle_and_burn() {
    let mut rng = seeded(203);
    for trial in 0..18 {
        let sizes = Sizes::draw(trial, &mut rng);
        let (d_input, d_hidden) = (sizes.d_input, sizes.d_hidden);
        let (bias, batch_first, clip) = (trial % 4 != 3, rng.random(), rng.random_bool(0.3).then_some(0.7));
        let what = format!("trial {trial}: bias {bias}, batch first {batch_first}, clip {clip:?}");
        let rows = sizes.rows(&mut rng);

        let config = nn::BiRnnConfig::new(d_input, d_hidden, bias).with_batch_first(batch_first).with_clip(clip);
        let burns = burn::nn::BiRnnConfig::new(d_input, d_hidden, bias).with_batch_first(batch_first).with_clip(clip);
        let model = drawn(config.init(&training()), &mut rng);
        let ours = |m: &nn::BiRnn, x: Tensor<3>| {
            let (output, state) = m.forward(turned(x, batch_first), None);
            all(turned(output, batch_first), [state.hidden])
        };
        check_fast(&what, &model, &rows, ours);
        check_same_as_burn(&what, (model, drawn(burns.init(&training()), &mut rng)), &rows.inputs, ours, |m, x| {
            let (output, state) = m.forward(turned(x, batch_first), None);
            all(turned(output, batch_first), [state.hidden])
        });

        let reset_after = trial % 2 == 0;
        let config =
            nn::BiGruConfig::new(d_input, d_hidden, bias).with_reset_after(reset_after).with_batch_first(batch_first).with_clip(clip);
        let burns =
            burn::nn::BiGruConfig::new(d_input, d_hidden, bias).with_reset_after(reset_after).with_batch_first(batch_first).with_clip(clip);
        let model = drawn(config.init(&training()), &mut rng);
        let ours = |m: &nn::BiGru, x: Tensor<3>| {
            let (output, state) = m.forward(turned(x, batch_first), None);
            all(turned(output, batch_first), [state])
        };
        check_fast(&what, &model, &rows, ours);
        check_same_as_burn(&what, (model, drawn(burns.init(&training()), &mut rng)), &rows.inputs, ours, |m, x| {
            let (output, state) = m.forward(turned(x, batch_first), None);
            all(turned(output, batch_first), [state])
        });

        let coupled = trial % 2 == 1;
        let config =
            nn::BiLstmConfig::new(d_input, d_hidden, bias).with_input_forget(coupled).with_batch_first(batch_first).with_clip(clip);
        let burns =
            burn::nn::BiLstmConfig::new(d_input, d_hidden, bias).with_input_forget(coupled).with_batch_first(batch_first).with_clip(clip);
        let model = drawn(config.init(&training()), &mut rng);
        let ours = |m: &nn::BiLstm, x: Tensor<3>| {
            let (output, state) = m.forward(turned(x, batch_first), None);
            all(turned(output, batch_first), [state.cell, state.hidden])
        };
        check_fast(&what, &model, &rows, ours);
        check_same_as_burn(&what, (model, drawn(burns.init(&training()), &mut rng)), &rows.inputs, ours, |m, x| {
            let (output, state) = m.forward(turned(x, batch_first), None);
            all(turned(output, batch_first), [state.cell, state.hidden])
        });
    }
}

/// Layers one after another, of each kind, and one of them twice.
#[derive(Module, Debug)]
struct Stacked {
    first: nn::BiLstm,
    second: nn::Gru,
    third: nn::Rnn,
    head: nn::Linear,
}

#[test]
fn stacked_and_repeated_layers_equal_the_oracle() {
    let mut rng = seeded(204);
    for trial in 0..12 {
        let sizes = Sizes::draw(trial, &mut rng);
        let device = training();
        let model = Stacked {
            first: nn::BiLstmConfig::new(sizes.d_input, 2, true).init(&device),
            second: nn::GruConfig::new(4, 3, true).with_reset_after(trial % 2 == 0).init(&device),
            third: nn::RnnConfig::new(3, 3, true).init(&device),
            head: nn::LinearConfig::new(3, 2).init(&device),
        };
        let rows = sizes.rows(&mut rng);
        check_fast(&format!("trial {trial}"), &drawn(model, &mut rng), &rows, |m, x| {
            let (x, _) = m.first.forward(x, None);
            let x = m.second.forward(x, None);
            let (x, state) = m.third.forward(x, None);
            // Again, over its own output and from its own last state, and around it.
            let again = m.third.forward(x.clone(), Some(state)).0 + x;
            m.head.forward(again)
        });
    }
}

/// First states that come from the input through a layer, so that a gradient flows into them.
#[derive(Module, Debug)]
struct Seeded {
    start: nn::Linear,
    lstm: nn::Lstm,
    gru: nn::Gru,
    rnn: nn::BiRnn,
}

#[test]
fn first_states_equal_the_oracle_and_burn() {
    let mut rng = seeded(205);
    for trial in 0..12 {
        let sizes = Sizes { d_input: 3, d_hidden: 4, ..Sizes::draw(trial, &mut rng) };
        let device = training();
        let model = Seeded {
            start: nn::LinearConfig::new(3, 4).init(&device),
            lstm: nn::LstmConfig::new(3, 4, true).with_reverse(trial % 2 == 1).init(&device),
            gru: nn::GruConfig::new(3, 4, true).with_reset_after(trial % 2 == 1).init(&device),
            rnn: nn::BiRnnConfig::new(3, 4, true).init(&device),
        };
        let model = drawn(model, &mut rng);
        let rows = sizes.rows(&mut rng);
        check_fast(&format!("trial {trial}"), &model, &rows, |m, x| {
            let start: Tensor<2> = m.start.forward(x.clone().narrow(1, 0, 1)).squeeze_dim(1);
            let (a, state) = m.lstm.forward(x.clone(), Some(LstmState::new(start.clone(), start.clone() * 0.5)));
            let b = m.gru.forward(x.clone(), Some(start.clone()));
            let (c, last) = m.rnn.forward(x, Some(RnnState::new(Tensor::stack(vec![start.clone(), start * 2.0], 0))));
            all(Tensor::cat(vec![a, b, c], 2), [state.cell, last.hidden.sum_dim(0).squeeze_dim(0)])
        });

        // And by value, against Burn's.
        let (x, start): (Tensor<3>, Tensor<2>) = (rows.inputs.clone(), normal([sizes.units * sizes.cap, 4], &mut rng));
        let both: Tensor<3> = Tensor::stack(vec![start.clone(), start.clone() * 0.5], 0);
        let burns =
            burn::nn::LstmConfig::new(3, 4, true).with_reverse(trial % 2 == 1).init(&device).load_record(model.lstm.clone().into_record());
        let state = || Some(LstmState::new(start.clone(), start.clone() * 0.5));
        let (ours, burns) = (model.lstm.valid().forward(x.clone(), state()), burns.valid().forward(x.clone(), state()));
        check_equal("lstm", all(ours.0, [ours.1.cell, ours.1.hidden]), all(burns.0, [burns.1.cell, burns.1.hidden]));
        let burns = burn::nn::GruConfig::new(3, 4, true)
            .with_reset_after(trial % 2 == 1)
            .init(&device)
            .load_record(model.gru.clone().into_record());
        check_equal("gru", model.gru.valid().forward(x.clone(), Some(start.clone())), burns.valid().forward(x.clone(), Some(start)));
        let burns = burn::nn::BiRnnConfig::new(3, 4, true).init(&device).load_record(model.rnn.clone().into_record());
        let (ours, burns) =
            (model.rnn.valid().forward(x.clone(), Some(RnnState::new(both.clone()))), burns.valid().forward(x, Some(RnnState::new(both))));
        check_equal("both directions", all(ours.0, [ours.1.hidden]), all(burns.0, [burns.1.hidden]));
    }
}

#[test]
fn first_states_of_each_direction_equal_burns() {
    let mut rng = seeded(210);
    let device = training();
    for batch_first in [true, false] {
        let (x, hidden, cell): (Tensor<3>, Tensor<3>, Tensor<3>) =
            (normal([3, 3, 2], &mut rng), normal([2, 3, 4], &mut rng), normal([2, 3, 4], &mut rng));
        let ours = drawn(nn::BiLstmConfig::new(2, 4, true).with_batch_first(batch_first).init(&device), &mut rng);
        let burns =
            burn::nn::BiLstmConfig::new(2, 4, true).with_batch_first(batch_first).init(&device).load_record(ours.clone().into_record());
        let state = || Some(LstmState::new(cell.clone(), hidden.clone()));
        let (ours, burns) = (ours.valid().forward(x.clone(), state()), burns.valid().forward(x.clone(), state()));
        check_equal("lstm", all(ours.0, [ours.1.cell, ours.1.hidden]), all(burns.0, [burns.1.cell, burns.1.hidden]));
        let ours = drawn(nn::BiGruConfig::new(2, 4, true).with_batch_first(batch_first).init(&device), &mut rng);
        let burns =
            burn::nn::BiGruConfig::new(2, 4, true).with_batch_first(batch_first).init(&device).load_record(ours.clone().into_record());
        let (ours, burns) = (ours.valid().forward(x.clone(), Some(hidden.clone())), burns.valid().forward(x, Some(hidden)));
        check_equal("gru", all(ours.0, [ours.1]), all(burns.0, [burns.1]));
    }
}

/// The oracle runs the same fused products as the fast path: Burn's own gradient of its own layer is independent of both.
#[test]
fn gradients_equal_those_of_burns_layers() {
    let mut rng = seeded(206);
    for trial in 0..6 {
        let sizes = Sizes { d_input: 3, d_hidden: 4, ..Sizes::draw(trial, &mut rng) };
        let x = sizes.rows(&mut rng).inputs;
        let device = training();
        let ours = drawn(nn::BiLstmConfig::new(3, 4, true).with_input_forget(trial % 2 == 1).init(&device), &mut rng);
        let burns =
            burn::nn::BiLstmConfig::new(3, 4, true).with_input_forget(trial % 2 == 1).init(&device).load_record(ours.clone().into_record());
        let (a, b) = (ours.forward(x.clone(), None).0, burns.forward(x.clone(), None).0);
        check_gradients(&ours, a, &burns, b);
        let ours = drawn(nn::BiGruConfig::new(3, 4, true).with_reset_after(trial % 2 == 1).init(&device), &mut rng);
        let burns =
            burn::nn::BiGruConfig::new(3, 4, true).with_reset_after(trial % 2 == 1).init(&device).load_record(ours.clone().into_record());
        let (a, b) = (ours.forward(x.clone(), None).0, burns.forward(x.clone(), None).0);
        check_gradients(&ours, a, &burns, b);
        let ours = drawn(nn::BiRnnConfig::new(3, 4, true).init(&device), &mut rng);
        let burns = burn::nn::BiRnnConfig::new(3, 4, true).init(&device).load_record(ours.clone().into_record());
        let (a, b) = (ours.forward(x.clone(), None).0, burns.forward(x, None).0);
        check_gradients(&ours, a, &burns, b);
    }
}

#[track_caller]
fn check_gradients<A: Module, B: Module>(ours: &A, a: Tensor<3>, burns: &B, b: Tensor<3>) {
    let of = |parameters: &[_], gradients: Vec<Vec<f64>>| -> Vec<f64> {
        assert_eq!(parameters.len(), gradients.len());
        gradients.concat()
    };
    let (of_ours, of_burns) = (trainable(ours), trainable(burns));
    assert_eq!(of_ours.iter().map(|p| &p.name).collect::<Vec<_>>(), of_burns.iter().map(|p| &p.name).collect::<Vec<_>>());
    let a = of(&of_ours, ordinary(ours, &a.square().sum().backward(), &of_ours));
    let b = of(&of_burns, ordinary(burns, &b.square().sum().backward(), &of_burns));
    assert!(norm(&b) > 1e-3);
    assert!(norm(&difference(&a, &b)) < 1e-5 * norm(&b));
}

/// Only biases, only hidden weights, or adapters on frozen weights: what does not train gives nothing, what does gives all of its own.
#[test]
fn partly_frozen_layers_equal_the_oracle() {
    let mut rng = seeded(207);
    let device = training();
    let frozen = |p: &mut Param<Tensor<2>>| *p = p.clone().set_require_grad(false);
    for trial in 0..6 {
        let sizes = Sizes { d_input: 3, d_hidden: 2, ..Sizes::draw(trial, &mut rng) };
        let rows = sizes.rows(&mut rng);
        let mut model = drawn(nn::GruConfig::new(3, 2, true).with_reset_after(trial % 2 == 0).init(&device), &mut rng);
        let Gates { all: gates } = Gates::of(&mut model);
        for gate in gates {
            frozen(&mut gate.input_transform.weight);
            if trial % 3 == 0 {
                frozen(&mut gate.hidden_transform.weight);
            }
        }
        check_fast("partly frozen", &model, &rows, |m, x| m.forward(x, None));
    }
}

/// Adapters on every weight, with what is under them frozen, as adapters are made, and trained along.
#[test]
fn adapters_on_gates_equal_the_oracle() {
    let mut rng = seeded(211);
    for trial in 0..3 {
        let sizes = Sizes { d_input: 3, d_hidden: 4, ..Sizes::draw(trial, &mut rng) };
        let rows = sizes.rows(&mut rng);
        let gru = nn::BiGruConfig::new(3, 4, true).with_reset_after(trial % 2 == 0).init(&training());
        let gru = drawn(gru.apply_lora(Lora::new(2, 3.0)), &mut rng);
        check_fast("gru, frozen below", &gru, &rows, |m, x| m.forward(x, None).0);
        check_fast("gru, trained along", &gru.unfreeze_group(ParamGroup::all()), &rows, |m, x| m.forward(x, None).0);
        let lstm = nn::LstmConfig::new(3, 4, true).with_reverse(trial % 2 == 0).init(&training());
        let lstm = drawn(lstm.apply_lora(Lora::new(1, 2.0)), &mut rng);
        check_fast("lstm, frozen below", &lstm, &rows, |m, x| m.forward(x, None).0);
    }
}

struct Gates<'a> {
    all: [&'a mut nn::GateController; 3],
}

impl<'a> Gates<'a> {
    fn of(gru: &'a mut nn::Gru) -> Self {
        Self { all: [&mut gru.update_gate, &mut gru.reset_gate, &mut gru.new_gate] }
    }
}

/// A gate on its own, as a cell written by hand uses it.
#[test]
fn a_gate_equals_the_oracle_and_burn() {
    let mut rng = seeded(208);
    for bias in [false, true] {
        let make = |device: &Device| nn::GateController::new(3, 2, bias, burn::nn::Initializer::XavierNormal { gain: 1.0 }, device);
        let burns = burn::nn::GateController::new(3, 2, bias, burn::nn::Initializer::XavierNormal { gain: 1.0 }, &training());
        let rows = Rows::new((normal([6, 3], &mut rng), normal([6, 2], &mut rng)), 3, 2, &mut rng);
        let (model, burns) = (drawn(make(&training()), &mut rng), drawn(burns, &mut rng));
        check_fast("gate", &model, &rows, |m, (x, h)| m.gate_product(x, h));
        check_same_as_burn("gate", (model, burns), &rows.inputs, |m, (x, h)| m.gate_product(x, h), |m, (x, h)| m.gate_product(x, h));
    }
}

/// No step at all: the state stays, nothing is recorded, nobody panics.
#[test]
fn no_step_keeps_the_state() {
    let device = training();
    let x = Tensor::<3>::zeros([2, 0, 3], &Device::flex());
    let start = Tensor::<2>::ones([2, 4], &Device::flex());
    let lstm = nn::LstmConfig::new(3, 4, true).init(&device);
    let ((output, state), uses) = tape::record(|| lstm.forward(x.clone(), Some(LstmState::new(start.clone(), start.clone() * 3.0))));
    assert!(uses.is_empty());
    assert_eq!(output.dims(), [2, 0, 4]);
    check_equal("cell", state.cell, start.clone());
    assert_eq!(nn::GruConfig::new(3, 4, true).init(&device).forward(x.clone(), Some(start.clone())).dims(), [2, 0, 4]);
    let (output, state) = nn::RnnConfig::new(3, 4, true).init(&device).forward(x, Some(RnnState::new(start.clone())));
    assert_eq!(output.dims(), [2, 0, 4]);
    check_equal("hidden", state.hidden, start);
}

/// An activation that learns is no layer of ours: it is named, not passed over.
#[test]
fn an_activation_with_parameters_is_refused() {
    let mut rng = seeded(209);
    let rows = Rows::new(normal([2, 3, 2], &mut rng), 2, 1, &mut rng);
    let model =
        nn::RnnConfig::new(2, 2, true).with_hidden_activation(ActivationConfig::PRelu(burn::nn::PReluConfig::new())).init(&training());
    let losses = |m: &nn::Rnn, rows: &Rows<Tensor<3>>| super::harness::row_losses(m.forward(rows.inputs.clone(), None).0, &rows.mask);
    let Err(error) = clipped_sum(&model, Some(&rows), losses, &Clip::flat(1.0)) else { panic!("was taken") };
    assert!(error.to_string().contains("hidden_activation"), "{error}");
}
