//! Lower bounds that take the mechanism for a Gaussian: a stronger assumption, and a larger bound.
//!
//! DP-SGD's releases are compositions of Gaussians, whose trade-off curves are near one Gaussian's for many steps (Dong, Roth and Su 2022). What
//! is contradicted here is "the mechanism is μ-GDP", for every μ below the one found; its ε at δ follows exactly. A mechanism with another curve may
//! have a smaller ε: the bound says so in its [`Method`].

use super::{LowerBound, Method, Multiplicity, check_counts, largest_rejected};
use crate::binomial::{normal_quantile, upper_tail};
use crate::{Error, MemberScores, Threshold, interval};
use reticent_accounting::{Delta, Event, NoiseMultiplier, gaussian};

/// No audit of feasible size shows more.
const MOST_MU: f64 = 50.0;

impl LowerBound {
    /// From independent trials: μ = Φ⁻¹(1 − FPR⁺) − Φ⁻¹(FNR⁺) with Clopper–Pearson ends at α/2 a side (Nasr et al. 2023, section 3).
    ///
    /// ```
    /// use reticent_accounting::Delta;
    /// use reticent_audit::{LowerBound, MemberScores, Threshold};
    /// let scores = MemberScores::new(vec![1.0; 500], vec![0.0; 500])?;
    /// let bound = LowerBound::gaussian(&scores, Delta::new(1e-5)?, 0.05, &Threshold::Fixed(0.5))?;
    /// assert_eq!(format!("{:.2}", bound.epsilon()), "32.00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`LowerBound::clopper_pearson`]; [`Error::Accounting`] for δ = 0, at which no Gaussian has a finite ε.
    pub fn gaussian(scores: &MemberScores, delta: Delta, alpha: f64, threshold: &Threshold) -> Result<Self, Error> {
        Self::best_of_thresholds(scores, alpha, threshold, |scores, threshold, alpha| {
            let (members, non_members) = (scores.members(), scores.non_members());
            let (true_positives, false_positives) = (scores.true_positives(threshold), scores.false_positives(threshold));
            let hit = interval::lower(true_positives, members, alpha / 2.0)?;
            let alarm = interval::upper(false_positives, non_members, alpha / 2.0)?;
            let inside = |p: f64| p > 0.0 && p < 1.0;
            let mu = if inside(hit) && inside(alarm) { (normal_quantile(hit) - normal_quantile(alarm)).clamp(0.0, MOST_MU) } else { 0.0 };
            let method = Method::Gaussian { true_positives, members, false_positives, non_members, mu };
            Self::of_mu(mu, delta, alpha, method)
        })
    }

    /// From one run in which each of `canaries` was in or out by its own fair coin: the end of the μ that so many right guesses contradict.
    ///
    /// ```
    /// use reticent_accounting::Delta;
    /// let bound = reticent_audit::LowerBound::one_run_gaussian_counts(1000, 100, 95, Delta::new(1e-5)?, 0.05)?;
    /// let plain = reticent_audit::LowerBound::one_run_counts(1000, 100, 95, Delta::new(1e-5)?, 0.05)?;
    /// assert_eq!((format!("{:.3}", bound.epsilon()), format!("{:.3}", plain.epsilon())), ("3.323".into(), "2.165".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`LowerBound::one_run_counts`]; [`Error::Accounting`] for δ = 0.
    pub fn one_run_gaussian_counts(canaries: usize, guesses: usize, right: usize, delta: Delta, alpha: f64) -> Result<Self, Error> {
        check_counts(canaries, guesses, right, alpha)?;
        let mu = largest_rejected(MOST_MU, |mu| is_contradicted(mu, canaries, guesses, right, alpha));
        Self::of_mu(mu, delta, alpha, Method::OneRunGaussian { canaries, guesses, right, mu })
    }

    /// From the scores of all canaries of one run, guessed as [`LowerBound::one_run`] guesses.
    ///
    /// # Errors
    /// As [`LowerBound::one_run`]; [`Error::Accounting`] for δ = 0.
    pub fn one_run_gaussian(scores: &MemberScores, delta: Delta, alpha: f64, guesses: &[usize], seed: u64) -> Result<Self, Error> {
        Self::best_of_guesses(scores, alpha, guesses, seed, |canaries, guesses, right, alpha| {
            Self::one_run_gaussian_counts(canaries, guesses, right, delta, alpha)
        })
    }

    fn of_mu(mu: f64, delta: Delta, alpha: f64, method: Method) -> Result<Self, Error> {
        // Also where there is nothing to bound, so that a δ that is refused is refused always.
        let noise = |mu: f64| NoiseMultiplier::new(1.0 / mu).map(|noise| Event::Gaussian { noise_multiplier: noise });
        let epsilon = gaussian::epsilon(&noise(mu.max(1e-6))?, delta)?.get();
        let epsilon = if mu > 0.0 { epsilon } else { 0.0 };
        Ok(Self { epsilon, delta: delta.get(), confidence: 1.0 - alpha, method, plan: Multiplicity::Fixed })
    }
}

/// Whether `right` of `guesses` right guesses about `canaries` in one run contradict μ-GDP at level `alpha` (Mahloujifar, Melis and Chaudhuri
/// 2024, Algorithm 3, two outcomes): were the mechanism μ-GDP, so many would be right with probability at most `alpha`.
fn is_contradicted(mu: f64, canaries: usize, guesses: usize, right: usize, alpha: f64) -> bool {
    let (m, r) = (canaries as f64, guesses as f64);
    let inverse = |rho: f64| if rho > 0.0 { upper_tail(mu - normal_quantile(rho)) } else { 0.0 };
    let (mut wrong, mut rho) = (alpha * (guesses - right) as f64 / m, alpha * right as f64 / m);
    for i in (0..right).rev() {
        if rho >= 1.0 {
            return true;
        }
        let next = wrong.max(inverse(rho));
        rho += i as f64 / (r - i as f64) * (next - wrong);
        wrong = next;
    }
    rho + wrong > r / m
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use rand::RngExt;
    use rand_chacha::ChaCha20Rng;

    fn delta() -> Delta {
        Delta::new(1e-5).unwrap()
    }

    /// Two canaries, both guessed right, against μ = 1: with Q(x) = Φ(Φ⁻¹(x) − 1) the recursion is h = Q(α), then Q(α + h), and what is contradicted
    /// begins where α + h + Q(α + h) = 1; solved outside this program: α = .5202242576.
    #[test]
    fn two_canaries_by_hand() {
        assert!(is_contradicted(1.0, 2, 2, 2, 0.520_224_26));
        assert!(!is_contradicted(1.0, 2, 2, 2, 0.520_224_25));
    }

    /// 450 of 500 and 50 of 500 at .025 a side: Clopper–Pearson ends .8702909143 and its mirror image, μ = 2 Φ⁻¹(.8702909143).
    #[test]
    fn error_rates_by_hand() {
        let side = |high: usize| [vec![1.0; high], vec![0.0; 500 - high]].concat();
        let scores = MemberScores::new(side(450), side(50)).unwrap();
        let bound = LowerBound::gaussian(&scores, delta(), 0.05, &Threshold::Fixed(0.5)).unwrap();
        assert!(matches!(bound.method(), Method::Gaussian { mu, .. } if (mu - 2.255_534_767_7).abs() < 1e-8), "{bound:?}");
    }

    /// Each canary by its own fair coin, its score moved by `mu` where it is in.
    fn shifted(rng: &mut ChaCha20Rng, m: usize, mu: f64) -> MemberScores {
        let (mut members, mut others) = (vec![], vec![]);
        for _ in 0..m {
            let z = testing::normal(rng);
            if rng.random() { members.push(mu + z) } else { others.push(z) }
        }
        MemberScores::new(members, others).unwrap()
    }

    fn true_epsilon(mu: f64) -> f64 {
        gaussian::epsilon(&Event::Gaussian { noise_multiplier: NoiseMultiplier::new(1.0 / mu).unwrap() }, delta()).unwrap().get()
    }

    /// At most 5% of the bounds exceed the true ε of a Gaussian: of 200, more than 24 has probability below 1e-4. The mean of the fit is
    /// above half of it, that of one run above a tenth, and above that of one run that knows nothing of the mechanism.
    #[test]
    fn a_known_gaussian_is_bracketed() {
        for mu in [0.5, 1.0, 2.0] {
            let truth = true_epsilon(mu);
            let mut rng = testing::rng(31);
            let (mut over, mut sum) = ([0; 2], [0.0; 3]);
            for seed in 0..200 {
                let scores = shifted(&mut rng, 1000, mu);
                let guesses = [200];
                let fit = LowerBound::gaussian(&scores, delta(), 0.05, &Threshold::Fixed(mu / 2.0)).unwrap().epsilon();
                let run = LowerBound::one_run_gaussian(&scores, delta(), 0.05, &guesses, seed).unwrap().epsilon();
                let plain = LowerBound::one_run(&scores, delta(), 0.05, &guesses, seed).unwrap().epsilon();
                for (at, bound) in [fit, run].into_iter().enumerate() {
                    over[at] += usize::from(bound > truth);
                }
                for (at, bound) in [fit, run, plain].into_iter().enumerate() {
                    sum[at] += bound / 200.0;
                }
            }
            assert!(over[0] <= 24 && over[1] <= 24, "μ {mu}: {over:?} of 200 above {truth}");
            assert!(sum[0] > 0.5 * truth && sum[1] > 0.1 * truth && sum[1] > sum[2], "μ {mu}, ε {truth}: means {sum:?}");
        }
    }

    /// Slow and direct: of μ-GDP's own worst case, independent guesses right with probability Φ(μ/2), the share of runs contradicted.
    /// Of 2,000, more than 140 has probability below 1e-5 if the level of 5% is kept.
    #[test]
    fn the_level_is_kept_where_every_canary_leaks_by_itself() {
        let mut rng = testing::rng(32);
        for mu in [0.0, 0.7] {
            let p = upper_tail(-mu / 2.0);
            let wrong = (0..2000)
                .filter(|_| {
                    let right = (0..60).filter(|_| rng.random::<f64>() < p).count();
                    is_contradicted(mu, 60, 60, right, 0.05)
                })
                .count();
            assert!(wrong <= 140, "μ {mu}: {wrong} of 2000");
        }
    }

    #[test]
    fn what_no_gaussian_has_is_refused() {
        let zero = Delta::new(0.0).unwrap();
        assert!(matches!(LowerBound::one_run_gaussian_counts(100, 100, 90, zero, 0.05), Err(Error::Accounting(_))));
        assert!(matches!(LowerBound::one_run_gaussian_counts(100, 101, 90, delta(), 0.05), Err(Error::OutOfRange { .. })));
        let nothing = LowerBound::one_run_gaussian_counts(100, 100, 50, delta(), 0.05).unwrap();
        assert_eq!(nothing.epsilon(), 0.0);
        assert!(matches!(nothing.method(), Method::OneRunGaussian { mu: 0.0, .. }));
    }
}
