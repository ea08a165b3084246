//! Property inference: does a model give away what share of its training data had some property?

use crate::{Attack, Error, Finding, MemberScores, Target, attack_classifier, controls};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// The two shares that are told apart.
pub const SHARES: [f64; 2] = [0.25, 0.75];
/// Fewer units in a training set than this are refused.
const LEAST_UNITS: usize = 20;
/// Probabilities beyond this count as sure: a logarithm is taken of them.
const SURE: f64 = 1e-6;

/// Who is in each model's training data: half of the models have [`SHARES`]\[0\] of units with the property, half [`SHARES`]\[1\], all as many units.
pub struct Draws {
    /// `[model]`, indices of units.
    pub units: Vec<Vec<usize>>,
    /// `[model]`, whether it has the higher share.
    pub high: Vec<bool>,
}

/// Draws training sets for `models` models from units that have the property or not, each model on its own.
///
/// ```
/// let has: Vec<bool> = (0..200).map(|u| u % 3 == 0).collect();
/// let draws = reticent_audit::property::draw(&has, 10, 1)?;
/// for (units, high) in draws.units.iter().zip(&draws.high) {
///     let with = units.iter().filter(|u| has[**u]).count() as f64;
///     assert!((with / units.len() as f64 - if *high { 0.75 } else { 0.25 }).abs() < 0.02);
/// }
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::FewModels`] for fewer than ten models or an odd number; [`Error::CannotAttack`] where too few units have the property, or lack it.
pub fn draw(has: &[bool], models: usize, seed: u64) -> Result<Draws, Error> {
    if models < 10 || !models.is_multiple_of(2) {
        return Err(Error::FewModels { models });
    }
    let sides = [false, true].map(|which| (0..has.len()).filter(|&u| has[u] == which).collect::<Vec<usize>>());
    let size = (sides.iter().map(Vec::len).min().unwrap_or(0) as f64 / SHARES[1]).floor() as usize;
    if size < LEAST_UNITS {
        return Err(Error::CannotAttack {
            attack: "property",
            needs: "15 units with the property and 15 without, outside what it is asked about",
        });
    }
    let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x7072_6f70);
    let mut draws = Draws { units: vec![], high: vec![] };
    for model in 0..models {
        let high = model % 2 == 1;
        let with = (SHARES[usize::from(high)] * size as f64).round() as usize;
        let mut units = vec![];
        for (side, count) in sides.iter().zip([size - with, with]) {
            let mut order = side.clone();
            for i in 0..count {
                let other = rng.random_range(i..order.len());
                order.swap(i, other);
            }
            units.extend_from_slice(&order[..count]);
        }
        draws.units.push(units);
        draws.high.push(high);
    }
    Ok(draws)
}

/// What a model answers to a fixed set of questions: ln p − ln(1 − p) of every class but the first, row by row.
///
/// # Errors
/// [`Error::Target`], [`Error::NotANumber`].
pub fn answers(target: &dyn Target, probes: &[f32], width: usize, classes: usize) -> Result<Vec<f64>, Error> {
    let p = target.probabilities(probes, width);
    let expected = probes.len() / width * classes;
    if p.len() != expected {
        return Err(Error::Target { found: p.len(), expected });
    }
    crate::folds::finite(&p)?;
    let log_odds = |p: f64| {
        let p = p.clamp(SURE, 1.0 - SURE);
        (p / (1.0 - p)).ln()
    };
    Ok(p.chunks_exact(classes).flat_map(|p| p[1..].iter().map(|p| log_odds(*p))).collect())
}

/// A classifier of what models answer, learnt on four of five parts of the models and put to the fifth (after Ganju et al. 2018, who take the
/// weights of a white box; answers as in Zhang, Tople and Ohrimenko 2021). "Members" are the models with the higher share.
///
/// The baseline is a coin: half of the models have each share, and of a model nothing is known but its answers. Controls: shares dealt at random and
/// the same attack on them, and models that answer alike.
///
/// # Errors
/// [`Error::Length`], [`Error::NotANumber`]; [`Error::OneSided`] for fewer than five models a side.
pub fn tell_apart(answers: &[Vec<f64>], high: &[bool], property: &str, seed: u64) -> Result<Finding, Error> {
    let sides = |scores: Vec<f64>, high: &[bool]| {
        let side = |which| scores.iter().zip(high).filter(|(_, h)| **h == which).map(|(s, _)| *s).collect();
        MemberScores::new(side(true), side(false))
    };
    let found = sides(attack_classifier::known_members(answers, high, seed)?, high)?;
    let shuffled = shuffled(high, seed);
    let at_random = sides(attack_classifier::known_members(answers, &shuffled, seed)?, &shuffled)?;
    let alike = vec![vec![0.0; answers.first().map_or(0, Vec::len)]; high.len()];
    let alike = sides(attack_classifier::known_members(&alike, high, seed)?, high)?;
    let checks = vec![
        controls::no_advantage("the same attack on shares dealt at random", &at_random),
        controls::no_advantage("models that answer alike", &alike),
    ];
    let attack = Attack {
        name: "property".into(),
        variant: format!(
            "{property}: {:.0}% or {:.0}% of the training units; logistic regression on the log odds of answers, five parts",
            SHARES[0] * 100.0,
            SHARES[1] * 100.0
        ),
        threat_model: "black box: probabilities for fixed rows; the attacker knows the recipe and has rows of the same kind to train on"
            .into(),
        unit: "model".into(),
        seed,
    };
    let gaps = [
        "this model's own share: what was told apart are other models of its recipe",
        "shares nearer to each other, other properties, attackers who see weights",
        "no (ε, δ) for one unit bounds this: a share is about many units together",
    ];
    Finding::new(attack, &found, checks, Some(0.0), None, None, gaps.map(str::to_owned).to_vec())
}

fn shuffled(high: &[bool], seed: u64) -> Vec<bool> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x7368_7566);
    let mut order = high.to_vec();
    for i in (1..order.len()).rev() {
        order.swap(i, rng.random_range(0..=i));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, testing};

    /// `lift` on three of ten answers for models with the higher share.
    fn found(models: usize, lift: f64, seed: u64) -> Finding {
        let mut rng = testing::rng(seed);
        let high: Vec<bool> = (0..models).map(|m| m % 2 == 1).collect();
        let answers: Vec<Vec<f64>> =
            high.iter().map(|h| (0..10).map(|i| testing::normal(&mut rng) + if *h && i < 3 { lift } else { 0.0 }).collect()).collect();
        tell_apart(&answers, &high, "age >= 40", seed).unwrap()
    }

    /// Known means would give Φ(1.5·√3/√2) = .967.
    #[test]
    fn a_share_that_shows_in_the_answers_is_told() {
        let one = found(60, 1.5, 1);
        assert!(one.area.auc > 0.85, "{:?}", one.area);
        assert!(one.controls.iter().all(|c| c.passed), "{:?}", one.controls);
        assert!(one.decision.unwrap().balanced_accuracy > 0.75);
    }

    /// 100 nulls: an interval at 95% lies above ½ in about 2.5%. Scores of five parts put together lie a little below ½ where nothing is, so that it is rarer;
    /// more than 11 have probability 1e-5 at 2.5%.
    #[test]
    fn nothing_is_told_where_nothing_is() {
        let all: Vec<Finding> = (0..100).map(|seed| found(40, 0.0, 100 + seed)).collect();
        let above = all.iter().filter(|f| f.area.lower > 0.5).count();
        assert!(above <= 11, "{above}");
        assert!(all.iter().map(|f| f.area.auc).sum::<f64>() / 100.0 < 0.53);
        let invalid = all.iter().filter(|f| matches!(f.verdict, Verdict::Invalid { .. })).count();
        // At .1% each of 200 more than 4 have probability 2e-6.
        assert!(invalid <= 4, "{invalid}");
    }

    #[test]
    fn too_few_models_or_units_are_refused() {
        let has: Vec<bool> = (0..100).map(|u| u < 14).collect();
        assert!(matches!(draw(&has, 10, 1), Err(Error::CannotAttack { .. })));
        let has: Vec<bool> = (0..100).map(|u| u < 15).collect();
        assert_eq!(draw(&has, 10, 1).unwrap().units[3].len(), 20);
        for models in [8, 11] {
            assert!(matches!(draw(&has, models, 1), Err(Error::FewModels { .. })));
        }
        let one = |p: f64| answers(&move |_: &[f32], _: usize| vec![1.0 - p, p], &[0.0], 1, 2);
        assert!((one(0.75).unwrap()[0] - 3.0_f64.ln()).abs() < 1e-12 && one(1.0).unwrap()[0].is_finite());
        assert!(matches!(one(f64::NAN), Err(Error::NotANumber { .. })));
        assert!(matches!(answers(&|_: &[f32], _: usize| vec![1.0], &[0.0], 1, 2), Err(Error::Target { .. })));
    }
}
