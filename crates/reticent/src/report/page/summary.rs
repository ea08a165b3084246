//! The head of the page: the claim with its terms, what attacks measured beside it, and the four numbers.

use super::super::Report;
use super::super::number::{fixed, percent_at_most, setting};
use super::super::plot::belief;
use super::super::plot::removal::figures;
use super::Cite;
use super::attacks::in_one_line;
use super::words::{bound, day, left, plural, range, terms, together};
use maud::{Markup, html};

pub(super) fn summary(report: &Report, cite: &Cite) -> Markup {
    let (privacy, flow, utility) = (&report.privacy, &report.flow, &report.utility);
    html! {
        header {
            @if let Some(stamp) = &report.stamp { p.stamp { (stamp) } }
            h1 { (report.title) }
            p.byline { (report.controller) " · " (day(&report.generated_at)) br; (report.statement) }
        }
        p.lead {
            "For the purpose “" (report.purpose.description) "”, a model was trained on " (flow.trained.records) " of "
            (flow.imported.records) " imported records, from " (flow.trained.units) " " (plural(&privacy.unit)) ". "
            @if privacy.epsilon_upper.is_finite() {
                "What " (together(privacy)) " can reveal about any one " (privacy.unit) " is bounded: "
                span.claim { span.nowrap { (bound(privacy.epsilon_upper)) } " at " (terms(privacy)) } (cite.event(privacy.evidence)) ". "
                "Whoever held it to be 50% likely that a given " (privacy.unit) " was in the data can hold it to be at most "
                (percent_at_most(belief::posterior(0.5, privacy.epsilon_upper))) " likely afterwards, δ aside. "
            } @else {
                span.claim { "No finite bound on what the model can reveal about any one " (privacy.unit) " was proved." } " "
            }
            "On held-out records the model reaches " (utility.metric) " " (fixed(utility.release.value, 3)) (cite.event(utility.release.evidence))
            "; its twin, trained without clipping and noise and not released, reaches " (fixed(utility.twin.value, 3)) (cite.event(utility.twin.evidence)) "."
        }
        (measured(report, cite))
        dl.key {
            div {
                dt { "Can reveal, at most" }
                dd.big { (bound(privacy.epsilon_upper)) }
                dd.small { "at " (terms(privacy)) "; " (together(privacy)) (cite.event(privacy.evidence)) }
            }
            div {
                dt { (utility.metric) ", held out" }
                dd.big { (fixed(utility.release.value, 3)) }
                dd.small { (range(&utility.release)) (cite.event(utility.release.evidence)) "; twin " (fixed(utility.twin.value, 3)) (cite.event(utility.twin.evidence)) }
            }
            div {
                dt { "Trained on" }
                dd.big { (flow.trained.records) }
                dd.small { "records of " (flow.trained.units) " " (plural(&privacy.unit)) (cite.event(flow.trained.evidence)) "; " (flow.imported.records) " imported" (cite.event(flow.imported.evidence)) }
            }
            div {
                dt { "Budget left" }
                dd.big { (left(privacy)) }
                dd.small { "of ε " (setting(privacy.filter.budget_epsilon)) " for this data and unit, at the same δ, by the filter" (cite.event(privacy.filter.evidence)) }
            }
        }
    }
}

/// One line for each thing that was measured or done beside the bound.
fn measured(report: &Report, cite: &Cite) -> Markup {
    let lines = [
        report.audit.as_ref().map(|a| ("attacks", in_one_line(a, cite))),
        report.text.as_ref().map(|t| ("leak", super::attacks::leak_in_one_line(t, cite))),
        report.erasure.as_ref().map(|e| {
            ("erased", html! { "Asked to be erased: " (e.units) " (" (report.privacy.unit) ")" (cite.event(e.evidence)) "; removed from the listed stores, models retrained without or listed as left." })
        }),
        report.removal.as_ref().map(|r| {
            ("removed", html! { "One removal without training anew took " (figures(r.residual)) " of a budget of " (setting(r.budget)) (cite.event(r.evidence)) "." })
        }),
    ];
    let lines: Vec<_> = lines.into_iter().flatten().collect();
    html! {
        @if !lines.is_empty() { ul.beside-the-bound { @for (id, line) in lines { li { (line) " " a.nowrap href=(format!("#{id}")) { "More" } } } } }
    }
}
