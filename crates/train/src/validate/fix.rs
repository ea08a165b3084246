//! What can stand in for batch normalisation.

use crate::gradient::read;
use crate::nn::GroupNorm;
use crate::tape;
use burn::nn::BatchNorm;

/// Most groups (Wu and He 2018, arXiv:1803.08494, section 4.1).
const MOST_GROUPS: usize = 32;
/// Fewest values in a group. Normalising n values leaves n - 2 of their degrees of freedom: of one value nothing, of two a sign.
const FEWEST_VALUES: usize = 16;

/// Why no group normalisation is put in the place of a batch normalisation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSound {
    /// A row has too few values: normalised by itself, little or nothing of it is left (of one value, zero).
    #[error(
        "a row has {values} values to normalise and little of fewer than {FEWEST_VALUES} would be left: leave the normalisation out, or use \
         fixed public statistics"
    )]
    TooFewValues {
        /// Channels times positions.
        values: usize,
    },
    /// Its running statistics are what it learned, and group normalisation has none.
    #[error("the batch normalisation is already trained, and a group normalisation is another function: `freeze()` it instead")]
    Trained,
    /// It normalises by fixed statistics, which looks at no other row.
    #[error("the batch normalisation is frozen, and so looks at no other row: leave it as it is")]
    Frozen,
}

pub(super) fn group_norm(norm: &BatchNorm, positions: usize) -> Result<GroupNorm, NotSound> {
    if !norm.training.is_enabled() {
        return Err(NotSound::Frozen);
    }
    let state = |state: &burn::module::RunningState<burn::tensor::Tensor<1>>| read(tape::plain(state.value_sync()));
    if state(&norm.running_mean).iter().any(|&m| m != 0.0) || state(&norm.running_var).iter().any(|&v| v != 1.0) {
        return Err(NotSound::Trained);
    }
    let [num_channels] = norm.gamma.dims();
    let values = num_channels * positions;
    if values < FEWEST_VALUES {
        return Err(NotSound::TooFewValues { values });
    }
    let mut num_groups = MOST_GROUPS.min(1 << num_channels.trailing_zeros());
    while values / num_groups < FEWEST_VALUES {
        num_groups /= 2;
    }
    let (gamma, beta) = (Some(norm.gamma.clone()), Some(norm.beta.clone()));
    Ok(GroupNorm { gamma, beta, num_groups, num_channels, epsilon: norm.epsilon, affine: true })
}
