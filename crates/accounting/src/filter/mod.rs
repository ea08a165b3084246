//! Budgets that stay true when later runs are chosen after seeing the results of earlier ones.
//!
//! Composition theorems that fix every parameter in advance do not cover that: someone who sees one model and then decides
//! how to train the next has chosen an event that depends on data. A *filter* does: it is given a budget once, admits events
//! one by one as long as they fit, and the whole sequence meets the budget however they were chosen. An *odometer* has no
//! budget and tells at every moment what has been lost.
//!
//! | | adds up | events | source |
//! |---|---|---|---|
//! | [`RenyiFilter`] | Renyi divergence at one order | all that [`rdp`](crate::rdp) bounds, sampled batches above all | Feldman & Zrnic 2021 |
//! | [`ZcdpFilter`] | rho, and delta beside it | Gaussians without sampling, pure and (epsilon, delta) mechanisms | Whitehouse, Ramdas, Rogers & Wu 2023 |
//! | [`GdpFilter`] | mu^2 | Gaussians without sampling, exactly | Smith & Thakurta 2022 |
//! | [`RenyiOdometer`] | divergences at several orders | all that [`rdp`](crate::rdp) bounds | Ville's inequality |
//!
//! Filters hold no running total: what is spent is the caller's to store (a ledger entry), so that a filter read back from a
//! file cannot disagree with the ledger. Neighbours: add or remove one, as for every accountant here.

use std::fmt;

mod concentrated;
mod gaussian;
mod odometer;
mod renyi;

pub use concentrated::ZcdpFilter;
pub use gaussian::GdpFilter;
pub use odometer::RenyiOdometer;
pub use renyi::{RenyiFilter, best_order};

use crate::{Error, Order};

/// What a filter adds up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Currency {
    /// Renyi divergence at this order.
    Renyi(Order),
    /// The rho of zero-concentrated differential privacy.
    Rho,
    /// The square of the mu of Gaussian differential privacy.
    SquaredMu,
    /// The deltas of events.
    Delta,
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Renyi(order) => write!(f, "Renyi divergence at order {order}"),
            Self::Rho => f.write_str("rho"),
            Self::SquaredMu => f.write_str("mu squared"),
            Self::Delta => f.write_str("delta"),
        }
    }
}

fn check_spent(spent: f64) -> Result<(), Error> {
    if spent >= 0.0 && spent.is_finite() {
        Ok(())
    } else {
        Err(Error::OutOfRange { quantity: "what is spent", value: spent, range: "at least 0 and finite" })
    }
}

/// The largest x whose `objective`, rising, is at most `goal`, rounded down; 0 where there is none. By bisection.
fn largest(goal: f64, objective: impl Fn(f64) -> Result<f64, Error>) -> f64 {
    let fits = |x: f64| objective(x).is_ok_and(|value| value <= goal);
    let (mut low, mut high) = (0.0, 1.0);
    while fits(high) && high < 1e300 {
        (low, high) = (high, 2.0 * high);
    }
    while high - low > 1e-13 * high {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high || middle < 1e-300 {
            break;
        }
        if fits(middle) { low = middle } else { high = middle }
    }
    low
}
