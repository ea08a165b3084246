//! What a private run does to its data, frozen before it starts: who is sampled, what is clipped, how much noise, how often.

use crate::adaptive::AdaptiveClip;
use crate::clipping::{Clip, ClipRule};
use crate::mechanism::{Noise, grid};
use crate::noise::{Binding, RunKey};
use crate::sampling::Sampling;
use crate::schedule::Schedule;
use crate::{Error, sabotage};
use reticent_accounting::{Event, Neighbours, NoiseMultiplier, SamplingRate};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::num::NonZeroUsize;

/// Everything that decides what a private run does to its data, and so what it costs ([`PrivacyPlan::event`]): sampler, clip, noise and
/// accountant come from this one value.
///
/// ```
/// use reticent_accounting::{Delta, NoiseMultiplier, SamplingRate, pld};
/// use reticent_train::{PrivacyPlan, Sampling, Schedule};
/// let sampling = Sampling::Poisson { sample_rate: SamplingRate::new(0.01)?, public_units: 60_000 };
/// let plan = PrivacyPlan::new("person", 1.try_into()?, sampling, 1.0, NoiseMultiplier::new(1.1)?, 1_000);
/// plan.check()?;
/// let constant = pld::epsilon(&plan.event(), Delta::new(1e-5)?)?.upper.get();
/// // Half the noise over the last hundred steps costs more, and the event says so.
/// let plan = PrivacyPlan { noise_schedule: Schedule::Steps { from: vec![(900, 0.5)] }, ..plan };
/// assert!(pld::epsilon(&plan.event(), Delta::new(1e-5)?)?.upper.get() > constant);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrivacyPlan {
    /// What the unit of privacy is called.
    pub unit: String,
    /// Public cap on the rows of a unit, applied before training.
    pub max_rows_per_unit: NonZeroUsize,
    /// Who takes part in a step.
    pub sampling: Sampling,
    /// Bound on the L2 norm of a unit's gradient; positive, finite.
    pub max_grad_norm: f64,
    /// How the bound is kept.
    #[serde(default)]
    pub clip: ClipRule,
    /// Factor on the bound at each step; costs nothing.
    #[serde(default, skip_serializing_if = "Schedule::is_constant")]
    pub max_grad_norm_schedule: Schedule,
    /// Moves the bound towards a quantile of the norms; `max_grad_norm` is where it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<AdaptiveClip>,
    /// Standard deviation of the noise of a step over what one unit can add to it: its gradient, or that and its part of the counts.
    pub noise_multiplier: NoiseMultiplier,
    /// Factor on the noise multiplier at each step; the event has each.
    #[serde(default, skip_serializing_if = "Schedule::is_constant")]
    pub noise_schedule: Schedule,
    /// Which noise.
    #[serde(default, skip_serializing_if = "Noise::is_gaussian")]
    pub noise: Noise,
    /// Number of steps, at least 1; an empty batch counts.
    pub steps: u64,
}

impl PrivacyPlan {
    /// A plan with one flat bound and independent Gaussian noise, all constant.
    #[must_use]
    pub fn new(
        unit: &str,
        max_rows_per_unit: NonZeroUsize,
        sampling: Sampling,
        max_grad_norm: f64,
        noise_multiplier: NoiseMultiplier,
        steps: u64,
    ) -> Self {
        Self {
            unit: unit.to_owned(),
            max_rows_per_unit,
            sampling,
            max_grad_norm,
            clip: ClipRule::default(),
            max_grad_norm_schedule: Schedule::default(),
            adaptive: None,
            noise_multiplier,
            noise_schedule: Schedule::default(),
            noise: Noise::default(),
            steps,
        }
    }

    /// The neighbouring relation of every statement about a run; it follows from the sampler.
    #[must_use]
    pub fn neighbours(&self) -> Neighbours {
        self.sampling.neighbours()
    }

    /// Refuses values no run could have, and parts that do not fit together.
    ///
    /// # Errors
    /// [`Error::Plan`] names the field.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |field, why| Err(Error::Plan { field, why });
        if !(self.max_grad_norm.is_finite() && self.max_grad_norm > 0.0) {
            return wrong("max_grad_norm", "must be positive and finite");
        }
        if self.steps == 0 {
            return wrong("steps", "must be at least 1");
        }
        if let ClipRule::Automatic { stability } = self.clip
            && !(stability.is_finite() && stability > 0.0)
        {
            return wrong("stability", "must be positive and finite");
        }
        self.sampling.check()?;
        self.max_grad_norm_schedule.check("max_grad_norm_schedule", self.steps)?;
        self.noise_schedule.check("noise_schedule", self.steps)?;
        if let Some(why) = self.noise.refuse(&self.sampling) {
            return wrong("noise", why);
        }
        let constant = self.max_grad_norm_schedule.is_constant() && self.adaptive.is_none();
        if self.noise.is_correlated() && !(constant && self.noise_schedule.is_constant()) {
            return wrong("noise", "that is correlated needs one bound and one multiplier for all steps");
        }
        if !self.noise_schedule.is_constant() && self.sampling.one_step(self.noise_multiplier).is_none() {
            return wrong("noise_schedule", "needs a sampler whose steps are drawn independently");
        }
        if let Some(adaptive) = &self.adaptive {
            if !self.max_grad_norm_schedule.is_constant() {
                return wrong("max_grad_norm_schedule", "cannot be followed by a bound that adapts");
            }
            if matches!(self.clip, ClipRule::Automatic { .. }) {
                return wrong("adaptive", "needs a bound that gradients can be within");
            }
            for (noise_multiplier, _) in self.noise_levels()? {
                adaptive.check(noise_multiplier)?;
            }
        }
        if let Noise::Grid { coordinates } = self.noise {
            for (noise_multiplier, _) in self.noise_levels()? {
                for bound in [1e-12, 1.0, 1e12].map(|far| if self.adaptive.is_some() { far } else { 1.0 } * self.max_grad_norm) {
                    if grid::Integers::new(noise_multiplier.get(), bound, coordinates).is_none() {
                        return wrong("noise", "has no grid at this bound and multiplier");
                    }
                }
            }
        }
        self.noise_levels().map(|_| ())
    }

    /// Refuses a number of units that the accounting does not cover, where it has to be public.
    ///
    /// # Errors
    /// [`Error::NoUnits`]; [`Error::Plan`].
    pub fn check_units(&self, units: usize) -> Result<(), Error> {
        if units == 0 {
            return Err(Error::NoUnits);
        }
        self.sampling.check_units(units)
    }

    /// What the run does, as the accountants understand it, for the relation of [`PrivacyPlan::neighbours`]: the mechanism, and how far its
    /// [noise is drawn](Noise::inexact) from the law of it.
    ///
    /// A plan that [`PrivacyPlan::check`] refuses may have an event that every accountant refuses.
    #[must_use]
    pub fn event(&self) -> Event {
        self.as_drawn(self.mechanism(), self.steps)
    }

    /// The same for noise exactly of its law.
    pub(crate) fn mechanism(&self) -> Event {
        let Ok(mut levels) = self.noise_levels() else { return Event::Unsupported { name: "noise out of range".to_owned() } };
        if sabotage::is(sabotage::Bug::AccountantFedOtherSigma) {
            levels.iter_mut().for_each(|(level, _)| *level = NoiseMultiplier::new(2.0 * level.get()).expect("in range"));
        }
        let mut events: Vec<Event> = levels
            .into_iter()
            .map(|(noise_multiplier, steps)| match self.noise {
                Noise::Tree => self.sampling.tree(noise_multiplier, steps),
                _ => self.sampling.run(noise_multiplier, steps),
            })
            .collect();
        if events.len() == 1 { events.remove(0) } else { Event::Composed { events } }
    }

    /// What one step does, where steps are drawn independently; else `None`.
    ///
    /// The sum over all steps is [`PrivacyPlan::event`]. A filter that admits each step keeps its budget also where whether to go on, or with
    /// how much noise, is decided after seeing results:
    ///
    /// ```
    /// use reticent_accounting::{Delta, Epsilon, NoiseMultiplier, SamplingRate, filter};
    /// use reticent_train::{PrivacyPlan, Sampling};
    /// let sampling = Sampling::Poisson { sample_rate: SamplingRate::new(0.01)?, public_units: 60_000 };
    /// let plan = PrivacyPlan::new("person", 1.try_into()?, sampling, 1.0, NoiseMultiplier::new(1.1)?, 1_000);
    /// let (epsilon, delta) = (Epsilon::new(2.0)?, Delta::new(1e-5)?);
    /// let filter = filter::RenyiFilter::open(epsilon, delta, filter::best_order(epsilon, delta, &plan.event())?)?;
    /// let mut spent = 0.0;
    /// for step in 0..plan.steps {
    ///     spent = filter.admit(spent, &plan.step_event(step).expect("Poisson sampling is independent"))?;
    /// }
    /// assert!(filter.epsilon_of(spent)?.get() < 2.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn step_event(&self, step: u64) -> Option<Event> {
        Some(self.as_drawn(self.step_mechanism(step)?, 1))
    }

    /// The same for noise exactly of its law.
    pub(crate) fn step_mechanism(&self, step: u64) -> Option<Event> {
        self.sampling.one_step(NoiseMultiplier::new(self.noise_multiplier_at(step)).ok()?)
    }

    /// A mechanism of so many steps, with how far its noise is drawn from its law.
    pub(crate) fn as_drawn(&self, mechanism: Event, steps: u64) -> Event {
        Event::Composed { events: vec![mechanism, self.noise.inexact(steps)] }
    }

    /// The units of a step, by index, in order, among `units`; a unit drawn several times stands as often.
    ///
    /// # Panics
    /// Where [`PrivacyPlan::check_units`] refuses the number of units.
    #[must_use]
    pub fn sample(&self, step: u64, units: usize, key: &RunKey, binding: &Binding) -> Vec<usize> {
        if let Err(refused) = self.sampling.check_units(units) {
            panic!("the number of units was not checked: {refused}");
        }
        self.sampling.draw(step, units, key, binding)
    }

    /// What the first step clips to.
    #[must_use]
    pub fn clip(&self) -> Clip {
        self.clip_at(0, self.max_grad_norm)
    }

    /// What a step clips to. `bound` is `max_grad_norm` before the first step and [`Privatized::bound`](crate::Privatized::bound) after
    /// each: the only state of a run's clipping, one number that was released, for a checkpoint to hold.
    #[must_use]
    pub fn clip_at(&self, step: u64, bound: f64) -> Clip {
        Clip { max_grad_norm: bound * self.max_grad_norm_schedule.factor(step, self.steps), rule: self.clip }
    }

    /// The noise multiplier of a step.
    #[must_use]
    pub fn noise_multiplier_at(&self, step: u64) -> f64 {
        self.noise_multiplier.get() * self.noise_schedule.factor(step, self.steps)
    }

    /// Divisor of the noised sum: the public expected number of units in a batch.
    #[must_use]
    pub fn expected_batch(&self) -> f64 {
        self.sampling.expected_batch()
    }

    /// The most units a batch can have, where the sampler makes that public: the size to pad batches to.
    #[must_use]
    pub fn physical_batch(&self) -> Option<u64> {
        self.sampling.physical_batch()
    }

    /// SHA-256 of the plan's JSON.
    #[must_use]
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(serde_json::to_vec(self).expect("plain data has JSON")))
    }

    /// Whether noise of one standard deviation is added in every step.
    pub(crate) fn has_one_noise(&self) -> bool {
        self.noise_schedule.is_constant() && self.max_grad_norm_schedule.is_constant() && self.adaptive.is_none()
    }

    /// The noise multipliers in order, each with its number of steps.
    fn noise_levels(&self) -> Result<Vec<(NoiseMultiplier, u64)>, Error> {
        let levels = self.noise_schedule.levels(self.steps).into_iter();
        let levels = levels.map(|(factor, steps)| Ok((NoiseMultiplier::new(self.noise_multiplier.get() * factor)?, steps)));
        levels
            .collect::<Result<_, reticent_accounting::Error>>()
            .map_err(|_| Error::Plan { field: "noise_schedule", why: "leads out of the range of noise multipliers" })
    }
}

/// What Poisson-sampled steps with Gaussian noise are to the accountants: [`PrivacyPlan::event`] before there is a plan, to find its noise.
#[must_use]
pub fn dp_sgd(noise_multiplier: NoiseMultiplier, sampling_rate: SamplingRate, steps: u64) -> Event {
    Event::Composed { events: vec![Event::dp_sgd(noise_multiplier, sampling_rate, steps), Noise::Gaussian.inexact(steps)] }
}
