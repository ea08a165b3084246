//! `x · W + b` as one operation, with its gradients.

use crate::kernel::{Input, Kernel, View, differentiable, product_from, slice, tensor};
use crate::tape;
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;

/// What is added to a product.
pub(super) enum Added<'a> {
    /// To each row.
    Bias(Option<&'a Tensor<1>>),
    /// A leaf with a bias in each of its rows, or zeros: its gradient is the output's.
    Tap(&'a Tensor<2>, Option<&'a Tensor<1>>),
}

/// `[rows, inputs]` and `[inputs, outputs]` to `[rows, outputs]`.
///
/// `None` where tensors, not slices, are needed.
pub(super) fn run(x: &Tensor<2>, weight: &Tensor<2>, added: &Added<'_>) -> Option<Tensor<2>> {
    let ([rows, inner], [inputs, outputs]) = (x.dims(), weight.dims());
    // Burn says what is wrong with shapes that do not fit.
    if inner != inputs || rows * inner * outputs == 0 {
        return None;
    }
    let shape = [rows, outputs];
    let (is_tap, bias) = match added {
        Added::Bias(bias) => (false, *bias),
        Added::Tap(_, bias) => (true, *bias),
    };
    let bias = match bias {
        Some(bias) => Some(Input::new(bias)?),
        None => None,
    };
    let start = bias.as_ref().map(Input::values);
    let added = match added {
        Added::Tap(tap, _) => Input::new(*tap)?,
        // An absent bias is a constant, which is asked for nothing.
        Added::Bias(_) => bias.unwrap_or(Input::new(&tape::plain(x.clone()))?),
    };
    let inputs = [Input::new(x)?, Input::new(weight)?, added];
    let (x, weight) = (inputs[0].values(), inputs[1].as_it_lies());
    let output = product_from(start.as_ref().map(slice), View::new(slice(&x), [rows, inner]), View::of(&weight)?);
    Some(differentiable(inputs, tensor(output, shape), Saved { x, weight, is_tap }))
}

struct Saved {
    /// One row after another.
    x: FlexTensor,
    weight: FlexTensor,
    is_tap: bool,
}

impl Kernel<3> for Saved {
    fn backward(self, gradient: FlexTensor, [of_x, of_weight, of_added]: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let weight = View::of(&self.weight).expect("as in the forward pass");
        let [inputs, outputs] = weight.shape();
        let rows = slice(&gradient).len() / outputs;
        let g = View::new(slice(&gradient), [rows, outputs]);
        let of_x = of_x.then(|| tensor(product_from(None, g, weight.transpose()), [rows, inputs]));
        let of_weight = of_weight.then(|| {
            let x = View::new(slice(&self.x), [rows, inputs]);
            tensor(product_from(None, x.transpose(), g), [inputs, outputs])
        });
        let of_added = of_added.then(|| match self.is_tap {
            true => gradient.clone(),
            false => sum_of_rows(gradient.clone(), outputs),
        });
        [of_x, of_weight, of_added]
    }
}

fn sum_of_rows(t: FlexTensor, width: usize) -> FlexTensor {
    let sum = Tensor::<2>::from_primitive::<Flex>(t).sum_dim(0).reshape([width]);
    sum.try_into_primitive::<Flex>().expect("on the processor")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::same_as_chain;

    #[test]
    fn the_kernel_is_the_chain() {
        for [rows, inputs, outputs] in [[1, 1, 1], [3, 5, 2], [1, 7, 3], [600, 3, 1], [40, 33, 17]] {
            let shapes = [[rows, inputs], [inputs, outputs], [1, outputs]];
            let flat = |bias: Tensor<2>| -> Tensor<1> { bias.reshape([outputs]) };
            let chain = |[x, weight, bias]: [Tensor<2>; 3]| x.matmul(weight) + bias;
            let kernel =
                |[x, weight, bias]: [Tensor<2>; 3]| run(&x, &weight, &Added::Bias(Some(&flat(bias)))).expect("f32 on the processor");
            same_as_chain(shapes, 1.0, kernel, chain);
            let shapes = [[rows, inputs], [inputs, outputs]];
            let kernel = |[x, weight]: [Tensor<2>; 2]| run(&x, &weight, &Added::Bias(None)).expect("f32 on the processor");
            same_as_chain(shapes, 1.0, kernel, |[x, weight]| x.matmul(weight));
            // Views of what lies the other way.
            let shapes = [[inputs, rows], [outputs, inputs]];
            let kernel =
                |[x, weight]: [Tensor<2>; 2]| run(&x.transpose(), &weight.transpose(), &Added::Bias(None)).expect("f32 on the processor");
            same_as_chain(shapes, 1.0, kernel, |[x, weight]| x.transpose().matmul(weight.transpose()));
        }
    }

    /// A tap's value is given beside it, and its gradient is the output's.
    #[test]
    fn a_tap_is_added_and_watched() {
        let shapes = [[4, 3], [3, 2], [4, 2]];
        let kernel = |[x, weight, tap]: [Tensor<2>; 3]| {
            let bias = Tensor::<1>::from_floats([0.5, -2.0], &tape::plain(x.clone()).device());
            run(&x, &weight, &Added::Tap(&tap, Some(&bias))).expect("f32 on the processor")
        };
        let chain = |[x, weight, tap]: [Tensor<2>; 3]| {
            let bias = Tensor::<1>::from_floats([0.5, -2.0], &tape::plain(x.clone()).device()).autodiff();
            x.matmul(weight) + (tap.clone() - tap.detach()) + bias.reshape([1, 2])
        };
        same_as_chain(shapes, 1.0, kernel, chain);
    }
}
