//! Where the ledger lies: in one SQLite file, or on a PostgreSQL server by URL. Everything above this module is the same code for both.
//!
//! Both hold to the same promises: one writer at a time, from the first statement of a transaction to its end; durable before it is
//! acknowledged; the tables brought forward by the same steps.

mod copy;
mod schema;
mod statement;
mod turn;

pub use schema::FORMAT;

pub(crate) use statement::{Row, Statement};

use crate::Error;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How long a writer waits for another.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open store.
pub(crate) struct Store {
    runtime: Runtime,
    connection: Connected,
    /// Whose turn it is, where the ledger is a file; a server keeps a queue itself.
    turns: Option<turn::Turns>,
    /// A statement of the transaction under way failed: what came before it must not be committed.
    failed: bool,
}

enum Connected {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

impl Store {
    /// Opens the file, or makes it.
    pub(crate) fn file(path: &Path) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            .foreign_keys(true)
            .pragma("secure_delete", "ON")
            // Pseudonyms come in no order: the indices of a million events are held, or every import waits for the disk.
            .pragma("cache_size", "-262144")
            .disable_statement_logging();
        Self::connect_to_file(options, Some(turn::Turns::of(path)))
    }

    fn connect_to_file(options: SqliteConnectOptions, turns: Option<turn::Turns>) -> Result<Self, Error> {
        let runtime = runtime()?;
        let connection = Connected::Sqlite(Box::new(runtime.block_on(options.connect())?));
        Ok(Self { runtime, connection, turns, failed: false })
    }

    /// Connects to a server on this machine.
    pub(crate) fn server(url: &str) -> Result<Self, Error> {
        let options: PgConnectOptions =
            url.parse().map_err(|_| Error::LedgerUrl { why: "it is no URL of a PostgreSQL database".into() })?;
        on_this_machine(&options)?;
        let runtime = runtime()?;
        let patience = PATIENCE.as_millis().to_string();
        let options = options.options([("synchronous_commit", "on"), ("lock_timeout", patience.as_str())]).disable_statement_logging();
        let connection = Connected::Postgres(Box::new(runtime.block_on(options.connect())?));
        let mut store = Self { runtime, connection, turns: None, failed: false };
        let said = store.rows(Statement::new("SELECT current_setting('fsync'), current_schema()"))?;
        if said[0].try_get::<String, _>(0)? != "on" {
            return Err(Error::LedgerUrl { why: "the server runs with `fsync` off: what it acknowledges may be lost".into() });
        }
        if said[0].try_get::<Option<String>, _>(1)?.is_none() {
            return Err(Error::LedgerUrl { why: "its search path names no schema that is there".into() });
        }
        Ok(store)
    }

    /// Brings the tables to the newest format, or refuses one that is newer.
    pub(crate) fn migrate(&mut self) -> Result<(), Error> {
        let check = |found: i64| if found > FORMAT { Err(Error::Newer { found, known: FORMAT }) } else { Ok(found) };
        if check(self.format()?)? == FORMAT {
            return Ok(());
        }
        self.begin()?;
        let done = (|| {
            // Another process may have made the tables while this one waited for the lock.
            let found = check(self.format()?)?;
            for (step, to) in schema::STEPS.into_iter().zip(1..).filter(|(_, to)| *to > found) {
                for statement in schema::statements(step) {
                    let statement = match self.connection {
                        Connected::Sqlite(_) => statement.to_owned(),
                        Connected::Postgres(_) => schema::for_postgres(statement),
                    };
                    self.execute(Statement::new(statement))?;
                }
                self.set_format(to)?;
            }
            Ok(())
        })();
        self.end(done)
    }

    /// Format of the tables; 0 before there are any.
    pub(crate) fn format(&mut self) -> Result<i64, Error> {
        if let Connected::Sqlite(_) = self.connection {
            return Ok(self.rows(Statement::new("PRAGMA user_version"))?[0].try_get(0)?);
        }
        let there = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'ledger_format'";
        if self.rows(Statement::new(there))?[0].try_get::<i64, _>(0)? == 0 {
            return Ok(0);
        }
        let found = self.rows(Statement::new("SELECT coalesce(max(format), 0) FROM ledger_format"))?;
        Ok(found[0].try_get(0)?)
    }

    fn set_format(&mut self, format: i64) -> Result<(), Error> {
        if let Connected::Sqlite(_) = self.connection {
            return self.execute(Statement::new(format!("PRAGMA user_version = {format}"))).map(drop);
        }
        self.execute(Statement::new("CREATE TABLE IF NOT EXISTS ledger_format (format BIGINT NOT NULL)"))?;
        self.execute(Statement::new("DELETE FROM ledger_format"))?;
        self.execute(Statement::new("INSERT INTO ledger_format VALUES (?)").bind(format)).map(drop)
    }

    /// Begins a transaction as the one writer: whoever else wants to write waits, and sees afterwards what this one wrote.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        self.turns.as_ref().map_or(Ok(()), turn::Turns::take)?;
        let locked = match self.connection {
            Connected::Sqlite(_) => self.execute(Statement::new("BEGIN IMMEDIATE")),
            // Each statement sees what was committed before it: after the lock is held, that is everything any writer has written.
            Connected::Postgres(_) => self.execute(Statement::new("BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE")).and_then(|_| {
                let lock = "SELECT pg_advisory_xact_lock(hashtextextended('reticent ledger ' || current_schema(), 0))";
                self.rows(Statement::new(lock)).map(|_| 0)
            }),
        };
        if let Err(error) = locked {
            self.roll_back();
            self.give_back();
            return Err(error);
        }
        self.failed = false;
        Ok(())
    }

    fn give_back(&self) {
        if let Some(turns) = &self.turns {
            turns.give_back();
        }
    }

    /// Begins a transaction that reads one state of everything.
    pub(crate) fn begin_reading(&mut self) -> Result<(), Error> {
        let begin = match self.connection {
            Connected::Sqlite(_) => "BEGIN",
            Connected::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        };
        self.execute(Statement::new(begin))?;
        self.failed = false;
        Ok(())
    }

    /// Ends the transaction: commits what was done, rolls back what was not.
    pub(crate) fn end<T>(&mut self, done: Result<T, Error>) -> Result<T, Error> {
        let ended = done.and_then(|value| {
            // PostgreSQL answers COMMIT with a silent rollback where a statement failed before.
            if self.failed {
                return Err(Error::Database(sqlx::Error::Protocol("a statement failed and was passed over".into())));
            }
            self.execute(Statement::new("COMMIT")).map(|_| value)
        });
        if ended.is_err() {
            self.roll_back();
        }
        self.give_back();
        ended
    }

    /// The first error is the one worth telling; a connection that cannot roll back drops the transaction when closed.
    fn roll_back(&mut self) {
        let _ = self.execute(Statement::new("ROLLBACK"));
        self.failed = false;
    }

    /// Writes everything that may hold something of a unit anew, so that no free page or dead row keeps what was removed.
    pub(crate) fn rewrite(&mut self) -> Result<(), Error> {
        match self.connection {
            Connected::Sqlite(_) => {
                self.turns.as_ref().map_or(Ok(()), turn::Turns::take)?;
                let done = self.execute(Statement::new("VACUUM")).map(drop);
                self.give_back();
                done
            }
            Connected::Postgres(_) => self.rewrite_on_server(),
        }
    }

    /// `VACUUM (FULL)` keeps rows that are dead but that a transaction somewhere may still see. How far it got is told by the number that the
    /// table was frozen at: only past everything committed before now is the removed gone.
    fn rewrite_on_server(&mut self) -> Result<(), Error> {
        let now: String = self.rows(Statement::new("SELECT CAST(pg_current_xact_id() AS TEXT)"))?[0].try_get(0)?;
        let waited = Instant::now();
        for table in schema::ABOUT_UNITS {
            loop {
                self.execute(Statement::new(format!("VACUUM (FULL) {table}")))?;
                let reached =
                    "SELECT age(relfrozenxid) <= age(CAST(CAST(CAST(? AS TEXT) AS xid8) AS xid)) FROM pg_class WHERE oid = to_regclass(?)";
                let row = self.rows(Statement::new(reached).bind(now.as_str()).bind(table))?;
                if row[0].try_get::<bool, _>(0)? {
                    break;
                }
                if waited.elapsed() > PATIENCE {
                    return Err(Error::StillSeen { table });
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    /// Whether this is a server, which keeps a write-ahead log and perhaps copies elsewhere.
    pub(crate) fn is_server(&self) -> bool {
        matches!(self.connection, Connected::Postgres(_))
    }

    pub(crate) fn execute(&mut self, statement: Statement) -> Result<u64, Error> {
        let Self { runtime, connection, failed, .. } = self;
        let done = match connection {
            Connected::Sqlite(c) => runtime.block_on(statement.for_sqlite().execute(&mut **c)).map(|d| d.rows_affected()),
            Connected::Postgres(c) => runtime.block_on(statement.for_postgres().execute(&mut **c)).map(|d| d.rows_affected()),
        };
        *failed |= done.is_err();
        Ok(done?)
    }

    pub(crate) fn rows(&mut self, statement: Statement) -> Result<Vec<Row>, Error> {
        let Self { runtime, connection, failed, .. } = self;
        let found = match connection {
            Connected::Sqlite(c) => {
                runtime.block_on(statement.for_sqlite().fetch_all(&mut **c)).map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
            Connected::Postgres(c) => {
                runtime.block_on(statement.for_postgres().fetch_all(&mut **c)).map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
        };
        *failed |= found.is_err();
        Ok(found?)
    }
}

fn runtime() -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Io { what: "cannot start the database runtime".into(), source })
}

/// The ledger holds personal data, and no encryption of connections is built in: it never leaves this machine by itself.
fn on_this_machine(options: &PgConnectOptions) -> Result<(), Error> {
    let host = options.get_host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let socket = options.get_socket().is_some() || host.starts_with('/');
    if socket || host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) {
        return Ok(());
    }
    Err(Error::LedgerHost { host: host.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_elsewhere_is_refused_before_anything_is_sent() {
        for url in ["postgres://u:secret@db.example/x", "postgres://u:secret@10.0.0.1/x", "postgres://u:secret@localhost.example/x"] {
            let error = Store::server(url).err().unwrap();
            assert!(matches!(error, Error::LedgerHost { .. }), "{error}");
            assert!(!error.to_string().contains("secret") && !format!("{error:?}").contains("secret"));
        }
        for url in ["postgres://localhost/x", "postgres://127.0.0.1/x", "postgres://[::1]:5433/x", "postgres://%2Frun%2Fpostgresql/x"] {
            on_this_machine(&url.parse().unwrap()).unwrap();
        }
        // What a query of the URL says of the host counts as well.
        assert!(matches!(Store::server("postgres://localhost/x?host=db.example"), Err(Error::LedgerHost { .. })));
        assert!(matches!(Store::server("no url with secret"), Err(Error::LedgerUrl { .. })));
    }
}
