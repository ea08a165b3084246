//! One axis of ε: what was measured at least, what is proved at most, and how far the measurement could have seen.

use super::super::attacks::AuditSection;
use super::super::number;
use super::scale::Linear;
use super::svg::{self, Anchor, WIDTH};
use maud::{Markup, html};

const LEFT: f64 = 12.0;
const RIGHT: f64 = 736.0;
const AXIS: f64 = 112.0;
const BAR: f64 = 12.0;

/// The plot, where there is a measured lower bound and a proved upper bound.
pub(in super::super) fn plot(audit: &AuditSection, desc: &str) -> Option<Markup> {
    let lower = audit.measured().filter(|l| l.epsilon.is_finite() && l.epsilon >= 0.0)?;
    let upper = audit.proved.as_ref().filter(|p| p.epsilon.is_finite())?;
    let ceiling = lower.ceiling.filter(|c| c.is_finite() && *c >= 0.0);
    let most = [lower.epsilon, upper.epsilon].into_iter().chain(ceiling).fold(0.1, f64::max);
    let x = Linear::new((0.0, 1.06 * most), (LEFT, RIGHT));
    let (measured, proved) = (x.at(lower.epsilon), x.at(upper.epsilon));
    let contradicted = lower.epsilon > upper.epsilon;
    let span = if contradicted { "a contradiction" } else { "not known which" };

    let body = html! {
        (svg::rect((LEFT, AXIS - BAR), (measured.min(proved) - LEFT, BAR), 0.0, "span out"))
        (svg::rect((measured.min(proved), AXIS - BAR), ((proved - measured).abs(), BAR), 0.0, if contradicted { "span wrong" } else { "span open" }))
        (svg::line((LEFT, AXIS), (RIGHT, AXIS), "axis"))
        @for (value, label) in x.ticks(6) {
            (svg::line((x.at(value), AXIS), (x.at(value), AXIS + 5.0), "axis"))
            (svg::text((x.at(value), AXIS + 20.0), Anchor::Middle, "muted", &label))
        }
        (svg::text((RIGHT, AXIS + 42.0), Anchor::End, "muted", &format!("ε at δ = {} →", number::scientific(upper.delta))))
        @if (proved - measured).abs() > 150.0 {
            (svg::text((f64::midpoint(measured, proved), AXIS - BAR - 8.0), Anchor::Middle, "muted small", span))
        }

        (svg::line((measured, AXIS - 34.0), (measured, AXIS + 4.0), "line b thick"))
        (svg::diamond((measured, AXIS - 34.0), 5.4, "dot b open"))
        @let (at, anchor) = beside(measured);
        (svg::text((at, 18.0), anchor, "strong b", &format!("measured lower bound: ε ≥ {}", number::at_least(lower.epsilon, 3))))
        (svg::text((at, 35.0), anchor, "muted small", &format!("with {} confidence, for the attacks that were made", super::roc::percent(lower.confidence))))
        (svg::line((measured, 42.0), (measured, AXIS - 40.0), "leader"))

        (svg::line((proved, AXIS - 24.0), (proved, AXIS + 4.0), "line a thick"))
        (svg::disc((proved, AXIS - 24.0), 5.0, "dot a"))
        @let (at, anchor) = beside(proved);
        (svg::text((at, AXIS + 66.0), anchor, "strong a", &format!("proved upper bound: ε ≤ {}", number::at_most(upper.epsilon, 3))))
        (svg::text((at, AXIS + 83.0), anchor, "muted small", "whatever the attack"))
        (svg::line((proved, AXIS + 26.0), (proved, AXIS + 50.0), "leader"))

        @if let Some(ceiling) = ceiling {
            @let end = x.at(ceiling);
            (svg::line((LEFT, AXIS + 110.0), (end, AXIS + 110.0), "line muted dotted thick"))
            (svg::line((end, AXIS + 103.0), (end, AXIS + 117.0), "line muted thick"))
            @let (at, anchor) = beside(end);
            (svg::text((at, AXIS + 134.0), anchor, "strong", &format!("this audit could have seen up to ε = {}", number::at_least(ceiling, 2))))
            (svg::text((at, AXIS + 151.0), anchor, "muted small", "with a perfect attack on as many units; beyond that it was blind"))
        }
    };
    let height = if ceiling.is_some() { AXIS + 160.0 } else { AXIS + 92.0 };
    Some(svg::frame("bracket", "Measured lower bound and proved upper bound on one axis of ε", desc, (WIDTH, height), &body))
}

/// Where the label of a mark sits: on the side that has room.
fn beside(x: f64) -> (f64, Anchor) {
    if x > f64::midpoint(LEFT, RIGHT) { (x, Anchor::End) } else { (x, Anchor::Start) }
}
