//! The likelihood-ratio attack (LiRA, Carlini et al. 2022), online: how much likelier is what the model says, had it seen this unit?

use crate::Error;
use crate::shadow::Membership;
use serde::{Deserialize, Serialize};

/// Where the standard deviations of the two Gaussians come from. The mean is always each unit's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variance {
    /// Each unit's own: for many shadow models (64 or more).
    PerExample,
    /// One for "in" and one for "out", pooled over all units around each unit's mean: the better one for few shadow models. (The
    /// authors' code calls it fixed variance and does not centre by unit.)
    Global,
}

impl Variance {
    /// The variant in words, as a report names it.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::PerExample => "online, mean and variance per unit",
            Self::Global => "online, mean per unit, one pooled variance for in and one for out, centred by unit",
        }
    }
}

/// The log-likelihood ratio of each unit: ln N(φ; μ_in, σ_in) − ln N(φ; μ_out, σ_out), higher meaning "more likely a member".
///
/// `target[unit]` is φ under the model attacked, `shadow[model][unit]` under each shadow model, `members` who was in which. Needs no model.
///
/// ```
/// use reticent_audit::lira::{Variance, log_likelihood_ratios};
/// use reticent_audit::shadow::balanced_matrix;
/// let members = balanced_matrix(2, 4, 7)?;
/// // Whoever is in scores 3, whoever is out 0, give or take 1.
/// let phi = |s: usize, u: usize| 3.0 * f64::from(u8::from(members.is_in(s, u))) + if s % 2 == 0 { 1.0 } else { -1.0 };
/// let shadow: Vec<Vec<f64>> = (0..4).map(|s| (0..2).map(|u| phi(s, u)).collect()).collect();
/// let scores = log_likelihood_ratios(&[3.0, 0.0], &shadow, &members, Variance::Global)?;
/// assert!(scores[0] > 0.0 && scores[1] < 0.0);
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::Length`] where the lists do not fit `members`; [`Error::NotANumber`].
pub fn log_likelihood_ratios(target: &[f64], shadow: &[Vec<f64>], members: &Membership, variance: Variance) -> Result<Vec<f64>, Error> {
    let (units, shadows) = (members.units(), members.shadows());
    let length = |what, found, expected| if found == expected { Ok(()) } else { Err(Error::Length { what, found, expected }) };
    length("shadow models", shadow.len(), shadows)?;
    for scores in std::iter::once(target).chain(shadow.iter().map(Vec::as_slice)) {
        length("units", scores.len(), units)?;
        if let Some(index) = scores.iter().position(|s| !s.is_finite()) {
            return Err(Error::NotANumber { index });
        }
    }
    let half = shadows as f64 / 2.0;
    // Sums of squares around the unit's mean, for in and out.
    let of_unit = |unit: usize| {
        [true, false].map(|side| {
            let values = || (0..shadows).filter(move |&s| members.is_in(s, unit) == side).map(move |s| shadow[s][unit]);
            let mean = values().sum::<f64>() / half;
            (mean, values().map(|v| (v - mean).powi(2)).sum::<f64>())
        })
    };
    let moments: Vec<[(f64, f64); 2]> = (0..units).map(of_unit).collect();
    let pooled = [0, 1].map(|side| moments.iter().map(|m| m[side].1).sum::<f64>() / (units as f64 * (half - 1.0)));
    let scored = target.iter().zip(&moments).map(|(&phi, moments)| {
        let log_density = |side: usize| {
            let (mean, squares) = moments[side];
            let variance = match variance {
                Variance::PerExample => squares / (half - 1.0),
                Variance::Global => pooled[side],
            };
            // Shadows that agree to the last bit would give a density without bound.
            let variance = variance.max(1e-12);
            -0.5 * (variance.ln() + (phi - mean).powi(2) / variance)
        };
        log_density(0) - log_density(1)
    });
    Ok(scored.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shadow::balanced_matrix;
    use crate::{MemberScores, testing};

    /// Four shadows by hand: in {1, 3}, out {-1, 1}, φ = 2: means 2 and 0, variances 2 and 2, ratio (2²)/(2·2) = 1.
    #[test]
    fn by_hand() {
        let members = balanced_matrix(1, 4, 0).unwrap();
        let (mut ins, mut outs) = (vec![3.0, 1.0], vec![1.0, -1.0]);
        let shadow: Vec<Vec<f64>> =
            (0..4).map(|s| vec![if members.is_in(s, 0) { ins.pop().unwrap() } else { outs.pop().unwrap() }]).collect();
        for variance in [Variance::PerExample, Variance::Global] {
            let found = log_likelihood_ratios(&[2.0], &shadow, &members, variance).unwrap()[0];
            assert!((found - 1.0).abs() < 1e-12, "{variance:?}: {found}");
        }
    }

    /// φ = difficulty of the unit + 1 if in + noise: LiRA takes the difficulty off, the raw score cannot. At noise 0.5 and known means and
    /// variances the area would be Φ(1/(0.5·√2)) = .921; with 8 shadows a side the pooled variance stays near, the unit's own does worse.
    #[test]
    fn takes_the_difficulty_off() {
        let mut rng = testing::rng(5);
        let (units, shadows) = (2000, 16);
        let members = balanced_matrix(units, shadows, 1).unwrap();
        let difficulty: Vec<f64> = (0..units).map(|_| 3.0 * testing::normal(&mut rng)).collect();
        let mut phi = |is_in: &dyn Fn(usize) -> bool| -> Vec<f64> {
            (0..units).map(|u| difficulty[u] + f64::from(u8::from(is_in(u))) + 0.5 * testing::normal(&mut rng)).collect()
        };
        let shadow: Vec<Vec<f64>> = (0..shadows).map(|s| phi(&|u| members.is_in(s, u))).collect();
        let target = phi(&|u| u % 2 == 0);
        let auc = |scores: &[f64]| {
            let side = |parity| scores.iter().enumerate().filter(|(u, _)| u % 2 == parity).map(|(_, s)| *s).collect();
            MemberScores::new(side(0), side(1)).unwrap().auc()
        };
        let [global, own] =
            [Variance::Global, Variance::PerExample].map(|v| auc(&log_likelihood_ratios(&target, &shadow, &members, v).unwrap()));
        assert!(auc(&target) < 0.62, "raw {}", auc(&target));
        assert!(global > 0.88 && global < 0.93, "global {global}");
        assert!(own > 0.8 && own < global, "per example {own}, global {global}");
    }

    #[test]
    fn lists_that_do_not_fit_are_refused() {
        let members = balanced_matrix(2, 4, 0).unwrap();
        let shadow = vec![vec![0.0, 0.0]; 4];
        let run = |t: &[f64], s: &[Vec<f64>]| log_likelihood_ratios(t, s, &members, Variance::Global);
        assert!(run(&[0.0, 0.0], &shadow).unwrap().iter().all(|v| *v == 0.0));
        assert!(matches!(run(&[0.0], &shadow), Err(Error::Length { .. })));
        assert!(matches!(run(&[0.0, 0.0], &shadow[..3]), Err(Error::Length { .. })));
        assert!(matches!(run(&[0.0, f64::INFINITY], &shadow), Err(Error::NotANumber { index: 1 })));
    }
}
