//! `audit`: measure what a model leaks, by attacks.

use crate::audit::{self, Audit, Further, Shadows};
use crate::cli::Common;
use crate::data_version::load_latest;
use crate::disk;
use crate::evidence;
use crate::failure::Failure;
use crate::gate::{admit, admitted_when_trained, chosen_for};
use crate::output::{Answer, say};
use crate::report::render_audit;
use crate::verbs::choose_model;
use crate::verbs::report::measured;
use crate::verbs::train::{ModelManifest, newest};
use crate::workspace::Workspace;
use clap::{Args, Subcommand};
use reticent_audit::attacks::{self, Name};
use reticent_audit::kept::Kept;
use reticent_audit::roc::TprAt;
use reticent_govern::Event;
use reticent_proof::Use;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct AuditVerb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Attack a released model beside its twin without privacy and one that is meant to leak
    #[command(
        after_help = "Membership inference by unit (confidence, loss, LiRA, and what --attack names) with controls, and a lower bound on ε from canaries planted in another run of the same\nplan. Shadow models are internal evaluation: permitted by the gate, recorded, covered by no ε, weights never written.\nWhat they answered is kept in .reticent/audit, so that an interrupted audit goes on and the same audit trains none again; `forget` deletes it."
    )]
    Model {
        /// The model [default: the only one]
        model: Option<String>,
        /// Also say what the attack makes of one unit, by its id in the source
        #[arg(long, value_name = "ID")]
        subject: Option<String>,
        /// Shadow models for each target, an even number
        #[arg(long, default_value_t = 16, value_name = "N")]
        shadows: usize,
        /// Attacks beside confidence, loss and lira, by name: on membership (`all` of them), and `attribute`, `property`, `inversion`, `updates`; `list` says what each does
        #[arg(long = "attack", value_name = "NAME", value_delimiter = ',')]
        attacks: Vec<String>,
        /// The column that `--attack attribute` guesses; `NAME=LEVEL` for `--attack property`, of a number its upper half
        #[arg(long, value_name = "NAME")]
        column: Option<String>,
        /// Seed of all draws of the audit
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Also write a page with the curves, the spread of the scores and measured beside proved
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Plant secrets in messages, train small language models on them, and ask for the secrets
    Text(crate::verbs::audit_text::AuditText),
    /// Analyse scores or answers that any tool wrote: no workspace needed
    Scores(crate::verbs::audit_scores::AuditScores),
    /// Attack a model of somebody else that comes as a file: ONNX, or the weights of a network in safetensors
    File(Box<crate::verbs::audit_file::AuditFile>),
    /// Attack a model behind HTTP: Open Inference Protocol v2, or completions of a language model
    Endpoint(Box<crate::verbs::audit_endpoint::AuditEndpoint>),
    /// Hold a training loop of any make against the noise and clip it states: no workspace needed
    Dp(crate::verbs::audit_dp::AuditDp),
}

impl AuditVerb {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        match &self.verb {
            Verb::Model { attacks, .. } if attacks.iter().any(|a| a == "list") => Ok(audit::attack_list(true)),
            Verb::Model { model, subject, shadows, attacks, column, seed, html } => {
                // Refused before anything is recorded.
                reticent_audit::shadow::balanced_matrix(0, *shadows, *seed)?;
                let mut named: Vec<String> = audit::USUAL.iter().map(|a| (*a).to_owned()).chain(attacks.iter().cloned()).collect();
                let further = Further::take(&mut named, column.as_deref())?;
                let asked = (&attacks::named(&named)?[..], &further);
                let mut answer = of_model(common, model.as_deref(), subject.as_deref(), *shadows, asked, *seed)?;
                if let Some(path) = html {
                    write_page(path, &mut answer)?;
                }
                Ok(answer)
            }
            Verb::Scores(verb) => verb.run(),
            Verb::Dp(verb) => verb.run(),
            Verb::File(verb) => verb.run(common),
            Verb::Endpoint(verb) => verb.run(common),
            Verb::Text(verb) => verb.run(common),
        }
    }
}

fn of_model(
    common: &Common,
    model: Option<&str>,
    subject: Option<&str>,
    shadows: usize,
    (named, further): (&[Name], &Further),
    seed: u64,
) -> Result<Answer, Failure> {
    let mut workspace = Workspace::write(&common.dir)?;
    let (name, model) = choose_model(&workspace.config, model)?;
    let (name, model) = (name.to_owned(), model.clone());
    let (manifest, weights, _) = newest(&mut workspace, &name)?;
    let data = load_latest(&mut workspace, &model.data)?;
    if data.manifest.version != manifest.data_version {
        return Err(Failure::refused(format!(
            "{} was trained on {}, and {} is the newest: who was a member cannot be told from it",
            manifest.model, manifest.data_version, data.manifest.version
        ))
        .hint("train a further release on the newest version, and audit that: `reticent train --again`"));
    }
    further.check(data.table.schema())?;
    let chosen = chosen_for(&mut workspace, &manifest.model, &manifest.data_version, &manifest.purpose)?;
    let admitted = admit(&mut workspace, &data, &model, Use::Audit, &chosen)?;
    let mut gaps = vec![];
    let pool = match admitted_when_trained(&mut workspace, &data, &model, &manifest)? {
        Some(then) => admitted.table.filter(|id| then.contains(&id.to_string())),
        None => {
            gaps.push(
                "membership of units whose basis or policy changed on record since the training: they are taken as it stands now".into(),
            );
            admitted.table
        }
    };
    let folder = workspace.hidden("audit");
    disk::create_private_folder(&folder)?;
    let kept = Kept::new(&folder, *disk::secret(&folder.join("key"))?);
    let audit = audit::audit_model(&manifest, &weights, &pool, Shadows { number: shadows, kept: &kept }, (named, further), seed, gaps)?;
    workspace.append(&Event::InternalEvaluation {
        version: data.manifest.version.clone(),
        models: audit.models,
        purpose: "audit: shadow models, twin, a model meant to leak, canaries".into(),
    })?;
    let mut json = audit::json(&audit, &manifest);
    let event = evidence::record(&mut workspace, "audit", &manifest.model, &json, audit::numbers(&audit, &manifest))?;
    json["evidence"] = json!(event);
    let mut text = audit::text(&audit, &manifest);
    if let Some(id) = subject {
        // After the evidence is written: what is said about one unit is for whoever asked, and is not kept.
        let (told, facts) = one_unit(&mut workspace, &model.data, id, &data.table, &audit, &manifest)?;
        text += &format!("\n{told}");
        json["subject"] = facts;
    }
    workspace.publish()?;
    text += &format!("evidence: event {event}\n");
    if let Some(stamp) = &manifest.stamp {
        say(format!("warning: {}: {stamp}", manifest.model));
    }
    Ok(Answer::new(text, json))
}

/// The page of what was measured; what was asked about one unit is not on it.
fn write_page(path: &Path, answer: &mut Answer) -> Result<(), Failure> {
    let word = |key: &str| answer.json[key].as_str().unwrap_or_default();
    let covers = format!("{} alone, {}, {}", word("model"), word("neighbours"), word("unit"));
    let section = measured::attacked(&answer.json, None, &covers)?;
    disk::write(path, render_audit(&section).as_bytes())?;
    answer.text += &format!("page: {}\n", path.display());
    Ok(())
}

/// What LiRA makes of one unit. The id is not repeated.
fn one_unit(
    workspace: &mut Workspace,
    dataset: &str,
    id: &str,
    all: &reticent_data::Table,
    audit: &Audit,
    manifest: &ModelManifest,
) -> Result<(String, Value), Failure> {
    let pseudonym = workspace.pseudonym_key()?.subject(dataset, id);
    if !all.subjects().contains(&pseudonym) {
        let told =
            format!("one unit: no row of {} belongs to this id, so there is nothing to ask the model about\n", manifest.data_version);
        return Ok((told, json!({ "known": false })));
    }
    let (scores, sides) = &audit.private;
    let Some(score) = scores.of(&pseudonym) else {
        let told = "one unit: its rows are in the workspace and may not be used for an audit: withdrawn, restricted or left out; it was not scored\n";
        return Ok((told.into(), json!({ "known": true, "scored": false })));
    };
    // At 1% of false alarms where that can be measured, else at 10%, else where both sides are equally likely.
    let rate = [0.01, 0.1].into_iter().find(|&fpr| matches!(sides.tpr_at(fpr), Ok(TprAt::Measured { .. })));
    let decision = sides.decision(rate.map_or(0.0, |fpr| sides.threshold_at(fpr)));
    let called = score >= decision.threshold;
    let told = format!(
        "one unit: LiRA {} it a member of {}\n  at this threshold it calls {:.1}% of the members and {:.1}% of the others members; this is no proof either way\n",
        if called { "calls" } else { "does not call" },
        manifest.model,
        decision.tpr * 100.0,
        decision.fpr * 100.0
    );
    let facts = json!({ "known": true, "scored": true, "called_member": called, "tpr": decision.tpr, "fpr": decision.fpr, "proof": false });
    Ok((told, facts))
}
