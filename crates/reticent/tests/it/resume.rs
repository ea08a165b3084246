//! A training that was killed goes on from its last state on the disk, and gives the model that it would have given.

use crate::workspace::{Run, Stage, TRAIN, Workspace, person};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

const STEPS: u64 = 4000;
const STATE: &str = "run.checkpoint";

/// Room for a second run beside one that stays charged.
fn ready() -> Workspace {
    let workspace = Workspace::at(Stage::Assessed);
    workspace.edit("reticent.toml", "steps = 40", &format!("steps = {STEPS}"));
    workspace.edit("reticent.toml", "groups = [\"sex\"]", "groups = [\"sex\"]\nbudget = { epsilon = 6.0, delta = 1e-5 }");
    workspace
}

/// The file of this name in the folder of the one run that is under way.
fn of_run(workspace: &Workspace, name: &str) -> Option<PathBuf> {
    let mut runs = fs::read_dir(workspace.file(".reticent/runs")).ok()?.flatten();
    runs.find_map(|run| Some(run.path().join(name)).filter(|file| file.exists()))
}

/// The step of the state on the disk: a digest, then a safetensors file with the step in its metadata.
fn step_on_disk(workspace: &Workspace) -> Option<u64> {
    let bytes = fs::read(of_run(workspace, STATE)?).ok()?;
    let length = u64::from_le_bytes(bytes[32..40].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[40..40 + length]).unwrap();
    let header: Value = serde_json::from_str(header["__metadata__"]["reticent"].as_str().unwrap()).unwrap();
    header["step"].as_u64()
}

/// Trains until the state on the disk is of this step or a later one, then kills; the step it is of.
fn killed_at(workspace: &Workspace, step: u64) -> u64 {
    let mut child = workspace.command(&TRAIN).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while step_on_disk(workspace).is_none_or(|now| now < step) {
        assert!(child.try_wait().unwrap().is_none(), "the training ended before it was killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    assert!(child.wait().unwrap().code().is_none(), "it was still at work");
    step_on_disk(workspace).unwrap()
}

fn released_weights(workspace: &Workspace) -> Vec<u8> {
    fs::read(workspace.file(".reticent/models/risk/1/model.safetensors")).unwrap()
}

fn states(workspace: &Workspace) -> Vec<String> {
    workspace.budget().unwrap().charges.into_iter().map(|(state, _)| state).collect()
}

fn goes_on_from(run: &Run, step: u64) -> bool {
    let thousands = if step >= 1000 { format!("{},{:03}", step / 1000, step % 1000) } else { step.to_string() };
    run.stderr.contains(&format!("from step {thousands} of 4,000: the steps before are on the disk"))
}

/// Killed early, in the middle, late and twice: bit for bit the weights of the same run from its first step on, without the steps that were done.
#[test]
fn a_killed_training_goes_on_where_it_was() {
    for stops in [vec![200], vec![2000], vec![3200], vec![600, 2600]] {
        let workspace = ready();
        let mut on_disk = 0;
        for &stop in &stops {
            on_disk = killed_at(&workspace, stop);
        }
        assert!(on_disk >= *stops.last().unwrap());
        let before = workspace.budget().unwrap();
        assert_eq!(states(&workspace), ["drawing"], "the whole run is charged before its first noise");
        // The same run, with the same noise key, without its state.
        let from_the_start = workspace.copy();
        fs::remove_file(of_run(&from_the_start, STATE).unwrap()).unwrap();

        let run = workspace.done(&TRAIN);
        assert!(run.stderr.contains("going on with the interrupted run") && goes_on_from(&run, on_disk), "{stops:?}: {}", run.stderr);
        let again = from_the_start.done(&TRAIN);
        assert!(!again.stderr.contains("the steps before are on the disk"), "{}", again.stderr);
        assert!(released_weights(&workspace) == released_weights(&from_the_start), "{stops:?}: other weights");
        let after = workspace.budget().unwrap();
        assert_eq!((after.spent, states(&workspace)), (before.spent, vec!["released".into()]), "{stops:?}");
        assert!(
            !workspace.files().into_keys().any(|name| name.contains("run.") || name.ends_with("noise.key")),
            "{stops:?}: state is left"
        );
    }
}

/// Nobody but its owner reads a state, and it is gone when the run is given up for another plan.
#[test]
fn a_state_is_its_owners_and_goes_with_its_run() {
    let workspace = ready();
    killed_at(&workspace, 200);
    let state = of_run(&workspace, STATE).unwrap();
    #[cfg(unix)]
    for file in [&state, &state.with_file_name("noise.key")] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    workspace.edit("reticent.toml", "steps = 4000", "steps = 50");
    let run = workspace.done(&TRAIN);
    assert!(!run.stderr.contains("the steps before are on the disk"), "{}", run.stderr);
    assert!(!state.exists());
    assert_eq!(states(&workspace), ["abandoned", "released"]);
}

/// A state that is damaged is no state: the run begins again with its own noise, and ends as it would have.
#[test]
fn a_damaged_state_is_not_used() {
    let workspace = ready();
    killed_at(&workspace, 200);
    let whole = workspace.copy();
    let state = of_run(&workspace, STATE).unwrap();
    let mut bytes = fs::read(&state).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&state, bytes).unwrap();
    let run = workspace.done(&TRAIN);
    assert!(run.stderr.contains("cannot be used (it is damaged): from the first step, with the same noise"), "{}", run.stderr);
    whole.done(&TRAIN);
    assert!(released_weights(&workspace) == released_weights(&whole));
    assert_eq!(states(&workspace), ["released"]);
}

/// The state of another run, put in the place of a run's own, is never gone on from: a new key, and both stay charged.
#[test]
fn the_state_of_another_run_costs_a_new_key() {
    let (workspace, other) = (ready(), ready());
    killed_at(&workspace, 200);
    killed_at(&other, 200);
    fs::copy(of_run(&other, STATE).unwrap(), of_run(&workspace, STATE).unwrap()).unwrap();
    let before = workspace.budget().unwrap();
    let run = workspace.done(&TRAIN);
    assert!(!run.stderr.contains("the steps before are on the disk"), "{}", run.stderr);
    assert_eq!(states(&workspace), ["abandoned", "released"]);
    assert!(workspace.budget().unwrap().spent > before.spent);
}

/// An erasure destroys the state of every run that uses the unit's rows, and its record says so.
#[test]
fn an_erasure_reaches_the_state_of_a_run() {
    let workspace = ready();
    killed_at(&workspace, 200);
    let state = of_run(&workspace, STATE).unwrap();
    let answer = workspace.json(&["forget", &person(40)]);
    assert!(!state.exists());
    assert_eq!(states(&workspace), ["abandoned"]);
    let stores = answer["erasure"]["stores"].as_array().unwrap();
    let of_run: Vec<&Value> = stores.iter().filter(|s| s["store"].as_str().unwrap().starts_with("noise key and state of run")).collect();
    assert!(of_run.len() == 1 && of_run[0]["verified_absent"] == true, "{stores:?}");
}
