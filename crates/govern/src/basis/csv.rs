//! Events as rows of a CSV file.

use super::read::{KEYS, Statement, written};
use super::{BasisEvent, Reading};
use crate::Error;

/// Reads `subject,purpose,state,at[,notice,art6,art9,expires,language,age,guardian,receipt]`, columns in any order.
///
/// Values may stand in quotation marks (RFC 4180). Times are RFC 3339 (`2026-05-01T08:00:00Z`) or dates (midnight UTC).
///
/// # Errors
/// [`Error::BasisRows`] with every wrong line: no value of a row is repeated in it.
pub fn read_basis_csv(text: &str, reading: &Reading<'_>) -> Result<Vec<BasisEvent>, Error> {
    let text = text.trim_start_matches('\u{feff}');
    // Lines that end so could not be told by number.
    if text.replace("\r\n", "\n").contains('\r') {
        return Err(Error::BasisRows(vec![(1, "a carriage return stands without a line feed".into())]));
    }
    let mut reader = ::csv::ReaderBuilder::new().trim(::csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers().map_err(|_| unreadable(1))?.iter().map(str::to_owned).collect();
    if names.is_empty() {
        return Err(Error::BasisRows(vec![(1, "the file is empty".into())]));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut wrong: Vec<(u64, String)> = vec![];
    for needed in ["subject", "purpose", "state", "at"] {
        if !names.contains(&needed) {
            wrong.push((1, format!("the column `{needed}` is missing")));
        }
    }
    // A first line that lacks a column may be no header but somebody's row: none of it is repeated then.
    if wrong.is_empty() && names.iter().any(|n| n.chars().any(char::is_control)) {
        wrong.push((1, "a column's name holds a control character".into()));
    }
    if wrong.is_empty() {
        for (index, name) in names.iter().enumerate() {
            if !KEYS.contains(name) {
                wrong.push((1, format!("the column `{name}` is not known")));
            } else if names[..index].contains(name) {
                wrong.push((1, format!("the column `{name}` occurs twice")));
            }
        }
    }
    if !wrong.is_empty() {
        return Err(Error::BasisRows(wrong));
    }
    let mut events = vec![];
    let mut record = ::csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|e| unreadable(line(e.position(), text)))? {
        let number = line(record.position(), text);
        let cells: Vec<&str> = record.iter().collect();
        // A quotation mark that opens and never closes would swallow the lines after it, and a withdrawal among them.
        if cells.iter().any(|c| c.starts_with('"') || c.contains(char::is_control)) {
            wrong.push((number, "holds a quotation mark or a line break that belongs to no value".into()));
            continue;
        }
        if cells.len() != names.len() {
            wrong.push((number, format!("has {} columns where the header has {}", cells.len(), names.len())));
            continue;
        }
        let cell = |name: &str| names.iter().position(|n| *n == name).map(|i| cells[i]).filter(|c| !c.is_empty());
        match Statement::from_cells(cell).event(reading) {
            Ok(event) => events.push(event),
            Err(whys) => wrong.extend(whys.into_iter().map(|why| (number, why))),
        }
    }
    if wrong.is_empty() { Ok(events) } else { Err(Error::BasisRows(wrong)) }
}

fn unreadable(line: u64) -> Error {
    Error::BasisRows(vec![(line, "is not CSV".into())])
}

/// The line on which a record starts; the parser's own count stops before the blank lines ahead of it.
fn line(position: Option<&::csv::Position>, text: &str) -> u64 {
    let Some(position) = position else { return 1 };
    let rest = text.as_bytes().get(position.byte() as usize..).unwrap_or_default();
    position.line() + rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).filter(|b| **b == b'\n').count() as u64
}

/// Writes events as rows that [`read_basis_csv`] reads back; units by their pseudonyms. A cell that a spreadsheet would take for a formula
/// begins with an apostrophe.
#[must_use]
pub fn write_basis_csv<'a>(events: impl IntoIterator<Item = &'a BasisEvent>) -> String {
    let mut text = KEYS.join(",") + "\n";
    for event in events {
        let letter = |l: Option<char>| l.map(String::from).unwrap_or_default();
        let own = |t: &Option<String>| t.clone().unwrap_or_default();
        let cells = [
            event.subject.clone(),
            event.purpose.clone(),
            event.state.name().to_owned(),
            written(event.since),
            own(&event.notice),
            letter(event.art6),
            letter(event.art9),
            event.expires.map(written).unwrap_or_default(),
            own(&event.detail.language),
            event.detail.age.map(|a| a.to_string()).unwrap_or_default(),
            own(&event.detail.guardian),
            own(&event.detail.receipt),
        ];
        let cells: Vec<String> = cells.iter().map(|c| cell(c)).collect();
        text += &(cells.join(",") + "\n");
    }
    text
}

/// A cell of CSV that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
