//! Counts, sums, means, variances, quantiles and histograms with noise, each with the [`Event`] that it is charged as.
//!
//! | | of | sensitivity for one record added or removed, and replaced | noise |
//! |---|---|---|---|
//! | [`count`] | all records | 1; 0 | discrete Laplace or Gaussian |
//! | [`count_where`] | records with a property | 1; 1 | the same |
//! | [`sum`] | reals on a [`Grid`] | max(\|low\|, \|high\|); high − low | the same |
//! | [`mean`], [`variance`] | reals on a [`Grid`] | two or three sums, a share of the budget for each | the same |
//! | [`histogram`], [`categories`] | bins named in advance | 1 in one bin; 1 in two bins | the same in every bin |
//! | [`quantile`] | candidates named in advance | rank a/b: max(a, b − a); b | permute-and-flip, or the exponential mechanism |
//!
//! **What is public.** Bounds, spacing, edges, candidates, the budget, the [`Unit`]; with [`Neighbours::ReplaceOne`] the number of records,
//! too. They must not be read from the data. An error depends on public parameters alone: whatever the records hold (also none of them,
//! infinite values, or what is not a number), the answer is a release. A real is put on the grid or into a bin by itself, before anything
//! is added up: below the bounds it counts as the low end, above as the high end, and a NaN counts as the low end, so that one record moves
//! no result further than the sensitivity. Sums are of integers in 128 bits, which 2⁶³ records do not fill.
//!
//! **What is charged.** [`Release::event`] holds for one [`Unit`] under the relation that was asked, as if it were restated by
//! [`neighbours::under`](crate::neighbours::under) already; restating it again may count a replacement twice. Releases about the same units
//! compose with [`Event::Composed`], where all were asked under one relation. Noise is drawn for exact rational parameters and is never
//! smaller than the event says: an ε or ρ is rounded up where it is written down, and the noise multiplier of a discrete Gaussian is a
//! double to begin with.
//!
//! **What is not covered.** Caps: that a unit has at most [`Unit::records`] records is kept by whoever passes them. Running times, which
//! depend on noise and data (see [`sample`](crate::sample)). Rounding to the grid and clamping to the bounds, which are errors of the
//! answer of which [`Release::error`] knows nothing: it tells how far the noise moves the answer from the one about clamped values.
//!
//! ```
//! use rand_core::SeedableRng;
//! use reticent_accounting::query::{Grid, Noise, Unit, mean};
//! use reticent_accounting::{Epsilon, Neighbours, pure};
//! // For this example only: a generator from the system in real use.
//! let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(0);
//! let ages = (0..2_000).map(|i| f64::from(18 + i % 60));
//! let (grid, noise) = (Grid::new(0.0, 120.0, 1.0)?, Noise::pure(Epsilon::new(0.5)?)?);
//! let release = mean(ages, &grid, &noise, Unit::record(Neighbours::AddOrRemoveOne), &mut rng)?;
//! assert_eq!(pure::epsilon(&release.event)?.get(), 0.5);
//! // Without noise it is 47.3.
//! assert_eq!(format!("{:.1} ± {:.1}", release.value, release.error), "47.3 ± 0.5");
//! # Ok::<(), reticent_accounting::Error>(())
//! ```

use std::num::NonZeroU32;

use crate::{Error, Event, Neighbours};

mod grid;
mod histogram;
mod moments;
mod noise;
mod quantile;
mod sum;

pub use grid::Grid;
pub use histogram::{categories, histogram};
pub use moments::{mean, variance};
pub use noise::Noise;
pub use quantile::{Rank, quantile};
pub use sum::{count, count_where, sum};

#[cfg(test)]
mod tests;

/// An answer, and what it costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Release<T> {
    /// The noisy answer. Nothing is rounded towards what is plausible that the query does not say: a count may be below 0.
    pub value: T,
    /// What is charged, for one unit under its relation.
    pub event: Event,
    /// Whom the event holds for.
    pub unit: Unit,
    /// With probability 95% or more over the noise, the answer without noise (about the clamped records) is at most this far from `value`,
    /// in its unit; for all bins of a histogram at once. Of a quantile: the rank in records, see there. It follows from public parameters
    /// and released numbers, and costs nothing.
    pub error: f64,
}

/// Probability with which [`Release::error`] may be passed.
const MISS: f64 = 0.05;

/// Whom a guarantee is for: one unit, with at most `records` of the records passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// What its neighbour is. [`Neighbours::ZeroOut`] is asked by leaving the empty record out: the same pairs of results as with
    /// [`Neighbours::AddOrRemoveOne`] are compared.
    pub neighbours: Neighbours,
    /// The most records of one unit; the caller's cap. All of them are added or removed together, or replaced by as many.
    pub records: NonZeroU32,
}

impl Unit {
    /// A single record.
    #[must_use]
    pub const fn record(neighbours: Neighbours) -> Self {
        Self { neighbours, records: NonZeroU32::MIN }
    }

    /// The most that an integer moves, of which a record that comes or goes moves `added` and a replaced one `replaced`.
    fn sensitivity(self, added: u64, replaced: u64) -> Result<NonZeroU32, Error> {
        let one = match self.neighbours {
            Neighbours::AddOrRemoveOne | Neighbours::ZeroOut => added,
            Neighbours::ReplaceOne => replaced,
        };
        let all = u128::from(one) * u128::from(self.records.get());
        u32::try_from(all).ok().and_then(NonZeroU32::new).ok_or(Error::OutOfRange {
            quantity: "sensitivity",
            value: all as f64,
            range: "from 1 to 2^32 - 1 steps",
        })
    }

    /// Whether the number of records is public.
    fn knows_size(self) -> bool {
        self.neighbours == Neighbours::ReplaceOne
    }
}
