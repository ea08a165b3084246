//! Slow and plain: every pair of offsets is tried against the definition of a card or an IBAN, written a second time.

use super::iban::COUNTRIES;
use super::{Found, Kind, Options, Scanner};
use proptest::prelude::*;

fn is_more(text: &[char], at: usize) -> bool {
    text.get(at).is_some_and(|c| c.is_alphanumeric())
}

fn decimal(text: &[char], at: usize) -> bool {
    matches!(text.get(at), Some('.' | '-')) && text.get(at + 1).is_some_and(char::is_ascii_digit)
}

/// Nothing goes on before or after `s..e`.
fn stands_alone(text: &[char], s: usize, e: usize) -> bool {
    let before = s > 0 && text[s - 1].is_alphanumeric();
    let continued = s > 1 && matches!(text[s - 1], '.' | '-') && text[s - 2].is_ascii_alphanumeric();
    !before && !continued && !is_more(text, e) && !decimal(text, e)
}

/// Luhn by its own words: double every second digit from the right, add the digits of what results.
fn luhn(digits: &str) -> bool {
    let mut written = String::new();
    for (place, digit) in digits.chars().rev().enumerate() {
        let value = digit.to_digit(10).unwrap();
        written += &(if place % 2 == 1 { 2 * value } else { value }).to_string();
    }
    written.chars().map(|c| c.to_digit(10).unwrap()).sum::<u32>() % 10 == 0
}

/// Prefixes of large brands, as text.
fn brand(digits: &str) -> bool {
    let four: u32 = digits[..4].parse().unwrap();
    let two = four / 100;
    let diners = (300..=305).contains(&(four / 10)) || [36, 38, 39].contains(&two);
    let jcb = (3528..=3589).contains(&four);
    match digits.len() {
        13 => digits.starts_with('4'),
        14 => diners,
        15 => two == 34 || two == 37,
        16 => {
            digits.starts_with('4')
                || (50..=58).contains(&two)
                || [60, 62, 63, 64, 65, 67, 81].contains(&two)
                || (2200..=2204).contains(&four)
                || (2221..=2720).contains(&four)
                || four == 9792
                || jcb
        }
        17 | 18 => two == 62 || jcb,
        19 => digits.starts_with('4') || two == 62 || two == 65 || jcb || [6304, 6759, 6761, 6762, 6763, 6799].contains(&four),
        _ => false,
    }
}

fn is_card(text: &[char], s: usize, e: usize) -> bool {
    let value: String = text[s..e].iter().collect();
    if !stands_alone(text, s, e) {
        return false;
    }
    let shape = ["", " ", "-"].iter().any(|separator| {
        let groups: Vec<&str> = if separator.is_empty() { vec![&value] } else { value.split(separator).collect() };
        let digits = groups.iter().all(|g| !g.is_empty() && g.bytes().all(|b| b.is_ascii_digit()));
        let lengths: Vec<usize> = groups.iter().map(|g| g.len()).collect();
        digits
            && match lengths[..] {
                [one] => (12..=19).contains(&one),
                [4, 4, 4, 4] | [4, 6, 5] | [4, 6, 4] => true,
                [4, 4, 4, 4, 3] => true,
                _ => false,
            }
    });
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    shape && luhn(&digits) && brand(&digits)
}

fn is_iban(text: &[char], s: usize, e: usize) -> bool {
    let value: String = text[s..e].iter().collect();
    if (s > 0 && text[s - 1].is_alphanumeric()) || is_more(text, e) || !value.is_ascii() {
        return false;
    }
    let separator = value.chars().nth(4).filter(|c| *c == ' ' || *c == '-');
    let groups: Vec<&str> = separator.map_or(vec![value.as_str()], |c| value.split(c).collect());
    if separator.is_some() && (groups[..groups.len() - 1].iter().any(|g| g.len() != 4) || groups[groups.len() - 1].len() > 4) {
        return false;
    }
    let plain = groups.concat().to_uppercase();
    let known = COUNTRIES.iter().any(|(c, n)| plain.as_bytes().starts_with(*c) && plain.len() == *n);
    if !known || !plain.bytes().all(|b| b.is_ascii_alphanumeric()) || !plain.as_bytes()[2..4].iter().all(u8::is_ascii_digit) {
        return false;
    }
    if groups.iter().any(|g| g.is_empty()) {
        return false;
    }
    let number: String = format!("{}{}", &plain[4..], &plain[..4]).chars().map(|c| c.to_digit(36).unwrap().to_string()).collect();
    // Long division, digit by digit.
    number.chars().fold(0, |r, c| (10 * r + c.to_digit(10).unwrap()) % 97) == 1
}

/// Every pair of offsets; then the first kind, the earliest start, the longest.
fn naive(text: &str) -> Vec<(Kind, usize, usize)> {
    let chars: Vec<char> = text.chars().collect();
    let mut places: Vec<usize> = text.char_indices().map(|(i, _)| i).collect();
    places.push(text.len());
    let mut kept: Vec<(Kind, usize, usize)> = vec![];
    for (kind, is) in [(Kind::Iban, is_iban as fn(&[char], usize, usize) -> bool), (Kind::Card, is_card)] {
        for s in 0..chars.len() {
            for e in (s + 12..=(s + 45).min(chars.len())).rev() {
                if is(&chars, s, e) && kept.iter().all(|k| k.2 <= places[s] || places[e] <= k.1) {
                    kept.push((kind, places[s], places[e]));
                }
            }
        }
    }
    kept.sort_by_key(|k| k.1);
    kept
}

fn fast(text: &str) -> Vec<(Kind, usize, usize)> {
    // Brands that need context score less than 1 and are left out here, as the oracle leaves them out.
    let options = Options { kinds: [Kind::Card, Kind::Iban].into(), min_score: 1.0 };
    Scanner::new(options).unwrap().scan(text).into_iter().map(|Found { kind, start, end, .. }| (kind, start, end)).collect()
}

/// Pieces of which texts are made: valid values, near misses, separators.
fn piece() -> impl Strategy<Value = String> {
    let valid = prop::sample::select(vec![
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "378282246310005",
        "3782 822463 10005",
        "30569309025904",
        "5555555555554444",
        "4222222222222",
        "6799990100000000019",
        "GB29 NWBK 6016 1331 9268 19",
        "GB29NWBK60161331926819",
        "de89-3704-0044-0532-0130-00",
        "NO93 8601 1117 947",
        "PL61 1090 1014 0000 0712 1981 2874",
        "4111 1111 1111 1112",
        "GB29 NWBK 6016 1331 9268 10",
        "4111 11111111 1111",
        "MT84MALT011000012345MTLCAST001S",
    ]);
    prop_oneof![
        4 => valid.prop_map(str::to_owned),
        2 => "[0-9]{1,6}",
        1 => "(4[0-9]{3}|5[1-5][0-9]{2})[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}",
        1 => "[A-Z]{2}[0-9]{2}",
        3 => prop::sample::select(vec![" ", "-", ".", ",", "x", "é", "\n", ": ", "–"]).prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn cards_and_ibans_are_those_of_the_definition(pieces in prop::collection::vec(piece(), 0..8)) {
        let text = pieces.concat();
        prop_assert_eq!(fast(&text), naive(&text), "{:?}", text);
    }

    #[test]
    fn one_changed_digit_is_never_taken(place in 0_usize..16, by in 1_u8..10) {
        let mut digits = *b"4111111111111111";
        digits[place] = b'0' + (digits[place] - b'0' + by) % 10;
        prop_assert!(fast(std::str::from_utf8(&digits).unwrap()).is_empty());
    }
}

#[test]
fn the_oracle_finds_what_is_there() {
    assert_eq!(naive("a 4111 1111 1111 1111."), [(Kind::Card, 2, 21)]);
    assert_eq!(naive("é GB29NWBK60161331926819"), [(Kind::Iban, 3, 25)]);
}
