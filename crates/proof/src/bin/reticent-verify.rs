//! `reticent-verify`: re-checks a transparency log, a signed erasure record or an auditor's bundle with nothing but files and a public key.
//!
//! No database, no network, no configuration. Exit codes: 0 verified, 1 findings, 2 usage.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use reticent_proof::bundle::verify_bundle;
use reticent_proof::log::{SignedCheckpoint, Verification, VerifyingKey, verify_dir};
use reticent_proof::record::{MAX_BYTES, OwnEvent, verify_record};

const USAGE: &str = "\
usage: reticent-verify log DIR --key VKEY|FILE [--checkpoint FILE] [--json]
       reticent-verify record FILE --key VKEY|FILE [--json]
       reticent-verify bundle DIR --key VKEY|FILE [--checkpoint FILE] [--json]
       reticent-verify own FILE --key VKEY|FILE [--json]

log     recomputes every file of the log in DIR from its entries and checks the checkpoint's signature
record  checks the signed erasure record in FILE: signature, log entry, inclusion proof, counts, what is left
bundle  checks all of what `reticent export` wrote: log, opened entries, files of models, policies and decisions, erasure records
own     checks what a person was handed about themselves (answer.json): each event under `own_events` stands in the log as it was recorded

  --key VKEY|FILE    the log's public key (name+hash+base64), or a file that holds it
  --checkpoint FILE  a checkpoint of this log kept elsewhere: shows rollback and rewriting
  --json             print the result as JSON

exit codes: 0 verified, 1 findings, 2 usage
";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let help = |a: &OsString| a == "--help" || a == "-h";
    let (text, code) = if arguments.iter().any(help) {
        (USAGE.to_owned(), ExitCode::SUCCESS)
    } else {
        match Arguments::parse(arguments).and_then(|arguments| arguments.run()) {
            Ok((text, true)) => (text, ExitCode::SUCCESS),
            Ok((text, false)) => (text, ExitCode::from(1)),
            Err(why) => {
                // nothing is left to do about a closed stderr
                let _ = write!(std::io::stderr(), "error: {why}\n\n{USAGE}");
                return ExitCode::from(2);
            }
        }
    };
    // a reader that stopped reading has seen what it wanted
    let _ = std::io::stdout().write_all(text.as_bytes());
    code
}

#[derive(Clone, Copy, PartialEq)]
enum Verb {
    Log,
    Record,
    Bundle,
    Own,
}

impl Verb {
    fn is_of_a_file(self) -> bool {
        matches!(self, Self::Record | Self::Own)
    }
}

struct Arguments {
    verb: Verb,
    path: PathBuf,
    key: VerifyingKey,
    held: Option<SignedCheckpoint>,
    json: bool,
}

impl Arguments {
    fn parse(arguments: Vec<OsString>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let verb = match arguments.next() {
            Some(verb) if verb == "log" => Verb::Log,
            Some(verb) if verb == "record" => Verb::Record,
            Some(verb) if verb == "bundle" => Verb::Bundle,
            Some(verb) if verb == "own" => Verb::Own,
            Some(verb) => return Err(format!("there is no `{}` to verify", verb.display())),
            None => return Err("say what to verify".to_owned()),
        };
        let (mut path, mut key, mut held, mut json) = (None, None, None, false);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("`{}` needs a value", argument.display()));
            let taken = match argument.to_str() {
                Some("--json") => std::mem::replace(&mut json, true),
                Some("--key") => key.replace(read_key(&value()?)?).is_some(),
                Some("--checkpoint") if !verb.is_of_a_file() => held.replace(read_checkpoint(&value()?)?).is_some(),
                Some(flag) if flag.starts_with('-') => return Err(format!("there is no `{flag}`")),
                _ => path.replace(PathBuf::from(&argument)).is_some(),
            };
            if taken {
                return Err(format!("`{}` is one too many", argument.display()));
            }
        }
        let path = path.ok_or(match verb {
            Verb::Log => "say which folder holds the log",
            Verb::Record => "say which file holds the record",
            Verb::Bundle => "say which folder is the bundle",
            Verb::Own => "say which file is the answer that you were given",
        })?;
        if !verb.is_of_a_file() && !path.is_dir() {
            return Err(format!("`{}` is not a folder", path.display()));
        }
        let key = key.ok_or("say with `--key` whose signature it should bear")?;
        Ok(Self { verb, path, key, held, json })
    }

    /// The text to print, and whether it verified.
    fn run(&self) -> Result<(String, bool), String> {
        match self.verb {
            Verb::Record => return self.record(),
            Verb::Bundle => return self.bundle(),
            Verb::Own => return self.own(),
            Verb::Log => {}
        }
        let verification = verify_dir(&self.path, &self.key, self.held.as_ref());
        let text = if self.json { json(&verification)? } else { verification.to_string() };
        Ok((text, verification.verified()))
    }

    fn bundle(&self) -> Result<(String, bool), String> {
        let found = verify_bundle(&self.path, &self.key, self.held.as_ref());
        let good = found.verified();
        if self.json {
            let mut value = serde_json::to_value(&found).map_err(|e| e.to_string())?;
            value["schema_version"] = 1.into();
            value["verified"] = good.into();
            return Ok((format!("{value:#}\n"), good));
        }
        let mut text = if good { "verified: the bundle\n".to_owned() } else { "not verified\n".to_owned() };
        found.log.findings.iter().for_each(|f| text += &format!("  finding: log/{f}\n"));
        found.findings.iter().for_each(|f| text += &format!("  finding: {f}\n"));
        if good {
            text += &format!("  checked: a log of {} entries, every file of it recomputed\n", found.log.size);
        }
        found.checked.iter().for_each(|line| text += &format!("  checked: {line}\n"));
        found.not_proved.iter().for_each(|line| text += &format!("  does not prove: {line}\n"));
        Ok((text, good))
    }

    fn bytes(&self, most: u64) -> Result<Vec<u8>, String> {
        let mut bytes = vec![];
        let read = std::fs::File::open(&self.path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
        read.map_err(|e| format!("`{}`: {e}", self.path.display())).map(|_| bytes)
    }

    /// Nothing of what an event says is printed: whoever checks has the file.
    fn own(&self) -> Result<(String, bool), String> {
        let value: serde_json::Value =
            serde_json::from_slice(&self.bytes(1 << 30)?).map_err(|_| format!("`{}` is no JSON", self.path.display()))?;
        let events = value["own_events"].as_array().ok_or_else(|| format!("`{}` holds no `own_events`", self.path.display()))?;
        let (mut good, mut findings) = (0, vec![]);
        for (at, event) in events.iter().enumerate() {
            let checked = serde_json::from_value::<OwnEvent>(event.clone())
                .map_err(|_| "is no event of this version".to_owned())
                .and_then(|event| event.check(&self.key).map_err(|e| e.to_string()));
            match checked {
                Ok(_) => good += 1,
                Err(why) => findings.push(format!("event {}: {why}", at + 1)),
            }
        }
        let verified = findings.is_empty() && good > 0;
        let checked = format!("{good} events about one person stand in the log of {} as they were recorded", self.key.name());
        let gap = "that these are all: what is left out of the answer cannot be seen in it";
        if self.json {
            let value = serde_json::json!({ "schema_version": 1, "verified": verified, "checked": [checked], "findings": findings, "not_proved": [gap] });
            return Ok((format!("{value:#}\n"), verified));
        }
        let mut text = if verified { "verified: own events\n".to_owned() } else { "not verified\n".to_owned() };
        findings.iter().for_each(|f| text += &format!("  finding: {f}\n"));
        text += &format!("  checked: {checked}\n  does not prove: {gap}\n");
        Ok((text, verified))
    }

    fn record(&self) -> Result<(String, bool), String> {
        let bytes = self.bytes(MAX_BYTES as u64)?;
        let (mut value, text, good) = match verify_record(&bytes, &self.key) {
            Ok(verified) => {
                let lines = verified.checked.iter().map(|l| format!("  checked: {l}\n"));
                let left = verified.erasure.left.iter().map(|l| format!("  left: {} ({})\n", l.what, l.why));
                let gaps = verified.does_not_prove.iter().map(|l| format!("  does not prove: {l}\n"));
                let text =
                    format!("verified: erasure record {}\n", verified.erasure.request) + &lines.chain(left).chain(gaps).collect::<String>();
                (serde_json::to_value(&verified).map_err(|e| e.to_string())?, text, true)
            }
            Err(why) => (serde_json::json!({ "findings": [why.to_string()] }), format!("not verified: {why}\n"), false),
        };
        value["schema_version"] = 1.into();
        value["verified"] = good.into();
        Ok((if self.json { format!("{value:#}\n") } else { text }, good))
    }
}

fn json(verification: &Verification) -> Result<String, String> {
    let mut value = serde_json::to_value(verification).map_err(|e| e.to_string())?;
    value["schema_version"] = 1.into();
    value["verified"] = verification.verified().into();
    Ok(format!("{value:#}\n"))
}

/// The key itself, or the file that holds it.
fn read_key(value: &OsString) -> Result<VerifyingKey, String> {
    match value.to_str().map(str::parse) {
        Some(Ok(key)) => Ok(key),
        Some(Err(e)) if !Path::new(value).exists() => Err(format!("`{}`: {e}", value.display())),
        _ => read(value)?.parse().map_err(|e| format!("`{}`: {e}", value.display())),
    }
}

fn read_checkpoint(file: &OsString) -> Result<SignedCheckpoint, String> {
    read(file)?.parse().map_err(|e| format!("`{}`: {e}", file.display()))
}

fn read(file: &OsString) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|e| format!("`{}`: {e}", file.display()))
}
