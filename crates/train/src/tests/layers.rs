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
