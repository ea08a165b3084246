//! `kill -9` at any moment, then the same command again: work may be lost, privacy never.

use crate::workspace::{Random, Stage, TRAIN, Workspace};
use std::process::Stdio;
use std::time::{Duration, Instant};

const CHAIN: [&[&str]; 5] = [&["import"], &["consent", "import"], &["assess", "--plan"], &TRAIN, &["report"]];
const SEED: u64 = 20_261_123;

/// Long enough that many kills fall into the training.
fn workspace(stage: Stage) -> Workspace {
    let workspace = Workspace::at(stage);
    workspace.edit("reticent.toml", "steps = 40", "steps = 400");
    workspace
}

/// How long each verb takes undisturbed.
fn durations() -> Vec<Duration> {
    let workspace = workspace(Stage::Bare);
    let timed = |step: &&[&str]| {
        let started = Instant::now();
        workspace.done(step);
        started.elapsed()
    };
    CHAIN.iter().map(timed).collect()
}

/// Starts the verb and kills it after `moment`. True where it was still at work.
fn kill(workspace: &Workspace, step: &[&str], moment: Duration) -> bool {
    let mut child = workspace.command(step).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(moment);
    child.kill().unwrap();
    child.wait().unwrap().code().is_none()
}

/// What must hold after any kill, before anything is repaired.
fn never_under_counted(workspace: &Workspace, context: &str) {
    let ledger = workspace.file(".reticent/ledger.db");
    // A kill while the ledger is being made leaves none, or an empty one that the next writer fills.
    if !ledger.exists() || std::fs::metadata(&ledger).unwrap().len() == 0 {
        assert!(!workspace.files_named("noise.key"), "{context}");
        return;
    }
    let drawn = workspace.files_named("model.safetensors") || workspace.file(".reticent/models/risk/1").exists();
    let Some(budget) = workspace.budget() else {
        assert!(!drawn && !workspace.files_named("noise.key"), "{context}: noise without a budget");
        return;
    };
    let released = workspace.models().len();
    let charged = budget.charges.iter().filter(|(_, cost)| *cost > 0.0).count();
    assert!(budget.spent <= budget.total, "{context}: {} of {}", budget.spent, budget.total);
    assert!(charged >= released, "{context}: {released} released, {charged} charged");
    assert!(!drawn || charged == 1, "{context}: weights without a charge");
    assert!(!workspace.files_named("noise.key") || charged >= 1, "{context}: a noise key without a charge");
}

/// The whole chain again, as a person would type it; a release that is out already is no failure. The report takes longest, so that it is
/// written only where `with_report` asks for it.
fn go_on(workspace: &Workspace, with_report: bool, context: &str) {
    for step in CHAIN {
        let released = || !workspace.models().is_empty();
        if (step == &TRAIN[..] && released()) || (step == ["report"] && !with_report) {
            continue;
        }
        let run = workspace.run(step);
        assert_eq!(run.code, Some(0), "{context}: {}\n{}", step.join(" "), run.stderr);
    }
    let budget = workspace.budget().unwrap();
    let states: Vec<&str> = budget.charges.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(states, ["released"], "{context}: one charge for one release");
    assert_eq!(workspace.models(), ["risk/1"], "{context}");
    workspace.done(&["log", "verify"]);
    assert!(!workspace.files_named("noise.key"), "{context}: the noise key is shredded");
    let left: Vec<String> = workspace.files().into_keys().filter(|n| n.ends_with(".tmp") || n.ends_with("-journal")).collect();
    assert!(left.is_empty(), "{context}: {left:?}");
}

/// Kills at `count` moments, each in a workspace of its own and a verb of the chain drawn by `weights`.
fn kills(seed: u64, count: usize, weights: [u64; 5]) {
    let mut random = Random(seed);
    let durations = durations();
    let mut hits = [0; 5];
    let mut tries = 0;
    while hits.iter().sum::<usize>() < count {
        tries += 1;
        assert!(tries < 3 * count, "too few of the kills met a process at work: {hits:?}");
        let mut draw = random.below(weights.iter().sum());
        let verb = weights
            .iter()
            .position(|w| {
                if draw < *w {
                    true
                } else {
                    draw -= w;
                    false
                }
            })
            .unwrap();
        let moment = durations[verb].mul_f64(random.below(1000) as f64 / 1000.0);
        let context = format!("seed {seed}, try {tries}: `{}` killed after {moment:?}", CHAIN[verb].join(" "));
        let workspace = workspace([Stage::Bare, Stage::Imported, Stage::Consented, Stage::Assessed, Stage::Assessed][verb]);
        if verb == 4 {
            workspace.done(&TRAIN);
        }
        hits[verb] += usize::from(kill(&workspace, CHAIN[verb], moment));
        never_under_counted(&workspace, &context);
        // Often killed once more on the way.
        if random.below(3) == 0 {
            kill(&workspace, CHAIN[verb], durations[verb].mul_f64(random.below(1000) as f64 / 1000.0));
            never_under_counted(&workspace, &format!("{context}, then again"));
        }
        go_on(&workspace, verb == 4 || tries % 8 == 0, &context);
    }
    eprintln!("killed at work, by verb: {hits:?} in {tries} tries");
}

#[test]
fn kills_anywhere() {
    kills(SEED, 28, [3, 3, 2, 3, 2]);
}

#[test]
fn kills_in_training() {
    kills(SEED + 1, 28, [0, 0, 0, 1, 0]);
}

/// A workspace whose training was killed while it drew noise.
fn killed_while_drawing(roomy: bool) -> Workspace {
    let workspace = Workspace::at(Stage::Assessed);
    workspace.edit("reticent.toml", "steps = 40", "steps = 6000");
    if roomy {
        workspace.edit("reticent.toml", "groups = [\"sex\"]", "groups = [\"sex\"]\nbudget = { epsilon = 6.0, delta = 1e-5 }");
    }
    let mut child = workspace.command(&TRAIN).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    workspace.wait_for_noise(&mut child);
    std::thread::sleep(Duration::from_millis(100));
    child.kill().unwrap();
    assert!(child.wait().unwrap().code().is_none(), "it was still at work");
    workspace
}

/// The same noise goes on: one charge, whatever was interrupted.
#[test]
fn an_interrupted_run_goes_on_with_its_charge() {
    let workspace = killed_while_drawing(false);
    let before = workspace.budget().unwrap();
    assert_eq!(before.charges[0].0, "drawing");
    let run = workspace.done(&TRAIN);
    assert!(run.stderr.contains("going on with the interrupted run"), "{}", run.stderr);
    let after = workspace.budget().unwrap();
    assert_eq!((after.spent, after.charges.len(), after.charges[0].0.as_str()), (before.spent, 1, "released"));
}

/// A run whose noise key is gone is given up and stays charged.
#[test]
fn without_its_noise_key_a_run_stays_charged() {
    let workspace = killed_while_drawing(true);
    let before = workspace.budget().unwrap();
    for run in std::fs::read_dir(workspace.file(".reticent/runs")).unwrap() {
        std::fs::remove_file(run.unwrap().path().join("noise.key")).unwrap();
    }
    let run = workspace.done(&TRAIN);
    assert!(!run.stderr.contains("going on"), "{}", run.stderr);
    let after = workspace.budget().unwrap();
    let states: Vec<&str> = after.charges.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(states, ["abandoned", "released"]);
    assert_eq!(after.charges[0].1, before.charges[0].1, "charged in full");
    assert!(after.spent <= after.total);
}

/// What an interrupted run was bound to has changed: another noise key, and the old charge stays.
#[test]
fn a_changed_plan_draws_new_noise_and_stays_charged() {
    let workspace = killed_while_drawing(true);
    workspace.edit("reticent.toml", "steps = 6000", "steps = 6001");
    workspace.done(&TRAIN);
    let states: Vec<String> = workspace.budget().unwrap().charges.into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["abandoned", "released"]);
}
