//! What an auditor is handed: checked without the workspace, and nothing in it can be changed or left out unseen.

use crate::workspace::{Random, Stage, Workspace, person};
use reticent_proof::bundle::{BundleVerification, verify_bundle};
use reticent_proof::log::{Problem, SignedCheckpoint, VerifyingKey};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

struct Bundle {
    dir: PathBuf,
    key: VerifyingKey,
    held: SignedCheckpoint,
    _folder: tempfile::TempDir,
}

fn exported(workspace: &Workspace, args: &[&str]) -> Bundle {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    workspace.done(&[&["export", dir.to_str().unwrap()], args].concat());
    let key = workspace.read(".reticent/log.vkey").trim().parse().unwrap();
    Bundle { dir, key, held: workspace.read("reticent.checkpoint").parse().unwrap(), _folder: folder }
}

impl Bundle {
    fn verify(&self) -> BundleVerification {
        verify_bundle(&self.dir, &self.key, Some(&self.held))
    }

    #[track_caller]
    fn refuses(&self, words: &str) {
        let found = self.verify();
        assert!(
            !found.verified() && found.findings.iter().any(|f| f.contains(words)),
            "{words}: {:?} {:?}",
            found.findings,
            found.log.findings
        );
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (vec![], vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

#[test]
fn a_bundle_verifies_without_the_workspace_and_replays_its_decisions() {
    let workspace = Workspace::at(Stage::Trained);
    let bundle = exported(&workspace, &["--facts"]);
    let found = bundle.verify();
    assert!(found.verified(), "{:?} {:?}", found.findings, found.log.findings);
    assert!(found.checked.iter().any(|c| c.starts_with("2 decisions of the gate were made again")), "{:?}", found.checked);
    assert!(found.checked.iter().any(|c| c.starts_with("2 files of released models are what was released")), "{:?}", found.checked);

    // An admitted unit more in the facts: the decision comes out otherwise.
    let path = files(&bundle.dir.join("facts")).remove(0);
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, good.replacen("\"given\"", "\"withdrawn\"", 1)).unwrap();
    bundle.refuses("are not what the decision");
    fs::write(&path, good).unwrap();

    for more in ["note.txt", "models/risk/1/extra", "facts/9999.json"] {
        fs::write(bundle.dir.join(more), "x").unwrap();
        bundle.refuses(&format!("{more}: nothing in the log speaks of it"));
        fs::remove_file(bundle.dir.join(more)).unwrap();
    }

    let path = bundle.dir.join("models/risk/1/model.safetensors");
    let good = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    bundle.refuses("models/risk/1/model.safetensors");
    fs::write(&path, &good).unwrap();

    // An entry that is left out, told otherwise, or told twice.
    let path = bundle.dir.join("bundle.json");
    let good = fs::read_to_string(&path).unwrap();
    let edited = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut value: Value = serde_json::from_str(&good).unwrap();
        change(value["opened"].as_array_mut().unwrap());
        fs::write(&path, value.to_string()).unwrap();
    };
    let released = |all: &Vec<Value>| all.iter().position(|o| o["kind"] == "model-released").unwrap();
    edited(&|all| drop(all.remove(released(all))));
    bundle.refuses("(model-released) is left out");
    edited(&|all| {
        let at = released(all);
        let body = all[at]["opening"]["body"].as_str().unwrap().replace("risk/1", "risk/9");
        all[at]["opening"]["body"] = body.into();
    });
    bundle.refuses("is not the one the log committed to");
    edited(&|all| all.push(all[0].clone()));
    bundle.refuses("is there twice");
    edited(&|all| {
        let mut more = all[0].clone();
        more["opening"]["seq"] = 100_000.into();
        all.push(more);
    });
    bundle.refuses("is not in the log");
    fs::write(&path, &good).unwrap();
    assert!(bundle.verify().verified());

    // Without facts nothing names a unit; the decisions are then not made again, and that is said.
    let plain = exported(&workspace, &[]);
    let found = plain.verify();
    assert!(found.verified() && found.not_proved.iter().any(|n| n.contains("2 decisions: the facts")), "{:?}", found.not_proved);
    let mut key = [0; 32];
    hex::decode_to_slice(workspace.read(".reticent/keys/pseudonym.key"), &mut key).unwrap();
    let who = reticent_data::PseudonymKey::from_bytes(key).subject("visits", &person(50)).to_string();
    for file in files(&plain.dir) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(who.len()).any(|w| w == who.as_bytes()), "{}", file.display());
    }
}

#[test]
fn a_bundle_holds_erasure_records_and_none_can_be_left_out() {
    let workspace = Workspace::at(Stage::Trained);
    workspace.done(&["forget", &person(50)]);
    let bundle = exported(&workspace, &[]);
    let found = bundle.verify();
    assert!(found.verified(), "{:?} {:?}", found.findings, found.log.findings);
    assert!(found.checked.iter().any(|c| c.starts_with("1 signed erasure records")), "{:?}", found.checked);
    assert!(!bundle.dir.join("models/risk/1").exists() && bundle.dir.join("models/risk/2").exists());
    let record = bundle.dir.join("erasures/1.json");
    let good = fs::read(&record).unwrap();
    fs::write(&record, &good[..good.len() - 9]).unwrap();
    bundle.refuses("erasures/1.json");
    fs::remove_file(&record).unwrap();
    bundle.refuses("no record of erasure 1");
    fs::write(&record, good).unwrap();
    // Recalled weights are not smuggled back.
    fs::create_dir_all(bundle.dir.join("models/risk/1")).unwrap();
    fs::write(bundle.dir.join("models/risk/1/model.safetensors"), "weights").unwrap();
    bundle.refuses("was recalled and is still there");
}

/// `RETICENT_TEST_MUTATIONS` many changes, 60 otherwise: bits, cuts, removals in any file of the bundle but the manifest's own spacing.
#[test]
fn of_mutated_bundles_none_is_accepted() {
    let count = std::env::var("RETICENT_TEST_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let bundle = exported(&Workspace::at(Stage::Trained), &["--facts"]);
    let all = files(&bundle.dir);
    let mut random = Random(20_261_128);
    for number in 0..count {
        let path = &all[random.below(all.len() as u64) as usize];
        let good = fs::read(path).unwrap();
        let mut bad = good.clone();
        let at = random.below(good.len() as u64) as usize;
        match random.below(3) {
            0 => bad[at] ^= 1 << random.below(7),
            1 => bad.truncate(at),
            _ => bad[at] = b'0' + random.below(10) as u8,
        }
        // Of bundle.json its time and its spacing are signed by nobody.
        let value = |bytes: &[u8]| {
            serde_json::from_slice::<Value>(bytes).ok().map(|mut v| {
                if let Some(map) = v.as_object_mut() {
                    map.remove("made_at");
                }
                v
            })
        };
        if bad == good || (path.ends_with("bundle.json") && value(&bad).is_some() && value(&bad) == value(&good)) {
            continue;
        }
        fs::write(path, &bad).unwrap();
        let found = bundle.verify();
        fs::write(path, &good).unwrap();
        assert!(!found.verified(), "mutation {number} of {} at {at} was accepted", path.display());
    }
    assert!(bundle.verify().verified());
}

/// Yesterday's ledger, log and checkpoint together verify by themselves, and say that this proves nothing; a checkpoint held elsewhere tells.
#[test]
fn officer_rollback_of_ledger_and_log_together_is_seen_with_a_checkpoint_held_elsewhere_alone() {
    let workspace = Workspace::at(Stage::Assessed);
    let yesterday = workspace.copy();
    workspace.done(&["breach", "open", "--nature", "a mail went astray"]);
    let elsewhere = workspace.read("reticent.checkpoint");
    let restored = yesterday.json(&["log", "verify"]);
    assert_eq!(restored["verified"], true);
    assert!(restored["not_proved"].to_string().contains("were not rolled back together"), "{restored:#}");
    yesterday.put("held-elsewhere", &elsewhere);
    let run = yesterday.run(&["log", "verify", "--checkpoint", yesterday.file("held-elsewhere").to_str().unwrap()]);
    assert!(run.code == Some(1) && run.stderr.contains("behind"), "{}", run.stderr);
    // The same by the bundle.
    let bundle = exported(&yesterday, &[]);
    let held: SignedCheckpoint = elsewhere.parse().unwrap();
    assert!(verify_bundle(&bundle.dir, &bundle.key, None).verified());
    let found = verify_bundle(&bundle.dir, &bundle.key, Some(&held));
    assert!(
        !found.verified() && found.log.findings.iter().any(|f| matches!(f.problem, Problem::Behind { .. })),
        "{:?}",
        found.log.findings
    );
}
