//! A bundle for an auditor: the log, what its entries of general interest open to, the files of released models, signed erasure records; checked
//! without the workspace, its database or its operator.
//!
//! ```text
//! bundle.json          the opened entries: kind, number, time, actor, text, nonce
//! log/                 the log, whole
//! models/NAME/N/       model.safetensors and manifest.json of releases that stand
//! erasures/N.json      signed records
//! facts/N.json         what decision N was made on; only where it was asked for: pseudonymous, and so personal data
//! ```
//!
//! An entry of a kind that a bundle must open and does not is a finding: nothing can be left out unseen.

use crate::decide::{Decision, Facts, Policy, decide, digest};
use crate::log::{Log, SignedCheckpoint, Verification, VerifyingKey, verify_dir};
use crate::record::{MAX_BYTES, Opening, commitment, log_entry, verify_record};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

/// Kinds of entries that a bundle opens, every one of them.
pub const OPENED: [&str; 8] = [
    "workspace-created",
    "policy-recorded",
    "gate-decided",
    "model-released",
    "release-blocked",
    "release-recalled",
    "subject-erased",
    "data-imported",
];

/// Most bytes read of `bundle.json` or of one file of facts.
const MOST: u64 = 1 << 30;

/// What `bundle.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// 1.
    pub schema_version: u32,
    /// When it was made, RFC 3339.
    pub made_at: String,
    /// The opened entries, by number.
    pub opened: Vec<Opened>,
}

/// An entry of the log and what it opens to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// Its kind, `model-released`.
    pub kind: String,
    /// The event.
    pub opening: Opening,
}

/// What was checked of a bundle, what does not hold, and what no such check can show.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct BundleVerification {
    /// The log's own verification.
    pub log: Verification,
    /// What holds.
    pub checked: Vec<String>,
    /// What does not, each with its file.
    pub findings: Vec<String>,
    /// What this does not prove.
    pub not_proved: Vec<String>,
}

impl BundleVerification {
    /// Nothing was found.
    #[must_use]
    pub fn verified(&self) -> bool {
        self.findings.is_empty() && self.log.verified()
    }
}

/// Checks a bundle against the key of its log, and a checkpoint kept elsewhere where there is one. Nothing in it is believed: no input panics.
#[must_use]
pub fn verify_bundle(dir: &Path, key: &VerifyingKey, held: Option<&SignedCheckpoint>) -> BundleVerification {
    let log = verify_dir(&dir.join("log"), key, held);
    let not_proved = log.not_proved.iter().map(ToString::to_string).collect();
    let mut check = Check { dir, key, size: log.size, checked: vec![], findings: vec![], not_proved };
    // Where the log itself does not hold there is nothing to hold anything else against.
    if log.verified()
        && let Err(why) = check.everything()
    {
        check.findings.push(why);
    }
    let Check { checked, findings, not_proved, .. } = check;
    BundleVerification { log, checked, findings, not_proved }
}

struct Check<'a> {
    dir: &'a Path,
    key: &'a VerifyingKey,
    size: u64,
    checked: Vec<String>,
    findings: Vec<String>,
    not_proved: Vec<String>,
}

impl Check<'_> {
    fn everything(&mut self) -> Result<(), String> {
        let bundle: Bundle = serde_json::from_slice(&read(&self.dir.join("bundle.json"))?)
            .map_err(|e| format!("bundle.json: is no bundle of this version (line {}, column {})", e.line(), e.column()))?;
        if bundle.schema_version != 1 {
            return Err("bundle.json: is of another version".into());
        }
        let events = self.opened(&bundle)?;
        self.checked.push(format!("{} entries of the log open to what the bundle says, and none of their kinds is left out", events.len()));
        self.unlisted(&events);
        self.models(&events);
        self.decisions(&events);
        self.records(&events);
        Ok(())
    }

    /// The opened events, each proved to be the log's entry of its number; every entry of the kinds that must be opened is.
    fn opened(&mut self, bundle: &Bundle) -> Result<BTreeMap<i64, Value>, String> {
        let mut entries = Log::open(self.dir.join("log")).and_then(|log| log.entries()).map_err(|e| format!("log: {e}"))?.into_iter();
        let mut wanted: BTreeMap<i64, &Opened> = BTreeMap::new();
        for opened in &bundle.opened {
            if wanted.insert(opened.opening.seq, opened).is_some() {
                self.findings.push(format!("bundle.json: event {} is there twice", opened.opening.seq));
            }
        }
        let mut events = BTreeMap::new();
        for (seq, entry) in (1_i64..).zip(entries.by_ref()) {
            let Some(opened) = wanted.remove(&seq) else {
                let kind = serde_json::from_slice::<Value>(&entry).ok().and_then(|v| v["kind"].as_str().map(str::to_owned));
                if kind.as_deref().is_none_or(|kind| OPENED.contains(&kind)) {
                    self.findings
                        .push(format!("bundle.json: event {seq} of the log ({}) is left out", kind.unwrap_or_else(|| "no kind".into())));
                }
                continue;
            };
            let Opening { at, actor, body, nonce, .. } = &opened.opening;
            let found = hex::decode(nonce).map(|nonce| log_entry(seq, &opened.kind, &commitment(&[0; 32], &nonce, seq, at, actor, body)));
            let value: Option<Value> = serde_json::from_str(body).ok().filter(|v: &Value| v["kind"] == opened.kind.as_str());
            match (found, value) {
                (Ok(found), Some(value)) if found == entry => drop(events.insert(seq, value)),
                _ => self.findings.push(format!("bundle.json: event {seq} is not the one the log committed to")),
            }
        }
        self.findings.extend(wanted.keys().map(|seq| format!("bundle.json: event {seq} is not in the log of {} entries", self.size)));
        Ok(events)
    }

    /// Nothing lies in the bundle that nothing here vouches for: whoever hands it on would seem to vouch for that too.
    fn unlisted(&mut self, events: &BTreeMap<i64, Value>) {
        let mut known: BTreeSet<String> = ["bundle.json".to_owned()].into();
        for (seq, event) in events {
            match event["kind"].as_str().unwrap_or_default() {
                "model-released" => {
                    let model = event["model"].as_str().unwrap_or_default();
                    known.extend(["model.safetensors", "manifest.json"].map(|file| format!("models/{model}/{file}")));
                }
                "subject-erased" => known.extend(event["erasure"].as_u64().map(|n| format!("erasures/{n}.json"))),
                "gate-decided" => drop(known.insert(format!("facts/{seq}.json"))),
                _ => {}
            }
        }
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(self.dir.join(&folder)).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                // The log is whole by itself: its own check names what does not belong there.
                if path == "log" || known.contains(&path) {
                    continue;
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                } else {
                    self.findings.push(format!("{path}: nothing in the log speaks of it"));
                }
            }
        }
    }

    /// Files of releases that stand are what was released; weights of recalled ones are not there.
    fn models(&mut self, events: &BTreeMap<i64, Value>) {
        let of = |kind: &'static str| events.iter().filter(move |(_, e)| e["kind"] == kind);
        let recalled: BTreeSet<&str> = of("release-recalled").filter_map(|(_, e)| e["model"].as_str()).collect();
        let (mut same, mut gone) = (0, 0);
        for (seq, event) in of("model-released") {
            let (Some(model), Some(weights), Some(manifest)) =
                (event["model"].as_str(), event["weights_sha256"].as_str(), event["manifest_sha256"].as_str())
            else {
                self.findings.push(format!("bundle.json: event {seq} names no model and no digests"));
                continue;
            };
            // A name is a path inside the bundle, and nothing else.
            if model.split('/').any(|part| part.is_empty() || part.starts_with('.') || part.contains(['\\', ':'])) {
                self.findings.push(format!("bundle.json: event {seq} names a model outside the bundle"));
                continue;
            }
            let folder = self.dir.join("models").join(model);
            if recalled.contains(model) {
                gone += 1;
                if folder.join("model.safetensors").exists() {
                    self.findings.push(format!("models/{model}/model.safetensors: was recalled and is still there"));
                }
                continue;
            }
            for (file, digest) in [("model.safetensors", weights), ("manifest.json", manifest)] {
                match sha256_of(&folder.join(file)) {
                    Ok(found) if found == digest => same += 1,
                    Ok(_) => self.findings.push(format!("models/{model}/{file}: is not what was released (event {seq})")),
                    Err(why) => self.findings.push(format!("models/{model}/{file}: {why}")),
                }
            }
        }
        self.checked.push(format!("{same} files of released models are what was released; {gone} recalled releases are not there"));
    }

    /// Policies are those that decisions name; where the facts are there, each decision is made again to the same bytes.
    fn decisions(&mut self, events: &BTreeMap<i64, Value>) {
        let mut policies: BTreeMap<String, Policy> = BTreeMap::new();
        for (seq, event) in events.iter().filter(|(_, e)| e["kind"] == "policy-recorded") {
            match serde_json::from_value::<Policy>(event["policy"].clone()) {
                Ok(policy) if event["digest"].as_str() == Some(&digest(&policy)) => drop(policies.insert(digest(&policy), policy)),
                _ => self.findings.push(format!("bundle.json: the policy of event {seq} is not of its digest")),
            }
        }
        let (mut again, mut without) = (0, 0);
        for (seq, event) in events.iter().filter(|(_, e)| e["kind"] == "gate-decided") {
            let Ok(decision) = serde_json::from_value::<Decision>(event["decision"].clone()) else {
                self.findings.push(format!("bundle.json: event {seq} holds no decision"));
                continue;
            };
            if decision.allowed != decision.refusals.is_empty() {
                self.findings.push(format!("bundle.json: the decision of event {seq} allows what it refuses"));
            }
            let Some(policy) = policies.get(&decision.policy_digest) else {
                self.findings.push(format!("bundle.json: the policy of the decision of event {seq} is not on record"));
                continue;
            };
            let path = self.dir.join(format!("facts/{seq}.json"));
            if !path.exists() {
                without += 1;
                continue;
            }
            // To the byte: a field that nobody reads would otherwise be anybody's.
            let fits = |bytes: &Vec<u8>| hex::encode(Sha256::digest(bytes)) == decision.facts_digest;
            let facts = read(&path)
                .and_then(|bytes| Some(bytes).filter(fits).ok_or_else(|| "are not what the decision was made on".to_owned()))
                .and_then(|bytes| serde_json::from_slice::<Facts>(&bytes).map_err(|_| "are no facts".into()));
            match facts.map(|facts| decide(policy, &facts, &decision.request).0) {
                Ok(made) if made == decision => again += 1,
                Ok(_) => self.findings.push(format!("facts/{seq}.json: the decision of event {seq} comes out otherwise")),
                Err(why) => self.findings.push(format!("facts/{seq}.json: {why}")),
            }
        }
        self.checked.push(format!("{again} decisions of the gate were made again to the same bytes"));
        if without > 0 {
            self.not_proved
                .push(format!("{without} decisions: the facts they were made on are not in the bundle, so their policy alone was checked"));
        }
    }

    /// Signed records verify, and each is about an erasure of this log.
    fn records(&mut self, events: &BTreeMap<i64, Value>) {
        let mut erased: BTreeSet<u64> =
            events.values().filter(|e| e["kind"] == "subject-erased").filter_map(|e| e["erasure"].as_u64()).collect();
        let mut count = 0;
        for number in erased.clone() {
            let name = format!("erasures/{number}.json");
            let path = self.dir.join(&name);
            if !path.exists() {
                continue;
            }
            erased.remove(&number);
            let mut bytes = vec![];
            let opened = std::fs::File::open(&path).and_then(|f| f.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes));
            let verified = opened.map_err(|e| e.to_string()).and_then(|_| verify_record(&bytes, self.key).map_err(|e| e.to_string()));
            match verified {
                Ok(v) if v.erasure.request == number && events.get(&v.erasure.log.opening.seq).is_some_and(|e| e["erasure"] == number) => {
                    count += 1;
                }
                Ok(_) => self.findings.push(format!("{name}: is about another erasure")),
                Err(why) => self.findings.push(format!("{name}: {why}")),
            }
        }
        self.checked.push(format!("{count} signed erasure records verify and stand in this log"));
        if !erased.is_empty() {
            let missing: Vec<String> = erased.iter().map(ToString::to_string).collect();
            self.findings.push(format!("erasures: no record of erasure {}", missing.join(", ")));
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = std::fs::File::open(path).map_err(|e| format!("{name}: {e}"))?;
    let mut bytes = vec![];
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(|e| format!("{name}: {e}"))?;
    if bytes.len() as u64 > MOST { Err(format!("{name}: is longer than {MOST} bytes")) } else { Ok(bytes) }
}

fn sha256_of(path: &Path) -> Result<String, String> {
    let mut file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut hash = Sha256::new();
    let mut piece = [0; 1 << 16];
    loop {
        match file.read(&mut piece).map_err(|e| e.to_string())? {
            0 => return Ok(hex::encode(hash.finalize())),
            n => hash.update(&piece[..n]),
        }
    }
}
