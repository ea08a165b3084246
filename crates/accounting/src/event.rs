//! What a mechanism did, without its data: the input of every accountant.
//!
//! An [`Event`] says what a mechanism does *relative to its own sensitivity* when one record is added or removed
//! ([`Neighbours::AddOrRemoveOne`](crate::Neighbours::AddOrRemoveOne)): `Gaussian { noise_multiplier: 2 }` is noise of
//! standard deviation 2 on something that moves by at most 1. The meaning of an existing variant or field must never
//! change: ledgers hold these trees, and a changed meaning would silently change a guarantee already given.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, NoiseMultiplier, SamplingRate};

/// A tree of mechanisms.
///
/// ```
/// use reticent_accounting::{Event, NoiseMultiplier, SamplingRate};
/// let run = Event::dp_sgd(NoiseMultiplier::new(1.1)?, SamplingRate::new(0.01)?, 500);
/// assert_eq!(run.to_string(), "500 x Poisson(0.01) of Gaussian(1.1)");
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// Nothing was released.
    None,
    /// Gaussian noise of standard deviation `noise_multiplier` x sensitivity, added once.
    Gaussian {
        /// Noise standard deviation / sensitivity.
        noise_multiplier: NoiseMultiplier,
    },
    /// `event` on a batch each record joined independently with probability `sampling_rate`.
    PoissonSampled {
        /// Probability of joining.
        sampling_rate: SamplingRate,
        /// What was done with the batch.
        event: Box<Self>,
    },
    /// All of these, one after the other, with parameters fixed in advance.
    Composed {
        /// The parts.
        events: Vec<Self>,
    },
    /// The same event `count` times, with fresh randomness each time.
    SelfComposed {
        /// The repeated part.
        event: Box<Self>,
        /// How often.
        count: u64,
    },
}

impl Event {
    /// Differentially private SGD: `steps` Gaussian sums over Poisson-sampled batches (Abadi et al. 2016).
    #[must_use]
    pub fn dp_sgd(noise_multiplier: NoiseMultiplier, sampling_rate: SamplingRate, steps: u64) -> Self {
        let event = Box::new(Self::Gaussian { noise_multiplier });
        Self::PoissonSampled { sampling_rate, event }.times(steps)
    }

    /// This event `count` times.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self::SelfComposed { event: Box::new(self), count }
    }

    /// The event as Poisson-subsampled Gaussians with counts: the form the accountants of this crate understand.
    pub(crate) fn subsampled_gaussians(&self, accountant: &'static str) -> Result<Vec<SubsampledGaussian>, Error> {
        let mut parts = Vec::new();
        collect(self, 1, accountant, &mut parts)?;
        Ok(parts)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("nothing"),
            Self::Gaussian { noise_multiplier } => write!(f, "Gaussian({noise_multiplier})"),
            Self::PoissonSampled { sampling_rate, event } => write!(f, "Poisson({sampling_rate}) of {event}"),
            Self::SelfComposed { event, count } => write!(f, "{count} x {event}"),
            Self::Composed { events } => {
                f.write_str("(")?;
                for (i, event) in events.iter().enumerate() {
                    if i > 0 {
                        f.write_str(" + ")?;
                    }
                    write!(f, "{event}")?;
                }
                f.write_str(")")
            }
        }
    }
}

/// `count` times a Gaussian of noise multiplier `sigma` on a batch sampled at rate `q`; `q == 1` is no sampling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SubsampledGaussian {
    pub(crate) q: f64,
    pub(crate) sigma: f64,
    pub(crate) count: u64,
}

fn collect(event: &Event, count: u64, accountant: &'static str, parts: &mut Vec<SubsampledGaussian>) -> Result<(), Error> {
    match event {
        Event::None => {}
        Event::Gaussian { noise_multiplier } => push(parts, 1.0, noise_multiplier.get(), count)?,
        Event::PoissonSampled { sampling_rate, event: inner } if sampling_rate.get() == 1.0 => {
            collect(inner, count, accountant, parts)?;
        }
        Event::PoissonSampled { sampling_rate, event: inner } => match inner.as_ref() {
            Event::None => {}
            Event::Gaussian { noise_multiplier } => {
                push(parts, sampling_rate.get(), noise_multiplier.get(), count)?;
            }
            _ => {
                // All parts of a sampled composition see the same batch, so they are not independent
                // subsampled Gaussians: amplifying each of them separately would be wrong.
                return Err(Error::UnsupportedEvent {
                    event: Box::new(event.clone()),
                    accountant,
                    why: "only a single Gaussian can be Poisson-sampled: a sampled composition reuses one batch",
                });
            }
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

    #[test]
    fn json_is_stable() {
        let event = Event::dp_sgd(NoiseMultiplier::new(1.5).unwrap(), SamplingRate::new(0.25).unwrap(), 7);
        let json = r#"{"kind":"self-composed","event":{"kind":"poisson-sampled","sampling_rate":0.25,"event":{"kind":"gaussian","noise_multiplier":1.5}},"count":7}"#;
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<Event>(json).unwrap(), event);
        assert!(serde_json::from_str::<Event>(r#"{"kind":"gaussian","noise_multiplier":0}"#).is_err());
    }
}
