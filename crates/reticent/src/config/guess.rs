//! What the rows of an unknown table look like: names, numbers or texts, marks of missing values.

use super::draft::{DraftError, DraftInput};
use std::collections::BTreeSet;

/// Cells that are read as "no value", with the empty cell.
const MISSING: [&str; 8] = ["?", "NA", "N/A", "NaN", "nan", "NULL", "null", "n/a"];

/// A table without types.
pub(super) struct Guessed {
    /// Whether the first row holds the names.
    pub(super) header: bool,
    /// The columns, in the order of the file.
    pub(super) columns: Vec<Guess>,
    /// Rows, without the header.
    pub(super) rows: usize,
    /// Marks of missing values that occur, without the empty text.
    pub(super) missing: BTreeSet<String>,
}

/// What a column looks like.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Guess {
    pub(super) name: String,
    pub(super) holds: Holds,
    /// The values that occur.
    pub(super) distinct: BTreeSet<String>,
    /// Whether some cell has no value.
    pub(super) missing: bool,
    rows: usize,
}

/// What the cells of a column have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Holds {
    /// Every value is a finite number.
    Numbers {
        /// The smallest that occurs.
        min: f64,
        /// The largest that occurs.
        max: f64,
    },
    /// Some value is not.
    Texts,
    /// No cell has a value.
    Nothing,
}

impl Guessed {
    pub(super) fn of(input: &DraftInput) -> Result<Self, DraftError> {
        let rows: Vec<Vec<&str>> = input.rows.iter().map(|r| r.iter().map(|c| c.trim_start_matches('\u{feff}').trim()).collect()).collect();
        let width = rows.first().map_or(0, Vec::len);
        if let Some(row) = rows.iter().position(|r| r.len() != width) {
            return Err(DraftError::Uneven { row: row + 1, columns: rows[row].len(), expected: width });
        }
        let header = input.names.is_none() && input.header.unwrap_or_else(|| has_header(&rows));
        let body = rows.get(usize::from(header)..).unwrap_or_default();
        if body.is_empty() || width == 0 {
            return Err(DraftError::NoRows);
        }
        let names: Vec<String> = match &input.names {
            Some(names) => names.clone(),
            None if header => rows[0].iter().map(|&n| n.to_owned()).collect(),
            None => (1..=width).map(|i| format!("c{i}")).collect(),
        };
        if names.len() != width {
            return Err(DraftError::Names { names: names.len(), columns: width });
        }
        let mut seen = BTreeSet::new();
        if let Some(name) = names.iter().find(|n| n.is_empty() || !seen.insert(n.as_str())) {
            return Err(DraftError::Name { name: name.clone() });
        }
        let columns: Vec<Guess> = names.into_iter().enumerate().map(|(i, name)| Guess::of(name, body.iter().map(|r| r[i]))).collect();
        let missing = body.iter().flatten().filter(|c| MISSING.contains(c)).map(|&c| c.to_owned()).collect();
        Ok(Self { header, columns, rows: body.len(), missing })
    }

    pub(super) fn find(&self, name: &str) -> Option<&Guess> {
        self.columns.iter().find(|c| c.name == name)
    }
}

impl Guess {
    fn of<'a>(name: String, cells: impl ExactSizeIterator<Item = &'a str>) -> Self {
        let rows = cells.len();
        let mut missing = false;
        let mut distinct = BTreeSet::new();
        for cell in cells {
            if is_missing(cell) {
                missing = true;
            } else if !distinct.contains(cell) {
                distinct.insert(cell.to_owned());
            }
        }
        let numbers: Option<Vec<f64>> = distinct.iter().map(|c| finite(c)).collect();
        let holds = match numbers {
            Some(numbers) if numbers.is_empty() => Holds::Nothing,
            Some(numbers) => Holds::Numbers {
                min: numbers.iter().copied().fold(f64::INFINITY, f64::min),
                max: numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            },
            None => Holds::Texts,
        };
        Self { name, holds, distinct, missing, rows }
    }

    /// A text that tells rows apart rather than describing them.
    pub(super) fn is_wordy(&self) -> bool {
        self.holds == Holds::Texts && (self.distinct.len() > 50 && self.distinct.len() * 5 > self.rows || self.is_unique())
    }

    /// A different value in each of at least ten rows.
    pub(super) fn is_unique(&self) -> bool {
        self.distinct.len() == self.rows && self.rows >= 10
    }

    /// One value wherever there is one, however it is written.
    pub(super) fn is_constant(&self) -> bool {
        match self.holds {
            Holds::Numbers { min, max } => min >= max,
            Holds::Texts | Holds::Nothing => self.distinct.len() < 2,
        }
    }

    /// Few enough values to be classes: texts or whole numbers.
    pub(super) fn is_classes(&self) -> bool {
        let whole = |value: &String| finite(value).is_none_or(|x| x.fract() == 0.0);
        (2..=10).contains(&self.distinct.len()) && !self.is_unique() && (self.holds == Holds::Texts || self.distinct.iter().all(whole))
    }

    /// Named like a key: `id`, `visit_id`, `visitId`.
    pub(super) fn is_named_id(&self) -> bool {
        let lower = self.name.to_lowercase();
        let tail = ["_id", "-id", " id", ".id", "_no", "_nr"].iter().any(|t| lower.ends_with(t));
        lower == "id" || tail || lower.starts_with("id_") || self.name.ends_with("Id") || self.name.ends_with("ID")
    }

    /// Named like someone.
    pub(super) fn is_named_person(&self) -> bool {
        let lower = self.name.to_lowercase();
        ["patient", "person", "subject", "user", "customer", "client", "member", "participant", "employee", "student"].iter().any(|w| {
            lower == *w
                || lower
                    .strip_prefix(w)
                    .is_some_and(|rest| matches!(rest.trim_start_matches(['_', '-', ' ', '.']), "id" | "no" | "nr" | "key"))
        })
    }

    /// The values in the order of a person: numbers by size, texts by letter.
    pub(super) fn levels(&self) -> Vec<&str> {
        let mut levels: Vec<&str> = self.distinct.iter().map(String::as_str).collect();
        if matches!(self.holds, Holds::Numbers { .. }) {
            levels.sort_by(|a, b| finite(a).unwrap_or(0.0).total_cmp(&finite(b).unwrap_or(0.0)));
        }
        levels
    }
}

pub(super) fn is_missing(cell: &str) -> bool {
    cell.is_empty() || MISSING.contains(&cell)
}

fn finite(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|x: &f64| x.is_finite())
}

/// A first row holds names if it has none where the rows below hold numbers, or, where none do, if nothing in it occurs again.
fn has_header(rows: &[Vec<&str>]) -> bool {
    let [first, body @ ..] = rows else { return true };
    let mut seen = BTreeSet::new();
    if body.is_empty() {
        return true;
    }
    if !first.iter().all(|cell| !is_missing(cell) && seen.insert(cell)) {
        return false;
    }
    let below = |i: usize| body.iter().map(move |row| row[i]).filter(|c| !is_missing(c));
    let holds_numbers = |&i: &usize| below(i).next().is_some() && below(i).all(|c| finite(c).is_some());
    let numeric: Vec<usize> = (0..first.len()).filter(holds_numbers).collect();
    if numeric.is_empty() {
        return (0..first.len()).all(|i| below(i).all(|cell| cell != first[i]));
    }
    numeric.iter().all(|&i| finite(first[i]).is_none())
}

/// The nearest number of two significant digits that is not above (`up`: not below) `x`.
pub(super) fn outwards(x: f64, up: bool) -> f64 {
    if x == 0.0 {
        return 0.0;
    }
    let exponent = x.abs().log10().floor() as i32 - 1;
    // Powers of ten are exact up to 10^22; dividing by one rounds once, multiplying by its inverse twice.
    let scale = 10_f64.powi(exponent.abs());
    let (shrunk, grow): (f64, fn(f64, f64) -> f64) = if exponent < 0 { (x * scale, |v, s| v / s) } else { (x / scale, |v, s| v * s) };
    let holds = |v: f64| if up { v >= x } else { v <= x };
    let near = shrunk.round();
    let candidates = [near, if up { near + 1.0 } else { near - 1.0 }];
    candidates.into_iter().map(|v| grow(v, scale)).find(|v| holds(*v)).unwrap_or(x)
}

/// The nearest whole number of two significant digits, at least 1.
pub(super) fn rounded(n: usize) -> u64 {
    let n = n as u64;
    let scale = 10_u64.pow(n.max(1).ilog10().saturating_sub(1));
    ((n + scale / 2) / scale * scale).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_rounded_outwards_to_two_digits() {
        for (x, down, up) in [
            (17.0, 17.0, 17.0),
            (1234.0, 1200.0, 1300.0),
            (-1234.0, -1300.0, -1200.0),
            (0.0, 0.0, 0.0),
            (0.123, 0.12, 0.13),
            (0.3, 0.3, 0.3),
            (99.9, 99.0, 100.0),
            (6.907755, 6.9, 7.0),
            (1_484_705.0, 1_400_000.0, 1_500_000.0),
            (1e-9, 1e-9, 1e-9),
        ] {
            assert_eq!((outwards(x, false), outwards(x, true)), (down, up), "{x}");
        }
    }

    #[test]
    fn bounds_never_move_inwards() {
        for i in 1..20_000 {
            let x = f64::from(i) * 0.037 - 300.0;
            assert!(outwards(x, false) <= x && x <= outwards(x, true), "{x}");
        }
    }

    #[test]
    fn counts_are_rounded_to_two_digits() {
        for (n, expected) in [(0, 1), (7, 7), (42, 42), (303, 300), (5_913, 5_900), (32_561, 33_000), (996, 1_000)] {
            assert_eq!(rounded(n), expected, "{n}");
        }
    }

    #[test]
    fn tells_names_from_rows() {
        for (rows, expected) in [
            (&["age,sex", "30,f", "40,m"][..], true),
            (&["30,f", "40,m", "50,f"], false),
            (&["sex,town", "f,Paris", "m,Lyon"], true),
            (&["f,Paris", "m,Lyon", "f,Nice"], false),
            (&["?,f", "40,m"], false),
            (&["a,a", "b,c"], false),
            (&["age,sex"], true),
        ] {
            let rows: Vec<Vec<&str>> = rows.iter().map(|r| r.split(',').collect()).collect();
            assert_eq!(has_header(&rows), expected, "{rows:?}");
        }
    }
}
