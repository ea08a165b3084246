//! Schedules of σ and C: what each step does, and what the event says of it.

use super::*;
use crate::Schedule;
use reticent_accounting::{Delta, Event, pld};
use std::num::NonZeroU64;

fn every(n: u64) -> NonZeroU64 {
    NonZeroU64::new(n).unwrap()
}

fn kinds() -> Vec<Schedule> {
    vec![
        Schedule::Constant,
        Schedule::Linear { end: 0.5, every: every(1) },
        Schedule::Linear { end: 3.0, every: every(7) },
        Schedule::Exponential { factor: 0.9, every: every(4) },
        Schedule::Exponential { factor: 1.1, every: every(1000) },
        Schedule::Steps { from: vec![] },
        Schedule::Steps { from: vec![(0, 0.7), (3, 2.0), (19, 0.1), (20, 5.0), (90, 7.0)] },
    ]
}

#[test]
fn levels_are_the_factors_of_the_steps() {
    for schedule in kinds() {
        for steps in [1, 2, 7, 8, 20] {
            schedule.check("noise_schedule", steps).unwrap();
            let levels: Vec<f64> = schedule.levels(steps).into_iter().flat_map(|(factor, count)| vec![factor; count as usize]).collect();
            let factors: Vec<f64> = (0..steps).map(|step| schedule.factor(step, steps)).collect();
            assert_eq!(levels, factors, "{schedule:?} over {steps}");
        }
    }
    let linear = Schedule::Linear { end: 0.5, every: every(4) };
    assert_eq!(linear.levels(18), [(1.0, 4), (0.875, 4), (0.75, 4), (0.625, 4), (0.5, 2)]);
    let decay = Schedule::Exponential { factor: 0.5, every: every(4) };
    assert_eq!(decay.levels(10), [(1.0, 4), (0.5, 4), (0.25, 2)]);
}

#[test]
fn schedules_that_cannot_be_are_refused() {
    let wrong = [
        (Schedule::Linear { end: 0.0, every: every(1) }, "must be positive and finite at every step"),
        (Schedule::Linear { end: f64::NAN, every: every(1) }, "must be positive and finite at every step"),
        (Schedule::Exponential { factor: -1.0, every: every(1) }, "must be positive and finite at every step"),
        (Schedule::Exponential { factor: 1e-200, every: every(1) }, "must be positive and finite at every step"),
        (Schedule::Steps { from: vec![(3, 1.0), (3, 2.0)] }, "must name its steps in rising order"),
        (Schedule::Steps { from: vec![(3, f64::INFINITY)] }, "must be positive and finite at every step"),
    ];
    for (schedule, why) in wrong {
        for field in ["noise_schedule", "max_grad_norm_schedule"] {
            let error = schedule.check(field, 20).unwrap_err();
            assert_eq!(error.to_string(), format!("`{field}` {why}"));
        }
        assert!(PrivacyPlan { noise_schedule: schedule, ..plan().privacy() }.check().is_err());
    }
    let many = Schedule::Linear { end: 2.0, every: every(1) };
    assert!(many.check("noise_schedule", 256).is_ok() && many.check("noise_schedule", 257).is_err());
    // In range as a factor, out of it with the multiplier.
    let out = PrivacyPlan { noise_schedule: Schedule::Steps { from: vec![(1, 1e308)] }, ..plan().privacy() };
    let out = PrivacyPlan { noise_multiplier: NoiseMultiplier::new(1e10).unwrap(), ..out };
    assert!(out.check().is_err());
    assert!(matches!(out.mechanism(), Event::Unsupported { .. }));
}

/// The noise of each step is σ_t·C_t, and the event names σ_t for as many steps as have it; C_t is in no event.
#[test]
fn a_schedule_is_in_the_noise_and_in_the_event() {
    let plan = PrivacyPlan {
        noise_schedule: Schedule::Linear { end: 2.0, every: every(5) },
        max_grad_norm_schedule: Schedule::Exponential { factor: 0.5, every: every(8) },
        ..plan().privacy()
    };
    plan.check().unwrap();
    let model = random_model(&mut seeded(51), &[100, 100, 2]);
    let (q, sigma) = (plan_rate(), [1.5, 2.0, 2.5, 3.0]);
    for (step, multiplier, bound) in [(0, 1.5, 0.7), (7, 2.0, 0.7), (8, 2.0, 0.35), (13, 2.5, 0.35), (19, 3.0, 0.175)] {
        let clip = plan.clip_at(step, plan.max_grad_norm);
        assert!((clip.max_grad_norm - bound).abs() < 1e-15);
        let sum = clipped_sum(&model, None::<&Batch>, losses, &clip).unwrap();
        check_std(&released(sum, &plan, step), multiplier * bound / 10.0);
    }
    let expected: Vec<Event> = sigma.map(|sigma| Event::dp_sgd(NoiseMultiplier::new(sigma).unwrap(), q, 5)).to_vec();
    assert_eq!(plan.mechanism(), Event::Composed { events: expected });
    // Step by step it is the same.
    let delta = Delta::new(1e-5).unwrap();
    let steps = Event::Composed { events: (0..20).map(|step| plan.step_event(step).unwrap()).collect() };
    let (whole, parts) = (pld::epsilon(&plan.event(), delta).unwrap().upper.get(), pld::epsilon(&steps, delta).unwrap().upper.get());
    assert!((whole / parts - 1.0).abs() < 1e-3, "{whole} {parts}");
    let constant = pld::epsilon(&super::plan().event(), delta).unwrap().upper.get();
    assert!(whole < constant);
}

fn plan_rate() -> SamplingRate {
    plan().sample_rate
}

/// Plans from before there were schedules keep their digest.
#[test]
fn what_is_left_at_its_default_is_not_written() {
    let plan = plan().privacy();
    let json = serde_json::to_string(&plan).unwrap();
    for field in ["schedule", "adaptive", "\"noise\""] {
        assert!(!json.contains(field), "{json}");
    }
    assert_eq!(serde_json::from_str::<PrivacyPlan>(&json).unwrap(), plan);
    let full = PrivacyPlan {
        noise_schedule: Schedule::Steps { from: vec![(3, 0.5)] },
        noise: crate::Noise::Grid { coordinates: every(7) },
        adaptive: Some(crate::AdaptiveClip { quantile: 0.5, learning_rate: 0.2, count_noise: 3.0 }),
        ..plan.clone()
    };
    assert_ne!(full.digest(), plan.digest());
    assert_eq!(serde_json::from_str::<PrivacyPlan>(&serde_json::to_string(&full).unwrap()).unwrap(), full);
}
