//! The gradient of each unit, clipped and summed: [`clipped_sum`] in one pass, [`clipped_sum_universal`] one unit at a time.
//!
//! [`clipped_sum`] runs one forward and one backward pass for all units. The layers of [`crate::nn`] record their inputs and output
//! gradients, from which norms follow (`contribution`), and then the clipped sum by one product over all rows
//! (book-keeping: Bu et al. 2023, arXiv:2210.00038). Where a unit has so many rows or positions that its own gradient is the smaller
//! thing to store, that is what is stored, one parameter at a time. [`clipped_sum_universal`] knows nothing of layers: it is the oracle,
//! and what trains a model with layers of its own.

mod contribution;
mod one_use;
mod outer;
mod parameters;
mod rows;

pub(crate) use contribution::{Contribution, Form, Rows, read};
pub(crate) use parameters::{Parameter, ordinary, trainable, with_own_gradient};

use crate::clipping::{Clip, totals};
use crate::{Error, sabotage, tape};
use burn::module::{Module, ParamId};
use burn::tensor::Tensor;
use contribution::Gathered;
use std::collections::BTreeMap;

/// The rows of some units, each unit's rows together and as many for each.
///
/// Padding is the batch's own business: its rows must have a loss of zero.
pub trait UnitBatch {
    /// Number of units, at least 1.
    fn units(&self) -> usize;

    /// The rows of one unit alone.
    #[must_use]
    fn unit(&self, index: usize) -> Self;
}

/// Sum over units of their clipped gradients: any one unit changes it by at most `max_grad_norm` in L2. Private: no `Debug`, no way to read it.
pub struct ClippedSum {
    pub(crate) values: Vec<(Parameter, Vec<f64>)>,
    pub(crate) max_grad_norm: f64,
    /// The clipped norm of each unit, in the order of the batch.
    pub(crate) norms: Vec<f64>,
    /// Units whose gradient was within the bound before it was clipped.
    pub(crate) within: u64,
    /// Units whose gradient was not finite; they contribute nothing.
    pub(crate) not_finite: u64,
}

impl ClippedSum {
    /// Over nobody.
    pub(crate) fn zero(parameters: Vec<Parameter>, clip: &Clip) -> Self {
        let values = parameters.into_iter().map(|p| (p.clone(), vec![0.0; p.len])).collect();
        Self { values, max_grad_norm: clip.max_grad_norm, norms: vec![], within: 0, not_finite: 0 }
    }

    /// Takes note of the norms of some units, parameter by parameter, before and after their factors.
    fn note(&mut self, squared: &[Vec<f64>], factors: &[Vec<f64>]) {
        let units = squared.first().map_or(0, Vec::len);
        let before = totals(squared, units);
        self.not_finite += before.iter().filter(|s| !s.is_finite()).count() as u64;
        self.within += before.iter().filter(|s| **s <= self.max_grad_norm.powi(2)).count() as u64;
        for (unit, before) in before.iter().enumerate() {
            let after = squared.iter().zip(factors).map(|(s, f)| s[unit] * f[unit].powi(2)).sum::<f64>().sqrt();
            self.norms.push(if before.is_finite() { after } else { 0.0 });
        }
    }

    /// The sum over the units of both, which are different units of one step.
    ///
    /// # Panics
    /// Where the two are of different models or bounds.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        assert_eq!(self.max_grad_norm.to_bits(), other.max_grad_norm.to_bits(), "both sums are of one step");
        assert_eq!(self.values.len(), other.values.len(), "both sums are of one model");
        for ((of, sum), (with, more)) in self.values.iter_mut().zip(other.values) {
            assert_eq!(of.id, with.id, "both sums are of one model");
            match self.norms.is_empty() {
                // Over nobody it is zero.
                true => *sum = more,
                false => sum.iter_mut().zip(more).for_each(|(s, m)| *s += m),
            }
        }
        self.norms.extend(other.norms);
        self.within += other.within;
        self.not_finite += other.not_finite;
        self
    }
}

/// The clipped sum over the units of `batch`, in one forward and one backward pass; with no batch (nobody was sampled) it is zero, and is
/// noised like any other.
///
/// `losses` gives the loss of each row; rows must not depend on each other (no batch normalisation).
///
/// # Errors
/// [`Error::NotRecorded`] names the parameters that the loss reaches outside a layer of [`crate::nn`]; [`Error::Losses`] where the losses
/// are not as many for each unit, [`Error::BatchDimension`] where what a layer saw is not.
pub fn clipped_sum<M: Module, B: UnitBatch>(
    model: &M,
    batch: Option<&B>,
    losses: impl FnOnce(&M, &B) -> Tensor<1>,
    clip: &Clip,
) -> Result<ClippedSum, Error> {
    let mut sum = ClippedSum::zero(trainable(model), clip);
    add_clipped(&mut sum, model, batch, usize::MAX, losses, clip)?;
    sabotage::clip_whole(&mut sum.values, clip.max_grad_norm);
    Ok(sum)
}

/// Adds to `sum` what the first `counted` units give, where there is a batch. The others are there to fill it up: what they add is exactly zero,
/// whatever their gradients.
pub(crate) fn add_clipped<M: Module, B: UnitBatch>(
    sum: &mut ClippedSum,
    model: &M,
    batch: Option<&B>,
    counted: usize,
    losses: impl FnOnce(&M, &B) -> Tensor<1>,
    clip: &Clip,
) -> Result<(), Error> {
    let Some(batch) = batch else { return Ok(()) };
    let units = batch.units();
    let (losses, uses) = tape::record(|| losses(model, batch));
    check_losses(&losses, units)?;
    let name = |id: &ParamId| sum.values.iter().find(|(p, _)| p.id == *id).map(|(p, _)| p.name.clone());
    if !losses.is_tracked() && uses.is_empty() {
        return Err(Error::NotRecorded { parameters: sum.values.iter().map(|(p, _)| p.name.clone()).collect() });
    }
    let mut gradients = losses.sum().backward();
    let outside = with_own_gradient(model, &gradients);
    if !outside.is_empty() {
        return Err(Error::NotRecorded { parameters: outside.iter().filter_map(name).collect() });
    }

    let mut forms: BTreeMap<ParamId, Vec<Form>> = BTreeMap::new();
    for recorded in uses {
        let (tap, contributions) = recorded.into_parts();
        // A tap that does not reach the loss: the layer's output was not used.
        let Some(gradient) = tap.grad_remove(&mut gradients) else { continue };
        for Contribution { parameter, form } in contributions(gradient) {
            if !form.batch().is_multiple_of(units) {
                return Err(Error::BatchDimension { parameter: name(&parameter).unwrap_or_default(), found: form.batch(), units });
            }
            forms.entry(parameter).or_default().push(form);
        }
    }
    drop(gradients);
    let gathered: Vec<Option<Gathered>> =
        sum.values.iter().map(|(p, _)| forms.remove(&p.id).map(|forms| Gathered::new(forms, units, p.len))).collect();
    if !forms.is_empty() {
        return Err(Error::NotInModel);
    }
    let mut squared = Gathered::all_squared_norms(&gathered, units);
    squared.iter_mut().for_each(|of_units| of_units.truncate(counted));
    let squared = sabotage::norms(squared);
    let factors = clip.factors(&sum.values.iter().map(|(p, _)| p.name.as_str()).collect::<Vec<_>>(), &squared);
    let mut factors = sabotage::factors(factors);
    sum.note(&squared, &factors);
    // A factor of zero takes a unit out by a mask.
    factors.iter_mut().for_each(|of_units| of_units.resize(units, 0.0));
    for ((gathered, factors), (_, values)) in gathered.into_iter().zip(&factors).zip(&mut sum.values) {
        if let Some(gathered) = gathered {
            gathered.add(factors, values);
        }
    }
    Ok(())
}

/// The clipped sum over the units of `batch`, one forward and one backward pass for each unit: slow, for any Burn module.
///
/// # Errors
/// [`Error::Losses`] where the losses are not as many for each unit.
pub fn clipped_sum_universal<M: Module, B: UnitBatch>(
    model: &M,
    batch: Option<&B>,
    losses: impl Fn(&M, &B) -> Tensor<1>,
    clip: &Clip,
) -> Result<ClippedSum, Error> {
    let mut sum = ClippedSum::zero(trainable(model), clip);
    add_clipped_universal(&mut sum, model, batch, losses, clip)?;
    Ok(sum)
}

/// Adds to `sum` what [`clipped_sum_universal`] gives.
pub(crate) fn add_clipped_universal<M: Module, B: UnitBatch>(
    sum: &mut ClippedSum,
    model: &M,
    batch: Option<&B>,
    losses: impl Fn(&M, &B) -> Tensor<1>,
    clip: &Clip,
) -> Result<(), Error> {
    let Some(batch) = batch else { return Ok(()) };
    let parameters: Vec<Parameter> = sum.values.iter().map(|(p, _)| p.clone()).collect();
    let names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
    for unit in 0..batch.units() {
        let losses = losses(model, &batch.unit(unit));
        check_losses(&losses, 1)?;
        let own = match losses.is_tracked() {
            true => ordinary(model, &losses.sum().backward(), &parameters),
            false => parameters.iter().map(|p| vec![0.0; p.len]).collect(),
        };
        let squared: Vec<Vec<f64>> = own.iter().map(|g| vec![g.iter().map(|v| v * v).sum()]).collect();
        let factors = clip.factors(&names, &squared);
        sum.note(&squared, &factors);
        for (((_, sum), own), factor) in sum.values.iter_mut().zip(own).zip(&factors) {
            if factor[0] > 0.0 {
                sum.iter_mut().zip(own).for_each(|(s, g)| *s += factor[0] * g);
            }
        }
    }
    Ok(())
}

fn check_losses(losses: &Tensor<1>, units: usize) -> Result<(), Error> {
    let [found] = losses.dims();
    if found == 0 || found % units != 0 {
        return Err(Error::Losses { found, units });
    }
    Ok(())
}
