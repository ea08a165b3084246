//! A text without what was found in it.

use crate::{Error, Found, Kind};

/// How values are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// `<CARD 1111>` instead of `<CARD>`: the last four digits, as printed on receipts, still narrow down whose card it is.
    pub keep_last_four: bool,
}

/// Replaces each finding by its placeholder: `<CARD>`, `<EMAIL>`.
///
/// A scan of the result finds nothing within placeholders; what the replaced text hid from the scanner (a digit that
/// went on into the value) it may find, so a file is clean when a scan of it says so.
///
/// ```
/// use reticent_minimise::{Scanner, Style, redact};
/// let text = "Card 4111-1111-1111-1111";
/// let found = Scanner::default().scan(text);
/// assert_eq!(redact(text, &found, Style { keep_last_four: true })?, "Card <CARD 1111>");
/// # Ok::<(), reticent_minimise::Error>(())
/// ```
///
/// # Errors
/// [`Error::Span`] where the findings are not sorted, overlap, or do not lie on characters of `text`.
pub fn redact(text: &str, found: &[Found], style: Style) -> Result<String, Error> {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for f in found {
        let wrong = Error::Span { start: f.start, end: f.end };
        let (Some(between), Some(value)) = (text.get(from..f.start), text.get(f.start..f.end)) else { return Err(wrong) };
        out += between;
        let digits: Vec<u8> = value.bytes().filter(u8::is_ascii_digit).collect();
        match digits.last_chunk::<4>() {
            Some(four) if style.keep_last_four && f.kind == Kind::Card => {
                out += "<CARD ";
                out.extend(four.iter().map(|d| char::from(*d)));
                out.push('>');
            }
            _ => out += f.kind.placeholder(),
        }
        from = f.end;
    }
    out += &text[from..];
    Ok(out)
}
