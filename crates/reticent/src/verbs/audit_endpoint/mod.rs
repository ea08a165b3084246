//! `audit endpoint`: attack a model behind HTTP. The authorisation is on record before anything is sent; what was answered is kept line by
//! line for as long as the register says, so that an audit that was interrupted goes on.

mod completions;
mod extraction;
mod inference;
mod kept;

pub(crate) use kept::{kept_answers, remove_answers};

use super::audit_records::Records;
use super::audit_scores::{About, Against, AuditScores};
use crate::cli::Common;
use crate::evidence;
use crate::failure::Failure;
use crate::output::{Answer, Progress, say, thousands};
use crate::outward::Outward;
use crate::workspace::Workspace;
use clap::{Args, ValueEnum};
use kept::Kept;
use reticent_audit::answers_file::Attacked;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = "Three ways to ask:\n\
  inference    Open Inference Protocol v2 (KServe, Triton, `reticent serve`). FILE has `member`, `label` (0 to k, or the name that the model\n\
               gives), the columns that the model reads, perhaps `id`, and of reference models `ref_n` and `in_n`. Where it gives labels alone,\n\
               whether they are right is the score.\n\
  completions  OpenAI-compatible completions of a language model that gives log-probabilities of the prompt (echo, logprobs). FILE has\n\
               `member`, `text` and perhaps `id`: loss, Min-K% and the zlib ratio of each text.\n\
  extraction   the same completions, asked to go on after `prefix`: does the model say `suffix`? What it says is not kept. `member` is 0 for\n\
               decoys that it never saw.\n\
The host is declared first, with its recipient, contract and transfer, and a retention for `answers`: `reticent register import`. A token goes\n\
into RETICENT_ENDPOINT_TOKEN. Run it again after an interruption: what was answered is not asked again.\n\
Example: reticent audit endpoint https://models.example --model risk --records people.csv --authorisation \"contract 12, section 4\"")]
pub(crate) struct AuditEndpoint {
    /// Where the model answers
    url: String,
    /// Its name there
    #[arg(long)]
    model: String,
    /// CSV file of what it is asked
    #[arg(long, value_name = "FILE")]
    records: PathBuf,
    /// What is spoken there
    #[arg(long, value_enum, default_value_t = Protocol::Inference)]
    protocol: Protocol,
    /// Who permitted this audit of a model that may be somebody else's, and where that is written
    #[arg(long, value_name = "TEXT")]
    authorisation: String,
    /// For what the recipient is declared to receive this
    #[arg(long, default_value = "audit")]
    purpose: String,
    /// Lines sent at once
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Seconds to wait for an answer
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..))]
    timeout: u16,
    #[command(flatten)]
    against: Against,
}

/// What an endpoint speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    /// Open Inference Protocol, version 2
    Inference,
    /// Completions of a language model, as OpenAI's
    Completions,
    /// Completions again: the rest of a text after its beginning
    Extraction,
}

/// Gives rows of answers to some lines, the first of which has this number.
type Asking<'a> = dyn Fn(&[csv::StringRecord], usize) -> Result<Vec<Vec<String>>, Failure> + 'a;

impl AuditEndpoint {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let authorisation = self.authorisation.trim();
        if authorisation.is_empty() {
            return Err(Failure::usage("the authorisation is empty").hint("say who permitted the audit, and where that is written"));
        }
        let mut workspace = Workspace::write(&common.dir)?;
        let now = workspace.ledger.now()?;
        if !workspace.ledger.register("retention", now, None)?.contains_key("answers") {
            return Err(Failure::refused("no retention is declared for `answers`: what a model says of people is kept for a stated time")
                .hint("`reticent register import` with { \"register\": \"retention\", \"id\": \"answers\", \"keep\": \"P90D\" }"));
        }
        let records = Records::read(&self.records)?;
        let bytes = std::fs::read(&self.records).map_err(|e| crate::disk::io("read", &self.records, &e))?;
        let protocol = match self.protocol {
            Protocol::Inference => "inference",
            Protocol::Completions => "completions",
            Protocol::Extraction => "extraction",
        };
        let outward = Outward::to(&mut workspace, &self.url, &self.purpose, Duration::from_secs(self.timeout.into()))?;
        let mut kept = Kept::open(&workspace, &[&self.url, &self.model, protocol], &bytes)?;
        let about = format!("{} at {}", self.model, outward.host());
        if kept.is_new() {
            let body = json!({ "host": outward.host(), "model": self.model, "protocol": protocol, "authorisation": authorisation,
                "lines": records.lines.len(), "kept": "as long as the register says for `answers`" });
            evidence::record(&mut workspace, "audit-authorisation", &about, &body, BTreeMap::new())?;
            workspace.publish()?;
            kept.begin(now)?;
        }
        let done = kept.lines()?;
        if done > 0 {
            say(format!("going on after {} of {} lines", thousands(done as u64), thousands(records.lines.len() as u64)));
        }
        self.ask(&outward, &records, &mut kept, done).map_err(|failure| self.with_what_is_kept(failure, &kept, records.lines.len()))?;

        let with = AuditScores::brought(kept.file(), self.against.clone(), vec![]);
        let mut answer = match self.protocol {
            Protocol::Inference => with.run()?,
            Protocol::Completions => of_attacks(&with, &completions::attacks(&kept)?, "log-probabilities of the tokens of a text")?,
            Protocol::Extraction => {
                let (attacks, in_full) = extraction::attacks(&kept)?;
                let mut answer = of_attacks(&with, &attacks, "texts that the model writes")?;
                answer.text = in_full.text() + &answer.text;
                answer.json["said"] = in_full.json();
                answer
            }
        };
        let lower = answer.json["audit"]["epsilon_lower"].as_f64();
        let numbers =
            lower.map(|e| ("epsilon_lower".to_owned(), e)).into_iter().chain([("delta".to_owned(), self.against.delta)]).collect();
        let event = evidence::record(&mut workspace, "endpoint-audit", &about, &answer.json, numbers)?;
        workspace.publish()?;
        answer.json["evidence"] = json!(event);
        answer.json["answers"] = json!(kept.file());
        answer.text += &format!("answers: {}, kept as long as the register says\nevidence: event {event}\n", kept.file().display());
        Ok(answer)
    }

    /// Asks for what was not answered yet; each batch is on the disk before the next is sent.
    fn ask(&self, outward: &Outward, records: &Records, kept: &mut Kept, done: usize) -> Result<(), Failure> {
        let asks: Box<Asking<'_>> = match self.protocol {
            Protocol::Inference => {
                let model = inference::Model::meet(outward, &self.model, records)?;
                kept.head(&model.header())?;
                Box::new(move |lines, from| model.answers(outward, lines, from))
            }
            Protocol::Extraction => {
                let asked = extraction::Asked::of(records, &self.model)?;
                kept.head(&extraction::HEADER.map(str::to_owned))?;
                Box::new(move |lines, from| asked.answers(outward, lines, from))
            }
            Protocol::Completions => {
                let asked = completions::Asked::of(records, &self.model)?;
                kept.head(&completions::HEADER.map(str::to_owned))?;
                Box::new(move |lines, from| asked.answers(outward, lines, from))
            }
        };
        let mut progress = Progress::new("asking", records.lines.len() as u64);
        progress.from(done as u64);
        let mut at = done;
        while at < records.lines.len() {
            let until = (at + usize::from(self.batch)).min(records.lines.len());
            kept.append(&asks(&records.lines[at..until], at)?)?;
            at = until;
            progress.at(at as u64);
        }
        Ok(())
    }

    fn with_what_is_kept(&self, failure: Failure, kept: &Kept, all: usize) -> Failure {
        let done = kept.lines().unwrap_or(0);
        let message = format!("{}; {} of {} lines are answered, and kept", failure.message, thousands(done as u64), thousands(all as u64));
        Failure { message, ..failure }
    }
}

/// The analysis of attacks that were made here, each line a unit.
fn of_attacks(with: &AuditScores, attacks: &[Attacked], access: &str) -> Result<Answer, Failure> {
    let units = attacks.first().map_or(0, |a| a.scores.members() + a.scores.non_members());
    let about = About { lines: units as u64, units, references: 0, unit: "line", access };
    with.of_attacks(attacks, &about, None)
}
