//! `assess --plan`: the impact assessment that must be open before training.

use crate::cli::Common;
use crate::failure::Failure;
use crate::output::Answer;
use crate::verbs::choose_model;
use crate::workspace::Workspace;
use clap::Args;
use reticent_govern::Event;
use serde_json::json;

#[derive(Args)]
#[command(
    after_help = "The screening is computed from reticent.toml (criteria of WP248). The parts that people must write are listed, not guessed.\nThe controller decides; a data-protection officer advises."
)]
pub(crate) struct Assess {
    /// Open the assessment for a model's purpose and data set
    #[arg(long, required = true)]
    plan: bool,
    /// The model [default: the only one]
    #[arg(long)]
    model: Option<String>,
}

/// What only people can write.
const TO_BE_COMPLETED: [&str; 5] = [
    "necessity and proportionality of the processing",
    "risks to the people concerned, with severity and likelihood",
    "measures that answer those risks",
    "advice of the data-protection officer",
    "decision of the controller",
];

impl Assess {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        debug_assert!(self.plan, "clap requires it");
        let mut workspace = Workspace::write(&common.dir)?;
        let (_, model) = choose_model(&workspace.config, self.model.as_deref())?;
        let (dataset, purpose) = (model.data.clone(), model.purpose.clone());
        let opened = workspace.ledger.events("assessment-opened")?.into_iter().find(
            |stored| matches!(&stored.event, Event::AssessmentOpened { dataset: d, purpose: p, .. } if *d == dataset && *p == purpose),
        );
        let seq = match opened {
            Some(stored) => stored.seq,
            None => {
                let criteria = screening(&workspace, &dataset);
                let to_be_completed = TO_BE_COMPLETED.map(str::to_owned).to_vec();
                workspace.append(&Event::AssessmentOpened {
                    dataset: dataset.clone(),
                    purpose: purpose.clone(),
                    criteria,
                    to_be_completed,
                })?
            }
        };
        let criteria = screening(&workspace, &dataset);
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
}

/// Criteria of WP248 that follow from what is declared; the others need a person.
fn screening(workspace: &Workspace, dataset: &str) -> Vec<String> {
    let data = &workspace.config.data[dataset];
    let special: Vec<&str> = data.columns.declared.iter().filter(|c| c.special.is_some()).map(|c| c.name.as_str()).collect();
    let mut criteria = vec!["evaluation or scoring: a model scores people".to_owned()];
    if !special.is_empty() {
        criteria.push(format!("sensitive data: {}", special.join(", ")));
    }
    if data.units >= 5000 {
        criteria.push("large scale: 5,000 units or more".to_owned());
    }
    criteria
}
