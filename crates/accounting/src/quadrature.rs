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

/// Visits the points of the trapezoid rule of spacing `step` at which nu0 e^(power L) is not negligible, in order:
/// x, the loss there, and ln of the integrand without its constant.
pub(crate) fn tilted_nodes(q: f64, sigma: f64, power: f64, step: f64, mut visit: impl FnMut(f64, f64, f64)) {
    for node in support(q, sigma, power, f64::INFINITY, step, &|x| loss(q, sigma, x)) {
        visit(node.x, node.loss, node.log_term);
    }
}

/// E over nu0 of (1 + qY)^order - 1 with Y = e^((2x-1)/2sigma^2) - 1, for results of moderate size.
///
/// As E[Y] = 0, the term order q Y may be taken off each sample: what is left is never negative (Bernoulli), so a
/// moment of 1 + 1e-12 keeps all its digits.
pub(crate) fn excess_moment(q: f64, sigma: f64, order: f64) -> f64 {
    let step = spacing(sigma);
    let mut sum = 0.0;
    // Where the loss is negative the term is about order q: no smaller than at a loss of 0.
    for Node { x, loss, .. } in support(q, sigma, order, f64::INFINITY, step, &|x| loss(q, sigma, x).max(0.0)) {
        let exponent = (2.0 * x - 1.0) / (2.0 * sigma * sigma);
        let log_density = -0.5 * (x / sigma) * (x / sigma);
        let y = q * exponent.exp_m1();
        let term = if (order * y).abs() < 0.05 && y.abs() < 0.05 {
            log_density.exp() * binomial_tail(order, y)
        } else {
            // Each factor may overflow although the product is moderate, so the density goes into each exponent.
            let loss = if loss > 0.0 { loss } else { self::loss(q, sigma, x) };
            (log_density + order * loss).exp() - log_density.exp() * (1.0 - order * q) - order * q * (log_density + exponent).exp()
        };
        sum += term;
    }
    sum * step / (sigma * (2.0 * PI).sqrt())
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
fn spacing(sigma: f64) -> f64 {
    sigma.min(sigma * sigma) * 0.4
}

/// A point of the rule, what was taken for the loss there, and -x^2/2sigma^2 + power loss.
struct Node {
    x: f64,
    loss: f64,
    log_term: f64,
}

/// The points at which the integrand is not negligible, in order, found by walking outwards from each of its modes.
fn support(q: f64, sigma: f64, power: f64, highest_x: f64, step: f64, loss: &dyn Fn(f64) -> f64) -> Vec<Node> {
    /// e^-NEGLIGIBLE of the peak per point.
    const NEGLIGIBLE: f64 = 48.0;
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

    #[test]
    fn second_moment_has_a_closed_form() {
        // E[(nu/nu0)^2] - 1 = q^2 (e^(1/sigma^2) - 1).
        for (q, sigma) in [(1e-5_f64, 1.0_f64), (0.3, 0.4), (0.01, 20.0), (0.999, 2.0)] {
            let exact = q * q * (1.0 / (sigma * sigma)).exp_m1();
            let ours = excess_moment(q, sigma, 2.0);
            assert!((ours / exact - 1.0).abs() < 1e-12, "q {q} sigma {sigma}: {ours} {exact}");
            let log = tilted_loss(q, sigma, 2.0).log_integral;
            assert!((log - exact.ln_1p()).abs() < 1e-13 * (1.0 + exact.ln_1p()), "q {q} sigma {sigma}: {log}");
        }
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
