//! OpenLineage against its own schemas, Croissant against the examples' keys, model cards.

use crate::workspace::{Stage, TRAIN, Workspace};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// A folder of interchange examples, where the test data lie.
fn examples(folder: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("RETICENT_TEST_DATA").map_or_else(beside, PathBuf::from).join(folder);
    folder.is_dir().then_some(folder)
}

/// What a value breaks of a JSON Schema, as far as these schemas go: types, required keys, enumerations, references.
fn broken(value: &Value, schema: &Value, all: &BTreeMap<String, Value>, root: &Value, path: &str) -> Vec<String> {
    let mut wrong = vec![];
    if let Some(reference) = schema["$ref"].as_str() {
        let (file, pointer) = reference.split_once('#').unwrap();
        let name = file.rsplit('/').next().unwrap();
        let root = if name.is_empty() { root } else { &all[name] };
        wrong.extend(broken(value, root.pointer(pointer).unwrap(), all, root, path));
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        _ => true,
    };
    if schema["type"].as_str().is_some_and(|kind| !is(kind)) {
        wrong.push(format!("{path}: no {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        wrong.push(format!("{path}: {value} is not allowed"));
    }
    let uuid = |text: &str| text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    if schema["format"] == "uuid" && !value.as_str().is_some_and(uuid) {
        wrong.push(format!("{path}: no UUID"));
    }
    if schema["format"] == "date-time" && !value.as_str().is_some_and(|t| t.contains('T') && t.ends_with('Z')) {
        wrong.push(format!("{path}: no time"));
    }
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(key).is_none() {
            wrong.push(format!("{path}.{key}: missing"));
        }
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        wrong.extend(broken(value, part, all, root, path));
    }
    for (key, part) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(inner) = value.get(key) {
            wrong.extend(broken(inner, part, all, root, &format!("{path}.{key}")));
        }
    }
    if schema["items"].is_object() {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            wrong.extend(broken(item, &schema["items"], all, root, &format!("{path}[{index}]")));
        }
    }
    wrong
}

#[test]
fn every_run_is_a_start_and_one_end_in_openlineage_s_own_schemas() {
    let workspace = Workspace::at(Stage::Trained);
    let out = workspace.file("lineage.ndjson");
    workspace.done(&["lineage", "openlineage", "--out", out.to_str().unwrap()]);
    let events: Vec<Value> = fs::read_to_string(&out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let mut runs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in &events {
        runs.entry(event["run"]["runId"].as_str().unwrap()).or_default().push(event["eventType"].as_str().unwrap());
    }
    assert_eq!(runs.len(), 2, "an import and a training");
    assert!(runs.values().all(|kinds| *kinds == ["START", "COMPLETE"]), "{runs:?}");
    let trained = events.iter().find(|e| e["eventType"] == "COMPLETE" && e["job"]["name"] == "train/visits/care").unwrap();
    let gate = &trained["run"]["facets"]["reticent_privacyGate"];
    assert_eq!(
        (gate["decision"].as_str(), gate["excluded"]["withdrawn"].as_u64(), gate["excluded"]["expired"].as_u64()),
        (Some("permit"), Some(12), Some(10))
    );
    assert_eq!(trained["outputs"][0]["name"], "models/risk/1");
    let tags = trained["inputs"][0]["facets"]["tags"]["tags"].as_array().unwrap();
    assert!(tags.len() == 4 && tags.iter().all(|t| t["key"] == "pii" && t["value"] == "true"));
    let Some(folder) = examples("openlineage") else { return };
    let all: BTreeMap<String, Value> = fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), serde_json::from_slice(&fs::read(&p).unwrap()).unwrap()))
        .collect();
    let spec = &all["OpenLineage.json"];
    let run_event = &spec["$defs"]["RunEvent"];
    for event in &events {
        assert_eq!(broken(event, run_event, &all, spec, ""), [""; 0]);
        let facets = [&event["run"], &event["job"]]
            .into_iter()
            .chain(event["inputs"].as_array().unwrap())
            .chain(event["outputs"].as_array().unwrap());
        for (name, facet) in facets.flat_map(|holder| holder["facets"].as_object().into_iter().flatten()) {
            let url = facet["_schemaURL"].as_str().unwrap();
            let Some(own) = all.iter().find(|(file, _)| url.contains(&format!("/{file}#"))).map(|(_, s)| s) else {
                assert!(name.starts_with("reticent_"), "{name}");
                continue;
            };
            let pointer = url.split_once('#').unwrap().1;
            assert_eq!(broken(facet, own.pointer(pointer).unwrap(), &all, own, name), [""; 0]);
        }
    }
    // The check is one: a run without its id breaks the schema.
    let mut without = events[0].clone();
    without["run"].as_object_mut().unwrap().remove("runId");
    assert!(!broken(&without, run_event, &all, spec, "").is_empty());
}

#[test]
fn a_blocked_release_is_a_failed_run() {
    let workspace = Workspace::at(Stage::Assessed);
    workspace.edit("reticent.toml", "steps = 40", "steps = 4000");
    let mut child = workspace.command(&TRAIN).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    workspace.wait_for_noise(&mut child);
    workspace.edit("reticent.toml", "notices = [\"2024-1\"]", "notices = [\"2025-1\"]");
    child.wait_with_output().unwrap();
    let out = workspace.file("lineage.ndjson");
    workspace.done(&["lineage", "openlineage", "--out", out.to_str().unwrap()]);
    let text = fs::read_to_string(&out).unwrap();
    let kinds: Vec<String> =
        text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["eventType"].as_str().unwrap().into()).collect();
    assert_eq!(kinds, ["START", "COMPLETE", "START", "FAIL"]);
}

#[test]
fn a_data_set_is_described_without_a_row_or_a_digest() {
    let workspace = Workspace::at(Stage::Trained);
    let out = workspace.file("visits.croissant.json");
    workspace.done(&["lineage", "croissant", "--out", out.to_str().unwrap()]);
    let described: Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    assert_eq!(
        described["conformsTo"],
        serde_json::json!(["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"])
    );
    assert_eq!(described["rai:personalSensitiveInformation"], serde_json::json!(["pressure: health (Art 9)"]));
    assert!(described["rai:dataUseCases"][0].as_str().unwrap().contains("https://w3id.org/dpv#ServiceProvision"));
    assert!(!described.to_string().contains("sha256") && !described.to_string().contains("of-nowhere"));
    let Some(folder) = examples("croissant") else { return };
    let example: Value = serde_json::from_slice(&fs::read(folder.join("titanic_metadata.json")).unwrap()).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<String>>();
    // Every key of the parts is one that the example's parts have, too.
    for pointer in ["/distribution/0", "/recordSet/2", "/recordSet/2/field/0", "/recordSet/2/field/0/source"] {
        let ours = described.pointer(&pointer.replace("/recordSet/2", "/recordSet/0")).unwrap();
        let known = keys(example.pointer(pointer).unwrap());
        let unknown: Vec<String> = keys(ours).into_iter().filter(|k| !known.contains(k)).collect();
        assert_eq!(unknown, [""; 0], "{pointer}");
    }
}

#[test]
fn a_card_says_purpose_basis_and_bound() {
    let workspace = Workspace::at(Stage::Trained);
    let out = workspace.file("card.md");
    workspace.done(&["lineage", "card", "risk", "--out", out.to_str().unwrap()]);
    let card = fs::read_to_string(&out).unwrap();
    for part in [
        "---\nprivacy:\n",
        "purposes: [\"care\"]",
        "basis: [\"A6-1-a\"]",
        "dpia: \"opened, not decided\"",
        "erasures: 0",
        "delta: 1e-5",
        "# risk/1",
        "Not covered:",
    ] {
        assert!(card.contains(part), "{part}\n{card}");
    }
}
