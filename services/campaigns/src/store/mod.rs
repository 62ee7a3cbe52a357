//! The catalog database.
//!
//! [`Store`] opens sessions on SQLite or PostgreSQL; what is done in a session is written once, in the modules beside,
//! in SQL that both understand. A writing session holds the one lock of the catalog from its first statement to its
//! commit, so revisions are given out in the order of commits and without gaps.

pub(crate) mod audit;
pub(crate) mod batch;
pub(crate) mod changes;
pub(crate) mod entities;
mod measured;
mod migrations;
pub(crate) mod people;
mod postgres;
pub(crate) mod requests;
mod sqlite;

#[cfg(test)]
mod conformance;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::Row as _;
use tagbid_runtime::database::place;
use thiserror::Error;

pub(crate) use measured::{Gauge, Measured};
pub(crate) use postgres::PostgresStore;
pub(crate) use sqlite::SqliteStore;

/// Why the store did not do what it was asked. Nothing of the session is kept then.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database could not be reached, or refused.
    #[error("catalog database: {0}")]
    Database(#[from] sqlx::Error),
    /// The same, with the name of the database.
    #[error("{place}: {problem}{remedy}")]
    At {
        /// The database, in words and without its password.
        place: String,
        /// What it, or the way there, said.
        problem: String,
        /// What to do, where that is known.
        remedy: &'static str,
    },
    /// A row that this version cannot read.
    #[error("catalog database: {what} cannot be read: {problem}")]
    Corrupt {
        /// Which row.
        what: String,
        /// Why.
        problem: String,
    },
    /// The database was made by a newer version.
    #[error("the catalog database has schema {found}, this version knows {known}: start a newer tagbid")]
    Newer {
        /// The database's.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Not a URL of a database.
    #[error("campaigns.database: use \"sqlite:PATH\" or \"postgres://USER:PASSWORD@HOST/DATABASE\"")]
    Url,
    /// All ids of a kind have been given out.
    #[error("there are no more ids of kind {0}")]
    IdsUsedUp(&'static str),
}

impl StoreError {
    /// The error of the database of this name.
    pub(crate) fn at(place: &str, error: &sqlx::Error) -> Self {
        let remedy = match error {
            sqlx::Error::PoolTimedOut => {
                "; it is down, not reachable from here, or has more to do than it can: look at it, and at \
                 campaigns.database"
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::Configuration(_) => {
                "; look whether it runs and is reachable from here, and at campaigns.database"
            }
            _ => "",
        };
        Self::At { place: place.to_owned(), problem: error.to_string(), remedy }
    }
}

/// Where the catalog is kept.
#[async_trait]
pub(crate) trait Store: Send + Sync + 'static {
    /// A session that sees one moment of the database and changes nothing.
    async fn read(&self) -> Result<Box<dyn Session>, StoreError>;

    /// A session that alone may write until it is committed or dropped.
    async fn write(&self) -> Result<Box<dyn Session>, StoreError>;
}

/// A transaction. Dropped without commit it leaves nothing behind.
#[async_trait]
pub(crate) trait Session: Send {
    /// Runs a statement; how many rows it touched.
    async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, StoreError>;

    /// Runs a query.
    async fn rows(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError>;

    /// Which database it is, for the few statements that have to be written twice.
    fn dialect(&self) -> Dialect;

    /// Makes it durable.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// What a database speaks beside the SQL that both understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// Opens the database of a URL and brings its schema up to date.
pub(crate) async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    connect(url).await.map_err(|error| match error {
        StoreError::Database(error) => StoreError::at(&place(url), &error),
        other => other,
    })
}

async fn connect(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    let store: Arc<dyn Store> = if url.starts_with("sqlite:") {
        Arc::new(SqliteStore::open(url).await?)
    } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        Arc::new(PostgresStore::open(url).await?)
    } else {
        return Err(StoreError::Url);
    };
    Ok(store)
}

/// What a statement's parameter holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Int(i64),
    Text(&'a str),
    MaybeInt(Option<i64>),
    MaybeText(Option<&'a str>),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Value<'_> {
    /// Ids and revisions count up from 1: none comes near the sign.
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

/// Binds values to a query of either database.
macro_rules! bound {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query($sql);
        for value in $values {
            query = match *value {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value.to_owned()),
                Value::MaybeInt(value) => query.bind(value),
                Value::MaybeText(value) => query.bind(value.map(str::to_owned)),
            };
        }
        query
    }};
}
use bound;

/// A row of either database.
pub(crate) enum Row {
    Sqlite(sqlx::sqlite::SqliteRow),
    Postgres(sqlx::postgres::PgRow),
}

impl Row {
    /// The integer in a column.
    pub(crate) fn int(&self, column: usize) -> Result<i64, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// The id or revision in a column.
    pub(crate) fn count(&self, column: usize) -> Result<u64, StoreError> {
        let value = self.int(column)?;
        u64::try_from(value).map_err(|_| StoreError::Corrupt {
            what: format!("column {column}"),
            problem: format!("{value} is negative"),
        })
    }

    /// The text in a column.
    pub(crate) fn text(&self, column: usize) -> Result<&str, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }
}
