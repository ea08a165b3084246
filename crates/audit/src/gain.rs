//! What an attack that guesses says of members beyond what it says of others, and beyond what a guess without the model says.

use crate::binomial::normal_quantile;
use crate::controls::Control;
use crate::roc::{mean, variance};
use crate::{Attack, Error, Stated};
use serde::Serialize;

/// Units on each side from which on a normal interval of their mean is used; fewer are refused.
pub const LEAST_UNITS: usize = 30;
/// 1 − confidence of the intervals, two-sided.
pub const ALPHA: f64 = 0.05;

/// A mean over units with its interval at 95%.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// What was found.
    pub value: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

/// How often a guess is right.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accuracy {
    /// Of what.
    pub name: String,
    /// Over members.
    pub members: Interval,
    /// Over non-members.
    pub non_members: Interval,
}

/// What the gain says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum GainVerdict {
    /// The model gives away more of its members than of others: the interval lies above 0.
    Shown {
        /// Its lower end.
        lower: f64,
    },
    /// The interval reaches 0: nothing follows but that a difference above `visible` would have been seen about every second time.
    NotShown {
        /// Half the width of the interval.
        visible: f64,
    },
    /// A control failed: the numbers do not mean what they seem to.
    Invalid {
        /// Which, and how.
        why: String,
    },
}

/// Guesses about units, members and others, beside guesses without the model. Holds no guess and names nobody.
#[derive(Debug, Clone, Serialize)]
pub struct GainFinding {
    /// How the controls came out, before anything else.
    pub controls: Vec<Control>,
    /// What it says.
    pub verdict: GainVerdict,
    /// The attack.
    pub attack: Attack,
    /// Number of members.
    pub members: usize,
    /// Number of non-members.
    pub non_members: usize,
    /// How often the attack is right.
    pub accuracy: Accuracy,
    /// How often guesses without the model are.
    pub baselines: Vec<Accuracy>,
    /// By how much the attack is right more often than the better baseline.
    pub gain: Accuracy,
    /// The gain on members less that on others.
    pub difference: Interval,
    /// The gain on members of an attack that is always right.
    pub ceiling: f64,
    /// The most that the stated (ε, δ) allows of `difference` in expectation over training runs, whatever the attack; of one run it is no bound.
    pub allowed: Option<f64>,
    /// What this finding says nothing about.
    pub not_tested: Vec<String>,
}

/// For each unit, how often a guess about it is right: the share over its rows.
pub struct Guesses<'a> {
    /// The attack's.
    pub attack: &'a [f64],
    /// By name, those without the model.
    pub baselines: &'a [(&'static str, Vec<f64>)],
    /// Those of the better baseline, which was chosen on other units.
    pub better: &'a [f64],
    /// Whether the model was trained with the unit.
    pub member: &'a [bool],
}

impl GainFinding {
    /// Compares both sides.
    ///
    /// # Errors
    /// [`Error::OneSided`] for fewer than [`LEAST_UNITS`] on a side; [`Error::Length`].
    pub fn new(
        attack: Attack,
        guesses: &Guesses<'_>,
        controls: Vec<Control>,
        stated: Option<&Stated>,
        not_tested: Vec<String>,
    ) -> Result<Self, Error> {
        let member = guesses.member;
        let members = member.iter().filter(|&&m| m).count();
        if members < LEAST_UNITS || member.len() - members < LEAST_UNITS {
            return Err(Error::OneSided { members, non_members: member.len() - members });
        }
        let side = |values: &[f64], which| values.iter().zip(member).filter(|(_, m)| **m == which).map(|(v, _)| *v).collect::<Vec<f64>>();
        let accuracy = |name: &str, values: &[f64]| Accuracy {
            name: name.into(),
            members: interval(&[side(values, true)]),
            non_members: interval(&[side(values, false)]),
        };
        let lists = guesses.baselines.iter().map(|b| &b.1[..]).chain([guesses.attack, guesses.better]);
        for list in lists {
            crate::folds::same_length("guesses", list.len(), member.len())?;
        }
        let gains: Vec<f64> = guesses.attack.iter().zip(guesses.better).map(|(a, b)| a - b).collect();
        let difference = interval(&[side(&gains, true), side(&gains, false)]);
        let verdict = match controls.iter().find(|c| !c.passed) {
            Some(c) => GainVerdict::Invalid {
                why: format!("{}: an area of {:.4} where {:.4} to {:.4} passes", c.name, c.auc, c.lowest, c.highest),
            },
            None if difference.lower > 0.0 => GainVerdict::Shown { lower: difference.lower },
            None => GainVerdict::NotShown { visible: difference.upper - difference.value },
        };
        Ok(Self {
            controls,
            verdict,
            attack,
            members,
            non_members: member.len() - members,
            accuracy: accuracy("the attack", guesses.attack),
            baselines: guesses.baselines.iter().map(|(name, right)| accuracy(name, right)).collect(),
            gain: accuracy("the attack less the better baseline", &gains),
            difference,
            ceiling: 1.0 - mean(&side(guesses.better, true)),
            allowed: stated.map(|s| total_variation(s.epsilon.get(), s.delta.get())),
            not_tested,
        })
    }
}

/// The largest total variation that (ε, δ) allows: (e^ε − 1 + 2δ)/(e^ε + 1) (Kairouz, Oh and Viswanath 2015).
#[must_use]
pub fn total_variation(epsilon: f64, delta: f64) -> f64 {
    // As tanh, which does not overflow.
    ((0.5 * epsilon).tanh() + 2.0 * delta / (1.0 + epsilon.exp())).min(1.0)
}

/// The mean of the first list, less that of the second where there is one; normal, by the variance of each. No wider than what such means can be:
/// where all values of a list are equal a normal interval is a point, so that one unit's share is added.
fn interval(sides: &[Vec<f64>]) -> Interval {
    let value = mean(&sides[0]) - sides.get(1).map_or(0.0, |s| mean(s));
    let z = normal_quantile(1.0 - ALPHA / 2.0);
    let squared: f64 = sides.iter().map(|s| variance(s) / s.len() as f64).sum();
    let least = sides.iter().map(|s| 1.0 / s.len() as f64).fold(0.0, f64::max);
    let half = (z * squared.sqrt()).max(least);
    Interval { value, lower: value - half, upper: value + half }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{controls, testing};
    use rand::RngExt;
    use reticent_accounting::{Delta, Epsilon};

    fn attack() -> Attack {
        Attack { name: "attribute".into(), variant: "".into(), threat_model: "".into(), unit: "person".into(), seed: 1 }
    }

    fn found(right: f64, baseline: f64, lift: f64, seed: u64) -> GainFinding {
        let mut rng = testing::rng(seed);
        let member: Vec<bool> = (0..400).map(|u| u % 2 == 0).collect();
        let mut draw = |p: f64| f64::from(u8::from(rng.random::<f64>() < p));
        let attacked: Vec<f64> = member.iter().map(|m| draw(right + if *m { lift } else { 0.0 })).collect();
        let without: Vec<f64> = member.iter().map(|_| draw(baseline)).collect();
        let guesses = Guesses { attack: &attacked, baselines: &[("prior", without.clone())], better: &without, member: &member };
        let stated = Stated { epsilon: Epsilon::new(1.0).unwrap(), delta: Delta::new(0.0).unwrap(), event: None };
        GainFinding::new(attack(), &guesses, vec![], Some(&stated), vec![]).unwrap()
    }

    /// 2,000 nulls: a share of .025 shows a difference by chance; more than 78 have probability below 1e-4 and fewer than 22 as well.
    #[test]
    fn says_shown_by_chance_as_often_as_stated() {
        let shown = (0..2000).filter(|&seed| matches!(found(0.6, 0.5, 0.0, seed).verdict, GainVerdict::Shown { .. })).count();
        assert!((22..=78).contains(&shown), "{shown}");
    }

    /// A lift of .3 is five standard errors and more of .058; the interval holds it in about .95 of 500.
    #[test]
    fn a_gain_is_shown_and_covered() {
        let all: Vec<GainFinding> = (0..500).map(|seed| found(0.5, 0.5, 0.3, seed)).collect();
        assert!(all.iter().filter(|f| matches!(f.verdict, GainVerdict::Shown { .. })).count() > 480);
        let covered = all.iter().filter(|f| f.difference.lower <= 0.3 && f.difference.upper >= 0.3).count();
        assert!((455..=495).contains(&covered), "{covered}");
        let one = &all[0];
        assert!((one.ceiling + one.baselines[0].members.value - 1.0).abs() < 1e-12);
        assert!((one.gain.members.value - (one.accuracy.members.value - one.baselines[0].members.value)).abs() < 1e-12);
        assert!((one.difference.value - (one.gain.members.value - one.gain.non_members.value)).abs() < 1e-12);
    }

    #[test]
    fn a_failing_control_and_few_units() {
        let member: Vec<bool> = (0..100).map(|u| u < 50).collect();
        let right: Vec<f64> = member.iter().map(|m| f64::from(u8::from(*m))).collect();
        let guesses = Guesses { attack: &right, baselines: &[], better: &[0.0; 100], member: &member };
        let sides = crate::MemberScores::new(vec![1.0; 50], vec![0.0; 50]).unwrap();
        let run = |controls| GainFinding::new(attack(), &guesses, controls, None, vec![]).unwrap();
        let clear = run(vec![]);
        assert!(matches!(clear.verdict, GainVerdict::Shown { lower } if (lower - 0.98).abs() < 1e-12), "{:?}", clear.verdict);
        assert!(matches!(run(vec![controls::constant_model(&sides)]).verdict, GainVerdict::Invalid { .. }));
        let few = Guesses { attack: &right[..59], baselines: &[], better: &[0.0; 59], member: &member[..59] };
        assert!(matches!(GainFinding::new(attack(), &few, vec![], None, vec![]), Err(Error::OneSided { non_members: 9, .. })));
        let odd = Guesses { attack: &right[..99], baselines: &[], better: &[0.0; 100], member: &member };
        assert!(matches!(GainFinding::new(attack(), &odd, vec![], None, vec![]), Err(Error::Length { .. })));
    }

    /// Randomised response: truth with probability e^ε/(1 + e^ε) has just this distance.
    #[test]
    fn total_variation_golden() {
        for epsilon in [0.1_f64, 1.0, 3.0, 800.0] {
            let truth = 1.0 / (1.0 + (-epsilon).exp());
            assert!((total_variation(epsilon, 0.0) - (2.0 * truth - 1.0)).abs() < 1e-12);
        }
        assert!((total_variation(0.0, 0.01) - 0.01).abs() < 1e-15);
    }
}
