//! The façade with Opacus's names: a run under a bound in three lines.

use crate::examples::{Examples, Permitted};
use crate::ledger::{Charge, Ledger, MemoryLedger};
use crate::{Binding, Error, PrivacyPlan, RunKey, Sampling, Trainer};
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use reticent_accounting::calibrate::{self, Accountant};
use reticent_accounting::{Delta, Epsilon, Event, NoiseMultiplier, SamplingRate};
use reticent_proof::Permit;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Makes [`Trainer`]s and adds up what they cost (Yousefpour et al. 2021, arXiv:2109.12298, for the names).
///
/// What is called how in Opacus, and what differs, is in a table of `docs/training.md`.
///
/// ```
/// use burn::{module::Module, optim::SgdConfig, tensor::{Device, Tensor, activation}};
/// use reticent_proof::Permit;
/// use reticent_train::{DataLoader, Labelled, LabelledBatch, NoiseSettings, PrivacyEngine, cross_entropy, nn};
///
/// #[derive(Module, Debug)]
/// struct Model { layer: nn::Linear }
///
/// let rows = Labelled::new(vec![0.5; 200 * 3], [200, 3], (0..200).map(|row| row % 2).collect())?;
/// let data = DataLoader::new(rows, Permit::asserted("made up for this page"), 200, 20)?;
/// let losses = |m: &Model, b: &LabelledBatch<2>| cross_entropy(m.layer.forward(b.inputs.clone()), b.labels.clone());
/// let model = Model { layer: nn::LinearConfig::new(3, 2).init(&Device::flex().autodiff()) };
///
/// let mut engine = PrivacyEngine::new();
/// let noise = NoiseSettings { noise_multiplier: 1.0, epochs: 2, max_grad_norm: 1.0 };
/// let mut trainer = engine.make_private(model, (SgdConfig::new().init(), 0.1), data, losses, noise)?;
/// trainer.step()?;
/// let after_one = engine.get_epsilon(1e-5)?;
/// trainer.fit(|_| ())?;
/// assert!(after_one < engine.get_epsilon(1e-5)?);
/// let trained = trainer.finish()?;
/// assert!(trained.stamp.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PrivacyEngine {
    accountant: Accountant,
    ledger: Shared,
}

/// One ledger for all runs of an engine.
#[derive(Clone)]
struct Shared(Arc<Mutex<Box<dyn Ledger + Send>>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Box<dyn Ledger + Send>> {
        // A ledger that panicked has charged or has not: it is asked again, as after a crash.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for Shared {
    fn charge(&mut self, charge: Charge) -> Result<(), Error> {
        self.lock().charge(charge)
    }

    fn settle(&mut self, charge: Charge) -> Result<(), Error> {
        self.lock().settle(charge)
    }

    fn charged(&self, run: &str) -> u64 {
        self.lock().charged(run)
    }

    fn charges(&self) -> Vec<Charge> {
        self.lock().charges()
    }

    fn block(&self) -> u64 {
        self.lock().block()
    }
}

/// Examples, the right to use them, and how many of them a step expects.
pub struct DataLoader<E> {
    data: Permitted<E>,
    unit: String,
    max_rows_per_unit: NonZeroUsize,
    public_units: u64,
    batch_size: u64,
}

impl<E: Examples> DataLoader<E> {
    /// Poisson sampling: each unit joins a step with probability `batch_size / public_units`, on its own.
    ///
    /// `public_units` is a public, rounded number of units, not a count of these: adding or removing one must change nothing else in the run.
    ///
    /// # Errors
    /// [`Error::Plan`] where `batch_size` is not between 1 and `public_units`; as [`Permitted::new`].
    pub fn new(examples: E, permit: Permit, public_units: u64, batch_size: u64) -> Result<Self, Error> {
        Self::permitted(Permitted::new(examples, permit)?, "record", NonZeroUsize::MIN, public_units, batch_size)
    }

    /// As [`DataLoader::new`] for units of another name and several rows, at most `max_rows_per_unit` each: a cap that was applied to the
    /// examples before.
    ///
    /// # Errors
    /// As [`DataLoader::new`].
    pub fn permitted(
        data: Permitted<E>,
        unit: &str,
        max_rows_per_unit: NonZeroUsize,
        public_units: u64,
        batch_size: u64,
    ) -> Result<Self, Error> {
        if batch_size == 0 || batch_size > public_units {
            return Err(Error::Plan { field: "batch_size", why: "must be between 1 and the public number of units" });
        }
        Ok(Self { data, unit: unit.into(), max_rows_per_unit, public_units, batch_size })
    }

    fn plan(&self, noise_multiplier: NoiseMultiplier, epochs: u64, max_grad_norm: f64) -> Result<PrivacyPlan, Error> {
        let sample_rate = SamplingRate::new(self.batch_size as f64 / self.public_units as f64)?;
        // Whole batches of whole numbers: a step is never lost to rounding.
        let steps = self.public_units.div_ceil(self.batch_size).checked_mul(epochs);
        let steps = steps.ok_or(Error::Plan { field: "epochs", why: "are too many" })?;
        let sampling = Sampling::Poisson { sample_rate, public_units: self.public_units };
        let plan = PrivacyPlan::new(&self.unit, self.max_rows_per_unit, sampling, max_grad_norm, noise_multiplier, steps);
        plan.check()?;
        Ok(plan)
    }
}

/// How a run is noised, where that is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseSettings {
    /// Standard deviation of the noise over `max_grad_norm`.
    pub noise_multiplier: f64,
    /// Passes over the public number of units: `epochs · ⌈public_units / batch_size⌉` steps.
    pub epochs: u64,
    /// Bound on the L2 norm of a unit's gradient.
    pub max_grad_norm: f64,
}

/// What a run may cost, where the noise follows from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// ε of this run alone at `target_delta`: add or remove one unit.
    pub target_epsilon: f64,
    /// δ.
    pub target_delta: f64,
    /// Passes over the public number of units: `epochs · ⌈public_units / batch_size⌉` steps.
    pub epochs: u64,
    /// Bound on the L2 norm of a unit's gradient.
    pub max_grad_norm: f64,
}

/// The noise multiplier found is at most so much above the smallest that meets the target.
const TOLERANCE: f64 = 5e-4;

impl Default for PrivacyEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl PrivacyEngine {
    /// An engine that accounts by privacy-loss distributions and keeps its charges in memory.
    #[must_use]
    pub fn new() -> Self {
        Self::with_ledger(MemoryLedger::default())
    }

    /// An engine over a ledger that is kept: [`FileLedger`](crate::FileLedger). What it holds already counts.
    #[must_use]
    pub fn with_ledger(ledger: impl Ledger + Send + 'static) -> Self {
        Self { accountant: Accountant::Pld, ledger: Shared(Arc::new(Mutex::new(Box::new(ledger)))) }
    }

    /// With another accountant, for calibration and for [`PrivacyEngine::get_epsilon`].
    #[must_use]
    pub fn with_accountant(self, accountant: Accountant) -> Self {
        Self { accountant, ..self }
    }

    /// A run with the noise given. `losses` gives the loss of each row.
    ///
    /// # Errors
    /// [`Error::Plan`], [`Error::NoUnits`], [`Error::Accounting`] for values out of range.
    pub fn make_private<M, E, L>(
        &mut self,
        model: M,
        optimizer: (ModuleOptimizer, impl Into<ModuleLrScheduler>),
        data: DataLoader<E>,
        losses: L,
        noise: NoiseSettings,
    ) -> Result<Trainer<M, E, L>, Error>
    where
        M: Module,
        E: Examples,
        L: Fn(&M, &E::Batch) -> Tensor<1> + Sync,
    {
        let plan = data.plan(NoiseMultiplier::new(noise.noise_multiplier)?, noise.epochs, noise.max_grad_norm)?;
        self.make_private_with_plan(plan, model, optimizer, data.data, losses)
    }

    /// A run with the smallest noise at which this run alone costs at most the target, to within 5e-4 of the multiplier: found by the engine's
    /// accountant, and never above the target.
    ///
    /// # Errors
    /// As [`PrivacyEngine::make_private`]; [`Error::Accounting`] where no noise meets the target.
    pub fn make_private_with_epsilon<M, E, L>(
        &mut self,
        model: M,
        optimizer: (ModuleOptimizer, impl Into<ModuleLrScheduler>),
        data: DataLoader<E>,
        losses: L,
        target: Target,
    ) -> Result<Trainer<M, E, L>, Error>
    where
        M: Module,
        E: Examples,
        L: Fn(&M, &E::Batch) -> Tensor<1> + Sync,
    {
        let (epsilon, delta) = (Epsilon::new(target.target_epsilon)?, Delta::new(target.target_delta)?);
        let plan = data.plan(NoiseMultiplier::new(1.0)?, target.epochs, target.max_grad_norm)?;
        let event = |noise_multiplier| PrivacyPlan { noise_multiplier, ..plan.clone() }.event();
        let noise_multiplier = calibrate::noise_multiplier(epsilon, delta, TOLERANCE, self.accountant, event)?;
        self.make_private_with_plan(PrivacyPlan { noise_multiplier, ..plan }, model, optimizer, data.data, losses)
    }

    /// A run of any plan: other samplers, clips, noises and schedules.
    ///
    /// # Errors
    /// [`Error::Plan`], [`Error::NoUnits`].
    pub fn make_private_with_plan<M, E, L>(
        &mut self,
        plan: PrivacyPlan,
        model: M,
        optimizer: (ModuleOptimizer, impl Into<ModuleLrScheduler>),
        data: Permitted<E>,
        losses: L,
    ) -> Result<Trainer<M, E, L>, Error>
    where
        M: Module,
        E: Examples,
        L: Fn(&M, &E::Batch) -> Tensor<1> + Sync,
    {
        let binding = Binding::here(&plan, data.permit(), data.examples().digest())?;
        Trainer::new(plan, model, optimizer, data, losses, (RunKey::fresh()?, binding), self.ledger.clone())
    }

    /// Upper bound on ε at δ of all that this engine's runs were charged, one after another: add or remove one unit, all models they made
    /// together.
    ///
    /// A run that is not over counts the steps whose noise was drawn. The bound is for runs that were planned before any of them began; where a
    /// later one, or its end, was chosen by what an earlier one showed, count whole runs and keep a
    /// [`filter`](reticent_accounting::filter).
    ///
    /// # Errors
    /// [`Error::Accounting`].
    pub fn get_epsilon(&self, delta: f64) -> Result<f64, Error> {
        let event = self.event();
        if matches!(&event, Event::Composed { events } if events.is_empty()) {
            return Ok(0.0);
        }
        Ok(self.accountant.epsilon(&event, Delta::new(delta)?)?.get())
    }

    /// All that this engine's runs were charged, as accountants take it.
    #[must_use]
    pub fn event(&self) -> Event {
        self.ledger.event()
    }
}
