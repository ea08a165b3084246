//! What was taken out stays out: interrupted erasures are finished, and what a restored backup brings back is taken out again.

use super::{Intent, Request, begin, finish, intent_path, numbered, record_path};
use crate::data_version::{delete_unrecorded_tables, rows_of, tables_on_disk};
use crate::disk;
use crate::failure::Failure;
use crate::output::say;
use crate::suppression::Suppression;
use crate::verbs::train::run::own_losses;
use crate::workspace::Workspace;
use reticent_data::SubjectId;
use reticent_govern::Event;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Whether something must be finished or taken out again before this workspace is read.
pub(crate) fn is_due(workspace: &mut Workspace) -> Result<bool, Failure> {
    Ok(!returned(workspace)?.is_empty()
        || ((!numbered(workspace, ".intent").is_empty()
            || !crate::request::returned(workspace)?.is_empty()
            || !returned_files(workspace)?.is_empty())
            && workspace.is_unlocked()))
}

/// Takes units on the list out of a ledger that will be refused for being behind its checkpoint: nobody may read them there meanwhile.
pub(crate) fn empty_what_is_refused(workspace: &mut Workspace) -> Result<(), Failure> {
    for (_, pseudonym, _) in returned(workspace)? {
        workspace.ledger.empty_subject(&pseudonym.to_string())?;
    }
    Ok(())
}

/// Finishes interrupted erasures, then takes out again whoever came back.
pub(crate) fn resume(workspace: &mut Workspace) -> Result<(), Failure> {
    for dataset in workspace.config.data.keys().cloned().collect::<Vec<_>>() {
        delete_unrecorded_tables(workspace, &dataset)?;
    }
    for number in numbered(workspace, ".intent") {
        let path = intent_path(workspace, number);
        // Without its intent nobody knows any more who it was; with a record it is done.
        if record_path(workspace, number).exists() {
            disk::shred(&path)?;
            continue;
        }
        let intent: Intent = serde_json::from_str(&disk::read_text(&path)?).map_err(|_| {
            Failure::failed(format!("{} is damaged", path.display())).hint("ask for the erasure again, and remove the file")
        })?;
        say(format!("finishing erasure {number}, which was interrupted"));
        finish(workspace, &intent)?;
    }
    for (dataset, pseudonym, ground) in returned(workspace)? {
        erase_again(workspace, dataset, pseudonym, ground)?;
    }
    for file in returned_files(workspace)? {
        disk::shred(&file)?;
    }
    for number in crate::request::returned(workspace)? {
        crate::request::remove(workspace, number)?;
    }
    Ok(())
}

/// Takes whoever is on the list out of the newest version of a data set, where a restored file brought them back.
pub(crate) fn reapply_to_data(workspace: &mut Workspace, dataset: &str) -> Result<(), Failure> {
    let list = Suppression::load(&workspace.dir)?;
    if list.is_empty() {
        return Ok(());
    }
    let mut found = BTreeSet::new();
    if let Some((version, _)) = tables_on_disk(workspace, dataset)?.pop() {
        // `rows_of` hands over each row's unit: those on the list are noted.
        let noted = std::cell::RefCell::new(&mut found);
        rows_of(workspace, &version, |id| list.holds_id(dataset, id) && noted.borrow_mut().insert(id))?;
    }
    if !found.is_empty() && !workspace.is_writer() {
        return Err(
            Failure::refused(format!("`{dataset}` holds units that were taken out before")).hint("`reticent import` takes them out again")
        );
    }
    for pseudonym in found {
        let ground = list.ground(dataset, &pseudonym.to_string()).unwrap_or('b');
        erase_again(workspace, dataset.to_owned(), pseudonym, ground)?;
    }
    Ok(())
}

fn erase_again(workspace: &mut Workspace, dataset: String, pseudonym: SubjectId, ground: char) -> Result<(), Failure> {
    say("a unit that was taken out is back, from a restored backup perhaps: it is taken out again");
    let request = Request { dataset, pseudonym, ground, retrain: false, only: None, request: None };
    if let Some(intent) = begin(workspace, &request)? {
        finish(workspace, &intent)?;
    }
    Ok(())
}

/// Units on the list that the ledger names.
fn returned(workspace: &mut Workspace) -> Result<Vec<(String, SubjectId, char)>, Failure> {
    let list = Suppression::load(&workspace.dir)?;
    if list.is_empty() {
        return Ok(vec![]);
    }
    // Also those that reticent.toml declares no longer.
    let mut datasets: BTreeSet<String> = workspace.config.data.keys().cloned().collect();
    for stored in workspace.ledger.events("data-imported")? {
        if let Event::DataImported { version, .. } = stored.event {
            datasets.extend(version.split('/').next().map(str::to_owned));
        }
    }
    let mut found = vec![];
    for subject in workspace.ledger.subjects()? {
        let on_list = datasets.iter().find_map(|d| Some((d.clone(), list.ground(d, &subject)?)));
        if let (Some((dataset, ground)), Ok(pseudonym)) = (on_list, subject.parse()) {
            found.push((dataset, pseudonym, ground));
        }
    }
    Ok(found)
}

/// Files that an erasure deleted and that are there again: tables before a reduced one, weights of recalled releases.
fn returned_files(workspace: &mut Workspace) -> Result<Vec<PathBuf>, Failure> {
    let mut found: Vec<PathBuf> = vec![];
    for model in workspace.ledger.recalled()? {
        let weights = workspace.hidden("models").join(&model).join("model.safetensors");
        found.extend([weights, own_losses(workspace, &model)].into_iter().filter(|w| w.exists()));
    }
    let mut rewritten = workspace.ledger.events("data-reduced")?;
    rewritten.extend(workspace.ledger.events("data-corrected")?);
    let reduced: BTreeSet<String> = rewritten
        .into_iter()
        .filter_map(|stored| match stored.event {
            Event::DataReduced { from, .. } | Event::DataCorrected { from, .. } => Some(from),
            _ => None,
        })
        .collect();
    found.extend(reduced.iter().map(|from| workspace.hidden("data").join(from).join("table.parquet")).filter(|t| t.exists()));
    Ok(found)
}
