//! The validator: what it must find, what it must let pass, and what stands in for batch normalisation.

use super::harness::{Inputs, Rows, drawn, normal, row_losses};
use super::*;
use crate::gradient::read;
use crate::{Finding, Findings, ModuleValidator, NotSound, nn};
use burn::module::{Module, RunningState};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Distribution, Tensor};

fn training() -> Device {
    Device::flex().autodiff()
}

fn validate<M: Module, T: Inputs, const D: usize>(
    model: &M,
    probe: &Rows<T>,
    forward: impl Fn(&M, T) -> Tensor<D>,
) -> Result<(), Findings> {
    ModuleValidator::validate(model, probe, |m: &M, rows: &Rows<T>| row_losses(forward(m, rows.inputs.clone()), &rows.mask))
}

fn found<M: Module, T: Inputs, const D: usize>(model: &M, probe: &Rows<T>, forward: impl Fn(&M, T) -> Tensor<D>) -> Vec<Finding> {
    validate(model, probe, forward).err().map_or_else(Vec::new, |f| f.as_slice().to_vec())
}

/// Two layers with something between them.
#[derive(Module, Debug)]
struct Sandwich<L: Module> {
    first: nn::Linear,
    between: L,
    last: nn::Linear,
}

impl<L: Module> Sandwich<L> {
    fn new(between: L, rng: &mut ChaCha20Rng) -> Self {
        let linear = || nn::LinearConfig::new(4, 4).init(&training());
        Self { first: drawn(linear(), rng), between, last: drawn(linear(), rng) }
    }

    fn around<const D: usize>(&self, x: Tensor<D>, between: impl FnOnce(&L, Tensor<D>) -> Tensor<D>) -> Tensor<D> {
        self.last.forward(between(&self.between, self.first.forward(x)))
    }
}

fn probe(rng: &mut ChaCha20Rng) -> Rows<Tensor<2>> {
    let mut probe = Rows::new(normal([6, 4], rng), 3, 2, rng);
    probe.mask = Tensor::ones([6], &Device::flex());
    probe
}

#[test]
fn models_of_recorded_layers_pass_in_every_layout() {
    let (mut rng, device) = (seeded(120), training());
    let dropout = Sandwich::new(nn::DropoutConfig::new(0.5).init(), &mut rng);
    assert_eq!(found(&dropout, &probe(&mut rng), |m, x| m.around(x, |l, x| l.forward(x))), []);
    let norm = Sandwich::new(nn::GroupNormConfig::new(1, 3).init(&device), &mut rng);
    let rows = Rows::new(normal([6, 3, 4], &mut rng), 2, 3, &mut rng);
    assert_eq!(found(&norm, &rows, |m, x| m.around(x, |l, x| l.forward(x))), []);
    let conv = nn::conv::Conv2dConfig::new([2, 2], [3, 3]).with_padding(nn::PaddingConfig2d::Same).init(&device);
    let conv = Sandwich::new(conv, &mut rng);
    let rows = Rows::new(normal([4, 2, 3, 4], &mut rng), 4, 1, &mut rng);
    assert_eq!(found(&conv, &rows, |m, x| m.around(x, |l, x| l.forward(x))), []);
    // Also a model that is not in training at the moment.
    assert_eq!(found(&conv.valid(), &rows, |m, x| m.around(x, |l, x| l.forward(x))), []);
}

/// Batch normalisation by itself, with what is trainable of it frozen, with no parameters, and home-made in two ways. Only one whose
/// statistics are fixed may pass.
#[test]
fn pitfall_07_batch_normalisation_is_refused_in_all_its_forms() {
    let (mut rng, device) = (seeded(121), training());
    let batch_norm = || BatchNormConfig::new(4).init(&device);
    let forward = |m: &Sandwich<BatchNorm>, x: Tensor<2>| m.around(x, |l, x| l.forward(x));
    let probe = probe(&mut rng);
    let refused = Finding::BatchNorm { layer: "between".into() };
    let not_isolated = |what| [0, 1, 2].map(|unit| Finding::NotIsolated { unit, what });
    let moved = ["between.running_mean", "between.running_var"].map(|state| Finding::RunningState { state: state.into() });

    let plain = Sandwich::new(batch_norm(), &mut rng);
    let of_plain = found(&plain, &probe, forward);
    let owned = ["between.gamma", "between.beta"].map(|p| Finding::NotRecorded { parameter: p.into(), layer: "BatchNorm".into() });
    assert_eq!(of_plain, [&[refused.clone()][..], &moved, &owned, &not_isolated("loss")].concat());
    // The validator looked at a copy.
    assert_eq!(read(plain.between.running_mean.value_sync().inner()), [0.0; 4]);
    let losses = |m: &Sandwich<BatchNorm>, rows: &Rows<Tensor<2>>| row_losses(forward(m, rows.inputs.clone()), &rows.mask);
    assert!(matches!(clipped_sum(&plain, Some(&probe), losses, &Clip::flat(1.0)), Err(crate::Error::NotRecorded { .. })));

    // Nothing trainable is left in it, so that every parameter is owned: a step would run.
    let mut parameters_frozen = Sandwich::new(batch_norm(), &mut rng);
    parameters_frozen.between.gamma = parameters_frozen.between.gamma.set_require_grad(false);
    parameters_frozen.between.beta = parameters_frozen.between.beta.set_require_grad(false);
    assert!(clipped_sum(&parameters_frozen, Some(&probe), losses, &Clip::flat(1.0)).is_ok());
    assert_eq!(found(&parameters_frozen, &probe, forward), [&[refused][..], &moved, &not_isolated("loss")].concat());

    // Frozen as a layer it uses its statistics and moves nothing.
    let mut frozen = Sandwich::new(batch_norm(), &mut rng);
    frozen.between = frozen.between.freeze();
    assert_eq!(found(&frozen, &probe, forward), []);

    // No parameters, no state, nothing to be seen in the module.
    let over_batch = |x: Tensor<2>| (x.clone() - x.mean_dim(0)) * 2.0;
    let bare = Sandwich::new(nn::Identity::new(), &mut rng);
    assert_eq!(found(&bare, &probe, |m, x| m.around(x, |_, x| over_batch(x))), not_isolated("loss"));
    // The statistics held constant: the gradient alone would not tell.
    let detached = |m: &Sandwich<nn::Identity>, x: Tensor<2>| m.around(x, |_, x| x.clone() - x.mean_dim(0).detach());
    assert_eq!(found(&bare, &probe, detached), not_isolated("loss"));

    // A state of one's own that no output depends on, but that a checkpoint would hold.
    #[derive(Module, Debug)]
    struct Watcher {
        seen: RunningState<Tensor<2>>,
    }
    let watcher = Sandwich::new(Watcher { seen: RunningState::new(Tensor::zeros([1, 4], &device)) }, &mut rng);
    let watch = |m: &Sandwich<Watcher>, x: Tensor<2>| {
        m.around(x, |l, x| {
            l.seen.update(l.seen.value_sync() + x.clone().mean_dim(0).detach());
            x
        })
    };
    assert_eq!(found(&watcher, &probe, watch), [Finding::RunningState { state: "between.seen".into() }]);
}

#[test]
fn pitfall_08_losses_that_couple_units_are_refused() {
    let mut rng = seeded(122);
    let model = Sandwich::new(nn::Identity::new(), &mut rng);
    let probe = probe(&mut rng);
    let forward = |m: &Sandwich<nn::Identity>, rows: &Rows<Tensor<2>>| m.around(rows.inputs.clone(), |_, x| x);
    let check = |losses: &dyn Fn(&Sandwich<nn::Identity>, &Rows<Tensor<2>>) -> Tensor<1>| {
        ModuleValidator::validate(&model, &probe, losses).err().map_or_else(Vec::new, |f| f.as_slice().to_vec())
    };
    let all = |what| [0, 1, 2].map(|unit| Finding::NotIsolated { unit, what });
    assert_eq!(check(&|m, rows| row_losses(forward(m, rows), &rows.mask)), []);
    // In-batch negatives (contrastive).
    let contrastive = |m: &Sandwich<nn::Identity>, rows: &Rows<Tensor<2>>| {
        let y = forward(m, rows);
        let scores = burn::tensor::activation::log_softmax(y.clone().matmul(y.transpose()), 1);
        scores.mean_dim(1).reshape([-1])
    };
    assert_eq!(check(&contrastive), all("loss"));
    // A penalty on the batch as a whole, as mixtures of experts have to balance their load, a hundredth of the loss.
    let balanced = |m: &Sandwich<nn::Identity>, rows: &Rows<Tensor<2>>| {
        let y = forward(m, rows);
        let load: Tensor<1> = y.clone().mean_dim(0).square().sum();
        row_losses(y, &rows.mask) + load * 0.01
    };
    assert_eq!(check(&balanced), all("loss"));
    // Divided by the loss of the batch.
    let divided = |m: &Sandwich<nn::Identity>, rows: &Rows<Tensor<2>>| {
        let losses = row_losses(forward(m, rows), &rows.mask);
        losses.clone() / losses.mean()
    };
    assert_eq!(check(&divided), all("loss"));
    // Coupled in the gradient alone: the values are those of each row.
    let hidden = |m: &Sandwich<nn::Identity>, rows: &Rows<Tensor<2>>| {
        let y = forward(m, rows);
        let load: Tensor<1> = y.clone().mean_dim(0).square().sum();
        row_losses(y, &rows.mask) + load.clone() - load.detach()
    };
    assert_eq!(check(&hidden), all("gradient"));
    // Its own gradient, weighted by the batch, and nobody else's.
    let weighted = |m: &Sandwich<nn::Identity>, rows: &Rows<Tensor<2>>| {
        let losses = row_losses(forward(m, rows), &rows.mask);
        losses.clone() + (losses.clone() - losses.clone().detach()) * losses.mean().detach()
    };
    assert_eq!(check(&weighted), all("gradient"));
    // The mean over the batch is one loss for all.
    let mean = |m: &Sandwich<nn::Identity>, rows: &Rows<Tensor<2>>| row_losses(forward(m, rows), &rows.mask).mean();
    assert_eq!(check(&mean), [Finding::Losses { found: 1, units: 3 }]);
}

/// Time first: the layer takes moments for rows. With as many moments as units nothing but the gradients shows it.
#[test]
fn pitfall_10_a_layer_whose_batch_is_not_first_is_refused() {
    let mut rng = seeded(123);
    let model = Sandwich::new(nn::Identity::new(), &mut rng);
    let time_first = |m: &Sandwich<nn::Identity>, x: Tensor<3>| m.around(x.swap_dims(0, 1), |_, x| x).swap_dims(0, 1);
    for (units, cap, moments) in [(3, 1, 3), (3, 1, 6), (2, 3, 4), (3, 1, 5), (2, 2, 7)] {
        let mut rows = Rows::new(normal([units * cap, moments, 4], &mut rng), units, cap, &mut rng);
        rows.mask = Tensor::ones([units * cap], &Device::flex());
        assert_eq!(found(&model, &rows, |m, x| m.around(x, |_, x| x)), [], "batch first");
        let of_time = found(&model, &rows, time_first);
        let expected: Vec<Finding> = match moments % units {
            0 => (0..units).map(|unit| Finding::NotIsolated { unit, what: "gradient" }).collect(),
            _ => ["first.weight", "first.bias", "last.weight", "last.bias"]
                .map(|p| Finding::BatchDimension { parameter: p.into(), found: moments, units })
                .into(),
        };
        assert_eq!(of_time, expected, "{units} units of {cap}, {moments} moments");
    }
}

/// Golden: 4 channels of 8 values make 2 groups of 16, each 0..15 up to a shift: (i - 7.5) / √21.25.
#[test]
fn pitfall_09_group_normalisation_takes_the_place_of_batch_normalisation_by_golden_outputs() {
    let device = Device::flex();
    let mut norm = BatchNormConfig::new(4).init(&device);
    norm.gamma = norm.gamma.map(|_| Tensor::from_data([1.0, 2.0, 1.0, 1.0], &device));
    norm.beta = norm.beta.map(|_| Tensor::from_data([0.0, 0.0, 0.5, 0.0], &device));
    let group = ModuleValidator::fix(&norm, 8).unwrap();
    assert_eq!((group.num_groups, group.num_channels, group.epsilon), (2, 4, 1e-5));
    let row: Tensor<3> = Tensor::arange(0..32, &device).float().reshape([1, 4, 8]);
    // Another row beside it changes nothing.
    let output = read(group.forward(Tensor::cat(vec![row.clone(), row * -3.0 + 1.0], 0)));
    for (at, expected) in [
        (0, -1.626_978),
        (7, -0.108_465),
        (8, 0.108_465 * 2.0),
        (15, 1.626_978 * 2.0),
        (16, -1.626_978 + 0.5),
        (24, 0.108_465),
        (31, 1.626_978),
    ] {
        assert!((output[at] - expected).abs() < 2e-6, "{at}: {} is {expected}", output[at]);
    }
    // Same parameters, so that records and optimisers know them.
    assert_eq!(group.gamma.unwrap().id, norm.gamma.id);

    for (channels, positions, groups) in [(64, 49, 32), (48, 4, 8), (3, 100, 1), (32, 1, 2), (16, 1, 1)] {
        let fixed = ModuleValidator::fix(&BatchNormConfig::new(channels).init(&device), positions).unwrap();
        assert_eq!(fixed.num_groups, groups, "{channels} × {positions}");
        assert!(channels % groups == 0 && channels / groups * positions >= 16);
    }
}

/// As many groups as channels, up to 32, as Opacus puts there: zero comes of every `[batch, 8]` input, and signs of every `[batch, 64]` one.
#[test]
fn pitfall_09_what_would_be_destroyed_is_refused() {
    let device = Device::flex();
    let fix = |channels, positions| ModuleValidator::fix(&BatchNormConfig::new(channels).init(&device), positions).err();
    assert_eq!(fix(8, 1), Some(NotSound::TooFewValues { values: 8 }));
    assert_eq!(fix(1, 1), Some(NotSound::TooFewValues { values: 1 }));
    assert_eq!(fix(3, 5), Some(NotSound::TooFewValues { values: 15 }));
    assert_eq!(fix(8, 2), None);
    let row: Tensor<2> = normal([1, 64], &mut seeded(124));
    let zeroed = read(nn::GroupNormConfig::new(8, 8).init(&device).forward(row.clone().narrow(1, 0, 8)));
    assert!(zeroed.iter().all(|&v| v == 0.0));
    let kept = read(ModuleValidator::fix(&BatchNormConfig::new(64).init(&device), 1).unwrap().forward(row));
    let distinct = |v: &[f64]| v.iter().map(|v| format!("{v:.3}")).collect::<std::collections::BTreeSet<_>>().len();
    assert!(distinct(&kept) > 50);

    let trained = BatchNormConfig::new(32).init(&training());
    let _ = trained.forward(Tensor::<2>::random([4, 32], Distribution::Default, &training()));
    assert_eq!(ModuleValidator::fix(&trained, 9).err(), Some(NotSound::Trained));
    assert_eq!(ModuleValidator::fix(&BatchNormConfig::new(32).init(&device).freeze(), 9).err(), Some(NotSound::Frozen));
}

#[test]
fn pitfall_12_every_parameter_no_recorded_layer_owns_is_named_with_what_to_do() {
    let (mut rng, device) = (seeded(125), training());
    let plain = Sandwich::new(burn::nn::conv::Conv1dConfig::new(3, 3, 1).init(&device), &mut rng);
    let rows = Rows::new(normal([4, 3, 4], &mut rng), 4, 1, &mut rng);
    let findings = validate(&plain, &rows, |m, x| m.around(x, |l, x| l.forward(x))).unwrap_err();
    let named = |parameter: &str, layer: &str| Finding::NotRecorded { parameter: parameter.into(), layer: layer.into() };
    assert_eq!(findings.as_slice(), [named("between.weight", "Conv1d"), named("between.bias", "Conv1d")]);
    let text = findings.to_string();
    assert!(text.starts_with("no recorded layer owns `between.weight`: make it a `reticent_train::nn::conv::Conv1d`"), "{text}");
    assert_eq!(text.lines().count(), 2);
    // As advised.
    let swapped: nn::conv::Conv1d = plain.between.clone().into();
    let swapped = Sandwich { first: plain.first.clone(), between: swapped, last: plain.last.clone() };
    assert_eq!(found(&swapped, &rows, |m, x| m.around(x, |l, x| l.forward(x))), []);
    let frozen = Sandwich { between: plain.between.clone().freeze(), ..plain };
    assert_eq!(found(&frozen, &rows, |m, x| m.around(x, |l, x| l.forward(x))), []);
    // A layer of layers is named as a whole.
    let lstm = Sandwich::new(burn::nn::LstmConfig::new(4, 4, false).init(&device), &mut rng);
    let of_lstm = found(&lstm, &rows, |m, x| m.around(x, |l, x| l.forward(x, None).0));
    assert_eq!(of_lstm[0], named("between.input_gate.input_transform.weight", "Lstm"));
    assert!(of_lstm.iter().all(|f| matches!(f, Finding::NotRecorded { layer, .. } if layer == "Lstm")), "{of_lstm:?}");
    // Past its own layer.
    let past = |m: &Sandwich<nn::Identity>, x: Tensor<2>| m.around(x, |_, x| x).matmul(m.last.weight.val());
    let twice = Sandwich::new(nn::Identity::new(), &mut rng);
    assert_eq!(found(&twice, &probe(&mut rng), past), [named("last.weight", "Linear")]);
    // Not at all.
    let unused = found(&twice, &probe(&mut rng), |m, x| m.first.forward(x));
    assert_eq!(unused, ["last.weight", "last.bias"].map(|p| Finding::Unused { parameter: p.into() }));
}

#[test]
fn probes_that_show_nothing_are_refused() {
    let mut rng = seeded(126);
    let model = Sandwich::new(nn::Identity::new(), &mut rng);
    let probe = probe(&mut rng);
    let forward = |m: &Sandwich<nn::Identity>, x: Tensor<2>| m.around(x, |_, x| x);
    let one = crate::UnitBatch::unit(&probe, 0);
    assert_eq!(found(&model, &one, forward), [Finding::SmallProbe { units: 1 }]);
    let poisoned = Rows { inputs: probe.inputs.poisoned(3).unwrap(), ..probe.clone() };
    assert_eq!(found(&model, &poisoned, forward), [Finding::NotFinite { unit: 1 }]);
    let random = |m: &Sandwich<nn::Identity>, x: Tensor<2>| m.around(x, |_, x| x.clone() + x.random_like(Distribution::Normal(0.0, 1.0)));
    assert_eq!(found(&model, &probe, random), [Finding::Random]);
    let stranger = Sandwich::new(nn::Identity::new(), &mut rng);
    let not_in_model = found(&model, &probe, |m, x| stranger.first.forward(forward(m, x)));
    assert_eq!(not_in_model, [Finding::NotInModel]);
}

/// A weight that is computed from its stored value by something a recorded layer does not know.
#[test]
fn pitfall_12_a_gradient_that_is_not_the_oracles_is_refused() {
    use burn::module::{Param, Reparameterization, Reparameterizer};
    #[derive(Module, Debug)]
    struct Scaled {
        scale: Param<Tensor<1>>,
    }
    impl Reparameterization for Scaled {
        const NAME: &'static str = "scaled";
        fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
            base * self.scale.val().reshape([1; D])
        }
    }
    struct Scale {
        trainable: bool,
    }
    impl Reparameterizer for Scale {
        type Reparam = Scaled;
        fn reparameterize<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> (Param<Tensor<D>>, Option<Scaled>) {
            let scale = Param::from_tensor(Tensor::full([1], 2.0, &training())).set_require_grad(self.trainable);
            (param, (path == "last.weight").then_some(Scaled { scale }))
        }
    }
    let mut rng = seeded(127);
    let model = Sandwich::new(nn::Identity::new(), &mut rng);
    let probe = probe(&mut rng);
    let forward = |m: &Sandwich<nn::Identity>, x: Tensor<2>| m.around(x, |_, x| x);
    let fixed = model.clone().apply_reparameterization(Scale { trainable: false });
    assert_eq!(found(&fixed, &probe, forward), [0, 1, 2].map(|unit| Finding::Disagrees { unit }));
    let trained = model.apply_reparameterization(Scale { trainable: true });
    let parameter = "last.weight.scaled.scale".into();
    assert_eq!(found(&trained, &probe, forward), [Finding::NotRecorded { parameter, layer: "Linear".into() }]);
}
