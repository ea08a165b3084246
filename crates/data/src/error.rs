//! What can be wrong with a table; never a value from it.

use serde::Serialize;
use std::fmt;

/// Why a table could not be read, written or used. Messages hold names, counts and row numbers, never values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The schema contradicts itself. Typical cause: a typing error in `reticent.toml`.
    #[error("column `{column}`: {why}")]
    Schema {
        /// The column.
        column: String,
        /// What is wrong.
        why: String,
    },
    /// Rows do not fit the schema; all problems at once.
    #[error("{}", summary(.0))]
    Rows(Vec<Problem>),
    /// The file has no rows.
    #[error("the file has no rows")]
    Empty,
    /// The text is not CSV of even rows. Typical cause: an unclosed quote, or another delimiter.
    #[error("line {line}: {why}")]
    Csv {
        /// Line in the source, from 1.
        line: u64,
        /// What the parser expected.
        why: String,
    },
    /// A value cannot be put right as asked.
    #[error("column `{column}`: {why}")]
    Correction {
        /// The column.
        column: String,
        /// Why not.
        why: String,
    },
    /// The permit was issued for another version of the data.
    #[error("the permit covers data version {permitted}, not {found}")]
    OtherVersion {
        /// The version named in the permit.
        permitted: String,
        /// The version given.
        found: String,
    },
    /// A stored file is damaged or not ours.
    #[error("{file}: {why}")]
    Stored {
        /// File name.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The disk refused.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// One kind of problem in one column, over all rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The column, where there is one.
    pub column: Option<String>,
    /// What is wrong.
    pub kind: ProblemKind,
    /// How many rows.
    pub count: u64,
    /// The first few lines of the source concerned, from 1 with the header counted.
    pub lines: Vec<u64>,
}

/// The kinds of problem a row can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The schema names a column that the file lacks.
    MissingColumn,
    /// The file has a column that the schema neither declares nor drops.
    UnknownColumn,
    /// Two columns of the file have this name.
    RepeatedColumn,
    /// A number lies outside the declared bounds.
    OutOfBounds,
    /// A text is not among the declared levels.
    UnknownLevel,
    /// The text is not a number.
    NotANumber,
    /// The number is NaN or infinite.
    NotFinite,
    /// No value, and the schema says nothing for that case.
    Missing,
    /// The record id occurred before.
    DuplicateRecord,
}

impl ProblemKind {
    fn words(self) -> &'static str {
        match self {
            Self::MissingColumn => "is declared but the file lacks it",
            Self::UnknownColumn => "is in the file but neither declared nor dropped",
            Self::RepeatedColumn => "occurs twice in the header",
            Self::OutOfBounds => "value outside the declared bounds",
            Self::UnknownLevel => "value not among the declared levels",
            Self::NotANumber => "value is not a number",
            Self::NotFinite => "value is NaN or infinite",
            Self::Missing => "no value",
            Self::DuplicateRecord => "record id occurred before",
        }
    }

    /// How to mend it, in one sentence.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::MissingColumn => "remove the column from `columns`, or bring a file that has it",
            Self::UnknownColumn => "declare it in `columns`, or drop it with `NAME = \"drop\"` (or `\"*\" = \"drop\"` for all others)",
            Self::RepeatedColumn => "give each column of the file its own name",
            Self::OutOfBounds => "widen the public bounds, or import with `--clamp` to move such values to the nearest bound",
            Self::UnknownLevel => "add the level to the column's list, or mend the rows",
            Self::NotANumber | Self::NotFinite => "mend the rows, or list the text under `missing`",
            Self::Missing => {
                "say what stands for a missing value: `{ range = [0, 1], missing = 0 }` or `{ levels = [...], missing = true }`"
            }
            Self::DuplicateRecord => "make the `record` column unique, or leave `record` out to number the rows",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(column) = &self.column {
            write!(f, "column `{column}`: ")?;
        }
        f.write_str(self.kind.words())?;
        if !self.lines.is_empty() {
            let lines: Vec<String> = self.lines.iter().map(u64::to_string).collect();
            let more = if self.count > self.lines.len() as u64 { ", …" } else { "" };
            let rows = if self.count == 1 { "row" } else { "rows" };
            write!(f, " in {} {rows} (line {}{more})", self.count, lines.join(", "))?;
        }
        Ok(())
    }
}

fn summary(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::Io { what: what.into(), source }
}
