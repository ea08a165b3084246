//! The ledger to a file and back, as an officer would: nothing newer is forgotten, and whoever was taken out stays out.

use crate::forget::{SOURCES, SUBJECT, holders, trained};
use crate::workspace::Workspace;
use std::fs;

/// The files of a workspace but for what every opening touches.
fn state(workspace: &Workspace) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = workspace.files().into_iter().collect();
    files.retain(|(name, _)| !name.ends_with("lock") && !name.ends_with("-head") && !name.ends_with("-turn"));
    files
}

#[test]
fn a_lost_ledger_comes_back_and_the_log_continues() {
    let workspace = trained();
    let backup = tempfile::tempdir().unwrap();
    let file = backup.path().join("ledger.backup");
    let file = file.to_str().unwrap();
    let told = workspace.json(&["ledger", "backup", file]);
    assert_eq!(told["events"].as_u64().unwrap(), workspace.events());
    let again = workspace.run(&["ledger", "backup", file]);
    assert_eq!((again.code, again.stderr.contains("is there already")), (Some(2), true));

    let budget = workspace.run(&["budget"]).stdout;
    fs::remove_file(workspace.file(".reticent/ledger.db")).unwrap();
    let restored = workspace.json(&["ledger", "restore", file]);
    assert_eq!((restored["events"].clone(), restored["taken_out_again"].clone()), (told["events"].clone(), 0.into()));
    assert_eq!(restored["compared_with"], told["events"]);
    assert_eq!(workspace.events(), told["events"].as_u64().unwrap() + 1, "that it was brought back is on record");
    assert_eq!(workspace.run(&["budget"]).stdout, budget);
    workspace.done(&["log", "verify"]);
    workspace.done(&["status"]);
    assert!(!workspace.file(".reticent/ledger.restoring").exists());

    // Now the ledger says more than the backup.
    let before = state(&workspace);
    let refused = workspace.run(&["ledger", "restore", file]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("older than"), "{}", refused.stderr);
    assert!(state(&workspace) == before, "refused, and something is changed");
}

#[test]
fn who_was_taken_out_stays_out_of_an_older_backup() {
    let workspace = trained();
    let backup = tempfile::tempdir().unwrap();
    let file = backup.path().join("ledger.backup");
    workspace.done(&["ledger", "backup", file.to_str().unwrap()]);
    workspace.done(&["forget", SUBJECT]);
    let restore = ["ledger", "restore", file.to_str().unwrap()];

    // The checkpoint tells that something newer was signed, with or without a ledger.
    for lost in [false, true] {
        if lost {
            fs::remove_file(workspace.file(".reticent/ledger.db")).unwrap();
        }
        let refused = workspace.run(&restore);
        assert_eq!(refused.code, Some(3), "{}", refused.stderr);
        assert!(refused.stderr.contains("older than its signed checkpoint"), "{}", refused.stderr);
        assert_eq!(holders(&workspace), SOURCES);
    }

    fs::remove_dir_all(workspace.file(".reticent/log")).unwrap();
    fs::remove_file(workspace.file("reticent.checkpoint")).unwrap();
    // Everything that is newer is lost: it is said what is not proved, and the person is taken out once more.
    let restored = workspace.run(&restore);
    assert_eq!(restored.code, Some(0), "{}", restored.stderr);
    assert!(restored.stdout.contains("taken out again: 1") && restored.stdout.contains("not proved"), "{}", restored.stdout);
    assert_eq!(holders(&workspace), SOURCES);
    workspace.done(&["log", "verify"]);
}

#[test]
fn a_backup_of_another_ledger_or_a_damaged_one_changes_nothing() {
    let workspace = Workspace::bare();
    let other = Workspace::bare();
    for workspace in [&workspace, &other] {
        workspace.done(&["import"]);
    }
    let backup = tempfile::tempdir().unwrap();
    let file = backup.path().join("ledger.backup");
    other.done(&["ledger", "backup", file.to_str().unwrap()]);
    let before = state(&workspace);
    let refused = |code, word: &str| {
        let key = other.file(".reticent/keys/ledger.key");
        let run = workspace.run(&["ledger", "restore", file.to_str().unwrap(), "--key", key.to_str().unwrap()]);
        assert_eq!(run.code, Some(code), "{}", run.stderr);
        assert!(run.stderr.contains(word), "{}", run.stderr);
        assert!(state(&workspace) == before, "refused, and something is changed");
    };
    refused(3, "of another ledger");
    // Without a ledger to compare it with, the signed checkpoint tells.
    let path = workspace.file(".reticent/ledger.db");
    let ledger = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let run =
        workspace.run(&["ledger", "restore", file.to_str().unwrap(), "--key", other.file(".reticent/keys/ledger.key").to_str().unwrap()]);
    assert!(run.code == Some(3) && run.stderr.contains("of another ledger"), "{}", run.stderr);
    fs::write(&path, ledger).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(16).position(|w| w == b"workspace-create").unwrap();
    bytes[at + 3] ^= 1;
    fs::write(&file, &bytes[..]).unwrap();
    refused(1, "the backup cannot be used");
    fs::write(&file, &bytes[..4096]).unwrap();
    refused(1, "the backup cannot be used");
    fs::remove_file(&file).unwrap();
    refused(1, "cannot read");
}
