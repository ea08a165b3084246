//! A page about exposure by repeats alone.

use super::super::number::{at_most, fixed, grouped, scientific};
use super::super::plot::repeats;
use super::super::sheet::Sheet;
use super::words::{bound, numbers};
use crate::leak::AtRepeats;
use crate::leak::repeats::RepeatsAudit;
use maud::{Markup, html};

/// The measurement as a self-contained HTML page.
pub(crate) fn render_repeats(audit: &RepeatsAudit) -> String {
    let main = html! {
        h1 { "Exposure of planted secrets by repeats" }
        section aria-label="Exposure" { (body(audit)) }
        footer { p { "Made by " code { "reticent audit text --repeats" } ". Nothing here is legal advice." } }
    };
    Sheet { made_by: "reticent audit", stamp: None, title: "Exposure by repeats", head: None, contents: vec![] }.page(&main)
}

fn body(audit: &RepeatsAudit) -> Markup {
    let means = |levels: &[AtRepeats]| levels.iter().map(|l| fixed(l.mean_bits, 1)).collect::<Vec<_>>().join(", ");
    let desc = format!(
        "Mean exposure in bits at 1, 2, 4 to 128 repeats. Without privacy, inside one unit: {}. Under a bound, inside one unit: {}; across units: {}.",
        means(&audit.baseline.one_unit),
        means(&audit.private.one_unit),
        means(&audit.private.many_units)
    );
    html! {
        p {
            "Cards that are nobody’s were planted in " (grouped(audit.messages)) " messages of " (grouped(audit.units)) " units (" (audit.statement) "), "
            (audit.secrets_each) " for each number of repeats inside one unit and " (audit.secrets_each) " across units, and ranked among " (grouped(audit.references)) " others by two models."
        }
        @if let Some(plot) = repeats::plot(audit, &desc) {
            figure.wide {
                div.scroll { (plot) }
                figcaption {
                    "Exposure is how many bits of guessing a model saves: 0 is none, " (fixed(audit.max_bits, 1)) " means that the planted card comes first. "
                    "Means of " (audit.secrets_each) " secrets that nobody planted lie in the shaded band, all eight of them with 95%. "
                    "The thin dashed line is the most that the bound allows for a secret which so many units hold: what it says of several units together."
                }
                (numbers(&table(audit)))
            }
        }
        table.facts { tbody {
            tr { th scope="row" { "Under ε" } td { (bound(audit.epsilon_upper)) " at δ = " (scientific(audit.delta)) ", " (audit.neighbours) " (" (audit.unit) "); not released. Held out: " (fixed(audit.private.bits_per_byte, 2)) " bits a byte." } }
            tr { th scope="row" { "Without privacy" } td { "No bound is proved. Held out: " (fixed(audit.baseline.bits_per_byte, 2)) " bits a byte." } }
            tr { th scope="row" { "Inside one unit, under ε" } td {
                "Mean of all: " (fixed(audit.private.one_unit_mean_bits, 2)) " bits. Of secrets that nobody planted it is " (fixed(audit.null_mean_bits, 2)) " and, with 95%, under " (at_most(audit.null_all_upper_bits, 2)) ". "
                "Under a model of the same recipe and noise that was trained with others in their place it is " (fixed(audit.control_mean_bits, 2)) ": planting them did " (fixed(audit.effect_bits, 2)) " bits, standard error " (fixed(audit.effect_error_bits, 2)) "."
            } }
        } }
        h3 { "What this does not show" }
        ul.prose {
            li { "That a stronger attack finds no more. These are measurements of two runs and one attack; the ε at its δ bounds every attack." }
            li { "That other secrets stay in: planted ones have one form." }
        }
    }
}

fn table(audit: &RepeatsAudit) -> Markup {
    let cell = |level: &AtRepeats| html! { td.numeric { (fixed(level.mean_bits, 2)) " (" (level.extracted) ")" } };
    html! {
        table {
            caption { "Mean exposure in bits, and in brackets how many of " (audit.secrets_each) " cards are said in full. ε of several units at δ = " (scientific(audit.delta)) "." }
            thead { tr {
                th.numeric scope="col" { "Repeats" }
                th.numeric scope="col" { "Without privacy, one unit" } th.numeric scope="col" { "So many units" }
                th.numeric scope="col" { "Under ε, one unit" } th.numeric scope="col" { "So many units" }
                th.numeric scope="col" { "So many units, at most" } th.numeric scope="col" { "ε of so many units" }
            } }
            tbody { @for (at, group) in audit.group.iter().enumerate() { tr {
                th.numeric scope="row" { (group.units) }
                (cell(&audit.baseline.one_unit[at])) (cell(&audit.baseline.many_units[at]))
                (cell(&audit.private.one_unit[at])) (cell(&audit.private.many_units[at]))
                td.numeric { (at_most(group.mean_bits, 2)) }
                td.numeric { @match group.epsilon_upper { Some(epsilon) => (at_most(epsilon, 1)), None => "not computed" } }
            } } }
        }
    }
}
