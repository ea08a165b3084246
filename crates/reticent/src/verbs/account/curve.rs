//! `account curve`: the trade-off between false and true positives that bounds every attacker.

use super::NEIGHBOURS;
use crate::failure::Failure;
use crate::output::Answer;
use reticent_accounting::{Event, pld};
use serde_json::json;
use std::path::Path;

/// Marks on each axis of the terminal plot.
const COLUMNS: usize = 60;
const ROWS: usize = 16;
/// The lowest rate drawn: 10^-LOWEST.
const LOWEST: f64 = 6.0;

pub(super) fn run(event: &Event, out: Option<&Path>) -> Result<Answer, Failure> {
    let rates: Vec<f64> = (0..COLUMNS).map(|i| 10_f64.powf(-LOWEST * (1.0 - i as f64 / (COLUMNS - 1) as f64))).collect();
    let bounds = pld::trade_off(event, &rates)?;
    if let Some(out) = out {
        std::fs::write(out, svg(event, &rates, &bounds)).map_err(|e| Failure::usage(format!("cannot write {}: {e}", out.display())))?;
    }
    let mut text = format!("the most true positives that any attacker on {event} can reach\n\n");
    text += &drawn(&bounds);
    text += "\n  false positives   true positives at most\n";
    for (&rate, &bound) in rates.iter().zip(&bounds).step_by((COLUMNS - 1) / 6).rev() {
        text += &format!("  {rate:>15.1e}   {:.6}\n", (bound * 1e6).ceil() / 1e6);
    }
    text += "  neighbours: add or remove one unit; the attacker sees all that was released and knows all but whether the unit is in\n";
    let points: Vec<_> = rates.iter().zip(&bounds).map(|(f, t)| json!({ "fpr": f, "tpr_at_most": t })).collect();
    Ok(Answer::new(text, json!({ "curve": points, "accountant": "pld", "neighbours": NEIGHBOURS, "event": event })))
}

/// Where a rate lies on a logarithmic axis, 0 to 1.
fn position(rate: f64) -> f64 {
    (1.0 + rate.max(1e-300).log10() / LOWEST).clamp(0.0, 1.0)
}

/// Both axes logarithmic; `·` is a coin tossed without looking.
fn drawn(bounds: &[f64]) -> String {
    let mut rows = vec![vec![' '; bounds.len()]; ROWS];
    let row = |part: f64| ROWS - 1 - (part * (ROWS - 1) as f64).round() as usize;
    for (column, &bound) in bounds.iter().enumerate() {
        rows[row(column as f64 / (bounds.len() - 1) as f64)][column] = '·';
        rows[row(position(bound))][column] = '•';
    }
    let mut text = String::new();
    for (i, line) in rows.iter().enumerate() {
        let label = if i == 0 {
            "1"
        } else if i == ROWS - 1 {
            "1e-6"
        } else {
            ""
        };
        text += format!("  {label:>5} │{}", line.iter().collect::<String>()).trim_end();
        text.push('\n');
    }
    text += &format!("        └{}\n         1e-6{:>width$}\n", "─".repeat(bounds.len()), "1", width = bounds.len() - 4);
    text
}

/// The same as a picture of its own, without scripts or fonts.
fn svg(event: &Event, rates: &[f64], bounds: &[f64]) -> String {
    let (left, right, top, bottom) = (64.0, 460.0, 24.0, 420.0);
    let x = |rate: f64| left + (right - left) * position(rate);
    let y = |rate: f64| bottom - (bottom - top) * position(rate);
    let line = |points: &mut dyn Iterator<Item = (f64, f64)>| {
        points.map(|(f, t)| format!("{:.1},{:.1}", x(f), y(t))).collect::<Vec<_>>().join(" ")
    };
    let mut body = String::new();
    for decade in 0..=LOWEST as i32 {
        let rate = 10_f64.powi(-decade);
        let label = if decade == 0 { "1".into() } else { format!("1e-{decade}") };
        body += &format!("<path d=\"M{:.1} {top}V{bottom}M{left} {:.1}H{right}\" stroke=\"#ddd\"/>\n", x(rate), y(rate));
        body += &format!("<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>\n", x(rate), bottom + 18.0);
        body += &format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>\n", left - 8.0, y(rate) + 4.0);
    }
    let chance = line(&mut rates.iter().map(|&f| (f, f)));
    let most = line(&mut rates.iter().copied().zip(bounds.iter().copied()));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 480 470\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>The most true positives any attacker can reach</title>\n<desc>{event}; neighbours: add or remove one unit</desc>\n\
         <rect width=\"480\" height=\"470\" fill=\"#fff\"/>\n{body}\
         <polyline points=\"{chance}\" fill=\"none\" stroke=\"#888\" stroke-dasharray=\"4 4\"/>\n\
         <polyline points=\"{most}\" fill=\"none\" stroke=\"#0b5cad\" stroke-width=\"2\"/>\n\
         <text x=\"262\" y=\"{}\" text-anchor=\"middle\">false-positive rate</text>\n\
         <text x=\"64\" y=\"14\">true-positive rate, at most</text>\n</svg>\n",
        bottom + 40.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plot_has_its_corners() {
        let bounds: Vec<f64> = (0..COLUMNS).map(|i| 10_f64.powf(-LOWEST * (1.0 - i as f64 / (COLUMNS - 1) as f64))).collect();
        let plot = drawn(&bounds);
        let lines: Vec<&str> = plot.lines().collect();
        assert_eq!(lines.len(), ROWS + 2);
        // Chance itself: the bound covers it, from the lower left to the upper right.
        assert!(lines[0].ends_with('•') && lines[ROWS - 1].contains("1e-6 │•"), "{plot}");
        let picture = svg(&Event::None, &bounds, &bounds);
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n") && !picture.contains("NaN"), "{picture}");
    }
}
