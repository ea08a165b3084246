//! How well scores tell members from non-members: the curve, the area under it, and the rates at few false alarms.

use crate::binomial::normal_quantile;
use crate::interval::clopper_pearson;
use crate::score::at_or_above;
use crate::{Error, MemberScores};
use serde::{Deserialize, Serialize};

/// The false-positive rates every report shows.
pub const REPORTED_FPR: [f64; 4] = [0.0, 0.001, 0.01, 0.1];
/// Shares of members among those attacked, for the positive predictive value.
pub const PRIORS: [f64; 3] = [0.01, 0.1, 0.5];

/// The area under the curve with an interval, by DeLong, DeLong and Clarke-Pearson (1988).
///
/// Where all members score above all non-members, or the reverse, the estimated variance is 0 and says nothing; there the end is
/// Clopper–Pearson's for as many disjoint pairs as both sides have, all of them ordered right.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// Probability that a member scores above a non-member, ties counted half.
    pub auc: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
    /// Probability with which the interval holds the area, asymptotically.
    pub confidence: f64,
}

impl Area {
    /// Whether `value` lies in the interval, ends included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.lower <= value && value <= self.upper
    }
}

/// A point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// False-positive rate: non-members called members.
    pub fpr: f64,
    /// True-positive rate: members called members.
    pub tpr: f64,
}

/// The true-positive rate at a false-positive rate, or why none is given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TprAt {
    /// Measured at the lowest threshold whose false-positive rate is at most `fpr`.
    Measured {
        /// The false-positive rate asked for.
        fpr: f64,
        /// Share of the members at or above the threshold.
        tpr: f64,
        /// Clopper–Pearson lower end, 95% two-sided, for the threshold that was found.
        lower: f64,
        /// Upper end.
        upper: f64,
        /// Number of non-members behind it.
        negatives: usize,
    },
    /// Fewer than 10 non-members would lie above the threshold: any rate would be luck.
    Refused {
        /// The false-positive rate asked for.
        fpr: f64,
        /// Number of non-members that it takes.
        needs_negatives: usize,
        /// Number there are.
        negatives: usize,
    },
}

/// The rates of a decision at a threshold fixed in advance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Members are those who score at or above it.
    pub threshold: f64,
    /// True-positive rate.
    pub tpr: f64,
    /// False-positive rate.
    pub fpr: f64,
    /// (TPR + TNR) / 2; 0.5 is chance.
    pub balanced_accuracy: f64,
}

/// Probability that somebody called a member is one, where members are `prior` of those attacked. `None` where nobody is called one.
///
/// ```
/// let ppv = reticent_audit::roc::positive_predictive_value(0.5, 0.01, 0.01).unwrap();
/// assert!((ppv - 0.3356).abs() < 1e-4);
/// ```
#[must_use]
pub fn positive_predictive_value(tpr: f64, fpr: f64, prior: f64) -> Option<f64> {
    let called = tpr * prior + fpr * (1.0 - prior);
    (called > 0.0).then(|| tpr * prior / called)
}

impl MemberScores {
    /// Probability that a member scores above a non-member, ties counted half (Mann–Whitney), in n log n.
    ///
    /// ```
    /// let scores = reticent_audit::MemberScores::new(vec![0.35, 0.8], vec![0.1, 0.4])?;
    /// assert_eq!(scores.auc(), 0.75);
    /// # Ok::<(), reticent_audit::Error>(())
    /// ```
    #[must_use]
    pub fn auc(&self) -> f64 {
        // Whole numbers until the last step: equal scores give ½ to the last bit.
        let halves: f64 = self.members.iter().map(|&s| twice_below(&self.non_members, s) as f64).sum();
        halves / (2.0 * self.members.len() as f64 * self.non_members.len() as f64)
    }

    /// [`MemberScores::auc`] with its interval at `confidence` in (0, 1).
    ///
    /// # Errors
    /// [`Error::OutOfRange`].
    pub fn area(&self, confidence: f64) -> Result<Area, Error> {
        if !(confidence > 0.0 && confidence < 1.0) {
            return Err(Error::OutOfRange { quantity: "confidence", value: confidence, range: "above 0 and below 1" });
        }
        let above = placements(&self.members, &self.non_members);
        let below: Vec<f64> = placements(&self.non_members, &self.members).iter().map(|p| 1.0 - p).collect();
        let auc = self.auc();
        let spread = (variance(&above) / above.len() as f64 + variance(&below) / below.len() as f64).sqrt();
        let z = normal_quantile(0.5 + confidence / 2.0);
        let (mut lower, mut upper) = ((auc - z * spread).max(0.0), (auc + z * spread).min(1.0));
        let pairs = self.members.len().min(self.non_members.len());
        if auc == 1.0 {
            lower = clopper_pearson(pairs, pairs, 1.0 - confidence)?.lower;
        } else if auc == 0.0 {
            upper = clopper_pearson(0, pairs, 1.0 - confidence)?.upper;
        } else if pairs == 1 {
            // One unit on a side has no spread to estimate.
            (lower, upper) = (0.0, 1.0);
        }
        Ok(Area { auc, lower, upper, confidence })
    }

    /// The curve from (0, 0) to (1, 1), at most `most` points, evenly spread over the logarithm of the false-positive rate.
    #[must_use]
    pub fn curve(&self, most: usize) -> Vec<Point> {
        let mut all = vec![Point { fpr: 0.0, tpr: 0.0 }];
        let (n1, n0) = (self.members.len() as f64, self.non_members.len() as f64);
        let mut thresholds: Vec<f64> = self.members.iter().chain(&self.non_members).copied().collect();
        thresholds.sort_by(|a, b| b.total_cmp(a));
        thresholds.dedup();
        for t in thresholds {
            all.push(Point { fpr: self.false_positives(t) as f64 / n0, tpr: self.true_positives(t) as f64 / n1 });
        }
        thin(all, most.max(3), 0.5 / n0)
    }

    /// The lowest threshold at which at most `fpr` of the non-members are called members.
    #[must_use]
    pub fn threshold_at(&self, fpr: f64) -> f64 {
        let allowed = (fpr * self.non_members.len() as f64).floor() as usize;
        if allowed >= self.non_members.len() {
            return f64::NEG_INFINITY;
        }
        // Strictly above the highest non-member who may not be called.
        self.non_members[self.non_members.len() - 1 - allowed].next_up()
    }

    /// The true-positive rate at this false-positive rate, refused where fewer than `10 / fpr` non-members are there (0 is exempt).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a rate outside [0, 1].
    pub fn tpr_at(&self, fpr: f64) -> Result<TprAt, Error> {
        if !(0.0..=1.0).contains(&fpr) {
            return Err(Error::OutOfRange { quantity: "false-positive rate", value: fpr, range: "between 0 and 1" });
        }
        let negatives = self.non_members.len();
        let needs = if fpr > 0.0 { (10.0 / fpr - 1e-6).ceil() as usize } else { 0 };
        if negatives < needs {
            return Ok(TprAt::Refused { fpr, needs_negatives: needs, negatives });
        }
        let hits = self.true_positives(self.threshold_at(fpr));
        let n1 = self.members.len();
        let interval = clopper_pearson(hits, n1, 0.05)?;
        Ok(TprAt::Measured { fpr, tpr: hits as f64 / n1 as f64, lower: interval.lower, upper: interval.upper, negatives })
    }

    /// The rates of the decision at `threshold`, which must not have been chosen by looking at these scores.
    #[must_use]
    pub fn decision(&self, threshold: f64) -> Decision {
        let tpr = self.true_positives(threshold) as f64 / self.members.len() as f64;
        let fpr = self.false_positives(threshold) as f64 / self.non_members.len() as f64;
        Decision { threshold, tpr, fpr, balanced_accuracy: (tpr + 1.0 - fpr) / 2.0 }
    }
}

/// For each of `of`, the share of `among` below it, ties counted half. Both sorted.
fn placements(of: &[f64], among: &[f64]) -> Vec<f64> {
    of.iter().map(|&s| twice_below(among, s) as f64 / (2 * among.len()) as f64).collect()
}

/// Twice the number of sorted values below `score`, plus the number of ties.
fn twice_below(sorted: &[f64], score: f64) -> usize {
    sorted.len() - at_or_above(sorted, score) + sorted.partition_point(|&s| s <= score)
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// With n − 1; 0 for fewer than two values.
pub(crate) fn variance(values: &[f64]) -> f64 {
    let m = mean(values);
    values.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0).max(1.0)
}

/// Keeps the first and last point and, of those between, the highest in each of equally long pieces of the logarithm of the rate.
fn thin(all: Vec<Point>, most: usize, floor: f64) -> Vec<Point> {
    if all.len() <= most {
        return all;
    }
    let last = *all.last().expect("the curve has its corners");
    let piece = |p: &Point| ((p.fpr.max(floor).ln() - floor.ln()) / -floor.ln() * (most - 2) as f64).floor() as usize;
    let mut kept = vec![all[0]];
    let mut at = None;
    for point in &all[1..all.len() - 1] {
        let here = piece(point).min(most - 3);
        if at == Some(here) {
            *kept.last_mut().expect("just pushed") = *point;
        } else {
            kept.push(*point);
            at = Some(here);
        }
    }
    kept.push(last);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sides(members: &[f64], non_members: &[f64]) -> MemberScores {
        MemberScores::new(members.to_vec(), non_members.to_vec()).unwrap()
    }

    proptest! {
        /// Against all pairs, with many ties.
        #[test]
        fn area_equals_all_pairs(m in prop::collection::vec(0_u8..6, 1..40), n in prop::collection::vec(0_u8..6, 1..40)) {
            let pairs: f64 = m.iter().flat_map(|a| n.iter().map(move |b| match a.cmp(b) {
                std::cmp::Ordering::Greater => 1.0, std::cmp::Ordering::Equal => 0.5, std::cmp::Ordering::Less => 0.0 })).sum();
            let float = |v: &[u8]| v.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let s = sides(&float(&m), &float(&n));
            prop_assert!((s.auc() - pairs / (m.len() * n.len()) as f64).abs() < 1e-12);
            let area = s.area(0.95).unwrap();
            prop_assert!(area.lower <= area.auc && area.auc <= area.upper);
            // Every kept point of the curve is reached by a threshold, and the curve rises.
            let curve = s.curve(20);
            prop_assert!(curve.len() <= 20);
            prop_assert!(curve.windows(2).all(|w| w[0].fpr <= w[1].fpr && w[0].tpr <= w[1].tpr));
            prop_assert_eq!((curve[curve.len() - 1].fpr, curve[curve.len() - 1].tpr), (1.0, 1.0));
            // The rate at no false alarms, the slow way.
            let top = *n.iter().max().unwrap();
            let above = m.iter().filter(|&&x| x > top).count() as f64 / m.len() as f64;
            match s.tpr_at(0.0).unwrap() {
                TprAt::Measured { tpr, .. } => prop_assert_eq!(tpr, above),
                TprAt::Refused { .. } => prop_assert!(false),
            }
        }
    }

    /// DeLong's variance by hand for members {1, 3}, non-members {0, 2}: placements {½, 1} and {1, ½}, variance ⅛/2 + ⅛/2 = ⅛.
    #[test]
    fn delong_by_hand() {
        let area = sides(&[1.0, 3.0], &[0.0, 2.0]).area(0.5).unwrap();
        let z = 0.674_489_750_196_081_7;
        assert_eq!(area.auc, 0.75);
        assert!((area.lower - (0.75 - z * 0.125_f64.sqrt())).abs() < 1e-12, "{area:?}");
        assert!((area.upper - (0.75 + z * 0.125_f64.sqrt())).abs() < 1e-12, "{area:?}");
    }

    #[test]
    fn perfect_separation_still_has_an_interval() {
        let ten: Vec<f64> = (0..10).map(f64::from).collect();
        let high: Vec<f64> = ten.iter().map(|x| x + 100.0).collect();
        let area = sides(&high, &ten).area(0.95).unwrap();
        assert!((area.lower - 0.025_f64.powf(0.1)).abs() < 1e-7 && area.upper == 1.0, "{area:?}");
        let area = sides(&ten, &high).area(0.95).unwrap();
        assert!(area.lower == 0.0 && (area.upper - (1.0 - 0.025_f64.powf(0.1))).abs() < 1e-7, "{area:?}");
    }

    #[test]
    fn rates_are_refused_without_enough_negatives() {
        let members = vec![1.0; 50];
        for (negatives, fpr, needs) in
            [(999, 0.01, Some(1000)), (1000, 0.01, None), (99, 0.1, Some(100)), (9_999, 0.001, Some(10_000)), (3, 0.0, None)]
        {
            let s = sides(&members, &vec![0.0; negatives]);
            match (s.tpr_at(fpr).unwrap(), needs) {
                (TprAt::Refused { needs_negatives, .. }, Some(needs)) => assert_eq!(needs_negatives, needs),
                (TprAt::Measured { tpr, negatives: n, .. }, None) => assert_eq!((tpr, n), (1.0, negatives)),
                (other, _) => panic!("{negatives} {fpr}: {other:?}"),
            }
        }
        assert!(sides(&members, &[0.0]).tpr_at(f64::NAN).is_err());
    }

    #[test]
    fn a_tie_at_the_threshold_is_a_false_alarm() {
        // Twenty of a thousand non-members tie with the members: at 1% none of them may be called.
        let mut non_members = vec![0.0; 980];
        non_members.extend(vec![1.0; 20]);
        let s = sides(&[1.0; 40], &non_members);
        assert!(matches!(s.tpr_at(0.01).unwrap(), TprAt::Measured { tpr: 0.0, .. }));
        assert!(matches!(s.tpr_at(0.1).unwrap(), TprAt::Measured { tpr: 1.0, .. }));
        let d = s.decision(0.5);
        assert_eq!((d.tpr, d.fpr, d.balanced_accuracy), (1.0, 0.02, 0.99));
    }

    /// Coverage of the 95% interval on 2,000 samples of two normals a unit apart (area Φ(1/√2)): below 92% has probability < 1e-8.
    #[test]
    fn intervals_cover() {
        let mut rng = crate::testing::rng(3);
        let exact = 1.0 - crate::binomial::upper_tail(std::f64::consts::FRAC_1_SQRT_2);
        let held = (0..2000)
            .filter(|_| {
                let members: Vec<f64> = (0..60).map(|_| crate::testing::normal(&mut rng) + 1.0).collect();
                let others: Vec<f64> = (0..80).map(|_| crate::testing::normal(&mut rng)).collect();
                sides(&members, &others).area(0.95).unwrap().contains(exact)
            })
            .count();
        assert!((1840..=1960).contains(&held), "{held}");
    }
}
