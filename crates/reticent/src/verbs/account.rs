//! `account`: what a run costs, wherever it was trained, and what may be run for a budget.

mod compose;
mod curve;

use crate::cli::Common;
use crate::failure::Failure;
use crate::output::Answer;
use crate::privacy::up;
use clap::{Args, Subcommand};
use reticent_accounting::calibrate::{self, Accountant};
use reticent_accounting::{Delta, Epsilon, Error, Event, Neighbours, NoiseMultiplier, SamplingRate, pld, rdp};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Account {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// ε of DP-SGD with Poisson sampling, as a certified interval
    #[command(after_help = "Example: reticent account epsilon --noise 1.1 --rate 256/60000 --steps 14062 --delta 1e-5")]
    Epsilon {
        #[command(flatten)]
        noise: Noise,
        #[command(flatten)]
        batches: Batches,
        #[command(flatten)]
        at: At,
    },
    /// δ of DP-SGD with Poisson sampling at an ε
    #[command(after_help = "Example: reticent account delta --noise 1.1 --rate 256/60000 --steps 14062 --epsilon 3")]
    Delta {
        #[command(flatten)]
        noise: Noise,
        #[command(flatten)]
        batches: Batches,
        /// ε
        #[arg(long)]
        epsilon: f64,
    },
    /// The least noise with which DP-SGD costs at most ε
    #[command(after_help = "Example: reticent account noise --epsilon 3 --rate 256/60000 --steps 14062 --delta 1e-5")]
    Noise {
        /// ε that may be spent
        #[arg(long)]
        epsilon: f64,
        #[command(flatten)]
        batches: Batches,
        #[command(flatten)]
        at: At,
    },
    /// The most steps of DP-SGD that cost at most ε
    #[command(after_help = "Example: reticent account steps --epsilon 3 --noise 1.1 --rate 256/60000 --delta 1e-5")]
    Steps {
        /// ε that may be spent
        #[arg(long)]
        epsilon: f64,
        #[command(flatten)]
        noise: Noise,
        /// Probability with which a unit takes part in a step, as a number or a fraction
        #[arg(long, value_parser = fraction)]
        rate: f64,
        #[command(flatten)]
        at: At,
    },
    /// ε of a list of events, one after the other, from a JSON or TOML file
    #[command(after_help = "Example: reticent account compose events.toml --delta 1e-5")]
    Compose {
        /// A JSON list of events, or TOML with one `[[events]]` each
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
    /// The most any attacker can reach against DP-SGD: true positives at each rate of false ones
    #[command(after_help = "Example: reticent account curve --noise 1.1 --rate 256/60000 --steps 14062 --out curve.svg")]
    Curve {
        #[command(flatten)]
        noise: Noise,
        #[command(flatten)]
        batches: Batches,
        /// Also writes the plot there, as SVG
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

#[derive(Args, Clone, Copy)]
struct Noise {
    /// Standard deviation of the noise over the clipping norm
    #[arg(long)]
    noise: f64,
}

#[derive(Args, Clone, Copy)]
struct Batches {
    /// Probability with which a unit takes part in a step, as a number or a fraction
    #[arg(long, value_parser = fraction)]
    rate: f64,
    /// Number of steps
    #[arg(long)]
    steps: u64,
}

#[derive(Args, Clone, Copy)]
struct At {
    /// δ
    #[arg(long, default_value = "1e-5")]
    delta: f64,
}

fn fraction(text: &str) -> Result<f64, String> {
    let number = |t: &str| t.trim().parse::<f64>().map_err(|_| format!("`{t}` is not a number"));
    match text.split_once('/') {
        Some((over, under)) => Ok(number(over)? / number(under)?),
        None => number(text),
    }
}

impl Account {
    pub(crate) fn run(&self, _: &Common) -> Result<Answer, Failure> {
        match &self.verb {
            Verb::Epsilon { noise, batches, at } => epsilon(noise.noise, *batches, at.delta),
            Verb::Delta { noise, batches, epsilon } => delta(noise.noise, *batches, *epsilon),
            Verb::Noise { epsilon, batches, at } => least_noise(*epsilon, *batches, at.delta),
            Verb::Steps { epsilon, noise, rate, at } => most_steps(*epsilon, noise.noise, *rate, at.delta),
            Verb::Compose { file, at } => compose::run(file, at.delta),
            Verb::Curve { noise, batches, out } => curve::run(&dp_sgd(noise.noise, *batches)?, out.as_deref()),
        }
    }
}

const NEIGHBOURS: Neighbours = Neighbours::AddOrRemoveOne;

fn dp_sgd(noise: f64, batches: Batches) -> Result<Event, Failure> {
    Ok(Event::dp_sgd(NoiseMultiplier::new(noise)?, SamplingRate::new(batches.rate)?, batches.steps))
}

/// What the numbers rest on, in words.
fn assumes(steps: u64, rate: f64, noise: f64) -> String {
    format!(
        "  neighbours: add or remove one unit\n  assumes: {steps} steps, each unit in a step with probability {rate:.6} on its own (Poisson, not shuffled batches),\n           its gradient clipped, Gaussian noise of {noise} × the clipping norm, all fixed in advance\n"
    )
}

/// Epsilon in words and as JSON: by PLD with RDP beside it, or, said so, by RDP alone.
fn answer(event: &Event, delta: Delta) -> Result<(String, Value), Failure> {
    let by_renyi = rdp::epsilon(event, delta);
    let renyi = by_renyi.as_ref().ok().map(|found| found.epsilon.get());
    match pld::epsilon(event, delta) {
        Ok(interval) => {
            let (lower, upper) = (interval.lower.get(), interval.upper.get());
            let also = match &by_renyi {
                Ok(found) => format!("  by RDP: ε ≤ {} at order {:.2}\n", up(found.epsilon.get()), found.order.get()),
                Err(why) => format!("  by RDP: {why}\n"),
            };
            let words = format!("ε ≤ {} at δ = {:e}  (certified: {}, by PLD)\n{also}", up(upper), delta.get(), outwards(lower, upper));
            Ok((words, json!({ "epsilon": { "lower": lower, "upper": upper }, "epsilon_rdp": renyi, "accountant": "pld" })))
        }
        // Said, not hidden: the looser accountant answers where the tighter has no proof.
        Err(
            why @ (Error::UnsupportedEvent { .. }
            | Error::GridTooLarge { .. }
            | Error::RoundOff { .. }
            | Error::Unrepresentable { .. }
            | Error::DeltaTooSmall { .. }),
        ) => {
            let found = by_renyi?;
            let upper = found.epsilon.get();
            let words =
                format!("ε ≤ {} at δ = {:e}  (by RDP at order {:.2})\n  not by PLD: {why}\n", up(upper), delta.get(), found.order.get());
            let json = json!({ "epsilon": { "lower": 0.0, "upper": upper }, "epsilon_rdp": upper, "accountant": "rdp", "not_pld": why.to_string() });
            Ok((words, json))
        }
        Err(other) => Err(other.into()),
    }
}

fn epsilon(noise: f64, batches: Batches, delta: f64) -> Result<Answer, Failure> {
    let (event, delta) = (dp_sgd(noise, batches)?, Delta::new(delta)?);
    let (words, mut json) = answer(&event, delta)?;
    let text = words + &assumes(batches.steps, batches.rate, noise);
    if let Some(map) = json.as_object_mut() {
        map.insert("delta".into(), delta.get().into());
        map.insert("neighbours".into(), json!(NEIGHBOURS));
        map.insert("event".into(), json!(event));
    }
    Ok(Answer::new(text, json))
}

/// The interval, rounded outwards: both ends stay bounds.
fn outwards(lower: f64, upper: f64) -> String {
    format!("{:.4} to {:.4}", (lower * 1e4).floor() / 1e4, (upper * 1e4).ceil() / 1e4)
}

fn delta(noise: f64, batches: Batches, epsilon: f64) -> Result<Answer, Failure> {
    let (event, epsilon) = (dp_sgd(noise, batches)?, Epsilon::new(epsilon)?);
    let interval = pld::delta(&event, epsilon)?;
    let text = format!(
        "δ ≤ {} at ε = {epsilon}  (certified: {:.4e} or more, by PLD)\n{}",
        rounded_up(interval.upper),
        interval.lower,
        assumes(batches.steps, batches.rate, noise)
    );
    let json = json!({ "delta": { "lower": interval.lower, "upper": interval.upper }, "epsilon": epsilon.get(),
        "accountant": "pld", "neighbours": NEIGHBOURS, "event": event });
    Ok(Answer::new(text, json))
}

/// A small number to four digits that is not below it.
fn rounded_up(value: f64) -> String {
    if value <= 0.0 {
        return "0".into();
    }
    let unit = 10_f64.powi(value.log10().floor() as i32 - 4);
    format!("{:.4e}", (value / unit).ceil() * unit)
}

fn least_noise(epsilon: f64, batches: Batches, delta: f64) -> Result<Answer, Failure> {
    let (epsilon, delta, rate) = (Epsilon::new(epsilon)?, Delta::new(delta)?, SamplingRate::new(batches.rate)?);
    let run = |noise| Event::dp_sgd(noise, rate, batches.steps);
    let by = |accountant| calibrate::noise_multiplier(epsilon, delta, TOLERANCE, accountant, run).map(NoiseMultiplier::get);
    // Rounded up, so that what is printed still meets the target.
    let (noise, renyi) = (by(Accountant::Pld)?, by(Accountant::Rdp)?);
    let shown = (noise * 1e4).ceil() / 1e4;
    let interval = pld::epsilon(&run(NoiseMultiplier::new(noise)?), delta)?;
    let text = format!(
        "noise {shown:.4} × the clipping norm for ε ≤ {epsilon} at δ = {:e}  (by PLD; by RDP {:.4})\n{}",
        delta.get(),
        (renyi * 1e4).ceil() / 1e4,
        assumes(batches.steps, batches.rate, shown)
    );
    let json = json!({ "noise": noise, "noise_rdp": renyi, "tolerance": TOLERANCE, "target": epsilon.get(), "delta": delta.get(),
        "epsilon": { "lower": interval.lower.get(), "upper": interval.upper.get() }, "accountant": "pld", "neighbours": NEIGHBOURS });
    Ok(Answer::new(text, json))
}

/// How far above the least noise the answer may lie.
const TOLERANCE: f64 = 1e-4;

fn most_steps(epsilon: f64, noise: f64, rate: f64, delta: f64) -> Result<Answer, Failure> {
    let (epsilon, delta, noise_multiplier, sampling_rate) =
        (Epsilon::new(epsilon)?, Delta::new(delta)?, NoiseMultiplier::new(noise)?, SamplingRate::new(rate)?);
    let run = |steps| Event::dp_sgd(noise_multiplier, sampling_rate, steps);
    let steps = calibrate::steps(epsilon, delta, Accountant::Pld, run)?;
    let interval = pld::epsilon(&run(steps), delta)?;
    let text = format!(
        "{steps} steps for ε ≤ {epsilon} at δ = {:e}: {:.1} epochs  (certified: {}, by PLD)\n{}",
        delta.get(),
        steps as f64 * rate,
        outwards(interval.lower.get(), interval.upper.get()),
        assumes(steps, rate, noise)
    );
    let json = json!({ "steps": steps, "epochs": steps as f64 * rate, "target": epsilon.get(), "delta": delta.get(),
        "epsilon": { "lower": interval.lower.get(), "upper": interval.upper.get() }, "accountant": "pld", "neighbours": NEIGHBOURS });
    Ok(Answer::new(text, json))
}
