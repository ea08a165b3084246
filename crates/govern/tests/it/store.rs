//! The suite on both stores. By itself it runs on SQLite; [`the_suite_holds_on_a_server`] runs all of it again on PostgreSQL, each test in a
//! schema of its own, where `RETICENT_TEST_POSTGRES` names a server (`postgres://user@localhost/database`).

#![expect(clippy::print_stderr, reason = "what was skipped is said")]

use super::*;
use sqlx::Connection;
use std::fmt;
use std::process::Command;

const SERVER: &str = "RETICENT_TEST_POSTGRES";
/// Set where the suite runs on the server.
const ON_SERVER: &str = "RETICENT_TEST_ON_SERVER";

/// The server of this run of the suite, where it is one.
fn server() -> Option<String> {
    std::env::var(ON_SERVER).ok()
}

/// Whether this run of the suite is on a server, where no step has a time of its own: what the kills met is not asserted there.
pub(crate) fn on_server() -> bool {
    server().is_some()
}

/// How often a process is killed: on a server, where each start takes longer, a third as often.
pub(crate) fn rounds(on_files: u64) -> u64 {
    if server().is_some() { on_files / 3 } else { on_files }
}

/// Where a ledger lies.
#[derive(Clone)]
pub(crate) enum Place {
    File(PathBuf),
    Server(String),
}

impl Place {
    pub(crate) fn open(&self) -> Result<Ledger, reticent_govern::Error> {
        match self {
            Self::File(path) => Ledger::open(path),
            Self::Server(url) => Ledger::connect(url),
        }
    }

    /// Opens after the process that wrote was killed. A server may still be at the transaction that was under way: whoever writes next waits
    /// until it is there or gone.
    pub(crate) fn open_after_kill(&self) -> Ledger {
        let mut ledger = self.open().unwrap();
        ledger.subject_keys(&[]).unwrap();
        ledger
    }

    /// The file; where there is none, the test is about files and skipped.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Server(_) => {
                eprintln!("skipped: a test about the file of a ledger");
                None
            }
        }
    }
}

impl From<String> for Place {
    fn from(text: String) -> Self {
        if text.starts_with("postgres://") { Self::Server(text) } else { Self::File(text.into()) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path.to_str().unwrap()),
            Self::Server(url) => f.write_str(url),
        }
    }
}

/// What goes when the test is over.
pub(crate) struct Fresh {
    _folder: tempfile::TempDir,
    schema: Option<String>,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let (Some(url), Some(schema)) = (server(), &self.schema) {
            run_on_server(&url, &format!("DROP SCHEMA {schema} CASCADE"));
        }
    }
}

/// A place without a ledger.
pub(crate) fn place() -> (Fresh, Place) {
    let folder = tempfile::tempdir().unwrap();
    let Some(url) = server() else {
        let place = Place::File(folder.path().join("ledger.db"));
        return (Fresh { _folder: folder, schema: None }, place);
    };
    let mut random = [0; 8];
    getrandom::fill(&mut random).unwrap();
    let schema = format!("test_{:016x}", u64::from_be_bytes(random));
    run_on_server(&url, &format!("CREATE SCHEMA {schema}"));
    let join = if url.contains('?') { '&' } else { '?' };
    let place = Place::Server(format!("{url}{join}options=-csearch_path%3D{schema}"));
    (Fresh { _folder: folder, schema: Some(schema) }, place)
}

/// A fresh ledger.
pub(crate) fn fresh() -> (Fresh, Place, Ledger) {
    let (fresh, place) = place();
    let ledger = place.open().unwrap();
    (fresh, place, ledger)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs SQL behind the ledger's back, with no constraint to stop it.
pub(crate) fn edit(place: &Place, sql: &str) {
    match place {
        Place::File(path) => runtime().block_on(async {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).foreign_keys(false);
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }),
        // As whoever runs the server may: no foreign key is looked at.
        Place::Server(url) => {
            let sql = sql.replace("zeroblob(32)", "decode(repeat('00', 32), 'hex')").replace("= x'", "= '\\x");
            let sql = sql.replace("PRAGMA user_version =", "UPDATE ledger_format SET format =");
            run_on_server(url, &format!("SET session_replication_role = replica; {sql}"));
        }
    }
}

/// Every file that a ledger lies in, with its bytes.
pub(crate) fn files(place: &Place) -> Vec<(String, Vec<u8>)> {
    match place {
        Place::File(path) => {
            let files = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|f| f.unwrap().path());
            files.map(|f| (f.display().to_string(), std::fs::read(f).unwrap())).collect()
        }
        Place::Server(url) => runtime().block_on(async {
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            sqlx::query("CHECKPOINT").execute(&mut connection).await.unwrap();
            let all = "SELECT CAST(relname AS TEXT), pg_read_binary_file(pg_relation_filepath(oid)) FROM pg_class
                       WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relkind IN ('r', 'i')";
            sqlx::query_as(all).fetch_all(&mut connection).await.unwrap()
        }),
    }
}

/// The server's write-ahead log; a file has none that outlasts a transaction.
pub(crate) fn write_ahead_log(place: &Place) -> Vec<Vec<u8>> {
    let Place::Server(url) = place else { return vec![] };
    runtime().block_on(async {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        let all = "SELECT pg_read_binary_file('pg_wal/' || name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'";
        let files: Vec<(Vec<u8>,)> = sqlx::query_as(all).fetch_all(&mut connection).await.unwrap();
        files.into_iter().map(|(bytes,)| bytes).collect()
    })
}

/// What would differ had anything been written: the file's bytes; on a server which transaction wrote what in each table.
pub(crate) fn state(place: &Place) -> Vec<(String, Vec<u8>)> {
    let Place::Server(url) = place else { return files(place) };
    runtime().block_on(async {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        let names = "SELECT CAST(relname AS TEXT) FROM pg_class WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relkind = 'r' ORDER BY 1";
        let names: Vec<(String,)> = sqlx::query_as(names).fetch_all(&mut connection).await.unwrap();
        let mut all = vec![];
        for (name,) in names {
            let rows = format!("SELECT CAST(coalesce(string_agg(xmin || '/' || ctid, ' ' ORDER BY ctid), '') AS bytea) FROM {name}");
            let (rows,): (Vec<u8>,) = sqlx::query_as(sqlx::AssertSqlSafe(rows)).fetch_one(&mut connection).await.unwrap();
            all.push((name, rows));
        }
        all
    })
}

fn run_on_server(url: &str, sql: &str) {
    runtime().block_on(async {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn the_suite_holds_on_a_server() {
    if server().is_some() {
        return;
    }
    let Ok(url) = std::env::var(SERVER) else {
        eprintln!("skipped: {SERVER} names no PostgreSQL server");
        return;
    };
    let output = Command::new(std::env::current_exe().unwrap()).env(ON_SERVER, url).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let passed = said.split("test result: ok. ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok()).unwrap_or(0);
    assert!(passed >= 70, "the suite hardly ran: {said}");
}

/// What the server acknowledges must last, and one search path means one ledger.
#[test]
fn a_server_that_forgets_is_refused() {
    let (_fresh, place) = place();
    let Place::Server(url) = &place else { return };
    let nowhere = url.split("search_path").next().unwrap().to_owned() + "search_path%3Dabsent";
    let error = Ledger::connect(&nowhere).err().unwrap().to_string();
    assert_eq!(error, "the ledger's URL cannot be used: its search path names no schema that is there");
    // Two schemas are two ledgers.
    let (_other_fresh, other) = self::place();
    let event = reticent_govern::Event::NoiseKeyCreated { run: "r".into() };
    assert_eq!((place.open().unwrap().append(&actor(), &event).unwrap(), other.open().unwrap().append(&actor(), &event).unwrap()), (1, 1));
}
