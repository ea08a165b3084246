//! Reading epsilon and delta off a composed distribution, with its errors charged.

use super::compose::{Composed, Exponentials};

/// Running sums over the atoms above a grid point, walked from the top of the window downwards.
pub(super) struct Above {
    /// Sum of mass.
    pub(super) mass: f64,
    /// Sum of mass e^(point - loss), the point being where the walk stands.
    pub(super) discounted: f64,
    /// Sum of the squared weights, for the round-off.
    pub(super) squared_weights: f64,
    /// e^(log_normaliser - lambda point).
    pub(super) weight: f64,
}

/// An upper bound on epsilon, or why it is not one worth having.
pub(crate) enum Upper {
    /// The bound.
    At(f64),
    /// Epsilon is below the window, which ends here.
    BelowWindow(f64),
    /// The errors alone exceed delta.
    Drowned,
}

/// Upper bound on epsilon at `delta` from a distribution composed from above.
pub(crate) fn epsilon_upper(composed: &Composed, delta: f64) -> Upper {
    if composed.above >= delta {
        return Upper::Drowned;
    }
    let mut reached = None;
    let mut smallest = composed.origin;
    walk(composed, |point, above| {
        let noise = composed.round_off * above.squared_weights.sqrt() + composed.above;
        let value = (above.mass - above.discounted) * (1.0 + composed.relative) + noise;
        if value >= delta {
            // Below `point + h` the atoms above are the same and delta(point + y) = mass - discounted e^y.
            let target = (delta - noise) / (1.0 + composed.relative);
            let y = if target > 0.0 { ((above.mass - target) / above.discounted).ln() } else { composed.h };
            reached = Some(point + if y.is_nan() { composed.h } else { y.clamp(0.0, composed.h) });
            return false;
        }
        smallest = point;
        point > 0.0
    });
    match reached {
        Some(epsilon) => Upper::At(f64::max(epsilon, 0.0) + composed.shift),
        // The walk ended at or below zero with delta to spare.
        None if smallest <= 0.0 => Upper::At(0.0),
        None => Upper::BelowWindow(smallest + composed.shift),
    }
}

/// Lower bound on epsilon at `delta` from a distribution composed from below; 0 where nothing better is certain.
pub(crate) fn epsilon_lower(composed: &Composed, delta: f64) -> f64 {
    let mut reached = 0.0;
    walk(composed, |point, above| {
        let lost = composed.round_off * above.squared_weights.sqrt() + composed.aliased * above.weight - composed.infinite * (1.0 - 1e-12);
        let value = (above.mass - above.discounted) * (1.0 - composed.relative) - lost;
        if value >= delta {
            let target = (delta + lost) / (1.0 - composed.relative);
            let y = ((above.mass - target) / above.discounted).ln();
            reached = point + if y.is_nan() { 0.0 } else { y.clamp(0.0, composed.h) } - composed.shift;
            return false;
        }
        point > 0.0
    });
    reached.max(0.0)
}

/// Upper bound on delta at `epsilon` from a distribution composed from above.
pub(crate) fn delta_upper(composed: &Composed, epsilon: f64) -> f64 {
    let epsilon = epsilon - composed.shift;
    let mut bound = 1.0;
    walk(composed, |point, above| {
        let at = epsilon.max(point);
        let noise = composed.round_off * above.squared_weights.sqrt() + composed.above;
        bound = (above.mass - above.discounted * (at - point).exp()).max(0.0) * (1.0 + composed.relative) + noise;
        point > epsilon
    });
    // A window that begins above epsilon has dropped atoms between the two.
    if composed.origin > epsilon { 1.0 } else { bound.min(1.0) }
}

/// Lower bound on delta at `epsilon` from a distribution composed from below.
pub(crate) fn delta_lower(composed: &Composed, epsilon: f64) -> f64 {
    let epsilon = epsilon + composed.shift;
    let mut bound = 0.0;
    walk(composed, |point, above| {
        if point > epsilon {
            return true;
        }
        let lost = composed.round_off * above.squared_weights.sqrt() + composed.aliased * above.weight - composed.infinite * (1.0 - 1e-12);
        bound = (above.mass - above.discounted * (epsilon - point).exp()) * (1.0 - composed.relative) - lost;
        false
    });
    bound.clamp(0.0, 1.0)
}

/// Visits the grid points from the top down with the sums over the atoms strictly above each, until told to stop.
pub(super) fn walk(composed: &Composed, mut visit: impl FnMut(f64, &Above) -> bool) {
    let Composed { h, origin, lambda, log_normaliser, .. } = *composed;
    let last = composed.tilted.len() - 1;
    let top = origin + last as f64 * h;
    let mut weights = Exponentials::new(log_normaliser - lambda * top, lambda * h);
    let shrink = (-h).exp();
    let mut above = Above { mass: 0.0, discounted: 0.0, squared_weights: 0.0, weight: weights.next() };
    for (i, &tilted) in composed.tilted.iter().enumerate().rev() {
        if !visit(origin + i as f64 * h, &above) {
            return;
        }
        let mass = tilted * above.weight;
        above.mass += mass;
        above.discounted = (above.discounted + mass) * shrink;
        above.squared_weights += above.weight * above.weight;
        above.weight = weights.next();
    }
}

/// Upper bound on the true-positive rate at false-positive rate `fpr`, from an untilted distribution from above: the
/// smallest e^epsilon fpr + delta(epsilon) over the grid points.
pub(crate) fn true_positives(composed: &Composed, fpr: f64) -> f64 {
    let mut best = 1.0_f64;
    walk(composed, |point, above| {
        let noise = composed.round_off * above.squared_weights.sqrt() + composed.above;
        let delta = (above.mass - above.discounted).max(0.0) * (1.0 + composed.relative) + noise;
        best = best.min((point + composed.shift).exp() * fpr + delta);
        true
    });
    // Guessing at random reaches the false-positive rate itself.
    best.max(fpr)
}
