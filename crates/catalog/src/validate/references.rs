//! What an entity refers to: it must exist, be live, be of the right kind, and belong to the same advertiser or to the
//! operator who shares it. What belongs to somebody else is answered like what does not exist.

use std::collections::BTreeSet;

use tagbid_targeting::{Dimension, Expr, Leaf};
use tagbid_types::{AdvertiserId, ExchangeName, ListId, TagId};

use crate::{Entity, EntityKey, LineItem, ListKind, Report, TagDefinition};

/// What the caller knows of other entities: for the store, what it loaded in the same transaction.
pub trait References {
    /// The entity of that key.
    fn entity(&self, key: EntityKey) -> Option<&Entity>;
}

/// Everything that the entity refers to, for loading; keys may repeat. Whether a tag may be used is its dataset's word, so
/// the parents of the tags have to be loaded too.
pub fn references_of(entity: &Entity) -> Vec<EntityKey> {
    let mut keys: Vec<EntityKey> = entity.parent().into_iter().collect();
    keys.extend(entity.owner().map(EntityKey::from));
    if let Entity::Advertiser(advertiser) = entity {
        keys.extend(advertiser.never_contact.iter().map(|id| EntityKey::from(*id)));
    }
    if let Entity::LineItem(item) = entity {
        keys.extend(item.creatives.iter().map(|id| EntityKey::from(*id)));
        keys_of(&item.targeting, &mut keys);
        for multiplier in &item.bid.multipliers {
            keys_of_leaf(&multiplier.when, &mut keys);
        }
    }
    keys
}

/// Everything that a targeting expression of this advertiser refers to, the advertiser included; as for
/// [`references_of`].
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
    /// Of the same owner.
    fn get(&self, key: EntityKey) -> Option<&Entity> {
        self.known.entity(key).filter(|entity| entity.owner() == self.owner)
    }

    /// A live tag of a live dataset that is open to the owner: its own, the operator's, or granted.
    fn open_tag(&self, id: TagId) -> Option<&TagDefinition> {
        let Some(Entity::Tag(tag)) = self.known.entity(id.into()) else {
            return None;
        };
        let dataset = match tag.dataset.and_then(|id| self.known.entity(id.into())) {
            Some(Entity::Dataset(dataset)) => Some(dataset.as_ref()),
            _ => None,
        };
        let live = !tag.header.archived && dataset.is_none_or(|dataset| !dataset.header.archived);
        Some(tag.as_ref())
            .filter(|tag| live && self.owner.is_some_and(|owner| tag.is_open_to(owner, dataset)))
    }

    /// The owner itself.
    pub(super) fn check_owner(&self, report: &mut Report) {
        match self.owner.and_then(|id| self.get(id.into())) {
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

    /// The dataset that a tag is to be in. It says who the owner is, so an unknown owner is an unknown dataset.
    pub(super) fn check_tag(&self, tag: &TagDefinition, report: &mut Report) {
        if let Some(dataset) = tag.dataset {
            self.check_one("dataset_id", dataset.into(), report);
        }
    }

    fn check_one(&self, field: &str, key: EntityKey, report: &mut Report) {
        match self.get(key) {
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
        let Entity::List(list) = self.get(id.into()).filter(|list| !list.header().archived)? else {
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
        self.open_tag(id).is_some()
    }

    fn exchange(&self, name: &str) -> bool {
        self.exchanges.is_none_or(|known| known.iter().any(|one| one.as_str() == name))
    }
}
