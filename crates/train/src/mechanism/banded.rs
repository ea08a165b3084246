//! Noise that cancels: y = C⁻¹z for a banded lower triangular Toeplitz matrix C and independent z.
//!
//! A run that adds y to its sums x releases C⁻¹(Cx + z), which is post-processing of Cx + z: Gaussian noise on Cx. A unit whose steps are
//! as many apart as there are bands meets columns of C that share no row, so that its steps are charged one by one, each with the norm of a
//! column, 1. The last columns are cut off and shorter.

/// c₀ … c_{b−1} of the square root of the matrix of prefix sums, (1 − x)^(−½) = Σ C(2k, k)/4ᵏ xᵏ, scaled to Σ c² = 1.
pub(crate) fn coefficients(bands: u64) -> Vec<f64> {
    let mut c = vec![1.0];
    for k in 1..bands {
        let last = c[c.len() - 1];
        c.push(last * (2 * k - 1) as f64 / (2 * k) as f64);
    }
    let norm = c.iter().map(|c| c * c).sum::<f64>().sqrt();
    c.iter_mut().for_each(|c| *c /= norm);
    c
}

/// y_t = (z_t − Σ_{j ≥ 1} c_j y_{t−j})/c₀, given y_{t−1}, y_{t−2} and so on. The coefficients fall, so that no zero of Σ c_j xʲ lies inside
/// the unit circle (Eneström & Kakeya), and rounding does not grow.
pub(crate) fn next<'a>(coefficients: &[f64], mut z: Vec<f64>, before: impl Iterator<Item = &'a [f64]>) -> Vec<f64> {
    for (c, y) in coefficients[1..].iter().zip(before) {
        z.iter_mut().zip(y).for_each(|(z, y)| *z -= c * y);
    }
    z.iter_mut().for_each(|z| *z /= coefficients[0]);
    z
}
