//! Private training on Burn: the plan, per-unit gradients, clipping, noise, the step.
//!
//! One frozen [`Plan`] says how units are sampled, clipped and noised, and is itself the accounting event
//! ([`Plan::event`]): sampler, clip, noise and accountant cannot disagree. One step reads in a line:
//! sample units → gradient of each unit → clip to `max_grad_norm` → sum ([`ClippedSum`]) → add noise ([`Privatized`]) → step.
//! Each arrow consumes what is left of it by move, and only a [`Privatized`] can move the weights of a private model.
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

mod batch;
mod clipping;
mod error;
mod evaluate;
mod fit;
mod gradient;
mod model;
mod model_file;
pub mod models;
pub mod nn;
mod noise;
mod plan;
mod privacy_plan;
mod privatize;
mod sampling;
mod tape;
mod text;
mod validate;

pub use batch::{Batch, UnitRows};
pub use clipping::{Clip, ClipRule};
pub use error::Error;
pub use evaluate::{Auc, Scores, auc_interval, macro_auc_interval};
pub use fit::{Progress, fit_plain, fit_private};
pub use gradient::{ClippedSum, UnitBatch, clipped_sum, clipped_sum_universal};
pub use model::{Architecture, Classifier};
pub use model_file::{load_weights, save_weights};
pub use noise::{Binding, NotPrivateSeed, RunKey};
pub use plan::{Optimiser, Plan};
pub use privacy_plan::PrivacyPlan;
pub use privatize::Privatized;
pub use sampling::Sampling;
pub use text::{ByteModel, TextShape, fit_text_plain, fit_text_private};
pub use validate::{Finding, Findings, ModuleValidator, NotSound};

#[cfg(doctest)]
mod must_not_compile;
#[cfg(test)]
mod tests;
