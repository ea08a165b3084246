//! The strips against the density, and the exact comparison against the fast one.

use super::*;

/// The strips cover f: the last ends above 1, and not far above.
#[test]
fn the_strips_cover_the_density() {
    let (z, top) = Ziggurat::new(R);
    let over = (top - DoubleDouble::ONE).high;
    assert!(over > 0.0 && over < 1e-12, "{over:e}");
    for i in 1..STRIPS {
        // The right edge is at or right of the curve at the lower edge: f(w) ≤ g, and f at the end of the left part is at or above the upper edge.
        let width = DoubleDouble::from(z.unit[i] * 2_f64.powi(BITS));
        assert!((density(width) - z.lower[i]).high <= 0.0, "strip {i} ends left of the curve");
        let left = DoubleDouble::from(z.left[i] as f64 * z.unit[i]);
        assert!((density(left) - z.lower[i] - z.height[i]).high >= 0.0 || i == STRIPS - 1, "strip {i} takes points above the curve");
        assert!(z.left[i] < 1 << BITS);
    }
    assert_eq!(z.left[STRIPS - 1], 0);
    // The areas are equal to 2⁻⁹⁰.
    let areas: Vec<_> = (1..STRIPS).map(|i| z.height[i] * DoubleDouble::from(z.unit[i] * 2_f64.powi(BITS))).collect();
    assert!(areas.iter().all(|a| (*a - areas[0]).high.abs() < areas[0].high * 2_f64.powi(-90)));
    // And to that of strip 0: R f(R) and the tail, whose share is what is left of u.
    let tail = tail_over_density(R) * density(DoubleDouble::from(R));
    let left = DoubleDouble::fraction(((u128::from(z.left[0]) << 64) | u128::from(z.left_of_0)) << (64 - BITS));
    let share = DoubleDouble::ONE - left;
    let off = (share * areas[0] - tail).high / tail.high;
    assert!(off.abs() < 2_f64.powi(-80), "{off:e}");
    // ∫ f from 0 to 4.04, by Simpson's rule, and the tail make √(π/2).
    let n = 2_000;
    let f = |x: f64| (-x * x / 2.0).exp();
    let sum: f64 =
        (0..=n).map(|i| f(R * f64::from(i) / f64::from(n)) * f64::from(if i == 0 || i == n { 1 } else { 2 + 2 * (i % 2) })).sum();
    let whole = sum * R / f64::from(n) / 3.0 + tail.high;
    assert!((whole - (std::f64::consts::PI / 2.0).sqrt()).abs() < 1e-14, "{whole}");
}

/// Where `f64` is sure, 106 bits say the same; near the curve, where it is not, they decide by the last bits of u and of the height.
#[test]
fn the_exact_comparison_refines_the_fast_one() {
    let z = Ziggurat::get();
    let mut more = Keystream::new(&[3; 32], 0, Instructions::Plain);
    let mut seen = [0; 2];
    for _ in 0..2_000 {
        let strip = 1 + (more.word() % (STRIPS as u64 - 1)) as usize;
        let u = z.left[strip] + more.word() % ((1 << BITS) - z.left[strip]);
        let height = more.word();
        let fast = z.is_under(strip, u as f64 * z.unit[strip], height, || panic!("not this near"), u);
        assert_eq!(fast, z.is_under_exactly(strip, u128::from(u) << 64, u128::from(height) << 64));
        seen[usize::from(fast)] += 1;
    }
    assert!(seen.iter().all(|&n| n > 500), "{seen:?}");
    // The height at which a point is on the curve, by bisection of the exact test; `f64` then asks for more bits of u.
    for strip in [1, 7, 500, STRIPS - 2] {
        let u = z.left[strip] + ((1 << BITS) - z.left[strip]) / 3;
        let (mut under, mut over) = (0_u64, u64::MAX);
        while over - under > 1 {
            let middle = under + (over - under) / 2;
            *if z.is_under_exactly(strip, u128::from(u) << 64, u128::from(middle) << 64) { &mut under } else { &mut over } = middle;
        }
        let mut asked = false;
        let size = u as f64 * z.unit[strip];
        assert!(
            z.is_under(
                strip,
                size,
                under,
                || {
                    asked = true;
                    0
                },
                u
            ) && asked
        );
        asked = false;
        assert!(
            !z.is_under(
                strip,
                size,
                over,
                || {
                    asked = true;
                    0
                },
                u
            ) && asked
        );
        // The curve falls: with all further bits of u set the lower of the two is above it, or the cell is too narrow to matter.
        let slope = size * (-size * size / 2.0).exp() * z.unit[strip];
        let step = z.height[strip].high * 2_f64.powi(-64);
        if slope > 4.0 * step {
            assert!(!z.is_under_exactly(strip, (u128::from(u) << 64) | u128::from(u64::MAX), u128::from(under) << 64));
        }
    }
}

/// Draws beyond R: their mean excess and its square against the integrals, 6 deviations of 40,000 (alpha 2e-9 each), and the tail's own tail.
#[test]
fn the_tail_is_that_of_the_law() {
    let mut more = Keystream::new(&[5; 32], 0, Instructions::Plain);
    let n = 40_000;
    let beyond: Vec<f64> = (0..n).map(|_| tail(&mut more) - R).collect();
    let weight = |k: i32| {
        let (steps, reach) = (20_000, 6.0);
        let at = |i: i32| reach * (f64::from(i) + 0.5) / f64::from(steps);
        (0..steps).map(|i| at(i).powi(k) * (-(R * at(i) + at(i) * at(i) / 2.0)).exp()).sum::<f64>()
    };
    for k in [1, 2] {
        let expected = weight(k) / weight(0);
        let deviation = (weight(2 * k) / weight(0) - expected * expected).sqrt() / f64::from(n).sqrt();
        let mean = beyond.iter().map(|b| b.powi(k)).sum::<f64>() / f64::from(n);
        assert!((mean - expected).abs() < 6.0 * deviation, "power {k}: {mean} for {expected}");
    }
    assert!(beyond.iter().all(|b| *b > 0.0));
}

/// What `f64` cannot decide in the tail is decided in 106 bits: on either side of the V at which a U is no longer kept, found by bisection,
/// and there it is where the law has it.
#[test]
fn the_tail_is_decided_exactly() {
    let mut more = Keystream::new(&[6; 32], 0, Instructions::Plain);
    let mut wide = || (u128::from(more.word()) << 64) | u128::from(more.word());
    for shift in [0, 1, 3, 10, 30, 60] {
        let u = wide() >> shift;
        let beyond = minus_log(u) / R;
        let (mut kept, mut thrown) = (0, u128::MAX);
        while thrown - kept > 1 {
            let middle = kept + (thrown - kept) / 2;
            *if is_kept_exactly(u, middle) { &mut kept } else { &mut thrown } = middle;
        }
        assert!(is_kept(u, kept, beyond) && !is_kept(u, thrown, beyond), "{u:x}");
        let expected = (-beyond * beyond / 2.0).exp() * 2_f64.powi(128);
        assert!((kept as f64 / expected - 1.0).abs() < 1e-12 * (1.0 + beyond * beyond), "{u:x}: {kept} for {expected}");
        // Where f64 is sure it says the same.
        for _ in 0..200 {
            let v = wide();
            assert_eq!(is_kept(u, v, beyond), is_kept_exactly(u, v), "{u:x} {v:x}");
        }
    }
    assert!(!is_kept(0, 5, minus_log(0) / R), "no draw is infinite");
    assert!(is_kept(u128::MAX, 0, minus_log(u128::MAX) / R));
}

/// Where the bits of u are those of the end of the rectangle, its further bits decide.
#[test]
fn the_end_of_the_rectangle_has_more_bits() {
    let z = Ziggurat::get();
    let bits = z.left[0] << 11;
    let mut more = Keystream::new(&[7; 32], 0, Instructions::Plain);
    let in_rectangle = (0..4_000).filter(|_| z.resolve(bits, &mut more) == z.left[0] as f64 * z.unit[0]).count();
    let share = z.left_of_0 as f64 * 2_f64.powi(-64);
    // Six deviations, alpha 2e-9.
    let deviation = (4_000.0 * share * (1.0 - share)).sqrt();
    assert!((in_rectangle as f64 - 4_000.0 * share).abs() < 6.0 * deviation + 1.0, "{in_rectangle} for a share of {share}");
}

/// What 53-bit or 24-bit uniforms could not give: 2⁻¹²⁸ in all words is 9.4 standard deviations beyond R, and more where both are zero.
#[test]
fn nothing_cuts_the_tail_off() {
    let largest = |bits: u128| -(bits as f64 * 2_f64.powi(-128)).ln() / R + R;
    assert!(largest(1) > 26.0 && largest(1 << 64) > 15.0);
}

/// How [`R`] was found: the largest at which the strips still cover.
#[test]
#[ignore = "prints R, for another number of strips"]
fn r_of_these_strips() {
    let (mut covers, mut misses) = (3.0, 6.0);
    for _ in 0..200 {
        let middle = f64::midpoint(covers, misses);
        // Not a number where a strip before the last ends above 1.
        let over = (Ziggurat::new(middle).1 - DoubleDouble::ONE).high;
        *if over.is_nan() || over > 1e-13 { &mut covers } else { &mut misses } = middle;
    }
    panic!("R = {covers:?}");
}
