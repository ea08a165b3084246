//! Requests of people. What the ledger may not hold (who asks, which values are wrong) lies in one file for each request, readable by its
//! owner alone; it goes when its person is taken out.

mod carry_out;
mod correct;
mod letter;
mod package;
mod page;

pub(crate) use carry_out::{carry_out, recipients};
pub(crate) use correct::{forget as forget_corrections, reapply as reapply_corrections};
pub(crate) use letter::letter;

use crate::decided;
use crate::disk;
use crate::failure::Failure;
use crate::suppression::Suppression;
use crate::workspace::Workspace;
use jiff::civil::Date;
use reticent_data::{Correction, PseudonymKey, SubjectId};
use reticent_govern::{RequestStep, Right};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Who asks for what. Holds personal data: no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) number: u64,
    pub(crate) right: Right,
    /// The person's pseudonyms, one for each data set and name they go by.
    pub(crate) subjects: Vec<Subject>,
    /// Of the commitment in the ledger.
    salt: String,
    /// Letter of Art 17(1).
    pub(crate) ground: char,
    /// Purpose that an objection is about; all where there is none.
    #[serde(default)]
    pub(crate) purpose: Option<String>,
    /// Release or model whose decision is contested.
    #[serde(default)]
    pub(crate) about: Option<String>,
    #[serde(default)]
    pub(crate) corrections: Vec<Correction>,
    /// Columns of joint rows that say something about somebody else.
    #[serde(default)]
    pub(crate) withhold: Vec<String>,
    /// Whether the person is handed what opens the log's entries about them.
    #[serde(default)]
    pub(crate) openings: bool,
    /// Erasures that carried it out, by number: a retry knows what it did before.
    #[serde(default)]
    pub(crate) erasures: Vec<u64>,
}

/// A person in a data set.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    pub(crate) dataset: String,
    pub(crate) pseudonym: SubjectId,
}

/// What `request open` was told.
pub(crate) struct Asked {
    pub(crate) right: Right,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) received: Date,
    pub(crate) ground: char,
    pub(crate) purpose: Option<String>,
    pub(crate) about: Option<String>,
    pub(crate) corrections: Vec<Correction>,
    pub(crate) withhold: Vec<String>,
    pub(crate) openings: bool,
}

/// Files the request and records it. The same request again, while the first is not closed, is the first. Whether anything is held about the
/// person is not looked at: the answer is the same for everybody.
pub(crate) fn open(workspace: &mut Workspace, asked: Asked) -> Result<(u64, bool), Failure> {
    let cases = workspace.ledger.requests()?;
    let files = all(workspace)?;
    let same = |file: &&File| {
        file.right == asked.right
            && file.subjects == asked.subjects
            && file.corrections == asked.corrections
            && (&file.about, &file.purpose) == (&asked.about, &asked.purpose)
            && cases.get(&file.number).is_none_or(|case| !case.state.is_final())
    };
    let found = files.iter().find(same).cloned();
    if let Some(file) = &found
        && cases.contains_key(&file.number)
    {
        return Ok((file.number, false));
    }
    // One that was filed and not recorded before the process stopped is recorded now.
    let file = match found {
        Some(file) => file,
        None => {
            let mut salt = [0; 32];
            getrandom::fill(&mut salt).map_err(|e| Failure::failed(format!("the system gives no randomness: {e}")))?;
            let last = cases.keys().chain(files.iter().map(|f| &f.number)).max().copied();
            let file = File {
                number: 1 + last.unwrap_or(0),
                right: asked.right,
                subjects: asked.subjects,
                salt: hex::encode(salt),
                ground: asked.ground,
                purpose: asked.purpose,
                about: asked.about,
                corrections: asked.corrections,
                withhold: asked.withhold,
                openings: asked.openings,
                erasures: vec![],
            };
            file.write(workspace)?;
            file
        }
    };
    let mut datasets: Vec<String> = file.subjects.iter().map(|s| s.dataset.clone()).collect();
    datasets.dedup();
    let step = RequestStep::Opened {
        right: file.right,
        state: workspace.config.controller.jurisdiction.clone().unwrap_or_else(|| "EU".into()),
        datasets,
        subject_commitment: file.commitment()?,
        about: file.about.clone(),
    };
    let actor = workspace.actor.clone();
    let number = workspace.ledger.open_request(&actor, file.number, asked.received, step);
    // A request that the ledger refuses leaves no file behind.
    if number.is_err() {
        disk::shred(&path(workspace, file.number))?;
    }
    Ok((number?, true))
}

impl File {
    pub(crate) fn write(&self, workspace: &Workspace) -> Result<(), Failure> {
        disk::create_private_folder(&folder(workspace))?;
        let text = serde_json::to_string(self).expect("plain data has JSON");
        disk::write_private(&path(workspace, self.number), text.as_bytes())
    }

    /// HMAC of the person's pseudonyms under the salt.
    fn commitment(&self) -> Result<String, Failure> {
        let mut salt = [0; 32];
        hex::decode_to_slice(&self.salt, &mut salt).map_err(|_| Failure::failed("the file of the request is damaged"))?;
        let mut parts: Vec<&[u8]> = vec![b"requesting subject"];
        for subject in &self.subjects {
            parts.extend([subject.dataset.as_bytes(), subject.pseudonym.as_bytes().as_slice()]);
        }
        Ok(hex::encode(PseudonymKey::from_bytes(salt).keyed_digest(&parts)))
    }
}

/// The file of a request; none where it is gone.
pub(crate) fn read(workspace: &Workspace, number: u64) -> Result<Option<File>, Failure> {
    let path = path(workspace, number);
    if !path.exists() {
        return Ok(None);
    }
    let file = serde_json::from_str(&disk::read_text(&path)?);
    file.map(Some).map_err(|_| Failure::failed(format!("{} is damaged", path.display())).hint("ask for the request to be made again"))
}

/// All files, by number.
pub(crate) fn all(workspace: &Workspace) -> Result<Vec<File>, Failure> {
    let mut files = vec![];
    for entry in std::fs::read_dir(folder(workspace)).into_iter().flatten().flatten() {
        let number = entry.file_name().to_string_lossy().strip_suffix(".json").and_then(|n| n.parse().ok());
        if let Some(number) = number {
            files.extend(read(workspace, number)?);
        }
    }
    files.sort_by_key(|f| f.number);
    Ok(files)
}

/// Removes what is kept of a person's requests but for the one that is under way, and the answers they were given.
pub(crate) fn forget(workspace: &Workspace, subject: &Subject, but_for: Option<u64>) -> Result<(), Failure> {
    for file in all(workspace)? {
        if file.subjects.contains(subject) && Some(file.number) != but_for {
            remove(workspace, file.number)?;
        }
    }
    decided::forget(workspace, subject)?;
    forget_corrections(workspace, subject)
}

/// Whether anything is kept of a person's requests, the one under way left out.
pub(crate) fn holds(workspace: &Workspace, subject: &Subject, but_for: Option<u64>) -> Result<bool, Failure> {
    Ok(all(workspace)?.iter().any(|f| f.subjects.contains(subject) && Some(f.number) != but_for)
        || !decided::about(workspace, subject)?.is_empty())
}

/// Requests whose file is there again, from a restored backup perhaps, although everybody it names was taken out and it is closed.
pub(crate) fn returned(workspace: &mut Workspace) -> Result<Vec<u64>, Failure> {
    let list = Suppression::load(&workspace.dir)?;
    if list.is_empty() {
        return Ok(vec![]);
    }
    let gone = |file: &File| file.subjects.iter().any(|s| list.holds(&s.dataset, &s.pseudonym.to_string()));
    let files: Vec<File> = all(workspace)?.into_iter().filter(gone).collect();
    if files.is_empty() {
        return Ok(vec![]);
    }
    let cases = workspace.ledger.requests()?;
    let closed = |file: &File| {
        cases.get(&file.number).is_none_or(|c| c.state.is_final() || (!c.done.is_empty() && c.left.iter().all(|l| l.starts_with("tell "))))
    };
    Ok(files.iter().filter(|f| closed(f)).map(|f| f.number).collect())
}

/// Removes the file of a request and the answer that was made for it.
pub(crate) fn remove(workspace: &Workspace, number: u64) -> Result<(), Failure> {
    let answer = answer_folder(workspace, number);
    for entry in std::fs::read_dir(&answer).into_iter().flatten().flatten() {
        disk::shred(&entry.path())?;
    }
    if answer.exists() {
        std::fs::remove_dir(&answer).map_err(|e| disk::io("remove", &answer, &e))?;
    }
    disk::shred(&path(workspace, number))
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.hidden("requests")
}

fn path(workspace: &Workspace, number: u64) -> PathBuf {
    folder(workspace).join(format!("{number}.json"))
}

/// Where the answer to a request is put.
pub(crate) fn answer_folder(workspace: &Workspace, number: u64) -> PathBuf {
    folder(workspace).join(number.to_string())
}
