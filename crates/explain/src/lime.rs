//! LIME for tables: a weighted straight line through the model's scores near one row.
//!
//! Ribeiro, Singh & Guestrin, *"Why Should I Trust You?"*, 2016, §3.3–3.4, with the defaults of its reference implementation for tables:
//! 5,000 perturbations, kernel √exp(−d²/w²) of width w = 0.75·√M, ridge α = 1. Unlike there, the perturbations come from the columns'
//! *public bounds*: quartiles and frequencies of private rows would show something of them.

use crate::{Error, Model, Space};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use reticent_data::Domain;

/// A seed for randomness that protects nobody: perturbations, synthetic points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPrivateSeed(pub u64);

impl NotPrivateSeed {
    /// The stream of this seed.
    #[must_use]
    pub fn rng(self) -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(self.0)
    }
}

/// How the line is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimeOptions {
    /// Perturbations; at least 100.
    pub samples: usize,
    /// Ridge penalty on the weights (never on the intercept); at least 0.
    pub alpha: f64,
    /// Least weighted R². Half of the variance by default: a line that explains less describes something else than the model.
    pub least_r2: f64,
    /// Most that the line may miss the row's own score by, in standard deviations of the scores near it.
    pub most_gap: f64,
    /// Where the perturbations come from.
    pub seed: NotPrivateSeed,
}

impl Default for LimeOptions {
    fn default() -> Self {
        Self { samples: 5000, alpha: 1.0, least_r2: 0.5, most_gap: 1.0, seed: NotPrivateSeed(0) }
    }
}

/// The line.
#[derive(Clone, PartialEq)]
pub struct Lime {
    /// Score where every column is at its reference: numbers at the person's own value, levels changed.
    pub intercept: f64,
    /// For a number: change of the score for a step of a quarter of the column's public range. For levels: what keeping the own level adds,
    /// against another one drawn at random.
    pub weights: Vec<f64>,
    /// Weighted R² of the line over the perturbations.
    pub r2: f64,
    /// The line's score of the row itself.
    pub local_prediction: f64,
}

/// Weight of a perturbation at `distance` of a row with `columns` columns: `√exp(−d²/w²)` with `w = 0.75·√columns`.
///
/// ```
/// assert!((reticent_explain::kernel(1.0, 12) - 0.92860).abs() < 5e-6);
/// ```
#[must_use]
pub fn kernel(distance: f64, columns: usize) -> f64 {
    let width = 0.75 * (columns as f64).sqrt();
    (-(distance / width).powi(2)).exp().sqrt()
}

/// Fits the line around `x` (encoded). The first sample is the row itself.
///
/// A number moves by a normal deviate of a quarter of its public range, cut at the bounds; a level is kept with probability ½ and otherwise
/// becomes one of the others, each equally likely. The distance is Euclidean: in those quarters for numbers, 1 for a changed level.
///
/// # Errors
/// [`Error::PoorLocalFit`] and [`Error::PoorLocalScore`] where the line does not describe the model; [`Error::Width`]; [`Error::Scores`];
/// [`Error::Option`].
pub fn lime(model: &impl Model, space: &Space, x: &[f32], options: &LimeOptions) -> Result<Lime, Error> {
    let m = space.len();
    if x.len() != space.width() {
        return Err(Error::Width { what: "the row", found: x.len(), expected: space.width() });
    }
    if m == 0 || options.samples < 100 || !(options.alpha >= 0.0 && options.alpha.is_finite()) {
        return Err(Error::Option { what: "the number of columns or samples, or the penalty, of LIME" });
    }
    let mut rng = options.seed.rng();
    let mut inputs = Vec::with_capacity(options.samples * x.len());
    // One row of regressors a sample, as the line sees it.
    let mut seen = Vec::with_capacity(options.samples * m);
    let mut weights = Vec::with_capacity(options.samples);
    for sample in 0..options.samples {
        let at = inputs.len();
        inputs.extend_from_slice(x);
        let mut squared = 0.0;
        for column in 0..m {
            let (value, distance) = if sample == 0 { own(space, column) } else { perturb(space, column, &mut inputs[at..], &mut rng) };
            seen.push(value);
            squared += distance * distance;
        }
        weights.push(kernel(squared.sqrt(), m));
    }
    let scores = space.scores(model, &inputs)?;
    let (intercept, coefficients) = ridge(&seen, &scores, &weights, m, options.alpha);
    let predict = |row: &[f64]| intercept + row.iter().zip(&coefficients).map(|(v, b)| v * b).sum::<f64>();
    let total: f64 = weights.iter().sum();
    let mean = weights.iter().zip(&scores).map(|(w, s)| w * s).sum::<f64>() / total;
    let spread: f64 = weights.iter().zip(&scores).map(|(w, s)| w * (s - mean).powi(2)).sum();
    let missed: f64 = weights.iter().zip(&scores).zip(seen.chunks_exact(m)).map(|((w, s), row)| w * (s - predict(row)).powi(2)).sum();
    // Scores that do not vary, up to rounding, are described fully by the intercept.
    let flat = spread <= 1e-18 * total * (1.0 + mean * mean);
    let r2 = if flat { 1.0 } else { 1.0 - missed / spread };
    if r2.is_nan() || r2 < options.least_r2 {
        return Err(Error::PoorLocalFit { r2, floor: options.least_r2 });
    }
    let local_prediction = predict(&seen[..m]);
    let gap = if flat { 0.0 } else { (local_prediction - scores[0]).abs() / (spread / total).sqrt() };
    if gap > options.most_gap {
        return Err(Error::PoorLocalScore { gap, most: options.most_gap });
    }
    Ok(Lime { intercept, weights: coefficients, r2, local_prediction })
}

/// How the line sees the person's own value, and its distance from itself.
fn own(space: &Space, column: usize) -> (f64, f64) {
    match space.column(column).domain {
        Domain::Range { .. } => (0.0, 0.0),
        Domain::Levels { .. } => (1.0, 0.0),
    }
}

/// Moves one column of an encoded row; gives how the line sees it, and the distance moved.
fn perturb(space: &Space, column: usize, row: &mut [f32], rng: &mut impl Rng) -> (f64, f64) {
    // A quarter of [-1, 1].
    const STEP: f64 = 0.5;
    let range = space.inputs(column);
    match space.column(column).domain {
        Domain::Range { .. } => {
            let from = f64::from(row[range.start]);
            let to = (from + STEP * normal(rng)).clamp(-1.0, 1.0) as f32;
            row[range.start] = to;
            let moved = (f64::from(to) - from) / STEP;
            (moved, moved.abs())
        }
        Domain::Levels { .. } => {
            let levels = range.len();
            if levels < 2 || rng.random::<f64>() < 0.5 {
                return (1.0, 0.0);
            }
            let mine = row[range.clone()].iter().position(|&v| v == 1.0).unwrap_or(0);
            let other = (mine + 1 + rng.random_range(0..levels - 1)) % levels;
            row[range.clone()].fill(0.0);
            row[range.start + other] = 1.0;
            (0.0, 1.0)
        }
    }
}

/// A standard normal deviate (Box & Muller 1958).
fn normal(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// Minimises `Σ w (y − b₀ − x·b)² + α |b|²`; gives `b₀` and `b`.
pub(crate) fn ridge(x: &[f64], y: &[f64], w: &[f64], m: usize, alpha: f64) -> (f64, Vec<f64>) {
    let total: f64 = w.iter().sum();
    let mut means = vec![0.0; m];
    for (row, w) in x.chunks_exact(m).zip(w) {
        for (mean, v) in means.iter_mut().zip(row) {
            *mean += w * v / total;
        }
    }
    let mean = y.iter().zip(w).map(|(y, w)| w * y).sum::<f64>() / total;
    let mut gram = vec![0.0; m * m];
    let mut moment = vec![0.0; m];
    let mut centred = vec![0.0; m];
    for ((row, y), w) in x.chunks_exact(m).zip(y).zip(w) {
        for (c, (v, mean)) in centred.iter_mut().zip(row.iter().zip(&means)) {
            *c = v - mean;
        }
        for i in 0..m {
            moment[i] += w * centred[i] * (y - mean);
            for j in 0..=i {
                gram[i * m + j] += w * centred[i] * centred[j];
            }
        }
    }
    for i in 0..m {
        gram[i * m + i] += alpha;
    }
    let b = solve(gram, moment, m);
    let intercept = mean - means.iter().zip(&b).map(|(mean, b)| mean * b).sum::<f64>();
    (intercept, b)
}

/// Solves a symmetric positive system given by its lower triangle, by Cholesky; a column that carries nothing gets 0.
fn solve(mut a: Vec<f64>, mut b: Vec<f64>, m: usize) -> Vec<f64> {
    for j in 0..m {
        let pivot = a[j * m + j] - (0..j).map(|k| a[j * m + k].powi(2)).sum::<f64>();
        let root = if pivot > 1e-12 { pivot.sqrt() } else { f64::INFINITY };
        a[j * m + j] = root;
        for i in j + 1..m {
            a[i * m + j] = (a[i * m + j] - (0..j).map(|k| a[i * m + k] * a[j * m + k]).sum::<f64>()) / root;
        }
    }
    for i in 0..m {
        b[i] = (b[i] - (0..i).map(|k| a[i * m + k] * b[k]).sum::<f64>()) / a[i * m + i];
    }
    for i in (0..m).rev() {
        b[i] = (b[i] - (i + 1..m).map(|k| a[k * m + i] * b[k]).sum::<f64>()) / a[i * m + i];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::ridge;

    /// scikit-learn 1.9.1, `Ridge(alpha=1.0).fit(X, y, sample_weight=w)`.
    #[test]
    fn the_weighted_ridge_is_that_of_scikit_learn() {
        let x: Vec<f64> = (0..36).map(|i| f64::from((i / 3 * 7 + i % 3 * 5) % 11 - 5) / 4.0).collect();
        let y: Vec<f64> = (0..12).map(|a| f64::from((a * a * 3) % 13) / 5.0).collect();
        let w: Vec<f64> = (0..12).map(|a| 0.1 + f64::from(a % 4) * 0.3).collect();
        let (intercept, b) = ridge(&x, &y, &w, 3, 1.0);
        let golden = [1.298_205_686_855_728_8, -0.652_279_001_516_673_3, -0.305_485_509_961_775_7, -0.093_235_279_213_631_49];
        for (found, golden) in [intercept].iter().chain(&b).zip(golden) {
            assert!((found - golden).abs() < 1e-12, "{found} is not {golden}");
        }
    }
}
