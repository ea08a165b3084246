//! The training loop: in private, and the plain twin it is compared with.

use crate::batch::Source;
use crate::gradient::{ordinary, read, trainable};
use crate::mechanism::NoiseMemory;
use crate::model::losses;
use crate::noise::{Binding, NotPrivateSeed, RunKey};
use crate::sabotage::{self, Bug};
use crate::{Batch, Classifier, Error, Optimiser, Plan, Privatized, UnitRows, clipped_sum, tape};
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use rand::seq::SliceRandom;
use reticent_data::PermittedTable;
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
}

const INIT_SEED: NotPrivateSeed = NotPrivateSeed(1);
const MOMENTUM: f64 = 0.9;
const ADAM_SQUARE: f64 = 0.999;

/// Trains by the plan under differential privacy and gives the average of the second half of its iterates (post-processing, which costs nothing).
///
/// Equal key, binding, rows and machine give equal weights. Early stopping, metrics and progress see nothing but the step number.
///
/// # Errors
/// [`Error::Plan`], [`Error::NoUnits`].
pub fn fit_private(
    plan: &Plan,
    data: &PermittedTable,
    key: &RunKey,
    binding: &Binding,
    observe: &mut dyn FnMut(Progress),
) -> Result<Classifier, Error> {
    let schema = data.table().schema();
    let rows = UnitRows::new(data, plan.max_rows_per_unit);
    run_private(plan, &rows, fresh(plan, schema.width(), schema.classes()), key, binding, observe)
}

/// The private loop: draw units, clip and sum, add noise, step.
pub(crate) fn run_private(
    plan: &Plan,
    rows: &impl Source,
    start: Classifier,
    key: &RunKey,
    binding: &Binding,
    observe: &mut dyn FnMut(Progress),
) -> Result<Classifier, Error> {
    plan.check()?;
    let device = Device::flex();
    let mut privacy = plan.privacy();
    privacy.check_units(rows.len())?;
    sabotage::leak(&mut privacy, rows.len());
    let mut run = Run::<Privatized>::new(start, plan.optimiser, plan.learning_rate, plan.steps);
    let (mut bound, mut memory) = (privacy.max_grad_norm, NoiseMemory::default());
    let mut stale = None;
    for step in 0..plan.steps {
        let clip = privacy.clip_at(step, bound);
        let sampled = privacy.sample(step, rows.len(), key, binding);
        let mut sum = clipped_sum(&run.model, None::<&Batch>, losses, &clip)?;
        for batch in rows.batches(&sampled, &device) {
            sum = sum.plus(clipped_sum(&run.model, Some(&batch), losses, &clip)?);
        }
        if sampled.is_empty() && sabotage::is(Bug::SkippedEmptyBatch) {
            continue;
        }
        let noised = sum.privatize_with(&privacy, key, binding, step, &mut memory);
        bound = noised.bound();
        let Some(noised) = sabotage::hold_back(noised, &mut stale) else { continue };
        run.step(noised);
        observe(Progress { step: step + 1, steps: plan.steps });
    }
    Ok(run.average())
}

/// A model before its first step; its weights are public.
pub(crate) fn fresh(plan: &Plan, inputs: usize, classes: usize) -> Classifier {
    Classifier::new(&plan.architecture, inputs, classes, INIT_SEED, &Device::flex().autodiff())
}

/// Trains without privacy on all units at each step: the twin a private model is compared with, for internal evaluation only.
///
/// # Errors
/// [`Error::Plan`], [`Error::NoUnits`].
pub fn fit_plain(plan: &Plan, data: &PermittedTable, steps: u64, learning_rate: f64) -> Result<Classifier, Error> {
    plan.check()?;
    let device = Device::flex();
    let rows = UnitRows::new(data, plan.max_rows_per_unit);
    let all: Vec<usize> = (0..rows.units().len()).collect();
    let Some(batch) = rows.batch(&all, &device) else { return Err(Error::NoUnits) };
    let scale = 1.0 / rows.units().kept_rows() as f64;
    let schema = data.table().schema();
    let mut run = Run::<Exact>::new(fresh(plan, schema.width(), schema.classes()), plan.optimiser, learning_rate, steps);
    for _ in 0..steps {
        run.step(exact(&run.model, &batch, scale));
    }
    Ok(run.model)
}

/// One epoch after another over all units in a fixed random order, `batch` units at a time: without privacy.
pub(crate) fn run_plain_epochs(
    plan: &Plan,
    rows: &impl Source,
    start: Classifier,
    (epochs, batch): (u64, usize),
    seed: NotPrivateSeed,
    observe: &mut dyn FnMut(Progress),
) -> Result<Classifier, Error> {
    plan.check()?;
    let device = Device::flex();
    if rows.len() == 0 {
        return Err(Error::NoUnits);
    }
    let steps = epochs * rows.len().div_ceil(batch) as u64;
    let mut run = Run::<Exact>::new(start, plan.optimiser, plan.learning_rate, steps);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let mut rng = seed.rng();
    for _ in 0..epochs {
        order.shuffle(&mut rng);
        for chosen in order.chunks(batch) {
            let Some(batch) = rows.batch(chosen, &device) else { continue };
            let count: f32 = batch.mask.clone().sum().into_scalar();
            run.step(exact(&run.model, &batch, 1.0 / f64::from(count.max(1.0))));
            observe(Progress { step: run.done, steps });
        }
    }
    Ok(run.model)
}

fn exact(model: &Classifier, batch: &Batch, scale: f64) -> Exact {
    let parameters = trainable(model);
    let values = ordinary(model, &losses(model, batch).sum().backward(), &parameters);
    Exact(parameters.into_iter().map(|p| p.id).zip(values.into_iter().map(|g| g.into_iter().map(|v| v * scale).collect())).collect())
}

/// What may move the weights of a run. A private run is a `Run<Privatized>`: nothing else fits.
trait Gradient {
    fn into_values(self) -> BTreeMap<ParamId, Vec<f64>>;
}

impl Gradient for Privatized {
    fn into_values(self) -> BTreeMap<ParamId, Vec<f64>> {
        self.into_values()
    }
}

/// The exact gradient, for a twin without privacy.
struct Exact(BTreeMap<ParamId, Vec<f64>>);

impl Gradient for Exact {
    fn into_values(self) -> BTreeMap<ParamId, Vec<f64>> {
        self.0
    }
}

/// A model under way: its optimiser, and the running average of the second half.
struct Run<G> {
    takes: PhantomData<G>,
    model: Classifier,
    optimiser: Optimiser,
    /// Running mean of the gradient.
    velocity: BTreeMap<ParamId, Vec<f64>>,
    /// Running mean of its square, for Adam.
    square: BTreeMap<ParamId, Vec<f64>>,
    /// Sum over the second half of (iterate − current model): kept as what to take off at the end.
    behind: BTreeMap<ParamId, Vec<f64>>,
    averaged: u64,
    done: u64,
    steps: u64,
    learning_rate: f64,
}

impl<G: Gradient> Run<G> {
    fn new(model: Classifier, optimiser: Optimiser, learning_rate: f64, steps: u64) -> Self {
        let (velocity, square, behind) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { takes: PhantomData, model, optimiser, velocity, square, behind, averaged: 0, done: 0, steps, learning_rate }
    }

    fn step(&mut self, gradient: G) {
        let mut moves = BTreeMap::new();
        for (id, gradient) in gradient.into_values() {
            let velocity = self.velocity.entry(id).or_insert_with(|| vec![0.0; gradient.len()]);
            for (v, g) in velocity.iter_mut().zip(&gradient) {
                *v = MOMENTUM * *v + (1.0 - MOMENTUM) * g;
            }
            let step: Vec<f64> = match self.optimiser {
                Optimiser::Momentum => velocity.iter().map(|v| self.learning_rate * v).collect(),
                Optimiser::Adam => {
                    let square = self.square.entry(id).or_insert_with(|| vec![0.0; gradient.len()]);
                    for (s, g) in square.iter_mut().zip(&gradient) {
                        *s = ADAM_SQUARE * *s + (1.0 - ADAM_SQUARE) * g * g;
                    }
                    let time = i32::try_from(self.done + 1).unwrap_or(i32::MAX);
                    let (first, second) = (1.0 - MOMENTUM.powi(time), 1.0 - ADAM_SQUARE.powi(time));
                    velocity.iter().zip(square).map(|(v, s)| self.learning_rate * (v / first) / ((*s / second).sqrt() + 1e-8)).collect()
                }
            };
            moves.insert(id, step);
        }
        // Every earlier iterate in the average falls behind the model by this move.
        for (id, step) in &moves {
            let behind = self.behind.entry(*id).or_insert_with(|| vec![0.0; step.len()]);
            for (b, s) in behind.iter_mut().zip(step) {
                *b += self.averaged as f64 * s;
            }
        }
        self.model = self.model.clone().map(&mut Subtract(&moves));
        self.done += 1;
        if self.done > self.steps / 2 {
            self.averaged += 1;
        }
    }

    fn average(self) -> Classifier {
        let count = self.averaged.max(1) as f64;
        let back: BTreeMap<_, Vec<f64>> =
            self.behind.into_iter().map(|(id, b)| (id, b.into_iter().map(|v| -v / count).collect())).collect();
        self.model.map(&mut Subtract(&back))
    }
}

/// Subtracts a step from each parameter.
struct Subtract<'a>(&'a BTreeMap<ParamId, Vec<f64>>);

impl ModuleMapper for Subtract<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(step) = self.0.get(&param.id) else { return param };
        param.map(|tensor| {
            let tensor = tape::plain(tensor);
            let (device, shape) = (tensor.device(), tensor.dims());
            let moved: Vec<f32> = read(tensor).into_iter().zip(step).map(|(w, s)| (w - s) as f32).collect();
            Tensor::<D>::from_data(TensorData::new(moved, shape), &device).autodiff().require_grad()
        })
    }
}
