//! The ledger: append, read back, check. One writer at a time; every write is one durable transaction.

use crate::basis::{BasisRow, Kept};
use crate::clock;
use crate::erase::unaccounted;
use crate::error::Error;
use crate::event::{Actor, Event, StoredEvent};
use crate::seal::{LedgerKey, Seal};
use crate::store::{Row, Statement, Store};
use reticent_proof::record::{commitment, log_entry};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The facts of one workspace.
pub struct Ledger {
    pub(crate) store: Store,
    /// Events that were read once, while nothing is written; none else.
    pub(crate) kept: Option<Kept>,
    /// What opens the names of people, where it was unlocked.
    pub(crate) key: Option<LedgerKey>,
}

impl Ledger {
    /// Opens the ledger in the file at `path`, or makes it.
    ///
    /// # Errors
    /// [`Error::Newer`], [`Error::Database`], [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut store = Store::file(path)?;
        store.migrate()?;
        Ok(Self { store, kept: None, key: None })
    }

    /// Opens the ledger on a PostgreSQL server (12 or newer) by URL, `postgres://user@localhost/database`, or makes its tables in the first
    /// schema of the search path (`?options=-csearch_path%3Dname` names one: one ledger in each). The server must run on this machine; a
    /// password may also come from `PGPASSWORD` or `~/.pgpass`.
    ///
    /// # Errors
    /// [`Error::LedgerHost`] for a server elsewhere; [`Error::LedgerUrl`]; [`Error::Newer`], [`Error::Database`], [`Error::Io`].
    pub fn connect(url: &str) -> Result<Self, Error> {
        let mut store = Store::server(url)?;
        store.migrate()?;
        Ok(Self { store, kept: None, key: None })
    }

    /// Whether it lies on a server, which keeps a write-ahead log and perhaps copies that this program does not reach.
    #[must_use]
    pub fn is_on_server(&self) -> bool {
        self.store.is_server()
    }

    /// Runs `work` in one transaction as the one writer: all of it is durable afterwards, or none of it happened.
    ///
    /// # Errors
    /// Whatever `work` returns, after rolling back.
    pub(crate) fn write<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.kept.is_some() {
            return Err(Error::Database(sqlx::Error::Protocol("something is written by what only asks".into())));
        }
        self.store.begin()?;
        let done = work(self);
        self.store.end(done)
    }

    /// Runs `work`, which reads, on one state of the ledger.
    fn consistent<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.store.begin_reading()?;
        let done = work(self);
        self.store.end(done)
    }

    /// Runs `work`, which asks for facts or makes decisions again many times and writes nothing: the events about people are read once for as
    /// long as nobody appends any. Others may write meanwhile.
    ///
    /// # Errors
    /// [`Error::Database`] where `work` writes; whatever else `work` returns.
    pub fn asking_often<T, E>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let before = self.kept.replace(Kept::default());
        let done = work(self);
        self.kept = before;
        done
    }

    /// Appends one event.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn append(&mut self, actor: &Actor, event: &Event) -> Result<i64, Error> {
        self.write(|ledger| ledger.append_within(actor, event))
    }

    /// Appends within the transaction under way: the event and its commitment together.
    pub(crate) fn append_within(&mut self, actor: &Actor, event: &Event) -> Result<i64, Error> {
        let subject_key = match event.subject() {
            Some(subject) => self.subject_key(subject)?,
            None => [0; 32],
        };
        let seq = self.append_many(actor, &[(event.clone(), subject_key)])?;
        if let Event::Basis(basis) = event {
            self.add_to_basis(seq, basis)?;
        }
        Ok(seq)
    }

    /// Appends events, each with the key of its unit (zero where it is nobody's), and gives the number of the first. The table of bases is
    /// left to the caller.
    pub(crate) fn append_many(&mut self, actor: &Actor, events: &[(Event, [u8; 32])]) -> Result<i64, Error> {
        let last = self.rows(Statement::new("SELECT at FROM events ORDER BY seq DESC LIMIT 1"))?;
        let before = last.first().map(|row| row.try_get::<String, _>(0)).transpose()?;
        self.append_stamped(actor, events, clock::stamp(before.as_deref())?)
    }

    /// The same at a time that was decided elsewhere.
    pub(crate) fn append_stamped(&mut self, actor: &Actor, events: &[(Event, [u8; 32])], at: String) -> Result<i64, Error> {
        let first: i64 = self.last_seq()?.saturating_add(1);
        let mut nonces = vec![0; 32 * events.len()];
        fill_random(&mut nonces)?;
        let seal = self.opener()?;
        let held_actor = self.held_actor(&seal, actor)?;
        let mut batch = Statement::new(format!("INSERT INTO events VALUES {}", ["(?,?,?,?,?,?,?,?)"].repeat(events.len()).join(",")));
        for ((seq, (event, key)), nonce) in (first..).zip(events).zip(nonces.chunks_exact(32)) {
            let body = serde_json::to_string(event).expect("plain data has JSON");
            let commitment = commitment(key, nonce, seq, &at, &actor.0, &body);
            batch.number(seq).text(event.kind()).text(&at).text(&held_actor).maybe(event.subject().map(str::to_owned));
            batch.text(&seal.held_body(seq, event, &body)?).bytes(nonce).bytes(&commitment);
        }
        self.execute(batch)?;
        Ok(first)
    }

    /// The random key of a unit, made on first use; destroyed by an erasure.
    fn subject_key(&mut self, subject: &str) -> Result<[u8; 32], Error> {
        let found = self.rows(Statement::new("SELECT key FROM subject_keys WHERE subject = ?").bind(subject.to_owned()))?;
        if let Some(row) = found.first() {
            return key_from(row.try_get(0)?);
        }
        let mut key = [0; 32];
        fill_random(&mut key)?;
        self.execute(Statement::new("INSERT INTO subject_keys VALUES (?, ?)").bind(subject.to_owned()).bind(key.to_vec()))?;
        Ok(key)
    }

    /// The keys of these units, made where absent.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Io`] where the system gives no randomness.
    pub fn subject_keys(&mut self, subjects: &[String]) -> Result<BTreeMap<String, [u8; 32]>, Error> {
        self.write(|ledger| subjects.iter().map(|s| Ok((s.clone(), ledger.subject_key(s)?))).collect())
    }

    /// Number of the last event; 0 before the first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn last_seq(&mut self) -> Result<i64, Error> {
        Ok(self.rows(Statement::new("SELECT coalesce(max(seq), 0) FROM events"))?[0].try_get(0)?)
    }

    /// Number of events.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn event_count(&mut self) -> Result<u64, Error> {
        let count: i64 = self.rows(Statement::new("SELECT count(*) FROM events"))?[0].try_get(0)?;
        Ok(count as u64)
    }

    /// The log's entries from event `from` (0 for the first) on: kind, number and commitment, no personal data.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn log_entries(&mut self, from: u64) -> Result<Vec<Vec<u8>>, Error> {
        let rows = self.rows(Statement::new("SELECT seq, kind, commitment FROM events WHERE seq > ? ORDER BY seq").bind(from as i64))?;
        rows.iter().map(|row| Ok(log_entry(row.try_get(0)?, row.try_get(1)?, row.try_get::<&[u8], _>(2)?))).collect()
    }

    /// Events of one kind, oldest first; emptied ones say nothing and are left out.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn events(&mut self, kind: &str) -> Result<Vec<StoredEvent>, Error> {
        let seal = self.opener()?;
        self.rows(
            Statement::new("SELECT * FROM events WHERE kind = ? AND NOT (kind = 'basis' AND subject IS NULL AND body = '') ORDER BY seq")
                .bind(kind.to_owned()),
        )?
        .iter()
        .map(|row| stored(row, &seal))
        .collect()
    }

    /// Recomputes the commitment of every event and lists the numbers of those that differ, of those missing in the sequence, of emptied ones
    /// that no erasure accounts for, and of those that the table of bases does not tell as they are.
    ///
    /// # Errors
    /// [`Error::Database`], also where the store itself finds its file damaged.
    pub fn damaged(&mut self) -> Result<Vec<i64>, Error> {
        self.consistent(Self::damaged_now)
    }

    fn damaged_now(&mut self) -> Result<Vec<i64>, Error> {
        let rows = self.rows(Statement::new(
            "SELECT e.*, k.key AS subject_key FROM events e LEFT JOIN subject_keys k ON k.subject = e.subject ORDER BY seq",
        ))?;
        let seal = self.opener()?;
        let mut wrong = vec![];
        let (mut emptied, mut erasures, mut bases) = (vec![], vec![], BTreeMap::new());
        let mut expected = 1;
        for row in &rows {
            let seq: i64 = row.try_get("seq")?;
            // A forged number may be huge: never more numbers than the ledger has rows.
            wrong.extend((expected..seq).take(rows.len()));
            expected = seq.saturating_add(1);
            let subject: Option<String> = row.try_get("subject")?;
            let (at, actor, body): (String, String, String) = (row.try_get("at")?, row.try_get("actor")?, row.try_get("body")?);
            let kind: String = row.try_get("kind")?;
            let (nonce, held): (Vec<u8>, Vec<u8>) = (row.try_get("nonce")?, row.try_get("commitment")?);
            // Emptied with its unit: the commitment stands, and opens to nobody.
            if kind == "basis" && subject.is_none() && body.is_empty() && nonce.is_empty() && held.len() == 32 {
                emptied.push(seq);
                continue;
            }
            let (Ok(actor), Ok(body)) = (seal.actor(actor), seal.body(seq, body)) else {
                wrong.push(seq);
                continue;
            };
            let key = match (&subject, row.try_get::<Option<Vec<u8>>, _>("subject_key")?) {
                (None, _) => Some([0; 32]),
                (Some(_), key) => key.and_then(|key| key_from(key).ok()),
            };
            let opens = key.is_some_and(|key| commitment(&key, &nonce, seq, &at, &actor, &body)[..] == held[..]);
            let event = serde_json::from_str::<Event>(&body).ok().filter(|e| e.kind() == kind && e.subject() == subject.as_deref());
            match event.filter(|_| opens) {
                None => wrong.push(seq),
                Some(Event::SubjectErased { events, .. }) => erasures.push((seq, events)),
                Some(Event::Basis(basis)) => drop(bases.insert(seq, basis)),
                Some(_) => {}
            }
        }
        wrong.extend(unaccounted(&emptied, &erasures));
        let told = match self.basis_rows() {
            Ok(told) => told,
            // What is sealed there opens to nothing: nothing can be compared with it.
            Err(Error::Damaged { seq, .. }) if seq > 0 => {
                wrong.push(seq);
                wrong.sort_unstable();
                wrong.dedup();
                return Ok(wrong);
            }
            Err(error) => return Err(error),
        };
        // Every row is its event; every event has a row, or one that says the same of the same moment.
        wrong.extend(told.iter().filter(|row| bases.get(&row.seq) != Some(&row.event)).map(|row| row.seq));
        let keys: BTreeSet<_> = told.iter().map(BasisRow::key).collect();
        wrong.extend(bases.iter().filter(|(_, event)| !keys.contains(&event.key())).map(|(seq, _)| *seq));
        wrong.sort_unstable();
        wrong.dedup();
        Ok(wrong)
    }

    pub(crate) fn execute(&mut self, statement: Statement) -> Result<u64, Error> {
        self.store.execute(statement)
    }

    pub(crate) fn rows(&mut self, statement: Statement) -> Result<Vec<Row>, Error> {
        self.store.rows(statement)
    }
}

fn stored(row: &Row, seal: &Seal) -> Result<StoredEvent, Error> {
    let seq: i64 = row.try_get("seq")?;
    let body = seal.body(seq, row.try_get("body")?)?;
    let event = serde_json::from_str(&body)
        .map_err(|e| Error::Damaged { seq, why: format!("its text has no known form at column {}", e.column()) })?;
    let commitment: Vec<u8> = row.try_get("commitment")?;
    Ok(StoredEvent { seq, at: row.try_get("at")?, actor: seal.actor(row.try_get("actor")?)?, event, commitment: hex::encode(commitment) })
}

pub(crate) fn key_from(bytes: Vec<u8>) -> Result<[u8; 32], Error> {
    bytes.try_into().map_err(|_| Error::Damaged { seq: 0, why: "a subject key has another length".into() })
}

pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes)
        .map_err(|e| Error::Io { what: "the system gives no randomness".into(), source: std::io::Error::other(e.to_string()) })
}
