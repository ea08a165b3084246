//! Rows of `f32` and what is taken of them in `f64`: their squares, and weighted sums of them.

use crate::instructions::for_each_instructions;

/// Rows of `f32` at a fixed distance.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) values: &'a [f32],
    pub(super) stride: usize,
    pub(super) width: usize,
}

impl<'a> Matrix<'a> {
    /// Row t is `values[t · stride ..][.. width]`.
    pub(super) fn new(values: &'a [f32], stride: usize, width: usize) -> Self {
        assert!(width > 0 && stride >= width, "rows do not overlap");
        Self { values, stride, width }
    }

    pub(super) fn row(&self, t: usize) -> &'a [f32] {
        &self.values[t * self.stride..][..self.width]
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn below(&self, t: usize) -> Self {
        Self { values: &self.values[t * self.stride..], ..*self }
    }

    /// Of these columns.
    pub(super) fn columns(&self, from: usize, width: usize) -> Self {
        Self { values: &self.values[from..], width, ..*self }
    }

    /// Whether there are so many rows.
    pub(super) fn has(&self, rows: usize) -> bool {
        rows == 0 || (rows - 1) * self.stride + self.width <= self.values.len()
    }
}

for_each_instructions! {
    /// Multiplies each norm with the square of the row at its place, in `f64`.
    pub(super) fn times_squares(of: Matrix<'_>, norms: &mut [f64]) {
        for (t, norm) in norms.iter_mut().enumerate() {
            *norm *= square_of(of.row(t));
        }
    }
}

/// Σ x² in `f64`, sixteen partial sums.
#[inline(always)]
fn square_of(row: &[f32]) -> f64 {
    let mut sums = [0.0; 16];
    let (parts, rest) = row.as_chunks::<16>();
    for part in parts {
        add_squares(&mut sums, part);
    }
    let (half, rest) = rest.as_chunks::<8>();
    for half in half {
        add_squares(&mut sums, half);
    }
    add_squares(&mut sums, rest);
    // Pairwise: one after another each addition would wait for the one before.
    let sums: [f64; 8] = std::array::from_fn(|at| sums[at] + sums[at + 8]);
    let sums: [f64; 4] = std::array::from_fn(|at| sums[at] + sums[at + 4]);
    (sums[0] + sums[2]) + (sums[1] + sums[3])
}

#[inline(always)]
fn add_squares(sums: &mut [f64; 16], row: &[f32]) {
    sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x) * f64::from(x));
}

for_each_instructions! {
    /// Adds each row, times its factor, to the sum; `each` rows one after another have one factor. Rows of factor 0 are not looked at.
    pub(super) fn add_rows(rows: Matrix<'_>, each: usize, factors: &[f64], sum: &mut [f64]) {
        let rest = add_columns::<AT_ONCE>(rows, each, factors, sum);
        let rest = add_columns::<32>(rows, each, factors, rest);
        let rest = add_columns::<8>(rows, each, factors, rest);
        add_columns::<1>(rows, each, factors, rest);
    }
}

/// Columns whose sums stay in registers over all rows.
pub(super) const AT_ONCE: usize = 64;

/// Adds to the sums of the last columns of these rows, `N` at once; those that are left over at the end.
#[inline(always)]
fn add_columns<'a, const N: usize>(rows: Matrix<'_>, each: usize, factors: &[f64], sum: &'a mut [f64]) -> &'a mut [f64] {
    let from = rows.width - sum.len();
    let (whole, rest) = sum.as_chunks_mut::<N>();
    for (at, sum) in whole.iter_mut().enumerate() {
        // Values, not places in memory: a compiler leaves them in registers.
        let mut sums = *sum;
        visit_rows(rows.columns(from + at * N, N), each, factors, |factor, row| {
            let row: &[f32; N] = row.try_into().expect("so many columns");
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += factor * f64::from(x));
        });
        *sum = sums;
    }
    rest
}

#[inline(always)]
fn visit_rows(part: Matrix<'_>, each: usize, factors: &[f64], mut visit: impl FnMut(f64, &[f32])) {
    for (at, &factor) in factors.iter().enumerate().filter(|(_, factor)| **factor != 0.0) {
        (at * each..(at + 1) * each).for_each(|row| visit(factor, part.row(row)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instructions::Instructions;
    use crate::noise::NotPrivateSeed;
    use rand::RngExt;

    /// The definition, at widths around those of the blocks, rows apart, onto what is there already; factors of either sign, and rows of factor 0 that
    /// are no numbers.
    #[test]
    fn rows_are_added_to_what_is_there() {
        let mut rng = NotPrivateSeed(71).rng();
        for (case, width) in [1, 7, 8, 9, 31, 32, 33, 47, 64, 104, 129].into_iter().enumerate() {
            let (stride, each, units) = (width + case % 3, 1 + case % 4, 5);
            let mut values: Vec<f32> = (0..units * each * stride).map(|_| rng.random_range(-1.0..1.0)).collect();
            values[each * stride..2 * each * stride].fill(f32::NAN);
            let factors: Vec<f64> = (0..units).map(|unit| if unit == 1 { 0.0 } else { rng.random_range(-2.0..2.0) }).collect();
            let start: Vec<f64> = (0..width).map(|_| rng.random_range(-1.0..1.0)).collect();
            for instructions in [Instructions::Plain, Instructions::detect()] {
                let mut sum = start.clone();
                add_rows(instructions, Matrix::new(&values, stride, width), each, &factors, &mut sum);
                for (at, found) in sum.iter().enumerate() {
                    let added: f64 = (0..units * each)
                        .filter(|row| row / each != 1)
                        .map(|row| factors[row / each] * f64::from(values[row * stride + at]))
                        .sum();
                    assert!((found - start[at] - added).abs() < 1e-13, "{instructions:?} {width} at {at}");
                }
            }
        }
    }
}
