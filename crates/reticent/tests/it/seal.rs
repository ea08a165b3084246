//! The key of the ledger's names: made with the ledger, changed by a verb, and missed with a hint.

use crate::workspace::Workspace;
use std::fs;

/// Who the tests say they are, and a name in a register.
const NAMES: [&str; 2] = ["tester", "Marker-of-a-Ward-Head"];

fn named() -> Workspace {
    let workspace = Workspace::bare();
    let entry = format!(
        r#"{{"register": "party", "id": "ward", "from": "2026-05-01", "role": "controller", "name": "{}", "contact": "m@x.example", "country": "FR"}}"#,
        NAMES[1]
    );
    workspace.put("registers.json", &entry);
    workspace.done(&["import"]);
    enter(&workspace);
    workspace
}

fn enter(workspace: &Workspace) {
    workspace.done(&["register", "import", workspace.file("registers.json").to_str().unwrap()]);
}

fn names_in(workspace: &Workspace) -> Vec<&'static str> {
    let files = workspace.files();
    let ledger = &files[".reticent/ledger.db"];
    NAMES.into_iter().filter(|name| ledger.windows(name.len()).any(|w| w == name.as_bytes())).collect()
}

#[test]
fn no_name_is_in_the_file_of_the_ledger() {
    let workspace = named();
    assert_eq!(names_in(&workspace), [] as [&str; 0]);
    let shown = workspace.done(&["register", "show", "--json"]).stdout;
    assert!(shown.contains(NAMES[1]), "{shown}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(workspace.file(".reticent/keys/ledger.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(workspace.ledger().events("registered").unwrap()[0].actor, NAMES[0]);
}

#[test]
fn a_lost_key_is_missed_with_a_hint_and_nothing_is_lost() {
    let workspace = named();
    let shown = workspace.done(&["register", "show"]).stdout;
    let path = workspace.file(".reticent/keys/ledger.key");
    let key = fs::read(&path).unwrap();
    let ledger = fs::read(workspace.file(".reticent/ledger.db")).unwrap();
    for (other, word) in [(None, "is gone"), (Some("00".repeat(32)), "is another"), (Some("no key".into()), "is no key")] {
        match other {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        for verb in [&["register", "show"][..], &["import"], &["ledger", "rotate"]] {
            let run = workspace.run(verb);
            assert_eq!(run.code, Some(1), "{verb:?}: {}", run.stderr);
            assert!(run.stderr.contains(word) && run.stderr.contains("hint: bring the key file back"), "{verb:?}: {}", run.stderr);
        }
        assert!(fs::read(workspace.file(".reticent/ledger.db")).unwrap() == ledger, "something was written");
    }
    fs::write(&path, key).unwrap();
    assert_eq!(workspace.done(&["register", "show"]).stdout, shown);
}

#[test]
fn a_fresh_key_takes_the_place_of_the_old_one_wherever_it_is_stopped() {
    let workspace = named();
    let shown = workspace.done(&["register", "show"]).stdout;
    let (path, next) = (workspace.file(".reticent/keys/ledger.key"), workspace.file(".reticent/keys/ledger.key.next"));
    let backup = workspace.file("before.backup");
    workspace.done(&["ledger", "backup", backup.to_str().unwrap()]);
    let old = fs::read(&path).unwrap();
    let kept = workspace.file("old.key");
    workspace.done(&["ledger", "rotate", "--keep", kept.to_str().unwrap()]);
    let new = fs::read(&path).unwrap();
    assert!(new != old && fs::read(&kept).unwrap() == old && !next.exists());
    assert_eq!(workspace.done(&["register", "show"]).stdout, shown);
    workspace.done(&["log", "verify"]);
    assert_eq!(names_in(&workspace), [] as [&str; 0]);

    // Stopped before the ledger came to the next key: it goes. Stopped after: it takes the place.
    fs::write(&next, "11".repeat(32)).unwrap();
    enter(&workspace);
    assert!(!next.exists() && fs::read(&path).unwrap() == new);
    fs::rename(&path, &next).unwrap();
    fs::write(&path, &old).unwrap();
    assert_eq!(workspace.done(&["register", "show"]).stdout, shown, "whoever reads finds either");
    enter(&workspace);
    assert!(!next.exists() && fs::read(&path).unwrap() == new);

    // The backup from before needs the key from before.
    fs::remove_file(workspace.file(".reticent/ledger.db")).unwrap();
    fs::remove_dir_all(workspace.file(".reticent/log")).unwrap();
    fs::remove_file(workspace.file("reticent.checkpoint")).unwrap();
    let restore = ["ledger", "restore", backup.to_str().unwrap()];
    let run = workspace.run(&restore);
    assert!(run.code == Some(1) && run.stderr.contains("--key"), "{}", run.stderr);
    workspace.done(&[&restore[..], &["--key", kept.to_str().unwrap()]].concat());
    assert_eq!(workspace.done(&["register", "show"]).stdout, shown);
    fs::remove_file(&kept).unwrap();
    workspace.done(&["log", "verify"]);
}
