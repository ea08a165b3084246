//! (ε, δ)-certified removal by a Newton step: the record of it, and the arithmetic that an outsider can do again.
//!
//! Nothing here trained anything or saw a row. [`verify_removal`] recomputes every number that follows from others and compares every text
//! with what this method may say; the numbers that come from rows (norms, residuals) are checked against each other and against what
//! ‖x‖ ≤ 1 allows, and stay claims of whoever held the rows.
//!
//! Source: Guo, Goldstein, Hannun, van der Maaten 2020, arXiv:1911.03030, section 3.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// γ of the logistic loss: the largest slope of ℓ″(z) = s(1 − s), s = σ(z), is s(1 − s)(1 − 2s) at s = ½(1 − 1/√3), which is 1/(6√3) = 0.09623.
pub const GAMMA_LOGISTIC: f64 = 0.096_225_044_864_937_63;

/// C of the logistic loss: ‖∇ℓ‖ = |σ(z) − y|·‖x‖ ≤ 1 where ‖x‖ ≤ 1.
pub const GRADIENT_LOGISTIC: f64 = 1.0;

/// Largest ε accepted. Theorem 3 states δ = 1.5·exp(−c²/2) for every ε; a Gaussian shifted by σε/c meets it for ε ≤ 2 ln 3, and not for every ε.
pub const EPSILON_MAX: f64 = 2.0;

/// Name of the method in a record.
pub const METHOD: &str = "newton-removal/logistic/1";
/// Where the guarantee comes from.
pub const THEOREM: &str = "Guo, Goldstein, Hannun, van der Maaten 2020, arXiv:1911.03030: Corollary 1 for a batch (residual of one Newton step), Theorem 3 (Gaussian perturbation of the loss)";
/// Which data sets are compared.
pub const ADJACENCY: &str =
    "remove: the model after the removals against one trained on the rows that stay, with fresh noise; a unit goes with all its rows at once";
/// What the adversary of the theorem sees.
pub const ADVERSARY: &str = "the final model alone; requests do not depend on the models; no release of a model before and after together, which share the same noise";
/// When the model must be trained again.
pub const RETRAIN_TRIGGER: &str =
    "train again with fresh noise before the sum of residuals would exceed σε/c, or when the rows that stay are not those it was trained on";
/// How rounding is treated.
pub const ROUNDING: &str = "f64; an allowance from the standard forward error bounds of sums and dot products, doubled, is added to each residual, and products of norms are raised by their relative error";
/// Where ‖X‖ comes from.
pub const SPECTRAL: &str = "upper bound: the smaller of the square root of the largest absolute row sum of XᵀX and the Frobenius norm";
/// What the record does not say.
pub const NON_CLAIMS: [&str; 7] = [
    "no differential privacy: nothing is said about the units that stay",
    "whoever holds a model and all the rows it was trained on can compute its noise from them",
    "nothing is said about copies, backups, other models, or models released before",
    "the theorem is taken from the paper; the arithmetic is checked here, the proof is not",
    "the norms and residuals were computed from rows that a reader of this record does not have",
    "the noise is drawn in f64, and the theorem speaks of real numbers",
    "the numbers here are exact values of private rows: the guarantee does not cover this record itself",
];

/// Record of the (ε, δ)-certified removals done on one model since it was trained.
///
/// Norms are Euclidean upper bounds for rows with ‖x‖ ≤ 1; residuals are gradient norms of the summed loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// 1.
    pub schema_version: u32,
    /// [`METHOD`].
    pub method: String,
    /// [`THEOREM`].
    pub theorem: String,
    /// ε, in nats.
    pub epsilon: f64,
    /// δ.
    pub delta: f64,
    /// [`ADJACENCY`].
    pub adjacency: String,
    /// [`ADVERSARY`].
    pub adversary: String,
    /// The constants of the bound and how each was obtained.
    pub constants: Constants,
    /// Standard deviation of the noise in the loss.
    pub sigma: f64,
    /// Where the noise came from.
    pub noise_source: String,
    /// Largest sum of residuals: σε/c.
    pub budget: f64,
    /// Rows the model was trained on.
    pub rows_trained: u64,
    /// Most rows one unit may have.
    pub max_rows_per_unit: u64,
    /// Where the sum starts: gradient norm at which the optimiser stopped, rounding included.
    pub start_residual: f64,
    /// SHA-256 of the model as trained.
    pub model_trained: String,
    /// The removals, oldest first.
    pub removals: Vec<RemovalStep>,
    /// Their number.
    pub removals_so_far: u64,
    /// Sum of residuals, start included.
    pub residual_spent: f64,
    /// What is left of the budget.
    pub budget_left: f64,
    /// What the next unit of `max_rows_per_unit` rows is charged at most.
    pub worst_case_next: f64,
    /// How many further removals fit.
    pub removals_left: RemovalsLeft,
    /// ‖w‖ of the model now.
    pub weights_norm: f64,
    /// SHA-256 of the model now.
    pub model_now: String,
    /// [`ROUNDING`].
    pub rounding: String,
    /// Digest of the data version the model was trained on.
    pub data: String,
    /// Version of the program.
    pub code: String,
    /// [`RETRAIN_TRIGGER`].
    pub retrain_trigger: String,
    /// [`NON_CLAIMS`].
    pub non_claims: Vec<String>,
}

/// The constants of the bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constants {
    /// Lipschitz constant of ℓ″.
    pub gamma: Constant,
    /// Bound on the gradient of one row.
    pub gradient: Constant,
    /// Bound on ‖x‖.
    pub row_norm: Constant,
    /// Strength of the regularisation a row.
    pub lambda: Constant,
    /// c = √(2 ln(1.5/δ)).
    pub c: Constant,
    /// ‖X‖ where it is used: how, not how much.
    pub spectral_norm: String,
}

/// A number and how it was obtained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// The number.
    pub value: f64,
    /// `proved`, `clipped` (enforced on the input) or `chosen` (a setting).
    pub how: How,
}

/// How a constant was obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Follows from the loss or the theorem.
    Proved,
    /// Enforced on every row by the public bounds of the schema.
    Clipped,
    /// A setting.
    Chosen,
}

/// One removal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovalStep {
    /// Salted commitment to whose rows went, in hexadecimal.
    pub commitment: String,
    /// Rows that went.
    pub rows: u64,
    /// Rows that stayed.
    pub rows_left: u64,
    /// ‖w‖ before the step.
    pub weights_norm: f64,
    /// Upper bound of ‖X⁻‖.
    pub spectral_bound: f64,
    /// ‖H⁻¹Δ‖, the length of the step.
    pub step_norm: f64,
    /// ‖X⁻H⁻¹Δ‖.
    pub moved_norm: f64,
    /// Upper bound of ‖Hs − Δ‖ for the step s that was taken.
    pub solver_residual: f64,
    /// Allowance for rounding.
    pub rounding: f64,
    /// What is charged: γ · `spectral_bound` · `step_norm` · `moved_norm` + `solver_residual` + `rounding`.
    pub residual: f64,
    /// What Theorem 1 would charge at this ‖w‖: γ m² (C + λ‖w‖)² / (λ² n⁻).
    pub worst_case: f64,
    /// SHA-256 of the model before.
    pub model_before: String,
    /// SHA-256 of the model after.
    pub model_after: String,
}

/// How many further removals fit into the budget. Two numbers of different worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovalsLeft {
    /// An estimate, no promise: what is left over the median residual so far; none before the first removal.
    pub estimate_at_median: Option<u64>,
    /// A lower bound: as many units of the most rows always fit, whoever they are.
    pub worst_case: u64,
}

/// What a check found to hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Checked {
    /// σε/c, recomputed.
    pub budget: f64,
    /// Sum of residuals, recomputed.
    pub spent: f64,
    /// Removals in the record.
    pub removals: usize,
}

/// Why a record does not hold.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Wrong {
    /// A number is not what follows from the others.
    #[error("{field} is {found}, and {expected} follows from the other numbers")]
    Number {
        /// Which.
        field: String,
        /// In the record.
        found: f64,
        /// Recomputed.
        expected: f64,
    },
    /// A number is outside what it can be.
    #[error("{field} is {found}: {why}")]
    Range {
        /// Which.
        field: String,
        /// In the record.
        found: f64,
        /// The rule.
        why: &'static str,
    },
    /// A text is not what this method may say.
    #[error("{field} is not what this method may say")]
    Text {
        /// Which.
        field: &'static str,
    },
    /// The models do not follow on each other, or a commitment comes twice.
    #[error("removal {at} does not follow on what came before: {why}")]
    Chain {
        /// Position from 0; the number of removals stands for the end.
        at: usize,
        /// What does not fit.
        why: &'static str,
    },
    /// More was spent than the budget holds.
    #[error("{spent} was spent of a budget of {budget}")]
    Exceeded {
        /// Sum of residuals.
        spent: f64,
        /// σε/c.
        budget: f64,
    },
}

/// c of Theorem 3: √(2 ln(1.5/δ)).
///
/// ```
/// assert!((reticent_proof::removal_c(1e-4) - 4.3854).abs() < 5e-5);
/// ```
#[must_use]
pub fn removal_c(delta: f64) -> f64 {
    (2.0 * (1.5 / delta).ln()).sqrt()
}

/// Largest sum of residuals that Theorem 3 covers: σε/c, in gradient norm of the summed loss.
///
/// ```
/// // MNIST 3 against 8 in the paper: σ = 10, ε = 1, δ = 1e-4.
/// assert!((reticent_proof::removal_budget(10.0, 1.0, 1e-4) - 2.280).abs() < 5e-4);
/// ```
#[must_use]
pub fn removal_budget(sigma: f64, epsilon: f64, delta: f64) -> f64 {
    sigma * epsilon / removal_c(delta)
}

/// Residual that the removal of `rows` rows can leave at most, `rows_left` staying: γ m² (C + λ‖w‖)² / (λ² n⁻).
///
/// The published form, 4γm²C²/(λ²n⁻), is this at λ‖w‖ = C, which holds without noise in the loss; with noise only λ‖w‖ ≤ C + ‖b‖/n does, so
/// that the norm of the weights is taken as it is.
///
/// ```
/// let published = reticent_proof::removal_worst_case(1, 11_982 - 1, 1e-3, 1.0 / 1e-3);
/// assert!((published - 32.1).abs() < 0.05); // 83.5 with the γ = ¼ of the published code
/// ```
#[must_use]
pub fn removal_worst_case(rows: u64, rows_left: u64, lambda: f64, weights_norm: f64) -> f64 {
    let step = rows as f64 * (GRADIENT_LOGISTIC + lambda * weights_norm) / lambda;
    GAMMA_LOGISTIC * step * step / rows_left as f64
}

/// How many more units of `rows` rows always fit into `left`, whoever they are, and what the median residual so far lets one expect.
///
/// The lower bound follows the worst case step by step: ‖w‖ grows by at most m(C + λ‖w‖)/(λn⁻), the rows shrink by m.
#[must_use]
pub fn removals_left(left: f64, rows: u64, mut rows_left: u64, lambda: f64, mut weights_norm: f64, residuals: &[f64]) -> RemovalsLeft {
    // Solver and rounding are some 1e-8 of this; a thousandth more covers them.
    const ALSO: f64 = 1.001;
    let (mut spent, mut worst_case) = (0.0, 0);
    while rows_left > rows {
        rows_left -= rows;
        spent += ALSO * removal_worst_case(rows, rows_left, lambda, weights_norm);
        if spent.is_nan() || spent > left {
            break;
        }
        weights_norm += ALSO * rows as f64 * (GRADIENT_LOGISTIC + lambda * weights_norm) / (lambda * rows_left as f64);
        worst_case += 1;
    }
    let mut sorted = residuals.to_vec();
    sorted.sort_by(f64::total_cmp);
    let estimate_at_median = sorted.get(sorted.len() / 2).map(|median| (left / median).floor().max(0.0) as u64);
    RemovalsLeft { estimate_at_median, worst_case }
}

/// Checks a record: every number that follows from others, every text, the chain of models, the budget.
///
/// It needs no data and no model, and proves no more than that: see [`NON_CLAIMS`].
///
/// # Errors
/// [`Wrong`] names the first thing that does not hold.
pub fn verify_removal(record: &Certificate) -> Result<Checked, Wrong> {
    texts(record)?;
    let c = &record.constants;
    for (field, found, above, upto) in [
        ("epsilon", record.epsilon, 0.0, EPSILON_MAX),
        ("delta", record.delta, 0.0, 0.5),
        ("sigma", record.sigma, 0.0, f64::MAX),
        ("constants.lambda", c.lambda.value, 0.0, f64::MAX),
        ("max_rows_per_unit", record.max_rows_per_unit as f64, 0.0, f64::MAX),
        ("rows_trained", record.rows_trained as f64, 0.0, f64::MAX),
    ] {
        if !(found > above && found <= upto) {
            return Err(Wrong::Range { field: field.into(), found, why: "outside what the theorem covers" });
        }
    }
    same("constants.gamma", c.gamma.value, GAMMA_LOGISTIC)?;
    same("constants.gradient", c.gradient.value, GRADIENT_LOGISTIC)?;
    same("constants.row_norm", c.row_norm.value, 1.0)?;
    same("constants.c", c.c.value, removal_c(record.delta))?;
    let budget = removal_budget(record.sigma, record.epsilon, record.delta);
    same("budget", record.budget, budget)?;
    bounded("start_residual", record.start_residual, f64::MAX)?;
    let spent = steps(record)?;
    same("residual_spent", record.residual_spent, spent)?;
    same("removals_so_far", record.removals_so_far as f64, record.removals.len() as f64)?;
    if spent > budget {
        return Err(Wrong::Exceeded { spent, budget });
    }
    same_within("budget_left", record.budget_left, budget - spent, 1e-12 * budget)?;
    bounded("weights_norm", record.weights_norm, f64::MAX)?;
    let rows_left = record.removals.last().map_or(record.rows_trained, |r| r.rows_left);
    if rows_left <= record.max_rows_per_unit {
        return Err(Wrong::Range { field: "max_rows_per_unit".into(), found: record.max_rows_per_unit as f64, why: "nobody would stay" });
    }
    let next = removal_worst_case(record.max_rows_per_unit, rows_left - record.max_rows_per_unit, c.lambda.value, record.weights_norm);
    same("worst_case_next", record.worst_case_next, next)?;
    let residuals: Vec<f64> = record.removals.iter().map(|r| r.residual).collect();
    let left =
        removals_left(record.budget_left, record.max_rows_per_unit, rows_left, c.lambda.value, record.weights_norm, &residuals);
    same("removals_left.worst_case", record.removals_left.worst_case as f64, left.worst_case as f64)?;
    match (record.removals_left.estimate_at_median, left.estimate_at_median) {
        (Some(found), Some(expected)) => same("removals_left.estimate_at_median", found as f64, expected as f64)?,
        (None, None) => {}
        _ => return Err(Wrong::Text { field: "removals_left.estimate_at_median" }),
    }
    Ok(Checked { budget, spent, removals: record.removals.len() })
}

/// Recomputes each removal and gives the sum of residuals.
fn steps(record: &Certificate) -> Result<f64, Wrong> {
    let lambda = record.constants.lambda.value;
    let (mut spent, mut rows, mut model) = (record.start_residual, record.rows_trained, &record.model_trained);
    // Of the norm of the weights: the model before is the model after the last step.
    let mut reach: Option<(f64, f64)> = None;
    let mut commitments = BTreeSet::new();
    for (at, step) in record.removals.iter().enumerate() {
        let name = |field: &str| format!("removals[{at}].{field}");
        let chain = |why| Wrong::Chain { at, why };
        if !is_digest(&step.commitment) || !is_digest(&step.model_after) {
            return Err(chain("no digest of 64 hexadecimal digits"));
        }
        if !commitments.insert(&step.commitment) {
            return Err(chain("the same commitment comes twice"));
        }
        if step.model_before != *model || step.model_after == *model {
            return Err(chain("the model before is not the model after the last removal, or nothing changed"));
        }
        if step.rows == 0 || step.rows > record.max_rows_per_unit || step.rows >= rows {
            return Err(Wrong::Range { field: name("rows"), found: step.rows as f64, why: "none, above the cap, or nobody would stay" });
        }
        rows -= step.rows;
        same(&name("rows_left"), step.rows_left as f64, rows as f64)?;
        let (n, m) = (rows as f64, step.rows as f64);
        bounded(&name("weights_norm"), step.weights_norm, f64::MAX)?;
        if let Some((before, moved)) = reach {
            within_reach(&name("weights_norm"), step.weights_norm, before, moved)?;
        }
        bounded(&name("spectral_bound"), step.spectral_bound, n.sqrt())?;
        bounded(&name("step_norm"), step.step_norm, m * (GRADIENT_LOGISTIC + lambda * step.weights_norm) / (lambda * n))?;
        bounded(&name("moved_norm"), step.moved_norm, n.sqrt() * step.step_norm)?;
        bounded(&name("solver_residual"), step.solver_residual, f64::MAX)?;
        bounded(&name("rounding"), step.rounding, f64::MAX)?;
        if step.rounding == 0.0 || step.step_norm == 0.0 {
            return Err(Wrong::Range { field: name("rounding"), found: step.rounding, why: "a step that moves nothing or rounds nothing" });
        }
        let residual = charged(step);
        same(&name("residual"), step.residual, residual)?;
        same(&name("worst_case"), step.worst_case, removal_worst_case(step.rows, rows, lambda, step.weights_norm))?;
        // What the bound is made of cannot be more than the worst case; solver and rounding come on top.
        bounded(&name("residual"), residual - step.solver_residual - step.rounding, step.worst_case)?;
        spent += step.residual;
        model = &step.model_after;
        reach = Some((step.weights_norm, step.step_norm));
    }
    if !is_digest(model) || record.model_now != *model {
        return Err(Wrong::Chain { at: record.removals.len(), why: "the model now is not the model after the last removal" });
    }
    match reach {
        Some((before, moved)) => within_reach("weights_norm", record.weights_norm, before, moved)?,
        None => bounded("weights_norm", record.weights_norm, f64::MAX)?,
    }
    Ok(spent)
}

/// What a removal is charged, summed in this order.
#[must_use]
pub fn charged(step: &RemovalStep) -> f64 {
    GAMMA_LOGISTIC * step.spectral_bound * step.step_norm * step.moved_norm + step.solver_residual + step.rounding
}

fn texts(record: &Certificate) -> Result<(), Wrong> {
    let c = &record.constants;
    let how = [c.gamma.how, c.gradient.how, c.row_norm.how, c.lambda.how, c.c.how];
    for (field, holds) in [
        ("schema_version", record.schema_version == 1),
        ("method", record.method == METHOD),
        ("theorem", record.theorem == THEOREM),
        ("adjacency", record.adjacency == ADJACENCY),
        ("adversary", record.adversary == ADVERSARY),
        ("rounding", record.rounding == ROUNDING),
        ("retrain_trigger", record.retrain_trigger == RETRAIN_TRIGGER),
        ("non_claims", record.non_claims == NON_CLAIMS),
        ("constants.spectral_norm", c.spectral_norm == SPECTRAL),
        ("constants", how == [How::Proved, How::Proved, How::Clipped, How::Chosen, How::Proved]),
        ("noise_source", !record.noise_source.is_empty()),
        ("data", !record.data.is_empty()),
        ("code", !record.code.is_empty()),
    ] {
        if !holds {
            return Err(Wrong::Text { field });
        }
    }
    Ok(())
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn same(field: &str, found: f64, expected: f64) -> Result<(), Wrong> {
    same_within(field, found, expected, 1e-12 * expected.abs())
}

fn same_within(field: &str, found: f64, expected: f64, slack: f64) -> Result<(), Wrong> {
    if (found - expected).abs() <= slack { Ok(()) } else { Err(Wrong::Number { field: field.into(), found, expected }) }
}

/// Not negative, finite, and not above `most` but for rounding.
fn bounded(field: &str, found: f64, most: f64) -> Result<(), Wrong> {
    if found >= 0.0 && found.is_finite() && found <= most * (1.0 + 1e-9) {
        Ok(())
    } else {
        Err(Wrong::Range { field: field.into(), found, why: "not what rows of norm 1 allow" })
    }
}

fn within_reach(field: &str, found: f64, before: f64, moved: f64) -> Result<(), Wrong> {
    if (found - before).abs() <= moved + 1e-9 * (1.0 + before) && found >= 0.0 {
        Ok(())
    } else {
        Err(Wrong::Range { field: field.into(), found, why: "further from the model before than the step is long" })
    }
}
