//! Entities as they are now, and the counters.

use tagbid_catalog::{Catalog, Change, Dataset, Entity, EntityKey, EntityKind};
use tagbid_types::{AdvertiserId, CatalogLife, Revision, TagId, Timestamp};

use super::{Row, Session, StoreError, Value, changes};

/// Which entities a list wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter {
    pub(crate) kind: EntityKind,
    /// Only of this owner; none: of all.
    pub(crate) owner: Option<AdvertiserId>,
    /// Also datasets and tags that others share with that owner.
    pub(crate) shared: bool,
    /// Only below this parent (a line item's campaign, a tag's dataset).
    pub(crate) parent: Option<EntityKey>,
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
         AND ($4 IS NULL OR (parent = $4 AND parent_kind = $5)) ORDER BY id LIMIT $6";
    const OWNED: &str = "SELECT body FROM entities WHERE kind = $1 AND id > $2 AND archived <= $3 \
         AND ($4 IS NULL OR (parent = $4 AND parent_kind = $5)) AND owner = $7 ORDER BY id LIMIT $6";
    const OPEN: &str = "SELECT body FROM entities WHERE kind = $1 AND id > $2 AND archived <= $3 \
         AND ($4 IS NULL OR (parent = $4 AND parent_kind = $5)) AND (owner = $7 \
           OR (kind = 'tag_definition' AND owner = 0 AND parent IS NULL) \
           OR (kind = 'dataset' AND id IN (SELECT dataset FROM grants WHERE advertiser IN (0, $7))) \
           OR (parent_kind = 'dataset' AND parent IN (SELECT dataset FROM grants WHERE advertiser IN (0, $7)))) \
         ORDER BY id LIMIT $6";
    let mut values = vec![
        filter.kind.as_str().into(),
        filter.after.into(),
        i64::from(filter.archived).into(),
        Value::MaybeInt(filter.parent.and_then(|parent| i64::try_from(parent.id).ok())),
        Value::MaybeText(filter.parent.map(|parent| parent.kind.as_str())),
        i64::from(filter.limit).into(),
    ];
    let sql = match (filter.owner, filter.shared) {
        (None, _) => ALL,
        (Some(_), false) => OWNED,
        (Some(_), true) => OPEN,
    };
    values.extend(filter.owner.map(|owner| Value::from(owner.0)));
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

/// Gives out no id of a tag up to this one.
pub(crate) async fn skip_tags(session: &mut dyn Session, up_to: TagId) -> Result<(), StoreError> {
    let next = u64::from(up_to.0) + 1;
    let raise = "UPDATE meta SET value = $1 WHERE name = 'next_tag_definition' AND value < $1";
    session.execute(raise, &[next.into()]).await.map(drop)
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
    if let Entity::Dataset(dataset) = entity {
        grant(session, dataset).await?;
    }
    Ok(revision)
}

/// Notes to whom a dataset is open, for lists.
async fn grant(session: &mut dyn Session, dataset: &Dataset) -> Result<(), StoreError> {
    let id = u64::from(dataset.id.0);
    session.execute("DELETE FROM grants WHERE dataset = $1", &[id.into()]).await?;
    let everybody = dataset.advertiser.is_none() && dataset.grants.is_empty();
    let everybody = everybody.then_some(AdvertiserId(0));
    for advertiser in dataset.grants.iter().copied().chain(everybody) {
        let insert = "INSERT INTO grants (dataset, advertiser) VALUES ($1, $2)";
        session.execute(insert, &[id.into(), advertiser.0.into()]).await?;
    }
    Ok(())
}

/// The database's number.
pub(crate) async fn life(session: &mut dyn Session) -> Result<CatalogLife, StoreError> {
    counter(session, "life").await.map(CatalogLife)
}

/// The whole catalog, in the session's one moment.
pub(crate) async fn snapshot(session: &mut dyn Session) -> Result<Catalog, StoreError> {
    const PAGE: i64 = 1_000;
    let mut catalog = Catalog {
        life: life(session).await?,
        revision: Revision(counter(session, "revision").await?),
        ..Catalog::default()
    };
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
                // Nothing is ever deleted, so the entity that changed last is among them.
                if entity.header().revision == catalog.revision {
                    catalog.changed = entity.header().updated;
                }
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
pub(crate) fn parse(body: &str) -> Result<Entity, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Corrupt {
        what: format!("entity {:?}", body.chars().take(60).collect::<String>()),
        problem: error.to_string(),
    })
}

/// An entity as JSON.
pub(crate) fn json(entity: &Entity) -> Result<String, StoreError> {
    serde_json::to_string(entity)
        .map_err(|error| StoreError::Corrupt { what: entity.key().to_string(), problem: error.to_string() })
}

pub(super) fn owner(entity: &Entity) -> u64 {
    entity.owner().map_or(0, |owner| owner.0)
}
