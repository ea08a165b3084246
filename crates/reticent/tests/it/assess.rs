//! The impact assessment: who writes, who advises, who decides, and where each number comes from.

use crate::workspace::{CONFIG, PEOPLE, Stage, Workspace, person, rows};
use insta::assert_snapshot;
use serde_json::Value;
use std::collections::BTreeSet;

const REQUIRED: [&str; 3] = ["necessity", "risks", "measures"];

/// What is still to be completed.
fn missing(answer: &Value) -> Vec<String> {
    answer["assessment"]["to_be_completed"].as_array().unwrap().iter().map(|p| p.as_str().unwrap().to_owned()).collect()
}

fn state(workspace: &Workspace) -> String {
    workspace.json(&["assess"])["assessment"]["state"].as_str().unwrap().to_owned()
}

/// With all parts that people must write.
fn written() -> Workspace {
    let workspace = Workspace::at(Stage::Assessed);
    for part in REQUIRED {
        workspace.done(&["assess", "write", part, "--text", "As the working group found.", "--author", "Head of care"]);
    }
    workspace
}

const APPROVE: [&str; 5] = ["assess", "decide", "--by", "Director", "--approve"];

#[test]
fn nothing_is_written_before_it_is_open() {
    let workspace = Workspace::at(Stage::Consented);
    assert_eq!(state(&workspace), "not-opened");
    let events = workspace.events();
    for args in [
        &["assess", "write", "risks", "--text", "x"][..],
        &["assess", "advise", "--by", "Officer", "--text", "x"],
        &["assess", "decide", "--by", "Director", "--refuse", "--reason", "x"],
    ] {
        let said = "exit 3\nerror: no impact assessment is open for `care` on `visits`\n\nhint: open one with `reticent assess --plan`\n";
        assert_eq!(workspace.run(args).refusal(), said, "{args:?}");
    }
    assert_eq!(workspace.events(), events);
    assert_eq!(workspace.run(&["assess", "--plan", "render"]).code, Some(2));
}

#[test]
fn what_is_missing_is_listed_until_it_is_there() {
    let workspace = Workspace::at(Stage::Assessed);
    let open = missing(&workspace.json(&["assess"]));
    let planned = workspace.json(&["assess", "--plan"]);
    assert_eq!(Value::from(open.clone()), planned["to_be_completed"], "the plan and the status name the same");
    assert_eq!(open.len(), 5);
    let after = workspace.json(&["assess", "write", "risks", "--text", "Inference of a diagnosis: severe, unlikely."]);
    assert_eq!(missing(&after).len(), 4);
    let part = &after["assessment"]["parts"][0];
    assert_eq!((part["part"].as_str(), part["author"].as_str()), (Some("risks"), Some("tester")), "the author is whoever ran it");
    workspace.put("necessity.txt", "Fewer columns\r\nwould not do.\n");
    let file = workspace.file("necessity.txt");
    let after = workspace.json(&["assess", "write", "necessity", "--file", file.to_str().unwrap(), "--author", "Ann"]);
    assert_eq!(after["assessment"]["parts"][0]["text"], "Fewer columns\nwould not do.", "in the order of the document");
    let again = workspace.json(&["assess", "write", "risks", "--text", "Second thoughts."]);
    let texts: Vec<&str> = again["assessment"]["parts"].as_array().unwrap().iter().map(|p| p["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["Fewer columns\nwould not do.", "Second thoughts."], "the newest text of a part counts");
    for empty in
        [&["assess", "write", "risks", "--text", " \n "][..], &["assess", "write", "risks"], &["assess", "write", "virtues", "--text", "x"]]
    {
        assert_eq!(workspace.run(empty).code, Some(2), "{empty:?}");
    }
}

#[test]
fn whoever_advises_does_not_decide() {
    let workspace = written();
    workspace.done(&["assess", "advise", "--by", "Ann Officer", "--recommend", "approve", "--text", "The bound answers the main risk."]);
    let events = workspace.events();
    let refused = workspace.run(&["assess", "decide", "--by", " ann officer", "--approve"]);
    assert_snapshot!(refused.refusal(), @"
    exit 3
    error: ann officer cannot both advise on an assessment and decide on it

    hint: whoever advises as data-protection officer does not decide as controller: name two people (GDPR Art 38(6))
    ");
    assert_eq!(workspace.events(), events, "a refusal leaves nothing behind");
    assert_eq!(state(&workspace), "open");
    workspace.done(&APPROVE);
    assert_eq!(state(&workspace), "approved");
    assert_eq!(workspace.run(&["assess", "advise", "--by", "Director", "--text", "All is well."]).code, Some(3));
    assert!(missing(&workspace.json(&["assess"])).is_empty());
}

#[test]
fn a_decision_needs_its_parts_and_its_reason() {
    let workspace = Workspace::at(Stage::Assessed);
    assert_snapshot!(workspace.run(&APPROVE).refusal(), @"
    exit 3
    error: the assessment lacks what a decision in favour rests on: necessity and proportionality of the processing; risks to the people concerned, with severity and likelihood; measures that answer those risks

    hint: write each with `reticent assess write PART --file FILE`
    ");
    let workspace = written();
    let reason = |workspace: &Workspace| {
        let run = workspace.run(&APPROVE);
        assert_eq!(run.code, Some(3));
        run.stderr.lines().next().unwrap().to_owned()
    };
    assert_eq!(reason(&workspace), "error: no advice is on record: a reason is needed");
    workspace.done(&["assess", "advise", "--by", "Officer", "--text", "See my note."]);
    assert_eq!(reason(&workspace), "error: the newest advice recommends nothing in one word: a reason is needed");
    workspace.done(&["assess", "advise", "--by", "Officer", "--recommend", "refuse", "--text", "Too many columns."]);
    assert_eq!(reason(&workspace), "error: the decision overrules the newest advice: a reason is needed");
    let with: Vec<&str> = APPROVE.iter().copied().chain(["--reason", "Two columns were left out since."]).collect();
    let decided = workspace.json(&with);
    assert_eq!(decided["assessment"]["decision"]["overrules"], true);
    assert_eq!(decided["assessment"]["advice"][1]["recommendation"], "refuse");
    // What follows the advice needs no further reason.
    let refused = workspace.json(&["assess", "decide", "--by", "Director", "--refuse"]);
    assert_eq!((refused["assessment"]["decision"]["overrules"].as_bool(), state(&workspace).as_str()), (Some(false), "refused"));
    for args in [&["assess", "decide", "--by", "Director"][..], &["assess", "decide", "--by", " ", "--refuse", "--reason", "x"]] {
        assert_eq!(workspace.run(args).code, Some(2), "{args:?}");
    }
}

#[test]
fn a_material_change_reopens_what_was_decided() {
    let workspace = written();
    let with: Vec<&str> = APPROVE.iter().copied().chain(["--reason", "No officer is designated."]).collect();
    workspace.done(&with);
    for (from, to, changed) in [
        ("epsilon = 2.0", "epsilon = 1.5", "ε of model risk: was 2, is 1.5"),
        ("kind = \"logistic\"", "kind = \"mlp\"", "kind of model risk: was logistic, is mlp"),
        ("max_rows_per_subject = 2", "max_rows_per_subject = 3", "rows of one unit in model risk: was 2, is 3"),
        ("age = [0, 110]", "age = [18, 110]", "bounds and levels: was"),
        ("note = \"drop\"", "note = [\"a\", \"b\"]", "columns: was"),
        ("Will a visit be followed by another?", "Who pays?", "purpose: was"),
        ("art6 = \"a\"", "art6 = \"e\"", "legal basis: was"),
    ] {
        workspace.edit("reticent.toml", from, to);
        let standing = workspace.done(&["assess"]);
        assert!(standing.stdout.contains("reopened: what was decided on has changed"), "{to}: {}", standing.stdout);
        assert!(standing.stdout.contains(&format!("changed since: {changed}")), "{to}: {}", standing.stdout);
        assert!(standing.stdout.contains("to be completed: decision of the controller"));
        workspace.edit("reticent.toml", to, from);
        assert_eq!(state(&workspace), "approved", "{to}");
    }
    for (from, to) in [("steps = 40", "steps = 50"), ("P3Y", "P2Y"), ("Head of care", "Head of wards")] {
        workspace.edit("reticent.toml", from, to);
        assert_eq!(state(&workspace), "approved", "{to} is not material");
    }
    let after = workspace.json(&["assess", "write", "measures", "--text", "One more."]);
    assert_eq!(after["assessment"]["decision"]["later_parts"], serde_json::json!(["measures that answer those risks"]));
}

#[test]
fn evidence_of_a_decision_that_was_changed_is_refused() {
    let workspace = written();
    let with: Vec<&str> = APPROVE.iter().copied().chain(["--reason", "x"]).collect();
    workspace.done(&with);
    let facts = workspace.files().into_keys().find(|name| name.contains("assessment-facts")).unwrap();
    workspace.edit(&facts, "\"2\"", "\"9\"");
    assert_eq!(workspace.run(&["assess"]).code, Some(3));
}

#[test]
fn every_line_that_is_not_declared_links_to_its_events() {
    let workspace = Workspace::at(Stage::Trained);
    let answer = workspace.json(&["assess", "render"]);
    let assessment = &answer["assessment"];
    let page = std::fs::read_to_string(answer["page"]["html"].as_str().unwrap()).unwrap();
    let known: BTreeSet<i64> = assessment["events"].as_array().unwrap().iter().map(|e| e["event"].as_i64().unwrap()).collect();
    let lines = |part: &Value| part.as_array().unwrap().clone();
    let topics = lines(&assessment["evidence"]);
    let all = [lines(&assessment["processing"]), lines(&assessment["data"])].concat();
    let all: Vec<Value> = topics.iter().flat_map(|t| lines(&t["facts"])).chain(all).collect();
    let (mut linked, mut proved) = (0, 0);
    for fact in &all {
        let events = fact["events"].as_array().unwrap();
        match fact["standing"].as_str().unwrap() {
            "declared" => assert!(events.is_empty(), "{fact}"),
            "proved" if fact["value"].as_str().unwrap().starts_with("reserved") => assert!(!events.is_empty(), "{fact}"),
            standing => {
                assert!(!events.is_empty() && events.iter().all(|e| known.contains(&e.as_i64().unwrap())), "{fact}");
                linked += 1;
                proved += usize::from(standing == "proved");
            }
        }
    }
    assert!(linked > 8 && proved >= 2, "{linked} {proved}");
    for event in assessment["events"].as_array().unwrap() {
        let (number, commitment) = (event["event"].as_i64().unwrap(), event["commitment"].as_str().unwrap());
        assert!(page.contains(&format!("href=\"#event-{number}\"")) && page.contains(&format!("id=\"event-{number}\"")), "{number}");
        let held = workspace.files_with(commitment, &[]);
        assert!(held.iter().any(|f| f.starts_with(".reticent/log/")), "the log holds {commitment}: {held:?}");
    }
    assert!(page.contains("ε ≤") && page.contains("at δ = 1e-5") && page.contains("proved upper bound"));
    assert!(page.contains("no attack on a model of this purpose is on record"));
    assert!(page.contains("Nothing here is legal advice."));
    for loader in ["src=", "href=\"http", "url(", "@import", "<script", "<link", "<img"] {
        assert!(!page.contains(loader), "{loader}");
    }
}

#[test]
fn what_people_write_is_text_and_nothing_else() {
    let workspace = Workspace::at(Stage::Assessed);
    let script = "<script>alert(1)</script>\n\n</style><img src=x onerror=alert(1)>";
    workspace.done(&["assess", "write", "risks", "--text", script, "--author", "<b>Ann</b>"]);
    workspace.done(&["assess", "advise", "--by", "<i>Officer</i>", "--text", script]);
    workspace.done(&["assess", "decide", "--by", "<u>Director</u>", "--refuse", "--reason", script]);
    workspace.done(&["assess", "render"]);
    let page = workspace.read("dpia.html");
    for tag in ["<script", "<img", "<b>", "<i>", "<u>"] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert_eq!(page.matches("</style>").count(), 1);
    assert_eq!(page.matches("&lt;script&gt;alert(1)&lt;/script&gt;").count(), 3);
    assert!(page.contains("Written by &lt;b&gt;Ann&lt;/b&gt;"));
}

#[test]
fn the_same_facts_make_the_same_document() {
    let workspace = written();
    let first = workspace.json(&["assess", "render"]);
    let (page, events) = (workspace.read("dpia.html"), workspace.events());
    let second = workspace.json(&["assess", "render"]);
    assert_eq!(first["assessment"], second["assessment"]);
    assert_eq!((page, events), (workspace.read("dpia.html"), workspace.events()), "the same page is no new fact");
    let sha256 = first["assessment"]["sha256"].as_str().unwrap();
    assert!(workspace.read("dpia.html").contains(sha256) && workspace.read("dpia.json").contains(sha256));
    let changed = workspace.json(&["assess", "write", "views", "--text", "The patients' council was asked."]);
    assert_ne!(changed["assessment"]["sha256"].as_str().unwrap(), sha256);
    let elsewhere = workspace.file("out/of/here.html");
    std::fs::create_dir_all(elsewhere.parent().unwrap()).unwrap();
    let answer = workspace.json(&["assess", "render", "--out", elsewhere.to_str().unwrap()]);
    assert!(elsewhere.exists() && answer["page"]["json"].as_str().unwrap().ends_with("out/of/here.json"));
    assert_eq!(workspace.json(&["log", "verify"])["verified"], true);
}

#[test]
fn counts_from_one_to_nine_are_masked_and_do_not_follow_by_subtraction() {
    let mut consents = String::from("subject,purpose,state,at,notice,art6,art9\n");
    for number in 0..PEOPLE {
        let notice = if number < 3 { "2023-1" } else { "2024-1" };
        consents += &format!("{},care,given,2024-03-01,{notice},a,a\n", person(number));
        if (3..23).contains(&number) {
            consents += &format!("{},care,withdrawn,2024-09-15,,,\n", person(number));
        }
    }
    let workspace = Workspace::with(CONFIG, &rows(), &consents);
    for step in [&["import"][..], &["consent", "import"], &["assess", "--plan"], &["train"]] {
        workspace.done(step);
    }
    let answer = workspace.json(&["assess"]);
    let data = answer["assessment"]["data"].as_array().unwrap();
    let left_out: Vec<&str> =
        data.iter().filter(|f| f["name"].as_str().unwrap().starts_with("left out")).map(|f| f["value"].as_str().unwrap()).collect();
    assert_eq!(left_out, ["withheld units, withheld records", "<10 units, <10 records"]);
}

#[test]
fn it_speaks_in_words_we_may_use() {
    let workspace = Workspace::at(Stage::Trained);
    workspace.done(&["assess", "render"]);
    let page = workspace.read("dpia.html").to_lowercase();
    let body = page.split_once("</style>").unwrap().1.replace("(ε, δ)-certified removal", "");
    for word in
        ["compliant", "lawful", "valid consent", "anonymous", "safe", "risk-free", "tamper-proof", "certified", "forgotten", "guarantee"]
    {
        assert!(!body.contains(word), "{word}");
    }
}
