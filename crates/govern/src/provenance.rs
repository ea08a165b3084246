//! Who was in what: data versions and models as sets of numbers that stand for units, so that both questions take milliseconds.
//!
//! A unit has one number for good, in the table of people. A set is cut into chunks of 65,536 numbers, one compressed bitmap each, stored
//! under what it is about and the ground on which its members took part. Who is in which models reads the one chunk of that unit; what a model
//! was trained on reads its own chunks. An erasure takes the unit's number and its bits out.

use crate::store::Statement;
use crate::{Error, Ledger};
use reticent_proof::{BasisFacts, Facts};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers in a chunk.
const CHUNK: i64 = 65_536;
const AT_ONCE: usize = 1500;
const PUT: &str = "INSERT INTO members VALUES (?, ?, ?, ?) ON CONFLICT (chunk, about, ground) DO UPDATE SET ids = excluded.ids";

/// On what somebody took part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroundThen {
    /// Letter of Art 6(1); none where nobody decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub art6: Option<char>,
    /// Letter of Art 9(2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub art9: Option<char>,
    /// Version of the notice.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notice: String,
    /// The purpose it was recorded for, where the rows were reused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused_from: Option<String>,
    /// What it was, where no gate decided.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub asserted: String,
}

impl GroundThen {
    fn of(basis: Option<&BasisFacts>) -> Self {
        match basis {
            Some(b) => {
                Self { art6: Some(b.art6), art9: b.art9, notice: b.notice.clone(), reused_from: b.purpose.clone(), asserted: String::new() }
            }
            None => Self::asserted("no basis on record"),
        }
    }

    /// Nobody decided.
    #[must_use]
    pub fn asserted(why: &str) -> Self {
        Self { art6: None, art9: None, notice: String::new(), reused_from: None, asserted: why.into() }
    }
}

impl Ledger {
    /// Records who is in a data version or model, each on a ground, in a transaction of its own.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn record_members(&mut self, about: &str, members: &BTreeMap<GroundThen, Vec<String>>) -> Result<(), Error> {
        self.write(|ledger| ledger.record_members_within(about, members))
    }

    /// Who took part on which basis, as the facts have it.
    pub(crate) fn grounds<'a>(facts: &Facts, units: impl Iterator<Item = &'a String>) -> BTreeMap<GroundThen, Vec<String>> {
        let mut grounds: BTreeMap<GroundThen, Vec<String>> = BTreeMap::new();
        for unit in units {
            let found = facts.units.binary_search_by(|u| u.unit.as_str().cmp(unit)).ok();
            let ground = GroundThen::of(found.and_then(|i| facts.units[i].basis.as_ref()));
            grounds.entry(ground).or_default().push(unit.clone());
        }
        grounds
    }

    pub(crate) fn record_members_within(&mut self, about: &str, members: &BTreeMap<GroundThen, Vec<String>>) -> Result<(), Error> {
        for (ground, units) in members {
            let ground = serde_json::to_string(ground).expect("plain data has JSON");
            let ids = self.ids_of(units)?;
            let mut chunks: BTreeMap<i64, RoaringBitmap> = BTreeMap::new();
            for id in ids.into_values() {
                chunks.entry(id / CHUNK).or_default().insert((id % CHUNK) as u32);
            }
            for (chunk, mut set) in chunks {
                let mut batch = Statement::new(PUT);
                set.optimize();
                batch.number(chunk).text(about).text(&ground).bytes(&bytes(&set)?);
                self.execute(batch)?;
            }
        }
        Ok(())
    }

    /// The numbers of these units, given where they have none.
    fn ids_of(&mut self, units: &[String]) -> Result<BTreeMap<String, i64>, Error> {
        let mut ids = BTreeMap::new();
        for piece in units.chunks(AT_ONCE) {
            let known: BTreeMap<String, i64> = self.known_ids(piece.iter().map(String::as_str))?.into_iter().collect();
            let absent: Vec<&String> = piece.iter().filter(|u| !known.contains_key(*u)).collect();
            ids.extend(known);
            if !absent.is_empty() {
                let mut batch = Statement::new(format!(
                    "INSERT INTO people (subject) VALUES {} ON CONFLICT DO NOTHING",
                    ["(?)"].repeat(absent.len()).join(",")
                ));
                batch.texts(&absent);
                self.execute(batch)?;
                ids.extend(self.known_ids(absent.iter().map(|u| u.as_str()))?);
            }
        }
        Ok(ids)
    }

    fn known_ids<'a>(&mut self, units: impl Iterator<Item = &'a str>) -> Result<Vec<(String, i64)>, Error> {
        let units: Vec<&str> = units.collect();
        let mut ids = Vec::with_capacity(units.len());
        for piece in units.chunks(AT_ONCE) {
            let mut batch =
                Statement::new(format!("SELECT subject, id FROM people WHERE subject IN ({})", ["?"].repeat(piece.len()).join(",")));
            batch.texts(piece);
            for row in self.rows(batch)? {
                ids.push((row.try_get(0)?, row.try_get(1)?));
            }
        }
        Ok(ids)
    }

    /// Everything that a unit is in, with the ground on which it took part.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn contains_unit(&mut self, unit: &str) -> Result<Vec<(String, GroundThen)>, Error> {
        let Some((_, id)) = self.known_ids(std::iter::once(unit))?.pop() else { return Ok(vec![]) };
        let rows = self.rows(Statement::new("SELECT about, ground, ids FROM members WHERE chunk = ?").bind(id / CHUNK))?;
        let mut found = vec![];
        for row in rows {
            let set = bitmap(row.try_get(2)?)?;
            if set.contains((id % CHUNK) as u32) {
                found.push((row.try_get(0)?, ground(row.try_get(1)?)?));
            }
        }
        found.sort();
        Ok(found)
    }

    /// How many units something was made of, by the ground on which they took part.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn made_of(&mut self, about: &str) -> Result<BTreeMap<GroundThen, u64>, Error> {
        let mut counts = BTreeMap::new();
        for row in self.rows(Statement::new("SELECT ground, ids FROM members WHERE about = ?").bind(about.to_owned()))? {
            *counts.entry(ground(row.try_get(0)?)?).or_default() += bitmap(row.try_get(1)?)?.len();
        }
        Ok(counts)
    }

    /// How many units two things share: a release and the next, a data version and a model.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn shared_by(&mut self, one: &str, other: &str) -> Result<u64, Error> {
        let mut sets = [one, other].map(|_| BTreeMap::<i64, RoaringBitmap>::new());
        for (set, about) in sets.iter_mut().zip([one, other]) {
            for row in self.rows(Statement::new("SELECT chunk, ids FROM members WHERE about = ?").bind(about.to_owned()))? {
                *set.entry(row.try_get(0)?).or_default() |= bitmap(row.try_get(1)?)?;
            }
        }
        let [a, b] = &sets;
        Ok(a.iter().filter_map(|(chunk, set)| Some(set.intersection_len(b.get(chunk)?))).sum())
    }

    /// Which of these units something was made of.
    pub(crate) fn which_are_in<'a>(&mut self, about: &str, subjects: &BTreeSet<&'a str>) -> Result<BTreeSet<&'a str>, Error> {
        let ids: BTreeMap<String, i64> = self.known_ids(subjects.iter().copied())?.into_iter().collect();
        let mut chunks: BTreeMap<i64, RoaringBitmap> = BTreeMap::new();
        for row in self.rows(Statement::new("SELECT chunk, ids FROM members WHERE about = ?").bind(about.to_owned()))? {
            *chunks.entry(row.try_get(0)?).or_default() |= bitmap(row.try_get(1)?)?;
        }
        let inside = |id: &i64| chunks.get(&(id / CHUNK)).is_some_and(|set| set.contains((id % CHUNK) as u32));
        Ok(subjects.iter().copied().filter(|s| ids.get(*s).is_some_and(inside)).collect())
    }

    /// Takes a unit's number out of every set, and the number itself.
    pub(crate) fn forget_member(&mut self, unit: &str) -> Result<(), Error> {
        let Some((_, id)) = self.known_ids(std::iter::once(unit))?.pop() else { return Ok(()) };
        for row in self.rows(Statement::new("SELECT about, ground, ids FROM members WHERE chunk = ?").bind(id / CHUNK))? {
            let mut set = bitmap(row.try_get(2)?)?;
            if set.remove((id % CHUNK) as u32) {
                let mut batch = Statement::new(PUT);
                let (about, ground): (String, String) = (row.try_get(0)?, row.try_get(1)?);
                batch.number(id / CHUNK).text(&about).text(&ground).bytes(&bytes(&set)?);
                self.execute(batch)?;
            }
        }
        self.execute(Statement::new("DELETE FROM people WHERE id = ?").bind(id)).map(drop)
    }
}

fn bytes(set: &RoaringBitmap) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(set.serialized_size());
    set.serialize_into(&mut bytes).map_err(|source| Error::Io { what: "cannot write a set".into(), source })?;
    Ok(bytes)
}

fn bitmap(bytes: &[u8]) -> Result<RoaringBitmap, Error> {
    RoaringBitmap::deserialize_from(bytes).map_err(|_| Error::Damaged { seq: 0, why: "a set of members has another form".into() })
}

fn ground(text: &str) -> Result<GroundThen, Error> {
    serde_json::from_str(text).map_err(|_| Error::Damaged { seq: 0, why: "a ground has another form".into() })
}
