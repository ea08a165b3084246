//! The budget of removals: what earlier ones and this one took, and when the model must be retrained.

use super::super::answers::RemovalSection;
use super::super::number;
use super::scale::Linear;
use super::svg::{self, Anchor, WIDTH};
use maud::{Markup, html};

const LEFT: f64 = 14.0;
const RIGHT: f64 = 740.0;
const TOP: f64 = 44.0;
const BAR: f64 = 22.0;

/// The plot, where budget, spent and residual are numbers and the budget is not zero.
pub(in super::super) fn plot(removal: &RemovalSection, desc: &str) -> Option<Markup> {
    let finite = [removal.budget, removal.spent, removal.residual].iter().all(|v| v.is_finite() && *v >= 0.0);
    if !finite || removal.budget <= 0.0 {
        return None;
    }
    let x = Linear::new((0.0, 1.04 * removal.budget.max(removal.spent)), (LEFT, RIGHT));
    let earlier = (removal.spent - removal.residual).max(0.0);
    let (this, spent, budget) = (x.at(earlier), x.at(removal.spent), x.at(removal.budget));
    let bottom = TOP + BAR;
    let fits = removal.removals_left();
    let body = html! {
        (svg::rect((LEFT, TOP), (budget - LEFT, BAR), 2.0, "bar room"))
        (svg::rect((LEFT, TOP), (this - LEFT, BAR), 0.0, "bar earlier"))
        (svg::rect((this, TOP), ((spent - this).max(1.5), BAR), 0.0, "bar a"))
        (svg::line((budget, TOP - 12.0), (budget, bottom + 12.0), "line b thick"))
        (svg::text((budget, TOP - 20.0), Anchor::End, "strong b", &format!("retrain before {}", number::setting(removal.budget))))
        (svg::line((f64::midpoint(this, spent), bottom), (f64::midpoint(this, spent), bottom + 34.0), "leader"))
        @let (at, anchor) = if this > 300.0 { (spent, Anchor::End) } else { (this, Anchor::Start) };
        (svg::text((at, bottom + 48.0), anchor, "strong a", &format!("this removal: {}", figures(removal.residual))))
        (svg::text((at, bottom + 65.0), anchor, "muted small", &format!("spent with it: {} of {}", figures(removal.spent), number::setting(removal.budget))))
        @if budget - spent > 240.0 {
            (svg::text((f64::midpoint(spent, budget), TOP + 15.5), Anchor::Middle, "", &room(fits)))
        } @else {
            (svg::text((budget, bottom + 28.0), Anchor::End, "", &room(fits)))
        }
        @if this - LEFT > 60.0 { (svg::text((LEFT + 8.0, TOP + 15.5), Anchor::Start, "on-bar", "earlier")) }
        @for (value, label) in x.ticks(5) {
            (svg::line((x.at(value), bottom + 82.0), (x.at(value), bottom + 87.0), "axis"))
            (svg::text((x.at(value), bottom + 101.0), Anchor::Middle, "muted", &label))
        }
        (svg::line((LEFT, bottom + 82.0), (RIGHT, bottom + 82.0), "axis"))
        (svg::text((RIGHT, bottom + 122.0), Anchor::End, "muted", "sum of residual gradient norms →"))
    };
    Some(svg::frame("removal", "Budget of removals: spent, this one, left", desc, (WIDTH, bottom + 130.0), &body))
}

/// What still fits, in words.
pub(in super::super) fn room(fits: Option<u64>) -> String {
    match fits {
        None => "left".to_owned(),
        Some(0) => "no further removal like this one fits".to_owned(),
        Some(1) => "left: one more removal like this one".to_owned(),
        Some(n) => format!("left: {} more removals like this one", number::grouped(n)),
    }
}

/// Two figures, rounded up: what was spent is a bound.
pub(in super::super) fn figures(x: f64) -> String {
    if !x.is_finite() || x <= 0.0 {
        return number::fixed(x, 0);
    }
    let digits = (1.0 - x.log10().floor()).clamp(0.0, 12.0) as usize;
    number::at_most(x, digits)
}

#[cfg(test)]
mod tests {
    use super::super::super::attacks::ProvedUpper;
    use super::*;

    fn removal(budget: f64, spent: f64, residual: f64) -> RemovalSection {
        RemovalSection {
            model: "m".into(),
            method: "one Newton step".into(),
            bound: ProvedUpper { epsilon: 1.0, delta: 1e-4, covers: "the model after".into() },
            assumptions: vec![],
            budget,
            spent,
            residual,
            worst_case: None,
            removals: 1.into(),
            evidence: None,
        }
    }

    #[test]
    fn counts_what_still_fits() {
        // Guo et al. 2020, MNIST 3 against 8: σε/c = 10/4.3854, and 32.1 a removal in the worst case.
        let budget = 10.0 / 4.3854;
        assert_eq!(removal(budget, 32.1, 32.1).removals_left(), Some(0), "no removal fits the worst case");
        assert_eq!(removal(budget, 0.01, 0.01).removals_left(), Some(227));
        assert_eq!(removal(budget, 0.0, 0.0).removals_left(), None);
        assert_eq!([None, Some(0), Some(1), Some(1200)].map(room)[3], "left: 1,200 more removals like this one");
    }

    #[test]
    fn amounts_round_up() {
        assert_eq!([0.001_234, 0.2, 2.2802, 32.06].map(figures), ["0.0013", "0.20", "2.3", "33"]);
    }

    #[test]
    fn no_budget_is_no_plot() {
        assert!(plot(&removal(2.28, 0.1, 0.1), "").is_some());
        assert!(plot(&removal(2.28, 32.1, 32.1), "").is_some(), "an overspent budget is shown");
        assert!(plot(&removal(0.0, 0.0, 0.0), "").is_none());
        assert!(plot(&removal(f64::NAN, 0.1, 0.1), "").is_none());
    }
}
