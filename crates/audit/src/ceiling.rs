//! What no attack can exceed: under a proved (ε, δ), under a mechanism, and with a sample of this size.

use crate::Error;
use crate::interval;
use reticent_accounting::{Delta, Epsilon, Event, pld};

/// The largest true-positive rate that (ε, δ) allows at a false-positive rate, whatever the attack knows (Kairouz, Oh and Viswanath 2015,
/// Theorem 2.1): the smaller of e^ε · fpr + δ and 1 − e^−ε (1 − δ − fpr).
///
/// Neighbours: as those of ε. A rate for one unit that is in or out by a fair draw, everything else known.
///
/// ```
/// use reticent_accounting::{Delta, Epsilon};
/// let tpr = reticent_audit::ceiling::true_positives(Epsilon::new(1.0)?, Delta::new(0.0)?, 0.01);
/// assert!((tpr - 0.027183).abs() < 1e-6);
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
#[must_use]
pub fn true_positives(epsilon: Epsilon, delta: Delta, fpr: f64) -> f64 {
    let (growth, delta) = (epsilon.get().exp(), delta.get());
    (growth * fpr + delta).min(1.0 - (1.0 - delta - fpr) / growth).clamp(0.0, 1.0)
}

/// The same for a mechanism, by its trade-off curve: at most what its (ε, δ) allow, usually far less.
///
/// # Errors
/// [`Error::Accounting`].
pub fn true_positives_of(event: &Event, fpr: &[f64]) -> Result<Vec<f64>, Error> {
    Ok(pld::trade_off(event, fpr)?)
}

/// The largest ε that Clopper–Pearson bounds give with `members` and `non_members` told apart without an error, at level `alpha`.
///
/// ```
/// let most = reticent_audit::ceiling::clopper_pearson(1000, 1000, 0.05)?;
/// assert_eq!(format!("{most:.2}"), "5.60");
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`].
pub fn clopper_pearson(members: usize, non_members: usize, alpha: f64) -> Result<f64, Error> {
    let hit = interval::lower(members, members, alpha / 2.0)?;
    let alarm = interval::upper(0, non_members, alpha / 2.0)?;
    Ok((hit / alarm).ln().max(((1.0 - alarm) / (1.0 - hit)).ln()).max(0.0))
}

/// The largest ε that one run gives when all of `guesses` guesses are right, at δ = 0 and level `alpha`: ln(q / (1 − q)) with q^guesses = alpha.
///
/// # Errors
/// [`Error::OutOfRange`] for no guesses or a level outside (0, 1).
pub fn one_run(guesses: usize, alpha: f64) -> Result<f64, Error> {
    if guesses == 0 {
        return Err(Error::OutOfRange { quantity: "guesses", value: 0.0, range: "at least 1" });
    }
    let q = interval::lower(guesses, guesses, alpha)?;
    Ok((q / (1.0 - q)).ln().max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reticent_accounting::{NoiseMultiplier, SamplingRate};

    /// Golden values 5 of the reference page on audits, α = .05.
    #[test]
    fn perfect_attacks() {
        for (n, cp, run) in [(100, 3.28, 3.49), (500, 4.91, 5.11), (1000, 5.60, 5.81), (5000, 7.21, 7.42)] {
            let (found_cp, found_run) = (clopper_pearson(n, n, 0.05).unwrap(), one_run(n, 0.05).unwrap());
            assert!((found_cp - cp).abs() < 0.005 && (found_run - run).abs() < 0.005, "{n}: {found_cp} {found_run}");
        }
        assert!(one_run(0, 0.05).is_err());
    }

    /// Randomised response with probability e^ε/(1+e^ε) of the truth attains the bound at its own false-positive rate.
    #[test]
    fn attained_by_randomised_response() {
        for epsilon in [0.1, 1.0, 4.0] {
            let truth = epsilon.exp_of() / (1.0 + epsilon.exp_of());
            let found = true_positives(Epsilon::new(epsilon).unwrap(), Delta::new(0.0).unwrap(), 1.0 - truth);
            assert!((found - truth).abs() < 1e-12, "{epsilon}: {found} {truth}");
        }
    }

    trait ExpOf {
        fn exp_of(self) -> f64;
    }
    impl ExpOf for f64 {
        fn exp_of(self) -> f64 {
            self.exp()
        }
    }

    /// A curve lies between chance and the (ε, δ) line at every ε, here at the accountant's own ε for δ = 1e-5.
    #[test]
    fn the_curve_is_tighter() {
        let event = Event::dp_sgd(NoiseMultiplier::new(1.5).unwrap(), SamplingRate::new(0.1).unwrap(), 100);
        let delta = Delta::new(1e-5).unwrap();
        let epsilon = pld::epsilon(&event, delta).unwrap().upper;
        let fpr = [0.0, 0.001, 0.01, 0.1, 0.5];
        let curve = true_positives_of(&event, &fpr).unwrap();
        for (fpr, tpr) in fpr.into_iter().zip(curve) {
            let line = true_positives(epsilon, delta, fpr);
            assert!(fpr <= tpr && tpr <= line + 1e-6, "{fpr}: {tpr} {line}");
            assert!(fpr == 0.0 || tpr < 0.9 * line || line > 0.9, "{fpr}: {tpr} is hardly below {line}");
        }
    }
}
