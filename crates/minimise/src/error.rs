//! What can be wrong with what is asked of this crate.

/// Facts in fields, never a value that was scanned.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A score is a number from 0 to 1.
    #[error("the least score must be from 0 to 1, and is {0}")]
    Score(f64),
    /// Spans must be sorted, apart from one another, and lie on characters of the text.
    #[error("the span {start}..{end} does not fit the text or the span before it")]
    Span {
        /// First byte.
        start: usize,
        /// One past the last byte.
        end: usize,
    },
    /// There is nothing to choose from.
    #[error("{columns} columns leave no choice: at least 2 are needed")]
    Columns {
        /// How many there are.
        columns: usize,
    },
    /// A utility is a finite number.
    #[error("the utility without the columns {dropped:?} is not a finite number")]
    Utility {
        /// Positions of the columns that were left out.
        dropped: Vec<usize>,
    },
    /// A tolerance is a finite number, at least 0.
    #[error("the tolerance must be a finite number, at least 0, and is {0}")]
    Tolerance(f64),
}
