//! How a unit's gradient is shortened so that no unit can move the sum by more than the bound.

use crate::sabotage::{self, Bug};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a step clips to: every rule bounds the L2 norm of a unit's part of the sum by `max_grad_norm`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip {
    /// The bound; positive, finite.
    pub max_grad_norm: f64,
    /// How it is kept.
    pub rule: ClipRule,
}

/// How a gradient of norm n is scaled to the bound C.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClipRule {
    /// By min(1, C/n) (Abadi et al. 2016, arXiv:1607.00133, algorithm 1).
    #[default]
    Flat,
    /// Each of the L layers on its own, by min(1, C/(√L n)) (McMahan et al. 2018, arXiv:1710.06963, section 2.3). A layer is what
    /// holds parameters in the model: a weight and its bias.
    PerLayer,
    /// By C/(n + `stability`), also where n is below C (Bu et al. 2023, arXiv:2206.07136, AUTO-S): the bound becomes part of the
    /// learning rate.
    Automatic {
        /// What keeps small gradients small; positive, .01 in the paper.
        stability: f64,
    },
}

/// The factor is a little below the exact one so that rounding in the sum cannot push a contribution over the bound.
const ROUNDING: f64 = 1.0 - 1e-5;

impl Clip {
    /// `min(1, C/n)`, the usual rule.
    #[must_use]
    pub fn flat(max_grad_norm: f64) -> Self {
        Self { max_grad_norm, rule: ClipRule::Flat }
    }

    /// The factor of each parameter (outer) for each unit (inner), from their squared norms in the same order. A norm that is not finite
    /// takes the whole unit out.
    pub(crate) fn factors(&self, names: &[&str], squared: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let units = squared.first().map_or(0, Vec::len);
        let totals = totals(squared, units);
        match self.rule {
            ClipRule::Flat => vec![totals.iter().map(|&s| shorten(s, self.max_grad_norm)).collect(); squared.len()],
            ClipRule::Automatic { stability } => {
                let factor = |&s: &f64| if s.is_finite() { ROUNDING * self.max_grad_norm / (s.max(0.0).sqrt() + stability) } else { 0.0 };
                vec![totals.iter().map(factor).collect(); squared.len()]
            }
            ClipRule::PerLayer => {
                let layers: Vec<&str> = names.iter().map(|name| name.rsplit_once('.').map_or("", |(layer, _)| layer)).collect();
                let mut by_layer: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
                for (layer, squared) in layers.iter().zip(squared) {
                    let sum = by_layer.entry(layer).or_insert_with(|| vec![0.0; units]);
                    sum.iter_mut().zip(squared).for_each(|(sum, s)| *sum += s);
                }
                let bound = self.max_grad_norm / (by_layer.len() as f64).sqrt();
                let factor = |(&s, total): (&f64, &f64)| if total.is_finite() { shorten(s, bound) } else { 0.0 };
                layers.iter().map(|layer| by_layer[layer].iter().zip(&totals).map(factor).collect()).collect()
            }
        }
    }
}

/// The squared norm of each unit over all parameters.
pub(crate) fn totals(squared: &[Vec<f64>], units: usize) -> Vec<f64> {
    let mut totals = vec![0.0; units];
    for of_parameter in squared {
        totals.iter_mut().zip(of_parameter).for_each(|(total, s)| *total += s);
    }
    totals
}

/// Scales a gradient of this squared norm to at most `bound`; a norm that is not finite gives 0.
fn shorten(squared: f64, bound: f64) -> f64 {
    if !squared.is_finite() {
        return if sabotage::is(Bug::NanLetThrough) { 1.0 } else { 0.0 };
    }
    // Never above 1, also where the Gram form lost digits of a tiny norm.
    ROUNDING * (bound / squared.max(0.0).sqrt().max(f64::MIN_POSITIVE)).min(1.0)
}
