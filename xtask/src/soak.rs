//! Every fuzz target, for a while each: foreign bytes for whatever reads files of others.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs every target of `fuzz/targets` for `minutes`, from its seeds; stops at the first finding. `cargo-fuzz` is installed where it is absent;
/// a nightly compiler must be there.
pub(crate) fn soak(minutes: f64) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let nightly = Command::new("cargo").args(["+nightly", "--version"]).output().is_ok_and(|o| o.status.success());
    if !nightly {
        return Err("there is no nightly compiler, and fuzzing needs one: rustup toolchain install nightly --profile minimal".into());
    }
    if !Command::new("cargo").args(["+nightly", "fuzz", "--version"]).output().is_ok_and(|o| o.status.success()) {
        run(Command::new("cargo").args(["install", "--locked", "cargo-fuzz"]), "cargo-fuzz could not be installed")?;
    }
    for target in targets(&root)? {
        let seeds = PathBuf::from("fuzz/seeds").join(&target);
        let found = PathBuf::from("fuzz/corpus").join(&target);
        std::fs::create_dir_all(root.join(&found)).map_err(|e| format!("{}: {e}", found.display()))?;
        let mut command = Command::new("cargo");
        // What is found goes into the first folder, which git does not keep.
        command.args(["+nightly", "fuzz", "run", &target]).arg(found);
        if root.join(&seeds).is_dir() {
            command.arg(seeds);
        }
        command.args(["--", "-dict=fuzz/seeds/json.dict", "-timeout=20", "-max_len=65536", "-print_final_stats=1"]);
        command.arg(format!("-max_total_time={}", (minutes * 60.0).round()));
        println!("{target}: {minutes} minutes");
        run(command.current_dir(&root), &format!("{target} has a finding, kept in fuzz/artifacts/{target}"))?;
    }
    Ok(())
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
