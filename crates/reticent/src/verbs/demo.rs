//! `demo`: the whole way on real health data, each step by its own verb, each command shown before it runs.

mod folder;
mod summary;

use crate::certified;
use crate::cli::Common;
use crate::evidence;
use crate::failure::{Failure, Kind};
use crate::output::{Answer, say};
use crate::verbs::{self, serve};
use crate::workspace::{Workspace, absolute};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

const DEFAULT_DIR: &str = "reticent-demo";

#[derive(Args)]
#[command(
    after_help = "Real, de-identified, public data (RAND Health Insurance Experiment); controller, consents, messages and requests are simulated.\nMakes the folder `reticent-demo`, or the one named by --dir. An interrupted demo goes on where it was."
)]
pub(crate) struct Demo {}

impl Demo {
    #[expect(clippy::unused_self, reason = "all verbs have one shape")]
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let started = Instant::now();
        let dir = if common.dir == Path::new(".") { PathBuf::from(DEFAULT_DIR) } else { common.dir.clone() };
        let dir = absolute(&dir)?;
        folder::prepare(&dir)?;
        say(
            "Real, de-identified, public data (RAND Health Insurance Experiment, 20,190 person-years).\nController, consents, messages and requests are simulated. Question: will a year bring four doctor visits or more?",
        );
        let steps = Steps { dir: &dir };
        steps.run("check", "every problem of reticent.toml at once; bounds are public, never read from rows", &["check"])?;
        steps.run("import", "CSV to a checked, versioned table under keyed pseudonyms, quarantined", &["import"])?;
        let text = steps.what_a_careless_model_says()?;
        let scan = steps.what_a_file_holds()?;
        steps.run("consent", "what people said, into the ledger and the signed log", &["consent", "import"])?;
        let selection = steps.which_columns()?;
        steps.train()?;
        let erasure = steps.erase()?;
        let explanation = steps.explain()?;
        let audit = steps.audit()?;
        let assessment = steps.assess()?;
        steps.serve()?;
        let report = steps.run("report", "internal evaluation, then the page", &["report"])?;
        steps.run("budget", "what was charged; what was set aside for an erasure is used", &["budget"])?;
        let log = steps.run("log verify", "recompute every tile, checkpoint, commitment and released file", &["log", "verify"])?;
        steps.run("status", "where the workspace stands", &["status"])?;
        let seconds = started.elapsed().as_secs_f64();
        let mut json = report;
        for (key, value) in [
            ("audit", audit),
            ("text", text),
            ("erasure", erasure),
            ("explanation", explanation),
            ("assessment", assessment),
            ("scan", scan),
            ("selection", selection),
            ("log", json!({ "size": log["size"], "root": log["root"] })),
            ("seconds", json!((seconds * 10.0).round() / 10.0)),
            ("peak_rss_mb", json!(peak_rss_mb())),
            ("dir", json!(dir)),
            ("statement", json!("real, de-identified, public data; controller, consents, messages and requests simulated")),
        ] {
            json[key] = value;
        }
        Ok(Answer::new(summary::table(&json, seconds), json))
    }
}

/// One verb after another on the demo's workspace, in this process.
struct Steps<'a> {
    dir: &'a Path,
}

impl Steps<'_> {
    fn what_a_careless_model_says(&self) -> Result<Value, Failure> {
        let about = "planted card numbers, and three language models: without privacy, on redacted text, under ε";
        self.measured("text-audit", |_| true, "the leak", about, &["audit", "text"]).map(|found| part(found, "text"))
    }

    /// The other way to keep a card number out of a model: not to train on it.
    fn what_a_file_holds(&self) -> Result<Value, Failure> {
        let (file, copy) = (self.path("messages.csv"), self.path("messages-redacted.csv"));
        let about = "personal data in the messages, by kind and place; a redacted copy";
        self.measured("scan", |_| true, "scan", about, &["scan", &file, "--redact", &copy])
            .map(|found| json!({ "file": found["file"], "lines": found["lines"], "counts": found["counts"] }))
    }

    fn which_columns(&self) -> Result<Value, Failure> {
        let file = self.path("randhie.csv");
        let about = "which columns a model could do without, at what cost, measured on rows that are public";
        self.measured("selection", |_| true, "select", about, &["select", "--public", &file, "--reason", "a published sample"])
    }

    fn train(&self) -> Result<(), Failure> {
        let mut workspace = Workspace::read(self.dir)?;
        let released = !verbs::train::releases_of(&mut workspace, "frequent")?.is_empty();
        let assessed = !workspace.ledger.events("assessment-opened")?.is_empty();
        drop(workspace);
        if !released {
            if !assessed {
                self.refused("a first refusal: no impact assessment", &["train"])?;
                self.run("assess", "open one: the screening is computed, people write the rest", &["assess", "--plan"])?;
            }
            self.refused("a second refusal: health columns need an Art 9 condition, and some units have none", &["train"])?;
            self.run(
                "train",
                "leave those units out, on record; then gate → budget → noise → last look → release",
                &["train", "--exclude", "no-art9-condition"],
            )?;
        }
        let about = "a second model, never released, out of which a person can be taken without training it again";
        self.measured(
            certified::TRAINING,
            |_| true,
            "train for removals",
            about,
            &["train", "frequent-certified", "--exclude", "no-art9-condition"],
        )?;
        Ok(())
    }

    /// One consenting unit, simulated to have withdrawn and asked for erasure; the record as an outsider reads it.
    fn erase(&self) -> Result<Value, Failure> {
        let record = self.dir.join(".reticent/erasures/1.json");
        if !record.exists() {
            let unit = self.somebody()?;
            self.run(
                "forget",
                "somebody withdraws: out of every table, the ledger and both models; released again on what was set aside",
                &["forget", &unit],
            )?;
        }
        let (file, key) = (record.display().to_string(), self.path(".reticent/log.vkey"));
        let started = Instant::now();
        let verified = self.run(
            "forget verify",
            "what the signed record shows to an outsider, and what not",
            &["forget", "verify", &file, "--key", &key],
        )?;
        let mut erasure = verified["erasure"].clone();
        erasure["record"] = json!(record);
        erasure["verified"] = verified["verified"].clone();
        erasure["does_not_prove"] = verified["does_not_prove"].clone();
        erasure["verify_ms"] = json!((started.elapsed().as_secs_f64() * 1e4).round() / 10.0);
        Ok(erasure)
    }

    /// A consenting unit that the model for removals learned from: one in four is held out for tests.
    fn somebody(&self) -> Result<String, Failure> {
        let mut workspace = Workspace::read(self.dir)?;
        let key = workspace.pseudonym_key()?;
        for unit in folder::consenting().skip(100) {
            if certified::holds(&workspace, "frequent-certified", key.subject("visits", &unit))? {
                return Ok(unit);
            }
        }
        Err(Failure::failed("the model for removals learned from nobody who consents"))
    }

    fn explain(&self) -> Result<Value, Failure> {
        let file = self.path("person.csv");
        let about = "why a made-up person is scored so: Shapley values, a check by LIME, and the least change that would turn it";
        self.measured("explanation", |_| true, "explain", about, &["explain", &file, "--simulated"]).map(|found| part(found, "explanation"))
    }

    /// The same made-up person, asked of the service: the label alone, and one answer fewer for this caller.
    fn serve(&self) -> Result<(), Failure> {
        say("\n── serve: the release by the Open Inference Protocol; labels alone, counted for each caller across restarts");
        let tensor = |(name, value): &(&str, f64)| json!({ "name": name, "shape": [1], "datatype": "FP64", "data": [value] });
        let question = json!({ "inputs": folder::PERSON.iter().map(tensor).collect::<Vec<_>>() });
        say(format!("what `reticent serve --dir {}` answers, asked in this process:", self.dir.display()));
        say(format!("POST /v2/models/frequent/infer {question}"));
        say(serve::ask(self.dir, "frequent", &question)?.to_string());
        Ok(())
    }

    fn audit(&self) -> Result<Value, Failure> {
        let mut workspace = Workspace::read(self.dir)?;
        let released = verbs::train::releases_of(&mut workspace, "frequent")?.pop().map(|r| r.model).unwrap_or_default();
        drop(workspace);
        let about = "attacks on the release, on its twin without privacy and on a model that is meant to leak";
        self.measured("audit", |about| about == released, "audit model", about, &["audit", "model"]).map(|found| part(found, "audit"))
    }

    /// People write, advise and decide, here with simulated names and words.
    fn assess(&self) -> Result<Value, Failure> {
        if Workspace::read(self.dir)?.ledger.events("assessment-decided")?.is_empty() {
            for (part, words) in [
                ("necessity", "Simulated: planning needs the share of frequent visitors; `select` shows what each column is worth."),
                ("risks", "Simulated: somebody learns whether a person took part, or what was reported of their health. Severe, unlikely."),
                ("measures", "Simulated: the bound on ε, the cap of 5 rows, removal on request, no score used to decide about a person."),
            ] {
                self.call(&["assess", "write", part, "--text", words, "--author", "Head of care planning (simulated)"])?;
            }
            let advice = "Simulated: the measured leak lies below the proved bound; publish no counts under 10.";
            self.call(&["assess", "advise", "--by", "Data protection officer (simulated)", "--recommend", "approve", "--text", advice])?;
            self.call(&["assess", "decide", "--by", "Managing director (simulated)", "--approve"])?;
        }
        let mut found = self.run("assess render", "the impact assessment, every number linked to its event", &["assess", "render"])?;
        let mut assessment = found["assessment"].take();
        assessment["page"] = found["page"].take();
        Ok(assessment)
    }

    fn path(&self, file: &str) -> String {
        self.dir.join(file).display().to_string()
    }

    /// A step that leaves evidence: done once, and read back where the demo was interrupted after it.
    fn measured(&self, topic: &str, of: impl Fn(&str) -> bool, title: &str, about: &str, args: &[&str]) -> Result<Value, Failure> {
        let mut workspace = Workspace::read(self.dir)?;
        let known = evidence::about(&mut workspace, topic)?.filter(|about| of(about));
        if let Some(known) = known {
            say(format!("\n── {title}: done before"));
            let found = evidence::newest(&mut workspace, topic, Some(&known))?;
            return Ok(found.map_or(Value::Null, |e| e.body));
        }
        drop(workspace);
        self.run(title, about, args)
    }

    fn call(&self, args: &[&str]) -> Result<Answer, Failure> {
        let dir = self.dir.display().to_string();
        let line: Vec<&str> = ["reticent"].into_iter().chain(args.iter().copied()).chain(["--dir", &dir]).collect();
        say(format!("$ {}", shown(&line)));
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

/// A part of an answer; evidence holds the part alone.
fn part(found: Value, key: &str) -> Value {
    found.get(key).cloned().unwrap_or(found)
}

/// A command line as somebody would type it.
fn shown(line: &[&str]) -> String {
    let quoted = |word: &&str| if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() };
    line.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// Largest memory this process held, in MB, where the system tells.
fn peak_rss_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}
