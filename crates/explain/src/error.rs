//! Why no explanation is given; never a value of a row.

/// A refusal or a failure. Messages hold names and counts, never a value of a row.
#[derive(Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Exact Shapley values take 2^M model calls a background point.
    #[error("{columns} columns are too many for exact Shapley values, which enumerate 2^{columns} coalitions; at most {most}")]
    TooManyColumns {
        /// Columns of the model.
        columns: usize,
        /// Most that are enumerated.
        most: usize,
    },
    /// The contributions and the base do not add up to the score. Typical cause: a model whose score of a row depends on its batch.
    #[error("the contributions miss the score by {gap:e}, relative to its size; at most {tolerance:e}: no explanation is issued")]
    Sum {
        /// |Σφ + base − f(x)|, relative.
        gap: f64,
        /// Most that is let through.
        tolerance: f64,
    },
    /// The model gave a number that is not finite, or another number of scores than rows.
    #[error("the model gave {why}")]
    Scores {
        /// What came back.
        why: String,
    },
    /// The straight line does not describe the model near this row. Typical cause: a strongly curved or stepped model.
    #[error("LIME's line explains R² = {r2:.3} of the model near this row, less than {floor}: no LIME explanation is issued")]
    PoorLocalFit {
        /// Weighted R² of the line.
        r2: f64,
        /// Least that is let through.
        floor: f64,
    },
    /// The line is right on the whole and wrong at the row itself.
    #[error("LIME's line misses the score of the row itself by {gap:.3} standard deviations of the scores near it, more than {most}")]
    PoorLocalScore {
        /// |local prediction − f(x)| over the weighted standard deviation of the scores.
        gap: f64,
        /// Most that is let through.
        most: f64,
    },
    /// Fewer units than one average needs.
    #[error("{units} units are too few for a background: each of its points averages at least {least}")]
    TooFewUnits {
        /// Units permitted.
        units: usize,
        /// Units a point averages.
        least: usize,
    },
    /// A point of the background would show fewer units than the least the crate allows.
    #[error("a background point must average at least {least} units, not {asked}")]
    TooFine {
        /// Units asked for.
        asked: usize,
        /// Least allowed.
        least: usize,
    },
    /// A column that is named does not exist.
    #[error("no column of the model is called `{column}`")]
    NoSuchColumn {
        /// The name.
        column: String,
    },
    /// A row, a background and a space that do not belong together.
    #[error("{what} has {found} inputs where the model takes {expected}")]
    Width {
        /// What is wrong.
        what: &'static str,
        /// Inputs it has.
        found: usize,
        /// Inputs the model takes.
        expected: usize,
    },
    /// An option outside its range.
    #[error("{what} is out of range")]
    Option {
        /// The option.
        what: &'static str,
    },
}
