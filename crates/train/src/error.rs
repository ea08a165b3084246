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
