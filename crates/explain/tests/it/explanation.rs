//! All of it together: one value, the same to the bit, in words that claim no more than was found.

use crate::{Of, background, ill, person, schema};
use reticent_explain::*;
use std::collections::BTreeSet;

fn explained(row: &Row) -> Explanation {
    let (model, space, background) = (ill(), Space::new(&schema()), background());
    Explainer::new(&model, &space, &background, "yes", &BTreeSet::from(["sex".to_owned()])).unwrap().explain(row).unwrap()
}

#[test]
fn the_same_row_gives_the_same_bytes() {
    let json = || serde_json::to_string(&explained(&person(80.0, 1, 40.0, 0))).unwrap();
    assert_eq!(json(), json());
    let back: Explanation = serde_json::from_str(&json()).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), json());
}

#[test]
fn its_parts_belong_together() {
    let e = explained(&person(80.0, 1, 40.0, 0));
    let sum: f64 = e.contributions.iter().map(|c| c.phi).sum();
    assert!((sum + e.base - e.prediction).abs() < 1e-9 && e.sum_error <= SUM_TOLERANCE);
    assert!(e.predicted && e.prediction > 0.9);
    let values: Vec<&str> = e.contributions.iter().map(|c| c.value.as_str()).collect();
    assert_eq!(values, ["80", "m", "40", "yes"]);
    assert_eq!(explained(&person(80.0, 1, 40.0, 2)).contributions[3].value, "missing");
    assert!(matches!(&e.counterfactual, Searched::Found(c) if c.score < 0.5 && c.changes.iter().all(|c| c.column != "sex")));
    assert!(matches!(&e.lime, LocalFit::Fitted { r2, weights, .. } if *r2 > 0.5 && weights.len() == 4));
    assert_eq!(e.background.units, 200);
}

#[test]
fn reasons_are_plain_few_and_ordered() {
    let e = explained(&person(80.0, 1, 40.0, 0));
    assert!(e.reasons.len() <= MOST_REASONS);
    let largest = e.contributions.iter().max_by(|a, b| a.phi.abs().total_cmp(&b.phi.abs())).unwrap();
    let first = format!("{} = {} contributed most to this score under this method: it raised it by ", largest.column, largest.value);
    assert!(e.reasons[0].starts_with(&first), "{}", e.reasons[0]);
    assert!(e.reasons.iter().all(|r| r.contains("under this method") && !r.contains("because")), "{:?}", e.reasons);

    let c = |column: &str, phi| Contribution { column: column.into(), value: "1".into(), phi };
    let many: Vec<Contribution> = (0..9).map(|i| c(&format!("c{i}"), f64::from(i) - 4.5)).collect();
    let told = reasons(&many, 0.0, Scale::LogOdds);
    let order: Vec<&str> = told.iter().map(|r| &r[..2]).collect();
    assert_eq!(order, ["c0", "c1", "c8", "c2", "c7"]);
    assert!(told[1].ends_with("lowered this score by 3.500 in log-odds under this method"), "{}", told[1]);
    assert_eq!(reasons(&[c("a", 0.0)], 0.2, Scale::Probability), ["No column moved this score under this method: it is the average one"]);
    assert_eq!(reasons(&[c("a", 0.5), c("b", 0.001)], 0.2, Scale::Probability).len(), 1, "a fiftieth of a percent needs no sentence");
}

#[test]
fn a_poor_line_is_refused_inside_the_explanation() {
    let (space, background) = (Space::new(&schema()), background());
    let stepped = Of(|r: &[f32]| if (f64::from(r[0]) * 40.0).sin() * (f64::from(r[3]) * 40.0).sin() > 0.0 { 0.9 } else { 0.1 });
    let e = Explainer::new(&stepped, &space, &background, "yes", &BTreeSet::new()).unwrap().explain(&person(50.0, 0, 30.0, 1)).unwrap();
    assert!(matches!(&e.lime, LocalFit::Refused { why } if why.contains("R²")));
}
