//! What an erasure record says.

use super::{Error, commitment, log_entry};
use crate::Certificate;
use crate::log::{Hash, InclusionProof};
use serde::{Deserialize, Serialize};

/// One unit taken out of what a workspace holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// Number of the request in its workspace, from 1.
    pub request: u64,
    /// When the record was made, RFC 3339.
    pub at: String,
    /// HMAC-SHA-256 of the unit's pseudonym under a random salt that is not in the record, in hexadecimal: nobody can test a guess.
    pub subject_commitment: String,
    /// Ground: the letter of GDPR Art 17(1), `a` to `f`.
    pub reason: char,
    /// What was removed, store by store.
    pub stores: Vec<Store>,
    /// Ledger events emptied; the same number stands in the log's entry.
    pub events: u64,
    /// What became of each model that was trained while the unit was there.
    pub models: Vec<ModelChange>,
    /// Releases that are no longer served; their weights are deleted.
    pub recalled: Vec<String>,
    /// What recognises the unit when it is imported again.
    pub suppression: Suppression,
    /// Recipients who were told (Art 19).
    pub recipients_notified: Vec<String>,
    /// What an exception of Art 17(3) keeps.
    pub exceptions: Vec<String>,
    /// What is left, and why. Never empty.
    pub left: Vec<Left>,
    /// What the record does not prove.
    pub does_not_prove: Vec<String>,
    /// The log's entry about this erasure.
    pub log: LogEntry,
    /// What became of each model that units can be taken out of and that had learned from the unit.
    #[serde(default)]
    pub removals: Vec<Removal>,
}

/// What a request meant for a model that units can be taken out of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// Its name.
    pub model: String,
    /// Whether the unit was taken out, or the model withdrawn.
    pub outcome: Outcome,
    /// Why the model must be trained again, where it must.
    pub why: Option<String>,
    /// Record of all removals from the model so far; this one is the last of it if the unit was taken out.
    pub record: Certificate,
}

/// What became of a model that units can be taken out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The unit was taken out of it: (ε, δ)-certified, under the assumptions in the record.
    Removed,
    /// Its weights are gone from the workspace, the unit with them.
    RetrainRequired,
}

/// One store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// What: `table visits/v1`, `ledger`.
    pub store: String,
    /// Rows of the unit that were there.
    pub rows: u64,
    /// Whether the store was read again afterwards and holds none.
    pub verified_absent: bool,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelChange {
    /// The release that was recalled, `risk/1`.
    pub before: String,
    /// The release that takes its place; none where the model was not trained again.
    pub after: Option<String>,
    /// How: `retrained without the unit`, or why not.
    pub method: String,
    /// What may be said of all releases of the data set together.
    pub statement: Option<Statement>,
}

/// A bound with all that makes it one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Proved upper bound.
    pub epsilon: f64,
    /// Its δ.
    pub delta: f64,
    /// `add or remove one unit`.
    pub neighbours: String,
    /// The releases it holds for together.
    pub joint: Vec<String>,
}

/// The list that recognises an erased unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppression {
    /// Whether an entry is kept.
    pub kept: bool,
    /// Why.
    pub why: String,
}

/// Something the erasure did not reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Left {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Left {
    /// A list of what is left.
    ///
    /// # Errors
    /// [`Error::NothingLeft`] for an empty list, or one with an empty text.
    pub fn all<'a>(items: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Vec<Self>, Error> {
        let all: Vec<Self> = items.into_iter().map(|(what, why)| Self { what: what.into(), why: why.into() }).collect();
        Self::check(&all).map(|()| all)
    }

    pub(super) fn check(all: &[Self]) -> Result<(), Error> {
        let empty = all.is_empty() || all.iter().any(|l| l.what.trim().is_empty() || l.why.trim().is_empty());
        if empty { Err(Error::NothingLeft) } else { Ok(()) }
    }
}

/// The erasure's entry in the log, with all that is needed to check it without the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    /// Name of the log.
    pub origin: String,
    /// Position of the entry, from 0.
    pub index: u64,
    /// What the entry's commitment opens to: counts, and no name.
    pub opening: Opening,
    /// Siblings from the entry up to the root, in hexadecimal.
    pub hashes: Vec<String>,
    /// The signed checkpoint they lead to.
    pub checkpoint: String,
}

/// An event as it stood when it was committed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Its number in the ledger, from 1.
    pub seq: i64,
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub actor: String,
    /// Its JSON.
    pub body: String,
    /// The nonce, in hexadecimal.
    pub nonce: String,
}

impl Opening {
    /// The log entry it opens; `None` where the nonce is not hexadecimal.
    #[must_use]
    pub fn entry(&self) -> Option<Vec<u8>> {
        let nonce = hex::decode(&self.nonce).ok()?;
        let commitment = commitment(&[0; 32], &nonce, self.seq, &self.at, &self.actor, &self.body);
        Some(log_entry(self.seq, KIND, &commitment))
    }
}

/// Kind of the event that an erasure leaves in the ledger.
pub(super) const KIND: &str = "subject-erased";

impl LogEntry {
    /// The opened entry and its proof.
    #[must_use]
    pub fn new(opening: Opening, proof: &InclusionProof) -> Self {
        Self {
            origin: proof.checkpoint.unverified().origin.clone(),
            index: proof.index,
            opening,
            hashes: proof.hashes.iter().map(ToString::to_string).collect(),
            checkpoint: proof.checkpoint.to_string(),
        }
    }

    pub(super) fn proof(&self) -> Result<InclusionProof, Error> {
        let wrong = || Error::Statement { why: "a hash of its log entry is not 32 bytes in hexadecimal" };
        let hash = |text: &String| {
            let mut hash = [0; 32];
            hex::decode_to_slice(text, &mut hash).map_err(|_| wrong())?;
            Ok(Hash(hash))
        };
        if self.hashes.len() > 64 {
            return Err(Error::Statement { why: "its log entry has more hashes than a tree is high" });
        }
        let hashes = self.hashes.iter().map(hash).collect::<Result<_, Error>>()?;
        Ok(InclusionProof { index: self.index, hashes, checkpoint: self.checkpoint.parse()? })
    }
}
