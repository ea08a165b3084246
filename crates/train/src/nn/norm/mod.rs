//! Normalisation within a row: layer, group, instance and root mean square.
//!
//! Nothing here looks at another row: batch normalisation does, and has no place in a step under a bound
//! ([`ModuleValidator::fix`](crate::ModuleValidator::fix)).

mod channels;
mod features;
mod layer_norm_kernel;

pub use channels::{GroupNorm, GroupNormConfig, InstanceNorm, InstanceNormConfig};
pub use features::{LayerNorm, LayerNormConfig, RmsNorm, RmsNormConfig};

use crate::gradient::Contribution;
use crate::tape;
use burn::module::{Param, ParamId};
use burn::tensor::Tensor;

/// The ids of a scale and a shift, where a step may move them.
struct Affine {
    gamma: Option<ParamId>,
    beta: Option<ParamId>,
}

impl Affine {
    fn of(gamma: Option<&Param<Tensor<1>>>, beta: Option<&Param<Tensor<1>>>) -> Self {
        let id = |p: Option<&Param<Tensor<1>>>| p.filter(|p| tape::is_trainable(p)).map(|p| p.id);
        Self { gamma: id(gamma), beta: id(beta) }
    }

    /// Of `y = normalised · γ + β`: `Σ_t g_t ⊙ normalised_t` and `Σ_t g_t`, both factors `[batch, positions, width]`.
    fn contributions(&self, gradient: Tensor<3>, normalised: impl FnOnce() -> Tensor<3>) -> Vec<Contribution> {
        let of_gamma = self.gamma.map(|id| Contribution::sum(id, gradient.clone() * normalised()));
        of_gamma.into_iter().chain(self.beta.map(|id| Contribution::sum(id, gradient))).collect()
    }
}
