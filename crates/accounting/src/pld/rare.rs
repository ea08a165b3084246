//! Runs whose losses are nearly always tiny and rarely large, where one even grid cannot hold both.
//!
//! The law of one step's loss is cut at a point that few of the `T` steps exceed. With S its part below and B that above,
//! neither normalised, the composition is exactly
//!
//!   (S + B)^T = sum over n of C(T, n) S^(T - n) B^n, products being convolutions,
//!
//! so that delta(epsilon) = sum over n and over the atoms b of B^n of C(T, n) B^n(b) delta_S(epsilon - b), with delta_S the
//! hockey-stick sum over S^(T - n). S is composed on a fine even grid, which its small losses fit; the few large ones are put on
//! edges as far apart as they are large, and are convolved term by term.
//!
//! - From above, each cell's masses under both neighbours are kept by its two edges (connect the dots, as in
//!   [`table`](super::table)), again after every convolution; terms beyond the last n are charged as infinite losses:
//!   sum over n > N of C(T, n) B^n <= e^(T B) (T B)^(N + 1)/(N + 1)!.
//! - From below, each cell is one atom at the logarithm of its ratio of masses, again after every convolution; terms beyond the
//!   last n are left out.
//!
//! When a record is added the rare losses are large gains of privacy: there they count as the smallest of them, from above.

use std::cell::RefCell;

use realfft::RealFftPlanner;

use super::compose::{Composed, Part, compose};
use super::curve::{self, Upper, walk};
use super::saddle::Landscape;
use super::table::{Direction, Step, UNIT};
use crate::event::SubsampledGaussian;

/// How many of all steps exceed the cut, on average.
const EXCEED: f64 = 0.02;

/// Most rare losses that are told apart.
const MOST_RARE: usize = 24;

/// Most edges of rare losses.
const MOST_EDGES: usize = 1 << 14;

/// Most points of the fine grid.
const MOST_POINTS: f64 = (1 << 19) as f64;

/// The higher tilt of S, per standard deviation or largest loss of S.
const TILT: f64 = 6.0;

/// ln of the tilted mass of S allowed outside its window.
const LOG_OUTSIDE: f64 = -60.0;

/// Errors left out of an upper bound on delta are this part of it.
const NEGLIGIBLE: f64 = 1e-6;

/// Whether an even grid for losses up to `at_most` would be too coarse for the usual ones; for a larger epsilon it need not be fine.
pub(crate) fn is_likely(part: &SubsampledGaussian, at_most: f64) -> bool {
    let deviation = || {
        let bulk = Step::new(part.q, part.sigma, Direction::Remove, (EXCEED / part.count as f64).ln());
        let landscape = Landscape { parts: &[*part], laws: &[], direction: Direction::Remove, highest_x: vec![bulk.highest_x()] };
        landscape.at(0.0).variance.sqrt()
    };
    part.q < 1.0 && at_most < 5.0 && at_most > 100.0 * deviation()
}

/// Bounds on epsilon in both directions, at most about `relative_width` apart, or `None` where this is no way to find them.
/// `at_most` is an upper bound on epsilon.
pub(crate) fn epsilon(
    part: &SubsampledGaussian,
    delta: f64,
    at_most: f64,
    goal: impl Fn(f64) -> f64,
    planner: &RefCell<RealFftPlanner<f64>>,
) -> Option<(f64, f64)> {
    if part.q == 1.0 || part.count < 2 {
        return None;
    }
    let mut best: Option<(f64, f64)> = None;
    let (mut fineness, mut ratio) = (fineness(part.count), 0.01);
    for attempt in 0..5 {
        let Some((lower, upper)) = between(part, delta, at_most, fineness, ratio, planner) else { break };
        debug_assert!(lower <= upper, "{part:?} {delta}: {lower} {upper}");
        let found = best.map_or((lower, upper), |b| (b.0.max(lower), b.1.min(upper)));
        let (width, goal) = (found.1 - found.0, goal(found.1));
        best = Some(found);
        if width <= goal {
            break;
        }
        // Most often it is the even grid that is too coarse.
        let finer = (width / goal).sqrt().clamp(1.3, 4.0);
        fineness *= finer;
        if attempt > 0 {
            ratio = (ratio / finer).max(2e-3);
        }
    }
    let (lower, upper) = best?;
    let added = adding(part, delta, planner)?;
    Some((lower, upper.max(added)))
}

/// How many points of the fine grid to a standard deviation: a grid adds to the variance of each step.
fn fineness(count: u64) -> f64 {
    (3.0 * (count as f64).sqrt()).max(36.0)
}

/// An upper bound on epsilon when a record is added.
fn adding(part: &SubsampledGaussian, delta: f64, planner: &RefCell<RealFftPlanner<f64>>) -> Option<f64> {
    let SubsampledGaussian { q, sigma, count } = *part;
    let step = Step::new(q, sigma, Direction::Add, (EXCEED / count as f64).ln());
    let parts = [*part];
    let landscape = Landscape { parts: &parts, laws: &[], direction: Direction::Add, highest_x: vec![step.highest_x()] };
    let saddle = landscape.for_delta(delta);
    let h = (saddle.variance.sqrt() / fineness(count)).max(step.span() / MOST_POINTS);
    let lambda = saddle.lambda.min(1.0 / h);
    let log_moment = landscape.at(lambda).log_moments[0];
    let log_outside = super::compose::LOG_OUTSIDE + delta.ln().min(0.0);
    let table = Part { table: step.table_above(h), count, log_moment };
    let composed = compose(vec![table], h, lambda, log_outside, &mut planner.borrow_mut()).ok()?;
    match curve::epsilon_upper(&composed, delta) {
        Upper::At(upper) => Some(upper),
        Upper::BelowWindow(upper) => Some(upper),
        Upper::Drowned => None,
    }
}

/// One way to cut, from above or from below: both at once would need twice the memory.
struct Run {
    terms: Vec<Term>,
    /// Mass charged as infinite losses.
    charged: f64,
}

/// C(T, n) B^n, and S^(T - n).
struct Term {
    atoms: Vec<Atom>,
    small: Small,
}

/// An atom at a loss: its mass under P and under Q.
#[derive(Debug, Clone, Copy)]
struct Atom {
    loss: f64,
    p: f64,
    q: f64,
}

impl Run {
    fn new(
        from_above: bool,
        part: &SubsampledGaussian,
        delta: f64,
        at_most: f64,
        fineness: f64,
        ratio: f64,
        planner: &RefCell<RealFftPlanner<f64>>,
    ) -> Option<Self> {
        let SubsampledGaussian { q, sigma, count } = *part;
        let steps = count as f64;
        let bulk = Step::new(q, sigma, Direction::Remove, (EXCEED / steps).ln());
        let parts = [*part];
        let landscape = Landscape { parts: &parts, laws: &[], direction: Direction::Remove, highest_x: vec![bulk.highest_x()] };
        let deviation = landscape.at(0.0).variance.sqrt();
        // Without a tilt the bulk of S is accurate, with one its upper tail.
        let tilts = [0.0, TILT / deviation.max(bulk.span())].map(|lambda| (lambda, landscape.at(lambda).log_moments[0]));
        let h = deviation / fineness;
        if bulk.span() / h > MOST_POINTS {
            return None;
        }
        // Losses beyond e^40 times delta's are as good as infinite.
        let highest = at_most + 40.0;
        let all = Step::new(q, sigma, Direction::Remove, (NEGLIGIBLE * delta / steps).ln());
        let (table, from, rare, beyond) = if from_above {
            let (table, end) = bulk.bulk_above(h);
            let (rare, beyond) = rare_above(&all, end.x, ratio, highest)?;
            (table, end.x, rare, beyond)
        } else {
            (bulk.table_below(h)?, bulk.highest_x(), rare_below(&all, bulk.highest_x(), ratio)?, 0.0)
        };
        // Thousands of these do not matter.
        let tiny = 1e-4 * NEGLIGIBLE * delta;
        let expected = steps * rare.iter().map(|a| a.p).sum::<f64>();
        let mut charged = steps * beyond;
        let rare_mass = all.mixture(&all.cut(from));
        let compose_small = |n: usize| -> Option<Small> {
            let total = ((steps - n as f64) * (-rare_mass).ln_1p()).exp();
            let tilted = tilts.iter().map(|&(lambda, log_moment)| {
                let part = Part { table: table.clone(), count: count - n as u64, log_moment };
                let composed = compose(vec![part], h, lambda, LOG_OUTSIDE, &mut planner.borrow_mut()).ok()?;
                Tilted::new(&composed, total)
            });
            Some(Small { tilted: tilted.collect::<Option<_>>()? })
        };
        let mut terms = vec![];
        let mut atoms = vec![Atom { loss: 0.0, p: 1.0, q: 1.0 }];
        for n in 0.. {
            terms.push(Term { atoms: atoms.clone(), small: compose_small(n)? });
            // C(T, n + 1) B^(n + 1), and what all further terms have.
            let rest = (1..=n + 1).fold(expected.exp(), |product, i| product * expected / i as f64);
            if n as u64 == count {
                break;
            }
            if rest <= NEGLIGIBLE * delta {
                charged += rest;
                break;
            }
            if n == MOST_RARE {
                return None;
            }
            let factor = (steps - n as f64) / (n + 1) as f64;
            if from_above {
                let (next, over) = convolve_above(&atoms, &rare, factor, ratio, highest, tiny)?;
                charged += over;
                atoms = next;
            } else {
                atoms = convolve_below(&atoms, &rare, factor, ratio, tiny)?;
            }
        }
        Some(Self { terms, charged })
    }

    fn sum(&self, of: impl Fn(&Small, f64) -> f64) -> f64 {
        self.terms.iter().map(|t| t.atoms.iter().map(|atom| atom.p * of(&t.small, atom.loss)).sum::<f64>()).sum()
    }

    /// Where delta falls to `delta`, between 0 and `at_most`: from above, and from below.
    fn search(at: impl Fn(f64) -> f64, delta: f64, at_most: f64) -> (f64, f64) {
        let (mut low, mut high) = (0.0, at_most);
        if at(low) <= delta {
            return (0.0, 0.0);
        }
        while high - low > 4e-6 * high + 1e-8 {
            let middle = 0.5 * (low + high);
            if at(middle) <= delta { high = middle } else { low = middle }
        }
        (low, high)
    }

    fn upper(&self, delta: f64, at_most: f64) -> f64 {
        let at = |epsilon: f64| self.sum(|small, loss| small.delta_above(epsilon - loss)) * (1.0 + 1e-9) + self.charged;
        if at(at_most) <= delta { Self::search(at, delta, at_most).1 } else { at_most }
    }

    fn lower(&self, delta: f64, at_most: f64) -> f64 {
        Self::search(|epsilon| self.sum(|small, loss| small.delta_below(epsilon - loss)) * (1.0 - 1e-9), delta, at_most).0
    }
}

/// Bounds on epsilon when a record is removed, at one fineness.
fn between(
    part: &SubsampledGaussian,
    delta: f64,
    at_most: f64,
    fineness: f64,
    ratio: f64,
    planner: &RefCell<RealFftPlanner<f64>>,
) -> Option<(f64, f64)> {
    let run = |from_above| Run::new(from_above, part, delta, at_most, fineness, ratio, planner);
    let upper = run(true)?.upper(delta, at_most);
    Some((run(false)?.lower(delta, at_most), upper))
}

/// Edges from `low` to `high`, each as far from the next as `ratio` of its distance from 0, and no farther than that of 5; `None` where they
/// would be too many, or none is above 0.
fn edges(low: f64, high: f64, ratio: f64) -> Option<Vec<f64>> {
    if !(low > 0.0 && low.is_finite()) {
        return None;
    }
    let mut edges = vec![low];
    let mut at = low;
    while at < high {
        if edges.len() == MOST_EDGES {
            return None;
        }
        at += ratio * at.min(5.0);
        edges.push(at);
    }
    Some(edges)
}

/// The losses of a step above that at `from`, on edges; and the mass of those larger than `highest` or too rare.
fn rare_above(all: &Step, from: f64, ratio: f64, highest: f64) -> Option<(Vec<Atom>, f64)> {
    let first = all.offset(from) + all.lowest();
    let last = (all.lowest() + all.span()).min(highest).max(first);
    let edges = edges(first, last, ratio)?;
    let mut atoms: Vec<Atom> = edges.iter().map(|&loss| Atom { loss, p: 0.0, q: 0.0 }).collect();
    let mut cut = all.cut(from);
    for (i, pair) in edges.windows(2).enumerate() {
        let next = all.cut(all.at_offset(pair[1] - all.lowest()));
        let piece = all.piece(&cut, &next);
        let (p, q) = (piece.p.max(0.0) + piece.p_error, piece.q);
        // An edge is where its loss is to within a unit or two of the loss.
        let slack = piece.p_error + pair[0].exp() * piece.q_error + 64.0 * UNIT * p * (1.0 + pair[0].abs());
        let up = up(p, q, pair[0], pair[1], slack);
        atoms[i].p += p - up;
        atoms[i + 1].p += up;
        cut = next;
    }
    for atom in &mut atoms {
        atom.q = atom.p * (-atom.loss).exp();
    }
    Some((atoms, all.mixture(&cut)))
}

/// How much of a cell's mass goes to its upper edge, so that its masses under both neighbours are kept.
fn up(p: f64, q: f64, low: f64, high: f64, slack: f64) -> f64 {
    let up = ((p - q * low.exp()).max(0.0) + slack) / -(low - high).exp_m1();
    if up.is_finite() { up.min(p) } else { p }
}

/// The losses of a step above that at `from`, each cell's as one.
fn rare_below(all: &Step, from: f64, ratio: f64) -> Option<Vec<Atom>> {
    let first = all.offset(from) + all.lowest();
    let last = all.lowest() + all.span();
    let mut atoms = Vec::new();
    let mut cut = all.cut(from);
    for edge in edges(first, last, ratio)?.into_iter().skip(1) {
        let next = all.cut(all.at_offset(edge - all.lowest()));
        let piece = all.piece(&cut, &next);
        if let Some(loss) = piece.log_ratio() {
            let p = (piece.p - piece.p_error).max(0.0);
            let loss = loss - piece.ratio_error();
            atoms.push(Atom { loss, p, q: p * (-loss).exp() });
        }
        cut = next;
    }
    Some(atoms)
}

/// All sums of a loss of each, in cells between `edges`: masses under P and under Q, and the mass of sums above the last edge.
fn sums(one: &[Atom], other: &[Atom], factor: f64, edges: &[f64]) -> (Vec<(f64, f64)>, f64) {
    let mut cells = vec![(0.0, 0.0); edges.len() - 1];
    let mut over = 0.0;
    for a in one {
        let (p, q) = (a.p * factor, a.q * factor);
        let mut at = 0;
        for b in other {
            let loss = a.loss + b.loss;
            while at < cells.len() && loss >= edges[at + 1] {
                at += 1;
            }
            match cells.get_mut(at) {
                Some(cell) => {
                    cell.0 += p * b.p;
                    cell.1 += q * b.q;
                }
                None => over += p * b.p,
            }
        }
    }
    (cells, over)
}

/// Atoms of mass up to `tiny` go to infinity.
fn convolve_above(one: &[Atom], other: &[Atom], factor: f64, ratio: f64, highest: f64, tiny: f64) -> Option<(Vec<Atom>, f64)> {
    let (Some(a), Some(b)) = (one.first().zip(other.first()), one.last().zip(other.last())) else { return Some((vec![], 0.0)) };
    if one.len() == 1 && one[0].loss == 0.0 {
        let times = one[0].p * factor;
        return Some((other.iter().map(|o| Atom { loss: o.loss, p: o.p * times, q: o.q * times }).collect(), 0.0));
    }
    let edges = edges(a.0.loss + a.1.loss, (b.0.loss + b.1.loss).min(highest), ratio)?;
    let (cells, mut over) = sums(one, other, factor, &edges);
    let mut atoms: Vec<Atom> = edges.iter().map(|&loss| Atom { loss, p: 0.0, q: 0.0 }).collect();
    for (i, (p, q)) in cells.into_iter().enumerate() {
        // Thousands of terms, each to some units.
        let up = up(p, q, edges[i], edges[i + 1], 1e-12 * p);
        atoms[i].p += p - up;
        atoms[i + 1].p += up;
    }
    for atom in &mut atoms {
        atom.q = atom.p * (-atom.loss).exp();
    }
    atoms.retain(|atom| {
        over += if atom.p > tiny { 0.0 } else { atom.p };
        atom.p > tiny
    });
    Some((atoms, over))
}

fn convolve_below(one: &[Atom], other: &[Atom], factor: f64, ratio: f64, tiny: f64) -> Option<Vec<Atom>> {
    let (Some(a), Some(b)) = (one.first().zip(other.first()), one.last().zip(other.last())) else { return Some(vec![]) };
    if one.len() == 1 && one[0].loss == 0.0 {
        let times = one[0].p * factor;
        return Some(other.iter().map(|o| Atom { loss: o.loss, p: o.p * times, q: o.q * times }).collect());
    }
    let edges = edges(a.0.loss + a.1.loss, b.0.loss + b.1.loss, ratio)?;
    let (cells, _) = sums(one, other, factor, &edges);
    let atom = |(p, q): (f64, f64)| {
        // Thousands of terms, each to some units.
        (p > tiny && q > 1e-300).then(|| Atom { loss: (p / q).ln() - 4e-12, p, q })
    };
    Some(cells.into_iter().filter_map(atom).collect())
}

/// The hockey-stick sum over a composition of small losses, at any epsilon: the better of bounds from several tilts.
struct Small {
    tilted: Vec<Tilted>,
}

impl Small {
    fn delta_above(&self, y: f64) -> f64 {
        self.tilted.iter().map(|t| t.delta_above(y)).fold(1.0, f64::min)
    }

    fn delta_below(&self, y: f64) -> f64 {
        self.tilted.iter().map(|t| t.delta_below(y)).fold(0.0, f64::max)
    }
}

struct Tilted {
    /// Sums at each grid point, the highest first.
    points: Vec<Point>,
    top: f64,
    h: f64,
    /// Mass below the last point, at most.
    missing: f64,
    /// Mass above the window, at most.
    above: f64,
    relative: f64,
    shift: f64,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    /// Mass above.
    mass: f64,
    /// The same, discounted by e^(point - loss).
    discounted: f64,
    /// What round-off may have added to either, and what may also have wrapped round to here.
    noise: f64,
    wrapped: f64,
}

impl Tilted {
    /// `total` is the mass that the composition has.
    fn new(composed: &Composed, total: f64) -> Option<Self> {
        let mut points: Vec<Point> = Vec::with_capacity(composed.tilted.len());
        let summed = UNIT * composed.tilted.len() as f64;
        // Towards the bottom the tilt magnifies round-off, and there is no mass left: points past the most certain mass are of no use.
        let (mut certain, mut useful) = (f64::NEG_INFINITY, 0);
        walk(composed, |_, above| {
            let noise = composed.round_off * above.squared_weights.sqrt() + summed * above.mass;
            let wrapped = composed.aliased * above.weight;
            points.push(Point { mass: above.mass, discounted: above.discounted, noise, wrapped });
            // The bulk is the other's, which has no tilt.
            if composed.lambda > 0.0 && above.mass > 1e-3 * total {
                return false;
            }
            if above.mass - noise - wrapped > certain {
                (certain, useful) = (above.mass - noise - wrapped, points.len());
            }
            true
        });
        points.truncate(useful);
        let last = points.last().map_or(0.0, |p| p.mass * (1.0 - composed.relative) - p.noise);
        (!points.is_empty()).then(|| Self {
            points,
            top: composed.origin + (composed.tilted.len() - 1) as f64 * composed.h,
            h: composed.h,
            missing: (total * (1.0 + composed.relative) - last).max(0.0),
            above: composed.above,
            relative: composed.relative,
            shift: composed.shift,
        })
    }

    /// The sums at the last point at or below `y`, and how far below it is; if none is, at the lowest with `true`.
    fn at(&self, y: f64) -> (Point, f64, bool) {
        let steps = ((self.top - y) / self.h).ceil().max(0.0);
        let at = (steps as usize).min(self.points.len() - 1);
        let point = self.top - at as f64 * self.h;
        (self.points[at], y - point, steps as usize > at)
    }

    fn delta_above(&self, y: f64) -> f64 {
        let (point, beyond, lowest) = self.at(y - self.shift);
        let sum = (point.mass - point.discounted * beyond.exp()).max(0.0) * (1.0 + self.relative);
        let missing = if lowest { self.missing * -beyond.exp_m1() } else { 0.0 };
        sum + missing + point.noise + self.above
    }

    fn delta_below(&self, y: f64) -> f64 {
        let (point, beyond, _) = self.at(y + self.shift);
        let sum = (point.mass - point.discounted * beyond.exp()) * (1.0 - self.relative);
        (sum - point.noise - point.wrapped).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::by_grid;
    use super::*;

    /// The even grid and this share the masses of pieces, not what becomes of them: where both are narrow they must meet.
    #[test]
    fn agrees_with_the_even_grid() {
        let planner = RefCell::new(RealFftPlanner::new());
        let goal = |upper: f64| 5e-4 * upper;
        for (q, sigma, count, delta) in [
            (1e-4, 0.5, 20, 1e-6),
            (1e-3, 0.5, 100, 1e-6),
            (1e-3, 0.4, 30, 1e-12),
            (0.01, 0.6, 3, 1e-5),
            (0.02, 0.4, 2, 1e-9),
            (1e-3, 0.8, 300, 1e-8),
        ] {
            let part = SubsampledGaussian { q, sigma, count };
            let grid = by_grid(&[part], &[], Direction::Remove, delta, 1e-5, 0.0, &planner).unwrap();
            let rare = epsilon(&part, delta, 2.0 * grid.1 + 1.0, goal, &planner).unwrap();
            let what = format!("{part:?} {delta:e}: {rare:?} {grid:?}");
            assert!(rare.0 <= grid.1 && grid.0 <= rare.1, "{what}");
            assert!(rare.1 - rare.0 <= 5e-4 * rare.1 && grid.1 - grid.0 < 2e-3 * grid.1, "{what}");
        }
    }

    /// What is too large or too small to be told apart is charged: all mass is an atom's or infinite.
    #[test]
    fn no_mass_is_lost() {
        let atoms = [(0.1, 0.2), (0.5, 0.3), (2.0, 0.1)].map(|(loss, p): (f64, f64)| Atom { loss, p, q: p * (-loss).exp() });
        let (next, over) = convolve_above(&atoms, &atoms, 0.5, 0.05, 1.5, 1e-3).unwrap();
        let total = next.iter().map(|a| a.p).sum::<f64>() + over;
        assert!((total - 0.5 * 0.36).abs() < 1e-15 && over > 0.05, "{total} {over}");
    }

    /// When a record is added the bound holds what the even grid finds.
    #[test]
    fn adding_is_bounded() {
        let planner = RefCell::new(RealFftPlanner::new());
        for (q, sigma, count, delta) in [(1e-3, 0.5, 100, 1e-6), (0.01, 0.6, 30, 1e-5), (0.02, 1.0, 50, 1e-9)] {
            let part = SubsampledGaussian { q, sigma, count };
            let grid = by_grid(&[part], &[], Direction::Add, delta, 1e-4, 0.0, &planner).unwrap();
            let bound = adding(&part, delta, &planner).unwrap();
            assert!(bound >= grid.0 && grid.0 > 0.0, "{part:?} {delta:e}: {bound} {grid:?}");
        }
    }

    /// However coarse the edges and the grid, the interval holds the exact value: at most its own bounds move.
    #[test]
    fn coarse_intervals_hold_fine_ones() {
        let planner = RefCell::new(RealFftPlanner::new());
        let part = SubsampledGaussian { q: 1e-4, sigma: 0.8, count: 100 };
        let of = |fineness, ratio| between(&part, 1e-10, 2.0, fineness, ratio, &planner).unwrap();
        let fine = of(100.0, 0.005);
        for (fineness, ratio) in [(4.0, 0.005), (100.0, 0.2), (6.0, 0.1), (20.0, 0.03)] {
            let coarse = of(fineness, ratio);
            assert!(coarse.0 <= fine.0 * (1.0 + 1e-5) && fine.1 * (1.0 - 1e-5) <= coarse.1, "{fineness} {ratio}: {coarse:?} {fine:?}");
            assert!(coarse.1 - coarse.0 > fine.1 - fine.0);
        }
        assert!(fine.1 - fine.0 < 4e-4 * fine.1, "{fine:?}");
    }
}
