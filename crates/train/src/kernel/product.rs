//! A matrix product without packing, for factors that lie in the cache: `C[i, j] (+)= Σ_k A[i, k] B[k, j]`.

use crate::instructions::Instructions;

/// The left factor: `A[i, k] = values[i · row + k · column]`.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// Adds the product of A, `m × k`, and B, whose k rows of n values are `b_row` apart, to the rows of C, `c_row` apart.
///
/// # Panics
/// Where a row is beyond its slice.
pub(crate) fn product(
    a: Left<'_>,
    (b, b_row): (&[f32], usize),
    (c, c_row): (&mut [f32], usize),
    [m, k, n]: [usize; 3],
    instructions: Instructions,
) {
    if m * k * n == 0 {
        return;
    }
    assert!((m - 1) * a.row + (k - 1) * a.column < a.values.len(), "A is in its slice");
    assert!((k - 1) * b_row + n <= b.len() && (m - 1) * c_row + n <= c.len(), "B and C are in their slices");
    match instructions {
        Instructions::Plain => plain(a, (b, b_row), (c, c_row), [m, k, n]),
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512(found) => avx512::product(found, a, (b, b_row), (c, c_row), [m, k, n]),
    }
}

fn plain(a: Left<'_>, (b, b_row): (&[f32], usize), (c, c_row): (&mut [f32], usize), [m, k, n]: [usize; 3]) {
    // Four rows at a time share each row of B; a few columns of C stay in the cache.
    const ROWS: usize = 4;
    const COLUMNS: usize = 64;
    for j in (0..n).step_by(COLUMNS) {
        let width = COLUMNS.min(n - j);
        for i in (0..m).step_by(ROWS) {
            let mut sums = [[0.0_f32; COLUMNS]; ROWS];
            let rows = ROWS.min(m - i);
            for l in 0..k {
                let b = &b[l * b_row + j..][..width];
                for (row, sums) in sums[..rows].iter_mut().enumerate() {
                    let a = a.values[(i + row) * a.row + l * a.column];
                    sums.iter_mut().zip(b).for_each(|(sum, b)| *sum += a * b);
                }
            }
            for (row, sums) in sums[..rows].iter().enumerate() {
                let c = &mut c[(i + row) * c_row + j..][..width];
                c.iter_mut().zip(sums).for_each(|(c, sum)| *c += sum);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    #![expect(
        unsafe_code,
        reason = "vector instructions: called only with proof that the processor has them, on rows that were checked to lie in their slices"
    )]

    use super::Left;
    use crate::instructions::Avx512;
    use std::arch::x86_64::{
        _mm512_add_ps, _mm512_fmadd_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
    };

    /// Columns of C at once: two vectors.
    const WIDTH: usize = 32;

    pub(super) fn product(_: Avx512, a: Left<'_>, b: (&[f32], usize), c: (&mut [f32], usize), sizes: [usize; 3]) {
        // SAFETY: an `Avx512` exists only where these instructions were detected; the caller has checked the slices.
        unsafe { tiles(a, (b.0.as_ptr(), b.1), (c.0.as_mut_ptr(), c.1), sizes) }
    }

    /// # Safety
    /// As of `rows`, for all tiles.
    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
    unsafe fn tiles(a: Left<'_>, (b, b_row): (*const f32, usize), (c, c_row): (*mut f32, usize), [m, k, n]: [usize; 3]) {
        for j in (0..n).step_by(WIDTH) {
            let width = WIDTH.min(n - j);
            let mut i = 0;
            while i < m {
                // SAFETY: row i and column j are inside.
                let (a_at, b_at, c_at) = unsafe { (a.values.as_ptr().add(i * a.row), b.add(j), c.add(i * c_row + j)) };
                let of = (a_at, a.row, a.column);
                // SAFETY: the rows taken are at most those left.
                i += unsafe {
                    match m - i {
                        12.. => rows::<12>(of, (b_at, b_row), (c_at, c_row), k, width),
                        8.. => rows::<8>(of, (b_at, b_row), (c_at, c_row), k, width),
                        4.. => rows::<4>(of, (b_at, b_row), (c_at, c_row), k, width),
                        2.. => rows::<2>(of, (b_at, b_row), (c_at, c_row), k, width),
                        _ => rows::<1>(of, (b_at, b_row), (c_at, c_row), k, width),
                    }
                };
            }
        }
    }

    /// # Safety
    /// `a` has `ROWS` rows of `k` values, `b` has `k` rows and `c` `ROWS` rows of `width` values, at their distances.
    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
    unsafe fn rows<const ROWS: usize>(
        (a, a_row, a_column): (*const f32, usize, usize),
        (b, b_row): (*const f32, usize),
        (c, c_row): (*mut f32, usize),
        k: usize,
        width: usize,
    ) -> usize {
        let lanes = u32::MAX >> (WIDTH - width);
        let (first, second) = (lanes as u16, (lanes >> 16) as u16);
        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
        for l in 0..k {
            // SAFETY: masked lanes are not read; all else is inside by the contract.
            unsafe {
                let b = b.add(l * b_row);
                let columns = [_mm512_maskz_loadu_ps(first, b), _mm512_maskz_loadu_ps(second, b.wrapping_add(16))];
                let a = a.add(l * a_column);
                for (row, sums) in sums.iter_mut().enumerate() {
                    let a = _mm512_set1_ps(*a.add(row * a_row));
                    sums[0] = _mm512_fmadd_ps(a, columns[0], sums[0]);
                    sums[1] = _mm512_fmadd_ps(a, columns[1], sums[1]);
                }
            }
        }
        for (row, sums) in sums.into_iter().enumerate() {
            // SAFETY: masked lanes are neither read nor written.
            unsafe {
                let (low, high) = (c.add(row * c_row), c.add(row * c_row).wrapping_add(16));
                _mm512_mask_storeu_ps(low, first, _mm512_add_ps(sums[0], _mm512_maskz_loadu_ps(first, low)));
                _mm512_mask_storeu_ps(high, second, _mm512_add_ps(sums[1], _mm512_maskz_loadu_ps(second, high)));
            }
        }
        ROWS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::NotPrivateSeed;
    use rand::RngExt;

    /// Sizes around the tiles', in both layouts of A, rows apart; what lies between rows of C stays.
    #[test]
    fn products_are_those_of_the_definition() {
        let mut rng = NotPrivateSeed(41).rng();
        for (case, m) in [1, 2, 3, 4, 7, 8, 12, 13, 25].into_iter().enumerate() {
            for (k, n) in [(1, 1), (5, 16), (17, 31), (64, 32), (3, 33), (40, 70)] {
                let (b_row, c_row) = (n + case % 3, n + (case + 1) % 2);
                let mut values = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
                let (a, b, start) = (values(m * k), values(k * b_row), values(m * c_row));
                for (row, column) in [(k, 1), (1, m)] {
                    for instructions in [Instructions::Plain, Instructions::detect()] {
                        let mut c = start.clone();
                        product(Left { values: &a, row, column }, (&b, b_row), (&mut c, c_row), [m, k, n], instructions);
                        for (at, (found, before)) in c.iter().zip(&start).enumerate() {
                            let (i, j) = (at / c_row, at % c_row);
                            let sum: f64 = (0..k)
                                .map(|l| f64::from(a[i * row + l * column]) * f64::from(b.get(l * b_row + j).copied().unwrap_or(0.0)))
                                .sum();
                            let expected = f64::from(*before) + if j < n { sum } else { 0.0 };
                            let slack = (k as f64 + 2.0) * f64::from(f32::EPSILON) * (k as f64 + 1.0);
                            assert!((f64::from(*found) - expected).abs() < slack, "{instructions:?} {m}×{k}×{n} at {i}, {j}");
                        }
                    }
                }
            }
        }
    }
}
