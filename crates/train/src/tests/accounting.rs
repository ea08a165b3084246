//! Pitfalls of what a plan is said to cost (15, 23, 29, 30), and harness H4: what an attacker sees of canaries against what is claimed.

use super::*;
use crate::{PrivacyPlan, Sampling, clipped_sum_universal};
use burn::tensor::Tensor;
use proptest::prelude::*;
use reticent_accounting::calibrate::{self, Accountant};
use reticent_accounting::{Delta, Epsilon, Event, Runs, pld, rdp};

/// Two passes over a record in one step: the loss has both, the gradient is their sum, and the unit still moves the sum by at most the bound.
#[test]
fn pitfall_15_a_record_seen_twice_in_a_step_is_clipped_once() {
    fn twice(model: &Classifier, batch: &Batch) -> Tensor<1> {
        losses(model, batch) + losses(model, batch)
    }
    let mut rng = seeded(71);
    for widths in [vec![5, 2], vec![24, 14, 11]] {
        let classes = widths[widths.len() - 1];
        let rows = rows(&random_units(&mut rng, 5, widths[0], classes, 2), classes, 2);
        let model = random_model(&mut rng, &widths);
        for bound in [0.05, 0.8, 50.0] {
            let clip = Clip::flat(bound);
            for unit in 0..5 {
                let alone = rows.batch(&[unit], &Device::flex());
                let sum = flat(&clipped_sum(&model, alone.as_ref(), twice, &clip).unwrap());
                assert!(norm(&sum) <= bound);
                let slow = flat(&clipped_sum_universal(&model, alone.as_ref(), twice, &clip).unwrap());
                assert!(norm(&difference(&sum, &slow)) <= 1e-5 * norm(&slow));
                let free = norm(&fast(&model, &rows, &[unit], 1e9));
                assert!((norm(&sum) / (2.0 * free).min(bound) - 1.0).abs() < 1e-4, "{} of {free}", norm(&sum));
            }
        }
    }
}

fn dp_sgd() -> Event {
    let sampling = Sampling::Poisson { sample_rate: SamplingRate::new(256.0 / 60_000.0).unwrap(), public_units: 60_000 };
    PrivacyPlan::new("record", NonZeroUsize::MIN, sampling, 1.0, NoiseMultiplier::new(1.1).unwrap(), 14_062).event()
}

/// Keeping the best of several runs costs more than a run: Papernot & Steinke 2021, by the values that dp-accounting 0.6.0 gives.
#[test]
fn pitfall_23_the_best_of_several_runs_costs_more_than_one() {
    let delta = Delta::new(1e-5).unwrap();
    let one = rdp::epsilon(&dp_sgd(), delta).unwrap().epsilon.get();
    for (runs, mean, reference) in [
        (Runs::Geometric, 10.0, 5.048830),
        (Runs::Logarithmic, 10.0, 4.294357),
        (Runs::Poisson, 10.0, 5.748687),
        (Runs::Geometric, 30.0, 5.726944),
    ] {
        let best = Event::RepeatAndSelect { runs, mean, event: Box::new(dp_sgd()) };
        let epsilon = rdp::epsilon(&best, delta).unwrap().epsilon.get();
        assert!(epsilon <= reference + 1e-6 && epsilon > one + 1.0, "{runs:?} {mean}: {epsilon}, one run {one}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// At the edges of what a plan may say, its cost is a number in order or a refusal by name: never NaN, never less for less noise.
    #[test]
    fn pitfall_29_plans_at_the_edges_cost_a_number_or_are_refused(
        rate in prop_oneof![Just(f64::MIN_POSITIVE), Just(1e-12), Just(0.5), Just(1.0)],
        noise in prop_oneof![Just(0.05), Just(0.3), Just(1.0), Just(1e6)],
        steps in prop_oneof![Just(1), Just(1_000), Just(1_000_000_u64)],
        at in prop_oneof![Just(1e-300), Just(1e-20), Just(1e-5), Just(0.999)],
    ) {
        let plan = |noise: f64| {
            let sampling = Sampling::Poisson { sample_rate: SamplingRate::new(rate).unwrap(), public_units: 1_000 };
            PrivacyPlan::new("record", NonZeroUsize::MIN, sampling, 1.0, NoiseMultiplier::new(noise).unwrap(), steps)
        };
        let delta = Delta::new(at).unwrap();
        if let (Ok(less), Ok(more)) = (pld::epsilon(&plan(noise).event(), delta), pld::epsilon(&plan(2.0 * noise).event(), delta)) {
            for interval in [less, more] {
                prop_assert!(interval.lower.get() >= 0.0 && interval.lower <= interval.upper && interval.upper.get().is_finite());
            }
            prop_assert!(more.lower <= less.upper);
        }
    }
}

/// What is calibrated meets its target and, with a little less noise, would not.
#[test]
fn pitfall_30_calibration_never_overshoots() {
    let (delta, tolerance) = (Delta::new(1e-5).unwrap(), 1e-3);
    let plan = |noise_multiplier| {
        let sampling = Sampling::Poisson { sample_rate: SamplingRate::new(0.0064).unwrap(), public_units: 10_000 };
        PrivacyPlan::new("record", NonZeroUsize::MIN, sampling, 1.0, noise_multiplier, 1_570).event()
    };
    for target in [0.1, 1.0, 8.0] {
        let epsilon = Epsilon::new(target).unwrap();
        let found = calibrate::noise_multiplier(epsilon, delta, tolerance, Accountant::Pld, plan).unwrap();
        let cost = |noise: f64| pld::epsilon(&plan(NoiseMultiplier::new(noise).unwrap()), delta).unwrap();
        assert!(cost(found.get()).upper.get() <= target, "{target}");
        assert!(cost(found.get() - tolerance).upper.get() > target, "{target}: {found}");
    }
}

/// H4: one run audited (Steinke, Nasr & Jagielski 2023, arXiv:2305.08846, Theorem 5.2). Each of 1,000 canaries has a coordinate of its own and is
/// in by a fair coin; the attacker sees the noised sum and guesses at the 20 highest and lowest. Under the claimed ε the number of right
/// guesses is below a binomial's, up to `2 m δ`.
fn h4_guesses_about_canaries_stay_within_the_claim() {
    const CANARIES: usize = 1_000;
    let sampling = Sampling::Poisson { sample_rate: SamplingRate::new(1.0).unwrap(), public_units: CANARIES as u64 };
    let plan = PrivacyPlan::new("canary", NonZeroUsize::MIN, sampling, 1.0, NoiseMultiplier::new(4.0).unwrap(), 1);
    let delta = 1e-8;
    let claimed = pld::epsilon(&plan.event(), Delta::new(delta).unwrap()).unwrap().upper.get();
    let model = crate::nn::LinearConfig::new(CANARIES, 1).with_bias(false).init(&Device::flex().autodiff());
    let mut coins = seeded(72);
    let is_in: Vec<bool> = (0..CANARIES).map(|_| coins.random()).collect();
    let chosen: Vec<usize> = (0..CANARIES).filter(|&i| is_in[i]).collect();
    let mut inputs = vec![0.0_f32; chosen.len() * CANARIES];
    chosen.iter().enumerate().for_each(|(row, &canary)| inputs[row * CANARIES + canary] = 2.0);
    let rows = crate::Labelled::new(inputs, [chosen.len(), CANARIES], vec![0; chosen.len()]).unwrap();
    let batch = crate::Examples::batch(&rows, &(0..chosen.len()).collect::<Vec<_>>(), &Device::flex());
    let output = |m: &crate::nn::Linear, b: &crate::LabelledBatch<2>| m.forward(b.inputs.clone()).squeeze_dim::<1>(1);
    let sum = clipped_sum(&model, batch.as_ref(), output, &plan.clip()).unwrap();
    let seen = sum.privatize(&plan, &key(), &binding(), 0).into_values().into_values().next().unwrap();

    let mut order: Vec<usize> = (0..CANARIES).collect();
    order.sort_by(|&a, &b| seen[a].total_cmp(&seen[b]));
    let right = order[..20].iter().filter(|&&i| !is_in[i]).count() + order[CANARIES - 20..].iter().filter(|&&i| is_in[i]).count();
    let p_value = binomial_upper_tail(40, 1.0 / (1.0 + (-claimed).exp()), right as u64) + 2.0 * CANARIES as f64 * delta;
    // A right claim is rejected with probability at most 1e-3, were coins and key not fixed.
    assert!(p_value > 1e-3, "{right} of 40 right: more than epsilon {claimed} at delta {delta} allows ({p_value:e})");
}

#[test]
fn h4_a_run_without_noise_is_found_out_and_one_with_noise_is_not() {
    h4_guesses_about_canaries_stay_within_the_claim();
    let caught =
        std::panic::catch_unwind(|| crate::sabotage::plant(crate::sabotage::Bug::NoNoise, h4_guesses_about_canaries_stay_within_the_claim));
    assert!(caught.is_err());
}
