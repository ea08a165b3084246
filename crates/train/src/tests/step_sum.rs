//! A step's sum in parts, on one thread and on several.

use super::trainer::{ROWS, labelled, made_up, model, of_rows};
use super::*;
use crate::step_sum::{Norms, Probe, StepSum};
use crate::{Clip, Error, Examples, Labelled, LabelledBatch, MemoryLedger, Mode, Trainer};
use burn::optim::SgdConfig;
use burn::tensor::{Distribution, Tensor};

/// What `run` makes of such a step.
fn of<L, T>(losses: &L, clip: &Clip, run: impl FnOnce(&StepSum<'_, Labelled<2>, L>) -> T) -> T {
    let (examples, key, binding, device) = (labelled(42), key(), binding(), Device::flex());
    run(&StepSum {
        examples: &examples,
        losses,
        augmentation: None,
        key: &key,
        binding: &binding,
        device: &device,
        mode: Mode::Fast,
        clip,
        step: 0,
        filled: 0,
    })
}

/// However the units are dealt out, their sum is the same but for the rounding of sums in `f64`, and every norm is that of its unit; a unit that is no
/// number is known as such wherever it is computed. On as many threads it is the same bit for bit.
#[test]
fn parts_and_threads_change_nothing_but_rounding() {
    let mut units: Vec<usize> = (0..40).rev().collect();
    units.swap(3, 17);
    // One unit's loss is no number.
    let broken = |model: &Classifier, batch: &LabelledBatch<2>| {
        let first = labelled(42).batch(&[11], &Device::flex()).unwrap().inputs;
        let off = (batch.inputs.clone() - first).abs().sum_dim(1).reshape([batch.units]).equal_elem(0.0);
        of_rows(model, batch) * Tensor::ones([batch.units], &Device::flex()).mask_fill(off, f32::NAN).autodiff()
    };
    let clip = Clip::flat(0.2);
    let run = |each: usize, threads: usize| -> (Vec<f64>, Norms, u64) {
        let parts: Vec<&[usize]> = units.chunks(each).collect();
        let (sum, norms) = of(&broken, &clip, |step| step.of(&model(), &parts, threads)).unwrap();
        (flat(&sum), norms, sum.not_finite)
    };
    let (whole, expected, not_finite) = run(40, 1);
    assert_eq!((not_finite, expected.iter().filter(|(_, norm)| norm.is_infinite()).count()), (1, 1));
    assert!(norm(&whole) > 0.1);
    for (each, threads) in [(1, 1), (1, 2), (7, 1), (7, 2), (7, 3), (20, 2), (39, 8)] {
        let (sum, norms, not_finite) = run(each, threads);
        assert!(norm(&difference(&sum, &whole)) < 1e-6 * norm(&whole), "{each} {threads}");
        assert_eq!(not_finite, 1);
        for ((unit, of_unit), (expected_unit, expected)) in norms.iter().zip(&expected) {
            assert_eq!(unit, expected_unit);
            assert!(of_unit == expected || (of_unit - expected).abs() < 1e-6, "{each} {threads}: {of_unit} for {expected}");
        }
        assert_eq!((norms.len(), sum), (40, run(each, threads).0));
    }
}

/// What goes wrong in a thread is told as without threads; the first part's, where several fail.
#[test]
fn what_goes_wrong_in_a_thread_is_told() {
    let parts: Vec<Vec<usize>> = (0..4).map(|at| (at * 10..at * 10 + 10 - at).collect()).collect();
    let parts: Vec<&[usize]> = parts.iter().map(Vec::as_slice).collect();
    let fewer = |model: &Classifier, batch: &LabelledBatch<2>| of_rows(model, batch).narrow(0, 0, batch.units - 1);
    for threads in [1, 2] {
        let result = of(&fewer, &Clip::flat(1.0), |step| step.of(&model(), &parts, threads));
        assert!(matches!(result, Err(Error::Losses { found: 9, units: 10 })));
    }
    let fails = |_: &Classifier, _: &LabelledBatch<2>| -> Tensor<1> { panic!("as a layer does") };
    let caught = std::panic::catch_unwind(|| of(&fails, &Clip::flat(1.0), |step| step.of(&model(), &parts, 2).map(|_| ())));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"as a layer does"));
}

fn dropped(model: &Classifier, batch: &LabelledBatch<2>) -> Tensor<1> {
    let kept = Tensor::random(batch.inputs.dims(), Distribution::Bernoulli(0.5), &Device::flex());
    of_rows(model, &LabelledBatch { inputs: batch.inputs.clone() * kept, ..batch.clone() })
}

/// Threads take parts of a run only where they share no generator of random numbers, whose order would be chance.
#[test]
fn a_run_that_draws_stays_on_one_thread() {
    let threads = |losses: fn(&Classifier, &LabelledBatch<2>) -> Tensor<1>| {
        let (sgd, secret) = ((SgdConfig::new().init(), 0.5), (key(), binding()));
        let mut run = Trainer::new(plan().privacy(), model(), sgd, made_up(), losses, secret, MemoryLedger::default()).unwrap();
        assert_eq!(run.threads(ROWS), 1, "nothing is known of the model yet");
        run.fit(|_| ()).unwrap();
        assert_eq!(run.threads(8), 1, "a run that goes on may not know of it yet");
        run.threads(ROWS)
    };
    assert_eq!((threads(of_rows), threads(dropped)), (rayon::current_num_threads(), 1));
}

/// A model whose layers put out much is computed few units at a time; one that draws random numbers is known, and one of layers that are not recorded is
/// computed whole.
#[test]
fn the_first_units_tell_of_the_others() {
    let clip = Clip::flat(1.0);
    let probe = |losses: fn(&Classifier, &LabelledBatch<2>) -> Tensor<1>| of(&losses, &clip, |step| step.probe(&model(), 5)).unwrap();
    let Probe { units_together, draws } = probe(of_rows);
    // Four and two outputs a unit: 2^19 values are of so many units.
    assert_eq!((units_together, draws), ((1 << 19) / 6, false));
    assert!(probe(dropped).draws);
    let constant = |_: &Classifier, batch: &LabelledBatch<2>| Tensor::zeros([batch.units], &Device::flex());
    let Probe { units_together, draws } = probe(constant);
    assert_eq!((units_together, draws), (usize::MAX, true));
}
