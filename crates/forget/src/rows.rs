//! Rows as the bound needs them: ‖x‖ ≤ 1 by the public schema alone, unit by unit.

use crate::{Error, Settings, dense::dot};
use reticent_data::{PermittedTable, Schema, SubjectId, Units, encode};
use sha2::{Digest, Sha256};

/// Encoded rows, those of a unit side by side, units in the order of their ids. No `Debug`: these are values of people.
#[derive(Clone)]
pub(crate) struct Rows {
    pub(crate) width: usize,
    /// `rows × width`, the last of each row being the intercept.
    pub(crate) inputs: Vec<f64>,
    /// 0 or 1.
    pub(crate) labels: Vec<f64>,
    /// Each unit and how many rows it has.
    pub(crate) units: Vec<(SubjectId, usize)>,
}

/// What every input is multiplied by, so that no row the schema allows is longer than 1: a number is within [-1, 1], of the inputs of a text
/// one is 1, and the intercept is 1.
pub(crate) fn scale(schema: &Schema) -> f64 {
    // A little less, so that rounding lengthens no row beyond 1.
    (1.0 - 1e-12) / ((schema.columns.len() + 1) as f64).sqrt()
}

impl Rows {
    pub(crate) fn new(table: &PermittedTable, settings: &Settings) -> Result<Self, Error> {
        let table = table.table();
        let classes = table.schema().classes();
        if classes != 2 {
            return Err(Error::NotBinary { classes });
        }
        let encoded = encode(table);
        let scale = scale(table.schema());
        let width = encoded.width + 1;
        let grouped = Units::new(table, settings.max_rows_per_unit);
        let mut rows = Self { width, inputs: vec![], labels: vec![], units: vec![] };
        for (index, &id) in grouped.ids().iter().enumerate() {
            for &row in grouped.rows_of(index) {
                let inputs = &encoded.inputs[row * encoded.width..(row + 1) * encoded.width];
                rows.inputs.extend(inputs.iter().map(|&x| f64::from(x) * scale));
                rows.inputs.push(scale);
                rows.labels.push(f64::from(encoded.labels[row]));
            }
            rows.units.push((id, grouped.rows_of(index).len()));
        }
        if rows.iter().any(|(x, _)| dot(x, x) > 1.0) {
            return Err(Error::OtherRows { why: "a row is longer than the schema allows" });
        }
        Ok(rows)
    }

    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[f64], f64)> {
        self.inputs.chunks_exact(self.width).zip(self.labels.iter().copied())
    }

    /// Splits off the rows of one unit; the rest keeps its order.
    pub(crate) fn without(&self, unit: SubjectId) -> Option<(Self, Self)> {
        let at = self.units.iter().position(|(id, _)| *id == unit)?;
        let start: usize = self.units[..at].iter().map(|(_, n)| n).sum();
        let range = start..start + self.units[at].1;
        let inputs = range.start * self.width..range.end * self.width;
        let removed = Self {
            width: self.width,
            inputs: self.inputs[inputs.clone()].to_vec(),
            labels: self.labels[range.clone()].to_vec(),
            units: vec![self.units[at]],
        };
        let mut rest = self.clone();
        rest.inputs.drain(inputs);
        rest.labels.drain(range);
        rest.units.remove(at);
        Some((rest, removed))
    }

    /// SHA-256 over ids, inputs and labels: tells whether the same rows are brought back. It stays with the model's private state.
    pub(crate) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"reticent removal rows 1");
        for (id, rows) in &self.units {
            hash.update(id.as_bytes());
            hash.update((*rows as u64).to_le_bytes());
        }
        self.inputs.iter().chain(&self.labels).for_each(|x| hash.update(x.to_le_bytes()));
        hex::encode(hash.finalize())
    }
}
