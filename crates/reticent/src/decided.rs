//! Decisions in which a model took part, kept so that whoever they are about can be told them and contest them (GDPR Art 15(1)(h), 22(3)): a
//! line each, in a file for each day that only its owner reads.

use crate::disk;
use crate::failure::Failure;
use crate::request::Subject;
use crate::workspace::Workspace;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A decision about one person. No `Debug`: it says what was decided about somebody.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Decided {
    #[serde(flatten)]
    pub(crate) subject: Subject,
    /// The release, `risk/1`.
    pub(crate) model: String,
    pub(crate) purpose: String,
    /// RFC 3339.
    pub(crate) at: String,
    /// What the model said.
    pub(crate) class: String,
    pub(crate) probability: f64,
    /// Who decided after looking at it; none where the model alone did (Art 22).
    pub(crate) by: Option<String>,
}

/// Ends the name under which others' lines lie while a person's are destroyed.
const OTHERS: &str = ".others";

/// Keeps decisions; they are on the disk when this is done.
pub(crate) fn keep(workspace: &Workspace, decisions: &[Decided]) -> Result<(), Failure> {
    let Some(day) = decisions.first().and_then(|d| d.at.get(..10)) else { return Ok(()) };
    let folder = folder(workspace);
    disk::create_private_folder(&folder)?;
    // Whatever an erasure was interrupted at comes first.
    days(workspace)?;
    let path = folder.join(format!("{day}.jsonl"));
    // What an interruption cut short was never said to anybody.
    let whole: String = lines(&path)?.iter().map(|line| format!("{line}\n")).collect();
    if !path.exists() || whole.len() as u64 != std::fs::metadata(&path).map_err(|e| disk::io("read", &path, &e))?.len() {
        disk::write_private(&path, whole.as_bytes())?;
    }
    let text: String = decisions.iter().map(|d| serde_json::to_string(d).expect("plain data has JSON") + "\n").collect();
    let append = OpenOptions::new().append(true).open(&path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    append.map_err(|e| disk::io("write", &path, &e))
}

/// Decisions about a person, oldest first.
pub(crate) fn about(workspace: &Workspace, subject: &Subject) -> Result<Vec<Decided>, Failure> {
    let mut found = vec![];
    for (day, _) in days(workspace)? {
        for line in lines(&folder(workspace).join(day))? {
            found.extend(Some(read(&line)?).filter(|d| d.subject == *subject));
        }
    }
    Ok(found)
}

/// Destroys what is kept of a person's decisions.
pub(crate) fn forget(workspace: &Workspace, subject: &Subject) -> Result<(), Failure> {
    for (day, _) in days(workspace)? {
        let path = folder(workspace).join(&day);
        let all = lines(&path)?;
        let mut others = vec![];
        for line in &all {
            if read(line)?.subject != *subject {
                others.push(format!("{line}\n"));
            }
        }
        if others.len() < all.len() {
            let kept = path.with_file_name(format!(".{day}{OTHERS}"));
            disk::write_private(&kept, others.concat().as_bytes())?;
            disk::shred(&path)?;
            take(&kept, &path)?;
        }
    }
    Ok(())
}

/// The files of days, and when each day began (seconds since 1970). What an erasure was interrupted at is finished first: of a file that is
/// gone the others' lines take the place, and beside one that is there they are written anew.
pub(crate) fn days(workspace: &Workspace) -> Result<Vec<(String, i64)>, Failure> {
    let mut days = vec![];
    for entry in std::fs::read_dir(folder(workspace)).into_iter().flatten().flatten() {
        let (mut path, mut name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if let Some(day) = name.strip_suffix(OTHERS).and_then(|n| n.strip_prefix('.')).map(str::to_owned) {
            let whole = path.with_file_name(&day);
            if whole.exists() {
                continue;
            }
            take(&path, &whole)?;
            (path, name) = (whole, day);
        }
        let midnight =
            name.get(..10).and_then(|d| d.parse::<jiff::civil::Date>().ok()).and_then(|d| d.to_zoned(jiff::tz::TimeZone::UTC).ok());
        days.extend(midnight.filter(|_| path.is_file()).map(|day| (name, day.timestamp().as_second())));
    }
    days.sort();
    Ok(days)
}

fn take(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::rename(from, to).and_then(|()| disk::sync_folder(to)).map_err(|e| disk::io("move", from, &e))
}

/// Destroys the decisions of a day.
pub(crate) fn remove(workspace: &Workspace, day: &str) -> Result<(), Failure> {
    disk::shred(&folder(workspace).join(day))
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.hidden("decisions")
}

/// Whole lines.
fn lines(path: &Path) -> Result<Vec<String>, Failure> {
    if !path.exists() {
        return Ok(vec![]);
    }
    let text = disk::read_text(path)?;
    let whole = text.rfind('\n').map_or(0, |at| at + 1);
    Ok(text[..whole].lines().map(str::to_owned).collect())
}

fn read(line: &str) -> Result<Decided, Failure> {
    serde_json::from_str(line)
        .map_err(|_| Failure::failed("a kept decision is damaged").hint("bring .reticent/decisions back from where you keep a copy"))
}
