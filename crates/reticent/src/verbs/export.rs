//! `export`: a bundle that an auditor checks without this workspace.

use crate::cli::Common;
use crate::disk;
use crate::erasure;
use crate::failure::Failure;
use crate::output::{Answer, thousands};
use crate::verbs::gate::replayed;
use crate::workspace::Workspace;
use clap::Args;
use reticent_govern::Event;
use reticent_proof::bundle::{Bundle, OPENED, Opened};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(
    after_help = "Holds the log, what its entries about models, decisions, policies, imports and erasures open to, the files of releases that stand, and signed\nerasure records. No row and no unit is in it, but with --facts, which says what the gate decided on: pseudonyms, and so personal data.\nHand over the public key and a checkpoint on another way."
)]
pub(crate) struct Export {
    /// The folder, which must not exist yet
    out: PathBuf,
    /// With the facts of each decision, so that it can be made again: pseudonymous, treat the bundle as personal data
    #[arg(long)]
    facts: bool,
}

impl Export {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        if self.out.exists() {
            return Err(Failure::usage(format!("{} exists", self.out.display())).hint("name a folder that does not"));
        }
        let mut workspace = Workspace::write(&common.dir)?;
        workspace.publish()?;
        // Made under another name, so that half a bundle is none.
        let name = self.out.file_name().ok_or_else(|| Failure::usage("the folder has no name"))?.to_string_lossy();
        let work = self.out.with_file_name(format!(".{name}.tmp"));
        if work.exists() {
            std::fs::remove_dir_all(&work).map_err(|e| disk::io("remove", &work, &e))?;
        }
        disk::create_private_folder(&work)?;
        let opened = opened(&mut workspace)?;
        let entries = opened.len() as u64;
        let bundle = Bundle { schema_version: 1, made_at: jiff::Timestamp::now().to_string(), opened };
        disk::write(&work.join("bundle.json"), format!("{:#}\n", json!(bundle)).as_bytes())?;
        copy(&workspace.hidden("log"), &work.join("log"))?;
        let recalled = workspace.ledger.recalled()?;
        let mut models = 0_u64;
        for stored in workspace.ledger.events("model-released")? {
            let Event::ModelReleased(release) = stored.event else { continue };
            if !recalled.contains(&release.model) {
                // What was released, and nothing that lies beside it.
                let (from, to) = (workspace.hidden("models").join(&release.model), work.join("models").join(&release.model));
                disk::create_folder(&to)?;
                for file in ["model.safetensors", "manifest.json"] {
                    std::fs::copy(from.join(file), to.join(file)).map_err(|e| disk::io("copy", &from.join(file), &e))?;
                }
                models += 1;
            }
        }
        let records = erasure::numbered(&workspace, ".json");
        for number in &records {
            let (from, folder) = (erasure::record_path(&workspace, *number), work.join("erasures"));
            disk::create_folder(&folder)?;
            let bytes = std::fs::read(&from).map_err(|e| disk::io("read", &from, &e))?;
            disk::write(&folder.join(format!("{number}.json")), &bytes)?;
        }
        let mut decisions = 0_u64;
        if self.facts {
            let folder = work.join("facts");
            disk::create_private_folder(&folder)?;
            for (event, facts) in replayed(&mut workspace, true)?.facts {
                let text = serde_json::to_string(&facts).expect("plain data has JSON");
                disk::write_private(&folder.join(format!("{event}.json")), text.as_bytes())?;
                decisions += 1;
            }
        }
        std::fs::rename(&work, &self.out).and_then(|()| disk::sync_folder(&self.out)).map_err(|e| disk::io("move", &work, &e))?;
        let out = crate::workspace::absolute(&self.out)?;
        let key = workspace.hidden("log.vkey");
        let mut text =
            format!("{}: {} entries opened, {models} releases, {} erasure records", out.display(), thousands(entries), records.len());
        if self.facts {
            text += &format!(", facts of {decisions} decisions: treat it as personal data");
        }
        text += &format!("\nverify   reticent-verify bundle {} --key {} --checkpoint FILE-KEPT-ELSEWHERE\n", out.display(), key.display());
        Ok(Answer::new(
            text,
            json!({ "bundle": out, "opened": entries, "releases": models, "erasures": records.len(), "decisions_with_facts": decisions, "key": key }),
        ))
    }
}

/// What the entries of the kinds that a bundle opens open to, by number.
fn opened(workspace: &mut Workspace) -> Result<Vec<Opened>, Failure> {
    let mut all = vec![];
    for kind in OPENED {
        for stored in workspace.ledger.events(kind)? {
            all.push(Opened { kind: kind.into(), opening: workspace.ledger.opening(stored.seq)? });
        }
    }
    all.sort_by_key(|o| o.opening.seq);
    Ok(all)
}

/// Copies a folder of ordinary files.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    disk::create_folder(to)?;
    for entry in std::fs::read_dir(from).map_err(|e| disk::io("list", from, &e))? {
        let path = entry.map_err(|e| disk::io("list", from, &e))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target).map_err(|e| disk::io("copy", &path, &e))?;
        }
    }
    Ok(())
}
