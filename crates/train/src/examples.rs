//! What a run learns from: units that can be drawn, and the right to use them.

use crate::{Error, UnitBatch};
use burn::tensor::{Device, Int, Tensor, TensorData};
use reticent_proof::Permit;
use sha2::{Digest, Sha256};

/// Units that can be drawn, and the rows of those drawn.
///
/// A unit is what the bound is about (a record, or a person with a public cap on rows): the rows of one are together in a batch, and as many
/// for each, padded with rows whose loss is zero.
pub trait Examples: Sync {
    /// The rows of some units.
    type Batch: UnitBatch;

    /// Number of units.
    fn units(&self) -> usize;

    /// The rows of the units at these indices, in this order; `None` where they have no row at all, so that their gradient is zero.
    fn batch(&self, chosen: &[usize], device: &Device) -> Option<Self::Batch>;

    /// Puts those drawn in the order in which they are computed: units with about as many rows side by side need little padding.
    fn arrange(&self, chosen: &mut [usize]) {
        let _ = chosen;
    }

    /// SHA-256 of all that [`Examples::batch`] draws on, in hexadecimal: a run goes on with its own noise only where it is the same.
    fn digest(&self) -> String;
}

impl<E: Examples> Examples for &E {
    type Batch = E::Batch;

    fn units(&self) -> usize {
        (**self).units()
    }

    fn batch(&self, chosen: &[usize], device: &Device) -> Option<Self::Batch> {
        (**self).batch(chosen, device)
    }

    fn arrange(&self, chosen: &mut [usize]) {
        (**self).arrange(chosen);
    }

    fn digest(&self) -> String {
        (**self).digest()
    }
}

/// Examples with the right to train on them: a [`Trainer`](crate::Trainer) takes no others.
///
/// The permit is bound into the noise, and its [`stamp`](Permitted::stamp) stands on what is made from the examples.
pub struct Permitted<E> {
    examples: E,
    permit: Permit,
}

impl<E> Permitted<E> {
    /// For examples of the caller's own, under [`Permit::asserted`] or [`Permit::public`].
    ///
    /// # Errors
    /// [`Error::NamedUnits`] for a permit that allows named units of a data version only: which of these examples they are cannot be told
    /// here. Rows under such a permit come as a [`reticent_data::PermittedTable`]: [`UnitRows::permitted`](crate::UnitRows::permitted).
    pub fn new(examples: E, permit: Permit) -> Result<Self, Error> {
        if permit.allowed_units().is_some() || permit.data_version().is_some() {
            return Err(Error::NamedUnits);
        }
        Ok(Self { examples, permit })
    }

    /// For examples that were made from rows under this very permit.
    pub(crate) fn already(examples: E, permit: Permit) -> Self {
        Self { examples, permit }
    }

    /// The examples.
    #[must_use]
    pub fn examples(&self) -> &E {
        &self.examples
    }

    /// What permits their use.
    #[must_use]
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// What must be printed on everything made from them; `None` where the gate decided.
    #[must_use]
    pub fn stamp(&self) -> Option<String> {
        self.permit.stamp()
    }
}

/// Examples that are said to be public: the only ones a metric is computed on while a model is trained.
///
/// ```compile_fail,E0308
/// # use reticent_train::*;
/// // Rows under a permit to train are not public.
/// fn metric<E: Examples>(rows: Permitted<E>) -> PublicExamples<E> { rows }
/// ```
pub struct PublicExamples<E> {
    examples: E,
    reason: String,
}

impl<E: Examples> PublicExamples<E> {
    /// States that anyone may see these examples, and why. Choosing by a metric on rows that are not public is itself a release of theirs.
    #[must_use]
    pub fn new(examples: E, reason: &str) -> Self {
        Self { examples, reason: reason.into() }
    }

    /// The examples.
    #[must_use]
    pub fn examples(&self) -> &E {
        &self.examples
    }

    /// Why they are public.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Rows with a class each, one row a unit: inputs of any shape, `[rows, ..]`.
///
/// ```
/// use reticent_train::{Examples, Labelled};
/// let rows = Labelled::new(vec![0.5, 1.0, -1.0, 0.0], [2, 2], vec![1, 0])?;
/// assert_eq!(rows.units(), 2);
/// # Ok::<(), reticent_train::Error>(())
/// ```
pub struct Labelled<const D: usize> {
    inputs: Vec<f32>,
    shape: [usize; D],
    labels: Vec<i32>,
}

/// Some rows of [`Labelled`].
#[derive(Clone)]
pub struct LabelledBatch<const D: usize> {
    /// `[units · rows of a unit, ..]`; a unit has one row, or as many as an [`Augmentation`](crate::Augmentation) made of it.
    pub inputs: Tensor<D>,
    /// Class of each row.
    pub labels: Tensor<1, Int>,
    /// Number of units, at least 1.
    pub units: usize,
}

impl<const D: usize> Labelled<D> {
    /// Rows from their values, row-major; the first dimension of `shape` counts them.
    ///
    /// # Errors
    /// [`Error::Examples`] where the numbers do not fit together.
    pub fn new(inputs: Vec<f32>, shape: [usize; D], labels: Vec<usize>) -> Result<Self, Error> {
        if D == 0 || shape.iter().product::<usize>() != inputs.len() {
            return Err(Error::Examples { why: "the shape holds another number of values" });
        }
        if shape[0] != labels.len() {
            return Err(Error::Examples { why: "as many labels as rows are needed" });
        }
        let labels: Result<Vec<i32>, _> = labels.into_iter().map(i32::try_from).collect();
        Ok(Self { inputs, shape, labels: labels.map_err(|_| Error::Examples { why: "a label is too large" })? })
    }
}

impl<const D: usize> Examples for Labelled<D> {
    type Batch = LabelledBatch<D>;

    fn units(&self) -> usize {
        self.labels.len()
    }

    fn batch(&self, chosen: &[usize], device: &Device) -> Option<LabelledBatch<D>> {
        if chosen.is_empty() {
            return None;
        }
        let width = self.shape[1..].iter().product::<usize>();
        let mut shape = self.shape;
        shape[0] = chosen.len();
        let inputs: Vec<f32> = chosen.iter().flat_map(|&row| &self.inputs[row * width..(row + 1) * width]).copied().collect();
        let labels: Vec<i32> = chosen.iter().map(|&row| self.labels[row]).collect();
        Some(LabelledBatch {
            inputs: Tensor::from_data(TensorData::new(inputs, shape), device),
            labels: Tensor::from_data(TensorData::new(labels, [chosen.len()]), device),
            units: chosen.len(),
        })
    }

    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        self.shape.iter().for_each(|&size| hash.update((size as u64).to_le_bytes()));
        digest_rows(hash, &self.inputs, &self.labels)
    }
}

/// Goes on with the values and classes of rows.
pub(crate) fn digest_rows(mut hash: Sha256, inputs: &[f32], labels: &[i32]) -> String {
    inputs.iter().for_each(|x| hash.update(x.to_bits().to_le_bytes()));
    labels.iter().for_each(|x| hash.update(x.to_le_bytes()));
    hex::encode(hash.finalize())
}

impl<const D: usize> UnitBatch for LabelledBatch<D> {
    fn units(&self) -> usize {
        self.units
    }

    fn unit(&self, index: usize) -> Self {
        let rows = self.labels.dims()[0] / self.units;
        let own = |from: usize| from * rows;
        Self { inputs: self.inputs.clone().narrow(0, own(index), rows), labels: self.labels.clone().narrow(0, own(index), rows), units: 1 }
    }
}
