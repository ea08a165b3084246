//! `sweep`: utility and measured leakage over ε for one's own data, and what choosing by them costs.

use crate::cli::Common;
use crate::config;
use crate::data_version::load_latest;
use crate::disk;
use crate::evidence;
use crate::failure::Failure;
use crate::gate::admit;
use crate::output::{Answer, say};
use crate::privacy::{bound, plan_for_one, up};
use crate::sweep::{self, EPSILONS, Point, SearchCost, measure, search_cost};
use crate::verbs::choose_model;
use crate::verbs::train::reason;
use crate::workspace::Workspace;
use clap::Args;
use reticent_govern::Event;
use reticent_proof::{Reason, Use};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Args)]
#[command(
    after_help = "Trains the model several times at each of ε = 0.1, 0.5, 1, 3, 10 and once without a bound, scores held-out units, and attacks each model with a\nmembership attack by loss. That is internal evaluation: permitted by the gate, recorded, covered by no ε, weights never written. Choosing by\nit reveals something: the answer says what that would cost. What was interrupted goes on.\n\nExample: reticent sweep reticent.toml"
)]
pub(crate) struct Sweep {
    /// The reticent.toml, or the folder that holds it [default: --dir]
    config: Option<PathBuf>,
    /// The model [default: the only one]
    #[arg(long)]
    model: Option<String>,
    /// Runs at each ε
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    runs: u64,
    /// Leave units out for this reason, on record, instead of refusing (may be given several times)
    #[arg(long, value_name = "REASON", value_parser = reason)]
    exclude: Vec<Reason>,
    /// The rows are public, for this reason: choosing by them costs nothing
    #[arg(long, value_name = "REASON")]
    public: Option<String>,
    /// Where the picture goes [default: sweep.svg in the workspace]
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// What the numbers do not say.
const NOT_COVERED: [&str; 5] = [
    "the sweep itself: exact scores of private rows, covered by no ε; the weights are deleted, never released",
    "choosing by these scores: the cost below is that of a choice by scores that are themselves within the bound",
    "attacks stronger than one by loss: a small number here is no bound",
    "an attacker who sees gradients or every step of the training",
    "error bars hold the split into training and test fixed",
];

impl Sweep {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let dir = match &self.config {
            None => common.dir.clone(),
            Some(path) if path.file_name().is_some_and(|name| name == config::FILE) => match path.parent() {
                Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
                Some(parent) => parent.to_owned(),
                None => common.dir.clone(),
            },
            Some(path) => path.clone(),
        };
        let mut workspace = Workspace::write(&dir)?;
        let (name, model) = choose_model(&workspace.config, self.model.as_deref())?;
        let (name, model) = (name.to_owned(), model.clone());
        if model.is_removable() {
            return Err(Failure::usage(format!("`{name}` has no bound to sweep over")).hint("name a model of another kind with --model"));
        }
        let data = load_latest(&mut workspace, &model.data)?;
        let admitted = admit(&mut workspace, &data, &model, Use::Training, &self.exclude.iter().copied().collect())?;
        let folder = workspace.hidden("sweeps").join(&name);
        let (points, trained) = measure(&workspace.config, &model, &admitted.table, &data.manifest.rows_digest, self.runs, &folder)?;
        if trained > 0 {
            workspace.append(&Event::InternalEvaluation {
                version: data.manifest.version.clone(),
                models: trained,
                purpose: "sweep over ε, each model attacked by loss".into(),
            })?;
        }
        let searched = EPSILONS.len() as u64 * self.runs;
        let costs: Vec<SearchCost> = match &self.public {
            Some(_) => vec![],
            None => EPSILONS
                .into_iter()
                .map(|epsilon| search_cost(&model, plan_for_one(&workspace.config, &model, epsilon)?.noise_multiplier, searched))
                .collect::<Result<_, Failure>>()?,
        };
        let stamp = admitted.table.permit().stamp();
        let picture = self.svg.clone().unwrap_or_else(|| workspace.dir.join("sweep.svg"));
        let title = format!("{name} on {}: utility and leakage over ε", data.manifest.version);
        let note = format!(
            "δ = {:e}; one standard error, of runs and units together; internal evaluation, covered by no ε{}",
            model.privacy.delta,
            stamp.as_ref().map_or(String::new(), |s| format!("; {s}"))
        );
        disk::write(&picture, sweep::svg(&title, &note, &points).as_bytes())?;
        let cost = match &self.public {
            Some(reason) => json!({ "charged": false, "public": reason }),
            None => json!({ "charged": false, "runs_searched": searched, "if_the_winner_were_released": costs }),
        };
        let mut facts = json!({
            "model": name, "data_version": data.manifest.version, "delta": model.privacy.delta, "points": points, "models_trained": trained, "search": cost,
            "stamp": stamp, "not_covered": NOT_COVERED,
        });
        let numbers: BTreeMap<String, f64> = points
            .iter()
            .flat_map(|p| {
                let at = p.epsilon.map_or("no bound".to_owned(), |e| format!("epsilon {e}"));
                [(format!("auc at {at}"), p.utility.mean), (format!("attack auc at {at}"), p.leakage.mean)]
            })
            .collect();
        let event = evidence::record(&mut workspace, "sweep", &name, &facts, numbers)?;
        workspace.publish()?;
        facts["evidence"] = json!(event);
        facts["svg"] = json!(crate::workspace::absolute(&picture)?);
        if let Some(stamp) = &stamp {
            say(format!("warning: {name}: {stamp}"));
        }
        let mut text = table(&name, &points);
        text += &self.cost(&model, &costs, searched);
        for gap in NOT_COVERED {
            text += &format!("not covered: {gap}\n");
        }
        text += &format!("picture: {}\nevidence: event {event}\n", picture.display());
        Ok(Answer::new(text, facts))
    }

    fn cost(&self, model: &config::Model, costs: &[SearchCost], searched: u64) -> String {
        if let Some(reason) = &self.public {
            return format!("the search costs nothing: the rows are public because you say so ({reason}); nothing here checked it\n");
        }
        let mut text = format!("the search tried {searched} runs; to release the best of as many (on average) at one ε would cost\n");
        for cost in costs {
            text += &format!(
                "  {} a run: {} by repeat and select; {} were all of them released\n",
                up(cost.alone),
                bound(cost.best_of, model.privacy.delta),
                up(cost.all)
            );
        }
        text += "nothing is charged for it: choose ε by what you can answer for, or sweep over rows that are public\n";
        text
    }
}

fn table(name: &str, points: &[Point]) -> String {
    let mut text = format!("{name}: {:>8}  {:>5}  {:>18}  {:>18}\n", "ε", "runs", "test AUC", "AUC of the attack");
    let wide = name.chars().count() + 1;
    for point in points {
        let epsilon = point.epsilon.map_or("no bound".to_owned(), |e| e.to_string());
        let said = |s: &sweep::Summary| format!("{:.3} ± {:.3}", s.mean, s.bar);
        text += &format!("{:wide$} {epsilon:>8}  {:>5}  {:>18}  {:>18}\n", "", point.runs, said(&point.utility), said(&point.leakage));
    }
    text + "± one standard error, of the runs' noise and of the units together; an attack at 0.5 is chance\n"
}
