//! The bound that adapts, and the counts that are noised with the gradient (pitfall 3).

use super::*;
use crate::{AdaptiveClip, ClipRule, Privatized, Schedule};
use reticent_accounting::Event;

const ADAPTIVE: AdaptiveClip = AdaptiveClip { quantile: 0.6, learning_rate: 0.2, count_noise: 2.0 };

fn adaptive_plan() -> PrivacyPlan {
    let plan = PrivacyPlan { adaptive: Some(ADAPTIVE), ..plan().privacy() };
    plan.check().unwrap();
    plan
}

/// z_Δ of Andrew et al. 2021, Theorem 1, at z = 1.5 and σ_b = 2: (1/2.25 − 1/16)^(−½).
const GRADIENT_MULTIPLIER: f64 = 1.618_079_669_911_781;

fn noised(sum: ClippedSum, plan: &PrivacyPlan, step: u64) -> Privatized {
    sum.privatize(plan, &key(), &binding(), step)
}

/// The share within the bound that a step released, from where the bound went.
fn share(noised: &Privatized, before: f64) -> f64 {
    ADAPTIVE.quantile - (noised.bound() / before).ln() / ADAPTIVE.learning_rate
}

/// Gradient, count within and count not finite of a step, each over its noise: what the Gaussian of multiplier z is about.
fn over_noise(noised: Privatized, plan: &PrivacyPlan, bound: f64) -> Vec<f64> {
    let (share, not_finite) = (share(&noised, bound), noised.not_finite());
    let gradient = noised.into_values().into_values().flatten().map(|v| v * plan.expected_batch() / (GRADIENT_MULTIPLIER * bound));
    gradient.chain([(share - 0.5) * plan.expected_batch() / ADAPTIVE.count_noise, not_finite / plan.noise_multiplier.get()]).collect()
}

/// H1 on gradient and counts together: whoever leaves, in whatever state, the whole query moves by at most 1/z of its noise. A count that
/// is not centred moves by 1/σ_b and not by half of it, and fails here.
#[test]
fn pitfall_03_h1_one_unit_moves_gradient_and_counts_together_by_one_over_z() {
    let mut rng = seeded(61);
    let plan = adaptive_plan();
    let units = random_units(&mut rng, 12, 3, 2, 3);
    let rows = rows(&units, 2, 3);
    let model = random_model(&mut rng, &[3, 4, 2]);
    let poisoned = |chosen: &[usize]| {
        let batch = rows.batch(chosen, &Device::flex()).unwrap();
        let Some(place) = chosen.iter().position(|&unit| unit == 5) else { return batch };
        let nan = burn::tensor::Tensor::full([1, 1], f32::NAN, &Device::flex());
        let inputs = batch.inputs.slice_assign([3 * place..3 * place + 1, 0..1], nan);
        Batch { inputs, ..batch }
    };
    let all: Vec<usize> = (0..12).collect();
    let (mut within, mut largest): (u64, f64) = (0, 0.0);
    for bound in [0.2, 0.7, 5.0] {
        let query = |chosen: &[usize], step| over_noise(noised(sum_of(&model, Some(&poisoned(chosen)), bound), &plan, step), &plan, bound);
        within += sum_of(&model, Some(&poisoned(&all)), bound).within;
        for removed in 0..12 {
            let without: Vec<usize> = all.iter().copied().filter(|&unit| unit != removed).collect();
            let moved = norm(&difference(&query(&all, 3), &query(&without, 3)));
            assert!(moved <= (1.0 + 1e-9) / 1.5, "bound {bound}, unit {removed}: {moved}");
            // A clipped gradient, or one that is not finite, takes all there is.
            largest = largest.max(moved);
        }
    }
    assert!(largest > 0.999 / 1.5 && within > 5 && within < 30, "{largest} {within}");
}

/// The divisor is the public batch size, whoever is there; nobody is no division by zero, and a share of a half.
#[test]
fn pitfall_03_the_count_is_over_a_public_number() {
    let mut rng = seeded(62);
    let plan = adaptive_plan();
    let rows = rows(&random_units(&mut rng, 12, 3, 2, 3), 2, 3);
    let model = random_model(&mut rng, &[3, 2]);
    let nobody = noised(sum_of(&model, None, 0.7), &plan, 4);
    let noise = share(&nobody, 0.7) - 0.5;
    assert!(nobody.bound().is_finite() && noise != 0.0);
    for chosen in [&[0][..], &[1, 2], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]] {
        let sum = sum_of(&model, rows.batch(chosen, &Device::flex()).as_ref(), 0.7);
        let centred = sum.within as f64 - chosen.len() as f64 / 2.0;
        let found = share(&noised(sum, &plan, 4), 0.7);
        assert!((found - (0.5 + centred / 10.0 + noise)).abs() < 1e-12, "{found}");
    }
}

/// On nobody: the share is ½ with noise σ_b/B, the number not finite 0 with noise z, the gradient 0 with noise z_Δ·C/B.
#[test]
fn pitfall_03_counts_and_gradient_have_their_own_noise() {
    let plan = adaptive_plan();
    let model = random_model(&mut seeded(63), &[3, 2]);
    let steps: Vec<Privatized> = (0..4000).map(|step| noised(sum_of(&model, None, 0.7), &plan, step)).collect();
    let shares: Vec<f64> = steps.iter().map(|noised| share(noised, 0.7) - 0.5).collect();
    let not_finite: Vec<f64> = steps.iter().map(Privatized::not_finite).collect();
    check_std(&shares, 2.0 / 10.0);
    check_std(&not_finite, 1.5);
    let gradient: Vec<f64> = steps.into_iter().flat_map(|noised| noised.into_values().into_values().flatten()).collect();
    check_std(&gradient, GRADIENT_MULTIPLIER * 0.7 / 10.0);
    // Independent of each other: correlations over 4,000 steps are N(0, 1/4000); 6.2 deviations, alpha 1e-9.
    let correlation = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / (norm(a) * norm(b));
    let first: Vec<f64> = gradient.chunks(8).map(|step| step[0]).collect();
    for (a, b) in [(&shares, &not_finite), (&shares, &first), (&not_finite, &first)] {
        assert!(correlation(a, b).abs() < 6.2 / 4000_f64.sqrt());
    }
}

/// Units that are not finite are counted with noise, never exactly, also where the bound does not adapt; the event is the same.
#[test]
fn pitfall_21_gradients_that_are_not_finite_are_counted_with_noise() {
    let mut rng = seeded(64);
    let (plain, adapting) = (plan().privacy(), adaptive_plan());
    assert_eq!(plain.event(), adapting.event());
    assert_eq!(plain.mechanism(), Event::dp_sgd(plain.noise_multiplier, plan().sample_rate, 20));
    let rows = rows(&random_units(&mut rng, 6, 3, 2, 1), 2, 1);
    let model = random_model(&mut rng, &[3, 2]);
    let batch = || {
        let batch = rows.batch(&[0, 1, 2, 3, 4, 5], &Device::flex()).unwrap();
        let inputs = batch.inputs.slice_assign([2..5, 0..1], burn::tensor::Tensor::full([3, 1], f32::INFINITY, &Device::flex()));
        Batch { inputs, ..batch }
    };
    for plan in [&plain, &adapting] {
        let counts: Vec<f64> = (0..2000).map(|step| noised(sum_of(&model, Some(&batch()), 0.7), plan, step).not_finite() - 3.0).collect();
        check_std(&counts, 1.5);
        let mean = counts.iter().sum::<f64>() / 2000.0;
        assert!(mean.abs() < 6.2 * 1.5 / 2000_f64.sqrt(), "{mean}: alpha 1e-9");
    }
}

/// With little noise the bound settles where the asked share of units is within it.
#[test]
fn the_bound_goes_to_its_quantile() {
    let mut rng = seeded(65);
    let rows = rows(&random_units(&mut rng, 40, 4, 2, 4), 2, 4);
    let model = random_model(&mut rng, &[4, 6, 2]);
    let all: Vec<usize> = (0..40).collect();
    let batch = rows.batch(&all, &Device::flex());
    for (quantile, start) in [(0.25, 100.0), (0.75, 1e-3)] {
        let adaptive = AdaptiveClip { quantile, learning_rate: 0.2, count_noise: 2.0 };
        let plan = PrivacyPlan { adaptive: Some(adaptive), max_grad_norm: start, ..plan().privacy() };
        let plan =
            PrivacyPlan { sampling: crate::Sampling::Poisson { sample_rate: SamplingRate::new(1.0).unwrap(), public_units: 40 }, ..plan };
        let mut bound = plan.max_grad_norm;
        for step in 0..300 {
            let sum = clipped_sum(&model, batch.as_ref(), losses, &plan.clip_at(step, bound)).unwrap();
            bound = noised(sum, &plan, step).bound();
        }
        let within = sum_of(&model, batch.as_ref(), bound).within as f64 / 40.0;
        // The bound wanders by noise: std of a step's share .05, gain .2, so about .05·√(.2/2) of a share around the quantile; units are 1/40.
        assert!((within - quantile).abs() < 0.15, "{within} for {quantile} at {bound}");
    }
}

/// One number is the state: a run that goes on from it is the run that was not stopped.
#[test]
fn the_bound_is_all_that_a_checkpoint_needs() {
    let mut rng = seeded(66);
    let plan = adaptive_plan();
    let rows = rows(&random_units(&mut rng, 20, 3, 2, 3), 2, 3);
    let model = random_model(&mut rng, &[3, 2]);
    let step = |step: u64, bound: f64| {
        let chosen = plan.sample(step, 20, &key(), &binding());
        let clip = plan.clip_at(step, bound);
        noised(clipped_sum(&model, rows.batch(&chosen, &Device::flex()).as_ref(), losses, &clip).unwrap(), &plan, step).bound()
    };
    let whole: Vec<f64> = (0..20).scan(plan.max_grad_norm, |bound, at| Some(std::mem::replace(bound, step(at, *bound)))).collect();
    assert!(whole.windows(2).all(|two| two[0] != two[1]));
    let written = serde_json::to_string(&whole[11]).unwrap();
    let resumed =
        (11..20).scan(serde_json::from_str(&written).unwrap(), |bound: &mut f64, at| Some(std::mem::replace(bound, step(at, *bound))));
    assert_eq!(resumed.collect::<Vec<_>>(), whole[11..]);
    // Where nothing adapts, the state stays what it was.
    let constant = plan_with(Schedule::Exponential { factor: 0.5, every: 3.try_into().unwrap() });
    let sum = clipped_sum(&model, None::<&Batch>, losses, &constant.clip_at(7, constant.max_grad_norm)).unwrap();
    assert_eq!(noised(sum, &constant, 7).bound(), constant.max_grad_norm);
}

fn plan_with(max_grad_norm_schedule: Schedule) -> PrivacyPlan {
    PrivacyPlan { max_grad_norm_schedule, ..plan().privacy() }
}

#[test]
fn bounds_that_cannot_adapt_are_refused() {
    let check = |adaptive: AdaptiveClip| PrivacyPlan { adaptive: Some(adaptive), ..plan().privacy() }.check().map_err(|e| e.to_string());
    let refused = |adaptive| check(adaptive).unwrap_err();
    assert_eq!(check(ADAPTIVE), Ok(()));
    // z = 1.5: a count with less than .75 would take more than the whole step.
    assert!(check(AdaptiveClip { count_noise: 0.7501, ..ADAPTIVE }).is_ok());
    for count_noise in [0.75, 0.1, 0.0, -2.0, f64::NAN, f64::INFINITY] {
        assert_eq!(refused(AdaptiveClip { count_noise, ..ADAPTIVE }), "`count_noise` must be above half the noise multiplier, and finite");
    }
    for quantile in [-0.1, 1.1, f64::NAN] {
        assert_eq!(refused(AdaptiveClip { quantile, ..ADAPTIVE }), "`quantile` must be from 0 to 1");
    }
    for learning_rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(refused(AdaptiveClip { learning_rate, ..ADAPTIVE }), "`learning_rate` must be positive and finite");
    }
    let both = PrivacyPlan { max_grad_norm_schedule: Schedule::Steps { from: vec![(1, 2.0)] }, ..adaptive_plan() };
    assert!(both.check().is_err());
    let automatic = PrivacyPlan { clip: ClipRule::Automatic { stability: 0.01 }, ..adaptive_plan() };
    assert!(automatic.check().is_err());
    // With the multiplier at its largest the count must still pay.
    let rising = PrivacyPlan { noise_schedule: Schedule::Steps { from: vec![(9, 3.0)] }, ..adaptive_plan() };
    assert!(rising.check().is_err());
}
