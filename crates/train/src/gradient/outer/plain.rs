//! The kernels that every processor runs, and that the others are tested against.

use super::{Matrix, Outer, PANEL, Sum, TILE, Tile, add_panels, place, square, tiles};

pub(super) fn squared_norm(a: Matrix<'_>, g: Matrix<'_>, positions: usize) -> f64 {
    let mut lanes = [0.0; TILE.1];
    tiles(a.width, g.width, |(i, rows), (j, columns)| {
        square(&tile(a.columns(i, rows), g.columns(j, columns), positions), rows, &mut lanes);
    });
    lanes.iter().sum()
}

pub(super) fn add(a: Matrix<'_>, g: Matrix<'_>, positions: usize, factor: f64, mut sum: Sum<'_>) {
    tiles(a.width, g.width, |(i, rows), (j, columns)| {
        place(&tile(a.columns(i, rows), g.columns(j, columns), positions), (i, rows), (j, columns), factor, &mut sum);
    });
}

fn tile(a: Matrix<'_>, g: Matrix<'_>, positions: usize) -> Tile {
    let mut tile = [[0.0; TILE.1]; TILE.0];
    for t in 0..positions {
        let g = g.row(t);
        for (row, &a) in tile.iter_mut().zip(a.row(t)) {
            row.iter_mut().zip(g).for_each(|(x, g)| *x += a * g);
        }
    }
    tile
}

pub(super) fn add_all(outer: &Outer<'_>, factors: &[f64], sum: &mut [f64]) {
    add_panels(outer, factors, sum, |a, g, rows, block| {
        for (a, g) in a.chunks_exact(PANEL.0).zip(g.chunks_exact(PANEL.1)) {
            for (row, a) in block[..rows].iter_mut().zip(a) {
                row.iter_mut().zip(g).for_each(|(x, g)| *x += a * g);
            }
        }
    });
}
