//! Two curves over ε with error bars, as one SVG: utility above, leakage below.

use super::{Point, Summary};
use std::fmt::Write;

const WIDTH: f64 = 640.0;
const PANEL: f64 = 200.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 40.0;
const GAP: f64 = 64.0;
/// Half the width of an error bar's ends.
const END: f64 = 4.0;

/// The picture of a sweep; `title` and `note` are plain text.
pub(crate) fn svg(title: &str, note: &str, points: &[Point]) -> String {
    let height = TOP + 2.0 * PANEL + GAP + 72.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n<title>{}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        escaped(title)
    );
    let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{}</text>", escaped(title));
    panel(&mut out, TOP, "test AUC", "#1b6ca8", points, |p| p.utility);
    panel(&mut out, TOP + PANEL + GAP, "AUC of the attack (0.5 is chance)", "#a8401b", points, |p| p.leakage);
    let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{}\" fill=\"#555\">{}</text>\n</svg>", height - 12.0, escaped(note));
    out
}

fn panel(out: &mut String, top: f64, label: &str, colour: &str, points: &[Point], of: impl Fn(&Point) -> Summary) {
    let bottom = top + PANEL;
    let (low, high) = range(points.iter().map(&of));
    let y = |value: f64| bottom - (value - low) / (high - low) * PANEL;
    let step = (WIDTH - LEFT - RIGHT) / points.len() as f64;
    let x = |index: usize| LEFT + (index as f64 + 0.5) * step;
    let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{}\">{label}</text>", top - 6.0);
    let _ = writeln!(
        out,
        "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{}\" height=\"{PANEL}\" fill=\"none\" stroke=\"#999\"/>",
        WIDTH - LEFT - RIGHT
    );
    for tick in 0..=4 {
        let value = low + (high - low) * f64::from(tick) / 4.0;
        let _ = writeln!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value:.3}</text>", LEFT - 6.0, y(value) + 4.0);
    }
    // The twin without a bound is no further point of the curve.
    let line: Vec<String> =
        points.iter().enumerate().filter(|(_, p)| p.epsilon.is_some()).map(|(i, p)| format!("{:.1},{:.1}", x(i), y(of(p).mean))).collect();
    let _ = writeln!(out, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\"/>", line.join(" "));
    for (index, point) in points.iter().enumerate() {
        let (s, x) = (of(point), x(index));
        let (upper, lower) = (y(s.mean + s.bar), y(s.mean - s.bar));
        let _ = writeln!(
            out,
            "<path d=\"M{x:.1} {upper:.1}V{lower:.1}M{:.1} {upper:.1}H{:.1}M{:.1} {lower:.1}H{:.1}\" stroke=\"{colour}\"/><circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
            x - END,
            x + END,
            x - END,
            x + END,
            y(s.mean)
        );
        let name = point.epsilon.map_or("no bound".to_owned(), |e| format!("ε = {e}"));
        let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>", bottom + 16.0);
    }
}

/// What holds every bar, with a little room; never empty.
fn range(all: impl Iterator<Item = Summary>) -> (f64, f64) {
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), s| (low.min(s.mean - s.bar), high.max(s.mean + s.bar)));
    let room = ((high - low) * 0.08).max(0.005);
    (low - room, high + room)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_and_its_bar_lie_within_their_panel() {
        let summary = |mean: f64, bar: f64| Summary { mean, sd: 0.0, bar };
        let points: Vec<Point> = [Some(0.1), Some(1.0), None]
            .into_iter()
            .zip([0.55, 0.8, 0.8])
            .map(|(epsilon, mean)| Point { epsilon, runs: 5, utility: summary(mean, 0.1), leakage: summary(0.5, 0.0) })
            .collect();
        let picture = svg("a < b & c", "note", &points);
        assert!(picture.contains("<title>a &lt; b &amp; c</title>") && picture.trim_end().ends_with("</svg>"));
        assert_eq!(picture.matches("<circle").count(), 6);
        assert_eq!(picture.matches("no bound").count(), 2);
        let heights = |panel: usize| -> Vec<f64> {
            picture
                .split("<circle ")
                .skip(1 + 3 * panel)
                .take(3)
                .map(|c| c.split("cy=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
                .collect()
        };
        let (above, below) = (heights(0), heights(1));
        assert!(above[0] > above[1] && above[1] == above[2], "higher is better: {above:?}");
        assert!(above.iter().all(|y| (TOP..=TOP + PANEL).contains(y)) && below.iter().all(|y| *y > TOP + PANEL + GAP), "{below:?}");
    }
}
