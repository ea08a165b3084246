//! The program connects to nothing that was not asked for and declared; `serve` listens on this machine alone.

use crate::workspace::{CONFIG, Run, Workspace, consents, rows};
use std::process::Command;

/// In a network namespace of its own there is no way out, not even to this machine.
#[test]
fn every_verb_works_without_a_network() {
    let offered = Command::new("unshare").args(["-rn", "true"]).output().is_ok_and(|o| o.status.success());
    if !offered {
        eprintln!("skipped: `unshare -rn` is not permitted here");
        return;
    }
    let workspace = Workspace::with(CONFIG, &rows(), &consents());
    let dir = workspace.path().to_str().unwrap();
    let file = workspace.file("visits.csv");
    let predict = ["predict", file.to_str().unwrap()];
    for step in [
        &["check"][..],
        &["import"],
        &["consent", "import"],
        &["assess", "--plan"],
        &crate::workspace::TRAIN,
        &predict,
        &["explain", file.to_str().unwrap()],
        &["report"],
        &["budget"],
        &["status"],
        &["log", "verify"],
    ] {
        let mut command = Command::new("unshare");
        command.args(["-rn", env!("CARGO_BIN_EXE_reticent")]).args(step).args(["--dir", dir]);
        let run = Run::of(&mut command, workspace.path());
        assert_eq!(run.code, Some(0), "{step:?}: {}", run.stderr);
    }
}

/// Where `strace` is there, no verb so much as asks for a socket.
#[test]
fn no_verb_opens_a_socket() {
    let workspace = Workspace::bare();
    let trace = workspace.file("trace.txt");
    let strace = |step: &[&str]| {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "trace=%network", "-o", trace.to_str().unwrap(), env!("CARGO_BIN_EXE_reticent")]);
        command.args(step).args(["--dir", workspace.path().to_str().unwrap()]).output()
    };
    if !strace(&["check"]).is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: `strace` is missing or not permitted here");
        return;
    }
    for step in [&["import"][..], &["consent", "import"], &["assess", "--plan"], &crate::workspace::TRAIN, &["report"], &["log", "verify"]]
    {
        let output = strace(step).unwrap();
        assert!(output.status.success(), "{step:?}: {}", String::from_utf8_lossy(&output.stderr));
        let calls = std::fs::read_to_string(&trace).unwrap();
        // A pair of sockets within the process wakes the runtime up; it leads nowhere.
        let asked: Vec<&str> = calls
            .lines()
            .filter(|l| ["socket(", "connect(", "bind(", "sendto("].iter().any(|c| l.contains(c)) && !l.contains("socketpair("))
            .collect();
        assert!(asked.is_empty(), "{step:?}: {asked:?}");
    }
}
