//! The signed record of an erasure: what was removed, what is left, and the log entry that says so.

use super::{Done, Intent, record_path};
use crate::certified;
use crate::data_version::{folder, latest_manifest, rows_of};
use crate::disk;
use crate::failure::Failure;
use crate::request;
use crate::verbs::audit_endpoint;
use crate::verbs::train::releases_of;
use crate::verbs::train::run::own_losses;
use crate::workspace::Workspace;
use reticent_data::{PseudonymKey, SubjectRule};
use reticent_govern::Erased;
use reticent_proof::log::Log;
use reticent_proof::record::{Erasure, Left, LogEntry, ModelChange, Outcome, Removal, Store, Suppression, sign_record};

/// Looks into every store again, signs what was found, and keeps it under `.reticent/erasures`.
pub(super) fn write(
    workspace: &mut Workspace,
    intent: &Intent,
    erased: Erased,
    models: Vec<ModelChange>,
    removals: Vec<Removal>,
) -> Result<Done, Failure> {
    let newest = latest_manifest(workspace, &intent.dataset)?;
    let key = workspace.signing_key()?;
    let proof = Log::open(workspace.hidden("log"))?.prove(erased.seq as u64 - 1)?;
    let mut after: Vec<(String, String)> = newest.iter().map(|m| (m.version.clone(), m.rows_digest.clone())).collect();
    for standing in models.iter().filter_map(|m| m.after.as_deref()) {
        let name = standing.split('/').next().unwrap_or_default();
        let release = releases_of(workspace, name)?.into_iter().find(|r| r.model == standing);
        after.extend(release.map(|r| (r.model, r.weights_sha256)));
    }
    let erasure = Erasure {
        request: intent.number,
        at: jiff::Timestamp::now().to_string(),
        subject_commitment: commitment(intent)?,
        reason: intent.ground,
        stores: stores(workspace, intent, erased, newest.as_ref().map(|m| m.version.as_str()), &removals)?,
        events: erased.events,
        models,
        recalled: intent.releases.iter().map(|r| r.model.clone()).collect(),
        suppression: Suppression { kept: true, why: "so that a later import, or a restored backup, leaves the unit out".into() },
        recipients_notified: vec![],
        exceptions: vec![],
        left: left(workspace, intent)?,
        does_not_prove: vec![
            "that what was released before revealed nothing: its bound holds for the unit that was taken out as for every other".into(),
        ],
        log: LogEntry::new(workspace.ledger.opening(erased.seq)?, &proof),
        removals,
    };
    let named: Vec<(&str, &str)> = after.iter().map(|(name, digest)| (name.as_str(), digest.as_str())).collect();
    let file = sign_record(erasure.clone(), &named, &key).map_err(|e| Failure::failed(format!("the record cannot be signed: {e}")))?;
    let path = record_path(workspace, intent.number);
    disk::write(&path, &file)?;
    Ok(Done { path, erasure })
}

/// HMAC of the pseudonym under the salt.
pub(super) fn commitment(intent: &Intent) -> Result<String, Failure> {
    let mut salt = [0; 32];
    hex::decode_to_slice(&intent.salt, &mut salt).map_err(|_| Failure::failed("the intent of the erasure is damaged"))?;
    let salted = PseudonymKey::from_bytes(salt);
    Ok(hex::encode(salted.keyed_digest(&[b"erased subject", intent.dataset.as_bytes(), intent.pseudonym.as_bytes()])))
}

/// Every store with what was in it, read again.
fn stores(
    workspace: &mut Workspace,
    intent: &Intent,
    erased: Erased,
    newest: Option<&str>,
    removals: &[Removal],
) -> Result<Vec<Store>, Failure> {
    let unit = intent.pseudonym;
    let mut stores = vec![Store {
        store: "ledger: events emptied, the unit's key destroyed".into(),
        rows: erased.events,
        verified_absent: !workspace.ledger.subjects()?.contains(&unit.to_string()),
    }];
    for (version, &rows) in &intent.tables {
        let gone = !folder(workspace, version).join("table.parquet").exists();
        stores.push(Store { store: format!("table {version}: deleted"), rows, verified_absent: gone });
    }
    if let Some(version) = newest {
        let absent = rows_of(workspace, version, |id| id == unit)? == 0;
        stores.push(Store { store: format!("table {version}: the newest"), rows: 0, verified_absent: absent });
    }
    for run in &intent.runs {
        let gone = !workspace.hidden("runs").join(run).exists();
        stores.push(Store { store: format!("noise key and state of run {run}: destroyed"), rows: 0, verified_absent: gone });
    }
    for release in &intent.releases {
        let weights = workspace.hidden("models").join(&release.model).join("model.safetensors");
        let gone = !weights.exists() && !own_losses(workspace, &release.model).exists();
        let store = format!("weights of {}, and its units' own bounds where they were kept: deleted", release.model);
        stores.push(Store { store, rows: 0, verified_absent: gone });
    }
    for Removal { model, outcome, .. } in removals {
        let done = if *outcome == Outcome::Removed { "the unit taken out within a bound" } else { "withdrawn" };
        let absent = !certified::holds(workspace, model, unit)?;
        stores.push(Store { store: format!("model for removals {model}: {done}"), rows: 0, verified_absent: absent });
    }
    let asking = request::Subject { dataset: intent.dataset.clone(), pseudonym: unit };
    let gone = !request::holds(workspace, &asking, intent.request)?;
    stores.push(Store {
        store: "earlier requests of the unit, the answers to them, and decisions about it in which a model took part: deleted".into(),
        rows: 0,
        verified_absent: gone,
    });
    let gone = !workspace.dir.join("report.html").exists() && !workspace.hidden("reports/report.json").exists();
    stores.push(Store { store: "report.html and what it was made from: deleted".into(), rows: 0, verified_absent: gone });
    let gone = super::answers(workspace).is_empty() && audit_endpoint::kept_answers(workspace).is_empty();
    stores.push(Store {
        store: "answers of shadow models and of endpoints that audits kept: deleted".into(),
        rows: 0,
        verified_absent: gone,
    });
    Ok(stores)
}

/// What this program does not reach, or keeps on purpose.
fn left(workspace: &mut Workspace, intent: &Intent) -> Result<Vec<Left>, Failure> {
    let recipients = request::recipients(workspace, std::slice::from_ref(&intent.dataset))?;
    let data = workspace.config.data.get(&intent.dataset);
    let mut all: Vec<(String, &str)> = vec![];
    if let Some(data) = data {
        all.push((data.file.clone(), "the source file is yours: remove the rows there"));
        if let Some(events) = &data.events {
            all.push((events.clone(), "the file of events is yours: remove the lines there"));
        }
    }
    all.push((
        "an entry of reticent.suppressed".into(),
        "a keyed digest, kept so that a later import or a restored backup leaves the unit out: treat it as personal data",
    ));
    if data.is_some_and(|d| !matches!(d.subject, SubjectRule::Column(_))) {
        all.push((
            "whoever stands in the same place of a changed source file".into(),
            "units are recognised by their place in the file: after lines were removed there, the entry meets another unit",
        ));
    }
    all.push((
        "numbers, times, kinds and commitments of the emptied events, in ledger and log".into(),
        "the log would not verify without them; the commitments open to nobody, because nonces and key are destroyed",
    ));
    all.push((
        "counts of units and records before and after, in ledger, manifests and this record".into(),
        "they differ by this unit: shared together, they tell that one was taken out",
    ));
    all.push((
        "dpia.html, dpia.json, other documents and pages of explanations, where they were written".into(),
        "an assessment accounts for what was decided, in numbers over all units; a page of explanations lies where whoever asked put it",
    ));
    all.push((
        "evidence and evaluations made before, .reticent/evidence among them".into(),
        "aggregates over all units, not computed again",
    ));
    for release in &intent.releases {
        all.push((
            format!("copies of {} that others have", release.model),
            "recalled here; whoever has a copy still has it, under its stated bound",
        ));
    }
    if intent.request.is_some() {
        all.push((
            "number, dates and commitment of the request, in ledger and log".into(),
            "so that it can be shown when and how it was answered; its file, which says who asked, goes with the answer",
        ));
    }
    if workspace.ledger.is_on_server() {
        all.push((
            "write-ahead log, archives, replicas and backups of the PostgreSQL server".into(),
            "the tables were written anew; what the server keeps beside them goes as its own settings say",
        ));
    }
    all.push(("backups and copies of this folder".into(), "not within reach; a restored one is cleaned when it is opened"));
    all.push((
        "blocks of the file system".into(),
        "files were overwritten and removed: what the storage keeps beneath is not within reach",
    ));
    all.push(("the history of the shell, where the subject was typed".into(), "not written by this program"));
    for recipient in recipients {
        all.push((
            format!("what {recipient} received"),
            "a recipient: to be told of this erasure (Art 19); the ledger says when they were, or why not",
        ));
    }
    Ok(all.into_iter().map(|(what, why)| Left { what, why: why.into() }).collect())
}
