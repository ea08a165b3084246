//! Quantiles: one of several candidates named in advance, chosen by how near its rank is.

use std::num::NonZeroU32;

use rand_core::CryptoRng;

use super::{MISS, Noise, Release, Unit};
use crate::sample::{Ratio, exponential, permute_and_flip};
use crate::{Epsilon, Error, Event};

/// Which quantile, as a fraction a/b of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rank {
    part: u32,
    of: u32,
}

impl Rank {
    /// Half of the records.
    pub const MEDIAN: Self = Self { part: 1, of: 2 };

    /// `part` of every `of` records.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a fraction that is not above 0 and below 1: the rank of the lowest or highest value hangs on one record.
    pub fn new(part: u32, of: u32) -> Result<Self, Error> {
        if 0 < part && part < of {
            Ok(Self { part, of })
        } else {
            Err(Error::OutOfRange { quantity: "rank", value: f64::from(part) / f64::from(of), range: "above 0 and below 1" })
        }
    }

    /// Of each candidate's score.
    pub(super) fn sensitivity(self, unit: Unit) -> Result<NonZeroU32, Error> {
        unit.sensitivity(self.part.max(self.of - self.part).into(), self.of.into())
    }
}

/// The candidate whose rank is nearest to a/b of the records, chosen with noise. In the unit of the values.
///
/// A candidate c is right if at most a/b of the records are below it and at least a/b at or below it. Its score is how far it is from
/// that, in 1/b records:
///
/// score(c) = −max(0, b·#{x < c} − a·n, a·n − b·#{x ≤ c}).
///
/// *Sensitivity.* A record that comes changes n by 1 and #{x < c} and #{x ≤ c} by 0 or 1 each. So the second term changes by −a or b − a,
/// the third by a or a − b, and the score, as the greatest of three, by max(a, b − a) at most. A replaced record leaves n and changes a
/// number by 1 at most, and the score by b. Both are reached.
///
/// *Choice.* [`Noise::Pure`]: [`permute_and_flip`] at ε. [`Noise::Zcdp`]: [`exponential`] at the greatest ε (on a grid of 2⁻⁴⁰) with ε²/8 ≤
/// ρ. That it is ε²/8-zCDP: its privacy loss f lies in an interval of length ε, whichever the data, because each candidate's weight and
/// their sum change by factors from e^{−ε/2} to e^{ε/2} and the sum's is common to all. K(α) = ln E_Q e^{αf} is 0 at α = 0 and 1, and K″, a
/// variance on that interval, is at most ε²/4; so K(α) ≤ α(α − 1)·ε²/8 (Cesar and Rogers 2021, arXiv:2004.07223).
///
/// [`Release::error`] is a number of records: with probability 95% the rank of the chosen candidate is at most so many records farther from
/// right than the best candidate's. It is (2Δ/(ε·b))·ln(candidates/0.05), since a candidate whose score is s behind is chosen with
/// probability e^{−εs/(2Δ)} at most. What is not among the candidates cannot be found: name a grid of them.
///
/// Infinite values are below or above all candidates; a NaN counts as below all.
///
/// Source: Smith 2011, *Privacy-preserving statistical estimation with optimal convergence rates*, for scoring by rank; McKenna and Sheldon
/// 2020.
///
/// ```
/// use rand_core::SeedableRng;
/// use reticent_accounting::Neighbours;
/// use reticent_accounting::query::{Noise, Rank, Unit, quantile};
/// use reticent_accounting::sample::Ratio;
/// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(6); // for this example only
/// let incomes = (0..10_000).map(|i| 1_000.0 + f64::from(i));
/// let candidates: Vec<f64> = (0..=200).map(|i| f64::from(i) * 100.0).collect();
/// let noise = Noise::Pure { epsilon: Ratio::new(1, 10)? };
/// let release = quantile(incomes, &candidates, Rank::new(9, 10)?, &noise, Unit::record(Neighbours::AddOrRemoveOne), &mut rng)?;
/// assert_eq!((release.value, release.error.ceil()), (10_000.0, 150.0));
/// assert_eq!(release.event.to_string(), "permute-and-flip(0.1)");
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for candidates that are not finite and strictly rising, or none; and for a budget of 0.
pub fn quantile(
    values: impl IntoIterator<Item = f64>,
    candidates: &[f64],
    rank: Rank,
    noise: &Noise,
    unit: Unit,
    rng: &mut impl CryptoRng,
) -> Result<Release<f64>, Error> {
    check(candidates)?;
    let sensitivity = rank.sensitivity(unit)?;
    let (epsilon, event) = choice(noise)?;
    let scores = scores(values, candidates, rank);
    let pick = match noise {
        Noise::Pure { .. } => permute_and_flip(&scores, sensitivity.get().into(), &epsilon, rng)?,
        Noise::Zcdp { .. } => exponential(&scores, sensitivity.get().into(), &epsilon, rng)?,
    };
    let per_record = epsilon.inverse().times(2 * u64::from(sensitivity.get())).over(rank.of).at_least();
    Ok(Release { value: candidates[pick], event, unit, error: per_record * (candidates.len() as f64 / MISS).ln() })
}

/// The ε that a choice is drawn with, and what it is charged as.
pub(super) fn choice(noise: &Noise) -> Result<(Ratio, Event), Error> {
    let (epsilon, event) = match noise {
        Noise::Pure { epsilon } => (epsilon.clone(), Event::PermuteAndFlip { epsilon: Epsilon::new(epsilon.at_least())? }),
        Noise::Zcdp { rho } => {
            // k/2⁴⁰ with (k/2⁴⁰)² ≤ 8ρ.
            let whole = rho.times(1_u128 << 83);
            let k = (whole.numerator / whole.denominator).sqrt();
            (Ratio { numerator: k, denominator: (1_u64 << 40).into() }, noise.stated()?)
        }
    };
    if epsilon.is_zero() {
        return Err(Error::OutOfRange { quantity: "budget", value: 0.0, range: "above 0" });
    }
    Ok((epsilon, event))
}

fn check(candidates: &[f64]) -> Result<(), Error> {
    let refused = |value| Err(Error::OutOfRange { quantity: "candidate", value, range: "finite and above the one before, at least one" });
    if candidates.is_empty() {
        return refused(f64::NAN);
    }
    let mut before = f64::NEG_INFINITY;
    for &candidate in candidates {
        if !(candidate > before && candidate.is_finite()) {
            return refused(candidate);
        }
        before = candidate;
    }
    Ok(())
}

/// Beyond 64 bits as the outermost, which moves no two scores apart.
pub(super) fn scores(values: impl IntoIterator<Item = f64>, candidates: &[f64], rank: Rank) -> Vec<i64> {
    // How many values become "at or below" and "below" from this candidate on.
    let (mut at_or_below, mut below) = (vec![0_i128; candidates.len() + 1], vec![0_i128; candidates.len() + 1]);
    let mut n = 0_i128;
    for value in values {
        n += 1;
        // A comparison with a NaN is false: it is at or below, and below, all of them.
        at_or_below[candidates.partition_point(|c| *c < value)] += 1;
        below[candidates.partition_point(|c| *c <= value)] += 1;
    }
    let (part, of) = (i128::from(rank.part), i128::from(rank.of));
    let (mut upto, mut under) = (0, 0);
    let mut score = |i: usize| {
        upto += at_or_below[i];
        under += below[i];
        let off = 0.max(of * under - part * n).max(part * n - of * upto);
        -i64::try_from(off).unwrap_or(i64::MAX)
    };
    (0..candidates.len()).map(&mut score).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_and_ranks_are_checked() {
        for bad in [vec![], vec![1.0, 1.0], vec![2.0, 1.0], vec![f64::NAN], vec![0.0, f64::INFINITY], vec![f64::NEG_INFINITY, 0.0]] {
            assert!(matches!(check(&bad), Err(Error::OutOfRange { .. })), "{bad:?}");
        }
        assert_eq!(check(&[-1.0, 0.0, 1e300]), Ok(()));
        assert!(Rank::new(0, 2).is_err() && Rank::new(2, 2).is_err() && Rank::new(0, 0).is_err() && Rank::new(1, 2) == Ok(Rank::MEDIAN));
    }

    /// By the words of the definition: distances from a/b of the records, counted one by one.
    #[test]
    fn scores_are_those_of_the_definition() {
        let candidates = [0.0, 1.0, 2.5, 4.0];
        let values = [1.0, 1.0, 1.0, 3.0, -2.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 4.0, 2.5];
        for (part, of) in [(1, 2), (1, 10), (9, 10), (2, 3)] {
            let expected = candidates.map(|c| {
                let below = values.iter().filter(|x| **x < c || x.is_nan()).count() as i64;
                let upto = values.iter().filter(|x| **x <= c || x.is_nan()).count() as i64;
                let (part, of, n) = (i64::from(part), i64::from(of), values.len() as i64);
                -(of * below - part * n).max(part * n - of * upto).max(0)
            });
            assert_eq!(scores(values, &candidates, Rank::new(part, of).unwrap()), expected, "{part}/{of}");
        }
        assert_eq!(scores([], &candidates, Rank::MEDIAN), [0; 4]);
        // A score of 0 where values tie: the median of 1, 1, 1, 9 is 1.
        assert_eq!(scores([1.0, 1.0, 1.0, 9.0], &[0.0, 1.0, 2.0], Rank::MEDIAN), [-4, 0, -2]);
    }

    #[test]
    fn the_choice_under_rho_is_the_greatest_that_fits() {
        for (a, b) in [(1_u64, 8_u64), (1, 2), (1, 3), (1, 1000), (7, 5)] {
            let rho = Ratio::new(a, b).unwrap();
            let (epsilon, event) = choice(&Noise::Zcdp { rho: rho.clone() }).unwrap();
            let spent = |k: &Ratio| Ratio { numerator: &k.numerator * &k.numerator, denominator: &k.denominator * &k.denominator * 8_u32 };
            let next = Ratio { numerator: &epsilon.numerator + 1_u32, denominator: epsilon.denominator.clone() };
            assert!(spent(&epsilon) <= rho && spent(&next) > rho, "{a}/{b}");
            assert!(matches!(event, Event::Zcdp { xi: Epsilon::ZERO, .. }));
        }
        assert!(choice(&Noise::Zcdp { rho: Ratio::new(0, 1).unwrap() }).is_err());
        assert!(choice(&Noise::Pure { epsilon: Ratio::new(0, 1).unwrap() }).is_err());
    }
}
