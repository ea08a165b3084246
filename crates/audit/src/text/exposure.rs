//! Exposure of a planted secret (Carlini et al. 2019, "The Secret Sharer"): by how many bits the model makes it easier to guess.

use crate::binomial::upper_tail;
use crate::roc::mean;
use crate::{Error, TextModel};
use serde::Serialize;
use std::f64::consts::PI;

/// Mean exposure of a secret that the model has never seen, in bits: 1/ln 2, as exposure is then exponential with P[exposure ≥ t] = 2^−t.
pub const MEAN_UNSEEN: f64 = std::f64::consts::LOG2_E;

/// How exposed a secret is among references that the model has not seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Exposure {
    /// log₂(references) − log₂(rank), rank 1 being likelier than all references; ties count against the secret.
    pub bits: f64,
    /// Number of references: `bits` is at most its log₂.
    pub references: usize,
    /// By a skew-normal distribution fitted to the references' perplexities, −log₂ of its mass below the secret's: an estimate, not limited by
    /// the number of references. `None` for fewer than 100 references or without spread.
    pub fitted_bits: Option<f64>,
}

/// Exposure of a secret of this log-perplexity (lower is likelier) among references with theirs.
///
/// ```
/// let references: Vec<f64> = (1..=16).map(f64::from).collect();
/// let exposure = reticent_audit::text::exposure::exposure(3.5, &references)?;
/// assert_eq!(exposure.bits, 2.0);
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] without references, [`Error::NotANumber`].
pub fn exposure(secret: f64, references: &[f64]) -> Result<Exposure, Error> {
    if references.is_empty() {
        return Err(Error::OutOfRange { quantity: "references", value: 0.0, range: "at least 1" });
    }
    if let Some(index) = std::iter::once(&secret).chain(references).position(|p| p.is_nan()) {
        return Err(Error::NotANumber { index });
    }
    let rank = 1 + references.iter().filter(|&&r| r <= secret).count();
    let fitted_bits = SkewNormal::fit(references).map(|fit| -fit.log_below(secret) / std::f64::consts::LN_2);
    Ok(Exposure { bits: (references.len() as f64).log2() - (rank as f64).log2(), references: references.len(), fitted_bits })
}

/// Exposure of a secret after a prefix, among references of the same form, by the model's own likelihoods.
///
/// # Errors
/// As [`exposure`]; [`Error::Target`] where the model answers for another number of texts.
pub fn of_secret(model: &dyn TextModel, prefix: &[u8], secret: &[u8], references: &[Vec<u8>]) -> Result<Exposure, Error> {
    let mut all = vec![secret.to_vec()];
    all.extend_from_slice(references);
    let found = model.log_likelihoods(prefix, &all);
    if found.len() != all.len() {
        return Err(Error::Target { found: found.len(), expected: all.len() });
    }
    let perplexity: Vec<f64> = found.iter().map(|l| -l).collect();
    exposure(perplexity[0], &perplexity[1..])
}

/// A skew-normal by the method of moments: 2/ω φ(z) Φ(αz) with z = (x − ξ)/ω (Azzalini 1985). With a sample skewness of 0 it is the normal.
struct SkewNormal {
    location: f64,
    scale: f64,
    shape: f64,
}

impl SkewNormal {
    fn fit(values: &[f64]) -> Option<Self> {
        if values.len() < 100 || values.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let m = mean(values);
        let central = |k: i32| values.iter().map(|v| (v - m).powi(k)).sum::<f64>() / values.len() as f64;
        let sd = central(2).sqrt();
        if sd.is_nan() || sd <= 1e-12 * m.abs() {
            return None;
        }
        // No skew-normal is more skewed than 0.9953.
        let skew = (central(3) / sd.powi(3)).clamp(-0.99, 0.99);
        let part = skew.abs().powf(2.0 / 3.0);
        let tilt = skew.signum() * (PI / 2.0 * part / (part + ((4.0 - PI) / 2.0).powf(2.0 / 3.0))).sqrt();
        let tilt = if skew == 0.0 { 0.0 } else { tilt };
        let scale = sd / (1.0 - 2.0 * tilt * tilt / PI).sqrt();
        Some(Self { location: m - scale * tilt * (2.0 / PI).sqrt(), scale, shape: tilt / (1.0 - tilt * tilt).sqrt() })
    }

    /// ln P[X ≤ x], by Simpson's rule over e-folds of the density, accurate in the far tail.
    fn log_below(&self, x: f64) -> f64 {
        if x.is_infinite() {
            return if x > 0.0 { 0.0 } else { f64::NEG_INFINITY };
        }
        let z = (x - self.location) / self.scale;
        let log_density = |t: f64| {
            let tail = upper_tail(-self.shape * t);
            // Beyond the reach of erfc, the first term of its expansion.
            let s = -self.shape * t;
            let log_tail = if tail > 1e-300 { tail.ln() } else { -0.5 * s * s - (s * (2.0 * PI).sqrt()).ln() };
            2.0_f64.ln() - 0.5 * t * t - 0.5 * (2.0 * PI).ln() + log_tail
        };
        // Twelve units reach below any mass that matters beside the mass near z; near the mode the window covers all of it.
        let low = (z - 12.0).min(-12.0).max(z - 40.0);
        let n = 8000;
        let h = (z - low) / f64::from(n);
        let peak = (0..=n).map(|i| log_density(low + f64::from(i) * h)).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = (0..=n)
            .map(|i| {
                let weight = if i == 0 || i == n {
                    1.0
                } else if i % 2 == 1 {
                    4.0
                } else {
                    2.0
                };
                weight * (log_density(low + f64::from(i) * h) - peak).exp()
            })
            .sum();
        (peak + (sum * h / 3.0).ln()).min(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use rand::RngExt;

    /// Golden values 7 of the reference page on audits: references 1 to 16.
    #[test]
    fn golden() {
        let references: Vec<f64> = (1..=16).map(f64::from).collect();
        for (secret, bits) in [(0.0, 4.0), (3.5, 2.0), (20.0, (16.0_f64 / 17.0).log2())] {
            let found = exposure(secret, &references).unwrap();
            assert!((found.bits - bits).abs() < 1e-12, "{secret}: {found:?}");
            assert_eq!(found.fitted_bits, None);
        }
        assert_eq!(exposure(3.0, &references).unwrap().bits, 2.0, "a tie counts against the secret");
        assert!(exposure(0.0, &[]).is_err() && exposure(f64::NAN, &references).is_err());
    }

    /// Under the null the rank is uniform: P[exposure ≥ t] = 2^−t and mean 1/ln 2. 4,000 secrets; five standard errors, false alarm < 1e-5.
    #[test]
    fn unseen_secrets() {
        let mut rng = testing::rng(23);
        let bits: Vec<f64> = (0..4000)
            .map(|_| {
                let references: Vec<f64> = (0..1000).map(|_| rng.random()).collect();
                exposure(rng.random(), &references).unwrap().bits
            })
            .collect();
        for t in [1.0, 2.0, 4.0, 6.0] {
            let (share, expected) = (bits.iter().filter(|&&b| b >= t).count() as f64 / 4000.0, 2.0_f64.powf(-t));
            // Among 1,000 references rank k of 1,001 has its own step: one part in a thousand.
            assert!((share - expected).abs() < 5.0 * (expected / 4000.0).sqrt() + 0.002, "{t}: {share} {expected}");
        }
        assert!((mean(&bits) - MEAN_UNSEEN).abs() < 5.0 * MEAN_UNSEEN / 4000.0_f64.sqrt() + 0.02, "{}", mean(&bits));
    }

    /// The fitted exposure of a secret far outside goes on where ranks end: for normal references, −log₂ Φ(z).
    #[test]
    fn fitted_tails() {
        let n = 2000;
        let references: Vec<f64> = (0..n).map(|i| crate::binomial::normal_quantile((f64::from(i) + 0.5) / f64::from(n))).collect();
        for z in [-1.0_f64, -3.0, -6.0, 0.5] {
            let found = exposure(z, &references).unwrap().fitted_bits.unwrap();
            let expected = -upper_tail(-z).log2();
            assert!((found - expected).abs() < 0.02 * expected.max(1.0), "{z}: {found} {expected}");
        }
        // A skewed sample: x = |u| has skewness .9953 at its limit; a mixture of it and noise is fitted with a positive shape.
        let mut rng = testing::rng(4);
        let skewed: Vec<f64> = (0..2000).map(|_| testing::normal(&mut rng).abs() + 0.3 * testing::normal(&mut rng)).collect();
        let fit = SkewNormal::fit(&skewed).unwrap();
        assert!(fit.shape > 1.0, "{}", fit.shape);
        for x in [0.0, 0.5, 1.0, 2.0] {
            let share = skewed.iter().filter(|&&s| s <= x).count() as f64 / 2000.0;
            assert!((fit.log_below(x).exp() - share).abs() < 0.03, "{x}: {} {share}", fit.log_below(x).exp());
        }
        assert_eq!(exposure(0.0, &[1.0; 200]).unwrap().fitted_bits, None, "no spread, no fit");
    }
}
