//! Convolutions with tanh after them and a linear softmax head, in 64 bits: what an attacker differentiates of a small network of images.

use super::{Differentiable, Slopes};
use crate::Error;
use crate::folds::{finite, same_length};

/// One convolution: square filters over all channels, zeros around the image by half a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filters {
    /// Number of filters: channels that come out.
    pub channels: usize,
    /// Side of a filter, an odd number.
    pub side: usize,
    /// Pixels from one place of a filter to the next.
    pub stride: usize,
}

/// A convolutional network as a function of its weights. The weights are a model's: no `Debug`.
///
/// `weights` holds for each convolution its filters (`channels × channels before × side × side`) and their biases, then the head's matrix
/// (`classes × features`, features by channel, row and column) and its biases. Inputs are images, by channel, row and column.
#[derive(Clone)]
pub struct Convolutions {
    layers: Vec<Layer>,
    classes: usize,
    weights: Vec<f64>,
}

/// A layer in its place: channels, height and width of what it is given and of what it gives.
#[derive(Clone, Copy)]
struct Layer {
    filters: Filters,
    before: [usize; 3],
    after: [usize; 3],
    /// First weight, and first bias.
    first: usize,
    biases: usize,
}

impl Convolutions {
    /// For images of these channels, height and width. Without filters it is softmax regression.
    ///
    /// # Errors
    /// [`Error::Length`] where the weights are not of that number, [`Error::NotANumber`]; [`Error::OutOfRange`] for an empty image, no class, no filter, a
    /// stride of 0 or an even side.
    pub fn new(image: [usize; 3], filters: &[Filters], classes: usize, weights: Vec<f64>) -> Result<Self, Error> {
        if image.contains(&0) || classes == 0 {
            return Err(Error::OutOfRange { quantity: "pixels or classes", value: 0.0, range: "at least 1" });
        }
        let (mut layers, mut before, mut first) = (vec![], image, 0);
        for &filters in filters {
            if filters.channels == 0 || filters.stride == 0 || filters.side % 2 == 0 {
                return Err(Error::OutOfRange {
                    quantity: "side of a filter",
                    value: filters.side as f64,
                    range: "odd, with channels and a stride of at least 1",
                });
            }
            let after = [filters.channels, before[1].div_ceil(filters.stride), before[2].div_ceil(filters.stride)];
            let biases = first + filters.channels * before[0] * filters.side * filters.side;
            layers.push(Layer { filters, before, after, first, biases });
            (before, first) = (after, biases + filters.channels);
        }
        same_length("weights", weights.len(), first + (size(before) + 1) * classes)?;
        finite(&weights)?;
        Ok(Self { layers, classes, weights })
    }

    /// Number of weights of such a network.
    ///
    /// # Errors
    /// As [`Self::new`], but for those of weights.
    pub fn count(image: [usize; 3], filters: &[Filters], classes: usize) -> Result<usize, Error> {
        match Self::new(image, filters, classes, vec![]) {
            Err(Error::Length { expected, .. }) => Ok(expected),
            other => other.map(|network| network.weights.len()),
        }
    }

    fn head(&self) -> (usize, usize) {
        let biases = self.weights.len() - self.classes;
        (self.layers.last().map_or(0, |l| l.biases + l.filters.channels), biases)
    }

    /// ln p of each class, and what every layer and the head were given.
    fn forward(&self, weights: &[f64], input: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let mut given = vec![input.to_vec()];
        for layer in &self.layers {
            let x = &given[given.len() - 1];
            let pixels = layer.after[1] * layer.after[2];
            let mut z: Vec<f64> = (0..size(layer.after)).map(|o| weights[layer.biases + o / pixels]).collect();
            layer.taps(|out, weight, place| z[out] += weights[weight] * x[place]);
            given.push(z.into_iter().map(f64::tanh).collect());
        }
        let (matrix, biases) = self.head();
        let x = &given[given.len() - 1];
        let rows = weights[matrix..biases].chunks_exact(x.len()).zip(&weights[biases..]);
        let logits: Vec<f64> = rows.map(|(w, b)| b + w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>()).collect();
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let all = most + logits.iter().map(|l| (l - most).exp()).sum::<f64>().ln();
        (logits.iter().map(|l| l - all).collect(), given)
    }
}

fn size([channels, height, width]: [usize; 3]) -> usize {
    channels * height * width
}

impl Layer {
    /// Calls with every product of the convolution: number of the output, of the weight, and of the input. What lies around the image is 0 and left out.
    fn taps(&self, mut tap: impl FnMut(usize, usize, usize)) {
        let ([channels, height, width], Filters { channels: filters, side, stride }) = (self.before, self.filters);
        let (rows, columns, around) = (self.after[1], self.after[2], side / 2);
        for filter in 0..filters {
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                let out = (filter * rows + row) * columns + column;
                for channel in 0..channels {
                    for (dy, dx) in (0..side).flat_map(|dy| (0..side).map(move |dx| (dy, dx))) {
                        let (y, x) = ((row * stride + dy).wrapping_sub(around), (column * stride + dx).wrapping_sub(around));
                        if y < height && x < width {
                            let weight = self.first + ((filter * channels + channel) * side + dy) * side + dx;
                            tap(out, weight, (channel * height + y) * width + x);
                        }
                    }
                }
            }
        }
    }
}

impl Differentiable for Convolutions {
    fn inputs(&self) -> usize {
        self.layers.first().map_or_else(|| (self.weights.len() / self.classes) - 1, |l| size(l.before))
    }

    fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn last_biases(&self) -> std::ops::Range<usize> {
        self.weights.len() - self.classes..self.weights.len()
    }

    fn slopes(&self, weights: &[f64], input: &[f64], label: usize) -> Slopes {
        let (log_p, given) = self.forward(weights, input);
        let mut slopes = vec![0.0; weights.len()];
        let (matrix, biases) = self.head();
        let features = &given[given.len() - 1];
        let mut back = vec![0.0; features.len()];
        for (class, l) in log_p.iter().enumerate() {
            let d = l.exp() - f64::from(u8::from(class == label));
            slopes[biases + class] = d;
            for (i, x) in features.iter().enumerate() {
                let weight = matrix + class * features.len() + i;
                slopes[weight] = d * x;
                back[i] += d * weights[weight];
            }
        }
        for (layer, given) in self.layers.iter().zip(given.windows(2)).rev() {
            let [x, gave] = given else { unreachable!("windows of two") };
            back.iter_mut().zip(gave).for_each(|(b, t)| *b *= 1.0 - t * t);
            let pixels = layer.after[1] * layer.after[2];
            for (filter, d) in back.chunks_exact(pixels).enumerate() {
                slopes[layer.biases + filter] = d.iter().sum();
            }
            let mut to_inputs = vec![0.0; x.len()];
            layer.taps(|out, weight, place| {
                slopes[weight] += back[out] * x[place];
                to_inputs[place] += back[out] * weights[weight];
            });
            back = to_inputs;
        }
        Slopes { weights: slopes, inputs: back }
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::tests::assert_are_differences;
    use super::super::{Match, clipped_and_noised, error, label, matching};
    use super::*;
    use crate::testing;

    fn filters(channels: usize, side: usize, stride: usize) -> Filters {
        Filters { channels, side, stride }
    }

    fn made(image: [usize; 3], layers: &[Filters], classes: usize, seed: u64) -> Convolutions {
        let mut rng = testing::rng(seed);
        let count = Convolutions::count(image, layers, classes).unwrap();
        Convolutions::new(image, layers, classes, (0..count).map(|_| 0.3 * testing::normal(&mut rng)).collect()).unwrap()
    }

    /// An image of 2 × 3 under one filter of 3 × 3 that looks one pixel to the right and one down, every second column: out come the sums there.
    #[test]
    fn a_filter_by_hand() {
        let mut weights = vec![0.0; 9 + 1 + 3];
        (weights[5], weights[7], weights[9]) = (1.0, 10.0, 0.5);
        // A head that is sure of class 0 by the first feature alone would need two classes; with one, p is 1 whatever comes in.
        let network = Convolutions::new([1, 2, 3], &[filters(1, 3, 2)], 1, weights).unwrap();
        let given = network.forward(&network.weights, &[0.01, 0.02, 0.03, 0.04, 0.05, 0.06]).1;
        let expected = [0.02 + 10.0 * 0.04 + 0.5, 10.0 * 0.06 + 0.5].map(f64::tanh);
        assert!(given[1].len() == 2 && given[1].iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-15), "{:?}", given[1]);
    }

    /// By differences of the loss, for every weight and input; sides, strides and channels of several kinds.
    #[test]
    fn slopes_equal_differences() {
        for (image, layers) in [
            ([1, 4, 5], vec![filters(2, 3, 1)]),
            ([2, 5, 4], vec![filters(3, 3, 2), filters(2, 1, 1)]),
            ([1, 6, 6], vec![filters(2, 5, 2), filters(3, 3, 2)]),
            ([1, 2, 2], vec![]),
        ] {
            let network = made(image, &layers, 3, 5);
            let input: Vec<f64> = (0..size(image)).map(|i| (1.3 * i as f64 + 0.5).sin()).collect();
            let loss = |weights: &[f64], input: &[f64]| -network.forward(weights, input).0[1];
            let found = network.slopes(network.weights(), &input, 1);
            assert_eq!(network.inputs(), input.len());
            assert_are_differences(&found, loss, network.weights(), &input);
        }
    }

    /// Bars on grey: the image behind one update comes out, and its label; that of another image is farther off than its own by far, and a clipped and
    /// noised update leads nowhere.
    #[test]
    fn an_image_comes_out_of_its_update() {
        let network = made([1, 6, 6], &[filters(4, 3, 1), filters(4, 3, 2)], 4, 9);
        let image = |unit: usize| (0..36).map(|i| if (i / 6 + unit * (i % 6)) % 5 < 2 { 0.7 } else { -0.4 }).collect::<Vec<f64>>();
        let by = Match::Cosine { smooth: 1e-3, image: [6, 6] };
        let mut found = vec![];
        for unit in 0..4 {
            let update = network.update(&image(unit), unit).unwrap();
            assert_eq!(label(&network, &update).unwrap(), unit);
            found.push(matching(&network, &update, unit, by, 400, unit as u64).unwrap());
            let noised = clipped_and_noised(&update, 1.0, 1.0, unit as u64);
            let lost = matching(&network, &noised, unit, by, 400, unit as u64).unwrap();
            assert!(error(&lost, &image(unit)) > 0.3, "{unit}: {}", error(&lost, &image(unit)));
        }
        for (unit, found) in found.iter().enumerate() {
            let own = error(found, &image(unit));
            let nearest = (0..4).filter(|o| *o != unit).map(|o| error(found, &image(o))).fold(f64::INFINITY, f64::min);
            assert!(own < 0.1 && nearest > 0.3, "{unit}: {own} {nearest}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let new = |image, layers: &[Filters], classes, count| Convolutions::new(image, layers, classes, vec![0.0; count]);
        assert!(new([1, 2, 2], &[filters(1, 3, 1)], 2, 9 + 1 + 10).is_ok());
        assert!(matches!(new([1, 2, 2], &[filters(1, 3, 1)], 2, 3), Err(Error::Length { expected: 20, .. })));
        for odd in [filters(1, 2, 1), filters(0, 3, 1), filters(1, 3, 0)] {
            assert!(matches!(new([1, 2, 2], &[odd], 2, 20), Err(Error::OutOfRange { .. })), "{odd:?}");
        }
        assert!(matches!(new([1, 0, 2], &[], 2, 2), Err(Error::OutOfRange { .. })));
        assert!(matches!(new([1, 2, 2], &[], 0, 0), Err(Error::OutOfRange { .. })));
        assert!(matches!(Convolutions::new([1, 1, 1], &[], 1, vec![f64::NAN; 2]), Err(Error::NotANumber { .. })));
        let network = made([1, 2, 2], &[], 2, 1);
        assert!(matches!(network.update(&[0.0; 3], 0), Err(Error::Length { .. })));
        assert!(matches!(network.update(&[0.0; 4], 2), Err(Error::OutOfRange { .. })));
    }
}
