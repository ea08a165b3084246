//! `assess`: the impact assessment, opened, written, advised on, decided and rendered from the evidence.

use crate::assessment::{Assessment, Part, Recommendation, State, gather, record_facts, render, screening};
use crate::cli::Common;
use crate::disk;
use crate::failure::Failure;
use crate::output::Answer;
use crate::verbs::choose_model;
use crate::workspace::Workspace;
use clap::{Args, Subcommand};
use reticent_govern::{AssessmentDecision, Event, Section};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Args)]
#[command(
    after_help = "Without a verb: where the assessment stands. The screening is computed from reticent.toml (criteria of WP248) and every number is read\nfrom the ledger. The parts that people must write are listed, not guessed. The controller decides; a data-protection officer advises."
)]
pub(crate) struct Assess {
    /// Open the assessment for a model's purpose and data set
    #[arg(long)]
    plan: bool,
    /// The model whose purpose and data set are assessed [default: the only one]
    #[arg(long, global = true)]
    model: Option<String>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Write a part that only people can write
    Write {
        /// The part
        part: Part,
        #[command(flatten)]
        words: Words,
        /// Who wrote it [default: whoever runs the program]
        #[arg(long, value_name = "NAME")]
        author: Option<String>,
    },
    /// Record the advice of the data-protection officer
    Advise {
        /// Who advises
        #[arg(long, value_name = "NAME")]
        by: String,
        /// What they recommend, in one word
        #[arg(long)]
        recommend: Option<Recommendation>,
        #[command(flatten)]
        words: Words,
    },
    /// Record the decision of the controller
    #[command(group = clap::ArgGroup::new("what").required(true).args(["approve", "refuse", "consult"]))]
    Decide {
        /// Who decides; never somebody who advised
        #[arg(long, value_name = "NAME")]
        by: String,
        /// The processing may go on as assessed
        #[arg(long)]
        approve: bool,
        /// It may not
        #[arg(long)]
        refuse: bool,
        /// The authority is consulted first (Art 36)
        #[arg(long)]
        consult: bool,
        /// Why; may be left out only where the decision follows the advice
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Write the assessment as a page and as JSON
    Render {
        /// Where the page goes; the JSON lies beside it [default: dpia.html in the workspace]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// What somebody wrote.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Words {
    /// The text
    #[arg(long)]
    text: Option<String>,
    /// A file with the text
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What only people can write, as it is kept when an assessment is opened.
const TO_BE_COMPLETED: [&str; 5] = [
    "necessity and proportionality of the processing",
    "risks to the people concerned, with severity and likelihood",
    "measures that answer those risks",
    "advice of the data-protection officer",
    "decision of the controller",
];

impl Assess {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        if self.plan && self.verb.is_some() {
            return Err(Failure::usage("`--plan` opens an assessment and goes with no verb").hint("run `reticent assess --plan` first"));
        }
        let mut workspace = match (&self.verb, self.plan) {
            (None, false) => Workspace::read(&common.dir)?,
            _ => Workspace::write(&common.dir)?,
        };
        let (_, model) = choose_model(&workspace.config, self.model.as_deref())?;
        let (dataset, purpose) = (model.data.clone(), model.purpose.clone());
        let about = Pair { dataset, purpose };
        match &self.verb {
            None if self.plan => about.open(&mut workspace),
            None => Ok(about.standing(gather(&mut workspace, &about.dataset, &about.purpose)?)),
            Some(Verb::Write { part, words, author }) => about.write(&mut workspace, *part, words, author.as_deref()),
            Some(Verb::Advise { by, recommend, words }) => about.advise(&mut workspace, by, *recommend, words),
            Some(Verb::Decide { by, approve, refuse, reason, .. }) => {
                let decision = match (approve, refuse) {
                    (true, _) => AssessmentDecision::Approved,
                    (_, true) => AssessmentDecision::Refused,
                    _ => AssessmentDecision::ConsultAuthority,
                };
                about.decide(&mut workspace, by, decision, reason)
            }
            Some(Verb::Render { out }) => about.render(&mut workspace, out.clone()),
        }
    }
}

/// What is assessed.
struct Pair {
    dataset: String,
    purpose: String,
}

impl Pair {
    fn open(&self, workspace: &mut Workspace) -> Result<Answer, Failure> {
        let (dataset, purpose) = (&self.dataset, &self.purpose);
        let criteria = screening(&workspace.config, dataset, purpose).holding();
        let seq = match gather(workspace, dataset, purpose)?.opened {
            Some(seq) => seq,
            None => {
                let to_be_completed = TO_BE_COMPLETED.map(str::to_owned).to_vec();
                let event = Event::AssessmentOpened {
                    dataset: dataset.clone(),
                    purpose: purpose.clone(),
                    criteria: criteria.clone(),
                    to_be_completed,
                };
                workspace.append(&event)?
            }
        };
        workspace.publish()?;
        let mut text = format!("impact assessment for `{purpose}` on `{dataset}` is open (event {seq})\n");
        for criterion in &criteria {
            text += &format!("  screening: {criterion}\n");
        }
        for part in TO_BE_COMPLETED {
            text += &format!("  to be completed: {part}\n");
        }
        Ok(Answer::new(
            text,
            json!({ "event": seq, "dataset": dataset, "purpose": purpose, "criteria": criteria, "to_be_completed": TO_BE_COMPLETED }),
        ))
    }

    fn write(&self, workspace: &mut Workspace, part: Part, words: &Words, author: Option<&str>) -> Result<Answer, Failure> {
        self.opened(workspace)?;
        let author = author.map_or_else(|| Ok(workspace.actor.0.clone()), |name| named(name, "--author"))?;
        let sections = BTreeMap::from([(part.name().to_owned(), Section { text: words.read()?, author })]);
        workspace.append(&Event::AssessmentUpdated { dataset: self.dataset.clone(), purpose: self.purpose.clone(), sections })?;
        self.after(workspace)
    }

    fn advise(&self, workspace: &mut Workspace, by: &str, recommend: Option<Recommendation>, words: &Words) -> Result<Answer, Failure> {
        self.opened(workspace)?;
        let (by, advice) = (named(by, "--by")?, Recommendation::before(recommend, &words.read()?));
        let actor = workspace.actor.clone();
        workspace.ledger.advise_assessment(&actor, &self.dataset, &self.purpose, &by, &advice)?;
        self.after(workspace)
    }

    fn decide(&self, workspace: &mut Workspace, by: &str, decision: AssessmentDecision, reason: &str) -> Result<Answer, Failure> {
        let standing = self.opened(workspace)?;
        let (by, reason) = (named(by, "--by")?, reason.trim());
        let missing: Vec<&str> = Part::ALL
            .into_iter()
            .filter(|p| p.is_required(standing.screening.fria_is_due()) && !standing.parts.iter().any(|w| w.part == p.name()))
            .map(Part::title)
            .collect();
        if decision == AssessmentDecision::Approved && !missing.is_empty() {
            return Err(Failure::refused(format!("the assessment lacks what a decision in favour rests on: {}", missing.join("; ")))
                .hint("write each with `reticent assess write PART --file FILE`")
                .facts(json!({ "to_be_completed": missing })));
        }
        if reason.is_empty() {
            let advice = standing.advice.last();
            let follows = advice.and_then(|a| a.recommendation).is_some_and(|r| r.agrees_with(decision));
            let why = match advice {
                None => "no advice is on record",
                Some(a) if a.recommendation.is_none() => "the newest advice recommends nothing in one word",
                Some(_) => "the decision overrules the newest advice",
            };
            if !follows {
                return Err(Failure::refused(format!("{why}: a reason is needed")).hint("say why with `--reason`"));
            }
        }
        let actor = workspace.actor.clone();
        let event = workspace.ledger.decide_assessment(&actor, &self.dataset, &self.purpose, &by, decision, reason)?;
        record_facts(workspace, &self.dataset, &self.purpose, event)?;
        self.after(workspace)
    }

    fn render(&self, workspace: &mut Workspace, out: Option<PathBuf>) -> Result<Answer, Failure> {
        let assessment = gather(workspace, &self.dataset, &self.purpose)?;
        let html = render(&assessment);
        let page = match out {
            Some(path) => crate::workspace::absolute(&path)?,
            None => workspace.dir.join("dpia.html"),
        };
        let data = page.with_extension("json");
        disk::write(&page, html.as_bytes())?;
        disk::write(&data, format!("{:#}\n", json!(assessment)).as_bytes())?;
        let file = page.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sha256 = hex::encode(Sha256::digest(&html));
        // The same page again is no new fact.
        let known = workspace.ledger.events("report-written")?.into_iter().rev().find_map(|stored| match stored.event {
            Event::ReportWritten { file: f, sha256 } if f == file => Some(sha256),
            _ => None,
        });
        if known.as_ref() != Some(&sha256) {
            workspace.append(&Event::ReportWritten { file, sha256: sha256.clone() })?;
        }
        workspace.publish()?;
        let mut answer = self.standing(assessment);
        answer.text += &format!("page {}\ndata {}\n", page.display(), data.display());
        answer.json["page"] = json!({ "html": page, "json": data, "sha256": sha256 });
        Ok(answer)
    }

    /// The assessment, which must be open.
    fn opened(&self, workspace: &mut Workspace) -> Result<Assessment, Failure> {
        let assessment = gather(workspace, &self.dataset, &self.purpose)?;
        if assessment.opened.is_none() {
            return Err(Failure::refused(format!("no impact assessment is open for `{}` on `{}`", self.purpose, self.dataset))
                .hint("open one with `reticent assess --plan`"));
        }
        Ok(assessment)
    }

    /// Where it stands after something was recorded.
    fn after(&self, workspace: &mut Workspace) -> Result<Answer, Failure> {
        workspace.publish()?;
        Ok(self.standing(gather(workspace, &self.dataset, &self.purpose)?))
    }

    /// Where it stands.
    fn standing(&self, assessment: Assessment) -> Answer {
        let mut text = format!("impact assessment for `{}` on `{}`: {}\n", self.purpose, self.dataset, assessment.state.words());
        text += &format!("  screening: {}\n", assessment.screening.outcome);
        let fria = &assessment.screening.fria;
        text += &format!("  {}: {}; {}\n", fria.name, fria.answer.words(), fria.why);
        for part in &assessment.parts {
            text += &format!("  written: {}, by {} (event {})\n", part.title, part.author, part.event);
        }
        for advice in &assessment.advice {
            let what = advice.recommendation.map_or_else(String::new, |r| format!(", recommends {}", r.words()));
            text += &format!("  advised by {} (event {}){what}\n", advice.by, advice.event);
        }
        if let Some(decision) = &assessment.decision {
            let overrules = if decision.overrules { ", overruling the advice" } else { "" };
            text += &format!("  decided by {} (event {}){overrules}\n", decision.by, decision.event);
            for change in &decision.changed {
                text += &format!("  changed since: {}\n", change.words());
            }
        }
        for part in &assessment.to_be_completed {
            text += &format!("  to be completed: {part}\n");
        }
        for gap in &assessment.gaps {
            text += &format!("  evidence missing: {gap}\n");
        }
        if assessment.state == State::NotOpened {
            text += "next: reticent assess --plan\n";
        }
        Answer::new(text, json!({ "assessment": assessment }))
    }
}

impl Words {
    fn read(&self) -> Result<String, Failure> {
        let text = match (&self.text, &self.file) {
            (Some(text), _) => text.clone(),
            (None, Some(file)) => disk::read_text(file)?,
            (None, None) => String::new(),
        };
        let text = text.replace("\r\n", "\n").trim().to_owned();
        if text.is_empty() { Err(Failure::usage("the text is empty").hint("give it with `--text` or `--file`")) } else { Ok(text) }
    }
}

/// A name that is one.
fn named(name: &str, flag: &str) -> Result<String, Failure> {
    let name = name.trim();
    if name.is_empty() { Err(Failure::usage(format!("`{flag}` names nobody"))) } else { Ok(name.to_owned()) }
}
