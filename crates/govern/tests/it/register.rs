//! Registers: what stood when, as far as it was known when; hosts, retention, holds, tasks, and a clock that was set back.

use super::*;
use reticent_govern::{DueThing, Entry, Error, Event, RegisterEvent, read_register};
use serde_json::json;

const DAY: i64 = 86_400;

fn notice(id: &str, from: i64, until: Option<i64>, languages: &[&str]) -> RegisterEvent {
    let text = json!([{ "register": "notice", "id": id, "languages": languages, "purposes": ["risk"] }]).to_string();
    RegisterEvent { from, until, ..read_register(&text).unwrap().pop().unwrap() }
}

#[test]
fn what_stood_then_as_it_was_known_then() {
    let (_folder, _path, mut ledger) = fresh();
    assert_eq!(ledger.enter(&actor(), &[notice("v1", 10, None, &["de"])]).unwrap().written, 1);
    assert_eq!(ledger.enter(&actor(), &[notice("v1", 10, None, &["de"])]).unwrap().known, 1);
    let known = ledger.event_count().unwrap() as i64;
    // A correction of the past, and an end.
    ledger.enter(&actor(), &[notice("v1", 10, None, &["de", "fr"])]).unwrap();
    ledger.enter(&actor(), &[notice("v1", 20, Some(30), &["de", "fr", "it"])]).unwrap();
    let mut languages = |at, known| {
        let standing = ledger.register("notice", at, known).unwrap();
        standing.get("v1").map(|e| if let Entry::Notice(n) = &e.entry { n.languages.len() } else { 0 })
    };
    assert_eq!([languages(9, None), languages(10, None), languages(20, None), languages(30, None)], [None, Some(2), Some(3), None]);
    assert_eq!([languages(10, Some(known)), languages(40, Some(known))], [Some(1), Some(1)]);
    assert!(ledger.damaged().unwrap().is_empty());
    assert_eq!(ledger.events("registered").unwrap()[0].actor, "test", "who changed it is on record");
}

#[track_caller]
fn check_wrong(entry: &serde_json::Value, expected: &str) {
    let (_folder, _path, mut ledger) = fresh();
    let refused = read_register(&entry.to_string()).and_then(|entries| ledger.enter(&actor(), &entries).map(drop));
    assert_eq!(refused.unwrap_err().to_string(), expected);
    assert_eq!(ledger.event_count().unwrap(), 0);
}

#[test]
fn wrong_entries() {
    check_wrong(
        &json!({ "register": "retention", "id": "data", "keep": "three years" }),
        "retention data: `keep` is no period such as P3Y",
    );
    check_wrong(&json!({ "register": "retention", "id": "data", "keep": "PT1H" }), "retention data: `keep` is no period such as P3Y");
    check_wrong(
        &json!({ "register": "retention", "id": "socks", "keep": "P3Y" }),
        "retention socks: is none of data, models, runs, reports, evidence, requests, answers, decisions",
    );
    check_wrong(
        &json!({ "register": "party", "id": "p", "role": "processor", "name": "x", "contact": "y", "country": "Ireland" }),
        "party p: a processor needs its contract (Art 28)\nparty p: `country` is no code of two letters",
    );
    check_wrong(
        &json!({ "register": "host", "id": "*.example.org", "recipient": "x", "region": "IE" }),
        "host *.example.org: a host is one name, without address, user or pattern",
    );
    check_wrong(
        &json!({ "register": "notice", "id": "v1", "languages": [], "purposes": [] }),
        "notice v1: it is shown in no language\nnotice v1: it names no purpose",
    );
    check_wrong(
        &json!({ "register": "notice", "id": "v1", "from": "2026-05-01", "until": "2026-05-01", "languages": ["de"], "purposes": ["x"] }),
        "notice v1: it ends before it begins",
    );
    check_wrong(
        &json!({ "register": "legal-hold", "id": "h", "dataset": "visits", "reason": "\u{1b}[2J", "ordered_by": "court" }),
        "legal-hold h: it holds a control character",
    );
    check_wrong(&json!({ "id": "v1" }), "entry 1: missing field `register`");
    check_wrong(&json!({ "register": "notice", "languages": ["de"], "purposes": ["x"] }), "entry 1: `id` is missing");
    let twice = read_register(r#"{"register": "retention", "id": "data", "keep": "P3Y", "keep": "P99Y"}"#).unwrap_err();
    assert_eq!(twice.to_string(), "line 1: an object holds a key twice");
}

#[test]
fn an_undeclared_host_is_denied_and_a_declared_one_needs_contract_and_transfer_tool() {
    let (_folder, _path, mut ledger) = fresh();
    let mut ask = |entries: serde_json::Value, host: &str, purpose: &str| {
        ledger.enter(&actor(), &read_register(&entries.to_string()).unwrap()).unwrap();
        ledger.connection(&actor(), host, purpose).unwrap().why
    };
    let recipient = |country: &str, more: serde_json::Value| {
        let mut entry = json!({ "register": "recipient", "id": "acme", "name": "Acme", "country": country, "purposes": ["risk"] });
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    let host = |region: &str| json!({ "register": "host", "id": "DB.example.org", "recipient": "acme", "region": region });
    assert_eq!(ask(json!([]), "db.example.org", "risk"), ["the host is not declared"]);
    assert_eq!(ask(json!([host("IE")]), "db.example.org", "risk"), ["the host's recipient is not declared"]);
    let no_contract = "no contract with the recipient is on record (Art 28)";
    assert_eq!(ask(recipient("IE", json!({})), "db.example.org", "risk"), [no_contract]);
    let contract = json!({ "contract": "DPA of 2026-01-01" });
    assert_eq!(ask(recipient("IE", contract), "db.example.org", "risk"), [""; 0]);
    assert_eq!(ask(json!([]), "db.example.org", "ads"), ["the recipient receives nothing for this purpose"]);
    assert_eq!(ask(json!([]), "db.example.org.evil.example", "risk"), ["the host is not declared"]);
    let outside = "it lies outside the Union, and nothing carries a transfer (Chapter V)";
    assert_eq!(ask(host("US"), "db.example.org", "risk"), [outside]);
    assert_eq!(
        ask(recipient("US", json!({ "contract": "x", "transfer": "standard-contractual-clauses" })), "db.example.org", "risk"),
        [""; 0]
    );
    let decided = ledger.events("connection-decided").unwrap();
    let allowed = decided.iter().filter(|s| matches!(s.event, Event::ConnectionDecided { allowed: true, .. })).count();
    assert_eq!((decided.len(), allowed), (8, 2));
}

#[test]
fn what_is_past_its_retention_is_due_unless_it_is_held() {
    let (_folder, _path, mut ledger) = fresh();
    let entries = json!([
        { "register": "retention", "id": "data", "keep": "P1M" },
        { "register": "legal-hold", "id": "case 7", "from": "1970-04-01", "until": "1970-06-01", "dataset": "visits", "reason": "a claim", "ordered_by": "court" },
    ]);
    ledger.enter(&actor(), &read_register(&entries.to_string()).unwrap()).unwrap();
    let thing =
        |kind: &str, dataset: &str| DueThing { kind: kind.into(), name: format!("{dataset}/v1"), dataset: Some(dataset.into()), since: 0 };
    let things = [thing("data", "visits"), thing("data", "claims"), thing("models", "visits")];
    let mut due = |at| {
        let (remove, held) = ledger.due(&things, at).unwrap();
        (remove.into_iter().map(|t| t.name).collect::<Vec<_>>(), held.into_iter().map(|t| t.name).collect::<Vec<_>>())
    };
    let own = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    assert_eq!(due(31 * DAY - 1), (vec![], vec![]));
    assert_eq!(due(31 * DAY), (own(&["visits/v1", "claims/v1"]), vec![]), "January has 31 days");
    assert_eq!(due(100 * DAY), (own(&["claims/v1"]), own(&["visits/v1"])));
    assert_eq!(due(200 * DAY).1, own(&[]), "the hold is over");
    assert_eq!(ledger.keep_until("data", 0, 0).unwrap(), Some(31 * DAY));
    assert_eq!(ledger.keep_until("models", 0, 0).unwrap(), None);
}

#[test]
fn a_clock_that_was_set_back_stops_every_writer_until_somebody_answers_for_it() {
    let (_folder, path, mut ledger) = fresh();
    ledger.append(&actor(), &Event::NoiseKeyCreated { run: "r".into() }).unwrap();
    drop(ledger);
    edit(&path, "UPDATE events SET at = '2999-01-01T00:00:00Z' WHERE seq = 1");
    let mut ledger = path.open().unwrap();
    let refused = [
        ledger.append(&actor(), &Event::NoiseKeyCreated { run: "s".into() }).unwrap_err(),
        ledger.import_basis(&actor(), "visits", "c.csv", &[happened("aa", BasisKind::Given, 10)]).unwrap_err(),
        ledger.now().unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(&error, Error::Clock { last, .. } if last == "2999-01-01T00:00:00Z"), "{error}");
    }
    assert_eq!((ledger.event_count().unwrap(), ledger.basis_events_known("visits").unwrap()), (1, false));
    ledger.accept_clock(&actor(), "head", "the machine's battery was empty").unwrap();
    ledger.append(&actor(), &Event::NoiseKeyCreated { run: "s".into() }).unwrap();
    assert!(ledger.now().unwrap() > 1_700_000_000);
    assert!(ledger.events("clock-accepted").unwrap().len() == 1);
}
