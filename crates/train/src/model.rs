//! The models that `reticent.toml` can name.

use crate::features::Features;
use crate::nn::{Linear, tanh};
use crate::noise::NotPrivateSeed;
use crate::{Batch, Error};
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
    /// The same on features that are computed of each row first.
    OnFeatures {
        /// What is computed of a row.
        features: Features,
        /// Width of each hidden layer; none for softmax regression.
        hidden: Vec<usize>,
    },
}

impl Architecture {
    /// What is computed of a row before the layers see it.
    #[must_use]
    pub fn features(&self) -> Option<&Features> {
        match self {
            Self::Logistic | Self::Mlp { .. } => None,
            Self::OnFeatures { features, .. } => Some(features),
        }
    }

    /// Inputs of the first layer, for as many encoded inputs.
    ///
    /// # Errors
    /// As [`Features::width`].
    pub fn width(&self, inputs: usize) -> Result<usize, Error> {
        self.features().map_or(Ok(inputs), |features| features.width(inputs))
    }
}

/// A classifier on encoded rows.
#[derive(Module, Debug)]
pub struct Classifier {
    pub(crate) layers: Vec<Linear>,
    #[module(skip)]
    pub(crate) features: Option<Features>,
}

impl Classifier {
    /// A fresh model for `inputs` encoded inputs and `classes` classes. Its first weights are public: they come from a stated seed.
    ///
    /// # Panics
    /// Where [`Architecture::width`] refuses the number of inputs.
    #[must_use]
    pub fn new(architecture: &Architecture, inputs: usize, classes: usize, seed: NotPrivateSeed, device: &Device) -> Self {
        Self::with_first(architecture, architecture.width(inputs).expect("the number of inputs was checked"), classes, seed, device)
    }

    /// As [`Classifier::new`], with so many inputs of the first layer: those of a run, in coordinates of its own.
    pub(crate) fn with_first(architecture: &Architecture, inputs: usize, classes: usize, seed: NotPrivateSeed, device: &Device) -> Self {
        let hidden = match architecture {
            Architecture::Logistic => &vec![],
            Architecture::Mlp { hidden } | Architecture::OnFeatures { hidden, .. } => hidden,
        };
        let layers = match &hidden[..] {
            [] => vec![Linear::zeros(inputs, classes, device)],
            hidden => {
                let mut rng = seed.rng();
                let widths: Vec<usize> = [inputs].into_iter().chain(hidden.iter().copied()).collect();
                let mut layers: Vec<Linear> = widths.windows(2).map(|w| Linear::uniform(w[0], w[1], device, &mut rng)).collect();
                layers.push(Linear::zeros(widths[widths.len() - 1], classes, device));
                layers
            }
        };
        Self { layers, features: architecture.features().cloned() }
    }

    /// Logits, `[rows, classes]`, of the inputs of the first layer: of features, where the model has some.
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

    /// Width of the inputs and of every layer, and the weights: for each layer its matrix, `outputs × inputs` row by row, then its biases. `None` where
    /// features are computed of a row first. What an audit differentiates by itself.
    #[must_use]
    pub fn layers(&self) -> Option<(Vec<usize>, Vec<f64>)> {
        if self.features.is_some() {
            return None;
        }
        let (mut widths, mut weights) = (vec![], vec![]);
        for layer in &self.layers {
            let [inputs, outputs] = layer.weight.dims();
            let values = |data: TensorData| data.iter::<f64>().collect::<Vec<f64>>();
            if widths.is_empty() {
                widths.push(inputs);
            }
            widths.push(outputs);
            weights.extend(values(layer.weight.val().transpose().into_data()));
            weights.extend(layer.bias.as_ref().map_or_else(|| vec![0.0; outputs], |b| values(b.val().into_data())));
        }
        Some((widths, weights))
    }

    /// Class probabilities of encoded rows, row-major `rows × classes`.
    ///
    /// # Panics
    /// Where `inputs` is no whole number of rows, or they are not of the width that the model was made for.
    #[must_use]
    pub fn probabilities(&self, inputs: &[f32], width: usize) -> Vec<f64> {
        assert_eq!(inputs.len() % width, 0, "whole rows");
        if inputs.is_empty() {
            return vec![];
        }
        let device = Device::flex();
        let rows = inputs.len() / width;
        let x = match &self.features {
            None => inputs.to_vec(),
            Some(features) => features.transform(inputs, width).expect("rows as wide as in training"),
        };
        let width = x.len() / rows;
        let x = Tensor::from_data(TensorData::new(x, [rows, width]), &device);
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
