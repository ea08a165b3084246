//! A lower bound on ε from one run: canaries, each in or out by its own fair coin, and how well their coins are guessed from the model.

use crate::audit::recipe::noised;
use crate::failure::Failure;
use crate::verbs::train::{ModelManifest, SPLIT_SEED};
use rand::RngExt;
use reticent_accounting::{Delta, NoiseMultiplier};
use reticent_audit::membership::{KnownRows, phi};
use reticent_audit::{LowerBound, Measured, MemberScores, Scores, ceiling};
use reticent_data::{PermittedTable, SubjectId, split_by_unit};
use reticent_train::{NotPrivateSeed, Plan};
use std::collections::BTreeSet;

/// More canaries would drown in one another: the model has few directions.
const MOST_CANARIES: usize = 500;
const FEWEST_CANARIES: usize = 10;
/// 1 − confidence of the bound.
pub(crate) const ALPHA: f64 = 0.05;
/// Sets the canaries' draws apart from those of the shadow models.
const RUN: u64 = u64::MAX;

/// Noise so small that it is as good as none: what the same audit shows then is its power.
const HARDLY_ANY_NOISE: f64 = 1e-6;
/// Models that [`measure`] trains.
pub(crate) const MODELS: u64 = 4;

/// What the canaries showed.
pub(crate) struct Canaries {
    pub(crate) planted: usize,
    pub(crate) scores: MemberScores,
    pub(crate) measured: Measured,
}

/// Runs the plan once more in memory on the members and the canaries that are in: held-out units with a wrong label. `None` with too few units.
pub(crate) fn measure(manifest: &ModelManifest, pool: &PermittedTable, seed: u64) -> Result<Option<Canaries>, Failure> {
    let split = split_by_unit(pool, manifest.test_fraction, SPLIT_SEED);
    let mut rng = NotPrivateSeed(seed ^ 0x6361_6e61).rng();
    let mut held_out: Vec<SubjectId> = split.test.table().subjects().iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    for i in (1..held_out.len()).rev() {
        held_out.swap(i, rng.random_range(0..=i));
    }
    held_out.truncate(MOST_CANARIES);
    let canaries: BTreeSet<SubjectId> = held_out.into_iter().collect();
    let planted = canaries.len();
    if planted < FEWEST_CANARIES {
        return Ok(None);
    }
    // From a stream of their own: which coins there are follows from the seed, not from how many units were held out.
    let mut coins = NotPrivateSeed(seed ^ 0x636f_696e).rng();
    let inside: BTreeSet<SubjectId> = canaries.iter().copied().filter(|_| coins.random()).collect();
    let rows = pool.mislabelled(&canaries);
    let members: BTreeSet<SubjectId> = split.train.table().subjects().iter().copied().collect();
    let known = KnownRows::new(&rows.filter(|id| canaries.contains(&id)), manifest.plan.max_rows_per_unit);
    let phi_of = |plan: &Plan, is_in: &dyn Fn(&SubjectId) -> bool, run: u64| -> Result<Vec<f64>, Failure> {
        let model = noised(plan, &rows.filter(|id| members.contains(&id) || is_in(&id)), seed, run)?;
        Ok(phi(&known, &move |inputs: &[f32], width: usize| model.probabilities(inputs, width))?)
    };
    // How hard each canary is, from runs that know nothing of its coin: one without any canary and one with all.
    let quiet = Plan { noise_multiplier: NoiseMultiplier::new(HARDLY_ANY_NOISE)?, ..manifest.plan.clone() };
    let (none, all) = (phi_of(&quiet, &|_| false, RUN - 1)?, phi_of(&quiet, &|id| canaries.contains(id), RUN - 2)?);
    let guesses = plan_of_guesses(planted);
    let score = |plan: &Plan| -> Result<(MemberScores, LowerBound), Failure> {
        let found = phi_of(plan, &|id| inside.contains(id), RUN)?;
        let found = found.iter().zip(none.iter().zip(&all)).map(|(phi, (none, all))| phi - 0.5 * (none + all)).collect();
        let scores = Scores::new(known.ids().to_vec(), found)?.sides(|id| Some(inside.contains(id)))?;
        let bound = LowerBound::one_run(&scores, Delta::new(manifest.delta)?, ALPHA, &guesses, seed)?;
        Ok((scores, bound))
    };
    let (scores, bound) = score(&manifest.plan)?;
    let (_, without_noise) = score(&quiet)?;
    let ceiling = ceiling::one_run(planted, ALPHA / guesses.len() as f64)?;
    Ok(Some(Canaries { planted, scores, measured: Measured { bound, ceiling, power: Some(without_noise.epsilon()) } }))
}

/// Fixed before any score is seen: the surest tenth, and all.
pub(crate) fn plan_of_guesses(canaries: usize) -> Vec<usize> {
    vec![(canaries / 10).max(1), canaries]
}
