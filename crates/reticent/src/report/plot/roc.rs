//! ROC of one attack on the release and its twins, both axes logarithmic: what matters is how many units it finds while it
//! accuses almost nobody wrongly.
//!
//! Under (ε, δ) no attack whatever has a TPR above e^ε FPR + δ, nor above 1 − e^(−ε)(1 − δ − FPR): shaded is what that rules
//! out for the release. (Kairouz, Oh, Viswanath 2015, Theorem 2.1.)

use super::super::attacks::{Attacked, AuditSection, RocCurve, RocPoint};
use super::super::number;
use super::scale::Log;
use super::svg::{self, Anchor, WIDTH};
use maud::{Markup, html};

const HEIGHT: f64 = 428.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 506.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 376.0;

/// The FPR at which curves are compared, where the non-members allow it.
pub(in super::super) const FPRS: [f64; 4] = [0.1, 0.01, 0.001, 0.0001];

/// The greatest TPR that (ε, δ) allows at an FPR.
pub(in super::super) fn ceiling(fpr: f64, epsilon: f64, delta: f64) -> f64 {
    (epsilon.exp() * fpr + delta).min(1.0 - (-epsilon).exp() * (1.0 - delta - fpr)).clamp(0.0, 1.0)
}

/// The plot, where some curve has two points that can be drawn.
pub(in super::super) fn plot(audit: &AuditSection, desc: &str) -> Option<Markup> {
    let mut curves: Vec<(&RocCurve, Vec<RocPoint>)> = audit.curves.iter().map(|c| (c, drawn(c))).filter(|(_, p)| p.len() > 1).collect();
    curves.sort_by_key(|(c, _)| c.attacked);
    let fpr = curves.iter().filter_map(|(c, _)| finest(c)).fold(f64::NAN, f64::min);
    let floor = curves.iter().filter_map(|(c, _)| c.floor()).fold(f64::NAN, f64::min).min(fpr.max(1e-6).sqrt());
    let x = Log::between((fpr, 1.0), (LEFT, RIGHT))?;
    let y = Log::between((floor, 1.0), (BOTTOM, TOP))?;
    let inside = |tpr: f64| y.at(tpr.max(floor)).clamp(TOP, BOTTOM);
    let proved = audit.proved.as_ref().filter(|p| p.epsilon.is_finite());
    let steps = |from: f64| (0..=96).map(move |i| from.powf(1.0 - f64::from(i) / 96.0));

    let body = html! {
        @for (value, label) in decades(floor) {
            (svg::line((LEFT, y.at(value)), (RIGHT, y.at(value)), "grid"))
            (svg::text((LEFT - 9.0, y.at(value) + 4.0), Anchor::End, "muted", &label))
        }
        @for (value, label) in decades(fpr) {
            (svg::line((x.at(value), TOP), (x.at(value), BOTTOM), "grid"))
            (svg::text((x.at(value), BOTTOM + 19.0), if value >= 1.0 { Anchor::End } else { Anchor::Middle }, "muted", &label))
        }
        @if let Some(p) = proved {
            @let edge: Vec<(f64, f64)> = steps(fpr).map(|f| (x.at(f), inside(ceiling(f, p.epsilon, p.delta)))).collect();
            (svg::area(edge.iter().copied().chain([(RIGHT, TOP), (LEFT, TOP)]), "ruled-out"))
            (svg::curve(edge.iter().copied().filter(|p| p.1 < BOTTOM), "line a dashed"))
        }
        (svg::curve(steps(fpr.max(floor)).map(|f| (x.at(f), y.at(f))), "leader"))
        @for (curve, points) in &curves {
            @let class = class(curve.attacked);
            @let band = points.iter().map(|p| (x.at(p.fpr), inside(p.hi))).chain(points.iter().rev().map(|p| (x.at(p.fpr), inside(p.lo))));
            (svg::area(band, &format!("band {class}")))
        }
        @for (curve, points) in &curves {
            (svg::curve(points.iter().map(|p| (x.at(p.fpr), y.at(p.tpr))), &format!("line {}", class(curve.attacked))))
            @for p in marked(points, fpr) { (mark(curve.attacked, (x.at(p.fpr), y.at(p.tpr)))) }
        }
        (svg::line((LEFT, BOTTOM), (RIGHT, BOTTOM), "axis"))
        (svg::line((LEFT, TOP), (LEFT, BOTTOM), "axis"))
        (svg::text((0.0, 14.0), Anchor::Start, "muted", "members found (TPR)"))
        (svg::text((RIGHT, BOTTOM + 42.0), Anchor::End, "muted", "non-members accused (FPR), log scale →"))
        (svg::text((LEFT, BOTTOM + 42.0), Anchor::Start, "muted", &format!("finest: {}", percent(fpr))))
        (key(&curves, proved.is_some()))
    };
    Some(svg::frame("roc", "ROC of one attack on the release and its twins, log-log", desc, (WIDTH, HEIGHT), &body))
}

/// What the lines stand for, beside the plot.
fn key(curves: &[(&RocCurve, Vec<RocPoint>)], proved: bool) -> Markup {
    let left = RIGHT + 22.0;
    let top = |i: usize| TOP + 18.0 + 58.0 * i as f64;
    html! {
        @for (i, (curve, _)) in curves.iter().enumerate() {
            (svg::line((left, top(i)), (left + 30.0, top(i)), &format!("line {}", class(curve.attacked))))
            (mark(curve.attacked, (left + 15.0, top(i))))
            (svg::text((left + 40.0, top(i) + 4.0), Anchor::Start, "strong", &svg::shortened(&curve.label, 29)))
            (svg::text((left + 40.0, top(i) + 21.0), Anchor::Start, "muted small", &comparison(curve)))
        }
        @let at = top(curves.len());
        (svg::line((left, at), (left + 30.0, at), "leader"))
        (svg::text((left + 40.0, at + 4.0), Anchor::Start, "muted", "guessing"))
        @if proved {
            (svg::rect((left, at + 22.0), (30.0, 18.0), 0.0, "ruled-out"))
            (svg::line((left, at + 40.0), (left + 30.0, at + 40.0), "line a dashed"))
            (svg::text((left + 40.0, at + 31.0), Anchor::Start, "muted", "ruled out by the proof,"))
            (svg::text((left + 40.0, at + 47.0), Anchor::Start, "muted", "for this release"))
        }
    }
}

/// `TPR 4.1% at FPR 1%`, at the smallest FPR that the non-members allow.
fn comparison(curve: &RocCurve) -> String {
    let finest = FPRS.iter().rev().find_map(|fpr| curve.at(*fpr).map(|p| (*fpr, p)));
    finest.map_or("too few non-members".into(), |(fpr, p)| format!("TPR {} at FPR {}", percent(p.tpr), percent(fpr)))
}

/// Points that a logarithmic plot can hold, by rising FPR.
fn drawn(curve: &RocCurve) -> Vec<RocPoint> {
    let Some(finest) = finest(curve) else { return vec![] };
    let fits =
        |p: &&RocPoint| p.fpr >= finest * (1.0 - 1e-9) && p.tpr > 0.0 && [p.fpr, p.tpr, p.lo, p.hi].iter().all(|v| (0.0..=1.0).contains(v));
    let mut points: Vec<RocPoint> = curve.points.iter().filter(fits).copied().collect();
    points.sort_by(|a, b| a.fpr.total_cmp(&b.fpr).then(a.tpr.total_cmp(&b.tpr)));
    points
}

/// The least FPR that can be told from none: one non-member.
fn finest(curve: &RocCurve) -> Option<f64> {
    curve.non_members.exact().filter(|n| *n > 1).map(|n| 1.0 / n as f64)
}

/// The points nearest to three even steps in log FPR.
fn marked(points: &[RocPoint], from: f64) -> Vec<RocPoint> {
    let near = |target: f64| points.iter().min_by(|a, b| (a.fpr.ln() - target).abs().total_cmp(&(b.fpr.ln() - target).abs())).copied();
    [0.75, 0.5, 0.25].iter().filter_map(|part| near(part * from.ln())).collect()
}

fn class(attacked: Attacked) -> &'static str {
    match attacked {
        Attacked::Release => "a thick",
        Attacked::Twin => "b dashed",
        Attacked::Overfit => "muted dotted thick",
    }
}

fn mark(attacked: Attacked, at: (f64, f64)) -> Markup {
    match attacked {
        Attacked::Release => svg::disc(at, 4.2, "dot a"),
        Attacked::Twin => svg::diamond(at, 5.0, "dot b open"),
        Attacked::Overfit => svg::square(at, 3.8, "dot c open"),
    }
}

/// Powers of ten from 1 down to `least`, as percentages.
fn decades(least: f64) -> Vec<(f64, String)> {
    (0..7).map(|i| 10_f64.powi(-i)).take_while(|v| *v >= least * (1.0 - 1e-9)).map(|v| (v, percent(v))).collect()
}

/// `4.1%`, `0.05%`: two figures.
pub(in super::super) fn percent(p: f64) -> String {
    if !p.is_finite() || p <= 0.0 {
        return if p == 0.0 { "0%".into() } else { number::fixed(p, 1) };
    }
    let digits = (1.0 - (100.0 * p).log10().floor()).clamp(0.0, 6.0) as usize;
    let text = number::fixed(100.0 * p, digits);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_is_that_of_randomised_response() {
        // ε = ln 3, δ = 0: the truth with probability 3/4 has TPR 3/4 at FPR 1/4, and nothing does better.
        let epsilon = 3_f64.ln();
        assert!((ceiling(0.25, epsilon, 0.0) - 0.75).abs() < 1e-12);
        for (fpr, most) in [(0.0, 0.0), (0.1, 0.3), (0.5, 5.0 / 6.0), (1.0, 1.0)] {
            assert!((ceiling(fpr, epsilon, 0.0) - most).abs() < 1e-12, "{fpr}");
        }
        assert!((ceiling(0.0, epsilon, 1e-5) - 1e-5).abs() < 1e-15, "δ is what an attack may find without accusing anybody");
        assert_eq!(ceiling(0.3, 0.0, 0.0), 0.3, "at ε = 0 only guessing is left");
    }

    #[test]
    fn percentages_keep_two_figures() {
        assert_eq!([1.0, 0.5, 0.0414, 0.0005, 0.0, 0.333].map(percent), ["100%", "50%", "4.1%", "0.05%", "0%", "33%"]);
    }

    #[test]
    fn one_to_nine_members_make_no_point() {
        let point = |fpr: f64, tpr: f64| RocPoint { fpr, tpr, lo: tpr / 2.0, hi: (2.0 * tpr).min(1.0) };
        let points = vec![point(0.001, 0.004), point(0.01, 0.01), point(0.1, 0.2), point(1.0, 1.0)];
        let label = "this release".to_owned();
        let curve = RocCurve { attacked: Attacked::Release, label, members: 1000.into(), non_members: 1000.into(), points };
        assert_eq!(curve.floor(), Some(0.01));
        assert_eq!(curve.at(0.01).map(|p| p.tpr), Some(0.01));
        assert_eq!(curve.at(0.001).map(|p| p.tpr), None, "one non-member is no rate");
        assert_eq!(drawn(&curve).len(), 4);
    }
}
