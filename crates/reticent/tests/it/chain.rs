//! The way from import to report, with the refusals on it.

use crate::workspace::{PEOPLE, RECORDS, Stage, TRAIN, Workspace, consents, person};
use insta::assert_snapshot;
use serde_json::Value;
use std::fs;

const KEYS_OF_PRIVACY: [&str; 7] = ["delta", "epsilon_rdp", "epsilon_upper", "neighbours", "not_covered", "releases", "unit"];

#[track_caller]
fn has_keys(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(!value[*key].is_null(), "no `{key}` in {value:#}");
    }
}

#[test]
fn from_import_to_report() {
    let workspace = Workspace::bare();
    let imported = workspace.json(&["import"]);
    let version = &imported["imported"][0];
    assert_eq!(
        (version["version"].as_str(), version["records"].as_u64(), version["units"].as_u64()),
        (Some("visits/v1"), Some(RECORDS as u64), Some(PEOPLE as u64))
    );
    assert!(fs::exists(version["folder"].as_str().unwrap()).unwrap());

    let events = workspace.events();
    assert_eq!(workspace.done(&["import"]).stdout, "visits/v1 is unchanged: 300 records\n");
    assert_eq!(workspace.events(), events, "an unchanged file leaves no trace");

    assert_eq!(workspace.json(&["status"])["data"][0]["quarantined"], true);
    let consented = workspace.json(&["consent", "import"]);
    assert_eq!(
        (consented["written"].as_u64(), consented["known"].as_u64(), consented["not_in_data"].as_u64()),
        (Some(112), Some(0), Some(0))
    );
    let again = workspace.json(&["consent", "import"]);
    assert_eq!((again["written"].as_u64(), again["known"].as_u64()), (Some(0), Some(112)));

    let first = workspace.run(&["train"]);
    assert_eq!(first.code, Some(3));
    assert!(first.stderr.contains("no impact assessment is open"), "{}", first.stderr);
    let opened = workspace.json(&["assess", "--plan"]);
    has_keys(&opened, &["event", "criteria", "to_be_completed"]);
    assert_eq!(workspace.json(&["assess", "--plan"])["event"], opened["event"], "opened once");
    let second = workspace.run(&["train"]);
    assert_eq!(second.code, Some(3));
    assert_snapshot!(second.refusal(), @"
    exit 3
    error: the gate refuses: no Art 9 condition for special-category columns: 11 units, 22 records

    hint: obtain the basis and import it, or leave these units out, on record: `reticent train --exclude no-art9-condition`
    ");
    assert!(workspace.budget().is_none() && workspace.models().is_empty(), "a refusal costs nothing");

    let trained = workspace.json(&TRAIN);
    has_keys(&trained, &["model", "folder", "privacy", "manifest", "decision", "trained"]);
    has_keys(&trained["privacy"], &KEYS_OF_PRIVACY);
    assert_eq!((trained["model"].as_str(), trained["stamp"].is_null()), (Some("risk/1"), true));
    let upper = trained["privacy"]["epsilon_upper"].as_f64().unwrap();
    assert!(upper > 1.0 && upper <= 2.0, "{upper}");
    let states: Vec<&str> = trained["privacy"]["releases"].as_array().unwrap().iter().map(|r| r["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["released", "reserved"]);
    let admitted = &trained["decision"]["admitted"];
    assert_eq!((admitted["units"].as_u64(), admitted["records"].as_u64()), (Some(67), Some(134)));

    let refused = workspace.run(&TRAIN);
    assert_eq!(refused.code, Some(3));
    assert_snapshot!(refused.refusal(), @"
    exit 3
    error: risk/1 is released already

    hint: `reticent train --again` trains a further release, charged to the same budget
    ");

    let report = workspace.json(&["report"]);
    has_keys(&report["privacy"], &KEYS_OF_PRIVACY);
    let data = &report["data"];
    let excluded: u64 = data["excluded"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(data["records"].as_u64().unwrap(), data["trained"].as_u64().unwrap() + excluded, "{data}");
    let page = fs::read_to_string(report["report"].as_str().unwrap()).unwrap();
    assert!(page.contains("Made-up data; controller and consents are simulated."));

    let verified = workspace.json(&["log", "verify"]);
    assert_eq!((&verified["verified"], &verified["root"]), (&Value::Bool(true), &report["log"]["root"]));
    has_keys(&verified, &["size", "not_proved"]);
    assert_eq!(workspace.json(&["status"])["models"][0], "risk/1");
    let budget = workspace.budget().unwrap();
    assert!(budget.spent <= budget.total && budget.charges.len() == 1 && budget.charges[0].0 == "released");

    for known in [person(0), person(50), "free text".into()] {
        assert_eq!(workspace.files_with(&known, &["visits.csv", "consent.csv"]), [""; 0], "{known} is in no other file");
    }
    let left = workspace.files().into_keys().filter(|name| name.ends_with("noise.key") || name.ends_with(".tmp")).count();
    assert_eq!(left, 0, "the noise key is gone");
}

#[test]
fn predictions_need_the_features_only() {
    let workspace = Workspace::at(Stage::Trained);
    workspace.put("new.csv", "pressure,sex,age\n120,f,30\n175,m,88\n");
    let file = workspace.file("new.csv");
    let before = workspace.files();
    let text = workspace.done(&["predict", file.to_str().unwrap()]);
    let lines: Vec<&str> = text.stdout.lines().collect();
    assert_eq!((lines.len(), lines[0], text.stderr.as_str()), (3, "row,class,p(no),p(yes)", ""));
    let json = workspace.json(&["predict", file.to_str().unwrap()]);
    assert_eq!(json["classes"], serde_json::json!(["no", "yes"]));
    // What the model says hangs on the noise of its training: which class is the likelier may be either, so long as it is the one told.
    for (line, score) in lines[1..].iter().zip(json["scores"].as_array().unwrap()) {
        let p: Vec<f64> = score["probabilities"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect();
        assert!((p[0] + p[1] - 1.0).abs() < 1e-5, "{score}");
        let likelier = if p[1] > p[0] { "yes" } else { "no" };
        assert_eq!((score["class"].as_str(), line.split(',').nth(1)), (Some(likelier), Some(likelier)), "{line} {score}");
    }
    assert_ne!(json["scores"][0]["probabilities"], json["scores"][1]["probabilities"], "two people, two answers");
    assert!(workspace.files() == before, "predicting leaves nothing behind");
    workspace.put("turned.csv", "age,pressure,sex\n30,120,f\n88,175,m\n");
    let turned = workspace.json(&["predict", workspace.file("turned.csv").to_str().unwrap()]);
    assert_eq!(turned["scores"], json["scores"], "columns go by their names");
}

/// A budget with room for more than the model asks.
fn roomy() -> Workspace {
    let workspace = Workspace::bare();
    workspace.edit("reticent.toml", "groups = [\"sex\"]", "groups = [\"sex\"]\nbudget = { epsilon = 6.0, delta = 1e-5 }");
    for step in [&["import"][..], &["consent", "import"], &["assess", "--plan"], &TRAIN] {
        workspace.done(step);
    }
    workspace
}

#[test]
fn who_withdraws_is_left_out_of_the_next_release() {
    let workspace = roomy();
    let before = workspace.budget().unwrap();
    workspace.put(
        "later.csv",
        &format!("subject,purpose,state,at\n{},care,withdrawn,2025-01-01\n{},care,withdrawn,2025-01-01\n", person(98), person(99)),
    );
    let later = workspace.json(&["consent", "import", workspace.file("later.csv").to_str().unwrap()]);
    assert_eq!(later["written"], 2);
    let trained = workspace.json(&["train", "--again", "--exclude", "no-art9-condition"]);
    assert_eq!(trained["model"], "risk/2");
    assert_eq!(trained["decision"]["admitted"]["units"], 65);
    assert_eq!(trained["decision"]["excluded"].to_string().matches("24").count(), 0, "{}", trained["decision"]["excluded"]);
    let budget = workspace.budget().unwrap();
    assert_eq!(budget.charges.len(), 2);
    assert!(budget.spent > before.spent && budget.spent <= budget.total);
    assert_eq!(workspace.models(), ["risk/1", "risk/2"]);
}

/// Whoever says nothing any more has withdrawn nothing: a later file adds, and never takes back.
#[test]
fn consents_add_up_over_files() {
    let workspace = Workspace::at(Stage::Assessed);
    workspace.put("consent.csv", &consents().lines().take(2).map(|l| format!("{l}\n")).collect::<String>());
    assert_eq!(workspace.json(&["consent", "import"])["written"], 0);
    assert_eq!(workspace.json(&TRAIN)["decision"]["admitted"]["units"], 67);
}

#[test]
fn a_changed_file_becomes_a_new_version_and_the_old_one_stays() {
    let workspace = Workspace::at(Stage::Trained);
    let before = workspace.files();
    workspace.edit("visits.csv", ",no,free text", ",yes,free text");
    assert_eq!(workspace.json(&["import"])["imported"][0]["version"], "visits/v2");
    let after = workspace.files();
    for name in ["table.parquet", "manifest.json"] {
        let name = format!(".reticent/data/visits/v1/{name}");
        assert!(before[&name] == after[&name], "{name}");
    }
}

/// Private messages teach no model anything unless the purpose says so, and no legitimate interest reaches them.
#[test]
fn messages_are_not_trained_on_by_default() {
    let workspace = Workspace::at(Stage::Assessed);
    workspace.edit("reticent.toml", "events = \"consent.csv\"", "events = \"consent.csv\"\nprivate_messages = true");
    let refused = workspace.run(&TRAIN);
    assert_snapshot!(refused.refusal(), @"
    exit 3
    error: the gate refuses: the data set holds private messages, and the purpose does not say that models may learn from them

    hint: where that is what people were told, write train_on_messages = true in the purpose
    ");
    assert!(workspace.budget().is_none(), "a refusal costs nothing");
    workspace.edit("reticent.toml", "art6 = \"a\"", "art6 = \"f\"\ntrain_on_messages = true");
    let refused = workspace.run(&TRAIN);
    assert!(refused.stderr.contains("the data set holds private messages, which no legitimate interest covers"), "{}", refused.stderr);
    workspace.edit("reticent.toml", "art6 = \"f\"", "art6 = \"a\"");
    workspace.done(&TRAIN);
}

/// What leaves the folder stays usable: nothing in it says where it was.
#[test]
fn a_workspace_can_be_moved() {
    let copy = Workspace::at(Stage::Trained);
    copy.done(&["report"]);
    copy.done(&["log", "verify"]);
}
