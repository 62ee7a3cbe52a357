//! Tags by the thousand: one statement for all of them, as JSON, instead of several for each.

use serde_json::{Value as Json, json};
use tagbid_catalog::{Entity, EntityKind};
use tagbid_types::{Principal, Revision, Timestamp};

use super::audit::Action;
use super::{Dialect, Session, StoreError, changes, entities};

const SQLITE: &str = "INSERT INTO entities \
     (kind, id, owner, parent_kind, parent, unique_key, revision, archived, body) \
     SELECT 'tag_definition', value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, \
       value ->> 6, value ->> 7 FROM json_each($1) WHERE true \
     ON CONFLICT (kind, id) DO UPDATE SET unique_key = excluded.unique_key, revision = excluded.revision, \
       archived = excluded.archived, body = excluded.body";

const POSTGRES: &str = "INSERT INTO entities \
     (kind, id, owner, parent_kind, parent, unique_key, revision, archived, body) \
     SELECT 'tag_definition', (r ->> 0)::bigint, (r ->> 1)::bigint, r ->> 2, (r ->> 3)::bigint, r ->> 4, \
       (r ->> 5)::bigint, (r ->> 6)::bigint, r ->> 7 FROM json_array_elements(CAST($1 AS json)) AS r \
     ON CONFLICT (kind, id) DO UPDATE SET unique_key = excluded.unique_key, revision = excluded.revision, \
       archived = excluded.archived, body = excluded.body";

/// Writes tags as the next changes, in their order, and says who did it. Sets the revision and the moment of the change in
/// their headers.
pub(crate) async fn put_tags(
    session: &mut dyn Session,
    who: &Principal,
    action: Action,
    tags: &mut [Entity],
    now: Timestamp,
) -> Result<(), StoreError> {
    if tags.is_empty() {
        return Ok(());
    }
    let last = entities::add(session, "revision", tags.len() as u64).await?;
    let before = last - tags.len() as u64;
    for (revision, tag) in (before + 1..).zip(tags.iter_mut()) {
        let header = tag.header_mut();
        header.revision = Revision(revision);
        header.updated = now;
    }
    let rows = tags.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    let insert = match session.dialect() {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
    };
    let rows = Json::Array(rows).to_string();
    session.execute(insert, &[rows.as_str().into()]).await?;
    changes::append_tags(session, Revision(before), Revision(last)).await?;
    note(session, who, action, Revision(before), now).await
}

fn row(tag: &Entity) -> Result<Json, StoreError> {
    debug_assert_eq!(tag.kind(), EntityKind::Tag);
    let parent = tag.parent();
    Ok(json!([
        tag.key().id,
        entities::owner(tag),
        parent.map(|parent| parent.kind.as_str()),
        parent.map(|parent| parent.id),
        tag.unique().map(|(_, key)| key),
        tag.header().revision.0,
        u8::from(tag.header().archived),
        entities::json(tag)?,
    ]))
}

/// One line of the audit for each.
async fn note(
    session: &mut dyn Session,
    who: &Principal,
    action: Action,
    before: Revision,
    now: Timestamp,
) -> Result<(), StoreError> {
    session
        .execute(
            "INSERT INTO audit (made_at, principal, action, kind, id, revision, fields) \
             SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS TEXT), kind, id, revision, '' FROM entities \
             WHERE kind = 'tag_definition' AND revision > $4",
            &[now.0.into(), who.name.as_str().into(), action.as_str().into(), before.0.into()],
        )
        .await?;
    Ok(())
}
