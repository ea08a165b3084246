//! A budget in mu squared: the filter for Gaussians without sampling, with nothing lost in the conversion.
//!
//! Smith & Thakurta 2022 (*Fully Adaptive Composition for Gaussian Differential Privacy*, arXiv:2210.17520): as long as the mu_i^2
//! of the admitted events add up to at most B, the whole adaptive sequence is sqrt(B)-GDP, for which the epsilon at a delta is
//! exact ([`gaussian`](crate::gaussian)).
//!
//! ```
//! use reticent_accounting::{Delta, Epsilon, Event, NoiseMultiplier, filter::GdpFilter};
//! let filter = GdpFilter::open(Epsilon::new(1.0)?, Delta::new(1e-5)?)?;
//! let query = Event::Gaussian { noise_multiplier: NoiseMultiplier::new(20.0)? };
//! let (mut spent, mut queries) = (0.0, 0);
//! while let Ok(after) = filter.admit(spent, &query) {
//!     (spent, queries) = (after, queries + 1);
//! }
//! assert_eq!(queries, 28); // (20/3.7306)^2 = 28.7
//! # Ok::<(), reticent_accounting::Error>(())
//! ```

use serde::{Deserialize, Serialize};

use super::{Currency, check_spent, largest};
use crate::gaussian::{epsilon_of_mu, mu};
use crate::{Delta, Epsilon, Error, Event};

/// A budget of (epsilon, delta) kept in the squared mu of Gaussian differential privacy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct GdpFilter {
    state: State,
    total: f64,
}

/// What is written down: everything else follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    epsilon: Epsilon,
    delta: Delta,
}

impl GdpFilter {
    /// Opens a filter; [`Error::BudgetTooSmall`] at delta 0, where no Gaussian fits.
    pub fn open(epsilon: Epsilon, delta: Delta) -> Result<Self, Error> {
        let mu = largest(epsilon.get(), |mu| epsilon_of_mu(mu, delta));
        // epsilon_of_mu is rounded up by 1e-12: squaring rounds by less.
        let total = mu * mu * (1.0 - 4.0 * f64::EPSILON);
        if total > 0.0 && total.is_finite() {
            Ok(Self { state: State { epsilon, delta }, total })
        } else {
            Err(Error::BudgetTooSmall { epsilon, delta, currency: Currency::SquaredMu })
        }
    }

    /// The squared mu spent after `event`, if it fits on top of `spent`; a refusal changes nothing.
    ///
    /// [`Error::UnsupportedEvent`] for anything but Gaussians without sampling, [`Error::BudgetSpent`] carries the amounts.
    pub fn admit(&self, spent: f64, event: &Event) -> Result<f64, Error> {
        let asked = mu(event)?.powi(2) * (1.0 + 4.0 * f64::EPSILON);
        let left = self.remaining(spent)?;
        let after = spent + asked;
        if after <= self.total {
            Ok(after)
        } else {
            let State { epsilon, delta } = self.state;
            Err(Error::BudgetSpent { asked, left, total: self.total, currency: Currency::SquaredMu, epsilon, delta })
        }
    }

    /// The squared mu that may still be spent; [`Error::OutOfRange`] where `spent` is negative or not a number.
    pub fn remaining(&self, spent: f64) -> Result<f64, Error> {
        check_spent(spent)?;
        Ok((self.total - spent).max(0.0))
    }

    /// The epsilon that `spent` stands for at the filter's delta.
    pub fn epsilon_of(&self, spent: f64) -> Result<Epsilon, Error> {
        check_spent(spent)?;
        Epsilon::new(epsilon_of_mu(spent.sqrt(), self.state.delta)?)
    }

    /// The squared mu there is to spend in all.
    #[must_use]
    pub const fn total(&self) -> f64 {
        self.total
    }
}

impl TryFrom<State> for GdpFilter {
    type Error = Error;
    fn try_from(state: State) -> Result<Self, Error> {
        Self::open(state.epsilon, state.delta)
    }
}

impl From<GdpFilter> for State {
    fn from(filter: GdpFilter) -> Self {
        filter.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoiseMultiplier, SamplingRate};

    fn query(sigma: f64) -> Event {
        Event::Gaussian { noise_multiplier: NoiseMultiplier::new(sigma).unwrap() }
    }

    /// Published calibrations of the analytic Gaussian mechanism at delta 1e-5 (Balle & Wang 2018's algorithm, as computed by
    /// dp-accounting 0.6.0): the budget holds one query of that noise and none of a part in 10^4 less.
    #[test]
    fn one_query_fits_exactly_at_its_calibrated_noise() {
        for (epsilon, sigma) in [(0.1, 30.749_566), (1.0, 3.730_632), (4.0, 1.081_162), (10.0, 0.499_889)] {
            let filter = GdpFilter::open(Epsilon::new(epsilon).unwrap(), Delta::new(1e-5).unwrap()).unwrap();
            assert!(filter.admit(0.0, &query(sigma * 1.000_01)).is_ok(), "epsilon {epsilon}");
            assert!(filter.admit(0.0, &query(sigma * 0.999_9)).is_err(), "epsilon {epsilon}");
            let back = filter.epsilon_of(filter.total()).unwrap().get();
            assert!(back <= epsilon && back > epsilon * (1.0 - 1e-9), "{back} of {epsilon}");
        }
    }

    #[test]
    fn refusals_are_named() {
        let (epsilon, delta) = (Epsilon::new(1.0).unwrap(), Delta::new(1e-5).unwrap());
        let filter = GdpFilter::open(epsilon, delta).unwrap();
        let sampled = Event::dp_sgd(NoiseMultiplier::new(20.0).unwrap(), SamplingRate::new(0.5).unwrap(), 1);
        assert!(matches!(filter.admit(0.0, &sampled), Err(Error::UnsupportedEvent { .. })));
        assert!(matches!(filter.admit(f64::NAN, &query(20.0)), Err(Error::OutOfRange { .. })));
        assert!(GdpFilter::open(epsilon, Delta::new(0.0).unwrap()).is_err());
        let spent = filter.admit(0.0, &query(1.0)).unwrap_err().to_string();
        assert!(spent.ends_with("(mu squared)"), "{spent}");
        let json = serde_json::to_string(&filter).unwrap();
        assert_eq!(json, r#"{"epsilon":1.0,"delta":0.00001}"#);
        assert_eq!(serde_json::from_str::<GdpFilter>(&json).unwrap(), filter);
    }
}
