//! Sums of several workers or micro-batches: one bound, one draw of noise (pitfalls 4, 13 and 18).

use super::*;
use crate::{Noise, Sampling};

fn plans() -> Vec<PrivacyPlan> {
    let plain = plan().privacy();
    let one = |n: u64| std::num::NonZeroU64::new(n).unwrap();
    let cyclic = Sampling::Cyclic { parts: one(4), sample_rate: SamplingRate::new(1.0).unwrap(), public_units: 40 };
    let allocation = Sampling::RandomAllocation { rounds: one(4), rounds_per_unit: one(1), public_units: 40 };
    vec![
        PrivacyPlan { noise: Noise::Grid { coordinates: one(20_000) }, ..plain.clone() },
        PrivacyPlan { sampling: cyclic, noise: Noise::BandedMatrix { bands: one(4) }, ..plain.clone() },
        PrivacyPlan { sampling: allocation, noise: Noise::Tree, ..plain.clone() },
        plain,
    ]
}

/// The units in `workers` parts, each summed by itself, then put together.
fn together(model: &Classifier, rows: &UnitRows, chosen: &[usize], workers: usize) -> ClippedSum {
    let share = chosen.len().div_ceil(workers).max(1);
    let parts = chosen.chunks(share).map(|part| sum_of(model, rows.batch(part, &Device::flex()).as_ref(), 0.7));
    parts.fold(sum_of(model, None, 0.7), ClippedSum::plus)
}

/// However a step's units are split, it releases the same sum with the same noise, drawn once; with noise of each worker its own the values
/// would differ by as much as the noise.
#[test]
fn pitfall_13_18_one_draw_of_noise_however_the_work_is_split() {
    let mut rng = seeded(91);
    let units = random_units(&mut rng, 24, 3, 2, 3);
    let rows = rows(&units, 2, 3);
    let model = random_model(&mut rng, &[3, 5, 2]);
    let chosen: Vec<usize> = (0..24).filter(|unit| unit % 5 != 0).collect();
    for plan in plans() {
        for step in [0, 3, 6] {
            let whole = released(together(&model, &rows, &chosen, 1), &plan, step);
            for workers in [2, 3, 19] {
                let split = released(together(&model, &rows, &chosen, workers), &plan, step);
                // Sums round differently in f32 by about 1e-6 of 19 contributions; the noise is .1.
                assert!(norm(&difference(&whole, &split)) < 1e-5, "{workers} workers, {:?}", plan.noise);
            }
            let other = released(together(&model, &rows, &chosen, 1), &plan, step + 1);
            assert!(norm(&difference(&whole, &other)) > 0.1);
        }
    }
}

/// H2 on the reduced gradient: the noise after 1, 2 or 5 workers has the declared size, neither n times nor 1/n of it.
#[test]
fn pitfall_18_the_reduced_gradient_has_the_declared_noise() {
    let model = random_model(&mut seeded(92), &[100, 100, 2]);
    for workers in [1, 2, 5] {
        for plan in plans() {
            // The first step of every kind is not correlated with anything; a band's own share of its noise is 1/c₀.
            let first = match plan.noise {
                Noise::BandedMatrix { bands } => 1.0 / crate::mechanism::banded::coefficients(bands.get())[0],
                _ => 1.0,
            };
            let empty = (0..workers).map(|_| sum_of(&model, None, 0.7)).reduce(ClippedSum::plus).unwrap();
            check_std(&released(empty, &plan, 0), 1.5 * 0.7 / plan.expected_batch() * first);
        }
    }
}

/// Workers that clip to different bounds have no common sum, however little they differ.
#[test]
fn pitfall_04_sums_of_different_bounds_do_not_add() {
    let model = random_model(&mut seeded(93), &[3, 2]);
    let plus = |a: f64, b: f64| !panics(|| sum_of(&model, None, a).plus(sum_of(&model, None, b)));
    assert!(plus(0.7, 0.7));
    assert!(!plus(0.7, 0.8) && !plus(0.7, 0.7_f64.next_up()));
    // A bound that adapts is one number of the step before, the same for all who hear of it.
    let adaptive = Some(crate::AdaptiveClip { quantile: 0.5, learning_rate: 0.2, count_noise: 2.0 });
    let plan = PrivacyPlan { adaptive, ..plan().privacy() };
    let bounds = [1, 2].map(|workers| {
        let parts = (0..workers).map(|_| sum_of(&model, None, 0.7));
        parts.reduce(ClippedSum::plus).unwrap().privatize(&plan, &key(), &binding(), 0).bound()
    });
    assert_eq!(bounds[0].to_bits(), bounds[1].to_bits());
    // Nor do models of different shapes.
    let other = random_model(&mut seeded(94), &[4, 2]);
    assert!(panics(|| sum_of(&model, None, 0.7).plus(sum_of(&other, None, 0.7))));
}
