//! Attention and transformers against the oracle and against `burn::nn`, with masks, rotary positions, residuals and tied weights.

use super::harness::{Rows, check_equal, check_fast, check_same_as_burn, drawn, normal, row_losses};
use super::*;
use crate::nn::RotaryEncodingConfig;
use crate::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig, generate_autoregressive_mask};
use crate::nn::transformer::{PositionWiseFeedForwardConfig, TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput};
use crate::{nn, tape};
use burn::module::Module;
use burn::nn::activation::ActivationConfig;
use burn::tensor::{Bool, Int, Tensor, TensorData};

fn training() -> Device {
    Device::flex().autodiff()
}

fn ids(shape: [usize; 2], of: i64, rng: &mut ChaCha20Rng) -> Tensor<2, Int> {
    let values: Vec<i64> = (0..shape[0] * shape[1]).map(|_| rng.random_range(0..of)).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Padding where a mark is 0.
fn padding(marks: Tensor<2, Int>) -> Tensor<2, Bool> {
    marks.equal_scalar(0)
}

fn causal<const D: usize>(like: &Tensor<D>) -> Tensor<3, Bool> {
    generate_autoregressive_mask(like.dims()[0], like.dims()[1], &Device::flex())
}

#[test]
fn self_attention_equals_the_oracle_and_burn() {
    let mut rng = seeded(300);
    for trial in 0..24 {
        let (units, cap) = (if trial % 5 == 0 { 1 } else { rng.random_range(2..5) }, trial % 3 + 1);
        let (heads, d_k) = (rng.random_range(1..4), 2 * rng.random_range(1..3));
        let length = if trial % 6 == 0 { 1 } else { rng.random_range(2..6) };
        let (masked, is_causal, rotary, quiet) = (trial % 2 == 0, trial % 4 < 2, trial % 3 == 0, trial % 7 == 0);
        let what = format!(
            "trial {trial}: {heads} heads of {d_k}, length {length}, padding {masked}, causal {is_causal}, rotary {rotary}, quiet {quiet}"
        );
        let bias: [bool; 4] = rng.random();
        let d_model = heads * d_k;
        let config = MultiHeadAttentionConfig::new(d_model, heads)
            .with_dropout(0.0)
            .with_quiet_softmax(quiet)
            .with_query_bias(bias[0])
            .with_key_bias(bias[1])
            .with_value_bias(bias[2])
            .with_output_bias(bias[3]);
        let burns = burn::nn::attention::MultiHeadAttentionConfig::new(d_model, heads)
            .with_dropout(0.0)
            .with_quiet_softmax(quiet)
            .with_query_bias(bias[0])
            .with_key_bias(bias[1])
            .with_value_bias(bias[2])
            .with_output_bias(bias[3]);
        let encoding = RotaryEncodingConfig::new(8, d_k).init(&Device::flex());
        let rows = (normal([units * cap, length, d_model], &mut rng), ids([units * cap, length], 3, &mut rng));
        let rows = Rows::new(rows, units, cap, &mut rng);
        let model = drawn(config.init(&training()), &mut rng);
        let ours = |m: &MultiHeadAttention, (x, marks): (Tensor<3>, Tensor<2, Int>)| {
            let mut input = MhaInput::self_attn(x.clone());
            if masked {
                input = input.mask_pad(padding(marks));
            }
            if is_causal {
                input = input.mask_attn(causal(&x));
            }
            if rotary { m.forward_with_rotary(input, &encoding).context } else { m.forward(input).context }
        };
        check_fast(&what, &model, &rows, ours);
        if !rotary {
            check_same_as_burn(&what, (model, drawn(burns.init(&training()), &mut rng)), &rows.inputs, ours, |m, (x, marks)| {
                let mut input = burn::nn::attention::MhaInput::self_attn(x.clone());
                if masked {
                    input = input.mask_pad(padding(marks));
                }
                if is_causal {
                    input = input.mask_attn(causal(&x));
                }
                m.forward(input).context
            });
        }
    }
}

/// Queries of one length, keys and values of another, and a loss that also reads the attention weights.
#[test]
fn cross_attention_equals_the_oracle_and_burn() {
    let mut rng = seeded(301);
    for trial in 0..8 {
        let (units, cap, length, other) = (rng.random_range(1..4), trial % 3 + 1, rng.random_range(1..5), rng.random_range(1..5));
        let rows = (normal([units * cap, length, 4], &mut rng), normal([units * cap, other, 4], &mut rng));
        let rows = Rows::new(rows, units, cap, &mut rng);
        let config = MultiHeadAttentionConfig::new(4, 2).with_dropout(0.0);
        let burns = drawn(burn::nn::attention::MultiHeadAttentionConfig::new(4, 2).with_dropout(0.0).init(&training()), &mut rng);
        let model = drawn(config.init(&training()), &mut rng);
        fn both(context: Tensor<3>, weights: Tensor<4>) -> Tensor<2> {
            let flat = |t: Tensor<3>| t.flatten::<2>(1, 2);
            Tensor::cat(vec![flat(context), flat(weights.flatten(2, 3))], 1)
        }
        let ours = |m: &MultiHeadAttention, (x, y): (Tensor<3>, Tensor<3>)| {
            let output = m.forward(MhaInput::new(x, y.clone(), y * 0.5));
            both(output.context, output.weights)
        };
        check_fast(&format!("trial {trial}"), &model, &rows, ours);
        check_same_as_burn(&format!("trial {trial}"), (model, burns), &rows.inputs, ours, |m, (x, y)| {
            let output = m.forward(burn::nn::attention::MhaInput::new(x, y.clone(), y * 0.5));
            both(output.context, output.weights)
        });
    }
}

/// By Su et al. (arXiv:2104.09864, section 3.2.1): turned by their positions, scores depend on how far positions are apart, not on where
/// they are.
#[test]
fn rotary_scores_depend_on_distances_alone() {
    let mut rng = seeded(302);
    let layer = drawn(MultiHeadAttentionConfig::new(8, 2).with_dropout(0.0).init(&training()), &mut rng).valid();
    let encoding = RotaryEncodingConfig::new(16, 4).init(&Device::flex());
    // The same vector everywhere: what differs between two scores is only where they stand.
    let x = normal([1, 1, 8], &mut rng).expand([1, 6, 8]);
    let weights = layer.forward_with_rotary(MhaInput::self_attn(x.clone()), &encoding).weights;
    let log: Vec<f64> = crate::gradient::read(weights.log());
    let score = |head: usize, i: usize, j: usize| log[(head * 6 + i) * 6 + j];
    for head in 0..2 {
        for i in 1..5 {
            // Differences within a row: the softmax's denominator cancels.
            let (here, next) = (score(head, i, i) - score(head, i, i - 1), score(head, i + 1, i + 1) - score(head, i + 1, i));
            assert!((here - next).abs() < 1e-5, "{here} {next}");
        }
        assert!((score(head, 2, 2) - score(head, 2, 1)).abs() > 1e-3, "positions have no effect");
    }
    let plain: Vec<f64> = crate::gradient::read(layer.forward(MhaInput::self_attn(x)).weights);
    assert!(plain.iter().all(|w| (w - 1.0 / 6.0).abs() < 1e-6));
}

/// Nothing after a position reaches it.
#[test]
fn a_causal_mask_hides_what_comes_later() {
    let mut rng = seeded(303);
    let encoder = TransformerEncoderConfig::new(4, 8, 2, 2).with_dropout(0.0).with_norm_first(true).init(&training());
    let encoder = drawn(encoder, &mut rng).valid();
    let x = normal([2, 5, 4], &mut rng);
    let changed = x.clone().slice_assign([0..2, 3..5, 0..4], normal([2, 2, 4], &mut rng));
    let run = |x: Tensor<3>| encoder.forward(TransformerEncoderInput::new(x.clone()).mask_attn(causal(&x)));
    let (before, after) = (run(x), run(changed));
    check_equal("the past", before.clone().narrow(1, 0, 3), after.clone().narrow(1, 0, 3));
    assert!(norm(&crate::gradient::read(before.narrow(1, 3, 2) - after.narrow(1, 3, 2))) > 1e-2);
}

#[test]
fn transformers_equal_the_oracle_and_burn() {
    let mut rng = seeded(304);
    for trial in 0..12 {
        let (units, cap) = (rng.random_range(1..4), trial % 3 + 1);
        let length = if trial % 5 == 0 { 1 } else { rng.random_range(2..5) };
        let (norm_first, quiet, is_causal) = (trial % 2 == 0, trial % 5 == 1, trial % 4 < 2);
        let activation = if trial % 3 == 0 { ActivationConfig::Gelu } else { ActivationConfig::Tanh };
        let what = format!("trial {trial}: length {length}, norm first {norm_first}, quiet {quiet}, causal {is_causal}");
        let config = TransformerEncoderConfig::new(4, 6, 2, 2)
            .with_dropout(0.0)
            .with_norm_first(norm_first)
            .with_quiet_softmax(quiet)
            .with_layer_norm_eps(1e-3)
            .with_activation(activation.clone());
        let burns = burn::nn::transformer::TransformerEncoderConfig::new(4, 6, 2, 2)
            .with_dropout(0.0)
            .with_norm_first(norm_first)
            .with_quiet_softmax(quiet)
            .with_layer_norm_eps(1e-3)
            .with_activation(activation);
        let rows = (normal([units * cap, length, 4], &mut rng), ids([units * cap, length], 4, &mut rng));
        let rows = Rows::new(rows, units, cap, &mut rng);
        let model = drawn(config.init(&training()), &mut rng);
        let ours = |m: &TransformerEncoder, (x, marks): (Tensor<3>, Tensor<2, Int>)| {
            let input = TransformerEncoderInput::new(x.clone()).mask_pad(padding(marks));
            m.forward(if is_causal { input.mask_attn(causal(&x)) } else { input })
        };
        check_fast(&what, &model, &rows, ours);
        check_same_as_burn(&what, (model, drawn(burns.init(&training()), &mut rng)), &rows.inputs, ours, |m, (x, marks)| {
            let input = burn::nn::transformer::TransformerEncoderInput::new(x.clone()).mask_pad(padding(marks));
            m.forward(if is_causal { input.mask_attn(causal(&x)) } else { input })
        });
    }
}

#[test]
fn position_wise_layers_equal_the_oracle_and_burn() {
    let mut rng = seeded(305);
    let config = PositionWiseFeedForwardConfig::new(3, 5).with_dropout(0.0);
    let burns = drawn(burn::nn::transformer::PositionWiseFeedForwardConfig::new(3, 5).with_dropout(0.0).init(&training()), &mut rng);
    let rows = Rows::new(normal([6, 4, 3], &mut rng), 3, 2, &mut rng);
    let model = drawn(config.init(&training()), &mut rng);
    check_fast("feed-forward", &model, &rows, |m, x| m.forward(x));
    check_same_as_burn("feed-forward", (model, burns), &rows.inputs, |m, x| m.forward(x), |m, x| m.forward(x));
}

/// A decoder whose head is its embedding, and the same with a head of its own.
#[derive(Module, Debug)]
struct Tied {
    embedding: nn::Embedding,
    body: TransformerEncoder,
    head: Option<nn::Embedding>,
}

impl Tied {
    fn logits(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let x = self.embedding.forward(ids);
        let mask = causal(&x);
        let x = self.body.forward(TransformerEncoderInput::new(x).mask_attn(mask));
        nn::linear_transposed(x, &self.head.as_ref().unwrap_or(&self.embedding).weight)
    }
}

/// `‖g₁ + g₂‖² ≠ ‖g₁‖² + ‖g₂‖²`: the gradient of a tied embedding is the sum of both of its uses'.
#[test]
fn pitfall_11_tied_embedding_transformer_equals_the_oracle() {
    let mut rng = seeded(306);
    // More symbols than positions for the ghost form, fewer for the instantiated one.
    for (symbols, units, cap) in [(40, 3, 1), (40, 2, 2), (40, 1, 3), (5, 3, 1), (5, 2, 3)] {
        let device = training();
        let model = Tied {
            embedding: nn::EmbeddingConfig::new(symbols, 4).init(&device),
            body: TransformerEncoderConfig::new(4, 6, 2, 1).with_dropout(0.0).with_norm_first(true).init(&device),
            head: None,
        };
        let model = drawn(model, &mut rng);
        let rows = Rows::new(ids([units * cap, 4], symbols as i64, &mut rng), units, cap, &mut rng);
        check_fast(&format!("{symbols} symbols, {units} units of {cap}"), &model, &rows, |m, ids| m.logits(ids));

        // What taking the two uses for two parameters would say is another number.
        let apart = Tied {
            head: Some(nn::Embedding { weight: burn::module::Param::from_tensor(model.embedding.weight.val()), padding: None }),
            ..model.clone()
        };
        let norms = |m: &Tied| {
            let losses = |m: &Tied, rows: &Rows<Tensor<2, Int>>| row_losses(m.logits(rows.inputs.clone()), &rows.mask);
            clipped_sum(m, Some(&rows), losses, &Clip::flat(1e9)).unwrap().norms
        };
        let most = norms(&model).iter().zip(norms(&apart)).map(|(a, b)| (a / b - 1.0).abs()).fold(0.0, f64::max);
        assert!(most > 1e-3, "the uses do not meet: {most}");
    }
}

/// One layer at several places, and around itself.
#[derive(Module, Debug)]
struct Repeated {
    attention: MultiHeadAttention,
    norm: nn::LayerNorm,
    linear: nn::Linear,
}

#[test]
fn pitfall_11_repeated_layers_and_residuals_equal_the_oracle() {
    let mut rng = seeded(307);
    for (units, cap) in [(3, 1), (2, 2), (1, 3)] {
        let device = training();
        let model = Repeated {
            attention: MultiHeadAttentionConfig::new(4, 2).with_dropout(0.0).init(&device),
            norm: nn::LayerNormConfig::new(4).init(&device),
            linear: nn::LinearConfig::new(4, 4).init(&device),
        };
        let rows = Rows::new(normal([units * cap, 3, 4], &mut rng), units, cap, &mut rng);
        check_fast(&format!("{units} units of {cap}"), &drawn(model, &mut rng), &rows, |m, mut x| {
            for _ in 0..3 {
                let y = m.norm.forward(x.clone());
                x = x + m.attention.forward(MhaInput::self_attn(y)).context;
                // As it stands and transposed.
                x = x.clone() + nn::linear_transposed(m.linear.forward(x), &m.linear.weight);
            }
            x
        });
    }
}

/// While recording, dropout drops as in training: each attention weight is zero or 1/(1 - p) of what it would be.
#[test]
fn dropout_drops_while_recording() {
    let mut rng = seeded(308);
    let model = drawn(MultiHeadAttentionConfig::new(4, 2).with_dropout(0.25).init(&training()), &mut rng);
    let x = normal([40, 6, 4], &mut rng);
    let kept: Vec<f64> = crate::gradient::read(model.valid().forward(MhaInput::self_attn(x.clone())).weights);
    let (dropped, _) = tape::record(|| crate::gradient::read(tape::plain(model.forward(MhaInput::self_attn(x)).weights)));
    let zeros = dropped.iter().filter(|w| **w == 0.0).count() as u64;
    for (d, k) in dropped.iter().zip(&kept) {
        assert!(*d == 0.0 || (d - k / 0.75).abs() < 1e-6, "{d} {k}");
    }
    // 2,880 weights at p = .25; fails by chance with probability below 2e-9.
    check_binomial(zeros, dropped.len() as u64, 0.25, 1e-9);
}
