//! Layer normalisation as one operation, with its gradients.

use crate::instructions::{Instructions, for_each_instructions};
use crate::kernel::{Input, Kernel, differentiable, least, slice, slice_mut, tensor};
use crate::tape;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;

/// `(x - mean) / √(variance + ε) · γ + β` over the last dimension. `tap` is a leaf of as many values that is zero: its gradient is the output's.
///
/// `None` where tensors, not slices, are needed.
pub(super) fn run<const D: usize>(
    x: &Tensor<D>,
    gamma: &Tensor<1>,
    beta: &Tensor<1>,
    epsilon: f64,
    tap: Option<&Tensor<2>>,
) -> Option<Tensor<D>> {
    run_with(x, [gamma, beta], epsilon, tap, Instructions::detect())
}

fn run_with<const D: usize>(
    x: &Tensor<D>,
    [gamma, beta]: [&Tensor<1>; 2],
    epsilon: f64,
    tap: Option<&Tensor<2>>,
    instructions: Instructions,
) -> Option<Tensor<D>> {
    let shape = x.dims();
    let width = shape[D - 1];
    if x.shape().num_elements() == 0 {
        return None;
    }
    // An absent tap is a constant, which is asked for nothing.
    let absent = tape::plain(gamma.clone()).unsqueeze();
    let inputs = [Input::new(x)?, Input::new(gamma)?, Input::new(beta)?, Input::new(tap.unwrap_or(&absent))?];
    let [x, gamma, beta] = [&inputs[0], &inputs[1], &inputs[2]].map(Input::values);
    let mut output = slice(&x).to_vec();
    let mut scales = vec![0.0; output.len() / width];
    let rows = rows_at_once(width);
    let parts = output.par_chunks_mut(rows * width).zip(scales.par_chunks_mut(rows));
    parts
        .with_min_len(least(rows * width))
        .for_each(|(part, scales)| forward(instructions, width, epsilon as f32, slice(&gamma), slice(&beta), part, scales));
    let output = tensor(output, shape);
    Some(differentiable(inputs, output, Saved { x, gamma, shape, scales, instructions }))
}

/// About as many as a first-level cache holds.
fn rows_at_once(width: usize) -> usize {
    (8192 / width).max(1)
}

/// Sixteen partial sums.
#[inline(always)]
fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0; 16];
    let parts = values.chunks_exact(16);
    let rest: f32 = parts.remainder().iter().map(|&x| term(x)).sum();
    for part in parts {
        sums.iter_mut().zip(part).for_each(|(sum, &x)| *sum += term(x));
    }
    sums.iter().sum::<f32>() + rest
}

/// The sums of `g γ` and of `g γ x̂`.
#[inline(always)]
fn sums(g: &[f32], gamma: &[f32], normalised: &[f32]) -> (f32, f32) {
    let (mut first, mut second) = ([0.0; 16], [0.0; 16]);
    let whole = g.len() / 16 * 16;
    for at in (0..whole).step_by(16) {
        let (g, gamma, normalised) = (&g[at..at + 16], &gamma[at..at + 16], &normalised[at..at + 16]);
        for k in 0..16 {
            let scaled = g[k] * gamma[k];
            first[k] += scaled;
            second[k] += scaled * normalised[k];
        }
    }
    let (mut a, mut b) = (first.iter().sum::<f32>(), second.iter().sum::<f32>());
    for k in whole..g.len() {
        a += g[k] * gamma[k];
        b += g[k] * gamma[k] * normalised[k];
    }
    (a, b)
}

for_each_instructions! {
    /// Each row in place; and 1/√(variance + ε) of each.
    fn forward(width: usize, epsilon: f32, gamma: &[f32], beta: &[f32], values: &mut [f32], scales: &mut [f32]) {
        for (row, scale) in values.chunks_exact_mut(width).zip(scales) {
            let mean = sum(row, |x| x) / width as f32;
            let variance = sum(row, |x| (x - mean) * (x - mean)) / width as f32;
            *scale = 1.0 / (variance + epsilon).sqrt();
            for ((x, gamma), beta) in row.iter_mut().zip(gamma).zip(beta) {
                *x = (*x - mean) * *scale * gamma + beta;
            }
        }
    }
}

for_each_instructions! {
    /// Each row of gradients in place, from x; adds to those of γ and β.
    fn backward(width: usize, x: &[f32], scales: &[f32], gamma: &[f32], gradient: &mut [f32], sums_of: [&mut [f32]; 2]) {
        let [of_gamma, of_beta] = sums_of;
        let mut normalised = vec![0.0; width];
        for ((x, scale), g) in x.chunks_exact(width).zip(scales).zip(gradient.chunks_exact_mut(width)) {
            let mean = sum(x, |x| x) / width as f32;
            normalised.iter_mut().zip(x).for_each(|(n, x)| *n = (x - mean) * scale);
            let (of_mean, of_scale) = sums(g, gamma, &normalised);
            let (of_mean, of_scale) = (of_mean / width as f32, of_scale / width as f32);
            for (((of_gamma, of_beta), g), n) in of_gamma.iter_mut().zip(of_beta.iter_mut()).zip(g.iter()).zip(&normalised) {
                *of_gamma += g * n;
                *of_beta += g;
            }
            for ((g, gamma), n) in g.iter_mut().zip(gamma).zip(&normalised) {
                *g = (*g * gamma - of_mean - n * of_scale) * scale;
            }
        }
    }
}

struct Saved<const D: usize> {
    x: FlexTensor,
    gamma: FlexTensor,
    shape: [usize; D],
    scales: Vec<f32>,
    instructions: Instructions,
}

impl<const D: usize> Kernel<4> for Saved<D> {
    fn backward(self, gradient: FlexTensor, asked: [bool; 4]) -> [Option<FlexTensor>; 4] {
        let width = self.shape[D - 1];
        let tap = asked[3].then(|| {
            let rows = self.shape[..D - 1].iter().product::<usize>();
            gradient.clone().reshape([rows, width].into())
        });
        let mut of_x = gradient;
        let rows = rows_at_once(width);
        let parts = slice_mut(&mut of_x)
            .par_chunks_mut(rows * width)
            .zip(slice(&self.x).par_chunks(rows * width))
            .zip(self.scales.par_chunks(rows));
        let of_part = |((g, x), scales): ((&mut [f32], &[f32]), &[f32])| {
            let [mut of_gamma, mut of_beta] = [vec![0.0; width], vec![0.0; width]];
            backward(self.instructions, width, x, scales, slice(&self.gamma), g, [&mut of_gamma, &mut of_beta]);
            [of_gamma, of_beta]
        };
        // Put together in order: the sum must not depend on which thread is first.
        let all: Vec<[Vec<f32>; 2]> = parts.with_min_len(least(rows * width)).map(of_part).collect();
        let add = |mut sums: [Vec<f32>; 2], more: [Vec<f32>; 2]| {
            sums.iter_mut().zip(more).for_each(|(sum, more)| sum.iter_mut().zip(more).for_each(|(sum, x)| *sum += x));
            sums
        };
        let [of_gamma, of_beta] = all.into_iter().fold([vec![0.0; width], vec![0.0; width]], add);
        [Some(of_x), Some(tensor(of_gamma, [width])), Some(tensor(of_beta, [width])), tap]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::same_as_chain;
    use burn::tensor::module::layer_norm;

    #[test]
    fn the_kernel_is_the_chain() {
        for (rows, width) in [(1, 1), (3, 5), (130, 33), (7, 128)] {
            for instructions in [Instructions::Plain, Instructions::detect()] {
                let row = |t: &Tensor<2>| t.clone().squeeze_dim::<1>(0);
                let kernel = |[x, gamma, beta, tap]: [Tensor<2>; 4]| {
                    run_with(&x, [&row(&gamma), &row(&beta)], 1e-5, Some(&(tap * 0.0)), instructions).expect("f32 on the processor")
                };
                let chain = |[x, gamma, beta, tap]: [Tensor<2>; 4]| layer_norm(x, row(&gamma), Some(row(&beta)), 1e-5) + tap * 0.0;
                same_as_chain([[rows, width], [1, width], [1, width], [rows, width]], 2.0, kernel, chain);
                let kernel = |[x, gamma, beta]: [Tensor<2>; 3]| {
                    run_with(&x, [&row(&gamma), &row(&beta)], 1e-5, None, instructions).expect("f32 on the processor")
                };
                let chain = |[x, gamma, beta]: [Tensor<2>; 3]| layer_norm(x, row(&gamma), Some(row(&beta)), 1e-5);
                same_as_chain([[rows, width], [1, width], [1, width]], 2.0, kernel, chain);
            }
        }
        // The tap's gradient is the output's.
        let [x, gamma, beta] = [[3, 4], [1, 4], [1, 4]].map(|shape| Tensor::<2>::ones(shape, &burn::tensor::Device::flex()));
        let tap = Tensor::<2>::zeros([3, 4], &burn::tensor::Device::flex()).autodiff().require_grad();
        let [gamma, beta] = [gamma, beta].map(|t| t.squeeze_dim::<1>(0));
        let output = run(&x.autodiff(), &gamma, &beta, 1e-5, Some(&tap)).expect("f32 on the processor");
        let towards = Tensor::<2>::from_data([[1.0, 2.0, 3.0, 4.0]; 3], &burn::tensor::Device::flex());
        let gradients = (output * towards.clone().autodiff()).sum().backward();
        tap.grad(&gradients).expect("in the graph").into_data().assert_eq(&towards.into_data(), true);
    }
}
