//! A budget in rho, with delta beside it: the filter for mechanisms known by (epsilon, delta), and for queries.
//!
//! Whitehouse, Ramdas, Rogers & Wu 2023 (*Fully-Adaptive Composition in Differential Privacy*, arXiv:2203.05481), Theorem 2: as long
//! as the rho_i add up to at most rho and the delta_i to at most delta'', an adaptive sequence of delta_i-approximate rho_i-zCDP
//! mechanisms is delta''-approximate rho-zCDP, so (epsilon(rho, delta'), delta' + delta'')-DP. What is (epsilon, delta)-DP is
//! delta-approximate epsilon^2/2-zCDP, which gives the rates of advanced composition for mechanisms chosen one after the other
//! (their Theorem 1; here with the tighter conversion of Canonne, Kamath & Steinke 2020, which is sound as the rho is fixed when
//! the filter opens).
//!
//! ```
//! use reticent_accounting::{Delta, Epsilon, Event, filter::ZcdpFilter, zcdp::Concentrated};
//! // delta 1e-5 in all, of which events may take 1e-6.
//! let filter = ZcdpFilter::open(Epsilon::new(2.0)?, Delta::new(1e-5)?, Delta::new(1e-6)?)?;
//! let query = Event::Pure { epsilon: Epsilon::new(0.1)? };
//! let (mut spent, mut queries) = (Concentrated::default(), 0);
//! while let Ok(after) = filter.admit(spent, &query) {
//!     (spent, queries) = (after, queries + 1);
//! }
//! assert_eq!(queries, 21); // simple composition allows 20
//! # Ok::<(), reticent_accounting::Error>(())
//! ```

use serde::{Deserialize, Serialize};

use super::{Currency, check_spent, largest};
use crate::zcdp::{self, Concentrated};
use crate::{Delta, Epsilon, Error, Event};

/// A budget of (epsilon, delta) kept in approximate zero-concentrated differential privacy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct ZcdpFilter {
    state: State,
    /// The rho that may be spent.
    total: f64,
}

/// What is written down: everything else follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    epsilon: Epsilon,
    delta: Delta,
    delta_for_events: Delta,
}

impl State {
    /// What is left of delta for the conversion.
    fn delta_for_conversion(&self) -> Result<Delta, Error> {
        Delta::new((self.delta.get() - self.delta_for_events.get()).next_down())
    }
}

impl ZcdpFilter {
    /// Opens a filter of which `delta_for_events`, less than `delta`, is for events with a delta of their own.
    ///
    /// [`Error::BudgetTooSmall`] where nothing is left to spend, [`Error::OutOfRange`] where `delta_for_events` is not less.
    pub fn open(epsilon: Epsilon, delta: Delta, delta_for_events: Delta) -> Result<Self, Error> {
        let state = State { epsilon, delta, delta_for_events };
        let conversion = state.delta_for_conversion()?;
        // One part in 10^12 less, so that converting back cannot round above epsilon.
        let total = largest(epsilon.get(), |rho| zcdp::epsilon(rho, conversion).map(Epsilon::get)) * (1.0 - 1e-12);
        if total > 0.0 { Ok(Self { state, total }) } else { Err(Error::BudgetTooSmall { epsilon, delta, currency: Currency::Rho }) }
    }

    /// What is spent after `event`, if it fits on top of `spent`; a refusal changes nothing.
    ///
    /// [`Error::UnsupportedEvent`] for what has no rho, [`Error::BudgetSpent`] carries the amounts.
    pub fn admit(&self, spent: Concentrated, event: &Event) -> Result<Concentrated, Error> {
        let asked = zcdp::concentrated(event)?;
        let left = self.remaining(spent)?;
        let after = Concentrated { rho: spent.rho + asked.rho, delta: spent.delta + asked.delta };
        let State { epsilon, delta, delta_for_events } = self.state;
        let refused = |asked, left, total, currency| Err(Error::BudgetSpent { asked, left, total, currency, epsilon, delta });
        if after.delta > delta_for_events.get() {
            return refused(asked.delta, left.delta, delta_for_events.get(), Currency::Delta);
        }
        if after.rho > self.total {
            return refused(asked.rho, left.rho, self.total, Currency::Rho);
        }
        Ok(after)
    }

    /// What may still be spent; [`Error::OutOfRange`] where `spent` is negative or not a number.
    pub fn remaining(&self, spent: Concentrated) -> Result<Concentrated, Error> {
        check_spent(spent.rho)?;
        check_spent(spent.delta)?;
        Ok(Concentrated { rho: (self.total - spent.rho).max(0.0), delta: (self.state.delta_for_events.get() - spent.delta).max(0.0) })
    }

    /// The epsilon that `spent` stands for at the filter's delta: the delta that events did not take is left unused, as what is
    /// promised may not depend on it.
    pub fn epsilon_of(&self, spent: Concentrated) -> Result<Epsilon, Error> {
        check_spent(spent.rho)?;
        zcdp::epsilon(spent.rho, self.state.delta_for_conversion()?)
    }

    /// The rho there is to spend in all.
    #[must_use]
    pub const fn total(&self) -> f64 {
        self.total
    }
}

impl TryFrom<State> for ZcdpFilter {
    type Error = Error;
    fn try_from(state: State) -> Result<Self, Error> {
        Self::open(state.epsilon, state.delta, state.delta_for_events)
    }
}

impl From<ZcdpFilter> for State {
    fn from(filter: ZcdpFilter) -> Self {
        filter.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoiseMultiplier, SamplingRate};

    fn open(epsilon: f64, delta: f64, for_events: f64) -> ZcdpFilter {
        ZcdpFilter::open(Epsilon::new(epsilon).unwrap(), Delta::new(delta).unwrap(), Delta::new(for_events).unwrap()).unwrap()
    }

    fn query(epsilon: f64, delta: f64) -> Event {
        Event::Approximate { epsilon: Epsilon::new(epsilon).unwrap(), delta: Delta::new(delta).unwrap() }
    }

    /// Whitehouse et al. 2023, Theorem 1: sqrt(2 ln(1/delta') sum e^2) + sum e^2/2 <= epsilon admits; ours never admits less.
    #[test]
    fn admits_what_advanced_composition_does() {
        for (epsilon, one) in [(1.0_f64, 0.01_f64), (2.0, 0.1), (8.0, 0.3)] {
            let (delta, for_events) = (1e-5, 1e-6);
            let filter = open(epsilon, delta, for_events);
            let published = |k: f64| (2.0 * (1.0 / (delta - for_events)).ln() * k * one * one).sqrt() + 0.5 * k * one * one;
            let (mut spent, mut admitted) = (Concentrated::default(), 0);
            while let Ok(after) = filter.admit(spent, &query(one, 1e-12)) {
                (spent, admitted) = (after, admitted + 1);
            }
            let theirs = (1..).take_while(|&k| published(f64::from(k)) <= epsilon).count();
            assert!(admitted >= theirs && admitted < 2 * theirs, "{admitted} and {theirs}");
            assert!(filter.epsilon_of(spent).unwrap().get() <= epsilon);
        }
    }

    /// The truth for Gaussians is known: what is admitted stays below it.
    #[test]
    fn gaussians_stay_within_the_exact_epsilon() {
        for (epsilon, sigma) in [(0.5, 40.0), (2.0, 10.0), (8.0, 3.0)] {
            let filter = open(epsilon, 1e-5, 0.0);
            let one = Event::Gaussian { noise_multiplier: NoiseMultiplier::new(sigma).unwrap() };
            let (mut spent, mut admitted) = (Concentrated::default(), 0);
            while let Ok(after) = filter.admit(spent, &one) {
                (spent, admitted) = (after, admitted + 1);
            }
            let exact = crate::gaussian::epsilon(&one.times(admitted), Delta::new(1e-5).unwrap()).unwrap().get();
            assert!(exact <= epsilon && exact > 0.8 * epsilon, "{exact} of {epsilon}");
        }
    }

    #[test]
    fn deltas_are_a_budget_of_their_own() {
        let filter = open(2.0, 1e-5, 1e-6);
        let mut spent = Concentrated::default();
        for _ in 0..10 {
            spent = filter.admit(spent, &query(0.01, 1e-7 * (1.0 - 1e-12))).unwrap();
        }
        let refused = filter.admit(spent, &query(0.01, 1e-7)).unwrap_err();
        assert!(matches!(refused, Error::BudgetSpent { currency: Currency::Delta, .. }), "{refused}");
        assert!(filter.admit(spent, &query(0.01, 0.0)).is_ok());
        assert!(matches!(filter.admit(spent, &query(9.0, 0.0)), Err(Error::BudgetSpent { currency: Currency::Rho, .. })));
    }

    #[test]
    fn refusals_are_named() {
        let delta = Delta::new(1e-5).unwrap();
        assert!(matches!(ZcdpFilter::open(Epsilon::new(1.0).unwrap(), delta, delta), Err(Error::OutOfRange { .. })));
        assert!(matches!(ZcdpFilter::open(Epsilon::ZERO, delta, Delta::new(0.0).unwrap()), Err(Error::BudgetTooSmall { .. })));
        let filter = open(1.0, 1e-5, 0.0);
        let sampled = Event::dp_sgd(NoiseMultiplier::new(2.0).unwrap(), SamplingRate::new(0.1).unwrap(), 1);
        assert!(matches!(filter.admit(Concentrated::default(), &sampled), Err(Error::UnsupportedEvent { .. })));
        let damaged = Concentrated { rho: f64::NAN, delta: 0.0 };
        assert!(matches!(filter.admit(damaged, &query(0.1, 0.0)), Err(Error::OutOfRange { .. })));
        let json = serde_json::to_string(&filter).unwrap();
        assert_eq!(serde_json::from_str::<ZcdpFilter>(&json).unwrap(), filter);
        assert!(serde_json::from_str::<ZcdpFilter>(r#"{"epsilon":1.0,"delta":1e-5,"delta_for_events":1e-5}"#).is_err());
    }
}
