//! Tasks of the house.
//!
//! `cargo xtask peers train|accounting|shadows [--json]` runs our benchmark and the peers' scripts in one run, on one core (shadow models: two), and
//! prints case, ours, peer, ratio.
//! `cargo xtask utility [--json]` measures what the presets reach, five seeds each, on public data.
//! `cargo xtask soak [MINUTES] [TARGET...]` runs fuzz targets that long each, ten minutes and all of them by default; `60s` is in seconds.
//! The scripts lie in `RETICENT_PEERS` (default `../shared/peers`) and run under `RETICENT_PEERS_PYTHON` (default `python3`).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to whoever runs it")]

mod accounting;
mod shadows;
mod soak;
mod train;
mod utility;

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).filter(|a| *a != "--json").collect();
    let as_json = args.iter().any(|a| a == "--json");
    if words[..] == ["utility"] {
        return match utility::utility(as_json) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("error: {why}");
                ExitCode::FAILURE
            }
        };
    }
    if let ["soak", rest @ ..] = &words[..] {
        let (minutes, targets) = rest.split_first().map_or((Some(10.0), rest), |(first, targets)| (soak::minutes(first), targets));
        let minutes = minutes.ok_or_else(|| "soak takes a number of minutes, or of seconds as 60s".to_owned());
        return match minutes.and_then(|minutes| soak::soak(minutes, targets)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("error: {why}");
                ExitCode::FAILURE
            }
        };
    }
    let rows = match words[..] {
        ["peers", "train"] => train::peers(),
        ["peers", "accounting"] => accounting::peers(),
        ["peers", "shadows"] => shadows::peers(),
        _ => {
            eprintln!(
                "usage: cargo xtask peers train|accounting|shadows [--json], cargo xtask utility [--json], or cargo xtask soak [MINUTES] [TARGET...]"
            );
            return ExitCode::from(2);
        }
    };
    match rows {
        Ok(rows) => {
            print(words[1], &rows, as_json);
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// One case: our median and a peer's.
struct Row {
    case: String,
    unit: &'static str,
    ours: f64,
    peer: String,
    theirs: Result<f64, String>,
}

fn number_at(case: &Value, name: &str) -> Result<f64, String> {
    case[name].as_f64().ok_or_else(|| format!("gave no {name}"))
}

/// Where a peers' script lies.
fn script(name: &str) -> String {
    let folder = PathBuf::from(std::env::var("RETICENT_PEERS").unwrap_or_else(|_| "../shared/peers".into()));
    folder.join(name).display().to_string()
}

fn python() -> String {
    std::env::var("RETICENT_PEERS_PYTHON").unwrap_or_else(|_| "python3".into())
}

/// Runs a command on core 0 with one thread and gives its stdout.
fn pinned(program: &str, args: &[&str]) -> Result<String, String> {
    threaded(1, program, args)
}

/// Runs a command on the first cores, one for each thread, and gives its stdout.
fn threaded(threads: usize, program: &str, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new("taskset");
    command.args(["-c", &format!("0-{}", threads - 1), program]).args(args);
    for variable in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
        command.env(variable, threads.to_string());
    }
    let output = command.output().map_err(|e| format!("cannot run taskset: {e}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program}: {}", stderr.lines().last().unwrap_or("failed").trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{program} printed no text"))
}

fn print(area: &str, rows: &[Row], as_json: bool) {
    if as_json {
        let all: Vec<Value> = rows
            .iter()
            .map(|r| match &r.theirs {
                Ok(theirs) => {
                    json!({ "case": r.case, "unit": r.unit, "ours": r.ours, "peer": r.peer, "theirs": theirs, "ratio": theirs / r.ours })
                }
                Err(why) => json!({ "case": r.case, "unit": r.unit, "ours": r.ours, "peer": r.peer, "theirs": null, "error": why }),
            })
            .collect();
        println!("{:#}", json!({ "schema_version": 1, "area": area, "cases": all }));
        return;
    }
    println!("{:<32} {:>10} {:<9}  {:<18} {:>10} {:>8}", "case", "ours", "", "peer", "theirs", "ratio");
    for r in rows {
        match &r.theirs {
            Ok(theirs) => {
                println!("{:<32} {:>10.3} {:<9}  {:<18} {:>10.3} {:>7.2}×", r.case, r.ours, r.unit, r.peer, theirs, theirs / r.ours);
            }
            Err(why) => println!("{:<32} {:>10.3} {:<9}  {:<18} not measured: {why}", r.case, r.ours, r.unit, r.peer),
        }
    }
}
