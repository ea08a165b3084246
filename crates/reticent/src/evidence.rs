//! What was measured, kept: a JSON file under `.reticent/evidence` and an event that holds its digest and the numbers documents cite.

use crate::disk;
use crate::failure::Failure;
use crate::workspace::Workspace;
use reticent_govern::Event;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Evidence as documents read it back.
pub(crate) struct Evidence {
    /// Ledger number of its event: what a number in a document links to.
    pub(crate) event: i64,
    /// The whole of it.
    pub(crate) body: Value,
}

/// Writes evidence durably, then its event. It must hold no personal value and no unit's pseudonym: an erasure does not rewrite it.
pub(crate) fn record(
    workspace: &mut Workspace,
    topic: &str,
    about: &str,
    body: &impl Serialize,
    numbers: BTreeMap<String, f64>,
) -> Result<i64, Failure> {
    let number = 1 + workspace.ledger.events("evidence-recorded")?.len();
    let file = format!("{topic}-{number}.json");
    let bytes = format!("{:#}\n", json!(body));
    let folder = workspace.hidden("evidence");
    disk::create_folder(&folder)?;
    disk::write(&folder.join(&file), bytes.as_bytes())?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    workspace.append(&Event::EvidenceRecorded { topic: topic.into(), about: about.into(), file, sha256, numbers })
}

/// What the newest evidence on a topic is about.
pub(crate) fn about(workspace: &mut Workspace, topic: &str) -> Result<Option<String>, Failure> {
    Ok(workspace.ledger.events("evidence-recorded")?.into_iter().rev().find_map(|stored| match stored.event {
        Event::EvidenceRecorded { topic: t, about, .. } if t == topic => Some(about),
        _ => None,
    }))
}

/// The newest evidence on a topic, about `about` where that is given; a file that is not what was recorded is refused.
pub(crate) fn newest(workspace: &mut Workspace, topic: &str, about: Option<&str>) -> Result<Option<Evidence>, Failure> {
    let found = workspace.ledger.events("evidence-recorded")?.into_iter().rev().find_map(|stored| match stored.event {
        Event::EvidenceRecorded { topic: t, about: a, file, sha256, .. } if t == topic && about.is_none_or(|about| about == a) => {
            Some((stored.seq, file, sha256))
        }
        _ => None,
    });
    let Some((event, file, sha256)) = found else { return Ok(None) };
    let text = disk::read_text(&workspace.hidden("evidence").join(&file))?;
    if hex::encode(Sha256::digest(&text)) != sha256 {
        return Err(Failure::refused(format!("{file} is not the evidence that was recorded"))
            .hint("bring .reticent/evidence back from where you keep a copy, or measure again"));
    }
    let body = serde_json::from_str(&text).map_err(|e| Failure::failed(format!("{file} is damaged: {e}")))?;
    Ok(Some(Evidence { event, body }))
}
