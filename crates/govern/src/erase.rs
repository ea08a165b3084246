//! One unit out of the ledger: the one place where entries lose their content. What happened, when and how often stays, and is committed to.

use crate::ledger::key_from;
use crate::store::Statement;
use crate::{Actor, Error, Event, Ledger};
use reticent_proof::record::Opening;
use std::collections::BTreeSet;

/// What an erasure took out of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Number of the event that says so.
    pub seq: i64,
    /// Events emptied.
    pub events: u64,
    /// Rows removed elsewhere, as the event says.
    pub rows: u64,
}

impl Ledger {
    /// Takes a unit out, in one durable transaction: its key is destroyed, its events lose their text, nonce and name (number, kind, time and
    /// commitment stay, so that the log still verifies), its basis rows go, and one event with counts alone is appended. Then the file is
    /// rewritten, so that no free page keeps what was removed.
    ///
    /// `erasure` is the request's number; the same number again finds the work done and repeats the rewriting alone. `rows` is how many rows
    /// of the unit the tables hold.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn erase_subject(&mut self, actor: &Actor, dataset: &str, subject: &str, erasure: u64, rows: u64) -> Result<Erased, Error> {
        let erased = self.write(|ledger| {
            if let Some(done) = ledger.erased(erasure)? {
                return Ok(done);
            }
            let events = ledger.empty(subject)?;
            let event = Event::SubjectErased { erasure, dataset: dataset.into(), rows, events };
            Ok(Erased { seq: ledger.append_within(actor, &event)?, events, rows })
        })?;
        self.store.rewrite()?;
        Ok(erased)
    }

    /// Takes a unit out of a ledger that is about to be refused, without a word about it: a restored backup must not be readable meanwhile.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn empty_subject(&mut self, subject: &str) -> Result<u64, Error> {
        let events = self.write(|ledger| ledger.empty(subject))?;
        self.store.rewrite()?;
        Ok(events)
    }

    /// The erasure of this number, where it reached the ledger.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn erased(&mut self, number: u64) -> Result<Option<Erased>, Error> {
        Ok(self.events("subject-erased")?.into_iter().find_map(|stored| match stored.event {
            Event::SubjectErased { erasure, rows, events, .. } if erasure == number => Some(Erased { seq: stored.seq, events, rows }),
            _ => None,
        }))
    }

    fn empty(&mut self, subject: &str) -> Result<u64, Error> {
        self.forget_member(subject)?;
        let subject = subject.to_owned();
        self.execute(Statement::new("DELETE FROM basis WHERE subject = ?").bind(subject.clone()))?;
        self.execute(Statement::new("DELETE FROM subject_keys WHERE subject = ?").bind(subject.clone()))?;
        let nothing: Vec<u8> = vec![];
        self.execute(Statement::new("UPDATE events SET subject = NULL, body = '', nonce = ? WHERE subject = ?").bind(nothing).bind(subject))
    }

    /// How many events are about a unit.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn events_of(&mut self, subject: &str) -> Result<u64, Error> {
        let count: i64 =
            self.rows(Statement::new("SELECT count(*) FROM events WHERE subject = ?").bind(subject.to_owned()))?[0].try_get(0)?;
        Ok(count as u64)
    }

    /// Every unit that the ledger names anywhere.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn subjects(&mut self) -> Result<BTreeSet<String>, Error> {
        let named = "SELECT subject FROM events WHERE subject IS NOT NULL UNION SELECT subject FROM subject_keys UNION SELECT subject FROM basis UNION SELECT subject FROM people";
        self.rows(Statement::new(named))?.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// What the log's entries about a unit open to, with their kinds, and the unit's own key: for the unit itself, and for nobody else. Who
    /// recorded it is a part of what was committed to, and so of what opens it. `None` where nothing is recorded about it.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Database`].
    pub fn own_openings(&mut self, subject: &str) -> Result<Option<OwnOpenings>, Error> {
        let held = self.rows(Statement::new("SELECT key FROM subject_keys WHERE subject = ?").bind(subject.to_owned()))?;
        let Some(row) = held.first() else { return Ok(None) };
        let key = key_from(row.try_get(0)?)?;
        let rows = self.rows(
            Statement::new("SELECT seq, at, actor, body, nonce FROM events WHERE subject = ? ORDER BY seq").bind(subject.to_owned()),
        )?;
        let (seal, mut openings) = (self.opener()?, vec![]);
        for row in &rows {
            let seq = row.try_get("seq")?;
            let (nonce, body) = (key_from(row.try_get("nonce")?)?, seal.body(seq, row.try_get("body")?)?);
            let damaged = || Error::Damaged { seq, why: "it is no event".into() };
            let kind = serde_json::from_str::<Event>(&body).map_err(|_| damaged())?.kind();
            let (at, actor) = (row.try_get("at")?, seal.actor(row.try_get("actor")?)?);
            let opening = Opening { seq, at, actor, body, nonce: hex::encode(nonce) };
            openings.push((kind, opening));
        }
        Ok(Some(OwnOpenings { key, openings }))
    }

    /// What the log's entry of an event that is nobody's own opens to.
    ///
    /// # Errors
    /// [`Error::Damaged`] where there is no such event, or it is somebody's.
    pub fn opening(&mut self, seq: i64) -> Result<Opening, Error> {
        let seal = self.opener()?;
        let rows = self.rows(Statement::new("SELECT at, actor, body, nonce FROM events WHERE seq = ? AND subject IS NULL").bind(seq))?;
        let row = rows.first().ok_or_else(|| Error::Damaged { seq, why: "it is not there, or somebody's own".into() })?;
        let nonce = key_from(row.try_get("nonce")?)?;
        let (actor, body) = (seal.actor(row.try_get("actor")?)?, seal.body(seq, row.try_get("body")?)?);
        Ok(Opening { seq, at: row.try_get("at")?, actor, body, nonce: hex::encode(nonce) })
    }
}

/// What opens the log's entries about one unit. No `Debug`: it is about somebody.
pub struct OwnOpenings {
    /// The unit's key, which an erasure destroys.
    pub key: [u8; 32],
    /// Kind and opening of each, by number.
    pub openings: Vec<(&'static str, Opening)>,
}

/// The emptied events that no erasure accounts for, and the erasures that claim more than there are.
///
/// Each emptied event needs an erasure after it; both are given by number, in order.
pub(crate) fn unaccounted(emptied: &[i64], erasures: &[(i64, u64)]) -> Vec<i64> {
    let mut wrong = vec![];
    let mut claims: Vec<(i64, u64)> = vec![];
    let mut erasures = erasures.iter().rev().peekable();
    for &seq in emptied.iter().rev() {
        while let Some(&&(at, events)) = erasures.peek().filter(|(at, _)| *at > seq) {
            claims.push((at, events));
            erasures.next();
        }
        match claims.iter_mut().find(|(_, left)| *left > 0) {
            Some((_, left)) => *left -= 1,
            None => wrong.push(seq),
        }
    }
    claims.extend(erasures.copied());
    wrong.extend(claims.into_iter().filter(|(_, left)| *left > 0).map(|(at, _)| at));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_emptied_event_needs_an_erasure_after_it() {
        for (emptied, erasures, expected) in [
            (&[][..], &[][..], &[][..]),
            (&[2, 3], &[(5, 2)], &[]),
            (&[2, 3, 6], &[(5, 2), (7, 1)], &[]),
            (&[2, 3, 6], &[(5, 1), (7, 2)], &[]),
            (&[2], &[], &[2]),
            (&[2, 3], &[(5, 1)], &[2]),
            (&[6], &[(5, 1)], &[6, 5]),
            (&[2, 6], &[(5, 2)], &[6, 5]),
            (&[2], &[(5, 2)], &[5]),
            (&[], &[(5, 0)], &[]),
        ] {
            assert_eq!(unaccounted(emptied, erasures), expected, "{emptied:?} {erasures:?}");
        }
    }
}
