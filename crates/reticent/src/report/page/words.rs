//! Phrases and tables that the sections share.

use super::super::number::{at_least, at_most, fixed, scientific};
use super::super::{FlowStep, Measured, Privacy, ReleaseState, number};
use super::Cite;
use maud::{Markup, html};

pub(super) fn step_row(step: &FlowStep, cite: &Cite) -> Markup {
    html! { tr { th scope="row" { (step.label) } td.numeric { (step.records) (cite.event(step.evidence)) } td.numeric { (step.units) } } }
}

/// The table beside a plot, folded on screen and open in print.
pub(super) fn numbers(table: &Markup) -> Markup {
    html! { details { summary { "The numbers as a table" } div.scroll { (table) } } }
}

/// `ε ≤ 1.998`; never without [`terms`] nearby.
pub(super) fn bound(epsilon: f64) -> String {
    if epsilon.is_finite() { format!("ε ≤ {}", at_most(epsilon, 3)) } else { "ε unbounded".to_owned() }
}

/// What every ε stands with: `δ = 1e-5, add/remove one unit (person, ≤ 5 rows)`.
pub(super) fn terms(privacy: &Privacy) -> Markup {
    html! {
        span.nowrap { "δ = " (scientific(privacy.delta)) } ", " (privacy.neighbours) " (" (privacy.unit) ", "
        span.nowrap { "≤ " (rows(privacy)) ")" }
    }
}

pub(super) fn rows(privacy: &Privacy) -> String {
    match privacy.max_rows_per_unit {
        1 => "1 row".to_owned(),
        n => format!("{} rows", number::grouped(n)),
    }
}

/// What the joint ε covers, briefly.
pub(super) fn together(privacy: &Privacy) -> String {
    match privacy.releases.len() {
        0 | 1 => "this release".to_owned(),
        n => format!("these {n} releases together"),
    }
}

/// What the joint ε covers, by name.
pub(super) fn covered(privacy: &Privacy) -> String {
    match privacy.releases.as_slice() {
        [] => "this release".to_owned(),
        [one] => format!("this release: {}", one.name),
        all => format!(
            "{} releases together: {}",
            all.len(),
            listed(all.iter().map(|r| match r.state {
                ReleaseState::Released => r.name.clone(),
                ReleaseState::Reserved => format!("{} (reserved)", r.name),
            }))
        ),
    }
}

/// What the filter still allows.
pub(super) fn left(privacy: &Privacy) -> String {
    let left = privacy.filter.budget_epsilon - privacy.filter.spent_epsilon;
    if left < 0.0 { "none".to_owned() } else { format!("ε {}", at_least(left, 3)) }
}

pub(super) fn range(m: &Measured) -> String {
    if m.lo.is_finite() && m.hi.is_finite() { format!("{} to {}", fixed(m.lo, 3), fixed(m.hi, 3)) } else { "no interval".to_owned() }
}

/// The unit in the plural.
pub(super) fn plural(unit: &str) -> String {
    format!("{unit}s")
}

pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

pub(super) fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".to_owned() } else { items.join("; ") }
}

/// The date of an RFC 3339 time.
pub(super) fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or(time)
}

/// An RFC 3339 time as `2026-03-14 09:26:53Z`.
pub(super) fn moment(time: &str) -> String {
    time.replacen('T', " ", 1)
}
