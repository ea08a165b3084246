//! The assessment as one HTML page that loads nothing, in the same dress as the report.

use super::wording::Part;
use super::{Advice, Assessment, Cited, Decided, Fact, State, Topic, Written};
use crate::report::Sheet;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// The page.
pub(crate) fn render(a: &Assessment) -> String {
    let known: BTreeSet<i64> = a.events.iter().map(|e| e.event).collect();
    let cite = |event: i64| {
        html! { sup.ev { @if known.contains(&event) { a href=(format!("#event-{event}")) aria-label=(format!("evidence: event {event}")) { "#" (event) } } @else { "#" (event) } } }
    };
    let title = format!("Impact assessment: {} on {}", a.purpose, a.dataset);
    let sections: Vec<(&str, &str, Markup)> = vec![
        ("open", "What is to be completed", open(a)),
        ("processing", "The processing", facts(&a.processing, &cite)),
        ("data", "The data and whose they are", facts(&a.data, &cite)),
        ("screening", "Whether an assessment is needed", screening(a)),
        ("parts", "What people wrote", parts(a, &cite)),
        ("evidence", "What is on record about the outcome", evidence(a, &cite)),
        ("advice", "Advice", advice(a, &cite)),
        ("decision", "Decision", decision(a, &cite)),
        ("not-said", "What this assessment does not say", html! { ul.prose { @for item in &a.not_said { li { (item) } } } }),
        ("events", "Events cited", events(a)),
    ];
    let main = html! {
        (head(a, &title, &cite))
        @for (id, heading, body) in &sections { section aria-labelledby=(id) { h2 id=(id) { (heading) } (body) } }
        footer { p {
            "Made by " code { "reticent assess render" } " from the events above. Content, SHA-256: " span.hash { (a.sha256) } ". Nothing here is legal advice."
        } }
    };
    Sheet {
        made_by: "reticent assess",
        stamp: None,
        title: &title,
        head: Some(&running_head(a)),
        contents: sections.iter().map(|(id, heading, _)| (*id, *heading)).collect(),
    }
    .page(&main)
}

fn head(a: &Assessment, title: &str, cite: &impl Fn(i64) -> Markup) -> Markup {
    let newest = a.events.last();
    html! {
        header {
            @if let Some(stamp) = &a.stamp { p.stamp { (stamp) } }
            h1 { (title) }
            p.byline {
                (a.controller) " · "
                @if let Some(e) = newest { "as of event " (e.event) ", " (moment(&e.at)) } @else { "nothing is on record" }
                @if let Some(statement) = &a.statement { br; (statement) }
            }
        }
        p.lead {
            "This assessment is " strong { (a.state.words()) } @if let Some(event) = a.decision.as_ref().map(|d| d.event).or(a.opened) { (cite(event)) } ". "
            @if a.state == State::Reopened { "The decision below rested on other facts than those declared now and does not stand for them. " }
            @if a.to_be_completed.is_empty() { "Every required part is there. " } @else { (a.to_be_completed.len()) " of its parts are to be completed. " }
            "A small number such as #12 is the ledger event that a line was read from; what is declared comes from reticent.toml and has none."
        }
    }
}

fn open(a: &Assessment) -> Markup {
    html! {
        @if a.to_be_completed.is_empty() { p { "No required part, advice or decision is missing." } }
        @else { ul.prose { @for part in &a.to_be_completed { li { (part) } } } }
        @if !a.gaps.is_empty() { p { "Evidence that is missing:" } ul.prose { @for gap in &a.gaps { li { (gap) } } } }
    }
}

fn facts(all: &[Fact], cite: &impl Fn(i64) -> Markup) -> Markup {
    html! {
        table.facts { tbody { @for f in all { tr {
            th scope="row" { (f.name) span.what { (f.standing.words()) } }
            td { (f.value) @for event in &f.events { (cite(*event)) } }
        } } } }
    }
}

fn screening(a: &Assessment) -> Markup {
    html! {
        p { "Computed from what is declared, by the criteria of WP248 rev.01: " strong { (a.screening.outcome) } "." }
        table {
            thead { tr { th scope="col" { "Criterion" } th scope="col" { "Answer" } th scope="col" { "Read from" } } }
            tbody { @for c in a.screening.criteria.iter().chain([&a.screening.fria]) { tr { th scope="row" { (c.name) } td { (c.answer.words()) } td { (c.why) } } } }
        }
    }
}

fn parts(a: &Assessment, cite: &impl Fn(i64) -> Markup) -> Markup {
    let fria = a.screening.fria_is_due();
    let written = |part: Part| a.parts.iter().find(|w| w.part == part.name());
    // Nobody who owes no assessment of fundamental rights is shown its empty parts.
    let shown = Part::ALL.into_iter().filter(|part| fria || !part.is_of_fria() || written(*part).is_some());
    let known = shown.map(|part| (part.title(), part.is_required(fria), written(part)));
    let others = a.parts.iter().filter(|w| Part::ALL.iter().all(|part| part.name() != w.part));
    html! {
        p { "Written by people, as they wrote it. A number in these texts is their own and was not measured by the program." }
        @if fria { p { "The parts on fundamental rights add to the rest: what is said there already need not be repeated (AI Act Art 27(4))." } }
        @for (title, required, written) in known.chain(others.map(|w| (w.title.as_str(), false, Some(w)))) {
            h3 { (capitalised(title)) }
            @match written {
                Some(Written { text, author, event, at, .. }) => {
                    p.scope { "Written by " (author) ", " (moment(at)) (cite(*event)) }
                    (prose(text))
                }
                None => { p.note { @if required { "To be completed." } @else { "Nothing was written." } } }
            }
        }
    }
}

fn evidence(a: &Assessment, cite: &impl Fn(i64) -> Markup) -> Markup {
    html! {
        @if a.evidence.is_empty() { p { "Nothing was trained, measured or erased yet." } }
        @for Topic { title, about, note, facts: lines } in &a.evidence {
            h3 { (title) }
            p.scope { (about) }
            p { (note) }
            (facts(lines, cite))
        }
    }
}

fn advice(a: &Assessment, cite: &impl Fn(i64) -> Markup) -> Markup {
    html! {
        p { "A data-protection officer advises and does not decide (GDPR Art 35(2), 38(6))." }
        @if a.advice.is_empty() { p.note { "To be completed." } }
        @for Advice { by, recommendation, text, event, at } in &a.advice {
            p.scope { (by) " advised, " (moment(at)) (cite(*event)) }
            @if let Some(r) = recommendation { p { strong { "Recommends " (r.words()) "." } } }
            (prose(text))
        }
    }
}

fn decision(a: &Assessment, cite: &impl Fn(i64) -> Markup) -> Markup {
    let Some(Decided { by, decision, reason, overrules, changed, later_parts, event, at }) = &a.decision else {
        return html! { p.note { "The controller has not decided." } };
    };
    let verdict = match decision {
        reticent_govern::AssessmentDecision::Approved => "The processing may go on as assessed.",
        reticent_govern::AssessmentDecision::Refused => "The processing may not go on.",
        reticent_govern::AssessmentDecision::ConsultAuthority => "The authority is consulted first (GDPR Art 36).",
    };
    html! {
        p.scope { (by) " decided as controller, " (moment(at)) (cite(*event)) }
        p.verdict { strong { (verdict) } @if *overrules { " The advice before it recommended otherwise." } }
        @if !reason.is_empty() { (prose(reason)) }
        @if !changed.is_empty() {
            p.claim { "Since then this has changed, so the assessment is open again:" }
            ul.prose { @for change in changed { li { (change.words()) } } }
        }
        @if !later_parts.is_empty() {
            p { "Written after it, and not covered by it:" }
            ul.prose { @for part in later_parts { li { (part) } } }
        }
    }
}

fn events(a: &Assessment) -> Markup {
    html! {
        @if a.events.is_empty() { p.note { "No event is cited." } }
        @else {
            p { "The commitment finds the event in the log, where it can be checked against a checkpoint held elsewhere." }
            (event_table(&a.events))
        }
    }
}

/// A text of people: paragraphs at blank lines, breaks at line ends, every character escaped.
fn prose(text: &str) -> Markup {
    let paragraphs = text.split("\n\n").map(str::trim).filter(|p| !p.is_empty());
    html! { @for paragraph in paragraphs { p { @for (i, line) in paragraph.lines().enumerate() { @if i > 0 { br; } (line) } } } }
}

/// The state at the head of every printed page.
fn running_head(a: &Assessment) -> String {
    a.stamp.as_ref().map_or_else(|| a.state.words().to_owned(), |stamp| format!("{stamp} {}", a.state.words()))
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The events that a document cites, each with what the log holds of it.
pub(crate) fn event_table(events: &[Cited]) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "Event" } th scope="col" { "Kind" } th scope="col" { "Time" } th scope="col" { "Commitment" } } }
            tbody { @for e in events { tr id=(format!("event-{}", e.event)) {
                th scope="row" { "#" (e.event) } td { (e.kind) } td { (moment(&e.at)) } td { span.hash { (e.commitment) } }
            } } }
        }
    }
}

/// An RFC 3339 time to the second: `2026-03-14 09:26:53Z`.
pub(crate) fn moment(time: &str) -> String {
    let whole = time.split('.').next().unwrap_or(time).trim_end_matches('Z');
    format!("{}Z", whole.replacen('T', " ", 1))
}
