//! `serve` as a service of its own, asked one question over the loopback interface, and stopped.

use crate::failure::Failure;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was asked of the service, and what it answered.
pub(super) fn ask(dir: &Path, model: &str, columns: &[(&str, f64)]) -> Result<(Value, Value), Failure> {
    let failed = |e: std::io::Error| Failure::failed(format!("the service cannot be asked: {e}"));
    let program = std::env::current_exe().map_err(failed)?;
    let mut service = Stopped(
        Command::new(program)
            .args(["serve", "--port", "0", "--json", "--model", model, "--dir"])
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?,
    );
    let mut line = String::new();
    if let Some(out) = service.0.stdout.as_mut() {
        BufReader::new(out).read_line(&mut line).map_err(failed)?;
    }
    let said: Value = serde_json::from_str(&line).map_err(|_| Failure::failed("the service did not start"))?;
    let address = said["address"].as_str().unwrap_or_default();
    let inputs: Vec<Value> =
        columns.iter().map(|(name, value)| json!({ "name": name, "shape": [1], "datatype": "FP64", "data": [value] })).collect();
    let question = json!({ "inputs": inputs });
    let body = question.to_string();
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    write!(
        stream,
        "POST /v2/models/{model}/infer HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .map_err(failed)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(failed)?;
    let answer = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
    answer.map(|answer| (question, answer)).ok_or_else(|| Failure::failed("the service gave no answer that is JSON"))
}

/// A service that ends with this value.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
