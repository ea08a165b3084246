//! Inversion on MNIST. Of models: what two networks take for each digit, beside the mean of the real images and beside networks of labels dealt at random.
//! Of updates: the image behind one step on it, as it is and clipped and noised.
//!
//! `cargo run --release -p reticent-audit --example inversion [FILE.png [UPDATES.png]]`, with the data in `RETICENT_TEST_DATA` (default `../shared/data`). Prints the
//! findings and writes a picture: a row of inversions and a row of the control for the fully connected network, the same for the convolutional one, and
//! last the class means; a column for each digit. The second picture has ten images, then what was made of their updates: exactly, by search, and both of
//! updates that were clipped and noised.
#![expect(clippy::print_stdout, reason = "an example prints its numbers")]

mod picture;
mod updates;

use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use flate2::read::GzDecoder;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use reticent_audit::inversion::{Climb, Slope, correlation, invert, resemble};
use reticent_audit::{Attack, Verdict};
use reticent_train::models::{CnnConfig, MlpConfig};
use std::error::Error;
use std::io::Read;
use std::path::{Path, PathBuf};

const SIDE: usize = 28;
const CLASSES: usize = 10;
const IMAGES: usize = 4000;
const STEPS: usize = 200;
const BATCH: usize = 100;
/// Pixels lie between these.
const BOUNDS: (f64, f64) = (-1.0, 1.0);
const SEED: u64 = 1;

/// A network by its logits `[rows, classes]` of pixels `[rows, 784]`.
type Logits = Box<dyn Fn(Tensor<2>) -> Tensor<2>>;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::var("RETICENT_TEST_DATA").unwrap_or_else(|_| "../shared/data".into())).join("mnist");
    let (images, labels) = read(&folder)?;
    let mut rng = ChaCha20Rng::seed_from_u64(SEED);
    let dealt: Vec<usize> = (0..IMAGES).map(|_| rng.random_range(0..CLASSES)).collect();
    let means = class_means(&images, &labels);
    let mut rows = vec![];
    for (name, fit) in [("fully connected", mlp as fn(&[f32], &[usize]) -> Logits), ("convolutional", cnn)] {
        let mut inverted = vec![];
        for labels in [&labels, &dealt] {
            let model = Autodiff(fit(&images, labels));
            inverted.push((0..CLASSES).map(|c| invert(&model, &[0.0; SIDE * SIDE], c, BOUNDS, climb())).collect::<Result<Vec<_>, _>>()?);
        }
        let [found, control] = [0, 1].map(|i| inverted[i].iter().map(|f| f.input.clone()).collect::<Vec<_>>());
        let attack = Attack {
            name: "inversion".into(),
            variant: "MI-FACE (Fredrikson et al. 2015), normalised steps from grey".into(),
            threat_model: "white box: the slope of a confidence by the input".into(),
            unit: "class".into(),
            seed: SEED,
        };
        let finding = resemble(attack, &found, &means, &control)?;
        let own: Vec<f64> = found.iter().zip(&means).map(|(f, m)| correlation(f, m)).collect();
        let sure = inverted[0].iter().map(|f| f.confidence).fold(1.0, f64::min);
        println!("{name}: every class at a confidence of {sure:.3} and more; correlation with the class mean {}", numbers(&own));
        println!(
            "  own class told from others AUC {:.3} ({:.3} to {:.3}); control {:.3}{}",
            finding.area.auc,
            finding.area.lower,
            finding.area.upper,
            finding.controls[0].auc,
            if matches!(finding.verdict, Verdict::Invalid { .. }) { "; INVALID" } else { "" }
        );
        rows.extend([found, control]);
    }
    rows.push(means);
    if let Some(path) = std::env::args().nth(1) {
        std::fs::write(path, picture::grid(&rows, SIDE, BOUNDS)?)?;
    }
    let rows = updates::of(&images, &labels)?;
    if let Some(path) = std::env::args().nth(2) {
        std::fs::write(path, picture::grid(&rows, SIDE, BOUNDS)?)?;
    }
    Ok(())
}

fn climb() -> Climb {
    Climb { step: 0.5, steps: 300, patience: 30, enough: 0.99 }
}

fn numbers(values: &[f64]) -> String {
    values.iter().map(|v| format!("{v:.2}")).collect::<Vec<_>>().join(" ")
}

/// The slope of a confidence by the pixels, by Burn.
struct Autodiff(Logits);

impl Slope for Autodiff {
    fn confidence(&self, input: &[f64], class: usize) -> (f64, Vec<f64>) {
        let pixels: Vec<f32> = input.iter().map(|x| *x as f32).collect();
        let x = Tensor::<2>::from_data(TensorData::new(pixels, [1, input.len()]), &Device::flex()).autodiff().require_grad();
        let p = activation::softmax((self.0)(x.clone()), 1).narrow(1, class, 1).sum();
        let value: f32 = p.clone().into_scalar();
        let slope = x.grad(&p.backward()).expect("the pixels are tracked");
        (f64::from(value), slope.into_data().iter::<f64>().collect())
    }
}

fn mlp(images: &[f32], labels: &[usize]) -> Logits {
    let start = MlpConfig::new(SIDE * SIDE, CLASSES).init(&Device::flex().autodiff());
    let model = fitted(start, images, labels, |m, x| m.forward(x));
    Box::new(move |x| model.forward(x))
}

fn cnn(images: &[f32], labels: &[usize]) -> Logits {
    let start = CnnConfig::new([1, SIDE, SIDE], CLASSES).init(&Device::flex().autodiff());
    let forward = |m: &reticent_train::models::Cnn, x: Tensor<2>| {
        let [rows, _] = x.dims();
        m.forward(x.reshape([rows, 1, SIDE, SIDE]))
    };
    let model = fitted(start, images, labels, forward);
    Box::new(move |x| forward(&model, x))
}

/// Adam without privacy: the model is to be attacked, not released.
fn fitted<M: burn::module::Module + Clone>(
    mut model: M,
    images: &[f32],
    labels: &[usize],
    forward: impl Fn(&M, Tensor<2>) -> Tensor<2>,
) -> M {
    let device = Device::flex();
    let mut adam = AdamConfig::new().init();
    let mut rng = ChaCha20Rng::seed_from_u64(SEED + 1);
    let width = SIDE * SIDE;
    for _ in 0..STEPS {
        let chosen: Vec<usize> = (0..BATCH).map(|_| rng.random_range(0..labels.len())).collect();
        let pixels: Vec<f32> = chosen.iter().flat_map(|&i| images[i * width..(i + 1) * width].iter().copied()).collect();
        let classes: Vec<i64> = chosen.iter().map(|&i| labels[i] as i64).collect();
        let x = Tensor::<2>::from_data(TensorData::new(pixels, [BATCH, width]), &device).autodiff();
        let y = Tensor::<1, Int>::from_data(TensorData::new(classes, [BATCH]), &device).autodiff();
        let log_p: Tensor<2> = activation::log_softmax(forward(&model, x), 1).gather(1, y.unsqueeze_dim(1));
        let gradients = GradientsParams::from_grads(log_p.mean().neg().backward(), &model);
        model = adam.step(0.002, model, gradients);
    }
    model
}

fn class_means(images: &[f32], labels: &[usize]) -> Vec<Vec<f64>> {
    let width = SIDE * SIDE;
    let of = |class: usize| {
        let of_class: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == class).collect();
        (0..width).map(|p| of_class.iter().map(|&i| f64::from(images[i * width + p])).sum::<f64>() / of_class.len() as f64).collect()
    };
    (0..CLASSES).map(of).collect()
}

/// The first images, from −1 for white paper to 1 for ink.
fn read(folder: &Path) -> Result<(Vec<f32>, Vec<usize>), Box<dyn Error>> {
    let open = |kind: &str, header: usize, bytes: usize| -> Result<Vec<u8>, Box<dyn Error>> {
        let path = folder.join(format!("train-{kind}-ubyte.gz"));
        let file = std::fs::File::open(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut all = vec![];
        GzDecoder::new(file).take((header + bytes) as u64).read_to_end(&mut all)?;
        Ok(all.split_off(header))
    };
    let images = open("images-idx3", 16, IMAGES * SIDE * SIDE)?.into_iter().map(|p| f32::from(p) / 127.5 - 1.0).collect();
    Ok((images, open("labels-idx1", 8, IMAGES)?.into_iter().map(usize::from).collect()))
}
