//! The messages that stand for entities, as one kind of thing: what the API does with one it does with all.

use std::sync::Arc;

use prost::Message;
use tagbid_catalog::{Entity, EntityKind, Report};

use super::{creative, dataset, entities, line_item};
use crate::pb::campaigns as pb;

/// A message that stands for an entity.
pub trait Resource: Message + Default + Clone + PartialEq {
    /// What it stands for.
    const KIND: EntityKind;
    /// Its full name in the descriptors.
    const NAME: &'static str;
    /// Fields besides `id` and `metadata` that are set on creation and never change.
    const IMMUTABLE: &'static [&'static str];

    /// The entity's id.
    fn id(&self) -> u64;

    /// Reads it. None, and problems noted, when something without a harmless stand-in is missing.
    fn read(&self, report: &mut Report) -> Option<Entity>;

    /// Writes it; none when the entity is of another kind.
    fn write(entity: &Entity) -> Option<Self>;
}

macro_rules! resource {
    ($name:ident, $kind:ident, $immutable:expr, $read:expr, $write:expr) => {
        impl Resource for pb::$name {
            const KIND: EntityKind = EntityKind::$kind;
            const NAME: &'static str = concat!("tagbid.campaigns.v1.", stringify!($name));
            const IMMUTABLE: &'static [&'static str] = $immutable;

            fn id(&self) -> u64 {
                self.id.into()
            }

            fn read(&self, report: &mut Report) -> Option<Entity> {
                let read: fn(&Self, &mut Report) -> Option<_> = $read;
                Some(Entity::$kind(Arc::new(read(self, report)?)))
            }

            fn write(entity: &Entity) -> Option<Self> {
                match entity {
                    Entity::$kind(e) => Some($write(e)),
                    _ => None,
                }
            }
        }
    };
}

resource!(
    Advertiser,
    Advertiser,
    &["currency", "time_zone"],
    |e, r| Some(entities::advertiser_from(e, r)),
    entities::advertiser_to
);
resource!(
    Campaign,
    Campaign,
    &["advertiser_id"],
    |e, r| Some(entities::campaign_from(e, r)),
    entities::campaign_to
);
resource!(
    LineItem,
    LineItem,
    &["advertiser_id", "campaign_id"],
    |e, r| Some(line_item::line_item_from(e, r)),
    line_item::line_item_to
);
resource!(Creative, Creative, &["advertiser_id"], creative::creative_from, creative::creative_to);
resource!(Deal, Deal, &["advertiser_id"], entities::deal_from, entities::deal_to);
resource!(List, List, &["advertiser_id", "kind"], |e, r| Some(entities::list_from(e, r)), entities::list_to);
resource!(
    Dataset,
    Dataset,
    &["advertiser_id", "kind"],
    |e, r| Some(dataset::dataset_from(e, r)),
    dataset::dataset_to
);
resource!(
    TagDefinition,
    Tag,
    &["advertiser_id", "dataset_id"],
    |e, _| Some(dataset::tag_from(e)),
    dataset::tag_to
);
