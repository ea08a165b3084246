//! Every fuzz target, for a while each: foreign bytes for whatever reads files of others.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs targets of `fuzz/targets` (all, where none is named) for `minutes` each, from their seeds; stops at the first finding. `cargo-fuzz` is
/// installed where it is absent. Addresses are watched where a nightly compiler is there; without one the targets run all the same, as the
/// code they reach has no `unsafe` of its own.
pub(crate) fn soak(minutes: f64, named: &[&str]) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let all = targets(&root)?;
    if let Some(unknown) = named.iter().find(|name| !all.iter().any(|target| target == *name)) {
        return Err(format!("no fuzz target is called {unknown}; there are: {}", all.join(", ")));
    }
    if !Command::new("cargo").args(["fuzz", "--version"]).output().is_ok_and(|o| o.status.success()) {
        run(Command::new("cargo").args(["install", "--locked", "cargo-fuzz"]), "cargo-fuzz could not be installed")?;
    }
    let watched = Command::new("cargo").args(["+nightly", "--version"]).output().is_ok_and(|o| o.status.success());
    let (toolchain, sanitizer) = if watched { (Some("+nightly"), "address") } else { (None, "none") };
    if !watched {
        println!("no nightly compiler is here: the targets run without the sanitizer of addresses");
    }
    // The versions that the workspace is built of, not whatever is newest today.
    std::fs::copy(root.join("Cargo.lock"), root.join("fuzz/Cargo.lock")).map_err(|e| format!("fuzz/Cargo.lock: {e}"))?;
    for target in all.iter().filter(|target| named.is_empty() || named.contains(&target.as_str())) {
        let seeds = PathBuf::from("fuzz/seeds").join(target);
        let found = PathBuf::from("fuzz/corpus").join(target);
        std::fs::create_dir_all(root.join(&found)).map_err(|e| format!("{}: {e}", found.display()))?;
        let mut command = Command::new("cargo");
        // What is found goes into the first folder, which git does not keep.
        command.args(toolchain).args(["fuzz", "run", "--sanitizer", sanitizer, target]).arg(found);
        if root.join(&seeds).is_dir() {
            command.arg(seeds);
        }
        command.args(["--", "-dict=fuzz/seeds/json.dict", "-timeout=20", "-max_len=65536", "-print_final_stats=1", "-verbosity=0"]);
        command.arg(format!("-max_total_time={}", (minutes * 60.0).round()));
        println!("{target}: {minutes} minutes");
        run(command.current_dir(&root), &format!("{target} has a finding, kept in fuzz/artifacts/{target}"))?;
    }
    Ok(())
}

/// Minutes as they are written, or seconds as `60s`.
pub(crate) fn minutes(text: &str) -> Option<f64> {
    let (number, per_minute) = text.strip_suffix('s').map_or((text, 1.0), |seconds| (seconds, 60.0));
    number.parse().ok().map(|n: f64| n / per_minute).filter(|m| m.is_finite() && *m > 0.0)
}

fn run(command: &mut Command, otherwise: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(otherwise.to_owned()),
        Err(error) => Err(format!("{otherwise}: {error}")),
    }
}

/// Names of the targets, in order.
fn targets(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join("fuzz/targets");
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned)).collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_may_be_written_in_seconds() {
        assert_eq!((minutes("10"), minutes("60s"), minutes("0.5")), (Some(10.0), Some(1.0), Some(0.5)));
        assert_eq!(["", "s", "0", "-1", "NaN", "inf", "1m"].map(minutes), [None; 7]);
    }

    /// A target that the manifest lacks would never run.
    #[test]
    fn every_target_is_declared() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
        let targets = targets(&root).unwrap();
        assert!(targets.len() >= 6, "{targets:?}");
        for target in targets {
            assert!(manifest.contains(&format!("path = \"targets/{target}.rs\"")), "{target}");
        }
    }
}
