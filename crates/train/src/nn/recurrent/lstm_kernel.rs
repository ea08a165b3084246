//! An LSTM over all its steps as one operation: a product a step, and the gates in one pass over it.
//!
//! The gates lie in the order input, output, cell, forget. Each thread takes some rows of the batch through all of time.

use crate::instructions::{Instructions, for_each_instructions};
use crate::kernel::elementary::{logistic, tanh};
use crate::kernel::{Input, Kernel, Left, differentiable, product, slice, tensor};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;

/// The hidden states after each step and the cell state after the last, `[batch, time + 1, d_hidden]`, from what the input gives the gates,
/// `[batch, time, 4 · d_hidden]`, the weight of the hidden state, `[d_hidden, 4 · d_hidden]`, and both first states, `[batch, d_hidden]`.
///
/// `None` where tensors, not slices, are needed.
pub(super) fn run(given: &Tensor<3>, weight: &Tensor<2>, [hidden, cell]: [&Tensor<2>; 2], reverse: bool) -> Option<Tensor<3>> {
    run_with(given, weight, [hidden, cell], reverse, Instructions::detect())
}

fn run_with(
    given: &Tensor<3>,
    weight: &Tensor<2>,
    [hidden, cell]: [&Tensor<2>; 2],
    reverse: bool,
    instructions: Instructions,
) -> Option<Tensor<3>> {
    let inputs = [Input::new(given)?, Input::new(weight)?, Input::new(hidden)?, Input::new(cell)?];
    let [batch, time, gates] = given.dims();
    let shape = Shape { batch, time, width: gates / 4, reverse, instructions };
    let [given, weight, hidden, cell] = inputs.each_ref().map(Input::values);
    let parts = shape.parts();
    let part = |rows: &std::ops::Range<usize>| Part::forward(&shape, rows.clone(), [&given, &weight, &hidden, &cell].map(slice));
    let parts: Vec<Part> = parts.par_iter().map(part).collect();
    let mut output = Vec::with_capacity(batch * (time + 1) * shape.width);
    parts.iter().for_each(|part| part.write(&shape, &mut output));
    let output = tensor(output, [batch, time + 1, shape.width]);
    Some(differentiable(inputs, output, Saved { shape, weight, parts }))
}

struct Shape {
    batch: usize,
    time: usize,
    width: usize,
    reverse: bool,
    instructions: Instructions,
}

impl Shape {
    /// The rows of each thread.
    fn parts(&self) -> Vec<std::ops::Range<usize>> {
        let each = self.batch.div_ceil(rayon::current_num_threads()).max(1);
        (0..self.batch).step_by(each).map(|from| from..self.batch.min(from + each)).collect()
    }

    /// Where in time the i-th step is.
    fn at(&self, i: usize) -> usize {
        if self.reverse { self.time - 1 - i } else { i }
    }
}

/// Some rows through all of time; all values lie step by step, each step row by row.
struct Part {
    rows: usize,
    /// The gates, after their activations.
    gates: Vec<f32>,
    /// Hidden and cell states, the first ones in front.
    hidden: Vec<f32>,
    cells: Vec<f32>,
    /// tanh of the cell states.
    shown: Vec<f32>,
}

impl Part {
    fn forward(shape: &Shape, rows: std::ops::Range<usize>, [given, weight, hidden, cell]: [&[f32]; 4]) -> Self {
        let (width, time, count) = (shape.width, shape.time, rows.len());
        let (gates, one) = (4 * width, count * width);
        let first = |state: &[f32]| {
            let mut all = Vec::with_capacity((time + 1) * one);
            all.extend_from_slice(&state[rows.start * width..rows.end * width]);
            all.resize((time + 1) * one, 0.0);
            all
        };
        let (hidden, cells) = (first(hidden), first(cell));
        let mut part = Self { rows: count, gates: Vec::with_capacity(time * count * gates), hidden, cells, shown: vec![0.0; time * one] };
        for i in 0..time {
            rows.clone().for_each(|row| part.gates.extend_from_slice(&given[(row * time + shape.at(i)) * gates..][..gates]));
            let now = &mut part.gates[i * count * gates..];
            let (before, after) = part.hidden[i * one..].split_at_mut(one);
            product(
                Left { values: before, row: width, column: 1 },
                (weight, gates),
                (now, gates),
                [count, width, gates],
                shape.instructions,
            );
            let (cell, next) = part.cells[i * one..].split_at_mut(one);
            step(shape.instructions, width, now, cell, &mut next[..one], &mut part.shown[i * one..][..one], &mut after[..one]);
        }
        part
    }

    /// Hidden states and last cell state, row by row.
    fn write(&self, shape: &Shape, output: &mut Vec<f32>) {
        let (width, one) = (shape.width, self.rows * shape.width);
        for row in 0..self.rows {
            (0..shape.time).for_each(|t| output.extend_from_slice(&self.hidden[(shape.at(t) + 1) * one + row * width..][..width]));
            output.extend_from_slice(&self.cells[shape.time * one + row * width..][..width]);
        }
    }

    /// The gradients of given, weight, hidden and cell, of this part's rows.
    fn backward(&self, shape: &Shape, gradient: &[f32], (weight, transposed): (&[f32], &[f32]), of_weight: bool) -> [Vec<f32>; 4] {
        let (width, time, count) = (shape.width, shape.time, self.rows);
        let (gates, one) = (4 * width, count * width);
        let mut given = vec![0.0; count * time * gates];
        let mut sum = vec![0.0; if of_weight { weight.len() } else { 0 }];
        let (mut hidden, mut cell) = (vec![0.0; one], vec![0.0; one]);
        let mut now = vec![0.0; count * gates];
        for row in 0..count {
            cell[row * width..][..width].copy_from_slice(&gradient[(row * (time + 1) + time) * width..][..width]);
        }
        for i in (0..time).rev() {
            let t = shape.at(i);
            for row in 0..count {
                let from = &gradient[(row * (time + 1) + t) * width..][..width];
                hidden[row * width..][..width].iter_mut().zip(from).for_each(|(h, g)| *h += g);
            }
            let (after, cells) = (&self.gates[i * count * gates..][..count * gates], &self.cells[i * one..][..one]);
            step_back(shape.instructions, width, [after, cells, &self.shown[i * one..][..one]], &hidden, &mut cell, &mut now);
            for row in 0..count {
                given[(row * time + t) * gates..][..gates].copy_from_slice(&now[row * gates..][..gates]);
            }
            hidden.fill(0.0);
            let left = Left { values: &now, row: gates, column: 1 };
            product(left, (transposed, width), (&mut hidden, width), [count, gates, width], shape.instructions);
            if of_weight {
                let left = Left { values: &self.hidden[i * one..][..one], row: 1, column: width };
                product(left, (&now, gates), (&mut sum, gates), [width, count, gates], shape.instructions);
            }
        }
        [given, sum, hidden, cell]
    }
}

for_each_instructions! {
    /// The gates of a step, before their activations, become what they are after; with the states.
    fn step(width: usize, gates: &mut [f32], cells: &[f32], next: &mut [f32], shown: &mut [f32], hidden: &mut [f32]) {
        let rows = gates.chunks_exact_mut(4 * width).zip(cells.chunks_exact(width));
        let outputs = next.chunks_exact_mut(width).zip(shown.chunks_exact_mut(width)).zip(hidden.chunks_exact_mut(width));
        for ((gates, cell), ((next, shown), hidden)) in rows.zip(outputs) {
            gates[..2 * width].iter_mut().for_each(|x| *x = logistic(*x));
            gates[2 * width..3 * width].iter_mut().for_each(|x| *x = tanh(*x));
            gates[3 * width..].iter_mut().for_each(|x| *x = logistic(*x));
            let ([take, show], [new, keep]) = ([&gates[..width], &gates[width..2 * width]], [&gates[2 * width..3 * width], &gates[3 * width..]]);
            for k in 0..width {
                next[k] = keep[k] * cell[k] + take[k] * new[k];
                shown[k] = tanh(next[k]);
                hidden[k] = show[k] * shown[k];
            }
        }
    }
}

for_each_instructions! {
    /// From the gradients of the hidden and the cell state after a step to those of the gates, before their activations, and of the cell
    /// state before it.
    fn step_back(width: usize, after: [&[f32]; 3], hidden: &[f32], cell: &mut [f32], gradients: &mut [f32]) {
        let [gates, cells, shown] = after;
        let saved = gates.chunks_exact(4 * width).zip(cells.chunks_exact(width)).zip(shown.chunks_exact(width));
        let of_states = hidden.chunks_exact(width).zip(cell.chunks_exact_mut(width));
        for ((((gates, before), shown), (hidden, cell)), gradients) in saved.zip(of_states).zip(gradients.chunks_exact_mut(4 * width)) {
            let ([take, show], [new, keep]) = ([&gates[..width], &gates[width..2 * width]], [&gates[2 * width..3 * width], &gates[3 * width..]]);
            let (of_take, rest) = gradients.split_at_mut(width);
            let (of_show, rest) = rest.split_at_mut(width);
            let (of_new, of_keep) = rest.split_at_mut(width);
            let (before, shown, hidden, cell, of_keep) = (&before[..width], &shown[..width], &hidden[..width], &mut cell[..width], &mut of_keep[..width]);
            for k in 0..width {
                let of_cell = cell[k] + hidden[k] * show[k] * (1.0 - shown[k] * shown[k]);
                of_show[k] = hidden[k] * shown[k] * show[k] * (1.0 - show[k]);
                of_take[k] = of_cell * new[k] * take[k] * (1.0 - take[k]);
                of_new[k] = of_cell * take[k] * (1.0 - new[k] * new[k]);
                of_keep[k] = of_cell * before[k] * keep[k] * (1.0 - keep[k]);
                cell[k] = of_cell * keep[k];
            }
        }
    }
}

struct Saved {
    shape: Shape,
    weight: FlexTensor,
    parts: Vec<Part>,
}

impl Kernel<4> for Saved {
    fn backward(self, gradient: FlexTensor, asked: [bool; 4]) -> [Option<FlexTensor>; 4] {
        let Self { shape, weight, parts } = self;
        let (width, gates) = (shape.width, 4 * shape.width);
        let weight = slice(&weight);
        let transposed: Vec<f32> = (0..gates).flat_map(|j| (0..width).map(move |i| weight[i * gates + j])).collect();
        let each = (shape.time + 1) * width;
        let mut gradients = vec![];
        let mut rest = slice(&gradient);
        for part in parts {
            let own;
            (own, rest) = rest.split_at(part.rows * each);
            gradients.push((part, own));
        }
        let back = |(part, own): (Part, &[f32])| part.backward(&shape, own, (weight, &transposed), asked[1]);
        // Put together in order: the sum must not depend on which thread is first.
        let all: Vec<[Vec<f32>; 4]> = gradients.into_par_iter().map(back).collect();
        let all = all.into_iter().reduce(|[mut given, mut sum, mut hidden, mut cell], [more, of_weight, h, c]| {
            given.extend(more);
            sum.iter_mut().zip(of_weight).for_each(|(sum, more)| *sum += more);
            hidden.extend(h);
            cell.extend(c);
            [given, sum, hidden, cell]
        });
        let [given, sum, hidden, cell] = all.unwrap_or_default();
        let state = [shape.batch, width];
        [
            asked[0].then(|| tensor(given, [shape.batch, shape.time, gates])),
            asked[1].then(|| tensor(sum, [width, gates])),
            asked[2].then(|| tensor(hidden, state)),
            asked[3].then(|| tensor(cell, state)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NotPrivateSeed;
    use crate::gradient::read;
    use crate::nn::{Lstm, LstmConfig};
    use burn::tensor::{Device, TensorData};
    use rand::RngExt;

    /// The chain of tensor operations, step by step.
    fn chain(layer: &Lstm, given: &Tensor<3>, weight: &Tensor<2>, [hidden, cell]: [&Tensor<2>; 2], reverse: bool) -> Tensor<3> {
        let ([_, time, _], width) = (given.dims(), layer.d_hidden);
        let (mut h, mut c) = (hidden.clone(), cell.clone());
        let mut outputs: Vec<Option<Tensor<3>>> = vec![None; time];
        for i in 0..time {
            let t = if reverse { time - 1 - i } else { i };
            let all = given.clone().narrow(1, t, 1).squeeze_dim::<2>(1) + h.matmul(weight.clone());
            let of = |gate: usize| all.clone().narrow(1, gate * width, width);
            let (take, show, keep) =
                (layer.gate_activation.forward(of(0)), layer.gate_activation.forward(of(1)), layer.gate_activation.forward(of(3)));
            c = keep * c + take * of(2).tanh();
            h = show * c.clone().tanh();
            outputs[t] = Some(h.clone().unsqueeze_dim(1));
        }
        let mut outputs: Vec<Tensor<3>> = outputs.into_iter().flatten().collect();
        outputs.push(c.unsqueeze_dim(1));
        Tensor::cat(outputs, 1)
    }

    /// Output and all four gradients, forward and in reverse, on both kernels; also where only some inputs are in a graph.
    #[test]
    fn the_kernel_is_the_chain() {
        let device = Device::flex().autodiff();
        let mut rng = NotPrivateSeed(3).rng();
        let mut within = |shape: [usize; 3], range: f32| {
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-range..range)).collect();
            Tensor::<3>::from_data(TensorData::new(values, shape), &Device::flex())
        };
        for (batch, time, width) in [(1, 1, 1), (5, 4, 7), (13, 3, 16), (4, 9, 33)] {
            let layer = LstmConfig::new(1, width, true).init(&device);
            for (reverse, instructions) in
                [(false, Instructions::Plain), (true, Instructions::Plain), (false, Instructions::detect()), (true, Instructions::detect())]
            {
                // Larger weights would make rounding grow from step to step.
                let values = (
                    within([batch, time, 4 * width], 1.5),
                    within([1, width, 4 * width], 1.5 / (width as f32).sqrt()),
                    within([1, batch, width], 1.5),
                    within([1, batch, width], 1.5),
                );
                let towards = within([batch, time + 1, width], 1.5);
                let mut found = vec![];
                for kernel in [true, false] {
                    let given = values.0.clone().autodiff().require_grad();
                    let [weight, hidden, cell] =
                        [&values.1, &values.2, &values.3].map(|t| t.clone().squeeze_dim::<2>(0).autodiff().require_grad());
                    let output = match kernel {
                        true => run_with(&given, &weight, [&hidden, &cell], reverse, instructions).expect("f32 on the processor"),
                        false => chain(&layer, &given, &weight, [&hidden, &cell], reverse),
                    };
                    let gradients = (output.clone() * towards.clone().autodiff()).sum().backward();
                    let of = |t: &Tensor<2>| read(t.grad(&gradients).expect("in the graph"));
                    found.push([
                        read(output.inner()),
                        read(given.grad(&gradients).expect("in the graph")),
                        of(&weight),
                        of(&hidden),
                        of(&cell),
                    ]);
                }
                for (what, (a, b)) in ["output", "given", "weight", "hidden", "cell"].iter().zip(found[0].iter().zip(&found[1])) {
                    let largest = b.iter().fold(1e-3_f64, |m, x| m.max(x.abs()));
                    let off = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    assert!(
                        a.len() == b.len() && off < 1e-5 * largest,
                        "{what}, {batch}×{time}×{width}, {reverse} {instructions:?}: {off:e} of {largest}"
                    );
                }
            }
        }
        let plain = within([3, 2, 8], 1.5);
        let weight = Tensor::zeros([2, 8], &Device::flex());
        let state = Tensor::zeros([3, 2], &Device::flex());
        assert!(!run(&plain, &weight, [&state, &state], false).expect("on the processor").is_autodiff());
        let tracked = run(&plain.autodiff().require_grad(), &weight, [&state, &state], false).expect("on the processor");
        assert!(tracked.is_tracked());
    }
}
