//! Pitfalls of the step, by number, and harnesses H1 (replay), H2 (noise probe), H3 (isolation).

use super::*;
use crate::mechanism::normal::Normals;
use crate::{Progress, fit_private, save_weights};
use reticent_accounting::Event;
use std::collections::HashMap;

/// The standard normal draws of a step, in the model's order, straight from the seeds.
fn draws(model: &Classifier, step: u64) -> Vec<f64> {
    let empty = sum_of(model, None, 1.0);
    let names = empty.values.iter().map(|(p, _)| (p.name.clone(), p.len));
    names.flat_map(|(name, len)| Normals::from_seed(key().seed(&binding(), "noise", step, &name)).take(len)).collect()
}

/// What the optimiser gets, in the model's order.
fn noised(plan: &Plan, model: &Classifier, rows: &UnitRows, chosen: &[usize], step: u64) -> Vec<f64> {
    let sum = sum_of(model, rows.batch(chosen, &Device::flex()).as_ref(), plan.max_grad_norm);
    let order: Vec<_> = sum.values.iter().map(|(p, _)| p.id).collect();
    let mut values = sum.privatize(&plan.privacy(), &key(), &binding(), step).into_values();
    order.iter().flat_map(|id| values.remove(id).unwrap()).collect()
}

/// Whatever was drawn, the step is (clipped sum + σ·C·z) / (q · public units): the noise is one draw of std σC/(q · public units).
#[test]
pub(super) fn pitfall_01_02_13_noise_and_divisor_are_public_constants() {
    let mut rng = seeded(21);
    let model = random_model(&mut rng, &[3, 4, 2]);
    let z = draws(&model, 5);
    // 12 or 13 units in the table, nobody, one, some or all of them drawn: plan says 0.25 · 40 = 10.
    for count in [12, 13] {
        let rows = rows(&random_units(&mut rng, count, 3, 2, 3), 2, 3);
        let all: Vec<usize> = (0..count).collect();
        for chosen in [&[][..], &[4], &[0, 3, 9], &all] {
            let sum = fast(&model, &rows, chosen, 0.7);
            let step = noised(&plan(), &model, &rows, chosen, 5);
            for ((value, sum), z) in step.iter().zip(&sum).zip(&z) {
                assert!((value - (sum + 1.5 * 0.7 * z) / 10.0).abs() < 1e-12);
            }
        }
    }
}

/// Measured on the values themselves: std σC/(q · public units) = 0.105 over 60,000 coordinates of empty batches.
#[test]
pub(super) fn pitfall_01_the_measured_std_is_the_declared_one() {
    let mut rng = seeded(22);
    let model = random_model(&mut rng, &[60, 50, 2]);
    let rows = rows(&random_units(&mut rng, 2, 60, 2, 1), 2, 1);
    let values: Vec<f64> = (0..20).flat_map(|step| noised(&plan(), &model, &rows, &[], step)).collect();
    let n = values.len() as f64;
    assert!(n > 60_000.0);
    let std = (values.iter().map(|v| v * v).sum::<f64>() / n).sqrt();
    // The relative error of std is about N(0, 1/2n); 6 standard deviations, alpha 2e-9.
    assert!((std / 0.105 - 1.0).abs() < 6.0 / (2.0 * n).sqrt(), "{std}");
}

/// With a rate at which nobody is ever drawn, every step is taken, counted and noised.
#[test]
pub(super) fn pitfall_05_empty_batches_are_noised_and_counted() {
    let units = random_units(&mut seeded(23), 10, 2, 2, 2);
    let plan = Plan { sample_rate: SamplingRate::new(1e-12).unwrap(), public_units: 1_000_000_000_000, ..plan() };
    let mut steps = vec![];
    let model = fit_private(&plan, &permitted(&units, 2), &key(), &binding(), &mut |p: Progress| steps.push((p.step, p.steps))).unwrap();
    assert_eq!(steps, (1..=20).map(|step| (step, 20)).collect::<Vec<_>>());
    assert_eq!(plan.privacy().mechanism(), Event::dp_sgd(plan.noise_multiplier, plan.sample_rate, 20));
    // The weights are the momentum walk of the noise alone, averaged over the last ten iterates.
    let length = draws(&model, 0).len();
    let (mut velocity, mut weights, mut average) = (vec![0.0; length], vec![0.0; length], vec![0.0; length]);
    for step in 0..20 {
        for (i, z) in draws(&model, step).into_iter().enumerate() {
            velocity[i] = 0.9 * velocity[i] + 0.1 * 1.5 * 0.7 * z;
            weights[i] -= 0.5 * velocity[i];
            average[i] += if step >= 10 { weights[i] / 10.0 } else { 0.0 };
        }
    }
    let found = weights_of(&model);
    assert!(norm(&average) > 0.1);
    assert!(norm(&difference(&found, &average)) < 1e-5 * norm(&average), "{found:?} {average:?}");
}

/// The whole run is what its plan says, step by step: draw by the step's own stream, clip, sum, noise, divide, move, average the second half.
#[test]
pub(super) fn a_run_is_the_sequence_of_its_steps() {
    let units = random_units(&mut seeded(30), 30, 2, 2, 3);
    let (plan, rows) = (plan(), rows(&units, 2, 3));
    let (mut velocity, mut weights, mut average) = (vec![0.0; 6], vec![0.0; 6], vec![0.0; 6]);
    for step in 0..20 {
        let mut model = Classifier::new(&Architecture::Logistic, 2, 2, NotPrivateSeed(0), &Device::flex().autodiff());
        let at: Vec<f32> = weights.iter().map(|&w| w as f32).collect();
        let device = Device::flex().autodiff();
        model.layers[0].weight = burn::module::Param::from_data(burn::tensor::TensorData::new(at[..4].to_vec(), [2, 2]), &device);
        model.layers[0].bias = Some(burn::module::Param::from_data(burn::tensor::TensorData::new(at[4..].to_vec(), [2]), &device));
        let drawn = plan.privacy().sample(step, rows.units().len(), &key(), &binding());
        let sum = fast(&model, &rows, &drawn, plan.max_grad_norm);
        for (i, z) in draws(&model, step).into_iter().enumerate() {
            velocity[i] = 0.9 * velocity[i] + 0.1 * (sum[i] + 1.5 * 0.7 * z) / 10.0;
            weights[i] -= 0.5 * velocity[i];
            average[i] += if step >= 10 { weights[i] / 10.0 } else { 0.0 };
        }
    }
    let model = fit_private(&plan, &permitted(&units, 2), &key(), &binding(), &mut |_| ()).unwrap();
    assert!(norm(&difference(&weights_of(&model), &average)) < 1e-5 * norm(&average));
}

fn weights_of(model: &Classifier) -> Vec<f64> {
    use crate::gradient::read;
    model.layers.iter().flat_map(|l| [read(l.weight.val()), read(l.bias.as_ref().unwrap().val())].concat()).collect()
}

/// Counts that a float would round survive plan, file and event; the number of steps never comes from 1/q.
#[test]
fn pitfall_06_steps_are_integers() {
    for steps in [1, 1_363, 20_000, (1 << 53) + 1, u64::MAX] {
        let plan = Plan { steps, ..plan() };
        let reread: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        assert_eq!(reread.steps, steps);
        assert_eq!(plan.privacy().mechanism(), Event::dp_sgd(plan.noise_multiplier, plan.sample_rate, steps));
    }
    for n in 1..=20_000_u64 {
        let plan = Plan { sample_rate: SamplingRate::new(1.0 / n as f64).unwrap(), steps: n, ..plan() };
        assert_eq!(plan.privacy().mechanism(), Event::dp_sgd(plan.noise_multiplier, plan.sample_rate, n));
    }
}

/// H3: in a batch, a unit contributes what it contributes alone, wherever it stands and whoever stands beside it.
#[test]
fn pitfall_10_h3_a_unit_contributes_what_it_contributes_alone() {
    let mut rng = seeded(24);
    for widths in [vec![5, 2], vec![5, 7, 3]] {
        let classes = widths[widths.len() - 1];
        let rows = rows(&random_units(&mut rng, 37, 5, classes, 4), classes, 4);
        let model = random_model(&mut rng, &widths);
        for unit in 0..37 {
            let others: Vec<usize> = (0..37).filter(|&u| u != unit).collect();
            let with: Vec<usize> = [&others[..unit / 2], &[unit], &others[unit / 2..]].concat();
            let inside = difference(&fast(&model, &rows, &with, 0.3), &fast(&model, &rows, &others, 0.3));
            let alone = fast(&model, &rows, &[unit], 0.3);
            // A row may round differently in another place of the batch (vector lanes and their remainder), within a tenth of the slack of 1e-5.
            assert!(norm(&difference(&inside, &alone)) < 0.3 * 1e-6, "unit {unit}");
        }
    }
}

/// H1: the sums over neighbouring tables, with the same randomness, differ by at most the declared bound.
#[test]
pub(super) fn h1_replay_on_a_neighbour_moves_the_sum_by_at_most_the_bound() {
    let mut rng = seeded(25);
    for (widths, bound) in [(vec![4, 2], 0.1), (vec![4, 2], 1.0), (vec![4, 8, 2], 0.1), (vec![4, 8, 2], 30.0)] {
        let units = random_units(&mut rng, 25, 4, 2, 5);
        let rows = rows(&units, 2, 5);
        let model = random_model(&mut rng, &widths);
        for step in 0..10 {
            let drawn = Plan { sample_rate: SamplingRate::new(0.5).unwrap(), ..plan() }.privacy().sample(
                step,
                rows.units().len(),
                &key(),
                &binding(),
            );
            let sum = fast(&model, &rows, &drawn, bound);
            for &removed in &drawn {
                let neighbour: Vec<usize> = drawn.iter().copied().filter(|&u| u != removed).collect();
                let moved = norm(&difference(&sum, &fast(&model, &rows, &neighbour, bound)));
                assert!(moved <= bound, "{moved} > {bound}");
            }
        }
    }
}

/// H1 where rounding is at its worst: thousands of units that all pull the same way, each at the bound. In f32 the sum itself would round
/// by more than the slack of one contribution (Casacuberta et al. 2022, arXiv:2207.10635).
#[test]
fn h1_holds_where_thousands_of_units_agree() {
    let mut rng = seeded(26);
    let inputs = [0.731, -0.513, 0.977, 0.119];
    let units: Vec<Unit> = (0..6000).map(|i| vec![(inputs.iter().map(|x| x * (1.0 - f64::from(i) * 1e-5)).collect(), 1); 2]).collect();
    let rows = rows(&units, 2, 2);
    let all: Vec<usize> = (0..6000).collect();
    for widths in [vec![4, 2], vec![4, 16, 2]] {
        let model = random_model(&mut rng, &widths);
        let sum = fast(&model, &rows, &all, 0.1);
        assert!(norm(&sum) > 590.0);
        let mut worst: f64 = 0.0;
        for removed in (0..6000).step_by(500) {
            let neighbour: Vec<usize> = all.iter().copied().filter(|&u| u != removed).collect();
            worst = worst.max(norm(&difference(&sum, &fast(&model, &rows, &neighbour, 0.1))));
        }
        assert!(worst <= 0.1, "{widths:?}: {worst}");
    }
}

#[track_caller]
fn check_poison(value: f32) {
    let mut rng = seeded(27);
    for widths in [vec![3, 2], vec![3, 4, 2]] {
        let rows = rows(&random_units(&mut rng, 6, 3, 2, 2), 2, 2);
        let model = random_model(&mut rng, &widths);
        let batch = rows.batch(&[0, 1, 2, 3, 4, 5], &Device::flex()).unwrap();
        // The first row of unit 2 stands at 2 · cap.
        let inputs = batch.inputs.slice_assign([4..5, 1..2], burn::tensor::Tensor::full([1, 1], value, &Device::flex()));
        let poisoned = of_batch(&model, &Batch { inputs, ..batch }, 0.5);
        let without = fast(&model, &rows, &[0, 1, 3, 4, 5], 0.5);
        assert!(poisoned.iter().all(|v| v.is_finite()));
        assert!(norm(&without) > 0.1);
        // A gradient that is still finite is clipped like any other.
        let allowed = if value == f32::MAX { 0.5 } else { 1e-6 };
        assert!(norm(&difference(&poisoned, &without)) <= allowed, "{value} {poisoned:?} {without:?}");
    }
}

#[test]
pub(super) fn pitfall_21_rows_that_are_not_finite_contribute_nothing() {
    check_poison(f32::NAN);
    check_poison(f32::INFINITY);
    check_poison(f32::NEG_INFINITY);
    check_poison(f32::MAX);
}

#[test]
pub(super) fn pitfall_27_equal_key_and_binding_give_equal_weights_and_nothing_else_does() {
    let units = random_units(&mut seeded(28), 40, 3, 2, 3);
    let plan = Plan { architecture: Architecture::Mlp { hidden: vec![4] }, ..plan() };
    let run = |key: &RunKey, binding: &Binding| {
        save_weights(&fit_private(&plan, &permitted(&units, 2), key, binding, &mut |_| ()).unwrap(), HashMap::new()).unwrap()
    };
    let first = run(&key(), &binding());
    assert!(first == run(&key(), &binding()), "the same run gave other weights");
    let changed = [
        Binding { plan: "plan2".into(), ..binding() },
        Binding { permit: "permit2".into(), ..binding() },
        Binding { data: "data2".into(), ..binding() },
        Binding { machine: "machine2".into(), ..binding() },
        // The same letters in other places.
        Binding { plan: "planp".into(), permit: "ermit".into(), ..binding() },
    ];
    for changed in changed {
        assert!(first != run(&key(), &changed), "{changed:?} drew the same noise");
    }
    assert!(first != run(&RunKey::from_bytes([4; 32]), &binding()));
}

/// A person in several rows is clipped once: five copies of a row pull no harder than the bound.
#[test]
fn pitfall_31_the_rows_of_a_unit_are_clipped_as_one_sum() {
    let mut rng = seeded(29);
    let row = (vec![0.9, -0.4, 0.6], 1);
    let model = random_model(&mut rng, &[3, 2]);
    let one = fast(&model, &rows(&[vec![row.clone()]], 2, 5), &[0], 1e9);
    for copies in 1..=5 {
        let rows = rows(&[vec![row.clone(); copies]], 2, 5);
        let free = fast(&model, &rows, &[0], 1e9);
        let scaled: Vec<f64> = one.iter().map(|v| v * copies as f64).collect();
        assert!(norm(&difference(&free, &scaled)) < 1e-5 * norm(&scaled));
        for bound in [0.5 * norm(&one), 1.5 * norm(&one), 3.5 * norm(&one)] {
            let clipped = norm(&fast(&model, &rows, &[0], bound));
            let expected = bound.min(norm(&scaled));
            assert!(clipped <= bound && (clipped / expected - 1.0).abs() < 5e-5, "{copies} copies: {clipped} of {expected}");
        }
    }
}

/// A panic inside a recorded step leaves no tape behind for the next.
#[test]
fn a_step_that_panics_leaves_nothing_recorded() {
    let caught = std::panic::catch_unwind(|| crate::tape::record(|| panic!("on purpose")));
    assert!(caught.is_err());
    assert!(!crate::tape::is_recording());
}
