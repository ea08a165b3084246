//! Exposure by repeats inside one unit and across units, with what chance gives and what group privacy allows.

use super::scale::{Linear, Log};
use super::svg::{self, Anchor, WIDTH};
use crate::leak::AtRepeats;
use crate::leak::repeats::RepeatsAudit;
use crate::report::number;
use maud::{Markup, html};

const HEIGHT: f64 = 388.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 540.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 334.0;

/// The plot, where there is a number of repeats.
pub(in super::super) fn plot(audit: &RepeatsAudit, desc: &str) -> Option<Markup> {
    let most = Some(audit.max_bits).filter(|m| m.is_finite() && *m > 0.0)?;
    let x = Log::around(audit.group.iter().map(|g| f64::from(g.units)), (LEFT, RIGHT))?;
    let y = Linear::new((0.0, 1.06 * most), (BOTTOM, TOP));
    let at = |repeats: u32, bits: f64| (x.at(f64::from(repeats)), y.at(bits.clamp(0.0, most)));
    let points = |levels: &[AtRepeats]| levels.iter().map(|l| at(l.repeats, l.mean_bits)).collect::<Vec<_>>();
    let series = [
        (points(&audit.baseline.one_unit), "line b dashed", "b", "without privacy, one unit"),
        (points(&audit.private.many_units), "line muted dotted thick", "muted", "under ε, so many units"),
        (points(&audit.private.one_unit), "line a thick", "a", "under ε, one unit"),
    ];
    let limit: Vec<_> = audit.group.iter().map(|g| at(g.units, g.mean_bits)).collect();
    let mut labels: Vec<f64> =
        series.iter().filter_map(|(points, ..)| points.last()).map(|p| p.1).chain(limit.last().map(|p| p.1)).collect();
    svg::spread(&mut labels, 22.0);
    let band = y.at(audit.null_level_upper_bits.min(most));
    let body = html! {
        @for (value, label) in y.ticks(5) {
            (svg::line((LEFT, y.at(value)), (RIGHT, y.at(value)), "grid"))
            (svg::text((LEFT - 9.0, y.at(value) + 4.0), Anchor::End, "muted", &label))
        }
        (svg::rect((LEFT, band), (RIGHT - LEFT, BOTTOM - band), 0.0, "by-chance"))
        (svg::line((LEFT, BOTTOM), (RIGHT, BOTTOM), "axis"))
        @for g in &audit.group {
            @let tick = x.at(f64::from(g.units));
            (svg::line((tick, BOTTOM), (tick, BOTTOM + 5.0), "axis"))
            (svg::text((tick, BOTTOM + 20.0), Anchor::Middle, "muted", &number::grouped(u64::from(g.units))))
        }
        (svg::text((0.0, 14.0), Anchor::Start, "muted", "mean exposure, bits"))
        (svg::text((RIGHT, BOTTOM + 42.0), Anchor::End, "muted", "repeats of a secret, log scale →"))
        (svg::curve(limit.iter().copied(), "line a thin dashed"))
        @for (points, line, tone, _) in &series {
            (svg::curve(points.iter().copied(), line))
            @for p in points { (mark(tone, *p)) }
        }
        (svg::text((RIGHT - 6.0, BOTTOM - 8.0), Anchor::End, "muted small halo", "shaded: means of secrets never seen"))
        @for ((_, _, tone, label), at) in series.iter().zip(&labels) {
            (svg::text((RIGHT + 12.0, at + 4.0), Anchor::Start, &format!("strong {tone}"), label))
        }
        @if let Some(at) = labels.last() {
            (svg::text((RIGHT + 12.0, at + 4.0), Anchor::Start, "a", "most for so many units"))
        }
    };
    Some(svg::frame("repeats", "Exposure of planted secrets by repeats", desc, (WIDTH, HEIGHT), &body))
}

fn mark(tone: &str, at: (f64, f64)) -> Markup {
    match tone {
        "a" => svg::disc(at, 4.4, "dot a"),
        "b" => svg::diamond(at, 5.2, "dot b open"),
        _ => svg::square(at, 4.0, "dot c open"),
    }
}
