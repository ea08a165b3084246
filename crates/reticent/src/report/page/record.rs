//! What is on record, and what the page does not say: gate, log, limits, commands, evidence.

use super::super::number::duration;
use super::super::{Decision, Privacy, Report, number};
use super::Cite;
use super::words::{bound, capitalised, covered, listed, moment, plural, step_row, terms};
use maud::{Markup, html};

pub(super) fn gate(report: &Report, cite: &Cite) -> Markup {
    let gate = &report.gate;
    let (verdict, then) = match gate.decision {
        Decision::Permitted => (
            "Permitted under the recorded policy.",
            "The records that remain each had a recorded basis for this purpose when they entered a batch.",
        ),
        Decision::Warned => (
            "Warned, not refused.",
            "In experiment mode the gate warns where it would otherwise refuse; the result is stamped and cannot be served.",
        ),
        Decision::Refused => ("Refused under the recorded policy.", "Nothing was released."),
    };
    html! {
        p.verdict { strong { (verdict) } (cite.event(gate.evidence)) " " (then) }
        @if !gate.reasons.is_empty() {
            table {
                caption { "Kept out by the gate, by reason." }
                thead { tr { th scope="col" { "Reason" } th.numeric scope="col" { "Records" } th.numeric scope="col" { (capitalised(&plural(&report.privacy.unit))) } } }
                tbody { @for reason in &gate.reasons { (step_row(reason, cite)) } }
            }
        }
        table.facts { tbody {
            tr { th scope="row" { "Permit" span.what { "SHA-256" } } td { span.hash { (gate.permit) } } }
            tr { th scope="row" { "Policy" span.what { "SHA-256" } } td { span.hash { (gate.policy) } } }
        } }
    }
}

pub(super) fn log(report: &Report) -> Markup {
    let log = &report.log;
    html! {
        p {
            "Every step above is an event in an append-only log of " (number::grouped(log.size)) " entries. "
            "The log is tamper-evident against a checkpoint held elsewhere: keep a copy of the file below where the controller cannot change it."
        }
        table.facts { tbody {
            tr { th scope="row" { "Root" span.what { "of the Merkle tree over all entries" } } td { span.hash { (log.root) } } }
            tr { th scope="row" { "Signed checkpoint" } td { code { (log.checkpoint_path) } } }
        } }
    }
}

pub(super) fn not_covered(privacy: &Privacy) -> Markup {
    html! {
        @if privacy.not_covered.is_empty() {
            p { "No list was recorded. Take the bound to cover the releases named above and nothing else: not the twin, not evaluation on personal data, not this report." }
        } @else {
            p { (bound(privacy.epsilon_upper)) " at " (terms(privacy)) " covers " (covered(privacy)) ". It does not cover:" }
            ul.prose { @for item in &privacy.not_covered { li { (item) } } }
        }
    }
}

pub(super) fn not_proved(report: &Report) -> Markup {
    let privacy = &report.privacy;
    html! {
        ul.prose {
            li { "That the imported records are true, complete or rightly collected. The report repeats what the controller recorded about basis, consent and notice." }
            li { "That the recorded policy is right in law, or that the purpose is fair. The gate applies the policy; people decide on it." }
            @if privacy.unit != "person" {
                li { "That one " (privacy.unit) " is one person. Where a person spreads over several " (plural(&privacy.unit)) ", the bound for the person is weaker." }
            }
            li { "That nothing can be inferred about someone. What holds for a group in general can be learned with or without any one member’s records." }
            li { "That the noise was drawn as planned by anyone but the program itself: the bound assumes that its code ran unaltered and that its noise keys stayed secret." }
            li { "That nothing else was released. The budget counts what passed through this ledger." }
            li { "That the log is whole, unless it is checked against a checkpoint that was kept elsewhere." }
            li { "That the model works as well on other data. The intervals describe the held-out records of this data set." }
        }
    }
}

pub(super) fn reproduce(report: &Report) -> Markup {
    html! {
        @if report.commands.is_empty() { p { "No commands were recorded." } }
        @else {
            p { "In the workspace, in this order. Noise is drawn afresh, so a second run spends budget again and its numbers differ a little." }
            pre { @for command in &report.commands { span { (command) } } }
        }
        @if !report.files.is_empty() {
            h3 { "Files" }
            table {
                thead { tr { th scope="col" { "Path" } th scope="col" { "SHA-256" } } }
                tbody { @for file in &report.files { tr { th scope="row" { code { (file.path) } } td { span.hash { (file.sha256) } } } } }
            }
        }
        @if !report.timing.is_empty() {
            h3 { "Time" }
            p.note { (listed(report.timing.iter().map(|t| format!("{} {}", t.step, duration(t.seconds))))) "." }
        }
    }
}

pub(super) fn evidence(report: &Report) -> Markup {
    html! {
        p { "A small number such as #12 beside a figure is the ledger event it was read from. The leaf hash finds the event in the log." }
        @if report.evidence.is_empty() { p.note { "No event is cited." } }
        @else {
            table {
                thead { tr { th scope="col" { "Event" } th scope="col" { "Kind" } th scope="col" { "Time" } th scope="col" { "Leaf" } } }
                tbody { @for event in &report.evidence { tr id=(format!("event-{}", event.event)) {
                    th scope="row" { "#" (event.event) } td { (event.kind) } td { (moment(&event.time)) } td { span.hash title=(event.leaf) { (event.leaf.chars().take(16).collect::<String>()) } }
                } } }
            }
        }
    }
}
