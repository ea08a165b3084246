//! The divergence of one Poisson-subsampled Gaussian step, at any number of orders.
//!
//! The moment of order a is the integral over the line of nu0 e^(a L) (see [`quadrature`](crate::quadrature)). A search over orders asks
//! for some twenty, and neither nu0 nor the loss L depends on the order: both are kept at the points of the trapezoid rule, so that each
//! further order costs one exponential a point.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::f64::consts::PI;
use std::rc::Rc;

use crate::event::SubsampledGaussian;
use crate::quadrature::{self, NEGLIGIBLE, binomial_tail, spacing};

/// Below this noise the moment is bounded by its largest part instead of integrated.
pub(super) const SMALL_SIGMA: f64 = 0.01;

/// A log moment below this is that of what exceeds 1.
const SMALL: f64 = 0.5;

/// Points of a block.
const BLOCK: i64 = 32;

/// One step, and what its orders have in common so far.
pub(super) struct Step {
    q: f64,
    sigma: f64,
    spacing: f64,
    /// Of points `k spacing`, those with k / `BLOCK` rounded down.
    blocks: RefCell<HashMap<i64, Rc<[Node]>>>,
    /// The highest order whose log moment is known to be small, and so that of every order below: it is convex in the order, and 0 at 1.
    small_up_to: Cell<f64>,
}

/// Where a walk over the points is: the block of its last point.
struct Walk<'a> {
    step: &'a Step,
    number: i64,
    block: Rc<[Node]>,
}

impl Walk<'_> {
    fn node(&mut self, k: i64) -> &Node {
        let number = k.div_euclid(BLOCK);
        if self.number != number {
            (self.number, self.block) = (number, self.step.block(number));
        }
        &self.block[k.rem_euclid(BLOCK) as usize]
    }
}

#[derive(Clone, Copy)]
struct Node {
    loss: f64,
    /// ln nu0, without its constant.
    log_density: f64,
    /// nu0, and N(1, sigma^2), without their constant.
    density: f64,
    shifted: f64,
    /// e^loss - 1.
    excess: f64,
}

impl Step {
    pub(super) fn new(part: &SubsampledGaussian) -> Self {
        let SubsampledGaussian { q, sigma, .. } = *part;
        Self { q, sigma, spacing: spacing(sigma), blocks: RefCell::default(), small_up_to: Cell::new(1.0) }
    }

    /// The divergence at `order`. The moment of nu/nu0 is taken under nu0, which Mironov, Talwar & Zhang (Theorem 5) show to be the
    /// larger of the two directions.
    pub(super) fn rdp(&self, order: f64) -> f64 {
        let Self { q, sigma, .. } = *self;
        if q == 1.0 {
            return order / (2.0 * sigma * sigma);
        }
        if sigma < SMALL_SIGMA {
            // (1 - q + q y)^order <= 1 - q + q y^order, and the quadrature would need 25/sigma points. What is lost is
            // (order - 1) ln 1/q of a log moment of order (order - 1)/2sigma^2.
            let exponent = order * (order - 1.0) / (2.0 * sigma * sigma);
            let log_moment =
                if exponent < 30.0 { (q * exponent.exp_m1()).ln_1p() } else { exponent + (q + (1.0 - q) * (-exponent).exp()).ln() };
            return log_moment / (order - 1.0);
        }
        let log_moment = if order.fract() == 0.0 && order <= 2048.0 { integer_log_moment(q, sigma, order) } else { self.log_moment(order) };
        log_moment.max(0.0) / (order - 1.0)
    }

    fn log_moment(&self, order: f64) -> f64 {
        if order <= self.small_up_to.get() {
            return self.excess_moment(order).ln_1p();
        }
        let (mut sum, mut peak) = (0.0, 0.0);
        let weigh = |node: &Node| node.log_density + order * node.loss;
        self.each(order, NEGLIGIBLE, weigh, |_, log_term, highest| {
            peak = highest;
            sum += (log_term - highest).exp();
        });
        let log_moment = peak + sum.ln() + self.norm().ln();
        // A moment near 1 has lost its digits in the logarithm: then what exceeds 1 is integrated.
        if log_moment < SMALL {
            self.small_up_to.set(order);
            self.excess_moment(order).ln_1p()
        } else {
            log_moment
        }
    }

    /// E over nu0 of (1 + qY)^order - 1 with Y = e^((2x-1)/2sigma^2) - 1, for results of moderate size.
    ///
    /// As E[Y] = 0, the term order q Y may be taken off each sample: what is left is never negative (Bernoulli), so a
    /// moment of 1 + 1e-12 keeps all its digits.
    fn excess_moment(&self, order: f64) -> f64 {
        let q = self.q;
        let mut sum = 0.0;
        // Where the loss is negative the term is about order q: no smaller than at a loss of 0. All terms together may be as small as q^2.
        let negligible = NEGLIGIBLE - 2.0 * q.ln();
        let weigh = |node: &Node| node.log_density + order * node.loss.max(0.0);
        self.each(order, negligible, weigh, |node, _, _| {
            let y = node.excess;
            sum += if (order * y).abs() < 0.05 && y.abs() < 0.05 {
                node.density * binomial_tail(order, y)
            } else {
                // Each factor may overflow although the product is moderate, so the density goes into each exponent.
                (node.log_density + order * node.loss).exp() - node.density * (1.0 - order * q) - order * q * node.shifted
            };
        });
        sum * self.norm()
    }

    fn norm(&self) -> f64 {
        self.spacing / (self.sigma * (2.0 * PI).sqrt())
    }

    /// Visits the points at which the integrand of this order is more than e^-`negligible` of its largest value, with ln of what they
    /// weigh and the most that any does: outwards from both of its modes, which lie where an ascent from 0 and one from `order` end.
    fn each(&self, order: f64, negligible: f64, weigh: impl Fn(&Node) -> f64, mut visit: impl FnMut(&Node, f64, f64)) {
        let mut walk = self.walk(0);
        let mut ascend = |mut k: i64, by: i64| {
            let mut log_term = |k: i64| {
                let node = walk.node(k);
                node.log_density + order * node.loss
            };
            let mut here = log_term(k);
            loop {
                let next = log_term(k + by);
                // Not a number at the far ends, where there is nothing to find.
                if next > here { (k, here) = (k + by, next) } else { return k }
            }
        };
        let low = ascend(0, 1);
        let high = ascend((order / self.spacing).ceil() as i64, -1);
        let heights = [low, high].map(|k| weigh(walk.node(k)));
        let highest = heights[0].max(heights[1]);
        let mut seen = i64::MIN;
        for (mode, height) in [low, high].into_iter().zip(heights) {
            // The walk from the mode before came past here.
            if mode < seen || height <= highest - negligible {
                continue;
            }
            let mut walk = self.walk(mode);
            let mut counts = |k: i64| {
                let node = walk.node(k);
                let weight = weigh(node);
                let counts = weight > highest - negligible;
                if counts {
                    visit(node, weight, highest);
                }
                counts
            };
            let mut k = mode - 1;
            while k >= seen && counts(k) {
                k -= 1;
            }
            k = mode;
            while counts(k) {
                k += 1;
            }
            seen = k;
        }
    }

    fn walk(&self, k: i64) -> Walk<'_> {
        let number = k.div_euclid(BLOCK);
        Walk { step: self, number, block: self.block(number) }
    }

    fn block(&self, number: i64) -> Rc<[Node]> {
        let make = || (0..BLOCK).map(|i| self.node_at((number * BLOCK + i) as f64 * self.spacing)).collect();
        self.blocks.borrow_mut().entry(number).or_insert_with(make).clone()
    }

    fn node_at(&self, x: f64) -> Node {
        let Self { q, sigma, .. } = *self;
        let exponent = (2.0 * x - 1.0) / (2.0 * sigma * sigma);
        let log_density = -0.5 * (x / sigma) * (x / sigma);
        Node {
            loss: quadrature::loss(q, sigma, x),
            log_density,
            density: log_density.exp(),
            shifted: (log_density + exponent).exp(),
            excess: q * exponent.exp_m1(),
        }
    }
}

/// ln sum_k C(order, k) (1-q)^(order-k) q^k e^((k^2-k)/2sigma^2), with the 1 that the bare binomial sums to taken
/// out: each remaining term is non-negative, so moments near 1 keep their digits.
fn integer_log_moment(q: f64, sigma: f64, order: f64) -> f64 {
    let (log_q, log_rest) = (q.ln(), (-q).ln_1p());
    let mut log_binomial = order.ln();
    let mut logs = Vec::with_capacity(order as usize);
    let mut k = 2.0;
    while k <= order {
        log_binomial += ((order - k + 1.0) / k).ln();
        let exponent = (k * k - k) / (2.0 * sigma * sigma);
        // ln(e^a - 1), stable for both small and large a.
        let log_growth = if exponent < 30.0 { exponent.exp_m1().ln() } else { exponent };
        logs.push(log_binomial + (order - k) * log_rest + k * log_q + log_growth);
        k += 1.0;
    }
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_excess = top + logs.iter().map(|log| (log - top).exp()).sum::<f64>().ln();
    // ln(1 + e^log_excess)
    if log_excess > 40.0 { log_excess } else { log_excess.exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(q: f64, sigma: f64) -> SubsampledGaussian {
        SubsampledGaussian { q, sigma, count: 1 }
    }

    /// Two formulas of the same moment; orders in any order find what the first left.
    #[test]
    fn the_sum_and_the_integral_agree() {
        for q in [1e-9, 1e-4, 0.02, 0.5, 0.95] {
            for sigma in [0.05, 0.3, 1.0, 4.0, 20.0] {
                let step = Step::new(&part(q, sigma));
                for order in [64.0, 2.0, 300.0, 3.0, 17.0] {
                    let (sum, integral) = (integer_log_moment(q, sigma, order), step.log_moment(order));
                    assert!((sum / integral - 1.0).abs() < 1e-11, "{q} {sigma} {order}: {sum} {integral}");
                }
            }
        }
    }

    /// Against the quadrature that keeps nothing and finds its modes otherwise, between integers too.
    #[test]
    fn nodes_are_those_of_the_quadrature() {
        for q in [1e-12, 1e-5, 0.01, 0.3, 0.999] {
            for sigma in [0.02, 0.4, 1.0, 3.0, 30.0] {
                let step = Step::new(&part(q, sigma));
                for order in [30.3, 1.01, 900.7, 4.6, 2.2] {
                    let slow = quadrature::tilted_loss(q, sigma, order).log_integral;
                    let quick = step.log_moment(order);
                    assert!((quick - slow).abs() <= 1e-12 * (1.0 + slow.abs()), "{q} {sigma} {order}: {quick} {slow}");
                }
            }
        }
    }

    #[test]
    fn second_moment_has_a_closed_form() {
        // E[(nu/nu0)^2] - 1 = q^2 (e^(1/sigma^2) - 1).
        for (q, sigma) in [(1e-5_f64, 1.0_f64), (0.3, 0.4), (0.01, 20.0), (0.999, 2.0)] {
            let exact = q * q * (1.0 / (sigma * sigma)).exp_m1();
            let ours = Step::new(&part(q, sigma)).excess_moment(2.0);
            assert!((ours / exact - 1.0).abs() < 1e-12, "q {q} sigma {sigma}: {ours} {exact}");
            let log = quadrature::tilted_loss(q, sigma, 2.0).log_integral;
            assert!((log - exact.ln_1p()).abs() < 1e-13 * (1.0 + exact.ln_1p()), "q {q} sigma {sigma}: {log}");
        }
    }

    /// What takes the place of the integral at little noise is above it, and not by much; no noise is too little to be answered.
    #[test]
    fn little_noise_is_bounded() {
        for order in [1.01, 1.5, 2.0, 9.7] {
            let of = |sigma| Step::new(&part(0.01, sigma)).rdp(order);
            let (below, above) = (of(SMALL_SIGMA * 0.999_999), of(SMALL_SIGMA));
            assert!(below > above && below < above * 1.01, "{order}: {below} {above}");
            assert!(of(1e-100) > 1e199);
            assert_eq!(of(1e-300), f64::INFINITY);
        }
    }
}
