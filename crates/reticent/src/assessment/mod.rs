//! The impact assessment of a purpose on a data set (GDPR Art 35), rendered from the ledger.
//!
//! Nobody fills it in by hand but where only people can write: those parts carry their author and their event. Every number carries the
//! ledger events it comes from, so that an audit or an erasure brings it up to date by itself. What is declared, recorded, proved and
//! measured never looks the same: see [`Standing`].

mod fria;
mod gather;
mod material;
mod page;
mod screening;
#[cfg(test)]
mod tests;
mod wording;

pub(crate) use gather::{gather, number};
pub(crate) use material::record_facts;
pub(crate) use page::{event_table, moment, render};
pub(crate) use screening::screening;
pub(crate) use wording::{Part, Recommendation};

use material::Change;
use reticent_govern::AssessmentDecision;
use screening::Screening;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Everything the document says. Equal facts give equal bytes, so [`Assessment::sha256`] tells two states apart.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Assessment {
    /// The data set.
    pub(crate) dataset: String,
    /// The purpose.
    pub(crate) purpose: String,
    /// Who decides on it, as declared.
    pub(crate) controller: String,
    /// What is real in the workspace and what is not, as declared.
    pub(crate) statement: Option<String>,
    /// Printed large where the workspace is an experiment.
    pub(crate) stamp: Option<String>,
    /// Where it stands.
    pub(crate) state: State,
    /// Event with which it was opened.
    pub(crate) opened: Option<i64>,
    /// What is done, by whom, on which basis.
    pub(crate) processing: Vec<Fact>,
    /// What is used of whom.
    pub(crate) data: Vec<Fact>,
    /// Whether an assessment is needed.
    pub(crate) screening: Screening,
    /// What people wrote, newest version of each part.
    pub(crate) parts: Vec<Written>,
    /// What is on record about the outcome, by topic.
    pub(crate) evidence: Vec<Topic>,
    /// What was advised, oldest first.
    pub(crate) advice: Vec<Advice>,
    /// The newest decision.
    pub(crate) decision: Option<Decided>,
    /// Parts, advice and decision that are missing.
    pub(crate) to_be_completed: Vec<String>,
    /// What evidence is missing.
    pub(crate) gaps: Vec<String>,
    /// What it does not say.
    pub(crate) not_said: Vec<String>,
    /// The events it cites, by number.
    pub(crate) events: Vec<Cited>,
    /// SHA-256 of all the above as JSON.
    pub(crate) sha256: String,
}

/// Where an assessment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Nobody opened it.
    NotOpened,
    /// Something is to be completed.
    Open,
    /// The controller decided that the processing may go on as assessed.
    Approved,
    /// The controller decided against it.
    Refused,
    /// The authority is to be consulted first (Art 36).
    ConsultAuthority,
    /// What was decided on has changed since.
    Reopened,
}

/// What a statement rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Standing {
    /// Written in `reticent.toml` by people.
    Declared,
    /// On record in the ledger.
    Recorded,
    /// A proved upper bound.
    Proved,
    /// A measured lower bound.
    MeasuredLower,
    /// Measured, an estimate that bounds nothing.
    Measured,
}

/// One line with what it rests on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fact {
    /// What it is about.
    pub(crate) name: String,
    /// The value, in words; counts from 1 to 9 are masked.
    pub(crate) value: String,
    /// What it rests on.
    pub(crate) standing: Standing,
    /// Ledger events that it was read from; none where it is declared.
    pub(crate) events: Vec<i64>,
}

/// A part that a person wrote.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Written {
    /// Its name, as in `assess write NAME`.
    pub(crate) part: String,
    /// Its heading.
    pub(crate) title: String,
    /// The text, as it was written.
    pub(crate) text: String,
    /// Who wrote it.
    pub(crate) author: String,
    /// Ledger event.
    pub(crate) event: i64,
    /// RFC 3339.
    pub(crate) at: String,
}

/// Evidence on one topic.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Topic {
    /// Its heading.
    pub(crate) title: String,
    /// What it is about: a model, a data version.
    pub(crate) about: String,
    /// What may be read from it and what not.
    pub(crate) note: String,
    /// The lines.
    pub(crate) facts: Vec<Fact>,
}

/// What a data-protection officer advised.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Advice {
    /// Who.
    pub(crate) by: String,
    /// What they recommend, where they said so in one word.
    pub(crate) recommendation: Option<Recommendation>,
    /// In their words.
    pub(crate) text: String,
    /// Ledger event.
    pub(crate) event: i64,
    /// RFC 3339.
    pub(crate) at: String,
}

/// What the controller decided.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Decided {
    /// Who.
    pub(crate) by: String,
    /// What.
    pub(crate) decision: AssessmentDecision,
    /// Why.
    pub(crate) reason: String,
    /// Whether the newest advice before it recommended something else.
    pub(crate) overrules: bool,
    /// What has materially changed since.
    pub(crate) changed: Vec<Change>,
    /// Parts written after it, which it does not cover.
    pub(crate) later_parts: Vec<String>,
    /// Ledger event.
    pub(crate) event: i64,
    /// RFC 3339.
    pub(crate) at: String,
}

/// An event that the document cites.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Cited {
    /// Number in the ledger.
    pub(crate) event: i64,
    /// `model-released`.
    pub(crate) kind: String,
    /// RFC 3339.
    pub(crate) at: String,
    /// What the log holds of it, hex.
    pub(crate) commitment: String,
}

impl State {
    /// The state in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::NotOpened => "not opened",
            Self::Open => "open",
            Self::Approved => "decided: the processing may go on as assessed",
            Self::Refused => "decided: the processing may not go on",
            Self::ConsultAuthority => "decided: the authority is consulted first",
            Self::Reopened => "reopened: what was decided on has changed",
        }
    }
}

impl Standing {
    /// What a line rests on, in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Recorded => "recorded",
            Self::Proved => "proved upper bound",
            Self::MeasuredLower => "measured lower bound",
            Self::Measured => "measured, an estimate",
        }
    }
}

impl Assessment {
    /// With the digest of what it says.
    fn sealed(mut self) -> Self {
        self.sha256.clear();
        let bytes = serde_json::to_vec(&self).expect("plain data has JSON");
        self.sha256 = hex::encode(Sha256::digest(bytes));
        self
    }
}
