//! `peers train`: our step beside the peers', in one run on one core, in milliseconds of processor time; and what privacy costs our own step.

use super::{Row, number_at, pinned, python, script, threaded};
use serde_json::Value;

/// Units of the large batch, and of what is computed at once of it.
const LARGE: (u64, u64) = (4096, 256);

pub(crate) fn peers() -> Result<Vec<Row>, String> {
    let ours = bench(&[])?;
    let mut rows = vec![];
    for case in &ours {
        let (work, mode) = (text(case, "work"), text(case, "mode"));
        let cpu = number_at(case, "cpu_ms")?;
        let row = |peer: String, theirs| Row { case: format!("{work} {mode}"), unit: "ms", ours: cpu, peer, theirs };
        let opacus: &[&str] = if mode == "dp" { &["hooks", "functorch", "ew", "ghost"] } else { &["nonpriv"] };
        rows.extend(opacus.iter().map(|peer| row(format!("opacus {peer}"), peer_ms("bench_train.py", &work, peer))));
        let jax = if mode == "dp" { "vmap" } else { "nonpriv" };
        rows.push(row(format!("jax {jax}"), peer_ms("bench_train_jax.py", &work, jax)));
        if mode == "dp" {
            rows.extend(own(&ours, case, &work)?);
        }
    }
    Ok(rows)
}

/// Our step against our plain step, in time and memory; against itself with two threads, and by a large batch in parts.
fn own(all: &[Value], case: &Value, work: &str) -> Result<Vec<Row>, String> {
    let plain = all.iter().find(|c| text(c, "work") == work && text(c, "mode") == "nonpriv").ok_or("no plain step was measured")?;
    let row =
        |what: &str, unit, ours, peer: &str, theirs| Row { case: format!("{work} {what}"), unit, ours, peer: peer.to_owned(), theirs };
    let mut rows = vec![
        row("dp", "ms", number_at(case, "cpu_ms")?, "our plain step", number_at(plain, "cpu_ms")),
        row("dp memory", "MB", number_at(case, "peak_rss_mb")?, "our plain step", number_at(plain, "peak_rss_mb")),
    ];
    let (units, at_once) = (LARGE.0.to_string(), LARGE.1.to_string());
    let large = bench(&["--work", work, "--mode", "dp", "--batch", &units, "--physical", &at_once])?;
    let each = |case: &Value| Ok(number_at(case, "cpu_ms")? * 1e3 / number_at(case, "batch")?);
    let large = large.first().ok_or("printed no JSON line")?;
    rows.push(row("dp, 4096 in parts of 256", "us a unit", each(large)?, "one batch", each(case)));
    // Wall time: what another process does on these cores shows.
    let wall =
        |threads| threaded(threads, "cargo", &args(&["--work", work, "--mode", "dp"])).and_then(|out| number_at(&first(&out)?, "ms_step"));
    rows.push(row("dp, two threads", "ms wall", wall(2)?, "one thread", wall(1)));
    Ok(rows)
}

fn args<'a>(of_bench: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["bench", "--quiet", "-p", "reticent-train", "--bench", "step", "--"];
    args.extend(of_bench);
    args
}

fn bench(of_bench: &[&str]) -> Result<Vec<Value>, String> {
    Ok(pinned("cargo", &args(of_bench))?.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

fn first(out: &str) -> Result<Value, String> {
    out.lines().find_map(|line| serde_json::from_str(line).ok()).ok_or_else(|| "printed no JSON line".to_owned())
}

fn peer_ms(name: &str, work: &str, mode: &str) -> Result<f64, String> {
    eprintln!("running the peer: {name} {work} {mode}");
    let out = pinned(&python(), &[&script(name), "--work", work, "--mode", mode])?;
    let case: Value = serde_json::from_str(out.lines().last().unwrap_or_default()).map_err(|_| "printed no JSON line".to_owned())?;
    match case["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => number_at(&case, "cpu_ms"),
    }
}

fn text(case: &Value, name: &str) -> String {
    case[name].as_str().unwrap_or_default().to_owned()
}
