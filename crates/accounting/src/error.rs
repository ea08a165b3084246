//! The one error type of the crate: facts in fields, a cause in each variant's documentation.

use crate::filter::Currency;
use crate::{Delta, Epsilon, Event, NoiseMultiplier};

/// Why a privacy statement could not be made. No accountant returns a number it cannot stand behind.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A number outside the range of its type. Typical cause: a percentage given as 5 instead of 0.05, or a delta of 1.
    #[error("{quantity} must be {range}, not {value}")]
    OutOfRange {
        /// The type that refused.
        quantity: &'static str,
        /// What was given.
        value: f64,
        /// The allowed range in words.
        range: &'static str,
    },
    /// The accountant has no proof for this event. Typical cause: subsampling a composition, or asking an accountant
    /// of Gaussians about a subsampled one.
    #[error("cannot account for {event} by {accountant}: {why}")]
    UnsupportedEvent {
        /// The smallest part of the event that is not covered.
        event: Box<Event>,
        /// The accountant that was asked.
        accountant: &'static str,
        /// What is missing.
        why: &'static str,
    },
    /// The repetitions of nested compositions multiply past 2^64. Typical cause: `times` applied twice by mistake.
    #[error("the event repeats more than 2^64 times")]
    CountOverflow,
    /// The result is too large for a floating-point number. Typical cause: a noise multiplier of almost zero.
    #[error("{quantity} is too large to represent")]
    Unrepresentable {
        /// Which result.
        quantity: &'static str,
    },
    /// No finite epsilon exists, or none the accountant can certify, at so small a delta. Typical cause: delta = 0
    /// What draws add that are not exactly of their law ([`Event::Inexact`](crate::Event::Inexact)) leaves nothing of delta.
    #[error("draws that are not exactly of their law would add {added:e} to delta {delta} at the epsilon of {accountant}")]
    InexactDraws {
        /// Who would have counted.
        accountant: &'static str,
        /// What was asked for.
        delta: f64,
        /// What would be added, at an epsilon that is too low still.
        added: f64,
    },
    /// with Gaussian noise, which never gives pure differential privacy.
    #[error("{accountant} cannot bound epsilon at delta {delta:e}: the smallest delta it takes is {smallest:e}")]
    DeltaTooSmall {
        /// The accountant that was asked.
        accountant: &'static str,
        /// What was asked.
        delta: f64,
        /// The smallest delta that is taken.
        smallest: f64,
    },
    /// The privacy-loss grid of useful spacing would not fit in memory. Typical cause: millions of steps at a noise
    /// multiplier far below 1, where the Renyi accountant still answers.
    #[error("the privacy-loss grid would need {points:.3e} points, more than the limit of {limit}")]
    GridTooLarge {
        /// Points a useful grid would need.
        points: f64,
        /// Points allowed (about 100 MB of working memory).
        limit: usize,
    },
    /// Floating-point round-off, which is bounded and added to delta, uses up the delta asked for. Typical cause:
    /// very many steps at a very small delta.
    #[error("round-off of at least {round_off:e} swamps delta {delta:e}")]
    RoundOff {
        /// The part of delta taken by round-off and cut tails.
        round_off: f64,
        /// The delta asked for.
        delta: f64,
    },
    /// No noise multiplier in the searched range meets the target. Typical cause: an epsilon target of zero, or an
    /// event that does not use the noise multiplier it is given.
    #[error("no noise multiplier between {smallest} and {largest} meets epsilon {target} exactly where it should")]
    NoNoiseMultiplier {
        /// The target.
        target: Epsilon,
        /// The smallest noise multiplier tried.
        smallest: NoiseMultiplier,
        /// The largest noise multiplier tried.
        largest: NoiseMultiplier,
    },
    /// Nothing in the searched range meets the target. Typical cause: a target below what a single step costs.
    #[error("no {quantity} between {smallest} and {largest} meets epsilon {target}")]
    NothingMeets {
        /// What was searched for.
        quantity: &'static str,
        /// The target.
        target: Epsilon,
        /// The smallest value tried.
        smallest: f64,
        /// The largest value tried.
        largest: f64,
    },
    /// The budget is too small to open a filter, even for an event that costs nothing. Typical cause: a
    /// low order with a small delta, where the conversion alone costs more than the budget.
    #[error("a budget of epsilon {epsilon} at delta {delta} leaves nothing to spend in {currency}")]
    BudgetTooSmall {
        /// The budget.
        epsilon: Epsilon,
        /// Its delta.
        delta: Delta,
        /// What the filter would add up.
        currency: Currency,
    },
    /// Admitting this event would pass the budget. Typical cause: a retried or lengthened training run. The amounts
    /// are in what the filter adds up.
    #[error("the budget is spent: asked for {asked}, {left} left of {total} ({currency})")]
    BudgetSpent {
        /// What the refused event costs.
        asked: f64,
        /// What is left.
        left: f64,
        /// What there was to begin with.
        total: f64,
        /// What the filter adds up.
        currency: Currency,
        /// The budget in epsilon.
        epsilon: Epsilon,
        /// Its delta.
        delta: Delta,
    },
}
