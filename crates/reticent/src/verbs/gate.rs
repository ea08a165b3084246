//! `gate`: why a record may or may not be used, whether a host may be reached, and past decisions made again.

use crate::cli::Common;
use crate::data_version::{DataVersion, load_latest};
use crate::failure::Failure;
use crate::gate::{RowFacts, columns_read, policy};
use crate::output::{Answer, thousands};
use crate::verbs::consent::chosen_data_set;
use crate::workspace::Workspace;
use clap::{Args, Subcommand, ValueEnum};
use reticent_data::SubjectId;
use reticent_govern::{Event, Ledger, Question, StoredEvent};
use reticent_proof::{Facts, Policy, Reason, Request, UnitFacts, Use, rules, unit_reason};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

#[derive(Args)]
pub(crate) struct GateVerb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Say in words which facts decide whether a record may be used for a purpose, now; nothing is recorded
    #[command(
        after_help = "RECORD is the id of a row, or with --subject the id of a unit, as in the data.\nExample: reticent gate explain 1017 --purpose care --use sale"
    )]
    Explain {
        /// The record
        record: String,
        /// The purpose
        #[arg(long)]
        purpose: String,
        /// RECORD is whose rows, not the id of a row
        #[arg(long)]
        subject: bool,
        /// What it is wanted for
        #[arg(long = "use", value_enum, default_value = "training")]
        use_: AskedUse,
        /// The data set [default: the only one]
        #[arg(long)]
        data: Option<String>,
    },
    /// Decide whether a host may be reached for a purpose: an undeclared one is denied
    Host {
        /// Its name
        host: String,
        /// The purpose
        #[arg(long)]
        purpose: String,
    },
    /// Make every past decision again from what is on record, and compare the bytes
    Replay,
}

/// What a record is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AskedUse {
    Training,
    Audit,
    Explanation,
    Serving,
    Export,
    Sale,
    Sharing,
}

impl AskedUse {
    fn use_(self) -> Use {
        match self {
            Self::Training => Use::Training,
            Self::Audit => Use::Audit,
            Self::Explanation => Use::Explanation,
            Self::Serving => Use::Serving,
            Self::Export => Use::Export,
            Self::Sale => Use::Sale,
            Self::Sharing => Use::Sharing,
        }
    }
}

impl GateVerb {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        match &self.verb {
            Verb::Explain { record, purpose, subject, use_, data } => {
                let mut workspace = Workspace::read(&common.dir)?;
                let dataset = chosen_data_set(&workspace.config, data.as_deref())?;
                let version = load_latest(&mut workspace, &dataset)?;
                let unit = find(&mut workspace, &version, record, *subject)?;
                explain(&mut workspace, &version, unit, purpose, use_.use_())
            }
            Verb::Host { host, purpose } => host_answer(common, host, purpose),
            Verb::Replay => replay(common),
        }
    }
}

/// The unit of a record.
fn find(workspace: &mut Workspace, version: &DataVersion, record: &str, is_subject: bool) -> Result<SubjectId, Failure> {
    let dataset = &version.manifest.schema.dataset;
    let absent = || {
        Failure::usage(format!("{} holds no such record", version.manifest.version))
            .hint("RECORD is the id of a row, as in the data; `--subject` says that it is whose rows they are")
    };
    if is_subject {
        let unit = workspace.pseudonym_key()?.subject(dataset, record);
        return if version.table.subjects().contains(&unit) { Ok(unit) } else { Err(absent()) };
    }
    let row = version.table.records().iter().position(|id| id == record).ok_or_else(absent)?;
    Ok(version.table.subjects()[row])
}

fn explain(workspace: &mut Workspace, version: &DataVersion, unit: SubjectId, purpose: &str, use_: Use) -> Result<Answer, Failure> {
    let dataset = version.manifest.schema.dataset.clone();
    let now = workspace.ledger.now()?;
    if purpose.trim().is_empty() {
        return Err(Failure::refused("the gate refuses: the request names no purpose").hint("name one with `--purpose`"));
    }
    let policy = policy(workspace, &dataset, purpose, &BTreeSet::new(), use_, now)?;
    let columns = columns_read(&workspace.config, &dataset);
    let request = Request { purpose: purpose.into(), use_, data_version: version.manifest.version.clone(), at: now, columns };
    let rows = version.table.filter(|id| id == unit);
    let told = RowFacts::of(workspace, &rows, version, purpose, now)?;
    let facts = workspace.ledger.facts(&told.question(&dataset, &request))?;
    let refusals = rules(&policy, &facts, &request);
    let refusals = if facts.events_known { refusals } else { [refusals, vec![reticent_proof::Refusal::Quarantined]].concat() };
    let reason = facts.units.first().and_then(|u| unit_reason(&policy, &facts, u, &request));
    let allowed = refusals.is_empty() && reason.is_none();
    let lines = told_facts(&policy, &facts, &request, reason);
    let mut text = match (allowed, reason) {
        (true, _) => format!("may be used for `{purpose}` now\n"),
        (false, Some(reason)) if policy.exclude.contains(&reason) => {
            format!("may not be used for `{purpose}`: it is left out ({})\n", reason.words())
        }
        (false, Some(reason)) => format!("may not be used for `{purpose}`: it refuses the whole request ({})\n", reason.words()),
        (false, None) => format!("may not be used for `{purpose}`: the whole request is refused\n"),
    };
    for line in &lines {
        text += &format!("  {line}\n");
    }
    let mut told_refusals = vec![];
    for refused in &refusals {
        let (message, hint) = crate::gate::words(refused);
        text += &format!("  refused: {message}\n    {hint}\n");
        told_refusals.push(json!({ "message": message, "hint": hint }));
    }
    Ok(Answer::new(
        text,
        json!({ "allowed": allowed, "reason": reason, "facts": lines, "refusals": told_refusals, "policy": policy, "unit": facts.units.first() }),
    ))
}

/// The facts about a unit, in the order in which the gate looks at them, in words.
fn told_facts(policy: &Policy, facts: &Facts, request: &Request, reason: Option<Reason>) -> Vec<String> {
    let day = crate::gate::date;
    let mut lines = vec![];
    let Some(unit) = facts.units.first() else { return lines };
    match &unit.basis {
        None => lines.push("nothing is on record about a basis for this purpose".into()),
        Some(basis) => {
            let from = basis.purpose.as_ref().map(|p| format!(", for the purpose `{p}`")).unwrap_or_default();
            let state = serde_json::to_value(basis.state).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
            lines.push(format!("basis: {state} on {} under Art 6(1)({}){from}", day(basis.since), basis.art6));
            if let Some(expires) = basis.expires {
                lines.push(format!("it {} on {}", if expires <= request.at { "ended" } else { "ends" }, day(expires)));
            }
            if !basis.notice.is_empty() {
                let counts = if policy.notices.contains(&basis.notice) { "which counts" } else { "which counts no longer" };
                lines.push(format!("notice shown: {}, {counts}", basis.notice));
            }
            if basis.after_withdrawal {
                lines.push("a consent was withdrawn before, and none was given since".into());
            }
            if !policy.special_columns.is_empty() {
                let columns = policy.special_columns.join(", ");
                lines.push(match basis.art9 {
                    Some(letter) => format!("special category ({columns}): Art 9(2)({letter})"),
                    None => format!("special category ({columns}): no condition of Art 9 is on record"),
                });
            }
            if let Some(below) = policy.child_age {
                let guardian = if basis.guardian { "a guardian's consent was verified" } else { "no guardian's consent is on record" };
                lines.push(match unit.age {
                    Some(age) => format!("age {age}; below {below} a guardian consents; {guardian}"),
                    None => "age unknown".into(),
                });
            }
        }
    }
    if let Some(since) = policy.since {
        lines.push(format!("the purpose was declared on {}", day(since)));
    }
    lines.extend(standing(unit));
    if let Some(until) = facts.keep_until {
        lines.push(format!("the rows may be used until {}", day(until)));
    }
    if let Some(reason) = reason {
        lines.push(format!("decides: {}", reason.words()));
    }
    lines
}

/// What a unit has said beyond a basis.
fn standing(unit: &UnitFacts) -> Vec<String> {
    let objected = if unit.overridden { "objected (Art 21); compelling grounds against it are on record" } else { "objected (Art 21)" };
    let all = [
        (unit.restricted, "processing is restricted (Art 18)"),
        (unit.objected, objected),
        (unit.opted_out, "opted out of sale and sharing"),
        (unit.opted_in, "opted in to sale and sharing"),
        (unit.limited, "limited the use of sensitive columns"),
    ];
    all.into_iter().filter(|(holds, _)| *holds).map(|(_, words)| words.to_owned()).collect()
}

fn host_answer(common: &Common, host: &str, purpose: &str) -> Result<Answer, Failure> {
    let mut workspace = Workspace::write(&common.dir)?;
    let actor = workspace.actor.clone();
    let decision = workspace.ledger.connection(&actor, host, purpose)?;
    workspace.publish()?;
    if !decision.allowed {
        return Err(Failure::refused(format!("the gate denies `{host}` for `{purpose}`: {}", decision.why.join("; ")))
            .hint("enter the host, its recipient and what carries a transfer with `reticent register import`")
            .facts(&decision));
    }
    Ok(Answer::new(format!("{host} may be reached for `{purpose}` under your recorded policy\n"), json!(decision)))
}

/// Makes every decision again whose rows are still there.
fn replay(common: &Common) -> Result<Answer, Failure> {
    let mut workspace = Workspace::read(&common.dir)?;
    let Replayed { same, differing, gone, .. } = replayed(&mut workspace, false)?;
    let mut text = format!("{} decisions made again to the same bytes\n", thousands(same));
    if gone > 0 {
        text += &format!("  not made again: {}, whose rows are gone or which were made before this was kept\n", thousands(gone));
    }
    let facts = json!({ "same": same, "differing": differing, "gone": gone });
    if differing.is_empty() {
        return Ok(Answer::new(text, facts));
    }
    let events: Vec<String> = differing.iter().map(ToString::to_string).collect();
    Err(Failure::failed(format!("decisions come out otherwise: events {}", events.join(", ")))
        .hint("units that were taken out since are missing from the facts; anything else is damage: `reticent log verify`")
        .facts(facts))
}

/// What came of making past decisions again.
#[derive(Default)]
pub(crate) struct Replayed {
    same: u64,
    differing: Vec<i64>,
    gone: u64,
    /// The facts of each that came out the same, by its event, where they were wanted.
    pub(crate) facts: BTreeMap<i64, Facts>,
}

/// Makes every past decision again whose rows are still there.
pub(crate) fn replayed(workspace: &mut Workspace, with_facts: bool) -> Result<Replayed, Failure> {
    let decided = workspace.ledger.events("gate-decided")?;
    let mut tables: BTreeMap<String, Option<DataVersion>> = BTreeMap::new();
    for stored in &decided {
        if let Event::GateDecided { decision, then: Some(_), .. } = &stored.event
            && !tables.contains_key(&decision.request.data_version)
        {
            let version = &decision.request.data_version;
            tables.insert(version.clone(), read_version(workspace, version)?);
        }
    }
    workspace.ledger.asking_often(|ledger| replayed_with(ledger, decided, &tables, with_facts))
}

fn replayed_with(
    ledger: &mut Ledger,
    decided: Vec<StoredEvent>,
    tables: &BTreeMap<String, Option<DataVersion>>,
    with_facts: bool,
) -> Result<Replayed, Failure> {
    let mut found = Replayed::default();
    // A release is decided about those whom the training before it admitted.
    let mut trained: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for stored in decided {
        let Event::GateDecided { decision, then: Some(then), .. } = stored.event else {
            found.gone += 1;
            continue;
        };
        let version = decision.request.data_version.clone();
        let Some(data) = tables.get(&version).and_then(Option::as_ref) else {
            found.gone += 1;
            continue;
        };
        let cap = then.cap.and_then(|c| NonZeroUsize::new(c as usize)).unwrap_or(NonZeroUsize::MAX);
        let (dataset, request) = (data.manifest.schema.dataset.clone(), &decision.request);
        let told = {
            let mut table = data.table.capped(cap);
            if request.use_ == Use::Release
                && let Some(units) = trained.get(&(version.clone(), request.purpose.clone()))
            {
                table = table.filter(|id| units.contains(&id.to_string()));
            }
            RowFacts::then(&table, data, &then)
        };
        let question = Question { known: Some(then.known), ..told.question(&dataset, request) };
        let (again, permit) = ledger.replay(&decision, &question)?;
        if let (Use::Training, Some(units)) = (request.use_, permit.as_ref().and_then(|p| p.allowed_units())) {
            trained.insert((version.clone(), request.purpose.clone()), units.iter().cloned().collect());
        }
        if again != decision {
            found.differing.push(stored.seq);
            continue;
        }
        found.same += 1;
        if with_facts {
            found.facts.insert(stored.seq, ledger.facts(&question)?);
        }
    }
    Ok(found)
}

fn read_version(workspace: &Workspace, version: &str) -> Result<Option<DataVersion>, Failure> {
    let path = crate::data_version::folder(workspace, version).join("table.parquet");
    if !path.exists() {
        return Ok(None);
    }
    let manifest = crate::data_version::read_manifest(workspace, version)?;
    let table = reticent_data::read_parquet(&path, &manifest.schema)?;
    Ok(Some(DataVersion { manifest, table }))
}
