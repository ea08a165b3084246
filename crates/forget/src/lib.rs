//! Take one unit out of a model, with a stated bound on what is left of it.
//!
//! [`CertifiedLogistic`] is a logistic model of its own kind: secret noise is added to its loss, it is trained to the minimum in f64, and
//! [`CertifiedLogistic::remove`] takes a unit with all its rows out by one Newton step. What the step leaves behind is bounded, charged, and
//! hidden by the noise as long as the charges stay within σε/c; then it answers [`RetrainRequired`]. The record of it is
//! [`reticent_proof::verify_removal`]'s to check, without data and without this crate.
//!
//! ```
//! use reticent_data::*;
//! use reticent_forget::*;
//! # let schema = Schema {
//! #     dataset: "visits".into(), subject: SubjectRule::Column("patient".into()), unit: "person".into(), record: None,
//! #     target: Target { column: "ill".into(), classes: Classes::Levels(vec!["no".into(), "yes".into()]) },
//! #     columns: vec![Column { name: "age".into(), domain: Domain::Range { min: 0.0, max: 110.0, missing: None }, special: None }],
//! #     dropped: Dropped::AllOthers, missing: vec![],
//! # };
//! # let csv: String = (0..300).map(|i| format!("p{i},{},{}\n", i % 90, if i % 90 > 50 { "yes" } else { "no" })).collect();
//! # let key = PseudonymKey::from_bytes([7; 32]);
//! # let imported = import_csv(format!("patient,age,ill\n{csv}").as_bytes(), &schema, &CsvOptions::default(), &key)?;
//! # let table = PermittedTable::new(imported.table, "visits/v1", reticent_proof::Permit::public("an example"))?;
//! let mut model = CertifiedLogistic::train(&table, Settings { lambda: 0.01, ..Default::default() }, &mut NoiseKey::from_bytes([1; 32]).stream())?;
//! let unit = key.subject("visits", "p17");
//! let Outcome::Removed(step) = model.remove(unit, &"ab".repeat(32))? else { panic!("within the budget of 2.048") };
//! assert!(step.residual < step.worst_case && model.spent() < 0.5);
//! let record = model.certificate(&Provenance { data: "visits/v1".into(), code: "0.1.0".into(), noise_source: "an example".into() });
//! assert_eq!(reticent_proof::verify_removal(&record)?.removals, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dense;
mod error;
mod logistic;
mod perturbation;
mod removal;
mod rows;
mod state;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use logistic::CertifiedLogistic;
pub use perturbation::NoiseKey;
pub use state::{Provenance, State};

use reticent_proof::RemovalStep;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

/// The guarantee and what reaches it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Strength of the regularisation a row, λ > 0.
    pub lambda: f64,
    /// Standard deviation of the noise in the summed loss, σ > 0.
    pub sigma: f64,
    /// ε in nats, above 0, at most 2.
    pub epsilon: f64,
    /// δ, above 0, at most 0.5.
    pub delta: f64,
    /// Rows of one unit that take part; chosen in public.
    pub max_rows_per_unit: NonZeroUsize,
}

/// What came of a request to take a unit out.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was taken out, at this charge.
    Removed(Box<RemovalStep>),
    /// It is still in: the model must be trained again without it.
    RetrainRequired(RetrainRequired),
}

/// The budget does not cover one more removal, and the model must be trained again with fresh noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{spent} of {budget} is spent, and one more removal does not fit")]
pub struct RetrainRequired {
    /// Sum of residuals so far.
    pub spent: f64,
    /// What the removal would have been charged; none where too few rows would stay.
    pub next: Option<f64>,
    /// σε/c.
    pub budget: f64,
}
