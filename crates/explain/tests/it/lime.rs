//! The line near a row: kernel, closed forms, refusals.

use crate::{Of, ill, person, schema, sigmoid};
use reticent_explain::*;

fn space(columns: usize) -> Space {
    let names: Vec<String> = (0..columns).map(|i| format!("c{i}")).collect();
    Space::of_ranges(&names.iter().map(|n| (n.as_str(), -1.0, 1.0)).collect::<Vec<_>>())
}

/// `np.sqrt(np.exp(-(d ** 2) / kernel_width ** 2))` of lime 0.2's `lime_tabular`, for 12 columns.
#[test]
fn the_kernel_is_that_of_lime() {
    for (distance, expected) in [(0.0, 1.0), (1.0, 0.928_60), (2.0, 0.743_57), (4.0, 0.305_69)] {
        assert!((kernel(distance, 12) - expected).abs() < 5e-6, "{distance}: {}", kernel(distance, 12));
    }
}

/// A linear model is its own line: weights a quarter range (½ input) times its slopes, shrunk a little by the ridge.
#[test]
fn a_linear_model_is_found_again() {
    let w = [0.2, -0.1, 0.05];
    let f = |r: &[f32]| 0.5 + r.iter().zip(w).map(|(&v, w)| w * f64::from(v)).sum::<f64>();
    let x = [0.1, -0.3, 0.0];
    let line = lime(&Of(f), &space(3), &x, &LimeOptions::default()).unwrap();
    assert!(line.r2 > 0.999_9, "{}", line.r2);
    for (found, w) in line.weights.iter().zip(w) {
        assert!((found - w / 2.0).abs() < 2e-3 * w.abs(), "{found} is not {}", w / 2.0);
    }
    assert!((line.local_prediction - f(&x)).abs() < 1e-4);
    let exact = lime(&Of(f), &space(3), &x, &LimeOptions { alpha: 0.0, ..LimeOptions::default() }).unwrap();
    for (found, w) in exact.weights.iter().zip(w) {
        assert!((found - w / 2.0).abs() < 1e-12, "{found} is not {}", w / 2.0);
    }
}

#[test]
fn keeping_a_level_is_worth_what_the_model_gives_for_it() {
    // Only `smoker` counts: yes 0.6, no 0.2, missing 0. Against another level drawn evenly, "yes" is worth 0.6 − (0.2 + 0)/2.
    let f = |r: &[f32]| 0.6 * f64::from(r[4]) + 0.2 * f64::from(r[5]);
    let space = Space::new(&schema());
    let line = lime(&Of(f), &space, &space.encode(&person(50.0, 0, 25.0, 0)), &LimeOptions::default()).unwrap();
    // 2,500 changed levels of sd 0.1, weighted: a standard error of about 0.003; the seed is fixed.
    assert!((line.weights[3] - 0.5).abs() < 0.01, "{}", line.weights[3]);
    assert!(line.weights[..3].iter().all(|w| w.abs() < 0.01), "{:?}", line.weights);
}

#[test]
fn one_seed_gives_one_line_and_another_seed_another() {
    let space = Space::new(&schema());
    let x = space.encode(&person(60.0, 1, 30.0, 0));
    let with = |seed| lime(&ill(), &space, &x, &LimeOptions { seed: NotPrivateSeed(seed), ..LimeOptions::default() }).unwrap();
    let bits = |l: &Lime| l.weights.iter().chain([&l.intercept, &l.r2, &l.local_prediction]).map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&with(3)), bits(&with(3)));
    assert_ne!(bits(&with(3)), bits(&with(4)));
    for (a, b) in with(3).weights.iter().zip(with(4).weights) {
        assert!((a - b).abs() < 0.02, "{a} and {b}");
    }
}

#[test]
fn a_line_that_does_not_describe_the_model_is_refused() {
    // A parity: no line explains any of it.
    let parity = |r: &[f32]| if (f64::from(r[0]) * 9.0).sin() * (f64::from(r[1]) * 9.0).sin() > 0.0 { 1.0 } else { 0.0 };
    let refused = lime(&Of(parity), &space(2), &[0.05, 0.05], &LimeOptions::default()).err().unwrap();
    assert!(matches!(refused, Error::PoorLocalFit { r2, floor: 0.5 } if r2 < 0.2), "{refused}");
    // A spike at the row itself on an otherwise straight model: R² is high and the row is missed.
    let x = [0.123_f32, 0.0];
    let spiked = move |r: &[f32]| sigmoid(f64::from(r[0])) + if r == x { 3.0 } else { 0.0 };
    let refused = lime(&Of(spiked), &space(2), &x, &LimeOptions { least_r2: -10.0, ..LimeOptions::default() }).err().unwrap();
    assert!(matches!(refused, Error::PoorLocalScore { gap, .. } if gap > 1.0), "{refused}");
}

#[test]
fn a_model_that_never_changes_is_described_by_its_score_alone() {
    let line = lime(&Of(|_: &[f32]| 0.3), &space(2), &[0.0, 0.0], &LimeOptions::default()).unwrap();
    assert_eq!(line.r2, 1.0);
    assert!((line.intercept - 0.3).abs() < 1e-12 && line.weights.iter().all(|w| w.abs() < 1e-12));
}

#[test]
fn wrong_options_are_refused() {
    let of = |x: &[f32], options: LimeOptions| lime(&Of(|_: &[f32]| 0.0), &space(2), x, &options).err();
    let default = LimeOptions::default();
    assert!(matches!(of(&[0.0], default), Some(Error::Width { .. })));
    assert!(matches!(of(&[0.0, 0.0], LimeOptions { samples: 9, ..default }), Some(Error::Option { .. })));
    assert!(matches!(of(&[0.0, 0.0], LimeOptions { alpha: f64::NAN, ..default }), Some(Error::Option { .. })));
}
