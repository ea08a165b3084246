//! Clopper–Pearson: what a count of successes says about a rate, whatever the rate is.

use crate::Error;
use crate::binomial::at_least;
use serde::{Deserialize, Serialize};

/// A confidence interval of a rate in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateInterval {
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

/// The two-sided interval: each end fails with probability at most `alpha / 2` (Clopper and Pearson 1934).
///
/// ```
/// let rate = reticent_audit::interval::clopper_pearson(500, 500, 0.01)?;
/// assert_eq!((format!("{:.4}", rate.lower), rate.upper), ("0.9895".into(), 1.0));
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for `alpha` outside (0, 1) or more successes than trials.
pub fn clopper_pearson(successes: usize, trials: usize, alpha: f64) -> Result<RateInterval, Error> {
    Ok(RateInterval { lower: lower(successes, trials, alpha / 2.0)?, upper: upper(successes, trials, alpha / 2.0)? })
}

/// The one-sided lower bound: the rate is below it with probability at most `alpha`.
///
/// # Errors
/// As [`clopper_pearson`].
pub fn lower(successes: usize, trials: usize, alpha: f64) -> Result<f64, Error> {
    check(successes, trials, alpha)?;
    if successes == 0 {
        return Ok(0.0);
    }
    // The largest p under which so many successes still have probability at most alpha; the lower end of the bisection stays valid.
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..80 {
        let p = 0.5 * (low + high);
        if at_least(trials, p, successes) <= alpha {
            low = p;
        } else {
            high = p;
        }
    }
    Ok(low * (1.0 - ROUNDING))
}

/// The one-sided upper bound: the rate is above it with probability at most `alpha`.
///
/// # Errors
/// As [`clopper_pearson`].
pub fn upper(successes: usize, trials: usize, alpha: f64) -> Result<f64, Error> {
    check(successes, trials, alpha)?;
    Ok(1.0 - lower(trials - successes, trials, alpha)?)
}

/// Relative error of the tails, charged outwards.
const ROUNDING: f64 = 1e-9;

fn check(successes: usize, trials: usize, alpha: f64) -> Result<(), Error> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(Error::OutOfRange { quantity: "alpha", value: alpha, range: "above 0 and below 1" });
    }
    if successes > trials {
        return Err(Error::OutOfRange { quantity: "successes", value: successes as f64, range: "at most the trials" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Closed forms at the ends, and beta quantiles: qbeta(.025, 5, 6) and qbeta(.975, 6, 5) for 5 of 10, as R's binom.test prints them.
    #[test]
    fn golden() {
        for (successes, trials, alpha, low, high) in [
            (5, 10, 0.05, 0.187_086_028_4, 0.812_913_971_6),
            (0, 500, 0.01, 0.0, 1.0 - 0.005_f64.powf(1.0 / 500.0)),
            (500, 500, 0.01, 0.005_f64.powf(1.0 / 500.0), 1.0),
            (0, 0, 0.05, 0.0, 1.0),
            (1, 1, 0.05, 0.025, 1.0),
        ] {
            let found = clopper_pearson(successes, trials, alpha).unwrap();
            assert!((found.lower - low).abs() < 2e-8 && (found.upper - high).abs() < 2e-8, "{successes}/{trials}: {found:?}");
        }
        assert!(clopper_pearson(2, 1, 0.05).is_err());
        assert!(clopper_pearson(1, 2, 0.0).is_err() && clopper_pearson(1, 2, f64::NAN).is_err());
    }

    /// Exact: for every rate, the counts whose bound lies above it have total probability at most alpha.
    #[test]
    fn one_sided_coverage_is_exact() {
        for trials in [1, 5, 30] {
            let bounds: Vec<f64> = (0..=trials).map(|k| lower(k, trials, 0.05).unwrap()).collect();
            for step in 1..100 {
                let rate = f64::from(step) / 100.0;
                let miss: f64 = crate::binomial::masses(trials, rate).iter().zip(&bounds).filter(|(_, b)| **b > rate).map(|(m, _)| m).sum();
                assert!(miss <= 0.05 + 1e-12, "{trials} {rate}: {miss}");
            }
        }
    }
}
