//! How fast the characteristic function of a tilted loss falls: where a [contour](super::contour) may be cut, and what is left out there.
//!
//! Two bounds on |phi| of one step, with D the difference of two independent losses:
//!
//! - |phi(omega)|^2 = E cos(omega D) <= 1 - c omega^2 E[D^2; |D| <= tau/omega], as 1 - cos t >= c t^2 for |t| <= tau. The mean is
//!   bounded from below by that over pairs in one interval, cut into bins whose masses are bounded from below;
//! - |phi(omega)| <= (total variation of the density)/omega, one integration by parts.

use std::f64::consts::PI;

use super::table::Direction;
use crate::event::SubsampledGaussian;
use crate::quadrature;

/// What tells of |phi| of one part: its tilted losses in order with weights, and a bound on the variation of their density.
#[derive(Default)]
pub(crate) struct Profile {
    count: f64,
    /// 1/sigma^2 where there is no sampling: |phi| is then known.
    gaussian: Option<f64>,
    /// Losses in order, from their mean, each in the middle of a bin in x,
    pub(crate) losses: Vec<f64>,
    /// with the most that the loss changes over the bin,
    widths: Vec<f64>,
    /// and running sums of least mass, mass loss, mass loss^2 up to it.
    sums: Vec<[f64; 3]>,
    variation: f64,
}

impl Profile {
    pub(crate) fn new(part: &SubsampledGaussian, direction: Direction, lambda: f64) -> Self {
        let SubsampledGaussian { q, sigma, count } = *part;
        let count = count as f64;
        if q == 1.0 {
            return Self { count, gaussian: Some(1.0 / (sigma * sigma)), ..Self::default() };
        }
        let step = profile_spacing(sigma);
        let power = power(direction, lambda);
        let (mut losses, mut logs, mut xs) = (Vec::new(), Vec::new(), Vec::new());
        quadrature::tilted_nodes(q, sigma, power, step, |x, loss, log_weight| {
            xs.push(x);
            losses.push(loss);
            logs.push(log_weight);
        });
        let peak = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = logs.iter().map(|log| (log - peak).exp()).sum();
        let centre = losses.iter().zip(&logs).map(|(l, log)| l * (log - peak).exp()).sum::<f64>() / total;
        let log_weight = |x: f64| -((1.0 / q - 1.0) * (-(2.0 * x - 1.0) / (2.0 * sigma * sigma)).exp()).ln_1p();
        // The loss has the slope w/sigma^2, w increasing with w' = w (1 - w)/sigma^2: over [low, high], w' sigma^2 is at most this.
        let steepest = |low: f64, high: f64| {
            let (low, high) = (log_weight(low).exp(), log_weight(high).exp());
            if low <= 0.5 && high >= 0.5 { 0.25 } else { (low * (1.0 - low)).max(high * (1.0 - high)) }
        };
        let widths = xs.iter().map(|x| step * log_weight(x + 0.5 * step).exp() / (sigma * sigma)).collect();
        let mut sums = Vec::with_capacity(losses.len() + 1);
        let mut running = [0.0; 3];
        sums.push(running);
        for ((loss, log), x) in losses.iter_mut().zip(&logs).zip(&xs) {
            *loss -= centre;
            // The logarithm of the tilted density of x bends by at most `bend` over the bin: there its mean is at least its value
            // in the middle times this (by Jensen, as its slope is odd). The norm's quadrature errs by far less than 1e-9.
            let bend = 1.0 / (sigma * sigma) + power.abs() * steepest(x - 0.5 * step, x + 0.5 * step) / sigma.powi(4);
            let mass = (log - peak - bend * step * step / 8.0).exp() / total * (1.0 - 1e-9);
            running = [running[0] + mass, running[1] + mass * *loss, running[2] + mass * *loss * *loss];
            sums.push(running);
        }
        // The density of the loss is that of x over w/sigma^2; its bulk may lie left of that of x. h, its logarithm, has
        // h' = (-x + power w - (1 - w))/sigma^2, positive left of -1 and of the power, negative right of 0 and of the power.
        let low = (-1.0 - 10.0 * sigma).min(xs[0]).min(power);
        let high = (xs[xs.len() - 1] + sigma).max(power).max(0.0);
        let log_norm = peak + (total * step).ln();
        let density = |x: f64| {
            let log_density = -0.5 * (x / sigma) * (x / sigma) + power * quadrature::loss(q, sigma, x) - log_norm;
            (log_density - log_weight(x)).exp() * sigma * sigma
        };
        let slope = |x: f64| {
            let w = log_weight(x).exp();
            (-x + power * w - (1.0 - w)) / (sigma * sigma)
        };
        let bend = |from: f64, to: f64| 1.0 / (sigma * sigma) + (power.abs() + 1.0) * steepest(from, to) / sigma.powi(4);
        let fine = 0.05 * sigma.min(sigma * sigma);
        let (mut x, mut piece, mut here) = (low, fine, density(low));
        let mut variation = here;
        while x < high {
            // As far as the density is monotone, or a fine piece.
            let slope = slope(x).abs();
            piece *= 2.0;
            while piece > fine && slope <= piece * bend(x, x + piece) {
                piece *= 0.5;
            }
            let piece_bend = bend(x, x + piece);
            let there = density(x + piece);
            variation += f64::abs(there - here);
            // Where it is not, |h'| <= piece bend throughout: it varies by no more than this.
            if slope <= piece * piece_bend {
                let square = piece * piece * piece_bend;
                variation += here.max(there) * square * (square / 8.0).exp();
            }
            (x, here) = (x + piece, there);
        }
        // Round-off and the norm's quadrature err by far less than this.
        let variation = (1.0 + 1e-9) * (variation + here);
        Self { count, gaussian: None, losses, widths, sums, variation }
    }

    /// A lower bound on E[(X - X')^2; |X - X'| <= reach]: both in the best interval that long.
    fn spread_within(&self, reach: f64) -> f64 {
        let (mut best, mut end) = (0.0_f64, 0);
        let [_, _, total] = self.sums[self.losses.len()];
        for start in 0..self.losses.len() {
            while end < self.losses.len() && self.losses[end] - self.losses[start] + self.widths[end] <= reach {
                end += 1;
            }
            if end <= start + 1 {
                continue;
            }
            let [w, l, s]: [f64; 3] = std::array::from_fn(|i| self.sums[end][i] - self.sums[start][i]);
            let round_off = 1e-13 * (w * total + s + 2.0 * l.abs() * total.sqrt());
            let middles = (2.0 * (w * s - l * l) - 2.0 * round_off).max(0.0).sqrt();
            // A difference of losses is that of the middles of their bins but for half of each bin's width: in L2 of the pairs,
            // whose mass is w^2, the triangle inequality.
            best = best.max((middles - self.widths[end - 1] * w).max(0.0));
        }
        best * best
    }

    /// ln of |phi|^count for all omega in [low, high], at most.
    pub(crate) fn log_bound(&self, low: f64, high: f64) -> f64 {
        if let Some(squared) = self.gaussian {
            return -0.5 * self.count * squared * low * low;
        }
        // 1 - cos t >= c t^2 for |t| <= tau.
        let spread = [(PI, 2.0 / (PI * PI)), (2.0, (1.0 - f64::cos(2.0)) / 4.0), (1.0, 1.0 - f64::cos(1.0))]
            .into_iter()
            .map(|(tau, c)| c * self.spread_within(tau / high))
            .fold(0.0, f64::max);
        let by_spread = 0.5 * f64::ln_1p(-(low * low * spread).min(1.0 - 1e-15));
        let by_variation = (self.variation / low).ln();
        self.count * by_spread.min(by_variation).min(0.0)
    }
}

/// Where to cut the contour, a sum over multiples of `spacing`, so that at most e^`log_goal` is left out; and what is, at most:
/// spacing/pi times the sum of |phi|/omega^2.
pub(crate) fn cut(profiles: &[Profile], deviation: f64, spacing: f64, log_goal: f64) -> Option<(f64, f64)> {
    const RATIO: f64 = 1.12;
    let sampled: f64 = profiles.iter().filter(|p| p.gaussian.is_none()).map(|p| p.count).sum();
    let mut ranges = Vec::new();
    let mut omega = (0.5 / deviation).max(spacing);
    let goal = log_goal.exp();
    let tail = loop {
        // As many points as nobody would wait for.
        if omega > 1e6 * spacing || omega.is_nan() {
            return None;
        }
        let high = omega * RATIO;
        let log: f64 = profiles.iter().map(|p| p.log_bound(omega, high)).sum();
        // Beyond, the variation alone: the first term and the integral of (D/omega)^n / omega^2.
        let beyond: f64 = profiles
            .iter()
            .map(|p| if p.gaussian.is_some() { p.log_bound(omega, omega) } else { p.count * (p.variation / omega).ln().min(0.0) })
            .sum();
        let all_fall = profiles.iter().all(|p| p.gaussian.is_some() || p.variation < omega);
        let rest = beyond.exp() / omega / if all_fall { sampled + 1.0 } else { 1.0 } + spacing * beyond.exp() / (omega * omega);
        if rest / PI <= 0.1 * goal {
            break rest / PI;
        }
        ranges.push((omega, log.exp() * (high - omega + spacing) / (omega * omega) / PI));
        omega = high;
    };
    let (mut at, mut left) = (omega, tail);
    for &(low, part) in ranges.iter().rev() {
        if left + part > goal {
            break;
        }
        left += part;
        at = low;
    }
    Some((at, left))
}

/// The spacing in x at which bounds on |phi| are taken.
pub(crate) fn profile_spacing(sigma: f64) -> f64 {
    sigma.min(sigma * sigma) / 16.0
}

/// The power of nu/nu0 whose mean under nu0 is M(lambda).
pub(crate) fn power(direction: Direction, lambda: f64) -> f64 {
    match direction {
        Direction::Remove => lambda + 1.0,
        Direction::Add => -lambda,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// |phi| by quadrature on a spacing fine enough for the highest omega, against its bound on the range around.
    #[test]
    fn the_bound_holds_and_is_of_use() {
        for (q, sigma, lambda) in [(0.01, 1.0, 8.0), (0.3, 0.6, 2.0), (1e-3, 2.0, 40.0), (0.9, 4.0, 1.0)] {
            for direction in [Direction::Remove, Direction::Add] {
                let part = SubsampledGaussian { q, sigma, count: 1 };
                let profile = Profile::new(&part, direction, lambda);
                let (mut useful, mut omega) = (false, 0.1);
                while omega < (20.0 * sigma * sigma / q).max(1e3) {
                    let step = (profile_spacing(sigma)).min(0.5 * sigma * sigma / omega);
                    let (mut re, mut im, mut total) = (0.0, 0.0, 0.0);
                    quadrature::tilted_nodes(q, sigma, power(direction, lambda), step, |_, loss, log_weight| {
                        // Relative to the mode's exponent these weights are moderate.
                        let weight = (log_weight - lambda * lambda / (2.0 * sigma * sigma)).exp();
                        re += weight * (omega * loss).cos();
                        im += weight * (omega * loss).sin();
                        total += weight;
                    });
                    let size = re.hypot(im) / total;
                    let bound = profile.log_bound(omega, 1.1 * omega).exp();
                    assert!(size <= bound + 1e-9, "q {q} sigma {sigma} {direction:?} at {omega}: {size} above {bound}");
                    assert!(size <= profile.variation / omega + 1e-9, "q {q} sigma {sigma} {direction:?} at {omega}: by variation");
                    useful |= bound < 0.2;
                    omega *= 2.1;
                }
                assert!(useful, "q {q} sigma {sigma} {direction:?}");
            }
        }
    }
}
