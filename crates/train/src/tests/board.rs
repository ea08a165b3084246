//! The sabotage board: each planted bug is caught by the test that is named for it, and by none of them without a bug.

use super::*;
use crate::fit::{More, fresh, run_private};
use crate::sabotage::{Bug, plant};
use crate::{Examples, Permitted, save_weights};
use reticent_accounting::Event;
use std::collections::HashMap;

/// Bugs that a check is named for.
const BUGS: [Bug; 12] = [
    Bug::NoNoise,
    Bug::WrongScale,
    Bug::ClipAfterSum,
    Bug::ShuffledSampler,
    Bug::ReusedNoise,
    Bug::SkippedEmptyBatch,
    Bug::LeakedN,
    Bug::NormOfWrongBatchDimension,
    Bug::StaleGradient,
    Bug::AccountantFedOtherSigma,
    Bug::ResumedStreamReused,
    Bug::NanLetThrough,
];

/// A test by its name.
macro_rules! named {
    ($($test:ident)::+) => {
        (stringify!($($test)::+), $($test)::+ as fn())
    };
}

fn check_for(bug: Bug) -> (&'static str, fn()) {
    match bug {
        Bug::NoNoise => named!(pitfalls::pitfall_01_the_measured_std_is_the_declared_one),
        Bug::WrongScale => named!(pitfalls::pitfall_01_02_13_noise_and_divisor_are_public_constants),
        Bug::ClipAfterSum => named!(pitfalls::h1_replay_on_a_neighbour_moves_the_sum_by_at_most_the_bound),
        Bug::ShuffledSampler => named!(sampler::pitfall_16_units_and_steps_are_independent),
        Bug::ReusedNoise => named!(noise::pitfall_19_h2_noise_is_independent_across_parameters_and_steps),
        Bug::SkippedEmptyBatch => named!(pitfalls::pitfall_05_empty_batches_are_noised_and_counted),
        Bug::LeakedN => named!(pitfall_02_the_number_of_units_is_in_nothing_released),
        Bug::NormOfWrongBatchDimension => named!(oracle::clipped_sum_equals_one_unit_at_a_time),
        Bug::StaleGradient => named!(pitfalls::a_run_is_the_sequence_of_its_steps),
        Bug::AccountantFedOtherSigma => named!(the_event_has_the_noise_that_is_measured),
        Bug::ResumedStreamReused => named!(pitfalls::pitfall_27_equal_key_and_binding_give_equal_weights_and_nothing_else_does),
        Bug::NanLetThrough => named!(pitfalls::pitfall_21_rows_that_are_not_finite_contribute_nothing),
    }
}

#[test]
fn sabotage_board() {
    let mut missed = vec![];
    for bug in BUGS {
        let (name, check) = check_for(bug);
        assert!(!panics(check), "{name} fails without any bug");
        if !panics(|| plant(bug, check)) {
            missed.push(format!("{bug:?} passes {name}"));
        }
        assert!(!crate::sabotage::is(bug), "{bug:?} is still planted");
    }
    assert!(missed.is_empty(), "{missed:?}");
    // Planted on this thread alone.
    plant(Bug::NoNoise, || assert!(std::thread::spawn(|| !crate::sabotage::is(Bug::NoNoise)).join().unwrap()));
}

/// The first units of some.
struct First<'a>(&'a UnitRows, usize);

impl Examples for First<'_> {
    type Batch = Batch;

    fn units(&self) -> usize {
        self.1
    }

    fn digest(&self) -> String {
        self.0.digest()
    }

    fn batch(&self, chosen: &[usize], device: &Device) -> Option<Batch> {
        self.0.batch(chosen, device)
    }
}

/// A table of one unit more, whom no step draws, gives the same weights to the bit: nothing that is released follows from the number of
/// units.
#[test]
fn pitfall_02_the_number_of_units_is_in_nothing_released() {
    let rows = rows(&random_units(&mut seeded(101), 31, 3, 2, 3), 2, 3);
    let plan = Plan { sample_rate: SamplingRate::new(0.05).unwrap(), steps: 9, ..plan() };
    let drawn = |count| (0..plan.steps).map(|step| plan.privacy().sample(step, count, &key(), &binding())).collect::<Vec<_>>();
    assert_eq!(drawn(31), drawn(30), "the last unit is drawn: choose another number of steps");
    assert!(drawn(30).iter().any(|units| !units.is_empty()));
    let run = |count| {
        let first = Permitted::new(First(&rows, count), Permit::public("drawn for this test")).unwrap();
        let (key, binding) = (key(), binding());
        let start = fresh(&plan, 3, 2).unwrap();
        let (model, _) = run_private(&plan, first, start, (&key, &binding), More::default(), &mut |_| ()).unwrap();
        save_weights(&model, HashMap::new()).unwrap()
    };
    assert!(run(31) == run(30), "one unit more, never drawn, changed the weights");
}

/// The multiplier that the accountant is told of is the one that can be measured, for every multiplier.
#[test]
fn the_event_has_the_noise_that_is_measured() {
    let model = random_model(&mut seeded(102), &[100, 100, 2]);
    for sigma in [0.4, 1.5, 30.0] {
        let plan = PrivacyPlan { noise_multiplier: NoiseMultiplier::new(sigma).unwrap(), ..plan().privacy() };
        let Event::SelfComposed { event, count: 20 } = plan.mechanism() else { panic!("{}", plan.mechanism()) };
        let Event::PoissonSampled { event, .. } = *event else { panic!("{event}") };
        let Event::Gaussian { noise_multiplier } = *event else { panic!("{event}") };
        check_std(&released(sum_of(&model, None, 0.7), &plan, 3), noise_multiplier.get() * 0.7 / plan.expected_batch());
    }
}
