//! Consent records in the Data Privacy Vocabulary, its profile of ISO/IEC TS 27560, as JSON-LD or Turtle. What is written has every property
//! as a list, and no key twice.

use super::read::{PurposeName, Statement, written};
use super::strict_json::objects;
use super::{BasisEvent, BasisKind, Reading, Received};
use crate::Error;
use serde_json::{Map, Value, json};

/// The profile.
const PROFILE: &str = "https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr";
/// What the short names stand for, here and in every file that is read.
const PREFIXES: [(&str, &str); 6] = [
    ("dpv", "https://w3id.org/dpv#"),
    ("dct", "http://purl.org/dc/terms/"),
    ("eu-gdpr", "https://w3id.org/dpv/legal/eu/gdpr#"),
    ("xsd", "http://www.w3.org/2001/XMLSchema#"),
    ("pd", "https://w3id.org/dpv/pd#"),
    ("dpv-27560", "https://w3id.org/dpv/schema/dpv-27560#"),
];

/// States of a record, as the vocabulary has them.
const STATES: [(BasisKind, &str); 12] = [
    (BasisKind::Given, "ConsentGiven"),
    (BasisKind::Refused, "ConsentRefused"),
    (BasisKind::Withdrawn, "ConsentWithdrawn"),
    (BasisKind::Expired, "ConsentExpired"),
    (BasisKind::Invalidated, "ConsentInvalidated"),
    (BasisKind::Revoked, "ConsentRevoked"),
    (BasisKind::Requested, "ConsentRequested"),
    (BasisKind::RequestDeferred, "ConsentRequestDeferred"),
    (BasisKind::Unknown, "ConsentUnknown"),
    (BasisKind::Renewed, "RenewedConsentGiven"),
    (BasisKind::Informed, "LegitimateInterestInformed"),
    (BasisKind::Uninformed, "LegitimateInterestUninformed"),
];

/// Letters of Art 6 as the legal extension of the vocabulary has them, the usual one first.
const ART6: [(char, &str); 10] = [
    ('a', "A6-1-a"),
    ('a', "A6-1-a-explicit-consent"),
    ('a', "A6-1-a-non-explicit-consent"),
    ('b', "A6-1-b"),
    ('b', "A6-1-b-enter-into-contract"),
    ('b', "A6-1-b-contract-performance"),
    ('c', "A6-1-c"),
    ('d', "A6-1-d"),
    ('e', "A6-1-e"),
    ('f', "A6-1-f"),
];

/// Reads records: in JSON-LD an object, a list or `@graph`, or one on each line; in Turtle every `dpv:ConsentRecord`. Every event in a record's `dct:hasPart` is one of the unit.
///
/// # Errors
/// [`Error::BasisRows`] by the number of the record.
pub fn read_dpv_records(text: &str, reading: &Reading<'_>) -> Result<Received, Error> {
    let mut received = Received::default();
    let mut wrong = vec![];
    let mut records = vec![];
    if !text.trim_start().starts_with(['{', '[']) {
        records = super::turtle::subjects(text).map_err(|(line, why)| Error::BasisRows(vec![(line, why.into())]))?;
        records.retain(|r| values(r, "@type").iter().filter_map(|t| t.as_str()).any(|t| is(t, "dpv:ConsentRecord")));
        if records.is_empty() {
            wrong.push((1, "holds no dpv:ConsentRecord".to_owned()));
        }
    }
    for (_, object) in if records.is_empty() && wrong.is_empty() { objects(text)? } else { vec![] } {
        if let Err(why) = context(&object) {
            wrong.push((1, why));
        }
        match object.get("@graph").and_then(Value::as_array) {
            Some(graph) => records.extend(graph.iter().filter_map(|v| v.as_object().cloned())),
            None => records.push(object),
        }
    }
    for (index, record) in records.iter().enumerate() {
        if let Err(whys) = one(record, reading, &mut received) {
            wrong.extend(whys.into_iter().map(|why| (index as u64 + 1, why)));
        }
    }
    if wrong.is_empty() { Ok(received) } else { Err(Error::BasisRows(wrong)) }
}

/// Short names that mean something else than usual would make every property mean something else.
fn context(object: &Map<String, Value>) -> Result<(), String> {
    let contexts = match object.get("@context") {
        Some(Value::Array(all)) => all.clone(),
        Some(one) => vec![one.clone()],
        None => vec![],
    };
    for context in contexts.iter().filter_map(Value::as_object) {
        for (prefix, iri) in PREFIXES {
            if context.get(prefix).and_then(Value::as_str).is_some_and(|bound| bound != iri) {
                return Err(format!("`@context` gives `{prefix}` another meaning"));
            }
        }
    }
    Ok(())
}

fn one(record: &Map<String, Value>, reading: &Reading<'_>, received: &mut Received) -> Result<(), Vec<String>> {
    let property = |name: &str| values(record, name);
    let text = |value: &Value| value.as_str().or_else(|| value["@value"].as_str()).or_else(|| value["@id"].as_str()).map(str::to_owned);
    let first = |name: &str| property(name).into_iter().find_map(text);
    if !property("@type").iter().filter_map(|t| t.as_str()).any(|t| is(t, "dpv:ConsentRecord")) {
        return Err(vec!["is no dpv:ConsentRecord".into()]);
    }
    let subject = first("dpv:hasDataSubject");
    let receipt = first("dpv:hasIdentifier").or_else(|| record.get("@id").and_then(Value::as_str).map(str::to_owned));
    let notices = property("dpv:hasNotice");
    let notice = notices.iter().find_map(|n| n.as_object().and_then(|n| values(n, "dct:hasVersion").into_iter().find_map(text)));
    let notice = notice.or_else(|| notices.iter().copied().find_map(text));
    let language = notices.iter().find_map(|n| n.as_object().and_then(|n| values(n, "dct:language").into_iter().find_map(text)));
    let parts: Vec<&Map<String, Value>> = property("dct:hasPart").into_iter().filter_map(Value::as_object).collect();
    if parts.is_empty() {
        return Err(vec!["`dct:hasPart` holds no event".into()]);
    }
    let processes: Vec<&Map<String, Value>> = property("dpv:hasProcess").into_iter().filter_map(Value::as_object).collect();
    let mut wrong = vec![];
    for process in processes {
        let grounds: Vec<String> = values(process, "dpv:hasLegalBasis").into_iter().filter_map(text).collect();
        let art6 = grounds.iter().find_map(|g| ART6.iter().find(|(_, name)| is(g, &format!("eu-gdpr:{name}"))).map(|(l, _)| l.to_string()));
        let art9 = grounds.iter().find_map(|g| ('a'..='j').find(|l| is(g, &format!("eu-gdpr:A9-2-{l}"))).map(|l| l.to_string()));
        let consent =
            grounds.iter().any(|g| is(g, "dpv:Consent") || is(g, "dpv:ExplicitlyExpressedConsent") || is(g, "dpv:ExpressedConsent"));
        let art6 = art6.or_else(|| consent.then(|| "a".to_owned()));
        for purpose in values(process, "dpv:hasPurpose").into_iter().filter_map(text) {
            let Some(named) = reading.purpose(&purpose) else {
                received.other_purposes += 1;
                continue;
            };
            for part in &parts {
                let types: Vec<&str> = values(part, "@type").into_iter().filter_map(Value::as_str).collect();
                let state =
                    STATES.iter().find(|(_, name)| types.iter().any(|t| is(t, &format!("dpv:{name}")))).map(|(kind, _)| kind.name());
                let at = values(part, "dpv:isIndicatedAtTime").into_iter().find_map(text).map(|t| in_utc(&t));
                let lasts = values(part, "dpv:hasDuration").into_iter().find_map(|v| v.as_i64().or_else(|| v["@value"].as_i64()));
                let expires = at.as_deref().and_then(super::seconds).zip(lasts).and_then(|(at, lasts)| at.checked_add(lasts)).map(written);
                let age = values(part, "dpv:hasAge").into_iter().find_map(Value::as_u64).map(|age| age.to_string());
                let guardian = values(part, "dpv:isIndicatedBy").into_iter().find_map(text);
                // A record goes on living under its number: of one moment it says one thing.
                let number = receipt.as_deref().zip(at.as_deref()).map(|(number, at)| format!("{number}@{at}"));
                let explicit = types.iter().any(|t| is(t, "dpv:ExplicitlyExpressedConsent"));
                let gives = matches!(state, Some("given" | "renewed"));
                let statement = Statement {
                    subject: subject.as_deref(),
                    purpose: Some(&named.name),
                    state,
                    at: at.as_deref(),
                    notice: notice.as_deref(),
                    art6: art6.as_deref(),
                    // Explicit consent to special categories must be said to be that: explicit alone is not.
                    art9: art9.as_deref().filter(|letter| *letter != "a" || explicit || !gives),
                    expires: expires.as_deref(),
                    language: language.as_deref(),
                    age: age.as_deref(),
                    guardian: guardian.as_deref(),
                    receipt: number.as_deref(),
                };
                match statement.event(reading) {
                    Ok(event) => received.events.push(event),
                    Err(whys) => wrong.extend(whys),
                }
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// A time without an offset is UTC in the examples of the vocabulary.
fn in_utc(text: &str) -> String {
    if text.parse::<jiff::Timestamp>().is_err() && text.parse::<jiff::civil::DateTime>().is_ok() && text.contains('T') {
        format!("{text}Z")
    } else {
        text.to_owned()
    }
}

/// Values of a property under its short or its whole name; one that is no list counts as a list of one.
fn values<'a>(object: &'a Map<String, Value>, name: &str) -> Vec<&'a Value> {
    let whole = expand(name);
    match object.get(name).or_else(|| object.get(&whole)) {
        Some(Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
        None => vec![],
    }
}

/// Whether an IRI, short or whole, is the one of this short name.
fn is(iri: &str, name: &str) -> bool {
    super::same_iri(&expand(iri), &expand(name))
}

fn expand(name: &str) -> String {
    match name.split_once(':') {
        Some((prefix, rest)) => match PREFIXES.iter().find(|(p, _)| *p == prefix) {
            Some((_, iri)) => format!("{iri}{rest}"),
            None => name.to_owned(),
        },
        None => name.to_owned(),
    }
}

/// Writes one event as a record; the data subject is the unit's pseudonym. `None` for what the vocabulary has no state for.
#[must_use]
pub fn write_dpv_record(event: &BasisEvent, purpose: &PurposeName, controller: &str, jurisdiction: &str) -> Option<Value> {
    let state = STATES.iter().find(|(kind, _)| *kind == event.state)?.1;
    let consent = event.art6 == Some('a');
    let mut types = vec![format!("dpv:{state}")];
    if consent && event.art9 == Some('a') {
        types.push("dpv:ExplicitlyExpressedConsent".into());
    }
    let mut part = json!({ "@type": types, "dpv:isIndicatedAtTime": [{ "@type": "xsd:dateTime", "@value": written(event.since) }] });
    if let Some(expires) = event.expires {
        part["dpv:hasDuration"] = json!([expires - event.since]);
    }
    if let Some(age) = event.detail.age {
        part["dpv:hasAge"] = json!([age]);
    }
    if let Some(guardian) = &event.detail.guardian {
        part["dpv:isIndicatedBy"] = json!([guardian]);
    }
    let mut grounds: Vec<Value> = event.art6.iter().map(|l| json!({ "@id": format!("eu-gdpr:A6-1-{l}") })).collect();
    grounds.extend(event.art9.map(|l| json!({ "@id": format!("eu-gdpr:A9-2-{l}") })));
    let mut record = json!({
        "@context": PREFIXES.iter().map(|(p, iri)| ((*p).to_owned(), json!(iri))).collect::<Map<_, _>>(),
        "@type": ["dpv:ConsentRecord"],
        "dct:conformsTo": [{ "@id": PROFILE }],
        "dpv:hasDataSubject": [event.subject],
        "dpv:hasDataController": [controller],
        "dpv:hasJurisdiction": [jurisdiction],
        "dpv:hasProcess": [{
            "@type": ["dpv:Process"],
            "dpv:hasPurpose": [purpose.iri.as_ref().map_or_else(|| json!(purpose.name), |iri| json!({ "@id": iri }))],
            "dpv:hasLegalBasis": grounds,
        }],
        "dpv:hasConsentStatus": [{ "@id": format!("dpv:{state}") }],
        "dct:hasPart": [part],
    });
    if let Some(receipt) = &event.detail.receipt {
        record["dpv:hasIdentifier"] = json!([receipt]);
    }
    if let Some(version) = &event.notice {
        let mut notice = json!({ "@type": ["dpv:ConsentNotice"], "dct:hasVersion": [version] });
        if let Some(language) = &event.detail.language {
            notice["dct:language"] = json!([language]);
        }
        record["dpv:hasNotice"] = json!([notice]);
    }
    Some(record)
}
