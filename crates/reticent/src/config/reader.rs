//! Reads TOML key by key and remembers every problem instead of stopping at the first.
//!
//! A value that is wrong is reported and read as absent; the caller puts a stand-in in its place and goes on.
//! [`Reader::broken`] tells later checks to keep silent about what was already reported.

use super::problem::{Kind, Problem, Severity};
use super::similar::nearest;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// The text being read, what was wrong so far, and where each key stands.
pub(super) struct Reader<'a> {
    text: &'a str,
    /// Folder that file names are relative to.
    pub(super) base: &'a Path,
    /// What was found.
    pub(super) problems: Vec<Problem>,
    places: BTreeMap<String, usize>,
    /// Keys asked for, by table (`data.*.budget`): what the format is, as the code has it.
    pub(super) asked: BTreeMap<String, BTreeSet<&'static str>>,
}

/// A value under its dotted path.
#[derive(Clone)]
pub(super) struct At<'t> {
    /// Dotted path.
    pub(super) path: String,
    /// What stands there.
    pub(super) value: &'t DeValue<'t>,
}

/// A table being read; [`Fields::close`] reports the keys nobody asked for.
pub(super) struct Fields<'r, 'a, 't> {
    /// Where problems go.
    pub(super) reader: &'r mut Reader<'a>,
    /// Dotted path of the table; empty for the file.
    pub(super) path: String,
    pattern: String,
    table: &'t DeTable<'t>,
}

/// Numbers that make sense for a key.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    holds: fn(f64) -> bool,
    says: &'static str,
}

/// Any finite number.
pub(super) const FINITE: Rule = Rule { holds: |_| true, says: "finite" };
/// Above 0.
pub(super) const POSITIVE: Rule = Rule { holds: |x| x > 0.0, says: "above 0" };
/// A probability that is neither 0 nor 1.
pub(super) const INSIDE_UNIT: Rule = Rule { holds: |x| x > 0.0 && x < 1.0, says: "above 0 and below 1" };
/// A probability above 0.
pub(super) const RATE: Rule = Rule { holds: |x| x > 0.0 && x <= 1.0, says: "above 0 and at most 1" };
/// An ε of a removal: above it, its theorem does not hold.
pub(super) const UP_TO_TWO: Rule = Rule { holds: |x| x > 0.0 && x <= 2.0, says: "above 0 and at most 2" };
/// A δ of a removal.
pub(super) const UP_TO_HALF: Rule = Rule { holds: |x| x > 0.0 && x <= 0.5, says: "above 0 and at most 0.5" };

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, base: &'a Path) -> Self {
        Self { text, base, problems: vec![], places: BTreeMap::new(), asked: BTreeMap::new() }
    }

    /// Reads the file's outermost table.
    pub(super) fn root<'r, 't>(&'r mut self, table: &'t DeTable<'t>) -> Fields<'r, 'a, 't> {
        Fields::new(self, String::new(), String::new(), table)
    }

    /// Reports an error, unless this very key already has one.
    pub(super) fn error(&mut self, kind: Kind, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        if !self.problems.iter().any(|p| p.severity == Severity::Error && p.path == path) {
            self.report(Severity::Error, kind, path, message.into(), hint.into());
        }
    }

    /// Reports something that does not stop the program, unless this very key is wrong anyway.
    pub(super) fn warn(&mut self, kind: Kind, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        if !self.problems.iter().any(|p| p.severity == Severity::Error && p.path == path) {
            self.report(Severity::Warning, kind, path, message.into(), hint.into());
        }
    }

    /// Reports a name that nothing declares, with the nearest one that is.
    pub(super) fn unknown<'n>(&mut self, path: &str, what: &str, name: &str, known: impl IntoIterator<Item = &'n str>) {
        let known: Vec<&str> = known.into_iter().collect();
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("no {what} is declared yet"),
            None => format!("declared are {}", listed(&known)),
        };
        self.error(Kind::UnknownName, path, format!("no {what} is called `{name}`"), hint);
    }

    /// Reports what TOML itself refuses.
    pub(super) fn syntax(&mut self, error: &toml::de::Error) {
        let (line, column) = self.line_and_column(error.span().map_or(0, |s| s.start));
        // One slip can break several rules of TOML; the first says enough.
        if self.problems.iter().any(|p| (p.line, p.column) == (line, column)) {
            return;
        }
        self.problems.push(Problem {
            severity: Severity::Error,
            kind: Kind::Syntax,
            line,
            column,
            path: String::new(),
            message: error.message().to_owned(),
            hint: None,
        });
    }

    /// True where an error was reported at this path or below it.
    pub(super) fn broken(&self, path: &str) -> bool {
        let below = |p: &str| p.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        self.problems.iter().any(|p| p.severity == Severity::Error && below(&p.path))
    }

    fn report(&mut self, severity: Severity, kind: Kind, path: &str, message: String, hint: String) {
        // The nearest place known: of the key itself, or of the table that lacks it.
        let mut known = path;
        let place = loop {
            match self.places.get(known) {
                Some(place) => break *place,
                None => match known.rfind(['.', '[']) {
                    Some(end) => known = &known[..end],
                    None => break 0,
                },
            }
        };
        let (line, column) = self.line_and_column(place);
        let hint = (!hint.is_empty()).then_some(hint);
        self.problems.push(Problem { severity, kind, line, column, path: path.to_owned(), message, hint });
    }

    fn line_and_column(&self, at: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        (line, String::from_utf8_lossy(&before[start..]).chars().count() + 1)
    }

    fn wrong_type(&mut self, at: &At<'_>, expected: &str) {
        self.error(Kind::WrongType, &at.path, format!("needs {expected}, not {}", kind_of(at.value)), "");
    }

    /// A table with known keys; `pattern` is its path with `*` for names.
    pub(super) fn table<'t>(&mut self, at: At<'t>, pattern: String) -> Option<Fields<'_, 'a, 't>> {
        match at.value {
            DeValue::Table(table) => Some(Fields::new(self, at.path, pattern, table)),
            _ => {
                self.wrong_type(&at, "a table");
                None
            }
        }
    }

    /// A text that is not empty; `"?"` is "not yet decided".
    pub(super) fn text(&mut self, at: &At<'_>) -> Option<String> {
        match at.value {
            DeValue::String(text) if text == "?" => {
                self.error(Kind::Undecided, &at.path, "is not decided yet", "replace \"?\"");
                None
            }
            DeValue::String(text) if text.trim().is_empty() => {
                self.error(Kind::NotAllowed, &at.path, "is empty", "");
                None
            }
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => {
                self.wrong_type(at, "a text in quotes");
                None
            }
        }
    }

    /// A finite number that keeps the rule.
    pub(super) fn number(&mut self, at: &At<'_>, rule: Rule) -> Option<f64> {
        let Some(number) = number(at.value) else {
            self.wrong_type(at, "a number");
            return None;
        };
        if number.is_finite() && (rule.holds)(number) {
            return Some(number);
        }
        self.error(Kind::OutOfRange, &at.path, format!("must be {}, not {number}", rule.says), "");
        None
    }

    /// A whole number of at least `least`.
    pub(super) fn whole(&mut self, at: &At<'_>, least: u64) -> Option<u64> {
        let DeValue::Integer(integer) = at.value else {
            self.wrong_type(at, "a whole number");
            return None;
        };
        match i64::from_str_radix(integer.as_str(), integer.radix()).ok().and_then(|i| u64::try_from(i).ok()) {
            Some(n) if n >= least => Some(n),
            _ => {
                self.error(Kind::OutOfRange, &at.path, format!("must be a whole number of at least {least}"), "");
                None
            }
        }
    }

    /// A list of texts, each once. Texts may be `"?"` here, and empty.
    pub(super) fn texts(&mut self, at: &At<'_>) -> Option<Vec<String>> {
        let items = match at.value {
            DeValue::Array(items) => items.iter().map(|v| v.get_ref().as_str().map(str::to_owned)).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let Some(items) = items else {
            self.wrong_type(at, "a list of texts in quotes");
            return None;
        };
        self.each_once(&at.path, &items).then_some(items)
    }

    /// Reports what a list holds twice.
    pub(super) fn each_once(&mut self, path: &str, items: &[String]) -> bool {
        let mut seen = BTreeSet::new();
        match items.iter().find(|item| !seen.insert(item.as_str())) {
            None => true,
            Some(twice) => {
                self.error(Kind::Repeated, path, format!("holds `{twice}` twice"), "keep one of them");
                false
            }
        }
    }
}

impl<'r, 'a, 't> Fields<'r, 'a, 't> {
    fn new(reader: &'r mut Reader<'a>, path: String, pattern: String, table: &'t DeTable<'t>) -> Self {
        for (key, value) in table.iter() {
            let place = if value.get_ref().is_table() { key.span().start } else { value.span().start };
            reader.places.insert(join(&path, key.get_ref()), place);
        }
        Self { reader, path, pattern, table }
    }

    /// The path of a key of this table.
    pub(super) fn at(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// True where the key is written.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Reports a key that is not written.
    pub(super) fn need(&mut self, key: &'static str, hint: &str) {
        if !self.has(key) {
            let path = self.at(key);
            self.reader.error(Kind::MissingKey, &path, "is missing", hint);
        }
    }

    /// What is written under the key.
    pub(super) fn get(&mut self, key: &'static str) -> Option<At<'t>> {
        self.reader.asked.entry(self.pattern.clone()).or_default().insert(key);
        self.table.get(key).map(|value| At { path: self.at(key), value: value.get_ref() })
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.get(key).and_then(|at| self.reader.text(&at))
    }

    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        self.get(key).and_then(|at| self.reader.texts(&at))
    }

    pub(super) fn number(&mut self, key: &'static str, rule: Rule) -> Option<f64> {
        self.get(key).and_then(|at| self.reader.number(&at, rule))
    }

    pub(super) fn whole(&mut self, key: &'static str, least: u64) -> Option<u64> {
        self.get(key).and_then(|at| self.reader.whole(&at, least))
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let at = self.get(key)?;
        let flag = at.value.as_bool();
        if flag.is_none() {
            self.reader.wrong_type(&at, "true or false");
        }
        flag
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let at = self.get(key)?;
        let word = self.reader.text(&at)?;
        let found = choices.iter().find(|(name, _)| *name == word).map(|(_, choice)| *choice);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let hint = match nearest(&word, names.iter().copied()) {
                Some(near) if word.chars().count() > 1 => format!("did you mean \"{near}\"?"),
                _ => format!("allowed are {}", listed(&names)),
            };
            self.reader.error(Kind::NotAllowed, &at.path, format!("cannot be \"{word}\""), hint);
        }
        found
    }

    /// A table with known keys.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Fields<'_, 'a, 't>> {
        let at = self.get(key)?;
        let pattern = if self.pattern.is_empty() { key.to_owned() } else { format!("{}.{key}", self.pattern) };
        self.reader.table(at, pattern)
    }

    /// A table whose keys are names chosen by the user: each with its value, in the order of the file.
    pub(super) fn entries(&mut self, key: &'static str) -> Vec<(String, At<'t>)> {
        let Some(at) = self.get(key) else { return vec![] };
        let DeValue::Table(table) = at.value else {
            self.reader.wrong_type(&at, "a table");
            return vec![];
        };
        let path = at.path.clone();
        drop(Fields::new(self.reader, path, String::new(), table));
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
            .into_iter()
            .map(|(key, value)| (key.get_ref().clone().into_owned(), At { path: join(&at.path, key.get_ref()), value: value.get_ref() }))
            .collect()
    }

    /// Reports the keys nobody asked for.
    pub(super) fn close(self) -> &'r mut Reader<'a> {
        let none = BTreeSet::new();
        let known = self.reader.asked.get(&self.pattern).unwrap_or(&none).clone();
        for (key, _) in self.table.iter().filter(|(key, _)| !known.contains(key.get_ref().as_ref())) {
            let hint = match nearest(key.get_ref(), known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here are {}", listed(&known.iter().copied().collect::<Vec<_>>())),
            };
            let path = self.at(key.get_ref());
            self.reader.places.insert(path.clone(), key.span().start);
            self.reader.error(Kind::UnknownKey, &path, "is not a known key", hint);
        }
        self.reader
    }
}

/// A TOML integer or float.
pub(super) fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(i) if i.radix() == 10 => i.as_str().parse().ok(),
        DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix()).ok().map(|i| i as f64),
        DeValue::Float(f) => f.as_str().parse().ok(),
        _ => None,
    }
}

/// `a, b and c`.
pub(super) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    match quoted.as_slice() {
        [] => "none".into(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A dotted path; keys that are not bare are quoted.
fn join(path: &str, key: &str) -> String {
    let key = super::key(key);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
