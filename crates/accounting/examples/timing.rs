//! Times and prints the certified interval over a table of runs.
#![expect(clippy::print_stdout, reason = "a program for people to read")]
use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, pld, rdp};

fn main() -> Result<(), reticent_accounting::Error> {
    for (q, sigma, steps, delta) in [
        (0.01, 4.0, 10_000, 1e-5),
        (256.0 / 60_000.0, 1.3, 3_515, 1e-5),
        (256.0 / 60_000.0, 1.1, 14_062, 1e-5),
        (256.0 / 60_000.0, 0.7, 10_546, 1e-5),
        (0.001, 1.0, 10_000, 1e-6),
        (0.01, 0.5, 1_000, 1e-5),
        (0.08192, 3.0, 2_000, 1e-5),
        (0.5, 10.0, 100, 1e-5),
        (0.005, 0.8, 1_000, 1e-6),
        (1.0, 20.0, 100, 1e-5),
        (1e-5, 1.0, 1_000_000, 1e-5),
        (0.01, 1.0, 1, 1e-5),
        (0.01, 1.0, 1_000_000, 1e-5),
        (0.01, 0.7, 10_000, 1e-20),
    ] {
        let run = Event::dp_sgd(NoiseMultiplier::new(sigma)?, SamplingRate::new(q)?, steps);
        let delta = Delta::new(delta)?;
        let start = std::time::Instant::now();
        let found = pld::epsilon(&run, delta);
        let elapsed = start.elapsed();
        let loose = rdp::epsilon(&run, delta)?;
        match found {
            Ok(found) => println!(
                "q {q:<8.6} sigma {sigma:<4} T {steps:<8} delta {delta}: {found:.7} width {:.1e} in {elapsed:.1?}; renyi {:.6} at order {:.2}",
                found.width(),
                loose.epsilon.get(),
                loose.order.get()
            ),
            Err(error) => println!("q {q} sigma {sigma} T {steps}: {error} in {elapsed:.1?}; renyi {:.6}", loose.epsilon.get()),
        }
    }
    Ok(())
}
