//! The catalog as one totally ordered sequence of changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tagbid_types::Revision;

use crate::{Advertiser, Campaign, Creative, Dataset, Deal, LineItem, List, TagDefinition};

/// Any entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum Entity {
    /// An advertiser.
    Advertiser(Arc<Advertiser>),
    /// A campaign.
    Campaign(Arc<Campaign>),
    /// A line item.
    LineItem(Arc<LineItem>),
    /// A creative.
    Creative(Arc<Creative>),
    /// A deal.
    Deal(Arc<Deal>),
    /// A shared list.
    List(Arc<List>),
    /// A dataset.
    Dataset(Arc<Dataset>),
    /// A tag.
    Tag(Arc<TagDefinition>),
}

/// The kinds of entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// [`Advertiser`].
    Advertiser,
    /// [`Campaign`].
    Campaign,
    /// [`LineItem`].
    LineItem,
    /// [`Creative`].
    Creative,
    /// [`Deal`].
    Deal,
    /// [`List`].
    List,
    /// [`Dataset`].
    Dataset,
    /// [`TagDefinition`].
    Tag,
}

/// Identity of an entity across kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityKey {
    /// Its kind.
    pub kind: EntityKind,
    /// Its id within the kind.
    pub id: u64,
}

/// One change: the entity as it is from this revision on. Archiving is a change like any other; nothing is ever
/// deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its place in the order; revisions have no gaps.
    pub revision: Revision,
    /// The entity after the change.
    pub entity: Entity,
}

impl Entity {
    /// Kind and id.
    pub fn key(&self) -> EntityKey {
        let (kind, id) = match self {
            Self::Advertiser(e) => (EntityKind::Advertiser, e.id.0),
            Self::Campaign(e) => (EntityKind::Campaign, e.id.0),
            Self::LineItem(e) => (EntityKind::LineItem, e.id.0),
            Self::Creative(e) => (EntityKind::Creative, e.id.0),
            Self::Deal(e) => (EntityKind::Deal, e.id.0),
            Self::List(e) => (EntityKind::List, e.id.0),
            Self::Dataset(e) => (EntityKind::Dataset, e.id.0.into()),
            Self::Tag(e) => (EntityKind::Tag, e.id.0.into()),
        };
        EntityKey { kind, id }
    }
}

/// The catalog at a revision. Clones share the entities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// The last change that is in it.
    pub revision: Revision,
    /// Entities by kind and id, archived ones included.
    #[serde(with = "entity_list")]
    pub entities: BTreeMap<EntityKey, Entity>,
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
        self.entities.insert(change.entity.key(), change.entity);
        true
    }
}

/// JSON wants text as map keys; a list of entities carries the same.
mod entity_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Entity, EntityKey};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<EntityKey, Entity>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(map.values())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<EntityKey, Entity>, D::Error> {
        let entities = Vec::<Entity>::deserialize(from)?;
        Ok(entities
            .into_iter()
            .map(|entity| (entity.key(), entity))
            .collect())
    }
}
