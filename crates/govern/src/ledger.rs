//! The ledger file: append, read back, check. One writer at a time; every write is one durable transaction.

use crate::basis::BasisRow;
use crate::clock;
use crate::erase::unaccounted;
use crate::error::Error;
use crate::event::{Actor, Event, StoredEvent};
use reticent_proof::record::{commitment, log_entry};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Newest format of the ledger that this program reads and writes.
pub const FORMAT: i64 = 3;

/// Format 1; what came later is added to it, so that an old file and a new one are the same.
const TABLES: &str = "
CREATE TABLE events (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, at TEXT NOT NULL, actor TEXT NOT NULL, subject TEXT,
    body TEXT NOT NULL, nonce BLOB NOT NULL, commitment BLOB NOT NULL);
CREATE INDEX events_by_kind ON events (kind);
CREATE TABLE subject_keys (subject TEXT PRIMARY KEY, key BLOB NOT NULL);
CREATE TABLE basis (
    seq INTEGER PRIMARY KEY REFERENCES events (seq), dataset TEXT NOT NULL, subject TEXT NOT NULL, purpose TEXT NOT NULL,
    state TEXT NOT NULL, since INTEGER NOT NULL, art6 TEXT, art9 TEXT, notice TEXT, expires INTEGER,
    UNIQUE (dataset, subject, purpose, state, since));
CREATE TABLE budgets (
    dataset TEXT NOT NULL, unit TEXT NOT NULL, epsilon REAL NOT NULL, delta REAL NOT NULL, filter_order REAL NOT NULL, total REAL NOT NULL,
    PRIMARY KEY (dataset, unit));
CREATE TABLE reservations (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, model TEXT NOT NULL, dataset TEXT NOT NULL, unit TEXT NOT NULL, binding TEXT NOT NULL,
    plan TEXT NOT NULL, event TEXT NOT NULL, cost REAL NOT NULL, held REAL NOT NULL, held_runs INTEGER NOT NULL, state TEXT NOT NULL);
";

/// From format 1 to 2: retrainings name the run whose reserve they took; callers of a model are counted.
const SECOND: &str = "
ALTER TABLE reservations ADD COLUMN from_run TEXT;
CREATE TABLE queries (model TEXT NOT NULL, caller TEXT NOT NULL, spent INTEGER NOT NULL, PRIMARY KEY (model, caller));
PRAGMA user_version = 2;
";

/// From format 2 to 3: what else a record of a basis says; who was in which data version and model, as sets of numbers that stand for units.
const THIRD: &str = "
ALTER TABLE basis ADD COLUMN language TEXT;
ALTER TABLE basis ADD COLUMN age INTEGER;
ALTER TABLE basis ADD COLUMN guardian TEXT;
ALTER TABLE basis ADD COLUMN receipt TEXT;
CREATE INDEX basis_by_receipt ON basis (dataset, receipt) WHERE receipt IS NOT NULL;
CREATE TABLE people (id INTEGER PRIMARY KEY, subject TEXT NOT NULL UNIQUE);
CREATE TABLE members (chunk INTEGER NOT NULL, about TEXT NOT NULL, ground TEXT NOT NULL, ids BLOB NOT NULL, PRIMARY KEY (chunk, about, ground)) WITHOUT ROWID;
CREATE INDEX members_by_about ON members (about);
PRAGMA user_version = 3;
";

/// The facts of one workspace.
pub struct Ledger {
    runtime: Runtime,
    connection: SqliteConnection,
}

impl Ledger {
    /// Opens the ledger at `path`, or makes it.
    ///
    /// # Errors
    /// [`Error::Newer`], [`Error::Database`], [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| Error::Io { what: "cannot start the database runtime".into(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .foreign_keys(true)
            .pragma("secure_delete", "ON")
            .pragma("cache_size", "-65536")
            .disable_statement_logging();
        let connection = runtime.block_on(options.connect())?;
        let mut ledger = Self { runtime, connection };
        let found: i64 = ledger.rows(sqlx::query("PRAGMA user_version"))?[0].try_get(0)?;
        if found > FORMAT {
            return Err(Error::Newer { found, known: FORMAT });
        }
        if found < FORMAT {
            ledger.write(|ledger| {
                // Another process may have made the tables while this one waited for the lock.
                let now: i64 = ledger.rows(sqlx::query("PRAGMA user_version"))?[0].try_get(0)?;
                if now > FORMAT {
                    return Err(Error::Newer { found: now, known: FORMAT });
                }
                for step in [TABLES, SECOND, THIRD].into_iter().skip(now as usize) {
                    for statement in step.split(';').map(str::trim).filter(|s| !s.is_empty()) {
                        ledger.execute(sqlx::query(statement))?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(ledger)
    }

    /// Runs `work` in one `BEGIN IMMEDIATE` transaction: all of it is durable afterwards, or none of it happened.
    ///
    /// # Errors
    /// Whatever `work` returns, after rolling back.
    pub(crate) fn write<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.execute(sqlx::query("BEGIN IMMEDIATE"))?;
        match work(self).and_then(|value| self.execute(sqlx::query("COMMIT")).map(|_| value)) {
            Ok(value) => Ok(value),
            Err(error) => {
                // The first error is the one worth telling; a connection that cannot roll back drops the transaction when closed.
                let _ = self.execute(sqlx::query("ROLLBACK"));
                Err(error)
            }
        }
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
        let last = self.rows(sqlx::query("SELECT at FROM events ORDER BY seq DESC LIMIT 1"))?;
        let before = last.first().map(|row| row.try_get::<String, _>(0)).transpose()?;
        self.append_stamped(actor, events, clock::stamp(before.as_deref())?)
    }

    /// The same at a time that was decided elsewhere.
    pub(crate) fn append_stamped(&mut self, actor: &Actor, events: &[(Event, [u8; 32])], at: String) -> Result<i64, Error> {
        let first: i64 = self.last_seq()?.saturating_add(1);
        let mut nonces = vec![0; 32 * events.len()];
        fill_random(&mut nonces)?;
        let mut batch = Batch::new(format!("INSERT INTO events VALUES {}", ["(?,?,?,?,?,?,?,?)"].repeat(events.len()).join(",")));
        for ((seq, (event, key)), nonce) in (first..).zip(events).zip(nonces.chunks_exact(32)) {
            let body = serde_json::to_string(event).expect("plain data has JSON");
            let commitment = commitment(key, nonce, seq, &at, &actor.0, &body);
            batch.number(seq).text(event.kind()).text(&at).text(&actor.0).maybe(event.subject().map(str::to_owned));
            batch.text(&body).bytes(nonce).bytes(&commitment);
        }
        self.execute_batch(batch)?;
        Ok(first)
    }

    /// The random key of a unit, made on first use; destroyed by an erasure.
    fn subject_key(&mut self, subject: &str) -> Result<[u8; 32], Error> {
        let found = self.rows(sqlx::query("SELECT key FROM subject_keys WHERE subject = ?").bind(subject.to_owned()))?;
        if let Some(row) = found.first() {
            return key_from(row.try_get(0)?);
        }
        let mut key = [0; 32];
        fill_random(&mut key)?;
        self.execute(sqlx::query("INSERT INTO subject_keys VALUES (?, ?)").bind(subject.to_owned()).bind(key.to_vec()))?;
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
        Ok(self.rows(sqlx::query("SELECT coalesce(max(seq), 0) FROM events"))?[0].try_get(0)?)
    }

    /// Number of events.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn event_count(&mut self) -> Result<u64, Error> {
        let count: i64 = self.rows(sqlx::query("SELECT count(*) FROM events"))?[0].try_get(0)?;
        Ok(count as u64)
    }

    /// The log's entries from event `from` (0 for the first) on: kind, number and commitment, no personal data.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn log_entries(&mut self, from: u64) -> Result<Vec<Vec<u8>>, Error> {
        let rows = self.rows(sqlx::query("SELECT seq, kind, commitment FROM events WHERE seq > ? ORDER BY seq").bind(from as i64))?;
        rows.iter().map(|row| Ok(log_entry(row.try_get(0)?, row.try_get(1)?, row.try_get::<&[u8], _>(2)?))).collect()
    }

    /// Events of one kind, oldest first; emptied ones say nothing and are left out.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn events(&mut self, kind: &str) -> Result<Vec<StoredEvent>, Error> {
        self.rows(
            sqlx::query("SELECT * FROM events WHERE kind = ? AND NOT (kind = 'basis' AND subject IS NULL AND body = '') ORDER BY seq")
                .bind(kind.to_owned()),
        )?
        .iter()
        .map(stored)
        .collect()
    }

    /// Recomputes the commitment of every event and lists the numbers of those that differ, of those missing in the sequence, of emptied ones
    /// that no erasure accounts for, and of those that the table of bases does not tell as they are.
    ///
    /// # Errors
    /// [`Error::Database`], also where SQLite itself finds the file damaged.
    pub fn damaged(&mut self) -> Result<Vec<i64>, Error> {
        let rows = self.rows(sqlx::query(
            "SELECT e.*, k.key AS subject_key FROM events e LEFT JOIN subject_keys k ON k.subject = e.subject ORDER BY seq",
        ))?;
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
        let told = self.basis_rows()?;
        // Every row is its event; every event has a row, or one that says the same of the same moment.
        wrong.extend(told.iter().filter(|row| bases.get(&row.seq) != Some(&row.event)).map(|row| row.seq));
        let keys: BTreeSet<_> = told.iter().map(BasisRow::key).collect();
        wrong.extend(bases.iter().filter(|(_, event)| !keys.contains(&event.key())).map(|(seq, _)| *seq));
        wrong.sort_unstable();
        wrong.dedup();
        Ok(wrong)
    }

    pub(crate) fn execute_batch(&mut self, batch: Batch) -> Result<u64, Error> {
        self.execute(batch.query())
    }

    pub(crate) fn batch_rows(&mut self, batch: Batch) -> Result<Vec<SqliteRow>, Error> {
        self.rows(batch.query())
    }

    pub(crate) fn execute(&mut self, query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>) -> Result<u64, Error> {
        Ok(self.runtime.block_on(query.execute(&mut self.connection))?.rows_affected())
    }

    pub(crate) fn rows(
        &mut self,
        query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<Vec<SqliteRow>, Error> {
        Ok(self.runtime.block_on(query.fetch_all(&mut self.connection))?)
    }
}

/// One statement over many rows and the values that go into it.
pub(crate) struct Batch {
    sql: String,
    values: Vec<Cell>,
}

enum Cell {
    Text(Option<String>),
    Number(Option<i64>),
    Bytes(Vec<u8>),
}

impl Batch {
    /// The statement: text of this crate and question marks, never a value.
    pub(crate) fn new(sql: String) -> Self {
        Self { sql, values: vec![] }
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.maybe(Some(text.to_owned()))
    }

    pub(crate) fn texts(&mut self, texts: impl IntoIterator<Item = impl AsRef<str>>) -> &mut Self {
        self.values.extend(texts.into_iter().map(|text| Cell::Text(Some(text.as_ref().to_owned()))));
        self
    }

    pub(crate) fn maybe(&mut self, text: Option<String>) -> &mut Self {
        self.values.push(Cell::Text(text));
        self
    }

    pub(crate) fn number(&mut self, number: i64) -> &mut Self {
        self.maybe_number(Some(number))
    }

    pub(crate) fn maybe_number(&mut self, number: Option<i64>) -> &mut Self {
        self.values.push(Cell::Number(number));
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.values.push(Cell::Bytes(bytes.to_vec()));
        self
    }

    fn query(self) -> sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
        self.values.into_iter().fold(sqlx::query(sqlx::AssertSqlSafe(self.sql)), |query, value| match value {
            Cell::Text(text) => query.bind(text),
            Cell::Number(number) => query.bind(number),
            Cell::Bytes(bytes) => query.bind(bytes),
        })
    }
}

fn stored(row: &SqliteRow) -> Result<StoredEvent, Error> {
    let seq: i64 = row.try_get("seq")?;
    let body: String = row.try_get("body")?;
    let event = serde_json::from_str(&body)
        .map_err(|e| Error::Damaged { seq, why: format!("its text has no known form at column {}", e.column()) })?;
    let commitment: Vec<u8> = row.try_get("commitment")?;
    Ok(StoredEvent { seq, at: row.try_get("at")?, actor: row.try_get("actor")?, event, commitment: hex::encode(commitment) })
}

pub(crate) fn key_from(bytes: Vec<u8>) -> Result<[u8; 32], Error> {
    bytes.try_into().map_err(|_| Error::Damaged { seq: 0, why: "a subject key has another length".into() })
}

pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes)
        .map_err(|e| Error::Io { what: "the system gives no randomness".into(), source: std::io::Error::other(e.to_string()) })
}
