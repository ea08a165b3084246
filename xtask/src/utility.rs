//! `utility`: the accuracy of every preset, by its example, beside what it is meant to reach.

use serde_json::{Value, json};
use std::process::{Command, Stdio};

/// Data set, ε and the least mean that is asked for.
const ASKED: [(&str, f64, f64); 4] = [("mnist", 1.0, 0.975), ("mnist", 3.0, 0.984), ("adult", 1.0, 0.900), ("adult", 3.0, 0.905)];

/// Runs the example and prints what it measured, as a table or as JSON.
pub(crate) fn utility(as_json: bool) -> Result<(), String> {
    let output = Command::new("cargo")
        .args(["run", "--release", "--quiet", "-p", "reticent-train", "--example", "utility"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cannot run cargo: {e}"))?;
    if !output.status.success() {
        return Err("the example failed; its data lie in RETICENT_TEST_DATA (default ../shared/data)".to_owned());
    }
    let text = String::from_utf8(output.stdout).map_err(|_| "the example printed no text")?;
    let cases = cases(&text)?;
    if as_json {
        println!("{:#}", json!({ "schema_version": 1, "area": "utility", "cases": cases }));
        return Ok(());
    }
    println!(
        "{:<8} {:<12} {:>4} {:>8}  {:<9} {:>17} {:>7} {:>6} {:>10} {:>9}",
        "data", "preset", "ε", "δ", "metric", "mean ± sd", "asked", "met", "s a run", "features"
    );
    for c in &cases {
        let number = |key: &str| c[key].as_f64().unwrap_or(f64::NAN);
        println!(
            "{:<8} {:<12} {:>4} {:>8e}  {:<9} {:>8.4} ± {:.4} {:>7.3} {:>6} {:>10.1} {:>7.1} s",
            c["data"].as_str().unwrap_or_default(),
            c["preset"].as_str().unwrap_or_default(),
            number("epsilon"),
            number("delta"),
            c["metric"].as_str().unwrap_or_default(),
            number("mean"),
            number("sd"),
            number("asked"),
            if c["met"] == true { "yes" } else { "no" },
            number("seconds_a_run"),
            number("features_seconds"),
        );
    }
    Ok(())
}

/// The cases of the example's lines, each with what was asked for.
fn cases(text: &str) -> Result<Vec<Value>, String> {
    let mut cases = vec![];
    for line in text.lines() {
        let Ok(mut case) = serde_json::from_str::<Value>(line) else { continue };
        let (epsilon, mean) = (super::number_at(&case, "epsilon")?, super::number_at(&case, "mean")?);
        let asked = ASKED.iter().find(|(data, at, _)| case["data"] == *data && *at == epsilon).map(|(_, _, least)| *least);
        case["asked"] = json!(asked);
        case["met"] = json!(asked.map(|least| mean >= least));
        cases.push(case);
    }
    if cases.len() == ASKED.len() { Ok(cases) } else { Err(format!("{} of {} cases were measured", cases.len(), ASKED.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_held_against_what_was_asked() {
        let line = |data: &str, epsilon: f64, mean: f64| json!({ "data": data, "epsilon": epsilon, "mean": mean }).to_string();
        let text =
            [line("mnist", 1.0, 0.975), line("mnist", 3.0, 0.9839), "talk".into(), line("adult", 1.0, 0.91), line("adult", 3.0, 0.9)];
        let met: Vec<bool> = cases(&text.join("\n")).unwrap().iter().map(|c| c["met"] == true).collect();
        assert_eq!(met, [true, false, true, false]);
        assert_eq!(cases(&text[0]).unwrap_err(), "1 of 4 cases were measured");
    }
}
