//! Mechanisms that a single subsampled Gaussian does not describe: several records of a user, one replaced, batches cut or fixed.

use std::num::{NonZeroU32, NonZeroU64};

use reticent_accounting::{Event, Neighbours, NoiseMultiplier, Order, SamplingRate, neighbours, pld, rdp};

use crate::{delta, epsilon};

fn noise(value: f64) -> NoiseMultiplier {
    NoiseMultiplier::new(value).unwrap()
}

fn rate(value: f64) -> SamplingRate {
    SamplingRate::new(value).unwrap()
}

fn gaussian(sigma: f64) -> Box<Event> {
    Box::new(Event::Gaussian { noise_multiplier: noise(sigma) })
}

fn count(value: u64) -> NonZeroU64 {
    NonZeroU64::new(value).unwrap()
}

fn truncated(batch: u64) -> Event {
    Event::TruncatedPoissonSampled {
        sampling_rate: rate(256.0 / 60_000.0),
        records: count(60_000),
        batch: count(batch),
        event: gaussian(1.1),
    }
    .times(14_062)
}

fn fixed(sigma: f64, records: u64, batch: u64, with_replacement: bool) -> Event {
    Event::FixedSizeSampled { records: count(records), batch: count(batch), with_replacement, event: gaussian(sigma) }
}

/// delta of one step by its definition, to about 1e-5 of itself.
fn hockey_stick(epsilon: f64, p: impl Fn(f64) -> f64, q: impl Fn(f64) -> f64) -> f64 {
    let (reach, cells) = (20.0, 4_000);
    let width = 2.0 * reach / f64::from(cells);
    let at = |i: i32| -reach + (f64::from(i) + 0.5) * width;
    (0..cells).map(|i| (p(at(i)) - epsilon.exp() * q(at(i))).max(0.0)).sum::<f64>() * width
}

fn renyi(order: f64, p: impl Fn(f64) -> f64, q: impl Fn(f64) -> f64) -> f64 {
    let (reach, cells) = (80.0, 1_000);
    let width = 2.0 * reach / f64::from(cells);
    let at = |i: i32| -reach + (f64::from(i) + 0.5) * width;
    let term = |x: f64| if p(x) > 1e-290 && q(x) > 1e-290 { (order * p(x).ln() + (1.0 - order) * q(x).ln()).exp() } else { 0.0 };
    ((0..cells).map(|i| term(at(i))).sum::<f64>() * width).ln() / (order - 1.0)
}

/// The density at x of a mixture of (probability, centre).
fn density(mixture: &[(f64, f64)], sigma: f64, x: f64) -> f64 {
    let one = |&(w, centre): &(f64, f64)| w * (-0.5 * ((x - centre) / sigma).powi(2)).exp();
    mixture.iter().map(one).sum::<f64>() / (sigma * (2.0 * std::f64::consts::PI).sqrt())
}

/// dp-accounting 0.6.0 for replacing a record, delta 1e-5 (1e-6 in the rows with 0.001 and 0.005): ours may be tighter, and never
/// looser than its own interval is wide.
#[test]
fn replacing_is_never_looser_than_dp_accounting() {
    for (q, sigma, steps, at, reference) in [
        (0.01, 4.0, 10_000, 1e-5, 1.993_194),
        (256.0 / 60_000.0, 1.3, 3_515, 1e-5, 1.555_239),
        (256.0 / 60_000.0, 1.1, 14_062, 1e-5, 4.221_358),
        (256.0 / 60_000.0, 0.7, 10_546, 1e-5, 8.048_294),
        (0.01, 0.5, 1_000, 1e-5, 15.161_361),
        (0.08192, 3.0, 2_000, 1e-5, 12.769_546),
        (0.5, 10.0, 100, 1e-5, 4.370_858),
        (1.0, 20.0, 100, 1e-5, 4.377_179),
        (0.005, 0.8, 1_000, 1e-6, 2.402_410),
    ] {
        let run = Event::dp_sgd(noise(sigma), rate(q), steps);
        let replaced = neighbours::under(&run, Neighbours::ReplaceOne).unwrap();
        let (added, found) = (pld::epsilon(&run, delta(at)).unwrap(), pld::epsilon(&replaced, delta(at)).unwrap());
        assert!(found.upper.get() <= reference + 1e-6 + found.width(), "{run}: {found} {reference}");
        assert!(found.upper.get() >= reference - 1e-3 && found.width() < 3e-5 * reference, "{run}: {found} {reference}");
        assert!(added.upper <= found.lower, "{run}: adding {added}, replacing {found}");
        let renyi = rdp::epsilon(&replaced, delta(at)).unwrap().epsilon;
        assert!(renyi >= found.lower, "{run}: {renyi} {found}");
        assert!(renyi >= rdp::epsilon(&run, delta(at)).unwrap().epsilon, "{run}");
    }
}

/// dp-accounting 0.6.0, `PLDAccountant`: 256 of 60,000 records, noise multiplier 1.1, 14,062 steps, delta 1e-5.
#[test]
fn truncating_is_never_looser_than_dp_accounting() {
    let whole = pld::epsilon(&Event::dp_sgd(noise(1.1), rate(256.0 / 60_000.0), 14_062), delta(1e-5)).unwrap();
    for (batch, reference) in [(300, 3.458_578), (320, 2.408_663), (384, 2.381_686)] {
        let found = pld::epsilon(&truncated(batch), delta(1e-5)).unwrap();
        assert!(found.upper.get() <= reference + 1e-6, "{batch}: {found} {reference}");
        assert!(found.upper >= whole.lower, "{batch}: {found} {whole}");
        assert!(rdp::epsilon(&truncated(batch), delta(1e-5)).unwrap().epsilon >= found.lower, "{batch}: {found}");
    }
    // Emptying is bounded more tightly than by the reference's replacement at half the noise: what stays kept is what it was.
    for (batch, reference) in [(300, 3.458_578), (320, 2.408_663), (384, 2.381_686)] {
        let emptied = neighbours::under(&truncated(batch), Neighbours::ZeroOut).unwrap();
        let found = pld::epsilon(&emptied, delta(1e-5)).unwrap();
        assert!(found.upper.get() <= reference + 1e-6 && found.width() <= 1e-3 * reference, "{batch}: {found} {reference}");
        assert!(found.upper >= whole.lower, "{batch}: {found} {whole}");
        assert!(rdp::epsilon(&emptied, delta(1e-5)).unwrap().epsilon >= found.lower, "{batch}: {found}");
    }
    // A few steps: replaced costs more than emptied, and than replacing where nothing is cut.
    let few = |relation| {
        let Event::SelfComposed { event, .. } = truncated(300) else { panic!("a run") };
        pld::epsilon(&neighbours::under(&event.times(50), relation).unwrap(), delta(1e-5)).unwrap()
    };
    let uncut = neighbours::under(&Event::dp_sgd(noise(1.1), rate(256.0 / 60_000.0), 50), Neighbours::ReplaceOne).unwrap();
    let (emptied, replaced, uncut) = (few(Neighbours::ZeroOut), few(Neighbours::ReplaceOne), pld::epsilon(&uncut, delta(1e-5)).unwrap());
    assert!(replaced.lower > emptied.upper && replaced.upper >= uncut.lower, "{emptied} {replaced} {uncut}");
    assert!(replaced.width() <= 1e-3 * replaced.upper.get(), "{replaced}");
    // Where the cut never comes it changes nothing.
    let uncut = Event::TruncatedPoissonSampled { sampling_rate: rate(0.1), records: count(50), batch: count(50), event: gaussian(1.0) };
    let (found, plain) = (
        pld::epsilon(&uncut.times(10), delta(1e-5)).unwrap(),
        pld::epsilon(&Event::dp_sgd(noise(1.0), rate(0.1), 10), delta(1e-5)).unwrap(),
    );
    assert!(found.lower <= plain.upper && plain.lower <= found.upper, "{found} {plain}");
}

/// One record of a user is a subsampled Gaussian; of several, one step is an integral; and without sampling k records are a
/// Gaussian of 1/k the noise.
#[test]
fn users_are_mixtures() {
    let user = |sigma: f64, q: f64, k: u32| Event::UserLevelGaussian {
        noise_multiplier: noise(sigma),
        sampling_rate: rate(q),
        records_per_user: NonZeroU32::new(k).unwrap(),
    };
    let (one, plain) = (
        pld::epsilon(&user(1.1, 0.01, 1).times(500), delta(1e-6)).unwrap(),
        pld::epsilon(&Event::dp_sgd(noise(1.1), rate(0.01), 500), delta(1e-6)).unwrap(),
    );
    assert!(one.lower <= plain.upper && plain.lower <= one.upper && one.width() < 1e-3, "{one} {plain}");
    let (all, plain) =
        (pld::epsilon(&user(6.0, 1.0, 3).times(5), delta(1e-6)).unwrap(), pld::epsilon(&gaussian(2.0).times(5), delta(1e-6)).unwrap());
    assert!(all.lower <= plain.upper && plain.lower <= all.upper, "{all} {plain}");
    for (sigma, q, k) in [(1.0, 0.2, 3), (2.5, 0.05, 8), (0.7, 0.5, 2)] {
        let binomial = |j: u32| {
            let choose: f64 = (0..j).map(|i| f64::from(k - i) / f64::from(i + 1)).product();
            choose * f64::powi(q, j as i32) * f64::powi(1.0 - q, (k - j) as i32)
        };
        let p: Vec<(f64, f64)> = (0..=k).map(|j| (binomial(j), f64::from(j))).collect();
        let (p, q_density) = (|x| density(&p, sigma, x), |x| density(&[(1.0, 0.0)], sigma, x));
        for at in [0.0, 0.4, 2.0] {
            let exact = hockey_stick(at, p, q_density).max(hockey_stick(at, q_density, p));
            let found = pld::delta(&user(sigma, q, k), epsilon(at)).unwrap();
            assert!(found.lower <= exact * (1.0 + 2e-5) && exact <= found.upper * (1.0 + 2e-5), "{sigma} {q} {k} {at}: {found:?} {exact}");
            assert!(found.upper - found.lower < 2e-3 * exact, "{sigma} {q} {k} {at}: {found:?} {exact}");
        }
        for order in [1.5, 2.0, 6.0] {
            let exact = renyi(order, p, q_density).max(renyi(order, q_density, p));
            let found = rdp::rdp(&user(sigma, q, k), Order::new(order).unwrap()).unwrap();
            assert!((found / exact - 1.0).abs() < 1e-6, "{sigma} {q} {k} {order}: {found} {exact}");
        }
    }
    // A group of k sampled records is such a user.
    let group = neighbours::for_group(&Event::dp_sgd(noise(1.0), rate(0.1), 3), NonZeroU32::new(4).unwrap()).unwrap();
    assert_eq!(group, user(1.0, 0.1, 4).times(3));
}

/// Every way to draw from three records, with values of -1, 0 and 1: no two neighbours are farther apart than the bound, in
/// hockey-stick and Renyi divergence, and some come close.
#[test]
fn no_small_data_set_exceeds_its_bound() {
    let sigma = 1.3;
    let values = [-1.0, 0.0, 1.0];
    let (records, batch) = (3_usize, 2_usize);
    // All sequences of draws with replacement; all subsets, with whether record i is in.
    let subsets: Vec<Vec<usize>> = (0..1_u32 << records).map(|bits| (0..records).filter(|i| bits >> i & 1 == 1).collect()).collect();
    let sum = |set: &[f64], of: &[usize]| of.iter().map(|&i| set[i]).sum::<f64>();
    let without = |set: &[f64]| -> Vec<(f64, f64)> {
        let drawn: Vec<_> = subsets.iter().filter(|s| s.len() == batch).collect();
        drawn.iter().map(|s| (1.0 / drawn.len() as f64, sum(set, s))).collect()
    };
    let with = |set: &[f64]| -> Vec<(f64, f64)> { (0..9).map(|d| (1.0 / 9.0, set[d / 3] + set[d % 3])).collect() };
    let q = 0.4;
    let poisson_of = |set: &[f64], most: usize| -> Vec<(f64, f64)> {
        let n = set.len();
        let mut mixture = Vec::new();
        for s in subsets.iter().filter(|s| s.iter().all(|&i| i < n)) {
            let weight = f64::powi(q, s.len() as i32) * f64::powi(1.0 - q, (n - s.len()) as i32);
            let kept: Vec<_> = subsets.iter().filter(|k| k.len() == s.len().min(most) && k.iter().all(|i| s.contains(i))).collect();
            mixture.extend(kept.iter().map(|k| (weight / kept.len() as f64, sum(set, k))));
        }
        mixture
    };
    let replace = |event: Event| neighbours::under(&event, Neighbours::ReplaceOne).unwrap();
    let poisson = Event::PoissonSampled { sampling_rate: rate(q), event: gaussian(sigma) };
    let cut =
        |batch| Event::TruncatedPoissonSampled { sampling_rate: rate(q), records: count(3), batch: count(batch), event: gaussian(sigma) };
    let emptied = |event: Event| neighbours::under(&event, Neighbours::ZeroOut).unwrap();
    let whole = |set: &[f64]| poisson_of(set, 3);
    let first = |set: &[f64]| poisson_of(set, 1);
    let two = |set: &[f64]| poisson_of(set, 2);
    type Mechanism<'a> = &'a dyn Fn(&[f64]) -> Vec<(f64, f64)>;
    use Neighbours::{AddOrRemoveOne, ReplaceOne, ZeroOut};
    let cases: [(Event, Mechanism<'_>, Neighbours); 9] = [
        (replace(fixed(sigma, 3, 2, false)), &without, ReplaceOne),
        (replace(fixed(sigma, 3, 2, true)), &with, ReplaceOne),
        (replace(poisson.clone()), &whole, ReplaceOne),
        (replace(cut(1)), &first, ReplaceOne),
        (replace(cut(2)), &two, ReplaceOne),
        (emptied(cut(1)), &first, ZeroOut),
        (emptied(cut(2)), &two, ZeroOut),
        (cut(1), &first, AddOrRemoveOne),
        (poisson, &whole, AddOrRemoveOne),
    ];
    let neighbour = |set: &[f64], value: f64, relation| match relation {
        ReplaceOne => vec![set[0], set[1], value],
        ZeroOut => vec![set[0], set[1], 0.0],
        AddOrRemoveOne => vec![set[0], set[1]],
    };
    for (event, mechanism, relation) in cases {
        let mut closest = 0.0_f64;
        for (at, bound) in [0.0, 0.5, 1.5].map(|at| (at, pld::delta(&event, epsilon(at)).unwrap().upper)) {
            for_all_sets(&values, |set, value| {
                let other = neighbour(set, value, relation);
                let (p, q) = (mechanism(set), mechanism(&other));
                for (p, q) in [(&p, &q), (&q, &p)] {
                    let exact = hockey_stick(at, |x| density(p, sigma, x), |x| density(q, sigma, x));
                    assert!(exact <= bound * (1.0 + 2e-5) + 1e-9, "{event} {at}: {set:?} {other:?}: {exact} {bound}");
                    closest = closest.max(exact / bound);
                }
            });
        }
        assert!(closest > 0.5, "{event}: {closest}");
        for order in [1.4, 2.0, 5.0] {
            let bound = rdp::rdp(&event, Order::new(order).unwrap()).unwrap();
            for_all_sets(&values, |set, value| {
                let other = neighbour(set, value, relation);
                let (p, q) = (mechanism(set), mechanism(&other));
                for (p, q) in [(&p, &q), (&q, &p)] {
                    let exact = renyi(order, |x| density(p, sigma, x), |x| density(q, sigma, x));
                    assert!(exact <= bound * (1.0 + 1e-6) + 1e-9, "{event} {order}: {set:?} {other:?}: {exact} {bound}");
                }
            });
        }
    }
}

/// All sets of three values, up to a change of sign and of order of the first two, with a value for the last record's place.
fn for_all_sets(values: &[f64], mut visit: impl FnMut(&[f64], f64)) {
    for (i, &a) in values.iter().enumerate() {
        for &b in &values[i..] {
            for &value in values {
                visit(&[a, b, 1.0], value);
            }
        }
    }
}

/// Fixed-size batches by the closed form of one step (Balle, Barthe & Gaboardi 2018, Theorem 9) and its special cases.
#[test]
fn fixed_batches_have_a_closed_form() {
    let replace = |event: Event| neighbours::under(&event, Neighbours::ReplaceOne).unwrap();
    for (sigma, n, b) in [(2.0, 1_000, 10), (0.8, 50, 25), (2.0, 10_000, 1)] {
        let gamma = b as f64 / n as f64;
        for at in [0.0, 0.1, 1.0, 3.0] {
            let inner = (f64::exp_m1(at) / gamma).ln_1p();
            let exact = gamma * reticent_accounting::gaussian::log_delta(&gaussian(0.5 * sigma), epsilon(inner)).unwrap().exp();
            let found = pld::delta(&replace(fixed(sigma, n, b, false)), epsilon(at)).unwrap();
            assert!(found.upper >= exact * (1.0 - 1e-9), "{sigma} {n} {b} {at}: {found:?} {exact}");
            assert!(found.lower <= exact * (1.0 + 1e-9), "{sigma} {n} {b} {at}: {found:?} {exact}");
            assert!(found.upper - found.lower <= 1e-6 * exact, "{sigma} {n} {b} {at}: {found:?} {exact}");
        }
    }
    // The whole set is no sample; drawing with replacement costs more than without.
    let (all, plain) = (
        pld::epsilon(&replace(fixed(4.0, 100, 100, false).times(7)), delta(1e-5)).unwrap(),
        pld::epsilon(&gaussian(2.0).times(7), delta(1e-5)).unwrap(),
    );
    assert!(all.upper >= plain.lower && all.lower <= plain.upper, "{all} {plain}");
    let (without, with) = (
        pld::epsilon(&replace(fixed(4.0, 1_000, 50, false).times(100)), delta(1e-5)).unwrap(),
        pld::epsilon(&replace(fixed(4.0, 1_000, 50, true).times(100)), delta(1e-5)).unwrap(),
    );
    assert!(without.upper < with.lower, "{without} {with}");
    assert!(without.upper <= rdp::epsilon(&replace(fixed(4.0, 1_000, 50, false).times(100)), delta(1e-5)).unwrap().epsilon);
    // In Renyi divergence draws of one record that nobody will see rule: a bound, and a loose one.
    assert!(with.upper <= rdp::epsilon(&replace(fixed(4.0, 1_000, 50, true).times(100)), delta(1e-5)).unwrap().epsilon);
    // By itself, and under a relation for which nothing is known, it is refused by name.
    for event in [fixed(1.0, 100, 10, false), Event::ReplaceOne { event: Box::new(truncated(300)) }, replace(fixed(1.0, 10, 11, false))] {
        assert!(pld::epsilon(&event, delta(1e-5)).is_err() && rdp::epsilon(&event, delta(1e-5)).is_err(), "{event}");
    }
}

/// An epoch in which each record has one round costs less than as many Poisson samples at worst, and more than nothing; shuffling
/// is neither (Chua et al. 2024, arXiv:2403.17673, section 4: noise .4, 10,000 rounds, epsilon 4: more than .226).
#[test]
fn shuffling_is_not_sampling() {
    let (sigma, rounds, at) = (0.4, 1e4, 4.0_f64);
    let above = |x: f64| 0.5 * libm_erfc(x / std::f64::consts::SQRT_2);
    // One record's value is 1 against a round of others at -1; the event is that some round exceeds c.
    let lower_bound = (0..400).map(|i| {
        let c = 1.5 + 0.005 * f64::from(i);
        let rest = ((rounds - 1.0) * (-above(c / sigma)).ln_1p()).exp();
        let exceeds = |centre: f64| 1.0 - (1.0 - above((c - centre) / sigma)) * rest;
        exceeds(2.0) - at.exp() * exceeds(1.0)
    });
    let shuffled = lower_bound.fold(0.0, f64::max);
    assert!(shuffled > 0.226, "{shuffled}");
    let sampled = pld::delta(&Event::dp_sgd(noise(sigma), rate(1.0 / rounds), rounds as u64), epsilon(at)).unwrap();
    assert!(sampled.upper <= 1.17e-5, "{sampled:?}");
}

/// The complementary error function by its integral, for the test alone.
fn libm_erfc(x: f64) -> f64 {
    let (cells, reach) = (20_000, 12.0);
    let width = reach / f64::from(cells);
    let sum: f64 = (0..cells).map(|i| (-(x + (f64::from(i) + 0.5) * width).powi(2)).exp()).sum();
    2.0 / std::f64::consts::PI.sqrt() * sum * width
}

#[test]
fn allocation_lies_between_one_round_and_none() {
    let allocation = |sigma: f64, rounds: u64, each: u64| Event::RandomAllocation {
        noise_multiplier: noise(sigma),
        rounds: count(rounds),
        rounds_per_record: count(each),
    };
    let of = |event: &Event| rdp::epsilon(event, delta(1e-5)).unwrap().epsilon;
    assert!((of(&allocation(2.0, 1, 1)).get() - of(&gaussian(2.0)).get()).abs() < 1e-6);
    let mut previous = of(&gaussian(1.0));
    for rounds in [2, 10, 100, 1_000] {
        let here = of(&allocation(1.0, rounds, 1));
        assert!(here < previous, "{rounds}: {here} {previous}");
        previous = here;
    }
    // As many Poisson samples as rounds cost about as much.
    let poisson = of(&Event::dp_sgd(noise(1.0), rate(0.001), 1_000));
    assert!((0.3..3.0).contains(&(previous.get() / poisson.get())), "{previous} {poisson}");
    assert!(of(&allocation(1.0, 1_000, 3)) > previous);
    // Three of ten rounds are three times one of the three in every third at least: rounding up would claim one of four.
    assert_eq!(of(&allocation(1.0, 10, 3)), of(&allocation(1.0, 3, 1).times(3)));
    assert!(pld::epsilon(&allocation(1.0, 10, 1), delta(1e-5)).is_err() && rdp::epsilon(&allocation(1.0, 2, 3), delta(1e-5)).is_err());
}
