//! Pictures of pen strokes, drawn by rule: what small images of one centred thing vary like, without looking at any.

use crate::noise::NotPrivateSeed;
use rand::{Rng, RngExt};

/// Points a curve is drawn with.
const POINTS: usize = 40;
/// Of the image's side: where curves begin, where they bend, and the longer side of the box a drawing fills.
const BEGIN: [f64; 2] = [0.18, 0.82];
const BEND: [f64; 2] = [0.14, 0.86];
const BOX: [f64; 2] = [0.61, 0.71];
/// Half the width of a pen.
const PEN: [f64; 2] = [0.05, 0.082];
/// Chance of a curve to begin where no other ended.
const LIFTED: f64 = 0.4;

/// `count` images of `height × width` pixels in `[0, 1]`: one to three cubic Bézier curves each, scaled to a box, centred by mass.
pub(super) fn strokes(count: usize, height: usize, width: usize, seed: NotPrivateSeed) -> Vec<f32> {
    let mut rng = seed.rng();
    (0..count).flat_map(|_| drawing(height, width, &mut rng)).collect()
}

type Point = [f64; 2];

fn drawing(height: usize, width: usize, rng: &mut impl Rng) -> Vec<f32> {
    let side = height.min(width) as f64;
    let mut between = |[low, high]: [f64; 2]| side * rng.random_range(low..high);
    let mut start: Point = [between(BEGIN), between(BEGIN)];
    let curves = 1 + (3.0 * between([0.0, 1.0]) / side) as usize;
    let mut points: Vec<Point> = vec![];
    for curve in 0..curves {
        if curve > 0 && between([0.0, 1.0]) < LIFTED * side {
            start = [between(BEGIN), between(BEGIN)];
        }
        let [a, b, end]: [Point; 3] = std::array::from_fn(|_| [between(BEND), between(BEND)]);
        points.extend((0..POINTS).map(|i| {
            let t = i as f64 / (POINTS - 1) as f64;
            let weights = [(1.0 - t).powi(3), 3.0 * (1.0 - t).powi(2) * t, 3.0 * (1.0 - t) * t * t, t.powi(3)];
            std::array::from_fn(|axis| weights.iter().zip([start, a, b, end]).map(|(w, p)| w * p[axis]).sum())
        }));
        start = end;
    }
    let (size, pen) = (between(BOX), between(PEN));
    let of = |axis: usize| points.iter().map(move |p| p[axis]);
    let extent = (0..2).map(|axis| of(axis).fold(f64::MIN, f64::max) - of(axis).fold(f64::MAX, f64::min)).fold(1.0, f64::max);
    let centre: Point = std::array::from_fn(|axis| of(axis).sum::<f64>() / points.len() as f64);
    let middle = [height as f64 / 2.0, width as f64 / 2.0];
    let placed: Vec<Point> =
        points.iter().map(|p| std::array::from_fn(|axis| middle[axis] + (p[axis] - centre[axis]) * size / extent)).collect();
    let ink = |row: usize, column: usize| {
        let away = |p: &Point| (p[0] - row as f64).powi(2) + (p[1] - column as f64).powi(2);
        let nearest = placed.iter().map(away).fold(f64::INFINITY, f64::min).sqrt();
        (pen + 0.6 - nearest).clamp(0.0, 1.0) as f32
    };
    (0..height * width).map(|at| ink(at / width, at % width)).collect()
}
