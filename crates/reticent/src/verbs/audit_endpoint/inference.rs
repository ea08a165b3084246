//! The Open Inference Protocol, version 2: which tensors a model takes, and probabilities or labels out of what it gives.

use crate::failure::Failure;
use crate::outward::Outward;
use crate::verbs::audit_records::Records;
use serde_json::{Value, json};

const TEXT: &str = "BYTES";

/// A model as it describes itself, and how the file is sent to it.
pub(super) struct Model<'a> {
    path: String,
    records: &'a Records,
    inputs: Vec<Input>,
    /// Columns that go into the file of answers as they are: of reference models.
    through: Vec<usize>,
    gives: Gives,
}

/// One tensor that is sent.
struct Input {
    name: String,
    datatype: String,
    /// Columns of the file: one, or all of a tensor with a row for each line.
    columns: Vec<usize>,
    as_matrix: bool,
}

/// What comes back for each line.
#[derive(Clone, PartialEq, Debug)]
enum Gives {
    /// Probabilities of so many classes, and their names where the model says them.
    Probabilities { output: String, classes: usize, names: Vec<String> },
    /// The name of a class alone.
    Labels { output: String },
}

impl<'a> Model<'a> {
    /// Asks for the description of the model, and for the answer to the first line.
    pub(super) fn meet(outward: &Outward, name: &str, records: &'a Records) -> Result<Self, Failure> {
        records.need("label")?;
        let path = format!("/v2/models/{name}");
        let described = outward.get(&path)?.unwrap_or(Value::Null);
        let inputs = inputs(&described, records)?;
        let through = records.of_references();
        let gives = Gives::Labels { output: String::new() };
        let mut model = Self { path: format!("{path}/infer"), records, inputs, through, gives };
        let first = records.lines.get(..1).ok_or_else(|| Failure::usage("the file of records has no line"))?;
        let answer = outward.post(&model.path, &model.request(first))?;
        model.gives = gives_of(&answer, outward.host())?;
        Ok(model)
    }

    /// The header of the file of answers.
    pub(super) fn header(&self) -> Vec<String> {
        let mut header = vec!["id".to_owned(), "member".into()];
        match &self.gives {
            Gives::Probabilities { classes, .. } => {
                header.push("label".into());
                header.extend((0..*classes).map(|k| format!("p_{k}")));
                header.extend(self.through.iter().map(|&at| self.records.header[at].clone()));
            }
            Gives::Labels { .. } => header.push("score".into()),
        }
        header
    }

    /// The answers to some lines, the first of which is number `from`.
    pub(super) fn answers(&self, outward: &Outward, lines: &[csv::StringRecord], from: usize) -> Result<Vec<Vec<String>>, Failure> {
        let answer = outward.post(&self.path, &self.request(lines))?;
        let malformed = |why: &str| {
            Failure::failed(format!("what {} answers to lines {} to {} {why}", outward.host(), from + 2, from + 1 + lines.len()))
                .hint("it answered one line otherwise: look at the model, or send fewer at once with `--batch`")
        };
        let (member, label) = (self.records.need("member")?, self.records.need("label")?);
        let mut rows = vec![];
        match &self.gives {
            Gives::Probabilities { output, classes, names } => {
                let data = tensor(&answer, output).ok_or_else(|| malformed("lacks the tensor of probabilities"))?;
                let numbers: Option<Vec<f64>> = flat(&data["data"]).into_iter().map(Value::as_f64).collect();
                let numbers = numbers.ok_or_else(|| malformed("holds something else than numbers"))?;
                if numbers.len() != lines.len() * classes {
                    return Err(malformed("has another number of probabilities than lines times classes"));
                }
                for (at, (line, p)) in lines.iter().zip(numbers.chunks(*classes)).enumerate() {
                    let class = class(&line[label], names, *classes).ok_or_else(|| {
                        Failure::usage(format!("line {}: `label` is none of the model's classes", from + at + 2))
                            .hint(format!("a number from 0 to {}, or the name that the model gives", classes - 1))
                    })?;
                    let mut row = vec![self.records.id(line, from + at), line[member].to_owned(), class.to_string()];
                    row.extend(p.iter().map(f64::to_string));
                    row.extend(self.through.iter().map(|&at| line[at].to_owned()));
                    rows.push(row);
                }
            }
            Gives::Labels { output } => {
                let data = tensor(&answer, output).ok_or_else(|| malformed("lacks the tensor of labels"))?;
                let labels = flat(&data["data"]);
                if labels.len() != lines.len() {
                    return Err(malformed("has another number of labels than lines"));
                }
                for (at, (line, given)) in lines.iter().zip(labels).enumerate() {
                    let given = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
                    let right = if given == line[label] { "1" } else { "0" };
                    rows.push(vec![self.records.id(line, from + at), line[member].to_owned(), right.into()]);
                }
            }
        }
        Ok(rows)
    }

    fn request(&self, lines: &[csv::StringRecord]) -> Value {
        let cell = |text: &str, datatype: &str| match text.parse::<f64>() {
            Ok(number) if datatype != TEXT => json!(number),
            _ => json!(text),
        };
        let tensors: Vec<Value> = self
            .inputs
            .iter()
            .map(|input| {
                let data: Vec<Value> =
                    lines.iter().flat_map(|line| input.columns.iter().map(move |&at| cell(&line[at], &input.datatype))).collect();
                let shape = if input.as_matrix { vec![lines.len(), input.columns.len()] } else { vec![lines.len()] };
                json!({ "name": input.name, "datatype": input.datatype, "shape": shape, "data": data })
            })
            .collect();
        json!({ "inputs": tensors })
    }
}

/// By the model's own description; where it gives none, a tensor for each column of the file.
fn inputs(described: &Value, records: &Records) -> Result<Vec<Input>, Failure> {
    let asked = records.inputs();
    let number = |at: usize| records.lines.iter().all(|line| line[at].parse::<f64>().is_ok_and(f64::is_finite));
    let listed = described["inputs"].as_array().filter(|all| !all.is_empty());
    let Some(listed) = listed else {
        let of = |at: usize| {
            let datatype = if number(at) { "FP64" } else { TEXT }.to_owned();
            Input { name: records.header[at].clone(), datatype, columns: vec![at], as_matrix: false }
        };
        return Ok(asked.into_iter().map(of).collect());
    };
    let name = |input: &Value| input["name"].as_str().unwrap_or_default().to_owned();
    let datatype = |input: &Value| input["datatype"].as_str().unwrap_or("FP64").to_owned();
    if let [only] = &listed[..]
        && records.column(&name(only)).is_none()
    {
        // One tensor with a row for each line.
        return Ok(vec![Input { name: name(only), datatype: datatype(only), columns: asked, as_matrix: true }]);
    }
    let mut inputs = vec![];
    for input in listed {
        let (name, datatype) = (name(input), datatype(input));
        let column = records.column(&name).ok_or_else(|| {
            Failure::usage(format!("the model reads `{name}`, and the records have no such column")).hint("add the column")
        })?;
        if datatype != TEXT
            && let Some(at) = records.lines.iter().position(|line| !line[column].parse::<f64>().is_ok_and(f64::is_finite))
        {
            return Err(Failure::usage(format!("line {}: `{name}` is no finite number, and the model reads one", at + 2)));
        }
        inputs.push(Input { name, datatype, columns: vec![column], as_matrix: false });
    }
    Ok(inputs)
}

/// What an answer to one line shows that the model gives.
fn gives_of(answer: &Value, host: &str) -> Result<Gives, Failure> {
    let outputs = answer["outputs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |output: &Value| output["name"].as_str().unwrap_or_default().to_owned();
    for output in outputs {
        let numbers: Option<Vec<f64>> = flat(&output["data"]).into_iter().map(Value::as_f64).collect();
        let floats = output["datatype"].as_str().is_some_and(|d| d.starts_with("FP"));
        if let Some(p) = numbers.filter(|p| floats && p.len() > 1 && (p.iter().sum::<f64>() - 1.0).abs() < 0.01) {
            let names = output["parameters"]["classes"].as_array().map(Vec::as_slice).unwrap_or_default();
            let names = names.iter().filter_map(|n| n.as_str().map(str::to_owned)).collect();
            return Ok(Gives::Probabilities { output: name(output), classes: p.len(), names });
        }
    }
    match outputs.iter().find(|output| flat(&output["data"]).len() == 1) {
        Some(output) => Ok(Gives::Labels { output: name(output) }),
        None => Err(Failure::failed(format!(
            "what {host} answers holds neither probabilities of at least two classes that add up to 1, nor a label"
        ))
        .hint("a model that gives logits alone cannot be asked this way yet: let it give probabilities")),
    }
}

fn tensor<'v>(answer: &'v Value, name: &str) -> Option<&'v Value> {
    answer["outputs"].as_array()?.iter().find(|output| output["name"] == name)
}

/// The values of a tensor, however they are nested.
fn flat(data: &Value) -> Vec<&Value> {
    match data {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        Value::Null => vec![],
        other => vec![other],
    }
}

fn class(label: &str, names: &[String], classes: usize) -> Option<usize> {
    names.iter().position(|n| n == label).or_else(|| label.parse().ok().filter(|k| *k < classes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_gives_is_told_from_its_first_answer() {
        let with = |outputs: Value| gives_of(&json!({ "outputs": outputs }), "models.example").map_err(|f| f.message);
        let p = json!([{ "name": "scores", "datatype": "FP64", "shape": [1, 2], "data": [[0.25, 0.75]], "parameters": { "classes": ["no", "yes"] } }]);
        let names = vec!["no".to_owned(), "yes".into()];
        assert_eq!(with(p), Ok(Gives::Probabilities { output: "scores".into(), classes: 2, names }));
        let label = json!([{ "name": "label", "datatype": "BYTES", "shape": [1], "data": ["yes"] }]);
        assert_eq!(with(label), Ok(Gives::Labels { output: "label".into() }));
        // Logits: they do not add up to one.
        let logits = json!([{ "name": "y", "datatype": "FP32", "shape": [1, 2], "data": [2.0, 3.0] }]);
        for none in [logits, json!([]), json!(null)] {
            assert!(with(none).unwrap_err().starts_with("what models.example answers holds neither"));
        }
    }

    #[test]
    fn labels_by_name_or_number() {
        let names = ["no".to_owned(), "yes".into()];
        assert_eq!(["yes", "no", "1", "2", "-1", ""].map(|l| class(l, &names, 2)), [Some(1), Some(0), Some(1), None, None, None]);
    }
}
