//! All methods put together for one row, as one value that is stored and shown.

use crate::counterfactual::{Searched, counterfactual};
use crate::lime::{LimeOptions, lime};
use crate::reasons::reasons;
use crate::shapley::shapley;
use crate::{Background, BackgroundStatement, Error, Model, Row, Scale, Space, Surrogate, SurrogateOptions};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Why the model scored one row as it did. The same inputs give the same bits. It holds the person's own values: no `Debug`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The explained class.
    pub class: String,
    /// What a score is.
    pub scale: Scale,
    /// Whether the model predicts the class for this row.
    pub predicted: bool,
    /// Score of the class for this row.
    pub prediction: f64,
    /// Score averaged over the background.
    pub base: f64,
    /// What each column contributed, in the columns' order; with `base` they add up to `prediction`.
    pub contributions: Vec<Contribution>,
    /// By how much they do not, relative.
    pub sum_error: f64,
    /// The largest of them in words.
    pub reasons: Vec<String>,
    /// The straight line near the row, or why there is none.
    pub lime: LocalFit,
    /// A change that would have changed the class, or that none was found.
    pub counterfactual: Searched,
    /// Rules that the model nearly follows, everywhere.
    pub surrogate: Surrogate,
    /// What the row was compared with.
    pub background: BackgroundStatement,
    /// How each part was made.
    pub methods: Methods,
}

/// What one column contributed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    /// The column.
    pub column: String,
    /// The person's own value in words.
    pub value: String,
    /// Shapley value on the model's scale.
    pub phi: f64,
}

/// LIME's line, or its refusal.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fit", rename_all = "kebab-case")]
pub enum LocalFit {
    /// The line describes the model near the row.
    Fitted {
        /// Weighted R².
        r2: f64,
        /// Where no column moves it.
        intercept: f64,
        /// The line's score of the row.
        local_prediction: f64,
        /// Slope of each column, see [`crate::Lime::weights`].
        weights: Vec<(String, f64)>,
    },
    /// It does not, and is not shown.
    Refused {
        /// Why.
        why: String,
    },
}

/// Names of the methods, with what they depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Methods {
    /// Of the contributions.
    pub attribution: String,
    /// Of the line.
    pub local: String,
    /// Of the change.
    pub counterfactual: String,
    /// Of the rules.
    pub surrogate: String,
}

/// Explains rows of one model, for one class, against one background. The rules are grown once, when it is made.
pub struct Explainer<'a, M> {
    model: &'a M,
    space: &'a Space,
    background: &'a Background,
    class: String,
    immutable: BTreeSet<String>,
    lime: LimeOptions,
    surrogate: Surrogate,
}

impl<'a, M: Model> Explainer<'a, M> {
    /// Takes the model's score of `class`; `immutable` names the columns that no counterfactual may change.
    ///
    /// # Errors
    /// [`Error::TooManyColumns`], [`Error::NoSuchColumn`], [`Error::Width`], [`Error::Scores`].
    pub fn new(
        model: &'a M,
        space: &'a Space,
        background: &'a Background,
        class: &str,
        immutable: &BTreeSet<String>,
    ) -> Result<Self, Error> {
        if space.len() > crate::MOST_COLUMNS {
            return Err(Error::TooManyColumns { columns: space.len(), most: crate::MOST_COLUMNS });
        }
        for name in immutable {
            space.index_of(name)?;
        }
        let surrogate = Surrogate::fit(model, space, background, class, &SurrogateOptions::default())?;
        Ok(Self { model, space, background, class: class.into(), immutable: immutable.clone(), lime: LimeOptions::default(), surrogate })
    }

    /// Explains one row.
    ///
    /// # Errors
    /// [`Error::Sum`] where the contributions do not add up: then nothing is issued. A LIME that describes the model poorly is refused
    /// inside the explanation, not with it.
    pub fn explain(&self, row: &Row) -> Result<Explanation, Error> {
        let (model, space) = (self.model, self.space);
        if row.0.len() != space.len() {
            return Err(Error::Width { what: "the row", found: row.0.len(), expected: space.len() });
        }
        let x = space.encode(row);
        let found = shapley(model, space, &x, self.background.points())?;
        let name = |index: usize| space.column(index).name.clone();
        let contributions: Vec<Contribution> = (found.contributions.iter().zip(&row.0).enumerate())
            .map(|(index, (&phi, &value))| Contribution { column: name(index), value: space.words(index, value), phi })
            .collect();
        let local = match lime(model, space, &x, &self.lime) {
            Ok(line) => LocalFit::Fitted {
                r2: line.r2,
                intercept: line.intercept,
                local_prediction: line.local_prediction,
                weights: line.weights.iter().enumerate().map(|(index, &w)| (name(index), w)).collect(),
            },
            Err(refused @ (Error::PoorLocalFit { .. } | Error::PoorLocalScore { .. })) => LocalFit::Refused { why: refused.to_string() },
            Err(other) => return Err(other),
        };
        let scale = model.scale();
        Ok(Explanation {
            class: self.class.clone(),
            scale,
            predicted: space.margins(model, &x)?[0] >= 0.0,
            prediction: found.score,
            base: found.base,
            reasons: reasons(&contributions, found.base, scale),
            contributions,
            sum_error: found.sum_error,
            lime: local,
            counterfactual: counterfactual(model, space, row, &self.immutable)?,
            surrogate: self.surrogate.clone(),
            background: self.background.statement().clone(),
            methods: self.methods(),
        })
    }

    fn methods(&self) -> Methods {
        let LimeOptions { samples, alpha, seed, .. } = self.lime;
        Methods {
            attribution: format!(
                "exact interventional Shapley values over columns, {} points of background",
                self.background.points().len()
            ),
            local: format!("LIME, {samples} perturbations within the public bounds, ridge α = {alpha}, seed {}", seed.0),
            counterfactual: format!(
                "fewest columns, then least distance in public ranges, at most {} columns, run through the model",
                crate::MOST_CHANGES
            ),
            surrogate: "decision tree on the model's answers to the background and to synthetic points from the public bounds".into(),
        }
    }
}
