//! Model inversion (MI-FACE) of the released model and its twin, beside the class means of the real rows and models of labels dealt at random.

use super::recipe;
use crate::failure::Failure;
use crate::output::Progress;
use crate::verbs::train::{ModelManifest, SPLIT_SEED};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use reticent_audit::inversion::{Climb, correlation, invert, p_value, resemblance, resemble};
use reticent_audit::update::Network;
use reticent_audit::{Attack, Error, Finding};
use reticent_data::{Domain, PermittedTable, Schema, SubjectId, encode, split_by_unit};
use reticent_train::{Classifier, load_weights};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Models of labels dealt at random, for each model inverted: with 19 the one inverted is the first of 20 by luck in 1 case of 20.
const CONTROLS: usize = 19;
/// Units of a class, at least, behind its mean.
const LEAST_UNITS: usize = 10;
/// Numbers are also drawn as a square image from this side on.
const LEAST_SIDE: usize = 8;

/// One model inverted.
pub(crate) struct Inversion {
    /// `private`, `baseline`.
    pub(crate) name: &'static str,
    pub(crate) finding: Finding,
    /// How much more inversions are like the mean of their own class than like the others, of this model and of those of dealt labels; and how many of
    /// all of them are as much like it, as a share.
    pub(crate) resemblance: f64,
    pub(crate) of_controls: Vec<f64>,
    pub(crate) p_value: f64,
    pub(crate) classes: Vec<OfClass>,
    pub(crate) features: Vec<OfFeature>,
    pub(crate) pictures: Option<Pictures>,
}

/// What came out for a class.
#[derive(Serialize)]
pub(crate) struct OfClass {
    pub(crate) class: String,
    pub(crate) confidence: f64,
    /// Correlation with the mean of its rows, and the highest with the mean of another class; all less the mean over classes.
    pub(crate) own: f64,
    pub(crate) highest_other: f64,
}

/// A column: for each class what was inverted, and the mean of its rows (of texts the most frequent).
#[derive(Serialize)]
pub(crate) struct OfFeature {
    pub(crate) column: String,
    pub(crate) inverted: Vec<String>,
    pub(crate) means: Vec<String>,
}

/// Square images, for each class: inverted, of a model of dealt labels, and the mean of its rows. Values from −1 to 1.
pub(crate) struct Pictures {
    pub(crate) side: usize,
    pub(crate) rows: [Vec<Vec<f64>>; 3],
}

/// Trains a model like the one inverted, of these rows; the number is that of the run.
type Fit<'a> = &'a dyn Fn(&PermittedTable, u64) -> Result<Classifier, Failure>;

/// Inverts both models, and counts the models trained for it.
pub(super) fn measure(
    manifest: &ModelManifest,
    weights: &[u8],
    pool: &PermittedTable,
    seed: u64,
    gaps: &mut Vec<String>,
) -> Result<(Vec<Inversion>, u64), Failure> {
    let rows = split_by_unit(pool, manifest.test_fraction, SPLIT_SEED).train;
    let Some(means) = Means::of(&rows) else {
        gaps.push(format!("inversion: fewer than two classes have {LEAST_UNITS} units"));
        return Ok((vec![], 0));
    };
    let released: Classifier = load_weights(weights)?;
    if released.layers().is_none() {
        gaps.push("inversion: features are computed of a row before the layers see it, and no slope leads back to the row".into());
        return Ok((vec![], 0));
    }
    let mut progress = Progress::new("models of labels dealt at random", 2 * CONTROLS as u64);
    let (mut found, mut done) = (vec![], 0);
    // Numbers above those of shadow models and of models for a property: noise of its own for each.
    let noised = |data: &PermittedTable, run: u64| Ok(recipe::noised(&manifest.plan, data, seed, (1 << 33) + run)?);
    let twin = |data: &PermittedTable, _: u64| Ok(recipe::twin(&manifest.plan, data)?);
    let unnoised = recipe::twin(&manifest.plan, &rows)?;
    for (name, model, fit) in [("private", released, &noised as Fit<'_>), ("baseline", unnoised, &twin)] {
        let inverted = means.invert(&network(&model)?)?;
        let mut of_controls = vec![];
        for run in 0..CONTROLS as u64 {
            let control = fit(&dealt(&rows, seed.wrapping_add(run)), run)?;
            of_controls.push(means.invert(&network(&control)?)?.0);
            done += 1;
            progress.at(done);
        }
        found.push(means.compare(name, rows.table().schema(), inverted, &of_controls, seed)?);
    }
    Ok((found, 2 * CONTROLS as u64 + 1))
}

fn network(model: &Classifier) -> Result<Network, Error> {
    let (widths, weights) = model.layers().ok_or(Error::Data("a model without layers of its own".into()))?;
    Network::new(widths, weights)
}

/// The rows under labels dealt at random, to each unit by the same number of classes further: what they say of a class is then no more in a model.
fn dealt(rows: &PermittedTable, seed: u64) -> PermittedTable {
    let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x6465_616c);
    let classes = rows.table().schema().classes();
    let units: BTreeSet<SubjectId> = rows.table().subjects().iter().copied().collect();
    let moved: Vec<(SubjectId, usize)> = units.into_iter().map(|id| (id, rng.random_range(0..classes))).collect();
    let by = |least: usize| moved.iter().filter(|(_, by)| *by >= least).map(|(id, _)| *id).collect::<BTreeSet<_>>();
    (1..classes).fold(rows.clone(), |rows, least| rows.mislabelled(&by(least)))
}

/// The mean of the encoded rows of each class that has enough units.
struct Means {
    classes: Vec<usize>,
    means: Vec<Vec<f64>>,
    /// Least and greatest value of each input.
    bounds: Vec<(f64, f64)>,
}

impl Means {
    fn of(rows: &PermittedTable) -> Option<Self> {
        let (table, encoded) = (rows.table(), encode(rows.table()));
        let mut sums: BTreeMap<usize, (BTreeSet<SubjectId>, f64, Vec<f64>)> = BTreeMap::new();
        for ((row, label), id) in encoded.inputs.chunks_exact(encoded.width).zip(&encoded.labels).zip(table.subjects()) {
            let (units, count, sum) = sums.entry(*label as usize).or_insert_with(|| (BTreeSet::new(), 0.0, vec![0.0; encoded.width]));
            units.insert(*id);
            *count += 1.0;
            sum.iter_mut().zip(row).for_each(|(s, x)| *s += f64::from(*x));
        }
        sums.retain(|_, (units, ..)| units.len() >= LEAST_UNITS);
        let bounds = table.schema().columns.iter().flat_map(|column| {
            let of = if matches!(column.domain, Domain::Range { .. }) { (-1.0, 1.0) } else { (0.0, 1.0) };
            std::iter::repeat_n(of, column.domain.width())
        });
        let bounds = bounds.collect();
        (sums.len() >= 2).then(|| Self {
            classes: sums.keys().copied().collect(),
            means: sums.into_values().map(|(_, count, sum)| sum.into_iter().map(|s| s / count).collect()).collect(),
            bounds,
        })
    }

    /// For each class the input and its confidence, from the middle of the bounds; the climb is in units of half their width.
    fn invert(&self, network: &Network) -> Result<(Vec<Vec<f64>>, Vec<f64>), Error> {
        let place =
            |z: &[f64]| z.iter().zip(&self.bounds).map(|(z, (low, high))| low + (z + 1.0) / 2.0 * (high - low)).collect::<Vec<f64>>();
        let scaled = |z: &[f64], class: usize| {
            let (p, slope) = network.confidence(&place(z), class)?;
            Ok((p, slope.into_iter().zip(&self.bounds).map(|(s, (low, high))| s * (high - low) / 2.0).collect()))
        };
        // A slope that cannot be had is no number, which `invert` refuses.
        let model = |z: &[f64], class: usize| scaled(z, class).unwrap_or_else(|_: Error| (f64::NAN, vec![]));
        let start = vec![0.0; self.bounds.len()];
        let mut all = (vec![], vec![]);
        for &class in &self.classes {
            let found = invert(&model, &start, class, (-1.0, 1.0), Climb::default())?;
            all.0.push(place(&found.input));
            all.1.push(found.confidence);
        }
        Ok(all)
    }

    fn compare(
        &self,
        name: &'static str,
        schema: &Schema,
        (inverted, confidences): (Vec<Vec<f64>>, Vec<f64>),
        controls: &[Vec<Vec<f64>>],
        seed: u64,
    ) -> Result<Inversion, Error> {
        let attack = Attack {
            name: "inversion".into(),
            variant: "MI-FACE (Fredrikson et al. 2015) without a denoiser, normalised steps from the middle of all bounds; like the mean of the own class or of others".into(),
            threat_model: "white box: the slope of a confidence by the inputs".into(),
            unit: "class".into(),
            seed,
        };
        let finding = resemble(attack, &inverted, &self.means, &controls[0])?;
        let found = resemblance(&inverted, &self.means)?;
        let of_controls: Vec<f64> = controls.iter().map(|c| resemblance(c, &self.means)).collect::<Result<_, _>>()?;
        let centre = |all: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let mean = |j: usize| all.iter().map(|v| v[j]).sum::<f64>() / all.len() as f64;
            all.iter().map(|v| v.iter().enumerate().map(|(j, v)| v - mean(j)).collect()).collect()
        };
        let (near, of) = (centre(&inverted), centre(&self.means));
        let names = schema.target.classes.names(&schema.target.column);
        let classes = self.classes.iter().enumerate().map(|(at, &class)| OfClass {
            class: names.get(class).cloned().unwrap_or_else(|| class.to_string()),
            confidence: confidences[at],
            own: correlation(&near[at], &of[at]),
            highest_other: (0..of.len()).filter(|o| *o != at).map(|o| correlation(&near[at], &of[o])).fold(-1.0, f64::max),
        });
        let side = (self.bounds.len() as f64).sqrt() as usize;
        let is_image = side >= LEAST_SIDE && side * side == self.bounds.len() && self.bounds.iter().all(|b| b.0 == -1.0);
        Ok(Inversion {
            name,
            finding,
            resemblance: found,
            p_value: p_value(found, &of_controls),
            of_controls,
            classes: classes.collect(),
            features: features(schema, &inverted, &self.means),
            pictures: is_image.then(|| Pictures { side, rows: [inverted.clone(), controls[0].clone(), self.means.clone()] }),
        })
    }
}

/// Column by column, in the units of the data.
fn features(schema: &Schema, inverted: &[Vec<f64>], means: &[Vec<f64>]) -> Vec<OfFeature> {
    let mut at = 0;
    let of = |column: &reticent_data::Column| {
        let place = at..at + column.domain.width();
        at = place.end;
        let value = |inputs: &Vec<f64>| shown(&column.domain, &inputs[place.clone()]);
        OfFeature { column: column.name.clone(), inverted: inverted.iter().map(value).collect(), means: means.iter().map(value).collect() }
    };
    schema.columns.iter().map(of).collect()
}

/// A number in its units, with three digits of its bounds' width; of texts the one with the highest input.
fn shown(domain: &Domain, inputs: &[f64]) -> String {
    match domain {
        Domain::Range { min, max, .. } => {
            let digits = (2.0 - (max - min).log10().floor()).clamp(0.0, 12.0) as usize;
            format!("{:.digits$}", min + (inputs[0] + 1.0) / 2.0 * (max - min))
        }
        Domain::Levels { levels, .. } => {
            let highest = inputs.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
            levels.get(highest).cloned().unwrap_or_else(|| "missing".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_shown_in_the_units_of_the_data() {
        let range = |min, max| Domain::Range { min, max, missing: None };
        for (domain, input, expected) in [
            (range(0.0, 100.0), 0.0, "50"),
            (range(0.0, 1.0), -0.5, "0.25"),
            (range(-20.0, 20.0), 1.0, "20.0"),
            (range(0.0, 1e6), -1.0, "0"),
        ] {
            assert_eq!(shown(&domain, &[input]), expected);
        }
        let levels = Domain::Levels { levels: vec!["no".into(), "yes".into()], missing: true };
        assert_eq!([[0.1, 0.7, 0.2], [0.5, 0.1, 0.1], [0.0, 0.0, 1.0]].map(|x| shown(&levels, &x)), ["yes", "no", "missing"]);
    }
}
