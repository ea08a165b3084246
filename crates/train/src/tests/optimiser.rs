//! DP-Adam: its arithmetic, and that the correction takes off what the noise adds.

use super::*;
use crate::gradient::read;
use crate::{DpAdam, Error};
use burn::optim::{Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Tensor, TensorData};
use rand_distr::{Distribution, StandardNormal};
use std::collections::BTreeMap;

fn tensor(values: &[f64]) -> Tensor<1> {
    let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    Tensor::from_data(TensorData::new(values.clone(), [values.len()]), &Device::flex())
}

/// Algorithm 1 of the paper, in f64, with the published order: moments, bias, noise, floor.
#[test]
fn dp_adam_is_the_papers_algorithm() {
    let mut rng = seeded(70);
    let optimiser = DpAdam::new(&plan().privacy()).unwrap().with_betas(0.8, 0.95).unwrap().with_floor(1e-4).unwrap();
    // σC / (q · public units)
    let variance = (1.5_f64 * 0.7 / 10.0).powi(2);
    assert!((optimiser.noise_variance() - variance).abs() < 1e-15);
    let (mut weights, mut m, mut v) = (vec![0.3, -0.2, 0.0, 1.0], [0.0; 4], [0.0; 4]);
    let (mut found, mut state) = (tensor(&weights), None);
    let mut floored = 0;
    for time in 1..=12 {
        let gradient: Vec<f64> = (0..4).map(|i| rng.random_range(-0.2..0.2) * f64::from(i)).collect();
        for i in 0..4 {
            m[i] = 0.8 * m[i] + 0.2 * gradient[i];
            v[i] = 0.95 * v[i] + 0.05 * gradient[i] * gradient[i];
            let corrected = v[i] / (1.0 - 0.95_f64.powi(time)) - variance;
            floored += usize::from(corrected < 1e-4);
            weights[i] -= 0.1 * m[i] / (1.0 - 0.8_f64.powi(time)) / corrected.max(1e-4).sqrt();
        }
        (found, state) = optimiser.step(0.1, found, tensor(&gradient), state);
        // Through a record and back.
        let (mut sink, before) = (StateSink::default(), state.take().unwrap());
        before.state_flatten("p", &mut sink);
        let mut source = StateSource::new(sink.scalars.into_iter().collect::<BTreeMap<_, _>>());
        sink.tensors.into_iter().for_each(|(name, data)| source.insert_tensor(name, data));
        state = RecordState::state_unflatten("p", &mut source, &Device::flex());
        assert!(state.is_some());
    }
    assert!((5..43).contains(&floored), "{floored}");
    let moved = norm(&difference(&read(found), &weights));
    assert!(moved < 1e-4 * norm(&weights), "{moved}");
    for wrong in [DpAdam::new(&plan().privacy()).unwrap().with_floor(0.0), DpAdam::new(&plan().privacy()).unwrap().with_betas(1.0, 0.9)] {
        assert!(matches!(wrong, Err(Error::Plan { .. })));
    }
}

/// A constant gradient g under the plan's noise: Adam divides by √(g² + Φ), DP-Adam by about g.
#[test]
fn dp_adam_takes_off_what_the_noise_adds() {
    let mut rng = seeded(71);
    let optimiser = DpAdam::new(&plan().privacy()).unwrap().with_betas(0.0, 0.999).unwrap();
    let (g, std, width) = (0.05, optimiser.noise_variance().sqrt(), 1000);
    let (mut state, steps) = (None, 400);
    let mut last = (vec![0.0; width], vec![0.0; width]);
    for _ in 0..steps {
        let gradient: Vec<f64> = (0..width)
            .map(|_| {
                let z: f64 = StandardNormal.sample(&mut rng);
                g + std * z
            })
            .collect();
        let (moved, next) = optimiser.step(1.0, Tensor::zeros([width], &Device::flex()), tensor(&gradient), state);
        (state, last) = (next, (gradient, read(moved)));
    }
    // With β₁ = 0 the move is gradient / divisor.
    let divisors: Vec<f64> = last.0.iter().zip(&last.1).map(|(gradient, moved)| (gradient / moved).powi(2)).collect();
    let mean = divisors.iter().sum::<f64>() / width as f64;
    // v̂ has variance about (2Φ² + 4g²Φ)/n; here the mean over coordinates and steps is within 6 of its standard deviations of g² (alpha 2e-9).
    let deviation = ((2.0 * std.powi(4) + 4.0 * (g * std).powi(2)) / (steps * width) as f64).sqrt();
    assert!((mean - g * g).abs() < 6.0 * deviation + 1e-6, "{mean} for {}", g * g);
    assert!(std * std > 3.0 * g * g, "the noise is not what Adam would see");
}
