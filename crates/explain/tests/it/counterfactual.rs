//! The change that would have flipped the class: true, small, allowed, or none.

use crate::{Of, ill, person, schema};
use proptest::prelude::*;
use reticent_explain::*;
use std::collections::BTreeSet;

fn search(model: &impl Model, row: &Row, immutable: &[&str]) -> Result<Searched, Error> {
    let immutable: BTreeSet<String> = immutable.iter().map(ToString::to_string).collect();
    counterfactual(model, &Space::new(&schema()), row, &immutable)
}

fn found(answer: Searched) -> Counterfactual {
    match answer {
        Searched::Found(found) => found,
        Searched::NoneFound { tried, .. } => panic!("none found among {tried}"),
    }
}

/// The row after the changes, read back from the words a person is shown.
fn changed(row: &Row, changes: &[Change]) -> Row {
    let mut row = row.clone();
    for change in changes {
        match change.column.as_str() {
            "age" => row.0[0] = Value::Number(change.to.parse().unwrap()),
            "bmi" => row.0[2] = Value::Number(change.to.parse().unwrap()),
            "sex" => row.0[1] = Value::Level(["f", "m"].iter().position(|l| *l == change.to).unwrap() as u32),
            _ => row.0[3] = Value::Level(["yes", "no"].iter().position(|l| *l == change.to).unwrap() as u32),
        }
    }
    row
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn flips_the_class_as_told_and_keeps_what_must_be_kept(
        age in 0_u32..=100, sex in 0_u32..2, bmi in 10.5_f64..60.0, smoker in 0_u32..3, fixed in 0_usize..4,
    ) {
        let row = person(f64::from(age), sex, bmi, smoker);
        let space = Space::new(&schema());
        let immutable = ["age", "sex", "bmi", "smoker"][fixed];
        let margin = |row: &Row| ill().margins(&space.encode(row), space.width())[0] >= 0.0;
        if let Searched::Found(found) = search(&ill(), &row, &[immutable]).unwrap() {
            prop_assert!(found.changes.iter().all(|c| c.column != immutable && c.from != c.to && c.to != "missing"));
            prop_assert!(!found.changes.is_empty() && found.changes.len() <= MOST_CHANGES);
            let after = changed(&row, &found.changes);
            prop_assert_ne!(margin(&after), margin(&row));
            prop_assert_eq!(ill().scores(&space.encode(&after), space.width())[0], found.score);
            if let (Value::Number(age), Value::Number(bmi)) = (after.0[0], after.0[2]) {
                prop_assert!((0.0..=100.0).contains(&age) && age.fract() == 0.0 && (10.5..=60.0).contains(&bmi));
            }
        }
    }
}

/// One number decides, at 60: every whole age is tried by the oracle.
#[test]
fn the_nearest_whole_number_is_found() {
    let threshold = |r: &[f32]| if f64::from(r[0]) >= 0.2 - 1e-6 { 0.9 } else { 0.1 };
    for (age, expected) in [(10.0, "60"), (59.0, "60"), (60.0, "59"), (100.0, "59")] {
        let answer = found(search(&Of(threshold), &person(age, 0, 20.0, 0), &[]).unwrap());
        assert_eq!(answer.changes.len(), 1);
        assert_eq!((answer.changes[0].column.as_str(), answer.changes[0].to.as_str()), ("age", expected), "from {age}");
        assert!((answer.distance - (age - expected.parse::<f64>().unwrap()).abs() / 100.0).abs() < 1e-12);
    }
}

/// Two ways across, and the nearer is taken: no narrowing leads from one to the other.
#[test]
fn the_nearer_of_two_ways_is_taken() {
    let ends = |r: &[f32]| if r[0] < -0.8 - 1e-6 || r[0] > 0.8 + 1e-6 { 0.9 } else { 0.1 };
    for (age, expected) in [(30.0, "9"), (70.0, "91")] {
        let answer = found(search(&Of(ends), &person(age, 0, 20.0, 0), &[]).unwrap());
        assert_eq!(answer.changes[0].to, expected, "from {age}");
    }
}

/// Fewer columns come before a smaller distance.
#[test]
fn one_column_is_better_than_two_small_steps() {
    // Both numbers a little, or the level alone.
    let f = |r: &[f32]| if r[0] + r[3] >= 0.2 || r[5] == 1.0 { 0.9 } else { 0.1 };
    let row = person(50.0, 0, 35.25, 0);
    let answer = found(search(&Of(f), &row, &["age", "bmi"]).unwrap());
    assert_eq!((answer.changes[0].from.as_str(), answer.changes[0].to.as_str()), ("yes", "no"));
    let both = |r: &[f32]| if r[0] >= 0.2 && r[3] >= 0.2 { 0.9 } else { 0.1 };
    let answer = found(search(&Of(both), &row, &[]).unwrap());
    assert_eq!(answer.changes.iter().map(|c| c.column.as_str()).collect::<Vec<_>>(), ["age", "bmi"]);
    let bmi: f64 = answer.changes[1].to.parse().unwrap();
    assert!((40.19..40.25).contains(&bmi), "{bmi} is not the boundary at 40.2");
    assert_eq!(answer.changes[0].to, "60");
}

#[test]
fn none_found_is_an_answer() {
    let answer = search(&Of(|_: &[f32]| 0.9), &person(50.0, 0, 20.0, 2), &[]).unwrap();
    assert!(matches!(answer, Searched::NoneFound { tried, most_changes: 3 } if tried > 500));
    let all = ["age", "sex", "bmi", "smoker"];
    assert!(matches!(search(&ill(), &person(50.0, 0, 20.0, 2), &all).unwrap(), Searched::NoneFound { tried: 0, most_changes: 0 }));
    let refused = search(&ill(), &person(50.0, 0, 20.0, 2), &["shoe size"]).err();
    assert_eq!(refused, Some(Error::NoSuchColumn { column: "shoe size".into() }));
}
