//! `log verify`: recompute every tile, the checkpoint and every commitment.

use crate::cli::Common;
use crate::disk;
use crate::failure::Failure;
use crate::output::{Answer, thousands};
use crate::workspace::Workspace;
use clap::{Args, Subcommand};
use reticent_govern::{Event, ReservationState};
use reticent_proof::log::{Problem, SignedCheckpoint, verify_against};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct LogVerb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Recompute every tile, the checkpoint, every commitment and the files of released models
    Verify {
        /// A checkpoint that was kept elsewhere [default: reticent.checkpoint of the workspace]
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
}

impl LogVerb {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let Verb::Verify { checkpoint } = &self.verb;
        let mut workspace = Workspace::read(&common.dir)?;
        let held: Option<SignedCheckpoint> = match checkpoint {
            Some(path) => Some(disk::read_text(path)?.parse()?),
            None => workspace.held()?,
        };
        let key = workspace.signing_key()?.verifying_key();
        let entries = workspace.ledger.log_entries(0)?;
        let verification = verify_against(&workspace.hidden("log"), &key, held.as_ref(), &entries);
        // An interrupted process leaves events that are on record and not yet in the log: nothing is wrong with either.
        let (unpublished, found): (Vec<_>, Vec<_>) =
            verification.findings.iter().partition(|f| matches!(f.problem, Problem::LedgerAhead { .. }));
        let held_file = checkpoint.clone().unwrap_or_else(|| workspace.held_path());
        let held_file = held_file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let by_file = |f: String| f.strip_prefix("held checkpoint:").map(|what| format!("{held_file}:{what}")).unwrap_or(f);
        let mut findings: Vec<String> = found.into_iter().map(|f| by_file(f.to_string())).collect();
        let damaged = workspace.ledger.damaged()?;
        findings.extend(damaged.iter().map(|seq| format!("ledger: event {seq} is not the one committed to")));
        // Nothing can be held against events that say something else now.
        if damaged.is_empty() {
            findings.extend(changed_charges(&mut workspace)?);
            findings.extend(changed_files(&mut workspace)?);
        }
        let mut not_proved: Vec<String> = verification.not_proved.iter().map(ToString::to_string).collect();
        if checkpoint.is_none() {
            not_proved.push("that ledger, log and reticent.checkpoint were not rolled back together: give a checkpoint kept elsewhere with `--checkpoint`".into());
        }
        not_proved.extend(unpublished.into_iter().map(|f| format!("{f}: the next verb that writes adds them")));
        let facts = json!({ "verified": findings.is_empty(), "size": verification.size, "root": verification.root.map(|r| r.to_string()),
            "findings": findings, "not_proved": not_proved });
        if !findings.is_empty() {
            let noun = if findings.len() == 1 { "finding" } else { "findings" };
            return Err(Failure::failed(format!("the log does not verify: {} {noun}\n  {}", findings.len(), findings.join("\n  ")))
                .hint("tiles can be rebuilt from an undamaged ledger by any verb that writes; a damaged event cannot")
                .facts(facts));
        }
        let mut text = format!(
            "verified: {} entries, root {}\n",
            thousands(verification.size),
            verification.root.map(|r| r.to_string()).unwrap_or_default()
        );
        for line in &not_proved {
            text += &format!("  does not prove: {line}\n");
        }
        Ok(Answer::new(text, facts))
    }
}

/// Budgets and charges, which are counted from their own tables, that differ from the events committed to.
fn changed_charges(workspace: &mut Workspace) -> Result<Vec<String>, Failure> {
    let mut all = vec![];
    for kind in [
        "budget-opened",
        "budget-reserved",
        "retraining-reserved",
        "noise-key-created",
        "run-abandoned",
        "release-blocked",
        "model-released",
    ] {
        all.extend(workspace.ledger.events(kind)?);
    }
    all.sort_by_key(|stored| stored.seq);
    let (mut opened, mut charged) = (BTreeMap::new(), BTreeMap::new());
    // What each run set aside: the cost of one, and for how many; and whose reserve a run took.
    let (mut reserves, mut taken) = (BTreeMap::<String, (f64, f64)>::new(), BTreeMap::new());
    for stored in all {
        match &stored.event {
            Event::BudgetReserved { run, cost, held, .. } => drop(reserves.insert(run.clone(), (*cost, (held / cost).round()))),
            Event::RetrainingReserved { run, from_run, .. } => {
                hold(&mut charged, &mut reserves, from_run, -1.0);
                taken.insert(run.clone(), from_run.clone());
            }
            // One that drew no noise goes back to where it came from.
            Event::RunAbandoned { run, .. }
                if charged.get(run).is_some_and(|c: &(f64, f64, ReservationState)| c.2 == ReservationState::Reserved) =>
            {
                if let Some(from_run) = taken.get(run) {
                    hold(&mut charged, &mut reserves, from_run, 1.0);
                }
            }
            _ => {}
        }
        match stored.event {
            Event::RetrainingReserved { run, cost, .. } => drop(charged.insert(run, (cost, 0.0, ReservationState::Reserved))),
            Event::BudgetOpened { dataset, unit, epsilon, delta, order } => drop(opened.insert((dataset, unit), (epsilon, delta, order))),
            Event::BudgetReserved { run, cost, held, .. } => drop(charged.insert(run, (cost, held, ReservationState::Reserved))),
            Event::RunAbandoned { run, charged: cost, .. } => drop(charged.insert(run, (cost, 0.0, ReservationState::Abandoned))),
            Event::NoiseKeyCreated { run } => set(&mut charged, &run, ReservationState::Drawing),
            Event::ReleaseBlocked { run, .. } => set(&mut charged, &run, ReservationState::Abandoned),
            Event::ModelReleased(release) => set(&mut charged, &release.run, ReservationState::Released),
            _ => {}
        }
    }
    let mut findings = vec![];
    for budget in workspace.ledger.budgets()? {
        let terms = opened.remove(&(budget.dataset.clone(), budget.unit.clone()));
        if terms != Some((budget.epsilon, budget.delta, budget.order)) {
            findings.push(format!("ledger: the budget of {} is not the one committed to", budget.dataset));
        }
        for r in budget.reservations {
            if charged.remove(&r.run) != Some((r.cost, r.held, r.state)) {
                findings.push(format!("ledger: the charge of run {} is not the one committed to", r.run));
            }
        }
    }
    findings.extend(opened.into_keys().map(|(dataset, _)| format!("ledger: the budget of {dataset} is gone")));
    findings.extend(charged.into_keys().map(|run| format!("ledger: the charge of run {run} is gone")));
    Ok(findings)
}

/// Moves `runs` runs into or out of what a run set aside.
fn hold(charged: &mut BTreeMap<String, (f64, f64, ReservationState)>, reserves: &mut BTreeMap<String, (f64, f64)>, run: &str, runs: f64) {
    if let (Some(charge), Some((cost, held))) = (charged.get_mut(run), reserves.get_mut(run)) {
        *held += runs;
        charge.1 = *cost * *held;
    }
}

fn set(charged: &mut BTreeMap<String, (f64, f64, ReservationState)>, run: &str, state: ReservationState) {
    if let Some(charge) = charged.get_mut(run) {
        charge.2 = state;
    }
}

/// Files of released models that differ from what was released; the weights of a recalled one must be gone.
fn changed_files(workspace: &mut Workspace) -> Result<Vec<String>, Failure> {
    let mut findings = vec![];
    let recalled = workspace.ledger.recalled()?;
    for stored in workspace.ledger.events("model-released")? {
        let Event::ModelReleased(release) = stored.event else { continue };
        let gone = recalled.contains(&release.model);
        for (file, digest) in [("model.safetensors", &release.weights_sha256), ("manifest.json", &release.manifest_sha256)] {
            let path = workspace.hidden("models").join(&release.model).join(file);
            if gone && file == "model.safetensors" {
                if path.exists() {
                    findings.push(format!("models/{}/{file}: was recalled and is still there (event {})", release.model, stored.seq));
                }
                continue;
            }
            let found = std::fs::read(&path).map(|bytes| hex::encode(Sha256::digest(bytes)));
            if found.as_ref().ok() != Some(digest) {
                findings.push(format!("models/{}/{file}: is not what was released (event {})", release.model, stored.seq));
            }
        }
    }
    Ok(findings)
}
