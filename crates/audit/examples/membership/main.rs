//! Membership inference on two public data sets: a network that is meant to overfit, and one trained under ε = 2 at δ = 1e-5.
//!
//! `cargo run --release -p reticent-audit --example membership [adult|location30 [BLOCKS]]`, with the data in `RETICENT_TEST_DATA` (default `../shared/data`).
//! `membership throughput` only trains 64 shadow models on location30 and prints a JSON line with the seconds it took; `cargo xtask peers shadows`
//! runs it beside PyTorch.
//!
//! Prints a table: global threshold on the loss, LiRA with 16 and (of 4 blocks of 16) 64 shadow models, RMIA with all; the true-positive rates at 1% and .1% of
//! false alarms pooled over four targets, each trained on a random half of the rows; and what the shadow models took.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints its numbers")]

mod data;

use reticent_accounting::{Delta, Epsilon, NoiseMultiplier, SamplingRate, calibrate};
use reticent_audit::lira::{Knowledge, Variance, log_likelihood_ratios};
use reticent_audit::membership::{KnownRows, loss, phi};
use reticent_audit::roc::TprAt;
use reticent_audit::shadow::{Fit, Membership, balanced_matrix, shadow_phi};
use reticent_audit::{MemberScores, Target, reference};
use reticent_data::{PermittedTable, SubjectId};
use reticent_train::{Architecture, Binding, Classifier, Optimiser, Plan, RunKey, fit_plain, fit_private};
use std::collections::BTreeSet;
use std::error::Error;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

/// Each unit is in half of the models of each block, so that the first block alone is balanced too.
const BLOCK: usize = 16;
const BLOCKS: usize = 4;
const MOST_BLOCKS: usize = 16;
const TARGETS: usize = 4;
const EPSILON: f64 = 2.0;
const DELTA: f64 = 1e-5;
const SEED: u64 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::var("RETICENT_TEST_DATA").unwrap_or_else(|_| "../shared/data".into()));
    let only = std::env::args().nth(1);
    if only.as_deref() == Some("throughput") {
        return throughput(&data::location30(&folder.join("location30"))?);
    }
    let blocks = std::env::args().nth(2).map_or(Ok(BLOCKS), |b| b.parse())?.clamp(1, MOST_BLOCKS);
    println!(
        "{:<12} {:<28} {:<18} {:<24} {:<24} {:<24}",
        "data", "model", "attack", "AUC (95%)", "TPR at 1% FPR (95%)", "TPR at .1% FPR (95%)"
    );
    for name in ["location30", "adult"] {
        if only.as_deref().is_none_or(|only| only == name) {
            let pool = if name == "adult" { data::adult(&folder.join("adult"))? } else { data::location30(&folder.join("location30"))? };
            of(name, &pool, blocks)?;
        }
    }
    Ok(())
}

/// Trains 64 shadow models without privacy on halves of the rows, and prints how long that took.
fn throughput(pool: &PermittedTable) -> Result<(), Box<dyn Error>> {
    let known = KnownRows::new(pool, NonZeroUsize::MIN);
    let plan = plan(known.ids().len(), NoiseMultiplier::new(1.0)?)?;
    let fit = |rows: &PermittedTable, _: u64| fit_plain(&plan, rows, STEPS_PLAIN, RATE_PLAIN).map(target).map_err(|e| e.to_string());
    let (shadows, threads) = (BLOCK * BLOCKS, std::thread::available_parallelism().map_or(1, usize::from));
    let members = balanced_matrix(known.ids().len(), shadows, SEED)?;
    let started = Instant::now();
    shadow_phi(pool, &known, &members, threads, &fit, &mut || ())?;
    let took = started.elapsed().as_secs_f64();
    let each = took * threads as f64 / shadows as f64;
    println!("{}", serde_json::json!({ "bench": "shadows", "shadows": shadows, "threads": threads, "wall_s": took, "seconds_each": each }));
    Ok(())
}

fn of(name: &str, pool: &PermittedTable, blocks: usize) -> Result<(), Box<dyn Error>> {
    let known = KnownRows::new(pool, NonZeroUsize::MIN);
    let units = known.ids().len();
    let plain = plan(units, NoiseMultiplier::new(1.0)?)?;
    let overfit = |rows: &PermittedTable, _: u64| fit_plain(&plain, rows, STEPS_PLAIN, RATE_PLAIN).map(target).map_err(|e| e.to_string());
    attacks(name, &format!("overfit, {units} rows"), pool, &known, blocks, &overfit)?;

    let event = |noise| plan(units, noise).expect("only the noise changes").event();
    let noise = calibrate::noise_multiplier(Epsilon::new(EPSILON)?, Delta::new(DELTA)?, 1e-3, calibrate::Accountant::Pld, event)?;
    let plan = plan(units, noise)?;
    let private = |rows: &PermittedTable, run: u64| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&run.to_le_bytes());
        key[8] = 1;
        let binding = Binding { plan: plan.digest(), permit: String::new(), data: "membership".into(), machine: String::new() };
        fit_private(&plan, rows, &RunKey::from_bytes(key), &binding, &mut |_| {}).map(target).map_err(|e| e.to_string())
    };
    attacks(name, &format!("ε = {EPSILON} at δ = {DELTA:e}"), pool, &known, 1, &private)
}

const STEPS_PLAIN: u64 = 150;
const RATE_PLAIN: f64 = 0.01;

/// One hidden layer. Without privacy the sampling, the clip and the noise are not used.
fn plan(units: usize, noise_multiplier: NoiseMultiplier) -> Result<Plan, Box<dyn Error>> {
    Ok(Plan {
        unit: "row".into(),
        max_rows_per_unit: NonZeroUsize::MIN,
        sample_rate: SamplingRate::new(0.1)?,
        noise_multiplier,
        max_grad_norm: 1.0,
        steps: 150,
        learning_rate: 0.005,
        public_units: units as u64 / 2,
        architecture: Architecture::Mlp { hidden: vec![128] },
        optimiser: Optimiser::Adam,
    })
}

fn target(model: Classifier) -> Box<dyn Target> {
    Box::new(move |inputs: &[f32], width: usize| model.probabilities(inputs, width))
}

/// Trains the shadow models and the targets, and prints a line for each attack.
fn attacks(name: &str, model: &str, pool: &PermittedTable, known: &KnownRows, blocks: usize, fit: Fit<'_>) -> Result<(), Box<dyn Error>> {
    let units = known.ids().len();
    let mut is_in = vec![];
    for block in 0..blocks {
        let members = balanced_matrix(units, BLOCK, SEED + block as u64)?;
        is_in.extend((0..BLOCK).map(|s| (0..units).map(|u| members.is_in(s, u)).collect::<Vec<bool>>()));
    }
    let all = Membership::recorded(&is_in)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let started = Instant::now();
    let mut done = 0;
    let shadow = shadow_phi(pool, known, &all, threads, fit, &mut || {
        done += 1;
        eprint!("\r{name}, {model}: {done} of {} shadow models, {:.0} s ", is_in.len(), started.elapsed().as_secs_f64());
    })?;
    eprintln!();
    let took = started.elapsed().as_secs_f64();
    // ln p of the true class from φ = ln p − ln(1 − p).
    let log_p = |phi: &f64| -(-phi).exp().ln_1p();
    let log_shadow: Vec<Vec<f64>> = shadow.iter().map(|s| s.iter().map(log_p).collect()).collect();
    let first = Membership::recorded(&is_in[..BLOCK])?;
    // The targets' halves by a seed of their own; a target is no shadow model of another.
    let halves = balanced_matrix(units, TARGETS, SEED + 1000)?;
    let mut pooled: Vec<(String, Vec<MemberScores>)> = vec![];
    for t in 0..TARGETS {
        let members: BTreeSet<SubjectId> = (0..units).filter(|&u| halves.is_in(t, u)).map(|u| known.ids()[u]).collect();
        let target = fit(&pool.filter(|id| members.contains(&id)), 1_000_000 + t as u64)?;
        let found = phi(known, &*target)?;
        let log_found: Vec<f64> = found.iter().map(log_p).collect();
        let sides = |scores: Vec<f64>| {
            let side = |which| scores.iter().enumerate().filter(|(u, _)| halves.is_in(t, *u) == which).map(|(_, s)| *s).collect();
            MemberScores::new(side(true), side(false))
        };
        let few = log_likelihood_ratios(&found, &shadow[..BLOCK], &first, Variance::for_shadows(BLOCK), Knowledge::Online)?;
        let mut rows = vec![
            ("loss".to_owned(), loss(known, &*target)?.sides(|id| Some(members.contains(id)))?),
            (format!("LiRA, {BLOCK}"), sides(few)?),
        ];
        if blocks > 1 {
            let many = log_likelihood_ratios(&found, &shadow, &all, Variance::for_shadows(all.shadows()), Knowledge::Online)?;
            rows.push((format!("LiRA, {}", all.shadows()), sides(many)?));
        }
        let rmia = reference::rmia(&log_found, &log_shadow, &all, 2.0, 1.0, Knowledge::Online)?;
        rows.push((format!("RMIA, {}", all.shadows()), sides(rmia)?));
        for (at, (attack, scores)) in rows.into_iter().enumerate() {
            if pooled.len() <= at {
                pooled.push((attack, vec![]));
            }
            pooled[at].1.push(scores);
        }
    }
    for (attack, sides) in pooled {
        let scores = MemberScores::pooled(sides);
        let area = scores.area(0.95)?;
        let area = format!("{:.3} ({:.3} to {:.3})", area.auc, area.lower, area.upper);
        println!("{name:<12} {model:<28} {attack:<18} {area:<24} {:<24} {:<24}", rate(scores.tpr_at(0.01)?), rate(scores.tpr_at(0.001)?));
    }
    println!("{name:<12} {model:<28} {} shadow models: {took:.1} s on {threads} threads", is_in.len());
    Ok(())
}

fn rate(at: TprAt) -> String {
    match at {
        TprAt::Measured { tpr, lower, upper, .. } => {
            let percent = |v: f64| format!("{:.2}%", v * 100.0);
            format!("{} ({} to {})", percent(tpr), percent(lower), percent(upper))
        }
        TprAt::Refused { needs_negatives, negatives, .. } => format!("needs {needs_negatives} others, has {negatives}"),
    }
}
