//! A legal hold comes before an erasure: what a court may need is kept, and used for nothing else meanwhile (Art 17(3)(e), 18).

use crate::failure::Failure;
use crate::workspace::Workspace;
use reticent_govern::{ALL_PURPOSES, BasisDetail, BasisEvent, BasisKind};

/// Refuses to erase a unit of a data set on which a hold stands, and restricts it to being kept.
pub(super) fn restrict_instead(workspace: &mut Workspace, dataset: &str, unit: &str) -> Result<(), Failure> {
    let now = workspace.ledger.now()?;
    let holds = workspace.ledger.holds(dataset, now)?;
    if holds.is_empty() {
        return Ok(());
    }
    if restrict(workspace, dataset, unit, "legal hold")? {
        workspace.publish()?;
    }
    Err(Failure::refused(format!("a legal hold stands on `{dataset}` ({}): nothing of it is erased (GDPR Art 17(3)(e))", holds.join(", ")))
        .hint("the unit is restricted meanwhile: it is kept and takes part in nothing. When the hold ends, ask again, and lift the restriction only if nobody wants the erasure any more")
        .facts(serde_json::json!({ "holds": holds, "restricted": true })))
}

/// Restricts a unit to being kept, so that no gate lets it through from then on; whether it was not so already. `source` says why, on record.
pub(crate) fn restrict(workspace: &mut Workspace, dataset: &str, unit: &str, source: &str) -> Result<bool, Failure> {
    let said = workspace.ledger.basis_events(dataset, Some(unit))?;
    let about = |e: &&BasisEvent| e.purpose == ALL_PURPOSES && matches!(e.state, BasisKind::Restricted | BasisKind::Unrestricted);
    if said.iter().filter(about).max_by_key(|e| e.since).is_some_and(|e| e.state == BasisKind::Restricted) {
        return Ok(false);
    }
    let since = workspace.ledger.now()?;
    let restricted = BasisEvent {
        dataset: dataset.into(),
        subject: unit.into(),
        purpose: ALL_PURPOSES.into(),
        state: BasisKind::Restricted,
        since,
        art6: None,
        art9: None,
        notice: None,
        expires: None,
        detail: BasisDetail::default(),
    };
    let actor = workspace.actor.clone();
    workspace.ledger.import_basis(&actor, dataset, source, &[restricted])?;
    Ok(true)
}
