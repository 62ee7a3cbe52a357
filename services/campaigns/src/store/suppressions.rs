//! Users who asked not to be known.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tagbid_ports::SuppressionChange;
use tagbid_tagset::UserKey;
use tagbid_types::{Revision, Timestamp};

use super::{Session, StoreError, entities};

const SUPPRESS: &str = "INSERT INTO suppressions (user_key, revision, suppressed) VALUES ($1, $2, 1) \
    ON CONFLICT (user_key) DO UPDATE SET revision = excluded.revision, suppressed = 1";

/// Only of users who were suppressed: a lift makes tag stores erase what they have from before it.
const LIFT: &str =
    "UPDATE suppressions SET revision = $2, suppressed = 0 WHERE user_key = $1 AND suppressed = 1";

/// Sets the state of users; the list's position after that.
///
/// Positions are microseconds since 1970, or one more than the last where the clock is behind: a list that was
/// restored from a backup never gives out again what tag stores have already heard, and would take for old news.
pub(crate) async fn set(
    session: &mut dyn Session,
    users: &[UserKey],
    suppressed: bool,
    now: Timestamp,
) -> Result<Revision, StoreError> {
    let first = advance(session, users.len() as u64, now).await? + 1;
    let change = if suppressed { SUPPRESS } else { LIFT };
    for (revision, user) in (first..).zip(users) {
        session.execute(change, &[user.to_string().as_str().into(), revision.into()]).await?;
    }
    Ok(Revision(first + users.len() as u64 - 1))
}

/// Takes so many positions; the one before them.
async fn advance(session: &mut dyn Session, users: u64, now: Timestamp) -> Result<u64, StoreError> {
    let last = entities::add(session, "suppression", 0).await?;
    let start = last.max(u64::try_from(now.0).unwrap_or(0));
    entities::add(session, "suppression", start - last + users).await?;
    Ok(start)
}

/// Whether a user is suppressed.
pub(crate) async fn check(session: &mut dyn Session, user: UserKey) -> Result<bool, StoreError> {
    let rows = session
        .rows("SELECT suppressed FROM suppressions WHERE user_key = $1", &[user.to_string().as_str().into()])
        .await?;
    Ok(rows.first().map(|row| row.int(0)).transpose()? == Some(1))
}

/// How many users are suppressed.
pub(crate) async fn count(session: &mut dyn Session) -> Result<u64, StoreError> {
    let rows = session.rows("SELECT COUNT(*) FROM suppressions WHERE suppressed = 1", &[]).await?;
    rows.first().map_or(Ok(0), |row| row.count(0))
}

/// The changes after a position, in order. A user who changed twice comes once, as of the last change.
pub(crate) async fn after(
    session: &mut dyn Session,
    from: Revision,
    limit: u32,
) -> Result<Vec<SuppressionChange>, StoreError> {
    let rows = session
        .rows(
            "SELECT revision, user_key, suppressed FROM suppressions WHERE revision > $1 ORDER BY revision LIMIT $2",
            &[from.0.into(), i64::from(limit).into()],
        )
        .await?;
    let change = |row: &super::Row| {
        let (revision, user) = (Revision(row.count(0)?), parse(row.text(1)?)?);
        Ok(SuppressionChange { revision, user, suppressed: row.int(2)? == 1 })
    };
    rows.iter().map(change).collect()
}

fn parse(text: &str) -> Result<UserKey, StoreError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let key = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    key.map(UserKey).ok_or_else(|| StoreError::Corrupt {
        what: "a suppressed user".into(),
        problem: "the key is not 16 bytes in base64url".into(),
    })
}
