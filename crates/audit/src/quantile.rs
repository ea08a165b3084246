//! Membership by quantile regression: what would a model that never saw this record say about one like it?

use crate::Error;
use crate::folds::{FOLDS, deal, finite, same_length};

/// False-positive rate of the threshold that is fixed in advance.
pub const ALPHA: f64 = 0.1;
/// At or above this score a unit lies above the quantile that is predicted for it: called with a false-positive rate of about [`ALPHA`].
pub const THRESHOLD: f64 = 1.0;

/// Trees: as many as do best on every fourth record when they learn on the others, from so many to so many, and no better one in so many after it.
const ROUNDS: (usize, usize) = (100, 400);
const PATIENCE: usize = 50;
const HELD_OUT: usize = 4;
const SHRINKAGE: f64 = 0.1;
const DEPTH: usize = 2;
const BINS: usize = 32;
/// Records that a leaf holds at least beyond its quantile, and on the other side of it.
const LEAST_BEYOND: f64 = 10.0;

/// How high each unit's signal stands among records with inputs like its own (Bertran et al. 2023): 0 at the median predicted from its inputs, 1
/// at the quantile at 1 − [`ALPHA`], linear between and beyond. One model to attack, no shadow models, nothing known of its architecture.
///
/// The predictors are boosted trees under the pinball loss (Friedman 2001; the authors take CatBoost on tables and give each α a predictor of
/// its own), as many as do best on held-out records, learnt on non-members of four of five parts and used on the fifth, members of it included. `signal[unit]`, higher meaning "more likely a
/// member", as φ of LiRA; `inputs[unit]` what predicts it, the class among it.
///
/// ```
/// // A non-member's signal is its input, give or take one; members score three higher, and do not stand out of all.
/// let signal = |u: usize| (u / 2 % 4) as f64 * 10.0 + (u * 7 % 5) as f64 / 2.5 - 1.0 + if u % 2 == 0 { 3.0 } else { 0.0 };
/// let units = 0..4000;
/// let inputs: Vec<Vec<f64>> = units.clone().map(|u| vec![(u / 2 % 4) as f64]).collect();
/// let member: Vec<bool> = units.clone().map(|u| u % 2 == 0).collect();
/// let scores = reticent_audit::quantile::regression(&units.map(signal).collect::<Vec<_>>(), &inputs, &member, 1)?;
/// let called = |side| scores.iter().zip(&member).filter(|(s, m)| **s >= 1.0 && **m == side).count();
/// assert!(called(true) > 1600 && called(false) < 300, "{} {}", called(true), called(false));
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::Length`], [`Error::NotANumber`]; [`Error::OneSided`] for fewer than five on a side.
pub fn regression(signal: &[f64], inputs: &[Vec<f64>], member: &[bool], seed: u64) -> Result<Vec<f64>, Error> {
    same_length("inputs", inputs.len(), signal.len())?;
    same_length("members", member.len(), signal.len())?;
    let width = inputs.first().map_or(0, Vec::len);
    for x in inputs {
        same_length("inputs of a unit", x.len(), width)?;
        finite(x)?;
    }
    finite(signal)?;
    let fold = deal(member, seed)?;
    let mut scores = vec![0.0; signal.len()];
    for part in 0..FOLDS {
        let learnt: Vec<usize> = (0..signal.len()).filter(|&u| !member[u] && fold[u] != part).collect();
        let values: Vec<f64> = learnt.iter().map(|&u| signal[u]).collect();
        let rows: Vec<&[f64]> = learnt.iter().map(|&u| inputs[u].as_slice()).collect();
        let [middle, high] = [0.5, 1.0 - ALPHA].map(|level| Boosted::fit(&rows, &values, level));
        let gaps: Vec<f64> = rows.iter().map(|x| high.predict(x) - middle.predict(x)).collect();
        // Predicted quantiles may cross: no unit counts as steadier than a tenth of what is usual.
        let floor = (0.1 * quantile(gaps, 0.5)).max(1e-9);
        for u in (0..signal.len()).filter(|&u| fold[u] == part) {
            let (m, h) = (middle.predict(&inputs[u]), high.predict(&inputs[u]));
            scores[u] = 1.0 + (signal[u] - h) / (h - m).max(floor);
        }
    }
    Ok(scores)
}

/// The smallest value that at least a share of `level` does not exceed.
fn quantile(mut values: Vec<f64>, level: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((level * values.len() as f64).ceil() as usize).clamp(1, values.len()) - 1]
}

/// A quantile as a sum of shallow trees.
struct Boosted {
    start: f64,
    trees: Vec<Node>,
}

enum Node {
    Leaf(f64),
    /// Below the threshold, and at or above it.
    Split(usize, f64, Box<[Self; 2]>),
}

impl Boosted {
    fn fit(rows: &[&[f64]], values: &[f64], level: f64) -> Self {
        let start = quantile(values.to_vec(), level);
        let edges: Vec<Vec<f64>> = (0..rows[0].len()).map(|j| edges(rows.iter().map(|x| x[j]).collect())).collect();
        let bin = |j: usize| rows.iter().map(|x| edges[j].partition_point(|edge| *edge <= x[j]) as u8).collect();
        let bins: Vec<Vec<u8>> = (0..edges.len()).map(bin).collect();
        let least = (LEAST_BEYOND / level.min(1.0 - level)).ceil() as usize;
        let grow = |records: &[usize], left: &[f64]| {
            let slopes: Vec<f64> = left.iter().map(|l| if *l > 0.0 { level } else { level - 1.0 }).collect();
            Grower { bins: &bins, edges: &edges, left, slopes: &slopes, level, least }.grow(records.to_vec(), DEPTH)
        };
        let after = |tree: &Node, left: &mut [f64]| left.iter_mut().zip(rows).for_each(|(left, x)| *left -= tree.of(x));
        let begin: Vec<f64> = values.iter().map(|v| v - start).collect();

        // How many trees: on the held-out records.
        let (held_out, kept): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|r| r % HELD_OUT == 0);
        let mut left = begin.clone();
        let mut best = (f64::INFINITY, 0);
        for round in 1..=if kept.is_empty() { 0 } else { ROUNDS.1 } {
            after(&grow(&kept, &left), &mut left);
            let loss: f64 = held_out.iter().map(|&r| pinball(left[r], level)).sum();
            if loss < best.0 {
                best = (loss, round);
            } else if round >= ROUNDS.0 && round - best.1 > PATIENCE {
                break;
            }
        }

        let all: Vec<usize> = (0..rows.len()).collect();
        let (mut left, mut trees) = (begin, vec![]);
        for _ in 0..best.1.max(ROUNDS.0) {
            let tree = grow(&all, &left);
            after(&tree, &mut left);
            trees.push(tree);
        }
        Self { start, trees }
    }

    fn predict(&self, x: &[f64]) -> f64 {
        self.start + self.trees.iter().map(|t| t.of(x)).sum::<f64>()
    }
}

impl Node {
    fn of(&self, x: &[f64]) -> f64 {
        match self {
            Self::Leaf(value) => *value,
            Self::Split(column, threshold, sides) => sides[usize::from(x[*column] >= *threshold)].of(x),
        }
    }
}

/// What a value costs that lies so far above the predicted quantile: least, on average, at the quantile itself.
fn pinball(above: f64, level: f64) -> f64 {
    if above > 0.0 { level * above } else { (level - 1.0) * above }
}

/// Up to [`BINS`] − 1 thresholds between different values, evenly spread over the records; between all values where those are few, however rare one is.
fn edges(mut column: Vec<f64>) -> Vec<f64> {
    column.sort_by(f64::total_cmp);
    let mut different = column.clone();
    different.dedup();
    if different.len() <= BINS {
        return different.split_off(1);
    }
    let mut found: Vec<f64> = (1..BINS).map(|b| column[b * column.len() / BINS]).filter(|e| *e > column[0]).collect();
    found.dedup();
    found
}

struct Grower<'a> {
    /// By column, then record.
    bins: &'a [Vec<u8>],
    edges: &'a [Vec<f64>],
    /// What the trees so far leave of each value.
    left: &'a [f64],
    /// Minus the slope of the pinball loss, by record.
    slopes: &'a [f64],
    level: f64,
    least: usize,
}

impl Grower<'_> {
    fn grow(&self, records: Vec<usize>, depth: usize) -> Node {
        match (depth > 0).then(|| self.best_split(&records)).flatten() {
            Some((column, bin)) => {
                let (below, above) = records.into_iter().partition::<Vec<usize>, _>(|&r| usize::from(self.bins[column][r]) < bin);
                Node::Split(column, self.edges[column][bin - 1], Box::new([self.grow(below, depth - 1), self.grow(above, depth - 1)]))
            }
            None => Node::Leaf(SHRINKAGE * quantile(records.iter().map(|&r| self.left[r]).collect(), self.level)),
        }
    }

    /// The column and the first bin of the upper side that take most off the squared slopes.
    fn best_split(&self, records: &[usize]) -> Option<(usize, usize)> {
        let (all, count) = (records.iter().map(|&r| self.slopes[r]).sum::<f64>(), records.len());
        let mut best = (all * all / count as f64 + 1e-9, None);
        for (column, (edges, bins)) in self.edges.iter().zip(self.bins).enumerate() {
            let mut of_bin = [(0.0, 0_usize); BINS];
            for &r in records {
                let bin = &mut of_bin[usize::from(bins[r])];
                *bin = (bin.0 + self.slopes[r], bin.1 + 1);
            }
            let (mut below, mut n) = (0.0, 0);
            for bin in 1..=edges.len() {
                below += of_bin[bin - 1].0;
                n += of_bin[bin - 1].1;
                if n < self.least || count - n < self.least {
                    continue;
                }
                let gain = below * below / n as f64 + (all - below).powi(2) / (count - n) as f64;
                if gain > best.0 {
                    best = (gain, Some((column, bin)));
                }
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, auc};
    use rand::RngExt;

    /// Inputs, value, and the exact quantile.
    type Record = (Vec<f64>, f64, f64);

    /// Every split of every column tried by adding up.
    #[test]
    fn the_best_split_equals_trying_all() {
        let mut rng = testing::rng(81);
        for _ in 0..20 {
            let rows: Vec<Vec<f64>> = (0..60).map(|_| (0..3).map(|_| f64::from(rng.random_range(0..9_u8))).collect()).collect();
            let left: Vec<f64> = rows.iter().map(|x| x[1] - 4.0 + testing::normal(&mut rng)).collect();
            let edges: Vec<Vec<f64>> = (0..3).map(|j| edges(rows.iter().map(|x| x[j]).collect())).collect();
            let bin = |j: usize| rows.iter().map(|x| edges[j].partition_point(|edge| *edge <= x[j]) as u8).collect();
            let bins: Vec<Vec<u8>> = (0..3).map(bin).collect();
            let slopes: Vec<f64> = left.iter().map(|l| if *l > 0.0 { 0.7 } else { -0.3 }).collect();
            let grower = Grower { bins: &bins, edges: &edges, left: &left, slopes: &slopes, level: 0.7, least: 5 };
            let (column, at) = grower.best_split(&(0..60).collect::<Vec<_>>()).unwrap();
            let gain = |column: usize, threshold: f64| {
                let sum = |above: bool| {
                    let of = (0..60).filter(|&r| (rows[r][column] >= threshold) == above).map(|r| slopes[r]).collect::<Vec<_>>();
                    (of.len(), of.iter().sum::<f64>().powi(2) / of.len() as f64)
                };
                let (below, above) = (sum(false), sum(true));
                if below.0 < 5 || above.0 < 5 { 0.0 } else { below.1 + above.1 }
            };
            let most = (0..3).flat_map(|c| (1..9).map(move |t| (c, f64::from(t)))).map(|(c, t)| gain(c, t)).fold(0.0, f64::max);
            assert!((gain(column, edges[column][at - 1]) - most).abs() < 1e-9);
        }
    }

    /// Location and spread follow one input each: the predicted quantiles are near the known ones.
    #[test]
    fn finds_quantiles_that_are_known() {
        let mut rng = testing::rng(82);
        let n = 8000;
        let rows: Vec<Vec<f64>> =
            (0..n).map(|_| vec![f64::from(rng.random_range(0..2_u8)), f64::from(rng.random_range(0..2_u8)), rng.random()]).collect();
        let values: Vec<f64> = rows.iter().map(|x| 4.0 * x[0] + (1.0 + 2.0 * x[1]) * testing::normal(&mut rng)).collect();
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        for (level, z) in [(0.5, 0.0), (0.9, 1.2816)] {
            let fitted = Boosted::fit(&rows, &values, level);
            for (location, spread) in [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)] {
                // The standard error of a quantile at .9 of 2,000 values is .038 of the spread; the third input says nothing and adds to it.
                let known = 4.0 * location + (1.0 + 2.0 * spread) * z;
                let found = fitted.predict(&[location, spread, 0.5]);
                assert!((found - known).abs() < 0.2 * (1.0 + 2.0 * spread), "{level} {location} {spread}: {found} {known}");
            }
        }
    }

    /// Of what knowing the exact conditional quantiles takes off the pinball loss of one threshold for all, the share that the fitted ones take off:
    /// on 40 levels, each rarer than one record in [`BINS`] and with a place and a spread of its own, and where two inputs say something only together.
    /// The loss is of 8,000 new records.
    #[test]
    fn nears_the_loss_of_the_exact_quantiles() {
        let mut rng = testing::rng(84);
        let of_level: Vec<(f64, f64)> =
            (0..40).map(|_| (2.0 * testing::normal(&mut rng), (0.5 * testing::normal(&mut rng)).exp())).collect();
        for (name, records, level, least) in [("levels", 1600, 0.5, 0.9), ("levels", 6000, 0.9, 0.9), ("together", 2400, 0.5, 0.6)] {
            let z = if level == 0.5 { 0.0 } else { 1.281_551_565_544_600_4 };
            let mut draw = |count: usize| {
                let one = |_| {
                    let (x, (place, spread)) = if name == "levels" {
                        let at = rng.random_range(0..40_usize);
                        ((0..40).map(|j| f64::from(u8::from(j == at))).collect::<Vec<f64>>(), of_level[at])
                    } else {
                        let x: Vec<f64> = (0..4).map(|_| rng.random()).collect();
                        let place = if (x[0] > 0.5) == (x[1] > 0.5) { 0.0 } else { 2.0 };
                        (x, (place, 0.8))
                    };
                    (x, place + spread * testing::normal(&mut rng), place + spread * z)
                };
                (0..count).map(one).collect::<Vec<Record>>()
            };
            let (learnt, new) = (draw(records), draw(8000));
            let values: Vec<f64> = learnt.iter().map(|l| l.1).collect();
            let fitted = Boosted::fit(&learnt.iter().map(|l| l.0.as_slice()).collect::<Vec<_>>(), &values, level);
            let one = quantile(values, level);
            let loss = |of: &dyn Fn(&Record) -> f64| new.iter().map(|n| pinball(n.1 - of(n), level)).sum::<f64>();
            let (exact, constant, found) = (loss(&|n| n.2), loss(&|_| one), loss(&|n| fitted.predict(&n.0)));
            let share = (constant - found) / (constant - exact);
            assert!(share > least && share < 1.02, "{name} {level}: {share:.3} with {} trees", fitted.trees.len());
        }
    }

    /// Members stand 1.5 above records like them; how hard a record is follows from its inputs and hides that. Known quantiles would give Φ(1.5/√2) =
    /// .856; the signal alone gives hardly more than ½.
    #[test]
    fn takes_the_difficulty_off_without_shadow_models() {
        let mut rng = testing::rng(83);
        let n = 4000;
        let inputs: Vec<Vec<f64>> = (0..n).map(|_| vec![rng.random::<f64>(), f64::from(rng.random_range(0..3_u8))]).collect();
        let member: Vec<bool> = (0..n).map(|u| u % 2 == 0).collect();
        let signal: Vec<f64> = (0..n)
            .map(|u| 10.0 * inputs[u][0] - 6.0 * inputs[u][1] + 1.5 * f64::from(u8::from(member[u])) + testing::normal(&mut rng))
            .collect();
        let found = auc(&regression(&signal, &inputs, &member, 1).unwrap(), &member);
        assert!(found > 0.82 && found < 0.87 && auc(&signal, &member) < 0.6, "{found} {}", auc(&signal, &member));
    }

    /// Nothing to find: 8 seeds of 400 + 400, in each of which the area leaves .5 ± 5.4 × .0204 with probability 7e-8 (all: 6e-7), although the inputs say
    /// much of the signal; and the threshold calls about its share, of members as of others.
    #[test]
    fn finds_nothing_where_nothing_is() {
        let mut called = [0, 0];
        for seed in 0..8 {
            let mut rng = testing::rng(900 + seed);
            let inputs: Vec<Vec<f64>> = (0..800).map(|_| vec![rng.random::<f64>(), testing::normal(&mut rng)]).collect();
            let member: Vec<bool> = (0..800).map(|u| u % 2 == 0).collect();
            let signal: Vec<f64> = inputs.iter().map(|x| 5.0 * x[0] + testing::normal(&mut rng)).collect();
            let scores = regression(&signal, &inputs, &member, seed).unwrap();
            let area = auc(&scores, &member);
            assert!((area - 0.5).abs() < 0.11, "{seed}: {area}");
            for (s, m) in scores.iter().zip(&member) {
                called[usize::from(*m)] += usize::from(*s >= THRESHOLD);
            }
        }
        let shares = called.map(|c| c as f64 / 3200.0);
        assert!(shares.iter().all(|s| *s > 0.07 && *s < 0.18), "{shares:?}");
    }

    #[test]
    fn lists_that_do_not_fit_are_refused() {
        let member: Vec<bool> = (0..20).map(|u| u % 2 == 0).collect();
        let run = |s: &[f64], x: &[Vec<f64>]| regression(s, x, &member, 0);
        assert!(run(&[0.0; 20], &vec![vec![1.0]; 20]).is_ok());
        assert!(run(&[0.0; 20], &vec![vec![]; 20]).is_ok(), "without inputs one threshold for all");
        assert!(matches!(run(&[0.0; 20], &vec![vec![1.0]; 19]), Err(Error::Length { .. })));
        assert!(matches!(run(&[f64::NAN; 20], &vec![vec![1.0]; 20]), Err(Error::NotANumber { .. })));
        assert!(matches!(run(&[0.0; 20], &vec![vec![f64::INFINITY]; 20]), Err(Error::NotANumber { .. })));
    }
}
