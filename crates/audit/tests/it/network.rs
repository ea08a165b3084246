//! The layers that an attacker differentiates say what the model of ours says.

use reticent_accounting::{NoiseMultiplier, SamplingRate};
use reticent_audit::inversion::Slope;
use reticent_audit::update::Network;
use reticent_train::{Architecture, Optimiser, Plan, fit_plain};
use std::num::NonZeroUsize;

#[test]
fn layers_are_those_of_the_model() {
    let pool = crate::label_only::rows(60);
    let plan = Plan {
        unit: "person".into(),
        max_rows_per_unit: NonZeroUsize::MIN,
        sample_rate: SamplingRate::new(0.1).unwrap(),
        noise_multiplier: NoiseMultiplier::new(1.0).unwrap(),
        max_grad_norm: 1.0,
        steps: 20,
        learning_rate: 0.1,
        public_units: 60,
        architecture: Architecture::Mlp { hidden: vec![5, 3] },
        optimiser: Optimiser::Adam,
    };
    let model = fit_plain(&plan, &pool, 20, 0.1).unwrap();
    let (widths, weights) = model.layers().unwrap();
    assert_eq!(widths, [1, 5, 3, 2]);
    let network = Network::new(widths, weights).unwrap();
    for x in [-1.0, -0.3, 0.4, 1.0_f32] {
        let p = model.probabilities(&[x], 1);
        assert!((p[0] - p[1]).abs() > 1e-4, "the model says something");
        for (class, p) in p.iter().enumerate() {
            let found = Slope::confidence(&network, &[f64::from(x)], class).0;
            assert!((found - p).abs() < 1e-5, "{x} {class}: {found} {p}");
        }
    }
}
