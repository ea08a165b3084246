//! Making a record, and checking one with nothing but its bytes and a public key.

use super::erasure::KIND;
use super::{Erasure, Error, Left, Outcome, PREDICATE_TYPE, Removal, envelope};
use crate::log::{SigningKey, VerifyingKey};
use crate::verify_removal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest file read as a record.
pub const MAX_BYTES: usize = 4 << 20;

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "_type")]
    type_: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Erasure,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    name: String,
    digest: BTreeMap<String, String>,
}

/// What a verification established, and what it did not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verified {
    /// The record.
    pub erasure: Erasure,
    /// What the workspace holds in place of what was removed: name and SHA-256.
    pub after: BTreeMap<String, String>,
    /// What was checked, a sentence each.
    pub checked: Vec<String>,
    /// What it does not prove, a sentence each.
    pub does_not_prove: Vec<String>,
}

/// Signs a record; `after` names what stands now in place of what was removed (data versions, models) with SHA-256 in hexadecimal.
///
/// # Errors
/// Whatever [`verify_record`] would find: no record leaves that would not be accepted.
pub fn sign_record(erasure: Erasure, after: &[(&str, &str)], key: &SigningKey) -> Result<Vec<u8>, Error> {
    let subject =
        |(name, digest): &(&str, &str)| Subject { name: (*name).to_owned(), digest: [("sha256".to_owned(), (*digest).to_owned())].into() };
    let statement = Statement {
        type_: STATEMENT_TYPE.into(),
        subject: after.iter().map(subject).collect(),
        predicate_type: PREDICATE_TYPE.into(),
        predicate: erasure,
    };
    let file = envelope::seal(&serde_json::to_vec(&statement).expect("plain data has JSON"), key);
    verify_record(&file, &key.verifying_key()).map(|_| file)
}

/// Checks a record: signature, statement, that something is said to be left, the log entry with its proof and checkpoint, and the counts.
///
/// # Errors
/// [`Error`] with the first thing that does not hold. No input panics.
pub fn verify_record(bytes: &[u8], key: &VerifyingKey) -> Result<Verified, Error> {
    let wrong = |why| Error::Statement { why };
    if bytes.len() > MAX_BYTES {
        return Err(Error::Envelope { why: "it is longer than a record can be" });
    }
    let payload = envelope::open(bytes, key)?;
    let statement: Statement = serde_json::from_slice(&payload).map_err(|_| wrong("it is not an erasure statement of this version"))?;
    if statement.type_ != STATEMENT_TYPE {
        return Err(wrong("it is not an in-toto Statement v1"));
    }
    if statement.predicate_type != PREDICATE_TYPE {
        return Err(wrong("its predicate is of another type"));
    }
    let mut after = BTreeMap::new();
    for Subject { name, digest } in statement.subject {
        let sha256 = digest.get("sha256").filter(|d| digest.len() == 1 && is_digest(d)).ok_or_else(|| wrong("a digest is not SHA-256"))?;
        after.insert(name, sha256.clone());
    }
    let erasure = statement.predicate;
    Left::check(&erasure.left)?;
    if !is_digest(&erasure.subject_commitment) {
        return Err(wrong("its commitment to the subject is not 32 bytes in hexadecimal"));
    }
    if !('a'..='f').contains(&erasure.reason) {
        return Err(wrong("its ground is no letter of Art 17(1)"));
    }
    check_models(&erasure)?;
    let removals = erasure.removals.iter().map(|r| check_removal(r, &erasure.subject_commitment)).collect::<Result<Vec<_>, _>>()?;
    let checkpoint = check_log(&erasure, key)?;
    let removed: u64 = erasure.stores.iter().fold(0, |sum, s| sum.saturating_add(s.rows));
    let absent = erasure.stores.iter().filter(|s| s.verified_absent).count();
    let mut checked = vec![
        format!("signed by {}", key.name()),
        format!("an erasure statement that says what is left ({} items)", erasure.left.len()),
        format!(
            "its entry is number {} of a log of {} entries, under a checkpoint signed by the same key",
            erasure.log.index + 1,
            checkpoint
        ),
        format!(
            "the entry committed to the same counts: {removed} rows and entries in {} stores, {} ledger events; {absent} stores read again",
            erasure.stores.len(),
            erasure.events
        ),
    ];
    checked.extend(removals);
    let mut does_not_prove = vec![
        "that what the workspace's owner recorded is true: the key that signs is theirs".to_owned(),
        "that no copy exists outside the listed stores: what is left is listed, and copies elsewhere cannot be seen".to_owned(),
        "that the log was not rewritten since: compare its checkpoint with one kept elsewhere".to_owned(),
        "whose record it is: the commitment opens only with the salt that was handed out once".to_owned(),
    ];
    if erasure.stores.len() > absent {
        does_not_prove
            .push(format!("that {} of the stores hold nothing any more: they were not read again", erasure.stores.len() - absent));
    }
    // What no removal claims is the same for all of them.
    if let Some(removal) = erasure.removals.first() {
        does_not_prove.extend(removal.record.non_claims.iter().map(|claim| format!("of the removal from a model: {claim}")));
    }
    does_not_prove.extend(erasure.does_not_prove.iter().cloned());
    Ok(Verified { erasure, after, checked, does_not_prove })
}

fn check_models(erasure: &Erasure) -> Result<(), Error> {
    let wrong = |why| Err(Error::Statement { why });
    for model in &erasure.models {
        if !erasure.recalled.contains(&model.before) {
            return wrong("a model was replaced that is not recalled");
        }
        if let Some(s) = &model.statement
            && !(s.epsilon >= 0.0 && s.delta > 0.0 && s.delta < 1.0 && !s.neighbours.is_empty() && !s.joint.is_empty())
        {
            return wrong("a bound lacks its δ, its neighbours or the releases it holds for");
        }
    }
    Ok(())
}

/// The record of a removal holds by itself and ends with the removal of this very subject; what was checked, in words.
fn check_removal(removal: &Removal, commitment: &str) -> Result<String, Error> {
    let Removal { model, outcome, why, record } = removal;
    let held = verify_removal(record).map_err(|why| Error::Removal { model: model.clone(), why })?;
    let last = record.removals.last().is_some_and(|step| step.commitment == commitment);
    match (outcome, why) {
        (Outcome::Removed, None) if last => Ok(format!(
            "{model}: {} removals within ε = {}, δ = {:e}, their residuals recomputed: {:.4} of {:.4} spent",
            held.removals, record.epsilon, record.delta, held.spent, held.budget
        )),
        (Outcome::RetrainRequired, Some(why)) if !last => Ok(format!("{model}: withdrawn, no removal is claimed: {why}")),
        _ => Err(Error::Statement { why: "a removal says of its model what its record does not" }),
    }
}

/// The entry opens to the record's own counts and stands under the checkpoint; its number of entries.
fn check_log(erasure: &Erasure, key: &VerifyingKey) -> Result<u64, Error> {
    let wrong = |why| Error::Statement { why };
    let log = &erasure.log;
    let entry = log.opening.entry().ok_or_else(|| wrong("the nonce of its log entry is not hexadecimal"))?;
    let proof = log.proof()?;
    let checkpoint = proof.check(&entry, key)?;
    if checkpoint.origin != log.origin || u64::try_from(log.opening.seq).ok() != log.index.checked_add(1) {
        return Err(wrong("its log entry is another's"));
    }
    let body: Value = serde_json::from_str(&log.opening.body).map_err(|_| wrong("its log entry opens to no event"))?;
    let rows = erasure.stores.iter().try_fold(0_u64, |sum, s| sum.checked_add(s.rows)).ok_or_else(|| wrong("its counts overflow"))?;
    if body["kind"] != KIND || body["erasure"].as_u64() != Some(erasure.request) {
        return Err(wrong("its log entry is about another erasure"));
    }
    let counted = body["rows"].as_u64().and_then(|r| r.checked_add(body["events"].as_u64()?));
    if body["events"].as_u64() != Some(erasure.events) || counted != Some(rows) {
        return Err(wrong("its counts are not those of its log entry"));
    }
    Ok(checkpoint.size)
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
