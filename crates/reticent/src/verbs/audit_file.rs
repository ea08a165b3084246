//! `audit file`: attack a model of somebody else that comes as a file. No workspace is needed; where there is one, the authorisation is on record
//! before the model is asked. What it answers is held in memory alone.

use super::audit_records::Records;
use super::audit_scores::{self, Against, AuditScores};
use crate::cli::Common;
use crate::failure::{Failure, quietly};
use crate::output::{Answer, Progress};
use crate::workspace::Workspace;
use crate::{audit, disk, evidence};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use reticent_audit::model_file::{self, Activation, FileModel, Gives};
use reticent_audit::{Error, answers_file, label_only};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rows asked at once.
const BATCH: usize = 4096;

#[derive(Args)]
#[command(after_help = "Two kinds of file:\n\
  FILE.safetensors  the weights of a feed-forward network under PyTorch's names (`0.weight`, `0.bias`, `2.weight`, ...), with what stands between\n\
                    its layers: --activation. Its last layer gives logits. Layers stand in the order of their numbers, or of --layers\n\
  FILE.onnx         one input of rows × inputs; say what it gives with --output. Read where the program was built with the feature `onnx`\n\
RECORDS has `member` (0, 1, true, false), `label` (0 to k), the numbers that the model reads, in its order and on its scale, perhaps `unit` or\n\
`id`, and of reference models `ref_n` (probability of the true class) and `in_n` (trained with the row). The model is asked here, every attack of\n\
`audit scores` is made on what it answers, and `--attack label-only` asks it further; answers are not kept.\n\
Needs no workspace. In a workspace the audit is put on record, and says who permitted it: --authorisation.\n\
Example: reticent audit file risk.safetensors --activation relu --records people.csv --epsilon 2")]
pub(crate) struct AuditFile {
    /// The model: .safetensors or .onnx
    #[arg(required_unless_present = "attacks")]
    model: Option<PathBuf>,
    /// CSV file of what it is asked
    #[arg(long, value_name = "FILE", required_unless_present = "attacks")]
    records: Option<PathBuf>,
    /// What stands between the layers of a network in safetensors
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Activation::ALL.map(|(name, _)| name)))]
    activation: Option<String>,
    /// The layers of a network in safetensors, the first first [default: by the numbers in their names]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    layers: Option<Vec<String>>,
    /// What a model in ONNX gives
    #[arg(long, value_enum)]
    output: Option<Output>,
    /// The tensor that a model in ONNX is asked for [default: its only one of numbers]
    #[arg(long, value_name = "NAME")]
    tensor: Option<String>,
    /// Attacks by name [default: the usual ones]; `all`, or `list` to see what there is
    #[arg(long = "attack", value_name = "NAME", value_delimiter = ',')]
    attacks: Vec<String>,
    /// Who permitted this audit of a model that may be somebody else's, and where that is written
    #[arg(long, value_name = "TEXT")]
    authorisation: Option<String>,
    #[command(flatten)]
    against: Against,
}

/// What the numbers of a model are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Of each class; a single number is of class 1
    Probabilities,
    /// Before softmax, or the logistic function where it is a single number
    Logits,
}

impl AuditFile {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        if self.attacks.iter().any(|a| a == "list") {
            return Ok(audit::attack_list(false));
        }
        let (Some(path), Some(records)) = (&self.model, &self.records) else {
            return Err(Failure::usage("a model and what it is asked are missing").hint("`reticent audit file MODEL --records FILE`"));
        };
        let records = Records::read(records)?;
        let asked = Asked::of(&records)?;
        let bytes = read(path)?;
        let model = self.meet(path, &bytes, asked.width)?;
        if model.width() != asked.width {
            let names: Vec<&str> = records.inputs().iter().map(|&at| records.header[at].as_str()).collect();
            return Err(Failure::usage(format!(
                "the model reads {} numbers a row, and the records have {}: {}",
                model.width(),
                asked.width,
                names.join(", ")
            ))
            .hint("`member`, `label`, `id`, `unit`, `ref_n` and `in_n` are not given to the model; every other column is"));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut workspace = self.permitted(&common.dir, &name, &bytes, &records)?;
        drop(bytes);

        let file = quietly(|| self.answers(&model, &records, &asked))?;
        let read = answers_file::read(&file[..]).map_err(audit_scores::of_answers_file)?;
        let with = AuditScores::brought(path.clone(), self.against.clone(), self.attacks.clone());
        let mut answer = with.of_answers(read)?;
        answer.json["model"] = json!({ "inputs": model.width(), "classes": model.classes() });
        if let Some(workspace) = &mut workspace {
            let lower = answer.json["audit"]["epsilon_lower"].as_f64();
            let numbers =
                lower.map(|e| ("epsilon_lower".to_owned(), e)).into_iter().chain([("delta".to_owned(), self.against.delta)]).collect();
            let event = evidence::record(workspace, "file-audit", &name, &answer.json, numbers)?;
            workspace.publish()?;
            answer.json["evidence"] = json!(event);
            answer.text += &format!("evidence: event {event}\n");
        }
        Ok(answer)
    }

    fn meet(&self, path: &Path, bytes: &[u8], width: usize) -> Result<FileModel, Failure> {
        let is = |ending: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
        let only = |given: bool, option: &str, of: &str| {
            if given { Err(Failure::usage(format!("`{option}` is for models in {of}"))) } else { Ok(()) }
        };
        if is("safetensors") {
            only(self.output.is_some(), "--output", "ONNX")
                .map_err(|f| f.hint("the last layer of a network in safetensors gives logits"))?;
            only(self.tensor.is_some(), "--tensor", "ONNX")?;
            let activation =
                self.activation.as_deref().and_then(|name| Activation::ALL.iter().find(|(n, _)| *n == name)).ok_or_else(|| {
                    Failure::usage("weights do not say what stands between the layers: `--activation` is missing")
                        .hint("for example `--activation relu`; `identity` where there is nothing, or a single layer")
                })?;
            return model_file::read_safetensors(bytes, activation.1, self.layers.as_deref()).map_err(|error| {
                let order = self.layers.is_none() && error.to_string().contains("does not follow from their names");
                let failure = Failure::from(error);
                if order { failure.hint("name them in their order: `--layers FIRST,SECOND`") } else { failure }
            });
        }
        if !is("onnx") {
            return Err(Failure::usage(format!("{}: a file that ends in .onnx or .safetensors is read", path.display()))
                .hint("of any other model write the answers: `reticent audit scores --template` shows how"));
        }
        only(self.activation.is_some(), "--activation", "safetensors")?;
        only(self.layers.is_some(), "--layers", "safetensors")?;
        let gives = match self.output {
            Some(Output::Logits) => Gives::Logits,
            Some(Output::Probabilities) => Gives::Probabilities,
            None => {
                return Err(Failure::usage("a model in ONNX does not say what its numbers are: `--output` is missing")
                    .hint("`--output probabilities` where softmax or the like is part of it, else `--output logits`"));
            }
        };
        onnx(bytes, self.tensor.as_deref(), gives, width)
    }

    /// Where there is a workspace: opens it, and puts the authorisation on record.
    fn permitted(&self, dir: &Path, model: &str, bytes: &[u8], records: &Records) -> Result<Option<Workspace>, Failure> {
        let authorisation = self.authorisation.as_deref().map(str::trim);
        if authorisation == Some("") {
            return Err(Failure::usage("the authorisation is empty").hint("say who permitted the audit, and where that is written"));
        }
        let Some(authorisation) = authorisation else {
            return if dir.join(".reticent").exists() {
                Err(Failure::refused("an audit in a workspace is put on record, with who permitted it")
                    .hint("`--authorisation \"contract 12, section 4\"`; or work in a folder that is no workspace"))
            } else {
                Ok(None)
            };
        };
        let mut workspace = Workspace::write(dir)?;
        let body = json!({ "model": model, "sha256": hex::encode(Sha256::digest(bytes)), "authorisation": authorisation,
            "lines": records.lines.len(), "kept": "no answer" });
        evidence::record(&mut workspace, "audit-authorisation", model, &body, BTreeMap::new())?;
        workspace.publish()?;
        Ok(Some(workspace))
    }

    /// The file of answers that the model would have written.
    fn answers(&self, model: &FileModel, records: &Records, asked: &Asked) -> Result<Vec<u8>, Failure> {
        let classes = model.classes();
        if let Some(at) = asked.labels.iter().position(|label| *label as usize >= classes) {
            return Err(Failure::usage(format!("line {}: `label` is none of the model's {classes} classes", at + 2))
                .hint(format!("a number from 0 to {}", classes - 1)));
        }
        let mut progress = Progress::new("asking", asked.labels.len() as u64);
        let mut p = vec![];
        for rows in asked.inputs.chunks(BATCH * asked.width) {
            let before = p.len() / classes;
            p.extend(model.ask(rows).map_err(|error| of_answer(error, before))?);
            progress.at((p.len() / classes) as u64);
        }
        let further = self.attacks.iter().any(|a| a == "all" || a == "label-only");
        let ask = |inputs: &[f32]| model.ask(inputs);
        let withstood = match further {
            true => Some(
                label_only::of_rows(ask, &asked.inputs, asked.width, &asked.labels, classes, self.against.seed)
                    .map_err(|error| of_answer(error, 0))?,
            ),
            false => None,
        };
        let through: Vec<usize> = ["id", "unit"].iter().filter_map(|name| records.column(name)).chain(records.of_references()).collect();
        let mut header: Vec<String> = vec!["member".into(), "label".into()];
        header.extend((0..classes).map(|k| format!("p_{k}")));
        header.extend((0..asked.width).map(|k| format!("x_{k}")));
        header.extend(through.iter().map(|&at| records.header[at].clone()));
        header.extend(withstood.is_some().then(|| "withstood".to_owned()));
        let wrong = |e: csv::Error| Failure::failed(format!("cannot hold the answers: {e}"));
        let mut writer = csv::Writer::from_writer(vec![]);
        writer.write_record(&header).map_err(wrong)?;
        for (row, line) in records.lines.iter().enumerate() {
            let mut cells = vec![line[asked.member].to_owned(), asked.labels[row].to_string()];
            cells.extend(p[row * classes..(row + 1) * classes].iter().map(f64::to_string));
            cells.extend(asked.inputs[row * asked.width..(row + 1) * asked.width].iter().map(f32::to_string));
            cells.extend(through.iter().map(|&at| line[at].to_owned()));
            cells.extend(withstood.iter().map(|share| share[row].to_string()));
            writer.write_record(&cells).map_err(wrong)?;
        }
        writer.into_inner().map_err(|_| Failure::failed("cannot hold the answers"))
    }
}

/// What the model is asked, as numbers.
struct Asked {
    member: usize,
    labels: Vec<u32>,
    width: usize,
    /// `rows × width`.
    inputs: Vec<f32>,
}

impl Asked {
    fn of(records: &Records) -> Result<Self, Failure> {
        let (member, label, columns) = (records.need("member")?, records.need("label")?, records.inputs());
        if records.lines.is_empty() || columns.is_empty() {
            return Err(Failure::usage("the records have no line, or no column that a model could read"));
        }
        let mut asked = Self { member, labels: vec![], width: columns.len(), inputs: vec![] };
        for (at, line) in records.lines.iter().enumerate() {
            let wrong = |what: String| Failure::usage(format!("line {}: {what}", at + 2));
            asked.labels.push(line[label].parse().map_err(|_| wrong("`label` is no class: a whole number from 0 on".into()))?);
            for &column in &columns {
                let number = line[column].parse::<f32>().ok().filter(|x| x.is_finite());
                asked.inputs.push(number.ok_or_else(|| wrong(format!("`{}` is no finite number", records.header[column])))?);
            }
        }
        Ok(asked)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |e: std::io::Error| disk::io("read", path, &e);
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > model_file::MOST_BYTES {
        return Err(Failure::usage(format!("{} has {length} bytes, and at most {} are read", path.display(), model_file::MOST_BYTES)));
    }
    std::fs::read(path).map_err(unreadable)
}

/// What is wrong with an answer, by the line that was asked.
fn of_answer(error: Error, before: usize) -> Failure {
    match error {
        Error::Answer { row, what } => Failure::usage(format!("line {}: the model gives {what}", before + row + 2))
            .hint("`--output` says whether a model in ONNX gives probabilities or logits; rows have to be on the scale that it reads"),
        other => other.into(),
    }
}

#[cfg(feature = "onnx")]
fn onnx(bytes: &[u8], tensor: Option<&str>, gives: Gives, width: usize) -> Result<FileModel, Failure> {
    Ok(quietly(|| model_file::read_onnx(bytes, tensor, gives, width))?)
}

#[cfg(not(feature = "onnx"))]
fn onnx(_: &[u8], _: Option<&str>, _: Gives, _: usize) -> Result<FileModel, Failure> {
    Err(Failure::failed("this build of the program reads no ONNX: it was built without the feature `onnx`")
        .hint("build it with `cargo build --release --features onnx`; or write the answers: `reticent audit scores --template` shows how"))
}
