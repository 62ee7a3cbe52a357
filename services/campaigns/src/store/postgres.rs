//! PostgreSQL: several campaigns processes over one catalog.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection as _, Postgres, Transaction};

use super::{Dialect, Row, Session, Store, StoreError, Value, bound, migrations};

/// How long a session waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections of one process. Writers wait for each other anyway.
const CONNECTIONS: u32 = 8;

/// Number of the lock under which one process brings the schema up to date: "tagbid" and "campaigns" in ASCII, cut.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_xact_lock(8386095523)";

/// A catalog in PostgreSQL.
pub(crate) struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    /// Connects. The database exists already.
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| StoreError::Url)?
            .application_name("tagbid-campaigns")
            // A writer that hangs must not hold the catalog's lock for ever.
            .options([
                ("statement_timeout", "10s"),
                ("lock_timeout", "5s"),
                ("idle_in_transaction_session_timeout", "10s"),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .connect_with(options.clone());
        let pool = match pool.await {
            Err(sqlx::Error::PoolTimedOut) => return Err(cause(&options).await.into()),
            connected => connected?,
        };
        let mut session = PostgresSession(pool.begin().await?);
        session.execute(MIGRATION_LOCK, &[]).await?;
        migrations::run(&mut session).await?;
        Box::new(session).commit().await?;
        Ok(Self { pool })
    }
}

/// The pool tells only that it waited too long. One more try by hand tells why.
async fn cause(options: &PgConnectOptions) -> sqlx::Error {
    match tokio::time::timeout(PATIENCE, PgConnection::connect_with(options)).await {
        Ok(Err(cause)) => cause,
        Ok(Ok(_)) | Err(_) => sqlx::Error::PoolTimedOut,
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn read(&self) -> Result<Box<dyn Session>, StoreError> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        Ok(Box::new(PostgresSession(self.pool.begin_with(begin).await?)))
    }

    /// The row lock is the catalog's lock: under READ COMMITTED every later statement of the session sees what the
    /// holder before it committed.
    async fn write(&self) -> Result<Box<dyn Session>, StoreError> {
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED";
        let mut session = PostgresSession(self.pool.begin_with(begin).await?);
        session.rows("SELECT value FROM meta WHERE name = 'revision' FOR UPDATE", &[]).await?;
        Ok(Box::new(session))
    }
}

struct PostgresSession(Transaction<'static, Postgres>);

#[async_trait]
impl Session for PostgresSession {
    async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        Ok(bound!(sql, values).execute(&mut *self.0).await?.rows_affected())
    }

    async fn rows(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let rows = bound!(sql, values).fetch_all(&mut *self.0).await?;
        Ok(rows.into_iter().map(Row::Postgres).collect())
    }

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}
