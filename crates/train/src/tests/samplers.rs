//! Every sampler is the one its event tells of: rates, sizes, how often a unit takes part, and what does not depend on other units.

use super::*;
use crate::Sampling;
use reticent_accounting::{Delta, Event, Neighbours, neighbours, pld, rdp};
use std::num::NonZeroU64;

/// Each comparison fails by chance with probability below 2e-9; there are fewer than 2,000.
const ALPHA: f64 = 1e-9;

fn count(n: u64) -> NonZeroU64 {
    NonZeroU64::new(n).unwrap()
}

fn rate(q: f64) -> SamplingRate {
    SamplingRate::new(q).unwrap()
}

fn with(sampling: Sampling, steps: u64) -> PrivacyPlan {
    let plan = PrivacyPlan::new("person", NonZeroUsize::MIN, sampling, 1.0, NoiseMultiplier::new(1.5).unwrap(), steps);
    plan.check().unwrap();
    plan
}

/// How often each unit is drawn at each step.
fn schedule(sampling: Sampling, units: usize, steps: u64) -> Vec<Vec<u64>> {
    let plan = with(sampling, steps);
    plan.check_units(units).unwrap();
    let drawn = |step| {
        let chosen = plan.sample(step, units, &key(), &binding());
        assert!(chosen.is_sorted(), "{chosen:?}");
        let mut times = vec![0; units];
        chosen.into_iter().for_each(|unit| times[unit] += 1);
        times
    };
    (0..steps).map(drawn).collect()
}

/// P(X ≥ x) for X chi-squared with k degrees of freedom is below e^(−k(r − 1 − ln r)/2), r = x/k > 1 (Chernoff).
#[track_caller]
fn check_chi_squared(statistic: f64, degrees: f64) {
    let r: f64 = statistic / degrees;
    assert!(r <= 1.0 || degrees * (r - 1.0 - r.ln()) / 2.0 < (1.0 / ALPHA).ln(), "{statistic} at {degrees} degrees of freedom");
}

#[test]
fn pitfall_16_truncated_poisson_is_poisson_with_a_cut() {
    let sampling = Sampling::TruncatedPoisson { sample_rate: rate(0.2), records: count(60), batch: count(14) };
    let drawn = schedule(sampling, 60, 4000);
    let sizes: Vec<u64> = drawn.iter().map(|d| d.iter().sum()).collect();
    assert!(sizes.iter().all(|&size| size <= 14) && drawn.iter().flatten().all(|&times| times <= 1));
    // Uncut sizes are binomial; all larger ones are at the cut.
    let law = |size| binomial_upper_tail(60, 0.2, size);
    check_binomial(sizes.iter().filter(|s| **s == 14).count() as u64, 4000, law(14), ALPHA);
    for size in 6..14 {
        check_binomial(sizes.iter().filter(|s| **s == size).count() as u64, 4000, law(size) - law(size + 1), ALPHA);
    }
    // What is cut is drawn evenly: with one step in four cut, the last unit is in as many as the first. Shares over 60 units, conditional on
    // the sizes: a hypergeometric count a step, of variance n(1 − n/60)/60 in all; nearly chi-squared with 59 degrees of freedom.
    let total: f64 = sizes.iter().map(|&s| s as f64).sum();
    let variance: f64 = sizes.iter().map(|&s| s as f64 / 60.0 * (1.0 - s as f64 / 60.0)).sum::<f64>() * 60.0 / 59.0;
    let statistic = (0..60).map(|u| (drawn.iter().map(|d| d[u]).sum::<u64>() as f64 - total / 60.0).powi(2) / variance).sum();
    check_chi_squared(statistic, 59.0);
    assert_eq!(with(sampling, 9).physical_batch(), Some(14));
}

#[test]
fn pitfall_16_batches_of_a_fixed_size_are_drawn_evenly_and_afresh() {
    let sampling = Sampling::FixedSize { records: count(40), batch: count(10), with_replacement: false };
    let drawn = schedule(sampling, 40, 2000);
    assert!(drawn.iter().all(|d| d.iter().sum::<u64>() == 10 && d.iter().all(|&times| times <= 1)));
    for unit in 0..40 {
        check_binomial(drawn.iter().filter(|d| d[unit] == 1).count() as u64, 2000, 0.25, ALPHA);
    }
    // Two units together: 10·9/(40·39) a step, in steps that do not know of each other.
    for unit in (0..40).step_by(2) {
        let both = drawn.iter().filter(|d| d[unit] + d[unit + 1] == 2).count() as u64;
        check_binomial(both, 2000, 90.0 / 1560.0, ALPHA);
    }
    let again = drawn.chunks(2).map(|two| two[0][7] * two[1][7]).sum();
    check_binomial(again, 1000, 0.0625, ALPHA);
}

#[test]
fn pitfall_16_draws_with_replacement_repeat() {
    let sampling = Sampling::FixedSize { records: count(20), batch: count(30), with_replacement: true };
    let drawn = schedule(sampling, 20, 1000);
    assert!(drawn.iter().all(|d| d.iter().sum::<u64>() == 30));
    // A unit's count in a step is Bin(30, 1/20).
    let law = |k| binomial_upper_tail(30, 0.05, k) - binomial_upper_tail(30, 0.05, k + 1);
    for unit in 0..20 {
        for times in 0..4 {
            check_binomial(drawn.iter().filter(|d| d[unit] == times).count() as u64, 1000, law(times), ALPHA);
        }
    }
}

#[test]
fn pitfall_16_parts_take_turns() {
    let sampling = Sampling::Cyclic { parts: count(4), sample_rate: rate(0.3), public_units: 200 };
    let drawn = schedule(sampling, 200, 800);
    let mut sizes = [0; 4];
    let steps_of = |unit: usize| drawn.iter().enumerate().filter(|(_, times)| times[unit] == 1).map(|(step, _)| step).collect::<Vec<_>>();
    for steps in (0..200).map(steps_of) {
        // One part for the whole run: steps are multiples of four apart.
        assert!(steps.iter().all(|step| step % 4 == steps[0] % 4));
        sizes[steps[0] % 4] += 1;
        check_binomial(steps.len() as u64, 200, 0.3, ALPHA);
    }
    for size in sizes {
        check_binomial(size, 200, 0.25, ALPHA);
    }
    // Within a part units join by themselves: both of a pair of one part, in disjoint pairs.
    let first: Vec<usize> = (0..200).filter(|&unit| steps_of(unit)[0] % 4 == 0).collect();
    let pairs = first.chunks_exact(2);
    let (n, both) = (pairs.len() as u64 * 200, pairs.map(|two| drawn.iter().filter(|d| d[two[0]] * d[two[1]] == 1).count() as u64).sum());
    check_binomial(both, n, 0.09, ALPHA);
}

#[test]
fn pitfall_16_each_unit_is_in_exactly_k_rounds_of_a_block() {
    for k in [1, 3] {
        let sampling = Sampling::RandomAllocation { rounds: count(10), rounds_per_unit: count(k), public_units: 30 };
        let drawn = schedule(sampling, 30, 4000);
        for block in drawn.chunks(10) {
            assert!((0..30).all(|unit| block.iter().map(|d| d[unit]).sum::<u64>() == k), "k = {k}");
        }
        // Every round alike, for every unit; and a block does not know of the one before.
        for round in 0..10 {
            let here = drawn.iter().skip(round).step_by(10).flatten().sum();
            check_binomial(here, 30 * 400, k as f64 / 10.0, ALPHA);
        }
        for unit in 0..30 {
            let pairs = drawn.chunks(20).map(|two| two[3][unit] * two[13][unit]).sum();
            check_binomial(pairs, 200, (k as f64 / 10.0).powi(2), ALPHA);
        }
        // Other units' rounds are no help: neighbours meet by chance alone.
        let meet = drawn.iter().flat_map(|d| d.chunks(2)).filter(|two| two[0] * two[1] == 1).count() as u64;
        let expected = 15.0 * 4000.0 * (k as f64 / 10.0).powi(2);
        assert!((meet as f64 - expected).abs() < 6.2 * expected.sqrt(), "{meet} of {expected}: alpha 1e-9");
    }
}

#[test]
fn pitfall_16_a_shuffle_shows_each_unit_once_an_epoch() {
    let sampling = Sampling::Shuffle { records: count(23), batch: count(5) };
    let drawn = schedule(sampling, 23, 5 * 600);
    for epoch in drawn.chunks(5) {
        assert!((0..23).all(|unit| epoch.iter().map(|d| d[unit]).sum::<u64>() == 1));
        assert_eq!(epoch.iter().map(|d| d.iter().sum()).collect::<Vec<u64>>(), [5, 5, 5, 5, 3]);
    }
    for unit in 0..23 {
        for place in 0..5 {
            let here = drawn.iter().skip(place).step_by(5).map(|d| d[unit]).sum();
            check_binomial(here, 600, if place == 4 { 3.0 } else { 5.0 } / 23.0, ALPHA);
        }
    }
}

/// Whose part is which is drawn by the key, and not told by a unit's place: over 1,200 keys each pair of parts of two neighbours is as likely.
#[test]
fn pitfall_16_parts_are_drawn_and_not_dealt() {
    let plan = with(Sampling::Cyclic { parts: count(3), sample_rate: rate(1.0), public_units: 9 }, 3);
    let mut pairs = [0; 9];
    for run in 0..1200 {
        let binding = Binding { data: run.to_string(), ..binding() };
        let part = |unit| (0..3).find(|&step| plan.sample(step, 9, &key(), &binding).contains(&unit)).unwrap() as usize;
        pairs[3 * part(4) + part(5)] += 1;
    }
    for pair in pairs {
        check_binomial(pair, 1200, 1.0 / 9.0, ALPHA);
    }
}

/// What a sampler draws for others does not follow from whether the last unit is there, and step after step differs.
#[test]
fn one_unit_more_changes_nothing_for_those_before_it() {
    let samplings = [
        Sampling::Poisson { sample_rate: rate(0.3), public_units: 20 },
        Sampling::Cyclic { parts: count(3), sample_rate: rate(0.5), public_units: 20 },
        Sampling::RandomAllocation { rounds: count(4), rounds_per_unit: count(2), public_units: 20 },
    ];
    for sampling in samplings {
        let (with, without) = (schedule(sampling, 21, 60), schedule(sampling, 20, 60));
        assert!(with.iter().zip(&without).all(|(with, without)| with[..20] == without[..]), "{sampling:?}");
        assert!(with.windows(2).any(|two| two[0] != two[1]));
        assert_eq!(sampling.neighbours(), Neighbours::AddOrRemoveOne);
    }
}

#[test]
fn numbers_of_units_that_must_be_public_are_checked() {
    let fixed = with(Sampling::FixedSize { records: count(40), batch: count(10), with_replacement: false }, 3);
    let shuffle = with(Sampling::Shuffle { records: count(40), batch: count(10) }, 3);
    let cut = with(Sampling::TruncatedPoisson { sample_rate: rate(0.1), records: count(40), batch: count(10) }, 3);
    for (plan, fine) in [(&fixed, vec![40]), (&shuffle, vec![40]), (&cut, vec![39, 40])] {
        for units in 1..80 {
            assert_eq!(plan.check_units(units).is_ok(), fine.contains(&units), "{units}: {:?}", plan.sampling);
        }
        assert!(plan.check_units(0).is_err());
    }
    assert!(panics(|| fixed.sample(0, 41, &key(), &binding())));
}

#[test]
fn samplers_that_cannot_be_are_refused() {
    let wrong = [
        (
            Sampling::FixedSize { records: count(4), batch: count(5), with_replacement: false },
            "`batch` must be at most the number of units",
        ),
        (Sampling::Shuffle { records: count(4), batch: count(5) }, "`batch` must be at most the number of units"),
        (
            Sampling::RandomAllocation { rounds: count(4), rounds_per_unit: count(5), public_units: 1 },
            "`rounds_per_unit` must be at most the number of rounds",
        ),
        (Sampling::RandomAllocation { rounds: count(4), rounds_per_unit: count(1), public_units: 0 }, "`units` must be at least 1"),
        (Sampling::Cyclic { parts: count(4), sample_rate: rate(0.5), public_units: 0 }, "`units` must be at least 1"),
    ];
    for (sampling, expected) in wrong {
        let plan = PrivacyPlan::new("person", NonZeroUsize::MIN, sampling, 1.0, NoiseMultiplier::new(1.5).unwrap(), 3);
        assert_eq!(plan.check().unwrap_err().to_string(), expected);
    }
}

/// The event of each sampler is of its own kind; none but Poisson's claims Poisson amplification (pitfall 16: shuffled batches accounted as
/// Poisson).
#[test]
fn pitfall_16_the_event_is_the_samplers_own() {
    let noise_multiplier = NoiseMultiplier::new(1.5).unwrap();
    let gaussian = || Box::new(Event::Gaussian { noise_multiplier });
    let half = Event::Gaussian { noise_multiplier: NoiseMultiplier::new(0.75).unwrap() };
    let (records, batch, sampling_rate) = (count(40), count(10), rate(0.25));
    let cases = [
        (
            Sampling::TruncatedPoisson { sample_rate: sampling_rate, records, batch },
            Event::TruncatedPoissonSampled { sampling_rate, records, batch, event: gaussian() }.times(21),
            10.0,
        ),
        (
            Sampling::FixedSize { records, batch, with_replacement: true },
            Event::ReplaceOne { event: Box::new(Event::FixedSizeSampled { records, batch, with_replacement: true, event: gaussian() }) }
                .times(21),
            10.0,
        ),
        (
            Sampling::Cyclic { parts: count(5), sample_rate: sampling_rate, public_units: 40 },
            Event::BandedMatrix { noise_multiplier, sampling_rate, bands: count(5), steps: count(21) },
            2.0,
        ),
        (
            Sampling::RandomAllocation { rounds: batch, rounds_per_unit: count(2), public_units: 40 },
            Event::RandomAllocation { noise_multiplier, rounds: batch, rounds_per_record: count(2) }.times(3),
            8.0,
        ),
        // Four steps an epoch: the sixth epoch has begun. A replacement moves the sum by twice the bound.
        (Sampling::Shuffle { records, batch }, half.times(6), 10.0),
    ];
    for (sampling, event, divisor) in cases {
        let plan = with(sampling, 21);
        assert_eq!((plan.mechanism(), plan.expected_batch()), (event, divisor));
        let reread: PrivacyPlan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        assert_eq!(reread, plan);
    }
}

/// Shuffling costs more than the same numbers by Poisson would, as much as no sampling at all: σ = .4, ten thousand steps, one epoch. By
/// Poisson δ(4) ≤ 1.2e-5; what is true of shuffling is δ(4) ≥ .226 (Chua et al. 2024).
#[test]
fn pitfall_16_shuffling_claims_no_amplification() {
    let epsilon = reticent_accounting::Epsilon::new(4.0).unwrap();
    let noise = NoiseMultiplier::new(0.4).unwrap();
    let plan = |sampling| PrivacyPlan::new("person", NonZeroUsize::MIN, sampling, 1.0, noise, 10_000);
    let poisson = plan(Sampling::Poisson { sample_rate: rate(1e-4), public_units: 10_000 });
    let shuffled = plan(Sampling::Shuffle { records: count(10_000), batch: count(1) });
    let delta = |plan: &PrivacyPlan| pld::delta(&plan.event(), epsilon).unwrap().upper;
    assert!(delta(&poisson) < 1.2e-5);
    assert!(delta(&shuffled) > 0.226, "{}", delta(&shuffled));
}

/// What σ means when a record is replaced is settled by the sampler: all accountants answer for the same noise. Replacing moves the sum by
/// 2C, so that a full batch of σ costs what one Gaussian of σ/2 costs (pitfall 17; two peers' accountants differ by 2 here: ε 2.166 and
/// 4.377).
#[test]
fn pitfall_17_replacing_is_twice_adding_to_every_accountant() {
    let delta = Delta::new(1e-5).unwrap();
    let noise = NoiseMultiplier::new(2.0).unwrap();
    let plan = |sampling| PrivacyPlan::new("person", NonZeroUsize::MIN, sampling, 1.0, noise, 1);
    let exact = 4.377_178;
    let full = plan(Sampling::FixedSize { records: count(50), batch: count(50), with_replacement: false });
    let epoch = plan(Sampling::Shuffle { records: count(50), batch: count(50) });
    for plan in [&full, &epoch] {
        assert_eq!(plan.neighbours(), Neighbours::ReplaceOne);
        assert_eq!(plan.neighbours().sensitivity_factor(), 2.0);
        let interval = pld::epsilon(&plan.event(), delta).unwrap();
        assert!(interval.upper.get() >= exact - 1e-5 && interval.upper.get() < exact + 1e-2, "{interval:?}");
        let renyi = rdp::epsilon(&plan.event(), delta).unwrap();
        let renyi = renyi.epsilon.get();
        assert!(renyi >= exact && renyi < 1.2 * exact, "{renyi}");
    }
    // Adding: half the sensitivity, and the relation says so.
    let added = plan(Sampling::Poisson { sample_rate: rate(1.0), public_units: 50 });
    assert_eq!(added.neighbours(), Neighbours::AddOrRemoveOne);
    let epsilon = |event: &Event| pld::epsilon(event, delta).unwrap().upper.get();
    assert!(epsilon(&added.event()) < 2.0);
    // The same plan's event, restated for replacement by the accounting crate, is that of the plan that samples by replacement.
    let restated = neighbours::under(&added.event(), Neighbours::ReplaceOne).unwrap();
    assert!((epsilon(&restated) - exact).abs() < 1e-2);
    // And the sum does move by up to 2C: two opposite gradients, one in place of the other.
    let model = Classifier::new(&Architecture::Logistic, 2, 2, NotPrivateSeed(0), &Device::flex().autodiff());
    let rows = rows(&[vec![(vec![0.9, 0.7], 0)], vec![(vec![0.9, 0.7], 1)]], 2, 1);
    let moved = norm(&difference(&fast(&model, &rows, &[0], 0.1), &fast(&model, &rows, &[1], 0.1)));
    assert!(moved > 1.99 * 0.1 && moved <= 2.0 * 0.1, "{moved}");
}

/// What a run is to accountants has how far its noise is drawn from its law, for as many steps as it has; and that costs next to nothing.
#[test]
fn the_event_has_how_far_draws_are_from_their_law() {
    let plan = plan().privacy();
    let Event::Composed { events } = plan.event() else { panic!("{}", plan.event()) };
    assert_eq!(events, [plan.mechanism(), crate::Noise::Gaussian.inexact(20)]);
    assert_eq!(plan.event(), crate::dp_sgd(plan.noise_multiplier, rate(0.25), 20));
    assert_eq!(plan.step_event(3).unwrap(), plan.as_drawn(plan.step_mechanism(3).unwrap(), 1));
    let delta = Delta::new(1e-5).unwrap();
    let (drawn, exact) = (pld::epsilon(&plan.event(), delta).unwrap(), pld::epsilon(&plan.mechanism(), delta).unwrap());
    // Each interval is where it is to its own width.
    assert!(drawn.upper >= exact.lower && drawn.upper.get() < exact.upper.get() + 1e-6, "{drawn} {exact}");
}
