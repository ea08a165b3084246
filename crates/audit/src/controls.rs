//! Controls: what must come out when there is nothing to find. Where one fails, the finding is invalid.

use crate::binomial::normal_quantile;
use crate::roc::{mean, variance};
use crate::{Error, MemberScores};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};

/// Probability with which a control fails though nothing is wrong.
pub const FALSE_ALARM: f64 = 0.001;
const FOLDS: usize = 5;

/// One control and how it came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// What was done, in words.
    pub name: String,
    /// The area that came out.
    pub auc: f64,
    /// The smallest area that passes.
    pub lowest: f64,
    /// The largest area that passes.
    pub highest: f64,
    /// Whether it passed.
    pub passed: bool,
    /// Probability with which it fails though nothing is wrong.
    pub false_alarm: f64,
}

impl Control {
    fn new(name: &str, auc: f64, lowest: f64, highest: f64, false_alarm: f64) -> Self {
        Self { name: name.into(), auc, lowest, highest, passed: (lowest..=highest).contains(&auc), false_alarm }
    }
}

/// Membership drawn at random, on the same scores and with the same numbers: the area must be ½ within the spread of Mann and Whitney.
///
/// # Errors
/// [`Error::OneSided`] never in practice: the numbers are those of `scores`.
pub fn random_membership(scores: &MemberScores, seed: u64) -> Result<Control, Error> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut all: Vec<f64> = scores.members.iter().chain(&scores.non_members).copied().collect();
    shuffle(&mut all, &mut rng);
    let rest = all.split_off(scores.members.len());
    let slack = normal_quantile(1.0 - FALSE_ALARM / 2.0) * null_spread(scores.members.len(), scores.non_members.len());
    let auc = MemberScores::new(all, rest)?.auc();
    Ok(Control::new("membership drawn at random", auc, 0.5 - slack, 0.5 + slack, FALSE_ALARM))
}

/// A model that says the same about everybody: the area must be ½ to the last bit.
#[must_use]
pub fn constant_model(scores: &MemberScores) -> Control {
    Control::new("a constant model under the same attack", scores.auc(), 0.5, 0.5, 0.0)
}

/// Something that has nothing to do with membership, by unit: the area must be ½ within the spread of Mann and Whitney. With ties, as of guesses that are
/// right or wrong, that spread is smaller and this control fails more rarely.
#[must_use]
pub fn no_difference(name: &str, scores: &MemberScores) -> Control {
    let slack = normal_quantile(1.0 - FALSE_ALARM / 2.0) * null_spread(scores.members(), scores.non_members());
    Control::new(name, scores.auc(), 0.5 - slack, 0.5 + slack, FALSE_ALARM)
}

/// As [`no_difference`], where an area below ½ is no fault: scores of several parts put together lie there when there is nothing to find.
#[must_use]
pub fn no_advantage(name: &str, scores: &MemberScores) -> Control {
    let slack = normal_quantile(1.0 - FALSE_ALARM) * null_spread(scores.members(), scores.non_members());
    Control::new(name, scores.auc(), 0.0, 0.5 + slack, FALSE_ALARM)
}

/// A classifier that never sees the model: nearest class mean on the standardised inputs of each unit, cross-fitted in five folds. It
/// must not beat chance; where it does, members differ from non-members by themselves, and no attack's area can be read as a leak.
///
/// `inputs[unit]` are the unit's mean inputs, all of one length.
///
/// # Errors
/// [`Error::Length`]; [`Error::OneSided`] where a side has fewer than 10 units, too few for five folds.
pub fn blind_baseline(inputs: &[Vec<f64>], member: &[bool], seed: u64) -> Result<Control, Error> {
    if inputs.len() != member.len() {
        return Err(Error::Length { what: "members", found: member.len(), expected: inputs.len() });
    }
    let width = inputs.first().map_or(0, Vec::len);
    if let Some(odd) = inputs.iter().find(|x| x.len() != width) {
        return Err(Error::Length { what: "inputs", found: odd.len(), expected: width });
    }
    let members = member.iter().filter(|&&m| m).count();
    if members < 2 * FOLDS || inputs.len() - members < 2 * FOLDS {
        return Err(Error::OneSided { members, non_members: inputs.len() - members });
    }
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut fold = vec![0; inputs.len()];
    for side in [true, false] {
        let mut units: Vec<usize> = (0..inputs.len()).filter(|&u| member[u] == side).collect();
        shuffle(&mut units, &mut rng);
        for (place, unit) in units.into_iter().enumerate() {
            fold[unit] = place % FOLDS;
        }
    }
    let (mut areas, mut squares) = (vec![], 0.0);
    for left_out in 0..FOLDS {
        let weights = nearest_mean(inputs, member, |u| fold[u] != left_out, width);
        let side = |which| {
            let units = (0..inputs.len()).filter(|&u| fold[u] == left_out && member[u] == which);
            units.map(|u| inputs[u].iter().zip(&weights).map(|(x, w)| x * w).sum()).collect::<Vec<f64>>()
        };
        let scores = MemberScores::new(side(true), side(false))?;
        squares += null_spread(scores.members(), scores.non_members()).powi(2);
        // Areas are averaged over folds: pooled scores of different folds would lie below ½ under the null.
        areas.push(scores.auc());
    }
    let slack = normal_quantile(1.0 - FALSE_ALARM) * squares.sqrt() / FOLDS as f64;
    Ok(Control::new("blind baseline: nearest class mean of the inputs, without the model", mean(&areas), 0.0, 0.5 + slack, FALSE_ALARM))
}

/// Weights of the linear score that compares the distances to both means, each input in units of its own variance.
fn nearest_mean(inputs: &[Vec<f64>], member: &[bool], used: impl Fn(usize) -> bool, width: usize) -> Vec<f64> {
    (0..width)
        .map(|i| {
            let column = |side| (0..inputs.len()).filter(|&u| used(u) && member[u] == side).map(|u| inputs[u][i]).collect::<Vec<f64>>();
            let (ins, outs) = (column(true), column(false));
            let spread = 0.5 * (variance(&ins) + variance(&outs));
            if spread > 1e-12 { (mean(&ins) - mean(&outs)) / spread } else { mean(&ins) - mean(&outs) }
        })
        .collect()
}

/// Standard deviation of the area when there is nothing to find, without ties (with ties it is smaller): Mann and Whitney (1947).
fn null_spread(n1: usize, n0: usize) -> f64 {
    let (n1, n0) = (n1 as f64, n0 as f64);
    ((n1 + n0 + 1.0) / (12.0 * n1 * n0)).sqrt()
}

fn shuffle<T>(items: &mut [T], rng: &mut ChaCha20Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, rng.random_range(0..=i));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn units(n: usize, shift: f64, seed: u64) -> (Vec<Vec<f64>>, Vec<bool>) {
        let mut rng = testing::rng(seed);
        let member: Vec<bool> = (0..n).map(|_| rng.random()).collect();
        let inputs = member.iter().map(|&m| (0..5).map(|i| testing::normal(&mut rng) + if m && i == 2 { shift } else { 0.0 }).collect());
        (inputs.collect(), member)
    }

    /// 1,000 nulls at a false-alarm rate of 0.1%: more than 8 failures have probability below 1e-5.
    #[test]
    fn controls_keep_their_false_alarm_rate() {
        let (mut blind, mut random) = (0, 0);
        for seed in 0..1000 {
            let (inputs, member) = units(120, 0.0, seed);
            blind += usize::from(!blind_baseline(&inputs, &member, seed).unwrap().passed);
            let side = |which| inputs.iter().zip(&member).filter(|(_, m)| **m == which).map(|(x, _)| x[0]).collect();
            random += usize::from(!random_membership(&MemberScores::new(side(true), side(false)).unwrap(), seed).unwrap().passed);
        }
        assert!(blind <= 8, "blind {blind}");
        assert!(random <= 8, "random {random}");
    }

    #[test]
    fn a_shift_of_the_members_fails_the_blind_baseline() {
        for (shift, passes) in [(0.0, true), (0.8, false)] {
            let (inputs, member) = units(1000, shift, 9);
            let control = blind_baseline(&inputs, &member, 1).unwrap();
            assert_eq!(control.passed, passes, "{control:?}");
        }
    }

    /// Standard deviation of the area with 1,000 + 1,000: 1.96 of them are .0253 (reference page on audits).
    #[test]
    fn spread_golden() {
        assert!((1.96 * null_spread(1000, 1000) - 0.0253).abs() < 5e-5);
    }

    #[test]
    fn a_model_that_is_not_constant_fails_its_control() {
        assert!(constant_model(&MemberScores::new(vec![0.5; 9], vec![0.5; 4]).unwrap()).passed);
        assert!(!constant_model(&MemberScores::new(vec![0.5, 0.6], vec![0.5; 4]).unwrap()).passed);
    }

    #[test]
    fn too_few_units_are_refused() {
        assert!(matches!(blind_baseline(&vec![vec![0.0]; 20], &[true; 20], 0), Err(Error::OneSided { .. })));
        assert!(matches!(blind_baseline(&vec![vec![0.0]; 20], &[true; 19], 0), Err(Error::Length { .. })));
    }
}
