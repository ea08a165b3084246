//! What the controller has declared for a purpose.

use super::facts::is_false;
use super::reason::Reason;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the controller has declared for a purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Name of the purpose.
    pub purpose: String,
    /// Legal basis: the letter of GDPR Art 6(1), `a` to `f`.
    pub art6: Option<char>,
    /// Condition for special categories: the letter of Art 9(2), `a` to `j`.
    pub art9: Option<char>,
    /// Versions of the notice under which a basis counts.
    pub notices: BTreeSet<String>,
    /// Columns that reveal a special category (Art 9).
    pub special_columns: Vec<String>,
    /// Reasons for which a unit is left out and reported. Any other reason refuses the request.
    pub exclude: BTreeSet<Reason>,
    /// Whether the rows hold private messages: legitimate interest is then refused, and training needs `train_on_messages`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub private_messages: bool,
    /// Whether the purpose says that models may learn from private messages.
    #[serde(default, skip_serializing_if = "is_false")]
    pub train_on_messages: bool,
    /// Columns that hold criminal convictions or offences (Art 10).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub criminal_columns: Vec<String>,
    /// The law that permits their use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub art10_law: Option<String>,
    /// Purposes that each column was collected for; empty where the data set declares none. A derived column has the purposes that all of
    /// its parents share ([`inherited`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, BTreeSet<String>>,
    /// Purposes that this one is part of, the nearest first: what was collected for one of them may serve this one, and never the reverse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broader: Vec<String>,
    /// When the purpose was declared, seconds since 1970: a basis given before does not cover it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// Direct marketing: no ground overrides an objection (Art 21(3)).
    #[serde(default, skip_serializing_if = "is_false")]
    pub direct_marketing: bool,
    /// Age below which a consent needs a guardian (Art 8), 13 to 16, where ages are asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_age: Option<u8>,
    /// Whether it is offered to children: units of unknown age are then left out or refuse the request.
    #[serde(default, skip_serializing_if = "is_false")]
    pub for_children: bool,
    /// Age below which sale and sharing need an opt-in instead of leaving an opt-out (CCPA: 16).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opt_in_age: Option<u8>,
}

/// The purposes that something derived inherits: those that all of its parents share. Nothing derived from nothing has any.
///
/// ```
/// # use std::collections::BTreeSet;
/// let set = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<BTreeSet<_>>();
/// let (age, income) = (set(&["care", "fraud"]), set(&["fraud", "marketing"]));
/// assert_eq!(reticent_proof::inherited([&age, &income]), set(&["fraud"]));
/// ```
pub fn inherited<'a>(parents: impl IntoIterator<Item = &'a BTreeSet<String>>) -> BTreeSet<String> {
    parents.into_iter().cloned().reduce(|shared, next| shared.intersection(&next).cloned().collect()).unwrap_or_default()
}
