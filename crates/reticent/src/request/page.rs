//! The answer to an access request as a page that a person reads.

use super::package::{Package, by_purpose};
use crate::document::{Block, Document, Section, art6_in_words, period};

pub(super) fn page(p: &Package) -> Document {
    let mut sections = vec![Section::new("data", "What is held about you", data(p))];
    sections.push(Section::new("purposes", "What it is used for, and on which ground", purposes(p)));
    sections.push(Section::new("models", "Models", models(p)));
    if !p.decisions.is_empty() {
        sections.push(Section::new("decisions", "Decisions about you", decisions(p)));
    }
    let rows = p.recipients.iter().map(|r| vec![r.name.clone(), r.country.clone(), r.transfer.clone().unwrap_or_else(|| "none".into())]);
    let recipients = match p.recipients.len() {
        0 => Block::Text("Nobody is registered as a recipient.".into()),
        _ => table(["recipient", "country", "transfer out of the Union rests on"], rows.collect()),
    };
    sections.push(Section::new("recipients", "Who receives it", vec![recipients]));
    if !p.requests.is_empty() {
        let rows = p.requests.iter().map(|r| vec![r.request.to_string(), r.right.into(), r.received.clone(), r.state.replace('_', " ")]);
        let block = table(["request", "right", "received", "state"], rows.collect());
        sections.push(Section::new("requests", "What you asked before", vec![block]));
    }
    sections.push(Section::new("notes", "What you should know", vec![Block::List(p.notes.clone())]));
    Document {
        kind: p.right.into(),
        title: "What we hold about you".into(),
        controller: format!("{} · {}", p.controller, p.contact),
        statement: p.statement.clone(),
        stamp: None,
        lead: format!(
            "You asked on {} ({}, request {}). This is everything that our records and tables hold about you, {} in all, what it is used for, and what models do with it.",
            p.received,
            p.article,
            p.request,
            super::correct::counted(p.rows(), "record")
        ),
        sections,
        events: vec![],
        sha256: String::new(),
    }
    .sealed()
}

fn data(p: &Package) -> Vec<Block> {
    let mut blocks = vec![];
    for held in &p.data {
        blocks.push(Block::Heading(format!("{}, {}", held.dataset, super::correct::counted(held.records.len() as u64, "record"))));
        blocks.push(Block::Text(format!(
            "Taken from the file {} on {}, now version {}. In this data set you are named {}, a pseudonym made with our key. Columns that were never taken in: {}.",
            held.source, held.since, held.version, held.pseudonym, held.dropped
        )));
        if !held.withheld.is_empty() {
            let what = held.withheld.join(", ");
            blocks.push(Block::Text(format!("Left out because they say something about somebody else (Art 15(4)): {what}.")));
        }
        let head = std::iter::once("record".to_owned()).chain(held.columns.iter().cloned()).collect();
        let rows = held.records.iter().map(|r| std::iter::once(r.record.clone()).chain(r.values.iter().cloned()).collect()).collect();
        blocks.push(Block::Table { head, rows });
    }
    if p.data.is_empty() {
        blocks.push(Block::Text("No table holds a row about you.".into()));
    }
    blocks
}

fn purposes(p: &Package) -> Vec<Block> {
    let mut blocks = vec![];
    for purpose in &p.purposes {
        blocks.push(Block::Heading(purpose.purpose.clone()));
        let ground = purpose.art6.map_or_else(|| "none is declared".to_owned(), art6_in_words);
        blocks.push(Block::Text(format!(
            "{} Ground: {ground}. Kept for {}. {}.",
            purpose.description,
            period(&purpose.retention),
            capitalised(&purpose.automated)
        )));
    }
    let mut rows = vec![];
    for (purpose, all) in by_purpose(&p.bases) {
        for b in all {
            let ground = b.art6.map(|l| format!("Art 6(1)({l})")).into_iter().chain(b.art9.map(|l| format!("Art 9(2)({l})")));
            let until = b.expires.clone().unwrap_or_else(|| "no end".into());
            rows.push(vec![
                if purpose == "*" { "every purpose".into() } else { purpose.to_owned() },
                b.state.replace('-', " "),
                b.at.clone(),
                ground.collect::<Vec<_>>().join(", "),
                b.notice.clone().unwrap_or_default(),
                until,
            ]);
        }
    }
    if rows.is_empty() {
        blocks.push(Block::Text("No consent, objection or other word of yours is on record.".into()));
    } else {
        blocks.push(Block::Heading("What is on record of your own word".into()));
        blocks.push(table(["purpose", "what", "since", "ground", "notice", "until"], rows));
    }
    blocks
}

fn models(p: &Package) -> Vec<Block> {
    if p.models.is_empty() {
        return vec![Block::Text("No model was released from these data.".into())];
    }
    let mut blocks = vec![Block::Text(
        "A model trained on personal data is treated as personal data. The bound says how much more likely any answer of the models can become through your rows, at most; it is the same for everybody.".into(),
    )];
    for m in &p.models {
        blocks.push(Block::Heading(format!("{}, for {}", m.model, m.purpose)));
        let learned = match (m.learned_from_you, m.tested_on_you) {
            (true, _) => "It learned from your rows.",
            (_, true) => "It did not learn from your rows: it was tested on them.",
            _ => "Your rows were not among those it learned from or was tested on.",
        };
        let gone = if m.recalled { " It was recalled and is served no longer." } else { "" };
        let bound = m.bound.as_ref().map_or_else(|| "No bound is stated.".to_owned(), |b| format!("Stated bound: {b}."));
        let own = match &m.own_bound {
            Some(own) => format!(" Your own, of the training that took place: {}.", crate::privacy::bound(own.epsilon, own.delta)),
            None if m.learned_from_you && !m.recalled => " No bound of your own was kept in this training.".into(),
            None => String::new(),
        };
        let since = m.at.split('T').next().unwrap_or_default();
        blocks.push(Block::Text(format!("Released {since} (event {}). {learned}{gone} {bound}{own}", m.event)));
        if !m.answers.is_empty() {
            let rows = m.answers.iter().map(|a| vec![a.record.clone(), a.class.clone(), format!("{:.3}", a.probability)]).collect();
            blocks.push(table(["record", "what it answers today", "how sure it is"], rows));
        }
        if let Some(why) = m.no_answers.as_ref().filter(|_| !m.recalled) {
            blocks.push(Block::Text(format!("No answer on your records: {why}.")));
        }
    }
    blocks
}

fn decisions(p: &Package) -> Vec<Block> {
    let how = |alone: bool| if alone { "by the model alone" } else { "by a person, with the model" };
    let rows = p.decisions.iter().map(|d| {
        let day = d.at.split('T').next().unwrap_or_default();
        vec![
            day.to_owned(),
            d.purpose.clone(),
            d.model.clone(),
            d.class.clone(),
            format!("{:.3}", d.probability),
            how(d.by_the_model_alone).into(),
        ]
    });
    let said = "What the model said when it was decided about you. You may have a decision looked at again by a person (Art 22(3)).";
    let head = ["day", "purpose", "model", "what it said", "how sure it was", "how it was decided"];
    vec![Block::Text(said.into()), table(head, rows.collect())]
}

fn table<const N: usize>(head: [&str; N], rows: Vec<Vec<String>>) -> Block {
    Block::Table { head: head.map(str::to_owned).to_vec(), rows }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
