//! One step as a discrete privacy-loss distribution on an even grid, once from above and once from below.
//!
//! The line is cut where the loss crosses grid points; from the masses (P, Q) of each piece under the two neighbours
//! - from above (Doroshenko et al. 2022, "connect the dots"): the piece goes to its two edges so that P and Q are both
//!   kept, which is the tightest distribution on these edges that dominates the true one. v = (P - Q e^low)/(1 - e^-h)
//!   goes to the upper edge; as a difference of two masses of one piece it does not cancel as the spacing h shrinks,
//!   which second differences of the hockey-stick curve do.
//! - from below: the piece becomes one atom at ln(P/Q). Merging outcomes only hides, so the true distribution
//!   dominates it; the cuts are placed so that each atom falls just above a grid point, and is moved down to it.
//!
//! Both errors are of order h^2 per step. Round-off is charged to the side that keeps the bound true.

use crate::quadrature::log_mixture_tail;

/// An atom of a bound from below lies at most about this part of a spacing above its grid point.
const SURPLUS: f64 = 1e-5;

/// Unit round-off of f64.
pub(crate) const UNIT: f64 = f64::EPSILON / 2.0;

/// Which neighbour has the record. Privacy holds for both, and neither is always the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The output came from the dataset with the record: P is the mixture, Q = N(0, sigma^2).
    Remove,
    /// The output came from the dataset without it: P and Q change places.
    Add,
}

/// Atoms at losses `origin + i h`.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) origin: f64,
    pub(crate) mass: Vec<f64>,
    /// Mass at infinite loss.
    pub(crate) infinite: f64,
    /// Relative error of any one mass: a factor on everything, once per step.
    pub(crate) relative: f64,
    /// How far round-off may have moved the losses.
    pub(crate) shift: f64,
}

/// One step, ready to be tabulated at any spacing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    q: f64,
    sigma: f64,
    direction: Direction,
    /// The loss ln(nu/nu0) at the lowest cut, and where that is.
    lowest: f64,
    lowest_x: f64,
    /// Nothing beyond this x is tabulated.
    highest_x: f64,
    highest: f64,
    /// The base has a negligible tail below minus this.
    lower_reach: f64,
}

impl Step {
    /// A step whose cut tail has at most `tail` mass.
    ///
    /// Without sampling both directions have the same law, and removing is the one tabulated.
    pub(crate) fn new(q: f64, sigma: f64, direction: Direction, log_tail: f64) -> Self {
        let direction = if q == 1.0 { Direction::Remove } else { direction };
        let highest_x = tail_point(|x| log_mixture_tail(q, sigma, x), sigma, log_tail);
        let lower_reach = tail_point(|x| log_mixture_tail(1.0, sigma, x + 1.0), sigma, log_tail);
        let (lowest, lowest_x) = if q < 1.0 {
            // The loss is bounded below, by ln(1-q), as x falls to minus infinity.
            ((-q).ln_1p(), f64::NEG_INFINITY)
        } else {
            let x = 1.0 - lower_reach;
            ((2.0 * x - 1.0) / (2.0 * sigma * sigma), x)
        };
        let highest = crate::quadrature::loss(q, sigma, highest_x);
        Self { q, sigma, direction, lowest, lowest_x, highest_x, highest, lower_reach }
    }

    /// Nothing beyond this x is tabulated.
    pub(crate) fn highest_x(&self) -> f64 {
        self.highest_x
    }

    /// The lowest loss ln(nu/nu0), and how far above it that at `x` is.
    pub(crate) fn lowest(&self) -> f64 {
        self.lowest
    }

    pub(crate) fn offset(&self, x: f64) -> f64 {
        crate::quadrature::loss(self.q, self.sigma, x) - self.lowest
    }

    /// Width of the tabulated range of losses.
    pub(crate) fn span(&self) -> f64 {
        self.highest - self.lowest
    }

    /// From above: at every hockey-stick epsilon, and after any composition, at least the true delta.
    pub(crate) fn table_above(&self, h: f64) -> Table {
        let (mut table, end) = self.bulk_above(h);
        match self.direction {
            Direction::Remove => table.infinite = self.mixture(&end),
            // The largest x has the smallest loss here: its mass moves up to the lowest edge.
            Direction::Add => table.mass[0] += end.base,
        }
        table
    }

    /// The same without the mass beyond the last cut, which is returned.
    pub(crate) fn bulk_above(&self, h: f64) -> (Table, Cut) {
        let pieces = ((self.span() / h).ceil() as usize).max(1);
        let mut mass = vec![0.0; pieces + 1];
        let shrink = -(-h).exp_m1();
        let mut edge = self.cut(self.lowest_x);
        let mut max_z = edge.z_squared();
        // The lower tail, empty unless q = 1, moves up to the lowest edge.
        mass[0] = self.below(&edge);
        for i in 0..pieces {
            let next = self.cut(self.at_offset((i + 1) as f64 * h));
            let piece = self.piece(&edge, &next);
            // P and Q seen from this direction, and its lower edge.
            let (p, q, ratio, to_upper, to_lower) = match self.direction {
                Direction::Remove => (piece.p, piece.q, (self.lowest + i as f64 * h - piece.log_scale).exp(), i + 1, i),
                Direction::Add => (piece.q, piece.p, (-(self.lowest + (i + 1) as f64 * h)).exp(), i, i + 1),
            };
            let slack = match self.direction {
                Direction::Remove => piece.p_error + ratio * piece.q_error,
                Direction::Add => piece.q_error + ratio * piece.p_error,
            };
            let up = (((p - q * ratio).max(0.0) + slack + 8.0 * UNIT * p) / shrink).min(p.max(0.0));
            mass[to_upper] += up;
            mass[to_lower] += p.max(0.0) - up;
            max_z = max_z.max(next.z_squared());
            edge = next;
        }
        (self.table(h, mass, self.lowest, 0.0, max_z), edge)
    }

    /// From below: at every hockey-stick epsilon, and after any composition, at most the true delta.
    ///
    /// `None` where the spacing is too coarse or the mass too small to place a single atom.
    pub(crate) fn table_below(&self, h: f64) -> Option<Table> {
        let sign = match self.direction {
            Direction::Remove => 1.0,
            Direction::Add => -1.0,
        };
        // The first atom takes the outermost tail whole, down to where masses are large enough to divide.
        let mut cut_at = h.max(self.first_offset()).min(self.span());
        let mut low = self.cut(self.lowest_x);
        let mut high = self.cut(self.at_offset(cut_at).min(self.highest_x));
        let mut first = self.piece(&low, &high);
        // Widened until its atom lies half a spacing inside its cut, as those of the next pieces will.
        for _ in 0..20 {
            let wanted = (first.log_ratio()? - self.lowest + 0.5 * h).min(self.span());
            if wanted <= cut_at + 0.01 * h {
                break;
            }
            cut_at = wanted;
            high = self.cut(self.at_offset(cut_at).min(self.highest_x));
            first = self.piece(&low, &high);
        }
        // The first atom is exact: the grid is laid from it.
        let origin = first.log_ratio()? - sign * first.ratio_error();
        let mut mass = vec![first.seen(self.direction)];
        let mut max_z = high.z_squared();
        let mut j = 0;
        while high.x < self.highest_x {
            low = high;
            let passed = ((self.lowest + cut_at - origin) / h).floor();
            // An origin that round-off threw far off: what is left is dropped, as any mass may be.
            if passed.is_nan() || passed > self.span() / h + 2.0 {
                break;
            }
            j = (j + 1).max(passed as usize + 1);
            let goal = origin + j as f64 * h;
            // The atom of a piece centred on its grid point is off by the curvature of the log density.
            let mut upper = goal + 0.5 * h - self.lowest + sign * self.centre_deficit(h, &low);
            let floor = cut_at + 0.05 * h;
            let mut atom = None;
            // The last cut and how far its atom fell short, for the secant through it and this one.
            let mut before: Option<(f64, f64)> = None;
            for attempt in 0..12 {
                upper = upper.max(floor);
                high = self.cut(self.at_offset(upper).min(self.highest_x));
                let piece = self.piece(&low, &high);
                let Some(ratio) = piece.log_ratio() else { break };
                atom = Some((piece, ratio - sign * piece.ratio_error()));
                let missing = sign * (goal - ratio) + piece.ratio_error();
                // What an atom is moved down adds up over all steps.
                if (missing <= 0.0 && missing >= -SURPLUS * h) || (missing > 0.0 && sign < 0.0 && upper == floor) {
                    break;
                }
                if missing <= 0.0 && (attempt > 8 || upper == floor) {
                    break;
                }
                // Moving one cut moves the atom by about half as much, or less where the density falls.
                let factor = before.map(|(cut, short)| -sign * (upper - cut) / (missing - short)).filter(|f| (1.0..8.0).contains(f));
                before = Some((upper, missing));
                upper += sign * (factor.unwrap_or(2.05) * (missing + 0.5 * SURPLUS * h)).clamp(-0.5 * h, 0.5 * h);
            }
            // Masses too small to divide end the table: dropping mass is always a bound from below.
            let Some((piece, ratio)) = atom else { break };
            cut_at = upper;
            max_z = max_z.max(high.z_squared());
            // An atom still on the wrong side moves one whole grid point down (or more, if it is far off).
            let place = if sign * (ratio - goal) >= 0.0 {
                j as f64
            } else {
                match self.direction {
                    Direction::Remove => ((ratio - origin) / h).floor(),
                    Direction::Add => ((ratio - origin) / h).ceil(),
                }
            };
            // An atom thrown far off by round-off is dropped, as any mass may be.
            if place >= 0.0 && place <= self.span() / h + 2.0 {
                let place = place as usize;
                if place >= mass.len() {
                    mass.resize(place + 1, 0.0);
                }
                mass[place] += piece.seen(self.direction);
            }
        }
        Some(self.table(h, mass, origin, 0.0, max_z))
    }

    /// Each loss at the middle of its piece, all moved so that their mean is `mean`: neither from above nor from below, but so
    /// that the errors of independent steps cancel.
    pub(crate) fn table_centred(&self, h: f64, mean: f64) -> Table {
        let pieces = ((self.span() / h).ceil() as usize).max(1);
        let mut mass = vec![0.0; pieces];
        let mut edge = self.cut(self.lowest_x);
        let mut max_z = edge.z_squared();
        for (i, mass) in mass.iter_mut().enumerate() {
            let next = self.cut(self.at_offset((i + 1) as f64 * h));
            *mass = self.piece(&edge, &next).seen(self.direction).max(0.0);
            max_z = max_z.max(next.z_squared());
            edge = next;
        }
        let cut = match self.direction {
            Direction::Remove => self.mixture(&edge),
            Direction::Add => edge.base,
        };
        let mut table = self.table(h, mass, self.lowest + 0.5 * h, cut, max_z);
        let (mut total, mut first) = (0.0, 0.0);
        for (i, mass) in table.mass.iter().enumerate() {
            total += mass;
            first += mass * i as f64;
        }
        table.origin = mean - h * first / total;
        table
    }

    fn table(&self, h: f64, mut mass: Vec<f64>, lowest: f64, infinite: f64, max_z: f64) -> Table {
        let top = lowest + (mass.len() - 1) as f64 * h;
        let origin = match self.direction {
            Direction::Remove => lowest,
            Direction::Add => {
                mass.reverse();
                -top
            }
        };
        // An argument rounded by one unit moves a tail at z by z^2 units; the complementary error function itself
        // errs by about one. The factors leave room.
        Table { origin, mass, infinite, relative: (64.0 + 4.0 * max_z) * UNIT, shift: 16.0 * UNIT * (lowest.abs() + top.abs() + h) }
    }

    /// The offset of the loss below which a negligible tail of the base lies.
    fn first_offset(&self) -> f64 {
        let x = if self.q == 1.0 { self.lowest_x } else { -self.lower_reach };
        (crate::quadrature::loss(self.q, self.sigma, x) - self.lowest).max(0.0)
    }

    /// Where the loss is `offset` above the lowest: no cancellation, as e^loss - (1-q) = (1-q)(e^offset - 1).
    pub(crate) fn at_offset(&self, offset: f64) -> f64 {
        let variance = self.sigma * self.sigma;
        let exponent = if self.q == 1.0 {
            self.lowest + offset
        } else if offset < 30.0 {
            ((1.0 - self.q) * offset.exp_m1() / self.q).ln()
        } else {
            (1.0 / self.q - 1.0).ln() + offset + (-(-offset).exp()).ln_1p()
        };
        variance * exponent + 0.5
    }

    /// How far below its grid point the atom of the piece centred there would fall, by second-order expansion:
    /// h^2/24 - (h^2/12) d ln(density of the loss)/d loss, at the cut `at`, as seen from this direction.
    fn centre_deficit(&self, h: f64, at: &Cut) -> f64 {
        let x = at.x;
        let weight = if self.q == 1.0 {
            1.0
        } else {
            let exponent = (2.0 * x - 1.0) / (2.0 * self.sigma * self.sigma);
            1.0 / (1.0 + (1.0 / self.q - 1.0) * (-exponent).exp())
        };
        let slope = match self.direction {
            Direction::Remove => (-x + 2.0 * weight - 1.0) / weight,
            Direction::Add => (x + 1.0 - weight) / weight,
        };
        let deficit = h * h * (1.0 / 24.0 - slope / 12.0);
        let padded = deficit + 0.02 * deficit.abs() + 1e-3 * h * h;
        if padded.is_finite() { padded.clamp(-0.3 * h, 0.3 * h) } else { 0.0 }
    }

    pub(crate) fn cut(&self, x: f64) -> Cut {
        let (z, shifted_z) = (x / self.sigma, (x - 1.0) / self.sigma);
        let shifted = crate::normal::upper_tail(shifted_z.abs());
        let (base, scaled) = if self.q == 1.0 && z > 0.0 {
            // e^loss times the base tail: the density there is the shifted one, which does not underflow.
            let density = (-0.5 * shifted_z * shifted_z).exp() / (2.0 * std::f64::consts::PI).sqrt();
            (0.0, density * crate::normal::mills(z))
        } else {
            (crate::normal::upper_tail(z.abs()), 0.0)
        };
        Cut { x, z, shifted_z, base, shifted, scaled }
    }

    pub(crate) fn piece(&self, low: &Cut, high: &Cut) -> Piece {
        let (shifted, shifted_error) = between(low.shifted_z, low.shifted, high.shifted_z, high.shifted);
        if low.scaled > 0.0 {
            // The loss is affine here: scale the base masses by e^loss at the lower cut.
            let log_scale = (2.0 * low.x - 1.0) / (2.0 * self.sigma * self.sigma);
            let decay = (-(high.x - low.x) / (self.sigma * self.sigma)).exp();
            let q = low.scaled - high.scaled * decay;
            // The scaled tails go through e^(z^2/2) up to z = 7, and through the density at the shifted z.
            let error = |cut: &Cut| UNIT * (160.0 + 3.0 * cut.shifted_z * cut.shifted_z) * cut.scaled;
            return Piece { p: shifted, q, p_error: shifted_error, q_error: error(low) + error(high), log_scale };
        }
        let high_base = if high.scaled > 0.0 { crate::normal::upper_tail(high.z) } else { high.base };
        let (base, base_error) = between(low.z, low.base, high.z, high_base);
        Piece {
            p: (1.0 - self.q) * base + self.q * shifted,
            q: base,
            p_error: (1.0 - self.q) * base_error + self.q * shifted_error,
            q_error: base_error,
            log_scale: 0.0,
        }
    }

    /// P-mass below the lowest cut (q = 1 only, where the cut is left of 1).
    fn below(&self, cut: &Cut) -> f64 {
        if self.q == 1.0 { cut.shifted } else { 0.0 }
    }

    /// Mixture mass above a cut that is right of 1.
    pub(crate) fn mixture(&self, cut: &Cut) -> f64 {
        (1.0 - self.q) * cut.base + self.q * cut.shifted
    }
}

/// A cut of the line with the smaller tails at it, computed once for the two pieces that share it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) x: f64,
    z: f64,
    shifted_z: f64,
    base: f64,
    shifted: f64,
    /// Without sampling and right of 0, in place of `base`: the base tail times e^loss.
    scaled: f64,
}

impl Cut {
    fn z_squared(&self) -> f64 {
        let z = if self.shifted_z.is_finite() { self.shifted_z.abs().max(if self.scaled > 0.0 { 7.0 } else { self.z.abs() }) } else { 0.0 };
        z * z
    }
}

/// Masses of a piece under the mixture (p) and the base (q, times e^log_scale), with bounds on their round-off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) p: f64,
    pub(crate) q: f64,
    pub(crate) p_error: f64,
    pub(crate) q_error: f64,
    log_scale: f64,
}

impl Piece {
    pub(crate) fn log_ratio(&self) -> Option<f64> {
        (self.p > 2.0 * self.p_error && self.q > 2.0 * self.q_error).then(|| (self.p / self.q).ln() + self.log_scale)
    }

    pub(crate) fn ratio_error(&self) -> f64 {
        2.0 * (self.p_error / self.p + self.q_error / self.q) + UNIT * (4.0 + self.log_scale.abs())
    }

    fn seen(&self, direction: Direction) -> f64 {
        match direction {
            Direction::Remove => self.p,
            Direction::Add => self.q,
        }
    }
}

/// Mass between two points of the normal, from the smaller tails at each, and a bound on its round-off.
pub(crate) fn between(low: f64, low_tail: f64, high: f64, high_tail: f64) -> (f64, f64) {
    let error = |z: f64, tail: f64| if tail == 0.0 { 0.0 } else { UNIT * (4.0 + 3.0 * z * z) * tail + 1e-318 };
    let mass = if low >= 0.0 {
        low_tail - high_tail
    } else if high <= 0.0 {
        high_tail - low_tail
    } else {
        1.0 - low_tail - high_tail
    };
    (mass, error(low, low_tail) + error(high, high_tail) + 2.0 * UNIT * mass.abs())
}

/// The smallest x, to a hundredth of sigma, whose tail is below `log_tail`.
fn tail_point(log_tail_at: impl Fn(f64) -> f64, sigma: f64, log_tail: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0 + 2.0 * sigma);
    while log_tail_at(high) > log_tail {
        low = high;
        high += high;
    }
    while high - low > 0.01 * sigma {
        let middle = 0.5 * (low + high);
        if log_tail_at(middle) > log_tail { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is cut off is charged in either direction, however much it is: from above all mass is there, and delta is at least that
    /// of one step in closed form; from below it is at most that.
    #[test]
    fn tables_hold_the_closed_form_whatever_is_cut() {
        let tail = crate::normal::upper_tail;
        let mut charged = 0;
        for (q, sigma) in [(0.2, 0.8), (0.5, 2.0), (0.9, 1.0)] {
            let mass = |x: f64| (tail(x / sigma), (1.0 - q) * tail(x / sigma) + q * tail((x - 1.0) / sigma));
            for direction in [Direction::Remove, Direction::Add] {
                for (log_tail, h) in [(-3.0, 0.01), (-3.0, 0.2), (-30.0, 0.01), (-30.0, 0.2)] {
                    let step = Step::new(q, sigma, direction, log_tail);
                    let (above, below) = (step.table_above(h), step.table_below(h).unwrap());
                    let total = above.mass.iter().sum::<f64>() + above.infinite;
                    assert!((total - 1.0).abs() < 1e-12, "{q} {sigma} {direction:?} {log_tail} {h}: {total}");
                    assert!(below.mass.iter().sum::<f64>() <= 1.0 + 1e-12);
                    let delta = |table: &Table, epsilon: f64| {
                        let losses = table.mass.iter().enumerate().map(|(i, m)| (table.origin + i as f64 * h, m));
                        table.infinite + losses.map(|(loss, m)| m * -(epsilon - loss).min(0.0).exp_m1()).sum::<f64>()
                    };
                    // Both tails of an optimal set, also where all of its mass was cut.
                    for at in [-1.0_f64, -0.3, 0.0, 0.1, 0.4] {
                        let loss = if direction == Direction::Remove { at } else { -at };
                        let inner = (loss.exp_m1() + q) / q;
                        let x = if inner > 0.0 { sigma * sigma * inner.ln() + 0.5 } else { f64::NEG_INFINITY };
                        let (base, mixture) = mass(x);
                        let exact = match direction {
                            Direction::Remove => mixture - at.exp() * base,
                            Direction::Add => (1.0 - base) - at.exp() * (1.0 - mixture),
                        };
                        let (low, high) = (delta(&below, at), delta(&above, at));
                        assert!(
                            low <= exact + 1e-12 && exact <= high + 1e-12,
                            "{q} {sigma} {direction:?} {log_tail} {h} {at}: {low} {exact} {high}"
                        );
                        charged += usize::from(high > exact + 1e-3);
                    }
                }
            }
        }
        assert!(charged > 10, "{charged}");
    }
}
