//! `explain`: why a released model scored a person's own rows as it did.

use crate::cli::Common;
use crate::data_version::load_latest;
use crate::disk;
use crate::evidence;
use crate::failure::Failure;
use crate::gate::{admit, chosen_for};
use crate::output::{Answer, Progress, say};
use crate::report::{EXPLAINED_LIMITS, Explained, percent, render_explained};
use crate::verbs::choose_model;
use crate::verbs::train::{ModelManifest, newest};
use crate::workspace::Workspace;
use clap::Args;
use reticent_data::{CsvOptions, Table, import_features};
use reticent_explain::{Background, Explainer, Explanation, LEAST_UNITS, LocalFit, MOST_POINTS, Model, Row, Space, Surrogate};
use reticent_proof::Use;
use reticent_train::{Classifier, load_weights};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Rows under which no average of contributions is kept: it would be nearly one person's.
const LEAST_ROWS: usize = 10;

#[derive(Args)]
#[command(
    after_help = "FILE holds the person's own rows, as `predict` takes them; or `--subject ID` takes the stored rows of a unit, if the gate permits them.\nThe background is averaged over units the gate permits; no row of anybody else is shown. What is printed holds the person's own values;\nwhat is kept as evidence holds none."
)]
pub(crate) struct Explain {
    /// CSV file with the feature columns
    #[arg(required_unless_present = "subject", conflicts_with = "subject")]
    file: Option<PathBuf>,
    /// The id of a unit whose stored rows are explained
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// The rows of FILE are made up, nobody's: the first one's waterfall is kept as evidence, for the report
    #[arg(long, requires = "file")]
    simulated: bool,
    /// Explain this row only, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    row: Option<u64>,
    /// The model [default: the only one]
    #[arg(long)]
    model: Option<String>,
    /// A column that no suggested change may touch (may be given several times)
    #[arg(long, value_name = "COLUMN")]
    immutable: Vec<String>,
    /// Write a page with the waterfall of each row
    #[arg(long, value_name = "OUT.html")]
    html: Option<PathBuf>,
}

impl Explain {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let mut workspace = Workspace::write(&common.dir)?;
        let (name, model) = choose_model(&workspace.config, self.model.as_deref())?;
        let (name, model) = (name.to_owned(), model.clone());
        let (manifest, weights, _) = newest(&mut workspace, &name)?;
        let space = Space::new(&manifest.schema);
        for column in &self.immutable {
            space.index_of(column).map_err(|e| {
                let names: Vec<&str> = manifest.schema.columns.iter().map(|c| c.name.as_str()).collect();
                Failure::usage(e.to_string()).hint(format!("its columns are: {}", names.join(", ")))
            })?;
        }
        let given = self.file.as_ref().map(|file| self.rows_of_file(file, &workspace, &manifest, &model.data)).transpose()?;
        let data = load_latest(&mut workspace, &model.data)?;
        if data.manifest.schema != manifest.schema {
            return Err(Failure::refused(format!("{} was trained on other columns than {} holds", manifest.model, data.manifest.version))
                .hint("train a release on the present columns: `reticent train --again`"));
        }
        let chosen = chosen_for(&mut workspace, &manifest.model, &manifest.data_version, &manifest.purpose)?;
        let admitted = admit(&mut workspace, &data, &model, Use::Explanation, &chosen)?;
        let stamp = manifest.stamp.clone().or_else(|| admitted.table.permit().stamp());
        if let Some(stamp) = &stamp {
            say(format!("warning: {}: {stamp}", manifest.model));
        }
        let background = Background::aggregate(&admitted.table, LEAST_UNITS, MOST_POINTS)?;
        let rows = match (given, &self.subject) {
            (Some(rows), _) => rows,
            (None, subject) => self.stored(&mut workspace, &model.data, admitted.table.table(), subject.as_deref().unwrap_or_default())?,
        };
        let explained = self.explain(&rows, &load_weights(&weights)?, &manifest, &space, &background)?;
        let mut summary = summary(&explained);
        if let (true, Some(first)) = (self.simulated, explained.first()) {
            summary["simulated"] = made_up(first);
        }
        let numbers = numbers(&summary);
        evidence::record(&mut workspace, "explanation", &manifest.model, &summary, numbers)?;
        workspace.publish()?;

        let mut text = text(&manifest.model, stamp.as_deref(), &explained);
        if let Some(path) = &self.html {
            disk::write(path, render_explained(&manifest.model, stamp.as_deref(), &explained).as_bytes())?;
            text += &format!("page       {}\n", path.display());
        }
        let page =
            self.html.as_ref().map(std::path::absolute).transpose().map_err(|e| Failure::failed(format!("cannot name the page: {e}")))?;
        let rows: Vec<Value> = explained.iter().map(row_json).collect();
        let json = json!({ "model": manifest.model, "stamp": stamp, "explanation": summary, "rows": rows, "limits": EXPLAINED_LIMITS, "page": page });
        Ok(Answer::new(text, json))
    }

    fn rows_of_file(
        &self,
        file: &PathBuf,
        workspace: &Workspace,
        manifest: &ModelManifest,
        dataset: &str,
    ) -> Result<Vec<(usize, Row)>, Failure> {
        let data = &workspace.config.data[dataset];
        let options = CsvOptions { delimiter: data.delimiter as u8, names: (!data.header).then(|| data.names.clone()), clamp: false };
        let source = std::fs::File::open(file).map_err(|e| disk::io("read", file, &e))?;
        let table = import_features(std::io::BufReader::new(source), &manifest.schema, &options)?.table;
        self.picked((0..table.rows()).map(|row| Row::of(&table, row)).collect())
    }

    /// The rows of a unit among those the gate permits. The id is repeated nowhere.
    fn stored(&self, workspace: &mut Workspace, dataset: &str, permitted: &Table, id: &str) -> Result<Vec<(usize, Row)>, Failure> {
        let pseudonym = workspace.pseudonym_key()?.subject(dataset, id);
        let own =
            (0..permitted.rows()).filter(|&row| permitted.subjects()[row] == pseudonym || permitted.subjects()[row].to_string() == id);
        let rows: Vec<Row> = own.map(|row| Row::of(permitted, row)).collect();
        if rows.is_empty() {
            workspace.publish()?;
            return Err(Failure::refused("the gate permits no stored row of this unit for an explanation, or there is none")
                .hint("`reticent status` shows what is on record; with the person's own rows in a file, run `reticent explain FILE.csv`"));
        }
        self.picked(rows)
    }

    fn picked(&self, rows: Vec<Row>) -> Result<Vec<(usize, Row)>, Failure> {
        let count = rows.len();
        let rows: Vec<(usize, Row)> = (1..).zip(rows).filter(|(number, _)| self.row.is_none_or(|only| only == *number as u64)).collect();
        if rows.is_empty() {
            return Err(
                Failure::usage(format!("there are {count} rows, numbered from 1")).hint("give `--row` one of them, or leave it out")
            );
        }
        Ok(rows)
    }

    fn explain(
        &self,
        rows: &[(usize, Row)],
        classifier: &Classifier,
        manifest: &ModelManifest,
        space: &Space,
        background: &Background,
    ) -> Result<Vec<Explained>, Failure> {
        let classes = manifest.schema.target.classes.names(&manifest.schema.target.column);
        let models: Vec<OfClass<'_>> = (0..classes.len()).map(|class| OfClass { classifier, class, classes: classes.len() }).collect();
        let immutable: BTreeSet<String> = self.immutable.iter().cloned().collect();
        let mut explainers: BTreeMap<usize, Explainer<'_, OfClass<'_>>> = BTreeMap::new();
        let mut progress = Progress::new("explaining", rows.len() as u64);
        let mut explained = vec![];
        for (done, (number, row)) in rows.iter().enumerate() {
            let class = models[0].predicted(&space.encode(row));
            if let std::collections::btree_map::Entry::Vacant(vacant) = explainers.entry(class) {
                vacant.insert(Explainer::new(&models[class], space, background, &classes[class], &immutable)?);
            }
            explained.push(Explained { row: *number, explanation: explainers[&class].explain(row)? });
            progress.at(done as u64 + 1);
        }
        Ok(explained)
    }
}

/// A classifier seen as the probability of one class.
struct OfClass<'a> {
    classifier: &'a Classifier,
    class: usize,
    classes: usize,
}

/// Rows in one call: always the same, so that a row's score cannot depend on how many are beside it.
const BLOCK: usize = 256;

impl OfClass<'_> {
    fn probabilities(&self, inputs: &[f32], width: usize) -> Vec<f64> {
        let mut all = Vec::with_capacity(inputs.len() / width * self.classes);
        for block in inputs.chunks(BLOCK * width) {
            let mut padded = block.to_vec();
            padded.resize(BLOCK * width, 0.0);
            let found = self.classifier.probabilities(&padded, width);
            all.extend_from_slice(&found[..block.len() / width * self.classes]);
        }
        all
    }

    /// The class of the largest probability, as `predict` names it.
    fn predicted(&self, row: &[f32]) -> usize {
        let p = self.probabilities(row, row.len());
        (0..p.len()).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap_or(0)
    }
}

impl Model for OfClass<'_> {
    fn scores(&self, inputs: &[f32], width: usize) -> Vec<f64> {
        self.probabilities(inputs, width).chunks_exact(self.classes).map(|p| p[self.class]).collect()
    }

    fn margins(&self, inputs: &[f32], width: usize) -> Vec<f64> {
        let margin = |p: &[f64]| {
            let others = p.iter().enumerate().filter(|(class, _)| *class != self.class).map(|(_, p)| *p);
            p[self.class] - others.fold(f64::NEG_INFINITY, f64::max)
        };
        self.probabilities(inputs, width).chunks_exact(self.classes).map(margin).collect()
    }
}

/// What is kept and cited: how well the methods held, over all rows, and no value of any of them.
fn summary(explained: &[Explained]) -> Value {
    let each = || explained.iter().map(|e| &e.explanation);
    let r2 = |e: &Explanation| match e.lime {
        LocalFit::Fitted { r2, .. } => Some(r2),
        LocalFit::Refused { .. } => None,
    };
    let fitted: Vec<f64> = each().filter_map(r2).collect();
    let fidelity: BTreeMap<&str, &Surrogate> = each().map(|e| (e.class.as_str(), &e.surrogate)).collect();
    let fidelity: BTreeMap<&str, _> = fidelity.into_iter().map(|(class, surrogate)| (class, &surrogate.fidelity)).collect();
    let mut body = json!({
        "rows": explained.len(),
        "methods": each().next().map(|e| &e.methods),
        "sum_error": each().map(|e| e.sum_error).fold(0.0, f64::max),
        "lime_r2": fitted.iter().copied().reduce(f64::min),
        "lime_refused": explained.len() - fitted.len(),
        "fidelity": fidelity,
        "background": each().next().map(|e| &e.background),
    });
    if explained.len() >= LEAST_ROWS {
        let mut means: BTreeMap<&str, f64> = BTreeMap::new();
        for c in each().flat_map(|e| &e.contributions) {
            *means.entry(&c.column).or_default() += c.phi.abs() / explained.len() as f64;
        }
        body["mean_absolute_contribution"] = json!(means);
    }
    body
}

/// A made-up row taken apart, as the report shows it.
fn made_up(one: &Explained) -> Value {
    let e = &one.explanation;
    json!({ "scale": e.scale.words(), "base": e.base, "score": e.prediction, "bars": one.steps(), "outcome": one.headline(),
        "counterfactual": one.counterfactual() })
}

fn numbers(summary: &Value) -> BTreeMap<String, f64> {
    let mut numbers: BTreeMap<String, f64> = ["rows", "sum_error", "lime_r2", "lime_refused"]
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), summary[*key].as_f64()?)))
        .collect();
    let overall = summary["fidelity"].as_object().into_iter().flatten().filter_map(|(_, f)| f["overall"].as_f64());
    if let Some(least) = overall.reduce(f64::min) {
        numbers.insert("fidelity".into(), least);
    }
    numbers
}

fn row_json(explained: &Explained) -> Value {
    let mut value = json!(explained.explanation);
    value["row"] = json!(explained.row);
    value
}

fn text(model: &str, stamp: Option<&str>, explained: &[Explained]) -> String {
    let mut text = format!("{model}\n");
    if let Some(stamp) = stamp {
        text += &format!("{stamp}\n");
    }
    for one in explained {
        text += &format!("\nrow {}: {}\n", one.row, one.headline());
        for reason in &one.explanation.reasons {
            text += &format!("  {reason}\n");
        }
        text += &waterfall(one);
        text += &format!("  {}\n", one.counterfactual());
        text += &format!("  LIME: {}\n", one.local());
    }
    let mut shown = BTreeSet::new();
    for e in explained.iter().map(|e| &e.explanation) {
        if shown.insert(&e.class) {
            let fidelity = &e.surrogate.fidelity;
            let (overall, near) = (percent(fidelity.overall), percent(fidelity.near_boundary));
            text +=
                &format!("\nrules the model nearly follows (agree with it on {overall} of synthetic points, {near} near its boundary)\n");
            text += &e.surrogate.lines().iter().map(|line| format!("  {line}\n")).collect::<String>();
        }
    }
    if let Some(first) = explained.first() {
        text += &format!("\nbackground: {}\n", first.explanation.background.words);
    }
    for limit in EXPLAINED_LIMITS {
        text += &format!("{limit}\n");
    }
    text
}

/// The waterfall in characters: a bar for each column, from where the score stood before it to where it stands after it.
fn waterfall(one: &Explained) -> String {
    const WIDE: f64 = 36.0;
    let steps = one.steps();
    let ends: Vec<f64> = steps
        .iter()
        .scan(one.explanation.base, |at, (_, change)| {
            *at += change;
            Some(*at)
        })
        .collect();
    let starts = std::iter::once(one.explanation.base).chain(ends.iter().copied());
    let low = ends.iter().copied().fold(one.explanation.base, f64::min);
    let high = ends.iter().copied().fold(one.explanation.base, f64::max);
    let at = |value: f64| if high > low { ((value - low) / (high - low) * WIDE).round() as usize } else { 0 };
    let label = steps.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0).clamp(8, 32);
    let short = |text: &str| text.chars().take(label).collect::<String>();
    let mut text = format!("  {:label$}  {:>7}  {}|\n", "average", one.level(one.explanation.base), " ".repeat(at(one.explanation.base)));
    for (((name, change), from), to) in steps.iter().zip(starts).zip(&ends) {
        let (a, b) = (at(from.min(*to)), at(from.max(*to)));
        let bar = if *change < 0.0 { "░" } else { "█" }.repeat((b - a).max(1));
        text += &format!("  {:label$}  {:>7}  {}{bar}\n", short(name), one.change(*change), " ".repeat(a));
    }
    let last = one.explanation.prediction;
    text + &format!("  {:label$}  {:>7}  {}|\n", "this row", one.level(last), " ".repeat(at(last.clamp(low, high))))
}
