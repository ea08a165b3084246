//! The models of `reticent.toml`: in private, and the plain twin they are compared with.

use crate::examples::{Examples, Permitted};
use crate::features::Features;
use crate::individual::Individual;
use crate::ledger::ChargedElsewhere;
use crate::model::losses;
use crate::noise::{Binding, NotPrivateSeed, RunKey};
use crate::optimiser::AveragedGradient;
use crate::weights::{Average, Exact, Weights};
use crate::{Batch, Checkpoints, Classifier, Error, Optimiser, Plan, Progress, Trainer, UnitRows};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use rand::seq::SliceRandom;
use reticent_data::{PermittedTable, Schema};
use std::num::NonZeroU64;

const INIT_SEED: NotPrivateSeed = NotPrivateSeed(1);

/// Trains by the plan under differential privacy and gives the average of the second half of its iterates (post-processing, which costs nothing).
///
/// The caller has charged the whole run. Equal key, binding, rows and machine give equal weights. Early stopping, metrics and progress see
/// nothing but the step number.
///
/// # Errors
/// [`Error::Plan`], [`Error::NoUnits`], [`Error::Features`].
pub fn fit_private(
    plan: &Plan,
    data: &PermittedTable,
    key: &RunKey,
    binding: &Binding,
    observe: &mut dyn FnMut(Progress),
) -> Result<Classifier, Error> {
    let rows = UnitRows::prepared(data, plan.max_rows_per_unit, plan.architecture.features())?;
    fit_prepared(plan, &rows, data.table().schema(), key, binding, observe)
}

/// What came of a run.
pub struct Fitted {
    /// The model.
    pub model: Classifier,
    /// What each unit's own gradients came to, where that was asked for: personal data, to be kept where only their owner reads them and read
    /// one unit at a time ([`Individual::epsilon_in`]).
    pub own_losses: Option<Vec<u8>>,
}

/// As [`fit_private`], with its state on the disk: a run that was interrupted goes on from there and gives the weights, bit for bit, that it
/// would have given. `observe` is told first where it goes on.
///
/// With `individual_every`, the gradients of all units are looked at in each so-manieth step ([`Individual`]); the model is the same with and
/// without.
///
/// # Errors
/// As [`fit_private`]; [`Error::OtherRun`] where the state in the folder is of another run, [`Error::Checkpoint`] where it is damaged,
/// [`Error::Io`].
pub fn fit_private_resumable(
    plan: &Plan,
    data: &PermittedTable,
    key: &RunKey,
    binding: &Binding,
    checkpoints: Checkpoints,
    individual_every: Option<NonZeroU64>,
    observe: &mut dyn FnMut(Progress),
) -> Result<Fitted, Error> {
    let rows = UnitRows::prepared(data, plan.max_rows_per_unit, plan.architecture.features())?;
    let more = More { checkpoints: Some(checkpoints), individual_every };
    let (model, own) = run_prepared(plan, &rows, data.table().schema(), (key, binding), more, observe)?;
    Ok(Fitted { model, own_losses: own.map(|own| own.to_bytes(rows.examples().units().ids())) })
}

/// As [`fit_private`], on rows that are prepared for this plan ([`UnitRows::prepared`]): for several runs on the same rows.
///
/// # Errors
/// As [`fit_private`]; [`Error::Examples`] where the rows were prepared for another plan.
pub fn fit_prepared(
    plan: &Plan,
    rows: &Permitted<UnitRows>,
    schema: &Schema,
    key: &RunKey,
    binding: &Binding,
    observe: &mut dyn FnMut(Progress),
) -> Result<Classifier, Error> {
    Ok(run_prepared(plan, rows, schema, (key, binding), More::default(), observe)?.0)
}

fn run_prepared(
    plan: &Plan,
    rows: &Permitted<UnitRows>,
    schema: &Schema,
    secret: (&RunKey, &Binding),
    more: More,
    observe: &mut dyn FnMut(Progress),
) -> Result<(Classifier, Option<Individual>), Error> {
    let own = rows.examples();
    let start = start(plan, own, schema)?;
    let permitted = Permitted::already(own, rows.permit().clone());
    let (model, individual) = run_private(plan, permitted, start, secret, more, observe)?;
    Ok((folded(model, own), individual))
}

/// A model before its first step, in the coordinates that the rows are in.
fn start(plan: &Plan, rows: &UnitRows, schema: &Schema) -> Result<Classifier, Error> {
    let width = match &rows.whitening {
        Some(whitening) => whitening.width(),
        None => plan.architecture.width(schema.width())?,
    };
    let whitened = plan.architecture.features().is_some_and(|f| matches!(f, Features::Scattering { .. }));
    if rows.width() != width || rows.whitening.is_some() != whitened || rows.units().cap() != plan.max_rows_per_unit.get() {
        return Err(Error::Examples { why: "the rows were prepared for another plan" });
    }
    Ok(Classifier::with_first(&plan.architecture, width, schema.classes(), INIT_SEED, &Device::flex().autodiff()))
}

/// The model on the features themselves.
fn folded(mut model: Classifier, rows: &UnitRows) -> Classifier {
    if let Some(whitening) = &rows.whitening {
        model.layers[0] = whitening.fold(&model.layers[0]);
    }
    model
}

/// What a run does beside its steps; none of it changes the model.
#[derive(Default)]
pub(crate) struct More {
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) individual_every: Option<NonZeroU64>,
}

/// A run of a plan of `reticent.toml`.
pub(crate) fn run_private<E: Examples<Batch = Batch>>(
    plan: &Plan,
    rows: Permitted<E>,
    start: Classifier,
    (key, binding): (&RunKey, &Binding),
    more: More,
    observe: &mut dyn FnMut(Progress),
) -> Result<(Classifier, Option<Individual>), Error> {
    plan.check()?;
    let optimizer = (plan.optimiser.for_module(), plan.learning_rate);
    let secret = (key.again(), binding.clone());
    let mut trainer =
        Trainer::new(plan.privacy(), start, optimizer, rows, losses, secret, ChargedElsewhere)?.with_average(Average::SecondHalf)?;
    if let Some(checkpoints) = more.checkpoints {
        trainer = trainer.with_checkpoints(checkpoints);
    }
    if let Some(every) = more.individual_every {
        trainer = trainer.with_individual_accounting(every)?;
    }
    let begun = trainer.resume()?;
    if begun.step > 0 {
        observe(begun);
    }
    trainer.fit(observe)?;
    let individual = trainer.take_individual();
    Ok((trainer.finish()?.model, individual))
}

impl Optimiser {
    fn for_module(self) -> ModuleOptimizer {
        match self {
            Self::Momentum => AveragedGradient.into(),
            Self::Adam => AdamConfig::new().with_epsilon(1e-8).init(),
        }
    }
}

/// A model before its first step; its weights are public.
pub(crate) fn fresh(plan: &Plan, inputs: usize, classes: usize) -> Result<Classifier, Error> {
    plan.architecture.width(inputs)?;
    Ok(Classifier::new(&plan.architecture, inputs, classes, INIT_SEED, &Device::flex().autodiff()))
}

fn plain(plan: &Plan, start: Classifier, learning_rate: f64, steps: u64) -> Weights<Classifier, Exact> {
    Weights::new(start, plan.optimiser.for_module(), learning_rate.into(), Average::Last, steps)
}

/// Trains without privacy on all units at each step: the twin a private model is compared with, for internal evaluation only.
///
/// # Errors
/// [`Error::Plan`], [`Error::NoUnits`], [`Error::Features`].
pub fn fit_plain(plan: &Plan, data: &PermittedTable, steps: u64, learning_rate: f64) -> Result<Classifier, Error> {
    plan.check()?;
    let device = Device::flex();
    let rows = UnitRows::new(data, plan.max_rows_per_unit).on(plan.architecture.features())?;
    let all: Vec<usize> = (0..rows.units().len()).collect();
    let Some(batch) = rows.batch(&all, &device).map(Batch::without_padding) else { return Err(Error::NoUnits) };
    let scale = 1.0 / rows.units().kept_rows() as f64;
    let schema = data.table().schema();
    let mut weights = plain(plan, start(plan, &rows, schema)?, learning_rate, steps);
    for _ in 0..steps {
        weights.step(exact(&weights.model, &batch, scale));
    }
    Ok(folded(weights.model, &rows))
}

/// One epoch after another over all units in a fixed random order, `batch` units at a time: without privacy.
pub(crate) fn run_plain_epochs(
    plan: &Plan,
    rows: &impl Examples<Batch = Batch>,
    start: Classifier,
    (epochs, batch): (u64, usize),
    seed: NotPrivateSeed,
    observe: &mut dyn FnMut(Progress),
) -> Result<Classifier, Error> {
    plan.check()?;
    let device = Device::flex();
    if rows.units() == 0 {
        return Err(Error::NoUnits);
    }
    let steps = epochs * rows.units().div_ceil(batch) as u64;
    let mut weights = plain(plan, start, plan.learning_rate, steps);
    let mut order: Vec<usize> = (0..rows.units()).collect();
    let mut rng = seed.rng();
    for _ in 0..epochs {
        order.shuffle(&mut rng);
        for chosen in order.chunks(batch) {
            let Some(batch) = rows.batch(chosen, &device).map(Batch::without_padding) else { continue };
            let count: f32 = batch.mask.clone().sum().into_scalar();
            weights.step(exact(&weights.model, &batch, 1.0 / f64::from(count.max(1.0))));
            observe(Progress { step: weights.done, steps });
        }
    }
    Ok(weights.model)
}

fn exact(model: &Classifier, batch: &Batch, scale: f64) -> Exact {
    Exact(GradientsParams::from_grads((losses(model, batch).sum() * scale).backward(), model))
}
