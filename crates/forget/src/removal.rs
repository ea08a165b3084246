//! One unit out by one Newton step, and a bound on what is left of it.
//!
//! Let s be any step, D⁻ the rows that stay, m the rows that go, Δ = mλw + Σ ∇ℓ over the rows that go, H = ∇²L(w; D⁻), r = ∇L_b(w; D). Then
//! ∇L_b(w; D⁻) = r − Δ, and along the step
//!
//! ∇L_b(w + s; D⁻) = r + (Hs − Δ) + Xᵀ diag(e) Xs,  |eᵢ| ≤ ½γ|xᵢᵀs| ≤ γ‖s‖,
//!
//! the sum being over the rows that stay. Hence the residual grows by at most ‖Hs − Δ‖ + γ‖X⁻‖‖s‖‖X⁻s‖: Corollary 1 of the paper for a batch,
//! since Δ enters through s alone and may come from any number of rows. (The ½ is left as slack.) That holds for any s, so that a step that
//! was solved badly, or not taken at all, is charged for what it is. The r of a later removal is bounded by what was charged before.

use crate::dense::{Symmetric, U, dot, norm_up, raised};
use crate::logistic::{digest, hessian};
use crate::rows::Rows;
use crate::{CertifiedLogistic, Error, Outcome, RetrainRequired};
use reticent_data::SubjectId;
use reticent_proof::{RemovalStep, charged, removal_worst_case};

impl CertifiedLogistic {
    /// Takes a unit out with all its rows, if the bound on what is left of it and of all before stays within the budget.
    ///
    /// `commitment` is a salted commitment to whose rows go, 64 hexadecimal digits that no removal before had; it ends up in the record. Where
    /// the budget would be exceeded, or too few rows would stay, nothing changes but that the model must be trained again.
    ///
    /// # Errors
    /// [`Error::NoSuchUnit`], [`Error::Commitment`], [`Error::MustRetrain`] after a [`RetrainRequired`].
    pub fn remove(&mut self, unit: SubjectId, commitment: &str) -> Result<Outcome, Error> {
        if let Some(why) = &self.retrain {
            return Err(Error::MustRetrain { why: why.clone() });
        }
        let is_digest = commitment.len() == 64 && commitment.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_digest || self.removals.iter().any(|r| r.commitment == commitment) {
            return Err(Error::Commitment);
        }
        let (rest, gone) = self.rows.without(unit).ok_or(Error::NoSuchUnit)?;
        let (spent, budget) = (self.spent(), self.settings.budget());
        if rest.len() <= self.settings.max_rows_per_unit.get() {
            return Ok(Outcome::RetrainRequired(self.must_retrain(spent, None, budget)));
        }
        let lambda = self.settings.lambda;
        let hessian = hessian(&rest, lambda, &self.weights);
        let delta = delta(&gone, lambda, &self.weights);
        // H is positive definite by λn; were it not so numerically, no step is the step that is charged for.
        let step = hessian.solve(&delta).unwrap_or_else(|| vec![0.0; delta.len()]);
        let weights: Vec<f64> = self.weights.iter().zip(&step).map(|(w, s)| w + s).collect();
        let terms = Terms::new(&rest, gone.len(), lambda, &self.weights, &hessian, &delta, &step);
        let mut removal = RemovalStep {
            commitment: commitment.to_owned(),
            rows: gone.len() as u64,
            rows_left: rest.len() as u64,
            weights_norm: terms.weights_norm,
            spectral_bound: terms.spectral_bound,
            step_norm: terms.step_norm,
            moved_norm: terms.moved_norm,
            solver_residual: terms.solver_residual,
            rounding: terms.rounding,
            residual: 0.0,
            worst_case: removal_worst_case(gone.len() as u64, rest.len() as u64, lambda, terms.weights_norm),
            model_before: digest(&self.weights),
            model_after: digest(&weights),
        };
        removal.residual = charged(&removal);
        let after = spent + removal.residual;
        // Written so that a NaN is refused too.
        if !(after <= budget * (1.0 - 1e-12)) {
            return Ok(Outcome::RetrainRequired(self.must_retrain(spent, Some(removal.residual), budget)));
        }
        (self.weights, self.rows) = (weights, rest);
        self.removals.push(removal.clone());
        Ok(Outcome::Removed(Box::new(removal)))
    }

    fn must_retrain(&mut self, spent: f64, next: Option<f64>, budget: f64) -> RetrainRequired {
        let required = RetrainRequired { spent, next, budget };
        self.retrain = Some(required.to_string());
        required
    }

    /// Says that the model must be trained again for a reason from outside, for instance rows that may no longer be used. Final.
    pub fn require_retraining(&mut self, why: &str) {
        self.retrain.get_or_insert_with(|| why.to_owned());
    }
}

/// Δ = mλw + Σ (σ(wᵀx) − y)x over the rows that go.
pub(crate) fn delta(gone: &Rows, lambda: f64, w: &[f64]) -> Vec<f64> {
    crate::logistic::gradient(gone, lambda, &vec![0.0; w.len()], w)
}

/// The parts of the bound for a step, each not below its true value.
pub(crate) struct Terms {
    pub(crate) weights_norm: f64,
    pub(crate) spectral_bound: f64,
    pub(crate) step_norm: f64,
    pub(crate) moved_norm: f64,
    pub(crate) solver_residual: f64,
    pub(crate) rounding: f64,
}

impl Terms {
    pub(crate) fn new(rest: &Rows, gone: usize, lambda: f64, w: &[f64], hessian: &Symmetric, delta: &[f64], step: &[f64]) -> Self {
        let (n, d) = (rest.len(), w.len());
        let mut gram = Symmetric::scaled_identity(d, 0.0);
        let mut moved = Vec::with_capacity(n);
        for (x, _) in rest.iter() {
            gram.add_outer(1.0, x);
            moved.push(dot(x, step));
        }
        gram.mirror();
        let missed: Vec<f64> = hessian.times(step).iter().zip(delta).map(|(h, d)| h - d).collect();
        let step_norm = norm_up(step);
        // Rows of norm 1 allow no more than √n; a bound raised beyond it by rounding alone comes back to it.
        let spectral_bound = raised(gram.norm_bound().sqrt(), n + d).min((n as f64).sqrt());
        let weights_norm = norm_up(w);
        Self {
            weights_norm,
            spectral_bound,
            step_norm,
            // Each product is off by at most (d + 1)·U·‖x‖‖s‖.
            moved_norm: (norm_up(&moved) + 2.0 * (d + 1) as f64 * U * (n as f64).sqrt() * step_norm).min((n as f64).sqrt() * step_norm),
            solver_residual: norm_up(&missed),
            rounding: rounding(n as f64, gone as f64, d as f64, lambda, weights_norm, step_norm, norm_up(delta)),
        }
    }
}

/// What rounding may add: to H (weights of the rows, then a sum of n terms), to Δ (m terms), to Hs − Δ, to the sum w + s, to the product of the
/// norms. Forward error bounds of sums and dot products, |fl(Σ) − Σ| ≤ kU Σ|·|, all doubled for what is of second order.
fn rounding(n: f64, m: f64, d: f64, lambda: f64, weights: f64, step: f64, delta: f64) -> f64 {
    let slope = (d + 1.0) * weights / 4.0 + 8.0;
    let in_hessian = n * (0.4 * slope + 8.0 + 0.26 * (n + 2.0) + 4.0 * lambda) * step;
    let in_delta = m * (slope + (m + 3.0) * (1.0 + lambda * weights));
    let in_product = (d + 1.0) * (n * (0.25 + d * lambda) * step + delta);
    let in_sum = (weights + step) * n * (0.25 + lambda);
    let in_norms = 8.0 * n * step * step;
    2.0 * U * (in_hessian + in_delta + in_product + in_sum + in_norms)
}
