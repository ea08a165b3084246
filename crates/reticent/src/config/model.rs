//! What to train, and what it may reveal.

use super::reader::{Fields, INSIDE_UNIT, POSITIVE, RATE};
use super::problem::Kind;
use schemars::JsonSchema;
use serde::Serialize;

/// `[models.NAME]`: what to train, from which data, for which purpose, under which bound.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    /// Name of the data set: `[data.NAME]`.
    pub(crate) data: String,
    /// Name of the purpose: `[purposes.NAME]`.
    pub(crate) purpose: String,
    /// The family of models.
    pub(crate) kind: ModelKind,
    /// Widths of the hidden layers of an `mlp`; 32 if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(range(min = 1)))]
    pub(crate) hidden: Vec<u64>,
    /// The bound and how it is reached.
    pub(crate) privacy: Privacy,
}

/// The family of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ModelKind {
    /// Logistic regression.
    Logistic,
    /// A feed-forward network.
    Mlp,
}

/// `privacy`: the bound on what the model can reveal about any one unit, and the plan that reaches it (DP-SGD).
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Privacy {
    /// Upper bound, in nats, for all `releases` together.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) epsilon: f64,
    /// The δ that goes with it; the same for all models of a data set.
    #[serde(default = "delta")]
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub(crate) delta: f64,
    /// Releases that `epsilon` covers together: this one and later retrainings, for instance after an erasure.
    #[serde(default = "releases")]
    #[schemars(range(min = 1))]
    pub(crate) releases: u64,
    /// Rows of one unit that take part; chosen once, before training. 5 if left out, 1 where `subject = "row"`.
    #[serde(default = "max_rows_per_subject")]
    #[schemars(range(min = 1), extend("default" = 5))]
    pub(crate) max_rows_per_subject: Option<u64>,
    /// Norm to which the summed gradient of one unit is clipped.
    #[serde(default = "max_grad_norm")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) max_grad_norm: f64,
    /// Chance of each unit to be in a step (Poisson sampling).
    #[serde(default = "sample_rate")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub(crate) sample_rate: f64,
    /// Steps of training.
    #[serde(default = "steps")]
    #[schemars(range(min = 1))]
    pub(crate) steps: u64,
    /// Step size; chosen by the trainer if left out, without looking at the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) learning_rate: Option<f64>,
}
