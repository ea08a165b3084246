//! `reticent serve`: HTTP spoken by hand to the binary on a free port.

use crate::workspace::{Run, Stage, TRAIN, Workspace};
use reticent_govern::Actor;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A server under way; stopped when the test ends, however it ends.
struct Server {
    child: Child,
    address: String,
    said: Value,
}

impl Server {
    fn start(workspace: &Workspace, more: &[&str]) -> Self {
        workspace.approve();
        let args: Vec<&str> = ["serve", "--port", "0", "--json"].into_iter().chain(more.iter().copied()).collect();
        let mut child = workspace.command(&args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|e| {
            let mut stderr = String::new();
            child.stderr.as_mut().unwrap().read_to_string(&mut stderr).unwrap();
            panic!("{e}: {line:?}\n{stderr}")
        });
        let address = said["address"].as_str().unwrap().to_owned();
        Self { child, address, said }
    }

    /// Sends these bytes as they are; gives the status, the head and the JSON body.
    fn raw(&self, bytes: &[u8]) -> (u16, String, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(bytes).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, Value) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            self.address,
            body.len()
        );
        let (status, _, body) = self.raw(request.as_bytes());
        (status, body)
    }

    fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, "", "")
    }

    fn infer_as(&self, headers: &str, body: &Value) -> (u16, Value) {
        let headers = format!("Content-Type: application/json\r\n{headers}");
        self.send("POST", "/v2/models/risk/infer", &headers, &body.to_string())
    }

    fn infer(&self, body: &Value) -> (u16, Value) {
        self.infer_as("", body)
    }

    /// Ctrl-C; gives the exit code and what was said on stderr.
    fn stop(mut self) -> (Option<i32>, String) {
        assert!(Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success());
        let code = self.child.wait().unwrap().code();
        let mut stderr = String::new();
        self.child.stderr.as_mut().unwrap().read_to_string(&mut stderr).unwrap();
        (code, stderr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A tensor a column; values that occur nowhere else.
fn rows(ages: &[f64], sexes: &[&str], pressures: &[f64]) -> Value {
    json!({ "id": "request-7", "inputs": [
        { "name": "age", "shape": [ages.len()], "datatype": "FP64", "data": ages },
        { "name": "sex", "shape": [sexes.len(), 1], "datatype": "BYTES", "data": sexes.iter().map(|s| vec![s]).collect::<Vec<_>>() },
        { "name": "pressure", "shape": [pressures.len()], "datatype": "FP32", "data": pressures },
    ] })
}

fn two() -> Value {
    rows(&[23.875, 88.125], &["m", "f"], &[97.625, 207.375])
}

#[test]
fn a_release_is_served_by_the_protocol_and_answers_as_predict_does() {
    let workspace = Workspace::at(Stage::Trained);
    let server = Server::start(&workspace, &["--purpose", "care"]);
    assert!(server.address.starts_with("127.0.0.1:"), "{}", server.address);
    assert_eq!((server.said["model"].as_str(), server.said["output"].as_str()), (Some("risk/1"), Some("labels")));

    assert_eq!(server.get("/v2").1["name"], "reticent");
    assert_eq!(server.get("/v2/health/live"), (200, json!({ "live": true })));
    assert_eq!(server.get("/v2/health/ready"), (200, json!({ "ready": true })));
    for model in ["/v2/models/risk", "/v2/models/risk/versions/1"] {
        let (status, told) = server.get(model);
        assert_eq!(status, 200);
        let inputs: Vec<(&str, &str)> =
            told["inputs"].as_array().unwrap().iter().map(|i| (i["name"].as_str().unwrap(), i["datatype"].as_str().unwrap())).collect();
        assert_eq!(inputs, [("age", "FP64"), ("sex", "BYTES"), ("pressure", "FP64")]);
        assert_eq!(told["outputs"], json!([{ "name": "label", "datatype": "BYTES", "shape": [-1] }]));
        assert_eq!(server.get(&format!("{model}/ready")), (200, json!({ "name": "risk", "ready": true })));
    }

    workspace.put("own.csv", "age,sex,pressure\n23.875,m,97.625\n88.125,f,207.375\n");
    let file = workspace.file("own.csv");
    let predicted = workspace.json(&["predict", file.to_str().unwrap()]);
    let expected: Vec<&Value> = predicted["scores"].as_array().unwrap().iter().map(|s| &s["class"]).collect();
    let (status, answer) = server.infer(&two());
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["outputs"], json!([{ "name": "label", "datatype": "BYTES", "shape": [2], "data": expected }]));
    assert_eq!((&answer["id"], &answer["model_name"], &answer["model_version"]), (&json!("request-7"), &json!("risk"), &json!("1")));
    assert!(!answer.to_string().contains("0."), "labels alone: {answer}");

    let (code, stderr) = server.stop();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("risk/1 for `care` at 127.0.0.1:") && stderr.contains("stopped"), "{stderr}");
    for value in ["23.875", "207.375", "request-7"] {
        assert_eq!(workspace.files_with(value, &["own.csv"]), Vec::<String>::new(), "{value} is kept nowhere");
        assert!(!stderr.contains(value), "{stderr}");
    }
    workspace.done(&["log", "verify"]);
}

#[test]
fn scores_are_given_out_where_the_policy_says_so_and_rounded() {
    let workspace = Workspace::at(Stage::Trained);
    workspace.edit("reticent.toml", "[models.risk]", "[models.risk.serve]\noutput = \"scores\"\ndecimals = 1\n[models.risk]");
    let server = Server::start(&workspace, &[]);
    let (status, answer) = server.infer(&two());
    assert_eq!(status, 200, "{answer}");
    let scores = &answer["outputs"][1];
    assert_eq!((&scores["name"], &scores["shape"]), (&json!("scores"), &json!([2, 2])));
    for score in scores["data"].as_array().unwrap() {
        let tenths = score.as_f64().unwrap() * 10.0;
        assert!((tenths - tenths.round()).abs() < 1e-9, "{score}");
    }
    let mut only = two();
    only["outputs"] = json!([{ "name": "scores" }]);
    assert_eq!(server.infer(&only).1["outputs"].as_array().unwrap().len(), 1);
}

#[test]
fn what_was_not_released_is_not_served() {
    let refused = |workspace: &Workspace, more: &[&str], told: &str| {
        let args: Vec<&str> = ["serve", "--port", "0"].into_iter().chain(more.iter().copied()).collect();
        let run = workspace.run(&args);
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        assert!(run.stderr.contains(told), "{}", run.stderr);
    };
    refused(&Workspace::at(Stage::Assessed), &[], "no release of `risk` exists");

    let trained = Workspace::at(Stage::Trained);
    refused(&trained, &["--purpose", "marketing"], "was trained for the purpose `care`, not `marketing`");
    trained.edit("reticent.toml", "mode = \"release\"", "mode = \"experiment\"");
    refused(&trained, &[], "this workspace is an experiment");

    let experiment = Workspace::bare();
    experiment.edit("reticent.toml", "mode = \"release\"", "mode = \"experiment\"");
    experiment.done(&["import"]);
    experiment.done(&TRAIN);
    refused(&experiment, &[], "this workspace is an experiment");
    experiment.edit("reticent.toml", "mode = \"experiment\"", "mode = \"release\"");
    refused(&experiment, &[], "UNRELEASED");

    let changed = Workspace::at(Stage::Trained);
    let weights = changed.file(".reticent/models/risk/1/model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    refused(&changed, &[], "is not what was released");
}

#[test]
fn a_recalled_release_is_served_no_more() {
    let workspace = Workspace::at(Stage::Trained);
    let server = Server::start(&workspace, &[]);
    assert_eq!(server.infer(&two()).0, 200);
    let mut ledger = workspace.ledger();
    assert!(ledger.recall(&Actor("tester".into()), "risk/1", "an erasure", "somebody else").unwrap());
    drop(ledger);
    assert_eq!(server.infer(&two()), (410, json!({ "error": "risk/1 was recalled" })));
    server.stop();
    let run = workspace.run(&["serve", "--port", "0"]);
    assert!(run.code == Some(3) && run.stderr.contains("risk/1 was recalled"), "{}", run.stderr);
}

#[test]
fn another_purpose_is_refused() {
    let workspace = Workspace::at(Stage::Trained);
    let server = Server::start(&workspace, &[]);
    for (purpose, status) in [(json!("care"), 200), (json!("marketing"), 403), (json!(7), 403)] {
        let mut body = two();
        body["parameters"] = json!({ "purpose": purpose });
        let (found, answer) = server.infer(&body);
        assert_eq!(found, status, "{answer}");
        if status == 403 {
            assert_eq!(answer, json!({ "error": "risk/1 is served for the purpose `care` only" }));
        }
    }
}

#[test]
fn a_budget_runs_out_for_each_caller_and_survives_a_restart() {
    let workspace = Workspace::at(Stage::Trained);
    workspace.edit("reticent.toml", "[models.risk]", "[models.risk.serve]\nqueries_per_caller = 5\n[models.risk]");
    let ann = "Authorization: Bearer ann-of-nowhere\r\n";
    let server = Server::start(&workspace, &[]);
    assert_eq!(server.infer_as(ann, &two()).1["parameters"]["queries_left"], 3);
    assert_eq!(server.infer_as(ann, &two()).1["parameters"]["queries_left"], 1);
    let (status, told) = server.infer_as(ann, &two());
    assert_eq!((status, told), (429, json!({ "error": "risk/1 may be asked 5 times by one caller: 2 more are asked for, 1 are left" })));
    assert_eq!(server.infer(&two()).0, 200, "whoever shows no token has a budget of their own");
    assert_eq!(server.stop().0, Some(0));

    let server = Server::start(&workspace, &[]);
    assert_eq!(server.infer_as(ann, &two()).0, 429);
    let one = rows(&[40.0], &["f"], &[120.0]);
    assert_eq!(server.infer_as(ann, &one).1["parameters"]["queries_left"], 0);
    assert_eq!(server.infer_as(ann, &one).0, 429);
    assert_eq!(server.infer_as("Authorization: Bearer bob\r\n", &one).0, 200);
    server.stop();
    assert_eq!(workspace.files_with("ann-of-nowhere", &[]), Vec::<String>::new(), "a token is kept as a digest");
    workspace.done(&["log", "verify"]);
}

/// Each in plain words, with its status, without a value of the request, and free of charge.
#[test]
fn bad_requests_are_told_what_is_wrong() {
    let workspace = Workspace::at(Stage::Trained);
    workspace.edit("reticent.toml", "[models.risk]", "[models.risk.serve]\nqueries_per_caller = 2\n[models.risk]");
    let server = Server::start(&workspace, &[]);
    let changed = |edit: &dyn Fn(&mut Value)| {
        let mut body = two();
        edit(&mut body);
        body
    };
    let secret = "4711.0815";
    let cases: [(Value, &str); 16] = [
        (json!([secret]), "must be a JSON object"),
        (json!({ "inputs": secret }), "`inputs` must be a list of tensors"),
        (changed(&|b| b["id"] = json!([secret])), "`id` must be a text"),
        (changed(&|b| b["parameters"] = json!(secret)), "`parameters` must be an object"),
        (changed(&|b| b["outputs"] = json!([{ "name": "scores" }])), "given out are: label"),
        (
            changed(&|b| b["inputs"][0]["name"] = json!(secret)),
            "each input must have a `name`, one of the model's columns: `age`, `sex`, `pressure`",
        ),
        (changed(&|b| b["inputs"][0]["name"] = json!("sex")), "column `age` must be given once"),
        (changed(&|b| b["inputs"][0]["datatype"] = json!("BYTES")), "column `age` needs a `datatype` among: FP64"),
        (changed(&|b| b["inputs"][0]["shape"] = json!([3])), "column `age` needs the `shape` of its data"),
        (changed(&|b| b["inputs"][0]["data"] = json!(secret)), "column `age` needs `data`"),
        (changed(&|b| b["inputs"][0]["data"] = json!([[[[1]]], 2])), "column `age` needs `data`"),
        (changed(&|b| b["inputs"][0]["data"] = json!([secret, 2])), "column `age` holds a value of another type"),
        (changed(&|b| b["inputs"][0]["data"] = json!([4711.0815, 2])), "column `age`: value outside the declared bounds (1 of the rows)"),
        (changed(&|b| b["inputs"][1]["data"] = json!([secret, "f"])), "column `sex`: value not among the declared levels (1 of the rows)"),
        (changed(&|b| b["inputs"][2]["data"] = json!([null, null])), "column `pressure`: no value (2 of the rows)"),
        (rows(&[], &[], &[]), "there is no row to score"),
    ];
    for (body, told) in &cases {
        let (status, answer) = server.infer(body);
        assert_eq!(status, 400, "{body} {answer}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(told), "{error:?} is not about {told:?}");
        assert!(!error.contains(secret), "{error}");
    }
    let uneven = rows(&[1.0, 2.0], &["f"], &[100.0, 100.0]);
    assert_eq!(server.infer(&uneven).0, 400);

    let json_type = "Content-Type: application/json\r\n";
    let post = |path: &str, headers: &str, body: &str| server.send("POST", path, headers, body);
    let (status, answer) = post("/v2/models/risk/infer", json_type, "{\"inputs\": [4711.0815");
    assert_eq!((status, answer), (400, json!({ "error": "the body is not JSON: line 1, column 21" })));
    assert_eq!(post("/v2/models/risk/infer", "", &two().to_string()).0, 415);
    assert_eq!(post("/v2/models/other/infer", json_type, &two().to_string()).0, 404);
    assert_eq!(post("/v2/models/risk/versions/2/infer", json_type, &two().to_string()).0, 404);
    assert_eq!(post("/v2/models/risk/infer", &format!("{json_type}Authorization: Basic YTpi\r\n"), &two().to_string()).0, 401);
    assert_eq!(post("/v2/models/risk", json_type, "{}").0, 405);
    assert_eq!(server.get("/metrics").0, 404);
    let (status, answer) = post("/v2/models/risk/infer", json_type, &" ".repeat((1 << 20) + 1));
    assert!(status == 413 && answer["error"].as_str().unwrap().contains("send fewer rows"), "{answer}");
    let (status, _, answer) = server.raw(b"GET /v2 HTTP/1.1\r\nHost: reticent.example:80\r\nConnection: close\r\n\r\n");
    assert_eq!((status, answer["error"].as_str()), (403, Some("this server answers to 127.0.0.1 and localhost only")));

    let (status, answer) = server.infer(&two());
    assert_eq!((status, &answer["parameters"]["queries_left"]), (200, &json!(0)), "none of these was charged: {answer}");
}

#[test]
fn there_is_no_way_to_listen_elsewhere() {
    let workspace = Workspace::at(Stage::Trained);
    for flag in ["--host", "--address", "--bind", "--listen"] {
        let run = workspace.run(&["serve", "--port", "0", flag, "0.0.0.0"]);
        assert_eq!(run.code, Some(2), "{flag}");
    }
    let server = Server::start(&workspace, &[]);
    let port = server.address.rsplit_once(':').unwrap().1;
    let taken = Run::of(&mut workspace.command(&["serve", "--port", port]), workspace.path());
    assert!(taken.code == Some(1) && taken.stderr.contains("--port 0"), "{}", taken.stderr);
    // The rest of 127/8 reaches this machine too, and no further; it is not listened on either.
    assert!(TcpStream::connect(format!("127.0.0.2:{port}")).is_err());
}
