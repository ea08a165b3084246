//! `demo`: the whole way on real health data, each step by its own verb, each command shown before it runs.

use crate::cli::Common;
use crate::config;
use crate::disk;
use crate::failure::{Failure, Kind};
use crate::output::{Answer, say, thousands};
use crate::privacy::bound;
use crate::verbs;
use crate::workspace::{Workspace, absolute};
use clap::Args;
use rand::RngExt;
use reticent_train::NotPrivateSeed;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// RAND Health Insurance Experiment, see data/rand-hie/SOURCE.txt of the repository.
const DATA: &[u8] = include_bytes!("../../../../data/rand-hie/randhie.csv");
const CONFIG: &str = include_str!("../demo/reticent.toml");
const MARKER: &str = "# Workspace of `reticent demo`";
const DEFAULT_DIR: &str = "reticent-demo";
const CONSENT_SEED: NotPrivateSeed = NotPrivateSeed(1974);
/// Runs of equal rows in the data: the reconstructed units.
const UNITS: usize = 5094;

#[derive(Args)]
#[command(
    after_help = "Real, de-identified, public data (RAND Health Insurance Experiment); controller, consents and requests are simulated.\nMakes the folder `reticent-demo`, or the one named by --dir. An interrupted demo goes on where it was."
)]
pub(crate) struct Demo {}

impl Demo {
    #[expect(clippy::unused_self, reason = "all verbs have one shape")]
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let started = Instant::now();
        let dir = if common.dir == Path::new(".") { PathBuf::from(DEFAULT_DIR) } else { common.dir.clone() };
        let dir = absolute(&dir)?;
        prepare(&dir)?;
        say(
            "Real, de-identified, public data (RAND Health Insurance Experiment, 20,190 person-years).\nController, consents and requests are simulated. Question: will a year bring four doctor visits or more?",
        );
        let steps = Steps { dir: &dir };
        steps.run("check", "every problem of reticent.toml at once; bounds are public, never read from rows", &["check"])?;
        steps.run("import", "CSV to a checked, versioned table under keyed pseudonyms, quarantined", &["import"])?;
        steps.run("consent", "what people said, into the ledger and the signed log", &["consent", "import"])?;
        let mut workspace = Workspace::read(&dir)?;
        let released = !verbs::train::releases_of(&mut workspace, "frequent")?.is_empty();
        let assessed = !workspace.ledger.events("assessment-opened")?.is_empty();
        drop(workspace);
        if !released {
            if !assessed {
                steps.refused("a first refusal: no impact assessment", &["train"])?;
                steps.run("assess", "open one: the screening is computed, people write the rest", &["assess", "--plan"])?;
            }
            steps.refused("a second refusal: health columns need an Art 9 condition, and some units have none", &["train"])?;
            steps.run(
                "train",
                "leave those units out, on record; then gate → budget → noise → last look → release",
                &["train", "--exclude", "no-art9-condition"],
            )?;
        }
        let report = steps.run("report", "internal evaluation, then the page", &["report"])?;
        let budget = steps.run("budget", "what was charged, and what is reserved for one retraining after an erasure", &["budget"])?;
        let log = steps.run("log verify", "recompute every tile, checkpoint, commitment and released file", &["log", "verify"])?;
        steps.run("status", "where the workspace stands", &["status"])?;
        drop(budget);
        let seconds = started.elapsed().as_secs_f64();
        let peak = peak_rss_mb();
        let mut json = report;
        json["log"] = json!({ "size": log["size"], "root": log["root"] });
        json["seconds"] = json!((seconds * 10.0).round() / 10.0);
        json["peak_rss_mb"] = json!(peak);
        json["dir"] = json!(dir);
        json["statement"] = json!("real, de-identified, public data; controller, consents and requests simulated");
        Ok(Answer::new(table(&json, seconds), json))
    }
}

/// One verb after another on the demo's workspace, in this process.
struct Steps<'a> {
    dir: &'a Path,
}

impl Steps<'_> {
    fn call(&self, args: &[&str]) -> Result<Answer, Failure> {
        let dir = self.dir.display().to_string();
        let line: Vec<&str> = ["reticent"].into_iter().chain(args.iter().copied()).chain(["--dir", &dir]).collect();
        say(format!("$ {}", line.join(" ")));
        crate::cli::answer(line)
    }

    fn run(&self, title: &str, about: &str, args: &[&str]) -> Result<Value, Failure> {
        say(format!("\n── {title}: {about}"));
        let answer = self.call(args)?;
        say(answer.text.trim_end());
        Ok(answer.json)
    }

    fn refused(&self, title: &str, args: &[&str]) -> Result<(), Failure> {
        say(format!("\n── {title}"));
        match self.call(args) {
            Err(failure) if failure.kind == Kind::Refused => {
                say(failure.to_string());
                Ok(())
            }
            Err(failure) => Err(failure),
            Ok(_) => Err(Failure::failed("a refusal was expected and did not come: the gate is broken")),
        }
    }
}

/// Puts data, simulated consents and reticent.toml into the folder, or finds them there from an earlier start.
fn prepare(dir: &Path) -> Result<(), Failure> {
    let file = dir.join(config::FILE);
    if file.exists() {
        return if disk::read_text(&file)?.starts_with(MARKER) {
            Ok(())
        } else {
            Err(Failure::refused(format!("{} is somebody's workspace", dir.display())).hint("name another folder with `--dir`"))
        };
    }
    disk::create_folder(dir)?;
    disk::write(&dir.join("randhie.csv"), DATA)?;
    disk::write(&dir.join("consent.csv"), consents().as_bytes())?;
    // Last: a folder with this file has all of them.
    disk::write(&file, format!("{MARKER}\n{CONFIG}").as_bytes())
}

/// Simulated explicit consent of every unit: about 4% withdrawn, 2% under an expired notice, 1% restricted, 1% without an Art 9 condition.
fn consents() -> String {
    let mut rng = CONSENT_SEED.rng();
    let mut text = String::from("subject,purpose,state,at,notice,art6,art9\n");
    for unit in 1..=UNITS {
        let draw: f64 = rng.random();
        let (notice, art9) = match draw {
            d if (0.04..0.06).contains(&d) => ("2023-1", "a"),
            d if (0.07..0.08).contains(&d) => ("2024-1", ""),
            _ => ("2024-1", "a"),
        };
        text += &format!("{unit},frequent-visits,given,2024-03-01,{notice},a,{art9}\n");
        if draw < 0.04 {
            text += &format!("{unit},frequent-visits,withdrawn,2024-09-15,,,\n");
        } else if (0.06..0.07).contains(&draw) {
            text += &format!("{unit},frequent-visits,restricted,2024-10-01,,,\n");
        }
    }
    text
}

fn table(json: &Value, seconds: f64) -> String {
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
        ("covers", "the release now and one retraining later, together".to_owned()),
        (
            "test AUC",
            format!(
                "{:.3} under that bound; {:.3} for its twin without privacy",
                number("/utility/private/auc"),
                number("/utility/baseline/auc")
            ),
        ),
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

/// Largest memory this process held, in MB, where the system tells.
fn peak_rss_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}
