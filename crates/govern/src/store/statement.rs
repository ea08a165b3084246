//! A statement and the values that go into it, and a row that comes back, whichever store is behind them.

use sqlx::postgres::{PgArguments, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, ColumnIndex, Decode, Row as _, Type};
use std::borrow::Cow;
use std::fmt::Write as _;

/// One statement: text of this crate with a question mark for each value, never a value itself.
pub(crate) struct Statement {
    sql: Cow<'static, str>,
    values: Vec<Value>,
}

/// What goes into a statement.
#[derive(Clone)]
pub(crate) enum Value {
    Text(Option<String>),
    Number(Option<i64>),
    Real(f64),
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl Statement {
    pub(crate) fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Self { sql: sql.into(), values: vec![] }
    }

    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.maybe(Some(text.to_owned()))
    }

    pub(crate) fn texts(&mut self, texts: impl IntoIterator<Item = impl AsRef<str>>) -> &mut Self {
        self.values.extend(texts.into_iter().map(|text| Value::from(text.as_ref())));
        self
    }

    pub(crate) fn maybe(&mut self, text: Option<String>) -> &mut Self {
        self.values.push(Value::Text(text));
        self
    }

    pub(crate) fn number(&mut self, number: i64) -> &mut Self {
        self.maybe_number(Some(number))
    }

    pub(crate) fn maybe_number(&mut self, number: Option<i64>) -> &mut Self {
        self.values.push(Value::Number(number));
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.values.push(Value::Bytes(bytes.to_vec()));
        self
    }

    pub(super) fn for_sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        self.values.into_iter().fold(sqlx::query(AssertSqlSafe(self.sql.into_owned())), |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
            Value::Real(number) => query.bind(number),
            Value::Bytes(bytes) => query.bind(bytes),
        })
    }

    pub(super) fn for_postgres(self) -> Query<'static, Postgres, PgArguments> {
        self.values.into_iter().fold(sqlx::query(AssertSqlSafe(numbered(&self.sql))), |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
            Value::Real(number) => query.bind(number),
            Value::Bytes(bytes) => query.bind(bytes),
        })
    }
}

/// Question marks become `$1`, `$2`, …: none of this crate's statements has one in a literal.
fn numbered(sql: &str) -> String {
    let mut pieces = sql.split('?');
    let mut text = String::with_capacity(sql.len() * 2);
    text.push_str(pieces.next().unwrap_or_default());
    for (index, piece) in (1..).zip(pieces) {
        let _ = write!(text, "${index}{piece}");
    }
    text
}

/// A row of either store.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The value of a column, by its place or name.
    pub(crate) fn try_get<'r, T, I>(&'r self, column: I) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
        I: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_number() {
        assert_eq!(numbered("SELECT 1"), "SELECT 1");
        assert_eq!(numbered("INSERT INTO a VALUES (?,?), (?, ?)"), "INSERT INTO a VALUES ($1,$2), ($3, $4)");
    }
}
