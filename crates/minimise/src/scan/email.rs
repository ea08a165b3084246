//! E-mail addresses (RFC 5321 §4.1.2 without quoted local parts; letters of any script, as RFC 6531 has it).

use super::{Candidates, Kind, STRUCTURAL};

/// Longest local part and host name in bytes.
const LOCAL: usize = 64;
const HOST: usize = 253;

/// Proposes the address around the `@` at `at`.
pub(super) fn at(text: &str, at: usize, out: &mut Candidates<'_>) {
    let start = local_start(text, at);
    let end = host_end(text, at + 1);
    if start < at
        && let Some(end) = end
    {
        out.add(Kind::Email, start, end, STRUCTURAL);
    }
}

fn local_start(text: &str, at: usize) -> usize {
    let mut start = at;
    for (place, c) in text[..at].char_indices().rev() {
        if at - place > LOCAL || !(c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)) {
            break;
        }
        start = place;
    }
    // What a sentence or a list puts before an address, and dots where none may stand.
    while let Some(c) = text[start..at].chars().next()
        && !c.is_alphanumeric()
        && c != '_'
    {
        start += c.len_utf8();
    }
    let local = &text[start..at];
    let start = local.rfind("..").map_or(start, |dots| start + dots + 2);
    // `user=ann@…`, `path/ann@…` and `mail|ann@…` name the address after the sign.
    let start = text[start..at].rfind(['=', '/', '|', '?', '&']).map_or(start, |sign| start + sign + 1);
    if text[start..at].ends_with('.') { at } else { start }
}

fn host_end(text: &str, from: usize) -> Option<usize> {
    let mut end = from;
    let mut label = from;
    let mut last = None;
    for (offset, c) in text[from..].char_indices() {
        let place = from + offset;
        if offset > HOST {
            return None;
        }
        if c == '.' {
            if !is_label(&text[label..place]) {
                break;
            }
            label = place + 1;
            end = place + 1;
        } else if c.is_alphanumeric() || c == '-' {
            end = place + c.len_utf8();
            if label > from && is_top(&text[label..end]) {
                last = Some(end);
            }
        } else {
            break;
        }
    }
    // A top-level name must be whole: `a@b.com1` has none.
    let last = last?;
    let rest = &text[last..end];
    (rest.is_empty() || rest.starts_with('.') || rest.starts_with('-')).then_some(last)
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
}

fn is_top(label: &str) -> bool {
    let letters = label.chars().count() >= 2 && label.chars().all(char::is_alphabetic);
    is_label(label) && (letters || (label.len() > 4 && label.as_bytes()[..4].eq_ignore_ascii_case(b"xn--")))
}
