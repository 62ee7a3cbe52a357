//! Sets of creatives that line items share. What the gates say of a set in one impression is asked once, however many
//! of its line items come by; and sets of the same shapes are one class to the search.

use std::collections::BTreeSet;
use std::sync::Arc;

use rpds::{HashTrieMapSync, VectorSync};
use tagbid_catalog::Creative;
use tagbid_targeting::Class;
use tagbid_types::CreativeId;

use super::{Entry, Place};
use crate::gates::Shape;

/// A number for the creatives of a line item, in their order: where two are equal, so are the creatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kit(pub(crate) u32);

/// The numbers given out.
#[derive(Clone, Debug, Default)]
pub(super) struct Kits {
    known: HashTrieMapSync<Vec<CreativeId>, Known>,
    /// Numbers are not used again: a set whose creatives change becomes another.
    next: u32,
    classes: HashTrieMapSync<Arc<[Shape]>, Class>,
    /// By class. They are kept: a catalog has few, whatever comes and goes.
    shapes: VectorSync<Arc<[Shape]>>,
}

#[derive(Clone, Debug)]
struct Known {
    kit: Kit,
    class: Class,
    creatives: Vec<Arc<Creative>>,
    /// Line items that have them.
    users: usize,
}

impl Kits {
    /// The place of a line item that makes use of its creatives from here on.
    pub(super) fn place(&mut self, entry: Entry) -> Place {
        let (kit, class) = self.of(&entry.creatives);
        Place { entry: Arc::new(entry), kit, class }
    }

    fn of(&mut self, creatives: &[Arc<Creative>]) -> (Kit, Class) {
        let ids = ids(creatives);
        if let Some(known) = self.known.get_mut(&ids)
            && known.creatives.iter().zip(creatives).all(|(known, creative)| Arc::ptr_eq(known, creative))
        {
            known.users += 1;
            return (known.kit, known.class);
        }
        let kit = Kit(self.next);
        self.next = self.next.wrapping_add(1);
        let class = self.class(creatives);
        self.known.insert_mut(ids, Known { kit, class, creatives: creatives.to_vec(), users: 1 });
        (kit, class)
    }

    fn class(&mut self, creatives: &[Arc<Creative>]) -> Class {
        let shapes: BTreeSet<_> = creatives.iter().map(|creative| Shape::of(creative)).collect();
        let shapes: Arc<[Shape]> = shapes.into_iter().collect();
        if let Some(class) = self.classes.get(&shapes) {
            return *class;
        }
        let class = Class(u32::try_from(self.shapes.len()).unwrap_or(u32::MAX));
        self.classes.insert_mut(Arc::clone(&shapes), class);
        self.shapes.push_back_mut(shapes);
        class
    }

    /// The shapes of all creatives of the class, each once.
    pub(super) fn shapes(&self, class: Class) -> Option<&[Shape]> {
        self.shapes.get(class.0 as usize).map(AsRef::as_ref)
    }

    /// The line item of this place does not make use of its creatives any more. With the last one they are forgotten.
    pub(super) fn release(&mut self, place: &Place) {
        let ids = ids(&place.entry.creatives);
        // Of creatives that have changed the newer ones are known, which others use.
        let Some(known) = self.known.get_mut(&ids).filter(|known| known.kit == place.kit) else { return };
        known.users -= 1;
        if known.users == 0 {
            self.known.remove_mut(&ids);
        }
    }
}

#[cfg(test)]
impl Kits {
    /// Sets that are remembered.
    pub(super) fn len(&self) -> usize {
        self.known.size()
    }
}

fn ids(creatives: &[Arc<Creative>]) -> Vec<CreativeId> {
    creatives.iter().map(|creative| creative.id).collect()
}
