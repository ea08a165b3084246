//! `request`: what people ask for, from the day it comes in to the day it is answered.

use crate::cli::Common;
use crate::failure::Failure;
use crate::output::Answer;
use crate::request::{self, Asked, Subject, carry_out, letter};
use crate::verbs::consent::chosen_data_set;
use crate::workspace::Workspace;
use clap::{Args, Subcommand};
use jiff::civil::Date;
use reticent_data::Correction;
use reticent_govern::{Case, Refused, RequestStep, Review, Right};
use serde_json::{Value, json};

#[derive(Args)]
#[command(
    after_help = "Rights: access, portability, rectification, restriction, objection, erasure, contest (GDPR); know, delete, correct, opt-out, limit (CCPA).\nEach step may be repeated: what was done is not done twice. Deadlines are counted from --received by the law of that day.\nWho asks is kept in a file of its own, never in ledger or log; it goes when its person is taken out."
)]
pub(crate) struct RequestVerb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Record a request that came in
    Open(Open),
    /// Ask for a proof of identity, confirm it, or close the request where none came
    #[command(group = clap::ArgGroup::new("what").required(true).args(["ask", "confirm", "expire"]))]
    Identity {
        /// The request
        number: u64,
        /// Ask for it: under the GDPR the clock stands still until it comes
        #[arg(long)]
        ask: bool,
        /// How it was confirmed, in a word
        #[arg(long, value_name = "METHOD")]
        confirm: Option<String>,
        /// Nobody showed who they are: close the request
        #[arg(long)]
        expire: bool,
        #[command(flatten)]
        on: On,
    },
    /// Tell the person that it takes longer, within the first term
    Extend {
        /// The request
        number: u64,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        on: On,
    },
    /// Carry out what is asked
    Do {
        /// The request
        number: u64,
    },
    /// Record that a recipient was told, or why not (Art 19)
    Tell {
        /// The request
        number: u64,
        /// The recipient, as in the register
        #[arg(long, value_name = "NAME")]
        recipient: String,
        /// It did not work: why. The request stays open
        #[arg(long, value_name = "WHY", conflicts_with = "give_up")]
        failed: Option<String>,
        /// It is impossible or out of proportion: why
        #[arg(long, value_name = "WHY")]
        give_up: Option<String>,
        #[command(flatten)]
        on: On,
    },
    /// Record how a person looked at a contested decision again (Art 22(3)); nobody who built the model
    Review {
        /// The request
        number: u64,
        /// Who
        #[arg(long, value_name = "NAME")]
        by: String,
        /// How it ended: upheld, changed or withdrawn
        #[arg(long, value_parser = word::<Review>)]
        outcome: Review,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        on: On,
    },
    /// Refuse, with a reason of the Data Rights Protocol
    Refuse {
        /// The request
        number: u64,
        /// suspected_fraud, insuf_verification, no_match, claim_not_covered, outside_jurisdiction, too_many_requests or other
        #[arg(long, value_name = "CODE", value_parser = word::<Refused>)]
        why: Refused,
        /// The reason, in words for the person
        #[arg(long, value_name = "TEXT")]
        text: String,
        #[command(flatten)]
        on: On,
    },
    /// Show a request, its deadlines and what is said to the person
    Show {
        /// The request
        number: u64,
        /// As of this day [default: today]
        #[arg(long, value_name = "DATE")]
        at: Option<Date>,
    },
    /// List requests; those that are late first
    List {
        /// As of this day [default: today]
        #[arg(long, value_name = "DATE")]
        at: Option<Date>,
        /// Those that are closed too
        #[arg(long)]
        all: bool,
    },
}

#[derive(Args)]
struct Open {
    /// What is asked
    #[arg(value_parser = word::<Right>)]
    right: Right,
    /// Who asks, as in the source file
    #[arg(long, value_name = "ID")]
    subject: String,
    /// Another name they go by in the data; may be repeated
    #[arg(long, value_name = "ID")]
    also: Vec<String>,
    /// The data set [default: all]
    #[arg(long, value_name = "NAME")]
    data: Option<String>,
    /// The day it was received [default: today]
    #[arg(long, value_name = "DATE")]
    received: Option<Date>,
    /// Ground of an erasure: the letter of GDPR Art 17(1)
    #[arg(long, value_name = "LETTER", default_value = "b", value_parser = super::forget::letter)]
    ground: char,
    /// Purpose that an objection is about [default: every one that can be objected to]
    #[arg(long, value_name = "NAME")]
    purpose: Option<String>,
    /// Model whose decision is contested
    #[arg(long, value_name = "MODEL")]
    about: Option<String>,
    /// A value to put right; may be repeated
    #[arg(long, value_name = "RECORD:COLUMN=VALUE", value_parser = correction)]
    correct: Vec<Fix>,
    /// Column of a joint row that says something about somebody else: left out of the answer (Art 15(4))
    #[arg(long, value_name = "COLUMN")]
    withhold: Vec<String>,
    /// Also hand over what opens the log's entries about the person, for them to show to whom they like: it names who recorded them
    #[arg(long)]
    openings: bool,
}

#[derive(Args)]
struct On {
    /// The day it happened [default: today]
    #[arg(long = "on", value_name = "DATE")]
    day: Option<Date>,
}

/// A value to put right. Its `Debug`, which the command line needs, shows none.
#[derive(Clone)]
struct Fix(Correction);

impl std::fmt::Debug for Fix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fix")
    }
}

fn correction(text: &str) -> Result<Fix, String> {
    let parts = text.split_once(':').and_then(|(record, rest)| Some((record, rest.split_once('=')?)));
    let (record, (column, value)) = parts.ok_or("write RECORD:COLUMN=VALUE")?;
    Ok(Fix(Correction { record: record.into(), column: column.into(), value: value.into() }))
}

/// A word of a closed list, as it stands in JSON.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::from(text)).map_err(|e| e.to_string())
}

impl RequestVerb {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        if let Verb::Show { .. } | Verb::List { .. } = self.verb {
            let mut workspace = Workspace::read(&common.dir)?;
            let today = workspace.ledger.today()?;
            return match &self.verb {
                Verb::Show { number, at } => {
                    let case = find(&mut workspace, *number)?;
                    Ok(shown(&workspace, &case, at.unwrap_or(today)))
                }
                Verb::List { at, all } => list(&mut workspace, at.unwrap_or(today), *all),
                _ => Err(Failure::usage("no such verb")),
            };
        }
        let mut workspace = Workspace::write(&common.dir)?;
        let today = workspace.ledger.today()?;
        let on = |on: &On| on.day.unwrap_or(today);
        let (number, day, step) = match &self.verb {
            Verb::Open(open) => return open.run(&mut workspace, today),
            Verb::Do { number } => return carried_out(&mut workspace, *number, today),
            Verb::Identity { number, confirm: Some(method), on: d, .. } => {
                (*number, on(d), RequestStep::IdentityConfirmed { method: method.clone() })
            }
            Verb::Identity { number, expire: true, on: d, .. } => (*number, on(d), RequestStep::Expired),
            Verb::Identity { number, on: d, .. } => (*number, on(d), RequestStep::IdentityAsked),
            Verb::Extend { number, reason, on: d } => (*number, on(d), RequestStep::Extended { reason: reason.clone() }),
            Verb::Tell { number, recipient, failed, give_up, on: d } => {
                let failed_or = failed.clone().or(give_up.clone());
                (
                    *number,
                    on(d),
                    RequestStep::RecipientTold { recipient: recipient.clone(), failed: failed_or, given_up: give_up.is_some() },
                )
            }
            Verb::Review { number, by, outcome, reason, on: d } => {
                (*number, on(d), RequestStep::Reviewed { by: by.clone(), outcome: *outcome, reason: reason.clone() })
            }
            Verb::Refuse { number, why, text, on: d } => (*number, on(d), RequestStep::Refused { why: *why, text: text.clone() }),
            Verb::Show { .. } | Verb::List { .. } => return Err(Failure::usage("no such verb")),
        };
        let actor = workspace.actor.clone();
        workspace.ledger.advance_request(&actor, number, day, step)?;
        workspace.publish()?;
        let case = find(&mut workspace, number)?;
        Ok(shown(&workspace, &case, today.max(day)))
    }
}

impl Open {
    fn run(&self, workspace: &mut Workspace, today: Date) -> Result<Answer, Failure> {
        if workspace.ledger.events("data-imported")?.is_empty() {
            return Err(Failure::usage("no data set has been imported: nobody can be recognised").hint("run `reticent import`"));
        }
        let datasets: Vec<String> = match &self.data {
            Some(name) => vec![chosen_data_set(&workspace.config, Some(name))?],
            None => workspace.config.data.keys().cloned().collect(),
        };
        if matches!(self.right, Right::Rectification | Right::Correct) && self.correct.is_empty() {
            return Err(Failure::usage("say what is wrong").hint("`--correct RECORD:COLUMN=VALUE`, once for each value"));
        }
        if let Some(about) = &self.about {
            let known = |name: &str| name == about || name.split('/').next() == Some(about);
            let released = workspace.ledger.events("model-released")?;
            if !released.iter().any(|s| matches!(&s.event, reticent_govern::Event::ModelReleased(r) if known(&r.model))) {
                return Err(Failure::usage("no release has the name of `--about`").hint("`reticent status` lists them"));
            }
        }
        let key = workspace.pseudonym_key()?;
        let mut subjects: Vec<Subject> = vec![];
        for dataset in &datasets {
            for id in std::iter::once(&self.subject).chain(&self.also) {
                let subject = Subject { dataset: dataset.clone(), pseudonym: key.subject(dataset, id) };
                if !subjects.contains(&subject) {
                    subjects.push(subject);
                }
            }
        }
        let asked = Asked {
            right: self.right,
            subjects,
            received: self.received.unwrap_or(today),
            ground: self.ground,
            purpose: self.purpose.clone(),
            about: self.about.clone(),
            corrections: self.correct.iter().map(|fix| fix.0.clone()).collect(),
            withhold: self.withhold.clone(),
            openings: self.openings,
        };
        let (number, _) = request::open(workspace, asked)?;
        workspace.publish()?;
        let case = find(workspace, number)?;
        Ok(shown(workspace, &case, today))
    }
}

fn carried_out(workspace: &mut Workspace, number: u64, today: Date) -> Result<Answer, Failure> {
    let case = find(workspace, number)?;
    if case.state.is_final() {
        return Ok(shown(workspace, &case, today));
    }
    let outcome = carry_out(workspace, &case, today.max(case.last))?;
    let case = find(workspace, number)?;
    let mut answer = shown(workspace, &case, today);
    for file in &outcome.files {
        answer.text += &format!("file     {}\n", file.display());
    }
    for (record, opening) in &outcome.records {
        answer.text +=
            &format!("record   {}\nopening  {opening} (of the record's commitment to the subject; not kept here)\n", record.display());
    }
    answer.json["files"] = json!(outcome.files);
    answer.json["records"] = outcome.records.iter().map(|(record, opening)| json!({ "record": record, "opening": opening })).collect();
    Ok(answer)
}

fn find(workspace: &mut Workspace, number: u64) -> Result<Case, Failure> {
    let case = workspace.ledger.requests()?.remove(&number);
    case.ok_or_else(|| Failure::usage(format!("no request has the number {number}")).hint("`reticent request list --all`"))
}

fn list(workspace: &mut Workspace, today: Date, all: bool) -> Result<Answer, Failure> {
    let mut cases: Vec<Case> = workspace.ledger.requests()?.into_values().filter(|c| all || !c.state.is_final()).collect();
    cases.sort_by_key(|c| (c.state.is_final(), c.answer_by(today, true).map(|d| d.day), c.number));
    let mut text = String::new();
    for case in &cases {
        let due = case.answer_by(today, true).filter(|_| !case.state.is_final());
        let late = due.as_ref().is_some_and(|d| d.day < today);
        let due = due.map_or_else(String::new, |d| format!(", answer by {}{}", d.day, if late { ": LATE" } else { "" }));
        text += &format!("{}  {} ({}), {}{due}\n", case.number, case.right.name(), case.right.article(), named(case));
    }
    if cases.is_empty() {
        text = "no request is open\n".into();
    }
    let listed: Vec<Value> = cases.iter().map(|c| facts(c, today)).collect();
    Ok(Answer::new(text, json!({ "requests": listed })))
}

fn shown(workspace: &Workspace, case: &Case, today: Date) -> Answer {
    let controller = workspace.config.controller.name.clone().unwrap_or_else(|| "The controller".into());
    let contact = workspace.config.controller.contact.clone().unwrap_or_default();
    let letter = letter(case, &controller, &contact);
    let mut text = format!("request {}: {} ({}), {}\n", case.number, case.right.name(), case.right.article(), named(case));
    for d in case.deadlines(today).iter().filter(|_| !case.state.is_final()) {
        let late = if d.day < today { ": LATE" } else { "" };
        let days_off = if d.weekends_only { "; no holidays are on record for this state" } else { "" };
        text += &format!("  {} by {}{late} ({}{days_off})\n", d.what, d.day, d.source);
    }
    for done in &case.done {
        text += &format!("  done: {done}\n");
    }
    for left in &case.left {
        text += &format!("  left: {left}\n");
    }
    for (recipient, notice) in &case.recipients {
        let how = match (&notice.failed, notice.given_up) {
            (None, _) => "told".into(),
            (Some(why), true) => format!("not told: {why}"),
            (Some(why), false) => format!("not reached yet: {why}"),
        };
        text += &format!("  recipient {recipient}: {how}\n");
    }
    let mut facts = facts(case, today);
    facts["letter"] = json!(letter);
    Answer::new(text, facts)
}

fn facts(case: &Case, today: Date) -> Value {
    let mut facts = json!(case);
    facts["article"] = json!(case.right.article());
    facts["deadlines"] = if case.state.is_final() { json!([]) } else { json!(case.deadlines(today)) };
    facts["late"] = json!(!case.state.is_final() && case.answer_by(today, true).is_some_and(|d| d.day < today));
    facts
}

fn named(case: &Case) -> String {
    serde_json::to_value(case.state).ok().and_then(|v| v.as_str().map(|s| s.replace('_', " "))).unwrap_or_default()
}
