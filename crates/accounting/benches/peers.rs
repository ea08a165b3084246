//! The cases that the peers' scripts time, timed here: one JSON line each, for `cargo xtask peers accounting`.
#![allow(clippy::print_stdout, reason = "a bench talks")]

use std::time::Instant;

use reticent_accounting::calibrate::{self, Accountant};
use reticent_accounting::{Delta, Epsilon, Event, NoiseMultiplier, SamplingRate, pld, rdp};

fn main() {
    let delta = Delta::new(1e-5).unwrap();
    let mut runs = Vec::new();
    for noise in [0.5, 0.8, 1.0, 2.0, 5.0] {
        for rate in [1e-4, 1e-3, 1e-2, 1e-1] {
            for steps in [100, 1_000, 10_000, 100_000] {
                runs.push(Event::dp_sgd(NoiseMultiplier::new(noise).unwrap(), SamplingRate::new(rate).unwrap(), steps));
            }
        }
    }
    let time = |ask: &dyn Fn(&Event) -> bool| {
        let mut times: Vec<f64> = runs
            .iter()
            .map(|run| {
                let start = Instant::now();
                assert!(ask(run), "{run}");
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        (times[times.len() / 2], times[times.len() - 1])
    };
    let (median, worst) = time(&|run| pld::epsilon(run, delta).is_ok());
    println!("{{\"case\":\"epsilon by PLD\",\"ms\":{median},\"worst_ms\":{worst}}}");
    let (median, worst) = time(&|run| rdp::epsilon(run, delta).is_ok());
    println!("{{\"case\":\"epsilon by RDP\",\"ms\":{median},\"worst_ms\":{worst}}}");
    for (target, rate, steps) in [(1.0, 0.0064, 1570), (1.0, 0.01, 10_000), (8.0, 0.01, 10_000), (3.0, 0.001, 100_000), (0.1, 0.01, 1_000)]
    {
        for (name, accountant) in [("PLD", Accountant::Pld), ("RDP", Accountant::Rdp)] {
            let run = |noise| Event::dp_sgd(noise, SamplingRate::new(rate).unwrap(), steps);
            let start = Instant::now();
            let found = calibrate::noise_multiplier(Epsilon::new(target).unwrap(), delta, 1e-3, accountant, run).unwrap();
            let ms = start.elapsed().as_secs_f64() * 1e3;
            println!(
                "{{\"case\":\"noise by {name}\",\"epsilon\":{target},\"rate\":{rate},\"steps\":{steps},\"noise\":{found},\"ms\":{ms}}}"
            );
        }
    }
}
