//! A document as one HTML page that loads nothing, in the same dress as the report; it prints on A4.

use super::{Block, Document, Section};
use crate::assessment::{Fact, event_table, moment};
use crate::report::Sheet;
use maud::{Markup, html};
use std::collections::BTreeSet;

pub(super) fn render(d: &Document) -> String {
    let known: BTreeSet<i64> = d.events.iter().map(|e| e.event).collect();
    let events_cited = (!d.events.is_empty()).then_some(("events", "Events cited"));
    let contents = d.sections.iter().map(|s| (s.id.as_ref(), s.heading.as_ref())).chain(events_cited).collect();
    let main = html! {
        header {
            @if let Some(stamp) = &d.stamp { p.stamp { (stamp) } }
            h1 { (d.title) }
            p.byline {
                (d.controller)
                @if let Some(newest) = d.events.last() { " · as of event " (newest.event) ", " (moment(&newest.at)) }
                @if let Some(statement) = &d.statement { br; (statement) }
            }
        }
        p.lead { (d.lead) }
        @for section in &d.sections { (part(section, &known)) }
        @if !d.events.is_empty() { (events(d)) }
        footer { p {
            "Made by " code { "reticent" } ". Content, SHA-256: " span.hash { (d.sha256) } ". Nothing here is legal advice."
        } }
    };
    Sheet { made_by: "reticent document", stamp: d.stamp.as_deref(), title: &d.title, head: None, contents }.page(&main)
}

fn part(section: &Section, known: &BTreeSet<i64>) -> Markup {
    html! {
        section aria-labelledby=(section.id) {
            h2 id=(section.id) { (section.heading) }
            @for block in &section.blocks {
                @match block {
                    Block::Text(text) => { (prose(text)) }
                    Block::Heading(text) => { h3 { (text) } }
                    Block::Facts(all) => { (facts(all, known)) }
                    Block::List(items) => { ul.prose { @for item in items { li { (item) } } } }
                    Block::Missing(text) => { p { mark { "To be completed" } ": " (text) } }
                    Block::Table { head, rows } => { div.scroll { table {
                        thead { tr { @for cell in head { th scope="col" { (cell) } } } }
                        tbody { @for row in rows { tr { @for (i, cell) in row.iter().enumerate() {
                            @if i == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                        } } } }
                    } } }
                }
            }
        }
    }
}

fn facts(all: &[Fact], known: &BTreeSet<i64>) -> Markup {
    html! {
        table.facts { tbody { @for f in all { tr {
            th scope="row" { (f.name) span.what { (f.standing.words()) } }
            td { (together(&f.value)) @for event in &f.events {
                sup.ev { @if known.contains(event) { a href=(format!("#event-{event}")) aria-label=(format!("evidence: event {event}")) { "#" (event) } } @else { "#" (event) } }
            } }
        } } } }
    }
}

fn events(d: &Document) -> Markup {
    html! {
        section aria-labelledby="events" {
            h2 id="events" { "Events cited" }
            p { "A small number such as #12 is the ledger event that a line was read from. The commitment finds the event in the log, where it can be checked against a checkpoint held elsewhere." }
            (event_table(&d.events))
        }
    }
}

/// A text of people: paragraphs at blank lines, breaks at line ends, every character escaped.
fn prose(text: &str) -> Markup {
    let paragraphs = text.split("\n\n").map(str::trim).filter(|p| !p.is_empty());
    html! { @for paragraph in paragraphs { p { @for (i, line) in paragraph.lines().enumerate() { @if i > 0 { br; } (together(line)) } } } }
}

/// A bound is not broken over two lines.
fn together(text: &str) -> String {
    text.replace("ε ≤ ", "ε\u{a0}≤\u{a0}").replace("δ = ", "δ\u{a0}=\u{a0}")
}
