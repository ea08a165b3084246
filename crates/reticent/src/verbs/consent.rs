//! `consent import`: what people said, into the ledger and the log.

use crate::cli::Common;
use crate::data_version::{load_latest, units};
use crate::disk;
use crate::failure::Failure;
use crate::output::{Answer, thousands};
use crate::workspace::Workspace;
use clap::{Args, Subcommand};
use reticent_govern::read_basis_csv;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Consent {
    #[command(subcommand)]
    verb: ConsentVerb,
}

#[derive(Subcommand)]
enum ConsentVerb {
    /// Read events from a CSV file; each is recorded once, however often the file is read
    #[command(
        after_help = "Columns: subject,purpose,state,at[,notice,art6,art9,expires]\n  subject   as in the data; it is replaced by its pseudonym\n  state     given | refused | withdrawn | restricted | unrestricted | objected\n  at        2026-05-01 or 2026-05-01T08:00:00Z; at equal times a withdrawal wins\n  notice, art6   needed where state is given; art9 where columns are special\nExample:\n  subject,purpose,state,at,notice,art6,art9\n  p-17,readmission-risk,given,2026-05-01,2026-1,a,a\n  p-17,readmission-risk,withdrawn,2026-06-12,,,"
    )]
    Import {
        /// The file [default: `events` of the data set in reticent.toml]
        file: Option<PathBuf>,
        /// The data set [default: the only one]
        #[arg(long)]
        data: Option<String>,
    },
}

impl Consent {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let ConsentVerb::Import { file, data } = &self.verb;
        let mut workspace = Workspace::write(&common.dir)?;
        let names: Vec<&String> = workspace.config.data.keys().collect();
        let name = match (data, &names[..]) {
            (Some(name), _) if names.contains(&name) => name.clone(),
            (None, [only]) => (*only).clone(),
            _ => return Err(Failure::usage("which data set?").hint("name it with `--data`")),
        };
        let path = match (file, &workspace.config.data[&name].events) {
            (Some(file), _) => file.clone(),
            (None, Some(events)) => workspace.dir.join(events),
            (None, None) => {
                return Err(Failure::usage("no file of events is named")
                    .hint(format!("add `events = \"consent.csv\"` to [data.{name}], or name the file")));
            }
        };
        let text = disk::read_text(&path)?;
        let version = load_latest(&mut workspace, &name)?;
        let key = workspace.pseudonym_key()?;
        let purposes: Vec<&str> = workspace.config.purposes.keys().map(String::as_str).collect();
        let mut events = read_basis_csv(&text, &name, &purposes, |subject| key.subject(&name, subject).to_string())?;
        let suppression = workspace.suppression()?;
        let all = events.len();
        events.retain(|e| !suppression.holds(&name, &e.subject));
        let suppressed = (all - events.len()) as u64;
        let known = units(&version.table);
        let strangers = events.iter().filter(|e| !known.contains_key(&e.subject)).count() as u64;
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let actor = workspace.actor.clone();
        let imported = workspace.ledger.import_basis(&actor, &name, &file_name, &events)?;
        let checkpoint = workspace.publish()?;
        let mut text = format!("{}: {} events recorded", name, thousands(imported.written));
        if imported.known > 0 {
            text += &format!(", {} were on record already", thousands(imported.known));
        }
        if strangers > 0 {
            text += &format!(", {} about units that are not in {}", thousands(strangers), version.manifest.version);
        }
        if suppressed > 0 {
            text += &format!(", {} about units that were taken out before were left out", thousands(suppressed));
        }
        text += &format!("; log of {} entries signed", thousands(checkpoint.unverified().size));
        Ok(Answer::new(
            text,
            json!({ "dataset": name, "written": imported.written, "known": imported.known, "not_in_data": strangers, "suppressed": suppressed }),
        ))
    }
}
