//! The frame of a plot and the few marks they all use. Coordinates are CSS pixels at the plot's natural width.

use maud::{Markup, html};

/// Natural width of a full plot: that of the text column.
pub(super) const WIDTH: f64 = 760.0;

/// A plot with its accessible name and description. `id` is unique on the page.
pub(super) fn frame(id: &str, title: &str, desc: &str, (width, height): (f64, f64), body: &Markup) -> Markup {
    let labels = format!("{id}-title {id}-desc");
    html! {
        svg.plot role="img" aria-labelledby=(labels) viewBox=(format!("0 0 {} {}", n(width), n(height)))
            style=(format!("max-width:{}px", n(width))) {
            title id=(format!("{id}-title")) { (title) }
            desc id=(format!("{id}-desc")) { (desc) }
            (body)
        }
    }
}

/// Where a text sits relative to its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    /// The text starts there.
    Start,
    /// It is centred there.
    Middle,
    /// It ends there.
    End,
}

/// One line of text; `class` picks its tone: `strong`, `muted`, `a` (release), `b` (twin).
pub(super) fn text((x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) -> Markup {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    html! { text class=(class) x=(n(x)) y=(n(y)) text-anchor=(anchor) { (text) } }
}

/// A straight line.
pub(super) fn line((x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) -> Markup {
    html! { line class=(class) x1=(n(x1)) y1=(n(y1)) x2=(n(x2)) y2=(n(y2)) {} }
}

/// A rectangle; negative sizes are drawn as nothing.
pub(super) fn rect((x, y): (f64, f64), (width, height): (f64, f64), radius: f64, class: &str) -> Markup {
    html! { rect class=(class) x=(n(x)) y=(n(y)) width=(n(width.max(0.0))) height=(n(height.max(0.0))) rx=(n(radius)) {} }
}

/// A path from SVG path data.
pub(super) fn path(data: &str, class: &str) -> Markup {
    html! { path class=(class) d=(data) {} }
}

/// A polyline through the points.
pub(super) fn curve(points: impl IntoIterator<Item = (f64, f64)>, class: &str) -> Markup {
    let points: Vec<String> = points.into_iter().map(|(x, y)| format!("{} {}", n(x), n(y))).collect();
    path(&format!("M{}", points.join("L")), class)
}

/// The mark of the release: a filled disc.
pub(super) fn disc((x, y): (f64, f64), radius: f64, class: &str) -> Markup {
    html! { circle class=(class) cx=(n(x)) cy=(n(y)) r=(n(radius)) {} }
}

/// The mark of the twin: a hollow diamond, told from the disc without colour.
pub(super) fn diamond((x, y): (f64, f64), radius: f64, class: &str) -> Markup {
    let (left, right, top, bottom) = (n(x - radius), n(x + radius), n(y - radius), n(y + radius));
    path(&format!("M{left} {y}L{x} {top}L{right} {y}L{x} {bottom}Z", x = n(x), y = n(y)), class)
}

/// The mark of a third thing: a hollow square, told from disc and diamond without colour.
pub(super) fn square((x, y): (f64, f64), radius: f64, class: &str) -> Markup {
    rect((x - radius, y - radius), (2.0 * radius, 2.0 * radius), 0.0, class)
}

/// A closed area within the points.
pub(super) fn area(points: impl IntoIterator<Item = (f64, f64)>, class: &str) -> Markup {
    let points: Vec<String> = points.into_iter().map(|(x, y)| format!("{} {}", n(x), n(y))).collect();
    path(&format!("M{}Z", points.join("L")), class)
}

/// A coordinate with at most one decimal.
pub(super) fn n(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// The text cut to `max` characters, with an ellipsis where it was longer. The full text stands in the table.
pub(super) fn shortened(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let cut: String = text.chars().take(max.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// Moves labels apart, keeping their order, until neighbours are `gap` away from each other.
pub(super) fn spread(positions: &mut [f64], gap: f64) {
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by(|&a, &b| positions[a].total_cmp(&positions[b]));
    for _ in 0..50 {
        for pair in order.windows(2) {
            let overlap = gap - (positions[pair[1]] - positions[pair[0]]);
            if overlap > 0.0 {
                positions[pair[0]] -= overlap / 2.0;
                positions[pair[1]] += overlap / 2.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_move_apart() {
        let mut positions = [10.0, 12.0, 60.0];
        spread(&mut positions, 14.0);
        assert_eq!(positions, [4.0, 18.0, 60.0]);
    }

    #[test]
    fn long_labels_are_cut() {
        assert_eq!(shortened("consent withdrawn", 20), "consent withdrawn");
        assert_eq!(shortened("consent withdrawn", 9), "consent…");
    }
}
