//! Ranking: published values, ties, and an interval that respects units.

use reticent_train::{NotPrivateSeed, Scores, auc_interval};

fn scores(rows: &[(f64, bool)]) -> Scores {
    Scores { score: rows.iter().map(|r| r.0).collect(), positive: rows.iter().map(|r| r.1).collect(), unit: (0..rows.len()).collect() }
}

#[track_caller]
fn check_auc(rows: &[(f64, bool)], expected: Option<f64>) {
    assert_eq!(scores(rows).auc(), expected);
    let interval = auc_interval(&scores(rows), NotPrivateSeed(1));
    assert_eq!(interval.map(|i| i.auc), expected);
    assert!(interval.is_none_or(|i| 0.0 <= i.lower && i.lower <= i.auc && i.auc <= i.upper && i.upper <= 1.0), "{interval:?}");
}

#[test]
fn area_under_the_curve() {
    // The example of sklearn.metrics.roc_auc_score and roc_curve, scikit-learn 1.5 user guide.
    check_auc(&[(0.1, false), (0.4, false), (0.35, true), (0.8, true)], Some(0.75));
    // Ties count half (Mann–Whitney): pairs won 1 + 0.5 + 1 + 1 of 4.
    check_auc(&[(0.2, false), (0.5, false), (0.5, true), (0.9, true)], Some(0.875));
    check_auc(&[(0.5, false), (0.5, true), (0.5, true)], Some(0.5));
    check_auc(&[(0.1, false), (0.9, true)], Some(1.0));
    check_auc(&[(0.9, false), (0.1, true)], Some(0.0));
    // One class absent: there is nothing to rank.
    check_auc(&[(0.5, true), (0.6, true)], None);
    check_auc(&[(0.5, false)], None);
    check_auc(&[], None);
    // Scores at the ends of the number line.
    check_auc(&[(f64::NEG_INFINITY, false), (-0.0, false), (0.0, true), (f64::INFINITY, true)], Some(1.0));
}

/// Every pair counted one by one.
#[test]
fn equals_the_count_of_pairs() {
    use rand::RngExt;
    let mut rng = NotPrivateSeed(2).rng();
    for _ in 0..50 {
        let rows: Vec<(f64, bool)> = (0..40).map(|_| (f64::from(rng.random_range(0..8)), rng.random_bool(0.4))).collect();
        let (mut won, mut pairs) = (0.0, 0.0);
        for positive in rows.iter().filter(|r| r.1) {
            for negative in rows.iter().filter(|r| !r.1) {
                pairs += 1.0;
                won += if positive.0 > negative.0 {
                    1.0
                } else if positive.0 == negative.0 {
                    0.5
                } else {
                    0.0
                };
            }
        }
        assert!((scores(&rows).auc().unwrap() - won / pairs).abs() < 1e-12);
    }
}

/// Eight copies of each row say no more than one: by unit the interval stays as wide, by row it would pretend to know more.
#[test]
fn copies_of_a_units_rows_do_not_narrow_the_interval() {
    use rand::RngExt;
    let mut rng = NotPrivateSeed(3).rng();
    let rows: Vec<(f64, bool)> = (0..60)
        .map(|_| {
            let positive = rng.random_bool(0.5);
            (rng.random::<f64>() + if positive { 0.3 } else { 0.0 }, positive)
        })
        .collect();
    let copied: Vec<(f64, bool)> = rows.iter().flat_map(|&row| [row; 8]).collect();
    let by_row = scores(&copied);
    let by_unit = Scores { unit: (0..copied.len()).map(|i| i / 8).collect(), ..by_row.clone() };
    let width = |s: &Scores| auc_interval(s, NotPrivateSeed(4)).map(|i| i.upper - i.lower).unwrap();
    assert!(width(&by_unit) > 2.0 * width(&by_row), "{} {}", width(&by_unit), width(&by_row));
    assert_eq!(width(&by_unit), width(&scores(&rows)), "copies change nothing at all");
    // Numbers of units are names: gaps and order mean nothing.
    let renamed = Scores { unit: by_unit.unit.iter().map(|u| u * 1000 + 7).collect(), ..by_unit.clone() };
    assert_eq!(auc_interval(&renamed, NotPrivateSeed(4)), auc_interval(&by_unit, NotPrivateSeed(4)));
}
