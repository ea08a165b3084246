//! Texts for a language model, by unit.

use crate::{Error, UnitBatch};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// The texts of some units, each as what stands before a position and what follows there.
///
/// A text begins and ends with the end symbol. One that is longer than a row goes on in the next row.
#[derive(Clone, Debug)]
pub struct TextBatch {
    /// The symbol before each position, `[units · cap, length]`.
    pub inputs: Tensor<2, Int>,
    /// The symbol at each position, `[units · cap, length]`.
    pub targets: Tensor<2, Int>,
    /// 1 for a symbol, 0 for padding, `[units · cap, length]`.
    pub mask: Tensor<2>,
    /// Number of units, at least 1.
    pub units: usize,
    /// Rows a unit takes.
    pub cap: usize,
}

impl TextBatch {
    /// From texts as symbols 0..vocabulary - 1 by unit; the last symbol, `vocabulary - 1`, is the end. A unit takes at most `cap` rows of
    /// `length` positions; what is beyond is left out.
    ///
    /// # Errors
    /// [`Error::Examples`] where there is no unit, a cap, length or vocabulary of 0, or a symbol outside the vocabulary.
    pub fn new<U: AsRef<[Vec<u32>]>>(units: &[U], vocabulary: usize, cap: usize, length: usize, device: &Device) -> Result<Self, Error> {
        let wrong = |why| Err(Error::Examples { why });
        if units.is_empty() || cap == 0 || length == 0 || vocabulary == 0 {
            return wrong("there is no position");
        }
        let end = (vocabulary - 1) as u32;
        let shape = [units.len() * cap, length];
        let cells = shape[0] * length;
        let (mut inputs, mut targets, mut mask) = (vec![end as i32; cells], vec![end as i32; cells], vec![0.0_f32; cells]);
        for (unit, texts) in units.iter().enumerate() {
            let mut row = unit * cap;
            for text in texts.as_ref() {
                if text.iter().any(|&symbol| symbol >= end) {
                    return wrong("a symbol is outside the vocabulary");
                }
                let with_end: Vec<u32> = text.iter().copied().chain([end]).collect();
                let mut before = end;
                for part in with_end.chunks(length).take((unit + 1) * cap - row) {
                    for (place, &symbol) in part.iter().enumerate() {
                        let at = row * length + place;
                        (inputs[at], targets[at], mask[at]) = (before as i32, symbol as i32, 1.0);
                        before = symbol;
                    }
                    row += 1;
                }
            }
        }
        let ids = |ids| Tensor::from_data(TensorData::new(ids, shape), device);
        Ok(Self {
            inputs: ids(inputs),
            targets: ids(targets),
            mask: Tensor::from_data(TensorData::new(mask, shape), device),
            units: units.len(),
            cap,
        })
    }
}

impl UnitBatch for TextBatch {
    fn units(&self) -> usize {
        self.units
    }

    fn unit(&self, index: usize) -> Self {
        let (from, cap) = (index * self.cap, self.cap);
        Self {
            inputs: self.inputs.clone().narrow(0, from, cap),
            targets: self.targets.clone().narrow(0, from, cap),
            mask: self.mask.clone().narrow(0, from, cap),
            units: 1,
            cap,
        }
    }
}
