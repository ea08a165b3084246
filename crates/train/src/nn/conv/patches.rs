//! A convolution's gradient as a sum of outer products over positions.
//!
//! With `x` padded, a convolution is `y[o, t] = Σ_{c,k} w[o, c, k] x[c, t·stride + k·dilation]`, so that
//! `∂L/∂w = Σ_t g_t ⊗ patch_t(x)`. A transposed convolution is the same map backwards,
//! `y[o, t·stride + k·dilation] += w[c, o, k] x[c, t]` with the output padded, so that `∂L/∂w = Σ_t x_t ⊗ patch_t(g)`: there the
//! positions are the input's and the patches the output gradient's. Each holds for every group of channels on its own.

use super::kernel::{self, Convolved};
use crate::gradient::{Contribution, Form, Rows};
use crate::tape;
use burn::module::Param;
use burn::tensor::{Slice, Tensor};

/// A convolution in two dimensions by its kernel for processors, recorded if a step is recording; `None` where [`apply`] is needed.
pub(super) fn apply_kernel(
    input: &Tensor<4>,
    (weight, bias): (&Param<Tensor<4>>, Option<&Param<Tensor<1>>>),
    window: Window<2>,
) -> Option<Tensor<4>> {
    if !tape::is_recording() {
        return Some(kernel::run(input, &weight.val(), bias.map(|b| b.val()).as_ref(), window, None)?.output);
    }
    let input = tape::tracked(input.clone());
    let [batch, _, height, width] = input.dims();
    let places = window.places(0, height)? * window.places(1, width)?;
    let [filters, ..] = weight.dims();
    let weight_id = tape::is_trainable(weight).then_some(weight.id);
    let bias_id = bias.filter(|b| tape::is_trainable(b)).map(|b| b.id);
    let tap = tape::leaf(None, [batch, filters * places], &input.device());
    let (weight, bias) = (tape::constant(weight.val()), bias.map(|b| tape::constant(b.val())));
    let Convolved { output, patches } = kernel::run(&input, &weight, bias.as_ref(), window, Some(&tap))?;
    tape::attach(tap, move |gradient| {
        let gradient: Tensor<3> = gradient.reshape([batch, filters, places]).swap_dims(1, 2);
        let of_weight = weight_id.map(|parameter| {
            let rows = Rows::Dense(gradient.clone().unsqueeze_dim(1));
            Contribution { parameter, form: Form::Outer { rows, cols: patches } }
        });
        of_weight.into_iter().chain(bias_id.map(|id| Contribution::sum(id, gradient))).collect()
    });
    Some(output)
}

/// Which of the two maps a kernel stands for.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    /// The weight is `[out, in / groups, kernel..]`.
    Forwards,
    /// The weight is `[in, out / groups, kernel..]`.
    Transposed,
}

/// The output of a layer by `run`, which is Burn's own operation; recorded if a step is recording.
pub(super) fn apply<const D: usize, const S: usize>(
    input: Tensor<D>,
    (weight, bias): (&Param<Tensor<D>>, Option<&Param<Tensor<1>>>),
    (direction, window): (Direction, Window<S>),
    run: impl FnOnce(Tensor<D>, Tensor<D>, Option<Tensor<1>>) -> Tensor<D>,
) -> Tensor<D> {
    if !tape::is_recording() {
        return run(input, weight.val(), bias.map(|b| b.val()));
    }
    let input = tape::tracked(input);
    let seen = tape::plain(input.clone());
    let weight_id = tape::is_trainable(weight).then_some(weight.id);
    let bias_id = bias.filter(|b| tape::is_trainable(b)).map(|b| b.id);
    let output = run(input, tape::constant(weight.val()), bias.map(|b| tape::constant(b.val())));
    tape::watch(output, move |gradient| {
        let of_weight = weight_id.map(|parameter| {
            let (at, under) = match direction {
                Direction::Forwards => (gradient.clone(), seen),
                Direction::Transposed => (seen, gradient.clone()),
            };
            let (groups, places) = (window.groups, places(&at));
            let rows = Rows::Dense(positions(at, groups));
            Contribution { parameter, form: Form::Outer { rows, cols: patches(under, window.in_three(), places) } }
        });
        let of_bias = bias_id.map(|id| Contribution::sum(id, positions(gradient, 1).squeeze_dim(1)));
        of_weight.into_iter().chain(of_bias).collect()
    })
}

/// Where the kernel lies, in as many dimensions as there are.
#[derive(Clone, Copy)]
pub(super) struct Window<const S: usize> {
    pub(super) kernel: [usize; S],
    pub(super) stride: [usize; S],
    pub(super) dilation: [usize; S],
    /// Before and after, in each dimension.
    pub(super) padding: [(usize, usize); S],
    pub(super) groups: usize,
}

impl<const S: usize> Window<S> {
    /// How many places the kernel has along an axis of this size; `None` where it does not fit.
    pub(super) fn places(&self, axis: usize, size: usize) -> Option<usize> {
        let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
        let free = (size + self.padding[axis].0 + self.padding[axis].1).checked_sub(reach)?;
        Some(free / self.stride[axis] + 1)
    }

    /// In three dimensions, the first of them of size one where there are fewer.
    fn in_three(self) -> Window<3> {
        let Self { kernel, stride, dilation, padding, groups } = self;
        Window { kernel: widen(kernel, 1), stride: widen(stride, 1), dilation: widen(dilation, 1), padding: widen(padding, (0, 0)), groups }
    }
}

/// The sizes of all but batch and channels.
fn places<const D: usize>(t: &Tensor<D>) -> [usize; 3] {
    let mut last = [1; 3];
    last[5 - D..].copy_from_slice(&t.dims()[2..]);
    last
}

/// `[batch, channels, places..]` becomes `[batch, groups, positions, channels / groups]`.
fn positions<const D: usize>(t: Tensor<D>, groups: usize) -> Tensor<4> {
    let dims = t.dims();
    let places = dims[2..].iter().product();
    let t: Tensor<4> = t.reshape([dims[0], groups, dims[1] / groups, places]);
    t.swap_dims(2, 3)
}

/// What the kernel sees at each of `places`: `[batch, groups, positions, channels / groups · kernel]`.
fn patches<const D: usize>(t: Tensor<D>, window: Window<3>, places: [usize; 3]) -> Tensor<4> {
    let Window { kernel, stride, dilation, padding, groups } = window;
    let (dims, sizes) = (t.dims(), self::places(&t));
    let t: Tensor<5> = t.reshape([dims[0], dims[1], sizes[0], sizes[1], sizes[2]]);
    let t = if padding == [(0, 0); 3] { t } else { t.pad(padding, 0.0) };
    let slice = |axis: usize, offset: usize| {
        let from = offset * dilation[axis];
        Slice::new(from as isize, Some((from + (places[axis] - 1) * stride[axis] + 1) as isize), stride[axis] as isize)
    };
    let count = places.iter().product();
    let mut seen: Vec<Tensor<4>> = vec![];
    for (d, h, w) in offsets(kernel) {
        let at = t.clone().slice([Slice::full(), Slice::full(), slice(0, d), slice(1, h), slice(2, w)]);
        seen.push(at.reshape([dims[0], dims[1], 1, count]));
    }
    let width = dims[1] / groups * kernel.iter().product::<usize>();
    let seen: Tensor<4> = Tensor::cat(seen, 2).reshape([dims[0], groups, width, count]);
    seen.swap_dims(2, 3)
}

/// The places in a kernel, in the order its weights lie.
fn offsets([depth, height, width]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..depth).flat_map(move |d| (0..height).flat_map(move |h| (0..width).map(move |w| (d, h, w))))
}

/// The same in three dimensions, the first ones `with`.
fn widen<T: Copy, const S: usize>(of: [T; S], with: T) -> [T; 3] {
    let mut three = [with; 3];
    three[3 - S..].copy_from_slice(&of);
    three
}
