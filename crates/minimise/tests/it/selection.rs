//! The greedy path beside all subsets, its ties, and what it refuses.

use proptest::prelude::*;
use reticent_minimise::Error;
use reticent_minimise::select::{Reason, leakage, leave_one_out, select};

/// Utility as a table over subsets: bit `c` of the index says whether column `c` is kept.
fn looked_up(table: &[f64]) -> impl FnMut(&[usize]) -> Result<f64, Error> + '_ {
    |kept| Ok(table[kept.iter().map(|c| 1 << c).sum::<usize>()])
}

proptest! {
    /// Where columns add up, greedy elimination finds the best subset of each size, which all subsets confirm.
    #[test]
    fn additive_utility_gives_the_best_subset_of_each_size(worth in prop::collection::vec(0_u8..6, 2..7)) {
        let n = worth.len();
        let table: Vec<f64> = (0..1_usize << n).map(|s| (0..n).filter(|c| s >> c & 1 == 1).map(|c| f64::from(worth[c])).sum()).collect();
        let chosen = select(n, 1.0, &mut looked_up(&table)).unwrap();
        for step in &chosen.path {
            let best = (0..1_usize << n).filter(|s| s.count_ones() as usize == step.kept.len()).map(|s| table[s]).fold(0.0, f64::max);
            prop_assert_eq!(step.utility, best);
        }
        prop_assert_eq!(chosen.evaluations, n * (n + 1) / 2);
        prop_assert!(chosen.full - chosen.suggested <= 1.0);
    }

    /// Any utility: the path drops one column a step, always the cheapest and first, and the suggestion keeps its word.
    #[test]
    fn each_step_is_the_cheapest(values in prop::collection::vec(0_u8..4, 16)) {
        let table: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
        let chosen = select(4, 0.5, &mut looked_up(&table)).unwrap();
        let mut kept = vec![0, 1, 2, 3];
        for step in &chosen.path {
            let cost = |c: usize| table[kept.iter().filter(|k| **k != c).map(|c| 1 << c).sum::<usize>()];
            let best = kept.iter().copied().rev().max_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap();
            prop_assert_eq!(step.dropped, best);
            kept.retain(|c| *c != best);
            prop_assert_eq!(&step.kept, &kept);
        }
        let bits: usize = chosen.kept().iter().map(|c| 1 << c).sum();
        prop_assert_eq!(table[bits], chosen.suggested);
        prop_assert!(chosen.full - chosen.suggested <= 0.5);
        prop_assert_eq!(chosen.ranking.len(), 4);
    }
}

#[test]
fn reasons_are_told_apart() {
    // Column 2 is noise, 1 repeats 0.
    let mut auc = |kept: &[usize]| -> Result<f64, Error> { Ok(if kept.contains(&0) || kept.contains(&1) { 0.8 } else { 0.5 }) };
    let chosen = select(3, 0.0, &mut auc).unwrap();
    assert_eq!(chosen.costs.iter().map(|c| c.column).collect::<Vec<_>>(), [0, 1, 2], "ties in the order of the columns");
    assert_eq!(chosen.ranking[0].reason, Reason::WithinTolerance { loss: 0.0 });
    assert_eq!(chosen.kept(), [1], "0 goes, then 2; without 1 nothing is left");
    assert_eq!(chosen.ranking[2].reason, Reason::Last);
}

#[test]
fn proxies_are_ranked() {
    let mut predict =
        |kept: &[usize]| -> Result<f64, Error> { Ok(0.5 + 0.1 * kept.len() as f64 + if kept.contains(&3) { 0.1 } else { 0.0 }) };
    let leak = leakage(1, &[3, 0, 1, 3], &mut predict).unwrap();
    assert!((leak.together - 0.8).abs() < 1e-12);
    assert_eq!(leak.alone, [(3, 0.7), (0, 0.6)]);
    assert_eq!(leakage(1, &[1], &mut predict).unwrap_err(), Error::Columns { columns: 0 });
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut constant = |_: &[usize]| -> Result<f64, Error> { Ok(0.5) };
    assert_eq!(leave_one_out(1, &mut constant).unwrap_err(), Error::Columns { columns: 1 });
    for tolerance in [-0.1, f64::INFINITY, f64::NAN] {
        assert!(matches!(select(3, tolerance, &mut constant), Err(Error::Tolerance(_))));
    }
    let mut broken = |kept: &[usize]| -> Result<f64, Error> { Ok(if kept.contains(&1) { 0.5 } else { f64::NAN }) };
    assert_eq!(select(3, 0.0, &mut broken).unwrap_err(), Error::Utility { dropped: vec![1] });
}
