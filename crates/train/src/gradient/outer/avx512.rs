//! The same with AVX-512: a tile or block stays in registers over all positions.
#![expect(
    unsafe_code,
    reason = "vector instructions: called only with proof that the processor has them; loads are within rows whose length is checked"
)]

use super::{Matrix, Outer, PANEL, Sum, TILE, Tile, add_panels, place, square, tiles};
use crate::instructions::Avx512;
use std::arch::x86_64::{
    _mm512_fmadd_pd, _mm512_fmadd_ps, _mm512_loadu_pd, _mm512_maskz_loadu_ps, _mm512_set1_pd, _mm512_set1_ps, _mm512_setzero_pd,
    _mm512_setzero_ps, _mm512_storeu_pd, _mm512_storeu_ps,
};

pub(super) fn squared_norm(_: Avx512, a: Matrix<'_>, g: Matrix<'_>, positions: usize) -> f64 {
    // SAFETY: an `Avx512` exists only where these instructions were detected.
    unsafe { squared_norm_of(a, g, positions) }
}

pub(super) fn add(_: Avx512, a: Matrix<'_>, g: Matrix<'_>, positions: usize, factor: f64, sum: Sum<'_>) {
    // SAFETY: as above.
    unsafe { add_to(a, g, positions, factor, sum) }
}

pub(super) fn add_all(_: Avx512, outer: &Outer<'_>, factors: &[f64], sum: &mut [f64]) {
    // SAFETY: as above.
    unsafe { add_all_to(outer, factors, sum) }
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn squared_norm_of(a: Matrix<'_>, g: Matrix<'_>, positions: usize) -> f64 {
    let (mut tile, mut lanes) = ([[0.0; TILE.1]; TILE.0], [0.0; TILE.1]);
    tiles(a.width, g.width, |(i, rows), (j, columns)| {
        tile_of(a.columns(i, rows), g.columns(j, columns), positions, &mut tile);
        square(&tile, rows, &mut lanes);
    });
    lanes.iter().sum()
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn add_to(a: Matrix<'_>, g: Matrix<'_>, positions: usize, factor: f64, mut sum: Sum<'_>) {
    let mut tile = [[0.0; TILE.1]; TILE.0];
    tiles(a.width, g.width, |(i, rows), (j, columns)| {
        tile_of(a.columns(i, rows), g.columns(j, columns), positions, &mut tile);
        place(&tile, (i, rows), (j, columns), factor, &mut sum);
    });
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn tile_of(a: Matrix<'_>, g: Matrix<'_>, positions: usize, tile: &mut Tile) {
    assert!(a.has(positions) && g.has(positions), "every position has a row");
    // From the largest number of rows that is left.
    let mut row = 0;
    while row < a.width {
        let part = a.columns(row, a.width - row);
        let to = &mut tile[row..];
        row += match part.width {
            12.. => rows::<12>(part, g, positions, to),
            8.. => rows::<8>(part, g, positions, to),
            4.. => rows::<4>(part, g, positions, to),
            2.. => rows::<2>(part, g, positions, to),
            _ => rows::<1>(part, g, positions, to),
        };
    }
}

/// The first `ROWS` rows of a tile.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn rows<const ROWS: usize>(a: Matrix<'_>, g: Matrix<'_>, positions: usize, tile: &mut [[f32; TILE.1]]) -> usize {
    assert!(a.width >= ROWS && tile.len() >= ROWS && g.width <= TILE.1, "the tile has room");
    let lanes = u32::MAX >> (TILE.1 - g.width);
    let (first, second) = (lanes as u16, (lanes >> 16) as u16);
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    let (mut of_a, mut of_g) = (a.values.as_ptr(), g.values.as_ptr());
    for t in 0..positions {
        // SAFETY: row t has at least ROWS values of a and the unmasked lanes of g, which `has` checked for all positions.
        unsafe {
            let columns = [_mm512_maskz_loadu_ps(first, of_g), _mm512_maskz_loadu_ps(second, of_g.wrapping_add(16))];
            for (row, sums) in sums.iter_mut().enumerate() {
                let a = _mm512_set1_ps(*of_a.add(row));
                sums[0] = _mm512_fmadd_ps(a, columns[0], sums[0]);
                sums[1] = _mm512_fmadd_ps(a, columns[1], sums[1]);
            }
        }
        if t + 1 < positions {
            (of_a, of_g) = (of_a.wrapping_add(a.stride), of_g.wrapping_add(g.stride));
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
    add_panels(outer, factors, sum, |a, g, block| {
        let mut sums = [[_mm512_setzero_pd(); 2]; PANEL.0];
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
    });
}
