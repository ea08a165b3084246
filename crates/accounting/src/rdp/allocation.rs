//! Renyi divergence of random allocation: each record in exactly k of t Gaussians, which being drawn evenly.
//!
//! For k = 1 and one record added, P = (1/t) sum_i N(e_i, sigma^2 I) and Q = N(0, sigma^2 I) in t dimensions dominate, whatever later
//! rounds take from earlier ones (Feldman & Shenfeld 2025, arXiv:2502.08202). With Y = e^((2x-1)/2sigma^2), x ~ N(0, sigma^2), and S
//! the mean of t independent Y, P/Q is S under Q, and E[Y^a] = e^(a(a-1)/2sigma^2). So
//! - removing a record: E[S^a] is a!/t^a times the coefficient of z^a in (sum_j E[Y^j] z^j/j!)^t, for an integer order a;
//! - adding one: E[S^-b], b = a - 1, is the integral of s^(b-1) E[e^(-sY/t)]^t over s, divided by Gamma(b).
//!
//! (a - 1) times the divergence is convex in a, so that between integers the chord is a bound. For k > 1 the rounds are split at
//! random into k blocks as even as may be; one round drawn in each is an even draw of k, and joint convexity makes the composition
//! of k allocations of 1 in at least floor(t/k) rounds a bound (same source, section 4).

use std::f64::consts::PI;

use crate::Error;

/// Beyond this order the divergence is bounded by that without sampling.
const LARGEST: u64 = 64;

pub(crate) fn rdp(sigma: f64, rounds: u64, rounds_per_record: u64, order: f64) -> Result<f64, Error> {
    if rounds_per_record > rounds {
        let value = rounds_per_record as f64;
        return Err(Error::OutOfRange { quantity: "the rounds of one record", value, range: "at most the number of rounds" });
    }
    // In its rounds a record moves one Gaussian each.
    let unsampled = order / (2.0 * sigma * sigma);
    let one = if order > LARGEST as f64 {
        unsampled
    } else {
        let t = rounds / rounds_per_record;
        let (below, above) = (order.floor(), order.ceil());
        let log_moments = |a: f64| if a <= 1.0 { 0.0 } else { f64::max(removing(sigma, t, a as u64), adding(sigma, t, a - 1.0)) };
        let log_moment = log_moments(below) + if above > below { (order - below) * (log_moments(above) - log_moments(below)) } else { 0.0 };
        (log_moment / (order - 1.0)).min(unsampled)
    };
    Ok(rounds_per_record as f64 * one)
}

/// ln E[S^order], by powers of the series in logarithms: all terms are positive.
fn removing(sigma: f64, t: u64, order: u64) -> f64 {
    let n = order as usize;
    let mut series = Vec::with_capacity(n + 1);
    let mut log_factorial = 0.0;
    for j in 0..=n {
        let a = j as f64;
        if j > 1 {
            log_factorial += a.ln();
        }
        series.push(a * (a - 1.0) / (2.0 * sigma * sigma) - log_factorial);
    }
    let product = |one: &[f64], other: &[f64]| -> Vec<f64> { (0..=n).map(|k| log_sum((0..=k).map(|j| one[j] + other[k - j]))).collect() };
    let mut power: Option<Vec<f64>> = None;
    let mut left = t;
    while left > 0 {
        if left & 1 == 1 {
            power = Some(power.map_or_else(|| series.clone(), |p| product(&p, &series)));
        }
        left >>= 1;
        if left > 0 {
            series = product(&series, &series);
        }
    }
    let coefficient = power.map_or(0.0, |p| p[n]);
    (coefficient + log_factorial - order as f64 * (t as f64).ln()).max(0.0)
}

/// ln E[S^-b] by trapezoid rules, in u = ln s and in the standard normal of Y; divided by the same rule's Gamma(b).
fn adding(sigma: f64, t: u64, b: f64) -> f64 {
    let t = t as f64;
    // Small Y, and with them large s, matter as far down as the tilted law reaches: S >= Y/t moves by b/sigma at most.
    let reach = 9.0 + b / sigma;
    let step = (0.25 * sigma).min(0.25);
    let nodes = (2.0 * reach / step).ceil() as i64;
    let normal: Vec<(f64, f64)> = (0..=nodes)
        .map(|i| {
            let z = -reach + i as f64 * step;
            (-0.5 * z * z, z / sigma - 0.5 / (sigma * sigma))
        })
        .collect();
    let log_weight = (step / (2.0 * PI).sqrt()).ln();
    let log_laplace = |s: f64| log_weight + log_sum(normal.iter().map(|&(log_density, log_y)| log_density - s * log_y.exp()));
    let width = 0.1_f64;
    let (mut top, mut bottom) = (Vec::new(), Vec::new());
    // From where s^b is negligible up to where the smallest Y answers.
    let (first, last) = (b.ln() - 45.0 / b - 5.0, b.ln() + 5.0 + reach / sigma + 0.5 / (sigma * sigma) + t.ln());
    let mut u = first;
    while u < last {
        let s = u.exp();
        let term = b * u + t * log_laplace(s / t);
        let gamma = b * u - s;
        top.push(term);
        bottom.push(gamma);
        let peak = top.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if u > b.ln() + 3.0 && term < peak - 45.0 {
            break;
        }
        u += width;
    }
    (log_sum(top.into_iter()) - log_sum(bottom.into_iter())).max(0.0)
}

fn log_sum(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY { top } else { top + logs.map(|log| (log - top).exp()).sum::<f64>().ln() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One round is a Gaussian; two are an integral over the plane.
    #[test]
    fn small_cases_are_the_definition() {
        for sigma in [0.5, 1.0, 3.0] {
            for a in [2.0, 3.0, 8.0] {
                let exact = a * (a - 1.0) / (2.0 * sigma * sigma);
                assert!((removing(sigma, 1, a as u64) / exact - 1.0).abs() < 1e-12);
                assert!((adding(sigma, 1, a - 1.0) / exact - 1.0).abs() < 1e-9, "{sigma} {a}: {} {exact}", adding(sigma, 1, a - 1.0));
                let (mut up, mut down, step) = (0.0, 0.0, 0.1);
                let reach = 9.0 + a / sigma;
                let nodes = (2.0 * reach / step) as i64;
                for i in 0..=nodes {
                    for j in 0..=nodes {
                        let (x, y) = (-reach + i as f64 * step, -reach + j as f64 * step);
                        let log = |z: f64| z / sigma - 0.5 / (sigma * sigma);
                        let mean = 0.5 * (log(x).exp() + log(y).exp());
                        let density = (-0.5 * (x * x + y * y)).exp() * step * step / (2.0 * PI);
                        up += density * mean.powf(a);
                        down += density * mean.powf(1.0 - a);
                    }
                }
                assert!(
                    (removing(sigma, 2, a as u64) / up.ln() - 1.0).abs() < 1e-6,
                    "{sigma} {a}: {} {}",
                    removing(sigma, 2, a as u64),
                    up.ln()
                );
                assert!(
                    (adding(sigma, 2, a - 1.0) / down.ln() - 1.0).abs() < 1e-6,
                    "{sigma} {a}: {} {}",
                    adding(sigma, 2, a - 1.0),
                    down.ln()
                );
            }
        }
    }
}
