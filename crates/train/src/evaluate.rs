//! How well a model ranks: area under the ROC curve, with an interval that respects units.

use crate::noise::NotPrivateSeed;
use rand::RngExt;
use std::collections::BTreeMap;

/// A score and a class for each row, and the unit it belongs to.
#[derive(Clone, Default)]
pub struct Scores {
    /// Higher means class 1 is more likely.
    pub score: Vec<f64>,
    /// Whether the row is of class 1.
    pub positive: Vec<bool>,
    /// Unit of the row, any numbering.
    pub unit: Vec<usize>,
}

/// Area under the ROC curve with a 95% interval.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Auc {
    /// Probability that a row of class 1 scores above one of class 0, ties counted half.
    pub auc: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

const RESAMPLES: usize = 200;

impl Scores {
    /// The area under the ROC curve (Mann–Whitney, ties counted half); `None` where one class is absent.
    ///
    /// ```
    /// let scores = reticent_train::Scores { score: vec![0.1, 0.4, 0.35, 0.8], positive: vec![false, false, true, true], unit: vec![0, 1, 2, 3] };
    /// assert_eq!(scores.auc(), Some(0.75));
    /// ```
    #[must_use]
    pub fn auc(&self) -> Option<f64> {
        weighted_auc(&self.order(), &self.score, &self.positive, |_| 1.0)
    }

    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.score.len()).collect();
        order.sort_by(|&a, &b| self.score[a].total_cmp(&self.score[b]));
        order
    }
}

/// The area with a 95% percentile interval over 200 resamplings of *units* (rows of one unit stay together); `None` where one class is absent.
#[must_use]
pub fn auc_interval(scores: &Scores, seed: NotPrivateSeed) -> Option<Auc> {
    macro_auc_interval(std::slice::from_ref(scores), seed)
}

/// The mean of several areas over the same rows (one class against the others for each class), with the interval of [`auc_interval`].
///
/// A class that is absent, or alone, in the rows has no area and is left out; `None` where none has one.
///
/// # Panics
/// Where the rows differ in number.
#[must_use]
pub fn macro_auc_interval(classes: &[Scores], seed: NotPrivateSeed) -> Option<Auc> {
    let unit = &classes.first()?.unit;
    let mut index = BTreeMap::new();
    for &unit in unit {
        let next = index.len();
        index.entry(unit).or_insert(next);
    }
    let units: Vec<usize> = unit.iter().map(|u| index[u]).collect();
    let orders: Vec<Vec<usize>> = classes.iter().map(Scores::order).collect();
    let mean = |weight: &dyn Fn(usize) -> f64| {
        let areas = classes.iter().zip(&orders).filter_map(|(s, order)| weighted_auc(order, &s.score, &s.positive, weight));
        let (sum, count) = areas.fold((0.0, 0.0), |(sum, count), area| (sum + area, count + 1.0));
        (count > 0.0).then_some(sum / count)
    };
    let auc = mean(&|_| 1.0)?;
    let mut rng = seed.rng();
    let mut draws: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            let mut times = vec![0.0; index.len()];
            for _ in 0..index.len() {
                times[rng.random_range(0..index.len())] += 1.0;
            }
            mean(&|row| times[units[row]])
        })
        .collect();
    draws.sort_by(f64::total_cmp);
    let at = |p: f64| draws.get(((draws.len().max(1) - 1) as f64 * p).round() as usize).copied().unwrap_or(auc);
    Some(Auc { auc, lower: at(0.025).min(auc), upper: at(0.975).max(auc) })
}

/// Rows in ascending order of score; each counts `weight(row)` times.
fn weighted_auc(order: &[usize], score: &[f64], positive: &[bool], weight: impl Fn(usize) -> f64) -> Option<f64> {
    let (mut below, mut total, mut wins) = (0.0, 0.0, 0.0);
    let mut start = 0;
    while start < order.len() {
        let mut end = start;
        let (mut negatives, mut positives) = (0.0, 0.0);
        while end < order.len() && score[order[end]].total_cmp(&score[order[start]]).is_eq() {
            let row = order[end];
            if positive[row] {
                positives += weight(row);
            } else {
                negatives += weight(row);
            }
            end += 1;
        }
        wins += positives * (below + negatives / 2.0);
        below += negatives;
        total += positives;
        start = end;
    }
    (below > 0.0 && total > 0.0).then(|| wins / (below * total))
}
