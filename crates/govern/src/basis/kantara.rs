//! Consent receipts of the Kantara Initiative, version 1.1: one JSON object for what one person agreed to at one moment.

use super::read::{Received, Statement, written};
use super::strict_json::objects;
use super::{BasisEvent, BasisKind, Reading};
use crate::Error;
use serde_json::{Map, Value, json};

/// The version that is read and written.
const VERSION: &str = "KI-CR-v1.1.0";
/// What a receipt must hold.
const REQUIRED: [&str; 11] = [
    "version",
    "jurisdiction",
    "consentTimestamp",
    "collectionMethod",
    "consentReceiptID",
    "piiPrincipalId",
    "piiControllers",
    "services",
    "policyUrl",
    "sensitive",
    "spiCat",
];
/// What a purpose of a receipt must hold.
const OF_PURPOSE: [&str; 5] = ["consentType", "purposeCategory", "piiCategory", "termination", "thirdPartyDisclosure"];

/// Reads receipts: an object, a list, or one on each line. Each purpose that is declared here becomes a `given` event under Art 6(1)(a), and
/// under Art 9(2)(a) where the consent was explicit and the receipt names sensitive categories. Its notice is `policyUrl`, its end the date in
/// `termination` where there is one. A purpose without consent (`N/A`) gives nothing.
///
/// # Errors
/// [`Error::BasisRows`] by the number of the receipt.
pub fn read_kantara_receipts(text: &str, reading: &Reading<'_>) -> Result<Received, Error> {
    let mut received = Received::default();
    let mut wrong = vec![];
    for (index, (_, receipt)) in objects(text)?.into_iter().enumerate() {
        let place = index as u64 + 1;
        if let Err(whys) = one(&receipt, reading, &mut received) {
            wrong.extend(whys.into_iter().map(|why| (place, why)));
        }
    }
    if wrong.is_empty() { Ok(received) } else { Err(Error::BasisRows(wrong)) }
}

fn one(receipt: &Map<String, Value>, reading: &Reading<'_>, received: &mut Received) -> Result<(), Vec<String>> {
    let missing: Vec<String> =
        REQUIRED.iter().filter(|key| !receipt.contains_key(**key)).map(|key| format!("`{key}` is missing")).collect();
    if !missing.is_empty() {
        return Err(missing);
    }
    if receipt["version"].as_str() != Some(VERSION) {
        return Err(vec![format!("`version` is not {VERSION}")]);
    }
    let text = |key: &str| receipt.get(key).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty());
    let Some(at) = receipt["consentTimestamp"].as_i64().filter(|at| *at >= 0) else {
        return Err(vec!["`consentTimestamp` is no number of seconds since 1970".into()]);
    };
    let at = written(at);
    let sensitive = receipt["sensitive"].as_bool().unwrap_or(true) && receipt["spiCat"].as_array().is_none_or(|c| !c.is_empty());
    let services = receipt["services"].as_array().map(Vec::as_slice).unwrap_or_default();
    let purposes: Vec<&Value> = services.iter().filter_map(|s| s["purposes"].as_array()).flatten().collect();
    if purposes.is_empty() {
        return Err(vec!["`services` holds no purpose".into()]);
    }
    let mut wrong = vec![];
    for purpose in purposes {
        let Some(purpose) = purpose.as_object() else {
            wrong.push("a purpose is no object".to_owned());
            continue;
        };
        wrong.extend(OF_PURPOSE.iter().filter(|k| !purpose.contains_key(**k)).map(|k| format!("`{k}` of a purpose is missing")));
        let category = purpose.get("purposeCategory").and_then(Value::as_array).and_then(|c| c.first()).and_then(Value::as_str);
        let named = [purpose.get("purpose").and_then(Value::as_str), category].into_iter().flatten().find_map(|name| reading.purpose(name));
        let Some(named) = named else {
            received.other_purposes += 1;
            continue;
        };
        let kind = purpose.get("consentType").and_then(Value::as_str).unwrap_or_default();
        if !kind.eq_ignore_ascii_case("EXPLICIT") && !kind.eq_ignore_ascii_case("IMPLICIT") {
            continue;
        }
        let explicit = kind.eq_ignore_ascii_case("EXPLICIT");
        let termination = purpose.get("termination").and_then(Value::as_str).filter(|t| super::seconds(t).is_some());
        let statement = Statement {
            subject: text("piiPrincipalId"),
            purpose: Some(&named.name),
            state: Some("given"),
            at: Some(&at),
            notice: text("policyUrl"),
            art6: Some("a"),
            art9: (explicit && sensitive).then_some("a"),
            expires: termination,
            language: text("language"),
            receipt: text("consentReceiptID"),
            ..Statement::default()
        };
        match statement.event(reading) {
            Ok(event) => received.events.push(event),
            Err(whys) => wrong.extend(whys),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Writes what one unit gave at one moment as a receipt; the principal is the unit's pseudonym. `None` where the event gave nothing.
#[must_use]
pub fn write_kantara_receipt(event: &BasisEvent, controller: &str, contact: &str, jurisdiction: &str) -> Option<Value> {
    if !matches!(event.state, BasisKind::Given | BasisKind::Renewed) || event.art6 != Some('a') {
        return None;
    }
    let id = event.detail.receipt.clone().unwrap_or_else(|| format!("{}/{}/{}", event.subject, event.purpose, event.since));
    let mut receipt = json!({
        "version": VERSION,
        "jurisdiction": jurisdiction,
        "consentTimestamp": event.since,
        "collectionMethod": "recorded consent",
        "consentReceiptID": id,
        "piiPrincipalId": event.subject,
        "piiControllers": [{ "piiController": controller, "contact": contact, "address": {}, "email": contact, "phone": "" }],
        "policyUrl": event.notice,
        "services": [{ "service": event.dataset, "purposes": [{
            "purpose": event.purpose,
            "purposeCategory": [event.purpose],
            "consentType": if event.art9.is_some() { "EXPLICIT" } else { "IMPLICIT" },
            "piiCategory": [],
            "termination": event.expires.map_or_else(|| "until withdrawn".to_owned(), written),
            "thirdPartyDisclosure": false,
        }] }],
        "sensitive": event.art9.is_some(),
        "spiCat": if event.art9.is_some() { json!(["as the notice says"]) } else { json!([]) },
    });
    if let Some(language) = &event.detail.language {
        receipt["language"] = json!(language);
    }
    Some(receipt)
}
