//! A small workspace in release mode, and requests to take units out of its model.

use super::*;
use crate::cli;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const CONFIG: &str = r#"version = 1
mode = "release"
controller = { name = "Clinic (simulated)", contact = "a@b.example", jurisdiction = "EU" }

[purposes.care]
iri = "https://w3id.org/dpv#ServiceProvision"
description = "Will a visit be followed by another?"
owner = "Head of care (simulated)"
retention = "P3Y"
art6 = "a"
notices = ["2024-1"]
exclude = ["withdrawn"]

[data.visits]
file = "visits.csv"
subject = "patient"
units = 200
target = "again"
events = "consent.csv"
columns = { age = [0, 110], sex = ["f", "m"], again = ["no", "yes"] }

[models.removable]
data = "visits"
purpose = "care"
kind = "certified-logistic"
certified = { epsilon = 1.0, lambda = 0.05, max_rows_per_subject = 2 }
"#;

const UNITS: usize = 200;

fn run(dir: &Path, args: &[&str]) -> Answer {
    let line = ["reticent"].iter().chain(args).copied().chain(["--dir", dir.to_str().unwrap()]).collect();
    cli::answer(line).unwrap_or_else(|e| panic!("{args:?}: {e}"))
}

fn consent(dir: &Path, withdrawn: &[&str]) {
    let mut events = String::from("subject,purpose,state,at,notice,art6,art9\n");
    (0..UNITS).for_each(|i| events += &format!("p{i},care,given,2024-03-01,2024-1,a,\n"));
    withdrawn.iter().for_each(|w| events += &format!("{w},care,withdrawn,2024-09-15,,,\n"));
    fs::write(dir.join("consent.csv"), events).unwrap();
    run(dir, &["consent", "import"]);
}

fn trained(certified: &str) -> TempDir {
    let folder = TempDir::with_prefix("reticent-certified-").unwrap();
    let mut rows = String::from("patient,age,sex,again\n");
    for i in 0..UNITS * 3 {
        let age = i * 37 % 97;
        let again = if (age + i * 13 % 50) > 70 { "yes" } else { "no" };
        rows += &format!("p{},{age},{},{again}\n", i / 3, ["f", "m"][i / 3 % 2]);
    }
    let dir = folder.path();
    fs::write(dir.join("visits.csv"), rows).unwrap();
    let config = CONFIG.replace("{ epsilon = 1.0, lambda = 0.05, max_rows_per_subject = 2 }", certified);
    fs::write(dir.join("reticent.toml"), config).unwrap();
    run(dir, &["import"]);
    consent(dir, &[]);
    run(dir, &["assess", "--plan"]);
    run(dir, &["train"]);
    folder
}

fn usual() -> TempDir {
    trained("{ epsilon = 1.0, lambda = 0.05, max_rows_per_subject = 2 }")
}

fn open(folder: &TempDir) -> Workspace {
    Workspace::write(folder.path()).unwrap()
}

fn pseudonym(workspace: &mut Workspace, subject: &str) -> String {
    workspace.pseudonym_key().unwrap().subject("visits", subject).to_string()
}

fn forget(workspace: &mut Workspace, subject: &str, number: usize) -> Option<Value> {
    let unit = pseudonym(workspace, subject);
    forget_unit(workspace, "removable", "visits", &unit, &format!("{number:064x}")).unwrap_or_else(|e| panic!("{e}"))
}

/// Subjects that the model learned from; the others are held out for the test.
fn held(workspace: &mut Workspace) -> Vec<String> {
    let Standing::Trained { state, .. } = read(workspace, "removable").unwrap().unwrap().standing else { panic!("it is trained") };
    let units: BTreeSet<String> = state.units().iter().map(ToString::to_string).collect();
    (0..UNITS).map(|i| format!("p{i}")).filter(|s| units.contains(&pseudonym(workspace, s))).collect()
}

fn kept(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join(".reticent/certified/removable/state.json")).unwrap()
}

#[test]
fn a_unit_goes_once_and_is_answered_twice() {
    let folder = usual();
    let mut workspace = open(&folder);
    let subjects = held(&mut workspace);
    // Three quarters of 200, each by its pseudonym, which is drawn: outside 6 deviations with a chance below 1e-8.
    assert!((113..=187).contains(&subjects.len()), "{}", subjects.len());
    let outsider = (0..UNITS).map(|i| format!("p{i}")).find(|s| !subjects.contains(s)).unwrap();
    assert_eq!(forget(&mut workspace, &outsider, 1), None, "held out: not in the model");
    let unit = pseudonym(&mut workspace, &subjects[0]);
    let no_model = |workspace: &mut Workspace, name, dataset| forget_unit(workspace, name, dataset, &unit, &"0".repeat(64)).unwrap();
    assert_eq!((no_model(&mut workspace, "other", "visits"), no_model(&mut workspace, "removable", "other")), (None, None));
    assert!(kept(&folder).contains(&unit));
    let answer = forget(&mut workspace, &subjects[0], 1).unwrap();
    assert_eq!((answer["outcome"].as_str(), answer["stamp"].as_str()), (Some("removed"), Some(STAMP)));
    let record: Certificate = serde_json::from_value(answer["record"].clone()).unwrap();
    let checked = verify_removal(&record).unwrap();
    assert!(checked.removals == 1 && checked.spent > 0.0 && checked.spent < 1.0, "{checked:?}");
    assert!(!kept(&folder).contains(&unit), "who went is not named any more");
    assert!(!answer.to_string().contains(&unit));
    let found = evidence::newest(&mut workspace, REMOVAL, Some("removable")).unwrap().unwrap();
    assert_eq!(json!(found.event), answer["evidence"]);
    let (events, bytes) = (workspace.ledger.event_count().unwrap(), kept(&folder));
    assert_eq!(forget(&mut workspace, &subjects[0], 1).unwrap(), answer);
    assert_eq!((workspace.ledger.event_count().unwrap(), kept(&folder)), (events, bytes), "nothing is done twice");
    assert_eq!(forget(&mut workspace, &subjects[0], 2), None, "it is out");
    let second = forget(&mut workspace, &subjects[1], 2).unwrap();
    assert_eq!(second["record"]["removals_so_far"], 2);
    assert_eq!(second["record"]["removals"][0]["model_after"], second["record"]["removals"][1]["model_before"]);
}

/// Stopped after the state was made durable and before its evidence was recorded.
#[test]
fn a_stopped_removal_is_finished_by_the_next_call() {
    let folder = usual();
    let mut workspace = open(&folder);
    let subject = held(&mut workspace)[3].clone();
    let mut kept_before = read(&workspace, "removable").unwrap().unwrap();
    let Standing::Trained { state, .. } = kept_before.standing else { panic!() };
    let model = workspace.config.models["removable"].clone();
    let unit: SubjectId = pseudonym(&mut workspace, &subject).parse().unwrap();
    let fitted = take_out(&mut workspace, &model, *state, unit, &format!("{:064x}", 7)).unwrap().unwrap();
    let record = Box::new(checked(&fitted, &kept_before.provenance).unwrap());
    kept_before.standing = Standing::Trained { state: Box::new(fitted.state()), record };
    write(&workspace, "removable", &kept_before).unwrap();
    drop(workspace);
    let bytes = kept(&folder);
    let mut workspace = open(&folder);
    let answer = forget(&mut workspace, &subject, 7).unwrap();
    assert_eq!((answer["outcome"].as_str(), answer["record"]["removals_so_far"].as_u64()), (Some("removed"), Some(1)));
    assert_eq!(kept(&folder), bytes, "it is not removed a second time");
    assert_eq!(forget(&mut workspace, &subject, 7).unwrap(), answer);
}

#[test]
fn a_basis_that_ended_for_the_unit_alone_is_no_hindrance_and_for_another_means_training_again() {
    let folder = usual();
    let subjects = held(&mut open(&folder));
    consent(folder.path(), &[&subjects[5]]);
    let mut workspace = open(&folder);
    assert_eq!(forget(&mut workspace, &subjects[5], 1).unwrap()["outcome"], "removed");
    drop(workspace);
    consent(folder.path(), &[&subjects[5], &subjects[6]]);
    let mut workspace = open(&folder);
    let answer = forget(&mut workspace, &subjects[7], 2).unwrap();
    assert_eq!(answer["outcome"], "retrain-required");
    assert_eq!(answer["why"], "rows that it was trained on are gone or may no longer be used");
    assert!(!kept(&folder).contains("\"weights\""), "the weights are gone");
    assert_eq!(forget(&mut workspace, &subjects[7], 2).unwrap(), answer);
    assert_eq!(forget(&mut workspace, &subjects[8], 3), None, "no model, nobody in it");
    drop(workspace);
    run(folder.path(), &["train"]);
    assert!(held(&mut open(&folder)).iter().all(|s| *s != subjects[6] && *s != subjects[5]));
}

#[test]
fn a_spent_budget_means_training_again() {
    let folder = trained("{ epsilon = 0.1, sigma = 1, lambda = 0.001, max_rows_per_subject = 2 }");
    let mut workspace = open(&folder);
    let subjects = held(&mut workspace);
    let outcomes: Vec<Value> = subjects.iter().enumerate().map_while(|(i, s)| forget(&mut workspace, s, i)).collect();
    let last = outcomes.last().unwrap();
    assert_eq!(last["outcome"], "retrain-required");
    assert!(last["why"].as_str().unwrap().contains("one more removal does not fit"), "{}", last["why"]);
    assert!(outcomes[..outcomes.len() - 1].iter().all(|o| o["outcome"] == "removed"));
    let record: Certificate = serde_json::from_value(last["record"].clone()).unwrap();
    assert!(verify_removal(&record).unwrap().spent <= record.budget);
}

/// A model that reticent.toml declares no more still holds people.
#[test]
fn a_model_that_is_declared_no_more_is_withdrawn() {
    let folder = usual();
    let subject = held(&mut open(&folder))[0].clone();
    let config = fs::read_to_string(folder.path().join("reticent.toml")).unwrap();
    fs::write(folder.path().join("reticent.toml"), config.replace("[models.removable]", "[models.renamed]")).unwrap();
    let mut workspace = open(&folder);
    assert_eq!(kept_models(&workspace).unwrap(), ["removable"]);
    let answer = forget(&mut workspace, &subject, 1).unwrap();
    assert_eq!((answer["outcome"].as_str(), answer["why"].as_str()), (Some("retrain-required"), Some("reticent.toml declares it no more")));
    assert!(!kept(&folder).contains("\"weights\""));
}

#[test]
fn a_changed_state_is_refused() {
    let folder = usual();
    let mut workspace = open(&folder);
    let subject = held(&mut workspace)[0].clone();
    let path = path(&workspace, "removable");
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"weights\":[", "\"weights\":[0.5,", 1)).unwrap();
    let unit = pseudonym(&mut workspace, &subject);
    let refused = forget_unit(&mut workspace, "removable", "visits", &unit, &"1".repeat(64)).unwrap_err();
    assert!(refused.message.contains("damaged"), "{}", refused.message);
}
