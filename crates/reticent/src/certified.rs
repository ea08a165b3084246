//! Models for removals: trained in the workspace, kept under `.reticent/certified/MODEL`, never released.
//!
//! A removal is (ε, δ)-certified under the assumptions in its record. Order of a removal: the new state is on disk, flushed, before its
//! evidence is recorded and before anything is answered; a process that stops in between finds the state and records the evidence when it is
//! asked again with the same commitment.

use crate::config::{Certified, Model};
use crate::data_version::{DataVersion, load_latest, load_newest};
use crate::disk;
use crate::evidence;
use crate::failure::{Failure, Kind};
use crate::gate::{self, admit};
use crate::output::{Answer, say, thousands};
use crate::privacy;
use crate::verbs::train::{SPLIT_SEED, TEST_FRACTION};
use crate::workspace::Workspace;
use reticent_data::{PermittedTable, SubjectId, split_by_unit};
use reticent_forget::{CertifiedLogistic, NoiseKey, Outcome, Provenance, Settings, State};
use reticent_govern::Event;
use reticent_proof::record::Removal;
use reticent_proof::{Certificate, Permit, Reason, Use, verify_removal};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Printed wherever such a model is met.
pub(crate) const STAMP: &str = "UNRELEASED: (ε, δ)-certified removal only, no differential privacy bound";

/// Topic of the evidence of a training.
pub(crate) const TRAINING: &str = "certified-training";
const REMOVAL: &str = "certified-removal";

/// A model between two removals. For the workspace's owner alone: it holds weights and names units by pseudonym.
#[derive(Serialize, Deserialize)]
struct Kept {
    schema_version: u32,
    model: String,
    dataset: String,
    stamp: String,
    provenance: Provenance,
    /// The evidence of the training, written again where a process stopped before it was recorded.
    training: Value,
    standing: Standing,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "standing", rename_all = "kebab-case")]
enum Standing {
    /// In use.
    Trained { state: Box<State>, record: Box<Certificate> },
    /// Its weights are gone: it must be trained again.
    Withdrawn { why: String, commitment: String, record: Box<Certificate> },
}

impl Standing {
    fn record(&self) -> &Certificate {
        match self {
            Self::Trained { record, .. } | Self::Withdrawn { record, .. } => record,
        }
    }
}

fn path(workspace: &Workspace, model: &str) -> PathBuf {
    workspace.hidden("certified").join(model).join("state.json")
}

fn read(workspace: &Workspace, model: &str) -> Result<Option<Kept>, Failure> {
    let path = path(workspace, model);
    if !path.exists() {
        return Ok(None);
    }
    let text = Zeroizing::new(disk::read_text(&path)?);
    let kept: Kept =
        serde_json::from_str(&text).map_err(|_| Failure::failed(format!("{} is damaged", path.display())).hint("train the model again"))?;
    if let Standing::Trained { state, .. } = &kept.standing
        && !state.is_whole()
    {
        return Err(Failure::failed(format!("{} is damaged: its weights are not those on record", path.display()))
            .hint("bring the file back from where you keep a copy, or train the model again"));
    }
    Ok(Some(kept))
}

/// Makes the model's present state durable.
fn write(workspace: &Workspace, model: &str, kept: &Kept) -> Result<(), Failure> {
    let path = path(workspace, model);
    disk::create_private_folder(path.parent().expect("a file in a folder"))?;
    let text = Zeroizing::new(serde_json::to_vec(kept).expect("plain data has JSON"));
    disk::write_private(&path, &text)?;
    // The folders above may be new as well.
    path.ancestors().skip(1).take(2).try_for_each(disk::sync_folder).map_err(|e| disk::io("flush", &path, &e))
}

impl From<reticent_forget::Error> for Failure {
    fn from(error: reticent_forget::Error) -> Self {
        use reticent_forget::Error;
        match &error {
            Error::NotBinary { .. } | Error::Setting { .. } | Error::TooFewRows { .. } | Error::NotConverged { .. } => {
                Self::usage(error.to_string()).hint("see `[models.NAME]` of reticent.toml")
            }
            _ => Self::failed(error.to_string()),
        }
    }
}

fn settings(declared: &Certified, model: &Model) -> Settings {
    let Certified { epsilon, delta, sigma, lambda, .. } = *declared;
    Settings { lambda, sigma, epsilon, delta, max_rows_per_unit: privacy::cap(model) }
}

/// `train` for a model for removals: gate, then the split as for any model, then the fit; no budget of differential privacy is charged.
pub(crate) fn train(
    workspace: &mut Workspace,
    name: &str,
    model: &Model,
    chosen: &BTreeSet<Reason>,
    again: bool,
) -> Result<Answer, Failure> {
    if let Some(kept) = read(workspace, name)?
        && matches!(kept.standing, Standing::Trained { .. })
        && !again
    {
        if training_evidence(workspace, name, &kept)?.is_none() {
            record_training(workspace, name, &kept)?;
            workspace.publish()?;
        }
        return Err(Failure::refused(format!("{name} is trained already"))
            .hint("`reticent train --again` trains it again with fresh noise; the model of now is written over"));
    }
    let declared = model.certified.as_ref().expect("checked with reticent.toml");
    let data = load_latest(workspace, &model.data)?;
    let admitted = admit(workspace, &data, model, Use::Training, chosen)?;
    say(gate::lines(&admitted).trim_end());
    let split = split_by_unit(&admitted.table, TEST_FRACTION, SPLIT_SEED);
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(|e| Failure::failed(format!("the system gives no randomness: {e}")))?;
    let fitted = CertifiedLogistic::train(&split.train, settings(declared, model), &mut NoiseKey::from_bytes(*key).stream())?;
    let provenance = Provenance {
        data: data.manifest.rows_digest.clone(),
        code: format!("reticent {}", env!("CARGO_PKG_VERSION")),
        noise_source: "ChaCha20 keyed by 32 bytes of the system's generator, used for this training alone and not kept".into(),
    };
    let record = checked(&fitted, &provenance)?;
    let test = split.test.table();
    let right = fitted.predict(&split.test)?.iter().zip(test.target()).filter(|(p, class)| (**p >= 0.5) == (**class == 1)).count();
    let share_right = if test.rows() == 0 { None } else { Some(right as f64 / test.rows() as f64) };
    let training = json!({ "model": name, "stamp": STAMP, "data_version": data.manifest.version, "permit": admitted.table.permit().digest(),
        "permit_stamp": admitted.table.permit().stamp(), "settings": declared, "record": record,
        "units": fitted.units(), "rows": fitted.rows(), "test_rows": test.rows(), "test_share_right": share_right });
    let kept = Kept {
        schema_version: 1,
        model: name.into(),
        dataset: model.data.clone(),
        stamp: STAMP.into(),
        provenance,
        training,
        standing: Standing::Trained { state: Box::new(fitted.state()), record: Box::new(record.clone()) },
    };
    write(workspace, name, &kept)?;
    let event = record_training(workspace, name, &kept)?;
    workspace.publish()?;
    let mut text = format!("{name} is trained; {STAMP}\n");
    text += &format!("  {} records of {} units trained on\n", thousands(fitted.rows() as u64), thousands(fitted.units() as u64));
    text += &format!(
        "  removals: ε = {} at δ = {:e}, all together, while their residuals stay within {:.3} (σ = {}, λ = {}, {:.1e} spent by the optimiser)\n",
        record.epsilon, record.delta, record.budget, record.sigma, declared.lambda, record.start_residual
    );
    text += &format!("  in the worst case {} removals fit; what one costs is known when it is done\n", record.removals_left.worst_case);
    for gap in &record.non_claims {
        text += &format!("  not covered: {gap}\n");
    }
    Ok(Answer::new(
        text,
        json!({ "model": name, "stamp": STAMP, "evidence": event, "training": kept.training, "decision": admitted.decision }),
    ))
}

fn record_training(workspace: &mut Workspace, name: &str, kept: &Kept) -> Result<i64, Failure> {
    let record = kept.standing.record();
    let numbers = BTreeMap::from([
        ("budget".to_owned(), record.budget),
        ("epsilon".to_owned(), record.epsilon),
        ("delta".to_owned(), record.delta),
        ("start_residual".to_owned(), record.start_residual),
        ("rows".to_owned(), record.rows_trained as f64),
    ]);
    evidence::record(workspace, TRAINING, name, &kept.training, numbers)
}

fn training_evidence(workspace: &mut Workspace, name: &str, kept: &Kept) -> Result<Option<i64>, Failure> {
    let found = evidence::newest(workspace, TRAINING, Some(name))?;
    Ok(found.filter(|e| e.body["record"]["model_trained"] == json!(kept.standing.record().model_trained)).map(|e| e.event))
}

/// The record, after the verifier of outsiders has been through it.
fn checked(model: &CertifiedLogistic, provenance: &Provenance) -> Result<Certificate, Failure> {
    let record = model.record(provenance);
    verify_removal(&record).map_err(|e| Failure::failed(format!("the record of the removals does not hold: {e}")))?;
    Ok(record)
}

/// Where a model for removals stands, in a line.
pub(crate) fn standing(workspace: &Workspace, name: &str) -> Result<String, Failure> {
    Ok(match read(workspace, name)?.map(|kept| kept.standing) {
        None => "for removals, not trained".into(),
        Some(Standing::Withdrawn { why, .. }) => format!("for removals, withdrawn: {why}"),
        Some(Standing::Trained { record, .. }) => {
            format!("{STAMP}; {:.3} of {:.3} spent on {} removals", record.residual_spent, record.budget, record.removals_so_far)
        }
    })
}

/// Whether a model for removals still names a unit.
pub(crate) fn holds(workspace: &Workspace, name: &str, unit: SubjectId) -> Result<bool, Failure> {
    let standing = read(workspace, name)?.map(|kept| kept.standing);
    Ok(matches!(standing, Some(Standing::Trained { state, .. }) if state.units().binary_search(&unit).is_ok()))
}

/// Models for removals that are kept in the workspace, whether reticent.toml still declares them or not: each may hold a unit.
fn kept_models(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let folder = workspace.hidden("certified");
    if !folder.exists() {
        return Ok(vec![]);
    }
    let failed = |e: std::io::Error| disk::io("read", &folder, &e);
    let mut names = vec![];
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        names.extend(entry.file_name().into_string().ok().filter(|name| path(workspace, name).exists()));
    }
    names.sort();
    Ok(names)
}

/// Takes a unit out of every model for removals that is kept and holds it. Call it while the unit's rows are still in the newest data version
/// and its key in the ledger: the step needs them. Asked again with the same commitment it gives the same answer and changes nothing.
pub(crate) fn forget(workspace: &mut Workspace, dataset: &str, pseudonym: &str, commitment: &str) -> Result<Vec<Removal>, Failure> {
    let mut removals = vec![];
    for name in kept_models(workspace)? {
        let Some(body) = forget_unit(workspace, &name, dataset, pseudonym, commitment)? else { continue };
        let picked: BTreeMap<_, _> = ["model", "outcome", "why", "record"].into_iter().map(|key| (key, body[key].clone())).collect();
        removals.push(serde_json::from_value(json!(picked)).map_err(|e| Failure::failed(format!("the removal from {name}: {e}")))?);
    }
    Ok(removals)
}

/// Takes a unit out of one model for removals; see [`forget`].
///
/// `pseudonym` is the unit's in `dataset`; `commitment` a salted commitment to the request, 64 hexadecimal digits, a different one for each.
/// `name` is one of [`kept_models`]. None where the model is of another data set, is not trained, or does not hold the unit. Otherwise
/// `{ outcome: "removed" | "retrain-required", model, why, record, evidence }`. With `removed` the record is one that
/// [`verify_removal`] accepts. With `retrain-required` the model's weights are gone from the workspace: the budget would have been exceeded, or
/// rows that the step needs may no longer be used or are gone.
///
/// Asked again with the same commitment it gives the same answer and changes nothing. The caller publishes the log.
fn forget_unit(workspace: &mut Workspace, name: &str, dataset: &str, pseudonym: &str, commitment: &str) -> Result<Option<Value>, Failure> {
    if let Some((event, mut body)) = recorded(workspace, name, commitment)? {
        body["evidence"] = json!(event);
        return Ok(Some(body));
    }
    let Some(mut kept) = read(workspace, name)?.filter(|kept| kept.dataset == dataset) else { return Ok(None) };
    let unit: SubjectId = pseudonym.parse()?;
    let state = match &kept.standing {
        Standing::Withdrawn { commitment: last, .. } if last == commitment => {
            return record_removal(workspace, name, &kept, commitment).map(Some);
        }
        Standing::Trained { state, .. } if state.commitments().any(|c| c == commitment) => {
            return record_removal(workspace, name, &kept, commitment).map(Some);
        }
        Standing::Trained { state, .. } if state.units().binary_search(&unit).is_ok() => (**state).clone(),
        _ => return Ok(None),
    };
    let before = kept.standing.record().clone();
    let declared = workspace.config.models.get(name).filter(|m| m.is_removable() && m.data == dataset).cloned();
    let taken_out = match declared {
        Some(model) => take_out(workspace, &model, state, unit, commitment)?,
        None => Err("reticent.toml declares it no more".into()),
    };
    kept.standing = match taken_out {
        Ok(fitted) => {
            let record = Box::new(checked(&fitted, &kept.provenance)?);
            Standing::Trained { state: Box::new(fitted.state()), record }
        }
        Err(why) => Standing::Withdrawn { why, commitment: commitment.into(), record: Box::new(before) },
    };
    write(workspace, name, &kept)?;
    record_removal(workspace, name, &kept, commitment).map(Some)
}

/// The model without the unit, or why it must be trained again.
fn take_out(
    workspace: &mut Workspace,
    model: &Model,
    state: State,
    unit: SubjectId,
    commitment: &str,
) -> Result<Result<CertifiedLogistic, String>, Failure> {
    // Not `load_latest`: that would take out who came back on the list of suppressed units, and this is called to do so.
    let data = match load_newest(workspace, &model.data) {
        Ok(data) => data,
        Err(failure) if failure.kind == Kind::Refused => {
            return Ok(Err("the rows that it was trained on are not as they were recorded".into()));
        }
        Err(failure) => return Err(failure),
    };
    let Some(table) = rows_for(workspace, &data, model, unit)? else {
        return Ok(Err("the gate refuses the use of the rows that stay".into()));
    };
    let present: BTreeSet<SubjectId> = table.table().subjects().iter().copied().collect();
    if state.units().iter().any(|id| !present.contains(id)) {
        return Ok(Err("rows that it was trained on are gone or may no longer be used".into()));
    }
    let mut fitted = match CertifiedLogistic::resume(state, &table) {
        Ok(fitted) => fitted,
        Err(error @ reticent_forget::Error::OtherRows { .. }) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    match fitted.remove(unit, commitment) {
        Ok(Outcome::Removed(_)) => Ok(Ok(fitted)),
        Ok(Outcome::RetrainRequired(required)) => Ok(Err(required.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// The rows that the gate permits for a removal, and the unit's own, whose basis may have ended. None where the gate refuses.
fn rows_for(workspace: &mut Workspace, data: &DataVersion, model: &Model, unit: SubjectId) -> Result<Option<PermittedTable>, Failure> {
    // Whoever has no basis any more is left out; that they are missing is noticed by the caller.
    let admitted = match admit(workspace, data, model, Use::Removal, &BTreeSet::from(Reason::ALL)) {
        Ok(admitted) => admitted.table,
        Err(failure) if failure.kind == Kind::Refused => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let permitted: BTreeSet<SubjectId> = admitted.table().subjects().iter().copied().collect();
    if permitted.contains(&unit) {
        return Ok(Some(admitted));
    }
    let rows = data.table.capped(privacy::cap(model)).filter(|id| id == unit || permitted.contains(&id));
    let permit = Permit::asserted("a unit's own rows, to take them out of a model");
    Ok(Some(PermittedTable::new(rows, &data.manifest.version, permit)?))
}

/// Records the evidence of a request whose outcome is in the state, and gives what is answered.
fn record_removal(workspace: &mut Workspace, name: &str, kept: &Kept, commitment: &str) -> Result<Value, Failure> {
    let record = kept.standing.record();
    let (outcome, why) = match &kept.standing {
        Standing::Trained { .. } => ("removed", None),
        Standing::Withdrawn { why, .. } => ("retrain-required", Some(why.as_str())),
    };
    let mut body = json!({ "outcome": outcome, "model": name, "stamp": STAMP, "why": why, "commitment": commitment, "record": record });
    let step = record.removals.iter().find(|r| r.commitment == commitment);
    let mut numbers = BTreeMap::from([
        ("budget".to_owned(), record.budget),
        ("spent".to_owned(), record.residual_spent),
        ("removals_left_worst_case".to_owned(), record.removals_left.worst_case as f64),
        ("retrain_required".to_owned(), f64::from(why.is_some())),
    ]);
    numbers.extend(step.map(|s| ("residual".to_owned(), s.residual)));
    numbers.extend(record.removals_left.estimate_at_median.map(|n| ("removals_left".to_owned(), n as f64)));
    let event = evidence::record(workspace, REMOVAL, name, &body, numbers)?;
    body["evidence"] = json!(event);
    Ok(body)
}

/// The evidence of a request, where it is recorded.
fn recorded(workspace: &mut Workspace, name: &str, commitment: &str) -> Result<Option<(i64, Value)>, Failure> {
    for stored in workspace.ledger.events("evidence-recorded")?.into_iter().rev() {
        let Event::EvidenceRecorded { topic, about, file, .. } = stored.event else { continue };
        if topic != REMOVAL || about != name {
            continue;
        }
        let path = workspace.hidden("evidence").join(&file);
        let body: Value =
            serde_json::from_str(&disk::read_text(&path)?).map_err(|e| Failure::failed(format!("{} is damaged: {e}", path.display())))?;
        if body["commitment"] == json!(commitment) {
            return Ok(Some((stored.seq, body)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
