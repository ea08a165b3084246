//! Attribute inference: which value of a column, put into the rest of a row, does the model answer best?

use crate::controls::{self, Control};
use crate::folds::{FOLDS, deal};
use crate::gain::Guesses;
use crate::membership::KnownRows;
use crate::softmax::Softmax;
use crate::{Attack, Error, GainFinding, MemberScores, Stated, Target};
use reticent_data::{Domain, Schema};

/// A number is guessed as one of so many equal parts of its declared bounds.
const PARTS: usize = 4;

/// How a value is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The value with the largest product of its share among others and the probability of the true class (after Fredrikson et al. 2014 and Yeom
    /// et al. 2018, who take the share of test errors in place of the probability).
    Likeliest,
    /// By cases (CSMIA, Mehnaz et al. 2022): among the values for which the model is right the one with the highest confidence, else the one for which
    /// it is wrong with the lowest.
    Confidence,
}

impl Rule {
    /// Its name among findings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Likeliest => "attribute.likeliest",
            Self::Confidence => "attribute.csmia",
        }
    }

    /// As a report names it.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Likeliest => "largest share of the value × p(true class) of the completed row (Fredrikson et al. 2014, Yeom et al. 2018)",
            Self::Confidence => "completed row answered rightly with most, else wrongly with least confidence (CSMIA, Mehnaz et al. 2022)",
        }
    }
}

/// One column of a table as something to guess.
pub struct Attribute {
    name: String,
    /// Where its inputs begin.
    at: usize,
    /// Its inputs for each value.
    values: Vec<Vec<f32>>,
}

impl Attribute {
    /// A column by its name: a text by its levels, a number by its part of four of its bounds. `None` where there is no such column, or it has one level.
    #[must_use]
    pub fn of(schema: &Schema, column: &str) -> Option<Self> {
        let mut at = 0;
        for c in &schema.columns {
            let width = c.domain.width();
            if c.name == column {
                let values: Vec<Vec<f32>> = match c.domain {
                    Domain::Range { .. } => (0..PARTS).map(|p| vec![(2.0 * (p as f32 + 0.5) / PARTS as f32) - 1.0]).collect(),
                    Domain::Levels { .. } => (0..width).map(|v| (0..width).map(|i| f32::from(u8::from(i == v))).collect()).collect(),
                };
                return (values.len() > 1).then(|| Self { name: column.into(), at, values });
            }
            at += width;
        }
        None
    }

    /// Which value a row has.
    fn of_row(&self, row: &[f32]) -> usize {
        let own = &row[self.at..self.at + self.values[0].len()];
        match own {
            [x] if self.values.len() == PARTS && self.values[0].len() == 1 => (((x + 1.0) / 2.0 * PARTS as f32) as usize).min(PARTS - 1),
            levels => levels.iter().position(|x| *x == 1.0).unwrap_or(0),
        }
    }

    fn put(&self, row: &mut [f32], value: usize) {
        row[self.at..self.at + self.values[0].len()].copy_from_slice(&self.values[value]);
    }
}

/// What is attacked, by whom, and what it is held against.
pub struct Question<'a> {
    /// Rows of members and non-members.
    pub rows: &'a KnownRows,
    /// Whether the model was trained with each unit, in the order of [`KnownRows::ids`].
    pub member: &'a [bool],
    /// What is guessed.
    pub attribute: &'a Attribute,
    /// What a unit is called.
    pub unit: &'a str,
    /// The proved bound, where there is one.
    pub stated: Option<&'a Stated>,
    /// Of all draws.
    pub seed: u64,
}

/// Guesses the attribute of each row from the rest of it, its class and the model, and holds that against two guesses without the model: the most
/// frequent value, and what a softmax regression on the rest of the row and its class says. Both, and the shares of values that the attack uses, are
/// learnt on non-members of three of five parts; which of them is better, on a fourth; all are compared on the fifth, members of it included. What is
/// said of a model is the gain over the better one on members less that on others: a column that follows from others is no leak.
///
/// Controls: membership must not follow from the inputs, the better baseline must do as well on members as on others, and so must the same attack on
/// a constant model.
///
/// # Errors
/// [`Error::Target`]; [`Error::OneSided`] for fewer than 30 units on a side.
pub fn infer(question: &Question<'_>, target: &dyn Target, rule: Rule) -> Result<GainFinding, Error> {
    let Question { rows, member, attribute, seed, .. } = *question;
    crate::folds::same_length("members", member.len(), rows.ids().len())?;
    let classes = rows.classes();
    let without = Without::learn(question)?;
    let constant = move |inputs: &[f32], width: usize| vec![1.0 / classes as f64; inputs.len() / width * classes];
    let attacked = without.attack(question, target, rule)?;
    let flat = without.attack(question, &constant, rule)?;
    let sides = |values: &[f64]| {
        let side = |which| values.iter().zip(member).filter(|(_, m)| **m == which).map(|(v, _)| *v).collect();
        MemberScores::new(side(true), side(false))
    };
    let gains: Vec<f64> = attacked.iter().zip(&without.better).map(|(a, b)| a - b).collect();
    let checks: Vec<Control> = vec![
        controls::blind_baseline(&rows.mean_inputs(), member, seed)?,
        controls::no_difference("the better guess without the model, members beside others", &sides(&without.better)?),
        controls::no_difference("a constant model under the same attack", &sides(&flat)?),
        controls::random_membership(&sides(&gains)?, seed)?,
    ];
    let attack = Attack {
        name: rule.name().into(),
        variant: format!("`{}` of {} values, {}", attribute.name, attribute.values.len(), rule.describe()),
        threat_model:
            "black box: probabilities; the attacker knows the rest of a row, its class, and whole rows of others who are no members".into(),
        unit: question.unit.into(),
        seed,
    };
    let guesses = Guesses { attack: &attacked, baselines: &without.baselines, better: &without.better, member };
    let gaps = [
        "attackers who know more of the other rows, or the model's weights",
        "what the model says about everybody with such a row, member or not: the gain on non-members",
    ];
    GainFinding::new(attack, &guesses, checks, question.stated, gaps.map(str::to_owned).to_vec())
}

/// What is known without the model.
struct Without {
    /// The true value of each row.
    truth: Vec<usize>,
    /// The part of each row's unit, and the shares of values that its attackers know.
    fold: Vec<usize>,
    shares: Vec<Vec<f64>>,
    baselines: [(&'static str, Vec<f64>); 2],
    better: Vec<f64>,
}

impl Without {
    fn learn(question: &Question<'_>) -> Result<Self, Error> {
        let Question { rows, member, attribute, seed, .. } = *question;
        let (width, count) = (rows.width(), attribute.values.len());
        let row = |r: usize| &rows.inputs()[r * width..(r + 1) * width];
        let number = rows.labels().len();
        let truth: Vec<usize> = (0..number).map(|r| attribute.of_row(row(r))).collect();
        let of_unit = deal(member, seed)?;
        let (mut fold, mut known) = (vec![0; number], vec![false; number]);
        for (unit, part) in of_unit.iter().enumerate() {
            for &r in rows.rows_of(unit) {
                (fold[r], known[r]) = (*part, !member[unit]);
            }
        }
        let attributes = attribute.at..attribute.at + attribute.values[0].len();
        let rest = |r: usize| -> Vec<f64> {
            let inputs = row(r).iter().enumerate().filter(|(i, _)| !attributes.contains(i)).map(|(_, x)| f64::from(*x));
            inputs.chain((0..rows.classes()).map(|c| f64::from(u8::from(rows.labels()[r] as usize == c)))).collect()
        };
        let rests: Vec<Vec<f64>> = (0..number).map(rest).collect();
        let mut shares = vec![];
        let mut right = [vec![0.0; number], vec![0.0; number], vec![0.0; number]];
        for part in 0..FOLDS {
            let chosen_on = (part + 1) % FOLDS;
            let learnt: Vec<usize> = (0..number).filter(|&r| known[r] && fold[r] != part && fold[r] != chosen_on).collect();
            let mut share = vec![1.0; count];
            learnt.iter().for_each(|&r| share[truth[r]] += 1.0);
            let all: f64 = share.iter().sum();
            share.iter_mut().for_each(|s| *s /= all);
            let frequent = (0..count).fold(0, |best, v| if share[v] > share[best] { v } else { best });
            let seen: Vec<&[f64]> = learnt.iter().map(|&r| &rests[r][..]).collect();
            let fitted = Softmax::fit(&seen, &learnt.iter().map(|&r| truth[r]).collect::<Vec<_>>(), count);
            let hit = |r: usize| [frequent == truth[r], fitted.most_probable(&rests[r]) == truth[r]].map(|h| f64::from(u8::from(h)));
            let tried = (0..number).filter(|&r| known[r] && fold[r] == chosen_on).map(hit);
            let totals = tried.fold([0.0, 0.0], |sum, h| [sum[0] + h[0], sum[1] + h[1]]);
            let best = usize::from(totals[1] > totals[0]);
            for r in (0..number).filter(|&r| fold[r] == part) {
                let hits = hit(r);
                (right[0][r], right[1][r], right[2][r]) = (hits[0], hits[1], hits[best]);
            }
            shares.push(share);
        }
        let [prior, imputed, better] = right.map(|hits| rows.mean_of_rows(|r| hits[r]));
        let baselines = [("the most frequent value", prior), ("softmax regression on the rest of the row and its class", imputed)];
        Ok(Self { truth, fold, shares, baselines, better })
    }

    /// The share of each unit's rows that the attack guesses.
    fn attack(&self, question: &Question<'_>, target: &dyn Target, rule: Rule) -> Result<Vec<f64>, Error> {
        let Question { rows, attribute, .. } = *question;
        let (width, classes, number) = (rows.width(), rows.classes(), rows.labels().len());
        let mut answers = vec![];
        for value in 0..attribute.values.len() {
            let mut inputs = rows.inputs().to_vec();
            inputs.chunks_exact_mut(width).for_each(|row| attribute.put(row, value));
            let p = target.probabilities(&inputs, width);
            if p.len() != number * classes {
                return Err(Error::Target { found: p.len(), expected: number * classes });
            }
            crate::folds::finite(&p)?;
            answers.push(p);
        }
        let hit = |r: usize| {
            let (label, share) = (rows.labels()[r] as usize, &self.shares[self.fold[r]]);
            let worth = |value: usize| {
                let p = &answers[value][r * classes..(r + 1) * classes];
                let most = (0..classes).fold(0, |best, c| if p[c] > p[best] { c } else { best });
                match rule {
                    Rule::Likeliest => share[value] * p[label],
                    // Right answers above wrong ones, which are ranked by minus their confidence.
                    Rule::Confidence => {
                        if most == label {
                            1.0 + p[most]
                        } else {
                            1.0 - p[most]
                        }
                    }
                }
            };
            let guess = (1..attribute.values.len()).fold(0, |best, v| {
                // Of equals the more frequent one.
                let (new, old) = (worth(v), worth(best));
                if new > old || (new == old && share[v] > share[best]) { v } else { best }
            });
            f64::from(u8::from(guess == self.truth[r]))
        };
        Ok(rows.mean_of_rows(hit))
    }
}
