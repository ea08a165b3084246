//! One private training step, noise included, beside the plain one: `cargo bench -p reticent-train --bench step`.
//!
//! Prints a JSON line a case, as the peers' scripts do; `cargo xtask peers train` runs both on one core.
#![expect(clippy::print_stdout, reason = "a benchmark prints its numbers")]

use reticent_accounting::{NoiseMultiplier, SamplingRate};
use reticent_data::{Classes, Column, CsvOptions, Domain, Dropped, PermittedTable, PseudonymKey, Schema, SubjectRule, Target, import_csv};
use reticent_proof::Permit;
use reticent_train::{Architecture, Binding, NotPrivateSeed, Plan, RunKey, fit_plain, fit_private};
use std::fmt::Write;
use std::time::Instant;

use rand::RngExt;

const BATCH: usize = 1024;
const INPUTS: usize = 104;
const STEPS: u64 = 200;
const REPEATS: usize = 7;

fn main() {
    let table = table();
    let plan = Plan {
        unit: "row".into(),
        max_rows_per_unit: std::num::NonZeroUsize::MIN,
        sample_rate: SamplingRate::new(1.0).expect("in range"),
        noise_multiplier: NoiseMultiplier::new(1.0).expect("in range"),
        max_grad_norm: 1.0,
        steps: STEPS,
        learning_rate: 0.05,
        public_units: BATCH as u64,
        architecture: Architecture::Logistic,
        optimiser: reticent_train::Optimiser::default(),
    };
    let binding = Binding { plan: plan.digest(), permit: String::new(), data: String::new(), machine: String::new() };
    let key = RunKey::from_bytes([7; 32]);
    let dp = median(|| drop(fit_private(&plan, &table, &key, &binding, &mut |_| {}).expect("the plan is sound")));
    let plain = median(|| drop(fit_plain(&plan, &table, STEPS, 0.05).expect("the plan is sound")));
    for (mode, ms) in [("dp", dp), ("nonpriv", plain)] {
        println!(
            "{{\"bench\":\"train\",\"work\":\"logreg\",\"mode\":\"{mode}\",\"batch\":{BATCH},\"ms_step\":{ms:.4},\"reps\":{REPEATS}}}"
        );
    }
}

/// Median milliseconds a step.
fn median(mut run: impl FnMut()) -> f64 {
    run();
    let mut times: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed().as_secs_f64() * 1e3 / STEPS as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[REPEATS / 2]
}

fn table() -> PermittedTable {
    let mut rng = NotPrivateSeed(1).rng();
    let names: Vec<String> = (0..INPUTS).map(|i| format!("x{i}")).collect();
    let mut csv = format!("{},y\n", names.join(","));
    for _ in 0..BATCH {
        for _ in 0..INPUTS {
            let _ = write!(csv, "{:.4},", rng.random_range(-1.0..1.0_f64));
        }
        let _ = writeln!(csv, "{}", if rng.random::<bool>() { "a" } else { "b" });
    }
    let schema = Schema {
        dataset: "bench".into(),
        subject: SubjectRule::Row,
        unit: "row".into(),
        record: None,
        target: Target { column: "y".into(), classes: Classes::Levels(vec!["a".into(), "b".into()]) },
        columns: names
            .into_iter()
            .map(|name| Column { name, domain: Domain::Range { min: -1.0, max: 1.0, missing: None }, special: None })
            .collect(),
        dropped: Dropped::Only(vec![]),
        missing: vec![],
    };
    let imported = import_csv(csv.as_bytes(), &schema, &CsvOptions::default(), &PseudonymKey::from_bytes([1; 32])).expect("made to fit");
    PermittedTable::new(imported.table, "bench/v1", Permit::public("made up here")).expect("no version is named")
}
