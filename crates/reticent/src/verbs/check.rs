//! `check`: every problem of reticent.toml at once.

use crate::cli::Common;
use crate::config;
use crate::failure::Failure;
use crate::output::Answer;
use crate::workspace::read_config;
use clap::Args;
use serde_json::json;

#[derive(Args)]
pub(crate) struct Check {
    /// Print the JSON Schema of reticent.toml, for an editor
    #[arg(long)]
    schema: bool,
}

impl Check {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        if self.schema {
            let schema = config::json_schema();
            return Ok(Answer::new(format!("{schema:#}"), schema));
        }
        let config = read_config(&common.dir)?;
        let mut text = String::new();
        for warning in &config.warnings {
            text += &format!("{}\n", warning.in_file(config::FILE));
        }
        text += "reticent.toml is complete and consistent\n";
        Ok(Answer::new(text, json!({ "problems": [], "warnings": config.warnings })))
    }
}
