//! A model for removals beside one with differential privacy: it is trained, never released, and charges no budget.

use crate::workspace::{Stage, Workspace};

const REMOVABLE: &str = r#"
[models.removable]
data = "visits"
purpose = "care"
kind = "certified-logistic"
certified = { epsilon = 1.0, delta = 1e-5, sigma = 10.0, lambda = 0.1, max_rows_per_subject = 2 }
"#;

const STAMP: &str = "UNRELEASED: (ε, δ)-certified removal only, no differential privacy bound";

#[test]
fn trained_stamped_and_never_released() {
    let workspace = Workspace::at(Stage::Trained);
    let config = workspace.read("reticent.toml");
    workspace.put("reticent.toml", &format!("{config}{REMOVABLE}"));
    workspace.done(&["check"]);
    let budget = workspace.done(&["budget"]).stdout;
    let train = ["train", "removable", "--exclude", "no-art9-condition"];
    let trained = workspace.done(&train);
    assert!(trained.stdout.contains(STAMP), "{}", trained.stdout);
    assert!(trained.stdout.contains("ε = 1 at δ = 1e-5") && trained.stdout.contains("2.048"), "{}", trained.stdout);
    assert_eq!(workspace.done(&["budget"]).stdout, budget, "no budget of differential privacy is charged");
    let again = workspace.run(&train);
    assert_eq!(again.code, Some(3), "{}", again.stderr);
    assert!(again.stderr.contains("trained already"));
    let with_again: Vec<&str> = train.iter().copied().chain(["--again"]).collect();
    workspace.done(&with_again);
    // Verbs that take the only model take the other one.
    workspace.done(&["predict", workspace.file("visits.csv").to_str().unwrap()]);
    let refused = workspace.run(&["predict", workspace.file("visits.csv").to_str().unwrap(), "--model", "removable"]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("never released"), "{}", refused.stderr);
    let status = workspace.done(&["status"]);
    assert!(status.stdout.contains(STAMP) && !status.stdout.contains("next: reticent train"), "{}", status.stdout);
    workspace.done(&["log", "verify"]);
    assert!(!workspace.file(".reticent/models/removable").exists());
    let state = workspace.read(".reticent/certified/removable/state.json");
    assert!(state.contains(STAMP) && !state.contains("patient-"), "pseudonyms alone");
}

#[test]
fn the_gate_stands_before_it_too() {
    let workspace = Workspace::at(Stage::Assessed);
    let config = workspace.read("reticent.toml");
    workspace.put("reticent.toml", &format!("{config}{REMOVABLE}"));
    let refused = workspace.run(&["train", "removable"]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("the gate refuses"), "{}", refused.stderr);
    assert!(!workspace.file(".reticent/certified").exists());
}
