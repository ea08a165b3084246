//! Scores of an attack, and the two sides an analysis compares.

use crate::Error;

/// What an attack yields: one score for each unit, higher meaning "more likely a member".
///
/// No `Debug`: a score beside an id is about somebody.
#[derive(Clone)]
pub struct Scores<Id> {
    id: Vec<Id>,
    score: Vec<f64>,
}

impl<Id: Ord> Scores<Id> {
    /// Pairs ids with scores.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotANumber`].
    pub fn new(id: Vec<Id>, score: Vec<f64>) -> Result<Self, Error> {
        if id.len() != score.len() {
            return Err(Error::Length { what: "scores", found: score.len(), expected: id.len() });
        }
        if let Some(index) = score.iter().position(|s| s.is_nan()) {
            return Err(Error::NotANumber { index });
        }
        Ok(Self { id, score })
    }

    /// Whose score each is.
    #[must_use]
    pub fn ids(&self) -> &[Id] {
        &self.id
    }

    /// The scores, in the order of the ids.
    #[must_use]
    pub fn scores(&self) -> &[f64] {
        &self.score
    }

    /// The score of one unit.
    #[must_use]
    pub fn of(&self, id: &Id) -> Option<f64> {
        self.id.iter().position(|i| i == id).map(|at| self.score[at])
    }

    /// The two sides, by what is known of membership; a unit for which `member` gives `None` belongs to neither.
    ///
    /// # Errors
    /// [`Error::OneSided`] where a side is empty.
    pub fn sides(&self, member: impl Fn(&Id) -> Option<bool>) -> Result<MemberScores, Error> {
        let side = |which| self.id.iter().zip(&self.score).filter(|(id, _)| member(id) == Some(which)).map(|(_, s)| *s).collect();
        MemberScores::new(side(true), side(false))
    }
}

/// Scores of members and of non-members, each sorted. Carries no ids.
#[derive(Clone)]
pub struct MemberScores {
    pub(crate) members: Vec<f64>,
    pub(crate) non_members: Vec<f64>,
}

impl MemberScores {
    /// Takes the scores of both sides, higher meaning "more likely a member".
    ///
    /// # Errors
    /// [`Error::OneSided`], [`Error::NotANumber`].
    pub fn new(mut members: Vec<f64>, mut non_members: Vec<f64>) -> Result<Self, Error> {
        if members.is_empty() || non_members.is_empty() {
            return Err(Error::OneSided { members: members.len(), non_members: non_members.len() });
        }
        if let Some(index) = members.iter().chain(&non_members).position(|s| s.is_nan()) {
            return Err(Error::NotANumber { index });
        }
        members.sort_by(f64::total_cmp);
        non_members.sort_by(f64::total_cmp);
        Ok(Self { members, non_members })
    }

    /// The scores of several models put together, each pair of a model and a unit counting as one: more non-members for a rate at few false
    /// alarms. Trials that share a unit are not independent, so that intervals of rates and areas are a little too narrow.
    ///
    /// # Panics
    /// Where there are none.
    #[must_use]
    pub fn pooled(all: Vec<Self>) -> Self {
        assert!(!all.is_empty(), "at least one model");
        let (mut members, mut non_members) = (vec![], vec![]);
        for one in all {
            members.extend(one.members);
            non_members.extend(one.non_members);
        }
        members.sort_by(f64::total_cmp);
        non_members.sort_by(f64::total_cmp);
        Self { members, non_members }
    }

    /// Number of members.
    #[must_use]
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// Number of non-members.
    #[must_use]
    pub fn non_members(&self) -> usize {
        self.non_members.len()
    }

    /// How many members score at or above `threshold`.
    #[must_use]
    pub fn true_positives(&self, threshold: f64) -> usize {
        at_or_above(&self.members, threshold)
    }

    /// How many non-members score at or above `threshold`.
    #[must_use]
    pub fn false_positives(&self, threshold: f64) -> usize {
        at_or_above(&self.non_members, threshold)
    }
}

/// How many of the sorted values are at least `threshold`.
pub(crate) fn at_or_above(sorted: &[f64], threshold: f64) -> usize {
    sorted.len() - sorted.partition_point(|&s| s < threshold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_counts_every_pair_once() {
        let one = |m: &[f64], n: &[f64]| MemberScores::new(m.to_vec(), n.to_vec()).unwrap();
        let pooled = MemberScores::pooled(vec![one(&[3.0, 1.0], &[2.0]), one(&[0.5], &[4.0, 0.0])]);
        assert_eq!((&pooled.members[..], &pooled.non_members[..]), (&[0.5, 1.0, 3.0][..], &[0.0, 2.0, 4.0][..]));
        assert!((pooled.auc() - 4.0 / 9.0).abs() < 1e-12);
        assert_eq!((pooled.true_positives(1.0), pooled.false_positives(2.0)), (2, 2));
    }
}
