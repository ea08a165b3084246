//! Utility and measured leakage over ε: one run after another, each kept when it is done, so that an interrupted sweep goes on.
//!
//! Everything here is internal evaluation: exact, computed from permitted rows, covered by no ε. Weights live in memory only.

mod cost;
mod picture;

pub(crate) use cost::{SearchCost, search_cost};
pub(crate) use picture::svg;

use crate::config::{Config, Model};
use crate::disk;
use crate::evaluation::TestRows;
use crate::failure::Failure;
use crate::output::{Progress, say};
use crate::privacy::plan_for_one;
use crate::verbs::train::{SPLIT_SEED, TEST_FRACTION};
use reticent_audit::membership::{KnownRows, loss};
use reticent_data::{PermittedTable, SubjectId, split_by_unit};
use reticent_train::{Binding, Classifier, NotPrivateSeed, Plan, RunKey, UnitRows, fit_plain, fit_prepared, macro_auc_interval};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// ε of one release alone at which models are trained; a twin without a bound comes last.
pub(crate) const EPSILONS: [f64; 5] = [0.1, 0.5, 1.0, 3.0, 10.0];
/// Full-batch steps of the twin without a bound, and their length.
const TWIN_STEPS: u64 = 600;
const TWIN_LEARNING_RATE: f64 = 4.0;
const RESAMPLING: NotPrivateSeed = NotPrivateSeed(20_260_101);
/// Half the width of a normal 95% interval in standard deviations.
const NORMAL_95: f64 = 1.959_963_984_540_054;

/// What one run measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// Area under the ROC curve on held-out units.
    pub(crate) utility: Estimated,
    /// Area under the ROC curve of an attack that takes units with a small loss for members: 0.5 is chance.
    pub(crate) leakage: Estimated,
}

/// A number with the standard error that it has from the units it was measured on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Estimated {
    pub(crate) value: f64,
    pub(crate) error: f64,
}

/// All runs at one ε.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Point {
    /// None for the twin without a bound.
    pub(crate) epsilon: Option<f64>,
    pub(crate) runs: u64,
    pub(crate) utility: Summary,
    pub(crate) leakage: Summary,
}

/// Mean over runs, their standard deviation, and an error bar: the standard error of the mean and that of the units together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) mean: f64,
    pub(crate) sd: f64,
    pub(crate) bar: f64,
}

/// Trains and measures what is not in `folder` yet; gives the points and how many models were trained for them now.
pub(crate) fn measure(
    config: &Config,
    model: &Model,
    table: &PermittedTable,
    rows_digest: &str,
    runs: u64,
    folder: &Path,
) -> Result<(Vec<Point>, u64), Failure> {
    let split = split_by_unit(table, TEST_FRACTION, SPLIT_SEED);
    if split.test.table().rows() == 0 {
        return Err(Failure::usage("no unit is held out for the test").hint("a data set of a few units cannot be evaluated: bring more"));
    }
    let plans: Vec<(f64, Plan)> =
        EPSILONS.into_iter().map(|epsilon| Ok((epsilon, plan_for_one(config, model, epsilon)?))).collect::<Result<_, Failure>>()?;
    let first = &plans[0].1;
    let members: BTreeSet<SubjectId> = split.train.table().subjects().iter().copied().collect();
    let sides = Sides { test: TestRows::new(split.test.table()), known: KnownRows::new(table, first.max_rows_per_unit), members };
    let digest = digest(&plans, rows_digest, &sides.members, table);
    let mut kept = Kept::open(folder, &digest)?;
    let schema = split.train.table().schema();
    // Features do not depend on ε: computed once for all runs.
    let rows = UnitRows::prepared(&split.train, first.max_rows_per_unit, first.architecture.features())?;
    let total = plans.len() as u64 * runs + 1;
    let before = kept.cells.len() as u64;
    if before > 0 {
        say(format!("going on with a sweep of the same rows and plans: {before} of its runs are done"));
    }
    let mut progress = Progress::new("sweep", total);
    let (mut done, mut trained) = (0, 0);
    let mut cell = |kept: &mut Kept, name: String, fit: &dyn Fn() -> Result<Classifier, Failure>| -> Result<Cell, Failure> {
        let cell = match kept.cells.get(&name) {
            Some(cell) => *cell,
            None => {
                let cell = sides.measure(&fit()?)?;
                trained += 1;
                kept.add(name, cell)?;
                cell
            }
        };
        done += 1;
        progress.at(done);
        Ok(cell)
    };
    let mut points = vec![];
    for (epsilon, plan) in &plans {
        let mut cells = vec![];
        for run in 0..runs {
            cells.push(cell(&mut kept, format!("{epsilon}/{run}"), &|| {
                let (key, binding) = key(plan, run);
                Ok(fit_prepared(plan, &rows, schema, &key, &binding, &mut |_| {})?)
            })?);
        }
        points.push(point(Some(*epsilon), &cells));
    }
    let twin = cell(&mut kept, "without".into(), &|| Ok(fit_plain(first, &split.train, TWIN_STEPS, TWIN_LEARNING_RATE)?))?;
    points.push(point(None, &[twin]));
    Ok((points, trained))
}

/// A run's key is its number: nothing of it is released, and no bound is claimed for it.
fn key(plan: &Plan, run: u64) -> (RunKey, Binding) {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&run.to_le_bytes());
    let binding = Binding { plan: plan.digest(), permit: String::new(), data: "sweep".into(), machine: String::new() };
    (RunKey::from_bytes(key), binding)
}

/// Who was trained on and who was not.
struct Sides<'a> {
    test: TestRows<'a>,
    known: KnownRows,
    members: BTreeSet<SubjectId>,
}

impl Sides<'_> {
    fn measure(&self, model: &Classifier) -> Result<Cell, Failure> {
        let auc = macro_auc_interval(&self.test.scores(model), RESAMPLING).ok_or_else(|| {
            Failure::failed("the held-out rows are all of one class, so nothing can be measured").hint("bring more rows, or another target")
        })?;
        let target = |inputs: &[f32], width: usize| model.probabilities(inputs, width);
        let attacked = loss(&self.known, &target)?.sides(|id| Some(self.members.contains(id)))?.area(0.95)?;
        let error = |lower: f64, upper: f64| (upper - lower) / (2.0 * NORMAL_95);
        Ok(Cell {
            utility: Estimated { value: auc.auc, error: error(auc.lower, auc.upper) },
            leakage: Estimated { value: attacked.auc, error: error(attacked.lower, attacked.upper) },
        })
    }
}

fn point(epsilon: Option<f64>, cells: &[Cell]) -> Point {
    let runs = cells.len() as u64;
    Point { epsilon, runs, utility: summary(cells.iter().map(|c| c.utility)), leakage: summary(cells.iter().map(|c| c.leakage)) }
}

fn summary(all: impl Iterator<Item = Estimated> + Clone) -> Summary {
    let n = all.clone().count() as f64;
    let mean = all.clone().map(|e| e.value).sum::<f64>() / n;
    let variance = all.clone().map(|e| (e.value - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    // The runs share their units: that part of the error does not shrink with more runs.
    let of_units = all.map(|e| e.error.powi(2)).sum::<f64>() / n;
    Summary { mean, sd: variance.sqrt(), bar: (variance / n + of_units).sqrt() }
}

/// What the kept runs must be of.
fn digest(plans: &[(f64, Plan)], rows_digest: &str, members: &BTreeSet<SubjectId>, table: &PermittedTable) -> String {
    let mut hash = Sha256::new();
    plans.iter().for_each(|(_, plan)| hash.update(plan.digest()));
    hash.update(rows_digest);
    hash.update([u8::from(table.permit().stamp().is_some())]);
    members.iter().for_each(|id| hash.update(id.to_string()));
    table.table().subjects().iter().for_each(|id| hash.update(id.to_string()));
    hex::encode(hash.finalize())
}

/// The runs that are done, in a file that is written after each: numbers alone.
struct Kept {
    path: std::path::PathBuf,
    digest: String,
    cells: BTreeMap<String, Cell>,
}

#[derive(Serialize, Deserialize)]
struct KeptFile {
    of: String,
    cells: BTreeMap<String, Cell>,
}

impl Kept {
    /// What is there of these rows and plans; what is of others is left behind.
    fn open(folder: &Path, digest: &str) -> Result<Self, Failure> {
        let path = folder.join("runs.json");
        let cells = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str::<KeptFile>(&text).ok().filter(|file| file.of == digest).map(|file| file.cells),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(disk::io("read", &path, &e)),
        };
        Ok(Self { path, digest: digest.to_owned(), cells: cells.unwrap_or_default() })
    }

    fn add(&mut self, name: String, cell: Cell) -> Result<(), Failure> {
        self.cells.insert(name, cell);
        let file = KeptFile { of: self.digest.clone(), cells: self.cells.clone() };
        if let Some(folder) = self.path.parent() {
            disk::create_folder(folder)?;
        }
        disk::write(&self.path, format!("{:#}\n", serde_json::json!(file)).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_hold_the_error_of_runs_and_of_units() {
        let cells = [0.7, 0.8, 0.9].map(|value| Estimated { value, error: 0.02 });
        let s = summary(cells.into_iter());
        assert!((s.mean - 0.8).abs() < 1e-12 && (s.sd - 0.1).abs() < 1e-12);
        assert!((s.bar - (0.01_f64 / 3.0 + 0.0004).sqrt()).abs() < 1e-12);
        // One run has no spread, and its units still have theirs.
        let one = summary([Estimated { value: 0.6, error: 0.03 }].into_iter());
        assert_eq!((one.sd, one.bar), (0.0, 0.03));
    }

    #[test]
    fn runs_of_other_rows_or_plans_are_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let cell = Cell { utility: Estimated { value: 0.7, error: 0.1 }, leakage: Estimated { value: 0.5, error: 0.1 } };
        let mut kept = Kept::open(folder.path(), "a").unwrap();
        kept.add("1/0".into(), cell).unwrap();
        assert_eq!(Kept::open(folder.path(), "a").unwrap().cells["1/0"], cell);
        assert!(Kept::open(folder.path(), "b").unwrap().cells.is_empty());
        std::fs::write(folder.path().join("runs.json"), "{ half").unwrap();
        assert!(Kept::open(folder.path(), "a").unwrap().cells.is_empty(), "a file that is damaged is begun anew");
    }
}
