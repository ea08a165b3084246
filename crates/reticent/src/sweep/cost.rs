//! What a search over runs would cost, were its winner released.

use crate::config::Model;
use crate::failure::Failure;
use reticent_accounting::{Delta, Event, NoiseMultiplier, Runs, SamplingRate, pld, rdp};
use serde::Serialize;

/// ε of choosing among runs that each cost `alone`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct SearchCost {
    /// ε of one run alone, by privacy-loss distributions.
    pub(crate) alone: f64,
    /// Runs tried on average.
    pub(crate) runs: f64,
    /// ε of the best of a random number of runs (repeat and select: Papernot & Steinke 2021, arXiv:2110.03620, geometric), by Rényi divergences.
    pub(crate) best_of: f64,
    /// ε of all the runs released one after the other.
    pub(crate) all: f64,
}

/// The cost at the noise of one plan, with `runs` runs on average.
pub(crate) fn search_cost(model: &Model, noise: NoiseMultiplier, runs: u64) -> Result<SearchCost, Failure> {
    let delta = Delta::new(model.privacy.delta)?;
    let one = Event::dp_sgd(noise, SamplingRate::new(model.privacy.sample_rate)?, model.privacy.steps);
    let best = Event::RepeatAndSelect { runs: Runs::Geometric, mean: runs as f64, event: Box::new(one.clone()) };
    Ok(SearchCost {
        alone: pld::epsilon(&one, delta)?.upper.get(),
        runs: runs as f64,
        best_of: rdp::epsilon(&best, delta)?.epsilon.get(),
        all: pld::epsilon(&one.times(runs), delta)?.upper.get(),
    })
}
