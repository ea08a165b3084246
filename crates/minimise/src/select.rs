//! Which columns can be dropped, at what cost: leave-one-out, the greedy backward path, and what the kept ones still tell.
//!
//! Model-free: utility comes through a closure over positions of kept columns (an AUC, say). Whatever rows it reads, a
//! choice made from private rows reveals something about them: this module charges nothing and promises nothing.
//! Greedy elimination: Guyon and Elisseeff, *An Introduction to Variable and Feature Selection* (JMLR 2003), §4.

use crate::Error;
use serde::Serialize;

/// What a model loses without one column, all others kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Position of the column.
    pub column: usize,
    /// Utility without it.
    pub without: f64,
    /// Utility with all columns, less `without`. Negative where the model does better without.
    pub loss: f64,
}

/// One step of backward elimination.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The column that left.
    pub dropped: usize,
    /// Those that stay, ascending.
    pub kept: Vec<usize>,
    /// Their utility.
    pub utility: f64,
}

/// Why a column is kept or not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Reason {
    /// It left on the path while the utility stayed within the tolerance.
    WithinTolerance {
        /// Utility with all columns less that of the columns that stayed when it left.
        loss: f64,
    },
    /// Without it the utility falls below the tolerance, or it left after one without which it does.
    Costs {
        /// Utility with all columns less that of the columns that stayed when it left.
        loss: f64,
    },
    /// It is the last one on the path.
    Last,
}

/// What is suggested for one column.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Position of the column.
    pub column: usize,
    /// Whether the suggestion keeps it.
    pub keep: bool,
    /// Why.
    #[serde(flatten)]
    pub reason: Reason,
}

/// Everything measured about a choice of columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Selection {
    /// Utility with all columns.
    pub full: f64,
    /// One for each column, the cheapest first; ties in the order of the columns.
    pub costs: Vec<Cost>,
    /// One column fewer at each step, down to one.
    pub path: Vec<Step>,
    /// One for each column, in the order in which they left; the last on the path last.
    pub ranking: Vec<Verdict>,
    /// Utility of the columns that the suggestion keeps.
    pub suggested: f64,
    /// How often the closure was asked.
    pub evaluations: usize,
}

impl Selection {
    /// Positions of the columns that the suggestion keeps, ascending.
    #[must_use]
    pub fn kept(&self) -> Vec<usize> {
        let mut kept: Vec<usize> = self.ranking.iter().filter(|v| v.keep).map(|v| v.column).collect();
        kept.sort_unstable();
        kept
    }
}

/// What each of `columns` costs to leave out alone: the cheapest first, ties in the order of the columns.
///
/// # Errors
/// [`Error::Columns`] below two columns, [`Error::Utility`] where the closure gives no finite number, and its own errors.
pub fn leave_one_out<E: From<Error>>(columns: usize, utility: &mut dyn FnMut(&[usize]) -> Result<f64, E>) -> Result<(f64, Vec<Cost>), E> {
    if columns < 2 {
        return Err(Error::Columns { columns }.into());
    }
    let all: Vec<usize> = (0..columns).collect();
    let full = asked(columns, &all, utility)?;
    let mut costs = vec![];
    for column in 0..columns {
        let kept: Vec<usize> = all.iter().copied().filter(|c| *c != column).collect();
        let without = asked(columns, &kept, utility)?;
        costs.push(Cost { column, without, loss: full - without });
    }
    costs.sort_by(|a, b| a.loss.total_cmp(&b.loss).then(a.column.cmp(&b.column)));
    Ok((full, costs))
}

/// Leave-one-out, then greedy backward elimination: at each step the column leaves whose absence costs least.
///
/// The suggestion is the shortest set on the path that loses at most `tolerance` of the utility, and so does every longer
/// one before it. `n` columns take `1 + n + (n−1) + … + 2` evaluations. Ties go to the column that comes first.
///
/// ```
/// use reticent_minimise::{Error, select::select};
/// // Columns 0 and 1 say the same; 2 adds a little.
/// let mut auc = |kept: &[usize]| -> Result<f64, Error> {
///     let signal = if kept.contains(&0) || kept.contains(&1) { 0.3 } else { 0.0 };
///     Ok(0.5 + signal + if kept.contains(&2) { 0.01 } else { 0.0 })
/// };
/// let chosen = select(3, 0.005, &mut auc)?;
/// assert_eq!(chosen.kept(), [1, 2]);
/// assert_eq!(chosen.evaluations, 6);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// [`Error::Tolerance`] and those of [`leave_one_out`].
pub fn select<E: From<Error>>(columns: usize, tolerance: f64, utility: &mut dyn FnMut(&[usize]) -> Result<f64, E>) -> Result<Selection, E> {
    if !(tolerance.is_finite() && tolerance >= 0.0) {
        return Err(Error::Tolerance(tolerance).into());
    }
    let mut evaluations = 0;
    let mut counted = |kept: &[usize]| {
        evaluations += 1;
        utility(kept)
    };
    let (full, costs) = leave_one_out(columns, &mut counted)?;
    let mut kept: Vec<usize> = (0..columns).collect();
    let mut path = vec![];
    while kept.len() > 1 {
        // The first step has been measured.
        let best = if path.is_empty() {
            (costs[0].column, costs[0].without)
        } else {
            let mut best: Option<(usize, f64)> = None;
            for &column in &kept {
                let rest: Vec<usize> = kept.iter().copied().filter(|c| *c != column).collect();
                let utility = asked(columns, &rest, &mut counted)?;
                if best.is_none_or(|(_, b)| utility > b) {
                    best = Some((column, utility));
                }
            }
            best.expect("two columns or more are kept")
        };
        kept.retain(|c| *c != best.0);
        path.push(Step { dropped: best.0, kept: kept.clone(), utility: best.1 });
    }
    let free = path.iter().take_while(|s| full - s.utility <= tolerance).count();
    let mut ranking: Vec<Verdict> = path
        .iter()
        .enumerate()
        .map(|(place, step)| {
            let loss = full - step.utility;
            let keep = place >= free;
            Verdict { column: step.dropped, keep, reason: if keep { Reason::Costs { loss } } else { Reason::WithinTolerance { loss } } }
        })
        .collect();
    ranking.push(Verdict { column: kept[0], keep: true, reason: Reason::Last });
    let suggested = free.checked_sub(1).map_or(full, |last| path[last].utility);
    Ok(Selection { full, costs, path, ranking, suggested, evaluations })
}

fn asked<E: From<Error>>(columns: usize, kept: &[usize], utility: &mut dyn FnMut(&[usize]) -> Result<f64, E>) -> Result<f64, E> {
    let value = utility(kept)?;
    if value.is_finite() {
        return Ok(value);
    }
    let dropped = (0..columns).filter(|c| !kept.contains(c)).collect();
    Err(Error::Utility { dropped }.into())
}

/// How well the kept columns predict a column that was dropped or must not be used: its proxies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Leakage {
    /// Position of the sensitive column.
    pub sensitive: usize,
    /// How well all kept columns together predict it (an AUC, say; 0.5 is chance).
    pub together: f64,
    /// Each kept column alone, the most telling first; ties in the order of the columns.
    pub alone: Vec<(usize, f64)>,
}

/// Proxy leakage of `sensitive` through `kept`, by a closure that predicts it from columns.
///
/// # Errors
/// [`Error::Columns`] where nothing but the column itself is kept, [`Error::Utility`], and the closure's own errors.
pub fn leakage<E: From<Error>>(
    sensitive: usize,
    kept: &[usize],
    predict: &mut dyn FnMut(&[usize]) -> Result<f64, E>,
) -> Result<Leakage, E> {
    let mut kept: Vec<usize> = kept.iter().copied().filter(|c| *c != sensitive).collect();
    kept.sort_unstable();
    kept.dedup();
    if kept.is_empty() {
        return Err(Error::Columns { columns: 0 }.into());
    }
    let together = asked(0, &kept, predict)?;
    let mut alone = vec![];
    for &column in &kept {
        alone.push((column, asked(0, &[column], predict)?));
    }
    alone.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    Ok(Leakage { sensitive, together, alone })
}
