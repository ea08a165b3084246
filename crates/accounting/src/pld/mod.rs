//! Privacy-loss distributions: the tightest accountant here, and the default. Every answer is a certified interval.
//!
//! The privacy loss of a run is a sum of independent losses of its steps. Each step's loss distribution is put on an
//! even grid twice, once dominating the true one and once dominated by it; both are composed, and epsilon is read off
//! both: the exact value lies between. Cut tails, wrapped mass and floating-point round-off are bounded and charged to
//! the side that keeps this true. The grid is refined until the interval is narrow.
//!
//! - Grid from above: Doroshenko, Ghazi, Kamath, Kumar & Manurangsi 2022 (arXiv:2207.04380), connect the dots.
//! - Rare, large losses beside many tiny ones: told apart by their number, see `rare`.
//! - Both directions, adding and removing a record, are composed separately and the larger result is reported:
//!   Zhu, Dong & Wang 2022 (arXiv:2106.08567).
//! - Valid only for parameters fixed in advance. Where a parameter depends on an earlier output, use a
//!   [filter](crate::filter).
//!
//! ```
//! use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, pld};
//! let run = Event::dp_sgd(NoiseMultiplier::new(1.1)?, SamplingRate::new(256.0 / 60_000.0)?, 14_062);
//! let epsilon = pld::epsilon(&run, Delta::new(1e-5)?)?;
//! assert_eq!(format!("{epsilon:.3}"), "[2.382, 2.382]");
//! # Ok::<(), reticent_accounting::Error>(())
//! ```

pub(crate) mod compose;
mod contour;
pub(crate) mod curve;
mod decay;
mod grid;
mod law;
mod line;
mod rare;
mod saddle;
pub(crate) mod table;

use std::cell::RefCell;

use realfft::RealFftPlanner;

use compose::MAX_POINTS;
use contour::Contour;
use grid::{Run, by_grid, landscape};
use law::Law;
use line::Line;
use saddle::Landscape;
use table::Direction;

use crate::event::SubsampledGaussian;
use crate::inexact::Inexact;
use crate::{Delta, DeltaInterval, Epsilon, Error, Event, Interval};

const NAME: &str = "the privacy-loss-distribution accountant";

/// The smallest delta taken: below it the tails of a step underflow.
const SMALLEST_DELTA: f64 = 1e-100;

/// The interval aimed at is this part of epsilon wide (`LAW_WIDTH` with mechanisms that have atoms, which cost little), or `ABSOLUTE_WIDTH` if that is more.
const RELATIVE_WIDTH: f64 = 4e-4;
const LAW_WIDTH: f64 = 1e-6;
const ABSOLUTE_WIDTH: f64 = 1e-6;

/// Mixtures of Gaussians have no contour: their grid is all there is, and is made this much finer.
const LINES_NARROWER: f64 = 24.0;

/// Intervals wider than this part of epsilon are not meant to be reported.
const WIDEST: f64 = 1e-3;

/// An interval wider than this part of epsilon (and than 1e-3) is refused rather than reported.
const USELESS_WIDTH: f64 = 0.25;

/// The smallest epsilon that holds at `delta`, between certified bounds.
///
/// The interval is typically below 5e-5 of epsilon wide. Errors name what stands in the way: an event without a proof, a
/// delta below 1e-100, round-off that swamps delta, or a grid that does not fit in memory.
pub fn epsilon(event: &Event, delta: Delta) -> Result<Interval, Error> {
    epsilon_within(event, delta, RELATIVE_WIDTH)
}

/// [`epsilon`] with a chosen relative width, for searches that need no more.
pub(crate) fn epsilon_within(event: &Event, delta: Delta, relative_width: f64) -> Result<Interval, Error> {
    let stated = |delta: Delta| epsilon_as_stated(event, delta, relative_width);
    let exact = stated(delta)?;
    // The exact law is among those that the event allows, so that the lower end is that of exact draws.
    let upper = event
        .parts(NAME)?
        .inexact
        .epsilon_from(delta, NAME, |at| if at == delta { Ok(exact.upper.get()) } else { Ok(stated(at)?.upper.get()) })?;
    Ok(Interval { lower: exact.lower, upper: Epsilon::new(upper)? })
}

/// The same for draws exactly of the stated laws.
fn epsilon_as_stated(event: &Event, delta: Delta, relative_width: f64) -> Result<Interval, Error> {
    let (parts, laws) = merged(event, delta.get().max(SMALLEST_DELTA).ln() - 20.0)?;
    if parts.is_empty() && laws.is_empty() {
        return Ok(Interval { lower: Epsilon::ZERO, upper: Epsilon::ZERO });
    }
    let delta = delta.get();
    if delta < SMALLEST_DELTA {
        return Err(Error::DeltaTooSmall { accountant: NAME, delta, smallest: SMALLEST_DELTA });
    }
    if laws.is_empty()
        && let Some(found) = exact_epsilon(&parts, delta)
    {
        return interval(found);
    }
    if let Some(line) = single_line(&parts, &laws)
        && let (Some(one), Some(other)) = (line.epsilon(delta), line.turned().epsilon(delta))
    {
        return interval((one.0.max(other.0), one.1.max(other.1)));
    }
    // A record that is in no batch changes nothing, so that its chance to be in one bounds the total variation, which is delta at 0.
    if laws.is_empty() && parts.iter().map(|p| p.count as f64 * p.q).sum::<f64>() <= delta * (1.0 - 1e-12) {
        return interval((0.0, 0.0));
    }
    let planner = RefCell::new(RealFftPlanner::new());
    let mut best = (0.0, 0.0);
    for direction in directions(&parts, &laws) {
        let laws = seen(&laws, *direction);
        let uncut = Landscape { parts: &parts, laws: &laws, direction: *direction, highest_x: vec![f64::INFINITY; parts.len()] };
        // Adding a record mostly costs far less than removing it, and a grid would only say so more slowly.
        if laws.is_empty() && *direction == Direction::Add && best.0 > 0.0 && uncut.proves(best.0, delta.ln()) {
            continue;
        }
        if laws.is_empty()
            && let Some(found) = by_contour(&uncut, delta)
            && found.1 - found.0 <= (0.5 * WIDEST * found.1).max(ABSOLUTE_WIDTH)
        {
            best = (f64::max(best.0, found.0), f64::max(best.1, found.1));
            continue;
        }
        let width = match laws.as_slice() {
            [] => relative_width,
            laws if laws.iter().all(|(law, _)| law.is_line()) => relative_width / LINES_NARROWER,
            _ => LAW_WIDTH,
        };
        let narrow = |(lower, upper): &(f64, f64)| upper - lower <= (WIDEST * upper).max(ABSOLUTE_WIDTH);
        let rarely_large = |likely: bool| {
            let ([part], [], Direction::Remove) = (parts.as_slice(), laws.as_slice(), *direction) else { return None };
            // Roughly: what is found is checked to be below.
            let cut = landscape(&parts, &laws, *direction, delta.ln() - 13.0);
            let highest = cut.chernoff(&cut.for_delta(delta), delta.ln()) * 1.05;
            if !highest.is_finite() {
                return None;
            }
            let goal = |upper: f64| (relative_width.max(0.8 * WIDEST) * upper).max(ABSOLUTE_WIDTH);
            (rare::is_likely(part, delta, highest) == likely).then(|| rare::epsilon(part, delta, highest, goal, &planner))?.filter(narrow)
        };
        let found = match rarely_large(true) {
            Some(found) => Ok(found),
            None => {
                let found = by_grid(&parts, &laws, *direction, delta, width, best.0, &planner);
                if found.as_ref().is_ok_and(narrow) { found } else { rarely_large(false).map_or(found, Ok) }
            }
        };
        let found = found?;
        debug_assert!(found.0 <= found.1 * (1.0 + 1e-9) + 1e-12, "{event}: {found:?}");
        best = (f64::max(best.0, found.0), f64::max(best.1, found.1));
    }
    let (lower, upper) = best;
    if upper - lower > (USELESS_WIDTH * upper).max(1e-3) {
        let points = MAX_POINTS as f64 * ((upper - lower) / (USELESS_WIDTH * upper)).sqrt();
        return Err(Error::GridTooLarge { points, limit: MAX_POINTS });
    }
    Ok(Interval { lower: Epsilon::new(lower.min(upper))?, upper: Epsilon::new(upper)? })
}

fn interval((lower, upper): (f64, f64)) -> Result<Interval, Error> {
    Ok(Interval { lower: Epsilon::new(lower.min(upper))?, upper: Epsilon::new(upper)? })
}

/// One step alone, in closed form: with mixture P and base Q = N(0, sigma^2) the hockey-stick divergence of removing is
/// delta(epsilon) = q delta_G(ln(1 + (e^epsilon - 1)/q)), delta_G that of the Gaussian (Balle, Barthe & Gaboardi 2018).
/// Adding is (1 - (1-q) e^epsilon) delta_G(-ln(1 - (1 - e^-epsilon)/q)): its factor is at most q and, as
/// (e^epsilon - 1) - (1 - e^-epsilon) = (e^epsilon - 1)(1 - e^-epsilon), its argument at least the other's: never the worse.
fn exact_epsilon(parts: &[SubsampledGaussian], delta: f64) -> Option<(f64, f64)> {
    let [SubsampledGaussian { q, sigma, count: 1 }] = *parts else { return None };
    let mu = 1.0 / sigma;
    // The difference of Mills ratios loses 1/mu units.
    let slack = 1e-9 + 1e-14 * sigma;
    let at = |delta: f64| {
        let delta = delta / q;
        if delta >= 1.0 {
            return Some(0.0);
        }
        let inner = crate::gaussian::epsilon_of_mu(mu, Delta::new(delta).ok()?).ok()?;
        // ln(1 + q (e^inner - 1))
        Some(if inner < 700.0 { (q * inner.exp_m1()).ln_1p() } else { inner + q.ln() })
    };
    Some((at(delta * (1.0 + slack))? * (1.0 - 4e-12), at(delta * (1.0 - slack))? * (1.0 + 4e-12)))
}

/// Bounds on epsilon in one direction where a short contour gives them.
fn by_contour(landscape: &Landscape<'_>, delta: f64) -> Option<(f64, f64)> {
    let saddle = landscape.for_delta(delta);
    let highest = landscape.chernoff(&saddle, delta.ln());
    if !(highest > 0.0 && highest.is_finite()) {
        return None;
    }
    Contour::new(landscape, &saddle, highest, delta.ln())?.epsilon(delta, highest)
}

/// The smallest delta that holds at `epsilon`, between certified bounds.
///
/// ```
/// use reticent_accounting::{Epsilon, Event, NoiseMultiplier, SamplingRate, pld};
/// let run = Event::dp_sgd(NoiseMultiplier::new(1.1)?, SamplingRate::new(256.0 / 60_000.0)?, 14_062);
/// assert_eq!(format!("{:.1e}", pld::delta(&run, Epsilon::new(2.0)?)?.upper), "1.2e-4");
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// The bounds are typically within 0.1% of each other; below about 1e-100 the lower one becomes 0.
pub fn delta(event: &Event, epsilon: Epsilon) -> Result<DeltaInterval, Error> {
    let inexact = event.parts(NAME)?.inexact;
    let mut lower = 0.0;
    let upper = inexact.delta_from(epsilon.get(), |before| {
        let stated = delta_as_stated(event, epsilon)?;
        lower = stated.lower;
        if before == epsilon.get() { Ok(stated.upper) } else { Ok(delta_as_stated(event, Epsilon::new(before)?)?.upper) }
    })?;
    Ok(DeltaInterval { lower, upper })
}

/// The same for draws exactly of the stated laws.
fn delta_as_stated(event: &Event, epsilon: Epsilon) -> Result<DeltaInterval, Error> {
    let (parts, laws) = merged(event, SMALLEST_DELTA.ln() - 70.0)?;
    let epsilon = epsilon.get();
    let planner = RefCell::new(RealFftPlanner::new());
    let mut best = (0.0, 0.0);
    if parts.is_empty() && laws.is_empty() {
        return Ok(DeltaInterval { lower: 0.0, upper: 0.0 });
    }
    if let Some(line) = single_line(&parts, &laws) {
        let (one, other) = (line.hockey_stick(epsilon), line.turned().hockey_stick(epsilon));
        return Ok(DeltaInterval { lower: one.0.max(other.0), upper: one.1.max(other.1) });
    }
    for direction in directions(&parts, &laws) {
        let laws = seen(&laws, *direction);
        let uncut = Landscape { parts: &parts, laws: &laws, direction: *direction, highest_x: vec![f64::INFINITY; parts.len()] };
        if laws.is_empty() && *direction == Direction::Add && uncut.proves(epsilon, f64::ln(best.0)) {
            continue;
        }
        let saddle = uncut.for_epsilon(epsilon);
        if laws.is_empty()
            && let Some((lower, upper)) = Contour::new(&uncut, &saddle, epsilon, saddle.log_delta).map(|c| c.delta(epsilon))
            && upper - lower <= 1e-3 * lower
        {
            best = (f64::max(best.0, lower), f64::max(best.1, upper));
            continue;
        }
        let landscape = landscape(&parts, &laws, *direction, SMALLEST_DELTA.ln());
        let saddle = landscape.for_epsilon(epsilon);
        let narrow = |found: &(f64, f64)| found.1 - found.0 <= 1e-3 * found.0;
        let rarely_large = |about: f64, likely: bool| match (parts.as_slice(), laws.as_slice(), *direction) {
            ([part], [], Direction::Remove) if about >= SMALLEST_DELTA && (!likely || rare::is_likely(part, about, epsilon)) => {
                rare::delta(part, epsilon, about, 1e-3, &planner)
            }
            _ => None,
        };
        let about = saddle.log_delta.min(0.0).exp();
        let mut rare = rarely_large(about, true);
        if let Some(found) = rare.filter(narrow) {
            best = (f64::max(best.0, found.0), f64::max(best.1, found.1));
            continue;
        }
        let log_tail = saddle.log_delta.clamp(SMALLEST_DELTA.ln(), 0.0) - 36.0;
        let mut run = Run { landscape, saddle, planner: &planner };
        let read = |run: &mut Run<'_>, h: f64| -> Result<(f64, f64), Error> {
            let upper = curve::delta_upper(&run.above(h, log_tail, run.saddle.log_delta)?, epsilon);
            Ok((run.below(h, log_tail, run.saddle.log_delta)?.map_or(0.0, |b| curve::delta_lower(&b, epsilon)), upper))
        };
        let goal = |upper: f64| 1e-3 * upper + SMALLEST_DELTA;
        // ln delta falls by about lambda for each unit of epsilon.
        let first_width = 1e-3 / (run.saddle.lambda + 1.0);
        let mut found = run.refine(&read, goal, first_width, f64::INFINITY, best.0);
        if rare.is_none() && !found.as_ref().is_ok_and(narrow) {
            rare = rarely_large(found.as_ref().map_or(about, |grid| grid.1), false);
        }
        // Both hold.
        if let Some(other) = rare {
            found = Ok(found.map_or(other, |grid| (grid.0.max(other.0), grid.1.min(other.1))));
        }
        let found = found?;
        best = (f64::max(best.0, found.0), f64::max(best.1, found.1));
    }
    Ok(DeltaInterval { lower: best.0.min(best.1), upper: best.1 })
}

/// The largest true-positive rate any attacker can reach at each false-positive rate in `fpr`, as an upper bound.
///
/// The attacker sees everything the event released and decides whether one record was used. By the Neyman-Pearson
/// lemma the best rate is the smallest e^epsilon fpr + delta(epsilon) over all real epsilon; negative epsilon is the
/// mirror image, 1 - e^-epsilon (1 - fpr - delta(epsilon)). The larger of both directions is reported, so it does not
/// matter which of the two datasets the attacker calls positive.
///
/// ```
/// use reticent_accounting::{Event, NoiseMultiplier, SamplingRate, pld};
/// let run = Event::dp_sgd(NoiseMultiplier::new(1.1)?, SamplingRate::new(256.0 / 60_000.0)?, 14_062);
/// let rates = pld::trade_off(&run, &[0.01, 0.1])?;
/// assert_eq!(format!("{:.3} {:.2}", rates[0], rates[1]), "0.040 0.24");
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// [`Error::OutOfRange`] where a rate is not in [0, 1].
pub fn trade_off(event: &Event, fpr: &[f64]) -> Result<Vec<f64>, Error> {
    if let Some(&value) = fpr.iter().find(|f| !(0.0..=1.0).contains(*f)) {
        return Err(Error::OutOfRange { quantity: "a false-positive rate", value, range: "at least 0 and at most 1" });
    }
    let inexact = event.parts(NAME)?.inexact;
    if inexact == Inexact::default() {
        return trade_off_as_stated(event, fpr);
    }
    // Whom a test calls positive by what was drawn with a rate f, it does by the stated laws with at most e^gamma (f + eta).
    let factor = inexact.log_ratio.exp();
    let stated: Vec<f64> = fpr.iter().map(|f| (factor * (f + inexact.total_variation)).min(1.0)).collect();
    let rates = trade_off_as_stated(event, &stated)?;
    Ok(rates.iter().map(|rate| (factor * rate + inexact.total_variation).min(1.0)).collect())
}

/// The same for draws exactly of the stated laws.
fn trade_off_as_stated(event: &Event, fpr: &[f64]) -> Result<Vec<f64>, Error> {
    let (parts, laws) = merged(event, SMALLEST_DELTA.ln() - 70.0)?;
    let mut rates = fpr.to_vec();
    if parts.is_empty() && laws.is_empty() {
        return Ok(rates);
    }
    let planner = RefCell::new(RealFftPlanner::new());
    let (mut grids, mut coarse) = (Vec::new(), false);
    // What is cut does not matter beside the smallest rate above 0, or e^-40.
    let smallest = fpr.iter().copied().filter(|&f| f > 0.0).fold(f64::INFINITY, f64::min).min(1.0);
    let log_tail = (smallest.ln() - 10.0).clamp(-40.0, -20.0);
    for direction in [Direction::Remove, Direction::Add] {
        let laws = seen(&laws, direction);
        let landscape = landscape(&parts, &laws, direction, log_tail);
        let mut run = Run { saddle: landscape.at(0.0), landscape, planner: &planner };
        let width = 1e-5 * run.saddle.variance.sqrt();
        let mut h = match direction {
            Direction::Remove => run.first_spacing(width),
            // There is nothing else for rare, large gains of privacy.
            Direction::Add => run.spacing_in(width, 1e6),
        };
        // Its error is ten times what was meant.
        coarse |= h > 3.2 * run.spacing(width);
        let mut above = run.above(h, log_tail, -20.0);
        while matches!(above, Err(Error::GridTooLarge { points, .. }) if points < 1e9) {
            h *= 2.0;
            above = run.above(h, log_tail, -20.0);
        }
        let mut found = above.map(|above| fpr.iter().map(|&f| curve::true_positives(&above, f)).collect::<Vec<f64>>());
        // Without a tilt small rates would drown in round-off.
        if smallest < 1e-3
            && let Ok(found) = &mut found
        {
            run.saddle = run.landscape.for_delta(smallest);
            if let Ok(tilted) = run.above(h, log_tail, smallest.ln()) {
                for (found, &f) in found.iter_mut().zip(fpr) {
                    *found = found.min(curve::true_positives(&tilted, f));
                }
            }
        }
        grids.push(found);
    }
    let rare = match (parts.as_slice(), laws.as_slice()) {
        ([part], []) if part.q < 1.0 && part.count > 1 && (coarse || grids.iter().any(Result::is_err)) => {
            rare::true_positives(part, fpr, &planner)
        }
        _ => None,
    };
    for (i, grid) in grids.into_iter().enumerate() {
        let found = match &rare {
            // Both hold.
            Some(rare) => rare.iter().zip(grid.unwrap_or(vec![1.0; fpr.len()])).map(|(rare, grid)| grid.min(rare[i])).collect(),
            None => grid?,
        };
        for (rate, found) in rates.iter_mut().zip(found) {
            *rate = rate.max(found);
        }
    }
    Ok(rates)
}

/// Laws, and how often each is applied.
type CountedLaws = Vec<(Law, u64)>;

/// The parts, with all unsampled Gaussians merged into the one they compose to, exactly.
/// What laws cut has mass e^`log_tail` at most in all.
fn merged(event: &Event, log_tail: f64) -> Result<(Vec<SubsampledGaussian>, CountedLaws), Error> {
    let event = event.parts(NAME)?;
    let times: f64 = event.others.iter().map(|(_, count)| *count as f64).sum();
    let log_tail = log_tail - times.ln();
    let laws = event.others.iter().map(|(other, count)| Ok((Law::of(other, log_tail)?, *count))).collect::<Result<_, Error>>()?;
    let (gaussians, mut parts): (Vec<_>, Vec<_>) = event.gaussians.into_iter().partition(|part| part.q == 1.0);
    let squared: f64 = gaussians.iter().map(|g| g.count as f64 / (g.sigma * g.sigma)).sum();
    if squared > 0.0 {
        parts.push(SubsampledGaussian { q: 1.0, sigma: 1.0 / squared.sqrt(), count: 1 });
    }
    // With sampling, 25/sigma points are integrated over.
    let small = |p: &SubsampledGaussian| p.sigma < if p.q < 1.0 { 1e-3 } else { 1e-6 } || !squared.is_finite();
    if parts.iter().any(small) {
        return Err(Error::Unrepresentable { quantity: "the privacy loss" });
    }
    Ok((parts, laws))
}

/// The mixtures of Gaussians that are all there is, and once: then delta has a closed form.
fn single_line<'a>(parts: &[SubsampledGaussian], laws: &'a [(Law, u64)]) -> Option<&'a Line> {
    match (parts, laws) {
        ([], [(Law::Line(line), 1)]) => Some(line),
        _ => None,
    }
}

/// An unsampled Gaussian's loss has the same law in both directions.
fn directions(parts: &[SubsampledGaussian], laws: &[(Law, u64)]) -> &'static [Direction] {
    if parts.iter().all(|p| p.q == 1.0) && !laws.iter().any(|(law, _)| law.is_line()) {
        &[Direction::Remove]
    } else {
        &[Direction::Remove, Direction::Add]
    }
}

/// The laws as seen from one direction.
fn seen(laws: &[(Law, u64)], direction: Direction) -> CountedLaws {
    let turn = |law: &Law| if direction == Direction::Add { law.turned() } else { law.clone() };
    laws.iter().map(|(law, count)| (turn(law), *count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoiseMultiplier, SamplingRate};

    /// The contour and the grid share nothing but the definition of a step: their intervals must meet.
    #[test]
    fn contour_and_grid_agree() {
        let planner = RefCell::new(RealFftPlanner::new());
        let mut compared = 0;
        for sigma in [0.5, 0.8, 1.3, 4.0] {
            for q in [1e-3, 0.02, 0.3, 0.9] {
                for count in [30, 700, 20_000] {
                    for delta in [1e-2, 1e-5, 1e-9] {
                        for direction in [Direction::Remove, Direction::Add] {
                            let parts = [SubsampledGaussian { q, sigma, count }];
                            let uncut = Landscape { parts: &parts, laws: &[], direction, highest_x: vec![f64::INFINITY] };
                            let Some(contour) = by_contour(&uncut, delta) else { continue };
                            let Ok(grid) = by_grid(&parts, &[], direction, delta, 1e-3, 0.0, &planner) else { continue };
                            compared += 1;
                            let what = format!("q {q} sigma {sigma} {count} {delta:e} {direction:?}: {contour:?} {grid:?}");
                            assert!(contour.0 <= contour.1 && contour.0 <= grid.1 && grid.0 <= contour.1, "{what}");
                            assert!(contour.1 - contour.0 <= WIDEST * contour.1 + ABSOLUTE_WIDTH, "{what}");
                        }
                    }
                }
            }
        }
        assert!(compared > 200, "{compared}");
    }

    /// Adding is left out only where its epsilon is less than what is known of removing.
    #[test]
    fn adding_is_left_out_only_below() {
        let planner = RefCell::new(RealFftPlanner::new());
        let mut left_out = 0;
        for (q, sigma, count, delta) in
            [(1e-3, 0.5, 100, 1e-6), (0.01, 0.6, 30, 1e-5), (0.02, 1.0, 50, 1e-9), (0.5, 2.0, 40, 1e-5), (0.9, 1.0, 3, 1e-4)]
        {
            let parts = [SubsampledGaussian { q, sigma, count }];
            let of = |direction| by_grid(&parts, &[], direction, delta, 1e-4, 0.0, &planner).unwrap();
            let (removed, added) = (of(Direction::Remove), of(Direction::Add));
            let landscape = Landscape { parts: &parts, laws: &[], direction: Direction::Add, highest_x: vec![f64::INFINITY] };
            assert!(!landscape.proves(added.0, delta.ln()), "{parts:?} {delta:e}: {added:?}");
            assert!(landscape.proves(2.0 * added.1, delta.ln()), "{parts:?} {delta:e}: {added:?}");
            left_out += usize::from(landscape.proves(removed.0, delta.ln()));
        }
        assert!(left_out > 1, "{left_out}");
    }

    /// No sampled Gaussian is known here whose adding costs more, so that no epsilon shows whether it is asked for; it is not proved either.
    #[test]
    fn both_directions_are_asked_for() {
        let part = |q| [SubsampledGaussian { q, sigma: 1.0, count: 2 }];
        assert_eq!(directions(&part(0.5), &[]), [Direction::Remove, Direction::Add]);
        assert_eq!(directions(&part(1.0), &[]), [Direction::Remove]);
    }

    /// One step in closed form and on the grid.
    #[test]
    fn one_step_agrees_with_the_grid() {
        let planner = RefCell::new(RealFftPlanner::new());
        for (q, sigma, delta) in [(0.01, 1.0, 1e-5), (0.3, 0.7, 1e-3), (0.5, 3.0, 1e-8), (0.9, 2.0, 0.05)] {
            let parts = [SubsampledGaussian { q, sigma, count: 1 }];
            let exact = exact_epsilon(&parts, delta).unwrap();
            let grid = by_grid(&parts, &[], Direction::Remove, delta, 1e-6, 0.0, &planner).unwrap();
            let what = format!("{parts:?} {delta:e}: {exact:?} {grid:?}");
            assert!(grid.0 <= exact.1 && exact.0 <= grid.1 && exact.0 < exact.1, "{what}");
            assert!(exact.1 - exact.0 < 1e-6 * exact.1 && grid.1 - grid.0 < 1e-4 * grid.1, "{what}");
            // Adding is the smaller.
            assert!(by_grid(&parts, &[], Direction::Add, delta, 1e-4, 0.0, &planner).unwrap().0 <= exact.1, "{what}");
        }
    }

    /// However coarse the grid, both intervals hold the same number: the coarse one must hold the fine one's.
    #[test]
    fn coarse_intervals_hold_fine_ones() {
        for (q, sigma, steps, at) in [(0.01, 4.0, 10_000, 1e-5), (0.005, 0.8, 1_000, 1e-6), (0.9, 2.0, 50, 1e-9)] {
            let run = Event::dp_sgd(NoiseMultiplier::new(sigma).unwrap(), SamplingRate::new(q).unwrap(), steps);
            let at = Delta::new(at).unwrap();
            let fine = epsilon(&run, at).unwrap();
            for width in [1e-3, 1e-2] {
                let coarse = epsilon_within(&run, at, width).unwrap();
                assert!(coarse.upper >= fine.lower && coarse.lower <= fine.upper, "{run}: {coarse} {fine}");
                assert!(coarse.width() <= width * coarse.upper.get() + ABSOLUTE_WIDTH, "{run}: {coarse}");
            }
        }
    }
    /// Adding a record, one step: delta = F(x*) - e^eps [(1-q) F(x*) + q F(x*-1)] with F the law of the noise and
    /// x* = sigma^2 ln((e^-eps - 1 + q)/q) + 1/2. Removing is the larger and would hide an error here in `delta`.
    #[test]
    fn the_smaller_direction_is_exact_too() {
        let below = |x: f64, sigma: f64| crate::normal::upper_tail(-x / sigma);
        for (q, sigma, at) in [(0.05, 0.5, 0.02), (0.3, 1.0, 0.1), (0.3, 1.0, 0.0), (0.9, 2.0, 1.0)] {
            let parts = [SubsampledGaussian { q, sigma, count: 1 }];
            let cut = sigma * sigma * ((f64::exp_m1(-at) + q) / q).ln() + 0.5;
            let exact = below(cut, sigma) - at.exp() * ((1.0 - q) * below(cut, sigma) + q * below(cut - 1.0, sigma));
            let landscape = landscape(&parts, &[], Direction::Add, -60.0);
            let saddle = landscape.for_epsilon(at);
            let run = Run { landscape, saddle, planner: &RefCell::new(RealFftPlanner::new()) };
            let over = run.above(1e-4, -60.0, run.saddle.log_delta).unwrap();
            let under = run.below(1e-4, -60.0, run.saddle.log_delta).unwrap();
            let (low, high) = (curve::delta_lower(&under.unwrap(), at), curve::delta_upper(&over, at));
            assert!(low <= exact && exact <= high, "q {q} sigma {sigma} epsilon {at}: {low} {exact} {high}");
            assert!(high - low < 1e-3 * exact, "q {q} sigma {sigma} epsilon {at}: {low} {exact} {high}");
        }
    }
}
