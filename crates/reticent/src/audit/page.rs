//! A finding of a file as a section of a page: the same plots as the report of a release.

use super::show::{how, shown_spread};
use crate::failure::Failure;
use crate::report::{
    Attacked, AuditSection, Bins, Control, Count, Estimate, MeasuredLower, ProvedUpper, RocCurve, RocPoint, Verdict, Vulnerability,
};
use reticent_audit::interval::clopper_pearson;
use reticent_audit::{Finding, MemberScores, Verdict as Found};

/// The finding that is drawn, with its scores, and the areas of all attacks of the file beside it.
///
/// `covers`: what the stated bound is said to cover.
pub(crate) fn section(
    model: &str,
    covers: &str,
    finding: &Finding,
    scores: &MemberScores,
    all: &[&Finding],
) -> Result<AuditSection, Failure> {
    let points = finding.roc.iter().map(|p| {
        let hit = (p.tpr * finding.members as f64).round() as usize;
        let rate = clopper_pearson(hit, finding.members, 0.05)?;
        Ok(RocPoint { fpr: p.fpr, tpr: p.tpr, lo: rate.lower, hi: rate.upper })
    });
    let (members, non_members) = (Count::of(finding.members as u64), Count::of(finding.non_members as u64));
    let curve = RocCurve {
        attacked: Attacked::Release,
        label: finding.attack.name.clone(),
        members,
        non_members,
        points: points.collect::<Result<_, reticent_audit::Error>>()?,
    };
    let lower = finding.lower_bound.as_ref().map(|bound| MeasuredLower {
        epsilon: bound.epsilon(),
        confidence: bound.confidence(),
        delta: bound.delta(),
        method: how(bound),
        of: model.to_owned(),
        ceiling: finding.epsilon_ceiling,
        evidence: None,
    });
    let proved = finding.epsilon_upper.zip(finding.delta).map(|(epsilon, delta)| ProvedUpper { epsilon, delta, covers: covers.into() });
    let area = |f: &&Finding| Estimate {
        name: format!("AUC of {}: {}", f.attack.name, f.attack.variant),
        value: f.area.auc,
        lo: Some(f.area.lower),
        hi: Some(f.area.upper),
        guessing: Some(0.5),
    };
    let control = |c: &reticent_audit::controls::Control| Control {
        name: c.name.clone(),
        found: format!("AUC {:.3}, should be from {:.3} to {:.3}", c.auc, c.lowest.max(0.0), c.highest),
        passed: c.passed,
    };
    let vulnerability = shown_spread(scores).map(|(edges, ins, outs)| Vulnerability {
        score: format!("score of {}", finding.attack.name),
        edges,
        series: vec![
            Bins { label: "members".into(), units: ins, total: members },
            Bins { label: "non-members".into(), units: outs, total: non_members },
        ],
    });
    Ok(AuditSection {
        model: model.to_owned(),
        attack: format!("{}, {}", finding.attack.name, finding.attack.variant),
        threat_model: finding.attack.threat_model.clone(),
        curves: vec![curve],
        proved,
        lower: lower.into_iter().collect(),
        estimates: all.iter().map(area).collect(),
        vulnerability,
        inverted: vec![],
        controls: finding.controls.iter().map(control).collect(),
        verdict: match finding.verdict {
            Found::Contradicted { .. } => Verdict::Contradicted,
            Found::Consistent { .. } => Verdict::Consistent,
            Found::Inconclusive { .. } | Found::NothingToCompare => Verdict::Inconclusive,
            Found::Invalid { .. } => Verdict::Invalid,
        },
        not_tested: finding.not_tested.clone(),
        evidence: None,
    })
}
