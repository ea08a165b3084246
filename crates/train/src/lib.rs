//! Private training on Burn: the plan, per-unit gradients, clipping, noise, the step.
//!
//! Swap `burn::nn` for [`nn`], keep the model, and train it under a bound in three lines:
//!
//! ```
//! use burn::{module::Module, optim::SgdConfig, tensor::{Device, Tensor, activation}};
//! use reticent_proof::Permit;
//! use reticent_train::{DataLoader, Labelled, LabelledBatch, PrivacyEngine, Target, cross_entropy, nn};
//!
//! #[derive(Module, Debug)]
//! struct Model { first: nn::Linear, second: nn::Linear }
//!
//! // The loss of each row, not their mean.
//! fn losses(model: &Model, batch: &LabelledBatch<2>) -> Tensor<1> {
//!     let hidden = activation::relu(model.first.forward(batch.inputs.clone()));
//!     cross_entropy(model.second.forward(hidden), batch.labels.clone())
//! }
//!
//! let device = Device::flex().autodiff();
//! let model = Model { first: nn::LinearConfig::new(10, 64).init(&device), second: nn::LinearConfig::new(64, 2).init(&device) };
//! let rows = Labelled::new(vec![0.5; 10_000 * 10], [10_000, 10], vec![1; 10_000])?;
//! let data = DataLoader::new(rows, Permit::asserted("made up for this page"), 10_000, 64)?;
//! let target = Target { target_epsilon: 1.0, target_delta: 1e-5, epochs: 10, max_grad_norm: 1.0 };
//!
//! let mut engine = PrivacyEngine::new();
//! let mut trainer = engine.make_private_with_epsilon(model, (SgdConfig::new().init(), 0.1), data, losses, target)?;
//! trainer.fit(|progress| assert!(progress.step <= 1_570))?;
//!
//! assert!(engine.get_epsilon(1e-5)? <= 1.0);
//! assert_eq!(format!("{:.2}", trainer.plan().noise_multiplier.get()), "1.20"); // Opacus: 1.21 by PRV, 1.29 by RDP
//! let trained = trainer.finish()?;
//! assert!(trained.stamp.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Under it, one frozen [`PrivacyPlan`] says how units are sampled, clipped and noised, and is itself the accounting event
//! ([`PrivacyPlan::event`]): sampler, clip, noise and accountant cannot disagree. One step reads in a line:
//! sample units → gradient of each unit → clip to `max_grad_norm` → sum ([`ClippedSum`]) → add noise ([`Privatized`]) → step.
//! Each arrow consumes what is left of it by move, and only a [`Privatized`] can move the weights of a model under a bound. A [`Trainer`] takes
//! these steps over any Burn module with any of Burn's optimisers: it charges a [`Ledger`] before it draws, goes on after an interruption
//! ([`Checkpoints`]), and shows nothing of its examples but what was noised.
//!
//! The models of `reticent.toml` have a [`Plan`] with architecture and optimiser:
//!
//! ```
//! use reticent_accounting::{Delta, NoiseMultiplier, SamplingRate, pld};
//! use reticent_train::{Architecture, Plan};
//! let plan = Plan {
//!     unit: "person".into(),
//!     max_rows_per_unit: 5.try_into()?,
//!     sample_rate: SamplingRate::new(0.1)?,
//!     noise_multiplier: NoiseMultiplier::new(4.0)?,
//!     max_grad_norm: 1.0,
//!     steps: 300,
//!     learning_rate: 1.0,
//!     public_units: 5000,
//!     architecture: Architecture::Logistic,
//!     optimiser: reticent_train::Optimiser::default(),
//! };
//! plan.check()?;
//! let epsilon = pld::epsilon(&plan.event(), Delta::new(1e-5)?)?;
//! assert!(epsilon.upper.get() < 2.2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adaptive;
mod batch;
mod checkpoint;
mod clipping;
mod engine;
mod error;
mod evaluate;
mod examples;
pub mod features;
mod fine_tune;
mod fit;
mod gradient;
mod individual;
mod instructions;
mod kernel;
mod ledger;
mod loss;
mod machine;
mod mechanism;
mod model;
mod model_file;
pub mod models;
pub mod nn;
mod noise;
mod optimiser;
mod plan;
mod presets;
mod privacy_plan;
mod privatize;
mod sabotage;
mod sampling;
mod schedule;
mod step_sum;
mod tape;
mod text;
mod trainer;
mod validate;
mod weights;

pub use adaptive::AdaptiveClip;
pub use batch::{Batch, UnitRows};
pub use checkpoint::Checkpoints;
pub use clipping::{Clip, ClipRule};
pub use engine::{DataLoader, NoiseSettings, PrivacyEngine, Target};
pub use error::Error;
pub use evaluate::{Auc, Scores, auc_interval, macro_auc_interval};
pub use examples::{Examples, Labelled, LabelledBatch, Permitted, PublicExamples};
pub use fine_tune::{Writer, bias_only, load_pretrained};
pub use fit::{Fitted, fit_plain, fit_prepared, fit_private, fit_private_resumable};
pub use gradient::{ClippedSum, UnitBatch, clipped_sum, clipped_sum_universal};
pub use individual::Individual;
pub use ledger::{Charge, ChargedElsewhere, FileLedger, Ledger, MemoryLedger};
pub use loss::cross_entropy;
pub use mechanism::{Noise, NoiseMemory};
pub use model::{Architecture, Classifier};
pub use model_file::{load_weights, save_weights};
pub use noise::{Binding, NotPrivateSeed, RunKey};
pub use optimiser::{DpAdam, DpAdamState};
pub use plan::{Optimiser, Plan};
pub use presets::Preset;
pub use privacy_plan::{PrivacyPlan, dp_sgd};
pub use privatize::Privatized;
pub use sampling::Sampling;
pub use schedule::Schedule;
pub use text::{ByteModel, TextShape, fit_text_plain, fit_text_private};
pub use trainer::{Augmentation, Mode, Performance, Progress, Trained, Trainer};
pub use validate::{Finding, Findings, ModuleValidator, NotSound};
pub use weights::Average;

/// The page on training, whose code runs.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/training.md")]
pub struct TrainingPage;

#[cfg(doctest)]
mod must_not_compile;
#[cfg(test)]
mod tests;
