//! Breaches of personal data: from when it is known the clock runs (GDPR Art 33, 34).

use crate::law::{Regime, term};
use crate::{Actor, Error, Event, Ledger};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One step of a breach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreachEvent {
    /// Its number, from 1.
    pub breach: u64,
    /// What happened.
    pub step: BreachStep,
}

/// What happened around a breach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum BreachStep {
    /// Somebody became aware of it.
    Aware {
        /// When, seconds since 1970.
        at: i64,
        /// Nature: what happened to which data.
        nature: String,
        /// Data sets and models concerned.
        concerns: Vec<String>,
        /// About how many people, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        people: Option<u64>,
    },
    /// Likely consequences, or measures, were written down.
    Assessed {
        /// Likely consequences (Art 33(3)(c)).
        consequences: String,
        /// Measures taken or proposed (Art 33(3)(d)).
        measures: String,
    },
    /// The authority was notified.
    AuthorityNotified {
        /// When, seconds since 1970.
        at: i64,
        /// Why so late, where the 72 hours were over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delay: Option<String>,
    },
    /// The authority is not notified, because no risk is likely.
    NoRisk {
        /// Who decided.
        by: String,
        /// Why.
        reason: String,
    },
    /// Whether the people are told (Art 34).
    PeopleDecided {
        /// Who decided.
        by: String,
        /// Whether they are told.
        told: bool,
        /// Why.
        reason: String,
    },
    /// A processor told its controller (Art 33(2)).
    ControllerTold {
        /// When, seconds since 1970.
        at: i64,
    },
}

/// A breach as its events leave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Breach {
    /// Its number.
    pub number: u64,
    /// Since when somebody knows, seconds since 1970.
    pub aware: i64,
    /// Until when the authority must be notified.
    pub notify_by: i64,
    /// Steps with their events.
    pub steps: Vec<(i64, BreachStep)>,
}

impl Breach {
    /// Whether the authority was notified, or somebody decided that it need not be.
    #[must_use]
    pub fn answered(&self) -> bool {
        self.steps.iter().any(|(_, s)| matches!(s, BreachStep::AuthorityNotified { .. } | BreachStep::NoRisk { .. }))
    }

    /// What is missing on record.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let has = |is: fn(&BreachStep) -> bool| self.steps.iter().any(|(_, s)| is(s));
        let mut all = vec![];
        if !has(|s| matches!(s, BreachStep::Assessed { .. })) {
            all.push("likely consequences and measures (Art 33(3))");
        }
        if !self.answered() {
            all.push("notification of the authority, or why no risk is likely (Art 33(1))");
        }
        if !has(|s| matches!(s, BreachStep::PeopleDecided { .. })) {
            all.push("decision whether the people are told (Art 34)");
        }
        all
    }
}

impl Ledger {
    /// All breaches, by number.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn breaches(&mut self) -> Result<BTreeMap<u64, Breach>, Error> {
        let mut all: BTreeMap<u64, Breach> = BTreeMap::new();
        for stored in self.events("breach")? {
            let Event::Breach(event) = stored.event else { continue };
            if let BreachStep::Aware { at, .. } = event.step {
                let aware = jiff::Timestamp::from_second(at).unwrap_or(jiff::Timestamp::MAX).to_zoned(jiff::tz::TimeZone::UTC).date();
                let notify_by = term(Regime::Gdpr, "breach", "notify", aware).map_or(at, |t| t.hours_after(at));
                all.entry(event.breach).or_insert(Breach { number: event.breach, aware: at, notify_by, steps: vec![] });
            }
            if let Some(breach) = all.get_mut(&event.breach) {
                breach.steps.push((stored.seq, event.step));
            }
        }
        Ok(all)
    }

    /// Records a step; a new breach where `breach` is none. Gives its number. The same step again changes nothing.
    ///
    /// # Errors
    /// [`Error::Breach`] where something is missing or in the future; [`Error::Unknown`] where there is no such breach.
    pub fn record_breach(&mut self, actor: &Actor, breach: Option<u64>, step: BreachStep) -> Result<u64, Error> {
        let now = self.now()?;
        self.write(|ledger| {
            let known = ledger.breaches()?;
            let number = breach.unwrap_or(1 + known.len() as u64);
            let standing = known.get(&number);
            if breach.is_some() && standing.is_none() {
                return Err(Error::Unknown { what: "breach", name: number.to_string() });
            }
            if known.values().any(|b| (breach.is_none() || b.number == number) && b.steps.iter().any(|(_, s)| *s == step)) {
                return Ok(known.values().find(|b| b.steps.iter().any(|(_, s)| *s == step)).map_or(number, |b| b.number));
            }
            let wrong = |why: &str| Err(Error::Breach { breach: number, why: why.into() });
            let blank = |text: &String| text.trim().is_empty();
            match &step {
                BreachStep::Aware { at, .. } | BreachStep::AuthorityNotified { at, .. } | BreachStep::ControllerTold { at }
                    if *at > now =>
                {
                    return wrong("that moment has not come");
                }
                BreachStep::Aware { nature, .. } if blank(nature) => return wrong("say what happened"),
                BreachStep::Assessed { consequences, measures } if blank(consequences) || blank(measures) => {
                    return wrong("consequences and measures are both needed (Art 33(3))");
                }
                BreachStep::AuthorityNotified { at, delay } => {
                    let late = standing.is_some_and(|b| *at > b.notify_by);
                    if late && delay.as_ref().is_none_or(blank) {
                        return wrong("72 hours were over: the notification says why (Art 33(1))");
                    }
                    if standing.is_some_and(|b| *at < b.aware) {
                        return wrong("nobody knew of it then");
                    }
                }
                BreachStep::NoRisk { by, reason } | BreachStep::PeopleDecided { by, reason, .. } if blank(by) || blank(reason) => {
                    return wrong("a decision needs who made it and why");
                }
                _ => {}
            }
            ledger.append_within(actor, &Event::Breach(BreachEvent { breach: number, step }))?;
            Ok(number)
        })
    }
}
