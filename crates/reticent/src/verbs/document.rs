//! `document`: documents as views of the evidence, each as a page, as JSON and as Markdown.

use crate::assessment::gather;
use crate::cli::Common;
use crate::disk;
use crate::document::{About, Kind, document, export_cnil, import_cnil};
use crate::failure::Failure;
use crate::output::Answer;
use crate::verbs::choose_model;
use crate::workspace::{Workspace, absolute};
use clap::Args;
use reticent_govern::Event;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(
    after_help = "Every number links to the ledger event it was read from; what only people can write is marked as missing.\n`document pia` writes the impact assessment as JSON of the CNIL's PIA software; with --import it reads such a file first and loses no field."
)]
pub(crate) struct DocumentVerb {
    /// Which
    kind: Kind,
    /// The model whose purpose and data set it is about [default: the only one]
    #[arg(long)]
    model: Option<String>,
    /// The purpose [default: the model's]
    #[arg(long)]
    purpose: Option<String>,
    /// The data set [default: the model's]
    #[arg(long, value_name = "NAME")]
    data: Option<String>,
    /// The breach [default: the newest]
    #[arg(long, value_name = "NUMBER")]
    breach: Option<u64>,
    /// Where the page goes; JSON and Markdown lie beside it [default: KIND.html in the workspace; of dpia, impact-assessment.html]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A file of the PIA software to read
    #[arg(long, value_name = "FILE")]
    import: Option<PathBuf>,
}

/// The largest file of the PIA software that is read.
const MOST_BYTES: u64 = 64 << 20;

impl DocumentVerb {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        if self.import.is_some() && self.kind != Kind::Pia {
            return Err(Failure::usage("`--import` goes with `document pia`"));
        }
        let mut workspace = Workspace::write(&common.dir)?;
        let about = self.about(&workspace)?;
        if self.kind == Kind::Pia {
            return match &self.import {
                Some(file) => import(&mut workspace, &about, file),
                None => self.pia(&mut workspace, &about),
            };
        }
        let made = document(&mut workspace, self.kind, &about)?;
        let page = match &self.out {
            Some(path) => absolute(path)?,
            // `assess render` writes dpia.html, with more links: it stays.
            None if self.kind == Kind::Dpia => workspace.dir.join("impact-assessment.html"),
            None => workspace.dir.join(format!("{}.html", self.kind.name())),
        };
        let (data, text) = (page.with_extension("json"), page.with_extension("md"));
        disk::write(&page, made.html().as_bytes())?;
        disk::write(&data, made.json().as_bytes())?;
        disk::write(&text, made.markdown().as_bytes())?;
        record(&mut workspace, &page)?;
        let mut answer = format!("{}\n", made.title);
        for missing in made.missing() {
            answer += &format!("  to be completed: {missing}\n");
        }
        answer += &format!("page {}\ndata {}\ntext {}\ncontent sha256 {}\n", page.display(), data.display(), text.display(), made.sha256);
        let facts = json!({ "kind": made.kind, "title": made.title, "to_be_completed": made.missing(), "sha256": made.sha256,
            "events": made.events.iter().map(|e| e.event).collect::<Vec<_>>(), "page": { "html": page, "json": data, "markdown": text } });
        Ok(Answer::new(answer, facts))
    }

    fn about(&self, workspace: &Workspace) -> Result<About, Failure> {
        let config = &workspace.config;
        let name = self.model.as_deref().map(|m| m.split('/').next().unwrap_or(m));
        let (dataset, purpose) = match (&self.data, &self.purpose) {
            (Some(data), Some(purpose)) => (data.clone(), purpose.clone()),
            (data, purpose) => {
                let (_, model) = choose_model(config, name)?;
                (data.clone().unwrap_or_else(|| model.data.clone()), purpose.clone().unwrap_or_else(|| model.purpose.clone()))
            }
        };
        if !config.data.contains_key(&dataset) || !config.purposes.contains_key(&purpose) {
            return Err(
                Failure::usage("reticent.toml declares no such data set or purpose").hint("`reticent check` shows what it declares")
            );
        }
        Ok(About { dataset, purpose, model: self.model.clone(), breach: self.breach })
    }

    fn pia(&self, workspace: &mut Workspace, about: &About) -> Result<Answer, Failure> {
        let assessment = gather(workspace, &about.dataset, &about.purpose)?;
        let value = export_cnil(workspace, &assessment)?;
        let path = match &self.out {
            Some(path) => absolute(path)?,
            None => workspace.dir.join("pia.json"),
        };
        disk::write(&path, format!("{value:#}\n").as_bytes())?;
        record(workspace, &path)?;
        Ok(Answer::new(format!("{}\n", path.display()), json!({ "kind": "pia", "file": path })))
    }
}

fn import(workspace: &mut Workspace, about: &About, file: &Path) -> Result<Answer, Failure> {
    if gather(workspace, &about.dataset, &about.purpose)?.opened.is_none() {
        return Err(Failure::refused("no impact assessment is open").hint("open one with `reticent assess --plan`"));
    }
    let size = std::fs::metadata(file).map_err(|e| disk::io("read", file, &e))?.len();
    if size > MOST_BYTES {
        return Err(Failure::usage(format!("the file has more than {MOST_BYTES} bytes")));
    }
    let bytes = std::fs::read(file).map_err(|e| disk::io("read", file, &e))?;
    let imported = import_cnil(workspace, &about.dataset, &about.purpose, &bytes)?;
    workspace.publish()?;
    let mut text = format!("the file is kept whole (event {}); parts written from it: {}\n", imported.event, imported.parts.join(", "));
    if imported.other > 0 {
        text += &format!("  {} answers belong to no part here; they are kept for the export\n", imported.other);
    }
    text += "  advice and decision were not taken over: `reticent assess advise` and `assess decide`\n";
    Ok(Answer::new(text, json!({ "event": imported.event, "parts": imported.parts, "other_answers": imported.other })))
}

/// Records what was written; the same bytes again are no new fact.
fn record(workspace: &mut Workspace, path: &Path) -> Result<(), Failure> {
    let bytes = std::fs::read(path).map_err(|e| disk::io("read", path, &e))?;
    let (file, sha256) = (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), hex::encode(Sha256::digest(&bytes)));
    let known = workspace.ledger.events("report-written")?.into_iter().rev().find_map(|stored| match stored.event {
        Event::ReportWritten { file: f, sha256 } if f == file => Some(sha256),
        _ => None,
    });
    if known.as_ref() != Some(&sha256) {
        workspace.append(&Event::ReportWritten { file, sha256 })?;
    }
    workspace.publish().map(drop)
}
