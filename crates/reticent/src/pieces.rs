//! A file of any size in pieces of bounded length: lines of text, or records of a CSV file as they are, quotes and all.

use crate::disk;
use crate::failure::Failure;
use std::io::{BufRead, Read};
use std::path::Path;

/// The longest piece.
const PIECE: usize = 1 << 20;

/// A file in pieces of bounded length.
pub(crate) struct Pieces<'a, R> {
    reader: R,
    path: &'a Path,
    /// What came after the last sign at which a long line was cut.
    carried: Vec<u8>,
}

impl<'a, R: BufRead> Pieces<'a, R> {
    pub(crate) fn new(reader: R, path: &'a Path) -> Self {
        Self { reader, path, carried: vec![] }
    }

    /// The next line with its end. A longer one comes in pieces, cut where no value is likely to be.
    pub(crate) fn line(&mut self, into: &mut Vec<u8>) -> Result<bool, Failure> {
        into.clear();
        into.append(&mut self.carried);
        let room = (PIECE - into.len()) as u64;
        (&mut self.reader).take(room).read_until(b'\n', into).map_err(|e| disk::io("read", self.path, &e))?;
        if into.len() >= PIECE && !into.ends_with(b"\n") {
            let cut = into.iter().rposition(|b| matches!(b, b'"' | b',' | b';' | b'\t' | b'{' | b'}' | b'<' | b'>')).map(|at| at + 1);
            // A sign near the start would leave too little room for the next piece.
            if let Some(cut) = cut.filter(|c| *c > PIECE / 2) {
                self.carried = into.split_off(cut);
            }
        }
        Ok(!into.is_empty())
    }

    /// The next record of a table with its line end; its delimiter is guessed from the first line.
    pub(crate) fn record(&mut self, into: &mut Vec<u8>, delimiter: &mut Option<u8>, line: u64) -> Result<bool, Failure> {
        into.clear();
        let mut quotes = Quotes::default();
        loop {
            let from = into.len();
            let room = (PIECE + 1 - from) as u64;
            (&mut self.reader).take(room).read_until(b'\n', into).map_err(|e| disk::io("read", self.path, &e))?;
            if into.len() > PIECE {
                return Err(Failure::usage(format!("the record that begins on line {line} is longer than 1 MiB"))
                    .hint("perhaps a quote is not closed; `--text` reads the file as text"));
            }
            let most = |d: &u8| cells(into, *d).len();
            let delimiter = *delimiter.get_or_insert_with(|| [b'|', b'\t', b';', b','].into_iter().max_by_key(most).unwrap_or(b','));
            for byte in &into[from..] {
                quotes.next(*byte, delimiter);
            }
            if into.len() == from || !quotes.open() || !into.ends_with(b"\n") {
                return Ok(!into.is_empty());
            }
        }
    }
}

/// Where in a record a reader of CSV is (RFC 4180): a quote opens at the start of a cell alone.
#[derive(Default)]
struct Quotes {
    state: Quoted,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Quoted {
    #[default]
    Start,
    Plain,
    Inside,
    /// After a quote inside: it closes, unless another follows.
    Closing,
}

impl Quotes {
    /// Takes a byte and says whether it ends a cell.
    fn next(&mut self, byte: u8, delimiter: u8) -> bool {
        let ends = byte == delimiter && self.state != Quoted::Inside;
        self.state = match (self.state, byte) {
            _ if ends => Quoted::Start,
            (Quoted::Start, b'"') | (Quoted::Closing, b'"') => Quoted::Inside,
            (Quoted::Inside, b'"') => Quoted::Closing,
            (Quoted::Inside, _) => Quoted::Inside,
            _ => Quoted::Plain,
        };
        ends
    }

    fn open(&self) -> bool {
        self.state == Quoted::Inside
    }
}

/// Where the cells of a record lie, quotes included, its line end not.
pub(crate) fn cells(record: &[u8], delimiter: u8) -> Vec<std::ops::Range<usize>> {
    let end = record.len() - record.iter().rev().take_while(|b| matches!(b, b'\n' | b'\r')).count();
    let (mut cells, mut from, mut quotes) = (vec![], 0, Quotes::default());
    for (at, byte) in record[..end].iter().enumerate() {
        if quotes.next(*byte, delimiter) {
            cells.push(from..at);
            from = at + 1;
        }
    }
    cells.push(from..end);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(record: &str) -> Vec<&str> {
        cells(record.as_bytes(), b',').into_iter().map(|c| &record[c]).collect()
    }

    #[test]
    fn cells_are_those_of_rfc_4180() {
        assert_eq!(split("a,\"b,c\",d\r\n"), ["a", "\"b,c\"", "d"]);
        assert_eq!(split("\"say \"\"hi, you\"\"\",x\n"), ["\"say \"\"hi, you\"\"\"", "x"]);
        // A quote inside a cell is a character.
        assert_eq!(split("5\" pipe,x"), ["5\" pipe", "x"]);
        assert_eq!(split(",,\n"), ["", "", ""]);
    }

    #[test]
    fn records_go_over_lines_and_add_up_to_the_file() {
        for text in ["a;b\n1;\"x\ny\"\n2;z", "a,b\r\n\r\n5\" pipe,y\n", "\"a\nb", "", "\n\n", "a\tb\n1\t\"\"\"\"\n"] {
            let mut pieces = Pieces::new(text.as_bytes(), Path::new("made up"));
            let (mut record, mut delimiter, mut whole) = (vec![], None, vec![]);
            let mut records = 0;
            while pieces.record(&mut record, &mut delimiter, 1).unwrap() {
                whole.extend_from_slice(&record);
                records += 1;
            }
            assert_eq!(whole, text.as_bytes());
            assert!(records <= text.matches('\n').count() + 1);
        }
        let mut pieces = Pieces::new("a;b\n1;\"x\ny\"\n".as_bytes(), Path::new("made up"));
        let (mut record, mut delimiter) = (vec![], None);
        pieces.record(&mut record, &mut delimiter, 1).unwrap();
        pieces.record(&mut record, &mut delimiter, 2).unwrap();
        assert_eq!((&record[..], delimiter), (&b"1;\"x\ny\"\n"[..], Some(b';')));
    }
}
