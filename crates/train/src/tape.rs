//! A thread-local tape: while it records, each layer of [`crate::nn`] leaves a tap on its output and what per-unit gradients need.
//!
//! A tap is a *leaf* of the graph that is added to a layer's output (its bias, broadcast to one row per example), so that after
//! `backward` its gradient is ∂L/∂output, row by row. With the layer's input that is all that a per-unit gradient needs; no weight
//! gradient is computed.

use crate::gradient::Contribution;
use burn::module::Param;
use burn::tensor::{Device, Tensor};
use std::cell::RefCell;

/// One use of a layer.
pub(crate) struct Use {
    /// A leaf whose gradient is ∂L/∂output, in any layout whose first dimension holds the rows in order.
    tap: Tensor<2>,
    contributions: Contributions,
}

/// What a layer makes of its output gradient.
type Contributions = Box<dyn FnOnce(Tensor<2>) -> Vec<Contribution>>;

impl Use {
    pub(crate) fn into_parts(self) -> (Tensor<2>, Contributions) {
        (self.tap, self.contributions)
    }

    /// How many values the layer put out.
    pub(crate) fn outputs(&self) -> usize {
        self.tap.shape().num_elements()
    }
}

thread_local! {
    static TAPE: RefCell<Option<Vec<Use>>> = const { RefCell::new(None) };
}

/// Runs `forward` while recording, and gives what it returned with the layers it used, in order.
pub(crate) fn record<T>(forward: impl FnOnce() -> T) -> (T, Vec<Use>) {
    /// Clears the tape also when `forward` panics.
    struct Scope;
    impl Drop for Scope {
        fn drop(&mut self) {
            TAPE.take();
        }
    }
    let outer = TAPE.replace(Some(vec![]));
    assert!(outer.is_none(), "a private step does not nest");
    let scope = Scope;
    let result = forward();
    let uses = TAPE.take().unwrap_or_default();
    drop(scope);
    (result, uses)
}

/// Whether a private step is recording on this thread.
pub(crate) fn is_recording() -> bool {
    TAPE.with_borrow(Option::is_some)
}

/// A tap of `rows × width`: the bias in every row, or zero where there is none. Its gradient is handed to `contributions` after `backward`.
///
/// Both are views of stride zero: nothing of the size of the output is stored.
pub(crate) fn tap(
    bias: Option<Tensor<1>>,
    shape: [usize; 2],
    device: &Device,
    contributions: impl FnOnce(Tensor<2>) -> Vec<Contribution> + 'static,
) -> Tensor<2> {
    let tap = leaf(bias, shape, device);
    attach(tap.clone(), contributions);
    tap
}

/// A [`tap`] that [`attach`] puts on the tape, for a layer that knows what its contributions need only after the tap is used.
pub(crate) fn leaf(bias: Option<Tensor<1>>, [rows, width]: [usize; 2], device: &Device) -> Tensor<2> {
    let row: Tensor<2> = match bias {
        Some(bias) => plain(bias).reshape([1, width]),
        None => Tensor::zeros([1, 1], &device.clone().without_autodiff()),
    };
    row.expand([rows, width]).autodiff().require_grad()
}

/// Puts a [`leaf`] on the tape.
pub(crate) fn attach(tap: Tensor<2>, contributions: impl FnOnce(Tensor<2>) -> Vec<Contribution> + 'static) {
    let used = Use { tap, contributions: Box::new(contributions) };
    TAPE.with_borrow_mut(|tape| tape.as_mut().expect("asked is_recording first").push(used));
}

/// `output`, `[batch, ..]`, with a tap on it: its gradient, of the same shape, is handed to `contributions` after `backward`.
pub(crate) fn watch<const D: usize>(output: Tensor<D>, contributions: impl FnOnce(Tensor<D>) -> Vec<Contribution> + 'static) -> Tensor<D> {
    let shape = output.dims();
    let (rows, width) = (shape[0], shape[1..].iter().product());
    let dtype = output.dtype();
    let tap = tap(None, [rows, width], &output.device(), move |gradient| contributions(gradient.reshape(shape))).cast(dtype);
    (output.reshape([rows, width]) + tap).reshape(shape)
}

/// The value outside any graph.
pub(crate) fn plain<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.is_autodiff() { tensor.inner() } else { tensor }
}

/// The value in the graph, as a constant.
pub(crate) fn constant<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    plain(tensor).autodiff()
}

/// The tensor in the graph, as what it is there.
pub(crate) fn tracked<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.is_autodiff() { tensor } else { tensor.autodiff() }
}

/// Whether a step may move this parameter.
pub(crate) fn is_trainable<const D: usize>(param: &Param<Tensor<D>>) -> bool {
    param.base().is_require_grad()
}
