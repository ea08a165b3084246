//! What has been lost up to now, when nobody set a budget: true at every moment at once.
//!
//! The privacy loss L of an adaptive sequence and its divergences r_i(a), each given what came before, make
//! exp((a - 1) (L - sum r_i(a))) a supermartingale that starts at 1. By Ville's inequality the probability that it ever reaches
//! 1/(w delta) is at most w delta; with weights w that add up to 1 over a list of orders fixed in advance, the probability that
//! at any moment L > min over orders of sum r_i(a) + ln(1/(w delta))/(a - 1) is at most delta. So whenever one stops, also for a
//! reason seen in the outputs, the sequence up to there is (that, delta)-DP. Whitehouse, Ramdas, Rogers & Wu 2023
//! (arXiv:2203.05481), section 5, prove such odometers for rho; the argument is the same order by order.
//!
//! The price of being right at every moment, and of many orders, against a [`RenyiFilter`](super::RenyiFilter) of known budget is
//! the conversion without its logarithms and ln(number of orders)/(a - 1).
//!
//! ```
//! use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, filter::RenyiOdometer};
//! let mut odometer = RenyiOdometer::open(Delta::new(1e-5)?);
//! let epoch = Event::dp_sgd(NoiseMultiplier::new(1.1)?, SamplingRate::new(0.01)?, 100);
//! for _ in 0..10 {
//!     odometer.record(&epoch)?;
//! }
//! assert_eq!(format!("{:.2}", odometer.epsilon()?.get()), "2.62"); // 1.93 by a filter of that size
//! # Ok::<(), reticent_accounting::Error>(())
//! ```

use serde::{Deserialize, Serialize};

use super::check_spent;
use crate::{Delta, Epsilon, Error, Event, Order, rdp};

/// The orders of every odometer, with equal weights.
const ORDERS: [f64; 16] = [1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 11.0, 16.0, 24.0, 32.0, 48.0, 64.0, 128.0, 512.0];

/// A running account of what adaptively chosen events have cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct RenyiOdometer {
    delta: Delta,
    /// Divergences so far at [`ORDERS`].
    divergences: [f64; ORDERS.len()],
}

/// What is written down: the orders as well, so that a change of theirs cannot change the meaning of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    delta: Delta,
    spent: Vec<(Order, Option<f64>)>,
}

impl RenyiOdometer {
    /// An odometer at which nothing has happened yet.
    #[must_use]
    pub const fn open(delta: Delta) -> Self {
        Self { delta, divergences: [0.0; ORDERS.len()] }
    }

    /// Records an event, which may depend on everything that was released before.
    ///
    /// [`Error::UnsupportedEvent`] where no formula is known; the odometer is then unchanged, and if the event has happened all
    /// the same, what it says is no longer true.
    pub fn record(&mut self, event: &Event) -> Result<(), Error> {
        let mut after = self.divergences;
        for (sum, order) in after.iter_mut().zip(ORDERS) {
            *sum += match rdp::rdp(event, Order::new(order)?) {
                Ok(divergence) => divergence,
                // This order says nothing any more; the others do.
                Err(Error::Unrepresentable { .. }) => f64::INFINITY,
                Err(refused) => return Err(refused),
            };
        }
        self.divergences = after;
        Ok(())
    }

    /// An upper bound on the privacy loss up to now, wrong at any moment with probability delta at most.
    ///
    /// [`Error::DeltaTooSmall`] at delta 0 after any event, [`Error::Unrepresentable`] where every order has overflown.
    pub fn epsilon(&self) -> Result<Epsilon, Error> {
        if self.divergences == [0.0; ORDERS.len()] {
            return Ok(Epsilon::ZERO);
        }
        if self.delta.get() == 0.0 {
            return Err(Error::DeltaTooSmall { accountant: "an odometer", delta: 0.0, smallest: f64::MIN_POSITIVE });
        }
        let surprise = (ORDERS.len() as f64 / self.delta.get()).ln();
        let least = self.divergences.iter().zip(ORDERS).map(|(sum, order)| sum + surprise / (order - 1.0)).fold(f64::INFINITY, f64::min);
        Epsilon::new(least).map_err(|_| Error::Unrepresentable { quantity: "epsilon" })
    }
}

impl TryFrom<State> for RenyiOdometer {
    type Error = Error;
    fn try_from(state: State) -> Result<Self, Error> {
        let mut odometer = Self::open(state.delta);
        let orders = state.spent.iter().map(|(order, _)| order.get());
        if !orders.eq(ORDERS) {
            let value = state.spent.len() as f64;
            return Err(Error::OutOfRange { quantity: "the list of orders", value, range: "that of this version's odometers" });
        }
        for (sum, (_, spent)) in odometer.divergences.iter_mut().zip(&state.spent) {
            *sum = spent.map_or(Ok(f64::INFINITY), |spent| check_spent(spent).map(|()| spent))?;
        }
        Ok(odometer)
    }
}

impl From<RenyiOdometer> for State {
    fn from(odometer: RenyiOdometer) -> Self {
        let order = |order| Order::new(order).expect("orders are above 1");
        let spent = ORDERS.iter().zip(odometer.divergences).map(|(&o, sum)| (order(o), sum.is_finite().then_some(sum))).collect();
        Self { delta: odometer.delta, spent }
    }
}

#[cfg(test)]
mod tests {
    use rand_core::{Rng, SeedableRng};

    use super::*;
    use crate::{NoiseMultiplier, SamplingRate, gaussian};

    fn gaussian_of(sigma: f64) -> Event {
        Event::Gaussian { noise_multiplier: NoiseMultiplier::new(sigma).unwrap() }
    }

    /// Losses of Gaussians are Gaussian: a walk whose noise is chosen after seeing how it goes passes the odometer no more often
    /// than delta allows. 4,000 walks at delta 0.05: more than 200 + 5 standard deviations (269) fail; false alarms below 1e-6.
    #[test]
    fn the_loss_passes_it_no_more_often_than_delta() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
        let mut normal = || {
            let uniform = |word: u64| (word >> 11) as f64 / (1_u64 << 53) as f64;
            let (u, v) = (1.0 - uniform(rng.next_u64()), uniform(rng.next_u64()));
            (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
        };
        // A whole odometer a walk would be slow: both kinds of step are recorded once and added up.
        let steps = [gaussian_of(4.0), gaussian_of(1.5)];
        let costs = steps.map(|event| {
            let mut one = RenyiOdometer::open(Delta::new(0.05).unwrap());
            one.record(&event).unwrap();
            one.divergences
        });
        let (mut passed, mut close) = (0, 0);
        for _ in 0..4_000 {
            let mut odometer = RenyiOdometer::open(Delta::new(0.05).unwrap());
            let (mut loss, mut ever, mut near) = (0.0, false, false);
            for _ in 0..60 {
                // The adversary spends more as soon as things go well.
                let choice = usize::from(loss > 0.5);
                let mu: f64 = [1.0 / 4.0, 1.0 / 1.5][choice];
                loss += mu * mu / 2.0 + mu * normal();
                for (sum, cost) in odometer.divergences.iter_mut().zip(costs[choice]) {
                    *sum += cost;
                }
                let said = odometer.epsilon().unwrap().get();
                ever |= loss > said;
                near |= loss > 0.5 * said;
            }
            passed += u32::from(ever);
            close += u32::from(near);
        }
        assert!(passed <= 269, "{passed} of 4000");
        assert!(close > 269, "{close}: the walk never comes near, so that nothing was tested");
    }

    #[test]
    fn it_is_never_below_the_exact_epsilon_and_not_far_above() {
        for (sigma, count) in [(10.0, 1), (10.0, 100), (2.0, 10)] {
            let mut odometer = RenyiOdometer::open(Delta::new(1e-5).unwrap());
            for _ in 0..count {
                odometer.record(&gaussian_of(sigma)).unwrap();
            }
            let exact = gaussian::epsilon(&gaussian_of(sigma).times(count), Delta::new(1e-5).unwrap()).unwrap().get();
            let said = odometer.epsilon().unwrap().get();
            assert!(said >= exact && said < 1.7 * exact, "{said} for {exact}");
        }
    }

    #[test]
    fn json_holds_the_orders_and_is_checked() {
        let mut odometer = RenyiOdometer::open(Delta::new(1e-5).unwrap());
        odometer.record(&Event::dp_sgd(NoiseMultiplier::new(0.05).unwrap(), SamplingRate::new(0.5).unwrap(), 3)).unwrap();
        let json = serde_json::to_string(&odometer).unwrap();
        assert_eq!(serde_json::from_str::<RenyiOdometer>(&json).unwrap(), odometer);
        for broken in ["1.25,-1.0", "1.26,0.0"] {
            let first = format!("[1.25,{}]", odometer.divergences[0]);
            let changed = json.replace(&first, &format!("[{broken}]"));
            assert_ne!(changed, json);
            assert!(serde_json::from_str::<RenyiOdometer>(&changed).is_err(), "{broken}");
        }
        let before = odometer.clone();
        assert!(odometer.record(&Event::Unsupported { name: "x".into() }).is_err());
        assert_eq!(odometer, before);
    }
}
