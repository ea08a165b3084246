//! The Gaussian error linear unit.

use crate::instructions::{Instructions, for_each_instructions};
use crate::kernel::elementary::{erf, exp};
use crate::kernel::{Input, Kernel, differentiable, least, slice, slice_mut, tensor};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::f32::consts::FRAC_1_SQRT_2;

/// x·Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016, arXiv:1606.08415), as [`burn::tensor::activation::gelu`], with a kernel for
/// processors.
#[must_use]
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    gelu_with(&x, Instructions::detect()).unwrap_or_else(|| burn::tensor::activation::gelu(x))
}

fn gelu_with<const D: usize>(x: &Tensor<D>, instructions: Instructions) -> Option<Tensor<D>> {
    let input = Input::new(x)?;
    let values = input.values();
    let mut output = slice(&values).to_vec();
    output.par_chunks_mut(PART).with_min_len(least(PART)).for_each(|part| forward(instructions, part));
    let output = tensor(output, x.dims());
    Some(differentiable([input], output, Saved { x: values, instructions }))
}

/// What a thread takes at a time.
const PART: usize = 1 << 16;

for_each_instructions! {
    fn forward(x: &mut [f32]) {
        x.iter_mut().for_each(|x| *x *= 0.5 * (1.0 + erf(*x * FRAC_1_SQRT_2)));
    }
}

for_each_instructions! {
    /// Φ(x) + x φ(x), times the gradient.
    fn backward(gradient: &mut [f32], x: &[f32]) {
        const INVERSE_SQRT_2_PI: f32 = 0.398_942_3;
        for (g, &x) in gradient.iter_mut().zip(x) {
            *g *= 0.5 * (1.0 + erf(x * FRAC_1_SQRT_2)) + x * INVERSE_SQRT_2_PI * exp(-0.5 * x * x);
        }
    }
}

struct Saved {
    x: FlexTensor,
    instructions: Instructions,
}

impl Kernel<1> for Saved {
    fn backward(self, mut gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let parts = slice_mut(&mut gradient).par_chunks_mut(PART).zip(slice(&self.x).par_chunks(PART));
        parts.with_min_len(least(PART)).for_each(|(g, x)| backward(self.instructions, g, x));
        [Some(gradient)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::same_as_chain;
    use burn::tensor::activation;

    #[test]
    fn the_kernel_is_the_chain() {
        for shape in [[1, 1], [3, 5], [40, 33], [2, PART]] {
            for instructions in [Instructions::Plain, Instructions::detect()] {
                let kernel = |[x]: [Tensor<2>; 1]| gelu_with(&x, instructions).expect("f32 on the processor");
                same_as_chain([shape], 6.0, kernel, |[x]| activation::gelu(x));
            }
        }
    }
}
