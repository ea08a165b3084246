//! Renyi differential privacy: one divergence per order, added up over steps, turned into epsilon at the end.
//!
//! Fast and valid for parameters chosen along the way when kept by a [filter](crate::filter), but looser than the
//! privacy-loss distributions of [`pld`](crate::pld). Neighbours: add or remove one record. Units: nats; order > 1.
//!
//! - Subsampled Gaussian: Mironov, Talwar & Zhang 2019 (arXiv:1908.10530), section 3.3: the moment of the mixture
//!   ratio, by its binomial sum for integer orders and by quadrature of its defining integral for the others (the
//!   paper's series for those is alternating and stalls for large q and sigma, where other libraries drop the order).
//! - Conversion: Canonne, Kamath & Steinke 2020 (arXiv:2004.00010), Proposition 12.
//!
//! ```
//! use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, rdp};
//! let run = Event::dp_sgd(NoiseMultiplier::new(1.5)?, SamplingRate::new(0.04)?, 2250);
//! let spent = rdp::epsilon(&run, Delta::new(1e-5)?)?;
//! assert_eq!(format!("{:.2}", spent.epsilon.get()), "7.33"); // Opacus publishes 7.32911 over its coarser orders
//! # Ok::<(), reticent_accounting::Error>(())
//! ```

use serde::{Deserialize, Serialize};

mod allocation;
mod mechanism;
mod step;

pub(crate) use mechanism::check_answers;

use std::cell::Cell;

use crate::event::Parts;
use crate::{Delta, Epsilon, Error, Event, Order};
use step::Step;

pub(crate) const NAME: &str = "the Renyi accountant";

/// An epsilon and the order that proves it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RdpEpsilon {
    /// An upper bound on the privacy loss.
    pub epsilon: Epsilon,
    /// The order at which it was the smallest.
    pub order: Order,
}

/// The Renyi divergence of the event at `order`: an upper bound in both directions of the neighbouring relation.
///
/// [`Error::UnsupportedEvent`] where no formula is known, [`Error::Unrepresentable`] on overflow.
pub fn rdp(event: &Event, order: Order) -> Result<f64, Error> {
    if event.parts(NAME)?.inexact.total_variation > 0.0 {
        return Err(event.refused(NAME, "with a total variation beside it its divergence may be infinite"));
    }
    but_for_variation(event, order)
}

/// The same, leaving out what [`Event::Inexact`] has of a total variation, for who pays for that.
pub(crate) fn but_for_variation(event: &Event, order: Order) -> Result<f64, Error> {
    let parts = event.parts(NAME)?;
    let sum = Divergence::new(&parts).at(order.get())? + parts.inexact.divergence(order.get());
    if sum.is_finite() { Ok(sum) } else { Err(Error::Unrepresentable { quantity: "the Renyi divergence" }) }
}

/// The smallest epsilon over all orders: first over the usual grid, then refined around its best.
///
/// Choosing the order afterwards is sound here because the event is fixed: every order holds at once.
pub fn epsilon(event: &Event, delta: Delta) -> Result<RdpEpsilon, Error> {
    let parts = event.parts(NAME)?;
    let best = Cell::new(2.0);
    let stated = |delta: Delta| {
        if parts.gaussians.is_empty() && parts.others.is_empty() {
            return Ok(0.0);
        }
        if delta.get() == 0.0 {
            return Err(Error::DeltaTooSmall { accountant: NAME, delta: 0.0, smallest: f64::MIN_POSITIVE });
        }
        let divergence = Divergence::checked(&parts)?;
        let at = |order: f64| epsilon_from_rdp(divergence.or_infinite(order), order, delta.get());
        let (order, epsilon) = minimise(&parts, at);
        best.set(order);
        if epsilon.is_finite() { Ok(epsilon.max(0.0)) } else { Err(Error::Unrepresentable { quantity: "epsilon" }) }
    };
    let epsilon = parts.inexact.epsilon_from(delta, NAME, stated)?;
    Ok(RdpEpsilon { epsilon: Epsilon::new(epsilon)?, order: Order::new(best.get())? })
}

/// The smallest delta over all orders at a given epsilon (Proposition 12 solved for delta), at most 1.
pub fn delta(event: &Event, epsilon: Epsilon) -> Result<f64, Error> {
    let parts = event.parts(NAME)?;
    parts.inexact.delta_from(epsilon.get(), |epsilon| {
        if parts.gaussians.is_empty() && parts.others.is_empty() {
            return Ok(0.0);
        }
        let divergence = Divergence::checked(&parts)?;
        let at = |order: f64| (order - 1.0) * (divergence.or_infinite(order) - epsilon + (-1.0 / order).ln_1p()) - order.ln();
        let (_, log_delta) = minimise(&parts, at);
        Ok(log_delta.exp().min(1.0))
    })
}

/// Canonne, Kamath & Steinke 2020, Proposition 12: (order, rdp)-RDP implies (this, delta)-DP.
pub(crate) fn epsilon_from_rdp(rdp: f64, order: f64, delta: f64) -> f64 {
    rdp + (-1.0 / order).ln_1p() - (delta.ln() + order.ln()) / (order - 1.0)
}

/// The grid every library uses: fine where large losses have their best order, sparse where small ones have.
pub(crate) fn grid_orders() -> impl Iterator<Item = f64> {
    (11..110).map(|tenths| f64::from(tenths) / 10.0).chain((11..64).map(f64::from)).chain([128.0, 256.0, 512.0, 1024.0])
}

/// The order with the smallest value of `objective` and that value: the grid, then golden-section search on
/// ln(order - 1) between the neighbours of the best grid order.
pub(crate) fn minimise_over_orders(objective: impl Fn(f64) -> f64) -> (f64, f64) {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let grid: Vec<f64> = [1.01, 1.03, 1.06].into_iter().chain(grid_orders()).collect();
    let values: Vec<f64> = grid.iter().map(|&order| objective(order)).collect();
    let mut best = (grid[0], f64::INFINITY);
    let mut at = 0;
    for (i, (&order, &value)) in grid.iter().zip(&values).enumerate() {
        if value < best.1 {
            best = (order, value);
            at = i;
        }
    }
    let mut low = (grid[at.saturating_sub(1)] - 1.0).ln();
    let mut high = (grid[(at + 1).min(grid.len() - 1)] - 1.0).ln();
    let (mut left, mut right) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let mut evaluate = |position: f64| {
        let order = 1.0 + position.exp();
        let value = objective(order);
        if value < best.1 {
            best = (order, value);
        }
        value
    };
    let (mut at_left, mut at_right) = (evaluate(left), evaluate(right));
    while high - low > 1e-5 {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - GOLDEN * (high - low);
            at_left = evaluate(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + GOLDEN * (high - low);
            at_right = evaluate(right);
        }
    }
    best
}

/// The divergence of independent parts, to be asked at many orders.
struct Divergence<'a> {
    steps: Vec<(Step, f64)>,
    others: &'a [(Event, u64)],
}

impl<'a> Divergence<'a> {
    fn new(parts: &'a Parts) -> Self {
        Self { steps: parts.gaussians.iter().map(|part| (Step::new(part), part.count as f64)).collect(), others: &parts.others }
    }

    /// The same, where it has a bound: what is refused at one order is refused at every.
    fn checked(parts: &'a Parts) -> Result<Self, Error> {
        let divergence = Self::new(parts);
        divergence.of_others(2.0)?;
        Ok(divergence)
    }

    /// The sum over the parts.
    fn at(&self, order: f64) -> Result<f64, Error> {
        Ok(self.steps.iter().map(|(step, count)| count * step.rdp(order)).sum::<f64>() + self.of_others(order)?)
    }

    /// The same, infinite where this order has no bound.
    fn or_infinite(&self, order: f64) -> f64 {
        self.at(order).unwrap_or(f64::INFINITY)
    }

    fn of_others(&self, order: f64) -> Result<f64, Error> {
        let mut sum = 0.0;
        for (event, count) in self.others {
            sum += *count as f64 * mechanism::rdp(event, order)?;
        }
        Ok(sum)
    }
}

/// The order with the smallest value of `objective` and that value, where the value times (order - 1), or the value itself,
/// is convex in the order: then there is one minimum, and a search finds it. ln E e^((order - 1) loss) is convex, and so is
/// what the conversion adds, (order - 1) ln(1 - 1/order) - ln order, whose second derivative is 1/((order - 1) order).
fn minimise_convex(objective: impl Fn(f64) -> f64) -> (f64, f64) {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    /// The minimum is mostly flat; where it is not, its value moves by about as much as its place.
    const TOLERANCE: f64 = 1e-4;
    let best = std::cell::Cell::new((2.0, f64::INFINITY));
    let at = |position: f64| {
        let order = 1.0 + position.exp();
        let value = objective(order);
        if value < best.get().1 {
            best.set((order, value));
        }
        value
    };
    // Steps of a factor of e from a usual order downhill, between the ends of the usual grid.
    let (lowest, highest) = (0.01_f64.ln(), 1023.0_f64.ln());
    let start = 2.0;
    let (first, up, down) = (at(start), at(start + 1.0), at(start - 1.0));
    let direction = if up < first || !first.is_finite() && up.is_finite() { 1.0 } else { -1.0 };
    let (mut before, mut here, mut value) = if direction > 0.0 { (start, start + 1.0, up) } else { (start + 1.0, start, first) };
    let mut next_value = if direction > 0.0 { f64::NAN } else { down };
    let (mut low, mut high) = loop {
        let next = (here + direction).clamp(lowest, highest);
        if next == here {
            if at(here - direction * TOLERANCE) >= value {
                return best.get();
            }
            break (before.min(here), before.max(here));
        }
        if next_value.is_nan() {
            next_value = at(next);
        }
        if next_value >= value && value.is_finite() {
            break (before.min(next), before.max(next));
        }
        (before, here, value, next_value) = (here, next, next_value, f64::NAN);
    };
    // Brent 1973, chapter 5: a parabola through the three best points, or a golden section where it does not help.
    let mut middle = 0.5 * (low + high);
    let mut value = at(middle);
    let (mut second, mut third) = ((middle, value), (middle, value));
    let (mut step, mut before_last) = (0.0_f64, 0.0_f64);
    while high - low > TOLERANCE && (middle - 0.5 * (low + high)).abs() > 2.0 * TOLERANCE - 0.5 * (high - low) {
        let r = (middle - second.0) * (value - third.1);
        let t = (middle - third.0) * (value - second.1);
        let (mut p, mut q) = ((middle - third.0) * t - (middle - second.0) * r, 2.0 * (t - r));
        if q > 0.0 {
            p = -p;
        }
        q = q.abs();
        let usable = p.abs() < (0.5 * q * before_last).abs() && p > q * (low - middle) && p < q * (high - middle);
        before_last = step;
        step = if usable {
            let parabola = p / q;
            let next = middle + parabola;
            // Not next to an end.
            if next - low < 2.0 * TOLERANCE || high - next < 2.0 * TOLERANCE {
                TOLERANCE.copysign(0.5 * (low + high) - middle)
            } else {
                parabola
            }
        } else {
            before_last = if middle < 0.5 * (low + high) { high - middle } else { low - middle };
            (1.0 - GOLDEN) * before_last
        };
        let next = middle + if step.abs() >= TOLERANCE { step } else { TOLERANCE.copysign(step) };
        let here = at(next);
        if here <= value {
            *(if next < middle { &mut high } else { &mut low }) = middle;
            (third, second) = (second, (middle, value));
            (middle, value) = (next, here);
        } else {
            *(if next < middle { &mut low } else { &mut high }) = next;
            if here <= second.1 || second.0 == middle {
                (third, second) = (second, (next, here));
            } else if here <= third.1 || third.0 == middle || third.0 == second.0 {
                third = (next, here);
            }
        }
    }
    best.get()
}

/// The search that fits the parts: selections are not known to have one minimum.
fn minimise(parts: &Parts, objective: impl Fn(f64) -> f64) -> (f64, f64) {
    if parts.others.iter().any(|(event, _)| matches!(event, Event::RepeatAndSelect { .. })) {
        minimise_over_orders(objective)
    } else {
        minimise_convex(objective)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SubsampledGaussian;
    use crate::inexact::Inexact;

    /// The quick search finds what the search over the grid finds, for wide and narrow minima, at both ends and near one.
    #[test]
    fn both_searches_agree() {
        for (q, sigma, count) in
            [(0.01, 4.0, 10_000), (0.5, 0.3, 1), (1e-5, 1.0, 1_000), (1.0, 20.0, 100), (0.3, 0.4, 1_000_000), (1.0, 60.0, 1)]
        {
            for delta in [0.1, 1e-5, 1e-30] {
                let parts = Parts { gaussians: vec![SubsampledGaussian { q, sigma, count }], others: vec![], inexact: Inexact::default() };
                let divergence = Divergence::new(&parts);
                let at = |order: f64| epsilon_from_rdp(divergence.at(order).unwrap(), order, delta);
                let (quick, slow) = (minimise_convex(at), minimise_over_orders(at));
                assert!(quick.1 <= slow.1 + 1e-6 * slow.1.abs() + 1e-12, "{q} {sigma} {count} {delta}: {quick:?} {slow:?}");
            }
        }
    }

    #[test]
    fn conversion_matches_dp_accounting() {
        // dp_accounting's test of a constant divergence of 1.1 at order 32.
        assert!((epsilon_from_rdp(1.1, 32.0, 1e-5) - 1.327_838_061_76).abs() < 1e-10);
    }
}
