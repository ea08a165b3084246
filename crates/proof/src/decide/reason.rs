//! Why a unit cannot take part, and which rule refuses a whole request.

use serde::{Deserialize, Serialize};

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
    /// The consent was found to be without effect.
    Invalidated,
    /// The controller or an authority ended the basis.
    Revoked,
    /// Asked for and not answered, or put off.
    NotAnswered,
    /// On record, and nobody knows as what.
    UnknownState,
    /// A legitimate interest of which the unit was not told (Art 13, 14).
    Uninformed,
    /// Consent was withdrawn, and another basis was put in its place afterwards.
    BasisSwapped,
    /// The purpose was declared after the basis was given.
    PurposeAddedLater,
    /// The basis is for another purpose, and nothing on record lets it be reused for this one (Art 6(4)).
    NotCompatible,
    /// A child below the age of consent, and nobody with parental responsibility gave or authorised it (Art 8).
    ChildWithoutGuardian,
    /// The purpose is offered to children and the unit's age is on no record.
    AgeUnknown,
    /// Opted out of sale and sharing (CCPA, Global Privacy Control), or a child who did not opt in.
    OptedOut,
    /// Limited the use of sensitive columns (CCPA).
    Limited,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 22] = [
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
        Self::Invalidated,
        Self::Revoked,
        Self::NotAnswered,
        Self::UnknownState,
        Self::Uninformed,
        Self::BasisSwapped,
        Self::PurposeAddedLater,
        Self::NotCompatible,
        Self::ChildWithoutGuardian,
        Self::AgeUnknown,
        Self::OptedOut,
        Self::Limited,
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
            Self::Invalidated => "invalidated",
            Self::Revoked => "revoked",
            Self::NotAnswered => "not-answered",
            Self::UnknownState => "unknown-state",
            Self::Uninformed => "uninformed",
            Self::BasisSwapped => "basis-swapped",
            Self::PurposeAddedLater => "purpose-added-later",
            Self::NotCompatible => "not-compatible",
            Self::ChildWithoutGuardian => "child-without-guardian",
            Self::AgeUnknown => "age-unknown",
            Self::OptedOut => "opted-out",
            Self::Limited => "limited",
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
            Self::Invalidated => "consent invalidated",
            Self::Revoked => "basis revoked",
            Self::NotAnswered => "consent asked for and not answered",
            Self::UnknownState => "state of the consent unknown",
            Self::Uninformed => "not informed of the legitimate interest",
            Self::BasisSwapped => "another basis put in place of a withdrawn consent",
            Self::PurposeAddedLater => "purpose declared after the basis was given",
            Self::NotCompatible => "basis for another purpose, and no compatibility test that lets it be reused (Art 6(4))",
            Self::ChildWithoutGuardian => "child without a guardian's recorded consent (Art 8)",
            Self::AgeUnknown => "age unknown, for a purpose that is offered to children",
            Self::OptedOut => "opted out of sale and sharing, or a child who did not opt in",
            Self::Limited => "use of sensitive columns limited",
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
    /// The request names no purpose.
    EmptyPurpose,
    /// The purpose is declared nowhere.
    UnknownPurpose,
    /// Columns hold criminal convictions or offences (Art 10) and the purpose names no law that permits their use.
    NoLawReference {
        /// The columns.
        columns: Vec<String>,
    },
    /// Columns without declared purposes in a data set whose columns have them.
    ColumnWithoutPurpose {
        /// The columns.
        columns: Vec<String>,
    },
    /// Columns that were collected for other purposes.
    ColumnForOtherPurpose {
        /// The columns.
        columns: Vec<String>,
    },
    /// The rows are older than they may be kept.
    RetentionOver {
        /// Until when they could be used, seconds since 1970.
        until: i64,
    },
}
