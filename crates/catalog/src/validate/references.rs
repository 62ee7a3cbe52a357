//! What an entity refers to: it must exist, be live, be of the right kind, and belong to the same advertiser or to the
//! operator who shares it.

use tagbid_targeting::{Dimension, Leaf};
use tagbid_types::AdvertiserId;

use super::line_item::leaves;
use crate::{Entity, EntityKey, LineItem, List, ListKind, Report};

/// What the caller knows of other entities: for the store, a map loaded in the same transaction.
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
        each_leaf(item, &mut |_, leaf| keys.extend(keys_of(leaf)));
    }
    keys
}

/// Checks what the entity refers to.
pub fn check_references(entity: &Entity, known: &dyn References, report: &mut Report) {
    let checker = Checker {
        known,
        owner: entity.owner(),
    };
    match entity {
        Entity::Advertiser(_) => {}
        Entity::LineItem(item) => checker.line_item(item, report),
        Entity::Campaign(_) | Entity::Creative(_) | Entity::Deal(_) | Entity::List(_) => {
            checker.owner(report);
        }
        Entity::Dataset(_) | Entity::Tag(_) => {
            if entity.owner().is_some() {
                checker.owner(report);
            }
        }
    }
}

struct Checker<'a> {
    known: &'a dyn References,
    owner: Option<AdvertiserId>,
}

impl Checker<'_> {
    fn owner(&self, report: &mut Report) {
        let found = self.owner.and_then(|id| self.known.entity(id.into()));
        match found {
            Some(owner) if !owner.header().archived => {}
            Some(_) => report.problem("advertiser_id", "is archived", "use a live advertiser"),
            None => report.problem(
                "advertiser_id",
                "there is no such advertiser",
                "use the id of your advertiser",
            ),
        }
    }

    fn line_item(&self, item: &LineItem, report: &mut Report) {
        self.one("campaign_id", item.campaign.into(), false, report);
        for (position, id) in item.creatives.iter().enumerate() {
            let field = format!("creative_ids[{position}]");
            self.one(&field, (*id).into(), false, report);
        }
        each_leaf(item, &mut |path, leaf| self.leaf(path, leaf, report));
    }

    fn leaf(&self, path: &str, leaf: &Leaf, report: &mut Report) {
        match leaf {
            Leaf::Tag(test) => {
                for (position, id) in test.any_of.iter().enumerate() {
                    let field = format!("{path}.tag.any_of_tag_ids[{position}]");
                    self.one(&field, (*id).into(), true, report);
                }
            }
            Leaf::OnList { dimension, list } => {
                let field = format!("{path}.on_list.list_id");
                let found = self.one(&field, (*list).into(), false, report);
                if let Some(Entity::List(list)) = found {
                    list_fits(&format!("{path}.on_list.dimension"), *dimension, list, report);
                }
            }
            Leaf::In { .. } | Leaf::Present(_) | Leaf::OsVersion(_) | Leaf::Near(_) | Leaf::Hour(_) => {}
        }
    }

    /// Finds one entity; somebody else's is answered like none at all.
    fn one(&self, field: &str, key: EntityKey, shared: bool, report: &mut Report) -> Option<&Entity> {
        let usable = |entity: &&Entity| match entity.owner() {
            None => shared,
            owner => owner == self.owner,
        };
        let Some(entity) = self.known.entity(key).filter(usable) else {
            report.problem(
                field,
                format!("there is no {key}"),
                format!("use a {} of this advertiser", key.kind),
            );
            return None;
        };
        if entity.header().archived {
            report.problem(field, format!("{key} is archived"), "use one that is live");
        }
        Some(entity)
    }
}

fn list_fits(field: &str, dimension: Dimension, list: &List, report: &mut Report) {
    let wanted = match list.kind {
        ListKind::Site => Dimension::Site,
        ListKind::App => Dimension::App,
        ListKind::Domain => Dimension::Domain,
        ListKind::Publisher => Dimension::Publisher,
    };
    if dimension != wanted {
        let problem = format!("list {} holds values of {}", list.id, wanted.as_str());
        report.problem(field, problem, format!("use {} with this list", wanted.as_str()));
    }
}

fn each_leaf<'e>(item: &'e LineItem, visit: &mut dyn FnMut(&str, &'e Leaf)) {
    leaves(&item.targeting, "targeting", visit);
    for (position, multiplier) in item.bid.multipliers.iter().enumerate() {
        visit(&format!("bid.multipliers[{position}].when"), &multiplier.when);
    }
}

fn keys_of(leaf: &Leaf) -> Vec<EntityKey> {
    match leaf {
        Leaf::Tag(test) => test.any_of.iter().map(|id| (*id).into()).collect(),
        Leaf::OnList { list, .. } => vec![(*list).into()],
        Leaf::In { .. } | Leaf::Present(_) | Leaf::OsVersion(_) | Leaf::Near(_) | Leaf::Hour(_) => Vec::new(),
    }
}
