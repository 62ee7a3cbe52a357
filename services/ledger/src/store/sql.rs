//! The store in a SQLite file or in PostgreSQL, through one code path.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, AnyRow};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, Connection as _, Executor, Row, SqlStr, Transaction};
use tagbid_notice::NoticeKind;
use tagbid_runtime::database::place;
use tagbid_types::{BidId, Cpm, LineItemId};

use super::batch::Plan;
use super::query::{self, Conditions};
use super::statements::{Dialect, Statements, notice_columns, quarantine_columns};
use super::{
    Key, NoticeQuery, NoticeRow, QuarantineQuery, QuarantineRow, SpendQuery, SpendRow, Store, StoreError,
    Tally, Verdict,
};
use crate::judge::Record;

/// The tables, one step a release that changes them. A step that was released never changes again.
const SQLITE: [(&str, &str); 1] = [("notices", include_str!("../../migrations/sqlite/0001_notices.sql"))];
const POSTGRES: [(&str, &str); 1] = [("notices", include_str!("../../migrations/postgres/0001_notices.sql"))];

/// How long a statement waits for a connection. Short: the queue behind it fills meanwhile.
const ACQUIRE: Duration = Duration::from_secs(3);

/// For each connection to SQLite. FULL: a commit is on disk before it returns; WAL: readers never wait for the writer.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000";

/// Notices in a SQL database.
#[derive(Debug)]
pub(crate) struct SqlStore {
    /// The database, in words.
    place: String,
    pool: AnyPool,
    statements: Statements,
}

impl SqlStore {
    /// Connects, creates the file if there is none, and brings the tables up to date.
    pub(crate) async fn open(url: &str, connections: u32) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let (dialect, url) = dialect(url)?;
        let place = place(&url);
        Self::connect(dialect, &url, &place, connections).await.map_err(|error| named(&place, error))
    }

    async fn connect(dialect: Dialect, url: &str, place: &str, connections: u32) -> Result<Self, StoreError> {
        let options: AnyConnectOptions = url.parse().map_err(unavailable)?;
        let mut pool = AnyPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE);
        if dialect == Dialect::Sqlite {
            pool = pool.after_connect(|connection, _| {
                Box::pin(async move { connection.execute(PRAGMAS).await.map(drop) })
            });
        }
        let pool = match pool.connect_with(options.clone()).await {
            Err(sqlx::Error::PoolTimedOut) => return Err(unavailable(cause(&options).await)),
            connected => connected.map_err(unavailable)?,
        };
        migrator(dialect).run(&pool).await.map_err(not_migrated)?;
        Ok(Self { place: place.to_owned(), pool, statements: Statements::new(dialect) })
    }

    /// One transaction.
    async fn keep(&self, batch: &[Record]) -> Result<Vec<Verdict>, StoreError> {
        let plan = Plan::of(batch);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let inserted = self.insert(&mut transaction, &plan).await?;
        let kept = self.kept(&mut transaction, &plan, &inserted).await?;
        let verdicts = plan.verdicts(&inserted, &kept);
        fetch(&mut transaction, &self.statements.add, &plan.tallies(&verdicts)).await?;
        let suspects = plan.quarantine(&verdicts);
        if !suspects.is_empty() {
            fetch(&mut transaction, &self.statements.quarantine, &suspects).await?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(verdicts)
    }

    async fn insert(
        &self,
        to: &mut Transaction<'_, Any>,
        plan: &Plan<'_>,
    ) -> Result<HashSet<Key>, StoreError> {
        let rows = plan.inserts();
        if rows.is_empty() {
            return Ok(HashSet::new());
        }
        let rows = fetch(to, &self.statements.insert, &rows).await?;
        rows.iter().map(key).collect()
    }

    /// What is kept for the keys that were not free.
    async fn kept(
        &self,
        from: &mut Transaction<'_, Any>,
        plan: &Plan<'_>,
        inserted: &HashSet<Key>,
    ) -> Result<HashMap<Key, Option<Cpm>>, StoreError> {
        let keys = plan.unsettled(inserted);
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = fetch(from, &self.statements.kept, &keys).await?;
        let price = |row: &AnyRow| {
            let price: i64 = row.try_get("price").map_err(failed)?;
            Ok((key(row)?, (price >= 0).then_some(Cpm(price))))
        };
        rows.iter().map(price).collect()
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn record(&self, batch: &[Record]) -> Result<Vec<Verdict>, StoreError> {
        self.keep(batch).await.map_err(|error| named(&self.place, error))
    }

    async fn spend(&self, query: &SpendQuery) -> Result<Vec<SpendRow>, StoreError> {
        let conditions = Conditions::spend(query, true);
        let sql = format!(
            "SELECT line_item, currency, day, advertiser, campaign, {} FROM tallies{} \
             ORDER BY day, line_item, currency LIMIT {}",
            sums(|name| name.to_owned()),
            conditions.sql(),
            query.limit
        );
        self.read(sql, &conditions, query::spend_row).await
    }

    async fn totals(&self, query: &SpendQuery) -> Result<Vec<(String, Tally)>, StoreError> {
        let conditions = Conditions::spend(query, false);
        // PostgreSQL sums bigint as numeric; the cast brings it back, or refuses.
        let sql = format!(
            "SELECT currency, {} FROM tallies{} GROUP BY currency ORDER BY currency",
            sums(|name| format!("CAST(SUM({name}) AS BIGINT)")),
            conditions.sql()
        );
        let total = |row: &AnyRow| Ok((row.try_get("currency")?, query::tally(row, 1)?));
        self.read(sql, &conditions, total).await
    }

    async fn wins(&self, query: &SpendQuery) -> Result<BTreeMap<LineItemId, u64>, StoreError> {
        let conditions = Conditions::spend(query, false);
        let sql = format!(
            "SELECT line_item, CAST(SUM(wins) AS BIGINT) AS wins FROM tallies{} GROUP BY line_item \
             HAVING SUM(wins) > 0",
            conditions.sql()
        );
        let rows = self.read(sql, &conditions, query::wins_row).await?;
        Ok(rows.into_iter().collect())
    }

    async fn notices(&self, query: &NoticeQuery) -> Result<Vec<NoticeRow>, StoreError> {
        let conditions = Conditions::notices(query);
        let sql = format!(
            "SELECT seq, {} FROM notices{} ORDER BY seq DESC LIMIT {}",
            notice_columns(),
            conditions.sql(),
            query.limit
        );
        self.read(sql, &conditions, query::notice_row).await
    }

    async fn quarantined(&self, query: &QuarantineQuery) -> Result<Vec<QuarantineRow>, StoreError> {
        let conditions = Conditions::quarantine(query);
        let sql = format!(
            "SELECT seq, {} FROM quarantine{} ORDER BY seq DESC LIMIT {}",
            quarantine_columns(),
            conditions.sql(),
            query.limit
        );
        self.read(sql, &conditions, query::quarantine_row).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let answered = self.pool.execute("SELECT 1").await;
        answered.map(drop).map_err(|error| named(&self.place, failed(error)))
    }
}

impl SqlStore {
    async fn read<T>(
        &self,
        sql: String,
        conditions: &Conditions,
        row: impl Fn(&AnyRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StoreError> {
        // The text is ours alone: values are bound, see `Conditions`.
        let statement = conditions.apply(sqlx::query(AssertSqlSafe(sql)));
        let rows = statement.fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| named(&self.place, failed(error)))?;
        rows.iter().map(|one| row(one).map_err(failed)).collect()
    }
}

/// The pool tells only that it waited too long. One more try by hand tells why.
async fn cause(options: &AnyConnectOptions) -> sqlx::Error {
    match tokio::time::timeout(ACQUIRE, AnyConnection::connect_with(options)).await {
        Ok(Err(cause)) => cause,
        Ok(Ok(_)) | Err(_) => sqlx::Error::PoolTimedOut,
    }
}

/// Says which database was not there.
fn named(place: &str, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(problem) => StoreError::Unavailable(format!("{place}: {problem}")),
        StoreError::Refused(problem) => StoreError::Refused(problem),
    }
}

/// Runs a statement with these rows as its one parameter.
async fn fetch<R: Serialize>(
    on: &mut Transaction<'_, Any>,
    sql: &str,
    rows: &[R],
) -> Result<Vec<AnyRow>, StoreError> {
    let rows = serde_json::to_string(rows).map_err(|error| StoreError::Refused(error.to_string()))?;
    sqlx::query(AssertSqlSafe(sql)).bind(rows).fetch_all(&mut **on).await.map_err(failed)
}

fn sums(column: impl Fn(&str) -> String) -> String {
    Tally::default().columns().map(|(name, _)| column(name)).join(", ")
}

fn key(row: &AnyRow) -> Result<Key, StoreError> {
    let bid: String = row.try_get("bid").map_err(failed)?;
    let kind: String = row.try_get("kind").map_err(failed)?;
    let unknown = || StoreError::Refused(format!("unreadable notice key {bid} {kind}"));
    Ok(Key {
        exchange: row.try_get("exchange").map_err(failed)?,
        bid: BidId(u128::from_str_radix(&bid, 16).map_err(|_| unknown())?),
        kind: NoticeKind::from_name(&kind).ok_or_else(unknown)?,
        priced: row.try_get::<i64, _>("priced").map_err(failed)? != 0,
    })
}

fn migrator(dialect: Dialect) -> Migrator {
    let steps = match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
    };
    let migrations = (1..).zip(steps).map(|(version, (name, sql))| {
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

fn unavailable(error: impl std::fmt::Display) -> StoreError {
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

/// Tells data that will never be taken from a database that is not there.
fn failed(error: sqlx::Error) -> StoreError {
    let refused = match &error {
        sqlx::Error::Database(database) => database.code().is_some_and(|code| is_about_data(&code)),
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => true,
        _ => false,
    };
    if refused { StoreError::Refused(error.to_string()) } else { StoreError::Unavailable(error.to_string()) }
}

/// PostgreSQL's classes 22 (data exception) and 23 (constraint); SQLite's ERROR, TOOBIG, CONSTRAINT, MISMATCH.
fn is_about_data(code: &str) -> bool {
    match code.len() {
        5 => code.starts_with("22") || code.starts_with("23"),
        _ => matches!(code.parse::<i32>().map(|code| code & 0xff), Ok(1 | 18 | 19 | 20)),
    }
}
