//! Shapley values against their definition by permutations, closed forms, and the package `shap`.

use crate::Of;
use proptest::prelude::*;
use reticent_explain::*;
use std::cell::Cell;

fn space(columns: usize) -> Space {
    let names: Vec<String> = (0..columns).map(|i| format!("c{i}")).collect();
    Space::of_ranges(&names.iter().map(|n| (n.as_str(), -1.0, 1.0)).collect::<Vec<_>>())
}

fn even(points: &[&[f32]]) -> Vec<Reference> {
    points.iter().map(|p| Reference { inputs: p.to_vec(), weight: 1.0 }).collect()
}

/// The definition: what a column adds when columns come one after another, over all orders and all background points.
fn by_permutations(f: &impl Fn(&[f32]) -> f64, x: &[f32], background: &[Reference]) -> Vec<f64> {
    fn orders(rest: Vec<usize>) -> Vec<Vec<usize>> {
        if rest.is_empty() {
            return vec![vec![]];
        }
        let mut all = vec![];
        for &first in &rest {
            for mut order in orders(rest.iter().copied().filter(|&c| c != first).collect()) {
                order.insert(0, first);
                all.push(order);
            }
        }
        all
    }
    let orders = orders((0..x.len()).collect());
    let total: f64 = background.iter().map(|z| z.weight).sum();
    let mut phi = vec![0.0; x.len()];
    for z in background {
        for order in &orders {
            let mut row = z.inputs.clone();
            let mut before = f(&row);
            for &column in order {
                row[column] = x[column];
                let after = f(&row);
                phi[column] += z.weight / total * (after - before) / orders.len() as f64;
                before = after;
            }
        }
    }
    phi
}

fn crooked(r: &[f32]) -> f64 {
    let v = |i: usize| f64::from(r.get(i).copied().unwrap_or(0.3));
    v(0) * v(1) + (3.0 * v(2)).sin() * v(3) - 0.5 * v(0) * v(0) * v(3) + 0.25 * v(4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn equal_the_definition(
        m in 1_usize..=5,
        numbers in prop::collection::vec(-1.0_f32..1.0, 20),
        weights in prop::collection::vec(0.1_f64..5.0, 3),
    ) {
        let background: Vec<Reference> =
            (0..3).map(|i| Reference { inputs: numbers[5 * i..5 * i + m].to_vec(), weight: weights[i] }).collect();
        let x = &numbers[15..15 + m];
        let found = shapley(&Of(crooked), &space(m), x, &background).unwrap();
        for (a, b) in found.contributions.iter().zip(by_permutations(&crooked, x, &background)) {
            prop_assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        }
        let sum: f64 = found.contributions.iter().sum();
        prop_assert!((sum + found.base - found.score).abs() < 1e-12);
    }
}

/// shap 0.48.0, `shap.explainers.Exact(f, shap.maskers.Independent(bg))`, for f = ab + sin(3c)d − a²d/2 + e/4,
/// bg[i] = (37i mod 17 − 8)/8 in 7 rows of 5, x = (½, −¾, ¼, 1, −⅛).
#[test]
fn equal_those_of_shap() {
    let numbers: Vec<f32> = (0..35).map(|i| ((i * 37 % 17) - 8) as f32 / 8.0).collect();
    let background: Vec<Reference> = numbers.chunks_exact(5).map(|p| Reference { inputs: p.to_vec(), weight: 1.0 }).collect();
    let found = shapley(&Of(crooked), &space(5), &[0.5, -0.75, 0.25, 1.0, -0.125], &background).unwrap();
    let golden = [-0.158_621_651_785_714_25, -0.306_919_642_857_142_85, 0.236_875_289_594_539_8, 0.058_337_790_344_056_575, 0.031_25];
    for (a, b) in found.contributions.iter().zip(golden) {
        assert!((a - b).abs() < 1e-14, "{a} is not {b}");
    }
    assert!((found.base - 0.289_466_974_727_595).abs() < 1e-14);
    assert!((found.score - 0.150_388_760_023_334_12).abs() < 1e-14);
}

/// For a linear model φ_i = w_i (x_i − mean z_i), as in Lundberg & Lee 2017, corollary 1.
#[test]
fn have_the_closed_form_of_a_linear_model() {
    let w = [0.7, -1.3, 2.0];
    let f = |r: &[f32]| 0.25 + r.iter().zip(w).map(|(&v, w)| w * f64::from(v)).sum::<f64>();
    let background =
        vec![Reference { inputs: vec![0.5, -0.5, 0.25], weight: 3.0 }, Reference { inputs: vec![-0.5, 0.0, 1.0], weight: 1.0 }];
    let found = shapley(&Of(f), &space(3), &[1.0, 1.0, -1.0], &background).unwrap();
    let means = [0.25, -0.375, 0.4375];
    for i in 0..3 {
        let expected = w[i] * ([1.0, 1.0, -1.0][i] - means[i]);
        assert!((found.contributions[i] - expected).abs() < 1e-14, "{} is not {expected}", found.contributions[i]);
    }
}

/// "Understanding Tree SHAP for Simple Models" in shap's documentation: the AND example, and AND with a head start for one column, on {0,1}² under even data.
#[test]
fn share_an_and_evenly() {
    let background = even(&[&[0.0, 0.0, 0.0, 0.0], &[1.0, 0.0, 0.0, 0.0], &[0.0, 1.0, 0.0, 0.0], &[1.0, 1.0, 0.0, 0.0]]);
    let and = |r: &[f32]| f64::from(u8::from(r[0] == 1.0 && r[1] == 1.0));
    let or_of = |r: &[f32]| and(r) + f64::from(r[0]);
    for (found, expected, base) in [
        (shapley(&Of(and), &space(4), &[1.0; 4], &background), [0.375, 0.375, 0.0, 0.0], 0.25),
        (shapley(&Of(and), &space(4), &[0.0; 4], &background), [-0.125, -0.125, 0.0, 0.0], 0.25),
        (shapley(&Of(or_of), &space(4), &[1.0; 4], &background), [0.875, 0.375, 0.0, 0.0], 0.75),
    ] {
        let found = found.unwrap();
        for (a, b) in found.contributions.iter().zip(expected) {
            assert!((a - b).abs() < 1e-15, "{a} is not {b}");
        }
        assert_eq!(found.base, base);
    }
}

/// A column is a player, not its inputs: the one-hot of a level moves as one.
#[test]
fn belong_to_columns() {
    let space = Space::new(&crate::schema());
    let model = crate::ill();
    let x = space.encode(&crate::person(80.0, 1, 40.0, 0));
    let z = space.encode(&crate::person(20.0, 0, 20.0, 1));
    let found = shapley(&model, &space, &x, &[Reference { inputs: z.clone(), weight: 1.0 }]).unwrap();
    let by_column = |r: &[f32]| {
        let row: Vec<f32> =
            (0..4).flat_map(|c| if r[c] == 1.0 { x[space.inputs(c)].to_vec() } else { z[space.inputs(c)].to_vec() }).collect();
        model.scores(&row, 7)[0]
    };
    let expected = by_permutations(&by_column, &[1.0; 4], &even(&[&[0.0; 4]]));
    for (a, b) in found.contributions.iter().zip(expected) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }
}

#[test]
fn of_a_model_that_depends_on_its_batch_are_not_issued() {
    struct Moody(Cell<f64>);
    impl Model for Moody {
        fn scores(&self, inputs: &[f32], width: usize) -> Vec<f64> {
            self.0.set(self.0.get() + 1e-5);
            inputs.chunks_exact(width).map(|r| f64::from(r[0]) + self.0.get()).collect()
        }
    }
    let refused = shapley(&Moody(Cell::new(0.0)), &space(2), &[1.0, 0.0], &even(&[&[0.0, 0.0]])).err().unwrap();
    assert!(matches!(refused, Error::Sum { gap, .. } if gap > SUM_TOLERANCE && gap < 1e-4), "{refused}");
}

#[test]
fn are_refused_with_the_reason() {
    let zero = |_: &[f32]| 0.0;
    let of = |m: usize, x: &[f32], z: Vec<Reference>| shapley(&Of(zero), &space(m), x, &z).err();
    let point = |n: usize| vec![Reference { inputs: vec![0.0; n], weight: 1.0 }];
    assert_eq!(of(17, &[0.0; 17], point(17)), Some(Error::TooManyColumns { columns: 17, most: 16 }));
    assert_eq!(of(2, &[0.0; 3], point(2)), Some(Error::Width { what: "the row", found: 3, expected: 2 }));
    assert_eq!(of(2, &[0.0; 2], point(3)), Some(Error::Width { what: "a background point", found: 3, expected: 2 }));
    assert!(matches!(of(2, &[0.0; 2], vec![]), Some(Error::Option { .. })));
    assert!(matches!(of(0, &[], point(0)), Some(Error::Option { .. })));
    let nan = shapley(&Of(|r: &[f32]| if r[0] > 0.0 { f64::NAN } else { 0.0 }), &space(1), &[1.0], &point(1)).err();
    assert_eq!(nan, Some(Error::Scores { why: "a score that is not finite".into() }));
}

#[test]
fn are_found_for_sixteen_columns() {
    let f = |r: &[f32]| r.iter().enumerate().map(|(i, &v)| (i + 1) as f64 * f64::from(v)).sum::<f64>();
    let found = shapley(&Of(f), &space(16), &[1.0; 16], &even(&[&[0.0; 16]])).unwrap();
    for (i, phi) in found.contributions.iter().enumerate() {
        assert!((phi - (i + 1) as f64).abs() < 1e-9, "column {i}: {phi}");
    }
}
