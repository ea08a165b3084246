//! An audit as text and as JSON. Controls first; the area under the curve beside the rates at few false alarms, never alone.

use super::further::FurtherFindings;
use super::inversion::Inversion;
use crate::audit::{ALPHA, Audit};
use crate::output::thousands;
use crate::privacy::up;
use crate::report::{Count, picture, withhold};
use crate::verbs::train::ModelManifest;
use reticent_audit::controls::Control;
use reticent_audit::gain;
use reticent_audit::roc::TprAt;
use reticent_audit::vulnerability::Spread;
use reticent_audit::{Finding, GainVerdict, LowerBound, MemberScores, Method, Verdict};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The whole audit for a person.
pub(crate) fn text(audit: &Audit, manifest: &ModelManifest) -> String {
    let mut text =
        format!("audit of {}, unit: {}; {} shadow models a target, seed {}\n", manifest.model, manifest.unit, audit.shadows, audit.seed);
    text += "\ncontrols\n";
    for target in &audit.targets {
        for control in &target.findings[0].controls {
            text += &format!("  {:<9} {}\n", target.name, control_text(control));
        }
    }
    for target in &audit.targets {
        text += &format!(
            "\n{}: {}; {} members, {} others\n",
            target.name,
            target.about,
            thousands(target.findings[0].members as u64),
            thousands(target.findings[0].non_members as u64)
        );
        text += &attacks_text(&target.findings);
    }
    if let Some(finding) = &audit.canaries {
        text += &format!("\nlower bound on ε, from {} planted canaries in another run of the same plan\n", thousands(audit.planted as u64));
        text += &bounds(finding);
    }
    text += &further_text(&audit.further);
    for gap in &audit.gaps {
        text += &format!("not measured: {gap}\n");
    }
    for gap in &audit.targets[0].findings[0].not_tested {
        text += &format!("not tested: {gap}\n");
    }
    if audit.kept > 0 {
        text += &format!("{} of {} shadow models answered in an earlier audit and were not trained again\n", audit.kept, 3 * audit.shadows);
    }
    text + "These are exact values of private rows: no ε covers them.\n"
}

/// What was attacked beside membership.
fn further_text(further: &FurtherFindings) -> String {
    let mut text = String::new();
    let percent = |v: f64| format!("{:.1}%", v * 100.0);
    let shown = |i: &gain::Interval| format!("{} ({} to {})", percent(i.value), percent(i.lower), percent(i.upper));
    for (target, found) in &further.attribute {
        text += &format!("\nattribute, {target}: {}\n", found.attack.variant);
        for accuracy in std::iter::once(&found.accuracy).chain(&found.baselines).chain([&found.gain]) {
            text += &format!("  {:<54} members {}, others {}\n", accuracy.name, shown(&accuracy.members), shown(&accuracy.non_members));
        }
        let most = found.allowed.map_or_else(String::new, |a| format!("; the proof allows at most {} in expectation", percent(a)));
        text += &format!("  {:<54} {}{most}\n", "gain on members less that on others (95%)", shown(&found.difference));
        text += &match &found.verdict {
            GainVerdict::Shown { lower } => {
                format!("  verdict    SHOWN: at least {} more of members' values than of others'\n", percent(*lower))
            }
            GainVerdict::NotShown { visible } => {
                format!("  verdict    not shown: a difference below {} would hardly be seen\n", percent(*visible))
            }
            GainVerdict::Invalid { why } => format!("  verdict    INVALID: a control failed: {why}\n"),
        };
    }
    for (target, found) in &further.property {
        text += &format!("\nproperty, {target}: {}\n", found.attack.variant);
        text += &format!("  told apart AUC {} over {} models\n", area(found), found.members + found.non_members);
        text += &invalid(found);
    }
    text += &further.inversion.iter().map(inversion_text).collect::<String>();
    for found in &further.updates {
        text += &format!(
            "\nupdates {}: median error {:.3} a row, of the mean of all rows {:.3}; labels found {}\n  the own row told from another AUC {}\n",
            found.name,
            found.error,
            found.guessing,
            percent(found.labels),
            area(&found.finding)
        );
        text += &invalid(&found.finding);
    }
    text
}

fn inversion_text(found: &Inversion) -> String {
    let mut text = format!("\ninversion, {}: {}\n", found.name, found.finding.attack.variant);
    text += &format!("  {:<28} {:<12} {:<22} {}\n", "class", "confidence", "like its own mean", "most like another's");
    for class in &found.classes {
        text += &format!("  {:<28} {:<12.3} {:<22.3} {:.3}\n", class.class, class.confidence, class.own, class.highest_other);
    }
    let (lowest, highest) = found.of_controls.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    text += &format!(
        "  own less others {:.3}; of {} models of labels dealt at random {lowest:.3} to {highest:.3}: p = {:.3}\n",
        found.resemblance,
        found.of_controls.len(),
        found.p_value
    );
    text += &format!("  the own class told from another AUC {}\n", area(&found.finding));
    text + &invalid(&found.finding)
}

fn invalid(finding: &Finding) -> String {
    match &finding.verdict {
        Verdict::Invalid { why } => format!("  INVALID: a control failed: {why}\n"),
        _ => String::new(),
    }
}

fn further_json(further: &FurtherFindings) -> Value {
    let by_target =
        |found: Vec<(&str, Value)>| found.into_iter().map(|(t, value)| json!({ "target": t, "finding": value })).collect::<Vec<_>>();
    let inversion = further.inversion.iter().map(|i| {
        json!({ "target": i.name, "finding": finding_json(&i.finding), "resemblance": i.resemblance, "of_controls": i.of_controls, "p_value": i.p_value,
            "classes": i.classes, "features": i.features,
            "picture": i.pictures.as_ref().and_then(|p| picture::grid(&p.rows, p.side).ok()) })
    });
    let updates = further.updates.iter().map(|u| {
        json!({ "update": u.name, "error": u.error, "error_of_mean": u.guessing, "labels": u.labels, "finding": finding_json(&u.finding) })
    });
    json!({
        "attribute": by_target(further.attribute.iter().map(|(t, f)| (*t, json!(f))).collect()),
        "property": by_target(further.property.iter().map(|(t, f)| (*t, finding_json(f))).collect()),
        "inversion": inversion.collect::<Vec<_>>(),
        "updates": updates.collect::<Vec<_>>(),
    })
}

/// A table of attacks on one model.
pub(crate) fn attacks_text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|f| f.attack.name.len()).max().unwrap_or(0).max(11);
    let mut text = format!("  {:<width$} {:<24} {}\n", "attack", "AUC (95%)", "TPR at 1% FPR (95%)");
    for finding in findings {
        text += &format!("  {:<width$} {:<24} {}{}\n", finding.attack.name, area(finding), rate(finding, 0.01), allowed(finding));
        if let Verdict::Invalid { why } = &finding.verdict {
            text += &format!("              INVALID: {why}\n");
        }
    }
    text
}

/// One finding for a person: an audit of a file of scores.
pub(crate) fn finding_text(finding: &Finding, unit: &str) -> String {
    let mut text = format!("{} members, {} others, by {unit}\n", thousands(finding.members as u64), thousands(finding.non_members as u64));
    for control in &finding.controls {
        text += &format!("control    {}\n", control_text(control));
    }
    text += &format!("AUC        {}\n", area(finding));
    for at in &finding.tpr_at {
        let (name, value) = rate_text(at);
        text += &format!("{name:<10} {value}\n");
    }
    text += &bounds(finding);
    for gap in &finding.not_tested {
        text += &format!("not tested: {gap}\n");
    }
    text
}

pub(crate) fn bounds(finding: &Finding) -> String {
    let mut text = String::new();
    if let Some(bound) = &finding.lower_bound {
        text += &format!("  measured   {}\n", lower(bound));
    }
    if let (Some(upper), Some(delta)) = (finding.epsilon_upper, finding.delta) {
        text += &format!("  stated     {}, add or remove one unit\n", crate::privacy::bound(upper, delta));
    }
    if let (Some(ceiling), Some(bound)) = (finding.epsilon_ceiling, &finding.lower_bound) {
        text +=
            &format!("  at best    ε ≥ {} at δ = {:e}: what this audit would show with every guess right\n", down(ceiling), bound.delta());
    }
    if let (Some(power), Some(bound)) = (finding.epsilon_without_noise, &finding.lower_bound) {
        text += &format!(
            "  noise out  ε ≥ {} at δ = {:e}: what the same attack shows of the same run without noise\n",
            down(power),
            bound.delta()
        );
    }
    text + &format!("  verdict    {}\n", verdict(&finding.verdict))
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Contradicted { .. } => {
            "CONTRADICTED: the measured lower bound lies above the stated upper bound; do not release before the fault is found".into()
        }
        Verdict::Consistent { .. } => "consistent: this audit does not contradict the stated bound, and could have".into(),
        Verdict::Inconclusive { power, upper } => {
            format!("inconclusive: this audit could show no more than {}, below the stated {}", down(*power), up(*upper))
        }
        Verdict::NothingToCompare => "none: there are not both a measured and a stated bound".into(),
        Verdict::Invalid { why } => format!("INVALID: a control failed: {why}"),
    }
}

fn lower(bound: &LowerBound) -> String {
    format!("ε ≥ {} at δ = {:e}, {:.0}% confidence ({})", down(bound.epsilon()), bound.delta(), bound.confidence() * 100.0, how(bound))
}

/// What a bound rests on, in words.
pub(super) fn how(bound: &LowerBound) -> String {
    match bound.method() {
        Method::OneRun { canaries, guesses, right } => {
            format!(
                "one run, {} of {} guesses right about {} units",
                thousands(*right as u64),
                thousands(*guesses as u64),
                thousands(*canaries as u64)
            )
        }
        Method::ClopperPearson { true_positives, members, false_positives, non_members } => {
            format!("independent runs, {true_positives} of {members} members and {false_positives} of {non_members} others called members")
        }
        Method::OneRunGaussian { guesses, right, mu, .. } => {
            format!("one run, {right} of {guesses} guesses right, taken for a Gaussian: μ ≥ {}", down(*mu))
        }
        Method::Gaussian { true_positives, members, false_positives, non_members, mu } => format!(
            "independent runs, {true_positives} of {members} members and {false_positives} of {non_members} others called members, taken for a Gaussian: μ ≥ {}",
            down(*mu)
        ),
    }
}

/// Three decimals, never above the number.
fn down(value: f64) -> String {
    format!("{:.3}", (value * 1000.0).floor() / 1000.0)
}

fn control_text(control: &Control) -> String {
    let passed = if control.passed { "passes" } else { "FAILS" };
    let range = if control.lowest == control.highest {
        format!("{:.3} expected", control.lowest)
    } else if control.lowest <= 0.0 {
        format!("at most {:.3}", control.highest)
    } else {
        format!("{:.3} to {:.3}", control.lowest, control.highest)
    };
    format!("{passed}: {}: AUC {:.3} ({range})", control.name, control.auc)
}

fn area(finding: &Finding) -> String {
    let area = finding.area;
    format!("{:.3} ({:.3} to {:.3})", area.auc, area.lower, area.upper)
}

fn rate(finding: &Finding, fpr: f64) -> String {
    finding.at(fpr).map_or_else(String::new, |at| rate_text(&at).1)
}

fn rate_text(at: &TprAt) -> (String, String) {
    let percent = |v: f64| format!("{:.1}%", v * 100.0);
    match *at {
        TprAt::Measured { fpr, tpr, lower, upper, negatives } => (
            format!("TPR at {}%", fpr * 100.0),
            format!("{} ({} to {}) of {} others", percent(tpr), percent(lower), percent(upper), thousands(negatives as u64)),
        ),
        TprAt::Refused { fpr, needs_negatives, negatives } => (
            format!("TPR at {}%", fpr * 100.0),
            format!("refused: needs {} others, has {}", thousands(needs_negatives as u64), thousands(negatives as u64)),
        ),
    }
}

fn allowed(finding: &Finding) -> String {
    let at = finding.allowed.iter().find(|a| a.fpr == 0.01);
    at.map_or_else(String::new, |a| {
        format!("; the proof allows at most {:.1}%", (a.by_mechanism.unwrap_or(a.by_epsilon) * 1000.0).ceil() / 10.0)
    })
}

/// The whole audit for a program.
pub(crate) fn json(audit: &Audit, manifest: &ModelManifest) -> Value {
    let mut targets = Map::new();
    let mut checks = Map::new();
    for target in &audit.targets {
        let mut attacks = Map::new();
        attacks.insert("about".into(), json!(target.about));
        attacks.insert("members".into(), json!(target.findings[0].members));
        attacks.insert("non_members".into(), json!(target.findings[0].non_members));
        for finding in &target.findings {
            let mut value = finding_json(finding);
            if finding.attack.name == "lira" {
                value["spread"] = spread(&target.sides);
            }
            attacks.insert(finding.attack.name.clone(), value);
        }
        checks.insert(target.name.into(), json!(target.findings[0].controls));
        targets.insert(target.name.into(), attacks.into());
    }
    let canaries = audit.canaries.as_ref();
    targets.insert(
        "canaries".into(),
        canaries.map_or(Value::Null, |f| {
            let mut value = finding_json(f);
            value["planted"] = json!(audit.planted);
            value
        }),
    );
    targets.insert("epsilon_lower".into(), json!(canaries.and_then(|f| f.lower_bound.as_ref()).map(LowerBound::epsilon)));
    targets.insert("epsilon_upper".into(), json!(manifest.epsilon));
    targets.insert("epsilon_ceiling".into(), json!(canaries.and_then(|f| f.epsilon_ceiling)));
    targets.insert("epsilon_without_noise".into(), json!(canaries.and_then(|f| f.epsilon_without_noise)));
    targets.insert("delta".into(), json!(manifest.delta));
    targets.insert("confidence".into(), json!(1.0 - ALPHA));
    targets.insert("verdict".into(), json!(canaries.map(|f| &f.verdict)));
    json!({
        "model": manifest.model, "unit": manifest.unit, "neighbours": manifest.neighbours, "stamp": manifest.stamp,
        "controls": checks, "audit": targets, "shadows": audit.shadows, "seed": audit.seed, "models": audit.models, "shadows_kept": audit.kept, "further": further_json(&audit.further),
        "not_measured": audit.gaps, "not_tested": audit.targets[0].findings[0].not_tested,
    })
}

fn spread(sides: &MemberScores) -> Value {
    shown_spread(sides)
        .map_or(Value::Null, |(edges, members, non_members)| json!({ "edges": edges, "members": members, "non_members": non_members }))
}

/// How the scores spread, for a plot: edges of bins, members and others in each; counts from 1 to 9 masked, and what would give them away
/// withheld.
pub(super) fn shown_spread(sides: &MemberScores) -> Option<(Vec<f64>, Vec<Count>, Vec<Count>)> {
    let spread = Spread::of(sides)?;
    let shown = |units: &[usize]| {
        let mut counts: Vec<Count> = units.iter().map(|&n| Count::of(n as u64)).collect();
        withhold(counts.iter_mut(), Some(units.iter().sum::<usize>() as u64));
        counts
    };
    let (members, non_members) = (shown(&spread.members), shown(&spread.non_members));
    Some((spread.edges, members, non_members))
}

/// A finding with the keys that documents cite beside all of it.
pub(crate) fn finding_json(finding: &Finding) -> Value {
    let mut value = json!(finding);
    value["auc"] = json!(finding.area.auc);
    value["auc_interval"] = json!([finding.area.lower, finding.area.upper]);
    value["tpr_at_1pct_fpr"] = match finding.at(0.01) {
        Some(TprAt::Measured { tpr, lower, upper, negatives, .. }) => {
            json!({ "tpr": tpr, "lower": lower, "upper": upper, "negatives": negatives })
        }
        Some(TprAt::Refused { needs_negatives, .. }) => json!({ "refused": format!("needs {needs_negatives} negatives") }),
        None => Value::Null,
    };
    value
}

/// The numbers that documents cite, by name.
pub(crate) fn numbers(audit: &Audit, manifest: &ModelManifest) -> BTreeMap<String, f64> {
    let mut numbers = BTreeMap::from([("epsilon_upper".to_owned(), manifest.epsilon), ("delta".to_owned(), manifest.delta)]);
    for target in &audit.targets {
        for finding in &target.findings {
            let name = format!("{}.{}", target.name, finding.attack.name);
            numbers.insert(format!("{name}.auc"), finding.area.auc);
            numbers.insert(format!("{name}.auc_lower"), finding.area.lower);
            numbers.insert(format!("{name}.auc_upper"), finding.area.upper);
            if let Some(TprAt::Measured { tpr, .. }) = finding.at(0.01) {
                numbers.insert(format!("{name}.tpr_at_1pct_fpr"), tpr);
            }
        }
    }
    for (target, found) in &audit.further.attribute {
        numbers.insert(format!("{target}.{}.difference", found.attack.name), found.difference.value);
        numbers.insert(format!("{target}.{}.difference_lower", found.attack.name), found.difference.lower);
    }
    for (target, found) in &audit.further.property {
        numbers.insert(format!("{target}.property.auc"), found.area.auc);
    }
    for found in &audit.further.inversion {
        numbers.insert(format!("{}.inversion.resemblance", found.name), found.resemblance);
        numbers.insert(format!("{}.inversion.p_value", found.name), found.p_value);
    }
    for found in &audit.further.updates {
        numbers.insert(format!("updates.{}.error", found.name.replace(' ', "-")), found.error);
    }
    if let Some(finding) = &audit.canaries {
        numbers.extend(finding.lower_bound.as_ref().map(|b| ("epsilon_lower".to_owned(), b.epsilon())));
        numbers.extend(finding.epsilon_ceiling.map(|c| ("epsilon_ceiling".to_owned(), c)));
    }
    numbers
}
