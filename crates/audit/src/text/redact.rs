//! Long numbers cut down to their last four digits, before anything a model said is shown.

/// Replaces every run of 12 digits or more (blanks, hyphens and dots between them ignored) by `…` and its last four.
///
/// Cards have 12 to 19 digits. Whether the check digit fits is not asked: one number of ten passes it by chance.
///
/// ```
/// assert_eq!(reticent_audit::text::redact::numbers("pay 4111 1111 1111 1234 by 2024"), "pay …1234 by 2024");
/// ```
#[must_use]
pub fn numbers(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() {
        if !chars[at].is_ascii_digit() {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        // From this digit to the last digit that is reached over single separators.
        let (mut end, mut digits) = (at, String::new());
        let mut next = at;
        while next < chars.len() {
            if chars[next].is_ascii_digit() {
                digits.push(chars[next]);
                end = next + 1;
            } else if !(matches!(chars[next], ' ' | '-' | '.' | '\u{a0}') && next == end) {
                break;
            }
            next += 1;
        }
        if digits.len() >= 12 {
            out.push('…');
            out.push_str(&digits[digits.len() - 4..]);
        } else {
            out.extend(&chars[at..end]);
        }
        at = end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::numbers;
    use proptest::prelude::*;

    #[test]
    fn cards_in_all_spellings() {
        for (text, shown) in [
            ("4111111111111234", "…1234"),
            ("x4111-1111-1111-1234y", "x…1234y"),
            ("4111.1111.1111.1234", "…1234"),
            ("123 456", "123 456"),
            ("12345678901", "12345678901"),
            ("123456789012", "…9012"),
            ("4111  1111", "4111  1111"),
            ("", ""),
            ("no digits", "no digits"),
            ("ends 4111 1111 1111 1234 ", "ends …1234 "),
        ] {
            assert_eq!(numbers(text), shown, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_run_of_twelve_digits_is_left(text in "[0-9 .x-]{0,60}") {
            let shown = numbers(&text);
            let mut run = 0;
            for c in shown.chars() {
                run = if c.is_ascii_digit() { run + 1 } else { 0 };
                prop_assert!(run < 12, "{} -> {}", text, shown);
            }
        }
    }
}
