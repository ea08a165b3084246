//! Checked rows in memory, and the units they belong to.

use crate::{Schema, SubjectId};
use std::collections::BTreeMap;

/// Rows that satisfy their schema. No `Debug`, no `Display`: values never reach a log by accident.
#[derive(Clone)]
pub struct Table {
    pub(crate) schema: Schema,
    pub(crate) records: Vec<String>,
    pub(crate) subjects: Vec<SubjectId>,
    pub(crate) features: Vec<Feature>,
    pub(crate) target: Vec<u32>,
}

/// The values of one column.
#[derive(Clone)]
pub enum Feature {
    /// Numbers within the declared bounds.
    Number(Vec<f64>),
    /// Positions in the declared levels; the position after the last means "missing".
    Level(Vec<u32>),
}

impl Table {
    /// The declared shape.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.target.len()
    }

    /// Number of distinct units.
    #[must_use]
    pub fn unit_count(&self) -> usize {
        self.subjects.iter().collect::<std::collections::BTreeSet<_>>().len()
    }

    /// Whose row each is, in row order.
    #[must_use]
    pub fn subjects(&self) -> &[SubjectId] {
        &self.subjects
    }

    /// Record ids, in row order.
    #[must_use]
    pub fn records(&self) -> &[String] {
        &self.records
    }

    /// The class of each row.
    #[must_use]
    pub fn target(&self) -> &[u32] {
        &self.target
    }

    /// The column at this position of the schema.
    #[must_use]
    pub fn feature(&self, index: usize) -> &Feature {
        &self.features[index]
    }

    /// The rows for which `keep` holds, in order.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(SubjectId) -> bool) -> Self {
        let rows: Vec<usize> = (0..self.rows()).filter(|&i| keep(self.subjects[i])).collect();
        self.select(&rows)
    }

    /// The first `cap` rows of each unit, in order. A unit's own rows alone decide which: adding or removing a unit changes no other.
    #[must_use]
    pub fn capped(&self, cap: std::num::NonZeroUsize) -> Self {
        let mut taken: BTreeMap<SubjectId, usize> = BTreeMap::new();
        let rows: Vec<usize> = (0..self.rows())
            .filter(|&row| {
                let taken = taken.entry(self.subjects[row]).or_default();
                *taken += 1;
                *taken <= cap.get()
            })
            .collect();
        self.select(&rows)
    }

    /// The same rows with the features at these positions of the schema alone, in this order.
    ///
    /// # Panics
    /// Where a position is none of the schema.
    #[must_use]
    pub fn with_columns(&self, kept: &[usize]) -> Self {
        let columns = kept.iter().map(|&i| self.schema.columns[i].clone()).collect();
        Self {
            schema: Schema { columns, ..self.schema.clone() },
            records: self.records.clone(),
            subjects: self.subjects.clone(),
            features: kept.iter().map(|&i| self.features[i].clone()).collect(),
            target: self.target.clone(),
        }
    }

    /// The same rows with the class of some units changed to the next one (the last to the first): canaries that an audit plants.
    #[must_use]
    pub fn mislabelled(&self, units: &std::collections::BTreeSet<SubjectId>) -> Self {
        let classes = self.schema.classes() as u32;
        let flip = |(id, class): (&SubjectId, &u32)| if units.contains(id) { (class + 1) % classes } else { *class };
        Self { target: self.subjects.iter().zip(&self.target).map(flip).collect(), ..self.clone() }
    }

    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let features = self.features.iter().map(|feature| match feature {
            Feature::Number(v) => Feature::Number(rows.iter().map(|&i| v[i]).collect()),
            Feature::Level(v) => Feature::Level(rows.iter().map(|&i| v[i]).collect()),
        });
        Self {
            schema: self.schema.clone(),
            records: rows.iter().map(|&i| self.records[i].clone()).collect(),
            subjects: rows.iter().map(|&i| self.subjects[i]).collect(),
            features: features.collect(),
            target: rows.iter().map(|&i| self.target[i]).collect(),
        }
    }

    /// Bytes of one row for its salted commitment: record id, features and class, unambiguous.
    pub(crate) fn row_bytes(&self, row: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16 + 9 * self.features.len());
        bytes.extend((self.records[row].len() as u64).to_le_bytes());
        bytes.extend(self.records[row].as_bytes());
        for feature in &self.features {
            match feature {
                Feature::Number(v) => bytes.extend(v[row].to_bits().to_le_bytes()),
                Feature::Level(v) => bytes.extend(v[row].to_le_bytes()),
            }
        }
        bytes.extend(self.target[row].to_le_bytes());
        bytes
    }
}

/// The rows of each unit after the public cap: unit by unit in the order of their ids, each with its first `cap` rows.
///
/// The cap depends on nothing but the unit's own rows, so that adding or removing a unit changes no other unit.
#[derive(Clone)]
pub struct Units {
    ids: Vec<SubjectId>,
    rows: Vec<Vec<usize>>,
    cap: usize,
    beyond_cap: usize,
}

impl Units {
    /// Groups `table` by unit and keeps at most `cap` rows of each.
    #[must_use]
    pub fn new(table: &Table, cap: std::num::NonZeroUsize) -> Self {
        let mut by_unit: BTreeMap<SubjectId, Vec<usize>> = BTreeMap::new();
        for (row, &id) in table.subjects.iter().enumerate() {
            by_unit.entry(id).or_default().push(row);
        }
        let cap = cap.get();
        let mut beyond_cap = 0;
        let (ids, rows) = by_unit
            .into_iter()
            .map(|(id, mut rows)| {
                beyond_cap += rows.len().saturating_sub(cap);
                rows.truncate(cap);
                (id, rows)
            })
            .unzip();
        Self { ids, rows, cap, beyond_cap }
    }

    /// Number of units.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The ids, sorted.
    #[must_use]
    pub fn ids(&self) -> &[SubjectId] {
        &self.ids
    }

    /// Row numbers of the unit at `index`, at most [`Units::cap`] of them.
    #[must_use]
    pub fn rows_of(&self, index: usize) -> &[usize] {
        &self.rows[index]
    }

    /// Largest number of rows a unit may have.
    #[must_use]
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// Rows left out because their unit has more than the cap.
    #[must_use]
    pub fn beyond_cap(&self) -> usize {
        self.beyond_cap
    }

    /// Rows kept, over all units.
    #[must_use]
    pub fn kept_rows(&self) -> usize {
        self.rows.iter().map(Vec::len).sum()
    }
}
