//! The private step against slow, independent oracles, and the pitfalls of differentially private training by their numbers
//! (each test says what it would catch).

mod accounting;
mod adaptive;
mod attention;
mod board;
mod convolutions;
mod correlated;
mod fine_tuning;
mod grid;
mod harness;
mod individual;
mod layers;
mod models;
mod noise;
mod optimiser;
mod oracle;
mod pitfalls;
mod recurrent;
mod resume;
mod sampler;
mod samplers;
mod schedules;
mod step_sum;
mod trainer;
mod validator;
mod workers;

use crate::model::losses;
use crate::nn::Linear;
use crate::{
    Architecture, Batch, Binding, Classifier, Clip, ClippedSum, NoiseMemory, NotPrivateSeed, Plan, PrivacyPlan, RunKey, UnitRows,
    clipped_sum,
};
use burn::tensor::Device;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use reticent_accounting::{NoiseMultiplier, SamplingRate};
use reticent_data::{Classes, Column, CsvOptions, Domain, Dropped, PermittedTable, PseudonymKey, Schema, SubjectRule, Target, import_csv};
use reticent_proof::Permit;
use std::fmt::Write as _;
use std::num::NonZeroUsize;

/// One unit's rows: inputs in `[-1, 1]` and a class.
type Unit = Vec<(Vec<f64>, usize)>;

fn permitted(units: &[Unit], classes: usize) -> PermittedTable {
    let width = units[0][0].0.len();
    let range = Domain::Range { min: -1.0, max: 1.0, missing: None };
    let schema = Schema {
        dataset: "test".into(),
        subject: SubjectRule::Column("who".into()),
        unit: "person".into(),
        record: None,
        target: Target { column: "class".into(), classes: Classes::Levels((0..classes).map(|c| c.to_string()).collect()) },
        columns: (0..width).map(|i| Column { name: format!("x{i}"), domain: range.clone(), special: None }).collect(),
        dropped: Dropped::AllOthers,
        missing: vec![],
    };
    let mut csv = String::from("who,class");
    for i in 0..width {
        write!(csv, ",x{i}").unwrap();
    }
    for (who, rows) in units.iter().enumerate() {
        for (inputs, class) in rows {
            write!(csv, "\n{who},{class}").unwrap();
            for x in inputs {
                write!(csv, ",{x}").unwrap();
            }
        }
    }
    let table = import_csv(csv.as_bytes(), &schema, &CsvOptions::default(), &PseudonymKey::from_bytes([7; 32])).unwrap().table;
    PermittedTable::new(table, "test/v1", Permit::public("drawn for this test")).unwrap()
}

fn rows(units: &[Unit], classes: usize, cap: usize) -> UnitRows {
    UnitRows::new(&permitted(units, classes), NonZeroUsize::new(cap).unwrap())
}

/// Units of 1 to `most` rows.
fn random_units(rng: &mut ChaCha20Rng, count: usize, width: usize, classes: usize, most: usize) -> Vec<Unit> {
    let row = |rng: &mut ChaCha20Rng| ((0..width).map(|_| rng.random_range(-1.0..=1.0)).collect(), rng.random_range(0..classes));
    (0..count)
        .map(|_| {
            let count = rng.random_range(1..=most);
            (0..count).map(|_| row(rng)).collect()
        })
        .collect()
}

/// A model with no zero weight in it, `widths` from the inputs to the classes.
fn random_model(rng: &mut ChaCha20Rng, widths: &[usize]) -> Classifier {
    let device = Device::flex().autodiff();
    Classifier { layers: widths.windows(2).map(|w| Linear::uniform(w[0], w[1], &device, rng)).collect(), features: None }
}

fn plan() -> Plan {
    Plan {
        unit: "person".into(),
        max_rows_per_unit: NonZeroUsize::new(3).unwrap(),
        sample_rate: SamplingRate::new(0.25).unwrap(),
        noise_multiplier: NoiseMultiplier::new(1.5).unwrap(),
        max_grad_norm: 0.7,
        steps: 20,
        learning_rate: 0.5,
        public_units: 40,
        architecture: Architecture::Logistic,
        optimiser: crate::Optimiser::default(),
    }
}

fn binding() -> Binding {
    Binding { plan: "plan".into(), permit: "permit".into(), data: "data".into(), machine: "machine".into() }
}

fn key() -> RunKey {
    RunKey::from_bytes([3; 32])
}

/// The clipped sum of these units, one vector over all parameters in the model's order.
fn fast(model: &Classifier, rows: &UnitRows, chosen: &[usize], max_grad_norm: f64) -> Vec<f64> {
    flat(&sum_of(model, rows.batch(chosen, &Device::flex()).as_ref(), max_grad_norm))
}

fn of_batch(model: &Classifier, batch: &Batch, max_grad_norm: f64) -> Vec<f64> {
    flat(&sum_of(model, Some(batch), max_grad_norm))
}

fn sum_of(model: &Classifier, batch: Option<&Batch>, max_grad_norm: f64) -> ClippedSum {
    clipped_sum(model, batch, losses, &Clip::flat(max_grad_norm)).unwrap()
}

fn flat(sum: &ClippedSum) -> Vec<f64> {
    sum.values.iter().flat_map(|(_, values)| values.iter().copied()).collect()
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn seeded(seed: u64) -> ChaCha20Rng {
    NotPrivateSeed(seed).rng()
}

/// `P(X >= k)` for `X` binomial, by its terms in logarithms.
fn binomial_upper_tail(n: u64, p: f64, k: u64) -> f64 {
    let mut log_choose = 0.0;
    let mut tail = 0.0;
    for i in 0..=n {
        if i > 0 {
            log_choose += ((n - i + 1) as f64).ln() - (i as f64).ln();
        }
        if i >= k {
            tail += (log_choose + i as f64 * p.ln() + (n - i) as f64 * (-p).ln_1p()).exp();
        }
    }
    tail
}

/// Refuses a count that a binomial variable reaches with probability below `alpha` on either side.
#[track_caller]
fn check_binomial(count: u64, n: u64, p: f64, alpha: f64) {
    let (upper, lower) = (binomial_upper_tail(n, p, count), binomial_upper_tail(n, 1.0 - p, n - count));
    assert!(upper > alpha && lower > alpha, "{count} of {n} at {p}: tails {lower:e}, {upper:e}");
}

/// What a step on these units releases, in the model's order.
fn released(sum: ClippedSum, plan: &PrivacyPlan, step: u64) -> Vec<f64> {
    remembered(sum, plan, step, &mut NoiseMemory::default())
}

fn remembered(sum: ClippedSum, plan: &PrivacyPlan, step: u64, memory: &mut NoiseMemory) -> Vec<f64> {
    let order: Vec<_> = sum.values.iter().map(|(p, _)| p.id).collect();
    let mut values = sum.privatize_with(plan, &key(), &binding(), step, memory).into_values();
    order.iter().flat_map(|id| values.remove(id).unwrap()).collect()
}

/// Refuses the root mean square of `n` independent normal numbers that is off from `std` by more than chance: its relative error is about
/// N(0, 1/2n); 6.2 deviations, alpha 1e-9.
#[track_caller]
fn check_std(values: &[f64], std: f64) {
    let n = values.len() as f64;
    let found = norm(values) / n.sqrt();
    assert!((found / std - 1.0).abs() < 6.2 / (2.0 * n).sqrt(), "{found} for {std} over {n} values");
}

/// Whether this panics.
fn panics<T>(run: impl FnOnce() -> T) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err()
}

/// Refuses a kernel whose output, or gradient of any input, is not that of the chain of tensor operations beside it: random inputs of these shapes
/// within ±`range`, a random gradient, on a relative 1e-5 of the largest value.
#[track_caller]
pub(crate) fn same_as_chain<const N: usize, const D: usize, const E: usize>(
    shapes: [[usize; D]; N],
    range: f64,
    kernel: impl Fn([burn::tensor::Tensor<D>; N]) -> burn::tensor::Tensor<E>,
    chain: impl Fn([burn::tensor::Tensor<D>; N]) -> burn::tensor::Tensor<E>,
) {
    use burn::tensor::{Tensor, TensorData};
    let mut rng = seeded(51);
    let mut random = |count: usize, range: f64| (0..count).map(|_| rng.random_range(-range..range) as f32).collect::<Vec<f32>>();
    let inputs = shapes.map(|shape| Tensor::<D>::from_data(TensorData::new(random(shape.iter().product(), range), shape), &Device::flex()));
    let mut towards: Option<Tensor<E>> = None;
    let mut run = |of: &dyn Fn([Tensor<D>; N]) -> Tensor<E>| {
        let leaves = inputs.clone().map(|t| t.autodiff().require_grad());
        let output = of(leaves.clone());
        let towards = towards.get_or_insert_with(|| {
            let shape = output.dims();
            Tensor::from_data(TensorData::new(random(shape.iter().product(), 1.0), shape), &Device::flex())
        });
        let gradients = (output.clone() * towards.clone().autodiff()).sum().backward();
        let of_inputs = leaves.iter().map(|leaf| leaf.grad(&gradients).map_or_else(Vec::new, crate::gradient::read));
        std::iter::once(crate::gradient::read(output.inner())).chain(of_inputs).collect::<Vec<Vec<f64>>>()
    };
    let (found, expected) = (run(&kernel), run(&chain));
    for (which, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let largest = expected.iter().fold(1e-3_f64, |m, x| m.max(x.abs()));
        let off = difference(found, expected).iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        assert!(off < 1e-5 * largest, "{which} (the output is 0) of {shapes:?}: {off:e} of {largest}");
    }
}
