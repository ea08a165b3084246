//! What can be wrong with an audit, in facts.

use std::fmt;

/// Why nothing was measured.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A number outside its range: a level, a rate, a number of guesses.
    #[error("{quantity} must be {range}, not {value}")]
    OutOfRange {
        /// What it is.
        quantity: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed.
        range: &'static str,
    },
    /// Two lists that belong together differ in length.
    #[error("{what}: {found} where {expected} are needed")]
    Length {
        /// Which list.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it must have.
        expected: usize,
    },
    /// A score is not a number: the model or the tool that made it failed there.
    #[error("score number {index} is not a number")]
    NotANumber {
        /// Position, from 0.
        index: usize,
    },
    /// Members or non-members are missing, so there is nothing to tell apart.
    #[error("{members} members and {non_members} non-members: both are needed")]
    OneSided {
        /// Units the model was trained on.
        members: usize,
        /// Units it was not trained on.
        non_members: usize,
    },
    /// Too few shadow models, or an odd number: each unit is in exactly half of them.
    #[error("{shadows} shadow models: an even number from 4 to {most} is needed")]
    Shadows {
        /// What was asked for.
        shadows: usize,
        /// The largest number allowed.
        most: usize,
    },
    /// Too few models to learn of some what the others show, or an odd number.
    #[error("{models} models: an even number from 10 on is needed")]
    FewModels {
        /// What was asked for.
        models: usize,
    },
    /// Some units lack models that were trained with them, or without them.
    #[error("{units} units have fewer than {least} reference models {side} them")]
    FewReferences {
        /// How many units.
        units: usize,
        /// Models that each needs.
        least: usize,
        /// `with` or `without`.
        side: &'static str,
    },
    /// Membership does not look like independent fair coins, on which a lower bound from one run rests.
    #[error("{members} of {units} are members, which independent fair coins would hardly give: a lower bound from one run rests on them")]
    NotFairCoins {
        /// Members.
        members: usize,
        /// All.
        units: usize,
    },
    /// A model gave probabilities of the wrong number.
    #[error("the target gave {found} probabilities where {expected} are needed")]
    Target {
        /// How many came.
        found: usize,
        /// Rows times classes.
        expected: usize,
    },
    /// A file of a model is damaged, or holds another model than can be asked.
    #[error("the model cannot be used: {why}")]
    ModelFile {
        /// What is wrong.
        why: String,
    },
    /// A model gives something else than it was said to.
    #[error("to row {row} the model gives {what}")]
    Answer {
        /// Position of the row among those asked, from 0.
        row: usize,
        /// What it gives.
        what: &'static str,
    },
    /// A shadow model could not be trained.
    #[error("a shadow model could not be trained: {why}")]
    Fit {
        /// The trainer's words.
        why: String,
    },
    /// What shadow models answered cannot be kept.
    #[error("answers of shadow models cannot be kept: {why}")]
    Kept {
        /// The system's words.
        why: String,
    },
    /// The lines of a file of scores that cannot be used, at most ten of them, and how many there are.
    #[error("{}", ProblemList(.problems, *.total))]
    File {
        /// The first problems.
        problems: Vec<FileProblem>,
        /// All problems.
        total: usize,
    },
    /// No attack has this name.
    #[error("there is no attack `{name}`")]
    NoAttack {
        /// What was asked for.
        name: String,
    },
    /// What an attack needs is not there.
    #[error("the attack `{attack}` needs {needs}")]
    CannotAttack {
        /// Which attack.
        attack: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// The accountant refuses.
    #[error(transparent)]
    Accounting(#[from] reticent_accounting::Error),
    /// The rows are refused.
    #[error("{0}")]
    Data(String),
}

impl From<reticent_data::Error> for Error {
    fn from(error: reticent_data::Error) -> Self {
        Self::Data(error.to_string())
    }
}

/// What is wrong with a line of a file of scores. Holds no value of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub kind: FileProblemKind,
}

/// Where in a file of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A line of a CSV file, from 1, which is the header.
    Line(u64),
    /// A row of a Parquet file, from 1.
    Row(u64),
}

/// Kinds of problems of a file of scores.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileProblemKind {
    /// No column of this name.
    NoColumn(&'static str),
    /// Two columns of this name.
    TwoColumns(String),
    /// A column that is needed has this name and a type that is not read.
    Type(String, String),
    /// The line has another number of fields than the header, or is no UTF-8.
    Malformed,
    /// The Parquet file cannot be read.
    Damaged,
    /// `score` is no finite number.
    Score,
    /// `member` is none of 0, 1, true, false.
    Member,
    /// `label` is no class.
    Label,
    /// `p_…` are no probabilities, or do not add up to 1.
    Probabilities,
    /// `ref_…` or `in_…` cannot be used.
    Reference,
    /// `x_…` is no finite number.
    Inputs,
    /// `withstood` is no share.
    Withstood,
    /// A unit is a member in one line and a non-member in another.
    BothSides,
    /// `step` or `canary` is no number from 0 to a million.
    Place,
    /// `in` is none of 0, 1, true, false.
    In,
    /// `released` is no finite number.
    Released,
    /// The pair of a step and a canary is on an earlier line.
    Twice,
    /// So many pairs of a step and a canary are on no line.
    Gaps(usize),
    /// There are no lines.
    Empty,
    /// More lines than are read.
    TooLong,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::File => {}
            Place::Line(line) => write!(f, "line {line}: ")?,
            Place::Row(row) => write!(f, "row {row}: ")?,
        }
        match &self.kind {
            FileProblemKind::NoColumn(name) => write!(f, "there is no column `{name}`"),
            FileProblemKind::TwoColumns(name) => write!(f, "there are two columns `{name}`"),
            FileProblemKind::Type(name, of) => write!(f, "column `{name}` is of the type {of}: numbers, true/false and text are read"),
            FileProblemKind::Damaged => f.write_str("the Parquet file is damaged, or cut short"),
            FileProblemKind::Malformed => f.write_str("the line cannot be read, or has another number of fields than the header"),
            FileProblemKind::Score => f.write_str("`score` is not a finite number"),
            FileProblemKind::Member => f.write_str("`member` is none of 0, 1, true, false"),
            FileProblemKind::Label => f.write_str("`label` is no class from 0 to the last of `p_…`"),
            FileProblemKind::Probabilities => f.write_str("`p_…` are no probabilities that add up to 1"),
            FileProblemKind::Reference => f.write_str("a `ref_…` is no probability, or an `in_…` none of 0, 1, true, false"),
            FileProblemKind::Inputs => f.write_str("an `x_…` is not a finite number"),
            FileProblemKind::Withstood => f.write_str("`withstood` is no share from 0 to 1"),
            FileProblemKind::BothSides => f.write_str("the unit is a member here and a non-member further up, or the reverse"),
            FileProblemKind::Place => f.write_str("`step` or `canary` is no whole number from 0 to a million"),
            FileProblemKind::In => f.write_str("`in` is none of 0, 1, true, false"),
            FileProblemKind::Released => f.write_str("`released` is not a finite number"),
            FileProblemKind::Twice => f.write_str("this canary in this step is on an earlier line"),
            FileProblemKind::Gaps(n) => {
                write!(f, "{n} pairs of a step and a canary are on no line: every canary needs one in every step, in or out")
            }
            FileProblemKind::Empty => f.write_str("there are no scores"),
            FileProblemKind::TooLong => f.write_str("more lines than are read"),
        }
    }
}

struct ProblemList<'a>(&'a [FileProblem], usize);

impl fmt::Display for ProblemList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        if self.1 > self.0.len() {
            write!(f, "\nand {} more", self.1 - self.0.len())?;
        }
        Ok(())
    }
}
