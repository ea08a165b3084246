//! What each column may hold, decided in public.

use super::problem::Kind;
use super::reader::{At, FINITE, Fields, Reader, number};
use super::shape::{ColumnShape, Word};
use super::similar::nearest;
use reticent_data::{Column, Domain, Dropped};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use toml::de::DeValue;

/// The special categories of GDPR Art 9(1), by the words used for `special`.
pub(crate) const SPECIAL: [&str; 10] = [
    "health",
    "genetic",
    "biometric",
    "ethnic-origin",
    "political-opinions",
    "religion",
    "beliefs",
    "trade-union",
    "sex-life",
    "sexual-orientation",
];

/// `columns`: what each column of the source may hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Columns {
    /// Columns with bounds or levels, in the order of the file; the target is among them where its levels are its classes.
    pub(crate) declared: Vec<Column>,
    /// Columns that nobody reads.
    pub(crate) dropped: Dropped,
    /// Columns with a problem: named, and nothing more is known.
    pub(super) broken: Vec<String>,
    /// What the law says of columns, beyond their bounds.
    pub(crate) rights: BTreeMap<String, Rights>,
}

/// What a column may be used for, and what it may not be without a law.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rights {
    /// Purposes that it was collected for; empty for those of its data set.
    pub(crate) purposes: Vec<String>,
    /// Columns that it was made from: it has the purposes that all of them share.
    pub(crate) from: Vec<String>,
    /// Whether it holds criminal convictions or offences (GDPR Art 10).
    pub(crate) criminal: bool,
}

impl Columns {
    /// The declared column of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Column> {
        self.declared.iter().find(|c| c.name == name)
    }

    /// Names of the columns with bounds or levels, right or wrong.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.declared.iter().map(|c| c.name.as_str()).chain(self.broken.iter().map(String::as_str))
    }

    /// Reads `columns`; `missing` are the texts that mean "no value".
    pub(super) fn read(fields: &mut Fields<'_, '_, '_>, missing: &[String]) -> Self {
        let mut columns = Self { declared: vec![], dropped: Dropped::Only(vec![]), broken: vec![], rights: BTreeMap::new() };
        let mut dropped = vec![];
        let mut all_others = false;
        for (name, at) in fields.entries("columns") {
            let reader = &mut *fields.reader;
            if name == "*" {
                all_others = true;
                if at.value.as_str() != Some("drop") {
                    reader.error(Kind::NotAllowed, &at.path, "every other column can only be dropped", "write \"*\" = \"drop\"");
                }
            } else if at.value.as_str() == Some("drop") {
                dropped.push(name);
            } else {
                if name.trim() != name || name.is_empty() {
                    reader.error(Kind::NotAllowed, &at.path, "is not the name of a column: names have no blanks around them", "");
                }
                match column(reader, &name, at, missing) {
                    Some((column, rights)) => {
                        if rights != Rights::default() {
                            columns.rights.insert(name, rights);
                        }
                        columns.declared.push(column);
                    }
                    None => columns.broken.push(name),
                }
            }
        }
        columns.dropped = if all_others { Dropped::AllOthers } else { Dropped::Only(dropped) };
        columns
    }
}

/// One column: `[min, max]`, `["a", "b"]`, `{ range = .. }` or `{ levels = .. }`.
fn column(reader: &mut Reader<'_>, name: &str, at: At<'_>, missing: &[String]) -> Option<(Column, Rights)> {
    let path = at.path.clone();
    match at.value {
        DeValue::Table(_) => long_form(reader.table(at, "data.*.columns.*".into())?, name, missing),
        DeValue::Array(items) if !items.is_empty() && items.iter().all(|v| v.get_ref().is_str()) => {
            let levels = levels(reader, &at, missing)?;
            Some((Column { name: name.into(), domain: Domain::Levels { levels, missing: false }, special: None }, Rights::default()))
        }
        DeValue::Array(_) => {
            let (min, max) = range(reader, name, None, &at)?;
            Some((Column { name: name.into(), domain: Domain::Range { min, max, missing: None }, special: None }, Rights::default()))
        }
        value => {
            wanting(reader, name, None, &path, value.as_str());
            None
        }
    }
}

fn long_form(mut fields: Fields<'_, '_, '_>, name: &str, missing: &[String]) -> Option<(Column, Rights)> {
    let path = fields.path.clone();
    let special = fields.text("special");
    if let Some(word) = special.as_deref().filter(|w| !SPECIAL.contains(w)) {
        let path = fields.at("special");
        fields.reader.unknown(&path, "special category", word, SPECIAL);
    }
    let rights = Rights {
        purposes: fields.texts("purposes").unwrap_or_default(),
        from: fields.texts("from").unwrap_or_default(),
        criminal: fields.flag("criminal").unwrap_or_default(),
    };
    let domain = match (fields.get("range"), fields.get("levels")) {
        (Some(at), None) => {
            let missing = fields.number("missing", FINITE);
            let bounds = range(fields.reader, name, Some("range"), &at);
            if let (Some((min, max)), Some(missing)) = (bounds, missing)
                && !(min..=max).contains(&missing)
            {
                let path = fields.at("missing");
                let hint = format!("choose a number within [{min}, {max}]");
                fields.reader.error(Kind::OutOfRange, &path, format!("{missing} lies outside the bounds of `{name}`"), hint);
            }
            bounds.map(|(min, max)| Domain::Range { min, max, missing })
        }
        (None, Some(at)) => {
            let own_level = fields.flag("missing").unwrap_or(false);
            let levels = match at.value {
                DeValue::String(file) if file != "?" => levels_file(fields.reader, &at.path, file, missing),
                DeValue::String(_) => {
                    wanting(fields.reader, name, Some("levels"), &at.path, Some("?"));
                    None
                }
                _ => levels(fields.reader, &at, missing),
            };
            levels.map(|levels| Domain::Levels { levels, missing: own_level })
        }
        (Some(_), Some(_)) => {
            drop(fields.get("missing"));
            fields.reader.error(Kind::Contradiction, &path, format!("`{name}` has both a range and levels"), "keep one of them");
            None
        }
        (None, None) => {
            drop(fields.get("missing"));
            // A misspelt `range` is reported as such, and alone.
            let reader = fields.close();
            if !reader.broken(&path) {
                reader.error(
                    Kind::MissingKey,
                    &path,
                    "needs `range` or `levels`",
                    "write { range = [min, max] } or { levels = [\"a\", \"b\"] }",
                );
            }
            return None;
        }
    };
    fields.close();
    domain.map(|domain| (Column { name: name.into(), domain, special }, rights))
}

/// `[min, max]`, or `"?"`: of the column, or of its `range`.
fn range(reader: &mut Reader<'_>, name: &str, part: Option<&str>, at: &At<'_>) -> Option<(f64, f64)> {
    let name_key = super::key(name);
    let key = part.unwrap_or(&name_key);
    let numbers: Option<Vec<f64>> = at.value.as_array().and_then(|items| items.iter().map(|v| number(v.get_ref())).collect());
    match (at.value, numbers.as_deref()) {
        (_, Some([min, max])) if min.is_finite() && max.is_finite() && min < max => Some((*min, *max)),
        (_, Some([_, _])) => {
            reader.error(Kind::OutOfRange, &at.path, "needs finite bounds with min < max", format!("write {key} = [min, max]"));
            None
        }
        (DeValue::Array(_), Some(numbers)) => {
            let hint = format!("{name_key} = [min, max] for numbers, {name_key} = [\"a\", \"b\"] for texts");
            reader.error(Kind::WrongType, &at.path, format!("needs two numbers, not {}", numbers.len()), hint);
            None
        }
        (DeValue::Array(_), None) => {
            let message = "mixes texts and other values";
            reader.error(Kind::WrongType, &at.path, message, "put every level in quotes: [\"0\", \"1\", \"more\"]");
            None
        }
        (value, _) => {
            wanting(reader, name, part, &at.path, value.as_str());
            None
        }
    }
}

/// `["a", "b"]`.
fn levels(reader: &mut Reader<'_>, at: &At<'_>, missing: &[String]) -> Option<Vec<String>> {
    let levels = reader.texts(at)?;
    usable(reader, &at.path, levels, missing)
}

/// One level in each line of a file; blank lines are ignored.
fn levels_file(reader: &mut Reader<'_>, path: &str, file: &str, missing: &[String]) -> Option<Vec<String>> {
    match std::fs::read_to_string(reader.base.join(file)) {
        Ok(text) => {
            let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
            let levels: Vec<String> = lines.filter(|l| !l.is_empty()).map(str::to_owned).collect();
            reader.each_once(path, &levels).then_some(())?;
            usable(reader, path, levels, missing)
        }
        Err(error) => {
            let why = match error.kind() {
                std::io::ErrorKind::NotFound => "does not exist".to_owned(),
                std::io::ErrorKind::InvalidData => "is not UTF-8 text".to_owned(),
                _ => format!("cannot be read: {error}"),
            };
            let hint = "a file of levels holds one level in each line; its place is relative to reticent.toml";
            reader.error(Kind::Unreadable, path, format!("the file {file} {why}"), hint);
            None
        }
    }
}

fn usable(reader: &mut Reader<'_>, path: &str, levels: Vec<String>, missing: &[String]) -> Option<Vec<String>> {
    let (message, hint) = if levels.is_empty() {
        ("has no levels".to_owned(), "")
    } else if levels.iter().any(|l| l.is_empty()) {
        ("the empty text always means a missing value".to_owned(), "write { levels = [..], missing = true } instead")
    } else if let Some(level) = levels.iter().find(|l| l.trim() != **l) {
        (format!("the level \"{level}\" would never be met: blanks around values are ignored"), "remove them")
    } else if let Some(level) = levels.iter().find(|l| missing.contains(l)) {
        let hint = "write { levels = [..], missing = true } instead, or take it out of `missing`";
        reader.error(Kind::Contradiction, path, format!("\"{level}\" is a level and also means a missing value"), hint);
        return None;
    } else {
        return Some(levels);
    };
    reader.error(Kind::NotAllowed, path, message, hint);
    None
}

/// Says what is wanted where neither bounds nor levels stand: for a column, or for its `range` or `levels`.
fn wanting(reader: &mut Reader<'_>, name: &str, part: Option<&str>, path: &str, word: Option<&str>) {
    let name_key = super::key(name);
    let key = part.unwrap_or(&name_key);
    let otherwise = match part {
        None => format!("texts: {key} = [\"a\", \"b\"]; left out: {key} = \"drop\""),
        Some(_) => format!("left out: {name_key} = \"drop\""),
    };
    match word {
        Some("?") => {
            let (needs, write) = if part == Some("levels") { ("levels", "[\"a\", \"b\"]") } else { ("bounds", "[min, max]") };
            let message = format!("{name} needs public {needs}: write {key} = {write} (what could be, not what is in the file)");
            reader.error(Kind::Undecided, path, message, otherwise);
        }
        Some("dp") => {
            let message = "bounds estimated from the data under a charge to the budget (\"dp\") are not available yet";
            reader.error(Kind::NotAvailable, path, message, format!("write {key} = [min, max]"));
        }
        Some(word) if nearest(word, ["drop"]).is_some() => {
            reader.error(Kind::NotAllowed, path, format!("cannot be \"{word}\""), "did you mean \"drop\"?");
        }
        Some(word) if word.contains('.') => {
            let hint = format!("write {key} = {{ levels = {} }}", super::quoted(word));
            reader.error(Kind::NotAllowed, path, format!("cannot be \"{word}\""), hint);
        }
        _ => {
            reader.error(Kind::WrongType, path, "needs bounds [min, max] or levels", otherwise);
        }
    }
}

impl Serialize for Columns {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (dropped, others) = match &self.dropped {
            Dropped::Only(names) => (names.as_slice(), false),
            Dropped::AllOthers => (&[][..], true),
        };
        let none = Rights::default();
        let rights = |c: &Column| self.rights.get(&c.name).unwrap_or(&none).clone();
        let declared = self.declared.iter().map(|c| (c.name.as_str(), ColumnShape::of(c, rights(c))));
        let dropped = dropped.iter().map(String::as_str).chain(others.then_some("*")).map(|name| (name, ColumnShape::Word(Word::Drop)));
        to.collect_map(declared.chain(dropped))
    }
}

impl JsonSchema for Columns {
    fn schema_name() -> Cow<'static, str> {
        "Columns".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, ColumnShape>::json_schema(generator)
    }
}
