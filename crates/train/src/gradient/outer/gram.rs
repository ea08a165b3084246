//! The norm of a unit's gradient from the inner products of its rows: `‖G‖² = Σ_{t,s} (a_t·a_s)(g_t·g_s)` (Goodfellow 2015, arXiv:1510.01799), with a
//! bound on all that `f32` may have rounded off.
//!
//! The gradient that is added to a sum is computed from its terms, and its rounding is another one. What is given here is never below its norm.

use super::Matrix;
use crate::instructions::Avx512;

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

/// The bound may be above the norm it bounds by half so much of it.
const SLACK: f64 = 1e-3;

/// Whether inner products take fewer operations than the gradient, and their rounding is far within [`SLACK`] for rows that do not cancel.
pub(super) fn pays(a: usize, g: usize, positions: usize) -> bool {
    // What adding up sixteen sums costs, as so many columns more.
    const ADDING: usize = 256;
    let lost = gamma(depth(a)) + gamma(depth(g));
    positions >= 2 && positions * (a + g + ADDING) / 2 < a * g && positions as f64 * lost < SLACK / 2.0
}

/// At least the squared norm of the gradient of these rows as it is added to a sum, and above it by at most [`SLACK`]; `None` where rows cancel, overflow
/// or are no numbers, so that no such bound is known.
pub(super) fn squared_norm(found: Avx512, a: Matrix<'_>, g: Matrix<'_>, positions: usize) -> Option<f64> {
    let mut lengths = Lengths::default();
    let products = super::avx512::inner_products(found, a, g, positions, &mut lengths);
    bound(products, &lengths, [a.width, g.width], positions)
}

/// The squared lengths of the rows of both factors, as computed.
#[derive(Default)]
pub(super) struct Lengths {
    pub(super) a: Vec<f32>,
    pub(super) g: Vec<f32>,
}

fn bound(products: f64, lengths: &Lengths, [m, n]: [usize; 2], positions: usize) -> Option<f64> {
    let [of_a, of_g] = [m, n].map(|width| gamma(depth(width)));
    let [under_a, under_g] = [m, n].map(|width| width as f64 * UNDERFLOW);
    // No row is longer than so.
    let length = |squared: f32, lost: f64, under: f64| (f64::from(squared) * (1.0 + 2.0 * lost) + under).sqrt();
    let (mut both, mut all_a, mut all_g) = (0.0, 0.0, 0.0);
    for (&a, &g) in lengths.a.iter().zip(&lengths.g) {
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
