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
pub(crate) fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
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

/// The z with P[Z ≤ z] = p, for 0 < p < 1: Wichura (1988), algorithm AS 241, relative error about 1e-16.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    let horner = |c: &[f64], r: f64| c.iter().rev().fold(0.0, |sum, c| sum * r + c);
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * horner(&MIDDLE[0], r) / horner(&MIDDLE[1], r);
    }
    let r = (-(if q < 0.0 { p } else { 1.0 - p }).ln()).sqrt();
    let z =
        if r <= 5.0 { horner(&TAIL[0], r - 1.6) / horner(&TAIL[1], r - 1.6) } else { horner(&FAR[0], r - 5.0) / horner(&FAR[1], r - 5.0) };
    z.copysign(q)
}

/// Coefficients of numerator and denominator, from the constant up.
type Ratio = [[f64; 8]; 2];
const MIDDLE: Ratio = [
    [
        3.387_132_872_796_366_5,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_3e3,
        1.373_169_376_550_946_e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_854e3,
    ],
];
const TAIL: Ratio = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
];
const FAR: Ratio = [
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
];

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
        // Slow: bisection on the tail.
        // (Near 1 a bisection on the tail below knows less than p says: that side is the mirror image.)
        for p in [1e-300, 1e-20, 1e-12, 1e-8, 1e-5, 0.0749, 0.0751, 0.2, 0.6, 0.93] {
            let (mut low, mut high) = (-40.0, 40.0);
            for _ in 0..100 {
                let middle = 0.5 * (low + high);
                if upper_tail(-middle) < p { low = middle } else { high = middle }
            }
            assert!((normal_quantile(p) - low).abs() < 1e-12 * (1.0 + low.abs()), "{p}: {low}");
        }
        assert_eq!(normal_quantile(1.0 - 2.0_f64.powi(-20)), -normal_quantile(2.0_f64.powi(-20)));
    }
}
