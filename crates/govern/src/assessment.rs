//! Who advises on an impact assessment, and who decides: never the same actor (Art 35(2), 38(6)).

use crate::{Actor, Error, Event, Ledger};
use serde::{Deserialize, Serialize};

/// What the controller made of an assessment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AssessmentDecision {
    /// The processing may go on as assessed.
    Approved,
    /// It may not.
    Refused,
    /// A high residual risk: the authority is consulted first (Art 36).
    ConsultAuthority,
}

/// A part of an assessment that a person wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// What they wrote.
    pub text: String,
    /// Who.
    pub author: String,
}

impl Ledger {
    /// Records advice on the assessment of a purpose and a data set.
    ///
    /// # Errors
    /// [`Error::SameActor`] where `by` decided on it.
    pub fn advise_assessment(&mut self, actor: &Actor, dataset: &str, purpose: &str, by: &str, advice: &str) -> Result<i64, Error> {
        self.write(|ledger| {
            let decided = ledger.events("assessment-decided")?.into_iter().any(
                |s| matches!(&s.event, Event::AssessmentDecided { dataset: d, purpose: p, by: who, .. } if d == dataset && p == purpose && same(who, by)),
            );
            if decided {
                return Err(Error::SameActor { by: by.into() });
            }
            let event = Event::AssessmentAdvised { dataset: dataset.into(), purpose: purpose.into(), by: by.into(), advice: advice.into() };
            ledger.append_within(actor, &event)
        })
    }

    /// Records the controller's decision on the assessment of a purpose and a data set.
    ///
    /// # Errors
    /// [`Error::SameActor`] where `by` advised on it.
    pub fn decide_assessment(
        &mut self,
        actor: &Actor,
        dataset: &str,
        purpose: &str,
        by: &str,
        decision: AssessmentDecision,
        reason: &str,
    ) -> Result<i64, Error> {
        self.write(|ledger| {
            let advised = ledger.events("assessment-advised")?.into_iter().any(
                |s| matches!(&s.event, Event::AssessmentAdvised { dataset: d, purpose: p, by: who, .. } if d == dataset && p == purpose && same(who, by)),
            );
            if advised {
                return Err(Error::SameActor { by: by.into() });
            }
            let (dataset, purpose) = (dataset.to_owned(), purpose.to_owned());
            ledger.append_within(actor, &Event::AssessmentDecided { dataset, purpose, by: by.into(), decision, reason: reason.into() })
        })
    }
}

/// One person under two spellings of their name is still one.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}
