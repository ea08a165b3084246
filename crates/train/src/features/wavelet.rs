//! Morlet wavelets at several scales and directions, and the Gaussian that averages what they find.

use std::f64::consts::{PI, TAU};

/// Directions of a wavelet, over half a turn.
pub(super) const DIRECTIONS: usize = 8;

/// Standard deviation of the finest wavelet, in pixels; it doubles from scale to scale.
const SIGMA: f64 = 0.8;
/// Its frequency, in radians a pixel; it halves from scale to scale.
const FREQUENCY: f64 = 0.75 * PI;
/// A wavelet is so much longer along its waves' crests than across.
const SLANT: f64 = 4.0 / DIRECTIONS as f64;
/// Copies of a filter on each side of the image that are added up to make it periodic: the next would be below 1e-16.
const COPIES: i64 = 3;

/// The wavelet of a scale (0 or 1) and direction on a periodic image of `side × side` pixels, by offset: real and imaginary parts.
pub(super) fn morlet(side: usize, scale: usize, direction: usize) -> Vec<(f64, f64)> {
    let (sigma, frequency) = (SIGMA * (1 << scale) as f64, FREQUENCY / (1 << scale) as f64);
    let angle = (DIRECTIONS as f64 / 2.0 - 1.0 - direction as f64) * PI / DIRECTIONS as f64;
    let waves = gabor(side, sigma, angle, frequency);
    let envelope = gabor(side, sigma, angle, 0.0);
    // So that it sums to zero: a constant image has no waves.
    let sum = |all: &[(f64, f64)]| all.iter().fold((0.0, 0.0), |s, v| (s.0 + v.0, s.1 + v.1));
    let ratio = sum(&waves).0 / sum(&envelope).0;
    waves.iter().zip(&envelope).map(|(w, e)| (w.0 - ratio * e.0, w.1 - ratio * e.1)).collect()
}

fn gabor(side: usize, sigma: f64, angle: f64, frequency: f64) -> Vec<(f64, f64)> {
    let (sin, cos) = angle.sin_cos();
    let mut out = vec![(0.0, 0.0); side * side];
    for (at, value) in out.iter_mut().enumerate() {
        for down in -COPIES..=COPIES {
            for right in -COPIES..=COPIES {
                let y = (at / side) as f64 + (down * side as i64) as f64;
                let x = (at % side) as f64 + (right * side as i64) as f64;
                let (across, along) = (y * cos + x * sin, x * cos - y * sin);
                let height = (-(across * across + (SLANT * along).powi(2)) / (2.0 * sigma * sigma)).exp();
                let phase = frequency * across;
                value.0 += height * phase.cos();
                value.1 += height * phase.sin();
            }
        }
        let area = TAU * sigma * sigma / SLANT;
        *value = (value.0 / area, value.1 / area);
    }
    out
}

/// The window along one axis, by offset on a periodic line of `side` pixels that are `spacing` original pixels apart; its square is the window
/// of an image.
pub(super) fn window(side: usize, spacing: usize) -> Vec<f64> {
    let sigma = 2.0 * SIGMA / spacing as f64;
    let at = |offset: f64| (-offset * offset / (2.0 * sigma * sigma)).exp() / (TAU.sqrt() * sigma);
    (0..side).map(|i| (-COPIES..=COPIES).map(|copy| at(i as f64 + (copy * side as i64) as f64)).sum()).collect()
}
