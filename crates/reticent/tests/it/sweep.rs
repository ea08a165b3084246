//! `sweep`: utility and leakage over ε, on record, resumed, and what the search would cost.

use crate::workspace::{Stage, Workspace};

#[test]
fn a_sweep_is_drawn_recorded_and_taken_up_again() {
    let workspace = Workspace::at(Stage::Assessed);
    let answer = workspace.json(&["sweep", "--runs", "2", "--exclude", "no-art9-condition"]);
    let points = answer["points"].as_array().unwrap();
    assert_eq!(points.len(), 6);
    let at = |index: usize, key: &str| points[index][key]["mean"].as_f64().unwrap();
    assert!(points[5]["epsilon"].is_null() && points[5]["runs"] == 1 && points[0]["runs"] == 2);
    assert!(at(4, "utility") > at(0, "utility"), "more ε, more utility: {answer:#}");
    for point in points {
        for key in ["utility", "leakage"] {
            let (mean, bar) = (point[key]["mean"].as_f64().unwrap(), point[key]["bar"].as_f64().unwrap());
            assert!((0.0..=1.0).contains(&mean) && (bar > 0.0 || mean == 1.0), "{point}");
        }
    }
    // What a search would cost lies between one run and all of them.
    let costs = answer["search"]["if_the_winner_were_released"].as_array().unwrap();
    assert_eq!((costs.len(), &answer["search"]["runs_searched"]), (5, &10.into()));
    for cost in costs {
        let [alone, best, all] = ["alone", "best_of", "all"].map(|k| cost[k].as_f64().unwrap());
        assert!(alone < best && alone < all, "{cost}");
    }
    assert!((costs[2]["alone"].as_f64().unwrap() - 1.0).abs() < 0.01);
    let picture = workspace.read("sweep.svg");
    assert!(picture.matches("<circle").count() == 12 && picture.contains("covered by no ε"));
    // Nothing is charged or released, and nothing but numbers is kept.
    assert_eq!(workspace.budget().map(|b| b.spent), None);
    let kept = workspace.read(".reticent/sweeps/risk/runs.json");
    assert!(kept.contains("\"10/1\"") && !kept.contains("patient-"));
    assert!(!workspace.files().keys().any(|file| file.ends_with(".safetensors")));
    assert_eq!(answer["models_trained"], 11);

    // Half of it is gone, as after an interruption: only that half is trained again, to the same numbers.
    let mut file: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let cells = file["cells"].as_object_mut().unwrap();
    cells.retain(|name, _| name.starts_with("0.") || name == "without");
    assert_eq!(cells.len(), 5);
    workspace.put(".reticent/sweeps/risk/runs.json", &file.to_string());
    let again = workspace.json(&["sweep", "--runs", "2", "--exclude", "no-art9-condition", "--public", "made up"]);
    assert_eq!((&again["points"], &again["search"]), (&answer["points"], &serde_json::json!({ "charged": false, "public": "made up" })));
    assert_eq!(again["models_trained"], 6);
    workspace.done(&["log", "verify"]);
}

#[test]
fn a_sweep_passes_the_gate() {
    let workspace = Workspace::at(Stage::Imported);
    let file = workspace.file("reticent.toml");
    let run = workspace.run(&["sweep", file.to_str().unwrap()]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(!workspace.files().keys().any(|name| name.contains("sweep")), "nothing was trained");
    let answer = workspace.run(&["sweep", "nowhere/reticent.toml"]);
    assert_eq!(answer.code, Some(2), "{}", answer.stderr);
}
