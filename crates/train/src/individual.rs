//! What a run could reveal about one unit, by that unit's own gradients.

use crate::{Error, Noise, Plan, PrivacyPlan, Sampling};
use reticent_accounting::{Delta, Epsilon, Event, NoiseMultiplier, rdp};
use reticent_data::SubjectId;
use std::num::NonZeroU64;

/// Norms are rounded up to this many parts of the bound.
const PARTS: usize = 32;

/// How a file of counts begins.
const MAGIC: &[u8] = b"own-loss";

/// The loss of each unit by its realised gradients (Feldman & Zrnic 2021, arXiv:2008.11193; Yu et al. 2023, arXiv:2206.02617): in a step in
/// which a unit's clipped gradient has norm n, the noise hides it as noise multiplier σC/n would, whether it was drawn or not.
///
/// **These values depend on the data: they are personal data themselves.** They are for the answer to a person's own request, and may not be
/// published, averaged or compared; hence no `Debug`, no `Serialize`, and one unit at a time. What holds for everyone is the plan's ε.
///
/// Whether it was drawn or not: so the norm of a unit that was not drawn is needed too. It is computed for every unit in each `every`-th step,
/// which costs a pass over all of them; in the other steps a unit that was not drawn is charged the full bound, which is sound and usually
/// far too much. For values that are more than the plan's ε under another name, look at everyone in every step. Losses add up as Rényi
/// divergences. Norms, over the noise of their step, are rounded up to a 32nd of what the bound is over the least noise: bounds and noise may
/// follow schedules.
///
/// The number is of the run that took place (*output-specific* in Yu et al.), not a promise that was made before it: a
/// promise of that kind needs a filter that takes a unit out when its budget is spent.
pub struct Individual {
    every: NonZeroU64,
    sampling: Sampling,
    /// The noise multiplier of each step over the least of them, which stands for it below.
    over_least: Vec<f64>,
    least: NoiseMultiplier,
    units: usize,
    /// Steps in which the norm of a unit (outer) was in a part of the bound (inner), both over their noise; part 0 is a norm of zero.
    counts: Vec<u32>,
}

impl Individual {
    pub(crate) fn new(plan: &PrivacyPlan, units: usize, every: NonZeroU64) -> Result<Self, Error> {
        // Where the batch has a fixed size a unit takes another's place, where the bound adapts it is counted too, and correlated noise does not
        // hide one step at a time.
        let independent = matches!(plan.sampling, Sampling::Poisson { .. }) && matches!(plan.noise, Noise::Gaussian);
        if !independent || plan.adaptive.is_some() {
            return Err(Error::Plan { field: "individual accounting", why: "is for Poisson sampling with independent Gaussian noise" });
        }
        let multipliers = match plan.noise_schedule.is_constant() {
            true => vec![plan.noise_multiplier.get()],
            false => (0..plan.steps).map(|step| plan.noise_multiplier_at(step)).collect(),
        };
        let least = multipliers.iter().copied().fold(f64::INFINITY, f64::min);
        let over_least = multipliers.into_iter().map(|multiplier| multiplier / least).collect();
        let (sampling, least, counts) = (plan.sampling, NoiseMultiplier::new(least)?, vec![0; units * (PARTS + 1)]);
        Ok(Self { every, sampling, over_least, least, units, counts })
    }

    /// An upper bound on ε at δ for the unit at this index, for the answer to that person's own request.
    ///
    /// # Errors
    /// [`Error::NoUnits`] where there is no such unit; [`Error::Accounting`].
    pub fn epsilon_of(&self, unit: usize, delta: f64) -> Result<f64, Error> {
        if unit >= self.units {
            return Err(Error::NoUnits);
        }
        let own = &self.counts[unit * (PARTS + 1)..(unit + 1) * (PARTS + 1)];
        let mut events = vec![];
        for (part, &count) in own.iter().enumerate().skip(1).filter(|(_, count)| **count > 0) {
            let noise_multiplier = NoiseMultiplier::new(self.least.get() * PARTS as f64 / part as f64)?;
            events.push(self.sampling.run(noise_multiplier, u64::from(count)));
        }
        if events.is_empty() {
            return Ok(0.0);
        }
        let epsilon: Epsilon = rdp::epsilon(&Event::Composed { events }, Delta::new(delta)?)?.epsilon;
        Ok(epsilon.get())
    }

    /// Whether a step needs the norms of those who were not drawn.
    pub(crate) fn looks_at_everyone(&self, step: u64) -> bool {
        step.is_multiple_of(self.every.get())
    }

    pub(crate) fn every(&self) -> u64 {
        self.every.get()
    }

    /// Takes note of a step: units with their clipped norms; all others are charged the bound.
    pub(crate) fn note(&mut self, step: u64, norms: &[(usize, f64)], bound: f64) {
        let last = self.over_least.len() - 1;
        let most = bound * self.over_least[last.min(step as usize)];
        let part_of = |norm: f64| (0..PARTS).find(|&part| norm * PARTS as f64 <= most * part as f64).unwrap_or(PARTS);
        let mut parts = vec![part_of(bound); self.units];
        for &(unit, norm) in norms {
            // A norm that is no number is charged in full: such a unit is counted.
            parts[unit] = part_of(norm);
        }
        for (unit, part) in parts.into_iter().enumerate() {
            self.counts[unit * (PARTS + 1) + part] += 1;
        }
    }

    /// For a file that only its owner reads: the counts of every unit, by its pseudonym, `units` in the order of the run.
    pub(crate) fn to_bytes(&self, units: &[SubjectId]) -> Vec<u8> {
        let mut bytes = [MAGIC, &self.every.get().to_le_bytes()].concat();
        for (unit, own) in units.iter().zip(self.counts.chunks_exact(PARTS + 1)) {
            bytes.extend_from_slice(unit.as_bytes());
            bytes.extend(own.iter().flat_map(|count| count.to_le_bytes()));
        }
        bytes
    }

    /// What [`fit_private_resumable`](crate::fit_private_resumable) gave out, read for one unit under the plan of that run; `None` where the
    /// unit took no part. All others' counts are left unread.
    ///
    /// # Errors
    /// [`Error::Own`] where the bytes are no such file; as [`Individual::epsilon_of`].
    pub fn epsilon_in(bytes: &[u8], plan: &Plan, unit: SubjectId, delta: f64) -> Result<Option<f64>, Error> {
        const ENTRY: usize = 16 + 4 * (PARTS + 1);
        let (every, entries) = bytes.strip_prefix(MAGIC).and_then(|rest| rest.split_first_chunk::<8>()).ok_or(Error::Own)?;
        let every = NonZeroU64::new(u64::from_le_bytes(*every)).ok_or(Error::Own)?;
        if entries.len() % ENTRY != 0 {
            return Err(Error::Own);
        }
        let Some(own) = entries.chunks_exact(ENTRY).find_map(|entry| entry.strip_prefix(unit.as_bytes())) else { return Ok(None) };
        let counts: Vec<u32> = own.chunks_exact(4).map(|count| u32::from_le_bytes(count.try_into().expect("four bytes"))).collect();
        if counts.iter().map(|&count| u64::from(count)).sum::<u64>() != plan.steps {
            return Err(Error::Own);
        }
        let mut one = Self::new(&plan.privacy(), 1, every)?;
        one.restore(counts)?;
        one.epsilon_of(0, delta).map(Some)
    }

    pub(crate) fn counts(&self) -> &[u32] {
        &self.counts
    }

    pub(crate) fn restore(&mut self, counts: Vec<u32>) -> Result<(), Error> {
        if counts.len() != self.counts.len() {
            return Err(Error::Checkpoint { why: "it is of other units".into() });
        }
        self.counts = counts;
        Ok(())
    }
}
