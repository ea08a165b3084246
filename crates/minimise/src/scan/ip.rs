//! IP addresses: dotted quads, and whatever the standard library reads as IPv6, with a prefix length where one follows.

use super::{Candidates, Kind, STRUCTURAL, begins, char_at, char_before, context, ends, run};
use core::net::Ipv6Addr;

/// Proposes an IPv4 address that begins at `start`.
pub(super) fn v4_at(text: &str, start: usize, out: &mut Candidates<'_>) {
    let bytes = text.as_bytes();
    // After a colon it may be the tail of an IPv6 address, which that recogniser reads whole.
    if !begins(bytes, start) {
        return;
    }
    let mut end = start;
    for part in 0..4 {
        if part > 0 {
            if bytes.get(end) != Some(&b'.') {
                return;
            }
            end += 1;
        }
        let stop = if end < bytes.len() { run(bytes, end) } else { end };
        let digits = &bytes[end..stop];
        let value = digits.iter().fold(0_u32, |v, d| (v * 10 + u32::from(d - b'0')).min(1000));
        if digits.is_empty() || value > 255 || (digits.len() > 1 && digits[0] == b'0') {
            return;
        }
        end = stop;
    }
    // `version 1.2.3.4` looks the same.
    if !ends(text, end) || context::follows(text, start, &["version", "versions", "v", "release", "section", "chapter", "oid"]) {
        return;
    }
    out.add(Kind::Ip, start, prefix_length(text, end, 32), STRUCTURAL);
}

/// Proposes the IPv6 address around the `:` at `at` and says where its characters end.
pub(super) fn v6_at(text: &str, at: usize, out: &mut Candidates<'_>) -> usize {
    const LONGEST: usize = 45;
    let bytes = text.as_bytes();
    let part = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
    let before = bytes[..at].iter().rev().take(LONGEST + 1).take_while(|b| part(b)).count();
    let after = bytes[at..].iter().take(LONGEST + 1).take_while(|b| part(b)).count();
    let (mut start, mut end) = (at - before, at + after);
    let done = end;
    if before + after > LONGEST {
        return done;
    }
    // Punctuation of the sentence around it.
    while end > start && (bytes[end - 1] == b'.' || (bytes[end - 1] == b':' && !bytes[..end].ends_with(b"::"))) {
        end -= 1;
    }
    while start < end && (bytes[start] == b'.' || (bytes[start] == b':' && !bytes[start..end].starts_with(b"::"))) {
        start += 1;
    }
    let token = &text[start..end];
    // Without any digit (`a::b`) it is more often a path of a program.
    let plausible = token.bytes().filter(|b| *b == b':').count() >= 2 && token.bytes().any(|b| b.is_ascii_digit());
    let alone = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    if !plausible || token.parse::<Ipv6Addr>().is_err() || !alone(char_before(text, start)) {
        return done;
    }
    let zone = bytes[end..]
        .first()
        .filter(|b| **b == b'%')
        .map_or(0, |_| 1 + bytes[end + 1..].iter().take(16).take_while(|b| b.is_ascii_alphanumeric()).count());
    if zone == 0 && !alone(char_at(text, end)) {
        return done;
    }
    let end = if zone > 1 { end + zone } else { end };
    out.add(Kind::Ip, start, prefix_length(text, end, 128), STRUCTURAL);
    done
}

/// The end with `/24` and its like.
fn prefix_length(text: &str, end: usize, most: u32) -> usize {
    let bytes = text.as_bytes();
    if bytes.get(end) != Some(&b'/') || bytes.get(end + 1).is_none_or(|b| !b.is_ascii_digit()) {
        return end;
    }
    let stop = run(bytes, end + 1);
    let fits = stop - end <= 4 && text[end + 1..stop].parse::<u32>().is_ok_and(|n| n <= most);
    if fits && ends(text, stop) { stop } else { end }
}
