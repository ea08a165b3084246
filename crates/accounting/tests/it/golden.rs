//! Published numbers, each with its source. Peers' bounds are one-sided: ours may be tighter, never looser.

use reticent_accounting::calibrate::{self, Accountant};
use reticent_accounting::{Event, Order, gaussian, pld, rdp};

use crate::{delta, dp_sgd, epsilon, gaussian as noise};

/// 1,344 divergences by TensorFlow Privacy (tests/golden/SOURCE.txt). Rate 0 releases nothing.
#[test]
fn renyi_divergences_match_tensorflow_privacy() {
    let table = include_str!("../golden/rdp_poisson_subsampled_gaussian.csv");
    let mut rows = 0;
    for line in table.lines().skip(1).filter(|line| !line.is_empty()) {
        let numbers: Vec<f64> = line.split(',').map(|cell| cell.trim().parse().unwrap()).collect();
        let [order, q, sigma, steps, expected] = numbers[..] else { panic!("{line}") };
        // The reference's logarithm of a moment near 1 errs by 1e-13 a step; the next test shows that ours does not.
        let noise = if expected == 0.0 { 0.0 } else { 1e-13 * steps / (order - 1.0) / expected };
        check_rdp(order, q, sigma, steps as u64, expected, 1e-10 + noise);
        rows += 1;
    }
    assert_eq!(rows, 1_344);
}

/// The defining integral by mpmath at 40 digits, at rows where TensorFlow Privacy is off by more than 1e-10.
#[test]
fn renyi_divergences_match_the_integral() {
    check_rdp(1.25, 0.01, 0.5, 1, 1.897773641905708e-3, 1e-12);
    check_rdp(1.25, 0.01, 1.0, 1, 1.053980050981762e-4, 1e-12);
    check_rdp(1.25, 0.01, 10.0, 1, 6.280881065687026e-7, 1e-12);
    check_rdp(2.25, 0.01, 1.0, 1, 1.945383384054606e-4, 1e-12);
    check_rdp(4.5, 0.01, 10.0, 1, 2.261850948379771e-6, 1e-12);
    check_rdp(1.5, 0.5, 10.0, 1, 1.879688475331177e-3, 1e-12);
    check_rdp(8.5, 0.1, 0.25, 1, 6.539040356127341e+1, 1e-12);
    check_rdp(1.01, 0.00001, 20.0, 1, 1.264079409575432e-13, 1e-12);
}

/// Rare, large losses: narrow at every corner of the grid that the benchmark `grid` prints, below the Renyi bound, in order of delta.
#[test]
fn rare_losses_are_narrow() {
    for (q, noise, steps) in [(1e-5, 0.8, 100), (1e-4, 1.0, 100), (1e-3, 2.0, 100), (1e-5, 0.8, 10_000), (1e-5, 0.5, 10_000)] {
        let run = dp_sgd(q, noise, steps);
        let mut before = 0.0;
        for at in [1e-5, 1e-10, 1e-20] {
            let found = pld::epsilon(&run, delta(at)).unwrap();
            assert!(found.width() <= (1e-3 * found.upper.get()).max(1e-6), "{run} {at:e}: {found}");
            assert!(found.upper <= rdp::epsilon(&run, delta(at)).unwrap().epsilon && found.lower.get() >= before, "{run} {at:e}: {found}");
            before = found.upper.get();
        }
    }
}

/// A small epsilon at a tiny delta: round-off of the transform counts there as the masses do, which is by their distance from epsilon.
/// And a delta so small that the even grid alone cannot tell it: epsilon there must say the same.
#[test]
fn tiny_deltas_are_narrow() {
    let found = pld::epsilon(&dp_sgd(1e-5, 20.0, 1_000_000), delta(1e-20)).unwrap();
    assert!(found.width() <= 5e-4 * found.upper.get() && found.contains(0.004_083_5), "{found}");

    let run = dp_sgd(1e-4, 1.0, 1_000_000);
    let (at, inverse) = (pld::delta(&run, epsilon(1.3)).unwrap(), pld::epsilon(&run, delta(1e-20)).unwrap());
    assert!(at.lower > 9e-21 && at.upper - at.lower < 0.1 * at.lower, "{at:?}");
    assert!(inverse.upper.get() < 1.3 && at.lower < 1e-20, "{at:?} {inverse}");
}

/// Google's dp_accounting, rdp_privacy_accountant_test.py (spot.csv, rows dpacc-psg-*). Its order 1.5, 6.70579741e-4, is
/// above the integral (6.5007089719e-4 by mpmath): a bound, but not the divergence.
#[test]
fn renyi_divergences_match_dp_accounting() {
    for (order, expected) in
        [(1.5, 6.500_708_971_880_4e-4), (2.5, 1.085_487_10e-3), (5.0, 2.180_756_56e-3), (50.0, 2.384_603_75e-2), (100.0, 167.416_308)]
    {
        check_rdp(order, 0.01, 2.5, 50, expected, 1e-4);
    }
}

#[track_caller]
fn check_rdp(order: f64, q: f64, sigma: f64, steps: u64, expected: f64, tolerance: f64) {
    let event = if q == 0.0 { Event::None } else { dp_sgd(q, sigma, steps) };
    let ours = rdp::rdp(&event, Order::new(order).unwrap()).unwrap();
    let error = if expected == 0.0 { ours } else { ours / expected - 1.0 };
    assert!(error.abs() < tolerance, "order {order} q {q} sigma {sigma} steps {steps}: {ours} {expected} {error:e}");
}

/// dp-accounting 0.6.0 (RDP and PLD bounds) and prv-accountant 0.2.0 (interval).
#[test]
fn runs_are_never_looser_than_peers_and_meet_their_intervals() {
    let mnist = 256.0 / 60_000.0;
    check_run(0.01, 4.0, 10_000, 1e-5, 1.035490, 0.946999, Some((0.936809, 0.956936)));
    check_run(mnist, 1.3, 3_515, 1e-5, 0.954430, 0.864459, Some((0.854356, 0.874477)));
    check_run(mnist, 1.1, 14_062, 1e-5, 2.596556, 2.381686, Some((2.371456, 2.391744)));
    check_run(mnist, 0.7, 10_546, 1e-5, 6.319464, 5.639447, Some((5.629063, 5.649767)));
    check_run(0.001, 1.0, 10_000, 1e-6, 0.979542, 0.555392, Some((0.545117, 0.565183)));
    check_run(0.01, 0.5, 1_000, 1e-5, 15.472133, 13.360826, Some((13.351037, 13.372919)));
    check_run(0.08192, 3.0, 2_000, 1e-5, 6.239059, 5.774279, Some((5.763974, 5.784573)));
    check_run(0.5, 10.0, 100, 1e-5, 2.193181, 2.015267, Some((2.005147, 2.025392)));
    check_run(0.005, 0.8, 1_000, 1e-6, 2.626538, 2.004112, Some((1.993921, 2.014295)));
    check_run(1.0, 20.0, 100, 1e-5, 2.165716, 1.993092, None);
}

#[track_caller]
fn check_run(q: f64, sigma: f64, steps: u64, at: f64, renyi: f64, pld: f64, prv: Option<(f64, f64)>) {
    let run = dp_sgd(q, sigma, steps);
    let ours = rdp::epsilon(&run, delta(at)).unwrap().epsilon.get();
    assert!(ours <= renyi + 1e-6, "Renyi {ours} is looser than {renyi}");
    assert!(ours > 0.99 * renyi, "Renyi {ours} is too far below {renyi} to be the same quantity");
    let found = pld::epsilon(&run, delta(at)).unwrap();
    assert!(found.upper.get() <= pld + 1e-6, "{found} is looser than {pld}");
    assert!(found.width() <= (1e-3 * found.upper.get()).max(1e-6), "{found} is {} wide", found.width());
    assert!(found.upper.get() <= ours, "{found} is above Renyi's {ours}");
    if let Some((lower, upper)) = prv {
        assert!(found.lower.get() <= upper && lower <= found.upper.get(), "{found} misses [{lower}, {upper}]");
    }
}

/// True minima over the published grid of orders, and where refined orders go (mpmath; the reference page).
#[test]
fn renyi_epsilon_is_the_minimum_over_orders() {
    let mnist = 256.0 / 60_000.0;
    for (run, at, below) in [
        (dp_sgd(mnist, 0.7, 10_546), 1e-5, 6.318_101),
        (dp_sgd(0.01, 0.5, 1_000), 1e-5, 15.4145),
        (dp_sgd(0.08192, 3.0, 2_000), 1e-5, 6.23845),
        (dp_sgd(0.5, 10.0, 100), 1e-5, 2.193_045),
        (dp_sgd(0.001, 1.0, 10_000), 1e-6, 0.97768),
    ] {
        let ours = rdp::epsilon(&run, delta(at)).unwrap().epsilon.get();
        assert!(ours <= below + 5e-5 && ours > 0.999 * below, "{run}: {ours} {below}");
    }
}

/// Balle & Wang's calibration, sigma to 1e-6 of itself: epsilon must be met to a little more than that.
#[test]
fn gaussian_mechanism_is_exact() {
    for (target, sigma) in
        [(0.1, 30.749_566), (0.5, 7.031_827), (1.0, 3.730_632), (2.0, 1.993_812), (4.0, 1.081_162), (8.0, 0.600_229), (10.0, 0.499_889)]
    {
        check_gaussian(sigma, 1e-5, target);
    }
    check_gaussian(4.224_679, 1e-6, 1.0);
    let log_delta = gaussian::log_delta(&noise(1.0), epsilon(1.0)).unwrap();
    assert!((log_delta.exp() - 0.126_936_7).abs() < 1e-7);
    // prv_accountant's closed form at sigma 100, composed 10,000 times: the same mechanism as sigma 1 once.
    let composed = gaussian::log_delta(&noise(100.0).times(10_000), epsilon(1.0)).unwrap();
    assert!((composed - log_delta).abs() < 1e-12);
}

#[track_caller]
fn check_gaussian(sigma: f64, at: f64, target: f64) {
    let exact = gaussian::epsilon(&noise(sigma), delta(at)).unwrap().get();
    assert!((exact / target - 1.0).abs() < 5e-6, "sigma {sigma}: {exact}, expected {target}");
    let found = pld::epsilon(&noise(sigma), delta(at)).unwrap();
    assert!(found.contains(exact), "sigma {sigma}: {found} misses {exact}");
}

/// dp_accounting's calibration, by PLD and by Renyi over its coarser orders (ours may need less noise, never more).
#[test]
fn calibrated_noise_matches_dp_accounting() {
    let mnist = 256.0 / 60_000.0;
    check_calibrated(mnist, 14_062, 1.0, 2.025_146, 2.178_421);
    check_calibrated(mnist, 14_062, 3.0, 0.968_421, 1.014_001);
    check_calibrated(mnist, 14_062, 8.0, 0.655_710, 0.678_089);
    check_calibrated(0.08192, 2_000, 1.0, 13.720_014, 14.877_911);
    check_calibrated(0.08192, 2_000, 8.0, 2.328_895, 2.467_064);
}

#[track_caller]
fn check_calibrated(q: f64, steps: u64, target: f64, by_pld: f64, by_rdp: f64) {
    for (accountant, expected) in [(Accountant::Pld, by_pld), (Accountant::Rdp, by_rdp)] {
        let tolerance = 1e-4 * expected;
        let run = |noise| Event::dp_sgd(noise, reticent_accounting::SamplingRate::new(q).unwrap(), steps);
        let found = calibrate::noise_multiplier(epsilon(target), delta(1e-5), tolerance, accountant, run).unwrap().get();
        assert!(
            found <= expected + tolerance && found > 0.998 * expected,
            "{accountant:?} q {q} epsilon {target}: {found}, expected {expected}"
        );
    }
}

/// End values of Opacus and JAX Privacy (spot.csv), and Opacus's example at 64 of 10,000 records.
#[test]
fn end_values_of_other_libraries() {
    let at = delta(1e-5);
    let ours = rdp::epsilon(&dp_sgd(0.04, 1.5, 2_250), at).unwrap().epsilon.get();
    assert!(ours <= 7.329_111_171_43 + 1e-7 && ours > 7.32, "opacus-rdp-1: {ours}");

    let prv = pld::epsilon(&dp_sgd(0.04, 1.5, 2_249), at).unwrap();
    assert!((prv.upper.get() - 6.777_395_712_150_674).abs() < 0.02, "opacus-prv-1: {prv}");

    let jax = pld::epsilon(&dp_sgd(0.1, 3.0, 512), delta(1e-6)).unwrap();
    assert_eq!(format!("{jax:.2}"), "[3.77, 3.77]", "jaxp-dpsgd-eps");

    let fits = |steps| pld::epsilon(&dp_sgd(0.1, 3.0, steps), delta(1e-6)).unwrap().upper.get() <= 2.0;
    assert!(fits(155) && !fits(156), "jaxp-dpsgd-iters");

    let calibrated = |q, steps, target, at, accountant| {
        let rate = reticent_accounting::SamplingRate::new(q).unwrap();
        let run = |noise| Event::dp_sgd(noise, rate, steps);
        calibrate::noise_multiplier(epsilon(target), delta(at), 1e-4, accountant, run).unwrap().get()
    };
    let jax = calibrated(0.1, 512, 1.0, 1e-6, Accountant::Pld);
    assert!((jax - 9.66).abs() <= 0.006, "jaxp-dpsgd-sigma: {jax}");
    // Opacus stops its bisection early: the tight values are the reference page's.
    let tight = calibrated(0.04, 2_000, 8.0, 1e-5, Accountant::Pld);
    assert!((tight - 1.290_00).abs() < 2e-4 && tight < 1.2915, "opacus-nm-prv-steps: {tight}");
    let tight = calibrated(0.04, 2_250, 8.0, 1e-5, Accountant::Pld);
    assert!((tight - 1.345_92).abs() < 2e-4 && tight < 1.347_66, "opacus-nm-prv-epochs: {tight}");
    let renyi = calibrated(0.04, 2_250, 8.0, 1e-5, Accountant::Rdp);
    assert!(renyi <= 1.416 + 1e-4 && renyi > 1.41, "opacus-nm-rdp-epochs: {renyi}");
    let renyi = calibrated(0.04, 2_000, 8.0, 1e-5, Accountant::Rdp);
    assert!(renyi <= 1.3562 + 1e-4 && renyi > 1.35, "opacus-nm-rdp-steps: {renyi}");
    let example = calibrated(64.0 / 10_000.0, 1_570, 1.0, 1e-5, Accountant::Pld);
    assert!((example / 1.2025 - 1.0).abs() < 1e-3, "Opacus example: {example}");
}

/// dp_accounting's Gaussian that is exactly (1, 1e-6)-DP by Renyi's conversion.
#[test]
fn renyi_conversion_of_a_gaussian() {
    let ours = rdp::epsilon(&noise(4.530_877_117), delta(1e-6)).unwrap().epsilon.get();
    assert!((ours - 1.0).abs() < 1e-7, "dpacc-gauss-exact: {ours}");
}
