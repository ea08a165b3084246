//! The models ready to use: their clipped sums against one unit at a time, what padding may change (nothing), and that they learn.

use super::harness::drawn;
use super::*;
use crate::gradient::read;
use crate::models::*;
use crate::{ClipRule, UnitBatch, clipped_sum_universal};
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Tensor, TensorData};
use std::collections::BTreeMap;

fn training() -> Device {
    Device::flex().autodiff()
}

/// Units of 1 to `most` rows, each of what `row` draws and a class.
fn labelled<R>(
    rng: &mut ChaCha20Rng,
    units: usize,
    most: usize,
    classes: usize,
    mut row: impl FnMut(&mut ChaCha20Rng) -> R,
) -> Vec<Vec<(R, usize)>> {
    (0..units).map(|_| (0..rng.random_range(1..=most)).map(|_| (row(rng), rng.random_range(0..classes))).collect()).collect()
}

fn values(width: usize) -> impl FnMut(&mut ChaCha20Rng) -> Vec<f32> {
    move |rng| (0..width).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn symbols(of: u32, longest: usize) -> impl FnMut(&mut ChaCha20Rng) -> Vec<u32> {
    move |rng| (0..rng.random_range(1..=longest)).map(|_| rng.random_range(0..of)).collect()
}

/// Norms and sums of the fast path against one unit at a time, to 1e-5; and the validator has nothing to say.
#[track_caller]
fn check_model<M: Module, B: UnitBatch>(what: &str, model: &M, batch: &B, losses: impl Fn(&M, &B) -> Tensor<1> + Copy) {
    let free = clipped_sum_universal(model, Some(batch), losses, &Clip::flat(1e9)).unwrap();
    let mut sorted = free.norms.clone();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted[sorted.len() / 2];
    assert!(middle > 1e-3, "{what}: nothing to compare");
    assert!(free.values.iter().all(|(_, sum)| norm(sum) > 0.0), "{what}: a parameter has no part");
    crate::ModuleValidator::validate(model, batch, losses).unwrap();
    for clip in [Clip::flat(1e9), Clip::flat(middle * 1.01), Clip { max_grad_norm: middle * 0.5, rule: ClipRule::PerLayer }] {
        let fast = clipped_sum(model, Some(batch), losses, &clip).unwrap();
        let slow = clipped_sum_universal(model, Some(batch), losses, &clip).unwrap();
        for (a, b) in fast.norms.iter().zip(&slow.norms) {
            assert!((a - b).abs() <= 1e-5 * b, "{what}: {:?}: norm {a}, is {b}", clip.rule);
        }
        let (a, b) = (flat(&fast), flat(&slow));
        assert!(norm(&difference(&a, &b)) <= 1e-5 * norm(&b), "{what}: {:?}: sum off", clip.rule);
    }
}

#[test]
fn mlp_equals_the_oracle() {
    let mut rng = seeded(400);
    for (hidden, cap) in [(vec![], 1), (vec![5], 2), (vec![6, 4], 3)] {
        let model = drawn(MlpConfig::new(4, 3).with_hidden(hidden).init(&training()), &mut rng);
        let batch = ClassBatch::from_units(&labelled(&mut rng, 4, cap + 1, 3, values(4)), 3, cap, &Device::flex()).unwrap();
        check_model(&format!("cap {cap}"), &model, &batch, Mlp::losses);
    }
}

fn small_cnn() -> CnnConfig {
    CnnConfig::new([2, 6, 7], 3).with_filters([3, 4]).with_kernels([3, 2]).with_strides([1, 1]).with_padding(1).with_hidden(5)
}

#[test]
fn cnn_equals_the_oracle() {
    let mut rng = seeded(401);
    for cap in 1..=3 {
        let model = drawn(small_cnn().init(&training()), &mut rng);
        let images = labelled(&mut rng, 3, cap, 3, values(2 * 6 * 7));
        let batch = ClassBatch::from_images(&images, [2, 6, 7], 3, cap, &Device::flex()).unwrap();
        check_model(&format!("cap {cap}"), &model, &batch, Cnn::losses);
    }
    assert_eq!(CnnConfig::new([1, 28, 28], 10).init(&Device::flex()).num_params(), 26_010);
}

#[test]
fn lstm_classifier_equals_the_oracle() {
    let mut rng = seeded(402);
    for (layers, cap) in [(1, 1), (2, 2), (2, 3)] {
        let config = LstmClassifierConfig::new(7, 3).with_d_embedding(3).with_d_hidden(4).with_layers(layers);
        let model = drawn(config.init(&training()), &mut rng);
        let batch = ClassBatch::from_sequences(&labelled(&mut rng, 3, cap, 3, symbols(7, 7)), 7, 3, 5, cap, &Device::flex()).unwrap();
        check_model(&format!("{layers} layers, cap {cap}"), &model, &batch, LstmClassifier::losses);
    }
}

#[test]
fn transformer_classifier_equals_the_oracle() {
    let mut rng = seeded(403);
    for cap in 1..=3 {
        let config = TransformerClassifierConfig::new(7, 3, 5).with_d_model(4).with_d_ff(6).with_n_heads(2).with_n_layers(2);
        let model = drawn(config.init(&training()), &mut rng);
        let batch = ClassBatch::from_sequences(&labelled(&mut rng, 3, cap, 3, symbols(7, 7)), 7, 3, 5, cap, &Device::flex()).unwrap();
        check_model(&format!("cap {cap}"), &model, &batch, TransformerClassifier::losses);
    }
}

fn small_decoder() -> DecoderConfig {
    DecoderConfig::new().with_vocabulary(6).with_max_length(5).with_d_model(4).with_d_ff(6).with_n_heads(2).with_n_layers(2)
}

#[test]
fn pitfall_11_decoder_equals_the_oracle_tied_and_untied() {
    let mut rng = seeded(404);
    for (tied, positions, cap) in
        [(true, Positions::Rotary, 1), (true, Positions::Learned, 2), (false, Positions::Rotary, 3), (false, Positions::Learned, 1)]
    {
        let model = drawn(small_decoder().with_tied(tied).with_positions(positions).init(&training()), &mut rng);
        let texts: Vec<Vec<Vec<u32>>> = (0..3).map(|_| (0..rng.random_range(1..3)).map(|_| symbols(5, 8)(&mut rng)).collect()).collect();
        let batch = TextBatch::new(&texts, 6, cap, 5, &Device::flex()).unwrap();
        check_model(&format!("tied {tied}, {positions:?}, cap {cap}"), &model, &batch, Decoder::losses);
    }
}

/// More padding behind the sequences, more rows of padding, and other symbols in the padding change no loss.
#[test]
fn padding_changes_nothing() {
    let mut rng = seeded(405);
    let device = Device::flex();
    let rows = labelled(&mut rng, 3, 2, 3, symbols(7, 4));
    let short = ClassBatch::from_sequences(&rows, 7, 3, 4, 2, &device).unwrap();
    let long = ClassBatch::from_sequences(&rows, 7, 3, 6, 2, &device).unwrap();
    let mut other = long.clone();
    let padding = other.inputs.mask.clone().equal_scalar(0.0);
    assert!(read(padding.clone().float().sum())[0] >= 6.0);
    other.inputs.ids = other.inputs.ids.mask_fill(padding, 5);
    let lstm =
        drawn(LstmClassifierConfig::new(7, 3).with_d_embedding(3).with_d_hidden(4).with_layers(2).init(&training()), &mut rng).valid();
    let transformer = TransformerClassifierConfig::new(7, 3, 6).with_d_model(4).with_d_ff(6).with_n_heads(2);
    let transformer = drawn(transformer.init(&training()), &mut rng).valid();
    for batch in [&long, &other] {
        assert!(norm(&difference(&read(lstm.losses(&short)), &read(lstm.losses(batch)))) < 1e-5);
        assert!(norm(&difference(&read(transformer.losses(&short)), &read(transformer.losses(batch)))) < 1e-5);
    }
    assert!(read(lstm.losses(&short)).iter().zip(read(short.mask.clone())).all(|(loss, mask)| (*loss > 0.0) == (mask > 0.0)));

    let decoder = drawn(small_decoder().init(&training()), &mut rng).valid();
    let texts = [vec![vec![0, 1, 2]], vec![vec![4]]];
    let of = |length, cap| TextBatch::new(&texts, 6, cap, length, &device).unwrap();
    let (short, long) = (read(decoder.losses(&of(4, 1))), read(decoder.losses(&of(5, 2))));
    assert!(norm(&difference(&short, &[long[0], long[2]])) < 1e-5);
    assert_eq!([long[1], long[3]], [0.0, 0.0]);
}

/// A text stands as: the end, then its symbols; each predicts the next, the last the end. Longer texts go on in the next row.
#[test]
fn texts_are_cut_into_rows() {
    let units = [vec![vec![1, 2, 3, 4], vec![0]], vec![vec![]]];
    let batch = TextBatch::new(&units, 6, 3, 3, &Device::flex()).unwrap();
    let ids = |t: Tensor<2, burn::tensor::Int>| t.into_data().convert::<i64>().try_to_vec::<i64>().unwrap();
    assert_eq!(ids(batch.inputs), [5, 1, 2, 3, 4, 5, 5, 0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]);
    assert_eq!(ids(batch.targets), [1, 2, 3, 4, 5, 5, 0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]);
    assert_eq!(read(batch.mask), [1., 1., 1., 1., 1., 0., 1., 1., 0., 1., 0., 0., 0., 0., 0., 0., 0., 0.]);
    // The cap on rows cuts what is beyond.
    let batch = TextBatch::new(&units, 6, 1, 3, &Device::flex()).unwrap();
    assert_eq!(read(batch.mask), [1., 1., 1., 1., 0., 0.]);
}

#[track_caller]
fn check_refused<B>(batch: Result<B, crate::Error>, expected: &str) {
    let Err(error) = batch else { panic!("was taken") };
    assert_eq!(error.to_string(), format!("the examples do not fit together: {expected}"));
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let device = Device::flex();
    let none: [Vec<(Vec<f32>, usize)>; 0] = [];
    check_refused(ClassBatch::from_units(&none, 2, 1, &device), "there is no row");
    check_refused(ClassBatch::from_units(&[Vec::<(Vec<f32>, usize)>::new()], 2, 1, &device), "there is no row");
    check_refused(ClassBatch::from_units(&[vec![(vec![1.0], 0)]], 2, 0, &device), "there is no row");
    check_refused(ClassBatch::from_units(&[vec![(vec![1.0], 2)]], 2, 1, &device), "a class is out of range");
    check_refused(ClassBatch::from_units(&[vec![(vec![1.0], 0)], vec![(vec![1.0, 2.0], 0)]], 2, 1, &device), "rows differ in width");
    check_refused(ClassBatch::from_images(&[vec![(vec![1.0; 5], 0)]], [1, 2, 2], 2, 1, &device), "an image has another number of values");
    check_refused(ClassBatch::from_sequences(&[vec![(vec![7], 0)]], 7, 2, 3, 1, &device), "a symbol is out of range");
    check_refused(ClassBatch::from_sequences(&[vec![(vec![6], 0)]], 7, 2, 0, 1, &device), "sequences have no length");
    check_refused(TextBatch::new(&[vec![vec![5]]], 6, 1, 3, &device), "a symbol is outside the vocabulary");
    check_refused(TextBatch::new(&[vec![vec![4]]], 6, 1, 0, &device), "there is no position");
}

#[test]
fn the_ways_to_a_likelihood_agree() {
    let mut rng = seeded(406);
    for positions in [Positions::Rotary, Positions::Learned] {
        let model = drawn(small_decoder().with_positions(positions).init(&training()), &mut rng);
        let text = vec![3, 0, 4, 1];
        let batch = TextBatch::new(&[vec![text.clone()]], 6, 1, 5, &Device::flex()).unwrap();
        let with_end: Vec<u32> = text.iter().copied().chain([model.end()]).collect();
        let loss = read(model.valid().losses(&batch))[0];
        assert!((model.log_likelihood(&[], &with_end) + loss).abs() < 1e-4 * loss);
        let parts = model.log_likelihood(&[], &text[..2]) + model.log_likelihood(&text[..2], &with_end[2..]);
        assert!((parts + loss).abs() < 1e-4 * loss);
        let total: f64 = (0..6).map(|s| model.log_likelihood(&text, &[s]).exp()).sum();
        assert!((total - 1.0).abs() < 1e-5);
        assert_eq!(model.log_likelihood(&text, &[6]), f64::NEG_INFINITY);
        // Further back than a row reaches.
        let long: Vec<u32> = (0..20).map(|i| i % 5).collect();
        assert!(model.log_likelihood(&[], &long).is_finite());
        assert!(model.generate(&long, 7, 1.0, &mut rng).iter().all(|&s| s < model.end()));
        assert!(model.generate(&[99], 3, 0.0, &mut rng).len() <= 3);
    }
}

/// A model sees the order of what came before, and the last `max_length` symbols of it alone.
#[test]
fn a_decoder_sees_order_within_its_window() {
    let mut rng = seeded(410);
    for positions in [Positions::Rotary, Positions::Learned] {
        // One layer: without positions it could not tell these prefixes apart.
        let model = drawn(small_decoder().with_n_layers(1).with_positions(positions).init(&training()), &mut rng);
        let at = |prefix: &[u32]| model.log_likelihood(prefix, &[2]);
        let swaps = [[0, 1, 3], [1, 2, 4], [2, 4, 0], [3, 0, 1], [4, 3, 2]];
        let most = swaps.iter().map(|&[a, b, c]| (at(&[a, b, c]) - at(&[b, a, c])).abs()).fold(0.0, f64::max);
        assert!(most > 1e-4, "{positions:?}: {most}");
        assert!((at(&[0, 1, 2, 3, 4, 0]) - at(&[1, 1, 2, 3, 4, 0])).abs() < 1e-12, "{positions:?}");
        assert!((at(&[0, 1, 2, 3, 4, 0]) - at(&[0, 0, 2, 3, 4, 0])).abs() > 1e-4, "{positions:?}");
    }
}

/// Draws follow the model: 2,000 first symbols at temperature 1.
#[test]
fn symbols_are_drawn_by_their_probabilities() {
    let mut rng = seeded(407);
    let model = drawn(small_decoder().with_max_length(2).with_n_layers(1).init(&training()), &mut rng);
    let mut counts = [0_u64; 6];
    for _ in 0..2000 {
        counts[model.generate(&[2], 1, 1.0, &mut rng).first().copied().unwrap_or(model.end()) as usize] += 1;
    }
    for (symbol, &count) in counts.iter().enumerate() {
        // 12 tails: fails by chance with probability below 2e-8.
        check_binomial(count, 2000, model.log_likelihood(&[2], &[symbol as u32]).exp(), 1e-9);
    }
}

/// Some steps of plain descent through the whole chain, with next to no noise: sum, privatise, move.
fn descend<M: Module, B: UnitBatch>(
    mut model: M,
    batch: &B,
    losses: impl Fn(&M, &B) -> Tensor<1> + Copy,
    rate: f64,
    steps: u64,
) -> (M, f64, f64) {
    struct Move(BTreeMap<ParamId, Vec<f64>>, f64);
    impl ModuleMapper for Move {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let Some(step) = self.0.get(&param.id) else { return param };
            let step: Vec<f32> = step.iter().map(|g| (g * self.1) as f32).collect();
            let step: Tensor<D> = Tensor::from_data(TensorData::new(step, param.dims()), &Device::flex());
            param.map(|t| (crate::tape::plain(t) - step).autodiff().require_grad())
        }
    }
    let plan = Plan {
        sample_rate: SamplingRate::new(1.0).unwrap(),
        public_units: batch.units() as u64,
        noise_multiplier: NoiseMultiplier::new(1e-6).unwrap(),
        max_grad_norm: 1.0,
        ..plan()
    }
    .privacy();
    let total = |model: &M| read(crate::tape::plain(losses(model, batch).sum()))[0];
    let before = total(&model);
    for step in 0..steps {
        let sum = clipped_sum(&model, Some(batch), losses, &plan.clip()).unwrap();
        model = model.map(&mut Move(sum.privatize(&plan, &key(), &binding(), step).into_values(), rate));
    }
    let after = total(&model);
    (model, before, after)
}

#[test]
fn models_learn() {
    let mut rng = seeded(408);
    let device = Device::flex();
    // Which of two values is larger.
    let units = labelled(&mut rng, 12, 2, 1, values(2))
        .into_iter()
        .map(|u| u.into_iter().map(|(x, _)| (x.clone(), usize::from(x[0] > x[1]))).collect());
    let batch = ClassBatch::from_units(&units.collect::<Vec<Vec<_>>>(), 2, 2, &device).unwrap();
    let model = drawn(MlpConfig::new(2, 2).with_hidden(vec![6]).init(&training()), &mut rng);
    let (_, before, after) = descend(model, &batch, Mlp::losses, 1.0, 60);
    assert!(after < 0.4 * before, "mlp: {before} to {after}");

    // Whether the left half or the right one is bright.
    let images = labelled(&mut rng, 8, 1, 2, values(2 * 6 * 7));
    let lit = |mut x: Vec<f32>, class: usize| {
        x.iter_mut().enumerate().for_each(|(i, v)| *v = 0.1 * *v + if (i % 7 > 3) == (class == 1) { 0.9 } else { 0.0 });
        (x, class)
    };
    let images: Vec<Vec<_>> = images.into_iter().map(|u| u.into_iter().map(|(x, class)| lit(x, class)).collect()).collect();
    let batch = ClassBatch::from_images(&images, [2, 6, 7], 3, 1, &device).unwrap();
    let (_, before, after) = descend(drawn(small_cnn().init(&training()), &mut rng), &batch, Cnn::losses, 0.5, 40);
    assert!(after < 0.4 * before, "cnn: {before} to {after}");

    // Whether symbol 3 occurs.
    let texts = labelled(&mut rng, 10, 1, 1, symbols(5, 6));
    let texts: Vec<Vec<_>> =
        texts.into_iter().map(|u| u.into_iter().map(|(x, _)| (x.clone(), usize::from(x.contains(&3)))).collect()).collect();
    let batch = ClassBatch::from_sequences(&texts, 5, 2, 6, 1, &device).unwrap();
    let lstm = drawn(LstmClassifierConfig::new(5, 2).with_d_embedding(4).with_d_hidden(6).init(&training()), &mut rng);
    let (_, before, after) = descend(lstm, &batch, LstmClassifier::losses, 2.0, 60);
    assert!(after < 0.4 * before, "lstm: {before} to {after}");
    let transformer = TransformerClassifierConfig::new(5, 2, 6).with_d_model(6).with_d_ff(8).with_n_heads(2).with_n_layers(1);
    let (_, before, after) = descend(drawn(transformer.init(&training()), &mut rng), &batch, TransformerClassifier::losses, 1.0, 60);
    assert!(after < 0.4 * before, "transformer: {before} to {after}");
}

#[test]
fn a_decoder_learns_a_text_by_heart() {
    let mut rng = seeded(409);
    let text = symbols_of(b"hello, hello");
    let config = DecoderConfig::new().with_max_length(16).with_d_model(16).with_d_ff(32).with_n_heads(2).with_n_layers(1);
    let model = drawn(config.init(&training()), &mut rng);
    let batch = TextBatch::new(&[vec![text.clone()], vec![text.clone()]], 257, 1, 16, &Device::flex()).unwrap();
    let (model, before, after) = descend(model, &batch, Decoder::losses, 0.5, 120);
    assert!(after < 0.1 * before, "{before} to {after}");
    assert_eq!(bytes_of(&model.generate(&text[..3], 20, 0.0, &mut rng)), b"lo, hello");
    assert!(model.log_likelihood(&text[..3], &text[3..]) > model.log_likelihood(&text[..3], &symbols_of(b"lo, world")));
}
