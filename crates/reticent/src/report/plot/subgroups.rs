//! The metric by subgroup: the release and its twin side by side, each with its interval.

use super::super::{Measured, Subgroup, Utility, number};
use super::scale::Linear;
use super::svg::{self, Anchor, WIDTH};
use maud::{Markup, html};

const LEFT: f64 = 196.0;
const RIGHT: f64 = 590.0;
const TOP: f64 = 58.0;
const ROW: f64 = 32.0;
const HEAD: f64 = 30.0;

/// The plot, where at least one group has a finite value to show.
pub(in super::super) fn plot(subgroups: &[Subgroup], utility: &Utility, desc: &str) -> Option<Markup> {
    let shown = subgroups.iter().flat_map(|s| [&s.release, &s.twin]).flatten().filter(|m| m.value.is_finite());
    let overall = [utility.release.value, utility.twin.value];
    shown.clone().next()?;
    let x = Linear::around(shown.flat_map(|m| [m.value, m.lo, m.hi]).chain(overall), (LEFT, RIGHT))?;

    let groups = by_column(subgroups);
    let mut top = TOP;
    let tops: Vec<f64> = groups
        .iter()
        .map(|(_, levels)| {
            let t = top;
            top += HEAD + ROW * levels.len() as f64;
            t
        })
        .collect();
    let bottom = top + 6.0;
    let body = html! {
        @for (value, label) in x.ticks(5) {
            (svg::line((x.at(value), TOP - 8.0), (x.at(value), bottom), "grid"))
            (svg::text((x.at(value), bottom + 18.0), Anchor::Middle, "muted", &label))
        }
        (svg::text((f64::midpoint(LEFT, RIGHT), bottom + 40.0), Anchor::Middle, "muted", &format!("{} and interval ({})", utility.metric, utility.interval)))
        (key(utility))
        @for (value, class) in overall.iter().zip(["line a thin", "line b thin dashed"]) {
            @if value.is_finite() { (svg::line((x.at(*value), TOP - 8.0), (x.at(*value), bottom), class)) }
        }
        (svg::text((WIDTH - 78.0, TOP - 14.0), Anchor::End, "muted", "units"))
        (svg::text((WIDTH - 4.0, TOP - 14.0), Anchor::End, "muted", "records"))
        @for ((column, levels), top) in groups.iter().zip(&tops) {
            (svg::text((0.0, top + 19.0), Anchor::Start, "strong", &svg::shortened(column, 28)))
            @for (i, s) in levels.iter().enumerate() {
                @let y = top + HEAD + ROW * (i as f64 + 0.5) - 4.0;
                (svg::text((14.0, y + 4.0), Anchor::Start, "", &svg::shortened(&s.level, 27)))
                @if s.release.is_none() && s.twin.is_none() {
                    (svg::rect((LEFT, y - ROW / 2.0), (RIGHT - LEFT, ROW + 10.0), 0.0, "paper"))
                    (svg::text((LEFT, y + 4.0), Anchor::Start, "muted small", "not shown: a class has fewer than 10 units"))
                }
                @if let Some(m) = &s.release { (interval(&x, m, y - 5.0, "a")) }
                @if let Some(m) = &s.twin { (interval(&x, m, y + 5.0, "b")) }
                (svg::text((WIDTH - 78.0, y + 4.0), Anchor::End, "muted num", &s.units.to_string()))
                (svg::text((WIDTH - 4.0, y + 4.0), Anchor::End, "muted num", &s.records.to_string()))
            }
        }
    };
    let title = format!("{} by subgroup, release and twin", utility.metric);
    Some(svg::frame("subgroups", &title, desc, (WIDTH, bottom + 50.0), &body))
}

/// The groups by column, in the order in which the columns first appear.
pub(in super::super) fn by_column(subgroups: &[Subgroup]) -> Vec<(&str, Vec<&Subgroup>)> {
    let mut groups: Vec<(&str, Vec<&Subgroup>)> = Vec::new();
    for subgroup in subgroups {
        match groups.iter_mut().find(|(column, _)| *column == subgroup.column) {
            Some((_, levels)) => levels.push(subgroup),
            None => groups.push((&subgroup.column, vec![subgroup])),
        }
    }
    groups
}

fn interval(x: &Linear, m: &Measured, y: f64, class: &str) -> Markup {
    if !m.value.is_finite() {
        return html! {};
    }
    html! {
        @if m.lo.is_finite() && m.hi.is_finite() {
            (svg::line((x.at(m.lo), y), (x.at(m.hi), y), &format!("whisker {class}")))
        }
        @if class == "a" { (svg::disc((x.at(m.value), y), 4.2, "dot a")) }
        @else { (svg::diamond((x.at(m.value), y), 4.8, "dot b open")) }
    }
}

/// What the two marks and the two lines stand for, once, over the plot.
fn key(utility: &Utility) -> Markup {
    html! {
        (svg::disc((LEFT + 6.0, 14.0), 4.2, "dot a"))
        (svg::text((LEFT + 18.0, 18.0), Anchor::Start, "strong a", &format!("this release, {} overall", number::fixed(utility.release.value, 3))))
        (svg::diamond((LEFT + 250.0, 14.0), 4.8, "dot b open"))
        (svg::text((LEFT + 262.0, 18.0), Anchor::Start, "strong b", &format!("twin, {} overall", number::fixed(utility.twin.value, 3))))
        (svg::text((LEFT, 36.0), Anchor::Start, "muted small", "lines: the values overall"))
    }
}
