//! Each map against its definition, computed slowly, and what it keeps of the inputs.

use super::fourier::LANES;
use super::wavelet::{DIRECTIONS, morlet, window};
use super::*;
use crate::NotPrivateSeed;
use rand::RngExt;
use reticent_data::{Classes, Column, Dropped, SubjectRule, Target};

fn noise(images: usize, height: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut rng = NotPrivateSeed(seed).rng();
    (0..images * height * width).map(|_| rng.random_range(0.0..1.0)).collect()
}

/// A periodic image of `side × side` pixels, complex.
type Plane = Vec<(f64, f64)>;

/// Circular convolution by its definition.
fn convolve(side: usize, image: &[(f64, f64)], filter: &[(f64, f64)]) -> Plane {
    let mut out = vec![(0.0, 0.0); side * side];
    for (at, out) in out.iter_mut().enumerate() {
        for (from, pixel) in image.iter().enumerate() {
            let down = (at / side + side - from / side) % side;
            let right = (at % side + side - from % side) % side;
            let f = filter[down * side + right];
            out.0 += pixel.0 * f.0 - pixel.1 * f.1;
            out.1 += pixel.0 * f.1 + pixel.1 * f.0;
        }
    }
    out
}

fn moduli(plane: Plane) -> Plane {
    plane.into_iter().map(|v| (v.0.hypot(v.1), 0.0)).collect()
}

/// Every channel by convolutions, without a transform, in f64.
fn slow_scattering(image: &[f32], height: usize, width: usize) -> Vec<f64> {
    let side = (height.max(width) + 4).next_power_of_two();
    let mut plane = vec![(0.0, 0.0); side * side];
    for (at, pixel) in image.iter().enumerate() {
        plane[at / width * side + at % width].0 = f64::from(*pixel);
    }
    let wave = |of: &Plane, scale: usize, direction: usize| moduli(convolve(side, of, &morlet(side, scale, direction)));
    let finer: Vec<Plane> = (0..DIRECTIONS).map(|d| wave(&plane, 0, d)).collect();
    let mut out = vec![];
    // Moduli at the coarser scale are taken at every second pixel.
    let mut average = |channel: &Plane, spacing: usize| {
        let size = side / spacing;
        let kept: Plane = (0..size * size).map(|at| channel[at / size * spacing * side + at % size * spacing]).collect();
        let line = window(size, spacing);
        let weights: Plane = (0..size * size).map(|at| (line[at / size] * line[at % size], 0.0)).collect();
        let smooth = convolve(size, &kept, &weights);
        let at = |position: usize| (2 + 4 * position) / spacing;
        out.extend((0..height / 4).flat_map(|y| (0..width / 4).map(move |x| (y, x))).map(|(y, x)| smooth[at(y) * size + at(x)].0));
    };
    average(&plane, 1);
    finer.iter().for_each(|u| average(u, 1));
    (0..DIRECTIONS).for_each(|d| average(&wave(&plane, 1, d), 2));
    finer.iter().for_each(|u| (0..DIRECTIONS).for_each(|d| average(&wave(u, 1, d), 2)));
    out
}

#[test]
fn scattering_is_what_convolutions_give() {
    // A side of 16 once filled up, once not square; more images than are computed together.
    for (height, width) in [(12, 12), (9, 6)] {
        let images = noise(LANES + 1, height, width, 7);
        let features = Scattering::new(height, width).unwrap().transform(&images);
        let of = features.len() / (LANES + 1);
        for image in [0, LANES] {
            let expected = slow_scattering(&images[image * height * width..][..height * width], height, width);
            assert_eq!(expected.len(), of);
            for (at, (fast, slow)) in features[image * of..][..of].iter().zip(&expected).enumerate() {
                assert!((f64::from(*fast) - slow).abs() < 2e-6, "{height}×{width} image {image} feature {at}: {fast} {slow}");
            }
        }
    }
}

#[test]
fn scattering_agrees_with_another_implementation() {
    // From a program in NumPy after Kymatio's filters, by discrete Fourier transforms in f32: the image 28 × 28 with pixel (y, x) =
    // ((3y + 5x) mod 17) / 16 where y and x are from 6 to 21, else 0. (channel, position, value)
    let mut image = vec![0.0; 28 * 28];
    for y in 6..22 {
        for x in 6..22 {
            image[y * 28 + x] = ((3 * y + 5 * x) % 17) as f32 / 16.0;
        }
    }
    let features = Scattering::new(28, 28).unwrap().transform(&image);
    for (channel, position, value) in GOLDEN {
        let found = features[channel * 49 + position];
        assert!((found - value).abs() < 2e-6, "{channel} {position}: {found} {value}");
    }
}

const GOLDEN: [(usize, usize, f32); 13] = [
    (0, 24, 0.501_014_7),
    (0, 8, 0.167_069_4),
    (1, 24, 0.142_888_3),
    (4, 17, 0.038_577_58),
    (8, 31, 0.045_021_03),
    (9, 24, 0.033_022_82),
    (13, 10, 0.055_569_35),
    (16, 38, 0.018_353_55),
    (17, 24, 0.001_612_44),
    (20, 16, 0.004_279_40),
    (44, 25, 0.002_717_51),
    (63, 32, 0.007_148_87),
    (80, 24, 0.001_114_08),
];

#[test]
fn a_shifted_image_has_shifted_features() {
    let (height, width) = (28, 28);
    let mut here = vec![0.0; height * width];
    let mut there = here.clone();
    let patch = noise(1, 8, 8, 3);
    for y in 0..8 {
        for x in 0..8 {
            here[(8 + y) * width + 9 + x] = patch[y * 8 + x];
            there[(12 + y) * width + 5 + x] = patch[y * 8 + x];
        }
    }
    let scattering = Scattering::new(height, width).unwrap();
    let (here, there) = (scattering.transform(&here), scattering.transform(&there));
    let mut moved = 0.0_f32;
    for channel in 0..scattering.channels() {
        for y in 0..6 {
            for x in 1..7 {
                let (a, b) = (here[channel * 49 + y * 7 + x], there[channel * 49 + (y + 1) * 7 + x - 1]);
                assert!((a - b).abs() < 1e-6, "{channel} {y} {x}: {a} {b}");
                moved = moved.max((a - here[channel * 49 + (y + 1) * 7 + x - 1]).abs());
            }
        }
    }
    assert!(moved > 0.01, "the features tell the two apart");
}

#[test]
fn features_are_no_further_apart_than_images() {
    // A position stands for 4² pixels. With the window's, the wavelets' squared transforms add up to at most 1 at each frequency.
    let scattering = Scattering::new(28, 28).unwrap();
    let images = noise(20, 28, 28, 11);
    let features = scattering.transform(&images);
    let square = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    let zero = vec![0.0; 81 * 49];
    for (image, f) in images.chunks(784).zip(features.chunks(81 * 49)) {
        assert!(16.0 * square(f, &zero) <= square(image, &zero[..784]), "energy");
    }
    for pair in 0..10 {
        let (a, b) = (2 * pair, 2 * pair + 1);
        let far = square(&images[a * 784..][..784], &images[b * 784..][..784]);
        assert!(16.0 * square(&features[a * 3969..][..3969], &features[b * 3969..][..3969]) <= far);
    }
}

#[test]
fn wavelets_see_no_constant_and_their_own_waves() {
    for scale in 0..2 {
        for direction in 0..DIRECTIONS {
            let filter = morlet(32, scale, direction);
            let sum = filter.iter().fold((0.0, 0.0), |s, v| (s.0 + v.0, s.1 + v.1));
            assert!(sum.0.abs() < 1e-12 && sum.1.abs() < 1e-12, "{scale} {direction}: {sum:?}");
        }
    }
    // Waves across rows: the direction whose angle is 0 answers most.
    let image: Vec<f32> = (0..28 * 28).map(|at| (0.75 * std::f32::consts::PI * (at / 28) as f32).cos()).collect();
    let features = Scattering::new(28, 28).unwrap().transform(&image);
    let middle = |channel: usize| features[channel * 49 + 24];
    assert!(
        (1..=DIRECTIONS).all(|channel| channel == 4 || middle(channel) < 0.5 * middle(4)),
        "{:?}",
        (1..=8).map(middle).collect::<Vec<_>>()
    );
    assert!((window(32, 1).iter().sum::<f64>() - 1.0).abs() < 1e-6);
}

#[test]
fn a_row_s_features_do_not_depend_on_the_others() {
    let features = Features::Scattering { height: 12, width: 12 };
    let rows: Vec<f32> = noise(LANES + 2, 12, 12, 5).iter().map(|p| 2.0 * p - 1.0).collect();
    let all = features.transform(&rows, 144).unwrap();
    let width = features.width(144).unwrap();
    assert_eq!((width, all.len()), (81 * 9, (LANES + 2) * 81 * 9));
    for row in [0, LANES, LANES + 1] {
        assert_eq!(features.transform(&rows[row * 144..][..144], 144).unwrap(), all[row * width..][..width], "{row}");
    }
    // Pixels in [-1, 1] are grey levels in [0, 1].
    let grey: Vec<f32> = rows.iter().map(|x| (x + 1.0) / 2.0).collect();
    assert_eq!(all, Scattering::new(12, 12).unwrap().transform(&grey));
}

#[test]
fn a_number_lies_in_one_bin_of_each_scale() {
    let at = |part: f64| bins::places((2.0 * part - 1.0) as f32);
    for (part, expected) in
        [(0.0, [0, 32]), (1.0, [23, 0]), (0.5, [12, 2]), (0.25, [6, 4]), (0.3, [7, 3]), (1e-5, [0, 32]), (0.001, [0, 19])]
    {
        assert_eq!(at(part), expected, "{part}");
    }
    // Beyond what an encoding gives: no panic, the nearest bin.
    assert_eq!(bins::places(f32::NAN), [0, 32]);
    assert_eq!(bins::places(7.0), [23, 0]);
    assert_eq!(bins::places(-7.0), [0, 32]);
    let features = Features::Bins { numbers: vec![1] };
    let out = features.transform(&[0.25, 0.0, 0.5, -0.5, 1.0, 1.0], 3).unwrap();
    assert_eq!(out.len(), 2 * (2 + bins::WIDTH));
    let first = &out[..2 + bins::WIDTH];
    assert_eq!((first[0], first[1 + 12], first[1 + 24 + 2], first[1 + bins::WIDTH]), (0.25, 1.0, 1.0, 0.5));
    assert_eq!(first[1..=bins::WIDTH].iter().sum::<f32>(), 2.0);
}

fn schema(columns: Vec<(&str, Domain)>) -> Schema {
    Schema {
        dataset: "d".into(),
        subject: SubjectRule::Row,
        unit: "row".into(),
        record: None,
        target: Target { column: "y".into(), classes: Classes::AtLeast(0.5) },
        columns: columns.into_iter().map(|(name, domain)| Column { name: name.into(), domain, special: None }).collect(),
        dropped: Dropped::AllOthers,
        missing: vec![],
    }
}

#[test]
fn maps_follow_the_declared_columns() {
    let number = || Domain::Range { min: 0.0, max: 255.0, missing: None };
    let text = || Domain::Levels { levels: vec!["a".into(), "b".into()], missing: true };
    let mixed = schema(vec![("n", number()), ("t", text()), ("m", number())]);
    assert_eq!(Features::bins(&mixed), Features::Bins { numbers: vec![0, 4] });
    assert_eq!(Features::scattering(&mixed).unwrap_err().to_string(), "no features: `t` is no pixel: it has levels");
    let pixels = |n: usize| schema((0..n).map(|_| ("p", number())).collect());
    assert_eq!(Features::scattering(&pixels(25)).unwrap(), Features::Scattering { height: 5, width: 5 });
    for (n, why) in [(24, "24 columns are no square image"), (9, "the sides of an image are 4 to 508 pixels")] {
        assert_eq!(Features::scattering(&pixels(n)).unwrap_err().to_string(), format!("no features: {why}"));
    }
    for (features, inputs) in [
        (Features::Bins { numbers: vec![3] }, 3),
        (Features::Bins { numbers: vec![1, 1] }, 3),
        (Features::Scattering { height: 28, width: 28 }, 783),
        (Features::Scattering { height: usize::MAX, width: 2 }, 8),
    ] {
        assert!(features.width(inputs).is_err() && features.transform(&vec![0.0; inputs], inputs).is_err(), "{features:?}");
    }
}
