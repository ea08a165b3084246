//! Requests and answers of the Open Inference Protocol, version 2 (KServe): one input tensor a column, checked as an imported row is.
//!
//! A number column takes `FP64`, `FP32`, `FP16` or an integer type, a column of levels `BYTES`; the shape is `[rows]` or `[rows, 1]`;
//! `null` is a missing value. Errors name columns and never a value.

use super::{Denied, Served};
use crate::config::ServedOutput;
use reticent_data::{CsvOptions, Domain, Error, encode, import_features};
use serde_json::{Map, Value, json};

const NUMBERS: [&str; 11] = ["FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8"];
const TEXT: &str = "BYTES";

/// What the server is.
pub(super) fn server() -> Value {
    json!({ "name": "reticent", "version": env!("CARGO_PKG_VERSION"), "extensions": [] })
}

/// What the model takes and gives.
pub(super) fn metadata(served: &Served) -> Value {
    let inputs: Vec<Value> = served
        .manifest
        .schema
        .columns
        .iter()
        .map(|c| json!({ "name": c.name, "datatype": if is_number(&c.domain) { NUMBERS[0] } else { TEXT }, "shape": [-1] }))
        .collect();
    let outputs: Vec<Value> = outputs(served)
        .iter()
        .map(|name| match *name {
            "scores" => json!({ "name": name, "datatype": "FP64", "shape": [-1, served.manifest.schema.classes()] }),
            _ => json!({ "name": name, "datatype": TEXT, "shape": [-1] }),
        })
        .collect();
    json!({
        "name": served.name, "versions": [served.version()], "platform": "reticent", "inputs": inputs, "outputs": outputs,
        "parameters": { "purpose": served.manifest.purpose, "queries_per_caller": served.policy.queries_per_caller },
    })
}

fn is_number(domain: &Domain) -> bool {
    matches!(domain, Domain::Range { .. })
}

/// Names of the outputs that the policy gives out.
fn outputs(served: &Served) -> &'static [&'static str] {
    match served.policy.output {
        ServedOutput::Labels => &["label"],
        ServedOutput::Scores => &["label", "scores"],
    }
}

/// A request whose rows fit the model's schema. No `Debug`: it holds somebody's row.
pub(super) struct Request {
    id: Option<String>,
    outputs: Vec<&'static str>,
    pub(super) inputs: Vec<f32>,
    rows: usize,
}

impl Request {
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Reads a request. Whatever is wrong with it is said without a word of its content: names come from the model's own columns.
    pub(super) fn parse(body: &[u8], served: &Served) -> Result<Self, Denied> {
        let body: Value =
            serde_json::from_slice(body).map_err(|e| bad(format!("the body is not JSON: line {}, column {}", e.line(), e.column())))?;
        let body = body.as_object().ok_or_else(|| bad("the body must be a JSON object with `inputs`"))?;
        purpose(body, served)?;
        let id = match body.get("id") {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(bad("`id` must be a text")),
        };
        let outputs = asked_outputs(body, served)?;
        let (csv, rows) = table(body, served)?;
        // The same reader as `import` and `predict`: what a column may hold is decided in one place.
        let read = import_features(&csv[..], &served.manifest.schema, &CsvOptions::default()).map_err(|e| bad(misfit(e)))?;
        Ok(Self { id, outputs, inputs: encode(&read.table).inputs, rows })
    }

    /// The answer, as far as the policy goes.
    pub(super) fn answer(&self, served: &Served, probabilities: &[f64], left: u64) -> Value {
        let schema = &served.manifest.schema;
        let classes = schema.target.classes.names(&schema.target.column);
        let places = 10_f64.powi(served.policy.decimals as i32);
        let output = |name: &&str| match *name {
            "scores" => {
                let data: Vec<f64> = probabilities.iter().map(|p| (p * places).round() / places).collect();
                json!({ "name": name, "datatype": "FP64", "shape": [self.rows, classes.len()], "data": data, "parameters": { "classes": classes } })
            }
            _ => {
                let best = |p: &[f64]| (0..p.len()).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap_or(0);
                let data: Vec<&str> = probabilities.chunks_exact(classes.len()).map(|p| classes[best(p)].as_str()).collect();
                json!({ "name": name, "datatype": TEXT, "shape": [self.rows], "data": data })
            }
        };
        let outputs: Vec<Value> = self.outputs.iter().map(output).collect();
        let mut answer = json!({ "model_name": served.name, "model_version": served.version(), "outputs": outputs,
            "parameters": { "purpose": served.manifest.purpose, "queries_left": left } });
        if let Some(id) = &self.id {
            answer["id"] = json!(id);
        }
        answer
    }
}

fn bad(why: impl Into<String>) -> Denied {
    Denied::new(400, why)
}

/// A request for another purpose than the model's is refused, whatever its rows are.
fn purpose(body: &Map<String, Value>, served: &Served) -> Result<(), Denied> {
    match body.get("parameters") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(parameters)) => match parameters.get("purpose") {
            None => Ok(()),
            Some(Value::String(purpose)) if *purpose == served.manifest.purpose => Ok(()),
            Some(_) => {
                Err(Denied::new(403, format!("{} is served for the purpose `{}` only", served.manifest.model, served.manifest.purpose)))
            }
        },
        Some(_) => Err(bad("`parameters` must be an object")),
    }
}

fn asked_outputs(body: &Map<String, Value>, served: &Served) -> Result<Vec<&'static str>, Denied> {
    let given = outputs(served);
    let Some(asked) = body.get("outputs").filter(|o| !o.is_null()) else { return Ok(given.to_vec()) };
    let names = asked.as_array().map(|asked| asked.iter().map(|o| given.iter().copied().find(|name| o["name"] == *name)).collect());
    match names {
        Some(Some(names)) => Ok(names),
        _ => Err(bad(format!("`outputs` must be a list of objects with a `name`; given out are: {}", given.join(", ")))),
    }
}

/// The tensors as a table in text, one column each, and its number of rows.
fn table(body: &Map<String, Value>, served: &Served) -> Result<(Vec<u8>, usize), Denied> {
    let columns = &served.manifest.schema.columns;
    let listed = || columns.iter().map(|c| format!("`{}`", c.name)).collect::<Vec<_>>().join(", ");
    let inputs =
        body.get("inputs").and_then(Value::as_array).ok_or_else(|| bad("`inputs` must be a list of tensors, one for each column"))?;
    let known = |input: &&Value| columns.iter().any(|c| input["name"] == *c.name);
    if !inputs.iter().all(|input| known(&input)) {
        return Err(bad(format!("each input must have a `name`, one of the model's columns: {}", listed())));
    }
    let mut texts: Vec<Vec<String>> = vec![];
    for column in columns {
        let mut named = inputs.iter().filter(|input| input["name"] == *column.name);
        let (Some(tensor), None) = (named.next(), named.next()) else {
            return Err(bad(format!("column `{}` must be given once; the model's columns: {}", column.name, listed())));
        };
        texts.push(cells(tensor, &column.name, &column.domain)?);
    }
    let rows = texts.first().map_or(0, Vec::len);
    if rows == 0 {
        return Err(bad("there is no row to score"));
    }
    if let Some((column, _)) = columns.iter().zip(&texts).find(|(_, cells)| cells.len() != rows) {
        return Err(bad(format!("column `{}` has another number of rows than the first", column.name)));
    }
    let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(vec![]);
    let failed = |_| bad("the rows cannot be written down");
    writer.write_record(columns.iter().map(|c| c.name.as_str())).map_err(failed)?;
    for row in 0..rows {
        writer.write_record(texts.iter().map(|cells| cells[row].as_str())).map_err(failed)?;
    }
    Ok((writer.into_inner().map_err(|_| bad("the rows cannot be written down"))?, rows))
}

/// The values of one tensor as texts.
fn cells(tensor: &Value, name: &str, domain: &Domain) -> Result<Vec<String>, Denied> {
    let number = is_number(domain);
    let datatype = tensor["datatype"].as_str().unwrap_or_default();
    if !(if number { NUMBERS.contains(&datatype) } else { datatype == TEXT }) {
        let wanted = if number { NUMBERS.join(", ") } else { TEXT.to_owned() };
        return Err(bad(format!("column `{name}` needs a `datatype` among: {wanted}")));
    }
    let mut flat = vec![];
    flatten(&tensor["data"], 2, &mut flat).ok_or_else(|| bad(format!("column `{name}` needs `data`, a list of values")))?;
    let shape: Option<Vec<u64>> = tensor["shape"].as_array().and_then(|s| s.iter().map(Value::as_u64).collect());
    let rows = flat.len() as u64;
    if shape.is_none_or(|s| s != [rows] && s != [rows, 1]) {
        return Err(bad(format!("column `{name}` needs the `shape` of its data: [rows] or [rows, 1]")));
    }
    let cell = |value: &Value| match value {
        Value::Null => Some(String::new()),
        Value::Number(n) if number => Some(n.to_string()),
        Value::String(text) if !number => Some(text.clone()),
        _ => None,
    };
    flat.into_iter()
        .map(cell)
        .collect::<Option<_>>()
        .ok_or_else(|| bad(format!("column `{name}` holds a value of another type than its datatype")))
}

/// The values of `data`, which may be nested `depth` lists deep.
fn flatten<'v>(data: &'v Value, depth: usize, flat: &mut Vec<&'v Value>) -> Option<()> {
    for value in data.as_array().filter(|_| depth > 0)? {
        if value.is_array() {
            flatten(value, depth - 1, flat)?;
        } else {
            flat.push(value);
        }
    }
    Some(())
}

/// What does not fit, by column and count; line numbers of the table in between would mean nothing to the caller.
fn misfit(error: Error) -> String {
    match error {
        Error::Rows(problems) => {
            let told = problems.into_iter().map(|mut problem| {
                problem.lines.clear();
                format!("{problem} ({} of the rows)", problem.count)
            });
            told.collect::<Vec<_>>().join("; ")
        }
        _ => "the rows cannot be read".into(),
    }
}
