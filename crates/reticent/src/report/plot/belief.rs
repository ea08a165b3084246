//! From prior to posterior: how far one look at the releases can move a belief that a unit was in the data.
//!
//! Under ε the odds grow at most by e^ε, so a prior p becomes at most p / (p + (1 − p) e^(−ε)). δ is left aside here: it
//! is what remains uncovered, and the page says so.

use super::super::number;
use super::scale::Linear;
use super::svg::{self, Anchor};
use maud::{Markup, html};

/// ε of the curves drawn for comparison.
pub(in super::super) const REFERENCES: [f64; 3] = [0.1, 1.0, 10.0];

const SIZE: f64 = 420.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 404.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 368.0;

/// The largest posterior that a prior can reach under ε.
pub(in super::super) fn posterior(prior: f64, epsilon: f64) -> f64 {
    if prior <= 0.0 {
        return 0.0;
    }
    prior / (prior + (1.0 - prior) * (-epsilon).exp())
}

/// The plot, for a finite ε.
pub(in super::super) fn plot(epsilon: f64, desc: &str) -> Option<Markup> {
    if !epsilon.is_finite() || epsilon < 0.0 {
        return None;
    }
    let x = Linear::new((0.0, 1.0), (LEFT, RIGHT));
    let y = Linear::new((0.0, 1.0), (BOTTOM, TOP));
    // Even steps in log-odds, around the diagonal: near p = 0 the curve of a large ε is steep.
    let points = |epsilon: f64| {
        let logits = (-240..=240).map(move |i: i32| 12.0 * f64::from(i) / 240.0 - epsilon / 2.0);
        let priors = logits.map(|logit| 1.0 / (1.0 + (-logit).exp()));
        [0.0].into_iter().chain(priors).chain([1.0]).map(move |p| (x.at(p), y.at(posterior(p, epsilon))))
    };
    // Where a curve is farthest from the diagonal.
    let apex = |epsilon: f64| {
        let p = 1.0 / (1.0 + (epsilon / 2.0).exp());
        (x.at(p), y.at(1.0 - p))
    };
    let apart = |reference: &f64| (apex(*reference).0 - apex(epsilon).0).abs() > 14.0;
    let half = posterior(0.5, epsilon);
    let body = html! {
        @for (value, label) in [(0.0, "0%"), (0.25, "25%"), (0.5, "50%"), (0.75, "75%"), (1.0, "100%")] {
            (svg::line((x.at(value), TOP), (x.at(value), BOTTOM), "grid"))
            (svg::line((LEFT, y.at(value)), (RIGHT, y.at(value)), "grid"))
            (svg::text((x.at(value), BOTTOM + 19.0), if value == 1.0 { Anchor::End } else { Anchor::Middle }, "muted", label))
            (svg::text((LEFT - 9.0, y.at(value) + 4.0), Anchor::End, "muted", label))
        }
        (svg::text((0.0, 12.0), Anchor::Start, "muted", "belief after, at most"))
        (svg::text((RIGHT, BOTTOM + 40.0), Anchor::End, "muted", "belief before →"))
        (svg::line((x.at(0.0), y.at(0.0)), (x.at(1.0), y.at(1.0)), "leader"))
        @for reference in REFERENCES.iter().filter(|r| apart(r)) {
            (svg::curve(points(*reference), "line muted"))
        }
        (svg::curve(points(epsilon), "line a thick"))
        @for reference in REFERENCES.iter().filter(|r| apart(r)) {
            @let p = match *reference { r if r < 0.5 => 0.7, r if r < 5.0 => 0.25, _ => 0.0067 };
            @let (px, py) = (x.at(p), y.at(posterior(p, *reference)));
            (svg::text((px + 10.0, py + 17.0), Anchor::Start, "muted halo", &format!("ε = {}", number::setting(*reference))))
        }
        (svg::line((x.at(0.5), y.at(0.0)), (x.at(0.5), y.at(half)), "leader a"))
        (svg::line((x.at(0.5), y.at(half)), (x.at(0.0), y.at(half)), "leader a"))
        (svg::disc((x.at(0.5), y.at(half)), 4.5, "dot a"))
        (svg::text((x.at(0.5) + 10.0, y.at(0.2)), Anchor::Start, "strong a halo", &format!("this release, ε ≤ {}", number::at_most(epsilon, 3))))
        (svg::text((x.at(0.5) + 10.0, y.at(0.2) + 17.0), Anchor::Start, "muted halo", &format!("50% becomes ≤ {}", number::percent_at_most(half))))
    };
    Some(svg::frame("belief", "From prior to posterior belief that a unit was in the data", desc, (SIZE, SIZE), &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_grow_by_e_to_the_epsilon() {
        assert_eq!(number::percent_at_most(posterior(0.5, 2.0)), "88.1%");
        assert_eq!([posterior(0.0, 2.0), posterior(1.0, 2.0), posterior(0.3, 0.0)], [0.0, 1.0, 0.3]);
        let odds = |p: f64| p / (1.0 - p);
        let moved = odds(posterior(0.2, 1.5)) / odds(0.2);
        assert!((moved - 1.5_f64.exp()).abs() < 1e-9);
    }

    #[test]
    fn an_unbounded_epsilon_has_no_curve() {
        assert!(plot(f64::INFINITY, "").is_none());
        assert!(plot(f64::NAN, "").is_none());
    }
}
