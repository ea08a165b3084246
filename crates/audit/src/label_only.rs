//! Membership from labels alone: how much noise a row takes before the model's answer changes.

use crate::membership::KnownRows;
use crate::{Error, Scores, Target};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use reticent_data::SubjectId;

/// Standard deviations of the noise, in units of the encoded inputs, which lie between −1 and 1. Fixed in advance: no answer chooses among them.
pub const NOISE: [f64; 4] = [0.1, 0.25, 0.5, 1.0];
/// Noisy copies of each row at each of them.
const COPIES: usize = 16;

/// How far each unit's rows lie from the boundary of their class, by noise (Choquette-Choo et al. 2021, section 3.4): the mean, over Gaussian noise of
/// the standard deviations of [`NOISE`], of the share of noisy copies that still get the label; 0 for a row that does not get it itself.
///
/// Sees the label of the most probable class and nothing else of an answer; the first class where several are equally probable. Noise on encoded
/// inputs leads to rows that no table has: whoever may only ask about rows of a table does less well.
///
/// ```no_run
/// # fn of(rows: &reticent_audit::membership::KnownRows, model: &dyn reticent_audit::Target) -> Result<(), reticent_audit::Error> {
/// let scores = reticent_audit::label_only::robustness(rows, model, 7)?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Error::Target`].
pub fn robustness(rows: &KnownRows, target: &dyn Target, seed: u64) -> Result<Scores<SubjectId>, Error> {
    let ask = |inputs: &[f32]| Ok(target.probabilities(inputs, rows.width()));
    let kept = shares(ask, rows.inputs(), rows.labels(), rows.classes(), &vec![1.0; rows.width()], seed)?;
    rows.by_unit(|row| kept[row])
}

/// The same for each row of inputs on scales of their own: noise in units of each column's standard deviation over the rows. `ask` gives
/// row-major `rows × classes` for row-major `rows × width`.
///
/// ```
/// use reticent_audit::label_only::of_rows;
/// // Class 1 from 150 on: the second row lies nearer to the boundary, and the third does not get its label.
/// let ask = |x: &[f32]| Ok(x.iter().flat_map(|x| if *x < 150.0 { [1.0, 0.0] } else { [0.0, 1.0] }).collect());
/// let kept = of_rows(ask, &[100.0, 140.0, 100.0, 500.0], 1, &[0, 0, 1, 1], 2, 7)?;
/// assert!(kept[0] > kept[1] && kept[1] > 0.0 && kept[2] == 0.0 && kept[3] > kept[0]);
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// Those of `ask`; [`Error::Target`].
pub fn of_rows(
    ask: impl Fn(&[f32]) -> Result<Vec<f64>, Error>,
    inputs: &[f32],
    width: usize,
    labels: &[u32],
    classes: usize,
    seed: u64,
) -> Result<Vec<f64>, Error> {
    crate::folds::same_length("inputs", inputs.len(), labels.len() * width)?;
    let n = labels.len() as f64;
    let spread = |column: usize| {
        let of = || inputs.iter().skip(column).step_by(width).map(|x| f64::from(*x));
        let mean = of().sum::<f64>() / n;
        (of().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt()
    };
    let scale: Vec<f64> = (0..width).map(spread).collect();
    shares(ask, inputs, labels, classes, &scale, seed)
}

/// For each row the share of noisy copies that get its label, 0 where it does not get it itself. Noise in units of `scale`, by column.
fn shares(
    ask: impl Fn(&[f32]) -> Result<Vec<f64>, Error>,
    inputs: &[f32],
    labels: &[u32],
    classes: usize,
    scale: &[f64],
    seed: u64,
) -> Result<Vec<f64>, Error> {
    let right = |inputs: &[f32]| -> Result<Vec<bool>, Error> {
        let p = ask(inputs)?;
        if p.len() != labels.len() * classes {
            return Err(Error::Target { found: p.len(), expected: labels.len() * classes });
        }
        Ok(p.chunks_exact(classes).zip(labels).map(|(p, y)| label(p) == *y as usize).collect())
    };
    let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x6c61_6265);
    let itself = right(inputs)?;
    let mut kept = vec![0_usize; itself.len()];
    for spread in NOISE {
        for _ in 0..COPIES {
            let noisy: Vec<f32> =
                inputs.iter().zip(scale.iter().cycle()).map(|(x, scale)| x + (spread * scale * normal(&mut rng)) as f32).collect();
            kept.iter_mut().zip(right(&noisy)?).for_each(|(k, r)| *k += usize::from(r));
        }
    }
    let all = (NOISE.len() * COPIES) as f64;
    Ok(itself.iter().zip(kept).map(|(itself, kept)| if *itself { kept as f64 / all } else { 0.0 }).collect())
}

fn label(p: &[f64]) -> usize {
    (0..p.len()).fold(0, |best, class| if p[class] > p[best] { class } else { best })
}

/// By Box and Muller. Protects nobody: it moves questions, and stands for noise in what an audit imitates.
pub(crate) fn normal(rng: &mut ChaCha20Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
