//! What a table may hold, declared in public before any row is read.
//!
//! Bounds and levels are part of the schema because reading them from private rows would reveal something about those
//! rows without any charge to the budget.

use crate::Error;
use serde::{Deserialize, Serialize};

/// The declared shape of one data set: its features, its target, whose rows they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// Name of the data set, as in `[data.NAME]`.
    pub dataset: String,
    /// Who a row belongs to: the unit of privacy.
    pub subject: SubjectRule,
    /// What the unit is called in every statement: `person`, `row`, `reconstructed unit`.
    pub unit: String,
    /// Column that holds a unique record id; without one the row's number in the source serves.
    pub record: Option<String>,
    /// The column to predict and its classes.
    pub target: Target,
    /// The features, in the order of the model's input.
    pub columns: Vec<Column>,
    /// Columns of the source that are read by nobody.
    pub dropped: Dropped,
    /// Texts that mean "no value" (surrounding blanks ignored), for instance `?`; the empty text always does.
    pub missing: Vec<String>,
}

/// Who a row belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectRule {
    /// Each row is its own unit. Says nothing about people who appear in several rows.
    Row,
    /// Rows with an equal value in this column belong to one unit.
    Column(String),
    /// Consecutive rows that are equal in these columns belong to one *reconstructed* unit, numbered from 1 in the order of the file.
    RunsOf(Vec<String>),
}

/// A feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Name in the source.
    pub name: String,
    /// The values it may take.
    pub domain: Domain,
    /// Special category (GDPR Art 9) it reveals, for instance `health`.
    pub special: Option<String>,
}

/// The values a feature may take, declared in public.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Domain {
    /// A number within `[min, max]`; where the value is missing, `missing` is used (none: a missing value is an error).
    Range {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
        /// What stands for a missing value.
        missing: Option<f64>,
    },
    /// One of these texts; with `missing` a missing value is a level of its own.
    Levels {
        /// The texts, in the order of the encoding.
        levels: Vec<String>,
        /// Whether "missing" is a further level.
        missing: bool,
    },
}

/// What is predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Column in the source.
    pub column: String,
    /// How its value becomes a class.
    pub classes: Classes,
}

/// How a target value becomes a class index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Classes {
    /// The class is the position of the text in this list.
    Levels(Vec<String>),
    /// Class 1 where the number is at least this, else class 0.
    AtLeast(f64),
}

/// What happens to columns of the source that the schema does not name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dropped {
    /// Only these may appear besides the declared ones; any other column is an error.
    Only(Vec<String>),
    /// `"*" = "drop"`: every other column is ignored.
    AllOthers,
}

impl Domain {
    /// Number of model inputs this feature takes: one for a number, one per level for a text.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::Range { .. } => 1,
            Self::Levels { levels, missing } => levels.len() + usize::from(*missing),
        }
    }
}

impl Classes {
    /// Names of the classes, in order.
    #[must_use]
    pub fn names(&self, column: &str) -> Vec<String> {
        match self {
            Self::Levels(levels) => levels.clone(),
            Self::AtLeast(t) => vec![format!("{column} < {t}"), format!("{column} >= {t}")],
        }
    }
}

impl Schema {
    /// Number of model inputs over all features.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.iter().map(|c| c.domain.width()).sum()
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        match &self.target.classes {
            Classes::Levels(levels) => levels.len(),
            Classes::AtLeast(_) => 2,
        }
    }

    /// Names of the columns that reveal a special category (Art 9).
    #[must_use]
    pub fn special_columns(&self) -> Vec<String> {
        self.columns.iter().filter(|c| c.special.is_some()).map(|c| c.name.clone()).collect()
    }

    /// Refuses a schema that no table could satisfy.
    ///
    /// # Errors
    /// [`Error::Schema`] names the column and what is wrong with it.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |column: &str, why: &str| Error::Schema { column: column.into(), why: why.into() };
        if self.columns.is_empty() {
            return Err(wrong(&self.dataset, "no feature is declared"));
        }
        let mut seen = std::collections::BTreeSet::new();
        for Column { name, domain, .. } in &self.columns {
            if !seen.insert(name.as_str()) {
                return Err(wrong(name, "declared twice"));
            }
            if *name == self.target.column {
                return Err(wrong(name, "is the target and cannot be a feature"));
            }
            match domain {
                Domain::Range { min, max, missing } => {
                    if !(min.is_finite() && max.is_finite() && min < max) {
                        return Err(wrong(name, "needs finite bounds with min < max"));
                    }
                    if missing.is_some_and(|m| !(*min..=*max).contains(&m)) {
                        return Err(wrong(name, "its value for a missing entry lies outside its bounds"));
                    }
                }
                Domain::Levels { levels, .. } => check_levels(name, levels, 1)?,
            }
        }
        match &self.target.classes {
            Classes::Levels(levels) => check_levels(&self.target.column, levels, 2),
            Classes::AtLeast(t) if !t.is_finite() => Err(wrong(&self.target.column, "its threshold is not finite")),
            Classes::AtLeast(_) => Ok(()),
        }
    }
}

fn check_levels(name: &str, levels: &[String], least: usize) -> Result<(), Error> {
    let distinct: std::collections::BTreeSet<_> = levels.iter().collect();
    if levels.len() < least || distinct.len() != levels.len() {
        return Err(Error::Schema { column: name.into(), why: format!("needs at least {least} levels, each once") });
    }
    Ok(())
}
