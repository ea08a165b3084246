//! Probabilities of the binomial law, accurate where they are tiny.

use std::f64::consts::PI;

/// P[Bin(n, q) = k], by Loader 2000 ("Fast and accurate computation of binomial probabilities"): relative error about 1e-14.
pub(crate) fn mass(n: f64, q: f64, k: f64) -> f64 {
    if k < 0.0 || k > n {
        0.0
    } else if q >= 1.0 {
        f64::from(k == n)
    } else if k == 0.0 {
        (n * (-q).ln_1p()).exp()
    } else if k == n {
        (n * q.ln()).exp()
    } else {
        let rest = n - k;
        let log = stirling_error(n) - stirling_error(k) - stirling_error(rest) - deviance(k, n * q) - deviance(rest, n * (1.0 - q));
        log.exp() * (n / (2.0 * PI * k * rest)).sqrt()
    }
}

/// P[Bin(n, q) >= k], summed from its largest terms; the relative error is about 1e-12.
pub(crate) fn upper_tail(n: f64, q: f64, k: f64) -> f64 {
    if k <= n * q {
        return 1.0 - below(n, q, k - 1.0);
    }
    let odds = q / (1.0 - q);
    let (mut term, mut sum, mut k) = (mass(n, q, k), 0.0, k);
    while k <= n && term > 1e-17 * sum {
        sum += term;
        term *= (n - k) / (k + 1.0) * odds;
        k += 1.0;
    }
    sum
}

/// P[Bin(n, q) <= k] for k at most the mean.
fn below(n: f64, q: f64, k: f64) -> f64 {
    let odds = (1.0 - q) / q;
    let (mut term, mut sum, mut k) = (mass(n, q, k), 0.0, k);
    while k >= 0.0 && term > 1e-17 * sum {
        sum += term;
        term *= k / (n - k + 1.0) * odds;
        k -= 1.0;
    }
    sum
}

/// ln n! less Stirling's approximation sqrt(2 pi n) (n/e)^n.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        return libm::lgamma(n + 1.0) - (n + 0.5) * n.ln() + n - 0.5 * (2.0 * PI).ln();
    }
    let m = n * n;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / m) / m) / m) / m) / n
}

/// x ln(x/mean) + mean - x, without cancellation where x is near the mean.
fn deviance(x: f64, mean: f64) -> f64 {
    let difference = x - mean;
    if difference.abs() < 0.1 * (x + mean) {
        let v = difference / (x + mean);
        let mut sum = difference * v;
        let mut power = 2.0 * x * v;
        for j in 1..100 {
            power *= v * v;
            let next = sum + power / f64::from(2 * j + 1);
            if next == sum {
                break;
            }
            sum = next;
        }
        return sum;
    }
    x * (x / mean).ln() + mean - x
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the recurrence from one mass to the next.
    #[test]
    fn masses_sum_and_match_the_products() {
        for (n, q) in [(7.0, 0.3), (60.0, 0.01), (300.0, 0.9)] {
            let mut product = (n * f64::ln_1p(-q)).exp();
            let mut total = 0.0;
            let mut k = 0.0;
            while k <= n {
                let ours = mass(n, q, k);
                assert!((ours / product - 1.0).abs() < 1e-11, "{n} {q} {k}: {ours} {product}");
                total += ours;
                product *= (n - k) / (k + 1.0) * q / (1.0 - q);
                k += 1.0;
            }
            assert!((total - 1.0).abs() < 1e-12);
        }
        for k in [0.0, 3.0, 10.0, 18.0, 19.0, 40.0, 60.0] {
            let sum: f64 = (0..=60).map(f64::from).filter(|i| *i >= k).map(|i| mass(60.0, 0.3, i)).sum();
            assert!((upper_tail(60.0, 0.3, k) / sum - 1.0).abs() < 1e-12, "{k}");
        }
    }
}
