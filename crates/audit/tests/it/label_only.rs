//! Noise that a label withstands, where the distance to the boundary is known.

use reticent_audit::label_only::{NOISE, robustness};
use reticent_audit::membership::KnownRows;
use reticent_data::*;
use reticent_proof::Permit;
use std::num::NonZeroUsize;

/// One row a person: an input from −1 to 1 and a class.
pub(crate) fn rows(units: usize) -> PermittedTable {
    let schema = Schema {
        dataset: "visits".into(),
        subject: SubjectRule::Column("patient".into()),
        unit: "person".into(),
        record: None,
        target: Target { column: "ill".into(), classes: Classes::Levels(vec!["no".into(), "yes".into()]) },
        columns: vec![Column { name: "age".into(), domain: Domain::Range { min: 0.0, max: 1e6, missing: None }, special: None }],
        dropped: Dropped::AllOthers,
        missing: vec![],
    };
    let mut text = String::from("patient,age,ill\n");
    for unit in 0..units {
        text += &format!("p{unit},{},{}\n", (2 * unit + 1) * 500_000 / units, ["no", "yes"][unit % 2]);
    }
    let imported = import_csv(text.as_bytes(), &schema, &CsvOptions::default(), &PseudonymKey::from_bytes([7; 32])).unwrap();
    PermittedTable::new(imported.table, "v1", Permit::public("made up for a test")).unwrap()
}

fn normal_below(z: f64) -> f64 {
    // Φ by its density: 1e-6 is enough here.
    let steps = 4000;
    let h = (z + 8.0) / f64::from(steps);
    (0..steps).map(|i| -8.0 + (f64::from(i) + 0.5) * h).map(|x| (-0.5 * x * x).exp()).sum::<f64>() * h / std::f64::consts::TAU.sqrt()
}

/// A model that says "yes" above 0 and nothing else of itself: a row at a distance d on its side keeps its label with probability Φ(d/s) under noise s, so
/// that its score is the mean of those; one on the wrong side scores 0. The score is the mean of 64 draws, its standard deviation at most
/// 1/16: 400 rows leave 6 of those with probability below 1e-6 together.
#[test]
fn the_share_that_withstands_follows_from_the_distance() {
    let pool = rows(400);
    let known = KnownRows::new(&pool, NonZeroUsize::MIN);
    let model = |inputs: &[f32], _: usize| inputs.iter().flat_map(|x| if *x > 0.0 { [0.49, 0.51] } else { [0.51, 0.49] }).collect();
    let found = robustness(&known, &model, 3).unwrap();
    let encoded = encode(pool.table());
    let (mut mean_error, mut wrong) = (0.0, 0);
    for row in 0..400 {
        let x = f64::from(encoded.inputs[row]);
        let distance = if encoded.labels[row] == 1 { x } else { -x };
        let score = found.of(&pool.table().subjects()[row]).unwrap();
        if distance <= 0.0 {
            wrong += 1;
            assert_eq!(score, 0.0);
            continue;
        }
        let expected = NOISE.iter().map(|s| normal_below(distance / s)).sum::<f64>() / NOISE.len() as f64;
        assert!((score - expected).abs() < 6.0 / 16.0, "{distance}: {score} {expected}");
        mean_error += (score - expected) / 200.0;
    }
    assert_eq!(wrong, 200);
    // Over 200 rows: a standard deviation of at most 1/16/√200 = .0045.
    assert!(mean_error.abs() < 0.027, "{mean_error}");
}

/// Probabilities do not matter beyond which is the largest, the first of equals; the draws follow from the seed.
#[test]
fn only_labels_are_seen() {
    let known = KnownRows::new(&rows(50), NonZeroUsize::MIN);
    let model = |high: f64| {
        move |inputs: &[f32], _: usize| -> Vec<f64> {
            inputs.iter().flat_map(|x| if *x > 0.3 { [1.0 - high, high] } else { [high, 1.0 - high] }).collect()
        }
    };
    let scores = |high, seed| robustness(&known, &model(high), seed).unwrap().scores().to_vec();
    assert_eq!(scores(0.51, 1), scores(0.99, 1));
    assert_ne!(scores(0.51, 1), scores(0.51, 2));
    // A constant model leaves each row of its class alone and calls no other right.
    let constant = |inputs: &[f32], _: usize| vec![0.5; inputs.len() * 2];
    let flat = robustness(&known, &constant, 1).unwrap();
    assert_eq!(flat.scores().iter().filter(|s| **s == 1.0).count(), 25);
    assert_eq!(flat.scores().iter().filter(|s| **s == 0.0).count(), 25);
    let short = |_: &[f32], _: usize| vec![0.5; 3];
    assert!(robustness(&known, &short, 1).is_err());
}
