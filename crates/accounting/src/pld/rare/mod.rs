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
//! When a record is added the rare losses are large gains of privacy, and an even grid for the others does.

mod atoms;
mod attack;
mod small;

use std::cell::RefCell;

use realfft::RealFftPlanner;

use self::atoms::{Atom, convolve_above, convolve_below, rare_above, rare_below};
pub(crate) use self::attack::true_positives;
use self::small::{Small, Tilted};
use super::compose::{Fewer, Part};
use super::saddle::Landscape;
use super::table::{Direction, Step};
use crate::event::SubsampledGaussian;

/// How many of all steps exceed the cut, on average.
const EXCEED: f64 = 0.02;

/// Most rare losses that are told apart.
const MOST_RARE: u64 = 24;

/// Most points of the fine grid.
const MOST_POINTS: usize = 1 << 19;

/// Most points kept of all compositions of small losses: 20 MB.
const MOST_KEPT: f64 = 1.25 * (1 << 20) as f64;

/// At so many epsilons is delta bounded where not all compositions are kept.
const PROBES: u32 = 200;

/// The highest tilt of S, per standard deviation or largest loss of S.
const TILT: f64 = 6.0;

/// Down to so much for each step round-off leaves delta its digits without a tilt: a transform's errors grow with the power taken.
const UNTILTED: f64 = 1e-9;

/// ln of the tilted mass of S allowed outside its window.
const LOG_OUTSIDE: f64 = -60.0;

/// Errors left out of an upper bound on delta are this part of it.
const NEGLIGIBLE: f64 = 1e-6;

/// An epsilon of so many times what the usual losses make likely comes from rare ones.
const UNLIKELY: f64 = 1.5;

/// For a larger epsilon than this an even grid need not be fine.
const LARGE: f64 = 12.0;

/// Edges of rare losses are this part of the loss apart at first.
const RATIO: f64 = 0.01;

/// What the usual losses are: those that few of all steps exceed.
struct Bulk<'a> {
    step: Step,
    landscape: Landscape<'a>,
    /// Standard deviation of their sum.
    deviation: f64,
}

impl<'a> Bulk<'a> {
    fn new(part: &'a SubsampledGaussian) -> Self {
        let step = Step::new(part.q, part.sigma, Direction::Remove, (EXCEED / part.count as f64).ln());
        let parts = std::slice::from_ref(part);
        let landscape = Landscape { parts, laws: &[], direction: Direction::Remove, highest_x: vec![step.highest_x()] };
        let deviation = landscape.at(0.0).variance.sqrt();
        Self { step, landscape, deviation }
    }
}

/// Whether this is the way to bound an epsilon of about `about` at `delta`: a Gaussian of the usual losses' deviation falls to delta
/// within sqrt(-2 ln delta) deviations.
pub(crate) fn is_likely(part: &SubsampledGaussian, delta: f64, about: f64) -> bool {
    part.q < 1.0 && part.count > 1 && about < LARGE && about > UNLIKELY * (-2.0 * delta.ln()).sqrt() * Bulk::new(part).deviation
}

/// Bounds on epsilon when a record is removed, at most about `goal` of the upper one apart, or `None` where this is no way to find
/// them. Epsilon is sought up to `at_most`.
pub(crate) fn epsilon(
    part: &SubsampledGaussian,
    delta: f64,
    at_most: f64,
    goal: impl Fn(f64) -> f64,
    planner: &RefCell<RealFftPlanner<f64>>,
) -> Option<(f64, f64)> {
    let mut best: Option<(f64, f64)> = None;
    let (mut fineness, mut ratio, mut keep) = (fineness(part.count), RATIO, true);
    for attempt in 0..6 {
        let known = best.unwrap_or((0.0, at_most));
        let question = Question { part, delta, at_most: known.1, fineness, ratio };
        let Some(Found { lower, upper, kept }) = question.between(known.0, keep, planner) else {
            // More compositions than can be kept, perhaps.
            if best.is_some() || attempt > 1 {
                break;
            }
            fineness /= 3.0;
            continue;
        };
        debug_assert!(lower <= upper, "{part:?} {delta}: {lower} {upper}");
        let found = best.map_or((lower, upper), |b| (b.0.max(lower), b.1.min(upper)));
        let gained = best.is_none_or(|b| found.1 - found.0 < 0.9 * (b.1 - b.0));
        let (width, goal) = (found.1 - found.0, goal(found.1));
        let first = best.is_none();
        best = Some(found);
        if width <= goal || !gained {
            break;
        }
        // Most often it is the even grid that is too coarse; its errors are of the second order.
        let finer = (1.4 * width / goal).sqrt().clamp(1.3, 8.0);
        fineness *= finer;
        keep = keep && kept * finer < MOST_KEPT;
        if !first {
            ratio = (ratio / finer).max(2e-3);
        }
    }
    best
}

/// What is asked, and how finely.
#[derive(Debug, Clone, Copy)]
struct Question<'a> {
    part: &'a SubsampledGaussian,
    /// Errors are negligible against this.
    delta: f64,
    at_most: f64,
    fineness: f64,
    ratio: f64,
}

/// Bounds on epsilon, and how many points of compositions were kept for them.
struct Found {
    lower: f64,
    upper: f64,
    kept: f64,
}

/// How many points of the fine grid to a standard deviation: a grid adds to the variance of each step.
fn fineness(count: u64) -> f64 {
    (3.0 * (count as f64).sqrt()).max(36.0)
}

impl Question<'_> {
    /// Bounds on epsilon when a record is removed, no lower than `known`. Either all compositions are kept, and any epsilon is asked
    /// for, or some evenly chosen ones are.
    fn between(&self, known: f64, keep: bool, planner: &RefCell<RealFftPlanner<f64>>) -> Option<Found> {
        let &Self { delta, at_most, .. } = self;
        let at = |i: u32| known + (at_most - known) * f64::from(i) / f64::from(PROBES);
        let probes: Vec<f64> = if keep { vec![] } else { (0..=PROBES).map(at).collect() };
        // One after the other: both at once would need twice the memory.
        let above = Run::new(self, true, &probes, planner)?;
        let upper = if keep { above.upper(delta, at_most)? } else { above.upper_probe(&probes, delta).unwrap_or(at_most) };
        let kept = above.terms.iter().map(Term::points).sum::<usize>() as f64;
        drop(above);
        let below = Run::new(self, false, &probes, planner)?;
        let lower = if keep { below.lower(delta, at_most) } else { below.lower_probe(&probes, delta).unwrap_or(known) };
        Some(Found { lower, upper, kept })
    }

    /// Bounds on delta at the largest epsilon asked for.
    fn delta(&self, planner: &RefCell<RealFftPlanner<f64>>) -> Option<(f64, f64)> {
        let run = |from_above| Run::new(self, from_above, &[self.at_most], planner);
        let above = run(true)?;
        let upper = above.charge(above.sums[0]);
        Some((discount(run(false)?.sums[0]), upper.min(1.0)))
    }
}

/// Bounds on delta at `epsilon` when a record is removed, at most about a `goal` of the lower one apart; `about` is a guess.
pub(crate) fn delta(
    part: &SubsampledGaussian,
    epsilon: f64,
    about: f64,
    goal: f64,
    planner: &RefCell<RealFftPlanner<f64>>,
) -> Option<(f64, f64)> {
    let mut question = Question { part, delta: about, at_most: epsilon, fineness: fineness(part.count), ratio: RATIO };
    let mut best: Option<(f64, f64)> = None;
    for _ in 0..5 {
        let Some((lower, upper)) = question.delta(planner) else { break };
        let found = best.map_or((lower, upper), |b| (b.0.max(lower), b.1.min(upper)));
        let gained = best.is_none_or(|b| found.1 - found.0 < 0.9 * (b.1 - b.0));
        best = Some(found);
        let width = (found.1 - found.0) / found.0;
        if width <= goal || !gained || width.is_nan() {
            break;
        }
        question.delta = found.0.clamp(1e-12 * question.delta, question.delta);
        let finer = (1.4 * width / goal).sqrt().clamp(1.3, 8.0);
        question.fineness *= finer;
        question.ratio = (question.ratio / finer).max(2e-3);
    }
    best
}

/// One way to cut, from above or from below.
struct Run {
    terms: Vec<Term>,
    /// Where not all terms are kept: the sums over them at some epsilons.
    sums: Vec<f64>,
    /// Mass charged as infinite losses.
    charged: f64,
}

/// C(T, n) B^n, and S^(T - n).
struct Term {
    atoms: Vec<Atom>,
    small: Small,
}

impl Run {
    /// With `probes` the sums there, and nothing is kept.
    fn new(question: &Question<'_>, from_above: bool, probes: &[f64], planner: &RefCell<RealFftPlanner<f64>>) -> Option<Self> {
        let Question { part, delta, at_most, fineness, ratio } = *question;
        let SubsampledGaussian { q, sigma, count } = *part;
        let steps = count as f64;
        let Bulk { step: bulk, landscape, deviation } = Bulk::new(part);
        let h = deviation / fineness;
        if bulk.span() / h > MOST_POINTS as f64 {
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
        let expected = steps * rare.iter().map(|a| a.p).sum::<f64>();
        // What all terms beyond the n-th have; there are no more than there are steps.
        let rest = |n: u64| if n == count { 0.0 } else { (1..=n + 1).fold(expected.exp(), |product, i| product * expected / i as f64) };
        let last = (0..=MOST_RARE.min(count)).find(|&n| rest(n) <= NEGLIGIBLE * delta)?;
        let mut charged = steps * beyond + rest(last);
        // Thousands of these do not matter.
        let tiny = 1e-4 * NEGLIGIBLE * delta;
        let mut all_atoms = vec![vec![Atom { loss: 0.0, p: 1.0, q: 1.0 }]];
        for n in 0..last {
            let factor = (steps - n as f64) / (n + 1) as f64;
            let atoms = &all_atoms[n as usize];
            all_atoms.push(if from_above {
                let (next, over) = convolve_above(atoms, &rare, factor, ratio, highest, tiny)?;
                charged += over;
                next
            } else {
                convolve_below(atoms, &rare, factor, ratio, tiny)?
            });
        }
        let rare_mass = all.mixture(&all.cut(from));
        // Without a tilt the bulk of S is accurate, with one its upper tail, as far as that matters at delta.
        let highest_tilt = || landscape.for_delta(0.01 * delta).lambda.min(TILT / deviation.max(bulk.span()));
        let tilts = if delta < UNTILTED * steps { vec![0.0, highest_tilt()] } else { vec![0.0] };
        let planner = &mut planner.borrow_mut();
        let mut compositions = Vec::with_capacity(tilts.len());
        for &lambda in &tilts {
            let part = Part { table: table.clone(), count, log_moment: landscape.at(lambda).log_moments[0] };
            compositions.push(Fewer::new(part, last, MOST_POINTS, h, lambda, LOG_OUTSIDE, planner).ok()?);
        }
        let mut made = Self { terms: vec![], sums: vec![0.0; probes.len()], charged };
        let mut kept = 0;
        // Those of fewest steps, and so of most rare losses, come first.
        for (n, atoms) in all_atoms.into_iter().enumerate().rev() {
            let total = ((steps - n as f64) * (-rare_mass).ln_1p()).exp();
            let mut small = Small { tilted: Vec::with_capacity(tilts.len()) };
            for composition in &mut compositions {
                small.tilted.push(Tilted::new(&composition.next(planner)?, total)?);
            }
            let term = Term { atoms, small };
            for (sum, &epsilon) in made.sums.iter_mut().zip(probes) {
                *sum += if from_above {
                    term.sum(|y| term.small.delta_above(y), epsilon)
                } else {
                    term.sum(|y| term.small.delta_below(y), epsilon)
                };
            }
            if probes.is_empty() {
                kept += term.points();
                if kept as f64 > MOST_KEPT {
                    return None;
                }
                made.terms.push(term);
            }
        }
        Some(made)
    }

    /// Where delta falls to `delta`, between 0 and `at_most`: from above, and from below.
    ///
    /// By the secant of ln delta between the ends, the end that stays counting less and less (Dowell & Jarratt 1971); where that is slow
    /// the middle is asked.
    fn search(at: impl Fn(f64) -> f64, delta: f64, at_most: f64) -> (f64, f64) {
        let miss = |value: f64| (value / delta).max(1e-300).ln();
        let at_zero = at(0.0);
        if at_zero <= delta {
            return (0.0, 0.0);
        }
        let (mut low, mut high) = ((0.0, miss(at_zero)), (at_most, miss(at(at_most))));
        let (mut apart, mut rose) = (at_most, None);
        for i in 1.. {
            let width = high.0 - low.0;
            let goal = 4e-6 * high.0 + 1e-8;
            if width <= goal {
                break;
            }
            let mut next = low.0 + 0.5 * width;
            // Every third time the ends must have come closer.
            let slow = i % 3 == 0 && std::mem::replace(&mut apart, width) < 2.0 * width;
            if !slow && high.1 < 0.0 {
                next = (low.0 + width * low.1 / (low.1 - high.1)).clamp(low.0 + 0.4 * goal, high.0 - 0.4 * goal);
            }
            let value = at(next);
            let rises = value > delta;
            if rises {
                low = (next, miss(value));
            } else {
                high = (next, miss(value));
            }
            if rose.replace(rises) == Some(rises) {
                (if rises { &mut high } else { &mut low }).1 *= 0.5;
            }
        }
        (low.0, high.0)
    }

    fn delta_above(&self, epsilon: f64) -> f64 {
        self.charge(self.terms.iter().map(|t| t.sum(|y| t.small.delta_above(y), epsilon)).sum())
    }

    fn delta_below(&self, epsilon: f64) -> f64 {
        discount(self.terms.iter().map(|t| t.sum(|y| t.small.delta_below(y), epsilon)).sum())
    }

    /// An upper bound on delta from the sum over all terms, of thousands of atoms.
    fn charge(&self, sum: f64) -> f64 {
        sum * (1.0 + 1e-9) + self.charged
    }

    fn upper(&self, delta: f64, at_most: f64) -> Option<f64> {
        (self.delta_above(at_most) <= delta).then(|| Self::search(|epsilon| self.delta_above(epsilon), delta, at_most).1)
    }

    fn lower(&self, delta: f64, at_most: f64) -> f64 {
        Self::search(|epsilon| self.delta_below(epsilon), delta, at_most).0
    }

    fn upper_probe(&self, probes: &[f64], delta: f64) -> Option<f64> {
        probes.iter().zip(&self.sums).find(|(_, sum)| self.charge(**sum) <= delta).map(|(probe, _)| *probe)
    }

    fn lower_probe(&self, probes: &[f64], delta: f64) -> Option<f64> {
        probes.iter().zip(&self.sums).rev().find(|(_, sum)| discount(**sum) > delta).map(|(probe, _)| *probe)
    }
}

/// A lower bound on delta from the sum over all terms.
fn discount(sum: f64) -> f64 {
    sum * (1.0 - 1e-9)
}

impl Term {
    fn points(&self) -> usize {
        self.small.tilted.iter().map(Tilted::len).sum()
    }

    /// Over the atoms, of delta_S so far below `epsilon`.
    fn sum(&self, of: impl Fn(f64) -> f64, epsilon: f64) -> f64 {
        self.atoms.iter().map(|atom| atom.p * of(epsilon - atom.loss)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::grid::by_grid;
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

    /// However coarse the edges and the grid, the interval holds the exact value: at most its own bounds move.
    #[test]
    fn coarse_intervals_hold_fine_ones() {
        let planner = RefCell::new(RealFftPlanner::new());
        let part = SubsampledGaussian { q: 1e-4, sigma: 0.8, count: 100 };
        let of = |fineness, ratio| {
            let found = Question { part: &part, delta: 1e-10, at_most: 2.0, fineness, ratio }.between(0.0, true, &planner).unwrap();
            (found.lower, found.upper)
        };
        let fine = of(100.0, 0.005);
        for (fineness, ratio) in [(4.0, 0.005), (100.0, 0.2), (6.0, 0.1), (20.0, 0.03)] {
            let coarse = of(fineness, ratio);
            assert!(coarse.0 <= fine.0 * (1.0 + 1e-5) && fine.1 * (1.0 - 1e-5) <= coarse.1, "{fineness} {ratio}: {coarse:?} {fine:?}");
            assert!(coarse.1 - coarse.0 > fine.1 - fine.0);
        }
        assert!(fine.1 - fine.0 < 4e-4 * fine.1, "{fine:?}");
        // Chosen epsilons give the same, but for the way between them; bounds already known stand where nothing better is found.
        for known in [(0.0, 2.0), (fine.0 * 0.99, fine.1 * 1.01)] {
            let question = Question { part: &part, delta: 1e-10, at_most: known.1, fineness: 100.0, ratio: 0.005 };
            let chosen = question.between(known.0, false, &planner).unwrap();
            let apart = 1.001 * (known.1 - known.0) / f64::from(PROBES) + 1e-5 * fine.1;
            assert!(chosen.lower <= fine.0 * (1.0 + 1e-5) && fine.0 - chosen.lower <= apart, "{known:?}: {} {fine:?}", chosen.lower);
            assert!(chosen.upper >= fine.1 * (1.0 - 1e-5) && chosen.upper - fine.1 <= apart, "{known:?}: {} {fine:?}", chosen.upper);
        }
    }

    /// Delta at the bounds of epsilon is about the delta these were for.
    #[test]
    fn delta_inverts_epsilon() {
        let planner = RefCell::new(RealFftPlanner::new());
        for (q, sigma, count, at) in [(1e-4, 0.8, 10_000, 1e-10), (1e-3, 0.5, 100, 1e-6), (1e-5, 1.0, 10_000, 1e-5)] {
            let part = SubsampledGaussian { q, sigma, count };
            let found = epsilon(&part, at, 10.0, |upper| 1e-3 * upper, &planner).unwrap();
            // Whatever was guessed.
            for about in [0.5 * at, 50.0 * at] {
                let (low, high) = [found.0, found.1].map(|e| delta(&part, e, about, 1e-3, &planner).unwrap()).into();
                assert!(low.1 >= at && high.0 <= at, "{part:?} {at:e}: {found:?} {low:?} {high:?}");
                assert!(low.1 - low.0 <= 2e-3 * low.0, "{part:?} {at:e}: {low:?}");
            }
        }
    }
}
