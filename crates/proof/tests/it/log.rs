//! The transparency log: golden roots, every flipped byte named, forks refused, proofs that only prove the truth.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use reticent_proof::log::{
    Checkpoint, Error, Hash, InclusionProof, Log, Problem, SignedCheckpoint, SigningKey, Verification, root_of, verify_against, verify_dir,
};

fn key() -> SigningKey {
    SigningKey::from_bytes("reticent/test", &[7; 32]).unwrap()
}

fn entries(n: usize) -> Vec<String> {
    (0..n).map(|i| format!(r#"{{"v":1,"kind":"consent.given","seq":{i},"commitment":"{i:064x}"}}"#)).collect()
}

struct Published {
    dir: tempfile::TempDir,
    log: Log,
    signed: SignedCheckpoint,
}

fn published<E: AsRef<[u8]>>(entries: &[E]) -> Published {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::open(&dir).unwrap();
    let signed = log.publish(entries, &key(), None).unwrap();
    Published { dir, log, signed }
}

impl Published {
    fn verify(&self) -> Verification {
        verify_dir(self.dir.path(), &key().verifying_key(), None)
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.dir.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for item in fs::read_dir(folder).unwrap() {
                let path = item.unwrap().path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found.sort();
        found
    }

    fn name(&self, file: &Path) -> String {
        file.strip_prefix(self.dir.path()).unwrap().to_str().unwrap().to_owned()
    }

    fn bytes(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.files().into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
    }

    /// Breaks one file, expects a finding that names it, and puts it back.
    #[track_caller]
    fn breaks(&self, file: &Path, broken: Option<&[u8]>, what: &str) -> Verification {
        let good = fs::read(file).unwrap();
        match broken {
            Some(bytes) => fs::write(file, bytes).unwrap(),
            None => fs::remove_file(file).unwrap(),
        }
        let verification = self.verify();
        fs::write(file, good).unwrap();
        let name = self.name(file);
        assert!(verification.findings.iter().any(|f| f.file == name), "{name}, {what}: {verification}");
        verification
    }
}

#[test]
fn roots_are_the_rfc_6962_reference_roots() {
    let inputs: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    for (n, root) in [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ] {
        assert_eq!(root_of(&inputs[..n]).to_string(), root);
        let Published { dir, signed, .. } = published(&inputs[..n]);
        assert_eq!(signed.unverified().root.to_string(), root);
        let verification = verify_dir(dir.path(), &key().verifying_key(), Some(&signed));
        assert!(verification.verified(), "{verification}");
        assert_eq!(verification.root.unwrap().to_string(), root);
    }
}

#[test]
fn one_log_grown_entry_by_entry_has_the_oracle_s_root_at_every_size() {
    let all = entries(520);
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::open(&dir).unwrap();
    let mut held = None;
    for size in 0..=520_usize {
        let first = size.saturating_sub(1);
        let signed = log.append(first as u64, &all[first..size], &key(), held.as_ref()).unwrap();
        assert_eq!(signed.unverified(), &Checkpoint { origin: "reticent/test".to_owned(), size: size as u64, root: root_of(&all[..size]) });
        if size % 64 < 2 || size > 515 {
            let verification = verify_against(dir.path(), &key().verifying_key(), held.as_ref(), &all[..size]);
            assert!(verification.verified(), "{size}: {verification}");
        }
        held = Some(signed);
    }
    // grown or published at once: the same files
    let grown = Published { dir, log, signed: held.unwrap() };
    let at_once = published(&all);
    let named = |p: &Published| p.bytes().into_iter().map(|(file, b)| (p.name(&file), b)).collect::<Vec<_>>();
    assert_eq!(named(&grown), named(&at_once));
}

#[test]
fn every_flipped_byte_of_a_small_log_is_found_and_its_file_named() {
    let log = published(&["given", "", "withdrawn", "erased", "x"]);
    for (file, good) in log.bytes() {
        for at in 0..good.len() {
            for flip in [0x01, 0x80, 0x20, 0xff] {
                let mut broken = good.clone();
                broken[at] ^= flip;
                log.breaks(&file, Some(&broken), &format!("byte {at} ^ {flip:#x}"));
            }
        }
    }
    assert!(log.verify().verified());
}

#[test]
fn every_flipped_byte_of_600_entries_is_found_and_its_place_named() {
    let log = published(&entries(600));
    let names: Vec<_> = log.files().iter().map(|file| log.name(file)).collect();
    assert_eq!(
        names,
        [
            "checkpoint",
            "tile/0/000",
            "tile/0/001",
            "tile/0/002.p/88",
            "tile/1/000.p/2",
            "tile/entries/000",
            "tile/entries/001",
            "tile/entries/002.p/88"
        ]
    );
    for (file, good) in log.bytes() {
        let name = log.name(&file);
        // all of the small files, and steps prime to entry and hash lengths through the large ones
        let step = if good.len() < 3000 { 1 } else { (good.len() / 300) | 1 };
        for at in (0..good.len()).step_by(step).chain([good.len() - 1]) {
            let mut broken = good.clone();
            broken[at] ^= 1 << (at % 8);
            let verification = log.breaks(&file, Some(&broken), &format!("byte {at}"));
            let [finding] = &verification.findings[..] else { panic!("{name} byte {at}: {verification}") };
            let place = match (&finding.problem, name.as_str()) {
                (Problem::Hash { index, others: 0, .. }, "tile/0/001") => *index == 256 + at as u64 / 32,
                (Problem::Hash { index, others: 0, .. }, "tile/0/002.p/88") => *index == 512 + at as u64 / 32,
                (Problem::Hash { index, others: 0, .. }, _) => *index == at as u64 / 32,
                // a flipped length shifts what follows it, but the first entry that differs is the flipped one
                (Problem::Entry { entry, .. }, _) => *entry == entry_at(&good, at) + first_of(&name),
                (Problem::Checkpoint { .. }, "checkpoint") => true,
                (Problem::CutOff { entry }, _) => *entry == entry_at(&good, at) + first_of(&name),
                _ => false,
            };
            assert!(place, "{name} byte {at}: {finding}");
        }
    }
    assert!(log.verify().verified());
}

fn first_of(bundle: &str) -> u64 {
    bundle.trim_start_matches("tile/entries/")[..3].parse::<u64>().unwrap() * 256
}

/// Index within the bundle of the entry that byte `at` belongs to.
fn entry_at(bundle: &[u8], at: usize) -> u64 {
    let (mut start, mut index) = (0, 0);
    loop {
        start += 2 + usize::from(u16::from_be_bytes([bundle[start], bundle[start + 1]]));
        if at < start {
            return index;
        }
        index += 1;
    }
}

#[test]
fn truncated_extended_and_deleted_files_are_named() {
    let log = published(&entries(600));
    for (file, good) in log.bytes() {
        let last = good.len() - 1;
        for cut in [0, 1, last / 2, good.len().saturating_sub(32), last] {
            log.breaks(&file, Some(&good[..cut]), &format!("cut to {cut}"));
        }
        for tail in [&b"\0"[..], b"\0\0", b"\n", &[0; 32], b"\0\x01x"] {
            log.breaks(&file, Some(&[&good, tail].concat()), "extended");
        }
        let verification = log.breaks(&file, None, "deleted");
        assert_eq!(verification.findings[0].problem, Problem::Missing);
        // what is left says what is missing: the leaf tile or the bundle stands in for the other
        assert_eq!(verification.root, Some(root_of(&entries(600))));
    }
}

#[test]
fn stray_files_are_named_and_only_our_own_are_removed() {
    let mut log = published(&entries(600));
    let size = 600;
    let strays = ["tile/0/002.p/87", "tile/entries/003", "tile/entries/002.p/88.tmp", "checkpoint.tmp", "notes.txt", "tile/0/1"];
    for stray in strays {
        let path = log.dir.path().join(stray);
        fs::write(path, b"").unwrap();
    }
    let found: Vec<_> = log.verify().findings.into_iter().map(|f| (f.file, f.problem)).collect();
    let mut expected = strays.map(|stray| (stray.to_owned(), Problem::Unexpected { size }));
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found, expected);

    log.log.publish(&entries(600), &key(), None).unwrap();
    let left: Vec<_> = log.verify().findings.into_iter().map(|f| f.file).collect();
    assert_eq!(left, ["notes.txt", "tile/0/1"]);
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_a_file_is_not_followed() {
    let log = published(&entries(3));
    let tile = log.dir.path().join("tile/0/000.p/3");
    let aside = tempfile::tempdir().unwrap();
    fs::rename(&tile, aside.path().join("3")).unwrap();
    std::os::unix::fs::symlink(aside.path().join("3"), &tile).unwrap();
    let found: Vec<_> = log.verify().findings.into_iter().map(|f| (f.file, f.problem)).collect();
    let name = || "tile/0/000.p/3".to_owned();
    assert_eq!(found, [(name(), Problem::Missing), (name(), Problem::NotAFile)]);
}

#[test]
fn a_log_rebuilt_from_reordered_entries_is_seen_through_key_checkpoint_and_ledger() {
    let all = entries(600);
    let honest = published(&all);
    let mut reordered = all.clone();
    reordered.swap(300, 301);

    // another key under the same name
    let thief = SigningKey::from_bytes("reticent/test", &[8; 32]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    Log::open(&dir).unwrap().publish(&reordered, &thief, None).unwrap();
    let verification = verify_dir(dir.path(), &key().verifying_key(), None);
    let messages: Vec<_> = verification.findings.iter().map(ToString::to_string).collect();
    assert_eq!(messages, ["checkpoint: the checkpoint is not signed by the key of `reticent/test`"]);

    // the key's own holder: only a checkpoint held elsewhere, or the ledger, tells
    let forked = published(&reordered);
    assert!(forked.verify().verified());
    let verification = verify_dir(forked.dir.path(), &key().verifying_key(), Some(&honest.signed));
    assert!(matches!(verification.findings[..], [reticent_proof::log::Finding { problem: Problem::Forked { held: 600, .. }, .. }]));
    let verification = verify_against(forked.dir.path(), &key().verifying_key(), None, &all);
    let messages: Vec<_> = verification.findings.iter().map(ToString::to_string).collect();
    assert_eq!(messages, ["ledger: event 300 is not the one the log committed to, nor are 1 more in it"]);
}

#[test]
fn rollback_is_seen_against_a_checkpoint_held_elsewhere_and_only_then() {
    let all = entries(600);
    let grown = published(&all);
    let restored = published(&all[..590]);
    let vkey = key().verifying_key();

    let alone = verify_dir(restored.dir.path(), &vkey, None);
    assert!(alone.verified());
    assert!(alone.not_proved.iter().any(|line| line.contains("without a checkpoint held elsewhere")));

    let held = verify_dir(restored.dir.path(), &vkey, Some(&grown.signed));
    assert_eq!(held.findings.len(), 1);
    assert_eq!(held.findings[0].problem, Problem::Behind { size: 590, held: 600 });
    assert!(!held.not_proved.iter().any(|line| line.contains("rolled back")));

    // the other way round is growth
    assert!(verify_dir(grown.dir.path(), &vkey, Some(&restored.signed)).verified());

    // a held checkpoint that this key never signed says nothing
    let stranger = SigningKey::from_bytes("reticent/other", &[9; 32]).unwrap();
    let stranger = Checkpoint::sign(3, root_of(&all[..3]), &stranger);
    let verification = verify_dir(grown.dir.path(), &vkey, Some(&stranger));
    assert_eq!(verification.findings[0].file, "held checkpoint");

    for (ledger, expected) in [
        (&all[..599], Problem::LedgerBehind { ledger: 599, size: 600 }),
        (&entries(602)[..], Problem::LedgerAhead { ledger: 602, size: 600 }),
    ] {
        let verification = verify_against(grown.dir.path(), &vkey, None, ledger);
        assert_eq!(verification.findings.len(), 1);
        assert_eq!(verification.findings[0].problem, expected);
    }
}

#[test]
fn forks_are_refused_before_anything_is_written() {
    let all = entries(600);
    let mut log = published(&all);
    let before = log.bytes();
    let root = root_of(&all);
    let vkey = key().verifying_key();

    let mut edited = entries(700);
    edited[17] = "edited".to_owned();
    let refused = log.log.publish(&edited, &key(), None).unwrap_err();
    assert!(matches!(refused, Error::Forked { signed_size: 600, signed_root, size: 700, root: forked }
        if signed_root == root && forked == root_of(&edited[..600])));
    let refused = log.log.publish(&all[..599], &key(), None).unwrap_err();
    assert!(matches!(refused, Error::Behind { signed_size: 600, size: 599, .. }));
    let refused = log.log.append(599, &["x"], &key(), None).unwrap_err();
    assert!(matches!(refused, Error::NotNext { first: 599, size: 600 }));

    // the checkpoint held elsewhere counts as much as the one in the folder
    let held = Checkpoint::sign(601, root_of(&entries(601)), &key());
    assert!(matches!(log.log.publish(&all, &key(), Some(&held)), Err(Error::Behind { .. })));
    assert!(matches!(log.log.append(600, &["x"], &key(), Some(&held)), Err(Error::Forked { .. })));

    // and another key does not take a log over
    let thief = SigningKey::from_bytes("reticent/test", &[8; 32]).unwrap();
    assert!(matches!(log.log.publish(&all, &thief, None), Err(Error::NotSigned { .. })));

    let long = vec![b'x'; 65_536];
    assert!(matches!(log.log.append(600, &[&long[..]], &key(), None), Err(Error::EntryTooLong { index: 600, .. })));
    assert_eq!(log.bytes(), before);

    log.log.append(600, &[&long[1..]], &key(), Some(&log.signed)).unwrap();
    assert!(verify_dir(log.dir.path(), &vkey, Some(&log.signed)).verified());
}

#[test]
fn publishing_again_rebuilds_every_damaged_file_and_writes_nothing_else() {
    let all = entries(600);
    let mut log = published(&all);
    let good = log.bytes();
    for (file, _) in good.iter().filter(|(file, _)| !file.ends_with("checkpoint")) {
        let mtimes: Vec<_> = good.iter().map(|(f, _)| (f, fs::metadata(f).unwrap().modified().unwrap())).collect();
        fs::write(file, b"garbage").unwrap();
        log.log.publish(&all, &key(), None).unwrap();
        assert_eq!(log.bytes(), good);
        for (other, mtime) in mtimes.into_iter().filter(|(f, _)| *f != file) {
            assert_eq!(fs::metadata(other).unwrap().modified().unwrap(), mtime);
        }
    }
    // a damaged checkpoint might have been a later one: that is for a person to decide
    fs::write(log.dir.path().join("checkpoint"), b"garbage").unwrap();
    assert!(matches!(log.log.publish(&all, &key(), None), Err(Error::Checkpoint { .. })));
    fs::remove_file(log.dir.path().join("checkpoint")).unwrap();
    log.log.publish(&all, &key(), Some(&log.signed)).unwrap();
    assert_eq!(log.bytes(), good);
}

#[test]
fn appending_to_damaged_hashes_is_refused() {
    for file in ["tile/0/000", "tile/0/002.p/88", "tile/entries/002.p/88"] {
        let log = published(&entries(600));
        let path = log.dir.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        bytes[40] ^= 1;
        fs::write(&path, bytes).unwrap();
        let refused = Log::open(&log.dir).unwrap().append(600, &["x"], &key(), None).unwrap_err();
        assert!(matches!(refused, Error::Damaged { .. }), "{file}: {refused}");
    }
}

#[test]
fn damage_to_bundle_and_tile_of_one_place_is_found_in_both() {
    let log = published(&entries(600));
    for file in ["tile/0/001", "tile/entries/001"] {
        let path = log.dir.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        bytes[40] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let found = log.verify();
    let files: Vec<_> = found.findings.iter().map(|f| f.file.as_str()).collect();
    assert_eq!(files, ["tile/entries/001", "tile/0/001", "tile/1/000.p/2", "checkpoint"], "{found}");
}

#[test]
fn a_size_from_outside_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    for size in [1_000_000_000, 1 << 48] {
        let signed = Checkpoint::sign(size, Hash([3; 32]), &key());
        fs::write(dir.path().join("checkpoint"), signed.to_string()).unwrap();
        let verification = verify_dir(dir.path(), &key().verifying_key(), None);
        assert!(!verification.verified() && verification.findings.len() < 2000);
        let log = Log::open(&dir).unwrap();
        assert!(matches!(log.prove(5), Err(Error::Damaged { .. })));
    }
    let signed = Checkpoint::sign((1 << 48) + 1, Hash([3; 32]), &key());
    assert!(signed.to_string().parse::<SignedCheckpoint>().is_err());
}

#[test]
fn a_witness_s_line_does_not_disturb_a_held_checkpoint() {
    let log = published(&entries(3));
    let witnessed = format!("{}— witness.example AAAAAAAAAAAAAAAAAAAA\n", log.signed);
    let held: SignedCheckpoint = witnessed.parse().unwrap();
    assert_eq!(held.to_string(), witnessed);
    assert!(verify_dir(log.dir.path(), &key().verifying_key(), Some(&held)).verified());
    // inside the folder every byte must be accounted for
    fs::write(log.dir.path().join("checkpoint"), witnessed).unwrap();
    assert_eq!(log.verify().findings[0].problem, Problem::ForeignSignatures { lines: 1 });
}

#[test]
fn every_entry_of_every_small_log_has_a_proof_and_no_other() {
    for size in [1, 2, 3, 7, 8, 255, 256, 257, 300] {
        let all = entries(size);
        let log = published(&all);
        for index in (0..size).step_by(1 + size / 20) {
            let proof = log.log.prove(index as u64).unwrap();
            assert_eq!(proof.check(all[index].as_bytes(), &key().verifying_key()).unwrap(), log.signed.unverified());
            assert!(proof.check(b"another", &key().verifying_key()).is_err());
        }
        assert!(matches!(log.log.prove(size as u64), Err(Error::NoEntry { .. })));
    }
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Log::open(&dir).unwrap().prove(0), Err(Error::Unpublished { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_proof_survives_its_text_form_and_no_change(
        all in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..700),
        index: prop::sample::Index,
        other: prop::sample::Index,
        bit in 0..256_usize,
    ) {
        let log = published(&all);
        let index = index.index(all.len());
        let vkey = key().verifying_key();
        let proof = log.log.prove(index as u64).unwrap();
        let read: InclusionProof = proof.to_string().parse().unwrap();
        prop_assert_eq!(&read, &proof);
        prop_assert!(read.check(&all[index], &vkey).is_ok());

        let other = other.index(all.len());
        if all[other] != all[index] {
            prop_assert!(proof.check(&all[other], &vkey).is_err());
        }
        let moved = InclusionProof { index: other as u64, ..proof.clone() };
        prop_assert_eq!(moved.check(&all[index], &vkey).is_ok(), other == index);
        for at in 0..proof.hashes.len() {
            let mut bent = proof.clone();
            bent.hashes[at].0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(bent.check(&all[index], &vkey).is_err());
            let mut short = proof.clone();
            short.hashes.remove(at);
            prop_assert!(short.check(&all[index], &vkey).is_err());
        }
    }

    #[test]
    fn foreign_text_is_refused_or_means_itself(text in "\\PC{0,80}|(c2sp.org/tlog-proof@v1\n)?(index [0-9]{1,21}\n)?[A-Za-z0-9+/=\n— ]{0,200}") {
        if let Ok(read) = text.parse::<InclusionProof>() {
            prop_assert_eq!(read.to_string(), text.clone());
        }
        if let Ok(read) = text.parse::<SignedCheckpoint>() {
            prop_assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn growing_in_any_steps_gives_the_oracle_s_root(steps in proptest::collection::vec(0..300_usize, 1..6)) {
        let all = entries(steps.iter().sum());
        let dir = tempfile::tempdir().unwrap();
        let (mut first, mut held) = (0, None);
        for step in steps {
            // a fresh process each time
            let mut log = Log::open(&dir).unwrap();
            held = Some(log.append(first as u64, &all[first..first + step], &key(), held.as_ref()).unwrap());
            first += step;
        }
        let verification = verify_against(dir.path(), &key().verifying_key(), held.as_ref(), &all);
        prop_assert!(verification.verified(), "{}", verification);
        prop_assert_eq!(verification.root.unwrap(), root_of(&all));
    }
}

fn reticent_verify(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_reticent-verify")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_program_says_what_it_found_and_what_it_does_not_prove() {
    let log = published(&["given", "withdrawn"]);
    let (dir, vkey) = (log.dir.path().to_str().unwrap(), key().verifying_key().to_string());
    let aside = tempfile::tempdir().unwrap();
    let aside = |name: &str| aside.path().join(name).to_str().unwrap().to_owned();
    fs::write(aside("vkey"), format!("{vkey}\n")).unwrap();
    fs::write(aside("held"), log.signed.to_string()).unwrap();

    let (code, out, err) = reticent_verify(&["log", dir, "--key", &vkey]);
    assert_eq!((code, err.as_str()), (0, ""));
    let expected = format!(
        "log reticent/test\nsize 2\nroot {}\n\
         verified: every file follows from the entries, and the checkpoint is signed by the key\n\
         what this does not prove:\n",
        root_of(&["given", "withdrawn"])
    );
    assert!(out.starts_with(&expected), "{out}");
    assert!(out.contains("without a checkpoint held elsewhere this cannot be seen"));

    let (code, out, _) = reticent_verify(&["log", dir, "--key", &aside("vkey"), "--checkpoint", &aside("held"), "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["verified"], &json["schema_version"]), (0, &true.into(), &1.into()));

    fs::write(log.dir.path().join("tile/entries/000.p/2"), b"\0\x05given\0\x09WITHDRAWN").unwrap();
    let (code, out, _) = reticent_verify(&["log", dir, "--key", &vkey]);
    assert_eq!(code, 1);
    assert!(out.contains("  tile/entries/000.p/2: entry 1 is not the one the log committed to\n"), "{out}");
    let (code, out, _) = reticent_verify(&["log", dir, "--key", &vkey, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["findings"][0]["problem"]["kind"]), (1, &"entry".into()));

    for usage in [
        &[][..],
        &["ledger"],
        &["log"],
        &["log", dir],
        &["log", dir, "--key"],
        &["log", dir, "--key", "neither+key+nor-file"],
        &["log", dir, "--key", &vkey, "--quiet"],
        &["log", dir, dir, "--key", &vkey],
        &["log", "no/such/folder", "--key", &vkey],
        &["log", dir, "--key", &vkey, "--checkpoint", "no/such/file"],
    ] {
        let (code, out, err) = reticent_verify(usage);
        assert_eq!((code, out.as_str()), (2, ""), "{usage:?}");
        assert!(err.starts_with("error: ") && err.contains("\nusage: "), "{err}");
    }
    assert_eq!(reticent_verify(&["--help"]).0, 0);
}
