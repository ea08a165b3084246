//! `breach`: what happened, since when it is known, who was told by when.

use crate::cli::Common;
use crate::failure::Failure;
use crate::output::Answer;
use crate::workspace::Workspace;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use reticent_govern::{Breach, BreachStep};
use serde_json::json;

#[derive(Args)]
#[command(
    after_help = "The 72 hours of GDPR Art 33 run from the moment somebody knows. Without a verb: every breach and its clock.\n`reticent document breach` writes the record that Art 33(5) asks for. Write no name of a person concerned here."
)]
pub(crate) struct BreachVerb {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Record a breach
    Open {
        /// When it became known, RFC 3339 [default: now]
        #[arg(long, value_name = "TIME")]
        aware: Option<Timestamp>,
        /// What happened to which data
        #[arg(long, value_name = "TEXT")]
        nature: String,
        /// A data set or model concerned; may be repeated
        #[arg(long, value_name = "NAME")]
        concerns: Vec<String>,
        /// About how many people, where that is known
        #[arg(long, value_name = "N")]
        people: Option<u64>,
    },
    /// Write down likely consequences and measures (Art 33(3))
    Assess {
        /// The breach
        number: u64,
        /// Likely consequences
        #[arg(long, value_name = "TEXT")]
        consequences: String,
        /// Measures taken or proposed
        #[arg(long, value_name = "TEXT")]
        measures: String,
    },
    /// Record that the authority was notified, or that no risk is likely
    #[command(group = clap::ArgGroup::new("what").required(true).args(["at", "no_risk"]))]
    Notify {
        /// The breach
        number: u64,
        /// When, RFC 3339
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
        /// Why after 72 hours
        #[arg(long, value_name = "TEXT")]
        delay: Option<String>,
        /// Nobody is notified, because no risk is likely: why
        #[arg(long, value_name = "TEXT", requires = "by")]
        no_risk: Option<String>,
        /// Who decided that
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
    /// Record whether the people are told (Art 34)
    #[command(group = clap::ArgGroup::new("what").required(true).args(["told", "not_told"]))]
    People {
        /// The breach
        number: u64,
        /// They are told: how
        #[arg(long, value_name = "TEXT")]
        told: Option<String>,
        /// They are not: why (Art 34(3))
        #[arg(long, value_name = "TEXT")]
        not_told: Option<String>,
        /// Who decided
        #[arg(long, value_name = "NAME")]
        by: String,
    },
    /// Record that a processor told its controller (Art 33(2))
    Controller {
        /// The breach
        number: u64,
        /// When, RFC 3339
        #[arg(long, value_name = "TIME")]
        at: Timestamp,
    },
}

impl BreachVerb {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let Some(verb) = &self.verb else {
            let mut workspace = Workspace::read(&common.dir)?;
            let now = workspace.ledger.now()?;
            let all: Vec<Breach> = workspace.ledger.breaches()?.into_values().collect();
            let text: String = all.iter().map(|b| told(b, now)).collect();
            let text = if all.is_empty() { "no breach is on record\n".into() } else { text };
            let listed: Vec<_> = all.iter().map(|b| facts(b, now)).collect();
            return Ok(Answer::new(text, json!({ "breaches": listed })));
        };
        let mut workspace = Workspace::write(&common.dir)?;
        let now = workspace.ledger.now()?;
        let (number, step) = match verb {
            Verb::Open { aware, nature, concerns, people } => {
                let at = aware.map_or(now, Timestamp::as_second);
                (None, BreachStep::Aware { at, nature: nature.clone(), concerns: concerns.clone(), people: *people })
            }
            Verb::Assess { number, consequences, measures } => {
                (Some(*number), BreachStep::Assessed { consequences: consequences.clone(), measures: measures.clone() })
            }
            Verb::Notify { number, no_risk: Some(reason), by, .. } => {
                (Some(*number), BreachStep::NoRisk { by: by.clone().unwrap_or_default(), reason: reason.clone() })
            }
            Verb::Notify { number, at, delay, .. } => {
                (Some(*number), BreachStep::AuthorityNotified { at: at.map_or(now, Timestamp::as_second), delay: delay.clone() })
            }
            Verb::People { number, told, not_told, by } => {
                let reason = told.clone().or(not_told.clone()).unwrap_or_default();
                (Some(*number), BreachStep::PeopleDecided { by: by.clone(), told: told.is_some(), reason })
            }
            Verb::Controller { number, at } => (Some(*number), BreachStep::ControllerTold { at: at.as_second() }),
        };
        let actor = workspace.actor.clone();
        let number = workspace.ledger.record_breach(&actor, number, step)?;
        workspace.publish()?;
        let breach = workspace.ledger.breaches()?.remove(&number);
        let breach = breach.ok_or_else(|| Failure::failed("the breach is not on record"))?;
        Ok(Answer::new(told(&breach, now), facts(&breach, now)))
    }
}

fn told(breach: &Breach, now: i64) -> String {
    let until = |at: i64| Timestamp::from_second(at).map_or_else(|_| String::new(), |t| t.strftime("%Y-%m-%d %H:%M UTC").to_string());
    let clock = match (breach.answered(), breach.notify_by - now) {
        (true, _) => "answered".to_owned(),
        (false, left) if left < 0 => format!("LATE: the authority had to be notified until {}", until(breach.notify_by)),
        (false, left) => format!("{} h left to notify the authority, until {}", left / 3600, until(breach.notify_by)),
    };
    let mut text = format!("breach {}, known since {}: {clock}\n", breach.number, until(breach.aware));
    for missing in breach.missing() {
        text += &format!("  missing: {missing}\n");
    }
    text
}

fn facts(breach: &Breach, now: i64) -> serde_json::Value {
    let mut facts = json!(breach);
    facts["answered"] = json!(breach.answered());
    facts["late"] = json!(!breach.answered() && now > breach.notify_by);
    facts["missing"] = json!(breach.missing());
    facts
}
