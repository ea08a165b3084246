//! All rows of a store, table by table, in the order of their keys: to be written into another store, and to be digested.

use super::{Connected, Row, Statement, Store, statement::Value};
use crate::Error;
use sha2::{Digest, Sha256};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use std::path::Path;

/// Rows read, and written, by one statement.
const AT_ONCE: usize = 1000;

/// A table as SQLite tells of it.
pub(crate) struct Table {
    name: String,
    columns: Vec<(String, Kind)>,
    key: Vec<String>,
}

#[derive(Clone, Copy)]
enum Kind {
    Number,
    Text,
    Real,
    Bytes,
}

impl Store {
    /// Opens a file that nobody else writes to: no queue, and a missing one is not made.
    pub(crate) fn alone(path: &Path) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("secure_delete", "ON")
            .disable_statement_logging();
        Self::connect_to_file(options, None)
    }

    /// Writes one state of a ledger that is a file into another file, which must be empty. Others may write to the ledger meanwhile.
    pub(crate) fn vacuum_into(&mut self, to: &Path) -> Result<(), Error> {
        let name = to.to_str().ok_or_else(|| Error::Backup { why: "the name of its file is no UTF-8".into() })?;
        self.execute(Statement::new("VACUUM INTO ?").bind(name)).map(drop)
    }

    /// The tables of a ledger in a file, in the order they were made: none refers to a later one. Notes about a backup are none of them.
    pub(crate) fn tables(&mut self) -> Result<Vec<Table>, Error> {
        let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'backup' ORDER BY rowid";
        let names = self.rows(Statement::new(names))?.iter().map(|r| r.try_get::<String, _>(0)).collect::<Result<Vec<_>, _>>()?;
        names.into_iter().map(|name| self.table(name)).collect()
    }

    fn table(&mut self, name: String) -> Result<Table, Error> {
        let told = Statement::new("SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid").bind(name.as_str());
        let (mut columns, mut key) = (vec![], vec![]);
        for row in self.rows(told)? {
            let (column, kind, place): (String, String, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let plain = column.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            let kind = match kind.as_str() {
                "INTEGER" => Kind::Number,
                "TEXT" => Kind::Text,
                "REAL" => Kind::Real,
                "BLOB" => Kind::Bytes,
                _ => return Err(foreign()),
            };
            if !plain {
                return Err(foreign());
            }
            if place > 0 {
                key.push((place, column.clone()));
            }
            columns.push((column, kind));
        }
        key.sort();
        let key: Vec<String> = key.into_iter().map(|(_, column)| column).collect();
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if !plain || key.is_empty() { Err(foreign()) } else { Ok(Table { name, columns, key }) }
    }

    /// The next rows of a table after a key.
    fn piece(&mut self, table: &Table, after: Option<&[Value]>) -> Result<Vec<Vec<Value>>, Error> {
        let (columns, key) = (table.column_names(), table.key.join(", "));
        let from = after.map_or(String::new(), |after| format!("WHERE ({key}) > ({}) ", ["?"].repeat(after.len()).join(", ")));
        let sql = format!("SELECT {columns} FROM {} {from}ORDER BY {key} LIMIT {AT_ONCE}", table.name);
        let query = after.unwrap_or_default().iter().fold(Statement::new(sql), |query, value| query.bind(value.clone()));
        self.rows(query)?
            .iter()
            .map(|row| table.columns.iter().enumerate().map(|(at, (_, kind))| value(row, at, *kind)).collect())
            .collect()
    }

    /// Hands over all rows of these tables in pieces, and gives their digest.
    pub(crate) fn each_piece(
        &mut self,
        tables: &[Table],
        mut take: impl FnMut(&Table, &[Vec<Value>]) -> Result<(), Error>,
    ) -> Result<[u8; 32], Error> {
        let mut digest = Sha256::new();
        for table in tables {
            let mut after: Option<Vec<Value>> = None;
            let mut count: u64 = 0;
            hash(&mut digest, b't', table.name.as_bytes());
            hash(&mut digest, b'c', table.column_names().as_bytes());
            loop {
                let rows = self.piece(table, after.as_deref())?;
                let Some(last) = rows.last() else { break };
                after = Some(table.key_of(last));
                count += rows.len() as u64;
                rows.iter().flatten().for_each(|value| hash_value(&mut digest, value));
                take(table, &rows)?;
            }
            hash(&mut digest, b'n', &count.to_be_bytes());
        }
        Ok(digest.finalize().into())
    }

    /// Writes rows as they are.
    pub(crate) fn put(&mut self, table: &Table, rows: &[Vec<Value>]) -> Result<(), Error> {
        let one = format!("({})", ["?"].repeat(table.columns.len()).join(","));
        let sql = format!("INSERT INTO {} ({}) VALUES {}", table.name, table.column_names(), vec![one; rows.len()].join(","));
        let batch = rows.iter().flatten().fold(Statement::new(sql), |batch, value| batch.bind(value.clone()));
        self.execute(batch).map(drop)
    }

    /// Puts all rows of `from` in the place of the rows here, within the transaction under way, and gives their digest.
    pub(crate) fn take_over(&mut self, from: &mut Self, tables: &[Table]) -> Result<[u8; 32], Error> {
        for table in tables.iter().rev() {
            self.execute(Statement::new(format!("DELETE FROM {}", table.name)))?;
        }
        let digest = from.each_piece(tables, |table, rows| self.put(table, rows))?;
        if let Connected::Postgres(_) = self.connection {
            // Numbers that the server gives go on after those that were brought along.
            for table in tables.iter().filter(|t| matches!(t.columns[0].1, Kind::Number) && t.key == ["id"]) {
                let name = &table.name;
                let next = format!("SELECT setval(pg_get_serial_sequence('{name}', 'id'), coalesce(max(id), 0) + 1, false) FROM {name}");
                self.rows(Statement::new(next))?;
            }
        }
        Ok(digest)
    }

    /// Whether the file holds together, as SQLite finds.
    pub(crate) fn is_whole(&mut self) -> Result<bool, Error> {
        let said = self.rows(Statement::new("PRAGMA integrity_check"))?;
        Ok(said.len() == 1 && said[0].try_get::<String, _>(0)? == "ok")
    }
}

impl Table {
    fn column_names(&self) -> String {
        self.columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn key_of(&self, row: &[Value]) -> Vec<Value> {
        let place = |name: &String| self.columns.iter().position(|(column, _)| column == name).unwrap_or_default();
        self.key.iter().map(|name| row[place(name)].clone()).collect()
    }
}

fn value(row: &Row, at: usize, kind: Kind) -> Result<Value, Error> {
    Ok(match kind {
        Kind::Number => Value::Number(row.try_get(at)?),
        Kind::Text => Value::Text(row.try_get(at)?),
        Kind::Real => Value::Real(row.try_get(at)?),
        Kind::Bytes => Value::Bytes(row.try_get(at)?),
    })
}

fn hash_value(digest: &mut Sha256, value: &Value) {
    match value {
        Value::Number(None) | Value::Text(None) => hash(digest, b'0', &[]),
        Value::Number(Some(number)) => hash(digest, b'i', &number.to_be_bytes()),
        Value::Text(Some(text)) => hash(digest, b's', text.as_bytes()),
        Value::Real(number) => hash(digest, b'r', &number.to_be_bytes()),
        Value::Bytes(bytes) => hash(digest, b'b', bytes),
    }
}

/// What and how long comes first: two lists of values never give the same bytes.
fn hash(digest: &mut Sha256, what: u8, bytes: &[u8]) {
    digest.update([what]);
    digest.update((bytes.len() as u64).to_be_bytes());
    digest.update(bytes);
}

fn foreign() -> Error {
    Error::Backup { why: "it holds tables that no ledger has".into() }
}
