//! Counts of bins that are named in advance.

use std::num::NonZeroU32;

use rand_core::CryptoRng;

use super::noise::Added;
use super::sum::whole;
use super::{MISS, Noise, Release, Unit};
use crate::{Error, Event, Neighbours};

/// Most bins of one histogram.
const MOST: usize = 1 << 24;

/// How many values lie between neighbouring edges, with noise in every bin.
///
/// Bins are [edge, next edge); the last one includes its upper edge. What lies below the first edge, or is a NaN, counts in the first bin,
/// and what lies above the last edge in the last. Else as [`categories`].
///
/// ```
/// use rand_core::SeedableRng;
/// use reticent_accounting::Neighbours;
/// use reticent_accounting::query::{Noise, Unit, histogram};
/// use reticent_accounting::sample::Ratio;
/// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(7); // for this example only
/// let ages = (0..1_000).map(|i| f64::from(i % 80));
/// let noise = Noise::Pure { epsilon: Ratio::new(1, 2)? };
/// let release = histogram(ages, &[0.0, 18.0, 65.0, 120.0], &noise, Unit::record(Neighbours::AddOrRemoveOne), &mut rng)?;
/// assert_eq!((release.value, release.error), (vec![234, 583, 181], 8.0)); // 234, 586, 180 without noise
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// # Errors
/// Those of [`categories`]; and for edges that are not finite and strictly rising, or fewer than two.
pub fn histogram(
    values: impl IntoIterator<Item = f64>,
    edges: &[f64],
    noise: &Noise,
    unit: Unit,
    rng: &mut impl CryptoRng,
) -> Result<Release<Vec<i64>>, Error> {
    let refused = |value| Error::OutOfRange { quantity: "edge", value, range: "finite and above the one before, at least two" };
    if let Some(wrong) = edges.iter().find(|e| !e.is_finite()) {
        return Err(refused(*wrong));
    }
    if let Some(wrong) = edges.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(refused(wrong[1]));
    }
    let [_, inner @ .., _] = edges else { return Err(refused(f64::NAN)) };
    // A comparison with a NaN is false: it is in the first bin.
    let bins = values.into_iter().map(|value| inner.partition_point(|edge| *edge <= value));
    categories(bins, inner.len() + 1, noise, unit, rng)
}

/// How many records are of each category, with noise in every category, also an empty one.
///
/// A record is given as the number of its category, from 0. A number that is none of them is counted nowhere; give what is unknown a
/// category of its own.
///
/// Sensitivity: a record added or removed moves one bin by 1, so that all bins together cost what one does; a replaced one moves two bins
/// by 1. With r records of a unit these are r and 2r as a sum of sizes (what Laplace noise is scaled by), and r² and 2r² as a sum of
/// squares (what ρ is proportional to).
///
/// Categories must not be read from the data: a bin that is there only because somebody is in it shows that somebody is, whatever its
/// noise. Finding categories needs a threshold and a δ (Korolova, Kenthapadi, Mishra and Ntoulas 2009), and is not offered.
///
/// The event under [`Noise::Zcdp`] with one record a unit is that of one discrete Gaussian of sensitivity 1, or of two where a record is
/// replaced, one for each bin that moves. With more records it is ρ alone, and no privacy-loss distribution.
///
/// Source: Dwork, McSherry, Nissim and Smith 2006, section 3 (histograms); Canonne, Kamath and Steinke 2020.
///
/// ```
/// use rand_core::SeedableRng;
/// use reticent_accounting::Neighbours;
/// use reticent_accounting::query::{Noise, Unit, categories};
/// use reticent_accounting::sample::Ratio;
/// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(8); // for this example only
/// let noise = Noise::Zcdp { rho: Ratio::new(1, 16)? };
/// let release = categories((0..900).map(|i| i % 3), 4, &noise, Unit::record(Neighbours::ReplaceOne), &mut rng)?;
/// assert_eq!((release.value, release.error), (vec![306, 302, 298, 0], 10.0)); // 300, 300, 300, 0 without noise
/// assert_eq!(release.event.to_string(), "2 x discrete Gaussian(4, sensitivity 1)");
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for no category or more than 2²⁴, for a budget that draws no noise, and for so many records a unit that 2³² is
/// reached.
pub fn categories(
    records: impl IntoIterator<Item = usize>,
    categories: usize,
    noise: &Noise,
    unit: Unit,
    rng: &mut impl CryptoRng,
) -> Result<Release<Vec<i64>>, Error> {
    if !(1..=MOST).contains(&categories) {
        return Err(Error::OutOfRange { quantity: "number of bins", value: categories as f64, range: "from 1 to 2^24" });
    }
    let (added, event) = plan(noise, unit)?;
    let value = counts(records, categories).into_iter().map(|count| whole(added.to(count, rng))).collect();
    // Each bin misses with this probability, so that all are met with 95%.
    Ok(Release { value, event, unit, error: added.half_width(MISS / categories as f64) })
}

pub(super) fn counts(records: impl IntoIterator<Item = usize>, categories: usize) -> Vec<i128> {
    let mut counts = vec![0_i128; categories];
    for record in records {
        if let Some(count) = counts.get_mut(record) {
            *count += 1;
        }
    }
    counts
}

/// The noise of each bin, and the event of all.
pub(super) fn plan(noise: &Noise, unit: Unit) -> Result<(Added, Event), Error> {
    // A replaced record is in one bin before and in one after.
    let bins: u32 = if unit.neighbours == Neighbours::ReplaceOne { 2 } else { 1 };
    let one = unit.sensitivity(1, 1)?;
    match noise {
        Noise::Pure { .. } => {
            let added = noise.on(unit.sensitivity(1, 2)?)?;
            Ok((added, noise.stated()?))
        }
        Noise::Zcdp { .. } => {
            let added = noise.share(bins).on(one)?;
            let event = match (one, bins) {
                (NonZeroU32::MIN, 1) => added.event.clone(),
                (NonZeroU32::MIN, _) => added.event.clone().times(bins.into()),
                // Several records may be in one bin or in many: nothing but the sum of squares is the same for all.
                _ => noise.stated()?,
            };
            Ok((added, event))
        }
    }
}
