//! Losses of each row: what `losses` of a run gives.

use burn::tensor::{Int, Tensor, activation};

/// Cross-entropy of each row of logits `[rows, classes]` with its class `[rows]`.
#[must_use]
pub fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let log_p = activation::log_softmax(logits, 1);
    let labels: Tensor<2, Int> = labels.unsqueeze_dim(1);
    let labels = if log_p.is_autodiff() { labels.autodiff() } else { labels };
    log_p.gather(1, labels).squeeze_dim::<1>(1).neg()
}
