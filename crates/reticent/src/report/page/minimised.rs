//! What was left out before training: personal data that a scan found, and columns that were not needed.

use super::super::minimised::{ScanSection, SelectionSection};
use super::super::number::setting;
use super::Cite;
use super::words::listed;
use maud::{Markup, html};

/// The section on the scan.
pub(super) fn scan(s: &ScanSection, cite: &Cite) -> Markup {
    html! {
        p {
            "Scanned: " (s.what) (cite.event(s.evidence)) "."
            @if !s.kinds.is_empty() { " Looked for: " (listed(s.kinds.iter().cloned())) "." }
        }
        @if s.findings.is_empty() { p { "Nothing of these kinds was found." } }
        @else {
            table {
                caption { "Found, by column and kind. Values are never shown." }
                thead { tr { th scope="col" { "Column" } th scope="col" { "Kind" } th.numeric scope="col" { "Found" } th scope="col" { "What was done" } } }
                tbody { @for f in &s.findings { tr { th scope="row" { code { (f.column) } } td { (f.kind) } td.numeric { (f.found) } td { (f.action) } } } }
            }
        }
        @if !s.measured.is_empty() { p { "How well the detectors do, on texts with known answers:" } ul.prose { @for m in &s.measured { li { (m) } } } }
        h3 { "What this does not show" }
        ul.prose {
            li { "That what was not found is not there. Detectors miss what has another form, another language or another spelling." }
            li { "That the remaining columns identify nobody. A few ordinary columns together can." }
        }
    }
}

/// The section on the choice of columns.
pub(super) fn selection(s: &SelectionSection, cite: &Cite) -> Markup {
    let kept = s.columns.iter().filter(|c| c.kept).count();
    let scored = s.columns.iter().any(|c| c.score.is_some());
    html! {
        p {
            "Of " (s.columns.len()) " columns offered, the model may use " strong { (kept) } (cite.event(s.evidence)) ". Chosen by " (s.method) "."
            @if let Some(cost) = &s.cost { " What that costs: " (cost) "." }
        }
        p.note { "What the choice itself reveals: " (s.privacy) "." }
        table {
            thead { tr { th scope="col" { "Column" } th scope="col" { "Kept" } @if scored { th.numeric scope="col" { "Score" } } th scope="col" { "Why" } } }
            tbody { @for c in &s.columns { tr {
                th scope="row" { code { (c.column) } } td { @if c.kept { strong { "yes" } } @else { "no" } }
                @if scored { td.numeric { @if let Some(score) = c.score { (setting(score)) } } }
                td { (c.why) }
            } } }
        }
        h3 { "What this does not show" }
        ul.prose {
            li { "That the kept columns are necessary in law. It shows what the metric loses without the others; people decide whether that is worth it." }
            li { "That a column left out has no part in the model: what goes together with it may stand in for it." }
        }
    }
}
