//! Payment cards: groups as printed on cards, prefix and length of a brand (ISO/IEC 7812), and Luhn's check digit.

use super::{CHECKED, Candidates, Kind, STRUCTURAL_IN_CONTEXT, begins, context, ends, run};

/// Groups in which cards are written; a longer one is tried first.
const GROUPS: [&[usize]; 4] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4]];

/// Proposes a card that begins with the run of digits `start..end`.
pub(super) fn at(bytes: &[u8], start: usize, end: usize, out: &mut Candidates<'_>) {
    let length = end - start;
    if (length != 4 && !(12..=19).contains(&length)) || !begins(bytes, start) {
        return;
    }
    let stop = if length == 4 { grouped(out.text, start) } else { (ends(out.text, end) && luhn(bytes[start..end].iter())).then_some(end) };
    let Some(stop) = stop else { return };
    match brand(bytes[start..stop].iter().filter(|b| b.is_ascii_digit())) {
        Some(Brand::Known) => out.add_as_is(Kind::Card, start, stop, CHECKED),
        // One in ten numbers passes Luhn: where the prefix says little, the words around must say more.
        Some(Brand::Rare) if context::fits(out.text, Kind::Card, start, stop) => {
            out.add_as_is(Kind::Card, start, stop, STRUCTURAL_IN_CONTEXT);
        }
        _ => {}
    }
}

fn grouped(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let separator = *bytes.get(start + 4).filter(|b| matches!(b, b' ' | b'-'))?;
    GROUPS.iter().find_map(|groups| {
        let mut end = start;
        for (index, length) in groups.iter().enumerate() {
            if index > 0 {
                if bytes.get(end) != Some(&separator) {
                    return None;
                }
                end += 1;
            }
            if bytes.get(end).is_none_or(|b| !b.is_ascii_digit()) || run(bytes, end) - end != *length {
                return None;
            }
            end += length;
        }
        let digits = || bytes[start..end].iter().filter(|b| b.is_ascii_digit());
        (ends(text, end) && luhn(digits()) && brand(digits()).is_some()).then_some(end)
    })
}

/// How much a prefix of its length says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brand {
    /// Of a large brand.
    Known,
    /// Of a small one, or of a prefix and length that much else has.
    Rare,
}

fn brand<'a>(digits: impl Iterator<Item = &'a u8>) -> Option<Brand> {
    let (mut prefix, mut length) = (0_u32, 0);
    for digit in digits {
        if length < 6 {
            prefix = prefix * 10 + u32::from(digit - b'0');
        }
        length += 1;
    }
    let (two, three, four) = (prefix / 10_000, prefix / 1_000, prefix / 100);
    let known = match length {
        // Visa, Mastercard, Discover, JCB, UnionPay, Mir, Maestro, Troy, Elo and Hipercard.
        16 => {
            prefix / 100_000 == 4
                || matches!(two, 50..=58 | 60 | 62 | 63 | 64 | 65 | 67 | 81)
                || matches!(four, 2200..=2204 | 2221..=2720 | 3528..=3589 | 9792)
        }
        // American Express.
        15 => matches!(two, 34 | 37),
        // Diners Club.
        14 => matches!(two, 36 | 38 | 39) || matches!(three, 300..=305),
        13 => prefix / 100_000 == 4,
        17 | 18 => two == 62 || matches!(four, 3528..=3589),
        19 => prefix / 100_000 == 4 || matches!(two, 62 | 65) || matches!(four, 3528..=3589 | 6304 | 6759 | 6761..=6763 | 6799),
        _ => return None,
    };
    if known {
        return Some(Brand::Known);
    }
    // UATP, short UnionPay, long Maestro.
    let rare = match length {
        15 => two / 10 == 1 || two == 62,
        14 => two == 62,
        17..=19 => matches!(two, 50 | 56..=58 | 67),
        _ => false,
    };
    rare.then_some(Brand::Rare)
}

/// Luhn's check over ASCII digits: from the right, every second digit doubled, digit sums added, a multiple of ten.
fn luhn<'a>(digits: impl DoubleEndedIterator<Item = &'a u8>) -> bool {
    const DOUBLED: [u32; 10] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];
    let sum: u32 = digits
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit - b'0');
            if place % 2 == 1 { DOUBLED[value as usize] } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}
