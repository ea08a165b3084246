//! One unit out of everything: suppression entry, ledger, releases, runs, reports, data versions, retraining, signed record.
//!
//! An intent is written first and removed last; every step in between finds out by itself whether it was done, so that whoever opens the
//! workspace next finishes what was interrupted.

mod again;
pub(crate) mod hold;
mod record;

pub(crate) use again::{empty_what_is_refused, is_due, reapply_to_data, resume};

use crate::certified;
use crate::data_version::{self, reduce, rows_of, tables_on_disk};
use crate::disk;
use crate::failure::{Failure, Kind};
use crate::gate::chosen_for;
use crate::output::say;
use crate::privacy;
use crate::request;
use crate::suppression::Suppression;
use crate::verbs::audit_endpoint;
use crate::verbs::train::run::own_losses;
use crate::verbs::train::{Charge, releases_of, train_model};
use crate::workspace::Workspace;
use reticent_data::SubjectId;
use reticent_govern::{Event, Release, ReservationState};
use reticent_proof::record::{Erasure, ModelChange, Statement};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Who is to be taken out, and why.
pub(crate) struct Request {
    pub(crate) dataset: String,
    pub(crate) pseudonym: SubjectId,
    /// Letter of Art 17(1).
    pub(crate) ground: char,
    /// Train recalled models again, from their reserve.
    pub(crate) retrain: bool,
    /// Only this one of them.
    pub(crate) only: Option<String>,
    /// Number of the person's request that this carries out, where it does.
    pub(crate) request: Option<u64>,
}

/// What was decided before anything was changed. Holds the pseudonym, and is destroyed when all is done.
#[derive(Serialize, Deserialize)]
pub(crate) struct Intent {
    number: u64,
    dataset: String,
    pseudonym: SubjectId,
    ground: char,
    retrain: bool,
    only: Option<String>,
    #[serde(default)]
    request: Option<u64>,
    /// Of the commitment to the subject: handed out once, and kept nowhere.
    pub(crate) salt: String,
    /// Rows of the unit by version, as they lay on the disk.
    tables: BTreeMap<String, u64>,
    /// Releases that were trained while the unit was there.
    releases: Vec<Release>,
    /// Runs under way that use its rows.
    runs: Vec<String>,
}

/// What came of it.
pub(crate) struct Done {
    pub(crate) path: PathBuf,
    pub(crate) erasure: Erasure,
}

impl Intent {
    /// Number of the erasure.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

/// Finds what is held about a unit and writes the intent; `None` where nothing is held. Refused where a legal hold stands.
pub(crate) fn begin(workspace: &mut Workspace, request: &Request) -> Result<Option<Intent>, Failure> {
    let (dataset, pseudonym) = (&request.dataset, request.pseudonym);
    let mut tables = BTreeMap::new();
    for (version, _) in tables_on_disk(workspace, dataset)? {
        let rows = rows_of(workspace, &version, |id| id == pseudonym)?;
        if rows > 0 {
            tables.insert(version, rows);
        }
    }
    let asking = request::Subject { dataset: dataset.clone(), pseudonym };
    let decided = !crate::decided::about(workspace, &asking)?.is_empty();
    if tables.is_empty() && !decided && !workspace.ledger.subjects()?.contains(&pseudonym.to_string()) {
        return Ok(None);
    }
    hold::restrict_instead(workspace, dataset, &pseudonym.to_string())?;
    let recalled = workspace.ledger.recalled()?;
    let mut releases = vec![];
    for stored in workspace.ledger.events("model-released")? {
        let Event::ModelReleased(release) = stored.event else { continue };
        let here = release.data_version.split('/').next() == Some(dataset) && !recalled.contains(&release.model);
        // Where the table is gone nobody can tell any more: the release counts as one that has learned from the unit.
        let gone = !data_version::folder(workspace, &release.data_version).join("table.parquet").exists();
        if here && (tables.contains_key(&release.data_version) || gone) {
            releases.push(release);
        }
    }
    let budgets = workspace.ledger.budgets()?.into_iter().filter(|b| b.dataset == *dataset);
    let under_way = |s| matches!(s, ReservationState::Reserved | ReservationState::Drawing);
    let runs = budgets.flat_map(|b| b.reservations).filter(|r| under_way(r.state)).map(|r| r.run).collect();
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|e| Failure::failed(format!("the system gives no randomness: {e}")))?;
    let intent = Intent {
        number: next_number(workspace)?,
        dataset: dataset.clone(),
        pseudonym,
        ground: request.ground,
        retrain: request.retrain,
        only: request.only.clone(),
        request: request.request,
        salt: hex::encode(salt),
        runs: if tables.is_empty() { vec![] } else { runs },
        tables,
        releases,
    };
    let text = serde_json::to_string(&intent).expect("plain data has JSON");
    disk::write(&intent_path(workspace, intent.number), text.as_bytes())?;
    Ok(Some(intent))
}

/// Does what the intent says, from wherever it was interrupted.
pub(crate) fn finish(workspace: &mut Workspace, intent: &Intent) -> Result<Done, Failure> {
    let Intent { number, dataset, pseudonym, .. } = intent;
    let (name, actor) = (pseudonym.to_string(), workspace.actor.clone());
    // First: the step needs the unit's rows and its key. What comes after makes both unreadable.
    let removals = certified::forget(workspace, dataset, &name, &record::commitment(intent)?)?;
    Suppression::load(&workspace.dir)?.add(dataset, &name, intent.ground)?;
    let rows = intent.tables.values().sum();
    let erased = workspace.ledger.erase_subject(&actor, dataset, &name, *number, rows)?;
    for release in &intent.releases {
        workspace.ledger.recall(&actor, &release.model, "a unit of its data was taken out", &actor.0)?;
        delete_weights(workspace, &release.model)?;
    }
    for run in &intent.runs {
        if matches!(workspace.ledger.reservation(run)?.state, ReservationState::Reserved | ReservationState::Drawing) {
            workspace.ledger.abandon(&actor, run, "a unit of its data was taken out")?;
        }
        workspace.discard_run(run)?;
    }
    remove_reports(workspace)?;
    request::forget(workspace, &request::Subject { dataset: dataset.clone(), pseudonym: *pseudonym }, intent.request)?;
    remove_answers(workspace)?;
    if !intent.tables.is_empty() {
        reduce(workspace, dataset, |id| id == *pseudonym)?;
    }
    let models = retrain(workspace, intent)?;
    workspace.publish()?;
    let done = record::write(workspace, intent, erased, models, removals)?;
    disk::shred(&intent_path(workspace, *number))?;
    Ok(done)
}

/// Trains every recalled model again on what its earlier run set aside, where that was asked for and can be done.
fn retrain(workspace: &mut Workspace, intent: &Intent) -> Result<Vec<ModelChange>, Failure> {
    let mut changes: BTreeMap<String, ModelChange> = BTreeMap::new();
    // The newest release of a model is the one that is replaced.
    for release in intent.releases.iter().rev() {
        let name = release.model.split('/').next().unwrap_or_default().to_owned();
        let change = |after: Option<String>, method: String| ModelChange { before: release.model.clone(), after, method, statement: None };
        if changes.contains_key(&name) {
            changes.insert(release.model.clone(), change(None, "recalled; a later release was in its place".into()));
            continue;
        }
        let retrained = "recalled; retrained without the unit on the same plan, charged to what was set aside for it";
        let standing = {
            let recalled = workspace.ledger.recalled()?;
            releases_of(workspace, &name)?.pop().filter(|last| !recalled.contains(&last.model))
        };
        let model = workspace.config.models.get(&name).cloned();
        let made = match (standing, model) {
            (Some(standing), _) => change(Some(standing.model), retrained.into()),
            _ if !intent.retrain => change(None, "recalled; not trained again: that was not asked for".into()),
            _ if intent.only.as_ref().is_some_and(|only| *only != name) => {
                change(None, "recalled; not trained again: another model was named".into())
            }
            (None, None) => change(None, "recalled; not trained again: reticent.toml declares it no longer".into()),
            (None, Some(model)) => {
                let chosen = chosen_for(workspace, &release.model, &release.data_version, &release.purpose)?;
                match train_model(workspace, &name, &model, &chosen, Charge::Reserve) {
                    Ok(trained) => change(Some(trained.manifest.model), retrained.into()),
                    // Whatever stands against it, the erasure is done all the same; a run that drew noise can be taken up by `train`.
                    Err(why) => {
                        say(why.to_string());
                        let told = if why.kind == Kind::Failed { "the training failed".into() } else { why.message.replace('\n', " ") };
                        change(None, format!("recalled; not trained again: {told}"))
                    }
                }
            }
        };
        changes.insert(name, made);
    }
    let statement = joint(workspace, &intent.dataset)?;
    let with_statement = |change: ModelChange| ModelChange { statement: statement.clone().filter(|_| change.after.is_some()), ..change };
    let mut all: Vec<ModelChange> = changes.into_values().map(with_statement).collect();
    all.sort_by(|a, b| a.before.cmp(&b.before));
    Ok(all)
}

/// What may be said of all releases of a data set together.
fn joint(workspace: &mut Workspace, dataset: &str) -> Result<Option<Statement>, Failure> {
    let unit = workspace.config.data.get(dataset).map(|d| d.unit.clone()).unwrap_or_default();
    let Some(budget) = workspace.ledger.budget(dataset, &unit)? else { return Ok(None) };
    Ok(privacy::statement(&workspace.config, &budget)?.map(|s| Statement {
        epsilon: s.epsilon_upper,
        delta: s.delta,
        neighbours: s.neighbours,
        joint: s.releases.into_iter().map(|r| r.name).collect(),
    }))
}

/// Deletes the weights of a recalled release, and the own bounds of its units; its manifest stays.
fn delete_weights(workspace: &Workspace, model: &str) -> Result<(), Failure> {
    disk::shred(&own_losses(workspace, model))?;
    disk::shred(&workspace.hidden("models").join(model).join("model.safetensors"))
}

/// Deletes the page and what it was made from: their counts and metrics are of rows that are gone.
fn remove_reports(workspace: &Workspace) -> Result<(), Failure> {
    let folder = workspace.hidden("reports");
    let mut files = vec![workspace.dir.join("report.html")];
    for entry in std::fs::read_dir(&folder).into_iter().flatten() {
        files.push(entry.map_err(|e| disk::io("list", &folder, &e))?.path());
    }
    files.iter().filter(|f| f.is_file()).try_for_each(|file| disk::shred(file))
}

/// Deletes what shadow models of audits answered, of this unit and with it in them, and what endpoints answered: of whom, their ids alone say.
fn remove_answers(workspace: &Workspace) -> Result<(), Failure> {
    for (name, _) in audit_endpoint::kept_answers(workspace) {
        audit_endpoint::remove_answers(workspace, &name)?;
    }
    answers(workspace).iter().try_for_each(|file| disk::shred(file))
}

/// Every file in which an audit keeps answers, the key of their names too.
pub(crate) fn answers(workspace: &Workspace) -> Vec<PathBuf> {
    std::fs::read_dir(workspace.hidden("audit")).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn intent_path(workspace: &Workspace, number: u64) -> PathBuf {
    workspace.hidden("erasures").join(format!("{number}.intent"))
}

/// The newest signed record, by its number.
pub(crate) fn newest_record(workspace: &Workspace) -> Option<(u64, PathBuf)> {
    numbered(workspace, ".json").pop().map(|number| (number, record_path(workspace, number)))
}

pub(crate) fn record_path(workspace: &Workspace, number: u64) -> PathBuf {
    workspace.hidden("erasures").join(format!("{number}.json"))
}

/// Numbers of what lies in the folder of erasures under this ending, in order.
pub(crate) fn numbered(workspace: &Workspace, ending: &str) -> Vec<u64> {
    let files = std::fs::read_dir(workspace.hidden("erasures")).into_iter().flatten().flatten();
    let mut numbers: Vec<u64> = files.filter_map(|f| f.file_name().to_string_lossy().strip_suffix(ending)?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

fn next_number(workspace: &mut Workspace) -> Result<u64, Failure> {
    let recorded = workspace.ledger.events("subject-erased")?.into_iter().filter_map(|stored| match stored.event {
        Event::SubjectErased { erasure, .. } => Some(erasure),
        _ => None,
    });
    let filed = [".json", ".intent"].map(|ending| numbered(workspace, ending)).concat();
    Ok(1 + recorded.chain(filed).max().unwrap_or(0))
}
