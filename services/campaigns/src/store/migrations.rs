//! The schema, step by step. A step that has been released never changes; a new one is added.

use super::{Session, StoreError};

const STEPS: [&str; 3] =
    [include_str!("0001_start.sql"), include_str!("0002_registry.sql"), include_str!("0003_people.sql")];

/// Runs the steps that the database has not seen, in the caller's transaction.
pub(super) async fn run(session: &mut dyn Session) -> Result<(), StoreError> {
    session.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY)", &[]).await?;
    let rows = session.rows("SELECT COALESCE(MAX(version), 0) FROM schema_version", &[]).await?;
    let found = rows.first().map(|row| row.int(0)).transpose()?.unwrap_or_default();
    let known = STEPS.len() as i64;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for (version, step) in (1_i64..).zip(STEPS) {
        if version <= found {
            continue;
        }
        // No step has a semicolon, comments included, but at the end of a statement.
        for statement in step.split(';').filter(|statement| !statement.trim().is_empty()) {
            session.execute(statement, &[]).await?;
        }
        session.execute("INSERT INTO schema_version (version) VALUES ($1)", &[version.into()]).await?;
    }
    give_life(session).await
}

/// Gives a database that has none the number by which it is told from others. It stays for ever, in copies too.
async fn give_life(session: &mut dyn Session) -> Result<(), StoreError> {
    let random = getrandom::u64().map_err(|error| StoreError::Database(sqlx::Error::Io(error.into())))?;
    // The column is signed, and zero says that there is none.
    let life = i64::try_from(random >> 1).unwrap_or(1).max(1);
    let insert = "INSERT INTO meta (name, value) VALUES ('life', $1) ON CONFLICT (name) DO NOTHING";
    session.execute(insert, &[life.into()]).await.map(drop)
}
