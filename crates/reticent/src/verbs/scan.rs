//! `scan FILE`: where a file holds personal data, by kind and place, never by value; and a redacted copy.

use crate::cli::Common;
use crate::disk;
use crate::evidence;
use crate::failure::Failure;
use crate::output::{Answer, Progress, thousands};
use crate::pieces::{Pieces, cells};
use crate::workspace::Workspace;
use clap::Args;
use reticent_minimise::{Found, Kind, Options, Scanner, Style, redact};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Places that are listed; beyond that they are counted.
const LISTED: usize = 1000;
const SHOWN: usize = 12;
/// What no scan can say.
const NOT_SHOWN: [&str; 3] = [
    "that what was not found is absent: four in ten names of English test texts are missed, and so are other kinds and values split over lines",
    "who somebody is: a date, a place or a rare job may tell without any of these kinds",
    "that a redacted copy may be given away: what was found is replaced, everything else stays",
];

#[derive(Args)]
#[command(
    after_help = "Reads text, CSV (.csv, .tsv, or with --column) or one JSON object a line, in constant memory; needs no workspace.\nPrints counts and places (line, column, bytes from the start of the file), never a value. Bytes that are not UTF-8 are opaque: copied as\nthey are, looked into by nobody, and their lines counted. With a workspace, the counts are kept as evidence.\nExit code 0 whether or not something is found; with --fail-on-found 3."
)]
pub(crate) struct Scan {
    /// The file
    file: PathBuf,
    /// Only this column of a CSV file; may be given several times
    #[arg(long = "column", value_name = "NAME")]
    columns: Vec<String>,
    /// Only this kind: iban, card, email, ssn, ip, phone or name; may be given several times
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    kinds: Vec<Kind>,
    /// Write a copy with each finding replaced by its kind; an existing file is never written over
    #[arg(long, value_name = "OUT")]
    redact: Option<PathBuf>,
    /// Keep the last four digits of cards in the copy
    #[arg(long, requires = "redact")]
    keep_last_four: bool,
    /// The first line of the CSV file is a row: columns go by number
    #[arg(long)]
    no_header: bool,
    /// Read the file as text, whatever its name says
    #[arg(long, conflicts_with_all = ["columns", "no_header"])]
    text: bool,
    /// Exit with 3 where anything is found
    #[arg(long)]
    fail_on_found: bool,
}

fn kind(text: &str) -> Result<Kind, String> {
    serde_json::from_value(text.into()).map_err(|_| "the kinds are iban, card, email, ssn, ip, phone, name".into())
}

impl Scan {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let kinds: BTreeSet<Kind> = if self.kinds.is_empty() { Kind::ALL.into() } else { self.kinds.iter().copied().collect() };
        let scanner = Scanner::new(Options { kinds, ..Options::default() }).map_err(|e| Failure::failed(e.to_string()))?;
        let file = File::open(&self.file).map_err(|e| disk::io("read", &self.file, &e))?;
        let size = file.metadata().map_err(|e| disk::io("read", &self.file, &e))?.len();
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let head = reader.fill_buf().map_err(|e| disk::io("read", &self.file, &e))?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            return Err(Failure::usage(format!("{} is UTF-16 text", self.file.display())).hint("convert it to UTF-8 first"));
        }
        let copy = self.redact.as_deref().map(Copy::create).transpose()?;
        let extension = self.file.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let table = !self.text && (!self.columns.is_empty() || self.no_header || extension == "csv" || extension == "tsv");
        let style = Style { keep_last_four: self.keep_last_four };
        let mut walk = Walk { scanner, style, copy, tally: Tally::default(), line: 1, offset: 0, whole: true };
        let mut progress = Progress::new("scan", size);
        let pieces = Pieces::new(reader, &self.file);
        let walked = if table { self.table(pieces, &mut walk, &mut progress) } else { self.lines(pieces, &mut walk, &mut progress) };
        drop(progress);
        let Walk { copy, tally, line, offset, whole, .. } = walk;
        let lines = line - u64::from(whole);
        let redacted = match (walked, copy) {
            (Ok(()), Some(copy)) => Some(copy.finish()?),
            (Ok(()), None) => None,
            (Err(failure), copy) => {
                if let Some(copy) = copy {
                    copy.discard();
                }
                return Err(failure);
            }
        };
        self.answer(common, &tally, lines, offset, redacted)
    }

    /// Text, line by line.
    fn lines(&self, mut pieces: Pieces<'_, impl BufRead>, walk: &mut Walk, progress: &mut Progress) -> Result<(), Failure> {
        let mut piece = vec![];
        while pieces.line(&mut piece)? {
            walk.part(&piece, 0..piece.len(), "")?;
            walk.advance(&piece);
            progress.at(walk.offset);
        }
        Ok(())
    }

    /// A table, record by record, cell by cell.
    fn table(&self, mut pieces: Pieces<'_, impl BufRead>, walk: &mut Walk, progress: &mut Progress) -> Result<(), Failure> {
        let mut record = vec![];
        let mut delimiter = None;
        let mut names = vec![];
        let mut looked: BTreeSet<usize> = BTreeSet::new();
        while pieces.record(&mut record, &mut delimiter, walk.line)? {
            let cells = cells(&record, delimiter.unwrap_or(b','));
            if walk.offset == 0 {
                names = self.names(&record, &cells, &walk.scanner);
                for wanted in &self.columns {
                    let found = names.iter().position(|n| n == wanted);
                    looked.insert(found.ok_or_else(|| {
                        Failure::usage(format!("no column is called `{wanted}`")).hint(format!("the columns are: {}", names.join(", ")))
                    })?);
                }
            }
            let mut copied = 0;
            for (index, cell) in cells.into_iter().enumerate() {
                if !self.columns.is_empty() && !looked.contains(&index) {
                    continue;
                }
                walk.verbatim(&record[copied..cell.start])?;
                copied = cell.end;
                let unnamed = format!("column {}", index + 1);
                walk.tally.formulas += u64::from(starts_formula(&record[cell.clone()]));
                walk.part(&record, cell, names.get(index).unwrap_or(&unnamed))?;
            }
            walk.verbatim(&record[copied..])?;
            walk.advance(&record);
            progress.at(walk.offset);
        }
        Ok(())
    }

    /// Names of the columns. A first line that holds values must not be shown: then columns go by number.
    fn names(&self, record: &[u8], cells: &[std::ops::Range<usize>], scanner: &Scanner) -> Vec<String> {
        let texts: Vec<String> = cells
            .iter()
            .map(|c| String::from_utf8_lossy(&record[c.clone()]).trim_start_matches('\u{feff}').trim().trim_matches('"').to_owned())
            .collect();
        let value = |t: &String| t.is_empty() || t.len() > 64 || t.parse::<f64>().is_ok() || !scanner.scan(t).is_empty();
        if self.no_header || texts.iter().any(value) {
            return (1..=cells.len()).map(|n| format!("column {n}")).collect();
        }
        texts
    }

    fn answer(&self, common: &Common, tally: &Tally, lines: u64, bytes: u64, redacted: Option<PathBuf>) -> Result<Answer, Failure> {
        let file = self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let total: u64 = tally.counts.values().sum();
        let counted = json!({ "file": file, "lines": lines, "bytes": bytes, "counts": tally.counts, "columns": tally.columns,
            "copied": redacted.is_some(), "opaque_lines": tally.opaque, "formula_cells": tally.formulas, "not_shown": NOT_SHOWN });
        let event = if common.dir.join(".reticent").exists() {
            let mut workspace = Workspace::write(&common.dir)?;
            let mut numbers: BTreeMap<String, f64> = tally.counts.iter().map(|(k, n)| (word(*k), *n as f64)).collect();
            numbers.insert("lines".into(), lines as f64);
            let event = evidence::record(&mut workspace, "scan", &file, &counted, numbers)?;
            workspace.publish()?;
            Some(event)
        } else {
            None
        };
        let mut facts = counted;
        facts["places"] = json!(tally.places);
        facts["places_left_out"] = (total - tally.places.len() as u64).into();
        facts["redacted"] = json!(redacted);
        facts["event"] = json!(event);
        let text = self.words(tally, &file, lines, redacted.as_deref());
        if self.fail_on_found && total > 0 {
            let found: Vec<String> = tally.counts.iter().map(|(k, n)| format!("{} {}", thousands(*n), k.plural())).collect();
            return Err(Failure::refused(format!("{file} holds {}", found.join(", ")))
                .hint(format!(
                    "{}\n      without --fail-on-found the places are listed; --redact OUT writes a copy without them",
                    first_place(tally)
                ))
                .facts(facts));
        }
        Ok(Answer::new(text, facts))
    }

    fn words(&self, tally: &Tally, file: &str, lines: u64, redacted: Option<&Path>) -> String {
        let mut text = if tally.counts.is_empty() {
            format!("{file}: nothing found in {} lines\n", thousands(lines))
        } else {
            format!("{file}: found in {} lines\n", thousands(lines))
        };
        for (kind, count) in &tally.counts {
            let columns: Vec<String> = tally
                .columns
                .iter()
                .filter_map(|(name, counts)| counts.get(kind).map(|n| format!("{name} {}", thousands(*n))))
                .take(6)
                .collect();
            let columns = if columns.is_empty() { String::new() } else { format!("   in {}", columns.join(", ")) };
            text += &format!("  {:28} {:>9}{columns}\n", kind.plural(), thousands(*count));
        }
        for place in tally.places.iter().take(SHOWN) {
            text += &format!("  {place}\n");
        }
        let more = tally.counts.values().sum::<u64>().saturating_sub(SHOWN as u64);
        if more > 0 {
            text += &format!("  and {} more; --json lists up to {LISTED}\n", thousands(more));
        }
        if tally.opaque > 0 {
            text += &format!("  {} lines hold bytes that are not UTF-8: those bytes were not looked into\n", thousands(tally.opaque));
        }
        if tally.formulas > 0 {
            text +=
                &format!("  {} cells begin like a formula: a spreadsheet would run them; copied as they are\n", thousands(tally.formulas));
        }
        if let Some(path) = redacted {
            text += &format!("redacted copy: {}\n", path.display());
        }
        text += "not shown:\n";
        for line in NOT_SHOWN {
            text += &format!("  {line}\n");
        }
        text
    }
}

fn word(kind: Kind) -> String {
    json!(kind).as_str().unwrap_or_default().to_owned()
}

fn first_place(tally: &Tally) -> String {
    tally.places.first().map(|p| format!("the first: {p}")).unwrap_or_default()
}

/// What was found, without values.
#[derive(Default)]
struct Tally {
    counts: BTreeMap<Kind, u64>,
    columns: BTreeMap<String, BTreeMap<Kind, u64>>,
    places: Vec<Place>,
    /// Lines with bytes that are not UTF-8.
    opaque: u64,
    /// Cells that a spreadsheet takes for a formula.
    formulas: u64,
}

#[derive(Serialize)]
struct Place {
    kind: Kind,
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<String>,
    /// Bytes from the start of the file.
    start: u64,
    end: u64,
    score: f64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let column = self.column.as_ref().map(|c| format!(", {c}")).unwrap_or_default();
        write!(f, "line {}{column}, bytes {} to {}: {} ({:.2})", self.line, self.start, self.end, word(self.kind), self.score)
    }
}

/// A file under way.
struct Walk {
    scanner: Scanner,
    style: Style,
    copy: Option<Copy>,
    tally: Tally,
    /// Line and byte at which the present piece begins.
    line: u64,
    offset: u64,
    /// Whether the last piece ended a line.
    whole: bool,
}

impl Walk {
    /// Looks into a part of the present piece and copies it, redacted. What is not UTF-8 is copied as it is.
    fn part(&mut self, piece: &[u8], part: std::ops::Range<usize>, column: &str) -> Result<(), Failure> {
        let mut at = part.start;
        let mut opaque = false;
        // The name of a column is context for its cells, where it is no value itself.
        let mut before = if column.is_empty() { String::new() } else { format!("{} | ", column.replace('_', " ")) };
        if part.len() > 4096 || !self.scanner.scan(&before).is_empty() {
            before.clear();
        }
        for chunk in piece[part].utf8_chunks() {
            let text = chunk.valid();
            if !text.is_empty() {
                let mut whole = format!("{before}{text}");
                let mut found = self.look(&whole, before.len());
                for f in &found {
                    self.count(piece, *f, at, before.len(), column);
                }
                // A placeholder separates what stood together: on until nothing is found.
                while self.copy.is_some() && !found.is_empty() {
                    whole = redact(&whole, &found, self.style).map_err(|e| Failure::failed(e.to_string()))?;
                    found = self.look(&whole, before.len());
                }
                self.verbatim(&whole.as_bytes()[before.len()..])?;
            }
            at += text.len() + chunk.invalid().len();
            opaque |= !chunk.invalid().is_empty();
            self.verbatim(chunk.invalid())?;
        }
        self.tally.opaque += u64::from(opaque);
        Ok(())
    }

    /// What lies behind the column's name.
    fn look(&self, text: &str, from: usize) -> Vec<Found> {
        let mut found = self.scanner.scan(text);
        found.retain(|f| f.start >= from);
        found
    }

    fn count(&mut self, piece: &[u8], found: Found, at: usize, before: usize, column: &str) {
        *self.tally.counts.entry(found.kind).or_default() += 1;
        if !column.is_empty() {
            *self.tally.columns.entry(column.to_owned()).or_default().entry(found.kind).or_default() += 1;
        }
        if self.tally.places.len() < LISTED {
            let (start, end) = (at + found.start - before, at + found.end - before);
            self.tally.places.push(Place {
                kind: found.kind,
                line: self.line + newlines(&piece[..start]),
                column: (!column.is_empty()).then(|| column.to_owned()),
                start: self.offset + start as u64,
                end: self.offset + end as u64,
                score: found.score,
            });
        }
    }

    fn verbatim(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.copy.as_mut().map_or(Ok(()), |copy| copy.write(bytes))
    }

    fn advance(&mut self, piece: &[u8]) {
        self.line += newlines(piece);
        self.whole = piece.ends_with(b"\n");
        self.offset += piece.len() as u64;
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|b| **b == b'\n').count() as u64
}

/// A file of the user's that did not exist.
struct Copy {
    path: PathBuf,
    out: BufWriter<File>,
}

impl Copy {
    fn create(path: &Path) -> Result<Self, Failure> {
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::usage(format!("{} exists and is not written over", path.display()))
                .hint("name another file, or remove it yourself"),
            _ => disk::io("write", path, &e),
        })?;
        Ok(Self { path: path.into(), out: BufWriter::new(file) })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(|e| disk::io("write", &self.path, &e))
    }

    fn finish(mut self) -> Result<PathBuf, Failure> {
        let flushed = self.out.flush().and_then(|()| self.out.get_ref().sync_all());
        match flushed {
            Ok(()) => Ok(self.path),
            Err(e) => {
                let failure = disk::io("write", &self.path, &e);
                self.discard();
                Err(failure)
            }
        }
    }

    /// Half a copy would look like a whole one.
    fn discard(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether a spreadsheet takes the cell for a formula: `=`, `@`, a tab, or a sign before what is no number.
fn starts_formula(cell: &[u8]) -> bool {
    let cell = cell.strip_prefix(b"\"").unwrap_or(cell);
    match cell {
        [b'=' | b'@' | b'\t', _, ..] => true,
        [b'+' | b'-', next, ..] => !(next.is_ascii_digit() || matches!(next, b'.' | b'(' | b' ')),
        _ => false,
    }
}
