//! Draws per second on one core: `cargo bench -p reticent-accounting --bench samplers`.

#![allow(clippy::print_stdout, reason = "a bench talks")]

use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use reticent_accounting::sample::{DiscreteGaussian, DiscreteLaplace, Ratio, VectorNoise};

/// The median of nine runs, in millions a second.
fn rate(draws: usize, mut run: impl FnMut()) -> f64 {
    let mut rates: Vec<f64> = (0..9)
        .map(|_| {
            let start = Instant::now();
            run();
            draws as f64 / start.elapsed().as_secs_f64() / 1e6
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    rates[4]
}

fn main() {
    // Not for use: a seed, so that runs can be compared.
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut bytes = vec![0_u8; 1 << 24];
    let words = rate(bytes.len() / 8, || rng.fill_bytes(&mut bytes));
    println!("random words alone: {words:.0} million a second");
    for bits in [0, 3, 10, 20, 30] {
        let sigma = 1_u64 << bits;
        let mut vector = vec![0_i64; 2_000_000];
        let gaussian = VectorNoise::gaussian(Ratio::new(sigma * sigma, 1).unwrap()).unwrap();
        let laplace = VectorNoise::laplace(Ratio::new(sigma, 1).unwrap()).unwrap();
        let (fast, fast_laplace) =
            (rate(vector.len(), || gaussian.fill(&mut vector, &mut rng)), rate(vector.len(), || laplace.fill(&mut vector, &mut rng)));
        let (gaussian, laplace) = (
            DiscreteGaussian::new(Ratio::new(sigma * sigma, 1).unwrap()).unwrap(),
            DiscreteLaplace::new(Ratio::new(sigma, 1).unwrap()).unwrap(),
        );
        let draws = 5_000;
        let slow = rate(draws, || vector.iter_mut().take(draws).for_each(|place| *place = gaussian.sample(&mut rng)));
        let slow_laplace = rate(draws, || vector.iter_mut().take(draws).for_each(|place| *place = laplace.sample(&mut rng)));
        println!(
            "scale 2^{bits}: Gaussian {fast:.1} million a second ({:.0} times the exact one's {slow:.3}), Laplace {fast_laplace:.1} ({:.0} times {slow_laplace:.3})",
            fast / slow,
            fast_laplace / slow_laplace,
        );
    }
}
