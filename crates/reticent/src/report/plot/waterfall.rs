//! A waterfall: from an average to one score, a bar for each step between them. It takes plain numbers.

use super::scale::Linear;
use super::svg::{self, Anchor, WIDTH};
use maud::{Markup, html};

const LEFT: f64 = 230.0;
const RIGHT: f64 = 660.0;
const TOP: f64 = 30.0;
const ROW: f64 = 26.0;
const BAR: f64 = 16.0;

/// The plot of `start` + Σ steps = end, in the order given; `words` writes a change, `level` a whole score. `id` is unique on the page.
pub(in super::super) fn plot(
    id: &str,
    (title, desc): (&str, &str),
    start: (&str, f64),
    steps: &[(String, f64)],
    end: &str,
    words: impl Fn(f64) -> String,
    level: impl Fn(f64) -> String,
) -> Option<Markup> {
    let mut at = start.1;
    let bars: Vec<(f64, f64)> = steps
        .iter()
        .map(|(_, change)| {
            let from = at;
            at += change;
            (from, at)
        })
        .collect();
    let last = at;
    let values = bars.iter().flat_map(|&(a, b)| [a, b]).chain([start.1]);
    if values.clone().any(|v| !v.is_finite()) {
        return None;
    }
    let x = Linear::around(values, (LEFT, RIGHT))?;
    let y = |row: usize| TOP + ROW * (row as f64 + 0.5);
    let bottom = TOP + ROW * (steps.len() as f64 + 2.0);
    let body = html! {
        @for (value, _) in x.ticks(5) {
            (svg::line((x.at(value), TOP - 6.0), (x.at(value), bottom), "grid"))
            (svg::text((x.at(value), TOP - 12.0), Anchor::Middle, "muted small", &level(value)))
        }
        (svg::text((0.0, y(0) + 4.0), Anchor::Start, "muted", start.0))
        (svg::disc((x.at(start.1), y(0)), 4.2, "dot a"))
        (svg::text((WIDTH, y(0) + 4.0), Anchor::End, "num", &level(start.1)))
        @for (row, ((label, change), (from, to))) in steps.iter().zip(&bars).enumerate() {
            @let middle = y(row + 1);
            @let class = if *change < 0.0 { "node out" } else { "bar a" };
            (svg::line((x.at(*from), middle - ROW), (x.at(*from), middle), "leader"))
            (svg::text((0.0, middle + 4.0), Anchor::Start, "", &svg::shortened(label, 30)))
            (svg::rect((x.at(from.min(*to)), middle - BAR / 2.0), ((x.at(*to) - x.at(*from)).abs().max(1.0), BAR), 2.0, class))
            (svg::text((WIDTH, middle + 4.0), Anchor::End, "num", &words(*change)))
        }
        @let row = steps.len() + 1;
        (svg::line((x.at(last), y(row) - ROW), (x.at(last), y(row)), "leader"))
        (svg::text((0.0, y(row) + 4.0), Anchor::Start, "strong", end))
        (svg::disc((x.at(last), y(row)), 4.2, "dot a"))
        (svg::text((WIDTH, y(row) + 4.0), Anchor::End, "strong num", &level(last)))
    };
    Some(svg::frame(id, title, desc, (WIDTH, bottom + 8.0), &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(steps: &[(String, f64)]) -> Option<String> {
        let plain = |v: f64| format!("{v:.3}");
        plot("w", ("title", "desc"), ("average", 0.25), steps, "score", plain, plain).map(Markup::into_string)
    }

    #[test]
    fn steps_end_where_the_score_is() {
        let svg = drawn(&[("a = 1".into(), 0.5), ("b <2>".into(), -0.125)]).unwrap();
        assert!(svg.contains(">0.250<") && svg.contains(">0.625<"), "{svg}");
        assert!(svg.contains("b &lt;2&gt;") && svg.contains(">-0.125<"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 2);
    }

    #[test]
    fn nothing_is_drawn_of_what_is_no_number() {
        assert!(drawn(&[("a".into(), f64::NAN)]).is_none());
    }
}
