//! Scores that any tool wrote: a CSV or Parquet file with `score` and `member`, and perhaps `unit` or `id`, in any order.

use crate::error::{FileProblem, FileProblemKind, Place};
use crate::{Error, MemberScores};
use reticent_data::ParquetRows;
use std::collections::BTreeMap;
use std::io::Read;

/// More lines than this are not read.
pub const MOST_LINES: u64 = 20_000_000;
/// Problems that are listed; the others are counted.
const LISTED: usize = 10;

/// What a file of scores holds.
pub struct ScoresFile {
    /// Both sides; the score of a unit is the mean over its lines.
    pub scores: MemberScores,
    /// Lines read.
    pub lines: u64,
    /// Whether a column `unit` (or `id`) put lines together; without one each line is a unit.
    pub by_unit: bool,
}

/// Reads a CSV file with a header: `score` (a finite number, higher meaning "more likely a member"), `member` (0, 1, true or false), and
/// perhaps `unit` or, where there is none, `id`. Other columns are ignored.
///
/// ```
/// let text = "member,score\n1,0.9\n0,0.4\ntrue,0.3\nfalse,0.1\n";
/// let file = reticent_audit::scores_file::read(text.as_bytes())?;
/// assert_eq!((file.lines, file.scores.auc()), (4, 0.75));
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] names lines, never what stands in them; [`Error::OneSided`] where one side is missing.
pub fn read(source: impl Read) -> Result<ScoresFile, Error> {
    of_lines(Lines::open(source)?)
}

/// Reads a Parquet file of any make with the columns of [`read`], and of numbers, true/false or text.
///
/// # Errors
/// As [`read`], by rows.
pub fn read_parquet(rows: ParquetRows) -> Result<ScoresFile, Error> {
    of_lines(Lines::<std::io::Empty>::of_parquet(rows))
}

fn of_lines<R: Read>((mut lines, columns): (Lines<R>, Columns)) -> Result<ScoresFile, Error> {
    let (score_at, member_at, unit_at) = (columns.one("score")?, columns.one("member")?, columns.unit()?);
    let mut units: BTreeMap<Vec<u8>, (bool, f64, u64)> = BTreeMap::new();
    while let Some((line, record)) = lines.next_record() {
        let score = number(&record[score_at]);
        let member = truth(&record[member_at]);
        if score.is_none() {
            lines.wrong(line, FileProblemKind::Score);
        }
        if member.is_none() {
            lines.wrong(line, FileProblemKind::Member);
        }
        let (Some(score), Some(member)) = (score, member) else { continue };
        let key = unit_at.map_or_else(|| line.to_be_bytes().to_vec(), |at| record[at].to_vec());
        let unit = units.entry(key).or_insert((member, 0.0, 0));
        if unit.0 != member {
            lines.wrong(line, FileProblemKind::BothSides);
            continue;
        }
        unit.2 += 1;
        // A running mean: a sum of finite scores might not be finite.
        unit.1 += (score - unit.1) / unit.2 as f64;
    }
    let lines = lines.finish()?;
    let side = |which| units.values().filter(|u| u.0 == which).map(|u| u.1).collect();
    Ok(ScoresFile { scores: MemberScores::new(side(true), side(false))?, lines, by_unit: unit_at.is_some() })
}

/// The lines of a file, and what is wrong with them.
pub(crate) struct Lines<R> {
    source: Source<R>,
    problems: Vec<FileProblem>,
    total: usize,
    read: u64,
}

enum Source<R> {
    Csv(csv::Reader<R>),
    Parquet(Box<ParquetRows>),
}

impl<R: Read> Lines<R> {
    pub(crate) fn open(source: R) -> Result<(Self, Columns), Error> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
        let header = reader.byte_headers().map_err(|_| whole(Place::Line(1), FileProblemKind::Malformed))?.clone();
        Ok((Self::of(Source::Csv(reader)), Columns { header, unread: vec![] }))
    }

    pub(crate) fn of_parquet(rows: ParquetRows) -> (Self, Columns) {
        let columns = Columns { header: rows.header().iter().map(String::as_bytes).collect(), unread: rows.unread().to_vec() };
        (Self::of(Source::Parquet(Box::new(rows))), columns)
    }

    fn of(source: Source<R>) -> Self {
        Self { source, problems: vec![], total: 0, read: 0 }
    }

    /// Notes a problem.
    pub(crate) fn wrong(&mut self, line: u64, kind: FileProblemKind) {
        self.total += 1;
        if self.problems.len() < LISTED {
            let place = match self.source {
                Source::Csv(_) => Place::Line(line),
                Source::Parquet(_) => Place::Row(line),
            };
            self.problems.push(FileProblem { place, kind });
        }
    }

    /// The next line that has the header's number of fields, with its number; of a Parquet file the next row.
    pub(crate) fn next_record(&mut self) -> Option<(u64, csv::ByteRecord)> {
        let mut record = csv::ByteRecord::new();
        let line = match &mut self.source {
            Source::Csv(_) => self.next_line(&mut record)?,
            Source::Parquet(rows) => match rows.read(&mut record) {
                Ok(false) => return None,
                Ok(true) => self.read + 1,
                Err(_) => {
                    self.wrong(self.read + 1, FileProblemKind::Damaged);
                    return None;
                }
            },
        };
        self.read += 1;
        if self.read > MOST_LINES {
            self.wrong(line, FileProblemKind::TooLong);
            return None;
        }
        Some((line, record))
    }

    fn next_line(&mut self, record: &mut csv::ByteRecord) -> Option<u64> {
        while let Source::Csv(reader) = &mut self.source {
            let line = reader.position().line();
            match reader.read_byte_record(record) {
                Ok(false) => return None,
                Ok(true) => return Some(record.position().map_or(line, csv::Position::line)),
                Err(error) => {
                    self.wrong(error.position().map_or(line, csv::Position::line), FileProblemKind::Malformed);
                    // An unreadable source gives the same error for ever; a wrong number of fields does not.
                    if matches!(error.kind(), csv::ErrorKind::Io(_)) {
                        return None;
                    }
                }
            }
        }
        None
    }

    /// The number of lines read, or every problem.
    pub(crate) fn finish(self) -> Result<u64, Error> {
        match (self.total, self.read) {
            (0, 0) => Err(whole(Place::File, FileProblemKind::Empty)),
            (0, read) => Ok(read),
            (total, _) => Err(Error::File { problems: self.problems, total }),
        }
    }
}

fn whole(place: Place, kind: FileProblemKind) -> Error {
    Error::File { problems: vec![FileProblem { place, kind }], total: 1 }
}

/// The header of a file.
pub(crate) struct Columns {
    header: csv::ByteRecord,
    /// Names and types of columns that are not read.
    unread: Vec<(String, String)>,
}

impl Columns {
    fn named(&self, name: &str) -> Vec<usize> {
        // A byte order mark is no part of a name.
        let is = |field: &[u8]| field.strip_prefix(b"\xef\xbb\xbf").unwrap_or(field).eq_ignore_ascii_case(name.as_bytes());
        self.header.iter().enumerate().filter(|(_, f)| is(f)).map(|(i, _)| i).collect()
    }

    pub(crate) fn whole(&self, kind: FileProblemKind) -> Error {
        whole(Place::File, kind)
    }

    /// Where the column is, if it is there.
    pub(crate) fn find(&self, name: &str) -> Result<Option<usize>, Error> {
        if let Some((unread, of)) = self.unread.iter().find(|(unread, _)| unread.eq_ignore_ascii_case(name)) {
            return Err(whole(Place::File, FileProblemKind::Type(unread.clone(), of.clone())));
        }
        match self.named(name)[..] {
            [] => Ok(None),
            [at] => Ok(Some(at)),
            _ => Err(self.whole(FileProblemKind::TwoColumns(name.to_owned()))),
        }
    }

    /// Where the column is.
    pub(crate) fn one(&self, name: &'static str) -> Result<usize, Error> {
        self.find(name)?.ok_or_else(|| self.whole(FileProblemKind::NoColumn(name)))
    }

    /// `unit`, or `id` where there is none.
    pub(crate) fn unit(&self) -> Result<Option<usize>, Error> {
        Ok(match self.find("unit")? {
            Some(at) => Some(at),
            None => self.find("id")?,
        })
    }
}

pub(crate) fn number(field: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(field).ok()?.parse().ok()?;
    // Half of the largest number, so that a difference of two scores is finite.
    (value.is_finite() && value.abs() <= f64::MAX / 2.0).then_some(value)
}

pub(crate) fn truth(field: &[u8]) -> Option<bool> {
    match field.to_ascii_lowercase().as_slice() {
        b"1" | b"true" => Some(true),
        b"0" | b"false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &[u8]) -> String {
        read(text).err().map_or_else(|| "read".into(), |e| e.to_string())
    }

    #[test]
    fn columns_are_found_by_name() {
        for text in [
            "score,member\n2,1\n1,0\n",
            "\u{feff}member,other,SCORE\n1,x,2\n0,y,1\n",
            " Member , score \n TRUE , 2e0 \n false , 1 \n",
            "member,score,id\n1,3,a\n1,1,a\n0,1,b\n",
            "member,score,id,unit\n1,3,a,u\n1,1,b,u\n0,1,c,v\n",
        ] {
            let file = read(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((&file.scores.members[..], &file.scores.non_members[..]), (&[2.0][..], &[1.0][..]), "{text}");
        }
    }

    #[test]
    fn problems_are_told_by_line_and_never_by_value() {
        for (text, expected) in [
            ("", "there is no column `score`"),
            ("score\n1\n", "there is no column `member`"),
            ("score,member,score\n1,1,1\n", "there are two columns `score`"),
            ("score,member,unit,unit\n1,1,a,a\n", "there are two columns `unit`"),
            ("score,member\n", "there are no scores"),
            (
                "score,member\n1,1\nsecret,1\n1,secret\n",
                "line 3: `score` is not a finite number\nline 4: `member` is none of 0, 1, true, false",
            ),
            (
                "score,member\nNaN,1\ninf,0\n1e999,0\n,0\n",
                "line 2: `score` is not a finite number\nline 3: `score` is not a finite number\nline 4: `score` is not a finite number\nline 5: `score` is not a finite number",
            ),
            ("score,member\n1,1,9\n1,0\n", "line 2: the line cannot be read, or has another number of fields than the header"),
            ("score,member,id\n1,1,secret\n1,0,secret\n", "line 3: the unit is a member here and a non-member further up, or the reverse"),
            ("score,member\n1,1\n2,1\n", "2 members and 0 non-members: both are needed"),
        ] {
            let found = told(text.as_bytes());
            assert_eq!(found, expected, "{text}");
            assert!(!found.contains("secret"));
        }
        assert!(told(b"score,member\n\xff\xfe,1\n1,0\n").contains("line 2: `score`"));
        let many = format!("score,member\n{}", "x,1\n".repeat(25));
        assert!(told(many.as_bytes()).ends_with("and 15 more"), "{}", told(many.as_bytes()));
    }

    #[test]
    fn a_source_that_fails_does_not_hang() {
        struct Broken(u8);
        impl Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.0 += 1;
                if self.0 > 1 {
                    return Err(std::io::Error::other("gone"));
                }
                let text = b"score,member\n1,1\n";
                buffer[..text.len()].copy_from_slice(text);
                Ok(text.len())
            }
        }
        assert!(read(Broken(0)).err().unwrap().to_string().contains("cannot be read"));
    }
}
