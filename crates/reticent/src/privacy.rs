//! From `reticent.toml` to a plan, and from charges to a statement with δ, unit, neighbours and the releases it covers.

use crate::config::{Bounds, Config, FeatureMap, Model, ModelKind};
use crate::failure::Failure;
use reticent_accounting::filter::{RenyiFilter, best_order};
use reticent_accounting::{Delta, Epsilon, NoiseMultiplier, Order, SamplingRate, calibrate, pld, rdp};
use reticent_data::Schema;
use reticent_govern::{Budget, Reservation, ReservationState};
use reticent_train::features::Features;
use reticent_train::{Architecture, Plan, dp_sgd};
use serde::Serialize;

/// Noise is calibrated to within this much of the smallest that fits.
const NOISE_TOLERANCE: f64 = 1e-4;

/// The budget that reticent.toml declares for a data set: its own, or the largest ε among its models with their δ.
pub(crate) fn declared_budget(config: &Config, dataset: &str) -> Result<(Epsilon, Delta), Failure> {
    let (epsilon, delta) = match config.data.get(dataset).and_then(|d| d.budget) {
        Some(budget) => (budget.epsilon, budget.delta),
        None => config
            .models
            .values()
            .filter(|m| m.data == dataset && !m.is_removable())
            .map(|m| (m.privacy.epsilon, m.privacy.delta))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .ok_or_else(|| {
                Failure::usage(format!("no model in reticent.toml uses `{dataset}`")).hint("add `[models.NAME]` with its privacy")
            })?,
    };
    Ok((Epsilon::new(epsilon)?, Delta::new(delta)?))
}

/// The model on the columns of `schema`.
pub(crate) fn architecture(model: &Model, schema: &Schema) -> Result<Architecture, Failure> {
    let hidden = match model.kind {
        ModelKind::Logistic | ModelKind::CertifiedLogistic => vec![],
        ModelKind::Mlp => hidden(model),
    };
    Ok(match model.features {
        Some(FeatureMap::Bins) => Architecture::OnFeatures { features: Features::bins(schema), hidden },
        Some(FeatureMap::Scattering) => Architecture::OnFeatures { features: Features::scattering(schema)?, hidden },
        None if hidden.is_empty() => Architecture::Logistic,
        None => Architecture::Mlp { hidden },
    })
}

pub(crate) fn hidden(model: &Model) -> Vec<usize> {
    if model.hidden.is_empty() { vec![32] } else { model.hidden.iter().map(|&h| h as usize).collect() }
}

/// The order at which a filter over `epsilon` fits the model's releases best.
pub(crate) fn filter_order(model: &Model, epsilon: Epsilon, delta: Delta) -> Result<Order, Failure> {
    let rate = SamplingRate::new(model.privacy.sample_rate)?;
    let all = |noise| dp_sgd(noise, rate, model.privacy.steps).times(model.privacy.releases);
    let noise = calibrate::noise_multiplier(epsilon, delta, NOISE_TOLERANCE, calibrate::Accountant::Rdp, all)?;
    Ok(best_order(epsilon, delta, &all(noise))?)
}

/// The frozen plan: the least noise with which all of the model's releases together stay within the model's ε, and pass the data set's
/// filter, a budget of `epsilon` at `order`.
pub(crate) fn plan(config: &Config, model: &Model, epsilon: Epsilon, order: Order) -> Result<Plan, Failure> {
    let data = &config.data[&model.data];
    let delta = Delta::new(model.privacy.delta)?;
    let own = Epsilon::new(model.privacy.epsilon)?;
    let rate = SamplingRate::new(model.privacy.sample_rate)?;
    let all = |noise| dp_sgd(noise, rate, model.privacy.steps).times(model.privacy.releases);
    let noise = if own.get() < epsilon.get() {
        // Below the budget, the filter's order is not the model's: its own ε is shown at the order that is best for it, and the filter adds.
        calibrate::noise_multiplier(own, delta, NOISE_TOLERANCE, calibrate::Accountant::Rdp, all)?
    } else {
        let filter = RenyiFilter::open(epsilon, delta, order)?;
        calibrate::noise_multiplier_by(epsilon, NOISE_TOLERANCE, |noise| filter.epsilon_of(filter.cost(&all(noise))?))?
    };
    with_noise(config, model, noise, data.units)
}

/// A plan for internal evaluation: one release of `epsilon` alone.
pub(crate) fn plan_for_one(config: &Config, model: &Model, epsilon: f64) -> Result<Plan, Failure> {
    let delta = Delta::new(model.privacy.delta)?;
    let rate = SamplingRate::new(model.privacy.sample_rate)?;
    let one = |noise| dp_sgd(noise, rate, model.privacy.steps);
    let noise = calibrate::noise_multiplier(Epsilon::new(epsilon)?, delta, 1e-3, calibrate::Accountant::Pld, one)?;
    with_noise(config, model, noise, config.data[&model.data].units)
}

/// Chosen for inputs in [-1, 1] and a clipping norm near 1, without looking at the user's data.
pub(crate) fn default_learning_rate(kind: ModelKind) -> f64 {
    match kind {
        ModelKind::Logistic | ModelKind::CertifiedLogistic => 2.0,
        ModelKind::Mlp => 1.0,
    }
}

/// The public cap on the rows of a unit.
pub(crate) fn cap(model: &Model) -> std::num::NonZeroUsize {
    usize::try_from(model.privacy.max_rows_per_subject).ok().and_then(std::num::NonZeroUsize::new).expect("checked with reticent.toml")
}

fn with_noise(config: &Config, model: &Model, noise: NoiseMultiplier, units: u64) -> Result<Plan, Failure> {
    let privacy = &model.privacy;
    Ok(Plan {
        unit: config.data[&model.data].unit.clone(),
        max_rows_per_unit: cap(model),
        sample_rate: SamplingRate::new(privacy.sample_rate).expect("checked with reticent.toml"),
        noise_multiplier: noise,
        max_grad_norm: privacy.max_grad_norm,
        steps: privacy.steps,
        learning_rate: privacy.learning_rate.unwrap_or_else(|| default_learning_rate(model.kind)),
        public_units: units,
        architecture: architecture(model, &config.data[&model.data].schema(&model.data))?,
        optimiser: reticent_train::Optimiser::default(),
    })
}

/// What may be said about the releases of one data set and unit.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Statement {
    /// Proved upper bound on ε of all releases and reserves together.
    pub(crate) epsilon_upper: f64,
    /// Lower end of the accountant's numeric bracket, 0 where it gives none; not an audit.
    pub(crate) epsilon_lower_numeric: f64,
    /// The same, by RDP.
    pub(crate) epsilon_rdp: f64,
    /// What `epsilon_upper` rests on.
    pub(crate) accountant: String,
    pub(crate) delta: f64,
    pub(crate) unit: String,
    pub(crate) neighbours: String,
    pub(crate) releases: Vec<ReleaseStatement>,
    pub(crate) not_covered: Vec<String>,
    pub(crate) budget_epsilon: f64,
    pub(crate) filter_order: f64,
    pub(crate) filter_spent: f64,
    pub(crate) filter_total: f64,
}

/// One release, or one set aside.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReleaseStatement {
    pub(crate) name: String,
    pub(crate) run: String,
    pub(crate) state: String,
    /// ε of this one alone, by PLD.
    pub(crate) epsilon: f64,
    /// ε of this one and all before it.
    pub(crate) cumulative_epsilon: f64,
}

/// The statement about a budget and all that was charged to it; `None` before the first charge.
///
/// One run with what was held for its retraining is a plan fixed in advance, and PLD bounds it, also once retrainings took their place in the
/// reserve: how many there may be, and what each does, was settled before the first. As soon as a second run was charged beside it, that one may
/// have been chosen after seeing what the first gave, and only the filter's bound holds for all of them together.
pub(crate) fn statement(config: &Config, budget: &Budget) -> Result<Option<Statement>, Failure> {
    let delta = Delta::new(budget.delta)?;
    let filter = RenyiFilter::open(Epsilon::new(budget.epsilon)?, delta, Order::new(budget.order)?)?;
    let charged: Vec<&Reservation> = budget.reservations.iter().filter(|r| r.cost > 0.0).collect();
    let Some(last) = charged.last() else { return Ok(None) };
    let fixed = is_fixed(&charged);
    // What is set aside comes after everything that was drawn.
    let drawn = charged.iter().map(|r| (r, drawn(r), r.cost));
    let reserved = charged.iter().flat_map(|r| reserved(r).into_iter().map(move |kept| (r, kept, r.held / r.held_runs as f64)));
    let mut releases: Vec<ReleaseStatement> = vec![];
    let mut spent = 0.0;
    for (reservation, (name, state), cost) in drawn.chain(reserved) {
        let alone = pld::epsilon(&reservation.event, delta)?.upper.get();
        spent += cost;
        let cumulative_epsilon = match (fixed, releases.len()) {
            (_, 0) => alone,
            (true, before) => pld::epsilon(&reservation.event.clone().times(before as u64 + 1), delta)?.upper.get(),
            (false, _) => filter.epsilon_of(spent)?.get(),
        };
        releases.push(ReleaseStatement { name, run: reservation.run.clone(), state, epsilon: alone, cumulative_epsilon });
    }
    let (epsilon_upper, epsilon_lower_numeric, epsilon_rdp) = if fixed {
        let all = last.event.clone().times(releases.len() as u64);
        let joint = pld::epsilon(&all, delta)?;
        (joint.upper.get(), joint.lower.get(), rdp::epsilon(&all, delta)?.epsilon.get())
    } else {
        let epsilon = filter.epsilon_of(budget.spent)?.get();
        (epsilon, 0.0, epsilon)
    };
    Ok(Some(Statement {
        epsilon_upper,
        epsilon_lower_numeric,
        epsilon_rdp,
        accountant: if fixed { "PLD, one plan fixed in advance" } else { "Rényi filter, runs chosen one after another" }.into(),
        delta: budget.delta,
        unit: unit_in_words(config, &budget.dataset, &budget.unit),
        neighbours: "add or remove one unit".into(),
        releases,
        not_covered: not_covered(config, &budget.dataset),
        budget_epsilon: budget.epsilon,
        filter_order: budget.order,
        filter_spent: budget.spent,
        filter_total: budget.total,
    }))
}

/// One run charged for itself, and beside it only retrainings that took their place in its reserve.
fn is_fixed(charged: &[&Reservation]) -> bool {
    let mut roots = charged.iter().filter(|r| r.from_run.is_none());
    let (Some(root), None) = (roots.next(), roots.next()) else { return false };
    charged.iter().all(|r| r.run == root.run || (r.from_run.as_ref() == Some(&root.run) && r.event == root.event))
}

/// `reconstructed unit, ≤ 5 rows`.
pub(crate) fn unit_in_words(config: &Config, dataset: &str, unit: &str) -> String {
    let cap = config
        .models
        .values()
        .filter(|m| m.data == dataset && !m.is_removable())
        .map(|m| m.privacy.max_rows_per_subject)
        .max()
        .unwrap_or(1);
    if cap == 1 { format!("{unit}, 1 row") } else { format!("{unit}, ≤ {cap} rows") }
}

/// The release of a run, and how far it is.
fn drawn(reservation: &Reservation) -> (String, String) {
    let state = match reservation.state {
        ReservationState::Released => "released",
        ReservationState::Abandoned => "given up, charged in full",
        ReservationState::Reserved | ReservationState::Drawing => "under way",
    };
    (reservation.model.clone(), state.to_owned())
}

/// What is set aside for later.
fn reserved(reservation: &Reservation) -> Vec<(String, String)> {
    let numbered = |i: u64| if reservation.held_runs == 1 { String::new() } else { format!(" {}", i + 1) };
    (0..reservation.held_runs).map(|i| (format!("{} retrained once{}", reservation.model, numbered(i)), "reserved".to_owned())).collect()
}

/// What no ε of this workspace covers.
pub(crate) fn not_covered(config: &Config, dataset: &str) -> Vec<String> {
    let data = &config.data[dataset];
    let mut all = vec![
        "internal evaluation: twins without privacy, the sweep over ε and exact test metrics (weights are deleted, never released)"
            .to_owned(),
        "this statement and the report: their counts and metrics are exact values of private rows".to_owned(),
        format!("the public, rounded number of units ({})", crate::output::thousands(data.units)),
        "the choice of columns, architecture and learning rate".to_owned(),
        "rounding: noise is drawn in 64-bit floating point, and the bound is proved for real numbers".to_owned(),
        "timing, and whoever holds the workspace itself: rows, keys and the ledger".to_owned(),
    ];
    match &data.subject {
        reticent_data::SubjectRule::Row => all.push("people who appear in more than one row".to_owned()),
        reticent_data::SubjectRule::RunsOf(_) => all.push("people spread over several reconstructed units".to_owned()),
        reticent_data::SubjectRule::Column(_) => {}
    }
    if data.bounds == Bounds::Data {
        all.push("bounds and levels, which were read from the private rows".to_owned());
    }
    all
}

/// `ε ≤ 1.998 at δ = 1e-5`, rounded up.
pub(crate) fn bound(epsilon: f64, delta: f64) -> String {
    format!("ε ≤ {} at δ = {delta:e}", up(epsilon))
}

/// Three decimals, never below the number.
pub(crate) fn up(epsilon: f64) -> String {
    format!("{:.3}", (epsilon * 1000.0).ceil() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, from_run: Option<&str>, noise: f64) -> Reservation {
        let event = reticent_accounting::Event::dp_sgd(NoiseMultiplier::new(noise).unwrap(), SamplingRate::new(0.1).unwrap(), 40);
        let text = |t: &str| t.to_owned();
        Reservation {
            run: text(name),
            model: format!("risk/{name}"),
            dataset: text("visits"),
            unit: text("person"),
            binding: String::new(),
            plan: String::new(),
            event,
            cost: 1.0,
            held: 0.0,
            held_runs: 0,
            state: ReservationState::Released,
            from_run: from_run.map(text),
        }
    }

    #[test]
    fn a_plan_is_fixed_with_its_own_retrainings_only() {
        let (root, kept, other) = (run("1", None, 4.0), run("2", Some("1"), 4.0), run("3", None, 4.0));
        for (runs, expected) in [
            (vec![&root], true),
            (vec![&root, &kept], true),
            (vec![&root, &other], false),
            (vec![&root, &kept, &other], false),
            (vec![&kept], false),
            (vec![&root, &run("2", Some("9"), 4.0)], false),
            (vec![&root, &run("2", Some("1"), 5.0)], false),
        ] {
            assert_eq!(is_fixed(&runs), expected);
        }
    }
}
