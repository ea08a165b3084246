//! The loop of a run under a bound, over any Burn module: draw units, clip and sum, add noise, step.

use crate::checkpoint::{self, Checkpoints, Identity, State};
use crate::examples::{Examples, Permitted, PublicExamples};
use crate::individual::Individual;
use crate::ledger::{Charge, Ledger};
use crate::sabotage::{self, Bug};
use crate::step_sum::{Norms, Probe, StepSum};
use crate::weights::{Average, Weights};
use crate::{Binding, Clip, ClippedSum, Error, NoiseMemory, PrivacyPlan, Privatized, RunKey};
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use rand::Rng;
use rand_chacha::ChaCha20Rng;
use reticent_accounting::Event;
use std::num::NonZeroUsize;
use std::time::Instant;

/// How far a run is: all that a caller learns from it while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
}

/// How fast a step is and how much memory it takes; nothing here changes who is drawn, what is clipped or how much noise is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Performance {
    /// Most units that are computed together: a step's sum is put together from as many batches as it takes, and is noised once. Without a limit they
    /// are, on a processor, as many as stay near its caches, shared out to its threads, and on other devices all.
    pub physical_batch: Option<NonZeroUsize>,
    /// How the gradient of each unit is found.
    pub mode: Mode,
    /// Whether each of these batches has as many units whoever was drawn, for devices that prepare for one shape, and so that neither the shape
    /// nor, where the plan cuts batches ([`PrivacyPlan::physical_batch`]), how many there are follows the draw. What fills them up is units
    /// of the examples whose part in the sum is exactly zero. Needs `physical_batch` or such a plan.
    pub padded: bool,
}

/// How the gradient of each unit is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// In one pass, for models of [`crate::nn`] ([`clipped_sum`](crate::clipped_sum)).
    #[default]
    Fast,
    /// One unit at a time, for any module ([`clipped_sum_universal`](crate::clipped_sum_universal)).
    Universal,
}

/// Several random variants of each unit in a step, averaged before they are clipped (De et al. 2022, arXiv:2204.13650): a unit
/// still moves the sum by at most `max_grad_norm`.
pub struct Augmentation<B> {
    copies: NonZeroUsize,
    vary: Vary<B>,
}

type Vary<B> = Box<dyn Fn(&B, &mut [ChaCha20Rng]) -> B + Send + Sync>;

impl<B> Augmentation<B> {
    /// `vary` gets a batch and a generator for each of its units, in order, and gives the same units with `copies` times as many rows, those of
    /// a unit together. A unit's generator depends on the run's key, the step and the unit alone, not on who else was drawn.
    pub fn new(copies: NonZeroUsize, vary: impl Fn(&B, &mut [ChaCha20Rng]) -> B + Send + Sync + 'static) -> Self {
        Self { copies, vary: Box::new(vary) }
    }

    pub(crate) fn copies(&self) -> usize {
        self.copies.get()
    }

    pub(crate) fn vary(&self, batch: &B, streams: &mut [ChaCha20Rng]) -> B {
        (self.vary)(batch, streams)
    }
}

/// A run under a bound: a plan, a model with its optimiser, examples it may use, and the secret of its noise.
///
/// Each [`step`](Trainer::step) draws units, sums their clipped gradients, adds noise and moves the weights, after the ledger was charged. No
/// loss and no metric of the examples comes out: each would be a release of its own. Metrics on public examples:
/// [`evaluate_public`](Trainer::evaluate_public). [`PrivacyEngine`](crate::PrivacyEngine) makes one in a line.
pub struct Trainer<M, E: Examples, L> {
    plan: PrivacyPlan,
    weights: Weights<M, Privatized>,
    data: Permitted<E>,
    losses: L,
    key: RunKey,
    binding: Binding,
    run: String,
    ledger: Box<dyn Ledger>,
    performance: Performance,
    augmentation: Option<Augmentation<E::Batch>>,
    checkpoints: Option<Checkpoints>,
    individual: Option<Individual>,
    /// Known once a step drew more than a few units.
    probe: Option<Probe>,
    device: Device,
    /// What the state on the disk must be of; known once the first step begins.
    identity: Option<Identity>,
    /// Steps that are charged: none beyond is drawn.
    charged: u64,
    /// What the next step clips to, before its schedule.
    bound: f64,
    memory: NoiseMemory,
    /// Holds a noised gradient only where a bug is planted.
    held: Option<Privatized>,
    /// Steps that are known to be charged for good: this run, or the one it goes on from, may have drawn them.
    drawn: u64,
    /// When the state on the disk was last written, or the run begun.
    saved: Instant,
}

/// What a run made.
pub struct Trained<M> {
    /// The average that was asked for, or the last iterate, as trainable as the model was given: `valid()` takes it out of training.
    pub model: M,
    /// What must be printed on everything made from it: that nobody decided on its use. `None` where the gate did.
    pub stamp: Option<String>,
    /// Steps taken.
    pub steps: u64,
    /// What the run is charged, to an accountant.
    pub event: Event,
}

impl<M, E, L> Trainer<M, E, L>
where
    M: Module,
    E: Examples,
    L: Fn(&M, &E::Batch) -> Tensor<1> + Sync,
{
    /// A run before its first step.
    ///
    /// `losses` gives the loss of each row, on any thread, where rows must not depend on each other; the gradient of a unit is that of the sum of its rows'
    /// losses. `optimizer` is any of Burn's, with a learning rate or a schedule of them.
    ///
    /// # Errors
    /// [`Error::Plan`], [`Error::NoUnits`].
    pub fn new(
        mut plan: PrivacyPlan,
        model: M,
        (optimizer, learning_rate): (ModuleOptimizer, impl Into<ModuleLrScheduler>),
        data: Permitted<E>,
        losses: L,
        (key, binding): (RunKey, Binding),
        ledger: impl Ledger + 'static,
    ) -> Result<Self, Error> {
        plan.check()?;
        plan.check_units(data.examples().units())?;
        sabotage::leak(&mut plan, data.examples().units());
        let device = model.devices().first().cloned().unwrap_or_default().without_autodiff();
        let weights = Weights::new(model, optimizer, learning_rate.into(), Average::Last, plan.steps);
        let run = key.run(&binding);
        let (ledger, performance): (Box<dyn Ledger>, _) = (Box::new(ledger), Performance::default());
        let (augmentation, checkpoints, individual, probe, identity) = (None, None, None, None, None);
        let (charged, drawn, bound, memory, held) = (0, ledger.charged(&run), plan.max_grad_norm, NoiseMemory::default(), None);
        #[rustfmt::skip]
        let trainer = Self {
            plan, weights, data, losses, key, binding, run, ledger, performance, augmentation, checkpoints, individual, probe, device, identity,
            charged, drawn, bound, memory, held, saved: Instant::now(),
        };
        Ok(trainer)
    }

    /// With another way to compute the same step.
    #[must_use]
    pub fn with_performance(mut self, performance: Performance) -> Self {
        self.performance = performance;
        self
    }

    /// With an average of the iterates instead of the last one.
    ///
    /// # Errors
    /// [`Error::Plan`] for a decay outside `[0, 1)`.
    pub fn with_average(mut self, average: Average) -> Result<Self, Error> {
        if let Average::Exponential { decay } = average
            && !(0.0..1.0).contains(&decay)
        {
            return Err(Error::Plan { field: "decay", why: "must be at least 0 and below 1" });
        }
        self.weights.average_from(average);
        Ok(self)
    }

    /// With random variants of each unit.
    #[must_use]
    pub fn with_augmentation(mut self, augmentation: Augmentation<E::Batch>) -> Self {
        self.augmentation = Some(augmentation);
        self
    }

    /// With its state on the disk: the first step goes on from the state in the folder, where there is one. From there on every weight is, bit
    /// for bit, what it would have been without the interruption.
    ///
    /// Needs the same noise key again, [`RunKey::kept_in`], as many threads, and the same losses: a setting they take from outside the program, and the model, are
    /// the caller's to keep. Where the model draws random numbers in training (dropout), they are drawn from the
    /// run's key too, through the device's seed, which is one for the whole process: train one such model at a time.
    #[must_use]
    pub fn with_checkpoints(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = Some(checkpoints);
        self
    }

    /// Keeps what this run could reveal about each unit by its own gradients: [`Individual`].
    ///
    /// # Errors
    /// [`Error::Plan`] for plans that it does not cover.
    pub fn with_individual_accounting(mut self, every: std::num::NonZeroU64) -> Result<Self, Error> {
        self.individual = Some(Individual::new(&self.plan, self.data.examples().units(), every)?);
        Ok(self)
    }

    /// The steps done.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress { step: self.weights.done, steps: self.plan.steps }
    }

    /// What the run does to its data.
    #[must_use]
    pub fn plan(&self) -> &PrivacyPlan {
        &self.plan
    }

    /// The last iterate: noised, as every iterate is.
    #[must_use]
    pub fn model(&self) -> &M {
        &self.weights.model
    }

    /// What each unit's own bound is, where it is kept.
    #[must_use]
    pub fn individual(&self) -> Option<&Individual> {
        self.individual.as_ref()
    }

    pub(crate) fn take_individual(&mut self) -> Option<Individual> {
        self.individual.take()
    }

    /// Goes on from the state on the disk, where there is one, before the first step does so by itself; else nothing.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub fn resume(&mut self) -> Result<Progress, Error> {
        self.begin()?;
        Ok(self.progress())
    }

    /// Takes one step; `None` where all are taken.
    ///
    /// # Errors
    /// As [`clipped_sum`](crate::clipped_sum) and the ledger; then no noise was drawn, and the step can be taken again. [`Error::OtherRun`] where the state on the
    /// disk is of another run, [`Error::NoState`] where the run was charged before and has none, [`Error::Checkpoint`] and [`Error::Io`] where it cannot be read or written.
    pub fn step(&mut self) -> Result<Option<Progress>, Error> {
        self.begin()?;
        let step = self.weights.done;
        if step >= self.plan.steps {
            return Ok(None);
        }
        self.charge(step + 1)?;
        let sum = self.sum(step)?;
        self.drawn = self.drawn.max(step + 1);
        if sum.norms.is_empty() && sabotage::is(Bug::SkippedEmptyBatch) {
            self.weights.done += 1;
            return Ok(Some(self.progress()));
        }
        let noised = sum.privatize_with(&self.plan, &self.key, &self.binding, step, &mut self.memory);
        self.bound = noised.bound();
        match sabotage::hold_back(noised, &mut self.held) {
            Some(noised) => self.weights.step(noised),
            None => self.weights.done += 1,
        }
        if self.is_save_due() {
            self.save()?;
        }
        Ok(Some(self.progress()))
    }

    /// Takes all steps that are left.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub fn fit(&mut self, mut observe: impl FnMut(Progress)) -> Result<(), Error> {
        while let Some(progress) = self.step()? {
            observe(progress);
        }
        Ok(())
    }

    /// Takes steps until a metric on public examples has not fallen for `patience` looks, one every `every` steps, or all are taken. The whole
    /// run is charged whenever it ends: when it ends depends on what it gave so far, and no accountant of a fixed number of steps covers less.
    ///
    /// # Errors
    /// As [`Trainer::step`] and [`Trainer::evaluate_public`].
    pub fn fit_until<P: Examples<Batch = E::Batch>>(
        &mut self,
        public: &PublicExamples<P>,
        metric: impl Fn(&M, &E::Batch) -> Tensor<1>,
        (every, patience): (std::num::NonZeroU64, NonZeroUsize),
        mut observe: impl FnMut(Progress, Option<f64>),
    ) -> Result<(), Error> {
        self.begin()?;
        self.charge(self.plan.steps)?;
        self.drawn = self.plan.steps;
        let (mut best, mut stale) = (f64::INFINITY, 0);
        while let Some(progress) = self.step()? {
            let due = progress.step.is_multiple_of(every.get());
            let value = if due { Some(self.evaluate_public(public, &metric)?) } else { None };
            observe(progress, value);
            match value {
                Some(value) if value < best => (best, stale) = (value, 0),
                Some(_) => stale += 1,
                None => {}
            }
            if stale >= patience.get() {
                break;
            }
        }
        Ok(())
    }

    /// The mean of a metric (a loss, an error) over the rows of public examples, for the average that was asked for.
    ///
    /// # Errors
    /// [`Error::NoUnits`] where there are none.
    pub fn evaluate_public<P: Examples<Batch = E::Batch>>(
        &self,
        public: &PublicExamples<P>,
        metric: impl Fn(&M, &E::Batch) -> Tensor<1>,
    ) -> Result<f64, Error> {
        let model = self.weights.averaged().valid();
        let (mut sum, mut rows) = (0.0, 0_usize);
        let mut all: Vec<usize> = (0..public.examples().units()).collect();
        public.examples().arrange(&mut all);
        for part in all.chunks(self.at_once(all.len())) {
            let Some(batch) = public.examples().batch(part, &self.device) else { continue };
            let values = crate::gradient::read(metric(&model, &batch));
            rows += values.len();
            sum += values.iter().sum::<f64>();
        }
        if rows == 0 { Err(Error::NoUnits) } else { Ok(sum / rows as f64) }
    }

    /// The model, and what it cost. A run that ends before its last step is charged the steps whose noise was drawn, which is what it cost where
    /// the end was not chosen by what was seen of the run; where it was, the cost is that of all steps.
    ///
    /// # Errors
    /// Where the ledger could not be settled.
    pub fn finish(mut self) -> Result<Trained<M>, Error> {
        let charge = Charge::new(&self.run, &self.plan, self.drawn);
        let (stamp, steps, event) = (self.data.stamp(), self.weights.done, charge.event.clone());
        self.ledger.settle(charge)?;
        Ok(Trained { model: self.weights.averaged(), stamp, steps, event })
    }

    /// Before the first step: goes on from the state on the disk, or writes the first weights there.
    fn begin(&mut self) -> Result<(), Error> {
        if self.identity.is_some() {
            return Ok(());
        }
        let frozen = if self.checkpoints.is_some() { checkpoint::frozen(&self.weights.model) } else { String::new() };
        let copies = self.augmentation.as_ref().map_or(1, |a| a.copies.get());
        let every = self.individual.as_ref().map(Individual::every);
        let moves = self.weights.moves();
        // Sums are the same bit for bit only on as many threads.
        let threads = threads();
        let settings = format!("{:?} {:?} {copies} {every:?} {frozen} {moves} {threads}", self.performance, self.weights.averaging);
        let identity = Identity::new(&self.key, &self.binding, &settings);
        let drawn_before = self.ledger.charged(&self.run) > 0;
        if let Some(checkpoints) = &self.checkpoints {
            match checkpoint::load(&checkpoints.path(), &identity, &mut self.weights)? {
                Some(State { individual, clip, .. }) => {
                    self.bound = clip;
                    if let (Some(own), Some(counts)) = (&mut self.individual, individual) {
                        own.restore(counts)?;
                    }
                }
                None if drawn_before => return Err(Error::NoState),
                None => {
                    self.identity = Some(identity);
                    return self.save().inspect_err(|_| self.identity = None);
                }
            }
        } else if drawn_before {
            return Err(Error::NoState);
        }
        self.identity = Some(identity);
        Ok(())
    }

    fn is_save_due(&self) -> bool {
        self.checkpoints.as_ref().is_some_and(|checkpoints| {
            self.weights.done.is_multiple_of(checkpoints.every.get())
                || self.weights.done == self.plan.steps
                || checkpoints.within.is_some_and(|within| self.saved.elapsed() >= within)
        })
    }

    fn save(&mut self) -> Result<(), Error> {
        let (Some(checkpoints), Some(identity)) = (&self.checkpoints, &self.identity) else { return Ok(()) };
        let individual = self.individual.as_ref().map(|own| own.counts().to_vec());
        let state = State { identity: identity.clone(), step: self.weights.done, clip: self.bound, individual };
        checkpoint::save(&checkpoints.path(), &state, &self.weights)?;
        self.saved = Instant::now();
        Ok(())
    }

    /// Charges the steps before this one, and as many more as the ledger charges at once: nothing is drawn that is not.
    fn charge(&mut self, steps: u64) -> Result<(), Error> {
        if steps > self.charged {
            let block = self.ledger.block().max(1);
            let until = steps.div_ceil(block).saturating_mul(block).min(self.plan.steps);
            self.ledger.charge(Charge::new(&self.run, &self.plan, until))?;
            self.charged = until;
        }
        Ok(())
    }

    /// Units that are computed together, of `all`.
    fn at_once(&self, all: usize) -> usize {
        let limit = self.performance.physical_batch.map_or(all.max(1), NonZeroUsize::get);
        if self.performance.padded {
            return limit;
        }
        let together = self.probe_for(all).map_or(limit, |probe| probe.units_together.min(limit));
        let parts = all.div_ceil(together);
        let parts = if parts > 1 { parts.next_multiple_of(self.threads(all)) } else { 1 };
        all.div_ceil(parts).max(1)
    }

    /// How many threads take the parts of `all` units: one, where they would share a generator of random numbers.
    pub(crate) fn threads(&self, all: usize) -> usize {
        if self.probe_for(all).is_some_and(|probe| !probe.draws) { threads() } else { 1 }
    }

    /// What is known for so many units; nothing for few, also where it is known by now: a run that goes on does not know it yet, and must compute the same.
    fn probe_for(&self, all: usize) -> Option<&Probe> {
        self.probe.as_ref().filter(|_| all > Probe::UNITS)
    }

    /// What is computed together, and the least that is computed.
    fn parts<'a>(&self, chosen: &'a [usize]) -> Vec<&'a [usize]> {
        let mut parts: Vec<&[usize]> = chosen.chunks(self.size(chosen.len())).collect();
        if let Some(cut) = self.plan.physical_batch().filter(|_| self.performance.padded) {
            let all = (cut as usize).div_ceil(self.size(chosen.len()));
            parts.resize(all.max(parts.len()), &[]);
        }
        parts
    }

    /// The size of a batch of a step that drew `all` units.
    fn size(&self, all: usize) -> usize {
        match self.plan.physical_batch().filter(|_| self.performance.padded) {
            Some(cut) => self.at_once(cut as usize),
            None => self.at_once(all),
        }
    }

    /// The clipped sum of the units of a step.
    fn sum(&mut self, step: u64) -> Result<ClippedSum, Error> {
        let clip = self.plan.clip_at(step, self.bound);
        let mut chosen = self.plan.sample(step, self.data.examples().units(), &self.key, &self.binding);
        self.data.examples().arrange(&mut chosen);
        let everyone = self.individual.as_ref().is_some_and(|own| own.looks_at_everyone(step));
        if self.probe.is_none() && !self.performance.padded && (everyone || chosen.len() > Probe::UNITS) {
            let most = self.performance.physical_batch.map_or(Probe::UNITS, NonZeroUsize::get);
            self.probe = Some(self.step_sum(step, 0, &clip).probe(&self.weights.model, most)?);
        }
        if self.checkpoints.is_some() {
            self.device.seed(self.key.stream(&self.binding, "forward", step, "").next_u64());
        }
        let (sum, mut norms) = self.sum_of(step, &self.parts(&chosen), &clip)?;
        if everyone {
            let mut drawn = vec![false; self.data.examples().units()];
            chosen.iter().for_each(|&unit| drawn[unit] = true);
            let mut others: Vec<usize> = (0..drawn.len()).filter(|&unit| !drawn[unit]).collect();
            self.data.examples().arrange(&mut others);
            let parts: Vec<&[usize]> = others.chunks(self.at_once(others.len())).collect();
            norms.extend(self.sum_of(step, &parts, &clip)?.1);
        }
        if let Some(own) = &mut self.individual {
            own.note(step, &norms, clip.max_grad_norm);
        }
        Ok(sum)
    }

    /// The clipped sum of these units, and the norm of each.
    pub(crate) fn sum_of(&self, step: u64, parts: &[&[usize]], clip: &Clip) -> Result<(ClippedSum, Norms), Error> {
        // One unit at a time has no shape to keep.
        let filled = if self.performance.padded && self.performance.mode == Mode::Fast { self.size(0) } else { 0 };
        self.step_sum(step, filled, clip).of(&self.weights.model, parts, self.threads(parts.iter().map(|part| part.len()).sum()))
    }

    fn step_sum<'a>(&'a self, step: u64, filled: usize, clip: &'a Clip) -> StepSum<'a, E, L> {
        StepSum {
            examples: self.data.examples(),
            losses: &self.losses,
            augmentation: self.augmentation.as_ref(),
            key: &self.key,
            binding: &self.binding,
            device: &self.device,
            mode: self.performance.mode,
            clip,
            step,
            filled,
        }
    }
}

/// A thread of a pool has others beside it that are at work already.
fn threads() -> usize {
    if rayon::current_thread_index().is_some() { 1 } else { rayon::current_num_threads() }
}
