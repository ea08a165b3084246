//! Fully connected layers with tanh between them and a softmax at the end, in 64 bits: what an attacker differentiates.

use super::{Differentiable, Slopes};
use crate::Error;
use crate::folds::same_length;

/// A network as a function of its weights. The weights are a model's: no `Debug`.
///
/// `weights` holds for each layer its matrix, `outputs × inputs` row by row, then its biases.
#[derive(Clone)]
pub struct Network {
    widths: Vec<usize>,
    weights: Vec<f64>,
}

impl Network {
    /// Layers of these widths, inputs first, classes last; without a hidden layer softmax regression.
    ///
    /// # Errors
    /// [`Error::Length`] where the weights are not of that number, [`Error::NotANumber`]; [`Error::OutOfRange`] for fewer than two widths or an empty layer.
    pub fn new(widths: Vec<usize>, weights: Vec<f64>) -> Result<Self, Error> {
        if widths.len() < 2 || widths.contains(&0) {
            return Err(Error::OutOfRange { quantity: "widths", value: widths.len() as f64, range: "two or more, none of them 0" });
        }
        same_length("weights", weights.len(), widths.windows(2).map(|w| (w[0] + 1) * w[1]).sum())?;
        crate::folds::finite(&weights)?;
        Ok(Self { widths, weights })
    }

    /// Where the matrix and the biases of a layer lie among the weights: first of the matrix, first of the biases, end.
    pub(super) fn layer(&self, index: usize) -> (usize, usize, usize) {
        let before: usize = self.widths[..=index].windows(2).map(|w| (w[0] + 1) * w[1]).sum();
        let (inputs, outputs) = (self.widths[index], self.widths[index + 1]);
        (before, before + inputs * outputs, before + (inputs + 1) * outputs)
    }

    pub(super) fn layers(&self) -> usize {
        self.widths.len() - 1
    }

    /// ln p of each class, and what every layer was given.
    fn forward(&self, weights: &[f64], input: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let mut given = vec![input.to_vec()];
        for layer in 0..self.layers() {
            let (matrix, biases, end) = self.layer(layer);
            let x = &given[layer];
            let rows = weights[matrix..biases].chunks_exact(x.len()).zip(&weights[biases..end]);
            let z: Vec<f64> = rows.map(|(w, b)| b + w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>()).collect();
            given.push(if layer + 1 < self.layers() { z.into_iter().map(f64::tanh).collect() } else { z });
        }
        let logits = given.pop().expect("there is a layer");
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let all = most + logits.iter().map(|l| (l - most).exp()).sum::<f64>().ln();
        (logits.iter().map(|l| l - all).collect(), given)
    }

    /// p of a class and its slope by the inputs.
    ///
    /// # Errors
    /// [`Error::Length`] for other than [`Differentiable::inputs`] inputs; [`Error::OutOfRange`] for a class that is none.
    pub fn confidence(&self, input: &[f64], class: usize) -> Result<(f64, Vec<f64>), Error> {
        same_length("inputs", input.len(), self.inputs())?;
        super::is_class(class, self.classes())?;
        let p = self.forward(&self.weights, input).0[class].exp();
        // The slope of p is −p times that of −ln p.
        Ok((p, self.slopes(&self.weights, input, class).inputs.into_iter().map(|s| -p * s).collect()))
    }
}

impl Differentiable for Network {
    fn inputs(&self) -> usize {
        self.widths[0]
    }

    fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn last_biases(&self) -> std::ops::Range<usize> {
        let (_, biases, end) = self.layer(self.layers() - 1);
        biases..end
    }

    fn slopes(&self, weights: &[f64], input: &[f64], label: usize) -> Slopes {
        let (log_p, given) = self.forward(weights, input);
        let mut back: Vec<f64> = log_p.iter().enumerate().map(|(c, l)| l.exp() - f64::from(u8::from(c == label))).collect();
        let mut slopes = Slopes { weights: vec![0.0; weights.len()], inputs: vec![] };
        for layer in (0..self.layers()).rev() {
            let (matrix, biases, end) = self.layer(layer);
            let x = &given[layer];
            slopes.weights[biases..end].copy_from_slice(&back);
            let mut to_inputs = vec![0.0; x.len()];
            for (o, d) in back.iter().enumerate() {
                let row = matrix + o * x.len();
                for (i, x) in x.iter().enumerate() {
                    slopes.weights[row + i] = d * x;
                    to_inputs[i] += d * weights[row + i];
                }
            }
            if layer > 0 {
                // What a layer was given is tanh of what the one before gave.
                to_inputs.iter_mut().zip(x).for_each(|(t, x)| *t *= 1.0 - x * x);
            }
            back = to_inputs;
        }
        slopes.inputs = back;
        slopes
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing;

    pub(crate) fn made(widths: &[usize], seed: u64) -> Network {
        let mut rng = testing::rng(seed);
        let weights = widths.windows(2).flat_map(|w| {
            let spread = 1.0 / (w[0] as f64).sqrt();
            (0..(w[0] + 1) * w[1]).map(|_| spread * testing::normal(&mut rng)).collect::<Vec<f64>>()
        });
        Network::new(widths.to_vec(), weights.collect()).unwrap()
    }

    /// Slow oracle: the slopes of a loss by differences, for every weight and input.
    pub(crate) fn assert_are_differences(found: &Slopes, loss: impl Fn(&[f64], &[f64]) -> f64, weights: &[f64], input: &[f64]) {
        let moved = |v: &[f64], i: usize, h: f64| v.iter().enumerate().map(|(j, v)| if i == j { v + h } else { *v }).collect::<Vec<f64>>();
        let slope = |by: &dyn Fn(f64) -> f64| (by(1e-5) - by(-1e-5)) / 2e-5;
        assert_eq!((found.weights.len(), found.inputs.len()), (weights.len(), input.len()));
        for (i, of_weight) in found.weights.iter().enumerate() {
            assert!((slope(&|h| loss(&moved(weights, i, h), input)) - of_weight).abs() < 1e-8, "weight {i} of {}", weights.len());
        }
        for (i, of_input) in found.inputs.iter().enumerate() {
            assert!((slope(&|h| loss(weights, &moved(input, i, h))) - of_input).abs() < 1e-8, "input {i} of {}", input.len());
        }
    }

    /// By differences of the loss, for every weight and input.
    #[test]
    fn slopes_equal_differences() {
        for widths in [&[4, 3][..], &[4, 5, 3], &[3, 4, 4, 2]] {
            let network = made(widths, 5);
            let input: Vec<f64> = (0..widths[0]).map(|i| (i as f64 + 0.5).sin()).collect();
            let loss = |weights: &[f64], input: &[f64]| -network.forward(weights, input).0[1];
            let found = network.slopes(network.weights(), &input, 1);
            assert_are_differences(&found, loss, network.weights(), &input);
            let (p, slope) = network.confidence(&input, 1).unwrap();
            assert!((p - (-loss(network.weights(), &input)).exp()).abs() < 1e-12);
            assert!(slope.iter().zip(&found.inputs).all(|(s, f)| (s + p * f).abs() < 1e-12));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(matches!(Network::new(vec![2, 2], vec![0.0; 5]), Err(Error::Length { expected: 6, .. })));
        assert!(matches!(Network::new(vec![2], vec![]), Err(Error::OutOfRange { .. })));
        assert!(matches!(Network::new(vec![2, 0], vec![]), Err(Error::OutOfRange { .. })));
        assert!(matches!(Network::new(vec![1, 1], vec![f64::NAN; 2]), Err(Error::NotANumber { .. })));
        let network = made(&[2, 2], 1);
        assert!(matches!(network.update(&[0.0], 0), Err(Error::Length { .. })));
        assert!(matches!(network.update(&[0.0; 2], 2), Err(Error::OutOfRange { .. })));
    }
}
