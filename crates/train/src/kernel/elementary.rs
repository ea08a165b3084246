//! exp, ln, tanh, the logistic function and erf in `f32`, without branches: a compiler makes vectors of loops over them.
//!
//! Polynomials: exp and tanh as in Cephes (Moshier 1992, expf.c, logf.c and tanhf.c), erf as the rational function of Eigen and XLA.

/// eˣ, to 2 units in the last place; 0 below −87.3, and at 88 what it is beyond.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let x = x.clamp(-104.0, 88.0);
    // To the nearest integer: what is added has no room for a fraction, and the integer is then its last bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4;
    let r = r + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4_f32;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let p = p * (r * r) + r + 1.0;
    // 2ⁿ, zero where it is no normal number.
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).cast_signed() + 127;
    let power = f32::from_bits(exponent.max(0).cast_unsigned() << 23);
    p * power
}

/// ln x, to 2 units in the last place; −∞ at 0, not a number below.
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    // Numbers below the normal ones are brought among them.
    const UP: f32 = 8_388_608.0;
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * UP } else { x };
    // x = m · 2ⁿ, m in [√½, √2).
    let bits = scaled.to_bits();
    let above = bits.wrapping_sub(std::f32::consts::FRAC_1_SQRT_2.to_bits());
    let n = (above.cast_signed() >> 23) as f32 - if tiny { 23.0 } else { 0.0 };
    let m = f32::from_bits((above & 0x007F_FFFF).wrapping_add(std::f32::consts::FRAC_1_SQRT_2.to_bits()));
    let r = m - 1.0;
    let z = r * r;
    let p = 7.037_683_6e-2_f32;
    let p = p * r - 1.151_461e-1;
    let p = p * r + 1.167_699_9e-1;
    let p = p * r - 1.242_014_1e-1;
    let p = p * r + 1.424_932_3e-1;
    let p = p * r - 1.666_805_8e-1;
    let p = p * r + 2.000_071_5e-1;
    let p = p * r - 2.499_999_4e-1;
    let p = p * r + 3.333_333e-1;
    let y = r * z * p + n * -2.121_944_4e-4 - 0.5 * z;
    let y = r + y + n * 0.693_359_4;
    let y = if x == f32::INFINITY { x } else { y };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x >= 0.0 { y } else { f32::NAN }
}

/// 1/(1 + e⁻ˣ).
#[inline(always)]
pub(crate) fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// tanh x.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let z = x * x;
    let p = -5.704_988_7e-3_f32;
    let p = p * z + 2.063_908_8e-2;
    let p = p * z - 5.373_971_5e-2;
    let p = p * z + 1.333_144_2e-1;
    let p = p * z - 0.333_332_8;
    let small = p * z * x + x;
    let large = 1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0);
    if x.abs() < 0.625 { small } else { large.copysign(x) }
}

/// erf x.
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let z = x * x;
    let p = -2.726_142_4e-10_f32;
    let p = p * z + 2.770_681_4e-8;
    let p = p * z - 2.101_024e-6;
    let p = p * z - 5.692_506_4e-5;
    let p = p * z - 7.349_906_4e-4;
    let p = p * z - 2.954_6e-3;
    let p = p * z - 1.609_603_3e-2;
    let q = -1.456_607_2e-5_f32;
    let q = q * z - 2.133_740_6e-4;
    let q = q * z - 1.682_827e-3;
    let q = q * z - 7.373_329e-3;
    let q = q * z - 1.426_473_9e-2;
    x * p / q
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against `f64`, at 200,000 places.
    fn worst(range: f32, found: fn(f32) -> f32, exact: fn(f64) -> f64, floor: f64) -> f64 {
        let at = |i: i32| range * (i as f32 / 100_000.0);
        let error = |x: f32| (f64::from(found(x)) - exact(f64::from(x))).abs() / exact(f64::from(x)).abs().max(floor);
        (-100_000..=100_000).map(|i| error(at(i))).fold(0.0, f64::max)
    }

    #[test]
    fn functions_are_within_a_few_units_in_the_last_place() {
        let unit = f64::from(f32::EPSILON);
        assert!(worst(87.0, exp, f64::exp, 0.0) < 2.0 * unit, "{}", worst(87.0, exp, f64::exp, 0.0) / unit);
        assert!(worst(80.0, logistic, |x| 1.0 / (1.0 + (-x).exp()), 0.0) < 3.0 * unit);
        assert!(worst(12.0, tanh, f64::tanh, 1e-30) < 2.0 * unit);
        assert!(worst(1e-3, tanh, f64::tanh, 1e-30) < 2.0 * unit);
        // ln over all magnitudes, near 1, and below the normal numbers.
        for x in (0..200_000).map(|i| f32::from_bits(i * 10_737)).chain((0..200_000).map(|i| 0.5 + i as f32 * 1e-5)).filter(|&x| x > 0.0) {
            let exact = f64::from(x).ln();
            assert!((f64::from(ln(x)) - exact).abs() <= 2.0 * unit * exact.abs().max(1e-30), "ln {x:e}: {} for {exact}", ln(x));
        }
        // erf by its series in f64.
        fn erf_of(x: f64) -> f64 {
            let (mut term, mut sum) = (x, x);
            for k in 1..200 {
                term *= -x * x / f64::from(k);
                sum += term / f64::from(2 * k + 1);
            }
            sum * 2.0 / std::f64::consts::PI.sqrt()
        }
        assert!(worst(3.0, erf, erf_of, 1e-30) < 5.0 * unit, "{}", worst(3.0, erf, erf_of, 1e-30) / unit);
    }

    #[test]
    fn far_out_they_are_what_they_tend_to() {
        for (found, expected) in [
            (exp(-200.0), 0.0),
            (exp(0.0), 1.0),
            (logistic(200.0), 1.0),
            (tanh(50.0), 1.0),
            (tanh(-50.0), -1.0),
            (tanh(0.0), 0.0),
            (erf(0.0), 0.0),
        ] {
            assert!((found - expected).abs() < 1e-38 || found == expected, "{found} for {expected}");
        }
        assert!(logistic(-200.0) >= 0.0 && logistic(-200.0) < 1e-37);
        assert!((erf(9.0) - 1.0).abs() < 1e-6 && (erf(-9.0) + 1.0).abs() < 1e-6);
        for f in [exp, logistic, tanh, erf] {
            assert!(f(f32::NAN).is_nan(), "what is not finite must stay so");
        }
        assert!(ln(f32::NAN).is_nan() && ln(-1.0).is_nan());
        assert_eq!((ln(0.0), ln(f32::INFINITY), ln(1.0)), (f32::NEG_INFINITY, f32::INFINITY, 0.0));
    }
}
