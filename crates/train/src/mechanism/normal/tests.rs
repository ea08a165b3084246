//! The draws against the law, and the kernels against each other. Seeds are fixed: a false alarm would have shown when the test was written,
//! with the chance that each states.

use super::*;

fn normals(seed: u8) -> Normals {
    Normals::from_seed(Zeroizing::new([seed; 32]))
}

/// Any number of draws, added to anything: the same bits from every kernel, and the same draws whatever is asked after them.
#[test]
fn every_kernel_draws_the_same() {
    for len in [0, 1, 127, 128, 129, 1000, SEGMENT, SEGMENT + 1, 3 * SEGMENT + 77] {
        for std in [1.0, 0.37] {
            let start: Vec<f64> = (0..len).map(|i| (i as f64 * 0.7).sin()).collect();
            let [mut plain, mut fast] = [start.clone(), start];
            normals(1).add_with(std, &mut plain, Instructions::Plain);
            normals(1).add_with(std, &mut fast, Instructions::detect());
            assert!(plain.iter().zip(&fast).all(|(a, b)| a.to_bits() == b.to_bits()), "{len} at {std}");
        }
    }
    let (short, long) = (normals(2).take(1000), normals(2).take(40_000));
    assert_eq!(short, long[..1000]);
    assert_ne!(normals(3).take(10), normals(2).take(10));
    // Segments do not repeat each other.
    assert!(long[..SEGMENT - 1] != long[SEGMENT..2 * SEGMENT - 1]);
}

/// Φ, by its series below 6 and its asymptotic fraction beyond: relative error below 1e-9.
fn upper_tail(x: f64) -> f64 {
    let fraction = (1..=400).rev().fold(x, |denominator, k| x + f64::from(k) / denominator);
    if x >= 1.0 {
        return (-x * x / 2.0).exp() / fraction / (2.0 * std::f64::consts::PI).sqrt();
    }
    let (mut term, mut sum) = (x, x);
    for k in 1..60 {
        term *= x * x / f64::from(2 * k + 1);
        sum += term;
    }
    0.5 - sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

const DRAWS: usize = 2_000_000;

/// Moments 1 to 6: the k-th sample moment of n draws has variance (E z²ᵏ − (E zᵏ)²)/n; 6 deviations, alpha 2e-9 each.
#[test]
fn six_moments() {
    let z = normals(11).take(DRAWS);
    let moment = |k: i32| if k % 2 == 1 { 0.0 } else { (1..k).step_by(2).map(f64::from).product::<f64>() };
    for k in 1..=6 {
        let found = z.iter().map(|z| z.powi(k)).sum::<f64>() / DRAWS as f64;
        let deviation = ((moment(2 * k) - moment(k).powi(2)) / DRAWS as f64).sqrt();
        assert!((found - moment(k)).abs() < 6.0 * deviation, "moment {k}: {found} for {}", moment(k));
    }
}

/// Kolmogorov's distance by Dvoretzky, Kiefer & Wolfowitz (Massart 1990): alpha = 2·exp(−2nD²) = 1e-9. And of the upper and lower tail
/// beyond 1, 2, … 5, exact binomial tails at 1e-9 each.
#[test]
fn the_distribution_function_and_its_tails() {
    let mut z = normals(12).take(DRAWS);
    let n = DRAWS as f64;
    for bound in 1..=5 {
        let bound = f64::from(bound);
        for sign in [1.0, -1.0] {
            let (count, mean) = (z.iter().filter(|&&z| sign * z > bound).count() as f64, n * upper_tail(bound));
            // Bernstein: P(|X − np| ≥ t) ≤ 2·exp(−t²/2(np + t/3)); t for alpha 1e-9.
            let log = (2.0_f64 / 1e-9).ln();
            let t = log / 3.0 + (log * log / 9.0 + 2.0 * log * mean).sqrt();
            assert!((count - mean).abs() < t, "beyond {bound}: {count} for {mean}");
            assert!(bound > 3.5 || t < 0.2 * mean, "beyond {bound} nothing could be seen");
        }
    }
    z.sort_by(f64::total_cmp);
    let distance = z.iter().enumerate().step_by(97).map(|(i, &z)| {
        let below = if z < 0.0 { upper_tail(-z) } else { 1.0 - upper_tail(z) };
        (below - (i as f64 + 0.5) / n).abs()
    });
    let distance = distance.fold(0.0, f64::max);
    // Looking at every 97th value misses at most 97/n.
    assert!(distance < ((2.0_f64 / 1e-9).ln() / (2.0 * n)).sqrt() + 97.0 / n, "{distance}");
}

/// Neighbours, and values as far apart as batches, vectors and segments are: the correlation of n pairs is N(0, 1/n), 6 deviations, alpha 2e-9
/// each; of values, of their squares (whose variance is 2) and of their signs.
#[test]
fn no_lag_is_correlated() {
    let z = normals(13).take(DRAWS / 4);
    for lag in [1, 2, 7, 8, 16, 127, 128, 129, 256, 1024, SEGMENT - 1, SEGMENT, 2 * SEGMENT] {
        let pairs = || z.iter().zip(&z[lag..]);
        let n = pairs().count() as f64;
        let values = pairs().map(|(a, b)| a * b).sum::<f64>() / n.sqrt();
        let squares = pairs().map(|(a, b)| (a * a - 1.0) * (b * b - 1.0) / 2.0).sum::<f64>() / n.sqrt();
        let signs = pairs().map(|(a, b)| a.signum() * b.signum()).sum::<f64>() / n.sqrt();
        assert!([values, squares, signs].iter().all(|c| c.abs() < 6.0), "lag {lag}: {values} {squares} {signs}");
    }
}

/// The low bits are not all the same: 53 bits of the abscissa are drawn. Of the last 8 bits of the significand of draws in [1, 2), each value
/// comes up as often as the others: chi-squared on 255 degrees of freedom, Wilson & Hilferty, 6 deviations, alpha 1e-9.
#[test]
fn the_last_bits_are_uniform() {
    let mut counts = [0.0_f64; 256];
    let z = normals(14).take(DRAWS / 2);
    z.iter().map(|z| z.abs()).filter(|z| (1.0..2.0).contains(z)).for_each(|z| counts[(z.to_bits() % 256) as usize] += 1.0);
    let mean = counts.iter().sum::<f64>() / 256.0;
    let statistic = counts.iter().map(|c| (c - mean).powi(2) / mean).sum::<f64>();
    let df = 255.0;
    let deviations = ((statistic / df).cbrt() - (1.0 - 2.0 / (9.0 * df))) / (2.0_f64 / (9.0 * df)).sqrt();
    assert!(deviations.abs() < 6.0, "{statistic}");
}

/// What is stated of a step covers the terms that the source of `ziggurat` counts, each for every draw of the largest step.
#[test]
fn the_draws_are_as_near_as_is_stated() {
    let power = |e: i32| 2_f64.powi(e);
    let beyond: f64 = 8.5;
    // Bits of V and of U, over the probabilities they decide; strips' areas; 106-bit arithmetic over the height of strip 1.
    let terms = [power(-128) / (-beyond * beyond / 2.0).exp(), power(-128) / (-4.04 * beyond).exp(), power(-90), 1.1 * power(-88)];
    assert!(terms.iter().sum::<f64>() < ziggurat::LOG_RATIO, "{terms:?}");
    let outside = 2.0 * upper_tail(4.0388 + beyond);
    assert!(2.0 * outside < ziggurat::TOTAL_VARIATION, "{outside:e}");
    let Event::Inexact { log_ratio, total_variation } = inexact() else { panic!() };
    assert_eq!((log_ratio.get(), total_variation.get()), (power(-44), power(-85)));
}
