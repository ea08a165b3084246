//! Shadow models: the same recipe on random halves of a pool, so that each unit is in exactly half of them.

use crate::kept::{Kept, Rows};
use crate::lira::Knowledge;
use crate::membership::{KnownRows, phi};
use crate::{Error, Target};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use reticent_data::{PermittedTable, SubjectId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The largest number of shadow models.
pub const MOST_SHADOWS: usize = 4096;

/// Which unit is in which shadow model. By [`balanced_matrix`] each unit is in exactly half of them.
#[derive(Clone)]
pub struct Membership {
    shadows: usize,
    units: usize,
    is_in: Vec<bool>,
}

impl Membership {
    /// As it is on record of models that are there already: `is_in[model][unit]`.
    ///
    /// # Errors
    /// [`Error::Length`] where models have different numbers of units.
    pub fn recorded(is_in: &[Vec<bool>]) -> Result<Self, Error> {
        let units = is_in.first().map_or(0, Vec::len);
        if let Some(odd) = is_in.iter().find(|m| m.len() != units) {
            return Err(Error::Length { what: "units", found: odd.len(), expected: units });
        }
        Ok(Self { shadows: is_in.len(), units, is_in: is_in.concat() })
    }

    /// Number of shadow models.
    #[must_use]
    pub fn shadows(&self) -> usize {
        self.shadows
    }

    /// Number of units.
    #[must_use]
    pub fn units(&self) -> usize {
        self.units
    }

    /// The values under the models that have the unit in, or out.
    pub(crate) fn values<'a>(&'a self, shadow: &'a [Vec<f64>], unit: usize, side: bool) -> impl Iterator<Item = f64> + Clone + 'a {
        (0..self.shadows).filter(move |&s| self.is_in(s, unit) == side).map(move |s| shadow[s][unit])
    }

    /// Whether the values of a target and of shadow models are one for each unit and model, and `least` models have each unit out, and
    /// in where those are needed too.
    pub(crate) fn fits(&self, target: &[f64], shadow: &[Vec<f64>], knowledge: Knowledge, least: usize) -> Result<(), Error> {
        let length = |what, found, expected| if found == expected { Ok(()) } else { Err(Error::Length { what, found, expected }) };
        length("shadow models", shadow.len(), self.shadows)?;
        for scores in std::iter::once(target).chain(shadow.iter().map(Vec::as_slice)) {
            length("units", scores.len(), self.units)?;
            if let Some(index) = scores.iter().position(|s| !s.is_finite()) {
                return Err(Error::NotANumber { index });
            }
        }
        for side in [false, true] {
            let few = |&unit: &usize| (0..self.shadows).filter(|&s| self.is_in(s, unit) == side).count() < least;
            let units = if side && knowledge == Knowledge::Offline { 0 } else { (0..self.units).filter(few).count() };
            if units > 0 {
                return Err(Error::FewReferences { units, least, side: if side { "with" } else { "without" } });
            }
        }
        Ok(())
    }

    /// Whether the shadow model learns from the unit.
    #[must_use]
    pub fn is_in(&self, shadow: usize, unit: usize) -> bool {
        self.is_in[shadow * self.units + unit]
    }
}

/// Puts each of `units` into a random half of `shadows` models, each unit on its own, as Carlini et al. (2022) do.
///
/// The randomness protects nobody: the rows stay where they are, and the matrix is used up by the audit.
///
/// ```
/// let members = reticent_audit::shadow::balanced_matrix(100, 16, 7)?;
/// assert!((0..100).all(|u| (0..16).filter(|&s| members.is_in(s, u)).count() == 8));
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shadows`] for an odd number, fewer than 4 or more than [`MOST_SHADOWS`].
pub fn balanced_matrix(units: usize, shadows: usize, seed: u64) -> Result<Membership, Error> {
    if !(4..=MOST_SHADOWS).contains(&shadows) || !shadows.is_multiple_of(2) {
        return Err(Error::Shadows { shadows, most: MOST_SHADOWS });
    }
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut is_in = vec![false; shadows * units];
    let mut order: Vec<usize> = (0..shadows).collect();
    for unit in 0..units {
        for i in (1..shadows).rev() {
            order.swap(i, rng.random_range(0..=i));
        }
        for &shadow in &order[..shadows / 2] {
            is_in[shadow * units + unit] = true;
        }
    }
    Ok(Membership { shadows, units, is_in })
}

/// Trains a model on some of the rows; the number is that of the shadow model, from 0.
pub type Fit<'a> = &'a (dyn Fn(&PermittedTable, u64) -> Result<Box<dyn Target>, String> + Sync);

/// Trains every shadow model by `fit` on its units of `pool`, on at most `threads` threads, and gives φ of every unit of `known` under
/// each: `[shadow][unit]`. Each model is dropped as soon as it was asked. Units of `members` are those of `known`, in its order.
///
/// The result does not depend on the number of threads.
///
/// # Errors
/// [`Error::Fit`] with the words of `fit`; [`Error::Length`] where `members` has other units than `known`.
pub fn shadow_phi(
    pool: &PermittedTable,
    known: &KnownRows,
    members: &Membership,
    threads: usize,
    fit: Fit<'_>,
    progress: &mut (dyn FnMut() + Send),
) -> Result<Vec<Vec<f64>>, Error> {
    train_missing(pool, known, members, threads, fit, None, progress).map(|(answers, _)| answers)
}

/// As [`shadow_phi`], with what each shadow model answered kept as soon as it is trained; one whose answers are kept is not trained again. Gives
/// the number of those that were trained, too. The recipe must say all that decides a model beside its rows and number: plan, seeds, program.
///
/// # Errors
/// As [`shadow_phi`]; [`Error::Kept`].
pub fn shadow_phi_kept(
    pool: &PermittedTable,
    known: &KnownRows,
    members: &Membership,
    threads: usize,
    fit: Fit<'_>,
    (kept, recipe): (&Kept, &str),
    progress: &mut (dyn FnMut() + Send),
) -> Result<(Vec<Vec<f64>>, usize), Error> {
    train_missing(pool, known, members, threads, fit, Some(kept.rows(recipe, pool, known)), progress)
}

fn train_missing(
    pool: &PermittedTable,
    known: &KnownRows,
    members: &Membership,
    threads: usize,
    fit: Fit<'_>,
    kept: Option<Rows<'_>>,
    progress: &mut (dyn FnMut() + Send),
) -> Result<(Vec<Vec<f64>>, usize), Error> {
    if members.units() != known.ids().len() {
        return Err(Error::Length { what: "units", found: members.units(), expected: known.ids().len() });
    }
    let trained = AtomicUsize::new(0);
    let one = |shadow: usize| {
        if let Some(answers) = kept.as_ref().and_then(|k| k.read(members, shadow)) {
            return Ok(answers);
        }
        let chosen: BTreeSet<SubjectId> =
            known.ids().iter().enumerate().filter(|(u, _)| members.is_in(shadow, *u)).map(|(_, id)| *id).collect();
        let model = fit(&pool.filter(|id| chosen.contains(&id)), shadow as u64).map_err(|why| Error::Fit { why })?;
        trained.fetch_add(1, Ordering::Relaxed);
        let answers = phi(known, &*model)?;
        if let Some(kept) = &kept {
            kept.write(members, shadow, &answers)?;
        }
        Ok(answers)
    };
    let (next, progress) = (AtomicUsize::new(0), Mutex::new(progress));
    let found: Mutex<BTreeMap<usize, Result<Vec<f64>, Error>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, members.shadows()) {
            scope.spawn(|| {
                loop {
                    let shadow = next.fetch_add(1, Ordering::Relaxed);
                    if shadow >= members.shadows() {
                        return;
                    }
                    let result = one(shadow);
                    if result.is_err() {
                        // The others need not start.
                        next.store(members.shadows(), Ordering::Relaxed);
                    }
                    found.lock().expect("no thread panics while it holds this").insert(shadow, result);
                    (progress.lock().expect("no thread panics while it holds this"))();
                }
            });
        }
    });
    // In the order of the shadow models; the first error, where there is one.
    let all = found.into_inner().expect("all threads are done").into_values().collect::<Result<_, _>>()?;
    Ok((all, trained.into_inner()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_in_half_and_no_shadow_is_one_sided() {
        for (units, shadows) in [(1, 4), (500, 16), (200, 64)] {
            let m = balanced_matrix(units, shadows, 3).unwrap();
            assert!((0..units).all(|u| (0..shadows).filter(|&s| m.is_in(s, u)).count() == shadows / 2));
            if units >= 200 {
                // Five standard deviations of Bin(units, ½): false alarm below 1e-4 over all models.
                let slack = 2.5 * (units as f64).sqrt();
                for s in 0..shadows {
                    let n = (0..units).filter(|&u| m.is_in(s, u)).count() as f64;
                    assert!((n - units as f64 / 2.0).abs() < slack, "{s}: {n}");
                }
            }
        }
        let (a, b) = (balanced_matrix(50, 8, 1).unwrap(), balanced_matrix(50, 8, 2).unwrap());
        assert!((0..8).any(|s| (0..50).any(|u| a.is_in(s, u) != b.is_in(s, u))), "the seed matters");
        for shadows in [0, 2, 5, 4098] {
            assert_eq!(balanced_matrix(1, shadows, 0).err(), Some(Error::Shadows { shadows, most: MOST_SHADOWS }));
        }
    }
}
