//! What a data-protection officer would try against requests: erasure, access and the other rights, at the command line.

use crate::workspace::{CONFIG, Stage, TRAIN, Workspace, command, consents, person, rows};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

const WHO: usize = 50;

/// Opened, identity confirmed, carried out.
#[track_caller]
fn carried_out(workspace: &Workspace, args: &[&str]) -> Value {
    let number = opened(workspace, args);
    workspace.done(&["request", "identity", &number, "--confirm", "in-person"]);
    workspace.json(&["request", "do", &number])
}

#[track_caller]
fn opened(workspace: &Workspace, args: &[&str]) -> String {
    workspace.json(&[&["request", "open"], args].concat())["number"].to_string()
}

#[track_caller]
fn refused(workspace: &Workspace, args: &[&str], words: &str) -> String {
    let run = workspace.run(args);
    assert_eq!(run.code, Some(3), "{args:?} {}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains(words), "{args:?} {}", run.stderr);
    run.stderr
}

fn register(workspace: &Workspace, entries: &Value) {
    workspace.put("registers.json", &entries.to_string());
    workspace.done(&["register", "import", workspace.file("registers.json").to_str().unwrap()]);
}

fn pseudonym(workspace: &Workspace, dataset: &str, id: &str) -> String {
    let mut key = [0; 32];
    hex::decode_to_slice(workspace.read(".reticent/keys/pseudonym.key"), &mut key).unwrap();
    reticent_data::PseudonymKey::from_bytes(key).subject(dataset, id).to_string()
}

/// Files of the workspace, but for the user's own, that hold the pseudonym of somebody as text.
fn holding(workspace: &Workspace, id: &str) -> Vec<String> {
    workspace.files_with(&pseudonym(workspace, "visits", id), &["visits.csv", "consent.csv"])
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

#[test]
fn officer_erasure_every_store_cache_and_model_and_a_record_that_verifies_offline() {
    let workspace = Workspace::at(Stage::Trained);
    let who = person(WHO);
    workspace.done(&["report"]);
    // What they asked before, and the answer to it, goes too.
    carried_out(&workspace, &["access", "--subject", &who]);
    assert!(workspace.file(".reticent/requests/1/answer.html").exists());
    assert!(!holding(&workspace, &who).is_empty());
    let answer = carried_out(&workspace, &["erasure", "--subject", &who]);
    assert_eq!(answer["state"], "fulfilled", "{answer:#}");
    assert_eq!(holding(&workspace, &who), [""; 0], "nothing holds them");
    assert!(!workspace.file(".reticent/requests/1/answer.html").exists() && !workspace.file(".reticent/requests/2.json").exists());
    let record = answer["records"][0]["record"].as_str().unwrap().to_owned();
    let key = workspace.read(".reticent/log.vkey");
    let empty = tempfile::tempdir().unwrap();
    let args = ["forget", "verify", &record, "--key", key.trim(), "--json", "--dir", empty.path().to_str().unwrap()];
    let verified = crate::workspace::Run::of(&mut command(args), empty.path()).json();
    let stores = verified["erasure"]["stores"].to_string();
    for store in ["ledger", "table visits", "weights of risk/1", "report.html", "earlier requests"] {
        assert!(stores.contains(store), "{store} in {stores}");
    }
    assert!(!verified["erasure"]["left"].as_array().unwrap().is_empty());
    workspace.done(&["log", "verify"]);
    // Nothing of the person reached ledger events of the request, or the log.
    let ledger = fs::read(workspace.file(".reticent/ledger.db")).unwrap();
    assert!(!ledger.windows(who.len()).any(|w| w == who.as_bytes()));
}

#[test]
fn officer_erasure_a_model_that_cannot_be_unlearned_in_time_is_retired() {
    let workspace = Workspace::at(Stage::Assessed);
    // Nothing is set aside for training again.
    workspace.edit("reticent.toml", "releases = 2", "releases = 1");
    workspace.done(&TRAIN);
    let answer = carried_out(&workspace, &["erasure", "--subject", &person(WHO)]);
    assert_eq!(answer["state"], "fulfilled");
    workspace.put("new.csv", "pressure,sex,age\n120,f,30\n");
    refused(&workspace, &["predict", workspace.file("new.csv").to_str().unwrap()], "was recalled");
    assert!(!workspace.file(".reticent/models/risk/1/model.safetensors").exists());
}

#[test]
fn officer_erasure_a_restored_backup_and_the_same_csv_again_find_keys_destroyed() {
    let workspace = Workspace::at(Stage::Trained);
    let who = person(WHO);
    workspace.done(&["request", "open", "restriction", "--subject", &who]);
    let (all, checkpoint) = (copy(&workspace, ".reticent/"), copy(&workspace, "reticent.checkpoint"));
    carried_out(&workspace, &["erasure", "--subject", &who]);
    // The same file again.
    let again = workspace.json(&["import"]);
    assert_eq!(again["imported"][0]["suppressed"]["units"], 1);
    assert_eq!(workspace.json(&["consent", "import"])["suppressed"], 1);
    assert_eq!(holding(&workspace, &who), [""; 0]);
    // Everything from yesterday: taken out again before anything is read.
    fs::remove_dir_all(workspace.file(".reticent")).unwrap();
    restore(&workspace, &all);
    restore(&workspace, &checkpoint);
    assert!(!holding(&workspace, &who).is_empty());
    workspace.done(&["request", "list", "--all"]);
    assert_eq!(holding(&workspace, &who), [""; 0]);
    assert_eq!(workspace.json(&["import"])["imported"][0]["suppressed"]["units"], 1);
    assert_eq!(holding(&workspace, &who), [""; 0]);
    let mut ledger = workspace.ledger();
    assert!(!ledger.subjects().unwrap().contains(&pseudonym(&workspace, "visits", &who)), "no key, no event, no number");
    assert_eq!(ledger.damaged().unwrap(), [0; 0]);
}

#[test]
fn officer_erasure_a_retry_changes_nothing() {
    let workspace = Workspace::at(Stage::Trained);
    let who = person(WHO);
    let first = opened(&workspace, &["erasure", "--subject", &who]);
    assert_eq!(opened(&workspace, &["erasure", "--subject", &who]), first, "the same request is the same request");
    let confirm = ["request", "identity", &first, "--confirm", "in-person"];
    workspace.done(&confirm);
    let events = workspace.events();
    workspace.done(&confirm);
    assert_eq!(workspace.events(), events);
    workspace.done(&["request", "do", &first]);
    let events = workspace.events();
    let again = workspace.json(&["request", "do", &first]);
    assert_eq!((&again["state"], workspace.events()), (&json!("fulfilled"), events));
    // A new request of somebody who is gone is answered like one of somebody who never was.
    let gone = carried_out(&workspace, &["erasure", "--subject", &who]);
    let never = carried_out(&workspace, &["erasure", "--subject", "nobody"]);
    for answer in [&gone, &never] {
        assert_eq!((&answer["state"], &answer["refused"][0]), (&json!("denied"), &json!("no_match")), "{answer:#}");
    }
    let same = |answer: &Value| answer["letter"].as_str().unwrap().replace(&format!("number {}", answer["number"]), "number N");
    assert_eq!(same(&gone), same(&never));
}

#[test]
fn officer_erasure_one_store_down_is_partial_and_never_complete() {
    let workspace = Workspace::at(Stage::Trained);
    let who = person(WHO);
    let number = opened(&workspace, &["erasure", "--subject", &who]);
    workspace.done(&["request", "identity", &number, "--confirm", "in-person"]);
    let table = workspace.file(".reticent/data/visits/v1/table.parquet");
    let bytes = fs::read(&table).unwrap();
    fs::write(&table, &bytes[..bytes.len() / 2]).unwrap();
    let run = workspace.run(&["request", "do", &number]);
    assert!(run.code == Some(1) && run.stderr.contains("is partly done"), "{}{}", run.stdout, run.stderr);
    let shown = workspace.json(&["request", "show", &number]);
    assert_eq!(shown["state"], "in_progress", "{shown:#}");
    assert!(shown["left"].to_string().contains("a store could not be reached"), "{shown:#}");
    assert!(!shown["letter"].as_str().unwrap().contains("It is done"));
    fs::write(&table, bytes).unwrap();
    let done = workspace.json(&["request", "do", &number]);
    assert_eq!((&done["state"], &done["left"]), (&json!("fulfilled"), &json!([])), "{done:#}");
    assert_eq!(holding(&workspace, &who), [""; 0]);
}

/// Two data sets with the same people.
fn two_sets() -> Workspace {
    let set = CONFIG.split("[data.visits]").nth(1).unwrap().split("[models.risk]").next().unwrap();
    let second = format!("[data.lab]{}", set.replace("[data.visits.columns]", "[data.lab.columns]").replace("visits.csv", "lab.csv"));
    let config = CONFIG.replace("[models.risk]", &format!("{second}[models.risk]"));
    let workspace = Workspace::with(&config, &rows(), &consents());
    workspace.put("lab.csv", &rows());
    workspace.done(&["import"]);
    workspace.done(&["consent", "import", "--data", "visits"]);
    workspace.done(&["consent", "import", "--data", "lab"]);
    workspace
}

#[test]
fn officer_erasure_a_legal_hold_restricts_and_other_data_is_still_erased() {
    let workspace = two_sets();
    let who = person(WHO);
    register(
        &workspace,
        &json!([{ "register": "legal-hold", "id": "case-7", "from": "2024-01-01", "dataset": "lab", "reason": "a claim before court", "ordered_by": "counsel" }]),
    );
    let answer = carried_out(&workspace, &["erasure", "--subject", &who]);
    assert_eq!(answer["state"], "in_progress", "kept data is not erased data: {answer:#}");
    let (done, left) = (answer["done"].to_string(), answer["left"].to_string());
    assert!(done.contains("removed from visits") && done.contains("use restricted in lab") && done.contains("17(3)(e)"), "{done}");
    assert!(left.contains("remove from lab when the hold `case-7` ends"), "{left}");
    let mut ledger = workspace.ledger();
    let subjects = ledger.subjects().unwrap();
    assert!(!subjects.contains(&pseudonym(&workspace, "visits", &who)) && subjects.contains(&pseudonym(&workspace, "lab", &who)));
    drop(ledger);
    let explained = workspace.json(&["gate", "explain", &who, "--subject", "--purpose", "care", "--data", "lab"]);
    assert_eq!((&explained["allowed"], &explained["reason"]), (&json!(false), &json!("restricted")), "{explained:#}");
    refused(&workspace, &["forget", &who, "--data", "lab"], "a legal hold stands on `lab` (case-7)");
    // The hold ends, and the same command goes on.
    register(
        &workspace,
        &json!([{ "register": "legal-hold", "id": "case-7", "from": "2024-01-01", "until": "2024-02-01", "dataset": "lab", "reason": "a claim before court", "ordered_by": "counsel" }]),
    );
    let answer = workspace.json(&["request", "do", "1"]);
    assert_eq!(answer["state"], "fulfilled", "{answer:#}");
}

#[test]
fn officer_erasure_recipients_are_told_or_it_is_said_why_not() {
    let workspace = Workspace::at(Stage::Consented);
    register(
        &workspace,
        &json!([
            { "register": "recipient", "id": "acme", "name": "Acme", "country": "IE", "purposes": ["care"], "contract": "of 2026" },
            { "register": "recipient", "id": "old", "name": "Old Lab", "country": "IE", "purposes": ["care"] },
            { "register": "recipient", "id": "ads", "name": "Ads", "country": "IE", "purposes": ["marketing"] },
        ]),
    );
    let answer = carried_out(&workspace, &["erasure", "--subject", &person(WHO)]);
    assert_eq!((&answer["state"], &answer["left"]), (&json!("in_progress"), &json!(["tell Acme", "tell Old Lab"])), "{answer:#}");
    let key = workspace.read(".reticent/log.vkey").trim().parse().unwrap();
    let record = reticent_proof::record::verify_record(&fs::read(workspace.file(".reticent/erasures/1.json")).unwrap(), &key).unwrap();
    let left: Vec<&str> = record.erasure.left.iter().map(|l| l.what.as_str()).collect();
    assert!(left.contains(&"what Acme received") && left.contains(&"what Old Lab received") && !left.contains(&"what Ads received"));
    refused(&workspace, &["request", "tell", "1", "--recipient", "Ads"], "is no recipient that has to be told");
    workspace.done(&["request", "tell", "1", "--recipient", "Acme", "--failed", "its system is down"]);
    assert_eq!(workspace.json(&["request", "show", "1"])["state"], "in_progress");
    workspace.done(&["request", "tell", "1", "--recipient", "Acme"]);
    let last = workspace.json(&["request", "tell", "1", "--recipient", "Old Lab", "--give-up", "it no longer exists"]);
    assert_eq!(last["state"], "fulfilled", "{last:#}");
    assert!(last["letter"].as_str().unwrap().contains("not told: Old Lab (it no longer exists)"));
}

#[test]
fn officer_erasure_wrong_identity_and_no_records_leak_no_existence() {
    let workspace = Workspace::at(Stage::Trained);
    let known = opened(&workspace, &["erasure", "--subject", &person(WHO)]);
    let unknown = opened(&workspace, &["erasure", "--subject", "nobody"]);
    let masked = |text: String, number: &str| {
        text.replace(&format!("request {number}"), "request N")
            .replace(&format!("number {number}"), "number N")
            .replace(&format!("identity {number}"), "identity N")
    };
    let before = [&known, &unknown].map(|n| masked(refused(&workspace, &["request", "do", n], "nothing was looked up"), n));
    assert_eq!(before[0], before[1]);
    let letters =
        [&known, &unknown].map(|n| masked(workspace.json(&["request", "identity", n, "--ask"])["letter"].as_str().unwrap().into(), n));
    assert_eq!(letters[0], letters[1]);
    let denied = [&known, &unknown].map(|n| {
        let args = ["request", "refuse", n, "--why", "insuf_verification", "--text", "The document did not fit."];
        masked(workspace.json(&args)["letter"].as_str().unwrap().into(), n)
    });
    assert_eq!(denied[0], denied[1]);
    assert!(denied[0].contains("we could not verify who asks") && denied[0].contains("Art 77"), "{}", denied[0]);
    // Refused is closed.
    refused(&workspace, &["request", "identity", &known, "--confirm", "in-person"], "it is closed");
    assert_eq!(workspace.models(), ["risk/1"], "nothing happened");
}

#[test]
fn officer_erasure_duplicates_under_aliases_are_one_person() {
    let workspace = Workspace::at(Stage::Consented);
    let (one, other) = (person(WHO), person(WHO + 1));
    let answer = carried_out(&workspace, &["erasure", "--subject", &one, "--also", &other]);
    assert_eq!((&answer["state"], answer["records"].as_array().unwrap().len()), (&json!("fulfilled"), 2), "{answer:#}");
    assert!(holding(&workspace, &one).is_empty() && holding(&workspace, &other).is_empty());
    assert_eq!(workspace.json(&["import"])["imported"][0]["suppressed"]["units"], 2);
}

#[test]
fn officer_access_a_row_of_two_people_shows_one_of_them() {
    let workspace = Workspace::at(Stage::Trained);
    let answer = carried_out(&workspace, &["access", "--subject", &person(WHO), "--withhold", "pressure"]);
    let file = |ending: &str| {
        let files = answer["files"].as_array().unwrap();
        fs::read_to_string(files.iter().map(|f| f.as_str().unwrap()).find(|f| f.ends_with(ending)).unwrap()).unwrap()
    };
    let data: Value = serde_json::from_str(&file(".json")).unwrap();
    let held = &data["data"][0];
    assert_eq!((&held["columns"], &held["withheld"]), (&json!(["age", "sex", "again"]), &json!(["pressure"])));
    assert!(held["records"].as_array().unwrap().iter().all(|r| r["values"].as_array().unwrap().len() == 3));
    assert!(file(".html").contains("Left out because they say something about somebody else (Art 15(4)): pressure."));
    assert!(data["models"][0]["no_answers"].as_str().unwrap().contains("somebody else"), "{data:#}");
}

#[test]
fn officer_access_everything_of_one_person_and_nothing_of_another() {
    let workspace = Workspace::at(Stage::Trained);
    let answer = carried_out(&workspace, &["access", "--subject", &person(WHO)]);
    assert_eq!(answer["state"], "fulfilled");
    let folder = workspace.file(".reticent/requests/1");
    let (page, data) = (fs::read_to_string(folder.join("answer.html")).unwrap(), fs::read_to_string(folder.join("answer.json")).unwrap());
    let value: Value = serde_json::from_str(&data).unwrap();
    let own: Vec<String> = (0..3).map(|visit| (1000 + 3 * WHO + visit).to_string()).collect();
    let records: Vec<&str> = value["data"][0]["records"].as_array().unwrap().iter().map(|r| r["record"].as_str().unwrap()).collect();
    assert_eq!(records, own);
    // The rows are what the file holds.
    for (record, line) in value["data"][0]["records"].as_array().unwrap().iter().zip(rows().lines().filter(|l| l.contains(&person(WHO)))) {
        let cells: Vec<&str> = line.split(',').collect();
        let columns: Vec<&str> = value["data"][0]["columns"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
        for (column, found) in columns.iter().zip(record["values"].as_array().unwrap()) {
            let at = ["visit", "patient", "age", "sex", "pressure", "again", "note"].iter().position(|c| c == column).unwrap();
            assert_eq!(found, cells[at]);
        }
    }
    assert_eq!(value["bases"][0]["state"], "given");
    let model = &value["models"][0];
    // Held out for the test, as it happens: said so, and not that it was learned from.
    assert_eq!((&model["model"], &model["learned_from_you"], &model["tested_on_you"]), (&json!("risk/1"), &json!(false), &json!(true)));
    assert_eq!(model["answers"].as_array().unwrap().len(), 3);
    assert!(model["bound"].as_str().unwrap().contains("δ = 1e-5") && model["bound"].as_str().unwrap().contains("ε ≤"), "{model:#}");
    for other in (0..100).filter(|&n| n != WHO) {
        for text in [&page, &data] {
            assert!(!text.contains(&pseudonym(&workspace, "visits", &person(other))) && !text.contains(&person(other)));
            let record = 1000 + 3 * other;
            assert!(!text.contains(&format!("\"record\": \"{record}\"")) && !text.contains(&format!("<th scope=\"row\">{record}<")));
        }
    }
    assert!(!page.contains("tester") && !data.contains("tester"), "who works here is nobody's business");
    #[cfg(unix)]
    for file in ["answer.html", "answer.json"] {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(folder.join(file)).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}

/// Whoever recorded them is a part of what the log committed to: handed over where the operator says so, and not otherwise.
#[test]
fn officer_access_opens_the_entries_of_the_log_where_that_is_asked_for() {
    let workspace = Workspace::at(Stage::Consented);
    carried_out(&workspace, &["access", "--subject", &person(WHO), "--openings"]);
    let value: Value = serde_json::from_str(&workspace.read(".reticent/requests/1/answer.json")).unwrap();
    let (key, own) = (workspace.read(".reticent/log.vkey").trim().parse().unwrap(), value["own_events"].as_array().unwrap());
    assert!(!own.is_empty());
    for event in own {
        serde_json::from_value::<reticent_proof::record::OwnEvent>(event.clone()).unwrap().check(&key).unwrap();
    }
}

#[test]
fn officer_access_lists_decisions_a_model_took_part_in_and_erasure_ends_them() {
    let workspace = Workspace::at(Stage::Trained);
    workspace
        .put("today.csv", &format!("patient,age,sex,pressure\n{},40,f,120\n{},70,m,200\nsomebody new,50,f,150\n", person(WHO), person(51)));
    let file = workspace.file("today.csv");
    let predict = |more: &[&str]| workspace.run(&[&["predict", file.to_str().unwrap(), "--decide", "patient"], more].concat());
    let by = ["--by", "nurse on duty"];
    // No ground of Art 22(2): somebody decides; and what is kept has its time.
    for (more, words) in [(&[][..], "no ground on which a model decides alone"), (&by, "no retention is declared for `decisions`")] {
        let run = predict(more);
        assert!(run.code == Some(3) && run.stderr.contains(words), "{}", run.stderr);
    }
    register(&workspace, &json!([{ "register": "retention", "id": "decisions", "keep": "P3Y" }]));
    let decided = predict(&by);
    assert_eq!(decided.code, Some(0), "{}", decided.stderr);
    // Cut short by an interruption: what is whole stays, and more comes behind it.
    let kept = workspace.files().into_keys().find(|f| f.starts_with(".reticent/decisions/")).unwrap();
    assert_eq!(workspace.read(&kept).lines().count(), 3);
    workspace.put(&kept, &(workspace.read(&kept) + "{\"dataset\":"));
    assert_eq!(predict(&by).code, Some(0));
    assert_eq!(workspace.read(&kept).lines().count(), 6);

    let told = |who: &str| {
        let number = carried_out(&workspace, &["access", "--subject", who])["number"].to_string();
        let folder = format!(".reticent/requests/{number}");
        (
            serde_json::from_str::<Value>(&workspace.read(&format!("{folder}/answer.json"))).unwrap(),
            workspace.read(&format!("{folder}/answer.html")),
        )
    };
    let (answer, page) = told(&person(WHO));
    let decisions = answer["decisions"].as_array().unwrap();
    assert_eq!((decisions.len(), &decisions[0]["model"], &decisions[0]["by_the_model_alone"]), (2, &json!("risk/1"), &json!(false)));
    assert!(page.contains("Decisions about you") && page.contains("by a person, with the model"));
    assert!(!page.contains("nurse") && !answer.to_string().contains("nurse"), "who works here is nobody's business");
    // Somebody of whom nothing else is held is told as well.
    assert_eq!(told("somebody new").0["decisions"].as_array().unwrap().len(), 2);

    for who in [person(WHO), "somebody new".to_owned()] {
        assert!(!holding(&workspace, &who).is_empty());
        carried_out(&workspace, &["erasure", "--subject", &who]);
        assert_eq!(holding(&workspace, &who), [""; 0], "nothing holds them");
    }
    assert_eq!(workspace.read(&kept).lines().count(), 2, "the other's stay");
    workspace.done(&["log", "verify"]);
}

#[test]
fn officer_access_tells_a_bound_of_ones_own_to_its_owner_alone() {
    let workspace = Workspace::at(Stage::Assessed);
    workspace.edit("reticent.toml", "steps = 40", "steps = 40, individual_every = 1");
    workspace.done(&TRAIN);
    let own = workspace.file(".reticent/models/risk/1/own-losses");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&own).unwrap().permissions()) & 0o777, 0o600);
    let told = |n: usize| {
        let answer = carried_out(&workspace, &["access", "--subject", &person(n)]);
        let folder = format!(".reticent/requests/{}", answer["number"]);
        let model = serde_json::from_str::<Value>(&workspace.read(&format!("{folder}/answer.json"))).unwrap()["models"][0].clone();
        (model["learned_from_you"].as_bool().unwrap(), model["own_bound"].clone(), workspace.read(&format!("{folder}/answer.html")))
    };
    // Held out or not follows from the pseudonym, which is known here.
    let who = 51;
    let (learned, bound, page) = told(who);
    assert!(learned, "{who} is held out: take another");
    let epsilon = bound["epsilon"].as_f64().unwrap();
    // Both releases together have 2.
    assert!(0.0 < epsilon && epsilon < 2.0 && bound["delta"] == 1e-5, "{bound}");
    assert!(page.contains("Your own, of the training that took place: ε\u{a0}≤\u{a0}"));
    let held_out = (40..60).find(|n| !told(*n).0).expect("a quarter is held out");
    let (_, none, page) = told(held_out);
    assert_eq!(none, Value::Null);
    assert!(page.contains("it was tested on them"));
    // What is handed to an auditor holds none of it, and it goes with the weights.
    workspace.done(&["export", workspace.file("bundle").to_str().unwrap()]);
    assert!(workspace.files().keys().any(|name| name.starts_with("bundle")));
    assert!(!workspace.files().keys().any(|name| name.starts_with("bundle") && name.contains("own-losses")));
    let answer = carried_out(&workspace, &["erasure", "--subject", &person(who)]);
    assert!(!own.exists());
    let record = fs::read_to_string(answer["records"][0]["record"].as_str().unwrap()).unwrap();
    assert!(record.len() > 100);
    assert!(workspace.file(".reticent/models/risk/2/own-losses").exists(), "the release in its place keeps its own");
}

#[test]
fn officer_portability_is_data_alone_and_reaches_consent_and_contract() {
    let workspace = Workspace::at(Stage::Consented);
    let answer = carried_out(&workspace, &["portability", "--subject", &person(WHO)]);
    let table = workspace.read(".reticent/requests/1/visits.csv");
    assert_eq!(answer["files"].as_array().unwrap().len(), 2);
    assert_eq!(table.lines().count(), 4);
    assert!(table.starts_with("record,age,sex,pressure,again\n"), "{table}");
    let workspace = Workspace::at(Stage::Imported);
    let basis = format!("subject,purpose,state,at,notice,art6,art9\n{},care,given,2024-03-01,2024-1,e,h\n", person(WHO));
    workspace.put("public.csv", &basis);
    workspace.done(&["consent", "import", workspace.file("public.csv").to_str().unwrap()]);
    opened(&workspace, &["portability", "--subject", &person(WHO)]);
    workspace.done(&["request", "identity", "1", "--confirm", "in-person"]);
    refused(&workspace, &["request", "do", "1"], "no row rests on consent or a contract");
}

#[test]
fn officer_rectification_stays_right_when_the_wrong_file_comes_again() {
    let workspace = Workspace::at(Stage::Trained);
    let (who, record) = (person(WHO), (1000 + 3 * WHO).to_string());
    let fix = format!("{record}:age=77");
    let answer = carried_out(&workspace, &["rectification", "--subject", &who, "--correct", &fix]);
    assert_eq!(answer["state"], "fulfilled", "{answer:#}");
    let done = answer["done"].to_string();
    assert!(done.contains("1 value of visits put right, in visits/v2") && done.contains("risk/1 learned from the wrong values"), "{done}");
    let age = |workspace: &Workspace| {
        let answer = carried_out(workspace, &["access", "--subject", &who]);
        let path = answer["files"][1].as_str().unwrap().to_owned();
        let data: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        data["data"][0]["records"][0]["values"][0].clone()
    };
    assert_eq!(age(&workspace), "77");
    assert!(!workspace.file(".reticent/data/visits/v1/table.parquet").exists(), "the wrong rows are gone");
    assert_eq!(workspace.json(&["import"])["imported"][0]["version"], "visits/v2", "the same file changes nothing");
    workspace.edit("visits.csv", "1000,", "5000,");
    let run = workspace.done(&["import"]);
    assert!(run.stdout.contains("put right again, as requests had it: 1 values"), "{}", run.stdout);
    assert_eq!(age(&workspace), "77");
    workspace.done(&["log", "verify"]);
    // A value outside what is declared, and a record of somebody else.
    for (wrong, why) in
        [(format!("{record}:age=700"), "outside its declared bounds"), ("1000:age=30".into(), "the person has no such record")]
    {
        let number = opened(&workspace, &["rectification", "--subject", &who, "--correct", &wrong]);
        workspace.done(&["request", "identity", &number, "--confirm", "in-person"]);
        let run = workspace.run(&["request", "do", &number]);
        assert!(run.code != Some(0) && run.stderr.contains(why), "{}", run.stderr);
    }
    // What was put right is personal data too.
    carried_out(&workspace, &["erasure", "--subject", &who]);
    assert!(!workspace.file(".reticent/corrections.json").exists());
}

#[test]
fn officer_restriction_objection_and_opting_out_work_at_once() {
    let workspace = Workspace::at(Stage::Consented);
    let explain = |who: usize, use_: &str| {
        workspace.json(&["gate", "explain", &person(who), "--subject", "--purpose", "care", "--use", use_])["reason"].clone()
    };
    assert_eq!(explain(60, "training"), Value::Null);
    assert_eq!(carried_out(&workspace, &["restriction", "--subject", &person(60)])["state"], "fulfilled");
    assert_eq!(explain(60, "training"), "restricted");
    // Consent is withdrawn, not objected to.
    opened(&workspace, &["objection", "--subject", &person(61)]);
    workspace.done(&["request", "identity", "2", "--confirm", "in-person"]);
    refused(&workspace, &["request", "do", "2"], "no purpose rests on a public task or a legitimate interest");
    // Opting out needs no proof of identity, and reaches people of whom nothing is held yet.
    for who in [person(62), "somebody new".to_owned()] {
        let number = opened(&workspace, &["opt-out", "--subject", &who]);
        refused(&workspace, &["request", "identity", &number, "--ask"], "without a proof of identity");
        assert_eq!(workspace.json(&["request", "do", &number])["state"], "fulfilled");
    }
    assert_eq!((explain(62, "sale"), explain(62, "training")), (json!("opted-out"), Value::Null));
}

#[test]
fn officer_objection_ends_the_use_for_a_legitimate_interest() {
    let workspace = Workspace::at(Stage::Consented);
    workspace.edit("reticent.toml", "[data.visits]", "[purposes.planning]\niri = \"https://w3id.org/dpv#ServiceProvision\"\ndescription = \"Planning.\"\nowner = \"Head of planning (simulated)\"\nretention = \"P1Y\"\nart6 = \"f\"\nnotices = [\"2024-1\"]\n\n[data.visits]");
    let basis = format!("subject,purpose,state,at,notice,art6,art9\n{},planning,informed,2024-03-01,2024-1,f,\n", person(WHO));
    workspace.put("informed.csv", &basis);
    workspace.done(&["consent", "import", workspace.file("informed.csv").to_str().unwrap()]);
    let reason =
        |workspace: &Workspace| workspace.json(&["gate", "explain", &person(WHO), "--subject", "--purpose", "planning"])["reason"].clone();
    assert_ne!(reason(&workspace), "objected");
    assert_eq!(carried_out(&workspace, &["objection", "--subject", &person(WHO), "--purpose", "planning"])["state"], "fulfilled");
    assert_eq!(reason(&workspace), "objected");
}

#[test]
fn officer_contest_is_reviewed_by_somebody_who_did_not_build_the_model() {
    let workspace = Workspace::at(Stage::Trained);
    let answer = carried_out(&workspace, &["contest", "--subject", &person(WHO), "--about", "risk/1"]);
    assert_eq!(answer["state"], "in_progress");
    let review = |by: &str| {
        let args = ["request", "review", "1", "--by", by, "--outcome", "changed", "--reason", "the pressure was read wrong"];
        workspace.run(&args)
    };
    let builder = review(" Tester ");
    assert!(builder.code == Some(3) && builder.stderr.contains("released risk/1"), "{}", builder.stderr);
    assert_eq!(review("Dr Other").code, Some(0));
    let shown = workspace.json(&["request", "show", "1"]);
    assert_eq!(shown["state"], "fulfilled");
    assert!(shown["letter"].as_str().unwrap().contains("A person looked at the decision again (Dr Other): changed."));
}

#[test]
fn officer_deadlines_are_counted_by_the_law_of_the_day() {
    let workspace = Workspace::at(Stage::Consented);
    let answer_by = |args: &[&str], at: &str| {
        let number = opened(&workspace, args);
        let shown = workspace.json(&["request", "show", &number, "--at", at]);
        (number, shown["deadlines"].as_array().unwrap().last().unwrap()["day"].as_str().unwrap().to_owned(), shown["late"].clone())
    };
    let who = person(WHO);
    // 31 January to the end of a February with 29 days; of one with 28.
    let (_, day, late) = answer_by(&["access", "--subject", &who, "--received", "2024-01-31"], "2024-02-29");
    assert_eq!((day.as_str(), &late), ("2024-02-29", &json!(false)));
    let (number, day, late) = answer_by(&["restriction", "--subject", &who, "--received", "2025-01-31"], "2025-03-01");
    assert_eq!((day.as_str(), &late), ("2025-02-28", &json!(true)));
    let extend = |on: &str| workspace.run(&["request", "extend", &number, "--reason", "many requests", "--on", on]);
    assert!(extend("2025-03-01").stderr.contains("had to be told by 2025-02-28"));
    assert_eq!(extend("2025-02-27").code, Some(0));
    let shown = workspace.json(&["request", "show", &number, "--at", "2025-03-01"]);
    assert_eq!((&shown["deadlines"][0]["day"], &shown["late"]), (&json!("2025-04-30"), &json!(false)));
    // A Saturday gives way to the Monday; the holidays of a state count.
    assert_eq!(answer_by(&["erasure", "--subject", &who, "--received", "2026-01-31"], "2026-02-01").1, "2026-03-02");
    workspace.edit("reticent.toml", "jurisdiction = \"EU\"", "jurisdiction = \"DE\"");
    assert_eq!(answer_by(&["portability", "--subject", &who, "--received", "2024-02-29"], "2024-03-01").1, "2024-04-02");
    assert_eq!(answer_by(&["know", "--subject", &who, "--received", "2025-01-01"], "2025-01-02").1, "2025-02-15");
    let run = workspace.run(&["request", "open", "access", "--subject", "x", "--received", "2999-01-01"]);
    assert!(run.code == Some(3) && run.stderr.contains("has not come"), "{}", run.stderr);
    let listed = workspace.json(&["request", "list", "--at", "2025-03-01"]);
    assert_eq!(listed["requests"][0]["late"], true, "the latest first");
}

#[test]
fn officer_dpia_without_an_approval_of_these_facts_nothing_is_deployed() {
    let workspace = Workspace::at(Stage::Trained);
    let serve = ["serve", "--port", "0"];
    refused(&workspace, &serve, "its impact assessment is open");
    workspace.approve();
    // A port that is taken: it would be served.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = workspace.run(&["serve", "--port", &port]);
    assert!(run.code == Some(1) && run.stderr.contains("--port 0"), "{}", run.stderr);
    // A material change of what was decided on reopens it: another schema.
    let changed = workspace.copy();
    changed.edit("reticent.toml", "age = [0, 110]", "age = [0, 120]");
    refused(&changed, &serve, "reopened");
    // The advice is overruled in words, or not at all.
    let advise = ["assess", "advise", "--by", "officer", "--recommend", "against", "--text", "too many columns"];
    let overruled = workspace.copy();
    if overruled.run(&advise).code != Some(0) {
        overruled.done(&["assess", "advise", "--by", "officer", "--recommend", "refuse", "--text", "too many columns"]);
    }
    refused(&overruled, &["assess", "decide", "--by", "controller", "--approve"], "a reason is needed");
    overruled.done(&["assess", "decide", "--by", "controller", "--consult", "--reason", "high risk remains"]);
    refused(&overruled, &serve, "the authority is consulted first");
}

#[test]
fn what_is_kept_of_an_answered_request_ends_with_its_retention() {
    let workspace = Workspace::at(Stage::Consented);
    let number = opened(&workspace, &["know", "--subject", &person(WHO), "--received", "2024-01-02"]);
    let open = opened(&workspace, &["correct", "--subject", &person(WHO), "--correct", "1150:age=30", "--received", "2024-01-02"]);
    workspace.done(&["request", "refuse", &number, "--why", "other", "--text", "no", "--on", "2024-01-03"]);
    register(&workspace, &json!([{ "register": "retention", "id": "requests", "from": "2020-01-01", "keep": "P24M" }]));
    let enforced = workspace.json(&["register", "enforce", "--yes"]);
    assert_eq!(enforced["removed"], json!([format!("requests {number}")]));
    assert!(!workspace.file(&format!(".reticent/requests/{number}.json")).exists());
    assert!(workspace.file(&format!(".reticent/requests/{open}.json")).exists(), "an open one is kept");
    assert_eq!(workspace.json(&["request", "show", &number])["state"], "denied", "that it was answered stays");
}
