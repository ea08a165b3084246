//! What a person is compared with: averages over units, so that an explanation shows no other person's row.

use crate::shapley::Reference;
use crate::{Error, Space};
use reticent_data::{PermittedTable, encode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Least units that one point averages.
pub const LEAST_UNITS: usize = 10;
/// Most points of a background: enough to follow the shape of the rows, few enough to enumerate coalitions against.
pub const MOST_POINTS: usize = 64;

/// Points that each average at least [`LEAST_UNITS`] units. There is no other way to make one than from permitted rows.
#[derive(Clone)]
pub struct Background {
    points: Vec<Reference>,
    statement: BackgroundStatement,
}

/// What was done, in numbers that name nobody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackgroundStatement {
    /// Units averaged, over all points.
    pub units: usize,
    /// Points.
    pub points: usize,
    /// Units that the smallest point averages.
    pub least_units: usize,
    /// How it was made, and what that does not cover.
    pub words: String,
}

impl Background {
    /// Averages the rows of each unit, then splits the units at the median of their widest input, again and again, as long as both halves
    /// keep `least_units` units and there are fewer than `most_points` groups; each group becomes its mean, weighted by its units.
    ///
    /// A unit counts once however many rows it has: a mean over rows would nearly show the unit that brings most of them.
    ///
    /// # Errors
    /// [`Error::TooFine`] for `least_units` under [`LEAST_UNITS`]; [`Error::TooFewUnits`]; [`Error::Option`] for no points.
    pub fn aggregate(rows: &PermittedTable, least_units: usize, most_points: usize) -> Result<Self, Error> {
        if least_units < LEAST_UNITS {
            return Err(Error::TooFine { asked: least_units, least: LEAST_UNITS });
        }
        if most_points == 0 {
            return Err(Error::Option { what: "the number of background points" });
        }
        let units = unit_means(rows);
        if units.len() < least_units {
            return Err(Error::TooFewUnits { units: units.len(), least: least_units });
        }
        let width = Space::new(rows.table().schema()).width();
        let cells = split(&units, width, least_units, most_points);
        let smallest = cells.iter().map(Vec::len).min().unwrap_or(0);
        if smallest < least_units {
            return Err(Error::TooFewUnits { units: smallest, least: least_units });
        }
        let points: Vec<Reference> = cells.iter().map(|cell| point(&units, cell, width)).collect();
        let words = format!(
            "{} points, each the exact mean of at least {smallest} units, a unit counted once; split at medians of the units' own means. \
             No row of a unit is used by itself. The means carry no noise: no ε covers them",
            points.len()
        );
        let statement = BackgroundStatement { units: units.len(), points: points.len(), least_units: smallest, words };
        Ok(Self { points, statement })
    }

    /// The points and their weights.
    #[must_use]
    pub fn points(&self) -> &[Reference] {
        &self.points
    }

    /// What was done.
    #[must_use]
    pub fn statement(&self) -> &BackgroundStatement {
        &self.statement
    }
}

/// The mean of each unit's encoded rows, in the order of the units' pseudonyms.
fn unit_means(rows: &PermittedTable) -> Vec<Vec<f64>> {
    let encoded = encode(rows.table());
    let mut by_unit: BTreeMap<_, (usize, Vec<f64>)> = BTreeMap::new();
    for (subject, row) in rows.table().subjects().iter().zip(encoded.inputs.chunks_exact(encoded.width)) {
        let (count, sums) = by_unit.entry(*subject).or_insert_with(|| (0, vec![0.0; encoded.width]));
        *count += 1;
        for (sum, input) in sums.iter_mut().zip(row) {
            *sum += f64::from(*input);
        }
    }
    by_unit.into_values().map(|(count, sums)| sums.into_iter().map(|s| s / count as f64).collect()).collect()
}

/// Groups of units, by their position. The largest group is split first.
fn split(units: &[Vec<f64>], width: usize, least: usize, most: usize) -> Vec<Vec<usize>> {
    let mut cells = vec![(0..units.len()).collect::<Vec<usize>>()];
    while cells.len() < most {
        // The first of the largest, so that equal sizes are split in one order on every machine.
        let largest = (0..cells.len()).max_by_key(|&i| (cells[i].len(), std::cmp::Reverse(i))).unwrap_or(0);
        if cells[largest].len() < 2 * least {
            break;
        }
        let mut cell = cells.swap_remove(largest);
        let input = widest(units, &cell, width);
        cell.sort_by(|&a, &b| units[a][input].total_cmp(&units[b][input]).then(a.cmp(&b)));
        let upper = cell.split_off(cell.len() / 2);
        cells.push(cell);
        cells.push(upper);
    }
    cells
}

/// The input with the largest variance over the units of a cell.
fn widest(units: &[Vec<f64>], cell: &[usize], width: usize) -> usize {
    let n = cell.len() as f64;
    let variance = |input: usize| {
        let mean = cell.iter().map(|&u| units[u][input]).sum::<f64>() / n;
        cell.iter().map(|&u| (units[u][input] - mean).powi(2)).sum::<f64>() / n
    };
    let variances: Vec<f64> = (0..width).map(variance).collect();
    (0..width).max_by(|&a, &b| variances[a].total_cmp(&variances[b]).then(b.cmp(&a))).unwrap_or(0)
}

fn point(units: &[Vec<f64>], cell: &[usize], width: usize) -> Reference {
    let n = cell.len() as f64;
    let inputs = (0..width).map(|input| (cell.iter().map(|&u| units[u][input]).sum::<f64>() / n) as f32).collect();
    Reference { inputs, weight: n }
}
