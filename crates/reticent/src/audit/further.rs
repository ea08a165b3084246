//! What is attacked beside membership, where it is asked for: a column of rows, a property of the training data, what a model takes for a class, the unit
//! behind one update.

use super::inversion::{self, Inversion};
use super::recipe::Recipe;
use crate::failure::Failure;
use crate::verbs::train::{ModelManifest, SPLIT_SEED};
use reticent_audit::attribute::{Attribute, Question, Rule, infer};
use reticent_audit::membership::KnownRows;
use reticent_audit::update::{Differentiable, Network, Reconstruction, analytic, clipped_and_noised, compare, error, label};
use reticent_audit::{Attack, Error, Finding, GainFinding, property};
use reticent_data::{PermittedTable, Schema, SubjectId, encode, split_by_unit};
use reticent_train::{Classifier, load_weights};
use std::collections::BTreeSet;

/// Names of these attacks, with what each does in a line.
pub(crate) const FURTHER: [(&str, &str); 4] = [
    (
        "attribute",
        "guess --column of a row from the rest of it and the model (Fredrikson et al. 2014, Yeom et al. 2018; CSMIA, Mehnaz et al. 2022)",
    ),
    ("property", "tell models by the share of their units with the --column=VALUE (Ganju et al. 2018, Zhang et al. 2021); trains models"),
    (
        "inversion",
        "climb to what the model takes for each class, beside the mean of its rows and models of labels dealt at random (Fredrikson et al. 2015); trains models",
    ),
    ("updates", "reconstruct the row behind one update of the model's layers, as it is and clipped and noised (Phong et al. 2018, iDLG)"),
];
/// Rows that models are asked about for a property, and whose updates are attacked.
const PROBES: usize = 64;
/// Models told apart by a property, at least.
const LEAST_MODELS: usize = 20;

/// What was asked for.
#[derive(Default)]
pub(crate) struct Further {
    column: Option<String>,
    value: Option<String>,
    attribute: bool,
    property: bool,
    inversion: bool,
    updates: bool,
}

/// What came out.
#[derive(Default)]
pub(crate) struct FurtherFindings {
    /// By target.
    pub(crate) attribute: Vec<(&'static str, GainFinding)>,
    pub(crate) property: Vec<(&'static str, Finding)>,
    pub(crate) inversion: Vec<Inversion>,
    pub(crate) updates: Vec<Update>,
    /// Models trained for it.
    pub(crate) models: u64,
}

/// Rows reconstructed of their updates.
pub(crate) struct Update {
    pub(crate) name: &'static str,
    pub(crate) finding: Finding,
    /// Median root mean squared error over a row's encoded inputs, which lie between −1 and 1; that of guessing the mean of all rows; and the
    /// share of labels found.
    pub(crate) error: f64,
    pub(crate) guessing: f64,
    pub(crate) labels: f64,
}

impl Further {
    /// Takes the names that are its own out of `named`.
    pub(crate) fn take(named: &mut Vec<String>, column: Option<&str>) -> Result<Self, Failure> {
        let mut asked = |name: &str| {
            let before = named.len();
            named.retain(|n| n != name);
            named.len() < before
        };
        let (attribute, property) = (asked("attribute"), asked("property"));
        let (inversion, updates) = (asked("inversion"), asked("updates"));
        let (column, value) = match column.map(|c| c.split_once('=').map_or((c, None), |(c, v)| (c, Some(v)))) {
            Some((column, value)) => (Some(column.to_owned()), value.map(str::to_owned)),
            None => (None, None),
        };
        if (attribute || property) && column.is_none() {
            return Err(Failure::usage("`--attack attribute` and `--attack property` need `--column`, the column that is guessed"));
        }
        Ok(Self { column, value, attribute, property, inversion, updates })
    }

    /// Refuses a column or a value that is not there, before anything is recorded.
    pub(crate) fn check(&self, schema: &Schema) -> Result<(), Failure> {
        let Some(column) = &self.column else { return Ok(()) };
        if Attribute::of(schema, column).is_none() {
            return Err(Failure::usage(format!("there is no column `{column}` to guess, or it has one value")));
        }
        if self.property && self.has(schema).is_none() {
            return Err(Failure::usage(format!("`{column}` has no such value"))
                .hint("`--column NAME=LEVEL` for a column of levels; for a column of numbers `--column NAME`: its upper half"));
        }
        Ok(())
    }

    /// Inputs of the property's column, and which of them says that a row has it.
    fn has(&self, schema: &Schema) -> Option<(usize, Option<usize>)> {
        let (mut at, wanted) = (0, self.column.as_ref()?);
        for column in &schema.columns {
            if column.name == *wanted {
                return match (&column.domain, &self.value) {
                    (reticent_data::Domain::Range { .. }, None) => Some((at, None)),
                    (reticent_data::Domain::Levels { levels, .. }, Some(value)) => {
                        Some((at, Some(levels.iter().position(|l| l == value)?)))
                    }
                    _ => None,
                };
            }
            at += column.domain.width();
        }
        None
    }

    /// Attacks one target.
    pub(super) fn of(
        &self,
        recipe: &Recipe<'_>,
        plan: &super::Plan<'_>,
        gaps: &mut Vec<String>,
        to: &mut FurtherFindings,
    ) -> Result<(), Failure> {
        let (unit, shadows, stated, seed) = (plan.unit, plan.shadows.number, plan.stated, plan.seed);
        let known = KnownRows::new(&recipe.pool, recipe.cap);
        let (members, target) = &recipe.targets[0];
        let member: Vec<bool> = known.ids().iter().map(|id| members.contains(id)).collect();
        let schema = recipe.pool.table().schema();
        let few = |attack: &str, error: &Error| format!("{}: the attack `{attack}`: {error}", recipe.name);
        if let Some(attribute) = self.column.as_ref().filter(|_| self.attribute).and_then(|c| Attribute::of(schema, c)) {
            let question = Question { rows: &known, member: &member, attribute: &attribute, unit, stated, seed };
            for rule in [Rule::Likeliest, Rule::Confidence] {
                match infer(&question, &**target, rule) {
                    Ok(found) => to.attribute.push((recipe.name, found)),
                    Err(error @ Error::OneSided { .. }) => {
                        gaps.push(few("attribute", &error) + ": 30 of each are needed");
                        break;
                    }
                    Err(other) => return Err(other.into()),
                }
            }
        }
        // The models meant to leak see a row each of few people: too few for shares of them.
        if let Some(place) = self.has(schema).filter(|_| self.property && recipe.name != "overfit") {
            match self.property(recipe, place, shadows, seed) {
                Ok((finding, models)) => {
                    to.property.push((recipe.name, finding));
                    to.models += models;
                }
                Err(error @ Error::CannotAttack { .. }) => gaps.push(few("property", &error)),
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }

    fn property(
        &self,
        recipe: &Recipe<'_>,
        (at, level): (usize, Option<usize>),
        shadows: usize,
        seed: u64,
    ) -> Result<(Finding, u64), Error> {
        let members = &recipe.targets[0].0;
        let inside = recipe.pool.filter(|id| members.contains(&id));
        let encoded = encode(inside.table());
        // A unit has it where most of its rows do.
        let mut votes: std::collections::BTreeMap<SubjectId, (usize, usize)> = Default::default();
        for (id, row) in inside.table().subjects().iter().zip(encoded.inputs.chunks_exact(encoded.width)) {
            let vote = votes.entry(*id).or_default();
            vote.1 += 1;
            vote.0 += usize::from(level.map_or(row[at] >= 0.0, |l| row[at + l] == 1.0));
        }
        let (units, has): (Vec<SubjectId>, Vec<bool>) = votes.into_iter().map(|(id, (yes, all))| (id, 2 * yes > all)).unzip();
        let outside = encode(recipe.pool.filter(|id| !members.contains(&id)).table());
        let probes = &outside.inputs[..outside.inputs.len().min(PROBES * outside.width)];
        let models = shadows.max(LEAST_MODELS);
        let draws = property::draw(&has, models, seed)?;
        let classes = recipe.pool.table().schema().classes();
        let of = |(number, chosen): (usize, &Vec<usize>)| {
            let chosen: BTreeSet<SubjectId> = chosen.iter().map(|&u| units[u]).collect();
            // Numbers above those of shadow models: noise of its own for each.
            let model =
                (recipe.fit)(&inside.filter(|id| chosen.contains(&id)), (1 << 32) + number as u64).map_err(|why| Error::Fit { why })?;
            property::answers(&*model, probes, outside.width, classes)
        };
        let answers: Vec<Vec<f64>> = draws.units.iter().enumerate().map(of).collect::<Result<_, _>>()?;
        let what = match (&self.column, &self.value) {
            (Some(column), Some(value)) => format!("`{column}` is `{value}`"),
            (Some(column), None) => format!("`{column}` in the upper half of its bounds"),
            _ => String::new(),
        };
        Ok((property::tell_apart(&answers, &draws.high, &what, seed)?, models as u64))
    }

    /// Inverts the released model and its twin.
    pub(super) fn inversion(
        &self,
        manifest: &ModelManifest,
        weights: &[u8],
        pool: &PermittedTable,
        seed: u64,
        gaps: &mut Vec<String>,
        to: &mut FurtherFindings,
    ) -> Result<(), Failure> {
        if self.inversion {
            let (found, models) = inversion::measure(manifest, weights, pool, seed, gaps)?;
            to.inversion = found;
            to.models += models;
        }
        Ok(())
    }

    /// Attacks updates of the released layers: each of one held-out row alone, as it is, and clipped and noised as the plan says.
    pub(super) fn updates(
        &self,
        manifest: &ModelManifest,
        weights: &[u8],
        pool: &PermittedTable,
        seed: u64,
        gaps: &mut Vec<String>,
    ) -> Result<Vec<Update>, Failure> {
        if !self.updates {
            return Ok(vec![]);
        }
        let model: Classifier = load_weights(weights)?;
        let Some((widths, layers)) = model.layers() else {
            gaps.push("updates: features are computed of a row before the layers see it, and those would be reconstructed".into());
            return Ok(vec![]);
        };
        let network = Network::new(widths, layers)?;
        let held_out = encode(split_by_unit(pool, manifest.test_fraction, SPLIT_SEED).test.table());
        let rows: Vec<(Vec<f64>, usize)> = held_out
            .inputs
            .chunks_exact(held_out.width)
            .map(|row| row.iter().map(|x| f64::from(*x)).collect())
            .zip(held_out.labels.iter().map(|y| *y as usize))
            .take(PROBES)
            .collect();
        if rows.len() < 2 {
            gaps.push("updates: fewer than two held-out rows".into());
            return Ok(vec![]);
        }
        let (clip, multiplier) = (manifest.plan.max_grad_norm, manifest.plan.noise_multiplier.get());
        let mut found = vec![];
        for (name, noised) in [("as they are", false), ("clipped and noised", true)] {
            let (mut all, mut right) = (vec![], 0);
            for (number, (input, y)) in rows.iter().enumerate() {
                let mut update = network.update(input, *y)?;
                if noised {
                    update = clipped_and_noised(&update, clip, multiplier, seed.wrapping_add(number as u64));
                }
                right += usize::from(label(&network, &update)? == *y);
                let row = analytic(&network, &update)?.unwrap_or_else(|| vec![0.0; input.len()]);
                all.push(Reconstruction { input: input.clone(), found: row.into_iter().map(|x| x.clamp(-1.0, 1.0)).collect() });
            }
            let attack = Attack {
                name: "updates".into(),
                variant: format!("{name}; first layer's row over its bias, label by the last bias (Phong et al. 2018, Zhao et al. 2020)"),
                threat_model: "white box: sees the update of one step on one row, before it is averaged with any other".into(),
                unit: "row".into(),
                seed,
            };
            let mean: Vec<f64> = (0..network.inputs()).map(|j| rows.iter().map(|r| r.0[j]).sum::<f64>() / rows.len() as f64).collect();
            found.push(Update {
                name,
                error: median(all.iter().map(|r| error(&r.found, &r.input)).collect()),
                guessing: median(all.iter().map(|r| error(&mean, &r.input)).collect()),
                labels: right as f64 / rows.len() as f64,
                finding: compare(attack, &all)?,
            });
        }
        Ok(found)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
