//! `reticent explain`: a person's own rows, and nobody else's.

use crate::workspace::{Run, Stage, TRAIN, Workspace, person};
use insta::assert_snapshot;
use serde_json::Value;
use std::fs;

/// Three rows with values that occur nowhere else in these tests.
const OWN: &str = "age,sex,pressure\n54.625,f,171.375\n31,m,97.125\n88,f,203.875\n";

fn trained() -> Workspace {
    let workspace = Workspace::at(Stage::Trained);
    workspace.put("own.csv", OWN);
    workspace
}

fn explain(workspace: &Workspace, more: &[&str]) -> Run {
    let file = workspace.file("own.csv");
    let args: Vec<&str> = ["explain", file.to_str().unwrap()].into_iter().chain(more.iter().copied()).collect();
    workspace.run(&args)
}

/// The newest file of evidence.
fn evidence(workspace: &Workspace) -> String {
    let mut files: Vec<_> = fs::read_dir(workspace.file(".reticent/evidence")).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    fs::read_to_string(files.last().unwrap()).unwrap()
}

#[test]
fn contributions_add_up_to_what_predict_says() {
    let workspace = trained();
    let answer = explain(&workspace, &["--json"]).json();
    let file = workspace.file("own.csv");
    let predicted = workspace.json(&["predict", file.to_str().unwrap()]);
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for (row, score) in rows.iter().zip(predicted["scores"].as_array().unwrap()) {
        assert_eq!(row["class"], score["class"]);
        let classes = predicted["classes"].as_array().unwrap();
        let class = classes.iter().position(|c| *c == row["class"]).unwrap();
        let (p, told) = (row["prediction"].as_f64().unwrap(), score["probabilities"][class].as_f64().unwrap());
        assert!((p - told).abs() < 1e-6, "{p} is not {told}");
        let sum: f64 = row["contributions"].as_array().unwrap().iter().map(|c| c["phi"].as_f64().unwrap()).sum();
        assert!((sum + row["base"].as_f64().unwrap() - p).abs() < 1e-6);
        assert!(row["reasons"].as_array().unwrap().len() <= 5);
    }
    assert_eq!(rows[0]["contributions"][0]["value"], "54.625");
    let summary = &answer["explanation"];
    assert!(summary["sum_error"].as_f64().unwrap() <= 1e-6);
    assert!(summary["lime_r2"].as_f64().unwrap() > 0.5, "{summary}");
    // 67 of 100 people may be used; each point averages at least ten of them.
    assert_eq!(summary["background"]["units"], 67);
    assert!(summary["background"]["least_units"].as_u64().unwrap() >= 10);
}

/// A change is told only where the program's own `predict` then says another class.
#[test]
fn a_change_that_is_told_changes_the_class() {
    let workspace = trained();
    let answer = explain(&workspace, &["--json", "--immutable", "age", "--immutable", "sex"]).json();
    let predicted = |rows: &[String]| -> Vec<Value> {
        workspace.put("changed.csv", &format!("age,sex,pressure\n{}\n", rows.join("\n")));
        let file = workspace.file("changed.csv");
        let answer = workspace.json(&["predict", file.to_str().unwrap()]);
        answer["scores"].as_array().unwrap().iter().map(|score| score["class"].clone()).collect()
    };
    for row in answer["rows"].as_array().unwrap() {
        let own = OWN.lines().nth(row["row"].as_u64().unwrap() as usize).unwrap();
        // The model is linear: if any pressure changes the class, one near an end of its public bounds, 60 and 220, does. Where the noise of
        // the training put the boundary is another question: there may be none within reach of a row.
        let ends = ["66", "214"].map(|end| format!("{},{end}", own.rsplit_once(',').unwrap().0));
        let within_reach = predicted(&ends).iter().any(|class| *class != row["class"]);
        if row["counterfactual"]["answer"] != "found" {
            assert!(!within_reach, "{row:#}");
            continue;
        }
        let changes = row["counterfactual"]["changes"].as_array().unwrap();
        assert_eq!((changes.len(), changes[0]["column"].as_str()), (1, Some("pressure")), "age and sex may not change");
        let changed = own.replace(changes[0]["from"].as_str().unwrap(), changes[0]["to"].as_str().unwrap());
        assert_ne!(predicted(&[changed])[0], row["class"], "{row:#}");
    }
    let all = explain(&workspace, &["--json", "--row", "1", "--immutable", "age", "--immutable", "sex", "--immutable", "pressure"]).json();
    assert_eq!(all["rows"][0]["counterfactual"]["answer"], "none-found");
}

#[test]
fn what_is_kept_holds_no_value_of_a_row() {
    let workspace = trained();
    let answer = explain(&workspace, &[]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert!(answer.stdout.contains("pressure = 171.375"), "{}", answer.stdout);
    for value in ["54.625", "171.375", "203.875"] {
        assert_eq!(workspace.files_with(value, &["own.csv"]), Vec::<String>::new(), "{value}");
    }
    let kept: Value = serde_json::from_str(&evidence(&workspace)).unwrap();
    let keys: Vec<&str> = kept.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["background", "fidelity", "lime_r2", "lime_refused", "methods", "rows", "sum_error"]);
    workspace.done(&["log", "verify"]);

    // An average over ten rows is kept, over nine is not.
    for (rows, kept) in [(9, false), (10, true)] {
        let text: String = (0..rows).map(|i| format!("{},m,{}\n", 30 + i, 100 + 9 * i)).collect();
        workspace.put("own.csv", &format!("age,sex,pressure\n{text}"));
        let summary = &explain(&workspace, &["--json"]).json()["explanation"];
        assert_eq!(summary["mean_absolute_contribution"].is_object(), kept, "{rows} rows");
    }
}

#[test]
fn the_gate_decides_about_the_background_and_about_stored_rows() {
    let workspace = trained();
    let before = workspace.events();
    // Number 40 has all that is needed; 3 has withdrawn; the last exists nowhere.
    let answer = workspace.json(&["explain", "--subject", &person(40)]);
    assert_eq!(answer["rows"].as_array().unwrap().len(), 2, "two of three rows are within the cap");
    assert_eq!(workspace.events(), before + 2, "the gate's decision and the evidence");
    for id in [person(3), person(12), person(4000)] {
        let refused = workspace.run(&["explain", "--subject", &id]);
        assert!(!refused.stderr.contains(&id));
        insta::allow_duplicates!(assert_snapshot!(refused.refusal(), @"
        exit 3
        error: the gate permits no stored row of this unit for an explanation, or there is none

        hint: `reticent status` shows what is on record; with the person's own rows in a file, run `reticent explain FILE.csv`
        "));
    }
    assert_eq!(workspace.files_with(&person(40), &["visits.csv", "consent.csv"]), Vec::<String>::new());
}

#[test]
fn a_background_the_gate_does_not_permit_is_refused() {
    let workspace = trained();
    // Everybody withdraws.
    let withdrawn: String = (0..100).map(|n| format!("{},care,withdrawn,2025-01-01,,,\n", person(n))).collect();
    let consents = workspace.read("consent.csv");
    workspace.put("consent.csv", &format!("{consents}{withdrawn}"));
    workspace.done(&["consent", "import"]);
    let refused = explain(&workspace, &[]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("nobody is left whose data may be used"), "{}", refused.stderr);
    assert!(!workspace.file(".reticent/evidence").exists() || fs::read_dir(workspace.file(".reticent/evidence")).unwrap().count() == 0);
}

/// Nine people may be used where a point of the background averages ten.
#[test]
fn a_background_of_nine_is_refused() {
    let workspace = trained();
    let withdrawn: String = (42..100).map(|n| format!("{},care,withdrawn,2025-01-01,,,\n", person(n))).collect();
    let consents = workspace.read("consent.csv");
    workspace.put("consent.csv", &format!("{consents}{withdrawn}"));
    workspace.done(&["consent", "import"]);
    assert_snapshot!(explain(&workspace, &[]).refusal(), @"
    exit 3
    error: 9 units are too few for a background: each of its points averages at least 10

    hint: an explanation compares with averages that show nobody: it needs more units
    ");
}

#[test]
fn the_page_holds_the_waterfall_and_is_the_same_each_time() {
    let workspace = trained();
    let page = workspace.file("own.html");
    let page = page.to_str().unwrap();
    let first = explain(&workspace, &["--html", page]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let html = fs::read_to_string(page).unwrap();
    assert_eq!(html.matches("<svg class=\"plot\"").count(), 3);
    for told in ["54.625", "contributed most to this score under this method", "It does not say why", "no ε covers"] {
        assert!(html.contains(told), "no {told:?}");
    }
    assert!(!html.contains("<script") && !html.contains("http://") && !html.contains("https://"), "the page loads nothing");
    let second = explain(&workspace, &["--html", page]);
    assert_eq!((first.stdout, html), (second.stdout, fs::read_to_string(page).unwrap()));
}

#[test]
fn wrong_questions_are_told_what_is_wrong() {
    let workspace = trained();
    let check = |args: &[&str], told: &str| {
        let run = explain(&workspace, args);
        assert_eq!(run.code, Some(2), "{args:?} {}", run.stderr);
        assert!(run.stderr.contains(told), "{args:?} {}", run.stderr);
    };
    check(&["--immutable", "shoe"], "no column of the model is called `shoe`");
    check(&["--row", "4"], "there are 3 rows");
    check(&["--row", "0"], "--row");
    check(&["--subject", "x"], "cannot be used with");
    workspace.put("own.csv", "age,sex,pressure\n54,f,5000.25\n");
    let run = explain(&workspace, &[]);
    assert!(run.code == Some(2) && run.stderr.contains("pressure") && !run.stderr.contains("5000.25"), "{}", run.stderr);
    let early = Workspace::at(Stage::Assessed);
    early.put("own.csv", OWN);
    let run = explain(&early, &[]);
    assert!(run.code == Some(2) && run.stderr.contains("no release of `risk` exists"), "{}", run.stderr);
}

/// What comes out of an experiment says so.
#[test]
fn an_experiment_is_stamped() {
    let workspace = Workspace::bare();
    workspace.edit("reticent.toml", "mode = \"release\"", "mode = \"experiment\"");
    workspace.put("own.csv", OWN);
    workspace.done(&["import"]);
    workspace.done(&TRAIN);
    let run = explain(&workspace, &[]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout.contains("UNRELEASED") && run.stderr.contains("UNRELEASED"), "{}{}", run.stdout, run.stderr);
}
