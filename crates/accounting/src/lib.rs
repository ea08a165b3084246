//! Privacy on paper: events, accountants, calibration and budgets. No data, no tensors.

pub mod calibrate;
pub mod filter;
pub mod gaussian;
pub mod pld;
pub mod rdp;

mod error;
mod event;
mod normal;
mod quadrature;
mod types;

pub use error::Error;
pub use event::Event;
pub use types::{Bound, Delta, DeltaInterval, Epsilon, Interval, Neighbours, NoiseMultiplier, Order, SamplingRate};
