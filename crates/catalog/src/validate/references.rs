//! What an entity refers to: it must exist, be live, be of the right kind, and belong to the same advertiser or to the
//! operator who shares it. What belongs to somebody else is answered like what does not exist.

use std::collections::BTreeSet;

use tagbid_targeting::{Dimension, Expr, Leaf};
use tagbid_types::{AdvertiserId, ExchangeName, ListId, TagId};

use crate::{Entity, EntityKey, LineItem, ListKind, Report};

/// What the caller knows of other entities: for the store, what it loaded in the same transaction.
pub trait References {
    /// The entity of that key.
    fn entity(&self, key: EntityKey) -> Option<&Entity>;
}

/// Everything that the entity refers to, for loading; keys may repeat.
pub fn references_of(entity: &Entity) -> Vec<EntityKey> {
    let mut keys: Vec<EntityKey> = entity.parent().into_iter().collect();
    keys.extend(entity.owner().map(EntityKey::from));
    if let Entity::LineItem(item) = entity {
        keys.extend(item.creatives.iter().map(|id| EntityKey::from(*id)));
        keys_of(&item.targeting, &mut keys);
        for multiplier in &item.bid.multipliers {
            keys_of_leaf(&multiplier.when, &mut keys);
        }
    }
    keys
}

/// Everything that a targeting expression of this advertiser refers to, the advertiser included.
pub fn references_of_targeting(targeting: &Expr, owner: AdvertiserId) -> Vec<EntityKey> {
    let mut keys = vec![owner.into()];
    keys_of(targeting, &mut keys);
    keys
}

fn keys_of(expr: &Expr, keys: &mut Vec<EntityKey>) {
    match expr {
        Expr::All(parts) | Expr::Any(parts) => parts.iter().for_each(|part| keys_of(part, keys)),
        Expr::Not(part) => keys_of(part, keys),
        Expr::Leaf(leaf) => keys_of_leaf(leaf, keys),
    }
}

fn keys_of_leaf(leaf: &Leaf, keys: &mut Vec<EntityKey>) {
    match leaf {
        Leaf::Tag(test) => keys.extend(test.any_of.iter().map(|id| EntityKey::from(*id))),
        Leaf::OnList { list, .. } => keys.push((*list).into()),
        Leaf::In { .. } | Leaf::Present(_) | Leaf::OsVersion(_) | Leaf::Near(_) | Leaf::Hour(_) => {}
    }
}

/// The entities that things of this owner may refer to.
pub(super) struct Usable<'a> {
    pub(super) known: &'a dyn References,
    pub(super) owner: Option<AdvertiserId>,
    /// Those that the operator has configured; none: any name will do.
    pub(super) exchanges: Option<&'a BTreeSet<ExchangeName>>,
}

impl Usable<'_> {
    fn get(&self, key: EntityKey, shared: bool) -> Option<&Entity> {
        self.known.entity(key).filter(|entity| match entity.owner() {
            None => shared,
            owner => owner == self.owner,
        })
    }

    fn live(&self, key: EntityKey, shared: bool) -> Option<&Entity> {
        self.get(key, shared).filter(|entity| !entity.header().archived)
    }

    /// The owner itself.
    pub(super) fn check_owner(&self, report: &mut Report) {
        match self.owner.and_then(|id| self.get(id.into(), false)) {
            Some(owner) if !owner.header().archived => {}
            Some(_) => report.problem("advertiser_id", "is archived", "use a live advertiser"),
            None => report.problem(
                "advertiser_id",
                "there is no such advertiser",
                "use the id of your advertiser",
            ),
        }
    }

    /// The campaign and the creatives of a line item; lists and tags are looked up on the walk through its rules.
    pub(super) fn check_line_item(&self, item: &LineItem, report: &mut Report) {
        self.check_one("campaign_id", item.campaign.into(), report);
        for (position, id) in item.creatives.iter().enumerate() {
            self.check_one(&format!("creative_ids[{position}]"), (*id).into(), report);
        }
    }

    fn check_one(&self, field: &str, key: EntityKey, report: &mut Report) {
        match self.get(key, false) {
            Some(entity) if !entity.header().archived => {}
            Some(_) => report.problem(field, format!("{key} is archived"), "use one that is live"),
            None => report.problem(
                field,
                format!("there is no {key}"),
                format!("use a {} of this advertiser", key.kind),
            ),
        }
    }
}

impl tagbid_targeting::References for Usable<'_> {
    fn list(&self, id: ListId) -> Option<Dimension> {
        let Entity::List(list) = self.live(id.into(), false)? else {
            return None;
        };
        Some(match list.kind {
            ListKind::Site => Dimension::Site,
            ListKind::App => Dimension::App,
            ListKind::Domain => Dimension::Domain,
            ListKind::Publisher => Dimension::Publisher,
        })
    }

    fn tag(&self, id: TagId) -> bool {
        self.live(id.into(), true).is_some()
    }

    fn exchange(&self, name: &str) -> bool {
        self.exchanges.is_none_or(|known| known.iter().any(|one| one.as_str() == name))
    }
}
