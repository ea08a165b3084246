//! Mean and variance, from noisy sums.

use std::num::NonZeroU32;

use rand_core::CryptoRng;

use super::noise::Added;
use super::{Grid, MISS, Noise, Release, Unit};
use crate::{Error, Event};

/// The mean of the values on the grid, with noise. In their unit, within the bounds.
///
/// The sum of (value − middle of the grid) and the number of records, each with half of the budget and noise of its own, divided.
/// Sensitivity of the sum, in spacings and rounded up: (high − low)/2 for one record added or removed. For one replaced the number of
/// records is public, and the sum, of sensitivity high − low, has the whole budget. Where the noisy number is below 1, the middle is given:
/// that of no records, too.
///
/// A quotient of noisy sums is biased where the noise of the number is not small beside it. [`Release::error`] follows from the released
/// sums.
///
/// Source: Blum, Dwork, McSherry and Nissim 2005, *Practical privacy: the SuLQ framework* (statistics from noisy sums); the
/// sensitivities are those above.
///
/// ```
/// use rand_core::SeedableRng;
/// use reticent_accounting::Neighbours;
/// use reticent_accounting::query::{Grid, Noise, Unit, mean};
/// use reticent_accounting::sample::Ratio;
/// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(4); // for this example only
/// let (grid, noise) = (Grid::new(0.0, 100.0, 1.0)?, Noise::Zcdp { rho: Ratio::new(1, 100)? });
/// let release = mean((0..5_000).map(|i| f64::from(i % 41)), &grid, &noise, Unit::record(Neighbours::AddOrRemoveOne), &mut rng)?;
/// assert_eq!(format!("{:.2} ± {:.2}", release.value, release.error), "20.07 ± 0.36"); // 19.99 without noise
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for a budget that draws no noise, and where a unit's records move the sum by 2³² spacings or more.
pub fn mean(
    values: impl IntoIterator<Item = f64>,
    grid: &Grid,
    noise: &Noise,
    unit: Unit,
    rng: &mut impl CryptoRng,
) -> Result<Release<f64>, Error> {
    let parts = 1 + u32::from(!unit.knows_size());
    let plan = Plan::new(&noise.share(parts), grid, unit)?;
    let noisy = plan.noisy(&Sums::of(values, grid), MISS / f64::from(parts), rng);
    let (value, off) = noisy.mean(grid);
    // One product, so that a whole number of spacings is on the grid.
    let value = (grid.middle() as f64 + value) * grid.spacing();
    let mut events = plan.events();
    let event = if events.len() == 1 { events.remove(0) } else { Event::Composed { events } };
    Ok(Release { value, error: off * grid.spacing(), event, unit })
}

/// The variance of the values on the grid (their mean squared distance from their mean, divided by n), with noise. In the square of their
/// unit, from 0 to (high − low)²/4.
///
/// From the sums of z = (value − middle) and z² and the number of records, with a third of the budget each; for a replaced record the
/// number is public, and both sums have half. In spacings, with M = (high − low)/2 rounded up: the first has the sensitivity M for one
/// added or removed and high − low for one replaced, the second M² for both. So high − low may not be above 131070 spacings. Where the
/// noisy number is below 1, 0 is given.
///
/// Biased low by the variance of the noise of the first sum divided by n², besides what a quotient of noisy sums is. Rounding to
/// the grid moves the standard deviation by half a spacing at most.
///
/// Source: as for [`mean`].
///
/// ```
/// use rand_core::SeedableRng;
/// use reticent_accounting::Neighbours;
/// use reticent_accounting::query::{Grid, Noise, Unit, variance};
/// use reticent_accounting::sample::Ratio;
/// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(5); // for this example only
/// let (grid, noise) = (Grid::new(0.0, 100.0, 1.0)?, Noise::Pure { epsilon: Ratio::new(1, 1)? });
/// let release = variance((0..41_000).map(|i| f64::from(i % 41)), &grid, &noise, Unit::record(Neighbours::ReplaceOne), &mut rng)?;
/// assert_eq!(format!("{:.1} ± {:.1}", release.value, release.error), "140.1 ± 1.5"); // 140 without noise
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for a budget that draws no noise, and where a unit's records move a sum by 2³² or more.
pub fn variance(
    values: impl IntoIterator<Item = f64>,
    grid: &Grid,
    noise: &Noise,
    unit: Unit,
    rng: &mut impl CryptoRng,
) -> Result<Release<f64>, Error> {
    let parts = 2 + u32::from(!unit.knows_size());
    let (share, miss) = (noise.share(parts), MISS / f64::from(parts));
    let (plan, squares) = (Plan::new(&share, grid, unit)?, share.on(squares_sensitivity(grid, unit)?)?);
    let sums = Sums::of(values, grid);
    let noisy = plan.noisy(&sums, miss, rng);
    let (value, off) = noisy.variance(&Near::to(sums.squares, Some(&squares), miss, rng), grid);
    let events = plan.events().into_iter().chain([squares.event]).collect();
    let squared = grid.spacing() * grid.spacing();
    Ok(Release { value: value * squared, error: off * squared, event: Event::Composed { events }, unit })
}

/// How far the grid goes below and above its middle: the second is M.
fn from_middle(grid: &Grid) -> (u64, u64) {
    (grid.width() / 2, grid.width().div_ceil(2))
}

/// Of Σz²: a record, come, gone or replaced, moves it by z² from 0 to M².
pub(super) fn squares_sensitivity(grid: &Grid, unit: Unit) -> Result<NonZeroU32, Error> {
    let (_, reach) = from_middle(grid);
    unit.sensitivity(reach * reach, reach * reach)
}

/// Number of records, Σz and Σz², z in spacings from the middle: |z| is below 2³², so that 2⁶³ squares fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sums {
    pub(super) size: i128,
    pub(super) sum: i128,
    pub(super) squares: i128,
}

impl Sums {
    pub(super) fn of(values: impl IntoIterator<Item = f64>, grid: &Grid) -> Self {
        values.into_iter().fold(Self::default(), |sums, value| {
            let z = i128::from(grid.step(value) - grid.middle());
            Self { size: sums.size + 1, sum: sums.sum + z, squares: sums.squares + z * z }
        })
    }
}

/// The noise of Σz and of the number of records; of none where that is public.
pub(super) struct Plan {
    pub(super) sum: Added,
    pub(super) size: Option<Added>,
}

impl Plan {
    pub(super) fn new(share: &Noise, grid: &Grid, unit: Unit) -> Result<Self, Error> {
        let (_, reach) = from_middle(grid);
        let size = if unit.knows_size() { None } else { Some(share.on(unit.sensitivity(1, 1)?)?) };
        Ok(Self { sum: share.on(unit.sensitivity(reach, grid.width())?)?, size })
    }

    fn events(&self) -> Vec<Event> {
        [Some(&self.sum), self.size.as_ref()].into_iter().flatten().map(|part| part.event.clone()).collect()
    }

    fn noisy(&self, sums: &Sums, miss: f64, rng: &mut impl CryptoRng) -> Noisy {
        Noisy { sum: Near::to(sums.sum, Some(&self.sum), miss, rng), size: Near::to(sums.size, self.size.as_ref(), miss, rng) }
    }
}

/// A released number, and how far its noise goes.
struct Near {
    value: f64,
    off: f64,
}

impl Near {
    /// A number that needs no noise is given as it is.
    fn to(value: i128, added: Option<&Added>, miss: f64, rng: &mut impl CryptoRng) -> Self {
        match added {
            Some(added) => Self { value: added.to(value, rng) as f64, off: added.half_width(miss) },
            None => Self { value: value as f64, off: 0.0 },
        }
    }

    fn low(&self) -> f64 {
        self.value - self.off
    }

    fn high(&self) -> f64 {
        self.value + self.off
    }
}

struct Noisy {
    sum: Near,
    size: Near,
}

impl Noisy {
    /// The mean distance from the middle, and how far it may be off; in spacings.
    fn mean(&self, grid: &Grid) -> (f64, f64) {
        let (from, to) = self.mean_range(grid);
        let value = if self.size.value < 1.0 { 0.0 } else { bounded(self.sum.value / self.size.value, grid) };
        (value, (value - from).max(to - value))
    }

    /// Where the mean distance lies if each noise stays within its width: anywhere, if there may be no record.
    fn mean_range(&self, grid: &Grid) -> (f64, f64) {
        let (few, many) = (self.size.low(), self.size.high());
        if few < 1.0 {
            return (bounded(f64::NEG_INFINITY, grid), bounded(f64::INFINITY, grid));
        }
        let least = self.sum.low() / if self.sum.low() < 0.0 { few } else { many };
        let most = self.sum.high() / if self.sum.high() < 0.0 { many } else { few };
        (bounded(least, grid), bounded(most, grid))
    }

    /// The variance, and how far it may be off; in squared spacings.
    fn variance(&self, squares: &Near, grid: &Grid) -> (f64, f64) {
        // No values within the bounds have more: Popoviciu's inequality.
        let greatest = 0.25 * (grid.width() as f64).powi(2);
        let (few, many) = (self.size.low(), self.size.high());
        let value = if self.size.value < 1.0 {
            0.0
        } else {
            (squares.value / self.size.value - (self.sum.value / self.size.value).powi(2)).clamp(0.0, greatest)
        };
        if few < 1.0 {
            return (value, value.max(greatest - value));
        }
        let (from, to) = self.mean_range(grid);
        let nearest = if from > 0.0 { from } else { to.min(0.0) };
        let farthest = from.abs().max(to.abs());
        let least = (squares.low().max(0.0) / many - farthest * farthest).clamp(0.0, greatest);
        let most = (squares.high().max(0.0) / few - nearest * nearest).clamp(0.0, greatest);
        (value, (value - least).max(most - value))
    }
}

/// A mean distance from the middle, within what the grid has.
fn bounded(mean: f64, grid: &Grid) -> f64 {
    let (below, above) = from_middle(grid);
    mean.clamp(-(below as f64), above as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against all sums, sums of squares and numbers of records within the widths.
    #[test]
    fn errors_reach_the_farthest_that_the_noise_allows() {
        let grid = Grid::new(-50.0, 60.0, 1.0).unwrap();
        for (sum, off, size, by) in [(-40.0, 12.0, 9.0, 4.0), (40.0, 12.0, 9.0, 4.0), (3.0, 12.0, 9.0, 4.0), (-30.0, 10.0, 20.0, 0.0)] {
            let noisy = Noisy { sum: Near { value: sum, off }, size: Near { value: size, off: by } };
            let squares = Near { value: 900.0, off: 60.0 };
            let around = |near: &Near| {
                let (low, high) = (near.low() as i64, near.high() as i64);
                (low..=high).map(|x| x as f64).collect::<Vec<_>>()
            };
            let (value, error) = noisy.mean(&grid);
            let (spread, wide) = noisy.variance(&squares, &grid);
            let (mut farthest, mut farthest_spread) = (0.0_f64, 0.0_f64);
            for n in around(&noisy.size) {
                for s in around(&noisy.sum) {
                    farthest = farthest.max((s / n - value).abs());
                    for q in around(&squares) {
                        farthest_spread = farthest_spread.max(((q / n - s * s / (n * n)).max(0.0) - spread).abs());
                    }
                }
            }
            assert!((error - farthest).abs() < 1e-9, "{sum} {size}: {error} {farthest}");
            // Number and sum are not bound to agree between its two terms.
            assert!(farthest_spread <= wide && wide <= 1.5 * farthest_spread + 1e-9, "{sum} {size}: {wide} {farthest_spread}");
        }
        // With perhaps no record, anything from end to end; middle 5, so 55 on either side.
        let none = Noisy { sum: Near { value: 10.0, off: 1.0 }, size: Near { value: 2.0, off: 1.5 } };
        assert_eq!(none.mean(&grid), (5.0, 60.0));
        assert_eq!(none.variance(&Near { value: 100.0, off: 1.0 }, &grid), (25.0, 3000.0));
        let below = Noisy { sum: Near { value: 10.0, off: 1.0 }, size: Near { value: 0.0, off: 1.5 } };
        assert_eq!((below.mean(&grid).0, below.variance(&Near { value: 100.0, off: 1.0 }, &grid).0), (0.0, 0.0));
    }
}
