//! Models of somebody else that come as a file: they are asked, not trained. What a file says is checked before it is used.

mod feed_forward;
#[cfg(feature = "onnx")]
mod onnx;

pub use feed_forward::{Activation, read_safetensors};
#[cfg(feature = "onnx")]
pub use onnx::read_onnx;

use crate::{Error, Target};

/// A larger file is not read, in bytes.
pub const MOST_BYTES: u64 = 2 << 30;
/// How far single precision may take a probability out of [0, 1].
const ROUNDING: f64 = 1e-5;
/// How far probabilities may be from adding up to 1, as in a file of answers.
const SUM: f64 = 0.01;

/// What the last numbers of a model are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// Any numbers: softmax over several, the logistic function of a single one, makes probabilities of them.
    Logits,
    /// Probabilities; a single one is of class 1.
    Probabilities,
}

/// A model that turns rows of numbers into rows of numbers.
pub(crate) trait Rows: Send + Sync {
    fn width(&self) -> usize;

    /// Numbers for each row.
    fn outputs(&self) -> usize;

    /// Row-major `rows × outputs` for row-major `rows × width`.
    fn answer(&self, inputs: &[f32]) -> Result<Vec<f64>, Error>;
}

/// A classifier that was read from a file.
pub struct FileModel {
    rows: Box<dyn Rows>,
    gives: Gives,
}

impl FileModel {
    /// Inputs of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.rows.width()
    }

    /// Classes; two where the model gives a single number.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.rows.outputs().max(2)
    }

    /// Probability of each class for each row: row-major `rows × classes` for row-major `rows × width`.
    ///
    /// # Errors
    /// [`Error::Length`] where the inputs are no whole rows; [`Error::Answer`] where what the model gives to a row is not finite, or no
    /// probabilities though it was said to be; [`Error::ModelFile`] where it cannot be run.
    pub fn ask(&self, inputs: &[f32]) -> Result<Vec<f64>, Error> {
        if !inputs.len().is_multiple_of(self.width()) {
            return Err(Error::Length { what: "inputs of the last row", found: inputs.len() % self.width(), expected: self.width() });
        }
        let answers = self.rows.answer(inputs)?;
        let mut all = Vec::with_capacity(answers.len());
        for (row, answer) in answers.chunks_exact(self.rows.outputs()).enumerate() {
            all.extend(probabilities(answer, self.gives).map_err(|what| Error::Answer { row, what })?);
        }
        Ok(all)
    }
}

impl Target for FileModel {
    /// None where [`FileModel::ask`] fails: every attack refuses an answer of another length.
    fn probabilities(&self, inputs: &[f32], width: usize) -> Vec<f64> {
        if width == self.width() { self.ask(inputs).unwrap_or_default() } else { vec![] }
    }
}

fn probabilities(answer: &[f64], gives: Gives) -> Result<Vec<f64>, &'static str> {
    if answer.iter().any(|a| !a.is_finite()) {
        return Err("numbers that are not finite");
    }
    match (gives, answer) {
        // Both from the same side, so that neither is rounded to 1 less than nothing.
        (Gives::Logits, [z]) => Ok(vec![logistic(-z), logistic(*z)]),
        (Gives::Logits, _) => {
            let most = answer.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let powers: Vec<f64> = answer.iter().map(|z| (z - most).exp()).collect();
            let sum: f64 = powers.iter().sum();
            Ok(powers.iter().map(|p| p / sum).collect())
        }
        (Gives::Probabilities, _) if answer.iter().any(|p| !(-ROUNDING..=1.0 + ROUNDING).contains(p)) => Err("no probabilities"),
        (Gives::Probabilities, [p]) => Ok(vec![(1.0 - p).clamp(0.0, 1.0), p.clamp(0.0, 1.0)]),
        (Gives::Probabilities, _) if (answer.iter().sum::<f64>() - 1.0).abs() >= SUM => Err("probabilities that do not add up to 1"),
        (Gives::Probabilities, _) => Ok(answer.iter().map(|p| p.clamp(0.0, 1.0)).collect()),
    }
}

fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

fn wrong(why: impl Into<String>) -> Error {
    Error::ModelFile { why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_and_probabilities_become_probabilities() {
        let of = |answer: &[f64], gives| probabilities(answer, gives);
        let close = |found: Result<Vec<f64>, &str>, expected: &[f64]| {
            let found = found.unwrap();
            assert!(found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{found:?}");
        };
        // ln 3 and 0: three to one.
        close(of(&[3_f64.ln(), 0.0], Gives::Logits), &[0.75, 0.25]);
        close(of(&[3_f64.ln()], Gives::Logits), &[0.25, 0.75]);
        close(of(&[1e4, 0.0, -1e4], Gives::Logits), &[1.0, 0.0, 0.0]);
        close(of(&[0.2, 0.3, 0.5], Gives::Probabilities), &[0.2, 0.3, 0.5]);
        close(of(&[0.2], Gives::Probabilities), &[0.8, 0.2]);
        close(of(&[1.000_001, -0.000_001], Gives::Probabilities), &[1.0, 0.0]);
        assert_eq!(of(&[0.2, 0.3], Gives::Probabilities), Err("probabilities that do not add up to 1"));
        assert_eq!(of(&[2.0, -1.0], Gives::Probabilities), Err("no probabilities"));
        assert_eq!(of(&[f64::NAN, 1.0], Gives::Logits), Err("numbers that are not finite"));
        assert_eq!(of(&[f64::INFINITY], Gives::Logits), Err("numbers that are not finite"));
    }
}
