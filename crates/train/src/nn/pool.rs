//! Pooling, as [`burn::nn::pool`]; the largest value over windows in two dimensions has a kernel for processors.

pub use burn::nn::pool::*;

use crate::instructions::{Instructions, for_each_instructions};
use crate::kernel::{Input, Kernel, differentiable, slice, tensor};
use burn::backend::flex::FlexTensor;
use burn::config::Config;
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::tensor::Tensor;
use rayon::prelude::*;

/// Configuration of a [`MaxPool2d`], as [`burn::nn::pool::MaxPool2dConfig`].
#[derive(Config, Debug)]
pub struct MaxPool2dConfig {
    /// Size of the window.
    pub kernel_size: [usize; 2],
    /// Steps of the window over the input.
    #[config(default = "kernel_size")]
    pub strides: [usize; 2],
    /// Places around the input that are never the largest.
    #[config(default = "PaddingConfig2d::Valid")]
    pub padding: PaddingConfig2d,
    /// Distance of neighbouring places in the window.
    #[config(default = "[1, 1]")]
    pub dilation: [usize; 2],
    /// Whether a window may reach beyond the end.
    #[config(default = "false")]
    pub ceil_mode: bool,
}

impl MaxPool2dConfig {
    /// The layer.
    #[must_use]
    pub fn init(&self) -> MaxPool2d {
        let Self { kernel_size, strides, padding, dilation, ceil_mode } = self.clone();
        MaxPool2d { stride: strides, kernel_size, padding, dilation, ceil_mode }
    }
}

/// The largest value of each window, as [`burn::nn::pool::MaxPool2d`].
///
/// Shapes: `[batch, channels, height, width]` becomes `[batch, channels, ..]`.
#[derive(Module, Debug)]
pub struct MaxPool2d {
    /// Steps of the window over the input.
    pub stride: [usize; 2],
    /// Size of the window.
    pub kernel_size: [usize; 2],
    /// Places around the input that are never the largest.
    #[module(skip)]
    pub padding: PaddingConfig2d,
    /// Distance of neighbouring places in the window.
    pub dilation: [usize; 2],
    /// Whether a window may reach beyond the end.
    pub ceil_mode: bool,
}

impl From<burn::nn::pool::MaxPool2d> for MaxPool2d {
    fn from(layer: burn::nn::pool::MaxPool2d) -> Self {
        let burn::nn::pool::MaxPool2d { stride, kernel_size, padding, dilation, ceil_mode } = layer;
        Self { stride, kernel_size, padding, dilation, ceil_mode }
    }
}

impl MaxPool2d {
    /// The layer's output.
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.by_kernel(&input).unwrap_or_else(|| self.chain(input))
    }

    fn chain(&self, input: Tensor<4>) -> Tensor<4> {
        let Self { stride, kernel_size, padding, dilation, ceil_mode } = self.clone();
        burn::nn::pool::MaxPool2d { stride, kernel_size, padding, dilation, ceil_mode }.forward(input)
    }

    /// `None` where tensors, not slices, are needed, or the windows are unusual.
    fn by_kernel(&self, input: &Tensor<4>) -> Option<Tensor<4>> {
        let [batch, channels, height, width] = input.dims();
        let window = self.kernel_size;
        let usual = matches!(self.padding, PaddingConfig2d::Valid | PaddingConfig2d::Explicit(0, 0, 0, 0)) && self.dilation == [1, 1];
        if !usual || self.ceil_mode || window[0] * window[1] > usize::from(u8::MAX) || height < window[0] || width < window[1] {
            return None;
        }
        let output = [(height - window[0]) / self.stride[0] + 1, (width - window[1]) / self.stride[1] + 1];
        let shape = Shape { planes: [batch, channels], input: [height, width], output, window, stride: self.stride };
        let inputs = [Input::new(input)?];
        if batch * channels == 0 {
            return None;
        }
        let values = inputs[0].values();
        let each = output[0] * output[1];
        let mut largest = vec![0.0; batch * channels * each];
        let mut places = vec![0; largest.len()];
        let planes = largest.par_chunks_mut(each).zip(places.par_chunks_mut(each)).zip(slice(&values).par_chunks(height * width));
        planes.with_min_len(16).for_each(|((largest, places), plane)| shape.forward(plane, largest, places));
        let largest = tensor(largest, [batch, channels, output[0], output[1]]);
        Some(differentiable(inputs, largest, Saved { shape, places }))
    }
}

struct Shape {
    planes: [usize; 2],
    input: [usize; 2],
    output: [usize; 2],
    window: [usize; 2],
    stride: [usize; 2],
}

impl Shape {
    /// Of one plane: the largest values, and which place of its window each was at. The first of equals; what is not a number is the largest.
    fn forward(&self, plane: &[f32], largest: &mut [f32], places: &mut [u8]) {
        let [_, width] = self.input;
        for (row, (largest, places)) in largest.chunks_exact_mut(self.output[1]).zip(places.chunks_exact_mut(self.output[1])).enumerate() {
            for y in 0..self.window[0] {
                let line = &plane[(row * self.stride[0] + y) * width..][..width];
                for x in 0..self.window[1] {
                    let place = (y * self.window[1] + x) as u8;
                    let seen = &line[x..];
                    match (place, self.stride[1]) {
                        (0, 1) => largest.copy_from_slice(&seen[..largest.len()]),
                        (0, stride) => largest.iter_mut().zip(seen.iter().step_by(stride)).for_each(|(l, &v)| *l = v),
                        (_, stride) => take_larger(Instructions::detect(), largest, places, (seen, stride), place),
                    }
                }
            }
        }
    }

    fn backward(&self, gradient: &[f32], places: &[u8], plane: &mut [f32]) {
        let [_, width] = self.input;
        // Where each place of a window is, from its first.
        let mut offsets = [0; 256];
        for (place, offset) in offsets[..self.window[0] * self.window[1]].iter_mut().enumerate() {
            *offset = place / self.window[1] * width + place % self.window[1];
        }
        let rows = gradient.chunks_exact(self.output[1]).zip(places.chunks_exact(self.output[1]));
        for (row, (gradient, places)) in rows.enumerate() {
            let line = &mut plane[row * self.stride[0] * width..];
            for (column, (&g, &place)) in gradient.iter().zip(places).enumerate() {
                line[column * self.stride[1] + offsets[usize::from(place)]] += g;
            }
        }
    }
}

for_each_instructions! {
    /// Takes each value seen, so many apart, where it is larger.
    fn take_larger(largest: &mut [f32], places: &mut [u8], seen: (&[f32], usize), place: u8) {
        let take = |largest: &mut f32, at: &mut u8, value: f32| {
            let larger = (value > *largest) | (value.is_nan() & !largest.is_nan());
            *largest = if larger { value } else { *largest };
            *at = if larger { place } else { *at };
        };
        match seen {
            (seen, 1) => largest.iter_mut().zip(places).zip(seen).for_each(|((l, at), &value)| take(l, at, value)),
            (seen, stride) => largest.iter_mut().zip(places).zip(seen.iter().step_by(stride)).for_each(|((l, at), &value)| take(l, at, value)),
        }
    }
}

struct Saved {
    shape: Shape,
    places: Vec<u8>,
}

impl Kernel<1> for Saved {
    fn backward(self, gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let Self { shape, places } = self;
        let [batch, channels] = shape.planes;
        let [height, width] = shape.input;
        let each = shape.output[0] * shape.output[1];
        let mut of_x = vec![0.0; batch * channels * height * width];
        let planes = of_x.par_chunks_mut(height * width).zip(slice(&gradient).par_chunks(each)).zip(places.par_chunks(each));
        planes.with_min_len(16).for_each(|((plane, gradient), places)| shape.backward(gradient, places, plane));
        [Some(tensor(of_x, [batch, channels, height, width]))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::same_as_chain;
    use burn::tensor::{Device, activation};

    /// Ties too: after relu many values are zero.
    #[test]
    fn the_kernel_is_the_chain() {
        for (shape, window, stride) in [
            ([1, 1, 1, 1], [1, 1], [1, 1]),
            ([2, 3, 7, 6], [2, 2], [1, 1]),
            ([3, 2, 9, 11], [3, 2], [2, 3]),
            ([1, 20, 5, 5], [5, 5], [5, 5]),
        ] {
            let layer = MaxPool2dConfig::new(window).with_strides(stride).init();
            let kernel = |[x]: [Tensor<4>; 1]| layer.by_kernel(&activation::relu(x)).expect("f32 on the processor");
            same_as_chain([shape], 1.0, kernel, |[x]| layer.chain(activation::relu(x)));
        }
        let padded = MaxPool2dConfig::new([2, 2]).with_padding(PaddingConfig2d::Same).init();
        assert!(padded.by_kernel(&Tensor::zeros([1, 1, 4, 4], &Device::flex())).is_none());
        let x = Tensor::<4>::from_data([[[[1.0, f32::NAN], [3.0, 2.0]]]], &Device::flex());
        assert!(crate::gradient::read(MaxPool2dConfig::new([2, 2]).init().forward(x))[0].is_nan());
    }
}
