//! From one book to the next, in time that grows with what changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use tagbid_catalog::{Catalog, Entity, EntityKey, EntityKind, LineItem};
use tagbid_pricing::Fx;
use tagbid_targeting::Slot;
use tagbid_types::{LineItemId, TagId, Timestamp};

use super::build::{compiled, deals, entry, lists, warn_refused};
use super::referrers::references;
use super::{Book, Entry, Place};

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
        let (mut present, mut searched, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for id in book.affected(&self.catalog, changed) {
            let Some(entry) = line_item(catalog, id).and_then(|item| entry(catalog, item).ok()) else {
                gone.extend(book.remove(id));
                continue;
            };
            let before = self.find(id).and_then(|(slot, _)| self.place(slot));
            let slot = book.put(id, entry);
            present.push(slot);
            let after = book.place(slot);
            let same =
                before.zip(after).is_some_and(|(before, after)| !searches_anew(before, after, changed));
            searched.extend((!same).then_some(slot));
        }
        for key in changed.iter().filter(|key| key.kind == EntityKind::Tag) {
            u32::try_from(key.id).into_iter().for_each(|id| book.vocabulary.changed(TagId(id), catalog));
        }
        book.search(self, &searched, gone, fx);
        book.live = self.live.detached(book.places());
        if changed.iter().any(|key| key.kind == EntityKind::Deal) {
            book.deals = Arc::new(deals(catalog));
        }
        let next = book.refresh_slots(present.into_iter(), now);
        (book, next)
    }

    /// The line items that are themselves among the changed entities, or refer to one that is.
    fn affected(&mut self, before: &Catalog, changed: &BTreeSet<EntityKey>) -> BTreeSet<LineItemId> {
        let mut affected = BTreeSet::new();
        for key in changed {
            if key.kind == EntityKind::LineItem {
                let id = LineItemId(key.id);
                self.referrers.update(line_item(before, id), line_item(&self.catalog, id));
                affected.insert(id);
            }
        }
        for key in changed {
            affected.extend(self.referrers.to(*key));
        }
        affected
    }

    /// Tells the engine what is new at these slots, and which hold nobody any more.
    fn search(&mut self, before: &Self, searched: &[Slot], mut gone: Vec<Slot>, fx: &Fx) {
        let lists = lists(&self.catalog);
        let items: Vec<_> =
            searched.iter().filter_map(|slot| compiled(*slot, self.place(*slot)?, fx)).collect();
        // What is in no currency that we know is found no more, but stays in the book to be explained.
        let found: BTreeSet<Slot> = items.iter().map(|item| item.slot).collect();
        gone.extend(searched.iter().filter(|slot| !found.contains(slot)));
        if items.is_empty() && gone.is_empty() {
            return;
        }
        let (engine, refused) = before.engine.with(items, &gone, &lists);
        drop(lists);
        warn_refused(&refused, self);
        self.engine = engine;
    }

    /// Its old place, one that is free, or a new one.
    fn put(&mut self, id: LineItemId, entry: Entry) -> Slot {
        let place = self.kits.place(entry);
        self.vocabulary.add(&place.entry, &self.catalog);
        self.contact.add(&place.entry);
        if let Some(slot) = self.slots.get(&id).copied() {
            self.release(slot);
            self.places.set(slot.0 as usize, place);
            return slot;
        }
        let slot = match self.free.last().copied() {
            Some(slot) => {
                self.free.drop_last_mut();
                self.places.set(slot.0 as usize, place);
                slot
            }
            None => {
                self.places.push(place);
                Slot(self.places() - 1)
            }
        };
        self.slots.insert_mut(id, slot);
        slot
    }

    fn remove(&mut self, id: LineItemId) -> Option<Slot> {
        let slot = self.slots.get(&id).copied()?;
        self.release(slot);
        self.slots.remove_mut(&id);
        self.free.push_back_mut(slot);
        Some(slot)
    }

    /// Lets go of the creatives, tags and rules of the line item that is leaving its place.
    fn release(&mut self, slot: Slot) {
        if let Some(place) = self.places.get(slot.0 as usize) {
            self.kits.release(place);
            self.vocabulary.remove(&place.entry);
            self.contact.remove(&place.entry);
        }
    }
}

fn line_item(catalog: &Catalog, id: LineItemId) -> Option<&Arc<LineItem>> {
    match catalog.entities.get(&EntityKey::from(id))? {
        Entity::LineItem(item) => Some(item),
        _ => None,
    }
}

/// Whether the search has to be told. Most changes are of what is asked after it: status, schedule, budget, all of a
/// creative but its shape.
fn searches_anew(before: &Place, after: &Place, changed: &BTreeSet<EntityKey>) -> bool {
    let same_class = before.class == after.class;
    let (before, after) = (&before.entry, &after.entry);
    let same = same_class
        && before.advertiser.currency == after.advertiser.currency
        && before.advertiser.never_contact == after.advertiser.never_contact
        && before.tier() == after.tier()
        && (Arc::ptr_eq(&before.item, &after.item)
            || before.item.bid == after.item.bid && before.item.targeting == after.item.targeting);
    let lists_changed = changed.iter().any(|key| key.kind == EntityKind::List);
    !same
        || lists_changed
            && references(&after.item).iter().any(|key| key.kind == EntityKind::List && changed.contains(key))
}
