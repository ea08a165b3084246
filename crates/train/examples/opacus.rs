//! The first example of Opacus's documentation: a small network, ε = 1 at δ = 1e-5, on rows that are made up here.
//!
//! `cargo run --release -p reticent-train --example opacus`
#![expect(clippy::print_stdout, reason = "an example prints its numbers")]

use burn::module::Module;
use burn::optim::SgdConfig;
use burn::tensor::{Device, Tensor, activation};
use rand::RngExt;
use reticent_proof::Permit;
use reticent_train::{DataLoader, Labelled, LabelledBatch, NotPrivateSeed, PrivacyEngine, Target, cross_entropy, nn};

/// Swap `burn::nn` for `reticent_train::nn`; nothing else changes.
#[derive(Module, Debug)]
struct Model {
    first: nn::Linear,
    second: nn::Linear,
}

/// The loss of each row, not their mean: the gradient of each is clipped by itself.
fn losses(model: &Model, batch: &LabelledBatch<2>) -> Tensor<1> {
    let hidden = activation::relu(model.first.forward(batch.inputs.clone()));
    cross_entropy(model.second.forward(hidden), batch.labels.clone())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = NotPrivateSeed(1).rng();
    let inputs: Vec<f32> = (0..10_000 * 10).map(|_| rng.random_range(-1.0..1.0)).collect();
    let labels = inputs.chunks(10).map(|row| usize::from(row.iter().sum::<f32>() > 0.0)).collect();
    let rows = Labelled::new(inputs, [10_000, 10], labels)?;
    let data = DataLoader::new(rows, Permit::asserted("made up for this example"), 10_000, 64)?;

    let device = Device::flex().autodiff();
    let model = Model { first: nn::LinearConfig::new(10, 64).init(&device), second: nn::LinearConfig::new(64, 2).init(&device) };
    let target = Target { target_epsilon: 1.0, target_delta: 1e-5, epochs: 10, max_grad_norm: 1.0 };

    let mut engine = PrivacyEngine::new();
    let mut trainer = engine.make_private_with_epsilon(model, (SgdConfig::new().init(), 0.5), data, losses, target)?;
    trainer.fit(|_| ())?;

    let plan = trainer.plan();
    println!("noise multiplier {:.4} over {} steps", plan.noise_multiplier.get(), plan.steps);
    println!("epsilon {:.4} at delta 1e-5, add or remove one {}, this model", engine.get_epsilon(1e-5)?, plan.unit);
    if let Some(stamp) = trainer.finish()?.stamp {
        println!("{stamp}");
    }
    Ok(())
}
