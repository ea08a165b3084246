//! `predict FILE`: scores for new rows.

use crate::cli::Common;
use crate::config::Art22;
use crate::decided::{self, Decided};
use crate::evidence;
use crate::failure::Failure;
use crate::output::{Answer, say};
use crate::request::Subject;
use crate::verbs::choose_model;
use crate::verbs::train::{ModelManifest, newest};
use crate::workspace::Workspace;
use clap::Args;
use reticent_data::{CsvOptions, encode, import_features};
use reticent_train::load_weights;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
#[command(
    after_help = "The file needs the model's feature columns; target and subject may be absent and are ignored.\nPrints CSV: row, predicted class, one probability for each class. Nothing of the input is kept.\n\nWhere the answers decide about people, say so with --decide: what the model said of each is kept, so that they can be told and contest it, until\nthe retention of `decisions` is over. Unless the purpose has a ground of Art 22(2), somebody decides: --by."
)]
pub(crate) struct Predict {
    /// CSV file with the feature columns
    file: PathBuf,
    /// The model [default: the only one]
    #[arg(long)]
    model: Option<String>,
    /// What the scores are wanted for; refused where the model was trained for another purpose
    #[arg(long)]
    purpose: Option<String>,
    /// The answers decide about the people in this column, the one that names them in the data set too
    #[arg(long, value_name = "SUBJECT-COLUMN")]
    decide: Option<String>,
    /// Who decides, having looked at the answers
    #[arg(long, value_name = "NAME", requires = "decide")]
    by: Option<String>,
}

impl Predict {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let mut workspace = if self.decide.is_some() { Workspace::write(&common.dir)? } else { Workspace::read(&common.dir)? };
        let (name, model) = choose_model(&workspace.config, self.model.as_deref())?;
        let (name, dataset) = (name.to_owned(), model.data.clone());
        let (manifest, weights, _) = newest(&mut workspace, &name)?;
        if let Some(asked) = self.purpose.as_ref().filter(|asked| **asked != manifest.purpose) {
            return Err(Failure::refused(format!("{} was trained for `{}`, not for `{asked}`", manifest.model, manifest.purpose))
                .hint("use a model of that purpose, or train one"));
        }
        if let Some(stamp) = &manifest.stamp {
            say(format!("warning: {}: {stamp}", manifest.model));
        }
        let people = self.people(&mut workspace, &dataset, &manifest)?;
        let data = &workspace.config.data[&dataset];
        let options = CsvOptions { delimiter: data.delimiter as u8, names: (!data.header).then(|| data.names.clone()), clamp: false };
        let file = std::fs::File::open(&self.file).map_err(|e| crate::disk::io("read", &self.file, &e))?;
        let rows = import_features(std::io::BufReader::new(file), &manifest.schema, &options)?;
        let encoded = encode(&rows.table);
        let classes = manifest.schema.target.classes.names(&manifest.schema.target.column);
        let probabilities = load_weights(&weights)?.probabilities(&encoded.inputs, encoded.width);
        let mut text = format!("row,class,{}\n", classes.iter().map(|c| quoted(&format!("p({c})"))).collect::<Vec<_>>().join(","));
        let (mut scores, mut decisions) = (vec![], vec![]);
        let at = jiff::Timestamp::now().to_string();
        for (row, p) in probabilities.chunks_exact(classes.len()).enumerate() {
            let best = (0..p.len()).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap_or(0);
            let shown: Vec<String> = p.iter().map(|p| format!("{p:.4}")).collect();
            text += &format!("{},{},{}\n", row + 1, quoted(&classes[best]), shown.join(","));
            if let Some(subject) = people.get(row) {
                decisions.push(Decided {
                    subject: subject.clone(),
                    model: manifest.model.clone(),
                    purpose: manifest.purpose.clone(),
                    at: at.clone(),
                    class: classes[best].clone(),
                    probability: p[best],
                    by: self.by.clone(),
                });
            }
            scores.push(json!({ "row": row + 1, "class": classes[best], "probabilities": p }));
        }
        if self.decide.is_some() {
            self.record(&mut workspace, &manifest, &decisions)?;
        }
        Ok(Answer::new(text, json!({ "model": manifest.model, "stamp": manifest.stamp, "classes": classes, "scores": scores })))
    }
}

impl Predict {
    /// Whom each row is about, where the answers decide; none where they do not.
    fn people(&self, workspace: &mut Workspace, dataset: &str, manifest: &ModelManifest) -> Result<Vec<Subject>, Failure> {
        let Some(column) = &self.decide else { return Ok(vec![]) };
        if let Some(stamp) = &manifest.stamp {
            return Err(Failure::refused(format!("{} decides about nobody: {stamp}", manifest.model)));
        }
        let alone = workspace.config.purposes.get(&manifest.purpose).is_some_and(|p| p.art22 != Art22::None);
        if !alone && self.by.as_ref().is_none_or(|by| by.trim().is_empty()) {
            return Err(Failure::refused(format!("`{}` has no ground on which a model decides alone (Art 22(2))", manifest.purpose))
                .hint("name who decides, having looked at the answers: `--by NAME`"));
        }
        let now = workspace.ledger.now()?;
        if !workspace.ledger.register("retention", now, None)?.contains_key("decisions") {
            return Err(Failure::refused("no retention is declared for `decisions`: what is kept about people is kept for a stated time")
                .hint("`reticent register import` with { \"register\": \"retention\", \"id\": \"decisions\", \"keep\": \"P3Y\" }"));
        }
        let data = &workspace.config.data[dataset];
        let wrong = |line: u64| Failure::usage(format!("line {line} of the file cannot be read as CSV in UTF-8"));
        let mut reader =
            csv::ReaderBuilder::new().delimiter(data.delimiter as u8).trim(csv::Trim::All).has_headers(data.header).from_path(&self.file);
        let reader = reader.as_mut().map_err(|_| Failure::usage("the file cannot be read"))?;
        let names: Vec<String> = match data.header {
            true => reader.headers().map_err(|_| wrong(1))?.iter().map(|n| n.trim_start_matches('\u{feff}').to_owned()).collect(),
            false => data.names.clone(),
        };
        let at = names.iter().position(|n| n == column);
        let at =
            at.ok_or_else(|| Failure::usage(format!("the file has no column `{column}`")).hint("name the column with the people in it"))?;
        let mut ids = vec![];
        for record in reader.records() {
            let record = record.map_err(|e| wrong(e.position().map_or(0, csv::Position::line)))?;
            ids.push(record.get(at).unwrap_or_default().to_owned());
        }
        let key = workspace.pseudonym_key()?;
        Ok(ids.iter().map(|id| Subject { dataset: dataset.into(), pseudonym: key.subject(dataset, id) }).collect())
    }

    /// Kept first, then on record by their number, then said.
    fn record(&self, workspace: &mut Workspace, manifest: &ModelManifest, decisions: &[Decided]) -> Result<(), Failure> {
        decided::keep(workspace, decisions)?;
        let body = json!({ "model": manifest.model, "purpose": manifest.purpose, "decisions": decisions.len(), "by_the_model_alone": self.by.is_none() });
        evidence::record(workspace, "decisions", &manifest.model, &body, [("decisions".to_owned(), decisions.len() as f64)].into())?;
        workspace.publish()?;
        Ok(())
    }
}

/// A CSV cell.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
