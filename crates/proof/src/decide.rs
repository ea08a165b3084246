//! May these rows be used for this purpose, now? A pure function of policy, facts and request.
//!
//! [`decide`] reads no clock, no file and no database, so an outsider who holds its three inputs gets the same decision to the byte.
//! It fails closed: a unit about which nothing is recorded has no basis, and a reason that the policy does not list under
//! [`Policy::exclude`] refuses the whole request instead of silently thinning it.

use crate::permit::{Permit, Use};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What the controller has declared for a purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// Flags that are not set are left out, so that an older policy keeps its digest.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// What is on record when the question is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What is on record about one unit, for the purpose asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// The latest recorded state of a unit's basis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasisFacts {
    /// Given, refused or withdrawn.
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
}

/// State of a recorded basis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BasisState {
    /// In force.
    Given,
    /// Asked for and refused.
    Refused,
    /// Given once, withdrawn since.
    Withdrawn,
}

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
}

/// Why a unit cannot take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Nothing is recorded.
    NoRecord,
    /// The basis was withdrawn.
    Withdrawn,
    /// The basis was refused.
    Refused,
    /// The basis is recorded for a time that has not come.
    FutureDated,
    /// The basis has run out.
    Expired,
    /// The basis was given under a notice that no longer counts.
    ExpiredNotice,
    /// Another letter of Art 6 than the purpose declares.
    OtherBasis,
    /// Art 18.
    Restricted,
    /// Art 21.
    Objected,
    /// A column reveals a special category and the unit has no Art 9 condition that the purpose declares.
    #[serde(rename = "no-art9-condition")]
    NoArt9Condition,
}

impl Reason {
    /// All reasons, in the order in which they are tried.
    pub const ALL: [Self; 10] = [
        Self::NoRecord,
        Self::Withdrawn,
        Self::Refused,
        Self::FutureDated,
        Self::Expired,
        Self::ExpiredNotice,
        Self::OtherBasis,
        Self::Restricted,
        Self::Objected,
        Self::NoArt9Condition,
    ];

    /// The name used in files and JSON, `no-art9-condition`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoRecord => "no-record",
            Self::Withdrawn => "withdrawn",
            Self::Refused => "refused",
            Self::FutureDated => "future-dated",
            Self::Expired => "expired",
            Self::ExpiredNotice => "expired-notice",
            Self::OtherBasis => "other-basis",
            Self::Restricted => "restricted",
            Self::Objected => "objected",
            Self::NoArt9Condition => "no-art9-condition",
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NoRecord => "no basis on record",
            Self::Withdrawn => "consent withdrawn",
            Self::Refused => "consent refused",
            Self::FutureDated => "basis dated in the future",
            Self::Expired => "consent expired",
            Self::ExpiredNotice => "given under a notice that no longer counts",
            Self::OtherBasis => "recorded under another legal basis",
            Self::Restricted => "processing restricted (Art 18)",
            Self::Objected => "objection (Art 21)",
            Self::NoArt9Condition => "no Art 9 condition for special-category columns",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.name() == name)
    }
}

/// How many units and rows a reason concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Units of privacy.
    pub units: u64,
    /// Their rows.
    pub records: u64,
}

/// A rule that refuses the whole request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum Refusal {
    /// The request names another purpose than the policy.
    OtherPurpose,
    /// The purpose declares no Art 6 basis.
    NoBasisDeclared,
    /// Legitimate interest (Art 6(1)(f)) needs an approved assessment, and none is recorded.
    LegitimateInterestUnassessed,
    /// The assessment of the legitimate interest has run out.
    LegitimateInterestExpired,
    /// Columns reveal a special category, and no legitimate interest covers those.
    LegitimateInterestOverSpecial {
        /// The columns.
        columns: Vec<String>,
    },
    /// No legitimate interest covers private messages.
    PrivateMessages,
    /// Nothing is trained on private messages unless the purpose says so.
    NoTrainDefault,
    /// No impact assessment was opened for this purpose and data set.
    NoAssessment,
    /// The data set is quarantined: no basis event is known for it.
    Quarantined,
    /// Columns reveal a special category and the purpose declares no Art 9 condition.
    NoConditionDeclared {
        /// The columns.
        columns: Vec<String>,
    },
    /// Units cannot take part for a reason that the policy does not exclude.
    Units {
        /// The reason.
        reason: Reason,
        /// How many.
        count: Count,
    },
    /// Nobody is left.
    NobodyLeft,
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
/// let policy = Policy { purpose: "risk".into(), art6: Some('a'), art9: None, notices: ["v1".to_string()].into(), special_columns: vec![], exclude: [Reason::Withdrawn].into(),
///     private_messages: false, train_on_messages: false };
/// let unit = |name: &str, state| UnitFacts {
///     unit: name.into(), records: 2, restricted: false, objected: false,
///     basis: Some(BasisFacts { state, art6: 'a', art9: None, notice: "v1".into(), since: 10, expires: None }),
/// };
/// let facts = Facts { data_version: "visits/v1".into(), assessment: Some(3), events_known: true, legitimate_interest: None, units: vec![unit("a", BasisState::Given), unit("b", BasisState::Withdrawn)] };
/// let request = Request { purpose: "risk".into(), use_: Use::Training, data_version: "visits/v1".into(), at: 20 };
/// let (decision, permit) = decide(&policy, &facts, &request);
/// assert!(decision.allowed);
/// assert_eq!(decision.excluded[&Reason::Withdrawn].records, 2);
/// assert_eq!(permit.unwrap().allowed_units().unwrap(), ["a"]);
/// ```
#[must_use]
pub fn decide(policy: &Policy, facts: &Facts, request: &Request) -> (Decision, Option<Permit>) {
    let mut refusals = vec![];
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
    let mut admitted = Count::default();
    let mut left_out: BTreeMap<Reason, Count> = BTreeMap::new();
    let mut units = vec![];
    for unit in &facts.units {
        let count = match reason(policy, unit, request.at) {
            Some(reason) => left_out.entry(reason).or_default(),
            None => {
                units.push(unit.unit.clone());
                &mut admitted
            }
        };
        count.units += 1;
        count.records += unit.records;
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

fn reason(policy: &Policy, unit: &UnitFacts, now: i64) -> Option<Reason> {
    let Some(basis) = &unit.basis else { return Some(Reason::NoRecord) };
    let tried = [
        (basis.state == BasisState::Withdrawn, Reason::Withdrawn),
        (basis.state == BasisState::Refused, Reason::Refused),
        (basis.since > now, Reason::FutureDated),
        (basis.expires.is_some_and(|end| end <= now), Reason::Expired),
        (!policy.notices.contains(&basis.notice), Reason::ExpiredNotice),
        (Some(basis.art6) != policy.art6, Reason::OtherBasis),
        (unit.restricted, Reason::Restricted),
        (unit.objected, Reason::Objected),
        (!policy.special_columns.is_empty() && (basis.art9.is_none() || basis.art9 != policy.art9), Reason::NoArt9Condition),
    ];
    tried.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
}

/// SHA-256 of a value's JSON. Fields keep their order and maps are sorted, so that equal values give equal digests.
pub(crate) fn digest(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value).expect("plain data has JSON");
    hex::encode(Sha256::digest(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy {
            purpose: "risk".into(),
            art6: Some('a'),
            art9: Some('a'),
            notices: ["2026-1".to_owned()].into(),
            special_columns: vec!["disease".into()],
            exclude: Reason::ALL.into(),
            private_messages: false,
            train_on_messages: false,
        }
    }

    fn unit(name: &str) -> UnitFacts {
        UnitFacts {
            unit: name.into(),
            records: 3,
            basis: Some(BasisFacts {
                state: BasisState::Given,
                art6: 'a',
                art9: Some('a'),
                notice: "2026-1".into(),
                since: 100,
                expires: Some(900),
            }),
            restricted: false,
            objected: false,
        }
    }

    fn facts(units: Vec<UnitFacts>) -> Facts {
        Facts { data_version: "visits/v1".into(), assessment: Some(1), events_known: true, legitimate_interest: None, units }
    }

    fn request() -> Request {
        Request { purpose: "risk".into(), use_: Use::Training, data_version: "visits/v1".into(), at: 500 }
    }

    #[track_caller]
    fn check_reason(change: impl Fn(&mut UnitFacts), expected: Reason) {
        let mut changed = unit("b");
        change(&mut changed);
        let (decision, permit) = decide(&policy(), &facts(vec![unit("a"), changed.clone()]), &request());
        assert_eq!(decision.excluded, [(expected, Count { units: 1, records: 3 })].into());
        assert_eq!(permit.unwrap().allowed_units().unwrap(), ["a"]);
        // Not listed under `exclude`: the same unit refuses the whole request.
        let strict = Policy { exclude: BTreeSet::new(), ..policy() };
        let (decision, permit) = decide(&strict, &facts(vec![unit("a"), changed]), &request());
        assert_eq!(decision.refusals, [Refusal::Units { reason: expected, count: Count { units: 1, records: 3 } }]);
        assert!(permit.is_none());
    }

    #[test]
    fn every_reason_excludes_or_refuses() {
        let basis = |f: fn(&mut BasisFacts)| move |u: &mut UnitFacts| f(u.basis.as_mut().unwrap());
        check_reason(|u| u.basis = None, Reason::NoRecord);
        check_reason(basis(|b| b.state = BasisState::Withdrawn), Reason::Withdrawn);
        check_reason(basis(|b| b.state = BasisState::Refused), Reason::Refused);
        check_reason(basis(|b| b.since = 501), Reason::FutureDated);
        check_reason(basis(|b| b.expires = Some(500)), Reason::Expired);
        check_reason(basis(|b| b.notice = "2025-1".into()), Reason::ExpiredNotice);
        check_reason(basis(|b| b.art6 = 'b'), Reason::OtherBasis);
        check_reason(|u| u.restricted = true, Reason::Restricted);
        check_reason(|u| u.objected = true, Reason::Objected);
        check_reason(basis(|b| b.art9 = None), Reason::NoArt9Condition);
        check_reason(basis(|b| b.art9 = Some('j')), Reason::NoArt9Condition);
    }

    #[track_caller]
    fn check_refusal(policy: &Policy, facts: &Facts, request: &Request, expected: &Refusal) {
        let (decision, permit) = decide(policy, facts, request);
        assert!(decision.refusals.contains(expected), "{:?}", decision.refusals);
        assert!(permit.is_none());
    }

    #[test]
    fn gaps_refuse() {
        let one = || facts(vec![unit("a")]);
        check_refusal(&policy(), &one(), &Request { purpose: "ads".into(), ..request() }, &Refusal::OtherPurpose);
        check_refusal(&Policy { art6: None, ..policy() }, &one(), &request(), &Refusal::NoBasisDeclared);
        check_refusal(&Policy { art6: Some('f'), ..policy() }, &one(), &request(), &Refusal::LegitimateInterestUnassessed);
        check_refusal(
            &Policy { art9: None, ..policy() },
            &one(),
            &request(),
            &Refusal::NoConditionDeclared { columns: vec!["disease".into()] },
        );
        check_refusal(&policy(), &Facts { assessment: None, ..one() }, &request(), &Refusal::NoAssessment);
        check_refusal(&policy(), &Facts { events_known: false, ..one() }, &request(), &Refusal::Quarantined);
        check_refusal(&policy(), &facts(vec![]), &request(), &Refusal::NobodyLeft);
    }

    /// A purpose of legitimate interest, its assessment, and units to go with it.
    fn interested() -> (Policy, Facts) {
        let policy = Policy { art6: Some('f'), art9: None, special_columns: vec![], ..policy() };
        let mut unit = unit("a");
        unit.basis.as_mut().unwrap().art6 = 'f';
        (policy, Facts { legitimate_interest: Some(LegitimateInterest { event: 4, expires: 501 }), ..facts(vec![unit]) })
    }

    #[test]
    fn legitimate_interest_needs_an_approved_unexpired_assessment() {
        let (policy, good) = interested();
        assert!(decide(&policy, &good, &request()).0.allowed);
        let refusals = |facts: &Facts| decide(&policy, facts, &request()).0.refusals;
        assert_eq!(refusals(&Facts { legitimate_interest: None, ..good.clone() }), [Refusal::LegitimateInterestUnassessed]);
        let expired = Some(LegitimateInterest { event: 4, expires: 500 });
        assert_eq!(refusals(&Facts { legitimate_interest: expired, ..good.clone() }), [Refusal::LegitimateInterestExpired]);
        // An Art 9 condition on record does not mend it.
        let special = Policy { special_columns: vec!["disease".into()], art9: Some('a'), ..policy };
        let refused = Refusal::LegitimateInterestOverSpecial { columns: vec!["disease".into()] };
        assert_eq!(decide(&special, &good, &request()).0.refusals, [refused]);
        // An objection ends it for the unit at once.
        let mut objecting = good;
        objecting.units.push(UnitFacts { unit: "b".into(), objected: true, ..objecting.units[0].clone() });
        let (decision, permit) = decide(&interested().0, &objecting, &request());
        assert_eq!((decision.excluded[&Reason::Objected].units, permit.unwrap().allowed_units().unwrap().len()), (1, 1));
    }

    #[test]
    fn legitimate_interest_over_private_messages_is_denied_by_default() {
        let (policy, facts) = interested();
        for train_on_messages in [false, true] {
            let policy = Policy { private_messages: true, train_on_messages, ..policy.clone() };
            for use_ in [Use::Training, Use::Release, Use::Audit, Use::Explanation, Use::Selection, Use::Removal] {
                check_refusal(&policy, &facts, &Request { use_, ..request() }, &Refusal::PrivateMessages);
            }
        }
    }

    #[test]
    fn messages_are_not_trained_on_by_default() {
        let messages = Policy { private_messages: true, ..policy() };
        let one = facts(vec![unit("a")]);
        for use_ in [Use::Training, Use::Release, Use::Selection, Use::Removal] {
            let request = Request { use_, ..request() };
            assert_eq!(decide(&messages, &one, &request).0.refusals, [Refusal::NoTrainDefault]);
            assert!(decide(&Policy { train_on_messages: true, ..messages.clone() }, &one, &request).0.allowed);
            // Without messages the flag says nothing.
            assert!(decide(&policy(), &one, &request).0.allowed);
        }
    }

    /// A policy or facts without the newer fields keep the digests that old decisions and permits hold.
    #[test]
    fn unset_flags_leave_digests_as_they_were() {
        let json = serde_json::to_string(&policy()).unwrap();
        let before = r#"{"purpose":"risk","art6":"a","art9":"a","notices":["2026-1"],"special_columns":["disease"],"exclude":["#;
        assert!(json.starts_with(before) && json.ends_with(r#""no-art9-condition"]}"#), "{json}");
        let json = serde_json::to_string(&facts(vec![])).unwrap();
        assert_eq!(json, r#"{"data_version":"visits/v1","assessment":1,"events_known":true,"units":[]}"#);
        assert_eq!(serde_json::from_str::<Facts>(&json).unwrap(), facts(vec![]));
        assert_ne!(digest(&policy()), digest(&Policy { private_messages: true, ..policy() }));
    }

    #[test]
    fn replay_gives_the_same_bytes() {
        let facts = facts(vec![unit("a"), UnitFacts { restricted: true, ..unit("b") }]);
        let bytes = |f: &Facts| serde_json::to_vec(&decide(&policy(), f, &request()).0).unwrap();
        let reread: Facts = serde_json::from_slice(&serde_json::to_vec(&facts).unwrap()).unwrap();
        assert_eq!(bytes(&facts), bytes(&reread));
    }
}
