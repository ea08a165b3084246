//! The façade with Opacus's names.

use burn::module::Module;
use burn::optim::{AdamConfig, SgdConfig};
use burn::tensor::{Device, Tensor, activation};
use reticent_accounting::calibrate::Accountant;
use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, pld};
use reticent_proof::Permit;
use reticent_train::{
    DataLoader, Error, FileLedger, Labelled, LabelledBatch, NoiseSettings, PrivacyEngine, Sampling, Target, cross_entropy, nn,
};

#[derive(Module, Debug)]
struct Model {
    first: nn::Linear,
    second: nn::Linear,
}

impl Model {
    fn new() -> Self {
        let device = Device::flex().autodiff();
        Self { first: nn::LinearConfig::new(10, 64).init(&device), second: nn::LinearConfig::new(64, 2).init(&device) }
    }
}

fn losses(model: &Model, batch: &LabelledBatch<2>) -> Tensor<1> {
    let hidden = activation::relu(model.first.forward(batch.inputs.clone()));
    cross_entropy(model.second.forward(hidden), batch.labels.clone())
}

fn data(units: usize, batch: u64) -> DataLoader<Labelled<2>> {
    let inputs = (0..units * 10).map(|i| ((i * 7919 % 1000) as f32) / 500.0 - 1.0).collect();
    let rows = Labelled::new(inputs, [units, 10], (0..units).map(|i| i % 2).collect()).unwrap();
    DataLoader::new(rows, Permit::asserted("made up for this test"), units as u64, batch).unwrap()
}

/// Opacus's own example: 1,570 steps at q = 64/10,000 (Opacus: σ = 1.289 by RDP, 1.211 by PRV). No step is taken here; `examples/opacus.rs` runs it.
#[test]
fn the_noise_is_within_a_thousandth_of_the_least() {
    let target = Target { target_epsilon: 1.0, target_delta: 1e-5, epochs: 10, max_grad_norm: 1.0 };
    let trainer = PrivacyEngine::new()
        .make_private_with_epsilon(Model::new(), (SgdConfig::new().init(), 0.1), data(10_000, 64), losses, target)
        .unwrap();
    let plan = trainer.plan();
    assert_eq!(plan.steps, 1_570);
    assert_eq!(plan.sampling, Sampling::Poisson { sample_rate: SamplingRate::new(64.0 / 10_000.0).unwrap(), public_units: 10_000 });
    let sigma = plan.noise_multiplier.get();
    assert!((1.2025..1.2025 * 1.001).contains(&sigma), "{sigma}");
    assert!(pld::epsilon(&plan.event(), Delta::new(1e-5).unwrap()).unwrap().upper.get() <= 1.0);
}

#[test]
fn what_several_runs_cost_is_the_cost_of_all_their_events() {
    let mut engine = PrivacyEngine::new();
    assert_eq!(engine.get_epsilon(1e-5).unwrap(), 0.0);
    let noise = |noise_multiplier| NoiseSettings { noise_multiplier, epochs: 2, max_grad_norm: 1.0 };
    let mut first = engine.make_private(Model::new(), (SgdConfig::new().init(), 0.1), data(100, 20), losses, noise(2.0)).unwrap();
    // Made is not run.
    assert_eq!(engine.get_epsilon(1e-5).unwrap(), 0.0);
    first.fit(|_| ()).unwrap();
    let mut second = engine.make_private(Model::new(), (AdamConfig::new().init(), 0.01), data(100, 10), losses, noise(3.0)).unwrap();
    (0..7).for_each(|_| assert!(second.step().unwrap().is_some()));
    let run = |sigma, batch, steps| {
        reticent_train::dp_sgd(NoiseMultiplier::new(sigma).unwrap(), SamplingRate::new(f64::from(batch) / 100.0).unwrap(), steps)
    };
    let both = Event::Composed { events: vec![run(2.0, 20, 10), run(3.0, 10, 7)] };
    assert_eq!(engine.event(), both);
    let expected = pld::epsilon(&both, Delta::new(1e-5).unwrap()).unwrap().upper.get();
    assert_eq!(engine.get_epsilon(1e-5).unwrap(), expected);
    assert!(engine.with_accountant(Accountant::Rdp).get_epsilon(1e-5).unwrap() > expected);
}

/// The ledger on the disk is what the next engine begins with.
#[test]
fn what_was_spent_stays_spent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let noise = NoiseSettings { noise_multiplier: 2.0, epochs: 1, max_grad_norm: 1.0 };
    let mut spent = vec![];
    for _ in 0..2 {
        let mut engine = PrivacyEngine::with_ledger(FileLedger::open(&path).unwrap());
        spent.push(engine.get_epsilon(1e-5).unwrap());
        let mut trainer = engine.make_private(Model::new(), (SgdConfig::new().init(), 0.1), data(100, 50), losses, noise).unwrap();
        trainer.step().unwrap();
        // Reserved as a whole, settled to what was drawn.
        let reserved = engine.get_epsilon(1e-5).unwrap();
        trainer.finish().unwrap();
        spent.push(engine.get_epsilon(1e-5).unwrap());
        assert!(spent[spent.len() - 1] < reserved);
    }
    assert!(spent[0] == 0.0 && spent[1] > 0.0 && spent[2] == spent[1] && spent[3] > spent[2], "{spent:?}");
}

#[test]
fn what_cannot_be_is_refused() {
    let loader =
        |public, batch| DataLoader::new(Labelled::new(vec![0.0], [1, 1], vec![0]).unwrap(), Permit::public("made up"), public, batch);
    assert!(matches!(loader(10, 0), Err(Error::Plan { field: "batch_size", .. })));
    assert!(matches!(loader(10, 11), Err(Error::Plan { field: "batch_size", .. })));
    assert!(matches!(Labelled::new(vec![0.0; 5], [2, 3], vec![0, 0]), Err(Error::Examples { .. })));
    assert!(matches!(Labelled::new(vec![0.0; 6], [2, 3], vec![0]), Err(Error::Examples { .. })));
    let make = |target| {
        PrivacyEngine::new().make_private_with_epsilon(Model::new(), (SgdConfig::new().init(), 0.1), data(100, 10), losses, target).err()
    };
    let target = Target { target_epsilon: 1.0, target_delta: 1e-5, epochs: 1, max_grad_norm: 1.0 };
    assert!(matches!(make(Target { target_epsilon: -1.0, ..target }), Some(Error::Accounting(_))));
    assert!(matches!(make(Target { target_delta: 2.0, ..target }), Some(Error::Accounting(_))));
    assert!(matches!(make(Target { epochs: 0, ..target }), Some(Error::Plan { field: "steps", .. })));
    assert!(matches!(make(Target { epochs: u64::MAX, ..target }), Some(Error::Plan { field: "epochs", .. })));
    assert!(matches!(make(Target { max_grad_norm: f64::NAN, ..target }), Some(Error::Plan { field: "max_grad_norm", .. })));
}
