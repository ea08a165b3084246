//! What was left out before training: personal data found where it was not expected, and columns that were not needed.

use super::Count;
use serde::{Deserialize, Serialize};

/// What a scan for personal data found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScanSection {
    /// What was scanned: `visits.csv, 45 columns`.
    pub(crate) what: String,
    /// What was looked for: `e-mail, telephone, IBAN, names, ...`.
    #[serde(default)]
    pub(crate) kinds: Vec<String>,
    /// What was found, by column and kind.
    #[serde(default)]
    pub(crate) findings: Vec<ScanFinding>,
    /// How often the detectors find what is there and flag what is not, on texts with known answers, in words.
    #[serde(default)]
    pub(crate) measured: Vec<String>,
    /// Ledger event of the evidence.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// Personal data of one kind in one column. Never a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScanFinding {
    /// The column.
    pub(crate) column: String,
    /// `e-mail address`.
    pub(crate) kind: String,
    /// How often it was found.
    pub(crate) found: Count,
    /// What happened then: `column dropped`, `replaced by a placeholder`, `declared and kept`, `nothing yet`.
    pub(crate) action: String,
}

/// Which columns a model may use, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SelectionSection {
    /// How it was chosen: `stability selection, 100 halves, threshold 0.8`.
    pub(crate) method: String,
    /// Every column that was offered, in the order of the table.
    pub(crate) columns: Vec<SelectedColumn>,
    /// The metric with all columns and with the kept ones, in words: `AUC 0.741 with all 12, 0.738 with 6`.
    #[serde(default)]
    pub(crate) cost: Option<String>,
    /// What the choice itself reveals: `chosen on the private rows, internal evaluation that no ε covers`, or its bound.
    pub(crate) privacy: String,
    /// Ledger event of the evidence.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// A column that was offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SelectedColumn {
    /// Its name.
    pub(crate) column: String,
    /// Whether the model may use it.
    pub(crate) kept: bool,
    /// Its score under the method, where it has one.
    #[serde(default)]
    pub(crate) score: Option<f64>,
    /// Why it was kept or left out, in words.
    pub(crate) why: String,
}
