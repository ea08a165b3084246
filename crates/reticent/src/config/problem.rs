//! What is wrong with a `reticent.toml`: where, what, and how to fix it.

use serde::Serialize;
use std::fmt;

/// Everything found in one file, in the order of the file. Shown like a compiler's short messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problems {
    /// Name of the file, as shown.
    pub(crate) file: String,
    /// The problems; at least one is an error.
    pub(crate) problems: Vec<Problem>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// Whether it stops the program.
    pub(crate) severity: Severity,
    /// What sort of problem it is; stable, for programs that read `--json`.
    pub(crate) kind: Kind,
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
    /// Dotted path of the key, `data.visits.columns.age`; empty for the file as a whole.
    pub(crate) path: String,
    /// What is wrong.
    pub(crate) message: String,
    /// How to fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

/// Whether a finding stops the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Severity {
    /// Nothing runs until it is fixed.
    Error,
    /// Said, and recorded where it limits what a report may claim.
    Warning,
}

/// What sort of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Not TOML.
    Syntax,
    /// The file says a version that this program does not know.
    NewerVersion,
    /// A key that means nothing here. Typical cause: a typing error, or a key under the wrong heading.
    UnknownKey,
    /// A key that must be there is not.
    MissingKey,
    /// A text where a number belongs, and the like.
    WrongType,
    /// A value of the right type that is not one of those allowed.
    NotAllowed,
    /// A number outside what makes sense.
    OutOfRange,
    /// The same thing twice in a list.
    Repeated,
    /// `"?"`: a person has yet to decide.
    Undecided,
    /// Planned, and refused by name until it exists.
    NotAvailable,
    /// A reference to a purpose, data set or column that is not declared.
    UnknownName,
    /// Two settings that cannot both hold.
    Contradiction,
    /// Allowed in an experiment, not in a release.
    NeededForRelease,
    /// A file of levels that cannot be read.
    Unreadable,
    /// The bound will not cover something.
    NotCovered,
    /// Allowed, and rarely what is meant.
    Advice,
}

impl Kind {
    /// Every kind, in the order of declaration.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 16] = [
        Self::Syntax,
        Self::NewerVersion,
        Self::UnknownKey,
        Self::MissingKey,
        Self::WrongType,
        Self::NotAllowed,
        Self::OutOfRange,
        Self::Repeated,
        Self::Undecided,
        Self::NotAvailable,
        Self::UnknownName,
        Self::Contradiction,
        Self::NeededForRelease,
        Self::Unreadable,
        Self::NotCovered,
        Self::Advice,
    ];
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", problem.in_file(&self.file))?;
        }
        Ok(())
    }
}

impl Problem {
    /// The problem as text, without a final line end: `reticent.toml:12:5: data.visits.columns.age: ...`.
    pub(crate) fn in_file(&self, file: &str) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            let Self { severity, line, column, path, message, hint, .. } = self;
            write!(f, "{file}:{line}:{column}: ")?;
            if *severity == Severity::Warning {
                write!(f, "warning: ")?;
            }
            if !path.is_empty() {
                write!(f, "{path}: ")?;
            }
            write!(f, "{message}")?;
            hint.iter().try_for_each(|hint| write!(f, "\n  hint: {hint}"))
        })
    }
}
