//! The privacy loss of a pair of mixtures of Gaussians on the line, on a grid.
//!
//! The line is cut where the loss reaches grid points. From above, a cell goes to its two edges so that its masses under both
//! laws are kept (connect the dots). From below, each cell becomes one atom at the logarithm of its ratio of masses; it is cut so
//! that its atom falls just above a grid point, and moved down to that.

use super::table::{Table, UNIT, between};
use crate::normal::upper_tail;
use crate::pair::{Branch, Pair};

/// Points of the rough law that places the tilt, per standard deviation of the noise.
const ROUGH: f64 = 8.0;

#[derive(Debug, Clone)]
pub(crate) struct Line {
    pair: Pair,
    /// Where each branch is cut: at most e^log_tail of mass under either law lies outside, and the losses there.
    cuts: Vec<Cuts>,
    /// (loss, mass under P), roughly.
    rough: Vec<(f64, f64)>,
}

#[derive(Debug, Clone, Copy)]
struct Cuts {
    from: f64,
    to: f64,
    lowest: f64,
    highest: f64,
}

impl Line {
    pub(crate) fn new(pair: Pair, log_tail: f64) -> Self {
        let reach = (2.0 * (3.0 - log_tail)).sqrt();
        let cuts: Vec<Cuts> = pair
            .branches
            .iter()
            .map(|branch| {
                let (low, high) = branch.shifts();
                let from = branch.from.max(low - reach * branch.sigma);
                let to = branch.to.min(high + reach * branch.sigma).max(from);
                Cuts { from, to, lowest: branch.log_ratio(from).0, highest: branch.log_ratio(to).0 }
            })
            .collect();
        let mut rough = vec![(0.0, pair.even)];
        for (branch, cuts) in pair.branches.iter().zip(&cuts) {
            let steps = ((cuts.to - cuts.from) / branch.sigma * ROUGH).ceil().clamp(1.0, 20_000.0);
            let width = (cuts.to - cuts.from) / steps;
            for i in 0..steps as u64 {
                let x = cuts.from + (i as f64 + 0.5) * width;
                let (low, high) = (Edge::new(branch, x - 0.5 * width, 0.0), Edge::new(branch, x + 0.5 * width, 0.0));
                let (p, _) = Cell::new(branch, &low, &high).seen(branch);
                rough.push((branch.sign() * branch.log_ratio(x).0, branch.weight * p));
            }
        }
        rough.retain(|(_, mass)| *mass > 0.0);
        Self { pair, cuts, rough }
    }

    pub(crate) fn turned(&self) -> Self {
        let rough = self.rough.iter().map(|&(loss, mass)| (-loss, mass * (-loss).exp())).collect();
        Self { pair: self.pair.turned(), cuts: self.cuts.clone(), rough }
    }

    /// Roughly, the law of the loss under P.
    pub(crate) fn rough(&self) -> &[(f64, f64)] {
        &self.rough
    }

    /// How many grid points a cell of this branch spans: the error is that of the grid times the weight, so that an improbable
    /// branch may be cut coarsely.
    fn stride(&self, branch: &Branch, cuts: &Cuts, h: f64) -> f64 {
        let heaviest = self.pair.branches.iter().map(|b| b.weight).fold(0.0, f64::max);
        let most = ((cuts.highest - cuts.lowest) / (64.0 * h)).max(1.0);
        (0.03 * heaviest / branch.weight).sqrt().min(most).max(1.0).floor()
    }

    fn longest_stride(&self, h: f64) -> f64 {
        self.branches().map(|(branch, cuts)| self.stride(branch, cuts, h)).fold(1.0, f64::max)
    }

    fn branches(&self) -> impl Iterator<Item = (&Branch, &Cuts)> {
        self.pair.branches.iter().zip(&self.cuts)
    }

    /// The lowest and the highest loss tabulated.
    pub(crate) fn ends(&self) -> (f64, f64) {
        let mut ends = if self.pair.even > 0.0 { (0.0, 0.0) } else { (f64::INFINITY, f64::NEG_INFINITY) };
        for (branch, cuts) in self.branches() {
            let (one, other) = (branch.sign() * cuts.lowest, branch.sign() * cuts.highest);
            ends = (ends.0.min(one.min(other)), ends.1.max(one.max(other)));
        }
        ends
    }

    /// delta at an epsilon of 0 or more, if this is all that is done: between bounds.
    pub(crate) fn hockey_stick(&self, epsilon: f64) -> (f64, f64) {
        self.pair.branches.iter().fold((0.0, self.pair.infinite), |(lower, upper), branch| {
            let (low, high) = branch.hockey_stick(epsilon);
            (lower + branch.weight * low, upper + branch.weight * high)
        })
    }

    /// Epsilon at `delta`, if this is all that is done: between bounds.
    pub(crate) fn epsilon(&self, delta: f64) -> Option<(f64, f64)> {
        if self.hockey_stick(0.0).1 <= delta {
            return Some((0.0, 0.0));
        }
        let (mut low, mut high) = (0.0, self.ends().1.max(1e-9));
        if self.hockey_stick(high).1 > delta {
            return None;
        }
        while high - low > 1e-13 * high {
            let middle = 0.5 * (low + high);
            let (lower, upper) = self.hockey_stick(middle);
            if upper <= delta {
                high = middle;
            } else if lower >= delta {
                low = middle;
            } else {
                break;
            }
        }
        Some((low, high))
    }

    pub(crate) fn table_above(&self, h: f64) -> Table {
        let mut grid = Grid::new(self.ends(), h, 0.0, self.longest_stride(h));
        grid.add(0.0, self.pair.even);
        let mut infinite = self.pair.infinite;
        let fine = h;
        for (branch, cuts) in self.branches() {
            let stride = self.stride(branch, cuts, fine);
            let h = stride * fine;
            let shrink = -(-h).exp_m1();
            let mut n = (cuts.lowest / h).floor();
            let mut edge = Edge::new(branch, cuts.from, cuts.lowest);
            // What was cut at small losses moves up to the lowest edge.
            let (below, above) = branch.outside(cuts);
            grid.add(stride * if branch.turned { -(cuts.highest / h).ceil() } else { n }, branch.weight * below);
            infinite += branch.weight * above;
            while edge.x < cuts.to {
                let next = branch.edge_at((n + 1.0) * h, &edge, cuts, &mut grid.shift);
                let cell = Cell::new(branch, &edge, &next);
                let ((p, _), (q, slack)) = (cell.seen(branch), cell.base(branch));
                let p = p.max(0.0);
                let (lower, upper) = if branch.turned { (-(n + 1.0), -n) } else { (n, n + 1.0) };
                let ratio = (lower * h).exp();
                let surplus = (p - q * ratio).max(0.0) + cell.seen(branch).1 + ratio * slack + 8.0 * UNIT * p;
                // Where the base underflows all goes up.
                let up = if surplus.is_finite() { (surplus / shrink).min(p) } else { p };
                grid.add(stride * upper, branch.weight * up);
                grid.add(stride * lower, branch.weight * (p - up));
                edge = next;
                n += 1.0;
            }
        }
        let dropped = grid.dropped;
        grid.table(infinite + dropped)
    }

    pub(crate) fn table_below(&self, h: f64) -> Table {
        let mut shift = 0.0;
        let heaviest = self.branches().reduce(|one, other| if other.0.weight > one.0.weight { other } else { one });
        // The grid goes through 0, or through the first atom of the heaviest branch.
        let offset = match heaviest {
            Some((branch, cuts)) if self.pair.even == 0.0 => branch.sign() * branch.first_atom(cuts, h, &mut shift),
            _ => 0.0,
        };
        let mut grid = Grid::new(self.ends(), h, offset - h * (offset / h).round(), self.longest_stride(h));
        grid.shift = shift;
        grid.add(0.0, self.pair.even);
        for (branch, cuts) in self.branches() {
            branch.atoms(cuts, self.stride(branch, cuts, h), &mut grid);
        }
        grid.table(0.0)
    }
}

/// A table being filled, at losses `n h + offset`.
struct Grid {
    h: f64,
    offset: f64,
    first: f64,
    mass: Vec<f64>,
    reach: f64,
    /// How far round-off may have moved the losses.
    shift: f64,
    /// Mass that lay off the grid.
    dropped: f64,
}

impl Grid {
    fn new((low, high): (f64, f64), h: f64, offset: f64, stride: f64) -> Self {
        let (first, last) = ((low / h).floor() - 2.0 * stride, (high / h).ceil() + 2.0 * stride);
        let reach = low.abs().max(high.abs()) + 3.0 * h;
        Self { h, offset, first, mass: vec![0.0; (last - first) as usize + 1], reach, shift: 0.0, dropped: 0.0 }
    }

    /// Mass that lies off the grid is dropped, and told.
    fn add(&mut self, n: f64, mass: f64) {
        let at = n - self.first;
        if at >= 0.0
            && let Some(slot) = self.mass.get_mut(at as usize)
        {
            *slot += mass;
        } else {
            self.dropped += mass;
        }
    }

    fn table(self, infinite: f64) -> Table {
        // Binomial weights err by 1e-12 at most.
        let relative = UNIT * (64.0 + 8.0 * self.reach + self.mass.len() as f64) + 1e-12;
        let origin = self.first * self.h + self.offset;
        Table { origin, mass: self.mass, infinite, relative, shift: self.shift + 16.0 * UNIT * self.reach }
    }
}

/// A point of the line, its loss, and the smaller tail there of each component of p and then q.
#[derive(Debug, Clone)]
struct Edge {
    x: f64,
    loss: f64,
    tails: Vec<(f64, f64)>,
}

impl Edge {
    fn new(branch: &Branch, x: f64, loss: f64) -> Self {
        let tail = |&(_, shift): &(f64, f64)| {
            let z = (x - shift) / branch.sigma;
            (z, upper_tail(z.abs()))
        };
        Self { x, loss, tails: branch.p.iter().chain(&branch.q).map(tail).collect() }
    }
}

/// Masses between two edges under both laws, and bounds on their round-off.
#[derive(Debug)]
struct Cell {
    p: f64,
    q: f64,
    p_error: f64,
    q_error: f64,
}

impl Cell {
    fn new(branch: &Branch, low: &Edge, high: &Edge) -> Self {
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
    fn seen(&self, branch: &Branch) -> (f64, f64) {
        if branch.turned { (self.q, self.q_error) } else { (self.p, self.p_error) }
    }

    /// Mass under Q, and a bound on its round-off.
    fn base(&self, branch: &Branch) -> (f64, f64) {
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
    fn hockey_stick(&self, epsilon: f64) -> (f64, f64) {
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

    fn sign(&self) -> f64 {
        if self.turned { -1.0 } else { 1.0 }
    }

    /// Masses under P within the branch but at losses below, and above, those tabulated.
    fn outside(&self, cuts: &Cuts) -> (f64, f64) {
        let seen = if self.turned { &self.q } else { &self.p };
        let below = |x: f64| seen.iter().map(|&(w, shift)| w * upper_tail((shift - x) / self.sigma)).sum::<f64>();
        let above = |x: f64| seen.iter().map(|&(w, shift)| w * upper_tail((x - shift) / self.sigma)).sum::<f64>();
        let left = if cuts.from > self.from { below(cuts.from) } else { 0.0 };
        let right = if cuts.to < self.to { above(cuts.to) } else { 0.0 };
        if self.turned { (right, left) } else { (left, right) }
    }

    /// ln(p/q) of a first cell that reaches half a spacing beyond it.
    fn first_atom(&self, cuts: &Cuts, h: f64, shift: &mut f64) -> f64 {
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
    fn atoms(&self, cuts: &Cuts, stride: f64, grid: &mut Grid) {
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
    fn edge_at(&self, target: f64, before: &Edge, cuts: &Cuts, shift: &mut f64) -> Edge {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, pair};

    fn hockey_stick(table: &Table, h: f64, epsilon: f64) -> f64 {
        let atoms = table.mass.iter().enumerate().map(|(i, m)| (table.origin + i as f64 * h, m));
        table.infinite + atoms.map(|(loss, m)| m * -(epsilon - loss).min(0.0).exp_m1()).sum::<f64>()
    }

    fn event(json: &str) -> Event {
        serde_json::from_str(json).unwrap()
    }

    /// Where one step has a closed form, both tables must hold it between them, in both directions, and be of use.
    #[test]
    fn tables_hold_the_closed_form() {
        let gaussian = |sigma: f64| format!(r#"{{"kind":"gaussian","noise_multiplier":{sigma}}}"#);
        let poisson = |q: f64, sigma: f64| format!(r#"{{"kind":"poisson-sampled","sampling_rate":{q},"event":{}}}"#, gaussian(sigma));
        let fixed = |with: bool, sigma: f64| {
            let inner = gaussian(sigma);
            format!(r#"{{"kind":"fixed-size-sampled","records":20,"batch":5,"with_replacement":{with},"event":{inner}}}"#)
        };
        let cut = |sigma: f64| {
            let inner = gaussian(sigma);
            format!(r#"{{"kind":"truncated-poisson-sampled","sampling_rate":0.3,"records":40,"batch":12,"event":{inner}}}"#)
        };
        for json in [
            r#"{"kind":"user-level-gaussian","noise_multiplier":1.5,"sampling_rate":0.2,"records_per_user":4}"#.to_owned(),
            format!(r#"{{"kind":"replace-one","event":{}}}"#, poisson(0.1, 0.7)),
            format!(r#"{{"kind":"replace-one","event":{}}}"#, fixed(false, 1.2)),
            format!(r#"{{"kind":"replace-one","event":{}}}"#, fixed(true, 2.0)),
            cut(0.9),
            format!(r#"{{"kind":"replace-one","event":{}}}"#, cut(0.9)),
            format!(r#"{{"kind":"zero-out","event":{}}}"#, cut(0.9)),
        ] {
            let event = event(&json);
            let line = Line::new(pair::of(&event, "test", 1e-20).unwrap().unwrap(), -60.0);
            for (line, turned) in [(line.clone(), false), (line.turned(), true)] {
                for h in [0.05, 1e-3] {
                    let (above, below) = (line.table_above(h), line.table_below(h));
                    assert!((above.mass.iter().sum::<f64>() + above.infinite - 1.0).abs() < 1e-11, "{event} {turned}");
                    assert!((below.mass.iter().sum::<f64>() - 1.0).abs() < 1e-11, "{event} {turned}");
                    for at in [0.0, 0.013, 0.1, 0.5, 1.0, 2.0] {
                        let exact = line.hockey_stick(at);
                        let (low, high) = (hockey_stick(&below, h, at), hockey_stick(&above, h, at));
                        assert!(exact.0 <= exact.1 && exact.1 - exact.0 < 1e-11, "{event} {turned} {at}: {exact:?}");
                        assert!(low <= exact.1 + 1e-14 && exact.0 <= high + 1e-14, "{event} {turned} {h} {at}: {low} {exact:?} {high}");
                        assert!(high - low < 0.25 * h, "{event} {turned} {h} {at}: {low} {exact:?} {high}");
                    }
                }
            }
        }
    }
}
