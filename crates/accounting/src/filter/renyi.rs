//! A budget in Renyi divergence at one order: the filter for sampled batches.
//!
//! Feldman & Zrnic 2021 (arXiv:2008.11193), Theorem 4.3: as long as the divergences of the admitted events, at one order
//! fixed before the first, add up to at most B, the whole adaptive sequence is (order, B)-RDP, and so (epsilon, delta)-DP
//! by the conversion of [`rdp`].
//!
//! Draws that are only nearly of their law ([`Event::Inexact`]) take from delta, of which one part in 2^20 is kept for them: an event that
//! takes a share of that part costs at least the same share of all there is to spend, so that what they take together is covered as well.
//!
//! The order is fixed when the filter opens, and not the best over all orders at each look, because the theorem
//! bounds one order at a time: which order would look best depends on the events admitted, so on outputs seen, and a
//! minimum taken after looking needs a union over the orders, which nobody paid for.
//!
//! ```
//! use reticent_accounting::{Delta, Epsilon, Event, NoiseMultiplier, SamplingRate, filter};
//! let (epsilon, delta) = (Epsilon::new(3.0)?, Delta::new(1e-5)?);
//! let run = Event::dp_sgd(NoiseMultiplier::new(1.1)?, SamplingRate::new(0.01)?, 1_000);
//! let order = filter::best_order(epsilon, delta, &run)?;
//! let filter = filter::RenyiFilter::open(epsilon, delta, order)?;
//! let spent = filter.admit(0.0, &run)?;
//! assert_eq!(format!("{:.2}", filter.epsilon_of(spent)?.get()), "1.93");
//! assert!(filter.admit(spent, &run.times(3)).is_err());
//! # Ok::<(), reticent_accounting::Error>(())
//! ```

use serde::{Deserialize, Serialize};

use super::{Currency, check_spent};
use crate::rdp::{self, epsilon_from_rdp, minimise_over_orders};
use crate::{Delta, Epsilon, Error, Event, Order};

/// A budget of (epsilon, delta) kept in Renyi divergence at one order.
///
/// It holds no running total: the spent divergence is the caller's to store (a ledger entry), so that a filter read
/// back from a file cannot disagree with the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct RenyiFilter {
    state: State,
    /// The divergence that may be spent.
    total: f64,
}

/// What is written down: everything else follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    epsilon: Epsilon,
    delta: Delta,
    order: Order,
}

impl RenyiFilter {
    /// Opens a filter; [`Error::BudgetTooSmall`] where the conversion at this order leaves nothing to spend.
    pub fn open(epsilon: Epsilon, delta: Delta, order: Order) -> Result<Self, Error> {
        let total = budget(epsilon, delta, order.get());
        if total > 0.0 {
            Ok(Self { state: State { epsilon, delta, order }, total })
        } else {
            Err(Error::BudgetTooSmall { epsilon, delta, currency: Currency::Renyi(order) })
        }
    }

    /// The divergence spent after `event`, if it fits on top of `spent`; nothing is stored, so a refusal changes
    /// nothing. [`Error::BudgetSpent`] carries the amounts.
    pub fn admit(&self, spent: f64, event: &Event) -> Result<f64, Error> {
        let asked = self.cost(event)?;
        let left = self.remaining(spent)?;
        // Compared as a sum, with the same rounding as the total that a ledger would add up.
        let after = spent + asked;
        if after <= self.total {
            Ok(after)
        } else {
            let State { epsilon, delta, order } = self.state;
            Err(Error::BudgetSpent { asked, left, total: self.total, currency: Currency::Renyi(order), epsilon, delta })
        }
    }

    /// What `event` costs: its Renyi divergence at the filter's order, or the share of the total that its [inexact](Event::Inexact) draws
    /// take of their part of delta, whichever is more.
    pub fn cost(&self, event: &Event) -> Result<f64, Error> {
        let divergence = rdp::but_for_variation(event, self.state.order)?;
        let taken = event.parts(rdp::NAME)?.inexact.delta(self.state.epsilon.get());
        let share = if taken > 0.0 { taken / (KEPT * self.state.delta.get()) } else { 0.0 };
        let cost = divergence.max(share * self.total);
        if cost.is_finite() { Ok(cost) } else { Err(Error::Unrepresentable { quantity: "the Renyi divergence" }) }
    }

    /// The divergence that may still be spent, 0 where `spent` is past the total.
    ///
    /// [`Error::OutOfRange`] where `spent` is negative or not a number: a ledger that says so is damaged.
    pub fn remaining(&self, spent: f64) -> Result<f64, Error> {
        check_spent(spent)?;
        Ok((self.total - spent).max(0.0))
    }

    /// The epsilon that `spent` stands for at the filter's delta.
    pub fn epsilon_of(&self, spent: f64) -> Result<Epsilon, Error> {
        check_spent(spent)?;
        if spent == 0.0 {
            return Ok(Epsilon::ZERO);
        }
        Epsilon::new(epsilon_from_rdp(spent, self.state.order.get(), for_divergence(self.state.delta)).max(0.0))
    }

    /// The divergence there is to spend in all.
    #[must_use]
    pub const fn total(&self) -> f64 {
        self.total
    }

    /// The budget in epsilon.
    #[must_use]
    pub const fn epsilon(&self) -> Epsilon {
        self.state.epsilon
    }

    /// The delta of the budget.
    #[must_use]
    pub const fn delta(&self) -> Delta {
        self.state.delta
    }

    /// The order fixed at opening.
    #[must_use]
    pub const fn order(&self) -> Order {
        self.state.order
    }
}

impl TryFrom<State> for RenyiFilter {
    type Error = Error;
    fn try_from(state: State) -> Result<Self, Error> {
        Self::open(state.epsilon, state.delta, state.order)
    }
}

impl From<RenyiFilter> for State {
    fn from(filter: RenyiFilter) -> Self {
        filter.state
    }
}

/// The order at which the planned event takes the smallest part of the budget.
///
/// Choose it from the plan alone, before anything is released. [`Error::BudgetTooSmall`] where the budget leaves
/// nothing at any order.
pub fn best_order(epsilon: Epsilon, delta: Delta, planned: &Event) -> Result<Order, Error> {
    // Refuse what has no formula before searching: inside the search an error is only an unattractive order.
    rdp::but_for_variation(planned, Order::new(2.0)?)?;
    let share = |order: f64| {
        let total = budget(epsilon, delta, order);
        if total <= 0.0 {
            return f64::INFINITY;
        }
        match Order::new(order).and_then(|order| rdp::but_for_variation(planned, order)) {
            // An event that costs nothing leaves the choice to the largest budget.
            Ok(cost) => (cost + 1e-12) / total,
            Err(_) => f64::INFINITY,
        }
    };
    let (order, share) = minimise_over_orders(share);
    let order = Order::new(order)?;
    if share.is_finite() { Ok(order) } else { Err(Error::BudgetTooSmall { epsilon, delta, currency: Currency::Renyi(order) }) }
}

/// The largest divergence whose conversion meets (epsilon, delta); not positive where there is none.
fn budget(epsilon: Epsilon, delta: Delta, order: f64) -> f64 {
    let total = epsilon.get() - epsilon_from_rdp(0.0, order, for_divergence(delta));
    // One part in 10^15 less, so that converting back cannot round above epsilon.
    if total.is_finite() { total - 4.0 * f64::EPSILON * (total.abs() + epsilon.get()) } else { f64::NEG_INFINITY }
}

/// The part of delta kept for draws that are not exactly of their law.
const KEPT: f64 = 1.0 / (1_u32 << 20) as f64;

/// What is left of delta.
fn for_divergence(delta: Delta) -> f64 {
    delta.get() * (1.0 - KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoiseMultiplier, SamplingRate};

    fn run(steps: u64) -> Event {
        Event::dp_sgd(NoiseMultiplier::new(1.1).unwrap(), SamplingRate::new(0.01).unwrap(), steps)
    }

    fn open() -> RenyiFilter {
        let (epsilon, delta) = (Epsilon::new(3.0).unwrap(), Delta::new(1e-5).unwrap());
        RenyiFilter::open(epsilon, delta, best_order(epsilon, delta, &run(1_000)).unwrap()).unwrap()
    }

    #[test]
    fn admits_exactly_what_fits() {
        let filter = open();
        let (mut spent, mut steps) = (0.0, 0_u64);
        while let Ok(after) = filter.admit(spent, &run(10)) {
            (spent, steps) = (after, steps + 10);
            assert!(steps < 100_000, "the filter never closes");
        }
        assert!(filter.epsilon_of(spent).unwrap().get() <= 3.0);
        assert!(filter.epsilon_of(spent + filter.cost(&run(10)).unwrap()).unwrap().get() > 3.0);
        match filter.admit(spent, &run(10)).unwrap_err() {
            Error::BudgetSpent { asked, left, total, .. } => {
                assert!(asked > left && left >= 0.0 && (total - filter.total()).abs() == 0.0);
            }
            other => panic!("{other}"),
        }
        // One run of the same length, planned at once, fits as well as the parts did.
        assert!((rdp::rdp(&run(steps), filter.order()).unwrap() / spent - 1.0).abs() < 1e-9);
        assert!(filter.admit(0.0, &run(steps + 10)).is_err());
    }

    #[test]
    fn the_whole_total_converts_to_the_budget_and_not_above() {
        for epsilon in [0.1, 1.0, 8.0, 1e4] {
            for delta in [1e-3, 1e-5, 1e-12] {
                for order in [1.5, 4.0, 64.0, 1_000.0] {
                    let (epsilon, delta) = (Epsilon::new(epsilon).unwrap(), Delta::new(delta).unwrap());
                    let Ok(filter) = RenyiFilter::open(epsilon, delta, Order::new(order).unwrap()) else { continue };
                    let back = filter.epsilon_of(filter.total()).unwrap().get();
                    assert!(back <= epsilon.get() && back > epsilon.get() * (1.0 - 1e-12), "{back} {epsilon}");
                }
            }
        }
    }

    /// However events share delta among them, all that are admitted take no more than is kept; and those whose draws are near enough cost
    /// what exact ones do.
    #[test]
    fn inexact_draws_are_paid_for() {
        let filter = open();
        let with = |total_variation: f64| {
            let draws = Event::Inexact { log_ratio: Epsilon::ZERO, total_variation: Delta::new(total_variation).unwrap() };
            Event::Composed { events: vec![run(1), draws] }
        };
        let exact = filter.cost(&run(1)).unwrap();
        assert_eq!(filter.cost(&with(1e-30)).unwrap(), exact);
        let taken = |total_variation: f64| total_variation * (1.0 + 3.0_f64.exp()) / (1e-5 / f64::from(1 << 20));
        let rough = 1e-14;
        assert!((filter.cost(&with(rough)).unwrap() / (filter.total() * taken(rough)) - 1.0).abs() < 1e-9 && taken(rough) > 0.01);
        let (mut spent, mut admitted) = (0.0, 0_u32);
        while let Ok(after) = filter.admit(spent, &with(rough)) {
            (spent, admitted) = (after, admitted + 1);
        }
        let all = f64::from(admitted) * taken(rough);
        assert!(all <= 1.0 && all > 0.9, "{admitted}: {all}");
        assert!(filter.admit(0.0, &with(1e-11)).is_err(), "no room for one");
        // A ratio of densities is a divergence at any order.
        let ratio = Event::Inexact { log_ratio: Epsilon::new(0.1).unwrap(), total_variation: Delta::new(0.0).unwrap() };
        let order = filter.order().get();
        let cost = filter.cost(&ratio).unwrap();
        assert!((cost / (0.1 * (2.0 * order - 1.0) / (order - 1.0)) - 1.0).abs() < 1e-12, "{cost}");
        assert_eq!(rdp::rdp(&ratio, filter.order()).unwrap(), cost);
        assert!(rdp::rdp(&with(1e-30), filter.order()).is_err());
    }

    #[test]
    fn refusals_are_named() {
        let delta = Delta::new(1e-5).unwrap();
        let small = RenyiFilter::open(Epsilon::new(0.1).unwrap(), delta, Order::new(2.0).unwrap()).unwrap_err();
        assert_eq!(small.to_string(), "a budget of epsilon 0.1 at delta 0.00001 leaves nothing to spend in Renyi divergence at order 2");
        assert!(matches!(open().admit(f64::NAN, &run(1)), Err(Error::OutOfRange { .. })));
        assert!(matches!(open().admit(-1.0, &run(1)), Err(Error::OutOfRange { .. })));
        let pure = best_order(Epsilon::new(1.0).unwrap(), Delta::new(0.0).unwrap(), &run(1)).unwrap_err();
        assert!(matches!(pure, Error::BudgetTooSmall { .. }), "{pure}");
    }

    #[test]
    fn json_holds_the_state_and_is_checked() {
        let filter = open();
        let json = serde_json::to_string(&filter).unwrap();
        assert_eq!(serde_json::from_str::<RenyiFilter>(&json).unwrap(), filter);
        assert!(serde_json::from_str::<RenyiFilter>(r#"{"epsilon":0.1,"delta":1e-5,"order":2}"#).is_err());
        assert!(serde_json::from_str::<RenyiFilter>(r#"{"epsilon":3,"delta":1e-5,"order":1}"#).is_err());
    }
}
