//! How fast the characteristic function of a tilted loss falls, with proof: where a [contour](super::contour) may be cut.

use std::f64::consts::PI;

use super::table::Direction;
use crate::event::SubsampledGaussian;
use crate::quadrature;

/// What bounds |phi| of one part: its tilted losses in order with weights, and the variation of their density.
pub(crate) struct Profile {
    count: f64,
    /// 1/sigma^2 where there is no sampling: |phi| is then known.
    gaussian: Option<f64>,
    /// Loss, and running sums of weight, weight loss, weight loss^2 up to it.
    pub(crate) losses: Vec<f64>,
    sums: Vec<[f64; 3]>,
    variation: f64,
}

impl Profile {
    pub(crate) fn new(part: &SubsampledGaussian, direction: Direction, lambda: f64) -> Self {
        let SubsampledGaussian { q, sigma, count } = *part;
        let count = count as f64;
        if q == 1.0 {
            return Self { count, gaussian: Some(1.0 / (sigma * sigma)), losses: vec![], sums: vec![], variation: 0.0 };
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
        let mut sums = Vec::with_capacity(losses.len() + 1);
        let mut running = [0.0; 3];
        sums.push(running);
        for (loss, log) in losses.iter_mut().zip(&logs) {
            *loss -= centre;
            let weight = (log - peak).exp() / total;
            running = [running[0] + weight, running[1] + weight * *loss, running[2] + weight * *loss * *loss];
            sums.push(running);
        }
        // The density of the loss is that of x over L'(x) = w(x)/sigma^2; its bulk may lie left of that of x.
        let low = (-1.0 - 10.0 * sigma).min(xs[0]);
        let high = xs[xs.len() - 1] + sigma;
        let log_norm = peak + (total * step).ln();
        let density = |x: f64| {
            let exponent = (2.0 * x - 1.0) / (2.0 * sigma * sigma);
            let log_weight = -((1.0 / q - 1.0) * (-exponent).exp()).ln_1p();
            let log_density = -0.5 * (x / sigma) * (x / sigma) + power * quadrature::loss(q, sigma, x) - log_norm;
            (log_density - log_weight).exp() * sigma * sigma
        };
        let fine = 0.05 * sigma.min(sigma * sigma);
        let pieces = ((high - low) / fine).ceil();
        let mut previous = 0.0;
        let mut variation = 0.0;
        for i in 0..=(pieces as usize) {
            let here = density(low + i as f64 * fine);
            variation += f64::abs(here - previous);
            previous = here;
        }
        Self { count, gaussian: None, losses, sums, variation: 1.1 * (variation + previous) }
    }

    /// At least E[(X - X')^2; |X - X'| <= reach]: both in the best interval that long.
    fn spread_within(&self, reach: f64) -> f64 {
        let (mut best, mut end) = (0.0_f64, 0);
        for start in 0..self.losses.len() {
            while end < self.losses.len() && self.losses[end] - self.losses[start] <= reach {
                end += 1;
            }
            // Few nodes say little of an interval.
            if end - start >= 12 {
                let [w, l, s]: [f64; 3] = std::array::from_fn(|i| self.sums[end][i] - self.sums[start][i]);
                best = best.max(2.0 * (w * s - l * l));
            }
        }
        // The rule is not exact between hard ends.
        0.8 * best
    }

    /// ln of a bound on |phi|^count for all omega in [low, high].
    fn log_bound(&self, low: f64, high: f64) -> f64 {
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

/// Where to cut the contour, and a bound on what is left out: 1/pi times the integral of |phi|/omega^2 beyond.
pub(crate) fn cut(profiles: &[Profile], deviation: f64, spacing: f64, log_goal: f64) -> Option<(f64, f64)> {
    const RATIO: f64 = 1.12;
    let sampled: f64 = profiles.iter().filter(|p| p.gaussian.is_none()).map(|p| p.count).sum();
    let mut ranges = Vec::new();
    let mut omega = (0.5 / deviation).max(spacing);
    let goal = log_goal.exp();
    let tail = loop {
        let high = omega * RATIO;
        let log: f64 = profiles.iter().map(|p| p.log_bound(omega, high)).sum();
        // Beyond, the variation alone: the integral of (D/omega)^n / omega^2.
        let beyond: f64 = profiles
            .iter()
            .map(|p| if p.gaussian.is_some() { p.log_bound(omega, omega) } else { p.count * (p.variation / omega).ln().min(0.0) })
            .sum();
        let all_fall = profiles.iter().all(|p| p.gaussian.is_some() || p.variation < omega);
        let rest = beyond.exp() / omega / if all_fall { sampled + 1.0 } else { 1.0 };
        if rest / PI <= 0.1 * goal {
            break rest / PI;
        }
        ranges.push((omega, log.exp() * (high - omega) / (omega * omega) / PI));
        omega = high;
        if omega > 1e6 * spacing {
            return None;
        }
    };
    let (mut cut, mut left) = (omega, tail);
    for &(low, part) in ranges.iter().rev() {
        if left + part > goal {
            break;
        }
        left += part;
        cut = low;
    }
    Some((cut, left))
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
                    useful |= bound < 0.2;
                    omega *= 2.1;
                }
                assert!(useful, "q {q} sigma {sigma} {direction:?}");
            }
        }
    }
}
