//! ε by release: what each adds to the joint bound, beside what it would be alone, up to the budget.

use super::super::{Privacy, ReleaseState, number};
use super::scale::Linear;
use super::svg::{self, Anchor, WIDTH};
use maud::{Markup, html};

const LEFT: f64 = 238.0;
const RIGHT: f64 = 690.0;
const TOP: f64 = 52.0;
const ROW: f64 = 42.0;
const BAR: f64 = 16.0;

/// The plot, where at least one release has a finite ε.
pub(in super::super) fn plot(privacy: &Privacy, desc: &str) -> Option<Markup> {
    let known = |r: &&super::super::Release| r.epsilon.is_finite() && r.cumulative_epsilon.is_finite();
    let releases: Vec<_> = privacy.releases.iter().filter(known).collect();
    if releases.is_empty() || !privacy.epsilon_upper.is_finite() {
        return None;
    }
    let before = |i: usize| if i == 0 { 0.0 } else { releases[i - 1].cumulative_epsilon };
    let budget = Some(privacy.filter.budget_epsilon).filter(|b| b.is_finite());
    let spent = Some(privacy.filter.spent_epsilon).filter(|s| s.is_finite());
    let reach = (0..releases.len()).map(|i| before(i) + releases[i].epsilon);
    let end = reach.chain(budget).chain(spent).fold(privacy.epsilon_upper, f64::max);
    let x = Linear::new((0.0, 1.04 * end), (LEFT, RIGHT));
    let joint = TOP + ROW * releases.len() as f64 + 10.0;
    let bottom = joint + ROW;

    let body = html! {
        @for (value, label) in x.ticks(5) {
            (svg::line((x.at(value), TOP - 8.0), (x.at(value), bottom), "grid"))
            (svg::text((x.at(value), bottom + 18.0), Anchor::Middle, "muted", &label))
        }
        (svg::text((RIGHT + 14.0, bottom + 18.0), Anchor::Start, "muted", "ε"))
        @if let Some(spent) = spent {
            (svg::line((x.at(spent), TOP - 8.0), (x.at(spent), bottom), "line muted dotted"))
        }
        @if let Some(budget) = budget {
            (svg::line((x.at(budget), TOP - 8.0), (x.at(budget), bottom), "line b"))
        }
        @for (i, r) in releases.iter().enumerate() {
            @let top = TOP + ROW * i as f64;
            @let (from, to) = (x.at(before(i)), x.at(r.cumulative_epsilon));
            @let alone = x.at(before(i) + r.epsilon);
            @let reserved = r.state == ReleaseState::Reserved;
            (svg::text((LEFT - 16.0, top + 12.0), Anchor::End, "strong", &svg::shortened(&r.name, 27)))
            (svg::text((LEFT - 16.0, top + 28.0), Anchor::End, "muted", if reserved { "reserved" } else { "released" }))
            (svg::line((to, top + BAR), (to, top + ROW), "leader"))
            (svg::rect((from, top + 0.75), (alone - from, BAR - 1.5), 2.0, "alone"))
            (svg::rect((from, top), (to - from, BAR), 2.0, if reserved { "bar a reserved" } else { "bar a" }))
            @let (label_x, anchor) = if alone.max(to) > RIGHT - 190.0 { (from - 8.0, Anchor::End) } else { (alone.max(to) + 8.0, Anchor::Start) };
            @let added = number::at_most((r.cumulative_epsilon - before(i)).max(0.0), 3);
            @let label = if i == 0 { added } else { format!("adds {added} (alone {})", number::at_most(r.epsilon, 3)) };
            (svg::text((label_x, top + 12.5), anchor, "halo", &label))
        }
        (svg::line((LEFT, joint - 6.0), (RIGHT, joint - 6.0), "axis"))
        (svg::text((LEFT - 16.0, joint + 16.0), Anchor::End, "strong a", "joint"))
        (svg::rect((LEFT, joint + 4.0), (x.at(privacy.epsilon_upper) - LEFT, BAR), 2.0, "bar a strong"))
        @let end = x.at(privacy.epsilon_upper);
        @let (at, anchor, class) = if end - LEFT > 90.0 { (end - 8.0, Anchor::End, "on-bar") } else { (end + 8.0, Anchor::Start, "strong a halo") };
        (svg::text((at, joint + 16.5), anchor, class, &format!("ε ≤ {}", number::at_most(privacy.epsilon_upper, 3))))
        (svg::line((LEFT, TOP - 8.0), (LEFT, bottom), "axis"))
        (marks(&x, spent, budget))
    };
    Some(svg::frame("releases", "ε by release, up to the budget", desc, (WIDTH, bottom + 28.0), &body))
}

/// The labels over the lines of the filter's count and the budget, moved apart where they would touch.
fn marks(x: &Linear, spent: Option<f64>, budget: Option<f64>) -> Markup {
    let close = matches!((spent, budget), (Some(s), Some(b)) if (x.at(b) - x.at(s)).abs() < 150.0);
    html! {
        @if let Some(spent) = spent {
            (svg::text((x.at(spent) + if close { 4.0 } else { 0.0 }, 34.0 - if close { 18.0 } else { 0.0 }), if close { Anchor::End } else { Anchor::Middle }, "muted", &format!("charged by the filter {}", number::at_most(spent, 3))))
        }
        @if let Some(budget) = budget {
            (svg::text((x.at(budget) + 4.0, 34.0), Anchor::End, "strong b", &format!("budget {}", number::setting(budget))))
        }
    }
}
