//! Sums of outer products, on slices: the gradient of a unit, its norm, and the clipped sum over units.
//!
//! `G[i, j] = Σ_t a[t, i] g[t, j]` over the positions of a unit. What is summed is computed in `f32`, a tile at a time, and added to the sum in `f64`.
//! Its norm is that of the same tiles, with the same bits, so that nothing is summed that was not measured, however the `f32` arithmetic rounded it and
//! however its terms cancel; or, where that takes fewer operations, a bound on it from the inner products of its rows (`gram`). With one position a
//! product of two `f32` is exact in `f64`, and all units are summed in one product. No sum of different units is ever taken in `f32`: its rounding
//! depends on who else is in it, and over thousands of units exceeds the slack of a clip factor.

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod gram;
mod plain;

use super::rows::{Matrix, add_rows, times_squares};
use crate::instructions::Instructions;
use crate::kernel::least;
use rayon::prelude::*;

/// Rows and columns of a tile: what fits the registers of AVX-512.
const TILE: (usize, usize) = (12, 32);

/// The factors of all units: `positions` rows for each of `units`.
#[derive(Clone, Copy)]
pub(super) struct Outer<'a> {
    a: Matrix<'a>,
    g: Matrix<'a>,
    units: usize,
    positions: usize,
}

/// ‖G‖² of each unit, or a little more, for each of the parameters of a step.
pub(super) fn squared_norms(all: &[Outer<'_>]) -> Vec<Vec<f64>> {
    squared_norms_with(all, Instructions::detect())
}

fn squared_norms_with(all: &[Outer<'_>], instructions: Instructions) -> Vec<Vec<f64>> {
    let bounds = match instructions {
        Instructions::Plain => vec![None; all.len()],
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512(found) => gram::squared_norms(found, all),
    };
    all.iter().zip(bounds).map(|(outer, bound)| bound.unwrap_or_else(|| outer.squared_norms_with(instructions))).collect()
}

impl<'a> Outer<'a> {
    pub(super) fn new(a: Matrix<'a>, g: Matrix<'a>, units: usize, positions: usize) -> Self {
        assert!(positions > 0 && a.has(units * positions) && g.has(units * positions), "every position has a row");
        Self { a, g, units, positions }
    }

    /// ‖G‖² of each unit.
    fn squared_norms_with(&self, instructions: Instructions) -> Vec<f64> {
        if self.positions == 1 {
            let mut norms = vec![1.0; self.units];
            for of in [self.a, self.g] {
                let parts = norms.par_chunks_mut(1024).enumerate();
                parts.with_min_len(least(1024 * of.width)).for_each(|(at, norms)| times_squares(instructions, of.below(at * 1024), norms));
            }
            return norms;
        }
        let each = self.positions * self.a.width * self.g.width;
        let norm = |scratch: &mut Scratch, unit: usize| self.squared_norm(unit, instructions, scratch);
        (0..self.units).into_par_iter().with_min_len(least(each)).map_init(Scratch::default, norm).collect()
    }

    /// ‖G‖² of one unit.
    fn squared_norm(&self, unit: usize, instructions: Instructions, scratch: &mut Scratch) -> f64 {
        let (a, g) = self.of(unit);
        match instructions {
            Instructions::Plain => plain::squared_norm(a, g, self.positions),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(found) => avx512::squared_norm(found, a, g, self.positions, scratch),
        }
    }

    /// Adds Σ factor · G to `sum`, `[width of a, width of g]`. A unit of factor 0 has no part in it, whatever its gradient is.
    pub(super) fn add(&self, factors: &[f64], sum: &mut [f64]) {
        self.add_with(factors, sum, Instructions::detect());
    }

    fn add_with(&self, factors: &[f64], sum: &mut [f64], instructions: Instructions) {
        let (m, n) = (self.a.width, self.g.width);
        assert_eq!((factors.len(), sum.len()), (self.units, m * n), "one factor a unit, and one sum a weight");
        if n < PANEL.1 && n < m {
            // Few columns would leave most of a vector empty.
            let mut transposed = vec![0.0; m * n];
            Self { a: self.g, g: self.a, ..*self }.add_with(factors, &mut transposed, instructions);
            for (i, row) in sum.chunks_exact_mut(n).enumerate() {
                row.iter_mut().enumerate().for_each(|(j, sum)| *sum += transposed[j * m + i]);
            }
            return;
        }
        // Each thread has rows of its own, whole tiles of them.
        let rows = m.div_ceil(rayon::current_num_threads()).next_multiple_of(TILE.0);
        let each = self.units * self.positions * rows * n;
        sum.par_chunks_mut(rows * n).enumerate().with_min_len(least(each)).for_each(|(at, part)| {
            let a = self.a.columns(at * rows, part.len() / n);
            Self { a, ..*self }.add_rows_of(factors, part, instructions);
        });
    }

    fn add_rows_of(&self, factors: &[f64], sum: &mut [f64], instructions: Instructions) {
        if self.positions == 1 && self.a.width <= NARROW {
            for (i, sum) in sum.chunks_exact_mut(self.g.width).enumerate() {
                let weight = |(t, &factor): (usize, &f64)| if factor > 0.0 { factor * f64::from(self.a.row(t)[i]) } else { 0.0 };
                let weights: Vec<f64> = factors.iter().enumerate().map(weight).collect();
                add_rows(instructions, self.g, 1, &weights, sum);
            }
            return;
        }
        if self.positions == 1 {
            return match instructions {
                Instructions::Plain => plain::add_all(self, factors, sum),
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx512(found) => avx512::add_all(found, self, factors, sum),
            };
        }
        let mut scratch = Scratch::default();
        // Columns that keep their part of the sum in the cache while all units pass.
        const AT_ONCE: usize = 128;
        for from in (0..self.g.width).step_by(AT_ONCE) {
            let width = AT_ONCE.min(self.g.width - from);
            for (unit, &factor) in factors.iter().enumerate().filter(|(_, factor)| **factor > 0.0) {
                let (a, g) = self.of(unit);
                let to = Sum { values: &mut sum[from..], stride: self.g.width };
                let g = g.columns(from, width);
                match instructions {
                    Instructions::Plain => plain::add(a, g, self.positions, factor, to),
                    #[cfg(target_arch = "x86_64")]
                    Instructions::Avx512(found) => avx512::add(found, a, g, self.positions, factor, to, &mut scratch),
                }
            }
        }
    }

    fn of(&self, unit: usize) -> (Matrix<'a>, Matrix<'a>) {
        (self.a.below(unit * self.positions), self.g.below(unit * self.positions))
    }
}

/// Where tiles are added: row i is `values[i · stride ..]`.
struct Sum<'a> {
    values: &'a mut [f64],
    stride: usize,
}

/// Copies of the factors of a unit, tile by tile, so that a tile's rows lie together.
#[derive(Default)]
struct Scratch {
    a: Vec<f32>,
    g: Vec<f32>,
}

/// A tile of G, zero beyond its edge.
type Tile = [[f32; TILE.1]; TILE.0];

/// Adds Σ x² over these rows of a tile to `lanes`.
#[inline(always)]
fn square(tile: &Tile, rows: usize, lanes: &mut [f64; TILE.1]) {
    for row in &tile[..rows] {
        for (lane, &x) in lanes.iter_mut().zip(row) {
            *lane += f64::from(x) * f64::from(x);
        }
    }
}

/// Adds factor · tile to these rows and columns of the sum.
#[inline(always)]
fn place(tile: &Tile, (i, rows): (usize, usize), (j, columns): (usize, usize), factor: f64, sum: &mut Sum<'_>) {
    for (row, values) in tile[..rows].iter().enumerate() {
        let to = &mut sum.values[(i + row) * sum.stride + j..][..columns];
        for (to, &x) in to.iter_mut().zip(values) {
            *to += factor * f64::from(x);
        }
    }
}

/// Goes through the tiles of a `rows × columns` matrix: where each begins, and its size.
#[inline(always)]
fn tiles(rows: usize, columns: usize, mut visit: impl FnMut((usize, usize), (usize, usize))) {
    for j in (0..columns).step_by(TILE.1) {
        for i in (0..rows).step_by(TILE.0) {
            visit((i, TILE.0.min(rows - i)), (j, TILE.1.min(columns - j)));
        }
    }
}

/// How many rows of `f64` copies are made at once, and the sizes of what is computed from them at once.
const DEPTH: usize = 256;
const PANEL: (usize, usize) = (12, 16);
/// So few rows of a sum are sums of their own.
const NARROW: usize = 4;

/// Copies of the factors in `f64`, by panels of a few columns, so that a panel lies together; `g` is scaled. Zero beyond the edges and for units of
/// factor 0.
#[derive(Default)]
struct Panels {
    a: Vec<f64>,
    g: Vec<f64>,
}

impl Panels {
    /// Rows from `t` on, at most [`DEPTH`]; how many they are.
    #[inline(always)]
    fn fill(&mut self, outer: &Outer<'_>, factors: &[f64], t: usize) -> usize {
        let depth = DEPTH.min(outer.units - t);
        let (a_panels, g_panels) = (outer.a.width.div_ceil(PANEL.0), outer.g.width.div_ceil(PANEL.1));
        self.a.resize(a_panels * PANEL.0 * depth, 0.0);
        self.g.resize(g_panels * PANEL.1 * depth, 0.0);
        for k in 0..depth {
            let factor = factors[t + k];
            copy::<{ PANEL.0 }>(&mut self.a, outer.a.row(t + k), depth, k, |a| if factor > 0.0 { a } else { 0.0 });
            copy::<{ PANEL.1 }>(&mut self.g, outer.g.row(t + k), depth, k, |g| if factor > 0.0 { factor * g } else { 0.0 });
        }
        depth
    }
}

/// Row k, of `depth`, of panels of `WIDTH` columns.
#[inline(always)]
fn copy<const WIDTH: usize>(panels: &mut [f64], row: &[f32], depth: usize, k: usize, value: impl Fn(f64) -> f64) {
    for (panel, part) in row.chunks(WIDTH).enumerate() {
        let to = &mut panels[(panel * depth + k) * WIDTH..][..WIDTH];
        match <&[f32; WIDTH]>::try_from(part) {
            Ok(part) => to.iter_mut().zip(part).for_each(|(to, &x)| *to = value(f64::from(x))),
            Err(_) => {
                to.fill(0.0);
                to.iter_mut().zip(part).for_each(|(to, &x)| *to = value(f64::from(x)));
            }
        }
    }
}

/// A block of the sum, `PANEL` in size.
type Block = [[f64; PANEL.1]; PANEL.0];

/// All units of one position at once in `f64`, with `product` for so many rows of the block of two panels.
#[inline(always)]
fn add_panels(outer: &Outer<'_>, factors: &[f64], sum: &mut [f64], mut product: impl FnMut(&[f64], &[f64], usize, &mut Block)) {
    let (m, n) = (outer.a.width, outer.g.width);
    let mut panels = Panels::default();
    let mut t = 0;
    while t < outer.units {
        let depth = panels.fill(outer, factors, t);
        for (j, g) in panels.g.chunks_exact(depth * PANEL.1).enumerate().map(|(at, g)| (at * PANEL.1, g)) {
            for (i, a) in panels.a.chunks_exact(depth * PANEL.0).enumerate().map(|(at, a)| (at * PANEL.0, a)) {
                let mut block: Block = [[0.0; PANEL.1]; PANEL.0];
                let rows = PANEL.0.min(m - i);
                product(a, g, rows, &mut block);
                for (row, values) in block[..rows].iter().enumerate() {
                    let to = &mut sum[(i + row) * n + j..][..PANEL.1.min(n - j)];
                    to.iter_mut().zip(values).for_each(|(to, x)| *to += x);
                }
            }
        }
        t += depth;
    }
}

#[cfg(test)]
mod tests;
