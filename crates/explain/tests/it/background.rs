//! No point of a background stands for fewer units than ten, and together they stand for all.

use crate::permitted;
use proptest::prelude::*;
use reticent_data::encode;
use reticent_explain::*;
use std::collections::BTreeMap;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn every_point_averages_at_least_k_units(units in 10_usize..400, least in 10_usize..40, most in 1_usize..70) {
        let rows = permitted(units);
        match Background::aggregate(&rows, least, most) {
            Err(refused) => {
                prop_assert!(units < least);
                prop_assert_eq!(refused, Error::TooFewUnits { units, least });
            }
            Ok(background) => {
                let weights: Vec<f64> = background.points().iter().map(|p| p.weight).collect();
                prop_assert!(weights.iter().all(|&w| w >= least as f64), "{:?}", weights);
                prop_assert_eq!(weights.iter().sum::<f64>(), units as f64);
                prop_assert!(weights.len() <= most);
                // It goes on as long as it may.
                prop_assert!(weights.len() == most || weights.iter().all(|&w| w < 2.0 * least as f64), "{:?}", weights);
                let statement = background.statement();
                prop_assert_eq!((statement.units, statement.points), (units, weights.len()));
                prop_assert!(statement.least_units >= least);
            }
        }
    }
}

/// The points' weighted mean is the mean over units of each unit's mean, whatever the split.
#[test]
fn a_unit_counts_once_however_many_rows_it_has() {
    let rows = permitted(137);
    let encoded = encode(rows.table());
    let mut units: BTreeMap<_, Vec<&[f32]>> = BTreeMap::new();
    for (subject, row) in rows.table().subjects().iter().zip(encoded.inputs.chunks_exact(encoded.width)) {
        units.entry(*subject).or_default().push(row);
    }
    let background = Background::aggregate(&rows, 10, 64).unwrap();
    assert!(background.points().len() > 5);
    for input in 0..encoded.width {
        let expected: f64 = units.values().map(|rows| rows.iter().map(|r| f64::from(r[input])).sum::<f64>() / rows.len() as f64).sum();
        let found: f64 = background.points().iter().map(|p| p.weight * f64::from(p.inputs[input])).sum();
        assert!((found - expected).abs() < 1e-4, "input {input}: {found} is not {expected}");
    }
}

#[test]
fn fewer_units_than_ten_cannot_be_asked_for() {
    let refused = Background::aggregate(&permitted(50), 9, 8).err();
    assert_eq!(refused, Some(Error::TooFine { asked: 9, least: LEAST_UNITS }));
    assert!(matches!(Background::aggregate(&permitted(50), 10, 0).err(), Some(Error::Option { .. })));
}

#[test]
fn equal_rows_give_equal_points() {
    let bits = |b: &Background| b.points().iter().flat_map(|p| p.inputs.iter().map(|v| v.to_bits())).collect::<Vec<_>>();
    let (a, b) = (Background::aggregate(&permitted(90), 10, 8).unwrap(), Background::aggregate(&permitted(90), 10, 8).unwrap());
    assert_eq!(bits(&a), bits(&b));
}
