//! Reading events while remembering which ones were cited.

use super::{Document, Section};
use crate::assessment::Cited;
use crate::assessment::{Fact, Standing};
use crate::config::Mode;
use crate::failure::Failure;
use crate::workspace::Workspace;
use reticent_govern::{Entry, RegisterEvent, StoredEvent};
use std::collections::BTreeMap;

/// The ledger as a document reads it.
pub(crate) struct Reader<'w> {
    pub(crate) workspace: &'w mut Workspace,
    cited: BTreeMap<i64, Cited>,
}

impl<'w> Reader<'w> {
    pub(crate) fn new(workspace: &'w mut Workspace) -> Self {
        Self { workspace, cited: BTreeMap::new() }
    }

    /// Events of a kind, none of them cited yet.
    pub(crate) fn events(&mut self, kind: &str) -> Result<Vec<StoredEvent>, Failure> {
        Ok(self.workspace.ledger.events(kind)?)
    }

    /// Cites an event and gives its number.
    pub(crate) fn cite(&mut self, stored: &StoredEvent) -> i64 {
        let (kind, at, commitment) = (stored.event.kind().into(), stored.at.clone(), stored.commitment.clone());
        self.cited.insert(stored.seq, Cited { event: stored.seq, kind, at, commitment });
        stored.seq
    }

    /// What stands in a register now, each with its event, cited.
    pub(crate) fn register(&mut self, register: &str) -> Result<Vec<(String, Entry, i64)>, Failure> {
        let now = self.workspace.ledger.now()?;
        let standing = self.workspace.ledger.register(register, now, None)?;
        let stored = self.events("registered")?;
        let mut all = vec![];
        for (name, event) in standing {
            let is_it = |s: &&StoredEvent| matches!(&s.event, reticent_govern::Event::Registered(e) if *e == event);
            let seq = stored.iter().rev().find(is_it).map_or(0, |s| self.cite(s));
            let RegisterEvent { entry, .. } = event;
            all.push((name, entry, seq));
        }
        Ok(all)
    }

    /// The document over what was read.
    pub(crate) fn document(self, kind: &str, title: String, lead: String, sections: Vec<Section>) -> Document {
        let config = &self.workspace.config;
        Document {
            kind: kind.into(),
            title,
            controller: config.controller.name.clone().unwrap_or_else(|| "controller not declared".into()),
            statement: config.statement.clone(),
            stamp: (config.mode == Mode::Experiment).then(|| "experiment: no bound is enforced by a gate".to_owned()),
            lead,
            sections,
            events: self.cited.into_values().collect(),
            sha256: String::new(),
        }
        .sealed()
    }
}

pub(crate) fn declared(name: impl Into<String>, value: impl Into<String>) -> Fact {
    Fact { name: name.into(), value: value.into(), standing: Standing::Declared, events: vec![] }
}

pub(crate) fn recorded(name: impl Into<String>, value: impl Into<String>, events: Vec<i64>) -> Fact {
    Fact { name: name.into(), value: value.into(), standing: Standing::Recorded, events }
}

pub(crate) fn proved(name: impl Into<String>, value: impl Into<String>, events: Vec<i64>) -> Fact {
    Fact { name: name.into(), value: value.into(), standing: Standing::Proved, events }
}

/// `2026-03-14`.
pub(crate) fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "no date".into(), |t| t.to_zoned(jiff::tz::TimeZone::UTC).date().to_string())
}

/// `2026-03-14 09:26 UTC`.
pub(crate) fn minute(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "no date".into(), |t| t.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// `P3Y` as `3 years`; what is no such period stays as it is.
pub(crate) fn period(text: &str) -> String {
    let Some(rest) = text.strip_prefix('P').filter(|r| !r.is_empty()) else { return text.to_owned() };
    let (mut parts, mut number) = (vec![], String::new());
    for c in rest.chars() {
        let unit = match c {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            'Y' => "year",
            'M' => "month",
            'W' => "week",
            'D' => "day",
            _ => return text.to_owned(),
        };
        if number.is_empty() {
            return text.to_owned();
        }
        let plural = if number == "1" { "" } else { "s" };
        parts.push(format!("{} {unit}{plural}", std::mem::take(&mut number)));
    }
    if number.is_empty() { parts.join(", ") } else { text.to_owned() }
}

/// A ground of Art 6(1) with its letter in words.
pub(crate) fn art6_in_words(letter: char) -> String {
    let words = match letter {
        'a' => "consent",
        'b' => "a contract",
        'c' => "a legal obligation",
        'd' => "vital interests",
        'e' => "a public task",
        'f' => "a legitimate interest",
        _ => "no known ground",
    };
    format!("{words}, Art 6(1)({letter})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_said_in_words() {
        for (text, words) in [
            ("P3Y", "3 years"),
            ("P1Y6M", "1 year, 6 months"),
            ("P2W", "2 weeks"),
            ("P", "P"),
            ("P3", "P3"),
            ("PT3H", "PT3H"),
            ("PY", "PY"),
        ] {
            assert_eq!(period(text), words);
        }
    }
}
