//! A matrix product for factors larger than a cache, by the crate that Burn's flex backend uses, into memory that nobody set to zero before.
#![expect(
    unsafe_code,
    reason = "the product takes pointers: every place it reads is checked to lie in its slice, and it writes each place of the output"
)]

use super::least;
use burn::backend::flex::FlexTensor;
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// `[rows, columns]`: the value at (i, j) is `values[i · row + j · column]`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    values: &'a [f32],
    shape: [usize; 2],
    row: usize,
    column: usize,
}

impl<'a> View<'a> {
    /// `[rows, columns]`, one row after another.
    ///
    /// # Panics
    /// Where there are not so many values.
    pub(crate) fn new(values: &'a [f32], [rows, columns]: [usize; 2]) -> Self {
        assert_eq!(values.len(), rows * columns, "so many values");
        Self { values, shape: [rows, columns], row: columns, column: 1 }
    }

    /// A matrix of `f32` as it lies, a transpose too; `None` where values share a place.
    pub(crate) fn of(t: &'a FlexTensor) -> Option<Self> {
        let (layout, positive) = (t.layout(), |stride: isize| usize::try_from(stride).ok().filter(|&stride| stride > 0));
        let [rows, columns]: [usize; 2] = layout.shape().as_slice().try_into().ok()?;
        let [row, column]: [isize; 2] = layout.strides().try_into().ok()?;
        let view =
            Self { values: &t.storage()[layout.start_offset()..], shape: [rows, columns], row: positive(row)?, column: positive(column)? };
        view.is_inside().then_some(view)
    }

    /// Rows and columns.
    pub(crate) fn shape(&self) -> [usize; 2] {
        self.shape
    }

    pub(crate) fn transpose(self) -> Self {
        Self { shape: [self.shape[1], self.shape[0]], row: self.column, column: self.row, ..self }
    }

    fn is_inside(&self) -> bool {
        let [rows, columns] = self.shape;
        rows * columns == 0 || (rows - 1) * self.row + (columns - 1) * self.column < self.values.len()
    }
}

/// `A · B`, one row after another, each beginning with `start` where it is given.
///
/// # Panics
/// Where the shapes do not fit.
pub(crate) fn product_from(start: Option<&[f32]>, a: View<'_>, b: View<'_>) -> Vec<f32> {
    let ([m, k], [_, n]) = (a.shape, b.shape);
    assert_eq!(k, b.shape[0], "A has as many columns as B rows");
    assert!(a.is_inside() && b.is_inside(), "the factors are in their slices");
    assert!(start.is_none_or(|start| start.len() == n), "a row starts with as many values");
    if m * n * k == 0 {
        return (0..m).flat_map(|_| (0..n).map(|j| start.map_or(0.0, |start| start[j]))).collect();
    }
    let mut c: Vec<f32> = Vec::with_capacity(m * n);
    let rows = m.div_ceil(rayon::current_num_threads()).clamp(1, ROWS);
    let parts = c.spare_capacity_mut()[..m * n].par_chunks_mut(rows * n).enumerate();
    parts.with_min_len(least(rows * n * k)).for_each(|(at, c)| {
        let a = View { values: &a.values[at * rows * a.row..], shape: [c.len() / n, k], ..a };
        part(start, a, b, c);
    });
    // SAFETY: the parts are all of it, and each was written.
    unsafe { c.set_len(m * n) };
    c
}

/// Rows of the output that stay in a second-level cache between their start and the product.
const ROWS: usize = 512;

/// Writes all of `c`.
fn part(start: Option<&[f32]>, a: View<'_>, b: View<'_>, c: &mut [MaybeUninit<f32>]) {
    let ([m, k], [_, n]) = (a.shape, b.shape);
    assert!(a.is_inside() && c.len() == m * n, "the part is of these rows");
    if let Some(start) = start {
        c.chunks_exact_mut(n).for_each(|row| row.iter_mut().zip(start).for_each(|(c, &x)| _ = c.write(x)));
    }
    let stride = |stride: usize| stride as isize;
    // SAFETY: A, B and C are in their slices, as was checked, and C is nobody else's; it is read only where it was written above, and otherwise written
    // without being read.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr().cast::<f32>(),
            1,
            stride(n),
            start.is_some(),
            a.values.as_ptr(),
            stride(a.column),
            stride(a.row),
            b.values.as_ptr(),
            stride(b.column),
            stride(b.row),
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::NotPrivateSeed;
    use rand::RngExt;

    /// The definition, in `f64`, for factors that lie either way, at sizes around those of parts, with and without a start.
    #[test]
    fn products_are_their_definition() {
        let mut rng = NotPrivateSeed(81).rng();
        for [m, k, n] in
            [[1, 1, 1], [3, 5, 2], [40, 33, 17], [ROWS + 3, 20, 9], [2 * ROWS, 3, 40], [ROWS + 7, 104, 2], [9, 33, 4], [2, 0, 3], [0, 2, 3]]
        {
            let mut random = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0_f32)).collect::<Vec<_>>();
            let (a, b, start) = (random(m * k), random(k * n), random(n));
            for (a_lies, b_lies, starts) in [(true, true, true), (true, false, false), (false, true, true), (false, false, false)] {
                let view = |values, [rows, columns]: [usize; 2], lies| match lies {
                    true => View::new(values, [rows, columns]),
                    false => View::new(values, [columns, rows]).transpose(),
                };
                let (a, b) = (view(&a, [m, k], a_lies), view(&b, [k, n], b_lies));
                let found = product_from(starts.then_some(&start), a, b);
                assert_eq!(found.len(), m * n);
                let at = |of: &View<'_>, i: usize, j: usize| f64::from(of.values[i * of.row + j * of.column]);
                for (place, &found) in found.iter().enumerate() {
                    let (i, j) = (place / n, place % n);
                    let from = if starts { f64::from(start[j]) } else { 0.0 };
                    let exact = from + (0..k).map(|l| at(&a, i, l) * at(&b, l, j)).sum::<f64>();
                    assert!((f64::from(found) - exact).abs() < 1e-5, "{m} {k} {n} at {i} {j}: {found} for {exact}");
                }
            }
        }
    }
}
