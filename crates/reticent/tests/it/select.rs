//! `select`: what columns cost on public rows, and that private rows are not asked.

use crate::workspace::{CONFIG, Random, Stage, Workspace, consents, rows};
use insta::assert_snapshot;

/// 600 made-up people, one visit each, by the rule of [`rows`].
fn public_rows() -> String {
    let mut random = Random(2);
    let mut text = String::from("visit,patient,age,sex,pressure,again,note\n");
    for person in 0..600 {
        let (age, sex, pressure) = (20 + random.below(70), ["f", "m"][random.below(2) as usize], 100 + random.below(80));
        let again = if age + pressure + random.below(60) > 220 { "yes" } else { "no" };
        text += &format!("{person},patient-{person},{age},{sex},{pressure},{again},text\n");
    }
    text
}

#[test]
fn without_public_rows_it_is_refused() {
    let workspace = Workspace::at(Stage::Imported);
    let before = workspace.files();
    assert_snapshot!(workspace.run(&["select"]).refusal(), @"
    exit 3
    error: choosing columns on private rows reveals something about them, and no budget is charged for that yet

    hint: name rows that are public: `reticent select --public FILE`, a CSV file with the columns of reticent.toml
    ");
    assert!(before == workspace.files(), "nothing is written");
}

#[test]
fn columns_are_ranked_by_what_they_cost() {
    let workspace = Workspace::with(CONFIG, &rows(), &consents());
    workspace.put("public.csv", &public_rows());
    let file = workspace.file("public.csv");
    let args = ["select", "--public", file.to_str().unwrap(), "--reason", "made up for this test"];
    let answer = workspace.json(&args);
    let columns = answer["columns"].as_array().unwrap();
    let names: Vec<&str> = columns.iter().map(|c| c["column"].as_str().unwrap()).collect();
    // A visit follows from age and pressure; sex says nothing.
    assert_eq!(names[0], "sex", "{answer:#}");
    let loss = |name: &str| &columns.iter().find(|c| c["column"] == name).unwrap()["loss"];
    for name in ["age", "pressure"] {
        assert!(loss(name)["lower"].as_f64().unwrap() > 0.02, "{name}: {}", loss(name));
    }
    for c in columns {
        let [l, v, u] = ["lower", "value", "upper"].map(|k| c["loss"][k].as_f64().unwrap());
        assert!(l <= v && v <= u, "{c}");
        assert!((answer["full"]["auc"].as_f64().unwrap() - v - c["without"].as_f64().unwrap()).abs() < 1e-12);
    }
    assert_eq!(columns.iter().find(|c| c["column"] == "pressure").unwrap()["special"], "health");
    assert_eq!(answer["fits"], 6);
    assert_eq!(answer["path"].as_array().unwrap().len(), 2);
    assert_eq!(answer["public"]["stamp"], "UNRELEASED: rows said to be public (made up for this test)");
    assert!(answer["full"]["auc"].as_f64().unwrap() > 0.8);
    let again = workspace.json(&args);
    assert_eq!((&answer["columns"], &answer["path"]), (&again["columns"], &again["path"]), "equal rows give equal numbers");
    // Evidence holds the numbers and nobody's id.
    let kept = workspace.read(".reticent/evidence/selection-1.json");
    assert!(kept.contains("\"suggestion\"") && !kept.contains("patient-"));
    assert_eq!(workspace.budget().map(|b| b.spent), None, "no budget is opened");
    workspace.done(&["log", "verify"]);
}

#[test]
fn the_tolerance_decides_what_is_suggested() {
    let workspace = Workspace::with(CONFIG, &rows(), &consents());
    let file = workspace.file("visits.csv");
    let suggested = |tolerance: &str| {
        let answer = workspace.json(&["select", "--public", file.to_str().unwrap(), "--tolerance", tolerance]);
        assert!(answer["suggestion"]["loss"].as_f64().unwrap() <= tolerance.parse::<f64>().unwrap());
        answer["suggestion"]["keep"].as_array().unwrap().len()
    };
    assert_eq!(suggested("1"), 1, "everything is within a tolerance of 1, and one column stays");
    assert!(suggested("0.03") >= 2);
    for tolerance in ["-1", "nan", "inf"] {
        let run = workspace.run(&["select", "--public", file.to_str().unwrap(), &format!("--tolerance={tolerance}")]);
        assert_eq!(run.code, Some(2), "{tolerance}: {}", run.stderr);
    }
}

#[test]
fn bad_public_files_are_told_by_line() {
    let workspace = Workspace::with(CONFIG, &rows(), &consents());
    workspace.put("few.csv", "visit,patient,age,sex,pressure,again,note\n1,p,30,f,100,yes,n\n");
    workspace.put("wrong.csv", "visit,patient,age,sex,pressure,again,note\n1,p,300,f,100,yes,n\n");
    for (file, says) in [("few.csv", "one class"), ("wrong.csv", "line 2"), ("none.csv", "does not exist")] {
        let path = workspace.file(file);
        let run = workspace.run(&["select", "--public", path.to_str().unwrap()]);
        assert!(run.code != Some(0) && run.stderr.contains(says) && !run.stderr.contains("300"), "{file}: {}", run.stderr);
    }
}
