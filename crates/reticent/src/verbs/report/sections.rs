//! The sections of the report that rest on evidence: what was scanned, chosen, attacked, explained, erased and removed.
//!
//! Each reads the newest evidence on its topic; a section without evidence is left out.

use crate::erasure;
use crate::evidence::{self, Evidence};
use crate::failure::Failure;
use crate::report::{
    About, Attacked, AuditSection, Bins, Completion, Control, Count, ErasedModel, ErasureSection, Estimate, ExplanationSection,
    ExposurePoint, ExposureSeries, File, Left, MeasuredLower, ModelDone, ProvedUpper, RemovalSection, RocCurve, RocPoint, ScanFinding,
    ScanSection, SelectedColumn, SelectionSection, Store, TextSection, TextTraining, Verdict, Vulnerability, Waterfall,
};
use crate::workspace::Workspace;
use reticent_audit::interval::clopper_pearson;
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
        audit: audit.map(|found| attacked(found, covers)).transpose()?,
        text: text.map(planted).transpose()?,
        explanation: explanation.map(|found| explained(&found, release)).transpose()?.flatten(),
        erasure: erased(workspace)?,
        removal: removal.map(removed).transpose()?.flatten(),
    })
}

/// The body of evidence, whose bytes are those on record: what does not fit is of another version of the program.
fn read<T: DeserializeOwned>(body: &Value, topic: &str) -> Result<T, Failure> {
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

#[derive(Deserialize)]
struct Found {
    attack: AttackedBy,
    members: usize,
    non_members: usize,
    area: Interval,
    roc: Vec<Point>,
    #[serde(default)]
    spread: Option<Spread>,
    not_tested: Vec<String>,
}

#[derive(Deserialize)]
struct AttackedBy {
    variant: String,
    threat_model: String,
}

#[derive(Deserialize)]
struct Interval {
    auc: f64,
    lower: f64,
    upper: f64,
}

#[derive(Deserialize)]
struct Point {
    fpr: f64,
    tpr: f64,
}

/// How the scores of one attack spread, bin by bin, small counts masked.
#[derive(Deserialize)]
struct Spread {
    edges: Vec<f64>,
    members: Vec<Count>,
    non_members: Vec<Count>,
}

const TARGETS: [(&str, Attacked, &str); 3] = [
    ("private", Attacked::Release, "this release"),
    ("baseline", Attacked::Twin, "twin without clipping and noise"),
    ("overfit", Attacked::Overfit, "meant to leak"),
];

fn attacked(found: Evidence, covers: &str) -> Result<AuditSection, Failure> {
    #[derive(Deserialize)]
    struct Body {
        model: String,
        audit: Value,
        controls: BTreeMap<String, Vec<reticent_audit::controls::Control>>,
        shadows: usize,
    }
    #[derive(Deserialize)]
    struct Stated {
        epsilon_upper: f64,
        delta: f64,
        confidence: f64,
        epsilon_lower: Option<f64>,
        epsilon_ceiling: Option<f64>,
        verdict: Option<Word>,
    }
    #[derive(Deserialize)]
    struct Word {
        verdict: String,
    }
    let body: Body = read(&found.body, "audit")?;
    let stated: Stated = read(&body.audit, "audit")?;
    let (mut curves, mut estimates, mut spread) = (vec![], vec![], None);
    let mut lira = None;
    for (key, attacked, label) in TARGETS {
        for attack in ["confidence", "loss", "lira"] {
            let one: Found = read(&body.audit[key][attack], "audit")?;
            estimates.push(Estimate {
                name: format!("AUC of {}, {label}", if attack == "lira" { "LiRA" } else { attack }),
                value: one.area.auc,
                lo: Some(one.area.lower),
                hi: Some(one.area.upper),
                guessing: Some(0.5),
            });
            if attack == "lira" {
                curves.push(curve(&one, attacked, label)?);
                if let Some(found) = &one.spread
                    && key == "private"
                {
                    spread = Some(vulnerability(found, &one));
                }
                lira.get_or_insert(one);
            }
        }
    }
    let lira = lira.ok_or_else(|| Failure::failed("the evidence of `audit` holds no attack"))?;
    let planted = &body.audit["canaries"];
    let method = planted.pointer("/attack/variant").and_then(Value::as_str).unwrap_or_default();
    let lower = stated.epsilon_lower.map(|epsilon| MeasuredLower {
        epsilon,
        confidence: stated.confidence,
        delta: stated.delta,
        method: method.into(),
        of: "another run of the same plan, with canaries".into(),
        ceiling: stated.epsilon_ceiling,
        evidence: None,
    });
    let control = |target: &str, c: &reticent_audit::controls::Control| Control {
        name: format!("{}, {target}", c.name),
        found: format!("AUC {:.3}, should be from {:.3} to {:.3}", c.auc, c.lowest.max(0.0), c.highest),
        passed: c.passed,
    };
    let controls = TARGETS.iter().flat_map(|(key, _, label)| body.controls.get(*key).into_iter().flatten().map(move |c| control(label, c)));
    Ok(AuditSection {
        model: body.model,
        attack: format!("LiRA, {}, {} shadow models a target (Carlini et al. 2022)", lira.attack.variant, body.shadows),
        threat_model: lira.attack.threat_model,
        curves,
        proved: Some(ProvedUpper { epsilon: stated.epsilon_upper, delta: stated.delta, covers: covers.into() }),
        lower: lower.into_iter().collect(),
        estimates,
        vulnerability: spread,
        controls: controls.collect(),
        verdict: match stated.verdict.as_ref().map_or("inconclusive", |v| v.verdict.as_str()) {
            "contradicted" => Verdict::Contradicted,
            "consistent" => Verdict::Consistent,
            "invalid" => Verdict::Invalid,
            _ => Verdict::Inconclusive,
        },
        not_tested: lira.not_tested,
        evidence: Some(found.event as u64),
    })
}

/// The curve with the interval of each rate, from the number of members behind it.
fn curve(found: &Found, attacked: Attacked, label: &str) -> Result<RocCurve, Failure> {
    let point = |p: &Point| {
        let hit = (p.tpr * found.members as f64).round() as usize;
        let rate = clopper_pearson(hit, found.members, 0.05)?;
        Ok(RocPoint { fpr: p.fpr, tpr: p.tpr, lo: rate.lower, hi: rate.upper })
    };
    Ok(RocCurve {
        attacked,
        label: label.into(),
        members: Count::of(found.members as u64),
        non_members: Count::of(found.non_members as u64),
        points: found.roc.iter().map(point).collect::<Result<_, reticent_audit::Error>>()?,
    })
}

fn vulnerability(spread: &Spread, found: &Found) -> Vulnerability {
    let bins =
        |label: &str, units: &[Count], total: usize| Bins { label: label.into(), units: units.to_vec(), total: Count::of(total as u64) };
    Vulnerability {
        score: "log-likelihood ratio of having been in the data, by LiRA on this release".into(),
        edges: spread.edges.clone(),
        series: vec![bins("members", &spread.members, found.members), bins("non-members", &spread.non_members, found.non_members)],
    }
}

fn planted(found: Evidence) -> Result<TextSection, Failure> {
    #[derive(Deserialize)]
    struct Body {
        baseline: Leak,
        redacted: Leak,
        private: Leak,
        epsilon_upper: f64,
        delta: f64,
        unit: String,
        neighbours: String,
        messages: u64,
        units: u64,
        references: u64,
        asked: String,
        planted_ends_in: String,
        statement: String,
    }
    #[derive(Deserialize)]
    struct Leak {
        by_repeats: Vec<AtRepeats>,
        bits_per_byte: f64,
        says: String,
    }
    #[derive(Deserialize)]
    struct AtRepeats {
        repeats: u64,
        secrets: u64,
        extracted: u64,
        mean_bits: f64,
        max_bits: f64,
    }
    let body: Body = read(&found.body, "text-audit")?;
    let covers = format!("the language model alone, {} ({})", body.neighbours, body.unit);
    let proved = ProvedUpper { epsilon: body.epsilon_upper, delta: body.delta, covers };
    let all = [
        (TextTraining::WithoutNoise, "without clipping and noise", &body.baseline, None),
        (TextTraining::Redacted, "on redacted text", &body.redacted, None),
        (TextTraining::WithNoise, "with clipping and noise", &body.private, Some(proved)),
    ];
    let point = |at: &AtRepeats| ExposurePoint {
        repeats: at.repeats,
        exposure: at.mean_bits.max(0.0),
        lo: None,
        hi: Some(at.max_bits),
        planted: at.secrets,
        extracted: at.extracted,
    };
    let written: Vec<(String, String)> = all
        .iter()
        .filter(|(_, _, leak, _)| !leak.says.is_empty())
        .map(|(_, label, leak, _)| ((*label).to_owned(), leak.says.clone()))
        .collect();
    let completions =
        if written.is_empty() { vec![] } else { vec![Completion { prompt: body.asked, planted: body.planted_ends_in, written }] };
    let series = all.into_iter().map(|(training, label, leak, proved)| ExposureSeries {
        training,
        label: label.into(),
        proved,
        points: leak.by_repeats.iter().map(point).collect(),
        quality: Some(format!("{:.2} bits a byte on held-out text", leak.bits_per_byte)),
    });
    Ok(TextSection {
        what: format!(
            "a byte-level language model on {} messages of {} units ({})",
            crate::output::thousands(body.messages),
            crate::output::thousands(body.units),
            body.statement
        ),
        form: "card numbers of 16 digits, and addresses".into(),
        candidates: body.references as f64,
        series: series.collect(),
        completions,
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
