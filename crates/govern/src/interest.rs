//! Legitimate interests: assessed by one, advised on by another, approved by a third.

use crate::assessment::same;
use crate::{Actor, Error, Event, Ledger};

/// An assessment in its three steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterestAssessment {
    /// Data set.
    pub dataset: String,
    /// Purpose.
    pub purpose: String,
    /// Whether the interest itself holds.
    pub interest_holds: bool,
    /// Whether the processing is necessary for it.
    pub necessary: bool,
    /// Whether the people's interests do not override it.
    pub balanced: bool,
    /// The reasoning.
    pub text: String,
    /// Who assessed.
    pub assessed_by: String,
    /// Who advised, where somebody did.
    pub advised_by: Option<String>,
    /// Who approved.
    pub approved_by: String,
    /// When it must be made again, seconds since 1970.
    pub expires: i64,
}

impl Ledger {
    /// Records an assessment. It counts for the gate while all three steps hold and it has not run out; a later one takes its place.
    ///
    /// # Errors
    /// [`Error::TwoParts`] where two of the people are one; [`Error::Register`] where it says nothing or names nobody.
    pub fn assess_interest(&mut self, actor: &Actor, assessed: &InterestAssessment) -> Result<i64, Error> {
        let InterestAssessment { assessed_by, advised_by, approved_by, text, .. } = assessed;
        apart(&[Some(assessed_by), advised_by.as_ref(), Some(approved_by)])?;
        if text.trim().is_empty() {
            return Err(Error::Register(vec!["the assessment gives no reasoning".into()]));
        }
        self.append(
            actor,
            &Event::LegitimateInterestAssessed {
                dataset: assessed.dataset.clone(),
                purpose: assessed.purpose.clone(),
                interest_holds: assessed.interest_holds,
                necessary: assessed.necessary,
                balanced: assessed.balanced,
                text: text.clone(),
                approved_by: approved_by.clone(),
                expires: assessed.expires,
                assessed_by: Some(assessed_by.clone()),
                advised_by: advised_by.clone(),
            },
        )
    }
}

/// Refuses where one person has two parts, or a part has nobody.
pub(crate) fn apart(people: &[Option<&String>]) -> Result<(), Error> {
    let named: Vec<&String> = people.iter().copied().flatten().collect();
    if named.iter().any(|p| p.trim().is_empty()) {
        return Err(Error::Register(vec!["a part is played by nobody: name who it is".into()]));
    }
    for (index, who) in named.iter().enumerate() {
        if named[..index].iter().any(|other| same(other, who)) {
            return Err(Error::TwoParts { by: (*who).clone() });
        }
    }
    Ok(())
}
