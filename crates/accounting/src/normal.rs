//! Tails of the normal distribution, accurate where they are tiny.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI};

/// Upper tail of the standard normal, P[Z > z].
pub(crate) fn upper_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z * FRAC_1_SQRT_2)
}

/// ln P[Z > z], finite for every finite z.
pub(crate) fn log_upper_tail(z: f64) -> f64 {
    log_erfc(z * FRAC_1_SQRT_2) - LN_2
}

/// ln erfc(x), finite where erfc itself underflows.
fn log_erfc(x: f64) -> f64 {
    if x < 5.0 { libm::erfc(x).ln() } else { erfcx(x).ln() - x * x }
}

/// Mills ratio P[Z > t] / phi(t), for t >= 0.
pub(crate) fn mills(t: f64) -> f64 {
    (PI / 2.0).sqrt() * erfcx(t * FRAC_1_SQRT_2)
}

/// exp(x^2) erfc(x), for x >= 0.
fn erfcx(x: f64) -> f64 {
    if x < 5.0 {
        return (x * x).exp() * libm::erfc(x);
    }
    // The continued fraction of Abramowitz & Stegun 7.1.14 from its tail: 30 terms reach round-off for x >= 5.
    let mut fraction = x;
    for k in (1..=30).rev() {
        fraction = x + 0.5 * f64::from(k) / fraction;
    }
    1.0 / (PI.sqrt() * fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ln erfc by CPython's math.erfc; the last by ten terms of its asymptotic series, exact to round-off there.
    #[test]
    fn agrees_with_high_precision_values() {
        for (x, log) in [(0.5, -0.735_011_129_837_084_4), (5.0, -27.200_889_545_537_436), (30.0, -903.974_117_110_643_9)] {
            let ours = log_erfc(x);
            assert!((ours - log).abs() < 1e-14 * log.abs(), "ln erfc({x}) = {ours}, expected {log}");
        }
    }

    #[test]
    fn branches_meet() {
        let (below, above) = (5.0 - 1e-12, 5.0 + 1e-12);
        assert!((erfcx(below) / erfcx(above) - 1.0).abs() < 1e-11);
        assert!((log_erfc(below) / log_erfc(above) - 1.0).abs() < 1e-11);
        assert!((mills(0.0) - (PI / 2.0).sqrt()).abs() < 1e-15);
        assert!(log_upper_tail(1e8).is_finite());
        assert!((upper_tail(1.0) - 0.158_655_253_931_457_05).abs() < 1e-16);
    }
}
