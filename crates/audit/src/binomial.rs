//! Tails of the binomial and normal distributions.

/// P[Bin(n, p) ≥ k], by the incomplete beta function: I_p(k, n−k+1).
pub(crate) fn at_least(n: usize, p: f64, k: usize) -> f64 {
    match k {
        0 => 1.0,
        k if k > n => 0.0,
        k => incomplete_beta(k as f64, (n - k + 1) as f64, p),
    }
}

/// ln of the binomial coefficient.
pub(crate) fn log_choose(n: usize, k: usize) -> f64 {
    libm::lgamma(n as f64 + 1.0) - libm::lgamma(k as f64 + 1.0) - libm::lgamma((n - k) as f64 + 1.0)
}

/// The probability of each number of successes from 0 to `n`, 0 < p < 1.
pub(crate) fn masses(n: usize, p: f64) -> Vec<f64> {
    let (log_p, log_q) = (p.ln(), (-p).ln_1p());
    (0..=n).map(|k| (log_choose(n, k) + k as f64 * log_p + (n - k) as f64 * log_q).exp()).collect()
}

/// The regularised incomplete beta function I_x(a, b), by the continued fraction of Numerical Recipes 6.4 (modified Lentz).
///
/// Relative error below 1e-9 for a, b up to 1e7.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let log_front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * (-x).ln_1p();
    // The fraction converges fast on this side of the mean; the other side is its mirror image.
    if x < (a + 1.0) / (a + b + 2.0) {
        (log_front.exp() * fraction(a, b, x) / a).min(1.0)
    } else {
        (1.0 - log_front.exp() * fraction(b, a, 1.0 - x) / b).max(0.0)
    }
}

fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    // About √max(a, b) terms are needed.
    for m in 1..200_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    h
}

/// P[Z > z] for a standard normal Z.
pub(crate) fn upper_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}

/// The z with P[Z ≤ z] = p, for 0 < p < 1, by bisection.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if upper_tail(-middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slow and exact: products of ratios, summed from the small end.
    fn sum_at_least(n: usize, p: f64, k: usize) -> f64 {
        let mass = |j: usize| (0..j).fold(1.0, |m, i| m * (n - i) as f64 / (i + 1) as f64 * p) * (1.0 - p).powi((n - j) as i32);
        (k..=n).rev().map(mass).sum()
    }

    #[test]
    fn tails_equal_exact_sums() {
        for n in [1, 2, 7, 40, 200] {
            for p in [1e-6, 0.01, 0.3, 0.5, 0.77, 0.999] {
                for k in 0..=n {
                    let (fast, slow) = (at_least(n, p, k), sum_at_least(n, p, k));
                    assert!((fast - slow).abs() <= 1e-11 * slow + 1e-15, "n {n} p {p} k {k}: {fast} {slow}");
                }
            }
        }
    }

    #[test]
    fn masses_add_up_to_the_tail() {
        for (n, p) in [(1000, 0.7), (5000, 0.5), (20_000, 0.93)] {
            let masses = masses(n, p);
            let mut above = 0.0;
            for k in (0..=n).rev() {
                above += masses[k];
                let tail = at_least(n, p, k);
                assert!((above - tail).abs() < 1e-9 * tail + 1e-12, "{n} {p} {k}: {above} {tail}");
            }
        }
    }

    /// Φ⁻¹ from the tables of Abramowitz & Stegun 26.
    #[test]
    fn quantiles() {
        for (p, z) in [(0.5, 0.0), (0.975, 1.959_963_984_540_054), (0.95, 1.644_853_626_951_472), (0.001, -3.090_232_306_167_813)] {
            assert!((normal_quantile(p) - z).abs() < 1e-12, "{p}");
        }
    }
}
