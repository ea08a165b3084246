//! Values put right (Art 16): a data version is written again with them, and a later import of the same file gets them again.

use super::{File, Subject};
use crate::data_version::correct;
use crate::disk;
use crate::failure::Failure;
use crate::workspace::Workspace;
use reticent_data::{Correction, Table};
use reticent_govern::Event;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What was put right, kept so that it stays so.
#[derive(Serialize, Deserialize)]
struct Kept {
    subject: Subject,
    correction: Correction,
}

/// Puts the values right and says what was done. Models that learned from the wrong ones become a task for people.
pub(super) fn put_right(workspace: &mut Workspace, file: &File, subject: &Subject) -> Result<Vec<String>, Failure> {
    let Some((manifest, values)) = correct(workspace, &subject.dataset, subject.pseudonym, &file.corrections, file.number)? else {
        return Ok(vec![]);
    };
    let mut kept = load(workspace)?;
    for correction in &file.corrections {
        kept.retain(|k| k.subject != *subject || (&k.correction.record, &k.correction.column) != (&correction.record, &correction.column));
        kept.push(Kept { subject: subject.clone(), correction: correction.clone() });
    }
    save(workspace, &kept)?;
    let mut done = vec![format!("{} of {} put right, in {manifest}", counted(values, "value"), subject.dataset)];
    let recalled = workspace.ledger.recalled()?;
    let learned = workspace.ledger.contains_unit(&subject.pseudonym.to_string())?.into_iter().map(|(about, _)| about);
    let released = workspace.ledger.events("model-released")?;
    let is_release = |name: &String| released.iter().any(|s| matches!(&s.event, Event::ModelReleased(r) if r.model == *name));
    let models: Vec<String> = learned.filter(|name| is_release(name) && !recalled.contains(name)).collect();
    if !models.is_empty() && values > 0 {
        let task = 1 + workspace.ledger.events("task-opened")?.len() as u64;
        done.push(format!("task {task}: {} learned from the wrong values", models.join(", ")));
        workspace.append(&Event::TaskOpened { task, dataset: subject.dataset.clone(), models, units: 1, because: vec![] })?;
    }
    Ok(done)
}

/// The table with what was put right before, and how many values that changed.
pub(crate) fn reapply(workspace: &Workspace, dataset: &str, table: Table) -> Result<(Table, u64), Failure> {
    let (mut table, mut changed) = (table, 0);
    for Kept { subject, correction } in load(workspace)? {
        let is_there = (0..table.rows()).any(|r| table.subjects()[r] == subject.pseudonym && table.records()[r] == correction.record);
        // A record that the source no longer has needs no correction; one that no longer fits the declaration is told.
        if subject.dataset == dataset && is_there {
            let (right, values) = table.corrected(subject.pseudonym, std::slice::from_ref(&correction))?;
            (table, changed) = (right, changed + values);
        }
    }
    Ok((table, changed))
}

/// Removes what is kept of a person.
pub(crate) fn forget(workspace: &Workspace, subject: &Subject) -> Result<(), Failure> {
    let mut kept = load(workspace)?;
    let before = kept.len();
    kept.retain(|k| k.subject != *subject);
    match kept.len() {
        same if same == before => Ok(()),
        0 => disk::shred(&path(workspace)),
        _ => {
            disk::shred(&path(workspace))?;
            save(workspace, &kept)
        }
    }
}

fn load(workspace: &Workspace) -> Result<Vec<Kept>, Failure> {
    let path = path(workspace);
    if !path.exists() {
        return Ok(vec![]);
    }
    serde_json::from_str(&disk::read_text(&path)?)
        .map_err(|_| Failure::failed(format!("{} is damaged", path.display())).hint("bring it back from where you keep a copy"))
}

fn save(workspace: &Workspace, kept: &[Kept]) -> Result<(), Failure> {
    disk::write_private(&path(workspace), serde_json::to_string(kept).expect("plain data has JSON").as_bytes())
}

fn path(workspace: &Workspace) -> PathBuf {
    workspace.hidden("corrections.json")
}

pub(super) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{} {noun}s", crate::output::thousands(count)) }
}
