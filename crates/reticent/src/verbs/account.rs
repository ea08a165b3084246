//! `account epsilon`: what a run costs, wherever it was trained.

use crate::cli::Common;
use crate::failure::Failure;
use crate::output::Answer;
use crate::privacy::up;
use clap::{Args, Subcommand};
use reticent_accounting::{Delta, Event, NoiseMultiplier, SamplingRate, pld, rdp};
use serde_json::json;

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
        /// Standard deviation of the noise over the clipping norm
        #[arg(long)]
        noise: f64,
        /// Probability with which a unit takes part in a step, as a number or a fraction
        #[arg(long, value_parser = fraction)]
        rate: f64,
        /// Number of steps
        #[arg(long)]
        steps: u64,
        /// δ
        #[arg(long, default_value = "1e-5")]
        delta: f64,
    },
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
        let Verb::Epsilon { noise, rate, steps, delta } = self.verb;
        let event = Event::dp_sgd(NoiseMultiplier::new(noise)?, SamplingRate::new(rate)?, steps);
        let delta = Delta::new(delta)?;
        let interval = pld::epsilon(&event, delta)?;
        let renyi = rdp::epsilon(&event, delta)?;
        let (lower, upper) = (interval.lower.get(), interval.upper.get());
        let text = format!(
            "ε ≤ {} at δ = {:e}  (certified: {:.4} to {:.4}, by PLD)\n  by RDP: ε ≤ {} at order {:.2}\n  neighbours: add or remove one unit\n  assumes: {steps} steps, each unit in a step with probability {rate:.6} on its own (Poisson, not shuffled batches),\n           its gradient clipped, Gaussian noise of {noise} × the clipping norm, all fixed in advance\n",
            up(upper),
            delta.get(),
            // Rounded outwards: both ends stay bounds.
            (lower * 1e4).floor() / 1e4,
            (upper * 1e4).ceil() / 1e4,
            up(renyi.epsilon.get()),
            renyi.order.get(),
        );
        let json = json!({ "epsilon": { "lower": lower, "upper": upper }, "epsilon_rdp": renyi.epsilon.get(), "delta": delta.get(),
            "accountant": "pld", "neighbours": "add-or-remove-one", "event": event });
        Ok(Answer::new(text, json))
    }
}
