//! What can go wrong. No field holds a value of a row.

/// Why a model was not trained, resumed or changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The target has more or fewer than two classes.
    #[error("removal by a Newton step is for two classes, and the target has {classes}")]
    NotBinary {
        /// Classes of the target.
        classes: usize,
    },
    /// A setting is outside what the theorem covers.
    #[error("{setting} is {value}: it must be {rule}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// As given.
        value: f64,
        /// What it must be.
        rule: &'static str,
    },
    /// Too few rows to take a unit out of.
    #[error("{rows} rows are too few: more than one unit's {most} must stay")]
    TooFewRows {
        /// Rows of the table, after the cap.
        rows: usize,
        /// Most rows of a unit.
        most: usize,
    },
    /// The optimiser did not come close enough to the minimum.
    #[error("the optimiser stopped at a gradient norm of {residual}, and the whole budget is {budget}")]
    NotConverged {
        /// Gradient norm reached.
        residual: f64,
        /// σε/c.
        budget: f64,
    },
    /// The rows given are not those the model was trained on.
    #[error("the rows are not those that are in the model: {why}")]
    OtherRows {
        /// What differs.
        why: &'static str,
    },
    /// The stored state does not hold.
    #[error("the stored state of the model does not hold: {0}")]
    Record(#[from] reticent_proof::Wrong),
    /// The unit is not in the model.
    #[error("the unit is not in the model")]
    NoSuchUnit,
    /// The commitment is no digest, or was used before.
    #[error("the commitment must be 64 hexadecimal digits that no removal had before")]
    Commitment,
    /// The model must be trained again before anything else.
    #[error("the model must be trained again: {why}")]
    MustRetrain {
        /// Why.
        why: String,
    },
}
