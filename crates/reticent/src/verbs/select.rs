//! `select`: which columns a model could do without, and at what cost in AUC, measured on rows that are said to be public.

use crate::cli::Common;
use crate::config::{Config, Model, ModelKind};
use crate::disk;
use crate::evidence;
use crate::failure::Failure;
use crate::output::{Answer, Progress, thousands};
use crate::privacy::{architecture, cap};
use crate::verbs::choose_model;
use crate::verbs::train::{SPLIT_SEED, TEST_FRACTION};
use crate::workspace::{Workspace, read_config};
use clap::Args;
use rand::RngExt;
use reticent_accounting::{NoiseMultiplier, SamplingRate};
use reticent_data::{CsvOptions, PermittedTable, PseudonymKey, Schema, Split, Table, encode, import_csv, split_by_unit};
use reticent_minimise::select::{Reason, Selection, select};
use reticent_proof::Permit;
use reticent_train::{Auc, NotPrivateSeed, Plan, Scores, fit_plain, macro_auc_interval};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Full-batch steps of each plain fit: enough to rank columns, fewer than the twin of a report takes.
const STEPS: u64 = 120;
const LEARNING_RATE: f64 = 4.0;
const RESAMPLING: NotPrivateSeed = NotPrivateSeed(20_260_101);
const RESAMPLES: usize = 200;
/// What the numbers do not say.
const NOT_COVERED: [&str; 4] = [
    "the rows are public because you say so: nothing here checked it, and no ε covers what the choice reveals about them",
    "the columns were chosen and measured on the same held-out rows: the AUC of the suggestion is on the high side",
    "intervals are for one comparison each, over units, and hold the fitted models fixed",
    "what a column costs in private training, or for a group, may differ from what it costs a plain model on these rows",
];

#[derive(Args)]
#[command(
    after_help = "Fits plain models on FILE, a CSV file with the columns that reticent.toml declares for the model's data, whose rows are public: a published\nsample, an older release, made-up rows. Choosing columns on private rows reveals something about them, and no budget is charged for that yet:\nwithout --public it is refused. Nothing is changed; leaving a column out is your decision, in reticent.toml."
)]
pub(crate) struct Select {
    /// The model [default: the only one]
    #[arg(long)]
    model: Option<String>,
    /// CSV file with rows that are public
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
    /// Why the rows are public: kept with the numbers
    #[arg(long, requires = "public", default_value = "said with --public")]
    reason: String,
    /// Loss of AUC that the suggestion may cost
    #[arg(long, default_value_t = 0.005)]
    tolerance: f64,
}

/// A column as it is reported.
#[derive(Serialize)]
struct Row {
    column: String,
    special: Option<String>,
    /// AUC without it.
    without: f64,
    /// AUC with all columns less that without it, with a 95% interval over units.
    loss: Difference,
}

#[derive(Clone, Copy, Serialize)]
struct Difference {
    value: f64,
    lower: f64,
    upper: f64,
}

impl Select {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let config = read_config(&common.dir)?;
        let (name, model) = choose_model(&config, self.model.as_deref())?;
        let Some(file) = &self.public else {
            return Err(Failure::refused(
                "choosing columns on private rows reveals something about them, and no budget is charged for that yet",
            )
            .hint("name rows that are public: `reticent select --public FILE`, a CSV file with the columns of reticent.toml"));
        };
        let schema = config.data_schema(&model.data).map_err(|e| Failure::usage(e.to_string()).hint(e.hint))?;
        let table = self.import(&config, model, &schema, file)?;
        let stamp = table.permit().stamp();
        let split = split_by_unit(&table, TEST_FRACTION, SPLIT_SEED);
        let plan = plan(&config, model, &schema)?;
        let mut fits = Fits { split: &split, plan: &plan, model, scored: BTreeMap::new() };
        let count = schema.columns.len();
        let mut progress = Progress::new("select", (count * (count + 1) / 2) as u64);
        let mut done = 0;
        let chosen: Selection = select(count, self.tolerance, &mut |kept| {
            let auc = fits.auc(kept)?;
            done += 1;
            progress.at(done);
            Ok::<f64, Failure>(auc)
        })?;
        drop(progress);
        let all: Vec<usize> = (0..count).collect();
        let full = macro_auc_interval(fits.scores(&all)?, RESAMPLING).ok_or_else(one_class)?;
        let rows = rows(&schema, &chosen, &fits)?;
        let said = Said { model: name, schema: &schema, chosen: &chosen, full, rows, test: split.test.table(), tolerance: self.tolerance };
        let mut facts = said.facts();
        facts["public"] = json!({ "file": file.file_name().unwrap_or_default().to_string_lossy(), "reason": self.reason, "stamp": stamp });
        let mut workspace = Workspace::write(&common.dir)?;
        let numbers = BTreeMap::from([("auc".to_owned(), full.auc), ("suggested_auc".to_owned(), chosen.suggested)]);
        let event = evidence::record(&mut workspace, "selection", name, &facts, numbers)?;
        workspace.publish()?;
        facts["event"] = event.into();
        Ok(Answer::new(said.text(), facts))
    }

    fn import(&self, config: &Config, model: &Model, schema: &Schema, file: &PathBuf) -> Result<PermittedTable, Failure> {
        let data = &config.data[&model.data];
        let bytes = std::fs::read(file).map_err(|e| disk::io("read", file, &e))?;
        let options = CsvOptions { delimiter: data.delimiter as u8, names: (!data.header).then(|| data.names.clone()), clamp: false };
        // Public rows need no secret pseudonyms; a fixed key splits the same file the same way each time.
        let imported = import_csv(&bytes[..], schema, &options, &PseudonymKey::from_bytes([0; 32]))?;
        let table = imported.table.capped(cap(model));
        Ok(PermittedTable::new(table, "public", Permit::public(&self.reason))?)
    }
}

impl From<reticent_minimise::Error> for Failure {
    fn from(error: reticent_minimise::Error) -> Self {
        use reticent_minimise::Error;
        match error {
            Error::Columns { .. } => Self::usage(error.to_string()).hint("a model with one column has none to leave out"),
            Error::Tolerance(_) => Self::usage(error.to_string()).hint("write for instance --tolerance 0.005"),
            _ => Self::failed(error.to_string()),
        }
    }
}

fn one_class() -> Failure {
    Failure::usage("the held-out rows are all of one class, so nothing can be measured").hint("bring a public file with more units")
}

/// The plan of a plain fit: its cap and its architecture are the model's, its noise is used by nobody.
fn plan(config: &Config, model: &Model, schema: &Schema) -> Result<Plan, Failure> {
    Ok(Plan {
        unit: config.data[&model.data].unit.clone(),
        max_rows_per_unit: cap(model),
        sample_rate: SamplingRate::new(1.0).expect("1 is a rate"),
        noise_multiplier: NoiseMultiplier::new(1.0).expect("1 is a multiplier"),
        max_grad_norm: model.privacy.max_grad_norm,
        steps: STEPS,
        learning_rate: LEARNING_RATE,
        public_units: config.data[&model.data].units,
        architecture: architecture(model, schema)?,
        optimiser: reticent_train::Optimiser::default(),
    })
}

/// Plain fits on subsets of columns, with what they scored on the held-out rows.
struct Fits<'a> {
    split: &'a Split,
    plan: &'a Plan,
    model: &'a Model,
    scored: BTreeMap<Vec<usize>, Vec<Scores>>,
}

impl Fits<'_> {
    fn auc(&mut self, kept: &[usize]) -> Result<f64, Failure> {
        let (train, test) = (self.split.train.with_columns(kept), self.split.test.with_columns(kept));
        let rate = if self.model.kind == ModelKind::Mlp { LEARNING_RATE / 4.0 } else { LEARNING_RATE };
        let plan = Plan { architecture: architecture(self.model, train.table().schema())?, ..self.plan.clone() };
        let model = fit_plain(&plan, &train, STEPS, rate)?;
        let table = test.table();
        let encoded = encode(table);
        let p = model.probabilities(&encoded.inputs, encoded.width);
        let classes = table.schema().classes();
        let mut numbers = BTreeMap::new();
        let unit: Vec<usize> = table
            .subjects()
            .iter()
            .map(|id| {
                let next = numbers.len();
                *numbers.entry(*id).or_insert(next)
            })
            .collect();
        let measured = if classes == 2 { 1..2 } else { 0..classes };
        let scores: Vec<Scores> = measured
            .map(|class| Scores {
                score: p.chunks_exact(classes).map(|p| p[class]).collect(),
                positive: table.target().iter().map(|&c| c as usize == class).collect(),
                unit: unit.clone(),
            })
            .collect();
        let auc = mean_auc(&scores).ok_or_else(one_class)?;
        // Comparisons are with all columns, one of which is left out: the rest of the path needs no interval.
        if kept.len() + 1 >= self.split.train.table().schema().columns.len() {
            self.scored.insert(kept.to_vec(), scores);
        }
        Ok(auc)
    }

    fn scores(&self, kept: &[usize]) -> Result<&[Scores], Failure> {
        self.scored.get(kept).map(Vec::as_slice).ok_or_else(|| Failure::failed("a fit was not kept"))
    }
}

/// The mean over the classes that have an area.
fn mean_auc(scores: &[Scores]) -> Option<f64> {
    let areas: Vec<f64> = scores.iter().filter_map(Scores::auc).collect();
    (!areas.is_empty()).then(|| areas.iter().sum::<f64>() / areas.len() as f64)
}

/// One row a column, the cheapest first, each with a paired interval: both models on the same resampled units.
fn rows(schema: &Schema, chosen: &Selection, fits: &Fits<'_>) -> Result<Vec<Row>, Failure> {
    let all: Vec<usize> = (0..schema.columns.len()).collect();
    let full = fits.scores(&all)?;
    let draws = resamples(&full[0].unit);
    let areas = |scores: &[Scores]| -> Vec<Option<f64>> {
        draws.iter().map(|rows| mean_auc(&scores.iter().map(|s| taken(s, rows)).collect::<Vec<_>>())).collect()
    };
    let with_all = areas(full);
    let mut out = vec![];
    for cost in &chosen.costs {
        let kept: Vec<usize> = all.iter().copied().filter(|c| *c != cost.column).collect();
        let without = areas(fits.scores(&kept)?);
        let mut losses: Vec<f64> = with_all.iter().zip(&without).filter_map(|(a, b)| Some((*a)? - (*b)?)).collect();
        losses.sort_by(f64::total_cmp);
        let at = |p: f64| losses.get(((losses.len().max(1) - 1) as f64 * p).round() as usize).copied().unwrap_or(cost.loss);
        let loss = Difference { value: cost.loss, lower: at(0.025).min(cost.loss), upper: at(0.975).max(cost.loss) };
        let column = &schema.columns[cost.column];
        out.push(Row { column: column.name.clone(), special: column.special.clone(), without: cost.without, loss });
    }
    Ok(out)
}

/// Rows of units drawn with replacement.
fn resamples(unit: &[usize]) -> Vec<Vec<usize>> {
    let mut of: Vec<Vec<usize>> = vec![vec![]; unit.iter().max().map_or(0, |m| m + 1)];
    for (row, unit) in unit.iter().enumerate() {
        of[*unit].push(row);
    }
    let mut rng = RESAMPLING.rng();
    (0..RESAMPLES).map(|_| (0..of.len()).flat_map(|_| of[rng.random_range(0..of.len())].clone()).collect()).collect()
}

fn taken(scores: &Scores, rows: &[usize]) -> Scores {
    Scores {
        score: rows.iter().map(|&r| scores.score[r]).collect(),
        positive: rows.iter().map(|&r| scores.positive[r]).collect(),
        unit: vec![],
    }
}

/// What is said of a choice.
struct Said<'a> {
    model: &'a str,
    schema: &'a Schema,
    chosen: &'a Selection,
    full: Auc,
    rows: Vec<Row>,
    test: &'a Table,
    tolerance: f64,
}

impl Said<'_> {
    fn name(&self, column: usize) -> &str {
        &self.schema.columns[column].name
    }

    fn names(&self, columns: &[usize]) -> Vec<&str> {
        columns.iter().map(|c| self.name(*c)).collect()
    }

    fn dropped(&self) -> Vec<usize> {
        self.chosen.ranking.iter().filter(|v| !v.keep).map(|v| v.column).collect()
    }

    fn text(&self) -> String {
        let wide = self.schema.columns.iter().map(|c| c.name.chars().count()).max().unwrap_or(0).max(8);
        let mut text = format!(
            "{}: AUC {:.3} ({:.3} to {:.3}) with all {} columns, on {} held-out public units\n\n  {:wide$}  without    loss (95%, units)          \n",
            self.model,
            self.full.auc,
            self.full.lower,
            self.full.upper,
            self.schema.columns.len(),
            thousands(self.test.unit_count() as u64),
            "column"
        );
        for row in &self.rows {
            let special = row.special.as_ref().map(|s| format!("  special category: {s}")).unwrap_or_default();
            let d = row.loss;
            text +=
                &format!("  {:wide$}  {:.4}   {:+.4} ({:+.4} to {:+.4}){special}\n", row.column, row.without, d.value, d.lower, d.upper);
        }
        text += "\nleft out one after the other, the cheapest first:\n";
        for (step, verdict) in self.chosen.path.iter().zip(&self.chosen.ranking) {
            let mark = if verdict.keep { "" } else { "  within the tolerance" };
            text += &format!("  {:wide$}  {:.4}   {} left{mark}\n", self.name(step.dropped), step.utility, step.kept.len());
        }
        text += "\n";
        text += &match &self.dropped()[..] {
            [] => format!("suggestion: keep all; leaving any more out costs over {} of AUC\n", self.tolerance),
            dropped => format!(
                "suggestion: keep {}; leave out {} for {:+.4} of AUC (tolerance {})\n",
                self.names(&self.chosen.kept()).join(", "),
                self.names(dropped).join(", "),
                self.chosen.suggested - self.chosen.full,
                self.tolerance
            ),
        };
        text += "not covered:\n";
        for line in NOT_COVERED {
            text += &format!("  {line}\n");
        }
        text
    }

    fn facts(&self) -> serde_json::Value {
        let path: Vec<_> = self
            .chosen
            .path
            .iter()
            .map(|s| json!({ "left_out": self.name(s.dropped), "kept": self.names(&s.kept), "auc": s.utility }))
            .collect();
        let why = |reason: &Reason| match reason {
            Reason::WithinTolerance { loss } => json!({ "why": "within the tolerance", "loss": loss }),
            Reason::Costs { loss } => json!({ "why": "costs more than the tolerance", "loss": loss }),
            _ => json!({ "why": "the last one" }),
        };
        let reasons: serde_json::Map<_, _> = self.chosen.ranking.iter().map(|v| (self.name(v.column).to_owned(), why(&v.reason))).collect();
        json!({
            "model": self.model,
            "tolerance": self.tolerance,
            "full": self.full,
            "columns": self.rows,
            "path": path,
            "suggestion": { "keep": self.names(&self.chosen.kept()), "leave_out": self.names(&self.dropped()), "auc": self.chosen.suggested, "loss": self.chosen.full - self.chosen.suggested },
            "reasons": reasons,
            "test_units": self.test.unit_count(),
            "test_rows": self.test.rows(),
            "fits": self.chosen.evaluations,
            "not_covered": NOT_COVERED,
        })
    }
}
