//! `predict FILE`: scores for new rows.

use crate::cli::Common;
use crate::failure::Failure;
use crate::output::{Answer, say};
use crate::verbs::choose_model;
use crate::verbs::train::newest;
use crate::workspace::Workspace;
use clap::Args;
use reticent_data::{CsvOptions, encode, import_features};
use reticent_train::load_weights;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
#[command(
    after_help = "The file needs the model's feature columns; target and subject may be absent and are ignored.\nPrints CSV: row, predicted class, one probability for each class. Nothing of the input is kept."
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
}

impl Predict {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let mut workspace = Workspace::read(&common.dir)?;
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
        let data = &workspace.config.data[&dataset];
        let options = CsvOptions { delimiter: data.delimiter as u8, names: (!data.header).then(|| data.names.clone()), clamp: false };
        let file = std::fs::File::open(&self.file).map_err(|e| crate::disk::io("read", &self.file, &e))?;
        let rows = import_features(std::io::BufReader::new(file), &manifest.schema, &options)?;
        let encoded = encode(&rows.table);
        let classes = manifest.schema.target.classes.names(&manifest.schema.target.column);
        let probabilities = load_weights(&weights)?.probabilities(&encoded.inputs, encoded.width);
        let mut text = format!("row,class,{}\n", classes.iter().map(|c| quoted(&format!("p({c})"))).collect::<Vec<_>>().join(","));
        let mut scores = vec![];
        for (row, p) in probabilities.chunks_exact(classes.len()).enumerate() {
            let best = (0..p.len()).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap_or(0);
            let shown: Vec<String> = p.iter().map(|p| format!("{p:.4}")).collect();
            text += &format!("{},{},{}\n", row + 1, quoted(&classes[best]), shown.join(","));
            scores.push(json!({ "row": row + 1, "class": classes[best], "probabilities": p }));
        }
        Ok(Answer::new(text, json!({ "model": manifest.model, "stamp": manifest.stamp, "classes": classes, "scores": scores })))
    }
}

/// A CSV cell.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
