//! Coordinates in which the features of drawn strokes spread more alike: what a run steps in, so that few steps are enough.
//!
//! Gradient steps go along what varies most; what tells classes apart often varies least. Dividing by the spread makes both as easy to find. The
//! spread of the rows would be a release of its own; that of drawings made by rule ([`super::strokes`]) costs nothing, and is much the same.
//! A layer found in these coordinates is one on the features themselves ([`Whitening::fold`]): nothing of them stays in a model.

use super::Scattering;
use super::strokes::strokes;
use crate::gradient::read;
use crate::nn::Linear;
use crate::noise::NotPrivateSeed;
use crate::{Error, tape};
use burn::module::Param;
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::RngExt;
use std::sync::{Arc, Mutex, PoisonError};

/// Drawings the spread is taken from.
const DRAWINGS: usize = 6000;
/// The most directions that are kept, those in which drawings vary most.
const DIRECTIONS: usize = 800;
/// Rounds of the search for them: each suppresses a direction of half the variance by half once more.
const ROUNDS: usize = 4;
/// Spreads are divided by to this power: between nothing (0) and making them all equal (1).
const POWER: f64 = 0.7;
/// The norm that a drawing has on average.
const NORM: f64 = 10.0;
/// Variances below this part of the largest are round-off.
const LEAST: f64 = 1e-7;
/// Rows that are moved to the coordinates at once.
const TOGETHER: usize = 1000;
const SEED: NotPrivateSeed = NotPrivateSeed(20_261_126);

/// The coordinates of some features.
pub(crate) struct Whitening {
    /// `[1, features]`.
    mean: Tensor<2>,
    /// A direction a column, divided by its spread, `[features, directions]`.
    directions: Tensor<2>,
}

impl Whitening {
    /// Those for the scattering of images of this size; the last that was asked for is kept.
    pub(crate) fn of_strokes(height: usize, width: usize) -> Result<Arc<Self>, Error> {
        type Kept = Option<((usize, usize), Arc<Whitening>)>;
        static LAST: Mutex<Kept> = Mutex::new(None);
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, kept)) = last.as_ref().filter(|(size, _)| *size == (height, width)) {
            return Ok(kept.clone());
        }
        let scattering = Scattering::new(height, width)?;
        let features = scattering.transform(&strokes(DRAWINGS, height, width, SEED));
        let made = Arc::new(Self::of(features, DRAWINGS));
        *last = Some(((height, width), made.clone()));
        Ok(made)
    }

    /// From the features of some rows: their principal directions by orthogonal iteration (Golub & Van Loan 2013, §8.2.4).
    pub(super) fn of(features: Vec<f32>, rows: usize) -> Self {
        let device = Device::flex();
        let size = features.len() / rows;
        let count = DIRECTIONS.min(size).min(rows);
        let all = Tensor::<2>::from_data(TensorData::new(features, [rows, size]), &device);
        let mean = all.clone().mean_dim(0);
        let centred = all - mean.clone();
        let mut rng = SEED.rng();
        let start: Vec<f32> = (0..size * count).map(|_| rng.random_range(-1.0..1.0)).collect();
        let mut directions = Tensor::<2>::from_data(TensorData::new(start, [size, count]), &device);
        for _ in 0..ROUNDS {
            let scores = orthonormal(centred.clone().matmul(directions));
            directions = orthonormal(centred.clone().transpose().matmul(scores));
        }
        let variances = read(centred.matmul(directions.clone()).square().mean_dim(0));
        let largest = variances.iter().copied().fold(0.0, f64::max);
        let factor = |variance: f64| if variance > LEAST * largest { variance.powf(-POWER / 2.0) } else { 0.0 };
        let total: f64 = variances.iter().map(|v| v * factor(*v).powi(2)).sum();
        let scale = NORM / total.sqrt().max(f64::MIN_POSITIVE);
        let factors: Vec<f32> = variances.iter().map(|v| (factor(*v) * scale) as f32).collect();
        let directions = directions * Tensor::<2>::from_data(TensorData::new(factors, [1, count]), &device);
        Self { mean, directions }
    }

    /// How many coordinates there are.
    pub(crate) fn width(&self) -> usize {
        self.directions.dims()[1]
    }

    /// Features of rows, in these coordinates.
    pub(crate) fn apply(&self, features: &[f32]) -> Vec<f32> {
        let size = self.directions.dims()[0];
        let mut out = Vec::with_capacity(features.len() / size * self.width());
        for part in features.chunks(TOGETHER * size) {
            let x = Tensor::<2>::from_data(TensorData::new(part.to_vec(), [part.len() / size, size]), &Device::flex());
            let moved = (x - self.mean.clone()).matmul(self.directions.clone());
            out.extend(moved.into_data().try_to_vec::<f32>().expect("f32 in, f32 out"));
        }
        out
    }

    /// The layer on the features that gives what `layer` gives in these coordinates.
    pub(crate) fn fold(&self, layer: &Linear) -> Linear {
        let weight = self.directions.clone().matmul(tape::plain(layer.weight.val()));
        let shift = self.mean.clone().matmul(weight.clone());
        let outputs = weight.dims()[1];
        let bias = layer.bias.as_ref().map_or_else(|| Tensor::zeros([outputs], &Device::flex()), |bias| tape::plain(bias.val()));
        let bias = bias - shift.reshape([outputs]);
        Linear { weight: Param::from_tensor(weight), bias: Some(Param::from_tensor(bias)) }
    }
}

/// Columns that span what these span, of norm 1 and at right angles, in order (Cholesky QR).
fn orthonormal(columns: Tensor<2>) -> Tensor<2> {
    let n = columns.dims()[1];
    let wide = columns.clone().cast(DType::F64);
    let gram = read(wide.clone().transpose().matmul(wide));
    let inverse: Vec<f32> = inverse_upper(&cholesky(gram, n), n).into_iter().map(|v| v as f32).collect();
    columns.matmul(Tensor::from_data(TensorData::new(inverse, [n, n]), &Device::flex()))
}

/// The upper triangular R with RᵀR a symmetric matrix, row-major. Columns that depend on those before get a pivot that keeps them finite.
fn cholesky(mut a: Vec<f64>, n: usize) -> Vec<f64> {
    let least = 1e-13 * (0..n).map(|i| a[i * n + i]).fold(f64::MIN_POSITIVE, f64::max);
    for k in 0..n {
        let pivot = a[k * n + k].max(least).sqrt();
        a[k * n..(k + 1) * n].iter_mut().for_each(|v| *v /= pivot);
        a[k * n + k] = pivot;
        let (done, rest) = a.split_at_mut((k + 1) * n);
        let row = &done[k * n..];
        for (i, line) in rest.chunks_exact_mut(n).enumerate() {
            let factor = row[k + 1 + i];
            line[k + 1 + i..].iter_mut().zip(&row[k + 1 + i..]).for_each(|(v, r)| *v -= factor * r);
        }
    }
    for i in 0..n {
        a[i * n..i * n + i].fill(0.0);
    }
    a
}

/// The inverse of an upper triangular matrix.
fn inverse_upper(r: &[f64], n: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; n * n];
    // From the last row up: R · X = I.
    for i in (0..n).rev() {
        let mut line = vec![0.0; n];
        line[i] = 1.0;
        for k in i + 1..n {
            let factor = r[i * n + k];
            line[k..].iter_mut().zip(&inverse[k * n + k..(k + 1) * n]).for_each(|(v, x)| *v -= factor * x);
        }
        line.iter_mut().for_each(|v| *v /= r[i * n + i]);
        inverse[i * n..(i + 1) * n].copy_from_slice(&line);
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows whose coordinate j has standard deviation 2^-j after a rotation, and a mean that is not zero.
    fn rows(count: usize, size: usize) -> Vec<f32> {
        let mut rng = NotPrivateSeed(4).rng();
        let mut all = vec![];
        for _ in 0..count {
            let plain: Vec<f32> = (0..size).map(|j| rng.random_range(-1.7..1.7) * 0.5_f32.powi(j as i32)).collect();
            // Reflected at the plane across (1, 1, ..): an orthogonal map that mixes all coordinates.
            let sum = plain.iter().sum::<f32>() * 2.0 / size as f32;
            all.extend(plain.iter().map(|v| v - sum + 3.0));
        }
        all
    }

    #[test]
    fn spreads_are_brought_together_by_the_power() {
        let (count, size) = (3000, 8);
        let all = rows(count, size);
        let whitening = Whitening::of(all.clone(), count);
        let moved = whitening.apply(&all);
        let width = whitening.width();
        assert_eq!((width, moved.len()), (size, count * size));
        let variance = |j: usize, k: usize| {
            let mean = |j: usize| moved.chunks_exact(width).map(|r| f64::from(r[j])).sum::<f64>() / count as f64;
            moved.chunks_exact(width).map(|r| (f64::from(r[j]) - mean(j)) * (f64::from(r[k]) - mean(k))).sum::<f64>() / count as f64
        };
        // A ratio of 4 between variances becomes 4^(1 − 0.7); directions found in four rounds are nearly uncorrelated.
        for j in 0..size - 1 {
            let ratio = variance(j, j) / variance(j + 1, j + 1);
            assert!((ratio / 4.0_f64.powf(0.3) - 1.0).abs() < 0.15, "{j}: {ratio}");
            assert!(variance(j, j + 1).abs() < 0.1 * (variance(j, j) * variance(j + 1, j + 1)).sqrt(), "{j}");
        }
        let norm = moved.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / count as f64;
        assert!((norm.sqrt() - NORM).abs() < 1e-3, "{norm}");
    }

    #[test]
    fn a_folded_layer_gives_the_same() {
        let (count, size) = (500, 8);
        let all = rows(count, size);
        let whitening = Whitening::of(all.clone(), count);
        let layer = Linear::uniform(whitening.width(), 3, &Device::flex(), &mut NotPrivateSeed(9).rng());
        let tensor = |v: Vec<f32>| Tensor::<2>::from_data(TensorData::new(v, [count, size]), &Device::flex());
        let there = read(layer.forward(tensor(whitening.apply(&all))));
        let here = read(whitening.fold(&layer).forward(tensor(all)));
        let far = there.iter().zip(&here).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(far < 1e-3 && there.iter().any(|v| v.abs() > 0.5), "{far}");
    }

    #[test]
    fn directions_are_orthonormal_and_dependent_ones_do_no_harm() {
        let values: Vec<f32> = (0..40 * 5).map(|i| ((i * 37 % 101) as f32 - 50.0) * 10.0_f32.powi(-(i % 5) / 2)).collect();
        let q = orthonormal(Tensor::from_data(TensorData::new(values, [40, 5]), &Device::flex()));
        let gram = read(q.clone().transpose().matmul(q));
        for (at, v) in gram.iter().enumerate() {
            assert!((v - f64::from(u8::from(at / 5 == at % 5))).abs() < 1e-4, "{at}: {v}");
        }
        // All rows on one line: the others are given up, and nothing is infinite.
        let line: Vec<f32> = (0..100).flat_map(|i| [i as f32, 2.0 * i as f32, -i as f32]).collect();
        let moved = Whitening::of(line.clone(), 100).apply(&line);
        assert!(moved.iter().all(|v| v.is_finite()) && moved.iter().any(|v| v.abs() > 1.0));
    }

    #[test]
    fn drawings_are_in_range_centred_and_differ() {
        let all = strokes(20, 28, 28, SEED);
        assert_eq!(all.len(), 20 * 784);
        for drawing in all.chunks(784) {
            assert!(drawing.iter().all(|v| (0.0..=1.0).contains(v)));
            let ink: f32 = drawing.iter().sum();
            assert!((10.0..400.0).contains(&ink), "{ink}");
        }
        assert!(all[..784] != all[784..1568] && all == strokes(20, 28, 28, SEED));
    }
}
