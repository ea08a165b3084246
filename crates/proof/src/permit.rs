//! The right to use rows: made by [`crate::decide`], or said aloud to be something else.

use crate::decide::{Decision, digest};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What rows are wanted for. Every use asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// Fitting a model, its internal twins and its test split.
    Training,
    /// The second look, inside the transaction that releases a model.
    Release,
    /// Attacks on a model: members, non-members, shadow models, canaries.
    Audit,
    /// The aggregated background of an explanation.
    Explanation,
    /// Choosing columns.
    Selection,
    /// Taking a unit out of a model: the rows that stay.
    Removal,
    /// Bringing a model in that was trained elsewhere.
    Registration,
    /// Answering questions with a model.
    Serving,
    /// Writing rows, or what was made of them, to somewhere else.
    Export,
    /// Giving rows to somebody for value (CCPA).
    Sale,
    /// Giving rows to somebody for advertising across contexts (CCPA).
    Sharing,
}

/// A right to use rows. Sealed: it comes from [`crate::decide`], or from a constructor whose name and stamp say that nobody decided.
#[derive(Clone)]
pub struct Permit {
    ground: Ground,
    data_version: Option<String>,
    units: Option<Arc<[String]>>,
    digest: String,
}

/// What a permit rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ground", rename_all = "kebab-case")]
pub enum Ground {
    /// The gate decided from recorded facts.
    Decided {
        /// Purpose it holds for.
        purpose: String,
        /// Use it holds for.
        #[serde(rename = "use")]
        use_: Use,
        /// SHA-256 of the policy.
        policy_digest: String,
        /// SHA-256 of the facts.
        facts_digest: String,
    },
    /// The rows are said to be public.
    Public {
        /// Who says so, and why.
        reason: String,
    },
    /// The caller takes it on themselves; nothing was checked.
    Asserted {
        /// What they said.
        reason: String,
    },
}

impl Permit {
    pub(crate) fn decided(decision: &Decision, units: Vec<String>) -> Self {
        let ground = Ground::Decided {
            purpose: decision.request.purpose.clone(),
            use_: decision.request.use_,
            policy_digest: decision.policy_digest.clone(),
            facts_digest: decision.facts_digest.clone(),
        };
        Self::new(ground, Some(decision.request.data_version.clone()), Some(units))
    }

    /// For rows that anyone may see. Stamps whatever is made from them.
    #[must_use]
    pub fn public(reason: &str) -> Self {
        Self::new(Ground::Public { reason: reason.into() }, None, None)
    }

    /// For a library user who answers for the basis, and for experiment mode. Stamps whatever is made from the rows.
    #[must_use]
    pub fn asserted(reason: &str) -> Self {
        Self::new(Ground::Asserted { reason: reason.into() }, None, None)
    }

    fn new(ground: Ground, data_version: Option<String>, units: Option<Vec<String>>) -> Self {
        // The clock is left out: the same rows on the same grounds are the same permit, so that an interrupted run can go on.
        let digest = digest(&match &ground {
            Ground::Decided { purpose, use_, policy_digest, .. } => serde_json::json!([purpose, use_, policy_digest, data_version, units]),
            Ground::Public { reason } => serde_json::json!(["public", reason]),
            Ground::Asserted { reason } => serde_json::json!(["asserted", reason]),
        });
        Self { ground, data_version, units: units.map(Into::into), digest }
    }

    /// What it rests on.
    #[must_use]
    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    /// The data version it is limited to, where it is.
    #[must_use]
    pub fn data_version(&self) -> Option<&str> {
        self.data_version.as_deref()
    }

    /// The units it is limited to, sorted, where it is.
    #[must_use]
    pub fn allowed_units(&self) -> Option<&[String]> {
        self.units.as_deref()
    }

    /// SHA-256 over purpose, use, policy, data version and units: equal permits allow the same rows on the same grounds.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What must be printed on everything made under this permit; `None` where the gate decided.
    #[must_use]
    pub fn stamp(&self) -> Option<String> {
        match &self.ground {
            Ground::Decided { .. } => None,
            Ground::Public { reason } => Some(format!("UNRELEASED: rows said to be public ({reason})")),
            Ground::Asserted { reason } => Some(format!("UNRELEASED: basis asserted, not checked ({reason})")),
        }
    }
}
