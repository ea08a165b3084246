//! What each right makes the program do. Every part finds out by itself whether it was done, so that the same command again goes on where it
//! was stopped.

use super::correct::{counted, put_right};
use super::{File, Subject, package, remove};
use crate::decided;
use crate::erasure;
use crate::failure::Failure;
use crate::suppression::Suppression;
use crate::workspace::Workspace;
use jiff::civil::Date;
use reticent_govern::{BasisEvent, BasisKind, Case, Entry, RequestStep, Right, telling};
use std::path::PathBuf;

/// What came of it.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Files that are handed to the person.
    pub(crate) files: Vec<PathBuf>,
    /// Signed records of erasures, and the openings of their commitments to the subject.
    pub(crate) records: Vec<(PathBuf, String)>,
}

/// Carries out what is asked.
pub(crate) fn carry_out(workspace: &mut Workspace, case: &Case, on: Date) -> Result<Outcome, Failure> {
    let Some(file) = super::read(workspace, case.number)? else {
        return Err(Failure::failed(format!("the file of request {} is gone: nobody knows who asked", case.number))
            .hint("ask the person to make the request again"));
    };
    // Before anything is looked up: the answer for somebody who is held here and for somebody who is not is one.
    if case.right.needs_identity() && case.identity.is_none() {
        return Err(Failure::refused(format!("request {}: who asks is not confirmed, and nothing was looked up", case.number))
            .hint(format!("`reticent request identity {} --confirm METHOD`", case.number)));
    }
    let held = held(workspace, &file)?;
    if held.is_empty() && file.erasures.is_empty() && !matches!(case.right, Right::OptOut) {
        let text = "nothing about them is held in the tables and the ledger";
        let refused = RequestStep::Refused { why: reticent_govern::Refused::NoMatch, text: text.into() };
        record(workspace, case, on, refused)?;
        return Ok(Outcome::default());
    }
    match case.right {
        Right::Access | Right::Know | Right::Portability => answer(workspace, case, &file, &held, on),
        Right::Rectification | Right::Correct => {
            let mut done = vec![];
            for subject in &held {
                done.extend(put_right(workspace, &file, subject)?);
            }
            if done.is_empty() {
                return Err(Failure::usage("the request names no value of a record that is held")
                    .hint("open it with `--correct RECORD:COLUMN=VALUE`"));
            }
            finished(workspace, case, on, done)
        }
        Right::Restriction => state(workspace, case, &held, BasisKind::Restricted, &["*".into()], "use restricted", on),
        Right::OptOut => state(workspace, case, &file.subjects, BasisKind::OptedOut, &["*".into()], "sale and sharing ended", on),
        Right::Limit => state(workspace, case, &held, BasisKind::Limited, &["*".into()], "use of sensitive columns limited", on),
        Right::Objection => {
            let purposes = objectionable(workspace, &file)?;
            state(workspace, case, &held, BasisKind::Objected, &purposes, "objection recorded, effective at once", on)
        }
        Right::Erasure | Right::Delete => erase(workspace, case, file, &held, on),
        Right::Contest => {
            let left = vec!["a person looks at the decision again: `reticent request review`".to_owned()];
            let what = vec!["handed to a reviewer who did not build the model".to_owned()];
            record(workspace, case, on, RequestStep::Done { what, left })?;
            Ok(Outcome::default())
        }
    }
}

/// Where anything is held about the person.
fn held(workspace: &mut Workspace, file: &File) -> Result<Vec<Subject>, Failure> {
    let named = workspace.ledger.subjects()?;
    let mut held = vec![];
    for subject in &file.subjects {
        if named.contains(&subject.pseudonym.to_string()) || !decided::about(workspace, subject)?.is_empty() {
            held.push(subject.clone());
        }
    }
    Ok(held)
}

fn answer(workspace: &mut Workspace, case: &Case, file: &File, held: &[Subject], on: Date) -> Result<Outcome, Failure> {
    let portable = case.right == Right::Portability;
    if portable && !package::rests_on_consent_or_contract(workspace, held)? {
        return Err(Failure::refused("no row rests on consent or a contract: portability reaches no other (Art 20(1)(a))")
            .hint(format!("`reticent request refuse {} --why claim_not_covered --text WHY`", case.number)));
    }
    let package = package::gather(workspace, case, file, held)?;
    let files = package.write(workspace, case.number, portable)?;
    let rows = package.rows();
    let what = vec![format!("{} and what is done with them, in a readable form and in JSON", counted(rows, "record"))];
    record(workspace, case, on, RequestStep::Done { what, left: vec![] })?;
    Ok(Outcome { files, records: vec![] })
}

/// Records a state of the person's basis for these purposes.
fn state(
    workspace: &mut Workspace,
    case: &Case,
    subjects: &[Subject],
    state: BasisKind,
    purposes: &[String],
    words: &str,
    on: Date,
) -> Result<Outcome, Failure> {
    let (since, actor) = (workspace.ledger.now()?, workspace.actor.clone());
    let mut done = vec![];
    for Subject { dataset, pseudonym } in subjects {
        let subject = pseudonym.to_string();
        let standing = workspace.ledger.basis_events(dataset, Some(&subject))?;
        // The newest word of the person on a purpose is what counts: a retry says nothing new.
        let newest = |purpose: &str| standing.iter().rev().find(|e| e.purpose == purpose).map(|e| e.state);
        let new = purposes.iter().filter(|p| newest(p) != Some(state)).map(|purpose| BasisEvent {
            dataset: dataset.clone(),
            subject: subject.clone(),
            purpose: purpose.clone(),
            state,
            since,
            art6: None,
            art9: None,
            notice: None,
            expires: None,
            detail: Default::default(),
        });
        let new: Vec<BasisEvent> = new.collect();
        if !new.is_empty() {
            workspace.ledger.import_basis(&actor, dataset, &format!("request {}", case.number), &new)?;
        }
        done.push(format!("{words} in {dataset}"));
    }
    finished(workspace, case, on, done)
}

/// Purposes that rest on a public task or a legitimate interest: an objection reaches no other (Art 21(1)).
fn objectionable(workspace: &Workspace, file: &File) -> Result<Vec<String>, Failure> {
    let rests = |name: &String| workspace.config.purposes.get(name).is_some_and(|p| matches!(p.art6, Some('e' | 'f')));
    let wanted: Vec<String> = match &file.purpose {
        Some(purpose) => vec![purpose.clone()],
        None => workspace.config.purposes.keys().cloned().collect(),
    };
    let found: Vec<String> = wanted.into_iter().filter(rests).collect();
    if found.is_empty() {
        return Err(Failure::refused(
            "no purpose rests on a public task or a legitimate interest: an objection reaches no other (Art 21(1))",
        )
        .hint("consent is withdrawn instead: record it with `reticent consent import`"));
    }
    Ok(found)
}

fn erase(workspace: &mut Workspace, case: &Case, mut file: File, held: &[Subject], on: Date) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    let (mut done, mut left) = (vec![], vec![]);
    let list = Suppression::load(&workspace.dir)?;
    let gone = file.subjects.iter().filter(|s| !held.contains(s) && list.holds(&s.dataset, &s.pseudonym.to_string()));
    done.extend(gone.filter(|_| !file.erasures.is_empty()).map(|s| format!("removed from {}", s.dataset)));
    for subject in held {
        let now = workspace.ledger.now()?;
        if let Some(name) = workspace.ledger.holds(&subject.dataset, now)?.first() {
            erasure::hold::restrict(workspace, &subject.dataset, &subject.pseudonym.to_string(), &format!("request {}", case.number))?;
            done.push(format!("use restricted in {}: kept under the legal hold `{name}` (Art 17(3)(e))", subject.dataset));
            left.push(format!("remove from {} when the hold `{name}` ends", subject.dataset));
            continue;
        }
        match erase_one(workspace, &mut file, subject) {
            Ok(Some((path, opening))) => {
                done.push(format!("removed from {}; what is left stands in the signed record", subject.dataset));
                outcome.records.push((path, opening));
            }
            Ok(None) => done.push(format!("removed from {}", subject.dataset)),
            Err(why) => {
                // Part of it is not all of it: the case stays open, and says what is missing.
                left.push(format!("remove from {}: a store could not be reached", subject.dataset));
                let step = RequestStep::Done { what: done, left: with_recipients(workspace, case, left)? };
                record(workspace, case, on, step)?;
                return Err(Failure { message: format!("request {} is partly done: {}", case.number, why.message), ..why });
            }
        }
    }
    done.dedup();
    let complete = left.is_empty();
    let left = with_recipients(workspace, case, left)?;
    record(workspace, case, on, RequestStep::Done { what: done, left })?;
    if complete {
        // The person is gone, and so is who asked: the number, the dates and the commitment stay.
        remove(workspace, case.number)?;
    }
    Ok(outcome)
}

fn erase_one(workspace: &mut Workspace, file: &mut File, subject: &Subject) -> Result<Option<(PathBuf, String)>, Failure> {
    let request = erasure::Request {
        dataset: subject.dataset.clone(),
        pseudonym: subject.pseudonym,
        ground: file.ground,
        retrain: true,
        only: None,
        request: Some(file.number),
    };
    let Some(intent) = erasure::begin(workspace, &request)? else { return Ok(None) };
    file.erasures.push(intent.number());
    file.write(workspace)?;
    let done = erasure::finish(workspace, &intent)?;
    if let Some(store) = done.erasure.stores.iter().find(|s| !s.verified_absent) {
        return Err(Failure::failed(format!("still there: {}", store.store)).hint("run the same command again"));
    }
    Ok(Some((done.path, intent.salt.clone())))
}

fn finished(workspace: &mut Workspace, case: &Case, on: Date, done: Vec<String>) -> Result<Outcome, Failure> {
    let left = with_recipients(workspace, case, vec![])?;
    record(workspace, case, on, RequestStep::Done { what: done, left })?;
    Ok(Outcome::default())
}

/// With the recipients who must be told and were not (Art 19).
fn with_recipients(workspace: &mut Workspace, case: &Case, mut left: Vec<String>) -> Result<Vec<String>, Failure> {
    if case.right.tells_recipients() {
        let told = |name: &str| case.recipients.get(name).is_some_and(|n| n.failed.is_none() || n.given_up);
        left.extend(recipients(workspace, &case.datasets)?.into_iter().filter(|name| !told(name)).map(|name| telling(&name)));
    }
    Ok(left)
}

/// Who receives data of these data sets, by the register: every recipient for a purpose that one of their models serves, or that is declared
/// for them.
pub(crate) fn recipients(workspace: &mut Workspace, datasets: &[String]) -> Result<Vec<String>, Failure> {
    let now = workspace.ledger.now()?;
    let models = workspace.config.models.values().filter(|m| datasets.contains(&m.data)).map(|m| m.purpose.clone());
    let declared = workspace.config.data.iter().filter(|(name, _)| datasets.contains(name)).flat_map(|(_, d)| d.purposes.clone());
    let purposes: Vec<String> = models.chain(declared).collect();
    let standing = workspace.ledger.register("recipient", now, None)?.into_values();
    Ok(standing
        .filter_map(|event| match event.entry {
            Entry::Recipient(recipient) if recipient.purposes.iter().any(|p| purposes.contains(p)) => Some(recipient.name),
            _ => None,
        })
        .collect())
}

fn record(workspace: &mut Workspace, case: &Case, on: Date, step: RequestStep) -> Result<(), Failure> {
    let actor = workspace.actor.clone();
    workspace.ledger.advance_request(&actor, case.number, on, step)?;
    workspace.publish()?;
    Ok(())
}
