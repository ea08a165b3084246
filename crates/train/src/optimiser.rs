//! Optimisers for noised gradients, as Burn's [`Optimizer`]. All of Burn's own are as good: what moves the weights has been noised already.

use crate::{Error, PrivacyPlan};
use burn::optim::{LearningRate, ModuleOptimizer, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Tensor};

/// Adam whose second moment is corrected for the noise: DP-AdamBC (Tang, Shpilevskiy & Lécuyer 2024, arXiv:2312.14334, algorithm 1).
///
/// The mean of a squared noised gradient is the square of what Adam wants plus the variance of the noise Φ = (noise multiplier ·
/// max_grad_norm / expected batch)², which at usual noise is all there is to see: Adam's step becomes momentum over a constant. The step here
/// is `m̂ / √max(v̂ − Φ, floor)`.
///
/// ```
/// # use reticent_accounting::{NoiseMultiplier, SamplingRate};
/// # use reticent_train::{DpAdam, PrivacyPlan, Sampling};
/// # let sampling = Sampling::Poisson { sample_rate: SamplingRate::new(0.1)?, public_units: 1000 };
/// # let plan = PrivacyPlan::new("record", 1.try_into()?, sampling, 1.0, NoiseMultiplier::new(2.0)?, 10);
/// let optimiser = DpAdam::new(&plan)?.with_floor(1e-7)?;
/// assert_eq!(optimiser.noise_variance(), (2.0_f64 / 100.0).powi(2));
/// let optimiser: burn::optim::ModuleOptimizer = optimiser.init();
/// # drop(optimiser);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct DpAdam {
    beta_1: f64,
    beta_2: f64,
    floor: f64,
    noise_variance: f64,
}

impl DpAdam {
    /// For runs of this plan, with β₁ = .9, β₂ = .999 and a floor of 1e-8.
    ///
    /// # Errors
    /// [`Error::Plan`] where the noise is not the same in all steps, or not independent: what to take off would differ from step to step.
    pub fn new(plan: &PrivacyPlan) -> Result<Self, Error> {
        if plan.noise.is_correlated() || !plan.has_one_noise() {
            return Err(Error::Plan { field: "noise", why: "must be the same in all steps for an optimiser that takes it off" });
        }
        let std = plan.noise_multiplier.get() * plan.max_grad_norm / plan.expected_batch();
        Ok(Self { beta_1: 0.9, beta_2: 0.999, floor: 1e-8, noise_variance: std * std })
    }

    /// With other decay rates of the two moments.
    ///
    /// # Errors
    /// [`Error::Plan`] for a rate outside `[0, 1)`.
    pub fn with_betas(self, beta_1: f64, beta_2: f64) -> Result<Self, Error> {
        if !((0.0..1.0).contains(&beta_1) && (0.0..1.0).contains(&beta_2)) {
            return Err(Error::Plan { field: "beta", why: "must be at least 0 and below 1" });
        }
        Ok(Self { beta_1, beta_2, ..self })
    }

    /// With another least value of the corrected second moment (γ′ in the paper).
    ///
    /// # Errors
    /// [`Error::Plan`] where it is not above 0.
    pub fn with_floor(self, floor: f64) -> Result<Self, Error> {
        if !(floor > 0.0 && floor.is_finite()) {
            return Err(Error::Plan { field: "floor", why: "must be positive and finite" });
        }
        Ok(Self { floor, ..self })
    }

    /// The variance that is taken off: that of the noise on a coordinate of the averaged gradient.
    #[must_use]
    pub fn noise_variance(&self) -> f64 {
        self.noise_variance
    }

    /// For a whole module.
    #[must_use]
    pub fn init(self) -> ModuleOptimizer {
        self.into()
    }
}

/// The state of [`DpAdam`] for one parameter.
#[derive(Clone)]
pub struct DpAdamState<const D: usize> {
    time: u64,
    moment_1: Tensor<D>,
    moment_2: Tensor<D>,
}

impl<const D: usize> RecordState for DpAdamState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_scalar(prefix, "time", self.time.into());
        out.push_tensor(prefix, "moment_1", self.moment_1.to_data());
        out.push_tensor(prefix, "moment_2", self.moment_2.to_data());
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        let time = src.take_scalar(prefix, "time")?.try_into().ok()?;
        let mut tensor = |leaf| Some(Tensor::from_data(src.take_tensor(prefix, leaf)?, device));
        Some(Self { time, moment_1: tensor("moment_1")?, moment_2: tensor("moment_2")? })
    }
}

impl Optimizer for DpAdam {
    type State<const D: usize> = DpAdamState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<DpAdamState<D>>,
    ) -> (Tensor<D>, Option<DpAdamState<D>>) {
        let square = grad.clone().square();
        let mut state = state.unwrap_or_else(|| DpAdamState { time: 0, moment_1: grad.zeros_like(), moment_2: grad.zeros_like() });
        state.time += 1;
        state.moment_1 = state.moment_1 * self.beta_1 + grad * (1.0 - self.beta_1);
        state.moment_2 = state.moment_2 * self.beta_2 + square * (1.0 - self.beta_2);
        let time = i32::try_from(state.time).unwrap_or(i32::MAX);
        let first = state.moment_1.clone() / (1.0 - self.beta_1.powi(time));
        let second = state.moment_2.clone() / (1.0 - self.beta_2.powi(time));
        let corrected = (second - self.noise_variance).clamp_min(self.floor);
        (tensor - first / corrected.sqrt() * lr, Some(state))
    }

    fn to_device<const D: usize>(state: DpAdamState<D>, device: &Device) -> DpAdamState<D> {
        DpAdamState { time: state.time, moment_1: state.moment_1.to_device(device), moment_2: state.moment_2.to_device(device) }
    }
}

/// SGD along the running mean of the gradient, `v ← .9 v + .1 g` from zero.
///
/// Burn's own momentum starts at the first gradient, which is mostly noise: ten times as much of it as of any other.
#[derive(Clone)]
pub(crate) struct AveragedGradient;

const MOMENTUM: f64 = 0.9;

/// The running mean.
#[derive(Clone)]
pub(crate) struct Velocity<const D: usize>(Tensor<D>);

impl<const D: usize> RecordState for Velocity<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_tensor(prefix, "velocity", self.0.to_data());
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        Some(Self(Tensor::from_data(src.take_tensor(prefix, "velocity")?, device)))
    }
}

impl Optimizer for AveragedGradient {
    type State<const D: usize> = Velocity<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Velocity<D>>,
    ) -> (Tensor<D>, Option<Velocity<D>>) {
        let new = grad * (1.0 - MOMENTUM);
        let velocity = match state {
            Some(Velocity(before)) => before * MOMENTUM + new,
            None => new,
        };
        (tensor - velocity.clone() * lr, Some(Velocity(velocity)))
    }

    fn to_device<const D: usize>(state: Velocity<D>, device: &Device) -> Velocity<D> {
        Velocity(state.0.to_device(device))
    }
}
