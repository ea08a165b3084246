//! How many, and how much in all.

use rand_core::CryptoRng;

use super::{Grid, MISS, Noise, Release, Unit};
use crate::{Error, Event};

/// The number of records, with noise.
///
/// Sensitivity: 1 for one added or removed. Under [`Neighbours::ReplaceOne`](crate::Neighbours::ReplaceOne) the number is public: it is
/// given as it is, and charged as nothing.
///
/// Source: Ghosh, Roughgarden and Sundararajan 2009 (the geometric mechanism), Canonne, Kamath and Steinke 2020.
///
/// ```
/// use rand_core::SeedableRng;
/// use reticent_accounting::Neighbours;
/// use reticent_accounting::query::{Noise, Unit, count};
/// use reticent_accounting::sample::Ratio;
/// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1); // for this example only
/// let noise = Noise::Pure { epsilon: Ratio::new(1, 2)? };
/// let release = count(1_000, &noise, Unit::record(Neighbours::AddOrRemoveOne), &mut rng)?;
/// assert_eq!((release.value, release.error), (1002, 6.0));
/// assert_eq!(release.event.to_string(), "a mechanism of epsilon 0.5");
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for a budget that draws no noise.
pub fn count(records: u64, noise: &Noise, unit: Unit, rng: &mut impl CryptoRng) -> Result<Release<i64>, Error> {
    if unit.knows_size() {
        return Ok(Release { value: whole(records.into()), event: Event::None, unit, error: 0.0 });
    }
    noisy_count(records, noise, unit, rng)
}

/// The number of records that have a property, with noise.
///
/// Sensitivity: 1 for one record added or removed, and for one replaced, which may gain the property or lose it.
///
/// ```
/// use rand_core::SeedableRng;
/// use reticent_accounting::Neighbours;
/// use reticent_accounting::query::{Noise, Unit, count_where};
/// use reticent_accounting::sample::Ratio;
/// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(2); // for this example only
/// let noise = Noise::Zcdp { rho: Ratio::new(1, 200)? };
/// let release = count_where((0..900).map(|i| i % 3 == 0), &noise, Unit::record(Neighbours::ReplaceOne), &mut rng)?;
/// assert_eq!((release.value, release.error), (290, 20.0));
/// assert_eq!(release.event.to_string(), "discrete Gaussian(10, sensitivity 1)");
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for a budget that draws no noise.
pub fn count_where(
    has: impl IntoIterator<Item = bool>,
    noise: &Noise,
    unit: Unit,
    rng: &mut impl CryptoRng,
) -> Result<Release<i64>, Error> {
    noisy_count(has.into_iter().map(u64::from).sum(), noise, unit, rng)
}

fn noisy_count(number: u64, noise: &Noise, unit: Unit, rng: &mut impl CryptoRng) -> Result<Release<i64>, Error> {
    let added = noise.on(unit.sensitivity(1, 1)?)?;
    let value = whole(added.to(number.into(), rng));
    Ok(Release { value, error: added.half_width(MISS), event: added.event, unit })
}

/// A noisy result beyond 64 bits as the outermost.
pub(super) fn whole(value: i128) -> i64 {
    value.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// The sum of the values on the grid, with noise. In their unit.
///
/// Sensitivity, in spacings: max(|low|, |high|) for one record added or removed, high − low for one replaced. A privacy-loss distribution
/// is computed for noise up to some 10⁵ spacings; choose the spacing no finer than the noise makes sense of.
///
/// Source: Dwork, McSherry, Nissim and Smith 2006; Canonne, Kamath and Steinke 2020.
///
/// ```
/// use rand_core::SeedableRng;
/// use reticent_accounting::Neighbours;
/// use reticent_accounting::query::{Grid, Noise, Unit, sum};
/// use reticent_accounting::sample::Ratio;
/// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(3); // for this example only
/// let (grid, noise) = (Grid::new(0.0, 50.0, 0.5)?, Noise::Pure { epsilon: Ratio::new(1, 1)? });
/// let amounts = (0..1_000).map(|i| f64::from(i % 100)); // above 50 they count as 50
/// let release = sum(amounts, &grid, &noise, Unit::record(Neighbours::AddOrRemoveOne), &mut rng)?;
/// assert_eq!((release.value, release.error), (37160.5, 150.0)); // 37250 without noise
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for a budget that draws no noise, and where a unit's records move the sum by 2³² spacings or more.
pub fn sum(
    values: impl IntoIterator<Item = f64>,
    grid: &Grid,
    noise: &Noise,
    unit: Unit,
    rng: &mut impl CryptoRng,
) -> Result<Release<f64>, Error> {
    let added = noise.on(unit.sensitivity(grid.reach(), grid.width())?)?;
    let noisy = added.to(total(values, grid), rng);
    Ok(Release { value: noisy as f64 * grid.spacing(), error: added.half_width(MISS) * grid.spacing(), event: added.event, unit })
}

/// In spacings. 2⁶⁴ values of 32 bits fit.
pub(super) fn total(values: impl IntoIterator<Item = f64>, grid: &Grid) -> i128 {
    values.into_iter().map(|value| i128::from(grid.step(value))).sum()
}
