//! The recorded layers against the oracle and against `burn::nn`, one by one and in all their options.

use super::harness::{After, Rows, check_fast, check_same_as_burn, drawn, normal};
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
        let model = drawn(model, &mut rng);
        let rows = Rows::new(normal([units * cap, positions, d_input], &mut rng), units, cap, &mut rng);
        check_fast(&what, &model, &rows, |m, x| m.forward(x));
        let burns = drawn(burn::nn::LinearConfig::new(d_input, d_output).with_bias(bias).init(&training()), &mut rng);
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
        let model = drawn(nn::EmbeddingConfig::new(of, d_model).with_padding(padding).init(&training()), &mut rng);
        let mut inputs = ids([units * cap, length], of, &mut rng);
        if let Some(padding) = padding {
            // A unit of padding alone has nothing to clip.
            let other = Tensor::<2, Int>::full([units * cap, 1], ((padding + 1) % of) as i32, &Device::flex());
            inputs = Tensor::cat(vec![inputs, other], 1);
        }
        let rows = Rows::new(inputs, units, cap, &mut rng);
        check_fast(&what, &model, &rows, |m, x| m.forward(x));
        if padding.is_none() {
            let burns = drawn(burn::nn::EmbeddingConfig::new(of, d_model).init(&training()), &mut rng);
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
        let model = drawn(model, &mut rng);
        let rows = Rows::new(normal([units * cap, positions, d_model], &mut rng) * 3.0, units, cap, &mut rng);
        check_fast(&what, &model, &rows, |m, x| m.forward(x));
        let burns = burn::nn::LayerNormConfig::new(d_model).with_bias(bias).with_epsilon(epsilon).init(&training());
        check_same_as_burn(&what, (model, drawn(burns, &mut rng)), &rows.inputs, |m, x| m.forward(x), |m, x| m.forward(x));
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
        let model = drawn(nn::RmsNormConfig::new(d_model).with_epsilon(epsilon).init(&training()), &mut rng);
        let rows = Rows::new(normal([units * cap, positions, d_model], &mut rng) * 3.0, units, cap, &mut rng);
        check_fast(&what, &model, &rows, |m, x| m.forward(x));
        let burns = drawn(burn::nn::RmsNormConfig::new(d_model).with_epsilon(epsilon).init(&training()), &mut rng);
        check_same_as_burn(&what, (model, burns), &rows.inputs, |m, x| m.forward(x), |m, x| m.forward(x));
    }
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

        let config = nn::GroupNormConfig::new(groups, channels).with_affine(affine);
        let model = drawn(After::new(width, config.init(&training())), &mut rng);
        check_fast(&what, &model, &inputs, |m, x| m.layer.forward(m.before.forward(x)));
        let burns = burn::nn::GroupNormConfig::new(groups, channels).with_affine(affine).init(&training());
        let pair = (model.layer, drawn(burns, &mut rng));
        check_same_as_burn(&what, pair, &inputs.inputs, |m, x| m.forward(x), |m, x| m.forward(x));

        let config = nn::InstanceNormConfig::new(channels).with_affine(affine);
        let model = drawn(After::new(width, config.init(&training())), &mut rng);
        check_fast(&what, &model, &inputs, |m, x| m.layer.forward(m.before.forward(x)));
        let burns = burn::nn::InstanceNormConfig::new(channels).with_affine(affine).init(&training());
        let pair = (model.layer, drawn(burns, &mut rng));
        check_same_as_burn(&what, pair, &inputs.inputs, |m, x| m.forward(x), |m, x| m.forward(x));
    }
}

/// One slope for all or one for each channel, over vectors, sequences and images.
#[test]
fn prelu_equals_the_oracle_and_burn() {
    fn check<const D: usize>(what: &str, slopes: usize, (units, cap): (usize, usize), shape: [usize; D], rng: &mut ChaCha20Rng) {
        let config = nn::PReluConfig::new().with_num_parameters(slopes);
        let model = drawn(After::new(shape[D - 1], config.init(&training())), rng);
        let rows = Rows::new(normal(shape, rng), units, cap, rng);
        check_fast(what, &model, &rows, |m, x| m.layer.forward(m.before.forward(x)));
        let burns = drawn(burn::nn::PReluConfig::new().with_num_parameters(slopes).init(&training()), rng);
        check_same_as_burn(what, (model.layer, burns), &rows.inputs, |m, x| m.forward(x), |m, x| m.forward(x));
    }
    let mut rng = seeded(108);
    for trial in 0..24 {
        let (units, cap) = (rng.random_range(1..5), trial % 3 + 1);
        let (channels, positions) = (rng.random_range(2..6), rng.random_range(2..5));
        let slopes = if trial % 2 == 0 { 1 } else { channels };
        let (what, units) = (format!("{slopes} slopes, {channels} channels, {positions} positions"), (units, cap));
        let batch = units.0 * cap;
        check(&what, slopes, units, [batch, channels], &mut rng);
        check(&what, slopes, units, [batch, channels, positions], &mut rng);
        check(&what, slopes, units, [batch, channels, 2, positions], &mut rng);
    }
}

#[test]
fn swiglu_equals_the_oracle_and_burn() {
    let mut rng = seeded(109);
    for trial in 0..24 {
        let (units, cap) = (rng.random_range(1..5), trial % 3 + 1);
        let (d_input, d_output, positions) = (rng.random_range(1..9), rng.random_range(1..9), rng.random_range(1..5));
        let bias = rng.random();
        let what = format!("{d_input} to {d_output}, {positions} positions, bias {bias}");
        let model = drawn(nn::SwiGluConfig::new(d_input, d_output).with_bias(bias).init(&training()), &mut rng);
        let rows = Rows::new(normal([units * cap, positions, d_input], &mut rng), units, cap, &mut rng);
        check_fast(&what, &model, &rows, |m, x| m.forward(x));
        let burns = drawn(burn::nn::SwiGluConfig::new(d_input, d_output).with_bias(bias).init(&training()), &mut rng);
        check_same_as_burn(&what, (model, burns), &rows.inputs, |m, x| m.forward(x), |m, x| m.forward(x));
    }
}

/// Everything at once: symbols, a tied weight, residuals, convolution, pooling, every norm and a mean over positions.
#[derive(burn::module::Module, Debug)]
struct Text {
    embedding: nn::Embedding,
    first: nn::LayerNorm,
    conv: nn::conv::Conv1d,
    group: nn::GroupNorm,
    pool: nn::pool::AvgPool1d,
    up: nn::conv::ConvTranspose1d,
    instance: nn::InstanceNorm,
    last: nn::RmsNorm,
}

impl Text {
    fn forward(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        let x = self.embedding.forward(ids);
        let normed = self.first.forward(x.clone()).swap_dims(1, 2);
        let y = self.pool.forward(nn::Relu::new().forward(self.group.forward(self.conv.forward(normed.clone()))));
        // The same convolution again: its two uses share a gradient.
        let y = self.conv.forward(y);
        let y = self.instance.forward(self.up.forward(y) + normed).swap_dims(1, 2);
        let y = self.last.forward(y + x).mean_dim(1);
        nn::linear_transposed(y, &self.embedding.weight).squeeze_dim(1)
    }
}

#[test]
fn pitfall_11_and_12_a_model_of_all_layers_with_tied_and_repeated_parameters_equals_the_oracle() {
    let mut rng = seeded(105);
    for cap in 1..=3 {
        for units in [1, 2, 5] {
            let (symbols, width, length) = (7, 6, 8);
            let device = training();
            let model = Text {
                embedding: nn::EmbeddingConfig::new(symbols, width).with_padding(Some(2)).init(&device),
                first: nn::LayerNormConfig::new(width).init(&device),
                conv: nn::conv::Conv1dConfig::new(width, width, 3).with_padding(nn::PaddingConfig1d::Same).with_groups(2).init(&device),
                group: nn::GroupNormConfig::new(2, width).init(&device),
                pool: nn::pool::AvgPool1dConfig::new(2).with_stride(2).init(),
                up: nn::conv::ConvTranspose1dConfig::new([width, width], 2).with_stride(2).init(&device),
                instance: nn::InstanceNormConfig::new(width).init(&device),
                last: nn::RmsNormConfig::new(width).init(&device),
            };
            let model = drawn(model, &mut rng);
            let rows = Rows::new(ids([units * cap, length], symbols, &mut rng), units, cap, &mut rng);
            check_fast(&format!("{units} units of {cap}"), &model, &rows, |m, x| m.forward(x));
        }
    }
}

/// What no recorded layer owns is named, whether it is a layer of Burn's or a recorded layer's parameter used past the layer.
#[test]
fn pitfall_12_a_parameter_outside_a_recorded_layer_is_named() {
    #[derive(burn::module::Module, Debug)]
    struct Mixed {
        embedding: nn::Embedding,
        plain: burn::nn::conv::Conv1d,
        out: nn::Linear,
    }
    let (mut rng, device) = (seeded(106), training());
    let model = Mixed {
        embedding: nn::EmbeddingConfig::new(5, 4).init(&device),
        plain: burn::nn::conv::Conv1dConfig::new(4, 4, 3).init(&device),
        out: nn::LinearConfig::new(4, 5).init(&device),
    };
    let rows = Rows::new(ids([4, 6], 5, &mut rng), 4, 1, &mut rng);
    let named = |forward: fn(&Mixed, Tensor<2, Int>) -> Tensor<3>| {
        let losses = |m: &Mixed, rows: &Rows<Tensor<2, Int>>| super::harness::row_losses(forward(m, rows.inputs.clone()), &rows.mask);
        match clipped_sum(&model, Some(&rows), losses, &Clip::flat(1.0)) {
            Err(crate::Error::NotRecorded { parameters }) => parameters,
            Err(other) => panic!("{other}"),
            Ok(_) => vec![],
        }
    };
    assert_eq!(named(|m, x| m.out.forward(m.embedding.forward(x))), [""; 0]);
    let plain = named(|m, x| m.out.forward(m.plain.forward(m.embedding.forward(x).swap_dims(1, 2)).swap_dims(1, 2)));
    assert_eq!(plain, ["plain.weight", "plain.bias"]);
    let past = named(|m, x| m.embedding.forward(x).matmul(m.embedding.weight.val().transpose().unsqueeze()));
    assert_eq!(past, ["embedding.weight"]);
}

/// Dropout acts in a recorded step as in Burn's own training, from Burn's own generator. 10,000 values are zeroed with probability 0.3: false
/// alarm below 1e-9.
#[test]
fn dropout_acts_while_a_step_is_recorded_and_not_in_a_valid_model() {
    let layer = nn::DropoutConfig::new(0.3).init();
    let input: Tensor<2> = Tensor::ones([100, 100], &training());
    let (output, _) = crate::tape::record(|| layer.forward(input.clone()));
    let output = crate::gradient::read(output);
    let zeroed = output.iter().filter(|&&v| v == 0.0).count() as u64;
    check_binomial(zeroed, 10_000, 0.3, 5e-10);
    assert!(output.iter().all(|&v| v == 0.0 || (v - 1.0 / 0.7).abs() < 1e-6));
    assert_eq!(crate::gradient::read(layer.forward(input.inner())), vec![1.0; 10_000]);
}

/// Adapters on an embedding and on a linear layer, with the weights under them frozen, as adapters are made, and trained along.
#[test]
fn adapters_equal_the_oracle() {
    use burn::module::{Lora, Module, ParamGroup};
    #[derive(Module, Debug)]
    struct Adapted {
        embedding: nn::Embedding,
        out: nn::Linear,
    }
    let mut rng = seeded(107);
    for cap in 1..=2 {
        for length in [1, 4] {
            let embedding = nn::EmbeddingConfig::new(6, 5).init(&training());
            let model = Adapted { embedding, out: nn::LinearConfig::new(5, 6).init(&training()) };
            let model = drawn(model.apply_lora(Lora::new(2, 3.0)), &mut rng);
            let rows = Rows::new(ids([3 * cap, length], 6, &mut rng), 3, cap, &mut rng);
            let forward = |m: &Adapted, x| m.out.forward(m.embedding.forward(x));
            check_fast("frozen below", &model, &rows, forward);
            let only_adapters = crate::gradient::trainable(&model);
            assert!(only_adapters.iter().all(|p| p.name.contains("lora")) && only_adapters.len() == 4, "{only_adapters:?}");
            check_fast("trained along", &model.unfreeze_group(ParamGroup::all()), &rows, forward);
        }
    }
}
