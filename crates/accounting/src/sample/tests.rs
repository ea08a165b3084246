//! Each sampler against its probabilities, computed apart. Chi-squared tests: 27 of them at 1e-6 each, so that all together are wrong once in
//! 37,000 choices of the seeds; seeds are fixed, so that they are right or wrong for good.

use super::coin::{below, bernoulli, bernoulli_exp};
use super::*;
use num_bigint::BigUint;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

pub(crate) const DRAWS: usize = 40_000;

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn ratio(a: u64, b: u64) -> Ratio {
    Ratio::new(a, b).unwrap()
}

/// Chi-squared of counts against probabilities, cells that expect fewer than ten pooled; what was left out of `p` is a cell of its own.
#[track_caller]
pub(crate) fn fits(counts: &[usize], p: &[f64]) {
    let n: usize = counts.iter().sum::<usize>();
    let (mut statistic, mut cells, mut pooled) = (0.0, 0.0, (0.0, 0.0));
    let mut cell = |observed: f64, expected: f64| {
        statistic += (observed - expected).powi(2) / expected;
        cells += 1.0;
    };
    for (&count, p) in counts.iter().zip(p) {
        let expected = p * DRAWS as f64;
        if expected >= 10.0 {
            cell(count as f64, expected);
        } else {
            pooled = (pooled.0 + count as f64, pooled.1 + expected);
        }
    }
    let rest = (pooled.0 + (DRAWS - n) as f64, pooled.1 + (1.0 - p.iter().sum::<f64>()).max(0.0) * DRAWS as f64);
    if rest.1 >= 10.0 {
        cell(rest.0, rest.1);
    } else {
        assert!(rest.0 < 60.0, "{} draws where {} are expected", rest.0, rest.1);
    }
    // Wilson and Hilferty's normal approximation; 4.75 standard deviations are 1e-6.
    let df = cells - 1.0;
    let z = ((statistic / df).cbrt() - (1.0 - 2.0 / (9.0 * df))) / (2.0 / (9.0 * df)).sqrt();
    assert!(z < 4.75, "chi-squared {statistic:.1} on {df} degrees of freedom");
}

/// Counts of draws by value from −`reach` to `reach`; beyond it none is counted.
fn histogram(reach: i64, mut draw: impl FnMut() -> i64) -> Vec<usize> {
    let mut counts = vec![0; 2 * reach as usize + 1];
    for _ in 0..DRAWS {
        if let Some(count) = usize::try_from(draw() + reach).ok().and_then(|at| counts.get_mut(at)) {
            *count += 1;
        }
    }
    counts
}

#[test]
fn uniform_integers_are_uniform() {
    assert_eq!(below(&1_u32.into(), &mut rng(1)), BigUint::ZERO);
    for n in [2_u32, 3, 7, 10] {
        let mut rng = rng(u64::from(n));
        let mut counts = vec![0; n as usize];
        (0..DRAWS).for_each(|_| counts[usize::try_from(below(&n.into(), &mut rng)).unwrap()] += 1);
        fits(&counts, &vec![1.0 / f64::from(n); n as usize]);
    }
    // Over several words: the top word is cut to the bits of n − 1.
    let n = (BigUint::from(1_u32) << 70) + 1_u32;
    let mut rng = rng(70);
    assert!((0..1000).all(|_| below(&n, &mut rng) < n));
    let high = (0..DRAWS).filter(|_| below(&n, &mut rng) >> 69 == BigUint::from(1_u32)).count();
    fits(&[high, DRAWS - high], &[0.5, 0.5]);
}

#[test]
fn coins_fall_as_often_as_they_should() {
    let mut rng = rng(1);
    let heads = (0..DRAWS).filter(|_| bernoulli(&3_u32.into(), &7_u32.into(), &mut rng)).count();
    fits(&[heads, DRAWS - heads], &[3.0 / 7.0, 4.0 / 7.0]);
    for (a, b) in [(0, 1), (1, 3), (1, 1), (5, 2), (9, 4)] {
        let p = (-(a as f64) / b as f64).exp();
        let heads = (0..DRAWS).filter(|_| bernoulli_exp(&ratio(a, b), &mut rng)).count();
        if a == 0 {
            assert_eq!(heads, DRAWS);
        } else {
            fits(&[heads, DRAWS - heads], &[p, 1.0 - p]);
        }
    }
}

#[test]
fn laplace_has_its_probabilities() {
    for (t, s) in [(1, 1), (1, 3), (5, 2), (7, 1)] {
        let b = t as f64 / s as f64;
        let laplace = DiscreteLaplace::new(ratio(t, s)).unwrap();
        let mut rng = rng(100 * t + s);
        let reach = (8.0 * b).ceil() as i64;
        let counts = histogram(reach, || laplace.sample(&mut rng));
        let head = ((1.0 / b).exp() - 1.0) / ((1.0 / b).exp() + 1.0);
        let p: Vec<f64> = (-reach..=reach).map(|x| head * (-(x.abs() as f64) / b).exp()).collect();
        fits(&counts, &p);
    }
}

#[test]
fn gaussian_has_its_probabilities() {
    // σ² below one, at a square, and a fraction; envelopes of 1 to 8.
    for (n, d) in [(1, 4), (1, 1), (7, 3), (50, 1)] {
        let variance = n as f64 / d as f64;
        let gaussian = DiscreteGaussian::new(ratio(n, d)).unwrap();
        let mut rng = rng(1000 * n + d);
        let reach = (7.0 * variance.sqrt()).ceil() as i64;
        let weight = |x: i64| (-((x * x) as f64) / (2.0 * variance)).exp();
        // The sum over all integers: beyond 40σ nothing is left in f64.
        let far = (40.0 * variance.sqrt()).ceil() as i64 + 5;
        let total: f64 = (-far..=far).map(weight).sum();
        let p: Vec<f64> = (-reach..=reach).map(|x| weight(x) / total).collect();
        let counts = histogram(reach, || gaussian.sample(&mut rng));
        fits(&counts, &p);
    }
}

#[test]
fn what_is_private_has_the_scale_that_is_charged() {
    assert_eq!(DiscreteLaplace::private(3, &ratio(1, 2)).unwrap(), DiscreteLaplace::new(ratio(6, 1)).unwrap());
    // ρ = 1/8 and Δ = 3: σ² = 9/(2/8) = 36.
    let gaussian = DiscreteGaussian::private(3, &ratio(1, 8)).unwrap();
    assert_eq!(gaussian, DiscreteGaussian::new(ratio(36, 1)).unwrap());
    for none in [DiscreteLaplace::new(ratio(0, 1)).is_err(), DiscreteGaussian::new(ratio(0, 5)).is_err(), Ratio::new(1, 0).is_err()] {
        assert!(none);
    }
    assert!(DiscreteLaplace::private(1, &ratio(0, 1)).is_err() && DiscreteLaplace::private(0, &ratio(1, 1)).is_err());
}

#[test]
fn responses_and_choices_have_their_probabilities() {
    let mut rng = rng(9);
    let e = |x: f64| x.exp();
    let count = |n: usize, mut draw: Box<dyn FnMut() -> usize + '_>| {
        let mut counts = vec![0; n];
        (0..DRAWS).for_each(|_| counts[draw()] += 1);
        counts
    };
    let epsilon = ratio(3, 2);
    let counts = count(4, Box::new(|| randomised_response(2, 4, &epsilon, &mut rng).unwrap()));
    let other = 1.0 / (e(1.5) + 3.0);
    fits(&counts, &[other, other, e(1.5) * other, other]);

    let (scores, half) = ([0_i64, 2, -1], 0.75 / 2.0);
    let weights = scores.map(|s| e(half * s as f64));
    let total: f64 = weights.iter().sum();
    let counts = count(3, Box::new(|| exponential(&scores, 2, &epsilon, &mut rng).unwrap()));
    fits(&counts, &weights.map(|w| w / total));

    // Two candidates: the worse one is chosen if it comes first and its coin stays up: q/2 with q = exp(−ε·behind/(2Δ)).
    let q = e(-1.5 * 3.0 / 2.0);
    let counts = count(2, Box::new(|| permute_and_flip(&[5, 2], 1, &epsilon, &mut rng).unwrap()));
    fits(&counts, &[1.0 - q / 2.0, q / 2.0]);
    assert!(exponential(&[], 1, &epsilon, &mut rng).is_err() && permute_and_flip(&[1], 0, &epsilon, &mut rng).is_err());
    assert!(randomised_response(2, 2, &epsilon, &mut rng).is_err());
}

/// P(above) for one value at the threshold plus `lead`: both noises are discrete Laplace, with scales 2Δ/ε and 4cΔ/ε.
#[test]
fn a_value_is_above_as_often_as_two_noises_say() {
    let (epsilon, most) = (ratio(2, 1), 2);
    let (of_threshold, of_value) = (1.0, 4.0);
    let p = |x: i64, b: f64| ((1.0_f64 / b).exp() - 1.0) / ((1.0_f64 / b).exp() + 1.0) * (-(x.abs() as f64) / b).exp();
    for lead in [-3, 0, 4] {
        let expected: f64 = (-80..=80)
            .flat_map(|t| (-160..=160).map(move |v| (t, v)))
            .filter(|(t, v)| lead + v >= *t)
            .map(|(t, v)| p(t, of_threshold) * p(v, of_value))
            .sum();
        let mut rng = rng(20 + lead.unsigned_abs());
        let above =
            (0..DRAWS).filter(|_| AboveThreshold::new(10, 1, &epsilon, most, &mut rng).unwrap().ask(10 + lead, &mut rng) == Some(true));
        let above = above.count();
        fits(&[above, DRAWS - above], &[expected, 1.0 - expected]);
    }
}

#[test]
fn a_stream_ends_after_what_was_paid_for() {
    let mut rng = rng(4);
    let mut stream = AboveThreshold::new(0, 1, &ratio(100, 1), 3, &mut rng).unwrap();
    let answers: Vec<bool> = (0..50).map_while(|i| stream.ask(if i % 5 == 0 { 1000 } else { -1000 }, &mut rng)).collect();
    assert_eq!(answers.iter().filter(|a| **a).count(), 3);
    assert_eq!((answers.len(), stream.ask(1000, &mut rng)), (11, None));
    assert!(AboveThreshold::new(0, 1, &ratio(1, 1), 0, &mut rng).is_err());
    // The outermost values do not overflow.
    let mut stream = AboveThreshold::new(i64::MAX, 1, &ratio(1, 1), 1, &mut rng).unwrap();
    assert!(stream.ask(i64::MIN, &mut rng).is_some());
}

/// The probability that each score has the highest sum with exponential noise, by its definition: an integral over the winner's noise.
#[test]
fn the_noisy_maximum_is_as_often_each_as_real_noise_says() {
    let (epsilon, scores, sensitivity) = (ratio(3, 2), [4_i64, 5, 2, 5], 2);
    let rate = 1.5 / (2.0 * sensitivity as f64);
    let below = |x: f64| if x > 0.0 { 1.0 - (-rate * x).exp() } else { 0.0 };
    let density = |i: usize, x: f64| {
        let others = scores.iter().enumerate().filter(|(j, _)| *j != i);
        rate * (-rate * x).exp() * others.map(|(_, s)| below(x + (scores[i] - s) as f64)).product::<f64>()
    };
    // The kinks of the integrand are at integers; Simpson's rule between them.
    let steps = 64;
    let h = 1.0 / f64::from(steps);
    let simpson = |i: usize, a: f64| h / 6.0 * (density(i, a) + 4.0 * density(i, a + 0.5 * h) + density(i, a + h));
    let p: Vec<f64> = (0..scores.len()).map(|i| (0..100 * steps).map(|k| simpson(i, f64::from(k) * h)).sum()).collect();
    assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{p:?}");
    let mut rng = rng(31);
    let mut counts = vec![0; scores.len()];
    (0..DRAWS).for_each(|_| counts[report_noisy_max(&scores, sensitivity, &epsilon, &mut rng).unwrap()] += 1);
    fits(&counts, &p);
}

/// Added noise is not cut: near the ends of 64 bits results differ as they do elsewhere, and only those beyond 128 bits are brought in.
#[test]
fn noise_is_added_without_bounds() {
    let far = i128::from(i64::MAX) - 1;
    let laplace = DiscreteLaplace::new(ratio(5, 2)).unwrap();
    let gaussian = DiscreteGaussian::new(ratio(7, 3)).unwrap();
    let drawn = |at: i128, seed: u64| {
        let mut rng = rng(seed);
        (0..200).map(|_| (laplace.add_to(at, &mut rng) - at, gaussian.add_to(at, &mut rng) - at)).collect::<Vec<_>>()
    };
    assert_eq!(drawn(far, 41), drawn(0, 41));
    let mut rng = rng(41);
    let same: Vec<_> = (0..200).map(|_| (laplace.sample(&mut rng).into(), gaussian.sample(&mut rng).into())).collect();
    assert_eq!(drawn(0, 41), same);
    // Of scale 2^70: no draw fits 64 bits as often as not, and all are told apart.
    let wide = DiscreteLaplace::new(Ratio { numerator: BigUint::from(1_u32) << 70_u32, denominator: 1_u32.into() }).unwrap();
    let draws: Vec<i128> = (0..100).map(|_| wide.add_to(0, &mut rng)).collect();
    assert!(
        draws.iter().filter(|x| x.unsigned_abs() > 1 << 66).count() > 60 && draws.iter().any(|x| *x < 0) && draws.iter().any(|x| *x > 0)
    );
    let ends: Vec<i128> = (0..100).map(|_| wide.add_to(i128::MAX - 1, &mut rng)).collect();
    assert!(ends.contains(&i128::MAX) && ends.iter().all(|x| *x > 0));
    assert!((0..100).map(|_| wide.add_to(i128::MIN, &mut rng)).any(|x| x == i128::MIN));
}

#[test]
fn doubles_are_never_below_the_ratio() {
    for (a, b) in
        [(0, 1), (1, 1), (1, 3), (2, 3), (1, 10), (3, 10), (u64::MAX, 1), (1, u64::MAX), (u64::MAX, u64::MAX - 1), ((1 << 53) + 1, 1)]
    {
        let value = ratio(a, b).at_least();
        // value ≥ a/b, as integers: value·2^k is one.
        let shift = (0..200).find(|k| (value * 2_f64.powi(*k)).fract() == 0.0).unwrap();
        let scaled = BigUint::from((value * 2_f64.powi(shift)) as u128);
        assert!(&scaled * b >= BigUint::from(a) << shift as u32, "{a}/{b}");
        assert!(value <= (a as f64 / b as f64) * (1.0 + 4.0 * f64::EPSILON), "{a}/{b}: {value:e}");
    }
    let big = Ratio { numerator: BigUint::from(1_u32) << 3000_u32, denominator: 1_u32.into() };
    assert_eq!((big.at_least(), big.inverse().at_least()), (f64::INFINITY, f64::MIN_POSITIVE));
    assert!(ratio(1, 3) < ratio(2, 5) && ratio(2, 4) == ratio(1, 2));
}
