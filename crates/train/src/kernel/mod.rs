//! Operations on the processor's own memory, with gradients: what layers run instead of a chain of tensor operations, where they can.
//!
//! A kernel takes `f32` tensors of Burn's flex backend and computes on slices. Everywhere else (other devices and precisions, gradient
//! checkpointing) a layer runs its chain of tensor operations, against which its kernel is tested.

pub(crate) mod elementary;
mod large;
mod product;

pub(crate) use large::{View, product_from};
pub(crate) use product::{Left, product};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Tensor, TensorData};
use std::marker::PhantomData;

/// How many parts, of so many operations each, a thread takes at least: handing them over takes it some microseconds.
pub(crate) fn least(operations: usize) -> usize {
    const WORTH: usize = 1 << 17;
    if rayon::current_num_threads() == 1 { usize::MAX } else { (WORTH / operations.max(1)).max(1) }
}

/// What a kernel needs for its gradients, of one use.
pub(crate) trait Kernel<const N: usize>: Send + 'static {
    /// The gradients of the inputs, from the output's; those that nobody asked for can be left out.
    fn backward(self, gradient: FlexTensor, asked: [bool; N]) -> [Option<FlexTensor>; N];
}

/// An input of a kernel.
pub(crate) enum Input {
    Plain(FlexTensor),
    InGraph(FloatTensor<Autodiff<Flex>>),
}

impl Input {
    /// `None` where the tensor is not `f32` on the processor, or its graph is not an ordinary one.
    pub(crate) fn new<const D: usize>(t: &Tensor<D>) -> Option<Self> {
        if t.dtype() != DType::F32 {
            return None;
        }
        match t.is_autodiff() {
            false => t.clone().try_into_primitive::<Flex>().ok().map(Self::Plain),
            true => t.clone().try_into_primitive::<Autodiff<Flex>>().ok().map(Self::InGraph),
        }
    }

    /// The values, one row after another.
    pub(crate) fn values(&self) -> FlexTensor {
        let tensor = self.as_it_lies();
        if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
    }

    /// The values, in whatever order.
    pub(crate) fn as_it_lies(&self) -> FlexTensor {
        match self {
            Self::Plain(t) => t.clone(),
            Self::InGraph(t) => t.primitive().clone(),
        }
    }

    fn in_graph(self) -> FloatTensor<Autodiff<Flex>> {
        match self {
            Self::InGraph(t) => t,
            Self::Plain(t) => {
                let t = Tensor::<1>::from_primitive::<Flex>(flat(t)).autodiff();
                t.try_into_primitive::<Autodiff<Flex>>().expect("an ordinary graph on the processor")
            }
        }
    }
}

/// The values of a contiguous `f32` tensor.
pub(crate) fn slice(t: &FlexTensor) -> &[f32] {
    t.as_slice().expect("contiguous f32")
}

/// The values of a contiguous `f32` tensor, to be changed: its own where nobody else holds them, a copy otherwise.
pub(crate) fn slice_mut(t: &mut FlexTensor) -> &mut [f32] {
    let (from, to) = t.layout().contiguous_offsets().expect("contiguous f32");
    &mut t.storage_mut()[from..to]
}

/// A tensor of these values, one row after another.
pub(crate) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

fn flat(t: FlexTensor) -> FlexTensor {
    let length = t.layout().num_elements();
    let t = if t.is_contiguous() { t } else { t.to_contiguous() };
    t.reshape([length].into())
}

/// The output of a kernel in the graph of its inputs, if any of them is in one.
pub(crate) fn differentiable<K: Kernel<N>, const N: usize, const D: usize>(inputs: [Input; N], output: FlexTensor, kernel: K) -> Tensor<D> {
    if inputs.iter().all(|input| matches!(input, Input::Plain(_))) {
        return Tensor::from_primitive::<Flex>(output);
    }
    let nodes = inputs.map(|input| input.in_graph().node());
    let output = match Step::<K, N>(PhantomData).prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(Saved::new(kernel), output),
        OpsKind::UnTracked(step) => step.finish(output),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

/// A kernel under way in a graph, which wants its state to be cloned: that never happens between a forward and its one backward pass.
struct Saved<K>(std::sync::Arc<std::sync::Mutex<Option<K>>>);

impl<K> Saved<K> {
    fn new(kernel: K) -> Self {
        Self(std::sync::Arc::new(std::sync::Mutex::new(Some(kernel))))
    }
}

impl<K> Clone for Saved<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> std::fmt::Debug for Saved<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Saved")
    }
}

struct Step<K, const N: usize>(PhantomData<K>);

impl<K, const N: usize> std::fmt::Debug for Step<K, N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Step")
    }
}

impl<K: Kernel<N>, const N: usize> Backward<Flex, N> for Step<K, N> {
    type State = Saved<K>;

    fn backward(self, ops: Ops<Saved<K>, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let gradient = if gradient.is_contiguous() { gradient } else { gradient.to_contiguous() };
        let kernel = ops.state.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take().expect("a graph is walked once");
        let asked = ops.parents.each_ref().map(Option::is_some);
        for (parent, gradient) in ops.parents.into_iter().zip(kernel.backward(gradient, asked)) {
            if let Some(parent) = parent {
                gradients.register::<Flex>(parent.id, gradient.expect("asked for"));
            }
        }
    }
}
