//! The gate as the program asks it: policy from reticent.toml, facts from the ledger, the answer on record before anything is done.

mod exclusion;
mod words;

pub(crate) use exclusion::GroupExclusion;
pub(crate) use words::{date, lines, masked, refusal, words};

use crate::config::{Config, Model};
use crate::data_version::{DataVersion, held_since, units};
use crate::failure::Failure;
use crate::output::say;
use crate::privacy;
use crate::verbs::train::ModelManifest;
use crate::workspace::Workspace;
use reticent_data::{Feature, PermittedTable, Table};
use reticent_govern::{Circumstances, Entry, Event, OPT_IN_AGE, Question, age_of_consent, until};
use reticent_proof::{Count, Decision, Ground, Permit, Policy, Reason, Request, Use, decide};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

/// What a purpose and a data set declare, as the gate needs it for a use at a moment.
pub(crate) fn policy(
    workspace: &mut Workspace,
    dataset: &str,
    purpose: &str,
    chosen: &BTreeSet<Reason>,
    use_: Use,
    at: i64,
) -> Result<Policy, Failure> {
    let Workspace { config, ledger, .. } = workspace;
    let unknown = |what: &str| Failure::refused(format!("the gate refuses: {what} is not declared in reticent.toml"));
    let declared = config.purposes.get(purpose).ok_or_else(|| unknown("the purpose"))?;
    let data = config.data.get(dataset).ok_or_else(|| unknown("the data set"))?;
    // A notice that the register has ended, or that does not name the purpose, counts no longer; one that it does not know is as declared.
    let all = ledger.register("notice", i64::MAX, None)?;
    let standing = ledger.register("notice", at, None)?;
    let counts = |version: &String| match standing.get(version).map(|e| &e.entry) {
        Some(Entry::Notice(notice)) => notice.purposes.iter().any(|p| p == purpose),
        _ => !all.contains_key(version),
    };
    let notices = declared.notices.iter().filter(|v| counts(v)).cloned().collect();
    let jurisdiction = config.controller.jurisdiction.as_deref().unwrap_or("EU");
    Ok(Policy {
        purpose: purpose.into(),
        art6: declared.art6,
        art9: declared.art9,
        notices,
        special_columns: data.schema(dataset).special_columns(),
        // What a model has learned from already cannot be left out of it.
        exclude: if use_ == Use::Registration { BTreeSet::new() } else { declared.exclude.union(chosen).copied().collect() },
        private_messages: data.private_messages,
        train_on_messages: declared.train_on_messages,
        criminal_columns: data.columns.rights.iter().filter(|(_, r)| r.criminal).map(|(name, _)| name.clone()).collect(),
        art10_law: declared.art10.clone(),
        columns: config.column_purposes(dataset),
        broader: config.broader(purpose),
        since: declared.since.as_deref().and_then(midnight),
        direct_marketing: is_direct_marketing(config, purpose),
        child_age: (data.age.is_some() || declared.children).then(|| age_of_consent(jurisdiction, at)),
        for_children: declared.children,
        opt_in_age: matches!(use_, Use::Sale | Use::Sharing).then_some(OPT_IN_AGE),
    })
}

/// Whether a purpose, or one that it is part of, is direct marketing.
pub(crate) fn is_direct_marketing(config: &Config, purpose: &str) -> bool {
    let chain = std::iter::once(purpose.to_owned()).chain(config.broader(purpose));
    chain.filter_map(|p| config.purposes.get(&p)).any(|p| {
        p.direct_marketing || p.iri.as_deref().is_some_and(|iri| reticent_govern::same_iri(iri, "https://w3id.org/dpv#DirectMarketing"))
    })
}

fn midnight(date: &str) -> Option<i64> {
    let date: jiff::civil::Date = date.parse().ok()?;
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

/// What the rows themselves tell the gate.
pub(crate) struct RowFacts {
    pub(crate) rows: BTreeMap<String, u64>,
    pub(crate) ages: BTreeMap<String, u8>,
    /// The column they are from.
    pub(crate) age: Option<String>,
    pub(crate) keep_until: Option<i64>,
}

impl RowFacts {
    /// Of rows of a version, for a purpose. Ages are read from all rows: a cap must not hide the one that says it.
    pub(crate) fn of(workspace: &mut Workspace, table: &Table, whole: &DataVersion, purpose: &str, now: i64) -> Result<Self, Failure> {
        let imported = held_since(workspace, &whole.manifest.version)?.unwrap_or(now);
        let declared = workspace.config.purposes.get(purpose).and_then(|p| p.retention.as_deref()).and_then(|keep| until(imported, keep));
        let registered = workspace.ledger.keep_until("data", imported, now)?;
        let keep_until = declared.into_iter().chain(registered).min();
        let data = workspace.config.data.get(&table.schema().dataset);
        let age = data.and_then(|d| d.age.clone());
        let ages = age.as_deref().map(|column| ages(&whole.table, column)).unwrap_or_default();
        Ok(Self { rows: units(table), ages, age, keep_until })
    }

    /// The same as it was when a decision was made.
    pub(crate) fn then(table: &Table, whole: &DataVersion, then: &Circumstances) -> Self {
        let ages = then.age.as_deref().map(|column| ages(&whole.table, column)).unwrap_or_default();
        Self { rows: units(table), ages, age: then.age.clone(), keep_until: then.keep_until }
    }

    pub(crate) fn question<'a>(&'a self, dataset: &'a str, request: &'a Request) -> Question<'a> {
        let asked = Question::new(dataset, &request.data_version, &request.purpose, &self.rows, request.at);
        Question { ages: &self.ages, keep_until: self.keep_until, ..asked }
    }
}

/// The least age that a unit's rows say; what stands for a missing age says none.
fn ages(table: &Table, column: &str) -> BTreeMap<String, u8> {
    let Some(index) = table.schema().columns.iter().position(|c| c.name == column) else { return BTreeMap::new() };
    let missing = match &table.schema().columns[index].domain {
        reticent_data::Domain::Range { missing, .. } => *missing,
        reticent_data::Domain::Levels { .. } => None,
    };
    let Feature::Number(values) = table.feature(index) else { return BTreeMap::new() };
    let mut ages = BTreeMap::new();
    for (subject, &value) in table.subjects().iter().zip(values).filter(|(_, v)| Some(**v) != missing && v.is_finite()) {
        let age = value.clamp(0.0, 255.0) as u8;
        ages.entry(subject.to_string()).and_modify(|least: &mut u8| *least = age.min(*least)).or_insert(age);
    }
    ages
}

/// Columns that a model reads: all that are declared, and the target. None where no purposes of columns are declared.
pub(crate) fn columns_read(config: &Config, dataset: &str) -> Vec<String> {
    config.column_purposes(dataset).into_keys().collect()
}

/// Rows that may be used, and what the gate said of the others.
pub(crate) struct Admitted {
    pub(crate) table: PermittedTable,
    pub(crate) decision: Decision,
    /// Ledger number of the decision.
    pub(crate) event: i64,
    /// Rows beyond the public cap and the units they belong to, left out before the gate was asked.
    pub(crate) beyond_cap: Count,
    /// How many of each declared group were left out: leaving people out can tilt what is learned.
    pub(crate) groups: Vec<GroupExclusion>,
    /// Consent is the basis, and nothing says how old anybody is.
    pub(crate) ages_unknown: bool,
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
    admit_for(workspace, data, (&model.purpose, Some(privacy::cap(model))), use_, chosen)
}

/// The same for a purpose, with a cap on the rows of a unit or without one.
pub(crate) fn admit_for(
    workspace: &mut Workspace,
    data: &DataVersion,
    (purpose, cap): (&str, Option<NonZeroUsize>),
    use_: Use,
    chosen: &BTreeSet<Reason>,
) -> Result<Admitted, Failure> {
    let dataset = data.manifest.schema.dataset.clone();
    let version = data.manifest.version.clone();
    let table = cap.map_or_else(|| data.table.clone(), |cap| data.table.capped(cap));
    let over = units(&data.table).into_values().filter(|&n| cap.is_some_and(|cap| n > cap.get() as u64));
    let beyond_cap = Count { units: over.count() as u64, records: (data.table.rows() - table.rows()) as u64 };
    let now = workspace.ledger.now()?;
    let policy = policy(workspace, &dataset, purpose, chosen, use_, now)?;
    let columns = columns_read(&workspace.config, &dataset);
    let request = Request { purpose: purpose.into(), use_, data_version: version.clone(), at: now, columns };
    let told = RowFacts::of(workspace, &table, data, purpose, now)?;
    let known = workspace.ledger.last_seq()?;
    let facts = workspace.ledger.facts(&Question { known: Some(known), ..told.question(&dataset, &request) })?;
    let (decision, permit) = decide(&policy, &facts, &request);
    let then = Circumstances { known, cap: cap.map(|cap| cap.get() as u64), keep_until: told.keep_until, age: told.age.clone() };
    let actor = workspace.actor.clone();
    let event = workspace.ledger.record_decision(&actor, &policy, &decision, chosen, &then)?;
    let ages_unknown = policy.art6 == Some('a') && facts.units.iter().all(|u| u.age.is_none());
    let groups = match &permit {
        Some(permit) => exclusion::by_group(&workspace.config, &table, permit, policy.art9.is_some()),
        None => vec![],
    };
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
    Ok(Admitted { table: PermittedTable::new(table, &version, permit)?, decision, event, beyond_cap, groups, ages_unknown })
}

/// The reasons that were excluded by choice when a release was trained: its retraining, and what measures it, leave the same units out.
pub(crate) fn chosen_for(workspace: &mut Workspace, release: &str, data_version: &str, purpose: &str) -> Result<BTreeSet<Reason>, Failure> {
    let released = workspace.ledger.events("model-released")?;
    let at = released.iter().find(|s| matches!(&s.event, Event::ModelReleased(r) if r.model == release)).map_or(i64::MAX, |s| s.seq);
    // The last decision before a release is the last look of its own run.
    let decisions = workspace.ledger.events("gate-decided")?.into_iter().rev().filter(|s| s.seq < at);
    let found = decisions.filter_map(|stored| match stored.event {
        Event::GateDecided { decision, chosen, .. }
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
    let table = data.table.capped(manifest.plan.max_rows_per_unit);
    let now = workspace.ledger.now()?;
    let told = RowFacts::of(workspace, &table, data, &model.purpose, now)?;
    if !matches!(manifest.permit, Ground::Decided { .. }) {
        return Ok(Some(told.rows.into_keys().collect()));
    }
    for stored in workspace.ledger.events("gate-decided")?.into_iter().rev() {
        let Event::GateDecided { decision, chosen, then } = stored.event else { continue };
        if !decision.allowed || decision.request.use_ != Use::Training || decision.request.data_version != manifest.data_version {
            continue;
        }
        let (dataset, request) = (&data.manifest.schema.dataset, &decision.request);
        let policy = match workspace.ledger.policy(&decision.policy_digest)? {
            Some(policy) => policy,
            // Decided before policies were kept.
            None => policy(workspace, dataset, &model.purpose, &chosen.into_iter().collect(), request.use_, request.at)?,
        };
        let told = match &then {
            Some(then) => &RowFacts::then(&table, data, then),
            None => &told,
        };
        let facts = workspace.ledger.facts(&Question { known: then.map(|t| t.known), ..told.question(dataset, request) })?;
        let permit = decide(&policy, &facts, request).1;
        if let Some(permit) = permit.filter(|p| p.digest() == manifest.permit_digest) {
            return Ok(permit.allowed_units().map(|units| units.iter().cloned().collect()));
        }
    }
    Ok(None)
}
