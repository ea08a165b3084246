//! A convolution in two dimensions as one operation: patches, and products with them that stay in the cache.
//!
//! Patches lie position by position, `[positions, channels · kernel]`: what the forward pass multiplies with the kernel, its gradient needs, and a
//! unit's own gradient is an outer product of. They are made once.

use super::patches::Window;
use crate::instructions::Instructions;
use crate::kernel::{Input, Kernel, Left, differentiable, product, slice, tensor};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;

/// What a convolution gives, and its patches, `[batch, 1, positions, channels · kernel]`.
pub(super) struct Convolved {
    pub(super) output: Tensor<4>,
    pub(super) patches: Tensor<4>,
}

/// The convolution of x with one group. `tap` is a leaf of as many values as the output that is zero: its gradient is the output's.
///
/// `None` where tensors, not slices, are needed.
pub(super) fn run(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    window: Window<2>,
    tap: Option<&Tensor<2>>,
) -> Option<Convolved> {
    run_with(x, weight, bias, window, tap, Instructions::detect())
}

fn run_with(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    window: Window<2>,
    tap: Option<&Tensor<2>>,
    instructions: Instructions,
) -> Option<Convolved> {
    let ([batch, channels, height, width], [filters, of_each, ..]) = (x.dims(), weight.dims());
    if window.groups != 1 || of_each != channels || batch == 0 {
        return None;
    }
    // An absent bias or tap is the weight once more, which is then asked for nothing.
    let flat = || weight.clone().reshape([1, weight.shape().num_elements()]);
    let has = [bias.is_some(), tap.is_some()];
    let inputs = [
        Input::new(x)?,
        Input::new(weight)?,
        match bias {
            Some(bias) => Input::new(bias)?,
            None => Input::new(&crate::tape::plain(flat()))?,
        },
        match tap {
            Some(tap) => Input::new(tap)?,
            None => Input::new(&crate::tape::plain(flat()))?,
        },
    ];
    let places = [0, 1].map(|axis| window.places(axis, [height, width][axis]));
    let [Some(rows), Some(columns)] = places else { return None };
    let shape = Shape { batch, channels, input: [height, width], filters, output: [rows, columns], window, has, instructions };
    let [x, weight, bias] = [&inputs[0], &inputs[1], &inputs[2]].map(Input::values);
    let (positions, patch) = (shape.positions(), shape.patch());
    let mut patches = vec![0.0; batch * positions * patch];
    let mut output = vec![0.0; batch * filters * positions];
    let transposed = transpose(slice(&weight), [filters, patch]);
    let images =
        patches.par_chunks_mut(positions * patch).zip(output.par_chunks_mut(filters * positions)).zip(slice(&x).par_chunks(shape.image()));
    images.for_each_init(
        || vec![0.0; positions * filters],
        |products, ((patches, output), image)| {
            shape.visit(|at, from, count| patches[at..at + count].copy_from_slice(&image[from..from + count]));
            products.fill(0.0);
            let left = Left { values: patches, row: patch, column: 1 };
            product(left, (&transposed, filters), (products, filters), [positions, patch, filters], instructions);
            for (filter, output) in output.chunks_exact_mut(positions).enumerate() {
                let bias = if has[0] { slice(&bias)[filter] } else { 0.0 };
                output.iter_mut().zip(products.iter().skip(filter).step_by(filters)).for_each(|(y, p)| *y = p + bias);
            }
        },
    );
    let patches = tensor(patches, [batch, 1, positions, patch]);
    let output = tensor(output, [batch, filters, rows, columns]);
    let seen = Tensor::from_primitive::<Flex>(patches.clone());
    Some(Convolved { output: differentiable(inputs, output, Saved { shape, weight, patches }), patches: seen })
}

struct Shape {
    batch: usize,
    channels: usize,
    input: [usize; 2],
    filters: usize,
    output: [usize; 2],
    window: Window<2>,
    /// Whether there is a bias, and a tap.
    has: [bool; 2],
    instructions: Instructions,
}

impl Shape {
    fn positions(&self) -> usize {
        self.output[0] * self.output[1]
    }

    fn patch(&self) -> usize {
        self.channels * self.window.kernel[0] * self.window.kernel[1]
    }

    fn image(&self) -> usize {
        self.channels * self.input[0] * self.input[1]
    }

    /// Each run of values that a patch takes from an image: where it is in the patches, where in the image, and how long it is.
    #[inline(always)]
    fn visit(&self, mut run: impl FnMut(usize, usize, usize)) {
        let Window { kernel, stride, dilation, padding, .. } = self.window;
        let [height, width] = self.input;
        let mut at = 0;
        for row in 0..self.output[0] {
            for column in 0..self.output[1] {
                // Left of the input where the padding is.
                let left = (column * stride[1]) as isize - padding[1].0 as isize;
                for channel in 0..self.channels {
                    for k in 0..kernel[0] {
                        let y = (row * stride[0] + k * dilation[0]).wrapping_sub(padding[0].0);
                        if y < height {
                            let line = (channel * height + y) * width;
                            if dilation[1] == 1 {
                                let (from, to) = (left.max(0), (left + kernel[1] as isize).min(width as isize));
                                if from < to {
                                    run(at + (from - left) as usize, line + from as usize, (to - from) as usize);
                                }
                            } else {
                                for k in 0..kernel[1] {
                                    let x = left + (k * dilation[1]) as isize;
                                    if (0..width as isize).contains(&x) {
                                        run(at + k, line + x as usize, 1);
                                    }
                                }
                            }
                        }
                        at += kernel[1];
                    }
                }
            }
        }
    }
}

/// `[rows, columns]` to `[columns, rows]`.
fn transpose(from: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let mut to = vec![0.0; from.len()];
    for (i, row) in from.chunks_exact(columns).enumerate() {
        row.iter().enumerate().for_each(|(j, &x)| to[j * rows + i] = x);
    }
    to
}

struct Saved {
    shape: Shape,
    weight: FlexTensor,
    patches: FlexTensor,
}

impl Kernel<4> for Saved {
    fn backward(self, gradient: FlexTensor, asked: [bool; 4]) -> [Option<FlexTensor>; 4] {
        let Self { shape, weight, patches } = self;
        let (positions, patch, filters, instructions) = (shape.positions(), shape.patch(), shape.filters, shape.instructions);
        let (weight, patches) = (slice(&weight), slice(&patches));
        let mut of_x = vec![0.0; if asked[0] { shape.batch * shape.image() } else { 0 }];
        // The same images for each thread whoever is first, and their sums in order.
        let each = shape.batch.div_ceil(rayon::current_num_threads());
        let mut images: Vec<&mut [f32]> = if asked[0] { of_x.chunks_mut(each * shape.image()).collect() } else { vec![] };
        images.resize_with(shape.batch.div_ceil(each), Default::default);
        let of_images = |(part, images): (usize, &mut [f32])| {
            let mut of_weight = vec![0.0; if asked[1] { weight.len() } else { 0 }];
            let mut of_bias = vec![0.0; filters];
            let mut of_patches = vec![0.0; positions * patch];
            for (place, index) in (part * each..shape.batch.min((part + 1) * each)).enumerate() {
                let gradient = &slice(&gradient)[index * filters * positions..][..filters * positions];
                if asked[2] {
                    of_bias.iter_mut().zip(gradient.chunks_exact(positions)).for_each(|(sum, g)| *sum += g.iter().sum::<f32>());
                }
                if asked[0] {
                    of_patches.fill(0.0);
                    let left = Left { values: gradient, row: 1, column: positions };
                    product(left, (weight, patch), (&mut of_patches, patch), [positions, filters, patch], instructions);
                    let image = &mut images[place * shape.image()..][..shape.image()];
                    shape.visit(|at, from, count| {
                        image[from..from + count].iter_mut().zip(&of_patches[at..at + count]).for_each(|(x, p)| *x += p);
                    });
                }
                if asked[1] {
                    let patches = &patches[index * positions * patch..][..positions * patch];
                    let left = Left { values: gradient, row: positions, column: 1 };
                    product(left, (patches, patch), (&mut of_weight, patch), [filters, positions, patch], instructions);
                }
            }
            [of_weight, of_bias]
        };
        let sums: Vec<[Vec<f32>; 2]> = images.into_par_iter().enumerate().map(of_images).collect();
        let sums = sums.into_iter().reduce(|mut sums, more| {
            sums.iter_mut().zip(more).for_each(|(sum, more)| sum.iter_mut().zip(more).for_each(|(sum, x)| *sum += x));
            sums
        });
        let [of_weight, of_bias] = sums.unwrap_or_default();
        let Shape { batch, channels, input: [height, width], window, has, .. } = shape;
        let bias = if has[0] { of_bias } else { vec![] };
        let bias_shape = [bias.len()];
        [
            asked[0].then(|| tensor(of_x, [batch, channels, height, width])),
            asked[1].then(|| tensor(of_weight, [filters, channels, window.kernel[0], window.kernel[1]])),
            asked[2].then(|| tensor(bias, bias_shape)),
            asked[3].then(|| gradient.reshape([batch, filters * positions].into())),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::same_as_chain;
    use burn::tensor::Device;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;

    /// Strides, dilations and uneven padding; kernels as large as the input and of one place.
    #[test]
    fn the_kernel_is_the_chain() {
        let cases = [
            ([1, 1, 1, 1], 1, [1, 1], [1, 1], [1, 1], [(0, 0), (0, 0)]),
            ([3, 2, 5, 7], 4, [3, 2], [1, 2], [1, 1], [(1, 1), (0, 0)]),
            ([2, 1, 28, 28], 16, [8, 8], [2, 2], [1, 1], [(3, 3), (3, 3)]),
            ([2, 3, 9, 8], 13, [2, 3], [2, 1], [3, 2], [(2, 0), (1, 3)]),
            ([5, 16, 6, 5], 33, [4, 4], [2, 2], [1, 1], [(0, 0), (0, 1)]),
        ];
        for (input, filters, kernel, stride, dilation, padding) in cases {
            let window = Window { kernel, stride, dilation, padding, groups: 1 };
            let weight = [filters, input[1], kernel[0], kernel[1]];
            for instructions in [Instructions::Plain, Instructions::detect()] {
                let bias = |b: Tensor<4>| b.reshape([filters]);
                let run = |[x, w, b]: [Tensor<4>; 3]| {
                    run_with(&x, &w, Some(&bias(b)), window, None, instructions).expect("f32 on the processor").output
                };
                let options = || ConvOptions::new_with_padding(stride, padding, dilation, 1);
                same_as_chain([input, weight, [filters, 1, 1, 1]], 1.0, run, |[x, w, b]| conv2d(x, w, Some(bias(b)), options()));
                let run = |[x, w]: [Tensor<4>; 2]| run_with(&x, &w, None, window, None, instructions).expect("f32 on the processor").output;
                same_as_chain([input, weight], 1.0, run, |[x, w]| conv2d(x, w, None, options()));
            }
        }
    }

    #[test]
    fn the_gradient_of_the_tap_is_that_of_the_output() {
        let device = Device::flex();
        let window = Window { kernel: [2, 2], stride: [1, 1], dilation: [1, 1], padding: [(0, 0); 2], groups: 1 };
        let tap = Tensor::<2>::zeros([2, 12], &device).autodiff().require_grad();
        let (x, w) = (Tensor::<4>::ones([2, 1, 3, 3], &device).autodiff(), Tensor::<4>::ones([3, 1, 2, 2], &device));
        let output = run(&x, &w, None, window, Some(&tap)).expect("f32 on the processor").output;
        let towards = Tensor::<4>::from_primitive::<Flex>(tensor((0..24).map(|i| i as f32).collect(), [2, 3, 2, 2]));
        let gradients = (output * towards.clone().autodiff()).sum().backward();
        tap.grad(&gradients).expect("in the graph").into_data().assert_eq(&towards.reshape([2, 12]).into_data(), true);
    }
}
