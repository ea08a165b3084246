//! The same with AVX-512: a tile or block stays in registers over all positions.
#![expect(
    unsafe_code,
    reason = "vector instructions: called only with proof that the processor has them; loads and stores are within rows of a fixed length"
)]

use super::{Block, Matrix, Outer, PANEL, Scratch, Sum, TILE, Tile, add_panels, place, square, tiles};
use crate::instructions::Avx512;
use std::arch::x86_64::{
    _mm512_fmadd_pd, _mm512_fmadd_ps, _mm512_loadu_pd, _mm512_loadu_ps, _mm512_set1_pd, _mm512_set1_ps, _mm512_setzero_pd,
    _mm512_setzero_ps, _mm512_storeu_pd, _mm512_storeu_ps,
};

pub(super) fn squared_norm(_: Avx512, a: Matrix<'_>, g: Matrix<'_>, positions: usize, scratch: &mut Scratch) -> f64 {
    // SAFETY: an `Avx512` exists only where these instructions were detected.
    unsafe { squared_norm_of(a, g, positions, scratch) }
}

pub(super) fn add(_: Avx512, a: Matrix<'_>, g: Matrix<'_>, positions: usize, factor: f64, sum: Sum<'_>, scratch: &mut Scratch) {
    // SAFETY: as above.
    unsafe { add_to(a, g, positions, factor, sum, scratch) }
}

pub(super) fn add_all(_: Avx512, outer: &Outer<'_>, factors: &[f64], sum: &mut [f64]) {
    // SAFETY: as above.
    unsafe { add_all_to(outer, factors, sum) }
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn squared_norm_of(a: Matrix<'_>, g: Matrix<'_>, positions: usize, scratch: &mut Scratch) -> f64 {
    let (mut tile, mut lanes) = ([[0.0; TILE.1]; TILE.0], [0.0; TILE.1]);
    let factors = scratch.fill(a, g, positions);
    tiles(a.width, g.width, |(i, rows), (j, _)| {
        tile_of(&factors, (i, rows), j, positions, &mut tile);
        square(&tile, rows, &mut lanes);
    });
    lanes.iter().sum()
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn add_to(a: Matrix<'_>, g: Matrix<'_>, positions: usize, factor: f64, mut sum: Sum<'_>, scratch: &mut Scratch) {
    let mut tile = [[0.0; TILE.1]; TILE.0];
    let factors = scratch.fill(a, g, positions);
    tiles(a.width, g.width, |(i, rows), (j, columns)| {
        tile_of(&factors, (i, rows), j, positions, &mut tile);
        place(&tile, (i, rows), (j, columns), factor, &mut sum);
    });
}

/// Where the factors of a tile are: in panels, or where they were.
struct Factors<'a> {
    a: Factor<'a>,
    g: Factor<'a>,
}

#[derive(Clone, Copy)]
struct Factor<'a> {
    values: &'a [f32],
    /// Between the rows of a tile's part.
    stride: usize,
    /// Between the parts of tiles, a column.
    column: usize,
}

/// Rows so near to each other stay in a first-level cache without copies; farther ones share a few of its lines.
const NEAR: usize = 144;

impl Scratch {
    fn fill<'a>(&'a mut self, a: Matrix<'a>, g: Matrix<'a>, positions: usize) -> Factors<'a> {
        let direct = |of: Matrix<'a>| Factor { values: of.values, stride: of.stride, column: 1 };
        let a = if a.stride <= NEAR { direct(a) } else { fill::<{ TILE.0 }>(&mut self.a, a, positions) };
        // A tile reads all its columns.
        let whole = g.stride <= NEAR && g.width.is_multiple_of(TILE.1);
        let g = if whole { direct(g) } else { fill::<{ TILE.1 }>(&mut self.g, g, positions) };
        Factors { a, g }
    }
}

/// Panels of `WIDTH` columns one after another, zero beyond the last column.
fn fill<'a, const WIDTH: usize>(to: &'a mut Vec<f32>, from: Matrix<'_>, positions: usize) -> Factor<'a> {
    let panels = from.width.div_ceil(WIDTH);
    to.resize(panels * positions * WIDTH, 0.0);
    for t in 0..positions {
        for (panel, part) in from.row(t).chunks(WIDTH).enumerate() {
            let to = &mut to[(panel * positions + t) * WIDTH..][..WIDTH];
            match <&[f32; WIDTH]>::try_from(part) {
                Ok(part) => to.copy_from_slice(part),
                Err(_) => {
                    to[..part.len()].copy_from_slice(part);
                    to[part.len()..].fill(0.0);
                }
            }
        }
    }
    Factor { values: to, stride: WIDTH, column: positions }
}

/// The rows from i on of the tile at column j.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn tile_of(Factors { a, g }: &Factors<'_>, (i, rows): (usize, usize), j: usize, positions: usize, tile: &mut Tile) {
    let (a_stride, g_stride) = (a.stride, g.stride);
    let (a, g) = (&a.values[i * a.column..], &g.values[j * g.column..]);
    // From the largest number of rows that is left.
    let mut row = 0;
    while row < rows {
        let to = &mut tile[row..];
        row += match rows - row {
            12.. => rows_of::<12>((&a[row..], a_stride), (g, g_stride), positions, to),
            8.. => rows_of::<8>((&a[row..], a_stride), (g, g_stride), positions, to),
            4.. => rows_of::<4>((&a[row..], a_stride), (g, g_stride), positions, to),
            2.. => rows_of::<2>((&a[row..], a_stride), (g, g_stride), positions, to),
            _ => rows_of::<1>((&a[row..], a_stride), (g, g_stride), positions, to),
        };
    }
}

/// The first `ROWS` rows of a tile, from rows of its factors that begin there.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn rows_of<const ROWS: usize>(
    (a, a_stride): (&[f32], usize),
    (g, g_stride): (&[f32], usize),
    positions: usize,
    tile: &mut [[f32; TILE.1]],
) -> usize {
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    // The last position may be cut short, but not of what is read.
    for (a, g) in a.chunks(a_stride).zip(g.chunks(g_stride)).take(positions) {
        let g: &[f32] = &g[..TILE.1];
        // SAFETY: a row of a panel of g is two vectors.
        let columns = unsafe { [_mm512_loadu_ps(g.as_ptr()), _mm512_loadu_ps(g.as_ptr().add(16))] };
        let a: &[f32] = &a[..ROWS];
        for (sums, &a) in sums.iter_mut().zip(a) {
            let a = _mm512_set1_ps(a);
            sums[0] = _mm512_fmadd_ps(a, columns[0], sums[0]);
            sums[1] = _mm512_fmadd_ps(a, columns[1], sums[1]);
        }
    }
    for (to, sums) in tile.iter_mut().zip(sums) {
        // SAFETY: a row of a tile is two vectors.
        unsafe {
            _mm512_storeu_ps(to.as_mut_ptr(), sums[0]);
            _mm512_storeu_ps(to.as_mut_ptr().add(16), sums[1]);
        }
    }
    ROWS
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn add_all_to(outer: &Outer<'_>, factors: &[f64], sum: &mut [f64]) {
    add_panels(outer, factors, sum, |a, g, rows, block| match rows {
        9.. => block_of::<12>(a, g, block),
        5.. => block_of::<8>(a, g, block),
        3.. => block_of::<4>(a, g, block),
        _ => block_of::<2>(a, g, block),
    });
}

/// The first `ROWS` rows of the product of two panels.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn block_of<const ROWS: usize>(a: &[f64], g: &[f64], block: &mut Block) {
    let mut sums = [[_mm512_setzero_pd(); 2]; ROWS];
    for (a, g) in a.chunks_exact(PANEL.0).zip(g.chunks_exact(PANEL.1)) {
        // SAFETY: a row of a panel of g is two vectors.
        let columns = unsafe { [_mm512_loadu_pd(g.as_ptr()), _mm512_loadu_pd(g.as_ptr().add(8))] };
        for (sums, &a) in sums.iter_mut().zip(a) {
            let a = _mm512_set1_pd(a);
            sums[0] = _mm512_fmadd_pd(a, columns[0], sums[0]);
            sums[1] = _mm512_fmadd_pd(a, columns[1], sums[1]);
        }
    }
    for (to, sums) in block.iter_mut().zip(sums) {
        // SAFETY: a row of a block is two vectors.
        unsafe {
            _mm512_storeu_pd(to.as_mut_ptr(), sums[0]);
            _mm512_storeu_pd(to.as_mut_ptr().add(8), sums[1]);
        }
    }
}
