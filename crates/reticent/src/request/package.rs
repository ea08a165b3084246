//! The answer to an access request: everything that is held about one person, in words and as data, and nothing about anybody else.

use super::{File, Subject, answer_folder};
use crate::data_version::{latest_manifest, load_latest};
use crate::decided::{self, Decided};
use crate::disk;
use crate::failure::Failure;
use crate::privacy::{bound, statement};
use crate::verbs::train::run::own_losses;
use crate::verbs::train::{SPLIT_SEED, manifest_of, newest};
use crate::workspace::Workspace;
use reticent_data::{SubjectId, encode, is_in_test};
use reticent_govern::{Case, Entry, Event, GroundThen};
use reticent_proof::log::Log;
use reticent_proof::record::{LogEntry, OwnEvent};
use reticent_train::{Individual, load_weights};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Everything about one person. No `Debug`: it holds values of rows.
#[derive(Serialize)]
pub(crate) struct Package {
    pub(super) schema_version: u32,
    pub(super) request: u64,
    pub(super) right: &'static str,
    pub(super) article: &'static str,
    pub(super) received: String,
    pub(super) controller: String,
    pub(super) contact: String,
    /// What is real here and what is not, as declared.
    pub(super) statement: Option<String>,
    pub(super) data: Vec<Held>,
    pub(super) bases: Vec<Basis>,
    pub(super) contained_in: Vec<Contained>,
    pub(super) models: Vec<OfModel>,
    /// Decisions in which a model took part, as far as they are kept.
    pub(super) decisions: Vec<OfDecision>,
    pub(super) purposes: Vec<OfPurpose>,
    pub(super) recipients: Vec<Receives>,
    pub(super) requests: Vec<Earlier>,
    /// What opens the log's entries about the person, for them to show to whom they like: in the data, not on the page.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) own_events: Vec<OwnEvent>,
    /// What no single answer shows.
    pub(super) notes: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Held {
    pub(super) dataset: String,
    pub(super) version: String,
    pub(super) source: String,
    pub(super) since: String,
    /// How the person is named there.
    pub(super) pseudonym: String,
    pub(super) columns: Vec<String>,
    pub(super) records: Vec<Record>,
    /// Columns left out because they say something about somebody else.
    pub(super) withheld: Vec<String>,
    /// Columns of the source that were never taken in.
    pub(super) dropped: String,
}

#[derive(Serialize)]
pub(super) struct Record {
    pub(super) record: String,
    pub(super) values: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Basis {
    pub(super) dataset: String,
    pub(super) purpose: String,
    pub(super) state: &'static str,
    pub(super) at: String,
    pub(super) art6: Option<char>,
    pub(super) art9: Option<char>,
    pub(super) notice: Option<String>,
    pub(super) expires: Option<String>,
    pub(super) guardian: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Contained {
    #[serde(rename = "in")]
    pub(super) name: String,
    pub(super) ground: GroundThen,
    pub(super) recalled: bool,
}

#[derive(Serialize)]
pub(super) struct OfModel {
    pub(super) model: String,
    pub(super) purpose: String,
    /// Event of its release.
    pub(super) event: i64,
    pub(super) at: String,
    /// Whether the person's rows were among those it learned from.
    pub(super) learned_from_you: bool,
    /// Whether they were among those on which it was tested.
    pub(super) tested_on_you: bool,
    pub(super) recalled: bool,
    /// The stated bound, with δ, unit and neighbours.
    pub(super) bound: Option<String>,
    /// The person's own, where it is kept: of the run that took place.
    pub(super) own_bound: Option<OwnBound>,
    /// What it answers on each of the person's records now.
    pub(super) answers: Vec<AnswerOnRecord>,
    /// Why there is none.
    pub(super) no_answers: Option<String>,
}

#[derive(Serialize)]
pub(super) struct OwnBound {
    pub(super) epsilon: f64,
    pub(super) delta: f64,
}

#[derive(Serialize)]
pub(super) struct AnswerOnRecord {
    pub(super) record: String,
    pub(super) class: String,
    pub(super) probability: f64,
}

#[derive(Serialize)]
pub(super) struct OfDecision {
    pub(super) at: String,
    pub(super) model: String,
    pub(super) purpose: String,
    pub(super) class: String,
    pub(super) probability: f64,
    /// Whether nobody looked at it (Art 22). Who decided is not told: who works here is nobody's business.
    pub(super) by_the_model_alone: bool,
}

#[derive(Serialize)]
pub(super) struct OfPurpose {
    pub(super) purpose: String,
    pub(super) description: String,
    pub(super) art6: Option<char>,
    pub(super) retention: String,
    pub(super) automated: String,
}

#[derive(Serialize)]
pub(super) struct Receives {
    pub(super) name: String,
    pub(super) country: String,
    pub(super) transfer: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Earlier {
    pub(super) request: u64,
    pub(super) right: &'static str,
    pub(super) received: String,
    pub(super) state: String,
}

/// Gathers it.
pub(super) fn gather(workspace: &mut Workspace, case: &Case, file: &File, held: &[Subject]) -> Result<Package, Failure> {
    let mut package = Package {
        schema_version: 1,
        request: case.number,
        right: case.right.name(),
        article: case.right.article(),
        received: case.received.to_string(),
        controller: workspace.config.controller.name.clone().unwrap_or_default(),
        contact: workspace.config.controller.contact.clone().unwrap_or_default(),
        statement: workspace.config.statement.clone(),
        data: vec![],
        bases: vec![],
        contained_in: vec![],
        models: vec![],
        decisions: vec![],
        purposes: vec![],
        recipients: vec![],
        requests: vec![],
        own_events: vec![],
        notes: notes(),
    };
    for subject in held {
        package.of_data(workspace, file, subject)?;
        package.of_ledger(workspace, subject)?;
        if file.openings {
            package.of_log(workspace, subject)?;
        }
        package.of_models(workspace, file, subject)?;
        package.decisions.extend(decided::about(workspace, subject)?.into_iter().map(OfDecision::from));
    }
    package.of_purposes(workspace, &case.datasets);
    let now = workspace.ledger.now()?;
    let received = super::carry_out::recipients(workspace, &case.datasets)?;
    for event in workspace.ledger.register("recipient", now, None)?.into_values() {
        if let Entry::Recipient(r) = event.entry
            && received.contains(&r.name)
        {
            package.recipients.push(Receives { name: r.name, country: r.country, transfer: r.transfer });
        }
    }
    let cases = workspace.ledger.requests()?;
    for earlier in super::all(workspace)? {
        if let Some(c) = cases.get(&earlier.number).filter(|c| c.number != case.number && earlier.subjects.iter().any(|s| held.contains(s)))
        {
            let state = serde_json::to_value(c.state).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
            package.requests.push(Earlier { request: c.number, right: c.right.name(), received: c.received.to_string(), state });
        }
    }
    Ok(package)
}

impl Package {
    pub(super) fn rows(&self) -> u64 {
        self.data.iter().map(|d| d.records.len() as u64).sum()
    }

    fn of_data(&mut self, workspace: &mut Workspace, file: &File, subject: &Subject) -> Result<(), Failure> {
        if latest_manifest(workspace, &subject.dataset)?.is_none() {
            return Ok(());
        }
        let version = load_latest(workspace, &subject.dataset)?;
        let own = version.table.filter(|id| id == subject.pseudonym);
        let shown = |name: &String| !file.withhold.contains(name);
        let names: Vec<String> = own.schema().columns.iter().map(|c| c.name.clone()).chain([own.schema().target.column.clone()]).collect();
        let records = (0..own.rows()).map(|row| {
            let values = own.row_texts(row).into_iter().filter(|(name, _)| shown(name)).map(|(_, value)| value).collect();
            Record { record: own.records()[row].clone(), values }
        });
        let since = crate::data_version::held_since(workspace, &version.manifest.version)?;
        self.data.push(Held {
            dataset: subject.dataset.clone(),
            version: version.manifest.version.clone(),
            source: version.manifest.source.file.clone(),
            since: since.map_or_else(String::new, crate::document::day),
            pseudonym: subject.pseudonym.to_string(),
            records: records.collect(),
            withheld: names.iter().filter(|n| !shown(n)).cloned().collect(),
            columns: names.into_iter().filter(shown).collect(),
            dropped: match &own.schema().dropped {
                reticent_data::Dropped::Only(columns) if columns.is_empty() => "none".into(),
                reticent_data::Dropped::Only(columns) => columns.join(", "),
                reticent_data::Dropped::AllOthers => "every other column of the source".into(),
            },
        });
        Ok(())
    }

    fn of_ledger(&mut self, workspace: &mut Workspace, subject: &Subject) -> Result<(), Failure> {
        let name = subject.pseudonym.to_string();
        for e in workspace.ledger.basis_events(&subject.dataset, Some(&name))? {
            self.bases.push(Basis {
                dataset: e.dataset,
                purpose: e.purpose,
                state: e.state.name(),
                at: crate::document::day(e.since),
                art6: e.art6,
                art9: e.art9,
                notice: e.notice,
                expires: e.expires.map(crate::document::day),
                // In free words: somebody else may be named there.
                guardian: e.detail.guardian.map(|text| without_others(&text)),
            });
        }
        let recalled = workspace.ledger.recalled()?;
        for (name, ground) in workspace.ledger.contains_unit(&name)? {
            self.contained_in.push(Contained { recalled: recalled.contains(&name), name, ground });
        }
        Ok(())
    }

    fn of_log(&mut self, workspace: &mut Workspace, subject: &Subject) -> Result<(), Failure> {
        let Some(own) = workspace.ledger.own_openings(&subject.pseudonym.to_string())? else { return Ok(()) };
        workspace.publish()?;
        let log = Log::open(workspace.hidden("log"))?;
        for (kind, opening) in own.openings {
            let proof = log.prove(opening.seq as u64 - 1)?;
            self.own_events.push(OwnEvent { kind: kind.into(), subject_key: hex::encode(own.key), log: LogEntry::new(opening, &proof) });
        }
        Ok(())
    }

    fn of_models(&mut self, workspace: &mut Workspace, file: &File, subject: &Subject) -> Result<(), Failure> {
        let recalled = workspace.ledger.recalled()?;
        let unit = workspace.config.data.get(&subject.dataset).map(|d| d.unit.clone()).unwrap_or_default();
        let stated = match workspace.ledger.budget(&subject.dataset, &unit)? {
            Some(budget) => statement(&workspace.config, &budget)?,
            None => None,
        };
        let stated = stated.map(|s| {
            let together: Vec<&str> = s.releases.iter().map(|r| r.name.as_str()).collect();
            format!("{}, {}, {}, for {} together", bound(s.epsilon_upper, s.delta), s.neighbours, s.unit, together.join(", "))
        });
        for stored in workspace.ledger.events("model-released")? {
            let Event::ModelReleased(release) = stored.event else { continue };
            if release.data_version.split('/').next() != Some(&subject.dataset) {
                continue;
            }
            let gone = recalled.contains(&release.model);
            let (answers, no_answers) = match answers(workspace, &release.model, subject, &file.withhold) {
                _ if gone => (vec![], Some("it was recalled and answers no longer".into())),
                Ok(answers) => (answers, None),
                Err(why) => (vec![], Some(why.message)),
            };
            let took_part = self.contained_in.iter().any(|c| c.name == release.model);
            let held_out = took_part && is_in_test(subject.pseudonym, manifest_of(workspace, &release.model)?.test_fraction, SPLIT_SEED);
            let own_bound = own_bound(workspace, &release.model, subject.pseudonym)?;
            self.models.push(OfModel {
                learned_from_you: took_part && !held_out,
                tested_on_you: took_part && held_out,
                model: release.model,
                purpose: release.purpose,
                event: stored.seq,
                at: stored.at,
                recalled: gone,
                bound: stated.clone(),
                own_bound,
                answers,
                no_answers,
            });
        }
        Ok(())
    }

    fn of_purposes(&mut self, workspace: &Workspace, datasets: &[String]) {
        let config = &workspace.config;
        let mut names: Vec<&String> = config.models.values().filter(|m| datasets.contains(&m.data)).map(|m| &m.purpose).collect();
        names.extend(self.bases.iter().filter(|b| b.purpose != "*").map(|b| &b.purpose));
        names.sort();
        names.dedup();
        let of = names.iter().filter_map(|name| Some((*name, config.purposes.get(*name)?)));
        let purposes: Vec<OfPurpose> = of
            .map(|(name, p)| OfPurpose {
                purpose: name.clone(),
                description: p.description.clone().unwrap_or_default(),
                art6: p.art6,
                retention: p.retention.clone().unwrap_or_else(|| "not declared".into()),
                automated: match p.art22 {
                    crate::config::Art22::None => "no decision is declared to rest on the model alone".into(),
                    art22 => format!("decisions rest on the model, Art 22(2)({art22:?})").to_lowercase().replace("art", "Art"),
                },
            })
            .collect();
        self.purposes = purposes;
    }

    /// Writes the page and the data where only their owner reads them. A portable copy is data alone: what the person provided.
    pub(super) fn write(&self, workspace: &Workspace, number: u64, portable: bool) -> Result<Vec<PathBuf>, Failure> {
        let folder = answer_folder(workspace, number);
        disk::create_private_folder(&folder)?;
        let mut files = vec![];
        let mut put = |name: &str, text: String| -> Result<(), Failure> {
            let path = folder.join(name);
            disk::write_private(&path, text.as_bytes())?;
            files.push(path);
            Ok(())
        };
        if portable {
            for held in &self.data {
                put(&format!("{}.csv", held.dataset), held.csv())?;
            }
            put("data.json", format!("{:#}\n", serde_json::json!({ "schema_version": 1, "request": self.request, "data": self.data })))?;
        } else {
            put("answer.html", super::page::page(self).html())?;
            put("answer.json", format!("{:#}\n", serde_json::json!(self)))?;
        }
        Ok(files)
    }
}

impl From<Decided> for OfDecision {
    fn from(d: Decided) -> Self {
        let Decided { model, purpose, at, class, probability, by, .. } = d;
        Self { at, model, purpose, class, probability, by_the_model_alone: by.is_none() }
    }
}

impl Held {
    /// As a table that a spreadsheet opens and executes nothing of.
    fn csv(&self) -> String {
        let cell = |text: &str| {
            // A number may begin with a sign; a text that a spreadsheet would compute may not.
            let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
            let text = if formula { format!("'{text}") } else { text.to_owned() };
            if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
        };
        let head: Vec<String> = std::iter::once("record".to_owned()).chain(self.columns.iter().map(|c| cell(c))).collect();
        let mut text = head.join(",") + "\n";
        for record in &self.records {
            let row: Vec<String> = std::iter::once(&record.record).chain(&record.values).map(|v| cell(v)).collect();
            text += &(row.join(",") + "\n");
        }
        text
    }
}

/// What a release answers on the person's own records.
fn answers(workspace: &mut Workspace, release: &str, subject: &Subject, withhold: &[String]) -> Result<Vec<AnswerOnRecord>, Failure> {
    let name = release.split('/').next().unwrap_or_default();
    if !workspace.config.models.contains_key(name) {
        return Err(Failure::failed("reticent.toml declares it no longer"));
    }
    let (manifest, weights, _) = newest(workspace, name)?;
    if manifest.model != release {
        return Err(Failure::failed(format!("{} is in its place", manifest.model)));
    }
    if !withhold.is_empty() {
        return Err(Failure::failed("it reads columns that say something about somebody else"));
    }
    let version = load_latest(workspace, &subject.dataset)?;
    if version.manifest.schema != manifest.schema {
        return Err(Failure::failed("it was trained on other columns than are held now"));
    }
    let own = version.table.filter(|id| id == subject.pseudonym);
    let encoded = encode(&own);
    let classes = manifest.schema.target.classes.names(&manifest.schema.target.column);
    let all = load_weights(&weights)?.probabilities(&encoded.inputs, encoded.width);
    let best = |p: &[f64]| (0..p.len()).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap_or(0);
    Ok(all
        .chunks_exact(classes.len())
        .zip(own.records())
        .map(|(p, record)| AnswerOnRecord { record: record.clone(), class: classes[best(p)].clone(), probability: p[best(p)] })
        .collect())
}

/// The bound that the person's own gradients gave in the run of a release; `None` where none was kept, or the person took no part.
fn own_bound(workspace: &Workspace, release: &str, unit: SubjectId) -> Result<Option<OwnBound>, Failure> {
    let path = own_losses(workspace, release);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).map_err(|e| disk::io("read", &path, &e))?;
    let manifest = manifest_of(workspace, release)?;
    let epsilon = Individual::epsilon_in(&bytes, &manifest.plan, unit, manifest.delta)?;
    Ok(epsilon.map(|epsilon| OwnBound { epsilon, delta: manifest.delta }))
}

/// Whether some row of the person rests on consent or a contract.
pub(super) fn rests_on_consent_or_contract(workspace: &mut Workspace, held: &[Subject]) -> Result<bool, Failure> {
    for subject in held {
        let events = workspace.ledger.basis_events(&subject.dataset, Some(&subject.pseudonym.to_string()))?;
        if events.iter().any(|e| matches!(e.art6, Some('a' | 'b'))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A free text without names, addresses and numbers of other people (Art 15(4)).
fn without_others(text: &str) -> String {
    reticent_minimise::Scanner::default().redact(text, reticent_minimise::Style::default()).0
}

fn notes() -> Vec<String> {
    [
        "Decisions are listed where they were made here. Answers that models gave to others about you are not kept: who asked for them keeps them.",
        "The stated bound is the same for everybody. Your own bound, where there is one, follows from your rows and from noised models: it says what the training that took place could reveal about you, and is told to nobody else.",
        "Texts in which other people are named are shown without them; columns that say something about somebody else are named and left out (Art 15(4)).",
        "Ask for an explanation of a score (Art 15(1)(h), AI Act Art 86): it is made on request and not kept.",
        "You may have it put right, erased or restricted, object, take it with you, have a decision looked at again by a person, and complain to a supervisory authority (Art 15(1)(e), (f)).",
        "Our public log holds a sealed entry for each event about you. Ask for what opens them, to show it to whom you like: they can then check it with our public key (`reticent-verify own answer.json --key KEY`).",
        "Backups may hold copies; they are not read to answer a request.",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Bases by purpose, newest last, for the page.
pub(super) fn by_purpose(bases: &[Basis]) -> BTreeMap<&str, Vec<&Basis>> {
    let mut all: BTreeMap<&str, Vec<&Basis>> = BTreeMap::new();
    for basis in bases {
        all.entry(basis.purpose.as_str()).or_default().push(basis);
    }
    all
}
