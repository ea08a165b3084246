//! What a training loop of any make let out along its canaries: a CSV file for [`white_box`](crate::white_box).

use crate::Error;
use crate::error::FileProblemKind;
use crate::scores_file::{Lines, number, truth};
use crate::white_box::Coins;
use std::collections::BTreeMap;
use std::io::Read;

/// Steps and canaries are numbered below this.
const MOST: usize = 1_000_000;

/// What a file of canaries holds.
pub struct CanariesFile {
    /// Which canary was in which step.
    pub coins: Coins,
    /// `[step][canary]`: the coordinate of the canary in the gradient that was let out.
    pub released: Vec<Vec<f64>>,
}

/// Reads a CSV file with a header: `step` and `canary` (from 0, without gaps), `in` (0, 1, true or false) and `released` (a finite number), one
/// line for each canary in each step, in any order. Other columns are ignored.
///
/// ```
/// let text = "step,canary,in,released\n0,0,1,0.9\n0,1,0,-0.2\n1,0,0,0.1\n1,1,1,1.3\n";
/// let file = reticent_audit::canaries_file::read(text.as_bytes())?;
/// assert_eq!((file.coins.steps(), file.coins.canaries()), (2, 2));
/// assert_eq!(file.released, [[0.9, -0.2], [0.1, 1.3]]);
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] names lines, never what stands in them.
pub fn read(source: impl Read) -> Result<CanariesFile, Error> {
    let (mut lines, columns) = Lines::open(source)?;
    let (step_at, canary_at) = (columns.one("step")?, columns.one("canary")?);
    let (in_at, released_at) = (columns.one("in")?, columns.one("released")?);
    let mut pairs: BTreeMap<(usize, usize), (bool, f64)> = BTreeMap::new();
    let (mut steps, mut canaries) = (0, 0);
    while let Some((line, record)) = lines.next_record() {
        let place = |at: usize| std::str::from_utf8(&record[at]).ok()?.parse::<usize>().ok().filter(|n| *n < MOST);
        let (Some(step), Some(canary)) = (place(step_at), place(canary_at)) else {
            lines.wrong(line, FileProblemKind::Place);
            continue;
        };
        let (is_in, released) = (truth(&record[in_at]), number(&record[released_at]));
        if is_in.is_none() {
            lines.wrong(line, FileProblemKind::In);
        }
        if released.is_none() {
            lines.wrong(line, FileProblemKind::Released);
        }
        let (Some(is_in), Some(released)) = (is_in, released) else { continue };
        if pairs.insert((step, canary), (is_in, released)).is_some() {
            lines.wrong(line, FileProblemKind::Twice);
        }
        (steps, canaries) = (steps.max(step + 1), canaries.max(canary + 1));
    }
    lines.finish()?;
    // Both are below a million: the product is no larger than a count of pairs can be told apart from.
    let missing = steps * canaries - pairs.len();
    if missing > 0 {
        return Err(columns.whole(FileProblemKind::Gaps(missing)));
    }
    let mut pairs = pairs.into_values();
    let mut rows = || -> (Vec<bool>, Vec<f64>) { pairs.by_ref().take(canaries).unzip() };
    let (is_in, released): (Vec<_>, Vec<_>) = (0..steps).map(|_| rows()).unzip();
    Ok(CanariesFile { coins: Coins::recorded(&is_in)?, released })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_and_problems_are_told_by_line() {
        let told = |text: &str| read(text.as_bytes()).err().map_or_else(|| "read".into(), |e| e.to_string());
        let header = "canary,step,released,in\n";
        let file = read(format!("{header}1,1,4,true\n0,0,1,false\n1,0,2,1\n0,1,3,0\n").as_bytes()).unwrap();
        assert_eq!(file.released, [[1.0, 2.0], [3.0, 4.0]]);
        assert!([(0, 0), (1, 0)].iter().all(|&(s, c)| !file.coins.is_in(s, c)));
        assert!([(0, 1), (1, 1)].iter().all(|&(s, c)| file.coins.is_in(s, c)));
        for (lines, expected) in [
            ("0,0,1,1\n0,0,1,1\n", "line 3: this canary in this step is on an earlier line"),
            ("0,0,1,1\n2,1,1,0\n", "4 pairs of a step and a canary are on no line: every canary needs one in every step, in or out"),
            ("0,0,secret,1\n", "line 2: `released` is not a finite number"),
            ("0,0,inf,maybe\n", "line 2: `in` is none of 0, 1, true, false\nline 2: `released` is not a finite number"),
            ("-1,0,1,1\n", "line 2: `step` or `canary` is no whole number from 0 to a million"),
            ("1000000,0,1,1\n", "line 2: `step` or `canary` is no whole number from 0 to a million"),
            ("", "there are no scores"),
        ] {
            assert_eq!(told(&format!("{header}{lines}")), expected, "{lines}");
        }
        assert_eq!(told("canary,step,released\n"), "there is no column `in`");
    }
}
