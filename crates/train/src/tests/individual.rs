//! What a run could reveal about one unit: never more than the plan says, never less than its own gradients say.

use super::trainer::{ROWS, made_up, model, of_rows};
use super::*;
use crate::{Fitted, Individual, MemoryLedger, Performance, Trainer};
use burn::optim::SgdConfig;
use burn::tensor::{Device, Tensor};
use reticent_accounting::{Delta, Event, rdp};
use std::num::NonZeroU64;

fn ledger_of(sigma: f64, rate: f64, steps: u64) -> f64 {
    let event = Event::dp_sgd(NoiseMultiplier::new(sigma).unwrap(), SamplingRate::new(rate).unwrap(), steps);
    rdp::epsilon(&event, Delta::new(1e-5).unwrap()).unwrap().epsilon.get()
}

#[test]
fn a_unit_is_charged_for_its_own_norms_rounded_up() {
    let mut own = Individual::new(&plan().privacy(), 6, NonZeroU64::MIN).unwrap();
    for step in 0..50 {
        // Nothing, half the bound, a hair over a half, nothing known (unit 3), no number, and the bound.
        own.note(step, &[(0, 0.0), (1, 0.35), (2, 0.35 + 1e-9), (4, f64::NAN), (5, 0.7)], 0.7);
    }
    let of = |unit| own.epsilon_of(unit, 1e-5).unwrap();
    let full = ledger_of(1.5, 0.25, 50);
    assert_eq!(of(0), 0.0);
    assert!((of(1) / ledger_of(3.0, 0.25, 50) - 1.0).abs() < 1e-9);
    assert!((of(2) / ledger_of(1.5 * 32.0 / 17.0, 0.25, 50) - 1.0).abs() < 1e-9);
    for unit in [3, 4, 5] {
        assert!((of(unit) / full - 1.0).abs() < 1e-9, "unit {unit}");
    }
    assert!(own.epsilon_of(6, 1e-5).is_err());
}

/// Five steps at a multiplier of 1.5, fifteen at 3; bounds of .7, then 1.4. A norm counts against both of its step.
#[test]
fn schedules_of_noise_and_bound_are_followed() {
    let doubles = crate::Schedule::Steps { from: vec![(5, 2.0)] };
    let plan = crate::PrivacyPlan { noise_schedule: doubles.clone(), max_grad_norm_schedule: doubles, ..plan().privacy() };
    let mut own = Individual::new(&plan, 4, NonZeroU64::MIN).unwrap();
    for step in 0..20 {
        // The same norm throughout, the bound throughout, no number, and nothing known.
        let bound = plan.clip_at(step, 0.7).max_grad_norm;
        own.note(step, &[(0, 0.7), (1, bound), (2, f64::NAN)], bound);
    }
    let of = |first: f64, second: f64| {
        let dp_sgd = |sigma, steps| Event::dp_sgd(NoiseMultiplier::new(sigma).unwrap(), SamplingRate::new(0.25).unwrap(), steps);
        let event = Event::Composed { events: vec![dp_sgd(first, 5), dp_sgd(second, 15)] };
        rdp::epsilon(&event, Delta::new(1e-5).unwrap()).unwrap().epsilon.get()
    };
    let found = |unit| own.epsilon_of(unit, 1e-5).unwrap();
    assert!((found(0) / of(1.5, 6.0) - 1.0).abs() < 1e-9);
    assert!((found(1) / of(1.5, 3.0) - 1.0).abs() < 1e-9);
    // What is no number is charged as the least noise hides the bound; what is not known as its step's noise does.
    assert!((found(2) / ledger_of(1.5, 0.25, 20) - 1.0).abs() < 1e-9);
    assert!((found(3) / of(1.5, 3.0) - 1.0).abs() < 1e-9);
}

/// Against norms that are computed apart, one unit at a time by the oracle, for every unit in every step.
#[test]
fn a_run_that_looks_at_everyone_knows_each_ones_norms() {
    let plan = Plan { max_grad_norm: 0.9, ..plan() };
    let every = NonZeroU64::MIN;
    let sgd = (SgdConfig::new().init(), 0.5);
    let performance = Performance { physical_batch: NonZeroUsize::new(7), ..Performance::default() };
    let mut run = Trainer::new(plan.privacy(), model(), sgd, made_up(), of_rows, (key(), binding()), MemoryLedger::default())
        .unwrap()
        .with_performance(performance)
        .with_individual_accounting(every)
        .unwrap();
    let mut expected = Individual::new(&plan.privacy(), ROWS, every).unwrap();
    let all: Vec<usize> = (0..ROWS).collect();
    let mut partial = 0;
    for step in 0..20 {
        let batch = crate::Examples::batch(made_up().examples(), &all, &Device::flex());
        let sum = crate::clipped_sum_universal(run.model(), batch.as_ref(), of_rows, &plan.privacy().clip()).unwrap();
        partial += sum.norms.iter().filter(|n| **n < 0.8).count();
        expected.note(step, &all.iter().copied().zip(sum.norms).collect::<Vec<_>>(), 0.9);
        run.step().unwrap();
    }
    assert!(partial > 100, "{partial}: everyone is at the bound");
    assert_eq!(run.individual().unwrap().counts(), expected.counts());
}

/// Where a unit was not drawn and nobody looked, it is charged the bound; looking more often never charges more than the plan.
#[test]
fn what_is_not_known_is_charged_in_full() {
    let sparse = Plan { sample_rate: SamplingRate::new(1e-12).unwrap(), public_units: 1_000_000_000_000, ..plan() };
    let losses = |m: &Classifier, b: &crate::LabelledBatch<2>| -> Tensor<1> { of_rows(m, b) * 1e-6 };
    let of = |every: u64| {
        let sgd = (SgdConfig::new().init(), 1e-9);
        let mut run = Trainer::new(sparse.privacy(), model(), sgd, made_up(), losses, (key(), binding()), MemoryLedger::default())
            .unwrap()
            .with_individual_accounting(every.try_into().unwrap())
            .unwrap();
        run.fit(|_| ()).unwrap();
        run.individual().unwrap().counts()[..33].to_vec()
    };
    // Norms are tiny: part 1. Steps 0, 5, 10 and 15 are looked at.
    let (always, sometimes) = (of(1), of(5));
    assert_eq!((always[1], always[32]), (20, 0));
    assert_eq!((sometimes[1], sometimes[32]), (4, 16));
}

/// A unit whose gradient is not finite adds nothing to the sum, but is counted: it is charged in full.
#[test]
fn a_unit_that_is_counted_is_charged_in_full() {
    let losses = |m: &Classifier, b: &crate::LabelledBatch<2>| -> Tensor<1> {
        let poison: Vec<f32> = (0..b.units).map(|row| if row == 0 { f32::NAN } else { 1e-6 }).collect();
        of_rows(m, b) * Tensor::<1>::from_data(burn::tensor::TensorData::new(poison, [b.units]), &Device::flex()).autodiff()
    };
    let everyone = Plan { sample_rate: SamplingRate::new(1.0).unwrap(), ..plan() };
    let sgd = (SgdConfig::new().init(), 0.1);
    let mut run = Trainer::new(everyone.privacy(), model(), sgd, made_up(), losses, (key(), binding()), MemoryLedger::default())
        .unwrap()
        .with_individual_accounting(NonZeroU64::MIN)
        .unwrap();
    run.fit(|_| ()).unwrap();
    let counts = run.individual().unwrap().counts();
    assert_eq!((counts[32], counts[33 + 1]), (20, 20));
}

#[test]
fn plans_that_are_not_covered_are_refused() {
    let plan = plan().privacy();
    let batch = 10.try_into().unwrap();
    let sampling = crate::Sampling::FixedSize { records: 40.try_into().unwrap(), batch, with_replacement: false };
    let others = [
        crate::PrivacyPlan { sampling, ..plan.clone() },
        crate::PrivacyPlan { adaptive: Some(crate::AdaptiveClip { quantile: 0.5, learning_rate: 0.2, count_noise: 10.0 }), ..plan.clone() },
        crate::PrivacyPlan { noise: crate::Noise::Grid { coordinates: 100.try_into().unwrap() }, ..plan },
    ];
    for other in others {
        assert!(Individual::new(&other, 40, NonZeroU64::MIN).is_err());
    }
}

/// From the program's road: the file holds every unit once, gives each the ε that its own run gives, and nothing to who took no part;
/// the model is the same to the bit as without.
#[test]
fn the_file_of_a_run_answers_for_one_unit() {
    let folder = tempfile::tempdir().unwrap();
    let units = random_units(&mut seeded(7), 24, 3, 2, 3);
    let (table, plan) = (permitted(&units, 2), Plan { max_grad_norm: 5.0, ..plan() });
    let checkpoints = |name: &str| {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        crate::Checkpoints::new(folder.path().join(name), NonZeroU64::new(7).unwrap())
    };
    let fit = |name, every| crate::fit_private_resumable(&plan, &table, &key(), &binding(), checkpoints(name), every, &mut |_| ()).unwrap();
    let (Fitted { model, own_losses }, without) = (fit("with", Some(NonZeroU64::MIN)), fit("without", None));
    assert!(without.own_losses.is_none());
    let saved = |m: &Classifier| crate::save_weights(m, std::collections::HashMap::new()).unwrap();
    assert!(saved(&model) == saved(&without.model), "looking at everyone changed the model");
    let (own, most) = (own_losses.unwrap(), ledger_of(1.5, 0.25, 20));
    let rows = crate::UnitRows::new(&table, plan.max_rows_per_unit);
    let mut distinct = std::collections::BTreeSet::new();
    for &unit in rows.units().ids() {
        let epsilon = Individual::epsilon_in(&own, &plan, unit, 1e-5).unwrap().unwrap();
        assert!(0.0 < epsilon && epsilon <= most * (1.0 + 1e-9), "{epsilon}");
        distinct.insert(epsilon.to_bits());
    }
    assert!(distinct.len() > 3, "everybody has the same");
    let stranger = "00000000000000000000000000000000".parse().unwrap();
    assert!(Individual::epsilon_in(&own, &plan, stranger, 1e-5).unwrap().is_none());
    let longer = Plan { steps: plan.steps + 1, ..plan.clone() };
    let first = rows.units().ids()[0];
    for damaged in [&own[..own.len() - 1], &own[1..], &[]] {
        assert!(matches!(Individual::epsilon_in(damaged, &plan, first, 1e-5), Err(crate::Error::Own)));
    }
    assert!(matches!(Individual::epsilon_in(&own, &longer, first, 1e-5), Err(crate::Error::Own)));
}
