//! The models that `reticent.toml` can name.

use crate::Batch;
use crate::nn::{Linear, tanh};
use crate::noise::NotPrivateSeed;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use serde::{Deserialize, Serialize};

/// What kind of classifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Architecture {
    /// Softmax regression; with two classes, logistic regression.
    Logistic,
    /// Fully connected layers with tanh between them.
    Mlp {
        /// Width of each hidden layer.
        hidden: Vec<usize>,
    },
}

/// A classifier on encoded rows.
#[derive(Module, Debug)]
pub struct Classifier {
    pub(crate) layers: Vec<Linear>,
}

impl Classifier {
    /// A fresh model for `inputs` encoded inputs and `classes` classes. Its first weights are public: they come from a stated seed.
    #[must_use]
    pub fn new(architecture: &Architecture, inputs: usize, classes: usize, seed: NotPrivateSeed, device: &Device) -> Self {
        let layers = match architecture {
            Architecture::Logistic => vec![Linear::zeros(inputs, classes, device)],
            Architecture::Mlp { hidden } => {
                let mut rng = seed.rng();
                let widths: Vec<usize> = [inputs].into_iter().chain(hidden.iter().copied()).collect();
                let mut layers: Vec<Linear> = widths.windows(2).map(|w| Linear::uniform(w[0], w[1], device, &mut rng)).collect();
                layers.push(Linear::zeros(widths[widths.len() - 1], classes, device));
                layers
            }
        };
        Self { layers }
    }

    /// Logits, `[rows, classes]`.
    #[must_use]
    pub fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                x = tanh(x);
            }
            x = layer.forward(x);
        }
        x
    }

    /// Class probabilities of encoded rows, row-major `rows × classes`.
    ///
    /// # Panics
    /// Where `inputs` is no whole number of rows.
    #[must_use]
    pub fn probabilities(&self, inputs: &[f32], width: usize) -> Vec<f64> {
        assert_eq!(inputs.len() % width, 0, "whole rows");
        if inputs.is_empty() {
            return vec![];
        }
        let device = Device::flex();
        let x = Tensor::from_data(TensorData::new(inputs.to_vec(), [inputs.len() / width, width]), &device);
        let p: Vec<f32> = activation::softmax(self.valid().forward(x), 1).into_data().try_to_vec().expect("f32 out as f32 in");
        p.into_iter().map(f64::from).collect()
    }
}

/// Cross-entropy of each row, zero for padding.
pub(crate) fn losses(model: &Classifier, batch: &Batch) -> Tensor<1> {
    let logits = model.forward(batch.inputs.clone());
    let labels: Tensor<2, Int> = batch.labels.clone().unsqueeze_dim(1);
    let log_p = activation::log_softmax(logits, 1);
    let (labels, mask) =
        if log_p.is_autodiff() { (labels.autodiff(), batch.mask.clone().autodiff()) } else { (labels, batch.mask.clone()) };
    let row: Tensor<1> = log_p.gather(1, labels).squeeze_dim(1);
    (row * mask).neg()
}
