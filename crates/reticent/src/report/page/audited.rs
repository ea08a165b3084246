//! A page about one audit alone, of a model that may be anybody's.

use super::super::attacks::AuditSection;
use super::{Cite, attacks};
use maud::{DOCTYPE, PreEscaped, html};
use std::collections::BTreeSet;

/// The audit as a self-contained HTML page; counts from 1 to 9 cannot be had from it.
pub(crate) fn render_audit(audit: &AuditSection) -> String {
    let mut audit = audit.clone();
    audit.conceal();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="reticent audit";
                title { "Audit of " (audit.model) }
                style { (PreEscaped(include_str!("../page.css"))) }
            }
            body {
                div.sheet {
                    main {
                        h1 { "What attacks on this model measured" }
                        section aria-label="Audit" { (attacks::audit(&audit, &Cite(BTreeSet::new()))) }
                        footer { p { "Made by " code { "reticent audit" } ". Nothing here is legal advice." } }
                    }
                }
            }
        }
    };
    page.into_string()
}
