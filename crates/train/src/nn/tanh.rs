//! The hyperbolic tangent, which DP-SGD likes for its bounded output (Papernot et al. 2021, arXiv:2007.14191), without the C library's.

use crate::tape;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData, activation};

/// Applies [`tanh`] to each value, as [`burn::nn::Tanh`].
#[derive(Module, Debug, Default)]
pub struct Tanh;

impl Tanh {
    /// The layer.
    #[must_use]
    pub fn new() -> Self {
        Self
    }

    /// The layer's output, in the shape of its input.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        tanh(input)
    }
}

/// `tanh` of each value, as [`burn::tensor::activation::tanh`], to 5e-7 relative, its slope to 1e-6, and many times as fast on the processor.
///
/// Burn calls the C library for each value, and once more for its gradient. Here both come out of one loop over a rational function, and the
/// slope is a constant of the graph.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let x = Tensor::<1>::from_data([0.5, -20.0], &Device::flex());
/// let y: Vec<f32> = reticent_train::nn::tanh(x).into_data().try_to_vec()?;
/// assert!((y[0] - 0.5_f32.tanh()).abs() < 1e-7 && y[1] == -1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if x.dtype() != DType::F32 || x.device().without_autodiff() != Device::flex() {
        return activation::tanh(x);
    }
    let at = tape::plain(x.clone());
    let (shape, device) = (at.dims(), at.device());
    let Ok(mut values) = at.clone().into_data().try_into_vec::<f32>() else { return activation::tanh(x) };
    // Where the graph would compute with an infinity or what is no number, Burn's own says what comes of it.
    if !values.iter().all(|v| v.is_finite()) {
        return activation::tanh(x);
    }
    values.iter_mut().for_each(|v| *v = rational(*v));
    if !x.is_tracked() {
        let y = Tensor::from_data(TensorData::new(values, shape), &device);
        return if x.is_autodiff() { y.autodiff() } else { y };
    }
    let slope: Vec<f32> = values.iter().map(|y| 1.0 - y * y).collect();
    let constant = |values| Tensor::<D>::from_data(TensorData::new(values, shape), &device).autodiff();
    // x - x is an exact zero with the derivative of x.
    (x - at.autodiff()) * constant(slope) + constant(values)
}

/// tanh by Eigen's rational approximation of degrees 13 and 6 (`generic_fast_tanh_float`), at most 1 in size.
fn rational(x: f32) -> f32 {
    const EDGE: f32 = 7.905_311;
    let x = x.clamp(-EDGE, EDGE);
    let s = x * x;
    let mut p = -2.760_768_5e-16 * s + 2.000_188e-13;
    p = p * s - 8.604_672e-11;
    p = p * s + 5.122_297e-8;
    p = p * s + 1.485_722_4e-5;
    p = p * s + 6.372_619_3e-4;
    p = p * s + 4.893_524_6e-3;
    let mut q = 1.198_258_4e-6 * s + 1.185_347_1e-4;
    q = q * s + 2.268_434_6e-3;
    q = q * s + 4.893_525e-3;
    // Not x · p, which loses what is left of the smallest.
    (x * (p / q)).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient::read;

    /// Every 97th float, of either sign, from the smallest to the largest.
    #[test]
    fn tanh_is_tanh_over_all_floats() {
        let (mut worst, mut count) = (0.0_f64, 0);
        for bits in (1..f32::INFINITY.to_bits()).step_by(97) {
            let x = f32::from_bits(bits);
            let (y, exact) = (f64::from(rational(x)), f64::from(x).tanh());
            worst = worst.max((y - exact).abs() / exact.max(f64::from(f32::MIN_POSITIVE)));
            assert_eq!(rational(-x).to_bits(), (-rational(x)).to_bits(), "odd");
            count += 1;
        }
        assert!(count > 20_000_000 && worst < 5e-7, "off by {worst:e}");
        assert_eq!((rational(0.0), rational(f32::MAX), rational(f32::MIN)), (0.0, 1.0, -1.0));
    }

    fn both(x: &Tensor<2>, of: fn(Tensor<2>) -> Tensor<2>) -> [Vec<f64>; 2] {
        let x = x.clone().autodiff().require_grad();
        let y = of(x.clone());
        // The gradient that comes in differs from place to place, and from one pass to another does not.
        let weights: Vec<f32> = (0..y.shape().num_elements()).map(|i| (i as f32).sin()).collect();
        let weights: Tensor<2> = Tensor::from_data(TensorData::new(weights, y.dims()), &y.device());
        let gradients = (y.clone() * weights).sum().backward();
        [read(y.inner()), read(x.grad(&gradients).unwrap())]
    }

    #[test]
    fn values_and_gradients_are_those_of_burn() {
        let device = Device::flex();
        let x: Vec<f32> = (-600..600).map(|i| i as f32 / 40.0).collect();
        let x: Tensor<2> = Tensor::from_data(TensorData::new(x, [30, 40]), &device);
        for x in [x.clone(), x.transpose()] {
            let (ours, burns) = (both(&x, tanh), both(&x, activation::tanh));
            for (ours, burns) in ours.iter().zip(&burns) {
                let worst = ours.iter().zip(burns).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(worst < 1e-6, "off by {worst:e}");
            }
            assert_eq!(ours[0], read(tanh(x.clone())), "recorded in a graph or not");
            assert_eq!(ours[0], read(tanh(x.autodiff()).inner()));
        }
    }

    /// An overflow saturates, and what is no number stays none, so that the unit is found and left out.
    #[test]
    fn infinities_and_what_is_no_number_are_burns() {
        let x: Tensor<2> = Tensor::from_data([[f32::INFINITY, f32::NEG_INFINITY, 0.5]], &Device::flex());
        let [y, gradient] = both(&x, tanh);
        assert_eq!((y[0], y[1], gradient[0], gradient[1]), (1.0, -1.0, 0.0, 0.0));
        let x: Tensor<2> = Tensor::from_data([[f32::NAN, 1.0]], &Device::flex());
        let [y, gradient] = both(&x, tanh);
        assert!(y[0].is_nan() && gradient[0].is_nan() && gradient[1].is_finite());
    }
}
