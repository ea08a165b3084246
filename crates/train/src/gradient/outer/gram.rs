//! The norm of a unit's gradient from the inner products of its rows: `‖G‖² = Σ_{t,s} (a_t·a_s)(g_t·g_s)` (Goodfellow 2015, arXiv:1510.01799), with a
//! bound on all that `f32` may have rounded off.
//!
//! The gradient that is added to a sum is computed from its terms, and its rounding is another one. What is given here is never below its norm.
//! Gradients that share a factor, as those of the gates of a recurrent layer do, share its inner products.

use super::avx512::{combine, inner_products};
use super::{Matrix, Outer, Scratch};
use crate::instructions::{Avx512, Instructions};
use rayon::prelude::*;

/// Of the unit round-off of `f32`, per operation: what `k` operations may lose relative to the sum of absolute terms (Higham 2002, section 3.1).
fn gamma(k: usize) -> f64 {
    let all = k as f64 * f64::from(f32::EPSILON) / 2.0;
    all / (1.0 - all)
}

/// What an operation may lose besides, where its result is below the normal numbers.
const UNDERFLOW: f64 = 1.401_298_464_324_817e-45;

/// Operations on the way of a term to its inner product: one of sixteen sums, which are then added pairwise.
fn depth(width: usize) -> usize {
    width.div_ceil(16) + 4
}

/// The bound may be above the norm it bounds by so much of it.
pub(super) const SLACK: f64 = 1e-3;

/// The squared norm of each unit's gradient, or a bound above it by at most [`SLACK`], for those of these where it takes fewer operations than the
/// gradients; where rows cancel, overflow or are no numbers, so that no such bound is known, it is the norm itself.
pub(super) fn squared_norms(found: Avx512, all: &[Outer<'_>]) -> Vec<Option<Vec<f64>>> {
    let (factors, uses) = shared(all);
    let chosen = worth_it(all, &factors, &uses);
    let needed: Vec<bool> = (0..factors.len()).map(|at| uses.iter().zip(&chosen).any(|(of, chosen)| *chosen && of.contains(&at))).collect();
    let units = all.first().map_or(0, |outer| outer.units);
    let of_unit = |unit: usize| {
        let own = |(factor, needed): (&Factor<'_>, &bool)| needed.then(|| inner_products(found, factor.of(unit), factor.positions));
        let products: Vec<Option<InnerProducts>> = factors.iter().zip(&needed).map(own).collect();
        let norm = |(outer, &[a, g]): (&Outer<'_>, &[usize; 2])| {
            let (a, g) = (products[a].as_ref()?, products[g].as_ref()?);
            bound(combine(found, a, g), [a, g], outer)
                .or_else(|| Some(outer.squared_norm(unit, Instructions::Avx512(found), &mut Scratch::default())))
        };
        all.iter().zip(&uses).map(norm).collect::<Vec<Option<f64>>>()
    };
    if !chosen.contains(&true) {
        return vec![None; all.len()];
    }
    let by_unit: Vec<Vec<Option<f64>>> = (0..units).into_par_iter().map(of_unit).collect();
    let of = |at: usize| chosen[at].then(|| by_unit.iter().map(|of_unit| of_unit[at].expect("its factors were multiplied")).collect());
    (0..all.len()).map(of).collect()
}

/// One factor of one gradient or several.
struct Factor<'a> {
    rows: Matrix<'a>,
    positions: usize,
}

impl<'a> Factor<'a> {
    fn of(&self, unit: usize) -> Matrix<'a> {
        self.rows.below(unit * self.positions)
    }

    fn is(&self, rows: Matrix<'_>, positions: usize) -> bool {
        let same = |a: Matrix<'_>| (a.values.as_ptr(), a.stride, a.width);
        same(self.rows) == same(rows) && self.positions == positions
    }

    /// What its inner products cost, in operations of a gradient.
    fn cost(&self) -> usize {
        // What adding up sixteen sums costs, as so many columns more.
        const ADDING: usize = 128;
        self.positions * self.positions * (self.rows.width + ADDING) / 2
    }
}

/// The different factors, and which of them each gradient has.
fn shared<'a>(all: &[Outer<'a>]) -> (Vec<Factor<'a>>, Vec<[usize; 2]>) {
    let mut factors: Vec<Factor<'a>> = vec![];
    let mut uses = vec![];
    for outer in all {
        uses.push([outer.a, outer.g].map(|rows| {
            factors.iter().position(|known| known.is(rows, outer.positions)).unwrap_or_else(|| {
                factors.push(Factor { rows, positions: outer.positions });
                factors.len() - 1
            })
        }));
    }
    (factors, uses)
}

/// For which inner products take fewer operations, together with all that share factors with them, and lose little.
fn worth_it(all: &[Outer<'_>], factors: &[Factor<'_>], uses: &[[usize; 2]]) -> Vec<bool> {
    let precise = |outer: &Outer<'_>| {
        let lost = gamma(depth(outer.a.width)) + gamma(depth(outer.g.width));
        outer.positions >= 2 && outer.positions as f64 * lost < SLACK / 2.0
    };
    // Factors that belong together have the number of the first of them.
    let mut first: Vec<usize> = (0..factors.len()).collect();
    for &[a, g] in uses {
        let (from, to) = (first[a].max(first[g]), first[a].min(first[g]));
        first.iter_mut().filter(|of| **of == from).for_each(|of| *of = to);
    }
    let pays: Vec<bool> = (0..factors.len())
        .map(|group| {
            let members = || all.iter().zip(uses).filter(|(_, uses)| first[uses[0]] == group).map(|(outer, _)| outer);
            let gradients: usize = members().map(|outer| outer.positions * outer.a.width * outer.g.width).sum();
            let products: usize = factors.iter().zip(&first).filter(|(_, of)| **of == group).map(|(factor, _)| factor.cost()).sum();
            products < gradients && members().all(precise)
        })
        .collect();
    uses.iter().map(|uses| pays[first[uses[0]]]).collect()
}

/// The inner products of the rows of one unit, and the squared lengths among them.
pub(super) struct InnerProducts {
    /// Of `SIDE` rows with as many, at or before them, one after another.
    pub(super) blocks: Vec<[f32; 16]>,
    pub(super) lengths: Vec<f32>,
}

/// At least the squared norm of a gradient as it is added to a sum.
fn bound(products: f64, [a, g]: [&InnerProducts; 2], outer: &Outer<'_>) -> Option<f64> {
    let (m, n, positions) = (outer.a.width, outer.g.width, outer.positions);
    let [of_a, of_g] = [m, n].map(|width| gamma(depth(width)));
    let [under_a, under_g] = [m, n].map(|width| width as f64 * UNDERFLOW);
    // No row is longer than so.
    let length = |squared: f32, lost: f64, under: f64| (f64::from(squared) * (1.0 + 2.0 * lost) + under).sqrt();
    let (mut both, mut all_a, mut all_g) = (0.0, 0.0, 0.0);
    for (&a, &g) in a.lengths.iter().zip(&g.lengths) {
        let (a, g) = (length(a, of_a, under_a), length(g, of_g, under_g));
        both += a * g;
        all_a += a;
        all_g += g;
    }
    // The last term is of the sum over pairs, in `f64`.
    let lost = (of_a + of_g + of_a * of_g + (positions * positions) as f64 * f64::EPSILON) * both * both
        + 2.0 * (under_a * all_g * all_g + under_g * all_a * all_a);
    // The gradient in the sum has a rounding of its own.
    let of_sum = gamma(positions) * both + positions as f64 * UNDERFLOW * ((m * n) as f64).sqrt();
    let at_least = (products - lost).max(0.0).sqrt() - of_sum;
    let at_most = (products + lost).max(0.0).sqrt() + of_sum;
    (at_most.is_finite() && at_most <= at_least * (1.0 + SLACK)).then_some(at_most * at_most)
}

/// As [`squared_norms`] for one gradient of one unit, whatever it costs; `None` where no bound is known.
#[cfg(test)]
pub(super) fn bound_of(found: Avx512, outer: &Outer<'_>) -> Option<f64> {
    let [a, g] = [outer.a, outer.g].map(|rows| inner_products(found, rows, outer.positions));
    bound(combine(found, &a, &g), [&a, &g], outer)
}
