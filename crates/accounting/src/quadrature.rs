//! Moments of the privacy loss of one Poisson-subsampled Gaussian step, by quadrature.
//!
//! With nu0 = N(0, sigma^2), nu = (1-q) N(0, sigma^2) + q N(1, sigma^2) and the loss
//! L(x) = ln(nu/nu0) = ln(1 - q + q e^((2x-1)/2sigma^2)), everything needed is an integral of
//! nu0(x) e^(power L(x)) over the line. Its integrand is analytic in the strip |Im x| < pi sigma^2, so the trapezoid
//! rule converges geometrically (Trefethen & Weideman 2014) and every term is positive: no series to diverge, no
//! order to drop.

use std::f64::consts::PI;

use crate::normal::log_upper_tail;

/// Log of the integral of nu0 e^(power L), and the first two moments of L under the density it normalises.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TiltedLoss {
    pub(crate) log_integral: f64,
    pub(crate) mean: f64,
    pub(crate) variance: f64,
}

/// The loss L(x) of the step `(q, sigma)`.
pub(crate) fn loss(q: f64, sigma: f64, x: f64) -> f64 {
    let exponent = (2.0 * x - 1.0) / (2.0 * sigma * sigma);
    if q == 1.0 {
        exponent
    } else if exponent < 30.0 {
        (q * exponent.exp_m1()).ln_1p()
    } else {
        exponent + q.ln() + ((1.0 - q) / q * (-exponent).exp()).ln_1p()
    }
}

/// Integrates nu0 e^(power L) for the step `(q, sigma)`, with q < 1.
pub(crate) fn tilted_loss(q: f64, sigma: f64, power: f64) -> TiltedLoss {
    tilted_loss_below(q, sigma, power, f64::INFINITY)
}

/// The same up to `highest_x` only, roughly (to the spacing of the rule).
pub(crate) fn tilted_loss_below(q: f64, sigma: f64, power: f64, highest_x: f64) -> TiltedLoss {
    let step = spacing(sigma);
    let loss = |x: f64| loss(q, sigma, x);
    let nodes = support(q, sigma, power, highest_x, step, &loss);
    let peak = nodes.iter().map(|node| node.log_term).fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut first) = (0.0, 0.0);
    let weights: Vec<f64> = nodes.iter().map(|node| (node.log_term - peak).exp()).collect();
    for (node, weight) in nodes.iter().zip(&weights) {
        sum += weight;
        first += weight * node.loss;
    }
    let mean = first / sum;
    let second: f64 = nodes.iter().zip(&weights).map(|(node, weight)| weight * (node.loss - mean).powi(2)).sum();
    let log_normaliser = (step / (sigma * (2.0 * PI).sqrt())).ln();
    TiltedLoss { log_integral: peak + sum.ln() + log_normaliser, mean, variance: second / sum }
}

/// An upper bound on the logarithm of the integral of nu0 e^(power L), proved, or infinity where it would take too long.
///
/// With R = e^(log_integral), the rule of spacing h errs by at most 2 M/(e^(2 pi a/h) - 1), M bounding the integral of |nu0 e^(power L)|
/// along any line |Im x| < a (Trefethen & Weideman 2014, Theorem 5.1). There |nu0| grows by e^(a^2/2sigma^2) at most, and
/// e^L = 1 - q + q e^((2x-1)/2sigma^2) turns its second term by t = a/sigma^2 < pi, so that its modulus is at most what it is on the
/// line, and at least cos(t/2) times that. So M <= R e^(a^2/2sigma^2), times cos(t/2)^power where the power is negative.
///
/// Points left out have less than e^-NEGLIGIBLE of the largest term each: all modes lie between 0 and the power, and outside of
/// these the integrand falls off faster than a Gaussian of variance sigma^2 around the nearer one.
pub(crate) fn log_integral_at_most(q: f64, sigma: f64, power: f64) -> f64 {
    const GOOD: f64 = 1e-9;
    let mut step = spacing(sigma);
    let mut rule = rule_error(sigma, power, step, GOOD);
    while rule > GOOD {
        step *= 0.5;
        if step < 1e-4 * sigma {
            return f64::INFINITY;
        }
        rule = rule_error(sigma, power, step, GOOD);
    }
    let nodes = support(q, sigma, power, f64::INFINITY, step, &|x| loss(q, sigma, x));
    let peak = nodes.iter().map(|node| node.log_term).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = nodes.iter().map(|node| (node.log_term - peak).exp()).sum();
    let left_out = (0.1 - NEGLIGIBLE).exp() * (2.0 * power.abs() / step + 4.0 + 3.0 * sigma / step);
    // Of an exponent's terms, which may cancel, and of the sum.
    let largest = nodes.iter().map(|node| (node.log_term - power * node.loss).abs() + 3.0 * (power * node.loss).abs()).fold(0.0, f64::max);
    let round_off = f64::EPSILON * (32.0 + 8.0 * largest + 8.0 * power.abs() + nodes.len() as f64);
    peak + (sum + left_out).ln() + (step / (sigma * (2.0 * PI).sqrt())).ln() - (-rule).ln_1p() + round_off
}

/// A bound on the rule's error relative to the integral; no better than `good` is sought.
fn rule_error(sigma: f64, power: f64, step: f64, good: f64) -> f64 {
    let variance = sigma * sigma;
    let mut best = f64::INFINITY;
    let mut height = (2.0 * PI * variance / step).min(0.99 * PI * variance);
    for _ in 0..40 {
        let turn = (0.5 * height / variance).cos().ln() * power.min(0.0);
        let growth = 0.5 * height * height / variance + turn - 2.0 * PI * height / step;
        let decay = (-2.0 * PI * height / step).exp();
        best = best.min(2.0 * growth.exp() / (1.0 - decay));
        if best <= good {
            break;
        }
        height *= 0.75;
    }
    best
}

/// Visits the points of the trapezoid rule of spacing `step` at which nu0 e^(power L) is not negligible, in order:
/// x, the loss there, and ln of the integrand without its constant.
pub(crate) fn tilted_nodes(q: f64, sigma: f64, power: f64, step: f64, mut visit: impl FnMut(f64, f64, f64)) {
    for node in support(q, sigma, power, f64::INFINITY, step, &|x| loss(q, sigma, x)) {
        visit(node.x, node.loss, node.log_term);
    }
}

/// (1 + y)^order - 1 - order y by its series, for small y and order y.
pub(crate) fn binomial_tail(order: f64, y: f64) -> f64 {
    let mut term = order * y;
    let mut sum = 0.0;
    for k in 2..40 {
        let k = f64::from(k);
        term *= (order - k + 1.0) / k * y;
        sum += term;
        if term.abs() <= 1e-17 * sum.abs() {
            break;
        }
    }
    sum
}

/// Trapezoid spacing: the rule's error falls as e^(-2 pi d / spacing) with d the distance of the nearest singularity
/// (pi sigma^2 here), and as e^(-2 pi^2 sigma^2 / spacing^2) for the Gaussian itself; both are below 1e-17.
pub(crate) fn spacing(sigma: f64) -> f64 {
    sigma.min(sigma * sigma) * 0.4
}

/// Points with less than e^-NEGLIGIBLE of the largest term are left out.
pub(crate) const NEGLIGIBLE: f64 = 48.0;

/// A point of the rule, what was taken for the loss there, and -x^2/2sigma^2 + power loss.
struct Node {
    x: f64,
    loss: f64,
    log_term: f64,
}

/// The points at which the integrand is not negligible, in order, found by walking outwards from each of its modes.
fn support(q: f64, sigma: f64, power: f64, highest_x: f64, step: f64, loss: &dyn Fn(f64) -> f64) -> Vec<Node> {
    let node = |x: f64| {
        let loss = loss(x);
        let inside = x <= highest_x + 0.5 * step;
        let log_term = if inside { -0.5 * (x / sigma) * (x / sigma) + power * loss } else { f64::NEG_INFINITY };
        Node { x, loss, log_term }
    };
    let modes = modes(q, sigma, power).map(|x| x.min(highest_x));
    let heights = modes.map(|x| node(x).log_term);
    let peak = heights[0].max(heights[1]);
    let mut centres: Vec<i64> =
        modes.iter().zip(heights).filter(|(_, height)| *height > peak - NEGLIGIBLE).map(|(x, _)| (x / step).round() as i64).collect();
    centres.sort_unstable();
    let mut nodes: Vec<Node> = Vec::with_capacity(64);
    let mut next = i64::MIN;
    for centre in centres {
        if centre < next {
            // The walk from the mode before came past here.
            continue;
        }
        let walk = |direction: i64| {
            let at = |k: i64| node(k as f64 * step);
            (0..).map(move |i| centre + direction * i).map(at).take_while(|node| node.log_term > peak - NEGLIGIBLE)
        };
        let first = nodes.len();
        let unseen = usize::try_from(centre.saturating_sub(next)).unwrap_or(usize::MAX);
        nodes.extend(walk(-1).skip(1).take(unseen));
        nodes[first..].reverse();
        let before = nodes.len();
        nodes.extend(walk(1));
        next = centre + (nodes.len() - before) as i64;
    }
    nodes
}

/// The modes of nu0 e^(power L): the roots of x = power w(x), w(x) the posterior weight of the shifted component.
fn modes(q: f64, sigma: f64, power: f64) -> [f64; 2] {
    let variance = sigma * sigma;
    let centre = variance * (1.0 / q - 1.0).ln() + 0.5;
    let weight = |x: f64| 1.0 / (1.0 + ((centre - x) / variance).exp());
    // Iterating from either end of [0, power] is monotone and stops at the outermost root on that side; a negative
    // power has one root, between the ends, found by halving.
    if power >= 0.0 {
        let settle = |mut x: f64| {
            for _ in 0..200 {
                let next = power * weight(x);
                if (next - x).abs() < 1e-3 * sigma {
                    break;
                }
                x = next;
            }
            x
        };
        [settle(0.0), settle(power)]
    } else {
        let (mut low, mut high) = (power, 0.0);
        while high - low > 1e-3 * sigma {
            let middle = 0.5 * (low + high);
            if middle > power * weight(middle) { high = middle } else { low = middle }
        }
        [high, high]
    }
}

/// ln of the mass of nu beyond `x`, to place the truncation of a tail.
pub(crate) fn log_mixture_tail(q: f64, sigma: f64, x: f64) -> f64 {
    let far = log_upper_tail((x - 1.0) / sigma) + q.ln();
    let near = log_upper_tail(x / sigma) + (1.0 - q).ln();
    let top = far.max(near);
    top + ((far - top).exp() + (near - top).exp()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the same rule ten times as fine, and no looser than is said; where the rule is known to converge slowly, too.
    #[test]
    fn the_upper_bound_is_one() {
        for (q, sigma) in [(1e-5, 0.3), (0.01, 1.0), (0.5, 0.7), (0.9, 4.0), (1e-3, 20.0)] {
            for power in [-1e4_f64, -300.0, -20.0, -0.5, 0.5, 3.0, 40.0, 500.0] {
                let step = 0.1 * spacing(sigma).min(sigma * sigma / f64::sqrt(1.0 - power.min(0.0)));
                let nodes = support(q, sigma, power, f64::INFINITY, step, &|x| loss(q, sigma, x));
                let peak = nodes.iter().map(|node| node.log_term).fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = nodes.iter().map(|node| (node.log_term - peak).exp()).sum();
                let fine = peak + (sum * step / (sigma * (2.0 * PI).sqrt())).ln();
                let bound = log_integral_at_most(q, sigma, power);
                let what = format!("q {q} sigma {sigma} power {power}: {bound} {fine}");
                assert!(bound >= fine - 1e-15 * fine.abs() && bound - fine < 3e-9 + 1e-12 * fine.abs(), "{what}");
            }
        }
    }

    /// The rule's error as it is, where it is large enough to be seen, is no more than its bound.
    #[test]
    fn the_rule_errs_by_no_more_than_its_bound() {
        let mut seen = 0;
        for (q, sigma) in [(0.5, 0.5), (0.3, 1.0), (0.02, 0.7)] {
            for power in [-40.0_f64, -6.0, 0.7, 2.5, 7.0] {
                let of = |step: f64| {
                    let term = |k: i32| {
                        let x = f64::from(k) * step;
                        (-0.5 * (x / sigma) * (x / sigma) + power * loss(q, sigma, x)).exp()
                    };
                    let reach = (30.0 * sigma / step) as i32 + (power.abs() / step) as i32;
                    (-reach..=reach).map(term).sum::<f64>() * step
                };
                let exact = of(0.02 * sigma * sigma);
                for step in [0.8, 1.2, 2.0, 3.0].map(|s| s * sigma.min(sigma * sigma)) {
                    let (error, bound) = ((of(step) / exact - 1.0).abs(), rule_error(sigma, power, step, 0.0));
                    assert!(error <= bound + 1e-13, "{q} {sigma} {power} {step}: {error} {bound}");
                    seen += u32::from(error > 1e-10 && bound < 1.0);
                }
            }
        }
        assert!(seen > 5, "{seen}");
    }

    #[test]
    fn a_power_of_minus_zero_or_one_normalises() {
        for power in [0.0, 1.0] {
            for (q, sigma) in [(1e-5, 0.3), (0.5, 1.0), (0.01, 20.0)] {
                let moments = tilted_loss(q, sigma, power);
                assert!(moments.log_integral.abs() < 1e-13, "{moments:?}");
            }
        }
    }
}
