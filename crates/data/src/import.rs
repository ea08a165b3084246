//! CSV to a checked [`Table`]: all problems at once, counted by column, with line numbers and never a value.

use crate::error::{Problem, ProblemKind};
use crate::{Classes, Column, Domain, Dropped, Error, Feature, PseudonymKey, Schema, SubjectId, SubjectRule, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

/// How the text is laid out.
#[derive(Clone, Debug)]
pub struct CsvOptions {
    /// Column separator.
    pub delimiter: u8,
    /// Column names where the file has no header line.
    pub names: Option<Vec<String>>,
    /// Move numbers outside their bounds to the nearest bound instead of refusing them.
    pub clamp: bool,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { delimiter: b',', names: None, clamp: false }
    }
}

/// What an import gives.
pub struct Imported {
    /// The checked rows.
    pub table: Table,
    /// Numbers that were moved to their nearest bound.
    pub clamped: u64,
}

const LINES_SHOWN: usize = 3;
const MAX_ROWS: u64 = u32::MAX as u64;

/// Reads rows with features, target and subject.
///
/// # Errors
/// [`Error::Rows`] with every problem found; [`Error::Csv`] where the text cannot be read on; [`Error::Empty`].
pub fn import_csv(source: impl Read, schema: &Schema, options: &CsvOptions, key: &PseudonymKey) -> Result<Imported, Error> {
    schema.check()?;
    read(source, schema, options, Some(key))
}

/// Reads rows to be scored: features only; target, subject and record columns may be absent and are ignored.
///
/// # Errors
/// As [`import_csv`].
pub fn import_features(source: impl Read, schema: &Schema, options: &CsvOptions) -> Result<Imported, Error> {
    read(source, schema, options, None)
}

fn read(mut source: impl Read, schema: &Schema, options: &CsvOptions, key: Option<&PseudonymKey>) -> Result<Imported, Error> {
    let mut bytes = vec![];
    source.read_to_end(&mut bytes).map_err(crate::error::io("cannot read the rows"))?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(options.delimiter)
        .trim(csv::Trim::All)
        .has_headers(options.names.is_none())
        .from_reader(&bytes[..]);
    let names = match &options.names {
        Some(names) => names.clone(),
        None => reader.headers().map_err(|e| csv_error(&e, &bytes))?.iter().map(|n| n.trim_start_matches('\u{feff}').to_owned()).collect(),
    };
    if names.is_empty() || (names.len() == 1 && names[0].is_empty()) {
        return Err(Error::Empty);
    }
    let layout = Layout::new(&names, schema, key.is_some())?;
    let mut rows = Rows::new(schema, options.clamp);
    let mut run = Run::default();
    let mut record = csv::StringRecord::new();
    let mut number = 0_u64;
    while reader.read_record(&mut record).map_err(|e| csv_error(&e, &bytes))? {
        number += 1;
        if number > MAX_ROWS {
            return Err(Error::Csv { line: number, why: "more than 4,294,967,295 rows".into() });
        }
        let line = line(record.position(), &bytes);
        if record.len() != names.len() {
            return Err(Error::Csv { line, why: format!("has {} columns where {} names are given", record.len(), names.len()) });
        }
        for (index, &at) in layout.columns.iter().enumerate() {
            rows.feature(index, &record[at], line);
        }
        if let Some(key) = key {
            let target = layout.target.expect("required when rows are imported");
            rows.target(&record[target], line);
            let subject = match &schema.subject {
                SubjectRule::Row => key.subject(&schema.dataset, &number.to_string()),
                SubjectRule::Column(column) => {
                    let value = &record[layout.subject[0]];
                    if rows.is_missing(value) {
                        rows.problem(column, ProblemKind::Missing, line);
                    }
                    key.subject(&schema.dataset, value)
                }
                SubjectRule::RunsOf(_) => {
                    key.subject(&schema.dataset, &run.number(layout.subject.iter().map(|&at| &record[at])).to_string())
                }
            };
            let id = layout.record.map_or_else(|| number.to_string(), |at| record[at].to_owned());
            rows.identity(subject, id, line);
        }
    }
    if number == 0 {
        return Err(Error::Empty);
    }
    rows.finish(number as usize)
}

/// The line on which a record starts; the parser's own count stops before the blank lines ahead of it.
fn line(position: Option<&csv::Position>, bytes: &[u8]) -> u64 {
    let Some(position) = position else { return 1 };
    let rest = bytes.get(position.byte() as usize..).unwrap_or_default();
    position.line() + rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).filter(|b| **b == b'\n').count() as u64
}

fn csv_error(error: &csv::Error, bytes: &[u8]) -> Error {
    let line = line(error.position(), bytes);
    // The crate's message for uneven rows and bad UTF-8 names positions and lengths only.
    let why = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!("has {len} columns where the first line has {expected_len}"),
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8 text".into(),
        csv::ErrorKind::Io(source) => format!("cannot be read: {source}"),
        _ => "is not CSV".into(),
    };
    Error::Csv { line, why }
}

/// Where each declared column stands in the file.
struct Layout {
    columns: Vec<usize>,
    target: Option<usize>,
    subject: Vec<usize>,
    record: Option<usize>,
}

impl Layout {
    fn new(names: &[String], schema: &Schema, identified: bool) -> Result<Self, Error> {
        let mut problems = vec![];
        let mut header_problem = |column: &str, kind| problems.push(Problem { column: Some(column.into()), kind, count: 0, lines: vec![] });
        let mut at = BTreeMap::new();
        for (index, name) in names.iter().enumerate() {
            if at.insert(name.as_str(), index).is_some() {
                header_problem(name, ProblemKind::RepeatedColumn);
            }
        }
        let mut known = BTreeSet::new();
        let mut find = |name: &str, needed: bool| {
            known.insert(name.to_owned());
            let found = at.get(name).copied();
            if found.is_none() && needed {
                header_problem(name, ProblemKind::MissingColumn);
            }
            found
        };
        let columns = schema.columns.iter().filter_map(|c| find(&c.name, true)).collect();
        let target = find(&schema.target.column, identified);
        let subject = match &schema.subject {
            SubjectRule::Row => vec![],
            SubjectRule::Column(name) => find(name, identified).into_iter().collect(),
            SubjectRule::RunsOf(names) => names.iter().filter_map(|n| find(n, identified)).collect(),
        };
        let record = schema.record.as_ref().and_then(|name| find(name, identified));
        // Where no declared column is found, the first line is no header but somebody's row: none of it is repeated.
        if !at.keys().any(|name| known.contains(*name)) {
            problems.retain(|p| p.kind == ProblemKind::MissingColumn);
        } else if let Dropped::Only(dropped) = &schema.dropped {
            for name in names {
                if !known.contains(name) && !dropped.contains(name) {
                    header_problem(name, ProblemKind::UnknownColumn);
                }
            }
        }
        if problems.is_empty() { Ok(Self { columns, target, subject, record }) } else { Err(Error::Rows(problems)) }
    }
}

/// Numbers runs of equal keys from 1.
#[derive(Default)]
struct Run {
    previous: Vec<String>,
    count: u64,
}

impl Run {
    fn number<'a>(&mut self, key: impl Iterator<Item = &'a str> + Clone) -> u64 {
        if self.count == 0 || !key.clone().eq(self.previous.iter().map(String::as_str)) {
            self.previous = key.map(str::to_owned).collect();
            self.count += 1;
        }
        self.count
    }
}

/// Rows read so far and what is wrong with them.
struct Rows<'a> {
    schema: &'a Schema,
    clamp: bool,
    clamped: u64,
    levels: Vec<BTreeMap<&'a str, u32>>,
    classes: BTreeMap<&'a str, u32>,
    features: Vec<Feature>,
    target: Vec<u32>,
    subjects: Vec<SubjectId>,
    records: Vec<String>,
    seen: BTreeSet<String>,
    problems: BTreeMap<(String, ProblemKind), Problem>,
}

impl<'a> Rows<'a> {
    fn new(schema: &'a Schema, clamp: bool) -> Self {
        let index = |levels: &'a [String]| levels.iter().enumerate().map(|(i, l)| (l.as_str(), i as u32)).collect();
        Self {
            schema,
            clamp,
            clamped: 0,
            levels: schema
                .columns
                .iter()
                .map(|c| if let Domain::Levels { levels, .. } = &c.domain { index(levels) } else { BTreeMap::new() })
                .collect(),
            classes: if let Classes::Levels(levels) = &schema.target.classes { index(levels) } else { BTreeMap::new() },
            features: schema
                .columns
                .iter()
                .map(|c| match c.domain {
                    Domain::Range { .. } => Feature::Number(vec![]),
                    Domain::Levels { .. } => Feature::Level(vec![]),
                })
                .collect(),
            target: vec![],
            subjects: vec![],
            records: vec![],
            seen: BTreeSet::new(),
            problems: BTreeMap::new(),
        }
    }

    fn is_missing(&self, text: &str) -> bool {
        text.is_empty() || self.schema.missing.iter().any(|m| m == text)
    }

    fn problem(&mut self, column: &str, kind: ProblemKind, line: u64) {
        let entry = self.problems.entry((column.to_owned(), kind)).or_insert_with(|| Problem {
            column: Some(column.to_owned()),
            kind,
            count: 0,
            lines: vec![],
        });
        entry.count += 1;
        if entry.lines.len() < LINES_SHOWN {
            entry.lines.push(line);
        }
    }

    fn feature(&mut self, index: usize, text: &str, line: u64) {
        let schema = self.schema;
        let Column { name, domain, .. } = &schema.columns[index];
        let missing = self.is_missing(text);
        match domain {
            Domain::Range { min, max, missing: constant } => {
                let value = if missing {
                    constant.ok_or(ProblemKind::Missing)
                } else {
                    number(text).and_then(|v| {
                        if (*min..=*max).contains(&v) {
                            Ok(v)
                        } else if self.clamp {
                            self.clamped += 1;
                            Ok(v.clamp(*min, *max))
                        } else {
                            Err(ProblemKind::OutOfBounds)
                        }
                    })
                };
                let value = value.unwrap_or_else(|kind| {
                    self.problem(name, kind, line);
                    *min
                });
                if let Feature::Number(values) = &mut self.features[index] {
                    values.push(value);
                }
            }
            Domain::Levels { levels, missing: own_level } => {
                let value = match self.levels[index].get(text) {
                    Some(level) => Ok(*level),
                    None if missing && *own_level => Ok(levels.len() as u32),
                    None if missing => Err(ProblemKind::Missing),
                    None => Err(ProblemKind::UnknownLevel),
                };
                let value = value.unwrap_or_else(|kind| {
                    self.problem(name, kind, line);
                    0
                });
                if let Feature::Level(values) = &mut self.features[index] {
                    values.push(value);
                }
            }
        }
    }

    fn target(&mut self, text: &str, line: u64) {
        let schema = self.schema;
        let class = match &schema.target.classes {
            _ if self.is_missing(text) => Err(ProblemKind::Missing),
            Classes::Levels(_) => self.classes.get(text).copied().ok_or(ProblemKind::UnknownLevel),
            Classes::AtLeast(threshold) => number(text).map(|v| u32::from(v >= *threshold)),
        };
        let class = class.unwrap_or_else(|kind| {
            self.problem(&schema.target.column, kind, line);
            0
        });
        self.target.push(class);
    }

    fn identity(&mut self, subject: SubjectId, record: String, line: u64) {
        if let Some(column) = &self.schema.record {
            if self.is_missing(&record) {
                self.problem(column, ProblemKind::Missing, line);
            } else if !self.seen.insert(record.clone()) {
                self.problem(column, ProblemKind::DuplicateRecord, line);
            }
        }
        self.subjects.push(subject);
        self.records.push(record);
    }

    fn finish(self, rows: usize) -> Result<Imported, Error> {
        if !self.problems.is_empty() {
            return Err(Error::Rows(self.problems.into_values().collect()));
        }
        let identified = !self.subjects.is_empty();
        let table = Table {
            schema: self.schema.clone(),
            records: if identified { self.records } else { (1..=rows).map(|i| i.to_string()).collect() },
            subjects: if identified { self.subjects } else { vec![SubjectId([0; 16]); rows] },
            features: self.features,
            target: if identified { self.target } else { vec![0; rows] },
        };
        Ok(Imported { table, clamped: self.clamped })
    }
}

fn number(text: &str) -> Result<f64, ProblemKind> {
    match text.parse::<f64>() {
        Ok(v) if v.is_finite() => Ok(v),
        Ok(_) => Err(ProblemKind::NotFinite),
        Err(_) => Err(ProblemKind::NotANumber),
    }
}
