//! The impact assessment in the JSON of the CNIL's PIA software: read without losing a field, written back with what changed here.
//!
//! What a file holds is kept as it came, odd values too (a `reference_to` of mixed types, `"3.1.[object Object]"`, dates that are null). Texts
//! are HTML there and text here: they are stripped of every tag when they become parts of our assessment.

use crate::assessment::{Assessment, Part};
use crate::evidence;
use crate::failure::Failure;
use crate::workspace::Workspace;
use reticent_govern::{Event, Section, decode, strict};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TOPIC: &str = "cnil-pia";
const PARTS: [&str; 5] = ["pia", "answers", "measures", "evaluations", "comments"];

/// Sections of theirs that make a part of ours, with our words for each.
const ANSWERS: [(Part, &[(i64, &str)]); 4] = [
    (
        Part::Context,
        &[(111, "the processing"), (112, "responsibilities"), (113, "standards"), (121, "data"), (122, "life cycle"), (123, "assets")],
    ),
    (Part::Necessity, &[(211, "purposes"), (212, "ground"), (213, "minimisation"), (214, "accuracy"), (215, "storage")]),
    (
        Part::Measures,
        &[
            (221, "information"),
            (222, "consent"),
            (223, "access and portability"),
            (224, "rectification and erasure"),
            (225, "restriction and objection"),
            (226, "processors"),
            (227, "transfers"),
        ],
    ),
    (
        Part::Risks,
        &[
            (321, "illegitimate access: impacts"),
            (322, "illegitimate access: threats"),
            (323, "illegitimate access: sources"),
            (324, "illegitimate access: controls"),
            (325, "illegitimate access: severity"),
            (326, "illegitimate access: likelihood"),
            (331, "unwanted change: impacts"),
            (332, "unwanted change: threats"),
            (333, "unwanted change: sources"),
            (334, "unwanted change: controls"),
            (335, "unwanted change: severity"),
            (336, "unwanted change: likelihood"),
            (341, "loss: impacts"),
            (342, "loss: threats"),
            (343, "loss: sources"),
            (344, "loss: controls"),
            (345, "loss: severity"),
            (346, "loss: likelihood"),
        ],
    ),
];

/// What an import took in.
pub(crate) struct Imported {
    /// Event of the evidence.
    pub(crate) event: i64,
    /// Parts of our assessment that were written from it.
    pub(crate) parts: Vec<&'static str>,
    /// Answers that belong to no part of ours; they are kept.
    pub(crate) other: usize,
}

/// Reads a file, keeps it whole, and writes the parts of the assessment that follow from it. Advice and decisions are not taken over: whoever
/// advises and decides does so here, by name.
pub(crate) fn import(workspace: &mut Workspace, dataset: &str, purpose: &str, bytes: &[u8]) -> Result<Imported, Failure> {
    let mut values = strict(decode(bytes)?)?;
    let (Some((_, value)), true) = (values.pop(), values.is_empty()) else {
        return Err(Failure::usage("the file is no single JSON object").hint("export it from the PIA software as JSON"));
    };
    if !value["pia"].is_object() || PARTS[1..].iter().any(|part| !value[*part].is_null() && !value[*part].is_array()) {
        return Err(Failure::usage("the file has not the shape of a PIA: `pia`, `answers`, `measures`, `evaluations`, `comments`"));
    }
    let about = format!("{purpose} on {dataset}");
    let event = evidence::record(workspace, TOPIC, &about, &value, BTreeMap::new())?;
    let author = value["pia"]["author_name"].as_str().filter(|a| !a.trim().is_empty()).unwrap_or("the imported PIA").to_owned();
    let parts = texts(&value);
    let sections =
        parts.iter().map(|(part, text)| (part.name().to_owned(), Section { text: text.clone(), author: author.clone() })).collect();
    if !parts.is_empty() {
        workspace.append(&Event::AssessmentUpdated { dataset: dataset.into(), purpose: purpose.into(), sections })?;
    }
    let ours: Vec<i64> = ANSWERS.iter().flat_map(|(_, all)| all.iter().map(|(id, _)| *id)).collect();
    let answers = value["answers"].as_array().map_or(&[][..], Vec::as_slice);
    let other = answers.iter().filter(|a| reference(a).is_none_or(|id| !ours.contains(&id))).count();
    Ok(Imported { event, parts: parts.into_iter().map(|(part, _)| part.name()).collect(), other })
}

/// The newest imported file as it came, with the texts of parts that were written here since; or one made from our assessment alone.
pub(crate) fn export(workspace: &mut Workspace, a: &Assessment) -> Result<Value, Failure> {
    let about = format!("{} on {}", a.purpose, a.dataset);
    let kept = evidence::newest(workspace, TOPIC, Some(&about))?.map(|e| e.body);
    let before: BTreeMap<Part, String> = kept.as_ref().map(texts).unwrap_or_default().into_iter().collect();
    let mut value = kept.unwrap_or_else(|| fresh(a));
    for (part, all) in &ANSWERS {
        let Some(written) = a.parts.iter().find(|w| w.part == part.name()) else { continue };
        if before.get(part) == Some(&written.text) {
            continue;
        }
        // Our part is one text: it goes to the first of their questions, and the others keep what they hold.
        put(&mut value, all[0].0, &written.text);
    }
    Ok(value)
}

fn fresh(a: &Assessment) -> Value {
    let status = match a.state {
        crate::assessment::State::Approved => 2,
        crate::assessment::State::Refused => 1,
        _ => 0,
    };
    let advice = a.advice.last();
    json!({
        "pia": { "id": 1, "status": status, "name": format!("{} on {}", a.purpose, a.dataset), "author_name": a.controller, "evaluator_name": "",
            "validator_name": a.decision.as_ref().map(|d| d.by.clone()).unwrap_or_default(), "dpo_status": 0,
            "dpo_opinion": advice.map(|v| v.text.clone()).unwrap_or_default(), "dpos_names": advice.map(|v| v.by.clone()).unwrap_or_default(),
            "is_example": 0, "created_at": null, "updated_at": null },
        "answers": [], "measures": [], "evaluations": [], "comments": [],
    })
}

/// Our parts as far as a file says something about them, in the order of its questions.
fn texts(value: &Value) -> Vec<(Part, String)> {
    let answers = value["answers"].as_array().map_or(&[][..], Vec::as_slice);
    let mut all = vec![];
    for (part, questions) in &ANSWERS {
        let mut lines: Vec<String> = vec![];
        for (id, words) in *questions {
            for answer in answers.iter().filter(|a| reference(a) == Some(*id)) {
                let data = &answer["data"];
                let text = plain(data["text"].as_str().unwrap_or_default());
                let gauge = data["gauge"].as_u64().and_then(gauge);
                let list = data["list"].as_array().map_or(&[][..], Vec::as_slice);
                let listed: Vec<String> = list.iter().filter_map(|item| item.as_str().map(plain)).collect();
                let said: Vec<String> = [Some(text), Some(listed.join(", ")), gauge.map(str::to_owned)]
                    .into_iter()
                    .flatten()
                    .filter(|s| !s.is_empty())
                    .collect();
                if !said.is_empty() {
                    lines.push(format!("{words}: {}", said.join("; ")));
                }
            }
        }
        if *part == Part::Measures {
            for measure in value["measures"].as_array().map_or(&[][..], Vec::as_slice) {
                let (title, content) =
                    (plain(measure["title"].as_str().unwrap_or_default()), plain(measure["content"].as_str().unwrap_or_default()));
                if !(title.is_empty() && content.is_empty()) {
                    lines.push(format!("{title}: {content}"));
                }
            }
        }
        if !lines.is_empty() {
            all.push((*part, lines.join("\n\n")));
        }
    }
    let views = plain(value["pia"]["concerned_people_opinion"].as_str().unwrap_or_default());
    if !views.is_empty() {
        all.push((Part::Views, views));
    }
    all
}

/// The number of a question, which comes as a number or as a text.
fn reference(answer: &Value) -> Option<i64> {
    let reference = &answer["reference_to"];
    reference.as_i64().or_else(|| reference.as_str()?.trim().parse().ok())
}

fn gauge(value: u64) -> Option<&'static str> {
    ["negligible", "limited", "important", "maximum"].get(usize::try_from(value).ok()?.checked_sub(1)?).copied()
}

/// Puts a text into the answer to a question, or adds one.
fn put(value: &mut Value, id: i64, text: &str) {
    let html: String = text.split("\n\n").map(|p| format!("<p>{}</p>", escaped(p).replace('\n', "<br>"))).collect();
    if !value["answers"].is_array() {
        value["answers"] = json!([]);
    }
    let pia = value["pia"]["id"].clone();
    let Some(answers) = value["answers"].as_array_mut() else { return };
    match answers.iter_mut().find(|a| reference(a) == Some(id)) {
        Some(answer) if answer["data"].is_object() => answer["data"]["text"] = json!(html),
        Some(answer) => answer["data"] = json!({ "text": html, "gauge": null, "list": [] }),
        None => {
            let next = 1 + answers.iter().filter_map(|a| a["id"].as_i64()).max().unwrap_or(0);
            answers.push(json!({ "id": next, "pia_id": pia, "reference_to": id, "data": { "text": html, "gauge": null, "list": [] }, "created_at": null }));
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The text of HTML: no tag, no script, no style.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        let tag = &rest[at + 1..];
        let Some(end) = tag.find('>') else {
            // A sign on its own is text; half a tag is not.
            if !tag.starts_with(|c: char| c.is_ascii_alphabetic() || "/!".contains(c)) {
                text.push('<');
                text.push_str(tag);
            }
            return tidy(&text);
        };
        if !tag.starts_with(|c: char| c.is_ascii_alphabetic() || "/!".contains(c)) {
            text.push('<');
            rest = tag;
            continue;
        }
        let name: String = tag.chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        let closing = tag.trim_start_matches('/').get(..end).unwrap_or_default().to_ascii_lowercase();
        if ["br", "p", "li", "div", "tr"].iter().any(|block| name == *block || closing.starts_with(block)) {
            text.push('\n');
        }
        rest = &tag[end + 1..];
        if name == "script" || name == "style" {
            let close = format!("</{name}");
            rest = match rest.to_ascii_lowercase().find(&close) {
                Some(at) => rest[at..].find('>').map_or("", |end| &rest[at + end + 1..]),
                None => "",
            };
        }
    }
    text.push_str(rest);
    tidy(&text)
}

fn tidy(text: &str) -> String {
    let mut text = text.to_owned();
    for (entity, sign) in [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")] {
        text = text.replace(entity, sign);
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_text_and_nothing_runs() {
        for (html, text) in [
            ("<span style=\"x\">Lorem&nbsp;ipsum</span>", "Lorem ipsum"),
            ("<p>one</p><p>two<br>three</p>", "one\ntwo\nthree"),
            ("a<script>alert(1)</script>b<style>p{}</SCRIPT></style>c", "abc"),
            ("5 < 6 and <b>7", "5 < 6 and 7"),
            ("<img src=x onerror=alert(1)>", ""),
            ("half <a href=", "half"),
            ("&lt;b&gt; &amp;amp;", "<b> &amp;"),
        ] {
            assert_eq!(plain(html), text, "{html}");
        }
    }

    #[test]
    fn odd_references_are_read_or_left_alone() {
        let answer = |reference: Value| reference_to(reference);
        assert_eq!(
            [answer(json!(111)), answer(json!("111")), answer(json!("3.1.[object Object]")), answer(json!(null))],
            [Some(111), Some(111), None, None]
        );
    }

    fn reference_to(value: Value) -> Option<i64> {
        reference(&json!({ "reference_to": value }))
    }
}
