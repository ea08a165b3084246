//! Attacks that hold a model's answer against that of reference models: difficulty taken off, RMIA, BASE.
//!
//! All are likelihood ratios of one kernel (`likelihood.rs`): of what the model says with the unit in, taken for what it says without, tilted by p.
//! RMIA is that ratio's rank in a population, and no ratio itself.
//!
//! Inputs are ln p of the true class: `target[unit]` under the model attacked, `shadow[model][unit]` under each shadow model. All scores:
//! higher means "more likely a member".

use crate::Error;
use crate::likelihood::{Pair, log_ratios};
use crate::lira::Knowledge;
use crate::shadow::Membership;

/// ℓ − μ_out (Watson et al. 2022): what the model says beyond what models without the unit say.
///
/// ```
/// use reticent_audit::{reference, shadow::balanced_matrix};
/// let members = balanced_matrix(1, 4, 0)?;
/// let shadow: Vec<Vec<f64>> = (0..4).map(|s| vec![if members.is_in(s, 0) { -0.1 } else { -2.0 }]).collect();
/// assert_eq!(reference::calibrated(&[-0.5], &shadow, &members, reference::Calibration::Out)?, [1.5]);
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// With [`Calibration::Middle`] ℓ − (μ_in + μ_out)/2 (Sablayrolles et al. 2019).
///
/// # Errors
/// [`Error::Length`], [`Error::NotANumber`], [`Error::FewReferences`].
pub fn calibrated(target: &[f64], shadow: &[Vec<f64>], members: &Membership, by: Calibration) -> Result<Vec<f64>, Error> {
    let knowledge = if by == Calibration::Out { Knowledge::Offline } else { Knowledge::Online };
    members.fits(target, shadow, knowledge, 1)?;
    let mean = |unit: usize, side: bool| {
        let (sum, n) = members.values(shadow, unit, side).fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
        sum / n
    };
    let middle = |unit| match by {
        Calibration::Out => mean(unit, false),
        Calibration::Middle => 0.5 * (mean(unit, true) + mean(unit, false)),
    };
    Ok(tilted(target, middle))
}

/// What is taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calibration {
    /// The mean of models without the unit.
    Out,
    /// The middle between the means with and without it.
    Middle,
}

/// RMIA (Zarifzadeh, Liu and Shokri 2024): the share of the other units z for which (p_x / p̄_x) / (p_z / p̄_z) ≥ γ.
///
/// Online p̄ is the mean of the means over the shadow models that saw the unit and those that did not; offline ½((1 + a) p̄_out + 1 − a), where `a` in [0, 1] (the
/// authors: .3 to .9 by data set; 1 leaves p̄_out as it is) stands for what training on the unit would add. Every unit is held against all
/// others as its population, those that were members included, as in the authors' code.
///
/// ```
/// use reticent_audit::{lira::Knowledge, reference, shadow::balanced_matrix};
/// let members = balanced_matrix(3, 4, 0)?;
/// let shadow = vec![vec![(0.25_f64).ln(); 3]; 4];
/// let target = [0.5_f64, 0.25, 0.125].map(f64::ln);
/// assert_eq!(reference::rmia(&target, &shadow, &members, 1.5, 1.0, Knowledge::Online)?, [1.0, 0.5, 0.0]);
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::Length`], [`Error::NotANumber`]; [`Error::OutOfRange`] for γ not above 0 or `a` outside [0, 1].
pub fn rmia(
    target: &[f64],
    shadow: &[Vec<f64>],
    members: &Membership,
    gamma: f64,
    a: f64,
    knowledge: Knowledge,
) -> Result<Vec<f64>, Error> {
    members.fits(target, shadow, knowledge, 1)?;
    if !(gamma > 0.0 && gamma.is_finite()) {
        return Err(Error::OutOfRange { quantity: "gamma", value: gamma, range: "above 0" });
    }
    if !(0.0..=1.0).contains(&a) {
        return Err(Error::OutOfRange { quantity: "a", value: a, range: "from 0 to 1" });
    }
    let marginal = |unit: usize| match knowledge {
        Knowledge::Online => log_mean_of_both(shadow, members, unit),
        Knowledge::Offline => {
            let out = log_mean(members.values(shadow, unit, false));
            (0.5 * ((1.0 + a) * out.exp() + 1.0 - a)).max(f64::MIN_POSITIVE).ln()
        }
    };
    let ratios = tilted(target, marginal);
    let mut sorted = ratios.clone();
    sorted.sort_by(f64::total_cmp);
    let others = (target.len() - 1).max(1) as f64;
    let shift = gamma.ln();
    let share = |own: f64| {
        let reached = sorted.partition_point(|z| *z <= own - shift);
        // γ ≤ 1 counts the unit itself, which is not one of the others.
        (reached - usize::from(own <= own - shift)) as f64 / others
    };
    Ok(ratios.into_iter().map(share).collect())
}

/// BASE (Lassila et al. 2025): ln p_x − ln of the mean of p_x over the reference models, those with the unit and those without at equal weight;
/// offline over those without it.
///
/// ```
/// use reticent_audit::{lira::Knowledge, reference, shadow::balanced_matrix};
/// let members = balanced_matrix(1, 4, 0)?;
/// let found = reference::base(&[0.0], &vec![vec![0.5_f64.ln()]; 4], &members, Knowledge::Online)?;
/// assert!((found[0] - 2.0_f64.ln()).abs() < 1e-12);
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::Length`], [`Error::NotANumber`], [`Error::FewReferences`].
pub fn base(target: &[f64], shadow: &[Vec<f64>], members: &Membership, knowledge: Knowledge) -> Result<Vec<f64>, Error> {
    members.fits(target, shadow, knowledge, 1)?;
    let mean = |unit: usize| match knowledge {
        Knowledge::Online => log_mean_of_both(shadow, members, unit),
        Knowledge::Offline => log_mean(members.values(shadow, unit, false)),
    };
    Ok(tilted(target, mean))
}

/// The log-likelihood ratio of each unit, with the log-partition of its tilt.
fn tilted(target: &[f64], log_partition: impl Fn(usize) -> f64) -> Vec<f64> {
    log_ratios(target, (0..target.len()).map(|unit| Pair::Tilted { log_partition: log_partition(unit) }))
}

/// ln ½(p̄_in + p̄_out), whichever of the two has more models.
fn log_mean_of_both(shadow: &[Vec<f64>], members: &Membership, unit: usize) -> f64 {
    log_mean([true, false].map(|side| log_mean(members.values(shadow, unit, side))).into_iter())
}

/// ln of the mean of what the values are logarithms of.
fn log_mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let highest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), v| (sum + (v - highest).exp(), n + 1.0));
    highest + (sum / n).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shadow::balanced_matrix;
    use crate::testing;

    /// ln p of units of different difficulty: higher where the unit was in.
    fn made(units: usize, shadows: usize) -> (Vec<f64>, Vec<Vec<f64>>, Membership) {
        let mut rng = testing::rng(8);
        let members = balanced_matrix(units, shadows, 2).unwrap();
        let hard: Vec<f64> = (0..units).map(|_| -2.0 + 2.0 * testing::normal(&mut rng)).collect();
        let mut log_p = |is_in: &dyn Fn(usize) -> bool| -> Vec<f64> {
            let phi = |u: usize, z: f64| hard[u] + 1.5 * f64::from(u8::from(is_in(u))) + 0.5 * z;
            (0..units).map(|u| -(1.0 + (-phi(u, testing::normal(&mut rng))).exp()).ln()).collect()
        };
        let shadow = (0..shadows).map(|s| log_p(&|u| members.is_in(s, u))).collect();
        (log_p(&|u| u % 2 == 0), shadow, members)
    }

    fn auc(scores: &[f64]) -> f64 {
        let side = |parity| scores.iter().enumerate().filter(|(u, _)| u % 2 == parity).map(|(_, s)| *s).collect();
        crate::MemberScores::new(side(0), side(1)).unwrap().auc()
    }

    /// Slow and as it is written: every pair of a unit and another.
    #[test]
    fn rmia_equals_the_pairs() {
        let (target, shadow, members) = made(60, 8);
        for (gamma, a, knowledge) in [(1.0, 1.0, Knowledge::Online), (2.0, 0.3, Knowledge::Offline), (0.5, 0.0, Knowledge::Offline)] {
            let mean = |u: usize| match knowledge {
                Knowledge::Online => shadow.iter().map(|s| s[u].exp()).sum::<f64>() / 8.0,
                Knowledge::Offline => {
                    let out = (0..8).filter(|&s| !members.is_in(s, u)).map(|s| shadow[s][u].exp()).sum::<f64>() / 4.0;
                    0.5 * ((1.0 + a) * out + 1.0 - a)
                }
            };
            let found = rmia(&target, &shadow, &members, gamma, a, knowledge).unwrap();
            for x in 0..60 {
                let beats = |&z: &usize| z != x && (target[x].exp() / mean(x)) / (target[z].exp() / mean(z)) >= gamma;
                let share = (0..60).filter(beats).count() as f64 / 59.0;
                assert!((found[x] - share).abs() < 1e-12, "unit {x} at {gamma}: {} {share}", found[x]);
            }
        }
    }

    /// RMIA ranks as BASE does, which is its authors' theorem, and not at γ = 1 alone: it is one rising function of the ratio for all units. Other
    /// than BASE it may say the same of two units that the ratio tells apart.
    #[test]
    fn base_ranks_as_rmia_does() {
        let (target, shadow, members) = made(300, 8);
        let b = base(&target, &shadow, &members, Knowledge::Online).unwrap();
        for gamma in [0.5, 1.0, 2.0, 8.0] {
            let r = rmia(&target, &shadow, &members, gamma, 1.0, Knowledge::Online).unwrap();
            for x in 0..300 {
                for z in 0..300 {
                    assert!(b[x] <= b[z] || r[x] >= r[z], "{x} {z} at {gamma}");
                }
            }
        }
    }

    /// Where models are drawn alike without the unit, and with it in proportion to the p they give it, as a posterior does, BASE is the likelihood ratio
    /// of the model attacked: Q_in(θ)/Q_out(θ), both written out here for each of the models.
    #[test]
    fn base_is_the_likelihood_ratio_of_a_posterior() {
        let mut rng = testing::rng(11);
        let count = 12;
        let log_p: Vec<f64> = (0..count).map(|_| -(1.0 + (-2.0 * testing::normal(&mut rng)).exp()).ln()).collect();
        let evidence: f64 = log_p.iter().map(|l| l.exp() / count as f64).sum();
        let shadow: Vec<Vec<f64>> = log_p.iter().map(|l| vec![*l]).collect();
        let members = Membership::recorded(&vec![vec![false]; count]).unwrap();
        for l in &log_p {
            let (q_out, q_in) = (1.0 / count as f64, l.exp() / count as f64 / evidence);
            let found = base(&[*l], &shadow, &members, Knowledge::Offline).unwrap()[0];
            assert!((found - (q_in / q_out).ln()).abs() < 1e-12, "{found} {}", (q_in / q_out).ln());
        }
    }

    /// As they are written, without the kernel: nothing of them changed when they came on it.
    #[test]
    fn all_equal_their_formulas() {
        let (target, shadow, members) = made(200, 8);
        let mean = |u: usize, side: bool, f: &dyn Fn(f64) -> f64| {
            let values: Vec<f64> = (0..8).filter(|&s| members.is_in(s, u) == side).map(|s| f(shadow[s][u])).collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        let [online, offline] = [Knowledge::Online, Knowledge::Offline].map(|k| base(&target, &shadow, &members, k).unwrap());
        let [out, middle] = [Calibration::Out, Calibration::Middle].map(|c| calibrated(&target, &shadow, &members, c).unwrap());
        for u in 0..200 {
            let (p_in, p_out) = (mean(u, true, &f64::exp), mean(u, false, &f64::exp));
            let (l_in, l_out) = (mean(u, true, &|l| l), mean(u, false, &|l| l));
            for (name, found, expected) in [
                ("BASE", online[u], target[u] - (0.5 * (p_in + p_out)).ln()),
                ("BASE offline", offline[u], target[u] - p_out.ln()),
                ("out", out[u], target[u] - l_out),
                ("middle", middle[u], target[u] - 0.5 * (l_in + l_out)),
            ] {
                assert!((found - expected).abs() < 1e-12 * (1.0 + expected.abs()), "{name} of {u}: {found} {expected}");
            }
        }
    }

    #[test]
    fn taking_the_difficulty_off_helps() {
        let (target, shadow, members) = made(2000, 16);
        let raw = auc(&target);
        for (name, scores) in [
            ("out", calibrated(&target, &shadow, &members, Calibration::Out)),
            ("middle", calibrated(&target, &shadow, &members, Calibration::Middle)),
            ("RMIA", rmia(&target, &shadow, &members, 2.0, 1.0, Knowledge::Online)),
            ("RMIA offline", rmia(&target, &shadow, &members, 2.0, 0.3, Knowledge::Offline)),
            ("BASE", base(&target, &shadow, &members, Knowledge::Online)),
            ("BASE offline", base(&target, &shadow, &members, Knowledge::Offline)),
        ] {
            let found = auc(&scores.unwrap());
            assert!(found > raw + 0.05 && found < 1.0, "{name}: {found}, raw {raw}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        let (target, shadow, members) = made(4, 4);
        let run = |gamma, a| rmia(&target, &shadow, &members, gamma, a, Knowledge::Offline);
        for (gamma, a) in [(0.0, 0.5), (f64::NAN, 0.5), (1.0, 1.5), (1.0, -0.1)] {
            assert!(matches!(run(gamma, a), Err(Error::OutOfRange { .. })), "{gamma} {a}");
        }
        assert!(matches!(base(&target[1..], &shadow, &members, Knowledge::Online), Err(Error::Length { .. })));
    }
}
