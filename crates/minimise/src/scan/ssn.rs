//! US social security numbers: an area, a group and a serial that may be issued (SSA, randomised since 2011).

use super::{Candidates, Kind, STRUCTURAL, WEAK, begins, ends, run};

/// Proposes a number that begins with the run of digits `start..end`.
pub(super) fn at(bytes: &[u8], start: usize, end: usize, out: &mut Candidates<'_>) {
    if !begins(bytes, start) {
        return;
    }
    if let Some(stop) = written(out.text, start, end) {
        // With blanks it may as well be a suite and a house number.
        out.add(Kind::Ssn, start, stop, if bytes[end] == b'-' { STRUCTURAL } else { WEAK });
    } else if end - start == 9
        && ends(out.text, end)
        && issued(&bytes[start..start + 3], &bytes[start + 3..start + 5], &bytes[start + 5..end])
    {
        out.add(Kind::Ssn, start, end, WEAK);
    }
}

/// The end of `ddd-dd-dddd` or `ddd dd dddd` that may be issued and begins with the run `start..end`.
pub(super) fn written(text: &str, start: usize, end: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let separator = *bytes.get(end).filter(|b| end - start == 3 && matches!(b, b'-' | b' '))?;
    let stop = end + 8;
    let shape = bytes.len() >= stop && run(bytes, end + 1) == end + 3 && bytes[end + 3] == separator && run(bytes, end + 4) == stop;
    (shape && ends(text, stop) && issued(&bytes[start..end], &bytes[end + 1..end + 3], &bytes[end + 4..stop])).then_some(stop)
}

fn issued(area: &[u8], group: &[u8], serial: &[u8]) -> bool {
    // 078-05-1120 and 219-09-9999 were printed in advertisements; 123-45-6789 is everybody's example.
    let sample = matches!((area, group, serial), (b"078", b"05", b"1120") | (b"219", b"09", b"9999") | (b"123", b"45", b"6789"));
    area != b"000" && area != b"666" && area[0] != b'9' && group != b"00" && serial != b"0000" && !sample
}
