//! The same mechanism under another neighbouring relation, or for a group of records.
//!
//! Every accountant here answers for one record added or removed. Noise that is added once to something clipped is
//! half as large relative to a replacement, which can move it twice as far, and 1/k as large relative to k records. So
//! the event is restated, exactly, and then accounted for. A sampled Gaussian becomes the event of its own that it is: one user's
//! several records, or one record replaced. What cannot be restated is refused by name.
//!
//! Randomised response and mechanisms known by their guarantee alone (`pure`, `approximate`, `zcdp`, `exponential`,
//! `permute-and-flip`) are taken to hold for one record under the relation asked.
//!
//! ```
//! use reticent_accounting::{Delta, Event, Neighbours, NoiseMultiplier, neighbours, pld};
//! let event = Event::Gaussian { noise_multiplier: NoiseMultiplier::new(2.0)? };
//! let replaced = neighbours::under(&event, Neighbours::ReplaceOne)?;
//! assert_eq!(format!("{:.3}", pld::epsilon(&replaced, Delta::new(1e-5)?)?.upper.get()), "4.377");
//! # Ok::<(), reticent_accounting::Error>(())
//! ```

use std::num::NonZeroU32;

use crate::{Delta, Epsilon, Error, Event, Neighbours, NoiseMultiplier};

const NAME: &str = "restating an event";

/// The event whose guarantee when one record is added or removed is that of `event` under `relation`.
///
/// Zeroing out is add-or-remove with a public number of records: the same distributions are compared, but where a record also
/// takes a place in a batch. There zeroing out is one way of replacing (fixed size), or an event of its own (truncated batches).
pub fn under(event: &Event, relation: Neighbours) -> Result<Event, Error> {
    match relation {
        Neighbours::AddOrRemoveOne => Ok(event.clone()),
        Neighbours::ZeroOut => zero_out(event),
        Neighbours::ReplaceOne => restate(event, 2, false),
    }
}

/// The event whose guarantee for one record is that of `event` for any `records` records added or removed together.
pub fn for_group(event: &Event, records: NonZeroU32) -> Result<Event, Error> {
    if records.get() == 1 { Ok(event.clone()) } else { restate(event, records.get(), true) }
}

fn zero_out(event: &Event) -> Result<Event, Error> {
    Ok(match event {
        Event::FixedSizeSampled { .. } => Event::ReplaceOne { event: Box::new(event.clone()) },
        Event::TruncatedPoissonSampled { .. } => Event::ZeroOut { event: Box::new(event.clone()) },
        Event::Composed { events } => Event::Composed { events: events.iter().map(zero_out).collect::<Result<_, _>>()? },
        Event::SelfComposed { event, count } => zero_out(event)?.times(*count),
        _ => event.clone(),
    })
}

fn restate(event: &Event, factor: u32, group: bool) -> Result<Event, Error> {
    let by = f64::from(factor);
    let less = |noise: NoiseMultiplier| NoiseMultiplier::new(noise.get() / by);
    let again = |event: &Event| restate(event, factor, group);
    let refused = |why| Err(event.refused(NAME, why));
    Ok(match event {
        // Whatever the data are.
        Event::None | Event::Inexact { .. } => event.clone(),
        Event::Gaussian { noise_multiplier } => Event::Gaussian { noise_multiplier: less(*noise_multiplier)? },
        Event::Laplace { scale } => Event::Laplace { scale: less(*scale)? },
        Event::DiscreteLaplace { scale } => Event::DiscreteLaplace { scale: less(*scale)? },
        Event::DiscreteGaussian { noise_multiplier, sensitivity } => Event::DiscreteGaussian {
            noise_multiplier: less(*noise_multiplier)?,
            sensitivity: sensitivity.checked_mul(NonZeroU32::new(factor).ok_or(Error::CountOverflow)?).ok_or(Error::CountOverflow)?,
        },
        Event::TreeAggregation { noise_multiplier, steps } if !group => {
            Event::TreeAggregation { noise_multiplier: less(*noise_multiplier)?, steps: *steps }
        }
        Event::PoissonSampled { sampling_rate, event } if sampling_rate.get() == 1.0 => again(event)?,
        Event::Composed { events } => Event::Composed { events: events.iter().map(again).collect::<Result<_, _>>()? },
        Event::SelfComposed { event, count } => again(event)?.times(*count),
        Event::Pure { epsilon } if group => Event::Pure { epsilon: Epsilon::new(by * epsilon.get())? },
        Event::Exponential { epsilon } | Event::PermuteAndFlip { epsilon } if group => {
            Event::Pure { epsilon: Epsilon::new(by * epsilon.get())? }
        }
        Event::Approximate { epsilon, delta } if group => {
            // delta (e^(k epsilon) - 1)/(e^epsilon - 1): Vadhan 2017, Lemma 2.2.
            let (one, all) = (epsilon.get().exp_m1(), (by * epsilon.get()).exp_m1());
            let times = if one > 0.0 { all / one } else { by };
            Event::Approximate { epsilon: Epsilon::new(by * epsilon.get())?, delta: Delta::new((delta.get() * times).next_up())? }
        }
        Event::Zcdp { xi, rho } if group && xi.get() == 0.0 => {
            // Bun & Steinke 2016, Proposition 1.9.
            Event::Zcdp { xi: *xi, rho: Epsilon::new(by * by * rho.get())? }
        }
        Event::Pure { .. }
        | Event::Approximate { .. }
        | Event::Zcdp { .. }
        | Event::Exponential { .. }
        | Event::PermuteAndFlip { .. }
        | Event::RandomisedResponse { .. }
            if !group =>
        {
            event.clone()
        }
        // Each record joins by itself, whoever it belongs to.
        Event::PoissonSampled { sampling_rate, event: inner } if group => match inner.as_ref() {
            Event::Gaussian { noise_multiplier } => Event::UserLevelGaussian {
                noise_multiplier: *noise_multiplier,
                sampling_rate: *sampling_rate,
                records_per_user: NonZeroU32::new(factor).ok_or(Error::CountOverflow)?,
            },
            _ => return refused("only a single Gaussian can be sampled: a sampled composition reuses one batch"),
        },
        Event::UserLevelGaussian { noise_multiplier, sampling_rate, records_per_user } if group => Event::UserLevelGaussian {
            noise_multiplier: *noise_multiplier,
            sampling_rate: *sampling_rate,
            records_per_user: records_per_user
                .checked_mul(NonZeroU32::new(factor).ok_or(Error::CountOverflow)?)
                .ok_or(Error::CountOverflow)?,
        },
        Event::PoissonSampled { .. } | Event::FixedSizeSampled { .. } | Event::TruncatedPoissonSampled { .. } if !group => {
            Event::ReplaceOne { event: Box::new(event.clone()) }
        }
        Event::BandedMatrix { .. } | Event::TruncatedPoissonSampled { .. } => {
            return refused("sampling amplifies differently for more than one record added or removed");
        }
        _ => return refused("no exact restatement is known"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian;

    #[test]
    fn groups_multiply_mu() {
        let event = Event::Gaussian { noise_multiplier: NoiseMultiplier::new(3.0).unwrap() }.times(5);
        let one = gaussian::mu(&event).unwrap();
        for k in [1, 2, 7] {
            let restated = for_group(&event, NonZeroU32::new(k).unwrap()).unwrap();
            assert!((gaussian::mu(&restated).unwrap() / (f64::from(k) * one) - 1.0).abs() < 1e-12);
        }
        assert_eq!(under(&event, Neighbours::ReplaceOne).unwrap(), for_group(&event, NonZeroU32::new(2).unwrap()).unwrap());
        assert_eq!(under(&event, Neighbours::ZeroOut).unwrap(), event);
    }

    #[test]
    fn what_has_no_restatement_is_refused() {
        let sampled = Event::dp_sgd(NoiseMultiplier::new(1.0).unwrap(), crate::SamplingRate::new(0.1).unwrap(), 3);
        let banded = Event::BandedMatrix {
            noise_multiplier: NoiseMultiplier::new(1.0).unwrap(),
            sampling_rate: crate::SamplingRate::new(0.1).unwrap(),
            bands: std::num::NonZeroU64::MIN,
            steps: std::num::NonZeroU64::MIN,
        };
        assert!(matches!(under(&banded, Neighbours::ReplaceOne), Err(Error::UnsupportedEvent { .. })));
        assert!(matches!(for_group(&sampled, NonZeroU32::new(2).unwrap()), Ok(Event::SelfComposed { .. })));
        let response = Event::RandomisedResponse { epsilon: Epsilon::ZERO, answers: NonZeroU32::MIN };
        assert!(for_group(&response, NonZeroU32::new(2).unwrap()).is_err());
    }
}
