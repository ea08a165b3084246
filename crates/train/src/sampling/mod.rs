//! Who takes part in a step: the sampler is the one that the accountant is told of.
//!
//! The neighbouring relation follows from the sampler. Where each unit is drawn by itself, adding or removing one changes nothing for the
//! others. Where the size of a batch is fixed, a unit that leaves makes room for another, so that the number of units is public and the
//! relation is replacing one: the sum then moves by twice the bound, which the event says.

mod draw;

use crate::Error;
use crate::noise::{Binding, RunKey};
use crate::sabotage::{self, Bug};
use reticent_accounting::{Event, Neighbours, NoiseMultiplier, SamplingRate, neighbours};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// How the units of a step are drawn.
///
/// | sampler | neighbours | accounted as | bounded by |
/// |---|---|---|---|
/// | `poisson` | add or remove | Poisson-sampled Gaussians | PLD, Rényi |
/// | `truncated-poisson` | add or remove | the same with a cut | PLD, Rényi |
/// | `fixed-size` | replace | fixed-size-sampled Gaussians | PLD, Rényi |
/// | `cyclic` | add or remove | one Poisson-sampled Gaussian a round of all parts | PLD, Rényi |
/// | `random-allocation` | add or remove | random allocation, one for each block of rounds | Rényi |
/// | `shuffle` | replace | one Gaussian an epoch, no amplification | PLD, Rényi, exact |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Sampling {
    /// Each unit on its own with probability `sample_rate` (Abadi et al. 2016).
    Poisson {
        /// The probability.
        sample_rate: SamplingRate,
        /// Public, rounded number of units; scales the step, at least 1.
        public_units: u64,
    },
    /// The same, of which at most `batch`, drawn evenly, are kept, so that a batch fits a fixed size (Chua et al. 2024,
    /// *Scalable DP-SGD*, section 3).
    ///
    /// How often batches are cut depends on the number of units, so that the statement is about data of `records` units and of one less;
    /// other numbers are refused.
    TruncatedPoisson {
        /// The probability before the cut.
        sample_rate: SamplingRate,
        /// Public number of units, that of the larger neighbour.
        records: NonZeroU64,
        /// How many are kept at most.
        batch: NonZeroU64,
    },
    /// Exactly `batch` of `records` units, drawn evenly and afresh at each step (Balle, Barthe & Gaboardi 2018).
    FixedSize {
        /// Public number of units; any other is refused.
        records: NonZeroU64,
        /// How many are drawn.
        batch: NonZeroU64,
        /// Whether a unit may be drawn more than once; it then counts as often.
        with_replacement: bool,
    },
    /// Each unit belongs to one of `parts` parts, drawn for the whole run; the parts take turns, and a unit of the part whose turn it is
    /// joins with probability `sample_rate` (Choquette-Choo et al. 2023, arXiv:2306.08153). For noise of as many bands, or fewer.
    Cyclic {
        /// How many parts.
        parts: NonZeroU64,
        /// The probability within the part.
        sample_rate: SamplingRate,
        /// Public, rounded number of units in all parts together; scales the step, at least 1.
        public_units: u64,
    },
    /// Each unit in exactly `rounds_per_unit` of every `rounds` steps, which it draws by itself ("balls in bins": Chua et al. 2025,
    /// arXiv:2412.16802; bound by Feldman & Shenfeld 2025, arXiv:2502.08202).
    RandomAllocation {
        /// Steps of a block.
        rounds: NonZeroU64,
        /// In how many of them a unit is, at most `rounds`.
        rounds_per_unit: NonZeroU64,
        /// Public, rounded number of units; scales the step, at least 1.
        public_units: u64,
    },
    /// All units in a random order, `batch` at a time; a new order each epoch. No amplification is claimed: shuffling amplifies far less
    /// than Poisson sampling of the same size (Chua et al. 2024, arXiv:2403.17673).
    Shuffle {
        /// Public number of units; any other is refused.
        records: NonZeroU64,
        /// How many a step; the last of an epoch has what is left.
        batch: NonZeroU64,
    },
}

impl Sampling {
    /// Between which data sets the statement holds.
    #[must_use]
    pub fn neighbours(&self) -> Neighbours {
        match self {
            Self::FixedSize { .. } | Self::Shuffle { .. } => Neighbours::ReplaceOne,
            _ => Neighbours::AddOrRemoveOne,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |field, why| Err(Error::Plan { field, why });
        match self {
            Self::Poisson { public_units: 0, .. }
            | Self::Cyclic { public_units: 0, .. }
            | Self::RandomAllocation { public_units: 0, .. } => wrong("units", "must be at least 1"),
            Self::RandomAllocation { rounds, rounds_per_unit, .. } if rounds_per_unit > rounds => {
                wrong("rounds_per_unit", "must be at most the number of rounds")
            }
            Self::FixedSize { records, batch, with_replacement: false } | Self::Shuffle { records, batch } if batch > records => {
                wrong("batch", "must be at most the number of units")
            }
            _ => Ok(()),
        }
    }

    /// Refuses a number of units that the accounting does not cover.
    pub(crate) fn check_units(&self, units: usize) -> Result<(), Error> {
        let units = units as u64;
        match self {
            Self::TruncatedPoisson { records, .. } if ![records.get(), records.get() - 1].contains(&units) => {
                Err(Error::Plan { field: "records", why: "must be the number of units, or one more" })
            }
            Self::FixedSize { records, .. } | Self::Shuffle { records, .. } if records.get() != units => {
                Err(Error::Plan { field: "records", why: "must be the number of units" })
            }
            _ => Ok(()),
        }
    }

    /// What happens in a step that adds noise once, of this multiplier relative to one unit; `None` where a unit's steps cannot be told
    /// apart ([`Sampling::run`]).
    pub(crate) fn one_step(&self, noise_multiplier: NoiseMultiplier) -> Option<Event> {
        let event = Box::new(Event::Gaussian { noise_multiplier });
        Some(match *self {
            Self::Poisson { sample_rate: sampling_rate, .. } => Event::PoissonSampled { sampling_rate, event },
            Self::TruncatedPoisson { sample_rate: sampling_rate, records, batch } => {
                Event::TruncatedPoissonSampled { sampling_rate, records, batch, event }
            }
            Self::FixedSize { records, batch, with_replacement } => {
                Event::ReplaceOne { event: Box::new(Event::FixedSizeSampled { records, batch, with_replacement, event }) }
            }
            Self::Cyclic { .. } | Self::RandomAllocation { .. } | Self::Shuffle { .. } => return None,
        })
    }

    /// What `steps` steps do, each of which adds noise of this multiplier relative to one unit: independent, or of the banded strategy where
    /// a unit's parts take turns.
    pub(crate) fn run(&self, noise_multiplier: NoiseMultiplier, steps: u64) -> Event {
        if let Some(step) = self.one_step(noise_multiplier) {
            return step.times(steps);
        }
        match (*self, NonZeroU64::new(steps)) {
            (Self::Cyclic { parts: bands, sample_rate: sampling_rate, .. }, Some(steps)) => {
                Event::BandedMatrix { noise_multiplier, sampling_rate, bands, steps }
            }
            (Self::RandomAllocation { rounds, rounds_per_unit: rounds_per_record, .. }, _) => {
                // A block that ends early is a block of which not everything was released.
                Event::RandomAllocation { noise_multiplier, rounds, rounds_per_record }.times(steps.div_ceil(rounds.get()))
            }
            (Self::Shuffle { .. }, _) => {
                let epochs = steps.div_ceil(self.block());
                restated(&Event::Gaussian { noise_multiplier }.times(epochs))
            }
            _ => Event::None,
        }
    }

    /// What `steps` steps of a tree over each block do; a unit is in one step of a block.
    pub(crate) fn tree(&self, noise_multiplier: NoiseMultiplier, steps: u64) -> Event {
        let block = self.block();
        let leaves = NonZeroU64::new(block.min(steps)).unwrap_or(NonZeroU64::MIN);
        let event = Event::TreeAggregation { noise_multiplier, steps: leaves }.times(steps.div_ceil(block));
        if self.neighbours() == Neighbours::ReplaceOne { restated(&event) } else { event }
    }

    /// How many steps pass before a unit that took part in all it may can do so again, where that is fixed; else 1.
    pub(crate) fn block(&self) -> u64 {
        match self {
            Self::RandomAllocation { rounds, .. } => rounds.get(),
            Self::Shuffle { records, batch } => records.get().div_ceil(batch.get()),
            _ => 1,
        }
    }

    /// The public divisor of a step's sum.
    pub(crate) fn expected_batch(&self) -> f64 {
        match *self {
            Self::Poisson { sample_rate, public_units } => sample_rate.get() * public_units as f64,
            Self::TruncatedPoisson { sample_rate, records, .. } => sample_rate.get() * records.get() as f64,
            Self::FixedSize { batch, .. } | Self::Shuffle { batch, .. } => batch.get() as f64,
            Self::Cyclic { parts, sample_rate, public_units } => sample_rate.get() * public_units as f64 / parts.get() as f64,
            Self::RandomAllocation { rounds, rounds_per_unit, public_units } => {
                public_units as f64 * rounds_per_unit.get() as f64 / rounds.get() as f64
            }
        }
    }

    /// The most units a batch can have, where that is public: the size to pad to.
    pub(crate) fn physical_batch(&self) -> Option<u64> {
        match self {
            Self::TruncatedPoisson { batch, .. } | Self::FixedSize { batch, .. } | Self::Shuffle { batch, .. } => Some(batch.get()),
            _ => None,
        }
    }

    /// The units of a step among `units`, in rising order, as often as they are drawn.
    pub(crate) fn draw(&self, step: u64, units: usize, key: &RunKey, binding: &Binding) -> Vec<usize> {
        let fresh = || key.stream(binding, "sample", step, "");
        // What holds for longer than a step is drawn again at each step, from the same stream.
        let lasting = |label: &str, block: u64| key.stream(binding, label, block, "");
        match *self {
            Self::Poisson { sample_rate, .. } if sabotage::is(Bug::ShuffledSampler) => {
                let batch = (sample_rate.get() * units as f64).round() as u64;
                draw::at_most(batch, (0..units).collect(), &mut fresh())
            }
            Self::Poisson { sample_rate, .. } => draw::poisson(sample_rate, units, &mut fresh()),
            Self::TruncatedPoisson { sample_rate, batch, .. } => {
                let mut rng = fresh();
                let drawn = draw::poisson(sample_rate, units, &mut rng);
                draw::at_most(batch.get(), drawn, &mut rng)
            }
            Self::FixedSize { batch, with_replacement: false, .. } => draw::at_most(batch.get(), (0..units).collect(), &mut fresh()),
            Self::FixedSize { batch, with_replacement: true, .. } => draw::with_replacement(batch.get(), units, &mut fresh()),
            Self::Cyclic { parts, sample_rate, .. } => {
                let mut turn = draw::of_part(step % parts.get(), parts, units, &mut lasting("part", 0));
                let joins = draw::poisson(sample_rate, units, &mut fresh());
                turn.retain(|unit| joins.binary_search(unit).is_ok());
                turn
            }
            Self::RandomAllocation { rounds, rounds_per_unit, .. } => {
                let (block, round) = (step / rounds.get(), step % rounds.get());
                draw::allocated(round, rounds, rounds_per_unit, units, &mut lasting("allocation", block))
            }
            Self::Shuffle { batch, .. } => {
                let (epoch, place) = (step / self.block(), step % self.block());
                draw::shuffled(place, batch.get(), units, &mut lasting("shuffle", epoch))
            }
        }
    }
}

/// The event for replacing one unit; noise too small to be halved is refused by every accountant.
fn restated(event: &Event) -> Event {
    neighbours::under(event, Neighbours::ReplaceOne).unwrap_or_else(|error| Event::Unsupported { name: error.to_string() })
}
