//! What the release is: records, what its ε means, how it was accounted.

use super::super::number::{at_least, at_most, factor, percent_at_most, scientific, setting};
use super::super::plot::{belief, flow, releases};
use super::super::{Amount, Count, Decision, Privacy, Release, ReleaseState, Report, number};
use super::Cite;
use super::words::{bound, capitalised, covered, left, listed, numbers, plural, rows, step_row, terms, together};
use maud::{Markup, html};

pub(super) fn records(report: &Report, cite: &Cite) -> Markup {
    let (flow, purpose) = (&report.flow, &report.purpose);
    let units = plural(&report.privacy.unit);
    let desc = format!(
        "Of {} imported records, {} were trained on. Left out: {}.",
        flow.imported.records,
        flow.trained.records,
        listed(flow.steps.iter().map(|s| format!("{} {}", s.records, s.label))),
    );
    let parts = flow.steps.iter().map(|s| s.records).chain([flow.trained.records]);
    let explained: Option<u64> = parts.map(Count::exact).sum();
    let gap = explained.zip(flow.imported.records.exact()).filter(|(explained, imported)| explained != imported);
    let row = |label: &str, amount: &Amount| html! { th scope="row" { (label) } td.numeric { (amount.records) (cite.event(amount.evidence)) } td.numeric { (amount.units) } };
    html! {
        p {
            "Purpose " code { (purpose.name) } (cite.event(purpose.evidence)) ". "
            @if let Some(art6) = &purpose.art6 { "Recorded basis: Art 6" (art6) } @else { "No legal basis is declared" }
            @if let Some(art9) = &purpose.art9 { ", and for special categories Art 9" (art9) } ". "
            @if report.gate.decision == Decision::Permitted { "Every use of a record went through the gate, the held-out test included." }
            @else { "The gate was asked for every use of a record, the held-out test included; in an experiment its refusals are warnings." }
        }
        @if let Some(iri) = &purpose.iri { p.scope { "Term: " code { (iri) } } }
        @if let Some((explained, imported)) = gap {
            p.claim { "These counts do not add up: " (number::grouped(explained)) " records are explained, " (number::grouped(imported)) " were imported." }
        }
        figure.wide {
            div.scroll { @if let Some(plot) = flow::plot(flow, &desc) { (plot) } @else { p.note { "No records were imported." } } }
            figcaption {
                "Each record is counted once, at the first reason that applies. A unit (" (report.privacy.unit) ") can lose rows at several steps, so units do not add up. Counts from 1 to 9 are printed as <10; "
                "a count is withheld where a masked one would follow from it by subtraction."
            }
            (numbers(&html! {
                table {
                    thead { tr { th scope="col" { "Step" } th.numeric scope="col" { "Records" } th.numeric scope="col" { (capitalised(&units)) } } }
                    tbody {
                        tr { (row("Imported", &flow.imported)) }
                        @for step in &flow.steps { (step_row(step, cite)) }
                        tr.total { (row("Trained on", &flow.trained)) }
                    }
                }
            }))
        }
    }
}

pub(super) fn meaning(privacy: &Privacy) -> Markup {
    let epsilon = privacy.epsilon_upper;
    if !epsilon.is_finite() {
        return html! { p { "No finite ε was proved, so the releases may move a belief about one " (privacy.unit) " by any amount." } };
    }
    let after = |prior: f64, epsilon: f64| percent_at_most(belief::posterior(prior, epsilon));
    let desc = format!(
        "For each prior belief, the largest posterior under this release's ε, and under ε = 0.1, 1 and 10 for comparison. Here 50% becomes at most {}.",
        after(0.5, epsilon)
    );
    html! {
        div.beside {
            figure { (belief::plot(epsilon, &desc).unwrap_or_default()) }
            div.aside {
                p {
                    "Take someone who knows all about the data except whether one " (privacy.unit) " was in it. "
                    "Believing so with 50%, after " (together(privacy)) " they can believe it with at most " strong { (after(0.5, epsilon)) }
                    "; believing so with 1%, with at most " (after(0.01, epsilon)) "."
                }
                p {
                    "ε is an exponent: the odds can grow at most e" sup { "ε" } "-fold, here " (factor(epsilon.exp())) "-fold. "
                    "That is why ε = 0.1 is not ε = 10. At 0.1 the odds grow at most " (factor(0.1_f64.exp())) "-fold and 50% becomes at most " (after(0.5, 0.1))
                    "; at 10, " (factor(10_f64.exp())) "-fold and " (after(0.5, 10.0)) ", which rules out almost nothing."
                }
                p {
                    "The bound holds for the worst case. It is not an estimate of what was revealed, and it does not concern what is true of a whole group."
                }
            }
        }
        p.note {
            "All ε here: at " (terms(privacy)) ". The curve of this release covers " (covered(privacy)) ". "
            "The curves leave δ aside: δ is the excess in probability that the bound allows on any outcome, so a rare outcome may tell more. "
            "With δ counted, a guess at even odds is right with probability at most " (percent_at_most(guess(privacy))) ", by whatever method."
        }
        (numbers(&html! {
            table {
                caption { "Largest belief afterwards, by belief before, at " (terms(privacy)) ", δ left aside." }
                thead { tr {
                    th scope="col" { "Before" }
                    th.numeric scope="col" { "this release, " (bound(epsilon)) }
                    @for reference in belief::REFERENCES { th.numeric scope="col" { "ε = " (setting(reference)) } }
                } }
                tbody { @for (prior, label) in [(0.01, "1%"), (0.1, "10%"), (0.25, "25%"), (0.5, "50%"), (0.75, "75%"), (0.9, "90%")] { tr {
                    th scope="row" { (label) }
                    td.numeric { (after(prior, epsilon)) }
                    @for reference in belief::REFERENCES { td.numeric { (after(prior, reference)) } }
                } } }
            }
        }))
    }
}

pub(super) fn accounting(privacy: &Privacy, cite: &Cite) -> Markup {
    let filter = &privacy.filter;
    let desc = format!(
        "Stacked bars of what each release adds to the joint bound {}, beside its ε alone, up to the budget of {}: {}.",
        bound(privacy.epsilon_upper),
        setting(filter.budget_epsilon),
        listed(privacy.releases.iter().map(|r| format!(
            "{}, {}, alone {}, joint so far {}",
            r.name,
            state(r),
            bound(r.epsilon),
            at_most(r.cumulative_epsilon, 3)
        ))),
    );
    let fact = |name: &str, what: &str, value: Markup| html! { tr { th scope="row" { (name) span.what { (what) } } td { (value) } } };
    html! {
        p {
            "The joint ε of " (together(privacy)) " is proved from the plan that ran: sum over the rows of each " (privacy.unit) ", clip, add up, add noise, count every step. "
            "It was charged to the budget before any noise was drawn; what is reserved counts in full."
        }
        @if privacy.releases.is_empty() { p.note { "No release is recorded." } }
        @if let Some(plot) = releases::plot(privacy, &desc) {
            figure.wide {
                div.scroll { (plot) }
                figcaption {
                    "Filled: what a release adds to those above it. Dashed: what it would be alone. Parts alone do not add up to the joint ε, which is smaller than their sum. "
                    "The filter charges more than the accountant proves, since it must hold for later runs chosen after seeing earlier ones. All ε: at " (terms(privacy)) "."
                }
                (numbers(&html! {
                    table {
                        caption { "ε by release, at " (terms(privacy)) "." }
                        thead { tr { th scope="col" { "Release" } th scope="col" { "State" } th.numeric scope="col" { "ε alone" } th.numeric scope="col" { "ε with those above" } } }
                        tbody { @for r in &privacy.releases { tr {
                            th scope="row" { (r.name) (cite.event(r.evidence)) } td { (state(r)) }
                            td.numeric { "≤ " (at_most(r.epsilon, 3)) } td.numeric { "≤ " (at_most(r.cumulative_epsilon, 3)) }
                        } } }
                    }
                }))
            }
        }
        table.facts {
            caption { "All ε at " (terms(privacy)) ", covering " (covered(privacy)) "." }
            tbody {
                (fact("Joint ε", "proved upper bound", html! { strong { (bound(privacy.epsilon_upper)) } (cite.event(privacy.evidence)) }))
                (fact("Numerical bracket", "of the accountant, not an audit", html! { "between " (at_least(privacy.epsilon_lower_numeric, 3)) " and " (at_most(privacy.epsilon_upper, 3)) }))
                (fact("Joint ε by Rényi DP", "a second accountant, looser", html! { (bound(privacy.epsilon_rdp)) }))
                (fact("δ", "", html! { (scientific(privacy.delta)) }))
                (fact("Neighbours and unit", "", html! { (privacy.neighbours) "; a unit is one " (privacy.unit) " with at most " (rows(privacy)) }))
                (fact("Noise multiplier", "standard deviation over clipping norm", html! { (setting(privacy.noise_multiplier)) }))
                (fact("Sampling", "chance of a unit to be in a batch", html! { (setting(privacy.sample_rate)) }))
                (fact("Steps", "noised sums", html! { (number::grouped(privacy.steps)) }))
                (fact("Clipping norm", "L2, of the sum over a unit’s rows", html! { (setting(privacy.max_grad_norm)) }))
                (fact("Filter", "keeps the budget over all runs", html! {
                    "Rényi of order " (setting(filter.order)) "; ε charged " (at_most(filter.spent_epsilon, 3)) " of " (setting(filter.budget_epsilon)) ", left " (left(privacy)) (cite.event(filter.evidence))
                }))
            }
        }
    }
}

fn state(release: &Release) -> &'static str {
    match release.state {
        ReleaseState::Released => "released",
        ReleaseState::Reserved => "reserved",
    }
}

/// Largest probability of a right guess at even odds, δ included: (e^ε + δ) / (1 + e^ε).
fn guess(privacy: &Privacy) -> f64 {
    belief::posterior(0.5, privacy.epsilon_upper) + privacy.delta / (1.0 + privacy.epsilon_upper.exp())
}
