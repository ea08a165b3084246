//! What must hold whatever the numbers: order, domination, refusals by name.

use std::num::{NonZeroU32, NonZeroU64};

use proptest::prelude::*;
use reticent_accounting::calibrate::{self, Accountant};
use reticent_accounting::{Error, Event, Neighbours, SamplingRate, gaussian, neighbours, pld, rdp};

use crate::{delta, dp_sgd, epsilon, gaussian as noise, sigma};

/// Log-uniform over a range.
fn log_uniform(low: f64, high: f64) -> impl Strategy<Value = f64> {
    (low.ln()..high.ln()).prop_map(f64::exp)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn intervals_are_ordered_and_below_renyi(
        q in log_uniform(1e-4, 1.0), noise in log_uniform(0.5, 10.0), steps in log_uniform(1.0, 2e4), at in log_uniform(1e-9, 1e-3),
    ) {
        let run = dp_sgd(q, noise, steps as u64);
        let found = pld::epsilon(&run, delta(at)).unwrap();
        prop_assert!(found.lower <= found.upper);
        let renyi = rdp::epsilon(&run, delta(at)).unwrap().epsilon;
        prop_assert!(found.upper.get() <= renyi.get() + 1e-6, "{found} {renyi}");
    }

    #[test]
    fn epsilon_is_monotone(
        q in log_uniform(1e-3, 0.5), noise in log_uniform(0.6, 8.0), steps in log_uniform(1.0, 5e3), factor in 1.02_f64..2.0,
    ) {
        let at = 1e-5;
        let steps = steps as u64 + 1;
        let base = (dp_sgd(q, noise, steps), at);
        for (worse, what) in [
            ((dp_sgd(q, noise, (steps as f64 * factor) as u64 + 1), at), "steps"),
            ((dp_sgd(q * factor, noise, steps), at), "rate"),
            ((dp_sgd(q, noise / factor, steps), at), "noise"),
            ((dp_sgd(q, noise, steps), at / factor), "delta"),
        ] {
            let (low, high) = (pld::epsilon(&base.0, delta(base.1)).unwrap(), pld::epsilon(&worse.0, delta(worse.1)).unwrap());
            // The exact values are monotone, so the better run's lower end cannot pass the worse run's upper end.
            prop_assert!(low.lower.get() <= high.upper.get(), "{what}: {low} {high}");
            prop_assert!(low.upper.get() <= high.upper.get() * (1.0 + 1e-4) + 2e-6, "{what}: {low} {high}");
            let (low, high) = (rdp::epsilon(&base.0, delta(base.1)).unwrap(), rdp::epsilon(&worse.0, delta(worse.1)).unwrap());
            prop_assert!(low.epsilon.get() <= high.epsilon.get() + 1e-9, "{what} (Renyi): {low:?} {high:?}");
        }
    }

    /// A replacement is a removal and an addition; without sampling it moves twice as far.
    #[test]
    fn adding_costs_no_more_than_replacing(
        q in log_uniform(1e-2, 1.0), noise in log_uniform(0.8, 8.0), steps in log_uniform(1.0, 300.0), at in log_uniform(1e-9, 1e-3),
    ) {
        let added = dp_sgd(q, noise, steps as u64);
        let replaced = neighbours::under(&added, Neighbours::ReplaceOne).unwrap();
        let (low, high) = (pld::epsilon(&added, delta(at)).unwrap(), pld::epsilon(&replaced, delta(at)).unwrap());
        prop_assert!(low.lower <= high.upper, "{added}: {low} {high}");
        let (low, high) = (rdp::epsilon(&added, delta(at)).unwrap().epsilon, rdp::epsilon(&replaced, delta(at)).unwrap().epsilon);
        prop_assert!(low.get() <= high.get() + 1e-9, "{added} (Renyi): {low} {high}");
    }

    #[test]
    fn gaussians_contain_the_exact_epsilon(
        noise_multiplier in log_uniform(0.3, 50.0), count in 1_u64..1_000, at in log_uniform(1e-60, 0.1),
    ) {
        let event = noise(noise_multiplier).times(count);
        let exact = gaussian::epsilon(&event, delta(at)).unwrap().get();
        let found = pld::epsilon(&event, delta(at)).unwrap();
        prop_assert!(found.lower.get() <= exact * (1.0 + 1e-12) && exact * (1.0 - 1e-12) <= found.upper.get(), "{found} {exact}");
        prop_assert!(found.width() <= (1e-3 * exact).max(1e-6), "{found}");
    }

    #[test]
    fn delta_and_epsilon_are_inverse(q in log_uniform(1e-3, 1.0), noise in log_uniform(0.6, 5.0), steps in 1_u64..2_000) {
        let run = dp_sgd(q, noise, steps);
        let found = pld::epsilon(&run, delta(1e-5)).unwrap();
        prop_assume!(found.upper.get() > 1e-3);
        let back = pld::delta(&run, found.upper).unwrap();
        prop_assert!(back.lower <= 1e-5 && back.upper <= 1.1e-5, "{back:?}");
        prop_assert!(pld::delta(&run, found.lower).unwrap().upper >= 1e-5);
        prop_assert!(rdp::delta(&run, found.upper).unwrap() >= back.lower);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn calibration_never_overshoots(q in log_uniform(1e-3, 0.2), steps in 10_u64..3_000, target in log_uniform(0.3, 10.0)) {
        let tolerance = 1e-3;
        let run = |noise| Event::dp_sgd(noise, SamplingRate::new(q).unwrap(), steps);
        for accountant in [Accountant::Pld, Accountant::Rdp] {
            let found = calibrate::noise_multiplier(epsilon(target), delta(1e-5), tolerance, accountant, run).unwrap();
            let at = |noise: f64| accountant.epsilon(&run(sigma(noise)), delta(1e-5)).unwrap().get();
            prop_assert!(at(found.get()) <= target);
            prop_assert!(target < at(found.get() - tolerance));
            let rate = SamplingRate::new(q).unwrap();
            let of = |count: u64| Event::dp_sgd(found, rate, count);
            let most = calibrate::steps(epsilon(target), delta(1e-5), accountant, of).unwrap();
            prop_assert!(most >= steps);
            prop_assert!(accountant.epsilon(&of(most), delta(1e-5)).unwrap().get() <= target);
            prop_assert!(accountant.epsilon(&of(most + 1), delta(1e-5)).unwrap().get() > target);
            let at_rate = |rate| Event::dp_sgd(found, rate, steps);
            let highest = calibrate::sampling_rate(epsilon(target), delta(1e-5), tolerance, accountant, at_rate).unwrap();
            prop_assert!(highest.get() >= q * (1.0 - tolerance));
            prop_assert!(accountant.epsilon(&at_rate(highest), delta(1e-5)).unwrap().get() <= target);
            let more = SamplingRate::new((highest.get() * (1.0 + tolerance)).min(1.0)).unwrap();
            prop_assert!(highest.get() == 1.0 || accountant.epsilon(&at_rate(more), delta(1e-5)).unwrap().get() > target);
        }
    }
}

proptest! {
    // Several events each.
    #![proptest_config(ProptestConfig { cases: 2, failure_persistence: None, ..ProptestConfig::default() })]

    /// The same for all other events that have both relations; zeroing out is adding or removing there.
    #[test]
    fn more_may_move_at_more_cost(
        moves in log_uniform(0.5, 5.0), count in 1_u64..40, at in log_uniform(1e-8, 1e-3), answers in 2_u32..6, q in log_uniform(0.01, 0.9),
    ) {
        let scale = sigma(moves);
        let events = [
            noise(moves).times(count),
            Event::Laplace { scale }.times(count),
            Event::DiscreteLaplace { scale }.times(count),
            Event::DiscreteGaussian { noise_multiplier: scale, sensitivity: NonZeroU32::new(2).unwrap() },
            Event::TreeAggregation { noise_multiplier: scale, steps: NonZeroU64::new(count).unwrap() },
            Event::RandomisedResponse { epsilon: epsilon(1.0 / moves), answers: NonZeroU32::new(answers).unwrap() }.times(count),
            Event::Composed { events: vec![dp_sgd(q, moves, count), Event::Laplace { scale }] },
        ];
        for added in events {
            let replaced = neighbours::under(&added, Neighbours::ReplaceOne).unwrap();
            let (low, high) = (pld::epsilon(&added, delta(at)).unwrap(), pld::epsilon(&replaced, delta(at)).unwrap());
            prop_assert!(low.lower <= high.upper, "{added}: {low} {high}");
            let zeroed = neighbours::under(&added, Neighbours::ZeroOut).unwrap();
            prop_assert_eq!(pld::epsilon(&zeroed, delta(at)).unwrap(), low);
            let (low, high) = (rdp::epsilon(&added, delta(at)).unwrap().epsilon, rdp::epsilon(&replaced, delta(at)).unwrap().epsilon);
            prop_assert!(low.get() <= high.get() * (1.0 + 1e-9) + 1e-9, "{added} (Renyi): {low} {high}");
        }
    }

    /// However a composition is bracketed or ordered, its epsilon is the same.
    #[test]
    fn composition_is_associative(
        q in log_uniform(0.01, 0.5), moves in log_uniform(0.8, 4.0), counts in (1_u64..30, 1_u64..30, 1_u64..30), at in log_uniform(1e-8, 1e-3),
    ) {
        let (a, b, c) =
            (dp_sgd(q, moves, counts.0), Event::Laplace { scale: sigma(3.0 * moves) }.times(counts.1), noise(2.0 * moves).times(counts.2));
        let of = |events: Vec<Event>| Event::Composed { events };
        let ways = [
            of(vec![of(vec![a.clone(), b.clone()]), c.clone()]),
            of(vec![a.clone(), of(vec![b.clone(), c.clone()])]),
            of(vec![c.clone(), a.clone(), b.clone()]),
        ];
        let found = ways.each_ref().map(|way| pld::epsilon(way, delta(at)).unwrap());
        let renyi = ways.each_ref().map(|way| rdp::epsilon(way, delta(at)).unwrap().epsilon.get());
        for i in [1, 2] {
            prop_assert!((found[i].upper.get() - found[0].upper.get()).abs() <= 1e-9 * found[0].upper.get(), "{}: {} {}", ways[i], found[i], found[0]);
            prop_assert!((found[i].lower.get() - found[0].lower.get()).abs() <= 1e-9 * found[0].upper.get(), "{}: {} {}", ways[i], found[i], found[0]);
            prop_assert!((renyi[i] - renyi[0]).abs() <= 1e-9 * renyi[0], "{}: {renyi:?}", ways[i]);
        }
        // As often, twice: once more at the outside or at the inside.
        let (outside, inside) = (ways[0].clone().times(2), of(vec![a.times(2), b.times(2), c.times(2)]));
        let (outside, inside) = (pld::epsilon(&outside, delta(at)).unwrap(), pld::epsilon(&inside, delta(at)).unwrap());
        prop_assert!((outside.upper.get() - inside.upper.get()).abs() <= 1e-9 * inside.upper.get(), "{outside} {inside}");
        prop_assert!(outside.upper > found[0].lower);
    }

    /// Several records together cost at least what one does; with noise on all of them, exactly the Gaussian's of k times the move.
    #[test]
    fn groups_cost_at_least_one(q in log_uniform(0.01, 0.9), moves in log_uniform(0.8, 8.0), count in 1_u64..20, k in 2_u32..5) {
        let at = delta(1e-6);
        let several = NonZeroU32::new(k).unwrap();
        let plain = noise(moves).times(count);
        let group = neighbours::for_group(&plain, several).unwrap();
        let exact = gaussian::epsilon(&noise(moves / f64::from(k)).times(count), at).unwrap().get();
        let found = pld::epsilon(&group, at).unwrap();
        prop_assert!(found.lower.get() <= exact * (1.0 + 1e-12) && exact * (1.0 - 1e-12) <= found.upper.get(), "{group}: {found} {exact}");
        let sampled = dp_sgd(q, moves, count);
        for one in [plain, sampled.clone(), Event::Laplace { scale: sigma(moves) }.times(count)] {
            let group = neighbours::for_group(&one, several).unwrap();
            let (low, high) = (pld::epsilon(&one, at).unwrap(), pld::epsilon(&group, at).unwrap());
            prop_assert!(low.lower <= high.upper, "{one}: {low} {high}");
        }
        // Sampling helps a group too: no more than all of its records in every batch.
        let (group, whole) = (pld::epsilon(&neighbours::for_group(&sampled, several).unwrap(), at).unwrap(), exact);
        prop_assert!(group.lower.get() <= whole * (1.0 + 1e-9), "{sampled}: {group} {whole}");
    }

    /// Of f-differential privacy: 1 - TPR as a function of FPR falls, lies at or below 1 - FPR, and, as both directions count, is its own
    /// mirror image. Each direction's is convex, but the lower of two need not be: without sampling both are the same. The curve is a
    /// bound from a grid, and mirrored to within that.
    #[test]
    fn trade_off_curves_fall_and_are_symmetric(q in log_uniform(0.01, 1.0), moves in log_uniform(0.7, 5.0), steps in 1_u64..100) {
        let rates: Vec<f64> = (0..=20).map(|i| f64::from(i) / 20.0).collect();
        let curve = |run: &Event, rates: &[f64]| -> Vec<f64> { pld::trade_off(run, rates).unwrap().iter().map(|rate| 1.0 - rate).collect() };
        let run = dp_sgd(q, moves, steps);
        let missed = curve(&run, &rates);
        for (i, &beta) in missed.iter().enumerate() {
            prop_assert!(beta <= 1.0 - rates[i] + 1e-12 && beta >= -1e-12, "{run}: {beta} at {}", rates[i]);
            prop_assert!(i == 0 || beta <= missed[i - 1], "{run}: {missed:?}");
        }
        for (i, &back) in curve(&run, &missed).iter().enumerate() {
            prop_assert!(missed[i] < 1e-3 || (back - rates[i]).abs() <= 1e-3, "{run}: {} {} {back}", rates[i], missed[i]);
        }
        for three in curve(&noise(moves).times(steps), &rates).windows(3) {
            prop_assert!(three[1] <= 0.5 * (three[0] + three[2]) + 1e-6, "{moves} {steps}: {three:?}");
        }
    }
}

/// One step has a closed form (Balle, Barthe & Gaboardi 2018; the hockey-stick divergence of the mixture):
/// removing, x* = sigma^2 ln((e^eps - 1 + q)/q) + 1/2, delta = (1-q) T(x*) + q T(x*-1) - e^eps T(x*), T the tail of
/// the noise; adding, the same with eps negated and the roles changed, 0 from -ln(1-q) on.
#[test]
fn one_step_has_a_closed_form() {
    let tail = |x: f64, sigma: f64| 0.5 * libm::erfc(x / sigma / std::f64::consts::SQRT_2);
    for (q, noise) in [(1e-3, 0.5), (0.01, 1.0), (0.3, 0.7), (0.3, 5.0), (0.999, 2.0)] {
        for at in [0.0_f64, 1e-3, 0.02, 0.2, 1.0, 3.0] {
            let cut = noise * noise * ((at.exp_m1() + q) / q).ln() + 0.5;
            let remove = (1.0 - q) * tail(cut, noise) + q * tail(cut - 1.0, noise) - at.exp() * tail(cut, noise);
            let add = if at < -f64::ln_1p(-q) {
                let cut = noise * noise * (((-at).exp_m1() + q) / q).ln() + 0.5;
                tail(-cut, noise) - at.exp() * ((1.0 - q) * tail(-cut, noise) + q * tail(1.0 - cut, noise))
            } else {
                0.0
            };
            let exact = remove.max(add);
            if exact < 1e-12 {
                continue; // the closed form cancels
            }
            let found = pld::delta(&dp_sgd(q, noise, 1), epsilon(at)).unwrap();
            let slack = 1e-15 + 1e-9 * exact;
            assert!(
                found.lower <= exact + slack && exact <= found.upper + slack,
                "q {q} sigma {noise} epsilon {at}: {found:?} misses {exact}"
            );
            assert!(found.upper - found.lower <= 1.1e-3 * exact, "q {q} sigma {noise} epsilon {at}: {found:?}");
        }
    }
}

/// A composition of different runs costs at least each and at most their sum, and order does not matter.
#[test]
fn different_runs_compose() {
    let (first, second) = (dp_sgd(0.01, 1.0, 500), dp_sgd(0.02, 2.0, 300));
    let at = delta(1e-5);
    let of = |event: &Event| pld::epsilon(event, at).unwrap();
    let both = of(&Event::Composed { events: vec![first.clone(), second.clone()] });
    let swapped = of(&Event::Composed { events: vec![second.clone(), first.clone()] });
    assert!((both.upper.get() - swapped.upper.get()).abs() < 1e-9);
    assert!(both.upper > of(&first).lower && both.upper > of(&second).lower);
    let halved = |event: &Event| pld::epsilon(event, delta(5e-6)).unwrap().upper.get();
    assert!(both.lower.get() < halved(&first) + halved(&second));
    let renyi = rdp::epsilon(&Event::Composed { events: vec![first, second] }, at).unwrap();
    assert!(both.upper < renyi.epsilon);
    // The same run in two parts, told apart by a rounding error in sigma, is the same run.
    let split = Event::Composed { events: vec![dp_sgd(0.01, 1.0, 250), dp_sgd(0.01, 1.0 + 1e-13, 250)] };
    let (split, whole) = (of(&split), of(&dp_sgd(0.01, 1.0, 500)));
    assert!((split.upper.get() - whole.upper.get()).abs() < 1e-4 * whole.upper.get(), "{split} {whole}");
}

#[test]
fn nothing_costs_nothing() {
    let at = delta(1e-5);
    for event in [Event::None, Event::Composed { events: vec![] }, dp_sgd(0.1, 1.0, 0)] {
        assert_eq!(pld::epsilon(&event, at).unwrap().upper.get(), 0.0);
        assert_eq!(rdp::epsilon(&event, at).unwrap().epsilon.get(), 0.0);
        assert_eq!(gaussian::epsilon(&event, at).unwrap().get(), 0.0);
        assert_eq!(pld::delta(&event, epsilon(0.0)).unwrap().upper, 0.0);
        assert_eq!(pld::trade_off(&event, &[0.3]).unwrap(), [0.3]);
    }
}

/// Every corner of the stated range gives a number or a named error, and the number is sane.
#[test]
fn corners_neither_panic_nor_lie() {
    for q in [1e-5, 0.5, 0.999_999, 1.0] {
        for noise in [0.3, 20.0] {
            for steps in [1, 1_000_000] {
                for at in [1e-12, 1e-2] {
                    let run = dp_sgd(q, noise, steps);
                    let renyi = rdp::epsilon(&run, delta(at)).unwrap().epsilon.get();
                    match pld::epsilon(&run, delta(at)) {
                        Ok(found) => {
                            assert!(found.lower <= found.upper, "{run} at {at}: {found}");
                            assert!(found.upper.get() <= renyi * (1.0 + 1e-5) + 1e-6, "{run} at {at}: {found} {renyi}");
                        }
                        Err(Error::GridTooLarge { .. } | Error::RoundOff { .. }) => {}
                        Err(other) => panic!("{run} at {at}: {other}"),
                    }
                }
            }
        }
    }
}

#[test]
fn refusals_are_named() {
    let run = dp_sgd(0.01, 1.0, 10);
    assert!(matches!(pld::epsilon(&run, delta(0.0)), Err(Error::DeltaTooSmall { .. })));
    assert!(matches!(rdp::epsilon(&run, delta(0.0)), Err(Error::DeltaTooSmall { .. })));
    assert!(matches!(gaussian::epsilon(&noise(1.0), delta(0.0)), Err(Error::DeltaTooSmall { .. })));
    assert!(matches!(gaussian::epsilon(&run, delta(1e-5)), Err(Error::UnsupportedEvent { .. })));
    assert!(matches!(pld::trade_off(&run, &[1.5]), Err(Error::OutOfRange { .. })));
    let sampled = Event::PoissonSampled {
        sampling_rate: SamplingRate::new(0.1).unwrap(),
        event: Box::new(Event::Composed { events: vec![noise(1.0), noise(2.0)] }),
    };
    for refused in [pld::epsilon(&sampled, delta(1e-5)).unwrap_err(), rdp::epsilon(&sampled, delta(1e-5)).unwrap_err()] {
        assert!(matches!(refused, Error::UnsupportedEvent { .. }), "{refused}");
    }
    assert!(matches!(pld::epsilon(&noise(1e-200), delta(1e-5)), Err(Error::Unrepresentable { .. })));
    assert!(matches!(rdp::epsilon(&noise(1e-200), delta(1e-5)), Err(Error::Unrepresentable { .. })));
}

/// For a Gaussian the best attack is known: TPR = Phi(Phi^-1(FPR) + mu).
#[test]
fn trade_off_of_a_gaussian_is_exact() {
    // Phi^-1(0.001) = -3.0902323, Phi^-1(0.1) = -1.2815516.
    let bounds = pld::trade_off(&noise(1.0), &[0.0, 0.001, 0.1, 0.5, 1.0]).unwrap();
    for (bound, exact) in bounds.iter().zip([0.0, 0.018_298, 0.389_143, 0.841_344, 1.0]) {
        assert!(*bound >= exact && *bound <= exact + 2e-5, "{bounds:?}");
    }
    let rates = [1e-5, 1e-3, 0.01, 0.2, 0.9];
    let run = dp_sgd(0.01, 1.0, 1_000);
    let bounds = pld::trade_off(&run, &rates).unwrap();
    let limit = pld::epsilon(&run, delta(1e-5)).unwrap().lower.get();
    for (rate, bound) in rates.iter().zip(&bounds) {
        assert!(bound >= rate && *bound <= limit.exp() * rate + 1.01e-5, "{bounds:?}");
    }
}

/// One step has the trade-off of its likelihood-ratio test, a threshold on the output, in either orientation.
#[test]
fn trade_off_of_one_step_is_exact_in_both_orientations() {
    let tail = |x: f64, sigma: f64| 0.5 * libm::erfc(x / sigma / std::f64::consts::SQRT_2);
    for (q, noise) in [(0.05, 0.5), (0.3, 1.0), (0.9, 2.0)] {
        let mixture = |x: f64| (1.0 - q) * tail(x, noise) + q * tail(x - 1.0, noise);
        for at in [-2.0, -0.5, 0.0, 0.4, 1.0, 2.0].map(|z| z * noise) {
            let (with, without) = (mixture(at), tail(at, noise));
            for (false_positives, true_positives) in [(without, with), (1.0 - with, 1.0 - without)] {
                let bound = pld::trade_off(&dp_sgd(q, noise, 1), &[false_positives]).unwrap()[0];
                assert!(bound >= true_positives, "q {q} sigma {noise}: {bound} below {true_positives}");
            }
            // The bound is the larger of the two orientations at one rate, so it is met in one of them.
            let bound = pld::trade_off(&dp_sgd(q, noise, 1), &[without]).unwrap()[0];
            let other = {
                let (mut low, mut high) = (-40.0, 40.0);
                for _ in 0..200 {
                    let middle = 0.5 * (low + high);
                    if 1.0 - mixture(middle) < without { low = middle } else { high = middle }
                }
                1.0 - tail(low, noise)
            };
            assert!((bound - with.max(other)).abs() < 1e-4, "q {q} sigma {noise}: {bound} {with} {other}");
        }
    }
}

/// A contour through so few points of so wide a range once asked for 300 GB.
#[test]
fn little_noise_is_answered_or_refused() {
    for noise in [1e-300, 1e-9, 5e-4, 2e-3, 9e-3, 0.03, 0.1] {
        for (q, steps) in [(0.1, 10), (1e-4, 1), (0.9, 1_000)] {
            match pld::epsilon(&dp_sgd(q, noise, steps), delta(1e-5)) {
                Ok(found) => assert!(found.lower <= found.upper && found.upper.get() > 0.0, "noise {noise} q {q}: {found}"),
                Err(Error::GridTooLarge { .. } | Error::Unrepresentable { .. }) => {}
                Err(other) => panic!("noise {noise} q {q}: {other}"),
            }
        }
    }
}

/// At rates at which hardly anybody ever takes part epsilon is 0 where delta is at least the chance to, and a number above it.
#[test]
fn rates_near_zero_are_answered() {
    for (rate, noise, steps) in [(f64::MIN_POSITIVE, 0.1, 1000), (1e-300, 0.6, 1_000_000), (1e-12, 0.05, 1), (1e-12, 0.3, 1000)] {
        let event = dp_sgd(rate, noise, steps);
        let chance = rate * steps as f64;
        for at in [2.0 * chance, 1e-5] {
            if at >= f64::MIN_POSITIVE * 1e20 {
                let interval = pld::epsilon(&event, delta(at)).unwrap();
                assert_eq!((interval.lower.get(), interval.upper.get()), (0.0, 0.0), "{event} at {at:e}");
            }
        }
    }
    let rare = pld::epsilon(&dp_sgd(1e-12, 0.3, 1000), delta(1e-20)).unwrap();
    assert!(rare.lower.get() > 0.5 && rare.width() < 1e-3, "{rare}");
}
