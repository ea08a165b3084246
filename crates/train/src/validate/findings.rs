//! What the validator has to say.

use std::fmt;

/// One thing that stands between a model and a step in one pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// The loss reaches a parameter outside any recorded layer.
    #[error("no recorded layer owns `{parameter}`: {}freeze it, or train with `clipped_sum_universal`", swap(layer))]
    NotRecorded {
        /// Its path in the model.
        parameter: String,
        /// The type that holds it.
        layer: String,
    },
    /// The loss does not reach a trainable parameter: a step would move it by noise alone.
    #[error("the loss does not use `{parameter}`, which a step would move by noise alone: freeze it, or take it out")]
    Unused {
        /// Its path in the model.
        parameter: String,
    },
    /// Batch normalisation in training mode: every row's output depends on all rows.
    #[error(
        "`{layer}` normalises over the batch: replace it (`ModuleValidator::fix` makes a `GroupNorm` of it), or, where its statistics come \
         from public data, `freeze()` it"
    )]
    BatchNorm {
        /// Its path in the model.
        layer: String,
    },
    /// A value that is no trainable parameter changes as the model looks at rows, without clipping or noise.
    #[error("`{state}` changes with the rows the model sees, outside clipping and noise: take it out, or fix it from public data")]
    RunningState {
        /// Its path in the model.
        state: String,
    },
    /// The losses cannot be told apart by unit.
    #[error("{found} losses for {units} units: give one for each row, and no mean or sum over the batch")]
    Losses {
        /// How many losses there were.
        found: usize,
        /// Of how many units.
        units: usize,
    },
    /// The loss of some unit of the probe is not finite.
    #[error("the loss of unit {unit} of the probe is not finite, so that nothing can be compared")]
    NotFinite {
        /// Which unit of the probe.
        unit: usize,
    },
    /// Two passes over the same rows differ.
    #[error(
        "the losses of the same rows differ from pass to pass: draw what is random from `Dropout` or `GaussianNoise`, or outside the model"
    )]
    Random,
    /// A recorded layer's first dimension does not hold the rows of all units.
    #[error("the layer of `{parameter}` sees {found} rows for {units} units: its first dimension must be the batch")]
    BatchDimension {
        /// A parameter of the layer.
        parameter: String,
        /// The size of its input's first dimension.
        found: usize,
        /// Of how many units.
        units: usize,
    },
    /// A unit's loss or gradient depends on other units' rows.
    #[error(
        "unit {unit} of the probe is not isolated: its {what} in the batch is not the one it has alone. Its loss looks at other rows, or a \
         layer's first dimension is not the batch"
    )]
    NotIsolated {
        /// Which unit of the probe.
        unit: usize,
        /// What differs: the loss or the gradient.
        what: &'static str,
    },
    /// In one pass a unit's gradient is not what it is by itself.
    #[error(
        "the gradient of unit {unit} of the probe in one pass is not that of `clipped_sum_universal`: a recorded layer's parameter is \
         computed from others, or the loss looks at whether it is recorded; train with `clipped_sum_universal`"
    )]
    Disagrees {
        /// Which unit of the probe.
        unit: usize,
    },
    /// A recorded layer is not part of the model.
    #[error("the loss uses a recorded layer that is not part of the model")]
    NotInModel,
    /// With fewer than two units nothing shows whether they are isolated.
    #[error("the probe has {units} units: isolation shows only with two or more")]
    SmallProbe {
        /// How many units there were.
        units: usize,
    },
}

/// All that the validator found; at least one finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// `Ok` where there is nothing to say.
    pub(super) fn into_result(found: Vec<Finding>) -> Result<(), Self> {
        if found.is_empty() { Ok(()) } else { Err(Self(found)) }
    }

    /// Each finding, parameters in the model's order.
    #[must_use]
    pub fn as_slice(&self) -> &[Finding] {
        &self.0
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.0.iter().enumerate() {
            write!(f, "{}{finding}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

/// Where each recorded layer lives.
const LAYERS: [(&str, &[&str]); 5] = [
    ("nn", &["Linear", "Embedding", "LayerNorm", "RmsNorm", "GroupNorm", "InstanceNorm", "PRelu"]),
    ("nn::conv", &["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]),
    ("nn", &["Rnn", "BiRnn", "Gru", "BiGru", "Lstm", "BiLstm", "SwiGlu"]),
    ("nn::attention", &["MultiHeadAttention"]),
    ("nn::transformer", &["TransformerEncoder", "PositionWiseFeedForward"]),
];

/// The layers that are made of layers and are recorded as a whole.
pub(super) fn is_whole(layer: &str) -> bool {
    LAYERS[2..].iter().any(|(_, layers)| layers.contains(&layer))
}

/// What stands in for a layer of Burn's.
fn swap(layer: &str) -> String {
    match LAYERS.iter().find(|(_, layers)| layers.contains(&layer)) {
        Some((module, _)) => format!("make it a `reticent_train::{module}::{layer}`, used through its own `forward`, "),
        None => "use it through a layer of `reticent_train::nn`, ".to_owned(),
    }
}
