//! Consent and its kin: events about one unit and one purpose, and the state they add up to.

use crate::{Actor, Error, Event, Ledger};
use reticent_proof::{BasisFacts, BasisState};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use std::collections::BTreeMap;

/// What happened to a unit's basis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BasisKind {
    /// Consent given, or another basis recorded.
    Given,
    /// Consent asked for and refused.
    Refused,
    /// Consent withdrawn.
    Withdrawn,
    /// Processing restricted (Art 18).
    Restricted,
    /// Restriction lifted.
    Unrestricted,
    /// Objection (Art 21).
    Objected,
}

impl BasisKind {
    const ALL: [(Self, &str); 6] = [
        (Self::Given, "given"),
        (Self::Refused, "refused"),
        (Self::Withdrawn, "withdrawn"),
        (Self::Restricted, "restricted"),
        (Self::Unrestricted, "unrestricted"),
        (Self::Objected, "objected"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).expect("all kinds are listed").1
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(kind, _)| *kind)
    }
}

/// One event about one unit's basis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasisEvent {
    /// Data set.
    pub dataset: String,
    /// Keyed pseudonym of the unit.
    pub subject: String,
    /// Purpose.
    pub purpose: String,
    /// What happened.
    pub state: BasisKind,
    /// When it took effect, seconds since 1970.
    pub since: i64,
    /// Letter of Art 6(1); required where the state is `given`.
    pub art6: Option<char>,
    /// Letter of Art 9(2).
    pub art9: Option<char>,
    /// Version of the notice; required where the state is `given`.
    pub notice: Option<String>,
    /// When it ends, seconds since 1970.
    pub expires: Option<i64>,
}

/// What an import of basis events wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Events written.
    pub written: u64,
    /// Events that were on record already.
    pub known: u64,
}

/// Reads `subject,purpose,state,at[,notice,art6,art9,expires]`; `pseudonym` replaces the subject's own id.
///
/// Values may stand in quotation marks (RFC 4180). Times are RFC 3339 (`2026-05-01T08:00:00Z`) or dates (midnight UTC).
///
/// # Errors
/// [`Error::BasisRows`] with every wrong line: no value of a row is repeated in it.
pub fn read_basis_csv(text: &str, dataset: &str, purposes: &[&str], pseudonym: impl Fn(&str) -> String) -> Result<Vec<BasisEvent>, Error> {
    let text = text.trim_start_matches('\u{feff}');
    // Lines that end so could not be told by number.
    if text.replace("\r\n", "\n").contains('\r') {
        return Err(Error::BasisRows(vec![(1, "a carriage return stands without a line feed".into())]));
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
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
            if !["subject", "purpose", "state", "at", "notice", "art6", "art9", "expires"].contains(name) {
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
    let mut record = csv::StringRecord::new();
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
        match row(dataset, purposes, &pseudonym, cell) {
            Ok(event) => events.push(event),
            Err(whys) => wrong.extend(whys.into_iter().map(|why| (number, why.to_owned()))),
        }
    }
    if wrong.is_empty() { Ok(events) } else { Err(Error::BasisRows(wrong)) }
}

fn unreadable(line: u64) -> Error {
    Error::BasisRows(vec![(line, "is not CSV".into())])
}

/// The line on which a record starts; the parser's own count stops before the blank lines ahead of it.
fn line(position: Option<&csv::Position>, text: &str) -> u64 {
    let Some(position) = position else { return 1 };
    let rest = text.as_bytes().get(position.byte() as usize..).unwrap_or_default();
    position.line() + rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).filter(|b| **b == b'\n').count() as u64
}

fn row<'a>(
    dataset: &str,
    purposes: &[&str],
    pseudonym: impl Fn(&str) -> String,
    cell: impl Fn(&str) -> Option<&'a str>,
) -> Result<BasisEvent, Vec<&'static str>> {
    let mut wrong = vec![];
    let letter = |text: Option<&str>, last: char| match text {
        None => Ok(None),
        Some(t) => match t.chars().collect::<Vec<_>>()[..] {
            [c] if ('a'..=last).contains(&c) => Ok(Some(c)),
            _ => Err(()),
        },
    };
    let state = cell("state").and_then(BasisKind::from_name);
    if state.is_none() {
        wrong.push("`state` is none of given, refused, withdrawn, restricted, unrestricted, objected");
    }
    let purpose = cell("purpose").filter(|p| purposes.contains(p));
    if purpose.is_none() {
        wrong.push("`purpose` is none of the purposes in reticent.toml");
    }
    let since = cell("at").and_then(seconds);
    if since.is_none() {
        wrong.push("`at` is no date and no RFC 3339 time");
    }
    let expires = cell("expires").map(seconds);
    if expires == Some(None) {
        wrong.push("`expires` is no date and no RFC 3339 time");
    }
    let (art6, art9) = (letter(cell("art6"), 'f'), letter(cell("art9"), 'j'));
    if art6.is_err() {
        wrong.push("`art6` is no letter from a to f");
    }
    if art9.is_err() {
        wrong.push("`art9` is no letter from a to j");
    }
    if state == Some(BasisKind::Given) && (cell("notice").is_none() || art6 == Ok(None)) {
        wrong.push("a `given` basis needs `notice` and `art6`");
    }
    let subject = cell("subject");
    if subject.is_none() {
        wrong.push("`subject` is empty");
    }
    let (Some(state), Some(purpose), Some(since), Some(subject), Ok(art6), Ok(art9), true) =
        (state, purpose, since, subject, art6, art9, wrong.is_empty())
    else {
        return Err(wrong);
    };
    let notice = cell("notice").map(str::to_owned);
    let (dataset, purpose) = (dataset.to_owned(), purpose.to_owned());
    Ok(BasisEvent { dataset, subject: pseudonym(subject), purpose, state, since, art6, art9, notice, expires: expires.flatten() })
}

fn seconds(text: &str) -> Option<i64> {
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(timestamp.as_second());
    }
    // A time without an offset would parse as its date alone.
    let date: jiff::civil::Date = if text.len() == "2026-05-01".len() { text.parse().ok()? } else { return None };
    date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| z.timestamp().as_second())
}

/// A row of the table of bases.
pub(crate) struct BasisRow {
    pub(crate) seq: i64,
    pub(crate) event: BasisEvent,
}

/// What makes two basis events the same.
pub(crate) type BasisKey<'a> = (&'a str, &'a str, &'a str, &'static str, i64);

impl BasisRow {
    pub(crate) fn key(&self) -> BasisKey<'_> {
        self.event.key()
    }
}

impl BasisEvent {
    pub(crate) fn key(&self) -> BasisKey<'_> {
        (&self.dataset, &self.subject, &self.purpose, self.state.name(), self.since)
    }
}

fn strictness(state: BasisState) -> u8 {
    match state {
        BasisState::Given => 0,
        BasisState::Refused => 1,
        BasisState::Withdrawn => 2,
    }
}

/// State of one unit for one purpose, after all its events.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) basis: Option<BasisFacts>,
    pub(crate) restricted: bool,
    pub(crate) objected: bool,
}

impl Ledger {
    /// Writes basis events, each once: an event that is on record already is counted and left alone.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn import_basis(&mut self, actor: &Actor, dataset: &str, file: &str, events: &[BasisEvent]) -> Result<Imported, Error> {
        self.write(|ledger| {
            let mut new = vec![];
            let mut seen = std::collections::BTreeSet::new();
            for event in events {
                let key = (&event.subject, &event.purpose, event.state.name(), event.since);
                let found = ledger.rows(
                    sqlx::query("SELECT 1 FROM basis WHERE dataset = ? AND subject = ? AND purpose = ? AND state = ? AND since = ?")
                        .bind(dataset.to_owned())
                        .bind(event.subject.clone())
                        .bind(event.purpose.clone())
                        .bind(event.state.name())
                        .bind(event.since),
                )?;
                if found.is_empty() && seen.insert(key) {
                    new.push(event);
                }
            }
            let imported = Imported { written: new.len() as u64, known: (events.len() - new.len()) as u64 };
            ledger
                .append_within(actor, &Event::BasisFileImported { dataset: dataset.into(), file: file.into(), events: imported.written })?;
            for event in new {
                ledger.append_within(actor, &Event::Basis(event.clone()))?;
            }
            Ok(imported)
        })
    }

    /// The row of the table of bases that an event gives; where one says the same of the same moment already, it stands.
    pub(crate) fn add_to_basis(&mut self, seq: i64, event: &BasisEvent) -> Result<(), Error> {
        let insert = sqlx::query("INSERT OR IGNORE INTO basis VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(seq)
            .bind(event.dataset.clone())
            .bind(event.subject.clone())
            .bind(event.purpose.clone())
            .bind(event.state.name())
            .bind(event.since)
            .bind(event.art6.map(String::from))
            .bind(event.art9.map(String::from))
            .bind(event.notice.clone())
            .bind(event.expires);
        self.execute(insert).map(drop)
    }

    /// The table of bases as it stands. A row that cannot be read back is given as one that fits no event.
    pub(crate) fn basis_rows(&mut self) -> Result<Vec<BasisRow>, Error> {
        let rows = self.rows(sqlx::query("SELECT * FROM basis ORDER BY seq"))?;
        rows.iter()
            .map(|row| {
                let letter = |text: Option<String>| text.and_then(|t| t.chars().next());
                let event = BasisEvent {
                    dataset: row.try_get("dataset")?,
                    subject: row.try_get("subject")?,
                    purpose: row.try_get("purpose")?,
                    state: BasisKind::from_name(row.try_get("state")?)
                        .ok_or_else(|| Error::Damaged { seq: 0, why: "a basis event has an unknown state".into() })?,
                    since: row.try_get("since")?,
                    art6: letter(row.try_get("art6")?),
                    art9: letter(row.try_get("art9")?),
                    notice: row.try_get("notice")?,
                    expires: row.try_get("expires")?,
                };
                Ok(BasisRow { seq: row.try_get("seq")?, event })
            })
            .collect()
    }

    /// The state of every unit of a data set for a purpose at `now`. Events that take effect later do not count, except that a basis
    /// dated in the future is reported as such where there is no earlier one. At equal times a withdrawal wins over a refusal, and that over a basis.
    pub(crate) fn states(&mut self, dataset: &str, purpose: &str, now: i64) -> Result<BTreeMap<String, State>, Error> {
        let rows = self.rows(
            sqlx::query("SELECT subject, state, since, art6, art9, notice, expires FROM basis WHERE dataset = ? AND purpose = ? ORDER BY since, seq")
                .bind(dataset.to_owned())
                .bind(purpose.to_owned()),
        )?;
        let mut states: BTreeMap<String, State> = BTreeMap::new();
        for row in rows {
            let state = states.entry(row.try_get(0)?).or_default();
            let kind = BasisKind::from_name(row.try_get(1)?)
                .ok_or_else(|| Error::Damaged { seq: 0, why: "a basis event has an unknown state".into() })?;
            let since: i64 = row.try_get(2)?;
            if since > now && (kind != BasisKind::Given || state.basis.is_some()) {
                continue;
            }
            let letter = |text: Option<String>| text.and_then(|t| t.chars().next());
            let current = match kind {
                BasisKind::Restricted | BasisKind::Unrestricted => {
                    state.restricted = kind == BasisKind::Restricted;
                    continue;
                }
                BasisKind::Objected => {
                    state.objected = true;
                    continue;
                }
                BasisKind::Given => BasisState::Given,
                BasisKind::Refused => BasisState::Refused,
                BasisKind::Withdrawn => BasisState::Withdrawn,
            };
            let stricter = state.basis.as_ref().is_some_and(|b| b.since == since && strictness(b.state) > strictness(current));
            if !stricter {
                state.basis = Some(BasisFacts {
                    state: current,
                    art6: letter(row.try_get(3)?).unwrap_or('a'),
                    art9: letter(row.try_get(4)?),
                    notice: row.try_get::<Option<String>, _>(5)?.unwrap_or_default(),
                    since,
                    expires: row.try_get(6)?,
                });
            }
        }
        Ok(states)
    }
}
