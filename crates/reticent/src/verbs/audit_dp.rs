//! `audit dp`: hold a training loop of any make against the noise and the clip that it states. No workspace, no config.

use crate::audit::{ALPHA, bounds, finding_json, section};
use crate::failure::Failure;
use crate::output::{Answer, thousands};
use crate::report::render_loop;
use clap::Args;
use reticent_accounting::{Delta, NoiseMultiplier};
use reticent_audit::white_box::{LoopAudit, StepPlan, audit, scores};
use reticent_audit::{Error, canaries_file};
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
#[command(
    after_help = "The file is a CSV of canaries, one line for each canary in each step: `step`, `canary` (both from 0), `in` (0 or 1) and `released`.\n\
A canary is one unit more, whose gradient points along a coordinate of its own, on which no other unit has any (a parameter added for the audit), with a norm\n\
far above the clip; in each step it is in or out by its own fair coin. `released` is that coordinate of the gradient that moves the weights.\n\
In a loop that has the gradients of a step, one row a unit, before it clips them:\n\
    coin = rng.random(canaries) < 0.5\n\
    own = 100 * max_grad_norm * numpy.eye(canaries)[coin]\n\
    gradients = numpy.block([[gradients, numpy.zeros((len(gradients), canaries))], [numpy.zeros((len(own), width)), own]])\n\
    released = noised_mean(clip(gradients))[-canaries:]\n\
    for canary in range(canaries): file.writerow([step, canary, int(coin[canary]), released[canary]])\n\
1,000 lines (50 canaries, 20 steps) tell half the noise from all of it.\n\
Example: reticent audit dp canaries.csv --noise-multiplier 1.1 --max-grad-norm 1 --divisor 256"
)]
pub(crate) struct AuditDp {
    /// CSV file with canaries
    file: PathBuf,
    /// Stated standard deviation of the noise over the clip norm
    #[arg(long, value_name = "SIGMA")]
    noise_multiplier: f64,
    /// Stated bound on the L2 norm of a unit's gradient
    #[arg(long, value_name = "NORM")]
    max_grad_norm: f64,
    /// What the noised sum is divided by before it is released
    #[arg(long, default_value_t = 1.0)]
    divisor: f64,
    /// δ of the bounds printed
    #[arg(long, default_value = "1e-5")]
    delta: f64,
    /// Seed of the controls and of ties
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Also write a page with the tests, the curve and measured beside stated
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl AuditDp {
    pub(crate) fn run(&self) -> Result<Answer, Failure> {
        let open = std::fs::File::open(&self.file).map_err(|e| crate::disk::io("read", &self.file, &e))?;
        let read = canaries_file::read(std::io::BufReader::new(open)).map_err(|error| match error {
            Error::File { .. } => Failure::usage(format!("the file of canaries cannot be used; nothing was measured\n{error}"))
                .hint("columns: `step`, `canary` (from 0), `in` (0 or 1), `released`; see `reticent audit dp --help`"),
            other => other.into(),
        })?;
        let plan = StepPlan {
            noise_multiplier: NoiseMultiplier::new(self.noise_multiplier)?,
            max_grad_norm: self.max_grad_norm,
            divisor: self.divisor,
        };
        let found = audit(&plan, &read.coins, &read.released, Delta::new(self.delta)?, ALPHA, self.seed)?;
        let json = json!({
            "steps": read.coins.steps(), "canaries": read.coins.canaries(), "tests": found.tests, "p_value": found.p_value,
            "contradicted": found.contradicts(ALPHA), "alpha": ALPHA, "surest": found.surest().name, "one_run": found.one_run,
            "finding": finding_json(&found.finding),
        });
        let mut text = text(&found, read.coins.canaries(), read.coins.steps());
        if let Some(path) = &self.html {
            let name = self.file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            let covers = "one step of the plan, as whoever ran the audit states it; canaries in or out";
            let section = section(
                &format!("the loop of {name}"),
                covers,
                &found.finding,
                &scores(&plan, &read.coins, &read.released)?,
                &[&found.finding],
            )?;
            crate::disk::write(path, render_loop(&found, ALPHA, &section).as_bytes())?;
            text += &format!("page: {}\n", path.display());
        }
        Ok(Answer::new(text, json))
    }
}

fn text(found: &LoopAudit, canaries: usize, steps: usize) -> String {
    let mut text =
        format!("{} canaries in {} steps, each in or out by its own coin\n\n", thousands(canaries as u64), thousands(steps as u64));
    text += "tests of \"the loop does what its plan says\"\n";
    for test in &found.tests {
        text += &format!("  {:<12} p = {:<9} {}\n", test.name, shown(test.p_value), test.sees);
    }
    text += &format!("  together     p = {}, all {} allowed for\n", shown(found.p_value), found.tests.len());
    text += &if found.contradicts(ALPHA) {
        format!("  CONTRADICTED at {}%, by `{}`: do not release before the fault is found\n", ALPHA * 100.0, found.surest().name)
    } else {
        format!("  not contradicted at {}%: no proof that the loop is right\n", ALPHA * 100.0)
    };
    text += "\nlower bound on ε of one step, from the threshold\n";
    text += &bounds(&found.finding);
    for gap in &found.finding.not_tested {
        text += &format!("not tested: {gap}\n");
    }
    text
}

fn shown(p: f64) -> String {
    if p < 1e-11 { "< 1e-11".into() } else { format!("{p:.2e}") }
}
