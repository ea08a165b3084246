//! What every verb has in common: help, `--dir`, `--json`, exit codes, words.

use crate::workspace::{Run, Workspace, command};
use std::path::Path;

const VERBS: [&[&str]; 47] = [
    &["init"],
    &["check"],
    &["import"],
    &["consent"],
    &["consent", "import"],
    &["consent", "export"],
    &["gate"],
    &["gate", "explain"],
    &["gate", "host"],
    &["gate", "replay"],
    &["register"],
    &["register", "import"],
    &["register", "interest"],
    &["register", "task"],
    &["register", "enforce"],
    &["register", "model"],
    &["lineage"],
    &["lineage", "subject"],
    &["lineage", "model"],
    &["lineage", "openlineage"],
    &["lineage", "croissant"],
    &["assess"],
    &["assess", "write"],
    &["assess", "advise"],
    &["assess", "decide"],
    &["assess", "render"],
    &["train"],
    &["predict"],
    &["forget"],
    &["forget", "verify"],
    &["explain"],
    &["serve"],
    &["report"],
    &["status"],
    &["budget"],
    &["log"],
    &["log", "verify"],
    &["scan"],
    &["select"],
    &["sweep"],
    &["account", "epsilon"],
    &["account", "delta"],
    &["account", "noise"],
    &["account", "steps"],
    &["account", "compose"],
    &["account", "curve"],
    &["demo"],
];
/// Of WORDS.md: what the program never says.
const NEVER: [&str; 10] = [
    "compliant",
    "lawful",
    "valid consent",
    "anonymous",
    "anonymised",
    "risk-free",
    "fully erased",
    "tamper-proof",
    "approved",
    "guaranteed",
];

#[test]
fn every_verb_has_help_in_words_we_may_use() {
    for verb in VERBS.into_iter().chain([&[][..]]) {
        let run = Run::of(&mut command(verb.iter().copied().chain(["--help"])), Path::new("/"));
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{verb:?}");
        assert!(run.stdout.lines().count() > 5, "{verb:?}");
        for flag in ["--dir <DIR>", "--json"] {
            assert!(run.stdout.contains(flag), "{verb:?} has no {flag}");
        }
        let text = run.stdout.to_lowercase();
        for word in NEVER {
            assert!(!text.contains(word), "{verb:?} says {word:?}");
        }
    }
}

#[test]
fn the_help_lists_every_verb_and_says_what_it_is_not() {
    let run = Run::of(&mut command(["--help"]), Path::new("/"));
    for verb in VERBS {
        assert!(run.stdout.lines().any(|l| l.trim_start().starts_with(&format!("{} ", verb[0]))), "{verb:?}");
    }
    assert!(run.stdout.contains("Nothing here is legal advice"));
}

#[test]
fn exit_codes() {
    let check = |args: &[&str], code| {
        let run = Run::of(&mut command(args.iter().copied()), Path::new("/"));
        assert_eq!(run.code, Some(code), "{args:?} {}", run.stderr);
    };
    check(&["--version"], 0);
    check(&["--help"], 0);
    check(&[], 2);
    check(&["trane"], 2);
    check(&["train", "--colour"], 2);
    check(&["assess"], 2);
    check(&["account", "epsilon", "--noise", "0", "--rate", "0.1", "--steps", "3"], 2);
    check(&["status", "--dir", "/nowhere/at/all"], 2);
}

#[test]
fn accounting_needs_no_workspace() {
    let run = Run::of(
        &mut command(["account", "epsilon", "--noise", "1.1", "--rate", "256/60000", "--steps", "14062", "--json"]),
        Path::new("/"),
    );
    let answer = run.json();
    let (lower, upper) = (answer["epsilon"]["lower"].as_f64().unwrap(), answer["epsilon"]["upper"].as_f64().unwrap());
    // The run of TensorFlow Privacy's tutorial: 3.01 by RDP at its orders, less by PLD.
    assert!(lower <= upper && upper - lower < 1e-2 && upper < answer["epsilon_rdp"].as_f64().unwrap(), "{answer}");
    assert!((2.3..2.7).contains(&upper), "{upper}");
}

#[test]
fn the_schema_of_the_config_is_json() {
    let workspace = Workspace::bare();
    let run = workspace.done(&["check", "--schema"]);
    let schema: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(schema["properties"]["models"].is_object());
    let check = workspace.json(&["check"]);
    assert_eq!(check["problems"], serde_json::json!([]));
}
