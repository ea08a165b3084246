//! What an endpoint answered, on the disk: a CSV file that grows by whole batches, each flushed before the next is asked for.

use crate::disk;
use crate::failure::Failure;
use crate::workspace::Workspace;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of one audit: of one endpoint, model, protocol and file of records.
pub(super) struct Kept {
    folder: PathBuf,
}

impl Kept {
    pub(super) fn open(workspace: &Workspace, about: &[&str], records: &[u8]) -> Result<Self, Failure> {
        let mut hash = Sha256::new();
        for part in about.iter().map(|a| a.as_bytes()).chain([records]) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let all = folder(workspace);
        disk::create_private_folder(&all)?;
        Ok(Self { folder: all.join(hex::encode(&hash.finalize()[..8])) })
    }

    /// Whether this audit was never begun.
    pub(super) fn is_new(&self) -> bool {
        !self.folder.join(SINCE).exists()
    }

    /// From now on answers are kept: since when is written first, so that retention finds them.
    pub(super) fn begin(&self, now: i64) -> Result<(), Failure> {
        disk::create_private_folder(&self.folder)?;
        disk::write_private(&self.folder.join(SINCE), now.to_string().as_bytes())
    }

    /// The file of answers.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.join(ANSWERS)
    }

    /// Writes the header where there is none yet; else it must be the same.
    pub(super) fn head(&self, header: &[String]) -> Result<(), Failure> {
        let line = line(header)?;
        match std::fs::read(self.file()) {
            Ok(bytes) if bytes.starts_with(&line) => Ok(()),
            Ok(bytes) if bytes.contains(&b'\n') => {
                Err(Failure::refused("the endpoint answers in another form than when this audit was begun")
                    .hint(format!("begin it anew: remove {}", self.folder.display())))
            }
            _ => disk::write_private(&self.file(), &line),
        }
    }

    /// Lines that are whole, the header left out. What an interruption cut short is cut off.
    pub(super) fn lines(&self) -> Result<usize, Failure> {
        let path = self.file();
        let Ok(bytes) = std::fs::read(&path) else { return Ok(0) };
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        if whole < bytes.len() {
            let cut = std::fs::OpenOptions::new().write(true).open(&path).and_then(|f| f.set_len(whole as u64).and_then(|()| f.sync_all()));
            cut.map_err(|e| disk::io("mend", &path, &e))?;
        }
        // No cell holds a line end: ids with one are refused where they are read.
        Ok(bytes[..whole].iter().filter(|b| **b == b'\n').count().saturating_sub(1))
    }

    pub(super) fn append(&self, rows: &[Vec<String>]) -> Result<(), Failure> {
        let mut text = vec![];
        for row in rows {
            text.extend(line(row)?);
        }
        let path = self.file();
        let write = std::fs::OpenOptions::new().append(true).open(&path).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        write.map_err(|e| disk::io("write", &path, &e))
    }
}

const ANSWERS: &str = "answers.csv";
const SINCE: &str = "since";

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.hidden("endpoint")
}

/// Names of the audits whose answers are kept, and since when (seconds since 1970).
pub(crate) fn kept_answers(workspace: &Workspace) -> Vec<(String, i64)> {
    let all = std::fs::read_dir(folder(workspace)).into_iter().flatten().flatten();
    let since = |path: &Path| std::fs::read_to_string(path.join(SINCE)).ok().and_then(|text| text.trim().parse().ok());
    let mut found: Vec<(String, i64)> =
        all.map(|entry| (entry.file_name().to_string_lossy().into_owned(), since(&entry.path()).unwrap_or(0))).collect();
    found.sort();
    found
}

/// Destroys the answers of one audit.
pub(crate) fn remove_answers(workspace: &Workspace, name: &str) -> Result<(), Failure> {
    let place = folder(workspace).join(name);
    disk::shred(&place.join(ANSWERS))?;
    disk::shred(&place.join(SINCE))?;
    if place.exists() { std::fs::remove_dir_all(&place).map_err(|e| disk::io("remove", &place, &e)) } else { Ok(()) }
}

fn line(cells: &[String]) -> Result<Vec<u8>, Failure> {
    if cells.iter().any(|c| c.contains(['\n', '\r'])) {
        return Err(Failure::usage("an `id` holds the end of a line").hint("name lines without line ends"));
    }
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(cells).map_err(|e| Failure::failed(format!("cannot write a line of answers: {e}")))?;
    writer.into_inner().map_err(|_| Failure::failed("cannot write a line of answers"))
}
