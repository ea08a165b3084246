//! One step under a bound, noise included, beside the plain one: `cargo bench -p reticent-train --bench step [-- --work W] [--device wgpu]`.
//!
//! The five workloads are those of the peers' `bench_train.py`. Each case runs in a process of its own and prints a JSON line: medians of wall and CPU
//! milliseconds a step, examples a second, parameters, peak memory. Our step includes drawing the units and building the batch; the plain step
//! builds it too. `--batch N` takes another number of units, `--physical N` so many of them at a time, `--seconds S` repetitions of another length.
//! `--device wgpu` needs `--features wgpu`. `cargo xtask peers train` runs both on one core. What was measured: benches/README.md.
#![expect(clippy::print_stdout, reason = "a benchmark prints its numbers")]

use burn::module::Module;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData, activation};
use rand::RngExt;
use reticent_accounting::{NoiseMultiplier, SamplingRate};
use reticent_proof::Permit;
use reticent_train::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use reticent_train::nn::conv::{Conv2d, Conv2dConfig};
use reticent_train::nn::pool::MaxPool2dConfig;
use reticent_train::{
    Binding, ChargedElsewhere, Examples, NotPrivateSeed, Performance, Permitted, PrivacyPlan, RunKey, Sampling, Trainer, UnitBatch,
    cross_entropy, nn,
};
use std::num::NonZeroUsize;
use std::time::Instant;

/// As the program's: Linux's own gives large blocks back to the system after every use, and takes them anew page by page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WORKS: [&str; 5] = ["mlp", "cnn", "tfm", "logreg", "lstm"];
const LENGTH: usize = 64;
const SYMBOLS: usize = 256;
const REPEATS: usize = 7;

/// How a case is run.
struct How {
    dp: bool,
    /// Units at a time.
    physical: Option<NonZeroUsize>,
    /// Of one repetition.
    seconds: f64,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let option = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1)).map(String::as_str);
    let device = device(option("--device").unwrap_or("cpu"));
    if let (Some(work), Some(mode)) = (option("--work"), option("--mode")) {
        let number = |name| option(name).and_then(|value| value.parse().ok());
        let seconds = option("--seconds").and_then(|s| s.parse().ok()).unwrap_or(0.6);
        let how = How { dp: mode == "dp", physical: number("--physical").and_then(NonZeroUsize::new), seconds };
        return run(work, number("--batch"), &how, &device);
    }
    let works = option("--work").map_or(WORKS.to_vec(), |work| vec![work]);
    for (work, mode) in works.into_iter().flat_map(|work| [(work, "nonpriv"), (work, "dp")]) {
        let mut case = std::process::Command::new(std::env::current_exe().expect("this program has a path"));
        case.args(["--work", work, "--mode", mode]).args(&words);
        assert!(case.status().expect("it is there").success(), "{work} {mode}");
    }
}

fn device(name: &str) -> Device {
    match name {
        "cpu" => Device::flex(),
        #[cfg(feature = "wgpu")]
        "wgpu" => Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
        other => panic!("no device {other:?} in this build: cpu, or wgpu with --features wgpu"),
    }
}

fn run(work: &str, batch: Option<usize>, how: &How, device: &Device) {
    let on = device.clone().autodiff();
    let linear = |inputs, outputs| nn::LinearConfig::new(inputs, outputs).init(&on);
    let floats = |batch: usize, shape: [usize; 3], classes| Rows::floats(batch, shape, classes);
    match work {
        "mlp" => {
            let model = Mlp { layers: vec![linear(784, 256), linear(256, 256), linear(256, 10)] };
            measure(work, model, floats(batch.unwrap_or(256), [1, 1, 784], 10), Mlp::losses, how, device);
        }
        "logreg" => {
            let model = Mlp { layers: vec![linear(104, 2)] };
            measure(work, model, floats(batch.unwrap_or(1024), [1, 1, 104], 2), Mlp::losses, how, device);
        }
        "cnn" => {
            let padding = nn::PaddingConfig2d::Explicit(3, 3, 3, 3);
            let model = Cnn {
                first: Conv2dConfig::new([1, 16], [8, 8]).with_stride([2, 2]).with_padding(padding).init(&on),
                second: Conv2dConfig::new([16, 32], [4, 4]).with_stride([2, 2]).init(&on),
                hidden: linear(512, 32),
                out: linear(32, 10),
            };
            measure(work, model, floats(batch.unwrap_or(256), [1, 28, 28], 10), Cnn::losses, how, device);
        }
        "tfm" => {
            let embedding = |count| nn::EmbeddingConfig::new(count, 128).init(&on);
            let block = || Block {
                before: nn::LayerNormConfig::new(128).init(&on),
                attention: MultiHeadAttentionConfig::new(128, 4).with_dropout(0.0).init(&on),
                between: nn::LayerNormConfig::new(128).init(&on),
                up: linear(128, 512),
                down: linear(512, 128),
            };
            let model = Transformer {
                symbols: embedding(SYMBOLS),
                positions: embedding(LENGTH),
                blocks: (0..4).map(|_| block()).collect(),
                norm: nn::LayerNormConfig::new(128).init(&on),
                out: linear(128, SYMBOLS),
            };
            measure(work, model, Rows::symbols(batch.unwrap_or(32), true), Transformer::losses, how, device);
        }
        "lstm" => {
            let model = Lstm {
                symbols: nn::EmbeddingConfig::new(SYMBOLS, 64).init(&on),
                lstm: nn::LstmConfig::new(64, 128, true).init(&on),
                out: linear(128, 2),
            };
            measure(work, model, Rows::symbols(batch.unwrap_or(64), false), Lstm::losses, how, device);
        }
        other => panic!("no workload {other:?}: one of {WORKS:?}"),
    }
}

fn measure<M: Module>(work: &str, model: M, rows: Rows, losses: fn(&M, &Drawn) -> Tensor<1>, how: &How, device: &Device) {
    let (params, batch) = (model.num_params(), rows.units());
    let (times, cpu) = if how.dp {
        let one = SamplingRate::new(1.0).expect("in range");
        let plan = PrivacyPlan::new(
            "row",
            NonZeroUsize::MIN,
            Sampling::Poisson { sample_rate: one, public_units: batch as u64 },
            1.0,
            NoiseMultiplier::new(1.0).expect("in range"),
            u64::MAX,
        );
        let rows = Permitted::new(rows, Permit::public("made up here")).expect("no unit is named");
        let binding = Binding { plan: plan.digest(), permit: String::new(), data: String::new(), machine: String::new() };
        let secret = (RunKey::from_bytes([7; 32]), binding);
        let optimizer = (SgdConfig::new().init(), 0.05);
        let trainer = Trainer::new(plan, model, optimizer, rows, losses, secret, ChargedElsewhere).expect("the plan is sound");
        let mut trainer = trainer.with_performance(Performance { physical_batch: how.physical, ..Performance::default() });
        time(how, device, || {
            trainer.step().expect("the model is recorded").expect("steps are left");
        })
    } else {
        let (mut model, mut optimizer) = (Some(model), SgdConfig::new().init());
        let all: Vec<usize> = (0..batch).collect();
        time(how, device, || {
            let drawn = rows.batch(&all, device).expect("there are rows");
            let current = model.take().expect("put back below");
            let gradients = GradientsParams::from_grads(losses(&current, &drawn).mean().backward(), &current);
            model = Some(optimizer.step(0.05, current, gradients));
        })
    };
    let (median, mode) = (times[REPEATS / 2], if how.dp { "dp" } else { "nonpriv" });
    println!(
        "{{\"bench\":\"train\",\"work\":\"{work}\",\"mode\":\"{mode}\",\"batch\":{batch},\"params\":{params},\"ms_step\":{:.4},\"cpu_ms\":{:.4},\"ms_min\":{:.4},\"ms_max\":{:.4},\"samples_s\":{:.1},\"reps\":{REPEATS},\"peak_rss_mb\":{},\"device_mb\":{}}}",
        median * 1e3,
        cpu[REPEATS / 2] * 1e3,
        times[0] * 1e3,
        times[REPEATS - 1] * 1e3,
        batch as f64 / median,
        peak_rss_mb(),
        device.memory_pool_usage().map_or("null".to_owned(), |usage| format!("\"{usage:?}\"")),
    );
}

/// Wall and CPU seconds a step in each repetition, each rising.
fn time(how: &How, device: &Device, mut step: impl FnMut()) -> (Vec<f64>, Vec<f64>) {
    let wait = || device.sync().expect("the device answers");
    for _ in 0..3 {
        step();
    }
    wait();
    // Long enough for Linux to have counted: it does so a few hundred times a second.
    let (started, used, mut tried) = (Instant::now(), cpu_seconds(), 0.0);
    while started.elapsed().as_secs_f64() < 0.05 {
        step();
        wait();
        tried += 1.0;
    }
    let all = if used > 0.0 { cpu_seconds() - used } else { started.elapsed().as_secs_f64() };
    let count = (how.seconds * tried / all.max(1e-3)).max(1.0) as u64;
    let (mut times, mut cpu): (Vec<f64>, Vec<f64>) = (0..REPEATS)
        .map(|_| {
            let (started, used) = (Instant::now(), cpu_seconds());
            (0..count).for_each(|_| step());
            wait();
            (started.elapsed().as_secs_f64() / count as f64, (cpu_seconds() - used) / count as f64)
        })
        .unzip();
    times.sort_by(f64::total_cmp);
    cpu.sort_by(f64::total_cmp);
    (times, cpu)
}

/// What all threads of this process have used, as Linux says, in nanoseconds; elsewhere 0. The machine may be shared: wall time counts others.
fn cpu_seconds() -> f64 {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return 0.0 };
    let used = |path: std::path::PathBuf| std::fs::read_to_string(path).ok()?.split_whitespace().next()?.parse::<f64>().ok();
    threads.flatten().filter_map(|thread| used(thread.path().join("schedstat"))).sum::<f64>() * 1e-9
}

/// Linux says; elsewhere 0.
fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().map_or(0, |kb| kb / 1024)
}

/// Made-up rows: images (or vectors), or texts of [`LENGTH`] symbols.
struct Rows {
    floats: Vec<f32>,
    shape: [usize; 3],
    symbols: Vec<i32>,
    labels: Vec<i32>,
    units: usize,
}

/// Some of them.
struct Drawn {
    images: Tensor<4>,
    symbols: Tensor<2, Int>,
    labels: Tensor<1, Int>,
    units: usize,
}

impl Rows {
    fn floats(units: usize, shape: [usize; 3], classes: i32) -> Self {
        let mut rng = NotPrivateSeed(1).rng();
        let floats = (0..units * shape.iter().product::<usize>()).map(|_| rng.random_range(-1.7..1.7)).collect();
        Self { floats, shape, symbols: vec![0; units], labels: (0..units).map(|_| rng.random_range(0..classes)).collect(), units }
    }

    fn symbols(units: usize, label_each: bool) -> Self {
        let mut rng = NotPrivateSeed(2).rng();
        let symbols = (0..units * LENGTH).map(|_| rng.random_range(0..SYMBOLS as i32)).collect();
        let (labels, classes) = if label_each { (units * LENGTH, SYMBOLS as i32) } else { (units, 2) };
        let labels = (0..labels).map(|_| rng.random_range(0..classes)).collect();
        Self { floats: vec![0.0; units], shape: [1; 3], symbols, labels, units }
    }
}

impl Examples for Rows {
    type Batch = Drawn;

    fn units(&self) -> usize {
        self.units
    }

    fn batch(&self, chosen: &[usize], device: &Device) -> Option<Drawn> {
        let [channels, height, width] = self.shape;
        let images = gather(&self.floats, chosen, self.units);
        let (symbols, labels) = (gather(&self.symbols, chosen, self.units), gather(&self.labels, chosen, self.units));
        let count = labels.len();
        Some(Drawn {
            images: Tensor::from_data(TensorData::new(images, [chosen.len(), channels, height, width]), device),
            symbols: Tensor::from_data(TensorData::new(symbols, [chosen.len(), self.symbols.len() / self.units]), device),
            labels: Tensor::from_data(TensorData::new(labels, [count]), device),
            units: chosen.len(),
        })
    }

    fn digest(&self) -> String {
        String::new()
    }
}

fn gather<T: Copy>(values: &[T], chosen: &[usize], units: usize) -> Vec<T> {
    let each = values.len() / units;
    let mut rows = Vec::with_capacity(chosen.len() * each);
    chosen.iter().for_each(|&unit| rows.extend_from_slice(&values[unit * each..(unit + 1) * each]));
    rows
}

impl UnitBatch for Drawn {
    fn units(&self) -> usize {
        self.units
    }

    fn unit(&self, index: usize) -> Self {
        let labels = self.labels.dims()[0] / self.units;
        Self {
            images: self.images.clone().narrow(0, index, 1),
            symbols: self.symbols.clone().narrow(0, index, 1),
            labels: self.labels.clone().narrow(0, index * labels, labels),
            units: 1,
        }
    }
}

#[derive(Module, Debug)]
struct Mlp {
    layers: Vec<nn::Linear>,
}

impl Mlp {
    fn losses(&self, drawn: &Drawn) -> Tensor<1> {
        let mut x: Tensor<2> = drawn.images.clone().flatten(1, 3);
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(if index > 0 { activation::relu(x) } else { x });
        }
        cross_entropy(x, drawn.labels.clone())
    }
}

#[derive(Module, Debug)]
struct Cnn {
    first: Conv2d,
    second: Conv2d,
    hidden: nn::Linear,
    out: nn::Linear,
}

impl Cnn {
    fn losses(&self, drawn: &Drawn) -> Tensor<1> {
        let pool = MaxPool2dConfig::new([2, 2]).with_strides([1, 1]).init();
        let x = pool.forward(activation::relu(self.first.forward(drawn.images.clone())));
        let x = pool.forward(activation::relu(self.second.forward(x)));
        let x: Tensor<2> = x.flatten(1, 3);
        cross_entropy(self.out.forward(activation::relu(self.hidden.forward(x))), drawn.labels.clone())
    }
}

#[derive(Module, Debug)]
struct Block {
    before: nn::LayerNorm,
    attention: MultiHeadAttention,
    between: nn::LayerNorm,
    up: nn::Linear,
    down: nn::Linear,
}

#[derive(Module, Debug)]
struct Transformer {
    symbols: nn::Embedding,
    positions: nn::Embedding,
    blocks: Vec<Block>,
    norm: nn::LayerNorm,
    out: nn::Linear,
}

impl Transformer {
    /// The mean over the symbols of each text, as the peers' script.
    fn losses(&self, drawn: &Drawn) -> Tensor<1> {
        let [units, length] = drawn.symbols.dims();
        let device = drawn.symbols.device();
        let places: Tensor<2, Int> = Tensor::<1, Int>::arange(0..length as i64, &device).unsqueeze_dim::<2>(0).expand([units, length]);
        let mask: Tensor<3, Bool> = nn::attention::generate_autoregressive_mask(units, length, &device);
        let mut x = self.symbols.forward(drawn.symbols.clone()) + self.positions.forward(places);
        for block in &self.blocks {
            let input = MhaInput::self_attn(block.before.forward(x.clone())).mask_attn(mask.clone());
            x = x + block.attention.forward(input).context;
            x = x.clone() + block.down.forward(nn::gelu(block.up.forward(block.between.forward(x))));
        }
        let logits = self.out.forward(self.norm.forward(x)).reshape([units * length, SYMBOLS]);
        cross_entropy(logits, drawn.labels.clone()).reshape([units, length]).mean_dim(1).reshape([units])
    }
}

#[derive(Module, Debug)]
struct Lstm {
    symbols: nn::Embedding,
    lstm: nn::Lstm,
    out: nn::Linear,
}

impl Lstm {
    fn losses(&self, drawn: &Drawn) -> Tensor<1> {
        let (_, state) = self.lstm.forward(self.symbols.forward(drawn.symbols.clone()), None);
        cross_entropy(self.out.forward(state.hidden), drawn.labels.clone())
    }
}
