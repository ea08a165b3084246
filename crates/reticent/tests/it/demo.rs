//! `reticent demo`: the whole way on real data.

use crate::workspace::{Run, command};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;

/// Killed on the way, then run again to the end; with `--json` as the programs that call it do.
#[test]
fn a_demo_killed_and_run_again_is_whole() {
    let folder = TempDir::with_prefix("reticent-demo-").unwrap();
    let dir = folder.path().join("demo");
    let args = ["demo", "--json", "--dir", dir.to_str().unwrap()];
    let mut child = command(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !noise_key(&dir) {
        assert!(child.try_wait().unwrap().is_none(), "the demo ended before it trained");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let run = Run::of(&mut command(args), folder.path());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let answer = run.json();
    check(&answer, &dir);
    for told in ["$ reticent import --dir", "error: the gate refuses", "hint: ", "not covered:", "$ reticent log verify --dir"] {
        assert!(run.stderr.contains(told), "no {told:?} in\n{}", run.stderr);
    }
    let budget = Run::of(&mut command(["budget", "--json", "--dir", dir.to_str().unwrap()]), folder.path()).json();
    let budget = &budget["budgets"][0]["budget"];
    assert_eq!(budget["reservations"].as_array().unwrap().len(), 1, "one charge, whatever was interrupted");
    assert!(budget["spent"].as_f64() <= budget["total"].as_f64());

    // A third start finds all done but the report, and does not train again.
    assert_eq!(Run::of(&mut command(["train", "--dir", dir.to_str().unwrap()]), folder.path()).code, Some(3));
}

fn noise_key(dir: &Path) -> bool {
    let Ok(runs) = fs::read_dir(dir.join(".reticent/runs")) else { return false };
    runs.flatten().any(|run| run.path().join("noise.key").exists())
}

fn check(answer: &Value, dir: &Path) {
    let number = |path: &str| answer.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {path} in {answer:#}"));
    let text = |path: &str| answer.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("no {path} in {answer:#}"));
    let list = |path: &str| answer.pointer(path).and_then(Value::as_array).unwrap_or_else(|| panic!("no {path} in {answer:#}")).len();
    assert_eq!(number("/schema_version"), 1.0);
    let (upper, by_rdp) = (number("/privacy/epsilon_upper"), number("/privacy/epsilon_rdp"));
    assert!(upper > 1.0 && upper <= by_rdp && by_rdp <= 2.0, "{upper} {by_rdp}");
    assert_eq!(number("/privacy/delta"), 1e-5);
    assert_eq!(text("/privacy/unit"), "reconstructed unit, ≤ 5 rows");
    assert_eq!(text("/privacy/neighbours"), "add or remove one unit");
    assert_eq!(list("/privacy/releases"), 2, "the release and one retraining");
    assert!(list("/privacy/not_covered") >= 5);
    let (released, twin) = (number("/utility/private/auc"), number("/utility/baseline/auc"));
    assert!((released - twin).abs() <= 0.03, "{released} beside {twin}");
    assert_eq!((number("/data/units"), number("/data/records")), (5094.0, 20190.0));
    let excluded: f64 = answer["data"]["excluded"].as_object().unwrap().values().map(|n| n.as_f64().unwrap()).sum();
    assert_eq!(number("/data/records"), number("/data/trained") + excluded);
    assert_eq!(number("/data/excluded/beyond-cap"), 2073.0);
    assert!(number("/log/size") > 5000.0 && text("/log/root").len() == 64);
    assert!(number("/seconds") > 0.0 && number("/peak_rss_mb") < 1000.0);
    let report = Path::new(text("/report"));
    assert!(report.is_absolute() && report == dir.join("report.html"));
    page(&fs::read_to_string(report).unwrap());
}

/// Self-contained, and says what it is about.
fn page(html: &str) {
    assert!(html.contains("Real, de-identified, public data (RAND Health Insurance Experiment)"));
    for attribute in ["src=", "href=", "url(", "@import", "<script"] {
        for (at, _) in html.match_indices(attribute) {
            let rest: String = html[at + attribute.len()..].chars().take(60).collect();
            let inside =
                rest.trim_start_matches(['"', '\'']).starts_with(['#']) || rest.trim_start_matches(['"', '\'']).starts_with("data:");
            assert!(inside, "{attribute}{rest} leads out of the page");
        }
    }
    assert!(html.contains("<svg") && html.contains("reconstructed unit"));
}

#[test]
fn a_demo_takes_nobody_elses_folder() {
    let folder = TempDir::with_prefix("reticent-demo-").unwrap();
    fs::write(folder.path().join("reticent.toml"), "version = 1\n").unwrap();
    let run = Run::of(&mut command(["demo", "--dir", folder.path().to_str().unwrap()]), folder.path());
    insta::assert_snapshot!(run.refusal(), @"
    exit 3
    error: DIR is somebody's workspace

    hint: name another folder with `--dir`
    ");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
