//! The sections of the report that rest on evidence: what was scanned, chosen, attacked, explained, erased and removed.
//!
//! Each reads the newest evidence on its topic; a section without evidence is left out.

use super::measured;
use crate::erasure;
use crate::evidence::{self, Evidence};
use crate::failure::Failure;
use crate::report::{
    About, AuditSection, Count, ErasedModel, ErasureSection, ExplanationSection, File, Left, ModelDone, ProvedUpper, RemovalSection,
    ScanFinding, ScanSection, SelectedColumn, SelectionSection, Store, TextSection, Waterfall,
};
use crate::workspace::Workspace;
use reticent_proof::Certificate;
use reticent_proof::record::verify_record;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What the evidence of a workspace gives.
#[derive(Default)]
pub(super) struct Sections {
    pub(super) scan: Option<ScanSection>,
    pub(super) selection: Option<SelectionSection>,
    pub(super) audit: Option<AuditSection>,
    pub(super) text: Option<TextSection>,
    pub(super) explanation: Option<ExplanationSection>,
    pub(super) erasure: Option<ErasureSection>,
    pub(super) removal: Option<RemovalSection>,
}

/// Reads them for a released model; `covers` says what a proved bound on it alone covers.
pub(super) fn gather(workspace: &mut Workspace, release: &str, covers: &str) -> Result<Sections, Failure> {
    let mut newest = |topic: &str, about: Option<&str>| evidence::newest(workspace, topic, about);
    let name = release.split('/').next();
    let (scan, selection) = (newest("scan", None)?, newest("selection", name)?);
    let (audit, text) = (newest("audit", Some(release))?, newest("text-audit", None)?);
    let (explanation, removal) = (newest("explanation", Some(release))?, newest("certified-removal", None)?);
    Ok(Sections {
        scan: scan.map(scanned).transpose()?,
        selection: selection.map(selected).transpose()?,
        audit: audit.map(|found| measured::attacked(&found.body, Some(found.event as u64), covers)).transpose()?,
        text: text.map(|found| measured::planted(&found.body, Some(found.event as u64))).transpose()?,
        explanation: explanation.map(|found| explained(&found, release)).transpose()?.flatten(),
        erasure: erased(workspace)?,
        removal: removal.map(removed).transpose()?.flatten(),
    })
}

/// The body of evidence, whose bytes are those on record: what does not fit is of another version of the program.
pub(super) fn read<T: DeserializeOwned>(body: &Value, topic: &str) -> Result<T, Failure> {
    T::deserialize(body).map_err(|e| {
        Failure::failed(format!("the evidence of `{topic}` is of another version of this program: {e}")).hint("measure it again")
    })
}

fn scanned(found: Evidence) -> Result<ScanSection, Failure> {
    #[derive(Deserialize)]
    struct Body {
        file: String,
        lines: u64,
        counts: BTreeMap<String, u64>,
        columns: BTreeMap<String, BTreeMap<String, u64>>,
        #[serde(default)]
        copied: bool,
    }
    let body: Body = read(&found.body, "scan")?;
    let action = if body.copied { "replaced by its kind in a redacted copy" } else { "counted, nothing changed" };
    let finding = |column: &str, kind: &str, n: u64| ScanFinding {
        column: column.into(),
        kind: kind_in_words(kind).into(),
        found: Count::of(n),
        action: action.into(),
    };
    let findings = if body.columns.is_empty() {
        body.counts.iter().map(|(kind, n)| finding("text", kind, *n)).collect()
    } else {
        let columns = body.columns.iter();
        columns.flat_map(|(column, counts)| counts.iter().map(|(kind, n)| finding(column, kind, *n))).collect()
    };
    Ok(ScanSection {
        what: format!("{}, {} lines", body.file, crate::output::thousands(body.lines)),
        kinds: vec![],
        findings,
        measured: vec![],
        evidence: Some(found.event as u64),
    })
}

fn kind_in_words(kind: &str) -> &str {
    match kind {
        "card" => "card number",
        "email" => "e-mail address",
        "iban" => "IBAN",
        "ip" => "IP address",
        "name" => "name of a person",
        "phone" => "telephone number",
        "ssn" => "US social security number",
        other => other,
    }
}

fn selected(found: Evidence) -> Result<SelectionSection, Failure> {
    #[derive(Deserialize)]
    struct Body {
        tolerance: f64,
        full: Auc,
        columns: Vec<Column>,
        suggestion: Suggestion,
        public: Public,
        fits: u64,
    }
    #[derive(Deserialize)]
    struct Auc {
        auc: f64,
    }
    #[derive(Deserialize)]
    struct Column {
        column: String,
        loss: Loss,
    }
    #[derive(Deserialize)]
    struct Loss {
        value: f64,
        lower: f64,
        upper: f64,
    }
    #[derive(Deserialize)]
    struct Suggestion {
        keep: Vec<String>,
        auc: f64,
    }
    #[derive(Deserialize)]
    struct Public {
        file: String,
        reason: String,
    }
    let body: Body = read(&found.body, "selection")?;
    let columns = body.columns.iter().map(|c| SelectedColumn {
        kept: body.suggestion.keep.contains(&c.column),
        score: None,
        why: format!("left out alone it costs {:+.4} of AUC ({:+.4} to {:+.4})", c.loss.value, c.loss.lower, c.loss.upper),
        column: c.column.clone(),
    });
    Ok(SelectionSection {
        method: format!(
            "leaving out one column after the other, {} plain fits, tolerance {} of AUC: a suggestion",
            body.fits, body.tolerance
        ),
        columns: columns.collect(),
        cost: Some(format!(
            "AUC {:.3} with all {}, {:.3} with {}",
            body.full.auc,
            body.columns.len(),
            body.suggestion.auc,
            body.suggestion.keep.len()
        )),
        privacy: format!("measured on {}, whose rows are public because the controller says so ({})", body.public.file, body.public.reason),
        evidence: Some(found.event as u64),
    })
}

/// The waterfall of a row that is said to be made up; other rows leave none in the evidence.
fn explained(found: &Evidence, release: &str) -> Result<Option<ExplanationSection>, Failure> {
    #[derive(Deserialize)]
    struct Body {
        simulated: Option<Shown>,
        methods: Methods,
        sum_error: f64,
        lime_r2: Option<f64>,
    }
    #[derive(Deserialize)]
    struct Shown {
        scale: String,
        base: f64,
        score: f64,
        bars: Vec<(String, f64)>,
        outcome: String,
        counterfactual: String,
    }
    #[derive(Deserialize)]
    struct Methods {
        attribution: String,
    }
    let body: Body = read(&found.body, "explanation")?;
    let Some(shown) = body.simulated else { return Ok(None) };
    let mut checks = vec![format!("base and contributions add up to the score within {:.0e}, relative", body.sum_error.max(1e-16))];
    checks.extend(body.lime_r2.map(|r2| format!("a straight line near the row (LIME) explains R² = {r2:.2} of the model")));
    Ok(Some(ExplanationSection {
        model: release.into(),
        method: body.methods.attribution,
        scale: shown.scale,
        about: About::Simulated,
        waterfall: Waterfall { base: shown.base, score: shown.score, bars: shown.bars },
        outcome: Some(shown.outcome),
        counterfactual: Some(shown.counterfactual),
        checks,
        evidence: Some(found.event as u64),
    }))
}

/// The newest erasure, from its signed record.
fn erased(workspace: &mut Workspace) -> Result<Option<ErasureSection>, Failure> {
    let Some((number, path)) = erasure::newest_record(workspace) else { return Ok(None) };
    let bytes = std::fs::read(&path).map_err(|e| crate::disk::io("read", &path, &e))?;
    let key = workspace.signing_key()?.verifying_key();
    let record = verify_record(&bytes, &key)
        .map_err(|why| {
            Failure::refused(format!("the record of erasure {number} does not verify: {why}"))
                .hint("bring .reticent/erasures back from where you keep a copy")
        })?
        .erasure;
    let events = workspace.ledger.events("subject-erased")?;
    let event = Some(record.log.index + 1);
    let store = |s: &reticent_proof::record::Store| Store {
        name: s.store.clone(),
        removed: Count::of(s.rows),
        verified_absent: s.verified_absent,
        evidence: None,
    };
    let model = |m: &reticent_proof::record::ModelChange| ErasedModel {
        name: m.before.clone(),
        done: if m.after.is_some() { ModelDone::Retrained } else { ModelDone::Recalled },
        successor: m.after.clone(),
        method: m.method.clone(),
        joint: m.statement.as_ref().map(|s| ProvedUpper {
            epsilon: s.epsilon,
            delta: s.delta,
            covers: format!("{} together, {}", s.joint.join(" and "), s.neighbours),
        }),
        evidence: event,
    };
    let removal = |r: &reticent_proof::record::Removal| {
        let removed = r.outcome == reticent_proof::record::Outcome::Removed;
        ErasedModel {
            name: r.model.clone(),
            done: if removed { ModelDone::Removed } else { ModelDone::Recalled },
            successor: None,
            method: r.why.clone().unwrap_or_else(|| "the unit taken out of it by a Newton step, never released".into()),
            joint: None,
            evidence: event,
        }
    };
    Ok(Some(ErasureSection {
        units: Count::of(events.len() as u64),
        ground: format!("Art 17(1)({})", record.reason),
        received: None,
        answered: Some(record.at.clone()),
        stores: record.stores.iter().map(store).collect(),
        models: record.models.iter().map(model).chain(record.removals.iter().map(removal)).collect(),
        left: record.left.iter().map(|l| Left { what: l.what.clone(), why: l.why.clone() }).collect(),
        record: Some(File { path: format!(".reticent/erasures/{number}.json"), sha256: hex::encode(Sha256::digest(&bytes)) }),
        evidence: event,
    }))
}

/// The newest removal from a model, where the unit was taken out.
fn removed(found: Evidence) -> Result<Option<RemovalSection>, Failure> {
    #[derive(Deserialize)]
    struct Body {
        model: String,
        record: Certificate,
    }
    let Body { model, record } = read(&found.body, "certified-removal")?;
    let Some(step) = record.removals.last() else { return Ok(None) };
    Ok(Some(RemovalSection {
        model,
        method: record.theorem.clone(),
        bound: ProvedUpper {
            epsilon: record.epsilon,
            delta: record.delta,
            covers: format!("the final model alone, units of up to {} rows", record.max_rows_per_unit),
        },
        assumptions: vec![
            record.adversary.clone(),
            "rows clipped to a norm of at most 1 by their public bounds".into(),
            format!(
                "logistic loss with L2 regularisation, λ = {}, noise in the loss of σ = {}",
                record.constants.lambda.value, record.sigma
            ),
        ],
        budget: record.budget,
        spent: record.residual_spent,
        residual: step.residual,
        worst_case: Some(step.worst_case),
        removals: Count::of(record.removals_so_far),
        evidence: Some(found.event as u64),
    }))
}
