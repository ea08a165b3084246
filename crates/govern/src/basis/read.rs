//! What a statement of somebody may say, whatever file it comes in: one set of rules for every format.

use super::{ALL_PURPOSES, BasisDetail, BasisEvent, BasisKind};
use crate::Error;

/// A purpose by the names under which files may mention it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PurposeName {
    /// Its name in reticent.toml.
    pub name: String,
    /// Its IRI in a vocabulary.
    pub iri: Option<String>,
    /// The sentence that people were shown.
    pub description: Option<String>,
    /// Whether it is direct marketing: an objection to that has no answer.
    pub direct_marketing: bool,
}

/// What a file is read against.
pub struct Reading<'a> {
    /// Data set that the units are in.
    pub dataset: &'a str,
    /// Purposes that are declared.
    pub purposes: &'a [PurposeName],
    /// Now, seconds since 1970: nothing can have been said later.
    pub now: i64,
    /// Replaces the subject's own id.
    pub pseudonym: &'a dyn Fn(&str) -> String,
    /// Replaces the number of a receipt.
    pub receipt: &'a dyn Fn(&str) -> String,
}

/// Events out of a file, and what in it concerned nobody here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The events.
    pub events: Vec<BasisEvent>,
    /// Purposes of receipts that nothing here declares: nothing was recorded for them.
    pub other_purposes: u64,
}

/// Longest id of a subject, in bytes.
const LONGEST_SUBJECT: usize = 1024;
/// Longest version of a notice and the like, in bytes.
const LONGEST_WORD: usize = 200;
/// How far clocks may differ.
const CLOCKS_DIFFER: i64 = 120;

/// A statement as its file has it; nothing of it is repeated in an error.
#[derive(Default)]
pub(super) struct Statement<'a> {
    pub(super) subject: Option<&'a str>,
    pub(super) purpose: Option<&'a str>,
    pub(super) state: Option<&'a str>,
    pub(super) at: Option<&'a str>,
    pub(super) notice: Option<&'a str>,
    pub(super) art6: Option<&'a str>,
    pub(super) art9: Option<&'a str>,
    pub(super) expires: Option<&'a str>,
    pub(super) language: Option<&'a str>,
    pub(super) age: Option<&'a str>,
    pub(super) guardian: Option<&'a str>,
    pub(super) receipt: Option<&'a str>,
}

/// Names of what a statement may hold.
pub(super) const KEYS: [&str; 12] =
    ["subject", "purpose", "state", "at", "notice", "art6", "art9", "expires", "language", "age", "guardian", "receipt"];

impl<'a> Statement<'a> {
    pub(super) fn from_cells(cell: impl Fn(&str) -> Option<&'a str>) -> Self {
        Self {
            subject: cell("subject"),
            purpose: cell("purpose"),
            state: cell("state"),
            at: cell("at"),
            notice: cell("notice"),
            art6: cell("art6"),
            art9: cell("art9"),
            expires: cell("expires"),
            language: cell("language"),
            age: cell("age"),
            guardian: cell("guardian"),
            receipt: cell("receipt"),
        }
    }

    /// The event it stands for, or everything that is wrong with it.
    pub(super) fn event(&self, reading: &Reading<'_>) -> Result<BasisEvent, Vec<String>> {
        let mut wrong: Vec<String> = vec![];
        let mut says = |holds: bool, why: &str| {
            if holds {
                wrong.push(why.to_owned());
            }
        };
        let state = self.state.and_then(BasisKind::from_name);
        if state.is_none() {
            says(true, &format!("`state` is none of {}", BasisKind::ALL.map(|(_, name)| name).join(", ")));
        }
        let general = self.purpose == Some(ALL_PURPOSES) && state.is_some_and(BasisKind::may_be_general);
        let purpose = if general { Some(ALL_PURPOSES) } else { self.purpose.and_then(|p| reading.purpose(p)).map(|p| p.name.as_str()) };
        says(purpose.is_none(), "`purpose` is none of the purposes in reticent.toml");
        let since = self.at.and_then(seconds);
        says(since.is_none(), "`at` is no date and no RFC 3339 time");
        says(since.is_some_and(|at| at > reading.now + CLOCKS_DIFFER), "`at` lies in the future");
        let expires = self.expires.map(seconds);
        says(expires == Some(None), "`expires` is no date and no RFC 3339 time");
        let (art6, art9) = (letter(self.art6, 'f'), letter(self.art9, 'j'));
        says(art6.is_err(), "`art6` is no letter from a to f");
        says(art9.is_err(), "`art9` is no letter from a to j");
        let mut art6 = art6.unwrap_or_default();
        match state {
            Some(BasisKind::Informed) => {
                says(self.notice.is_none(), "an `informed` unit needs `notice`");
                says(art6.is_some_and(|l| l != 'f'), "an `informed` unit is one of a legitimate interest: `art6` is f");
                art6 = Some('f');
            }
            Some(kind) if kind.gives() && (self.notice.is_none() || art6.is_none() && self.art6.is_none()) => {
                says(true, &format!("a `{}` basis needs `notice` and `art6`", kind.name()));
            }
            _ => {}
        }
        let marketing = self.purpose.and_then(|p| reading.purpose(p)).is_some_and(|p| p.direct_marketing);
        says(state == Some(BasisKind::Overridden) && marketing, "no ground overrides an objection to direct marketing (Art 21(3))");
        says(self.subject.is_none(), "`subject` is empty");
        says(self.subject.is_some_and(|s| s.len() > LONGEST_SUBJECT), "`subject` is longer than 1,024 bytes");
        let words = [self.notice, self.language, self.guardian, self.receipt];
        says(words.iter().flatten().any(|w| w.len() > LONGEST_WORD), "a text is longer than 200 bytes");
        says([self.notice, self.guardian].iter().flatten().any(|w| w.contains(['<', '>'])), "a text holds markup");
        let all = [self.subject, self.purpose, self.notice, self.language, self.guardian, self.receipt];
        says(all.iter().flatten().any(|w| w.chars().any(char::is_control)), "a text holds a control character");
        let age = self.age.map(|a| a.parse::<u8>().ok().filter(|a| *a <= 130));
        says(age == Some(None), "`age` is no number of years");
        let (Some(state), Some(purpose), Some(since), Some(subject), true) = (state, purpose, since, self.subject, wrong.is_empty()) else {
            return Err(wrong);
        };
        let own = |text: Option<&str>| text.map(str::to_owned);
        Ok(BasisEvent {
            dataset: reading.dataset.to_owned(),
            subject: (reading.pseudonym)(subject),
            purpose: purpose.to_owned(),
            state,
            since,
            art6,
            art9: art9.unwrap_or_default(),
            notice: own(self.notice),
            expires: expires.flatten(),
            detail: BasisDetail {
                language: own(self.language),
                age: age.flatten(),
                guardian: own(self.guardian),
                receipt: self.receipt.map(|number| (reading.receipt)(number)),
            },
        })
    }
}

impl Reading<'_> {
    /// The declared purpose of this name, IRI or sentence. Names and sentences are met letter for letter.
    pub(super) fn purpose(&self, text: &str) -> Option<&PurposeName> {
        let by_name = self.purposes.iter().find(|p| p.name == text);
        // A term that two purposes share names neither of them.
        let the_one = |holds: &dyn Fn(&PurposeName) -> bool| {
            let mut found = self.purposes.iter().filter(|p| holds(p));
            found.next().filter(|_| found.next().is_none())
        };
        let by_iri = || the_one(&|p| p.iri.as_deref().is_some_and(|iri| same_iri(iri, text)));
        by_name.or_else(by_iri).or_else(|| the_one(&|p| p.description.as_deref() == Some(text)))
    }
}

fn letter(text: Option<&str>, last: char) -> Result<Option<char>, ()> {
    match text {
        None => Ok(None),
        Some(t) => match t.chars().collect::<Vec<_>>()[..] {
            [c] if ('a'..=last).contains(&c) => Ok(Some(c)),
            _ => Err(()),
        },
    }
}

pub(crate) fn seconds(text: &str) -> Option<i64> {
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(timestamp.as_second());
    }
    // A time without an offset would parse as its date alone.
    let date: jiff::civil::Date = if text.len() == "2026-05-01".len() { text.parse().ok()? } else { return None };
    date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| z.timestamp().as_second())
}

/// A moment as it stands in files.
pub(super) fn written(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |t| t.to_string())
}

/// Whether two IRIs are one: scheme and host in any case, the rest letter for letter; `dpv:X` and the vocabulary's older address are its own.
///
/// ```
/// use reticent_govern::same_iri;
/// assert!(same_iri("https://w3id.org/dpv#Marketing", "HTTPS://W3ID.org/dpv#Marketing") && same_iri("dpv:Marketing", "https://w3id.org/dpv#Marketing"));
/// assert!(!same_iri("https://w3id.org/dpv#Marketing", "https://w3id.org/dpv#marketing"));
/// ```
#[must_use]
pub fn same_iri(a: &str, b: &str) -> bool {
    canonical(a) == canonical(b)
}

fn canonical(iri: &str) -> String {
    let iri = iri.strip_prefix("dpv:").map_or_else(|| iri.to_owned(), |rest| format!("https://w3id.org/dpv#{rest}"));
    let Some((scheme, rest)) = iri.split_once("://") else { return iri };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let lower = format!("{}://{}{}", scheme.to_lowercase(), rest[..end].to_lowercase(), &rest[end..]);
    match lower.strip_prefix("http://www.w3.org/ns/dpv#").or_else(|| lower.strip_prefix("http://w3id.org/dpv#")) {
        Some(rest) => format!("https://w3id.org/dpv#{rest}"),
        None => lower,
    }
}

/// The text of a file: UTF-8, with or without a byte order mark, neither packed nor in another encoding.
///
/// # Errors
/// [`Error::BasisRows`] says what it is instead.
pub fn decode(bytes: &[u8]) -> Result<&str, Error> {
    let refuse = |why: &str| Err(Error::BasisRows(vec![(1, why.into())]));
    match bytes {
        [0x1f, 0x8b, ..] | [b'P', b'K', 3, 4, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [b'B', b'Z', b'h', ..] | [0xfd, b'7', b'z', ..] => {
            return refuse("the file is packed; unpack it first: nothing is unpacked here, whatever size it would have");
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return refuse("the file is UTF-16; write it as UTF-8"),
        _ => {}
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains('\0') => refuse("the file holds zero bytes: it is no text in UTF-8"),
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count() as u64;
            Err(Error::BasisRows(vec![(line, "is not UTF-8: the file mixes encodings, or is in another one".into())]))
        }
    }
}
