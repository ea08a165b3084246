//! An event as the independent mechanisms that accountants add up.

use super::Event;
use crate::Error;
use crate::inexact::Inexact;

impl Event {
    /// The event as Poisson-subsampled Gaussians with counts, for accountants that know no other mechanism.
    pub(crate) fn subsampled_gaussians(&self, accountant: &'static str) -> Result<Vec<SubsampledGaussian>, Error> {
        let parts = self.parts(accountant)?;
        match parts.others.into_iter().next() {
            None if parts.inexact != Inexact::default() => Err(self.refused(accountant, "its draws are not exactly of the stated laws")),
            None => Ok(parts.gaussians),
            Some((event, _)) => Err(event.refused(accountant, "it has no Gaussian noise of a known sensitivity")),
        }
    }

    /// The event as independent mechanisms with counts.
    pub(crate) fn parts(&self, accountant: &'static str) -> Result<Parts, Error> {
        let mut parts = Parts::default();
        collect(self, 1, accountant, &mut parts)?;
        Ok(parts)
    }
}

/// `count` times a Gaussian of noise multiplier `sigma` on a batch sampled at rate `q`; `q == 1` is no sampling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SubsampledGaussian {
    pub(crate) q: f64,
    pub(crate) sigma: f64,
    pub(crate) count: u64,
}

/// Independent mechanisms with counts.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) gaussians: Vec<SubsampledGaussian>,
    /// Anything else that needs no context.
    pub(crate) others: Vec<(Event, u64)>,
    /// How far what was drawn is from the laws of all of these.
    pub(crate) inexact: Inexact,
}

fn collect(event: &Event, count: u64, accountant: &'static str, parts: &mut Parts) -> Result<(), Error> {
    let unproved = |why| Err(event.refused(accountant, why));
    match event {
        Event::None => {}
        Event::Inexact { log_ratio, total_variation } => parts.inexact.add(log_ratio.get(), total_variation.get(), count),
        Event::Gaussian { noise_multiplier } => push(&mut parts.gaussians, 1.0, noise_multiplier.get(), count)?,
        Event::TreeAggregation { noise_multiplier, steps } => {
            // A record is in one leaf and in the nodes above it: one Gaussian each.
            let levels = u64::from(u64::BITS - steps.get().leading_zeros());
            let count = count.checked_mul(levels).ok_or(Error::CountOverflow)?;
            push(&mut parts.gaussians, 1.0, noise_multiplier.get(), count)?;
        }
        Event::BandedMatrix { noise_multiplier, sampling_rate, bands, steps } => {
            let rounds = steps.get().div_ceil(bands.get());
            let count = count.checked_mul(rounds).ok_or(Error::CountOverflow)?;
            push(&mut parts.gaussians, sampling_rate.get(), noise_multiplier.get(), count)?;
        }
        Event::PoissonSampled { sampling_rate, event: inner } if sampling_rate.get() == 1.0 => {
            collect(inner, count, accountant, parts)?;
        }
        Event::PoissonSampled { sampling_rate, event: inner } => match inner.as_ref() {
            Event::None => {}
            Event::Gaussian { noise_multiplier } => {
                push(&mut parts.gaussians, sampling_rate.get(), noise_multiplier.get(), count)?;
            }
            // All parts of a sampled composition see the same batch, so they are not independent subsampled Gaussians:
            // amplifying each of them separately would be wrong.
            _ => return unproved("only a single Gaussian can be Poisson-sampled: a sampled composition reuses one batch"),
        },
        Event::Composed { events } => {
            for event in events {
                collect(event, count, accountant, parts)?;
            }
        }
        Event::SelfComposed { event, count: times } => {
            let count = count.checked_mul(*times).ok_or(Error::CountOverflow)?;
            collect(event, count, accountant, parts)?;
        }
        Event::FixedSizeSampled { .. } => {
            return unproved("with batches of a fixed size a bound is known for replacing a record, not for adding one");
        }
        Event::Unsupported { .. } => return unproved("it was recorded as something without a proof"),
        Event::Laplace { .. }
        | Event::DiscreteLaplace { .. }
        | Event::DiscreteGaussian { .. }
        | Event::RandomisedResponse { .. }
        | Event::Pure { .. }
        | Event::Approximate { .. }
        | Event::Zcdp { .. }
        | Event::Exponential { .. }
        | Event::PermuteAndFlip { .. }
        | Event::UserLevelGaussian { .. }
        | Event::TruncatedPoissonSampled { .. }
        | Event::ReplaceOne { .. }
        | Event::ZeroOut { .. }
        | Event::RandomAllocation { .. }
        | Event::RepeatAndSelect { .. } => {
            if count == 0 {
                return Ok(());
            }
            // Whose runs all are within their total variation, is within that of as many as there are on average.
            if let Event::RepeatAndSelect { mean, event, .. } = event
                && let Ok(one) = event.parts(accountant)
            {
                parts.inexact.add(0.0, one.inexact.total_variation * mean, count);
            }
            if let Some((_, same)) = parts.others.iter_mut().find(|(other, _)| other == event) {
                *same = same.checked_add(count).ok_or(Error::CountOverflow)?;
            } else {
                parts.others.push((event.clone(), count));
            }
        }
    }
    Ok(())
}

/// Adds a part, merged with an equal one: a ledger of many equal runs costs no more than one long run.
fn push(parts: &mut Vec<SubsampledGaussian>, q: f64, sigma: f64, count: u64) -> Result<(), Error> {
    if count == 0 {
        return Ok(());
    }
    if let Some(same) = parts.iter_mut().find(|p| p.q == q && p.sigma == sigma) {
        same.count = same.count.checked_add(count).ok_or(Error::CountOverflow)?;
    } else {
        parts.push(SubsampledGaussian { q, sigma, count });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoiseMultiplier, SamplingRate};

    fn gaussian(sigma: f64) -> Event {
        Event::Gaussian { noise_multiplier: NoiseMultiplier::new(sigma).unwrap() }
    }

    fn sampled(q: f64, event: Event) -> Event {
        Event::PoissonSampled { sampling_rate: SamplingRate::new(q).unwrap(), event: Box::new(event) }
    }

    #[track_caller]
    fn check_parts(event: &Event, expected: &[(f64, f64, u64)]) {
        let parts = event.subsampled_gaussians("test").unwrap();
        let parts: Vec<_> = parts.iter().map(|p| (p.q, p.sigma, p.count)).collect();
        assert_eq!(parts, expected, "{event}");
    }

    #[test]
    fn trees_flatten_to_counts() {
        let step = sampled(0.1, gaussian(2.0));
        check_parts(&Event::None, &[]);
        check_parts(&step.clone().times(3).times(4), &[(0.1, 2.0, 12)]);
        check_parts(&Event::Composed { events: vec![step.clone(), gaussian(1.0), step.clone()] }, &[(0.1, 2.0, 2), (1.0, 1.0, 1)]);
        check_parts(&sampled(1.0, gaussian(1.0).times(5)), &[(1.0, 1.0, 5)]);
        check_parts(&step.times(0), &[]);
    }

    #[test]
    fn what_has_no_proof_is_refused_by_name() {
        let event = sampled(0.1, gaussian(2.0).times(2));
        let error = event.subsampled_gaussians("PLD").unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot account for Poisson(0.1) of 2 x Gaussian(2) by PLD: \
             only a single Gaussian can be Poisson-sampled: a sampled composition reuses one batch"
        );
        let many = gaussian(1.0).times(u64::MAX).times(2);
        assert_eq!(many.subsampled_gaussians("PLD").unwrap_err(), Error::CountOverflow);
    }
}
