//! How exposed a secret can be after training under a bound, where several units hold it: what group privacy predicts, and what chance alone gives.

use crate::{Error, ceiling};
use reticent_accounting::{Event, neighbours};
use std::num::NonZeroU32;

/// The largest mean exposure in bits that a mechanism allows for a secret held by `units` units, once or often each, among `references` others
/// drawn in the same way.
///
/// `event` is for one unit added or removed; for several together it is restated ([`neighbours::for_group`]): k units of a μ-GDP mechanism are
/// kμ-GDP (Dong, Roth and Su 2022, Theorem 4). Without those units the secret is one draw among the others, so that its rank is r or better with
/// probability α = r/(references + 1). With them that is at most what the trade-off curve gives at α, and the mean is the sum of it over
/// r, times log₂((r + 1)/r). Repeats inside one unit change nothing: the unit is clipped as a whole.
///
/// ```
/// use reticent_accounting::{Event, NoiseMultiplier};
/// use reticent_audit::text::group::mean_exposure_at_most;
/// let event = Event::Gaussian { noise_multiplier: NoiseMultiplier::new(1.0)? };
/// let bits = |units: u32| mean_exposure_at_most(&event, units.try_into().unwrap(), 255).unwrap();
/// assert!(bits(1) > 3.0 && bits(2) > bits(1) && bits(32) > 7.99);
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] without references; [`Error::Accounting`] where the event cannot be restated or composed.
pub fn mean_exposure_at_most(event: &Event, units: NonZeroU32, references: usize) -> Result<f64, Error> {
    Ok(Allowed::of(event, units, references)?.mean())
}

/// How exposed a mechanism lets a secret be: no distribution that it allows lies above this one.
pub struct Allowed {
    /// P[rank ≤ r] at most, r from 1 to the number of references.
    at_most: Vec<f64>,
}

impl Allowed {
    /// As [`mean_exposure_at_most`] has it.
    ///
    /// # Errors
    /// As [`mean_exposure_at_most`].
    pub fn of(event: &Event, units: NonZeroU32, references: usize) -> Result<Self, Error> {
        let rates = ranks(references)?;
        let read = ladder(references);
        let at: Vec<f64> = read.iter().map(|r| rates[r - 1]).collect();
        let reached = ceiling::true_positives_of(&neighbours::for_group(event, units)?, &at)?;
        Ok(Self { at_most: between(&read, &reached) })
    }

    /// The mean exposure of a secret, in bits.
    #[must_use]
    pub fn mean(&self) -> f64 {
        mean_of(&self.at_most)
    }

    /// What the mean exposure of `secrets` secrets, each of units of its own, stays at or under with probability `level` or more; to .02 bits, upwards. The
    /// ranks are taken as independent.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for no secrets, more than 64, or a level outside (0, 1).
    pub fn mean_below(&self, secrets: usize, level: f64) -> Result<f64, Error> {
        /// The last place is the largest exposure.
        const PLACES: usize = 512;
        if !(1..=64).contains(&secrets) {
            return Err(Error::OutOfRange { quantity: "secrets", value: secrets as f64, range: "1 to 64" });
        }
        if !(level > 0.0 && level < 1.0) {
            return Err(Error::OutOfRange { quantity: "level", value: level, range: "above 0 and below 1" });
        }
        let most = (self.at_most.len() as f64).log2().max(f64::MIN_POSITIVE);
        let mut one = vec![0.0; PLACES + 1];
        let mut before = 0.0_f64;
        for (at_most, rank) in self.at_most.iter().zip(1..) {
            let upper = at_most.clamp(before, 1.0);
            let share = (most - f64::from(rank).log2()).max(0.0) / most;
            one[(share * PLACES as f64).ceil() as usize] += upper - before;
            before = upper;
        }
        one[0] += 1.0 - before;
        let mut sums = vec![1.0];
        for _ in 0..secrets {
            let mut next = vec![0.0; sums.len() + PLACES];
            for (at, p) in one.iter().enumerate().filter(|(_, p)| **p > 0.0) {
                next[at..].iter_mut().zip(&sums).for_each(|(next, sum)| *next += p * sum);
            }
            sums = next;
        }
        // The smallest place above which no more than 1 − level lies.
        let mut above = 0.0;
        let beyond = sums.iter().rposition(|p| {
            above += p;
            above > 1.0 - level
        });
        Ok(beyond.unwrap_or(0) as f64 / PLACES as f64 * most / secrets as f64)
    }
}

/// Mean exposure in bits of a secret that no model has seen, among this many references: a little less than [`super::exposure::MEAN_UNSEEN`], its limit.
///
/// # Errors
/// [`Error::OutOfRange`] without references.
pub fn mean_exposure_unseen(references: usize) -> Result<f64, Error> {
    Ok(mean_of(&ranks(references)?))
}

/// What the mean exposure of `secrets` unseen secrets stays at or under with probability `level` or more: each exposure is at most an exponential of mean
/// 1/ln 2 bits, and the sum of these has an Erlang distribution. The ranks are taken as independent: so they are given the references'
/// likelihoods, which many references pin down.
///
/// # Errors
/// [`Error::OutOfRange`] for no secrets, more than 500, or a level outside (0, 1).
pub fn mean_unseen_below(secrets: usize, level: f64) -> Result<f64, Error> {
    if !(1..=500).contains(&secrets) {
        return Err(Error::OutOfRange { quantity: "secrets", value: secrets as f64, range: "1 to 500" });
    }
    if !(level > 0.0 && level < 1.0) {
        return Err(Error::OutOfRange { quantity: "level", value: level, range: "above 0 and below 1" });
    }
    // P[sum > x] = Σ_{k<n} e^−x x^k / k!, by bisection.
    let above = |x: f64| {
        let mut term = (-x).exp();
        (0..secrets).fold(0.0, |sum, k| {
            let next = sum + term;
            term *= x / (k + 1) as f64;
            next
        })
    };
    // e^−x is a normal number up to 708, and no level that a number can hold asks 500 secrets for more than 700.
    let (mut low, mut high) = (0.0, 700.0);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if above(middle) > 1.0 - level { low = middle } else { high = middle }
    }
    Ok(high / secrets as f64 * super::exposure::MEAN_UNSEEN)
}

/// Ranks at which the curve is read, for each reading walks a long distribution: all up to 8, then four to a doubling, and the last.
fn ladder(references: usize) -> Vec<usize> {
    let mut read: Vec<usize> = (1..=references.min(8)).collect();
    let steps = (1..).map(|i| (8.0 * 2.0_f64.powf(f64::from(i) / 4.0)) as usize);
    read.extend(steps.take_while(|r| *r < references));
    if read.last() != Some(&references) {
        read.push(references);
    }
    read
}

/// An upper bound at every rank from those read: a trade-off curve rises, and what it reaches over its rate falls, for it is concave.
fn between(read: &[usize], reached: &[f64]) -> Vec<f64> {
    let mut all = vec![];
    for (at, (&rank, &upper)) in read.iter().zip(reached).enumerate() {
        let below = at.checked_sub(1).map(|b| (read[b], reached[b]));
        let from = below.map_or(1, |(rank, _)| rank + 1);
        all.extend((from..=rank).map(|r| below.map_or(upper, |(rank, reached)| upper.min(reached * r as f64 / rank as f64))));
    }
    all
}

/// r/(references + 1) for each rank r among the references.
fn ranks(references: usize) -> Result<Vec<f64>, Error> {
    if references == 0 {
        return Err(Error::OutOfRange { quantity: "references", value: 0.0, range: "at least 1" });
    }
    Ok((1..=references).map(|r| r as f64 / (references + 1) as f64).collect())
}

/// The mean of log₂ R − log₂ rank from P[rank ≤ r], r from 1 to R; that the rank is at most R + 1 is certain.
fn mean_of(at_most: &[f64]) -> f64 {
    let references = at_most.len() as f64;
    let sum: f64 = at_most.iter().zip(1..).map(|(p, r)| p * (1.0 / f64::from(r)).ln_1p()).sum();
    (sum - (1.0 / references).ln_1p()) / std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binomial::{normal_quantile, upper_tail};
    use crate::roc::mean;
    use crate::testing;
    use crate::text::exposure::{MEAN_UNSEEN, exposure};
    use reticent_accounting::{NoiseMultiplier, SamplingRate};

    /// What the ranks between those read may cost: with every rank read, the means below came out .0386, .0576 and .0585 bits lower at shifts of ½, 1 and 2
    /// among 1,023 references, and by less at others.
    const LADDER: f64 = 0.06;

    fn gaussian(noise: f64) -> Event {
        Event::Gaussian { noise_multiplier: NoiseMultiplier::new(noise).unwrap() }
    }

    fn units(k: u32) -> NonZeroU32 {
        k.try_into().unwrap()
    }

    /// Slow oracle: the mean over every rank of one unseen secret, each as likely as the other.
    #[test]
    fn unseen_means() {
        for references in [1, 2, 15, 1023] {
            let bits = |rank: usize| (references as f64).log2() - (rank as f64).log2();
            let slow = (1..=references + 1).map(bits).sum::<f64>() / (references + 1) as f64;
            let fast = mean_exposure_unseen(references).unwrap();
            assert!((fast - slow).abs() < 1e-12, "{references}: {fast} {slow}");
        }
        let many = mean_exposure_unseen(1_000_000).unwrap();
        assert!((many - MEAN_UNSEEN).abs() < 1e-4, "{many}");
    }

    /// A Gaussian of shift kμ, whose curve is known: 1 − β = Φ(Φ⁻¹(α) + kμ). The accountant's curve is an upper bound of it, and a close one.
    #[test]
    fn k_units_are_k_mu() {
        for (noise, k) in [(4.0, 1), (4.0, 2), (4.0, 8), (1.0, 3), (2.0, 16)] {
            let shift = f64::from(k) / noise;
            let curve: Vec<f64> = ranks(255).unwrap().iter().map(|a| upper_tail(-(normal_quantile(*a) + shift))).collect();
            let (found, exact) = (mean_exposure_at_most(&gaussian(noise), units(k), 255).unwrap(), mean_of(&curve));
            assert!(found >= exact - 1e-9 && found < exact + LADDER, "{noise} {k}: {found} {exact}");
            // At each rank that is not read, too.
            let read = ladder(255);
            let all = between(&read, &read.iter().map(|r| curve[r - 1]).collect::<Vec<_>>());
            assert_eq!(all.len(), 255);
            assert!(all.iter().zip(&curve).all(|(bound, exact)| bound >= &(exact - 1e-12)), "{noise} {k}");
        }
    }

    /// The bound is what the best attack reaches: a secret whose likelihood lies kμ above its references'. 4,000 secrets, five standard errors:
    /// false alarm < 1e-6 a case.
    #[test]
    fn the_best_attack_reaches_the_prediction() {
        let mut rng = testing::rng(31);
        for (noise, k) in [(2.0, 1), (2.0, 2), (2.0, 4)] {
            let bits: Vec<f64> = (0..4000)
                .map(|_| {
                    let references: Vec<f64> = (0..255).map(|_| testing::normal(&mut rng)).collect();
                    exposure(testing::normal(&mut rng) - f64::from(k) / noise, &references).unwrap().bits
                })
                .collect();
            let m = mean(&bits);
            let error = (bits.iter().map(|b| (b - m).powi(2)).sum::<f64>() / 4000.0 / 3999.0).sqrt();
            let most = mean_exposure_at_most(&gaussian(noise), units(k), 255).unwrap();
            assert!(m < most + 5.0 * error && m > most - LADDER - 5.0 * error, "{k} units: measured {m} ± {error}, predicted {most}");
        }
    }

    #[test]
    fn sampled_runs_and_limits() {
        let run = Event::dp_sgd(NoiseMultiplier::new(1.5).unwrap(), SamplingRate::new(0.05).unwrap(), 50);
        let bits: Vec<f64> = [1, 2, 128].map(|k| mean_exposure_at_most(&run, units(k), 31).unwrap()).to_vec();
        assert!(bits.windows(2).all(|w| w[0] <= w[1] + 1e-9), "{bits:?}");
        assert!(bits[0] > mean_exposure_unseen(31).unwrap() && bits[2] <= 31.0_f64.log2() + 1e-9, "{bits:?}");
        assert!(mean_exposure_at_most(&run, units(1), 0).is_err() && mean_exposure_unseen(0).is_err());
    }

    /// Slow oracle: every combination of ranks of three secrets among three references. And what is drawn from the law lies under its own limit.
    #[test]
    fn limits_of_few_secrets_are_those_of_all_their_ranks() {
        let allowed = Allowed { at_most: vec![0.5, 0.7, 0.9] };
        let one = [(3.0_f64.log2(), 0.5), (1.5_f64.log2(), 0.2), (0.0, 0.2), (0.0, 0.1)];
        let mut means: Vec<(f64, f64)> = vec![];
        for (a, p) in one {
            for (b, q) in one {
                means.extend(one.map(|(c, r)| ((a + b + c) / 3.0, p * q * r)));
            }
        }
        for level in [0.3, 0.6, 0.8, 0.88] {
            let limit = allowed.mean_below(3, level).unwrap();
            let above = |x: f64| means.iter().filter(|(mean, _)| *mean > x + 1e-12).map(|(_, p)| p).sum::<f64>();
            assert!(above(limit) <= 1.0 - level && above(limit - 0.03) > 1.0 - level, "{level}: {limit} {}", above(limit));
        }
        let unseen = Allowed { at_most: ranks(255).unwrap() };
        assert!((unseen.mean() - mean_exposure_unseen(255).unwrap()).abs() < 1e-12);
        for (secrets, level) in [(1, 0.95), (8, 0.99), (64, 0.999)] {
            let (of_law, of_exponentials) = (unseen.mean_below(secrets, level).unwrap(), mean_unseen_below(secrets, level).unwrap());
            assert!(of_law < of_exponentials + 0.02 && of_law > of_exponentials - 0.2, "{secrets} {level}: {of_law} {of_exponentials}");
        }
        let few = Allowed::of(&gaussian(2.0), units(1), 255).unwrap();
        assert!(
            few.mean_below(3, 0.99).unwrap() > few.mean_below(8, 0.99).unwrap() && few.mean_below(64, 0.5).unwrap() > few.mean() - 0.05
        );
        for (n, level) in [(0, 0.5), (65, 0.5), (3, 0.0), (3, 1.0), (3, f64::NAN)] {
            assert!(few.mean_below(n, level).is_err(), "{n} {level}");
        }
    }

    #[test]
    fn quantiles_of_a_sum_of_exponentials() {
        // One exponential: −ln .05. Chi-squared with 20 degrees of freedom has its 95% point at 31.410; half of it is a sum of ten.
        let sum = |n: usize| mean_unseen_below(n, 0.95).unwrap() * n as f64 / MEAN_UNSEEN;
        assert!((sum(1) + 0.05_f64.ln()).abs() < 1e-9);
        assert!((sum(10) - 31.410 / 2.0).abs() < 1e-3);
        assert!(mean_unseen_below(64, 0.999_999).unwrap() < mean_unseen_below(4, 0.999_999).unwrap());
        assert!(mean_unseen_below(500, 0.95).unwrap() < 1.56 && mean_unseen_below(500, 0.95).unwrap() > 1.53);
        for (n, level) in [(0, 0.5), (501, 0.5), (3, 0.0), (3, 1.0), (3, f64::NAN)] {
            assert!(mean_unseen_below(n, level).is_err(), "{n} {level}");
        }
    }
}
