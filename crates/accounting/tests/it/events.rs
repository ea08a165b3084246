//! Events other than subsampled Gaussians: against exact sums, other libraries, and what their JSON has always meant.

use std::num::{NonZeroU32, NonZeroU64};

use proptest::prelude::*;
use reticent_accounting::calibrate::{self, Accountant};
use reticent_accounting::{Error, Event, Runs, gaussian, pld, pure, rdp, zcdp};

use crate::{delta, dp_sgd, epsilon, gaussian as noise, sigma};

fn laplace(scale: f64) -> Event {
    Event::Laplace { scale: sigma(scale) }
}

fn response(e: f64, answers: u32) -> Event {
    Event::RandomisedResponse { epsilon: epsilon(e), answers: NonZeroU32::new(answers).unwrap() }
}

/// dp-accounting 0.6.0, privacy_loss_distribution.from_* self-composed, pessimistic, at spacings of 1e-4 (1e-5 for fewer
/// than 100 repetitions of Laplace). Ours may be tighter, never looser; and never below their optimistic value.
#[test]
fn never_looser_than_dp_accounting() {
    check(&laplace(1.0), 1e-5, 0.999_979_999_900_001_3, 1e-8);
    check(&laplace(2.0).times(10), 1e-5, 4.989_962_311_196_528, 5e-5);
    check(&laplace(10.0).times(500), 1e-6, 12.270_368_155_365_09, 2e-3);
    let discrete_laplace = |scale| Event::DiscreteLaplace { scale: sigma(scale) };
    check(&discrete_laplace(2.0).times(10), 1e-5, 4.998_854_120_412_484, 1e-3);
    check(&discrete_laplace(10.0).times(500), 1e-6, 12.517_879_960_726_878, 2e-3);
    // There the noise is 2, and 5 for a sensitivity of 3.
    let discrete_gaussian =
        |noise, moves| Event::DiscreteGaussian { noise_multiplier: sigma(noise), sensitivity: NonZeroU32::new(moves).unwrap() };
    check(&discrete_gaussian(2.0, 1).times(10), 1e-5, 7.495_253_657_963_869, 2e-3);
    check(&discrete_gaussian(5.0 / 3.0, 3).times(20), 1e-6, 15.783_492_967_383_03, 2e-3);
    // Noise parameter 0.5 of 4 answers: ln((0.5 + 0.125)/0.125).
    check(&response(5.0_f64.ln(), 4).times(5), 1e-3, 8.036_958_877_063_553, 2e-3);
    check(&Event::Approximate { epsilon: epsilon(0.1), delta: delta(1e-8) }.times(100), 1e-5, 4.329_636_714_037_352, 2e-3);
    check(&Event::Composed { events: vec![dp_sgd(0.01, 1.1, 500), laplace(5.0).times(3)] }, 1e-5, 1.512_888_194_915_214_6, 2e-3);
    let renyi = rdp::epsilon(&laplace(2.0).times(10), delta(1e-5)).unwrap().epsilon.get();
    assert!(renyi <= 4.990_334_479_142_616 + 1e-9 && renyi > 4.98, "{renyi}");
}

#[track_caller]
fn check(event: &Event, at: f64, reference: f64, slack: f64) {
    let found = pld::epsilon(event, delta(at)).unwrap();
    assert!(found.upper.get() <= reference + 1e-6, "{event}: {found} is looser than {reference}");
    assert!(found.upper.get() >= reference - slack, "{event}: {found} is far below {reference}");
    assert!(found.width() <= (1e-3 * found.upper.get()).max(1e-6), "{event}: {found}");
}

/// T binary randomised responses: the number of true answers is binomial, so delta is a finite sum.
#[test]
fn randomised_response_is_an_exact_sum() {
    for (e, count) in [(0.5_f64, 1_u64), (0.5, 7), (0.1, 60), (2.0, 25)] {
        let p = e.exp() / (1.0 + e.exp());
        let exact = |at: f64| {
            let mut mass = (1.0 - p).powi(count as i32);
            let mut sum = 0.0;
            for k in 0..=count {
                let loss = e * (2.0 * k as f64 - count as f64);
                sum += mass * (1.0 - (at - loss).exp()).max(0.0);
                mass *= (count - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
            }
            sum
        };
        for at in [0.0, 0.3, 0.9 * e * count as f64] {
            let found = pld::delta(&response(e, 2).times(count), epsilon(at)).unwrap();
            let exact = exact(at);
            assert!(found.lower <= exact * (1.0 + 1e-9) && exact * (1.0 - 1e-9) <= found.upper, "{e} {count} {at}: {found:?} {exact}");
            assert!(found.upper - found.lower <= 2e-3 * exact, "{e} {count} {at}: {found:?} {exact}");
        }
    }
}

/// Without sampling every step, tree and band is a Gaussian, and the tree's value is dp-accounting's.
#[test]
fn trees_and_bands_are_gaussians() {
    let steps = NonZeroU64::new(2048).unwrap();
    let tree = Event::TreeAggregation { noise_multiplier: sigma(8.83), steps };
    // 2048 leaves: 12 levels. dp-accounting gives 1.657163 by Renyi.
    let exact = gaussian::epsilon(&tree, delta(1e-5)).unwrap().get();
    assert!(pld::epsilon(&tree, delta(1e-5)).unwrap().contains(exact));
    assert_eq!(exact, gaussian::epsilon(&noise(8.83).times(12), delta(1e-5)).unwrap().get());
    let bands = |bands: u64| Event::BandedMatrix {
        noise_multiplier: sigma(1.1),
        sampling_rate: reticent_accounting::SamplingRate::new(0.01).unwrap(),
        bands: NonZeroU64::new(bands).unwrap(),
        steps,
    };
    for (count, rounds) in [(1, 2048), (10, 205)] {
        let run = pld::epsilon(&dp_sgd(0.01, 1.1, rounds), delta(1e-5)).unwrap();
        assert_eq!(pld::epsilon(&bands(count), delta(1e-5)).unwrap(), run);
    }
}

/// dp-accounting on the run sigma 1.1, q 256/60000, 14062 steps (the reference page).
#[test]
fn the_best_of_several_runs() {
    let run = dp_sgd(256.0 / 60_000.0, 1.1, 14_062);
    for (runs, mean, reference) in [
        (Runs::Geometric, 10.0, 5.048_830),
        (Runs::Logarithmic, 10.0, 4.294_357),
        (Runs::Poisson, 10.0, 5.748_687),
        (Runs::Geometric, 30.0, 5.726_944),
    ] {
        let event = Event::RepeatAndSelect { runs, mean, event: Box::new(run.clone()) };
        let ours = rdp::epsilon(&event, delta(1e-5)).unwrap().epsilon.get();
        assert!(ours <= reference + 1e-6 && ours > 0.98 * reference, "{runs:?} {mean}: {ours} {reference}");
    }
}

/// The meaning of an event never changes, and neither does its JSON: ledgers hold it.
#[test]
fn json_is_as_it_has_always_been() {
    let n = |value| NonZeroU64::new(value).unwrap();
    let rate = reticent_accounting::SamplingRate::new(0.5).unwrap();
    let fixed = Event::FixedSizeSampled { records: n(100), batch: n(10), with_replacement: true, event: Box::new(noise(2.0)) };
    let golden = [
        (Event::None, r#"{"kind":"none"}"#),
        (noise(2.0), r#"{"kind":"gaussian","noise_multiplier":2.0}"#),
        (
            dp_sgd(0.5, 2.0, 3),
            r#"{"kind":"self-composed","event":{"kind":"poisson-sampled","sampling_rate":0.5,"event":{"kind":"gaussian","noise_multiplier":2.0}},"count":3}"#,
        ),
        (laplace(2.0), r#"{"kind":"laplace","scale":2.0}"#),
        (Event::DiscreteLaplace { scale: sigma(2.0) }, r#"{"kind":"discrete-laplace","scale":2.0}"#),
        (
            Event::DiscreteGaussian { noise_multiplier: sigma(2.0), sensitivity: NonZeroU32::MIN },
            r#"{"kind":"discrete-gaussian","noise_multiplier":2.0,"sensitivity":1}"#,
        ),
        (response(1.0, 3), r#"{"kind":"randomised-response","epsilon":1.0,"answers":3}"#),
        (Event::Pure { epsilon: epsilon(1.0) }, r#"{"kind":"pure","epsilon":1.0}"#),
        (Event::Approximate { epsilon: epsilon(1.0), delta: delta(0.1) }, r#"{"kind":"approximate","epsilon":1.0,"delta":0.1}"#),
        (draws(0.5, 0.25), r#"{"kind":"inexact","log_ratio":0.5,"total_variation":0.25}"#),
        (Event::Zcdp { xi: epsilon(0.0), rho: epsilon(0.5) }, r#"{"kind":"zcdp","xi":0.0,"rho":0.5}"#),
        (Event::Exponential { epsilon: epsilon(1.0) }, r#"{"kind":"exponential","epsilon":1.0}"#),
        (Event::PermuteAndFlip { epsilon: epsilon(1.0) }, r#"{"kind":"permute-and-flip","epsilon":1.0}"#),
        (
            Event::TreeAggregation { noise_multiplier: sigma(2.0), steps: NonZeroU64::MIN },
            r#"{"kind":"tree-aggregation","noise_multiplier":2.0,"steps":1}"#,
        ),
        (
            Event::RepeatAndSelect { runs: Runs::Geometric, mean: 4.0, event: Box::new(Event::None) },
            r#"{"kind":"repeat-and-select","runs":"geometric","mean":4.0,"event":{"kind":"none"}}"#,
        ),
        (
            fixed.clone(),
            r#"{"kind":"fixed-size-sampled","records":100,"batch":10,"with_replacement":true,"event":{"kind":"gaussian","noise_multiplier":2.0}}"#,
        ),
        (
            Event::ReplaceOne { event: Box::new(fixed) },
            r#"{"kind":"replace-one","event":{"kind":"fixed-size-sampled","records":100,"batch":10,"with_replacement":true,"event":{"kind":"gaussian","noise_multiplier":2.0}}}"#,
        ),
        (
            Event::TruncatedPoissonSampled { sampling_rate: rate, records: n(100), batch: n(10), event: Box::new(noise(2.0)) },
            r#"{"kind":"truncated-poisson-sampled","sampling_rate":0.5,"records":100,"batch":10,"event":{"kind":"gaussian","noise_multiplier":2.0}}"#,
        ),
        (Event::ZeroOut { event: Box::new(Event::None) }, r#"{"kind":"zero-out","event":{"kind":"none"}}"#),
        (
            Event::BandedMatrix { noise_multiplier: sigma(2.0), sampling_rate: rate, bands: n(3), steps: n(10) },
            r#"{"kind":"banded-matrix","noise_multiplier":2.0,"sampling_rate":0.5,"bands":3,"steps":10}"#,
        ),
        (
            Event::UserLevelGaussian { noise_multiplier: sigma(2.0), sampling_rate: rate, records_per_user: NonZeroU32::MIN },
            r#"{"kind":"user-level-gaussian","noise_multiplier":2.0,"sampling_rate":0.5,"records_per_user":1}"#,
        ),
        (
            Event::RandomAllocation { noise_multiplier: sigma(2.0), rounds: n(10), rounds_per_record: n(3) },
            r#"{"kind":"random-allocation","noise_multiplier":2.0,"rounds":10,"rounds_per_record":3}"#,
        ),
        (
            Event::RepeatAndSelect { runs: Runs::Logarithmic, mean: 4.0, event: Box::new(Event::None) },
            r#"{"kind":"repeat-and-select","runs":"logarithmic","mean":4.0,"event":{"kind":"none"}}"#,
        ),
        (
            Event::RepeatAndSelect { runs: Runs::Poisson, mean: 4.0, event: Box::new(Event::None) },
            r#"{"kind":"repeat-and-select","runs":"poisson","mean":4.0,"event":{"kind":"none"}}"#,
        ),
        (
            Event::Composed { events: vec![Event::Unsupported { name: "x".into() }] },
            r#"{"kind":"composed","events":[{"kind":"unsupported","name":"x"}]}"#,
        ),
    ];
    for (event, json) in golden {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<Event>(json).unwrap(), event);
    }
}

#[test]
fn what_cannot_be_bounded_is_refused_by_name() {
    let at = delta(1e-5);
    let inner = Box::new(noise(1.0));
    let (records, batch) = (NonZeroU64::new(100).unwrap(), NonZeroU64::new(10).unwrap());
    for event in [
        Event::Unsupported { name: "shuffling".into() },
        Event::FixedSizeSampled { records, batch, with_replacement: false, event: inner.clone() },
        Event::ReplaceOne { event: inner },
        Event::PoissonSampled { sampling_rate: reticent_accounting::SamplingRate::new(0.1).unwrap(), event: Box::new(laplace(1.0)) },
    ] {
        for refused in [pld::epsilon(&event, at).unwrap_err(), rdp::epsilon(&event, at).unwrap_err()] {
            assert!(matches!(&refused, Error::UnsupportedEvent { event: named, .. } if **named == event), "{refused}");
        }
    }
    // Of an allocation only Renyi divergences are known; one round in ten costs less than every round.
    let allocation = |rounds| Event::RandomAllocation { noise_multiplier: sigma(1.0), rounds: records, rounds_per_record: rounds };
    assert!(matches!(pld::epsilon(&allocation(batch), at), Err(Error::UnsupportedEvent { .. })));
    let (some, all) = (rdp::epsilon(&allocation(batch), at).unwrap().epsilon, rdp::epsilon(&noise(1.0).times(10), at).unwrap().epsilon);
    assert!(some < all, "{some} {all}");
    let zcdp = Event::Zcdp { xi: epsilon(0.0), rho: epsilon(0.1) };
    assert!(matches!(pld::epsilon(&zcdp, at), Err(Error::UnsupportedEvent { .. })));
    assert!(matches!(gaussian::epsilon(&laplace(1.0), at), Err(Error::UnsupportedEvent { .. })));
    let approximate = Event::Approximate { epsilon: epsilon(1.0), delta: delta(1e-6) };
    assert!(matches!(rdp::epsilon(&approximate, at), Err(Error::UnsupportedEvent { .. })));
    assert!(matches!(pld::epsilon(&response(1.0, 1), at), Err(Error::OutOfRange { .. })));
    // A delta that the event itself exceeds.
    assert!(pld::epsilon(&approximate, delta(1e-7)).is_err());
}

fn draws(log_ratio: f64, total_variation: f64) -> Event {
    Event::Inexact { log_ratio: epsilon(log_ratio), total_variation: delta(total_variation) }
}

/// What inexact draws add, against the statement itself with exact curves on both sides of it.
#[test]
fn inexact_draws_cost_what_the_event_says() {
    let rate = reticent_accounting::SamplingRate::new(0.01).unwrap();
    let run = dp_sgd(0.01, 1.1, 1_000);
    let with = |gamma, eta, count: u64| Event::Composed { events: vec![run.clone(), draws(gamma, eta).times(count)] };
    let at = delta(1e-5);
    let stated = pld::epsilon(&run, at).unwrap();
    assert_eq!(pld::epsilon(&with(0.0, 0.0, 1), at).unwrap(), stated);
    for (gamma, eta, count) in [(0.0, 1e-10, 1_000), (1e-4, 0.0, 100), (1e-5, 1e-9, 50)] {
        let (gammas, etas) = (gamma * count as f64, eta * count as f64);
        let event = with(gamma, eta, count);
        let found = pld::epsilon(&event, at).unwrap();
        assert_eq!(found.lower, stated.lower);
        let e = found.upper.get();
        // The exact curve at the same place, and what is added there, make delta.
        let before = pld::delta(&run, epsilon(e - 2.0 * gammas)).unwrap();
        let made = gammas.exp() * before.upper + (1.0 + e.exp()) * etas;
        assert!((made / 1e-5 - 1.0).abs() < 5e-3 && e > stated.upper.get(), "{event}: {e} {made:e}");
        let back = pld::delta(&event, found.upper).unwrap();
        assert!((back.upper / made - 1.0).abs() < 1e-9, "{back:?} {made:e}");
        assert!((back.lower / pld::delta(&run, found.upper).unwrap().lower - 1.0).abs() < 1e-12);
        // Below it by less than the grid's width.
        let lower_delta = pld::delta(&event, epsilon(e * 0.99)).unwrap();
        assert!(lower_delta.upper > 1e-5, "{lower_delta:?}");
        let renyi = rdp::epsilon(&event, at).unwrap().epsilon.get();
        assert!(renyi > rdp::epsilon(&run, at).unwrap().epsilon.get() && renyi > e, "{renyi} {e}");
        assert!((rdp::delta(&event, epsilon(renyi)).unwrap() / 1e-5 - 1.0).abs() < 1e-4);
        // The attack's rate: the stated law's at a rate that is a little higher, and a little more.
        let [one, other] = [&event, &run].map(|event| pld::trade_off(event, &[0.01]).unwrap()[0]);
        assert!(one > other && one < other * (1.0 + 20.0 * gammas + 1e-3), "{one} {other}");
    }
    // Gaussians alone are exact, and so is what is added.
    let gaussians = Event::Composed { events: vec![noise(2.0).times(3), draws(0.0, 1e-8)] };
    let e = gaussian::epsilon(&gaussians, at).unwrap();
    let made = gaussian::log_delta(&noise(2.0).times(3), e).unwrap().exp() + 1e-8 * (1.0 + e.get().exp());
    assert!((made / 1e-5 - 1.0).abs() < 1e-6, "{made:e}");
    assert!((gaussian::log_delta(&gaussians, e).unwrap().exp() / 1e-5 - 1.0).abs() < 1e-6);
    assert!(pld::epsilon(&gaussians, at).unwrap().contains(e.get()) || pld::epsilon(&gaussians, at).unwrap().upper >= e);
    // The best of ten runs on average is as far off as ten runs; its other events cost what they do for exact draws.
    for runs in [Runs::Geometric, Runs::Logarithmic, Runs::Poisson] {
        let best = |one: Event| Event::RepeatAndSelect { runs, mean: 10.0, event: Box::new(one) };
        let [with, without] = [with(0.0, 1e-9, 1), run.clone()].map(best);
        let e = rdp::epsilon(&with, at).unwrap().epsilon;
        let made = rdp::delta(&without, e).unwrap() + 1e-8 * (1.0 + e.get().exp());
        let slack = if runs == Runs::Poisson { 1e-2 } else { 1e-3 };
        assert!((made / 1e-5 - 1.0).abs() < slack, "{runs:?} {e}: {made:e}");
        let ratio = rdp::epsilon(&best(Event::Composed { events: vec![run.clone(), draws(1e-3, 0.0)] }), at).unwrap().epsilon.get();
        let exact = rdp::epsilon(&without, at).unwrap().epsilon.get();
        assert!(ratio > exact + 1e-3 && ratio < exact + 2e-2, "{runs:?} {ratio} {exact}");
    }
    // Where delta cannot pay.
    assert!(matches!(pld::epsilon(&with(0.0, 1e-6, 1), at), Err(Error::InexactDraws { .. })));
    // Too little noise for any bound is less than what meets a target.
    let rough = |sigma| Event::Composed { events: vec![Event::dp_sgd(sigma, rate, 1_000), draws(0.0, 1e-20)] };
    let exact = |sigma| Event::dp_sgd(sigma, rate, 1_000);
    assert!(matches!(pld::epsilon(&rough(sigma(0.2)), at), Err(Error::InexactDraws { .. })));
    for accountant in [Accountant::Pld, Accountant::Rdp] {
        let [rough, exact] = [
            calibrate::noise_multiplier(epsilon(2.0), at, 1e-3, accountant, rough).unwrap(),
            calibrate::noise_multiplier(epsilon(2.0), at, 1e-3, accountant, exact).unwrap(),
        ];
        assert!((rough.get() - exact.get()).abs() < 2e-3, "{rough} {exact}");
    }
    // Whatever one record is, the draws are the same.
    let restated = reticent_accounting::neighbours::under(&gaussians, reticent_accounting::Neighbours::ReplaceOne).unwrap();
    assert_eq!(restated, Event::Composed { events: vec![noise(1.0).times(3), draws(0.0, 1e-8)] });
}

/// Which accountant answers for which event, under adding or removing a record: by each kind's name in JSON.
#[test]
fn each_accountant_answers_or_refuses_by_name() {
    let n = |value| NonZeroU64::new(value).unwrap();
    let rate = reticent_accounting::SamplingRate::new(0.05).unwrap();
    let fixed = Event::FixedSizeSampled { records: n(100), batch: n(10), with_replacement: false, event: Box::new(noise(2.0)) };
    let cut = Event::TruncatedPoissonSampled { sampling_rate: rate, records: n(100), batch: n(10), event: Box::new(noise(2.0)) };
    // PLD, Renyi, exact Gaussian, zCDP, pure.
    let table = [
        (Event::None, "yyyyy"),
        (noise(2.0), "yyyyn"),
        (dp_sgd(0.05, 2.0, 1), "yynnn"),
        (laplace(2.0), "yynyy"),
        (Event::DiscreteLaplace { scale: sigma(2.0) }, "yynyy"),
        (Event::DiscreteGaussian { noise_multiplier: sigma(2.0), sensitivity: NonZeroU32::MIN }, "yynyn"),
        (response(1.0, 3), "yynyy"),
        (Event::Pure { epsilon: epsilon(1.0) }, "yynyy"),
        (Event::Approximate { epsilon: epsilon(1.0), delta: delta(1e-9) }, "ynnnn"),
        (Event::Zcdp { xi: epsilon(0.0), rho: epsilon(0.5) }, "nynyn"),
        (Event::Exponential { epsilon: epsilon(1.0) }, "yynyy"),
        (Event::PermuteAndFlip { epsilon: epsilon(1.0) }, "yynyy"),
        (fixed.clone(), "nnnnn"),
        (Event::ReplaceOne { event: Box::new(fixed) }, "yynnn"),
        (cut.clone(), "yynnn"),
        (Event::ZeroOut { event: Box::new(cut.clone()) }, "yynnn"),
        (Event::ReplaceOne { event: Box::new(cut) }, "yynnn"),
        (Event::ZeroOut { event: Box::new(dp_sgd(0.05, 2.0, 1)) }, "nnnnn"),
        (Event::TreeAggregation { noise_multiplier: sigma(2.0), steps: n(5) }, "yyyyn"),
        (Event::BandedMatrix { noise_multiplier: sigma(2.0), sampling_rate: rate, bands: n(3), steps: n(10) }, "yynnn"),
        (
            Event::UserLevelGaussian { noise_multiplier: sigma(2.0), sampling_rate: rate, records_per_user: NonZeroU32::new(3).unwrap() },
            "yynnn",
        ),
        (Event::RandomAllocation { noise_multiplier: sigma(2.0), rounds: n(10), rounds_per_record: n(1) }, "nynnn"),
        (Event::RepeatAndSelect { runs: Runs::Geometric, mean: 4.0, event: Box::new(noise(2.0)) }, "nynnn"),
        (draws(0.0, 1e-9), "yyynn"),
        (Event::Composed { events: vec![dp_sgd(0.05, 2.0, 1), draws(1e-9, 1e-9)] }, "yynnn"),
        (Event::RepeatAndSelect { runs: Runs::Geometric, mean: 4.0, event: Box::new(draws(1e-9, 1e-9)) }, "nynnn"),
        (Event::Unsupported { name: "shuffling".into() }, "nnnnn"),
    ];
    for (event, expected) in table {
        let at = delta(1e-5);
        let answers = [
            pld::epsilon(&event, at).map(|found| found.upper),
            rdp::epsilon(&event, at).map(|found| found.epsilon),
            gaussian::epsilon(&event, at),
            zcdp::rho(&event).and_then(|rho| zcdp::epsilon(rho, at)),
            pure::epsilon(&event),
        ];
        for (answer, expected) in answers.into_iter().zip(expected.chars()) {
            match answer {
                Ok(found) => assert!(expected == 'y' && found.get().is_finite(), "{event}: {found}"),
                Err(error) => assert!(expected == 'n' && matches!(error, Error::UnsupportedEvent { .. }), "{event}: {error}"),
            }
        }
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let leaf = prop_oneof![
        Just(Event::None),
        (0.5_f64..20.0).prop_map(noise),
        (0.5_f64..20.0).prop_map(laplace),
        (0.0_f64..2.0, 2_u32..6).prop_map(|(e, k)| response(e, k)),
        (1e-3_f64..1.0, 0.5_f64..5.0, 1_u64..50).prop_map(|(q, s, n)| dp_sgd(q, s, n)),
        "[a-z]{0,5}".prop_map(|name| Event::Unsupported { name }),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|events| Event::Composed { events }),
            (inner, 0_u64..4).prop_map(|(event, count)| event.times(count)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any tree survives JSON, and each accountant gives a number or a named refusal; where both answer, the
    /// distribution is at most Renyi's.
    #[test]
    fn any_tree_is_read_back_and_answered(event in any_event()) {
        let json = serde_json::to_string(&event).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Event>(&json).unwrap(), &event);
        let (by_pld, by_renyi) = (pld::epsilon(&event, delta(1e-5)), rdp::epsilon(&event, delta(1e-5)));
        if let (Ok(found), Ok(renyi)) = (by_pld, by_renyi) {
            prop_assert!(found.lower <= found.upper);
            prop_assert!(found.lower.get() <= renyi.epsilon.get() + 1e-9, "{} {} {:?}", event, found, renyi);
        }
    }

    /// Bytes that only look like an event are refused, never a panic.
    #[test]
    fn damaged_json_is_refused_or_read(event in any_event(), at in 0_usize..400, byte in any::<u8>()) {
        let mut bytes = serde_json::to_vec(&event).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(read) = serde_json::from_slice::<Event>(&bytes) {
            let again = serde_json::to_vec(&read).unwrap();
            prop_assert_eq!(serde_json::from_slice::<Event>(&again).unwrap(), read);
        }
    }
}
