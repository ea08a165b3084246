//! Privacy on paper: events, accountants, calibration and budgets. No data, no tensors.
//!
//! A training run is described by an [`Event`]: what was released, with how much noise relative to its sensitivity,
//! on batches sampled at which rate. An accountant turns the event into an epsilon at a given delta. Units: epsilon in
//! nats; noise multipliers are noise standard deviation / sensitivity. Neighbouring relation: one record added or
//! removed ([`Neighbours::AddOrRemoveOne`]); epsilon bounds both directions.
//!
//! | module | what it answers | how tight |
//! |---|---|---|
//! | [`pld`] | epsilon, delta and the best attack of a run fixed in advance | certified interval, usually 1e-6 wide, at most 1e-3 aimed at |
//! | [`prv`] | epsilon of a run, by other means | an error you choose, 0.01 as a rule |
//! | [`rdp`] | epsilon of a run, order by order | an upper bound, 5 to 15% above |
//! | [`gaussian`] | epsilon of Gaussians without sampling | exact |
//! | [`pure`], [`zcdp`] | epsilon at delta 0; rho | what adds up simply |
//! | [`neighbours`] | the same event when a record is replaced, or for a group | exact, or refused |
//! | [`calibrate`] | the noise, steps or sampling rate for a target epsilon | never overshoots |
//! | [`filter`] | a budget, or the loss so far, over runs chosen after seeing earlier results | Renyi at fixed orders, rho, or exact for Gaussians |
//! | [`sample`], [`query`] | noise drawn exactly; counts, sums, means, variances, quantiles and histograms with it | exact, with the event to charge |
//!
//! ```
//! use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, pld};
//! let run = Event::dp_sgd(NoiseMultiplier::new(1.1)?, SamplingRate::new(256.0 / 60_000.0)?, 14_062);
//! let epsilon = pld::epsilon(&run, Delta::new(1e-5)?)?;
//! assert_eq!(format!("{:.3}", epsilon.upper.get()), "2.382");
//! assert!(epsilon.width() < 1e-3);
//! # Ok::<(), reticent_accounting::Error>(())
//! ```
//!
//! No function here returns a number it cannot stand behind: what has no proof, does not fit in memory or would drown
//! in round-off is refused by name ([`Error`]). The bounds assume real-valued Gaussian noise; how far the law of the noise
//! that a program draws is from it can be said with [`Event::Inexact`], and is paid for.

pub mod calibrate;
pub mod filter;
pub mod gaussian;
pub mod neighbours;
pub mod pld;
pub mod prv;
pub mod pure;
pub mod query;
pub mod rdp;
pub mod sample;
pub mod zcdp;

mod binomial;
mod error;
mod event;
mod inexact;
mod normal;
mod pair;
mod quadrature;
mod types;

pub use error::Error;
pub use event::{Event, Runs};
pub use types::{Bound, Delta, DeltaInterval, Epsilon, Interval, Neighbours, NoiseMultiplier, Order, SamplingRate};

/// The page for readers, whose examples run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/accounting.md")]
struct Page;
