//! `register`: what the registers hold, who decided what, tasks, retention, and models that were trained elsewhere.

use crate::cli::Common;
use crate::config::Config;
use crate::data_version::load_latest;
use crate::decided;
use crate::disk;
use crate::failure::Failure;
use crate::gate::admit_for;
use crate::output::{Answer, thousands};
use crate::verbs::audit_endpoint::{kept_answers, remove_answers};
use crate::verbs::consent::chosen_data_set;
use crate::verbs::train::run::own_losses;
use crate::workspace::Workspace;
use clap::{Args, Subcommand};
use reticent_govern::{
    AssertedModel, DueThing, Entry, Event, ForeignRun, InterestAssessment, PurposeEntry, RegisterEvent, decode, read_register, strict,
};
use reticent_proof::Use;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct Register {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Enter the purposes of reticent.toml, and the entries of a JSON file, all or none; what stands so already is left alone
    #[command(
        after_help = "Entries: {\"register\": KIND, \"id\": NAME, \"from\": \"2026-05-01\", \"until\": ..., ...}, in a list or one on each line.\n  party          role (controller, joint-controller, processor, representative, data-protection-officer), name, contact, country, contract\n  recipient      name, country, purposes, contract, transfer\n  host           recipient, region\n  notice         languages, purposes, shown {language: sha256}\n  purpose        iri, broader, owner, description, retention, documentation\n  retention      keep; its id is data, models, runs, reports, evidence or requests\n  legal-hold     dataset (* for all), reason, ordered_by\n  compatibility  dataset, from_purpose, to_purpose, link, context, nature, consequences, safeguards (each {speaks_for, why}), tested_by,\n                 advised_by, decided_by; needs until"
    )]
    Import {
        /// The file; without one, what reticent.toml declares: its purposes, and the file that it names as `registers`
        file: Option<PathBuf>,
    },
    /// What the registers hold on a day
    Show {
        /// One register [default: all]
        kind: Option<String>,
        /// The day, 2026-05-01 [default: now]
        #[arg(long)]
        at: Option<String>,
        /// As it was known after this event of the ledger [default: the last]
        #[arg(long, value_name = "EVENT")]
        known: Option<i64>,
    },
    /// Record the assessment of a legitimate interest: whoever assesses, advises and decides are different people
    Interest {
        /// The purpose
        #[arg(long)]
        purpose: String,
        /// The data set [default: the only one]
        #[arg(long)]
        data: Option<String>,
        /// The reasoning, in a file
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// A step that does not hold
        #[arg(long, value_name = "STEP", value_parser = ["purpose", "necessity", "balance"])]
        fails: Vec<String>,
        /// Who assessed
        #[arg(long, value_name = "NAME")]
        assessed_by: String,
        /// Who advised
        #[arg(long, value_name = "NAME")]
        advised_by: Option<String>,
        /// Who decides
        #[arg(long, value_name = "NAME")]
        by: String,
        /// Until when it counts, 2027-05-01
        #[arg(long, value_name = "DATE")]
        until: String,
    },
    /// What people have to decide about models that are out; with a number and a decision, record it
    Task {
        /// The task
        task: Option<u64>,
        /// Who decides
        #[arg(long, value_name = "NAME", requires = "decision")]
        by: Option<String>,
        /// What, and why
        #[arg(long, value_name = "TEXT", requires = "by")]
        decision: Option<String>,
    },
    /// Remove what is past its retention and under no hold; without --yes, list it
    Enforce {
        /// Remove it
        #[arg(long)]
        yes: bool,
    },
    /// Bring in a model that was trained elsewhere; the ε of its run is recomputed and carried as asserted
    #[command(
        after_help = "RUN is JSON: {\"library\": \"opacus\", \"noise_multiplier\": 1.1, \"sample_rate\": 0.01, \"steps\": 1000, \"sampler\": \"poisson\", \"delta\": 1e-5,\n\"unit\": \"row\", \"epsilon\": 2.4, \"max_grad_norm\": 1.0}; sampler is poisson, shuffled or full-batch; the last two keys may be absent."
    )]
    Model {
        /// Its file of weights
        file: PathBuf,
        /// Its run
        #[arg(long, value_name = "RUN")]
        run: PathBuf,
        /// Its name here
        #[arg(long)]
        name: String,
        /// The purpose that it serves
        #[arg(long)]
        purpose: String,
        /// The data set that it is said to be trained on: the gate is asked about everybody in it
        #[arg(long)]
        data: Option<String>,
        /// The model that it was made from; it serves the purpose of that one, or a part of it
        #[arg(long)]
        base: Option<String>,
    },
    /// Say that the clock is right although it stands before the last event
    Clock {
        /// Who says so
        #[arg(long, value_name = "NAME")]
        by: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

const KINDS: [&str; 8] = ["party", "purpose", "recipient", "host", "notice", "retention", "legal-hold", "compatibility"];

impl Register {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        match &self.verb {
            Verb::Import { file } => import(common, file.as_deref()),
            Verb::Show { kind, at, known } => show(common, kind.as_deref(), at.as_deref(), *known),
            Verb::Interest { purpose, data, file, fails, assessed_by, advised_by, by, until } => {
                let mut workspace = Workspace::write(&common.dir)?;
                let dataset = chosen_data_set(&workspace.config, data.as_deref())?;
                declared(&workspace.config, purpose)?;
                let holds = |step: &str| !fails.iter().any(|f| f == step);
                let assessed = InterestAssessment {
                    dataset,
                    purpose: purpose.clone(),
                    interest_holds: holds("purpose"),
                    necessary: holds("necessity"),
                    balanced: holds("balance"),
                    text: disk::read_text(file)?,
                    assessed_by: assessed_by.clone(),
                    advised_by: advised_by.clone(),
                    approved_by: by.clone(),
                    expires: day(until)?,
                };
                let actor = workspace.actor.clone();
                let event = workspace.ledger.assess_interest(&actor, &assessed)?;
                workspace.publish()?;
                let outcome = if fails.is_empty() { "holds" } else { "does not hold: the gate refuses" };
                Ok(Answer::new(
                    format!("legitimate interest for `{purpose}` on record until {until} (event {event}); it {outcome}\n"),
                    json!({ "event": event, "holds": fails.is_empty() }),
                ))
            }
            Verb::Task { task, by, decision } => tasks(common, *task, by.as_deref().zip(decision.as_deref())),
            Verb::Enforce { yes } => enforce(common, *yes),
            Verb::Model { file, run, name, purpose, data, base } => {
                model(common, file, run, name, purpose, data.as_deref(), base.as_deref())
            }
            Verb::Clock { by, reason } => {
                let mut workspace = Workspace::write(&common.dir)?;
                let actor = workspace.actor.clone();
                let event = workspace.ledger.accept_clock(&actor, by, reason)?;
                workspace.publish()?;
                Ok(Answer::new(format!("the clock is accepted by {by} (event {event})\n"), json!({ "event": event })))
            }
        }
    }
}

fn declared(config: &Config, purpose: &str) -> Result<(), Failure> {
    if config.purposes.contains_key(purpose) {
        return Ok(());
    }
    let known: Vec<&str> = config.purposes.keys().map(String::as_str).collect();
    Err(Failure::refused(format!("no purpose is called `{purpose}`")).hint(format!("reticent.toml declares: {}", known.join(", "))))
}

/// Midnight of a date, UTC.
fn day(text: &str) -> Result<i64, Failure> {
    let date: Option<jiff::civil::Date> = text.parse().ok();
    let midnight = date.and_then(|d| d.to_zoned(jiff::tz::TimeZone::UTC).ok());
    midnight.map(|z| z.timestamp().as_second()).ok_or_else(|| Failure::usage(format!("`{text}` is no date")).hint("write 2026-05-01"))
}

/// The purposes of reticent.toml as entries: those that say everything a register needs.
fn purposes(config: &Config) -> Vec<RegisterEvent> {
    let complete = config.purposes.iter().filter_map(|(name, p)| {
        let entry = Entry::Purpose(PurposeEntry {
            iri: p.iri.clone()?,
            broader: p.broader.clone(),
            owner: p.owner.clone()?,
            description: p.description.clone()?,
            retention: p.retention.clone()?,
            documentation: p.documentation.clone(),
        });
        let from = p.since.as_deref().and_then(|since| day(since).ok()).unwrap_or(0);
        Some(RegisterEvent { id: name.clone(), from, until: None, entry })
    });
    complete.collect()
}

fn import(common: &Common, file: Option<&Path>) -> Result<Answer, Failure> {
    let mut workspace = Workspace::write(&common.dir)?;
    let mut entries = purposes(&workspace.config);
    let declared = workspace.config.registers.as_ref().map(|registers| workspace.dir.join(registers));
    for path in declared.iter().map(PathBuf::as_path).chain(file) {
        let bytes = std::fs::read(path).map_err(|e| disk::io("read", path, &e))?;
        entries.extend(read_register(decode(&bytes)?)?);
    }
    let actor = workspace.actor.clone();
    let entered = workspace.ledger.enter(&actor, &entries)?;
    workspace.publish()?;
    let text = format!("{} entries written, {} stood so already\n", thousands(entered.written), thousands(entered.known));
    Ok(Answer::new(text, json!(entered)))
}

fn show(common: &Common, kind: Option<&str>, at: Option<&str>, known: Option<i64>) -> Result<Answer, Failure> {
    let mut workspace = Workspace::read(&common.dir)?;
    let at = match at {
        Some(at) => day(at)?,
        None => workspace.ledger.now()?,
    };
    if let Some(kind) = kind.filter(|k| !KINDS.contains(k)) {
        return Err(Failure::usage(format!("no register is called `{kind}`")).hint(format!("one of: {}", KINDS.join(", "))));
    }
    let (mut text, mut all) = (String::new(), vec![]);
    for register in KINDS.iter().filter(|k| kind.is_none_or(|wanted| wanted == **k)) {
        for (id, event) in workspace.ledger.register(register, at, known)? {
            let until = event.until.map(|u| format!(" until {}", crate::gate::date(u))).unwrap_or_default();
            text += &format!("{register} {id}, from {}{until}\n", crate::gate::date(event.from));
            all.push(event);
        }
    }
    if all.is_empty() {
        text = "the registers hold nothing then\n".into();
    }
    Ok(Answer::new(text, json!({ "entries": all })))
}

fn tasks(common: &Common, task: Option<u64>, decided: Option<(&str, &str)>) -> Result<Answer, Failure> {
    let mut workspace = match decided {
        Some(_) => Workspace::write(&common.dir)?,
        None => Workspace::read(&common.dir)?,
    };
    if let Some((by, decision)) = decided {
        let task = task.ok_or_else(|| Failure::usage("which task?").hint("`reticent register task` lists them"))?;
        let actor = workspace.actor.clone();
        workspace.ledger.close_task(&actor, task, by, decision)?;
        workspace.publish()?;
    }
    let all: Vec<_> = workspace.ledger.tasks()?.into_iter().filter(|t| task.is_none_or(|wanted| wanted == t.task)).collect();
    let mut text = String::new();
    for t in &all {
        let units = crate::gate::masked(t.units);
        text += &format!("task {}: a basis ended of {units} units that {} learned from ({})\n", t.task, t.models.join(", "), t.at);
        text += &match &t.closed {
            Some((by, decision)) => format!("  decided by {by}: {decision}\n"),
            None => "  open\n".to_owned(),
        };
    }
    if all.is_empty() {
        text = "no task\n".into();
    }
    Ok(Answer::new(text, json!({ "tasks": all })))
}

/// Everything that a retention may be declared for and that lies in the workspace.
fn kept(workspace: &mut Workspace) -> Result<Vec<DueThing>, Failure> {
    let seconds = |at: &str| at.parse::<jiff::Timestamp>().map_or(i64::MAX, jiff::Timestamp::as_second);
    let mut things = vec![];
    for dataset in workspace.config.data.keys().cloned().collect::<Vec<_>>() {
        for (version, _) in crate::data_version::tables_on_disk(workspace, &dataset)? {
            let since = crate::data_version::held_since(workspace, &version)?.unwrap_or(i64::MAX);
            things.push(DueThing { kind: "data".into(), name: version, dataset: Some(dataset.clone()), since });
        }
    }
    let recalled = workspace.ledger.recalled()?;
    for stored in workspace.ledger.events("model-released")? {
        let Event::ModelReleased(release) = stored.event else { continue };
        if !recalled.contains(&release.model) {
            let dataset = release.data_version.split('/').next().map(str::to_owned);
            things.push(DueThing { kind: "models".into(), name: release.model, dataset, since: seconds(&stored.at) });
        }
    }
    for stored in workspace.ledger.events("evidence-recorded")? {
        let Event::EvidenceRecorded { file, .. } = stored.event else { continue };
        if workspace.hidden("evidence").join(&file).exists() {
            things.push(DueThing { kind: "evidence".into(), name: file, dataset: None, since: seconds(&stored.at) });
        }
    }
    for stored in workspace.ledger.events("report-written")? {
        let Event::ReportWritten { file, .. } = stored.event else { continue };
        if workspace.dir.join(&file).exists() {
            things.push(DueThing { kind: "reports".into(), name: file, dataset: None, since: seconds(&stored.at) });
        }
    }
    for (name, since) in kept_answers(workspace) {
        things.push(DueThing { kind: "answers".into(), name, dataset: None, since });
    }
    for (name, since) in decided::days(workspace)? {
        things.push(DueThing { kind: "decisions".into(), name, dataset: None, since });
    }
    // What is kept of a request that was answered; its number, dates and commitment stay in the ledger.
    let cases = workspace.ledger.requests()?;
    for file in crate::request::all(workspace)? {
        let closed = cases.get(&file.number).filter(|case| case.state.is_final());
        let since = closed.and_then(|case| case.last.to_zoned(jiff::tz::TimeZone::UTC).ok()).map(|day| day.timestamp().as_second());
        things.extend(since.map(|since| DueThing { kind: "requests".into(), name: file.number.to_string(), dataset: None, since }));
    }
    Ok(things)
}

fn enforce(common: &Common, yes: bool) -> Result<Answer, Failure> {
    let mut workspace = if yes { Workspace::write(&common.dir)? } else { Workspace::read(&common.dir)? };
    let now = workspace.ledger.now()?;
    let things = kept(&mut workspace)?;
    let (due, held) = workspace.ledger.due(&things, now)?;
    let named = |things: &[DueThing]| things.iter().map(|t| format!("{} {}", t.kind, t.name)).collect::<Vec<_>>();
    let (removed, held_names) = (named(&due), named(&held));
    if yes && !(due.is_empty() && held.is_empty()) {
        let actor = workspace.actor.clone();
        for thing in &due {
            match thing.kind.as_str() {
                "data" => disk::shred(&crate::data_version::folder(&workspace, &thing.name).join("table.parquet"))?,
                "models" => {
                    workspace.ledger.recall(&actor, &thing.name, "its retention is over", &actor.0)?;
                    disk::shred(&own_losses(&workspace, &thing.name))?;
                    disk::shred(&workspace.hidden("models").join(&thing.name).join("model.safetensors"))?;
                }
                "evidence" => disk::shred(&workspace.hidden("evidence").join(&thing.name))?,
                "answers" => remove_answers(&workspace, &thing.name)?,
                "decisions" => decided::remove(&workspace, &thing.name)?,
                "requests" => crate::request::remove(&workspace, thing.name.parse().unwrap_or_default())?,
                _ => disk::shred(&workspace.dir.join(&thing.name))?,
            }
        }
        workspace.append(&Event::RetentionEnforced { removed: removed.clone(), held: held_names.clone() })?;
        workspace.publish()?;
    }
    let verb = if yes { "removed" } else { "past its retention" };
    let mut text: String = removed.iter().map(|name| format!("{verb}: {name}\n")).collect();
    text += &held_names.iter().map(|name| format!("kept under a legal hold: {name}\n")).collect::<String>();
    if text.is_empty() {
        text = "nothing is past its retention\n".into();
    }
    Ok(Answer::new(text, json!({ "removed": if yes { &removed[..] } else { &[] }, "due": removed, "held": held_names })))
}

fn model(
    common: &Common,
    file: &Path,
    run: &Path,
    name: &str,
    purpose: &str,
    data: Option<&str>,
    base: Option<&str>,
) -> Result<Answer, Failure> {
    let mut workspace = Workspace::write(&common.dir)?;
    declared(&workspace.config, purpose)?;
    if workspace.config.models.contains_key(name) || name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    {
        return Err(Failure::usage(format!("`{name}` is no free name of letters, digits, `-` and `_`")));
    }
    if let Some(base) = base {
        let of_base = workspace.config.models.get(base).map(|m| m.purpose.clone()).or(asserted(&mut workspace, base)?);
        let of_base = of_base.ok_or_else(|| Failure::usage(format!("no model is called `{base}`")))?;
        if of_base != purpose && !workspace.config.broader(purpose).contains(&of_base) {
            return Err(Failure::refused(format!("`{base}` serves `{of_base}`: what is made from it serves that, or a part of it")));
        }
    }
    let bytes = std::fs::read(run).map_err(|e| disk::io("read", run, &e))?;
    let mut values = strict(decode(&bytes)?)?;
    let (Some((_, value)), true) = (values.pop(), values.is_empty()) else {
        return Err(Failure::usage("the run is no single JSON object"));
    };
    let run: ForeignRun =
        serde_json::from_value(value).map_err(|e| Failure::usage(format!("the run: {e}")).hint("see `reticent register model --help`"))?;
    let (epsilon, accountant) = run.epsilon_recomputed().map_err(|e| Failure::usage(format!("the run: {e}")))?;
    let weights = std::fs::read(file).map_err(|e| disk::io("read", file, &e))?;
    let number = 1 + workspace
        .ledger
        .events("model-registered")?
        .iter()
        .filter(|s| matches!(&s.event, Event::ModelRegistered(m) if m.model.split('/').next() == Some(name)))
        .count();
    let decision = data.map(|data| decided(&mut workspace, data, purpose)).transpose()?;
    let registered = AssertedModel {
        model: format!("{name}/{number}"),
        purpose: purpose.into(),
        weights_sha256: hex::encode(Sha256::digest(&weights)),
        run,
        epsilon,
        accountant: accountant.into(),
        dataset: data.map(str::to_owned),
        base: base.map(str::to_owned),
    };
    let event = workspace.append(&Event::ModelRegistered(registered.clone()))?;
    workspace.publish()?;
    let run = &registered.run;
    let mut text = format!("{} is registered for `{purpose}` (event {event})\n", registered.model);
    text += &format!(
        "  asserted by its run, not measured or proved here: ε ≤ {} at δ = {:e}, add or remove one {}, by {}\n",
        crate::privacy::up(epsilon),
        run.delta,
        run.unit,
        accountant.to_uppercase()
    );
    if let Some(theirs) = run.epsilon.filter(|theirs| *theirs < epsilon * 0.999) {
        text += &format!("  warning: {} reported {theirs}, which is less than follows from its own run\n", run.library);
    }
    match decision {
        Some(decision) => text += &format!("  the gate permits it, for everybody in the data set (event {decision})\n"),
        None => text += "  the gate was not asked: name the data set it was trained on with --data, where it is declared here\n",
    }
    Ok(Answer::new(text, json!({ "event": event, "asserted": registered, "decision": decision })))
}

/// Asks the gate whether everybody in a data set may be in a model for a purpose: what it has learned from already cannot be left out of it.
/// Nothing is registered where it says no; in experiment mode that is a warning.
fn decided(workspace: &mut Workspace, data: &str, purpose: &str) -> Result<i64, Failure> {
    let dataset = chosen_data_set(&workspace.config, Some(data))?;
    let version = load_latest(workspace, &dataset)?;
    Ok(admit_for(workspace, &version, (purpose, None), Use::Registration, &BTreeSet::new())?.event)
}

/// The purpose of a model that was brought in.
fn asserted(workspace: &mut Workspace, name: &str) -> Result<Option<String>, Failure> {
    Ok(workspace.ledger.events("model-registered")?.into_iter().rev().find_map(|stored| match stored.event {
        Event::ModelRegistered(m) if m.model.split('/').next() == Some(name) => Some(m.purpose),
        _ => None,
    }))
}
