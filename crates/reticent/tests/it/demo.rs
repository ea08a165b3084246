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
    for told in [
        "$ reticent import --dir",
        "the leak: done before",
        "error: the gate refuses",
        "hint: ",
        "not covered:",
        "does not prove:",
        "what `reticent serve",
        "\"queries_left\":",
        "$ reticent log verify --dir",
    ] {
        assert!(run.stderr.contains(told), "no {told:?} in\n{}", run.stderr);
    }
    let budget = Run::of(&mut command(["budget", "--json", "--dir", dir.to_str().unwrap()]), folder.path()).json();
    let budget = &budget["budgets"][0]["budget"];
    assert_eq!(budget["reservations"].as_array().unwrap().len(), 2, "the release and what the erasure took, whatever was interrupted");
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
    assert_eq!(list("/privacy/releases"), 2, "the release and the retraining");
    assert!(list("/privacy/not_covered") >= 5);
    let (released, twin) = (number("/utility/private/auc"), number("/utility/baseline/auc"));
    assert!((released - twin).abs() <= 0.03, "{released} beside {twin}");
    // One unit was erased, with its rows.
    let records = number("/data/records");
    assert!(number("/data/units") == 5093.0 && (20150.0..20190.0).contains(&records), "{records}");
    let excluded: f64 = answer["data"]["excluded"].as_object().unwrap().values().map(|n| n.as_f64().unwrap()).sum();
    assert_eq!(records, number("/data/trained") + excluded);
    assert!((2050.0..=2073.0).contains(&number("/data/excluded/beyond-cap")));
    assert!(number("/log/size") > 5000.0 && text("/log/root").len() == 64);
    assert!(number("/seconds") > 0.0 && number("/peak_rss_mb") < 1000.0);
    chain(answer, dir);
    let report = Path::new(text("/report"));
    assert!(report.is_absolute() && report == dir.join("report.html"));
    page(&fs::read_to_string(report).unwrap());
}

/// What leaks, what a person can ask for, and what the controller can show.
fn chain(answer: &Value, dir: &Path) {
    let number = |path: &str| answer.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {path} in {answer:#}"));
    for target in ["private", "baseline", "overfit"] {
        for attack in ["confidence", "loss", "lira"] {
            let found = &answer["audit"][target][attack];
            assert!((0.0..=1.0).contains(&found["auc"].as_f64().unwrap()), "{target} {attack}");
            assert!(found["tpr_at_1pct_fpr"]["negatives"].as_f64() >= Some(1000.0), "{target} {attack}: {found}");
        }
    }
    // Seven demos had .727 to .772, sd .016: six deviations below their mean.
    assert!(number("/audit/overfit/lira/auc") >= 0.65);
    // A 95% interval misses one half by chance once in twenty; its middle lies 2.5 half-widths (4.9 standard errors) off once in a million.
    let (low, high) = (number("/audit/private/lira/area/lower"), number("/audit/private/lira/area/upper"));
    let (middle, half) = (f64::midpoint(low, high), (high - low) / 2.0);
    assert!((middle - 0.5).abs() <= 2.5 * half, "{low} to {high}");
    assert!(number("/audit/epsilon_lower") <= number("/audit/epsilon_upper"));
    // Ten cards: 80% of them, and none.
    assert!(number("/text/baseline/extracted") >= 0.8 * number("/text/baseline/planted"));
    assert_eq!((number("/text/private/extracted"), number("/text/baseline/planted")), (0.0, 10.0));
    assert!(number("/text/private/exposure_bits") < number("/text/baseline/exposure_bits") / 2.0);
    assert!(number("/text/epsilon_upper") <= 8.0);

    let erasure = &answer["erasure"];
    assert_eq!(Path::new(erasure["record"].as_str().unwrap()), dir.join(".reticent/erasures/1.json"));
    assert!(erasure["left"].as_array().unwrap().len() >= 5 && erasure["verified"] == true);
    assert_eq!((&erasure["models"][0]["after"], &erasure["removals"][0]["outcome"]), (&"frequent/2".into(), &"removed".into()));
    assert!(number("/explanation/sum_error") <= 1e-6 && number("/explanation/lime_r2") <= 1.0);
    assert_eq!(answer["assessment"]["state"], "approved", "{}", answer["assessment"]["decision"]);
    assert!(Path::new(answer["assessment"]["page"]["html"].as_str().unwrap()).is_file());
    let declared = answer["assessment"]["processing"].to_string();
    assert!(declared.contains("for removals, never released, without differential privacy"), "{declared}");
    assert!(number("/scan/counts/card") >= 150.0);
    let redacted = fs::read_to_string(dir.join("messages-redacted.csv")).unwrap();
    assert!(redacted.contains("<CARD>") && !fs::read_to_string(dir.join("messages.csv")).unwrap().contains("<CARD>"));
    assert!(number("/selection/fits") >= 40.0);
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
    for section in [
        "Personal data found in columns",
        "Which columns are used",
        "What attacks measured",
        "The leak this prevents",
        "One decision explained",
        "What this does not show",
        "Signed erasure record",
        "(ε, δ)-certified removal",
        "What moved the score of this row",
    ] {
        assert!(html.contains(section), "no {section:?} on the page");
    }
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
