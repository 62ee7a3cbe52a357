//! What the demo advertises: example companies with campaigns, creatives, deals, lists, tags, and line items that use
//! every kind of targeting. Taken from the vocabulary of the simulated [`World`], so that line items and requests
//! really meet. The same for the same number of line items, on every machine.

mod audience;
mod creatives;
mod inventory;
mod line_items;
mod money;
mod playbook;
mod remap;
mod spending;
mod traders;
mod words;

use std::sync::Arc;

use tagbid_catalog::{Entity, EntityKind};
use tagbid_exchange::world::World;

pub(crate) use audience::{
    Audience, READING_HALF_LIFE_S, VISIT_HALF_LIFE_S, customer, intent, interest, reading, visitor,
};
pub(crate) use creatives::BILLBOARD;
pub(crate) use playbook::IN_MARKET;
pub(crate) use remap::{Ids, renumbered};
pub(crate) use spending::Spending;
pub(crate) use traders::TRADERS;

/// The exchange's name in the bid URL.
pub(crate) const DEMO_EXCHANGE: &str = "demo";

/// Line items of the demo: every play of every company once.
pub(crate) const LINE_ITEMS: usize = playbook::PLAYS.len() * TRADERS.len();

/// Entities with ids of their own, from 1 for each kind. References among them use these ids; a store that gives out
/// others renumbers as it goes ([`renumbered`]).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// Ordered so that each refers only to entities of earlier [`Plan::STAGES`].
    pub(crate) entities: Vec<Entity>,
}

impl Plan {
    /// Kinds in the order of their references: entities of a stage refer only to those of stages before.
    pub(crate) const STAGES: [&[EntityKind]; 4] = [
        &[EntityKind::Advertiser],
        &[EntityKind::Dataset],
        &[EntityKind::Tag, EntityKind::Campaign, EntityKind::Creative, EntityKind::Deal, EntityKind::List],
        &[EntityKind::LineItem],
    ];

    /// The entities of one stage.
    pub(crate) fn stage<'p>(&'p self, kinds: &'static [EntityKind]) -> impl Iterator<Item = &'p Entity> {
        self.entities.iter().filter(move |entity| kinds.contains(&entity.kind()))
    }
}

/// The catalogue with so many line items; all else stays the same. The first [`LINE_ITEMS`] play each play of the
/// book once for each company, later ones again with other markets, topics and prices.
pub(crate) fn catalog(world: &World, line_items: usize, spending: Spending) -> Plan {
    let mut entities: Vec<Entity> = Vec::new();
    entities.extend(traders::advertisers().map(|one| Entity::Advertiser(Arc::new(one))));
    entities.extend(audience::datasets().map(|one| Entity::Dataset(Arc::new(one))));
    entities.extend(audience::tags().into_iter().map(|one| Entity::Tag(Arc::new(one))));
    entities.extend(traders::campaigns().map(|one| Entity::Campaign(Arc::new(one))));
    entities.extend(creatives::creatives().map(|one| Entity::Creative(Arc::new(one))));
    entities.extend(inventory::deals(world).map(|one| Entity::Deal(Arc::new(one))));
    entities.extend(inventory::lists(world).map(|one| Entity::List(Arc::new(one))));
    entities.extend(line_items::line_items(world, line_items).map(|one| Entity::LineItem(Arc::new(one))));
    Plan { entities: entities.into_iter().map(|entity| spending.apply(entity)).collect() }
}

#[cfg(test)]
mod tests;
