//! The ways in which a value may be written in the file: what editors are told, and how a [`super::Config`] is written back.

use super::column::Rights;
use reticent_data::{Classes, Column, Domain, SubjectRule, Target};
use reticent_proof::Reason;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// Who a row belongs to.
#[derive(Serialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum Subject {
    /// A column whose value names the unit; or `row`: each row is its own unit.
    Name(String),
    /// A column, where its name is `row`.
    Column {
        /// Name of the column.
        column: String,
    },
    /// Neighbouring rows that are equal in these columns: a reconstructed unit.
    RunsOf {
        /// Names of the columns.
        runs_of: Vec<String>,
    },
}

/// What is predicted.
#[derive(Serialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum TargetShape {
    /// A column; its levels in `columns` are the classes.
    Column(String),
    /// Two classes: below, and at least, a number.
    AtLeast {
        /// Name of the column.
        column: String,
        /// The number from which the second class starts.
        at_least: f64,
    },
}

/// What a column may hold: what could be, not what is in the file.
#[derive(Serialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum ColumnShape {
    /// Smallest and largest number.
    Range([f64; 2]),
    /// The texts it may hold.
    Levels(Vec<String>),
    /// `drop`: read by nobody. `?`: not decided yet, refused until it is.
    Word(Word),
    /// Numbers, with more to say.
    RangeWith {
        /// Smallest and largest number; `?` until decided.
        #[schemars(with = "OrUndecided<[f64; 2]>")]
        range: [f64; 2],
        /// Stands for a missing value; without it a missing value is an error.
        #[serde(skip_serializing_if = "Option::is_none")]
        missing: Option<f64>,
        /// Special category (GDPR Art 9) that the column reveals.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<Special>")]
        special: Option<String>,
        /// Purposes that it was collected for; those of its data set if left out.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        purposes: Vec<String>,
        /// Columns that it was made from: it has the purposes that all of them share.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        from: Vec<String>,
        /// Whether it holds criminal convictions or offences (GDPR Art 10).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        criminal: bool,
    },
    /// Texts, with more to say.
    LevelsWith {
        /// The texts; or the name of a file with one text in each line; `?` until decided.
        #[schemars(with = "ListOrFile")]
        levels: Vec<String>,
        /// Whether "missing" is a level of its own; without it a missing value is an error.
        #[serde(default)]
        missing: bool,
        /// Special category (GDPR Art 9) that the column reveals.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<Special>")]
        special: Option<String>,
        /// Purposes that it was collected for; those of its data set if left out.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        purposes: Vec<String>,
        /// Columns that it was made from: it has the purposes that all of them share.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        from: Vec<String>,
        /// Whether it holds criminal convictions or offences (GDPR Art 10).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        criminal: bool,
    },
}

/// A word in place of bounds.
#[derive(Serialize, JsonSchema)]
pub(super) enum Word {
    /// Read by nobody.
    #[serde(rename = "drop")]
    Drop,
    /// Not decided yet.
    #[serde(rename = "?")]
    #[expect(dead_code, reason = "never written back: a file with it is refused")]
    Undecided,
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "describes the file only")]
enum OrUndecided<T> {
    Decided(T),
    Undecided(Undecided),
}

#[derive(JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "describes the file only")]
enum Undecided {
    #[schemars(rename = "?")]
    Undecided,
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "describes the file only")]
enum ListOrFile {
    List(Vec<String>),
    File(String),
}

/// Name of a reason in the schema.
pub(super) struct ReasonName;

impl JsonSchema for ReasonName {
    fn schema_name() -> Cow<'static, str> {
        "Reason".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Why a unit cannot take part.", "enum": Reason::ALL.map(Reason::name) })
    }
}

/// Name of a special category in the schema.
struct Special;

impl JsonSchema for Special {
    fn schema_name() -> Cow<'static, str> {
        "Special".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Special category of GDPR Art 9(1).", "enum": super::SPECIAL })
    }
}

pub(super) fn subject<S: Serializer>(subject: &SubjectRule, to: S) -> Result<S::Ok, S::Error> {
    match subject {
        SubjectRule::Row => Subject::Name("row".into()),
        SubjectRule::Column(column) if column == "row" => Subject::Column { column: column.clone() },
        SubjectRule::Column(column) => Subject::Name(column.clone()),
        SubjectRule::RunsOf(columns) => Subject::RunsOf { runs_of: columns.clone() },
    }
    .serialize(to)
}

pub(super) fn target<S: Serializer>(target: &Target, to: S) -> Result<S::Ok, S::Error> {
    match target.classes {
        Classes::Levels(_) => TargetShape::Column(target.column.clone()),
        Classes::AtLeast(at_least) => TargetShape::AtLeast { column: target.column.clone(), at_least },
    }
    .serialize(to)
}

impl ColumnShape {
    pub(super) fn of(column: &Column, rights: Rights) -> Self {
        let (special, short) = (column.special.clone(), column.special.is_none() && rights == Rights::default());
        let Rights { purposes, from, criminal } = rights;
        match &column.domain {
            Domain::Range { min, max, missing: None } if short => Self::Range([*min, *max]),
            Domain::Range { min, max, missing } => {
                Self::RangeWith { range: [*min, *max], missing: *missing, special, purposes, from, criminal }
            }
            Domain::Levels { levels, missing: false } if short => Self::Levels(levels.clone()),
            Domain::Levels { levels, missing } => {
                Self::LevelsWith { levels: levels.clone(), missing: *missing, special, purposes, from, criminal }
            }
        }
    }
}
