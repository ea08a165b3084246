//! Requests of people: what was asked, how far it is, by when it must be answered. No name stands here: who it is lies in a file of its own,
//! and the event holds a commitment under a salt of that file.

mod case;

pub use case::{Case, Deadline, Notice as RecipientNotice, State, telling};

use crate::law::Regime;
use crate::{Actor, Error, Event, Ledger};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a person may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// A copy of everything, and what is done with it (GDPR Art 15).
    Access,
    /// What they provided, in a form that machines read (Art 20).
    Portability,
    /// What is wrong put right (Art 16).
    Rectification,
    /// Held and not used (Art 18).
    Restriction,
    /// No more use on the ground of public or legitimate interest (Art 21).
    Objection,
    /// Taken out (Art 17).
    Erasure,
    /// A decision looked at again by a person (Art 22(3)).
    Contest,
    /// What is held (Cal. Civ. 1798.110).
    Know,
    /// Deleted (Cal. Civ. 1798.105).
    Delete,
    /// Put right (Cal. Civ. 1798.106).
    Correct,
    /// Not sold or shared (Cal. Civ. 1798.120).
    OptOut,
    /// Sensitive columns used only where necessary (Cal. Civ. 1798.121).
    Limit,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Access,
        Self::Portability,
        Self::Rectification,
        Self::Restriction,
        Self::Objection,
        Self::Erasure,
        Self::Contest,
        Self::Know,
        Self::Delete,
        Self::Correct,
        Self::OptOut,
        Self::Limit,
    ];

    /// Its name, `opt-out`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Portability => "portability",
            Self::Rectification => "rectification",
            Self::Restriction => "restriction",
            Self::Objection => "objection",
            Self::Erasure => "erasure",
            Self::Contest => "contest",
            Self::Know => "know",
            Self::Delete => "delete",
            Self::Correct => "correct",
            Self::OptOut => "opt-out",
            Self::Limit => "limit",
        }
    }

    /// Where it is written.
    #[must_use]
    pub fn article(self) -> &'static str {
        match self {
            Self::Access => "GDPR Art 15",
            Self::Portability => "GDPR Art 20",
            Self::Rectification => "GDPR Art 16",
            Self::Restriction => "GDPR Art 18",
            Self::Objection => "GDPR Art 21",
            Self::Erasure => "GDPR Art 17",
            Self::Contest => "GDPR Art 22(3)",
            Self::Know => "Cal. Civ. 1798.110",
            Self::Delete => "Cal. Civ. 1798.105",
            Self::Correct => "Cal. Civ. 1798.106",
            Self::OptOut => "Cal. Civ. 1798.120",
            Self::Limit => "Cal. Civ. 1798.121",
        }
    }

    /// The law it belongs to.
    #[must_use]
    pub fn regime(self) -> Regime {
        match self {
            Self::Know | Self::Delete | Self::Correct | Self::OptOut | Self::Limit => Regime::Ccpa,
            _ => Regime::Gdpr,
        }
    }

    /// Whether somebody must show who they are first: not to opt out or to limit (11 CCR 7060(b)).
    #[must_use]
    pub fn needs_identity(self) -> bool {
        !matches!(self, Self::OptOut | Self::Limit)
    }

    /// Whether recipients must be told of what was done (Art 19; Cal. Civ. 1798.105(c)(1)).
    #[must_use]
    pub fn tells_recipients(self) -> bool {
        matches!(self, Self::Rectification | Self::Restriction | Self::Erasure | Self::Delete | Self::Correct | Self::OptOut)
    }
}

/// Why a request is refused, as in the Data Rights Protocol 1.0; its words are for the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// Somebody else may be asking.
    SuspectedFraud,
    /// Who asks could not be verified.
    InsufVerification,
    /// Nothing is held about them.
    NoMatch,
    /// The right does not reach what was asked.
    ClaimNotCovered,
    /// Another law applies.
    OutsideJurisdiction,
    /// Manifestly excessive (Art 12(5)).
    TooManyRequests,
    /// Another reason, in words.
    Other,
}

/// How a contest of a decision ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Review {
    /// The decision stands.
    Upheld,
    /// Another decision takes its place.
    Changed,
    /// It is withdrawn.
    Withdrawn,
}

/// One step of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestEvent {
    /// Number of the request, from 1.
    pub request: u64,
    /// The day it is about.
    pub on: Date,
    /// What happened.
    pub step: RequestStep,
}

/// What happened to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum RequestStep {
    /// It was received.
    Opened {
        /// What is asked.
        right: Right,
        /// Whose holidays count, `DE`.
        state: String,
        /// Data sets it reaches.
        datasets: Vec<String>,
        /// HMAC of who it is under a salt that lies with the request's file.
        subject_commitment: String,
        /// The decision that is contested: a model, an event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<String>,
    },
    /// They were asked to show who they are.
    IdentityAsked,
    /// They did.
    IdentityConfirmed {
        /// How, in a word.
        method: String,
    },
    /// They were told that it takes longer.
    Extended {
        /// Why.
        reason: String,
    },
    /// Something was carried out, and something may be left.
    Done {
        /// What.
        what: Vec<String>,
        /// What is left to do: the request is not fulfilled before it is empty.
        left: Vec<String>,
    },
    /// A recipient was told.
    RecipientTold {
        /// Who.
        recipient: String,
        /// Why that did not work, or would be out of proportion.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<String>,
        /// Whether it is left at that (Art 19: impossible, or a disproportionate effort).
        #[serde(default)]
        given_up: bool,
    },
    /// A person looked at a decision again.
    Reviewed {
        /// Who; nobody who made the model.
        by: String,
        /// How it ended.
        outcome: Review,
        /// Why.
        reason: String,
    },
    /// It was refused.
    Refused {
        /// Why.
        why: Refused,
        /// In words.
        text: String,
    },
    /// Nobody showed who they are in time.
    Expired,
}

impl Ledger {
    /// All requests, by number.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn requests(&mut self) -> Result<BTreeMap<u64, Case>, Error> {
        let mut cases: BTreeMap<u64, Case> = BTreeMap::new();
        for stored in self.events("request")? {
            let Event::Request(event) = stored.event else { continue };
            match cases.get_mut(&event.request) {
                Some(case) => case.add(stored.seq, &event),
                None => cases.extend(Case::open(stored.seq, &event).map(|case| (event.request, case))),
            }
        }
        Ok(cases)
    }

    /// Records a request that was received and gives its number.
    ///
    /// # Errors
    /// [`Error::Request`] where the day has not come; [`Error::Database`].
    pub fn open_request(&mut self, actor: &Actor, number: u64, on: Date, step: RequestStep) -> Result<u64, Error> {
        let today = self.today()?;
        self.write(|ledger| {
            if on > today {
                return Err(Error::Request { request: number, why: format!("it cannot be received on {on}: that day has not come") });
            }
            if ledger.requests()?.contains_key(&number) {
                return Ok(number);
            }
            ledger.append_within(actor, &Event::Request(RequestEvent { request: number, on, step }))?;
            Ok(number)
        })
    }

    /// Takes a request a step further, in one transaction. The same step again changes nothing and gives its event.
    ///
    /// # Errors
    /// [`Error::Unknown`] where there is no such request; [`Error::Request`] where the step is not possible now.
    pub fn advance_request(&mut self, actor: &Actor, request: u64, on: Date, step: RequestStep) -> Result<i64, Error> {
        let today = self.today()?;
        self.write(|ledger| {
            let unknown = || Error::Unknown { what: "request", name: request.to_string() };
            let case = ledger.requests()?.remove(&request).ok_or_else(unknown)?;
            if let Some(event) = case.has(&step) {
                return Ok(event);
            }
            case.admits(&step, on, today).map_err(|why| Error::Request { request, why })?;
            if let RequestStep::Reviewed { by, .. } = &step
                && let Some(part) = ledger.part_in(&case, by)?
            {
                return Err(Error::Reviewer { by: by.clone(), part });
            }
            ledger.append_within(actor, &Event::Request(RequestEvent { request, on, step }))
        })
    }

    /// What somebody did with the model of a contested decision, where they did anything: whoever built it does not review it.
    fn part_in(&mut self, case: &Case, by: &str) -> Result<Option<String>, Error> {
        let about = case.about.clone().unwrap_or_default();
        let mut runs = vec![];
        for stored in self.events("model-released")? {
            let Event::ModelReleased(release) = &stored.event else { continue };
            let concerned = about.is_empty() || release.model == about || release.model.split('/').next() == Some(&about);
            if concerned {
                runs.push(release.run.clone());
                if crate::assessment::same(&stored.actor, by) {
                    return Ok(Some(format!("released {}", release.model)));
                }
            }
        }
        for stored in self.events("budget-reserved")? {
            let Event::BudgetReserved { run, .. } = &stored.event else { continue };
            if runs.contains(run) && crate::assessment::same(&stored.actor, by) {
                return Ok(Some(format!("trained run {run}")));
            }
        }
        Ok(None)
    }

    /// Today in UTC, as far as the ledger believes the clock.
    ///
    /// # Errors
    /// [`Error::Clock`].
    pub fn today(&mut self) -> Result<Date, Error> {
        let now = jiff::Timestamp::from_second(self.now()?).unwrap_or(jiff::Timestamp::MIN);
        Ok(now.to_zoned(jiff::tz::TimeZone::UTC).date())
    }
}
