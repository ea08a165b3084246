//! Lookup tables.

use super::linear::WeightUse;
use crate::gradient::{Contribution, Form, Rows};
use crate::tape;
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Bool, Device, Int, Tensor};

/// Configuration of an [`Embedding`], as [`burn::nn::EmbeddingConfig`] with a padding id.
#[derive(Config, Debug)]
pub struct EmbeddingConfig {
    /// Number of vectors.
    pub n_embedding: usize,
    /// Size of each vector.
    pub d_model: usize,
    /// How the vectors start.
    #[config(default = "Initializer::Normal{mean:0.0, std:1.0}")]
    pub initializer: Initializer,
    /// The id whose output is zero and whose vector no step moves, below `n_embedding`; none by default.
    #[config(default = "None")]
    pub padding: Option<usize>,
}

impl EmbeddingConfig {
    /// A fresh table.
    #[must_use]
    pub fn init(&self, device: &Device) -> Embedding {
        let burn =
            burn::nn::EmbeddingConfig { n_embedding: self.n_embedding, d_model: self.d_model, initializer: self.initializer.clone() };
        Embedding { padding: self.padding, ..burn.init(device).into() }
    }
}

/// One vector for each id, as [`burn::nn::Embedding`].
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[n_embedding, d_model]`.
    pub weight: Param<Tensor<2>>,
    /// The id that stands for no symbol.
    pub padding: Option<usize>,
}

impl From<burn::nn::Embedding> for Embedding {
    fn from(layer: burn::nn::Embedding) -> Self {
        Self { weight: layer.weight, padding: None }
    }
}

impl Embedding {
    /// The vector of each id: `[batch, length]` becomes `[batch, length, d_model]`.
    #[must_use]
    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let output = match tape::is_recording() {
            false => burn::tensor::module::embedding(self.weight.val(), ids.clone()),
            true => self.record(ids.clone()),
        };
        let Some(padding) = self.padding else { return output };
        // Where the output is overwritten its gradient is zero, and so is the vector's.
        let shape = output.dims();
        let is_padding: Tensor<3, Bool> = ids.equal_elem(padding as i64).unsqueeze_dim(2);
        output.mask_fill(is_padding.expand(shape), 0.0)
    }

    fn record(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let ids = if ids.is_autodiff() { ids.inner() } else { ids };
        let looked_up = burn::tensor::module::embedding(tape::plain(self.weight.val()), ids.clone());
        let [n_embedding, _] = self.weight.dims();
        let weight = WeightUse::of(&self.weight, false);
        tape::watch(looked_up.autodiff(), move |gradient: Tensor<3>| {
            let of_ids = |parameter, cols: Tensor<3>| Contribution {
                parameter,
                form: Form::Outer { rows: Rows::Ids(ids.clone(), n_embedding), cols: cols.unsqueeze_dim(1) },
            };
            match weight {
                WeightUse::Frozen => vec![],
                WeightUse::Dense { weight, .. } => vec![of_ids(weight, gradient)],
                // y = W[id] + scale · A[id] B.
                WeightUse::Adapter { base, a, b, a_value, b_value, scale, .. } => {
                    let of_base = base.map(|base| of_ids(base, gradient.clone()));
                    let of_a = a.map(|a| of_ids(a, gradient.clone().matmul(b_value.transpose().unsqueeze_dim(0)) * scale));
                    let rows = b.map(|b| (b, burn::tensor::module::embedding(a_value, ids.clone()) * scale));
                    of_base.into_iter().chain(of_a).chain(rows.map(|(b, rows)| Contribution::outer(b, rows, gradient))).collect()
                }
            }
        })
    }
}
