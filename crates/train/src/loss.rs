//! Losses of each row: what `losses` of a run gives.

use crate::instructions::{Instructions, for_each_instructions};
use crate::kernel::elementary::{exp, ln};
use crate::kernel::{Input, Kernel, differentiable, least, slice, tensor};
use burn::backend::flex::FlexTensor;
use burn::tensor::{Int, Tensor, activation};
use rayon::prelude::*;

/// Cross-entropy of each row of logits `[rows, classes]` with its class `[rows]`.
#[must_use]
pub fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    with_kernel(&logits, &labels, Instructions::detect()).unwrap_or_else(|| chain(logits, labels))
}

fn chain(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let log_p = activation::log_softmax(logits, 1);
    let labels: Tensor<2, Int> = labels.unsqueeze_dim(1);
    let labels = if log_p.is_autodiff() { labels.autodiff() } else { labels };
    log_p.gather(1, labels).squeeze_dim::<1>(1).neg()
}

/// `None` where tensors, not slices, are needed, or a label is no class.
fn with_kernel(logits: &Tensor<2>, labels: &Tensor<1, Int>, instructions: Instructions) -> Option<Tensor<1>> {
    let [rows, classes] = logits.dims();
    let input = Input::new(logits)?;
    let known = |label: i64| usize::try_from(label).ok().filter(|&label| label < classes);
    let labels: Vec<usize> = labels.to_data().iter::<i64>().map(known).collect::<Option<_>>()?;
    if labels.len() != rows || rows == 0 {
        return None;
    }
    let mut probabilities = slice(&input.values()).to_vec();
    let mut losses = vec![0.0; rows];
    let parts = probabilities.par_chunks_mut(PART * classes).zip(labels.par_chunks(PART)).zip(losses.par_chunks_mut(PART));
    parts
        .with_min_len(least(PART * classes * EACH))
        .for_each(|((rows, labels), losses)| forward(instructions, classes, labels, rows, losses));
    let output = tensor(losses, [rows]);
    Some(differentiable([input], output, Saved { probabilities, labels, classes, instructions }))
}

/// Rows that a thread takes at a time.
const PART: usize = 512;
/// Operations that an exponential takes.
const EACH: usize = 16;

for_each_instructions! {
    /// Each row of logits becomes its probabilities; and the loss of each: log Σ e^(x − max) − (x of the label − max).
    fn forward(classes: usize, labels: &[usize], rows: &mut [f32], losses: &mut [f32]) {
        // The logarithms are taken together afterwards.
        let mut owns = [0.0_f32; PART];
        for (((row, &label), loss), of_label) in rows.chunks_exact_mut(classes).zip(labels).zip(losses.iter_mut()).zip(&mut owns) {
            // Not f32::max, which passes over what is not a number.
            let largest = row.iter().fold(f32::NEG_INFINITY, |m, &x| if x > m { x } else { m });
            *of_label = row[label] - largest;
            row.iter_mut().for_each(|x| *x = exp(*x - largest));
            let mut sums = [0.0_f32; 16];
            let parts = row.chunks_exact(16);
            let rest: f32 = parts.remainder().iter().sum();
            parts.for_each(|part| sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x));
            let sum = sums.iter().sum::<f32>() + rest;
            *loss = sum;
            let inverse = 1.0 / sum;
            row.iter_mut().for_each(|x| *x *= inverse);
        }
        losses.iter_mut().zip(&owns).for_each(|(loss, own)| *loss = ln(*loss) - own);
    }
}

for_each_instructions! {
    /// (p − 1 at the label) times the gradient of each row.
    fn backward(classes: usize, labels: &[usize], gradient: &[f32], rows: &mut [f32]) {
        for ((row, &label), g) in rows.chunks_exact_mut(classes).zip(labels).zip(gradient) {
            row[label] -= 1.0;
            row.iter_mut().for_each(|p| *p *= g);
        }
    }
}

struct Saved {
    probabilities: Vec<f32>,
    labels: Vec<usize>,
    classes: usize,
    instructions: Instructions,
}

impl Kernel<1> for Saved {
    fn backward(mut self, gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let parts =
            self.probabilities.par_chunks_mut(PART * self.classes).zip(self.labels.par_chunks(PART)).zip(slice(&gradient).par_chunks(PART));
        parts
            .with_min_len(least(PART * self.classes))
            .for_each(|((rows, labels), gradient)| backward(self.instructions, self.classes, labels, gradient, rows));
        let shape = [self.labels.len(), self.classes];
        [Some(tensor(self.probabilities, shape))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::same_as_chain;
    use burn::tensor::Device;

    #[test]
    fn the_kernel_is_the_chain() {
        for (rows, classes) in [(1, 1), (3, 2), (7, 10), (PART + 3, 33)] {
            let labels: Vec<i32> = (0..rows).map(|row| (row * 7 % classes) as i32).collect();
            let labels = Tensor::<1, Int>::from_data(&labels[..], &Device::flex());
            for instructions in [Instructions::Plain, Instructions::detect()] {
                let kernel = |[x]: [Tensor<2>; 1]| with_kernel(&x, &labels, instructions).expect("f32 on the processor");
                same_as_chain([[rows, classes]], 8.0, kernel, |[x]| chain(x, labels.clone()));
            }
        }
    }

    /// What is not finite stays so: it must show in the unit's gradient.
    #[test]
    fn far_logits_are_no_overflow_and_nan_stays() {
        let labels = Tensor::<1, Int>::from_data([0, 1, 0], &Device::flex());
        let logits = Tensor::<2>::from_data([[1e4, -1e4], [1e30, 0.0], [f32::NAN, 0.0]], &Device::flex());
        let losses = crate::gradient::read(cross_entropy(logits, labels));
        assert_eq!(losses[0], 0.0);
        assert!(losses[1] > 1e29 && losses[2].is_nan(), "{losses:?}");
        let beyond = Tensor::<1, Int>::from_data([0, 2, 0], &Device::flex());
        assert!(with_kernel(&Tensor::zeros([3, 2], &Device::flex()), &beyond, Instructions::Plain).is_none());
    }
}
