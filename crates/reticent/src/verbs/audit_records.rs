//! What a model is asked in an audit: a CSV file of rows with `member`, told apart by number alone in messages.

use crate::failure::Failure;

/// The header and the lines. No `Debug`: they are about people.
pub(super) struct Records {
    pub(super) header: Vec<String>,
    pub(super) lines: Vec<csv::StringRecord>,
}

impl Records {
    pub(super) fn read(path: &std::path::Path) -> Result<Self, Failure> {
        let wrong = |line: u64| {
            Failure::usage(format!(
                "{}: line {line} cannot be read as CSV in UTF-8, or has another number of cells than the header",
                path.display()
            ))
        };
        let file = std::fs::File::open(path).map_err(|e| crate::disk::io("read", path, &e))?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(std::io::BufReader::new(file));
        let header = reader.headers().map_err(|_| wrong(1))?.iter().map(str::to_owned).collect();
        let lines: Result<Vec<_>, _> = reader.records().collect();
        let lines = lines.map_err(|e| wrong(e.position().map_or(0, csv::Position::line)))?;
        let records = Self { header, lines };
        let member = records.need("member")?;
        let is_truth = |text: &str| matches!(text.to_ascii_lowercase().as_str(), "0" | "1" | "true" | "false");
        if let Some(at) = records.lines.iter().position(|line| !is_truth(&line[member])) {
            return Err(Failure::usage(format!("line {}: `member` is none of 0, 1, true, false", at + 2)));
        }
        Ok(records)
    }

    /// Where a column stands.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|h| h.eq_ignore_ascii_case(name))
    }

    pub(super) fn need(&self, name: &str) -> Result<usize, Failure> {
        self.column(name)
            .ok_or_else(|| Failure::usage(format!("the records have no column `{name}`")).hint("`--help` of this audit lists the columns"))
    }

    /// Columns that the model is asked with.
    pub(super) fn inputs(&self) -> Vec<usize> {
        let own = |header: &str| ["id", "member", "label", "unit"].iter().any(|own| header.eq_ignore_ascii_case(own));
        (0..self.header.len()).filter(|&at| !own(&self.header[at]) && !is_of_reference(&self.header[at])).collect()
    }

    /// Columns that are about reference models.
    pub(super) fn of_references(&self) -> Vec<usize> {
        (0..self.header.len()).filter(|&at| is_of_reference(&self.header[at])).collect()
    }

    /// The line's `id`, else its number.
    pub(super) fn id(&self, line: &csv::StringRecord, at: usize) -> String {
        self.column("id").map_or_else(|| (at + 1).to_string(), |id| line[id].to_owned())
    }
}

fn is_of_reference(header: &str) -> bool {
    ["ref_", "in_"].iter().any(|p| header.strip_prefix(p).is_some_and(|n| n.parse::<u32>().is_ok()))
}
