//! The noise is Gaussian and no two draws share a stream (pitfalls 18 and 19, harness H2).

use super::*;
use rand_distr::{Distribution, StandardNormal};

/// Noise of one step, by parameter, from a step on nobody: values over their std.
fn noise(model: &Classifier, step: u64) -> Vec<(String, Vec<f64>)> {
    let sum = sum_of(model, None, 0.7);
    let names: Vec<_> = sum.values.iter().map(|(p, _)| (p.id, p.name.clone())).collect();
    let mut values = sum.privatize(&plan().privacy(), &key(), &binding(), step).into_values();
    names.into_iter().map(|(id, name)| (name, values.remove(&id).unwrap().into_iter().map(|v| v * 10.0 / (1.5 * 0.7)).collect())).collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / (norm(a) * norm(b))
}

#[test]
pub(super) fn pitfall_19_h2_noise_is_independent_across_parameters_and_steps() {
    let model = random_model(&mut seeded(41), &[20, 20, 20, 20, 20]);
    let mut draws: Vec<(String, Vec<f64>)> = vec![];
    for step in 0..6 {
        let by_parameter = noise(&model, step);
        let names: std::collections::BTreeSet<&String> = by_parameter.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 8, "two parameters share a name, hence a stream: {names:?}");
        draws.extend(by_parameter.into_iter().map(|(name, values)| (format!("{name} at {step}"), values)));
    }
    // 48 draws of 20 or 400 values. Two biases of 20 correlate by 0.9 with probability below 1e-7 (t = 8.8 at 18 degrees of freedom);
    // matrices of 400 by 0.3 below 1e-9. Over 1,128 pairs: alpha below 1e-4 were the seed not fixed; a shared stream gives 1.
    for (i, (a, first)) in draws.iter().enumerate() {
        for (b, second) in &draws[..i] {
            let shared = first.len().min(second.len());
            let found = correlation(&first[..shared], &second[..shared]).abs();
            assert!(found < if shared == 400 { 0.3 } else { 0.9 }, "{a} and {b}: {found}");
        }
    }
    // And within one draw, value by value: 400 values against the next 400 in one long stream.
    let long: Vec<f64> = StandardNormal.sample_iter(key().stream(&binding(), "noise", 0, "layers.0.weight")).take(800).collect();
    assert!(correlation(&long[..400], &long[400..]).abs() < 0.3);
}

/// The sampler's stream is not the noise's, whatever the names.
#[test]
fn streams_differ_by_label_step_and_parameter() {
    let mut seen = std::collections::BTreeSet::new();
    for label in ["sample", "noise"] {
        for step in [0, 1, 255, 256, u64::MAX] {
            for parameter in ["", "a", "layers.0.weight", "layers.0.bias", "layers.1.weight"] {
                let mut stream = key().stream(&binding(), label, step, parameter);
                assert!(seen.insert(stream.random::<[u64; 2]>()), "{label} {step} {parameter}");
            }
        }
    }
    // Parts are length-prefixed: letters that move between them change the stream.
    let stream = |label: &str, parameter: &str| key().stream(&binding(), label, 0, parameter).random::<[u64; 2]>();
    assert_ne!(stream("noise", "a"), stream("nois", "ea"));
}

/// Φ by its series, exact to 1e-12 within ±7.
fn normal_cdf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for k in 1..200 {
        term *= x * x / f64::from(2 * k + 1);
        sum += term;
    }
    0.5 + sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[test]
fn h2_noise_is_standard_normal() {
    let model = random_model(&mut seeded(42), &[100, 100, 2]);
    let mut z: Vec<f64> = (0..10).flat_map(|step| noise(&model, step)).flat_map(|(_, values)| values).collect();
    let n = z.len() as f64;
    assert!(n > 100_000.0);
    let moment = |k: i32| z.iter().map(|v| v.powi(k)).sum::<f64>() / n;
    // Var of the first four sample moments: 1, 2, 15, 96, over n. 6 deviations each, alpha 2e-9.
    for (k, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0_f64)] {
        assert!((moment(k) - expected).abs() < 6.0 * (variance / n).sqrt(), "moment {k}: {}", moment(k));
    }
    // Tails, exactly binomial: P(|Z| > 3) and P(|Z| > 4).
    for bound in [3.0, 4.0] {
        check_binomial(z.iter().filter(|v| v.abs() > bound).count() as u64, z.len() as u64, 2.0 * normal_cdf(-bound), 1e-9);
    }
    assert!(z.iter().all(|v| v.abs() < 7.0), "P < 3e-7 over all draws");
    // Kolmogorov–Smirnov by the Dvoretzky–Kiefer–Wolfowitz bound: alpha = 2·exp(-2nD²) = 1e-9.
    z.sort_by(f64::total_cmp);
    let distance = z
        .iter()
        .enumerate()
        .map(|(i, &v)| (normal_cdf(v) - i as f64 / n).abs().max((normal_cdf(v) - (i + 1) as f64 / n).abs()))
        .fold(0.0, f64::max);
    assert!(distance < ((2.0_f64 / 1e-9).ln() / (2.0 * n)).sqrt(), "{distance}");
}
