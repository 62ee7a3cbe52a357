//! What was answered to requests that carried an id, so that a repeated one changes nothing.

use std::time::Duration;

use tagbid_types::Timestamp;

use super::{Session, StoreError};

/// How long answers are kept.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 3600);

/// An answer given before.
pub(crate) struct Answered {
    /// SHA-256 of the request that it answered.
    pub(crate) digest: String,
    /// The answer, as it was given to [`remember`].
    pub(crate) answer: String,
}

/// What this caller was answered under this request id within the last day.
pub(crate) async fn recall(
    session: &mut dyn Session,
    principal: &str,
    request_id: &str,
    now: Timestamp,
) -> Result<Option<Answered>, StoreError> {
    let rows = session
        .rows(
            "SELECT digest, answer FROM requests WHERE principal = $1 AND request_id = $2 AND made_at > $3",
            &[principal.into(), request_id.into(), oldest(now).into()],
        )
        .await?;
    let answered = rows
        .first()
        .map(|row| Ok(Answered { digest: row.text(0)?.to_owned(), answer: row.text(1)?.to_owned() }));
    answered.transpose()
}

/// Keeps an answer for a day, and drops those that are older.
pub(crate) async fn remember(
    session: &mut dyn Session,
    principal: &str,
    request_id: &str,
    digest: &str,
    answer: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    session.execute("DELETE FROM requests WHERE made_at <= $1", &[oldest(now).into()]).await?;
    session
        .execute(
            "INSERT INTO requests (principal, request_id, digest, answer, made_at) VALUES ($1, $2, $3, $4, $5)",
            &[
                principal.into(),
                request_id.into(),
                digest.into(),
                answer.into(),
                now.0.into(),
            ],
        )
        .await?;
    Ok(())
}

fn oldest(now: Timestamp) -> i64 {
    now.0.saturating_sub(i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX))
}
