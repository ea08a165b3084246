//! What the demo ends with: the numbers that matter, on one screen.

use crate::output::thousands;
use crate::privacy::{bound, up};
use serde_json::Value;

/// One line a fact.
pub(super) fn table(json: &Value, seconds: f64) -> String {
    let number = |path: &str| json.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let count = |path: &str| thousands(json.pointer(path).and_then(Value::as_u64).unwrap_or(0));
    let text = |path: &str| json.pointer(path).and_then(Value::as_str).unwrap_or("?").to_owned();
    let mut lines = vec![
        (
            "records",
            format!("{} of {} trained on; {} units imported", count("/data/trained"), count("/data/records"), count("/data/units")),
        ),
        (
            "bound",
            format!(
                "{}, {}, {}",
                bound(number("/privacy/epsilon_upper"), number("/privacy/delta")),
                text("/privacy/neighbours"),
                text("/privacy/unit")
            ),
        ),
        ("covers", format!("{} together: what the erasure recalled, and what took its place", releases(json))),
        (
            "test AUC",
            format!(
                "{:.3} under that bound; {:.3} for its twin without privacy",
                number("/utility/private/auc"),
                number("/utility/baseline/auc")
            ),
        ),
        (
            "text",
            format!(
                "a model without privacy says {} of {} planted card numbers in full, one under ε ≤ {} says {}",
                count("/text/baseline/extracted"),
                count("/text/baseline/planted"),
                up(number("/text/epsilon_upper")),
                count("/text/private/extracted")
            ),
        ),
        (
            "membership",
            format!(
                "LiRA tells members of the release with AUC {} and of a model meant to leak with {}",
                area(json, "/audit/private/lira"),
                area(json, "/audit/overfit/lira")
            ),
        ),
        (
            "measured",
            format!(
                "ε ≥ {} by planted canaries, beside the proved ε ≤ {} of one release; {}",
                down(number("/audit/epsilon_lower")),
                up(number("/audit/epsilon_upper")),
                text("/audit/verdict/verdict")
            ),
        ),
        (
            "erased",
            format!(
                "one unit, {} things named as left; the signed record verified in {:.1} ms",
                json.pointer("/erasure/left").and_then(Value::as_array).map_or(0, Vec::len),
                number("/erasure/verify_ms")
            ),
        ),
        (
            "explained",
            format!(
                "contributions add up within {:.0e}; LIME agrees with R² = {:.2}",
                number("/explanation/sum_error").max(1e-16),
                number("/explanation/lime_r2")
            ),
        ),
        ("assessment", format!("{}, every number linked to its event: {}", text("/assessment/state"), text("/assessment/page/html"))),
        ("log", format!("{} entries, root {}…", count("/log/size"), text("/log/root").chars().take(16).collect::<String>())),
    ];
    for gap in json.pointer("/privacy/not_covered").and_then(Value::as_array).into_iter().flatten().take(2) {
        lines.push(("not covered", gap.as_str().unwrap_or_default().to_owned()));
    }
    lines.push(("report", text("/report")));
    let mut out = String::new();
    for (name, value) in lines {
        out += &format!("{name:<12} {value}\n");
    }
    out + &format!("done in {seconds:.0} s\nnext: reticent init yours.csv\n")
}

/// Three decimals, never above the number: it is a lower bound.
fn down(epsilon: f64) -> String {
    format!("{:.3}", (epsilon * 1000.0).floor() / 1000.0)
}

/// `frequent/1 and frequent/2`.
fn releases(json: &Value) -> String {
    let all = json.pointer("/privacy/releases").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|r| r["name"].as_str()).collect::<Vec<_>>().join(" and ")
}

/// An area under a curve with its interval.
fn area(json: &Value, path: &str) -> String {
    let number = |key: &str| json.pointer(&format!("{path}/area/{key}")).and_then(Value::as_f64).unwrap_or(f64::NAN);
    format!("{:.3} ({:.3} to {:.3})", number("auc"), number("lower"), number("upper"))
}
