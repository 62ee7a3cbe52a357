//! The catalog as one totally ordered sequence of changes.

use serde::{Deserialize, Serialize};
use tagbid_types::Revision;

use crate::{Entity, EntityKey};

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

/// The catalog at a revision. Clones share the entities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// The last change that is in it.
    pub revision: Revision,
    /// Entities by kind and id, archived ones included.
    #[serde(with = "entity_list")]
    pub entities: Entities,
}

impl Catalog {
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
