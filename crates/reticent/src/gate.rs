//! The gate as the program asks it: policy from reticent.toml, facts from the ledger, the answer on record before anything is done.

use crate::config::{Config, Model};
use crate::data_version::{DataVersion, units};
use crate::failure::Failure;
use crate::output::{say, thousands};
use crate::privacy;
use crate::verbs::train::ModelManifest;
use crate::workspace::{Workspace, now};
use reticent_data::PermittedTable;
use reticent_govern::Event;
use reticent_proof::{Count, Decision, Ground, Permit, Policy, Reason, Refusal, Request, Use, decide};
use std::collections::BTreeSet;

/// What a purpose and a data set declare, as the gate needs it.
pub(crate) fn policy(config: &Config, dataset: &str, purpose: &str, chosen: &BTreeSet<Reason>) -> Policy {
    let declared = &config.purposes[purpose];
    Policy {
        purpose: purpose.into(),
        art6: declared.art6,
        art9: declared.art9,
        notices: declared.notices.clone(),
        special_columns: config.data[dataset].schema(dataset).special_columns(),
        exclude: declared.exclude.union(chosen).copied().collect(),
        private_messages: config.data[dataset].private_messages,
        train_on_messages: declared.train_on_messages,
    }
}

/// Rows that may be used, and what the gate said of the others.
pub(crate) struct Admitted {
    pub(crate) table: PermittedTable,
    pub(crate) decision: Decision,
    /// Ledger number of the decision.
    pub(crate) event: i64,
    /// Rows beyond the public cap and the units they belong to, left out before the gate was asked.
    pub(crate) beyond_cap: Count,
}

/// Applies the public cap of a model, asks the gate for a use of what is left, records its answer, and gives the rows it permits.
///
/// In experiment mode a refusal is a warning, and the rows come under an asserted permit that stamps all that is made of them.
pub(crate) fn admit(
    workspace: &mut Workspace,
    data: &DataVersion,
    model: &Model,
    use_: Use,
    chosen: &BTreeSet<Reason>,
) -> Result<Admitted, Failure> {
    let dataset = data.manifest.schema.dataset.clone();
    let version = data.manifest.version.clone();
    let purpose = model.purpose.as_str();
    let cap = privacy::cap(model);
    let table = data.table.capped(cap);
    let over = units(&data.table).into_values().filter(|&n| n > cap.get() as u64);
    let beyond_cap = Count { units: over.count() as u64, records: (data.table.rows() - table.rows()) as u64 };
    let policy = policy(&workspace.config, &dataset, purpose, chosen);
    let request = Request { purpose: purpose.into(), use_, data_version: version.clone(), at: now() };
    let facts = workspace.ledger.facts(&dataset, &version, purpose, &units(&table), request.at)?;
    let (decision, permit) = decide(&policy, &facts, &request);
    let event = workspace.append(&Event::GateDecided { decision: decision.clone(), chosen: chosen.iter().copied().collect() })?;
    let permit = match permit {
        Some(permit) => permit,
        None if workspace.is_release() => {
            workspace.publish()?;
            return Err(refusal(&decision));
        }
        None => {
            for refused in &decision.refusals {
                say(format!("warning: release mode would refuse: {}", words(refused).0));
            }
            Permit::asserted("experiment mode")
        }
    };
    Ok(Admitted { table: PermittedTable::new(table, &version, permit)?, decision, event, beyond_cap })
}

/// The reasons that were excluded by choice when a release was trained: its retraining, and what measures it, leave the same units out.
pub(crate) fn chosen_for(workspace: &mut Workspace, release: &str, data_version: &str, purpose: &str) -> Result<BTreeSet<Reason>, Failure> {
    let released = workspace.ledger.events("model-released")?;
    let at = released.iter().find(|s| matches!(&s.event, Event::ModelReleased(r) if r.model == release)).map_or(i64::MAX, |s| s.seq);
    // The last decision before a release is the last look of its own run.
    let decisions = workspace.ledger.events("gate-decided")?.into_iter().rev().filter(|s| s.seq < at);
    let found = decisions.filter_map(|stored| match stored.event {
        Event::GateDecided { decision, chosen }
            if decision.request.use_ == Use::Training
                && decision.request.data_version == data_version
                && decision.request.purpose == purpose =>
        {
            Some(chosen)
        }
        _ => None,
    });
    Ok(found.take(1).flatten().collect())
}

/// The units among which a released model's were, held-out ones included, as the gate admitted them when it was trained; the permit's
/// digest shows that they are the same. `None` where what is on record does not give them again.
pub(crate) fn admitted_when_trained(
    workspace: &mut Workspace,
    data: &DataVersion,
    model: &Model,
    manifest: &ModelManifest,
) -> Result<Option<BTreeSet<String>>, Failure> {
    let rows = units(&data.table.capped(manifest.plan.max_rows_per_unit));
    if !matches!(manifest.permit, Ground::Decided { .. }) {
        return Ok(Some(rows.into_keys().collect()));
    }
    for stored in workspace.ledger.events("gate-decided")?.into_iter().rev() {
        let Event::GateDecided { decision, chosen } = stored.event else { continue };
        if !decision.allowed || decision.request.use_ != Use::Training || decision.request.data_version != manifest.data_version {
            continue;
        }
        let (dataset, request) = (&data.manifest.schema.dataset, &decision.request);
        let policy = policy(&workspace.config, dataset, &model.purpose, &chosen.into_iter().collect());
        let facts = workspace.ledger.facts(dataset, &request.data_version, &model.purpose, &rows, request.at)?;
        let permit = decide(&policy, &facts, request).1;
        if let Some(permit) = permit.filter(|p| p.digest() == manifest.permit_digest) {
            return Ok(permit.allowed_units().map(|units| units.iter().cloned().collect()));
        }
    }
    Ok(None)
}

/// A refusal of the gate for the person who asked.
pub(crate) fn refusal(decision: &Decision) -> Failure {
    let told: Vec<(String, String)> = decision.refusals.iter().map(words).collect();
    let (message, hint) = match &told[..] {
        [(message, hint)] => (format!("the gate refuses: {message}"), hint.clone()),
        several => {
            let lines: Vec<String> = several.iter().map(|(m, _)| format!("  {m}")).collect();
            let mut hints: Vec<&str> = several.iter().map(|(_, h)| h.as_str()).collect();
            hints.dedup();
            (format!("the gate refuses for {} reasons\n{}", several.len(), lines.join("\n")), hints.join("\n      "))
        }
    };
    Failure::refused(message).hint(hint).facts(decision)
}

fn words(refused: &Refusal) -> (String, String) {
    let text = |m: &str, h: &str| (m.to_owned(), h.to_owned());
    match refused {
        Refusal::OtherPurpose => {
            text("the data is not on record for this purpose", "use a model whose purpose fits, or declare the purpose")
        }
        Refusal::NoBasisDeclared => text("the purpose declares no legal basis (Art 6)", "set `art6` of the purpose in reticent.toml"),
        Refusal::LegitimateInterestUnassessed => text(
            "legitimate interest (Art 6(1)(f)) needs an approved assessment of purpose, necessity and balance, and none is on record",
            "record one, or use a purpose with another basis",
        ),
        Refusal::LegitimateInterestExpired => {
            text("the assessment of the legitimate interest has run out", "assess it again, or use a purpose with another basis")
        }
        Refusal::LegitimateInterestOverSpecial { columns } => (
            format!("the columns {} reveal a special category, which no legitimate interest covers", columns.join(", ")),
            "drop the columns, or use a purpose with another basis".into(),
        ),
        Refusal::PrivateMessages => {
            text("the data set holds private messages, which no legitimate interest covers", "use a purpose with another basis")
        }
        Refusal::NoTrainDefault => text(
            "the data set holds private messages, and the purpose does not say that models may learn from them",
            "where that is what people were told, write train_on_messages = true in the purpose",
        ),
        Refusal::NoAssessment => {
            text("no impact assessment is open for this purpose and data set", "open one with `reticent assess --plan`")
        }
        Refusal::Quarantined => {
            text("the data set is quarantined: no basis event is known for it", "record what people said with `reticent consent import`")
        }
        Refusal::NoConditionDeclared { columns } => (
            format!("the columns {} reveal a special category, and the purpose declares no Art 9 condition", columns.join(", ")),
            "set `art9` of the purpose in reticent.toml, or drop the columns".into(),
        ),
        Refusal::Units { reason, count } => (
            format!("{}: {}", reason.words(), amount(count)),
            format!("obtain the basis and import it, or leave these units out, on record: `reticent train --exclude {}`", reason.name()),
        ),
        Refusal::NobodyLeft => {
            text("nobody is left whose data may be used", "import the events that give a basis with `reticent consent import`")
        }
    }
}

/// `51 units, 204 records`, with counts under 10 masked.
pub(crate) fn amount(count: &Count) -> String {
    format!("{} units, {} records", masked(count.units), masked(count.records))
}

fn masked(n: u64) -> String {
    if (1..10).contains(&n) { "fewer than 10".to_owned() } else { thousands(n) }
}

/// The gate's answer, and its and the cap's counts, a line each.
pub(crate) fn lines(admitted: &Admitted) -> String {
    let decided = admitted.decision.allowed;
    let mut text = if decided {
        format!("gate: permitted under your recorded policy\n  admitted   {}\n", amount(&admitted.decision.admitted))
    } else {
        let table = admitted.table.table();
        let all = Count { units: table.unit_count() as u64, records: table.rows() as u64 };
        format!("gate: experiment, nothing decided\n  asserted   {}\n", amount(&all))
    };
    if admitted.beyond_cap.records > 0 {
        let Count { units, records } = admitted.beyond_cap;
        text += &format!("  left out   rows beyond the public cap: {} records of {} units\n", masked(records), masked(units));
    }
    for (reason, count) in admitted.decision.excluded.iter().filter(|_| decided) {
        text += &format!("  left out   {}: {}\n", reason.words(), amount(count));
    }
    text
}
