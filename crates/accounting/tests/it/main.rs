//! The accountants against published numbers, against each other, and against what must always hold.

mod events;
mod golden;
mod properties;
mod sampling;

use reticent_accounting::{Delta, Epsilon, Event, NoiseMultiplier, SamplingRate};

fn sigma(value: f64) -> NoiseMultiplier {
    NoiseMultiplier::new(value).unwrap()
}

fn delta(value: f64) -> Delta {
    Delta::new(value).unwrap()
}

fn epsilon(value: f64) -> Epsilon {
    Epsilon::new(value).unwrap()
}

fn dp_sgd(q: f64, noise: f64, steps: u64) -> Event {
    Event::dp_sgd(sigma(noise), SamplingRate::new(q).unwrap(), steps)
}

fn gaussian(noise: f64) -> Event {
    Event::Gaussian { noise_multiplier: sigma(noise) }
}
