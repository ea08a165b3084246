//! One pass over the bytes of a text, with a cheap trigger for each family: a run of digits, `@`, `:`, a capital letter.
//!
//! A recogniser with a checksum scores 1 where it passes and nothing where it fails. A structural one scores 0.5, a weak
//! shape 0.3, and a word that goes with it within the five words before adds 0.35. What scores less than
//! [`Options::min_score`] is not reported. Where findings overlap, the more specific kind stays, in the order of [`Kind`].
//!
//! Digits and letters of recognised values are ASCII (names and e-mail addresses: any letters). Every recogniser looks at a
//! bounded stretch around its trigger, so that time is linear in the length of the text.

mod card;
mod context;
mod email;
mod iban;
mod ip;
mod name;
#[cfg(test)]
mod oracle;
mod phone;
mod ssn;

use crate::Error;
use crate::redact::{Style, redact};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A passed checksum.
const CHECKED: f64 = 1.0;
/// A shape that little else has.
const STRUCTURAL: f64 = 0.5;
/// A shape that much else has: reported only with context, unless less is asked for.
const WEAK: f64 = 0.3;
/// The same with a fitting word nearby, which adds 0.35.
const STRUCTURAL_IN_CONTEXT: f64 = 0.85;
const WEAK_IN_CONTEXT: f64 = 0.65;

/// What was found. The order is that in which overlaps are settled: the first kind stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// International bank account number: length of its country and ISO 7064 mod 97-10.
    Iban,
    /// Payment card: prefix and length of its brand, and Luhn.
    Card,
    /// E-mail address: a local part, and a host name with at least one dot.
    Email,
    /// US social security number: area, group and serial that may be issued; nine bare digits only with context.
    Ssn,
    /// IPv4 or IPv6 address, with the prefix length where there is one.
    Ip,
    /// Phone number: international, North American, with a trunk 0; other groups of digits only with context.
    Phone,
    /// Name of a person, by a list of US names and the words around it. See the crate's tests for how much it misses.
    Name,
}

impl Kind {
    /// All kinds, in their order.
    pub const ALL: [Self; 7] = [Self::Iban, Self::Card, Self::Email, Self::Ssn, Self::Ip, Self::Phone, Self::Name];

    /// What stands in a redacted text: `<CARD>`.
    #[must_use]
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Iban => "<IBAN>",
            Self::Card => "<CARD>",
            Self::Email => "<EMAIL>",
            Self::Ssn => "<SSN>",
            Self::Ip => "<IP>",
            Self::Phone => "<PHONE>",
            Self::Name => "<NAME>",
        }
    }

    /// What a person calls several of them.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Iban => "IBANs",
            Self::Card => "card numbers",
            Self::Email => "e-mail addresses",
            Self::Ssn => "US social security numbers",
            Self::Ip => "IP addresses",
            Self::Phone => "phone numbers",
            Self::Name => "names of people",
        }
    }
}

/// Where something was found. It holds no part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// What.
    pub kind: Kind,
    /// First byte, on a character boundary.
    pub start: usize,
    /// One past the last byte, on a character boundary.
    pub end: usize,
    /// From 0 to 1: 1 for a passed checksum, 0.5 for a structure, 0.35 more in a fitting context.
    pub score: f64,
}

/// What to look for.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Kinds to report.
    pub kinds: BTreeSet<Kind>,
    /// What scores less is not reported; 0.5 by default.
    pub min_score: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { kinds: Kind::ALL.into(), min_score: STRUCTURAL }
    }
}

/// Finds personal data in text. Equal texts and options give equal findings.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    options: Options,
}

impl Scanner {
    /// A scanner for these options.
    ///
    /// # Errors
    /// [`Error::Score`] where `min_score` is not a number from 0 to 1.
    pub fn new(options: Options) -> Result<Self, Error> {
        if !(0.0..=1.0).contains(&options.min_score) {
            return Err(Error::Score(options.min_score));
        }
        Ok(Self { options })
    }

    /// What the text holds: sorted by place, none overlapping another.
    ///
    /// ```
    /// use reticent_minimise::{Kind, Scanner};
    /// let found = Scanner::default().scan("Pay to GB29 NWBK 6016 1331 9268 19, not to GB29 NWBK 6016 1331 9268 10");
    /// assert_eq!(found.len(), 1);
    /// assert_eq!((found[0].kind, found[0].start, found[0].end), (Kind::Iban, 7, 34));
    /// ```
    #[must_use]
    pub fn scan(&self, text: &str) -> Vec<Found> {
        let mut candidates = Candidates { options: &self.options, text, found: vec![] };
        collect(text, &mut candidates);
        settle(candidates.found)
    }
}

impl Scanner {
    /// The text without what this scanner finds in it, and in how many rounds.
    ///
    /// A placeholder separates what stood together, so that a second look may find what the first did not: it goes on
    /// until nothing is found. A second call changes nothing.
    ///
    /// ```
    /// use reticent_minimise::{Scanner, Style};
    /// let (text, rounds) = Scanner::default().redact("ann@example.org, 10.0.0.1", Style::default());
    /// assert_eq!((text.as_str(), rounds), ("<EMAIL>, <IP>", 1));
    /// ```
    #[must_use]
    pub fn redact(&self, text: &str, style: Style) -> (String, usize) {
        let mut text = text.to_owned();
        let mut rounds = 0;
        loop {
            let found = self.scan(&text);
            if found.is_empty() {
                return (text, rounds);
            }
            text = redact(&text, &found, style).expect("findings are sorted, apart and on characters");
            rounds += 1;
        }
    }
}

/// What recognisers propose.
struct Candidates<'a> {
    options: &'a Options,
    text: &'a str,
    found: Vec<Found>,
}

impl Candidates<'_> {
    fn wants(&self, kind: Kind) -> bool {
        self.options.kinds.contains(&kind)
    }

    /// Adds a structural or weak finding that reaches the least score with the words around it.
    fn add(&mut self, kind: Kind, start: usize, end: usize, base: f64) {
        self.add_in(kind, start, end, base, context::fits(self.text, kind, start, end));
    }

    fn add_in(&mut self, kind: Kind, start: usize, end: usize, base: f64, in_context: bool) {
        let score = match (in_context, base >= STRUCTURAL) {
            (true, true) => STRUCTURAL_IN_CONTEXT,
            (true, false) => WEAK_IN_CONTEXT,
            (false, _) => base,
        };
        self.add_as_is(kind, start, end, score);
    }

    fn add_as_is(&mut self, kind: Kind, start: usize, end: usize, score: f64) {
        if score >= self.options.min_score {
            self.found.push(Found { kind, start, end, score });
        }
    }
}

/// Goes once over the text. Numbers are tried where a run of digits begins that belongs to no word.
fn collect(text: &str, out: &mut Candidates<'_>) {
    let bytes = text.as_bytes();
    let wants = |kinds: &[Kind]| kinds.iter().any(|k| out.options.kinds.contains(k));
    let numbers = wants(&[Kind::Card, Kind::Ssn, Kind::Ip, Kind::Phone]);
    let (iban, name, email, ip) = (wants(&[Kind::Iban]), wants(&[Kind::Name]), wants(&[Kind::Email]), wants(&[Kind::Ip]));
    let mut names = name::Names::default();
    let mut v6_done = 0;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'0'..=b'9' => {
                let end = word_end(text, at);
                if numbers {
                    let digits = run(bytes, at);
                    if out.wants(Kind::Card) {
                        card::at(bytes, at, digits, out);
                    }
                    if out.wants(Kind::Ssn) {
                        ssn::at(bytes, at, digits, out);
                    }
                    if ip && digits - at <= 3 && bytes.get(digits) == Some(&b'.') {
                        ip::v4_at(text, at, out);
                    }
                    if out.wants(Kind::Phone) {
                        phone::at(text, at, out);
                    }
                }
                at = end;
            }
            b'@' => {
                if email {
                    email::at(text, at, out);
                }
                at += 1;
            }
            b':' => {
                if ip && at >= v6_done {
                    v6_done = ip::v6_at(text, at, out);
                }
                at += 1;
            }
            byte if byte.is_ascii_alphabetic() || byte >= 0x80 => {
                let end = word_end(text, at);
                if end == at {
                    at += char_at(text, at).map_or(1, char::len_utf8);
                    continue;
                }
                if iban && bytes.get(at + 2).is_some_and(u8::is_ascii_digit) && bytes.get(at + 3).is_some_and(u8::is_ascii_digit) {
                    iban::at(bytes, at, out);
                }
                if name {
                    names.word(text, at, end, out);
                }
                at = end;
            }
            _ => at += 1,
        }
    }
}

/// Keeps, of what overlaps, the more specific kind, then the earlier, then the longer.
fn settle(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by(|a, b| (a.start, b.end).cmp(&(b.start, a.end)));
    let mut kept: Vec<Found> = Vec::with_capacity(found.len());
    let mut from = 0;
    while from < found.len() {
        let (mut to, mut reach) = (from + 1, found[from].end);
        while to < found.len() && found[to].start < reach {
            reach = reach.max(found[to].end);
            to += 1;
        }
        let group = &mut found[from..to];
        group
            .sort_by(|a, b| (a.kind, a.start, b.end, b.score).partial_cmp(&(b.kind, b.start, a.end, a.score)).expect("scores are numbers"));
        let first = kept.len();
        for candidate in group {
            if kept[first..].iter().all(|k| k.end <= candidate.start || candidate.end <= k.start) {
                kept.push(*candidate);
            }
        }
        kept[first..].sort_by_key(|f| f.start);
        from = to;
    }
    kept
}

/// End of the run of ASCII digits at `at`.
fn run(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count()
}

/// End of the run of letters and digits at `at`; `at` itself where there is none.
fn word_end(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii_alphanumeric() {
            at += 1;
        } else if byte >= 0x80
            && let Some(c) = char_at(text, at)
            && c.is_alphanumeric()
        {
            at += c.len_utf8();
        } else {
            break;
        }
    }
    at
}

fn char_at(text: &str, at: usize) -> Option<char> {
    text.get(at..)?.chars().next()
}

fn char_before(text: &str, at: usize) -> Option<char> {
    text.get(..at)?.chars().next_back()
}

/// Whether a value that ends at `end` ends there as a whole: no letter, digit or decimal goes on.
fn ends(text: &str, end: usize) -> bool {
    let bytes = text.as_bytes();
    let more = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
    match bytes.get(end) {
        None => true,
        Some(b'.' | b'-') => !more(bytes.get(end + 1)),
        Some(&b) if b < 0x80 => !b.is_ascii_alphanumeric(),
        Some(_) => !char_at(text, end).is_some_and(char::is_alphanumeric),
    }
}

/// Whether a number that begins at `start` is no continuation of another one (`12-`, `0.`).
fn begins(bytes: &[u8], start: usize) -> bool {
    !(start >= 2 && matches!(bytes[start - 1], b'-' | b'.') && bytes[start - 2].is_ascii_alphanumeric())
}
