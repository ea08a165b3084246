//! `lineage`: from a record to the models that learned from it, and from a model to the consents it learned under.

mod card;
mod croissant;
mod openlineage;

use crate::cli::Common;
use crate::data_version::latest_manifest;
use crate::disk;
use crate::failure::Failure;
use crate::output::{Answer, thousands};
use crate::outward::Outward;
use crate::verbs::consent::chosen_data_set;
use crate::workspace::Workspace;
use clap::{Args, Subcommand};
use reticent_govern::{Event, GroundThen, Release};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a receiver of events may take for one.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct Lineage {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Which data versions and models contain this subject, and on which ground
    Subject {
        /// Whose rows, as in the data
        subject: String,
        /// The data set [default: the only one]
        #[arg(long)]
        data: Option<String>,
    },
    /// What a model was trained on, under which consents at that time
    Model {
        /// A release, `risk/1`, or a model: its newest
        model: String,
    },
    /// Write the runs of this workspace as OpenLineage events (2-0-2), one on each line, or send them
    #[command(
        after_help = "Where they are sent is declared first, with its recipient, contract and transfer (`reticent register import`). A receiver takes the same event\ntwice as once, so that after an interruption all are sent again. A token goes into RETICENT_ENDPOINT_TOKEN."
    )]
    Openlineage {
        /// Where they go
        #[arg(long, value_name = "FILE", required_unless_present = "to")]
        out: Option<PathBuf>,
        /// Where they are sent: `URL/api/v1/lineage`
        #[arg(long, value_name = "URL")]
        to: Option<String>,
        /// For what the recipient is declared to receive them
        #[arg(long, default_value = "lineage", requires = "to")]
        purpose: String,
    },
    /// Describe a data set as Croissant with its RAI vocabulary; no row and no digest of one is in it
    Croissant {
        /// The data set [default: the only one]
        #[arg(long)]
        data: Option<String>,
        /// Where it goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Write the card of a model: Markdown with a block on privacy
    Card {
        /// A release, `risk/1`, or a model: its newest
        model: String,
        /// Where it goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

impl Lineage {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        if let Verb::Openlineage { to: Some(url), purpose, out } = &self.verb {
            return send(&common.dir, url, purpose, out.as_deref());
        }
        let mut workspace = Workspace::read(&common.dir)?;
        match &self.verb {
            Verb::Subject { subject, data } => of_subject(&mut workspace, subject, data.as_deref()),
            Verb::Model { model } => of_model(&mut workspace, model),
            Verb::Openlineage { out, .. } => {
                let events = openlineage::events(&mut workspace)?;
                let out = out.as_deref().ok_or_else(|| Failure::usage("neither --out nor --to says where the events go"))?;
                written(out, &lines(&events), &format!("{} events", thousands(events.len() as u64)), json!({ "events": events.len() }))
            }
            Verb::Croissant { data, out } => {
                let dataset = chosen_data_set(&workspace.config, data.as_deref())?;
                let manifest = latest_manifest(&mut workspace, &dataset)?.ok_or_else(|| {
                    Failure::usage(format!("the data set `{dataset}` has not been imported")).hint("run `reticent import`")
                })?;
                let described = croissant::describe(&workspace.config, &dataset, &manifest);
                written(out, &format!("{described:#}\n"), &manifest.version, json!({ "version": manifest.version }))
            }
            Verb::Card { model, out } => {
                let (release, event) = release_of(&mut workspace, model)?;
                let card = card::card(&mut workspace, &release, event)?;
                written(out, &card, &release.model, json!({ "model": release.model }))
            }
        }
    }
}

fn lines(events: &[Value]) -> String {
    events.iter().map(|e| format!("{e}\n")).collect()
}

/// Sends every event, in order, once the gate lets the host be reached.
fn send(dir: &Path, url: &str, purpose: &str, out: Option<&Path>) -> Result<Answer, Failure> {
    let mut workspace = Workspace::write(dir)?;
    let events = openlineage::events(&mut workspace)?;
    let outward = Outward::to(&mut workspace, url, purpose, PATIENCE)?;
    if let Some(out) = out {
        disk::write(out, lines(&events).as_bytes())?;
    }
    for (sent, event) in events.iter().enumerate() {
        outward.post("/api/v1/lineage", event).map_err(|failure| {
            let message = format!("{}; {} of {} events are sent", failure.message, thousands(sent as u64), thousands(events.len() as u64));
            Failure { message, ..failure }
        })?;
    }
    let text = format!("{}: {} events\n", outward.host(), thousands(events.len() as u64));
    Ok(Answer::new(text, json!({ "host": outward.host(), "events": events.len() })))
}

fn written(path: &Path, text: &str, what: &str, mut facts: Value) -> Result<Answer, Failure> {
    disk::write(path, text.as_bytes())?;
    facts["file"] = json!(crate::workspace::absolute(path)?);
    Ok(Answer::new(format!("{}: {what}\n", path.display()), facts))
}

/// A release by its whole name, or the newest of a model.
fn release_of(workspace: &mut Workspace, named: &str) -> Result<(Release, i64), Failure> {
    let found = workspace.ledger.events("model-released")?.into_iter().rev().find_map(|stored| match stored.event {
        Event::ModelReleased(release) if release.model == named || release.model.split('/').next() == Some(named) => {
            Some((release, stored.seq))
        }
        _ => None,
    });
    found.ok_or_else(|| Failure::usage(format!("no release is called `{named}`")).hint("`reticent status` lists them"))
}

fn of_subject(workspace: &mut Workspace, subject: &str, data: Option<&str>) -> Result<Answer, Failure> {
    let dataset = chosen_data_set(&workspace.config, data)?;
    let unit = workspace.pseudonym_key()?.subject(&dataset, subject).to_string();
    let recalled = workspace.ledger.recalled()?;
    let found = workspace.ledger.contains_unit(&unit)?;
    let mut text = String::new();
    let mut all = vec![];
    for (about, ground) in found {
        let gone = if recalled.contains(&about) { ", recalled" } else { "" };
        text += &format!("{about}: {}{gone}\n", in_words(&ground));
        all.push(json!({ "in": about, "ground": ground, "recalled": !gone.is_empty() }));
    }
    if all.is_empty() {
        text = "nothing on record contains this subject\n".into();
    }
    Ok(Answer::new(text, json!({ "dataset": dataset, "contained_in": all })))
}

fn of_model(workspace: &mut Workspace, named: &str) -> Result<Answer, Failure> {
    let (release, event) = release_of(workspace, named)?;
    let grounds = workspace.ledger.made_of(&release.model)?;
    let shared = workspace.ledger.shared_by(&release.model, &release.data_version)?;
    let decision = workspace.ledger.events("gate-decided")?.into_iter().rev().find(|s| s.seq < event).map(|s| s.seq);
    let total: u64 = grounds.values().sum();
    let mut text = format!("{} (event {event}) was trained for `{}` on {}\n", release.model, release.purpose, release.data_version);
    text += &format!("  units      {}, of which {} are in {}\n", thousands(total), thousands(shared), release.data_version);
    for (ground, units) in &grounds {
        text += &format!("  {}: {} units\n", in_words(ground), thousands(*units));
    }
    text += &format!("  checkpoint sha256 {}\n", release.weights_sha256);
    if let Some(decision) = decision {
        text += &format!("  decision   event {decision}\n");
    }
    let listed: Vec<Value> = grounds.iter().map(|(ground, units)| json!({ "ground": ground, "units": units })).collect();
    Ok(Answer::new(
        text,
        json!({ "model": release.model, "event": event, "purpose": release.purpose, "data_version": release.data_version, "units": total,
            "grounds": listed, "decision": decision, "weights_sha256": release.weights_sha256 }),
    ))
}

fn in_words(ground: &GroundThen) -> String {
    let Some(art6) = ground.art6 else { return ground.asserted.clone() };
    let art9 = ground.art9.map(|l| format!(", Art 9(2)({l})")).unwrap_or_default();
    let notice = if ground.notice.is_empty() { String::new() } else { format!(", notice {}", ground.notice) };
    let reused = ground.reused_from.as_ref().map(|p| format!(", reused from `{p}`")).unwrap_or_default();
    format!("Art 6(1)({art6}){art9}{notice}{reused}")
}
