//! The way of an erasure: from the unit to each store and each model, to what is left.

use super::super::answers::{ErasureSection, ModelDone};
use super::super::number;
use super::svg::{self, Anchor, WIDTH, n};
use maud::{Markup, html};

const ROW: f64 = 40.0;
const HEAD: f64 = 30.0;
const NODE: f64 = 8.0;
const FROM: f64 = 132.0;
const TO: f64 = 226.0;
const STATE: f64 = 490.0;

/// One line of the plot.
struct Row<'a> {
    name: &'a str,
    below: String,
    state: String,
    mark: Mark,
}

/// How a row ended, told apart by shape.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// Done and looked for again.
    Verified,
    /// Done.
    Done,
    /// Still there.
    Left,
}

/// The plot, where some store or model is listed.
pub(in super::super) fn plot(erasure: &ErasureSection, unit: &str, desc: &str) -> Option<Markup> {
    if erasure.stores.is_empty() && erasure.models.is_empty() {
        return None;
    }
    let groups = [("Stores", stores(erasure)), ("Models trained with it", models(erasure)), ("Left", left(erasure))];
    let groups: Vec<_> = groups.into_iter().filter(|(_, rows)| !rows.is_empty()).collect();
    let mut top = 4.0;
    let placed: Vec<f64> = groups
        .iter()
        .map(|(_, rows)| {
            let t = top;
            top += HEAD + ROW * rows.len() as f64 + 8.0;
            t
        })
        .collect();
    let height = top;
    let ends = groups
        .iter()
        .zip(&placed)
        .flat_map(|((_, rows), t)| rows.iter().enumerate().map(move |(i, r)| (r, t + HEAD + ROW * (i as f64 + 0.5))));
    let reached: Vec<(&Row<'_>, f64)> = ends.clone().collect();
    let middle = height / 2.0;
    let body = html! {
        @for (row, y) in &reached {
            (svg::path(&thread(middle, *y), if row.mark == Mark::Left { "thread out" } else { "thread" }))
        }
        (svg::rect((FROM - NODE, middle - 26.0), (NODE, 52.0), 0.0, "node in"))
        (svg::text((FROM - NODE - 10.0, middle - 4.0), Anchor::End, "strong", "The erased"))
        (svg::text((FROM - NODE - 10.0, middle + 13.0), Anchor::End, "strong", &svg::shortened(unit, 18)))
        @for ((head, _), t) in groups.iter().zip(&placed) {
            (svg::text((TO + 16.0, t + 18.0), Anchor::Start, "muted", head))
        }
        @for (row, y) in &reached {
            (mark(row.mark, (TO, *y)))
            (svg::text((TO + 16.0, y - 2.0), Anchor::Start, "strong", &svg::shortened(row.name, 36)))
            (svg::text((TO + 16.0, y + 14.0), Anchor::Start, "muted small", &svg::shortened(&row.below, 84)))
            (svg::text((STATE, y - 2.0), Anchor::Start, "", &svg::shortened(&row.state, 42)))
        }
    };
    Some(svg::frame("erased", "The erased unit: stores, models, and what is left", desc, (WIDTH, height), &body))
}

fn stores(erasure: &ErasureSection) -> Vec<Row<'_>> {
    let row = |s: &'_ super::super::answers::Store| {
        if s.verified_absent {
            ("removed; looked for again: absent", Mark::Verified)
        } else {
            ("removed; not looked for again", Mark::Done)
        }
    };
    erasure
        .stores
        .iter()
        .map(|s| Row { name: &s.name, below: format!("{} rows or entries", s.removed), state: row(s).0.into(), mark: row(s).1 })
        .collect()
}

fn models(erasure: &ErasureSection) -> Vec<Row<'_>> {
    erasure
        .models
        .iter()
        .map(|m| {
            let mark = if m.done == ModelDone::Kept { Mark::Left } else { Mark::Done };
            Row { name: &m.name, below: m.method.clone(), state: done(m.done, m.successor.as_deref()), mark }
        })
        .collect()
}

fn left(erasure: &ErasureSection) -> Vec<Row<'_>> {
    erasure.left.iter().map(|l| Row { name: &l.what, below: l.why.clone(), state: String::new(), mark: Mark::Left }).collect()
}

/// What was done to a model, in words.
pub(in super::super) fn done(done: ModelDone, successor: Option<&str>) -> String {
    let by = successor.map_or_else(String::new, |s| format!(" → {s}"));
    match done {
        ModelDone::Retrained => format!("recalled; retrained without{by}"),
        ModelDone::Removed => format!("removed within a bound{by}"),
        ModelDone::Recalled => format!("recalled{by}"),
        ModelDone::Kept => "kept".to_owned(),
    }
}

fn mark(mark: Mark, at: (f64, f64)) -> Markup {
    match mark {
        Mark::Verified => {
            html! { (svg::disc(at, 6.5, "dot a")) (svg::path(&format!("M{} {}l2.4 2.6 4-5", n(at.0 - 3.2), n(at.1 + 0.2)), "tick")) }
        }
        Mark::Done => svg::disc(at, 6.0, "dot a open"),
        Mark::Left => svg::square(at, 5.2, "dot b open"),
    }
}

/// A line that leaves and arrives level.
fn thread(from: f64, to: f64) -> String {
    let middle = f64::midpoint(FROM, TO - 10.0);
    format!("M{l} {a}C{m} {a} {m} {b} {r} {b}", l = n(FROM), r = n(TO - 8.0), m = n(middle), a = n(from), b = n(to))
}

/// `3 stores, all looked through again; 1 model retrained; 2 things left`.
pub(in super::super) fn in_words(erasure: &ErasureSection) -> String {
    let some =
        |n: usize, one: &str, many: &str| if n == 1 { format!("one {one}") } else { format!("{} {many}", number::grouped(n as u64)) };
    let verified = erasure.stores.iter().filter(|s| s.verified_absent).count();
    let again = if verified == erasure.stores.len() { "each".to_owned() } else { format!("{verified} of them") };
    format!(
        "{}, {again} looked through again and the unit not found; {} trained with it; {} left",
        some(erasure.stores.len(), "store", "stores"),
        some(erasure.models.len(), "model", "models"),
        some(erasure.left.len(), "thing", "things"),
    )
}
