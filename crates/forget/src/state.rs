//! A model between two removals, as it is kept, and the record of what was done.

use crate::dense::norm_up;
use crate::logistic::digest;
use crate::rows::Rows;
use crate::{CertifiedLogistic, Error, Settings};
use reticent_data::{PermittedTable, SubjectId};
use reticent_proof as proof;
use reticent_proof::{Certificate, Constant, Constants, How, RemovalStep};
use serde::{Deserialize, Serialize};

/// What must be kept of a model so that it can go on. It names units by pseudonym and holds the weights: for its owner alone. No `Debug`.
///
/// The noise is not in it: nothing after training needs it.
#[derive(Clone, Serialize, Deserialize)]
pub struct State {
    settings: Settings,
    weights: Vec<f64>,
    units: Vec<SubjectId>,
    rows_digest: String,
    rows_trained: usize,
    start_residual: f64,
    model_trained: String,
    removals: Vec<RemovalStep>,
    retrain: Option<String>,
}

impl State {
    /// Units that are in the model, in the order of their ids.
    #[must_use]
    pub fn units(&self) -> &[SubjectId] {
        &self.units
    }

    /// Commitments of the removals so far, oldest first.
    pub fn commitments(&self) -> impl Iterator<Item = &str> {
        self.removals.iter().map(|r| r.commitment.as_str())
    }

    /// Why the model must be trained again, where it must.
    #[must_use]
    pub fn retrain(&self) -> Option<&str> {
        self.retrain.as_deref()
    }

    /// Says that the model must be trained again, without its rows at hand. Final.
    pub fn require_retraining(&mut self, why: &str) {
        self.retrain.get_or_insert_with(|| why.to_owned());
    }

    /// Whether the weights are still those of the last removal.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        digest(&self.weights) == *self.removals.last().map_or(&self.model_trained, |r| &r.model_after)
    }
}

/// What the record says about where data and program came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Digest of the data version the model was trained on.
    pub data: String,
    /// Version of the program.
    pub code: String,
    /// Where the noise came from.
    pub noise_source: String,
}

impl CertifiedLogistic {
    /// What to keep.
    #[must_use]
    pub fn state(&self) -> State {
        State {
            settings: self.settings.clone(),
            weights: self.weights.clone(),
            units: self.rows.units.iter().map(|(id, _)| *id).collect(),
            rows_digest: self.rows.digest(),
            rows_trained: self.rows_trained,
            start_residual: self.start_residual,
            model_trained: self.model_trained.clone(),
            removals: self.removals.clone(),
            retrain: self.retrain.clone(),
        }
    }

    /// Goes on from a kept state with the rows that are in the model; rows of other units in `table` are passed over.
    ///
    /// # Errors
    /// [`Error::OtherRows`] where a unit is missing or its rows are not those in the model, or where the weights are not those of the last
    /// removal.
    pub fn resume(state: State, table: &PermittedTable) -> Result<Self, Error> {
        state.settings.check()?;
        if !state.is_whole() {
            return Err(Error::OtherRows { why: "the weights are not those of the last removal" });
        }
        let table = table.filter(|id| state.units.binary_search(&id).is_ok());
        let rows = Rows::new(&table, &state.settings)?;
        if rows.digest() != state.rows_digest {
            return Err(Error::OtherRows { why: "some are missing or differ" });
        }
        let State { settings, weights, rows_trained, start_residual, model_trained, removals, retrain, .. } = state;
        Ok(Self { settings, rows, weights, start_residual, rows_trained, model_trained, removals, retrain })
    }

    /// The record of all removals since training: every number of the bound, how it was obtained, and what it does not say.
    /// [`reticent_proof::verify_removal`] recomputes it.
    #[must_use]
    pub fn certificate(&self, provenance: &Provenance) -> Certificate {
        let Settings { lambda, sigma, epsilon, delta, max_rows_per_unit } = self.settings;
        let (spent, budget) = (self.spent(), self.settings.budget());
        let most = max_rows_per_unit.get() as u64;
        let rows_left = self.rows.len() as u64;
        let weights_norm = norm_up(&self.weights);
        let residuals: Vec<f64> = self.removals.iter().map(|r| r.residual).collect();
        let constant = |value, how| Constant { value, how };
        Certificate {
            schema_version: 1,
            method: proof::METHOD.into(),
            theorem: proof::THEOREM.into(),
            epsilon,
            delta,
            adjacency: proof::ADJACENCY.into(),
            adversary: proof::ADVERSARY.into(),
            constants: Constants {
                gamma: constant(proof::GAMMA_LOGISTIC, How::Proved),
                gradient: constant(proof::GRADIENT_LOGISTIC, How::Proved),
                row_norm: constant(1.0, How::Clipped),
                lambda: constant(lambda, How::Chosen),
                c: constant(proof::removal_c(delta), How::Proved),
                spectral_norm: proof::SPECTRAL.into(),
            },
            sigma,
            noise_source: provenance.noise_source.clone(),
            budget,
            rows_trained: self.rows_trained as u64,
            max_rows_per_unit: most,
            start_residual: self.start_residual,
            model_trained: self.model_trained.clone(),
            removals: self.removals.clone(),
            removals_so_far: self.removals.len() as u64,
            residual_spent: spent,
            budget_left: budget - spent,
            worst_case_next: proof::removal_worst_case(most, rows_left - most, lambda, weights_norm),
            removals_left: proof::removals_left(budget - spent, most, rows_left, lambda, weights_norm, &residuals),
            weights_norm,
            model_now: digest(&self.weights),
            rounding: proof::ROUNDING.into(),
            data: provenance.data.clone(),
            code: provenance.code.clone(),
            retrain_trigger: proof::RETRAIN_TRIGGER.into(),
            non_claims: proof::NON_CLAIMS.map(str::to_owned).into(),
        }
    }
}
