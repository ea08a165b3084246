//! `report`: evaluate internally, then render report.html and report.json from what is on record.

pub(crate) mod measured;
mod sections;

use crate::cli::Common;
use crate::data_version::{DataVersion, load_latest};
use crate::disk;
use crate::evaluation::{self, Evaluation};
use crate::failure::Failure;
use crate::gate::{Admitted, admit, chosen_for};
use crate::output::Answer;
use crate::privacy::{Statement, bound, statement, up};
use crate::report::{
    self, Amount, Comparison, Count, CurvePoint, Decision, File, Filter, Flow, FlowStep, Gate, Log, Measured, Purpose, Release,
    ReleaseState, Report, Subgroup, Utility,
};
use crate::verbs::choose_model;
use crate::verbs::train::{ModelManifest, newest};
use crate::workspace::Workspace;
use clap::Args;
use reticent_accounting::filter::RenyiFilter;
use reticent_accounting::{Delta, Epsilon, Order};
use reticent_govern::Event;
use reticent_proof::Use;
use reticent_train::{Auc, load_weights};
use serde_json::json;
use sha2::{Digest, Sha256};

#[derive(Args)]
#[command(
    after_help = "Trains a twin without privacy, another architecture and a sweep over ε to compare with. That is internal evaluation: permitted by the gate,\nrecorded, covered by no ε, weights never written. The page is self-contained and makes a PDF from any browser's print dialog."
)]
pub(crate) struct ReportVerb {
    /// The model [default: the only one]
    model: Option<String>,
}

impl ReportVerb {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let mut workspace = Workspace::write(&common.dir)?;
        let (name, model) = choose_model(&workspace.config, self.model.as_deref())?;
        let (name, model) = (name.to_owned(), model.clone());
        let (manifest, weights, released_at) = newest(&mut workspace, &name)?;
        let data = load_latest(&mut workspace, &model.data)?;
        let chosen = chosen_for(&mut workspace, &manifest.model, &manifest.data_version, &manifest.purpose)?;
        let admitted = admit(&mut workspace, &data, &model, Use::Training, &chosen)?;
        let evaluation = evaluation::evaluate(&workspace.config, &model, &admitted.table, &load_weights(&weights)?, &manifest)?;
        let evaluated = workspace.append(&Event::InternalEvaluation {
            version: data.manifest.version.clone(),
            models: evaluation.models,
            purpose: "report: twin, other architecture, sweep over ε".into(),
        })?;
        let unit = workspace.config.data[&model.data].unit.clone();
        let budget = workspace.ledger.budget(&model.data, &unit)?.ok_or_else(|| Failure::failed("the model's budget is not on record"))?;
        let stated = statement(&workspace.config, &budget)?.ok_or_else(|| Failure::failed("the model's charge is not on record"))?;
        workspace.publish()?;

        let sources = Sources {
            manifest: &manifest,
            data: &data,
            admitted: &admitted,
            evaluation: &evaluation,
            stated: &stated,
            released_at,
            evaluated,
        };
        let page = assemble(&mut workspace, &sources)?.concealed();
        let html = report::render(&page);
        let path = workspace.dir.join("report.html");
        disk::write(&path, html.as_bytes())?;
        disk::write(&workspace.hidden("reports/report.json"), format!("{:#}\n", json!(page)).as_bytes())?;
        workspace.append(&Event::ReportWritten { file: "report.html".into(), sha256: hex::encode(Sha256::digest(&html)) })?;
        let checkpoint = workspace.publish()?;
        let auc = |a: &Auc| format!("{:.3} ({:.3} to {:.3})", a.auc, a.lower, a.upper);
        let text = format!(
            "test AUC   {} {}; twin without privacy {}\nprivacy    {}, {}, {}, all releases and reserves\nreport     {}\n",
            manifest.model,
            auc(&evaluation.private),
            auc(&evaluation.baseline),
            bound(stated.epsilon_upper, stated.delta),
            stated.neighbours,
            stated.unit,
            path.display()
        );
        // Records by the first reason that left them out; with `trained` they add up to the imported records.
        let left_out = admitted.decision.excluded.iter().filter(|_| admitted.decision.allowed).map(|(r, c)| (r.name(), c.records));
        let beyond = [("beyond-cap", admitted.beyond_cap.records), ("held-out", evaluation.test_records)];
        let excluded: serde_json::Map<_, _> = left_out.chain(beyond).map(|(name, n)| (name.to_owned(), n.into())).collect();
        let json = json!({
            "privacy": stated,
            "utility": { "private": evaluation.private, "baseline": evaluation.baseline, "other": { "name": evaluation.other, "private": evaluation.other_private, "baseline": evaluation.other_baseline }, "curve": evaluation.curve, "groups": evaluation.groups },
            "data": { "units": data.manifest.counts.units, "records": data.manifest.counts.records, "excluded": excluded, "trained": evaluation.train_records, "trained_units": evaluation.train_units },
            "log": { "size": checkpoint.unverified().size, "root": checkpoint.unverified().root.to_string() },
            "report": path,
        });
        Ok(Answer::new(text, json))
    }
}

struct Sources<'a> {
    manifest: &'a ModelManifest,
    data: &'a DataVersion,
    admitted: &'a Admitted,
    evaluation: &'a Evaluation,
    stated: &'a Statement,
    released_at: i64,
    evaluated: i64,
}

fn assemble(workspace: &mut Workspace, s: &Sources<'_>) -> Result<Report, Failure> {
    let config = workspace.config.clone();
    let declared = &config.purposes[&s.manifest.purpose];
    let (plan, evaluation, counts) = (&s.manifest.plan, s.evaluation, &s.data.manifest.counts);
    let count = |n: u64| Count::of(n);
    let at = |kind: &str, workspace: &mut Workspace| -> Result<Option<u64>, Failure> {
        Ok(workspace.ledger.events(kind)?.last().map(|e| e.seq as u64))
    };
    let imported_at = at("data-imported", workspace)?;
    let opened_at = at("budget-opened", workspace)?;
    let reserved_at = at("budget-reserved", workspace)?;
    let (gate_at, evaluated, released_at) = (Some(s.admitted.event as u64), Some(s.evaluated as u64), Some(s.released_at as u64));
    let reasons: Vec<FlowStep> = s
        .admitted
        .decision
        .excluded
        .iter()
        .filter(|_| s.admitted.decision.allowed)
        .map(|(reason, c)| FlowStep { label: reason.words().into(), records: count(c.records), units: count(c.units), evidence: gate_at })
        .collect();
    let mut steps = vec![];
    let beyond = s.admitted.beyond_cap;
    if beyond.records > 0 {
        let label = format!("beyond the public cap of {} rows a unit", plan.max_rows_per_unit);
        steps.push(FlowStep { label, records: count(beyond.records), units: count(beyond.units), evidence: gate_at });
    }
    steps.extend(reasons.clone());
    steps.push(FlowStep {
        label: "held out for the test".into(),
        records: count(evaluation.test_records),
        units: count(evaluation.test_units),
        evidence: evaluated,
    });
    let measured = |a: &Auc| Measured { value: a.auc, lo: a.lower, hi: a.upper, evidence: evaluated };
    let filter =
        RenyiFilter::open(Epsilon::new(s.stated.budget_epsilon)?, Delta::new(s.stated.delta)?, Order::new(s.stated.filter_order)?)?;
    let releases = s.stated.releases.iter().map(|r| Release {
        name: r.name.clone(),
        state: if r.state == "reserved" || r.state == "under way" { ReleaseState::Reserved } else { ReleaseState::Released },
        epsilon: r.epsilon,
        cumulative_epsilon: r.cumulative_epsilon,
        evidence: reserved_at,
    });
    let releases = releases.collect();
    let covers = format!("{} alone, {}, {}", s.manifest.model, s.stated.neighbours, s.stated.unit);
    let sections = sections::gather(workspace, &s.manifest.model, &covers)?;
    let log = reticent_proof::log::Log::open(workspace.hidden("log"))?.checkpoint()?;
    let (size, root) = log.map_or((0, String::new()), |c| (c.unverified().size, c.unverified().root.to_string()));
    let dir_flag = format!("--dir {}", workspace.dir.display());
    let mut report = Report {
        title: format!("{}: {}", s.manifest.model, declared.description.clone().unwrap_or_else(|| s.manifest.purpose.clone())),
        statement: config.statement.clone().unwrap_or_default(),
        generated_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        stamp: s.manifest.stamp.clone(),
        controller: config.controller.name.clone().unwrap_or_else(|| "no controller declared".into()),
        purpose: Purpose {
            name: s.manifest.purpose.clone(),
            iri: declared.iri.clone(),
            description: declared.description.clone().unwrap_or_else(|| s.manifest.purpose.clone()),
            art6: declared.art6.map(|c| format!("(1)({c})")),
            art9: declared.art9.map(|c| format!("(2)({c})")),
            evidence: at("assessment-opened", workspace)?,
        },
        flow: Flow {
            imported: Amount { records: count(counts.records), units: count(counts.units), evidence: imported_at },
            steps,
            trained: Amount { records: count(evaluation.train_records), units: count(evaluation.train_units), evidence: released_at },
        },
        privacy: report::Privacy {
            epsilon_upper: s.stated.epsilon_upper,
            epsilon_lower_numeric: s.stated.epsilon_lower_numeric,
            epsilon_rdp: s.stated.epsilon_rdp,
            delta: s.stated.delta,
            unit: plan.unit.clone(),
            neighbours: s.stated.neighbours.clone(),
            max_rows_per_unit: plan.max_rows_per_unit.get() as u64,
            noise_multiplier: plan.noise_multiplier.get(),
            sample_rate: plan.sample_rate.get(),
            steps: plan.steps,
            max_grad_norm: plan.max_grad_norm,
            filter: Filter {
                order: s.stated.filter_order,
                budget_epsilon: s.stated.budget_epsilon,
                spent_epsilon: filter.epsilon_of(s.stated.filter_spent)?.get(),
                evidence: opened_at,
            },
            releases,
            not_covered: s.stated.not_covered.clone(),
            evidence: reserved_at,
        },
        utility: Utility {
            metric: if s.manifest.schema.classes() == 2 { "AUC" } else { "AUC (mean over classes)" }.into(),
            interval: "95% bootstrap over units, 200 resamples".into(),
            release: measured(&evaluation.private),
            twin: measured(&evaluation.baseline),
            others: vec![Comparison {
                name: evaluation.other.clone(),
                with_noise: Some(measured(&evaluation.other_private)),
                twin: Some(measured(&evaluation.other_baseline)),
            }],
            curve: evaluation
                .curve
                .iter()
                .map(|p| CurvePoint { epsilon: p.epsilon, mean: p.mean, sd: p.sd, seeds: p.seeds, evidence: evaluated })
                .collect(),
        },
        scan: sections.scan,
        selection: sections.selection,
        audit: sections.audit,
        text: sections.text,
        explanation: sections.explanation,
        erasure: sections.erasure,
        removal: sections.removal,
        subgroups: evaluation
            .groups
            .iter()
            .map(|g| Subgroup {
                column: g.column.clone(),
                level: g.level.clone(),
                units: count(g.units),
                records: count(g.records),
                release: g.private.as_ref().map(measured),
                twin: g.baseline.as_ref().map(measured),
                evidence: evaluated,
            })
            .collect(),
        gate: Gate {
            decision: if s.admitted.decision.allowed { Decision::Permitted } else { Decision::Warned },
            reasons,
            permit: s.manifest.permit_digest.clone(),
            policy: s.admitted.decision.policy_digest.clone(),
            evidence: gate_at,
        },
        log: Log { size, root, checkpoint_path: "reticent.checkpoint".into() },
        files: vec![File {
            path: format!(".reticent/models/{}/model.safetensors", s.manifest.model),
            sha256: s.manifest.weights_sha256.clone(),
        }],
        commands: vec![
            format!("reticent status {dir_flag}"),
            format!("reticent budget {dir_flag}"),
            format!("reticent log verify {dir_flag}"),
            format!(
                "reticent account epsilon --noise {} --rate {} --steps {} --delta {:e}",
                plan.noise_multiplier.get(),
                plan.sample_rate.get(),
                plan.steps,
                s.stated.delta
            ),
        ],
        timing: vec![],
        evidence: vec![],
    };
    report.evidence = evidence(workspace)?;
    debug_assert!(up(report.privacy.epsilon_upper).parse::<f64>().is_ok_and(|e| e >= report.privacy.epsilon_upper - 1e-12));
    Ok(report)
}

/// Every event that is no unit's own, newest of each kind last.
fn evidence(workspace: &mut Workspace) -> Result<Vec<report::Event>, Failure> {
    let mut all = vec![];
    for kind in [
        "workspace-created",
        "data-imported",
        "basis-file-imported",
        "data-reduced",
        "assessment-opened",
        "assessment-updated",
        "assessment-advised",
        "assessment-decided",
        "legitimate-interest-assessed",
        "gate-decided",
        "budget-opened",
        "budget-reserved",
        "retraining-reserved",
        "noise-key-created",
        "model-released",
        "release-recalled",
        "subject-erased",
        "evidence-recorded",
        "internal-evaluation",
    ] {
        all.extend(workspace.ledger.events(kind)?.into_iter().map(|e| report::Event {
            event: e.seq as u64,
            kind: kind.into(),
            time: e.at,
            leaf: e.commitment,
        }));
    }
    all.sort_by_key(|e| e.event);
    Ok(all)
}
