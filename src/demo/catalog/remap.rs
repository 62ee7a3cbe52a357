//! From the plan's ids to those that a store gave out.

use std::collections::HashMap;
use std::sync::Arc;

use tagbid_catalog::{Entity, EntityKey, EntityKind};
use tagbid_targeting::{Expr, Leaf};
use tagbid_types::{AdvertiserId, CampaignId, CreativeId, ListId, TagId};

/// The store's id of each entity of the plan that is stored already.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids(HashMap<EntityKey, u64>);

impl Ids {
    /// Notes where an entity of the plan went.
    pub(crate) fn learn(&mut self, planned: EntityKey, stored: u64) {
        self.0.insert(planned, stored);
    }

    /// The store's id; what is not stored keeps its own.
    fn get(&self, planned: EntityKey) -> u64 {
        self.0.get(&planned).copied().unwrap_or(planned.id)
    }

    /// The store's id of a tag.
    pub(crate) fn tag(&self, planned: TagId) -> TagId {
        TagId(u32::try_from(self.get(planned.into())).unwrap_or(planned.0))
    }

    /// The store's id of an advertiser.
    pub(crate) fn advertiser(&self, planned: AdvertiserId) -> AdvertiserId {
        AdvertiserId(self.get(planned.into()))
    }

    /// The store's id of a dataset, as a plain number.
    pub(crate) fn dataset(&self, planned: tagbid_types::DatasetId) -> tagbid_types::DatasetId {
        tagbid_types::DatasetId(u32::try_from(self.get(planned.into())).unwrap_or(planned.0))
    }
}

/// The entity with every reference turned into the store's ids.
pub(crate) fn renumbered(entity: &Entity, ids: &Ids) -> Entity {
    let mut entity = entity.clone();
    if let Some(owner) = entity.owner().filter(|_| entity.kind() != EntityKind::Advertiser) {
        entity.set_owner(ids.advertiser(owner));
    }
    if let Entity::Tag(tag) = &mut entity {
        let tag = Arc::make_mut(tag);
        tag.dataset = tag.dataset.map(|dataset| ids.dataset(dataset));
    }
    if let Entity::LineItem(item) = &mut entity {
        let item = Arc::make_mut(item);
        item.campaign = CampaignId(ids.get(item.campaign.into()));
        for creative in &mut item.creatives {
            *creative = CreativeId(ids.get((*creative).into()));
        }
        expr(&mut item.targeting, ids);
        item.bid.multipliers.iter_mut().for_each(|multiplier| leaf(&mut multiplier.when, ids));
    }
    entity
}

fn expr(part: &mut Expr, ids: &Ids) {
    match part {
        Expr::All(parts) | Expr::Any(parts) => parts.iter_mut().for_each(|part| expr(part, ids)),
        Expr::Not(part) => expr(part, ids),
        Expr::Leaf(test) => leaf(test, ids),
    }
}

fn leaf(test: &mut Leaf, ids: &Ids) {
    match test {
        Leaf::Tag(test) => test.any_of.iter_mut().for_each(|tag| *tag = ids.tag(*tag)),
        Leaf::OnList { list, .. } => *list = ListId(ids.get((*list).into())),
        Leaf::In { .. } | Leaf::Present(_) | Leaf::OsVersion(_) | Leaf::Near(_) | Leaf::Hour(_) => {}
    }
}
