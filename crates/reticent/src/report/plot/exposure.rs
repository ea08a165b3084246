//! Exposure of planted secrets by how often each was repeated within one unit.
//!
//! Exposure in bits is log2 of the candidates less log2 of the secret's rank among them (Carlini et al. 2019, Definition 4).
//! For a secret that the model never saw, the chance of an exposure of t or more is 2^(−t): 95% lie below log2(20) = 4.32.

use super::super::attacks::{ExposurePoint, ExposureSeries, TextSection, TextTraining};
use super::super::number;
use super::scale::{Linear, Log};
use super::svg::{self, Anchor, WIDTH};
use maud::{Markup, html};

const HEIGHT: f64 = 372.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 540.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 318.0;

/// What 95% of secrets that no model saw stay below, in bits, one secret at a time: log2(20).
pub(in super::super) const NULL_95: f64 = 4.321_928_094_887_363;

/// The plot, where some series has a point.
pub(in super::super) fn plot(text: &TextSection, desc: &str) -> Option<Markup> {
    let most = text.most();
    let fits = |p: &&ExposurePoint| p.repeats > 0 && p.exposure.is_finite();
    let mut series: Vec<(&ExposureSeries, Vec<ExposurePoint>)> =
        text.series.iter().map(|s| (s, s.points.iter().filter(fits).copied().collect())).collect();
    series.retain(|(_, points): &(_, Vec<ExposurePoint>)| !points.is_empty());
    series.sort_by_key(|(s, _)| s.training);
    let mut repeats: Vec<u64> = series.iter().flat_map(|(_, points)| points.iter().map(|p| p.repeats)).collect();
    repeats.sort_unstable();
    repeats.dedup();
    let x = Log::around(repeats.iter().map(|r| *r as f64), (LEFT, RIGHT))?;
    let y = Linear::new((0.0, 1.06 * Some(most).filter(|m| m.is_finite() && *m > 0.0)?), (BOTTOM, TOP));
    let bits = |b: f64| y.at(b.clamp(0.0, most));
    let mut labels: Vec<f64> = series.iter().filter_map(|(_, points)| points.last()).map(|p| bits(p.exposure)).collect();
    svg::spread(&mut labels, 44.0);

    let body = html! {
        @for (value, label) in y.ticks(5) {
            (svg::line((LEFT, y.at(value)), (RIGHT, y.at(value)), "grid"))
            (svg::text((LEFT - 9.0, y.at(value) + 4.0), Anchor::End, "muted", &label))
        }
        (svg::rect((LEFT, bits(NULL_95)), (RIGHT - LEFT, BOTTOM - bits(NULL_95)), 0.0, "by-chance"))
        (svg::text((RIGHT - 6.0, bits(NULL_95) - 6.0), Anchor::End, "muted small halo", "below: 95% of secrets never seen"))
        (svg::line((LEFT, bits(most)), (RIGHT, bits(most)), "line muted dashed"))
        (svg::text((LEFT + 8.0, bits(most) - 13.0), Anchor::Start, "muted small", &format!("most there can be: {} bits, the first guess is right", number::fixed(most, 1))))
        (svg::line((LEFT, BOTTOM), (RIGHT, BOTTOM), "axis"))
        @for r in &repeats {
            @let at = x.at(*r as f64);
            (svg::line((at, BOTTOM), (at, BOTTOM + 5.0), "axis"))
            (svg::text((at, BOTTOM + 20.0), Anchor::Middle, "muted", &number::grouped(*r)))
        }
        (svg::text((0.0, 14.0), Anchor::Start, "muted", "exposure, bits"))
        (svg::text((RIGHT, BOTTOM + 42.0), Anchor::End, "muted", "repeats of a secret within one unit, log scale →"))
        @for (i, (s, points)) in series.iter().enumerate() {
            @let aside = 6.0 * i as f64 - 3.0 * (series.len() - 1) as f64;
            (svg::curve(points.iter().map(|p| (x.at(p.repeats as f64) + aside, bits(p.exposure))), &format!("line {}", class(s.training))))
            @for p in points {
                @let at = (x.at(p.repeats as f64) + aside, bits(p.exposure));
                @if let (Some(lo), Some(hi)) = (p.lo.filter(|v| v.is_finite()), p.hi.filter(|v| v.is_finite())) {
                    (svg::line((at.0, bits(lo)), (at.0, bits(hi)), &format!("whisker {}", tone(s.training))))
                }
                @if p.extracted > 0 { (svg::disc(at, 10.0, "ring")) }
                (mark(s.training, at))
            }
        }
        @for ((s, points), at) in series.iter().zip(&labels) {
            (svg::text((RIGHT + 12.0, at - 1.0), Anchor::Start, &format!("strong {}", tone(s.training)), &svg::shortened(&s.label, 28)))
            @let best = points.iter().map(|p| p.exposure).fold(f64::NEG_INFINITY, f64::max);
            (svg::text((RIGHT + 12.0, at + 15.0), Anchor::Start, "muted small", &format!("up to {} bits on average", number::fixed(best, 1))))
        }
        @if series.iter().any(|(_, points)| points.iter().any(|p| p.extracted > 0)) {
            (svg::disc((RIGHT - 190.0, 10.0), 8.0, "ring"))
            (svg::text((RIGHT - 176.0, 14.0), Anchor::Start, "muted", "ringed: written out word for word"))
        }
    };
    Some(svg::frame("exposure", "Exposure of planted secrets by repeats", desc, (WIDTH, HEIGHT), &body))
}

fn class(training: TextTraining) -> &'static str {
    match training {
        TextTraining::WithNoise => "a thick",
        TextTraining::WithoutNoise => "b dashed",
        TextTraining::Redacted => "muted dotted thick",
    }
}

fn tone(training: TextTraining) -> &'static str {
    match training {
        TextTraining::WithNoise => "a",
        TextTraining::WithoutNoise => "b",
        TextTraining::Redacted => "muted",
    }
}

fn mark(training: TextTraining, at: (f64, f64)) -> Markup {
    match training {
        TextTraining::WithNoise => svg::disc(at, 4.4, "dot a"),
        TextTraining::WithoutNoise => svg::diamond(at, 5.2, "dot b open"),
        TextTraining::Redacted => svg::square(at, 4.0, "dot c open"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_twenty_unseen_secrets_lies_above_the_band() {
        assert!((2_f64.powf(-NULL_95) - 0.05).abs() < 1e-12);
    }

    #[test]
    fn nothing_to_draw_is_no_plot() {
        let text = |candidates: f64, repeats: &[u64]| TextSection {
            what: String::new(),
            form: String::new(),
            candidates,
            series: vec![ExposureSeries {
                training: TextTraining::WithNoise,
                label: "with noise".into(),
                proved: None,
                points: repeats
                    .iter()
                    .map(|r| ExposurePoint { repeats: *r, exposure: 1.0, lo: None, hi: None, planted: 10, extracted: 0 })
                    .collect(),
                quality: None,
            }],
            rests: vec![],
            completions: vec![],
            evidence: None,
        };
        assert!(plot(&text(1e6, &[1, 2, 4]), "").is_some());
        assert!(plot(&text(1e6, &[]), "").is_none());
        assert!(plot(&text(1e6, &[0]), "").is_none(), "a logarithmic axis has no zero");
        assert!(plot(&text(f64::NAN, &[1]), "").is_none());
        assert!(plot(&text(1.0, &[1]), "").is_none(), "one candidate is no secret");
    }
}
