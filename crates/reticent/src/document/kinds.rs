//! Which documents there are, and what each is made of.

mod cards;
mod law;

use super::gather::{Reader, declared, minute, recorded};
use super::{Block, Document, Section};
use crate::assessment::{self, Fact};
use crate::failure::Failure;
use crate::workspace::Workspace;
use clap::ValueEnum;
use reticent_govern::BreachStep;

/// A document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Impact assessment (GDPR Art 35), the facts of `reticent assess`
    Dpia,
    /// Record of processing activities (Art 30)
    Ropa,
    /// Assessment of a legitimate interest (Art 6(1)(f))
    Lia,
    /// Privacy notice (Art 13, 14)
    Notice,
    /// Record of a breach (Art 33(5))
    Breach,
    /// Card of a model
    ModelCard,
    /// Card of a data set
    DataCard,
    /// Risk assessment (CCPA, 11 CCR 7150 to 7157)
    CcpaRisk,
    /// The impact assessment as JSON of the CNIL's PIA software
    Pia,
}

impl Kind {
    /// Its name, also of the files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dpia => "dpia",
            Self::Ropa => "ropa",
            Self::Lia => "lia",
            Self::Notice => "notice",
            Self::Breach => "breach",
            Self::ModelCard => "model-card",
            Self::DataCard => "data-card",
            Self::CcpaRisk => "ccpa-risk",
            Self::Pia => "pia",
        }
    }
}

/// What it is about.
pub(crate) struct About {
    pub(crate) dataset: String,
    pub(crate) purpose: String,
    /// A model or release.
    pub(crate) model: Option<String>,
    pub(crate) breach: Option<u64>,
}

/// Makes the document from what is on record now.
pub(crate) fn document(workspace: &mut Workspace, kind: Kind, about: &About) -> Result<Document, Failure> {
    match kind {
        Kind::Dpia | Kind::Pia => dpia(workspace, about),
        Kind::Ropa => law::ropa(workspace),
        Kind::Lia => law::lia(workspace, about),
        Kind::Notice => law::notice(workspace, about),
        Kind::CcpaRisk => law::ccpa_risk(workspace, about),
        Kind::ModelCard => cards::model(workspace, about),
        Kind::DataCard => cards::data(workspace, about),
        Kind::Breach => breach(workspace, about),
    }
}

/// The assessment in the form of the other documents; its page with every link is `reticent assess render`.
fn dpia(workspace: &mut Workspace, about: &About) -> Result<Document, Failure> {
    let a = assessment::gather(workspace, &about.dataset, &about.purpose)?;
    let criteria = a
        .screening
        .criteria
        .iter()
        .chain([&a.screening.fria])
        .map(|c| vec![c.name.to_owned(), c.answer.words().to_owned(), c.why.clone()])
        .collect();
    let head = ["criterion", "answer", "read from"].map(str::to_owned).to_vec();
    let mut parts: Vec<Block> = vec![];
    for written in &a.parts {
        parts.push(Block::Heading(written.title.clone()));
        parts.push(Block::Text(format!("Written by {} (event {}).", written.author, written.event)));
        parts.push(Block::Text(written.text.clone()));
    }
    let people = |part: &&String| !part.contains("advice of") && !part.contains("decision of");
    parts.extend(a.to_be_completed.iter().filter(people).map(|part| Block::Missing(part.clone())));
    let evidence = a
        .evidence
        .iter()
        .flat_map(|t| [Block::Heading(format!("{}: {}", t.title, t.about)), Block::Text(t.note.clone()), Block::Facts(t.facts.clone())]);
    let mut decided: Vec<Block> =
        a.advice.iter().map(|v| Block::Text(format!("{} advised (event {}): {}", v.by, v.event, v.text))).collect();
    if a.advice.is_empty() {
        decided.push(Block::Missing("advice of the data-protection officer".into()));
    }
    decided.push(match &a.decision {
        Some(d) => {
            Block::Text(format!("{} decided as controller (event {}). {} {}", d.by, d.event, capitalised(a.state.words()), d.reason))
        }
        None => Block::Missing("the decision of the controller".into()),
    });
    Ok(Document {
        kind: "dpia".into(),
        title: format!("Impact assessment: {} on {}", a.purpose, a.dataset),
        controller: a.controller.clone(),
        statement: a.statement.clone(),
        stamp: a.stamp.clone(),
        lead: format!("This assessment is {}.", a.state.words()),
        sections: vec![
            Section::new("processing", "The processing", vec![Block::Facts(a.processing.clone())]),
            Section::new("data", "The data and whose they are", vec![Block::Facts(a.data.clone())]),
            Section::new(
                "screening",
                "Whether an assessment is needed",
                vec![Block::Text(a.screening.outcome.clone()), Block::Table { head, rows: criteria }],
            ),
            Section::new("parts", "What people wrote", parts),
            Section::new("evidence", "What is on record about the outcome", evidence.collect()),
            Section::new("decision", "Advice and decision", decided),
            Section::new("not-said", "What this assessment does not say", vec![Block::List(a.not_said.clone())]),
        ],
        events: a.events.clone(),
        sha256: String::new(),
    }
    .sealed())
}

fn breach(workspace: &mut Workspace, about: &About) -> Result<Document, Failure> {
    let breaches = workspace.ledger.breaches()?;
    let number = about.breach.or_else(|| breaches.keys().last().copied());
    let Some(breach) = number.and_then(|n| breaches.get(&n)).cloned() else {
        return Err(Failure::usage("no such breach is on record").hint("record one with `reticent breach open`"));
    };
    let now = workspace.ledger.now()?;
    let mut reader = Reader::new(workspace);
    for stored in reader.events("breach")? {
        if breach.steps.iter().any(|(seq, _)| *seq == stored.seq) {
            reader.cite(&stored);
        }
    }
    let (mut facts, mut measures, mut decisions) = (vec![], vec![], vec![]);
    for (seq, step) in &breach.steps {
        let events = vec![*seq];
        match step {
            BreachStep::Aware { at, nature, concerns, people } => {
                facts.push(recorded("known since", minute(*at), events.clone()));
                facts.push(recorded("what happened", nature.clone(), events.clone()));
                facts.push(recorded("data and models concerned", listed(concerns), events.clone()));
                let people = people.map_or_else(|| "not known yet".to_owned(), |n| format!("about {n}"));
                facts.push(recorded("people concerned", people, events));
            }
            BreachStep::Assessed { consequences, measures: taken } => {
                measures.push(recorded("likely consequences", consequences.clone(), events.clone()));
                measures.push(recorded("measures taken or proposed", taken.clone(), events));
            }
            BreachStep::AuthorityNotified { at, delay } => {
                decisions.push(recorded("authority notified", minute(*at), events.clone()));
                if let Some(delay) = delay {
                    decisions.push(recorded("why after 72 hours", delay.clone(), events));
                }
            }
            BreachStep::NoRisk { by, reason } => decisions.push(recorded("authority not notified", format!("{by}: {reason}"), events)),
            BreachStep::PeopleDecided { by, told, reason } => {
                let what = if *told { "people are told" } else { "people are not told" };
                decisions.push(recorded(what, format!("{by}: {reason}"), events));
            }
            BreachStep::ControllerTold { at } => decisions.push(recorded("controller told (Art 33(2))", minute(*at), events)),
        }
    }
    facts.push(recorded("authority to be notified until", minute(breach.notify_by), vec![breach.steps[0].0]));
    let mut missing: Vec<Block> = breach.missing().into_iter().map(|m| Block::Missing(m.into())).collect();
    if missing.is_empty() {
        missing.push(Block::Text("Nothing that Art 33 and 34 ask for is missing.".into()));
    }
    let lead = match (breach.answered(), now > breach.notify_by) {
        (true, _) => "Whether the authority is notified was decided; the record below is kept for it (Art 33(5)).".to_owned(),
        (false, false) => format!("The authority must be notified until {}, 72 hours after it became known.", minute(breach.notify_by)),
        (false, true) => {
            format!("The 72 hours were over on {}, and nobody notified the authority or said why not.", minute(breach.notify_by))
        }
    };
    let or_nothing =
        |facts: Vec<Fact>| if facts.is_empty() { Block::Text("Nothing is on record yet.".into()) } else { Block::Facts(facts) };
    let sections = vec![
        Section::new("what", "What happened", vec![Block::Facts(facts)]),
        Section::new("effects", "Consequences and measures", vec![or_nothing(measures)]),
        Section::new("told", "Who was told", vec![or_nothing(decisions)]),
        Section::new("missing", "What is missing", missing),
    ];
    Ok(reader.document("breach", format!("Breach {}", breach.number), lead, sections))
}

fn listed(items: &[String]) -> String {
    if items.is_empty() { "none".into() } else { items.join(", ") }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect()) + "."
}

/// A line of a declared value, or what is missing.
fn or_missing(facts: &mut Vec<Fact>, missing: &mut Vec<Block>, name: &str, value: Option<&str>) {
    match value.filter(|v| !v.trim().is_empty()) {
        Some(value) => facts.push(declared(name, value)),
        None => missing.push(Block::Missing(format!("{name}, in reticent.toml"))),
    }
}
