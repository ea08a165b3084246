//! `budget`: every charge to every budget.

use crate::cli::Common;
use crate::failure::Failure;
use crate::output::Answer;
use crate::privacy::{Statement, bound, statement, up};
use crate::workspace::Workspace;
use clap::Args;
use serde_json::json;

#[derive(Args)]
#[command(
    after_help = "A budget belongs to a data set and a unit of privacy and is never changed. A run is charged in full before its noise key exists;\na crash can lose work, never privacy."
)]
pub(crate) struct BudgetVerb {}

impl BudgetVerb {
    #[expect(clippy::unused_self, reason = "all verbs have one shape")]
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let mut workspace = Workspace::read(&common.dir)?;
        let budgets = workspace.ledger.budgets()?;
        let mut text = String::new();
        let mut all = vec![];
        for budget in &budgets {
            let statement = statement(&workspace.config, budget)?;
            text += &format!("{} · each {} · {} in all\n", budget.dataset, budget.unit, bound(budget.epsilon, budget.delta));
            match &statement {
                None => text += "  nothing charged\n",
                Some(s) => text += &charges(s),
            }
            text += &format!("  filter (Rényi, order {:.2}): {:.4} of {:.4} charged\n", budget.order, budget.spent, budget.total);
            all.push(json!({ "budget": budget, "statement": statement }));
        }
        if budgets.is_empty() {
            text += "no budget is open yet: `reticent train` opens one\n";
        }
        Ok(Answer::new(text, json!({ "budgets": all })))
    }
}

fn charges(s: &Statement) -> String {
    let mut text = format!("  {:<28} {:<26} {:>9} {:>9}\n", "release", "state", "ε alone", "ε joint");
    for release in &s.releases {
        text += &format!("  {:<28} {:<26} {:>9} {:>9}\n", release.name, release.state, up(release.epsilon), up(release.cumulative_epsilon));
    }
    text += &format!(
        "  joint: {}, {}, {} ({}; by RDP: {})\n",
        bound(s.epsilon_upper, s.delta),
        s.neighbours,
        s.unit,
        s.accountant,
        up(s.epsilon_rdp)
    );
    for gap in &s.not_covered {
        text += &format!("  not covered: {gap}\n");
    }
    text
}
