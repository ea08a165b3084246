//! Pages about one audit alone: of a model that may be anybody's, of a training loop, of a text model.

use super::super::attacks::{AuditSection, TextSection};
use super::super::number::scientific;
use super::super::sheet::Sheet;
use super::{Cite, attacks};
use maud::{Markup, html};
use reticent_audit::white_box::LoopAudit;
use std::collections::BTreeSet;

/// The audit as a self-contained HTML page; counts from 1 to 9 cannot be had from it.
pub(crate) fn render_audit(audit: &AuditSection) -> String {
    let body = concealed(audit);
    page("What attacks on this model measured", &format!("Audit of {}", audit.model), &body)
}

/// The audit of a training loop: its tests, and the canaries as an attack.
pub(crate) fn render_loop(found: &LoopAudit, alpha: f64, audit: &AuditSection) -> String {
    let body = html! {
        table {
            caption { "Tests of “the loop does what its plan says”. Together: the smallest p-value times the number of tests." }
            thead { tr { th scope="col" { "Test" } th.numeric scope="col" { "p" } th scope="col" { "What it sees" } } }
            tbody {
                @for test in &found.tests { tr { th scope="row" { (test.name) } td.numeric { (p(test.p_value)) } td { (test.sees) } } }
                tr { th scope="row" { strong { "together" } } td.numeric { strong { (p(found.p_value)) } } td {
                    @if found.contradicts(alpha) { strong { "Contradicted" } " at " (alpha * 100.0) "%, by " code { (found.surest().name) } ": do not release before the fault is found." }
                    @else { "Not contradicted at " (alpha * 100.0) "%: no proof that the loop is right." }
                } }
            }
        }
        (concealed(audit))
    };
    page("What canaries in this training loop measured", &format!("Audit of {}", audit.model), &body)
}

/// The audit of a text model.
pub(crate) fn render_text(text: &TextSection) -> String {
    page("What text models give away of planted secrets", "Planted secrets in text", &attacks::text(text, &no_events()))
}

fn page(heading: &str, title: &str, body: &Markup) -> String {
    let main = html! {
        h1 { (heading) }
        section aria-label="Audit" { (body) }
        footer { p { "Made by " code { "reticent audit" } ". Nothing here is legal advice." } }
    };
    Sheet { made_by: "reticent audit", stamp: None, title, head: None, contents: vec![] }.page(&main)
}

fn concealed(audit: &AuditSection) -> Markup {
    let mut audit = audit.clone();
    audit.conceal();
    attacks::audit(&audit, &no_events())
}

/// A page of its own has no table of events to point to.
fn no_events() -> Cite {
    Cite(BTreeSet::new())
}

/// No p-value below 1e-11 is told apart from it.
fn p(value: f64) -> String {
    if value < 1e-11 {
        "< 1e-11".into()
    } else if value < 0.001 {
        scientific(value)
    } else {
        format!("{value:.3}")
    }
}
