//! The smallest change found of a person's own row that would have changed the predicted class, checked by running the model on it.
//!
//! Wachter, Mittelstadt & Russell, *Counterfactual Explanations without Opening the Black Box*, 2017; sparsity before proximity as in
//! Mothilal, Sharma & Tan (DiCE), 2020. It says what would change the model's answer, not what would change anything in the world.

use crate::space::rounded;
use crate::{Error, Model, Row, Space, Value};
use reticent_data::Domain;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most columns that are changed at once.
pub const MOST_CHANGES: usize = 3;
/// Values tried for a column where one, two or three columns change.
const TRIED: [usize; MOST_CHANGES] = [40, 12, 6];
/// Sets of columns whose best change is narrowed down.
const NARROWED: usize = 12;
/// Rows in one call of the model.
const BATCH: usize = 4096;

/// What a search came to. "None found" is an answer.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Searched {
    /// A change that the model was run on.
    Found(Counterfactual),
    /// No change among those tried.
    NoneFound {
        /// Changed rows that the model was run on.
        tried: usize,
        /// Most columns that were changed at once.
        most_changes: usize,
    },
}

/// A change that flips the predicted class.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Counterfactual {
    /// What changes; the other columns keep the person's own values.
    pub changes: Vec<Change>,
    /// Σ over the changes of `|to − from|` in public ranges; a changed level counts 1.
    pub distance: f64,
    /// Score of the explained class after the change, by running the model.
    pub score: f64,
}

/// One column's change.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The column.
    pub column: String,
    /// The person's own value.
    pub from: String,
    /// What it would have to be.
    pub to: String,
}

/// Looks for the fewest columns, then the least distance, whose change takes `row` across the model's boundary. Columns named in
/// `immutable` keep their values; numbers stay within their public bounds, and whole where the own value and both bounds are whole.
///
/// With one column 40 values within its bounds are tried, and every level; with two and three, fewer. What is found is narrowed by bisection
/// towards the own values. A smaller change than the one given may exist between the values tried.
///
/// # Errors
/// [`Error::NoSuchColumn`] for an immutable column the model does not have; [`Error::Width`]; [`Error::Scores`].
pub fn counterfactual(model: &impl Model, space: &Space, row: &Row, immutable: &BTreeSet<String>) -> Result<Searched, Error> {
    if row.0.len() != space.len() {
        return Err(Error::Width { what: "the row", found: row.0.len(), expected: space.len() });
    }
    let fixed: BTreeSet<usize> = immutable.iter().map(|name| space.index_of(name)).collect::<Result<_, _>>()?;
    let mut search = Search { model, space, row, inputs: space.encode(row), side: false, tried: 0 };
    search.side = space.margins(model, &search.inputs)?[0] >= 0.0;
    let free: Vec<usize> = (0..space.len()).filter(|c| !fixed.contains(c)).collect();
    let alternatives: BTreeMap<usize, Vec<Value>> = free.iter().map(|&c| (c, search.alternatives(c, TRIED[0]))).collect();
    let ranked = search.ranked(&alternatives)?;
    for count in 1..=MOST_CHANGES.min(free.len()) {
        let tried: BTreeMap<usize, Vec<Value>> = match count {
            1 => alternatives.clone(),
            _ => free.iter().map(|&c| (c, search.fewer(c, &ranked[&c], TRIED[count - 1]))).collect(),
        };
        let mut found = vec![];
        for columns in subsets(&free, count) {
            if let Some(best) = search.best_of(&columns, &tried)? {
                found.push(best);
            }
        }
        found.sort_by(|a: &Moves, b| search.distance(a).total_cmp(&search.distance(b)));
        found.truncate(NARROWED);
        let mut narrowed = vec![];
        for moves in found {
            narrowed.push(search.narrow(moves)?);
        }
        if let Some(best) = narrowed.into_iter().min_by(|a, b| search.distance(a).total_cmp(&search.distance(b))) {
            return search.verified(&best);
        }
    }
    Ok(Searched::NoneFound { tried: search.tried, most_changes: MOST_CHANGES.min(free.len()) })
}

type Moves = Vec<(usize, Value)>;

struct Search<'a, M> {
    model: &'a M,
    space: &'a Space,
    row: &'a Row,
    inputs: Vec<f32>,
    side: bool,
    tried: usize,
}

impl<M: Model> Search<'_, M> {
    /// Other values of a column, evenly over its public range. "Missing" is no change that anybody could make.
    fn alternatives(&self, column: usize, most: usize) -> Vec<Value> {
        match (&self.space.column(column).domain, self.row.0[column]) {
            (Domain::Range { min, max, .. }, Value::Number(own)) => {
                let mut values: Vec<f64> = (0..=most).map(|i| self.told(column, min + (max - min) * i as f64 / most as f64)).collect();
                values.dedup();
                values.into_iter().filter(|&v| v != own).map(Value::Number).collect()
            }
            (Domain::Levels { levels, .. }, Value::Level(own)) => {
                (0..levels.len() as u32).filter(|&level| level != own).map(Value::Level).collect()
            }
            _ => vec![],
        }
    }

    /// A number as a person would be told it: whole where everything about the column is whole.
    fn told(&self, column: usize, value: f64) -> f64 {
        let (Domain::Range { min, max, .. }, Value::Number(own)) = (&self.space.column(column).domain, self.row.0[column]) else {
            return value;
        };
        let whole = [*min, *max, own].iter().all(|v| v.fract() == 0.0);
        if whole { value.round() } else { rounded(value, (max - min) / 10_000.0) }.clamp(*min, *max)
    }

    /// The values of each column with the margin each leaves when it alone changes.
    fn ranked(&mut self, alternatives: &BTreeMap<usize, Vec<Value>>) -> Result<BTreeMap<usize, Vec<(Value, f64)>>, Error> {
        let mut ranked = BTreeMap::new();
        for (&column, values) in alternatives {
            let margins = self.margins(&values.iter().map(|&v| vec![(column, v)]).collect::<Vec<_>>())?;
            ranked.insert(column, values.iter().copied().zip(margins).collect());
        }
        Ok(ranked)
    }

    /// At most `most` values: numbers evenly, levels those that alone go farthest towards the other side.
    fn fewer(&self, column: usize, ranked: &[(Value, f64)], most: usize) -> Vec<Value> {
        if matches!(self.space.column(column).domain, Domain::Range { .. }) {
            return self.alternatives(column, most - 1);
        }
        let towards = if self.side { 1.0 } else { -1.0 };
        let mut by_margin = ranked.to_vec();
        by_margin.sort_by(|a, b| (towards * a.1).total_cmp(&(towards * b.1)));
        by_margin.into_iter().take(most).map(|(value, _)| value).collect()
    }

    /// The nearest change of exactly these columns that flips the class, among the values tried.
    fn best_of(&mut self, columns: &[usize], tried: &BTreeMap<usize, Vec<Value>>) -> Result<Option<Moves>, Error> {
        let total: usize = columns.iter().map(|c| tried[c].len()).product();
        let mut best: Option<(f64, Moves)> = None;
        for from in (0..total).step_by(BATCH) {
            let batch: Vec<Moves> = (from..(from + BATCH).min(total))
                .map(|mut number| {
                    let pick = |&column: &usize| {
                        let values = &tried[&column];
                        let value = values[number % values.len()];
                        number /= values.len();
                        (column, value)
                    };
                    columns.iter().map(pick).collect()
                })
                .collect();
            for (moves, margin) in batch.iter().zip(self.margins(&batch)?) {
                let distance = self.distance(moves);
                if (margin >= 0.0) != self.side && best.as_ref().is_none_or(|(least, _)| distance < *least) {
                    best = Some((distance, moves.clone()));
                }
            }
        }
        Ok(best.map(|(_, moves)| moves))
    }

    /// Moves each number back towards the own value as far as the class stays flipped.
    fn narrow(&mut self, mut moves: Moves) -> Result<Moves, Error> {
        const HALVINGS: usize = 16;
        for _ in 0..2 {
            for at in 0..moves.len() {
                let (column, Value::Number(mut far)) = moves[at] else { continue };
                let Value::Number(mut near) = self.row.0[column] else { continue };
                for _ in 0..HALVINGS {
                    let middle = self.told(column, near + (far - near) / 2.0);
                    if middle == near || middle == far {
                        break;
                    }
                    let mut tried = moves.clone();
                    tried[at].1 = Value::Number(middle);
                    if (self.margins(&[tried])?[0] >= 0.0) == self.side {
                        near = middle;
                    } else {
                        far = middle;
                    }
                }
                moves[at].1 = Value::Number(far);
            }
        }
        Ok(moves)
    }

    fn distance(&self, moves: &Moves) -> f64 {
        let of = |&(column, value): &(usize, Value)| match (&self.space.column(column).domain, self.row.0[column], value) {
            (Domain::Range { min, max, .. }, Value::Number(from), Value::Number(to)) => (to - from).abs() / (max - min),
            _ => 1.0,
        };
        moves.iter().map(of).sum()
    }

    fn margins(&mut self, batch: &[Moves]) -> Result<Vec<f64>, Error> {
        if batch.is_empty() {
            return Ok(vec![]);
        }
        self.tried += batch.len();
        let mut inputs = Vec::with_capacity(batch.len() * self.inputs.len());
        for moves in batch {
            let at = inputs.len();
            inputs.extend_from_slice(&self.inputs);
            for &(column, value) in moves {
                self.space.set(&mut inputs[at..], column, value);
            }
        }
        self.space.margins(self.model, &inputs)
    }

    /// Runs the model on the changed row, encoded afresh from its values, and answers by that alone.
    fn verified(&self, moves: &Moves) -> Result<Searched, Error> {
        let mut changed = self.row.clone();
        for &(column, value) in moves {
            changed.0[column] = value;
        }
        let inputs = self.space.encode(&changed);
        if (self.space.margins(self.model, &inputs)?[0] >= 0.0) == self.side {
            return Ok(Searched::NoneFound { tried: self.tried, most_changes: moves.len() });
        }
        let change = |&(column, value): &(usize, Value)| Change {
            column: self.space.column(column).name.clone(),
            from: self.space.words(column, self.row.0[column]),
            to: self.space.words(column, value),
        };
        let score = self.space.scores(self.model, &inputs)?[0];
        Ok(Searched::Found(Counterfactual { changes: moves.iter().map(change).collect(), distance: self.distance(moves), score }))
    }
}

/// All subsets of `count` of these, in order.
fn subsets(of: &[usize], count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![vec![]];
    }
    let mut all = vec![];
    for (at, &first) in of.iter().enumerate() {
        for mut rest in subsets(&of[at + 1..], count - 1) {
            rest.insert(0, first);
            all.push(rest);
        }
    }
    all
}
