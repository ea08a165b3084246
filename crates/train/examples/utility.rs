//! The accuracy that the presets reach: MNIST and Adult, δ = 1e-5, five seeds, on their test sets.
//!
//! `cargo run --release -p reticent-train --example utility [mnist|adult]`, with the data in `RETICENT_TEST_DATA` (default `../shared/data`); prints a
//! JSON line for each data set and ε. Rows are read, bounded, encoded and trained on as by the program; the bound of each run is that of
//! its own plan, and the numbers here are of public data.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints its numbers")]

use burn::tensor::{Device, Tensor, TensorData, activation};
use flate2::read::GzDecoder;
use reticent_accounting::{Delta, Epsilon, pld};
use reticent_data::{
    Classes, Column, CsvOptions, Domain, Dropped, PermittedTable, PseudonymKey, Schema, SubjectRule, Target, encode, import_csv,
};
use reticent_proof::Permit;
use reticent_train::{Architecture, Binding, Plan, Preset, RunKey, Scores, UnitRows, fit_prepared};
use serde_json::json;
use std::error::Error;
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

const SEEDS: u64 = 5;
const EPSILONS: [f64; 2] = [1.0, 3.0];
const DELTA: f64 = 1e-5;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::var("RETICENT_TEST_DATA").unwrap_or_else(|_| "../shared/data".into()));
    let only = std::env::args().nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wanted("adult") {
        adult(&folder.join("adult"))?;
    }
    if wanted("mnist") {
        mnist(&folder.join("mnist"))?;
    }
    Ok(())
}

/// One data set and its preset.
struct Task<'a> {
    data: &'a str,
    metric: &'a str,
    preset: Preset,
    train: &'a PermittedTable,
    test: &'a PermittedTable,
    units: u64,
}

impl Task<'_> {
    /// Five runs at each ε, each with a key of its own, measured on the test set once.
    fn run(&self, measure: impl Fn(&[f64], &[u32]) -> f64) -> Result<(), Box<dyn Error>> {
        let schema = self.train.table().schema();
        let delta = Delta::new(DELTA)?;
        let plan = |epsilon: f64| self.preset.plan(schema, NonZeroUsize::MIN, self.units, Epsilon::new(epsilon)?, delta);
        let features = self.preset.features(schema)?;
        let started = Instant::now();
        let rows = UnitRows::prepared(self.train, NonZeroUsize::MIN, Some(&features))?;
        let features_seconds = started.elapsed().as_secs_f64();
        let encoded = encode(self.test.table());
        let width = features.width(encoded.width)?;
        let inputs = features.transform(&encoded.inputs, encoded.width)?;
        for epsilon in EPSILONS {
            let plan: Plan = plan(epsilon)?;
            let (mut values, mut seconds) = (vec![], vec![]);
            for seed in 0..SEEDS {
                let mut key = [0; 32];
                key[..8].copy_from_slice(&(1000 + seed).to_le_bytes());
                let binding = Binding { plan: plan.digest(), permit: String::new(), data: self.data.to_owned(), machine: String::new() };
                let started = Instant::now();
                let model = fit_prepared(&plan, &rows, schema, &RunKey::from_bytes(key), &binding, &mut |_| {})?;
                seconds.push(started.elapsed().as_secs_f64());
                let mut p = vec![];
                for part in inputs.chunks(1000 * width) {
                    let x = Tensor::from_data(TensorData::new(part.to_vec(), [part.len() / width, width]), &Device::flex());
                    let part: Vec<f32> = activation::softmax(model.forward(x), 1).into_data().try_to_vec().expect("f32 out as f32 in");
                    p.extend(part.into_iter().map(f64::from));
                }
                values.push(measure(&p, self.test.table().target()));
                eprintln!(
                    "{} ε {epsilon} seed {seed}: {} {:.4}, {:.0} s",
                    self.data, self.metric, values[seed as usize], seconds[seed as usize]
                );
            }
            let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
            let sd = (values.iter().map(|v| (v - mean(&values)).powi(2)).sum::<f64>() / (SEEDS - 1) as f64).sqrt();
            println!(
                "{}",
                json!({
                    "data": self.data, "preset": self.preset.name(), "metric": self.metric, "epsilon": epsilon, "delta": DELTA,
                    "epsilon_upper": pld::epsilon(&plan.event(), delta)?.upper.get(), "mean": mean(&values), "sd": sd, "values": values,
                    "seconds_a_run": mean(&seconds), "features_seconds": features_seconds, "features": width,
                    "noise_multiplier": plan.noise_multiplier.get(), "sample_rate": plan.sample_rate.get(), "steps": plan.steps,
                    "train_rows": self.train.table().rows(), "test_rows": self.test.table().rows(),
                    "threads": std::env::var("RAYON_NUM_THREADS").ok(),
                })
            );
        }
        debug_assert!(matches!(plan(1.0)?.architecture, Architecture::OnFeatures { .. }));
        Ok(())
    }
}

fn mnist(folder: &Path) -> Result<(), Box<dyn Error>> {
    let columns = (0..28 * 28).map(|p| number(&format!("p{p}"), 0.0, 255.0)).collect();
    let schema = schema("mnist", columns, "digit", (0..10).map(|d| d.to_string()).collect());
    let read = |part: &str| -> Result<PermittedTable, Box<dyn Error>> {
        let open = |kind: &str, header: usize| -> Result<Vec<u8>, Box<dyn Error>> {
            let path = folder.join(format!("{part}-{kind}-ubyte.gz"));
            let file = std::fs::File::open(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let mut bytes = vec![];
            GzDecoder::new(file).read_to_end(&mut bytes)?;
            Ok(bytes.split_off(header))
        };
        let (images, labels) = (open("images-idx3", 16)?, open("labels-idx1", 8)?);
        let names: Vec<String> = (0..28 * 28).map(|p| format!("p{p}")).collect();
        let mut csv = format!("{},digit\n", names.join(",")).into_bytes();
        for (image, label) in images.chunks_exact(28 * 28).zip(labels) {
            for pixel in image {
                write!(csv, "{pixel},")?;
            }
            writeln!(csv, "{label}")?;
        }
        import(&csv, &schema, CsvOptions { delimiter: b',', names: None, clamp: false })
    };
    let (train, test) = (read("train")?, read("t10k")?);
    let task = Task { data: "mnist", metric: "accuracy", preset: Preset::MnistLike, train: &train, test: &test, units: 60_000 };
    task.run(|p, labels| {
        let best = |p: &[f64]| (0..p.len()).max_by(|&a, &b| p[a].total_cmp(&p[b]));
        let right = p.chunks_exact(10).zip(labels).filter(|(p, label)| best(p) == Some(**label as usize)).count();
        right as f64 / labels.len() as f64
    })
}

/// Levels and bounds as its documentation gives them (`adult.names`), round where it gives none. The weight that the census gave a row is left out.
fn adult(folder: &Path) -> Result<(), Box<dyn Error>> {
    let read = |name: &str| -> Result<Vec<u8>, Box<dyn Error>> {
        let path = folder.join(name);
        Ok(std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?)
    };
    let documentation = String::from_utf8(read("adult.names")?)?;
    let levels = |column: &str| -> Result<Column, Box<dyn Error>> {
        let line =
            documentation.lines().find_map(|l| l.strip_prefix(&format!("{column}:"))).ok_or(format!("{column} is not documented"))?;
        let levels = line.trim().trim_end_matches('.').split(',').map(|l| l.trim().to_owned()).collect();
        Ok(Column { name: column.into(), domain: Domain::Levels { levels, missing: true }, special: None })
    };
    let columns = vec![
        number("age", 17.0, 90.0),
        levels("workclass")?,
        levels("education")?,
        number("education-num", 1.0, 16.0),
        levels("marital-status")?,
        levels("occupation")?,
        levels("relationship")?,
        levels("race")?,
        levels("sex")?,
        number("capital-gain", 0.0, 99_999.0),
        number("capital-loss", 0.0, 5000.0),
        number("hours-per-week", 1.0, 99.0),
        levels("native-country")?,
    ];
    let schema = schema("adult", columns, "income", vec!["<=50K".into(), ">50K".into()]);
    let names = "age,workclass,fnlwgt,education,education-num,marital-status,occupation,relationship,race,sex,capital-gain,capital-loss,hours-per-week,native-country,income";
    let rows = |name: &str| -> Result<PermittedTable, Box<dyn Error>> {
        let text = String::from_utf8(read(name)?)?;
        // The labels of the test file end in a full stop.
        let lines: Vec<&str> = text.lines().map(|l| l.trim_end().trim_end_matches('.')).filter(|l| !l.is_empty()).collect();
        let names = names.split(',').map(str::to_owned).collect();
        import(lines.join("\n").as_bytes(), &schema, CsvOptions { delimiter: b',', names: Some(names), clamp: false })
    };
    let (train, test) = (rows("adult-train.csv")?, rows("adult-test.csv")?);
    let task = Task { data: "adult", metric: "auc", preset: Preset::Tabular, train: &train, test: &test, units: 32_500 };
    task.run(|p, labels| {
        let score = p.chunks_exact(2).map(|p| p[1]).collect();
        let scores = Scores { score, positive: labels.iter().map(|l| *l == 1).collect(), unit: (0..labels.len()).collect() };
        scores.auc().expect("both classes are in the test set")
    })
}

fn number(name: &str, min: f64, max: f64) -> Column {
    Column { name: name.into(), domain: Domain::Range { min, max, missing: None }, special: None }
}

fn schema(dataset: &str, columns: Vec<Column>, target: &str, classes: Vec<String>) -> Schema {
    Schema {
        dataset: dataset.into(),
        subject: SubjectRule::Row,
        unit: "row".into(),
        record: None,
        target: Target { column: target.into(), classes: Classes::Levels(classes) },
        columns,
        dropped: Dropped::AllOthers,
        missing: vec!["?".into()],
    }
}

fn import(csv: &[u8], schema: &Schema, options: CsvOptions) -> Result<PermittedTable, Box<dyn Error>> {
    let imported = import_csv(csv, schema, &options, &PseudonymKey::from_bytes([0; 32]))?;
    Ok(PermittedTable::new(imported.table, "public", Permit::public("a data set that everyone has"))?)
}
