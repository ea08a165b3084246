//! Documents as views of evidence: one content in three forms, every number cited, what is missing said.

use crate::workspace::{Stage, Workspace};
use serde_json::{Value, json};

const KINDS: [&str; 7] = ["dpia", "ropa", "lia", "notice", "model-card", "data-card", "ccpa-risk"];

fn parties(workspace: &Workspace) {
    let entries = json!([
        { "register": "party", "id": "dpo", "role": "data-protection-officer", "name": "Officer", "contact": "dpo@example.org", "country": "IE" },
        { "register": "recipient", "id": "acme", "name": "Acme & <b>Sons", "country": "IE", "purposes": ["care"], "contract": "of 2026" },
    ]);
    workspace.put("registers.json", &entries.to_string());
    workspace.done(&["register", "import", workspace.file("registers.json").to_str().unwrap()]);
}

/// Lines that are not declared, wherever they stand in a document.
fn facts(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(map) if map.contains_key("standing") => found.push(value.clone()),
        Value::Object(map) => map.values().for_each(|v| facts(v, found)),
        Value::Array(all) => all.iter().for_each(|v| facts(v, found)),
        _ => {}
    }
}

#[test]
fn every_document_has_three_forms_and_one_content() {
    let workspace = Workspace::at(Stage::Trained);
    parties(&workspace);
    for kind in KINDS {
        let answer = workspace.json(&["document", kind]);
        let sha256 = answer["sha256"].as_str().unwrap();
        let stem = if kind == "dpia" { "impact-assessment" } else { kind };
        let forms = ["html", "json", "md"].map(|ending| workspace.read(&format!("{stem}.{ending}")));
        for form in &forms {
            assert!(form.contains(sha256), "{kind}");
        }
        let [html, data, markdown] = forms;
        let value: Value = serde_json::from_str(&data).unwrap();
        let mut all = vec![];
        facts(&value, &mut all);
        let cited: Vec<i64> = value["events"].as_array().unwrap().iter().map(|e| e["event"].as_i64().unwrap()).collect();
        for fact in &all {
            let events: Vec<i64> = fact["events"].as_array().unwrap().iter().map(|e| e.as_i64().unwrap()).collect();
            assert!(fact["standing"] == "declared" || !events.is_empty(), "{kind}: {fact}");
            for event in events {
                assert!(cited.contains(&event), "{kind}: {fact} cites {event}");
                assert!(
                    html.contains(&format!("href=\"#event-{event}\"")) && html.contains(&format!("id=\"event-{event}\"")),
                    "{kind}: {event}"
                );
                assert!(markdown.contains(&format!("#{event}")), "{kind}: {event}");
            }
        }
        // Nothing is loaded, nothing of a register is code, and each heading has its place.
        assert!(!html.contains("<script") && !html.contains("http://") && !html.contains("src="), "{kind}");
        assert!(!html.contains("<b>Sons"), "{kind}");
        assert_eq!(html.matches("<h1").count(), 1, "{kind}");
        assert!(html.contains("lang=\"en\""), "{kind}");
        let plain = html.replace('\u{a0}', " ");
        for piece in plain.split("</table>").flat_map(|p| p.split("</p>")).filter(|p| p.contains("ε ≤")) {
            assert!(piece.contains(" at δ = "), "{kind}: an ε without its δ");
        }
        assert_eq!(plain.contains("ε ≤"), ["dpia", "notice", "model-card", "ccpa-risk"].contains(&kind), "{kind}");
        // Who is in the data is in no document.
        assert!(!html.contains("patient-0") && !data.contains("patient-0"), "{kind}");
        // The same again is no new fact.
        let events = workspace.events();
        assert_eq!(workspace.json(&["document", kind])["sha256"], sha256, "{kind}");
        assert_eq!(workspace.events(), events, "{kind}");
    }
    let notice = workspace.read("notice.md");
    assert!(notice.contains("portability (GDPR Art 20)") && notice.contains("withdraw your consent") && !notice.contains("objection"));
    assert!(workspace.read("ropa.md").contains("Acme & \\<b>Sons, IE; contract of 2026"));
    assert!(workspace.read("lia.md").contains("To be completed: the assessment in its three steps"));
    assert!(workspace.read("model-card.md").contains("δ = 1e-5"));
}

#[test]
fn a_breach_has_a_clock_that_runs_from_awareness() {
    let workspace = Workspace::at(Stage::Imported);
    let open = ["breach", "open", "--aware", "2025-06-06T18:00:00Z", "--nature", "a copy of visits was mailed", "--concerns", "visits"];
    let opened = workspace.json(&open);
    assert_eq!((&opened["late"], &opened["notify_by"]), (&json!(true), &json!(1_749_492_000)), "72 h later: 2025-06-09T18:00:00Z");
    assert_eq!(workspace.json(&open)["number"], 1, "a retry is the same breach");
    let refused = |args: &[&str], why: &str| {
        let run = workspace.run(args);
        assert!(run.code == Some(3) && run.stderr.contains(why), "{}", run.stderr);
    };
    refused(&["breach", "open", "--aware", "2999-01-01T00:00:00Z", "--nature", "x"], "that moment has not come");
    refused(&["breach", "notify", "1", "--at", "2025-06-10T00:00:00Z"], "72 hours were over");
    refused(&["breach", "notify", "1", "--at", "2025-06-05T00:00:00Z"], "nobody knew of it then");
    workspace.done(&["breach", "notify", "1", "--at", "2025-06-10T00:00:00Z", "--delay", "the extent was not known"]);
    workspace.done(&["breach", "assess", "1", "--consequences", "embarrassment", "--measures", "the mail was recalled"]);
    let last = workspace.json(&["breach", "people", "1", "--not-told", "encrypted", "--by", "head"]);
    assert_eq!((&last["missing"], &last["late"]), (&json!([]), &json!(false)));
    let soon = workspace.json(&["breach", "open", "--nature", "another"]);
    assert_eq!((&soon["number"], &soon["late"], soon["missing"].as_array().unwrap().len()), (&json!(2), &json!(false), 3));
    workspace.done(&["document", "breach", "--breach", "1"]);
    let text = workspace.read("breach.md");
    for words in ["2025-06-06 18:00 UTC", "2025-06-09 18:00 UTC", "the extent was not known", "people are not told", "Nothing that Art 33"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
}

/// The CNIL's own export goes in and comes out again, odd values and all.
#[test]
fn a_pia_of_the_cnil_goes_in_and_comes_out_without_losing_a_field() {
    let workspace = Workspace::at(Stage::Assessed);
    let odd = json!({
        "pia": { "id": 7, "status": 3, "name": "<b>name</b>", "author_name": "A", "created_at": null, "more": { "deep": [1, null, 2.5] } },
        "answers": [
            { "id": 1, "pia_id": 7, "reference_to": 211, "data": { "text": "<p>needed<script>alert(1)</script></p>", "gauge": null, "list": [] }, "created_at": null },
            { "id": 2, "pia_id": 7, "reference_to": "321", "data": { "text": "loss of trust", "gauge": 0, "list": ["x", 3] } },
            { "id": 3, "pia_id": 7, "reference_to": 325, "data": { "text": "", "gauge": 3, "list": [] } },
            { "id": 4, "pia_id": 7, "reference_to": "3.1.[object Object]", "data": null },
            { "id": 5, "pia_id": 7, "reference_to": null },
            { "id": 6, "pia_id": 7, "reference_to": 325, "data": { "text": "twice", "gauge": 99, "list": null } },
        ],
        "measures": [{ "id": 1, "title": "<i>locks</i>", "content": null, "placeholder": 5 }],
        "evaluations": [{ "status": 9, "reference_to": "2.1.211", "gauges": { "x": "0", "y": null } }],
        "comments": [{}], "unknown": [[]],
    });
    let mut files = vec![odd.to_string()];
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("RETICENT_TEST_DATA").map_or(beside, std::path::PathBuf::from);
    match Some(data.join("cnil-pia/pia.json")).filter(|path| path.exists()) {
        Some(path) => files.push(std::fs::read_to_string(path).unwrap()),
        None => eprintln!("the CNIL's own file is not here: the made-up one alone was tried"),
    }
    for text in files {
        let workspace = workspace.copy();
        workspace.put("in.json", &text);
        let imported = workspace.json(&["document", "pia", "--import", workspace.file("in.json").to_str().unwrap()]);
        assert!(imported["parts"].as_array().unwrap().len() >= 3, "{imported}");
        workspace.done(&["document", "pia"]);
        let out: Value = serde_json::from_str(&workspace.read("pia.json")).unwrap();
        assert_eq!(out, serde_json::from_str::<Value>(&text).unwrap(), "every field is what it was");
        // What is written here since goes into its answer, and everything else stays.
        workspace.done(&["assess", "write", "risks", "--text", "a <new> risk", "--author", "B"]);
        workspace.done(&["document", "pia"]);
        let mut after: Value = serde_json::from_str(&workspace.read("pia.json")).unwrap();
        let mut before: Value = serde_json::from_str(&text).unwrap();
        let is_it = |a: &&mut Value| a["reference_to"] == 321 || a["reference_to"] == "321";
        let answer = after["answers"].as_array_mut().unwrap().iter_mut().find(is_it).unwrap();
        assert_eq!(answer["data"]["text"], "<p>a &lt;new&gt; risk</p>");
        answer["data"]["text"] = before["answers"].as_array_mut().unwrap().iter_mut().find(is_it).unwrap()["data"]["text"].clone();
        assert_eq!(after, before);
        let standing = workspace.json(&["assess"]);
        let parts = standing["assessment"]["parts"].to_string();
        assert!(!parts.contains("<script") && !parts.contains("alert(1)") && !parts.contains("<p>"), "{parts}");
    }
    for (bad, why) in [
        ("{", "line 1"),
        ("[]", "shape of a PIA"),
        ("{} {}", "single JSON object"),
        ("{\"pia\":{},\"pia\":{}}", "twice"),
        ("{\"pia\":[]}", "shape of a PIA"),
        ("{\"pia\":{},\"answers\":{}}", "shape of a PIA"),
    ] {
        workspace.put("bad.json", bad);
        let run = workspace.run(&["document", "pia", "--import", workspace.file("bad.json").to_str().unwrap()]);
        assert!(run.code == Some(2) && run.stderr.contains(why), "{bad}: {}", run.stderr);
    }
}
