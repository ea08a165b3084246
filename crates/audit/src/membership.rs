//! Membership inference by unit: a unit's score is the mean over its rows of what the model says about them.

use crate::{Error, Scores, Target, signal};
use reticent_data::{PermittedTable, SubjectId, Units, encode};
use std::num::NonZeroUsize;

/// The confidence above which the attack of [`confidence`] calls a unit a member.
pub const CONFIDENCE_THRESHOLD: f64 = 0.7;

/// Encoded rows by unit: what the attacker knows about the units in question, their labels included.
pub struct KnownRows {
    units: Units,
    width: usize,
    classes: usize,
    inputs: Vec<f32>,
    labels: Vec<u32>,
}

impl KnownRows {
    /// Encodes the rows of a permitted table, at most `cap` of each unit.
    #[must_use]
    pub fn new(table: &PermittedTable, cap: NonZeroUsize) -> Self {
        let encoded = encode(table.table());
        let classes = table.table().schema().classes();
        Self { units: Units::new(table.table(), cap), width: encoded.width, classes, inputs: encoded.inputs, labels: encoded.labels }
    }

    /// The units, in the order of their ids; every list of scores follows it.
    #[must_use]
    pub fn ids(&self) -> &[SubjectId] {
        self.units.ids()
    }

    /// The mean inputs of each unit followed by the mean of each class: what a classifier that never sees the model can use.
    #[must_use]
    pub fn mean_inputs(&self) -> Vec<Vec<f64>> {
        let of = |unit: usize| {
            let rows = self.units.rows_of(unit);
            let mut mean = vec![0.0; self.width + self.classes];
            for &row in rows {
                for (m, &x) in mean.iter_mut().zip(&self.inputs[row * self.width..(row + 1) * self.width]) {
                    *m += f64::from(x);
                }
                mean[self.width + self.labels[row] as usize] += 1.0;
            }
            mean.iter_mut().for_each(|m| *m /= rows.len() as f64);
            mean
        };
        (0..self.units.len()).map(of).collect()
    }

    /// Encoded inputs a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Row-major encoded inputs.
    pub(crate) fn inputs(&self) -> &[f32] {
        &self.inputs
    }

    /// The class of each row.
    pub(crate) fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The class that most of a unit's rows have, the first of those.
    #[must_use]
    pub fn most_common_class(&self) -> Vec<usize> {
        let of = |unit: usize| {
            let mut rows = vec![0_usize; self.classes];
            self.units.rows_of(unit).iter().for_each(|&row| rows[self.labels[row] as usize] += 1);
            (0..self.classes).fold(0, |best, class| if rows[class] > rows[best] { class } else { best })
        };
        (0..self.units.len()).map(of).collect()
    }

    /// The rows of a unit.
    pub(crate) fn rows_of(&self, unit: usize) -> &[usize] {
        self.units.rows_of(unit)
    }

    /// The mean over each unit's rows of what is known of a row, by its index.
    pub(crate) fn by_unit(&self, of_row: impl Fn(usize) -> f64) -> Result<Scores<SubjectId>, Error> {
        Scores::new(self.units.ids().to_vec(), self.mean_of_rows(of_row))
    }

    pub(crate) fn mean_of_rows(&self, of_row: impl Fn(usize) -> f64) -> Vec<f64> {
        let of = |unit: usize| {
            let rows = self.units.rows_of(unit);
            rows.iter().map(|&r| of_row(r)).sum::<f64>() / rows.len() as f64
        };
        (0..self.units.len()).map(of).collect()
    }

    /// The mean over each unit's rows of `of_row(probabilities, label)`.
    fn means(&self, target: &dyn Target, of_row: fn(&[f64], usize) -> f64) -> Result<Vec<f64>, Error> {
        let p = target.probabilities(&self.inputs, self.width);
        let expected = self.labels.len() * self.classes;
        if p.len() != expected {
            return Err(Error::Target { found: p.len(), expected });
        }
        let row = |row: usize| of_row(&p[row * self.classes..(row + 1) * self.classes], self.labels[row] as usize);
        Ok(self.mean_of_rows(row))
    }
}

/// The probability of the true class (as a decision at [`CONFIDENCE_THRESHOLD`], the simplest attack of all).
///
/// # Errors
/// [`Error::Target`], [`Error::NotANumber`].
pub fn confidence(rows: &KnownRows, target: &dyn Target) -> Result<Scores<SubjectId>, Error> {
    by_signal(rows, target, signal::confidence)
}

/// Minus the loss.
///
/// # Errors
/// As [`confidence`].
pub fn loss(rows: &KnownRows, target: &dyn Target) -> Result<Scores<SubjectId>, Error> {
    by_signal(rows, target, signal::loss)
}

/// The mean over each unit's rows of one of the [signals](crate::signal).
///
/// # Errors
/// As [`confidence`].
pub fn by_signal(rows: &KnownRows, target: &dyn Target, signal: fn(&[f64], usize) -> f64) -> Result<Scores<SubjectId>, Error> {
    Scores::new(rows.units.ids().to_vec(), rows.means(target, signal)?)
}

/// The logit-scaled confidence φ of each unit, the input of LiRA.
///
/// # Errors
/// As [`confidence`].
pub fn phi(rows: &KnownRows, target: &dyn Target) -> Result<Vec<f64>, Error> {
    let found = rows.means(target, signal::phi)?;
    match found.iter().position(|v| v.is_nan()) {
        Some(index) => Err(Error::NotANumber { index }),
        None => Ok(found),
    }
}
