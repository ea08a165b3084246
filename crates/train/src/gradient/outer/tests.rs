//! The kernels against the definition, and what is summed against what was measured.

use super::*;
use crate::noise::NotPrivateSeed;
use rand::RngExt;

const KERNELS: [fn() -> Instructions; 2] = [|| Instructions::Plain, Instructions::detect];

/// In `f64`, from the definition: the gradient of a unit, and Σ |a g| at each place, to which rounding is relative.
fn own(outer: &Outer<'_>, unit: usize) -> (Vec<f64>, Vec<f64>) {
    let n = outer.g.width;
    let (mut own, mut absolute) = (vec![0.0; outer.a.width * n], vec![0.0; outer.a.width * n]);
    for t in unit * outer.positions..(unit + 1) * outer.positions {
        for (i, &a) in outer.a.row(t).iter().enumerate() {
            for (j, &g) in outer.g.row(t).iter().enumerate() {
                let product = f64::from(a) * f64::from(g);
                own[i * n + j] += product;
                absolute[i * n + j] += product.abs();
            }
        }
    }
    (own, absolute)
}

fn sum(outer: &Outer<'_>, factors: &[f64], instructions: Instructions) -> Vec<f64> {
    let mut sum = vec![0.0; outer.a.width * outer.g.width];
    outer.add_with(factors, &mut sum, instructions);
    sum
}

/// Every width around the sizes of tiles and panels, few positions and many, rows that touch and rows apart.
#[test]
fn norms_and_sums_are_those_of_the_definition() {
    let mut rng = NotPrivateSeed(31).rng();
    let widths = [1, 2, 3, 7, 11, 12, 13, 15, 16, 17, 23, 24, 31, 32, 33, 65];
    for (case, &m) in widths.iter().enumerate() {
        for (units, positions) in [(3, 1), (5, 3), (2, 7), (3, 8), (4, 29), (300, 1)] {
            let n = widths[(case * 7 + positions) % widths.len()];
            let [(a_stride, n_stride)] = [(m + case % 3, n + positions % 3)];
            let values =
                |count: usize, rng: &mut rand_chacha::ChaCha20Rng| (0..count).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
            let a = values(units * positions * a_stride, &mut rng);
            let g = values(units * positions * n_stride, &mut rng);
            let outer = Outer::new(Matrix::new(&a, a_stride, m), Matrix::new(&g, n_stride, n), units, positions);
            let factors: Vec<f64> = (0..units).map(|u| if u == 1 { 0.0 } else { rng.random_range(0.1..1.0) }).collect();
            let owns: Vec<_> = (0..units).map(|unit| own(&outer, unit)).collect();
            // What each f32 operation rounds, over the positions.
            let rounding = if positions == 1 { 1e-14 } else { positions as f64 * f64::from(f32::EPSILON) };
            for instructions in KERNELS.map(|kernel| kernel()) {
                let norms = outer.squared_norms_with(instructions);
                for (norm, (own, absolute)) in norms.iter().zip(&owns) {
                    let expected: f64 = own.iter().map(|x| x * x).sum();
                    let slack: f64 =
                        own.iter().zip(absolute).map(|(x, all)| 2.0 * x.abs() * all * rounding + (all * rounding).powi(2)).sum();
                    assert!((norm - expected).abs() <= slack + 1e-14, "{instructions:?} {m}×{n}, {positions}: {norm} for {expected}");
                }
                let found = sum(&outer, &factors, instructions);
                for (at, found) in found.iter().enumerate() {
                    let expected: f64 = owns.iter().zip(&factors).map(|((own, _), f)| f * own[at]).sum();
                    let slack: f64 = owns.iter().zip(&factors).map(|((_, all), f)| f * all[at] * rounding).sum();
                    assert!((found - expected).abs() <= slack + 1e-14, "{instructions:?} {m}×{n} at {at}: {found} for {expected}");
                }
            }
        }
    }
}

/// The sum with one unit only is what its norm was taken of, to the last bits of `f64`, though the products are rounded to `f32`.
#[test]
fn what_is_summed_is_what_was_measured() {
    let mut rng = NotPrivateSeed(32).rng();
    let (m, n, units, positions) = (130, 150, 3, 64);
    // Large rows that cancel: the rounding of f32 is far above that of f64.
    let a: Vec<f32> =
        (0..units * positions * m).map(|i| if (i / m) % 2 == 0 { 1.0 } else { -1.0 } + rng.random_range(-1e-3..1e-3)).collect();
    let g: Vec<f32> = (0..units * positions * n).map(|_| 1.0 + rng.random_range(-1e-3..1e-3)).collect();
    let outer = Outer::new(Matrix::new(&a, m, m), Matrix::new(&g, n, n), units, positions);
    for instructions in KERNELS.map(|kernel| kernel()) {
        let norms = outer.squared_norms_with(instructions);
        for unit in 0..units {
            let mut factors = vec![0.0; units];
            factors[unit] = 1.0;
            let summed: f64 = sum(&outer, &factors, instructions).iter().map(|x| x * x).sum();
            let exact: f64 = own(&outer, unit).0.iter().map(|x| x * x).sum();
            assert!((summed / norms[unit] - 1.0).abs() < 1e-13, "{instructions:?}: {summed} for {}", norms[unit]);
            assert!((summed / exact - 1.0).abs() > 1e-9, "nothing was rounded");
        }
    }
}

/// A unit of factor 0 may hold anything.
#[test]
fn a_unit_of_factor_zero_is_not_looked_at() {
    for positions in [1, 8] {
        let mut a = vec![1.0; 2 * positions * 3];
        a[0] = f32::NAN;
        let g = vec![1.0; 2 * positions * 2];
        let outer = Outer::new(Matrix::new(&a, 3, 3), Matrix::new(&g, 2, 2), 2, positions);
        for instructions in KERNELS.map(|kernel| kernel()) {
            assert!(!outer.squared_norms_with(instructions)[0].is_finite());
            assert_eq!(sum(&outer, &[0.0, 0.5], instructions), vec![0.5 * positions as f64; 6]);
        }
    }
}
