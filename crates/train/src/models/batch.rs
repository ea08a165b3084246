//! Rows with a class each, by unit.

use crate::{Error, UnitBatch};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// What a model reads: anything whose first dimension is the rows.
pub trait RowInputs: Clone {
    /// `len` rows from row `from` on.
    #[must_use]
    fn rows(&self, from: usize, len: usize) -> Self;
}

impl<const D: usize> RowInputs for Tensor<D> {
    fn rows(&self, from: usize, len: usize) -> Self {
        self.clone().narrow(0, from, len)
    }
}

/// Sequences of symbols, padded at their ends.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// `[rows, length]`; padding may be any symbol the model knows.
    pub ids: Tensor<2, Int>,
    /// 1 for a symbol, 0 for padding, `[rows, length]`.
    pub mask: Tensor<2>,
}

impl RowInputs for Tokens {
    fn rows(&self, from: usize, len: usize) -> Self {
        Self { ids: self.ids.clone().narrow(0, from, len), mask: self.mask.clone().narrow(0, from, len) }
    }
}

/// The rows of some units with a class each, padded to as many rows for each.
#[derive(Clone, Debug)]
pub struct ClassBatch<T> {
    /// `units · cap` rows, each unit's together.
    pub inputs: T,
    /// Class of each row, `[units · cap]`.
    pub labels: Tensor<1, Int>,
    /// 1 for a row, 0 for padding, `[units · cap]`.
    pub mask: Tensor<1>,
    /// Number of units, at least 1.
    pub units: usize,
    /// Rows a unit takes.
    pub cap: usize,
}

impl<T: RowInputs> UnitBatch for ClassBatch<T> {
    fn units(&self) -> usize {
        self.units
    }

    fn unit(&self, index: usize) -> Self {
        let (from, cap) = (index * self.cap, self.cap);
        Self {
            inputs: self.inputs.rows(from, cap),
            labels: self.labels.clone().narrow(0, from, cap),
            mask: self.mask.clone().narrow(0, from, cap),
            units: 1,
            cap,
        }
    }
}

/// A unit's rows: what a row is read from, and its class.
type Unit<R> = [(R, usize)];

impl ClassBatch<Tensor<2>> {
    /// From values of equal width and a class below `classes`, the first `cap` rows of each unit.
    ///
    /// # Errors
    /// [`Error::Examples`] where there is no row, a cap of 0, a class out of range, or rows differ in width.
    pub fn from_units<U: AsRef<Unit<Vec<f32>>>>(units: &[U], classes: usize, cap: usize, device: &Device) -> Result<Self, Error> {
        let rows = Rows::new(units, classes, cap)?;
        let Some((_, first)) = rows.places().next() else { return Err(Error::Examples { why: "there is no row" }) };
        let width = first.len();
        let mut values = vec![0.0_f32; rows.count() * width];
        for (at, row) in rows.places() {
            if row.len() != width {
                return Err(Error::Examples { why: "rows differ in width" });
            }
            values[at * width..(at + 1) * width].copy_from_slice(row);
        }
        Ok(rows.batch(Tensor::from_data(TensorData::new(values, [rows.count(), width]), device), device))
    }
}

impl ClassBatch<Tensor<4>> {
    /// From images of `channels × height × width` values and a class below `classes`, the first `cap` of each unit.
    ///
    /// # Errors
    /// [`Error::Examples`] where there is no image, a cap of 0, a class out of range, or an image has another number of values.
    pub fn from_images<U: AsRef<Unit<Vec<f32>>>>(
        units: &[U],
        size: [usize; 3],
        classes: usize,
        cap: usize,
        device: &Device,
    ) -> Result<Self, Error> {
        let flat = ClassBatch::<Tensor<2>>::from_units(units, classes, cap, device)?;
        let [rows, width] = flat.inputs.dims();
        if width != size.iter().product::<usize>() {
            return Err(Error::Examples { why: "an image has another number of values" });
        }
        let inputs = flat.inputs.reshape([rows, size[0], size[1], size[2]]);
        Ok(Self { inputs, labels: flat.labels, mask: flat.mask, units: flat.units, cap: flat.cap })
    }
}

impl ClassBatch<Tokens> {
    /// From sequences of symbols below `vocabulary` and a class below `classes`, the first `cap` of each unit, each cut to `length` symbols
    /// and padded to it.
    ///
    /// # Errors
    /// [`Error::Examples`] where there is no unit, a cap or a length of 0, or a symbol or a class out of range.
    pub fn from_sequences<U: AsRef<Unit<Vec<u32>>>>(
        units: &[U],
        vocabulary: usize,
        classes: usize,
        length: usize,
        cap: usize,
        device: &Device,
    ) -> Result<Self, Error> {
        if length == 0 {
            return Err(Error::Examples { why: "sequences have no length" });
        }
        let rows = Rows::new(units, classes, cap)?;
        let shape = [rows.count(), length];
        let (mut ids, mut mask) = (vec![0_i32; shape[0] * length], vec![0.0_f32; shape[0] * length]);
        for (at, row) in rows.places() {
            for (place, &id) in row.iter().take(length).enumerate() {
                if id as usize >= vocabulary {
                    return Err(Error::Examples { why: "a symbol is out of range" });
                }
                ids[at * length + place] = id as i32;
                mask[at * length + place] = 1.0;
            }
        }
        let (ids, mask) = (TensorData::new(ids, shape), TensorData::new(mask, shape));
        Ok(rows.batch(Tokens { ids: Tensor::from_data(ids, device), mask: Tensor::from_data(mask, device) }, device))
    }
}

/// Where the rows of units stand in a batch.
struct Rows<'a, R> {
    units: Vec<&'a Unit<R>>,
    cap: usize,
}

impl<'a, R> Rows<'a, R> {
    fn new<U: AsRef<Unit<R>>>(units: &'a [U], classes: usize, cap: usize) -> Result<Self, Error> {
        if units.is_empty() || cap == 0 {
            return Err(Error::Examples { why: "there is no row" });
        }
        let rows = Self { units: units.iter().map(|u| u.as_ref()).collect(), cap };
        if rows.entries().any(|(_, (_, class))| *class >= classes) {
            return Err(Error::Examples { why: "a class is out of range" });
        }
        Ok(rows)
    }

    fn count(&self) -> usize {
        self.units.len() * self.cap
    }

    fn entries(&self) -> impl Iterator<Item = (usize, &'a (R, usize))> {
        let cap = self.cap;
        self.units
            .iter()
            .enumerate()
            .flat_map(move |(unit, rows)| rows.iter().take(cap).enumerate().map(move |(i, row)| (unit * cap + i, row)))
    }

    fn places(&self) -> impl Iterator<Item = (usize, &'a R)> {
        self.entries().map(|(at, (row, _))| (at, row))
    }

    fn batch<T>(&self, inputs: T, device: &Device) -> ClassBatch<T> {
        let (mut labels, mut mask) = (vec![0_i32; self.count()], vec![0.0_f32; self.count()]);
        for (at, (_, class)) in self.entries() {
            labels[at] = *class as i32;
            mask[at] = 1.0;
        }
        ClassBatch {
            inputs,
            labels: Tensor::from_data(TensorData::new(labels, [self.count()]), device),
            mask: Tensor::from_data(TensorData::new(mask, [self.count()]), device),
            units: self.units.len(),
            cap: self.cap,
        }
    }
}
