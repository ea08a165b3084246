//! The card of a model: what it is for, what it may reveal, what happened to it since.

use crate::failure::Failure;
use crate::privacy::{bound, statement};
use crate::workspace::Workspace;
use reticent_govern::{Event, Release};

pub(super) fn card(workspace: &mut Workspace, release: &Release, event: i64) -> Result<String, Failure> {
    let dataset = release.data_version.split('/').next().unwrap_or_default().to_owned();
    let unit = workspace.config.data.get(&dataset).map(|d| d.unit.clone()).unwrap_or_default();
    let budget = workspace.ledger.budget(&dataset, &unit)?;
    let stated = match &budget {
        Some(budget) => statement(&workspace.config, budget)?,
        None => None,
    };
    let grounds = workspace.ledger.made_of(&release.model)?;
    let letters: std::collections::BTreeSet<String> =
        grounds.keys().map(|g| g.art6.map_or_else(|| "none decided".to_owned(), |l| format!("A6-1-{l}"))).collect();
    let recalled = workspace.ledger.recalled()?.contains(&release.model);
    let assessed = workspace.ledger.events("assessment-decided")?.into_iter().rev().find_map(|s| match s.event {
        Event::AssessmentDecided { dataset: d, purpose: p, decision, .. } if d == dataset && p == release.purpose => {
            Some((s.seq, decision))
        }
        _ => None,
    });
    let erasures = workspace.ledger.events("subject-erased")?.iter().filter(|s| s.seq > event).count();
    let purpose = workspace.config.purposes.get(&release.purpose);
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut text = String::from("---\nprivacy:\n");
    text += &format!("  purposes: [{}]\n", quoted(&release.purpose));
    text += &format!("  basis: [{}]\n", letters.iter().map(|l| quoted(l)).collect::<Vec<_>>().join(", "));
    text += &match assessed {
        Some((seq, decision)) => format!("  dpia: {}\n", quoted(&format!("{decision:?} (event {seq})").to_lowercase())),
        None => "  dpia: \"opened, not decided\"\n".into(),
    };
    text += &format!("  erasures: {erasures}\n");
    if let Some(stated) = &stated {
        text += &format!(
            "  dp: {{ epsilon: {}, delta: {:e}, unit: {} }}\n",
            crate::privacy::up(stated.epsilon_upper),
            stated.delta,
            quoted(&stated.unit)
        );
    }
    text += &format!("---\n\n# {}\n\n", release.model);
    if let Some(description) = purpose.and_then(|p| p.description.as_ref()) {
        text += &format!("{description}\n\n");
    }
    if recalled {
        text += "This release was recalled: it is served no longer.\n\n";
    }
    text += &format!("Trained on {} for the purpose `{}`.\n\n", release.data_version, release.purpose);
    if let Some(stated) = &stated {
        text += &format!(
            "All releases of its data set together: {}, {}, {}.\n\n",
            bound(stated.epsilon_upper, stated.delta),
            stated.neighbours,
            stated.unit
        );
        text += "Not covered:\n\n";
        for gap in &stated.not_covered {
            text += &format!("- {gap}\n");
        }
    }
    text += &format!("\nWeights: sha256 {}. Event {event} of the ledger.\n", release.weights_sha256);
    Ok(text)
}
