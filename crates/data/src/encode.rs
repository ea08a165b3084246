//! From checked values to model inputs, by the declared bounds alone.

use crate::{Domain, Feature, Table};

/// Inputs of a model, row-major.
pub struct Encoded {
    /// Inputs a row.
    pub width: usize,
    /// `rows × width` values in `[-1, 1]`.
    pub inputs: Vec<f32>,
    /// Class of each row.
    pub labels: Vec<u32>,
}

/// Encodes each row: a number maps its declared bounds onto `[-1, 1]`; a text becomes one input per level, 1 for its own and 0 for the others.
///
/// Nothing is read from the data but the row itself, hence the encoding costs no budget.
#[must_use]
pub fn encode(table: &Table) -> Encoded {
    let (rows, width) = (table.rows(), table.schema.width());
    let mut inputs = vec![0.0; rows * width];
    let mut at = 0;
    for (column, feature) in table.schema.columns.iter().zip(&table.features) {
        match (&column.domain, feature) {
            (Domain::Range { min, max, .. }, Feature::Number(values)) => {
                // Halved where the distance of the bounds overflows; clamped where it is so small that the quotient rounds past an end.
                let scale = if (max - min).is_finite() { 1.0 } else { 0.5 };
                for (row, value) in values.iter().enumerate() {
                    let part = (value * scale - min * scale) / (max * scale - min * scale);
                    inputs[row * width + at] = (2.0 * part - 1.0).clamp(-1.0, 1.0) as f32;
                }
            }
            (Domain::Levels { .. }, Feature::Level(values)) => {
                for (row, level) in values.iter().enumerate() {
                    inputs[row * width + at + *level as usize] = 1.0;
                }
            }
            _ => unreachable!("a table's features follow its schema"),
        }
        at += column.domain.width();
    }
    Encoded { width, inputs, labels: table.target.clone() }
}
