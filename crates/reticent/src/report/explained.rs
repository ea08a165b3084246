//! The page of an explanation, for the person it is about: reasons, waterfall, what would change the class, and what none of it says.

use super::plot::waterfall;
use super::sheet::Sheet;
use maud::{Markup, html};
use reticent_explain::{Explanation, LocalFit, Scale, Searched};

/// One explained row.
pub(crate) struct Explained {
    /// Its number in the file, or among the stored rows of its unit.
    pub(crate) row: usize,
    /// Why it was scored so.
    pub(crate) explanation: Explanation,
}

impl Explained {
    /// Contributions, the largest first, each with its column and value.
    pub(crate) fn steps(&self) -> Vec<(String, f64)> {
        let mut steps: Vec<(String, f64)> =
            self.explanation.contributions.iter().map(|c| (format!("{} = {}", c.column, c.value), c.phi)).collect();
        steps.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        steps
    }

    /// The model's answer in a sentence.
    pub(crate) fn headline(&self) -> String {
        let e = &self.explanation;
        format!(
            "the {} of `{}` is {}; the average over the background is {}",
            e.scale.words(),
            e.class,
            self.level(e.prediction),
            self.level(e.base)
        )
    }

    /// A score.
    pub(crate) fn level(&self, score: f64) -> String {
        match self.explanation.scale {
            Scale::Probability => format!("{:.1}%", 100.0 * score),
            Scale::LogOdds => format!("{score:.3}"),
        }
    }

    /// A change of a score, in percentage points for a probability.
    pub(crate) fn change(&self, change: f64) -> String {
        match self.explanation.scale {
            Scale::Probability => format!("{:+.1}", 100.0 * change),
            Scale::LogOdds => format!("{change:+.3}"),
        }
    }

    /// What would have changed the class.
    pub(crate) fn counterfactual(&self) -> String {
        match &self.explanation.counterfactual {
            Searched::Found(found) => {
                let changes: Vec<String> = found.changes.iter().map(|c| format!("{} from {} to {}", c.column, c.from, c.to)).collect();
                let score = self.level(found.score);
                format!("the model would predict another class with {} (score then {score}, by running the model)", changes.join(" and "))
            }
            Searched::NoneFound { tried, most_changes: 0 } => format!("no column may change ({tried} tried)"),
            Searched::NoneFound { tried, most_changes } => {
                format!("no change of up to {most_changes} columns was found that changes the class ({tried} tried)")
            }
        }
    }

    /// How well a straight line describes the model near the row.
    pub(crate) fn local(&self) -> String {
        match &self.explanation.lime {
            LocalFit::Fitted { r2, local_prediction, .. } => {
                format!("a straight line near this row explains R² = {r2:.2} of the model and gives {} here", self.level(*local_prediction))
            }
            LocalFit::Refused { why } => why.clone(),
        }
    }
}

/// What an attribution does not say, on every page and in every answer.
pub(crate) const LIMITS: [&str; 3] = [
    "An attribution says what contributed most to a score under a method. It does not say why anybody decided anything.",
    "A change that changes the model's answer need not change anything in the world.",
    "Explanations and the averages they compare with are exact: no ε covers them.",
];

/// The page. It holds the person's own values and is for them.
pub(crate) fn render_explained(model: &str, stamp: Option<&str>, explained: &[Explained]) -> String {
    let main = html! {
        h1 { "What moved this score" }
        @if let Some(stamp) = stamp { p { strong { (stamp) } } }
        p { "Model " code { (model) } ". This page holds the values of the person it is about." }
        @for one in explained { (section(one)) }
        section { h2 { "What this does not say" } ul { @for limit in LIMITS { li { (limit) } } } }
        footer { p { "Made by " code { "reticent explain" } ". Nothing here is legal advice." } }
    };
    Sheet { made_by: "reticent explain", stamp, title: &format!("Explanation of {model}"), head: None, contents: vec![] }.page(&main)
}

fn section(one: &Explained) -> Markup {
    let e = &one.explanation;
    let id = format!("row-{}", one.row);
    let steps = one.steps();
    let desc = format!("Bars from {} to {}, one for each column, the largest first.", one.level(e.base), one.level(e.prediction));
    let plot = waterfall::plot(
        &id,
        ("From the average to this score", &desc),
        ("average", e.base),
        &steps,
        "this row",
        |change| one.change(change),
        |score| one.level(score),
    );
    let fidelity = &e.surrogate.fidelity;
    html! {
        section {
            h2 { "Row " (one.row) }
            p { (one.headline()) "." }
            ol { @for reason in &e.reasons { li { (reason) "." } } }
            @if let Some(plot) = plot { figure { (plot) } }
            h3 { "What would change the class" }
            p { (one.counterfactual()) "." }
            h3 { "Rules that the model nearly follows" }
            ul { @for line in e.surrogate.lines() { li { (line) } } }
            p {
                "The rules answer as the model does on " (percent(fidelity.overall)) " of " (fidelity.points)
                " held-out synthetic points, and on " (percent(fidelity.near_boundary)) " of the quarter nearest to its boundary."
            }
            h3 { "How this was made" }
            ul {
                li { (e.methods.attribution) "; they add up to the score within " (format!("{:.0e}", e.sum_error)) " of it" }
                li { "background: " (e.background.words) }
                li { (e.methods.local) ": " (one.local()) }
                li { (e.methods.counterfactual) }
                li { (e.methods.surrogate) }
            }
        }
    }
}

/// `97%`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0}%", 100.0 * share)
}
