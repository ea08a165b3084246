//! Cases of Presidio's recognisers (MIT) for the kinds that this crate has.

use reticent_minimise::{Kind, Options, Scanner};
use serde_json::Value;
use std::collections::BTreeMap;

#[test]
fn recogniser_cases() {
    let Some(folder) = super::test_data("pii-recognizer-cases") else { return };
    let kinds = BTreeMap::from([
        ("credit_card", Kind::Card),
        ("email", Kind::Email),
        ("iban", Kind::Iban),
        ("ip", Kind::Ip),
        ("phone", Kind::Phone),
        ("us_ssn", Kind::Ssn),
    ]);
    let mut agree: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    let mut differ = vec![];
    for line in std::fs::read_to_string(folder.join("cases.jsonl")).unwrap().lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let Some((name, kind)) = kinds.get_key_value(case["recognizer"].as_str().unwrap()) else { continue };
        let (Some(text), Some(expected)) = (case["values"][0].as_str(), case["values"][1].as_u64()) else { continue };
        let scanner = Scanner::new(Options { kinds: [*kind].into(), ..Options::default() }).unwrap();
        let found = scanner.scan(text).len() as u64;
        let count = agree.entry(name).or_default();
        count[1] += 1;
        if found == expected {
            count[0] += 1;
        } else {
            differ.push(format!("{name}: {found} instead of {expected} in {text:?}"));
        }
    }
    for (name, [agree, of]) in &agree {
        eprintln!("{name:12} {agree} of {of} cases as Presidio has them");
    }
    eprintln!("{}", differ.join("\n"));
    // Not taken over: `::` alone, phone numbers that begin inside a word or have no phone word beside them, social
    // security numbers with blanks and no context or with a misplaced dash.
    for (name, floor) in [("credit_card", 9), ("email", 4), ("iban", 165), ("ip", 56), ("phone", 7), ("us_ssn", 5)] {
        assert!(agree[name][0] >= floor, "{name}: {:?}", agree[name]);
    }
}
