//! Rows of sampled units, padded to the cap so that a unit's rows lie together.

use crate::examples::{Examples, Permitted, digest_rows};
use crate::features::{Features, Whitening};
use crate::gradient::read;
use crate::{Error, UnitBatch};
use burn::tensor::{Device, Int, Tensor, TensorData};
use reticent_data::{Encoded, Units, encode};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Encoded rows grouped by unit: what a run learns from.
pub struct UnitRows {
    units: Units,
    encoded: Encoded,
    /// The coordinates that its inputs are in, where they are others than those of the model.
    pub(crate) whitening: Option<Arc<Whitening>>,
}

/// The rows of some units.
pub struct Batch {
    /// `[units · cap, inputs]`; rows beyond a unit's own are zero.
    pub inputs: Tensor<2>,
    /// Class of each row, `[units · cap]`.
    pub labels: Tensor<1, Int>,
    /// 1 for a row, 0 for padding, `[units · cap]`.
    pub mask: Tensor<1>,
    /// Number of units, at least 1.
    pub units: usize,
    /// Rows a unit takes.
    pub cap: usize,
}

impl Batch {
    /// The rows alone, without the padding that keeps those of a unit together: for what asks of no unit by itself.
    pub(crate) fn without_padding(self) -> Self {
        let of_mask: Vec<f64> = read(self.mask.clone());
        let rows: Vec<i64> = (0_i64..).zip(&of_mask).filter(|(_, mask)| **mask > 0.0).map(|(row, _)| row).collect();
        if rows.len() == of_mask.len() || rows.is_empty() {
            return self;
        }
        let cap = rows.len();
        let rows: Tensor<1, Int> = Tensor::from_data(TensorData::new(rows, [cap]), &self.mask.device());
        let (inputs, labels) = (self.inputs.select(0, rows.clone()), self.labels.select(0, rows.clone()));
        Self { inputs, labels, mask: self.mask.select(0, rows), units: 1, cap }
    }
}

impl UnitBatch for Batch {
    fn units(&self) -> usize {
        self.units
    }

    fn unit(&self, index: usize) -> Self {
        let from = index * self.cap;
        Self {
            inputs: self.inputs.clone().narrow(0, from, self.cap),
            labels: self.labels.clone().narrow(0, from, self.cap),
            mask: self.mask.clone().narrow(0, from, self.cap),
            units: 1,
            cap: self.cap,
        }
    }
}

impl Examples for UnitRows {
    type Batch = Batch;

    fn units(&self) -> usize {
        self.units.len()
    }

    fn batch(&self, chosen: &[usize], device: &Device) -> Option<Batch> {
        Self::batch(self, chosen, device)
    }

    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update((self.units.cap() as u64).to_le_bytes());
        for unit in 0..self.units.len() {
            let rows = self.units.rows_of(unit);
            hash.update((rows.len() as u64).to_le_bytes());
            rows.iter().for_each(|&row| hash.update((row as u64).to_le_bytes()));
        }
        let labels: Vec<i32> = self.encoded.labels.iter().map(|&label| label as i32).collect();
        digest_rows(hash, &self.encoded.inputs, &labels)
    }
}

/// Rows whose features are computed at once.
const TOGETHER: usize = 1000;

impl UnitRows {
    /// Encodes a table and groups it by unit.
    #[must_use]
    pub fn new(table: &reticent_data::PermittedTable, cap: std::num::NonZeroUsize) -> Self {
        Self { units: Units::new(table.table(), cap), encoded: encode(table.table()), whitening: None }
    }

    /// As [`UnitRows::new`], under the table's own permit.
    #[must_use]
    pub fn permitted(table: &reticent_data::PermittedTable, cap: std::num::NonZeroUsize) -> Permitted<Self> {
        Permitted::already(Self::new(table, cap), table.permit().clone())
    }

    /// As [`UnitRows::permitted`], with features in place of the encoded inputs.
    ///
    /// # Errors
    /// As [`Features::transform`].
    pub fn prepared(
        table: &reticent_data::PermittedTable,
        cap: std::num::NonZeroUsize,
        features: Option<&Features>,
    ) -> Result<Permitted<Self>, Error> {
        Ok(Permitted::already(Self::new(table, cap).on(features)?, table.permit().clone()))
    }

    /// With features in place of the encoded inputs, computed once.
    ///
    /// # Errors
    /// As [`Features::transform`].
    pub fn on(mut self, features: Option<&Features>) -> Result<Self, Error> {
        let Some(features) = features else { return Ok(self) };
        let (width, whitening) = (self.encoded.width, features.whitening()?);
        self.encoded.width = match &whitening {
            Some(whitening) => whitening.width(),
            None => features.width(width)?,
        };
        // In parts, so that the features themselves need not all be held at once.
        let mut inputs = Vec::with_capacity(self.encoded.labels.len() * self.encoded.width);
        for part in self.encoded.inputs.chunks(TOGETHER * width) {
            let part = features.transform(part, width)?;
            inputs.extend(match &whitening {
                Some(whitening) => whitening.apply(&part),
                None => part,
            });
        }
        (self.encoded.inputs, self.whitening) = (inputs, whitening);
        Ok(self)
    }

    /// The units and their rows.
    #[must_use]
    pub fn units(&self) -> &Units {
        &self.units
    }

    /// Inputs a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.encoded.width
    }

    /// The padded rows of the units at these indices; `None` where there are none.
    #[must_use]
    pub fn batch(&self, chosen: &[usize], device: &Device) -> Option<Batch> {
        if chosen.is_empty() {
            return None;
        }
        let (width, cap) = (self.encoded.width, self.units.cap());
        let rows = chosen.len() * cap;
        let (mut inputs, mut labels, mut mask) = (vec![0.0_f32; rows * width], vec![0_i32; rows], vec![0.0_f32; rows]);
        for (place, &unit) in chosen.iter().enumerate() {
            for (offset, &row) in self.units.rows_of(unit).iter().enumerate() {
                let to = place * cap + offset;
                inputs[to * width..(to + 1) * width].copy_from_slice(&self.encoded.inputs[row * width..(row + 1) * width]);
                labels[to] = self.encoded.labels[row] as i32;
                mask[to] = 1.0;
            }
        }
        Some(Batch {
            inputs: Tensor::from_data(TensorData::new(inputs, [rows, width]), device),
            labels: Tensor::from_data(TensorData::new(labels, [rows]), device),
            mask: Tensor::from_data(TensorData::new(mask, [rows]), device),
            units: chosen.len(),
            cap,
        })
    }
}
