//! The metric over ε: points with error bars over seeds, the twin's band, the release itself.

use super::super::{Report, number};
use super::scale::{Linear, Log};
use super::svg::{self, Anchor, WIDTH};
use maud::{Markup, html};

const HEIGHT: f64 = 350.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 588.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 296.0;

/// The plot, where the sweep has at least one finite point.
pub(in super::super) fn plot(report: &Report, desc: &str) -> Option<Markup> {
    let (utility, privacy) = (&report.utility, &report.privacy);
    let mut points: Vec<_> = utility.curve.iter().filter(|p| p.epsilon.is_finite() && p.epsilon > 0.0 && p.mean.is_finite()).collect();
    points.sort_by(|a, b| a.epsilon.total_cmp(&b.epsilon));
    let last = points.last()?;
    let sd = |sd: f64| if sd.is_finite() { sd.abs() } else { 0.0 };

    let twin = &utility.twin;
    let release = (privacy.of_this_release(), utility.release.value);
    let release = Some(release).filter(|(epsilon, value)| epsilon.is_finite() && *epsilon > 0.0 && value.is_finite());
    let x = Log::around(points.iter().map(|p| p.epsilon).chain(release.map(|r| r.0)), (LEFT, RIGHT))?;
    let ends = points.iter().flat_map(|p| [p.mean - sd(p.sd), p.mean + sd(p.sd)]);
    let y = Linear::around(ends.chain([twin.value, twin.lo, twin.hi]).chain(release.map(|r| r.1)), (BOTTOM, TOP))?;

    let mut labels = [y.at(if twin.value.is_finite() { twin.value } else { last.mean }), y.at(last.mean)];
    svg::spread(&mut labels, 40.0);
    let body = html! {
        @for (value, label) in y.ticks(5) {
            (svg::line((LEFT, y.at(value)), (RIGHT, y.at(value)), "grid"))
            (svg::text((LEFT - 10.0, y.at(value) + 4.0), Anchor::End, "muted", &label))
        }
        @for (value, label) in x.ticks() {
            (svg::line((x.at(value), BOTTOM), (x.at(value), BOTTOM + 5.0), "axis"))
            (svg::text((x.at(value), BOTTOM + 20.0), Anchor::Middle, "muted", &label))
        }
        (svg::line((LEFT, BOTTOM), (RIGHT, BOTTOM), "axis"))
        (svg::text((LEFT - 36.0, 14.0), Anchor::Start, "muted", &format!("{} on held-out records", utility.metric)))
        (svg::text((RIGHT, BOTTOM + 42.0), Anchor::End, "muted", "upper bound on ε, log scale →"))
        (svg::text((LEFT, BOTTOM + 42.0), Anchor::Start, "muted", "← less can be revealed"))

        @if twin.value.is_finite() {
            @if twin.lo.is_finite() && twin.hi.is_finite() {
                (svg::rect((LEFT, y.at(twin.hi)), (RIGHT - LEFT, y.at(twin.lo) - y.at(twin.hi)), 0.0, "band b"))
            }
            (svg::line((LEFT, y.at(twin.value)), (RIGHT, y.at(twin.value)), "line b dashed"))
            (svg::text((RIGHT + 12.0, labels[0] - 2.0), Anchor::Start, "strong b", &format!("twin {}", number::fixed(twin.value, 3))))
            (svg::text((RIGHT + 12.0, labels[0] + 14.0), Anchor::Start, "muted", "no clipping, no noise"))
        }

        (svg::curve(points.iter().map(|p| (x.at(p.epsilon), y.at(p.mean))), "line a"))
        @for p in &points {
            @let (px, half) = (x.at(p.epsilon), sd(p.sd));
            @let (low, high) = (y.at(p.mean - half), y.at(p.mean + half));
            (svg::line((px, low), (px, high), "whisker a"))
            (svg::line((px - 4.0, low), (px + 4.0, low), "whisker a"))
            (svg::line((px - 4.0, high), (px + 4.0, high), "whisker a"))
            (svg::disc((px, y.at(p.mean)), 3.6, "dot a open"))
        }
        (svg::text((RIGHT + 12.0, labels[1] - 2.0), Anchor::Start, "strong a", "sweep: mean ± 1 sd"))
        (svg::text((RIGHT + 12.0, labels[1] + 14.0), Anchor::Start, "muted", &seeds(points.iter().map(|p| p.seeds))))

        @if let Some((epsilon, value)) = release {
            @let (rx, ry) = (x.at(epsilon), y.at(value));
            @let below = (ry + 62.0).min(BOTTOM - 26.0);
            @let anchor = if rx > f64::midpoint(LEFT, RIGHT) { Anchor::End } else { Anchor::Start };
            @let shift = if rx > f64::midpoint(LEFT, RIGHT) { -8.0 } else { 8.0 };
            (svg::line((rx, ry), (rx, below + 16.0), "leader"))
            (svg::disc((rx, ry), 7.5, "dot a"))
            (svg::disc((rx, ry), 3.0, "dot core"))
            (svg::text((rx + shift, below), anchor, "strong a halo", &format!("this release: {} {}", utility.metric, number::fixed(value, 3))))
            (svg::text((rx + shift, below + 16.0), anchor, "muted halo", &format!("at ε ≤ {}", number::at_most(epsilon, 3))))
        }
    };
    let title = format!("{} over ε, with the release and its twin", utility.metric);
    Some(svg::frame("utility", &title, desc, (WIDTH, HEIGHT), &body))
}

fn seeds(seeds: impl Iterator<Item = u64>) -> String {
    let (lo, hi) = seeds.fold((u64::MAX, 0), |(lo, hi), s| (lo.min(s), hi.max(s)));
    match (lo, hi) {
        (1, 1) => "1 seed a point".to_owned(),
        (lo, hi) if lo == hi => format!("{lo} seeds a point"),
        (lo, hi) => format!("{lo} to {hi} seeds a point"),
    }
}
