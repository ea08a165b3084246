//! Exact interventional Shapley values: every coalition of columns, averaged over a background.
//!
//! `v(S) = Σ_z w_z · f(x_S, z_rest)`, and `φ_i = Σ_{S ∌ i} |S|! (M − |S| − 1)! / M! · (v(S ∪ i) − v(S))`
//! (Lundberg & Lee, *A Unified Approach to Interpreting Model Predictions*, 2017, eq. 4; interventional as in Janzing, Minorics & Blöbaum,
//! *Feature relevance quantification in explainable AI*, 2020, §2).

use crate::{Error, Model, Space};

/// Most columns that are enumerated: 2^16 coalitions a background point.
pub const MOST_COLUMNS: usize = 16;
/// Largest |Σφ + base − f(x)|, relative to the largest of |f(x)|, |base| and Σ|φ|.
pub const SUM_TOLERANCE: f64 = 1e-6;
/// Rows in one call of the model.
const BATCH: usize = 8192;

/// A row that stands for those the person is compared with.
#[derive(Clone, PartialEq)]
pub struct Reference {
    /// Encoded inputs.
    pub inputs: Vec<f32>,
    /// Its share; positive, any scale.
    pub weight: f64,
}

/// Contributions of the columns to one score.
#[derive(Clone, PartialEq)]
pub struct Shapley {
    /// Score averaged over the background.
    pub base: f64,
    /// Score of the row.
    pub score: f64,
    /// φ of each column, in the space's order, on the model's scale.
    pub contributions: Vec<f64>,
    /// |Σφ + base − f(x)|, relative to the largest of |f(x)|, |base| and Σ|φ|; at most [`SUM_TOLERANCE`].
    pub sum_error: f64,
}

/// Exact Shapley values of the score of `x` (encoded), in columns of `space`, against `background`.
///
/// Takes `2^M · |background|` model scores, asked for in batches.
///
/// # Errors
/// [`Error::TooManyColumns`] for more than [`MOST_COLUMNS`]; [`Error::Sum`] where the contributions do not add up; [`Error::Width`];
/// [`Error::Scores`]; [`Error::Option`] for no column, an empty background or a weight that is not positive.
pub fn shapley(model: &impl Model, space: &Space, x: &[f32], background: &[Reference]) -> Result<Shapley, Error> {
    let (m, width) = (space.len(), space.width());
    if m > MOST_COLUMNS {
        return Err(Error::TooManyColumns { columns: m, most: MOST_COLUMNS });
    }
    if x.len() != width {
        return Err(Error::Width { what: "the row", found: x.len(), expected: width });
    }
    if let Some(z) = background.iter().find(|z| z.inputs.len() != width) {
        return Err(Error::Width { what: "a background point", found: z.inputs.len(), expected: width });
    }
    if space.is_empty() {
        return Err(Error::Option { what: "the number of columns" });
    }
    if background.is_empty() || background.iter().any(|z| !(z.weight > 0.0 && z.weight.is_finite())) {
        return Err(Error::Option { what: "the weight of the background" });
    }
    let values = coalition_values(model, space, x, background)?;
    let score = space.scores(model, x)?[0];
    let base = values[0];
    let contributions = contributions(&values, m);
    let sum: f64 = contributions.iter().sum();
    let size: f64 = contributions.iter().map(|c| c.abs()).sum();
    let gap = (sum + base - score).abs();
    let largest = score.abs().max(base.abs()).max(size);
    let sum_error = if gap == 0.0 { 0.0 } else { gap / largest };
    if sum_error > SUM_TOLERANCE {
        return Err(Error::Sum { gap: sum_error, tolerance: SUM_TOLERANCE });
    }
    Ok(Shapley { base, score, contributions, sum_error })
}

/// `v(S)` for every coalition `S`, a bit for each column.
fn coalition_values(model: &impl Model, space: &Space, x: &[f32], background: &[Reference]) -> Result<Vec<f64>, Error> {
    let coalitions = 1_usize << space.len();
    let total: f64 = background.iter().map(|z| z.weight).sum();
    let mut values = vec![0.0; coalitions];
    let mut batch = Vec::with_capacity(BATCH * space.width());
    for z in background {
        let share = z.weight / total;
        for from in (0..coalitions).step_by(BATCH) {
            let to = (from + BATCH).min(coalitions);
            batch.clear();
            for coalition in from..to {
                let at = batch.len();
                batch.extend_from_slice(&z.inputs);
                for column in (0..space.len()).filter(|c| coalition >> c & 1 == 1) {
                    let range = space.inputs(column);
                    batch[at + range.start..at + range.end].copy_from_slice(&x[range]);
                }
            }
            for (value, score) in values[from..to].iter_mut().zip(space.scores(model, &batch)?) {
                *value += share * score;
            }
        }
    }
    Ok(values)
}

fn contributions(values: &[f64], m: usize) -> Vec<f64> {
    // |S|! (M − |S| − 1)! / M! = 1 / (M · C(M − 1, |S|)), which stays small and exact.
    let mut weights = Vec::with_capacity(m);
    let mut choose = 1.0;
    for s in 0..m {
        weights.push(1.0 / (m as f64 * choose));
        choose = choose * (m - 1 - s) as f64 / (s + 1) as f64;
    }
    (0..m)
        .map(|i| {
            let without = (0..values.len()).filter(|s| s >> i & 1 == 0);
            without.map(|s| weights[s.count_ones() as usize] * (values[s | 1 << i] - values[s])).sum()
        })
        .collect()
}
