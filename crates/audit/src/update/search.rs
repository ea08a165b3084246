//! The search for an input whose own update is like the observed one.

use super::{Differentiable, Slopes};
use crate::{Error, folds};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// What counts as alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Match {
    /// The squared distance of the updates (DLG, Zhu, Liu and Han 2019, with the label of iDLG).
    Distance,
    /// 1 − cosine of the updates, and `smooth` times the total variation of an image of this height and width (Geiping et al. 2020).
    Cosine {
        /// Weight of the total variation; 0 for inputs that are no image.
        smooth: f64,
        /// Height and width; their product is the number of inputs.
        image: [usize; 2],
    },
}

/// Step of Adam in units of the inputs, which lie between −1 and 1; it falls to a hundredth.
const STEP: f64 = 0.1;
/// Of the difference that gives a mixed second derivative, relative to the length of the direction.
const DIFFERENCE: f64 = 1e-5;

/// Minimises the difference between the observed update and that of an input with this label, from a random input between −1 and 1, by Adam with
/// `steps` steps; the best input on the way. Inputs stay within the bounds.
///
/// The slope of the difference by the input, a mixed second derivative of the loss, comes from two first derivatives: with v the slope of the difference
/// by the update, it is how the input's slope changes along v in the weights.
///
/// ```
/// use reticent_audit::update::{Differentiable, Match, Network, error, matching};
/// let network = Network::new(vec![3, 4, 2], (0..26).map(|i| (1.7 * f64::from(i)).sin()).collect())?;
/// let input = [0.5, -0.7, 0.25];
/// let found = matching(&network, &network.update(&input, 1)?, 1, Match::Distance, 400, 1)?;
/// assert!(error(&found, &input) < 0.05);
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::Length`], [`Error::NotANumber`]; [`Error::OutOfRange`] for a label that is no class.
pub fn matching(network: &dyn Differentiable, update: &[f64], label: usize, by: Match, steps: usize, seed: u64) -> Result<Vec<f64>, Error> {
    super::fits(network, update)?;
    super::is_class(label, network.classes())?;
    if let Match::Cosine { image, .. } = by {
        folds::same_length("pixels", image[0] * image[1], network.inputs())?;
    }
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut x: Vec<f64> = (0..network.inputs()).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect();
    let (mut first, mut second) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    let mut best = (f64::INFINITY, x.clone());
    for step in 1..=steps {
        let (value, slope) = difference(network, update, label, by, &x);
        if value < best.0 {
            best = (value, x.clone());
        }
        let left = 1.0 - (step - 1) as f64 / steps as f64;
        let rate = STEP * (0.01 + 0.99 * left * left);
        let (bias1, bias2) = (1.0 - 0.9_f64.powi(step as i32), 1.0 - 0.999_f64.powi(step as i32));
        for i in 0..x.len() {
            first[i] = 0.9 * first[i] + 0.1 * slope[i];
            second[i] = 0.999 * second[i] + 0.001 * slope[i] * slope[i];
            x[i] = (x[i] - rate * (first[i] / bias1) / ((second[i] / bias2).sqrt() + 1e-12)).clamp(-1.0, 1.0);
        }
    }
    Ok(best.1)
}

/// How far an input's update is from the observed one, and the slope of that by the input.
fn difference(network: &dyn Differentiable, observed: &[f64], label: usize, by: Match, x: &[f64]) -> (f64, Vec<f64>) {
    let own = network.slopes(network.weights(), x, label).weights;
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (mut value, along): (f64, Vec<f64>) = match by {
        Match::Distance => {
            let off: Vec<f64> = own.iter().zip(observed).map(|(a, b)| a - b).collect();
            (dot(&off, &off), off.into_iter().map(|o| 2.0 * o).collect())
        }
        Match::Cosine { .. } => {
            let (a, b) = (dot(&own, &own).sqrt().max(1e-300), dot(observed, observed).sqrt().max(1e-300));
            let cosine = dot(&own, observed) / (a * b);
            (1.0 - cosine, own.iter().zip(observed).map(|(g, o)| cosine * g / (a * a) - o / (a * b)).collect())
        }
    };
    let length = dot(&along, &along).sqrt();
    let mut slope = vec![0.0; x.len()];
    if length > 0.0 {
        let h = DIFFERENCE / length;
        let moved = |sign: f64| -> Slopes {
            let weights: Vec<f64> = network.weights().iter().zip(&along).map(|(w, v)| w + sign * h * v).collect();
            network.slopes(&weights, x, label)
        };
        let (up, down) = (moved(1.0).inputs, moved(-1.0).inputs);
        slope = up.iter().zip(&down).map(|(u, d)| (u - d) / (2.0 * h)).collect();
    }
    if let Match::Cosine { smooth, image: [height, width] } = by {
        let weight = smooth / x.len() as f64;
        for row in 0..height {
            for column in 0..width {
                let at = row * width + column;
                for other in [(column + 1 < width).then_some(at + 1), (row + 1 < height).then_some(at + width)].into_iter().flatten() {
                    let jump = x[other] - x[at];
                    value += weight * jump.abs();
                    let sign = if jump == 0.0 { 0.0 } else { jump.signum() };
                    slope[other] += weight * sign;
                    slope[at] -= weight * sign;
                }
            }
        }
    }
    (value, slope)
}

#[cfg(test)]
mod tests {
    use super::super::network::tests::made;
    use super::*;
    use crate::testing;

    const IMAGE: Match = Match::Cosine { smooth: 0.3, image: [3, 4] };

    /// The mixed second derivative beside differences of the objective itself.
    #[test]
    fn the_slope_equals_differences() {
        let network = made(&[12, 10, 5], 7);
        let mut rng = testing::rng(8);
        let mut input = || (0..12).map(|_| testing::normal(&mut rng).tanh()).collect::<Vec<f64>>();
        let (observed, x) = (network.update(&input(), 2).unwrap(), input());
        for by in [Match::Distance, IMAGE] {
            let (_, slope) = difference(&network, &observed, 2, by, &x);
            for (i, slope) in slope.iter().enumerate() {
                let at = |h: f64| {
                    let moved: Vec<f64> = x.iter().enumerate().map(|(j, x)| if i == j { x + h } else { *x }).collect();
                    difference(&network, &observed, 2, by, &moved).0
                };
                let by_difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((by_difference - slope).abs() < 1e-6 * (1.0 + slope.abs()), "{by:?} {i}: {by_difference} {slope}");
            }
        }
    }

    /// Ten units each: an update as it is leads to its input, by distance and by cosine; noise of half its length over all coordinates does not.
    #[test]
    fn finds_the_input_of_an_update_as_it_is() {
        let network = made(&[12, 16, 5], 9);
        let mut rng = testing::rng(10);
        for by in [Match::Distance, Match::Cosine { smooth: 0.0, image: [3, 4] }] {
            for unit in 0..5 {
                let input: Vec<f64> = (0..12).map(|_| (0.7 * testing::normal(&mut rng)).tanh()).collect();
                let update = network.update(&input, unit % 5).unwrap();
                let found = matching(&network, &update, unit % 5, by, 600, unit as u64).unwrap();
                assert!(super::super::error(&found, &input) < 0.02, "{by:?} {unit}: {}", super::super::error(&found, &input));
                let noise: Vec<f64> = update.iter().map(|u| u + 1.0 * testing::normal(&mut rng)).collect();
                let lost = matching(&network, &noise, unit % 5, by, 600, unit as u64).unwrap();
                assert!(super::super::error(&lost, &input) > 0.2, "{by:?} {unit}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let network = made(&[12, 5], 1);
        let update = vec![0.0; 65];
        assert!(matches!(matching(&network, &update, 5, Match::Distance, 1, 0), Err(Error::OutOfRange { .. })));
        assert!(matches!(matching(&network, &update[1..], 0, Match::Distance, 1, 0), Err(Error::Length { .. })));
        let image = Match::Cosine { smooth: 0.1, image: [3, 3] };
        assert!(matches!(matching(&network, &update, 0, image, 1, 0), Err(Error::Length { .. })));
        // Nothing to match: the start stays, within its bounds.
        assert!(matching(&network, &update, 0, IMAGE, 3, 0).unwrap().iter().all(|x| x.abs() <= 1.0));
    }
}
