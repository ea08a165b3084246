//! Events into the ledger, many at a time, and the table that the gate reads.

use super::{BasisDetail, BasisEvent, BasisKind, Imported};
use crate::ledger::key_from;
use crate::seal::Seal;
use crate::store::Statement;
use crate::{Actor, Error, Event, Ledger};
use std::collections::{BTreeMap, HashSet};

/// A row of the table of bases.
pub(crate) struct BasisRow {
    pub(crate) seq: i64,
    pub(crate) event: BasisEvent,
}

/// What makes two basis events the same.
pub(crate) type BasisKey<'a> = (&'a str, &'a str, &'a str, &'static str, i64);

impl BasisRow {
    pub(crate) fn key(&self) -> BasisKey<'_> {
        self.event.key()
    }
}

impl BasisEvent {
    pub(crate) fn key(&self) -> BasisKey<'_> {
        (&self.dataset, &self.subject, &self.purpose, self.state.name(), self.since)
    }
}

/// Rows looked up, or written, by one statement: SQLite takes 32,766 values.
const AT_ONCE: usize = 1500;

impl Ledger {
    /// Writes basis events, each once: an event that is on record already is counted and left alone. All of them are durable afterwards, or
    /// none is. Where an event ends the basis of a unit that a released model was trained on, a task that lists the models is opened.
    ///
    /// # Errors
    /// [`Error::Replayed`] where a receipt that is on record comes with another content; [`Error::Clock`], [`Error::Database`].
    pub fn import_basis(&mut self, actor: &Actor, dataset: &str, file: &str, events: &[BasisEvent]) -> Result<Imported, Error> {
        self.write(|ledger| {
            let known = ledger.known(dataset, events)?;
            let mut seen = HashSet::new();
            let new: Vec<&BasisEvent> = events.iter().filter(|e| !known.contains(&key(e)) && seen.insert(key(e))).collect();
            ledger.refuse_replayed(dataset, &new)?;
            let imported = Imported { written: new.len() as u64, known: (events.len() - new.len()) as u64 };
            ledger
                .append_within(actor, &Event::BasisFileImported { dataset: dataset.into(), file: file.into(), events: imported.written })?;
            for piece in new.chunks(AT_ONCE) {
                ledger.append_bases(actor, piece)?;
            }
            ledger.open_withdrawal_task(actor, dataset, &new)?;
            Ok(imported)
        })
    }

    /// Which of these events are on record.
    fn known(&mut self, dataset: &str, events: &[BasisEvent]) -> Result<HashSet<(String, String, String, i64)>, Error> {
        let mut known = HashSet::new();
        if self.basis_events_known(dataset)? {
            for piece in events.chunks(AT_ONCE) {
                // The order of the join is given: each event is looked up in the index.
                let sql = format!(
                    "WITH k (subject, purpose, state, since) AS (VALUES {}) SELECT k.* FROM k CROSS JOIN basis b
                     WHERE b.dataset = ? AND b.subject = k.subject AND b.purpose = k.purpose AND b.state = k.state AND b.since = k.since",
                    ["(?,?,?,?)"].repeat(piece.len()).join(",")
                );
                let mut batch = Statement::new(sql);
                for event in piece {
                    batch.text(&event.subject).text(&event.purpose).text(event.state.name()).number(event.since);
                }
                batch.text(dataset);
                for row in self.rows(batch)? {
                    known.insert((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
                }
            }
        }
        Ok(known)
    }

    /// A receipt says one thing: under its number nothing else is taken, neither from this file nor from another.
    fn refuse_replayed(&mut self, dataset: &str, new: &[&BasisEvent]) -> Result<(), Error> {
        let mut said: BTreeMap<(&str, &str), Vec<&BasisEvent>> = BTreeMap::new();
        for event in new {
            if let Some(receipt) = &event.detail.receipt {
                said.entry((receipt, &event.purpose)).or_default().push(event);
            }
        }
        let conflict = |a: (&str, &str, i64), b: (&str, &str, i64)| a.0 != b.0 || (a.1 == b.1 && a.2 != b.2);
        let of = |e: &BasisEvent| (e.subject.clone(), e.state.name(), e.since);
        let mut replayed = 0;
        for events in said.values() {
            let all: Vec<_> = events.iter().map(|e| of(e)).collect();
            replayed += u64::from(all.iter().any(|a| all.iter().any(|b| conflict((&a.0, a.1, a.2), (&b.0, b.1, b.2)))));
        }
        let receipts: Vec<(&str, &str)> = said.keys().copied().collect();
        for piece in receipts.chunks(AT_ONCE) {
            let sql = format!(
                "WITH k (receipt, purpose) AS (VALUES {}) SELECT b.receipt, b.purpose, b.subject, b.state, b.since FROM k CROSS JOIN basis b
                 WHERE b.dataset = ? AND b.receipt = k.receipt AND b.purpose = k.purpose",
                ["(?,?)"].repeat(piece.len()).join(",")
            );
            let mut batch = Statement::new(sql);
            for (receipt, purpose) in piece {
                batch.text(receipt).text(purpose);
            }
            batch.text(dataset);
            for row in self.rows(batch)? {
                let (receipt, purpose, subject): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                let (state, since): (String, i64) = (row.try_get(3)?, row.try_get(4)?);
                let events = said.get(&(receipt.as_str(), purpose.as_str())).map(Vec::as_slice).unwrap_or_default();
                let differs = |e: &&BasisEvent| conflict((&e.subject, e.state.name(), e.since), (&subject, &state, since));
                replayed += u64::from(events.iter().any(differs));
            }
        }
        if replayed > 0 { Err(Error::Replayed { receipts: replayed }) } else { Ok(()) }
    }

    /// Appends basis events, with the keys of their units, in a few statements.
    fn append_bases(&mut self, actor: &Actor, events: &[&BasisEvent]) -> Result<(), Error> {
        let keys = self.subject_keys_of(events.iter().map(|e| e.subject.as_str()))?;
        let wrapped: Vec<(Event, [u8; 32])> = events.iter().map(|e| (Event::Basis((*e).clone()), keys[&e.subject])).collect();
        let first = self.append_many(actor, &wrapped)?;
        let seal = self.opener()?;
        let mut batch =
            Statement::new(format!("INSERT INTO basis VALUES {}", ["(?,?,?,?,?,?,?,?,?,?,?,?,?,?)"].repeat(events.len()).join(",")));
        for (seq, event) in (first..).zip(events) {
            fill(&mut batch, seq, event, &seal)?;
        }
        self.execute(batch).map(drop)
    }

    /// The keys of these units, made where absent.
    fn subject_keys_of<'a>(&mut self, subjects: impl Iterator<Item = &'a str>) -> Result<BTreeMap<String, [u8; 32]>, Error> {
        let wanted: std::collections::BTreeSet<&str> = subjects.collect();
        let mut batch =
            Statement::new(format!("SELECT subject, key FROM subject_keys WHERE subject IN ({})", ["?"].repeat(wanted.len()).join(",")));
        batch.texts(&wanted);
        let mut keys = BTreeMap::new();
        for row in self.rows(batch)? {
            keys.insert(row.try_get(0)?, key_from(row.try_get(1)?)?);
        }
        let absent: Vec<&str> = wanted.into_iter().filter(|s| !keys.contains_key(*s)).collect();
        if absent.is_empty() {
            return Ok(keys);
        }
        let mut fresh = vec![0; 32 * absent.len()];
        crate::ledger::fill_random(&mut fresh)?;
        let mut batch = Statement::new(format!("INSERT INTO subject_keys VALUES {}", ["(?,?)"].repeat(absent.len()).join(",")));
        for (subject, key) in absent.iter().zip(fresh.chunks_exact(32)) {
            batch.text(subject).bytes(key);
            keys.insert((*subject).to_owned(), key_from(key.to_vec())?);
        }
        self.execute(batch)?;
        Ok(keys)
    }

    /// The row of the table of bases that an event gives; where one says the same of the same moment already, it stands.
    pub(crate) fn add_to_basis(&mut self, seq: i64, event: &BasisEvent) -> Result<(), Error> {
        let mut batch = Statement::new("INSERT INTO basis VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING");
        fill(&mut batch, seq, event, &self.opener()?)?;
        self.execute(batch).map(drop)
    }

    /// The table of bases as it stands.
    pub(crate) fn basis_rows(&mut self) -> Result<Vec<BasisRow>, Error> {
        self.basis_rows_of("SELECT * FROM basis ORDER BY seq", &[])
    }

    /// Events about the units of a data set, oldest first; about one unit alone where it is named.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn basis_events(&mut self, dataset: &str, subject: Option<&str>) -> Result<Vec<BasisEvent>, Error> {
        let rows = match subject {
            Some(subject) => self.basis_rows_of("SELECT * FROM basis WHERE dataset = ? AND subject = ? ORDER BY seq", &[dataset, subject]),
            None => self.basis_rows_of("SELECT * FROM basis WHERE dataset = ? ORDER BY seq", &[dataset]),
        };
        Ok(rows?.into_iter().map(|row| row.event).collect())
    }

    fn basis_rows_of(&mut self, sql: &'static str, texts: &[&str]) -> Result<Vec<BasisRow>, Error> {
        let query = texts.iter().fold(Statement::new(sql), |query, text| query.bind((*text).to_owned()));
        let (seal, rows) = (self.opener()?, self.rows(query)?);
        rows.iter()
            .map(|row| {
                let seq = row.try_get("seq")?;
                let letter = |text: Option<String>| text.and_then(|t| t.chars().next());
                let event = BasisEvent {
                    dataset: row.try_get("dataset")?,
                    subject: row.try_get("subject")?,
                    purpose: row.try_get("purpose")?,
                    state: BasisKind::from_name(row.try_get("state")?)
                        .ok_or_else(|| Error::Damaged { seq: 0, why: "a basis event has an unknown state".into() })?,
                    since: row.try_get("since")?,
                    art6: letter(row.try_get("art6")?),
                    art9: letter(row.try_get("art9")?),
                    notice: row.try_get("notice")?,
                    expires: row.try_get("expires")?,
                    detail: BasisDetail {
                        language: row.try_get("language")?,
                        age: row.try_get::<Option<i64>, _>("age")?.and_then(|age| u8::try_from(age).ok()),
                        guardian: seal.guardian(seq, row.try_get("guardian")?)?,
                        receipt: row.try_get("receipt")?,
                    },
                };
                Ok(BasisRow { seq, event })
            })
            .collect()
    }

    /// Whether any basis event is known for a data set; until then it is quarantined.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn basis_events_known(&mut self, dataset: &str) -> Result<bool, Error> {
        Ok(!self.rows(Statement::new("SELECT 1 FROM basis WHERE dataset = ? LIMIT 1").bind(dataset.to_owned()))?.is_empty())
    }
}

fn key(event: &BasisEvent) -> (String, String, String, i64) {
    (event.subject.clone(), event.purpose.clone(), event.state.name().to_owned(), event.since)
}

fn fill(batch: &mut Statement, seq: i64, event: &BasisEvent, seal: &Seal) -> Result<(), Error> {
    let letter = |l: Option<char>| l.map(String::from);
    batch.number(seq).text(&event.dataset).text(&event.subject).text(&event.purpose).text(event.state.name()).number(event.since);
    batch.maybe(letter(event.art6)).maybe(letter(event.art9)).maybe(event.notice.clone()).maybe_number(event.expires);
    let detail = &event.detail;
    batch.maybe(detail.language.clone()).maybe_number(detail.age.map(i64::from));
    batch.maybe(seal.held_guardian(seq, detail.guardian.as_ref())?).maybe(detail.receipt.clone());
    Ok(())
}
