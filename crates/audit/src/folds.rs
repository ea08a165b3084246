//! Cross-fitting: what an attack learns of some units is used on others alone.

use crate::Error;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// Parts that units are dealt into.
pub(crate) const FOLDS: usize = 5;

/// A part for each unit, members and non-members dealt evenly and apart from each other: what is learnt of the non-members of the other parts has
/// seen no unit of this part, member or not, so that both sides of a part are exchangeable where the model knows neither.
pub(crate) fn deal(member: &[bool], seed: u64) -> Result<Vec<usize>, Error> {
    let members = member.iter().filter(|&&m| m).count();
    if members < FOLDS || member.len() - members < FOLDS {
        return Err(Error::OneSided { members, non_members: member.len() - members });
    }
    let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x666f_6c64);
    let mut fold = vec![0; member.len()];
    for side in [true, false] {
        let mut units: Vec<usize> = (0..member.len()).filter(|&u| member[u] == side).collect();
        for i in (1..units.len()).rev() {
            units.swap(i, rng.random_range(0..=i));
        }
        for (place, unit) in units.into_iter().enumerate() {
            fold[unit] = place % FOLDS;
        }
    }
    Ok(fold)
}

/// Refuses lists that belong together and differ in length.
pub(crate) fn same_length(what: &'static str, found: usize, expected: usize) -> Result<(), Error> {
    if found == expected { Ok(()) } else { Err(Error::Length { what, found, expected }) }
}

/// Refuses values that are no finite numbers.
pub(crate) fn finite(values: &[f64]) -> Result<(), Error> {
    values.iter().position(|v| !v.is_finite()).map_or(Ok(()), |index| Err(Error::NotANumber { index }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_are_dealt_evenly() {
        let member: Vec<bool> = (0..53).map(|u| u % 3 == 0).collect();
        let fold = deal(&member, 1).unwrap();
        for side in [true, false] {
            let of = |f: usize| (0..53).filter(|&u| fold[u] == f && member[u] == side).count();
            let sizes: Vec<usize> = (0..FOLDS).map(of).collect();
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
        }
        assert!(matches!(deal(&[true, false, true, false], 1), Err(Error::OneSided { members: 2, non_members: 2 })));
    }
}
