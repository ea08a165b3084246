//! What a mechanism did, without its data: the input of every accountant.
//!
//! An [`Event`] says what a mechanism does *relative to its own sensitivity* when one record is added or removed
//! ([`Neighbours::AddOrRemoveOne`](crate::Neighbours::AddOrRemoveOne)): `Gaussian { noise_multiplier: 2 }` is noise of
//! standard deviation 2 on something that moves by at most 1. The meaning of an existing variant or field must never
//! change: ledgers hold these trees, and a changed meaning would silently change a guarantee already given.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

use serde::{Deserialize, Serialize};

use crate::{Delta, Epsilon, Error, NoiseMultiplier, SamplingRate};

/// A tree of mechanisms.
///
/// | kind | PLD | Renyi | exact Gaussian | source |
/// |---|---|---|---|---|
/// | `gaussian`, `tree-aggregation` | yes | yes | yes | Balle & Wang 2018; Kairouz et al. 2021 |
/// | `poisson-sampled` of `gaussian`, `banded-matrix` | yes | yes | at rate 1 | Abadi et al. 2016; Choquette-Choo et al. 2023 |
/// | `laplace`, `discrete-laplace`, `randomised-response`, `pure` | yes | yes | no | Mironov 2017, section 6 |
/// | `discrete-gaussian` | yes | as zCDP | no | Canonne, Kamath & Steinke 2020 |
/// | `approximate` | yes | no | no | Kairouz, Oh & Viswanath 2015 |
/// | `zcdp`, `exponential`, `permute-and-flip` | the last two | yes | no | Bun & Steinke 2016; McSherry & Talwar 2007 |
/// | `repeat-and-select` | no | yes | no | Papernot & Steinke 2021 |
/// | `user-level-gaussian`; `replace-one` of `poisson-sampled` | yes | yes | no | see the source of `pair` |
/// | `truncated-poisson-sampled`; `zero-out` and `replace-one` of it | yes, of a pair that dominates | yes | no | Chua et al. 2024; the source of `pair` |
/// | `replace-one` of `fixed-size-sampled` | yes, of a pair that dominates | yes | no | Balle et al. 2018; Zhu et al. 2022 |
/// | `random-allocation` | no | yes | no | Feldman & Shenfeld 2025 |
/// | `fixed-size-sampled` by itself, `unsupported` | no | no | no | recorded, refused by name |
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
    /// Laplace noise of standard scale (not deviation) `scale` x sensitivity, added once.
    Laplace {
        /// Scale / sensitivity.
        scale: NoiseMultiplier,
    },
    /// Integer noise with mass proportional to e^(-|k|/(scale x sensitivity)) on an integer that moves by at most the
    /// sensitivity. Accounted as any mechanism of epsilon 1/`scale`, which it is exactly at sensitivity 1.
    DiscreteLaplace {
        /// Scale / sensitivity.
        scale: NoiseMultiplier,
    },
    /// Integer noise with mass proportional to e^(-k^2/2 s^2), s = `noise_multiplier` x `sensitivity`, on an integer that
    /// moves by at most `sensitivity`.
    DiscreteGaussian {
        /// s / sensitivity.
        noise_multiplier: NoiseMultiplier,
        /// How far the integer moves.
        sensitivity: NonZeroU32,
    },
    /// One of `answers` answers: the true one with probability e^epsilon/(e^epsilon + answers - 1), else any other alike.
    /// Neighbours give different true answers.
    RandomisedResponse {
        /// ln of the ratio of probabilities.
        epsilon: Epsilon,
        /// How many answers there are, at least 2.
        answers: NonZeroU32,
    },
    /// Any mechanism that is (epsilon, 0)-differentially private.
    Pure {
        /// Its epsilon.
        epsilon: Epsilon,
    },
    /// Any mechanism that is (epsilon, delta)-differentially private.
    Approximate {
        /// Its epsilon.
        epsilon: Epsilon,
        /// Its delta.
        delta: Delta,
    },
    /// Any mechanism that is (xi, rho)-zero-concentrated differentially private: its Renyi divergence of order a is at most
    /// xi + rho a.
    Zcdp {
        /// The part that does not grow with the order.
        xi: Epsilon,
        /// The part that does.
        rho: Epsilon,
    },
    /// The exponential mechanism. Renyi and zCDP accounting use that its losses lie in a range of epsilon; privacy-loss distributions
    /// take it for the worst mechanism of its epsilon, so that their interval is around that one's.
    Exponential {
        /// Its epsilon: scores are weighted by e^(epsilon score/(2 sensitivity)).
        epsilon: Epsilon,
    },
    /// Permute-and-flip (McKenna & Sheldon 2020), accounted as any (epsilon, 0)-differentially private one.
    PermuteAndFlip {
        /// Its epsilon: scores are weighted by e^(epsilon score/(2 sensitivity)).
        epsilon: Epsilon,
    },
    /// `event` on a batch of exactly `batch` of `records` records. The number of records is public, so that a bound is known for
    /// replacing one only: see [`Event::ReplaceOne`].
    FixedSizeSampled {
        /// How many records there are.
        records: NonZeroU64,
        /// How many are drawn.
        batch: NonZeroU64,
        /// Whether a record may be drawn more than once.
        with_replacement: bool,
        /// What was done with the batch.
        event: Box<Self>,
    },
    /// Poisson sampling of which at most `batch` records, drawn evenly, are kept. `records` counts the larger neighbour's.
    TruncatedPoissonSampled {
        /// Probability of joining before the cut.
        sampling_rate: SamplingRate,
        /// How many records there are.
        records: NonZeroU64,
        /// How many are kept at most.
        batch: NonZeroU64,
        /// What was done with the batch.
        event: Box<Self>,
    },
    /// Prefix sums of `steps` clipped gradients by a binary tree without restarts, each record in one step: every node has
    /// Gaussian noise (Kairouz et al. 2021, arXiv:2103.00039, Theorem 4.1), and a record is in ceil(log2(steps + 1)) of them.
    TreeAggregation {
        /// Noise standard deviation of a node / sensitivity of one record.
        noise_multiplier: NoiseMultiplier,
        /// How many leaves the tree has.
        steps: NonZeroU64,
    },
    /// Matrix factorisation with `bands` bands and column norm 1 over `steps` steps, record sets partitioned into `bands`
    /// parts sampled in turn (Choquette-Choo et al. 2023, arXiv:2306.08153, Theorem 4): ceil(steps/bands) Poisson-sampled
    /// Gaussians.
    BandedMatrix {
        /// Noise standard deviation / (sensitivity of one record x column norm).
        noise_multiplier: NoiseMultiplier,
        /// Probability with which a record of the part whose turn it is joins: bands x batch / records.
        sampling_rate: SamplingRate,
        /// How many bands.
        bands: NonZeroU64,
        /// How many steps in all.
        steps: NonZeroU64,
    },
    /// A Gaussian on a Poisson sample of records of which one user has up to `records_per_user`.
    UserLevelGaussian {
        /// Noise standard deviation / sensitivity of one record.
        noise_multiplier: NoiseMultiplier,
        /// Probability with which each record joins.
        sampling_rate: SamplingRate,
        /// The most records of one user.
        records_per_user: NonZeroU32,
    },
    /// `event` when one record is replaced by another rather than added or removed.
    ReplaceOne {
        /// A Poisson-sampled, truncated-Poisson-sampled or fixed-size-sampled Gaussian, its noise relative to adding or removing one
        /// record.
        event: Box<Self>,
    },
    /// `event` when one record is emptied rather than added or removed: it is drawn as before, and contributes zero.
    ZeroOut {
        /// A truncated-Poisson-sampled Gaussian, where an empty record still takes a place; elsewhere emptying is removing.
        event: Box<Self>,
    },
    /// Each record in exactly `rounds_per_record` of `rounds` Gaussians, at random.
    RandomAllocation {
        /// Noise standard deviation / sensitivity.
        noise_multiplier: NoiseMultiplier,
        /// How many rounds.
        rounds: NonZeroU64,
        /// In how many of them each record is.
        rounds_per_record: NonZeroU64,
    },
    /// `event` run a random number of times, of which only the best result is released (Papernot & Steinke 2021,
    /// arXiv:2110.03620, Theorems 2 and 6).
    RepeatAndSelect {
        /// How the number of runs is drawn.
        runs: Runs,
        /// How many runs there are on average, at least 1.
        mean: f64,
        /// One run.
        event: Box<Self>,
    },
    /// Something that no accountant here bounds.
    Unsupported {
        /// What it was.
        name: String,
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

/// How the number of runs of [`Event::RepeatAndSelect`] is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runs {
    /// Each run is the last with the same probability.
    Geometric,
    /// Logarithmic: k runs with probability proportional to p^k/k.
    Logarithmic,
    /// Poisson; no run at all releases nothing.
    Poisson,
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

    /// The event as Poisson-subsampled Gaussians with counts, for accountants that know no other mechanism.
    pub(crate) fn subsampled_gaussians(&self, accountant: &'static str) -> Result<Vec<SubsampledGaussian>, Error> {
        let parts = self.parts(accountant)?;
        match parts.others.into_iter().next() {
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

    pub(crate) fn refused(&self, accountant: &'static str, why: &'static str) -> Error {
        Error::UnsupportedEvent { event: Box::new(self.clone()), accountant, why }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("nothing"),
            Self::Gaussian { noise_multiplier } => write!(f, "Gaussian({noise_multiplier})"),
            Self::PoissonSampled { sampling_rate, event } => write!(f, "Poisson({sampling_rate}) of {event}"),
            Self::Laplace { scale } => write!(f, "Laplace({scale})"),
            Self::DiscreteLaplace { scale } => write!(f, "discrete Laplace({scale})"),
            Self::DiscreteGaussian { noise_multiplier, sensitivity } => {
                write!(f, "discrete Gaussian({noise_multiplier}, sensitivity {sensitivity})")
            }
            Self::RandomisedResponse { epsilon, answers } => write!(f, "randomised response({epsilon}, {answers} answers)"),
            Self::Pure { epsilon } => write!(f, "a mechanism of epsilon {epsilon}"),
            Self::Approximate { epsilon, delta } => write!(f, "a mechanism of epsilon {epsilon} at delta {delta}"),
            Self::Zcdp { xi, rho } => write!(f, "zCDP({xi}, {rho})"),
            Self::Exponential { epsilon } => write!(f, "exponential mechanism({epsilon})"),
            Self::PermuteAndFlip { epsilon } => write!(f, "permute-and-flip({epsilon})"),
            Self::FixedSizeSampled { records, batch, with_replacement, event } => {
                write!(f, "{batch} of {records} records with{} replacement of {event}", if *with_replacement { "" } else { "out" })
            }
            Self::TruncatedPoissonSampled { sampling_rate, records, batch, event } => {
                write!(f, "Poisson({sampling_rate}) of {records}, at most {batch}, of {event}")
            }
            Self::TreeAggregation { noise_multiplier, steps } => write!(f, "tree({noise_multiplier}, {steps} steps)"),
            Self::BandedMatrix { noise_multiplier, sampling_rate, bands, steps } => {
                write!(f, "banded matrix({noise_multiplier}, rate {sampling_rate}, {bands} bands, {steps} steps)")
            }
            Self::UserLevelGaussian { noise_multiplier, sampling_rate, records_per_user } => {
                write!(f, "Poisson({sampling_rate}) of Gaussian({noise_multiplier}), {records_per_user} records a user")
            }
            Self::ReplaceOne { event } => write!(f, "{event}, one record replaced"),
            Self::ZeroOut { event } => write!(f, "{event}, one record emptied"),
            Self::RandomAllocation { noise_multiplier, rounds, rounds_per_record } => {
                write!(f, "{rounds_per_record} of {rounds} rounds of Gaussian({noise_multiplier})")
            }
            Self::RepeatAndSelect { runs, mean, event } => write!(f, "the best of {runs:?}({mean}) x {event}"),
            Self::Unsupported { name } => write!(f, "unsupported {name:?}"),
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

/// Independent mechanisms with counts.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) gaussians: Vec<SubsampledGaussian>,
    /// Anything else that needs no context.
    pub(crate) others: Vec<(Event, u64)>,
}

fn collect(event: &Event, count: u64, accountant: &'static str, parts: &mut Parts) -> Result<(), Error> {
    let unproved = |why| Err(event.refused(accountant, why));
    match event {
        Event::None => {}
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
