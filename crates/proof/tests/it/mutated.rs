//! Mutated logs and records: whatever is done to them, `reticent-verify` accepts none and, of a log, says where.
//!
//! `RETICENT_TEST_MUTATIONS=5000` does as many; a few hundred otherwise.

use reticent_proof::log::{Log, SignedCheckpoint, SigningKey};
use reticent_proof::record::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

fn count() -> usize {
    std::env::var("RETICENT_TEST_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(240)
}

fn entries(n: usize, other: Option<usize>) -> Vec<String> {
    let kind = |i| if other == Some(i) { "withdrawn" } else { "given" };
    (0..n).map(|i| format!(r#"{{"v":1,"kind":"{}","seq":{i},"commitment":"{i:064x}"}}"#, kind(i))).collect()
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

/// Exit code and output of the program.
fn verifier(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_reticent-verify")).args(arguments).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
}

/// Changes bytes in one of many ways; never into themselves.
fn mutate(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    loop {
        let mut changed = bytes.to_vec();
        let at = random.below(bytes.len());
        match random.below(7) {
            0 => changed[at] ^= 1 << random.below(8),
            1 => changed[at] = random.below(256) as u8,
            2 => changed.truncate(at),
            3 => changed.insert(at, random.below(256) as u8),
            4 => drop(changed.remove(at)),
            5 => {
                let (from, to) = (random.below(bytes.len()), random.below(bytes.len()));
                changed.swap(from, to);
            }
            // A piece of the other file of its kind.
            _ => {
                let end = (at + 1 + random.below(40)).min(bytes.len()).min(other.len());
                let at = at.min(end);
                changed[at..end].copy_from_slice(&other[at..end]);
            }
        }
        if changed != bytes {
            return changed;
        }
    }
}

#[test]
fn of_mutated_logs_none_is_accepted_and_each_is_located() {
    let key = SigningKey::from_bytes("reticent/test", &[7; 32]).unwrap();
    let vkey = key.verifying_key().to_string();
    let mut random = Random(20_261_126);
    let (good, fork, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let held: SignedCheckpoint = Log::open(&good).unwrap().publish(&entries(300, None), &key, None).unwrap();
    // The same key signs another history.
    Log::open(&fork).unwrap().publish(&entries(300, Some(7)), &key, None).unwrap();
    let (names, forked) = (files(good.path()), files(fork.path()));
    let checkpoint = work.path().join("held");
    fs::write(&checkpoint, held.to_string()).unwrap();
    let run = |dir: &Path| verifier(&["log", dir.to_str().unwrap(), "--key", &vkey, "--checkpoint", checkpoint.to_str().unwrap()]);
    assert_eq!(run(good.path()).0, 0);
    // As a whole: a fork and a rollback, both properly signed.
    let (code, said) = run(fork.path());
    assert!(code == 1 && said.contains("forked from the checkpoint held elsewhere"), "{said}");
    let back = tempfile::tempdir().unwrap();
    Log::open(&back).unwrap().publish(&entries(299, None), &key, None).unwrap();
    let (code, said) = run(back.path());
    assert!(code == 1 && said.contains("behind the checkpoint held elsewhere"), "{said}");
    for number in 0..count() {
        let file = random.below(names.len());
        let (path, bytes) = (&names[file], fs::read(&names[file]).unwrap());
        let name = path.strip_prefix(good.path()).unwrap().to_str().unwrap();
        let what = random.below(10);
        match what {
            0 => fs::remove_file(path).unwrap(),
            1 => fs::write(path, fs::read(&names[(file + 1) % names.len()]).unwrap()).unwrap(),
            _ => fs::write(path, mutate(&bytes, &fs::read(&forked[file]).unwrap(), &mut random)).unwrap(),
        }
        let (code, said) = run(good.path());
        fs::write(path, bytes).unwrap();
        assert_eq!(code, 1, "mutation {number}, way {what}, of {name} was accepted:\n{said}");
        assert!(said.contains(name), "mutation {number} of {name} was not located:\n{said}");
    }
    assert_eq!(run(good.path()).0, 0, "everything was put back");
}

#[test]
fn of_mutated_records_none_is_accepted() {
    let key = SigningKey::from_bytes("reticent/test", &[7; 32]).unwrap();
    let vkey = key.verifying_key().to_string();
    let dir = tempfile::tempdir().unwrap();
    let record = |request: u64, rows: u64| {
        let opening = Opening {
            seq: 5,
            at: "2026-06-12T08:00:00Z".into(),
            actor: "officer".into(),
            body: format!(r#"{{"kind":"subject-erased","erasure":{request},"dataset":"visits","rows":{rows},"events":2}}"#),
            nonce: "ab".repeat(32),
        };
        let mut entries: Vec<Vec<u8>> = (1..=7).map(|i| format!("entry {i}").into_bytes()).collect();
        entries[4] = opening.entry().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::open(folder.path()).unwrap();
        log.publish(&entries, &key, None).unwrap();
        let erasure = Erasure {
            request,
            at: "2026-06-12T08:00:01Z".into(),
            subject_commitment: "11".repeat(32),
            reason: 'b',
            stores: vec![
                Store { store: "table visits/v1".into(), rows, verified_absent: true },
                Store { store: "ledger".into(), rows: 2, verified_absent: true },
            ],
            events: 2,
            models: vec![],
            recalled: vec![],
            suppression: Suppression { kept: true, why: "so that a later import leaves the unit out".into() },
            recipients_notified: vec![],
            exceptions: vec![],
            left: Left::all([("visits.csv", "the user's own file")]).unwrap(),
            does_not_prove: vec!["that backups hold nothing".into()],
            log: LogEntry::new(opening, &log.prove(4).unwrap()),
            removals: vec![],
        };
        sign_record(erasure, &[], &key).unwrap()
    };
    let (good, other) = (record(3, 4), record(4, 9));
    let path = dir.path().join("record.json");
    let run = || verifier(&["record", path.to_str().unwrap(), "--key", &vkey]);
    fs::write(&path, &good).unwrap();
    let (code, said) = run();
    assert_eq!(code, 0, "{said}");
    let mut random = Random(20_261_127);
    for number in 0..count() {
        let changed = mutate(&good, &other, &mut random);
        fs::write(&path, &changed).unwrap();
        let (code, said) = run();
        assert_ne!(code, 0, "mutation {number} was accepted:\n{said}\n{}", String::from_utf8_lossy(&changed));
    }
}
