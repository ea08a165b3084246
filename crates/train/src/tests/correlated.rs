//! Correlated noise: strategies against dense matrices, and the noise that is released against the strategies.

use super::*;
use crate::mechanism::{banded, tree};
use crate::{Noise, Sampling};
use reticent_accounting::Event;
use std::collections::BTreeSet;
use std::num::NonZeroU64;

/// A matrix, row by row.
type Matrix = Vec<Vec<f64>>;

fn count(n: u64) -> NonZeroU64 {
    NonZeroU64::new(n).unwrap()
}

fn banded_plan(bands: u64, parts: u64, steps: u64) -> PrivacyPlan {
    let sampling = Sampling::Cyclic { parts: count(parts), sample_rate: SamplingRate::new(0.5).unwrap(), public_units: 40 };
    let plan = PrivacyPlan::new("person", NonZeroUsize::MIN, sampling, 0.7, NoiseMultiplier::new(1.5).unwrap(), steps);
    let plan = PrivacyPlan { noise: Noise::BandedMatrix { bands: count(bands) }, ..plan };
    plan.check().unwrap();
    plan
}

fn tree_plan(rounds: u64, steps: u64) -> PrivacyPlan {
    let sampling = Sampling::RandomAllocation { rounds: count(rounds), rounds_per_unit: count(1), public_units: 40 };
    let plan = PrivacyPlan::new("person", NonZeroUsize::MIN, sampling, 0.7, NoiseMultiplier::new(1.5).unwrap(), steps);
    let plan = PrivacyPlan { noise: Noise::Tree, ..plan };
    plan.check().unwrap();
    plan
}

fn toeplitz(coefficients: &[f64], steps: usize) -> Matrix {
    let entry = |row: usize, column: usize| row.checked_sub(column).and_then(|lag| coefficients.get(lag)).copied().unwrap_or(0.0);
    (0..steps).map(|row| (0..steps).map(|column| entry(row, column)).collect()).collect()
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    a.iter().map(|row| (0..b[0].len()).map(|j| row.iter().zip(b).map(|(x, row)| x * row[j]).sum()).collect()).collect()
}

fn transposed(a: &Matrix) -> Matrix {
    (0..a[0].len()).map(|j| a.iter().map(|row| row[j]).collect()).collect()
}

/// Of a lower triangular matrix, by forward substitution, a row at a time.
fn inverse(a: &Matrix) -> Matrix {
    let mut inverse: Matrix = vec![];
    for (i, row) in a.iter().enumerate() {
        let known = |column: usize| row.iter().zip(&inverse).map(|(entry, solved)| entry * solved[column]).sum::<f64>();
        let next = (0..a.len()).map(|column| (f64::from(u8::from(i == column)) - known(column)) / row[i]).collect();
        inverse.push(next);
    }
    inverse
}

/// All bands together square to the matrix of prefix sums; fewer are its first diagonals at a column norm of 1.
#[test]
fn bands_are_of_the_square_root_of_prefix_sums() {
    let steps = 12;
    let full = toeplitz(&banded::coefficients(steps as u64), steps);
    let scale = 1.0 / full[0][0].powi(2);
    for (i, row) in product(&full, &full).iter().enumerate() {
        for (j, entry) in row.iter().enumerate() {
            assert!((scale * entry - f64::from(u8::from(j <= i))).abs() < 1e-12);
        }
    }
    for bands in 1..=12 {
        let c = banded::coefficients(bands);
        assert_eq!(c.len() as u64, bands);
        assert!((norm(&c) - 1.0).abs() < 1e-14 && c.windows(2).all(|two| two[0] > two[1]));
        let ratio = c[0] / full[0][0];
        assert!(c.iter().zip(&full).all(|(c, row)| (c - ratio * row[0]).abs() < 1e-14));
    }
}

/// What a unit changes: C times its steps. With steps as far apart as there are bands its columns share no row, so that each is charged by
/// itself with a norm of at most 1; one step nearer, and they do.
#[test]
fn a_unit_whose_steps_are_bands_apart_is_charged_column_by_column() {
    let steps = 13;
    for bands in 1..=6_usize {
        let columns = transposed(&toeplitz(&banded::coefficients(bands as u64), steps));
        assert!(columns.iter().all(|column| norm(column) <= 1.0 + 1e-14));
        let inner = |s: usize, t: usize| columns[s].iter().zip(&columns[t]).map(|(a, b)| a * b).sum::<f64>();
        for s in 0..steps {
            for t in s + 1..steps {
                assert_eq!(inner(s, t) == 0.0, t - s >= bands, "{bands} bands: {s} and {t}");
            }
        }
        // The sampler keeps them apart: whatever its part, a unit's steps are a multiple of `parts` apart.
        let plan = banded_plan(bands as u64, bands as u64 + 1, steps as u64);
        for unit in 0..30 {
            let taken: Vec<u64> = (0..steps as u64).filter(|&step| plan.sample(step, 30, &key(), &binding()).contains(&unit)).collect();
            assert!(taken.windows(2).all(|two| two[1] - two[0] > bands as u64));
            assert!(taken.len() <= steps.div_ceil(bands + 1));
        }
    }
}

/// The noise that comes out solves C y = z, by a dense C.
#[test]
fn banded_noise_solves_the_dense_system() {
    let (steps, len) = (11, 3);
    for bands in 1..=7 {
        let (c, mut memory) = (toeplitz(&banded::coefficients(bands), steps), NoiseMemory::default());
        let source = crate::mechanism::Source { key: &key(), binding: &binding() };
        let y: Matrix = (0..steps).map(|step| source.banded(bands, step as u64, &[("w", len)], &mut memory).remove(0)).collect();
        let z: Matrix = (0..steps).map(|step| source.independent(step as u64, "w").take(len)).collect();
        for (found, z) in product(&c, &y).iter().zip(&z) {
            assert!(norm(&difference(found, z)) < 1e-13, "{bands} bands");
        }
    }
}

/// Memory is for speed alone: a resumed run, a run that forgets at every step and one that is given another's memory draw the same.
#[test]
fn pitfall_27_correlated_noise_needs_no_state() {
    let model = random_model(&mut seeded(71), &[5, 2]);
    for plan in [banded_plan(4, 4, 12), tree_plan(12, 12)] {
        let empty = || sum_of(&model, None, 0.7);
        let mut memory = NoiseMemory::default();
        let whole: Vec<_> = (0..12).map(|step| remembered(empty(), &plan, step, &mut memory)).collect();
        for step in 0..12 {
            assert_eq!(released(empty(), &plan, step), whole[step as usize], "without memory, step {step}");
            assert_eq!(remembered(empty(), &plan, step, &mut memory), whole[step as usize], "with the memory of a later step, step {step}");
        }
        // The memory of the step before, of another key, binding, number of bands, or model: it is not taken for this run's.
        let before = |other: &dyn Fn(&mut NoiseMemory)| {
            let mut memory = NoiseMemory::default();
            other(&mut memory);
            assert_eq!(remembered(empty(), &plan, 6, &mut memory), whole[6]);
        };
        let (stranger, more) = (RunKey::from_bytes([9; 32]), Binding { data: "more".into(), ..binding() });
        before(&|memory| drop(empty().privatize_with(&plan, &stranger, &binding(), 5, memory)));
        before(&|memory| drop(empty().privatize_with(&plan, &key(), &more, 5, memory)));
        before(&|memory| drop(remembered(empty(), &banded_plan(3, 4, 12), 5, memory)));
        before(&|memory| drop(remembered(sum_of(&random_model(&mut seeded(72), &[4, 2]), None, 0.7), &plan, 5, memory)));
        let mut resumed = NoiseMemory::default();
        for step in 5..12 {
            assert_eq!(remembered(empty(), &plan, step, &mut resumed), whole[step as usize], "resumed, step {step}");
        }
    }
}

/// What is released on nobody over all steps, as coordinates of noise over σC/B: one row a step.
fn noise_of(plan: &PrivacyPlan) -> Matrix {
    let model = random_model(&mut seeded(73), &[120, 100, 2]);
    let (mut memory, unit) = (NoiseMemory::default(), 1.5 * 0.7 / plan.expected_batch());
    (0..plan.steps)
        .map(|step| remembered(sum_of(&model, None, 0.7), plan, step, &mut memory).into_iter().map(|v| v / unit).collect())
        .collect()
}

/// The covariance of steps is the designed one. An estimate over n coordinates is off by N(0, (v_s v_t + v_st²)/n); 6.5 deviations over at
/// most 153 pairs, alpha 1e-8.
#[track_caller]
fn check_covariance(noise: &Matrix, design: &Matrix) {
    let n = noise[0].len() as f64;
    for s in 0..noise.len() {
        for t in 0..=s {
            let found = noise[s].iter().zip(&noise[t]).map(|(a, b)| a * b).sum::<f64>() / n;
            let deviation = ((design[s][s] * design[t][t] + design[s][t].powi(2)) / n).sqrt();
            assert!((found - design[s][t]).abs() < 6.5 * deviation, "steps {s} and {t}: {found} for {}", design[s][t]);
        }
    }
}

#[test]
fn h2_banded_noise_is_correlated_over_steps_as_designed() {
    for bands in [1, 2, 6] {
        let noise = noise_of(&banded_plan(bands, 6, 16));
        let inverse = inverse(&toeplitz(&banded::coefficients(bands), 16));
        check_covariance(&noise, &product(&inverse, &transposed(&inverse)));
        // It cancels: the sum of all steps has less noise than independent draws of the same σ would leave.
        let sum: Vec<f64> = (0..noise[0].len()).map(|i| noise.iter().map(|step| step[i]).sum()).collect();
        let share = norm(&sum) / (sum.len() as f64).sqrt() / 4.0;
        assert!(if bands == 1 { (share - 1.0).abs() < 0.05 } else { share < 0.9 }, "{bands} bands: {share}");
    }
    // One band is independent noise, to the bit.
    let model = random_model(&mut seeded(74), &[5, 2]);
    let plain = PrivacyPlan { noise: Noise::Gaussian, ..banded_plan(1, 6, 16) };
    assert_eq!(released(sum_of(&model, None, 0.7), &plain, 9), released(sum_of(&model, None, 0.7), &banded_plan(1, 6, 16), 9));
}

/// The steps that a node covers.
fn covered(node: tree::Node) -> std::ops::RangeInclusive<u64> {
    ((node.index - 1) << node.level) + 1..=node.index << node.level
}

/// Each prefix is a disjoint union of nodes, and no step is in more nodes than the event charges; some step is in as many.
#[test]
fn a_step_is_in_as_many_nodes_as_the_tree_charges() {
    for steps in 1..=70_u64 {
        let (mut standing, mut ever) = (BTreeSet::new(), BTreeSet::new());
        for m in 1..=steps {
            for (sign, node) in tree::changes(m) {
                assert!(if sign > 0.0 { standing.insert(node) } else { standing.remove(&node) }, "step {m}");
            }
            ever.extend(standing.iter().copied());
            let mut prefix: Vec<u64> = standing.iter().copied().flat_map(covered).collect();
            prefix.sort_unstable();
            assert_eq!(prefix, (1..=m).collect::<Vec<_>>());
        }
        let most = (1..=steps).map(|step| ever.iter().filter(|node| covered(**node).contains(&step)).count()).max().unwrap();
        assert_eq!(most as u32, u64::BITS - steps.leading_zeros(), "⌈log₂({steps} + 1)⌉");
    }
}

#[test]
fn h2_tree_noise_is_that_of_prefix_sums() {
    let mut prefix = noise_of(&tree_plan(11, 17));
    for step in (1..17).filter(|step| *step != 11) {
        let (before, from) = prefix.split_at_mut(step);
        from[0].iter_mut().zip(&before[step - 1]).for_each(|(value, sum)| *value += sum);
    }
    // Prefixes share the nodes that they share; the second block of 11 has its own tree.
    let mut standing = BTreeSet::new();
    let nodes: Vec<BTreeSet<(u64, tree::Node)>> = (0..17)
        .map(|step| {
            if step == 11 {
                standing.clear();
            }
            for (sign, node) in tree::changes(step % 11 + 1) {
                if sign > 0.0 {
                    standing.insert((step / 11, node))
                } else {
                    standing.remove(&(step / 11, node))
                };
            }
            standing.clone()
        })
        .collect();
    let design: Matrix = nodes.iter().map(|s| nodes.iter().map(|t| s.intersection(t).count() as f64).collect()).collect();
    assert_eq!(design[6][6], 3.0);
    check_covariance(&prefix, &design);
}

#[test]
fn events_of_correlated_noise() {
    let noise_multiplier = NoiseMultiplier::new(1.5).unwrap();
    let sampling_rate = SamplingRate::new(0.5).unwrap();
    // A unit takes part once in as many steps as there are parts, also where there are fewer bands.
    assert_eq!(
        banded_plan(3, 4, 18).mechanism(),
        Event::BandedMatrix { noise_multiplier, sampling_rate, bands: count(4), steps: count(18) }
    );
    let tree = |noise_multiplier, steps| Event::TreeAggregation { noise_multiplier, steps: count(steps) };
    assert_eq!(tree_plan(8, 8).mechanism(), tree(noise_multiplier, 8).times(1));
    assert_eq!(tree_plan(8, 17).mechanism(), tree(noise_multiplier, 8).times(3));
    assert_eq!(tree_plan(100, 17).mechanism(), tree(noise_multiplier, 17).times(1));
    // In an order of all units, one replaced: twice the distance.
    let shuffle = Sampling::Shuffle { records: count(40), batch: count(10) };
    let plan = PrivacyPlan { sampling: shuffle, ..tree_plan(8, 8) };
    assert_eq!(plan.mechanism(), tree(NoiseMultiplier::new(0.75).unwrap(), 4).times(2));
    // Every one of them has a bound.
    let delta = reticent_accounting::Delta::new(1e-5).unwrap();
    for plan in [plan, banded_plan(3, 4, 18), tree_plan(8, 17)] {
        assert!(reticent_accounting::pld::epsilon(&plan.event(), delta).unwrap().upper.get() > 0.0);
    }
}

#[test]
fn noise_that_does_not_fit_the_sampler_is_refused() {
    let poisson = plan().privacy();
    let refused = |plan: &PrivacyPlan| plan.check().unwrap_err().to_string();
    let bands = "`noise` with bands needs cyclic sampling of as many parts or more";
    assert_eq!(refused(&PrivacyPlan { noise: Noise::BandedMatrix { bands: count(2) }, ..poisson.clone() }), bands);
    assert_eq!(refused(&PrivacyPlan { noise: Noise::BandedMatrix { bands: count(5) }, ..banded_plan(4, 4, 9) }), bands);
    let tree = "`noise` of a tree needs a sampler in which a unit is in one step of a block";
    assert_eq!(refused(&PrivacyPlan { noise: Noise::Tree, ..poisson }), tree);
    let twice = Sampling::RandomAllocation { rounds: count(8), rounds_per_unit: count(2), public_units: 40 };
    assert_eq!(refused(&PrivacyPlan { sampling: twice, ..tree_plan(8, 8) }), tree);
    let one = "`noise` that is correlated needs one bound and one multiplier for all steps";
    let halved = || crate::Schedule::Steps { from: vec![(3, 0.5)] };
    let adaptive = Some(crate::AdaptiveClip { quantile: 0.5, learning_rate: 0.2, count_noise: 2.0 });
    for plan in [banded_plan(4, 4, 9), tree_plan(8, 8)] {
        assert_eq!(refused(&PrivacyPlan { max_grad_norm_schedule: halved(), ..plan.clone() }), one);
        assert_eq!(refused(&PrivacyPlan { noise_schedule: halved(), ..plan.clone() }), one);
        assert_eq!(refused(&PrivacyPlan { adaptive, ..plan.clone() }), one);
        // A sum that was clipped to something else is not noised.
        let model = random_model(&mut seeded(75), &[5, 2]);
        assert!(panics(|| released(sum_of(&model, None, 0.8), &plan, 0)));
    }
}
