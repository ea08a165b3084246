//! The grid the accountant promises: how wide each interval is, how long it took, and which points miss.
//!
//! `cargo bench -p reticent-accounting --bench grid` prints one line per point that misses a goal and a summary;
//! `-- --all` prints every point. Goals, one thread: width at most max(1e-3 epsilon, 1e-6) everywhere; up to 1e5
//! steps a median of 10 ms and a worst of 100 ms. Times are the thread's own where the system tells them (Linux), so that what else
//! runs beside does not count.
#![allow(clippy::print_stdout, reason = "a bench talks")]

use std::time::Instant;

use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, pld, rdp};

const SIGMAS: [f64; 7] = [0.3, 0.5, 0.8, 1.0, 2.0, 5.0, 20.0];
const RATES: [f64; 7] = [1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.5, 1.0];
const STEPS: [u64; 4] = [1, 100, 10_000, 1_000_000];
const DELTAS: [f64; 3] = [1e-5, 1e-10, 1e-20];

fn main() {
    let all = std::env::args().any(|a| a == "--all");
    let (mut times, mut slow, mut rdp_times) = (Vec::new(), Vec::new(), Vec::new());
    let (mut wide, mut failed, mut points) = (0, 0, 0);
    for steps in STEPS {
        for q in RATES {
            for sigma in SIGMAS {
                for delta in DELTAS {
                    points += 1;
                    let run = Event::dp_sgd(NoiseMultiplier::new(sigma).unwrap(), SamplingRate::new(q).unwrap(), steps);
                    let at = Delta::new(delta).unwrap();
                    let (found, ms) = timed(|| pld::epsilon(&run, at));
                    let (renyi, rdp_ms) = timed(|| rdp::epsilon(&run, at).map(|r| r.epsilon.get()));
                    rdp_times.push(rdp_ms);
                    if steps <= 100_000 {
                        times.push(ms);
                    } else {
                        slow.push(ms);
                    }
                    let late = ms > 100.0 && steps <= 100_000;
                    match found {
                        Ok(found) => {
                            let (width, goal) = (found.width(), (1e-3 * found.upper.get()).max(1e-6));
                            let bad = width > goal;
                            wide += usize::from(bad);
                            if bad || late || all {
                                println!(
                                    "sigma {sigma} q {q} T {steps} delta {delta:e}: {:.6} width {:.1e} ({:.2} of the goal) {ms:.1} ms, Renyi {renyi:?}{}",
                                    found.upper.get(),
                                    width,
                                    width / goal,
                                    if bad {
                                        " WIDE"
                                    } else if late {
                                        " LATE"
                                    } else {
                                        ""
                                    }
                                );
                            }
                        }
                        Err(error) => {
                            failed += 1;
                            println!("sigma {sigma} q {q} T {steps} delta {delta:e}: {error} ({ms:.1} ms, Renyi {renyi:?}) FAILED");
                        }
                    }
                }
            }
        }
    }
    println!("{points} points, {wide} too wide, {failed} without an answer");
    summary("PLD epsilon, up to 1e5 steps", &mut times);
    summary("PLD epsilon, 1e6 steps", &mut slow);
    summary("Renyi epsilon", &mut rdp_times);
}

/// What it makes, and how many ms of this thread that took.
fn timed<T>(of: impl FnOnce() -> T) -> (T, f64) {
    let (wall, thread) = (Instant::now(), thread_ms());
    let made = of();
    let wall = wall.elapsed().as_secs_f64() * 1e3;
    (made, thread.zip(thread_ms()).map_or(wall, |(from, to)| to - from))
}

fn thread_ms() -> Option<f64> {
    // The count is brought up to date when the thread gives way.
    std::thread::yield_now();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(told.split(' ').next()?.parse::<f64>().ok()? * 1e-6)
}

fn summary(what: &str, times: &mut [f64]) {
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!("{what}: median {:.3} ms, 90% {:.3} ms, worst {:.3} ms", at(0.5), at(0.9), at(1.0));
}
