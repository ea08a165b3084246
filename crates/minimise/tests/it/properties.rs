//! What holds for every text.

use proptest::prelude::*;
use reticent_minimise::{Error, Found, Kind, Options, Scanner, Style, redact};

/// Arbitrary text, with pieces of what recognisers look for.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => any::<String>(),
        3 => prop::sample::select(vec![
            "4111 1111 1111 1111", "GB29NWBK60161331926819", "ann@example.org", "536-32-3065", "10.0.0.1/24", "fe80::1%eth0", "+49 30 1234567",
            "(415) 555-0132 x12", "Ann Smith", "my name is ann smith", "Mr. O'Brien", "Jean-Luc van der Berg", "Zoë É. Müller", "<CARD>", "<PHONE>",
        ]).prop_map(str::to_owned),
        3 => prop::sample::select(vec!["@", ":", "::", ".", "-", "(", ")", "+", " ", "\n", "\u{feff}", "x", "é", "0", "12", "555", "phone ", "é@ü.de", "%", "/"]).prop_map(str::to_owned),
        1 => "[0-9@.:()+ x-]{0,40}",
    ];
    prop::collection::vec(piece, 0..10).prop_map(|p| p.concat())
}

fn everything() -> Scanner {
    Scanner::new(Options { min_score: 0.0, ..Options::default() }).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn spans_are_sorted_apart_and_on_characters(text in text()) {
        for scanner in [Scanner::default(), everything()] {
            let found = scanner.scan(&text);
            let mut last = 0;
            for f in &found {
                prop_assert!(last <= f.start && f.start < f.end && f.end <= text.len());
                prop_assert!(text.get(f.start..f.end).is_some(), "{:?} in {:?}", f, text);
                prop_assert!((0.0..=1.0).contains(&f.score));
                last = f.end;
            }
            prop_assert_eq!(scanner.scan(&text), found);
        }
    }

    #[test]
    fn redaction_leaves_no_value_and_placeholders_stay(text in text(), keep_last_four: bool) {
        let style = Style { keep_last_four };
        let scanner = Scanner::default();
        let (once, rounds) = scanner.redact(&text, style);
        prop_assert!(rounds <= text.len());
        prop_assert_eq!(scanner.scan(&once), vec![]);
        prop_assert_eq!(scanner.redact(&once, style).0, once);
    }

    #[test]
    fn a_kind_alone_is_found_where_it_stands_free(before in "[a-z]{1,8} ", after in " [a-z]{1,8}") {
        for (value, kind) in [("4111111111111111", Kind::Card), ("ann@example.org", Kind::Email), ("GB29NWBK60161331926819", Kind::Iban), ("10.20.30.40", Kind::Ip), ("536-32-3065", Kind::Ssn), ("+49 30 12345678", Kind::Phone)] {
            prop_assume!(!["version ", "v ", "release ", "section ", "chapter ", "oid ", "versions "].contains(&&before[..]));
            let text = format!("{before}{value}{after}");
            let found: Vec<_> = Scanner::default().scan(&text).into_iter().filter(|f| f.kind != Kind::Name).map(|f| (f.kind, f.start, f.end)).collect();
            prop_assert_eq!(found, vec![(kind, before.len(), before.len() + value.len())]);
        }
    }
}

/// What looks like personal data and is none, or belongs to another kind.
#[test]
fn false_alarms() {
    for text in [
        "2024-03-01 10:30:45",
        "0.4111111111111111",
        "1.4111111111111111e5",
        "x4111111111111111",
        "4111111111111112",
        "1700000000000",
        "1700000000000000",
        "20261123233237",
        "120.5,70.25,98,37.2",
        "1,250,000.00",
        "std::vec::Vec and a::b",
        "12:30:45",
        "version 1.2.3.4",
        "256.1.1.1 and 1.2.3.4.5",
        "000-12-3456, 666-12-3456, 900-12-3456, 536-00-3065, 536-32-0000",
        "a@b, @home, x@.com, a@b.c",
        "550e8400-e29b-41d4-a716-446655440000",
        "ISBN 978-3-16-148410-0",
        "The Will of the People, May Day, Park Lane, Charlotte Airport, Victoria Station",
        "GB29 NWBK 6016 1331 9268 18",
        // Remainders of 0 and 2 where 1 is right.
        "GB28 NWBK 6016 1331 9268 19, GB30 NWBK 6016 1331 9268 19",
        // More digits than any number has.
        "call 12 34 56 78 90 12 34 56 78 90 12",
        "3.14159265358979 2.71828182845905",
        "1e-10, 6.02214076e23",
        "room 101, page 12-14, 3/4, 50%",
    ] {
        assert_eq!(Scanner::default().scan(text), [], "{text:?}");
    }
}

#[test]
fn context_decides_where_the_shape_is_weak() {
    let kinds = |text: &str| Scanner::default().scan(text).iter().map(|f| (f.kind, f.score)).collect::<Vec<_>>();
    assert_eq!(kinds("881 7531"), []);
    assert_eq!(kinds("call me at 881 7531"), [(Kind::Phone, 0.65)]);
    assert_eq!(kinds("order 536323065"), []);
    assert_eq!(kinds("his SSN: 536323065"), [(Kind::Ssn, 0.65)]);
    assert_eq!(kinds("536-32-3065"), [(Kind::Ssn, 0.5)]);
    assert_eq!(kinds("SSN 536-32-3065"), [(Kind::Ssn, 0.85)]);
    // Five words before count, the sixth does not.
    assert_eq!(kinds("call one two three four 881 7531"), [(Kind::Phone, 0.65)]);
    assert_eq!(kinds("call one two three four five 881 7531"), []);
}

#[test]
fn the_more_specific_kind_stays() {
    let found = |text: &str| Scanner::default().scan(text).iter().map(|f| (f.kind, f.start, f.end)).collect::<Vec<_>>();
    assert_eq!(found("+3782 822463 10005"), [(Kind::Card, 1, 18)], "it is a phone number by its shape alone");
    assert_eq!(found("ann.smith.10.0.0.1@example.org"), [(Kind::Email, 0, 30)]);
    assert_eq!(found("10.0.0.0/24 10.0.0.0/99 10.0.0.0/24x"), [(Kind::Ip, 0, 11), (Kind::Ip, 12, 20), (Kind::Ip, 24, 32)]);
}

#[test]
fn time_is_linear_in_what_provokes_the_recognisers() {
    // Each would take minutes if a recogniser looked further than a bounded stretch.
    for unit in ["@", "a@", "1 ", "1-", "(1)", ":", "::1", "a.", "A ", "Ann ", "+1", "4111 ", "GB29 ", "1.1."] {
        let text = unit.repeat(400_000 / unit.len());
        let _ = everything().scan(&text);
    }
}

#[test]
fn wrong_arguments_are_refused() {
    for score in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(Scanner::new(Options { min_score: score, ..Options::default() }), Err(Error::Score(_))));
    }
    let at = |start, end| Found { kind: Kind::Name, start, end, score: 1.0 };
    for spans in [vec![at(0, 1)], vec![at(2, 3), at(2, 3)], vec![at(3, 2)], vec![at(2, 9)]] {
        assert!(matches!(redact("éab", &spans, Style::default()), Err(Error::Span { .. })), "{spans:?}");
    }
}
