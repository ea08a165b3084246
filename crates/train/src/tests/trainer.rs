//! The loop: whatever computes it, it is the same run; what is charged, averaged and shown.

use super::*;
use crate::gradient::{add_clipped, read, trainable};
use crate::{
    Augmentation, Average, Charge, Error, Examples, Labelled, LabelledBatch, Ledger, MemoryLedger, Mode, Performance, Permitted,
    PrivacyPlan, Progress, PublicExamples, Sampling, Trainer, UnitBatch, cross_entropy,
};
use burn::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::tensor::Tensor;
use reticent_accounting::Event;
use std::cell::RefCell;
use std::sync::{Arc, Mutex};

pub(super) const ROWS: usize = 40;

/// Two classes in three dimensions.
pub(super) fn labelled(seed: u64) -> Labelled<2> {
    let mut rng = seeded(seed);
    let inputs: Vec<f32> = (0..ROWS * 3).map(|_| rng.random_range(-1.0..1.0)).collect();
    let labels = inputs.chunks(3).map(|x| usize::from(x[0] + x[1] > x[2])).collect();
    Labelled::new(inputs, [ROWS, 3], labels).unwrap()
}

pub(super) fn made_up() -> Permitted<Labelled<2>> {
    Permitted::new(labelled(40), Permit::asserted("made up for this test")).unwrap()
}

pub(super) fn of_rows(model: &Classifier, batch: &LabelledBatch<2>) -> Tensor<1> {
    cross_entropy(model.forward(batch.inputs.clone()), batch.labels.clone())
}

pub(super) type Run<L = fn(&Classifier, &LabelledBatch<2>) -> Tensor<1>> = Trainer<Classifier, Labelled<2>, L>;

pub(super) fn model() -> Classifier {
    random_model(&mut seeded(41), &[3, 4, 2])
}

fn sgd() -> (ModuleOptimizer, f64) {
    (SgdConfig::new().init(), 0.5)
}

pub(super) fn trainer(optimizer: (ModuleOptimizer, impl Into<ModuleLrScheduler>), ledger: impl Ledger + 'static) -> Run {
    Trainer::new(plan().privacy(), model(), optimizer, made_up(), of_rows as _, (key(), binding()), ledger).unwrap()
}

pub(super) fn weights_of(model: &Classifier) -> Vec<f64> {
    model.layers.iter().flat_map(|l| [read(l.weight.val()), read(l.bias.as_ref().unwrap().val())].concat()).collect()
}

fn trained(mut run: Run) -> Vec<f64> {
    run.fit(|_| ()).unwrap();
    weights_of(&run.finish().unwrap().model)
}

/// A ledger the test looks into.
#[derive(Clone, Default)]
struct Watched(Arc<Mutex<MemoryLedger>>);

impl Ledger for Watched {
    fn charge(&mut self, charge: Charge) -> Result<(), Error> {
        self.0.lock().unwrap().charge(charge)
    }
    fn settle(&mut self, charge: Charge) -> Result<(), Error> {
        self.0.lock().unwrap().settle(charge)
    }
    fn charged(&self, run: &str) -> u64 {
        self.0.lock().unwrap().charged(run)
    }
    fn charges(&self) -> Vec<Charge> {
        self.0.lock().unwrap().charges()
    }
    fn block(&self) -> u64 {
        3
    }
}

/// Refuses, as a full disk does.
struct Full;

impl Ledger for Full {
    fn charge(&mut self, _charge: Charge) -> Result<(), Error> {
        Err(Error::Ledger { why: "the disk is full".into() })
    }
    fn settle(&mut self, _charge: Charge) -> Result<(), Error> {
        Ok(())
    }
    fn charged(&self, _run: &str) -> u64 {
        0
    }
    fn charges(&self) -> Vec<Charge> {
        vec![]
    }
}

/// The run step by step, by hand: nothing but draws, sums, noise and Burn's optimiser.
#[test]
fn a_run_of_any_module_is_the_sequence_of_its_steps() {
    let (data, plan) = (labelled(40), plan().privacy());
    let (mut model, mut optimizer) = (model(), SgdConfig::new().init());
    for step in 0..20 {
        let drawn = plan.sample(step, ROWS, &key(), &binding());
        let sum = clipped_sum(&model, data.batch(&drawn, &Device::flex()).as_ref(), of_rows, &plan.clip()).unwrap();
        model = sum.privatize(&plan, &key(), &binding(), step).apply(&mut optimizer, 0.5, model);
    }
    let mut run = trainer(sgd(), MemoryLedger::default());
    let mut seen = vec![];
    run.fit(|progress| seen.push(progress)).unwrap();
    assert_eq!(seen, (1..=20).map(|step| Progress { step, steps: 20 }).collect::<Vec<_>>());
    assert_eq!(run.step().unwrap(), None);
    let found = run.finish().unwrap();
    assert_eq!(weights_of(&found.model), weights_of(&model));
    assert_eq!(found.event, crate::dp_sgd(plan.noise_multiplier, SamplingRate::new(0.25).unwrap(), 20));
    assert!(found.stamp.unwrap().contains("made up for this test"));
}

/// Batches of one shape, and as many of them, whoever is drawn: the run is the same to rounding.
#[test]
fn padded_batches_have_one_shape_and_change_nothing() {
    for rate in [0.01, 0.3] {
        let (sample_rate, records) = (SamplingRate::new(rate).unwrap(), (ROWS as u64).try_into().unwrap());
        let sampling = Sampling::TruncatedPoisson { sample_rate, records, batch: 12.try_into().unwrap() };
        let run = |padded| {
            let seen = Arc::new(Mutex::new(vec![]));
            let noted = seen.clone();
            let losses = move |model: &Classifier, batch: &LabelledBatch<2>| {
                noted.lock().unwrap().push(batch.units);
                of_rows(model, batch)
            };
            let plan = PrivacyPlan { sampling, ..plan().privacy() };
            let trainer = Trainer::new(plan, model(), sgd(), made_up(), losses, (key(), binding()), MemoryLedger::default()).unwrap();
            let mut run = trainer.with_performance(Performance { physical_batch: NonZeroUsize::new(5), padded, ..Performance::default() });
            run.fit(|_| ()).unwrap();
            (weights_of(run.model()), std::mem::take(&mut *seen.lock().unwrap()))
        };
        let ((padded, shapes), (plain, drawn)) = (run(true), run(false));
        assert_eq!(shapes, vec![5; 3 * 20], "three batches of five hold the twelve that a step draws at most");
        assert!(drawn.iter().all(|&units| units <= 5) && drawn.iter().any(|&units| units < 5), "{drawn:?}");
        assert!(norm(&difference(&padded, &plain)) < 1e-5 * norm(&plain), "rate {rate}");
    }
}

/// Not even what is no number comes out of the units that fill a batch up.
#[test]
fn what_fills_a_batch_up_adds_exactly_nothing() {
    let of = |batch: &LabelledBatch<2>, counted| {
        let (model, clip) = (model(), Clip::flat(0.1));
        let mut sum = ClippedSum::zero(trainable(&model), &clip);
        add_clipped(&mut sum, &model, Some(batch), counted, of_rows, &clip).unwrap();
        assert_eq!((sum.norms.len(), sum.not_finite), (counted, 0));
        flat(&sum)
    };
    let all = labelled(42).batch(&[0, 1, 2, 3, 4], &Device::flex()).unwrap();
    let first = labelled(42).batch(&[0, 1, 2], &Device::flex()).unwrap();
    let broken = Tensor::full([2, 3], f32::NAN, &Device::flex());
    let filled = LabelledBatch { inputs: Tensor::cat(vec![first.inputs.clone(), broken], 0), ..all };
    let (sum, alone) = (of(&filled, 3), of(&first, 3));
    assert!(norm(&difference(&sum, &alone)) < 1e-6 * norm(&alone) && norm(&alone) > 0.1);
    assert!(of(&filled, 0).iter().all(|&v| v == 0.0));
}

#[test]
fn pitfall_13_the_physical_batch_and_the_mode_change_nothing_but_rounding() {
    let of = |performance| trained(trainer(sgd(), MemoryLedger::default()).with_performance(performance));
    let all = of(Performance::default());
    for (physical_batch, mode) in [(Some(1), Mode::Fast), (Some(7), Mode::Fast), (None, Mode::Universal), (Some(3), Mode::Universal)] {
        let physical_batch = physical_batch.and_then(NonZeroUsize::new);
        let other = of(Performance { physical_batch, mode, padded: false });
        let moved = norm(&difference(&all, &other));
        assert!(moved < 1e-5 * norm(&all), "{physical_batch:?} {mode:?}: {moved}");
    }
    assert!(norm(&difference(&all, &weights_of(&model()))) > 0.1, "nothing was learned");
}

/// The variants of a unit are averaged before the clip: its part is the clipped mean, not the sum or the mean of clipped parts.
#[test]
fn pitfall_25_the_variants_of_a_unit_are_clipped_as_their_mean() {
    let scales = [1.0, -0.5, 0.25];
    let vary = move |batch: &LabelledBatch<2>, streams: &mut [ChaCha20Rng]| {
        assert_eq!(streams.len(), batch.units);
        let each: Vec<LabelledBatch<2>> = (0..batch.units).map(|unit| batch.unit(unit)).collect();
        LabelledBatch {
            inputs: Tensor::cat(each.iter().flat_map(|b| scales.map(|s| b.inputs.clone() * s)).collect(), 0),
            labels: Tensor::cat(each.iter().flat_map(|b| [b.labels.clone(), b.labels.clone(), b.labels.clone()]).collect(), 0),
            units: batch.units,
        }
    };
    let (data, device, model) = (labelled(40), Device::flex(), model());
    // The free gradient of a variant alone.
    let free = |unit: usize, scale: f64| {
        let batch = data.batch(&[unit], &device).unwrap();
        let varied = LabelledBatch { inputs: batch.inputs * scale, ..batch };
        flat(&clipped_sum(&model, Some(&varied), of_rows, &Clip::flat(1e9)).unwrap())
    };
    let mean = |unit| {
        let each = scales.map(|scale| free(unit, scale));
        (0..each[0].len()).map(|i| each.iter().map(|g| g[i]).sum::<f64>() / 3.0).collect::<Vec<f64>>()
    };
    let mut clipped = 0;
    for bound in [0.05, 0.3, 5.0] {
        let run = |units: &[usize]| {
            let run = trainer(sgd(), MemoryLedger::default()).with_augmentation(Augmentation::new(3.try_into().unwrap(), vary));
            flat(&run.sum_of(0, &[units], &Clip::flat(bound)).unwrap().0)
        };
        let mut sum = vec![0.0; mean(0).len()];
        for unit in 0..ROWS {
            let (mean, alone) = (mean(unit), run(&[unit]));
            let factor = (bound / norm(&mean)).min(1.0);
            clipped += usize::from(factor < 1.0);
            let expected: Vec<f64> = mean.iter().map(|g| factor * g).collect();
            assert!(norm(&alone) <= bound);
            assert!(norm(&difference(&alone, &expected)) < 3e-5 * norm(&expected), "unit {unit} at {bound}");
            sum.iter_mut().zip(&alone).for_each(|(s, g)| *s += g);
        }
        let all: Vec<usize> = (0..ROWS).collect();
        assert!(norm(&difference(&run(&all), &sum)) < 1e-5 * norm(&sum));
    }
    assert!((ROWS..2 * ROWS + 1).contains(&clipped), "{clipped}: the bounds do not tell the orders apart");
}

/// A unit's variants are drawn from its own stream: they do not depend on who else is drawn, nor on the physical batch.
#[test]
fn pitfall_13_25_random_variants_do_not_depend_on_the_batch() {
    let of = |physical_batch| {
        let vary = |batch: &LabelledBatch<2>, streams: &mut [ChaCha20Rng]| {
            let shifts: Vec<f32> = streams.iter_mut().flat_map(|s| [s.random_range(-1.0..1.0), 0.0, 0.0]).collect();
            let shift = Tensor::from_data(burn::tensor::TensorData::new(shifts, [batch.units, 3]), &Device::flex());
            LabelledBatch { inputs: batch.inputs.clone() + shift, ..batch.clone() }
        };
        let performance = Performance { physical_batch: NonZeroUsize::new(physical_batch), ..Performance::default() };
        trained(
            trainer(sgd(), MemoryLedger::default())
                .with_augmentation(Augmentation::new(NonZeroUsize::MIN, vary))
                .with_performance(performance),
        )
    };
    let (one, all) = (of(1), of(ROWS));
    assert!(norm(&difference(&one, &all)) < 1e-5 * norm(&all));
    assert!(norm(&difference(&all, &trained(trainer(sgd(), MemoryLedger::default())))) > 1e-3, "nothing was varied");
}

#[test]
fn averages_are_of_the_iterates() {
    for average in [Average::Last, Average::SecondHalf, Average::Exponential { decay: 0.7 }] {
        let mut run = trainer(sgd(), MemoryLedger::default()).with_average(average).unwrap();
        let mut expected = weights_of(run.model());
        for step in 1..=20_u32 {
            run.step().unwrap();
            let share = match average {
                Average::Last => 1.0,
                Average::SecondHalf => 1.0 / f64::from(step.saturating_sub(10).max(1)),
                Average::Exponential { decay } => 1.0 - decay,
            };
            for (a, w) in expected.iter_mut().zip(weights_of(run.model())) {
                *a += share * (w - *a);
            }
        }
        let found = weights_of(&run.finish().unwrap().model);
        assert!(norm(&difference(&found, &expected)) < 1e-6 * norm(&expected), "{average:?}");
    }
    assert!(trainer(sgd(), MemoryLedger::default()).with_average(Average::Exponential { decay: 1.0 }).is_err());
}

#[test]
fn the_learning_rate_follows_burns_schedule() {
    let schedule = LinearLrSchedulerConfig::new(1.0, 0.5, 10).init().unwrap();
    let mut by_schedule = trainer((SgdConfig::new().init(), schedule), MemoryLedger::default());
    let before = weights_of(by_schedule.model());
    by_schedule.step().unwrap();
    let mut halved = trainer(sgd(), MemoryLedger::default());
    halved.step().unwrap();
    let (first, half) = (difference(&weights_of(by_schedule.model()), &before), difference(&weights_of(halved.model()), &before));
    let doubled: Vec<f64> = half.iter().map(|v| 2.0 * v).collect();
    assert!(norm(&difference(&first, &doubled)) < 1e-5 * norm(&first));
}

/// Nothing of the rows is computed, let alone noised, before its step is charged.
#[test]
fn pitfall_28_a_step_is_charged_before_it_is_drawn() {
    let ledger = Watched::default();
    let (seen, at) = (Arc::new(Mutex::new(vec![])), Arc::new(Mutex::new(0_u64)));
    let losses = {
        let (ledger, seen, at) = (ledger.clone(), seen.clone(), at.clone());
        move |model: &Classifier, batch: &LabelledBatch<2>| {
            let charged = ledger.charges().first().map_or(0, |c| c.steps);
            seen.lock().unwrap().push((*at.lock().unwrap(), charged));
            of_rows(model, batch)
        }
    };
    let mut run = Trainer::new(plan().privacy(), model(), sgd(), made_up(), losses, (key(), binding()), ledger.clone()).unwrap();
    for step in 0..20 {
        *at.lock().unwrap() = step;
        run.step().unwrap();
    }
    let seen = seen.lock().unwrap();
    // In blocks of three, cut to the end of the run.
    assert!(seen.len() >= 19 && seen.iter().all(|&(step, charged)| charged == ((step / 3 + 1) * 3).min(20)), "{seen:?}");
    assert_eq!(ledger.event(), Event::Composed { events: vec![plan().event()] });
}

#[test]
fn pitfall_28_what_cannot_be_charged_is_not_drawn() {
    let called = Arc::new(Mutex::new(false));
    let losses = {
        let called = called.clone();
        move |model: &Classifier, batch: &LabelledBatch<2>| {
            *called.lock().unwrap() = true;
            of_rows(model, batch)
        }
    };
    let mut run = Trainer::new(plan().privacy(), model(), sgd(), made_up(), losses, (key(), binding()), Full).unwrap();
    let before = weights_of(run.model());
    assert!(matches!(run.step(), Err(Error::Ledger { .. })));
    assert_eq!((weights_of(run.model()), run.progress().step, *called.lock().unwrap()), (before, 0, false));
}

/// A run that ends early is charged what it drew; one whose end was chosen by a metric is charged in full.
#[test]
fn pitfall_24_a_run_that_ends_early_is_charged_what_it_may_have_shown() {
    let ledger = Watched::default();
    let mut run = trainer(sgd(), ledger.clone());
    (0..4).for_each(|_| assert!(run.step().unwrap().is_some()));
    let per_step = |steps| Event::Composed { events: vec![Charge::new("", &plan().privacy(), steps).event] };
    assert_eq!(ledger.event(), per_step(6));
    assert_eq!(run.finish().unwrap().event, Charge::new("", &plan().privacy(), 4).event);
    assert_eq!(ledger.event(), per_step(4));

    let (ledger, public) = (Watched::default(), PublicExamples::new(labelled(50), "made up"));
    let mut run = trainer(sgd(), ledger.clone());
    let (mut looks, rising) = (vec![], RefCell::new(0.0));
    let metric = |_: &Classifier, batch: &LabelledBatch<2>| {
        *rising.borrow_mut() += 1.0;
        Tensor::full([batch.units], *rising.borrow(), &Device::flex())
    };
    run.fit_until(&public, metric, (2.try_into().unwrap(), 3.try_into().unwrap()), |p, value| looks.push((p.step, value))).unwrap();
    // Best at the first look, three more without a better one.
    assert_eq!(looks.iter().filter_map(|l| l.1).collect::<Vec<f64>>(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(looks.last().unwrap().0, 8);
    assert_eq!(run.finish().unwrap().event, plan().event());
    assert_eq!(ledger.event(), Event::Composed { events: vec![plan().event()] });
}

#[test]
fn pitfall_24_a_metric_is_the_mean_over_public_rows() {
    let run = trainer(sgd(), MemoryLedger::default());
    let public = labelled(51);
    let all: Vec<usize> = (0..ROWS).collect();
    let values = read(of_rows(&model(), &public.batch(&all, &Device::flex()).unwrap()).inner());
    let expected = values.iter().sum::<f64>() / ROWS as f64;
    let public = PublicExamples::new(public, "made up");
    let small = Performance { physical_batch: NonZeroUsize::new(7), ..Performance::default() };
    assert!((run.evaluate_public(&public, of_rows).unwrap() - expected).abs() < 1e-6);
    assert!((run.with_performance(small).evaluate_public(&public, of_rows).unwrap() - expected).abs() < 1e-6);
}

/// What comes out while a run goes on are step numbers, and at its end a noised model; a field more would not compile here.
#[test]
fn pitfall_26_a_run_shows_its_progress_and_a_noised_model() {
    let mut run = trainer(sgd(), MemoryLedger::default());
    run.fit(|Progress { step, steps }| assert!(step <= steps)).unwrap();
    let crate::Trained { model: _, stamp, steps, event: _ } = run.finish().unwrap();
    assert_eq!((steps, stamp.is_some()), (20, true));
}

/// Nobody is ever drawn: all steps are taken, charged and noised.
#[test]
fn pitfall_05_the_trainer_noises_and_charges_empty_batches() {
    let plan = Plan { sample_rate: SamplingRate::new(1e-12).unwrap(), public_units: 1_000_000_000_000, ..plan() };
    let never = |_: &Classifier, _: &LabelledBatch<2>| -> Tensor<1> { panic!("nobody was drawn") };
    let ledger = Watched::default();
    let mut run = Trainer::new(plan.privacy(), model(), sgd(), made_up(), never, (key(), binding()), ledger.clone()).unwrap();
    let mut before = weights_of(run.model());
    for _ in 0..20 {
        run.step().unwrap();
        let after = weights_of(run.model());
        assert!(difference(&after, &before).iter().all(|moved| *moved != 0.0));
        before = after;
    }
    assert_eq!(ledger.event(), Event::Composed { events: vec![plan.event()] });
}

/// A permit for named units says nothing about which of some other examples they are.
#[test]
fn examples_need_a_permit_that_is_theirs() {
    assert!(Permitted::new(labelled(1), Permit::public("made up")).is_ok());
    assert_eq!(made_up().stamp(), Permit::asserted("made up for this test").stamp());
}

/// A part of a run costs the steps it has, with the noise they had; where steps cannot be told apart it costs all of them.
#[test]
fn a_part_of_a_run_costs_its_own_steps() {
    let (plan, rate) = (plan().privacy(), SamplingRate::new(0.25).unwrap());
    let of = |plan: &crate::PrivacyPlan, steps| Charge::new("", plan, steps).event;
    let run = |sigma, steps| Event::dp_sgd(NoiseMultiplier::new(sigma).unwrap(), rate, steps);
    let drawn = |events, steps| plan.as_drawn(Event::Composed { events }, steps);
    let whole = |steps| plan.as_drawn(run(1.5, steps), steps);
    assert_eq!((of(&plan, 0), of(&plan, 7), of(&plan, 20)), (Event::None, whole(7), whole(20)));
    let stepped = crate::PrivacyPlan { noise_schedule: crate::Schedule::Steps { from: vec![(5, 2.0), (18, 0.5)] }, ..plan.clone() };
    assert_eq!(of(&stepped, 3), drawn(vec![run(1.5, 3)], 3));
    assert_eq!(of(&stepped, 19), drawn(vec![run(1.5, 5), run(3.0, 13), run(0.75, 1)], 19));
    assert_eq!(of(&stepped, 20), stepped.event());
    let parts = 4.try_into().unwrap();
    let cyclic = crate::PrivacyPlan {
        sampling: crate::Sampling::Cyclic { parts, sample_rate: rate, public_units: 40 },
        noise: crate::Noise::BandedMatrix { bands: 4.try_into().unwrap() },
        ..plan
    };
    assert!(cyclic.check().is_ok());
    assert_eq!(of(&cyclic, 1), cyclic.event());
}
