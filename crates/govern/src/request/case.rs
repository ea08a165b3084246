//! A request as its events leave it: a state, what may follow, and its deadlines.

use super::{Refused, RequestEvent, RequestStep, Review, Right};
use crate::law::{knows_holidays, term};
use jiff::civil::Date;
use serde::Serialize;
use std::collections::BTreeMap;

/// Where a request stands, by the names of the Data Rights Protocol 1.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Received.
    Open,
    /// Who asks must be shown first.
    NeedUserVerification,
    /// Under way; part of it may be done.
    InProgress,
    /// Answered in full.
    Fulfilled,
    /// Refused.
    Denied,
    /// Given up: nobody showed who they are.
    Expired,
}

impl State {
    /// Whether nothing follows.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Fulfilled | Self::Denied | Self::Expired)
    }
}

/// A recipient who has to be told, and how that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// Why it did not work.
    pub failed: Option<String>,
    /// Whether it is left at that.
    pub given_up: bool,
    /// The event.
    pub event: i64,
}

/// By when something is due, and where that is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deadline {
    /// What.
    pub what: &'static str,
    /// The last day.
    pub day: Date,
    /// Where it is written.
    pub source: &'static str,
    /// Whether only weekends were counted as days off, so that it may be earlier than the law has it.
    pub weekends_only: bool,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Case {
    /// Its number.
    pub number: u64,
    /// What is asked.
    pub right: Right,
    /// The day it was received.
    pub received: Date,
    /// Whose holidays count.
    pub jurisdiction: String,
    /// Data sets it reaches.
    pub datasets: Vec<String>,
    /// Commitment to who it is.
    pub subject_commitment: String,
    /// The decision that is contested.
    pub about: Option<String>,
    /// Where it stands.
    pub state: State,
    /// Since when they are asked to show who they are.
    pub asked: Option<Date>,
    /// How they did.
    pub identity: Option<String>,
    /// Whole days during which that was open.
    pub paused: i32,
    /// When and why it was extended.
    pub extended: Option<(Date, String)>,
    /// What was carried out.
    pub done: Vec<String>,
    /// What is left to do.
    pub left: Vec<String>,
    /// Recipients and how telling them stands.
    pub recipients: BTreeMap<String, Notice>,
    /// The review of a contested decision: who, how it ended, why.
    pub review: Option<(String, Review, String)>,
    /// Why it was refused.
    pub refused: Option<(Refused, String)>,
    /// Day of the last step.
    pub last: Date,
    /// Its events.
    pub events: Vec<i64>,
}

impl Case {
    pub(super) fn open(seq: i64, event: &RequestEvent) -> Option<Self> {
        let RequestStep::Opened { right, state, datasets, subject_commitment, about } = event.step.clone() else { return None };
        Some(Self {
            number: event.request,
            right,
            received: event.on,
            jurisdiction: state,
            datasets,
            subject_commitment,
            about,
            state: State::Open,
            asked: None,
            identity: None,
            paused: 0,
            extended: None,
            done: vec![],
            left: vec![],
            recipients: BTreeMap::new(),
            review: None,
            refused: None,
            last: event.on,
            events: vec![seq],
        })
    }

    pub(super) fn add(&mut self, seq: i64, event: &RequestEvent) {
        self.events.push(seq);
        self.last = self.last.max(event.on);
        match event.step.clone() {
            RequestStep::Opened { .. } => {}
            RequestStep::IdentityAsked => {
                self.asked = Some(event.on);
                self.state = State::NeedUserVerification;
            }
            RequestStep::IdentityConfirmed { method } => {
                self.paused += self.asked.take().map_or(0, |since| (event.on - since).get_days());
                self.identity = Some(method);
                self.state = State::InProgress;
            }
            RequestStep::Extended { reason } => self.extended = Some((event.on, reason)),
            RequestStep::Done { what, left } => {
                self.done.extend(what.into_iter().filter(|w| !self.done.contains(w)).collect::<Vec<_>>());
                self.left = left;
                self.state = State::InProgress;
            }
            RequestStep::RecipientTold { recipient, failed, given_up } => {
                self.left.retain(|l| *l != telling(&recipient) || (failed.is_some() && !given_up));
                self.recipients.insert(recipient, Notice { failed, given_up, event: seq });
            }
            RequestStep::Reviewed { by, outcome, reason } => {
                self.review = Some((by, outcome, reason));
                self.left.clear();
                self.done.push("the decision was looked at again by a person".into());
            }
            RequestStep::Refused { why, text } => {
                self.refused = Some((why, text));
                self.state = State::Denied;
            }
            RequestStep::Expired => self.state = State::Expired,
        }
        if !self.state.is_final() && !self.done.is_empty() && self.left.is_empty() {
            self.state = State::Fulfilled;
        }
    }

    /// The event that says the same already, where there is one: a retry changes nothing.
    pub(super) fn has(&self, step: &RequestStep) -> Option<i64> {
        let said = match step {
            RequestStep::Opened { .. } => true,
            RequestStep::IdentityAsked => self.asked.is_some(),
            RequestStep::IdentityConfirmed { method } => self.identity.as_ref() == Some(method),
            RequestStep::Extended { reason } => self.extended.as_ref().is_some_and(|(_, r)| r == reason),
            RequestStep::Done { what, left } => what.iter().all(|w| self.done.contains(w)) && *left == self.left && !self.done.is_empty(),
            RequestStep::RecipientTold { recipient, failed, given_up } => {
                self.recipients.get(recipient).is_some_and(|n| n.failed == *failed && n.given_up == *given_up)
            }
            RequestStep::Reviewed { by, outcome, reason } => self.review.as_ref() == Some(&(by.clone(), *outcome, reason.clone())),
            RequestStep::Refused { why, text } => self.refused.as_ref() == Some(&(*why, text.clone())),
            RequestStep::Expired => self.state == State::Expired,
        };
        self.events.last().copied().filter(|_| said)
    }

    /// Whether a step is possible now; where not, why.
    pub(super) fn admits(&self, step: &RequestStep, on: Date, today: Date) -> Result<(), String> {
        if on > today {
            return Err(format!("{on} has not come"));
        }
        if on < self.last {
            return Err(format!("its last step was on {}, after {on}", self.last));
        }
        if self.state.is_final() {
            return Err(format!("it is closed: {}", word(self.state)));
        }
        let shown = self.identity.is_some() || !self.right.needs_identity();
        match step {
            RequestStep::IdentityAsked if !self.right.needs_identity() => {
                Err(format!("{} is granted without a proof of identity (11 CCR 7060(b))", self.right.name()))
            }
            RequestStep::IdentityAsked if self.identity.is_some() => Err("who asks was confirmed already".into()),
            RequestStep::IdentityConfirmed { method } if method.trim().is_empty() => Err("say how it was confirmed".into()),
            RequestStep::Extended { reason } if reason.trim().is_empty() => Err("an extension needs a reason".into()),
            RequestStep::Extended { .. } => {
                if self.extended.is_some() {
                    return Err("it was extended once already".into());
                }
                if term(self.right.regime(), self.right.name(), "answer", self.received).is_some_and(|t| t.unit == "business-days") {
                    return Err(format!("the law of {} knows no extension", self.right.name()));
                }
                match self.answer_by(on, false) {
                    Some(first) if on > first.day => {
                        Err(format!("the person had to be told by {} ({}); {on} is too late", first.day, first.source))
                    }
                    _ => Ok(()),
                }
            }
            RequestStep::Done { .. } | RequestStep::Reviewed { .. } if !shown => Err("who asks is not confirmed".into()),
            RequestStep::Reviewed { .. } if self.right != Right::Contest => Err("only a contest of a decision is reviewed".into()),
            RequestStep::Reviewed { by, reason, .. } if by.trim().is_empty() || reason.trim().is_empty() => {
                Err("a review needs a reviewer and a reason".into())
            }
            RequestStep::RecipientTold { recipient, failed, given_up } => {
                if !self.left.contains(&telling(recipient)) && !self.recipients.contains_key(recipient) {
                    return Err(format!("{recipient} is no recipient that has to be told"));
                }
                if *given_up && failed.as_ref().is_none_or(|why| why.trim().is_empty()) {
                    return Err("leaving a recipient untold needs a reason (Art 19)".into());
                }
                Ok(())
            }
            RequestStep::Refused { text, .. } if text.trim().is_empty() => Err("a refusal needs its reason in words (Art 12(4))".into()),
            RequestStep::Refused { .. } if !self.done.is_empty() => Err("part of it is done: it can be completed, not refused".into()),
            RequestStep::Expired if self.asked.is_none() => Err("nobody was asked to show who they are".into()),
            _ => Ok(()),
        }
    }

    /// By when it must be answered, seen from a day: while the person must show who they are, the days until then are not counted where the
    /// law says so.
    #[must_use]
    pub fn answer_by(&self, today: Date, with_extension: bool) -> Option<Deadline> {
        let step = if with_extension && self.extended.is_some() { "extended" } else { "answer" };
        let open = self.asked.map_or(0, |since| (today - since).get_days().max(0));
        self.deadline("answer", step, self.paused + open)
    }

    /// Everything that is due, the earliest first.
    #[must_use]
    pub fn deadlines(&self, today: Date) -> Vec<Deadline> {
        let mut all: Vec<Deadline> = self.deadline("acknowledge", "acknowledge", 0).into_iter().collect();
        all.extend(self.answer_by(today, true));
        all.sort_by_key(|d| d.day);
        all
    }

    fn deadline(&self, what: &'static str, step: &str, paused: i32) -> Option<Deadline> {
        let regime = self.right.regime();
        let term = term(regime, self.right.name(), step, self.received)?;
        let day = term.last_day(regime, self.received, paused, &self.jurisdiction);
        Some(Deadline { what, day, source: term.source, weekends_only: !knows_holidays(&self.jurisdiction) })
    }
}

/// How a recipient who has to be told stands in what is left.
#[must_use]
pub fn telling(recipient: &str) -> String {
    format!("tell {recipient}")
}

fn word(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::NeedUserVerification => "waiting for a proof of identity",
        State::InProgress => "in progress",
        State::Fulfilled => "fulfilled",
        State::Denied => "denied",
        State::Expired => "expired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn opened(right: Right, on: &str) -> Case {
        let step = RequestStep::Opened {
            right,
            state: "EU".into(),
            datasets: vec!["visits".into()],
            subject_commitment: "00".into(),
            about: None,
        };
        Case::open(1, &RequestEvent { request: 1, on: day(on), step }).unwrap()
    }

    #[track_caller]
    fn step(case: &mut Case, on: &str, step: RequestStep) {
        case.admits(&step, day(on), day("2030-01-01")).unwrap();
        case.add(case.events.len() as i64 + 1, &RequestEvent { request: 1, on: day(on), step });
    }

    fn confirmed() -> RequestStep {
        RequestStep::IdentityConfirmed { method: "in person".into() }
    }

    #[test]
    fn a_case_is_fulfilled_when_nothing_is_left() {
        let mut case = opened(Right::Erasure, "2025-03-03");
        let done = RequestStep::Done { what: vec!["rows".into()], left: vec![telling("Lab"), telling("Archive")] };
        assert_eq!(case.admits(&done, day("2025-03-04"), day("2030-01-01")).unwrap_err(), "who asks is not confirmed");
        step(&mut case, "2025-03-04", RequestStep::IdentityAsked);
        assert_eq!(case.state, State::NeedUserVerification);
        step(&mut case, "2025-03-10", confirmed());
        assert_eq!((case.paused, case.answer_by(day("2025-03-10"), true).unwrap().day), (6, day("2025-04-09")));
        step(&mut case, "2025-03-11", done.clone());
        assert_eq!(case.state, State::InProgress, "partial is not complete");
        assert!(case.has(&done).is_some(), "a retry says nothing new");
        let told = |recipient: &str, failed: Option<&str>, given_up| RequestStep::RecipientTold {
            recipient: recipient.into(),
            failed: failed.map(str::to_owned),
            given_up,
        };
        assert!(case.admits(&told("Nobody", None, false), day("2025-03-12"), day("2030-01-01")).is_err());
        step(&mut case, "2025-03-12", told("Lab", Some("its system is down"), false));
        assert_eq!((case.state, case.left.len()), (State::InProgress, 2));
        step(&mut case, "2025-03-13", told("Lab", None, false));
        assert!(case.admits(&told("Archive", None, true), day("2025-03-14"), day("2030-01-01")).is_err(), "a reason is missing");
        step(&mut case, "2025-03-14", told("Archive", Some("it no longer exists"), true));
        assert_eq!(case.state, State::Fulfilled);
        assert!(case.admits(&RequestStep::IdentityAsked, day("2025-03-15"), day("2030-01-01")).unwrap_err().contains("closed"));
    }

    #[test]
    fn an_extension_is_told_within_the_first_term_and_only_once() {
        let late = RequestStep::Extended { reason: "many requests".into() };
        let case = opened(Right::Access, "2025-01-31");
        assert!(case.admits(&late, day("2025-03-01"), day("2030-01-01")).unwrap_err().contains("2025-02-28"));
        let mut case = opened(Right::Access, "2025-01-31");
        step(&mut case, "2025-02-28", late.clone());
        assert_eq!(case.answer_by(day("2025-03-01"), true).unwrap().day, day("2025-04-30"));
        assert!(case.admits(&RequestStep::Extended { reason: "again".into() }, day("2025-02-28"), day("2030-01-01")).is_err());
        assert!(opened(Right::OptOut, "2025-01-31").admits(&late, day("2025-02-03"), day("2030-01-01")).is_err());
    }

    #[test]
    fn time_goes_forward_and_not_beyond_today() {
        let case = opened(Right::Access, "2025-01-31");
        assert!(case.admits(&RequestStep::IdentityAsked, day("2025-01-30"), day("2025-02-02")).is_err());
        assert!(case.admits(&RequestStep::IdentityAsked, day("2025-02-03"), day("2025-02-02")).is_err());
        assert!(case.admits(&RequestStep::Expired, day("2025-02-02"), day("2025-02-02")).is_err(), "nobody was asked");
        assert!(opened(Right::Limit, "2025-01-31").admits(&RequestStep::IdentityAsked, day("2025-02-01"), day("2025-02-02")).is_err());
    }

    #[test]
    fn while_somebody_must_show_who_they_are_the_term_moves() {
        let mut case = opened(Right::Access, "2025-03-03");
        step(&mut case, "2025-03-05", RequestStep::IdentityAsked);
        assert_eq!(case.answer_by(day("2025-03-15"), true).unwrap().day, day("2025-04-14"), "ten days, then a weekend");
        let mut case = opened(Right::Know, "2025-03-03");
        step(&mut case, "2025-03-05", RequestStep::IdentityAsked);
        assert_eq!(case.deadlines(day("2025-03-15"))[1].day, day("2025-04-17"), "45 days whatever verification takes");
    }
}
