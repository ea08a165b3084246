//! The page: one HTML file that loads nothing, in the order in which a reader asks.

mod answers;
mod attacks;
mod audited;
mod inverted;
mod minimised;
mod quality;
mod record;
mod release;
mod repeats;
mod summary;
mod words;

pub(crate) use audited::{render_audit, render_loop, render_text};
pub(crate) use repeats::render_repeats;

use super::Report;
use super::sheet::Sheet;
use maud::{Markup, html};
use std::collections::BTreeSet;
use words::day;

/// A section: anchor, heading and body.
type Section = (&'static str, &'static str, Markup);

/// The sections in their order; those without evidence are left out.
fn sections(report: &Report, cite: &Cite) -> Vec<Section> {
    let privacy = &report.privacy;
    let always = |id, heading, body| Some((id, heading, body));
    let all = [
        always("records", "Which records were used", release::records(report, cite)),
        report.scan.as_ref().map(|s| ("scan", "Personal data found in columns", minimised::scan(s, cite))),
        report.selection.as_ref().map(|s| ("selection", "Which columns are used", minimised::selection(s, cite))),
        always("meaning", "What this ε means", release::meaning(privacy)),
        always("accounting", "The privacy accounting", release::accounting(privacy, cite)),
        report.audit.as_ref().map(|a| ("attacks", "What attacks measured", attacks::audit(a, cite))),
        report.text.as_ref().map(|t| ("leak", "The leak this prevents", attacks::text(t, cite))),
        always("utility", "How well the model works", quality::usefulness(report, cite)),
        always("subgroups", "How well it works by subgroup", quality::by_subgroup(report, cite)),
        report.explanation.as_ref().map(|e| ("explained", "One decision explained", answers::explanation(e, cite))),
        always("gate", "What the gate decided", record::gate(report, cite)),
        report.erasure.as_ref().map(|e| ("erased", "Who asked to be erased", answers::erasure(e, &privacy.unit, cite))),
        report.removal.as_ref().map(|r| ("removed", "Removal without training anew", answers::removal_section(r, cite))),
        always("log", "The log", record::log(report)),
        always("not-covered", "Not covered by the bound", record::not_covered(privacy)),
        always("not-proved", "What this report does not prove", record::not_proved(report)),
        always("reproduce", "How to reproduce it", record::reproduce(report)),
        always("evidence", "Evidence", record::evidence(report)),
    ];
    all.into_iter().flatten().collect()
}

/// The report as a self-contained HTML page.
pub(crate) fn render(report: &Report) -> String {
    let report = &report.clone().concealed();
    let cite = Cite(report.evidence.iter().map(|event| event.event).collect());
    let sections = sections(report, &cite);
    let main = html! {
        (summary::summary(report, &cite))
        @for (id, heading, body) in &sections {
            section aria-labelledby=(id) { h2 id=(id) { (heading) } (body) }
        }
        footer { p { "Made by " code { "reticent report" } " on " (day(&report.generated_at)) ". Nothing here is legal advice." } }
    };
    Sheet {
        made_by: "reticent report",
        stamp: report.stamp.as_deref(),
        title: &report.title,
        head: None,
        contents: sections.iter().map(|(id, heading, _)| (*id, *heading)).collect(),
    }
    .page(&main)
}

/// Links numbers to the events of the evidence table that they come from.
struct Cite(BTreeSet<u64>);

impl Cite {
    /// The link, or the bare number where the table lacks the event, or nothing.
    fn event(&self, event: Option<u64>) -> Markup {
        html! {
            @if let Some(event) = event {
                sup.ev {
                    @if self.0.contains(&event) {
                        a href=(format!("#event-{event}")) aria-label=(format!("evidence: event {event}")) { "#" (event) }
                    } @else { "#" (event) }
                }
            }
        }
    }
}
