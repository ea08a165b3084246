//! Compositions of the small losses, as hockey-stick sums at any epsilon.

use super::super::compose::Composed;
use super::super::curve::walk;
use super::super::table::UNIT;

/// The hockey-stick sum over one composition of small losses: the better of bounds from several tilts.
pub(super) struct Small {
    pub(super) tilted: Vec<Tilted>,
}

impl Small {
    pub(super) fn delta_above(&self, y: f64) -> f64 {
        self.tilted.iter().map(|t| t.delta_above(y)).fold(1.0, f64::min)
    }

    pub(super) fn delta_below(&self, y: f64) -> f64 {
        self.tilted.iter().map(|t| t.delta_below(y)).fold(0.0, f64::max)
    }
}

/// Sums over a composition at one tilt. Of its points only what a formula does not give is kept: there are millions.
pub(super) struct Tilted {
    /// At each grid point, the highest first: the mass above, and delta there, the sum of mass (1 - e^(point - loss)).
    points: Vec<(f64, f64)>,
    top: f64,
    h: f64,
    lambda: f64,
    /// ln of the weight of a tilted mass at the top.
    log_weight: f64,
    /// The weights of the points above one add up, squared, to at most its own weight, squared, times this or times their number.
    terms: f64,
    round_off: f64,
    /// Tilted mass that may have wrapped round to any point.
    aliased: f64,
    /// Mass below the last point, at most.
    missing: f64,
    /// Mass above the window, at most.
    above: f64,
    relative: f64,
    shift: f64,
}

impl Tilted {
    /// `total` is the mass that the composition has.
    pub(super) fn new(composed: &Composed, total: f64) -> Option<Self> {
        let Composed { h, lambda, .. } = *composed;
        let top = composed.origin + (composed.tilted.len() - 1) as f64 * h;
        let mut made = Self {
            points: Vec::new(),
            top,
            h,
            lambda,
            log_weight: composed.log_normaliser - lambda * top,
            terms: -(-2.0 * lambda * h).exp_m1().recip(),
            round_off: composed.round_off,
            aliased: composed.aliased,
            missing: 0.0,
            above: composed.above,
            relative: composed.relative,
            shift: composed.shift,
        };
        // Towards the bottom the tilt magnifies round-off, and there is no mass left: points past the most certain mass are of no use.
        let (mut certain, mut useful, mut at) = (f64::NEG_INFINITY, 0, 0);
        walk(composed, |_, above| {
            // The bulk is the other's, which has no tilt.
            if lambda > 0.0 && at > 0 && above.mass > 1e-3 * total {
                return false;
            }
            let (noise, wrapped) = made.noise(at, above.mass, above.weight);
            at += 1;
            if above.mass - noise - wrapped > certain {
                (certain, useful) = (above.mass - noise - wrapped, at);
            }
            true
        });
        if useful == 0 {
            return None;
        }
        made.points.reserve_exact(useful);
        walk(composed, |_, above| {
            made.points.push((above.mass, above.delta));
            made.points.len() < useful
        });
        let last = made.points[useful - 1].0;
        let noise = made.noise(useful - 1, last, made.weight(useful - 1)).0;
        made.missing = (total * (1.0 + composed.relative) - (last * (1.0 - composed.relative) - noise)).max(0.0);
        Some(made)
    }

    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    fn weight(&self, at: usize) -> f64 {
        (self.log_weight + self.lambda * self.h * at as f64).exp()
    }

    /// What round-off may have added to the sums at a point, and what may also have wrapped round to there.
    fn noise(&self, at: usize, mass: f64, weight: f64) -> (f64, f64) {
        let summed = self.terms.min(at as f64 + 1.0).sqrt();
        (self.round_off * summed * weight + UNIT * (at as f64 + 1.0) * mass, self.aliased * weight)
    }

    /// The last point at or below `y`, and how far below it is; if none is, the lowest with `true`.
    fn at(&self, y: f64) -> (usize, f64, bool) {
        let steps = ((self.top - y) / self.h).ceil().max(0.0);
        let at = (steps as usize).min(self.points.len() - 1);
        (at, y - (self.top - at as f64 * self.h), steps as usize > at)
    }

    fn delta_above(&self, y: f64) -> f64 {
        let (at, beyond, lowest) = self.at(y - self.shift);
        let (mass, delta) = self.points[at];
        let sum = (beyond.exp() * delta - beyond.exp_m1() * mass).max(0.0) * (1.0 + self.relative);
        let missing = if lowest { self.missing * -beyond.exp_m1() } else { 0.0 };
        sum + missing + self.noise(at, mass, self.weight(at)).0 + self.above
    }

    fn delta_below(&self, y: f64) -> f64 {
        let (at, beyond, _) = self.at(y + self.shift);
        let (mass, delta) = self.points[at];
        let sum = (beyond.exp() * delta - beyond.exp_m1() * mass) * (1.0 - self.relative);
        let (noise, wrapped) = self.noise(at, mass, self.weight(at));
        (sum - noise - wrapped).max(0.0)
    }
}
