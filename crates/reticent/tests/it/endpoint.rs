//! What is sent to hosts: audits of models behind HTTP, and OpenLineage events. The hosts are threads of these tests.

use crate::workspace::{Stage, Workspace};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Answering = dyn Fn(usize, &str, &Value) -> (u16, String) + Send + Sync;

/// A host that answers with what a function says, given how many asked before, the path and the body.
struct Host {
    url: String,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Host {
    fn answering(answer: impl Fn(usize, &str, &Value) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let asked = Arc::new(Mutex::new(vec![]));
        let (kept, answer): (_, Arc<Answering>) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, kept, answer) = (stream.unwrap(), Arc::clone(&kept), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    loop {
                        let (mut first, mut length) = (String::new(), 0);
                        if reader.read_line(&mut first).unwrap_or(0) == 0 {
                            return;
                        }
                        loop {
                            let mut line = String::new();
                            reader.read_line(&mut line).unwrap();
                            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                                length = value.trim().parse().unwrap();
                            }
                            if line.trim().is_empty() {
                                break;
                            }
                        }
                        let mut body = vec![0; length];
                        reader.read_exact(&mut body).unwrap();
                        let path = first.split(' ').nth(1).unwrap().to_owned();
                        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                        let before = {
                            let mut kept = kept.lock().unwrap();
                            kept.push((path.clone(), body.clone()));
                            kept.len() - 1
                        };
                        let (status, text) = answer(before, &path, &body);
                        let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", text.len());
                        let to = if status == 302 { "Location: http://localhost:1/elsewhere\r\n" } else { "" };
                        if stream.write_all(format!("{head}{to}\r\n{text}").as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }
}

/// A workspace in which this machine is a declared recipient, and answers have a retention.
fn declared() -> Workspace {
    let workspace = Workspace::at(Stage::Consented);
    register(
        &workspace,
        &json!([
            { "register": "recipient", "id": "lab", "name": "Lab (made up)", "country": "IE", "purposes": ["audit", "lineage"], "contract": "12" },
            { "register": "host", "id": "localhost", "recipient": "lab", "region": "IE" },
            { "register": "retention", "id": "answers", "keep": "P90D" },
        ]),
    );
    workspace
}

fn register(workspace: &Workspace, entries: &Value) {
    workspace.put("registers.json", &entries.to_string());
    workspace.done(&["register", "import", workspace.file("registers.json").to_str().unwrap()]);
}

/// Sixty members and sixty others; the model knows the members by heart.
fn records(workspace: &Workspace) -> String {
    let mut text = "id,member,label,height,colour\n".to_owned();
    for n in 0..120 {
        writeln!(text, "secret-{n},{},{},{}.5,{}", n % 2, n % 3 % 2, 700 + n, ["red", "blue"][n % 2]).unwrap();
    }
    workspace.put("records.csv", &text);
    workspace.file("records.csv").to_str().unwrap().to_owned()
}

/// Confident on members (their heights are odd numbers and a half), less so on the others; right either way.
fn model(_: usize, path: &str, body: &Value) -> (u16, String) {
    if !path.ends_with("/infer") {
        return (404, String::new());
    }
    let heights: Vec<f64> = body["inputs"][0]["data"].as_array().unwrap().iter().map(|h| h.as_f64().unwrap()).collect();
    let p: Vec<f64> = heights
        .iter()
        .flat_map(|h| {
            let n = *h as usize - 700;
            // No two alike, so that the order of scores is one.
            let right = if n % 2 == 1 { 0.9 } else { 0.6 } + n as f64 * 1e-4;
            if n % 3 != 1 { [right, 1.0 - right] } else { [1.0 - right, right] }
        })
        .collect();
    let output = json!({ "name": "p", "datatype": "FP64", "shape": [heights.len(), 2], "data": p });
    (200, json!({ "model_name": "risk", "outputs": [output] }).to_string())
}

fn audit<'a>(url: &'a str, records: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let args = ["audit", "endpoint", url, "--model", "risk", "--records", records, "--authorisation", "contract 12, section 4"];
    [&args[..], more].concat()
}

#[test]
fn a_model_behind_http_is_audited_once_and_the_authorisation_comes_first() {
    let (workspace, host) = (declared(), Host::answering(model));
    let records = records(&workspace);
    let found = workspace.json(&audit(&host.url, &records, &["--batch", "50"]));
    let loss = found["findings"].as_array().unwrap().iter().find(|f| f["attack"]["name"] == "loss").unwrap_or_else(|| panic!("{found:#}"));
    assert_eq!(loss["auc"], 1.0, "{loss:#}");
    // The description, the first line to see what comes back, and three batches.
    assert_eq!(host.asked().iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), {
        let mut paths = vec!["/v2/models/risk"];
        paths.extend(["/v2/models/risk/infer"; 4]);
        paths
    });
    let batch = &host.asked()[2].1["inputs"];
    assert_eq!((&batch[0]["name"], &batch[0]["datatype"], &batch[0]["shape"]), (&json!("height"), &json!("FP64"), &json!([50])));
    assert_eq!((&batch[1]["name"], &batch[1]["datatype"], &batch[1]["data"][1]), (&json!("colour"), &json!("BYTES"), &json!("blue")));
    assert!(!host.asked().iter().any(|(_, body)| body.to_string().contains("secret-")), "ids are not sent");
    // On record in this order: may the host be reached, who permitted it, what came of it.
    let mut ledger = workspace.ledger();
    let connection = ledger.events("connection-decided").unwrap().pop().unwrap().seq;
    let evidence: Vec<i64> = ledger.events("evidence-recorded").unwrap().iter().map(|s| s.seq).collect();
    assert!(evidence.len() == 2 && connection < evidence[0] && evidence[1] == found["evidence"].as_i64().unwrap());
    let permitted = workspace.read(".reticent/evidence/audit-authorisation-1.json");
    assert!(permitted.contains("contract 12, section 4") && permitted.contains("localhost"));
    assert!(workspace.files_with("secret-7", &["records.csv"]).iter().all(|f| f.ends_with("answers.csv")), "ids stay with the answers");
    // Once more: what was answered is not asked again, but for what the model takes.
    let again = workspace.json(&audit(&host.url, &records, &["--batch", "50"]));
    assert_eq!(again["findings"], found["findings"]);
    assert_eq!(host.asked().len(), 7);
}

#[test]
fn nothing_is_sent_to_a_host_that_is_not_declared_or_without_a_retention() {
    let host = Host::answering(model);
    let workspace = Workspace::at(Stage::Consented);
    let records = records(&workspace);
    let refused = |words: &str| {
        let run = workspace.run(&audit(&host.url, &records, &[]));
        assert!(run.code == Some(3) && run.stderr.contains(words), "{}", run.stderr);
    };
    refused("no retention is declared for `answers`");
    register(&workspace, &json!([{ "register": "retention", "id": "answers", "keep": "P90D" }]));
    refused("nothing is sent to localhost for `audit`: the host is not declared");
    let run = workspace.run(&["lineage", "openlineage", "--to", &host.url]);
    assert!(run.code == Some(3) && run.stderr.contains("the host is not declared"), "{}", run.stderr);
    assert_eq!(host.asked(), []);
}

#[test]
fn an_endpoint_that_fails_half_way_loses_no_answer() {
    let workspace = declared();
    let records = records(&workspace);
    // Well for the description, the first line and two batches, then ill in every way in turn, then well.
    let ways = Arc::new(Mutex::new(Some(0)));
    let way = Arc::clone(&ways);
    let host = Host::answering(move |before, path, body| match *way.lock().unwrap() {
        Some(0) if before < 4 => model(before, path, body),
        Some(0) => (503, String::new()),
        Some(_) if !path.ends_with("/infer") || body["inputs"][0]["shape"] == json!([1]) => model(before, path, body),
        Some(1) => (200, "<html>".into()),
        Some(2) => (200, json!({ "outputs": [{ "name": "p", "datatype": "FP64", "data": [0.5] }] }).to_string()),
        Some(3) => (302, String::new()),
        Some(4) => (401, String::new()),
        Some(_) => {
            std::thread::sleep(Duration::from_secs(3));
            model(before, path, body)
        }
        None => model(before, path, body),
    });
    for (way, words) in [
        "answers with status 503, asked 3 times",
        "is no JSON",
        "has another number of probabilities than lines times classes",
        "status 302",
        "status 401",
        "does not answer in time, asked 3 times",
    ]
    .into_iter()
    .enumerate()
    {
        *ways.lock().unwrap() = Some(way);
        let run = workspace.run(&audit(&host.url, &records, &["--batch", "40", "--timeout", "1"]));
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert!(run.stderr.contains(words) && run.stderr.contains("80 of 120 lines are answered, and kept"), "{}", run.stderr);
        assert!(!run.stderr.contains("secret-") && run.stderr.contains("hint: "), "{}", run.stderr);
    }
    // A line that an interruption cut short is asked for again.
    let answers = workspace.files().into_keys().find(|f| f.ends_with("answers.csv")).unwrap();
    let whole = workspace.read(&answers);
    workspace.put(&answers, &whole[..whole.len() - 5]);
    *ways.lock().unwrap() = None;
    let found = workspace.json(&audit(&host.url, &records, &["--batch", "40"]));
    assert_eq!(found["lines"], 120);
    let ids: Vec<String> = workspace.read(&answers).lines().skip(1).map(|l| l.split(',').next().unwrap().to_owned()).collect();
    assert_eq!(ids, (0..120).map(|n| format!("secret-{n}")).collect::<Vec<_>>(), "each once, in order");
}

#[test]
fn labels_alone_are_scored_by_being_right_and_a_matrix_is_sent_as_one() {
    let workspace = declared();
    let mut text = "member,label,a,b\n".to_owned();
    (0..120).for_each(|n| writeln!(text, "{},yes,{n},{}", n % 2, n * 2).unwrap());
    workspace.put("records.csv", &text);
    let host = Host::answering(|_, path, body| {
        if !path.ends_with("/infer") {
            return (200, json!({ "inputs": [{ "name": "input-0", "datatype": "FP32", "shape": [-1, 2] }] }).to_string());
        }
        let data = body["inputs"][0]["data"].as_array().unwrap();
        assert_eq!(body["inputs"][0]["shape"], json!([data.len() / 2, 2]));
        let labels: Vec<&str> = data.chunks(2).map(|row| if row[0].as_f64().unwrap() % 2.0 == 1.0 { "yes" } else { "no" }).collect();
        (200, json!({ "outputs": [{ "name": "y", "datatype": "BYTES", "shape": [labels.len()], "data": labels }] }).to_string())
    });
    let found = workspace.json(&audit(&host.url, workspace.file("records.csv").to_str().unwrap(), &[]));
    assert_eq!(found["finding"]["auc"], 1.0, "{found:#}");
}

#[test]
fn a_language_model_is_asked_for_log_probabilities_and_missing_ones_are_an_error() {
    let workspace = declared();
    let mut text = "member,text\n".to_owned();
    (0..120).for_each(|n| writeln!(text, "{},the code of {n} is {}", n % 2, n * 7919).unwrap());
    workspace.put("texts.csv", &text);
    let records = workspace.file("texts.csv").to_str().unwrap().to_owned();
    let silent = Host::answering(|_, _, body| {
        let choices: Vec<Value> = body["prompt"].as_array().unwrap().iter().map(|_| json!({ "text": "", "logprobs": null })).collect();
        (200, json!({ "choices": choices }).to_string())
    });
    let run = workspace.run(&audit(&silent.url, &records, &["--protocol", "completions"]));
    assert!(run.code == Some(1) && run.stderr.contains("gives no log-probabilities of the text in line 2"), "{}", run.stderr);
    assert!(!run.stderr.contains("the code of"));

    let host = Host::answering(|_, path, body| {
        assert_eq!((path, &body["echo"], &body["max_tokens"]), ("/v1/completions", &json!(true), &json!(0)));
        let choice = |(at, text): (usize, &Value)| {
            let n: f64 = text.as_str().unwrap().split(' ').nth(3).unwrap().parse().unwrap();
            let log_p = if n % 2.0 == 1.0 { -0.5 } else { -2.0 } - n * 1e-4;
            json!({ "index": at, "logprobs": { "token_logprobs": [null, log_p, log_p, log_p] } })
        };
        // In any order: `index` says which is whose.
        let choices: Vec<Value> = body["prompt"].as_array().unwrap().iter().enumerate().map(choice).rev().collect();
        (200, json!({ "choices": choices }).to_string())
    });
    let found = workspace.json(&audit(&host.url, &records, &["--protocol", "completions", "--batch", "30"]));
    let of = |name: &str| found["findings"].as_array().unwrap().iter().find(|f| f["attack"]["name"] == name).unwrap()["auc"].clone();
    assert_eq!([of("loss"), of("Min-K%")], [json!(1.0), json!(1.0)]);
    assert_eq!(host.asked().len(), 4);
    assert!(workspace.files_with("the code of", &["texts.csv"]).is_empty(), "no text is kept");
}

#[test]
fn planted_secrets_are_extracted_by_prefix_beside_decoys_and_not_kept() {
    let workspace = declared();
    let mut text = "member,prefix,suffix\n".to_owned();
    (0..80).for_each(|n| writeln!(text, "{},the card of {n} is,4{:015}", n % 2, n * 1_234_567).unwrap());
    workspace.put("secrets.csv", &text);
    // It knows every fourth by heart, all of them members, and every eighth but for its first digit.
    let host = Host::answering(|_, path, body| {
        assert_eq!((path, &body["max_tokens"], body["logprobs"].is_null()), ("/v1/completions", &json!(17), true));
        let choice = |(at, prefix): (usize, &Value)| {
            let n: u64 = prefix.as_str().unwrap().split(' ').nth(3).unwrap().parse().unwrap();
            let text = match n % 8 {
                1 | 5 => format!(" 4{:015} ok", n * 1_234_567),
                3 => format!(" 5{:015} ok", n * 1_234_567),
                _ => " not to be told".into(),
            };
            json!({ "index": at, "text": text })
        };
        let choices: Vec<Value> = body["prompt"].as_array().unwrap().iter().enumerate().map(choice).rev().collect();
        (200, json!({ "choices": choices }).to_string())
    });
    let found = workspace.json(&audit(&host.url, workspace.file("secrets.csv").to_str().unwrap(), &["--protocol", "extraction"]));
    assert_eq!(
        found["said"],
        json!({ "members": { "in_full": 20, "nearly": 30, "of": 40 },
            "others": { "in_full": 0, "nearly": 0, "of": 40 }, "nearly_at_most_edits": 0.1 }),
        "{found:#}"
    );
    assert!(workspace.files_with("4000000001234567", &["secrets.csv"]).is_empty(), "nothing that was said is kept");
}

#[test]
fn lineage_is_sent_event_by_event_to_a_declared_host() {
    let (workspace, host) = (declared(), Host::answering(|_, _, _| (201, String::new())));
    let file = workspace.file("events.jsonl");
    let sent = workspace.json(&["lineage", "openlineage", "--to", &host.url, "--out", file.to_str().unwrap()]);
    let written: Vec<Value> = workspace.read("events.jsonl").lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(written.len() >= 2 && sent["events"] == written.len());
    let (paths, bodies): (Vec<String>, Vec<Value>) = host.asked().into_iter().unzip();
    assert!(paths.iter().all(|path| path == "/api/v1/lineage"));
    assert_eq!(bodies, written);
    let down = Host::answering(|before, _, _| if before == 0 { (201, String::new()) } else { (500, String::new()) });
    let run = workspace.run(&["lineage", "openlineage", "--to", &down.url]);
    assert!(run.code == Some(1) && run.stderr.contains(&format!("1 of {} events are sent", written.len())), "{}", run.stderr);
}
