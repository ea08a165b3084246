//! Internal evaluation: how well the released model ranks, beside a twin without privacy, another architecture, and a sweep over ε.
//!
//! Everything here is computed from permitted rows, is exact, and is covered by no ε; the weights live in memory only.

use crate::config::{Config, Model, ModelKind};
use crate::failure::Failure;
use crate::output::Progress;
use crate::privacy::{architecture, default_learning_rate, plan_for_one};
use crate::verbs::train::{ModelManifest, SPLIT_SEED};
use reticent_data::{Domain, Feature, PermittedTable, Split, Table, encode, split_by_unit};
use reticent_train::{Auc, Binding, Classifier, NotPrivateSeed, Plan, RunKey, Scores, fit_plain, fit_private, macro_auc_interval};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The sweep: ε of one release alone, and seeds at each.
const EPSILONS: [f64; 5] = [0.1, 0.3, 1.0, 3.0, 10.0];
const SEEDS: u64 = 5;
/// The twin takes full-batch steps until its loss is flat.
const TWIN_STEPS: u64 = 600;
const TWIN_LEARNING_RATE: f64 = 4.0;
const RESAMPLING: NotPrivateSeed = NotPrivateSeed(20_260_101);

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Evaluation {
    pub(crate) private: Auc,
    pub(crate) baseline: Auc,
    /// The other architecture: an MLP beside a logistic regression, and the reverse.
    pub(crate) other: String,
    pub(crate) other_private: Auc,
    pub(crate) other_baseline: Auc,
    pub(crate) curve: Vec<CurvePoint>,
    pub(crate) groups: Vec<Group>,
    pub(crate) test_records: u64,
    pub(crate) test_units: u64,
    pub(crate) train_records: u64,
    pub(crate) train_units: u64,
    /// Models trained for this and thrown away.
    pub(crate) models: u64,
}

/// AUC at one ε over seeds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CurvePoint {
    pub(crate) epsilon: f64,
    pub(crate) mean: f64,
    pub(crate) sd: f64,
    pub(crate) seeds: u64,
}

/// AUC in one group of the test.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Group {
    pub(crate) column: String,
    pub(crate) level: String,
    pub(crate) units: u64,
    pub(crate) records: u64,
    /// Units of the smaller class.
    pub(crate) smaller_class: u64,
    pub(crate) private: Option<Auc>,
    pub(crate) baseline: Option<Auc>,
}

/// Measures `released` on the test side of the permitted rows, beside what else `model` could have been.
pub(crate) fn evaluate(
    config: &Config,
    model: &Model,
    table: &PermittedTable,
    released: &Classifier,
    manifest: &ModelManifest,
) -> Result<Evaluation, Failure> {
    let plan = &manifest.plan;
    let split = split_by_unit(table, manifest.test_fraction, SPLIT_SEED);
    if split.test.table().rows() == 0 {
        return Err(Failure::usage("no unit is held out for the test").hint("a data set of a few units cannot be evaluated: bring more"));
    }
    let runs = 3 + EPSILONS.len() as u64 * SEEDS;
    let mut progress = Progress::new("internal evaluation", runs);
    let mut done = 0;
    let mut tick = || {
        done += 1;
        progress.at(done);
    };
    let test = TestRows::new(split.test.table());
    let twin = fit_plain(plan, &split.train, TWIN_STEPS, TWIN_LEARNING_RATE)?;
    tick();
    let (other, other_plan) = other_architecture(model, manifest)?;
    let other_twin = fit_plain(&other_plan, &split.train, TWIN_STEPS, TWIN_LEARNING_RATE / 4.0)?;
    tick();
    let other_private = noised(&other_plan, &split, 0)?;
    tick();
    let mut curve = vec![];
    for epsilon in EPSILONS {
        let plan = plan_for_one(config, model, epsilon)?;
        let mut measured = vec![];
        for seed in 0..SEEDS {
            measured.extend(test.auc(&noised(&plan, &split, seed)?));
            tick();
        }
        let n = measured.len().max(1) as f64;
        let mean = measured.iter().sum::<f64>() / n;
        let sd = (measured.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
        curve.push(CurvePoint { epsilon, mean, sd, seeds: SEEDS });
    }
    let auc = |model: &Classifier| {
        macro_auc_interval(&test.scores(model), RESAMPLING).ok_or_else(|| {
            Failure::failed("the held-out rows are all of one class, so nothing can be measured").hint("bring more rows, or another target")
        })
    };
    Ok(Evaluation {
        private: auc(released)?,
        baseline: auc(&twin)?,
        other: other.into(),
        other_private: auc(&other_private)?,
        other_baseline: auc(&other_twin)?,
        curve,
        groups: test.groups(&config.data[&model.data].groups, released, &twin),
        test_records: split.test.table().rows() as u64,
        test_units: split.test.table().unit_count() as u64,
        train_records: split.train.table().rows() as u64,
        train_units: split.train.table().unit_count() as u64,
        models: runs,
    })
}

/// The same sampling, clipping and noise for the other architecture.
fn other_architecture(model: &Model, manifest: &ModelManifest) -> Result<(&'static str, Plan), Failure> {
    let (name, kind) = match model.kind {
        ModelKind::Logistic | ModelKind::CertifiedLogistic => ("MLP, one hidden layer of 32", ModelKind::Mlp),
        ModelKind::Mlp => ("Logistic regression", ModelKind::Logistic),
    };
    let other = Model { kind, hidden: vec![], ..model.clone() };
    Ok((
        name,
        Plan { architecture: architecture(&other, &manifest.schema)?, learning_rate: default_learning_rate(kind), ..manifest.plan.clone() },
    ))
}

/// A run of internal evaluation. Its key is the seed: nothing of it is released, and no bound is claimed for it.
fn noised(plan: &Plan, split: &Split, seed: u64) -> Result<Classifier, Failure> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let binding = Binding { plan: plan.digest(), permit: String::new(), data: "internal evaluation".into(), machine: String::new() };
    Ok(fit_private(plan, &split.train, &RunKey::from_bytes(key), &binding, &mut |_| {})?)
}

/// The held-out rows, encoded once.
pub(crate) struct TestRows<'a> {
    table: &'a Table,
    inputs: Vec<f32>,
    width: usize,
    units: Vec<usize>,
    /// The classes measured: class 1 of two, each against the others of more.
    measured: std::ops::Range<usize>,
    classes: usize,
}

impl<'a> TestRows<'a> {
    pub(crate) fn new(table: &'a Table) -> Self {
        let encoded = encode(table);
        let classes = table.schema().classes();
        let mut numbers = BTreeMap::new();
        let mut units = vec![];
        for id in table.subjects() {
            let next = numbers.len();
            units.push(*numbers.entry(*id).or_insert(next));
        }
        let measured = if classes == 2 { 1..2 } else { 0..classes };
        Self { table, inputs: encoded.inputs, width: encoded.width, units, measured, classes }
    }

    pub(crate) fn scores(&self, model: &Classifier) -> Vec<Scores> {
        let p = model.probabilities(&self.inputs, self.width);
        self.measured
            .clone()
            .map(|class| Scores {
                score: p.chunks_exact(self.classes).map(|p| p[class]).collect(),
                positive: self.table.target().iter().map(|&c| c as usize == class).collect(),
                unit: self.units.clone(),
            })
            .collect()
    }

    /// The mean area over the classes that have one.
    fn auc(&self, model: &Classifier) -> Option<f64> {
        let areas: Vec<f64> = self.scores(model).iter().filter_map(Scores::auc).collect();
        (!areas.is_empty()).then(|| areas.iter().sum::<f64>() / areas.len() as f64)
    }

    fn groups(&self, names: &[String], released: &Classifier, twin: &Classifier) -> Vec<Group> {
        let (released, twin) = (self.scores(released), self.scores(twin));
        let mut groups = vec![];
        for name in names {
            let Some(index) = self.table.schema().columns.iter().position(|c| c.name == *name) else { continue };
            for (level, rows) in levels(&self.table.schema().columns[index].domain, self.table.feature(index)) {
                let pick = |all: &[Scores]| -> Vec<Scores> {
                    all.iter()
                        .map(|s| Scores {
                            score: rows.iter().map(|&r| s.score[r]).collect(),
                            positive: rows.iter().map(|&r| s.positive[r]).collect(),
                            unit: rows.iter().map(|&r| s.unit[r]).collect(),
                        })
                        .collect()
                };
                let distinct = |rows: &mut dyn Iterator<Item = usize>| rows.map(|r| self.units[r]).collect::<BTreeSet<_>>().len() as u64;
                let of_class = |class: usize| distinct(&mut rows.iter().copied().filter(|&r| self.table.target()[r] as usize == class));
                let smaller_class = (0..self.classes).map(of_class).min().unwrap_or(0);
                let enough = smaller_class >= 10;
                groups.push(Group {
                    column: name.clone(),
                    level,
                    units: distinct(&mut rows.iter().copied()),
                    records: rows.len() as u64,
                    smaller_class,
                    private: enough.then(|| macro_auc_interval(&pick(&released), RESAMPLING)).flatten(),
                    baseline: enough.then(|| macro_auc_interval(&pick(&twin), RESAMPLING)).flatten(),
                });
            }
        }
        groups
    }
}

/// The levels of a column with the rows at each; a number is split at the middle of its bounds.
fn levels(domain: &Domain, feature: &Feature) -> Vec<(String, Vec<usize>)> {
    let rows = |keep: &dyn Fn(usize) -> bool, n: usize| (0..n).filter(|&r| keep(r)).collect::<Vec<_>>();
    match (domain, feature) {
        (Domain::Levels { levels, missing }, Feature::Level(values)) => {
            let names = levels.iter().cloned().chain(missing.then(|| "(missing)".to_owned()));
            names.enumerate().map(|(i, name)| (name, rows(&|r| values[r] as usize == i, values.len()))).collect()
        }
        (Domain::Range { min, max, .. }, Feature::Number(values)) => {
            let middle = (min + max) / 2.0;
            vec![
                (format!("< {middle}"), rows(&|r| values[r] < middle, values.len())),
                (format!("≥ {middle}"), rows(&|r| values[r] >= middle, values.len())),
            ]
        }
        _ => vec![],
    }
}
