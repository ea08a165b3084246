//! Delta as a contour integral through the saddle point: no grid on the loss axis, so no grid error.
//!
//! With M(s) the product over steps of E e^(s loss), for any lambda > 0 and s = lambda + i omega
//!
//!   delta(epsilon) = (1/pi) Re of the integral over omega > 0 of M(s) e^(-s epsilon) / (s (s + 1)),
//!
//! as (1 - e^-y)+ is the inverse Laplace transform of 1/(s (s + 1)). Zhu, Dong & Wang 2022 (arXiv:2106.08567) account by
//! such characteristic functions; here every error has a bound:
//!
//! - **Trapezoid in omega, spacing 2 pi / W**: by Poisson summation it gives exactly the sum over integers m of
//!   e^(lambda m W) delta(epsilon + m W). The terms besides m = 0 are positive; Chernoff bounds them.
//! - **Cut at Omega**: |phi| of one step is bounded beyond by how the losses spread and by the variation of their density,
//!   see [`decay`](super::decay); its product over steps is tiny.
//! - **Trapezoid in x for M(s)**: the integrand is analytic for |Im x| < pi sigma^2, where its modulus grows by at most
//!   e^(a^2/2sigma^2 + omega a/sigma^2) at height a (and cos(a/2sigma^2)^-lambda when adding), so that the error of
//!   spacing h is below that times 2/(e^(2 pi a/h) - 1) (Trefethen & Weideman 2014, Theorem 5.1).
//! - **Round-off**: relative to M(lambda), per step, times the number of steps.

use std::f64::consts::PI;

use super::decay::{Profile, cut, power, profile_spacing};
use super::saddle::{Landscape, Saddle};
use super::table::{Direction, UNIT};
use crate::event::SubsampledGaussian;
use crate::quadrature;

/// Errors aimed at, relative to delta.
const TOLERANCE: f64 = 1e-8;

/// Most products of a node in x and a node in omega: some tens of milliseconds, or one.
const MOST_WORK: f64 = 4e7;
const LITTLE_WORK: f64 = 1e6;

/// ln of the factor by which round-off may be amplified away from the saddle point.
const MOST_AMPLIFIED: f64 = 12.0;

/// ln of the quadrature error in x, relative to M(lambda).
const LOG_QUADRATURE: f64 = -37.0;

/// Phases are computed afresh after this many rotations,
const ANCHOR: usize = 32;

/// and those of a transform for so many values to each side of one.
const AROUND: usize = 16;

/// Terms are summed in so many lanes.
const LANES: usize = 4;

/// The integrand on its contour, ready for any epsilon near the saddle point.
#[derive(Debug)]
pub(crate) struct Contour {
    lambda: f64,
    /// ln M(lambda).
    log_moment: f64,
    /// What the phases are measured from: the tilted mean of the composed loss.
    mean: f64,
    spacing: f64,
    /// M(s)/M(lambda)/(s (s+1)) e^(-i omega mean) at omega = k spacing.
    values: Vec<(f64, f64)>,
    /// Bound on the sum of errors of `values` and of those left out, times spacing/pi.
    error: f64,
    /// ln M at other tilts, for the terms wrapped round.
    elsewhere: Vec<(f64, f64)>,
    /// Relative error of M(lambda).
    relative: f64,
}

impl Contour {
    /// For epsilons near `epsilon`, where delta is about e^`log_delta`. `None` where the loss is too rough (few steps, or
    /// nearly discrete) for a short contour.
    pub(crate) fn new(landscape: &Landscape<'_>, saddle: &Saddle, epsilon: f64, log_delta: f64) -> Option<Self> {
        let first = Self::through(landscape, saddle, epsilon, log_delta, LITTLE_WORK);
        if first.is_some() {
            return first;
        }
        // Where rare losses are far larger than the usual ones, the saddle point lies in a region where the moments
        // explode and the wrapped terms need a wide period. Any lambda will do: take the one of the least period.
        let count = |p: &SubsampledGaussian| p.count as f64;
        let mut best: Option<(f64, Saddle)> = None;
        for i in 0..14 {
            let other = landscape.at(saddle.lambda * 1.3 * 0.75_f64.powi(i));
            let log_moment: f64 = landscape.parts.iter().zip(&other.log_moments).map(|(p, m)| count(p) * m).sum();
            // Round-off is relative to e^(K - lambda epsilon), which may be above delta by only so much.
            if !log_moment.is_finite() || log_moment - other.lambda * epsilon - log_delta > MOST_AMPLIFIED {
                continue;
            }
            let log_goal = log_delta - (log_moment - other.lambda * epsilon) + TOLERANCE.ln();
            let width = period(&elsewhere(landscape, other.lambda), other.lambda, log_moment, epsilon, log_goal);
            // The core decays no faster for it, so the period decides.
            if best.as_ref().is_none_or(|(least, _)| width < 0.9 * least) {
                best = Some((width, other));
            }
        }
        let (_, other) = best?;
        Self::through(landscape, &other, epsilon, log_delta, MOST_WORK)
    }

    fn through(landscape: &Landscape<'_>, saddle: &Saddle, epsilon: f64, log_delta: f64, most_work: f64) -> Option<Self> {
        let lambda = saddle.lambda;
        if lambda <= 0.0 || !(saddle.variance > 0.0 && saddle.log_delta.is_finite()) {
            return None;
        }
        let count = |p: &SubsampledGaussian| p.count as f64;
        let log_moment: f64 = landscape.parts.iter().zip(&saddle.log_moments).map(|(p, m)| count(p) * m).sum();
        // The sum is e^(log_moment - lambda epsilon) times a factor; errors are wanted relative to delta.
        let log_goal = log_delta.min(0.0) - (log_moment - lambda * epsilon) + TOLERANCE.ln();
        let elsewhere = elsewhere(landscape, lambda);
        let width = period(&elsewhere, lambda, log_moment, epsilon, log_goal);
        if !width.is_finite() {
            return None;
        }
        let spacing = 2.0 * PI / width;
        let profiles: Vec<Profile> = landscape.parts.iter().map(|p| Profile::new(p, landscape.direction, lambda)).collect();
        let (omega, left_out) = cut(&profiles, saddle.variance.sqrt(), spacing, log_goal)?;
        let nodes = (omega / spacing).ceil() as usize + 1;
        let mut values: Vec<(f64, f64)> = vec![(0.0, 0.0); nodes];
        let mut errors = vec![0.0; nodes];
        let mut mean = 0.0;
        let mut relative = 0.0;
        // More precisely than was needed to find the way.
        let mut log_moment = 0.0;
        for ((part, profile), &log) in landscape.parts.iter().zip(&profiles).zip(&saddle.log_moments) {
            let n = count(part);
            relative += n * (UNIT * (40.0 + 4.0 * log.abs()) + 2.0 * LOG_QUADRATURE.exp());
            if part.q == 1.0 {
                let squared = n / (part.sigma * part.sigma);
                mean += (lambda + 0.5) * squared;
                log_moment += n * log;
                for (k, value) in values.iter_mut().enumerate() {
                    let omega = k as f64 * spacing;
                    value.0 -= 0.5 * omega * omega * squared;
                    // The phase -- omega (lambda + 1/2)/sigma^2 -- is that of the mean.
                }
                continue;
            }
            let step = node_spacing(part, landscape.direction, lambda, nodes as f64 * spacing);
            if profile.losses.len() as f64 * profile_spacing(part.sigma) / step * nodes as f64 > most_work {
                return None;
            }
            let step = Nodes::new(part, landscape.direction, lambda, step);
            mean += n * step.mean;
            log_moment += n * step.log_moment;
            step.add_log_transform(n, spacing, &mut values, &mut errors);
        }
        let mut error = left_out;
        for (k, (value, error_here)) in values.iter_mut().zip(&errors).enumerate() {
            let omega = k as f64 * spacing;
            // 1/(s (s+1)) = conj(s (s+1)) / |s (s+1)|^2.
            let (re, im) = (lambda * (lambda + 1.0) - omega * omega, omega * (2.0 * lambda + 1.0));
            let norm = re * re + im * im;
            let size = value.0.exp();
            let (sin, cos) = value.1.sin_cos();
            let term = (size * (cos * re + sin * im) / norm, size * (sin * re - cos * im) / norm);
            *value = term;
            error += spacing / PI * (size * error_here.exp_m1().min(1e300) + 16.0 * UNIT * size) / norm.sqrt();
        }
        values[0].0 *= 0.5;
        values[0].1 *= 0.5;
        error.is_finite().then_some(Self { lambda, log_moment, mean, spacing, values, error, elsewhere, relative })
    }

    /// Bounds on delta at `epsilon`.
    pub(crate) fn delta(&self, epsilon: f64) -> (f64, f64) {
        let scale = (self.log_moment - self.lambda * epsilon).exp();
        let (sum, size) = self.sum(epsilon);
        // Phases are rounded by a unit of themselves.
        let turns = (self.values.len() as f64 * self.spacing * (epsilon - self.mean).abs() + 200.0) * UNIT;
        let relative = self.relative + UNIT * (8.0 + 4.0 * (self.log_moment.abs() + self.lambda * epsilon.abs()));
        let error = self.error + turns * size + relative * sum.abs();
        let wrapped: f64 = [true, false].into_iter().map(|right| self.wrapped(epsilon, right)).sum();
        let (lower, upper) = (scale * (sum - error) - wrapped, scale * (sum + error));
        (lower.clamp(0.0, 1.0), if upper.is_nan() { 1.0 } else { upper.clamp(0.0, 1.0) })
    }

    /// The trapezoid sum and the sum of its moduli, times spacing/pi.
    fn sum(&self, epsilon: f64) -> (f64, f64) {
        let [sum, size, _] = self.sums(epsilon);
        (sum, size)
    }

    /// The same, and the sum for -d delta/d epsilon.
    fn sums(&self, epsilon: f64) -> [f64; 3] {
        let turn = -self.spacing * (epsilon - self.mean);
        let (mut sum, mut size, mut slope) = (0.0, 0.0, 0.0);
        let (step_sin, step_cos) = turn.sin_cos();
        let (mut sin, mut cos) = (0.0, 1.0);
        for (k, &(re, im)) in self.values.iter().enumerate() {
            if k % ANCHOR == 0 {
                (sin, cos) = (turn * k as f64).sin_cos();
            }
            let real = re * cos - im * sin;
            sum += real;
            slope += self.lambda * real - k as f64 * self.spacing * (re * sin + im * cos);
            size += re.abs() + im.abs();
            (sin, cos) = (sin * step_cos + cos * step_sin, cos * step_cos - sin * step_sin);
        }
        [sum, size, slope].map(|value| value * self.spacing / PI)
    }

    /// Bound on the sum over m of e^(lambda m W) delta(epsilon + m W), over m > 0 or m < 0: with the Chernoff bound
    /// delta(y) <= e^(K(t) - t y)/(t + 1) at a tilt t on that side of lambda, a geometric series.
    fn wrapped(&self, epsilon: f64, right: bool) -> f64 {
        let width = 2.0 * PI / self.spacing;
        self.elsewhere
            .iter()
            .filter(|&&(at, _)| (at > self.lambda) == right)
            .map(|&(at, log)| {
                let ratio = (-(at - self.lambda).abs() * width).exp();
                (log - at * epsilon).exp() / (at + 1.0) * ratio / (1.0 - ratio) * (1.0 + 1e-6)
            })
            .fold(f64::INFINITY, f64::min)
    }

    /// Bounds on epsilon at `delta`, which is below `highest`: where the bounds on delta(epsilon) have passed it.
    pub(crate) fn epsilon(&self, delta: f64, highest: f64) -> Option<(f64, f64)> {
        let at = |epsilon: f64| self.delta(epsilon);
        if at(0.0).1 <= delta {
            return Some((0.0, 0.0));
        }
        // The bounds are sound wherever they are evaluated, so the search need not be: Newton's on ln delta, halving
        // the bracket where that leaves it.
        let (mut low, mut high) = (0.0, highest);
        let mut guess = if self.mean > 0.0 && self.mean < high { self.mean } else { 0.5 * high };
        for _ in 0..100 {
            let [sum, _, slope] = self.sums(guess);
            let miss = if sum > 0.0 { self.log_moment - self.lambda * guess + sum.ln() - delta.ln() } else { f64::NEG_INFINITY };
            if miss > 0.0 {
                low = guess;
            } else {
                high = guess;
            }
            let step = miss * sum / slope;
            let next = guess + step;
            let inside = next > low && next < high && step.is_finite();
            let next = if inside { next } else { 0.5 * (low + high) };
            if (next - guess).abs() <= 1e-11 * guess.abs() {
                break;
            }
            guess = next;
        }
        let width = 2.0 * PI / self.spacing;
        let (lower, upper) = at(guess);
        let slack = (upper / lower.max(delta * 1e-3)).ln().max(1e-12) / self.lambda + 4e-16 * guess;
        let outward = |sign: f64, meets: &dyn Fn((f64, f64)) -> bool| {
            let mut distance = 0.5 * slack;
            for _ in 0..40 {
                let epsilon = guess + sign * distance;
                if epsilon <= 0.0 && sign < 0.0 {
                    return Some(0.0);
                }
                if meets(at(epsilon)) {
                    return Some(epsilon);
                }
                distance *= 2.0;
                if distance > 0.1 * guess + width {
                    return None;
                }
            }
            None
        };
        let upper = outward(1.0, &|(_, upper)| upper <= delta)?;
        let lower = outward(-1.0, &|(lower, _)| lower >= delta).unwrap_or(0.0);
        Some((lower, upper))
    }
}

/// The period W in epsilon at which the terms wrapped round are below e^`log_goal` of e^(K(lambda) - lambda epsilon).
fn period(elsewhere: &[(f64, f64)], lambda: f64, log_moment: f64, epsilon: f64, log_goal: f64) -> f64 {
    let side = |right: bool| {
        elsewhere
            .iter()
            .filter(|&&(at, _)| (at > lambda) == right)
            .map(|&(at, log)| (log - log_moment - (at - lambda) * epsilon - log_goal + 1.0).max(1.0) / (at - lambda).abs())
            .fold(f64::INFINITY, f64::min)
    };
    side(true).max(side(false))
}

/// Upper bounds on ln M at tilts on both sides of lambda; 0 is M(0) = 1.
fn elsewhere(landscape: &Landscape<'_>, lambda: f64) -> Vec<(f64, f64)> {
    let mut list = vec![(0.0, 0.0)];
    for factor in [0.25, 0.5, 0.75, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0] {
        let log = landscape.log_moment_at_most(lambda * factor);
        if log.is_finite() {
            list.push((lambda * factor, log));
        }
    }
    list
}

/// One step's tilted loss for the transform: offsets from its mean, with weights that add up to 1.
struct Nodes {
    /// ln E e^(lambda loss), with the error of the transform: the saddle point's is coarser, and worthless where adding is tilted a lot.
    log_moment: f64,
    mean: f64,
    offsets: Vec<f64>,
    weights: Vec<f64>,
}

impl Nodes {
    fn new(part: &SubsampledGaussian, direction: Direction, lambda: f64, step: f64) -> Self {
        let SubsampledGaussian { q, sigma, .. } = *part;
        let power = power(direction, lambda);
        let (mut losses, mut weights) = (Vec::new(), Vec::new());
        quadrature::tilted_nodes(q, sigma, power, step, |_, loss, log_weight| {
            losses.push(if direction == Direction::Add { -loss } else { loss });
            weights.push(log_weight);
        });
        let peak = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut total = 0.0;
        for w in &mut weights {
            *w = (*w - peak).exp();
            total += *w;
        }
        let mut mean = 0.0;
        for (w, loss) in weights.iter_mut().zip(&losses) {
            *w /= total;
            mean += *w * loss;
        }
        for loss in &mut losses {
            *loss -= mean;
        }
        // Whole lanes.
        let whole = losses.len().next_multiple_of(LANES);
        losses.resize(whole, 0.0);
        weights.resize(whole, 0.0);
        let log_moment = peak + (total * step / (sigma * (2.0 * PI).sqrt())).ln();
        Self { log_moment, mean, offsets: losses, weights }
    }

    /// Adds count times ln phi(k spacing) to `logs` (modulus, angle), and a bound on count times its relative error.
    ///
    /// Phases are computed at anchors. Those of k spacing to both sides are the anchor's, turned either way by the same angles, so that
    /// four sums of products give two values.
    fn add_log_transform(&self, count: f64, spacing: f64, logs: &mut [(f64, f64)], errors: &mut [f64]) {
        const GROUP: usize = 2 * AROUND + 1;
        let n = self.offsets.len();
        let spread = self.offsets.iter().zip(&self.weights).map(|(o, w)| o.abs() * w).sum::<f64>();
        let first: (Vec<f64>, Vec<f64>) = self.offsets.iter().map(|offset| (offset * spacing).sin_cos()).unzip();
        let mut turns = vec![first];
        while turns.len() < AROUND {
            let ((sin, cos), (by_sin, by_cos)) = (&turns[turns.len() - 1], &turns[0]);
            let turn = |i: usize| (sin[i] * by_cos[i] + cos[i] * by_sin[i], cos[i] * by_cos[i] - sin[i] * by_sin[i]);
            let next = (0..n).map(turn).unzip();
            turns.push(next);
        }
        let (mut re, mut im) = (vec![0.0; n], vec![0.0; n]);
        for (group, (logs, errors)) in logs.chunks_mut(GROUP).zip(errors.chunks_mut(GROUP)).enumerate() {
            let anchor = (group * GROUP + AROUND) as f64 * spacing;
            for i in 0..n {
                let (sin, cos) = (self.offsets[i] * anchor).sin_cos();
                (re[i], im[i]) = (self.weights[i] * cos, self.weights[i] * sin);
            }
            let mut put = |at: usize, re: f64, im: f64| {
                let Some((log, error)) = logs.get_mut(at).zip(errors.get_mut(at)) else { return };
                let squared = re * re + im * im;
                log.0 += count * 0.5 * squared.ln();
                log.1 += count * im.atan2(re);
                // Of each term: both of its phases, at most 2 AROUND farther than k, the rotations to the second, its weight, its place
                // in the sum.
                let farthest = (group * GROUP + at + 2 * AROUND) as f64 * spacing;
                let units = 2.0 * farthest * spread + 6.0 * AROUND as f64 + (n / LANES) as f64 + 40.0;
                *error += count * (UNIT * units + 2.0 * LOG_QUADRATURE.exp()) / squared.sqrt();
            };
            put(AROUND, re.iter().sum(), im.iter().sum());
            for (by, (sin, cos)) in (1..).zip(&turns) {
                let [re_cos, im_sin, im_cos, re_sin] = products(&re, &im, sin, cos);
                put(AROUND - by, re_cos + im_sin, im_cos - re_sin);
                put(AROUND + by, re_cos - im_sin, im_cos + re_sin);
            }
        }
    }
}

/// The spacing in x with which the transform errs by at most e^LOG_QUADRATURE up to `highest` omega.
fn node_spacing(part: &SubsampledGaussian, direction: Direction, lambda: f64, highest: f64) -> f64 {
    let variance = part.sigma * part.sigma;
    let excess = (1..=24)
        .map(|i| {
            let angle = 0.125 * f64::from(i);
            let height = angle * variance;
            let penalty = if direction == Direction::Add { -lambda * (0.5 * angle).cos().ln() } else { 0.0 };
            (0.7 - LOG_QUADRATURE + 0.5 * height * angle + penalty) / height
        })
        .fold(f64::INFINITY, f64::min);
    2.0 * PI / (highest / variance + excess)
}

/// The sums of re cos, im sin, im cos and re sin, of whole lanes.
fn products(re: &[f64], im: &[f64], sin: &[f64], cos: &[f64]) -> [f64; 4] {
    let mut sums = [[0.0; LANES]; 4];
    fn lanes(of: &[f64]) -> &[[f64; LANES]] {
        of.as_chunks().0
    }
    for (((re, im), sin), cos) in lanes(re).iter().zip(lanes(im)).zip(lanes(sin)).zip(lanes(cos)) {
        for i in 0..LANES {
            sums[0][i] += re[i] * cos[i];
            sums[1][i] += im[i] * sin[i];
            sums[2][i] += im[i] * cos[i];
            sums[3][i] += re[i] * sin[i];
        }
    }
    sums.map(|lanes| lanes.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Gaussian's delta has a closed form, and its contour's interval must hold it, on and off the saddle point.
    #[test]
    fn gaussians_are_held_on_and_off_the_saddle_point() {
        for mu in [0.1_f64, 1.0, 5.0] {
            let parts = [SubsampledGaussian { q: 1.0, sigma: 1.0 / mu, count: 1 }];
            let landscape = Landscape { parts: &parts, laws: &[], direction: Direction::Remove, highest_x: vec![f64::INFINITY] };
            for delta in [1e-3_f64, 1e-8, 1e-30] {
                let saddle = landscape.for_delta(delta);
                let epsilon = landscape.chernoff(&saddle, delta.ln());
                let contour = Contour::new(&landscape, &saddle, epsilon, delta.ln()).unwrap();
                for factor in [0.9, 1.0, 1.05] {
                    let at = factor * epsilon;
                    let exact = crate::gaussian::log_delta_of_mu(mu, at).exp();
                    let (low, high) = contour.delta(at);
                    assert!(low <= exact * (1.0 + 1e-11) && exact * (1.0 - 1e-11) <= high, "mu {mu} at {at}: {low} {exact} {high}");
                    assert!(high - low <= 1e-4 * exact, "mu {mu} at {at}: {low} {exact} {high}");
                }
            }
        }
    }

    /// Where adding is tilted so far that the tilted law is narrower than a spacing of the saddle point's quadrature, against one of a
    /// hundred times as many nodes. The saddle point's errs by more than the contour says it does.
    #[test]
    fn moments_far_out_are_as_exact_as_they_are_said_to_be() {
        let mut coarse = 0;
        for (q, sigma, lambda) in [(0.9, 1.0, 10.0), (0.9, 1.0, 40.0), (0.5, 1.0, 40.0), (0.3, 0.7, 100.0), (0.9, 2.0, 100.0)] {
            let parts = [SubsampledGaussian { q, sigma, count: 100 }];
            let landscape = Landscape { parts: &parts, laws: &[], direction: Direction::Add, highest_x: vec![f64::INFINITY] };
            let saddle = landscape.at(lambda);
            let contour = Contour::through(&landscape, &saddle, saddle.mean, saddle.log_delta, MOST_WORK).unwrap();
            let fine = 100.0 * Nodes::new(&parts[0], Direction::Add, lambda, 0.01 * quadrature::spacing(sigma)).log_moment;
            let off = (contour.log_moment - fine).abs();
            assert!(off <= contour.relative, "{q} {sigma} {lambda}: {off:e} {:e}", contour.relative);
            coarse += u32::from((100.0 * saddle.log_moments[0] - fine).abs() > 10.0 * contour.relative);
        }
        assert!(coarse > 3, "{coarse}");
    }

    /// Every value to within its bound of the sum of its terms, in any group and to either side of its anchor.
    #[test]
    fn the_transform_is_the_sum_of_its_terms() {
        for (part, spacing) in
            [(SubsampledGaussian { q: 0.01, sigma: 1.0, count: 1 }, 0.3), (SubsampledGaussian { q: 0.4, sigma: 0.6, count: 1 }, 0.02)]
        {
            for direction in [Direction::Remove, Direction::Add] {
                let step = Nodes::new(&part, direction, 3.0, node_spacing(&part, direction, 3.0, 100.0 * spacing));
                let (mut logs, mut errors) = (vec![(0.0, 0.0); 100], vec![0.0; 100]);
                step.add_log_transform(1.0, spacing, &mut logs, &mut errors);
                for (k, (log, error)) in logs.iter().zip(&errors).enumerate() {
                    let sum = |of: &dyn Fn(f64) -> f64| -> f64 {
                        step.offsets.iter().zip(&step.weights).map(|(offset, weight)| weight * of(offset * k as f64 * spacing)).sum()
                    };
                    let (re, im) = (sum(&f64::cos), sum(&f64::sin));
                    let size = log.0.exp();
                    let off = (size * log.1.cos() - re).hypot(size * log.1.sin() - im) / size;
                    assert!(off <= *error && *error < 1e-11 / size, "{part:?} {direction:?} {k}: {off:e} {error:e}");
                }
            }
        }
    }

    /// What is left out, summed up far beyond the cut, is no more than its bound; and the bound is of use.
    #[test]
    fn what_is_left_out_is_bounded() {
        for (q, sigma, count, lambda) in
            [(0.01, 1.0, 1000_u64, 8.0), (0.3, 0.6, 20, 2.0), (1e-3, 2.0, 100_000, 30.0), (0.02, 0.7, 300, 6.0)]
        {
            for direction in [Direction::Remove, Direction::Add] {
                let parts = [SubsampledGaussian { q, sigma, count }];
                let landscape = Landscape { parts: &parts, laws: &[], direction, highest_x: vec![f64::INFINITY] };
                let deviation = landscape.at(lambda).variance.sqrt();
                let spacing = 0.1 / deviation;
                let log_goal = (1e-4_f64 * deviation).ln();
                let profiles = [Profile::new(&parts[0], direction, lambda)];
                let (omega, bound) = cut(&profiles, deviation, spacing, log_goal).unwrap();
                let first = (omega / spacing).ceil() as usize + 1;
                let step = node_spacing(&parts[0], direction, lambda, 10.0 * first as f64 * spacing);
                let mut logs = vec![(0.0, 0.0); 10 * first];
                let mut errors = vec![0.0; logs.len()];
                Nodes::new(&parts[0], direction, lambda, step).add_log_transform(count as f64, spacing, &mut logs, &mut errors);
                let sum: f64 = (first..logs.len()).map(|k| logs[k].0.exp() / (k as f64 * spacing).powi(2) * spacing / PI).sum();
                assert!(sum <= bound, "q {q} sigma {sigma} {direction:?}: {sum} above {bound}");
                assert!(logs[first / 4].0.exp() > 1e-30, "q {q} sigma {sigma} {direction:?}: cut at {omega}, far too late");
            }
        }
    }

    /// A period too short for the loss: the interval widens by what is wrapped round, and still holds.
    #[test]
    fn what_is_wrapped_round_is_charged() {
        let parts = [SubsampledGaussian { q: 1.0, sigma: 1.0, count: 1 }];
        let landscape = Landscape { parts: &parts, laws: &[], direction: Direction::Remove, highest_x: vec![f64::INFINITY] };
        let saddle = landscape.for_delta(1e-5);
        let mut contour = Contour::new(&landscape, &saddle, saddle.mean, 1e-5_f64.ln()).unwrap();
        let exact = crate::gaussian::log_delta_of_mu(1.0, saddle.mean).exp();
        // Every fourth node, weighted by the first's half, as a contour of a quarter of the period has.
        contour.values = contour.values.iter().copied().step_by(4).collect();
        contour.spacing *= 4.0;
        let (low, high) = contour.delta(saddle.mean);
        assert!(high > exact * 1.001 && low <= exact && exact <= high, "{low} {exact} {high}");
    }
}
