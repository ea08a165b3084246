//! The same with AVX-512: a tile or block stays in registers over all positions.
#![expect(
    unsafe_code,
    reason = "vector instructions: called only with proof that the processor has them; loads and stores are within rows of a fixed length"
)]

use super::gram::InnerProducts;
use super::{Block, Matrix, Outer, PANEL, Scratch, Sum, TILE, Tile, add_panels, place, square, tiles};
use crate::instructions::Avx512;
use std::arch::x86_64::{
    __m512, __m512d, _mm512_add_pd, _mm512_add_ps, _mm512_castpd_ps, _mm512_castps_pd, _mm512_castps512_ps256, _mm512_cvtps_pd,
    _mm512_extractf32x8_ps, _mm512_fmadd_pd, _mm512_fmadd_ps, _mm512_loadu_pd, _mm512_loadu_ps, _mm512_maskz_loadu_ps, _mm512_maskz_mov_ps,
    _mm512_reduce_add_pd, _mm512_set1_pd, _mm512_set1_ps, _mm512_setzero_pd, _mm512_setzero_ps, _mm512_shuffle_f32x4, _mm512_storeu_pd,
    _mm512_storeu_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
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

/// The inner products of all pairs of rows.
pub(super) fn inner_products(_: Avx512, rows: Matrix<'_>, positions: usize) -> InnerProducts {
    // SAFETY: as above.
    unsafe { inner_products_of(rows, positions) }
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn inner_products_of(rows: Matrix<'_>, positions: usize) -> InnerProducts {
    let sides = positions.div_ceil(SIDE);
    let mut blocks = vec![[0.0; SIDE * SIDE]; sides * (sides + 1) / 2];
    let mut lengths = Vec::with_capacity(sides * SIDE);
    let mut next = blocks.iter_mut();
    for i in (0..positions).step_by(SIDE) {
        for j in (0..=i).step_by(SIDE) {
            let block = next.next().expect("as many blocks");
            // SAFETY: a block is sixteen values.
            unsafe { _mm512_storeu_ps(block.as_mut_ptr(), pairs(rows, i, j, positions)) };
            if i == j {
                lengths.extend((0..SIDE).map(|k| block[k * SIDE + k]));
            }
        }
    }
    lengths.truncate(positions);
    InnerProducts { blocks, lengths }
}

/// The sum of products over all pairs of rows.
pub(super) fn combine(_: Avx512, a: &InnerProducts, g: &InnerProducts) -> f64 {
    // SAFETY: as above.
    unsafe { combine_of(&a.blocks, &g.blocks) }
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn combine_of(a: &[[f32; SIDE * SIDE]], g: &[[f32; SIDE * SIDE]]) -> f64 {
    let (mut on, mut off) = ([_mm512_setzero_pd(); 2], [_mm512_setzero_pd(); 2]);
    // The last block of each row of them is on the diagonal.
    let (mut row, mut column) = (0, 0);
    for (a, g) in a.iter().zip(g) {
        // SAFETY: a block is sixteen values.
        let (a, g) = unsafe { (_mm512_loadu_ps(a.as_ptr()), _mm512_loadu_ps(g.as_ptr())) };
        let sums = if row == column { &mut on } else { &mut off };
        for (sum, [a, g]) in sums.iter_mut().zip([[lower(a), lower(g)], [upper(a), upper(g)]]) {
            *sum = _mm512_fmadd_pd(a, g, *sum);
        }
        (row, column) = if row == column { (row + 1, 0) } else { (row, column + 1) };
    }
    // Every other pair was met once, and is there twice.
    let total = |[a, b]: [__m512d; 2]| _mm512_reduce_add_pd(_mm512_add_pd(a, b));
    total(on) + 2.0 * total(off)
}

/// Rows on a side of a block of pairs.
const SIDE: usize = 4;

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn lower(x: __m512) -> __m512d {
    _mm512_cvtps_pd(_mm512_castps512_ps256(x))
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn upper(x: __m512) -> __m512d {
    _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(x))
}

/// The inner products of rows i, i + 1, .. with rows j, j + 1, .., `SIDE` of each, one row of them after another; zero beyond the last row.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn pairs(of: Matrix<'_>, i: usize, j: usize, positions: usize) -> __m512 {
    // Where there is no such row, another one is read and what comes of it left out.
    let row = |t: usize| of.row(t.min(positions - 1)).as_ptr();
    let left: [_; SIDE] = std::array::from_fn(|k| row(i + k));
    let right: [_; SIDE] = std::array::from_fn(|k| row(j + k));
    let mut sums = [[_mm512_setzero_ps(); SIDE]; SIDE];
    let whole = of.width / 16 * 16;
    for from in (0..whole).step_by(16) {
        let mut columns = [_mm512_setzero_ps(); SIDE];
        for (column, row) in columns.iter_mut().zip(right) {
            // SAFETY: sixteen values from here on are in the row.
            *column = unsafe { _mm512_loadu_ps(row.add(from)) };
        }
        for (sums, row) in sums.iter_mut().zip(left) {
            // SAFETY: as above.
            let row = unsafe { _mm512_loadu_ps(row.add(from)) };
            for (sum, column) in sums.iter_mut().zip(columns) {
                *sum = _mm512_fmadd_ps(row, column, *sum);
            }
        }
    }
    if whole < of.width {
        let lanes = u16::MAX >> (16 - (of.width - whole));
        for (sums, row) in sums.iter_mut().zip(left) {
            for (sum, column) in sums.iter_mut().zip(right) {
                // SAFETY: lanes beyond the width of a row are not read.
                let [row, column] =
                    unsafe { [_mm512_maskz_loadu_ps(lanes, row.add(whole)), _mm512_maskz_loadu_ps(lanes, column.add(whole))] };
                *sum = _mm512_fmadd_ps(row, column, *sum);
            }
        }
    }
    let is_there = |at: &usize| i + at / SIDE < positions && j + at % SIDE < positions;
    let there = (0..SIDE * SIDE).filter(is_there).fold(0, |lanes, at| lanes | 1 << at);
    _mm512_maskz_mov_ps(there, totals(sums))
}

/// The sum of each of sixteen vectors, in order.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn totals(vectors: [[__m512; SIDE]; SIDE]) -> __m512 {
    let [a, b, c, d] = vectors;
    quarters(quarters(within_quarters(a), within_quarters(b)), quarters(within_quarters(c), within_quarters(d)))
}

/// In each quarter of a vector, the sums of four vectors over that quarter.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn within_quarters([a, b, c, d]: [__m512; SIDE]) -> __m512 {
    let first = _mm512_castps_pd(_mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)));
    let second = _mm512_castps_pd(_mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d)));
    _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(first, second)), _mm512_castpd_ps(_mm512_unpackhi_pd(first, second)))
}

/// The sums of neighbouring quarters, of the first vector and then of the second.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn quarters(x: __m512, y: __m512) -> __m512 {
    _mm512_add_ps(_mm512_shuffle_f32x4::<0b10_00_10_00>(x, y), _mm512_shuffle_f32x4::<0b11_01_11_01>(x, y))
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
