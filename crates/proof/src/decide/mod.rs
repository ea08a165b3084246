//! May these rows be used for this purpose, now? A pure function of policy, facts and request.
//!
//! [`decide`] reads no clock, no file and no database, so an outsider who holds its three inputs gets the same decision to the byte.
//! It fails closed: a unit about which nothing is recorded has no basis, and a reason that the policy does not list under
//! [`Policy::exclude`] refuses the whole request instead of silently thinning it.

mod facts;
mod policy;
mod reason;

pub use facts::{BasisFacts, BasisState, Compatibility, Facts, LegitimateInterest, UnitFacts};
pub use policy::{Policy, inherited};
pub use reason::{Count, Reason, Refusal};

use crate::permit::{Permit, Use};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Purpose of the use.
    pub purpose: String,
    /// What the rows are wanted for.
    #[serde(rename = "use")]
    pub use_: Use,
    /// Data version.
    pub data_version: String,
    /// Now, seconds since 1970.
    pub at: i64,
    /// Columns that are read, the target among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

/// The answer, without a name in it: counts and digests only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The question.
    pub request: Request,
    /// Whether the use may go on.
    pub allowed: bool,
    /// Why not; empty where allowed.
    pub refusals: Vec<Refusal>,
    /// Units that take part where allowed.
    pub admitted: Count,
    /// Units left out, by reason.
    pub excluded: BTreeMap<Reason, Count>,
    /// SHA-256 of the policy.
    pub policy_digest: String,
    /// SHA-256 of the facts (they name units by keyed pseudonyms only).
    pub facts_digest: String,
}

/// Decides. The same inputs give the same bytes, on any machine.
///
/// ```
/// use reticent_proof::*;
/// let policy = Policy { purpose: "risk".into(), art6: Some('a'), art9: None, notices: ["v1".to_string()].into(), special_columns: vec![],
///     exclude: [Reason::Withdrawn].into(), ..Policy::default() };
/// let unit = |name: &str, state| UnitFacts {
///     unit: name.into(), records: 2,
///     basis: Some(BasisFacts { state, art6: 'a', art9: None, notice: "v1".into(), since: 10, expires: None,
///         purpose: None, after_withdrawal: false, guardian: false }),
///     ..UnitFacts::default()
/// };
/// let facts = Facts { data_version: "visits/v1".into(), assessment: Some(3), events_known: true,
///     units: vec![unit("a", BasisState::Given), unit("b", BasisState::Withdrawn)], ..Facts::default() };
/// let request = Request { purpose: "risk".into(), use_: Use::Training, data_version: "visits/v1".into(), at: 20, columns: vec![] };
/// let (decision, permit) = decide(&policy, &facts, &request);
/// assert!(decision.allowed);
/// assert_eq!(decision.excluded[&Reason::Withdrawn].records, 2);
/// assert_eq!(permit.unwrap().allowed_units().unwrap(), ["a"]);
/// ```
#[must_use]
pub fn decide(policy: &Policy, facts: &Facts, request: &Request) -> (Decision, Option<Permit>) {
    let mut refusals = rules(policy, facts, request);
    let mut admitted = Count::default();
    let mut left_out: BTreeMap<Reason, Count> = BTreeMap::new();
    let mut units = vec![];
    for unit in &facts.units {
        let Count { records, .. } = unit.count();
        let count = match unit_reason(policy, facts, unit, request) {
            Some(reason) => left_out.entry(reason).or_default(),
            None => {
                units.push(unit.unit.clone());
                &mut admitted
            }
        };
        count.units += 1;
        count.records += records;
    }
    if facts.events_known {
        let unlisted = left_out.iter().filter(|(reason, _)| !policy.exclude.contains(reason));
        refusals.extend(unlisted.map(|(&reason, &count)| Refusal::Units { reason, count }));
    } else {
        refusals.push(Refusal::Quarantined);
    }
    if units.is_empty() {
        refusals.push(Refusal::NobodyLeft);
    }
    let decision = Decision {
        request: request.clone(),
        allowed: refusals.is_empty(),
        refusals,
        admitted,
        excluded: left_out,
        policy_digest: digest(policy),
        facts_digest: digest(facts),
    };
    let permit = decision.allowed.then(|| Permit::decided(&decision, units));
    (decision, permit)
}

/// What stands against the request, whoever is in the rows.
#[must_use]
pub fn rules(policy: &Policy, facts: &Facts, request: &Request) -> Vec<Refusal> {
    let mut refusals = vec![];
    if request.purpose.trim().is_empty() {
        refusals.push(Refusal::EmptyPurpose);
    }
    if request.purpose != policy.purpose || request.data_version != facts.data_version {
        refusals.push(Refusal::OtherPurpose);
    }
    match policy.art6 {
        None => refusals.push(Refusal::NoBasisDeclared),
        Some('f') => refusals.extend(interest(policy, facts, request.at)),
        Some(_) => {}
    }
    let shapes_a_model = matches!(request.use_, Use::Training | Use::Release | Use::Selection | Use::Removal);
    if policy.private_messages && !policy.train_on_messages && shapes_a_model {
        refusals.push(Refusal::NoTrainDefault);
    }
    if facts.assessment.is_none() {
        refusals.push(Refusal::NoAssessment);
    }
    if !policy.special_columns.is_empty() && policy.art9.is_none() {
        refusals.push(Refusal::NoConditionDeclared { columns: policy.special_columns.clone() });
    }
    if !policy.criminal_columns.is_empty() && policy.art10_law.as_deref().is_none_or(|law| law.trim().is_empty()) {
        refusals.push(Refusal::NoLawReference { columns: policy.criminal_columns.clone() });
    }
    refusals.extend(columns(policy, facts, request));
    if let Some(until) = facts.keep_until.filter(|until| *until <= request.at) {
        refusals.push(Refusal::RetentionOver { until });
    }
    refusals
}

/// Columns that were collected for other purposes, and those of which nobody knows for what.
fn columns(policy: &Policy, facts: &Facts, request: &Request) -> Vec<Refusal> {
    if policy.columns.is_empty() {
        return vec![];
    }
    let reused = facts.compatible.iter().filter(|test| test.expires > request.at).map(|test| &test.from);
    let serving: Vec<&String> = std::iter::once(&policy.purpose).chain(&policy.broader).chain(reused).collect();
    let (mut unknown, mut other) = (vec![], vec![]);
    for column in &request.columns {
        match policy.columns.get(column) {
            None => unknown.push(column.clone()),
            Some(purposes) if purposes.is_empty() => unknown.push(column.clone()),
            Some(purposes) if !serving.iter().any(|p| purposes.contains(*p)) => other.push(column.clone()),
            Some(_) => {}
        }
    }
    let named = |columns: Vec<String>, refusal: fn(Vec<String>) -> Refusal| (!columns.is_empty()).then(|| refusal(columns));
    let unknown = named(unknown, |columns| Refusal::ColumnWithoutPurpose { columns });
    unknown.into_iter().chain(named(other, |columns| Refusal::ColumnForOtherPurpose { columns })).collect()
}

/// What stands against a legitimate interest.
fn interest(policy: &Policy, facts: &Facts, now: i64) -> Vec<Refusal> {
    let mut refusals = vec![];
    match facts.legitimate_interest {
        None => refusals.push(Refusal::LegitimateInterestUnassessed),
        Some(assessed) if assessed.expires <= now => refusals.push(Refusal::LegitimateInterestExpired),
        Some(_) => {}
    }
    if !policy.special_columns.is_empty() {
        refusals.push(Refusal::LegitimateInterestOverSpecial { columns: policy.special_columns.clone() });
    }
    if policy.private_messages {
        refusals.push(Refusal::PrivateMessages);
    }
    refusals
}

/// Why this unit cannot take part, if it cannot: the first reason that holds.
#[must_use]
pub fn unit_reason(policy: &Policy, facts: &Facts, unit: &UnitFacts, request: &Request) -> Option<Reason> {
    let now = request.at;
    let Some(basis) = &unit.basis else { return Some(Reason::NoRecord) };
    let consent = basis.art6 == 'a';
    let reused = basis.purpose.as_ref().is_some_and(|from| {
        // What rests on consent or on law is for what was consented to, or what the law says: no test carries it further.
        matches!(basis.art6, 'a' | 'c') || !facts.compatible.iter().any(|test| test.from == *from && test.expires > now)
    });
    let young = |below: Option<u8>| below.is_some_and(|below| unit.age.is_some_and(|age| age < below));
    let passes_on = matches!(request.use_, Use::Sale | Use::Sharing);
    let tried = [
        (basis.state == BasisState::Withdrawn, Reason::Withdrawn),
        (basis.state == BasisState::Refused, Reason::Refused),
        (basis.state == BasisState::Invalidated, Reason::Invalidated),
        (basis.state == BasisState::Revoked, Reason::Revoked),
        (matches!(basis.state, BasisState::Requested | BasisState::RequestDeferred), Reason::NotAnswered),
        (basis.state == BasisState::Unknown, Reason::UnknownState),
        (basis.state == BasisState::Uninformed, Reason::Uninformed),
        (basis.since > now, Reason::FutureDated),
        (basis.state == BasisState::Expired || basis.expires.is_some_and(|end| end <= now), Reason::Expired),
        (!policy.notices.contains(&basis.notice), Reason::ExpiredNotice),
        (policy.since.is_some_and(|declared| basis.since < declared) && basis.purpose.is_none(), Reason::PurposeAddedLater),
        (reused, Reason::NotCompatible),
        (basis.after_withdrawal && !consent, Reason::BasisSwapped),
        (Some(basis.art6) != policy.art6 && basis.purpose.is_none(), Reason::OtherBasis),
        (unit.restricted, Reason::Restricted),
        (unit.objected && (!unit.overridden || policy.direct_marketing), Reason::Objected),
        (!policy.special_columns.is_empty() && (basis.art9.is_none() || basis.art9 != policy.art9), Reason::NoArt9Condition),
        (consent && young(policy.child_age) && !basis.guardian, Reason::ChildWithoutGuardian),
        (consent && policy.for_children && unit.age.is_none(), Reason::AgeUnknown),
        (passes_on && (unit.opted_out || (young(policy.opt_in_age) && !unit.opted_in)), Reason::OptedOut),
        (unit.limited && !policy.special_columns.is_empty(), Reason::Limited),
    ];
    tried.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
}

/// SHA-256 of a value's JSON. Fields keep their order and maps are sorted, so that equal values give equal digests.
pub(crate) fn digest(value: &impl Serialize) -> String {
    // Straight into the hash: the facts of a million units are hundreds of megabytes of text.
    let mut hash = Sha256::new();
    let mut buffered = std::io::BufWriter::with_capacity(1 << 16, &mut hash);
    serde_json::to_writer(&mut buffered, value).expect("plain data has JSON, and a hash takes all of it");
    std::io::Write::flush(&mut buffered).expect("a hash takes all of it");
    drop(buffered);
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests;
