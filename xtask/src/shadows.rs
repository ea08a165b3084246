//! `peers shadows`: 64 shadow models on location30, ours beside the same network in PyTorch, on two cores, in seconds of the clock.

use super::{Row, number_at, python, threaded};
use serde_json::Value;

const THREADS: usize = 2;
/// The peer's script, written for this comparison.
const SCRIPT: &str = "xtask/peers/bench_shadows.py";

pub(crate) fn peers() -> Result<Vec<Row>, String> {
    let ours = first(&threaded(
        THREADS,
        "cargo",
        &["run", "--quiet", "--release", "-p", "reticent-audit", "--example", "membership", "--", "throughput"],
    )?)?;
    let data = std::env::var("RETICENT_TEST_DATA").unwrap_or_else(|_| "../shared/data".into());
    let data = format!("{data}/location30/dataset_location.tgz");
    eprintln!("running the peer: {SCRIPT}");
    let theirs = threaded(THREADS, &python(), &[SCRIPT, &data]).and_then(|out| first(&out));
    let peer = theirs.as_ref().ok().and_then(|t| t["peer"].as_str()).unwrap_or("torch").to_owned();
    let theirs = theirs.and_then(|t| number_at(&t, "wall_s"));
    Ok(vec![Row { case: "location30, 64 shadow models".into(), unit: "s wall", ours: number_at(&ours, "wall_s")?, peer, theirs }])
}

fn first(out: &str) -> Result<Value, String> {
    out.lines().find_map(|line| serde_json::from_str(line).ok()).ok_or_else(|| "printed no JSON line".to_owned())
}
