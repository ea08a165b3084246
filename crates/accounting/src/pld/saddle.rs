//! Where to look: the exponential tilt under which the composition's bulk lies at the epsilon in question.
//!
//! With K(t) the sum over steps of ln E e^(t loss), delta(epsilon) is about e^(K(t) - t epsilon) at the t that makes
//! this smallest, where K'(t) = epsilon. Only the choice of grid depends on it, never the truth of a bound.

use super::decay::power;
use super::law::Law;
use super::table::{Direction, UNIT};
use crate::event::SubsampledGaussian;
use crate::quadrature::{log_integral_at_most, tilted_loss, tilted_loss_below};

/// Range of tilts: 0 is no tilt; beyond the last the loss is so small that none is needed.
const SMALLEST: f64 = 1e-3;
const LARGEST: f64 = 1e9;

/// Cumulants of the composed loss at a tilt.
#[derive(Debug, Clone)]
pub(crate) struct Saddle {
    pub(crate) lambda: f64,
    /// K(lambda) - lambda K'(lambda), roughly ln delta at epsilon = K'(lambda).
    pub(crate) log_delta: f64,
    /// K'(lambda).
    pub(crate) mean: f64,
    /// K''(lambda).
    pub(crate) variance: f64,
    /// ln E e^(lambda loss) of one step of each part, then of each law.
    pub(crate) log_moments: Vec<f64>,
}

/// A composition in one direction, with each part cut at some x: beyond it nothing is tabulated, and rare losses that
/// are charged to delta as a whole must not attract the tilt.
#[derive(Debug)]
pub(crate) struct Landscape<'a> {
    pub(crate) parts: &'a [SubsampledGaussian],
    pub(crate) laws: &'a [(Law, u64)],
    pub(crate) direction: Direction,
    pub(crate) highest_x: Vec<f64>,
}

impl Landscape<'_> {
    pub(crate) fn at(&self, lambda: f64) -> Saddle {
        let (mut total, mut mean, mut variance) = (0.0, 0.0, 0.0);
        let mut log_moments = Vec::with_capacity(self.parts.len());
        for (part, &highest_x) in self.parts.iter().zip(&self.highest_x) {
            let (log_moment, step_mean, step_variance) = step(part, self.direction, lambda, highest_x);
            let count = part.count as f64;
            total += count * log_moment;
            mean += count * step_mean;
            variance += count * step_variance;
            log_moments.push(log_moment);
        }
        for (law, count) in self.laws {
            let (log_moment, step_mean, step_variance) = law.tilted(lambda);
            let count = *count as f64;
            total += count * log_moment;
            mean += count * step_mean;
            variance += count * step_variance;
            log_moments.push(log_moment);
        }
        Saddle { lambda, log_delta: total - lambda * mean, mean, variance, log_moments }
    }

    /// The tilt for a given delta.
    pub(crate) fn for_delta(&self, delta: f64) -> Saddle {
        let target = delta.ln();
        // The factor before the exponential: e^(K - t epsilon) / (t (t+1) sqrt(2 pi K'')). Where the loss is nearly
        // always small and rarely large, K'' jumps and the factor means nothing: so it is kept within e^-4 and 1.
        self.search(|s| {
            let prefactor = s.lambda * (s.lambda + 1.0) * (2.0 * std::f64::consts::PI * s.variance).sqrt();
            // At an atom at the end of the support delta is its mass times the way to it, about 1/t.
            let atom = if s.lambda * s.lambda * s.variance < 0.1 { s.lambda + 1.0 } else { 1.0 };
            s.log_delta - prefactor.max(1.0).ln().min(4.0).max(atom.ln()) > target
        })
    }

    /// An upper bound on epsilon, up to round-off: Chernoff's, at the best of the tilts around `saddle`. With
    /// (1 - e^-y)+ <= e^(t y) t^t / (t + 1)^(t + 1), it is the Renyi accountant's.
    pub(crate) fn chernoff(&self, saddle: &Saddle, log_delta: f64) -> f64 {
        let bound = |lambda: f64| {
            let total: f64 = self.parts.iter().zip(self.at(lambda).log_moments).map(|(p, log)| p.count as f64 * log).sum();
            (total - log_delta - (lambda + 1.0).ln() - lambda * (1.0 / lambda).ln_1p()) / lambda
        };
        let mut best = f64::INFINITY;
        for direction in [1.0_f64, -1.0] {
            let mut previous = f64::INFINITY;
            for i in 0..24 {
                let here = bound(saddle.lambda * (direction * 0.1 * f64::from(i)).exp());
                best = best.min(if here.is_nan() { f64::INFINITY } else { here });
                if here > previous {
                    break;
                }
                previous = here;
            }
        }
        best
    }

    /// An upper bound on ln E e^(lambda loss) of all sampled Gaussians, uncut, proved.
    pub(crate) fn log_moment_at_most(&self, lambda: f64) -> f64 {
        let one = |part: &SubsampledGaussian| {
            if part.q == 1.0 {
                return 0.5 * lambda * (lambda + 1.0) / (part.sigma * part.sigma) * (1.0 + 8.0 * UNIT);
            }
            log_integral_at_most(part.q, part.sigma, power(self.direction, lambda))
        };
        let sum: f64 = self.parts.iter().map(|part| part.count as f64 * one(part)).sum();
        sum + 2.0 * self.parts.len() as f64 * UNIT * sum.abs()
    }

    /// Whether Chernoff's bound proves that sampled Gaussians, uncut, have at most `delta` at `epsilon`: for every t > 0,
    /// (1 - e^-y)+ <= e^(t y) t^t / (t + 1)^(t + 1).
    pub(crate) fn proves(&self, epsilon: f64, log_delta: f64) -> bool {
        // No loss may be so large; and the higher the tilt, the more an integral costs.
        let highest = self.parts.iter().map(|p| p.sigma * p.sigma).fold(1.0, f64::min) * 1e5;
        let lambda = self.for_epsilon(epsilon).lambda.min(highest);
        if lambda <= 0.0 {
            return false;
        }
        [1.0, 0.7, 1.4].into_iter().any(|factor| {
            let t = lambda * factor;
            let log_bound = self.log_moment_at_most(t) - t * epsilon - (t + 1.0).ln() - t * (1.0 / t).ln_1p();
            log_bound + 8.0 * UNIT * (2.0 + t * epsilon + t) < log_delta
        })
    }

    /// The tilt for a given epsilon.
    pub(crate) fn for_epsilon(&self, epsilon: f64) -> Saddle {
        self.search(|s| s.mean < epsilon)
    }

    /// A tilt a good deal lower, for when the bulk came to lie above the epsilon in question.
    pub(crate) fn lower(&self, lambda: f64) -> Saddle {
        self.at(if lambda > 10.0 * SMALLEST { 0.2 * lambda } else { 0.0 })
    }

    /// Halves ln lambda between the tilts that are too low and those that are not.
    fn search(&self, too_low: impl Fn(&Saddle) -> bool) -> Saddle {
        let (mut low, mut high) = (SMALLEST.ln(), LARGEST.ln());
        if !too_low(&self.at(SMALLEST)) {
            return self.at(0.0);
        }
        while high - low > 0.02 {
            let middle = 0.5 * (low + high);
            if too_low(&self.at(middle.exp())) { low = middle } else { high = middle }
        }
        self.at((0.5 * (low + high)).exp())
    }
}

/// ln E e^(lambda loss), and mean and variance of the loss under the tilted law, for one step.
fn step(part: &SubsampledGaussian, direction: Direction, lambda: f64, highest_x: f64) -> (f64, f64, f64) {
    let SubsampledGaussian { q, sigma, .. } = *part;
    if q == 1.0 {
        let squared = 1.0 / (sigma * sigma);
        return (0.5 * lambda * (lambda + 1.0) * squared, (0.5 + lambda) * squared, squared);
    }
    match direction {
        Direction::Remove => {
            let tilted = tilted_loss_below(q, sigma, lambda + 1.0, highest_x);
            (tilted.log_integral, tilted.mean, tilted.variance)
        }
        Direction::Add => {
            let tilted = tilted_loss(q, sigma, -lambda);
            (tilted.log_integral, -tilted.mean, tilted.variance)
        }
    }
}
