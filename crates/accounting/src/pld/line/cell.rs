//! Cells of the line: masses between two cuts, with their round-off, and where to cut.

use super::{Cuts, Grid};
use crate::normal::upper_tail;
use crate::pair::Branch;
use crate::pld::table::{UNIT, between};

/// A point of the line, its loss, and the smaller tail there of each component of p and then q.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    pub(super) x: f64,
    loss: f64,
    tails: Vec<(f64, f64)>,
}

impl Edge {
    pub(super) fn new(branch: &Branch, x: f64, loss: f64) -> Self {
        let tail = |&(_, shift): &(f64, f64)| {
            let z = (x - shift) / branch.sigma;
            (z, upper_tail(z.abs()))
        };
        Self { x, loss, tails: branch.p.iter().chain(&branch.q).map(tail).collect() }
    }
}

/// Masses between two edges under both laws, and bounds on their round-off.
#[derive(Debug)]
pub(super) struct Cell {
    p: f64,
    q: f64,
    p_error: f64,
    q_error: f64,
}

impl Cell {
    pub(super) fn new(branch: &Branch, low: &Edge, high: &Edge) -> Self {
        let masses = |mixture: &[(f64, f64)], at: usize| {
            mixture.iter().zip(low.tails[at..].iter().zip(&high.tails[at..])).fold((0.0, 0.0), |(mass, error), (component, (l, h))| {
                let (one, off) = between(l.0, l.1, h.0, h.1);
                (mass + component.0 * one, error + component.0 * (off + 4.0 * UNIT * one.abs()))
            })
        };
        let ((p, p_error), (q, q_error)) = (masses(&branch.p, 0), masses(&branch.q, branch.p.len()));
        Self { p, q, p_error, q_error }
    }

    /// Mass under P, and a bound on its round-off.
    pub(super) fn seen(&self, branch: &Branch) -> (f64, f64) {
        if branch.turned { (self.q, self.q_error) } else { (self.p, self.p_error) }
    }

    /// Mass under Q, and a bound on its round-off.
    pub(super) fn base(&self, branch: &Branch) -> (f64, f64) {
        if branch.turned { (self.p, self.p_error) } else { (self.q, self.q_error) }
    }

    fn log_ratio(&self) -> Option<f64> {
        (self.p > 2.0 * self.p_error && self.q > 2.0 * self.q_error).then(|| (self.p / self.q).ln())
    }

    fn ratio_error(&self) -> f64 {
        2.0 * (self.p_error / self.p + self.q_error / self.q) + 8.0 * UNIT
    }
}

impl Branch {
    /// Bounds on the hockey-stick divergence. The best set is where the loss exceeds epsilon: any other gives a bound from below, and
    /// P of a larger less e^epsilon times Q of a smaller one a bound from above.
    pub(super) fn hockey_stick(&self, epsilon: f64) -> (f64, f64) {
        let target = self.sign() * epsilon;
        let (inner, outer) = self.crossing(target);
        // The mass of a mixture from `edge` to the end where the loss is high.
        let mass = |mixture: &[(f64, f64)], edge: f64| -> f64 {
            let one = |&(w, shift): &(f64, f64)| {
                let z = |x: f64| (x - shift) / self.sigma;
                let (low, high) = if self.turned { (z(self.from), z(edge.max(self.from))) } else { (z(edge.max(self.from)), z(self.to)) };
                w * if low >= 0.0 { upper_tail(low) - upper_tail(high) } else { upper_tail(-high) - upper_tail(-low) }
            };
            mixture.iter().map(one).sum()
        };
        let (p, q) = if self.turned { (&self.q, &self.p) } else { (&self.p, &self.q) };
        let factor = epsilon.exp();
        let furthest = p.iter().chain(q).map(|c| ((inner.clamp(self.from.max(-1e9), 1e9) - c.1) / self.sigma).powi(2)).fold(0.0, f64::max);
        let relative =
            UNIT * (100.0 + 4.0 * furthest + p.len().max(q.len()) as f64) + 1e-12 * f64::from(u8::from(p.len().max(q.len()) > 2));
        let error = relative * (mass(p, outer) + factor * mass(q, outer));
        let lower = (mass(p, inner) - factor * mass(q, inner) - error).max(0.0);
        let upper = (mass(p, outer) - factor * mass(q, inner) + error).max(0.0);
        (lower, if upper.is_nan() { 1.0 } else { upper.min(1.0) })
    }

    /// Two points with ln(p/q) = `target` between them, the first where the loss is higher; an end of the line where there is none.
    fn crossing(&self, target: f64) -> (f64, f64) {
        let (low_shift, high_shift) = self.shifts();
        let beyond = |x: f64| self.log_ratio(x).0 > target;
        let reach = 40.0 * self.sigma;
        let (mut low, mut high) = (self.from.max(low_shift - reach), self.to.min(high_shift + reach));
        let (mut below, mut above) = if beyond(low) {
            (self.from, low)
        } else if !beyond(high) {
            (high, self.to)
        } else {
            for _ in 0..200 {
                let middle = 0.5 * (low + high);
                if middle <= low || middle >= high {
                    break;
                }
                if beyond(middle) { high = middle } else { low = middle }
            }
            (low, high)
        };
        // ln(p/q) is rounded as its terms are: itself, and each exponent times its weight.
        let margin = |x: f64| {
            let variance = self.sigma * self.sigma;
            let exponents = self.p.iter().chain(&self.q).map(|&(w, shift)| w * (shift.abs() * (x.abs() + shift.abs()) / variance).min(1.0));
            1e-14 * (target.abs() + exponents.sum::<f64>())
        };
        let mut step = 1e-15 * (self.sigma + low.abs());
        while below > self.from && self.log_ratio(below).0 > target - margin(below) {
            below = (below - step).max(self.from);
            step *= 2.0;
        }
        let mut step = 1e-15 * (self.sigma + high.abs());
        while above < self.to && self.log_ratio(above).0 < target + margin(above) {
            above = (above + step).min(self.to);
            step *= 2.0;
        }
        if self.turned { (below, above) } else { (above, below) }
    }

    pub(super) fn sign(&self) -> f64 {
        if self.turned { -1.0 } else { 1.0 }
    }

    /// Masses under P within the branch but at losses below, and above, those tabulated.
    pub(super) fn outside(&self, cuts: &Cuts) -> (f64, f64) {
        let seen = if self.turned { &self.q } else { &self.p };
        let below = |x: f64| seen.iter().map(|&(w, shift)| w * upper_tail((shift - x) / self.sigma)).sum::<f64>();
        let above = |x: f64| seen.iter().map(|&(w, shift)| w * upper_tail((x - shift) / self.sigma)).sum::<f64>();
        let left = if cuts.from > self.from { below(cuts.from) } else { 0.0 };
        let right = if cuts.to < self.to { above(cuts.to) } else { 0.0 };
        if self.turned { (right, left) } else { (left, right) }
    }

    /// ln(p/q) of a first cell that reaches half a spacing beyond it.
    pub(super) fn first_atom(&self, cuts: &Cuts, h: f64, shift: &mut f64) -> f64 {
        let first = Edge::new(self, cuts.from, cuts.lowest);
        let mut reach = cuts.lowest + h;
        let mut atom = cuts.lowest;
        for _ in 0..20 {
            let cell = Cell::new(self, &first, &self.edge_at(reach, &first, cuts, shift));
            if let Some(ratio) = cell.log_ratio() {
                atom = ratio - self.sign() * cell.ratio_error();
            }
            if atom + 0.5 * h <= reach + 0.01 * h {
                break;
            }
            reach = atom + 0.5 * h;
        }
        atom
    }

    /// Cuts the branch into cells whose atoms lie just above every so many grid points, and adds them there.
    pub(super) fn atoms(&self, cuts: &Cuts, stride: f64, grid: &mut Grid) {
        let (h, sign, offset) = (stride * grid.h, self.sign(), self.sign() * grid.offset);
        let mut edge = Edge::new(self, cuts.from, cuts.lowest);
        let mut n = f64::NEG_INFINITY;
        // How far beyond half a spacing the last cell had to reach.
        let mut beyond = 0.0;
        while edge.x < cuts.to {
            n = f64::max(n + 1.0, ((edge.loss - offset) / h).floor() + 1.0);
            let goal = n * h + offset;
            let floor = edge.loss + 0.05 * h;
            let mut upper = goal + 0.5 * h + beyond;
            let mut next = edge.clone();
            let mut atom = None;
            for attempt in 0..8 {
                upper = upper.max(floor);
                next = self.edge_at(upper, &edge, cuts, &mut grid.shift);
                let cell = Cell::new(self, &edge, &next);
                let error = cell.ratio_error();
                let ratio = cell.log_ratio();
                let mass = cell.seen(self).0;
                atom = Some((ratio.map(|r| r - sign * error), mass));
                let Some(ratio) = ratio else { break };
                let missing = sign * (goal - ratio) + error;
                // A small surplus is let be; a large one is worth another cut.
                if missing <= 0.0 && (missing >= -0.01 * h || attempt > 2 || upper == floor)
                    || missing > 0.0 && sign < 0.0 && upper == floor
                {
                    break;
                }
                // Moving one cut moves the atom by about half as much, or less where the density falls.
                let factor = if missing > 0.0 { 2.05 + 0.5 * f64::from(attempt) } else { 1.9 };
                upper += sign * (factor * missing + 1e-9 * h).clamp(-0.5 * h, 0.5 * h);
            }
            if let Some((ratio, mass)) = atom
                && mass > 0.0
            {
                // What cannot be divided is no lower than its lower edge.
                let lowest = if self.turned { next.loss } else { edge.loss };
                let ratio = ratio.unwrap_or(lowest);
                let position = (ratio - offset) / h;
                let place = if sign * (ratio - goal) >= 0.0 {
                    n
                } else if self.turned {
                    position.ceil()
                } else {
                    position.floor()
                };
                grid.add(sign * place * stride, self.weight * mass);
            }
            beyond = (upper - goal - 0.5 * h).clamp(-0.3 * h, 0.3 * h);
            edge = next;
        }
    }

    /// The point above `before` where the loss is `target`, or the last; how far its loss is from it raises `shift`.
    pub(super) fn edge_at(&self, target: f64, before: &Edge, cuts: &Cuts, shift: &mut f64) -> Edge {
        if target >= cuts.highest {
            return Edge::new(self, cuts.to, cuts.highest);
        }
        let (mut low, mut high) = (before.x, cuts.to);
        let mut x = before.x;
        let mut best = (f64::INFINITY, x);
        // Newton's method, kept between what is known to be too low and too high.
        for _ in 0..200 {
            let (loss, slope) = self.log_ratio(x);
            let miss = loss - target;
            if miss.abs() < best.0 {
                best = (miss.abs(), x);
            }
            if miss.abs() <= 4.0 * UNIT * target.abs().max(0.01) {
                break;
            }
            if miss < 0.0 {
                low = x;
            } else {
                high = x;
            }
            let newton = x - miss / slope;
            let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
            if next <= low || next >= high {
                break;
            }
            x = next;
        }
        *shift = shift.max(best.0);
        Edge::new(self, best.1, target)
    }
}
