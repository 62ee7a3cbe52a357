//! Entities as they are now, and the counters.

use tagbid_catalog::{Catalog, Change, Entity, EntityKey, EntityKind};
use tagbid_types::{AdvertiserId, Revision, Timestamp};

use super::{Row, Session, StoreError, Value, changes};

/// Which entities a list wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter {
    pub(crate) kind: EntityKind,
    /// Only of this owner; none: of all.
    pub(crate) owner: Option<AdvertiserId>,
    /// Also what the operator shares with that owner.
    pub(crate) shared: bool,
    /// Only below this parent (a line item's campaign).
    pub(crate) parent: Option<u64>,
    pub(crate) archived: bool,
    /// Only those with a higher id.
    pub(crate) after: u64,
    pub(crate) limit: u32,
}

/// The entity of that key.
pub(crate) async fn get(session: &mut dyn Session, key: EntityKey) -> Result<Option<Entity>, StoreError> {
    let rows = session
        .rows(
            "SELECT body FROM entities WHERE kind = $1 AND id = $2",
            &[key.kind.as_str().into(), key.id.into()],
        )
        .await?;
    rows.first().map(|row| body(row, 0)).transpose()
}

/// The next entities, by rising id.
pub(crate) async fn list(session: &mut dyn Session, filter: &Filter) -> Result<Vec<Entity>, StoreError> {
    const ALL: &str = "SELECT body FROM entities WHERE kind = $1 AND id > $2 AND archived <= $3 \
         AND (parent = $4 OR $4 IS NULL) ORDER BY id LIMIT $5";
    const OWNED: &str = "SELECT body FROM entities WHERE kind = $1 AND id > $2 AND archived <= $3 \
         AND (parent = $4 OR $4 IS NULL) AND owner IN ($6, $7) ORDER BY id LIMIT $5";
    let mut values = vec![
        filter.kind.as_str().into(),
        filter.after.into(),
        i64::from(filter.archived).into(),
        Value::MaybeInt(filter.parent.and_then(|id| i64::try_from(id).ok())),
        i64::from(filter.limit).into(),
    ];
    let sql = match filter.owner {
        None => ALL,
        Some(owner) => {
            let also = if filter.shared { 0 } else { owner.0 };
            values.extend([Value::from(owner.0), Value::from(also)]);
            OWNED
        }
    };
    let rows = session.rows(sql, &values).await?;
    rows.iter().map(|row| body(row, 0)).collect()
}

/// Another live entity of the same kind and owner that holds the same unique key.
pub(crate) async fn twin(session: &mut dyn Session, entity: &Entity) -> Result<Option<u64>, StoreError> {
    let Some((_, unique)) = entity.unique() else {
        return Ok(None);
    };
    let key = entity.key();
    let rows = session
        .rows(
            "SELECT id FROM entities WHERE kind = $1 AND owner = $2 AND unique_key = $3 AND archived = 0 AND id <> $4",
            &[
                key.kind.as_str().into(),
                owner(entity).into(),
                unique.as_str().into(),
                key.id.into(),
            ],
        )
        .await?;
    rows.first().map(|row| row.count(0)).transpose()
}

/// Gives out the next id of a kind.
pub(crate) async fn next_id(session: &mut dyn Session, kind: EntityKind) -> Result<u64, StoreError> {
    let name = format!("next_{}", kind.as_str());
    Ok(add(session, &name, 1).await? - 1)
}

/// The counter of that name.
pub(crate) async fn counter(session: &mut dyn Session, name: &str) -> Result<u64, StoreError> {
    let rows = session.rows("SELECT value FROM meta WHERE name = $1", &[name.into()]).await?;
    rows.first().map_or(Ok(0), |row| row.count(0))
}

/// Adds to a counter; its value after that.
pub(crate) async fn add(session: &mut dyn Session, name: &str, count: u64) -> Result<u64, StoreError> {
    let rows = session
        .rows(
            "UPDATE meta SET value = value + $2 WHERE name = $1 RETURNING value",
            &[name.into(), count.into()],
        )
        .await?;
    let missing = || StoreError::Corrupt { what: format!("counter {name}"), problem: "is missing".into() };
    rows.first().ok_or_else(missing)?.count(0)
}

/// Writes an entity as the next change. Sets the revision and the moment of the change in its header.
pub(crate) async fn put(
    session: &mut dyn Session,
    entity: &mut Entity,
    now: Timestamp,
) -> Result<Revision, StoreError> {
    let revision = Revision(add(session, "revision", 1).await?);
    let header = entity.header_mut();
    header.revision = revision;
    header.updated = now;
    let (key, parent) = (entity.key(), entity.parent());
    let unique = entity.unique().map(|(_, unique)| unique);
    let body = json(entity)?;
    session
        .execute(
            "INSERT INTO entities (kind, id, owner, parent_kind, parent, unique_key, revision, archived, body) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT (kind, id) DO UPDATE SET unique_key = excluded.unique_key, \
             revision = excluded.revision, archived = excluded.archived, body = excluded.body",
            &[
                key.kind.as_str().into(),
                key.id.into(),
                owner(entity).into(),
                Value::MaybeText(parent.map(|parent| parent.kind.as_str())),
                Value::MaybeInt(parent.and_then(|parent| i64::try_from(parent.id).ok())),
                Value::MaybeText(unique.as_deref()),
                revision.0.into(),
                i64::from(entity.header().archived).into(),
                body.as_str().into(),
            ],
        )
        .await?;
    changes::append(session, revision, &body).await?;
    Ok(revision)
}

/// The whole catalog, in the session's one moment.
pub(crate) async fn snapshot(session: &mut dyn Session) -> Result<Catalog, StoreError> {
    const PAGE: i64 = 1_000;
    let mut catalog =
        Catalog { revision: Revision(counter(session, "revision").await?), ..Catalog::default() };
    for kind in EntityKind::ALL {
        let mut after = 0;
        loop {
            let rows = session
                .rows(
                    "SELECT body, id FROM entities WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3",
                    &[kind.as_str().into(), after.into(), PAGE.into()],
                )
                .await?;
            let Some(last) = rows.last() else { break };
            after = last.int(1)?;
            for row in &rows {
                let entity = body(row, 0)?;
                catalog.entities.insert_mut(entity.key(), entity);
            }
        }
    }
    Ok(catalog)
}

/// The change that a body describes.
pub(super) fn change(row: &Row) -> Result<Change, StoreError> {
    Ok(Change { revision: Revision(row.count(0)?), entity: body(row, 1)? })
}

/// The entity in a column.
fn body(row: &Row, column: usize) -> Result<Entity, StoreError> {
    parse(row.text(column)?)
}

/// An entity from its JSON.
pub(super) fn parse(body: &str) -> Result<Entity, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Corrupt {
        what: format!("entity {:?}", body.chars().take(60).collect::<String>()),
        problem: error.to_string(),
    })
}

/// An entity as JSON.
pub(super) fn json(entity: &Entity) -> Result<String, StoreError> {
    serde_json::to_string(entity)
        .map_err(|error| StoreError::Corrupt { what: entity.key().to_string(), problem: error.to_string() })
}

fn owner(entity: &Entity) -> u64 {
    entity.owner().map_or(0, |owner| owner.0)
}
