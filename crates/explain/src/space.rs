//! Columns and the encoded inputs each of them owns: the players of every method here are columns, not inputs.

use crate::{Error, Model};
use reticent_data::{Column, Domain, Feature, Schema, Table};
use std::ops::Range;

/// The columns of a model in the order of its inputs.
#[derive(Clone, Debug)]
pub struct Space {
    columns: Vec<Column>,
    ranges: Vec<Range<usize>>,
    width: usize,
}

/// A person's own value in one column. No `Debug`: it never reaches a log by accident.
#[derive(Clone, Copy, PartialEq)]
pub enum Value {
    /// A number within the column's bounds.
    Number(f64),
    /// Position of a level; the position after the last means "missing".
    Level(u32),
}

/// A person's own row, one value for each column.
#[derive(Clone, PartialEq)]
pub struct Row(pub Vec<Value>);

impl Row {
    /// Row number `row` of a table.
    #[must_use]
    pub fn of(table: &Table, row: usize) -> Self {
        let columns = 0..table.schema().columns.len();
        Self(
            columns
                .map(|index| match table.feature(index) {
                    Feature::Number(values) => Value::Number(values[row]),
                    Feature::Level(values) => Value::Level(values[row]),
                })
                .collect(),
        )
    }
}

impl Space {
    /// The features of a schema.
    #[must_use]
    pub fn new(schema: &Schema) -> Self {
        Self::of_columns(schema.columns.clone())
    }

    /// Numeric columns `(name, min, max)`, for models that are no file of a workspace.
    #[must_use]
    pub fn of_ranges(columns: &[(&str, f64, f64)]) -> Self {
        let column = |&(name, min, max): &(&str, f64, f64)| Column {
            name: name.into(),
            domain: Domain::Range { min, max, missing: None },
            special: None,
        };
        Self::of_columns(columns.iter().map(column).collect())
    }

    fn of_columns(columns: Vec<Column>) -> Self {
        let mut width = 0;
        let ranges = columns
            .iter()
            .map(|column| {
                let from = width;
                width += column.domain.width();
                from..width
            })
            .collect();
        Self { columns, ranges, width }
    }

    /// Number of columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Encoded inputs over all columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The column at `index`.
    #[must_use]
    pub fn column(&self, index: usize) -> &Column {
        &self.columns[index]
    }

    /// The encoded inputs of the column at `index`.
    #[must_use]
    pub fn inputs(&self, index: usize) -> Range<usize> {
        self.ranges[index].clone()
    }

    /// Position of the column of this name.
    ///
    /// # Errors
    /// [`Error::NoSuchColumn`].
    pub fn index_of(&self, name: &str) -> Result<usize, Error> {
        self.columns.iter().position(|c| c.name == name).ok_or_else(|| Error::NoSuchColumn { column: name.into() })
    }

    /// The inputs of a row, exactly as [`reticent_data::encode`] makes them.
    #[must_use]
    pub fn encode(&self, row: &Row) -> Vec<f32> {
        let mut inputs = vec![0.0; self.width];
        for (index, value) in row.0.iter().enumerate() {
            self.set(&mut inputs, index, *value);
        }
        inputs
    }

    /// Puts one value into encoded inputs.
    pub(crate) fn set(&self, inputs: &mut [f32], index: usize, value: Value) {
        let range = self.inputs(index);
        match (&self.columns[index].domain, value) {
            (Domain::Range { min, max, .. }, Value::Number(value)) => {
                let scale = if (max - min).is_finite() { 1.0 } else { 0.5 };
                let part = (value * scale - min * scale) / (max * scale - min * scale);
                inputs[range.start] = (2.0 * part - 1.0).clamp(-1.0, 1.0) as f32;
            }
            (Domain::Levels { .. }, Value::Level(level)) => {
                inputs[range.clone()].fill(0.0);
                inputs[range.start + (level as usize).min(range.len() - 1)] = 1.0;
            }
            // A row of another schema: a number where a level belongs moves nothing.
            _ => {}
        }
    }

    /// The number that an encoded input of the column at `index` stands for, to four significant digits of the column's range.
    pub(crate) fn number_at(&self, index: usize, input: f64) -> f64 {
        let Domain::Range { min, max, .. } = self.columns[index].domain else { return input };
        let exact = min + (max - min) * (input + 1.0) / 2.0;
        rounded(exact, (max - min) / 10_000.0).clamp(min, max)
    }

    /// A value in words: `55`, `f`, `missing`.
    #[must_use]
    pub fn words(&self, index: usize, value: Value) -> String {
        match (&self.columns[index].domain, value) {
            (Domain::Levels { levels, .. }, Value::Level(level)) => self.level_words(levels, level as usize),
            (_, Value::Number(number)) => format!("{number}"),
            (_, Value::Level(level)) => format!("level {level}"),
        }
    }

    fn level_words(&self, levels: &[String], level: usize) -> String {
        levels.get(level).cloned().unwrap_or_else(|| "missing".into())
    }

    /// `model`'s scores of whole rows, checked to be one finite number a row.
    pub(crate) fn scores(&self, model: &impl Model, inputs: &[f32]) -> Result<Vec<f64>, Error> {
        self.checked(model.scores(inputs, self.width), inputs)
    }

    /// `model`'s margins of whole rows, checked likewise.
    pub(crate) fn margins(&self, model: &impl Model, inputs: &[f32]) -> Result<Vec<f64>, Error> {
        self.checked(model.margins(inputs, self.width), inputs)
    }

    fn checked(&self, scores: Vec<f64>, inputs: &[f32]) -> Result<Vec<f64>, Error> {
        let rows = inputs.len() / self.width.max(1);
        if scores.len() != rows {
            return Err(Error::Scores { why: format!("{} scores for {rows} rows", scores.len()) });
        }
        if scores.iter().any(|s| !s.is_finite()) {
            return Err(Error::Scores { why: "a score that is not finite".into() });
        }
        Ok(scores)
    }
}

/// The multiple of the power of ten at or below `step` that is nearest to `value`, free of binary dust.
pub(crate) fn rounded(value: f64, step: f64) -> f64 {
    if !(value.is_finite() && step.is_finite() && step > 0.0) {
        return value;
    }
    let decimals = -step.log10().floor() as i32;
    if decimals >= 0 {
        // Through text, because 0.1 · 3 is not 0.3.
        format!("{value:.*}", decimals.min(300) as usize).parse().unwrap_or(value)
    } else {
        let unit = 10_f64.powi(-decimals);
        (value / unit).round() * unit
    }
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn numbers_are_rounded_to_what_a_person_reads() {
        for (value, step, expected) in [
            (41.234_567, 0.011, 41.23),
            (0.300_000_000_4, 1e-4, 0.3),
            (123_456.0, 1000.0, 123_000.0),
            (-0.049, 0.01, -0.05),
            (7.0, 1.0, 7.0),
        ] {
            assert_eq!(rounded(value, step), expected, "{value} by {step}");
        }
    }
}
