//! The images behind single updates of a fresh network.

use crate::{CLASSES, SEED, SIDE};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use reticent_audit::update::{Differentiable, Match, Network, analytic, clipped_and_noised, error, label, matching};
use std::error::Error;

const HIDDEN: usize = 32;
const STEPS: usize = 300;
const CLIP: f64 = 1.0;
const NOISE_MULTIPLIER: f64 = 1.0;

/// Ten images, then reconstructions: exact and by search of updates as they are, and both of clipped and noised ones. Prints the errors.
pub(crate) fn of(images: &[f32], labels: &[usize]) -> Result<Vec<Vec<Vec<f64>>>, Box<dyn Error>> {
    let width = SIDE * SIDE;
    let mut rng = ChaCha20Rng::seed_from_u64(SEED);
    let mut layer = |inputs: usize, outputs: usize| -> Vec<f64> {
        let bound = 1.0 / (inputs as f64).sqrt();
        (0..(inputs + 1) * outputs).map(|_| bound * (2.0 * rng.random::<f64>() - 1.0)).collect()
    };
    let weights = [layer(width, HIDDEN), layer(HIDDEN, CLASSES)].concat();
    let network = Network::new(vec![width, HIDDEN, CLASSES], weights)?;
    let chosen: Vec<usize> = (0..CLASSES).filter_map(|c| labels.iter().position(|l| *l == c)).collect();
    let truth: Vec<Vec<f64>> = chosen.iter().map(|&i| images[i * width..(i + 1) * width].iter().map(|x| f64::from(*x)).collect()).collect();
    let mean: Vec<f64> = (0..width).map(|p| truth.iter().map(|t| t[p]).sum::<f64>() / truth.len() as f64).collect();
    println!(
        "updates: the mean of the images for each of them has error {:.3}",
        truth.iter().map(|t| error(&mean, t)).sum::<f64>() / truth.len() as f64
    );
    let mut rows = vec![truth.clone()];
    for (name, noised) in [("as they are", false), ("clipped and noised", true)] {
        let (mut exact, mut searched, mut right) = (vec![], vec![], 0);
        for (number, image) in truth.iter().enumerate() {
            let mut update = network.update(image, number)?;
            if noised {
                update = clipped_and_noised(&update, CLIP, NOISE_MULTIPLIER, number as u64);
            }
            let found = label(&network, &update)?;
            right += usize::from(found == number);
            exact.push(analytic(&network, &update)?.ok_or("no bias moves")?.into_iter().map(|x| x.clamp(-1.0, 1.0)).collect::<Vec<f64>>());
            let by = Match::Cosine { smooth: 0.02, image: [SIDE, SIDE] };
            searched.push(matching(&network, &update, found, by, STEPS, SEED)?);
        }
        let mean = |found: &[Vec<f64>]| found.iter().zip(&truth).map(|(f, t)| error(f, t)).sum::<f64>() / truth.len() as f64;
        println!("updates {name}: error exact {:.1e}, by search {:.3}; labels {right} of {}", mean(&exact), mean(&searched), truth.len());
        rows.extend([exact, searched]);
    }
    Ok(rows)
}
