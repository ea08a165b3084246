//! What a Bayesian believes of ε after an attack: an interval that holds a stated share of the belief. No bound: nothing is said about how
//! often such intervals miss.

use crate::binomial::incomplete_beta;
use crate::{Error, MemberScores};
use reticent_accounting::Delta;
use serde::Serialize;

/// Points at which the belief about the false-positive rate is summed; doubling them moves the ends by less than 1e-4.
const POINTS: usize = 4000;
/// ε above this is not told apart from this.
const MOST: f64 = 60.0;

/// An interval of ε that holds `level` of the belief, half of the rest on each side (Zanella-Béguelin et al. 2023).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Credible {
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
    /// Share of the belief inside.
    pub level: f64,
    /// δ.
    pub delta: f64,
}

/// The belief about ε at `delta` after counting at one threshold that was fixed in advance.
///
/// The two error rates have independent Jeffreys priors, Beta(½, ½); the belief about ε is that about the least ε whose (ε, δ) region holds
/// both rates, the region being cut off on all four sides.
///
/// ```
/// use reticent_accounting::Delta;
/// use reticent_audit::{MemberScores, credible};
/// let scores = MemberScores::new(vec![1.0; 487], [vec![1.0; 512], vec![0.0]].concat())?;
/// let belief = credible::jeffreys(&scores, 0.5, Delta::new(1e-5)?, 0.9)?;
/// assert_eq!((format!("{:.3}", belief.lower), format!("{:.2}", belief.upper)), ("0.144".into(), "6.42".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for a level outside (0, 1).
pub fn jeffreys(scores: &MemberScores, threshold: f64, delta: Delta, level: f64) -> Result<Credible, Error> {
    if !(level > 0.0 && level < 1.0) {
        return Err(Error::OutOfRange { quantity: "level", value: level, range: "above 0 and below 1" });
    }
    let count = |of: usize, all: usize| (of as f64 + 0.5, (all - of) as f64 + 0.5);
    let alarms = count(scores.false_positives(threshold), scores.non_members());
    let misses = count(scores.members() - scores.true_positives(threshold), scores.members());
    let (points, delta) = (spread(alarms), delta.get());
    let miss_below = |rate: f64| incomplete_beta(misses.0, misses.1, rate.clamp(0.0, 1.0));
    // The belief that both rates lie in the region of (ε, δ).
    let below = |epsilon: f64| {
        let growth = epsilon.exp();
        let inside = |fpr: f64| {
            let low = (1.0 - delta - growth * fpr).max((1.0 - delta - fpr) / growth);
            let high = (delta + growth * (1.0 - fpr)).min(1.0 - (fpr - delta) / growth);
            (miss_below(high) - miss_below(low)).max(0.0)
        };
        points.iter().map(|&(fpr, weight)| weight * inside(fpr)).sum::<f64>()
    };
    let at = |share: f64| {
        let (mut low, mut high) = (0.0, MOST);
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            if below(middle) < share { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    };
    let tail = 0.5 * (1.0 - level);
    Ok(Credible { lower: at(tail), upper: at(1.0 - tail), level, delta })
}

/// Rates and their shares of a Beta(a, b) belief, on a grid of the angle θ with rate sin² θ, in which the density has no pole.
fn spread((a, b): (f64, f64)) -> Vec<(f64, f64)> {
    let (centre, width) = ((a / (a + b)).sqrt().asin(), 12.0 / (2.0 * (a + b).sqrt()));
    let (low, high) = ((centre - width).max(0.0), (centre + width).min(std::f64::consts::FRAC_PI_2));
    let angle = |i: usize| low + (high - low) * (i as f64 + 0.5) / POINTS as f64;
    let log_weight = |theta: f64| (2.0 * a - 1.0) * theta.sin().ln() + (2.0 * b - 1.0) * theta.cos().ln();
    let logs: Vec<f64> = (0..POINTS).map(|i| log_weight(angle(i))).collect();
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logs.iter().map(|l| (l - most).exp()).sum();
    (0..POINTS).map(|i| (angle(i).sin().powi(2), (logs[i] - most).exp() / total)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn made(tp: usize, members: usize, fp: usize, non_members: usize) -> MemberScores {
        let side = |high: usize, all: usize| [vec![1.0; high], vec![0.0; all - high]].concat();
        MemberScores::new(side(tp, members), side(fp, non_members)).unwrap()
    }

    /// Value 6 of the reference page on audits, [.145, 6.399]: its digits are those of a sum on a rougher grid; 20 million draws of both rates give
    /// [.1438, 6.418], give or take .001 and .005.
    #[test]
    fn the_published_case() {
        let found = jeffreys(&made(487, 487, 512, 513), 0.5, Delta::new(1e-5).unwrap(), 0.9).unwrap();
        assert!((found.lower - 0.145).abs() < 0.002 && (found.upper - 6.399).abs() < 0.03, "{found:?}");
        assert!((found.lower - 0.1438).abs() < 0.001 && (found.upper - 6.418).abs() < 0.005, "{found:?}");
    }

    /// Slow and direct: draws of both rates, each turned into its ε. With 40,000 draws the share below each end is off by more than .01 with
    /// probability below 1e-4.
    #[test]
    fn ends_equal_those_of_draws() {
        let (tp, members, fp, others, delta) = (70_usize, 100_usize, 20_usize, 120_usize, 1e-3);
        let found = jeffreys(&made(tp, members, fp, others), 0.5, Delta::new(delta).unwrap(), 0.8).unwrap();
        let mut rng = testing::rng(41);
        // Beta(k + ½, n − k + ½) as a ratio of sums of squares: chi-squared with 2k + 1 and 2(n − k) + 1 degrees of freedom.
        let mut beta = |k: usize, n: usize| {
            let mut squares = |degrees: usize| (0..degrees).map(|_| testing::normal(&mut rng).powi(2)).sum::<f64>();
            let (x, y) = (squares(2 * k + 1), squares(2 * (n - k) + 1));
            x / (x + y)
        };
        let (mut low, mut high) = (0, 0);
        for _ in 0..40_000 {
            let (fpr, fnr) = (beta(fp, others), beta(members - tp, members));
            let ratios = [(1.0 - delta - fpr) / fnr, (1.0 - delta - fnr) / fpr, (fpr - delta) / (1.0 - fnr), (fnr - delta) / (1.0 - fpr)];
            let epsilon = ratios.into_iter().fold(1.0, f64::max).ln();
            low += usize::from(epsilon < found.lower);
            high += usize::from(epsilon < found.upper);
        }
        let (low, high) = (low as f64 / 4e4, high as f64 / 4e4);
        assert!((low - 0.1).abs() < 0.01 && (high - 0.9).abs() < 0.01, "{low} {high}");
    }

    #[test]
    fn levels_are_checked() {
        for level in [0.0, 1.0, f64::NAN] {
            assert!(jeffreys(&made(1, 2, 1, 2), 0.5, Delta::new(0.0).unwrap(), level).is_err());
        }
    }
}
