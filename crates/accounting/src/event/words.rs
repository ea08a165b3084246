//! An event in one line of words.

use std::fmt;

use super::Event;

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
            Self::Inexact { log_ratio, total_variation } => {
                write!(f, "draws within e^±{:e} and a total variation of {:e}", log_ratio.get(), total_variation.get())
            }
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
