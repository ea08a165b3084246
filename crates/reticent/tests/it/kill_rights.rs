//! `kill -9` at any moment of a request, an erasure, an append, a document: nothing acknowledged is lost, and the log verifies.
//!
//! `RETICENT_TEST_KILLS=200` kills as often; a dozen times otherwise.

use crate::workspace::{Random, Stage, Workspace, person};
use serde_json::Value;
use std::process::Stdio;
use std::time::{Duration, Instant};

const SEED: u64 = 20_261_126;

/// What is killed: a request of erasure as it comes in, as it is carried out; an import of basis events; a document.
const VERBS: [&[&str]; 5] = [
    &["request", "open", "erasure", "--subject", "WHO"],
    &["request", "do", "1"],
    &["consent", "import"],
    &["document", "notice"],
    &["export", "OUT"],
];

fn with(workspace: &Workspace, verb: &[&str]) -> Vec<String> {
    let out = workspace.file("bundle").to_str().unwrap().to_owned();
    verb.iter().map(|a| a.replace("WHO", &person(50)).replace("OUT", &out)).collect()
}

/// A workspace in which the verb has something to do.
fn ready(verb: usize) -> Workspace {
    let workspace = Workspace::at(Stage::Trained);
    // Retraining is killed elsewhere.
    workspace.edit("reticent.toml", "steps = 40", "steps = 41");
    if verb == 1 {
        workspace.done(&["request", "open", "erasure", "--subject", &person(50)]);
        workspace.done(&["request", "identity", "1", "--confirm", "in-person"]);
    }
    if verb == 2 {
        let more = format!("{}{},care,withdrawn,2025-01-01,,,\n", workspace.read("consent.csv"), person(60));
        workspace.put("consent.csv", &more);
    }
    workspace
}

fn args(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

#[test]
fn kills_in_requests_erasures_appends_and_documents() {
    let count: usize = std::env::var("RETICENT_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    let mut random = Random(SEED);
    let durations: Vec<Duration> = (0..VERBS.len())
        .map(|verb| {
            let workspace = ready(verb);
            let began = Instant::now();
            workspace.done(&args(&with(&workspace, VERBS[verb])));
            began.elapsed()
        })
        .collect();
    let mut hits = [0; VERBS.len()];
    for number in 0..count {
        let verb = number % VERBS.len();
        let workspace = ready(verb);
        let acknowledged = workspace.events();
        let moment = durations[verb].mul_f64(random.below(1000) as f64 / 1000.0);
        let context = format!("seed {SEED}, kill {number}: `{}` after {moment:?}", VERBS[verb].join(" "));
        let line = with(&workspace, VERBS[verb]);
        let mut child = workspace.command(&args(&line)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(moment);
        child.kill().unwrap();
        let killed = child.wait().unwrap().code().is_none();
        hits[verb] += usize::from(killed);
        // Nothing that was acknowledged before is lost. Before anything is repaired the log verifies but for tiles that no checkpoint speaks
        // for yet: the next writer makes them again.
        let run = workspace.run(&["log", "verify", "--json"]);
        let findings: Value = serde_json::from_str(&run.stdout).unwrap();
        let findings = if run.code == Some(0) { &findings["findings"] } else { &findings["error"]["facts"]["findings"] };
        let harmless = |f: &Value| f.as_str().unwrap().contains("does not belong to a log of");
        assert!(findings.as_array().is_some_and(|all| all.iter().all(harmless)), "{context}: {}", run.stderr);
        assert!(workspace.events() >= acknowledged, "{context}");
        // A bundle is whole or not there; the same command again does the rest.
        if verb != 4 || !workspace.file("bundle").exists() {
            workspace.done(&args(&line));
        }
        let run = workspace.run(&["log", "verify"]);
        assert_eq!(run.code, Some(0), "{context}: {}", run.stderr);
        let cases = workspace.json(&["request", "list", "--all"]);
        let cases: &Vec<Value> = cases["requests"].as_array().unwrap();
        match verb {
            0 => assert_eq!((cases.len(), &cases[0]["state"]), (1, &"open".into()), "{context}"),
            1 => {
                assert_eq!((cases.len(), &cases[0]["state"]), (1, &"fulfilled".into()), "{context}: {cases:#?}");
                assert!(!workspace.file(".reticent/requests/1.json").exists(), "{context}");
                assert_eq!(workspace.json(&["import"])["imported"][0]["suppressed"]["units"], 1, "{context}");
            }
            _ => assert!(cases.is_empty(), "{context}"),
        }
        let left: Vec<String> = workspace
            .files()
            .into_keys()
            .filter(|n| n.ends_with("-journal") || n.contains("/erasures/") && n.ends_with(".intent"))
            .collect();
        assert!(left.is_empty(), "{context}: {left:?}");
    }
    eprintln!("killed at work, by verb: {hits:?} of {count}");
}
