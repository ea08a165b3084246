//! What meets a target epsilon: the smallest noise multiplier, the most steps, the highest sampling rate.
//!
//! The answer never overshoots: epsilon at the returned multiplier was computed and is at most the target, and epsilon
//! was computed to be above the target at a multiplier less than `tolerance` smaller.
//!
//! ```
//! use reticent_accounting::calibrate::{self, Accountant};
//! use reticent_accounting::{Delta, Epsilon, Event, SamplingRate};
//! let (rate, delta) = (SamplingRate::new(64.0 / 10_000.0)?, Delta::new(1e-5)?);
//! let run = |sigma| Event::dp_sgd(sigma, rate, 1_570);
//! let sigma = calibrate::noise_multiplier(Epsilon::new(1.0)?, delta, 1e-3, Accountant::Pld, run)?;
//! assert_eq!(format!("{:.2}", sigma.get()), "1.20");
//! # Ok::<(), reticent_accounting::Error>(())
//! ```

use serde::{Deserialize, Serialize};

use crate::{Delta, Epsilon, Error, Event, NoiseMultiplier, SamplingRate, pld, rdp};

/// Range of the search; outside it no mechanism is useful.
const SMALLEST: f64 = 1e-3;
const LARGEST: f64 = 1e7;

/// Which accountant's upper bound has to meet the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accountant {
    /// [`pld::epsilon`]'s upper end: the tightest.
    Pld,
    /// [`rdp::epsilon`]: for runs that a [filter](crate::filter) will keep.
    Rdp,
}

impl Accountant {
    /// The accountant's upper bound on epsilon.
    pub fn epsilon(self, event: &Event, delta: Delta) -> Result<Epsilon, Error> {
        match self {
            Self::Pld => Ok(pld::epsilon(event, delta)?.upper),
            Self::Rdp => Ok(rdp::epsilon(event, delta)?.epsilon),
        }
    }
}

/// The smallest noise multiplier, to within `tolerance`, at which `event` costs at most `target` at `delta`.
///
/// [`Error::OutOfRange`] for a tolerance that is not above 0, [`Error::NoNoiseMultiplier`] where no multiplier between
/// 1e-3 and 1e7 separates meeting the target from missing it.
pub fn noise_multiplier(
    target: Epsilon,
    delta: Delta,
    tolerance: f64,
    accountant: Accountant,
    event: impl Fn(NoiseMultiplier) -> Event,
) -> Result<NoiseMultiplier, Error> {
    let bound = |sigma| accountant.epsilon(&event(sigma), delta);
    // A first search with wide intervals is several times faster and leaves the second next to its answer.
    let start = match accountant {
        Accountant::Pld => {
            let rough = |sigma| Ok(pld::epsilon_within(&event(sigma), delta, 1e-3)?.upper);
            search(target, tolerance.max(1e-3), 1.0, rough)?.get()
        }
        Accountant::Rdp => 1.0,
    };
    search(target, tolerance, start, bound)
}

/// The most repetitions for which `event` costs at most `target` at `delta`; for epochs, let it make that many steps of
/// each.
///
/// ```
/// use reticent_accounting::calibrate::{self, Accountant};
/// use reticent_accounting::{Delta, Epsilon, Event, NoiseMultiplier, SamplingRate};
/// let (sigma, rate) = (NoiseMultiplier::new(3.0)?, SamplingRate::new(0.1)?);
/// let run = |steps| Event::dp_sgd(sigma, rate, steps);
/// assert_eq!(calibrate::steps(Epsilon::new(2.0)?, Delta::new(1e-6)?, Accountant::Pld, run)?, 155);
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// Epsilon was computed at the answer and at one more. [`Error::NothingMeets`] where one is too many already or 2^40 are
/// still few enough.
pub fn steps(target: Epsilon, delta: Delta, accountant: Accountant, event: impl Fn(u64) -> Event) -> Result<u64, Error> {
    const MOST: u64 = 1 << 40;
    let meets = |count: u64| meets(accountant.epsilon(&event(count), delta), target);
    let nothing = || Error::NothingMeets { quantity: "number of steps", target, smallest: 1.0, largest: MOST as f64 };
    if !meets(1)? {
        return Err(nothing());
    }
    let (mut enough, mut many) = (1, 2);
    while meets(many)? {
        if many >= MOST {
            return Err(nothing());
        }
        (enough, many) = (many, many * 4);
    }
    while many - enough > 1 {
        let middle = enough + (many - enough) / 2;
        if meets(middle)? { enough = middle } else { many = middle }
    }
    Ok(enough)
}

/// The highest sampling rate, to within a relative `tolerance`, at which `event` costs at most `target` at `delta`.
///
/// ```
/// use reticent_accounting::calibrate::{self, Accountant};
/// use reticent_accounting::{Delta, Epsilon, Event, NoiseMultiplier};
/// let sigma = NoiseMultiplier::new(1.1)?;
/// let run = |rate| Event::dp_sgd(sigma, rate, 14_062);
/// let rate = calibrate::sampling_rate(Epsilon::new(2.3816)?, Delta::new(1e-5)?, 1e-3, Accountant::Pld, run)?;
/// assert_eq!(format!("{:.0} of 60,000", rate.get() * 60_000.0), "256 of 60,000");
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// Epsilon was computed at the answer, and is above the target at a rate less than (1 + tolerance) times as high, unless the
/// answer is 1. [`Error::NothingMeets`] where even a rate of 1e-12 costs too much.
pub fn sampling_rate(
    target: Epsilon,
    delta: Delta,
    tolerance: f64,
    accountant: Accountant,
    event: impl Fn(SamplingRate) -> Event,
) -> Result<SamplingRate, Error> {
    const LEAST: f64 = 1e-12;
    if !(tolerance > 0.0 && tolerance.is_finite()) {
        return Err(Error::OutOfRange { quantity: "the tolerance", value: tolerance, range: "above 0 and finite" });
    }
    let meets = |rate: f64| meets(accountant.epsilon(&event(SamplingRate::new(rate)?), delta), target);
    if meets(1.0)? {
        return SamplingRate::new(1.0);
    }
    let (mut low, mut high) = (1.0, 1.0);
    while !meets(low)? {
        (low, high) = (low * 0.1, low);
        if low < LEAST {
            return Err(Error::NothingMeets { quantity: "sampling rate", target, smallest: LEAST, largest: 1.0 });
        }
    }
    while high > low * (1.0 + 0.9 * tolerance) {
        let middle = (low * high).sqrt();
        if middle <= low || middle >= high {
            break; // the tolerance is below the spacing of floating-point numbers
        }
        if meets(middle)? { low = middle } else { high = middle }
    }
    SamplingRate::new(low)
}

/// Whether a bound meets the target: one too large for a number, for the grid, or for what draws add to delta, does not.
fn meets(bound: Result<Epsilon, Error>, target: Epsilon) -> Result<bool, Error> {
    match bound {
        Ok(epsilon) => Ok(epsilon <= target),
        Err(Error::Unrepresentable { .. } | Error::GridTooLarge { .. } | Error::InexactDraws { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// [`noise_multiplier`] with a bound of the caller's, which must not rise with the noise multiplier.
pub fn noise_multiplier_by(
    target: Epsilon,
    tolerance: f64,
    bound: impl FnMut(NoiseMultiplier) -> Result<Epsilon, Error>,
) -> Result<NoiseMultiplier, Error> {
    search(target, tolerance, 1.0, bound)
}

/// An end of the bracket: a multiplier and the epsilon there, or why there is none.
type End = (f64, Result<f64, Error>);

fn search(
    target: Epsilon,
    tolerance: f64,
    start: f64,
    mut bound: impl FnMut(NoiseMultiplier) -> Result<Epsilon, Error>,
) -> Result<NoiseMultiplier, Error> {
    if !(tolerance > 0.0 && tolerance.is_finite()) {
        return Err(Error::OutOfRange { quantity: "the tolerance", value: tolerance, range: "above 0 and finite" });
    }
    let mut evaluate = |sigma: f64| -> Result<End, Error> {
        match bound(NoiseMultiplier::new(sigma)?) {
            Ok(epsilon) => Ok((sigma, Ok(epsilon.get()))),
            // Too little noise for a number counts as missing the target; anything else is the caller's to see.
            Err(error @ (Error::Unrepresentable { .. } | Error::GridTooLarge { .. } | Error::InexactDraws { .. })) => {
                Ok((sigma, Err(error)))
            }
            Err(error) => Err(error),
        }
    };
    let meets = |end: &End| matches!(end.1, Ok(epsilon) if epsilon <= target.get());
    let (mut low, mut high) = bracket(target, start, tolerance, &mut evaluate, meets)?;
    let (mut last_moved_low, mut stalled) = (false, 0);
    while high.0 - low.0 > 0.9 * tolerance {
        let width = high.0 - low.0;
        let mut next = (low.0 * high.0).sqrt();
        if stalled < 2
            && let (Ok(above), Ok(below)) = (&low.1, &high.1)
            && *below > 0.0
            && target.get() > 0.0
        {
            // Epsilon is close to a power of sigma: interpolate the logarithms, then aim to the side of the end that
            // has not moved, so that the bracket closes from both.
            let part = (above.ln() - target.get().ln()) / (above.ln() - below.ln());
            let guess = (low.0.ln() + part * (high.0 / low.0).ln()).exp();
            let nudge = 0.4 * tolerance.min(width);
            next = if last_moved_low { guess + nudge } else { guess - nudge };
            next = next.clamp(low.0 + 0.05 * width, high.0 - 0.05 * width);
        }
        if next <= low.0 || next >= high.0 {
            break; // the tolerance is below the spacing of floating-point numbers
        }
        let found = evaluate(next)?;
        last_moved_low = !meets(&found);
        if last_moved_low {
            low = found;
        } else {
            high = found;
        }
        stalled = if high.0 - low.0 > 0.5 * width { stalled + 1 } else { 0 };
    }
    low.1?;
    NoiseMultiplier::new(high.0)
}

/// Ends on both sides of the target, by steps that double from `start`.
fn bracket(
    target: Epsilon,
    start: f64,
    tolerance: f64,
    evaluate: &mut impl FnMut(f64) -> Result<End, Error>,
    meets: impl Fn(&End) -> bool,
) -> Result<(End, End), Error> {
    let none = || -> Result<Error, Error> {
        let (smallest, largest) = (NoiseMultiplier::new(SMALLEST)?, NoiseMultiplier::new(LARGEST)?);
        Ok(Error::NoNoiseMultiplier { target, smallest, largest })
    };
    // Near a good start the first step is small; without one it is a factor of 1.4.
    let mut factor = if start == 1.0 { 1.4 } else { 1.0 + (2.0 * tolerance / start).clamp(1e-3, 0.4) };
    let mut end = evaluate(start)?;
    let up = !meets(&end);
    loop {
        let next = if up { end.0 * factor } else { end.0 / factor };
        let next = next.clamp(SMALLEST, LARGEST);
        if next == end.0 {
            return Err(none()?);
        }
        let found = evaluate(next)?;
        if meets(&found) == up {
            return Ok(if up { (end, found) } else { (found, end) });
        }
        end = found;
        factor = factor.powi(2).min(16.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(epsilon: f64) -> Epsilon {
        Epsilon::new(epsilon).unwrap()
    }

    #[test]
    fn the_bracket_closes_from_both_sides() {
        for (goal, power) in [(1.0_f64, 1.0), (0.01, 2.0), (50.0, 0.7)] {
            let mut calls = 0;
            let found = noise_multiplier_by(target(goal), 1e-6, |sigma| {
                calls += 1;
                Epsilon::new(sigma.get().powf(-power))
            })
            .unwrap()
            .get();
            let exact = goal.powf(-1.0 / power);
            assert!(found >= exact && found - 1e-6 < exact, "{found} {exact}");
            assert!(calls < 40, "{calls} evaluations");
        }
    }

    #[test]
    fn what_cannot_be_met_is_said() {
        let stuck = noise_multiplier_by(target(1.0), 1e-3, |_| Epsilon::new(2.0)).unwrap_err();
        assert!(matches!(stuck, Error::NoNoiseMultiplier { .. }), "{stuck}");
        let free = noise_multiplier_by(target(1.0), 1e-3, |_| Epsilon::new(0.5)).unwrap_err();
        assert!(matches!(free, Error::NoNoiseMultiplier { .. }), "{free}");
        let tolerance = noise_multiplier_by(target(1.0), 0.0, |_| Epsilon::new(0.5)).unwrap_err();
        assert!(matches!(tolerance, Error::OutOfRange { .. }), "{tolerance}");
    }
}
