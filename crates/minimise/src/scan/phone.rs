//! Phone numbers by their shape: international (E.164), North American, with a trunk 0; other groups only beside a word that says so.

use super::{Candidates, Kind, STRUCTURAL, WEAK, char_at, char_before, run, ssn};

/// Proposes a number that begins with the run of digits at `digits`.
pub(super) fn at(text: &str, digits: usize, out: &mut Candidates<'_>) {
    let bytes = text.as_bytes();
    let mut start = digits;
    let open = start > 0 && bytes[start - 1] == b'(';
    if open {
        start -= 1;
    }
    let plus = start > 0 && bytes[start - 1] == b'+';
    if plus {
        start -= 1;
    }
    // It must not go on with something: a word, another number, a path, a price.
    if let Some(c) = char_before(text, start)
        && (c.is_alphanumeric() || "-./_+=#$€£".contains(c))
        && !(c == '-' && start >= 2 && bytes[start - 2].is_ascii_alphabetic())
        && !(c == '=' || (c == '.' && bytes.get(start.wrapping_sub(2)).is_some_and(|b| !b.is_ascii_digit())))
    {
        return;
    }
    let Some(groups) = Groups::read(bytes, digits, open) else { return };
    if !plus && ssn::written(text, digits, run(bytes, digits)).is_some() {
        return;
    }
    // The longest reading that has a strong shape, else the whole as a weak one.
    for count in (1..=groups.count).rev() {
        let Some(strength) = groups.shape(bytes, count, plus, open) else { continue };
        let whole = count == groups.count;
        let end = groups.ends[count - 1];
        let (end, extended) = if whole { extension(text, end) } else { (end, false) };
        let closed = if whole { ends(text, end) } else { bytes[end] == b' ' };
        let base = if extended { STRUCTURAL } else { strength };
        let continued = start >= 2 && bytes[start - 1] == b' ' && bytes[start - 2].is_ascii_digit();
        if closed && (base >= STRUCTURAL || (whole && !continued)) {
            out.add(Kind::Phone, start, end, base);
            return;
        }
    }
}

/// Runs of digits that one number could consist of.
struct Groups {
    first: usize,
    count: usize,
    starts: [usize; Self::MOST + 1],
    ends: [usize; Self::MOST + 1],
}

impl Groups {
    const MOST: usize = 7;

    fn read(bytes: &[u8], first: usize, mut open: bool) -> Option<Self> {
        let mut groups = Self { first, count: 0, starts: [0; Self::MOST + 1], ends: [0; Self::MOST + 1] };
        let mut at = first;
        loop {
            let end = run(bytes, at);
            groups.starts[groups.count] = at;
            groups.ends[groups.count] = end;
            groups.count += 1;
            if groups.digits() > 16 || groups.count > Self::MOST {
                break;
            }
            let mut next = end;
            if bytes.get(next) == Some(&b')') {
                if !open {
                    break;
                }
                open = false;
                next += 1;
            } else if open {
                return None;
            }
            if bytes.get(next).is_some_and(|b| b" -./".contains(b)) {
                next += 1;
            }
            if bytes.get(next) == Some(&b'(') {
                open = true;
                next += 1;
            }
            if next == end || bytes.get(next).is_none_or(|b| !b.is_ascii_digit()) {
                if open && next < bytes.len() {
                    open = false;
                }
                break;
            }
            at = next;
        }
        (!open).then_some(groups)
    }

    fn digits(&self) -> usize {
        self.lengths().iter().sum()
    }

    /// Digits of each group; zeros after the last.
    fn lengths(&self) -> [usize; Self::MOST + 1] {
        std::array::from_fn(|g| self.ends[g] - self.starts[g])
    }

    /// How telling the first `count` groups are; `None` where they are no phone number.
    fn shape(&self, bytes: &[u8], count: usize, plus: bool, open: bool) -> Option<f64> {
        let lengths = self.lengths();
        let lengths = &lengths[..count];
        let total: usize = lengths.iter().sum();
        let digit = |group: usize, place: usize| bytes[self.starts[group] + place];
        let first = &bytes[self.starts[0]..self.ends[0]];
        if plus {
            return ((8..=15).contains(&total) && first[0] != b'0' && lengths.iter().skip(1).all(|l| *l >= 2)).then_some(STRUCTURAL);
        }
        if (first.starts_with(b"00") && first.len() <= 5) && (11..=16).contains(&total) && count >= 3 {
            return Some(STRUCTURAL);
        }
        let american = match *lengths {
            [3, 3, 4] => Some(0),
            [1, 3, 3, 4] if first == b"1" => Some(1),
            _ => None,
        };
        if let Some(area) = american {
            let spaced = (area..count - 1).all(|g| bytes[self.ends[g]] == b' ');
            let real = digit(area, 0) >= b'2' && digit(area + 1, 0) >= b'2';
            return Some(if real && (!spaced || area == 1) { STRUCTURAL } else { WEAK });
        }
        if self.is_date_or_decimal(bytes, lengths) || lengths.iter().any(|l| *l == 1 || *l > 8) && count > 1 {
            return None;
        }
        if count == 1 {
            return ((10..=11).contains(&total) && !open).then_some(WEAK);
        }
        if first[0] == b'0' && (first.len() >= 2) && (10..=11).contains(&total) && first.len() <= 5 {
            return Some(STRUCTURAL);
        }
        ((6..=12).contains(&total)).then_some(WEAK)
    }

    /// `2024-03-01`, `01.03.24`, `12.5`: what digits and one sign mean more often.
    fn is_date_or_decimal(&self, bytes: &[u8], lengths: &[usize]) -> bool {
        let sign = |sign: u8| (0..lengths.len() - 1).all(|g| bytes[self.ends[g]] == sign);
        let dotted = sign(b'.') || sign(b'/') || sign(b'-');
        match lengths {
            [4, 2, 2] | [2, 2, 4] | [2, 2, 2] => dotted,
            [4, 4] => bytes[self.first] == b'1' || bytes[self.first] == b'2',
            [_, _] => sign(b'.') || sign(b'/'),
            _ => false,
        }
    }
}

/// `x123`, `ext. 123` after a number.
fn extension(text: &str, end: usize) -> (usize, bool) {
    let rest = &text[end..];
    let trimmed = rest.strip_prefix(' ').unwrap_or(rest);
    let lower: String = trimmed.chars().take(10).flat_map(char::to_lowercase).collect();
    for word in ["extension ", "ext. ", "ext.", "ext ", "ext", "x"] {
        if lower.starts_with(word) && trimmed.is_char_boundary(word.len()) {
            let from = end + (rest.len() - trimmed.len()) + word.len();
            let stop = if from < text.len() { run(text.as_bytes(), from) } else { from };
            if (1..=6).contains(&(stop - from)) {
                return (stop, true);
            }
        }
    }
    (end, false)
}

/// No letter goes on, and no digit after a sign.
fn ends(text: &str, end: usize) -> bool {
    let bytes = text.as_bytes();
    match bytes.get(end) {
        Some(b'.' | b'-' | b'/' | b',' | b')') if bytes.get(end + 1).is_some_and(u8::is_ascii_digit) => bytes[end] == b',',
        Some(b'%') => false,
        _ => !char_at(text, end).is_some_and(char::is_alphanumeric),
    }
}
