//! Records from import to training: one ribbon per way out, as thick as the records that took it.

use super::super::{Count, Flow};
use super::svg::{self, Anchor, WIDTH, n};
use maud::{Markup, html};

const HEIGHT: f64 = 250.0;
const TOP: f64 = 4.0;
const NODE: f64 = 10.0;
const LEFT: f64 = 140.0;
const RIGHT: f64 = 400.0;
/// Room for the two lines of a label.
const ROW: f64 = 44.0;

/// The plot, where the number of imported records is known and not zero.
pub(in super::super) fn plot(flow: &Flow, desc: &str) -> Option<Markup> {
    let imported = flow.imported.records.exact().filter(|records| *records > 0)? as f64;
    let hidden = hidden_thickness(flow);
    let thickness = |records: Count| {
        let records = records.exact().map_or(if records.is_few() { 5.0 } else { hidden }, |records| records as f64);
        if records > 0.0 { (HEIGHT * records / imported).max(1.5) } else { 0.0 }
    };
    let amount = |records: Count, units: Count| format!("{records} records · {units} units");

    let trained = thickness(flow.trained.records);
    let mut ends = Vec::new();
    let (mut from, mut to) = (TOP, TOP);
    let mut ends_push = |label: &str, count: String, thickness: f64, class: &'static str| {
        let room = thickness.max(ROW - 12.0);
        ends.push((label.to_owned(), count, from, to + (room - thickness) / 2.0, thickness, class));
        from += thickness;
        to += room + 12.0;
    };
    ends_push("Trained on", amount(flow.trained.records, flow.trained.units), trained, "kept");
    for step in &flow.steps {
        ends_push(&step.label, amount(step.records, step.units), thickness(step.records), "out");
    }
    let height = (to + 2.0).max(from + 10.0);
    let drawn = from - TOP;
    let middle = TOP + drawn / 2.0;

    let body = html! {
        @for (label, count, from, to, thickness, class) in &ends {
            (svg::path(&ribbon(*from, *to, *thickness), &format!("ribbon {class}")))
            (svg::rect((RIGHT, *to), (NODE, *thickness), 0.0, &format!("node {class}")))
            (svg::text((RIGHT + NODE + 12.0, to + thickness / 2.0 - 3.0), Anchor::Start, if *class == "kept" { "strong a" } else { "strong" }, &svg::shortened(label, 42)))
            (svg::text((RIGHT + NODE + 12.0, to + thickness / 2.0 + 14.0), Anchor::Start, "muted", count))
        }
        (svg::rect((LEFT - NODE, TOP), (NODE, drawn), 0.0, "node in"))
        (svg::text((LEFT - NODE - 12.0, middle - 12.0), Anchor::End, "strong", "Imported"))
        (svg::text((LEFT - NODE - 12.0, middle + 5.0), Anchor::End, "muted", &format!("{} records", flow.imported.records)))
        (svg::text((LEFT - NODE - 12.0, middle + 22.0), Anchor::End, "muted", &format!("{} units", flow.imported.units)))
    };
    Some(svg::frame("flow", "Flow of records from import to training", desc, (WIDTH, height), &body))
}

/// What a withheld count is drawn with: an equal share of the records that no visible count explains.
fn hidden_thickness(flow: &Flow) -> f64 {
    let visible: u64 = flow.steps.iter().filter_map(|s| s.records.exact()).sum();
    let explained = visible + flow.trained.records.exact().unwrap_or(0);
    let left = flow.imported.records.exact().unwrap_or(0).saturating_sub(explained) as f64;
    let hidden = flow.steps.iter().filter(|s| s.records.exact().is_none());
    let few = hidden.clone().filter(|s| s.records.is_few()).count() as f64;
    let withheld = hidden.count() as f64 - few;
    ((left - 5.0 * few) / withheld.max(1.0)).max(10.0)
}

/// A band of even thickness that leaves and arrives level.
fn ribbon(from: f64, to: f64, thickness: f64) -> String {
    let middle = f64::midpoint(LEFT, RIGHT);
    format!(
        "M{l} {a}C{m} {a} {m} {b} {r} {b}L{r} {c}C{m} {c} {m} {d} {l} {d}Z",
        l = n(LEFT),
        r = n(RIGHT),
        m = n(middle),
        a = n(from),
        b = n(to),
        c = n(to + thickness),
        d = n(from + thickness),
    )
}
