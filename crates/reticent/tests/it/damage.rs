//! Damaged, swapped and rolled-back files: found, named, and never taken for granted.

use crate::workspace::{Stage, TRAIN, Workspace};
use insta::assert_snapshot;
use std::fs;

fn flip(workspace: &Workspace, name: &str, at: usize) {
    let mut bytes = fs::read(workspace.file(name)).unwrap();
    bytes[at] ^= 1;
    fs::write(workspace.file(name), bytes).unwrap();
}

/// Changes one letter of `from`, wherever it stands in the bytes of a file.
fn alter(workspace: &Workspace, name: &str, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(workspace.file(name)).unwrap();
    let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap_or_else(|| panic!("{name} has no {from:?}"));
    bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    fs::write(workspace.file(name), bytes).unwrap();
}

const READERS: [&[&str]; 4] = [&["status"], &["budget"], &["log", "verify"], &["predict", "visits.csv"]];
const WRITERS: [&[&str]; 5] = [&["import"], &["consent", "import"], &["assess", "--plan"], &TRAIN, &["report"]];

#[test]
fn one_flipped_bit_in_any_file_of_the_log_is_found_and_named() {
    let whole = Workspace::at(Stage::Trained);
    let names: Vec<String> = whole.files().into_keys().filter(|n| n.starts_with(".reticent/log/") || n == "reticent.checkpoint").collect();
    assert!(names.len() >= 4, "{names:?}");
    let mut checked = 0;
    for name in names {
        let length = fs::metadata(whole.file(&name)).unwrap().len() as usize;
        for at in [0, length / 2, length - 1] {
            if length == 0 {
                continue;
            }
            let workspace = Workspace::at(Stage::Trained);
            flip(&workspace, &name, at);
            let run = workspace.run(&["log", "verify"]);
            assert_eq!(run.code, Some(1), "{name} at {at}: {}{}", run.stdout, run.stderr);
            let short = name.strip_prefix(".reticent/log/").unwrap_or(&name);
            assert!(run.stderr.contains(short), "{name} at {at} is not named: {}", run.stderr);
            checked += 1;
        }
    }
    assert!(checked >= 12, "{checked}");
}

#[test]
fn a_missing_tile_is_named_and_rebuilt_by_the_next_writer() {
    let workspace = Workspace::at(Stage::Trained);
    let tile = workspace.files().into_keys().find(|n| n.starts_with(".reticent/log/") && n.contains("tile/0/")).unwrap();
    fs::remove_file(workspace.file(&tile)).unwrap();
    let run = workspace.run(&["log", "verify"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains(tile.strip_prefix(".reticent/log/").unwrap()), "{}", run.stderr);
    workspace.done(&["consent", "import"]);
    workspace.done(&["log", "verify"]);
}

#[test]
fn a_letter_changed_in_an_event_is_found_and_the_event_named() {
    let workspace = Workspace::at(Stage::Trained);
    // Event 2 is the import; 300 records become 200.
    alter(&workspace, ".reticent/ledger.db", "\"records\":300", "\"records\":200");
    let run = workspace.run(&["log", "verify"]);
    assert_eq!(run.code, Some(1));
    assert_snapshot!(run.refusal(), @"
    exit 1
    error: the log does not verify: 1 finding
      ledger: event 2 is not the one committed to

    hint: tiles can be rebuilt from an undamaged ledger by any verb that writes; a damaged event cannot
    ");
}

#[test]
fn a_letter_changed_in_a_consent_is_found() {
    let workspace = Workspace::at(Stage::Trained);
    alter(&workspace, ".reticent/ledger.db", "\"state\":\"withdrawn\"", "\"state\":\"withdrawm\"");
    let run = workspace.run(&["log", "verify"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("ledger: event "), "{}", run.stderr);
}

/// Charges are counted from a table of their own; it must say what the events say.
#[test]
fn a_changed_charge_is_found() {
    let workspace = Workspace::at(Stage::Trained);
    let budget = workspace.budget().unwrap();
    let (before, after) = (budget.charges[0].1, budget.charges[0].1 / 2.0);
    // SQLite keeps a number as eight bytes, the highest first.
    let mut bytes = fs::read(workspace.file(".reticent/ledger.db")).unwrap();
    let places: Vec<usize> = bytes.windows(8).enumerate().filter(|(_, w)| *w == before.to_be_bytes()).map(|(at, _)| at).collect();
    for at in places {
        bytes[at..at + 8].copy_from_slice(&after.to_be_bytes());
    }
    fs::write(workspace.file(".reticent/ledger.db"), bytes).unwrap();
    assert!(workspace.budget().unwrap().spent < budget.spent, "the table was changed");
    let run = workspace.run(&["log", "verify"]);
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("ledger: the charge of run"), "{}", run.stderr);
}

#[test]
fn a_ledger_behind_its_checkpoint_is_refused_by_every_verb() {
    let workspace = Workspace::at(Stage::Assessed);
    let old = fs::read(workspace.file(".reticent/ledger.db")).unwrap();
    workspace.done(&TRAIN);
    fs::write(workspace.file(".reticent/ledger.db"), &old).unwrap();
    let before = workspace.files();
    for args in READERS.iter().chain(&WRITERS) {
        let run = workspace.run(args);
        assert_eq!(run.code, Some(3), "{args:?} {}{}", run.stdout, run.stderr);
        insta::allow_duplicates! { assert_snapshot!(run.refusal(), @"
        exit 3
        error: the ledger is behind its checkpoint: it holds 116 events where 124 were signed

        hint: this looks like a restored backup, which would under-count the budget: bring back the newer .reticent/ledger.db
        "); }
        assert!(workspace.files() == before, "{args:?}");
    }
}

/// The whole hidden folder from a backup: the checkpoint kept apart still tells.
#[test]
fn a_restored_backup_is_refused() {
    let old = Workspace::at(Stage::Assessed).files();
    let workspace = Workspace::at(Stage::Assessed);
    workspace.done(&TRAIN);
    fs::remove_dir_all(workspace.file(".reticent")).unwrap();
    for (name, bytes) in old.iter().filter(|(n, _)| n.starts_with(".reticent/")) {
        let path = workspace.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    for args in [&["budget"][..], &TRAIN] {
        assert_eq!(workspace.run(args).code, Some(3), "{args:?}");
    }
}

/// Without its ledger a workspace would start over with a full budget.
#[test]
fn a_removed_ledger_is_refused() {
    let workspace = Workspace::at(Stage::Trained);
    fs::remove_file(workspace.file(".reticent/ledger.db")).unwrap();
    let run = workspace.run(&["import"]);
    assert_eq!(run.code, Some(3), "{}{}", run.stdout, run.stderr);
}

#[test]
fn garbage_in_place_of_the_ledger() {
    for (what, bytes) in [("text", b"this is no database, though it is long enough to look like one".repeat(20)), ("zeros", vec![0; 8192])]
    {
        let workspace = Workspace::at(Stage::Trained);
        fs::write(workspace.file(".reticent/ledger.db"), &bytes).unwrap();
        for args in READERS.iter().chain(&WRITERS) {
            let run = workspace.run(args);
            assert!(matches!(run.code, Some(1 | 3)), "{what}: {args:?} {:?} {}{}", run.code, run.stdout, run.stderr);
            assert!(run.stderr.starts_with("error: the ledger "), "{what}: {args:?} {}", run.stderr);
        }
    }
    let workspace = Workspace::at(Stage::Trained);
    workspace.put(".reticent/ledger.db", "this is no database");
    assert_snapshot!(workspace.run(&["status"]).refusal(), @"
    exit 1
    error: the ledger cannot be used: error returned from database: (code: 26) file is not a database

    hint: where the disk is full, free some space; where the file is damaged, bring back the newest .reticent/ledger.db: an older one is refused
    ");
}

#[test]
fn a_ledger_of_a_newer_program() {
    let workspace = Workspace::at(Stage::Trained);
    let mut bytes = fs::read(workspace.file(".reticent/ledger.db")).unwrap();
    bytes[60..64].copy_from_slice(&5_u32.to_be_bytes());
    fs::write(workspace.file(".reticent/ledger.db"), bytes).unwrap();
    let before = workspace.files();
    for args in READERS.iter().chain(&WRITERS) {
        let run = workspace.run(args);
        assert_eq!(run.code, Some(1), "{args:?}");
        insta::allow_duplicates! { assert_snapshot!(run.refusal(), @"
        exit 1
        error: the ledger has format 5, this program knows up to 4

        hint: use the newer program for this workspace
        "); }
    }
    assert!(workspace.files() == before);
}

#[test]
fn garbage_in_place_of_the_table() {
    let workspace = Workspace::at(Stage::Assessed);
    workspace.put(".reticent/data/visits/v1/table.parquet", "this is no table");
    let run = workspace.run(&TRAIN);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_snapshot!(run.refusal(), @"
    exit 1
    error: table.parquet: Parquet error: Invalid Parquet file. Corrupt footer

    hint: bring the file back from your backup; `reticent log verify` tells what else differs
    ");
    assert!(workspace.budget().is_none());
}

/// A table that reads well and is not the one on record.
#[test]
fn another_table_than_was_imported() {
    let workspace = Workspace::at(Stage::Assessed);
    let other = Workspace::at(Stage::Bare);
    other.edit("visits.csv", ",no,free text", ",yes,free text");
    fs::copy(workspace.file(".reticent/keys/pseudonym.key"), other.file("key")).unwrap();
    fs::create_dir_all(other.file(".reticent/keys")).unwrap();
    fs::rename(other.file("key"), other.file(".reticent/keys/pseudonym.key")).unwrap();
    other.done(&["import"]);
    let table = ".reticent/data/visits/v1/table.parquet";
    fs::copy(other.file(table), workspace.file(table)).unwrap();
    let run = workspace.run(&TRAIN);
    assert_ne!(run.code, Some(0), "{}", run.stdout);
    assert!(workspace.budget().is_none());
}

#[test]
fn garbage_in_place_of_the_manifest() {
    let workspace = Workspace::at(Stage::Assessed);
    workspace.put(".reticent/data/visits/v1/manifest.json", "{");
    let run = workspace.run(&TRAIN);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("manifest.json is damaged"), "{}", run.stderr);
}

#[test]
fn a_changed_model_scores_nothing() {
    let file = "visits.csv";
    for name in ["model.safetensors", "manifest.json"] {
        let workspace = Workspace::at(Stage::Trained);
        let path = format!(".reticent/models/risk/1/{name}");
        let length = fs::metadata(workspace.file(&path)).unwrap().len() as usize;
        flip(&workspace, &path, length - 10);
        let run = workspace.run(&["predict", workspace.file(file).to_str().unwrap()]);
        assert_eq!(
            run.refusal(),
            format!("exit 3\nerror: {name} of risk/1 is not what was released\n\nhint: bring the released file back, or train again\n")
        );
        assert_eq!(workspace.run(&["report"]).code, Some(3));
        let verify = workspace.run(&["log", "verify"]);
        assert!(verify.code == Some(1) && verify.stderr.contains(&format!("models/risk/1/{name}")), "{}", verify.stderr);
    }
}

/// Pseudonyms under another key would name nobody: a withdrawal would reach no row.
#[test]
fn a_lost_pseudonym_key_is_no_reason_for_a_new_one() {
    let workspace = Workspace::at(Stage::Consented);
    fs::remove_file(workspace.file(".reticent/keys/pseudonym.key")).unwrap();
    let before = workspace.files();
    for args in [&["consent", "import"][..], &["import"]] {
        let run = workspace.run(args);
        assert_eq!(run.code, Some(1), "{args:?} {}{}", run.stdout, run.stderr);
        insta::allow_duplicates! { assert_snapshot!(run.refusal(), @"
        exit 1
        error: DIR/.reticent/keys/pseudonym.key is gone: without it nobody in the data can be recognised again

        hint: bring the key file back from your backup
        "); }
        assert!(workspace.files() == before, "{args:?}");
    }
}

/// A log signed by another key from here on would verify for nobody who holds the old one.
#[test]
fn a_lost_log_key_is_no_reason_for_a_new_one() {
    let workspace = Workspace::at(Stage::Consented);
    fs::remove_file(workspace.file(".reticent/keys/log.key")).unwrap();
    let before = workspace.files();
    for args in [&["import"][..], &["log", "verify"]] {
        let run = workspace.run(args);
        assert_eq!(run.code, Some(1), "{args:?} {}{}", run.stdout, run.stderr);
        insta::allow_duplicates! { assert_snapshot!(run.refusal(), @"
        exit 1
        error: DIR/.reticent/keys/log.key is gone: a log signed by a new key would verify for nobody who holds the old checkpoint

        hint: bring the key file back from your backup
        "); }
        assert!(workspace.files() == before, "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let workspace = Workspace::at(Stage::Trained);
    let mode = |name: &str| fs::metadata(workspace.file(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(".reticent/keys/pseudonym.key"), mode(".reticent/keys/log.key")), (0o600, 0o600));
    let fresh = Workspace::bare();
    fresh.done(&["import"]);
    assert_eq!(fs::metadata(fresh.file(".reticent")).unwrap().permissions().mode() & 0o777, 0o700);
}
