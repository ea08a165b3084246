//! `peers accounting`: our bench beside the peers' scripts, on the same cases. Theirs is processor time, ours the clock's, which is no less.

use super::{Row, number_at, pinned, script};
use serde_json::Value;

/// A peer's name in its scripts, in the table, and the accountant of ours it is beside.
const PEERS: [(&str, &str, &str, &str); 5] = [
    ("dpa_pld", "dpa_pld", "dp-accounting PLD", "PLD"),
    ("prv_accountant", "prv", "prv-accountant", "PLD"),
    ("opacus_prv", "opacus_prv", "opacus PRV", "PLD"),
    ("dpa_rdp", "dpa_rdp", "dp-accounting RDP", "RDP"),
    ("opacus_rdp", "opacus_rdp", "opacus RDP", "RDP"),
];

/// Seconds of processor time a peer gets for the grid, and for one answer.
const BUDGET: &str = "60";
const CAP: &str = "20";

pub(crate) fn peers() -> Result<Vec<Row>, String> {
    let ours: Vec<Value> = pinned("cargo", &["bench", "--quiet", "-p", "reticent-accounting", "--bench", "peers"])?
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let python = super::python();
    let csv = std::env::temp_dir().join(format!("reticent-peers-{}.csv", std::process::id()));
    let mut rows = vec![];
    for (grid_name, noise_name, peer, accountant) in PEERS {
        eprintln!("running the peer: {peer}");
        let grid = [script("bench_accounting.py"), "--acc".into(), grid_name.into(), "--csv".into(), csv.display().to_string()];
        let grid: Vec<&str> = grid.iter().map(String::as_str).chain(["--cap", CAP, "--budget", BUDGET]).collect();
        let grid = pinned(&python, &grid).and_then(|out| last_line(&out));
        for case in ours.iter().filter(|c| c["case"] == format!("epsilon by {accountant}")) {
            rows.push(Row {
                case: format!("epsilon by {accountant}"),
                unit: "ms",
                ours: number_at(case, "ms")?,
                peer: peer.to_owned(),
                theirs: grid.as_ref().map_err(Clone::clone).and_then(|g| number_at(g, "cpu_median_ms")),
            });
        }
        let noise = pinned(&python, &[&script("bench_calib.py"), "--lib", noise_name, "--cap", CAP]).and_then(|out| last_line(&out));
        for case in ours.iter().filter(|c| c["case"] == format!("noise by {accountant}")) {
            let theirs = noise.as_ref().map_err(Clone::clone).and_then(|n| {
                let alike = |theirs: &Value, ours: &Value| theirs.as_f64() == ours.as_f64();
                let same =
                    n["res"].as_array().into_iter().flatten().find(|r| {
                        alike(&r["eps"], &case["epsilon"]) && alike(&r["q"], &case["rate"]) && alike(&r["steps"], &case["steps"])
                    });
                let same = same.ok_or("has no such case")?;
                match same["sigma"].as_str() {
                    Some(why) => Err(why.to_owned()),
                    None => Ok(number_at(same, "cpu_s")? * 1e3),
                }
            });
            rows.push(Row {
                case: format!("noise for {} at {} x {}", case["epsilon"], case["rate"], case["steps"]),
                unit: "ms",
                ours: number_at(case, "ms")?,
                peer: peer.to_owned(),
                theirs,
            });
        }
    }
    let _ = std::fs::remove_file(csv);
    Ok(rows)
}

fn last_line(out: &str) -> Result<Value, String> {
    serde_json::from_str(out.lines().last().unwrap_or_default()).map_err(|_| "printed no JSON line".to_owned())
}
