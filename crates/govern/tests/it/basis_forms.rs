//! Consents in the forms of others: JSON, Kantara receipts, DPV records; there and back, and what hostile files get.

use super::*;
use reticent_govern::{
    Error, Received, decode, read_basis_csv, read_basis_json, read_dpv_records, read_kantara_receipts, write_basis_csv, write_dpv_record,
    write_kantara_receipt,
};
use serde_json::{Value, json};

fn purposes() -> Vec<PurposeName> {
    vec![
        PurposeName { iri: Some("https://w3id.org/dpv#Marketing".into()), description: Some("To market services".into()), ..named("ads") },
        PurposeName { iri: Some("https://w3id.org/dpv#ServiceProvision".into()), ..named("risk") },
    ]
}

/// One of the interchange examples, where the test data lie.
fn example(name: &str) -> Option<String> {
    let beside = || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("RETICENT_TEST_DATA").map_or_else(beside, PathBuf::from);
    std::fs::read_to_string(folder.join("consent-receipts").join(name)).ok()
}

fn plain(events: &[BasisEvent]) -> Vec<BasisEvent> {
    events.iter().map(|e| BasisEvent { subject: e.subject.trim_matches(['<', '>']).into(), ..e.clone() }).collect()
}

#[test]
fn json_says_what_csv_says() {
    let csv = "subject,purpose,state,at,notice,art6,art9,expires,language,age,guardian,receipt\n\
               ann,risk,given,2026-05-01,v1,a,a,2027-05-01,de,15,birth register,r-1\nbob,*,opted-out,2026-05-02,,,,,,,,\n";
    let json = json!([
        { "subject": "ann", "purpose": "risk", "state": "given", "at": "2026-05-01", "notice": "v1", "art6": "a", "art9": "a",
          "expires": "2027-05-01", "language": "de", "age": 15, "guardian": "birth register", "receipt": "r-1" },
        { "subject": "bob", "purpose": "*", "state": "opted-out", "at": "2026-05-02", "notice": null },
    ]);
    let from_csv = reading(&purposes(), |r| read_basis_csv(csv, r)).unwrap();
    assert_eq!(reading(&purposes(), |r| read_basis_json(&json.to_string(), r)).unwrap(), from_csv);
    let lines: String = json.as_array().unwrap().iter().map(|o| format!("{o}\n")).collect();
    assert_eq!(reading(&purposes(), |r| read_basis_json(&lines, r)).unwrap(), from_csv);
    assert_eq!(from_csv[0].detail.age, Some(15));
    // Written and read back: the same, under the pseudonyms.
    let written = write_basis_csv(&plain(&from_csv));
    let back = reading(&purposes(), |r| read_basis_csv(&written, r)).unwrap();
    assert_eq!(plain(&back).iter().map(|e| &e.subject).collect::<Vec<_>>(), ["ann", "bob"]);
    assert_eq!((back[0].since, back[0].expires, &back[1].purpose), (from_csv[0].since, from_csv[0].expires, &"*".to_owned()));
}

#[test]
fn a_kantara_receipt_is_read_and_written() {
    let Some(text) = example("kantara-consent-receipt-v1_1-example.json") else { return };
    let Received { events, other_purposes } = reading(&purposes(), |r| read_kantara_receipts(&text, r)).unwrap();
    assert_eq!((events.len(), other_purposes), (1, 3), "one of four purposes is declared here");
    let event = &events[0];
    assert_eq!(
        (event.purpose.as_str(), event.state, event.since, event.art6, event.art9),
        ("ads", BasisKind::Given, 1_510_592_400, Some('a'), Some('a'))
    );
    assert_eq!(event.notice.as_deref(), Some("https://times.ankh-morpork.xzy/privacy_2017"));
    assert_eq!(event.detail.receipt.as_deref(), Some("#c1befd3e-b7e5-4ea6-8688-e9a565aade21"));
    let written = write_kantara_receipt(&plain(&events)[0], "Times", "x@example.org", "DW").unwrap();
    let back = reading(&purposes(), |r| read_kantara_receipts(&written.to_string(), r)).unwrap().events;
    let numbered = BasisEvent {
        detail: BasisDetail { receipt: Some(format!("#{}", event.detail.receipt.clone().unwrap())), ..event.detail.clone() },
        ..event.clone()
    };
    assert_eq!(back, [numbered]);
    // Every required key, one after the other.
    for key in written.as_object().unwrap().keys().filter(|k| *k != "language") {
        let mut broken = written.clone();
        broken.as_object_mut().unwrap().remove(key);
        let error = reading(&purposes(), |r| read_kantara_receipts(&broken.to_string(), r)).unwrap_err();
        assert_eq!(error.to_string(), format!("line 1: `{key}` is missing"));
    }
    assert!(write_kantara_receipt(&happened("aa", BasisKind::Withdrawn, 1), "x", "y", "DW").is_none());
}

#[test]
fn dpv_records_go_there_and_back_in_every_state() {
    use BasisKind::*;
    for kind in
        [Given, Refused, Withdrawn, Expired, Invalidated, Revoked, Requested, RequestDeferred, Unknown, Renewed, Informed, Uninformed]
    {
        let gives = matches!(kind, Given | Renewed | Informed);
        let art6 = if kind == Informed { 'f' } else { 'a' };
        let event = BasisEvent {
            purpose: "ads".into(),
            art6: gives.then_some(art6),
            art9: (gives && art6 == 'a').then_some('a'),
            notice: gives.then(|| "v1".into()),
            expires: gives.then_some(1_800_000_000),
            detail: BasisDetail {
                language: gives.then(|| "de".into()),
                age: gives.then_some(15),
                guardian: gives.then(|| "register".into()),
                receipt: None,
            },
            ..happened("ann", kind, 1_700_000_000)
        };
        let record = write_dpv_record(&event, &purposes()[0], "Acme", "EU").unwrap();
        let back = reading(&purposes(), |r| read_dpv_records(&record.to_string(), r)).unwrap().events;
        assert_eq!(plain(&back), [event], "{record:#}");
        // Whole IRIs are the same record.
        let whole =
            record.to_string().replace("\"dpv:", "\"https://w3id.org/dpv#").replace("\"eu-gdpr:", "\"https://w3id.org/dpv/legal/eu/gdpr#");
        assert_eq!(reading(&purposes(), |r| read_dpv_records(&whole, r)).unwrap().events, back);
        // Every property is a list, but for what JSON-LD itself names.
        let lists = record.as_object().unwrap().iter().filter(|(k, _)| !k.starts_with("@context")).all(|(_, v)| v.is_array());
        assert!(lists && record["dct:conformsTo"][0]["@id"] == "https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr");
    }
    assert!(write_dpv_record(&happened("ann", Objected, 1), &purposes()[0], "Acme", "EU").is_none());
}

/// The example of the vocabulary (E0023), its Turtle written as JSON-LD.
#[test]
fn the_example_of_the_vocabulary_is_read() {
    let record = json!({ "@id": "63ded36f-4acd-4f3c-991e-6cb636698523", "@type": "dpv:ConsentRecord", "dct:hasVersion": "27560-WD5",
        "dpv:hasIdentifier": "63ded36f-4acd-4f3c-991e-6cb636698523", "dpv:hasDataSubject": "96121fde-199f-4848-8942-4436e270513a",
        "dpv:hasNotice": { "@id": "https://example.com/notice/WD5" },
        "dpv:hasProcess": { "@type": "dpv:Process", "dpv:hasPurpose": { "@id": "dpv:Marketing" }, "dpv:hasLegalBasis": { "@id": "dpv:Consent" } },
        "dpv:hasConsentStatus": { "@id": "dpv:ConsentGiven" },
        "dct:hasPart": { "@type": ["dpv:ConsentGiven", "dpv:ExplicitlyExpressedConsent"],
            "dpv:isIndicatedAtTime": { "@value": "2021-05-28T12:24:00", "@type": "xsd:dateTime" }, "dpv:hasDuration": 63_115_200,
            "dpv:hasEntity": "96121fde-199f-4848-8942-4436e270513a" } });
    let received = reading(&purposes(), |r| read_dpv_records(&record.to_string(), r)).unwrap();
    let event = &received.events[0];
    assert_eq!((received.events.len(), event.state, event.since, event.expires), (1, BasisKind::Given, 1_622_204_640, Some(1_685_319_840)));
    assert_eq!((event.notice.as_deref(), event.art6, event.art9), (Some("https://example.com/notice/WD5"), Some('a'), None));
    // And the Turtle itself, as it is published.
    let Some(turtle) = example("dpv-examples/E0023.ttl") else { return };
    assert_eq!(reading(&purposes(), |r| read_dpv_records(&turtle, r)).unwrap(), received);
    let prefixed = format!("@prefix d: <https://w3id.org/dpv#> .\n# a comment\n{}", turtle.replace("dpv:", "d:"));
    assert_eq!(reading(&purposes(), |r| read_dpv_records(&prefixed, r)).unwrap(), received);
}

#[test]
fn hostile_turtle() {
    let read = |text: &str| reading(&purposes(), |r| read_dpv_records(text, r)).map(|r| r.events.len());
    for (text, expected) in [
        ("", "line 1: holds no dpv:ConsentRecord"),
        ("ex:a a dpv:Notice .", "line 1: holds no dpv:ConsentRecord"),
        ("ex:a a dpv:ConsentRecord", "line 1: is not the Turtle that is read here"),
        ("ex:a\n a dpv:ConsentRecord ; dct:title \"MARKER\n\" .", "line 3: a text has no end"),
        ("ex:a dpv:x ( 1 2 ) .", "line 1: lists in brackets are not read here"),
        ("<no\nend> a dpv:ConsentRecord .", "line 1: is not the Turtle that is read here"),
    ] {
        refused(read(text), expected);
    }
    refused(read(&format!("ex:a dpv:x {}", "[ dpv:x ".repeat(100_000))), "line 1: nodes lie too deep in one another");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 500, failure_persistence: None, ..proptest::prelude::ProptestConfig::default() })]

    /// Pieces of every form in any order: an error, and never a panic.
    #[test]
    fn pieces_of_every_form_never_panic(pieces in proptest::collection::vec(proptest::sample::select(vec![
        "{", "}", "[", "]", "\"subject\"", ":", "\"MARKER\"", ",", "\n", "ex:a ", "a ", "dpv:ConsentRecord ", ";", ".", "<https://x.example>", "@prefix d: ", "\u{feff}",
        "1e999", "^^xsd:dateTime", "\"consentReceiptID\"", "\"@graph\"", "null", "-", "ü", "\\", "\"\"\"",
    ]), 0..40)) {
        let text = pieces.concat();
        let _ = reading(&purposes(), |r| read_basis_json(&text, r));
        let _ = reading(&purposes(), |r| read_kantara_receipts(&text, r));
        let _ = reading(&purposes(), |r| read_dpv_records(&text, r));
        let _ = decode(text.as_bytes()).map(|text| reading(&purposes(), |r| read_basis_csv(text, r)));
        let _ = reticent_govern::read_register(&text);
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, expected: &str) {
    let error = result.unwrap_err().to_string();
    assert_eq!(error, expected);
    assert!(!error.contains("MARKER"));
}

fn json_of(text: &str) -> Result<Vec<BasisEvent>, Error> {
    reading(&purposes(), |r| read_basis_json(text, r))
}

const WITHDRAWN: &str = r#"{"subject": "MARKER", "purpose": "risk", "state": "withdrawn", "at": "2026-05-01""#;

#[test]
fn hostile_malformed_json() {
    for text in ["{", "[", "[{]", "nul", "{\"subject\": \"MARKER}", "{'subject': 'MARKER'}", "[1,]", "\u{0}", "NaN", "{}x"] {
        let error = json_of(text).unwrap_err().to_string();
        assert!(error.starts_with("line 1: ") && !error.contains("MARKER"), "{text}: {error}");
    }
    refused(json_of("[1, \"MARKER\"]"), "line 1: is no object\nline 1: is no object");
    refused(json_of(""), "line 1: the file is empty");
    refused(json_of(&"[".repeat(100_000)), "line 1: is not JSON");
    refused(json_of(&format!("{WITHDRAWN}}}\n{WITHDRAWN}")), "line 2: is not JSON");
    refused(json_of(&format!("{WITHDRAWN}, \"notice\": [\"v1\"]}}")), "line 1: holds a value that is neither a text nor a number");
    refused(json_of(&format!("{WITHDRAWN}, \"MARKER is not a key\": 1}}")), "line 1: the key `…` is not known");
}

#[test]
fn hostile_duplicate_keys() {
    // A parser that takes the last one would read a consent where another reads a withdrawal.
    refused(json_of(&format!("{WITHDRAWN}, \"state\": \"given\"}}")), "line 1: an object holds a key twice");
    refused(json_of(&format!("[{WITHDRAWN}, \"notice\": {{\"a\": 1, \"a\": 2}}}}]")), "line 1: an object holds a key twice");
    let kantara = r#"{"version": "KI-CR-v1.1.0", "version": "x"}"#;
    refused(reading(&purposes(), |r| read_kantara_receipts(kantara, r)), "line 1: an object holds a key twice");
    refused(reading(&purposes(), |r| read_dpv_records(kantara, r)), "line 1: an object holds a key twice");
}

#[test]
fn hostile_byte_order_marks_and_mixed_encodings() {
    let text = format!("{WITHDRAWN}}}");
    let with_mark = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    assert_eq!(json_of(decode(&with_mark).unwrap()).unwrap().len(), 1);
    let utf16: Vec<u8> = std::iter::once(0xfeff_u16).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    refused(decode(&utf16), "line 1: the file is UTF-16; write it as UTF-8");
    refused(decode(&utf16[2..]), "line 1: the file holds zero bytes: it is no text in UTF-8");
    let mixed = [b"subject,purpose,state,at\nann,risk,withdrawn,2026-05-01\nM\xfcller,risk,withdrawn,2026-05-01\n".as_slice()].concat();
    refused(decode(&mixed), "line 3: is not UTF-8: the file mixes encodings, or is in another one");
}

#[test]
fn hostile_markup_in_texts() {
    let with = |notice: &str| {
        json_of(
            &json!({ "subject": "ann", "purpose": "risk", "state": "given", "at": "2026-05-01", "art6": "a", "notice": notice })
                .to_string(),
        )
    };
    for notice in ["<script>MARKER</script>", "v1<img src=x onerror=MARKER>", "v1\u{1b}[2J", "v1\nMARKER"] {
        assert!(with(notice).is_err(), "{notice:?}");
    }
    assert!(with("v1 & 2").is_ok());
}

#[test]
fn hostile_long_ids() {
    let of = |length: usize| {
        json_of(&json!({ "subject": "x".repeat(length), "purpose": "risk", "state": "withdrawn", "at": "2026-05-01" }).to_string())
    };
    assert!(of(1024).is_ok());
    refused(of(1025), "line 1: `subject` is longer than 1,024 bytes");
    refused(of(10_000_000), "line 1: `subject` is longer than 1,024 bytes");
}

#[test]
fn hostile_case_variants_of_iris() {
    let purpose_of = |iri: &str| {
        let read = json_of(&json!({ "subject": "ann", "purpose": iri, "state": "withdrawn", "at": "2026-05-01" }).to_string());
        read.map(|events| events[0].purpose.clone()).ok()
    };
    for iri in ["https://w3id.org/dpv#Marketing", "HTTPS://W3ID.org/dpv#Marketing", "dpv:Marketing", "http://www.w3.org/ns/dpv#Marketing"] {
        assert_eq!(purpose_of(iri).as_deref(), Some("ads"), "{iri}");
    }
    // Another case of the term is another term: refused, not guessed.
    for iri in ["https://w3id.org/dpv#marketing", "https://w3id.org/DPV#Marketing", "dpv:MARKETING", "Ads", "ads "] {
        assert_ne!(purpose_of(iri).as_deref(), Some("ads").filter(|_| iri != "ads "), "{iri}");
    }
}

#[test]
fn hostile_formulas_in_cells() {
    let events = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)"]
        .map(|notice| BasisEvent { notice: Some(notice.into()), ..happened("aa", BasisKind::Given, 10) });
    let written = write_basis_csv(&events);
    assert_eq!(written.matches(",'").count(), 4, "{written}");
    assert!(!written.lines().skip(1).any(|l| l.split(',').any(|c| c.trim_matches('"').starts_with(['=', '+', '@']))));
}

#[test]
fn hostile_packed_files() {
    for head in [&b"\x1f\x8b\x08\x00MARKER"[..], b"PK\x03\x04MARKER", b"\x28\xb5\x2f\xfdMARKER", b"BZh9MARKER", b"\xfd7zXZMARKER"] {
        refused(decode(head), "line 1: the file is packed; unpack it first: nothing is unpacked here, whatever size it would have");
    }
}

#[test]
fn hostile_replayed_receipts() {
    let (_folder, _path, mut ledger) = fresh();
    let receipt = |subject: &str, since: i64, number: &str| BasisEvent {
        detail: BasisDetail { receipt: Some(number.into()), ..BasisDetail::default() },
        ..happened(subject, BasisKind::Given, since)
    };
    ledger.import_basis(&actor(), "visits", "a", &[receipt("ann", 10, "r-1")]).unwrap();
    ledger.import_basis(&actor(), "visits", "b", &[happened("ann", BasisKind::Withdrawn, 20)]).unwrap();
    // The same receipt again is known, and brings nobody back.
    let again = ledger.import_basis(&actor(), "visits", "c", &[receipt("ann", 10, "r-1")]).unwrap();
    assert_eq!((again.written, again.known), (0, 1));
    assert_eq!(facts(&mut ledger, "risk", &[("ann".to_owned(), 1)].into(), 30).units[0].basis.as_ref().unwrap().since, 20);
    // Under its number with a later date, or somebody else's name: refused, and nothing is written.
    for replayed in [receipt("ann", 25, "r-1"), receipt("bob", 10, "r-1")] {
        let before = ledger.event_count().unwrap();
        let error = ledger.import_basis(&actor(), "visits", "d", &[receipt("eve", 1, "r-2"), replayed]).unwrap_err();
        assert_eq!(error.to_string(), "1 receipts are on record with another content: a receipt says one thing");
        assert_eq!(ledger.event_count().unwrap(), before);
    }
    // Two contents under one number in one file are no better.
    assert!(ledger.import_basis(&actor(), "visits", "e", &[receipt("eve", 1, "r-3"), receipt("eve", 2, "r-3")]).is_err());
}

#[test]
fn hostile_contexts_give_no_other_meaning() {
    let record = write_dpv_record(
        &BasisEvent { purpose: "ads".into(), ..happened("ann", BasisKind::Withdrawn, 1_700_000_000) },
        &purposes()[0],
        "Acme",
        "EU",
    );
    let mut record: Value = record.unwrap();
    record["@context"]["dpv"] = json!("https://example.org/opposite#");
    refused(reading(&purposes(), |r| read_dpv_records(&record.to_string(), r)), "line 1: `@context` gives `dpv` another meaning");
}
