//! Reads the ledger and what is declared, and says where each line comes from.

use super::wording::NOT_SAID;
use super::{Advice, Assessment, Cited, Decided, Fact, Part, Recommendation, Standing, State, Topic, Written, material, screening};
use crate::failure::Failure;
use crate::output::thousands;
use crate::privacy::{statement, up};
use crate::report::{Count, withhold};
use crate::workspace::Workspace;
use reticent_data::Dropped;
use reticent_govern::{AssessmentDecision, Event, StoredEvent};
use reticent_proof::Use;
use std::collections::BTreeMap;

/// The assessment of a purpose on a data set as it stands, both declared in `reticent.toml`.
///
/// # Errors
/// Where the ledger, or the evidence a decision rested on, cannot be read.
pub(crate) fn gather(workspace: &mut Workspace, dataset: &str, purpose: &str) -> Result<Assessment, Failure> {
    let mut record = Record { workspace, cited: BTreeMap::new() };
    let opened = record.last(
        "assessment-opened",
        |e| matches!(e, Event::AssessmentOpened { dataset: d, purpose: p, .. } if d == dataset && p == purpose),
    )?;
    let opened = opened.map(|stored| record.cite(&stored));
    let parts = parts(&mut record, dataset, purpose)?;
    let advice = advice(&mut record, dataset, purpose)?;
    let decision = decision(&mut record, dataset, purpose, &parts, &advice)?;
    let state = match (&opened, &decision) {
        (None, _) => State::NotOpened,
        (Some(_), None) => State::Open,
        (Some(_), Some(d)) if !d.changed.is_empty() => State::Reopened,
        (Some(_), Some(d)) => match d.decision {
            AssessmentDecision::Approved => State::Approved,
            AssessmentDecision::Refused => State::Refused,
            AssessmentDecision::ConsultAuthority => State::ConsultAuthority,
        },
    };
    let screening = screening(&record.workspace.config, dataset, purpose);
    let fria = screening.fria_is_due();
    let mut to_be_completed: Vec<String> = Part::ALL
        .into_iter()
        .filter(|p| p.is_required(fria) && !parts.iter().any(|w| w.part == p.name()))
        .map(|p| p.title().into())
        .collect();
    if advice.is_empty() {
        to_be_completed.push("advice of the data-protection officer".into());
    }
    if matches!(state, State::NotOpened | State::Open | State::Reopened) {
        to_be_completed.push("decision of the controller".into());
    }
    let processing = processing(record.workspace, dataset, purpose);
    let data = data(&mut record, dataset, purpose)?;
    let mut gaps = vec![];
    let evidence = evidence(&mut record, dataset, purpose, &mut gaps)?;
    let config = &record.workspace.config;
    let not_covered = crate::privacy::not_covered(config, dataset).into_iter().map(|what| format!("what no ε here covers: {what}"));
    Ok(Assessment {
        dataset: dataset.into(),
        purpose: purpose.into(),
        controller: config.controller.name.clone().unwrap_or_else(|| "no controller declared".into()),
        statement: config.statement.clone(),
        stamp: (!record.workspace.is_release()).then(|| "UNRELEASED experiment".into()),
        state,
        opened,
        processing,
        data,
        screening,
        parts,
        evidence,
        advice,
        decision,
        to_be_completed,
        gaps,
        not_said: NOT_SAID.map(str::to_owned).into_iter().chain(not_covered).collect(),
        events: record.cited.into_values().collect(),
        sha256: String::new(),
    }
    .sealed())
}

/// The ledger, and which of its events were used.
struct Record<'a> {
    workspace: &'a mut Workspace,
    cited: BTreeMap<i64, Cited>,
}

impl Record<'_> {
    /// Events of a kind that fit, oldest first.
    fn all(&mut self, kind: &str, fits: impl Fn(&Event) -> bool) -> Result<Vec<StoredEvent>, Failure> {
        Ok(self.workspace.ledger.events(kind)?.into_iter().filter(|s| fits(&s.event)).collect())
    }

    fn last(&mut self, kind: &str, fits: impl Fn(&Event) -> bool) -> Result<Option<StoredEvent>, Failure> {
        Ok(self.all(kind, fits)?.pop())
    }

    /// Notes that the document cites an event.
    fn cite(&mut self, stored: &StoredEvent) -> i64 {
        let cited =
            Cited { event: stored.seq, kind: stored.event.kind().into(), at: stored.at.clone(), commitment: stored.commitment.clone() };
        self.cited.insert(stored.seq, cited);
        stored.seq
    }
}

fn fact(name: impl Into<String>, value: impl Into<String>, standing: Standing, events: Vec<i64>) -> Fact {
    Fact { name: name.into(), value: value.into(), standing, events }
}

fn parts(record: &mut Record<'_>, dataset: &str, purpose: &str) -> Result<Vec<Written>, Failure> {
    let mut newest: BTreeMap<String, Written> = BTreeMap::new();
    for stored in record.all("assessment-updated", |_| true)? {
        let Event::AssessmentUpdated { dataset: d, purpose: p, sections } = &stored.event else { continue };
        if d != dataset || p != purpose {
            continue;
        }
        for (part, section) in sections {
            let title = Part::ALL.iter().find(|known| known.name() == part).map_or(part.as_str(), |known| known.title());
            let (text, author) = (section.text.clone(), section.author.clone());
            newest.insert(
                part.clone(),
                Written { part: part.clone(), title: title.into(), text, author, event: stored.seq, at: stored.at.clone() },
            );
        }
    }
    let used: Vec<i64> = newest.values().map(|w| w.event).collect();
    for stored in record.all("assessment-updated", |_| true)?.iter().filter(|s| used.contains(&s.seq)) {
        record.cite(stored);
    }
    // In the order of the document, parts of another program's naming last.
    let place = |part: &str| Part::ALL.iter().position(|known| known.name() == part).unwrap_or(Part::ALL.len());
    let mut all: Vec<Written> = newest.into_values().collect();
    all.sort_by_key(|w| place(&w.part));
    Ok(all)
}

fn advice(record: &mut Record<'_>, dataset: &str, purpose: &str) -> Result<Vec<Advice>, Failure> {
    let mut all = vec![];
    for stored in record.all("assessment-advised", |_| true)? {
        let Event::AssessmentAdvised { dataset: d, purpose: p, by, advice } = &stored.event else { continue };
        if d == dataset && p == purpose {
            let (recommendation, text) = Recommendation::split(advice);
            all.push(Advice { by: by.clone(), recommendation, text, event: record.cite(&stored), at: stored.at.clone() });
        }
    }
    Ok(all)
}

fn decision(
    record: &mut Record<'_>,
    dataset: &str,
    purpose: &str,
    parts: &[Written],
    advice: &[Advice],
) -> Result<Option<Decided>, Failure> {
    let found = record.last(
        "assessment-decided",
        |e| matches!(e, Event::AssessmentDecided { dataset: d, purpose: p, .. } if d == dataset && p == purpose),
    )?;
    let Some(stored) = found else { return Ok(None) };
    let event = record.cite(&stored);
    let Event::AssessmentDecided { by, decision, reason, .. } = stored.event else { return Ok(None) };
    let before = advice.iter().rfind(|a| a.event < event);
    let overrules = before.and_then(|a| a.recommendation).is_some_and(|r| !r.agrees_with(decision));
    let changed = material::changes(record.workspace, dataset, purpose, event)?;
    let later_parts = parts.iter().filter(|w| w.event > event).map(|w| w.title.clone()).collect();
    Ok(Some(Decided { by, decision, reason, overrules, changed, later_parts, event, at: stored.at }))
}

fn processing(workspace: &Workspace, dataset: &str, purpose: &str) -> Vec<Fact> {
    let config = &workspace.config;
    let (controller, declared) = (&config.controller, &config.purposes[purpose]);
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "not declared".into());
    let letter = |article: &str, c: Option<char>| c.map_or_else(|| "none declared".to_owned(), |c| format!("{article}({c})"));
    let declares = |name: &str, value: String| fact(name, value, Standing::Declared, vec![]);
    let mut all = vec![
        declares("purpose", known(&declared.description)),
        declares("term of the purpose", known(&declared.iri)),
        declares("controller", known(&controller.name)),
        declares("contact", known(&controller.contact)),
        declares("law it answers to", known(&controller.jurisdiction)),
        declares("who answers for the purpose", known(&declared.owner)),
        declares("kept for", declared.retention.as_deref().map_or_else(|| known(&None), crate::document::period)),
        declares("basis under Art 6", letter("(1)", declared.art6)),
        declares("condition under Art 9", letter("(2)", declared.art9)),
        declares("reasons to leave a unit out", listed(declared.exclude.iter().map(|r| r.words().to_owned()))),
    ];
    for (name, model) in config.models.iter().filter(|(_, m)| m.data == dataset && m.purpose == purpose) {
        if let Some(certified) = &model.certified {
            let terms = format!(
                "for removals, never released, without differential privacy: (ε, δ)-certified removal of a unit at ε = {}, δ = {:e}, with its assumptions",
                certified.epsilon, certified.delta
            );
            all.push(declares(&format!("model {name}"), terms));
            continue;
        }
        let privacy = &model.privacy;
        let terms = format!(
            "{}; at most ε = {} at δ = {:e} for {} together, one unit ({}, ≤ {} rows) added or removed",
            serde_json::json!(model.kind).as_str().unwrap_or_default(),
            privacy.epsilon,
            privacy.delta,
            if privacy.releases == 1 { "one release".to_owned() } else { format!("{} releases", privacy.releases) },
            config.data[dataset].unit,
            privacy.max_rows_per_subject
        );
        all.push(declares(&format!("model {name}"), terms));
    }
    all
}

fn data(record: &mut Record<'_>, dataset: &str, purpose: &str) -> Result<Vec<Fact>, Failure> {
    let of_dataset = |version: &str| version.split('/').next() == Some(dataset);
    let mut all = vec![];
    let versions = [record.last("data-imported", |e| matches!(e, Event::DataImported { version, .. } if of_dataset(version)))?];
    let reduced = [record.last("data-reduced", |e| matches!(e, Event::DataReduced { version, .. } if of_dataset(version)))?];
    if let Some(stored) = versions.into_iter().chain(reduced).flatten().max_by_key(|s| s.seq)
        && let Event::DataImported { version, records, units, .. } | Event::DataReduced { version, records, units, .. } = &stored.event
    {
        let event = record.cite(&stored);
        all.push(fact(format!("records in {version}"), Count::of(*records).to_string(), Standing::Recorded, vec![event]));
        all.push(fact(format!("units in {version}"), Count::of(*units).to_string(), Standing::Recorded, vec![event]));
    }
    let declared = &record.workspace.config.data[dataset];
    let special = declared.columns.declared.iter().filter_map(|c| c.special.as_ref().map(|s| format!("{} ({s})", c.name)));
    let dropped = match &declared.columns.dropped {
        Dropped::AllOthers => "every column not named".to_owned(),
        Dropped::Only(names) => listed(names.iter().cloned()),
    };
    all.push(fact("one unit", declared.unit.clone(), Standing::Declared, vec![]));
    all.push(fact("columns used", listed(declared.columns.declared.iter().map(|c| c.name.clone())), Standing::Declared, vec![]));
    all.push(fact("of these, special categories", listed(special), Standing::Declared, vec![]));
    all.push(fact("columns nobody reads", dropped, Standing::Declared, vec![]));
    let files = record.all("basis-file-imported", |e| matches!(e, Event::BasisFileImported { dataset: d, .. } if d == dataset))?;
    for stored in &files {
        let Event::BasisFileImported { file, events, .. } = &stored.event else { continue };
        let event = record.cite(stored);
        all.push(fact(format!("what people said, from {file}"), format!("{} events", Count::of(*events)), Standing::Recorded, vec![event]));
    }
    let asked = record.last("gate-decided", |e| {
        matches!(e, Event::GateDecided { decision, .. } if decision.request.purpose == purpose && decision.request.use_ == Use::Training && of_dataset(&decision.request.data_version))
    })?;
    if let Some(stored) = asked
        && let Event::GateDecided { decision, .. } = &stored.event
    {
        let event = record.cite(&stored);
        let line = |name: String, units: Count, records: Count| {
            fact(name, format!("{units} units, {records} records"), Standing::Recorded, vec![event])
        };
        let verdict = if decision.allowed { "permitted under the recorded policy" } else { "refused under the recorded policy" };
        all.push(fact("newest request to train", verdict, Standing::Recorded, vec![event]));
        if decision.allowed {
            all.push(line("admitted".into(), decision.admitted.units.into(), decision.admitted.records.into()));
        }
        // What is left out is known in all, so that a single masked count would follow from the others.
        let total = |of: fn(&reticent_proof::Count) -> u64| Some(decision.excluded.values().map(of).sum());
        let mut units: Vec<Count> = decision.excluded.values().map(|c| c.units.into()).collect();
        let mut records: Vec<Count> = decision.excluded.values().map(|c| c.records.into()).collect();
        withhold(units.iter_mut(), total(|c| c.units));
        withhold(records.iter_mut(), total(|c| c.records));
        let left_out = decision.excluded.keys().zip(units).zip(records);
        all.extend(left_out.map(|((reason, units), records)| line(format!("left out: {}", reason.words()), units, records)));
    }
    Ok(all)
}

fn evidence(record: &mut Record<'_>, dataset: &str, purpose: &str, gaps: &mut Vec<String>) -> Result<Vec<Topic>, Failure> {
    let mut topics = vec![];
    topics.extend(proved(record, dataset)?);
    if topics.is_empty() {
        gaps.push("no model was charged to a budget yet: no bound is proved".into());
    }
    let (own, elsewhere) = recorded(record, dataset, purpose)?;
    if !own.iter().any(|(topic, _)| topic == "audit") {
        gaps.push("no attack on a model of this purpose is on record: nothing was measured about what it gives away".into());
    }
    topics.extend(own.into_iter().map(|(_, t)| t));
    topics.extend(erased(record, dataset)?);
    topics.extend(elsewhere);
    Ok(topics)
}

/// The budget statement: what all releases and reserves together can reveal at most.
fn proved(record: &mut Record<'_>, dataset: &str) -> Result<Vec<Topic>, Failure> {
    let mut topics = vec![];
    for budget in record.workspace.ledger.budgets()?.into_iter().filter(|b| b.dataset == dataset) {
        let Some(s) = statement(&record.workspace.config, &budget)? else { continue };
        let opened = record
            .last("budget-opened", |e| matches!(e, Event::BudgetOpened { dataset: d, unit, .. } if d == dataset && *unit == budget.unit))?;
        let opened = opened.map(|stored| record.cite(&stored));
        let (mut facts, mut charges) = (vec![], vec![]);
        for release in &s.releases {
            let of_run = |e: &Event| match e {
                Event::BudgetReserved { run, .. } | Event::RetrainingReserved { run, .. } => *run == release.run,
                Event::ModelReleased(r) => r.run == release.run && r.model == release.name,
                Event::ReleaseRecalled { model, .. } => *model == release.name,
                _ => false,
            };
            let mut events = vec![];
            let mut recalled = "";
            for kind in ["budget-reserved", "retraining-reserved", "model-released", "release-recalled"] {
                for stored in record.all(kind, of_run)? {
                    events.push(record.cite(&stored));
                    recalled = if kind == "release-recalled" { ", recalled" } else { recalled };
                }
            }
            charges.extend(events.iter().copied());
            let value = format!(
                "{}{recalled}: ε ≤ {} alone, ε ≤ {} with those before it",
                release.state,
                up(release.epsilon),
                up(release.cumulative_epsilon)
            );
            facts.push(fact(release.name.clone(), value, Standing::Proved, events));
        }
        charges.sort_unstable();
        charges.dedup();
        let joint = format!("ε ≤ {} at δ = {:e}, {}, {}", up(s.epsilon_upper), s.delta, s.neighbours, s.unit);
        facts.insert(0, fact("all releases and reserves together", joint, Standing::Proved, charges));
        let terms = format!("ε {} at the same δ, for all that is ever released from these data", s.budget_epsilon);
        facts.push(fact("budget", terms, Standing::Recorded, opened.into_iter().collect()));
        topics.push(Topic {
            title: "What releases can reveal at most".into(),
            about: format!("{dataset}, {}", s.unit),
            note: format!("All ε at δ = {:e}, {}, {}. Proved from the plans that ran ({}), whatever an attacker does; not an estimate of what was revealed.", s.delta, s.neighbours, s.unit, s.accountant),
            facts,
        });
    }
    Ok(topics)
}

/// Topics of evidence and their headings, in the order of the document, with what may be read from them.
const TOPICS: [(&str, &str, &str); 6] = [
    ("scan", "Personal data found before training", "What was not found may still be there."),
    ("selection", "Which columns were needed", "Chosen by what a metric loses; whether a column is needed for the purpose, people say."),
    (
        "audit",
        "What attacks measured",
        "A measured lower bound holds with its confidence for the attacks that were made; estimates bound nothing.",
    ),
    ("text-audit", "What a text model gives away", "Planted secrets are invented. An exposure is an estimate."),
    ("explanation", "Decisions explained", "What contributed most to a score under a method, not why somebody was treated as they were."),
    (
        "certified-removal",
        "Removal of a unit from a model",
        "An (ε, δ)-certified removal of the model, with its assumptions; old and new model together are not covered.",
    ),
];

type ByTopic = Vec<(String, Topic)>;

/// The newest evidence on each topic and thing: about this purpose and data set, and about anything else in the workspace.
fn recorded(record: &mut Record<'_>, dataset: &str, purpose: &str) -> Result<(ByTopic, Vec<Topic>), Failure> {
    let config = &record.workspace.config;
    let models = config.models.iter().filter(|(_, m)| m.data == dataset && m.purpose == purpose).map(|(name, _)| name.clone());
    let mine: Vec<String> = models.chain([dataset.to_owned(), config.data[dataset].file.clone()]).collect();
    let mut newest: BTreeMap<(usize, String, String), StoredEvent> = BTreeMap::new();
    for stored in record.all("evidence-recorded", |_| true)? {
        let Event::EvidenceRecorded { topic, about, .. } = &stored.event else { continue };
        let Some(place) = TOPICS.iter().position(|(known, ..)| known == topic) else { continue };
        newest.insert((place, topic.clone(), about.clone()), stored);
    }
    let (mut own, mut elsewhere) = (vec![], vec![]);
    for ((place, topic, about), stored) in newest {
        let Event::EvidenceRecorded { numbers, file, sha256, .. } = &stored.event else { continue };
        let event = record.cite(&stored);
        let (_, title, note) = TOPICS[place];
        let mut facts: Vec<Fact> = numbers
            .iter()
            .filter(|(name, _)| *name != "delta")
            .map(|(name, value)| number(name, *value, numbers.get("delta"), event))
            .collect();
        facts.push(fact("the whole of it", format!("{file}, SHA-256 {sha256}"), Standing::Recorded, vec![event]));
        let is_mine =
            about.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))).any(|word| mine.iter().any(|m| m == word));
        let note = if is_mine { note.to_owned() } else { format!("About something else in this workspace. {note}") };
        let topic_of = Topic { title: title.into(), about, note, facts };
        if is_mine { own.push((topic, topic_of)) } else { elsewhere.push(topic_of) }
    }
    Ok((own, elsewhere))
}

/// A number of evidence by its name: `epsilon_lower…` is a measured lower bound, `epsilon_upper…` a proved upper one, anything else an
/// estimate; a count (`…units`, `…rows`, `…records`, `…removals`) from 1 to 9 is masked.
pub(crate) fn number(name: &str, value: f64, delta: Option<&f64>, event: i64) -> Fact {
    let at = delta.map_or_else(String::new, |delta| format!(" at δ = {delta:e}"));
    let (text, standing) = if name.starts_with("epsilon_lower") {
        (format!("ε ≥ {:.3}{at}", (value * 1000.0).floor() / 1000.0), Standing::MeasuredLower)
    } else if name.starts_with("epsilon_upper") {
        (format!("ε ≤ {}{at}", up(value)), Standing::Proved)
    } else if ["units", "rows", "records", "removals", "members"].iter().any(|count| name.ends_with(count)) {
        (Count::of(value.max(0.0) as u64).to_string(), Standing::Recorded)
    } else if value.fract() == 0.0 && value.abs() < 1e15 {
        (format!("{}{}", if value < 0.0 { "\u{2212}" } else { "" }, thousands(value.abs() as u64)), Standing::Measured)
    } else {
        (format!("{value:.4}").trim_end_matches('0').to_owned(), Standing::Measured)
    };
    fact(name.replace('_', " "), text, standing, vec![event])
}

/// Erasures so far: counts, and no name.
fn erased(record: &mut Record<'_>, dataset: &str) -> Result<Option<Topic>, Failure> {
    let all = record.all("subject-erased", |e| matches!(e, Event::SubjectErased { dataset: d, .. } if d == dataset))?;
    if all.is_empty() {
        return Ok(None);
    }
    let (mut events, mut rows) = (vec![], 0);
    for stored in &all {
        events.push(record.cite(stored));
        rows += if let Event::SubjectErased { rows, .. } = &stored.event { *rows } else { 0 };
    }
    let facts = vec![
        fact("units erased", Count::of(all.len() as u64).to_string(), Standing::Recorded, events.clone()),
        fact("rows removed with them", Count::of(rows).to_string(), Standing::Recorded, events),
    ];
    let note =
        "Removed from the listed stores; models retrained without, or listed as left: the signed erasure record of each names both.".into();
    Ok(Some(Topic { title: "Who asked to be erased".into(), about: dataset.into(), note, facts }))
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".into() } else { items.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_for_what_their_names_say() {
        for (name, value, text, standing) in [
            ("epsilon_lower", 0.2139, "ε ≥ 0.213 at δ = 1e-5", Standing::MeasuredLower),
            ("epsilon_upper", 1.7201, "ε ≤ 1.721 at δ = 1e-5", Standing::Proved),
            ("auc", 0.517, "0.517", Standing::Measured),
            ("shadow_models", 32.0, "32", Standing::Measured),
            ("attacked_units", 7.0, "<10", Standing::Recorded),
            ("attacked_units", 1200.0, "1,200", Standing::Recorded),
            ("gain", -2.0, "\u{2212}2", Standing::Measured),
        ] {
            let found = number(name, value, Some(&1e-5), 4);
            assert_eq!((found.value.as_str(), found.standing, found.events), (text, standing, vec![4]), "{name}");
        }
    }
}
