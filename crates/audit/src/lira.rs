//! The likelihood-ratio attack (LiRA, Carlini et al. 2022): how much likelier is what the model says, had it seen this unit?
//!
//! The two distributions of a unit are known by moments, and what differs between the members of this family is where the variance comes from, and
//! whether the attacker could train models with the unit in (online) or only without it (offline). RMIA and BASE, whose two distributions are one and
//! its tilt, are in [`reference`](crate::reference); the ratio is taken by the same kernel (`likelihood.rs`).

use crate::Error;
use crate::likelihood::{Known, Pair, SMALLEST, log_ratios};
use crate::shadow::Membership;
use serde::{Deserialize, Serialize};

/// Where the standard deviations of the two distributions come from. The mean is each unit's own, but for what [`Self::StudentT`] adds to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variance {
    /// Each unit's own: for many shadow models (64 or more).
    PerExample,
    /// One for "in" and one for "out", pooled over all units around each unit's mean: the better one for few shadow models.
    Global,
    /// One for "in" and one for "out" over all values around their common mean, as the authors' code does it ("fixed variance"): the
    /// spread between units is in it.
    GlobalUncentred,
    /// A normal-inverse-gamma prior, fitted to all units by moments, for each unit's mean and variance; the predictive distribution is
    /// Student's t (after BaVarIA-t, arXiv 2603.11799, whose prior is not fitted in this way). For few shadow models, where units differ in
    /// spread about as an inverse gamma distribution does; two kinds of units far apart are told apart better by [`Self::PerExample`].
    StudentT,
}

/// Which shadow models the attacker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Knowledge {
    /// Models with the unit in and models with it out: a ratio of two likelihoods.
    Online,
    /// Models with the unit out alone: how far above those does the target stand, in standard deviations (for Student's t, at the normal
    /// quantile of its distribution function)?
    Offline,
}

impl Variance {
    /// The default for a number of shadow models.
    #[must_use]
    pub fn for_shadows(shadows: usize) -> Self {
        if shadows < 64 { Self::StudentT } else { Self::PerExample }
    }

    /// The variant in words, as a report names it.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::PerExample => "online, mean and variance per unit",
            Self::Global => "online, mean per unit, one pooled variance for in and one for out, centred by unit",
            Self::GlobalUncentred => "online, mean per unit, one variance of all values for in and one for out, not centred by unit",
            Self::StudentT => "online, Student's t by a normal-inverse-gamma prior fitted to all units",
        }
    }
}

/// The log-likelihood ratio of each unit: ln p(φ | in) − ln p(φ | out), higher meaning "more likely a member"; offline, how far φ stands
/// above "out".
///
/// `target[unit]` is φ under the model attacked, `shadow[model][unit]` under each shadow model, `members` who was in which. Needs no model.
/// Where each unit is asked about several times (augmented queries), call this once for each query and average.
///
/// ```
/// use reticent_audit::lira::{Knowledge, Variance, log_likelihood_ratios};
/// use reticent_audit::shadow::balanced_matrix;
/// let members = balanced_matrix(2, 4, 7)?;
/// // Whoever is in scores 3, whoever is out 0, give or take 1.
/// let phi = |s: usize, u: usize| 3.0 * f64::from(u8::from(members.is_in(s, u))) + if s % 2 == 0 { 1.0 } else { -1.0 };
/// let shadow: Vec<Vec<f64>> = (0..4).map(|s| (0..2).map(|u| phi(s, u)).collect()).collect();
/// let scores = log_likelihood_ratios(&[3.0, 0.0], &shadow, &members, Variance::Global, Knowledge::Online)?;
/// assert!(scores[0] > 0.0 && scores[1] < 0.0);
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::Length`] where the lists do not fit `members`; [`Error::NotANumber`]; [`Error::FewReferences`] where a unit has fewer than two
/// models with or without it.
pub fn log_likelihood_ratios(
    target: &[f64],
    shadow: &[Vec<f64>],
    members: &Membership,
    variance: Variance,
    knowledge: Knowledge,
) -> Result<Vec<f64>, Error> {
    members.fits(target, shadow, knowledge, 2)?;
    let outs = side(shadow, members, false, variance);
    Ok(match knowledge {
        Knowledge::Online => {
            let ins = side(shadow, members, true, variance);
            let pairs = ins.into_iter().zip(outs).map(|(ins, outs)| Pair::Densities { ins, outs });
            log_ratios(target, pairs)
        }
        Knowledge::Offline => target.iter().zip(&outs).map(|(&phi, outs)| outs.deviations(phi)).collect(),
    })
}

/// What is known of φ of every unit when it is in, or when it is out. Each unit has at least two values.
fn side(shadow: &[Vec<f64>], members: &Membership, side: bool, variance: Variance) -> Vec<Known> {
    let moments: Vec<Moments> = (0..members.units()).map(|unit| Moments::of(members.values(shadow, unit, side))).collect();
    let total = |of: &dyn Fn(&Moments) -> f64| moments.iter().map(of).sum::<f64>();
    // Of all values: the variance around each unit's mean, and the mean of means.
    let pooled = total(&|m| m.squares) / total(&|m| m.n - 1.0);
    let centre = total(&|m| m.mean) / moments.len() as f64;
    let known: Box<dyn Fn(&Moments) -> Known> = match variance {
        Variance::PerExample => Box::new(|m| Known::gaussian(m.mean, m.squares / (m.n - 1.0))),
        Variance::Global => Box::new(move |m| Known::gaussian(m.mean, pooled)),
        Variance::GlobalUncentred => {
            let all = total(&|m| m.squares + m.n * (m.mean - centre).powi(2)) / total(&|m| m.n);
            Box::new(move |m| Known::gaussian(m.mean, all))
        }
        Variance::StudentT => {
            let prior = Prior::fitted(&moments, pooled, centre);
            Box::new(move |m| prior.predictive(m))
        }
    };
    moments.iter().map(known).collect()
}

struct Moments {
    n: f64,
    mean: f64,
    /// Sum of squares around the mean.
    squares: f64,
}

impl Moments {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let (sum, n) = values.clone().fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
        let mean = sum / n;
        Self { n, mean, squares: values.map(|v| (v - mean).powi(2)).sum() }
    }
}

/// Normal-inverse-gamma: σ² ~ IG(a, b), and the unit's mean is around `centre` with variance σ²/κ.
struct Prior {
    a: f64,
    b: f64,
    kappa: f64,
    centre: f64,
}

impl Prior {
    /// By moments of all units.
    fn fitted(moments: &[Moments], pooled: f64, centre: f64) -> Self {
        let units = moments.len() as f64;
        let pooled = pooled.max(SMALLEST);
        // E s² = E σ² = b/(a − 1); E s⁴ = (1 + 2/ν) E σ⁴ with ν = n − 1; E σ⁴ / (E σ²)² = (a − 1)/(a − 2).
        let fourth = |m: &Moments| (m.squares / (m.n - 1.0) / pooled).powi(2) / (1.0 + 2.0 / (m.n - 1.0));
        let ratio = moments.iter().map(fourth).sum::<f64>() / units;
        // A ratio near 1 says that all units have one variance (a without bound); one very large says nothing of it (a near 2).
        let a = if ratio > 1.0 + 1e-3 { (2.0 * ratio - 1.0) / (ratio - 1.0) } else { 1e3 };
        let spread = moments.iter().map(|m| (m.mean - centre).powi(2)).sum::<f64>() / (units - 1.0).max(1.0);
        let between = spread - moments.iter().map(|m| pooled / m.n).sum::<f64>() / units;
        let kappa = if between > 0.0 { pooled / between } else { 1e3 };
        Self { a, b: pooled * (a - 1.0), kappa, centre }
    }

    /// What the next value of a unit with these values is: Student's t.
    fn predictive(&self, m: &Moments) -> Known {
        let (a, kappa) = (self.a + m.n / 2.0, self.kappa + m.n);
        let b = self.b + 0.5 * m.squares + 0.5 * self.kappa * m.n / kappa * (m.mean - self.centre).powi(2);
        let location = (self.kappa * self.centre + m.n * m.mean) / kappa;
        Known { location, squared: (b * (kappa + 1.0) / (a * kappa)).max(SMALLEST), freedom: Some(2.0 * a) }
    }
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
            let found = log_likelihood_ratios(&[2.0], &shadow, &members, variance, Knowledge::Online).unwrap()[0];
            assert!((found - 1.0).abs() < 1e-12, "{variance:?}: {found}");
            let offline = log_likelihood_ratios(&[2.0], &shadow, &members, variance, Knowledge::Offline).unwrap()[0];
            assert!((offline - 2.0_f64.sqrt()).abs() < 1e-12, "{variance:?}: {offline}");
        }
    }

    /// A second unit, ten higher throughout. Not centred by unit, in: {3, 1, 13, 11} has variance 104/4 around 7, and out as much around 5; the ratio is
    /// 2²/(2·26) for both. Centred it stays 1.
    #[test]
    fn what_is_not_centred_by_unit_has_the_spread_between_units_in_it() {
        let members = balanced_matrix(2, 4, 0).unwrap();
        let mut left = [[vec![3.0, 1.0], vec![1.0, -1.0]], [vec![13.0, 11.0], vec![11.0, 9.0]]];
        let mut value = |s: usize, u: usize| left[u][usize::from(!members.is_in(s, u))].pop().unwrap();
        let shadow: Vec<Vec<f64>> = (0..4).map(|s| (0..2).map(|u| value(s, u)).collect()).collect();
        for (variance, expected) in [(Variance::GlobalUncentred, 4.0 / 52.0), (Variance::Global, 1.0)] {
            let found = log_likelihood_ratios(&[2.0, 12.0], &shadow, &members, variance, Knowledge::Online).unwrap();
            assert!(found.iter().all(|f| (f - expected).abs() < 1e-12), "{variance:?}: {found:?}");
        }
    }

    /// Student's t is the mixture of Gaussians that its prior says: the posterior predictive by a sum over variances and means.
    #[test]
    fn student_t_is_the_predictive_of_its_prior() {
        let (a, b, kappa, centre) = (3.0, 2.0, 0.5, 1.0);
        let (values, phi) = ([0.3, 1.4, -0.2, 0.9], 2.0);
        let (mut joint, mut evidence) = (0.0, 0.0);
        // On a grid fine enough for 1e-3: precision t from its gamma prior, the mean from its normal one.
        for i in 1..1200 {
            let t = f64::from(i) * 0.005;
            let (sd, prior_t) = ((1.0 / t).sqrt(), t.powf(a - 1.0) * (-b * t).exp());
            for j in 0..400 {
                let m = -4.0 + f64::from(j) * 0.025;
                let normal = |x: f64, m: f64, sd: f64| (-0.5 * ((x - m) / sd).powi(2)).exp() / sd;
                let weight = prior_t * normal(m, centre, sd / f64::sqrt(kappa)) * values.iter().map(|&v| normal(v, m, sd)).product::<f64>();
                evidence += weight;
                joint += weight * normal(phi, m, sd) / (2.0 * std::f64::consts::PI).sqrt();
            }
        }
        let known = Prior { a, b, kappa, centre }.predictive(&Moments::of(values.into_iter()));
        let found = known.log_density(phi) - 0.5 * (2.0 * std::f64::consts::PI).ln();
        assert!((found - (joint / evidence).ln()).abs() < 2e-3, "{found} {}", (joint / evidence).ln());
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
        let by = |v, k| auc(&log_likelihood_ratios(&target, &shadow, &members, v, k).unwrap());
        let [global, own, uncentred, t] =
            [Variance::Global, Variance::PerExample, Variance::GlobalUncentred, Variance::StudentT].map(|v| by(v, Knowledge::Online));
        assert!(auc(&target) < 0.62, "raw {}", auc(&target));
        assert!(global > 0.88 && global < 0.93, "global {global}");
        assert!(own > 0.8 && own < global, "per example {own}, global {global}");
        // With one variance for both sides the ratio is linear in φ − (μ_in + μ_out)/2, whatever the variance is.
        assert!((uncentred - global).abs() < 0.01, "uncentred {uncentred}, global {global}");
        assert!(t > own && (t - global).abs() < 0.02, "Student's t {t}, global {global}");
        // Offline half of the models say nothing: the noise of the mean is 1/8 of the variance instead of 1/16, so that Φ(1.372) = .915 becomes
        // Φ(1.333) = .909, give or take .006 each.
        for v in [Variance::Global, Variance::PerExample, Variance::StudentT] {
            let offline = by(v, Knowledge::Offline);
            let most = if v == Variance::Global { 0.93 } else { 0.92 };
            assert!(offline > 0.78 && offline < most, "{v:?} offline {offline}");
        }
    }

    /// Units whose variances are drawn from an inverse gamma distribution, as the prior says: fitted to the units it does better with few
    /// shadow models than one pooled variance, which mixes steady units with others, and than each unit's own, which is too rough.
    #[test]
    fn student_t_does_best_where_its_prior_holds() {
        let mut rng = testing::rng(6);
        let (units, shadows) = (20_000, 8);
        let members = balanced_matrix(units, shadows, 1).unwrap();
        // A quarter of a chi-squared with six degrees of freedom has mean 1.5: variances are IG(3, 1/2).
        let mut precision = || (0..6).map(|_| testing::normal(&mut rng).powi(2)).sum::<f64>();
        let spread: Vec<f64> = (0..units).map(|_| 1.0 / precision().sqrt()).collect();
        let mut phi = |is_in: &dyn Fn(usize) -> bool| -> Vec<f64> {
            (0..units).map(|u| f64::from(u8::from(is_in(u))) + spread[u] * testing::normal(&mut rng)).collect()
        };
        let shadow: Vec<Vec<f64>> = (0..shadows).map(|s| phi(&|u| members.is_in(s, u))).collect();
        let target = phi(&|u| u % 2 == 0);
        let tpr = |v| {
            let scores = log_likelihood_ratios(&target, &shadow, &members, v, Knowledge::Online).unwrap();
            let side = |parity| scores.iter().enumerate().filter(|(u, _)| u % 2 == parity).map(|(_, s)| *s).collect();
            let sides = MemberScores::new(side(0), side(1)).unwrap();
            let threshold = sides.threshold_at(0.01);
            sides.true_positives(threshold) as f64 / (units / 2) as f64
        };
        let [t, own, global] = [Variance::StudentT, Variance::PerExample, Variance::Global].map(tpr);
        assert!(t > own && t > global, "t {t}, own {own}, global {global}");
    }

    #[test]
    fn lists_that_do_not_fit_are_refused() {
        let members = balanced_matrix(2, 4, 0).unwrap();
        let shadow = vec![vec![0.0, 0.0]; 4];
        let run = |t: &[f64], s: &[Vec<f64>]| log_likelihood_ratios(t, s, &members, Variance::Global, Knowledge::Online);
        assert!(run(&[0.0, 0.0], &shadow).unwrap().iter().all(|v| *v == 0.0));
        assert!(matches!(run(&[0.0], &shadow), Err(Error::Length { .. })));
        assert!(matches!(run(&[0.0, 0.0], &shadow[..3]), Err(Error::Length { .. })));
        assert!(matches!(run(&[0.0, f64::INFINITY], &shadow), Err(Error::NotANumber { index: 1 })));
    }
}
