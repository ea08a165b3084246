//! Logistic regression with noise in its loss, trained to the minimum.

use crate::dense::{Symmetric, U, dot, norm, norm_up};
use crate::perturbation::Perturbation;
use crate::rows::{Rows, scale};
use crate::{Error, Settings};
use rand::CryptoRng;
use reticent_data::{PermittedTable, encode};
use reticent_proof::{EPSILON_MAX, RemovalStep, removal_budget};
use sha2::{Digest, Sha256};
use std::num::NonZeroUsize;

impl Settings {
    /// σε/c: the largest sum of gradient norms that the guarantee covers.
    ///
    /// ```
    /// let settings = reticent_forget::Settings { epsilon: 1.0, delta: 1e-5, sigma: 10.0, ..Default::default() };
    /// assert!((settings.budget() - 2.048).abs() < 5e-4);
    /// ```
    #[must_use]
    pub fn budget(&self) -> f64 {
        removal_budget(self.sigma, self.epsilon, self.delta)
    }

    /// Refuses what the theorem does not cover.
    ///
    /// # Errors
    /// [`Error::Setting`] names the setting and its rule.
    pub fn check(&self) -> Result<(), Error> {
        for (setting, value, upto, rule) in [
            ("lambda", self.lambda, f64::MAX, "above 0 and finite"),
            ("sigma", self.sigma, f64::MAX, "above 0 and finite"),
            ("epsilon", self.epsilon, EPSILON_MAX, "above 0 and at most 2"),
            ("delta", self.delta, 0.5, "above 0 and at most 0.5"),
        ] {
            if !(value > 0.0 && value <= upto) {
                return Err(Error::Setting { setting, value, rule });
            }
        }
        Ok(())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { epsilon: 1.0, delta: 1e-5, sigma: 10.0, lambda: 1e-3, max_rows_per_unit: NonZeroUsize::new(5).expect("5 is not 0") }
    }
}

/// A logistic model out of which a unit can be taken by one Newton step, with a bound on what is left of it: (ε, δ)-certified removal under
/// the assumptions of [`reticent_proof::THEOREM`]. It gives no differential privacy.
///
/// It minimises Σ ℓ(wᵀx, y) + (λn/2)‖w‖² + bᵀw over rows with ‖x‖ ≤ 1, b ~ N(0, σ²I) secret. It holds the rows it was trained on, since a
/// removal needs them. No `Debug`.
pub struct CertifiedLogistic {
    pub(crate) settings: Settings,
    pub(crate) rows: Rows,
    pub(crate) weights: Vec<f64>,
    pub(crate) start_residual: f64,
    pub(crate) rows_trained: usize,
    pub(crate) model_trained: String,
    pub(crate) removals: Vec<RemovalStep>,
    /// Why it must be trained again, once it must.
    pub(crate) retrain: Option<String>,
}

impl CertifiedLogistic {
    /// Trains on all rows of `table`, at most [`Settings::max_rows_per_unit`] of each unit. `noise` must be a stream that nothing else uses.
    ///
    /// # Errors
    /// [`Error::NotBinary`], [`Error::Setting`], [`Error::TooFewRows`]; [`Error::NotConverged`] where the optimiser's own residual would leave
    /// no budget.
    pub fn train(table: &PermittedTable, settings: Settings, noise: &mut impl CryptoRng) -> Result<Self, Error> {
        settings.check()?;
        let rows = Rows::new(table, &settings)?;
        let b = Perturbation::draw(rows.width, settings.sigma, noise);
        Self::fit(rows, settings, &b)
    }

    pub(crate) fn fit(rows: Rows, settings: Settings, b: &Perturbation) -> Result<Self, Error> {
        let most = settings.max_rows_per_unit.get();
        if rows.len() <= 2 * most {
            return Err(Error::TooFewRows { rows: rows.len(), most });
        }
        let weights = minimise(&rows, settings.lambda, &b.0);
        let start_residual = residual_up(&rows, settings.lambda, &b.0, &weights);
        let budget = settings.budget();
        if start_residual.is_nan() || start_residual >= budget {
            return Err(Error::NotConverged { residual: start_residual, budget });
        }
        let model_trained = digest(&weights);
        Ok(Self { settings, rows_trained: rows.len(), rows, weights, start_residual, model_trained, removals: vec![], retrain: None })
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Weights of the inputs in the order of the encoding, the intercept last, for inputs scaled by 1/√(columns + 1).
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Rows that are in the model now.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Units that are in the model now.
    #[must_use]
    pub fn units(&self) -> usize {
        self.rows.units.len()
    }

    /// Whether a unit is in the model.
    #[must_use]
    pub fn holds(&self, unit: reticent_data::SubjectId) -> bool {
        self.rows.units.iter().any(|(id, _)| *id == unit)
    }

    /// Sum of residuals so far, from the optimiser's own on.
    #[must_use]
    pub fn spent(&self) -> f64 {
        self.removals.iter().fold(self.start_residual, |sum, step| sum + step.residual)
    }

    /// Chance of class 1 for each row of a table of the same schema, in [0, 1], with the weights as they are now.
    ///
    /// # Errors
    /// [`Error::OtherRows`] where the table has another number of inputs.
    pub fn predict(&self, table: &PermittedTable) -> Result<Vec<f64>, Error> {
        let encoded = encode(table.table());
        if encoded.width + 1 != self.rows.width {
            return Err(Error::OtherRows { why: "they have another number of inputs" });
        }
        let scale = scale(table.table().schema());
        let (intercept, weights) = self.weights.split_last().expect("a schema has columns");
        let score = |row: &[f32]| row.iter().zip(weights).map(|(&x, w)| f64::from(x) * scale * w).sum::<f64>() + scale * intercept;
        Ok(encoded.inputs.chunks_exact(encoded.width).map(|row| sigmoid(score(row))).collect())
    }
}

/// 1/(1 + e⁻ᶻ), exact to a few units in the last place for every z.
pub(crate) fn sigmoid(z: f64) -> f64 {
    if z >= 0.0 {
        1.0 / (1.0 + (-z).exp())
    } else {
        let e = z.exp();
        e / (1.0 + e)
    }
}

/// ∇L_b(w) = Σ (σ(wᵀx) − y)x + λnw + b.
pub(crate) fn gradient(rows: &Rows, lambda: f64, b: &[f64], w: &[f64]) -> Vec<f64> {
    let strength = lambda * rows.len() as f64;
    let mut gradient: Vec<f64> = w.iter().zip(b).map(|(w, b)| strength * w + b).collect();
    for (x, y) in rows.iter() {
        let slope = sigmoid(dot(x, w)) - y;
        gradient.iter_mut().zip(x).for_each(|(g, x)| *g += slope * x);
    }
    gradient
}

/// ∇²L(w) = Σ s(1 − s)xxᵀ + λnI. The noise is linear in w and not in it.
pub(crate) fn hessian(rows: &Rows, lambda: f64, w: &[f64]) -> Symmetric {
    let mut hessian = Symmetric::scaled_identity(w.len(), lambda * rows.len() as f64);
    for (x, _) in rows.iter() {
        let s = sigmoid(dot(x, w));
        hessian.add_outer(s * (1.0 - s), x);
    }
    hessian.mirror();
    hessian
}

/// Newton's method, each step halved until the gradient is shorter, until rounding is all that is left.
fn minimise(rows: &Rows, lambda: f64, b: &[f64]) -> Vec<f64> {
    const STEPS: usize = 100;
    const HALVINGS: usize = 40;
    let mut w = vec![0.0; rows.width];
    let mut g = gradient(rows, lambda, b, &w);
    for _ in 0..STEPS {
        let Some(step) = hessian(rows, lambda, &w).solve(&g) else { break };
        let shorter = (0..HALVINGS).find_map(|halvings| {
            let part = 0.5_f64.powi(halvings as i32);
            let tried: Vec<f64> = w.iter().zip(&step).map(|(w, s)| w - part * s).collect();
            let gradient = gradient(rows, lambda, b, &tried);
            (norm(&gradient) < norm(&g)).then_some((tried, gradient))
        });
        let Some((next, gradient)) = shorter else { break };
        let settled = norm(&gradient) < 1e-14 * rows.len() as f64;
        (w, g) = (next, gradient);
        if settled {
            break;
        }
    }
    w
}

/// ‖∇L_b(w)‖, not below its true value: the sum's rounding is added, twice over.
fn residual_up(rows: &Rows, lambda: f64, b: &[f64], w: &[f64]) -> f64 {
    let (n, d, length) = (rows.len() as f64, rows.width as f64, norm_up(w));
    let slopes = n * ((d + 1.0) * length / 4.0 + 8.0);
    let sums = (n + 3.0) * (n + lambda * n * length + norm_up(b));
    norm_up(&gradient(rows, lambda, b, w)) + 2.0 * U * (slopes + sums)
}

/// SHA-256 of a model's weights.
pub(crate) fn digest(weights: &[f64]) -> String {
    let mut hash = Sha256::new();
    hash.update(b"reticent removal model 1");
    hash.update((weights.len() as u64).to_le_bytes());
    weights.iter().for_each(|w| hash.update(w.to_le_bytes()));
    hex::encode(hash.finalize())
}
