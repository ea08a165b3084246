//! The rule fallback: a small decision tree that answers as the model does, with how often it really does.
//!
//! It learns from the model's own answers (Craven & Shavlik, *Extracting Tree-Structured Representations of Trained Networks*, 1996), on the
//! background's averages and on synthetic points drawn from the columns' public bounds. No row of a unit is among them.

use crate::lime::NotPrivateSeed;
use crate::{Background, Error, Model, Space, Value};
use rand::{Rng, RngExt};
use reticent_data::Domain;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the tree is grown and checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SurrogateOptions {
    /// Questions on the longest path, 1 to 4.
    pub depth: usize,
    /// Least weight of a leaf: a synthetic point weighs 1, a point of the background as many as it averages units.
    pub least_units: f64,
    /// Synthetic points it learns from; as many again are held out to measure its fidelity.
    pub points: usize,
    /// Where the synthetic points come from.
    pub seed: NotPrivateSeed,
}

impl Default for SurrogateOptions {
    fn default() -> Self {
        Self { depth: 3, least_units: 10.0, points: 4000, seed: NotPrivateSeed(0) }
    }
}

/// A small tree as rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Surrogate {
    /// The class it says yes or no to.
    pub class: String,
    /// One rule a leaf, from the left. Exactly one holds for any row.
    pub rules: Vec<Rule>,
    /// How often it answers as the model does.
    pub fidelity: Fidelity,
}

/// One leaf in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// What must hold, all of it; none where the tree is a single leaf.
    pub conditions: Vec<String>,
    /// Whether the rule predicts the class.
    pub predicts: bool,
    /// Share of the points it learned from, by weight, that the rule holds for.
    pub share: f64,
    /// Share of those for which the model answers likewise.
    pub agreement: f64,
}

/// Share of held-out synthetic points on which tree and model agree. It says nothing of how often either is right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Points held out.
    pub points: usize,
    /// Over all of them.
    pub overall: f64,
    /// Where the model predicts the class; none where it never does.
    pub class: Option<f64>,
    /// Where it does not; none where it always does.
    pub others: Option<f64>,
    /// Over the quarter of the points that is nearest to the model's boundary.
    pub near_boundary: f64,
}

impl Surrogate {
    /// Grows a tree that says where `model` predicts `class`.
    ///
    /// # Errors
    /// [`Error::Scores`], [`Error::Width`], and [`Error::Option`] for options out of range.
    pub fn fit(model: &impl Model, space: &Space, background: &Background, class: &str, options: &SurrogateOptions) -> Result<Self, Error> {
        if !(1..=4).contains(&options.depth)
            || options.least_units.is_nan()
            || options.least_units < 10.0
            || options.points < 100
            || space.is_empty()
        {
            return Err(Error::Option { what: "the depth, the least leaf, the columns or the points of the rule fallback" });
        }
        if let Some(z) = background.points().iter().find(|z| z.inputs.len() != space.width()) {
            return Err(Error::Width { what: "a background point", found: z.inputs.len(), expected: space.width() });
        }
        let mut rng = options.seed.rng();
        let mut inputs: Vec<f32> = background.points().iter().flat_map(|z| z.inputs.iter().copied()).collect();
        let mut weights: Vec<f64> = background.points().iter().map(|z| z.weight).collect();
        inputs.extend(synthetic(space, options.points, &mut rng));
        weights.resize(weights.len() + options.points, 1.0);
        let yes = space.margins(model, &inputs)?.into_iter().map(|margin| margin >= 0.0).collect();
        let points = Points { space, inputs: &inputs, weights: &weights, yes };
        let tree = points.grow((0..weights.len()).collect(), options.depth, options.least_units);

        let held_out = synthetic(space, options.points, &mut rng);
        let margins = space.margins(model, &held_out)?;
        let mut rules = vec![];
        tree.rules(space, &mut vec![], points.weights.iter().sum(), &mut rules);
        Ok(Self { class: class.into(), rules, fidelity: fidelity(&tree, space.width(), &held_out, &margins) })
    }

    /// The rules, a line each: `if age < 41 and sex is f: ill (97% of such points)`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |rule: &Rule| {
            let condition = if rule.conditions.is_empty() { "always".to_owned() } else { format!("if {}", rule.conditions.join(" and ")) };
            let not = if rule.predicts { "" } else { "not " };
            format!("{condition}: {not}{} (the model agrees on {:.0}% of such points)", self.class, 100.0 * rule.agreement)
        };
        self.rules.iter().map(line).collect()
    }
}

/// Points drawn from the public bounds: numbers evenly within them, every level equally likely.
fn synthetic(space: &Space, points: usize, rng: &mut impl Rng) -> Vec<f32> {
    let mut inputs = vec![0.0; points * space.width()];
    for row in inputs.chunks_exact_mut(space.width()) {
        for column in 0..space.len() {
            let range = space.inputs(column);
            match space.column(column).domain {
                Domain::Range { .. } => row[range.start] = (2.0 * rng.random::<f64>() - 1.0) as f32,
                Domain::Levels { .. } => row[range.start + rng.random_range(0..range.len())] = 1.0,
            }
        }
    }
    inputs
}

fn fidelity(tree: &Tree, width: usize, held_out: &[f32], margins: &[f64]) -> Fidelity {
    let agree: Vec<bool> = held_out.chunks_exact(width).zip(margins).map(|(row, margin)| tree.predicts(row) == (*margin >= 0.0)).collect();
    let share = |of: &[usize]| (!of.is_empty()).then(|| of.iter().filter(|&&i| agree[i]).count() as f64 / of.len() as f64);
    let mut all: Vec<usize> = (0..margins.len()).collect();
    let (class, others): (Vec<usize>, Vec<usize>) = all.iter().partition(|&&i| margins[i] >= 0.0);
    let overall = share(&all).unwrap_or(0.0);
    all.sort_by(|&a, &b| margins[a].abs().total_cmp(&margins[b].abs()).then(a.cmp(&b)));
    all.truncate(margins.len().div_ceil(4));
    Fidelity { points: margins.len(), overall, class: share(&class), others: share(&others), near_boundary: share(&all).unwrap_or(0.0) }
}

enum Tree {
    Leaf { predicts: bool, weight: f64, agreeing: f64 },
    Split { test: Test, yes: Box<Self>, no: Box<Self> },
}

/// `input < below`; for a level, `input` is its own and `below` is ½, so that yes means another level.
#[derive(Clone, Copy)]
struct Test {
    column: usize,
    input: usize,
    below: f32,
    /// The number a person reads, for a number.
    number: Option<f64>,
}

impl Test {
    fn holds(self, row: &[f32]) -> bool {
        row[self.input] < self.below
    }
}

impl Tree {
    fn predicts(&self, row: &[f32]) -> bool {
        match self {
            Self::Leaf { predicts, .. } => *predicts,
            Self::Split { test, yes, no } => if test.holds(row) { yes } else { no }.predicts(row),
        }
    }

    fn rules(&self, space: &Space, path: &mut Vec<(Test, bool)>, total: f64, rules: &mut Vec<Rule>) {
        match self {
            Self::Leaf { predicts, weight, agreeing } => rules.push(Rule {
                conditions: conditions(space, path),
                predicts: *predicts,
                share: weight / total,
                agreement: agreeing / weight,
            }),
            Self::Split { test, yes, no } => {
                for (branch, taken) in [(yes, true), (no, false)] {
                    path.push((*test, taken));
                    branch.rules(space, path, total, rules);
                    path.pop();
                }
            }
        }
    }
}

/// A path in words, one condition a column.
fn conditions(space: &Space, path: &[(Test, bool)]) -> Vec<String> {
    let mut by_column: BTreeMap<usize, (f64, f64, Vec<String>)> = BTreeMap::new();
    for &(test, taken) in path {
        let name = &space.column(test.column).name;
        let entry = by_column.entry(test.column).or_insert((f64::NEG_INFINITY, f64::INFINITY, vec![]));
        match test.number {
            Some(number) if taken => entry.1 = entry.1.min(number),
            Some(number) => entry.0 = entry.0.max(number),
            None => {
                let level = space.words(test.column, Value::Level((test.input - space.inputs(test.column).start) as u32));
                entry.2.push(format!("{name} {} {level}", if taken { "is not" } else { "is" }));
            }
        }
    }
    let mut words = vec![];
    for (column, (from, below, levels)) in by_column {
        let name = &space.column(column).name;
        match (from.is_finite(), below.is_finite()) {
            (true, true) => words.push(format!("{from} ≤ {name} < {below}")),
            (true, false) => words.push(format!("{name} ≥ {from}")),
            (false, true) => words.push(format!("{name} < {below}")),
            (false, false) => words.extend(levels),
        }
    }
    words
}

/// What the tree learns from.
struct Points<'a> {
    space: &'a Space,
    inputs: &'a [f32],
    weights: &'a [f64],
    yes: Vec<bool>,
}

impl Points<'_> {
    fn row(&self, point: usize) -> &[f32] {
        &self.inputs[point * self.space.width()..(point + 1) * self.space.width()]
    }

    /// Weight of these points, and of those among them for which the model predicts the class.
    fn weigh<'b>(&self, points: impl IntoIterator<Item = &'b usize>) -> (f64, f64) {
        points.into_iter().fold((0.0, 0.0), |(all, yes), &p| {
            let w = self.weights[p];
            (all + w, if self.yes[p] { yes + w } else { yes })
        })
    }

    fn grow(&self, points: Vec<usize>, depth: usize, least: f64) -> Tree {
        let (all, yes) = self.weigh(&points);
        let leaf = Tree::Leaf { predicts: yes > all - yes, weight: all, agreeing: yes.max(all - yes) };
        if depth == 0 || yes == 0.0 || yes == all {
            return leaf;
        }
        let Some(test) = self.best(&points, least) else { return leaf };
        let (left, right) = points.into_iter().partition(|&p| test.holds(self.row(p)));
        let (yes, no) = (self.grow(left, depth - 1, least), self.grow(right, depth - 1, least));
        match (&yes, &no) {
            // A question whose answers change nothing is not asked.
            (Tree::Leaf { predicts: a, .. }, Tree::Leaf { predicts: b, .. }) if a == b => leaf,
            _ => Tree::Split { test, yes: Box::new(yes), no: Box::new(no) },
        }
    }

    /// The question that lowers Gini's impurity most; the first of equals.
    fn best(&self, points: &[usize], least: f64) -> Option<Test> {
        let gini = |all: f64, yes: f64| 2.0 * yes * (all - yes) / all;
        let (all, yes) = self.weigh(points);
        let mut best = (1e-9 * all, None);
        for test in self.tests(points) {
            let (a, a_yes) = self.weigh(points.iter().filter(|&&p| test.holds(self.row(p))));
            let b = all - a;
            if a < least || b < least {
                continue;
            }
            let gain = gini(all, yes) - gini(a, a_yes) - gini(b, yes - a_yes);
            if gain > best.0 {
                best = (gain, Some(test));
            }
        }
        best.1
    }

    /// Questions worth asking: is it this level, for each level; is it below this number, at 31 quantiles of the points.
    fn tests(&self, points: &[usize]) -> Vec<Test> {
        const QUANTILES: usize = 32;
        let mut tests = vec![];
        for column in 0..self.space.len() {
            let range = self.space.inputs(column);
            match self.space.column(column).domain {
                Domain::Levels { .. } => tests.extend(range.map(|input| Test { column, input, below: 0.5, number: None })),
                Domain::Range { .. } => {
                    let input = range.start;
                    let mut values: Vec<f32> = points.iter().map(|&p| self.row(p)[input]).collect();
                    values.sort_by(f32::total_cmp);
                    let mut seen = None;
                    for q in 1..QUANTILES {
                        // The number in words is the number that is compared with: the rule as printed is the rule.
                        let number = self.space.number_at(column, f64::from(values[q * values.len() / QUANTILES]));
                        let mut row = vec![0.0; self.space.width()];
                        self.space.set(&mut row, column, Value::Number(number));
                        if seen.replace(row[input]) != Some(row[input]) {
                            tests.push(Test { column, input, below: row[input], number: Some(number) });
                        }
                    }
                }
            }
        }
        tests
    }
}
