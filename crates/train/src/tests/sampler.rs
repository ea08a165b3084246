//! The sampler is the one the accountant assumes: each unit on its own, at the declared rate, at every step (pitfall 16).

use super::*;

/// Each comparison fails by chance with probability below 2e-9; there are about 230.
const ALPHA: f64 = 1e-9;

fn schedule(count: usize, rate: f64, steps: u64) -> Vec<Vec<bool>> {
    let units = vec![vec![(vec![0.0], 0)]; count];
    let rows = rows(&units, 2, 1);
    let plan = Plan { sample_rate: SamplingRate::new(rate).unwrap(), ..plan() }.privacy();
    (0..steps)
        .map(|step| {
            let mut drawn = vec![false; count];
            for unit in plan.sample(step, rows.units().len(), &key(), &binding()) {
                drawn[unit] = true;
            }
            drawn
        })
        .collect()
}

#[test]
fn pitfall_16_units_are_drawn_at_the_declared_rate() {
    for rate in [0.01, 0.1, 0.5] {
        let drawn = schedule(50, rate, 1000);
        for unit in 0..50 {
            check_binomial(drawn.iter().filter(|d| d[unit]).count() as u64, 1000, rate, ALPHA);
        }
        let all = drawn.iter().flatten().filter(|d| **d).count() as u64;
        check_binomial(all, 50_000, rate, ALPHA);
    }
}

/// Disjoint pairs, so that the counts are exactly binomial: a unit in two steps, two units in one step.
#[test]
pub(super) fn pitfall_16_units_and_steps_are_independent() {
    let drawn = schedule(100, 0.3, 1000);
    let steps = drawn.chunks(2).flat_map(|two| two[0].iter().zip(&two[1])).filter(|(a, b)| **a && **b).count();
    check_binomial(steps as u64, 50_000, 0.09, ALPHA);
    let units = drawn.iter().flat_map(|d| d.chunks(2)).filter(|two| two[0] && two[1]).count();
    check_binomial(units as u64, 50_000, 0.09, ALPHA);
    // Sizes vary as a binomial's do: a sampler of fixed size would show none. Var of the sample variance ≈ 2σ⁴/n: 7 deviations, alpha 3e-12.
    let sizes: Vec<f64> = drawn.iter().map(|d| d.iter().filter(|x| **x).count() as f64).collect();
    let variance = sizes.iter().map(|s| (s - 30.0).powi(2)).sum::<f64>() / 1000.0;
    assert!((variance / 21.0 - 1.0).abs() < 7.0 * (2.0_f64 / 1000.0).sqrt(), "{variance}");
}

#[test]
fn rates_at_the_ends_are_exact() {
    assert!(schedule(40, 1.0, 20).iter().flatten().all(|d| *d));
    assert!(!schedule(40, f64::MIN_POSITIVE, 20).iter().flatten().any(|d| *d));
}
