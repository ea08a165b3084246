//! Compositions on an even grid, refined until the interval is narrow.

use std::cell::RefCell;

use realfft::RealFftPlanner;

use super::compose::{self, Composed, MAX_POINTS, Part, Trouble, compose};
use super::curve::{self, Upper};
use super::law::Law;
use super::saddle::{Landscape, Saddle};
use super::table::{Direction, Step, Table};
use super::{ABSOLUTE_WIDTH, Error};
use crate::event::SubsampledGaussian;

/// A transform of this many points takes some tens of milliseconds.
const CHEAP_POINTS: f64 = 1.4e6;

/// At most this many pieces of a step on the first try.
const FIRST_PIECES: f64 = 2e5;

/// Bounds on epsilon in one direction from distributions on a grid, as narrow as is cheap; `settled` is a lower bound
/// from the other direction.
pub(super) fn by_grid(
    parts: &[SubsampledGaussian],
    laws: &[(Law, u64)],
    direction: Direction,
    delta: f64,
    relative_width: f64,
    settled: f64,
    planner: &RefCell<RealFftPlanner<f64>>,
) -> Result<(f64, f64), Error> {
    let (log_delta, log_tail) = (delta.ln(), delta.ln() - 13.0);
    let read = |run: &mut Run<'_>, h: f64| -> Result<(f64, f64), Error> {
        loop {
            let above = run.above(h, log_tail, log_delta)?;
            let upper = match curve::epsilon_upper(&above, delta) {
                Upper::At(upper) => upper,
                Upper::BelowWindow(upper) if above.lambda == 0.0 => upper,
                Upper::BelowWindow(_) => {
                    run.saddle = run.landscape.lower(above.lambda);
                    continue;
                }
                Upper::Drowned => return Err(Error::RoundOff { round_off: above.above, delta }),
            };
            // There is not room for both.
            drop(above);
            return Ok((run.below(h, log_tail, log_delta)?.map_or(0.0, |b| curve::epsilon_lower(&b, delta)), upper));
        }
    };
    let landscape = landscape(parts, laws, direction, log_tail);
    let saddle = landscape.for_delta(delta);
    let mut run = Run { landscape, saddle, planner };
    let goal = |upper: f64| (relative_width * upper).max(ABSOLUTE_WIDTH);
    let first_width = goal(run.saddle.mean.max(0.0));
    run.refine(&read, goal, first_width, f64::INFINITY, settled)
}

pub(super) fn landscape<'a>(parts: &'a [SubsampledGaussian], laws: &'a [(Law, u64)], direction: Direction, log_tail: f64) -> Landscape<'a> {
    let log_tail = log_tail - parts.iter().map(|p| p.count as f64).sum::<f64>().ln();
    let highest_x = parts.iter().map(|p| Step::new(p.q, p.sigma, direction, log_tail).highest_x()).collect();
    Landscape { parts, laws, direction, highest_x }
}

/// Reads a lower and an upper bound at a spacing; it may correct the tilt.
pub(super) type Reader<'a> = dyn Fn(&mut Run<'_>, f64) -> Result<(f64, f64), Error> + 'a;

/// One direction of one composition, and where on the loss axis to look.
pub(super) struct Run<'a> {
    pub(super) landscape: Landscape<'a>,
    pub(super) saddle: Saddle,
    /// Transforms of one size are planned once and used by both directions and both bounds.
    pub(super) planner: &'a RefCell<RealFftPlanner<f64>>,
}

impl Run<'_> {
    fn steps(&self) -> f64 {
        let sampled: f64 = self.landscape.parts.iter().map(|p| p.count as f64).sum();
        sampled + self.landscape.laws.iter().map(|l| l.1 as f64).sum::<f64>()
    }

    pub(super) fn above(&self, h: f64, log_tail: f64, log_delta: f64) -> Result<Composed, Error> {
        let tables = |step: &Step, h: f64| Some(step.table_above(h));
        self.compose(tables, Law::table_above, h, log_tail, log_delta)?
            .ok_or(Error::GridTooLarge { points: f64::INFINITY, limit: MAX_POINTS })
    }

    /// `None` where the spacing is too coarse to place a single atom.
    pub(super) fn below(&self, h: f64, log_tail: f64, log_delta: f64) -> Result<Option<Composed>, Error> {
        self.compose(Step::table_below, Law::table_below, h, log_tail, log_delta)
    }

    /// The distribution of these tables at spacing `h`; `log_tail` bounds the mass that all steps cut, and `log_delta` is the scale
    /// below which mass outside the window is negligible.
    fn compose(
        &self,
        of_step: impl Fn(&Step, f64) -> Option<Table>,
        of_law: impl Fn(&Law, f64) -> Table,
        h: f64,
        log_tail: f64,
        log_delta: f64,
    ) -> Result<Option<Composed>, Error> {
        // A lattice alone is exact on its own points; among other mechanisms a lattice finer than the grid is just spread.
        let alone = self.landscape.parts.is_empty() && self.landscape.laws.len() == 1;
        let h = self.landscape.laws.first().map(|(law, _)| law.snap(h)).filter(|&snapped| alone || snapped > 0.4 * h).unwrap_or(h);
        let log_tail = log_tail - self.steps().ln();
        let steps: Vec<Step> = self.landscape.parts.iter().map(|p| Step::new(p.q, p.sigma, self.landscape.direction, log_tail)).collect();
        let laws = self.landscape.laws;
        let widest = steps.iter().map(Step::span).chain(laws.iter().map(|(law, _)| law.span())).fold(0.0, f64::max) / h;
        if widest > MAX_POINTS as f64 || widest.is_nan() {
            return Err(Error::GridTooLarge { points: widest, limit: MAX_POINTS });
        }
        // A tilt of more than e per grid point would magnify the grid's own error.
        let limited;
        let saddle = if self.saddle.lambda * h <= 1.0 {
            &self.saddle
        } else {
            limited = self.landscape.at(1.0 / h);
            &limited
        };
        // A tilt that does not reach down to delta has to be made up for by a wider window.
        let log_outside = compose::LOG_OUTSIDE - (saddle.log_delta - log_delta).clamp(0.0, 600.0);
        let tables: Option<Vec<Table>> =
            steps.iter().map(|step| of_step(step, h)).chain(laws.iter().map(|(law, _)| Some(of_law(law, h)))).collect();
        let Some(tables) = tables else { return Ok(None) };
        let parts: Vec<Part> = tables
            .into_iter()
            .zip(self.landscape.parts.iter().map(|p| p.count).chain(laws.iter().map(|l| l.1)))
            .zip(&saddle.log_moments)
            .map(|((table, count), &log_moment)| Part { table, count, log_moment })
            .collect();
        compose(parts, h, saddle.lambda, log_outside, &mut self.planner.borrow_mut()).map(Some).map_err(|trouble| match trouble {
            Trouble::TooManyPoints(points) => Error::GridTooLarge { points, limit: MAX_POINTS },
            Trouble::Overflow => Error::Unrepresentable { quantity: "the privacy loss" },
        })
    }

    /// The spacing at which the second-order error of the grid is about `width`: it adds h^2/6 to the variance of
    /// each step from above, and takes about as much from below.
    pub(super) fn spacing(&self, width: f64) -> f64 {
        (4.0 * width / (self.steps() * (self.saddle.lambda + 1.0))).sqrt()
    }

    /// The same, as far as a first try goes.
    pub(super) fn first_spacing(&self, width: f64) -> f64 {
        self.spacing_in(width, FIRST_PIECES)
    }

    /// The same, with at most so many pieces of a step.
    pub(super) fn spacing_in(&self, width: f64, most_pieces: f64) -> f64 {
        let h = self.spacing(width);
        // Neither so coarse that the shape is lost, nor beyond what can be held: a finer grid must earn its cost.
        let deviation = self.saddle.variance.sqrt();
        let step = |part: &SubsampledGaussian| Step::new(part.q, part.sigma, self.landscape.direction, -40.0).span();
        let laws = self.landscape.laws.iter().map(|(law, _)| law.span());
        let span = self.landscape.parts.iter().map(step).chain(laws).fold(0.0, f64::max);
        h.min(deviation / 4.0).max(16.0 * deviation / MAX_POINTS as f64).max(span / most_pieces)
    }

    /// Reads an interval at finer and finer spacings until it is as narrow as `goal` of its upper end, or cannot reach
    /// above `settled`, or no finer grid fits. Starts at the spacing for an epsilon `first_width` wide, and no coarser
    /// than `coarsest` where that is cheap.
    pub(super) fn refine(
        &mut self,
        read: &Reader<'_>,
        goal: impl Fn(f64) -> f64,
        first_width: f64,
        coarsest: f64,
        settled: f64,
    ) -> Result<(f64, f64), Error> {
        let mut h = self.first_spacing(first_width);
        if 16.0 * self.saddle.variance.sqrt() / coarsest < CHEAP_POINTS {
            h = h.min(coarsest);
        }
        if settled > 0.0 {
            // The other direction is done: a quarter of the work usually shows that this one is the smaller.
            h *= 4.0;
        }
        let mut best: Option<(f64, f64)> = None;
        let mut coarsened = false;
        let mut useless = 0;
        let mut finest = f64::INFINITY;
        let mut failure = Error::GridTooLarge { points: f64::INFINITY, limit: MAX_POINTS };
        for _ in 0..12 {
            match read(self, h) {
                Ok((lower, upper)) => {
                    let found = best.map_or((lower, upper), |b| (b.0.max(lower), b.1.min(upper)));
                    let (width, goal) = (found.1 - found.0, goal(found.1));
                    // Where round-off or the tails set the width, finer grids are wasted.
                    let gained = best.is_none_or(|b| b.0 <= 0.0 || width <= 0.9 * (b.1 - b.0));
                    // Once may be how the grid fell.
                    useless = if gained { 0 } else { useless + 1 };
                    let stuck = useless > 1;
                    best = Some(found);
                    finest = finest.min(h);
                    if stuck || width <= goal || found.1 <= settled || coarsened {
                        return Ok(found);
                    }
                    h *= (0.8 * (goal / width).sqrt()).clamp(0.05, 0.7);
                }
                Err(Error::GridTooLarge { points, limit }) => {
                    if let Error::RoundOff { .. } = failure {
                        return Err(failure);
                    }
                    // Once more at the finest spacing that fits.
                    h *= (1.1 * points / limit as f64).max(if best.is_some() { 1.1 } else { 1.5 });
                    if let Some(best) = best
                        && h > 0.7 * finest
                    {
                        return Ok(best);
                    }
                    coarsened = true;
                }
                // On a coarse grid the charges can exceed delta by themselves.
                Err(error @ Error::RoundOff { .. }) => {
                    h *= 0.2;
                    failure = error;
                }
                Err(other) => return best.ok_or(other),
            }
        }
        best.ok_or(failure)
    }
}
