//! One unit out of everything: what stays is what the record names, and it stays out.

use crate::workspace::{CONFIG, Random, Stage, TRAIN, Workspace, command, consents, person, rows};
use reticent_data::{Feature, Manifest, PseudonymKey, read_parquet};
use reticent_govern::{Actor, BasisDetail, BasisEvent, BasisKind};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

pub(crate) const SUBJECT: &str = "marker-subject-of-nowhere";
const RECORD: &str = "marker-record-";
const VALUE: f64 = 137.812_345_678_9;

/// The workspace of the other tests with one person more: three rows with record ids and a value that nobody else has, and a consent.
fn marked() -> Workspace {
    marked_with("")
}

const REMOVABLE: &str = r#"
[models.removable]
data = "visits"
purpose = "care"
kind = "certified-logistic"
certified = { epsilon = 1.0, lambda = 0.05, max_rows_per_subject = 5 }
"#;

fn marked_with(models: &str) -> Workspace {
    let config = CONFIG.replace("record = \"visit\"", "").replace("subject = \"patient\"", "subject = \"patient\"\nrecord = \"visit\"");
    let config = config + models;
    let more: String = (1..=3).map(|i| format!("{RECORD}{i},{SUBJECT},41,f,{VALUE},no,free text\n")).collect();
    Workspace::with(&config, &(rows() + &more), &(consents() + &format!("{SUBJECT},care,given,2024-03-01,2024-1,a,a\n")))
}

fn reported() -> Workspace {
    let workspace = trained();
    workspace.done(&["report"]);
    workspace
}

pub(crate) fn trained() -> Workspace {
    let workspace = marked();
    for step in [&["import"][..], &["consent", "import"], &["assess", "--plan"], &TRAIN] {
        workspace.done(step);
    }
    workspace
}

fn pseudonym(workspace: &Workspace) -> reticent_data::SubjectId {
    let mut key = [0; 32];
    hex::decode_to_slice(workspace.read(".reticent/keys/pseudonym.key"), &mut key).unwrap();
    PseudonymKey::from_bytes(key).subject("visits", SUBJECT)
}

/// Files that hold any trace of the marked unit: as bytes, or in a decoded table.
pub(crate) fn holders(workspace: &Workspace) -> Vec<String> {
    let id = pseudonym(workspace);
    let needles: [Vec<u8>; 6] = [
        SUBJECT.into(),
        id.to_string().into(),
        id.as_bytes().to_vec(),
        RECORD.into(),
        VALUE.to_le_bytes().to_vec(),
        VALUE.to_string().into(),
    ];
    let raw = |bytes: &[u8]| needles.iter().any(|n| bytes.windows(n.len()).any(|w| w == n));
    let decoded = |name: &str| {
        let path = workspace.file(name);
        let manifest = fs::read(path.with_file_name("manifest.json")).unwrap();
        let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
        let table = read_parquet(&path, &manifest.schema).unwrap();
        let value = |i| matches!(table.feature(i), Feature::Number(v) if v.contains(&VALUE));
        table.subjects().contains(&id)
            || table.records().iter().any(|r| r.starts_with(RECORD))
            || (0..manifest.schema.columns.len()).any(value)
    };
    let files = workspace.files().into_iter();
    files.filter(|(name, bytes)| raw(bytes) || (name.ends_with(".parquet") && decoded(name))).map(|(name, _)| name).collect()
}

pub(crate) const SOURCES: [&str; 2] = ["consent.csv", "visits.csv"];

fn verify(workspace: &Workspace, number: u64) -> Value {
    let (file, key) = (format!(".reticent/erasures/{number}.json"), workspace.read(".reticent/log.vkey"));
    // No workspace is needed: it runs in an empty folder.
    let empty = tempfile::tempdir().unwrap();
    let path = workspace.file(&file);
    let args = ["forget", "verify", path.to_str().unwrap(), "--key", key.trim(), "--json", "--dir", empty.path().to_str().unwrap()];
    let run = crate::workspace::Run::of(&mut command(args), empty.path());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.json()
}

/// Art 17(3)(e): under a hold the unit is kept and restricted, which excludes it everywhere; afterwards the same request erases.
#[test]
fn officer_erasure_a_legal_hold_turns_it_into_a_restriction() {
    let workspace = marked();
    for step in [&["import"][..], &["consent", "import"], &["assess", "--plan"]] {
        workspace.done(step);
    }
    let hold = |until: &str| {
        let entry = format!(
            r#"{{"register": "legal-hold", "id": "case 7", "from": "2026-01-01", {until} "dataset": "visits", "reason": "a claim", "ordered_by": "court"}}"#
        );
        workspace.put("holds.json", &entry);
        workspace.done(&["register", "import", workspace.file("holds.json").to_str().unwrap()]);
    };
    hold("");
    for _ in 0..2 {
        let run = workspace.run(&["forget", SUBJECT]);
        assert_eq!(run.code, Some(3), "{}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains("a legal hold stands on `visits` (case 7): nothing of it is erased"), "{}", run.stderr);
        assert!(!workspace.file(".reticent/erasures/1.json").exists());
    }
    let run = workspace.run(&["forget", "nobody-of-that-name"]);
    assert_eq!(run.code, Some(0), "who is not held is answered as ever: {}", run.stderr);
    let explained = workspace.run(&["gate", "explain", SUBJECT, "--subject", "--purpose", "care"]);
    assert!(explained.stdout.contains("restricted"), "{}{}", explained.stdout, explained.stderr);
    let mut ledger = workspace.ledger();
    let restrictions = ledger.basis_events("visits", None).unwrap().into_iter().filter(|e| e.state == BasisKind::Restricted);
    assert_eq!(restrictions.count(), 1, "said once, however often it is asked");
    drop(ledger);
    hold(r#""until": "2026-01-02","#);
    let answer = workspace.json(&["forget", SUBJECT, "--no-retrain"]);
    assert_eq!(answer["held"], true);
    assert_eq!(holders(&workspace), SOURCES);
}

#[test]
fn what_stays_of_a_unit_is_what_the_record_names() {
    let workspace = reported();
    let before = holders(&workspace);
    assert_eq!(
        before,
        [".reticent/data/visits/v1/table.parquet", ".reticent/ledger.db", "consent.csv", "visits.csv"],
        "there is something to remove"
    );
    let spent = workspace.budget().unwrap().spent;
    let privacy = workspace.json(&["status"])["privacy"][0]["epsilon_upper"].as_f64().unwrap();

    let answer = workspace.json(&["forget", SUBJECT, "--reason", "b"]);
    let erasure = &answer["erasure"];
    assert_eq!(holders(&workspace), SOURCES, "but for the user's own files");
    for own in SOURCES {
        assert!(erasure["left"].as_array().unwrap().iter().any(|l| l["what"] == own), "{own} is named as left");
    }
    let left = erasure["left"].to_string();
    for named in ["reticent.suppressed", "commitments", "backups", "blocks of the file system", "copies of risk/1", ".reticent/evidence"] {
        assert!(left.contains(named), "{named} is not in {left}");
    }
    let stores = erasure["stores"].as_array().unwrap();
    assert!(stores.iter().all(|s| s["verified_absent"] == true), "{stores:?}");
    let counts: Vec<u64> = stores.iter().map(|s| s["rows"].as_u64().unwrap()).collect();
    assert_eq!(counts[..2], [1, 3], "one event, three rows");
    let models = &erasure["models"];
    assert_eq!((models[0]["before"].as_str(), models[0]["after"].as_str()), (Some("risk/1"), Some("risk/2")), "{models}");
    // What was set aside is what was taken: nothing more is spent, and the statement is what it was.
    assert!((workspace.budget().unwrap().spent - spent).abs() < 1e-12);
    let stated = models[0]["statement"]["epsilon"].as_f64().unwrap();
    assert!(stated == privacy && models[0]["statement"]["joint"] == serde_json::json!(["risk/1", "risk/2"]), "{models}");

    assert!(!workspace.file("report.html").exists() && !workspace.file(".reticent/models/risk/1/model.safetensors").exists());
    let verified = workspace.json(&["log", "verify"]);
    assert_eq!(verified["verified"], true);
    let record = verify(&workspace, 1);
    assert_eq!((&record["verified"], &record["erasure"]["left"]), (&Value::Bool(true), &erasure["left"]));
    assert!(record["does_not_prove"].as_array().unwrap().len() >= 5);
    assert_eq!(Path::new(erasure["record"].as_str().unwrap()), workspace.file(".reticent/erasures/1.json"));

    // The same file again leaves the unit out, and says so.
    let again = workspace.json(&["import"]);
    assert_eq!((&again["imported"][0]["version"], &again["imported"][0]["suppressed"]["units"]), (&"visits/v2".into(), &1.into()));
    let events = workspace.json(&["consent", "import"]);
    assert_eq!((events["written"].as_u64(), events["known"].as_u64(), events["suppressed"].as_u64()), (Some(0), Some(112), Some(1)));
    workspace.edit("visits.csv", "1000,", "5000,");
    let changed = workspace.json(&["import"]);
    assert_eq!((&changed["imported"][0]["version"], changed["imported"][0]["records"].as_u64()), (&"visits/v3".into(), Some(300)));
    assert_eq!(holders(&workspace), SOURCES);
    workspace.put("new.csv", "pressure,sex,age\n120,f,30\n");
    let file = workspace.file("new.csv");
    assert_eq!(workspace.json(&["predict", file.to_str().unwrap()])["model"], "risk/2");
    workspace.done(&["report"]);
    assert_eq!(holders(&workspace), SOURCES);
}

const STATE: &str = ".reticent/certified/removable/state.json";

/// A workspace with a model for removals that learned from the marked unit. The pseudonyms are drawn anew each time, and one unit in four is
/// held out for the test: 40 draws leave it out of all with a probability of 1e-24.
fn removable() -> Workspace {
    let trained = |_| {
        let workspace = marked_with(REMOVABLE);
        for step in
            [&["import"][..], &["consent", "import"], &["assess", "--plan"], &["train", "removable", "--exclude", "no-art9-condition"]]
        {
            workspace.done(step);
        }
        workspace
    };
    (0..40).map(trained).find(|w| holders(w).iter().any(|held| held == STATE)).unwrap()
}

/// A model for removals is not trained again: the unit is taken out of it, and the record says within which bound.
#[test]
fn a_model_for_removals_is_rid_of_the_unit_too() {
    let workspace = removable();
    let weights = |text: &str| serde_json::from_str::<Value>(text).unwrap()["standing"]["state"]["weights"].clone();
    let before = weights(&workspace.read(STATE));

    let answer = workspace.json(&["forget", SUBJECT]);
    assert_eq!(holders(&workspace), SOURCES);
    assert_ne!(weights(&workspace.read(STATE)), before);
    let removal = &answer["erasure"]["removals"][0];
    assert_eq!((removal["model"].as_str(), removal["outcome"].as_str()), (Some("removable"), Some("removed")), "{removal}");
    assert_eq!(removal["record"]["removals"][0]["commitment"], answer["erasure"]["subject_commitment"]);
    let verified = verify(&workspace, 1);
    let checked = verified["checked"].to_string();
    assert!(checked.contains("removable: 1 removals within ε = 1, δ = 1e-5, their residuals recomputed"), "{checked}");
    workspace.done(&["log", "verify"]);

    // Another goes: the model was trained on rows that are there but for the first.
    let second = workspace.json(&["forget", &person(60)]);
    let record = &second["erasure"]["removals"][0]["record"];
    assert!(second["erasure"]["removals"].as_array().unwrap().is_empty() || record["removals_so_far"] == 2, "{record}");
    assert_eq!(verify(&workspace, 2)["verified"], true);
}

/// Yesterday's folder brings the unit back into the model for removals as well: both are cleaned before the first read.
#[test]
fn a_restored_model_for_removals_is_cleaned_too() {
    let workspace = removable();
    let (all, checkpoint) = (copy(&workspace, ".reticent/"), copy(&workspace, "reticent.checkpoint"));
    workspace.done(&["forget", SUBJECT]);
    fs::remove_dir_all(workspace.file(".reticent")).unwrap();
    restore(&workspace, &all);
    restore(&workspace, &checkpoint);
    assert!(holders(&workspace).len() > SOURCES.len());
    workspace.done(&["status"]);
    assert_eq!(holders(&workspace), SOURCES);
    assert_eq!(verify(&workspace, 1)["erasure"]["removals"][0]["outcome"], "removed");
    workspace.done(&["log", "verify"]);
}

/// Whether somebody was never there or was taken out before: nobody can tell by asking.
#[test]
fn who_was_taken_out_and_who_never_was_get_one_answer() {
    let workspace = trained();
    workspace.done(&["forget", SUBJECT, "--no-retrain"]);
    let before = workspace.files();
    let (again, never) = (workspace.done(&["forget", SUBJECT]), workspace.done(&["forget", "nobody-at-all"]));
    assert_eq!((&again.stdout, &again.stderr), (&never.stdout, &never.stderr));
    assert_eq!(workspace.json(&["forget", SUBJECT])["erasure"], Value::Null);
    assert!(workspace.files() == before, "nothing is written");
    let by_pseudonym = workspace.done(&["forget", "--pseudonym", &pseudonym(&workspace).to_string()]);
    assert_eq!(by_pseudonym.stdout, again.stdout);
}

#[test]
fn a_recalled_release_is_refused_until_another_takes_its_place() {
    let workspace = trained();
    let spent = workspace.budget().unwrap().spent;
    let answer = workspace.json(&["forget", SUBJECT, "--no-retrain"]);
    assert_eq!(answer["erasure"]["models"][0]["after"], Value::Null);
    workspace.put("new.csv", "pressure,sex,age\n120,f,30\n");
    let file = workspace.file("new.csv");
    assert!(workspace.done(&["status"]).stdout.contains("model    risk/1: recalled\n"));
    for verb in [&["predict", file.to_str().unwrap()][..], &["report"]] {
        let refused = workspace.run(verb);
        assert_eq!(refused.code, Some(3), "{verb:?}");
        assert!(refused.stderr.contains("risk/1 was recalled: it is served no longer"), "{}", refused.stderr);
    }
    // Trained in its place, it takes what was set aside.
    assert_eq!(workspace.json(&TRAIN)["model"], "risk/2");
    let budget = workspace.budget().unwrap();
    assert!((budget.spent - spent).abs() < 1e-12 && budget.charges.len() == 2);
    workspace.done(&["predict", file.to_str().unwrap()]);
    workspace.done(&["log", "verify"]);
    // Nothing is set aside any more: the next erasure retires the model, and is done all the same.
    let answer = workspace.json(&["forget", &person(60)]);
    let change = &answer["erasure"]["models"][0];
    assert_eq!((change["before"].as_str(), &change["after"]), (Some("risk/2"), &Value::Null));
    assert!(change["method"].as_str().unwrap().contains("nothing is set aside"), "{change}");
    assert_eq!(verify(&workspace, 2)["verified"], true);
}

/// Somebody without rows has events to lose, and no model learned from them.
#[test]
fn a_unit_with_events_alone_recalls_nothing() {
    let workspace = trained();
    workspace.put("later.csv", "subject,purpose,state,at\nstranger-of-nowhere,care,withdrawn,2025-01-01\n");
    workspace.done(&["consent", "import", workspace.file("later.csv").to_str().unwrap()]);
    let answer = workspace.json(&["forget", "stranger-of-nowhere"]);
    assert_eq!((&answer["erasure"]["recalled"], answer["erasure"]["events"].as_u64()), (&serde_json::json!([]), Some(1)));
    assert_eq!(workspace.models(), ["risk/1"]);
    assert!(workspace.file(".reticent/data/visits/v1/table.parquet").exists() && !workspace.file(".reticent/data/visits/v2").exists());
    workspace.done(&["log", "verify"]);
}

fn copy(workspace: &Workspace, only: &str) -> BTreeMap<String, Vec<u8>> {
    workspace.files().into_iter().filter(|(name, _)| name.starts_with(only)).collect()
}

fn restore(workspace: &Workspace, files: &BTreeMap<String, Vec<u8>>) {
    for (name, bytes) in files {
        fs::create_dir_all(workspace.file(name).parent().unwrap()).unwrap();
        fs::write(workspace.file(name), bytes).unwrap();
    }
}

/// Yesterday's ledger alone, or the whole folder: whoever was taken out is taken out again before the first read.
#[test]
fn a_restored_backup_is_cleaned_before_it_is_read() {
    for reader in [&["status"][..], &["train", "--again"]] {
        let workspace = trained();
        let (ledger, all) = (copy(&workspace, ".reticent/ledger.db"), copy(&workspace, ".reticent/"));
        let checkpoint = copy(&workspace, "reticent.checkpoint");
        workspace.done(&["forget", SUBJECT]);
        let after = copy(&workspace, ".reticent/ledger.db");

        restore(&workspace, &ledger);
        let refused = workspace.run(reader);
        assert_eq!(refused.code, Some(3), "{}", refused.stderr);
        assert!(refused.stderr.contains("behind its checkpoint"), "{}", refused.stderr);
        assert_eq!(holders(&workspace), SOURCES, "refused, and emptied all the same");
        assert_eq!(workspace.run(reader).code, Some(3), "and refused again");

        // The newer ledger with the older tables and weights.
        restore(&workspace, &all);
        restore(&workspace, &after);
        fs::remove_file(workspace.file(".reticent/log/checkpoint")).unwrap();
        workspace.done(&["status"]);
        assert_eq!(holders(&workspace), SOURCES);
        assert!(!workspace.file(".reticent/models/risk/1/model.safetensors").exists(), "the recalled weights are gone again");

        // Everything from before, but for the list: it is all done once more, with a record of its own.
        fs::remove_dir_all(workspace.file(".reticent")).unwrap();
        restore(&workspace, &all);
        restore(&workspace, &checkpoint);
        assert!(!holders(&workspace).is_empty());
        assert_eq!(workspace.json(&["status"])["models"][0], "risk/1");
        assert_eq!(holders(&workspace), SOURCES);
        assert_eq!(verify(&workspace, 1)["erasure"]["recalled"], serde_json::json!(["risk/1"]));
        workspace.done(&["log", "verify"]);
    }
}

/// Without its list or its key the workspace would let people back in unseen: it refuses.
#[test]
fn a_lost_list_or_key_is_refused() {
    let workspace = trained();
    workspace.done(&["forget", SUBJECT, "--no-retrain"]);
    let list = copy(&workspace, "reticent.suppressed");
    fs::remove_file(workspace.file("reticent.suppressed")).unwrap();
    for verb in [&["import"][..], &["consent", "import"]] {
        let refused = workspace.run(verb);
        assert_eq!(refused.code, Some(3), "{}", refused.stdout);
        assert!(refused.stderr.contains("reticent.suppressed is gone"), "{}", refused.stderr);
    }
    workspace.put("reticent.suppressed", "reticent suppressed units 1 00\nno digest\n");
    assert!(workspace.run(&["import"]).stderr.contains("is damaged"));
    restore(&workspace, &list);
    let key = copy(&workspace, ".reticent/keys/suppression.key");
    for spoil in [Some("00".repeat(32)), None] {
        match spoil {
            Some(other) => workspace.put(".reticent/keys/suppression.key", &other),
            None => fs::remove_file(workspace.file(".reticent/keys/suppression.key")).unwrap(),
        }
        assert_eq!(workspace.run(&["import"]).code, Some(1));
        assert_eq!(workspace.run(&["status"]).code, Some(1));
    }
    restore(&workspace, &key);
    workspace.done(&["import"]);
}

/// Killed anywhere, the next verb finishes it: nobody is half taken out.
#[test]
fn an_interrupted_erasure_is_finished_by_the_next_verb() {
    let template = reported();
    let all = template.files();
    let intended = |workspace: &Workspace| {
        let Ok(files) = fs::read_dir(workspace.file(".reticent/erasures")) else { return false };
        files.flatten().any(|file| file.path().extension().is_some_and(|e| e == "intent"))
    };
    let start = |workspace: &Workspace| {
        workspace.command(&["forget", SUBJECT]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut child = start(&template);
    while !intended(&template) {
        assert!(child.try_wait().unwrap().is_none(), "an erasure says what it is about to do");
    }
    let started = Instant::now();
    assert!(child.wait().unwrap().success());
    let duration = started.elapsed();
    let (mut random, mut interrupted) = (Random(20_261_124), 0);
    for round in 0..14 {
        let workspace = Workspace::with("", "", "");
        restore(&workspace, &all);
        let mut child = start(&workspace);
        // Three before it says what it is about to do, the others spread over what it then takes.
        while round >= 3 && !intended(&workspace) {
            assert!(child.try_wait().unwrap().is_none(), "round {round}");
        }
        std::thread::sleep(duration.mul_f64((round as f64 - 3.0).max(0.0) / 11.0 + random.below(1000) as f64 / 11_000.0));
        child.kill().unwrap();
        let at_work = child.wait().unwrap().code().is_none();
        let begun =
            workspace.files().into_keys().any(|n| n.starts_with(".reticent/erasures/") && (n.ends_with(".intent") || n.ends_with(".json")));
        interrupted += usize::from(at_work && begun);
        // A reader or a writer comes next; then the request is made once more.
        workspace.done([&["status"][..], &["import"]][round % 2]);
        if begun {
            assert_eq!(holders(&workspace), SOURCES, "round {round}");
        }
        workspace.done(&["forget", SUBJECT]);
        assert_eq!(holders(&workspace), SOURCES, "round {round}");
        assert_eq!(workspace.models(), ["risk/1", "risk/2"], "round {round}");
        let budget = workspace.budget().unwrap();
        assert!(budget.spent <= budget.total && budget.charges.iter().all(|(state, _)| state == "released"), "{:?}", budget.charges);
        workspace.done(&["log", "verify"]);
        assert_eq!(verify(&workspace, 1)["verified"], true);
        let left: Vec<String> =
            workspace.files().into_keys().filter(|n| n.ends_with(".intent") || n.ends_with(".tmp") || n.ends_with("-journal")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    assert!(interrupted >= 3, "the kills hardly met an erasure: {interrupted}");
}

/// What an import left behind when it died between its files and its event holds people too.
#[test]
fn a_table_without_an_event_is_deleted() {
    let workspace = trained();
    let table = fs::read(workspace.file(".reticent/data/visits/v1/table.parquet")).unwrap();
    for version in ["v2", "v7"] {
        restore(&workspace, &[(format!(".reticent/data/visits/{version}/table.parquet"), table.clone())].into());
    }
    workspace.done(&["import"]);
    let tables: Vec<String> = workspace.files().into_keys().filter(|n| n.ends_with(".parquet")).collect();
    assert_eq!(tables, [".reticent/data/visits/v1/table.parquet"], "whoever writes next deletes it");
    workspace.done(&["forget", SUBJECT, "--no-retrain"]);
    assert_eq!(holders(&workspace), SOURCES);
}

#[test]
fn an_edited_record_does_not_verify() {
    let workspace = trained();
    workspace.done(&["forget", SUBJECT, "--no-retrain"]);
    let key = workspace.file(".reticent/log.vkey");
    let file = workspace.file(".reticent/erasures/1.json");
    let run = |args: &[&str]| workspace.run(&[&["forget", "verify", file.to_str().unwrap()], args].concat());
    assert_eq!(run(&[]).code, Some(0), "the workspace's own key is the default");
    assert_eq!(run(&["--key", key.to_str().unwrap()]).code, Some(0));
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let refused = run(&["--key", key.to_str().unwrap()]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("does not verify"), "{}", refused.stderr);
    let found = workspace.run(&["log", "verify"]);
    assert!(found.code == Some(1) && found.stderr.contains("erasures/1.json"), "{}", found.stderr);
    assert_eq!(workspace.run(&["forget"]).code, Some(2));
    assert_eq!(workspace.run(&["forget", SUBJECT, "--reason", "g"]).code, Some(2));
    assert_eq!(workspace.run(&["forget", SUBJECT, "--data", "claims"]).code, Some(2));
}

#[test]
fn a_model_of_another_purpose_is_not_served() {
    let workspace = Workspace::at(Stage::Trained);
    workspace.put("new.csv", "pressure,sex,age\n120,f,30\n");
    let file = workspace.file("new.csv");
    workspace.done(&["predict", file.to_str().unwrap(), "--purpose", "care"]);
    for other in ["marketing", "Care", ""] {
        let refused = workspace.run(&["predict", file.to_str().unwrap(), "--purpose", other]);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(3), ""), "{other}");
        assert!(refused.stderr.contains("was trained for `care`"), "{}", refused.stderr);
    }
}

/// The word comes in while the noise is drawn: through the ledger itself, as another program of the workspace would write it.
#[test]
fn withdrawn_consent_during_training_blocks_release() {
    let workspace = marked();
    workspace.edit("reticent.toml", "steps = 40", "steps = 4000");
    for step in [&["import"][..], &["consent", "import"], &["assess", "--plan"]] {
        workspace.done(step);
    }
    let mut child = workspace.command(&TRAIN).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    workspace.wait_for_noise(&mut child);
    std::thread::sleep(Duration::from_millis(50));
    let withdrawn = BasisEvent {
        dataset: "visits".into(),
        subject: pseudonym(&workspace).to_string(),
        purpose: "care".into(),
        state: BasisKind::Withdrawn,
        since: 1_735_689_600,
        art6: None,
        art9: None,
        notice: None,
        expires: None,
        detail: BasisDetail::default(),
    };
    let mut ledger = workspace.ledger();
    ledger.import_basis(&Actor("another".into()), "visits", "late.csv", &[withdrawn]).unwrap();
    drop(ledger);
    let run = crate::workspace::Run::from(child.wait_with_output().unwrap(), workspace.path());
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("the release of risk/1 is blocked: a basis ended while it was trained"), "{}", run.stderr);
    assert!(workspace.models().is_empty() && !workspace.files_named("model.safetensors"));
    workspace.done(&["log", "verify"]);
}
