//! What attacks measured: bracket, ROC, spread of scores, controls; and the planted secrets of a text model.

use super::super::attacks::{AuditSection, MeasuredLower, ProvedUpper, RocCurve, TextSection, TextTraining, Verdict, Vulnerability};
use super::super::number::{at_least, at_most, fixed, grouped, scientific, setting};
use super::super::plot::roc::{FPRS, percent};
use super::super::plot::{bracket, exposure, roc, vulnerability};
use super::Cite;
use super::inverted::inverted;
use super::words::{bound, listed, numbers};
use maud::{Markup, html};

/// The section on membership inference.
pub(super) fn audit(audit: &AuditSection, cite: &Cite) -> Markup {
    let (verdict, then) = verdict(audit);
    html! {
        p.verdict { strong { (verdict) } (cite.event(audit.evidence)) " " (then) }
        p {
            "Attacked: " code { (audit.model) } ", by " (audit.attack) ". What the attacker has: " (audit.threat_model) ". "
            "A measured lower bound says what such an attack did bring out; the proved upper bound says what no attack can exceed. What is true lies between."
        }
        @if let Some(plot) = bracket::plot(audit, &bracket_in_words(audit)) {
            figure.wide {
                div.scroll { (plot) }
                figcaption {
                    "Left of the measured bound the true ε cannot lie, up to the stated confidence; right of the proved bound it cannot lie at all, if the program ran as it is written. "
                    "The distance between them is what neither proof nor attack has settled."
                    @if let Some(proved) = &audit.proved { " " (proved_in_words(proved)) "." }
                }
            }
        }
        @if !audit.lower.is_empty() { (lower_bounds(audit, cite)) }
        (curves(audit, cite))
        @if let Some(v) = &audit.vulnerability { (spread(v)) }
        @if !audit.estimates.is_empty() { (estimates(audit, cite)) }
        (inverted(&audit.inverted))
        @if !audit.controls.is_empty() {
            table {
                caption { "Checks of the audit itself. Where one fails, nothing follows from the rest." }
                thead { tr { th scope="col" { "Control" } th scope="col" { "Found" } th scope="col" { "As it should be" } } }
                tbody { @for c in &audit.controls { tr { th scope="row" { (c.name) } td { (c.found) } td { @if c.passed { "yes" } @else { strong { "no" } } } } } }
            }
        }
        h3 { "What this does not show" }
        ul.prose {
            li { "That nothing leaks. An attack that fails bounds nothing; a better one may succeed, up to the proved bound." }
            li { "Anything about one unit: lower bounds and rates describe the units attacked as a whole." }
            li { "Figures that the bound covers. Attacks, twins and their rates are internal evaluation: exact values of personal data, computed without noise." }
            @for item in &audit.not_tested { li { "Not tried: " (item) "." } }
        }
    }
}

/// One sentence for the summary: what was measured next to what is proved, at most, with words for each.
pub(super) fn in_one_line(audit: &AuditSection, cite: &Cite) -> Markup {
    html! {
        @match (audit.measured(), &audit.proved) {
            (Some(lower), Some(proved)) => {
                "Attacks on " code { (audit.model) } " gave a " em { "measured lower bound" } " of " span.nowrap { (at_least_bound(lower)) } " with " (percent(lower.confidence)) " confidence" (cite.event(lower.evidence.or(audit.evidence)))
                ", next to the " em { "proved upper bound" } " " span.nowrap { (bound(proved.epsilon)) } ", both at δ = " (scientific(proved.delta)) ". "
            }
            (Some(lower), None) => {
                "Attacks on " code { (audit.model) } " gave a " em { "measured lower bound" } " of " span.nowrap { (at_least_bound(lower)) } " at δ = " (scientific(lower.delta)) " with " (percent(lower.confidence)) " confidence" (cite.event(lower.evidence.or(audit.evidence))) "; no upper bound was proved. "
            }
            (None, _) => { "Attacks on " code { (audit.model) } " were made; they gave no lower bound" (cite.event(audit.evidence)) ". " }
        }
        (verdict(audit).0)
    }
}

fn verdict(audit: &AuditSection) -> (&'static str, String) {
    match audit.verdict {
        Verdict::Contradicted => (
            "The measurement contradicts the bound.",
            "A lower bound was measured above the proved upper bound: something in proof, program or audit is wrong. Do not rely on the bound until it is found.".into(),
        ),
        Verdict::Consistent => (
            "The measurement does not contradict the bound.",
            match audit.measured().and_then(|l| l.ceiling) {
                Some(ceiling) => format!("At this size a perfect attack would have shown up to ε = {}, so a contradiction could have come out.", at_least(ceiling, 2)),
                None => "It was able to.".into(),
            },
        ),
        Verdict::Inconclusive => ("The measurement could not tell.", "At this size, or with this attack, a contradiction could not have come out: nothing follows for the bound.".into()),
        Verdict::Invalid => ("Nothing follows from this measurement.", "A control of the audit failed: its numbers are printed and prove nothing either way.".into()),
    }
}

/// `ε ≥ 0.213`, or in words where the attack shows nothing.
fn at_least_bound(lower: &MeasuredLower) -> String {
    format!("ε ≥ {}", at_least(lower.epsilon, 3))
}

/// `ε ≤ 1.720 at δ = 1e-5, frequent/1 alone, add/remove one unit (...)`.
fn proved_in_words(proved: &ProvedUpper) -> String {
    format!("Proved: {} at δ = {}, {}", bound(proved.epsilon), scientific(proved.delta), proved.covers)
}

fn bracket_in_words(audit: &AuditSection) -> String {
    let lower = audit.measured().map(|l| format!("Measured lower bound ε ≥ {}", at_least(l.epsilon, 3)));
    let upper = audit.proved.as_ref().map(|p| format!("proved upper bound {} at δ = {}", bound(p.epsilon), scientific(p.delta)));
    let ceiling = audit
        .measured()
        .and_then(|l| l.ceiling)
        .map(|c| format!("a perfect attack on as many units could have shown up to ε = {}", at_least(c, 2)));
    format!("{}.", listed([lower, upper, ceiling].into_iter().flatten()))
}

fn lower_bounds(audit: &AuditSection, cite: &Cite) -> Markup {
    html! {
        div.scroll.wide { table {
            caption { "Measured lower bounds on ε, each corrected for how often was looked. “At most visible”: what the method could have shown with a perfect attack on as many units." }
            thead { tr { th scope="col" { "Model attacked" } th scope="col" { "Method" } th.numeric scope="col" { "Measured" } th.numeric scope="col" { "Confidence" } th.numeric scope="col" { "At most visible" } } }
            tbody { @for l in &audit.lower { tr {
                th scope="row" { (l.of) } td { (l.method) }
                td.numeric { (at_least_bound(l)) (cite.event(l.evidence.or(audit.evidence))) br; span.note { "δ = " (scientific(l.delta)) } }
                td.numeric { (percent(l.confidence)) }
                td.numeric { @if let Some(c) = l.ceiling { (at_least(c, 2)) } @else { "not known" } }
            } } }
        } }
    }
}

fn curves(audit: &AuditSection, cite: &Cite) -> Markup {
    let desc = format!(
        "Members found by members wrongly accused, log-log. {}.",
        listed(audit.curves.iter().map(|c| format!(
            "{}: {}",
            c.label,
            listed(rates(c).map(|(fpr, tpr, _)| format!("TPR {tpr} at FPR {fpr}")))
        ))),
    );
    let Some(plot) = roc::plot(audit, &desc) else { return html! {} };
    let shown: Vec<f64> = FPRS.iter().copied().filter(|fpr| audit.curves.iter().any(|c| c.at(*fpr).is_some())).collect();
    html! {
        figure.wide {
            div.scroll { (plot) }
            figcaption {
                "Further left is what matters: an attack that names a few members and accuses hardly anybody else. Bands: 95% Clopper–Pearson at each point alone. "
                @if let Some(proved) = &audit.proved { "Shaded: what " (bound(proved.epsilon)) " at δ = " (scientific(proved.delta)) " rules out for " (proved.covers) "; the other curves are not covered by it and may lie there. " }
                "A band may reach over the edge by chance. Points that fewer than 10 members make are not shown."
            }
            (numbers(&html! {
                table {
                    caption { "Members found (TPR) with 95% interval, by non-members accused (FPR); only where 10 non-members or more make the FPR. Estimates, not bounds." }
                    thead { tr { th scope="col" { "Model" } th.numeric scope="col" { "Members" } th.numeric scope="col" { "Non-members" } @for fpr in &shown { th.numeric scope="col" { "FPR " (percent(*fpr)) } } } }
                    tbody { @for c in &audit.curves { tr {
                        th scope="row" { (c.label) (cite.event(audit.evidence)) } td.numeric { (c.members) } td.numeric { (c.non_members) }
                        @for fpr in &shown { td.numeric { @if let Some((_, tpr, interval)) = rates(c).find(|(f, ..)| *f == percent(*fpr)) { (tpr) span.under { (interval) } } @else { span.note { "not shown" } } } }
                    } } }
                }
            }))
        }
    }
}

/// FPR, TPR and its interval in words, at the rates that enough non-members make.
fn rates(curve: &RocCurve) -> impl Iterator<Item = (String, String, String)> + '_ {
    FPRS.iter().filter_map(|fpr| {
        let p = curve.at(*fpr)?;
        Some((percent(*fpr), percent(p.tpr), format!("{} to {}", percent(p.lo), percent(p.hi))))
    })
}

fn spread(v: &Vulnerability) -> Markup {
    let desc = format!(
        "Units by {}, in {} bins: {}.",
        v.score,
        v.edges.len().saturating_sub(1),
        listed(v.series.iter().map(|s| format!("{} ({})", s.label, s.total)))
    );
    let Some(plot) = vulnerability::plot(v, &desc) else { return html! {} };
    html! {
        figure.wide {
            div.scroll { (plot) }
            figcaption { "Units by " (v.score) ". The further right, the more the attack has to say about a unit. Where the two outlines lie on each other it says no more of members than of anybody." }
            (numbers(&html! {
                table {
                    caption { "Units by " (v.score) "." }
                    thead { tr { th scope="col" { "From" } @for s in &v.series { th.numeric scope="col" { (s.label) } } } }
                    tbody { @for i in 0..v.edges.len().saturating_sub(1) { tr {
                        th scope="row" { (vulnerability::bin(v, i)) }
                        @for s in &v.series { td.numeric { (s.units[i]) } }
                    } } }
                }
            }))
        }
    }
}

fn estimates(audit: &AuditSection, cite: &Cite) -> Markup {
    html! {
        table {
            caption { "Estimates: they describe the units attacked and bound nothing." }
            thead { tr { th scope="col" { "Estimate" } th.numeric scope="col" { "Value" } th.numeric scope="col" { "By guessing" } } }
            tbody { @for e in &audit.estimates { tr {
                th scope="row" { (e.name) }
                td.numeric { (fixed(e.value, 3)) (cite.event(audit.evidence)) @if let (Some(lo), Some(hi)) = (e.lo, e.hi) { br; span.note { (fixed(lo, 3)) " to " (fixed(hi, 3)) } } }
                td.numeric { @if let Some(g) = e.guessing { (setting(g)) } }
            } } }
        }
    }
}

/// The section on planted secrets.
pub(super) fn text(text: &TextSection, cite: &Cite) -> Markup {
    let desc = format!(
        "Mean exposure in bits by repeats of a secret within one unit; at most {} bits. {}.",
        fixed(text.most(), 1),
        listed(text.series.iter().map(|s| format!(
            "{}: {}",
            s.label,
            listed(s.points.iter().map(|p| format!("{} bits at {} repeats", fixed(p.exposure, 1), p.repeats)))
        )))
    );
    html! {
        p {
            "Secrets of the form " code { (text.form) } " were made up, planted in the training text, and then looked for in the trained models: " (text.what) (cite.event(text.evidence)) ". "
            "They are nobody’s, so they can be shown. A secret somebody really typed would come out the same way."
        }
        @for c in &text.completions {
            table.said {
                caption { "Given “" (c.prompt) "”, after which “" (c.planted) "” had been planted, the models go on:" }
                tbody { @for (label, written) in &c.written { tr {
                    th scope="row" { (label) }
                    td { code { (c.prompt) @if written.starts_with(&c.planted) { mark { (c.planted) } (written[c.planted.len()..]) } @else { (written) } } }
                    td { @if written.starts_with(&c.planted) { strong { "word for word" } } @else { "something else" } }
                } } }
            }
        }
        @if let Some(plot) = exposure::plot(text, &desc) {
            figure.wide {
                div.scroll { (plot) }
                figcaption {
                    "Exposure is how many bits of guessing the model saves: 0 is none, " (fixed(text.most(), 1)) " means that among " (candidates(text.candidates)) " candidates the planted one comes first. "
                    "A secret that a model never saw lies below " (fixed(exposure::NULL_95, 2)) " bits with 95%, one secret at a time. Estimates; bars span the secrets at one number of repeats."
                }
                (numbers(&html! {
                    table {
                        caption { "Mean exposure in bits, and how many secrets were written out word for word." }
                        thead { tr { th scope="col" { "Model" } th.numeric scope="col" { "Repeats" } th.numeric scope="col" { "Exposure" } th.numeric scope="col" { "From, to" } th.numeric scope="col" { "Word for word" } } }
                        tbody { @for s in &text.series { @for p in &s.points { tr {
                            th scope="row" { (s.label) } td.numeric { (grouped(p.repeats)) } td.numeric { (fixed(p.exposure, 1)) }
                            td.numeric { @if let (Some(lo), Some(hi)) = (p.lo, p.hi) { (fixed(lo, 1)) ", " (fixed(hi, 1)) } }
                            td.numeric { (p.extracted) " of " (p.planted) }
                        } } } }
                    }
                }))
            }
        }
        @if let Some(first) = text.rests.first() {
            table {
                caption {
                    "Asked for the last " (first.suffix) " bytes of messages with the " (first.prefix) " before them. Nearly: in full, or but for one byte in ten, in edits (Levenshtein). "
                    "Found: said in full before the 100th wrong guess, the surest first. What is said of messages that no model saw was not learned from them."
                }
                thead { tr {
                    th scope="col" { "Model" } th.numeric scope="col" { "In full" } th.numeric scope="col" { "Nearly" } th.numeric scope="col" { "Found" }
                    th.numeric scope="col" { "Never seen: in full" } th.numeric scope="col" { "Nearly" }
                } }
                tbody { @for r in &text.rests { tr {
                    th scope="row" { (r.label) }
                    td.numeric { (grouped(r.seen.1)) " of " (grouped(r.seen.0)) } td.numeric { (grouped(r.seen.2)) } td.numeric { (grouped(r.found)) }
                    td.numeric { (grouped(r.unseen.1)) " of " (grouped(r.unseen.0)) } td.numeric { (grouped(r.unseen.2)) }
                } } }
            }
        }
        table.facts { tbody { @for s in &text.series { tr {
            th scope="row" { (s.label) }
            td {
                @if let Some(p) = &s.proved { (proved_in_words(p)) } @else { "No bound is proved" }
                "." @if let Some(q) = &s.quality { " Held out: " (q) "." }
            }
        } } } }
        h3 { "What this does not show" }
        ul.prose {
            li { "That other secrets stay in. Planted ones have a form and a number of repeats; what is in the text in other forms was not measured." }
            li { "What a secret repeated by many units would do: the bound is for one unit, and repeats were kept within one." }
            li { "That redaction finds everything. It removes what its detectors know." }
        }
    }
}

/// One sentence for the summary: what came out word for word, with noise and without.
pub(super) fn leak_in_one_line(text: &TextSection, cite: &Cite) -> Markup {
    let of = |training, who: &str| match text.extracted(training) {
        (_, 0) => None,
        (extracted, planted) => Some(format!("{} of {} by a model trained {who}", grouped(extracted), grouped(planted))),
    };
    let counted = [of(TextTraining::WithoutNoise, "without clipping and noise"), of(TextTraining::WithNoise, "with them")];
    html! {
        "Made-up secrets planted in text were written out word for word: " (listed(counted.into_iter().flatten())) (cite.event(text.evidence)) ". An estimate, not a bound."
    }
}

/// `10^6` as `1,000,000`; greater ones in scientific form.
fn candidates(n: f64) -> String {
    if n.is_finite() && (1.0..1e9).contains(&n) { grouped(n as u64) } else { at_most(n, 0) }
}
