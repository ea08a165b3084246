//! Documents that a law asks for: record of processing, legitimate interest, notice, risk assessment.

use super::{About, listed, or_missing};
use crate::assessment::{self, Fact};
use crate::config::{Art22, Config};
use crate::document::gather::{Reader, day, declared, proved, recorded};
use crate::document::{Block, Document, Section, art6_in_words, period};
use crate::failure::Failure;
use crate::privacy::{bound, statement};
use crate::workspace::Workspace;
use reticent_govern::{Entry, Event, PartyRole, Right};

pub(super) fn ropa(workspace: &mut Workspace) -> Result<Document, Failure> {
    let config = workspace.config.clone();
    let mut reader = Reader::new(workspace);
    let mut sections = vec![Section::new("who", "Who is responsible", parties(&mut reader)?)];
    let used = config.models.values().map(|m| (m.purpose.clone(), m.data.clone()));
    let mut pairs: Vec<(String, String)> = used.collect();
    pairs.sort();
    pairs.dedup();
    for (index, (purpose, dataset)) in pairs.iter().enumerate() {
        let (mut facts, mut missing) = (vec![], vec![]);
        let p = &config.purposes[purpose];
        or_missing(&mut facts, &mut missing, "purpose", p.description.as_deref());
        facts.push(declared("ground", ground(p.art6, p.art9)));
        facts.extend(categories(&config, dataset));
        facts.extend(recipients(&mut reader, purpose)?);
        or_missing(&mut facts, &mut missing, "kept for", p.retention.as_deref().map(period).as_deref());
        let mut blocks = vec![Block::Facts(facts)];
        blocks.extend(missing);
        sections.push(Section::new(&format!("activity-{}", index + 1), &format!("{purpose} on {dataset}"), blocks));
    }
    sections.push(Section::new("security", "Measures that protect it (Art 32)", vec![Block::List(security())]));
    let lead =
        format!("Processing activities under Art 30(1): {} declared, one for each purpose and data set that a model uses.", pairs.len());
    Ok(reader.document("ropa", "Record of processing activities".into(), lead, sections))
}

pub(super) fn lia(workspace: &mut Workspace, about: &About) -> Result<Document, Failure> {
    let now = workspace.ledger.now()?;
    let mut reader = Reader::new(workspace);
    let stored = reader.events("legitimate-interest-assessed")?.into_iter().rev();
    let newest = stored
        .filter(|s| matches!(&s.event, Event::LegitimateInterestAssessed { dataset, purpose, .. } if *dataset == about.dataset && *purpose == about.purpose))
        .max_by_key(|s| s.seq);
    let title = format!("Legitimate interest: {} on {}", about.purpose, about.dataset);
    let Some(stored) = newest else {
        let blocks = vec![Block::Missing("the assessment in its three steps: `reticent register interest`".into())];
        return Ok(reader.document(
            "lia",
            title,
            "No assessment is on record: the gate refuses this ground.".into(),
            vec![Section::new("steps", "The three steps", blocks)],
        ));
    };
    let seq = vec![reader.cite(&stored)];
    let Event::LegitimateInterestAssessed {
        interest_holds, necessary, balanced, text, approved_by, expires, assessed_by, advised_by, ..
    } = stored.event
    else {
        return Err(Failure::failed("an assessment has another form"));
    };
    let said = |holds: bool| if holds { "holds" } else { "does not hold" };
    let steps = vec![
        recorded("purpose: the interest itself", said(interest_holds), seq.clone()),
        recorded("necessity for it", said(necessary), seq.clone()),
        recorded("balance with the people's interests", said(balanced), seq.clone()),
    ];
    let who = vec![
        recorded("assessed by", assessed_by.unwrap_or_else(|| "not recorded".into()), seq.clone()),
        recorded("advised by", advised_by.unwrap_or_else(|| "nobody".into()), seq.clone()),
        recorded("approved by", approved_by, seq.clone()),
        recorded("to be made again by", day(expires), seq),
    ];
    let stands = interest_holds && necessary && balanced && expires > now;
    let lead = if stands {
        "All three steps were found to hold; the gate counts this ground until the day below, and an objection ends it for whoever objects."
    } else {
        "This assessment does not carry the ground now: the gate refuses it."
    };
    let sections = vec![
        Section::new("steps", "The three steps", vec![Block::Facts(steps)]),
        Section::new("reasoning", "The reasoning", vec![Block::Text(text)]),
        Section::new("people", "Who assessed, advised and approved", vec![Block::Facts(who)]),
    ];
    Ok(reader.document("lia", title, lead.into(), sections))
}

pub(super) fn notice(workspace: &mut Workspace, about: &About) -> Result<Document, Failure> {
    let config = workspace.config.clone();
    let p = &config.purposes[&about.purpose];
    let stated = stated(workspace, &about.dataset)?;
    let mut reader = Reader::new(workspace);
    let who = parties(&mut reader)?;
    let (mut facts, mut missing) = (vec![], vec![]);
    or_missing(&mut facts, &mut missing, "what for", p.description.as_deref());
    facts.push(declared("ground", ground(p.art6, p.art9)));
    or_missing(&mut facts, &mut missing, "kept for", p.retention.as_deref().map(period).as_deref());
    facts.extend(categories(&config, &about.dataset));
    missing.push(Block::Missing("where the data come from, if not from you (Art 14(2)(f))".into()));
    missing.push(Block::Missing("whether you must give them, and what follows if you do not (Art 13(2)(e))".into()));
    let automated = match p.art22 {
        Art22::None => "No decision about you rests on a model alone.".to_owned(),
        art22 => format!(
            "Decisions about you rest on a model (Art 22(2)({})). You may have each looked at by a person, say your view and contest it; an explanation is given on request (Art 15(1)(h), AI Act Art 86).",
            format!("{art22:?}").to_lowercase()
        ),
    };
    let mut models = vec![Block::Text(automated)];
    if let Some((words, events)) = stated {
        for stored in reader.events("model-released")? {
            if events.contains(&stored.seq) {
                reader.cite(&stored);
            }
        }
        models.push(Block::Text("A model learns from these data. A bound limits what its answers can reveal about any one person:".into()));
        models.push(Block::Facts(vec![proved("bound", words, events)]));
    }
    let recipients = recipients(&mut reader, &about.purpose)?;
    let mut rights: Vec<Right> = vec![Right::Access, Right::Rectification, Right::Erasure, Right::Restriction];
    if matches!(p.art6, Some('a' | 'b')) {
        rights.push(Right::Portability);
    }
    if matches!(p.art6, Some('e' | 'f')) {
        rights.push(Right::Objection);
    }
    let mut list: Vec<String> = rights.iter().map(|r| format!("{} ({})", r.name(), r.article())).collect();
    if p.art6 == Some('a') {
        list.push("withdraw your consent at any time, with effect from then on (Art 7(3))".into());
    }
    list.push("complain to a supervisory authority (Art 77)".into());
    let mut what = vec![Block::Facts(facts)];
    what.extend(missing);
    let sections = vec![
        Section::new("who", "Who we are", who),
        Section::new("what", "What we use, what for and for how long", what),
        Section::new("recipients", "Who receives it", vec![Block::Facts(recipients)]),
        Section::new("models", "Models and decisions", models),
        Section::new("rights", "What you may ask for", vec![Block::List(list)]),
    ];
    let lead = "What happens with data about you, in the order of Art 13 and 14 GDPR. What only people can write is marked and must be written before this is shown to anybody.";
    Ok(reader.document("notice", format!("Privacy notice: {}", about.purpose), lead.into(), sections))
}

pub(super) fn ccpa_risk(workspace: &mut Workspace, about: &About) -> Result<Document, Failure> {
    let config = workspace.config.clone();
    let a = assessment::gather(workspace, &about.dataset, &about.purpose)?;
    let stated = stated(workspace, &about.dataset)?;
    let p = &config.purposes[&about.purpose];
    let mut reader = Reader::new(workspace);
    let mut facts: Vec<Fact> = categories(&config, &about.dataset);
    facts.push(declared("people, as declared in public", crate::output::thousands(config.data[&about.dataset].units)));
    facts.push(declared("kept for", p.retention.as_deref().map_or_else(|| "not declared".into(), period)));
    facts.extend(recipients(&mut reader, &about.purpose)?);
    let used = match p.art22 {
        Art22::None => "the model's answers alone decide nothing, as declared",
        _ => "automated decision-making technology for significant decisions, as declared",
    };
    facts.push(declared("technology", used));
    if let Some((words, events)) = stated {
        for stored in reader.events("model-released")? {
            if events.contains(&stored.seq) {
                reader.cite(&stored);
            }
        }
        facts.push(proved("bound on what the releases can reveal of one unit", words, events));
    }
    for stored in reader.events("assessment-updated")?.iter().chain(&reader.events("assessment-decided")?) {
        if a.parts.iter().any(|w| w.event == stored.seq) || a.decision.as_ref().is_some_and(|d| d.event == stored.seq) {
            reader.cite(stored);
        }
    }
    let written = |part: &str, what: &str| match a.parts.iter().find(|w| w.part == part) {
        Some(w) => Block::Facts(vec![recorded(format!("written by {}", w.author), w.text.clone(), vec![w.event])]),
        None => Block::Missing(what.into()),
    };
    let decision = match &a.decision {
        Some(d) => Block::Facts(vec![recorded(format!("decided by {}", d.by), a.state.words(), vec![d.event])]),
        None => Block::Missing("whether the processing is begun, and who decides (11 CCR 7152(a)(8), (9))".into()),
    };
    let sections = vec![
        Section::new(
            "purpose",
            "The purpose",
            vec![match &p.description {
                Some(text) => Block::Text(text.clone()),
                None => Block::Missing("the purpose, in words that are not generic".into()),
            }],
        ),
        Section::new("how", "What is processed and how", vec![Block::Facts(facts)]),
        Section::new("benefits", "Benefits", vec![written("necessity", "benefits to the business, the consumer, others and the public")]),
        Section::new("impacts", "Negative impacts on consumers", vec![written("risks", "negative impacts, with their sources and causes")]),
        Section::new(
            "safeguards",
            "Safeguards",
            vec![written("measures", "safeguards that answer those impacts"), Block::List(security())],
        ),
        Section::new("decision", "Decision", vec![decision]),
        Section::new(
            "dates",
            "When it is due",
            vec![Block::List(vec![
                "before the processing begins; for what went on before 2026, by 31 December 2027 (11 CCR 7155)".into(),
                "reviewed every three years, and within 45 days of a material change".into(),
            ])],
        ),
    ];
    let lead = "A view of the same evidence as the impact assessment, in the order of 11 CCR 7152. Training a model for significant decisions needs it too.";
    Ok(reader.document("ccpa-risk", format!("Risk assessment: {} on {}", about.purpose, about.dataset), lead.into(), sections))
}

/// Controller, representative, officer: declared, and by the register.
fn parties(reader: &mut Reader<'_>) -> Result<Vec<Block>, Failure> {
    let controller = reader.workspace.config.controller.clone();
    let (mut facts, mut missing) = (vec![], vec![]);
    or_missing(&mut facts, &mut missing, "controller", controller.name.as_deref());
    or_missing(&mut facts, &mut missing, "contact", controller.contact.as_deref());
    let mut officer = false;
    for (_, entry, event) in reader.register("party")? {
        let Entry::Party(party) = entry else { continue };
        let role = match party.role {
            PartyRole::Controller => "controller",
            PartyRole::JointController => "joint controller",
            PartyRole::Processor => "processor",
            PartyRole::Representative => "representative",
            PartyRole::DataProtectionOfficer => "data-protection officer",
        };
        officer |= party.role == PartyRole::DataProtectionOfficer;
        facts.push(recorded(role, format!("{}, {}, {}", party.name, party.contact, party.country), vec![event]));
    }
    if !officer {
        missing.push(Block::Missing("the data-protection officer, in the register of parties, where there must be one (Art 37)".into()));
    }
    let mut blocks = vec![Block::Facts(facts)];
    blocks.extend(missing);
    Ok(blocks)
}

/// Categories of people and of data.
fn categories(config: &Config, dataset: &str) -> Vec<Fact> {
    let data = &config.data[dataset];
    let names: Vec<String> = data.columns.declared.iter().map(|c| c.name.clone()).collect();
    let special: Vec<String> = data.columns.declared.iter().filter_map(|c| Some(format!("{} ({})", c.name, c.special.as_ref()?))).collect();
    vec![
        declared("whose data", format!("each {} in {dataset}", data.unit)),
        declared("which data", listed(&names)),
        declared("special categories (Art 9)", listed(&special)),
    ]
}

fn recipients(reader: &mut Reader<'_>, purpose: &str) -> Result<Vec<Fact>, Failure> {
    let mut facts = vec![];
    for (_, entry, event) in reader.register("recipient")? {
        if let Entry::Recipient(r) = entry
            && r.purposes.iter().any(|p| p == purpose)
        {
            let transfer = r.transfer.map(|t| format!("; transfer by {t}")).unwrap_or_default();
            let contract = r.contract.map(|c| format!("; contract {c}")).unwrap_or_default();
            facts.push(recorded("recipient", format!("{}, {}{contract}{transfer}", r.name, r.country), vec![event]));
        }
    }
    if facts.is_empty() {
        facts.push(declared("recipients", "none registered: an undeclared host is refused"));
    }
    Ok(facts)
}

/// The joint bound on a data set's releases and the events of those.
fn stated(workspace: &mut Workspace, dataset: &str) -> Result<Option<(String, Vec<i64>)>, Failure> {
    let unit = workspace.config.data.get(dataset).map(|d| d.unit.clone()).unwrap_or_default();
    let Some(budget) = workspace.ledger.budget(dataset, &unit)? else { return Ok(None) };
    let Some(s) = statement(&workspace.config, &budget)? else { return Ok(None) };
    let names: Vec<String> = s.releases.iter().map(|r| r.name.clone()).collect();
    let words = format!("{}, {}, {}, for {} together", bound(s.epsilon_upper, s.delta), s.neighbours, s.unit, listed(&names));
    let released = workspace.ledger.events("model-released")?.into_iter();
    let events = released
        .filter(|s| matches!(&s.event, Event::ModelReleased(r) if r.data_version.split('/').next() == Some(dataset)))
        .map(|s| s.seq);
    Ok(Some((words, events.collect())))
}

fn ground(art6: Option<char>, art9: Option<char>) -> String {
    let art6 = art6.map_or_else(|| "none declared".to_owned(), art6_in_words);
    art9.map_or(art6.clone(), |l| format!("{art6}, Art 9(2)({l})"))
}

fn security() -> Vec<String> {
    [
        "people are named by keyed pseudonyms; the key is apart from the tables",
        "the gate looks at the ground of each row before every use, and again when a model is released",
        "models are trained under a stated bound; the budget is charged before noise is drawn",
        "ledger and transparency log are tamper-evident, against a checkpoint held elsewhere",
        "an erasure reaches tables, ledger and models, and its signed record lists what is left",
        "no connection is made; the server listens on this machine alone",
    ]
    .map(str::to_owned)
    .to_vec()
}
