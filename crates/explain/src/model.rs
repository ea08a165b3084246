//! What an explanation needs to know of a model: its score for a row, and whether it predicts the class.

use serde::{Deserialize, Serialize};

/// A model, seen as the score of one class: the *explained* class.
pub trait Model {
    /// Score of the explained class for each encoded row; `inputs` holds whole rows of `width` values, row-major.
    ///
    /// The score of a row must not depend on the rows beside it: the sum check refuses to explain a model for which it does.
    fn scores(&self, inputs: &[f32], width: usize) -> Vec<f64>;

    /// What a score is; by default a probability.
    fn scale(&self) -> Scale {
        Scale::Probability
    }

    /// How far each row is on the side of the explained class: the model predicts it where this is at least 0.
    ///
    /// By default the score less ½ for a probability and the score itself for log-odds, which is right for two classes. With more classes,
    /// return the score less the largest score of another class.
    fn margins(&self, inputs: &[f32], width: usize) -> Vec<f64> {
        let middle = match self.scale() {
            Scale::Probability => 0.5,
            Scale::LogOdds => 0.0,
        };
        self.scores(inputs, width).into_iter().map(|s| s - middle).collect()
    }
}

/// What a score is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Probability of the class, in `[0, 1]`.
    Probability,
    /// Logarithm of the odds of the class.
    LogOdds,
}

impl Scale {
    /// What a number on this scale is called in a sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Probability => "probability",
            Self::LogOdds => "log-odds",
        }
    }
}
