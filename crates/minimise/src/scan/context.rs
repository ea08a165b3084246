//! Words around a value that say what it is.

use super::Kind;

/// How many words before count, and how far back they are looked for.
const WORDS: usize = 5;
const BYTES: usize = 80;

/// Whether one of the five words before (for a phone number also the word after) goes with the kind.
pub(super) fn fits(text: &str, kind: Kind, start: usize, end: usize) -> bool {
    let words: &[&str] = match kind {
        Kind::Iban => &["iban", "account", "bank"],
        Kind::Card => &["card", "credit", "debit", "cc", "visa", "mastercard", "amex", "maestro", "discover", "uatp"],
        Kind::Email => &["email", "mail", "mails", "contact", "address", "write"],
        Kind::Ssn => &["ssn", "social", "security", "ssns"],
        Kind::Ip => &["ip", "ipv4", "ipv6", "address", "host", "server", "client", "subnet", "network", "dns", "prefix"],
        Kind::Phone => PHONE,
        Kind::Name => &["name", "named", "called", "client", "customer", "patient", "employee", "partner", "signed", "contact"],
    };
    before(text, start).any(|w| is_one(w, words)) || (kind == Kind::Phone && after(text, end).is_some_and(|w| is_one(w, AFTER_PHONE)))
}

#[rustfmt::skip]
const PHONE: &[&str] = &[
    "phone", "telephone", "phones", "tel", "call", "called", "calling", "mobile", "cell", "cellphone", "fax", "contact", "reach",
    "ring", "dial", "desk", "whatsapp", "sms", "messages", "hotline", "answering", "telefon", "móvil", "portable", "handy",
];
const AFTER_PHONE: &[&str] = &["office", "fax", "mobile", "cell", "home", "work", "phone", "tel"];

/// Whether the word right before is one of these.
pub(super) fn follows(text: &str, start: usize, words: &[&str]) -> bool {
    before(text, start).next().is_some_and(|w| is_one(w, words))
}

/// The words before `start`, nearest first. Placeholders of a redacted text are no words.
pub(super) fn before(text: &str, start: usize) -> impl Iterator<Item = &str> {
    let mut from = start.saturating_sub(BYTES);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let stretch = &text[from..start];
    stretch.rsplit(|c: char| !(c.is_alphanumeric() || c == '<' || c == '>')).filter(|w| is_word(w)).take(WORDS)
}

fn after(text: &str, end: usize) -> Option<&str> {
    let rest = text[end..].trim_start_matches([' ', '-', '(', ',', ':']);
    let rest = if rest.len() + 3 < text.len() - end { return None } else { rest };
    let word = rest.split(|c: char| !c.is_alphanumeric()).next()?;
    Some(word).filter(|w| is_word(w))
}

fn is_word(word: &str) -> bool {
    !(word.is_empty() || word.contains('<') || word.contains('>'))
}

fn is_one(word: &str, words: &[&str]) -> bool {
    word.len() <= 12 && words.iter().any(|w| word.eq_ignore_ascii_case(w))
}
