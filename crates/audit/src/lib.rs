//! Measure what a model leaks: attacks give scores, and only an analysis turns scores into a finding or a lower bound.
//!
//! Three layers. What an attacker may do with a model is a trait ([`Target`], [`TextModel`]); an attack yields [`Scores`], one for each unit;
//! an analysis of the two sides ([`MemberScores`]) yields a [`Finding`] with its controls, or a [`LowerBound`] on ε. Scores that any other
//! tool wrote enter at the second layer ([`scores_file`]), answers of a model made elsewhere ([`answers_file`]) and its weights ([`model_file`])
//! at the first.
//!
//! An upper bound is proved, a [`LowerBound`] is measured at a stated confidence, an [`Estimate`] is neither: three types. A finding is held
//! against a stated ε with one of the verdicts of [`Verdict`]; no verdict says that a model leaks nothing.
//!
//! ```
//! use reticent_accounting::Delta;
//! use reticent_audit::{LowerBound, MemberScores};
//! // 1,000 canaries, each in or out by a fair coin; the attack finds out nine of ten.
//! let side = |high: usize, low: usize| [vec![1.0; high], vec![0.0; low]].concat();
//! let scores = MemberScores::new(side(450, 50), side(50, 450))?;
//! assert_eq!(scores.auc(), 0.9);
//! let bound = LowerBound::one_run(&scores, Delta::new(1e-5)?, 0.05, &[1000], 7)?;
//! assert!((bound.epsilon() - 2.0206).abs() < 1e-4, "{}", bound.epsilon());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod answers_file;
pub mod attack_classifier;
pub mod attacks;
pub mod attribute;
mod binomial;
pub mod canaries_file;
pub mod ceiling;
pub mod controls;
pub mod credible;
mod error;
mod finding;
mod folds;
pub mod gain;
mod gamma;
pub mod interval;
pub mod inversion;
pub mod kept;
pub mod label_only;
mod likelihood;
pub mod lira;
mod lower_bound;
pub mod membership;
pub mod model_file;
pub mod population;
pub mod property;
pub mod quantile;
pub mod ratio;
pub mod reference;
pub mod roc;
mod score;
pub mod scores_file;
pub mod shadow;
pub mod signal;
mod softmax;
mod target;
pub mod text;
pub mod update;
pub mod vulnerability;
pub mod white_box;

#[cfg(test)]
mod testing;

pub use error::{Error, FileProblem, FileProblemKind, Place};
pub use finding::{Allowed, Attack, Finding, Measured, Predictive, Stated, Verdict};
pub use gain::{GainFinding, GainVerdict};
pub use lower_bound::{Estimate, LowerBound, Method, Multiplicity, Threshold, one_run_p_value};
pub use score::{MemberScores, Scores};
pub use target::{Target, TextModel};
