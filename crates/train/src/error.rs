//! What can go wrong while training.

/// Why a model could not be trained, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The plan cannot be carried out. Typical cause: a value out of range in `reticent.toml`.
    #[error("`{field}` {why}")]
    Plan {
        /// Which field.
        field: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// The table has no unit to learn from.
    #[error("no unit is left to train on")]
    NoUnits,
    /// The loss reaches parameters outside a layer of [`crate::nn`], so that no unit's own gradient is known for them.
    #[error("no recorded layer owns {}", parameters.join(", "))]
    NotRecorded {
        /// Their paths in the model.
        parameters: Vec<String>,
    },
    /// A recorded layer is not part of the model whose gradient was asked for.
    #[error("the loss uses a layer that is not part of the model")]
    NotInModel,
    /// The losses cannot be told apart by unit.
    #[error("{found} losses for {units} units: as many are needed for each, at least one")]
    Losses {
        /// How many losses there were.
        found: usize,
        /// Of how many units.
        units: usize,
    },
    /// A layer's first dimension cannot be that of the batch.
    #[error("the layer of {parameter} saw a first dimension of {found} for {units} units: it must be the batch")]
    BatchDimension {
        /// A parameter of the layer.
        parameter: String,
        /// The first dimension.
        found: usize,
        /// Of how many units.
        units: usize,
    },
    /// Rows under a permit for named units of a data version come as a permitted table.
    #[error("the permit allows named units of a data version: which of these examples they are cannot be told")]
    NamedUnits,
    /// The examples do not fit together.
    #[error("the examples do not fit together: {why}")]
    Examples {
        /// What is wrong.
        why: &'static str,
    },
    /// Features cannot be computed of these inputs. Typical cause: `features = "scattering"` for columns that are no square image.
    #[error("no features: {why}")]
    Features {
        /// What does not fit.
        why: String,
    },
    /// No accountant bounds it, or a value is out of range.
    #[error(transparent)]
    Accounting(#[from] reticent_accounting::Error),
    /// The ledger cannot be kept. Nothing was drawn.
    #[error("the ledger cannot be kept: {why}")]
    Ledger {
        /// What is wrong.
        why: String,
    },
    /// The state on the disk, or the key beside it, cannot be read.
    #[error("the state of the run cannot be read: {why}")]
    Checkpoint {
        /// What is wrong.
        why: String,
    },
    /// The state on the disk is of a run that something differs from. Its noise on other sums would cancel: begin anew in another folder with a
    /// new noise key; the steps that were charged stay charged.
    #[error("the state on the disk is of another run: not the same {}; begin anew with a new noise key", changed.join(", "))]
    OtherRun {
        /// What is not the same.
        changed: Vec<String>,
    },
    /// This noise key was used with this plan on these rows before, and there is no state to go on from: its noise on other sums would cancel.
    #[error("this noise key was used for this plan and data before, and no state is there to go on from; begin anew with a new noise key")]
    NoState,
    /// What is kept of each unit's own gradients cannot be read, or is of another plan.
    #[error("what is kept of each unit's own gradients cannot be read, or is of another plan")]
    Own,
    /// The weights file does not belong to this architecture, or is damaged.
    #[error("the weights cannot be read: {why}")]
    Weights {
        /// What is wrong.
        why: String,
    },
    /// The disk refused.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
}
