//! Noise on a grid of integers (pitfall 20: a floating-point Gaussian is porous).

use super::*;
use crate::mechanism::grid::{Integers, inexact, layout};
use crate::{AdaptiveClip, Noise, Sampling};
use reticent_accounting::{Delta, Event, pld};
use std::num::NonZeroU64;

const MODEL: u64 = 12_302;

fn count(n: u64) -> NonZeroU64 {
    NonZeroU64::new(n).unwrap()
}

fn grid_plan() -> PrivacyPlan {
    let plan = PrivacyPlan { noise: Noise::Grid { coordinates: count(MODEL) }, ..plan().privacy() };
    plan.check().unwrap();
    plan
}

/// The released sums of a step on nobody, as whole numbers of points.
fn points(step: u64) -> Vec<i64> {
    let model = random_model(&mut seeded(81), &[120, 100, 2]);
    let spacing = layout(1.5, 0.7, count(MODEL)).unwrap().0.spacing();
    let point = |v: f64| {
        let exact = v * 10.0 / spacing;
        // Divided by 10 and multiplied again a number of 53 bits can be off by its last.
        assert!((exact - exact.round()).abs() <= exact.abs() * 3e-16, "{exact} is between points");
        exact.round() as i64
    };
    released(sum_of(&model, None, 0.7), &grid_plan(), step).into_iter().map(point).collect()
}

/// Φ⁻¹(1/8), Φ⁻¹(2/8), Φ⁻¹(3/8): cells of equal probability, with their mirror images and 0.
const OCTILES: [f64; 3] = [-1.150_349_380_376_008, -0.674_489_750_196_081_7, -0.318_639_363_964_375_15];

/// P(X ≥ x) for X chi-squared with k degrees of freedom is below e^(−k(r − 1 − ln r)/2), r = x/k > 1 (Chernoff). Alpha 1e-9 each.
#[track_caller]
fn check_even(cells: &[u64]) {
    let (degrees, n) = (cells.len() as f64 - 1.0, cells.iter().sum::<u64>() as f64);
    let expected = n / cells.len() as f64;
    let r = cells.iter().map(|&c| (c as f64 - expected).powi(2) / expected).sum::<f64>() / degrees;
    assert!(r <= 1.0 || degrees * (r - 1.0 - r.ln()) / 2.0 < 1e9_f64.ln(), "{cells:?}");
}

/// Everything released is a whole number of points, and no finer; the low bits are even, so that nothing hides in them; the shape is
/// normal, at the declared width.
#[test]
fn pitfall_20_the_support_is_the_grid_and_the_law_is_normal() {
    let drawn: Vec<i64> = (0..4).flat_map(points).collect();
    let spacing = layout(1.5, 0.7, count(MODEL)).unwrap().0.spacing();
    let width = 1.5 * 0.7 / spacing;
    assert!(width >= 2_f64.powi(38) && width < 2_f64.powi(39));
    check_std(&drawn.iter().map(|&p| p as f64).collect::<Vec<_>>(), width);
    let mut low = [0; 64];
    let mut octiles = [0; 8];
    for &point in &drawn {
        low[point.rem_euclid(64) as usize] += 1;
        let z = point as f64 / width;
        let below = OCTILES.iter().filter(|o| -z.abs() > **o).count();
        octiles[if z < 0.0 { below } else { 7 - below }] += 1;
    }
    check_even(&low);
    check_even(&octiles);
    // A floating-point Gaussian is on no grid of the kind.
    let model = random_model(&mut seeded(81), &[120, 100, 2]);
    let floats = released(sum_of(&model, None, 0.7), &plan().privacy(), 0);
    assert!(floats.iter().filter(|v| (*v * 10.0 / spacing).fract() != 0.0).count() > floats.len() / 2);
}

/// Rounding may put neighbours farther apart, and the noise is as much wider; sums that round alike are released alike.
#[test]
fn pitfall_20_rounding_is_paid_for() {
    for (multiplier, norm, coordinates) in [(1.5, 0.7, 1), (0.3, 1e-9, 1_000_000), (50.0, 1e9, 1_000_000_000), (2.0, 1.0, 4)] {
        let integers = Integers::new(multiplier, norm, count(coordinates)).unwrap();
        let mut rng = seeded(82);
        // In whole points the width is what the norm and √n points ask for, rounded up and hardly more.
        let (grid, width) = layout(multiplier, norm, count(coordinates)).unwrap();
        let asked = multiplier * (norm / grid.spacing() + (coordinates as f64 + 2.0).sqrt());
        assert!(width as f64 >= asked && width as f64 <= asked * (1.0 + 1e-10), "{width} for {asked}");
        assert!(asked - multiplier * norm / grid.spacing() > 1e-12 * asked);
        // And it is drawn: the root mean square of 20,000 draws on sums of zero.
        let mut drawn = vec![0.0; 20_000];
        integers.add(&mut drawn, &mut rng);
        check_std(&drawn, multiplier * (norm + (coordinates as f64 + 2.0).sqrt() * grid.spacing()));
        assert!((coordinates as f64).sqrt() * grid.spacing() < 1e-2 * norm);
    }
    let integers = Integers::new(1.5, 0.7, count(4)).unwrap();
    let h = layout(1.5, 0.7, count(4)).unwrap().0.spacing();
    let add = |values: [f64; 4]| {
        let mut values = values;
        integers.add(&mut values, &mut seeded(83));
        values
    };
    let at = add([3.0 * h, -7.0 * h, 0.25, 1e-3]);
    assert_eq!(add([3.4 * h, -7.4 * h, 0.25 + 0.3 * h, 1e-3]), at);
    assert_ne!(add([3.6 * h, -7.4 * h, 0.25, 1e-3]), at);
    // Neighbours before and after rounding, over 2,000 random pairs: never farther apart than √n points more.
    let mut rng = seeded(84);
    for _ in 0..2000 {
        let a: [f64; 4] = std::array::from_fn(|_| rng.random_range(-9.0..9.0) * h);
        let b: [f64; 4] = std::array::from_fn(|i| a[i] + rng.random_range(-2.0..2.0) * h);
        assert!(norm(&difference(&add(a), &add(b))) <= norm(&difference(&a, &b)) + 2.0 * h);
    }
    // What no sum should be does not wrap around.
    let far = add([f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e300]);
    assert!(far[0] > 0.0 && far[1] < 0.0 && far[2].abs() < 100.0 * 1.05 && far[3] > 0.0);
}

/// The factor between a discrete Gaussian and a rounded one, by quadrature of its definition, is within e^(±67/s²) up to 40 s.
#[test]
fn a_discrete_gaussian_is_a_rounded_one_but_for_a_tiny_factor() {
    for s in [3.0_f64, 10.0, 100.0] {
        let sum: f64 = (-(50.0 * s) as i64..=(50.0 * s) as i64).map(|k| (-(k as f64).powi(2) / (2.0 * s * s)).exp()).sum();
        let scale = sum / (s * (2.0 * std::f64::consts::PI).sqrt());
        let mut worst: f64 = 0.0;
        for x in 0..=(40.0 * s) as i64 {
            let mean = |u: f64| (x as f64 * u / (s * s)).cosh() * (-u * u / (2.0 * s * s)).exp();
            // Simpson's rule over |u| ≤ ½.
            let n = 200;
            let weight = |i: usize| if i == 0 || i == n { 1.0 } else { 2.0 + 2.0 * (i % 2) as f64 };
            let rounded = (0..=n).map(|i| weight(i) * mean(i as f64 / n as f64 - 0.5)).sum::<f64>() / (3.0 * n as f64);
            worst = worst.max((rounded * scale).ln().abs());
        }
        assert!(worst <= 67.0 / (s * s) && worst > 10.0 / (s * s), "{worst} at {s}");
    }
}

#[test]
fn the_event_has_what_integers_add() {
    let plan = grid_plan();
    let Event::Composed { events } = plan.event() else { panic!("{}", plan.event()) };
    assert_eq!(events, [super::plan().privacy().mechanism(), inexact(count(MODEL)).times(20)]);
    let Event::Inexact { log_ratio, total_variation } = inexact(count(MODEL)) else { panic!() };
    let expected = 67.0 * (MODEL + 2) as f64 / 2_f64.powi(76);
    assert!((log_ratio.get() / expected - 1.0).abs() < 1e-12 && total_variation.get() < 1e-300, "{log_ratio}");
    let at = Delta::new(1e-5).unwrap();
    let (with, without) = (pld::epsilon(&plan.event(), at).unwrap(), pld::epsilon(&super::plan().event(), at).unwrap());
    assert!(with.upper.get() >= without.lower.get() && with.upper.get() < without.upper.get() + 1e-3, "{with} {without}");
    // A filter and Rényi's accountant bound it as well, so that random allocation has a bound with it.
    let renyi = reticent_accounting::rdp::epsilon(&plan.event(), at).unwrap().epsilon;
    assert!(renyi > with.upper && renyi.get() < 1.3 * with.upper.get(), "{renyi}");
    let rounds = Sampling::RandomAllocation { rounds: count(8), rounds_per_unit: count(1), public_units: 40 };
    let allocation = PrivacyPlan { sampling: rounds, ..plan.clone() };
    allocation.check().unwrap();
    assert!(reticent_accounting::rdp::epsilon(&allocation.event(), at).is_ok());
    for max_grad_norm in [1e-200, 1e200] {
        assert!(PrivacyPlan { max_grad_norm, ..plan.clone() }.check().is_err());
    }
}

/// A model larger than the plan's grid is not noised; and the counts are on the grid as well.
#[test]
fn the_counts_are_on_the_grid() {
    let model = random_model(&mut seeded(85), &[3, 2]);
    let small = PrivacyPlan { noise: Noise::Grid { coordinates: count(5) }, ..grid_plan() };
    assert!(panics(|| released(sum_of(&model, None, 0.7), &small, 0)));
    let adaptive = Some(AdaptiveClip { quantile: 0.5, learning_rate: 0.2, count_noise: 2.0 });
    let plan = PrivacyPlan { noise: Noise::Grid { coordinates: count(8) }, adaptive, ..grid_plan() };
    plan.check().unwrap();
    let steps: Vec<_> = (0..3000).map(|step| sum_of(&model, None, 0.7).privatize(&plan, &key(), &binding(), step)).collect();
    check_std(&steps.iter().map(crate::Privatized::not_finite).collect::<Vec<_>>(), 1.5);
    check_std(&steps.iter().map(|noised| (noised.bound() / 0.7).ln() / 0.2).collect::<Vec<_>>(), 2.0 / 10.0);
}
