//! An attribution in at most five plain sentences, with the person's own values.

use crate::explanation::Contribution;
use crate::model::Scale;

/// Most sentences: more than a person can weigh is no explanation.
pub const MOST_REASONS: usize = 5;
/// Share of Σ|φ| below which a column is not worth a sentence.
const LEAST_SHARE: f64 = 0.01;

/// What moved a score, the largest first. Each sentence says how far *under this method*, and none says why something was decided.
#[must_use]
pub fn reasons(contributions: &[Contribution], base: f64, scale: Scale) -> Vec<String> {
    let total: f64 = contributions.iter().map(|c| c.phi.abs()).sum();
    let mut order: Vec<&Contribution> = contributions.iter().filter(|c| c.phi != 0.0 && c.phi.abs() >= LEAST_SHARE * total).collect();
    order.sort_by(|a, b| b.phi.abs().total_cmp(&a.phi.abs()));
    if order.is_empty() {
        return vec!["No column moved this score under this method: it is the average one".into()];
    }
    let sentence = |(rank, c): (usize, &&Contribution)| {
        let verb = if c.phi > 0.0 { "raised" } else { "lowered" };
        let by = amount(c.phi.abs(), scale);
        match rank {
            0 => {
                let average = match scale {
                    Scale::Probability => format!("{:.1}%", 100.0 * base),
                    Scale::LogOdds => format!("log-odds of {base:.3}"),
                };
                format!(
                    "{} = {} contributed most to this score under this method: it {verb} it by {by}, from an average of {average}",
                    c.column, c.value
                )
            }
            _ => format!("{} = {} {verb} this score by {by} under this method", c.column, c.value),
        }
    };
    order.iter().take(MOST_REASONS).enumerate().map(sentence).collect()
}

/// A distance between two scores in words.
fn amount(size: f64, scale: Scale) -> String {
    match scale {
        Scale::Probability if size < 0.0005 => "less than 0.1 percentage points".into(),
        Scale::Probability => format!("{:.1} percentage points", 100.0 * size),
        Scale::LogOdds => format!("{size:.3} in log-odds"),
    }
}
