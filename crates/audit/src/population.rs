//! Thresholds from the population: how a record's signal stands among those of records that the model has not seen.

use crate::Error;
use crate::folds::{deal, finite, same_length};

/// Fewer reference records of a class than this say too little of it: then those of all classes are taken.
const LEAST_OF_A_CLASS: usize = 20;

/// The share of reference records below each unit's signal, those at it counted half: the p-value of the population attack (Attack-P of Ye et
/// al. 2022, section 4) taken from 1. `1 − α` is the threshold at which a share of about α of the non-members is called, fixed in advance.
///
/// By class, as Song and Mittal (2021, section 4.2) set a threshold for each: a class that the model finds hard for everybody is held against
/// itself. References are the non-members of four of five parts, used for the fifth, members of it included: no unit is held against itself.
/// `class[unit]` from 0; give the same class to all for one threshold.
///
/// ```
/// // A hundred non-members of a hard class at 0 to 99, a hundred of an easy one at 500 to 599; a member of each, twenty times.
/// let mut signal: Vec<f64> = (0..200).map(|u| f64::from(u % 100) + if u < 100 { 0.0 } else { 500.0 }).collect();
/// let (mut class, mut member) = ((0..200).map(|u| usize::from(u >= 100)).collect::<Vec<_>>(), vec![false; 200]);
/// for _ in 0..20 {
///     signal.extend([90.5, 590.5]);
///     class.extend([0, 1]);
///     member.extend([true, true]);
/// }
/// let by_class = reticent_audit::population::quantile(&signal, &class, &member, 1)?;
/// assert!(by_class[200..].iter().all(|q| *q > 0.8), "{by_class:?}");
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::Length`], [`Error::NotANumber`]; [`Error::OneSided`] for fewer than five on a side.
pub fn quantile(signal: &[f64], class: &[usize], member: &[bool], seed: u64) -> Result<Vec<f64>, Error> {
    same_length("classes", class.len(), signal.len())?;
    same_length("members", member.len(), signal.len())?;
    finite(signal)?;
    let fold = deal(member, seed)?;
    let sorted = |part: usize, of: Option<usize>| {
        let is = |u: &usize| !member[*u] && fold[*u] != part && of.is_none_or(|c| class[*u] == c);
        let mut found: Vec<f64> = (0..signal.len()).filter(is).map(|u| signal[u]).collect();
        found.sort_by(f64::total_cmp);
        found
    };
    let classes = class.iter().max().map_or(0, |c| c + 1);
    let tables: Vec<(Vec<f64>, Vec<Vec<f64>>)> =
        (0..crate::folds::FOLDS).map(|p| (sorted(p, None), (0..classes).map(|c| sorted(p, Some(c))).collect())).collect();
    let of = |u: usize| {
        let (all, by_class) = &tables[fold[u]];
        let own = &by_class[class[u]];
        let among = if own.len() < LEAST_OF_A_CLASS { all } else { own };
        let (below, up_to) = (among.partition_point(|s| *s < signal[u]), among.partition_point(|s| *s <= signal[u]));
        // As if half of one more record were on each side: never 0 or 1.
        (0.5 * (below + up_to) as f64 + 0.5) / (among.len() as f64 + 1.0)
    };
    Ok((0..signal.len()).map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, auc};
    use rand::RngExt;

    /// Slow: count for each unit.
    #[test]
    fn equals_counting() {
        let mut rng = testing::rng(70);
        let n = 400;
        let member: Vec<bool> = (0..n).map(|_| rng.random()).collect();
        let class: Vec<usize> = (0..n).map(|_| rng.random_range(0..3)).collect();
        let signal: Vec<f64> = (0..n).map(|_| f64::from(rng.random_range(0..40_u8))).collect();
        let found = quantile(&signal, &class, &member, 5).unwrap();
        let fold = deal(&member, 5).unwrap();
        for u in 0..n {
            let (mut below, mut all) = (0.5, 1.0);
            for v in (0..n).filter(|&v| !member[v] && fold[v] != fold[u] && class[v] == class[u]) {
                all += 1.0;
                below += if signal[v] < signal[u] {
                    1.0
                } else if signal[v] == signal[u] {
                    0.5
                } else {
                    0.0
                };
            }
            assert!((found[u] - below / all).abs() < 1e-12);
        }
    }

    /// Classes of different difficulty hide what a threshold of their own finds.
    #[test]
    fn a_threshold_for_each_class_finds_more() {
        let mut rng = testing::rng(71);
        let n = 3000;
        let member: Vec<bool> = (0..n).map(|u| u % 2 == 0).collect();
        let class: Vec<usize> = (0..n).map(|u| u / 2 % 4).collect();
        let signal: Vec<f64> = (0..n).map(|u| 5.0 * class[u] as f64 + f64::from(u8::from(member[u])) + testing::normal(&mut rng)).collect();
        let (one, own) = (quantile(&signal, &vec![0; n], &member, 1).unwrap(), quantile(&signal, &class, &member, 1).unwrap());
        // Φ(1/√2) = .760 within a class; across classes three of four pairs are told apart by the class alone, half of them rightly.
        assert!((auc(&own, &member) - 0.760).abs() < 0.03, "{}", auc(&own, &member));
        assert!(auc(&one, &member) < 0.6, "{}", auc(&one, &member));
    }

    /// With nothing to find the decision at 1 − α keeps about α: 200 seeds of 300 non-members, α = .1. The share over all 60,000 has standard
    /// deviation .0012 if independent; the references of a fold move it together by about .019 a seed and fold, .0006 over all 1,000. Ten of
    /// both together are .013.
    #[test]
    fn the_threshold_keeps_its_level() {
        let mut called = 0;
        for seed in 0..200 {
            let mut rng = testing::rng(1000 + seed);
            let n = 600;
            let member: Vec<bool> = (0..n).map(|u| u % 2 == 0).collect();
            let signal: Vec<f64> = (0..n).map(|_| testing::normal(&mut rng)).collect();
            let found = quantile(&signal, &vec![0; n], &member, seed).unwrap();
            called += found.iter().zip(&member).filter(|(q, m)| **q >= 0.9 && !**m).count();
        }
        assert!((called as f64 / 60_000.0 - 0.1).abs() < 0.013, "{called}");
    }
}
