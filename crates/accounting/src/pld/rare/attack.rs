//! The best attack on a run of rare losses.

use std::cell::RefCell;

use realfft::RealFftPlanner;

use super::{Bulk, Question, RATIO, Run, fineness};
use crate::event::SubsampledGaussian;

/// Epsilons at which delta is bounded: this part of the usual losses' deviation apart, up to so many deviations,
const APART: f64 = 0.1;
const DEVIATIONS: f64 = 8.0;

/// and beyond this part of themselves.
const GROWTH: f64 = 0.02;

/// Errors are below this part of the smallest false-positive rate.
const NEGLIGIBLE: f64 = 1e-3;

/// Upper bounds on the true-positive rates at `fpr`, where the positives have the record and where they have not: the smallest
/// e^epsilon fpr + delta and 1 - e^-epsilon (1 - fpr - delta) over some epsilons, delta being that of removing. `None` where this is
/// no way to find them.
pub(crate) fn true_positives(part: &SubsampledGaussian, fpr: &[f64], planner: &RefCell<RealFftPlanner<f64>>) -> Option<Vec<[f64; 2]>> {
    let smallest = fpr.iter().copied().filter(|&f| f > 1e-30).fold(f64::INFINITY, f64::min);
    if smallest > 1.0 {
        return None;
    }
    let deviation = Bulk::new(part).deviation;
    // No rate exceeds 1, so that no larger epsilon is of use.
    let at_most = -smallest.ln() + deviation;
    let mut probes = vec![0.0];
    let mut at = 0.0;
    while at < at_most {
        at += if at < DEVIATIONS * deviation { APART * deviation } else { GROWTH * at };
        probes.push(at);
    }
    let fine = Question { part, delta: NEGLIGIBLE * smallest, at_most, fineness: 3.0 * fineness(part.count), ratio: 0.3 * RATIO };
    let coarse = Question { fineness: fineness(part.count), ratio: RATIO, ..fine };
    let run = Run::new(&fine, true, &probes, planner).or_else(|| Run::new(&coarse, true, &probes, planner))?;
    let deltas: Vec<(f64, f64)> = probes.iter().zip(&run.sums).map(|(&epsilon, &sum)| (epsilon, run.charge(sum).min(1.0))).collect();
    let best = |of: &dyn Fn(f64, f64) -> f64| deltas.iter().map(|&(epsilon, delta)| of(epsilon, delta)).fold(1.0, f64::min);
    let rates = |&f: &f64| {
        let with = best(&|epsilon, delta| epsilon.exp() * f + delta);
        let without = best(&|epsilon, delta| 1.0 - (-epsilon).exp() * (1.0 - f - delta));
        // Guessing at random reaches the false-positive rate itself.
        [with.max(f), without.max(f)]
    };
    Some(fpr.iter().map(rates).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pld::{delta, trade_off};
    use crate::{Epsilon, Event, NoiseMultiplier, SamplingRate};

    /// The rates are those of the bounds on delta, at the epsilon where that is the least.
    #[test]
    fn rates_are_those_of_delta() {
        for (q, sigma, count, rates) in [(1e-4, 0.5, 10_000, [1e-6, 1e-3]), (1e-5, 0.8, 10_000, [1e-6, 0.1])] {
            let run = Event::dp_sgd(NoiseMultiplier::new(sigma).unwrap(), SamplingRate::new(q).unwrap(), count);
            let part = SubsampledGaussian { q, sigma, count };
            let planner = RefCell::new(RealFftPlanner::new());
            let alone = true_positives(&part, &rates, &planner).unwrap();
            let found = trade_off(&run, &rates).unwrap();
            for ((f, found), [with, _]) in rates.into_iter().zip(found).zip(alone) {
                let at = |log_epsilon: f64| {
                    let epsilon = log_epsilon.exp();
                    let delta = delta(&run, Epsilon::new(epsilon).unwrap()).unwrap();
                    (epsilon.exp() * f + delta.lower, epsilon.exp() * f + delta.upper)
                };
                // Convex in e^epsilon, and so with one minimum: by the golden section.
                let (mut low, mut high) = (1e-4_f64.ln(), 15_f64.ln());
                let (mut left, mut right) = (low + 0.382 * (high - low), low + 0.618 * (high - low));
                let (mut at_left, mut at_right) = (at(left), at(right));
                for _ in 0..14 {
                    if at_left.0 < at_right.0 {
                        (high, right, at_right) = (right, left, at_left);
                        left = low + 0.382 * (high - low);
                        at_left = at(left);
                    } else {
                        (low, left, at_left) = (left, right, at_right);
                        right = low + 0.618 * (high - low);
                        at_right = at(right);
                    }
                }
                let least = if at_left.0 < at_right.0 { at_left } else { at_right };
                assert!(found <= least.1 * 1.002 && found >= least.0 * 0.998, "{run} {f}: {found} {least:?}");
                assert!(with <= least.1 * 1.002 && with >= least.0 * 0.998, "{run} {f}: {with} {least:?}");
                // Who calls the other data set positive has the same test, with its errors exchanged.
                let [_, without] = true_positives(&part, &[1.0 - with, f], &planner).unwrap()[0];
                assert!((1.0 - without - f).abs() < 2e-3 * f, "{run} {f}: {without}");
            }
        }
    }

    /// A rate of 0 or 1 is not in the way, and without one there is nothing to ask.
    #[test]
    fn rates_at_the_ends() {
        let run = Event::dp_sgd(NoiseMultiplier::new(0.8).unwrap(), SamplingRate::new(1e-5).unwrap(), 10_000);
        let found = trade_off(&run, &[0.0, 0.01, 1.0]).unwrap();
        assert!(found[0] < 1e-6 && (found[1] - 0.010_055).abs() < 1e-5 && found[2] == 1.0, "{found:?}");
        assert_eq!(trade_off(&run, &[]).unwrap(), [0.0; 0]);
    }
}
