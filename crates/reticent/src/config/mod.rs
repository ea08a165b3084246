//! `reticent.toml`, version 1: who is responsible, for which purposes, with which data, to train which models.
//!
//! The file is written by people, so reading it reports every problem at once, each with its place and a way out
//! ([`Problems`]); a [`Config`] that exists has passed all checks. Everything in it is *public*: bounds and levels are
//! decided by people who know what could be, never read from private rows unless the file says so
//! ([`Bounds::Data`]). `"?"` stands for "not decided yet" wherever a text or bounds belong, and is reported.
//!
//! ```toml
//! version = 1
//! mode = "experiment"
//!
//! [purposes.readmission-risk]
//! art6 = "a"
//! notices = ["2026-1"]
//!
//! [data.visits]
//! file = "visits.csv"
//! subject = "patient_id"
//! units = 5000
//! target = "readmitted"
//! columns = { age = [0, 110], sex = ["f", "m"], readmitted = ["no", "yes"], "*" = "drop" }
//!
//! [models.risk]
//! data = "visits"
//! purpose = "readmission-risk"
//! kind = "logistic"
//! privacy = { epsilon = 2.0 }
//! ```
//!
//! Units: ε in nats, per unit of privacy (`subject`), neighbours by adding or removing one unit.

mod ai_act;
mod check;
mod column;
mod column_purposes;
mod dataset;
mod draft;
mod guess;
mod json_schema;
mod ledger;
mod model;
mod problem;
mod purpose;
mod reader;
mod recipe;
mod shape;
mod similar;
#[cfg(test)]
mod tests;

pub(crate) use ai_act::{AiAct, AiRole, Deployer};
use column::SPECIAL;
pub(crate) use dataset::{Bounds, DataSet};
pub(crate) use draft::{Answers, Asks, DraftError, DraftInput, Question, draft};
pub(crate) use json_schema::json_schema;
pub(crate) use model::{Certified, FeatureMap, Model, ModelKind, Serve, ServedOutput};
pub(crate) use problem::{Kind, Problem, Problems, Severity};
pub(crate) use purpose::{Art22, Controller, Purpose};

use reader::{Fields, Reader};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Name of the file in a workspace.
pub(crate) const FILE: &str = "reticent.toml";

/// The version of the format that this program writes and reads.
pub(crate) const VERSION: u64 = 1;

/// A workspace's settings: `reticent.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Version of this format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub(crate) version: u64,
    /// What the outputs may be used for.
    #[serde(default)]
    pub(crate) mode: Mode,
    /// Printed on every artefact, for instance `Real, de-identified, public data; controller and consents simulated.`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) statement: Option<String>,
    /// File of register entries (JSON), relative to this one: parties, recipients, hosts, notices, retention, legal holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registers: Option<String>,
    /// Where the facts lie.
    #[serde(default)]
    pub(crate) ledger: ledger::Ledger,
    /// Who decides on purposes and means.
    #[serde(default)]
    pub(crate) controller: Controller,
    /// What data may be used for, and on which basis.
    #[serde(default)]
    pub(crate) purposes: BTreeMap<String, Purpose>,
    /// The data sets: where they are, whose rows they hold, what their columns may hold.
    #[serde(default)]
    pub(crate) data: BTreeMap<String, DataSet>,
    /// The models to train, each with its privacy bound.
    #[serde(default)]
    pub(crate) models: BTreeMap<String, Model>,
    /// What was noticed while reading and stops nothing.
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) warnings: Vec<Problem>,
}

/// What the outputs may be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// Gates warn, accounting is on, outputs are stamped UNRELEASED and cannot be served.
    #[default]
    Experiment,
    /// Every requirement is a condition.
    Release,
}

impl Config {
    /// Reads and checks the text of a `reticent.toml`; files of levels are read relative to `base`.
    ///
    /// # Errors
    /// [`Problems`] with everything that is wrong.
    pub(crate) fn parse(text: &str, base: &Path) -> Result<Self, Problems> {
        let mut reader = Reader::new(text, base);
        let (table, syntax) = DeTable::parse_recoverable(text);
        let config = if newer(&mut reader, table.get_ref()) {
            None
        } else if syntax.is_empty() {
            let mut config = Self::read(reader.root(table.get_ref()));
            check::check(&mut reader, &mut config);
            Some(config)
        } else {
            // What TOML could not read would show up again as keys that are missing or unknown.
            syntax.iter().for_each(|error| reader.syntax(error));
            None
        };
        let mut problems = reader.problems;
        problems.sort_by_key(|p| (p.line, p.column));
        match config {
            Some(config) if problems.iter().all(|p| p.severity == Severity::Warning) => Ok(Self { warnings: problems, ..config }),
            _ => Err(Problems { file: FILE.into(), problems }),
        }
    }

    /// The declared shape of one data set, as the import needs it.
    ///
    /// # Errors
    /// [`UnknownDataSet`] where `[data.NAME]` is not declared.
    pub(crate) fn data_schema(&self, dataset: &str) -> Result<reticent_data::Schema, UnknownDataSet> {
        let data = self.data.get(dataset).ok_or_else(|| UnknownDataSet {
            name: dataset.to_owned(),
            hint: similar::nearest(dataset, self.data.keys().map(String::as_str)).map_or_else(
                || format!("declared are {}", reader::listed(&self.data.keys().map(String::as_str).collect::<Vec<_>>())),
                |near| format!("did you mean `{near}`?"),
            ),
        })?;
        Ok(data.schema(dataset))
    }

    fn read(mut file: Fields<'_, '_, '_>) -> Self {
        file.need("version", "write version = 1 on the first line");
        let version = file.whole("version", VERSION).unwrap_or(VERSION);
        let mode = file.choice("mode", &[("experiment", Mode::Experiment), ("release", Mode::Release)]).unwrap_or_default();
        let statement = file.text("statement");
        let registers = file.text("registers");
        let ledger = file.table("ledger").map(ledger::Ledger::read).unwrap_or_default();
        let controller = file.table("controller").map(Controller::read).unwrap_or_default();
        let purposes = named(&mut file, "purposes", Purpose::read);
        let data = named(&mut file, "data", DataSet::read);
        let models = named(&mut file, "models", Model::read);
        file.close();
        Self { version, mode, statement, registers, ledger, controller, purposes, data, models, warnings: vec![] }
    }
}

/// A data set was asked for that the file does not declare.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no data set is called `{name}`")]
pub(crate) struct UnknownDataSet {
    /// The name asked for.
    pub(crate) name: String,
    /// The nearest name, or all of them.
    pub(crate) hint: String,
}

/// True, and reported, where the file says a version this program does not know. Its keys mean nothing here.
fn newer(reader: &mut Reader<'_>, table: &DeTable<'_>) -> bool {
    let version = table.get("version").map(|v| v.get_ref());
    let Some(DeValue::Integer(version)) = version else { return false };
    let newer = i64::from_str_radix(version.as_str(), version.radix()).is_ok_and(|v| v > VERSION as i64);
    if newer {
        let mut file = reader.root(table);
        let path = file.at("version");
        drop(file.get("version"));
        let message = format!("was made by a newer reticent: it is version {}, this program reads version {VERSION}", version.as_str());
        reader.error(Kind::NewerVersion, &path, message, "update reticent");
    }
    newer
}

/// `[purposes.NAME]`, `[data.NAME]`, `[models.NAME]`: one table for each name.
fn named<T>(file: &mut Fields<'_, '_, '_>, key: &'static str, read: fn(Fields<'_, '_, '_>) -> T) -> BTreeMap<String, T> {
    let mut all = BTreeMap::new();
    for (name, at) in file.entries(key) {
        let path = at.path.clone();
        if let Some(fields) = file.reader.table(at, format!("{key}.*")) {
            all.insert(name.clone(), read(fields));
        }
        if !is_bare(&name) || name.len() > 64 {
            file.reader.error(
                Kind::NotAllowed,
                &path,
                "is not a name that can stand in file names and messages",
                "use up to 64 letters, digits, `-` and `_`",
            );
        }
    }
    all
}

/// A key as TOML wants it: bare where that is possible.
fn key(key: &str) -> String {
    if is_bare(key) { key.to_owned() } else { quoted(key) }
}

/// A text as TOML wants it, on one line: JSON's escapes are TOML's, but for DEL.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
