//! Two processes in one workspace: one waits or is refused, never both spend.

use crate::workspace::{Run, Stage, TRAIN, Workspace};
use insta::assert_snapshot;
use std::process::{Child, Stdio};
use std::time::Duration;

fn start(workspace: &Workspace, args: &[&str]) -> Child {
    workspace.command(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child, workspace: &Workspace) -> Run {
    Run::from(child.wait_with_output().unwrap(), workspace.path())
}

/// A workspace whose training takes a second or more.
fn slow() -> Workspace {
    let workspace = Workspace::at(Stage::Assessed);
    workspace.edit("reticent.toml", "steps = 40", "steps = 4000");
    workspace
}

#[test]
fn a_writer_waits_and_a_reader_need_not() {
    let workspace = slow();
    let mut training = start(&workspace, &TRAIN);
    workspace.wait_for_noise(&mut training);
    let status = workspace.done(&["status"]);
    assert!(training.try_wait().unwrap().is_none(), "status did not wait for the training");
    assert!(status.stdout.contains("risk: not trained"), "{}", status.stdout);
    let import = workspace.done(&["import"]);
    assert_eq!(import.stderr, "another process works in this workspace; waiting for it\n");
    let training = end(training, &workspace);
    assert_eq!(training.code, Some(0), "{}", training.stderr);
    workspace.done(&["log", "verify"]);
}

#[test]
fn a_writer_that_waited_ten_seconds_is_refused() {
    let workspace = Workspace::at(Stage::Assessed);
    let lock = std::fs::File::options().write(true).open(workspace.file(".reticent/lock")).unwrap();
    lock.lock().unwrap();
    let before = workspace.files();
    let run = workspace.run(&TRAIN);
    assert!(workspace.files() == before);
    assert_snapshot!(run.refusal(), @"
    exit 3
    another process works in this workspace; waiting for it
    error: another process works in this workspace

    hint: run the same command again when it is done; nothing was changed
    ");
}

#[test]
fn two_trainings_at_once_never_both_spend() {
    for (args, released) in [(&TRAIN[..], 1), (&["train", "--again", "--exclude", "no-art9-condition"], 1)] {
        let workspace = Workspace::at(Stage::Assessed);
        let both = [start(&workspace, args), start(&workspace, args)];
        std::thread::sleep(Duration::from_millis(1));
        let mut codes: Vec<Option<i32>> = both.map(|child| end(child, &workspace).code).into();
        codes.sort_unstable();
        assert_eq!(codes, [Some(0), Some(3)], "one is done, one is refused");
        let budget = workspace.budget().unwrap();
        assert!(budget.spent <= budget.total, "{} of {}", budget.spent, budget.total);
        assert_eq!(budget.charges.len(), released);
        assert_eq!(workspace.models().len(), released);
    }
}
