//! Every ready model goes through the same trainer, from units in memory; with `--features wgpu`, on a card (or in software) as on the processor.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::SgdConfig;
use burn::tensor::{Device, Tensor};
use rand::RngExt;
use reticent_accounting::{NoiseMultiplier, SamplingRate};
use reticent_proof::Permit;
use reticent_train::models::{
    Cnn, CnnConfig, Decoder, DecoderConfig, InMemory, LstmClassifier, LstmClassifierConfig, Mlp, MlpConfig, TransformerClassifier,
    TransformerClassifierConfig,
};
use reticent_train::{
    Binding, ChargedElsewhere, Examples, NotPrivateSeed, Permitted, PrivacyPlan, PublicExamples, RunKey, Sampling, Trainer, UnitBatch,
};

const UNITS: usize = 24;

/// So little noise that what is learned shows in a few steps; nothing here is under a useful bound.
fn plan(steps: u64) -> PrivacyPlan {
    let sampling = Sampling::Poisson { sample_rate: SamplingRate::new(0.5).unwrap(), public_units: UNITS as u64 };
    PrivacyPlan::new("person", 2.try_into().unwrap(), sampling, 1.0, NoiseMultiplier::new(0.01).unwrap(), steps)
}

/// The weights after some steps, and the mean loss before and after.
fn run<M: Module, R: serde::Serialize + Sync, B: UnitBatch>(
    model: &M,
    examples: &InMemory<R, B>,
    losses: fn(&M, &B) -> Tensor<1>,
    device: &Device,
    steps: u64,
) -> (Vec<f32>, f64, f64) {
    let plan = plan(steps);
    let binding = Binding { plan: plan.digest(), permit: String::new(), data: examples.digest(), machine: String::new() };
    let data = Permitted::new(examples, Permit::public("made up for this test")).unwrap();
    let optimizer = (SgdConfig::new().init(), 0.5);
    let model = model.clone().fork(&device.clone().autodiff());
    let secret = (RunKey::from_bytes([5; 32]), binding);
    let mut trainer = Trainer::new(plan, model, optimizer, data, losses, secret, ChargedElsewhere).unwrap();
    let public = PublicExamples::new(examples, "made up for this test");
    let before = trainer.evaluate_public(&public, losses).unwrap();
    trainer.fit(|_| ()).unwrap();
    let after = trainer.evaluate_public(&public, losses).unwrap();
    (weights(&trainer.finish().unwrap().model), before, after)
}

fn weights<M: Module>(model: &M) -> Vec<f32> {
    struct Collect(Vec<f32>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(param.val().into_data().try_to_vec::<f32>().unwrap());
        }
    }
    let mut collect = Collect(vec![]);
    model.visit(&mut collect);
    collect.0
}

/// Units of one or two rows; the class shows in every value.
fn vectors(width: usize) -> Vec<Vec<(Vec<f32>, usize)>> {
    let mut rng = NotPrivateSeed(81).rng();
    let row = |class: usize, rng: &mut _| {
        let value = |rng: &mut rand_chacha::ChaCha20Rng| rng.random_range(-0.5..0.5) + if class == 0 { -0.5 } else { 0.5 };
        ((0..width).map(|_| value(rng)).collect(), class)
    };
    (0..UNITS).map(|unit| (0..=unit % 2).map(|_| row(unit / 2 % 2, &mut rng)).collect()).collect()
}

/// The class is the symbol that a sequence is made of, nearly.
fn sequences() -> Vec<Vec<(Vec<u32>, usize)>> {
    let mut rng = NotPrivateSeed(82).rng();
    let symbol = |class: usize, rng: &mut rand_chacha::ChaCha20Rng| if rng.random_range(0..10) < 9 { class as u32 } else { 2 };
    let row = |class: usize, length: usize, rng: &mut rand_chacha::ChaCha20Rng| ((0..length).map(|_| symbol(class, rng)).collect(), class);
    (0..UNITS).map(|unit| (0..=unit % 2).map(|_| row(unit / 2 % 2, 3 + unit % 4, &mut rng)).collect()).collect()
}

fn texts() -> Vec<Vec<Vec<u32>>> {
    (0..UNITS).map(|unit| vec![(0..10).map(|place| (place + unit as u32 % 2) % 4).collect()]).collect()
}

/// Trains one model on the processor: twice the same, and better than before.
fn learns<M: Module, R: serde::Serialize + Sync, B: UnitBatch>(
    what: &str,
    model: &M,
    examples: &InMemory<R, B>,
    losses: fn(&M, &B) -> Tensor<1>,
    steps: u64,
) {
    let (weights, before, after) = run(model, examples, losses, &Device::flex(), steps);
    assert!(after < 0.7 * before, "{what}: {before} before, {after} after");
    assert!(weights == run(model, examples, losses, &Device::flex(), steps).0, "{what}: other weights the second time");
}

fn each(mut check: impl Check) {
    let device = Device::flex().autodiff();
    check.of(
        "mlp",
        &MlpConfig::new(4, 2).with_hidden(vec![6]).init(&device),
        &InMemory::vectors(vectors(4), 2, 2).unwrap(),
        Mlp::losses,
        30,
    );
    let cnn = CnnConfig::new([1, 8, 8], 2).with_filters([2, 3]).with_kernels([3, 2]).with_hidden(5).init(&device);
    check.of("cnn", &cnn, &InMemory::images(vectors(64), [1, 8, 8], 2, 2).unwrap(), Cnn::losses, 40);
    let lstm = LstmClassifierConfig::new(3, 2).with_d_embedding(6).with_d_hidden(6).init(&device);
    check.of("lstm", &lstm, &InMemory::sequences(sequences(), 3, 2, 6, 2).unwrap(), LstmClassifier::losses, 80);
    let transformer =
        TransformerClassifierConfig::new(3, 2, 6).with_d_model(8).with_d_ff(12).with_n_heads(2).with_n_layers(1).init(&device);
    check.of("transformer", &transformer, &InMemory::sequences(sequences(), 3, 2, 6, 2).unwrap(), TransformerClassifier::losses, 60);
    let decoder =
        DecoderConfig::new().with_vocabulary(5).with_max_length(12).with_d_model(8).with_d_ff(12).with_n_heads(2).with_n_layers(1);
    check.of("decoder", &decoder.init(&device), &InMemory::texts(texts(), 5, 1, 12).unwrap(), Decoder::losses, 60);
}

trait Check {
    fn of<M: Module, R: serde::Serialize + Sync, B: UnitBatch>(
        &mut self,
        what: &str,
        model: &M,
        examples: &InMemory<R, B>,
        losses: fn(&M, &B) -> Tensor<1>,
        steps: u64,
    );
}

#[test]
fn every_model_learns_from_units_and_the_same_each_time() {
    struct Learns;
    impl Check for Learns {
        fn of<M: Module, R: serde::Serialize + Sync, B: UnitBatch>(
            &mut self,
            what: &str,
            model: &M,
            examples: &InMemory<R, B>,
            losses: fn(&M, &B) -> Tensor<1>,
            steps: u64,
        ) {
            learns(what, model, examples, losses, steps);
        }
    }
    each(Learns);
}

/// The same run on Vulkan: weights move as they do on the processor, to what 32-bit sums in another order may differ by.
#[cfg(feature = "wgpu")]
#[test]
fn every_model_is_trained_on_vulkan_as_on_the_processor() {
    struct Same;
    impl Check for Same {
        fn of<M: Module, R: serde::Serialize + Sync, B: UnitBatch>(
            &mut self,
            what: &str,
            model: &M,
            examples: &InMemory<R, B>,
            losses: fn(&M, &B) -> Tensor<1>,
            _: u64,
        ) {
            let start = weights(model);
            let vulkan = Device::wgpu(burn::tensor::DeviceKind::DefaultDevice);
            let here = run(model, examples, losses, &Device::flex(), 5).0;
            let there = run(model, examples, losses, &vulkan, 5).0;
            let norm = |pairs: &mut dyn Iterator<Item = (&f32, &f32)>| pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
            let (moved, apart) = (norm(&mut here.iter().zip(&start)), norm(&mut here.iter().zip(&there)));
            assert!(moved > 0.1 && apart < 1e-3 * moved, "{what}: {apart} apart where weights moved by {moved}");
        }
    }
    each(Same);
}

#[test]
fn what_makes_no_batch_is_refused_at_once() {
    assert!(InMemory::vectors(vec![vec![(vec![1.0], 2)]], 2, 1).is_err(), "a class out of range");
    assert!(InMemory::vectors(vec![vec![(vec![1.0], 0)], vec![(vec![1.0, 2.0], 0)]], 2, 1).is_err(), "another width");
    assert!(InMemory::texts(vec![vec![vec![9]]], 5, 1, 4).is_err(), "a symbol outside the vocabulary");
}
