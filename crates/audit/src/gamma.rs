//! Tails of the χ² distribution.

/// P[χ² ≤ x] and P[χ² > x] with `degrees` of freedom, by the regularised incomplete gamma functions (Numerical Recipes 6.2: series and
/// continued fraction). Relative error of the smaller of both below 1e-9 up to 1e6 degrees.
pub(crate) fn chi_squared(x: f64, degrees: f64) -> (f64, f64) {
    let (a, x) = (degrees / 2.0, x / 2.0);
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    let log_front = a * x.ln() - x - libm::lgamma(a);
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        // About √a terms are needed.
        for _ in 0..1_000_000 {
            n += 1.0;
            term *= x / n;
            sum += term;
            if term < sum * 1e-16 {
                break;
            }
        }
        let lower = (log_front + sum.ln()).exp().min(1.0);
        (lower, 1.0 - lower)
    } else {
        const TINY: f64 = 1e-300;
        let away = |v: f64| if v.abs() < TINY { TINY } else { v };
        let mut b = x + 1.0 - a;
        let mut c = 1.0 / TINY;
        let mut d = 1.0 / away(b);
        let mut h = d;
        for i in 1..1_000_000 {
            let i = f64::from(i);
            let an = -i * (i - a);
            b += 2.0;
            d = 1.0 / away(an * d + b);
            c = away(b + an / c);
            h *= d * c;
            if (d * c - 1.0).abs() < 1e-15 {
                break;
            }
        }
        let upper = (log_front + h.ln()).exp().min(1.0);
        (1.0 - upper, upper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With an even number of degrees the upper tail is a Poisson sum, with one degree a normal tail; and quantiles from tables.
    #[test]
    fn equals_closed_forms_and_tables() {
        for (x, degrees) in [(1.0, 2), (7.0, 4), (30.0, 40), (55.8, 40), (1200.0, 1000), (850.0, 1000)] {
            // Σ_{k < ν/2} e^(−x/2) (x/2)^k / k!
            let mut log_term = -x / 2.0;
            let mut sum = 0.0;
            for k in 0..degrees / 2 {
                if k > 0 {
                    log_term += (x / 2.0_f64).ln() - f64::from(k).ln();
                }
                sum += log_term.exp();
            }
            let (lower, upper) = chi_squared(x, f64::from(degrees));
            assert!((upper / sum - 1.0).abs() < 1e-9, "{x} {degrees}: {upper} {sum}");
            assert!((lower + upper - 1.0).abs() < 1e-12);
        }
        for z in [0.1, 1.0, 3.0, 6.0] {
            let (_, upper) = chi_squared(z * z, 1.0);
            assert!((upper / (2.0 * crate::binomial::upper_tail(z)) - 1.0).abs() < 1e-9, "{z}");
        }
        // 5% and 99% quantiles (NIST, Engineering Statistics Handbook, 1.3.6.7.4).
        for (x, degrees, p) in [(3.940, 10.0, 0.05), (23.209, 10.0, 0.99), (77.929, 100.0, 0.05), (135.807, 100.0, 0.99)] {
            assert!((chi_squared(x, degrees).0 - p).abs() < 5e-5, "{x} {degrees}");
        }
        assert_eq!(chi_squared(0.0, 5.0), (0.0, 1.0));
    }

    #[test]
    fn far_tails_of_many_degrees_are_no_zeros() {
        // Wilson and Hilferty (1931): the cube root is near normal; a tenth of the logarithm is what it is good for this far out.
        for (x, degrees) in [(97_500.0_f64, 1e5_f64), (102_500.0, 1e5), (996_000.0, 1e6)] {
            let s = 2.0 / (9.0 * degrees);
            let z = ((x / degrees).cbrt() - (1.0 - s)) / s.sqrt();
            let near = crate::binomial::upper_tail(z.abs());
            let (lower, upper) = chi_squared(x, degrees);
            let found = if z < 0.0 { lower } else { upper };
            assert!((found.ln() / near.ln() - 1.0).abs() < 0.1, "{x} {degrees}: {found} {near}");
        }
    }
}
