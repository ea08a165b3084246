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
    let (width, classes) = (rows.width(), rows.classes());
    let right = |inputs: &[f32]| -> Result<Vec<bool>, Error> {
        let p = target.probabilities(inputs, width);
        if p.len() != rows.labels().len() * classes {
            return Err(Error::Target { found: p.len(), expected: rows.labels().len() * classes });
        }
        Ok(p.chunks_exact(classes).zip(rows.labels()).map(|(p, y)| label(p) == *y as usize).collect())
    };
    let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x6c61_6265);
    let itself = right(rows.inputs())?;
    let mut kept = vec![0_usize; itself.len()];
    for spread in NOISE {
        for _ in 0..COPIES {
            let noisy: Vec<f32> = rows.inputs().iter().map(|x| x + (spread * normal(&mut rng)) as f32).collect();
            kept.iter_mut().zip(right(&noisy)?).for_each(|(k, r)| *k += usize::from(r));
        }
    }
    let all = (NOISE.len() * COPIES) as f64;
    rows.by_unit(|row| if itself[row] { kept[row] as f64 / all } else { 0.0 })
}

fn label(p: &[f64]) -> usize {
    (0..p.len()).fold(0, |best, class| if p[class] > p[best] { class } else { best })
}

/// By Box and Muller. Protects nobody: it moves questions, and stands for noise in what an audit imitates.
pub(crate) fn normal(rng: &mut ChaCha20Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
