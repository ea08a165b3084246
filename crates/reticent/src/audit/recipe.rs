//! What is attacked, and the recipe its shadow models follow: the released model, its twin without privacy, and one that is meant to leak.

use crate::failure::Failure;
use crate::verbs::train::{ModelManifest, SPLIT_SEED};
use rand::RngExt;
use reticent_audit::{Target, shadow};
use reticent_data::{PermittedTable, SubjectId, split_by_unit};
use reticent_train::{Architecture, Binding, Classifier, NotPrivateSeed, Plan, RunKey, fit_plain, fit_private, load_weights};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;

/// The twin without privacy, and its shadows: full-batch steps until the loss is nearly flat.
const TWIN_STEPS: u64 = 200;
const TWIN_LEARNING_RATE: f64 = 4.0;
/// The model that is meant to leak: two hidden layers on one row of each of few units, trained long, some labels wrong.
const LEAKY_UNITS: usize = 400;
const LEAKY_WIDTHS: [usize; 2] = [64, 64];
const LEAKY_STEPS: u64 = 600;
const LEAKY_LEARNING_RATE: f64 = 4.0;
const LEAKY_MISLABELLED: f64 = 0.3;
/// As many of them are attacked, each trained on its own half: together they have enough non-members for a rate at 1%.
const LEAKY_TARGETS: usize = 6;

type Fit<'a> = Box<dyn Fn(&PermittedTable, u64) -> Result<Box<dyn Target>, String> + Sync + 'a>;

/// A model to attack, with what it takes to make others like it.
pub(crate) struct Recipe<'a> {
    /// `private`, `baseline`, `overfit`.
    pub(crate) name: &'static str,
    /// What it is, in words.
    pub(crate) about: String,
    /// Members and non-members, with the labels that the attacker knows.
    pub(crate) pool: PermittedTable,
    /// Rows of a unit that training and attack look at.
    pub(crate) cap: NonZeroUsize,
    /// The models attacked, each with its members; all others of the pool are its non-members.
    pub(crate) targets: Vec<(BTreeSet<SubjectId>, Box<dyn Target>)>,
    /// Trains a shadow model.
    pub(crate) fit: Fit<'a>,
    /// All that decides a shadow model beside its rows and number: what its answers are kept under.
    pub(crate) decides: String,
    /// Models trained to make the target; the shadows come on top.
    pub(crate) trained: u64,
}

impl Recipe<'_> {
    pub(crate) fn as_fit(&self) -> shadow::Fit<'_> {
        &*self.fit
    }
}

fn target(model: Classifier) -> Box<dyn Target> {
    Box::new(move |inputs: &[f32], width: usize| model.probabilities(inputs, width))
}

fn ids(table: &PermittedTable) -> BTreeSet<SubjectId> {
    table.table().subjects().iter().copied().collect()
}

/// The released model. Its shadows are noised runs of the same plan whose keys are no secrets: nothing of them is released.
pub(crate) fn private<'a>(manifest: &'a ModelManifest, weights: &[u8], pool: &PermittedTable, seed: u64) -> Result<Recipe<'a>, Failure> {
    let split = split_by_unit(pool, manifest.test_fraction, SPLIT_SEED);
    Ok(Recipe {
        name: "private",
        about: format!("{}, as released", manifest.model),
        pool: pool.clone(),
        cap: manifest.plan.max_rows_per_unit,
        targets: vec![(ids(&split.train), target(load_weights(weights)?))],
        fit: Box::new(move |data, shadow| noised(&manifest.plan, data, seed, shadow).map(target).map_err(|e| e.to_string())),
        decides: decides("private", &manifest.plan, pool, &format!("seed {seed}"))?,
        trained: 0,
    })
}

/// The same model trained without clipping and noise on the same rows.
pub(crate) fn baseline<'a>(manifest: &'a ModelManifest, pool: &PermittedTable) -> Result<Recipe<'a>, Failure> {
    let split = split_by_unit(pool, manifest.test_fraction, SPLIT_SEED);
    let plan = &manifest.plan;
    Ok(Recipe {
        name: "baseline",
        about: "its twin without privacy, on the same rows".into(),
        pool: pool.clone(),
        cap: plan.max_rows_per_unit,
        targets: vec![(ids(&split.train), target(twin(plan, &split.train)?))],
        fit: Box::new(|data, _| twin(plan, data).map(target).map_err(|e| e.to_string())),
        decides: decides("baseline", plan, pool, &format!("{TWIN_STEPS} steps at {TWIN_LEARNING_RATE}"))?,
        trained: 1,
    })
}

/// The twin without clipping and noise.
pub(crate) fn twin(plan: &Plan, data: &PermittedTable) -> Result<Classifier, reticent_train::Error> {
    fit_plain(plan, data, TWIN_STEPS, TWIN_LEARNING_RATE)
}

/// Models that are meant to leak: they show that the attack finds what is there. A random part of the units, members or not, carries a
/// wrong label.
pub(crate) fn overfit<'a>(manifest: &ModelManifest, pool: &PermittedTable, seed: u64) -> Result<Recipe<'a>, Failure> {
    let mut rng = NotPrivateSeed(seed ^ 0x6f76_6572).rng();
    let mut shuffled = |units: &BTreeSet<SubjectId>| {
        let mut units: Vec<SubjectId> = units.iter().copied().collect();
        for i in (1..units.len()).rev() {
            units.swap(i, rng.random_range(0..=i));
        }
        units
    };
    let units: BTreeSet<SubjectId> = shuffled(&ids(pool)).into_iter().take(LEAKY_UNITS).collect();
    let wrong = (units.len() as f64 * LEAKY_MISLABELLED) as usize;
    let pool = pool.filter(|id| units.contains(&id)).mislabelled(&shuffled(&units).into_iter().take(wrong).collect());
    let plan = Plan {
        max_rows_per_unit: NonZeroUsize::MIN,
        architecture: Architecture::Mlp { hidden: LEAKY_WIDTHS.to_vec() },
        learning_rate: LEAKY_LEARNING_RATE,
        ..manifest.plan.clone()
    };
    let mut targets = vec![];
    for _ in 0..LEAKY_TARGETS {
        let members: BTreeSet<SubjectId> = shuffled(&units).into_iter().take(units.len() / 2).collect();
        let model = fit_plain(&plan, &pool.filter(|id| members.contains(&id)), LEAKY_STEPS, LEAKY_LEARNING_RATE)?;
        targets.push((members, target(model)));
    }
    let decides = decides("overfit", &plan, &pool, &format!("{LEAKY_STEPS} steps at {LEAKY_LEARNING_RATE}"))?;
    Ok(Recipe {
        name: "overfit",
        about: format!(
            "meant to leak: {LEAKY_TARGETS} networks, each on one row of half of {} units, {:.0}% of them mislabelled, scores pooled",
            units.len(),
            LEAKY_MISLABELLED * 100.0
        ),
        pool,
        cap: NonZeroUsize::MIN,
        targets,
        fit: Box::new(move |data, _| fit_plain(&plan, data, LEAKY_STEPS, LEAKY_LEARNING_RATE).map(target).map_err(|e| e.to_string())),
        decides,
        trained: LEAKY_TARGETS as u64,
    })
}

/// Plan, what is asked beside it, and which program on which machine: another build may give other weights.
fn decides(name: &str, plan: &Plan, pool: &PermittedTable, beside: &str) -> Result<String, Failure> {
    let machine = Binding::here(&plan.privacy(), pool.permit(), String::new())?.machine;
    Ok(format!("{name}; plan {}; {beside}; {machine}", plan.digest()))
}

/// A run of the plan for internal evaluation. Its key is made from public numbers: nothing of it is released, and no bound is claimed for it.
pub(crate) fn noised(plan: &Plan, data: &PermittedTable, seed: u64, run: u64) -> Result<Classifier, reticent_train::Error> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&run.to_le_bytes());
    let binding = Binding { plan: plan.digest(), permit: String::new(), data: "audit".into(), machine: String::new() };
    fit_private(plan, data, &RunKey::from_bytes(key), &binding, &mut |_| {})
}
