//! The Gaussian mechanism, exactly: no grid, no Renyi order, the smallest epsilon that is true.
//!
//! Balle & Wang 2018 (arXiv:1805.06530), Theorem 8: with mu = sensitivity / standard deviation,
//! delta(epsilon) = Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu).
//! Compositions of Gaussians are again one Gaussian, with mu = sqrt(sum mu_i^2) (Dong, Roth & Su 2019,
//! arXiv:1905.02383, Corollary 3.3), so any composition without sampling is exact. Neighbours: add or remove one.
//!
//! ```
//! use reticent_accounting::{Delta, Event, NoiseMultiplier, gaussian};
//! let event = Event::Gaussian { noise_multiplier: NoiseMultiplier::new(3.730632)? };
//! assert_eq!(format!("{:.5}", gaussian::epsilon(&event, Delta::new(1e-5)?)?.get()), "1.00000");
//! # Ok::<(), reticent_accounting::Error>(())
//! ```

use std::f64::consts::PI;

use crate::event::Parts;
use crate::inexact::Inexact;
use crate::normal::{log_upper_tail, mills, upper_tail};
use crate::{Delta, Epsilon, Error, Event};

const NAME: &str = "the exact Gaussian accountant";

/// The exact epsilon of a composition of Gaussians at `delta`.
///
/// [`Error::UnsupportedEvent`] for anything sampled at a rate below 1, [`Error::DeltaTooSmall`] at delta 0.
pub fn epsilon(event: &Event, delta: Delta) -> Result<Epsilon, Error> {
    let (mu, inexact) = mu_but_for_draws(event)?;
    Epsilon::new(inexact.epsilon_from(delta, NAME, |delta| epsilon_of_mu(mu, delta))?)
}

/// The exact delta of a composition of Gaussians at `epsilon`, as its natural logarithm (it is often below 1e-308).
pub fn log_delta(event: &Event, epsilon: Epsilon) -> Result<f64, Error> {
    let (mu, inexact) = mu_but_for_draws(event)?;
    if inexact == Inexact::default() {
        return Ok(log_delta_of_mu(mu, epsilon.get()));
    }
    Ok(inexact.delta_from(epsilon.get(), |epsilon| Ok(log_delta_of_mu(mu, epsilon).exp()))?.ln())
}

/// The Gaussian-DP parameter mu of a composition of Gaussians: sqrt(sum of 1/sigma^2).
///
/// [`Error::UnsupportedEvent`] where draws are [inexact](Event::Inexact): then no mu says all.
pub fn mu(event: &Event) -> Result<f64, Error> {
    let (mu, inexact) = mu_but_for_draws(event)?;
    if inexact == Inexact::default() { Ok(mu) } else { Err(event.refused(NAME, "its draws are not exactly Gaussian")) }
}

/// The mu of exact draws, and how far draws are from that.
fn mu_but_for_draws(event: &Event) -> Result<(f64, Inexact), Error> {
    let Parts { gaussians, others, inexact } = event.parts(NAME)?;
    if let Some((other, _)) = others.first() {
        return Err(other.refused(NAME, "it has no Gaussian noise of a known sensitivity"));
    }
    let mut squared = 0.0;
    for part in gaussians {
        if part.q < 1.0 {
            return Err(Error::UnsupportedEvent {
                event: Box::new(event.clone()),
                accountant: NAME,
                why: "sampling makes the loss no longer Gaussian",
            });
        }
        squared += part.count as f64 / (part.sigma * part.sigma);
    }
    if squared.is_finite() { Ok((squared.sqrt(), inexact)) } else { Err(Error::Unrepresentable { quantity: "mu" }) }
}

/// ln delta(epsilon) of the Gaussian of parameter `mu`.
///
/// phi(mu/2 - e/mu) = e^e phi(-mu/2 - e/mu), so with t = e/mu - mu/2 and the Mills ratio m the difference of the
/// theorem is phi(t) [m(t) - m(t + mu)]: nothing underflows, and nothing cancels but the ratios themselves.
pub(crate) fn log_delta_of_mu(mu: f64, epsilon: f64) -> f64 {
    if mu == 0.0 {
        return f64::NEG_INFINITY;
    }
    let t = epsilon / mu - mu / 2.0;
    let log_density = |t: f64| -0.5 * t * t - 0.5 * (2.0 * PI).ln();
    if t >= 0.0 {
        log_density(t) + (mills(t) - mills(t + mu)).ln()
    } else if t + mu >= 0.0 {
        (upper_tail(t) - log_density(t).exp() * mills(t + mu)).ln()
    } else {
        // Only for epsilon < 0, where delta is 1 - e^epsilon plus little.
        (upper_tail(t) - (epsilon + log_upper_tail(t + mu)).exp()).ln()
    }
}

/// The epsilon at which [`log_delta_of_mu`] meets `delta`: bisection, rounded up by at most 1e-12 relative.
pub(crate) fn epsilon_of_mu(mu: f64, delta: Delta) -> Result<f64, Error> {
    if mu == 0.0 {
        return Ok(0.0);
    }
    if delta.get() == 0.0 {
        return Err(Error::DeltaTooSmall { accountant: NAME, delta: 0.0, smallest: f64::MIN_POSITIVE });
    }
    let target = delta.get().ln();
    if log_delta_of_mu(mu, 0.0) <= target {
        return Ok(0.0);
    }
    let (mut low, mut high) = (0.0, mu * (mu / 2.0 + 1.0));
    while log_delta_of_mu(mu, high) > target {
        low = high;
        high *= 2.0;
        if !high.is_finite() {
            return Err(Error::Unrepresentable { quantity: "epsilon" });
        }
    }
    while high - low > 1e-12 * high {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if log_delta_of_mu(mu, middle) > target { low = middle } else { high = middle }
    }
    Ok(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_branches_agree() {
        // The theorem as written, where it does not cancel.
        for mu in [0.3_f64, 1.0, 4.0, 9.0] {
            for epsilon in [0.0, 0.1, 0.5, 1.0, 3.0] {
                let plain = upper_tail(epsilon / mu - mu / 2.0) - f64::exp(epsilon) * upper_tail(epsilon / mu + mu / 2.0);
                let ours = log_delta_of_mu(mu, epsilon).exp();
                assert!((ours - plain).abs() < 1e-14 + 1e-12 * plain, "mu {mu} epsilon {epsilon}: {ours} {plain}");
            }
        }
    }

    #[test]
    fn far_tails_stay_finite() {
        let log = log_delta_of_mu(0.05, 10.0);
        assert!(log.is_finite() && log < -19_000.0, "{log}");
    }
}
