//! The schema, step by step. A step that has been released never changes; a new one is added.

use super::{Session, StoreError};

const STEPS: [&str; 1] = [include_str!("0001_start.sql")];

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
    Ok(())
}
