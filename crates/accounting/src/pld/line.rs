//! The privacy loss of a pair of mixtures of Gaussians on the line, on a grid.
//!
//! The line is cut where the loss reaches grid points. From above, a cell goes to its two edges so that its masses under both
//! laws are kept (connect the dots). From below, each cell becomes one atom at the logarithm of its ratio of masses; it is cut so
//! that its atom falls just above a grid point, and moved down to that.

mod cell;

use cell::{Cell, Edge};

use super::table::{Table, UNIT};
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

    fn events() -> Vec<Event> {
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
        [
            r#"{"kind":"user-level-gaussian","noise_multiplier":1.5,"sampling_rate":0.2,"records_per_user":4}"#.to_owned(),
            format!(r#"{{"kind":"replace-one","event":{}}}"#, poisson(0.1, 0.7)),
            format!(r#"{{"kind":"replace-one","event":{}}}"#, fixed(false, 1.2)),
            format!(r#"{{"kind":"replace-one","event":{}}}"#, fixed(true, 2.0)),
            cut(0.9),
            format!(r#"{{"kind":"replace-one","event":{}}}"#, cut(0.9)),
            format!(r#"{{"kind":"zero-out","event":{}}}"#, cut(0.9)),
        ]
        .iter()
        .map(|json| event(json))
        .collect()
    }

    /// Where one step has a closed form, both tables must hold it between them, in both directions, and be of use.
    #[test]
    fn tables_hold_the_closed_form() {
        check_tables(-60.0);
    }

    /// So they must where what is cut is not too little to be seen: from above no mass may be lost at either end, from below none made.
    #[test]
    fn what_is_cut_is_charged() {
        check_tables(-6.0);
        check_tables(-3.0);
    }

    fn check_tables(log_tail: f64) {
        // Under either law.
        let cut = 2.0 * f64::exp(log_tail);
        for event in events() {
            let whole = Line::new(pair::of(&event, "test", 1e-20).unwrap().unwrap(), -60.0);
            let line = Line::new(pair::of(&event, "test", 1e-20).unwrap().unwrap(), log_tail);
            for (line, whole, turned) in [(line.clone(), whole.clone(), false), (line.turned(), whole.turned(), true)] {
                for h in [0.05, 1e-3] {
                    let (above, below) = (line.table_above(h), line.table_below(h));
                    assert!((above.mass.iter().sum::<f64>() + above.infinite - 1.0).abs() < 1e-11, "{event} {turned}");
                    let kept = below.mass.iter().sum::<f64>();
                    assert!((1.0 - cut - 1e-11..1.0 + 1e-11).contains(&kept), "{event} {turned}: {kept}");
                    for at in [0.0, 0.013, 0.1, 0.5, 1.0, 2.0] {
                        let exact = whole.hockey_stick(at);
                        let (low, high) = (hockey_stick(&below, h, at), hockey_stick(&above, h, at));
                        assert!(exact.0 <= exact.1 && exact.1 - exact.0 < 1e-11, "{event} {turned} {at}: {exact:?}");
                        assert!(low <= exact.1 + 1e-14 && exact.0 <= high + 1e-14, "{event} {turned} {h} {at}: {low} {exact:?} {high}");
                        assert!(high - low < 0.25 * h + 2.0 * cut, "{event} {turned} {h} {at}: {low} {exact:?} {high}");
                    }
                }
            }
        }
    }
}
