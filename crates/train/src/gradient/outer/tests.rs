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
                let norms = squared_norms_with(&[outer], instructions).remove(0);
                for (norm, (own, absolute)) in norms.iter().zip(&owns) {
                    let expected: f64 = own.iter().map(|x| x * x).sum();
                    let slack: f64 =
                        own.iter().zip(absolute).map(|(x, all)| 2.0 * x.abs() * all * rounding + (all * rounding).powi(2)).sum();
                    // It may be a bound from inner products.
                    let above = if instructions != Instructions::Plain { 0.002 * expected } else { 0.0 };
                    let off = norm - expected;
                    assert!(
                        -slack - 1e-14 <= off && off <= above + slack + 1e-14,
                        "{instructions:?} {m}×{n}, {positions}: {norm} for {expected}"
                    );
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
        let norms = squared_norms_with(&[outer], instructions).remove(0);
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

/// Inner products bound what is summed: never below it, and above it by no more than they say; the bound is that of the definition within the rounding of
/// `f32`, whatever the number of rows and columns. Where rows cancel, overflow, underflow or are no numbers they give no bound, or one that still holds.
#[test]
#[cfg(target_arch = "x86_64")]
#[expect(clippy::print_stderr, reason = "a test says what it skipped")]
fn inner_products_bound_what_is_summed() {
    let Instructions::Avx512(found) = Instructions::detect() else { return eprintln!("skipped: no AVX-512") };
    let mut rng = NotPrivateSeed(33).rng();
    let mut known = 0;
    // Factors of both, whether rows cancel, and whether a bound must be known.
    let scales = [(1.0, 1.0, false, true), (1e-15, 1e-10, false, true), (1e-3, 1e10, false, true), (1.0, 1.0, true, false)];
    let scales = scales.into_iter().chain([
        (1e-22, 1e22, false, false),
        (1e21, 1e-20, false, false),
        (1e-42, 1.0, false, false),
        (1.0, f32::NAN, false, false),
    ]);
    for (a_scale, g_scale, cancel, must) in scales {
        for (m, n, positions) in [(1, 1, 2), (3, 17, 5), (16, 16, 4), (31, 70, 9), (130, 150, 64), (128, 512, 63)] {
            let row_sign = |i: usize, width: usize| if cancel && (i / width).is_multiple_of(2) { -1.0 } else { 1.0 };
            let mut values = |count: usize, width: usize, scale: f32, spread: f32, of_rows: bool| -> Vec<f32> {
                let value = |i: usize| {
                    scale * (if of_rows { row_sign(i, width) } else { 1.0 } * (1.0 - spread) + spread * rng.random_range(-1.0..1.0_f32))
                };
                (0..count).map(value).collect()
            };
            let spread = if cancel { 1e-3 } else { 1.0 };
            let (a, g) = (values(positions * (m + 2), m + 2, a_scale, spread, true), values(positions * n, n, g_scale, spread, false));
            let outer = Outer::new(Matrix::new(&a, m + 2, m), Matrix::new(&g, n, n), 1, positions);
            let summed: f64 = sum(&outer, &[1.0], Instructions::detect()).iter().map(|x| x * x).sum();
            let exact: f64 = own(&outer, 0).0.iter().map(|x| x * x).sum();
            let bound = gram::bound_of(found, &outer);
            assert!(bound.is_some() || !must, "{a_scale:e} {g_scale:e} {m}×{n} {positions}");
            let Some(bound) = bound else { continue };
            known += 1;
            for norm in [summed, exact] {
                assert!(
                    bound >= norm && bound.sqrt() <= norm.sqrt() * 1.001,
                    "{a_scale:e} {g_scale:e} {m}×{n} {positions}: {bound:e} for {norm:e}"
                );
            }
        }
    }
    assert!(known >= 18, "{known}");
}

/// How far the bound is above what it bounds, for rows that are as independent as rows of a batch: nothing that training would notice.
#[test]
#[cfg(target_arch = "x86_64")]
#[expect(clippy::print_stderr, reason = "a test says what it skipped")]
fn inner_products_lose_little() {
    let Instructions::Avx512(found) = Instructions::detect() else { return eprintln!("skipped: no AVX-512") };
    let mut rng = NotPrivateSeed(34).rng();
    let (m, n, positions) = (128, 512, 64);
    let mut values = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
    let (a, g) = (values(positions * m), values(positions * n));
    let outer = Outer::new(Matrix::new(&a, m, m), Matrix::new(&g, n, n), 1, positions);
    let exact: f64 = own(&outer, 0).0.iter().map(|x| x * x).sum();
    let bound = gram::bound_of(found, &outer).expect("rows do not cancel");
    assert!((bound / exact).sqrt() - 1.0 < 2e-4, "{}", (bound / exact).sqrt() - 1.0);
    // What is asked for goes this way.
    assert_eq!(squared_norms(&[outer]), vec![vec![bound]]);
}

/// Parameters that share a factor have the norms that each of them has alone, but for rounding, whichever way they are computed.
#[test]
fn norms_of_parameters_that_share_are_their_own() {
    let mut rng = NotPrivateSeed(35).rng();
    let (units, positions) = (3, 20);
    let mut values = |width: usize| (0..units * positions * width).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
    let widths = [40, 64, 4 * 70, 9];
    let held = widths.map(&mut values);
    let rows = |which: usize| Matrix::new(&held[which], widths[which], widths[which]);
    let gate = |at: usize| rows(2).columns(at * 70, 70);
    // Two inputs that four gates share, and two more.
    let mut all: Vec<Outer<'_>> =
        (0..4).flat_map(|at| [(rows(0), gate(at)), (rows(1), gate(at))]).map(|(a, g)| Outer::new(a, g, units, positions)).collect();
    all.extend([(rows(3), rows(3)), (rows(1), rows(0))].map(|(a, g)| Outer::new(a, g, units, positions)));
    let all = &all;
    for instructions in KERNELS.map(|kernel| kernel()) {
        for (at, (outer, found)) in all.iter().zip(squared_norms_with(all, instructions)).enumerate() {
            for (unit, found) in found.iter().enumerate() {
                let exact: f64 = own(outer, unit).0.iter().map(|x| x * x).sum();
                assert!((found / exact - 1.0).abs() < 5e-4 && *found > exact * (1.0 - 1e-6), "{instructions:?} {at}: {found} for {exact}");
            }
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
            assert!(!squared_norms_with(&[outer], instructions)[0][0].is_finite());
            assert_eq!(sum(&outer, &[0.0, 0.5], instructions), vec![0.5 * positions as f64; 6]);
        }
    }
}
