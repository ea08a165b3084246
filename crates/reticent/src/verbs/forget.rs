//! `forget SUBJECT`: one unit out of everything, with a signed record; `forget verify FILE` checks one offline.

use crate::cli::Common;
use crate::disk;
use crate::erasure::{self, Request};
use crate::failure::Failure;
use crate::output::{Answer, thousands};
use crate::privacy::bound;
use crate::workspace::Workspace;
use clap::{Args, Subcommand};
use reticent_data::SubjectId;
use reticent_proof::log::VerifyingKey;
use reticent_proof::record::{MAX_BYTES, verify_record};
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Removes the unit's rows from every data version, empties its events, recalls the models that were trained while it was there, deletes\ntheir weights and the report, trains again from what was set aside, and signs a record of what was removed and what is left.\nAn interrupted erasure is finished by the next verb. Where nothing is held, the answer is the same whether something ever was."
)]
pub(crate) struct Forget {
    /// Whose rows, as in the source file (for units by place: the number of the row or run)
    #[arg(required = true)]
    subject: Option<String>,
    /// SUBJECT is a pseudonym of 32 hexadecimal digits
    #[arg(long)]
    pseudonym: bool,
    /// The data set [default: the model's, or the only one]
    #[arg(long, value_name = "NAME")]
    data: Option<String>,
    /// Train only this model again [default: every model that was recalled]
    #[arg(long)]
    model: Option<String>,
    /// Ground: the letter of GDPR Art 17(1); b is a withdrawn consent
    #[arg(long, value_name = "LETTER", default_value = "b", value_parser = letter)]
    reason: char,
    /// Recall and delete, and train nothing again
    #[arg(long)]
    no_retrain: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Check a signed erasure record, offline
    #[command(
        after_help = "Needs the file and the public key alone; the key of the workspace is in .reticent/log.vkey.\nPrints what was checked, what is left, and what the record does not prove."
    )]
    Verify {
        /// The record
        file: PathBuf,
        /// The log's public key, or a file that holds it [default: .reticent/log.vkey of the workspace]
        #[arg(long, value_name = "VKEY|FILE")]
        key: Option<String>,
    },
}

pub(super) fn letter(text: &str) -> Result<char, String> {
    match text.chars().collect::<Vec<_>>()[..] {
        [c] if ('a'..='f').contains(&c) => Ok(c),
        _ => Err("a letter from a to f".into()),
    }
}

impl Forget {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        if let Some(Verb::Verify { file, key }) = &self.verb {
            return verify(common, file, key.as_deref());
        }
        let subject = self.subject.as_deref().expect("clap requires it");
        let mut workspace = Workspace::write(&common.dir)?;
        let dataset = self.dataset(&workspace)?;
        let pseudonym: SubjectId = if self.pseudonym {
            subject.parse().map_err(|_| Failure::usage("a pseudonym has 32 hexadecimal digits"))?
        } else {
            workspace.pseudonym_key()?.subject(&dataset, subject)
        };
        let request =
            Request { dataset, pseudonym, ground: self.reason, retrain: !self.no_retrain, only: self.model.clone(), request: None };
        let Some(intent) = erasure::begin(&mut workspace, &request)? else {
            let text = "nothing about this subject is held in the tables and the ledger of this workspace; nothing was changed\n";
            return Ok(Answer::new(text, json!({ "erasure": null, "held": false })));
        };
        let done = erasure::finish(&mut workspace, &intent)?;
        let e = &done.erasure;
        let mut text = format!("removed from the listed stores (erasure {}, Art 17(1)({}))\n", e.request, e.reason);
        for store in &e.stores {
            let rows = if store.rows > 0 { format!(", {} removed", thousands(store.rows)) } else { String::new() };
            let again = if store.verified_absent { "read again: absent" } else { "STILL THERE" };
            text += &format!("  {}{rows}; {again}\n", store.store);
        }
        for model in &e.models {
            let after = model.after.as_ref().map(|a| format!(", {a} in its place")).unwrap_or_default();
            text += &format!("  {}{after}: {}\n", model.before, model.method);
        }
        if let Some(s) = e.models.iter().find_map(|m| m.statement.as_ref()) {
            text += &format!("  {}, {}, for {} together\n", bound(s.epsilon, s.delta), s.neighbours, s.joint.join(", "));
        }
        for left in &e.left {
            text += &format!("  left: {} ({})\n", left.what, left.why);
        }
        text += &format!("record   {}\n", done.path.display());
        text += &format!("opening  {} (of the record's commitment to the subject; not kept here)\n", intent.salt);
        text += &format!("verify   reticent forget verify {} --key {}\n", done.path.display(), workspace.hidden("log.vkey").display());
        let mut facts = json!(e);
        facts["record"] = json!(done.path);
        facts["opening"] = json!(intent.salt);
        Ok(Answer::new(text, json!({ "erasure": facts, "held": true })))
    }

    fn dataset(&self, workspace: &Workspace) -> Result<String, Failure> {
        let config = &workspace.config;
        let listed = || config.data.keys().cloned().collect::<Vec<_>>();
        let of_model = match &self.model {
            None => None,
            Some(name) => Some(
                config
                    .models
                    .get(name)
                    .ok_or_else(|| Failure::usage(format!("no model is called `{name}`")).hint("`reticent status` lists them"))?
                    .data
                    .clone(),
            ),
        };
        match (&self.data, of_model, &listed()[..]) {
            (Some(name), of_model, all) if all.contains(name) && of_model.as_ref().is_none_or(|m| m == name) => Ok(name.clone()),
            (None, Some(name), _) => Ok(name),
            (None, None, [only]) => Ok(only.clone()),
            (_, _, all) => Err(Failure::usage("which data set?").hint(format!("name one with `--data`: {}", all.join(", ")))),
        }
    }
}

fn verify(common: &Common, file: &Path, key: Option<&str>) -> Result<Answer, Failure> {
    let default = common.dir.join(".reticent/log.vkey");
    let parsed = key.map(str::parse::<VerifyingKey>);
    let key = match (parsed, key) {
        (Some(Ok(key)), _) => key,
        (Some(Err(e)), Some(path)) if !Path::new(path).exists() => return Err(Failure::usage(format!("`{path}`: {e}"))),
        (_, path) => {
            let path = path.map_or(default, PathBuf::from);
            disk::read_text(&path)?.parse().map_err(|e: reticent_proof::log::Error| Failure::usage(format!("{}: {e}", path.display())))?
        }
    };
    let mut bytes = vec![];
    std::fs::File::open(file)
        .and_then(|open| open.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|e| disk::io("read", file, &e))?;
    let verified = verify_record(&bytes, &key).map_err(|why| {
        Failure::failed(format!("the record does not verify: {why}"))
            .hint("bring the file as it was written, and the public key of the log that signed it")
            .facts(json!({ "verified": false, "findings": [why.to_string()] }))
    })?;
    let mut text = format!("verified: erasure record {}\n", verified.erasure.request);
    for line in &verified.checked {
        text += &format!("  checked: {line}\n");
    }
    for left in &verified.erasure.left {
        text += &format!("  left: {} ({})\n", left.what, left.why);
    }
    for line in &verified.does_not_prove {
        text += &format!("  does not prove: {line}\n");
    }
    let mut facts = json!(verified);
    facts["verified"] = json!(true);
    Ok(Answer::new(text, facts))
}
