//! Privacy losses known in closed form: a few atoms, or Laplace's two atoms and a density between them; or mixtures of Gaussians.
//!
//! All these are symmetric: adding and removing have the same law. From above, each atom or cell goes to the grid points on
//! either side so that its mass under both neighbours is kept (connect the dots); from below, each cell becomes one atom at
//! the logarithm of its ratio of masses and every atom moves down to a grid point. Atoms on an even lattice are exact
//! where the grid's spacing divides the lattice's, which [`Law::snap`] sees to.

use super::NAME;
use super::table::{Table, UNIT};
use crate::pld::line::Line;
use crate::rdp::check_answers;
use crate::{Error, Event, pair};

/// Most atoms of one law.
const MAX_ATOMS: f64 = 2e6;

/// The law of the loss of one mechanism under the neighbour P.
#[derive(Debug, Clone)]
pub(crate) enum Law {
    /// (loss, probability), losses rising; the probability of an infinite loss; a bound on that of losses left out.
    Atoms { atoms: Vec<(f64, f64)>, infinite: f64, cut: f64 },
    /// Laplace noise, t = sensitivity/scale: P(L = t) = 1/2, P(L = -t) = e^-t/2, density e^((l-t)/2)/4 between.
    Laplace { t: f64 },
    /// Mixtures of Gaussians.
    Line(Box<Line>),
}

impl Law {
    /// The law of one of the mechanisms that [`Event::parts`] leaves whole. What is cut has mass e^`log_tail` at most.
    pub(crate) fn of(event: &Event, log_tail: f64) -> Result<Self, Error> {
        if let Some(pair) = pair::of(event, NAME, log_tail.exp())? {
            let line = Line::new(pair, log_tail);
            finite(line.ends().1 - line.ends().0)?;
            return Ok(Self::Line(Box::new(line)));
        }
        Ok(match event {
            Event::Laplace { scale } => Self::Laplace { t: finite(1.0 / scale.get())? },
            Event::DiscreteLaplace { scale } => Self::response(finite(1.0 / scale.get())?, 2.0, 0.0),
            Event::RandomisedResponse { epsilon, answers } => {
                check_answers(answers.get())?;
                Self::response(epsilon.get(), f64::from(answers.get()), 0.0)
            }
            Event::Pure { epsilon } | Event::Exponential { epsilon } | Event::PermuteAndFlip { epsilon } => {
                Self::response(epsilon.get(), 2.0, 0.0)
            }
            Event::Approximate { epsilon, delta } => Self::response(epsilon.get(), 2.0, delta.get()),
            Event::DiscreteGaussian { noise_multiplier, sensitivity } => {
                let sensitivity = f64::from(sensitivity.get());
                Self::discrete_gaussian(noise_multiplier.get() * sensitivity, sensitivity, log_tail)?
            }
            Event::Zcdp { .. } => return Err(event.refused(NAME, "its Renyi divergences do not fix a distribution of losses")),
            Event::RepeatAndSelect { .. } => return Err(event.refused(NAME, "only Renyi divergences of selections are known")),
            _ => return Err(event.refused(NAME, "no law of its loss is known")),
        })
    }

    /// Randomised response; with two answers also the worst of all mechanisms of its epsilon and delta (Kairouz, Oh &
    /// Viswanath 2015, arXiv:1311.0776).
    fn response(epsilon: f64, answers: f64, delta: f64) -> Self {
        // The probability of one wrong answer in units of that of the true one.
        let wrong = (-epsilon).exp();
        let total = 1.0 + (answers - 1.0) * wrong;
        let scale = (1.0 - delta) / total;
        let mut atoms = vec![(-epsilon, scale * wrong)];
        if answers > 2.0 {
            atoms.push((0.0, scale * (answers - 2.0) * wrong));
        }
        atoms.push((epsilon, scale));
        Self::Atoms { atoms, infinite: delta, cut: 0.0 }
    }

    /// ln P(k)/Q(k) = (D^2 - 2 k D)/2s^2 for noise s and sensitivity D.
    fn discrete_gaussian(s: f64, sensitivity: f64, log_tail: f64) -> Result<Self, Error> {
        let last = (s * (2.0 * (3.0 - log_tail)).sqrt()).ceil() + 1.0;
        if 2.0 * last >= MAX_ATOMS || last.is_nan() {
            return Err(Error::GridTooLarge { points: 2.0 * last, limit: MAX_ATOMS as usize });
        }
        let last = last as i64;
        let mass = |k: i64| (-0.5 * (k as f64 / s).powi(2)).exp();
        let total: f64 = (-last..=last).map(mass).sum();
        let loss = |k: i64| (sensitivity * sensitivity - 2.0 * k as f64 * sensitivity) / (2.0 * s * s);
        let atoms = (-last..=last).rev().map(|k| (loss(k), mass(k) / total)).collect();
        finite(loss(last).abs())?;
        Ok(Self::Atoms { atoms, infinite: 0.0, cut: log_tail.exp() })
    }

    /// The lowest and the highest finite loss.
    fn ends(&self) -> (f64, f64) {
        match self {
            Self::Atoms { atoms, .. } => (atoms[0].0, atoms[atoms.len() - 1].0),
            Self::Laplace { t } => (-t, *t),
            Self::Line(line) => line.ends(),
        }
    }

    /// The law when the neighbours change places: all but mixtures of Gaussians are symmetric.
    pub(crate) fn turned(&self) -> Self {
        match self {
            Self::Line(line) => Self::Line(Box::new(line.turned())),
            symmetric => symmetric.clone(),
        }
    }

    pub(crate) fn is_line(&self) -> bool {
        matches!(self, Self::Line(_))
    }

    pub(crate) fn span(&self) -> f64 {
        let (low, high) = self.ends();
        high - low
    }

    /// The largest spacing at most `h` that divides the spacing of the atoms.
    pub(crate) fn snap(&self, h: f64) -> f64 {
        let lattice = match self {
            Self::Atoms { atoms, .. } => atoms[1].0 - atoms[0].0,
            Self::Laplace { t } => 2.0 * t,
            Self::Line(_) => 0.0,
        };
        if lattice > 0.0 { lattice / (lattice / h).ceil() } else { h }
    }

    /// ln E e^(lambda loss), and mean and variance of the loss under the tilted law; roughly, for Laplace.
    pub(crate) fn tilted(&self, lambda: f64) -> (f64, f64, f64) {
        let cells;
        let atoms = match self {
            Self::Atoms { atoms, .. } => atoms,
            Self::Line(line) => line.rough(),
            Self::Laplace { t } => {
                let width = 2.0 * t / 400.0;
                let mut list = vec![(-t, 0.5 * (-t).exp())];
                list.extend((0..400).map(|i| {
                    let loss = -t + (f64::from(i) + 0.5) * width;
                    (loss, 0.25 * (0.5 * (loss - t)).exp() * width)
                }));
                list.push((*t, 0.5));
                cells = list;
                &cells
            }
        };
        let top = atoms.iter().map(|&(loss, mass)| lambda * loss + mass.ln()).fold(f64::NEG_INFINITY, f64::max);
        let weight = |&(loss, mass): &(f64, f64)| (lambda * loss + mass.ln() - top).exp();
        let sum: f64 = atoms.iter().map(weight).sum();
        let mean = atoms.iter().map(|a| weight(a) * a.0).sum::<f64>() / sum;
        let variance = atoms.iter().map(|a| weight(a) * (a.0 - mean).powi(2)).sum::<f64>() / sum;
        (top + sum.ln(), mean, variance)
    }

    /// A distribution that dominates the law.
    pub(crate) fn table_above(&self, h: f64) -> Table {
        let mut grid = Grid::new(self.ends(), h);
        let infinite = match self {
            Self::Atoms { atoms, infinite, cut } => {
                for &(loss, mass) in atoms {
                    grid.split(loss, mass);
                }
                // The small losses that were cut move up to the lowest atom.
                grid.mass[0] += cut;
                infinite + cut
            }
            Self::Line(line) => return line.table_above(h),
            Self::Laplace { t } => {
                grid.split(-t, 0.5 * (-t).exp());
                grid.split(*t, 0.5);
                let mut low = -t;
                for i in 0..grid.mass.len() - 1 {
                    let high = (grid.low + (i + 1) as f64 * h).min(*t);
                    let width = high - low;
                    if width <= 0.0 {
                        break;
                    }
                    // P - Q e^low = e^((low - t)/2) (e^(width/2) - 2 + e^(-width/2))/2.
                    let p = 0.5 * (0.5 * (low - t)).exp() * (0.5 * width).exp_m1();
                    let surplus = 2.0 * (0.5 * (low - t)).exp() * (0.25 * width).sinh().powi(2);
                    let up = (surplus / -(-h).exp_m1() * (1.0 + 64.0 * UNIT)).min(p);
                    grid.mass[i + 1] += up;
                    grid.mass[i] += p - up;
                    low = high;
                }
                0.0
            }
        };
        grid.table(infinite)
    }

    /// A distribution that the law dominates.
    pub(crate) fn table_below(&self, h: f64) -> Table {
        let mut grid = Grid::new(self.ends(), h);
        let infinite = match self {
            Self::Atoms { atoms, infinite, .. } => {
                for &(loss, mass) in atoms {
                    grid.lower(loss, mass);
                }
                *infinite
            }
            Self::Line(line) => return line.table_below(h),
            Self::Laplace { t } => {
                grid.lower(-t, 0.5 * (-t).exp());
                grid.lower(*t, 0.5);
                // ln of the ratio of a cell's masses is its middle: cells centred on grid points stay in place.
                for i in 0..grid.mass.len() {
                    let centre = grid.low + i as f64 * h;
                    let (low, high) = ((centre - 0.5 * h).max(-t), (centre + 0.5 * h).min(*t));
                    if high > low {
                        let p = 0.5 * (0.5 * (low - t)).exp() * (0.5 * (high - low)).exp_m1();
                        let middle = 0.5 * (low + high);
                        let whole = (middle - centre).abs() < 1e-9 * h;
                        grid.lower(if whole { centre } else { middle }, p);
                    }
                }
                0.0
            }
        };
        grid.table(infinite)
    }
}

fn finite(value: f64) -> Result<f64, Error> {
    if value < 1e9 { Ok(value) } else { Err(Error::Unrepresentable { quantity: "the privacy loss" }) }
}

/// A table being filled.
struct Grid {
    low: f64,
    h: f64,
    mass: Vec<f64>,
    /// How far atoms were moved for being within round-off of a grid point.
    shift: f64,
}

impl Grid {
    fn new((low, high): (f64, f64), h: f64) -> Self {
        let points = ((high - low) / h - 1e-9).ceil().max(0.0) as usize + 1;
        Self { low, h, mass: vec![0.0; points], shift: 0.0 }
    }

    /// The grid point at or next below, and the way from it up to `loss`.
    fn place(&mut self, loss: f64) -> (usize, f64) {
        let position = (loss - self.low) / self.h;
        let nearest = position.round();
        if (position - nearest).abs() < 1e-9 {
            let nearest = nearest.clamp(0.0, (self.mass.len() - 1) as f64);
            self.shift = self.shift.max((loss - self.low - nearest * self.h).abs());
            (nearest as usize, 0.0)
        } else {
            let below = position.floor().max(0.0);
            (below as usize, loss - self.low - below * self.h)
        }
    }

    fn split(&mut self, loss: f64, mass: f64) {
        let (at, above) = self.place(loss);
        let up = if above > 0.0 { (mass * (-above).exp_m1() / (-self.h).exp_m1() * (1.0 + 16.0 * UNIT)).min(mass) } else { 0.0 };
        if up > 0.0 {
            self.mass[at + 1] += up;
        }
        self.mass[at] += mass - up;
    }

    fn lower(&mut self, loss: f64, mass: f64) {
        let (at, _) = self.place(loss);
        self.mass[at] += mass;
    }

    fn table(self, infinite: f64) -> Table {
        let reach = self.low.abs() + self.mass.len() as f64 * self.h;
        // Exponents of up to `reach`, sums of many atoms.
        let relative = UNIT * (64.0 + 8.0 * reach + self.mass.len() as f64);
        Table { origin: self.low, mass: self.mass, infinite, relative, shift: self.shift + 16.0 * UNIT * reach }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hockey_stick(table: &Table, h: f64, epsilon: f64) -> f64 {
        let atoms = table.mass.iter().enumerate().map(|(i, m)| (table.origin + i as f64 * h, m));
        table.infinite + atoms.map(|(loss, m)| m * -(epsilon - loss).min(0.0).exp_m1()).sum::<f64>()
    }

    /// One application has a closed form; the tables must hold it between them at every epsilon, on grids that fit and
    /// grids that do not, and keep the total mass.
    #[test]
    fn tables_hold_the_closed_forms() {
        let t: f64 = 1.3;
        let laplace = |e: f64| {
            if e <= -t {
                1.0 - e.exp()
            } else if e < t {
                1.0 - (0.5 * (e - t)).exp()
            } else {
                0.0
            }
        };
        let response = |e: f64| ((2.0_f64.exp() - e.exp()) / (2.0_f64.exp() + 3.0)).max(0.0);
        for h in [0.3, 0.013, 1.0] {
            for snapped in [true, false] {
                let laws: [(Law, &dyn Fn(f64) -> f64); 2] = [(Law::Laplace { t }, &laplace), (Law::response(2.0, 4.0, 0.0), &response)];
                for (law, exact) in laws {
                    let h = if snapped { law.snap(h) } else { h };
                    let (above, below) = (law.table_above(h), law.table_below(h));
                    for table in [&above, &below] {
                        assert!((table.mass.iter().sum::<f64>() + table.infinite - 1.0).abs() < 1e-12);
                    }
                    for i in 0..30 {
                        let epsilon = 0.1 * f64::from(i);
                        let (low, high) = (hockey_stick(&below, h, epsilon), hockey_stick(&above, h, epsilon));
                        let exact = exact(epsilon);
                        assert!(low <= exact + 1e-13 && exact <= high + 1e-13, "{law:?} {h} {epsilon}: {low} {exact} {high}");
                        assert!(high - low < 0.5 * h, "{law:?} {h} {epsilon}: {low} {exact} {high}");
                    }
                }
            }
        }
    }
}
