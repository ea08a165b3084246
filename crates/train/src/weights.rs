//! The weights of a model under way: what may move them, and the average of their iterates.

use crate::gradient::{read, trainable};
use crate::{Privatized, tape};
use burn::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::nn::{Initializer, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::tensor::{DType, Device, Tensor, TensorData};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// Which weights a run gives. An average is computed from noised iterates: it costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Average {
    /// The last iterate.
    #[default]
    Last,
    /// The mean of the iterates of the second half of the steps (suffix averaging: Rakhlin, Shamir & Sridharan 2012, arXiv:1109.5647).
    SecondHalf,
    /// The exponential moving average `e ← decay · e + (1 − decay) · w`, from the first weights on (De et al. 2022, arXiv:2204.13650).
    Exponential {
        /// How much of the average stays in a step, in `[0, 1)`.
        decay: f64,
    },
}

/// What may move the weights of a run. A run under a bound is a `Weights<_, Privatized>`: nothing else fits.
pub(crate) trait Gradient {
    fn gradients<M: Module>(self, model: &M) -> GradientsParams;
}

impl Gradient for Privatized {
    fn gradients<M: Module>(self, model: &M) -> GradientsParams {
        self.into_gradients(model)
    }
}

impl Privatized {
    /// Moves the weights of `model`, once: for a loop of one's own. [`Trainer`](crate::Trainer) charges its steps and can be resumed; here both are
    /// the caller's.
    ///
    /// ```
    /// # use burn::{module::Module, optim::ModuleOptimizer};
    /// # use reticent_train::*;
    /// fn step<M: Module>(model: M, optimizer: &mut ModuleOptimizer, noised: Privatized) -> M {
    ///     noised.apply(optimizer, 0.1, model)
    /// }
    /// ```
    #[must_use]
    pub fn apply<M: Module>(self, optimizer: &mut ModuleOptimizer, learning_rate: impl Into<ModuleLearningRate>, model: M) -> M {
        let gradients = self.into_gradients(&model);
        optimizer.step(learning_rate, model, gradients)
    }
}

/// The exact gradient, for a twin without privacy.
pub(crate) struct Exact(pub(crate) GradientsParams);

impl Gradient for Exact {
    fn gradients<M: Module>(self, _model: &M) -> GradientsParams {
        self.0
    }
}

/// A model, its optimiser, and the average of its iterates.
pub(crate) struct Weights<M, G> {
    pub(crate) takes: PhantomData<G>,
    pub(crate) model: M,
    pub(crate) optimizer: ModuleOptimizer,
    pub(crate) schedule: ModuleLrScheduler,
    pub(crate) averaging: Average,
    /// The running average of each parameter.
    pub(crate) average: BTreeMap<ParamId, Vec<f64>>,
    pub(crate) done: u64,
    pub(crate) steps: u64,
}

impl<M: Module, G: Gradient> Weights<M, G> {
    pub(crate) fn new(model: M, optimizer: ModuleOptimizer, schedule: ModuleLrScheduler, averaging: Average, steps: u64) -> Self {
        let mut weights = Self { takes: PhantomData, model, optimizer, schedule, averaging, average: BTreeMap::new(), done: 0, steps };
        weights.average_from(averaging);
        weights
    }

    /// Chooses what is averaged, before the first step.
    pub(crate) fn average_from(&mut self, averaging: Average) {
        self.averaging = averaging;
        self.average = match averaging {
            Average::Exponential { .. } => values(&self.model),
            Average::Last | Average::SecondHalf => BTreeMap::new(),
        };
    }

    /// What tells optimisers and learning rates apart: the first of the rates, and where the optimiser takes a weight by them.
    pub(crate) fn moves(&self) -> String {
        let (mut schedule, mut optimizer) = (self.schedule.clone(), self.optimizer.clone().load_record(OptimizerRecord::default()));
        let device = Device::flex().autodiff();
        let mut probe = LinearConfig::new(2, 2).with_bias(false).with_initializer(Initializer::Constant { value: 0.5 }).init(&device);
        let mut hash = Sha256::new();
        for step in 0..self.steps.min(FIRST_RATES) {
            let rate = schedule.step();
            hash.update(rate.base().to_le_bytes());
            if step < 3 {
                let mut gradients = GradientsParams::new();
                let gradient = Tensor::<2>::from_data([[0.3, -2.0], [1e-3, 0.7 - step as f32]], &Device::flex());
                gradients.register(probe.weight.id, gradient);
                probe = optimizer.step(rate, probe, gradients);
                read(tape::plain(probe.weight.val())).iter().for_each(|w| hash.update(w.to_le_bytes()));
            }
        }
        hex::encode(hash.finalize())
    }

    pub(crate) fn step(&mut self, gradient: G) {
        let gradients = gradient.gradients(&self.model);
        self.model = self.optimizer.step(self.schedule.step(), self.model.clone(), gradients);
        self.done += 1;
        // Weight of the new iterate in the average.
        let share = match self.averaging {
            Average::Last => return,
            Average::SecondHalf if self.done <= self.steps / 2 => return,
            Average::SecondHalf => 1.0 / (self.done - self.steps / 2) as f64,
            Average::Exponential { decay } => 1.0 - decay,
        };
        for (id, iterate) in values(&self.model) {
            let average = self.average.entry(id).or_insert_with(|| vec![0.0; iterate.len()]);
            average.iter_mut().zip(iterate).for_each(|(a, w)| *a += share * (w - *a));
        }
    }

    /// The average that was asked for; the last iterate before there is one.
    pub(crate) fn averaged(&self) -> M {
        let values = self.average.iter().map(|(&id, values)| (id, (id, values.clone()))).collect();
        self.model.clone().map(&mut Replace(values))
    }
}

/// How many learning rates are compared when a run goes on.
const FIRST_RATES: u64 = 1000;

/// The values of each trainable parameter.
pub(crate) fn values<M: Module>(model: &M) -> BTreeMap<ParamId, Vec<f64>> {
    struct Collect(BTreeMap<ParamId, Vec<f64>>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if tape::is_trainable(param) {
                self.0.entry(param.id).or_insert_with(|| read(tape::plain(param.base())));
            }
        }
    }
    let mut collect = Collect(BTreeMap::new());
    model.visit(&mut collect);
    debug_assert_eq!(collect.0.len(), trainable(model).len(), "both walk the model in the same way");
    collect.0
}

/// Gives parameters another identity and other values; what is not named stays.
pub(crate) struct Replace(pub(crate) BTreeMap<ParamId, (ParamId, Vec<f64>)>);

impl ModuleMapper for Replace {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((id, values)) = self.0.get(&param.id) else { return param };
        let mut param = param.map(|before| {
            let (base, strategy) = (tape::plain(before.clone()), before.gradient_checkpointing_strategy());
            let data = TensorData::new(values.clone(), base.dims());
            // From f64 to what it was read from: exact.
            let data = if base.dtype() == DType::F64 { data } else { data.convert::<f32>() };
            let mut value = Tensor::<D>::from_data(data, (&base.device(), base.dtype()));
            if before.is_autodiff() {
                value = value.autodiff();
            }
            if let Some(strategy) = strategy {
                value = value.with_gradient_checkpointing_strategy(strategy);
            }
            value.set_require_grad(before.is_require_grad())
        });
        param.id = *id;
        param
    }
}
