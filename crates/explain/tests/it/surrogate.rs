//! The rules: right where the model is a rule, and honest where it is not.

use crate::{Of, background, ill, schema};
use reticent_explain::*;

fn fit(model: &impl Model) -> Surrogate {
    Surrogate::fit(model, &Space::new(&schema()), &background(), "yes", &SurrogateOptions::default()).unwrap()
}

#[test]
fn a_model_that_is_a_rule_is_found_again() {
    // Smokers over 60 are ill: input 0 is age in [-1, 1], input 4 the level `yes` of smoker.
    let found = fit(&Of(|r: &[f32]| if r[0] > 0.2 && r[4] > 0.5 { 0.9 } else { 0.1 }));
    assert!(found.fidelity.overall > 0.98, "{:?}", found.fidelity);
    assert!(found.fidelity.class.unwrap() > 0.9 && found.fidelity.others.unwrap() > 0.98, "{:?}", found.fidelity);
    let yes: Vec<&Rule> = found.rules.iter().filter(|r| r.predicts).collect();
    assert_eq!(yes.len(), 1, "{:?}", found.rules);
    assert!(yes[0].conditions.iter().any(|c| c == "smoker is yes"), "{:?}", yes[0]);
    let age: f64 = yes[0].conditions.iter().find_map(|c| c.strip_prefix("age ≥ ")).unwrap().parse().unwrap();
    assert!((55.0..65.0).contains(&age), "{age}");
}

#[test]
fn shares_add_up_and_fidelity_is_what_it_says() {
    let found = fit(&ill());
    let shares: f64 = found.rules.iter().map(|r| r.share).sum();
    assert!((shares - 1.0).abs() < 1e-12, "{shares}");
    assert!(found.rules.len() > 1 && found.rules.len() <= 8, "{:?}", found.rules);
    assert!(found.rules.iter().all(|r| r.agreement >= 0.5), "{:?}", found.rules);
    let f = &found.fidelity;
    assert!(f.overall > 0.85 && f.near_boundary < f.overall, "{f:?}");
    // The two classes' fidelities average to the whole: what lies between them is the whole.
    let (a, b) = (f.class.unwrap(), f.others.unwrap());
    assert!((a.min(b)..=a.max(b)).contains(&f.overall), "{f:?}");
}

#[test]
fn no_rule_is_said_where_the_model_follows_none() {
    let noise = |r: &[f32]| (f64::from(r[0]) * 4001.0).sin() / 2.0 + 0.5;
    let found = fit(&Of(noise));
    assert!(found.fidelity.overall < 0.65, "{:?}", found.fidelity);
    let never = fit(&Of(|_: &[f32]| 0.1));
    assert_eq!((never.rules.len(), never.fidelity.class, never.fidelity.others), (1, None, Some(1.0)));
    assert_eq!(never.lines(), ["always: not yes (the model agrees on 100% of such points)"]);
}

#[test]
fn a_leaf_is_never_smaller_than_ten_units() {
    // Only ages over 99.9 are ill: about 4 of 4,000 synthetic points, too few for a rule of their own.
    let found = fit(&Of(|r: &[f32]| if r[0] > 0.998 { 0.9 } else { 0.1 }));
    let total = 4000.0 + 200.0;
    assert!(found.rules.iter().all(|r| r.share * total >= 10.0 - 1e-9), "{:?}", found.rules);
    let options = SurrogateOptions { least_units: 5.0, ..SurrogateOptions::default() };
    let refused = Surrogate::fit(&ill(), &Space::new(&schema()), &background(), "yes", &options).err();
    assert!(matches!(refused, Some(Error::Option { .. })));
}
