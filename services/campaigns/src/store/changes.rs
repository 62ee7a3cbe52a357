//! The last changes, in order.

use tagbid_catalog::Change;
use tagbid_types::Revision;

use super::{Session, StoreError, entities};

/// How many changes are kept: a reader that was away for longer gets a snapshot.
pub(crate) const KEPT: u64 = 10_000;

/// Old changes are removed this many at a time.
const REMOVED_AT_ONCE: u64 = 256;

/// Adds a change and now and then forgets the oldest.
pub(super) async fn append(
    session: &mut dyn Session,
    revision: Revision,
    body: &str,
) -> Result<(), StoreError> {
    session
        .execute("INSERT INTO changes (revision, body) VALUES ($1, $2)", &[revision.0.into(), body.into()])
        .await?;
    if revision.0.is_multiple_of(REMOVED_AT_ONCE) {
        forget(session, Revision(revision.0.saturating_sub(KEPT))).await?;
    }
    Ok(())
}

/// Adds the changes of tags that were written after a revision and up to another, and forgets the oldest.
pub(super) async fn append_tags(
    session: &mut dyn Session,
    before: Revision,
    last: Revision,
) -> Result<(), StoreError> {
    session
        .execute(
            "INSERT INTO changes (revision, body) SELECT revision, body FROM entities \
             WHERE kind = 'tag_definition' AND revision > $1",
            &[before.0.into()],
        )
        .await?;
    forget(session, Revision(last.0.saturating_sub(KEPT))).await
}

/// Forgets the changes up to a revision.
pub(crate) async fn forget(session: &mut dyn Session, up_to: Revision) -> Result<(), StoreError> {
    session.execute("DELETE FROM changes WHERE revision <= $1", &[up_to.0.into()]).await?;
    Ok(())
}

/// The changes after a revision, at most `limit`; none when they are not all there any more.
pub(crate) async fn after(
    session: &mut dyn Session,
    from: Revision,
    limit: u32,
) -> Result<Option<Vec<Change>>, StoreError> {
    let rows = session
        .rows(
            "SELECT revision, body FROM changes WHERE revision > $1 ORDER BY revision LIMIT $2",
            &[from.0.into(), i64::from(limit).into()],
        )
        .await?;
    let changes = rows.iter().map(entities::change).collect::<Result<Vec<_>, _>>()?;
    let in_order = (from.0 + 1..).zip(&changes);
    let gapless = match changes.is_empty() {
        true => entities::counter(session, "revision").await? == from.0,
        false => in_order.into_iter().all(|(expected, change)| change.revision.0 == expected),
    };
    Ok(gapless.then_some(changes))
}
