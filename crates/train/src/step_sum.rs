//! The clipped sum of a step, part by part, on several threads where there are several parts.

use crate::examples::Examples;
use crate::gradient::{add_clipped, add_clipped_universal, read, trainable};
use crate::trainer::{Augmentation, Mode};
use crate::{Binding, Clip, ClippedSum, Error, RunKey, UnitBatch};
use crate::{sabotage, tape};
use burn::backend::Flex;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha20Rng;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::OnceLock;

/// What a step computes its sum from, besides the model.
pub(crate) struct StepSum<'a, E: Examples, L> {
    pub(crate) examples: &'a E,
    pub(crate) losses: &'a L,
    pub(crate) augmentation: Option<&'a Augmentation<E::Batch>>,
    pub(crate) key: &'a RunKey,
    pub(crate) binding: &'a Binding,
    pub(crate) device: &'a Device,
    pub(crate) mode: Mode,
    pub(crate) clip: &'a Clip,
    pub(crate) step: u64,
    /// Parts are filled up to so many units.
    pub(crate) filled: usize,
}

/// Units and the norm of each one's part of a sum.
pub(crate) type Norms = Vec<(usize, f64)>;

impl<E: Examples, L> StepSum<'_, E, L> {
    /// Over the units of all parts, which are shared out to at most `threads`, and the norm of each. With one part, or one thread, what runs on several
    /// threads is inside of it.
    pub(crate) fn of<M>(&self, model: &M, parts: &[&[usize]], threads: usize) -> Result<(ClippedSum, Norms), Error>
    where
        M: Module,
        L: Fn(&M, &E::Batch) -> Tensor<1> + Sync,
    {
        let pools = if threads.min(parts.len()) > 1 { pools() } else { &[] };
        let threads = threads.min(parts.len()).min(pools.len());
        let result = if threads < 2 {
            self.of_parts(model, parts)
        } else {
            let each = parts.len().div_ceil(threads);
            let sums: Vec<Result<_, Error>> = std::thread::scope(|scope| {
                let of_thread = |(parts, pool): (_, &'static ThreadPool)| {
                    let model = model.clone();
                    scope.spawn(move || pool.install(move || self.of_parts(&model, parts)))
                };
                let threads: Vec<_> = parts.chunks(each).zip(pools).map(of_thread).collect();
                threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
            });
            let add = |all: Result<(ClippedSum, Norms), Error>, more: Result<(ClippedSum, Norms), Error>| {
                let ((sum, mut norms), (more, others)) = (all?, more?);
                norms.extend(others);
                Ok((sum.plus(more), norms))
            };
            sums.into_iter().reduce(add).expect("there are parts")
        };
        let (mut sum, norms) = result?;
        sabotage::clip_whole(&mut sum.values, self.clip.max_grad_norm);
        Ok((sum, norms))
    }

    fn of_parts<M>(&self, model: &M, parts: &[&[usize]]) -> Result<(ClippedSum, Norms), Error>
    where
        M: Module,
        L: Fn(&M, &E::Batch) -> Tensor<1>,
    {
        let (mut sum, mut norms) = (ClippedSum::zero(trainable(model), self.clip), vec![]);
        for part in parts {
            let (noted, not_finite) = (sum.norms.len(), sum.not_finite);
            self.add(model, part, &mut sum)?;
            // One that is not finite shows as zero too, but is counted.
            let counted = |norm: f64| if norm == 0.0 && sum.not_finite > not_finite { f64::INFINITY } else { norm };
            // Zero for all where they have no row.
            let known = sum.norms[noted..].iter().map(|&norm| counted(norm)).chain(std::iter::repeat(0.0));
            norms.extend(part.iter().copied().zip(known));
        }
        Ok((sum, norms))
    }

    fn add<M>(&self, model: &M, units: &[usize], sum: &mut ClippedSum) -> Result<(), Error>
    where
        M: Module,
        L: Fn(&M, &E::Batch) -> Tensor<1>,
    {
        let mut filled = units.to_vec();
        filled.resize(units.len().max(self.filled), units.first().copied().unwrap_or_default());
        let Some(batch) = self.batch(&filled)? else { return Ok(()) };
        // Of several variants the mean is clipped, not each.
        let share = self.augmentation.map_or(1.0, |a| 1.0 / a.copies() as f64);
        let losses = |model: &M, batch: &E::Batch| {
            let losses = (self.losses)(model, batch);
            if share < 1.0 { losses * share } else { losses }
        };
        match self.mode {
            Mode::Fast => add_clipped(sum, model, Some(&batch), units.len(), losses, self.clip),
            Mode::Universal => add_clipped_universal(sum, model, Some(&batch), losses, self.clip),
        }
    }

    /// The rows of these units, varied.
    fn batch(&self, units: &[usize]) -> Result<Option<E::Batch>, Error> {
        let Some(mut batch) = self.examples.batch(units, self.device) else { return Ok(None) };
        if let Some(augmentation) = self.augmentation {
            let stream = |unit: &usize| self.key.stream(self.binding, "augment", self.step, &unit.to_string());
            let mut streams: Vec<ChaCha20Rng> = units.iter().map(stream).collect();
            batch = augmentation.vary(&batch, &mut streams);
        }
        if batch.units() != units.len() {
            return Err(Error::Examples { why: "a batch holds other units than were drawn" });
        }
        Ok(Some(batch))
    }

    /// What the first units, at most so many, tell of the others.
    pub(crate) fn probe<M>(&self, model: &M, most: usize) -> Result<Probe, Error>
    where
        M: Module,
        L: Fn(&M, &E::Batch) -> Tensor<1>,
    {
        let unknown = Ok(Probe { units_together: usize::MAX, draws: true });
        if self.mode == Mode::Universal || Tensor::<1>::zeros([1], self.device).try_into_primitive::<Flex>().is_err() {
            return unknown;
        }
        let units: Vec<usize> = (0..self.examples.units().min(Probe::UNITS).min(most)).collect();
        let Some(batch) = self.batch(&units)? else { return unknown };
        let once = || forward(model, &batch, self.losses);
        let (Some((outputs, losses)), Some((_, again))) = (once(), once()) else { return unknown };
        let parameters: usize = trainable(model).iter().map(|p| p.len).sum();
        Ok(Probe { units_together: together(outputs.div_ceil(units.len()), parameters), draws: losses != again })
    }
}

/// What is known of a model's step before one is taken.
pub(crate) struct Probe {
    /// Units that are best computed together: all, where nothing is recorded or another device than the processor computes.
    pub(crate) units_together: usize,
    /// Whether the model draws random numbers, from a generator that all threads share, or may do so.
    pub(crate) draws: bool,
}

impl Probe {
    /// How many units tell: the first of the table, so that a run that goes on learns the same.
    pub(crate) const UNITS: usize = 8;
}

/// How many values the recorded layers put out, and the bits of the losses; `None` where no layer is recorded.
fn forward<M, B>(model: &M, batch: &B, losses: impl Fn(&M, &B) -> Tensor<1>) -> Option<(usize, Vec<u64>)> {
    let (losses, uses) = tape::record(|| losses(model, batch));
    let outputs = uses.iter().map(tape::Use::outputs).sum();
    (!uses.is_empty()).then(|| (outputs, read(losses).into_iter().map(f64::to_bits).collect()))
}

/// Units that are computed together: so few that what their layers put out stays near a processor's second-level cache, and so many that the pass over the
/// sums of all parameters, once a part, costs little beside them.
fn together(outputs: usize, parameters: usize) -> usize {
    const NEAR: usize = 1 << 19;
    (NEAR.max(4 * parameters) / outputs.max(1)).max(1)
}

/// Pools of one thread each, as many as the processor runs at once: what a part's layers hand to a pool stays on its thread.
fn pools() -> &'static [ThreadPool] {
    static POOLS: OnceLock<Vec<ThreadPool>> = OnceLock::new();
    // Where the system gives no thread, parts follow each other.
    POOLS.get_or_init(|| (0..rayon::current_num_threads()).map_while(|_| ThreadPoolBuilder::new().num_threads(1).build().ok()).collect())
}
