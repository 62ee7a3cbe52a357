//! The catalog as one totally ordered sequence of changes.

use serde::{Deserialize, Serialize};
use tagbid_types::{CatalogLife, Revision, TagId, Timestamp};

use crate::{Entity, EntityKey, EntityKind};

/// One change: the entity as it is from this revision on. Archiving is a change like any other; nothing is ever
/// deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its place in the order; revisions have no gaps.
    pub revision: Revision,
    /// The entity after the change.
    pub entity: Entity,
}

/// Entities in the order of their keys. A clone shares all of it, and a change costs the path to one entity: a reader
/// keeps the catalog that it works on while the next changes come in, thousands a second if need be.
pub type Entities = rpds::RedBlackTreeMapSync<EntityKey, Entity>;

/// Where a reader is in the order of changes, so exactly that a source can tell whether the reader followed this catalog or
/// another: the database may have been replaced, or restored from a backup and changed since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The database.
    pub life: CatalogLife,
    /// The last change; zero: nothing was read.
    pub revision: Revision,
    /// The moment of that change. A database that was restored from before it gives the revision to another change, at
    /// another moment.
    pub changed: Timestamp,
    /// The highest id of a tag that the reader has heard of; zero: it says nothing. A database that was restored from
    /// before that id gives it to no other tag once it was told.
    pub newest_tag: TagId,
}

impl Place {
    /// This change's place in a catalog.
    pub fn of(life: CatalogLife, change: &Change) -> Self {
        let changed = change.entity.header().updated;
        Self { life, revision: change.revision, changed, newest_tag: TagId(0) }
    }

    /// Whether nothing happened between the two.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.life, self.revision, self.changed) == (other.life, other.revision, other.changed)
    }
}

/// The catalog at a revision. Clones share the entities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// The database that it comes from.
    #[serde(default)]
    pub life: CatalogLife,
    /// The moment of the last change.
    #[serde(default)]
    pub changed: Timestamp,
    /// The last change that is in it.
    pub revision: Revision,
    /// Entities by kind and id, archived ones included.
    #[serde(with = "entity_list")]
    pub entities: Entities,
}

impl Catalog {
    /// Where a reader is that has it.
    pub fn place(&self) -> Place {
        // Keys are ordered by kind, and tags are the last one.
        let last = self.entities.last().filter(|(key, _)| key.kind == EntityKind::Tag);
        let newest_tag = last.and_then(|(key, _)| u32::try_from(key.id).ok()).unwrap_or(0);
        Place {
            life: self.life,
            revision: self.revision,
            changed: self.changed,
            newest_tag: TagId(newest_tag),
        }
    }

    /// Applies the next change. False, and nothing changed, when it is not the next one: the reader has a gap and
    /// needs a snapshot. A change that is already in is skipped, so a resumed stream may overlap.
    #[must_use]
    pub fn apply(&mut self, change: Change) -> bool {
        if change.revision <= self.revision {
            return true;
        }
        if change.revision.0 != self.revision.0 + 1 {
            return false;
        }
        self.revision = change.revision;
        self.changed = change.entity.header().updated;
        self.entities.insert_mut(change.entity.key(), change.entity);
        true
    }
}

/// JSON wants text as map keys; a list of entities carries the same.
mod entity_list {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Entities, Entity};

    pub(super) fn serialize<S: Serializer>(map: &Entities, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(map.values())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Entities, D::Error> {
        let entities = Vec::<Entity>::deserialize(from)?;
        Ok(entities.into_iter().map(|entity| (entity.key(), entity)).collect())
    }
}
