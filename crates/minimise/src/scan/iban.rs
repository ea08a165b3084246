//! IBANs (ISO 13616): the length registered for the country, compact or in groups of four, and ISO 7064 mod 97-10.

use super::{CHECKED, Candidates, Kind};

/// Length for each country of the SWIFT registry.
#[rustfmt::skip]
pub(super) const COUNTRIES: [(&[u8; 2], usize); 89] = [
    (b"AD", 24), (b"AE", 23), (b"AL", 28), (b"AT", 20), (b"AZ", 28), (b"BA", 20), (b"BE", 16), (b"BG", 22), (b"BH", 22), (b"BI", 27),
    (b"BR", 29), (b"BY", 28), (b"CH", 21), (b"CR", 22), (b"CY", 28), (b"CZ", 24), (b"DE", 22), (b"DJ", 27), (b"DK", 18), (b"DO", 28),
    (b"EE", 20), (b"EG", 29), (b"ES", 24), (b"FI", 18), (b"FK", 18), (b"FO", 18), (b"FR", 27), (b"GB", 22), (b"GE", 22), (b"GI", 23),
    (b"GL", 18), (b"GR", 27), (b"GT", 28), (b"HN", 28), (b"HR", 21), (b"HU", 28), (b"IE", 22), (b"IL", 23), (b"IQ", 23), (b"IS", 26),
    (b"IT", 27), (b"JO", 30), (b"KW", 30), (b"KZ", 20), (b"LB", 28), (b"LC", 32), (b"LI", 21), (b"LT", 20), (b"LU", 20), (b"LV", 21),
    (b"LY", 25), (b"MC", 27), (b"MD", 24), (b"ME", 22), (b"MK", 19), (b"MN", 20), (b"MR", 27), (b"MT", 31), (b"MU", 30), (b"NI", 28),
    (b"NL", 18), (b"NO", 15), (b"OM", 23), (b"PK", 24), (b"PL", 28), (b"PS", 29), (b"PT", 25), (b"QA", 29), (b"RO", 24), (b"RS", 22),
    (b"RU", 33), (b"SA", 24), (b"SC", 31), (b"SD", 18), (b"SE", 24), (b"SI", 19), (b"SK", 24), (b"SM", 27), (b"SO", 23), (b"ST", 25),
    (b"SV", 28), (b"TL", 23), (b"TN", 24), (b"TR", 26), (b"UA", 29), (b"VA", 22), (b"VG", 24), (b"XK", 20), (b"YE", 30),
];

/// Proposes an IBAN that begins with the word at `start`, of which two digits in third place are known.
pub(super) fn at(bytes: &[u8], start: usize, out: &mut Candidates<'_>) {
    let country = [bytes[start].to_ascii_uppercase(), bytes[start + 1].to_ascii_uppercase()];
    let Ok(index) = COUNTRIES.binary_search_by(|(c, _)| c.as_slice().cmp(&country)) else { return };
    let length = COUNTRIES[index].1;
    let separator = bytes.get(start + 4).copied().filter(|b| matches!(b, b' ' | b'-'));
    let mut remainder = 0_u32;
    let mut end = start;
    for place in 0..length {
        if place > 0 && place % 4 == 0 && separator.is_some() {
            if bytes.get(end).copied() != separator {
                return;
            }
            end += 1;
        }
        let Some(&byte) = bytes.get(end) else { return };
        if !byte.is_ascii_alphanumeric() {
            return;
        }
        // The first four go to the end of the number that is divided.
        if place >= 4 {
            remainder = step(remainder, byte);
        }
        end += 1;
    }
    let head = bytes[start..start + 4].iter().fold(remainder, |r, &b| step(r, b));
    if head == 1 && super::word_end(out.text, end) == end {
        out.add_as_is(Kind::Iban, start, end, CHECKED);
    }
}

/// Appends a digit, or a letter as two (A = 10), to a number known modulo 97.
fn step(remainder: u32, byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        _ => (remainder * 100 + u32::from(byte.to_ascii_uppercase() - b'A') + 10) % 97,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn countries_are_sorted_for_the_search() {
        assert!(super::COUNTRIES.windows(2).all(|w| w[0].0 < w[1].0));
    }
}
