//! SQLite: one file, one writer, readers that see the last commit.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, Sqlite, Transaction};

use super::{Dialect, Row, Session, Store, StoreError, Value, bound, migrations};

/// How long a session waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Readers at once; each is a thread.
const READERS: u32 = 4;

/// A catalog in a SQLite file.
pub(crate) struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens or creates the file, and its directory.
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|_| StoreError::Url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit that was acknowledged survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        let path = options.get_filename();
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(sqlx::Error::Io)?;
        }
        // Writers wait for each other as a matter of course; the metrics tell how long.
        let pool = |connections| {
            let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE);
            // After some errors of the disk SQLite has rolled back by itself, and the driver still counts a transaction:
            // no other could begin on that connection.
            pool.acquire_slow_threshold(PATIENCE).before_acquire(|connection, _| {
                let usable = !connection.is_in_transaction();
                Box::pin(async move { Ok(usable) })
            })
        };
        let store = Self {
            // The writer first: it creates the file and turns the journal to WAL.
            writer: pool(1).connect_with(options.clone()).await?,
            readers: pool(READERS).connect_lazy_with(options),
        };
        let mut session = store.write().await?;
        migrations::run(session.as_mut()).await?;
        session.commit().await?;
        Ok(store)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn read(&self) -> Result<Box<dyn Session>, StoreError> {
        Ok(Box::new(SqliteSession(self.readers.begin().await?)))
    }

    /// IMMEDIATE takes the file's write lock at once instead of failing at the first write.
    async fn write(&self) -> Result<Box<dyn Session>, StoreError> {
        Ok(Box::new(SqliteSession(self.writer.begin_with("BEGIN IMMEDIATE").await?)))
    }
}

struct SqliteSession(Transaction<'static, Sqlite>);

#[async_trait]
impl Session for SqliteSession {
    async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        Ok(bound!(sql, values).execute(&mut *self.0).await?.rows_affected())
    }

    async fn rows(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let rows = bound!(sql, values).fetch_all(&mut *self.0).await?;
        Ok(rows.into_iter().map(Row::Sqlite).collect())
    }

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}
