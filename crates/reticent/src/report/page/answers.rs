//! What people asked for and got: a decision explained, an erasure, a removal.

use super::super::answers::{About, ErasureSection, ExplanationSection, RemovalSection};
use super::super::number::{fixed, scientific, setting};
use super::super::plot::removal::figures;
use super::super::plot::{erased, removal, waterfall};
use super::Cite;
use super::words::{bound, moment, numbers};
use maud::{Markup, html};

/// The section on one decision.
pub(super) fn explanation(e: &ExplanationSection, cite: &Cite) -> Markup {
    let w = &e.waterfall;
    let sum: f64 = w.base + w.bars.iter().map(|(_, phi)| phi).sum::<f64>();
    let off = (sum - w.score).abs() > 1e-6 * w.score.abs().max(1.0);
    html! {
        p {
            "One score of " code { (e.model) } ", taken apart by " (e.method) (cite.event(e.evidence)) ". "
            @match e.about {
                About::Simulated => { "The row is made up and is nobody’s. " }
                About::Consenting => { "The row is of somebody who agreed, on record, to be shown here. " }
            }
            "The background scores " (fixed(w.base, 3)) " on average, this row " strong { (fixed(w.score, 3)) } ", in " (e.scale) "; the contributions make up the difference."
            @if let Some(outcome) = &e.outcome { " Outcome: " (outcome) "." }
        }
        @if let Some(plot) = drawn(e) { figure.wide { div.scroll { (plot) } } }
        @if off { p.claim { "These contributions do not add up: base and contributions make " (fixed(sum, 6)) ", the score is " (fixed(w.score, 6)) "." } }
        table {
            caption { "What contributed most to this score under this method, in " (e.scale) "." }
            thead { tr { th scope="col" { "Contribution of" } th.numeric scope="col" { "raises or lowers by" } } }
            tbody {
                tr { th scope="row" { "background, on average" } td.numeric { (fixed(w.base, 3)) } }
                @for (label, phi) in &w.bars { tr { th scope="row" { (label) } td.numeric { @if *phi > 0.0 { "+" } (fixed(*phi, 3)) } } }
                tr.total { th scope="row" { "score of this row" } td.numeric { (fixed(w.score, 3)) } }
            }
        }
        @if let Some(c) = &e.counterfactual { p { "Nearest other outcome under this model: " (c) "." } }
        @if !e.checks.is_empty() { ul.prose { @for check in &e.checks { li { (check) } } } }
        h3 { "What this does not show" }
        ul.prose {
            li { "Why somebody was treated as they were. It shows what moved a score under one method; people and rules decide with it." }
            li { "What would happen if a value were really changed. Columns go together in the world, and the method moves them one by one." }
            li { "That the score is right, or fair." }
            li { "An output that ε covers, where the background or the row is from the data: an explanation is a use of its own." }
        }
    }
}

fn drawn(e: &ExplanationSection) -> Option<Markup> {
    let w = &e.waterfall;
    let signed = |change: f64| if change > 0.0 { format!("+{}", fixed(change, 3)) } else { fixed(change, 3) };
    let desc = format!("From {} on average to {} for this row, in {}.", fixed(w.base, 3), fixed(w.score, 3), e.scale);
    waterfall::plot(
        "waterfall-explained",
        ("What moved the score of this row", &desc),
        ("background, on average", w.base),
        &w.bars,
        "score of this row",
        signed,
        |score| fixed(score, 3),
    )
}

/// The section on erasures.
pub(super) fn erasure(e: &ErasureSection, unit: &str, cite: &Cite) -> Markup {
    let desc = format!("From the erased {unit} to: {}.", erased::in_words(e));
    html! {
        p {
            "Erased so far: " strong { (e.units) } " (" (unit) ")" (cite.event(e.evidence)) ". Ground of the newest request: " (e.ground)
            @if let Some(received) = &e.received { "; received " (moment(received)) }
            @if let Some(answered) = &e.answered { ", answered " (moment(answered)) }
            ". Removed from the listed stores; models that were trained with it: retrained without, or listed as left. In all: " (erased::in_words(e)) "."
        }
        @if let Some(plot) = erased::plot(e, unit, &desc) {
            figure.wide {
                div.scroll { (plot) }
                figcaption { "Filled with a tick: the store was read again afterwards and the unit was not found. Ring: done, not looked for again. Square: still there. Counts from 1 to 9 are printed as <10." }
            }
        }
        (numbers(&html! {
            table {
                thead { tr { th scope="col" { "Store" } th.numeric scope="col" { "Rows or entries removed" } th scope="col" { "Looked for again" } } }
                tbody { @for s in &e.stores { tr { th scope="row" { (s.name) (cite.event(s.evidence)) } td.numeric { (s.removed) } td { @if s.verified_absent { "absent" } @else { "not looked for again" } } } } }
            }
            @if !e.models.is_empty() {
                table {
                    thead { tr { th scope="col" { "Model" } th scope="col" { "Done" } th scope="col" { "How" } th scope="col" { "Old and new model together" } } }
                    tbody { @for m in &e.models { tr {
                        th scope="row" { (m.name) (cite.event(m.evidence)) } td { (erased::done(m.done, m.successor.as_deref())) } td { (m.method) }
                        td { @if let Some(j) = &m.joint { (bound(j.epsilon)) " at δ = " (scientific(j.delta)) ", " (j.covers) } @else { "no joint bound was proved" } }
                    } } }
                }
            }
        }))
        h3 { "What is left" }
        @if e.left.is_empty() { p { "No list was recorded. That is no statement that nothing is left." } }
        @else { ul.prose { @for l in &e.left { li { (l.what) ": " (l.why) } } } }
        @if let Some(record) = &e.record {
            p { "Signed erasure record: " code { (record.path) } ", SHA-256 " span.hash { (record.sha256) } ". It verifies without the database." }
        }
        h3 { "What this does not show" }
        ul.prose {
            li { "That copies outside the listed stores are gone: printed pages, mail, backups elsewhere, what others were given." }
            li { "That the old model was taken back by everybody who has it. A model that was released can still be asked by whoever kept it." }
            li { "What the difference between an old and a new model reveals about the unit, beyond the joint bound where one is given." }
            li { "That the record is true. It was signed by the program and says what the program did." }
        }
    }
}

/// The section on the removal of a unit from a model within a bound.
pub(super) fn removal_section(r: &RemovalSection, cite: &Cite) -> Markup {
    let desc = format!(
        "Of a budget of {}, {} is spent, {} of it by this removal; {}.",
        setting(r.budget),
        figures(r.spent),
        figures(r.residual),
        removal::room(r.removals_left())
    );
    html! {
        p {
            "A unit was removed from " code { (r.model) } " by " (r.method) (cite.event(r.evidence)) ", without training anew. The result is an (ε, δ)-certified removal of the model, with its assumptions: "
            strong.nowrap { (bound(r.bound.epsilon)) } " at δ = " (scientific(r.bound.delta)) " between the model after it and one trained without the unit; " (r.bound.covers) "."
        }
        @if r.spent > r.budget {
            p.claim { "The budget is overspent: " (figures(r.spent)) " of " (setting(r.budget)) ". The bound above does not hold; the model must be retrained." }
        }
        @if let Some(plot) = removal::plot(r, &desc) {
            figure.wide {
                div.scroll { (plot) }
                figcaption { "Each removal leaves a residual gradient, which the noise drawn in training hides as long as the sum stays within the budget. Before it would be exceeded, the model is trained anew with fresh noise." }
                (numbers(&html! {
                    table { tbody {
                        tr { th scope="row" { "Budget" } td.numeric { (setting(r.budget)) } }
                        tr { th scope="row" { "Spent, this removal included" } td.numeric { (figures(r.spent)) } }
                        tr { th scope="row" { "Residual of this removal, bound from the data" } td.numeric { (figures(r.residual)) } }
                        @if let Some(worst) = r.worst_case { tr { th scope="row" { "The same, worst case over all data" } td.numeric { (figures(worst)) } } }
                        tr { th scope="row" { "Removals so far" } td.numeric { (r.removals) } }
                        tr { th scope="row" { "Room" } td.numeric { (removal::room(r.removals_left())) } }
                    } }
                }))
            }
        }
        @if !r.assumptions.is_empty() { p { "The bound rests on:" } ul.prose { @for a in &r.assumptions { li { (a) } } } }
        h3 { "What this does not show" }
        ul.prose {
            li { "What the models before and after reveal together: both carry the same noise, and whoever holds both can compare them." }
            li { "That the unit is gone from stores: that is the erasure, listed apart." }
            li { "Anything about a model trained otherwise. The bound is for this model, which was trained for it." }
        }
    }
}
