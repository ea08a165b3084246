//! `ledger`: the ledger as one file to keep elsewhere, and back from it.

use crate::cli::Common;
use crate::failure::Failure;
use crate::ledger_key;
use crate::output::{Answer, thousands};
use crate::suppression::Suppression;
use crate::workspace::Workspace;
use clap::{Args, Subcommand};
use reticent_govern::{BackupFile, Error};
use reticent_proof::log::{Log, root_of};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct LedgerVerb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Write one state of the ledger to a new file, read back and compared before it has its name; others may write meanwhile
    #[command(
        after_help = "The file is the same whether the ledger is a file or lies on a PostgreSQL server, and goes back into either: a way to move it, too.\nIt holds personal data until it is deleted: whoever is taken out later is still in it, and `ledger restore` takes them out again.\nIt holds none of the keys, tables, models and evidence of .reticent. Keep these with it:\n  .reticent/keys         without them nobody in the ledger is recognised and the log cannot be signed on\n  reticent.suppressed    who was taken out, as keyed digests\n  reticent.checkpoint    what a backup is compared with: keep a copy where whoever could swap the ledger cannot reach it\nExample:\n  reticent ledger backup /mnt/elsewhere/ledger-2026-05-01.backup"
    )]
    Backup {
        /// The file to write; one that is there is left alone
        file: PathBuf,
    },
    /// Put what a backup holds in the place of the ledger, in one transaction
    #[command(
        after_help = "Refused, with nothing changed: a damaged file, one of a newer program, one of another workspace, and one that is older than this ledger or\nthan its newest signed checkpoint: it would lack charges to the budget, withdrawals and erasures.\nWhoever was taken out since is taken out again before anything is read.\nA ledger file that cannot be opened any more stands in the way: move .reticent/ledger.db elsewhere first, and keep it.\nExample:\n  reticent ledger restore /mnt/elsewhere/ledger-2026-05-01.backup"
    )]
    Restore {
        /// The file that `ledger backup` wrote
        file: PathBuf,
        /// The key that it was sealed with, where `ledger rotate` has changed it since
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Seal what names people in the ledger with a fresh key, in one transaction, and destroy the key before
    #[command(
        after_help = "Sealed are the names of whoever did something, registers, assessments, requests and breaches, and how a guardian's consent was verified;\nunits are named by keyed pseudonyms in any case. The key is .reticent/keys/ledger.key, for its owner alone; the log does not change.\nBackups from before need the key before: `--keep` writes it to a file, for `ledger restore --key`.\nOn a PostgreSQL server its write-ahead log, and copies of it, keep what was written under the key before.\nExample:\n  reticent ledger rotate --keep /mnt/keys/ledger-until-2026-05.key"
    )]
    Rotate {
        /// Where the key before goes; without it older backups can be read no longer
        #[arg(long, value_name = "FILE")]
        keep: Option<PathBuf>,
    },
}

impl LedgerVerb {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        match &self.verb {
            Verb::Backup { file } => backup(common, file),
            Verb::Restore { file, key } => restore(common, file, key.as_deref()),
            Verb::Rotate { keep } => rotate(common, keep.as_deref()),
        }
    }
}

fn backup(common: &Common, file: &Path) -> Result<Answer, Failure> {
    if file.exists() {
        return Err(
            Failure::usage(format!("{} is there already", file.display())).hint("name a new file: an older backup is never replaced")
        );
    }
    let mut workspace = Workspace::read(&common.dir)?;
    let told = workspace.ledger.back_up(file)?;
    let text = format!(
        "{}: {} events, read back and compared\n  holds personal data: delete it when its time is over\n  keep with it: .reticent/keys, reticent.suppressed, reticent.checkpoint\n",
        file.display(),
        thousands(told.events)
    );
    Ok(Answer::new(text, json!({ "file": file, "made": told.made, "events": told.events, "sha256": told.sha256 })))
}

fn rotate(common: &Common, keep: Option<&Path>) -> Result<Answer, Failure> {
    let mut workspace = Workspace::write(&common.dir)?;
    let id = ledger_key::rotate(&mut workspace.ledger, &workspace.dir, keep)?;
    workspace.publish()?;
    let kept = match keep {
        Some(keep) => format!("  the key before is in {}: older backups need it\n", keep.display()),
        None => "  the key before is destroyed: older backups can be read no longer\n".to_owned(),
    };
    Ok(Answer::new(format!("what names people is sealed with a fresh key, {id}\n{kept}"), json!({ "key": id, "kept": keep })))
}

fn restore(common: &Common, file: &Path, key: Option<&Path>) -> Result<Answer, Failure> {
    let mut workspace = Workspace::lock_and_open(&common.dir)?;
    let mut keys = ledger_key::at_hand(&workspace.dir)?;
    if let Some(path) = key {
        let read = ledger_key::read(path)?;
        keys.push(read.ok_or_else(|| {
            Failure::usage(format!("{} does not exist", path.display())).hint("name the key that `ledger rotate --keep` wrote")
        })?);
    }
    let mut backup = BackupFile::open(file, &workspace.hidden("ledger.restoring"), &keys).map_err(|error| match error {
        Error::Sealed { by } => Failure::failed(format!("the backup is sealed with the key {by}, which is not at hand"))
            .hint("name the key that `ledger rotate --keep` wrote with `--key`; nothing was changed"),
        other => other.into(),
    })?;
    let list = Suppression::load(&workspace.dir)?;
    if list.is_empty() && !backup.events("subject-erased")?.is_empty() {
        return Err(Failure::refused("reticent.suppressed is gone, and units were taken out: they would come back unseen")
            .hint("bring the file back from where you keep a copy; nothing was changed"));
    }
    let compared = compare(&mut workspace, &mut backup)?;
    let told = backup.told().clone();
    let Workspace { ledger, actor, .. } = &mut workspace;
    ledger.restore(actor, &mut backup)?;
    drop((backup, workspace));
    // As every verb does before it reads: whoever is on the list is taken out again, and the log brought up to the ledger.
    let mut workspace = Workspace::write(&common.dir)?;
    let again = workspace.ledger.events("subject-erased")?.iter().filter(|stored| stored.seq > told.events as i64).count();
    let mut text = format!("restored: {} events, as they stood at {}\n", thousands(told.events), told.made);
    if again > 0 {
        text += &format!("  taken out again: {again}\n");
    }
    let facts = json!({ "made": told.made, "events": told.events, "taken_out_again": again, "compared_with": compared });
    match compared {
        Some(size) => text += &format!("  it continues what was signed: {} events\n", thousands(size)),
        None => text += "  not proved: that nothing newer existed, for there is no signed checkpoint here to compare it with\n",
    }
    Ok(Answer::new(text, facts))
}

/// Compares a backup with everything that tells how far the ledger was: refused where it stops earlier or says something else. Gives the size
/// of the newest signed checkpoint, where there is one.
fn compare(workspace: &mut Workspace, backup: &mut BackupFile) -> Result<Option<u64>, Failure> {
    let entries = backup.log_entries()?;
    let older = |what: &str, size: u64| {
        Failure::refused(format!("the backup is older than {what}: it holds {} events where {size} are on record", entries.len()))
            .hint("what happened since would be missing, and the budget under-counted: restore a newer backup; nothing was changed")
            .facts(json!({ "events": entries.len(), "known": size }))
    };
    let other =
        || Failure::refused("the backup is of another ledger: its events are not those that were signed").hint("nothing was changed");
    let signed = [Log::open(workspace.hidden("log"))?.checkpoint()?, workspace.held()?];
    let mut newest = None;
    for checkpoint in signed.iter().flatten().map(|c| c.unverified()) {
        let covered = entries.get(..checkpoint.size as usize).ok_or_else(|| older("its signed checkpoint", checkpoint.size))?;
        if root_of(covered) != checkpoint.root {
            return Err(other());
        }
        newest = newest.max(Some(checkpoint.size));
    }
    let here = workspace.ledger.log_entries(0)?;
    match entries.get(..here.len()) {
        None => Err(older("the ledger here", here.len() as u64)),
        Some(covered) if covered != here => Err(other()),
        Some(_) => Ok(newest),
    }
}
