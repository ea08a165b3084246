//! The likelihood ratio of one unit, the kernel of all attacks with reference models: ln p(t | in) − ln p(t | out) for a statistic t of what the model
//! attacked says.
//!
//! An exponential family in t has p_in(t) = p_out(t) · exp(ηt − A), the log-partition A = ln E_out exp(ηt). Its members here, after Brännvall (2026,
//! arXiv 2603.11799, who calls them a hierarchy) and Sablayrolles et al. (2019, for models drawn from exp(−loss)):
//!
//! | attack | t | what is known of a unit |
//! |---|---|---|
//! | BASE; RMIA, which ranks the same ratio within a population | ln p of the true class | η = 1, A by the mean of p over models |
//! | ℓ − (μ_in + μ_out)/2, ℓ − μ_out | ln p | η = 1, A by means, as for Gaussians of one variance; A to its first order in η |
//! | LiRA | φ = ln p − ln(1 − p) | two Gaussians: η for t and for t² by two means and two variances |
//! | BaVarIA-t | φ | the predictive of such Gaussians under their conjugate prior: Student's t |
//!
//! Offline LiRA is no ratio: without models of the unit it says how far t stands above "out" ([`Known::deviations`]).

/// How t of a unit is distributed when it is in and when it is out, as far as their ratio needs it.
pub(crate) enum Pair {
    /// Each by itself.
    Densities { ins: Known, outs: Known },
    /// "In" is "out" tilted by exp(ηt), with η = 1: how "out" looks does not matter then, but for A.
    Tilted { log_partition: f64 },
}

impl Pair {
    /// ln p(t | in) − ln p(t | out).
    fn log_ratio(&self, t: f64) -> f64 {
        match self {
            Self::Densities { ins, outs } => ins.log_density(t) - outs.log_density(t),
            Self::Tilted { log_partition } => t - log_partition,
        }
    }
}

/// The log-likelihood ratio of each unit; `pairs` in the order of the units.
pub(crate) fn log_ratios(target: &[f64], pairs: impl Iterator<Item = Pair>) -> Vec<f64> {
    target.iter().zip(pairs).map(|(&t, pair)| pair.log_ratio(t)).collect()
}

/// One distribution: a location, a squared scale, and for Student's t its degrees of freedom.
pub(crate) struct Known {
    pub(crate) location: f64,
    pub(crate) squared: f64,
    pub(crate) freedom: Option<f64>,
}

/// Shadows that agree to the last bit would give a density without bound.
pub(crate) const SMALLEST: f64 = 1e-12;

impl Known {
    pub(crate) fn gaussian(location: f64, variance: f64) -> Self {
        Self { location, squared: variance.max(SMALLEST), freedom: None }
    }

    /// Up to the constant ½ ln 2π.
    pub(crate) fn log_density(&self, t: f64) -> f64 {
        let z2 = (t - self.location).powi(2) / self.squared;
        let tail = match self.freedom {
            None => -0.5 * z2,
            Some(f) => libm::lgamma((f + 1.0) / 2.0) - libm::lgamma(f / 2.0) - 0.5 * (f / 2.0).ln() - (f + 1.0) / 2.0 * (z2 / f).ln_1p(),
        };
        tail - 0.5 * self.squared.ln()
    }

    /// How far t stands above the location, in standard deviations.
    pub(crate) fn deviations(&self, t: f64) -> f64 {
        let z = (t - self.location) / self.squared.sqrt();
        match self.freedom {
            None => z,
            // Wallace (1959): near the normal quantile of the distribution function, and monotone in z.
            Some(f) => z.signum() * ((8.0 * f + 1.0) / (8.0 * f + 3.0)) * (f * (z * z / f).ln_1p()).sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Gaussian N(μ, σ²) tilted by exp(t) is N(μ + σ², σ²), and A = μ + σ²/2, which is the middle of both means: the two kinds of pairs are one
    /// family, where they say the same.
    #[test]
    fn a_tilted_gaussian_is_two_gaussians_of_one_variance() {
        for (mean, variance) in [(0.0, 1.0), (-3.0, 0.25), (-0.7, 4.0)] {
            let (ins, outs) = (Known::gaussian(mean + variance, variance), Known::gaussian(mean, variance));
            // The log-partition by its definition, summed over a fine grid.
            let step = 1e-3;
            let at = |i: i32| mean + f64::from(i) * step;
            let density = |t: f64| (-0.5 * (t - mean).powi(2) / variance).exp() / (std::f64::consts::TAU * variance).sqrt();
            let log_partition = (-40_000..40_000).map(|i| at(i).exp() * density(at(i)) * step).sum::<f64>().ln();
            assert!((log_partition - (mean + variance / 2.0)).abs() < 1e-9, "{log_partition}");
            let (densities, tilted) = (Pair::Densities { ins, outs }, Pair::Tilted { log_partition: mean + variance / 2.0 });
            for t in [-7.0, -1.0, 0.0, 0.3, 2.0] {
                assert!((densities.log_ratio(t) - tilted.log_ratio(t)).abs() < 1e-12 * (1.0 + t * t) * 10.0, "{mean} {variance} {t}");
            }
        }
    }

    /// Unequal variances tilt by t and t²: η₁ = μ₁/σ₁² − μ₀/σ₀², η₂ = −(1/σ₁² − 1/σ₀²)/2, and A is what makes "in" a density.
    #[test]
    fn two_gaussians_are_a_tilt_by_t_and_its_square() {
        let ((m1, v1), (m0, v0)) = ((1.5, 0.8), (-0.4, 2.0));
        let (first, second) = (m1 / v1 - m0 / v0, -0.5 * (1.0 / v1 - 1.0 / v0));
        let a = m1 * m1 / (2.0 * v1) - m0 * m0 / (2.0 * v0) + 0.5 * f64::ln(v1 / v0);
        let pair = Pair::Densities { ins: Known::gaussian(m1, v1), outs: Known::gaussian(m0, v0) };
        for t in [-3.0, 0.0, 0.9, 4.0] {
            assert!((pair.log_ratio(t) - (first * t + second * t * t - a)).abs() < 1e-12, "{t}");
        }
    }
}
