//! What a mechanism did, without its data: the input of every accountant.
//!
//! An [`Event`] says what a mechanism does *relative to its own sensitivity* when one record is added or removed
//! ([`Neighbours::AddOrRemoveOne`](crate::Neighbours::AddOrRemoveOne)): `Gaussian { noise_multiplier: 2 }` is noise of
//! standard deviation 2 on something that moves by at most 1. The meaning of an existing variant or field must never
//! change: ledgers hold these trees, and a changed meaning would silently change a guarantee already given.

mod parts;
mod words;

use std::num::{NonZeroU32, NonZeroU64};

use serde::{Deserialize, Serialize};

pub(crate) use parts::{Parts, SubsampledGaussian};

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
/// | `inexact` beside any of these | yes | yes | yes | the source of `inexact` |
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
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, pld};
    /// let event = Event::None;
    /// assert_eq!(format!("{:.1}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "0.0");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    None,
    /// Gaussian noise of standard deviation `noise_multiplier` x sensitivity, added once.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, pld};
    /// let event = Event::Gaussian { noise_multiplier: NoiseMultiplier::new(2.0)? };
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "1.9931");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    Gaussian {
        /// Noise standard deviation / sensitivity.
        noise_multiplier: NoiseMultiplier,
    },
    /// `event` on a batch each record joined independently with probability `sampling_rate`.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, pld};
    /// let gaussian = Box::new(Event::Gaussian { noise_multiplier: NoiseMultiplier::new(2.0)? });
    /// let event = Event::PoissonSampled { sampling_rate: SamplingRate::new(0.01)?, event: gaussian };
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "0.0283");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    PoissonSampled {
        /// Probability of joining.
        sampling_rate: SamplingRate,
        /// What was done with the batch.
        event: Box<Self>,
    },
    /// Laplace noise of standard scale (not deviation) `scale` x sensitivity, added once.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, pld};
    /// let event = Event::Laplace { scale: NoiseMultiplier::new(2.0)? }.times(10);
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "4.9900");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    Laplace {
        /// Scale / sensitivity.
        scale: NoiseMultiplier,
    },
    /// Integer noise with mass proportional to e^(-|k|/(scale x sensitivity)) on an integer that moves by at most the
    /// sensitivity. Accounted as any mechanism of epsilon 1/`scale`, which it is exactly at sensitivity 1.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, pld};
    /// let event = Event::DiscreteLaplace { scale: NoiseMultiplier::new(2.0)? };
    /// assert_eq!(format!("{:.5}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "0.49998");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    DiscreteLaplace {
        /// Scale / sensitivity.
        scale: NoiseMultiplier,
    },
    /// Integer noise with mass proportional to e^(-k^2/2 s^2), s = `noise_multiplier` x `sensitivity`, on an integer that
    /// moves by at most `sensitivity`.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, pld};
    /// let sensitivity = 3.try_into().unwrap();
    /// let event = Event::DiscreteGaussian { noise_multiplier: NoiseMultiplier::new(2.0)?, sensitivity };
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "1.9953");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    DiscreteGaussian {
        /// s / sensitivity.
        noise_multiplier: NoiseMultiplier,
        /// How far the integer moves.
        sensitivity: NonZeroU32,
    },
    /// One of `answers` answers: the true one with probability e^epsilon/(e^epsilon + answers - 1), else any other alike.
    /// Neighbours give different true answers.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Epsilon, Event, pld};
    /// let event = Event::RandomisedResponse { epsilon: Epsilon::new(1.0)?, answers: 3.try_into().unwrap() };
    /// assert_eq!(format!("{:.5}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "0.99998");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    RandomisedResponse {
        /// ln of the ratio of probabilities.
        epsilon: Epsilon,
        /// How many answers there are, at least 2.
        answers: NonZeroU32,
    },
    /// Any mechanism that is (epsilon, 0)-differentially private.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Epsilon, Event, pld};
    /// let event = Event::Pure { epsilon: Epsilon::new(0.1)? }.times(10);
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "0.9937");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    Pure {
        /// Its epsilon.
        epsilon: Epsilon,
    },
    /// Any mechanism that is (epsilon, delta)-differentially private.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Epsilon, Event, pld};
    /// let event = Event::Approximate { epsilon: Epsilon::new(0.1)?, delta: Delta::new(1e-7)? }.times(10);
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "0.9943");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    Approximate {
        /// Its epsilon.
        epsilon: Epsilon,
        /// Its delta.
        delta: Delta,
    },
    /// Any mechanism that is (xi, rho)-zero-concentrated differentially private: its Renyi divergence of order a is at most
    /// xi + rho a.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Epsilon, Event, rdp};
    /// let event = Event::Zcdp { xi: Epsilon::ZERO, rho: Epsilon::new(0.1)? };
    /// assert_eq!(format!("{:.4}", rdp::epsilon(&event, Delta::new(1e-5)?)?.epsilon.get()), "1.9142");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    Zcdp {
        /// The part that does not grow with the order.
        xi: Epsilon,
        /// The part that does.
        rho: Epsilon,
    },
    /// The exponential mechanism. Renyi and zCDP accounting use that its losses lie in a range of epsilon; privacy-loss distributions
    /// take it for the worst mechanism of its epsilon, so that their interval is around that one's.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Epsilon, Event, pld, rdp};
    /// let event = Event::Exponential { epsilon: Epsilon::new(0.1)? }.times(10);
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "0.9937");
    /// assert_eq!(format!("{:.4}", rdp::epsilon(&event, Delta::new(1e-5)?)?.epsilon.get()), "0.5824");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    Exponential {
        /// Its epsilon: scores are weighted by e^(epsilon score/(2 sensitivity)).
        epsilon: Epsilon,
    },
    /// Permute-and-flip (McKenna & Sheldon 2020), accounted as any (epsilon, 0)-differentially private one.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Epsilon, Event, pld};
    /// let event = Event::PermuteAndFlip { epsilon: Epsilon::new(0.1)? }.times(10);
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "0.9937");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    PermuteAndFlip {
        /// Its epsilon: scores are weighted by e^(epsilon score/(2 sensitivity)).
        epsilon: Epsilon,
    },
    /// `event` on a batch of exactly `batch` of `records` records. The number of records is public, so that a bound is known for
    /// replacing one only: see [`Event::ReplaceOne`].
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, Neighbours, NoiseMultiplier, neighbours, pld};
    /// let (records, batch) = (1_000.try_into().unwrap(), 10.try_into().unwrap());
    /// let gaussian = Box::new(Event::Gaussian { noise_multiplier: NoiseMultiplier::new(2.0)? });
    /// let event = Event::FixedSizeSampled { records, batch, with_replacement: false, event: gaussian };
    /// assert!(pld::epsilon(&event, Delta::new(1e-5)?).is_err());
    /// let event = neighbours::under(&event, Neighbours::ReplaceOne)?;
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "0.1995");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
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
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, pld};
    /// let (records, batch) = (1_000.try_into().unwrap(), 20.try_into().unwrap());
    /// let gaussian = Box::new(Event::Gaussian { noise_multiplier: NoiseMultiplier::new(2.0)? });
    /// let event = Event::TruncatedPoissonSampled { sampling_rate: SamplingRate::new(0.01)?, records, batch, event: gaussian };
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "0.0295");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
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
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, pld};
    /// let event = Event::TreeAggregation { noise_multiplier: NoiseMultiplier::new(8.0)?, steps: 1_000.try_into().unwrap() };
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "1.5347");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    TreeAggregation {
        /// Noise standard deviation of a node / sensitivity of one record.
        noise_multiplier: NoiseMultiplier,
        /// How many leaves the tree has.
        steps: NonZeroU64,
    },
    /// Matrix factorisation with `bands` bands and column norm 1 over `steps` steps, record sets partitioned into `bands`
    /// parts sampled in turn (Choquette-Choo et al. 2023, arXiv:2306.08153, Theorem 4): ceil(steps/bands) Poisson-sampled
    /// Gaussians.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, pld};
    /// let (bands, steps) = (4.try_into().unwrap(), 1_000.try_into().unwrap());
    /// let (noise_multiplier, sampling_rate) = (NoiseMultiplier::new(2.0)?, SamplingRate::new(0.05)?);
    /// let event = Event::BandedMatrix { noise_multiplier, sampling_rate, bands, steps };
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "1.7526");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
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
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, pld};
    /// let (noise_multiplier, sampling_rate) = (NoiseMultiplier::new(2.0)?, SamplingRate::new(0.01)?);
    /// let event = Event::UserLevelGaussian { noise_multiplier, sampling_rate, records_per_user: 5.try_into().unwrap() };
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "0.1936");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    UserLevelGaussian {
        /// Noise standard deviation / sensitivity of one record.
        noise_multiplier: NoiseMultiplier,
        /// Probability with which each record joins.
        sampling_rate: SamplingRate,
        /// The most records of one user.
        records_per_user: NonZeroU32,
    },
    /// `event` when one record is replaced by another rather than added or removed.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, pld};
    /// let gaussian = Box::new(Event::Gaussian { noise_multiplier: NoiseMultiplier::new(2.0)? });
    /// let sampled = Event::PoissonSampled { sampling_rate: SamplingRate::new(0.01)?, event: gaussian };
    /// let event = Event::ReplaceOne { event: Box::new(sampled) };
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "0.0365");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    ReplaceOne {
        /// A Poisson-sampled, truncated-Poisson-sampled or fixed-size-sampled Gaussian, its noise relative to adding or removing one
        /// record.
        event: Box<Self>,
    },
    /// `event` when one record is emptied rather than added or removed: it is drawn as before, and contributes zero.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, pld};
    /// let (records, batch) = (1_000.try_into().unwrap(), 20.try_into().unwrap());
    /// let gaussian = Box::new(Event::Gaussian { noise_multiplier: NoiseMultiplier::new(2.0)? });
    /// let cut = Event::TruncatedPoissonSampled { sampling_rate: SamplingRate::new(0.01)?, records, batch, event: gaussian };
    /// let event = Event::ZeroOut { event: Box::new(cut) };
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "0.0287");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    ZeroOut {
        /// A truncated-Poisson-sampled Gaussian, where an empty record still takes a place; elsewhere emptying is removing.
        event: Box<Self>,
    },
    /// Each record in exactly `rounds_per_record` of `rounds` Gaussians, at random.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, rdp};
    /// let (rounds, rounds_per_record) = (100.try_into().unwrap(), 1.try_into().unwrap());
    /// let event = Event::RandomAllocation { noise_multiplier: NoiseMultiplier::new(2.0)?, rounds, rounds_per_record };
    /// assert_eq!(format!("{:.4}", rdp::epsilon(&event, Delta::new(1e-5)?)?.epsilon.get()), "0.2502");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
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
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, Runs, rdp};
    /// let gaussian = Box::new(Event::Gaussian { noise_multiplier: NoiseMultiplier::new(2.0)? });
    /// let event = Event::RepeatAndSelect { runs: Runs::Geometric, mean: 10.0, event: gaussian };
    /// assert_eq!(format!("{:.4}", rdp::epsilon(&event, Delta::new(1e-5)?)?.epsilon.get()), "4.3151");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    RepeatAndSelect {
        /// How the number of runs is drawn.
        runs: Runs,
        /// How many runs there are on average, at least 1.
        mean: f64,
        /// One run.
        event: Box<Self>,
    },
    /// Releases nothing: says how far the laws of what the events beside it drew are from the stated ones.
    ///
    /// Noise comes from a law that does not depend on the data, within a total variation of `total_variation` of one whose density is
    /// within a factor of e^(±`log_ratio`) of the stated law's. Then delta(epsilon) of exact draws becomes at most
    /// e^`log_ratio` delta(epsilon - 2 `log_ratio`) + (1 + e^epsilon) `total_variation`. Several add up. Where delta cannot pay for it,
    /// accountants say so ([`Error::InexactDraws`]).
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Epsilon, Event, NoiseMultiplier, pld};
    /// let draws = Event::Inexact { log_ratio: Epsilon::ZERO, total_variation: Delta::new(1e-7)? };
    /// let event = Event::Composed { events: vec![Event::Gaussian { noise_multiplier: NoiseMultiplier::new(2.0)? }, draws] };
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "2.0036");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    Inexact {
        /// Bound on the logarithm of the ratio of densities, to either side.
        log_ratio: Epsilon,
        /// Bound on what that leaves out.
        total_variation: Delta,
    },
    /// Something that no accountant here bounds.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, pld};
    /// let event = Event::Unsupported { name: "shuffling".into() };
    /// assert!(pld::epsilon(&event, Delta::new(1e-5)?).is_err());
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    Unsupported {
        /// What it was.
        name: String,
    },
    /// All of these, one after the other, with parameters fixed in advance.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, pld};
    /// let gaussian = |sigma| NoiseMultiplier::new(sigma).map(|noise_multiplier| Event::Gaussian { noise_multiplier });
    /// let event = Event::Composed { events: vec![gaussian(5.0)?, gaussian(10.0)?] };
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "0.8197");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    Composed {
        /// The parts.
        events: Vec<Self>,
    },
    /// The same event `count` times, with fresh randomness each time.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, pld};
    /// let gaussian = Box::new(Event::Gaussian { noise_multiplier: NoiseMultiplier::new(2.0)? });
    /// let event = Event::SelfComposed { event: gaussian, count: 4 };
    /// assert_eq!(format!("{:.4}", pld::epsilon(&event, Delta::new(1e-5)?)?.upper.get()), "4.3772");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
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
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, Runs, rdp};
    /// let gaussian = Box::new(Event::Gaussian { noise_multiplier: NoiseMultiplier::new(2.0)? });
    /// let event = Event::RepeatAndSelect { runs: Runs::Logarithmic, mean: 10.0, event: gaussian };
    /// assert_eq!(format!("{:.4}", rdp::epsilon(&event, Delta::new(1e-5)?)?.epsilon.get()), "3.6385");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    Logarithmic,
    /// Poisson; no run at all releases nothing.
    ///
    /// ```
    /// # use reticent_accounting::{Delta, Event, NoiseMultiplier, Runs, rdp};
    /// let gaussian = Box::new(Event::Gaussian { noise_multiplier: NoiseMultiplier::new(2.0)? });
    /// let event = Event::RepeatAndSelect { runs: Runs::Poisson, mean: 10.0, event: gaussian };
    /// assert_eq!(format!("{:.4}", rdp::epsilon(&event, Delta::new(1e-5)?)?.epsilon.get()), "4.9076");
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
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

    pub(crate) fn refused(&self, accountant: &'static str, why: &'static str) -> Error {
        Error::UnsupportedEvent { event: Box::new(self.clone()), accountant, why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_stable() {
        let event = Event::dp_sgd(NoiseMultiplier::new(1.5).unwrap(), SamplingRate::new(0.25).unwrap(), 7);
        let json = r#"{"kind":"self-composed","event":{"kind":"poisson-sampled","sampling_rate":0.25,"event":{"kind":"gaussian","noise_multiplier":1.5}},"count":7}"#;
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<Event>(json).unwrap(), event);
        assert!(serde_json::from_str::<Event>(r#"{"kind":"gaussian","noise_multiplier":0}"#).is_err());
    }
}
