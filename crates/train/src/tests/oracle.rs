//! One backward pass for all units equals one ordinary backward pass for each.

use super::*;
use crate::gradient::{ordinary, trainable};
use burn::tensor::{Tensor, TensorData};

/// The gradient of the sum of these rows' losses, by Burn's autodiff on these rows alone.
fn gradient_of(model: &Classifier, rows: &[(Vec<f64>, usize)]) -> Vec<f64> {
    let (device, width) = (Device::flex(), rows[0].0.len());
    let inputs: Vec<f32> = rows.iter().flat_map(|(x, _)| x.iter().map(|&v| v as f32)).collect();
    let labels: Vec<i32> = rows.iter().map(|(_, c)| *c as i32).collect();
    let batch = Batch {
        inputs: Tensor::from_data(TensorData::new(inputs, [rows.len(), width]), &device),
        labels: Tensor::from_data(TensorData::new(labels, [rows.len()]), &device),
        mask: Tensor::ones([rows.len()], &device),
        units: 1,
        cap: rows.len(),
    };
    ordinary(model, &losses(model, &batch).sum().backward(), &trainable(model)).concat()
}

/// What the fast path is allowed to lose: it shortens on purpose, a little for rounding and a little more where rows cancel.
struct Slow {
    sum: Vec<f64>,
    allowed: f64,
}

fn slow(model: &Classifier, units: &[Unit], cap: usize, max_grad_norm: f64) -> Slow {
    let widths: usize = model.layers.iter().map(|l| l.weight.dims().iter().sum::<usize>()).max().unwrap();
    let gamma = (widths + cap * cap) as f64 * f64::from(f32::EPSILON);
    let mut slow = Slow { sum: vec![], allowed: 0.0 };
    for unit in units {
        let kept = &unit[..unit.len().min(cap)];
        let gradient = gradient_of(model, kept);
        let length = norm(&gradient);
        let by_row: f64 = kept.iter().map(|row| norm(&gradient_of(model, std::slice::from_ref(row)))).sum();
        let factor = (max_grad_norm / length).min(1.0) * (1.0 - 1e-5);
        slow.sum.resize(gradient.len(), 0.0);
        for (s, g) in slow.sum.iter_mut().zip(&gradient) {
            *s += factor * g;
        }
        slow.allowed += factor * length * (1e-5 + gamma * (by_row / length).powi(2));
    }
    slow
}

#[track_caller]
fn check_oracle(model: &Classifier, units: &[Unit], classes: usize, cap: usize, max_grad_norm: f64) {
    let rows = rows(units, classes, cap);
    let all: Vec<usize> = (0..rows.units().len()).collect();
    let (fast, slow) = (fast(model, &rows, &all, max_grad_norm), slow(model, units, cap, max_grad_norm));
    let off = norm(&difference(&fast, &slow.sum));
    assert!(off <= slow.allowed, "cap {cap}, clip {max_grad_norm}: off by {off:e}, {:e} allowed", slow.allowed);
}

/// Layers wide enough for the ghost form (their gradient is larger than what a unit's rows leave on the tape), and one layer of each form.
#[test]
fn clipped_sum_equals_one_unit_at_a_time_in_both_forms() {
    let mut rng = seeded(15);
    for cap in 1..=3 {
        for hidden in [vec![], vec![14], vec![14, 2]] {
            for max_grad_norm in [0.05, 0.8, 50.0] {
                let widths: Vec<usize> = [24].into_iter().chain(hidden.clone()).chain([11]).collect();
                let model = random_model(&mut rng, &widths);
                check_oracle(&model, &random_units(&mut rng, 5, 24, 11, cap), 11, cap, max_grad_norm);
            }
        }
    }
}

#[test]
pub(super) fn clipped_sum_equals_one_unit_at_a_time() {
    let mut rng = seeded(11);
    for cap in 1..=5 {
        for (hidden, classes) in [(vec![], 2), (vec![], 3), (vec![4], 2), (vec![5, 3], 3)] {
            for max_grad_norm in [0.05, 0.8, 50.0] {
                let (count, width) = (rng.random_range(1..12), rng.random_range(1..6));
                let widths: Vec<usize> = [width].into_iter().chain(hidden.clone()).chain([classes]).collect();
                let model = random_model(&mut rng, &widths);
                // Up to two rows more than the cap, which the cap cuts.
                check_oracle(&model, &random_units(&mut rng, count, width, classes, cap + 2), classes, cap, max_grad_norm);
            }
        }
    }
}

/// Bounds just above and below the norm are where a rounding error would let a contribution over the bound (pitfalls 12 and 22).
#[test]
fn pitfall_22_no_contribution_exceeds_the_bound_near_it() {
    let mut rng = seeded(12);
    for trial in 0..60 {
        let widths = [vec![4, 2], vec![4, 6, 3], vec![40, 30]][trial % 3].clone();
        let classes = widths[widths.len() - 1];
        let unit = random_units(&mut rng, 1, widths[0], classes, 5).remove(0);
        let model = random_model(&mut rng, &widths);
        let true_norm = norm(&gradient_of(&model, &unit));
        for near in [-1e-2, -1e-4, -1e-5, -1e-6, -1e-7, 0.0, 1e-7, 1e-6, 1e-5, 1e-4] {
            let bound = true_norm * (1.0 + near);
            let clipped = norm(&fast(&model, &rows(std::slice::from_ref(&unit), classes, 5), &[0], bound));
            assert!(clipped <= bound * (1.0 + 1e-6), "trial {trial}: {clipped:e} exceeds {bound:e} by {:e}", clipped / bound - 1.0);
            // What rounding upwards costs an ordinary unit is little.
            assert!(clipped >= bound.min(true_norm) * (1.0 - 1e-3), "trial {trial}: {clipped:e} of {bound:e}");
        }
    }
}

/// Two rows of a unit that nearly cancel: the norm of their sum drowns in the rounding of the Gram form, which must then err upwards.
#[test]
fn pitfall_22_no_contribution_exceeds_the_bound_where_rows_cancel() {
    let mut rng = seeded(14);
    // One row each of two classes among many: the wide model takes the ghost form, the narrow one does not.
    for (apart, width, classes) in [1e-2, 1e-3, 1e-4, 1e-5, 1e-6].into_iter().flat_map(|a| [(a, 4, 2), (a, 12, 9)]) {
        let model = Classifier::new(&Architecture::Logistic, width, classes, NotPrivateSeed(0), &Device::flex().autodiff());
        for _ in 0..20 {
            let inputs: Vec<f64> = (0..width).map(|_| rng.random_range(-1.0..=1.0)).collect();
            let near = inputs.iter().map(|x| x * (1.0 - apart)).collect();
            let rows = rows(&[vec![(inputs, 0), (near, 1)]], classes, 2);
            let free = norm(&fast(&model, &rows, &[0], 1e9));
            for bound in [0.1, 0.5, 0.9, 0.999, 1.0].map(|part| part * free) {
                let clipped = norm(&fast(&model, &rows, &[0], bound));
                assert!(clipped <= bound * (1.0 + 1e-6), "{apart:e} apart: {clipped:e} exceeds {bound:e}");
            }
        }
    }
}

/// Rows that cancel exactly leave nothing to clip, and no NaN from 0 / 0.
#[test]
fn rows_that_cancel_exactly_contribute_nothing() {
    let model = Classifier::new(&Architecture::Logistic, 2, 2, NotPrivateSeed(0), &Device::flex().autodiff());
    let unit = vec![(vec![0.5, -1.0], 0), (vec![0.5, -1.0], 1)];
    assert_eq!(norm(&fast(&model, &rows(&[unit], 2, 2), &[0], 1.0)), 0.0);
}

/// Cross terms: the square of a sum is not the sum of squares.
#[test]
fn pitfall_11_a_parameter_used_twice_is_clipped_by_the_norm_of_its_whole_gradient() {
    let mut rng = seeded(13);
    for (widths, cap) in [(vec![3, 3, 2], 1), (vec![3, 3, 2], 3), (vec![24, 24, 5], 1), (vec![24, 24, 5], 2)] {
        let mut model = random_model(&mut rng, &widths);
        model.layers.insert(1, model.layers[0].clone());
        for max_grad_norm in [0.05, 0.8, 50.0] {
            check_oracle(&model, &random_units(&mut rng, 6, widths[0], widths[2], cap), widths[2], cap, max_grad_norm);
        }
    }
}

/// Without the padding that keeps a unit's rows together, loss and gradient of all rows are the same.
#[test]
fn padding_is_left_out_where_no_unit_is_asked_for() {
    let units = random_units(&mut seeded(110), 9, 3, 2, 3);
    let padded = rows(&units, 2, 3).batch(&(0..9).collect::<Vec<_>>(), &Device::flex()).unwrap();
    let model = random_model(&mut seeded(111), &[3, 4, 2]);
    let of = |batch: &Batch| {
        let loss = losses(&model, batch).sum();
        let gradients = ordinary(&model, &loss.backward(), &trainable(&model)).concat();
        (crate::gradient::read(loss.inner()).remove(0), gradients)
    };
    let (whole, before) = (of(&padded), padded.mask.dims()[0]);
    let alone = padded.without_padding();
    let after = alone.mask.dims()[0];
    let (loss, gradients) = of(&alone);
    assert!(after < before && crate::gradient::read(alone.mask).iter().all(|&mask| mask == 1.0), "{after} of {before}");
    assert!((loss - whole.0).abs() < 1e-5 * whole.0.abs());
    assert!(norm(&difference(&gradients, &whole.1)) < 1e-5 * norm(&gradients) && norm(&gradients) > 0.1);
}
