//! What an audit wrote of itself, as sections of a page: of the report, where it is evidence, or of a page of its own.

use super::sections::read;
use crate::failure::Failure;
use crate::report::{
    Attacked, AuditSection, Bins, Completion, Control, Count, Estimate, ExposurePoint, ExposureSeries, Inverted, InvertedClass,
    InvertedFeature, MeasuredLower, ProvedUpper, RocCurve, RocPoint, SaidRests, TextSection, TextTraining, Verdict, Vulnerability,
};
use reticent_audit::interval::clopper_pearson;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

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

/// The section on an audit of a model of ours; `event` is that of its evidence, `covers` what a proved bound on it alone covers.
pub(crate) fn attacked(body: &Value, event: Option<u64>, covers: &str) -> Result<AuditSection, Failure> {
    #[derive(Deserialize)]
    struct Body {
        model: String,
        audit: Value,
        controls: BTreeMap<String, Vec<reticent_audit::controls::Control>>,
        shadows: usize,
        /// Evidence of former versions has none.
        #[serde(default)]
        further: Value,
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
    let body: Body = read(body, "audit")?;
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
    let further = &body.further;
    estimates.extend(beside(further)?);
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
        inverted: inverted(further)?,
        controls: controls.collect(),
        verdict: match stated.verdict.as_ref().map_or("inconclusive", |v| v.verdict.as_str()) {
            "contradicted" => Verdict::Contradicted,
            "consistent" => Verdict::Consistent,
            "invalid" => Verdict::Invalid,
            _ => Verdict::Inconclusive,
        },
        not_tested: lira.not_tested,
        evidence: event,
    })
}

fn label(target: &str) -> &str {
    TARGETS.iter().find(|(key, ..)| *key == target).map_or(target, |(.., label)| label)
}

/// The attacks beside membership in a line each.
fn beside(further: &Value) -> Result<Vec<Estimate>, Failure> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Further {
        attribute: Vec<Of<Gain>>,
        property: Vec<Of<Area>>,
        updates: Vec<Update>,
    }
    #[derive(Deserialize)]
    struct Of<T> {
        target: String,
        finding: T,
    }
    #[derive(Deserialize)]
    struct Gain {
        attack: AttackedBy,
        difference: Between,
    }
    #[derive(Deserialize)]
    struct Between {
        value: f64,
        lower: f64,
        upper: f64,
    }
    #[derive(Deserialize)]
    struct Area {
        area: Interval,
    }
    #[derive(Deserialize)]
    struct Update {
        update: String,
        error: f64,
        error_of_mean: f64,
    }
    let further: Further = if further.is_null() { Further::default() } else { read(further, "audit")? };
    let attribute = further.attribute.iter().map(|a| Estimate {
        name: format!("attribute, {}: gain on members less that on others; {}", label(&a.target), a.finding.attack.variant),
        value: a.finding.difference.value,
        lo: Some(a.finding.difference.lower),
        hi: Some(a.finding.difference.upper),
        guessing: Some(0.0),
    });
    let property = further.property.iter().map(|p| Estimate {
        name: format!("AUC of telling models apart by a property, {}", label(&p.target)),
        value: p.finding.area.auc,
        lo: Some(p.finding.area.lower),
        hi: Some(p.finding.area.upper),
        guessing: Some(0.5),
    });
    let updates = further.updates.iter().map(|u| Estimate {
        name: format!("median error of a row reconstructed from its update, {}; by the mean of all rows", u.update),
        value: u.error,
        lo: None,
        hi: None,
        guessing: Some((u.error_of_mean * 1000.0).round() / 1000.0),
    });
    Ok(attribute.chain(property).chain(updates).collect())
}

fn inverted(further: &Value) -> Result<Vec<Inverted>, Failure> {
    #[derive(Deserialize)]
    struct One {
        target: String,
        resemblance: f64,
        of_controls: Vec<f64>,
        p_value: f64,
        classes: Vec<InvertedClass>,
        features: Vec<InvertedFeature>,
        #[serde(default)]
        picture: Option<String>,
    }
    let Some(all) = further.get("inversion") else { return Ok(vec![]) };
    let all: Vec<One> = read(all, "audit")?;
    let one = |o: One| Inverted {
        label: label(&o.target).to_owned(),
        resemblance: o.resemblance,
        of_controls: o.of_controls,
        p_value: o.p_value,
        classes: o.classes,
        features: o.features,
        picture: o.picture,
    };
    Ok(all.into_iter().map(one).collect())
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

/// The section on planted secrets; `event` is that of its evidence.
pub(crate) fn planted(body: &Value, event: Option<u64>) -> Result<TextSection, Failure> {
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
        /// Evidence of former versions has none.
        #[serde(default)]
        extraction: Option<Extraction>,
    }
    #[derive(Deserialize)]
    struct Extraction {
        prefix: u64,
        suffix: u64,
        seen: Asked,
        unseen: Asked,
        found: u64,
    }
    #[derive(Deserialize)]
    struct Asked {
        asked: u64,
        in_full: u64,
        nearly: u64,
    }
    #[derive(Deserialize)]
    struct AtRepeats {
        repeats: u64,
        secrets: u64,
        extracted: u64,
        mean_bits: f64,
        max_bits: f64,
    }
    let body: Body = read(body, "text-audit")?;
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
    let counts = |a: &Asked| (a.asked, a.in_full, a.nearly);
    let rests = all.iter().filter_map(|(_, label, leak, _)| {
        let e = leak.extraction.as_ref()?;
        Some(SaidRests {
            label: (*label).to_owned(),
            prefix: e.prefix,
            suffix: e.suffix,
            seen: counts(&e.seen),
            found: e.found,
            unseen: counts(&e.unseen),
        })
    });
    let rests = rests.collect();
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
        rests,
        completions,
        evidence: event,
    })
}
