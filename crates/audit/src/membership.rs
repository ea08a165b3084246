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

    /// The mean over each unit's rows of `of_row(probabilities, label)`.
    fn means(&self, target: &dyn Target, of_row: fn(&[f64], usize) -> f64) -> Result<Vec<f64>, Error> {
        let p = target.probabilities(&self.inputs, self.width);
        let expected = self.labels.len() * self.classes;
        if p.len() != expected {
            return Err(Error::Target { found: p.len(), expected });
        }
        let row = |row: usize| of_row(&p[row * self.classes..(row + 1) * self.classes], self.labels[row] as usize);
        let of = |unit: usize| {
            let rows = self.units.rows_of(unit);
            rows.iter().map(|&r| row(r)).sum::<f64>() / rows.len() as f64
        };
        Ok((0..self.units.len()).map(of).collect())
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
