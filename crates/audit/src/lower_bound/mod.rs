//! Measured lower bounds on ε. A [`LowerBound`] is made only here, by constructors that fix how many looks at the scores it allows for.

mod gaussian;

use crate::binomial::{at_least, masses};
use crate::{Error, MemberScores, interval};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use reticent_accounting::{Bound, Delta, Epsilon};
use serde::Serialize;

/// ε is at least this, with the stated confidence. Not an estimate: too large with probability at most 1 − confidence.
///
/// Cannot be built or changed outside this module. Neighbours: the relation under which a member differs from a non-member, add or
/// remove one unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LowerBound {
    epsilon: f64,
    delta: f64,
    confidence: f64,
    method: Method,
    plan: Multiplicity,
}

/// What the bound rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "method", rename_all = "kebab-case")]
pub enum Method {
    /// Clopper–Pearson bounds of both error rates. Assumes independent trials: each score from a run of its own.
    ClopperPearson {
        /// Members called members.
        true_positives: usize,
        /// Members.
        members: usize,
        /// Non-members called members.
        false_positives: usize,
        /// Non-members.
        non_members: usize,
    },
    /// Steinke, Nasr and Jagielski (2023), Theorem 5.2. Assumes one run, and each canary in or out by its own fair coin.
    OneRun {
        /// Canaries, whether guessed or not.
        canaries: usize,
        /// Guesses made.
        guesses: usize,
        /// Guesses that were right.
        right: usize,
    },
    /// Mahloujifar, Melis and Chaudhuri (2024), Algorithm 3, against Gaussian trade-off curves. Assumes one run, each canary in or out by its own
    /// fair coin, and a mechanism whose trade-off curve is a Gaussian's.
    OneRunGaussian {
        /// Canaries, whether guessed or not.
        canaries: usize,
        /// Guesses made.
        guesses: usize,
        /// Guesses that were right.
        right: usize,
        /// Every μ below this is contradicted.
        mu: f64,
    },
    /// Clopper–Pearson bounds of both error rates, read as those of two Gaussians at distance μ (Nasr et al. 2023). Assumes independent trials
    /// and a mechanism whose trade-off curve is a Gaussian's.
    Gaussian {
        /// Members called members.
        true_positives: usize,
        /// Members.
        members: usize,
        /// Non-members called members.
        false_positives: usize,
        /// Non-members.
        non_members: usize,
        /// Every μ below this is contradicted.
        mu: f64,
    },
}

/// How the bound allows for having looked more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "plan", rename_all = "kebab-case")]
pub enum Multiplicity {
    /// One threshold or number of guesses, fixed before the scores were seen.
    Fixed,
    /// The threshold was chosen on one half of the units, the bound is from the other.
    Split {
        /// Units used up by the choice.
        chosen_on: usize,
    },
    /// The best of several, each at its share of the level.
    Bonferroni {
        /// Number of them.
        tests: usize,
    },
}

/// A number for display: nothing is proved about it, and it never prints as "≥".
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// ε at which the rates measured would lie on the boundary.
    pub epsilon: f64,
}

/// How to choose the threshold of [`LowerBound::clopper_pearson`].
#[derive(Debug, Clone, PartialEq)]
pub enum Threshold {
    /// Given in advance.
    Fixed(f64),
    /// Chosen on a random half of the units, which the seed decides.
    Split {
        /// Seed of the halves.
        seed: u64,
    },
    /// The best of these, given in advance.
    BestOf(Vec<f64>),
}

impl LowerBound {
    /// From independent trials: ln((TPR⁻ − δ) / FPR⁺) and its mirror image ln((TNR⁻ − δ) / FNR⁺) with Clopper–Pearson ends at α/2 a side.
    ///
    /// ```
    /// use reticent_accounting::Delta;
    /// use reticent_audit::{LowerBound, MemberScores, Threshold};
    /// let scores = MemberScores::new(vec![1.0; 500], vec![0.0; 500])?;
    /// let bound = LowerBound::clopper_pearson(&scores, Delta::new(0.0)?, 0.01, &Threshold::Fixed(0.5))?;
    /// assert_eq!(format!("{:.2}", bound.epsilon()), "4.54");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for `alpha` outside (0, 1) or no threshold; [`Error::OneSided`] where a half is left without a side.
    pub fn clopper_pearson(scores: &MemberScores, delta: Delta, alpha: f64, threshold: &Threshold) -> Result<Self, Error> {
        Self::best_of_thresholds(scores, alpha, threshold, |scores, threshold, alpha| Self::at_threshold(scores, delta, alpha, threshold))
    }

    /// The bound at a threshold that is fixed, the best of several, or chosen on one half; `at` gets scores, threshold and level.
    fn best_of_thresholds(
        scores: &MemberScores,
        alpha: f64,
        threshold: &Threshold,
        at: impl Fn(&MemberScores, f64, f64) -> Result<Self, Error>,
    ) -> Result<Self, Error> {
        check_alpha(alpha)?;
        let (mut bound, plan) = match threshold {
            Threshold::Fixed(threshold) => (at(scores, *threshold, alpha)?, Multiplicity::Fixed),
            Threshold::BestOf(thresholds) => {
                let tests = thresholds.len();
                let all: Result<Vec<Self>, Error> = thresholds.iter().map(|&t| at(scores, t, alpha / tests as f64)).collect();
                let best = all?.into_iter().max_by(|a, b| a.epsilon.total_cmp(&b.epsilon));
                let best = best.ok_or(Error::OutOfRange { quantity: "thresholds", value: 0.0, range: "at least 1" })?;
                (best, Multiplicity::Bonferroni { tests })
            }
            Threshold::Split { seed } => {
                let (choose, rest) = halves(scores, *seed)?;
                let mut candidates: Vec<f64> = choose.members.iter().chain(&choose.non_members).copied().collect();
                candidates.sort_by(f64::total_cmp);
                candidates.dedup();
                // Forty of them, spread over the ranks: the choice costs nothing but time.
                let every = candidates.len().div_ceil(40);
                candidates = candidates.into_iter().step_by(every).collect();
                let mut best = (-1.0, candidates[0]);
                for t in candidates {
                    let found = at(&choose, t, alpha)?.epsilon;
                    if found > best.0 {
                        best = (found, t);
                    }
                }
                (at(&rest, best.1, alpha)?, Multiplicity::Split { chosen_on: choose.members() + choose.non_members() })
            }
        };
        bound.confidence = 1.0 - alpha;
        bound.plan = plan;
        Ok(bound)
    }

    fn at_threshold(scores: &MemberScores, delta: Delta, alpha: f64, threshold: f64) -> Result<Self, Error> {
        let (members, non_members) = (scores.members(), scores.non_members());
        let (true_positives, false_positives) = (scores.true_positives(threshold), scores.false_positives(threshold));
        // The same two intervals serve both forms: the mirror image costs no further share of alpha.
        let hit = interval::lower(true_positives, members, alpha / 2.0)?;
        let alarm = interval::upper(false_positives, non_members, alpha / 2.0)?;
        let form = |over: f64, under: f64| if over > delta.get() { ((over - delta.get()) / under).ln() } else { 0.0 };
        let epsilon = form(hit, alarm).max(form(1.0 - alarm, 1.0 - hit)).max(0.0);
        let method = Method::ClopperPearson { true_positives, members, false_positives, non_members };
        Ok(Self { epsilon, delta: delta.get(), confidence: 1.0 - alpha, method, plan: Multiplicity::Fixed })
    }

    /// From one run in which each of `canaries` was in or out by its own fair coin: `right` of `guesses` guesses were right, and both
    /// numbers' rule was fixed in advance. By bisection over ε of [`one_run_p_value`].
    ///
    /// ```
    /// use reticent_accounting::Delta;
    /// let bound = reticent_audit::LowerBound::one_run_counts(1000, 100, 95, Delta::new(1e-5)?, 0.05)?;
    /// assert!((bound.epsilon() - 2.1652).abs() < 1e-4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for no guesses, more guesses than canaries, more right ones than guesses, or `alpha` outside (0, 1).
    pub fn one_run_counts(canaries: usize, guesses: usize, right: usize, delta: Delta, alpha: f64) -> Result<Self, Error> {
        check_counts(canaries, guesses, right, alpha)?;
        let low = largest_rejected(50.0, |epsilon| one_run_p_value(canaries, guesses, right, epsilon, delta.get()) <= alpha);
        let method = Method::OneRun { canaries, guesses, right };
        Ok(Self { epsilon: low, delta: delta.get(), confidence: 1.0 - alpha, method, plan: Multiplicity::Fixed })
    }

    /// From the scores of all canaries of one run: guesses "in" for the highest and "out" for the lowest, half of `guesses` each, ties
    /// broken by the seed. Each number of guesses gets its share of `alpha`.
    ///
    /// # Errors
    /// [`Error::NotFairCoins`] where so many or few members have probability below 1e-4 under fair coins;
    /// as [`LowerBound::one_run_counts`] for each number of guesses.
    pub fn one_run(scores: &MemberScores, delta: Delta, alpha: f64, guesses: &[usize], seed: u64) -> Result<Self, Error> {
        Self::best_of_guesses(scores, alpha, guesses, seed, |canaries, guesses, right, alpha| {
            Self::one_run_counts(canaries, guesses, right, delta, alpha)
        })
    }

    /// The best bound over several numbers of guesses, each at its share of `alpha`; `of_counts` gets canaries, guesses, right ones and that share.
    fn best_of_guesses(
        scores: &MemberScores,
        alpha: f64,
        guesses: &[usize],
        seed: u64,
        of_counts: impl Fn(usize, usize, usize, f64) -> Result<Self, Error>,
    ) -> Result<Self, Error> {
        check_alpha(alpha)?;
        let (members, canaries) = (scores.members(), scores.members() + scores.non_members());
        if at_least(canaries, 0.5, members.max(canaries - members)) < 0.5e-4 {
            return Err(Error::NotFairCoins { members, units: canaries });
        }
        // A random second key: the order in which scores came must not break a tie.
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut all: Vec<(f64, u64, bool)> = vec![];
        for (side, member) in [(&scores.members, true), (&scores.non_members, false)] {
            all.extend(side.iter().map(|&s| (s, rng.random(), member)));
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let tests = guesses.len();
        let mut best: Option<Self> = None;
        for &guesses in guesses {
            if guesses > canaries {
                return Err(Error::OutOfRange { quantity: "guesses", value: guesses as f64, range: "from 1 to the number of canaries" });
            }
            let out = guesses / 2;
            let right = all[..out].iter().filter(|c| !c.2).count() + all[canaries - (guesses - out)..].iter().filter(|c| c.2).count();
            let bound = of_counts(canaries, guesses, right, alpha / tests as f64)?;
            if best.as_ref().is_none_or(|b| bound.epsilon > b.epsilon) {
                best = Some(bound);
            }
        }
        let mut best = best.ok_or(Error::OutOfRange { quantity: "numbers of guesses", value: 0.0, range: "at least 1" })?;
        best.confidence = 1.0 - alpha;
        best.plan = if tests == 1 { Multiplicity::Fixed } else { Multiplicity::Bonferroni { tests } };
        Ok(best)
    }

    /// ε is at least this.
    #[must_use]
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// The δ at which it is.
    #[must_use]
    pub fn delta(&self) -> f64 {
        self.delta
    }

    /// Probability that the bound is no larger than ε, over the audit's own coins.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        self.confidence
    }

    /// What it rests on.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// How many looks it allows for.
    #[must_use]
    pub fn plan(&self) -> Multiplicity {
        self.plan
    }

    /// As the accountant's kind of number.
    #[must_use]
    pub fn bound(&self) -> Bound {
        Bound::Lower(Epsilon::new(self.epsilon).expect("at least 0 and finite by construction"))
    }
}

impl Estimate {
    /// The largest ln((TPR − δ)/FPR) or mirror image over all thresholds with at least one error on the side below, uncorrected: it is
    /// above 0 for coin flips too.
    #[must_use]
    pub fn of(scores: &MemberScores, delta: Delta) -> Self {
        let (n1, n0) = (scores.members() as f64, scores.non_members() as f64);
        let mut epsilon = 0.0_f64;
        for &t in scores.members.iter().chain(&scores.non_members) {
            let (tpr, fpr) = (scores.true_positives(t) as f64 / n1, scores.false_positives(t) as f64 / n0);
            for (over, under) in [(tpr, fpr), (1.0 - fpr, 1.0 - tpr)] {
                if under > 0.0 && over > delta.get() {
                    epsilon = epsilon.max(((over - delta.get()) / under).ln());
                }
            }
        }
        Self { epsilon }
    }
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "about {:.3} (an estimate, no bound)", self.epsilon)
    }
}

/// The p-value of "(ε, δ) holds" after `right` of `guesses` right guesses about `canaries` in one run (Steinke, Nasr and Jagielski 2023,
/// Theorem 5.2): with q = e^ε/(1+e^ε) and B ~ Bin(guesses, q), P[B ≥ right] + 2 canaries δ max_i P[right > B ≥ right − i]/i, at most 1.
#[must_use]
pub fn one_run_p_value(canaries: usize, guesses: usize, right: usize, epsilon: f64, delta: f64) -> f64 {
    let q = 1.0 / (1.0 + (-epsilon).exp());
    let beta = at_least(guesses, q, right);
    if delta <= 0.0 || q >= 1.0 {
        return beta.min(1.0);
    }
    let masses = masses(guesses, q);
    let (mut below, mut worst) = (0.0, 0.0_f64);
    for i in 1..=right {
        below += masses[right - i];
        worst = worst.max(below / i as f64);
    }
    (beta + 2.0 * canaries as f64 * delta * worst).min(1.0)
}

/// The end of the values from 0 on that a test rejects, 0 where it rejects none: by bisection, from below.
fn largest_rejected(most: f64, rejected: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, most);
    if rejected(low) {
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if rejected(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
    }
    low
}

fn check_counts(canaries: usize, guesses: usize, right: usize, alpha: f64) -> Result<(), Error> {
    check_alpha(alpha)?;
    if guesses == 0 || guesses > canaries {
        return Err(Error::OutOfRange { quantity: "guesses", value: guesses as f64, range: "from 1 to the number of canaries" });
    }
    if right > guesses {
        return Err(Error::OutOfRange { quantity: "right guesses", value: right as f64, range: "at most the number of guesses" });
    }
    Ok(())
}

fn check_alpha(alpha: f64) -> Result<(), Error> {
    if alpha > 0.0 && alpha < 1.0 {
        Ok(())
    } else {
        Err(Error::OutOfRange { quantity: "alpha", value: alpha, range: "above 0 and below 1" })
    }
}

/// Each side in two random halves.
fn halves(scores: &MemberScores, seed: u64) -> Result<(MemberScores, MemberScores), Error> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut part = |side: &[f64]| {
        let mut side = side.to_vec();
        for i in (1..side.len()).rev() {
            side.swap(i, rng.random_range(0..=i));
        }
        let rest = side.split_off(side.len() / 2);
        (side, rest)
    };
    let (m, n) = (part(&scores.members), part(&scores.non_members));
    Ok((MemberScores::new(m.0, n.0)?, MemberScores::new(m.1, n.1)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn delta(value: f64) -> Delta {
        Delta::new(value).unwrap()
    }

    /// Golden values 4 of the reference page on audits.
    #[test]
    fn one_run_golden() {
        for (m, r, v, d, epsilon) in [
            (1000, 100, 95, 0.0, 2.1724),
            (1000, 100, 95, 1e-5, 2.1652),
            (1000, 200, 180, 1e-5, 1.7963),
            (5000, 500, 480, 1e-5, 2.783),
            (1000, 1000, 600, 1e-5, 0.2972),
            (1000, 1000, 900, 1e-5, 2.0206),
        ] {
            let found = LowerBound::one_run_counts(m, r, v, delta(d), 0.05).unwrap().epsilon();
            assert!((found - epsilon).abs() < 1e-4 + if epsilon == 2.783 { 4e-4 } else { 0.0 }, "{m} {r} {v} {d}: {found} {epsilon}");
        }
    }

    /// Golden values 1 and the Clopper–Pearson end of 6 of the reference page on audits.
    #[test]
    fn clopper_pearson_golden() {
        let perfect = MemberScores::new(vec![1.0; 500], vec![0.0; 500]).unwrap();
        let bound = LowerBound::clopper_pearson(&perfect, delta(0.0), 0.01, &Threshold::Fixed(0.5)).unwrap();
        assert!((bound.epsilon() - 4.54).abs() < 0.005, "{bound:?}");
        assert_eq!(bound.bound(), Bound::Lower(Epsilon::new(bound.epsilon()).unwrap()));
        // TP 487, FN 0, FP 512, TN 1: nothing can be said.
        let mut non_members = vec![1.0; 512];
        non_members.push(0.0);
        let blunt = MemberScores::new(vec![1.0; 487], non_members).unwrap();
        assert_eq!(LowerBound::clopper_pearson(&blunt, delta(1e-5), 0.1, &Threshold::Fixed(0.5)).unwrap().epsilon(), 0.0);
    }

    /// From the definition: both forms with δ taken off, from the ends of two-sided intervals; the best of three thresholds has a third of the level
    /// for each.
    #[test]
    fn clopper_pearson_by_definition() {
        let scores = flipped(&mut testing::rng(47), 300, 0.9);
        let at = |t: f64, alpha: f64, d: f64| {
            let end = |side: &[f64]| interval::clopper_pearson(side.iter().filter(|&&s| s >= t).count(), side.len(), alpha).unwrap();
            let (hit, alarm) = (end(&scores.members).lower, end(&scores.non_members).upper);
            f64::max(((hit - d) / alarm).ln(), ((1.0 - alarm - d) / (1.0 - hit)).ln()).max(0.0)
        };
        for (d, alpha) in [(0.0, 0.05), (0.1, 0.05), (0.2, 0.3)] {
            let bound = |threshold| LowerBound::clopper_pearson(&scores, delta(d), alpha, &threshold).unwrap().epsilon();
            assert!((bound(Threshold::Fixed(0.75)) - at(0.75, alpha, d)).abs() < 1e-12, "{d} {alpha}");
            let thresholds = [0.2, 0.75, 1.2];
            let best = thresholds.iter().map(|&t| at(t, alpha / 3.0, d)).fold(0.0, f64::max);
            assert!(best > 0.5 && (bound(Threshold::BestOf(thresholds.to_vec())) - best).abs() < 1e-12, "{d} {alpha}");
        }
    }

    /// Slow and exact: the p-value with binomial masses from products, the maximum over all i by fresh sums.
    #[test]
    fn p_values_equal_exact_sums() {
        for (m, r, v, epsilon, d) in [(40, 20, 15, 0.3, 1e-3), (10, 10, 10, 1.0, 1e-2), (60, 50, 12, 0.0, 1e-4), (30, 7, 0, 0.5, 1e-3)] {
            let q = epsilon_to_q(epsilon);
            let mass = |k: usize| (0..k).fold(1.0, |p, i| p * (r - i) as f64 / (i + 1) as f64 * q) * (1.0 - q).powi((r - k) as i32);
            let beta: f64 = (v..=r).map(mass).sum();
            let worst = (1..=v).map(|i| (v - i..v).map(mass).sum::<f64>() / i as f64).fold(0.0, f64::max);
            let exact = (beta + 2.0 * m as f64 * d * worst).min(1.0);
            let found = one_run_p_value(m, r, v, epsilon, d);
            assert!((found - exact).abs() < 1e-10, "{m} {r} {v}: {found} {exact}");
        }
    }

    fn epsilon_to_q(epsilon: f64) -> f64 {
        epsilon.exp() / (1.0 + epsilon.exp())
    }

    /// Fair coins and scores that know nothing of them.
    fn null(rng: &mut ChaCha20Rng, m: usize) -> MemberScores {
        flipped(rng, m, 0.5)
    }

    /// Randomised response: each canary's score tells the truth with probability `truth`.
    fn flipped(rng: &mut ChaCha20Rng, m: usize, truth: f64) -> MemberScores {
        let (mut members, mut others) = (vec![], vec![]);
        for _ in 0..m {
            let member: bool = rng.random();
            let right = rng.random::<f64>() < truth;
            let score = f64::from(u8::from(member == right)) + 0.5 * rng.random::<f64>();
            if member { members.push(score) } else { others.push(score) }
        }
        MemberScores::new(members, others).unwrap()
    }

    type Maker = fn(&MemberScores, u64) -> Result<LowerBound, Error>;
    const MAKERS: [(&str, Maker); 7] = [
        ("one run, fixed", |s, seed| LowerBound::one_run(s, Delta::new(0.0).unwrap(), 0.05, &[100], seed)),
        ("one run, best of 4", |s, seed| LowerBound::one_run(s, Delta::new(0.0).unwrap(), 0.05, &[10, 40, 100, 200], seed)),
        ("Clopper–Pearson, fixed", |s, _| LowerBound::clopper_pearson(s, Delta::new(0.0).unwrap(), 0.05, &Threshold::Fixed(0.75))),
        ("Clopper–Pearson, split", |s, seed| LowerBound::clopper_pearson(s, Delta::new(0.0).unwrap(), 0.05, &Threshold::Split { seed })),
        ("Clopper–Pearson, best of 5", |s, _| {
            let thresholds = vec![0.1, 0.3, 0.75, 1.1, 1.4];
            LowerBound::clopper_pearson(s, Delta::new(0.0).unwrap(), 0.05, &Threshold::BestOf(thresholds))
        }),
        ("one run against Gaussians", |s, seed| LowerBound::one_run_gaussian(s, Delta::new(1e-5).unwrap(), 0.05, &[100], seed)),
        ("fit of a Gaussian, split", |s, seed| LowerBound::gaussian(s, Delta::new(1e-5).unwrap(), 0.05, &Threshold::Split { seed })),
    ];

    /// ε of the bound; a refusal claims nothing.
    fn claimed(made: Result<LowerBound, Error>) -> f64 {
        match made {
            Ok(bound) => bound.epsilon(),
            Err(Error::NotFairCoins { .. }) => 0.0,
            Err(other) => panic!("{other}"),
        }
    }

    /// 2,000 nulls, nominal 5%: more than 140 false claims have probability below 1e-5 if the level is kept.
    #[test]
    fn family_wise_error_on_nulls() {
        for (name, make) in MAKERS {
            let mut rng = testing::rng(17);
            let claims = (0..2000).filter(|&i| claimed(make(&null(&mut rng, 200), i)) > 0.0).count();
            assert!(claims <= 140, "{name}: {claims} of 2000");
        }
    }

    /// The check above can fail: the best of many numbers of guesses without correction claims ε > 0 far more often than 5% of the time.
    #[test]
    fn an_uncorrected_sweep_would_be_caught() {
        let mut rng = testing::rng(18);
        let claims = (0..300)
            .filter(|&seed| {
                let scores = null(&mut rng, 200);
                (4..200).step_by(4).any(|r| claimed(LowerBound::one_run(&scores, delta(0.0), 0.05, &[r], seed)) > 0.0)
            })
            .count();
        assert!(claims > 42, "{claims} of 300");
    }

    /// Randomised response at known ε: at most 5% of the bounds exceed it (more than 140 of 2,000 has probability below 1e-5), and the
    /// mean of the fixed plans is above a floor.
    #[test]
    fn known_epsilon() {
        for epsilon in [0.5, 2.0] {
            // Randomised response has no Gaussian's curve: the last two assume one, and are tested on it in `gaussian`.
            for (name, make) in &MAKERS[..5] {
                let mut rng = testing::rng(19);
                let bounds: Vec<f64> = (0..2000).map(|i| claimed(make(&flipped(&mut rng, 400, epsilon_to_q(epsilon)), i))).collect();
                let over = bounds.iter().filter(|&&b| b > epsilon).count();
                assert!(over <= 140, "{name} ε {epsilon}: {over} of 2000");
                let mean = bounds.iter().sum::<f64>() / 2000.0;
                let floor = if name.contains("split") { 0.25 } else { 0.4 } * epsilon;
                assert!(epsilon < 1.0 || mean >= floor, "{name} ε {epsilon}: mean {mean}");
            }
        }
    }

    #[test]
    fn ties_are_not_broken_by_the_order_of_the_sides() {
        // Constant scores: right guesses are coin flips, not the sorted sides.
        let scores = MemberScores::new(vec![0.0; 500], vec![0.0; 500]).unwrap();
        for seed in 0..20 {
            let bound = LowerBound::one_run(&scores, delta(1e-5), 1e-4, &[1000], seed).unwrap();
            assert_eq!(bound.epsilon(), 0.0, "{bound:?}");
        }
    }

    #[test]
    fn unfair_coins_and_impossible_counts_are_refused() {
        let scores = MemberScores::new(vec![0.0; 750], vec![0.0; 250]).unwrap();
        assert_eq!(
            LowerBound::one_run(&scores, delta(0.0), 0.05, &[10], 0).unwrap_err(),
            Error::NotFairCoins { members: 750, units: 1000 }
        );
        for (m, r, v) in [(10, 0, 0), (10, 11, 3), (10, 5, 6)] {
            assert!(matches!(LowerBound::one_run_counts(m, r, v, delta(0.0), 0.05), Err(Error::OutOfRange { .. })), "{m} {r} {v}");
        }
        let fair = MemberScores::new(vec![0.0; 5], vec![1.0; 5]).unwrap();
        assert!(LowerBound::one_run(&fair, delta(0.0), 0.05, &[], 0).is_err());
        assert!(LowerBound::one_run(&fair, delta(0.0), 0.05, &[11], 0).is_err());
        assert!(LowerBound::clopper_pearson(&fair, delta(0.0), 0.05, &Threshold::BestOf(vec![])).is_err());
        assert!(LowerBound::clopper_pearson(&fair, delta(0.0), f64::NAN, &Threshold::Fixed(0.0)).is_err());
    }

    #[test]
    fn an_estimate_never_prints_as_a_bound() {
        let scores = MemberScores::new(vec![1.0, 1.0, 1.0, 0.0], vec![1.0, 0.0, 0.0, 0.0]).unwrap();
        let estimate = Estimate::of(&scores, delta(0.0));
        assert!((estimate.epsilon - 3.0_f64.ln()).abs() < 1e-12);
        assert!(!estimate.to_string().contains('≥'), "{estimate}");
    }
}
