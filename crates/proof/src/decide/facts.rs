//! What is on record when the question is asked.

use super::reason::Count;
use serde::{Deserialize, Serialize};

/// What is on record when the question is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Data version asked about, `visits/v1`.
    pub data_version: String,
    /// Ledger number of the opened impact assessment for this purpose and data set.
    pub assessment: Option<u64>,
    /// Whether any basis event is known for the data set; until then it is quarantined.
    pub events_known: bool,
    /// The approved assessment behind a legitimate interest (Art 6(1)(f)), where one is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legitimate_interest: Option<LegitimateInterest>,
    /// The tests that found a reuse for this purpose compatible (Art 6(4)), by the purpose that they start from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compatible: Vec<Compatibility>,
    /// Until when the rows may be used, seconds since 1970, where a retention is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_until: Option<i64>,
    /// One entry for each unit in the data, sorted by unit.
    pub units: Vec<UnitFacts>,
}

/// An assessment whose three steps (purpose, necessity, balancing) all held, and which somebody approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegitimateInterest {
    /// Ledger number of the assessment.
    pub event: u64,
    /// When it must be made again, seconds since 1970.
    pub expires: i64,
}

/// A test of five factors that found the reuse of rows for another purpose compatible (Art 6(4)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compatibility {
    /// Ledger number of the test.
    pub event: u64,
    /// The purpose that the rows were collected for.
    pub from: String,
    /// When it must be made again, seconds since 1970.
    pub expires: i64,
}

/// What is on record about one unit, for the purpose asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitFacts {
    /// Keyed pseudonym.
    pub unit: String,
    /// Rows of this unit.
    pub records: u64,
    /// The basis in force, where one is recorded.
    pub basis: Option<BasisFacts>,
    /// Art 18: processing is restricted.
    pub restricted: bool,
    /// Art 21: the unit objects.
    pub objected: bool,
    /// The controller recorded compelling grounds against the objection (Art 21(1)).
    #[serde(default, skip_serializing_if = "is_false")]
    pub overridden: bool,
    /// Age in years, where one is on record: the least of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<u8>,
    /// Opted out of sale and sharing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub opted_out: bool,
    /// Opted in to sale and sharing, as a child must.
    #[serde(default, skip_serializing_if = "is_false")]
    pub opted_in: bool,
    /// Limited the use of sensitive columns.
    #[serde(default, skip_serializing_if = "is_false")]
    pub limited: bool,
}

impl UnitFacts {
    pub(super) fn count(&self) -> Count {
        Count { units: 1, records: self.records }
    }
}

/// The latest recorded state of a unit's basis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasisFacts {
    /// Given, refused, withdrawn and so on.
    pub state: BasisState,
    /// Letter of Art 6(1).
    pub art6: char,
    /// Letter of Art 9(2), where the record names one.
    pub art9: Option<char>,
    /// Version of the notice that was shown.
    pub notice: String,
    /// When it took effect, seconds since 1970.
    pub since: i64,
    /// When it ends, seconds since 1970.
    pub expires: Option<i64>,
    /// The purpose it was recorded for, where that is another than the one asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// A consent of this unit was withdrawn earlier and has not been given again since.
    #[serde(default, skip_serializing_if = "is_false")]
    pub after_withdrawal: bool,
    /// Somebody with parental responsibility gave or authorised it, and that was verified.
    #[serde(default, skip_serializing_if = "is_false")]
    pub guardian: bool,
}

/// State of a recorded basis: the states of the Data Privacy Vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BasisState {
    /// In force.
    Given,
    /// Asked for and refused.
    Refused,
    /// Given once, withdrawn since.
    Withdrawn,
    /// Given once, run out since.
    Expired,
    /// Found to be without effect.
    Invalidated,
    /// Ended by the controller or an authority.
    Revoked,
    /// Asked for, not answered.
    Requested,
    /// Asked for, put off.
    RequestDeferred,
    /// Nobody knows.
    #[default]
    Unknown,
    /// Given again before it ran out: in force.
    RenewedConsentGiven,
    /// A legitimate interest of which the unit was not told.
    Uninformed,
}

/// Flags that are not set are left out, so that older facts and policies keep their digests.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
pub(super) fn is_false(flag: &bool) -> bool {
    !flag
}
