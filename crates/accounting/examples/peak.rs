//! Peak memory of one answer: `cargo run --release -p reticent-accounting --example peak -- 0.5 1e-5 1000000 1e-5`
//! prints epsilon for this noise, rate, steps and delta, how long it took, and the process's largest resident set.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example talks, and may fail")]

use std::time::Instant;

use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, pld};

fn main() {
    let given: Vec<f64> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let [noise, rate, steps, delta] = given[..] else { panic!("noise rate steps delta") };
    let run = Event::dp_sgd(NoiseMultiplier::new(noise).unwrap(), SamplingRate::new(rate).unwrap(), steps as u64);
    let start = Instant::now();
    let found = pld::epsilon(&run, Delta::new(delta).unwrap()).unwrap();
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("VmHWM unknown here");
    println!("{:.7} {:.7} width {:.2e} {ms:.0} ms {peak}", found.lower.get(), found.upper.get(), found.width());
}
