//! Attention weights and what they mix, in all heads at once, on `[batch, length, heads · d]` as the linear layers give it.

use crate::instructions::{Instructions, for_each_instructions};
use crate::kernel::elementary::exp;
use crate::kernel::{Input, Kernel, Left, differentiable, product, slice, tensor};
use burn::backend::flex::FlexTensor;
use burn::tensor::{Bool, Tensor};
use rayon::prelude::*;

/// What a masked score becomes, and which are: `[batch, other]` and `[batch, length, other]`.
pub(super) struct Masks {
    pub(super) min_float: f32,
    pub(super) pad: Option<Tensor<2, Bool>>,
    pub(super) hidden: Option<Tensor<3, Bool>>,
}

/// `softmax(Q Kᵀ / √d)`, `[batch, heads, length, other]`, of queries `[batch, length, heads · d]` and keys `[batch, other, heads · d]`.
///
/// `None` where tensors, not slices, are needed.
pub(super) fn weights(query: &Tensor<3>, key: &Tensor<3>, heads: usize, masks: &Masks) -> Option<Tensor<4>> {
    weights_with(query, key, heads, masks, Instructions::detect())
}

/// `W V` in each head, `[batch, length, heads · d]`, of weights `[batch, heads, length, other]` and values `[batch, other, heads · d]`.
pub(super) fn mix(weights: &Tensor<4>, value: &Tensor<3>) -> Option<Tensor<3>> {
    mix_with(weights, value, Instructions::detect())
}

#[derive(Clone, Copy)]
struct Shape {
    batch: usize,
    heads: usize,
    length: usize,
    other: usize,
    /// Of a head.
    width: usize,
    instructions: Instructions,
}

impl Shape {
    fn is_empty(&self) -> bool {
        self.batch * self.heads * self.length * self.other * self.width == 0
    }

    fn row(&self) -> usize {
        self.heads * self.width
    }
}

fn weights_with(query: &Tensor<3>, key: &Tensor<3>, heads: usize, masks: &Masks, instructions: Instructions) -> Option<Tensor<4>> {
    let ([batch, length, all], [_, other, _]) = (query.dims(), key.dims());
    let shape = Shape { batch, heads, length, other, width: all / heads, instructions };
    let inputs = [Input::new(query)?, Input::new(key)?];
    let [query, key] = inputs.each_ref().map(Input::values);
    if shape.is_empty() || all % heads != 0 {
        return None;
    }
    let masked = masked(masks, &shape)?;
    let mut output = vec![0.0; batch * heads * length * other];
    output.par_chunks_mut(heads * length * other).enumerate().for_each(|(row, output)| {
        let [query, key] = [(&query, length), (&key, other)].map(|(t, count)| &slice(t)[row * count * all..][..count * all]);
        let mut transposed = vec![0.0; shape.width * other];
        for (head, output) in output.chunks_exact_mut(length * other).enumerate() {
            transpose(&key[head * shape.width..], all, [other, shape.width], &mut transposed);
            let left = Left { values: &query[head * shape.width..], row: all, column: 1 };
            product(left, (&transposed, other), (output, other), [length, shape.width, other], instructions);
            let masked = masked.as_ref().map_or(&[][..], |m| &m[row * length * other..][..length * other]);
            softmax(instructions, other, 1.0 / (shape.width as f32).sqrt(), (masked, masks.min_float), output);
        }
    });
    let weights = tensor(output, [batch, heads, length, other]);
    let saved = Weights { shape, query, key, weights: weights.clone(), masked };
    Some(differentiable(inputs, weights, saved))
}

/// 1 where a score is masked, `[batch, length, other]`; `None` inside where nothing is.
fn masked(masks: &Masks, shape: &Shape) -> Option<Option<Vec<u8>>> {
    let Masks { pad, hidden, .. } = masks;
    if pad.is_none() && hidden.is_none() {
        return Some(None);
    }
    let (length, other) = (shape.length, shape.other);
    let mut masked = match hidden {
        Some(hidden) if hidden.dims() == [shape.batch, length, other] => flags(&hidden.to_data()),
        Some(_) => return None,
        None => vec![0; shape.batch * length * other],
    };
    if let Some(pad) = pad {
        if pad.dims() != [shape.batch, other] {
            return None;
        }
        for (rows, pad) in masked.chunks_exact_mut(length * other).zip(flags(&pad.to_data()).chunks_exact(other)) {
            rows.chunks_exact_mut(other).for_each(|row| row.iter_mut().zip(pad).for_each(|(m, p)| *m |= p));
        }
    }
    Some(Some(masked))
}

fn flags(data: &burn::tensor::TensorData) -> Vec<u8> {
    data.iter::<bool>().map(u8::from).collect()
}

/// `[rows, columns]`, its rows `stride` apart, to `[columns, rows]`.
fn transpose(from: &[f32], stride: usize, [rows, columns]: [usize; 2], to: &mut [f32]) {
    for i in 0..rows {
        for (j, &x) in from[i * stride..][..columns].iter().enumerate() {
            to[j * rows + i] = x;
        }
    }
}

for_each_instructions! {
    /// Of each row of scores times `scale`, after its mask.
    fn softmax(other: usize, scale: f32, masked: (&[u8], f32), scores: &mut [f32]) {
        let (masked, min_float) = masked;
        let mut masks = masked.chunks_exact(other);
        for row in scores.chunks_exact_mut(other) {
            row.iter_mut().for_each(|x| *x *= scale);
            if let Some(mask) = masks.next() {
                row.iter_mut().zip(mask).for_each(|(x, &m)| *x = if m != 0 { min_float } else { *x });
            }
            let largest = row.iter().fold(f32::NEG_INFINITY, |m, &x| if x > m { x } else { m });
            row.iter_mut().for_each(|x| *x = exp(*x - largest));
            let sum: f32 = total(row);
            let inverse = 1.0 / sum;
            row.iter_mut().for_each(|x| *x *= inverse);
        }
    }
}

/// Sixteen partial sums.
#[inline(always)]
fn total(values: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let parts = values.chunks_exact(16);
    let rest: f32 = parts.remainder().iter().sum();
    parts.for_each(|part| sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x));
    sums.iter().sum::<f32>() + rest
}

for_each_instructions! {
    /// Gradients of weights become those of the scores before `scale`; zero where a score was masked.
    fn softmax_back(other: usize, scale: f32, weights: &[f32], masked: &[u8], gradient: &mut [f32]) {
        let mut masks = masked.chunks_exact(other);
        let mut terms = vec![0.0; other];
        for (w, g) in weights.chunks_exact(other).zip(gradient.chunks_exact_mut(other)) {
            terms.iter_mut().zip(w).zip(g.iter()).for_each(|((t, w), g)| *t = w * g);
            let mean = total(&terms);
            g.iter_mut().zip(w).for_each(|(g, w)| *g = w * (*g - mean) * scale);
            if let Some(mask) = masks.next() {
                g.iter_mut().zip(mask).for_each(|(g, &m)| *g = if m != 0 { 0.0 } else { *g });
            }
        }
    }
}

struct Weights {
    shape: Shape,
    query: FlexTensor,
    key: FlexTensor,
    weights: FlexTensor,
    masked: Option<Vec<u8>>,
}

impl Kernel<2> for Weights {
    fn backward(self, gradient: FlexTensor, _: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let Self { shape, query, key, weights, masked } = self;
        let Shape { batch, heads, length, other, width, instructions } = shape;
        let (all, each) = (shape.row(), length * other);
        let [mut of_query, mut of_key] = [vec![0.0; batch * length * all], vec![0.0; batch * other * all]];
        let rows = of_query.par_chunks_mut(length * all).zip(of_key.par_chunks_mut(other * all)).enumerate();
        rows.for_each(|(row, (of_query, of_key))| {
            let [query, key] = [(&query, length), (&key, other)].map(|(t, count)| &slice(t)[row * count * all..][..count * all]);
            let masked = masked.as_ref().map_or(&[][..], |m| &m[row * each..][..each]);
            for head in 0..heads {
                let at = (row * heads + head) * each;
                let mut scores = slice(&gradient)[at..][..each].to_vec();
                softmax_back(instructions, other, 1.0 / (width as f32).sqrt(), &slice(&weights)[at..][..each], masked, &mut scores);
                let from = head * width;
                let left = Left { values: &scores, row: other, column: 1 };
                product(left, (&key[from..], all), (&mut of_query[from..], all), [length, other, width], instructions);
                let left = Left { values: &scores, row: 1, column: other };
                product(left, (&query[from..], all), (&mut of_key[from..], all), [other, length, width], instructions);
            }
        });
        [Some(tensor(of_query, [batch, length, all])), Some(tensor(of_key, [batch, other, all]))]
    }
}

fn mix_with(weights: &Tensor<4>, value: &Tensor<3>, instructions: Instructions) -> Option<Tensor<3>> {
    let ([batch, heads, length, other], [_, _, all]) = (weights.dims(), value.dims());
    let shape = Shape { batch, heads, length, other, width: all / heads, instructions };
    let inputs = [Input::new(weights)?, Input::new(value)?];
    let [weights, value] = inputs.each_ref().map(Input::values);
    if shape.is_empty() || all % heads != 0 {
        return None;
    }
    let mut output = vec![0.0; batch * length * all];
    output.par_chunks_mut(length * all).enumerate().for_each(|(row, output)| {
        for head in 0..heads {
            let weights = &slice(&weights)[(row * heads + head) * length * other..][..length * other];
            let value = &slice(&value)[row * other * all + head * shape.width..];
            let left = Left { values: weights, row: other, column: 1 };
            product(left, (value, all), (&mut output[head * shape.width..], all), [length, other, shape.width], instructions);
        }
    });
    Some(differentiable(inputs, tensor(output, [batch, length, all]), Mixed { shape, weights, value }))
}

struct Mixed {
    shape: Shape,
    weights: FlexTensor,
    value: FlexTensor,
}

impl Kernel<2> for Mixed {
    fn backward(self, gradient: FlexTensor, _: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let Self { shape, weights, value } = self;
        let Shape { batch, heads, length, other, width, instructions } = shape;
        let (all, each) = (shape.row(), length * other);
        let [mut of_weights, mut of_value] = [vec![0.0; batch * heads * each], vec![0.0; batch * other * all]];
        let rows = of_weights.par_chunks_mut(heads * each).zip(of_value.par_chunks_mut(other * all)).enumerate();
        rows.for_each(|(row, (of_weights, of_value))| {
            let gradient = &slice(&gradient)[row * length * all..][..length * all];
            let mut transposed = vec![0.0; width * other];
            for (head, of_weights) in of_weights.chunks_exact_mut(each).enumerate() {
                let from = head * width;
                transpose(&slice(&value)[row * other * all + from..], all, [other, width], &mut transposed);
                let left = Left { values: &gradient[from..], row: all, column: 1 };
                product(left, (&transposed, other), (of_weights, other), [length, width, other], instructions);
                let weights = &slice(&weights)[(row * heads + head) * each..][..each];
                let left = Left { values: weights, row: 1, column: other };
                product(left, (&gradient[from..], all), (&mut of_value[from..], all), [other, length, width], instructions);
            }
        });
        [Some(tensor(of_weights, [batch, heads, length, other])), Some(tensor(of_value, [batch, other, all]))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::same_as_chain;
    use burn::tensor::{Device, TensorData, activation};

    fn by_heads(t: Tensor<3>, heads: usize) -> Tensor<4> {
        let [batch, length, all] = t.dims();
        t.reshape([batch, length, heads, all / heads]).swap_dims(1, 2)
    }

    #[test]
    fn the_weights_are_those_of_the_chain() {
        for (batch, heads, length, other, width) in [(1, 1, 1, 1, 1), (2, 3, 5, 7, 4), (3, 2, 18, 18, 33)] {
            let bools = |shape: [usize; 3], every: usize| {
                let values: Vec<bool> = (0..shape.iter().product()).map(|i: usize| i % every == every - 1).collect();
                Tensor::<3, Bool>::from_data(TensorData::new(values, shape), &Device::flex())
            };
            let pad = bools([1, batch, other], 5).squeeze_dim::<2>(0);
            // The first query may see nothing: its scores have no gradient, though its weights are not zero.
            let hidden = bools([batch, length, other], 3).slice_fill([0..1, 0..1, 0..other], true);
            for (pad, hidden) in [(None, None), (Some(pad.clone()), None), (None, Some(hidden.clone())), (Some(pad), Some(hidden))] {
                for instructions in [Instructions::Plain, Instructions::detect()] {
                    let masks = Masks { min_float: -1e4, pad: pad.clone(), hidden: hidden.clone() };
                    let kernel = |[q, k]: [Tensor<3>; 2]| weights_with(&q, &k, heads, &masks, instructions).expect("f32 on the processor");
                    let chain = |[q, k]: [Tensor<3>; 2]| {
                        let mut scores = by_heads(q, heads).matmul(by_heads(k, heads).transpose()) / (width as f32).sqrt();
                        if let Some(pad) = &pad {
                            scores = scores.mask_fill(pad.clone().reshape([batch, 1, 1, other]), -1e4);
                        }
                        if let Some(hidden) = &hidden {
                            scores = scores.mask_fill(hidden.clone().reshape([batch, 1, length, other]), -1e4);
                        }
                        activation::softmax(scores, 3)
                    };
                    same_as_chain([[batch, length, heads * width], [batch, other, heads * width]], 1.5, kernel, chain);
                }
            }
        }
    }

    #[test]
    fn what_they_mix_is_that_of_the_chain() {
        for (batch, heads, length, width) in [(1, 1, 1, 1), (2, 3, 5, 4), (3, 2, 18, 33)] {
            // Weights and values of as many places, so that both have four dimensions here.
            let shape = [[batch, heads, length, length], [1, batch, length, heads * width]];
            for instructions in [Instructions::Plain, Instructions::detect()] {
                let kernel = |[w, v]: [Tensor<4>; 2]| mix_with(&w, &v.squeeze_dim::<3>(0), instructions).expect("f32 on the processor");
                let chain = |[w, v]: [Tensor<4>; 2]| {
                    w.matmul(by_heads(v.squeeze_dim::<3>(0), heads)).swap_dims(1, 2).reshape([batch, length, heads * width])
                };
                same_as_chain(shape, 1.5, kernel, chain);
            }
        }
    }
}
