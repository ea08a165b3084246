//! What people asked for and got: one decision explained, an erasure, the removal of a unit from a model.

use super::Count;
use super::attacks::ProvedUpper;
use serde::{Deserialize, Serialize};

/// One decision, taken apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExplanationSection {
    /// The model: `frequent/1`.
    pub(crate) model: String,
    /// The method and its background: `exact interventional SHAP, background of 100 rows`.
    pub(crate) method: String,
    /// Unit of base, score and contributions: `log-odds`.
    pub(crate) scale: String,
    /// Whose decision it is.
    pub(crate) about: About,
    /// The decision.
    pub(crate) waterfall: Waterfall,
    /// The outcome in words: `will see a doctor often: 71%`.
    #[serde(default)]
    pub(crate) outcome: Option<String>,
    /// Smallest change that would turn the outcome, in words. A statement about the model, not about the world.
    #[serde(default)]
    pub(crate) counterfactual: Option<String>,
    /// Checks of the explanation: `contributions and base add up to the score within 1e-9`.
    #[serde(default)]
    pub(crate) checks: Vec<String>,
    /// Ledger event of the evidence.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// Whose decision is explained. A row of the data may be shown only where its person agreed to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum About {
    /// Nobody: a made-up row.
    Simulated,
    /// Somebody who agreed, on record, to be shown here.
    Consenting,
}

/// From the base to the score, contribution by contribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waterfall {
    /// Score of the background on average, on the scale of the section.
    pub(crate) base: f64,
    /// Score of this decision; base plus all contributions, up to rounding.
    pub(crate) score: f64,
    /// Label and contribution, greatest first. The label may hold the value, `age: 63`, since `about` allows it; what is left
    /// out is summed in a last bar such as `9 other columns`.
    pub(crate) bars: Vec<(String, f64)>,
}

/// What was done for people who asked to be erased.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ErasureSection {
    /// Units erased so far.
    pub(crate) units: Count,
    /// Ground of the newest request: `Art 17(1)(b), consent withdrawn`.
    pub(crate) ground: String,
    /// When the newest request was received and answered, RFC 3339.
    #[serde(default)]
    pub(crate) received: Option<String>,
    /// See `received`.
    #[serde(default)]
    pub(crate) answered: Option<String>,
    /// Where rows or copies were, newest request alone.
    pub(crate) stores: Vec<Store>,
    /// Models that were trained with the unit.
    #[serde(default)]
    pub(crate) models: Vec<ErasedModel>,
    /// What is left, and why.
    #[serde(default)]
    pub(crate) left: Vec<Left>,
    /// The signed erasure record.
    #[serde(default)]
    pub(crate) record: Option<super::File>,
    /// Ledger event of the erasure.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// A place in which the unit was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Store {
    /// `visits/v1 (Parquet)`, `ledger: basis events`, `keys of commitments`.
    pub(crate) name: String,
    /// Rows or entries removed.
    pub(crate) removed: Count,
    /// Whether the store was read again afterwards and the unit was not found.
    pub(crate) verified_absent: bool,
    /// Ledger event, where it has one of its own.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// A model that was trained with the unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ErasedModel {
    /// `frequent/1`.
    pub(crate) name: String,
    /// What was done to it.
    pub(crate) done: ModelDone,
    /// The model in its place: `frequent/2`.
    #[serde(default)]
    pub(crate) successor: Option<String>,
    /// How, in words: `retrained from fresh weights without the unit`.
    pub(crate) method: String,
    /// The bound on what old and new model together reveal, where one was proved.
    #[serde(default)]
    pub(crate) joint: Option<ProvedUpper>,
    /// Ledger event.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// What was done to a model after an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ModelDone {
    /// Recalled, and trained anew without the unit.
    Retrained,
    /// The unit's influence was removed within a bound, see [`RemovalSection`].
    Removed,
    /// Recalled, with nothing in its place.
    Recalled,
    /// Still there; `left` says why.
    Kept,
}

/// What an erasure did not reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Left {
    /// `entry of the suppression list`.
    pub(crate) what: String,
    /// `recognises the unit when it is imported again`.
    pub(crate) why: String,
}

/// Removal of a unit from a model within a bound, and how much of its budget that took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RemovalSection {
    /// The model: `risk-newton/1`.
    pub(crate) model: String,
    /// Method and theorem: `one Newton step (Guo et al. 2020, Theorem 3)`.
    pub(crate) method: String,
    /// (ε, δ) of the removal: how far the model after it may differ from one trained without the unit.
    pub(crate) bound: ProvedUpper,
    /// What the bound rests on.
    #[serde(default)]
    pub(crate) assumptions: Vec<String>,
    /// Greatest sum of residual gradient norms, σε/c.
    pub(crate) budget: f64,
    /// Sum of residuals so far, this removal and the solver's own included.
    pub(crate) spent: f64,
    /// Residual of this removal, the bound that depends on the data.
    pub(crate) residual: f64,
    /// The bound for the worst case, for comparison.
    #[serde(default)]
    pub(crate) worst_case: Option<f64>,
    /// Removals so far, this one included.
    pub(crate) removals: Count,
    /// Ledger event of the evidence.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

impl RemovalSection {
    /// What is left of the budget, never below 0.
    pub(super) fn left(&self) -> f64 {
        (self.budget - self.spent).max(0.0)
    }

    /// Whole removals that still fit if each costs what this one did; none where that cannot be told.
    pub(super) fn removals_left(&self) -> Option<u64> {
        let fit = (self.left() / self.residual).floor();
        (fit.is_finite() && self.residual > 0.0).then_some(fit as u64)
    }
}
