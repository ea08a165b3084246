//! Reading epsilon and delta off a composed distribution, with its errors charged.

use super::compose::{Composed, Exponentials};

/// Running sums over the atoms above a grid point, walked from the top of the window downwards; d is how far an atom lies above it.
pub(super) struct Above {
    /// Sum of mass.
    pub(super) mass: f64,
    /// Sum of mass (1 - e^-d): delta at the point. All terms are positive: a difference of sums would lose the digits of a small one.
    pub(super) delta: f64,
    /// Sums of the squared weights of round-off, times 1, 1 - e^-d and (1 - e^-d)^2.
    squares: [f64; 3],
    /// e^(log_normaliser - lambda point).
    pub(super) weight: f64,
}

impl Above {
    /// delta at `y` above the point, where no atom is between.
    fn delta_at(&self, y: f64) -> f64 {
        y.exp() * self.delta - y.exp_m1() * self.mass
    }

    /// How far above the point delta has fallen to `target`.
    fn falls_to(&self, target: f64) -> f64 {
        ((self.delta - target) / (self.mass - self.delta)).ln_1p()
    }

    /// By how much round-off of this Euclidean norm moves delta here, at most, by Cauchy and Schwarz: an atom's error counts as its
    /// mass does, so that those just above count for little. A little above the point they count for less.
    fn noise(&self, round_off: f64) -> f64 {
        round_off * self.squares[2].sqrt() * (1.0 + 1e-8)
    }
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
        let noise = above.noise(composed.round_off) + composed.above;
        let value = above.delta * (1.0 + composed.relative) + noise;
        if value >= delta {
            // Below `point + h` the atoms above are the same.
            let target = (delta - noise) / (1.0 + composed.relative);
            let y = if target > 0.0 { above.falls_to(target) } else { composed.h };
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
        let lost = above.noise(composed.round_off) + composed.aliased * above.weight - composed.infinite * (1.0 - 1e-12);
        let value = above.delta * (1.0 - composed.relative) - lost;
        if value >= delta {
            let target = (delta + lost) / (1.0 - composed.relative);
            let y = above.falls_to(target);
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
        let noise = above.noise(composed.round_off) + composed.above;
        bound = above.delta_at(at - point).max(0.0) * (1.0 + composed.relative) + noise;
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
        let lost = above.noise(composed.round_off) + composed.aliased * above.weight - composed.infinite * (1.0 - 1e-12);
        bound = above.delta_at(epsilon - point) * (1.0 - composed.relative) - lost;
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
    let (keep, fall) = ((-h).exp(), -(-h).exp_m1());
    let mut above = Above { mass: 0.0, delta: 0.0, squares: [0.0; 3], weight: weights.next() };
    for (i, &tilted) in composed.tilted.iter().enumerate().rev() {
        if !visit(origin + i as f64 * h, &above) {
            return;
        }
        let mass = tilted * above.weight;
        above.mass += mass;
        // The next point is h lower: 1 - e^-(d + h) = fall + keep (1 - e^-d).
        above.delta = fall * above.mass + keep * above.delta;
        let [all, once, twice] = above.squares;
        let all = all + above.weight * above.weight;
        above.squares = [all, fall * all + keep * once, fall * fall * all + 2.0 * fall * keep * once + keep * keep * twice];
        above.weight = weights.next();
    }
}

/// Upper bound on the true-positive rate at false-positive rate `fpr`, from a distribution composed from above: the
/// smallest e^epsilon fpr + delta(epsilon) over the grid points.
pub(crate) fn true_positives(composed: &Composed, fpr: f64) -> f64 {
    let mut best = 1.0_f64;
    walk(composed, |point, above| {
        let noise = above.noise(composed.round_off) + composed.above;
        let delta = above.delta.max(0.0) * (1.0 + composed.relative) + noise;
        best = best.min((point + composed.shift).exp() * fpr + delta);
        true
    });
    // Guessing at random reaches the false-positive rate itself.
    best.max(fpr)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The running sums are those of the definition, however small the spacing is.
    #[test]
    fn running_sums_are_the_definition() {
        for (h, lambda) in [(0.3, 0.0), (1e-3, 2.0), (1e-7, 1e4)] {
            let tilted: Vec<f64> = (0..300).map(|i| f64::from(i % 7 + 1) / 900.0).collect();
            let (origin, log_normaliser) = (-100.0 * h, 0.3);
            let composed = Composed {
                h,
                origin,
                tilted: tilted.clone(),
                lambda,
                log_normaliser,
                round_off: 1e-9,
                aliased: 0.0,
                above: 0.0,
                infinite: 0.0,
                relative: 0.0,
                shift: 0.0,
            };
            let mut at = tilted.len();
            walk(&composed, |point, above| {
                at -= 1;
                let higher = || {
                    (at + 1..tilted.len())
                        .map(|i| ((i - at) as f64 * h, (log_normaliser - lambda * (origin + i as f64 * h)).exp(), tilted[i]))
                };
                let mass: f64 = higher().map(|(_, weight, t)| weight * t).sum();
                for y in [0.0, 0.4 * h, h] {
                    let delta: f64 = higher().map(|(d, weight, t)| weight * t * -(y - d).exp_m1()).sum();
                    assert!(
                        (above.delta_at(y) - delta).abs() <= 1e-11 * delta + 1e-13 * h * mass,
                        "{h} {lambda} {point}: {} {delta}",
                        above.delta_at(y)
                    );
                    // What a round-off of this norm does at worst, there or a little above.
                    let noise = higher().map(|(d, weight, _)| (weight * -(y - d).exp_m1()).powi(2)).sum::<f64>().sqrt() * 1e-9;
                    let bound = above.noise(1e-9);
                    assert!(bound >= noise && (y > 0.0 || bound <= noise * (1.0 + 1e-7)), "{h} {lambda} {point}: {bound} {noise}");
                    if delta > 0.0 && at > 0 {
                        let falls = above.falls_to(delta);
                        assert!((falls - y).abs() < 1e-9 * h + 1e-15, "{h} {lambda} {point}: {falls} {y}");
                    }
                }
                assert!((above.mass / mass.max(1e-300) - 1.0).abs() < 1e-12 || mass == 0.0);
                true
            });
            assert_eq!(at, 0);
        }
    }
}
