//! The recorded layers against the oracle and against `burn::nn`, one by one and in all their options.

use super::harness::{Rows, check_fast, check_same_as_burn, normal, stirred};
use super::*;
use crate::nn;
use burn::tensor::{Int, Tensor, TensorData};

fn training() -> Device {
    Device::flex().autodiff()
}

fn ids(shape: [usize; 2], of: usize, rng: &mut ChaCha20Rng) -> Tensor<2, Int> {
    let values: Vec<i64> = (0..shape[0] * shape[1]).map(|_| rng.random_range(0..of as i64)).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

#[test]
fn linear_equals_the_oracle_and_burn() {
    let mut rng = seeded(100);
    for trial in 0..24 {
        let (units, cap) = (rng.random_range(1..5), trial % 3 + 1);
        let (d_input, d_output, positions) = (rng.random_range(1..9), rng.random_range(1..9), rng.random_range(1..5));
        let bias = rng.random();
        let what = format!("{d_input} to {d_output}, {positions} positions, bias {bias}");
        let model = nn::LinearConfig::new(d_input, d_output).with_bias(bias).init(&training());
        let rows = Rows::new(normal([units * cap, positions, d_input], &mut rng), units, cap, &mut rng);
        check_fast(&what, &model, &rows, |m, x| m.forward(x));
        let burns = burn::nn::LinearConfig::new(d_input, d_output).with_bias(bias).init(&training());
        check_same_as_burn(&what, (model, burns), &rows.inputs, |m, x| m.forward(x), |m, x| m.forward(x));
    }
}

/// Few ids over many positions, so that most are repeated, and tables larger and smaller than what the positions leave on the tape.
#[test]
fn embedding_equals_the_oracle_and_burn() {
    let mut rng = seeded(101);
    for trial in 0..48 {
        let (units, cap) = (rng.random_range(1..5), trial % 3 + 1);
        let (of, length, d_model) = (rng.random_range(2..12), rng.random_range(1..9), rng.random_range(1..7));
        let padding = (trial % 2 == 1).then(|| rng.random_range(0..of));
        let what = format!("{of} ids, length {length}, width {d_model}, padding {padding:?}");
        let model = nn::EmbeddingConfig::new(of, d_model).with_padding(padding).init(&training());
        let mut inputs = ids([units * cap, length], of, &mut rng);
        if let Some(padding) = padding {
            // A unit of padding alone has nothing to clip.
            let other = Tensor::<2, Int>::full([units * cap, 1], ((padding + 1) % of) as i32, &Device::flex());
            inputs = Tensor::cat(vec![inputs, other], 1);
        }
        let rows = Rows::new(inputs, units, cap, &mut rng);
        check_fast(&what, &model, &rows, |m, x| m.forward(x));
        if padding.is_none() {
            let burns = burn::nn::EmbeddingConfig::new(of, d_model).init(&training());
            check_same_as_burn(&what, (model, burns), &rows.inputs, |m, x| m.forward(x), |m, x| m.forward(x));
        }
    }
}

#[test]
fn layer_norm_equals_the_oracle_and_burn() {
    let mut rng = seeded(102);
    for trial in 0..30 {
        let (units, cap) = (rng.random_range(1..5), trial % 3 + 1);
        let (d_model, positions) = (rng.random_range(3..9), rng.random_range(1..6));
        let (bias, epsilon) = (rng.random(), if rng.random() { 1e-5 } else { 0.1 });
        let what = format!("width {d_model}, {positions} positions, bias {bias}, ε {epsilon}");
        let model = nn::LayerNormConfig::new(d_model).with_bias(bias).with_epsilon(epsilon).init(&training());
        let model = stirred(model, &mut rng);
        let rows = Rows::new(normal([units * cap, positions, d_model], &mut rng) * 3.0, units, cap, &mut rng);
        check_fast(&what, &model, &rows, |m, x| m.forward(x));
        let burns = burn::nn::LayerNormConfig::new(d_model).with_bias(bias).with_epsilon(epsilon).init(&training());
        check_same_as_burn(&what, (model, stirred(burns, &mut rng)), &rows.inputs, |m, x| m.forward(x), |m, x| m.forward(x));
    }
}

#[test]
fn rms_norm_equals_the_oracle_and_burn() {
    let mut rng = seeded(103);
    for trial in 0..30 {
        let (units, cap) = (rng.random_range(1..5), trial % 3 + 1);
        let (d_model, positions) = (rng.random_range(2..9), rng.random_range(1..6));
        let epsilon = if rng.random() { 1e-5 } else { 0.1 };
        let what = format!("width {d_model}, {positions} positions, ε {epsilon}");
        let model = stirred(nn::RmsNormConfig::new(d_model).with_epsilon(epsilon).init(&training()), &mut rng);
        let rows = Rows::new(normal([units * cap, positions, d_model], &mut rng) * 3.0, units, cap, &mut rng);
        check_fast(&what, &model, &rows, |m, x| m.forward(x));
        let burns = stirred(burn::nn::RmsNormConfig::new(d_model).with_epsilon(epsilon).init(&training()), &mut rng);
        check_same_as_burn(&what, (model, burns), &rows.inputs, |m, x| m.forward(x), |m, x| m.forward(x));
    }
}

/// What stands before a layer that normalises: without it the oracle would see no gradient flow through the layer.
#[derive(burn::module::Module, Debug)]
struct After<L: burn::module::Module> {
    before: nn::Linear,
    layer: L,
}

#[test]
fn group_and_instance_norm_equal_the_oracle_and_burn() {
    let mut rng = seeded(104);
    for trial in 0..40 {
        let (units, cap) = (rng.random_range(1..5), trial % 3 + 1);
        let (groups, each) = (rng.random_range(1..4), rng.random_range(1..4));
        let (channels, affine) = (groups * each, trial % 4 != 0);
        let (height, width) = (rng.random_range(2..4), rng.random_range(3..6));
        let what = format!("{groups} groups of {each}, {height} × {width}, affine {affine}");
        let inputs = Rows::new(normal([units * cap, channels, height, width], &mut rng), units, cap, &mut rng);
        let before = || nn::LinearConfig::new(width, width).init(&training());

        let config = nn::GroupNormConfig::new(groups, channels).with_affine(affine);
        let model = stirred(After { before: before(), layer: config.init(&training()) }, &mut rng);
        check_fast(&what, &model, &inputs, |m, x| m.layer.forward(m.before.forward(x)));
        let burns = burn::nn::GroupNormConfig::new(groups, channels).with_affine(affine).init(&training());
        let pair = (model.layer, stirred(burns, &mut rng));
        check_same_as_burn(&what, pair, &inputs.inputs, |m, x| m.forward(x), |m, x| m.forward(x));

        let config = nn::InstanceNormConfig::new(channels).with_affine(affine);
        let model = stirred(After { before: before(), layer: config.init(&training()) }, &mut rng);
        check_fast(&what, &model, &inputs, |m, x| m.layer.forward(m.before.forward(x)));
        let burns = burn::nn::InstanceNormConfig::new(channels).with_affine(affine).init(&training());
        let pair = (model.layer, stirred(burns, &mut rng));
        check_same_as_burn(&what, pair, &inputs.inputs, |m, x| m.forward(x), |m, x| m.forward(x));
    }
}
