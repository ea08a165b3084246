//! Why a model scored one person as it did, without showing anybody else's row.
//!
//! The model comes in as a [`Model`]: a score for each encoded row. What it is compared with is a [`Background`]: averages over at least
//! ten units each, made from a [`reticent_data::PermittedTable`] and from nothing else. An [`Explainer`] puts the methods together:
//!
//! | method | question | module |
//! |---|---|---|
//! | exact interventional Shapley values | how far did each column move the score from the average? | [`shapley`] |
//! | LIME | which straight line is the model close to, near this row? | [`lime`] |
//! | counterfactual | which small change of the row would have changed the class? | [`counterfactual`] |
//! | rule fallback | which few rules does the model nearly follow, everywhere? | [`Surrogate`] |
//! | reasons | the same in at most five plain sentences | [`reasons`] |
//!
//! An attribution says what contributed most to a score *under a method*. It never says why somebody was refused.
//!
//! ```
//! use reticent_explain::*;
//! // f(a, b) = a · b on two columns, each one input wide; the background is the single point (0, 0) here.
//! struct Product;
//! impl Model for Product {
//!     fn scores(&self, inputs: &[f32], width: usize) -> Vec<f64> {
//!         inputs.chunks_exact(width).map(|row| f64::from(row[0] * row[1])).collect()
//!     }
//! }
//! let space = Space::of_ranges(&[("a", -1.0, 1.0), ("b", -1.0, 1.0)]);
//! let found = shapley(&Product, &space, &[1.0, 0.5], &[Reference { inputs: vec![0.0, 0.0], weight: 1.0 }])?;
//! assert_eq!(found.contributions, [0.25, 0.25]);
//! assert_eq!((found.base, found.score), (0.0, 0.5));
//! # Ok::<(), reticent_explain::Error>(())
//! ```

mod background;
mod counterfactual;
mod error;
mod explanation;
mod lime;
mod model;
mod reasons;
mod shapley;
mod space;
mod surrogate;

pub use background::{Background, BackgroundStatement, LEAST_UNITS, MOST_POINTS};
pub use counterfactual::{Change, Counterfactual, MOST_CHANGES, Searched, counterfactual};
pub use error::Error;
pub use explanation::{Contribution, Explainer, Explanation, LocalFit, Methods};
pub use lime::{Lime, LimeOptions, NotPrivateSeed, kernel, lime};
pub use model::{Model, Scale};
pub use reasons::{MOST_REASONS, reasons};
pub use shapley::{MOST_COLUMNS, Reference, SUM_TOLERANCE, Shapley, shapley};
pub use space::{Row, Space, Value};
pub use surrogate::{Fidelity, Rule, Surrogate, SurrogateOptions};
