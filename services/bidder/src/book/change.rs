//! From one book to the next, in time that grows with what changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use tagbid_catalog::validate::references_of;
use tagbid_catalog::{Catalog, Entity, EntityKey, EntityKind, LineItem};
use tagbid_pricing::Fx;
use tagbid_targeting::Slot;
use tagbid_types::{LineItemId, Timestamp};

use super::build::{compiled, deals, entry, line_items, lists, warn_refused};
use super::{Book, Place};

impl Book {
    /// The book after these entities became what they are in `catalog`, live as of `now`; and when the live set has to
    /// be brought up to the clock on their account.
    pub(crate) fn with(
        &self,
        catalog: &Arc<Catalog>,
        changed: &BTreeSet<EntityKey>,
        fx: &Fx,
        now: Timestamp,
    ) -> (Self, Option<Timestamp>) {
        let mut book = Self { catalog: Arc::clone(catalog), ..self.clone() };
        let (mut present, mut gone) = (Vec::new(), Vec::new());
        for item in affected(catalog, changed) {
            match entry(catalog, item) {
                Ok(entry) => present.push(book.put(item.id, entry)),
                Err(_) => gone.extend(book.remove(item.id)),
            }
        }
        let lists = lists(catalog);
        let items =
            present.iter().filter_map(|slot| compiled(*slot, book.entry(*slot)?, fx)).collect::<Vec<_>>();
        // What is in no currency that we know is found no more, but stays in the book to be explained.
        let searched: BTreeSet<Slot> = items.iter().map(|item| item.slot).collect();
        gone.extend(present.iter().filter(|slot| !searched.contains(slot)));
        let (engine, refused) = self.engine.with(items, &gone, &lists);
        warn_refused(&refused, &book);
        book.engine = engine;
        book.live = self.live.detached(book.places());
        if changed.iter().any(|key| key.kind == EntityKind::Deal) {
            book.deals = Arc::new(deals(catalog));
        }
        let next = book.refresh_slots(present.into_iter(), now);
        (book, next)
    }

    /// Its old place, or a new one.
    fn put(&mut self, id: LineItemId, entry: super::Entry) -> Slot {
        let place = Place { kit: self.kits.of(&entry.creatives), entry: Arc::new(entry) };
        if let Some(slot) = self.slots.get(&id).copied() {
            self.places.set(slot.0 as usize, place);
            return slot;
        }
        let slot = Slot(self.places());
        self.places.push(place);
        self.slots.insert_mut(id, slot);
        slot
    }

    fn remove(&mut self, id: LineItemId) -> Option<Slot> {
        let slot = self.slots.get(&id).copied();
        self.slots.remove_mut(&id);
        slot
    }
}

/// The line items that are themselves among the changed entities, or refer to one that is. Archived ones too.
fn affected<'c>(catalog: &'c Catalog, changed: &BTreeSet<EntityKey>) -> Vec<&'c Arc<LineItem>> {
    // Deals are looked up at the auction, tags and datasets by their number.
    let referred = |key: &EntityKey| {
        !matches!(key.kind, EntityKind::LineItem | EntityKind::Deal | EntityKind::Tag | EntityKind::Dataset)
    };
    if changed.iter().any(referred) {
        let refers = |item: &Arc<LineItem>| {
            changed.contains(&EntityKey::from(item.id))
                || references_of(&Entity::LineItem(Arc::clone(item))).iter().any(|key| changed.contains(key))
        };
        return line_items(catalog).filter(|item| refers(item)).collect();
    }
    let own = changed.iter().filter(|key| key.kind == EntityKind::LineItem);
    own.filter_map(|key| match catalog.entities.get(key)? {
        Entity::LineItem(item) => Some(item),
        _ => None,
    })
    .collect()
}
