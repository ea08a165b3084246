//! Zero-concentrated differential privacy: one number rho, which adds up; Renyi divergence of order a is at most rho a.
//!
//! Bun & Steinke 2016 (arXiv:1605.02658). Looser than [`rdp`](crate::rdp) for all but Gaussians, and what many published
//! statistics state. Neighbours: add or remove one record.
//!
//! ```
//! use reticent_accounting::{Delta, Event, NoiseMultiplier, zcdp};
//! let query = Event::Gaussian { noise_multiplier: NoiseMultiplier::new(10.0)? };
//! let rho = zcdp::rho(&query.times(20))?;
//! assert!((rho - 0.1).abs() < 1e-15);
//! assert_eq!(format!("{:.2}", zcdp::epsilon(rho, Delta::new(1e-5)?)?.get()), "1.91");
//! # Ok::<(), reticent_accounting::Error>(())
//! ```

use serde::{Deserialize, Serialize};

use crate::inexact::Inexact;
use crate::rdp::{epsilon_from_rdp, minimise_over_orders};
use crate::{Delta, Epsilon, Error, Event, pure};

const NAME: &str = "the zCDP accountant";

/// What an event costs in approximate zCDP: with probability 1 - delta it is rho-zero-concentrated (Bun & Steinke 2016, section 8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concentrated {
    /// Renyi divergence of order a is at most rho a.
    pub rho: f64,
    /// The probability of no promise at all.
    pub delta: f64,
}

/// The rho of an event: 1/2 sigma^2 for a Gaussian, also a discrete one; epsilon^2/2 for what is pure (Proposition 1.4), and
/// epsilon^2/8 for the exponential mechanism, whose losses lie in a range of epsilon (Cesar & Rogers 2021, arXiv:2004.07223, section 3).
///
/// [`Error::UnsupportedEvent`] for anything sampled below rate 1, with a xi or with a delta.
pub fn rho(event: &Event) -> Result<f64, Error> {
    let Concentrated { rho, delta } = concentrated(event)?;
    if delta > 0.0 { Err(event.refused(NAME, "it has a delta of its own")) } else { Ok(rho) }
}

/// Rho and delta of an event: those of [`rho`], and (epsilon^2/2, delta) for what is (epsilon, delta)-DP (Bun & Steinke 2016,
/// Lemma 8.3: it is pure but for an event of probability delta).
///
/// [`Error::UnsupportedEvent`] for anything sampled below rate 1 or with a xi.
pub fn concentrated(event: &Event) -> Result<Concentrated, Error> {
    let parts = event.parts(NAME)?;
    if parts.inexact != Inexact::default() {
        return Err(event.refused(NAME, "draws that are not exactly of their law are not zero-concentrated"));
    }
    let mut sum = Concentrated::default();
    for part in &parts.gaussians {
        if part.q < 1.0 {
            return Err(event.refused(NAME, "a subsampled Gaussian is not zero-concentrated at a useful rho"));
        }
        sum.rho += part.count as f64 / (2.0 * part.sigma * part.sigma);
    }
    for (other, count) in &parts.others {
        let (rho, delta) = match other {
            Event::DiscreteGaussian { noise_multiplier, .. } => (0.5 / (noise_multiplier.get() * noise_multiplier.get()), 0.0),
            Event::Zcdp { xi, rho } if xi.get() == 0.0 => (rho.get(), 0.0),
            Event::Approximate { epsilon, delta } => (0.5 * epsilon.get() * epsilon.get(), delta.get()),
            Event::Exponential { epsilon } => (0.125 * epsilon.get() * epsilon.get(), 0.0),
            _ => match pure::of_one(other) {
                Ok(epsilon) => (0.5 * epsilon * epsilon, 0.0),
                Err(_) => return Err(other.refused(NAME, "it has no rho")),
            },
        };
        sum.rho += *count as f64 * rho;
        sum.delta += *count as f64 * delta;
    }
    if sum.rho.is_finite() { Ok(sum) } else { Err(Error::Unrepresentable { quantity: "rho" }) }
}

/// The epsilon that `rho` allows at `delta`, by the conversion of [`rdp`](crate::rdp) at its best order.
///
/// [`Error::OutOfRange`] for a rho that is negative or not finite, [`Error::DeltaTooSmall`] at delta 0.
pub fn epsilon(rho: f64, delta: Delta) -> Result<Epsilon, Error> {
    if !(rho >= 0.0 && rho.is_finite()) {
        return Err(Error::OutOfRange { quantity: "rho", value: rho, range: "at least 0 and finite" });
    }
    if rho == 0.0 {
        return Ok(Epsilon::ZERO);
    }
    if delta.get() == 0.0 {
        return Err(Error::DeltaTooSmall { accountant: NAME, delta: 0.0, smallest: f64::MIN_POSITIVE });
    }
    let (_, epsilon) = minimise_over_orders(|order| epsilon_from_rdp(rho * order, order, delta.get()));
    Epsilon::new(epsilon.max(0.0)).map_err(|_| Error::Unrepresentable { quantity: "epsilon" })
}
