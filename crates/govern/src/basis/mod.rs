//! Consent and its kin: events about one unit and one purpose, where they come from, and the state they add up to.

mod csv;
mod dpv;
mod kantara;
mod read;
mod record;
mod state;
mod strict_json;
mod turtle;

pub use self::csv::{read_basis_csv, write_basis_csv};
pub use dpv::{read_dpv_records, write_dpv_record};
pub use kantara::{read_kantara_receipts, write_kantara_receipt};
pub use read::{PurposeName, Reading, Received, decode, same_iri};
pub use strict_json::{read_basis_json, strict};

pub(crate) use read::seconds;
pub(crate) use record::BasisRow;
pub(crate) use state::{Kept, State};

use serde::{Deserialize, Serialize};

/// What happened to a unit's basis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BasisKind {
    /// Consent given, or another basis recorded.
    Given,
    /// Consent asked for and refused.
    Refused,
    /// Consent withdrawn.
    Withdrawn,
    /// Processing restricted (Art 18).
    Restricted,
    /// Restriction lifted.
    Unrestricted,
    /// Objection (Art 21).
    Objected,
    /// Consent given again before it ran out.
    Renewed,
    /// Consent run out, said so by whoever keeps it.
    Expired,
    /// Consent found to be without effect.
    Invalidated,
    /// Basis ended by the controller or an authority.
    Revoked,
    /// Consent asked for.
    Requested,
    /// The answer put off.
    RequestDeferred,
    /// Nobody knows.
    Unknown,
    /// Informed of a legitimate interest: it counts for this unit from then on.
    Informed,
    /// Not informed of it.
    Uninformed,
    /// Compelling grounds recorded against an objection (Art 21(1)); never for direct marketing.
    Overridden,
    /// Opted out of sale and sharing (CCPA; a browser's Global Privacy Control).
    OptedOut,
    /// Opted in to them.
    OptedIn,
    /// Use of sensitive columns limited (CCPA).
    Limited,
    /// No longer.
    Unlimited,
}

impl BasisKind {
    const ALL: [(Self, &str); 20] = [
        (Self::Given, "given"),
        (Self::Refused, "refused"),
        (Self::Withdrawn, "withdrawn"),
        (Self::Restricted, "restricted"),
        (Self::Unrestricted, "unrestricted"),
        (Self::Objected, "objected"),
        (Self::Renewed, "renewed"),
        (Self::Expired, "expired"),
        (Self::Invalidated, "invalidated"),
        (Self::Revoked, "revoked"),
        (Self::Requested, "requested"),
        (Self::RequestDeferred, "request-deferred"),
        (Self::Unknown, "unknown"),
        (Self::Informed, "informed"),
        (Self::Uninformed, "uninformed"),
        (Self::Overridden, "overridden"),
        (Self::OptedOut, "opted-out"),
        (Self::OptedIn, "opted-in"),
        (Self::Limited, "limited"),
        (Self::Unlimited, "unlimited"),
    ];

    /// The name used in files, `request-deferred`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).expect("all kinds are listed").1
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(kind, _)| *kind)
    }

    /// Whether it puts a basis in force: notice and letter are needed then.
    fn gives(self) -> bool {
        matches!(self, Self::Given | Self::Renewed | Self::Informed)
    }

    /// Whether it may be said of all purposes at once, as `*`: nothing that gives anything.
    fn may_be_general(self) -> bool {
        matches!(
            self,
            Self::Withdrawn
                | Self::Restricted
                | Self::Unrestricted
                | Self::Objected
                | Self::Revoked
                | Self::OptedOut
                | Self::OptedIn
                | Self::Limited
                | Self::Unlimited
        )
    }
}

/// Stands for all purposes.
pub const ALL_PURPOSES: &str = "*";

/// One event about one unit's basis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasisEvent {
    /// Data set.
    pub dataset: String,
    /// Keyed pseudonym of the unit.
    pub subject: String,
    /// Purpose; `*` for all, where nothing is given.
    pub purpose: String,
    /// What happened.
    pub state: BasisKind,
    /// When it took effect, seconds since 1970.
    pub since: i64,
    /// Letter of Art 6(1); required where the state is `given`.
    pub art6: Option<char>,
    /// Letter of Art 9(2).
    pub art9: Option<char>,
    /// Version of the notice; required where the state is `given`.
    pub notice: Option<String>,
    /// When it ends, seconds since 1970.
    pub expires: Option<i64>,
    /// What else was said; nothing in events of earlier programs.
    #[serde(default, flatten, skip_serializing_if = "BasisDetail::is_empty")]
    pub detail: BasisDetail,
}

/// What a record of a basis may say beyond the basis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasisDetail {
    /// Language in which the notice was shown, `de`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Age of the unit then, in years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<u8>,
    /// How the consent of somebody with parental responsibility was verified; a child's own word has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardian: Option<String>,
    /// Keyed digest of the receipt's number: the same receipt again says nothing new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

impl BasisDetail {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What an import of basis events wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Events written.
    pub written: u64,
    /// Events that were on record already.
    pub known: u64,
}
