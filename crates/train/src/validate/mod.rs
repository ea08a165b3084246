//! Whether a model can be trained under a bound in one pass, and what to change where it cannot.

mod findings;
mod fix;
mod probe;

pub use findings::{Finding, Findings};
pub use fix::NotSound;

use crate::UnitBatch;
use crate::nn::GroupNorm;
use burn::module::Module;
use burn::nn::BatchNorm;
use burn::tensor::Tensor;

/// Checks a model before it is trained with [`clipped_sum`](crate::clipped_sum), and replaces what cannot be trained so.
///
/// ```
/// use burn::module::Module;
/// use burn::tensor::{Device, Distribution, Tensor};
/// use reticent_train::{Finding, ModuleValidator, UnitBatch, nn};
///
/// #[derive(Module, Debug)]
/// struct Net { first: nn::Linear, second: burn::nn::Linear }
///
/// struct Rows(Tensor<2>);
/// impl UnitBatch for Rows {
///     fn units(&self) -> usize { self.0.dims()[0] }
///     fn unit(&self, index: usize) -> Self { Self(self.0.clone().narrow(0, index, 1)) }
/// }
///
/// let device = Device::flex().autodiff();
/// let net = Net {
///     first: nn::LinearConfig::new(10, 64).init(&device),
///     second: burn::nn::LinearConfig::new(64, 2).init(&device),
/// };
/// let losses = |net: &Net, rows: &Rows| {
///     let output = net.second.forward(nn::Relu::new().forward(net.first.forward(rows.0.clone())));
///     output.square().sum_dim(1).squeeze_dim(1)
/// };
/// // Made up: a probe shows nothing of anyone.
/// let probe = Rows(Tensor::random([4, 10], Distribution::Default, &Device::flex()));
/// let findings = ModuleValidator::validate(&net, &probe, losses).unwrap_err();
/// assert_eq!(
///     findings.as_slice()[0].to_string(),
///     "no recorded layer owns `second.weight`: make it a `reticent_train::nn::Linear`, used through its own `forward`, freeze it, or train \
///      with `clipped_sum_universal`"
/// );
/// ```
pub struct ModuleValidator;

impl ModuleValidator {
    /// Looks for all that stands between `model` and a step in one pass:
    ///
    /// - trainable parameters that no recorded layer owns, or that the loss does not reach;
    /// - batch normalisation that normalises over the batch, also with its parameters frozen, and any other state that a forward pass moves;
    /// - losses that are not one for each row, or that are random beyond Burn's own dropout and noise layers (which rest here);
    /// - units that are not isolated: with one unit's losses alone, the gradient must be that of the unit alone, and no other unit may have
    ///   any. This finds losses that couple rows (contrastive, balanced over the batch, normalised by it) and layers whose batch is not the
    ///   first dimension;
    /// - gradients that are not those of [`clipped_sum_universal`](crate::clipped_sum_universal).
    ///
    /// `probe` is a batch of at least two units; it must be public or made up, since findings are not under any bound. Its rows should differ:
    /// what couples them shows in numbers. Nothing of `model` changes, and its weights should not be zero: no gradient, nothing to see.
    ///
    /// A model that passes can still leak by what the loss does outside of tensors, such as counting rows.
    ///
    /// # Errors
    /// All [`Findings`], none of which is about the values of the model.
    ///
    /// # Panics
    /// Where the model itself panics on the probe.
    pub fn validate<M: Module, B: UnitBatch>(model: &M, probe: &B, losses: impl Fn(&M, &B) -> Tensor<1>) -> Result<(), Findings> {
        probe::validate(model, probe, &losses)
    }

    /// A group normalisation in the place of a batch normalisation that has not been trained yet, for rows of `positions` positions in each
    /// channel (1 for inputs `[batch, channels]`).
    ///
    /// It has the same scale, shift and ε, and as many groups as there are powers of two in the channels, at most 32, of at least 16 values
    /// each. It is another function: a row is normalised by itself. The type of the field in the model changes with it.
    ///
    /// # Errors
    /// [`NotSound`] where that would not normalise but destroy, or would not be the function that was learned.
    pub fn fix(norm: &BatchNorm, positions: usize) -> Result<GroupNorm, NotSound> {
        fix::group_norm(norm, positions)
    }
}
