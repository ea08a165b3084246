//! A thread-local tape: while it records, each layer of [`crate::nn`] leaves its input and a tap on its output.
//!
//! The tap is the bias broadcast to one row per example as a *leaf* of the graph, so that after `backward` its gradient is
//! ∂L/∂output, row by row. With the input, that is all a per-unit gradient needs; no weight gradient is computed.

use burn::module::ParamId;
use burn::tensor::Tensor;
use std::cell::RefCell;

/// One use of a linear layer.
pub(crate) struct Use {
    pub(crate) weight: ParamId,
    pub(crate) bias: ParamId,
    /// `[rows, inputs]`, outside the graph.
    pub(crate) input: Tensor<2>,
    /// `[rows, outputs]`, a leaf whose gradient is ∂L/∂output.
    pub(crate) tap: Tensor<2>,
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

pub(crate) fn push(layer: Use) {
    TAPE.with_borrow_mut(|tape| tape.as_mut().expect("asked is_recording first").push(layer));
}
