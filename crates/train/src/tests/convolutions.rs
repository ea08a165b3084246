//! Convolutions in all their options against the oracle and `burn::nn`.

use super::harness::{After, Rows, check_fast, check_same_as_burn, drawn, normal};
use super::*;
use crate::nn::conv;
use burn::nn::{PaddingConfig1d, PaddingConfig2d, PaddingConfig3d};

fn training() -> Device {
    Device::flex().autodiff()
}

/// Groups and channels: one group, several, depthwise (a channel to a group), depthwise with a multiplier.
fn channels(rng: &mut ChaCha20Rng) -> ([usize; 2], usize) {
    let groups = rng.random_range(1..4);
    ([groups * rng.random_range(1..3), groups * rng.random_range(1..4)], groups)
}

macro_rules! check {
    ($what:expr, $config:ident, $setup:expr, $shape:expr, ($units:expr, $cap:expr), $rng:expr) => {{
        let (what, shape) = ($what, $shape);
        let width = shape[shape.len() - 1];
        #[allow(clippy::redundant_closure_call)]
        let (ours, burns) = (($setup.0)().init(&training()), ($setup.1)().init(&training()));
        let model = drawn(After::new(width, ours), $rng);
        let rows = Rows::new(normal(shape, $rng), $units, $cap, $rng);
        check_fast(&what, &model, &rows, |m, x| m.layer.forward(m.before.forward(x)));
        let burns = drawn(burns, $rng);
        check_same_as_burn(&what, (model.layer, burns), &rows.inputs, |m, x| m.forward(x), |m, x| m.forward(x));
    }};
}

#[test]
fn convolutions_over_one_dimension_equal_the_oracle_and_burn() {
    let mut rng = seeded(110);
    for trial in 0..48 {
        let (units, cap) = (rng.random_range(1..4), trial % 3 + 1);
        let ([from, to], groups) = channels(&mut rng);
        let (kernel, stride, dilation) = (rng.random_range(1..4), rng.random_range(1..4), rng.random_range(1..3));
        let padding = match trial % 4 {
            0 => PaddingConfig1d::Valid,
            1 if dilation == 1 => PaddingConfig1d::Same,
            _ => PaddingConfig1d::Explicit(rng.random_range(0..3), rng.random_range(0..3)),
        };
        let (bias, length) = (trial % 5 != 0, rng.random_range(6..13));
        let what = format!(
            "{from} to {to} in {groups}, kernel {kernel}, stride {stride}, dilation {dilation}, {padding:?}, bias {bias}, {length}"
        );
        let setup = (
            || {
                let config = conv::Conv1dConfig::new(from, to, kernel).with_stride(stride).with_dilation(dilation);
                config.with_groups(groups).with_padding(padding.clone()).with_bias(bias)
            },
            || {
                let config = burn::nn::conv::Conv1dConfig::new(from, to, kernel).with_stride(stride).with_dilation(dilation);
                config.with_groups(groups).with_padding(padding.clone()).with_bias(bias)
            },
        );
        check!(what, Conv1dConfig, setup, [units * cap, from, length], (units, cap), &mut rng);
    }
}

#[test]
fn convolutions_over_two_dimensions_equal_the_oracle_and_burn() {
    let mut rng = seeded(111);
    for trial in 0..48 {
        let (units, cap) = (rng.random_range(1..4), trial % 3 + 1);
        let (pair, groups) = channels(&mut rng);
        let mut two = |from, to| [rng.random_range(from..to), rng.random_range(from..to)];
        let (kernel, stride, dilation, size) = (two(1, 4), two(1, 3), two(1, 3), two(5, 9));
        let padding = match trial % 4 {
            0 => PaddingConfig2d::Valid,
            1 if dilation == [1, 1] => PaddingConfig2d::Same,
            _ => {
                let ([top, left], [bottom, right]) = (two(0, 3), two(0, 3));
                PaddingConfig2d::Explicit(top, left, bottom, right)
            }
        };
        let bias = trial % 5 != 0;
        let what = format!(
            "{pair:?} in {groups}, kernel {kernel:?}, stride {stride:?}, dilation {dilation:?}, {padding:?}, bias {bias}, {size:?}"
        );
        let setup = (
            || {
                let config = conv::Conv2dConfig::new(pair, kernel).with_stride(stride).with_dilation(dilation);
                config.with_groups(groups).with_padding(padding.clone()).with_bias(bias)
            },
            || {
                let config = burn::nn::conv::Conv2dConfig::new(pair, kernel).with_stride(stride).with_dilation(dilation);
                config.with_groups(groups).with_padding(padding.clone()).with_bias(bias)
            },
        );
        check!(what, Conv2dConfig, setup, [units * cap, pair[0], size[0], size[1]], (units, cap), &mut rng);
    }
}

#[test]
fn convolutions_over_three_dimensions_equal_the_oracle_and_burn() {
    let mut rng = seeded(112);
    for trial in 0..32 {
        let (units, cap) = (rng.random_range(1..4), trial % 3 + 1);
        let (pair, groups) = channels(&mut rng);
        let mut three = |from, to| [(); 3].map(|()| rng.random_range(from..to));
        let (mut kernel, mut stride, dilation, size) = (three(1, 4), three(1, 3), three(1, 3), three(5, 7));
        let padding = match trial % 4 {
            0 => PaddingConfig3d::Valid,
            1 => {
                (kernel, stride) = ([3, 1, 3], [1, 1, 1]);
                PaddingConfig3d::Same
            }
            _ => {
                let [depth, height, width] = three(0, 3);
                PaddingConfig3d::Explicit(depth, height, width)
            }
        };
        let bias = trial % 5 != 0;
        let what = format!(
            "{pair:?} in {groups}, kernel {kernel:?}, stride {stride:?}, dilation {dilation:?}, {padding:?}, bias {bias}, {size:?}"
        );
        let setup = (
            || {
                let config = conv::Conv3dConfig::new(pair, kernel).with_stride(stride).with_dilation(dilation);
                config.with_groups(groups).with_padding(padding.clone()).with_bias(bias)
            },
            || {
                let config = burn::nn::conv::Conv3dConfig::new(pair, kernel).with_stride(stride).with_dilation(dilation);
                config.with_groups(groups).with_padding(padding.clone()).with_bias(bias)
            },
        );
        check!(what, Conv3dConfig, setup, [units * cap, pair[0], size[0], size[1], size[2]], (units, cap), &mut rng);
    }
}

/// What a transposed convolution cuts off and adds, within what Burn takes: less added than a step or a dilation.
fn ends(stride: usize, dilation: usize, kernel: usize, rng: &mut ChaCha20Rng) -> (usize, usize) {
    (rng.random_range(0..=dilation * (kernel - 1) / 2), rng.random_range(0..stride.max(dilation)))
}

#[test]
fn transposed_convolutions_equal_the_oracle_and_burn() {
    let mut rng = seeded(113);
    for trial in 0..48 {
        let (units, cap) = (rng.random_range(1..4), trial % 3 + 1);
        let (pair, groups) = channels(&mut rng);
        let bias = trial % 5 != 0;
        let mut three = |from, to| [(); 3].map(|()| rng.random_range(from..to));
        let (kernel, stride, dilation, size) = (three(1, 4), three(1, 4), three(1, 3), three(2, 5));
        let ends = [0, 1, 2].map(|i| ends(stride[i], dilation[i], kernel[i], &mut rng));
        let (cut, added) = (ends.map(|e| e.0), ends.map(|e| e.1));
        let what =
            format!("{pair:?} in {groups}, {kernel:?}, {stride:?}, {dilation:?}, cut {cut:?}, added {added:?}, bias {bias}, {size:?}");
        macro_rules! setup {
            ($config:ident, $of:ident, $shape:expr) => {{
                let setup = (
                    || {
                        let config = conv::$config::new(pair, $of!(kernel)).with_stride($of!(stride)).with_dilation($of!(dilation));
                        config.with_groups(groups).with_padding($of!(cut)).with_padding_out($of!(added)).with_bias(bias)
                    },
                    || {
                        let config =
                            burn::nn::conv::$config::new(pair, $of!(kernel)).with_stride($of!(stride)).with_dilation($of!(dilation));
                        config.with_groups(groups).with_padding($of!(cut)).with_padding_out($of!(added)).with_bias(bias)
                    },
                );
                check!(what.clone(), $config, setup, $shape, (units, cap), &mut rng);
            }};
        }
        macro_rules! one {
            ($of:ident) => {
                $of[2]
            };
        }
        macro_rules! two {
            ($of:ident) => {
                [$of[1], $of[2]]
            };
        }
        macro_rules! all {
            ($of:ident) => {
                $of
            };
        }
        match trial % 4 {
            0 => setup!(ConvTranspose1dConfig, one, [units * cap, pair[0], size[2]]),
            1 | 2 => setup!(ConvTranspose2dConfig, two, [units * cap, pair[0], size[1], size[2]]),
            _ => setup!(ConvTranspose3dConfig, all, [units * cap, pair[0], size[0], size[1], size[2]]),
        }
    }
}

/// Burn's own answer is wrong, which is why a grouped [`conv::Conv1d`] runs in two dimensions. When this fails, it need not any more.
#[test]
fn burns_gradient_of_a_grouped_kernel_in_one_dimension_is_wrong() {
    use burn::tensor::Tensor;
    let device = training();
    let input: Tensor<3> = normal([1, 4, 4], &mut seeded(114)).autodiff();
    // Kernel 2, stride 3: the last of the four inputs is not seen at all, and no weight meets it.
    let layer = burn::nn::conv::Conv1dConfig::new(4, 2, 2).with_stride(3).with_groups(2).with_bias(false).init(&device);
    let ours: conv::Conv1d = layer.clone().into();
    let gradient = |output: Tensor<3>| crate::gradient::read(layer.weight.val().grad(&output.sum().backward()).unwrap());
    let (of_burn, of_ours) = (gradient(layer.forward(input.clone())), gradient(ours.forward(input.clone())));
    let seen = crate::gradient::read(input.inner());
    let expected: Vec<f64> = seen.chunks(4).flat_map(|channel| channel[..2].to_vec()).collect();
    assert_eq!(of_ours, expected);
    assert_ne!(of_burn, of_ours);
}
