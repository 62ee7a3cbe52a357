//! The way to the database: which one it is, how its connections behave, its tables brought up to date.

use std::path::Path;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AnyPool, Connection as _, Executor, SqlStr};
use tagbid_runtime::database::place;

use super::StoreError;
use super::sql::named;
use super::statements::Dialect;

/// The tables, one numbered step a release that changes them. A step that was released never changes again.
const SQLITE: [(i64, &str, &str); 11] = [
    (1, "notices", include_str!("../../migrations/sqlite/0001_notices.sql")),
    (2, "leases", include_str!("../../migrations/sqlite/0002_leases.sql")),
    (3, "limits", include_str!("../../migrations/sqlite/0003_limits.sql")),
    (4, "outbox", include_str!("../../migrations/sqlite/0004_outbox.sql")),
    (5, "reports", include_str!("../../migrations/sqlite/0005_reports.sql")),
    (6, "paces", include_str!("../../migrations/sqlite/0006_paces.sql")),
    (7, "holds", include_str!("../../migrations/sqlite/0007_holds.sql")),
    (8, "capacities", include_str!("../../migrations/sqlite/0008_capacities.sql")),
    (9, "claims", include_str!("../../migrations/sqlite/0009_claims.sql")),
    (10, "watched", include_str!("../../migrations/sqlite/0010_watched.sql")),
    (11, "said", include_str!("../../migrations/sqlite/0011_said.sql")),
];
const POSTGRES: [(i64, &str, &str); 11] = [
    (1, "notices", include_str!("../../migrations/postgres/0001_notices.sql")),
    (2, "leases", include_str!("../../migrations/postgres/0002_leases.sql")),
    (3, "limits", include_str!("../../migrations/postgres/0003_limits.sql")),
    (4, "outbox", include_str!("../../migrations/postgres/0004_outbox.sql")),
    (5, "reports", include_str!("../../migrations/postgres/0005_reports.sql")),
    (6, "paces", include_str!("../../migrations/postgres/0006_paces.sql")),
    (7, "holds", include_str!("../../migrations/postgres/0007_holds.sql")),
    (8, "capacities", include_str!("../../migrations/postgres/0008_capacities.sql")),
    (9, "claims", include_str!("../../migrations/postgres/0009_claims.sql")),
    (10, "watched", include_str!("../../migrations/postgres/0010_watched.sql")),
    (11, "said", include_str!("../../migrations/postgres/0011_said.sql")),
];

/// How long a statement waits for a connection. Short: the queue behind it fills meanwhile.
const ACQUIRE: Duration = Duration::from_secs(3);

/// For each connection to PostgreSQL: a ledger that stands still in the middle of a transaction loses it, and with it the row that all
/// others wait for; and nobody waits for that row for ever.
const LIMITS: &str =
    "SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '8s'; SET statement_timeout = '60s'";

/// For each connection to SQLite. FULL: a commit is on disk before it returns; WAL: readers never wait for the writer.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000";

/// A database that is ready.
pub(super) struct Connected {
    pub(super) dialect: Dialect,
    pub(super) pool: AnyPool,
    /// Which one, in words.
    pub(super) place: String,
}

/// Connects, creates the file if there is none, and brings the tables up to date.
pub(super) async fn connect(url: &str, connections: u32) -> Result<Connected, StoreError> {
    sqlx::any::install_default_drivers();
    let (dialect, url) = dialect(url)?;
    let place = place(&url);
    let pool = pool(dialect, &url, connections).await.map_err(|error| named(&place, error))?;
    Ok(Connected { dialect, pool, place })
}

async fn pool(dialect: Dialect, url: &str, connections: u32) -> Result<AnyPool, StoreError> {
    let options: AnyConnectOptions = url.parse().map_err(unavailable)?;
    let settings = match dialect {
        Dialect::Sqlite => PRAGMAS,
        Dialect::Postgres => LIMITS,
    };
    let pool = AnyPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE);
    let pool = pool.after_connect(move |connection, _| {
        Box::pin(async move { connection.execute(settings).await.map(drop) })
    });
    // After some errors of the disk SQLite has rolled back by itself, and the driver still counts a transaction: the next
    // one would be a part of it, and its commit none.
    let pool = pool.before_acquire(|connection, _| {
        let usable = !connection.is_in_transaction();
        Box::pin(async move { Ok(usable) })
    });
    let pool = match pool.connect_with(options.clone()).await {
        Err(sqlx::Error::PoolTimedOut) => return Err(unavailable(cause(&options).await)),
        connected => connected.map_err(unavailable)?,
    };
    migrator(dialect, |_| true).run(&pool).await.map_err(not_migrated)?;
    Ok(pool)
}

/// The pool tells only that it waited too long. One more try by hand tells why.
async fn cause(options: &AnyConnectOptions) -> sqlx::Error {
    match tokio::time::timeout(ACQUIRE, AnyConnection::connect_with(options)).await {
        Ok(Err(cause)) => cause,
        Ok(Ok(_)) | Err(_) => sqlx::Error::PoolTimedOut,
    }
}

/// Makes the tables as they were before this step.
#[cfg(test)]
pub(super) async fn connect_before(url: &str, step: i64) -> AnyPool {
    sqlx::any::install_default_drivers();
    let (dialect, url) = dialect(url).unwrap();
    let pool = AnyPool::connect(&url).await.unwrap();
    migrator(dialect, |version| version < step).run(&pool).await.unwrap();
    pool
}

fn migrator(dialect: Dialect, wanted: impl Fn(i64) -> bool) -> Migrator {
    let steps = match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
    };
    let steps = steps.into_iter().filter(|(version, ..)| wanted(*version));
    let migrations = steps.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, SqlStr::from_static(sql), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // Roles may share a PostgreSQL database: each keeps its own record of its own steps.
    migrator.dangerous_set_table_name("ledger_migrations");
    migrator
}

/// Which database the URL names, and the URL as the driver wants it: a SQLite file is created with its directory.
fn dialect(url: &str) -> Result<(Dialect, String), StoreError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok((Dialect::Postgres, url.to_owned()));
    }
    let Some(path) = url.strip_prefix("sqlite:") else {
        let problem = "use sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE";
        return Err(StoreError::Refused(problem.into()));
    };
    let file = path.strip_prefix("//").unwrap_or(path);
    let file = file.split('?').next().unwrap_or_default();
    if file.is_empty() || file == ":memory:" {
        let problem =
            "sqlite: needs the path of a file; notices in memory would not be durable: use sqlite:PATH";
        return Err(StoreError::Refused(problem.into()));
    }
    if let Some(directory) = Path::new(file).parent() {
        std::fs::create_dir_all(directory)
            .map_err(|error| unavailable(format!("cannot create {}: {error}", directory.display())))?;
    }
    let sign = if path.contains('?') { '&' } else { '?' };
    Ok((Dialect::Sqlite, format!("{url}{sign}mode=rwc")))
}

pub(super) fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn not_migrated(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) => StoreError::Refused(format!(
            "its tables were made by another version of tagbid ({error}): start that one, or use another database"
        )),
        other => unavailable(other),
    }
}
